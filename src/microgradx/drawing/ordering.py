"""The order of items in their ranks: few crossings, found by sweeping up and down."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

__all__ = ["ITEMS_FOR_FULL_EFFORT", "Item", "ordered"]

ITEMS_FOR_FULL_EFFORT = 4_000
_ITEMS_FOR_EXCHANGE = 1_500
_PATIENCE = 4


@dataclass(slots=True)
class Item:
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


def ordered(items: list[Item]) -> list[list[int]]:
    """Order each rank so that few wires cross: weighted means, up and down, the best kept."""
    best: list[list[int]] = []
    fewest = -1
    small = len(items) <= ITEMS_FOR_FULL_EFFORT
    for from_results in (True, False) if small else (True,):
        layers, count = _swept(items, _first_order(items, from_results), small)
        if fewest < 0 or count < fewest:
            best, fewest = layers, count
    return best


def _first_order(items: list[Item], from_results: bool) -> list[list[int]]:
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


def _swept(items: list[Item], layers: list[list[int]], small: bool) -> tuple[list[list[int]], int]:
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


def _sort_layer(items: list[Item], layer: list[int], place: list[float], downward: bool) -> None:
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


def _exchange(items: list[Item], layers: list[list[int]], place: list[float]) -> None:
    """Swap neighbours in a rank while that removes crossings."""
    for _ in range(4):
        improved = False
        for layer in layers:
            improved |= len(layer) > 1 and _exchange_in(items, layer, place)
        if not improved:
            break


def _exchange_in(items: list[Item], layer: list[int], place: list[float]) -> bool:
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
            # Most neighbours do not cross at all, and that is seen from their outermost ends.
            if (not a0 or not b0 or a0[-1] <= b0[0]) and (not a1 or not b1 or a1[-1] <= b1[0]):
                continue
            now = _pair_crossings(a0, b0) + _pair_crossings(a1, b1)
            then = _pair_crossings(b0, a0) + _pair_crossings(b1, a1)
            if then < now:
                layer[i], layer[i + 1] = b, a
                place[a], place[b] = i + 1, i
                swapped = improved = True
        if not improved:
            break
    return swapped


def _crossings(items: list[Item], layers: list[list[int]], place: list[float]) -> int:
    total = 0
    for layer in layers:
        heads: list[float] = []
        for node in layer:
            ends = [place[m] for m in items[node].after]
            total += sum(len(heads) - bisect_left(heads, end + 0.5) for end in ends)
            for end in ends:
                insort(heads, end)
    return total
