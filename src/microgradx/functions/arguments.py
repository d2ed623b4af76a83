"""What the functions share: arguments of every kind made into Tensors, axes and shapes."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from microgradx.errors import AxisError, ShapeError, UnsupportedError
from microgradx.ops import indexing
from microgradx.tensor import Tensor, as_array
from microgradx.tensor import _constant as constant
from microgradx.tensor_operations import apply
from microgradx.value import Value

__all__ = [
    "Axis",
    "TensorLike",
    "all_or",
    "as_tensor",
    "axes_of",
    "constant",
    "count",
    "ints",
    "stacked",
    "values_in",
]

TensorLike = Any
Axis = int | tuple[int, ...] | None


def as_tensor(x: TensorLike, where: str) -> Tensor:
    """`x` as a Tensor: itself, or a constant around an array."""
    if x.__class__ is Tensor:
        return x
    if x.__class__ is Value:
        raise UnsupportedError(where, "needs arrays, and a Value is one number", "Use a Tensor")
    if isinstance(x, (list, tuple)) and builtins.any(isinstance(item, Tensor) for item in x):
        return stacked([as_tensor(item, where) for item in x], 0)
    return constant(np.array(as_array(x, where)))


def axes_of(axis: Any, ndim: int, where: str) -> tuple[int, ...] | None:
    """`axis` as a sorted tuple of non-negative ints; None stays None."""
    if axis is None:
        return None
    wanted = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = []
    for a in wanted:
        try:
            i = a.__index__()
        except (AttributeError, TypeError):
            raise AxisError(
                where, f"axis {a!r} is no whole number", "Pass an int or a tuple of ints"
            ) from None
        if not -ndim <= i < ndim:
            raise AxisError(
                where,
                f"axis {i} is out of bounds for an array with {ndim} axes",
                f"Use {-ndim} to {ndim - 1}" if ndim else "A Tensor of shape () has no axes",
                axis=i,
                ndim=ndim,
            )
        found.append(i % ndim)
    if len(set(found)) != len(found):
        raise AxisError(where, f"axis {axis} names an axis twice", "Name each axis once")
    return tuple(sorted(found))


def all_or(axes: tuple[int, ...] | None, ndim: int) -> tuple[int, ...] | None:
    """None for all axes, the tuple otherwise, so that equal reductions have equal parameters."""
    return None if axes is not None and len(axes) == ndim and ndim else axes


def values_in(args: tuple[Any, ...]) -> list[Any] | None:
    """The Values in ``f(a, b, ...)`` or ``f([a, b, ...])``; None if there are none."""
    items = (
        list(args)
        if len(args) > 1
        else args[0]
        if isinstance(args[0], (list, tuple))
        else list(args)
    )
    if builtins.any(x.__class__ is Value for x in items):
        return list(items)
    return None


def count(x: Tensor, axes: tuple[int, ...] | None) -> int:
    """How many elements one result of a reduction over `axes` is made from."""
    n = 1
    for i in range(x.ndim) if axes is None else axes:
        n *= x.shape[i]
    return n


def ints(args: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` alike."""
    items = args[0] if len(args) == 1 and not hasattr(args[0], "__index__") else args
    return tuple([int(n) for n in items])


def stacked(tensors: list[Tensor], place: int) -> Tensor:
    """Tensors of one shape, joined along a new axis."""
    if builtins.any(t.shape != tensors[0].shape for t in tensors):
        shapes = ", ".join(str(t.shape) for t in tensors)
        raise ShapeError(
            "stack",
            f"shapes {shapes} differ",
            "Stack needs equal shapes; concatenate joins unequal lengths",
        )
    index = tuple([(*[slice(None)] * place, i) for i in range(len(tensors))])
    return apply(indexing.stack, tuple(tensors), {"axis": place, "index": index})
