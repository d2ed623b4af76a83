"""docs/numerics.md runs; and no gradient is nan where the true one is finite."""

import doctest
import math
from pathlib import Path

import numpy as np
import pytest

import microgradx as mg

PAGE = Path(__file__).parents[1] / "docs" / "numerics.md"


def test_the_page_runs_and_prints_what_it_says():
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    text = PAGE.read_text(encoding="utf-8").replace("```", "")  # a fence is no part of an answer
    examples = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    found = doctest.DocTestRunner(optionflags=flags).run(examples)
    assert found.attempted > 30
    assert found.failed == 0


MASKED = {
    "log": lambda x: mg.where(x > 0, mg.log(x), 0.0),
    "sqrt": lambda x: mg.where(x > 0, mg.sqrt(x), 0.0),
    "division": lambda x: mg.where(x == 0, 1.0, mg.sin(x) / x),
    "power": lambda x: mg.where(x > 0, x**-0.5, 0.0),
    "arcsin": lambda x: mg.where(abs(x) < 1, mg.arcsin(x), 0.0),
    "exp": lambda x: mg.where(x < 100, mg.exp(x), 0.0),
    "log1p": lambda x: mg.where(x > -1, mg.log1p(x), 0.0),
    "reciprocal": lambda x: mg.where(x == 0, 0.0, mg.reciprocal(x)),
    "log2 by a mask": lambda x: mg.log2(abs(x) + (x == 0)) * (x != 0),
    "select": lambda x: mg.select([x > 0], [mg.log(x)], 0.0),
    "nan_to_num": lambda x: mg.nan_to_num(mg.log(x), nan=0.0, neginf=0.0),
    "picked": lambda x: mg.log(x)[np.array([3, 4])],
    "norm": lambda x: mg.linalg.norm(x * 0.0),
    "norm of a masked row": lambda x: mg.linalg.norm(mg.where(x > 5e4, x, 0.0)),
    "std of equals": lambda x: mg.std(x * 0.0 + 3.0),
    "p-norm": lambda x: mg.linalg.norm(x * 0.0, 3),
    "hypot": lambda x: mg.hypot(x * 0.0, x * 0.0),
    "arctan2": lambda x: mg.arctan2(x * 0.0, x * 0.0),
    "xlogy": lambda x: mg.special.xlogy(x * 0.0, x * 0.0),
    "entr": lambda x: mg.special.entr(mg.maximum(x, 0.0) * 0.0),
    "softmax of -inf": lambda x: mg.softmax(mg.where(x > 0, x, -np.inf)),
    "logsumexp of -inf": lambda x: mg.logsumexp(mg.where(x > 0, x, -np.inf)),
}


@pytest.mark.parametrize("name", MASKED)
def test_a_branch_not_taken_leaks_no_nan(name):
    x = mg.Tensor([-2.0, -1.0, 0.0, 0.5, 1.0, 800.0])
    with np.errstate(all="ignore"):
        z = MASKED[name](x)
        z.sum().backward()
    assert np.isfinite(z.data).all()
    assert np.isfinite(x.grad).all()


def test_ieee_zeros_brings_the_nan_back():
    x = mg.Tensor([0.0])
    with np.errstate(all="ignore"), mg.ieee_zeros():
        mg.where(x > 0, mg.log(x), 0.0).sum().backward()
    assert np.isnan(x.grad).all()


# function, where, its derivative there in closed form
FAR = [
    (mg.softplus, 1e30, 1.0), (mg.softplus, -1e30, 0.0), (mg.log_sigmoid, -1e30, 1.0), (mg.log_sigmoid, 1e30, 0.0),
    (mg.tanh, 1e30, 0.0), (mg.sigmoid, -1e30, 0.0), (mg.log1p, 1e30, 1e-30), (mg.log1p, 1e-300, 1.0), (mg.expm1, 1e-300, 1.0),
    (mg.log, 1e30, 1e-30), (mg.log, 1e-300, 1e300), (mg.sqrt, 1e30, 0.5e-15), (mg.arctan, 1e30, 1e-60), (mg.arcsinh, 1e30, 1e-30), (mg.arcsinh, -1e-310, 1.0),
    (mg.erf, 1e30, 0.0), (mg.erfc, -1e30, 0.0), (mg.square, 1e30, 2e30), (mg.abs, -5e-324, -1.0), (mg.cbrt, 1e30, 1 / 3e20), (mg.reciprocal, 1e30, -1e-60),
    (lambda x: mg.hypot(x, 1.0), 1e200, 1.0), (lambda x: mg.hypot(x, 0.0), 5e-324, 1.0), (lambda x: mg.arctan2(x, 1e200), 1e200, 0.5e-200), (lambda x: mg.arctan2(x, x * 2), 1e-200, 0.0),
    (lambda x: mg.logaddexp(x, 0.0), 1e30, 1.0), (lambda x: mg.logaddexp(x, 0.0), -1e30, 0.0), (lambda x: mg.logaddexp(x, x), 1e300, 1.0),
    (lambda x: mg.logsumexp(mg.stack([x, x])), 1e30, 1.0), (lambda x: mg.softmax(mg.stack([x, x * 0]))[0], 1e30, 0.0), (lambda x: mg.log_softmax(mg.stack([x, x * 0]), 0)[1], 1e30, -1.0),
    (lambda x: mg.norm(mg.stack([x, x])), 1e300, 2**0.5), (lambda x: mg.norm(mg.stack([x, x])), 1e-305, 2**0.5), (lambda x: mg.special.ndtr(x), -1e30, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("function", "at", "expected"), FAR)
def test_gradients_far_out_and_among_the_subnormals(function, at, expected):
    x = mg.Tensor(at)
    function(x).backward()
    assert x.grad == pytest.approx(expected, rel=1e-14, abs=1e-30 * abs(expected))


@pytest.mark.parametrize("at", [1e30, -1e30, 2e-38])
def test_norms_and_angles_in_single_precision(at):
    x = mg.Tensor(np.full(2, at, np.float32))
    mg.norm(x).backward()
    np.testing.assert_allclose(np.abs(x.grad), 0.5**0.5, rtol=1e-6)
    y = mg.Tensor(np.float32(at))
    mg.arctan2(y, np.float32(abs(at))).backward()
    assert y.grad == pytest.approx(0.5 / abs(at), rel=1e-6)


def test_variance_survives_a_large_offset():
    noise = np.random.default_rng(0).standard_normal(1000)
    x = mg.Tensor(noise + 1e9)
    v = mg.var(x)
    assert v.item() == pytest.approx(np.var(noise), rel=1e-6)
    v.backward()
    np.testing.assert_allclose(x.grad, 2 * (noise - noise.mean()) / 1000, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_products_with_zeros_have_exact_gradients_and_hessians(zeros):
    a = np.array([2.0, -3.0, 0.5, 4.0])
    a[:zeros] = 0.0
    slopes = [np.prod(np.delete(a, i)) for i in range(4)]
    bends = [[0.0 if i == j else np.prod(np.delete(a, [i, j])) for j in range(4)] for i in range(4)]
    np.testing.assert_allclose(mg.grad(mg.prod)(a), slopes)
    np.testing.assert_allclose(mg.hessian(mg.prod)(a), bends)


def test_sinc_and_its_derivatives_near_zero():
    def taylor(x):  # of sin(pi x) / (pi x): 1 - (pi x)^2 / 6 + (pi x)^4 / 120
        return -(np.pi**2) * x / 3 + np.pi**4 * x**3 / 30

    for x in (0.0, 1e-8, 1e-3):
        assert mg.grad(lambda t: mg.sinc(t))(np.array(x)) == pytest.approx(taylor(x), rel=1e-6)
    assert mg.grad(mg.grad(mg.sinc))(np.array(0.0)) == pytest.approx(-(np.pi**2) / 3, rel=1e-14)


def test_the_determinant_of_a_singular_matrix_has_its_gradient():
    a = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]])
    cofactors = np.array(
        [
            [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)]
            for i in range(3)
        ]
    )
    np.testing.assert_allclose(mg.grad(mg.linalg.det)(a), cofactors, atol=1e-12)


def test_erf_is_as_exact_as_the_standard_librarys():
    x = np.concatenate([np.linspace(-6, 27, 20_001), np.logspace(-300, 0, 301)])
    for ours, theirs, ulps in ((mg.erf, math.erf, 4), (mg.erfc, math.erfc, 8)):
        expected = np.array([theirs(v) for v in x])
        error = np.abs(ours(x).data - expected) / np.spacing(np.maximum(np.abs(expected), 1e-300))
        assert error.max() <= ulps


def test_conventions_at_zero():
    x = mg.Tensor([0.0])
    mg.maximum(x, 0.0).backward([1.0])
    mg.relu(x).backward([1.0])
    assert x.grad == 0.5
    np.testing.assert_array_equal(mg.hessian(mg.norm)(np.zeros(2)), np.zeros((2, 2)))
