"""The drawing is the graph: same nodes, same edges, same numbers, in every format."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction

import numpy as np
import pytest

from microgradx import Tensor, Value, concatenate, draw, where
from microgradx.errors import DrawingError, UnsupportedError
from microgradx.graph import topological_order
from microgradx.micrograd import draw_dot, trace

from .conftest import lecture_graph, random_graph, svg_graph, tensor_graph, texts, truth

ALL = ["circuit", "card", "lanes", "tensor"]


@pytest.mark.quick
@pytest.mark.parametrize("style", ALL)
def test_svg_has_the_traced_nodes_and_every_operand(differentiated, style):
    nodes, edges = svg_graph(draw(differentiated, style=style, engine="built-in").svg)
    assert nodes == set(range(8))
    assert sorted(edges) == [(3, 0), (3, 1), (4, 0), (4, 1), (5, 0), (5, 1), (6, 0), (6, 1), (7, 0)]


@pytest.mark.parametrize("seed", range(60))
def test_every_format_has_exactly_the_traced_graph(seed):
    root = random_graph(seed)
    nodes, edges = truth(root)
    slots = sorted((consumer, slot) for _, consumer, slot in edges)
    pairs = sorted((producer, consumer) for producer, consumer, _ in edges)
    drawing = draw(root, style="card", engine="built-in", max_boxes=None)
    drawn_nodes, drawn_edges = svg_graph(drawing.svg)
    assert drawn_nodes == nodes
    assert sorted(drawn_edges) == slots
    data = json.loads(drawing.json)
    assert {n["id"] for n in data["nodes"]} == {f"n{i}" for i in nodes}
    assert {(int(e["from"][1:]), int(e["to"][1:]), e["slot"]) for e in data["edges"]} == edges
    mermaid = drawing.mermaid
    assert (
        sorted(
            (int(m[1]), int(m[2]))
            for m in re.finditer(r"^ +n(\d+) -->.*? n(\d+)$", mermaid, re.MULTILINE)
        )
        == pairs
    )
    assert len(re.findall(r"^ +n\d+[\[(]", mermaid, re.MULTILINE)) == len(nodes)
    dot = drawing.dot
    assert (
        sorted(
            (int(m[1]), int(m[2])) for m in re.finditer(r"^\tn(\d+) -> n(\d+) ", dot, re.MULTILINE)
        )
        == pairs
    )
    assert len(re.findall(r"^\tn\d+ \[", dot, re.MULTILINE)) == len(nodes)


@pytest.mark.parametrize("seed", range(20))
def test_numbers_drawn_are_those_of_the_engine(seed):
    root = random_graph(seed)
    root.backward()
    order = topological_order(root)
    drawing = draw(root, style="card", fmt=".17g", engine="built-in", max_boxes=None)
    for record, node in zip(drawing.graph.nodes, order, strict=True):
        assert record.value.number == node.data
        assert record.grad.number == node.grad
        own = {node.data, node.grad}
        assert {format(x, ".17g").replace("-", "−") for x in own if x} <= set(texts(drawing.svg))


@pytest.mark.parametrize("seed", range(20))
def test_contributions_drawn_add_up_to_the_gradient(seed):
    root = random_graph(seed)
    root.backward()
    graph = draw(root, contributions=True).graph
    sums = [1.0 if node.is_root else 0.0 for node in graph.nodes]
    for link in graph.links:
        sums[link.producer] += link.term.number
        g = graph.nodes[link.consumer].grad.number
        assert link.term.number == pytest.approx(g * link.local, rel=1e-12, abs=1e-300)
    for node in graph.nodes:
        assert sums[node.index] == pytest.approx(node.grad.number, rel=1e-12, abs=1e-12)


def test_local_derivatives_equal_difference_quotients():
    def make(x, y):
        return [x * y, x / y, x - y, x.tanh(), x.exp(), (x * x).log(), x**3, x.sigmoid(), x.sin()]

    h = 1e-6
    for i in range(9):
        x, y = Value(0.7), Value(-1.3)
        node = make(x, y)[i]
        for link in draw(node).graph.links:
            if draw(node).graph.nodes[link.consumer].is_root and node.parents[link.slot] is x:
                up = make(Value(0.7 + h), Value(-1.3))[i].data
                down = make(Value(0.7 - h), Value(-1.3))[i].data
                assert link.local == pytest.approx((up - down) / (2 * h), rel=1e-6)


def test_no_zero_stands_for_a_gradient_before_backward(lecture):
    for style in ("circuit", "card"):
        drawing = draw(lecture, style=style)
        assert "—" in texts(drawing.svg)
        assert "0" not in texts(drawing.svg)
    assert all(node.state == "absent" for node in draw(lecture).graph.nodes)


def test_a_gradient_of_zero_is_shown_as_zero():
    a, b = Value(2.0), Value(0.0)
    out = a * b
    out.backward()
    assert "0" in texts(draw(out, style="card").svg)
    assert "—" not in texts(draw(out, style="card").svg)


def test_two_backward_passes_are_said(lecture):
    lecture.backward()
    lecture.backward()
    drawing = draw(lecture)
    assert "leaf gradients are the sum of 2 backward passes" in drawing.notes
    assert any("2 backward passes" in t for t in texts(drawing.svg))


def test_nan_and_infinity_are_marked():
    a = Value(-1.0, name="a")
    out = a.log() + 1
    svg = draw(out, engine="built-in").svg
    assert "nan" in " ".join(texts(svg))
    assert 'class="box root bad"' in svg
    assert 'class="wf"' in draw(out, style="card", engine="built-in").svg


def test_untracked_tensors_say_that_no_gradient_is_required():
    x = Tensor([1.0, 2.0], requires_grad=False, name="x")
    w = Tensor([3.0, 4.0], name="w")
    loss = (x * w).sum()
    loss.backward()
    assert "not required" in texts(draw(loss).svg)


@pytest.mark.parametrize("style", [*ALL, "modules"])
def test_tensor_graphs_draw_in_every_style(style):
    loss, x = tensor_graph()
    loss.backward()
    drawing = draw(loss, style=style, names={"x": x}, engine="built-in")
    said = " ".join(texts(drawing.svg))
    assert "(5, 3)" in said
    if style != "modules":
        assert " x " in f" {said} "


def test_tensor_style_says_what_broadcasting_sums():
    loss, _ = tensor_graph()
    loss.backward()
    said = texts(draw(loss, style="tensor").svg)
    assert "24 B · broadcast to (8, 3): backward sums axis 0" in said
    assert "(3,) → (8, 3)" in said
    assert "(5, 3) f8" in said


def test_drawing_touches_neither_data_nor_gradients_nor_graph():
    for build in (lecture_graph, lambda: tensor_graph()[0]):
        root = build()
        root.backward()
        order = topological_order(root)
        before = [(np.array(n._data), np.array(n._grad), n.time, id(n.op)) for n in order]
        flags = [getattr(n, "_flags", 0) for n in order]
        for style in (*ALL, "modules"):
            drawing = draw(root, style=style, contributions=True, engine="built-in")
            assert drawing.svg
            assert drawing.text
        after = [(np.array(n._data), np.array(n._grad), n.time, id(n.op)) for n in order]
        for old, new in zip(before, after, strict=True):
            assert np.array_equal(old[0], new[0])
            assert np.array_equal(old[1], new[1])
            assert old[2:] == new[2:]
        assert flags == [getattr(n, "_flags", 0) for n in order]


def test_a_drawing_is_a_copy(lecture):
    lecture.backward()
    drawing = draw(lecture)
    lecture.backward(3.0)
    assert "−0.3932" in drawing.svg


def test_constants_stand_inside_operations_or_in_boxes():
    a = Value(3.0, name="a")
    out = 2 * a**2
    inline = draw(out, style="circuit", engine="built-in")
    assert "2 ×" in texts(inline.svg)
    assert "x²" in texts(inline.svg)
    assert len(inline.graph.nodes) == 3
    shown = draw(out, style="card", constants="show", engine="built-in")
    assert len(shown.graph.nodes) == 5
    assert svg_graph(shown.svg)[0] == set(range(5))


def test_names_come_from_the_callers_variables():
    first, weights = Value(1.0), [Value(2.0), Value(3.0)]
    total = first * weights[0] + weights[1]
    names = [node.name for node in draw(total).graph.nodes]
    assert names == ["first", "weights[0]", "weights[1]", "v1", "total"]
    assert [n.name for n in draw(total, names=None).graph.nodes][-1] == "v5"
    assert draw(total, names={"z": total}).graph.nodes[-1].name == "z"


def test_a_nodes_own_name_wins():
    x = Value(1.0, name="mine")
    assert draw(x * 2).graph.nodes[0].name == "mine"


def test_two_nodes_of_one_name_are_told_apart():
    out = Value(1.0, name="x") + Value(2.0, name="x")
    assert [n.name for n in draw(out, names=None).graph.nodes][:2] == ["x", "x′2"]


def test_what_is_no_node_is_refused():
    with pytest.raises(UnsupportedError, match="expected a Value or a Tensor, not float"):
        draw(3.0)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"style": "pretty"}, "no style is called 'pretty'"),
        ({"theme": "pink"}, "no theme is called 'pink'"),
        ({"part": "middle"}, "no part is called 'middle'"),
        ({"direction": "up"}, "no direction is called 'up'"),
        ({"engine": "/no/such/dot"}, "no program is found at '/no/such/dot'"),
    ],
)
def test_wrong_arguments_are_refused_with_the_right_ones(lecture, argument, message):
    with pytest.raises(DrawingError, match=message):
        draw(lecture, **argument).svg  # noqa: B018


def test_forward_part_shows_no_gradients(differentiated):
    said = texts(draw(differentiated, part="forward", style="card").svg)
    assert "grad" not in said
    assert "−0.3932" not in said


def test_focus_draws_the_neighbourhood(differentiated):
    d = next(n for n in topological_order(differentiated) if n.name == "d")
    drawing = draw(differentiated, focus=d, radius=1)
    assert {n.name for n in drawing.graph.nodes} == {"c", "e", "d", "s"}
    assert "4 of 8 nodes: those near the focus" in drawing.notes
    with pytest.raises(DrawingError, match="not in this graph"):
        draw(differentiated, focus=Value(1.0))


def test_several_roots_are_drawn_together():
    a = Value(2.0, name="a")
    p, q = a * 2, a + 1
    drawing = draw(p, q)
    assert drawing.graph.roots == (1, 2)
    assert len(drawing.graph.links) == 2


def test_a_recorded_backward_graph_is_drawn_as_recorded():
    x = Value(2.0, name="x")
    y = x**3
    y.name = "y"
    y.backward(create_graph=True)
    drawing = draw(y, style="card", engine="built-in")
    behind = [node for node in drawing.graph.nodes if node.depth]
    assert len(drawing.graph.nodes) == len(topological_order(y, x.grad))
    assert {"∂y/∂x", "∂y/∂y"} <= {node.name for node in behind}
    assert all(node.state == "absent" for node in behind)
    assert 'class="wire backward"' in drawing.svg
    assert not any(node.depth for node in draw(y, part="forward").graph.nodes)


def test_the_graph_of_a_second_derivative_is_drawn():
    x = Value(2.0, name="x")
    y = x**3
    y.backward(create_graph=True)
    slope, x.grad = x.grad, 0.0
    slope.backward()
    nodes = {node.name: node for node in draw(slope).graph.nodes}
    assert nodes["x"].grad.number == 12.0
    assert nodes["slope"].value.number == 12.0


def test_text_is_a_tree_that_names_reused_values(differentiated):
    lines = draw(differentiated).text.splitlines()
    assert lines[1].split() == ["L", "=", "tanh(s)", "0.4621", "1"]
    assert sum("↑" in line for line in lines) == 2
    assert lines[-1] == "8 nodes, 9 edges; a is used 3 times: (−1.18) + 0.3932 + 0.3932"


def test_a_mermaid_chart_too_large_for_mermaid_is_refused():
    y = Value(1.0)
    for _ in range(300):
        y = y + y
    with pytest.raises(DrawingError, match="600 edges are too many"):
        draw(y).mermaid  # noqa: B018


def test_save_knows_the_format_by_the_suffix(differentiated, tmp_path):
    drawing = draw(differentiated, engine="built-in")
    starts = {
        ".svg": "<svg",
        ".html": "<!doctype html>",
        ".mmd": "flowchart LR",
        ".txt": " ",
        ".json": "{",
    }
    for suffix, start in starts.items():
        assert drawing.save(tmp_path / f"g{suffix}").read_text(encoding="utf-8").startswith(start)
    with pytest.raises(DrawingError, match=r"Use one of \.svg \.html"):
        drawing.save(tmp_path / "g.bmp")


def test_the_lectures_calls_work(differentiated, tmp_path):
    drawing = draw_dot(differentiated, format="svg", rankdir="LR")
    assert drawing.render(str(tmp_path / "gout")).endswith("gout.svg")
    nodes, edges = trace(differentiated)
    assert (len(nodes), len(edges)) == (8, 8)


def test_course_code_with_its_own_backward_is_drawn():
    a = Value(2.0, label="a")
    out = Value(a.data**2, (a,), "squared")
    out.label = "o"

    def _backward():
        a.grad += 2 * a.data * out.grad

    out._backward = _backward
    out.backward()
    graph = draw(out).graph
    assert graph.nodes[1].expression == "squared(a)"
    assert graph.nodes[0].grad.number == 4.0
    assert len(graph.links) == 1


EDGES = {
    "a leaf": lambda: Value(1.0),
    "a fraction": lambda: Value(Fraction(1, 3)) * Value(Fraction(1, 2)),
    "infinity": lambda: Value(math.inf) * 0,
    "an empty array": lambda: Tensor(np.zeros((0, 3))).sum(),
    "no axes": lambda: Tensor(2.0) * Tensor(3.0),
    "integers": lambda: Tensor([1, 2, 3]),
    "booleans": lambda: where(Tensor([1.0, -1.0]) > 0, Tensor([1.0, 2.0]), 0.0).sum(),
    "nan": lambda: Tensor(np.array([math.nan, 1.0], np.float32)).sum(),
    "many operands": lambda: concatenate([Tensor([1.0])] * 30).sum(),
    "an index": lambda: Tensor(np.ones((4, 5)))[1:3, [0, 2]].sum(),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("style", [*ALL, "modules"])
def test_edges_of_the_engine_are_drawn_in_every_style(name, style):
    root = EDGES[name]()
    for _ in range(2):
        drawing = draw(root, style=style, contributions=True, engine="built-in")
        assert drawing.svg
        assert drawing.text
        assert drawing.dot
        json.loads(drawing.json)
        if not root.requires_grad or root.op is None:
            break
        root.backward()


def test_an_exact_gradient_is_drawn():
    x = Value(Fraction(1, 3), name="x")
    out = x * x
    out.backward()
    assert draw(out).graph.nodes[0].grad.number == pytest.approx(2 / 3)
