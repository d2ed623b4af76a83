"""Local derivatives in symbols: an operation's own vjp rule, read with names for numbers."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from microgradx.drawing.notation import pretty
from microgradx.symbol import Symbol, as_symbol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["local_formula", "local_tex"]

_SQUARE = re.compile(r"(?<![\w.²³])([^\W\d][\w′]*) × \1(?![\w.²³′(\[])")
_LONGEST = 60


def local_formula(node: Any, slot: int, names: Sequence[str], own: str) -> str:
    """Write the derivative of `node` by one operand, or what it sends back for arrays.

    Parameters
    ----------
    node : Value or Tensor
        A result.
    slot : int
        Which operand.
    names : sequence of str
        What the operands are called.
    own : str
        What `node` is called.

    Returns
    -------
    str
        ``1 − L²`` for a Value; in terms of the incoming cotangent ``g`` for a Tensor
        (``g @ W.T``); empty where the rule has no notation.
    """
    symbol = _read(node, slot, names, own)
    if symbol is None:
        return ""
    text = _SQUARE.sub(r"\1²", pretty(symbol.text))
    return text if len(text) <= _LONGEST and "None" not in text else ""


def local_tex(node: Any, slot: int, names: Sequence[str], own: str) -> str:
    """The same in LaTeX."""
    symbol = _read(node, slot, names, own)
    return "" if symbol is None or "None" in symbol.tex else symbol.tex


def _read(node: Any, slot: int, names: Sequence[str], own: str) -> Symbol | None:
    op = node.op
    if op.kind == "closure":
        return None
    cotangent = "1" if hasattr(type(node), "label") else "g"
    params = tuple(sorted((node.params or {}).items(), key=lambda item: item[0]))
    try:
        return _rule(op, slot, tuple(names), own, cotangent, params)
    except TypeError:  # a parameter that cannot be hashed, such as an array of indices
        return None


@lru_cache(maxsize=4096)
def _rule(
    op: Any, slot: int, names: tuple[str, ...], own: str, cotangent: str, params: tuple[Any, ...]
) -> Symbol | None:
    xs = [_named(name) for name in names]
    g, z = Symbol(cotangent), Symbol(own)
    try:
        if op.each is not None:
            return as_symbol(op.each(g, z, *xs, **dict(params))[slot])
        rule = op.vjps[slot]
        return None if rule is None else as_symbol(rule(g, z, *xs, **dict(params)))
    except (TypeError, AttributeError, IndexError, KeyError, ValueError):
        return None  # a rule about shapes or indices has no notation


def _named(name: str) -> Symbol:
    text = name.replace("−", "-")
    return Symbol(text, binding=1 if text.startswith("-") else 5)
