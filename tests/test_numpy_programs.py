"""Ten programs as people write them with NumPy, run on Tensors: only the inputs are wrapped.

Nothing in the programs knows of microgradx. Their values on Tensors equal those on arrays, and
their gradients pass the checker.
"""

import numpy as np
import pytest

import microgradx as mg
from microgradx.testing import gradcheck

RNG = np.random.default_rng(0)


def kmeans_loss(centres, points):
    distance = np.sum((points[:, None, :] - centres[None, :, :]) ** 2, axis=-1)
    nearest = np.argmin(distance, axis=1)
    return np.mean(np.min(distance, axis=1)) + 0 * np.sum(centres[nearest])


def pca_by_power_iteration(data):
    centred = data - np.mean(data, axis=0)
    covariance = centred.T @ centred / (len(data) - 1)
    v = np.ones(data.shape[1])
    for _ in range(30):
        v = covariance @ v
        v = v / np.linalg.norm(v)
    return v @ covariance @ v


def kalman_filter(measurements, noise):
    x, p = np.zeros(2), np.eye(2)
    transition = np.array([[1.0, 0.1], [0.0, 1.0]])
    observe = np.array([[1.0, 0.0]])
    log_likelihood = 0.0
    for z in measurements:
        x = transition @ x
        p = transition @ p @ transition.T + 0.01 * np.eye(2)
        s = observe @ p @ observe.T + noise**2
        gain = p @ observe.T @ np.linalg.inv(s)
        residual = z - observe @ x
        x = x + gain @ residual
        p = (np.eye(2) - gain @ observe) @ p
        log_likelihood -= 0.5 * np.sum(residual**2 / s[0] + np.log(2 * np.pi * s[0]))
    return log_likelihood


def runge_kutta_pendulum(start, damping):
    def slope(y):
        return np.stack([y[1], -np.sin(y[0]) - damping * y[1]])

    y, h = start, 0.1
    path = [y]
    for _ in range(20):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        path.append(y)
    return np.stack(path)[:, 0]


def gaussian_process_likelihood(scales, x, y):
    length, amplitude, noise = np.exp(scales)
    gap = x[:, None] - x[None, :]
    kernel = amplitude**2 * np.exp(-0.5 * gap**2 / length**2) + noise**2 * np.eye(len(x))
    lower = np.linalg.cholesky(kernel)
    alpha = np.linalg.solve(lower.T, np.linalg.solve(lower, y))
    return (
        -0.5 * np.dot(y, alpha) - np.sum(np.log(np.diag(lower))) - 0.5 * len(x) * np.log(2 * np.pi)
    )


def two_layer_net(w1, b1, w2, b2, x, labels):
    hidden = np.maximum(x @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    scores = scores - np.max(scores, axis=1, keepdims=True)
    log_probability = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(log_probability[np.arange(len(labels)), labels]) + 0.01 * np.sum(w1**2)


def pagerank(weights):
    transition = np.exp(weights)
    transition /= np.sum(transition, axis=0, keepdims=True)
    n = len(weights)
    rank = np.full(n, 1 / n)
    for _ in range(50):
        rank = 0.85 * transition @ rank + 0.15 / n
    return np.sum(rank * np.log(rank))


def image_blur(image, sigma):
    offsets = np.arange(-2, 3)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = np.pad(image, 2, mode="reflect")
    rows = np.zeros_like(padded)
    for k, w in zip(offsets, kernel, strict=True):
        rows += w * np.roll(padded, k, axis=0)
    blurred = sum(w * np.roll(rows, k, axis=1) for k, w in zip(offsets, kernel, strict=True))
    return np.sqrt(np.mean((blurred[2:-2, 2:-2] - image) ** 2))


def option_price(spot, strike, years, rate, volatility):
    ndtr = pytest.importorskip("scipy.special").ndtr

    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / (
        volatility * np.sqrt(years)
    )
    d2 = d1 - volatility * np.sqrt(years)
    return spot * ndtr(d1) - strike * np.exp(-rate * years) * ndtr(d2)


def logistic_growth_fit(parameters, times, counts):
    capacity, rate, midpoint = parameters
    predicted = capacity / (1 + np.exp(-rate * (times - midpoint)))
    residual = counts - predicted
    return np.where(np.abs(residual) < 1, 0.5 * residual**2, np.abs(residual) - 0.5).sum()


POINTS = np.sort(RNG.uniform(-2, 2, 8))
PROGRAMS = [
    (kmeans_loss, (RNG.standard_normal((3, 2)), RNG.standard_normal((20, 2)))),
    (pca_by_power_iteration, (RNG.standard_normal((12, 3)) * [3.0, 1.0, 0.3],)),
    (kalman_filter, (RNG.standard_normal(6), np.array(0.5))),
    (runge_kutta_pendulum, (np.array([1.0, 0.0]), np.array(0.2))),
    (gaussian_process_likelihood, (np.array([0.0, 0.3, -1.0]), POINTS, np.sin(POINTS))),
    (two_layer_net, (RNG.standard_normal((4, 5)), RNG.standard_normal(5), RNG.standard_normal((5, 3)), np.zeros(3), RNG.standard_normal((6, 4)), np.array([0, 1, 2, 2, 1, 0]))),
    (pagerank, (RNG.standard_normal((5, 5)),)),
    (image_blur, (RNG.standard_normal((6, 7)), np.array(1.2))),
    (option_price, tuple(np.array(v) for v in (100.0, 95.0, 0.5, 0.03, 0.25))),
    (logistic_growth_fit, (np.array([10.0, 0.8, 4.0]), np.arange(9.0), RNG.uniform(0, 10, 9))),
]  # fmt: skip


@pytest.mark.parametrize(("program", "inputs"), PROGRAMS, ids=[p.__name__ for p, _ in PROGRAMS])
def test_program_runs_unchanged_with_exact_gradients(program, inputs):
    wrapped = [mg.Tensor(a) for a in inputs]
    z = program(*wrapped)
    assert type(z) is mg.Tensor
    np.testing.assert_allclose(z.data, program(*inputs), rtol=1e-12)
    gradcheck(program, *inputs)


def test_greeks_of_an_option_are_the_textbooks():
    """Delta is N(d1), gamma is N'(d1) / (S v sqrt(T)): first and second derivatives by the spot."""
    scipy_special = pytest.importorskip("scipy.special")
    spot, strike, years, rate, volatility = 100.0, 95.0, 0.5, 0.03, 0.25

    def price(s):
        return option_price(s, strike, years, rate, volatility)

    s = mg.Tensor(spot)
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / (
        volatility * np.sqrt(years)
    )
    delta = mg.grad(price)(s)
    gamma = mg.grad(mg.grad(price))(s)
    assert delta.item() == pytest.approx(scipy_special.ndtr(d1), rel=1e-12)
    bell = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi)
    assert gamma.item() == pytest.approx(bell / (spot * volatility * np.sqrt(years)), rel=1e-12)
