"""Capture a step once, replay it at NumPy's speed, and read it as NumPy code.

Start reading in ``docs/capture.md``; `program` has what a captured step is.
"""

from __future__ import annotations

from microgradx.capture.program import Program

__all__ = ["Program"]
