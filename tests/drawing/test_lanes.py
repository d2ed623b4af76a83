"""The backward lane is the forward lane, reversed, place for place."""

from __future__ import annotations

import pytest

from microgradx import Value, draw

from .conftest import random_graph, tensor_graph, texts


@pytest.mark.parametrize("engine", ["built-in", "auto"])
@pytest.mark.parametrize("seed", range(12))
def test_cotangents_stand_exactly_under_their_nodes(seed, engine):
    drawing = draw(random_graph(seed, 25), style="lanes", engine=engine)
    boxes = drawing._placement.boxes
    sizes = {box.key: (box.width, box.height) for box in drawing.scene.boxes}
    drops = set()
    for node in drawing.graph.nodes:
        (x, y), (bx, by) = boxes[f"n{node.index}"], boxes[f"b{node.index}"]
        assert x == bx
        assert sizes[f"n{node.index}"] == sizes[f"b{node.index}"]
        drops.add(round(by - y, 2))
    assert len(drops) == 1
    assert drops.pop() > max(y + sizes[k][1] for k, (_, y) in boxes.items() if k[0] == "n") - 60


@pytest.mark.parametrize("seed", range(12))
def test_backward_edges_are_the_forward_edges_reversed(seed):
    scene = draw(random_graph(seed), style="lanes").scene
    forth = {(w.key[1:], w.tail[1:], w.head[1:]) for w in scene.wires if w.key[0] == "e"}
    back = {(w.key[1:], w.head[1:], w.tail[1:]) for w in scene.wires if w.key[0] == "r"}
    assert back == forth
    assert forth


def test_backward_wires_walk_the_forward_course_the_other_way(differentiated):
    placement = draw(differentiated, style="lanes", engine="built-in")._placement
    forth, back = placement.wires["e7_0"], placement.wires["r7_0"]
    drop = placement.boxes["b7"][1] - placement.boxes["n7"][1]
    x, y = forth.points[0]
    assert back.tip == pytest.approx((x, y + drop))
    assert back.points[0] == pytest.approx((forth.tip[0], forth.tip[1] + drop))


def test_edges_carry_their_factor_and_reused_nodes_their_sum(differentiated):
    said = texts(draw(differentiated, style="lanes").svg)
    assert "×b = −1.5" in said
    assert said.count("×a = 0.5") == 3
    assert "×(1 − L²) = 0.7864" in said
    assert said.count("×1") == 4
    assert "Σ −1.18 + 0.3932 + 0.3932" in said
    assert "∂L/∂L (seed)" in said


def test_before_backward_the_lane_says_that_it_looks_ahead(lecture):
    drawing = draw(lecture, style="lanes")
    assert "−0.3932" in texts(drawing.svg)
    assert "backward() has not run yet" in " ".join(drawing.notes)
    assert lecture.grad == 0.0


def test_constants_have_no_cotangent():
    loss, x = tensor_graph()
    loss.backward()
    scene = draw(loss, style="lanes", names={"x": x}).scene
    names = {node.key[1:]: node.name for node in draw(loss, names={"x": x}).graph.nodes}
    behind = {names[box.key[1:]] for box in scene.boxes if box.key[0] == "b"}
    assert "x" not in behind
    assert {"w", "b", "loss"} <= behind
    labels = [run.text for wire in scene.wires for line in wire.label for run in line]
    assert "x.T @ g" in labels


@pytest.mark.parametrize("engine", ["built-in", "auto"])
def test_one_lane_can_be_drawn_alone(differentiated, engine):
    backward = draw(differentiated, part="backward", engine=engine)
    assert backward.style == "lanes"
    assert {box.key[0] for box in backward.scene.boxes} == {"b"}
    assert len(backward.scene.wires) == 9
    assert [text.text for _, _, text in backward._placement.captions] == ["← backward"]
    place = backward._placement
    for wire in backward.scene.wires:
        # Cotangents flow from right to left: an arrow ends at the right side of its box.
        box = backward.scene.by_key[wire.head]
        assert place.wires[wire.key].tip[0] == pytest.approx(
            place.boxes[box.key][0] + box.width, abs=1.0
        )
    forward = draw(differentiated, part="forward", style="lanes", engine=engine)
    assert {box.key[0] for box in forward.scene.boxes} == {"n"}
    assert [text.text for _, _, text in forward._placement.captions] == ["forward →"]
    assert "−0.3932" not in texts(forward.svg)


def test_the_recorded_backward_graph_can_be_drawn_alone():
    x = Value(2.0, name="x")
    y = x**3 * x
    y.name = "y"
    y.backward(create_graph=True)
    whole, part = draw(y), draw(y, part="backward")
    assert sum(n.depth for n in part.graph.nodes) == sum(n.depth for n in whole.graph.nodes)
    assert all(part.graph.nodes[link.consumer].depth for link in part.graph.links)
    assert "y" not in {node.name for node in part.graph.nodes}
