"""Several arrays made one."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from microgradx.errors import ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor, axes_of, stacked
from microgradx.functions.shapes import reshape
from microgradx.ops import indexing
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

if TYPE_CHECKING:
    from collections.abc import Iterable


__all__ = [
    "append", "block", "column_stack", "concat", "concatenate", "dstack", "hstack", "row_stack",
    "stack", "vstack",
]  # fmt: skip


def concatenate(xs: Iterable[TensorLike], axis: int | None = 0) -> Tensor:
    """Join along an axis that exists.

    Parameters
    ----------
    xs : iterable of Tensor or array_like
        Equal in shape but along `axis`.
    axis : int or None, optional
        Where to join; None flattens first.

    Returns
    -------
    Tensor
        With the lengths along `axis` added up.

    Raises
    ------
    ShapeError
        If the other lengths differ, or there is nothing to join.

    Examples
    --------
    >>> concatenate([Tensor([1.0]), Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    tensors = [as_tensor(x, "concatenate") for x in xs]
    if axis is None:
        axis, tensors = 0, [reshape(t, t.size) for t in tensors]
    if not tensors:
        raise ShapeError("concatenate", "nothing to join", "Pass at least one Tensor")
    ndim = tensors[0].ndim
    (place,) = axes_of(axis, ndim, "concatenate") or (0,)
    rest = [t.shape[:place] + t.shape[place + 1 :] for t in tensors]
    if builtins.any(t.ndim != ndim for t in tensors) or builtins.any(r != rest[0] for r in rest):
        raise ShapeError(
            "concatenate",
            f"shapes {', '.join(str(t.shape) for t in tensors)} differ outside axis {place}",
            "Only the lengths along the axis may differ",
        )
    index, start = [], 0
    for t in tensors:
        stop = start + t.shape[place]
        index.append((*[slice(None)] * place, slice(start, stop)))
        start = stop
    return apply(indexing.concatenate, tuple(tensors), {"axis": place, "index": tuple(index)})


def stack(xs: Iterable[TensorLike], axis: int = 0) -> Tensor:
    """Join along a new axis.

    Parameters
    ----------
    xs : iterable of Tensor or array_like
        All of one shape.
    axis : int, optional
        Where the new axis stands in the result.

    Returns
    -------
    Tensor
        With one axis more.

    Examples
    --------
    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1)
    Tensor([[1., 3.],
            [2., 4.]])
    """
    tensors = [as_tensor(x, "stack") for x in xs]
    if not tensors:
        raise ShapeError("stack", "nothing to join", "Pass at least one Tensor")
    (place,) = axes_of(axis, tensors[0].ndim + 1, "stack") or (0,)
    return stacked(tensors, place)


concat = concatenate


def vstack(xs: Iterable[TensorLike]) -> Tensor:
    """Rows on top of each other: joined along the first axis, vectors as rows."""
    return concatenate([_rows(as_tensor(x, "vstack")) for x in xs], 0)


row_stack = vstack


def _rows(x: Tensor) -> Tensor:
    return reshape(x, 1, x.size) if x.ndim < 2 else x


def hstack(xs: Iterable[TensorLike]) -> Tensor:
    """Side by side: joined along the second axis, vectors along their only one."""
    tensors = [as_tensor(x, "hstack") for x in xs]
    tensors = [reshape(t, 1) if t.ndim == 0 else t for t in tensors]
    return concatenate(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


def dstack(xs: Iterable[TensorLike]) -> Tensor:
    """Behind each other: joined along the third axis."""
    tensors = [as_tensor(x, "dstack") for x in xs]
    deep = [
        reshape(t, *((1, t.size, 1) if t.ndim < 2 else (*t.shape, 1))) if t.ndim < 3 else t
        for t in tensors
    ]
    return concatenate(deep, 2)


def column_stack(xs: Iterable[TensorLike]) -> Tensor:
    """Side by side, vectors as columns."""
    tensors = [as_tensor(x, "column_stack") for x in xs]
    return concatenate([reshape(t, t.size, 1) if t.ndim < 2 else t for t in tensors], 1)


def append(x: TensorLike, values: TensorLike, axis: int | None = None) -> Tensor:
    """Values after the elements of `x`, both flattened unless an axis is given."""
    x, values = as_tensor(x, "append"), as_tensor(values, "append")
    if axis is None:
        return concatenate([reshape(x, x.size), reshape(values, values.size)], 0)
    return concatenate([x, values], axis)


def block(xs: TensorLike) -> Tensor:
    """An array from nested lists of blocks: the innermost lists run along the last axis.

    Parameters
    ----------
    xs : nested lists of Tensor or array_like
        Blocks that fit.

    Returns
    -------
    Tensor
        With as many axes as the deepest block or list.

    Examples
    --------
    >>> block([[Tensor([[1.0]]), Tensor([[2.0]])], [Tensor([[3.0, 4.0]])]])
    Tensor([[1., 2.],
            [3., 4.]])
    """
    depth, inner = 0, xs
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]

    def axes(part: TensorLike) -> int:
        return (
            builtins.max(axes(p) for p in part)
            if isinstance(part, list)
            else as_tensor(part, "block").ndim
        )

    ndim = builtins.max(depth, axes(xs))

    def join(part: TensorLike, level: int) -> Tensor:
        if not isinstance(part, list):
            t = as_tensor(part, "block")
            return reshape(t, *(1,) * (ndim - t.ndim), *t.shape)
        return concatenate([join(p, level - 1) for p in part], ndim - level)

    return join(xs, depth)
