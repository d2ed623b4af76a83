"""Rounding, remainders, signs and the extrema that skip nan."""

# fmt: off

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from microgradx.ops import floats
from microgradx.ops.elementwise import R, maximum, not_equal, share, sign, sin
from microgradx.primitive import Primitive


def _call2(name: str) -> dict[str, Any]:
    return {"tex": rf"\operatorname{{{{{name}}}}}\left({{}}, {{}}\right)", "text": name + "({}, {})"}


# ---- piecewise constant --------------------------------------------------------------------------
_constant = partial(Primitive, sample=(R,), kind="constant", kink="no derivative anywhere: a constant")
floor: Primitive = _constant("floor", floats.whole(math.floor), np.floor, tex=r"\left\lfloor {} \right\rfloor", text="floor({})")
ceil: Primitive = _constant("ceil", floats.whole(math.ceil), np.ceil, tex=r"\left\lceil {} \right\rceil", text="ceil({})")
trunc: Primitive = _constant("trunc", floats.whole(math.trunc), np.trunc, tex=r"\operatorname{{trunc}}\left({}\right)", text="trunc({})")
rint: Primitive = _constant("rint", floats.whole(round), np.rint, tex=r"\operatorname{{round}}\left({}\right)", text="round({})")
floor_divide: Primitive = _constant("floor_divide", floats.floor_divide, np.floor_divide, sample=(R, R),
    tex=r"\left\lfloor \frac{{{}}}{{{}}} \right\rfloor", text="floor({:2} / {:3})", binding=4)
trunc_divide: Primitive = _constant("trunc_divide", None, lambda x, y, out=None: np.trunc(np.divide(np.subtract(x, np.fmod(x, y)), y), out), sample=(R, R),
    tex=r"\operatorname{{trunc}} \frac{{{}}}{{{}}}", text="trunc({:2} / {:3})", binding=4)

# ---- truth ------------------------------------------------------------------------------------------
_truth = partial(Primitive, sample=(R, R), kind="constant", binding=0)
logical_and: Primitive = _truth("logical_and", None, np.logical_and, tex=r"{} \land {}", text="{} and {}")
logical_or: Primitive = _truth("logical_or", None, np.logical_or, tex=r"{} \lor {}", text="{} or {}")
logical_xor: Primitive = _truth("logical_xor", None, np.logical_xor, tex=r"{} \oplus {}", text="{} xor {}")
logical_not: Primitive = _truth("logical_not", None, np.logical_not, sample=(R,), tex=r"\lnot {}", text="not {}")

# ---- remainders ----------------------------------------------------------------------------------
mod: Primitive = Primitive("mod", floats.mod, np.remainder,
    lambda g, z, x, y: g,
    lambda g, z, x, y: -g * floor_divide(x, y),
    tex=r"{:2} \bmod {:3}", text="{:2} % {:3}", binding=1, sample=(R, (0.5, 6.0)), guards=True,
    singular=lambda x, y: y * sin(3.141592653589793 * x / y), kink="at multiples of y the slopes of the right-hand branch")
fmod: Primitive = Primitive("fmod", None, np.fmod,
    lambda g, z, x, y: g,
    lambda g, z, x, y: -g * trunc_divide(x, y),
    sample=(R, (0.5, 6.0)), guards=True, singular=lambda x, y: y * sin(3.141592653589793 * x / y),
    kink="at multiples of y the slopes of the outer branch", **_call2("fmod"))

# ---- signs and extrema ---------------------------------------------------------------------------
copysign: Primitive = Primitive("copysign", math.copysign, np.copysign,
    lambda g, z, x, y: g * sign(x) * sign(z),
    None,
    sample=(R, R), singular=lambda x, y: x * y, guards=False, kink="0 at x = 0; no derivative in y", **_call2("copysign"))
fmax: Primitive = Primitive("fmax", floats.fmax, np.fmax,
    lambda g, z, x, y: g * maximum(share(x, y), not_equal(y, y)),
    lambda g, z, x, y: g * maximum(share(y, x), not_equal(x, x)),
    sample=(R, R), singular=lambda x, y: x - y, guards=False, kink="a tie is shared equally; nan loses", **_call2("fmax"))
fmin: Primitive = Primitive("fmin", floats.fmin, np.fmin,
    lambda g, z, x, y: g * maximum(share(y, x), not_equal(y, y)),
    lambda g, z, x, y: g * maximum(share(x, y), not_equal(x, x)),
    sample=(R, R), singular=lambda x, y: x - y, guards=False, kink="a tie is shared equally; nan loses", **_call2("fmin"))
