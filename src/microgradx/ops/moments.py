"""Variance, Euclidean length, products without a zero, and slopes of angles."""

# fmt: off

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from microgradx.ops import floats
from microgradx.ops.elementwise import ratio
from microgradx.ops.shaping import expand, sum
from microgradx.primitive import Primitive

Array = Any
Axis = tuple[int, ...] | None


def _var(x: Array, out: Array = None, *, axis: Axis, keepdims: bool, count: int, divisor: int) -> Array:
    """The mean squared distance from the mean, in two passes: no cancellation."""
    d = np.subtract(x, np.add.reduce(x, axis, None, None, True) / count)
    return np.divide(np.add.reduce(np.square(d), axis, None, out, keepdims), divisor, out)


# A square of less, or of more, has lost digits.
_SAFE = {kind: (float(np.finfo(kind).tiny) ** 0.4, float(np.finfo(kind).max) ** 0.5) for kind in "efdg"}


def _length(x: Array, out: Array = None, *, axis: Axis, keepdims: bool) -> Array:
    """The root of the sum of squares; also where squares overflow or vanish."""
    low, high = _SAFE[x.dtype.char]
    if axis is None and not keepdims and out is None:
        flat = x.reshape(-1)
        z = np.sqrt(np.vdot(flat, flat))
        if low <= z < high:
            return z
    with np.errstate(over="ignore"):
        z = np.sqrt(np.add.reduce(np.square(x), axis, None, None, keepdims), out)
    if z.size and not (z.min() >= low and z.max() < high):
        size = np.abs(x).max(initial=0)
        if 0 < size < np.inf:
            scale = 2.0 ** np.floor(np.log2(size))
            z = np.multiply(np.sqrt(np.add.reduce(np.square(x / scale), axis, None, None, keepdims)), scale, out, dtype=x.dtype)
    return z


def _unit(x: Array, z: Array, out: Array = None, *, axis: Axis, keepdims: bool) -> Array:
    """x / z, vector by vector; 0 where z is 0."""
    if axis and not keepdims:
        z = np.expand_dims(z, axis)
    if z.all():
        return np.divide(x, z, out)
    return np.divide(np.where(np.equal(z, 0), 0, x).astype(x.dtype, copy=False), np.where(np.equal(z, 0), 1, z).astype(x.dtype, copy=False), out)


def _polar(x: Array, y: Array, out: Array = None) -> Array:
    """x / (x² + y²), the slope of an angle; 0 at the origin, and right where squares overflow."""
    r = np.asarray(x * x + y * y)  # not np.square, which would make a Python number float64
    low, _ = _SAFE.get(r.dtype.char, _SAFE["d"])
    # A sum of squares that is finite has only finite terms.
    if r.size and np.minimum.reduce(r, None) > low and isfinite(np.vdot(r, r)):
        return np.divide(x, r, out)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        h = np.hypot(x, y)
        z = np.where(h == 0, 0, np.divide(x, h) / h).astype(r.dtype if r.dtype.kind == "f" else float, copy=False)
    return z if out is None else np.positive(z, out)


var: Primitive = Primitive("var", None, _var,
    lambda g, z, x, *, axis, keepdims, count, divisor: (x - sum(x, axis=axis, keepdims=True) / count) * (expand(g, shape=x.shape, axis=axis, keepdims=keepdims) * (2 / divisor)),
    tex=r"\operatorname{{var}}\left({}\right)", text="var({})", kind="other", sample=((-6.0, 6.0),))
length: Primitive = Primitive("length", None, _length,
    lambda g, z, x, *, axis, keepdims: unit(x, z, axis=axis, keepdims=keepdims) * expand(g, shape=x.shape, axis=axis, keepdims=keepdims),
    tex=r"\left\|{}\right\|", text="norm({})", kind="other", sample=((-6.0, 6.0),), kink="0 at 0")
unit: Primitive = Primitive("unit", None, _unit,
    lambda g, z, x, y, *, axis, keepdims: unit(g, y, axis=axis, keepdims=keepdims),
    lambda g, z, x, y, *, axis, keepdims: -ratio(sum(g * z, axis=axis, keepdims=keepdims), y),
    tex=r"\frac{{{0}}}{{{1}}}", text="{:2} / {:3}", binding=2, kind="other", sample=((-6.0, 6.0), (0.25, 6.0)), kink="0 where the length is 0")
prod: Primitive = Primitive("prod", None, lambda x, out=None, *, axis, keepdims: np.multiply.reduce(x, axis, None, out, keepdims),
    lambda g, z, x, *, axis, keepdims: expand(g * z, shape=x.shape, axis=axis, keepdims=keepdims) / x,
    tex=r"\prod {:2}", text="prod({})", binding=2, kind="other", sample=((0.25, 2.0),), domain="no element is 0; functions.prod sees to that")
polar: Primitive = Primitive("polar", floats.polar, _polar,
    lambda g, z, x, y: g * (polar(y, x) * polar(y, x) - z * z),
    lambda g, z, x, y: -2 * g * z * polar(y, x),
    tex=r"\frac{{{0}}}{{{0:4}^2 + {1:4}^2}}", text="{0} / ({0:4}**2 + {1:4}**2)", binding=2, sample=((0.25, 6.0), (0.25, 6.0)),
    singular=lambda x, y: x * x + y * y, kink="0 at (0, 0)")
