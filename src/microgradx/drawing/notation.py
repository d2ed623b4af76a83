"""Expressions and operation signs, from the notation that each primitive carries."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from microgradx.drawing.metrics import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Operand", "expression", "params_text", "plain_sign", "pretty", "sign"]

_SIGNS = {
    "add": "+", "sub": "−", "mul": "×", "div": "/", "neg": "−", "matmul": "@", "square": "x²",
    "pow": "pow", "total": "Σ", "sum": "Σ", "dot": "w·x + b", "swap": "T", "abs": "|x|",
    "greater": ">", "greater_equal": "≥", "less": "<", "less_equal": "≤", "equal": "=",
    "not_equal": "≠", "sqrt": "√", "power_slope": "n·xⁿ⁻¹", "power_log": "xⁿ·ln x",
}  # fmt: skip
_INFIX = {"add", "sub", "mul", "div", "matmul", "greater", "less", "equal", "not_equal"}
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_SHOWN = 3
_LOWERED = re.compile(r"\*\*\((\d+(?:\.\d+)?) [-−] 1\)")


class Operand(str):
    """A name or a number in a template; only what starts with a minus ever needs parentheses."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        needs = bool(spec) and self[:1] in "-−"
        return f"({self!s})" if needs else str(self)


def pretty(text: str) -> str:
    """Turn ASCII notation into the signs of mathematics.

    Examples
    --------
    >>> pretty("a * b - c**2")
    'a × b − c²'
    """
    out = text.replace(" * ", " × ").replace(" - ", " − ").replace(">=", "≥").replace("<=", "≤")
    out = out.replace("!=", "≠").replace("==", "=")
    out = _LOWERED.sub(_lower, out)
    for digit in "23":
        out = out.replace(f"**{digit}.0", f"**{digit}")
        at = out.find(f"**{digit}")
        while at >= 0:
            end = at + 3
            if not out[end : end + 1].isdigit() and out[end : end + 1] != ".":
                out = out[:at] + digit.translate(_SUPERSCRIPTS) + out[end:]
            at = out.find(f"**{digit}", at + 1)
    out = out.replace("([", "[").replace("])", "]")
    return "−" + out[1:] if out.startswith("-") else out


def _lower(found: re.Match[str]) -> str:
    """``**(3 − 1)`` is a square, and ``**(2 − 1)`` is nothing."""
    power = float(found[1]) - 1
    return "" if power == 1 else f"**{power:g}"


def expression(op: Any, operands: Sequence[str], params: dict[str, Any] | None = None) -> str:
    """Write one operation over the names of its operands.

    Parameters
    ----------
    op : Primitive
        Its ``text`` template is used.
    operands : sequence of str
        One name or number per operand.
    params : dict, optional
        Static parameters, appended to calls: ``sum(x, axis=0)``.

    Returns
    -------
    str
    """
    names = [Operand(name) for name in operands]
    if op.each is not None:
        text = _variadic(op, names)
    else:
        try:
            text = op.text.format(*names)
        except (IndexError, KeyError, ValueError):
            text = f"{op.name}({', '.join(names)})"
    extra = params_text(params)
    if extra and text.endswith(")"):
        text = f"{text[:-1]}, {extra})"
    return pretty(text)


def _variadic(op: Any, names: list[Operand]) -> str:
    if op.name == "dot":
        n = len(names) // 2
        if n > _SHOWN:
            return f"{names[0]} + w·x ({n} terms)"
        pairs = zip(names[1 : n + 1], names[n + 1 :], strict=True)
        return " + ".join([names[0], *(f"{w:2}·{x:2}" for w, x in pairs)])
    if len(names) > _SHOWN + 1:
        shown = [*names[:_SHOWN], Operand("…"), names[-1]]
        return f"{op.name}({', '.join(shown)})" if op.name != "total" else " + ".join(shown)
    if op.name == "total":
        return " + ".join(f"{name:1}" for name in names)
    return f"{op.name}({', '.join(names)})"


def plain_sign(name: str) -> str:
    """The sign of an operation by its name, without its constants."""
    return _SIGNS.get(name, name)


def sign(op: Any, constants: dict[int, str], arity: int) -> str:
    """The short text of an operation box: ``×``, ``tanh``, ``× 2``, ``x³``."""
    name: str = op.name
    if name == "pow" and 1 in constants and arity == 2:
        exponent = constants[1].replace("−", "-")
        if exponent.lstrip("-").isdigit():
            return "x" + exponent.translate(_SUPERSCRIPTS)
        return f"x^{constants[1]}"
    text = _SIGNS.get(name, name)
    if constants and name in _INFIX:
        return f"{constants[0]} {text}" if 0 in constants else f"{text} {Operand(constants[1]):2}"
    return text


def params_text(params: dict[str, Any] | None) -> str:
    """Static parameters that say something: ``axis=0``."""
    if not params:
        return ""
    said = []
    for name, value in params.items():
        if value is None or value is False:
            continue
        said.append(clean(shorten(f"{name}={_said(value)}", 32)))
    return ", ".join(said)


def _said(value: Any) -> str:
    """A parameter in few characters: arrays by their shape, one axis without its tuple."""
    if hasattr(value, "shape") and getattr(value, "ndim", False):
        return f"array{value.shape}"
    if isinstance(value, tuple):
        if len(value) == 1 and isinstance(value[0], int):
            return str(value[0])
        return f"({', '.join(map(_said, value))})"
    if isinstance(value, slice):
        parts = ["" if v is None else str(v) for v in (value.start, value.stop, value.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return repr(value)
