"""Pictures of learning: what is drawn where, and the answers to what cannot be drawn."""

import sys

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import microgradx as mg  # noqa: E402 - the backend comes first
from microgradx import data, errors, nn, plots, train  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


def lines(ax):
    return {line.get_label(): np.asarray(line.get_xydata()) for line in ax.get_lines()}


@pytest.mark.parametrize(
    ("function", "name", "at_one", "slope"),
    [
        ("tanh", "tanh", np.tanh(1), 1 - np.tanh(1) ** 2),
        (nn.functional.relu, "relu", 1.0, 1.0),
        (nn.LeakyReLU(0.1), "LeakyReLU", 1.0, 1.0),
        (lambda x: x * x, "<lambda>", 1.0, 2.0),
    ],
)
def test_an_activation_and_its_derivative(function, name, at_one, slope):
    found = lines(plots.activation(function, -1.0, 1.0))
    assert found[name][-1] == pytest.approx([1.0, at_one])
    assert found["derivative"][-1] == pytest.approx([1.0, slope])


def test_a_history_marks_the_best_epoch():
    record = train.History("val_loss")
    for loss in (3.0, 1.0, 2.0):
        record.add({"loss": loss / 2, "val_loss": loss})
    found = lines(plots.history(record))
    assert found["val_loss"].tolist() == [[1, 3], [2, 1], [3, 2]]
    assert found["best epoch"][:, 0].tolist() == [2, 2]
    assert list(lines(plots.history(record, "loss"))) == ["loss", "best epoch"]


def test_a_history_of_one_epoch_is_seen():
    record = train.History()
    record.add({"loss": 1.0})
    assert plots.history(record).get_lines()[0].get_marker() == "o"


@pytest.mark.parametrize("dtype", ["float32", int])
def test_a_decision_boundary_has_an_area_for_each_class(dtype):
    x, y = data.blobs(90, rng=0)
    model = nn.Linear(2, 3, rng=0)
    ax = plots.decision_boundary(model, (10 * x).astype(dtype), y, points=30)
    points = ax.collections[-1]
    assert points.get_offsets().shape == (90, 2)
    assert set(points.get_array()) == {0, 1, 2}
    low, high = (10 * x).min(axis=0), (10 * x).max(axis=0)
    assert ax.dataLim.x0 < low[0]
    assert ax.dataLim.x1 > high[0]


def test_a_confusion_matrix_is_written_in_its_cells():
    ax = plots.confusion_matrix([0, 1, 1, 1], [0, 0, 1, 1])
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    assert cells == {(0, 0): "1", (1, 0): "1", (1, 1): "2"}


def test_pictures_run_from_white_to_black():
    ax = plots.images([[[0, 5], [10, 0]], [[3, 3], [3, 3]]], ["a", "b"])
    sheet = np.asarray(ax.get_images()[0].get_array())
    assert sheet[:2, :2].tolist() == [[0, 0.5], [1, 0]]
    assert sheet[:2, 4:6].tolist() == [[0, 0], [0, 0]]
    assert [text.get_text() for text in ax.texts] == ["a", "b"]


def test_weights_have_colours_around_0():
    layer = nn.Linear(4, 2)
    layer.load_state_dict({"weight": [[1.0, -2.0, 0.0, 2.0], [3.0, 3.0, 3.0, 1.5]], "bias": [0, 0]})
    picture = plots.weights(layer, (2, 2)).get_images()[0]
    sheet = np.asarray(picture.get_array())
    assert sheet[:2, :2].tolist() == [[0.5, -1], [0, 1]]
    assert sheet[:2, 4:6].tolist() == [[1, 1], [1, 0.5]]
    assert picture.get_clim() == (-1, 1)


def test_mistakes_show_the_answer_and_the_right_class():
    pictures = np.zeros((3, 4, 4))
    ax = plots.mistakes(pictures, [1, 2, 0], [1, 0, 2])
    assert [text.get_text() for text in ax.texts] == ["2 (0)", "0 (2)"]


def test_a_landscape_has_a_line_from_start_to_end_for_each_path():
    path = [[-1.0, 1.0], [-0.5, 0.2], [0.0, 0.0]]
    ax = plots.landscape(lambda x, y: x**2 + y**2, {"SGD": path}, (-2, -2), (2, 2))
    assert lines(ax)["SGD"].tolist() == path
    points = [line.get_xydata()[0].tolist() for line in ax.get_lines()[1:]]
    assert points == [path[0], path[-1]]


def test_a_curve_and_its_imitations():
    x = np.linspace(0, 1, 5)
    found = lines(plots.sigmoid_sum(x, x**2, {"1": x}))
    assert found["1"][:, 1].tolist() == x.tolist()
    assert found["curve"][:, 1].tolist() == (x**2).tolist()


def test_the_error_of_central_differences_falls_with_the_square_of_the_step():
    found = lines(plots.derivative_accuracy(mg.sin, 1.0))
    for name, power in (("forward", 1), ("backward", 1), ("central", 2)):
        h, error = found[name].T
        large = (h > 1e-3) & (h < 0.1)
        slope = np.polyfit(np.log(h[large]), np.log(error[large]), 1)[0]
        assert slope == pytest.approx(power, abs=0.05)


def test_a_rate_test_marks_its_suggestion():
    test = train.RateTest(np.array([1e-3, 1e-2, 1e-1]), np.array([3.0, 1.0, 2.0]), 1e-3)
    found = lines(plots.rates(test))
    assert found["suggestion: 0.001"][:, 0].tolist() == [1e-3, 1e-3]


RECORD = train.History()
RECORD.add({"loss": 1.0})
MISTAKES = [
    (lambda: plots.activation("tan h"), "plots.activation: 'tan h' is no function of one number."),
    (lambda: plots.activation("add"), "plots.activation: 'add' is no function of one number."),
    (lambda: plots.history(RECORD, "acc"), "plots.history: it holds ['loss']. Ask for one of"),
    (lambda: plots.decision_boundary(None, np.ones((3, 3)), [0, 1, 1]), "are not in the plane."),
    (lambda: plots.decision_boundary(None, np.ones((3, 2)), [0, 1]), "are not in the plane."),
    (lambda: plots.images(np.ones((3, 3))), "plots.images: numbers of shape (3, 3) are no picture"),
    (lambda: plots.images(np.ones((0, 3, 3))), "numbers of shape (0, 3, 3) are no pictures."),
    (lambda: plots.images(np.ones((2, 3, 3)), ["a"]), "there are 2 pictures and 1 titles."),
    (
        lambda: plots.weights(nn.Linear(5, 2), (2, 2)),
        "plots.weights: Linear has weights of shape (2, 5). Pass a linear layer of 4 inputs",
    ),
    (lambda: plots.weights(nn.ReLU(), (2, 2)), "plots.weights: ReLU has no weight."),
    (lambda: plots.mistakes(np.ones((1, 2, 2)), [1], [1]), "plots.mistakes: all answers are right"),
    (
        lambda: plots.landscape(np.hypot, {"a": [1.0, 2.0]}, (-1, -1), (1, 1)),
        "plots.landscape: the path 'a' has shape (2,). Pass points (steps, 2).",
    ),
]


@pytest.mark.parametrize(("call", "message"), MISTAKES)
def test_what_cannot_be_drawn_is_answered(call, message):
    with pytest.raises(errors.MicrogradxError) as caught:
        call()
    assert message in str(caught.value)


def test_without_matplotlib_the_answer_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(errors.DrawingError) as caught:
        plots.history(RECORD)
    assert str(caught.value) == (
        "plots: matplotlib is not installed. Run: pip install 'microgradx[plot]'."
    )
