"""Reductions that are not linear: variance, Euclidean length, products without a zero."""

# fmt: off

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.ops import floats
from microgradx.ops.elementwise import equal, where
from microgradx.ops.shaping import expand, sum
from microgradx.primitive import Primitive

Array = Any
Axis = tuple[int, ...] | None


def _var(x: Array, out: Array = None, *, axis: Axis, keepdims: bool, count: int, divisor: int) -> Array:
    """The mean squared distance from the mean, in two passes: no cancellation."""
    d = np.subtract(x, np.add.reduce(x, axis, None, None, True) / count)
    return np.divide(np.add.reduce(np.square(d), axis, None, out, keepdims), divisor, out)


def _length(x: Array, out: Array = None, *, axis: Axis, keepdims: bool) -> Array:
    """The root of the sum of squares; also where squares overflow or vanish."""
    if axis is None and not keepdims and out is None:
        flat = x.reshape(-1)
        z = np.sqrt(np.vdot(flat, flat))
    else:
        with np.errstate(over="ignore"):
            z = np.sqrt(np.add.reduce(np.square(x), axis, None, None, keepdims), out)
    # An eighth of the digits of a square is lost below `least`, all of them beyond the largest.
    least = np.finfo(z.dtype).tiny ** 0.4
    if z.size and (not np.isfinite(z).all() or (z < least).any()):
        size = np.abs(x).max(initial=0)
        if 0 < size < np.inf:
            scale = 2.0 ** np.floor(np.log2(size))
            z = np.multiply(np.sqrt(np.add.reduce(np.square(x / scale), axis, None, None, keepdims)), scale, out, dtype=z.dtype)
    return z


def _polar(x: Array, y: Array, out: Array = None) -> Array:
    """x / (x² + y²), the slope of an angle; 0 at the origin, and right where squares overflow."""
    r = np.asarray(x * x + y * y)  # not np.square, which would make a Python number float64
    info = np.finfo(r.dtype) if r.dtype.kind == "f" else np.finfo(float)
    if r.size and r.min() > info.tiny * 2.0**60 and r.max() < info.max:
        return np.divide(x, r, out)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        h = np.hypot(x, y)
        z = np.where(h == 0, 0, np.divide(x, h) / h).astype(r.dtype if r.dtype.kind == "f" else float, copy=False)
    return z if out is None else np.positive(z, out)


var: Primitive = Primitive("var", None, _var,
    lambda g, z, x, *, axis, keepdims, count, divisor: (x - sum(x, axis=axis, keepdims=True) / count) * (expand(g, shape=x.shape, axis=axis, keepdims=keepdims) * (2 / divisor)),
    tex=r"\operatorname{{var}}\left({}\right)", text="var({})", kind="other", sample=((-6.0, 6.0),))
length: Primitive = Primitive("length", None, _length,
    lambda g, z, x, *, axis, keepdims: expand(where(equal(z, 0), 0, g), shape=x.shape, axis=axis, keepdims=keepdims) * (x / expand(where(equal(z, 0), 1, z), shape=x.shape, axis=axis, keepdims=keepdims)),
    tex=r"\left\|{}\right\|", text="norm({})", kind="other", sample=((-6.0, 6.0),), kink="0 at 0")
prod: Primitive = Primitive("prod", None, lambda x, out=None, *, axis, keepdims: np.multiply.reduce(x, axis, None, out, keepdims),
    lambda g, z, x, *, axis, keepdims: expand(g * z, shape=x.shape, axis=axis, keepdims=keepdims) / x,
    tex=r"\prod {:2}", text="prod({})", binding=2, kind="other", sample=((0.25, 2.0),), domain="no element is 0; functions.prod sees to that")
polar: Primitive = Primitive("polar", floats.polar, _polar,
    lambda g, z, x, y: g * (polar(y, x) * polar(y, x) - z * z),
    lambda g, z, x, y: -2 * g * z * polar(y, x),
    tex=r"\frac{{{0}}}{{{0:4}^2 + {1:4}^2}}", text="{0} / ({0:4}**2 + {1:4}**2)", binding=2, sample=((0.25, 6.0), (0.25, 6.0)),
    singular=lambda x, y: x * x + y * y, kink="0 at (0, 0)")
