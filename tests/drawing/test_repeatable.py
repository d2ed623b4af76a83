"""The same program gives the same bytes; large and deep graphs give a picture."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from microgradx import Tensor, Value, animate, draw
from microgradx.drawing import metrics

from .conftest import svg_graph, texts

PROGRAM = """
import hashlib, sys
from microgradx import Value, draw, animate
from microgradx.micrograd.nn import MLP
import random
random.seed(3)
model = MLP(3, [4, 1])
loss = (model([Value(0.1), Value(-0.2), Value(0.3)]) - 1.0) ** 2
loss.backward()
for style in ("circuit", "card", "lanes", "modules"):
    d = draw(loss, style=style, engine=sys.argv[1])
    for text in (d.svg, d.dot, d.html, d.json, d.text):
        print(hashlib.sha256(text.encode()).hexdigest())
print(hashlib.sha256(animate(loss, engine=sys.argv[1]).html.encode()).hexdigest())
"""


@pytest.mark.parametrize("engine", ["built-in", "auto"])
def test_processes_with_different_hash_seeds_write_the_same_bytes(engine):
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, engine],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 21


def test_two_different_drawings_share_no_id():
    one, two = (
        draw(Value(1.0) + 2, engine="built-in").svg,
        draw(Value(1.0) * 2, engine="built-in").svg,
    )
    prefix = [svg.split('id="')[1].split('"')[0] for svg in (one, two)]
    assert prefix[0] != prefix[1]


def test_doubling_sixty_times_is_linear():
    y = Value(1.0, name="x")
    for _ in range(60):
        y = y + y
    y.backward()
    for style in ("circuit", "card", "lanes"):
        nodes, edges = svg_graph(draw(y, style=style, engine="built-in").svg)
        assert (len(nodes), len(edges)) == (61, 120)
    assert draw(y).text.count("\n") == 60 * 2 + 2
    assert draw(y).graph.nodes[0].grad.number == 2.0**60


@pytest.mark.slow
def test_a_chain_of_a_hundred_thousand_operations_is_drawn_collapsed():
    y = x = Value(1.0, name="x")
    for _ in range(100_000):
        y = y * 1.00001
    y.backward()
    drawing = draw(y, names={"y": y})
    assert drawing.style == "modules"
    assert "100,001 nodes, 100,000 edges" in drawing.notes[0]
    assert len(drawing.scene.boxes) <= 40
    counted = [t for t in texts(drawing.svg) if " ops" in t]
    assert sum(int(t.split()[0].replace(",", "")) for t in counted) == 100_000 - 1
    assert len(drawing.graph.nodes) == 100_001
    assert drawing.graph.nodes[0].grad.number == x.grad
    assert len(drawing.text) < 10_000


def test_a_large_graph_says_what_it_hides():
    xs = [Value(float(i)) for i in range(400)]
    total = xs[0].tanh()
    for x in xs[1:]:
        total = total + x.tanh()
    total.backward()
    drawing = draw(total)
    boxes = len(drawing.scene.boxes)
    assert drawing.style == "modules"
    hidden = 1199 - sum(box.key[0] == "n" for box in drawing.scene.boxes)
    assert drawing.notes[0].startswith(
        f"1,199 nodes, 1,198 edges in {boxes} boxes; {hidden:,} nodes are"
    )
    everything = draw(total, max_boxes=None, style="card", local=False)
    assert len(svg_graph(everything.svg)[0]) == 1199
    assert everything._placement.engine == "built-in"


def test_files_are_small():
    x = Value(0.5, name="x")
    y = x
    for _ in range(19):
        y = (y * x) if y.data < 0.3 else y.tanh()
    y.backward()
    n = len(draw(y).graph.nodes)
    assert n == 20
    assert len(draw(y, style="card", engine="built-in").svg.encode()) <= 25_000
    assert len(animate(y).html.encode()) <= 40_000 + 2_500 * n


def test_the_default_drawing_of_a_huge_tensor_keeps_no_array():
    w = Tensor([[0.5] * 512] * 512, name="w")
    loss = (w @ w).sum()
    loss.backward()
    drawing = draw(loss)
    facts = drawing.graph.nodes[0].value
    assert (facts.shape, facts.nbytes) == ((512, 512), 512 * 512 * 8)
    assert len(drawing.svg) < 12_000


def test_widths_are_those_of_helvetica():
    # Adobe's metrics of Helvetica and Helvetica-Bold, per 1000: "Hamburg" and "0.7864".
    assert metrics.text_width("Hamburg", 1000) == 722 + 556 + 833 + 556 + 556 + 333 + 556
    assert metrics.text_width("Hamburg", 1000, True) == 722 + 556 + 889 + 611 + 611 + 389 + 611
    assert metrics.text_width("0.7864", 10) == pytest.approx((5 * 556 + 278) / 100)
    assert metrics.text_width("名", 10) > 10
    assert metrics.text_width("e\u0301", 10) == metrics.text_width("e", 10)


def test_the_hash_in_ids_follows_the_picture(lecture):
    before = draw(lecture, engine="built-in").svg
    lecture.backward()
    after = draw(lecture, engine="built-in").svg
    assert hashlib.sha256(before.encode()).digest() != hashlib.sha256(after.encode()).digest()
    assert before.split('id="')[1][:10] != after.split('id="')[1][:10]


def test_importing_the_package_loads_no_drawing_code():
    script = (
        "import sys, microgradx\n"
        "loaded = [m for m in sys.modules if m.startswith(('microgradx.drawing', 'graphviz'))]\n"
        "assert not loaded, loaded\n"
        "microgradx.draw(microgradx.Value(1.0), engine='built-in').svg\n"
        "assert 'graphviz' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
