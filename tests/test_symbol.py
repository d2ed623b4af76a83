"""The notation of every primitive: a golden table, and the same numbers as the rules."""

import math
import re

import pytest

from microgradx import symbol
from microgradx.primitive import FLOAT, PRIMITIVES
from microgradx.symbol import Symbol, derivative, formula, notation

# name: formula as text, formula as LaTeX, local derivatives (or what is sent back for g) as text.
GOLDEN = {
    "add": ("x + y", "x + y", ["1", "1"]),
    "sub": ("x - y", "x - y", ["1", "-1"]),
    "mul": ("x * y", r"x \cdot y", ["y", "x"]),
    "div": ("x / y", r"\frac{x}{y}", ["1 / y", "-z / y"]),
    "neg": ("-x", "-x", ["-1"]),
    "pow": ("x**y", "x^{y}", ["y * x**(y - 1)", "x**y * log(x)"]),
    "square": ("x**2", "x^2", ["2 * x"]),
    "exp": ("exp(x)", "e^{x}", ["z"]),
    "expm1": ("expm1(x)", "e^{x} - 1", ["z + 1"]),
    "log": ("log(x)", r"\ln\left(x\right)", ["1 / x"]),
    "log1p": ("log1p(x)", r"\ln\left(1 + x\right)", ["1 / (1 + x)"]),
    "sqrt": ("sqrt(x)", r"\sqrt{x}", ["1 / (2 * z)"]),
    "sin": ("sin(x)", r"\sin\left(x\right)", ["cos(x)"]),
    "cos": ("cos(x)", r"\cos\left(x\right)", ["-sin(x)"]),
    "tan": ("tan(x)", r"\tan\left(x\right)", ["1 + z * z"]),
    "asin": ("asin(x)", r"\arcsin\left(x\right)", ["1 / sqrt((1 - x) * (1 + x))"]),
    "acos": ("acos(x)", r"\arccos\left(x\right)", ["-1 / sqrt((1 - x) * (1 + x))"]),
    "atan": ("atan(x)", r"\arctan\left(x\right)", ["1 / (1 + x * x)"]),
    "sinh": ("sinh(x)", r"\sinh\left(x\right)", ["cosh(x)"]),
    "cosh": ("cosh(x)", r"\cosh\left(x\right)", ["sinh(x)"]),
    "tanh": ("tanh(x)", r"\tanh\left(x\right)", ["1 - z * z"]),
    "asinh": ("asinh(x)", r"\operatorname{asinh}\left(x\right)", ["1 / sqrt(1 + x * x)"]),
    "sigmoid": ("sigmoid(x)", r"\sigma\left(x\right)", ["z * (1 - z)"]),
    "softplus": ("softplus(x)", r"\operatorname{softplus}\left(x\right)", ["sigmoid(x)"]),
    "relu": ("relu(x)", r"\operatorname{relu}\left(x\right)", ["[z != 0]"]),
    "abs": ("abs(x)", r"\left|x\right|", ["sign(x)"]),
    "maximum": ("maximum(x, y)", r"\max\left(x, y\right)", ["[x > y]", "[y > x]"]),
    "clip": (
        "clip(x, y, w)",
        r"\operatorname{clip}\left(x, y, w\right)",
        ["[y <= x <= w]", None, None],
    ),
    "where": (
        "(y if x else w)",
        r"\left(y \text{ if } x \text{ else } w\right)",
        [None, "(1 if x else 0)", "(0 if x else 1)"],
    ),
    "greater": ("[x > y]", r"\left[x > y\right]", [None, None]),
    "total": ("x + y + w", "x + y + w", ["1", "1", "1"]),
    "dot": (
        "b + w1 * x1 + w2 * x2",
        r"b + w1 \cdot x1 + w2 \cdot x2",
        ["1", "x1", "x2", "w1", "w2"],
    ),
    "matmul": ("x @ y", "x y", ["g @ y.T", "x.T @ g"]),
    "linear": ("x @ y.T + w", r"x y^{\mathsf{T}} + w", ["g @ y", "g.T @ x", "g"]),
    "sum": ("sum(x)", r"\sum x", ["expand(g)"]),
    "swap": ("x.T", r"x^{\mathsf{T}}", ["g.T"]),
    "softmax": ("softmax(x)", r"\operatorname{softmax}\left(x\right)", ["z * (g - sum(g * z))"]),
    "max": ("max(x)", r"\max\left(x\right)", ["[x == z] * expand(g)"]),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", GOLDEN)
def test_notation_of(name):
    text, tex, slopes = GOLDEN[name]
    op = PRIMITIVES[name]
    assert (formula(op).text, formula(op).tex) == (text, tex)
    written = [derivative(op, i) for i in range(len(slopes))]
    assert [None if d is None else d.text for d in written] == slopes


# ---- the text is the rule: as a Python expression it gives the same number -----------------------
def evaluated(text, values):
    """The text's number; Iverson brackets are truth values."""
    code = re.sub(r"\[([^\[\]]*)\]", r"(\1)", text)
    return float(
        eval(code, {**FLOAT, "abs": abs, "floor": math.floor, "trunc": math.trunc}, values)
    )


def inputs_of(op):
    """Numbers inside the ranges of the row, away from its ends and from ties."""
    return [low + (high - low) * (0.31 + 0.17 * i) for i, (low, high) in enumerate(op.sample)]


NUMERIC = [
    op.name
    for op in PRIMITIVES.values()
    if op.scalar is not None and op.sample and derivative(op, 0) is not None
]


@pytest.mark.parametrize("name", NUMERIC)
def test_the_text_of_a_derivative_is_the_rule(name):
    op = PRIMITIVES[name]
    xs = inputs_of(op)
    z = op.scalar(*xs)
    values = {**dict(zip(symbol._names(op), xs, strict=True)), "z": z}
    assert evaluated(formula(op).text, values) == pytest.approx(z, rel=1e-12)
    rules = op.float_vjps or [
        lambda g, z, *xs, i=i: op.float_each(g, z, *xs)[i] for i in range(len(xs))
    ]
    for i, rule in enumerate(rules):
        written = derivative(op, i)
        if written is not None:
            # Constants are written with six digits.
            expected = float(rule(1.0, z, *xs))
            assert evaluated(written.text, values) == pytest.approx(expected, rel=1e-5), written


@pytest.mark.parametrize("op", PRIMITIVES.values(), ids=lambda op: op.name)
def test_notation_is_well_formed(op):
    written = [formula(op), *[derivative(op, i) for i in range(len(op.vjps))]]
    for one in written:
        if one is None:
            continue
        for text in (one.text, one.tex.replace(r"\{", "").replace(r"\}", "")):
            for left, right in ("()", "[]", "{}"):
                assert text.count(left) == text.count(right), text
            assert "None" not in text
            assert "- -" not in text
            assert "+ -" not in text
        assert one.tex.count(r"\left") - one.tex.count(r"\leftarrow") == one.tex.count(r"\right")


# ---- parentheses ---------------------------------------------------------------------------------
a, b, c = Symbol("a"), Symbol("b"), Symbol("c")


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (a + b + c, "a + b + c"),
        (a + (b + c), "a + b + c"),
        (a - (b - c), "a - (b - c)"),
        (a - (b + c), "a - (b + c)"),
        ((a + b) * c, "(a + b) * c"),
        (a * b + c, "a * b + c"),
        (a * (b * c), "a * b * c"),
        (a / b / c, "a / b / c"),
        (a / (b * c), "a / (b * c)"),
        ((a + b) ** c, "(a + b)**c"),
        ((a**b) ** c, "(a**b)**c"),
        (-(a + b), "-(a + b)"),
        (-(a * b), "-a * b"),
        ((-a) ** b, "(-a)**b"),
        (a**-b, "a**(-b)"),
        (-a * b, "-a * b"),
        (a * -b, "-a * b"),
        (-a / b, "-a / b"),
        (-a * -b, "a * b"),
        (a + -b, "a - b"),
        (a - -b, "a + b"),
        (PRIMITIVES["neg"](-a), "a"),
        (a + -(b + c), "a - (b + c)"),
        (1 * a, "a"),
        (a * 1, "a"),
        (a * 0, "0"),
        (0 + a, "a"),
        (a - 0, "a"),
        (a**1, "a"),
        (a * -1, "-a"),
        (a * -2, "-a * 2"),
        (PRIMITIVES["exp"](a + b) * c, "exp(a + b) * c"),
        (PRIMITIVES["abs"](a) ** 2, "abs(a)**2"),
    ],
    ids=str,
)
def test_parentheses_stand_where_they_must_and_nowhere_else(written, text):
    assert str(written) == text


def test_notation_is_one_line_of_latex():
    line = notation(PRIMITIVES["div"])
    assert line.startswith(r"z = \frac{x}{y}")
    assert r"\frac{\partial z}{\partial y} = -\frac{z}{y}" in line
    assert r"\bar{x} = g y^{\mathsf{T}}" in notation(PRIMITIVES["matmul"])
