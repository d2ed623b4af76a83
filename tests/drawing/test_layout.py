"""The built-in layout: nothing overlaps, edges go forward, few crossings."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pytest

from microgradx import Value, draw
from microgradx.drawing.layered import layered
from microgradx.drawing.scene import Box, Cell, Scene, Text, Wire

from .conftest import random_graph


def boxes_of(drawing):
    placed = drawing._placement.boxes
    return {b.key: (*placed[b.key], b.width, b.height) for b in drawing.scene.boxes}


def overlaps(a, b, slack=0.5):
    return (
        a[0] < b[0] + b[2] - slack and b[0] < a[0] + a[2] - slack
        and a[1] < b[1] + b[3] - slack and b[1] < a[1] + a[3] - slack
    )  # fmt: skip


@pytest.mark.parametrize("style", ["circuit", "card", "lanes"])
@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("seed", range(8))
def test_no_two_boxes_overlap(seed, direction, style):
    drawing = draw(random_graph(seed), style=style, direction=direction, engine="built-in")
    rects = list(boxes_of(drawing).values())
    assert not [(a, b) for i, a in enumerate(rects) for b in rects[:i] if overlaps(a, b)]


@pytest.mark.parametrize("seed", range(8))
def test_no_label_lies_on_a_box_or_another_label(seed):
    root = random_graph(seed, 25)
    root.backward()
    drawing = draw(root, style="card", engine="built-in")
    rects = list(boxes_of(drawing).values())
    for wire in drawing.scene.wires:
        if wire.label:
            x, y = drawing._placement.wires[wire.key].label
            width = max(sum(run.width for run in line) for line in wire.label)
            label = (x, y, width, 12)
            assert not any(overlaps(label, rect) for rect in rects)
            rects.append(label)


@pytest.mark.parametrize("seed", range(20))
def test_edges_go_forward_only_and_end_at_their_boxes(seed):
    drawing = draw(random_graph(seed), style="card", engine="built-in")
    rects = boxes_of(drawing)
    for wire in drawing.scene.wires:
        route = drawing._placement.wires[wire.key]
        xs = [x for x, _ in route.points]
        assert xs == sorted(xs)
        tail, head = rects[wire.tail], rects[wire.head]
        assert route.points[0][0] == pytest.approx(tail[0] + tail[2], abs=0.1)
        assert tail[1] <= route.points[0][1] <= tail[1] + tail[3]
        assert route.tip[0] == pytest.approx(head[0], abs=0.1)
        assert head[1] <= route.tip[1] <= head[1] + head[3]


@pytest.mark.parametrize("seed", range(10))
def test_long_edges_pass_between_the_boxes(seed):
    drawing = draw(random_graph(seed, 30), style="card", local=False, engine="built-in")
    rects = boxes_of(drawing)
    for wire in drawing.scene.wires:
        others = [r for key, r in rects.items() if key not in (wire.tail, wire.head)]
        for x, y in sampled(drawing._placement.wires[wire.key].points):
            assert not any(
                r[0] + 1 < x < r[0] + r[2] - 1 and r[1] + 1 < y < r[1] + r[3] - 1 for r in others
            )


def sampled(points, n=12):
    for i in range(0, len(points) - 1, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points[i : i + 4]
        for k in range(n + 1):
            t = k / n
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3


def woven_graph(seed, size):
    """A graph in which early values are used again late."""
    rng = random.Random(seed)
    nodes = [Value(rng.uniform(-1, 1)) for _ in range(5)]
    while len(nodes) < size:
        x, y = rng.choice(nodes[-8:]), rng.choice(nodes[-25:])
        nodes.append((x * y, x + y, x.tanh())[rng.randrange(3)])
    out = nodes[-1]
    for node in nodes[-10:-1]:
        out = out + node
    return out


def crossings(drawing):
    """How often two drawn edges without a common end cross, by their sampled courses."""
    starts, ends, owner = [], [], []
    for k, wire in enumerate(drawing.scene.wires):
        points = np.array(list(sampled(drawing._placement.wires[wire.key].points, 6)))
        starts.append(points[:-1])
        ends.append(points[1:])
        owner += [k] * (len(points) - 1)
    a, b = np.concatenate(starts), np.concatenate(ends)

    def side(p, q, r):
        return (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )

    a0, b0, a1, b1 = a[:, None], b[:, None], a[None], b[None]
    hit = (side(a0, b0, a1) * side(a0, b0, b1) < 0) & (side(a1, b1, a0) * side(a1, b1, b0) < 0)
    pairs = {(owner[i], owner[j]) for i, j in np.argwhere(np.triu(hit))}
    ends_of = [{wire.tail, wire.head} for wire in drawing.scene.wires]
    return sum(not ends_of[i] & ends_of[j] for i, j in pairs)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("dot"), reason="dot is not installed")
def test_crossings_and_area_are_near_those_of_dot():
    own = theirs = 0
    own_area = their_area = 0.0
    for seed in range(12):
        root = woven_graph(seed, 30 + 4 * seed)
        mine = draw(root, style="card", local=False, engine="built-in")
        other = draw(root, style="card", local=False, engine="dot")
        own, theirs = own + crossings(mine), theirs + crossings(other)
        own_area += mine.size[0] * mine.size[1]
        their_area += other.size[0] * other.size[1]
    assert own <= 1.35 * theirs
    assert own_area <= 1.2 * their_area


def test_cycles_of_collapsed_graphs_are_drawn():
    boxes = tuple(Box(k, ((Cell((Text(k),)),),)) for k in "abc")
    wires = (Wire("e1", "a", "b"), Wire("e2", "b", "c"), Wire("e3", "c", "a"), Wire("e4", "a", "a"))
    placement = layered(Scene(boxes, wires))
    assert set(placement.boxes) == {"a", "b", "c"}
    assert set(placement.wires) == {"e1", "e2", "e3"}


def test_an_empty_and_a_single_box_scene_are_placed():
    assert layered(Scene((), ())).boxes == {}
    assert draw(Value(1.0), engine="built-in").svg.count("<g") == 2
