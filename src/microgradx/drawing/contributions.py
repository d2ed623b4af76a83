"""What each edge adds in the backward pass, recomputed without touching anybody's gradient.

The engine's fast walks keep only sums. Pictures and explanations need the terms: for the edge from
input ``x`` (operand ``slot``) to result ``z`` that is the vjp rule applied to the cotangent of
``z``. The same rules as the engine's are used, in the same order, so that the terms add up to the
engine's sums bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.engine import fit, keep_zeros
from microgradx.graph import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Backward", "is_tracked", "pull_slots", "retrace", "slots_in_order"]


@dataclass
class Backward:
    """A backward pass written down.

    `cotangents` maps ``id(node)`` to its cotangent; `terms` maps ``(id(node), slot)`` to what that
    use sends to the operand; `order` holds the nodes in the order they were pulled back.
    """

    cotangents: dict[int, Any] = field(default_factory=dict)
    terms: dict[tuple[int, int], Any] = field(default_factory=dict)
    order: list[Node] = field(default_factory=list)


def is_tracked(node: Any) -> bool:
    """Whether a parent takes part in the backward pass."""
    return isinstance(node, Node) and bool(getattr(node, "requires_grad", True))


def pull_slots(node: Any, g: Any, *, ieee: bool = False) -> list[Any]:
    """What `g` at `node` sends to each operand; None where nothing is sent.

    Parameters
    ----------
    node : Value or Tensor
        A result (not a leaf).
    g : float or ndarray
        The cotangent of `node`; 1.0 gives the local derivatives of a Value.
    ieee : bool
        Let ``0 * inf`` be nan, instead of keeping exact zeros.

    Returns
    -------
    list
        One entry per operand.
    """
    op = node.op
    parents = node.parents
    # Course code may bring its own `_backward`, which says nothing about single operands.
    if op.kind == "closure" or not op.differentiable:
        return [None] * len(parents)
    arrays = isinstance(node._data, np.ndarray)
    z = node._data
    params = node.params or {}
    if arrays:
        inputs = node.inputs
        each, rules = op.array_each, op.array_vjps
    else:
        inputs = [p._data if isinstance(p, Node) else p for p in parents]
        each, rules = op.float_each, op.float_vjps
        if not ieee and g == 0 and op.guards:
            return [0.0 * g if is_tracked(p) else None for p in parents]
    with np.errstate(all="ignore"):
        try:
            pulled = _pulled(each, rules, g, z, inputs, parents, params)
        except ZeroDivisionError:
            # Python's floats refuse what NumPy's answer with inf or nan; the engine does the same.
            numbers = [np.float64(x) if isinstance(x, float) else x for x in inputs]
            pulled = _pulled(
                op.array_each, op.array_vjps, np.float64(g), np.float64(z), numbers, parents, params
            )
            pulled = [None if c is None else float(c) for c in pulled]
        if arrays:
            guarded = op.guards and not ieee
            pulled = [
                None if c is None or not is_tracked(p)
                else fit(keep_zeros(c, g) if guarded and c.shape == g.shape else c, a)
                for p, c, a in zip(parents, pulled, inputs, strict=True)
            ]  # fmt: skip
    return [c if is_tracked(p) else None for p, c in zip(parents, pulled, strict=True)]


def _pulled(
    each: Any, rules: Any, g: Any, z: Any, inputs: Any, parents: Any, params: dict[str, Any]
) -> list[Any]:
    if each is not None:
        return list(each(g, z, *inputs, **params))
    return [
        rule(g, z, *inputs, **params) if rule is not None and is_tracked(p) else None
        for p, rule in zip(parents, rules, strict=True)
    ]


def slots_in_order(node: Any) -> Sequence[int]:
    """Operands in the order in which the engine adds their contributions.

    The walk over Values takes the second of two operands first; sums of rounded numbers depend
    on it.
    """
    count = len(node.parents)
    both = count == 2 and getattr(node, "_x", ()).__class__ is node.__class__
    return (1, 0) if both else range(count)


def retrace(roots: Sequence[Any], order: Sequence[Any], seeds: Sequence[Any]) -> Backward:
    """Run the backward pass of `roots` on the side and keep every term.

    Parameters
    ----------
    roots : sequence of Node
        Where the pass starts.
    order : sequence of Node
        All ancestors of the roots, parents first.
    seeds : sequence
        The cotangent of each root.

    Returns
    -------
    Backward
    """
    found = Backward()
    for root, seed in zip(roots, seeds, strict=True):
        old = found.cotangents.get(id(root))
        found.cotangents[id(root)] = seed if old is None else old + seed
    for node in reversed(order):
        g = found.cotangents.get(id(node))
        if node.op is None or g is None:
            continue
        found.order.append(node)
        terms = pull_slots(node, g)
        for slot in slots_in_order(node):
            term, parent = terms[slot], node.parents[slot]
            if term is None:
                continue
            found.terms[id(node), slot] = term
            old = found.cotangents.get(id(parent))
            found.cotangents[id(parent)] = term if old is None else old + term
    return found
