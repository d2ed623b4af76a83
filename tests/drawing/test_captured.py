"""A captured program as a picture: every instruction, and what it reads."""

from __future__ import annotations

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, draw, nn, optim
from microgradx.capture.program import Instruction, contiguous
from microgradx.drawing.captured import _flow, _Unit

from .conftest import svg_graph, texts


@pytest.fixture(scope="module")
def step():
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @mg.capture
    def train(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x = rng.normal(size=(5, 4)).astype(np.float32)
    for _ in range(4):
        train(x, rng.integers(0, 2, 5))
    return train


def test_a_captured_step_is_drawn_with_every_instruction(step):
    drawing = draw(step)
    program = step.program
    assert drawing.style == "program"
    count = len(program.instructions)
    ops = [node for node in drawing.graph.nodes if node.op]
    assert [node.op for node in ops] == [call.function for call in program.instructions]
    assert f"{count} instructions in {count} boxes" in drawing.notes[0]
    assert len(svg_graph(drawing.svg)[0]) >= count


def test_phases_are_regions_and_the_update_closes_the_loop(step):
    drawing = draw(step)
    assert [region.title for region in drawing.scene.regions] == ["forward", "backward", "update"]
    graph = drawing.graph
    names = {node.index: node.name for node in graph.nodes}
    readers = {link.consumer for link in graph.links if names[link.producer] == "parameters"}
    phases = {step.program.instructions[i - len(graph.nodes)].phase for i in readers}
    assert phases == {"forward", "backward", "update"}


def test_data_flows_from_inputs_to_the_loss(step):
    graph = draw(step).graph
    assert len(graph.roots) == 1
    before = {}
    for link in graph.links:
        before.setdefault(link.consumer, set()).add(link.producer)
    reached, stack = set(), list(graph.roots)
    while stack:
        for producer in before.get(stack.pop(), ()):
            if producer not in reached:
                reached.add(producer)
                stack.append(producer)
    assert {"x", "y", "parameters"} <= {graph.nodes[i].name for i in reached}
    assert all(link.producer < link.consumer for link in graph.links)


def test_a_read_finds_the_latest_writers_of_its_memory():
    def call(function, reads, writes):
        return Instruction(function, (*reads, writes), writes)

    def span(start, n):
        return contiguous("m", start, (n,))

    calls = [
        call("exp", [span(0, 4)], span(8, 4)),  # 1 reads the input
        call("log", [span(0, 4)], span(12, 4)),  # 2
        call("add", [span(8, 4), span(8, 4)], span(16, 4)),  # 3 reads 1, not its neighbour
        call("negative", [span(8, 8)], span(20, 8)),  # 4 reads 1 and 2
        call("exp", [span(20, 8)], span(8, 8)),  # 5 writes over both
        call("log", [span(12, 4)], span(12, 4)),  # 6 reads 5 alone, in place
        call("sqrt", [span(8, 8)], span(28, 8)),  # 7 reads 6 and what 5 left
        call("copyto", [], span(8, 8)),  # 8 reads nothing that lies there
    ]
    given = [_Unit("x", "", view=span(0, 4))]
    found = [sorted(producers) for producers in _flow(calls, given)]
    assert found == [[0], [0], [1], [1, 2], [4], [5], [5, 6], []]


def test_a_long_program_is_drawn_by_primitive_or_phase():
    w = Tensor(np.eye(4), name="w")

    @mg.capture
    def long(x):
        y = Tensor(x, requires_grad=False)
        for _ in range(50):
            y = (y @ w).tanh()
        return y

    for _ in range(4):
        long(np.ones((4, 4)))
    assert len(long.program.instructions) > 60
    drawing = draw(long)
    assert len(drawing.scene.boxes) <= 70
    said = " ".join(texts(drawing.svg))
    assert f"{len(long.program.instructions)} instructions in " in said
