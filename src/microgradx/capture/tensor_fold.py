"""Gradient descent without a pass over the gradients: the rate is multiplied in where they begin.

A step of plain gradient descent multiplies every gradient by the learning rate, a pass over all
parameters. Backward passes are linear, and most begin with one small product (the mean's 1/n), so
that product can take the rate along: the gradients then come out as what is to be subtracted.
Whoever looks at ``grad`` gets it divided by the rate again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from microgradx.capture.tensor_memory import live
from microgradx.capture.tensor_rows import Row, numbers
from microgradx.primitive import PRIMITIVES

if TYPE_CHECKING:
    from microgradx.capture.tensor_trace import Resolved, Update

__all__ = ["fold_rate"]

ANY = {"copyto", "negative", "positive", "add.reduce"}
ONE = {"matmul", "matvec", "vecmat", "dot", "multiply"}
ALL = {"add", "subtract", "kernels.keep_zeros"}


def fold_rate(resolved: Resolved) -> bool:
    """Let the backward pass multiply by the learning rate, where the step allows it.

    Parameters
    ----------
    resolved : Resolved
        The step; one product and the update are changed in place.

    Returns
    -------
    bool
        Whether the rate was folded.
    """
    if len(resolved.updates) != 1:
        return False
    update = resolved.updates[0]
    if not update.optimizer.plain(update.group) or not update.group["lr"]:
        return False
    calls = live(resolved)
    for row in calls:
        if row.phase == "backward" and _constant_factor(row) is not None:
            scaled = _scaled(calls, row)
            if scaled is not None and _allowed(resolved, update, scaled):
                _fold(resolved, update, row)
                return True
    return False


def _constant_factor(row: Row) -> Row | None:
    """The number that a product multiplies by, if it is one."""
    if row.function != "multiply":
        return None
    factors = [a for a in row.args if isinstance(a, Row)]
    constant = [a for a in factors if a.base.kind == "constant" and not a.shape]
    return constant[0] if len(factors) == 2 and len(constant) == 1 else None


def _scaled(calls: list[Row], first: Row) -> set[int] | None:
    """Rows that scale with `first`; None if some row depends on it in another way."""
    found = {id(first)}
    begun = False
    for row in calls:
        if row is first:
            begun = True
        elif begun:
            rows = row.inputs()
            moving = [x for x in rows if id(x.base) in found]
            if moving and not _linear(
                row, len(rows), len(moving), any(x is row.args[0] for x in moving)
            ):
                return None
            if moving:
                found.add(id(row))
    return found


def _linear(row: Row, inputs: int, moving: int, first: bool) -> bool:
    """Whether a row is homogeneous of degree one in its moving inputs."""
    name = row.function
    if row.kind in {"join", "update"}:
        return True
    if row.kind != "call":
        return False
    head, _, rest = name.partition(".")
    if head == "primitives":
        kind = PRIMITIVES[rest].kind
        return (kind == "linear" and moving == inputs) or (kind == "bilinear" and moving == 1)
    return (
        name in ANY
        or (name in ONE and moving == 1)
        or (name in ALL and moving == inputs)
        or (name in {"divide", "kernels.scatter"} and moving == 1 and first)
    )


def _allowed(resolved: Resolved, update: Update, scaled: set[int]) -> bool:
    """Whether nothing but the update and its own parameters' gradients would notice."""
    pieces = update.gradient.base.args
    own = {id(p) for p in update.params}
    seen = [x for x in resolved.outputs if isinstance(x, Row)] + [
        new for _, new in resolved.stores if new.base.kind != "update"
    ]
    return (
        all(id(piece.base) in scaled for piece in pieces)
        and not any(id(x.base) in scaled for x in seen)
        and all(
            id(node) in own
            for node, row in resolved.grads
            if row is not None and id(row.base) in scaled
        )
    )


def _fold(resolved: Resolved, update: Update, row: Row) -> None:
    factor = _constant_factor(row)
    assert factor is not None  # noqa: S101 - `fold_rate` asked
    update.factor = float(numbers(factor))
    old = update.numbers
    update.numbers = resolved.rows.leaf(
        "state", np.empty(old.shadow.size + 1, old.dtype), "numbers"
    )
    rate = resolved.rows.view(update.numbers, update.numbers.shadow[-1:].reshape(()))
    row.args = tuple([rate if a is factor else a for a in row.args])
    row.note += ", times the learning rate"
    assert update.after is not None  # noqa: S101 - made with the update
    update.after.args = tuple([update.numbers if a is old else a for a in update.after.args])
