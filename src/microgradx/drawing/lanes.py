"""The lanes style: the backward graph drawn under the forward graph, place for place.

One layout serves both lanes, so each cotangent stands exactly under its node. Backward wires are
the forward wires reversed, labelled with the factor that the chain rule multiplies by.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from microgradx.drawing import cells
from microgradx.drawing.metrics import shorten
from microgradx.drawing.numbers import shape_text
from microgradx.drawing.scene import SMALL, Box, Cell, Label, Placement, Route, Scene, Text, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from microgradx.drawing.cells import Look
    from microgradx.drawing.snapshot import Link, Record, Snapshot

__all__ = ["lanes", "place_lanes"]

_CAPTION = 26.0
_GAP = 22.0
_TERMS_SHOWN = 4
_AHEAD = Text("forward →", "forward", bold=True)
_BEHIND = Text("← backward", "backward", bold=True)


def lanes(snapshot: Snapshot, look: Look) -> Scene:
    """Draw forward boxes ``n3`` and, for each that takes a gradient, a backward box ``b3``.

    Forward wires are ``e3_0`` and backward wires ``r3_0``.
    """
    outgoing = snapshot.outgoing()
    ahead, behind = [], []
    for record in snapshot.nodes:
        forward = _forward_box(record, look)
        if record.kind == "constant" or record.state == "unrequired":
            ahead.append(forward)
            continue
        backward = _backward_box(record, snapshot, outgoing[record.index], look)
        size = (max(forward.width, backward.width), max(forward.height, backward.height))
        ahead.append(replace(forward, size=size))
        behind.append(replace(backward, size=size))
    standing = {box.key for box in behind}
    forth, back = [], []
    for link in snapshot.links:
        forth.append(
            Wire(
                link.key, f"n{link.producer}", f"n{link.consumer}", link.slot,
                title=cells.link_title(link, snapshot, look),
            )
        )  # fmt: skip
        tail, head = f"b{link.consumer}", f"b{link.producer}"
        if tail in standing and head in standing and link.term is not None:
            back.append(
                Wire(
                    f"r{link.consumer}_{link.slot}", tail, head, link.slot,
                    _factor(link, look), "backward",
                    title=_sentence(link, snapshot, look),
                )
            )  # fmt: skip
    if look.part == "forward":
        behind, back = [], []
    elif look.part == "backward":
        ahead, forth = [], []
    notes = snapshot.notes
    if not snapshot.has_backward and behind:
        notes += ("backward() has not run yet: these are the gradients that it will give",)
    return Scene(
        tuple(ahead + behind),
        tuple(forth + back),
        direction="LR",
        title=look.title,
        summary=f"{cells.summary(snapshot)}; the backward graph: "
        f"{len(behind)} cotangents and {len(back)} edges",
        notes=notes,
        legend=(
            Text("solid: forward values", "forward", 11),
            Text("\u00a0\u00a0 dashed: cotangents flowing back", "backward", 11, italic=True),
            Text(
                "\u00a0\u00a0 × on an edge: local derivative\u00a0\u00a0 Σ: contributions add",
                "local",
                11,
            ),
        ),
    )


def _forward_box(record: Record, look: Look) -> Box:
    head = [Text(record.name, bold=True)]
    if record.expression:
        head.append(Text(f" = {shorten(record.expression, 30)}"))
    rows = [
        (Cell(tuple(head), cells.fill_of(record)),),
        (cells.value_cell(record, look, "middle"),),
    ]
    if record.is_array:
        shape = f"{shape_text(record.value.shape)} {record.value.dtype}"
        rows.append((Cell((Text(shape, "mute", SMALL),)),))
    role = "constant" if record.kind == "constant" else "forward"
    return Box(record.key, tuple(rows), "table", role, cells.box_title(record, look))


def _backward_box(record: Record, snapshot: Snapshot, uses: list[Link], look: Look) -> Box:
    root = snapshot.nodes[snapshot.roots[0]].name if len(snapshot.roots) == 1 else "out"
    facts = record.cotangent
    if record.grad is not None and record.passes == 1:
        facts = record.grad
    name = f"∂{root}/∂{record.name}" + (" (seed)" if record.is_root else "")
    text = "0" if facts is None else look.grad(facts)
    broken = facts is not None and not facts.is_finite
    run = Text(text, "warn" if broken else "backward", bold=broken, italic=True)
    rows = [
        (Cell((Text(name),), "root" if record.is_root else ""),),
        (Cell((run,), "warn" if broken else "backward", key="grad"),),
    ]
    terms = [link.term for link in uses if link.term is not None]
    if len(terms) > 1:
        shown = [t for t in terms[:_TERMS_SHOWN] if t.number is not None]
        if len(shown) == min(len(terms), _TERMS_SHOWN):
            numbers = [look.number(shown[0].number or 0.0)]
            numbers += [look.signed(t.number or 0.0) for t in shown[1:]]
            more = len(terms) - len(shown)
            text = " + ".join(numbers) + (f" + {more} more" if more else "")
        else:
            text = f"of {len(terms)} contributions"
        rows.append((Cell((Text(f"Σ {text}", "mute", SMALL),)),))
    return Box(
        f"b{record.index}", tuple(rows), "table", "backward",
        f"{name} = {text if facts is None else look.grad(facts)}", warn=broken,
    )  # fmt: skip


def _factor(link: Link, look: Look) -> Label:
    """``×b = −1.5``, or only ``×1`` where symbol and number say the same."""
    if link.local is None:
        return ((Text(shorten(link.formula, 26), "local", SMALL),),) if link.formula else ()
    number = look.number(link.local)
    formula = shorten(link.formula, 22)
    formula = f"({formula})" if " " in formula and not formula.startswith("[") else formula
    text = f"×{number}" if not formula or link.formula == number else f"×{formula} = {number}"
    return ((Text(text, "local", SMALL),),)


def _sentence(link: Link, snapshot: Snapshot, look: Look) -> str:
    z, x = snapshot.nodes[link.consumer], snapshot.nodes[link.producer]
    return f"gradient of {x.name} += {cells.contribution_text(link, z, look)}"


def place_lanes(scene: Scene, lay_out: Callable[[Scene], Placement]) -> Placement:
    """Lay the forward lane out, with room for the backward labels, and draw it twice.

    A scene of one lane alone is laid out as it is, the backward one against its arrows.
    """
    ahead = tuple(box for box in scene.boxes if not box.key.startswith("b"))
    behind = [box for box in scene.boxes if box.key.startswith("b")]
    back = {wire.key: wire for wire in scene.wires if wire.key.startswith("r")}
    forth = [wire for wire in scene.wires if not wire.key.startswith("r")]
    if not behind or not ahead:
        return _one_lane(scene, lay_out, backward=bool(behind))
    labelled = tuple(
        replace(wire, label=back[twin].label) if (twin := f"r{wire.key[1:]}") in back else wire
        for wire in forth
    )
    one = lay_out(Scene(ahead, labelled, direction=scene.direction))
    below = one.height + _CAPTION + _GAP
    boxes = {key: (x, round(y + _CAPTION, 2)) for key, (x, y) in one.boxes.items()}
    for box in behind:
        x, y = one.boxes[f"n{box.key[1:]}"]
        boxes[box.key] = (x, round(y + below + _CAPTION, 2))
    wires = {}
    for wire in forth:
        route = _shifted(one.wires[wire.key], _CAPTION)
        wires[wire.key] = replace(route, label=None)
        twin = f"r{wire.key[1:]}"
        if twin in back:
            wires[twin] = _reversed(_shifted(one.wires[wire.key], below + _CAPTION))
    captions = ((14.0, 18.0, _AHEAD), (14.0, below + 18.0, _BEHIND))
    return Placement(
        boxes, wires, one.width, round(below + _CAPTION + one.height, 2), captions=captions,
        engine=one.engine, notes=one.notes,
    )  # fmt: skip


def _one_lane(scene: Scene, lay_out: Callable[[Scene], Placement], *, backward: bool) -> Placement:
    wires = scene.wires
    if backward:
        wires = tuple(replace(wire, tail=wire.head, head=wire.tail) for wire in wires)
    one = lay_out(Scene(scene.boxes, wires, direction=scene.direction))
    routes = {key: _shifted(route, _CAPTION) for key, route in one.wires.items()}
    return replace(
        one,
        boxes={key: (x, round(y + _CAPTION, 2)) for key, (x, y) in one.boxes.items()},
        wires={k: _reversed(r) for k, r in routes.items()} if backward else routes,
        height=round(one.height + _CAPTION, 2),
        captions=((14.0, 18.0, _BEHIND if backward else _AHEAD),),
    )


def _shifted(route: Route, dy: float) -> Route:
    def down(point: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if point is None else (point[0], round(point[1] + dy, 2))

    points = tuple((x, round(y + dy, 2)) for x, y in route.points)
    return Route(points, down(route.tip), down(route.label))


def _reversed(route: Route) -> Route:
    """The same course walked back, the arrow at the other end."""
    points = list(route.points)
    if route.tip is not None:
        points[-1] = route.tip
    points.reverse()
    tip = points[-1]
    if len(points) >= 2:
        x, y = points[-2] if points[-2] != tip else points[-3]
        length = ((x - tip[0]) ** 2 + (y - tip[1]) ** 2) ** 0.5 or 1.0
        step = min(8.0, length)
        points[-1] = (
            round(tip[0] + (x - tip[0]) / length * step, 2),
            round(tip[1] + (y - tip[1]) / length * step, 2),
        )
    return Route(tuple(points), tip, route.label)
