"""A Value's backward pass at singular points follows IEEE 754, as a Tensor's does."""

import math

import numpy as np
import pytest

import microgradx as mg
from microgradx import engine
from microgradx.tensor import Tensor
from microgradx.transforms import grad
from microgradx.value import Value


@pytest.mark.parametrize(
    ("function", "x", "slope"),
    [
        (lambda x: 1 / x, 0.0, -math.inf),
        (lambda x: x.log(), 0.0, math.inf),
        (lambda x: x.sqrt(), 0.0, math.inf),
        (lambda x: x.acos(), 1.0, -math.inf),
        (lambda x: x.atanh(), 1.0, math.inf),
        (lambda x: x / (x * 0), 1.0, math.nan),
    ],
    ids=["1/x", "log", "sqrt", "acos", "atanh", "x/0"],
)
def test_a_singular_point_gives_inf_or_nan_instead_of_raising(function, x, slope):
    x = Value(x)
    function(x).backward()
    assert x.grad == slope or (math.isnan(slope) and math.isnan(x.grad))


def test_both_operands_of_a_division_by_zero_get_their_cotangent_once():
    x, y = Value(3.0), Value(0.0)
    (x / y).backward()
    assert (x.grad, y.grad) == (math.inf, -math.inf)


@pytest.mark.parametrize("x", [-math.inf, -1.0, 0.0, 2.0, math.inf])
def test_relu_of_an_infinite_value(x):
    assert Value(x).relu().data == max(x, 0.0)


@pytest.mark.parametrize("power", [0, 1, 2])
def test_second_derivatives_of_small_whole_powers_at_zero(power):
    second = grad(grad(lambda x: x**power))
    assert second(Value(0.0)).data == (2.0 if power == 2 else 0.0)


# ---- exact zeros through singularities, whoever sees them ----------------------------------------
def masked(x):
    """0 where x is 0, and a derivative that must be 0 there."""
    y = x * 1
    return y, mg.where(y > 0, (y.sqrt() * 2 + 1 / y).log(), 0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("size", [3, 5000])
def test_exact_zeros_stay_zeros_at_every_node(size):
    data = np.linspace(0.0, 2.0, size)
    x = Tensor(data)
    y, z = masked(x)
    z.sum().backward()
    at = data[1:]
    want = np.append(0, (at**-0.5 - at**-2) / (2 * at**0.5 + 1 / at))
    np.testing.assert_allclose(x.grad, want, rtol=1e-12)
    np.testing.assert_allclose(y.grad, want, rtol=1e-12)


def test_a_nan_that_no_leaf_would_show_is_not_seen_inside_either():
    x = Tensor([0.0, 4.0])
    inner = mg.concatenate([x[1:], Tensor([0.0], requires_grad=False)])
    z = mg.where(inner > 0, inner.sqrt(), 0)
    z.backward(np.ones(2))
    assert inner.grad.tolist() == [0.25, 0.0]
    assert x.grad.tolist() == [0.0, 0.25]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_true_infinity_is_kept():
    x, y = Tensor([0.0, 1.0]), Tensor([1.0, 0.0])
    (x.sqrt() / y).backward(np.ones(2))
    assert x.grad.tolist() == [np.inf, np.inf]
    assert y.grad.tolist() == [-0.0, -np.inf]


def test_a_function_of_the_user_runs_once_though_cotangents_are_spoilt_around_it():
    seen = []
    x = Tensor([0.0, 4.0])
    first = mg.where(x > 0, x.sqrt(), 0)
    mg.register_hook(first, lambda g: seen.append(g.copy()))
    again = mg.where(first > 0, first.sqrt(), 0)
    mg.register_hook(x, lambda g: seen.append(g.copy()))
    again.backward(np.ones(2))
    assert [g.tolist() for g in seen] == [[0.0, 0.5 / 2**0.5], [0.0, 0.125 / 2**0.5]]


def test_arrays_to_the_power_of_arrays_have_zero_derivatives_where_they_should():
    x, y = Tensor([0.0, 0.0, 2.0, 0.0]), Tensor([0.0, 2.0, 0.0, 1.0])
    (x**y).backward(np.ones(4))
    assert x.grad.tolist() == [0.0, 0.0, 0.0, 1.0]
    np.testing.assert_allclose(y.grad, [0.0, 0.0, math.log(2), 0.0])


def _random_graph(rng):
    """Operations that make inf and nan, that hide them, and that hand them on."""
    unary = [
        lambda a: a.sqrt(), lambda a: a.log(), lambda a: (a * 400).exp(), lambda a: 1 / a,
        lambda a: a**0.5, lambda a: a.relu(), lambda a: a[::-1], lambda a: a * a, lambda a: a.abs(),
        lambda a: mg.where(a > 0, a, 0), lambda a: a.clip(0, 2), lambda a: a.cumsum(),
        lambda a: mg.concatenate([a[:2], a[2:] * 0]), lambda a: a.sum() + a * 0,
    ]  # fmt: skip
    binary = [lambda a, b: a / b, lambda a, b: a * b, lambda a, b: a + b, lambda a, b: a**b,
              lambda a, b: mg.where(a > b, a, 0), mg.maximum]  # fmt: skip
    leaves = [Tensor(rng.choice([0.0, 0.0, 1.0, -1.0, 2.0], 4)) for _ in range(2)]
    nodes = list(leaves)
    for _ in range(rng.integers(3, 9)):
        a, b = (nodes[i] for i in rng.integers(0, len(nodes), 2))
        if rng.random() < 0.6:
            nodes.append(unary[rng.integers(len(unary))](a))
        else:
            nodes.append(binary[rng.integers(len(binary))](a, b))
    nodes[-1].backward(rng.choice([0.0, 1.0, -2.0], 4))
    return [n.grad for n in nodes]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(150))
def test_noticing_late_gives_the_same_gradients_everywhere(seed, monkeypatch):
    late = _random_graph(np.random.default_rng(seed))
    monkeypatch.setattr(engine, "SMALL_LEAVES", -1)
    careful = _random_graph(np.random.default_rng(seed))
    for a, b in zip(late, careful, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_second_derivatives_beside_a_singular_element_stay_right():
    """At 1 the slope of sqrt(x) log(x) has a cotangent log(1) = 0, whose own derivative is 1."""
    x = Tensor([0.0, 1.0, 2.0])
    first = mg.grad(lambda x: (mg.sqrt(x) * mg.log(x)).sum())
    (found,) = mg.vjp(first, x)[1](Tensor([0.0, 1.0, 1.0]))
    at = np.array([1.0, 2.0])
    np.testing.assert_allclose(found.numpy()[1:], -np.log(at) / (4 * at**1.5), atol=1e-15)


def test_second_derivatives_of_values_where_a_cotangent_is_zero():
    second = grad(grad(lambda x: x.sqrt() * x.log()))
    assert second(1.0) == pytest.approx(0.0, abs=1e-15)
    assert second(4.0) == pytest.approx(-math.log(4.0) / 32)
