"""linearize, jacfwd, checkpoint, custom_vjp, primitive, stop_gradient, hooks, autograd.grad."""

import numpy as np
import pytest

import microgradx as mg
from microgradx import square
from microgradx.errors import GraphError, PrimitiveError, ShapeError, UnsupportedError
from microgradx.primitive import PRIMITIVES
from microgradx.testing import check_primitive, gradcheck


# ---- forward mode -------------------------------------------------------------------------------
def two_outputs(p, x):
    return {"norm": (p["w"] * x).sum(), "rows": [p["w"] ** 2, x]}


def test_linearize_is_jvp_without_running_again():
    calls = []

    def f(x):
        calls.append(1)
        return mg.sin(x) * x

    a = np.array([0.5, 2.0])
    out, push = mg.linearize(f, a)
    for t in np.eye(2):
        np.testing.assert_array_equal(push(t), mg.jvp(f, (a,), (t,))[1])
    np.testing.assert_array_equal(out, np.sin(a) * a)
    assert len(calls) == 3  # once for linearize, twice for the two jvps


def test_linearize_takes_and_gives_trees():
    p, x = {"w": np.array([1.0, 2.0])}, np.array([3.0, 4.0])
    out, push = mg.linearize(two_outputs, p, x)
    moved = push({"w": np.array([1.0, 0.0])}, np.zeros(2))
    assert out["norm"] == 11.0
    assert moved["norm"] == 3.0
    np.testing.assert_array_equal(moved["rows"][0], [2, 0])
    with pytest.raises(ShapeError, match="directions"):
        push(p)


def test_linearize_can_be_differentiated():
    """d/dx of the derivative of x**3 in direction 1 is 6 x."""
    assert mg.grad(lambda x: mg.linearize(lambda y: y**3, x)[1](1.0))(2.0) == 12.0


@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
def test_jacfwd_equals_jacrev(argnums):
    p, x = {"w": np.array([1.0, 2.0])}, np.array([3.0, 4.0])
    forward = mg.jacfwd(two_outputs, argnums)(p, x)
    reverse = mg.jacrev(two_outputs, argnums)(p, x)
    np.testing.assert_equal(forward, reverse)


def test_jacfwd_of_reverse_is_the_hessian():
    def f(x):
        return (x**3).sum() + x[0] * x[1]

    a = np.array([1.0, 2.0])
    np.testing.assert_allclose(mg.jacfwd(mg.grad(f))(a), [[6, 1], [1, 12]])
    np.testing.assert_allclose(mg.hessian(f)(a), [[6, 1], [1, 12]])


# ---- checkpoint ---------------------------------------------------------------------------------
def test_checkpoint_gives_the_same_gradients_and_keeps_nothing():
    w = mg.Tensor(np.array([[0.5, -1.0], [2.0, 0.25]]))
    calls = []

    def block(h):
        calls.append(1)
        return mg.tanh(h @ w)

    x = mg.Tensor(np.array([[1.0, 2.0]]))
    plain = block(block(x)).sum()
    plain.backward()
    expected = x.grad.copy(), w.grad.copy()
    x.grad = w.grad = None
    calls.clear()
    z = mg.checkpoint(block)(mg.checkpoint(block)(x)).sum()
    assert len(calls) == 2
    assert z.data == plain.data
    z.backward()
    assert len(calls) == 4
    np.testing.assert_allclose(x.grad, expected[0], rtol=1e-15)
    np.testing.assert_allclose(w.grad, expected[1], rtol=1e-15)
    assert z.parents[0].op.name == "checkpoint"
    assert {p.op and p.op.name for p in z.parents[0].parents} <= {None, "checkpoint"}


def test_checkpoint_is_differentiable_twice_and_forward():
    def f(x):
        return (mg.checkpoint(lambda y: mg.sin(y) * y)(x) ** 2).sum()

    def plain(x):
        return ((mg.sin(x) * x) ** 2).sum()

    a = np.array([0.5, 1.5])
    np.testing.assert_allclose(mg.hessian(f)(a), mg.hessian(plain)(a), atol=1e-14)
    t = np.array([1.0, -2.0])
    assert mg.jvp(f, (a,), (t,))[1] == pytest.approx(float(mg.jvp(plain, (a,), (t,))[1]))


def test_checkpoint_repeats_random_numbers():
    x = mg.Tensor(np.ones(1000))

    def drop(h):
        return h * (mg.rand(1000, requires_grad=False) > 0.5)

    mg.manual_seed(0)
    z = mg.checkpoint(drop)(x)
    after = mg.rand(1).item()
    z.sum().backward()
    np.testing.assert_array_equal(x.grad, z.data)
    mg.manual_seed(0)
    mg.rand(1000)
    assert mg.rand(1).item() == after


def test_checkpoint_takes_trees_and_refuses_other_results():
    x = mg.Tensor([2.0])
    z = mg.checkpoint(lambda p, n: p["a"] * p["b"][0] * n)({"a": x, "b": [x]}, 3)
    z.backward()
    np.testing.assert_array_equal(x.grad, [12])
    with pytest.raises(UnsupportedError, match="returned a tuple"):
        mg.checkpoint(lambda x: (x, x))(x)


# ---- rules by hand ------------------------------------------------------------------------------
def make_cube():
    @mg.custom_vjp
    def cube(x, scale):
        return x**3 * scale

    cube.defvjp(lambda x, scale: (x**3 * scale, x), lambda x, g: (g * 3 * x * x, None))
    return cube


def test_custom_vjp_is_used_and_differentiable():
    cube = make_cube()
    x = mg.Tensor([2.0, 3.0])
    z = cube(x, 1.0)
    z.backward([1.0, 10.0])
    np.testing.assert_array_equal(x.grad, [12, 270])
    gradcheck(lambda x: cube(x, 1.0), np.array([1.5, -0.5]))
    gradcheck(lambda x: cube(x, 1.0), np.array([1.5, -0.5]), order=2)


def test_custom_vjp_may_disagree_with_the_function():
    straight = mg.custom_vjp(mg.sign)
    straight.defvjp(lambda x: (mg.sign(x), None), lambda kept, g: g)
    x = mg.Tensor([-2.0, 0.5])
    straight(x).backward([1.0, 2.0])
    np.testing.assert_array_equal(x.grad, [1, 2])


def test_custom_vjp_says_what_is_missing():
    f = mg.custom_vjp(lambda x: x)
    x = mg.Tensor([1.0, 2.0])
    with pytest.raises(UnsupportedError, match="defvjp"):
        f(x)
    f.defvjp(lambda x: (x, None), lambda kept, g: (g.sum(),))
    with pytest.raises(ShapeError, match="cotangent of shape"):
        f(x).backward([1.0, 1.0])
    with pytest.raises(UnsupportedError, match="Values"):
        f(mg.Value(1.0))


@pytest.fixture
def cubed():
    op = mg.primitive(
        lambda x: x * x * x, vjps=[lambda g, z, x: g * 3 * square(x)], name="my_cube", scalar=lambda x: x * x * x, sample=[(-3.0, 3.0)]
    )  # fmt: skip
    yield op
    for table in (PRIMITIVES, mg.primitive.ARRAY, mg.primitive.FLOAT):
        table.pop("my_cube", None)


def test_a_primitive_of_ones_own_works_everywhere(cubed):
    assert cubed(2.0) == 8.0
    a, x = mg.Value(2.0), mg.Tensor([1.0, 2.0])
    cubed(a).backward()
    cubed(x).backward([1.0, 1.0])
    assert a.grad == 12.0
    np.testing.assert_array_equal(x.grad, [3, 12])
    assert mg.grad(mg.grad(cubed))(2.0) == 12.0
    assert check_primitive(cubed, examples=5) >= 50


def test_a_rule_that_calls_no_primitive_is_refused_and_leaves_no_row():
    with pytest.raises(PrimitiveError, match="cosx"):
        mg.primitive(np.sin, vjps=[lambda g, z, x: g * cosx(x)], name="my_sin")  # noqa: F821
    assert "my_sin" not in PRIMITIVES


# ---- blocked and watched ------------------------------------------------------------------------
def test_stop_gradient_takes_trees():
    x, v = mg.Tensor([2.0]), mg.Value(3.0)
    stopped = mg.stop_gradient({"x": x * 2, "v": [v * 1, 4]})
    assert not stopped["x"].requires_grad
    assert stopped["v"][0].is_leaf
    assert stopped["v"][1] == 4
    (x * stopped["x"]).backward()
    np.testing.assert_array_equal(x.grad, [4])


def test_hooks_see_and_change_gradients_of_results_and_leaves():
    x = mg.Tensor([1.0, 2.0])
    y = x * 3
    seen = []
    first = y.register_hook(lambda g: seen.append(g.copy()))
    y.register_hook(lambda g: g * 10)
    last = x.register_hook(lambda g: g + 1)
    (y * y).sum().backward()
    np.testing.assert_array_equal(seen[0], [6, 12])
    np.testing.assert_array_equal(x.grad, [181, 361])
    first.remove()
    last.remove()
    x.grad = None
    (y * y).sum().backward()
    assert len(seen) == 1
    np.testing.assert_array_equal(x.grad, [180, 360])


def test_hooks_work_on_gradients_that_are_graphs():
    x = mg.Tensor([2.0])
    y = x**2
    y.register_hook(lambda g: g * 5)
    (g,) = mg.autograd.grad(y.sum(), x, create_graph=True)
    np.testing.assert_array_equal(g.data, [20])
    np.testing.assert_array_equal(mg.autograd.grad(g.sum(), x)[0].data, [10])
    with pytest.raises(GraphError, match="constant"):
        mg.Tensor([1]).register_hook(print)


# ---- autograd.grad ------------------------------------------------------------------------------
def test_autograd_grad_touches_nobodys_grad():
    x, w = mg.Tensor([1.0, 2.0]), mg.Tensor([3.0, 4.0])
    y = x * w
    z = (y * y).sum()
    gx, gy = mg.autograd.grad(z, [x, y])
    np.testing.assert_array_equal(gx.data, [18, 64])
    np.testing.assert_array_equal(gy.data, [6, 16])
    assert x.grad is None
    assert w.grad is None
    assert not gx.requires_grad


def test_autograd_grad_of_several_outputs_and_unused_inputs():
    x, w = mg.Tensor([1.0, 2.0]), mg.Tensor([3.0])
    y, v = x * 2, mg.Value(2.0)
    np.testing.assert_array_equal(
        mg.autograd.grad([y, x.sum()], x, [[1.0, 10.0], None])[0].data, [3, 21]
    )
    with pytest.raises(GraphError, match="input 1"):
        mg.autograd.grad(x.sum(), [x, w])
    assert mg.autograd.grad(x.sum(), [x, w], allow_unused=True)[1] is None
    np.testing.assert_array_equal(mg.autograd.grad(x.sum(), w, materialize_grads=True)[0].data, [0])
    assert mg.autograd.grad(v * v, v)[0].data == 4.0
    with pytest.raises(GraphError, match="shape"):
        mg.autograd.grad(y, x)
    mg.autograd.backward([y, x.sum()], [np.ones(2), None])
    np.testing.assert_array_equal(x.grad, [3, 3])
