"""Sums, means, products and extrema over axes."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from microgradx import value_operations
from microgradx.errors import ShapeError, UnsupportedError
from microgradx.functions.arguments import (
    Axis,
    TensorLike,
    all_or,
    as_tensor,
    axes_of,
    count,
    values_in,
)
from microgradx.functions.joining import concatenate
from microgradx.functions.making import ones
from microgradx.functions.shapes import reshape, transpose
from microgradx.modes import current
from microgradx.ops import elementwise, moments, reductions, shaping
from microgradx.tensor import Tensor
from microgradx.tensor_operations import apply
from microgradx.value import Value

__all__ = ["max", "mean", "min", "norm", "prod", "std", "sum", "var"]


def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum of elements over the given axes.

    Parameters
    ----------
    x : Tensor, array_like, or iterable of Values
        Values are added in order, as one node of the graph.
    axis : int or tuple of int, optional
        Axes to sum over; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor or Value
        Of shape ``()`` without `axis`.

    Raises
    ------
    AxisError
        If `x` has no such axis.

    Examples
    --------
    >>> sum(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4., 6.])
    >>> sum([Value(1.0), Value(2.0), 3])
    Value(data=6.0, grad=0.0)
    """
    if x.__class__ is Value:
        return x
    if x.__class__ is not Tensor:
        items = list(x) if hasattr(x, "__iter__") and not hasattr(x, "dtype") else None
        if items and builtins.any(item.__class__ is Value for item in items):
            return value_operations.apply(elementwise.total, *items)
        x = as_tensor(items if items is not None else x, "sum")
    return apply(
        shaping.sum,
        (x,),
        {"axis": all_or(axes_of(axis, x.ndim, "sum"), x.ndim), "keepdims": bool(keepdims)},
    )


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean over the given axes.

    Parameters
    ----------
    x : Tensor or array_like
        Integers give float64.
    axis : int or tuple of int, optional
        Axes to average over; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> mean(Tensor([1.0, 2.0, 6.0]))
    Tensor(3.)
    """
    x = as_tensor(x, "mean")
    axes = axes_of(axis, x.ndim, "mean")
    return sum(x, axes, keepdims) / count(x, axes)  # type: ignore[no-any-return]


def var(
    x: TensorLike,
    axis: Axis = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    correction: int | None = None,
) -> Tensor:
    """Variance over the given axes: the mean squared distance from the mean.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    ddof, correction : int, optional
        Subtracted from the number of elements in the divisor (two names for one thing).
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> var(Tensor([1.0, 3.0]))
    Tensor(1.)
    """
    x = as_tensor(x, "var")
    x = x if x.dtype.kind == "f" else x.astype(float)
    axes = axes_of(axis, x.ndim, "var")
    n = count(x, axes)
    params = {
        "axis": all_or(axes, x.ndim),
        "keepdims": bool(keepdims),
        "count": n,
        "divisor": builtins.max(n - (ddof if correction is None else correction), 0),
    }
    return apply(moments.var, (x,), params)


def std(
    x: TensorLike,
    axis: Axis = None,
    ddof: int = 0,
    keepdims: bool = False,
    *,
    correction: int | None = None,
) -> Tensor:
    """Standard deviation over the given axes; its gradient is 0 where all elements are equal.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    ddof, correction : int, optional
        Subtracted from the number of elements in the divisor.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> std(Tensor([1.0, 3.0]))
    Tensor(1.)
    """
    return elementwise.root(var(x, axis, ddof, keepdims, correction=correction))  # type: ignore[no-any-return]


def norm(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Euclidean length; its gradient at 0 is 0.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> norm(Tensor([3.0, 4.0]))
    Tensor(5.)
    """
    x = as_tensor(x, "norm")
    x = x if x.dtype.kind == "f" else x.astype(float)
    params = {"axis": all_or(axes_of(axis, x.ndim, "norm"), x.ndim), "keepdims": bool(keepdims)}
    return apply(moments.length, (x,), params)


def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product of elements over the given axes, right also where some are 0.

    Where the product is 0 or infinite, halves are multiplied pairwise, so that no rule divides:
    the gradient is exact to any order.

    Parameters
    ----------
    x : Tensor or array_like
        Any real dtype.
    axis : int or tuple of int, optional
        Axes to multiply over; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> x = Tensor([2.0, 0.0, 3.0])
    >>> prod(x).backward()
    >>> x.grad
    array([0., 6., 0.])
    """
    x = as_tensor(x, "prod")
    axes = axes_of(axis, x.ndim, "prod")
    mode = current()
    if mode is None or mode.tape is None:
        params = {"axis": all_or(axes, x.ndim), "keepdims": bool(keepdims)}
        z = apply(moments.prod, (x,), params)
        if np.isfinite(z._data).all() and z._data.all():  # no element is 0, and nothing overflows
            return z
    axes = tuple(range(x.ndim)) if axes is None else axes
    kept = tuple([i for i in range(x.ndim) if i not in axes])
    shape = tuple(
        [1 if i in axes else n for i, n in enumerate(x.shape)]
        if keepdims
        else [x.shape[i] for i in kept]
    )
    y = reshape(transpose(x, (*kept, *axes)), (*[x.shape[i] for i in kept], count(x, axes)))
    while y.shape[-1] > 1:
        half, odd = divmod(y.shape[-1], 2)
        z = y[..., :half] * y[..., half : 2 * half]
        y = concatenate([z, y[..., 2 * half :]], -1) if odd else z
    if y.shape[-1] == 0:
        return ones(shape, y.dtype, requires_grad=False)
    return reshape(y, shape)


def extreme(name: str, args: tuple[Any, ...], axis: Axis, keepdims: bool) -> Any:
    if not args:
        raise UnsupportedError(name, "nothing to choose from", "Pass a Tensor, or Values")
    values = values_in(args)
    if values is not None:
        best = values[0]
        op = elementwise.maximum if name == "max" else elementwise.minimum
        for other in values[1:]:
            best = op(best, other)
        return best
    if len(args) > 1 and not isinstance(args[1], (int, tuple, type(None))):
        raise UnsupportedError(name, "several arrays", f"Use {name}imum(a, b) to compare them")
    x = as_tensor(args[0], name)
    if len(args) > 1:
        axis = args[1]
    axes = axes_of(axis, x.ndim, name)
    if count(x, axes) == 0:
        raise ShapeError(
            name, f"shape {x.shape} has nothing to choose from", "Check for empty input first"
        )
    op = reductions.max if name == "max" else reductions.min
    return apply(op, (x,), {"axis": all_or(axes, x.ndim), "keepdims": bool(keepdims)})


def max(*x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Largest element over the given axes, or the largest of several Values.

    Parameters
    ----------
    *x : Tensor or array_like, or Values
        ``max(tensor)``, ``max(tensor, axis)``, ``max([a, b, c])`` or ``max(a, b, c)``.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor or Value
        Ties share the gradient equally.

    Examples
    --------
    >>> x = Tensor([1.0, 1.0, 0.0])
    >>> max(x).backward()
    >>> x.grad
    array([0.5, 0.5, 0. ])
    """
    return extreme("max", x, axis, keepdims)


def min(*x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Smallest element over the given axes, or the smallest of several Values.

    Parameters
    ----------
    *x : Tensor or array_like, or Values
        ``min(tensor)``, ``min(tensor, axis)``, ``min([a, b, c])`` or ``min(a, b, c)``.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor or Value
        Ties share the gradient equally.

    Examples
    --------
    >>> min(Value(2.0), Value(1.0))
    Value(data=1.0, grad=0.0)
    """
    return extreme("min", x, axis, keepdims)
