"""Every row of ``docs/curriculum.md`` runs and prints what stands there, one test a row.

The worked examples are also held against the books' own numbers, written here a second time, so
that text and code cannot go wrong together.
"""

import doctest
import re
from pathlib import Path

import numpy as np
import pytest

from microgradx import Tensor, plots, testing

PAGE = Path(__file__).parents[1] / "docs" / "curriculum.md"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class Row:
    """One section of the page, after it was run."""

    def __init__(self, text, scope):
        self.failures = []
        examples = text.replace("```python", "").replace("```", "")
        test = doctest.DocTestParser().get_doctest(examples, scope, "row", str(PAGE), 0)
        test.globs = scope
        runner = doctest.DocTestRunner(optionflags=OPTIONS)
        runner.run(test, out=self.failures.append, clear_globs=False)
        self.count = len(test.examples)
        self.scope = dict(scope)

    def __getitem__(self, name):
        return self.scope[name]


@pytest.fixture(scope="module")
def rows():
    """All sections by their first word, run in order: later ones use what earlier ones made."""
    start, *sections = re.split(r"(?m)^## ", PAGE.read_text())
    scope = {}
    found = {"start": Row(start, scope)}
    for section in sections:
        found[section.split()[0]] = Row(section, scope)
    return found


@pytest.fixture
def row(rows, request):
    """The section that the test is called after: test_w1_... reads W1."""
    found = rows[request.node.name.split("_")[1].upper()]
    text = "".join(found.failures)
    assert not text, text
    assert found.count > 1
    return found


def test_w1_thermometer(row):
    assert row["losses"][0] == pytest.approx(1763.8845, abs=1e-3)
    assert row["losses"][1] == pytest.approx(323.0905, abs=1e-4)
    assert row["losses"][-1] == pytest.approx(29.0227, abs=1e-4)
    assert row["parameters"][0] == pytest.approx((0.5483, -0.0083), abs=1e-4)
    assert row["parameters"][-1] == pytest.approx((0.2327, -0.0438), abs=1e-4)


def test_w2_divergence(row):
    losses = row["losses"]
    assert losses[1:3] == pytest.approx([5.8025e6, 1.9408e10], rel=1e-4)
    assert losses[9] == pytest.approx(9.09e34, rel=1e-3)
    assert losses[10] == float("inf")
    assert row["model"].weight.item() == pytest.approx(1 - 1e-2 * 4517.2964, rel=1e-5)


def test_w3_scaled_inputs(row):
    found = (row["loss"].item(), row["w"].item(), row["b"].item())
    assert found == pytest.approx((2.9276, 5.3671, -17.3012), abs=1e-4)


def test_w4_three_gradients(row):
    exact = (float(row["w"].grad), float(row["b"].grad))
    assert exact == pytest.approx((4517.2964, 82.6000), abs=1e-4)
    assert row["by_hand"](1.0, 0.0) == pytest.approx(exact, rel=1e-14)
    # A parabola has no third derivative, so only rounding of the two losses is left: each is good
    # to a few units in the last place of 1,800 and is divided by 2 delta = 0.2.
    bound = 8 * np.spacing(1e4) / 0.2
    numeric = [float(g) for g in row["numeric"](1.0, 0.0)]
    assert numeric == pytest.approx(exact, abs=bound)


def test_w5_broadcasting(row):
    # Of the 18 products, each element of an operand is in 18 / its size; s is 2, the others 1.
    for name, shape in {"s": (), "a": (3, 1), "b": (1, 3), "c": (2, 1, 1)}.items():
        assert row[name].grad.shape == shape
        assert (row[name].grad == 18 / row[name].size * (1 if name == "s" else 2)).all()


def test_w6_feed_forward(row):
    hidden = [0.41338242108267, 0.934010990508781]
    assert row["hidden"].numpy() == pytest.approx(hidden, rel=1e-14)
    after = [0.7187729999291985, 0.5238074518609882]
    assert row["after"].numpy() == pytest.approx(after, rel=1e-14)
    values = row["layer"](row["W2"], row["b2"], row["layer"](row["W1"], row["b1"], [2.0, 3.0]))
    assert [v.data for v in values] == pytest.approx(after, rel=1e-14)


def test_w7_three_layers(row):
    assert row["a1"].numpy() == pytest.approx([0.3, 0.7, 1.1])
    assert row["z1"].numpy() == pytest.approx([0.57444252, 0.66818777, 0.75026011], abs=1e-8)
    assert row["z2"].numpy() == pytest.approx([0.62624937, 0.7710107], abs=1e-8)
    assert row["y"].numpy() == pytest.approx([0.31682708, 0.69627909], abs=1e-8)


def test_w8_micrograd(row):
    found = (row["g"].data, row["a"].grad, row["b"].grad)
    assert found == pytest.approx((24.7041, 138.8338, 645.5773), abs=1e-4)


def test_s1_activations(row):
    assert row["dead"].mean() > 0.1
    assert row["flat"].mean() == 0


def test_s2_sums_of_sigmoids(row):
    errors = list(row["errors"].values())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]


def test_s3_losses(row):
    logits = np.array([[2.0, 1.0, 0.1], [0.5, 2.5, 0.3]])
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = -np.log(shares[[0, 1], [0, 1]]).mean()
    assert row["from_index"].item() == pytest.approx(expected, rel=1e-14)


def test_s4_regularisation(row):
    lasso = row["train"].Lasso(0.3).fit(row["features"], row["targets"])
    assert np.flatnonzero(lasso.coef_).tolist() == [1, 4]


def test_s5_gradient_descent(row):
    assert row["steps_to_the_bottom"](lambda p: row["optim"].Adam(p, lr=0.1)) < 2000


def test_s6_regression_and_classification(row):
    slope, level = np.polyfit(row["t_u"], row["t_c"], 1)
    assert row["line"].coef_[0] == pytest.approx(slope, rel=1e-5)
    assert row["line"].intercept_ == pytest.approx(level, rel=1e-5)


def test_s7_preparation(row):
    assert row["whiten"].transform(row["mixed"]).std() == pytest.approx(1)


def test_s8_learning_rates(row):
    assert row["record"].stopped == "patience"
    assert row["record"].best_epoch < len(row["record"])


def test_s9_digits(row):
    assert row["accuracy"] >= 0.95


def test_s10_chain_rule(row):
    assert row["x"].grad == 2 * (2 * 3 + 1) * 2
    assert len(row["animation"].steps) > 3


def test_s11_numeric_differentiation(row):
    found = testing.numerical_derivative(np.sin, 1.0)
    assert (
        abs(float(np.asarray(found.value)) - np.cos(1.0)) <= float(np.asarray(found.error)) + 1e-15
    )
    assert row["error"]("central", 1e-3) < 1e-3 * row["error"]("forward", 1e-3)


def test_s12_training_loop(row):
    assert row["record"].stopped == "gradient"
    assert row["record"]["grad_norm"][-1] <= 1e-8


def test_s13_further_networks(row):
    assert row["train"].accuracy(row["model"](row["bits"][:, :, None]), row["same"]) == 1


def test_s14_pytorchs_names(row):
    assert row["model"].state_dict()["2.weight_ih_l0"].shape == (8, 3)


def test_s15_norms(row):
    assert np.linalg.norm(row["w"].grad) == pytest.approx(1.0, abs=1e-6)


def test_no_row_is_missing(rows):
    wanted = [f"W{i}" for i in range(1, 9)] + [f"S{i}" for i in range(1, 16)]
    assert list(rows)[1:] == wanted


# ---- pictures ------------------------------------------------------------------------------------
@pytest.fixture
def pictures():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def test_activations_are_drawn_with_their_derivatives(pictures):
    ax = plots.activation("tanh")
    function, derivative = [line.get_xydata() for line in ax.lines[2:]]
    assert function[:, 1] == pytest.approx(np.tanh(function[:, 0]))
    assert derivative[:, 1] == pytest.approx(1 - np.tanh(derivative[:, 0]) ** 2)


def test_every_other_picture_is_drawn(pictures, rows):
    s9, s8, s2 = rows["S9"], rows["S8"], rows["S2"]
    plots.history(s8["record"], ("loss", "val_loss"))
    plots.rates(s8["test"])
    plots.decision_boundary(s8["model"], *s8["held_out"], points=20)
    answers = s9["train"].predict(s9["model"], s9["test_x"])
    ax = plots.confusion_matrix(answers, s9["digits"].y_test)
    assert sum(int(text.get_text()) for text in ax.texts) == 2000
    plots.weights(s9["model"][0], (28, 28), first=12)
    ax = plots.mistakes(s9["digits"].x_test, answers, s9["digits"].y_test, first=12)
    assert len(ax.texts) == 12
    plots.sigmoid_sum(s2["x"], s2["y"], {"0": s2["y"]})
    plots.derivative_accuracy(lambda v: v.sin(), 1.0)
    path = [[-1.0, 1.0], [0.0, 0.0]]
    ax = plots.landscape(lambda x, y: x**2 + y**2, {"SGD": path}, (-2, -2), (2, 2))
    assert ax.lines[0].get_xydata().tolist() == path
    with pytest.raises(ValueError, match="are not in the plane"):
        plots.decision_boundary(s8["model"], np.zeros((3, 3)), [0, 0, 0])


def test_a_step_has_no_slope(pictures):
    from microgradx.nn.functional import step  # noqa: PLC0415

    assert (plots.activation(step).lines[3].get_ydata() == 0).all()
    assert not step(Tensor([1.0])).requires_grad
