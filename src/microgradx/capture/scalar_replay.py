"""`ScalarReplay`: a planned step of Values, ready to be called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.pending import Link, Share
from microgradx.capture.scalar import plan
from microgradx.capture.scalar_trace import resolve
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from microgradx.capture.arguments import Argument
    from microgradx.capture.trace import Trace

__all__ = ["ScalarReplay"]


class ScalarReplay:
    """Fills the inputs of a scalar program, runs it, and hands out what it returns.

    Parameters
    ----------
    trace : Trace
        The step, traced.
    arguments : sequence of Argument
        What varies from call to call.
    outputs : sequence of Value or number
        What the step returned.
    name : str
        The step's name.
    link : Link
        Shared by all programs of one captured function.
    products : bool
        Whether to recognise matrix products.
    """

    def __init__(
        self,
        trace: Trace,
        arguments: Sequence[Argument],
        outputs: Sequence[Any],
        name: str,
        link: Link,
        *,
        products: bool = True,
    ) -> None:
        inputs = [(a.name, a.shape, a.nodes) for a in arguments]
        self.resolved = resolve(trace, inputs, outputs)
        columns = self.resolved.columns
        self.program = plan(columns, name, products=products).program
        written = [node in columns.writes for node in columns.state]
        self.share = Share(self.program, self.resolved.state, written, self.resolved.finals)
        self.link = link
        link.join(self.share)
        # A kept list is held as long as the program, so that no other object gets its identity.
        self.targets = [self.program.array(self.program.inputs[a.name]) for a in arguments]
        found = self.program.outputs.get("outputs")
        self.result = None if found is None else self.program.array(found)
        self.numbers = self.resolved.numbers

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        """Run once on `leaves`, one array or number for each argument."""
        share, link = self.share, self.link
        for target, leaf in zip(self.targets, leaves, strict=True):
            target[...] = leaf
        link.before(share)
        with np.errstate(all="ignore"):
            self.program.replay()
        link.after(share)
        if self.result is None:
            return []
        return [x if plain else Value(x) for x, plain in zip(self.result.tolist(), self.numbers, strict=True)]
