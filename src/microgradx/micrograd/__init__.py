"""micrograd, import-compatible: ``from microgradx.micrograd.engine import Value`` and ``.nn``.

Code written for micrograd runs with only the import line changed, `trace` and `draw_dot` of its
notebook included.
"""

from __future__ import annotations

from typing import Any

from microgradx.value import Value

__all__ = ["Value", "draw_dot", "trace"]


def __getattr__(name: str) -> Any:
    if name in {"trace", "draw_dot"}:
        from microgradx import drawing  # noqa: PLC0415 - drawing is a large room

        return getattr(drawing, name)
    raise AttributeError(f"module 'microgradx.micrograd' has no attribute {name!r}")
