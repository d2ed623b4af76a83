"""Numerical derivatives against the truth: mpmath at 60 digits, closed forms, exact kinks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import mpmath
import numpy as np
import pytest

from microgradx.errors import DTypeError, ShapeError
from microgradx.testing.ladder import Status, curvature, ladder, replicated_ladder
from microgradx.testing.numerical import (
    numerical_derivative,
    numerical_hvp,
    numerical_jacobian,
    numerical_jvp,
    numerical_vjp,
    power_of_two,
)

if TYPE_CHECKING:
    from collections.abc import Callable

POINTS = 60


class Row(NamedTuple):
    """A function, its exact twin and where to look."""

    name: str
    function: Callable
    exact: Callable
    points: np.ndarray


def table(seed: int = 0) -> list[Row]:  # a list of one-liners
    """NumPy functions, the same for mpmath, and sixty points each; together 16 decades.

    The hard cases are here on purpose: cancellation, poles, oscillation, offsets and edges of the
    domain. Another seed gives other points.
    """
    rng = np.random.default_rng(seed)

    def between(low, high):
        return rng.uniform(low, high, POINTS)

    def decades(low, high):
        return 10.0 ** rng.uniform(low, high, POINTS)

    def signed(low, high):
        return decades(low, high) * rng.choice([-1.0, 1.0], POINTS)

    mp = mpmath
    f64 = mp.mpf

    def normalised(x):
        row = np.array([x, 0.25, -1.125])
        return ((row - row.mean()) / np.sqrt(row.var() + 2.0**-16))[0]

    def normalised_exact(x):
        row = [x, f64(0.25), f64(-1.125)]
        mean = sum(row) / 3
        spread = sum((r - mean) ** 2 for r in row) / 3 + f64(2) ** -16
        return (x - mean) / mp.sqrt(spread)

    def logsum(x):
        return np.logaddexp(np.logaddexp(x, 1.0), -2.0)

    def logsum_exact(x):
        return mp.log(mp.exp(x) + mp.e + mp.exp(-2))

    def sigmoid(x):
        return 0.5 * (1 + np.tanh(x / 2)) if x > 0 else np.exp(x) / (1 + np.exp(x))

    def normal_cdf(x):
        return math.erfc(-x / math.sqrt(2)) / 2

    def septic(x):
        return ((((((x - 7) * x + 21) * x - 35) * x + 35) * x - 21) * x + 7) * x - 1

    rows = [
        ("sin", np.sin, mp.sin, signed(-6, 3)),
        ("cos", np.cos, mp.cos, signed(-3, 2)),
        ("tan", np.tan, mp.tan, np.pi / 2 - decades(-5, 0.17)),
        ("arctan", np.arctan, mp.atan, signed(-4, 4)),
        ("arcsin", np.arcsin, mp.asin, 1 - decades(-6, 0)),
        ("exp", np.exp, mp.exp, between(-50, 50)),
        ("expm1", np.expm1, mp.expm1, signed(-6, 1)),
        ("log", np.log, mp.log, decades(-8, 8)),
        ("log1p", np.log1p, mp.log1p, decades(-8, 8)),
        ("sqrt", np.sqrt, mp.sqrt, decades(-8, 8)),
        ("cbrt", np.cbrt, mp.cbrt, decades(-8, 8)),
        ("cube", lambda x: x**3, lambda x: x**3, signed(-4, 4)),
        ("reciprocal", lambda x: 1 / x, lambda x: 1 / x, signed(-6, 6)),
        ("x**-2.5", lambda x: x**-2.5, lambda x: x ** f64(-2.5), decades(-3, 3)),
        ("x**x", lambda x: x**x, lambda x: x**x, decades(-3, 1.3)),
        ("x log x", lambda x: x * np.log(x), lambda x: x * mp.log(x), decades(-6, 6)),
        ("sinh", np.sinh, mp.sinh, between(-20, 20)),
        ("tanh", np.tanh, mp.tanh, between(-15, 15)),
        ("sigmoid", sigmoid, lambda x: 1 / (1 + mp.exp(-x)), between(-30, 30)),
        ("softplus", lambda x: np.logaddexp(0, x), lambda x: mp.log1p(mp.exp(x)), between(-30, 30)),
        (
            "log sigmoid",
            lambda x: -np.logaddexp(0, -x),
            lambda x: -mp.log1p(mp.exp(-x)),
            between(-30, 30),
        ),
        ("gelu", lambda x: x * normal_cdf(x), lambda x: x * mp.ncdf(x), between(-5, 8)),
        ("erf", math.erf, mp.erf, signed(-4, 0.7)),
        ("gauss", lambda x: np.exp(-x * x), lambda x: mp.exp(-x * x), between(-5, 5)),
        ("logsumexp", logsum, logsum_exact, between(-30, 30)),
        (
            "softmax",
            lambda x: np.exp(x - logsum(x)),
            lambda x: mp.exp(x - logsum_exact(x)),
            between(-20, 20),
        ),
        ("layer norm", normalised, normalised_exact, between(-10, 10)),
        ("sin(1/x)", lambda x: np.sin(1 / x), lambda x: mp.sin(1 / x), decades(-2, 0)),
        ("sin(100x)", lambda x: np.sin(100 * x), lambda x: mp.sin(100 * x), between(-10, 10)),
        (
            "(1-cos x)/x**2",
            lambda x: (1 - np.cos(x)) / x**2,
            lambda x: (1 - mp.cos(x)) / x**2,
            decades(-4, 1),
        ),
        ("(x-1)**7 expanded", septic, lambda x: (x - 1) ** 7, between(0, 2)),
        ("linear", lambda x: 3 * x + 2, lambda x: 3 * x + 2, signed(-6, 6)),
        ("1e6 + sin", lambda x: 1e6 + np.sin(x), lambda x: 1e6 + mp.sin(x), between(-5, 5)),
        ("relu off 0", lambda x: np.maximum(x, 0.0), lambda x: max(x, f64(0)), signed(-6, 3)),
    ]
    return [Row(*row) for row in rows]


def true_derivative(exact: Callable, x: float) -> float:
    """Differentiate with mpmath at 60 digits, by a step twenty orders below the point."""
    with mpmath.workdps(60):
        point = mpmath.mpf(float(x))
        return float(mpmath.diff(exact, point, h=abs(point) * mpmath.mpf(10) ** -20))


def along(function: Callable, x: float) -> Callable:
    """``phi(t) = function(x + t * scale)``, with the power of two just below x as the scale."""
    x = np.float64(x)
    scale = float(power_of_two(x))
    return lambda t: np.atleast_1d(np.asarray(function(x + t * scale), float))


def judge(replicates: int, seed: int) -> dict[str, float]:
    """Run the whole table; what part of the truth the bounds cover, and at what cost."""
    covered, points, bounds, calls = 0, 0, [], []
    for row in table(seed):
        for x in row.points.tolist():
            scale = float(power_of_two(x))
            found = replicated_ladder(along(row.function, x), replicates)
            truth = true_derivative(row.exact, x) * scale
            low, high = found.interval()
            # A kink claims an interval; where nothing is claimed the error is infinite.
            wrong = truth < low[0] or truth > high[0]
            covered += not wrong
            points += 1
            calls.append(found.evaluations)
            if truth and np.isfinite(found.error[0]):
                bounds.append(found.error[0] / abs(truth))
    return {
        "functions": len(table(seed)),
        "points": points,
        "coverage": covered / points,
        "claimed": len(bounds) / points,
        "median bound": float(np.median(bounds)),
        "evaluations": float(np.mean(calls)),
    }


def test_one_ladder_covers_the_truth():
    result = judge(replicates=1, seed=0)
    assert result["functions"] >= 31
    assert result["coverage"] >= 0.995, result
    assert result["median bound"] <= 1e-11, result
    assert result["evaluations"] <= 16, result
    assert result["claimed"] >= 0.95, result  # claiming nothing would cover everything


@pytest.mark.slow
def test_three_replicates_cover_all_of_the_truth():
    result = judge(replicates=3, seed=0)
    assert result["coverage"] == 1, result
    assert result["claimed"] >= 0.95, result


def test_float32_functions_are_judged_by_their_own_precision():
    x = np.linspace(0.25, 5.0, 400, dtype=np.float32)
    found = numerical_derivative(np.sin, x, replicates=3)
    miss = np.abs(found.value - np.cos(x.astype(float)))
    assert np.all(miss <= found.error)
    assert 1e-7 < np.median(found.error) < 1e-3


def near_kinks(each: int, seed: int = 1):
    """Functions with a kink 1e-15 to 1 away from where they are differentiated."""
    rng = np.random.default_rng(seed)
    for decade in range(-15, 0):
        for _ in range(each):
            distance = 10.0 ** (decade + rng.uniform()) * rng.choice([-1, 1])
            a, b, c = rng.normal(size=3)

            def phi(t, at=distance, a=a, b=b, c=c):
                bend = (a if t > at else b) * (t - at)
                return np.array([bend + math.sin(c * t + 1.0)])

            yield distance, phi, (a if distance < 0 else b) + c * math.cos(1.0)


def test_no_wrong_claim_near_a_kink():
    wrong, resolved, flagged = [], [], []
    for distance, phi, truth in near_kinks(each=300):
        found = ladder(phi)
        low, high = found.interval()
        if truth < low[0] or truth > high[0]:
            wrong.append((distance, truth, found))
        if abs(distance) > 1e-4:
            resolved.append(found.status[0] == Status.SMOOTH and found.error[0] < 1e-6)
        if abs(distance) < 1e-6:
            flagged.append(found.status[0] == Status.KINK)
    assert not wrong
    assert all(resolved)
    assert all(flagged)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("function", "left", "right"),
    [
        (lambda x: max(x, 0.0), 0, 1),
        (abs, -1, 1),
        (lambda x: max(3 * x, -x / 2), -0.5, 3),
        (lambda x: x if x > 0 else 0.01 * x, 0.01, 1),
        (lambda x: math.exp(x) * max(math.sin(x), 0.0), 0, 1),
        (lambda x: math.cos(x) + x + 1e-6 * max(x, 0.0), 1, 1 + 1e-6),
    ],
    ids=["relu", "abs", "max", "leaky relu", "exp times relu", "a jump of 1e-6"],
)
def test_one_sided_derivatives_at_an_exact_kink(function, left, right):
    found = numerical_derivative(function, 0.0, replicates=2)
    assert found.status == Status.KINK
    assert abs(found.left - left) <= found.left_error < 1e-8
    assert abs(found.right - right) <= found.right_error < 1e-8


@pytest.mark.parametrize(
    ("function", "x"),
    [(np.log, 0.0), (np.sqrt, 0.0), (lambda x: 1 / x, 0.0), (np.arccos, 1.0), (np.log, -1.0)],
)
def test_the_edge_of_a_domain_is_reported_and_nothing_claimed(function, x):
    with np.errstate(all="ignore"):
        found = numerical_derivative(function, x)
    assert found.status == Status.EDGE
    assert found.error == np.inf


@pytest.mark.parametrize("function", [np.floor, np.sign, np.cbrt], ids=lambda f: f.__name__)
def test_a_jump_or_a_vertical_tangent_claims_nothing(function):
    found = numerical_derivative(function, 0.0)
    assert int(found.status) in {Status.UNKNOWN, Status.EDGE}
    assert found.error == np.inf


@pytest.mark.parametrize(
    "function",
    [lambda x: 5.0 if x == 0 else math.sin(x), lambda x: math.sqrt(abs(x))],
    ids=["an isolated value", "a cusp"],
)
def test_a_symmetric_quotient_alone_is_no_derivative(function):
    found = numerical_derivative(function, 0.0)
    assert found.status == Status.UNKNOWN
    assert found.error == np.inf


def test_false_kinks_on_smooth_functions_are_rare():
    kinks = sum(
        int(ladder(along(row.function, x)).status[0] == Status.KINK)
        for row in table(seed=3)
        for x in row.points.tolist()
    )
    assert kinks <= 0.003 * 60 * len(table())


def test_each_element_is_judged_on_its_own():
    x = np.array([-1.0, 0.0, 2.0])
    found = numerical_derivative(np.abs, x)
    assert found.status.tolist() == [Status.SMOOTH, Status.KINK, Status.SMOOTH]
    np.testing.assert_allclose(found.value[[0, 2]], [-1, 1], atol=1e-12)


def test_an_elementwise_call_refuses_a_function_that_mixes():
    with pytest.raises(ShapeError, match=r"^numerical_derivative: f maps shape \(2,\) to shape"):
        numerical_derivative(np.sum, np.ones(2))


def test_half_precision_is_refused():
    with pytest.raises(DTypeError, match="float16 is not float32 or float64"):
        numerical_derivative(np.sin, np.float16(1.0))


MATRIX = np.array([[2.0, -1.0, 0.5], [0.25, 3.0, 1.0]])


def test_jacobian_of_a_linear_map_is_its_matrix():
    (found,) = numerical_jacobian(lambda x: MATRIX @ x, [1.0, -2.0, 0.0])
    assert found.value.shape == (2, 3)
    assert np.all(np.abs(found.value - MATRIX) <= found.error)
    assert np.max(found.error) < 1e-11


def test_jacobians_of_two_inputs():
    x, y = np.array([1.0, 2.0]), np.array([[3.0], [4.0]])
    by_x, by_y = numerical_jacobian(lambda x, y: (x * y).sum(axis=1), x, y)
    np.testing.assert_allclose(by_x.value, [[3, 3], [4, 4]], rtol=1e-11)
    np.testing.assert_allclose(by_y.value, [[[3], [0]], [[0], [3]]], rtol=1e-11, atol=1e-11)


def test_vjp_is_the_cotangent_times_the_jacobian():
    v = np.array([0.5, -2.0])
    (found,) = numerical_vjp(lambda x: MATRIX @ np.exp(x), [[0.0, 1.0, -1.0]], v)
    truth = (v @ MATRIX) * np.exp([0.0, 1.0, -1.0])
    assert np.all(np.abs(found.value - truth) <= found.error)


def test_vjp_ignores_an_element_that_is_weighed_with_zero():
    (found,) = numerical_vjp(np.sqrt, [[0.0, 4.0]], [0.0, 1.0])
    np.testing.assert_allclose(found.value, [0, 0.25], atol=1e-12)
    assert found.smooth


def test_jvp_costs_the_same_for_any_size():
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    found = numerical_jvp(np.sin, [x], [np.ones(2000)])
    assert found.evaluations <= 41
    assert np.all(np.abs(found.value - np.cos(x)) <= found.error)


def test_jvp_refuses_a_tangent_of_another_shape():
    with pytest.raises(ShapeError, match=r"tangents of shapes \[\(3,\)\] for inputs"):
        numerical_jvp(np.sin, [np.ones(2)], [np.ones(3)])


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_hvp_of_rosenbrocks_valley():
    x, u = np.array([-1.25, 1.0]), np.array([1.0, -0.5])
    hessian = np.array([[1200 * x[0] ** 2 - 400 * x[1] + 2, -400 * x[0]], [-400 * x[0], 200]])
    found = numerical_hvp(rosenbrock, x, u)
    assert np.all(np.abs(found.value - hessian @ u) <= found.error)
    assert np.max(found.error / np.abs(hessian @ u)) < 1e-7


def test_hvp_from_a_trusted_gradient_is_tighter():
    def gradient(x):
        slope = x[1] - x[0] ** 2
        return np.array([-400 * x[0] * slope - 2 * (1 - x[0]), 200 * slope])

    x, u = np.array([-1.25, 1.0]), np.array([1.0, -0.5])
    plain, informed = (
        numerical_hvp(rosenbrock, x, u),
        numerical_hvp(rosenbrock, x, u, gradient=gradient),
    )
    assert informed.evaluations < plain.evaluations
    np.testing.assert_allclose(informed.value, plain.value, rtol=1e-7)


def test_curvature_covers_the_truth_of_the_table():
    wrong = []
    for name in ("sin", "exp", "log", "tanh", "gauss", "x log x", "softplus", "septic"):
        for row in table():
            if row.name == name:
                for x in row.points.tolist():
                    scale = float(power_of_two(x))
                    found = curvature(along(row.function, x))
                    with mpmath.workdps(60):
                        truth = float(mpmath.diff(row.exact, mpmath.mpf(x), 2)) * scale**2
                    if abs(found.value[0] - truth) > found.error[0]:
                        wrong.append((name, x, truth, found))
    assert len(wrong) <= 2, wrong
