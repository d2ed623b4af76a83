"""Elements chosen by number, by order, or by condition.

Which elements are chosen is a constant; the gradient goes to them alone. Sorting is stable, so
among ties the first in memory order comes first, and receives the gradient that its place gets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.errors import AxisError, IndexingError, ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor, axes_of, constant
from microgradx.functions.arranging import broadcast_arrays, moveaxis, ravel
from microgradx.functions.joining import stack
from microgradx.functions.reductions import sum as add_up
from microgradx.functions.shapes import expand_dims
from microgradx.ops import scans
from microgradx.ops.elementwise import where
from microgradx.tensor import Tensor
from microgradx.tensor_operations import apply

__all__ = [
    "argpartition", "argsort", "choose", "compress", "count_nonzero", "diag", "diagflat",
    "diagonal", "digitize", "extract", "flatnonzero", "nonzero", "searchsorted", "select", "sort",
    "take", "take_along_axis", "topk", "trace", "tril", "triu",
]  # fmt: skip


def _numbers(x: TensorLike, where: str) -> Any:
    """Raw data, of a Tensor too; refused during capture, where it may differ next time."""
    if isinstance(x, Tensor):
        x._refuse_traced(where)
        return x._data
    return np.asarray(x)


def _place(axis: int, ndim: int, where: str) -> int:
    return (axes_of(axis, ndim, where) or (0,))[0]


# ---- by number -----------------------------------------------------------------------------------
def take(x: TensorLike, indices: Any, axis: int | None = None, mode: str = "raise") -> Tensor:
    """Elements by their number along an axis.

    Parameters
    ----------
    x : Tensor or array_like
        Where to take from.
    indices : int or array_like of int
        Which; an element taken twice gets both gradients.
    axis : int, optional
        Along which; the flattened array by default.
    mode : {"raise", "wrap", "clip"}, optional
        What numbers out of range mean.

    Returns
    -------
    Tensor
        The shape of `indices` in the place of the axis.

    Examples
    --------
    >>> take(Tensor([1.0, 2.0, 3.0]), [2, 0])
    Tensor([3., 1.])
    """
    x = ravel(x) if axis is None else as_tensor(x, "take")
    i = _place(0 if axis is None else axis, x.ndim, "take")
    chosen = np.asarray(_numbers(indices, "take"))
    if mode != "raise":
        n = x.shape[i]
        chosen = chosen % n if mode == "wrap" else np.clip(chosen, 0, n - 1)
    return x[(*[slice(None)] * i, chosen)]  # type: ignore[no-any-return]


def take_along_axis(x: TensorLike, indices: Any, axis: int | None = -1) -> Tensor:
    """Elements by their number along an axis, row by row, as `argsort` and `argmax` give them.

    Parameters
    ----------
    x : Tensor or array_like
        Where to take from.
    indices : array_like of int
        With as many axes as `x`.
    axis : int, optional
        Along which.

    Returns
    -------
    Tensor
        Of the shape of `indices`.

    Examples
    --------
    >>> x = Tensor([[1.0, 3.0], [5.0, 4.0]])
    >>> take_along_axis(x, x.argmax(axis=1, keepdims=True), 1)
    Tensor([[3.],
            [5.]])
    """
    x = ravel(x) if axis is None else as_tensor(x, "take_along_axis")
    chosen = np.asarray(_numbers(indices, "take_along_axis"))
    i = _place(0 if axis is None else axis, x.ndim, "take_along_axis")
    if chosen.ndim != x.ndim:
        raise ShapeError(
            "take_along_axis", f"indices with {chosen.ndim} axes for {x.ndim}", "Use keepdims=True"
        )
    lengths = [n if k != i else chosen.shape[i] for k, n in enumerate(x.shape)]
    index: list[Any] = list(np.ogrid[tuple([slice(n) for n in lengths])])
    index[i] = chosen
    return x[tuple(index)]  # type: ignore[no-any-return]


def choose(indices: Any, choices: Any, mode: str = "raise") -> Tensor:
    """Elements from several arrays, each from the one that `indices` numbers.

    Parameters
    ----------
    indices : array_like of int
        Numbers of choices.
    choices : sequence of Tensor or array_like
        All broadcast with `indices`.
    mode : {"raise", "wrap", "clip"}, optional
        What numbers out of range mean.

    Returns
    -------
    Tensor
        Of the common shape.
    """
    options = [choices[k] for k in range(len(choices))]
    chosen, *wide = broadcast_arrays(_numbers(indices, "choose"), *options)
    numbers = chosen._data
    if mode != "raise":
        numbers = numbers % len(wide) if mode == "wrap" else np.clip(numbers, 0, len(wide) - 1)
    elif ((numbers < 0) | (numbers >= len(wide))).any():
        raise IndexingError(
            "choose", f"a number outside 0 to {len(wide) - 1}", "Use mode 'wrap' or 'clip'"
        )
    return stack(wide)[(numbers, *np.ogrid[tuple([slice(n) for n in numbers.shape])])]


# ---- diagonals and triangles ---------------------------------------------------------------------
def diagonal(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonal of each matrix, along a new last axis.

    Parameters
    ----------
    x : Tensor or array_like
        With two axes or more.
    offset : int, optional
        Above (positive) or below the main diagonal.
    axis1, axis2 : int, optional
        The axes of the matrices.

    Returns
    -------
    Tensor
        With one axis less.
    """
    x = as_tensor(x, "diagonal")
    if x.ndim < 2:
        raise ShapeError(
            "diagonal", f"shape {x.shape} has no two axes", "Use diag to make a matrix"
        )
    x = moveaxis(x, (axis1, axis2), (-2, -1))
    n = max(0, min(x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0)))
    steps = np.arange(n)
    return x[(..., steps + max(-offset, 0), steps + max(offset, 0))]  # type: ignore[no-any-return]


def diag(x: TensorLike, k: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    Parameters
    ----------
    x : Tensor or array_like
        With one axis or two.
    k : int, optional
        Which diagonal.

    Returns
    -------
    Tensor
        With two axes or one.

    Examples
    --------
    >>> diag(Tensor([1.0, 2.0]))
    Tensor([[1., 0.],
            [0., 2.]])
    """
    x = as_tensor(x, "diag")
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(
            "diag",
            f"shape {x.shape} has neither one axis nor two",
            "Use diagonal for stacks of matrices",
        )
    return diagflat(x, k)


def diagflat(x: TensorLike, k: int = 0) -> Tensor:
    """The matrix with the flattened elements of `x` on its diagonal."""
    x = ravel(x)
    n = x.size + abs(k)
    steps = np.arange(x.size)
    zeros = constant(np.zeros((n, n), x.dtype))
    return zeros.at[(steps + max(-k, 0), steps + max(k, 0))].add(x)  # type: ignore[no-any-return]


def trace(x: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The sum of each diagonal; arguments as in `diagonal`."""
    return add_up(diagonal(x, offset, axis1, axis2), -1)  # type: ignore[no-any-return]


def tril(x: TensorLike, k: int = 0) -> Tensor:
    """Zeros above the k-th diagonal of the last two axes."""
    return apply(scans.tril, (_matrix(x, "tril"),), {"k": int(k)})


def triu(x: TensorLike, k: int = 0) -> Tensor:
    """Zeros below the k-th diagonal of the last two axes."""
    return apply(scans.triu, (_matrix(x, "triu"),), {"k": int(k)})


def _matrix(x: TensorLike, where: str) -> Tensor:
    x = as_tensor(x, where)
    if x.ndim == 0:
        raise ShapeError(where, "a Tensor of shape () is no matrix", "Pass two axes")
    return x if x.ndim > 1 else expand_dims(x, 0).broadcast_to((x.size, x.size))


# ---- by order ------------------------------------------------------------------------------------
def argsort(
    x: TensorLike, axis: int | None = -1, *, descending: bool = False, stable: bool = True
) -> Tensor:
    """The numbers of the elements in rising order; the first of ties first. A constant.

    Parameters
    ----------
    x : Tensor or array_like
        What to sort.
    axis : int, optional
        Along which; None flattens.
    descending : bool, optional
        Falling order; the first of ties still first.
    stable : bool, optional
        As in NumPy; sorting is always stable here.

    Returns
    -------
    Tensor
        Of integers.
    """
    x = as_tensor(x, "argsort")
    x._refuse_traced("argsort")
    data = x._data.ravel() if axis is None else x._data
    i = _place(-1 if axis is None else axis, data.ndim, "argsort")
    if not descending:
        return constant(np.argsort(data, i, kind="stable"))
    backwards = np.argsort(np.flip(data, i), i, kind="stable")
    return constant(np.flip(data.shape[i] - 1 - backwards, i).copy())


def sort(
    x: TensorLike, axis: int | None = -1, *, descending: bool = False, stable: bool = True
) -> Tensor:
    """Elements in rising order; each keeps its gradient.

    Parameters
    ----------
    x : Tensor or array_like
        What to sort.
    axis : int, optional
        Along which; None flattens.
    descending, stable : bool, optional
        As in `argsort`.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> x = Tensor([3.0, 1.0, 2.0])
    >>> (sort(x) * np.array([1.0, 10.0, 100.0])).sum().backward()
    >>> x.grad
    array([100.,   1.,  10.])
    """
    x = ravel(x) if axis is None else as_tensor(x, "sort")
    if x.ndim == 0:
        raise AxisError("sort", "a Tensor of shape () has no axis", "Sort along an axis")
    i = -1 if axis is None else axis
    order = argsort(x, i, descending=descending)._data
    return x[order] if x.ndim == 1 else take_along_axis(x, order, i)


def argpartition(x: TensorLike, kth: Any, axis: int | None = -1) -> Tensor:
    """As ``numpy.argpartition``: a constant."""
    return constant(
        np.argpartition(_numbers(as_tensor(x, "argpartition"), "argpartition"), kth, axis)
    )


def topk(x: TensorLike, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along an axis, the largest first, and their numbers.

    Parameters
    ----------
    x : Tensor or array_like
        What to search.
    k : int
        How many.
    axis : int, optional
        Along which.
    largest : bool, optional
        Or the smallest.

    Returns
    -------
    values, indices : Tensor, Tensor
        The indices are constants.

    Examples
    --------
    >>> topk(Tensor([1.0, 3.0, 2.0]), 2)
    (Tensor([3., 2.]), Tensor([1, 2]))
    """
    x = as_tensor(x, "topk")
    i = _place(axis, x.ndim, "topk")
    if not 0 <= k <= x.shape[i]:
        raise ShapeError("topk", f"{k} of {x.shape[i]} elements", "Ask for fewer")
    order = argsort(x, i, descending=largest)
    chosen = constant(order._data[(*[slice(None)] * i, slice(k))].copy())
    return take_along_axis(x, chosen, i), chosen


def searchsorted(x: TensorLike, v: TensorLike, side: str = "left", sorter: Any = None) -> Tensor:
    """Where values would be inserted to keep `x` sorted: constants, as in NumPy."""
    found = np.searchsorted(_numbers(x, "searchsorted"), _numbers(v, "searchsorted"), side, sorter)  # type: ignore[call-overload]
    return constant(np.asarray(found))


def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> Tensor:
    """The number of the bin of each element: constants, as in NumPy."""
    return constant(
        np.asarray(np.digitize(_numbers(x, "digitize"), _numbers(bins, "digitize"), right))
    )


# ---- by condition --------------------------------------------------------------------------------
def select(condlist: Any, choicelist: Any, default: TensorLike = 0) -> Tensor:
    """Elements from the first choice whose condition holds.

    Parameters
    ----------
    condlist : sequence of array_like of bool
        Conditions.
    choicelist : sequence of Tensor or array_like
        What to take where each holds.
    default : Tensor or array_like, optional
        Where none does.

    Returns
    -------
    Tensor
        Of the common shape.
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ShapeError(
            "select", f"{len(condlist)} conditions for {len(choicelist)} choices", "Pair them"
        )
    z: Any = as_tensor(default, "select")
    for condition, choice in zip(reversed(list(condlist)), reversed(list(choicelist)), strict=True):
        z = where(condition, choice, z)
    return z  # type: ignore[no-any-return]


def compress(condition: Any, x: TensorLike, axis: int | None = None) -> Tensor:
    """The slices along an axis where a condition holds.

    Parameters
    ----------
    condition : array_like of bool, shape (n,)
        May be shorter than the axis.
    x : Tensor or array_like
        Where to take from.
    axis : int, optional
        Along which; the flattened array by default.

    Returns
    -------
    Tensor
        Shorter along the axis.
    """
    return take(x, np.flatnonzero(_numbers(condition, "compress")), axis)


def extract(condition: Any, x: TensorLike) -> Tensor:
    """The elements of the flattened `x` where a condition holds."""
    return take(x, np.flatnonzero(_numbers(condition, "extract")))


def nonzero(x: TensorLike) -> tuple[Tensor, ...]:
    """Where the elements are not 0: constants, one for each axis."""
    return tuple([constant(found) for found in np.nonzero(_numbers(x, "nonzero"))])


def flatnonzero(x: TensorLike) -> Tensor:
    """Where the flattened elements are not 0: a constant."""
    return constant(np.flatnonzero(_numbers(x, "flatnonzero")))


def count_nonzero(x: TensorLike, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    """How many elements are not 0: a constant."""
    found = np.count_nonzero(_numbers(x, "count_nonzero"), axis, keepdims=keepdims)
    return constant(np.asarray(found))
