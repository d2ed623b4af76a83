"""A fifth arithmetic for rules: each operation writes Python text.

`Text` stands for a number of a program of floats (`scalar_floats`); kernels and vjp rules read in
this arithmetic give the expressions of its lines.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from microgradx.primitive import PRIMITIVES, over

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Text", "is_variable", "kernel_text", "number", "rule_as_text"]


class Text:
    """An expression, with operators that write longer ones."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def __neg__(self) -> Text:
        return Text(f"(-{self})")

    def __add__(self, y: Any) -> Text:
        return Text(f"({self} + {number(y)})")

    def __radd__(self, x: Any) -> Text:
        return Text(f"({number(x)} + {self})")

    def __sub__(self, y: Any) -> Text:
        return Text(f"({self} - {number(y)})")

    def __rsub__(self, x: Any) -> Text:
        return Text(f"({number(x)} - {self})")

    def __mul__(self, y: Any) -> Text:
        if self.text == "1.0":  # the seed of most backward passes
            return y if isinstance(y, Text) else Text(number(y))
        return Text(f"({self} * {number(y)})")

    def __rmul__(self, x: Any) -> Text:
        return Text(f"({number(x)} * {self})")

    def __truediv__(self, y: Any) -> Text:
        return Text(f"div({self}, {number(y)})")

    def __rtruediv__(self, x: Any) -> Text:
        return Text(f"div({number(x)}, {self})")

    def __pow__(self, y: Any) -> Text:
        return _power(self, y)

    def __rpow__(self, x: Any) -> Text:
        return _power(x, self)


def number(x: Any) -> str:
    """An expression or a number as Python text."""
    if isinstance(x, Text):
        return x.text
    if x is None:
        return "None"
    text = repr(float(x))
    return f"({text})" if text[0] == "-" else {"inf": "INF", "nan": "NAN"}.get(text, text)


def _call(name: str) -> Callable[..., Text]:
    return lambda *xs: Text(f"{name}({', '.join(number(x) for x in xs)})")


def _infix(sign: str) -> Callable[..., Text]:
    return lambda x, y: Text(f"({number(x)} {sign} {number(y)})")


def _power(x: Any, y: Any) -> Text:
    if not isinstance(y, Text):
        if y == 2:
            return x * x  # type: ignore[no-any-return]
        if y == 1:
            return x  # type: ignore[no-any-return]
        if y == -1:
            return 1.0 / x  # type: ignore[no-any-return]
    return Text(f"power({number(x)}, {number(y)})")


def _power_slope(x: Any, y: Any) -> Any:
    if isinstance(y, Text):
        return Text(f"power_slope({number(x)}, {y})")
    return 0.0 * x if y == 0 else y * _power(x, y - 1)


TEXTS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": _call("div"),
    "neg": lambda x: -x,
    "positive": lambda x: x,
    "pow": _power,
    "power_slope": _power_slope,
    "square": lambda x: x * x,
    "relu": lambda x: (
        Text(f"({x} if {x} > 0.0 else 0.0 * {x})") if is_variable(x) else _call("relu")(x)
    ),
    "where": lambda c, x, y: Text(f"({number(x)} if {number(c)} else {number(y)})"),
    "greater": _infix(">"),
    "greater_equal": _infix(">="),
    "less": _infix("<"),
    "less_equal": _infix("<="),
    "equal": _infix("=="),
    "not_equal": _infix("!="),
}


def is_variable(x: Any) -> bool:
    """Whether an expression is a single name."""
    return isinstance(x, Text) and x.text.isidentifier()


def kernel_text(name: str) -> Callable[..., Any]:
    """What writes the kernel of a primitive."""
    return TEXTS.get(name) or _call(name)


@functools.cache
def rule_as_text(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A vjp rule that writes its formula."""
    names = {name: kernel_text(name) for name in rule.__code__.co_names if name in PRIMITIVES}
    return over({**names, "__builtins__": __builtins__}, rule)
