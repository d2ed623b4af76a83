"""More elementary functions of NumPy: other bases, roots, angles, smooth maxima."""

# fmt: off

from __future__ import annotations

import math
from typing import Any

import numpy as np

from microgradx.ops import floats
from microgradx.ops.elementwise import POSITIVE, R, cos, ratio  # noqa: F401 - rules name them
from microgradx.ops.floats import ieee
from microgradx.ops.moments import polar
from microgradx.primitive import Primitive

Array = Any


def _call(name: str) -> dict[str, Any]:
    return {"tex": rf"\operatorname{{{{{name}}}}}\left({{}}\right)", "text": name + "({})"}


def _call2(name: str) -> dict[str, Any]:
    return {"tex": rf"\operatorname{{{{{name}}}}}\left({{}}, {{}}\right)", "text": name + "({}, {})"}


def _odds(x: Array, y: Array, out: Array = None) -> Array:
    """e^x / (e^x + e^y), in half the time of ``sigmoid(x - y)``; less than the least normal is 0."""
    e = np.asarray(np.subtract(y, x))
    room = e if out is None and e.dtype.kind == "f" else out
    return np.divide(1, np.add(np.exp(e, room), 1, room), room)


# ---- other bases, other roots --------------------------------------------------------------------
exp2: Primitive = Primitive("exp2", ieee(math.exp2), np.exp2,
    lambda g, z, x: g * z * 0.6931471805599453,
    tex="2^{{{}}}", text="2**{:4}", binding=3, sample=(R,), guards=True)
log2: Primitive = Primitive("log2", floats.log2, np.log2,
    lambda g, z, x: g / (x * 0.6931471805599453),
    tex=r"\log_2\left({}\right)", text="log2({})", sample=(POSITIVE,), singular=lambda x: x, domain="x > 0")
log10: Primitive = Primitive("log10", floats.log10, np.log10,
    lambda g, z, x: g / (x * 2.302585092994046),
    tex=r"\log_{{10}}\left({}\right)", text="log10({})", sample=(POSITIVE,), singular=lambda x: x, domain="x > 0")
cbrt: Primitive = Primitive("cbrt", math.cbrt, np.cbrt,
    lambda g, z, x: g / (3 * z * z),
    tex=r"\sqrt[3]{{{}}}", text="cbrt({})", sample=(R,), singular=lambda x: x, kink="infinite at 0 (IEEE)")
reciprocal: Primitive = Primitive("reciprocal", lambda x: floats.div(1.0, x), np.reciprocal,
    lambda g, z, x: -g * z * z,
    tex=r"\frac{{1}}{{{}}}", text="1 / {:3}", binding=2, sample=(R,), singular=lambda x: x, domain="x ≠ 0 (IEEE at 0)")

# ---- angles --------------------------------------------------------------------------------------
deg2rad: Primitive = Primitive("deg2rad", lambda x: x * (math.pi / 180), np.deg2rad,
    lambda g, z, x: deg2rad(g), sample=(R,), kind="linear", **_call("deg2rad"))
rad2deg: Primitive = Primitive("rad2deg", lambda x: x * (180 / math.pi), np.rad2deg,
    lambda g, z, x: rad2deg(g), sample=(R,), kind="linear", **_call("rad2deg"))
hypot: Primitive = Primitive("hypot", math.hypot, np.hypot,
    lambda g, z, x, y: g * ratio(x, z),
    lambda g, z, x, y: g * ratio(y, z),
    sample=(R, R), singular=lambda x, y: x * x + y * y, kink="0 at (0, 0)", **_call2("hypot"))
atan2: Primitive = Primitive("atan2", math.atan2, np.arctan2,
    lambda g, z, y, x: g * polar(x, y),
    lambda g, z, y, x: -g * polar(y, x),
    sample=(R, R), singular=lambda y, x: x * x + y * y if (x > 0).all() else y, kink="0 at (0, 0)", **_call2("atan2"))

# ---- smooth maxima -------------------------------------------------------------------------------
logaddexp: Primitive = Primitive("logaddexp", floats.logaddexp, np.logaddexp,
    lambda g, z, x, y: g * odds(x, y),
    lambda g, z, x, y: g * odds(y, x),
    tex=r"\ln\left(e^{{{}}} + e^{{{}}}\right)", text="logaddexp({}, {})", sample=(R, R))
odds: Primitive = Primitive("odds", lambda x, y: floats.sigmoid(x - y), _odds,
    lambda g, z, x, y: g * z * odds(y, x),
    lambda g, z, x, y: -g * z * odds(y, x),
    tex=r"\sigma\left({:1} - {:2}\right)", text="sigmoid({:1} - {:2})", sample=(R, R))
logaddexp2: Primitive = Primitive("logaddexp2", floats.logaddexp2, np.logaddexp2,
    lambda g, z, x, y: g * odds(x * 0.6931471805599453, y * 0.6931471805599453),
    lambda g, z, x, y: g * odds(y * 0.6931471805599453, x * 0.6931471805599453),
    tex=r"\log_2\left(2^{{{}}} + 2^{{{}}}\right)", text="logaddexp2({}, {})", sample=(R, R))


# ---- sin(pi x) / (pi x) and all its derivatives --------------------------------------------------
def _sinc(x: Array, out: Array = None, *, order: int) -> Array:
    """The derivative of sin(pi x) / (pi x) of the given order.

    ``x f[n] + n f[n-1] = pi^(n-1) sin(pi x + n pi / 2)`` divides by x, so near 0 the power series
    stands in: sum over k of (-1)^k pi^(2k) x^(2k-n) / ((2k+1) (2k-n)!).
    """
    x = np.asarray(x)
    if order == 0:
        return np.sinc(x) if out is None else np.positive(np.sinc(x), out)
    wide = np.asarray(x, np.float64)
    near = np.abs(wide) < 1 + order / 3
    far = np.where(near, 1.0, wide)
    z = np.sinc(far)
    for n in range(1, order + 1):
        z = (math.pi ** (n - 1) * np.sin(math.pi * far + n * math.pi / 2) - n * z) / far
    if near.any():
        small = np.where(near, wide, 0.0)
        first = (order + 1) // 2
        series = np.zeros_like(small)
        for k in range(first + 14 + 4 * order, first - 1, -1):
            term = (-1) ** k * math.pi ** (2 * k) / ((2 * k + 1) * math.factorial(2 * k - order))
            series = series * (small * small) + term
        z = np.where(near, series * small ** (2 * first - order), z)
    z = np.asarray(z).astype(np.result_type(x, np.float32) if x.dtype.kind == "f" else np.float64)
    return z if out is None else np.positive(z, out)


sinc: Primitive = Primitive("sinc", None, _sinc,
    lambda g, z, x, *, order: g * sinc(x, order=order + 1),
    tex=r"\operatorname{{sinc}}\left({}\right)", text="sinc({})", sample=(R,), kind="other")
