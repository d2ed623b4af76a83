"""Where a function turned a node into a plain number, and so lost its gradient."""

from __future__ import annotations

import linecache
import math
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microgradx.tensor import Tensor
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["turned_into_a_float"]

_CALL = re.compile(r"(?:\w+\.)?(\w+)\((\w+)\)")  # math.sin(x), sin(x), float(x)


def turned_into_a_float(run: Callable[[], Any]) -> str:
    """Run a function again, to see whether it asks a node of its own for a Python float.

    Parameters
    ----------
    run : callable
        Runs the function under test over Values or Tensors.

    Returns
    -------
    str
        What was turned into a float, where, and what to write instead; empty if nothing was.
    """
    seen: list[str] = []
    kept = [(cls, cls.__float__) for cls in (Value, Tensor)]
    for cls, method in kept:
        cls.__float__ = _noticing(method, seen)  # type: ignore[method-assign]
    try:
        with suppress(Exception):  # it ran before; what it says now is no news
            run()
    finally:
        for cls, method in kept:
            cls.__float__ = method  # type: ignore[method-assign]
    return seen[0] if seen else ""


def _noticing(method: Callable[[Any], float], seen: list[str]) -> Callable[[Any], float]:
    def noticing(node: Any) -> float:
        caller = sys._getframe(1)  # math.sin(x) leaves no frame of its own
        if not str(caller.f_globals.get("__name__")).startswith("microgradx."):
            seen.append(_told(caller, type(node)))
        return method(node)

    return noticing


def _told(caller: FrameType, kind: type[Any]) -> str:
    source, line = _source(caller)
    found = _CALL.fullmatch(source)
    what = found[2] if found else f"a {kind.__name__}"
    by = f" by {source}" if source else ""
    place = f"{Path(caller.f_code.co_filename).name}, line {line}"
    story = f"{what} was turned into a Python float{by} ({place}), which has no gradient"
    if found and hasattr(math, found[1]) and hasattr(kind, found[1]):
        return f"{story}: use {what}.{found[1]}()"
    return f"{story}: use its own methods, such as {what if found else 'x'}.sin()"


def _source(caller: FrameType) -> tuple[str, int]:
    """The expression that is being run, if its source can be read, and its line."""
    code = caller.f_code
    line, last, start, end = list(code.co_positions())[caller.f_lasti // 2]
    if line is None or last != line or start is None or end is None:
        return "", caller.f_lineno
    text = linecache.getline(code.co_filename, line).encode()
    return text[start:end].decode(errors="replace"), line
