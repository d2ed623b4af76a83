"""The table of elementwise primitives: one row each, read as mathematics.

A vjp rule is ``(g, z, *inputs) -> cotangent of one input``: `g` is the cotangent of the output
`z`. Conventions at kinks: relu'(0) = abs'(0) = 0, ties in maximum and minimum shared equally.
"""

# fmt: off
# The tables are aligned by hand: a row that a formatter explodes to eight lines is no row.

from __future__ import annotations

import math
import operator
from functools import partial
from typing import Any

import numpy as np

from microgradx.ops import arrays, floats
from microgradx.ops.floats import ieee, odd, pole
from microgradx.primitive import Primitive

R = (-6.0, 6.0)         # reaches 0 and beyond 4, where saturating functions go wrong
POSITIVE = (0.05, 6.0)
UNIT = (-0.95, 0.95)


def _call(name: str) -> dict[str, Any]:
    r"""Notation of a function that LaTeX knows, or of one it does not."""
    known = {"exp", "sin", "cos", "tan", "sinh", "cosh", "tanh"}
    tex = rf"\{name}" if name in known else rf"\operatorname{{{{{name}}}}}"
    return {"tex": tex + r"\left({}\right)", "text": name + "({})"}


# ---- arithmetic ----------------------------------------------------------------------------------
add: Primitive = Primitive("add", operator.add, np.add,
    lambda g, z, x, y: g,
    lambda g, z, x, y: g,
    tex="{:1} + {:1}", binding=1, sample=(R, R), kind="linear", symbol="+")
sub: Primitive = Primitive("sub", operator.sub, np.subtract,
    lambda g, z, x, y: g,
    lambda g, z, x, y: -g,
    tex="{:1} - {:2}", binding=1, sample=(R, R), kind="linear", symbol="-")
mul: Primitive = Primitive("mul", operator.mul, np.multiply,
    lambda g, z, x, y: g * y,
    lambda g, z, x, y: g * x,
    tex=r"{:2} \cdot {:2}", text="{:2} * {:2}", binding=2, sample=(R, R), symbol="*")
div: Primitive = Primitive("div", floats.div, np.divide,
    lambda g, z, x, y: g / y,
    lambda g, z, x, y: -g * z / y,
    tex=r"\frac{{{}}}{{{}}}", text="{:2} / {:3}", binding=2, sample=(R, R), symbol="/",
    singular=lambda x, y: y, domain="y ≠ 0 (IEEE at 0)")
neg: Primitive = Primitive("neg", operator.neg, np.negative,
    lambda g, z, x: -g,
    tex="-{:2}", binding=1, sample=(R,), kind="linear", symbol="neg")
positive: Primitive = Primitive("positive", operator.pos, np.positive,
    lambda g, z, x: g,
    tex="+{:2}", binding=1, sample=(R,), kind="linear")
pow: Primitive = Primitive("pow", floats.power, arrays.power,
    lambda g, z, x, y: g * power_slope(x, y),
    lambda g, z, x, y: g * power_log(x, y),
    tex="{:4}^{{{}}}", text="{:4}**{:4}", binding=3, sample=(POSITIVE, (-3.0, 3.0)), symbol="**",
    singular=lambda x, y: x, domain="x ≥ 0, or y whole", kink="(x**0)' = 0 everywhere; 0**y in y: 0")
power_slope: Primitive = Primitive("power_slope", floats.power_slope, arrays.power_slope,
    lambda g, z, x, y: where(equal(y, 0), 0, g * y * power_slope(x, y - 1)),
    lambda g, z, x, y: g * (pow(x, y - 1) + y * power_log(x, y - 1)),
    tex=r"{1:2} \cdot {0:4}^{{{1} - 1}}", text="{1:2} * {0:4}**({1:1} - 1)", binding=2,
    sample=(POSITIVE, (-3.0, 3.0)), singular=lambda x, y: x)
power_log: Primitive = Primitive("power_log", floats.power_log, arrays.power_log,
    lambda g, z, x, y: g * (y * power_log(x, y - 1) + pow(x, y - 1)),
    lambda g, z, x, y: g * z * log(x),
    tex=r"{0:4}^{{{1}}} \cdot \ln {0:4}", text="{0:4}**{1:4} * log({0})", binding=2,
    sample=(POSITIVE, (-3.0, 3.0)), singular=lambda x, y: x)
ratio: Primitive = Primitive("ratio", floats.ratio, arrays.ratio,
    lambda g, z, x, y: ratio(g, y),
    lambda g, z, x, y: -g * ratio(z, y),
    tex=r"\frac{{{}}}{{{}}}", text="{:2} / {:3}", binding=2, sample=(R, R),
    singular=lambda x, y: y, kink="0 where y = 0")
square: Primitive = Primitive("square", lambda x: x * x, np.square,
    lambda g, z, x: g * (2 * x),
    tex="{:4}^2", text="{:4}**2", binding=3, sample=(R,))

# ---- exponentials, logarithms, roots -------------------------------------------------------------
exp: Primitive = Primitive("exp", ieee(math.exp), np.exp,
    lambda g, z, x: g * z,
    tex="e^{{{}}}", text="exp({})", sample=(R,), guards=True)
expm1: Primitive = Primitive("expm1", ieee(math.expm1), np.expm1,
    lambda g, z, x: g * (z + 1),
    tex="e^{{{}}} - 1", text="expm1({})", binding=1, sample=(R,), guards=True)
log: Primitive = Primitive("log", floats.log, np.log,
    lambda g, z, x: g / x,
    tex=r"\ln\left({}\right)", text="log({})", sample=(POSITIVE,), singular=lambda x: x, domain="x > 0")
log1p: Primitive = Primitive("log1p", pole(math.log1p, -1.0, -math.inf), np.log1p,
    lambda g, z, x: g / (1 + x),
    tex=r"\ln\left(1 + {:1}\right)", text="log1p({})", sample=((-0.95, 6.0),), singular=lambda x: 1 + x, domain="x > -1")
sqrt: Primitive = Primitive("sqrt", ieee(math.sqrt), np.sqrt,
    lambda g, z, x: g / (2 * z),
    tex=r"\sqrt{{{}}}", text="sqrt({})", sample=(POSITIVE,), singular=lambda x: x, domain="x ≥ 0")
root: Primitive = Primitive("root", ieee(math.sqrt), np.sqrt,
    lambda g, z, x: ratio(g, 2 * z),
    tex=r"\sqrt{{{}}}", text="sqrt({})", sample=(POSITIVE,), singular=lambda x: x, domain="x ≥ 0",
    kink="root'(0) = 0: the square root inside norms and standard deviations")

# ---- trigonometric and hyperbolic ----------------------------------------------------------------
sin: Primitive = Primitive("sin", ieee(math.sin), np.sin, lambda g, z, x: g * cos(x), sample=(R,), **_call("sin"))
cos: Primitive = Primitive("cos", ieee(math.cos), np.cos, lambda g, z, x: -g * sin(x), sample=(R,), **_call("cos"))
tan: Primitive = Primitive("tan", ieee(math.tan), np.tan, lambda g, z, x: g * (1 + z * z), sample=(R,),
    singular=lambda x: cos(x), **_call("tan"))  # noqa: PLW0108 - re-read like a rule
asin: Primitive = Primitive("asin", ieee(math.asin), np.arcsin, lambda g, z, x: g / sqrt((1 - x) * (1 + x)), sample=(UNIT,),
    singular=lambda x: 1 - x * x, domain="|x| ≤ 1", tex=r"\arcsin\left({}\right)", text="asin({})")
acos: Primitive = Primitive("acos", ieee(math.acos), np.arccos, lambda g, z, x: -g / sqrt((1 - x) * (1 + x)), sample=(UNIT,),
    singular=lambda x: 1 - x * x, domain="|x| ≤ 1", tex=r"\arccos\left({}\right)", text="acos({})")
atan: Primitive = Primitive("atan", math.atan, np.arctan, lambda g, z, x: g / (1 + x * x), sample=(R,),
    tex=r"\arctan\left({}\right)", text="atan({})")
sinh: Primitive = Primitive("sinh", odd(math.sinh), np.sinh, lambda g, z, x: g * cosh(x), sample=(R,), guards=True, **_call("sinh"))
cosh: Primitive = Primitive("cosh", ieee(math.cosh), np.cosh, lambda g, z, x: g * sinh(x), sample=(R,), guards=True, **_call("cosh"))
tanh: Primitive = Primitive("tanh", math.tanh, np.tanh, lambda g, z, x: g * (1 - z * z), sample=(R,), **_call("tanh"))
asinh: Primitive = Primitive("asinh", math.asinh, np.arcsinh, lambda g, z, x: g / sqrt(1 + x * x), sample=(R,), **_call("asinh"))
acosh: Primitive = Primitive("acosh", ieee(math.acosh), np.arccosh, lambda g, z, x: g / sqrt((x - 1) * (x + 1)), sample=((1.05, 6.0),),
    singular=lambda x: x - 1, domain="x ≥ 1", **_call("acosh"))
atanh: Primitive = Primitive("atanh", floats.atanh, np.arctanh, lambda g, z, x: g / ((1 - x) * (1 + x)), sample=(UNIT,),
    singular=lambda x: 1 - x * x, domain="|x| ≤ 1", **_call("atanh"))

# ---- activations ---------------------------------------------------------------------------------
sigmoid: Primitive = Primitive("sigmoid", floats.sigmoid, arrays.sigmoid, lambda g, z, x: g * z * (1 - z), sample=(R,),
    tex=r"\sigma\left({}\right)", text="sigmoid({})")
softplus: Primitive = Primitive("softplus", floats.softplus, arrays.softplus, lambda g, z, x: g * sigmoid(x), sample=(R,), **_call("softplus"))
relu: Primitive = Primitive("relu", floats.relu, arrays.relu, lambda g, z, x: g * not_equal(z, 0), sample=(R,),
    singular=lambda x: x, guards=False, kink="relu'(0) = 0", symbol="ReLU", tex=r"\operatorname{{relu}}\left({}\right)", text="relu({})")
leaky_relu: Primitive = Primitive("leaky_relu", floats.leaky_relu, arrays.leaky_relu,
    lambda g, z, x, slope: g * where(greater(x, 0), 1, slope),
    lambda g, z, x, slope: g * minimum(x, 0),
    sample=(R, (0.01, 0.5)), singular=lambda x, slope: x, guards=False, kink="slope at 0",
    tex=r"\operatorname{{leaky\_relu}}\left({}, {}\right)", text="leaky_relu({}, {})")

# ---- absolute value, extrema, choice -------------------------------------------------------------
abs: Primitive = Primitive("abs", operator.abs, np.abs, lambda g, z, x: g * sign(x), sample=(R,),
    singular=lambda x: x, guards=False, kink="abs'(0) = 0", tex=r"\left|{}\right|", text="abs({})")
maximum: Primitive = Primitive("maximum", floats.maximum, np.maximum,
    lambda g, z, x, y: g * share(x, y),
    lambda g, z, x, y: g * share(y, x),
    sample=(R, R), singular=lambda x, y: x - y, guards=False, kink="a tie is shared equally",
    tex=r"\max\left({}, {}\right)", text="maximum({}, {})")
minimum: Primitive = Primitive("minimum", floats.minimum, np.minimum,
    lambda g, z, x, y: g * share(y, x),
    lambda g, z, x, y: g * share(x, y),
    sample=(R, R), singular=lambda x, y: x - y, guards=False, kink="a tie is shared equally",
    tex=r"\min\left({}, {}\right)", text="minimum({}, {})")
clip: Primitive = Primitive("clip",
    floats.clip, arrays.clip,
    lambda g, z, x, low, high: g * inside(x, low, high),
    None, None,
    sample=(R, (-2.0, -2.0), (2.0, 2.0)), singular=lambda x, low, high: (x - low) * (x - high), guards=False,
    kink="1 at both ends", tex=r"\operatorname{{clip}}\left({}, {}, {}\right)", text="clip({}, {}, {})")
keep_zeros: Primitive = Primitive("keep_zeros", None, arrays.keep_zeros,
    lambda h, z, c, g: where(equal(z, c), h, 0),
    None,
    sample=(R, R), tex=r"{}", text="{}", binding=5)
where: Primitive = Primitive("where", lambda c, x, y: x if c else y, arrays.where,
    None,
    lambda g, z, c, x, y: where(c, g, 0),
    lambda g, z, c, x, y: where(c, 0, g),
    sample=((0.0, 1.0), R, R), tex=r"\left({1:1} \text{{ if }} {0} \text{{ else }} {2:1}\right)", text="({1:1} if {0:1} else {2:1})", binding=5)

# ---- piecewise constant: no derivative -----------------------------------------------------------
_constant = partial(Primitive, sample=(R, R), binding=5, kind="constant")
greater: Primitive = _constant("greater", operator.gt, np.greater, tex=r"\left[{:1} > {:1}\right]", text="[{:1} > {:1}]")
greater_equal: Primitive = _constant("greater_equal", operator.ge, np.greater_equal, tex=r"\left[{:1} \ge {:1}\right]", text="[{:1} >= {:1}]")
less: Primitive = _constant("less", operator.lt, np.less, tex=r"\left[{:1} < {:1}\right]", text="[{:1} < {:1}]")
less_equal: Primitive = _constant("less_equal", operator.le, np.less_equal, tex=r"\left[{:1} \le {:1}\right]", text="[{:1} <= {:1}]")
equal: Primitive = _constant("equal", operator.eq, np.equal, tex=r"\left[{:1} = {:1}\right]", text="[{:1} == {:1}]")
not_equal: Primitive = _constant("not_equal", operator.ne, np.not_equal, tex=r"\left[{:1} \ne {:1}\right]", text="[{:1} != {:1}]")
sign: Primitive = _constant("sign", floats.sign, np.sign, sample=(R,), tex=r"\operatorname{{sign}}\left({}\right)", text="sign({})")
share: Primitive = _constant("share", floats.share, arrays.share, tex=r"\left[{:1} > {:1}\right]", text="[{:1} > {:1}]")
inside: Primitive = _constant("inside",
    lambda x, low, high: (low is None or x >= low) and (high is None or x <= high), arrays.inside,
    sample=(R, (-2.0, -2.0), (2.0, 2.0)), tex=r"\left[{1:1} \le {0:1} \le {2:1}\right]", text="[{1:1} <= {0:1} <= {2:1}]")

# ---- any number of inputs ------------------------------------------------------------------------
def _total(*xs: Any) -> Any:
    """Add in the order given, so that the sum equals the loop a person would write."""
    z = xs[0]
    for x in xs[1:]:
        z = z + x
    return z


def _total_arrays(*xs: Any, out: Any = None) -> Any:
    z = np.add(xs[0], xs[1], out) if len(xs) > 1 else np.positive(xs[0], out)
    for x in xs[2:]:
        z = np.add(z, x, out)
    return z


def _dot(b: Any, *wx: Any) -> Any:
    n = len(wx) // 2
    for w, x in zip(wx[:n], wx[n:], strict=True):
        b = b + w * x
    return b


def _dot_arrays(b: Any, *wx: Any, out: Any = None) -> Any:
    z = _dot(b, *wx)
    if out is None:
        return z
    np.copyto(out, z)
    return out


total: Primitive = Primitive("total", _total, _total_arrays,
    each=lambda g, z, *xs: [g] * len(xs),
    tex=r"\sum\left({}\right)", text="sum({})", sample=(R, R, R), kind="linear", symbol="sum")
dot: Primitive = Primitive("dot", _dot, _dot_arrays,
    each=lambda g, z, b, *wx: [g, *[g * x for x in wx[len(wx) // 2 :]], *[g * w for w in wx[: len(wx) // 2]]],
    tex=r"b + w \cdot x", text="b + w @ x", binding=1, sample=(R, R, R, R, R), kind="other", symbol="dot")

# ---- the names under which Values and Tensors have them ------------------------------------------
BINARY = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow"}
UNARY = {"neg": "neg", "pos": "positive", "abs": "abs"}
COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal"}
METHODS = (
    "exp", "expm1", "log", "log1p", "sqrt", "square", "sin", "cos", "tan", "asin", "acos", "atan",
    "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "sigmoid", "softplus", "relu", "abs",
    "maximum", "minimum", "pow",
)
