"""Norms, clipping and penalties, eager and captured."""

import math

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, errors, nn, optim
from microgradx.nn.functional import cross_entropy

X = np.sin(np.arange(48.0)).reshape(8, 6)
Y = np.arange(8) % 3


def with_gradients():
    v, w = Tensor([3.0, 0.0]), Tensor([[4.0], [12.0]])
    (v * [3.0, 0.0]).sum().backward()
    (w * [[4.0], [12.0]]).sum().backward()
    return [v, w, Tensor(1.0)]


@pytest.mark.parametrize(("p", "norm"), [(2.0, 13.0), (1.0, 19.0), (math.inf, 12.0)])
def test_the_norm_is_of_all_gradients_together(p, norm):
    assert nn.grad_norm(with_gradients(), p) == pytest.approx(norm)


def test_clipping_keeps_the_direction():
    tensors = with_gradients()
    assert nn.clip_grad_norm_(tensors, 6.5) == pytest.approx(13.0)
    assert tensors[1].grad.ravel() == pytest.approx([2.0, 6.0], rel=1e-6)
    assert nn.clip_grad_norm_(tensors, 100.0) == pytest.approx(6.5, rel=1e-6)
    assert tensors[1].grad.ravel() == pytest.approx([2.0, 6.0], rel=1e-6)


def test_clipping_values_cuts_each():
    tensors = with_gradients()
    nn.clip_grad_value_(tensors, 3.5)
    assert [t.grad.ravel().tolist() for t in tensors[:2]] == [[3.0, 0.0], [3.5, 3.5]]


def test_a_norm_that_is_no_number_can_be_refused():
    w = Tensor([1.0, 2.0])
    w.grad = [math.nan, 1.0]
    with pytest.raises(errors.NonFiniteError, match="the norm of the gradients is nan"):
        nn.clip_grad_norm_(w, 1.0, error_if_nonfinite=True)
    with pytest.raises(errors.ArgumentError, match="max_norm is -1"):
        nn.clip_grad_norm_(w, -1)


def steps(capture, clip, name="Adam"):
    model = nn.Sequential(
        nn.Linear(6, 5, rng=0, dtype=float), nn.Tanh(), nn.Linear(5, 3, rng=1, dtype=float)
    )
    optimizer = getattr(optim, name)(model.parameters(), lr=0.1)

    def step(x, y):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y) + 0.01 * nn.l2_penalty([model[0].weight])
        loss.backward()
        clip(model.parameters())
        optimizer.step()
        return loss

    run = mg.capture(step) if capture else step
    for shift in range(6):
        run(np.roll(X, shift, axis=0), np.roll(Y, 2 * shift))
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


CLIPS = {
    "norm": lambda ps: nn.clip_grad_norm_(ps, 0.1),
    "sum": lambda ps: nn.clip_grad_norm_(ps, 0.1, 1.0),
    "largest": lambda ps: nn.clip_grad_norm_(ps, 0.01, math.inf),
    "value": lambda ps: nn.clip_grad_value_(ps, 0.01),
    "none": list,
}


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("clip", CLIPS)
def test_a_captured_step_clips_as_an_eager_one(clip, name):
    eager, replayed = steps(False, CLIPS[clip], name), steps(True, CLIPS[clip], name)
    assert replayed == pytest.approx(eager, rel=1e-12)
    if clip != "none" and name == "SGD":
        assert np.abs(eager - steps(False, list, name)).max() > 1e-3


def test_a_captured_norm_is_measured_in_every_replay():
    w = Tensor([1.0, 2.0])

    @mg.capture
    def norm(x):
        w.grad = None
        (w * x).sum().backward()
        return nn.grad_norm([w])

    assert float(norm(np.array([3.0, 4.0]))) == pytest.approx(5.0)
    assert float(norm(np.array([6.0, 8.0]))) == pytest.approx(10.0)
