"""From ranks and coordinates to a picture: ports, splines, arrows, outlines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from microgradx.drawing.scene import Box, Placement, Region, Route, Scene, Wire, lines_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from microgradx.drawing.ordering import Item

__all__ = ["MARGIN", "outlines", "placed"]

MARGIN = 14.0
ARROW = 8.0
_FLAT = 0.8

Point = tuple[float, float]


def _ports(count: int, breadth: float, shape: str) -> list[float]:
    """Where wires meet a box's side, from its middle."""
    if shape == "wire" or count < 2:
        return [0.0] * count
    step = min(14.0, breadth * (0.5 if shape == "circle" else 0.75) / (count - 1))
    return [(i - (count - 1) / 2) * step for i in range(count)]


def placed(
    scene: Scene,
    wires: list[Wire],
    flipped: list[bool],
    items: list[Item],
    paths: list[list[int]],
    across: list[float],
    along: list[float],
    widths: list[float],
) -> Placement:
    """Turn ranks (along) and coordinates (across) into corners, splines and outlines."""
    sideways = scene.direction == "LR"
    top = min((across[i] - item.up for i, item in enumerate(items)), default=0.0)
    across = [round(at - top + MARGIN, 2) for at in across]
    along = [round(at + MARGIN, 2) for at in along]
    leaving: list[list[int]] = [[] for _ in scene.boxes]
    entering: list[list[int]] = [[] for _ in scene.boxes]
    for i, path in enumerate(paths):
        leaving[path[0]].append(i)
        entering[path[-1]].append(i)
    start_at: dict[int, float] = {}
    end_at: dict[int, float] = {}
    for node, box in enumerate(scene.boxes):
        breadth = items[node].up + items[node].down
        out = sorted(leaving[node], key=lambda i: (across[paths[i][1]], wires[i].slot))
        start_at |= zip(out, _ports(len(out), breadth, box.shape), strict=True)
        into = sorted(entering[node], key=lambda i: (across[paths[i][-2]], wires[i].slot))
        end_at |= zip(into, _ports(len(into), breadth, box.shape), strict=True)

    def turn(a: float, b: float) -> Point:
        return (round(a, 2), round(b, 2)) if sideways else (round(b, 2), round(a, 2))

    routes: dict[str, Route] = {}
    for i, (wire, path) in enumerate(zip(wires, paths, strict=True)):
        tail, head = path[0], path[-1]
        stops: list[Point] = [
            (_side(scene.boxes[tail], items[tail], along, widths, start_at[i], 1),
             across[tail] + start_at[i])
        ]  # fmt: skip
        stops.append((along[items[tail].rank] + widths[items[tail].rank], stops[0][1]))
        for bend in path[1:-1]:
            begin, width = along[items[bend].rank], widths[items[bend].rank]
            stops.append((begin, across[bend]))
            if width:
                stops.append((begin + width, across[bend]))
        end = (
            _side(scene.boxes[head], items[head], along, widths, end_at[i], -1),
            across[head] + end_at[i],
        )
        stops += [(along[items[head].rank], end[1]), end]
        label = None
        if wire.label:
            width, height = lines_size(wire.label)
            bend = path[1]
            middle = along[items[bend].rank] + widths[items[bend].rank] / 2
            label = (
                (middle - width / 2, across[bend] - height - 2)
                if sideways
                else (across[bend] + 4, middle - height / 2)
            )
        if flipped[i]:
            stops.reverse()
        routes[wire.key] = _route(stops, wire.arrow, turn, label)
    boxes = {}
    for node, box in enumerate(scene.boxes):
        item = items[node]
        start = along[item.rank] + (widths[item.rank] - item.length) / 2
        boxes[box.key] = turn(start, across[node] - item.up)
    length = along[-1] + widths[-1] + MARGIN if along else 2 * MARGIN
    breadth = max((across[i] + item.down for i, item in enumerate(items)), default=0.0) + MARGIN
    size = (length, breadth) if sideways else (breadth, length)
    return outlines(scene, Placement(boxes, routes, round(size[0], 2), round(size[1], 2)))


def _side(
    box: Box, item: Item, along: list[float], widths: list[float], port: float, sign: int
) -> float:
    """Where on the along axis a wire touches its box."""
    middle = along[item.rank] + widths[item.rank] / 2
    half = item.length / 2
    if box.shape == "circle":
        half = max(half * half - port * port, 0.0) ** 0.5
    return middle + sign * half


def _route(
    stops: list[Point], arrow: bool, turn: Callable[[float, float], Point], label: Point | None
) -> Route:
    tip = stops[-1]
    if arrow:
        before = stops[-2][0]
        base = tip[0] - (ARROW if tip[0] >= stops[-3][0] else -ARROW)
        stops[-1] = (base, tip[1])
        if abs(tip[0] - before) < ARROW:
            # The last straight piece is too short for the arrow: let the curve end at its base.
            del stops[-2]
    for i in range(1, len(stops)):
        # A step of less than a pixel is no bend.
        if abs(stops[i][1] - stops[i - 1][1]) < _FLAT:
            stops[i] = (stops[i][0], stops[i - 1][1])
    if abs(tip[1] - stops[-1][1]) < _FLAT:
        tip = (tip[0], stops[-1][1])
    stops = [p for i, p in enumerate(stops) if not i or abs(p[0] - stops[i - 1][0]) > 0.05]
    slopes = [_slope(stops, i) for i in range(len(stops))]
    points = [stops[0]]
    for (a0, b0), (a1, b1), m0, m1 in zip(stops, stops[1:], slopes, slopes[1:], strict=False):
        reach = (a1 - a0) * 0.5
        points += [(a0 + reach, b0 + m0 * reach), (a1 - reach, b1 - m1 * reach), (a1, b1)]
    merged = _straightened(points)
    return Route(
        tuple(turn(*p) for p in merged),
        turn(*tip) if arrow else None,
        None if label is None else (round(label[0], 2), round(label[1], 2)),
    )


def _slope(stops: list[Point], i: int) -> float:
    """The direction at a stop: level at ends and beside boxes, else a monotone mean."""
    if i in (0, len(stops) - 1):
        return 0.0
    (a0, b0), (a1, b1), (a2, b2) = stops[i - 1 : i + 2]
    if a1 in (a0, a2):
        return 0.0
    before, after = (b1 - b0) / (a1 - a0), (b2 - b1) / (a2 - a1)
    if before * after <= 0:
        return 0.0
    return 2 * before * after / (before + after)


def _straightened(points: list[Point]) -> list[Point]:
    """Join consecutive pieces that lie on one straight line, for shorter files."""
    joined = points[:1]
    for i in range(1, len(points), 3):
        piece = points[i : i + 3]
        flat = all(abs(p[1] - joined[-1][1]) < 0.01 for p in piece)
        previous_flat = len(joined) > 3 and all(
            abs(p[1] - joined[-1][1]) < 0.01 for p in joined[-4:]
        )
        if flat and previous_flat:
            joined[-3:] = [joined[-3], piece[2], piece[2]]
        else:
            joined += piece
    return joined


def outlines(scene: Scene, placement: Placement) -> Placement:
    """Add the outlines of regions round their boxes; drop one that would hold a stranger."""
    if not scene.regions:
        return placement
    frames: dict[str, tuple[float, float, float, float]] = {}
    dropped = False

    def frame(region: Region) -> tuple[float, float, float, float] | None:
        nonlocal dropped
        sides = [s for s in map(frame, region.inner) if s is not None]
        for key in region.boxes:
            x, y = placement.boxes[key]
            box = scene.by_key[key]
            sides.append((x, y, x + box.width, y + box.height))
        if not sides:
            return None
        x0, y0 = min(s[0] for s in sides) - 9, min(s[1] for s in sides) - 24
        x1, y1 = max(s[2] for s in sides) + 9, max(s[3] for s in sides) + 9
        members = set(region.every_box())
        for box in scene.boxes:
            x, y = placement.boxes[box.key]
            inside = x < x1 and x + box.width > x0 and y < y1 and y + box.height > y0
            if inside and box.key not in members:
                dropped = True
                break
        else:
            frames[region.key] = (x0, y0, x1, y1)
        return x0, y0, x1, y1

    for region in scene.regions:
        frame(region)
    left = min((f[0] for f in frames.values()), default=MARGIN)
    high = min((f[1] for f in frames.values()), default=MARGIN)
    dx, dy = max(0.0, 6 - left), max(0.0, 6 - high)
    notes = placement.notes
    if dropped:
        notes += ("some outlines are left out: they would cross (Graphviz draws them)",)
    return moved(placement, dx, dy, frames, notes)


def moved(
    placement: Placement,
    dx: float,
    dy: float,
    frames: dict[str, tuple[float, float, float, float]],
    notes: tuple[str, ...] = (),
) -> Placement:
    """Shift everything, and make room for outlines."""

    def go(p: Point) -> Point:
        return round(p[0] + dx, 2), round(p[1] + dy, 2)

    regions = {key: (*go((x0, y0)), *go((x1, y1))) for key, (x0, y0, x1, y1) in frames.items()}
    return Placement(
        {key: go(p) for key, p in placement.boxes.items()},
        {
            key: Route(
                tuple(map(go, r.points)),
                go(r.tip) if r.tip else None,
                go(r.label) if r.label else None,
            )
            for key, r in placement.wires.items()
        },
        round(max(placement.width + dx, *(f[2] + 6 for f in regions.values()), 0.0), 2)
        if regions
        else placement.width + dx,
        round(max(placement.height + dy, *(f[3] + 6 for f in regions.values()), 0.0), 2)
        if regions
        else placement.height + dy,
        regions,
        placement.captions,
        placement.engine,
        notes,
    )
