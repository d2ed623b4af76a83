"""grad, vjp, jvp, jacobian, hessian, hvp: closed forms, nesting, containers."""

import math
from collections import namedtuple

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, Value

pytestmark = pytest.mark.quick

X = np.array([0.5, -1.0, 2.0])


def test_sine_to_any_order():
    f = mg.sin
    expected = [math.cos, lambda x: -math.sin(x), lambda x: -math.cos(x), math.sin, math.cos]
    for g in expected:
        f = mg.grad(f)
        assert f(0.7) == pytest.approx(g(0.7), rel=1e-13)


def test_kinds_go_in_and_come_out():
    f = lambda x: (x * x * x).sum() if hasattr(x, "sum") else x * x * x  # noqa: E731
    assert isinstance(mg.grad(f)(2), float)
    assert isinstance(mg.grad(f)(X), np.ndarray)
    assert isinstance(mg.grad(f)(Value(2.0)), Value)
    assert isinstance(mg.grad(f)(Tensor(X)), Tensor)
    assert mg.grad(f)(X.astype("f4")).dtype == np.float32


def test_gradients_leave_no_trace_on_what_a_function_closes_over():
    w = Tensor([1.0, 2.0])
    mg.grad(lambda x: (x * w).sum())(np.ones(2))
    assert w.grad is None


def test_perturbations_are_not_confused():
    # d/dx [ x * d/dy (x + y) ] at 5 = 1: the two derivatives must not be mixed up
    assert mg.grad(lambda x: x * mg.grad(lambda y: x + y)(1.0))(5.0) == 1.0
    assert mg.grad(lambda x: mg.grad(lambda y: x * y)(x))(3.0) == 1.0
    assert mg.grad(lambda x: mg.grad(lambda y: x * y * y)(x))(3.0) == 12.0
    assert mg.grad(lambda x: mg.jvp(lambda y: x * y, (1.0,), (1.0,))[1])(5.0) == 1.0


def test_containers():
    Point = namedtuple("Point", "x y")  # noqa: PYI024
    f = lambda p, q: p["a"][0] * p["a"][1] + q.x * q.y * p["b"]  # noqa: E731
    dp, dq = mg.grad(f, argnums=(0, 1))({"a": [2.0, 3.0], "b": 4.0}, Point(5.0, 6.0))
    assert dp == {"a": [3.0, 2.0], "b": 30.0}
    assert dq == Point(24.0, 20.0)


def test_value_and_grad_and_aux():
    assert mg.value_and_grad(lambda x: x**2)(3.0) == (9.0, 6.0)
    assert mg.grad(lambda x: (x**2, "note"), has_aux=True)(3.0) == (6.0, "note")
    assert mg.value_and_grad(lambda x: (x**2, "note"), has_aux=True)(3.0) == ((9.0, "note"), 6.0)
    assert mg.grad(lambda x: 7.0)(3.0) == 0.0


def test_vjp_can_be_pulled_many_times():
    out, pullback = mg.vjp(lambda x, y: (x * y, x + y), X, 2.0)
    np.testing.assert_array_equal(out[0], 2 * X)
    for c in (np.ones(3), X):
        dx, dy = pullback((c, c))
        np.testing.assert_allclose(dx, 3 * c)
        assert dy == pytest.approx((c * X).sum() + c.sum())


def test_jacobian_of_arrays_and_values():
    J = mg.jacobian(lambda x: x * x.sum())(X)
    np.testing.assert_allclose(J, np.outer(X, np.ones(3)) + np.eye(3) * X.sum())
    rows = mg.jacobian(lambda v: [v[0] * v[1], v[0] ** 2])([3.0, 4.0])
    assert rows == [[4.0, 3.0], [6.0, 0.0]]
    assert mg.jacobian(lambda x: x.reshape(3, 1) * np.ones(2))(X).shape == (3, 2, 3)


def test_hessian_and_hvp_agree():
    f = lambda x: (x.softmax() * x * x).sum() + (x @ np.diag([1.0, 2, 3]) @ x)  # noqa: E731
    H = mg.hessian(f)(X)
    np.testing.assert_allclose(H, H.T, atol=1e-14)
    for t in np.eye(3):
        np.testing.assert_allclose(mg.hvp(f, X, t), H @ t, atol=1e-13)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * x / (x + 5) - x,
        lambda x: (x.tanh() * 3 + x.exp() + 4).sqrt(),
        lambda x: mg.stack([x, x * x]).logsumexp(axis=0),
        lambda x: x.softmax().log_softmax(),
        lambda x: x[[0, 0, 2]] * x.max() + x.min(),
        lambda x: mg.concatenate([x, x.reshape(3, 1).T.squeeze(0)]) ** 2,
        lambda x: x.reshape(3, 1) @ x.reshape(1, 3) @ np.ones((3, 2)),
        lambda x: x.std() + x.var() + mg.norm(x) + x.prod(),
        lambda x: mg.where(x > 0, x**3, -x).relu() + abs(x),
        lambda x: mg.clip(x, -0.7, 1.5) * mg.maximum(x, 0.1),
    ],
)
def test_jvp_is_the_adjoint_of_vjp(f):
    t = np.array([0.3, -0.2, 0.9])
    out, pushed = mg.jvp(f, (X,), (t,))
    c = np.cos(np.arange(out.size)).reshape(out.shape)
    _, pullback = mg.vjp(f, X)
    assert (pushed * c).sum() == pytest.approx((pullback(c)[0] * t).sum(), rel=1e-12)


def test_jvp_over_values_and_structures():
    out, t = mg.jvp(lambda p: {"s": mg.sum(p), "d": mg.dot(p, p)}, ([1.0, 2.0],), ([1.0, 0.5],))
    assert (out, t) == ({"s": 3.0, "d": 5.0}, {"s": 1.5, "d": 4.0})


def test_forward_over_reverse_and_reverse_over_forward():
    f = lambda x: (x.sin() * x).sum()  # noqa: E731
    t = np.array([1.0, 0.0, -1.0])
    expected = (2 * np.cos(X) - X * np.sin(X)) * t
    np.testing.assert_allclose(mg.jvp(mg.grad(f), (X,), (t,))[1], expected)
    np.testing.assert_allclose(mg.grad(lambda x: mg.jvp(f, (x,), (t,))[1])(X), expected)


def test_transforms_work_inside_no_grad():
    with mg.no_grad():
        assert mg.grad(lambda x: x**2)(3.0) == 6.0


def test_third_derivatives_of_a_network():
    rng = np.random.default_rng(0)
    W = rng.normal(size=(3, 3))
    f = lambda s: ((Tensor(X, requires_grad=False) * s) @ W).tanh().sum()  # noqa: E731
    third = mg.grad(mg.grad(mg.grad(f)))(np.array(0.3))
    h = 1e-4
    second = mg.grad(mg.grad(f))
    assert third == pytest.approx(
        (second(np.array(0.3 + h)) - second(np.array(0.3 - h))) / (2 * h), rel=1e-6
    )
