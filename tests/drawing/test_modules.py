"""Few boxes for many nodes: grouped by module, and every hidden node counted."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest

from microgradx import Tensor, Value, draw, nn
from microgradx.micrograd.nn import MLP

from .conftest import svg_graph, texts


@pytest.fixture
def scalar_net():
    random.seed(1)
    model = MLP(2, [3, 1])
    x = [Value(-0.52, label="x0"), Value(0.09, label="x1")]
    loss = (model(x) - 1.0) ** 2
    loss.name = "loss"
    loss.backward()
    return model, loss


def heads(drawing):
    return {
        box.key: "".join(run.text for run in box.rows[0][0].runs) for box in drawing.scene.boxes
    }


def members(drawing, title):
    box = next(b for b in drawing.scene.boxes if heads(drawing)[b.key] == title)
    return "".join(run.text for run in box.rows[1][0].runs)


def test_scalar_modules_are_found_by_their_parameters(scalar_net):
    model, loss = scalar_net
    drawing = draw(loss, style="modules", depth=2)
    assert model.layers  # found because it is a variable here
    assert set(heads(drawing).values()) == {
        "layers[0] Layer", "layers[1] Layer", "x0", "x1", "− 1", "loss",
    }  # fmt: skip
    assert members(drawing, "layers[0] Layer") == "6 ops · 9 params"
    assert members(drawing, "layers[1] Layer") == "1 op · 4 params"


def test_opening_one_module_leaves_the_others_closed(scalar_net):
    model, loss = scalar_net
    opened = ("model", "model.layers[0]", "model.layers[0].neurons[1]")
    drawing = draw(loss, style="modules", open=opened, names={"model": model})
    titles = sorted(heads(drawing).values())
    assert {"neurons[0] Neuron", "neurons[2] Neuron", "layers[1] Layer", "relu"} <= set(titles)
    assert {"b", "w[0]", "w[1]"} <= set(titles)
    regions = drawing.scene.regions
    assert [r.title for r in regions] == ["model"]
    assert [r.title for r in regions[0].inner] == ["model.layers[0]"]


def test_every_node_is_drawn_or_counted(scalar_net):
    model, loss = scalar_net
    names = {"model": model}
    for kwargs in ({}, {"depth": 1}, {"depth": 3}, {"group_by": "level"}):
        drawing = draw(loss, style="modules", names=names, **kwargs)
        alone = sum(box.key[0] == "n" for box in drawing.scene.boxes)
        counted = 0
        for box in drawing.scene.boxes:
            if box.key[0] == "g":
                said = "".join(run.text for run in box.rows[1][0].runs)
                counted += sum(
                    int(n.replace(",", "")) for n in re.findall(r"(?:^|· )([\d,]+) ", said)
                )
        assert alone + counted == len(drawing.graph.nodes)
        assert drawing.notes[0].startswith(f"{len(drawing.graph.nodes)} nodes")


def test_merged_edges_carry_their_number(scalar_net):
    model, loss = scalar_net
    names = {"model": model}
    drawing = draw(loss, style="modules", depth=2, names=names)
    crossing = 0
    for wire in drawing.scene.wires:
        said = [run.text for line in wire.label for run in line]
        assert said == ([f"×{wire.count}"] if wire.count > 1 else [])
        crossing += wire.count
    assert crossing == 2 * 3 + 3 + 1 + 1


def test_module_calls_are_remembered_on_the_clock_of_the_nodes():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = Tensor(rng.normal(size=(5, 4)), requires_grad=False, name="x")
    hidden = net(x)
    loss = (hidden * hidden).sum()
    loss.backward()
    drawing = draw(loss, style="modules", depth=2)
    assert {"0 Linear", "1 ReLU", "2 Linear"} <= set(heads(drawing).values())
    assert members(drawing, "0 Linear") == "1 op · 2 params (15 numbers)"
    assert members(drawing, "1 ReLU") == "1 op"
    norm = np.sqrt(sum((p.grad**2).sum() for p in list(net.parameters())[:2]))
    assert format(norm, ".4g") in texts(drawing.svg)
    start, stop = net.__call_times__[-1]
    assert start < hidden.time < stop < loss.time


def test_parameters_are_named_and_marked():
    net = nn.Sequential(nn.Linear(4, 3))
    loss = net(np.ones((2, 4))).sum()
    kinds = {node.name: node.kind for node in draw(loss).graph.nodes}
    assert kinds["0.weight"] == "param"
    assert "param" in draw(loss, engine="built-in").svg


def test_broken_numbers_inside_a_closed_box_are_counted():
    x = Value(-1.0, name="x")
    total = Value(0.0)
    for _ in range(200):
        total = total + x.log()
    total.backward()
    drawing = draw(total)
    assert drawing.style == "modules"
    assert any("with nan or inf" in text for text in texts(drawing.svg))


def test_a_text_of_a_collapsed_drawing_lists_its_boxes(scalar_net):
    model, loss = scalar_net
    names = {"model": model}
    text = draw(loss, style="modules", depth=2, names=names).text
    assert "layers[1] Layer | 1 op · 4 params" in text
    assert "<- layers[0] Layer ×3" in text


def test_a_collapsed_drawing_keeps_the_whole_graph_in_json(scalar_net):
    model, loss = scalar_net
    names = {"model": model}
    drawing = draw(loss, style="modules", names=names)
    assert drawing.json.count('"id": "n') == len(drawing.graph.nodes)
    assert svg_graph(drawing.svg)[0] < set(range(len(drawing.graph.nodes)))
