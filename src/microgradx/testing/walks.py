"""A backward walk whose parts can be swapped for wrong ones: the bugs of the walk itself."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import engine
from microgradx.graph import topological_order
from microgradx.ops.shaping import unbroadcast_array

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["WALKS", "Mutant", "replaced"]


@dataclass(frozen=True)
class Mutant:
    """One bug that can be planted.

    Attributes
    ----------
    name : str
        What it is.
    group : str
        formula, slips, precision, special, broadcast, kink, memory or graph.
    op : str
        The primitive concerned; empty for bugs of the walk.
    plant : callable
        Makes the context in which the bug is there.
    """

    name: str
    group: str
    op: str
    plant: Callable[[], AbstractContextManager[None]]


@contextmanager
def replaced(owner: Any, **parts: Any) -> Iterator[None]:
    """Set attributes of `owner` for a ``with`` block."""
    kept = {name: getattr(owner, name) for name in parts}
    for name, part in parts.items():
        setattr(owner, name, part)
    try:
        yield
    finally:
        for name, part in kept.items():
            setattr(owner, name, part)


def _breadth_first(root: Any) -> list[Any]:
    """Visit level by level: a node may come before all its uses are done."""
    order, seen = [root], {id(root)}
    for node in order:
        for parent in node.parents:
            if type(parent) is type(root) and id(parent) not in seen:
                seen.add(id(parent))
                order.append(parent)
    return order


def _youngest_first(root: Any) -> list[Any]:
    return topological_order(root)[::-1]


def _depth_first(root: Any) -> list[Any]:
    """Preorder: a node before its parents, but not after all of its uses."""
    order, seen, stack = [], set(), [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        order.append(node)
        stack.extend(p for p in node.parents if type(p) is type(root))
    return order


def _added(old: Any, new: Any) -> Any:
    return new if old is None else old + new


def _assigned(_: Any, new: Any) -> Any:
    return new


def _added_in_place(old: Any, new: Any) -> Any:
    if old is None:
        return new
    old += new
    return old


def _walk(
    root: Any,
    seed: Any,
    *,
    order: Callable[[Any], Sequence[Any]] = _youngest_first,
    accumulate: Callable[[Any, Any], Any] = _added,
    inside: Callable[[Any, Any], Any] | None = None,
    once: bool = False,
    sum_to: Callable[[Any, Any], Any] = unbroadcast_array,
    reset: bool = True,
) -> None:
    """A plain backward walk over Tensors whose parts can be swapped for wrong ones."""
    nodes = order(root)
    for node in nodes:
        if reset and node.op is not None:
            node._grad = None
    root._grad = seed
    with np.errstate(all="ignore"):
        for node in nodes:
            g = node._grad
            if node.op is None or g is None:
                continue
            done: set[int] = set()
            for parent, c in _pulled(node, g):
                if once and id(parent) in done:
                    continue
                done.add(id(parent))
                shape = parent.shape
                c = c if c.shape == shape else np.asarray(sum_to(c, shape))  # noqa: PLW2901
                how = inside if inside is not None and parent.op is not None else accumulate
                parent._grad = how(parent._grad, c)


def _walk_floats(
    root: Any,
    seed: Any,
    *,
    order: Callable[[Any], Sequence[Any]] = _youngest_first,
    accumulate: Callable[[Any, Any], Any] = _added,
    inside: Callable[[Any, Any], Any] | None = None,
    once: bool = False,
    reset: bool = True,
) -> None:
    """The same over Values, which have no shapes and no buffers."""
    nodes = order(root)
    for node in nodes:
        if reset and node.op is not None:
            node._grad = 0.0
    root._grad = seed
    for node in nodes:
        done: set[int] = set()
        for parent, c in engine.pull_floats(node) if node.op is not None else ():
            if not (once and id(parent) in done):
                done.add(id(parent))
                how = inside if inside is not None and parent.op is not None else accumulate
                parent._grad = how(parent._grad, c)


def _pulled(node: Any, g: Any) -> Iterator[tuple[Any, Any]]:
    op, params = node.op, node.params or {}
    z, inputs = node._data, node.inputs
    if op.array_each is not None:
        cotangents = list(op.array_each(g, z, *inputs, **params))
    else:
        cotangents = [
            None if rule is None else rule(g, z, *inputs, **params) for rule in op.array_vjps
        ]
    for parent, c in zip(node.parents, cotangents, strict=True):
        if type(parent) is type(node) and parent.requires_grad and c is not None:
            yield parent, np.asarray(c)


def _leading_axes_only(g: Array, shape: tuple[int, ...]) -> Array:
    g = g.sum(axis=tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g
    return g[tuple(slice(0, n) for n in shape)]


def _mean_of_copies(g: Array, shape: tuple[int, ...]) -> Array:
    share = np.prod(shape, dtype=float) / max(g.size, 1)
    return np.asarray(unbroadcast_array(g, shape) * share)


def _first_axis_only(g: Array, shape: tuple[int, ...]) -> Array:
    g = g.sum(axis=tuple(range(g.ndim - len(shape)))) if g.ndim > len(shape) else g
    for axis, n in enumerate(shape):
        if n == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
            break
    return g[tuple(slice(0, n) for n in shape)]


def _not_summed(g: Array, _: tuple[int, ...]) -> Array:
    return g


def _walk_mutant(name: str, group: str = "graph", **parts: Any) -> Mutant:
    walks = {"backward_arrays": partial(_walk, **parts)}
    if group == "graph":
        walks["backward_floats"] = partial(_walk_floats, **parts)
    return Mutant(name, group, "", lambda: replaced(engine, **walks))


WALKS = (
    _walk_mutant("visits breadth first", order=_breadth_first),
    _walk_mutant("visits depth first", order=_depth_first),
    _walk_mutant("fan-out overwrites", accumulate=_assigned),
    _walk_mutant("fan-out overwrites inside the graph", inside=_assigned),
    _walk_mutant("x * x counts once", once=True),
    _walk_mutant("accumulates into shared buffers", "memory", accumulate=_added_in_place),
    _walk_mutant("inner gradients survive the call", reset=False),
    _walk_mutant("broadcast not summed", "broadcast", sum_to=_not_summed),
    _walk_mutant("broadcast summed over leading axes only", "broadcast", sum_to=_leading_axes_only),
    _walk_mutant("broadcast averaged", "broadcast", sum_to=_mean_of_copies),
    _walk_mutant("broadcast summed over one axis only", "broadcast", sum_to=_first_axis_only),
)
"""Bugs of the backward walk itself; those of the group ``graph`` over Values as well."""
