"""The circuit style: value above the wire, gradient below, as on the blackboard [1]_.

.. [1] The layout of Stanford's CS231n notes, "Backpropagation, Intuitions".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from microgradx.drawing import cells
from microgradx.drawing.numbers import shape_text
from microgradx.drawing.scene import SMALL, Box, Cell, Scene, Text, Wire

if TYPE_CHECKING:
    from microgradx.drawing.cells import Look
    from microgradx.drawing.snapshot import Record, Snapshot

__all__ = ["circuit"]

_WIDEST_IN_CIRCLE = 34.0


def circuit(snapshot: Snapshot, look: Look) -> Scene:
    """Draw each value as a piece of wire and each operation as a circle."""
    boxes, wires = [], []
    for record in snapshot.nodes:
        role = "backward" if record.depth else "plain"
        if record.kind == "op":
            boxes.append(_circle(record))
            wires.append(
                Wire(f"j{record.index}", f"{record.key}o", record.key, role=role, arrow=False)
            )
        boxes.append(_piece_of_wire(record, look))
    for link in snapshot.links:
        consumer = snapshot.nodes[link.consumer]
        wires.append(
            Wire(
                link.key,
                f"n{link.producer}",
                f"n{link.consumer}o",
                link.slot,
                cells.link_label(link, consumer, look),
                "backward" if consumer.depth else "plain",
                title=cells.link_title(link, snapshot, look),
            )
        )
    return Scene(
        tuple(boxes),
        tuple(wires),
        direction=look.direction,
        title=look.title,
        summary=cells.summary(snapshot),
        notes=snapshot.notes,
        legend=cells.legend(snapshot, look, place="circuit"),
    )


def _circle(record: Record) -> Box:
    role = "backward" if record.depth else "op"
    sign = Text(record.sign, size=15 if len(record.sign) == 1 else 12)
    shape = "circle" if sign.width <= _WIDEST_IN_CIRCLE else "pill"
    return Box(f"{record.key}o", ((Cell((sign,)),),), shape, role, record.expression)


def _piece_of_wire(record: Record, look: Look) -> Box:
    above = [Text(record.name, bold=True)] if record.named or record.kind == "leaf" else []
    if look.values:
        value = cells.value_cell(record, look).runs[0]
        if record.is_array and record.value.shape:
            value = replace(value, text=f"{shape_text(record.value.shape)} {value.text}")
        if record.kind != "constant" or not record.is_root:
            above.append(Text(f"{' ' if above else ''}{value.text}", value.role, bold=value.bold))
    grad = cells.grad_cell(record, look)
    below = grad.runs if look.grads and record.kind != "constant" else ()
    # Both rows have one height, so that the wire runs through the middle.
    empty = (Text(" "),)
    if below and below[0].size == SMALL:
        below = (Text(below[0].text, below[0].role, 13),)
    rows = ((Cell(tuple(above) or empty, key="value"),), (Cell(below or empty, key="grad"),))
    return Box(
        record.key,
        rows,
        "wire",
        cells.role_of(record),
        cells.box_title(record, look),
        (34.0, 0.0),
        cells.is_broken(record),
    )
