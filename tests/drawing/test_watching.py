"""Source lines and the first nan, found while operations run."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

from microgradx import Tensor, Value, detect_anomaly, draw, modes, trace_lines
from microgradx.drawing.watching import line_of
from microgradx.errors import NonFiniteError


def here():
    return inspect.currentframe().f_back.f_lineno


def test_each_node_knows_its_line():
    with trace_lines():
        x = Value(2.0)
        y = x * x
        made = here() - 1
    line = line_of(y.time)
    assert (line.number, line.target, line.text) == (made, "y", "y = x * x")
    assert str(line) == f"test_watching.py:{made}"


def test_nothing_is_recorded_outside_the_block():
    with trace_lines():
        pass
    assert modes.current() is None
    assert line_of((Value(2.0) * 3).time) is None


def net(x):
    scores = x * 3
    squashed = scores.tanh()
    return squashed + 1


def test_drawings_name_results_after_the_variables_of_finished_functions():
    with trace_lines():
        out = net(Value(0.5, name="x"))
    names = [node.name for node in draw(out).graph.nodes]
    assert names == ["x", "scores", "squashed", "out"]


def test_drawings_group_by_line():
    with trace_lines():
        xs = [Value(float(i)) for i in range(20)]
        squares = [x * x + 1 for x in xs]
        total = sum(squares, Value(0.0))
    drawing = draw(total, style="modules", group_by="line")
    titles = [box.rows[0][0].runs[0].text for box in drawing.scene.boxes]
    assert any("squares = [x * x" in title for title in titles)
    assert len(drawing.scene.boxes) < 10


@pytest.mark.quick
def test_the_first_nan_of_a_forward_pass_stops_it():
    with pytest.raises(NonFiniteError) as caught, detect_anomaly():  # noqa: PT012
        x = Value(-1.0, name="x")
        y = x * 2
        y.log()
    assert "log: made nan from operand 1 = −2" in str(caught.value)
    assert "test_watching.py:" in str(caught.value)
    assert "y.log()" in str(caught.value)
    assert caught.value.facts["op"] == "log"
    assert caught.value.facts["phase"] == "forward"


def test_the_first_infinity_of_a_backward_pass_stops_it_and_changes_nothing():
    x = Value(0.0, name="x")
    with pytest.raises(NonFiniteError) as caught, detect_anomaly():  # noqa: PT012
        y = x.sqrt()
        (y * 3).backward()
    assert "the rule of sqrt for operand 1 made inf at x = 0" in str(caught.value)
    assert "y = x.sqrt()" in str(caught.value)
    assert caught.value.facts["phase"] == "backward"
    assert x.grad == 0.0


def test_tensor_ranges_are_named():
    with warnings.catch_warnings(), pytest.raises(NonFiniteError) as caught, detect_anomaly():  # noqa: PT012
        warnings.simplefilter("ignore")
        Tensor(np.array([1.0, -2.0, 3.0]), name="x").log()
    assert "1 nan or inf among 3 numbers from x in [−2, 3] (3,) f8" in str(caught.value)


def test_tensor_backward_is_watched():
    x = Tensor([4.0, 0.0], name="x")
    with pytest.raises(NonFiniteError, match="the rule of sqrt"), detect_anomaly():
        x.sqrt().sum().backward()
    assert x.grad is None


def test_inputs_that_are_already_broken_are_not_blamed_on_an_operation():
    with detect_anomaly():
        x = Value(float("nan"))
        assert np.isnan((x * 2).data)


def test_healthy_passes_are_left_alone():
    with detect_anomaly():
        x = Value(0.5)
        y = (x * x).tanh()
        y.backward()
    assert x.grad == pytest.approx(1 - np.tanh(0.25) ** 2)


def test_lines_and_anomalies_are_watched_together():
    with trace_lines(), pytest.raises(NonFiniteError), detect_anomaly():  # noqa: PT012
        kept = Value(3.0) * 2
        kept2 = kept * 0.0 - 1.0
        kept2.log()
    assert line_of(kept.time).target == "kept"
