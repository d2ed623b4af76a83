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
from typing import TYPE_CHECKING

from microgradx.drawing.ordering import ITEMS_FOR_FULL_EFFORT, Item, ordered
from microgradx.drawing.routes import placed
from microgradx.drawing.scene import lines_size

if TYPE_CHECKING:
    from microgradx.drawing.scene import Box, Placement, Scene, Wire

__all__ = ["layered"]

_GAP_BOX, _GAP_LINE = 16.0, 9.0
_MOST_BENDS = 60_000


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
    layers = ordered(items)
    across = _coordinates(items, layers)
    along, widths = _columns(items, layers, across, labelled)
    return placed(scene, wires, flipped, items, paths, across, along, widths)


def _item_of(box: Box, rank: int, sideways: bool) -> Item:
    length, breadth = (box.width, box.height) if sideways else (box.height, box.width)
    return Item(rank, length, breadth / 2, breadth / 2)


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
    items: list[Item], wires: list[Wire], edges: list[tuple[int, int]], sideways: bool
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
            item = Item(rank, 0.0, 1.0, 1.0, bend=True)
            if rank == at:
                width, height = lines_size(wire.label)
                item = (
                    Item(rank, width + 6, height + 2, 2.0)
                    if sideways
                    else Item(rank, height + 4, 3.0, width + 6)
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


def _coordinates(items: list[Item], layers: list[list[int]]) -> list[float]:
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
    small = len(items) <= ITEMS_FOR_FULL_EFFORT
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
    items: list[Item], layers: list[list[int]], across: list[float], labelled: bool
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
