"""Losses with labels inside captured steps: other labels in every call, with eager code's bits."""

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, errors, nn

F = nn.functional
WEIGHT = np.array([1.0, 2.0, 0.5, 0.0, 3.0], "float32")
LOSSES = {
    "plain": F.cross_entropy,
    "weight": lambda x, t: F.cross_entropy(x, t, weight=WEIGHT),
    "smoothing": lambda x, t: F.cross_entropy(x, t, label_smoothing=0.1),
    "ignored": lambda x, t: F.cross_entropy(x, t, ignore_index=2),
    "all": lambda x, t: F.cross_entropy(x, t, WEIGHT, 1, "mean", 0.2),
    "sum": lambda x, t: F.cross_entropy(x, t, weight=WEIGHT, reduction="sum"),
    "none": lambda x, t: F.cross_entropy(x, t, WEIGHT, 2, "none").max(),
    "nll": lambda x, t: F.nll_loss(F.log_softmax(x, 1), t, weight=WEIGHT, ignore_index=2),
    "margin": F.multi_margin_loss,
    "margin squared": lambda x, t: F.multi_margin_loss(x, t, p=2, margin=0.5),
    "module": nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.3),
}
chance = np.random.default_rng(3)
ROWS = [chance.normal(size=(6, 4)).astype("float32") for _ in range(4)]
LABELS = [chance.integers(0, 5, 6) for _ in range(4)]


def both(loss, rows, targets, classes=5):
    """The same calls, captured and eager: lists of (loss, gradient)."""
    p = Tensor(np.sin(np.arange(4.0 * classes)).reshape(4, classes).astype("float32"))

    def step(x, t):
        p.grad = None
        found = loss(x @ p, t)
        found.backward()
        return found

    captured, found = mg.capture(step, tune=False), ([], [])
    for x, t in zip(rows, targets, strict=True):
        for i, call in enumerate((captured, step)):
            answer = call(x if i == 0 else Tensor(x, requires_grad=False), t).item()
            found[i].append((answer, np.array(p.grad).tobytes()))
    return found


@pytest.mark.parametrize("name", LOSSES)
def test_a_captured_loss_reads_the_labels_of_each_call(name):
    captured, eager = both(LOSSES[name], ROWS, LABELS)
    assert captured == eager
    assert len({loss for loss, _ in eager}) == len(eager)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_captured_probabilities_as_targets_change_too(smoothing):
    targets = [chance.dirichlet(np.ones(5), 6).astype("float32") for _ in ROWS]

    def loss(x, t):
        return F.cross_entropy(x, t, weight=WEIGHT, label_smoothing=smoothing)

    captured, eager = both(loss, ROWS, targets)
    assert captured == eager


def test_captured_labels_of_pictures():
    rows = [chance.normal(size=(2, 3, 4)).astype("float32") for _ in range(3)]
    labels = [chance.integers(0, 5, (2, 3)) for _ in range(3)]

    def loss(x, t):
        return F.cross_entropy(x.transpose(0, 2, 1), t, weight=WEIGHT, ignore_index=0)

    captured, eager = both(loss, rows, labels)
    assert captured == eager


def test_rows_to_ignore_may_come_later_than_the_first_call():
    later = LABELS[1].copy()
    later[2] = -100
    captured, eager = both(LOSSES["weight"], ROWS[:2], [LABELS[0], later])
    assert captured == eager


def test_a_plain_loss_refuses_later_labels_that_are_no_class():
    p = Tensor(np.ones((4, 5), "float32"))
    step = mg.capture(lambda x, t: F.cross_entropy(x @ p, t))
    later = LABELS[1].copy()
    later[0] = -100
    step(ROWS[0], LABELS[0])
    with pytest.raises(
        errors.IndexingError, match=r"labels run from -100 to [34], but there are 5"
    ):
        step(ROWS[1], later)


@pytest.mark.parametrize("name", ["weight", "ignored", "nll"])
@pytest.mark.parametrize("wrong", [5, -1])
def test_a_later_label_that_is_no_class_gives_nan_not_a_wrong_number(name, wrong):
    p = Tensor(np.ones((4, 5), "float32"))
    step = mg.capture(lambda x, t: LOSSES[name](x @ p, t))
    later = LABELS[1].copy()
    later[0] = wrong
    assert np.isfinite(step(ROWS[0], LABELS[0]).item())
    assert np.isnan(step(ROWS[1], later).item())


def test_a_captured_embedding_leaves_the_padding_alone():
    layer = nn.Embedding(5, 3, padding_idx=1, rng=0)

    @mg.capture
    def step(numbers):
        layer.weight.grad = None
        loss = (layer(numbers) ** 2).sum()
        loss.backward()
        return loss

    for numbers in LABELS:
        loss = step(numbers).item()
        table = layer.weight.numpy()
        counts = np.bincount(numbers, minlength=5)[:, None] * (np.arange(5) != 1)[:, None]
        assert loss == pytest.approx((table[numbers] ** 2).sum(), rel=1e-6)
        assert layer.weight.grad == pytest.approx(2 * table * counts, rel=1e-6)
