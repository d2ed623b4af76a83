"""Watch operations as they run: source lines, detached results, the first nan.

Both watchers sit on the operations' slow path (`modes.Mode.watcher`), so they cost nothing when
they are off.
"""

from __future__ import annotations

import linecache
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.drawing.contributions import is_tracked, pull_slots
from microgradx.drawing.names import caller_frame
from microgradx.drawing.numbers import Facts, dtype_text, facts_of, number_text, shape_text
from microgradx.errors import NonFiniteError
from microgradx.graph import Node, ancestors

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Line", "detect_anomaly", "line_of", "trace_lines"]

_MOST_LINES = 1_000_000
_MOST_LOST = 10_000
_TARGET = re.compile(r"\s*([A-Za-z]\w*)\s*(?::[^=]+)?=(?!=)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the user's source.

    Parameters
    ----------
    path : str
        The file.
    number : int
        Counted from 1.
    frame : int
        Tells two runs of one function apart.
    """

    path: str
    number: int
    frame: int = 0

    @property
    def text(self) -> str:
        """The line itself, without indentation."""
        return linecache.getline(self.path, self.number).strip()

    @property
    def target(self) -> str:
        """The variable that the line assigns to, or an empty string."""
        found = _TARGET.match(linecache.getline(self.path, self.number))
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{Path(self.path).name}:{self.number}"


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the graph was left: a result that keeps no parents.

    `lost` has the moments of the nodes that it was made from, leaves only for large graphs.
    """

    line: Line | None
    how: str
    lost: frozenset[int]


_lines: dict[int, Line] = {}
_cuts: dict[int, Cut] = {}


def line_of(time: int) -> Line | None:
    """The source line that made the node of that moment, if lines were traced."""
    return _lines.get(time)


def cut_of(time: int) -> Cut | None:
    """How the node of that moment was cut off, if lines were traced."""
    return _cuts.get(time)


def _here() -> Line | None:
    frame = caller_frame()
    if frame is None:
        return None
    return Line(frame.f_code.co_filename, frame.f_lineno, id(frame))


class _Lines:
    """Notes the source line of every new node."""

    def __init__(self, inner: Any = None) -> None:
        self.inner = inner

    def made(self, node: Any, op: Any, parents: Sequence[Any]) -> None:
        """Called by each operation with its result."""
        line = _here()
        if line is not None:
            _remember(_lines, node.time, line)
        if node.op is None and op.kind != "constant":
            inputs = [p for p in parents if is_tracked(p)]
            if inputs:
                _remember(_cuts, node.time, Cut(line, f"{op.name} under no_grad()", _lost(inputs)))
        if self.inner is not None:
            self.inner.made(node, op, parents)

    def detached(self, node: Any, source: Any) -> None:
        """Called by ``detach`` with the new node and the old one."""
        line = _here()
        if line is not None:
            _remember(_lines, node.time, line)
        _remember(_cuts, node.time, Cut(line, "detach()", _lost([source])))
        if self.inner is not None:
            self.inner.detached(node, source)

    def pulled(self, node: Any) -> None:
        """Called by the backward walk for each node."""
        if self.inner is not None:
            self.inner.pulled(node)


class _Anomaly(_Lines):
    """Stops at the first nan or infinity."""

    def made(self, node: Any, op: Any, parents: Sequence[Any]) -> None:
        """Check a new result."""
        super().made(node, op, parents)
        value = node._data
        if _is_finite(value):
            return
        inputs = [p._data if isinstance(p, Node) else p for p in parents if p is not None]
        if not all(_is_finite(x) for x in inputs):
            return
        raise NonFiniteError(
            op.name,
            f"made {_what(value)} from {_ranges(parents)}{_at(node)}",
            "Keep its inputs inside its domain there",
            op=op.name,
            line=line_of(node.time),
            phase="forward",
        )

    def pulled(self, node: Any) -> None:
        """Check what a node sends back."""
        super().pulled(node)
        g = node._grad
        if g is None or node.op is None:
            return
        g = g._data if isinstance(g, Node) else g
        if not _is_finite(g):
            raise NonFiniteError(
                "backward",
                f"the cotangent of {_title(node)} is {_what(g)}{_at(node)}",
                "Look at what uses it",
                op=node.op.name,
                line=line_of(node.time),
                phase="backward",
            )
        for slot, term in enumerate(pull_slots(node, g)):
            if term is not None and not _is_finite(term):
                raise NonFiniteError(
                    "backward",
                    f"the rule of {node.op.name} for operand {slot + 1} made {_what(term)} at "
                    f"{_ranges(node.parents)}{_at(node)}",
                    "The derivative does not exist or overflows there: move the input, or mask it",
                    op=node.op.name,
                    line=line_of(node.time),
                    phase="backward",
                )


def _lost(parents: Sequence[Node]) -> frozenset[int]:
    reached = ancestors(parents).values()
    if len(reached) <= _MOST_LOST:
        return frozenset(node.time for node in reached)
    return frozenset(node.time for node in (*parents, *reached) if node.op is None)


def _remember(table: dict[int, Any], time: int, thing: Any) -> None:
    table[time] = thing
    if len(table) > _MOST_LINES:
        for old in list(table)[: _MOST_LINES // 2]:
            del table[old]


def _is_finite(x: Any) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype.kind != "f" or bool(np.isfinite(x).all())
    try:
        return bool(x - x == 0)
    except TypeError:
        return True


def _what(x: Any) -> str:
    facts = facts_of(x)
    if facts.number is not None:
        return number_text(facts.number)
    return f"{facts.broken:,} nan or inf among {np.size(x):,} numbers"


def _ranges(parents: Sequence[Any]) -> str:
    said = []
    for i, p in enumerate(p for p in parents if p is not None):
        data = p._data if isinstance(p, Node) else p
        name = (p.name if isinstance(p, Node) else None) or f"operand {i + 1}"
        said.append(f"{name} {_range(facts_of(data))}")
    return ", ".join(said)


def _range(facts: Facts) -> str:
    if facts.number is not None:
        return f"= {number_text(facts.number)}"
    low, high = number_text(facts.low), number_text(facts.high)
    return f"in [{low}, {high}] {shape_text(facts.shape)} {facts.dtype}"


def _title(node: Any) -> str:
    kind = type(node).__name__
    array = isinstance(node._data, np.ndarray)
    shape = f" {shape_text(node._data.shape)} {dtype_text(node._data.dtype)}" if array else ""
    return f"{node.name or f'the {kind} made by {node.op.name}'}{shape}"


def _at(node: Any) -> str:
    line = line_of(node.time)
    return f", at {line}: {line.text}" if line is not None and line.text else ""


def names_from_lines(order: Sequence[Any]) -> dict[int, str]:
    """Call the last node made by an assignment after the variable it was assigned to."""
    last: dict[Line, Any] = {}
    for node in order:
        line = _lines.get(node.time)
        if line is not None:
            last[line] = node
    return {id(node): line.target for line, node in last.items() if line.target}


def trace_lines() -> modes.switch:
    """Remember the source line of every node made in the block.

    Drawings then name intermediate results after the variables they were assigned to and can
    group by line (``draw(loss, style="modules", group_by="line")``); `why` can say where a value
    was detached, and `explain` where each contribution was made. Costs about two microseconds an
    operation.

    Returns
    -------
    context manager
        Also a decorator.

    Examples
    --------
    >>> from microgradx import Value, draw
    >>> with trace_lines():
    ...     x = Value(2.0)
    ...     y = x * x
    """
    mode = modes.current()
    return modes.switch(watcher=_Lines(mode.watcher if mode else None))


def detect_anomaly() -> modes.switch:
    """Stop at the first nan or infinity that an operation makes, forward or backward.

    The error names the operation, the ranges of its inputs and the line of source that called
    it. Inputs that are already not finite are not blamed on the operation. Slow: for finding
    faults, not for training.

    Returns
    -------
    context manager
        Also a decorator.

    Raises
    ------
    NonFiniteError
        Inside the block; ``error.facts`` has ``op``, ``line`` and ``phase``.

    Examples
    --------
    >>> from microgradx import Value
    >>> with detect_anomaly():
    ...     x = Value(-1.0, name="x")
    ...     x.log()
    Traceback (most recent call last):
        ...
    microgradx.errors.NonFiniteError: log: made nan from x = −1...
    """
    mode = modes.current()
    return modes.switch(watcher=_Anomaly(mode.watcher if mode else None))
