"""`ScalarReplay`: a planned step of Values, ready to be called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.arguments import stand_ins, structure_of
from microgradx.capture.pending import Link, Share
from microgradx.capture.scalar import plan
from microgradx.capture.scalar_trace import resolve
from microgradx.capture.threads import blas
from microgradx.capture.trace import Trace
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.capture.arguments import Argument, Signature

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
    vectorize : bool or None
        Whether to use NumPy calls or plain floats; None chooses.
    threads : int, optional
        BLAS threads during a run; 1 by default.
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
        vectorize: bool | None = None,
        threads: int | None = None,
    ) -> None:
        self.resolved = resolve(trace, arguments, outputs)
        columns = self.resolved.columns
        self.planned = plan(columns, name, products=products, vectorize=vectorize)
        self.program = self.planned.program
        multiplies = any(i.function == "matmul" for i in self.program.instructions)
        self._blas = blas() if multiplies else None
        self._threads = threads or 1
        if self._blas is not None:
            self.program.threads = self._threads
        written = [node in columns.writes for node in columns.state]
        self.share = Share(self.program, self.resolved.state, written, self.resolved.finals)
        self.link = link
        link.join(self.share)
        # A kept list is held as long as the program, so that no other object gets its identity.
        self.targets = [self.program.array(self.program.inputs[a.name]) for a in arguments]
        found = self.program.outputs.get("outputs")
        self.result = None if found is None else self.program.array(found)
        self.numbers = self.resolved.numbers

    def fits(self) -> bool:
        """Whether the program still does what the step would; nothing here can change that."""
        return True

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        """Run once on `leaves`, one array or number for each argument."""
        share, link = self.share, self.link
        self._fill(leaves)
        link.before(share)
        if self.planned.position is None:  # floats do not ask how NumPy treats errors
            self.program.replay()
        else:
            self._run()
        link.after(share)
        if self.result is None:
            return []
        found = self.result.tolist()
        for (k, added), grad in zip(
            self.resolved.borrowed, found[len(self.numbers) :], strict=True
        ):
            leaves[k].grad = leaves[k].grad + grad if added else grad
        return [x if plain else Value(x) for x, plain in zip(found, self.numbers, strict=False)]

    def check(
        self,
        step: Callable[..., Any],
        signature: Signature,
        leaves: Sequence[Any],
        kwargs: dict[str, Any],
        positional: int,
    ) -> None:
        """Compare every number of a run on `leaves` with what the step computes node by node."""
        from microgradx.capture.scalar_check import check  # noqa: PLC0415 - only when asked for

        trace = Trace()
        with trace:
            built, arguments = stand_ins(signature, list(leaves), trace, values=True)
            named = dict(zip(kwargs, built[positional:], strict=True))
            outputs, _ = structure_of(step(*built[:positional], **named))
        now = resolve(trace, arguments, outputs)
        self._fill(leaves)
        self.link.before(self.share)
        memory = self.program.arrays["v"]
        before, state = memory.copy(), self.share.state.copy()
        inputs = [np.array(target) for target in self.targets]
        try:
            self._run()
            check(self.planned, self.resolved.columns, now.columns, inputs, state)
        finally:
            memory[...] = before

    def _run(self) -> None:
        library, threads = self._blas, self._threads
        with np.errstate(all="ignore"):
            before = threads if library is None else library.get()
            if library is None or before == threads:
                self.program.replay()
                return
            library.set(threads)
            try:
                self.program.replay()
            finally:
                library.set(before)

    def _fill(self, leaves: Sequence[Any]) -> None:
        for target, leaf in zip(self.targets, leaves, strict=True):
            target[...] = leaf._data if leaf.__class__ is Value else leaf
