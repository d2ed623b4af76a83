"""Several arrays made one."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from microgradx.errors import ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor, axes_of, stacked
from microgradx.ops import indexing
from microgradx.tensor import Tensor, apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["concatenate", "stack"]


def concatenate(xs: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join along an axis that exists.

    Parameters
    ----------
    xs : sequence of Tensor or array_like
        Equal in shape but along `axis`.
    axis : int, optional
        Where to join.

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
