"""What the caller calls things: variable names for the nodes of a drawing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microgradx.graph import Node

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from types import FrameType

__all__ = ["caller_frame", "names_in", "names_of_arrays", "variables_of"]

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_LONGEST_LIST = 10_000
_LARGEST = 1 << 20


def caller_frame() -> FrameType | None:
    """The innermost frame that does not belong to this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return frame
        frame = frame.f_back
    return None


def variables_of(frame: FrameType | None) -> dict[str, Any]:
    """The variables a frame sees, its own before the module's; private ones left out."""
    if frame is None:
        return {}
    found = dict(frame.f_locals)
    if frame.f_globals is not frame.f_locals:
        for name, thing in frame.f_globals.items():
            found.setdefault(name, thing)
    # `_`, `_12` and `__` are IPython's; a leading underscore is nobody's idea of a label.
    return {name: thing for name, thing in found.items() if not name.startswith("_")}


def names_of_arrays(variables: Mapping[str, Any], arrays: Mapping[int, Any]) -> dict[int, str]:
    """Names of constant arrays, found by their numbers: operations keep copies of small ones."""
    own = [
        (path, thing)
        for name, top in variables.items()
        for path, _, thing in _reach(name, top, 0)
        if type(thing).__name__ == "ndarray"
    ]
    found: dict[int, str] = {}
    for key, array in arrays.items():
        for path, mine in own:
            same = mine.shape == array.shape and mine.dtype == array.dtype
            if mine is array or (same and mine.nbytes <= _LARGEST and (mine == array).all()):
                found[key] = path
                break
    return found


def names_in(variables: Mapping[str, Any], wanted: Collection[int]) -> dict[int, str]:
    """Map ``id(node) -> name`` for the wanted nodes found in variables.

    Looks into lists, tuples and dictionaries, two levels deep. The first and shortest path wins.
    """
    found: dict[int, str] = {}
    depths: dict[int, int] = {}
    for name, thing in variables.items():
        for path, depth, node in _reach(name, thing, 0):
            key = id(node)
            if key in wanted and depth < depths.get(key, 99):
                found[key], depths[key] = path, depth
    return found


def _reach(path: str, thing: Any, depth: int) -> Iterator[tuple[str, int, Any]]:
    if isinstance(thing, Node) or type(thing).__name__ == "ndarray":
        yield path, depth, thing
    elif isinstance(thing, (list, tuple)):
        if depth < 2 and len(thing) <= _LONGEST_LIST:
            for i, item in enumerate(thing):
                yield from _reach(f"{path}[{i}]", item, depth + 1)
    elif isinstance(thing, dict) and depth < 2 and len(thing) <= _LONGEST_LIST:
        for key, item in thing.items():
            if isinstance(key, (str, int)):
                yield from _reach(f"{path}[{key!r}]", item, depth + 1)
