"""A placed scene as SVG: one self-contained file, readable in light and dark.

No links, no scripts, no fonts to load; class rules instead of CSS variables, because many SVG
programs know none. Ids carry a hash of the drawing, so that two drawings share a page in peace.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from microgradx.drawing.metrics import clean, is_estimate
from microgradx.drawing.scene import (
    LINE_HEIGHT,
    SIZE,
    SMALL,
    Box,
    Cell,
    Placement,
    Route,
    Scene,
    Text,
    Wire,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from microgradx.drawing.theme import Palette, Theme

__all__ = ["FONT", "stylesheet", "svg"]

FONT = "Helvetica,Arial,Liberation Sans,Arimo,Nimbus Sans,sans-serif"
_ARROW = 8.0
_CORNER = 4.0
_SIDE = 14.0
# Short class names: a drawing has hundreds of cells.
_GROUNDS = {
    "card": "cf", "forward": "ff", "backward": "bf", "leaf": "lf", "root": "rf", "module": "mf",
    "region": "gf", "warn": "wf",
}  # fmt: skip


def svg(scene: Scene, placement: Placement, theme: Theme) -> str:
    """Write a placed scene as a standalone SVG document.

    Parameters
    ----------
    scene : Scene
        What to show.
    placement : Placement
        Where.
    theme : Theme
        In which colours; a theme with a dark palette follows the reader's system.

    Returns
    -------
    str
        XML; the same bytes for the same arguments, in any process.
    """
    body = list(_body(scene, placement))
    width, height = page_size(scene, placement)
    top = _head_height(scene)
    uid = "mg" + hashlib.sha256("".join(body).encode()).hexdigest()[:6]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{uid}" class="mg" role="img" '
        f'aria-labelledby="{uid}-t {uid}-d" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}">',
        f'<title id="{uid}-t">{_x(scene.title or "Computation graph")}</title>',
        f'<desc id="{uid}-d">{_x(scene.summary)}</desc>',
        f"<style>{stylesheet(theme, '#' + uid)}</style>",
        f'<rect class="paper" width="{_n(width)}" height="{_n(height)}"/>',
    ]
    if scene.title:
        parts.append(_line((Text(scene.title, bold=True),), _SIDE, 22.0, "start"))
    parts.append(f'<g transform="translate(0 {_n(top)})">')
    parts += (part.replace('id="@', f'id="{uid}-') for part in body)
    parts.append("</g>")
    y = top + placement.height
    if scene.legend:
        y += 18
        parts.append(_line(scene.legend, _SIDE, y, "start"))
    for note in (*scene.notes, *placement.notes):
        y += 16
        parts.append(_line((Text(note, "mute", 11),), _SIDE, y, "start"))
    parts.append("</svg>")
    return "\n".join(parts)


def page_size(scene: Scene, placement: Placement) -> tuple[float, float]:
    """Width and height of the whole page: title, picture, legend and notes."""
    notes = [Text(note, "mute", 11) for note in (*scene.notes, *placement.notes)]
    widths = [placement.width, Text(scene.title, bold=True).width + 2 * _SIDE]
    widths.append(sum(run.width for run in scene.legend) + 2 * _SIDE)
    widths += [note.width + 2 * _SIDE for note in notes]
    height = placement.height + _head_height(scene) + 16 * len(notes)
    height += 18 if scene.legend else 0
    height += 10 if notes or scene.legend else 0
    return round(max(widths), 1), round(height, 1)


def _head_height(scene: Scene) -> float:
    return 26.0 if scene.title else 0.0


def stylesheet(theme: Theme, scope: str) -> str:
    """Class rules of a theme, for elements inside `scope`."""
    shape = (
        f"{scope}{{font-family:{FONT};font-size:13px}}"
        f"{scope} path{{fill:none;stroke-width:1.4}}"
        f"{scope} .m{{text-anchor:middle}}{scope} .e{{text-anchor:end}}"
        f"{scope} .s{{font-size:{SMALL:g}px}}{scope} .b{{font-weight:bold}}"
        f"{scope} .i{{font-style:italic}}"
        f"{scope} .edge{{stroke-width:1.3}}{scope} .thick{{stroke-width:2.6}}"
        f"{scope} .wire.backward path{{stroke-dasharray:6 3}}"
        f"{scope} .wire path.tip{{stroke-dasharray:none}}"
    )
    rules = shape + _colours(theme.light, scope)
    if theme.dark is not None:
        rules += f"@media (prefers-color-scheme:dark){{{_colours(theme.dark, scope)}}}"
    return rules


def _colours(palette: Palette, scope: str) -> str:
    rules = [f"{scope} .paper{{fill:{palette.paper}}}", f"{scope} text{{fill:{palette.ink}}}"]
    for name, colour in palette.text_roles().items():
        if name != "ink":
            rules.append(f"{scope} .{name[0]}t{{fill:{colour}}}")
    rules += [
        f"{scope} .{_GROUNDS[name]}{{fill:{colour}}}" for name, colour in palette.fills().items()
    ]
    rules += [
        f"{scope} .edge{{stroke:{palette.line};fill:none}}",
        f"{scope} .backward .edge{{stroke:{palette.backward}}}",
        f"{scope} .forward .edge{{stroke:{palette.forward}}}",
        f"{scope} .bad .edge{{stroke:{palette.warn}}}",
        f"{scope} .region .edge{{stroke:{palette.mute}}}",
        f"{scope} .wire path{{stroke:{palette.line}}}",
        f"{scope} .wire.forward path{{stroke:{palette.forward}}}",
        f"{scope} .wire.backward path{{stroke:{palette.backward}}}",
        f"{scope} .wire path.tip{{fill:{palette.line};stroke:none}}",
        f"{scope} .wire.forward path.tip{{fill:{palette.forward}}}",
        f"{scope} .wire.backward path.tip{{fill:{palette.backward}}}",
    ]
    return "".join(rules)


def _body(scene: Scene, placement: Placement) -> Iterable[str]:
    titles = {}
    stack = list(scene.regions)
    while stack:
        region = stack.pop()
        titles[region.key] = region
        stack += region.inner
    for key, (x0, y0, x1, y1) in placement.regions.items():
        yield (
            f'<g class="region" id="@{key}"><rect class="gf" x="{_n(x0)}" y="{_n(y0)}" '
            f'width="{_n(x1 - x0)}" height="{_n(y1 - y0)}" rx="9"/>'
            f'<rect class="edge" x="{_n(x0)}" y="{_n(y0)}" '
            f'width="{_n(x1 - x0)}" height="{_n(y1 - y0)}" rx="9"/>'
            + _line((Text(titles[key].title, "mute", 11),), x0 + 9, y0 + 15, "start")
            + "</g>"
        )
    for wire in scene.wires:
        route = placement.wires.get(wire.key)
        if route is not None:
            yield _wire(wire, route)
    for box in scene.boxes:
        yield _box(box, *placement.boxes[box.key])
    for x, y, text in placement.captions:
        yield _line((text,), x, y, "start")


def _wire(wire: Wire, route: Route) -> str:
    points = route.points
    course = _course(points)
    thick = ' class="thick"' if wire.count > 1 else ""
    # "wire" alone is the neutral colour; a role adds its own.
    role = "" if wire.role == "plain" else f" {wire.role}"
    parts = [f'<g class="wire{role}" id="@{wire.key}">']
    if wire.title:
        parts.append(f"<title>{_x(wire.title)}</title>")
    parts.append(f'<path{thick} d="{course}"/>')
    if route.tip is not None:
        parts.append(f'<path class="tip" d="{_arrow(points, route.tip)}"/>')
    if wire.label and route.label is not None:
        x, y = route.label
        width = max(sum(run.width for run in line) for line in wire.label)
        for line in wire.label:
            height = max(run.size for run in line) * LINE_HEIGHT
            baseline = y + height / 2 + max(run.size for run in line) * 0.35
            parts.append(_line(line, x + width / 2, baseline, "middle"))
            y += height
    parts.append("</g>")
    return "".join(parts)


def _course(points: tuple[tuple[float, float], ...]) -> str:
    """A spline in path commands; level pieces are lines."""
    course, before = f"M{_p(points[0])}", "M"
    for i in range(1, len(points), 3):
        piece = points[i : i + 3]
        if all(_n(y) == _n(points[i - 1][1]) for _, y in piece):
            course += f"H{_n(piece[2][0])}"
            before = "H"
        else:
            course += (" " if before == "C" else "C") + " ".join(map(_p, piece))
            before = "C"
    return course


def _arrow(points: tuple[tuple[float, float], ...], tip: tuple[float, float]) -> str:
    x0, y0 = points[-1]
    dx, dy = tip[0] - x0, tip[1] - y0
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    ux, uy = dx / length, dy / length
    left = (-ux * _ARROW - uy * 3.4, -uy * _ARROW + ux * 3.4)
    return f"M{_p(tip)}l{_p(left)} {_p((uy * 6.8, -ux * 6.8))}z"


def _box(box: Box, x: float, y: float) -> str:
    bad = " bad" if box.warn else ""
    parts = [f'<g class="box {box.role}{bad}" id="@{box.key}" transform="translate({_p((x, y))})">']
    if box.title:
        parts.append(f"<title>{_x(box.title)}</title>")
    w, h = box.width, box.height
    thick = " thick" if box.role == "module" or box.warn else ""
    if box.shape == "circle":
        r = w / 2
        parts.append(f'<circle class="cf" cx="{_n(r)}" cy="{_n(r)}" r="{_n(r)}"/>')
        parts.append(f'<circle class="edge{thick}" cx="{_n(r)}" cy="{_n(r)}" r="{_n(r)}"/>')
    elif box.shape == "wire":
        parts.append(f'<path class="edge thick" d="M0 {_n(h / 2)}H{_n(w)}"/>')
    else:
        corner = min(h / 2, 14.0) if box.shape == "pill" else _CORNER
        outline = f'width="{_n(w)}" height="{_n(h)}" rx="{_n(corner)}"'
        ground = "mf" if box.role == "constant" else "cf"
        parts.append(f'<rect class="{ground}" {outline}/>')
    for (x0, y0, x1, y1), cell in _cells(box):
        parts.append(_cell(box, cell, x0, y0, x1, y1))
    if box.shape in ("table", "pill"):
        parts.append(f'<rect class="edge{thick}" {outline}/>')
        if box.role == "param":
            parts.append(
                f'<rect class="edge" x="-3" y="-3" width="{_n(w + 6)}" height="{_n(h + 6)}" '
                f'rx="{_n(corner + 3)}"/>'
            )
    parts.append("</g>")
    return "".join(parts)


def _cells(box: Box) -> Iterable[tuple[tuple[float, float, float, float], Cell]]:
    frame = box.frame
    for i, row in enumerate(box.rows):
        column = 0
        for cell in row:
            # A row with fewer columns than its box stretches its last cell.
            end = column + cell.span
            if cell is row[-1]:
                end = len(frame.columns) - 1
            yield (
                (frame.columns[column], frame.rows[i], frame.columns[end], frame.rows[i + 1]),
                cell,
            )
            column += cell.span


def _cell(box: Box, cell: Cell, x0: float, y0: float, x1: float, y1: float) -> str:
    parts = []
    if cell.fill:
        parts.append(_ground(box, cell.fill, x0, y0, x1, y1))
    if cell.runs:
        size = max(run.size for run in cell.runs)
        y = (y0 + y1) / 2 + size * 0.35
        anchors = {"start": x0 + 6.0, "middle": (x0 + x1) / 2, "end": x1 - 6.0}
        parts.append(_line(cell.runs, anchors[cell.align], y, cell.align, cell.key))
    return "".join(parts)


def _ground(box: Box, fill: str, x0: float, y0: float, x1: float, y1: float) -> str:
    """A filled cell, rounded where it lies in a corner of its box."""
    left, right = x0 <= 0, x1 >= box.width
    top, bottom = y0 <= 0, y1 >= box.height
    if box.shape == "circle" or not ((left or right) and (top or bottom)):
        return (
            f'<rect class="{_GROUNDS[fill]}" x="{_n(x0)}" y="{_n(y0)}" width="{_n(x1 - x0)}" '
            f'height="{_n(y1 - y0)}"/>'
        )
    # cut: radius at top left, top right, bottom right, bottom left
    r = min((y1 - y0) / 2, 14.0) if box.shape == "pill" else _CORNER
    tl, tr = r * (left and top), r * (right and top)
    br, bl = r * (right and bottom), r * (left and bottom)
    d = f"M{_n(x0 + tl)} {_n(y0)}H{_n(x1 - tr)}"
    d += f"q{_n(tr)} 0 {_n(tr)} {_n(tr)}" if tr else ""
    d += f"V{_n(y1 - br)}" + (f"q0 {_n(br)} {_n(-br)} {_n(br)}" if br else "")
    d += f"H{_n(x0 + bl)}" + (f"q{_n(-bl)} 0 {_n(-bl)} {_n(-bl)}" if bl else "")
    d += f"V{_n(y0 + tl)}" + (f"q0 {_n(-tl)} {_n(tl)} {_n(-tl)}" if tl else "")
    return f'<path class="{_GROUNDS[fill]}" d="{d}z"/>'


def _line(runs: tuple[Text, ...], x: float, y: float, anchor: str, key: str = "") -> str:
    runs = tuple(replace(run, text=clean(run.text)) for run in runs)
    place = f'x="{_n(x)}" y="{_n(y)}"'
    if key == "grad":
        place += f' data-k="{key}"'
    if any(is_estimate(run.text) for run in runs):
        place += f' textLength="{_n(sum(r.width for r in runs))}" lengthAdjust="spacingAndGlyphs"'
    if len(runs) == 1:
        return f"<text {place}{_look(runs[0], anchor)}>{_x(runs[0].text)}</text>"
    inner = "".join(map(_span, runs))
    side = f' class="{anchor[0]}"' if anchor != "start" else ""
    return f"<text {place}{side}>{inner}</text>"


def _span(run: Text) -> str:
    """A run among others. Leading space stands before the element: librsvg drops it inside."""
    look, text = _look(run), run.text.lstrip()
    space = run.text[: len(run.text) - len(text)]
    return space + (f"<tspan{look}>{_x(text)}</tspan>" if look else _x(text))


def _look(run: Text, anchor: str = "start") -> str:
    names = [] if anchor == "start" else [anchor[0]]
    names += [] if run.role == "ink" else [f"{run.role[0]}t"]
    names += ["b"] * run.bold + ["i"] * run.italic + ["s"] * (run.size == SMALL)
    look = f' class="{" ".join(names)}"' if names else ""
    return look + ("" if run.size in (SIZE, SMALL) else f' font-size="{_n(run.size)}"')


def _n(x: float) -> str:
    text = f"{x:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


def _p(point: tuple[float, float]) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _x(text: str) -> str:
    return escape(clean(text), quote=True)
