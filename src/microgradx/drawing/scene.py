"""What a picture shows, before anything is placed: boxes of text, wires between them, regions.

A style turns a snapshot of the graph into a `Scene`; a layout turns a scene into a `Placement`;
the writers (SVG, DOT, HTML) need both. Nothing here knows the engine or a file format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from microgradx.drawing.metrics import text_width

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Box",
    "Cell",
    "Frame",
    "Label",
    "Placement",
    "Region",
    "Route",
    "Row",
    "Scene",
    "Text",
    "Wire",
    "lines_size",
]

LINE_HEIGHT = 1.3
PAD_X, PAD_Y = 6.0, 3.0
SIZE, SMALL = 13.0, 10.0


@dataclass(frozen=True, slots=True)
class Text:
    """A run of text in one colour role: ink, mute, forward, backward, local or warn."""

    text: str
    role: str = "ink"
    size: float = SIZE
    bold: bool = False
    italic: bool = False

    @property
    def width(self) -> float:
        """In points."""
        return text_width(self.text, self.size, self.bold)


Label = tuple[tuple[Text, ...], ...]
"""Lines of runs of text."""


def lines_size(lines: Label) -> tuple[float, float]:
    """Width and height of lines of text."""
    width = max((sum(run.width for run in line) for line in lines), default=0.0)
    height = sum(max((run.size for run in line), default=SMALL) * LINE_HEIGHT for line in lines)
    return width, height


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a box: a line of text on a filled ground.

    `key` names what the text says (``value``, ``grad``), for the stepper to change it.
    """

    runs: tuple[Text, ...] = ()
    fill: str = ""
    align: str = "middle"
    span: int = 1
    key: str = ""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height, padding included."""
        width, height = lines_size((self.runs,))
        return width + 2 * PAD_X, height + 2 * PAD_Y


Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the columns and rows of a box stand, from its top left corner."""

    columns: tuple[float, ...]
    rows: tuple[float, ...]


@dataclass(frozen=True)
class Box:
    """A thing with a place: a value, an operation, a closed module.

    Parameters
    ----------
    key : str
        Unique in its scene; ``n7`` for the traced node 7.
    rows : tuple of Row
    shape : str
        ``table``, ``wire`` (no border, a rule at mid height), ``circle`` or ``pill``.
    role : str
        How it is outlined: ``op``, ``leaf``, ``param``, ``constant``, ``root``, ``module``,
        ``backward``.
    title : str
        Shown when the pointer rests on it, and read aloud.
    size : (float, float)
        The least width and height.
    warn : bool
        Holds nan or infinity: drawn with a thick border.
    """

    key: str
    rows: tuple[Row, ...]
    shape: str = "table"
    role: str = "op"
    title: str = ""
    size: tuple[float, float] = (0.0, 0.0)
    warn: bool = False

    @cached_property
    def _natural(self) -> tuple[list[float], list[float]]:
        count = max((sum(cell.span for cell in row) for row in self.rows), default=1)
        widths = [0.0] * count
        heights = [max((cell.size[1] for cell in row), default=0.0) for row in self.rows]
        for row in self.rows:
            column = 0
            for cell in row:
                if cell.span == 1:
                    widths[column] = max(widths[column], cell.size[0])
                column += cell.span
        for row in self.rows:
            column = 0
            for cell in row:
                missing = cell.size[0] - sum(widths[column : column + cell.span])
                if missing > 0:
                    widths[column + cell.span - 1] += missing
                column += cell.span
        return widths, heights

    @cached_property
    def width(self) -> float:
        """In points."""
        natural = sum(self._natural[0])
        if self.shape == "circle":
            return self.height
        return round(max(natural + (8 if self.shape == "pill" else 0), self.size[0]), 2)

    @cached_property
    def height(self) -> float:
        """In points."""
        widths, heights = self._natural
        if self.shape == "circle":
            return round(max(sum(widths) + 2, sum(heights) + 6, 30.0), 2)
        return round(max(sum(heights), self.size[1]), 2)

    @cached_property
    def frame(self) -> Frame:
        """Edges of columns and rows; spare width goes to the last column, height to all rows."""
        widths, heights = self._natural
        columns, rows = [0.0], [0.0]
        for width in widths:
            columns.append(round(columns[-1] + width, 2))
        columns[-1] = self.width
        spare = (self.height - sum(heights)) / max(len(heights), 1)
        for height in heights:
            rows.append(round(rows[-1] + height + spare, 2))
        return Frame(tuple(columns), tuple(rows))


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge from the box `tail` to the box `head`, in the direction of the arrow.

    `rank` False leaves the wire out of the ordering of boxes; `count` says how many traced edges
    it stands for; `slot` is the operand's position in the consumer.
    """

    key: str
    tail: str
    head: str
    slot: int = 0
    label: Label = ()
    role: str = "forward"
    arrow: bool = True
    count: int = 1
    title: str = ""


@dataclass(frozen=True, slots=True)
class Region:
    """An outline around boxes and inner regions."""

    key: str
    title: str
    boxes: tuple[str, ...]
    inner: tuple[Region, ...] = ()
    role: str = "module"

    def every_box(self) -> Iterable[str]:
        """All the boxes inside, those of inner regions included."""
        stack: list[Region] = [self]
        while stack:
            region = stack.pop()
            yield from region.boxes
            stack.extend(region.inner)


@dataclass(frozen=True)
class Scene:
    """Everything a picture shows; where it stands is the placement's business."""

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    regions: tuple[Region, ...] = ()
    direction: str = "LR"
    title: str = ""
    summary: str = ""
    notes: tuple[str, ...] = ()
    legend: tuple[Text, ...] = ()

    @cached_property
    def by_key(self) -> dict[str, Box]:
        """Boxes by their keys."""
        return {box.key: box for box in self.boxes}


@dataclass(frozen=True, slots=True)
class Route:
    """The drawn course of a wire: a cubic spline (1 + 3 n points), then the arrow's tip."""

    points: tuple[tuple[float, float], ...]
    tip: tuple[float, float] | None = None
    label: tuple[float, float] | None = None


@dataclass(frozen=True)
class Placement:
    """Top left corners of boxes, courses of wires, outlines of regions, in points."""

    boxes: dict[str, tuple[float, float]]
    wires: dict[str, Route]
    width: float
    height: float
    regions: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    captions: tuple[tuple[float, float, Text], ...] = ()
    engine: str = "built-in"
    notes: tuple[str, ...] = ()
