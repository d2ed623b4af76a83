"""`Symbol`: a node whose data is notation, so that a rule read with Symbols is a formula.

The local derivative of an operation is its vjp rule at g = 1; with Symbols for inputs the rule
writes itself down, as LaTeX and as text. Drawings and the table of operations get their labels
here.
"""

from __future__ import annotations

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

    __slots__ = ("_tex", "_text", "binding")

    op = None
    parents = ()
    params = None
    name = None
    time = 0

    def __init__(self, tex: str, text: str | None = None, binding: int = ATOM) -> None:
        self._tex, self._text, self.binding = tex, tex if text is None else text, binding

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
    """Anything as a Symbol; negative numbers bind like a sum."""
    if isinstance(x, Symbol):
        return x
    if isinstance(x, (int, float)):
        return Symbol(f"{x:g}", binding=1 if x < 0 else ATOM)
    return Symbol(str(x))


def apply(op: Primitive, *args: Any, **_params: Any) -> Symbol:
    """Write an operation down, leaving out what changes nothing."""
    xs = [as_symbol(x) for x in args]
    short = _simpler(op.name, xs)
    if short is not None:
        return short
    tex = op.tex.format(*[_Argument(x, tex=True) for x in xs])
    text = op.text.format(*[_Argument(x, tex=False) for x in xs])
    return Symbol(tex, text, op.binding)


def _simpler(name: str, xs: list[Symbol]) -> Symbol | None:  # noqa: PLR0911 - a table
    """1 * x, x * 1, x / 1, x + 0, 0 + x, x ** 1 are x; 0 * x is 0."""
    first, last = xs[0], xs[-1]
    if name == "mul":
        if first.is_number(0) or last.is_number(0):
            return Symbol("0")
        if first.is_number(1):
            return last
        if first.is_number(-1):
            return apply(PRIMITIVES["neg"], last)
        if last.is_number(-1):
            return apply(PRIMITIVES["neg"], first)
    if name in {"mul", "div", "pow"} and last.is_number(1):
        return first
    if name in {"add", "sub"} and last.is_number(0):
        return first
    if name == "add" and first.is_number(0):
        return last
    if name == "neg" and first.text[:1] == "-" and first.text[1:].isalnum():
        return Symbol(first.tex[1:], first.text[1:])
    if name in RESHAPING and first.is_number(1):
        return first
    return None


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
    count = max(len(op.vjps), 1) if op.each is None else max(len(op.sample), 2)
    return apply(op, *[as_symbol(n) for n in names or NAMES[:count]])


def derivative(op: Primitive, i: int, *names: str, output: str = "z") -> Symbol | None:
    """The local derivative of an operation in its input `i`: its rule at g = 1.

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
    xs = [Symbol(n) for n in names or NAMES[: max(len(op.vjps), len(op.sample), 1)]]
    one, z = Symbol("1"), Symbol(output)
    params: dict[str, Any] = dict.fromkeys(_keywords(op), None)
    try:
        if op.each is not None:
            return as_symbol(op.each(one, z, *xs, **params)[i])
        rule = op.vjps[i]
        return None if rule is None else as_symbol(rule(one, z, *xs, **params))
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
    for name, i in zip(NAMES, range(len(op.vjps)), strict=False):
        d = derivative(op, i)
        if d is not None:
            parts.append(rf"\frac{{\partial z}}{{\partial {name}}} = {d.tex}")
    return r", \quad ".join(parts)
