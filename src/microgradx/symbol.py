"""`Symbol`: a node whose data is notation, so that a rule read with Symbols is a formula.

The local derivative of an operation is its vjp rule at g = 1; with Symbols for inputs the rule
writes itself down, as LaTeX and as text. Drawings and the table of operations get their labels
here.
"""

from __future__ import annotations

import functools
import operator
from string import Formatter
from typing import TYPE_CHECKING, Any

from microgradx.graph import Node
from microgradx.primitive import PRIMITIVES, Primitive

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Symbol", "derivative", "formula", "notation"]

ATOM = 5
RESHAPING = {"expand", "broadcast_to", "unbroadcast", "reshape", "astype"}


class Symbol(Node):
    r"""A piece of notation, in LaTeX and in text.

    Parameters
    ----------
    tex : str
        LaTeX.
    text : str, optional
        Plain text; the LaTeX by default.
    binding : int, optional
        How strongly it binds; arguments that bind more weakly get parentheses.

    Examples
    --------
    >>> x, y = Symbol("x"), Symbol("y")
    >>> print((x + y) * x)
    (x + y) * x
    >>> print(((x + y) * x).tex)
    \left(x + y\right) \cdot x
    """

    __slots__ = ("_tex", "_text", "binding", "negated")

    op = None
    parents = ()
    params = None
    name = None
    time = 0

    def __init__(self, tex: str, text: str | None = None, binding: int = ATOM) -> None:
        self._tex, self._text, self.binding = tex, tex if text is None else text, binding
        self.negated: Symbol | None = None  # what this is the negative of, where it is one

    @property
    def tex(self) -> str:
        """LaTeX source."""
        return self._tex

    @property
    def text(self) -> str:
        """Plain text."""
        return self._text

    # A rule may ask for these of its inputs; in notation they are nothing.
    shape = dtype = None

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Symbol({self._text!r})"

    def is_number(self, number: float) -> bool:
        """Whether this is that number."""
        return self._text == f"{number:g}"


class _Argument:
    """Puts itself into a template, in parentheses where it binds too weakly."""

    def __init__(self, symbol: Symbol, tex: bool) -> None:
        self._symbol, self._tex = symbol, tex

    def __format__(self, spec: str) -> str:
        s = self._symbol
        body = s.tex if self._tex else s.text
        if spec and s.binding < int(spec):
            return rf"\left({body}\right)" if self._tex else f"({body})"
        return body


def as_symbol(x: Any) -> Symbol:
    """Anything as a Symbol."""
    if isinstance(x, Symbol):
        return x
    if isinstance(x, (int, float)):
        if x < 0:
            return apply(PRIMITIVES["neg"], -x)
        return Symbol(f"{x:g}")
    return Symbol(str(x))


def apply(op: Primitive, *args: Any, **_params: Any) -> Symbol:
    """Write an operation down, leaving out what changes nothing."""
    xs = [as_symbol(x) for x in args]
    short = _simpler(op.name, xs)
    if short is not None:
        return short
    tex = op.tex.format(*[_Argument(x, tex=True) for x in xs])
    text = op.text.format(*[_Argument(x, tex=False) for x in xs])
    written = Symbol(tex, text, op.binding)
    if op.name == "neg":
        (written.negated,) = xs
    return written


def _simpler(name: str, xs: list[Symbol]) -> Symbol | None:  # noqa: PLR0911 - a table
    """The same thing written shorter, or None: 1 * x is x, x + -y is x - y, -x / y is -(x / y)."""
    first, last = xs[0], xs[-1]
    if name in {"mul", "div"}:
        return _simpler_product(name, first, last)
    if name in {"add", "sub"}:
        if last.is_number(0):
            return first
        if name == "add" and first.is_number(0):
            return last
        if last.negated is not None:
            return apply(PRIMITIVES["sub" if name == "add" else "add"], first, last.negated)
    if name == "neg":
        return Symbol("0") if first.is_number(0) else first.negated
    if name == "pow" and last.is_number(1):
        return first
    if name == "total":
        return functools.reduce(operator.add, xs)
    if name == "dot":
        n = len(xs) // 2
        return functools.reduce(operator.add, map(operator.mul, xs[1 : n + 1], xs[n + 1 :]), first)
    return first if name in RESHAPING and first.is_number(1) else None


def _simpler_product(name: str, first: Symbol, last: Symbol) -> Symbol | None:
    """0 and 1 as factors, and the sign in front of all."""
    product = PRIMITIVES[name]
    if first.is_number(0) or (name == "mul" and last.is_number(0)):
        return Symbol("0")
    if first.negated is not None:
        return apply(PRIMITIVES["neg"], apply(product, first.negated, last))
    if last.negated is not None:
        return apply(PRIMITIVES["neg"], apply(product, first, last.negated))
    if last.is_number(1):
        return first
    return last if name == "mul" and first.is_number(1) else None


def _install() -> None:
    """Let primitives and operators take Symbols."""

    def caller(op: Primitive) -> Callable[..., Symbol]:
        return lambda *args, **params: apply(op, *args, **params)

    for op in PRIMITIVES.values():
        connect(op)
    dunders = {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow"}
    for dunder, name in dunders.items():
        forward = caller(PRIMITIVES[name])
        setattr(Symbol, f"__{dunder}__", forward)
        setattr(Symbol, f"__r{dunder}__", lambda x, y, forward=forward: forward(y, x))
    setattr(Symbol, "__neg__", caller(PRIMITIVES["neg"]))  # noqa: B010 - as the others above


def connect(op: Primitive) -> None:
    """Let `op` be called with Symbols."""
    op.methods[Symbol] = lambda *args, **params: apply(op, *args, **params)


_install()

NAMES = ("x", "y", "w", "u", "v")


def formula(op: Primitive, *names: str) -> Symbol:
    r"""The operation itself, written down.

    Parameters
    ----------
    op : Primitive
        What to write.
    *names : str
        Names of its inputs; x, y, w, ... by default.

    Returns
    -------
    Symbol
        With `tex` and `text`.

    Examples
    --------
    >>> print(formula(PRIMITIVES["div"], "a", "b + c"))
    a / b + c
    >>> formula(PRIMITIVES["tanh"]).tex
    '\\tanh\\left(x\\right)'
    """
    return apply(op, *[as_symbol(n) for n in names or _names(op)])


def _names(op: Primitive) -> tuple[str, ...]:
    """Names for as many inputs as the operation has, or shows."""
    fields = [field for _, field, *_ in Formatter().parse(op.text) if field is not None]
    shown = len(set(fields)) if any(fields) else len(fields)  # {0} {1} {0}, or {} {}
    count = max(len(op.vjps), len(op.sample), shown)
    if op.name == "dot":
        return ("b", *[f"{name}{i}" for name in "wx" for i in range(1, 1 + count // 2)])
    return NAMES[:count]


def derivative(op: Primitive, i: int, *names: str, output: str = "z") -> Symbol | None:
    """The local derivative of an operation in its input `i`: its rule at g = 1.

    Operations that only arrays have are no products of a derivative and a cotangent; what they
    send back is written in terms of the cotangent ``g``.

    Parameters
    ----------
    op : Primitive
        What to differentiate.
    i : int
        Which input.
    *names : str
        Names of its inputs; x, y, w, ... by default.
    output : str, optional
        Name of its output, which rules may use.

    Returns
    -------
    Symbol or None
        None if there is no rule for that input, or none that notation can express.

    Examples
    --------
    >>> print(derivative(PRIMITIVES["tanh"], 0))
    1 - z * z
    >>> print(derivative(PRIMITIVES["div"], 1))
    -z / y
    """
    xs = [Symbol(n) for n in names or _names(op)]
    g, z = Symbol("g" if op.scalar is None else "1"), Symbol(output)
    params: dict[str, Any] = dict.fromkeys(_keywords(op), None)
    try:
        if op.each is not None:
            return as_symbol(op.each(g, z, *xs, **params)[i])
        rule = op.vjps[i]
        return None if rule is None else as_symbol(rule(g, z, *xs, **params))
    except (TypeError, AttributeError, IndexError):
        return None  # a rule about shapes or indices has no notation for its parameters


def _keywords(op: Primitive) -> tuple[str, ...]:
    rule = op.each or next((r for r in op.vjps if r is not None), None)
    if rule is None:
        return ()
    code: Any = rule.__code__
    names: tuple[str, ...] = code.co_varnames[code.co_argcount :]
    return names[: code.co_kwonlyargcount]


def notation(op: Primitive) -> str:
    r"""One line of LaTeX: the operation and its local derivatives.

    Parameters
    ----------
    op : Primitive
        What to write.

    Returns
    -------
    str
        ``z = ..., \quad \partial z / \partial x = ...``.
    """
    parts = [rf"z = {formula(op).tex}"]
    left = r"\bar{{{}}}" if op.scalar is None else r"\frac{{\partial z}}{{\partial {}}}"
    for i, name in enumerate(_names(op)):
        d = derivative(op, i)
        if d is not None:
            parts.append(f"{left.format(name)} = {d.tex}")
    return r", \quad ".join(parts)
