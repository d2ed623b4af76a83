"""The tensor style: operations between boxes of shapes, dtypes, bytes and statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from microgradx.drawing import cells
from microgradx.drawing.metrics import shorten
from microgradx.drawing.numbers import bytes_text, shape_text
from microgradx.drawing.scene import SMALL, Box, Cell, Scene, Text, Wire

if TYPE_CHECKING:
    from microgradx.drawing.cells import Look
    from microgradx.drawing.snapshot import Link, Record, Snapshot

__all__ = ["tensors"]


def tensors(snapshot: Snapshot, look: Look) -> Scene:
    """Draw arrays as boxes and operations as rounded boxes between them."""
    broadcasts: dict[int, list[Link]] = {}
    for link in snapshot.links:
        if link.broadcast:
            broadcasts.setdefault(link.producer, []).append(link)
    boxes, wires = [], []
    for record in snapshot.nodes:
        role = "backward" if record.depth else "plain"
        if record.kind == "op":
            boxes.append(_operation(record))
            wires.append(
                Wire(f"j{record.index}", f"{record.key}o", record.key, role=role, arrow=False)
            )
        boxes.append(_array(record, broadcasts.get(record.index, []), snapshot, look))
    for link in snapshot.links:
        consumer = snapshot.nodes[link.consumer]
        wires.append(
            Wire(
                link.key,
                f"n{link.producer}",
                f"n{link.consumer}o",
                link.slot,
                _label(link, snapshot, look),
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
        legend=cells.legend(snapshot, look, place="table"),
    )


def _operation(record: Record) -> Box:
    rows = [(Cell((Text(record.sign, bold=True),)),)]
    if record.params:
        rows.append((Cell((Text(shorten(record.params, 28), "mute", SMALL),)),))
    role = "backward" if record.depth else "op"
    return Box(f"{record.key}o", tuple(rows), "pill", role, record.expression, (44.0, 0.0))


def _array(record: Record, broadcasts: list[Link], snapshot: Snapshot, look: Look) -> Box:
    fill = cells.fill_of(record)
    shape = f"{shape_text(record.value.shape)} {record.value.dtype}".strip()
    name = Text(record.name, bold=record.named or record.kind != "op")
    kind = Text(shape, "ink", 11)
    rows: list[tuple[Cell, ...]] = [(Cell((name,), fill, "start"), Cell((kind,), fill, "end"))]
    word = {"value": Text("value", "mute", SMALL), "grad": Text("grad", "mute", SMALL)}
    if look.values:
        rows.append(
            (Cell((word["value"],), align="start"), cells.value_cell(record, look, "start"))
        )
    if look.grads and record.kind != "constant":
        rows.append((Cell((word["grad"],), align="start"), cells.grad_cell(record, look, "start")))
    foot = bytes_text(record.value.nbytes) if record.value.nbytes else ""
    if record.kind == "constant":
        foot += " · constant, takes no gradient"
    axes = sorted({axis for link in broadcasts for axis in link.broadcast})
    if axes and record.state != "unrequired":
        said = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
        to = shape_text(snapshot.nodes[broadcasts[0].consumer].value.shape)
        foot += f"{' · ' if foot else ''}broadcast to {to}: backward sums {said}"
    if foot:
        rows.append((Cell((Text(foot, "mute", SMALL),), align="start", span=2),))
    return Box(
        record.key,
        tuple(rows),
        "table",
        cells.role_of(record),
        cells.box_title(record, look),
        warn=cells.is_broken(record),
    )


def _label(link: Link, snapshot: Snapshot, look: Look) -> tuple[tuple[Text, ...], ...]:
    lines = []
    if link.broadcast:
        small = shape_text(snapshot.nodes[link.producer].value.shape)
        large = shape_text(snapshot.nodes[link.consumer].value.shape)
        lines.append((Text(f"{small} → {large}", "local", SMALL),))
    if look.contributions and link.term is not None and snapshot.has_backward:
        text = f"+= {look.grad(link.term)}"
        lines.append((Text(text, "backward", SMALL, italic=True),))
    return tuple(lines)
