"""Capture a step once, replay it at NumPy's speed, and read it as NumPy code.

Start reading in ``docs/capture.md``; `step` has what users call, `program` what a captured step
is. The package is also the function: ``mg.capture(step)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from microgradx.capture.program import Program
from microgradx.capture.step import Captured, capture

__all__ = ["Captured", "Program", "capture"]


class _Callable(ModuleType):
    """``mg.capture`` is a room of the package, and importing a room makes it an attribute."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return capture(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
