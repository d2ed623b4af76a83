"""Stepping through the backward pass: the engine's order, its numbers, and why."""

from __future__ import annotations

import json
import re

import pytest

from microgradx import Value, animate, draw
from microgradx.errors import DrawingError
from microgradx.graph import topological_order

from .conftest import random_graph, tensor_graph


@pytest.mark.quick
def test_a_step_says_the_chain_rule_with_its_numbers(lecture):
    sentences = [step.sentence for step in animate(lecture).steps]
    assert sentences[0] == "∂L/∂L = 1"
    assert "∂L/∂a += ∂L/∂e × ∂e/∂a = 0.7864 × (−1.5) = −1.18" in sentences
    assert len(sentences) == 1 + 9


@pytest.mark.parametrize("seed", range(25))
def test_replaying_the_steps_gives_the_engines_gradients(seed):
    root = random_graph(seed, 25)
    animation = animate(root, names=None)
    root.backward()
    order = topological_order(root)
    names = [node.name for node in animation.drawing.graph.nodes]
    totals = dict.fromkeys(names, 0.0)
    finished = set()
    for step in animation.steps:
        totals[step.x] += step.amount if step.amount is not None else step.total
        assert step.total == totals[step.x]
        # Reverse topological order: a gradient is complete before it is handed on.
        if step.z:
            finished.add(step.z)
            assert step.x not in finished
    for name, node in zip(names, order, strict=True):
        assert totals[name] == node.grad


def test_the_page_holds_the_same_steps(lecture):
    animation = animate(lecture)
    rows = json.loads(re.search(r"steps=(\[.*?\]),start=", animation.html)[1])
    assert len(rows) == len(animation.steps)
    for row, step in zip(rows, animation.steps, strict=True):
        assert "".join(text for text, _ in row["eq"]) == step.sentence
    wires = {row["w"] for row in rows if "w" in row}
    assert all(f'-{wire}"' in animation.html for wire in wires)


def test_stepping_needs_no_backward_and_changes_nothing(lecture):
    animate(lecture).html  # noqa: B018
    assert all(node.grad == 0.0 for node in topological_order(lecture))
    lecture.backward()
    lecture.backward()
    before = [node.grad for node in topological_order(lecture)]
    assert "= −0.3932" in animate(lecture).text
    assert [node.grad for node in topological_order(lecture)] == before


def test_the_page_is_keyboard_operable_and_spoken(lecture):
    html = animate(lecture).html
    assert 'aria-live="polite"' in html
    for key in ("ArrowRight", "ArrowLeft", "Home", "End"):
        assert key in html
    assert html.count("<button") == html.count('aria-label="previous') + html.count(
        'aria-label="next'
    ) + html.count("▶ play</button>")
    assert "prefers-reduced-motion" in html
    assert "prefers-color-scheme:dark" in html


def test_tensor_steps_name_the_rule_and_what_broadcasting_sums():
    loss, x = tensor_graph()
    text = animate(loss, names={"x": x}).text
    assert "∂loss/∂w += x.T @ g: ‖g‖" in text
    assert "broadcasting is undone by summing axis 0" in text


def test_too_many_steps_are_refused():
    y = Value(1.0)
    for _ in range(400):
        y = y + 1
    with pytest.raises(DrawingError, match="401 nodes are too many to step through"):
        animate(y)


def test_saving_knows_its_formats(lecture, tmp_path):
    assert animate(lecture).save(tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert animate(lecture).save(tmp_path / "a.txt").read_text().count("\n") == 10
    with pytest.raises(DrawingError, match="draw"):
        animate(lecture).save(tmp_path / "a.svg")


def test_the_still_picture_of_fresh_gradients_is_that_after_backward(lecture):
    fresh = animate(lecture, engine="built-in").drawing.svg
    lecture.backward()
    assert fresh == draw(lecture, style="card", engine="built-in").svg
