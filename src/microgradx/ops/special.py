"""The error function and its complement, to full precision without SciPy."""

# fmt: off

from __future__ import annotations

import math
from typing import Any

import numpy as np

from microgradx.ops.elementwise import R, exp
from microgradx.primitive import Primitive

Array = Any

# Chebyshev coefficients, computed with 40 digits. (1 + 2x) e^(x^2) erfc(x) is smooth for all x >= 0
# in t = (x - CENTRE) / (x + CENTRE), as Shepherd and Laframboise found (Mathematics of Computation
# 36, 1981); erf(x) / x on [0, 1] is smooth in x^2.
CENTRE = 3.75
TAIL = (
    1.1775789345674017541, -0.0045900545806464773309, -0.084249133366517915584, 0.059209939998191890498,
    -0.026658668435305752277, 0.0090749976707052650939, -0.0024131635404176081909, 0.00049077583652580863229,
    -6.916973302501206367e-5, 4.1390279860730101687e-6, 7.7403830661984906788e-7, -2.1886401049234395585e-7,
    1.0764999465670910793e-8, 4.5219598112182869115e-9, -7.7544002088313549927e-10, -6.3180883408867583732e-11,
    2.8687950109305707286e-11, 1.9455868545665850772e-13, -9.654696748444371084e-13, 3.2525481480557393229e-14,
    3.3478119482220791739e-14, -1.8645628807016790324e-15, -1.250795052952053346e-15, 7.4182353064438500832e-17,
    5.0681489860297880552e-17,
)
CORE = (
    0.97547693938265409598, -0.14226120510371364238, 0.010035582187599795576, -0.00057687646997674847651,
    2.7419931252196061034e-5, -1.1043175507344507604e-6, 3.848875542034503695e-8, -1.180858253387546697e-9,
    3.2334215826050909646e-11, -7.9910159470045487582e-13, 1.7990725113961455612e-14, -3.7186354878186926382e-16,
    7.1035990037142529712e-18,
)


def _kind(x: Array) -> np.dtype[Any]:
    kind = np.asarray(x).dtype
    return kind if kind.kind == "f" else np.dtype(np.float64)


def _series(t: Array, coefficients: tuple[float, ...]) -> Array:
    """A Chebyshev series by Clenshaw's recurrence (NumPy's would cost 3 ms of import)."""
    first, *rest = coefficients
    twice, b, before = 2 * t, 0.0, 0.0
    for c in reversed(rest):
        b, before = c + twice * b - before, b
    return first + t * b - before


def _tail(x: Array) -> Array:
    """erfc(x) for x >= 0."""
    z = np.minimum(x, 30.0)  # beyond, erfc is 0 and x * x would overflow
    # e^(-x^2) with the square in two exact parts: its rounding error would be magnified x^2 times.
    high = z.astype(np.float32).astype(np.float64)
    bell = np.exp(-high * high) * np.exp((high - z) * (high + z))
    return bell * _series((z - CENTRE) / (z + CENTRE), TAIL) / (1 + 2 * z)


def _core(x: Array) -> Array:
    """erf(x) for |x| <= 1."""
    return x * _series(2 * x * x - 1, CORE)


def _erf(x: Array, out: Array = None) -> Array:
    """2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    w = np.asarray(x, np.float64)
    size = np.abs(w)
    z = np.where(size <= 1, _core(np.clip(w, -1, 1)), np.copysign(1 - _tail(np.maximum(size, 1)), w))
    z = np.asarray(z.astype(_kind(x), copy=False))
    return z if out is None else np.positive(z, out)


def _erfc(x: Array, out: Array = None) -> Array:
    """1 - erf(x), exact also where that cancels."""
    w = np.asarray(x, np.float64)
    tail = _tail(np.maximum(np.abs(w), 0.5))
    z = np.where(w < -0.5, 2 - tail, np.where(w > 0.5, tail, 1 - _core(np.clip(w, -1, 1))))
    z = np.asarray(z.astype(_kind(x), copy=False))
    return z if out is None else np.positive(z, out)


erf: Primitive = Primitive("erf", math.erf, _erf,
    lambda g, z, x: g * exp(-x * x) * 1.1283791670955126,
    tex=r"\operatorname{{erf}}\left({}\right)", text="erf({})", sample=(R,))
erfc: Primitive = Primitive("erfc", math.erfc, _erfc,
    lambda g, z, x: -g * exp(-x * x) * 1.1283791670955126,
    tex=r"\operatorname{{erfc}}\left({}\right)", text="erfc({})", sample=(R,))
