"""Initialisers draw from the distributions they name, with bounds known in advance."""

import math

import numpy as np
import pytest

from microgradx import Tensor, errors, manual_seed, nn

N = 200  # 40,000 numbers: a variance is known to 0.7 % (one standard error), a mean to std / 200


def drawn(name, shape=(N, N), **options):
    w = Tensor(np.zeros(shape))
    assert getattr(nn.init, name)(w, **options, rng=0) is w
    return w.numpy()


UNIFORM = {
    "uniform_": ({"a": -2.0, "b": 4.0}, -2.0, 4.0),
    "xavier_uniform_": ({"gain": 2.0}, -2 * math.sqrt(6 / (2 * N)), 2 * math.sqrt(6 / (2 * N))),
    "kaiming_uniform_": ({"nonlinearity": "relu"}, -math.sqrt(6 / N), math.sqrt(6 / N)),
}
NORMAL = {
    "normal_": ({"mean": 3.0, "std": 0.5}, 3.0, 0.5),
    "xavier_normal_": ({}, 0.0, math.sqrt(1 / N)),
    "kaiming_normal_": ({"a": 1.0}, 0.0, math.sqrt(1 / N)),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_distributions(name):
    options, low, high = UNIFORM[name]
    w = drawn(name, **options)
    assert low <= w.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < w.max() <= high
    assert w.var() == pytest.approx((high - low) ** 2 / 12, rel=0.03)


@pytest.mark.parametrize("name", NORMAL)
def test_normal_distributions(name):
    options, mean, std = NORMAL[name]
    w = drawn(name, **options)
    assert w.mean() == pytest.approx(mean, abs=5 * std / N)
    assert w.std() == pytest.approx(std, rel=0.02)
    assert (abs(w - mean) < 2 * std).mean() == pytest.approx(0.9545, abs=0.005)


def test_a_truncated_normal_stays_within():
    w = drawn("trunc_normal_", std=1.0, a=-1.0, b=0.5)
    assert w.min() >= -1
    assert w.max() <= 0.5
    with pytest.raises(errors.ArgumentError, match="hardly anything"):
        nn.init.trunc_normal_(Tensor([0.0]), a=9.0, b=10.0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal_rows_or_columns(shape):
    w = drawn("orthogonal_", shape, gain=2.0).reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    assert small == pytest.approx(4 * np.eye(len(small)), abs=1e-12)


def test_constants():
    w = Tensor(np.zeros((2, 3), "float32"))
    assert nn.init.constant_(w, 2.5).tolist() == [[2.5] * 3] * 2
    assert nn.init.ones_(w).tolist() == [[1.0] * 3] * 2
    assert nn.init.zeros_(w).tolist() == [[0.0] * 3] * 2
    assert nn.init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert w.dtype == np.float32


def test_gains_are_pytorchs():
    gains = {"tanh": 5 / 3, "relu": 2**0.5, "selu": 0.75, "linear": 1.0}
    for name, gain in gains.items():
        assert nn.init.calculate_gain(name) == pytest.approx(gain)
    assert nn.init.calculate_gain("leaky_relu", 0.5) == pytest.approx(math.sqrt(1.6))


def test_fan_out_counts_windows():
    w = drawn("kaiming_uniform_", (64, 4, 5, 5), mode="fan_out", nonlinearity="linear")
    bound = math.sqrt(3 / (64 * 25))
    assert 0.98 * bound < abs(w).max() <= bound


def test_the_default_stream_is_the_librarys():
    manual_seed(3)
    first = nn.init.normal_(Tensor(np.zeros(4))).tolist()
    manual_seed(3)
    assert nn.init.normal_(Tensor(np.zeros(4))).tolist() == first


def test_mistakes_are_answered():
    table = [
        (
            lambda: nn.init.xavier_normal_(Tensor([1.0])),
            "xavier_normal_: a Tensor of shape (1,) has no inputs and outputs. "
            "Pass a weight (out, in, ...).",
        ),
        (
            lambda: nn.init.kaiming_normal_(Tensor([[1.0]]), mode="fan"),
            "kaiming_normal_: mode is 'fan'. Pass 'fan_in' or 'fan_out'.",
        ),
    ]
    for call, message in table:
        with pytest.raises(errors.MicrogradxError) as caught:
            call()
        assert str(caught.value) == message
    with pytest.raises(errors.ArgumentError, match="no gain is known for 'gelu'"):
        nn.init.calculate_gain("gelu")
