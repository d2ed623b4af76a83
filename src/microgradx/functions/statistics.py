"""Averages, medians and quantiles, spreads, and reductions that skip nan."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from microgradx.errors import ShapeError, UnsupportedError
from microgradx.functions.arguments import Axis, TensorLike, as_tensor, axes_of, count
from microgradx.functions.joining import concatenate
from microgradx.functions.picking import sort
from microgradx.functions.products import matmul
from microgradx.functions.reductions import max as largest
from microgradx.functions.reductions import mean, prod
from microgradx.functions.reductions import min as smallest
from microgradx.functions.reductions import sum as add_up
from microgradx.functions.shapes import broadcast_to, expand_dims, reshape, transpose
from microgradx.ops.elementwise import root, square, where
from microgradx.tensor import Tensor

__all__ = [
    "amax", "amin", "average", "corrcoef", "cov", "median", "nanmax", "nanmean", "nanmin",
    "nanprod", "nanstd", "nansum", "nanvar", "percentile", "ptp", "quantile",
]  # fmt: skip

METHODS = ("linear", "lower", "higher", "midpoint", "nearest")

amax, amin = largest, smallest


def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest minus smallest element over the given axes ("peak to peak")."""
    return largest(x, axis=axis, keepdims=keepdims) - smallest(x, axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]


def average(
    x: TensorLike, axis: Axis = None, weights: TensorLike | None = None, returned: bool = False, *,
    keepdims: bool = False,
) -> Any:  # fmt: skip
    """Weighted mean over the given axes.

    Parameters
    ----------
    x : Tensor or array_like
        What to average.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    weights : Tensor or array_like, optional
        Of the shape of `x`, or along its one axis.
    returned : bool, optional
        Return the sum of the weights too.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor, or pair of Tensor
        The mean; and the sum of weights.

    Examples
    --------
    >>> average(Tensor([1.0, 4.0]), weights=[2.0, 1.0])
    Tensor(2.)
    """
    x = as_tensor(x, "average")
    axes = axes_of(axis, x.ndim, "average")
    if weights is None:
        z = mean(x, axes, keepdims)
        total = broadcast_to(as_tensor(np.asarray(count(x, axes), z.dtype), "average"), z.shape)
        return (z, total) if returned else z
    w = as_tensor(weights, "average")
    if w.shape != x.shape:
        if axes is None or w.shape != tuple([x.shape[i] for i in axes]):
            raise ShapeError(
                "average",
                f"weights of shape {w.shape} for data of shape {x.shape}",
                "Name the axes they belong to",
            )
        w = broadcast_to(
            reshape(w, [n if i in axes else 1 for i, n in enumerate(x.shape)]), x.shape
        )
    total = add_up(w, axes, keepdims)
    z = add_up(x * w, axes, keepdims) / total
    return (z, total) if returned else z


# ---- order statistics ----------------------------------------------------------------------------
def quantile(
    x: TensorLike, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The value below which a share `q` of the elements lies.

    Parameters
    ----------
    x : Tensor or array_like
        Elements; a nan gives nan.
    q : float or sequence of float
        In [0, 1], constants.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    method : {"linear", "lower", "higher", "midpoint", "nearest"}, optional
        How to go between two elements.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        The gradient goes to the one or two elements it lies between; a sequence `q` gives a new
        first axis.

    Raises
    ------
    UnsupportedError
        For NumPy's other methods.

    Examples
    --------
    >>> quantile(Tensor([1.0, 2.0, 4.0]), [0.5, 0.75])
    Tensor([2., 3.])
    """
    x = as_tensor(x, "quantile")
    if method not in METHODS:
        raise UnsupportedError(
            "quantile",
            f"method {method!r} has no gradient here",
            f"Use one of {', '.join(METHODS)}",
        )
    shares = np.asarray(q._data if isinstance(q, Tensor) else q, float)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ShapeError(
            "quantile", f"{q} is not between 0 and 1", "Percentages are for percentile"
        )
    axes = axes_of(axis, x.ndim, "quantile")
    axes = tuple(range(x.ndim)) if axes is None else axes
    kept = tuple([i for i in range(x.ndim) if i not in axes])
    n = count(x, axes)
    if n == 0:
        raise ShapeError(
            "quantile", f"shape {x.shape} has nothing to choose from", "Check for empty input first"
        )
    rows = sort(reshape(transpose(x, (*kept, *axes)), (*[x.shape[i] for i in kept], n)))
    rows = where(np.isnan(rows._data[..., -1:]), np.nan, rows) if x.dtype.kind == "f" else rows
    shape = tuple(
        [1 if i in axes else m for i, m in enumerate(x.shape)]
        if keepdims
        else [x.shape[i] for i in kept]
    )
    found = [
        reshape(_between(rows, share * (n - 1), method), shape) for share in shares.ravel().tolist()
    ]
    if not shares.ndim:
        return found[0]
    joined = concatenate([expand_dims(z, 0) for z in found], 0)
    return reshape(joined, (*shares.shape, *shape))


def _between(rows: Tensor, place: float, method: str) -> Tensor:
    """What sorted rows hold at a place between two elements."""
    low, high = math.floor(place), math.ceil(place)
    if method == "nearest":
        low = high = round(place)
    elif method == "lower":
        high = low
    elif method == "higher":
        low = high
    if low == high:
        return rows[..., low] * 1.0
    part = 0.5 if method == "midpoint" else place - low
    return rows[..., low] * (1 - part) + rows[..., high] * part


def percentile(
    x: TensorLike, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """As `quantile`, with `q` in [0, 100]."""
    return quantile(x, np.asarray(q, float) / 100, axis, method, keepdims)


def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle element, or the mean of the two middle ones.

    Parameters
    ----------
    x : Tensor or array_like
        Elements; a nan gives nan.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        The gradient goes to the middle elements; among ties to the first in memory order.

    Examples
    --------
    >>> median(Tensor([3.0, 1.0, 2.0, 10.0]))
    Tensor(2.5)
    """
    return quantile(x, 0.5, axis, "linear", keepdims)


# ---- skipping nan --------------------------------------------------------------------------------
def _skipped(x: TensorLike, where_from: str, number: float) -> tuple[Tensor, Any]:
    """`x` with a number in the place of nan, and where there was none."""
    x = as_tensor(x, where_from)
    if x.dtype.kind != "f":
        return x, np.ones(x.shape, bool)
    there = ~np.isnan(x._data)
    return where(there, x, x.dtype.type(number)), there


def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Sum over the given axes, with nan as 0; the gradient of a nan is 0."""
    return add_up(_skipped(x, "nansum", 0.0)[0], axis, keepdims)  # type: ignore[no-any-return]


def nanprod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product over the given axes, with nan as 1; the gradient of a nan is 0."""
    return prod(_skipped(x, "nanprod", 1.0)[0], axis, keepdims)


def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element that is not nan; nan where there is none."""
    filled, there = _skipped(x, "nanmax", -math.inf)
    z = largest(filled, axis=axis, keepdims=keepdims)
    return where(there.any(axis=axis, keepdims=keepdims), z, np.nan)  # type: ignore[no-any-return]


def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element that is not nan; nan where there is none."""
    filled, there = _skipped(x, "nanmin", math.inf)
    z = smallest(filled, axis=axis, keepdims=keepdims)
    return where(there.any(axis=axis, keepdims=keepdims), z, np.nan)  # type: ignore[no-any-return]


def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Mean of the elements that are not nan; nan where there is none."""
    filled, there = _skipped(x, "nanmean", 0.0)
    number = there.sum(axis=axis, keepdims=keepdims).astype(filled.dtype)
    return add_up(filled, axis, keepdims) / number  # type: ignore[no-any-return]


def nanvar(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """Variance of the elements that are not nan."""
    filled, there = _skipped(x, "nanvar", 0.0)
    number = there.sum(axis=axis, keepdims=True).astype(filled.dtype)
    middle = add_up(filled, axis, True) / number
    squares = where(there, square(filled - middle), 0)
    left = (number if keepdims else there.sum(axis=axis)) - ddof
    return add_up(squares, axis, keepdims) / np.where(left > 0, left, np.nan).astype(filled.dtype)  # type: ignore[no-any-return]


def nanstd(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """Standard deviation of the elements that are not nan; its gradient at 0 is 0."""
    return root(nanvar(x, axis, ddof, keepdims))  # type: ignore[no-any-return]


# ---- covariance ----------------------------------------------------------------------------------
def cov(
    x: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
) -> Tensor:
    """Covariance matrix of variables in rows.

    Parameters
    ----------
    x : Tensor or array_like, shape (variables, observations) or (observations,)
        Data.
    y : Tensor or array_like, optional
        More variables.
    rowvar : bool, optional
        Whether variables are in rows; else in columns.
    bias : bool, optional
        Divide by n instead of n - 1.
    ddof : int, optional
        Divide by n - ddof.

    Returns
    -------
    Tensor, shape (variables, variables) or ()
        Symmetric.
    """
    rows = [_variables(v, rowvar) for v in (x, y) if v is not None]
    data = concatenate(rows, 0)
    n = data.shape[1] - ((0 if bias else 1) if ddof is None else ddof)
    centred = data - mean(data, 1, keepdims=True)
    z = matmul(centred, transpose(centred)) / n
    return reshape(z, ()) if z.size == 1 else z


def _variables(x: TensorLike, rowvar: bool) -> Tensor:
    x = as_tensor(x, "cov")
    if x.ndim < 2:
        return reshape(x, 1, x.size)
    return x if rowvar else transpose(x)


def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True) -> Tensor:
    """Correlation matrix of variables; arguments as in `cov`."""
    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    steps = np.arange(len(c))
    spread = root(c[steps, steps])
    return c / reshape(spread, -1, 1) / reshape(spread, 1, -1)
