"""Running sums and products, differences, and what is made from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.errors import ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor, axes_of
from microgradx.functions.arranging import ravel
from microgradx.functions.joining import concatenate
from microgradx.functions.reductions import sum as add_up
from microgradx.functions.shapes import broadcast_to, expand_dims
from microgradx.ops import scans
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

__all__ = [
    "cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "diff", "ediff1d", "gradient",
    "nancumprod", "nancumsum", "trapezoid",
]  # fmt: skip


def _along(x: TensorLike, axis: int | None, where: str) -> tuple[Tensor, int]:
    x = ravel(x) if axis is None else as_tensor(x, where)
    if x.ndim == 0:
        x = expand_dims(x, 0)
    return x, (axes_of(0 if axis is None else axis, x.ndim, where) or (0,))[0]


def cumsum(x: TensorLike, axis: int | None = None) -> Tensor:
    """Running sums.

    Parameters
    ----------
    x : Tensor or array_like
        What to add up.
    axis : int, optional
        Along which; the flattened array by default.

    Returns
    -------
    Tensor
        Of the shape of `x`, or its size.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> cumsum(x).sum().backward()
    >>> x.grad
    array([3., 2., 1.])
    """
    x, i = _along(x, axis, "cumsum")
    return apply(scans.cumsum, (x,), {"axis": i})


def cumprod(x: TensorLike, axis: int | None = None) -> Tensor:
    """Running products; the gradient is right also where some are 0.

    Each of log2(n) rounds multiplies by what stands 1, 2, 4, ... places before, so that no rule
    ever divides.

    Parameters
    ----------
    x : Tensor or array_like
        What to multiply.
    axis : int, optional
        Along which; the flattened array by default.

    Returns
    -------
    Tensor
        Of the shape of `x`, or its size.

    Examples
    --------
    >>> x = Tensor([2.0, 0.0, 3.0])
    >>> cumprod(x).sum().backward()
    >>> x.grad
    array([1., 8., 0.])
    """
    x, i = _along(x, axis, "cumprod")
    lead, step = (slice(None),) * i, 1
    while step < x.shape[i]:
        head, tail = x[(*lead, slice(None, step))], x[(*lead, slice(step, None))]
        x = concatenate([head, tail * x[(*lead, slice(None, -step))]], i)
        step *= 2
    return x  # type: ignore[no-any-return]


cumulative_prod, cumulative_sum = cumprod, cumsum


def nancumsum(x: TensorLike, axis: int | None = None) -> Tensor:
    """Running sums that count nan as 0."""
    x = as_tensor(x, "nancumsum")
    return cumsum(_filled(x, 0.0), axis)


def nancumprod(x: TensorLike, axis: int | None = None) -> Tensor:
    """Running products that count nan as 1."""
    x = as_tensor(x, "nancumprod")
    return cumprod(_filled(x, 1.0), axis)


def _filled(x: Tensor, number: float) -> Tensor:
    """`x` with a number in the place of nan."""
    return x.where(x == x, number) if x.dtype.kind == "f" else x  # noqa: PLR0124 - only nan differs


def diff(
    x: TensorLike, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None
) -> Tensor:
    """Differences of neighbours, `n` times over.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    n : int, optional
        How often.
    axis : int, optional
        Along which.
    prepend, append : Tensor or array_like, optional
        Put before and after `x` first; numbers stand for one slice.

    Returns
    -------
    Tensor
        Shorter by `n`.

    Examples
    --------
    >>> diff(Tensor([1.0, 4.0, 9.0]))
    Tensor([3., 5.])
    """
    x, i = _along(x, axis, "diff")
    if n < 0:
        raise ShapeError("diff", f"order {n}", "Use 0 or more")
    ends = []
    for end in (prepend, append):
        part = None if end is None else as_tensor(end, "diff")
        if part is not None and part.ndim == 0:
            part = broadcast_to(part, (*x.shape[:i], 1, *x.shape[i + 1 :]))
        ends.append(part)
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    x = concatenate(parts, i) if len(parts) > 1 else x
    lead = (slice(None),) * i
    for _ in range(n):
        x = x[(*lead, slice(1, None))] - x[(*lead, slice(None, -1))]
    return x  # type: ignore[no-any-return]


def ediff1d(x: TensorLike) -> Tensor:
    """Differences of neighbours in the flattened array."""
    return diff(ravel(x))


def gradient(x: TensorLike, *spacing: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Central differences, one-sided at the ends, as ``numpy.gradient`` for equal steps.

    Parameters
    ----------
    x : Tensor or array_like
        Samples.
    *spacing : float
        Distance of the samples: one for all axes, or one for each.
    axis : int or tuple of int, optional
        Along which; all by default.
    edge_order : {1}, optional
        One-sided differences of first order.

    Returns
    -------
    Tensor or list of Tensor
        One for each axis.
    """
    x = as_tensor(x, "gradient")
    axes = axes_of(axis, x.ndim, "gradient")
    axes = tuple(range(x.ndim)) if axes is None else axes
    steps = spacing * len(axes) if len(spacing) == 1 else spacing or (1.0,) * len(axes)
    if len(steps) != len(axes) or any(np.ndim(h) for h in steps) or edge_order != 1:
        raise ShapeError(
            "gradient", "uneven steps, or edges of second order", "Use equal steps and edge_order=1"
        )
    slopes = []
    for i, h in zip(axes, steps, strict=True):
        if x.shape[i] < 2:
            raise ShapeError(
                "gradient", f"axis {i} of shape {x.shape} has fewer than 2 samples", "Sample more"
            )
        lead = (slice(None),) * i
        inner = (x[(*lead, slice(2, None))] - x[(*lead, slice(None, -2))]) / (2 * h)
        first = (x[(*lead, slice(1, 2))] - x[(*lead, slice(0, 1))]) / h
        last = (x[(*lead, slice(-1, None))] - x[(*lead, slice(-2, -1))]) / h
        slopes.append(concatenate([first, inner, last], i))
    return slopes[0] if len(slopes) == 1 else slopes


def trapezoid(
    y: TensorLike, x: TensorLike | None = None, dx: float = 1.0, axis: int = -1
) -> Tensor:
    """The integral of samples by the trapezoidal rule.

    Parameters
    ----------
    y : Tensor or array_like
        Samples.
    x : Tensor or array_like, optional
        Where they were taken; equal steps `dx` by default.
    dx : float, optional
        The step.
    axis : int, optional
        Along which.

    Returns
    -------
    Tensor
        With one axis less.

    Examples
    --------
    >>> trapezoid(Tensor([0.0, 1.0, 4.0]), dx=0.5)
    Tensor(1.5)
    """
    y, i = _along(y, axis, "trapezoid")
    lead = (slice(None),) * i
    step: Any = dx
    if x is not None:
        step = diff(x, axis=axis if as_tensor(x, "trapezoid").ndim > 1 else 0)
        if step.ndim == 1:
            step = step.reshape(*[-1 if k == i else 1 for k in range(y.ndim)])
    middle = (y[(*lead, slice(1, None))] + y[(*lead, slice(None, -1))]) * 0.5
    return add_up(middle * step, i)  # type: ignore[no-any-return]
