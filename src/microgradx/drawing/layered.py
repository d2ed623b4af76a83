"""The built-in layout: layers, few crossings, straight wires; pure Python, linear memory.

It stands in wherever no Graphviz program is found, and above the size where Graphviz gets slow.
The four classical steps [1]_: ranks, an order in each rank, coordinates, routes. Coordinates solve,
rank by rank, "as near as possible to the neighbours, in this order, without overlap", which after a
change of variable is an isotonic regression with an exact linear-time answer [2]_.

Everything is computed along the flow ("along", the ranks) and across it; `direction` is only
looked at when boxes come in and when points go out.

.. [1] K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system
   structures", IEEE Trans. SMC 11(2), 1981.
.. [2] M. J. Best, N. Chakravarti, "Active set algorithms for isotonic regression", Mathematical
   Programming 47, 1990.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from microgradx.drawing.scene import Box, Placement, Region, Route, Scene, Wire, lines_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["layered", "outlines"]

MARGIN = 14.0
ARROW = 8.0
_FLAT = 0.8
_GAP_BOX, _GAP_LINE = 16.0, 9.0
_ITEMS_FOR_FULL_EFFORT = 4_000
_ITEMS_FOR_EXCHANGE = 1_500
_PATIENCE = 6
_MOST_BENDS = 60_000

Point = tuple[float, float]


@dataclass(slots=True)
class _Item:
    """A box, a label or the bend of a long wire, standing in one rank."""

    rank: int
    length: float
    up: float
    down: float
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)
    bend: bool = False
    band: int = -1
    mate: int = -1


def layered(scene: Scene) -> Placement:
    """Place a scene in layers.

    Parameters
    ----------
    scene : Scene
        Any directed graph; cycles are broken for ranking and drawn as they are.

    Returns
    -------
    Placement
    """
    sideways = scene.direction == "LR"
    index = {box.key: i for i, box in enumerate(scene.boxes)}
    wires = [w for w in scene.wires if w.tail != w.head]
    labelled = any(w.label for w in wires)
    edges = [(index[w.tail], index[w.head]) for w in wires]
    forward, flipped = _acyclic(len(scene.boxes), edges)
    ranks = _ranks(len(scene.boxes), forward)
    stride = 2 if labelled else 1
    items = [_item_of(box, stride * r, sideways) for box, r in zip(scene.boxes, ranks, strict=True)]
    for band, region in enumerate(scene.regions):
        for key in region.every_box():
            items[index[key]].band = band
    paths = _bends(items, wires, forward, sideways)
    layers = _order(items)
    across = _coordinates(items, layers)
    along, widths = _columns(items, layers, across, labelled)
    return _placed(scene, wires, flipped, items, paths, across, along, widths)


def _item_of(box: Box, rank: int, sideways: bool) -> _Item:
    length, breadth = (box.width, box.height) if sideways else (box.height, box.width)
    return _Item(rank, length, breadth / 2, breadth / 2)


def _acyclic(n: int, edges: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[bool]]:
    """Turn round the edges that close a cycle, and say which ones."""
    after: list[list[int]] = [[] for _ in range(n)]
    for tail, head in edges:
        after[tail].append(head)
    state = bytearray(n)
    closing: set[tuple[int, int]] = set()
    for start in range(n):
        if state[start]:
            continue
        state[start] = 1
        stack = [(start, iter(after[start]))]
        while stack:
            node, heads = stack[-1]
            for head in heads:
                if state[head] == 1:
                    closing.add((node, head))
                elif not state[head]:
                    state[head] = 1
                    stack.append((head, iter(after[head])))
                    break
            else:
                state[node] = 2
                stack.pop()
    flipped = [edge in closing for edge in edges]
    turned = [(b, a) if f else (a, b) for (a, b), f in zip(edges, flipped, strict=True)]
    return turned, flipped


def _ranks(n: int, edges: list[tuple[int, int]]) -> list[int]:
    """Longest-path ranks, then each node moves to where its wires are shortest."""
    before: list[list[int]] = [[] for _ in range(n)]
    after: list[list[int]] = [[] for _ in range(n)]
    for tail, head in edges:
        before[head].append(tail)
        after[tail].append(head)
    missing = [len(b) for b in before]
    order = [i for i in range(n) if not missing[i]]
    for node in order:
        for head in after[node]:
            missing[head] -= 1
            if not missing[head]:
                order.append(head)
    rank = [0] * n
    for node in order:
        rank[node] = max((rank[b] + 1 for b in before[node]), default=0)
    for _ in range(4):
        moved = False
        for node in reversed(order):
            pull = len(after[node]) - len(before[node])
            if pull > 0:
                best = min(rank[a] for a in after[node]) - 1
            elif pull < 0 and before[node]:
                best = max(rank[b] for b in before[node]) + 1
            else:
                continue
            moved |= best != rank[node]
            rank[node] = best
        if not moved:
            break
    lowest = min(rank, default=0)
    return [r - lowest for r in rank]


def _bends(
    items: list[_Item], wires: list[Wire], edges: list[tuple[int, int]], sideways: bool
) -> list[list[int]]:
    """Give every rank that a wire crosses an item of its own; return each wire's items."""
    crossed = sum(items[b].rank - items[a].rank - 1 for a, b in edges)
    direct = crossed > _MOST_BENDS
    paths = []
    for wire, (tail, head) in zip(wires, edges, strict=True):
        first, last = items[tail].rank, items[head].rank
        path = [tail]
        at = first + 1 if wire.label else -1
        for rank in range(first + 1, last):
            if direct and rank != at:
                continue
            item = _Item(rank, 0.0, 1.0, 1.0, bend=True)
            if rank == at:
                width, height = lines_size(wire.label)
                item = (
                    _Item(rank, width + 6, height + 2, 2.0)
                    if sideways
                    else _Item(rank, height + 4, 3.0, width + 6)
                )
            items.append(item)
            path.append(len(items) - 1)
        path.append(head)
        if not wire.arrow:
            # An operation and the value it makes are one thing, drawn as two.
            items[tail].mate, items[head].mate = head, tail
        for a, b in itertools.pairwise(path):
            items[a].after.append(b)
            items[b].before.append(a)
        paths.append(path)
    return paths


def _order(items: list[_Item]) -> list[list[int]]:
    """Order each rank so that few wires cross: weighted means, up and down, the best kept."""
    best: list[list[int]] = []
    fewest = -1
    small = len(items) <= _ITEMS_FOR_FULL_EFFORT
    for from_results in (True, False) if small else (True,):
        layers, count = _swept(items, _first_order(items, from_results), small)
        if fewest < 0 or count < fewest:
            best, fewest = layers, count
    return best


def _first_order(items: list[_Item], from_results: bool) -> list[list[int]]:
    """Depth first along the wires: what belongs together starts together."""
    layers: list[list[int]] = [[] for _ in range(max((i.rank for i in items), default=-1) + 1)]
    seen = bytearray(len(items))
    sign = -1 if from_results else 1
    for start in sorted(range(len(items)), key=lambda i: (sign * items[i].rank, i)):
        stack = [start]
        while stack:
            node = stack.pop()
            if seen[node]:
                continue
            seen[node] = 1
            layers[items[node].rank].append(node)
            stack.extend(reversed(items[node].before if from_results else items[node].after))
    return layers


def _swept(items: list[_Item], layers: list[list[int]], small: bool) -> tuple[list[list[int]], int]:
    """Sweep up and down until that no longer helps; return the best order and its crossings."""
    place = [0.0] * len(items)
    _renumber(layers, place)
    best, fewest = [list(layer) for layer in layers], _crossings(items, layers, place)
    stale = 0
    for turn in range(24 if small else 6):
        if fewest == 0 or stale == _PATIENCE:
            break
        downward = turn % 2 == 0
        for layer in layers if downward else reversed(layers):
            _sort_layer(items, layer, place, downward)
        if len(items) <= _ITEMS_FOR_EXCHANGE:
            _exchange(items, layers, place)
        count = _crossings(items, layers, place)
        stale += 1
        if count < fewest:
            best, fewest, stale = [list(layer) for layer in layers], count, 0
    return best, fewest


def _renumber(layers: list[list[int]], place: list[float]) -> None:
    for layer in layers:
        for i, node in enumerate(layer):
            place[node] = i


def _sort_layer(items: list[_Item], layer: list[int], place: list[float], downward: bool) -> None:
    means: dict[int, float] = {}
    bands: dict[int, list[float]] = {}
    for node in layer:
        item = items[node]
        near = (item.before or item.after) if downward else (item.after or item.before)
        means[node] = sum(place[m] for m in near) / len(near) if near else place[node]
        bands.setdefault(items[node].band, []).append(means[node])

    def key(node: int) -> tuple[float, int, float]:
        band = items[node].band
        mean = means[node]
        return (sum(bands[band]) / len(bands[band]) if band >= 0 else mean, band, mean)

    layer.sort(key=key)
    for i, node in enumerate(layer):
        place[node] = i


def _pair_crossings(left: list[float], right: list[float]) -> int:
    """Crossings of the wires of two neighbours in a rank, the left one standing first."""
    return sum(bisect_left(right, x) for x in left)


def _exchange(items: list[_Item], layers: list[list[int]], place: list[float]) -> None:
    """Swap neighbours in a rank while that removes crossings."""
    for _ in range(4):
        improved = False
        for layer in layers:
            improved |= len(layer) > 1 and _exchange_in(items, layer, place)
        if not improved:
            break


def _exchange_in(items: list[_Item], layer: list[int], place: list[float]) -> bool:
    ends = {
        node: (
            sorted(place[m] for m in items[node].before),
            sorted(place[m] for m in items[node].after),
        )
        for node in layer
    }
    swapped = improved = False
    for _ in range(6):
        improved = False
        for i in range(len(layer) - 1):
            a, b = layer[i], layer[i + 1]
            if items[a].band != items[b].band:
                continue
            (a0, a1), (b0, b1) = ends[a], ends[b]
            now = _pair_crossings(a0, b0) + _pair_crossings(a1, b1)
            then = _pair_crossings(b0, a0) + _pair_crossings(b1, a1)
            if then < now:
                layer[i], layer[i + 1] = b, a
                place[a], place[b] = i + 1, i
                swapped = improved = True
        if not improved:
            break
    return swapped


def _crossings(items: list[_Item], layers: list[list[int]], place: list[float]) -> int:
    total = 0
    for layer in layers:
        heads: list[float] = []
        for node in layer:
            ends = [place[m] for m in items[node].after]
            total += sum(len(heads) - bisect_left(heads, end + 0.5) for end in ends)
            for end in ends:
                insort(heads, end)
    return total


def _coordinates(items: list[_Item], layers: list[list[int]]) -> list[float]:
    across = [0.0] * len(items)
    offsets: list[list[float]] = []
    for layer in layers:
        offset = [0.0]
        for a, b in itertools.pairwise(layer):
            slim = items[a].bend and items[b].bend
            gap = _GAP_LINE if slim else _GAP_BOX
            offset.append(offset[-1] + items[a].down + gap + items[b].up)
        offsets.append(offset)
        for node, at in zip(layer, offset, strict=True):
            across[node] = at - offset[-1] / 2
    small = len(items) <= _ITEMS_FOR_FULL_EFFORT
    for turn in range(24 if small else 10):
        both = turn >= (8 if small else 4)
        downward = turn % 2 == 0
        sequence = list(zip(layers, offsets, strict=True))
        for layer, offset in sequence if downward else reversed(sequence):
            wanted, weights = [], []
            for node in layer:
                item = items[node]
                near = item.before + item.after if both else item.before if downward else item.after
                total = weight = 0.0
                for other in near:
                    w = 40.0 if item.mate == other else 2.0
                    if item.bend and items[other].bend:
                        w = 8.0
                    total += w * across[other]
                    weight += w
                if weight:
                    wanted.append(total / weight)
                    weights.append(weight)
                else:
                    wanted.append(across[node])
                    weights.append(0.1)
            for node, at in zip(layer, _nearest(wanted, weights, offset), strict=True):
                across[node] = at
    return across


def _nearest(wanted: list[float], weights: list[float], offset: list[float]) -> list[float]:
    """Positions nearest to those wanted that keep order and distances (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for want, weight, shift in zip(wanted, weights, offset, strict=True):
        mean, total, count = want - shift, weight, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * total + other * other_weight) / (total + other_weight)
            total += other_weight
            count += other_count
        pools.append((mean, total, count))
    positions = [mean for mean, _, count in pools for _ in range(count)]
    return [at + shift for at, shift in zip(positions, offset, strict=True)]


def _columns(
    items: list[_Item], layers: list[list[int]], across: list[float], labelled: bool
) -> tuple[list[float], list[float]]:
    """Where each rank begins, and how long it is; steep wires get more room."""
    widths = [max((items[n].length for n in layer), default=0.0) for layer in layers]
    starts, at = [], 0.0
    for layer, width in zip(layers, widths, strict=True):
        starts.append(at)
        steepest = max(
            (abs(across[n] - across[m]) for n in layer for m in items[n].after), default=0.0
        )
        at += width + (18.0 if labelled else 30.0) + min(70.0, 0.18 * steepest)
    return starts, widths


def _ports(count: int, breadth: float, shape: str) -> list[float]:
    """Where wires meet a box's side, from its middle."""
    if shape == "wire" or count < 2:
        return [0.0] * count
    step = min(14.0, breadth * (0.5 if shape == "circle" else 0.75) / (count - 1))
    return [(i - (count - 1) / 2) * step for i in range(count)]


def _placed(
    scene: Scene,
    wires: list[Wire],
    flipped: list[bool],
    items: list[_Item],
    paths: list[list[int]],
    across: list[float],
    along: list[float],
    widths: list[float],
) -> Placement:
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
    box: Box, item: _Item, along: list[float], widths: list[float], port: float, sign: int
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
