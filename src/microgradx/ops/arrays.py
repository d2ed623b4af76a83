"""Kernels on arrays that are not a single NumPy function. All take ``out=`` after their inputs."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

__all__ = [
    "clip",
    "inside",
    "keep_zeros",
    "leaky_relu",
    "power",
    "power_log",
    "power_slope",
    "ratio",
    "relu",
    "share",
    "sigmoid",
    "softplus",
    "where",
]

Array = Any  # ndarrays, NumPy scalars and Python numbers: kernels take them all


def kind_of(*operands: Array) -> np.dtype[Any]:
    """The dtype NumPy gives to arithmetic on `operands`; Python numbers are weak."""
    return np.result_type(*operands)


def new(*operands: Array) -> Array:
    """An empty array of the operands' common shape and dtype."""
    return np.empty(np.broadcast_shapes(*[np.shape(x) for x in operands]), kind_of(*operands))


def power(x: Array, y: Array, out: Array = None) -> Array:
    """x ** y. Constant exponents people write often have faster kernels than ``np.power``."""
    # Not so 0.5: IEEE has (-inf)**0.5 = inf and (-0.0)**0.5 = 0.0, and the square root has not.
    if y.__class__ is int or y.__class__ is float:
        if y == 2:
            return np.square(x, out)
        if y == 1:
            return np.positive(x, out)
        if y == -1 and kind_of(x).kind == "f":
            return np.reciprocal(x, out)
        if y == 3 and x.__class__ is np.ndarray and x.ndim:
            return np.multiply(np.square(x), x, out)
    return np.power(x, y, out)


def power_slope(x: Array, y: Array, out: Array = None) -> Array:
    """y x^(y-1), the derivative of x^y in x; 0 where y is 0, whatever x."""
    if y.__class__ is int or y.__class__ is float:
        if y == 0:
            return np.multiply(np.zeros_like(x), 1, out)
        if y == 1:
            return np.multiply(np.ones_like(x), 1, out)
        if y == 2:
            return np.multiply(x, 2, out)
        return np.multiply(np.square(x) if y == 3 else power(x, y - 1), y, out)
    z = np.multiply(y, np.power(x, y - 1), out)
    if isfinite(np.vdot(z, z)):  # 0 times a finite number is 0 already
        return z
    return _zero_where(np.equal(y, 0), z)


def power_log(x: Array, y: Array, out: Array = None) -> Array:
    """x^y ln x, the derivative of x^y in y; 0 at x = 0 for y >= 0."""
    z = np.multiply(np.power(x, y), np.log(np.asarray(x, kind_of(x, y))), out)
    if isfinite(np.vdot(z, z)):
        return z
    return _zero_where(np.logical_and(np.equal(x, 0), np.greater_equal(y, 0)), z)


def _zero_where(zero: Array, z: Array) -> Array:
    z = np.asarray(z)
    np.copyto(z, 0, where=zero)
    return z


def ratio(x: Array, y: Array, out: Array = None) -> Array:
    """x / y, and 0 where y is 0."""
    z = new(x, y) if out is None else out
    z[...] = 0
    return np.divide(x, y, z, where=np.not_equal(y, 0))


def relu(x: Array, out: Array = None) -> Array:
    """The larger of x and 0; nan stays nan."""
    return np.maximum(x, 0, out=out)  # by name: NumPy deprecates a third position here


def leaky_relu(x: Array, slope: Array, out: Array = None) -> Array:
    """X where positive, slope times x elsewhere, without branching on random signs."""
    z = np.minimum(x, 0)
    return np.add(np.multiply(z, slope), np.maximum(x, 0), out)


def sigmoid(x: Array, out: Array = None) -> Array:
    """1 / (1 + e^-x), exact to rounding on both sides: e^min(x,0) / (1 + e^-|x|)."""
    e = np.exp(np.negative(np.abs(x)))
    return np.divide(np.where(np.less(x, 0), e, 1), e + 1, out)


def softplus(x: Array, out: Array = None) -> Array:
    """ln(1 + e^x) without overflow."""
    return np.add(np.log1p(np.exp(np.negative(np.abs(x)))), np.maximum(x, 0), out)


def keep_zeros(c: Array, g: Array, out: Array = None) -> Array:
    """C, with exact zeros wherever g is exactly 0: no nan out of 0 * inf."""
    c = np.asarray(c, kind_of(c, g))
    # A sum of squares that is finite has only finite terms; the exact test runs where it is not.
    if out is not None and out.shape == c.shape and isfinite(np.vdot(c, c)):
        np.copyto(out, c)
        return out
    return where(np.not_equal(g, 0), c, 0, out)


def where(c: Array, x: Array, y: Array, out: Array = None) -> Array:
    """X where c, y elsewhere."""
    if out is None:
        return np.where(c, x, y)
    np.copyto(out, y)
    np.copyto(out, x, where=np.not_equal(c, 0))
    return out


def clip(x: Array, low: Array, high: Array, out: Array = None) -> Array:
    """X moved into [low, high]; None means no bound."""
    if low is not None:
        x = np.maximum(x, low, out=out)
    if high is not None:
        x = np.minimum(x, high, out=out)
    return np.positive(x, out) if low is None and high is None else x


def inside(x: Array, low: Array, high: Array, out: Array = None) -> Array:
    """Whether low <= x <= high, as a mask; None means no bound."""
    above = True if low is None else np.greater_equal(x, low)
    below = True if high is None else np.less_equal(x, high)
    z = np.logical_and(above, below)
    if out is not None:
        np.copyto(out, z)
        return out
    if np.shape(z) == np.shape(x):
        return z
    # Bounds may have more axes than x, and no bound at all gives a single True.
    return np.broadcast_to(z, np.broadcast_shapes(np.shape(x), np.shape(z)))


def share(x: Array, y: Array, out: Array = None) -> Array:
    """1 where x > y, a half where they tie, 0 elsewhere, in the operands' dtype."""
    if out is None:
        kind = kind_of(x, y)
        out = np.asarray(np.greater(x, y)).astype(kind if kind.kind == "f" else float)
    else:
        np.copyto(out, np.greater(x, y))
    tie = np.equal(x, y)
    if np.count_nonzero(tie):
        np.copyto(out, 0.5, where=tie)
    return out
