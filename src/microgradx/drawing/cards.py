"""The card style: one box per value, with its expression, value, gradient and local derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from microgradx.drawing import cells
from microgradx.drawing.numbers import shape_text
from microgradx.drawing.scene import SMALL, Box, Cell, Scene, Text, Wire

if TYPE_CHECKING:
    from microgradx.drawing.cells import Look
    from microgradx.drawing.snapshot import Record, Snapshot

__all__ = ["cards"]


def cards(snapshot: Snapshot, look: Look, *, compact: bool = False) -> Scene:
    """Draw each value as a card; `compact` leaves out the words beside the numbers."""
    wires = tuple(
        Wire(
            link.key,
            f"n{link.producer}",
            f"n{link.consumer}",
            link.slot,
            () if compact else cells.link_label(link, snapshot.nodes[link.consumer], look),
            "backward" if snapshot.nodes[link.consumer].depth else "plain",
            title=cells.link_title(link, snapshot, look),
        )
        for link in snapshot.links
    )
    return Scene(
        tuple(card(record, look, compact=compact) for record in snapshot.nodes),
        wires,
        direction=look.direction,
        title=look.title,
        summary=cells.summary(snapshot),
        notes=snapshot.notes,
        legend=cells.legend(snapshot, look, place="table"),
    )


def card(record: Record, look: Look, *, compact: bool = False) -> Box:
    """One value."""
    fill = cells.fill_of(record)
    heading = cells.heading(record, bold_only=compact and record.named)
    if compact and not record.named and record.kind == "op":
        heading = (Text(record.sign),)
    rows: list[tuple[Cell, ...]] = [(Cell(heading, fill, span=1 if compact else 2),)]
    if record.is_array and record.value.shape and not compact:
        shape = f"{shape_text(record.value.shape)} {record.value.dtype}"
        words = Cell((Text("shape", "mute", SMALL),), align="start")
        rows.append((words, Cell((Text(shape, size=11),), align="end")))
    for shown, word, cell in (
        (look.values, "value", cells.value_cell(record, look)),
        (look.grads and record.kind != "constant", "grad", cells.grad_cell(record, look)),
    ):
        if shown:
            label = Cell((Text(word, "mute", SMALL),), align="start")
            rows.append((cell,) if compact else (label, cell))
    return Box(
        record.key,
        tuple(rows),
        "table",
        cells.role_of(record),
        cells.box_title(record, look),
        warn=cells.is_broken(record),
    )
