"""The drawing is the graph: same nodes, same edges, same numbers, in every format."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from microgradx.drawing import draw
from microgradx.value import Value


@pytest.fixture
def lecture():
    a, b, c = Value(0.5, label="a"), Value(-1.5, label="b"), Value(1.0, label="c")
    e = a * b
    q = a * a
    d = e + c
    s = d + q
    out = s.tanh()
    for node, name in ((e, "e"), (q, "q"), (d, "d"), (s, "s"), (out, "L")):
        node.name = name
    return out


@pytest.mark.quick
@pytest.mark.parametrize("style", ["circuit", "card", "lanes", "tensor", "modules"])
def test_every_style_draws_the_lecture_graph_with_all_edges(lecture, style):
    lecture.backward()
    drawing = draw(lecture, style=style, engine="built-in")
    root = ET.fromstring(drawing.svg)
    ids = [g.get("id") for g in root.iter("{http://www.w3.org/2000/svg}g") if g.get("id")]
    edges = {m[0] for i in ids if (m := re.search(r"e\d+_\d+$", i))}
    if style != "modules":
        assert edges == {"e3_0", "e3_1", "e4_0", "e4_1", "e5_0", "e5_1", "e6_0", "e6_1", "e7_0"}
    assert len(json.loads(drawing.json)["edges"]) == 9


def test_numbers_are_those_of_the_engine(lecture):
    lecture.backward()
    nodes = {node.name: node for node in draw(lecture).graph.nodes}
    assert nodes["a"].grad.number == pytest.approx(-0.3932238664829637, rel=1e-12)
    assert "−0.3932" in draw(lecture).svg
