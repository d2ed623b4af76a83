"""A captured step is captured anew when something it sees besides its arguments changes."""

import functools
import random

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, Value, nn, optim
from microgradx.errors import CaptureError
from microgradx.nn.functional import cross_entropy

K = 1.0
X = np.ones(3)


def helper(x):
    return x * K


def number(x):
    return float(x.sum()) if isinstance(x, Tensor) else float(x)


class Settings:
    factor = 1.0


class Scaled(nn.Module):
    def __init__(self):
        self.inner = nn.Linear(2, 1, rng=0)
        self.factor = 1.0
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return self.inner(x) * self.factor


def test_rebound_names_are_noticed(monkeypatch):
    w, big = Tensor([1.0, 2.0, 3.0]), np.ones(3)
    step = mg.capture(lambda: (w * big * X).sum())
    assert number(step()) == 6
    big = np.full(3, 2.0)
    assert number(step()) == 12
    w = Tensor([1.0, 1.0, 1.0])
    assert number(step()) == 6
    monkeypatch.setitem(globals(), "X", np.full(3, 5.0))
    assert number(step()) == 30


def test_a_model_that_was_made_again_is_the_one_that_learns():
    x, y = np.ones((4, 2), "f4"), np.array([0, 1, 0, 0])
    model = nn.Linear(2, 2, rng=0)
    optimizer = optim.SGD(model.parameters(), lr=0.5)

    @mg.capture
    def step(x, y):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    first = [step(x, y).item() for _ in range(5)]
    model = nn.Linear(2, 2, rng=0)
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    assert [step(x, y).item() for _ in range(5)] == pytest.approx(first)
    assert len(step.programs) == 2


def test_settings_one_level_inside_are_noticed(monkeypatch):
    table, row, thing = {"lr": 1.0}, [1.0], Settings()
    w = Value(2.0)
    step = mg.capture(lambda: w * table["lr"] * row[0] * thing.factor * Settings.factor)
    assert number(step()) == 2
    table["lr"] = 3.0
    assert number(step()) == 6
    row[0] = 2.0
    assert number(step()) == 12
    thing.factor = 5.0
    assert number(step()) == 60
    monkeypatch.setattr(Settings, "factor", 0.5)
    assert number(step()) == 30
    assert len(step.programs) == 5
    monkeypatch.undo()
    assert number(step()) == 60
    assert len(step.programs) == 5  # that one is still there


def test_what_a_called_function_sees_is_noticed(monkeypatch):
    w = Tensor([1.0, 2.0])
    step = mg.capture(lambda: helper(w).sum())
    assert number(step()) == 3
    monkeypatch.setitem(globals(), "K", 10.0)
    assert number(step()) == 30
    monkeypatch.setitem(globals(), "helper", lambda x: x * 0)
    assert number(step()) == 0


def test_the_object_of_a_method_is_watched():
    class Trainer:
        def __init__(self):
            self.k, self.w = 1.0, Tensor([1.0, 2.0])
            self.step = mg.capture(self._step)

        def _step(self):
            return (self.w * self.k).sum()

    trainer = Trainer()
    assert number(trainer.step()) == 3
    trainer.k = 10.0
    assert number(trainer.step()) == 30


def test_settings_of_models_are_watched_and_counters_are_not():
    model = Scaled()
    step = mg.capture(lambda x: model(x).sum())
    x = np.ones((1, 2), "f4")
    first = number(step(x))
    for _ in range(5):
        assert number(step(x)) == first
        model(x)  # eager calls count
    model.eval()
    model.train()
    assert number(step(x)) == first
    assert len(step.programs) == 1
    model.factor = 3.0
    assert number(step(x)) == pytest.approx(3 * first)
    model.inner.weight = Tensor(np.zeros((1, 2), "f4"))
    assert number(step(x)) == pytest.approx(3 * model.inner.bias.item())
    assert len(step.programs) == 3


def test_a_counter_in_a_step_does_not_capture_every_call():
    count = 0

    def double(x):
        nonlocal count
        count += 1
        return x * 2

    step = mg.capture(double)
    for k in range(5):
        assert number(step(float(k))) == 2 * k
        assert double(float(k)) == 2 * k  # eager calls count
    assert len(step.programs) == 1
    assert count == 6


@pytest.mark.parametrize(
    "draw",
    [
        lambda g, _: g.random(2),
        lambda g, _: np.arange(10.0)[g.integers(0, 10, 2)],
        lambda _, r: r.random(),
    ],
)
def test_own_generators_would_be_frozen_and_are_refused(draw):
    generator, dice, w = np.random.default_rng(0), random.Random(0), Tensor([1.0, 2.0])
    with pytest.raises(CaptureError, match="random numbers from a generator"):
        mg.capture(lambda x: (w * x * draw(generator, dice)).sum())(np.ones(2))


def test_a_generator_of_a_model_is_refused_and_that_of_dropout_is_not():
    class Noisy(nn.Module):
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def forward(self, x):
            return x * self.rng.random(2)

    with pytest.raises(CaptureError, match="a generator"):
        mg.capture(Noisy())(Tensor([1.0, 2.0]))
    drop = nn.Dropout(0.5)
    step = mg.capture(drop)
    found = {tuple(step(np.ones(4, "f4")).numpy().tolist()) for _ in range(20)}
    assert len(found) > 3


def test_a_refusal_that_the_step_swallows_is_raised_all_the_same():
    @mg.capture
    def step(v):
        try:
            return v * 2 if v > 0 else v * 3
        except Exception:  # noqa: BLE001 - as users do
            return v * 100

    with pytest.raises(CaptureError, match="truth of a comparison"):
        step(1.0)


def test_what_a_name_was_bound_to_later_is_watched_too():
    settings, w = {"lr": 1.0}, Tensor([1.0])
    step = mg.capture(lambda: (w * settings["lr"]).sum())
    assert number(step()) == 1
    settings = {"lr": 2.0}
    assert number(step()) == 2
    settings["lr"] = 7.0
    assert number(step()) == 7


def test_a_model_that_was_made_again_has_modes_too():
    model = nn.Dropout(0.5)
    step = mg.capture(lambda x: model(x))
    x = np.ones(100, "f4")
    first = model
    step(x)
    model = nn.Dropout(0.5)
    step(x)
    model.eval()
    assert step(x).numpy().tolist() == x.tolist()
    model = first  # still in training
    assert 0 in step(x).numpy()


def test_functions_with_arguments_filled_in_are_followed():
    table, w = {"k": 1.0}, Tensor([1.0])

    def scaled(x, factor):
        return x * factor * table["k"]

    twice = functools.partial(scaled, factor=2.0)
    step = mg.capture(lambda: twice(w).sum())
    assert number(step()) == 2
    table["k"] = 5.0
    assert number(step()) == 10
