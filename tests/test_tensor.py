"""Tensor: NumPy's behaviour, and gradients of shapes, indices and reductions in closed form."""

import copy
import gc
import pickle
import threading

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, Value
from microgradx.errors import DataChangedError, DTypeError, GraphError, ShapeError

pytestmark = pytest.mark.quick

X = np.arange(6.0).reshape(2, 3) + 1


def gradient(f, *arrays, cotangent=None):
    """The gradients of f (summed with a cotangent if it is not scalar) at arrays."""
    tensors = [Tensor(a) for a in arrays]
    out = f(*tensors)
    out.backward(np.ones(out.shape) if cotangent is None else cotangent)
    return [t.grad for t in tensors]


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x.sum(), np.ones((2, 3))),
        (lambda x: x.sum(0) * np.array([1.0, 2, 3]), [[1, 2, 3], [1, 2, 3]]),
        (lambda x: x.mean(axis=1), np.full((2, 3), 1 / 3)),
        (lambda x: x.max(), [[0, 0, 0], [0, 0, 1]]),
        (lambda x: x.min(axis=0, keepdims=True), [[1, 1, 1], [0, 0, 0]]),
        (lambda x: x.prod(), 720 / X),
        (lambda x: x.prod(axis=1), [[6, 3, 2], [30, 24, 20]]),
        (lambda x: x.var(), 2 * (X - 3.5) / 6),
        (lambda x: x.var(ddof=1), 2 * (X - 3.5) / 5),
        (lambda x: x.std(), (X - 3.5) / 6 / X.std()),
        (lambda x: x.reshape(3, 2)[0], [[1, 1, 0], [0, 0, 0]]),
        (lambda x: x.reshape(-1)[1:3], [[0, 1, 1], [0, 0, 0]]),
        (lambda x: x.T[2], [[0, 0, 1], [0, 0, 1]]),
        (lambda x: x.transpose(1, 0)[0], [[1, 0, 0], [1, 0, 0]]),
        (lambda x: x[0], [[1, 1, 1], [0, 0, 0]]),
        (lambda x: x[-1, ::2], [[0, 0, 0], [1, 0, 1]]),
        (lambda x: x[..., None, 1], [[0, 1, 0], [0, 1, 0]]),
        (lambda x: x[[0, 0, 1]], [[2, 2, 2], [1, 1, 1]]),
        (lambda x: x[[0, 1], [2, 2]], [[0, 0, 1], [0, 0, 1]]),
        (lambda x: x[x > 3], [[0, 0, 0], [1, 1, 1]]),
        (lambda x: x[np.array([True, False])], [[1, 1, 1], [0, 0, 0]]),
        (lambda x: mg.squeeze(mg.expand_dims(x, (0, 3))), np.ones((2, 3))),
        (lambda x: mg.broadcast_to(x, (4, 2, 3)), np.full((2, 3), 4)),
        (lambda x: mg.concatenate([x, 2 * x], axis=1), np.full((2, 3), 3)),
        (lambda x: mg.stack([x, 2 * x], axis=1)[:, 1], np.full((2, 3), 2)),
        (lambda x: mg.where(x > 3, 2 * x, -x), [[-1, -1, -1], [2, 2, 2]]),
        (lambda x: mg.maximum(x, 3.0), [[0, 0, 0.5], [1, 1, 1]]),
        (lambda x: mg.minimum(3.0, x), [[1, 1, 0.5], [0, 0, 0]]),
        (lambda x: x.clip(2, 5), [[0, 1, 1], [1, 1, 0]]),
        (lambda x: x.softmax(axis=1).sum(), np.zeros((2, 3))),
        (lambda x: x.logsumexp(), np.exp(X - np.log(np.exp(X).sum()))),
        (lambda x: x.log_softmax(0)[0], [[1 / (1 + np.exp(-3))] * 3, [-1 / (1 + np.exp(-3))] * 3]),
        (lambda x: x @ np.ones(3), np.ones((2, 3))),
        (lambda x: np.ones(2) @ x, np.ones((2, 3))),
        (lambda x: x @ x.T, np.tile(2 * X.sum(0), (2, 1))),
        (lambda x: x**2, 2 * X),
        (lambda x: 1 / x, -1 / X**2),
        (lambda x: x.astype(np.float32) * 2, np.full((2, 3), 2)),
        (lambda x: mg.norm(x), X / np.sqrt(91)),
    ],
)
def test_gradient_in_closed_form(f, expected):
    (got,) = gradient(f, X)
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)
    assert got.shape == X.shape
    assert got.dtype == X.dtype


@pytest.mark.parametrize(
    ("shapes", "result"),
    [
        (((), (3, 1)), (3, 1)),
        (((3, 1), (1, 3)), (3, 3)),
        (((3, 1), (2, 1, 1)), (2, 3, 1)),
        (((1, 3), (2, 1, 1)), (2, 1, 3)),
        (((3,), (4, 1, 3)), (4, 1, 3)),
        (((0, 3), (3,)), (0, 3)),
    ],
)
def test_broadcasting_is_undone(shapes, result):
    x, y = (Tensor(np.full(s, 2.0)) for s in shapes)
    z = x * y + x
    assert z.shape == result
    z.backward(np.ones(result))
    n = int(np.prod(result))
    for t in (x, y):
        assert t.grad.shape == t.shape
    assert x.grad.sum() == pytest.approx(3 * n)
    assert y.grad.sum() == pytest.approx(2 * n)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_dtype_is_kept_forward_and_backward(dtype):
    x = Tensor(np.linspace(0.1, 1, 4), dtype=dtype)
    for f in (
        lambda x: x * 2 + 1,
        lambda x: x**2,
        lambda x: x.sigmoid(),
        lambda x: x.max() / x,
        lambda x: x.std(),
    ):
        out = f(x)
        assert out.dtype == np.dtype(dtype)
        x.zero_grad()
        out.backward(np.ones(out.shape))
        assert x.grad.dtype == np.dtype(dtype)


def test_mixed_dtypes_promote_as_in_numpy_and_gradients_keep_their_own():
    a, b = Tensor([1.0], dtype="float32"), Tensor([2.0])
    z = a * b
    z.backward([1.0])
    assert (z.dtype, a.grad.dtype, b.grad.dtype) == (np.float64, np.float32, np.float64)


def test_what_is_tracked():
    assert Tensor([1.0]).requires_grad
    assert not Tensor([1]).requires_grad
    assert not Tensor([1.0], requires_grad=False).requires_grad
    constant = Tensor([1.0], requires_grad=False) * 2
    assert constant.is_leaf
    assert not (Tensor([1.0]) > 0).requires_grad


def test_untracked_inputs_get_no_gradient():
    x, w = Tensor([2.0], requires_grad=False), Tensor([3.0])
    (x * w).backward()
    assert x.grad is None
    assert w.grad == 2.0


def test_grad_is_none_until_reached_and_zero_grad_forgets_it():
    x = Tensor([1.0, 2.0])
    assert x.grad is None
    (x * 2).sum().backward()
    x.zero_grad()
    assert x.grad is None


def test_backward_twice_doubles_exactly_and_interior_is_recomputed():
    rng = np.random.default_rng(0)
    w, x = Tensor(rng.normal(size=(5, 4))), rng.normal(size=(3, 5))
    h = (x @ w).tanh()
    loss = (h * h).mean()
    loss.backward()
    once, inner = w.grad.copy(), h.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(w.grad, 2 * once)
    np.testing.assert_array_equal(h.grad, inner)


def test_a_leaf_owns_its_gradient():
    x, y = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    seed = np.ones(2)
    (x + y).backward(seed)
    x.grad *= 5
    assert y.grad.tolist() == seed.tolist() == [1, 1]
    r = Tensor([1.0, 2.0])
    r.reshape(2, 1).backward(np.ones((2, 1)))
    r.grad += 1
    assert r.grad.tolist() == [2, 2]


def test_gradients_are_bit_reproducible():
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(7, 5)) for _ in range(4)]

    def run():
        ts = [Tensor(a) for a in arrays]
        y = ts[0]
        for t in ts[1:]:
            y = (y * t + ts[0]).sigmoid() / (t * t + 1)
        y.sum().backward()
        return b"".join(t.grad.tobytes() for t in ts)

    assert len({run() for _ in range(5)}) == 1


def test_reading_methods():
    x = Tensor(X, name="x")
    assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((2, 3), 2, 6, 2, np.float64)
    assert [row.tolist() for row in x] == X.tolist() == x.tolist()
    assert x[0, 1].item() == float(x[0, 1]) == 2.0
    assert int(Tensor(3)) == 3
    assert [10, 20, 30][Tensor(1)] == 20
    assert repr(Tensor([1.0, 2.0], name="w")) == "Tensor([1., 2.], name='w')"
    assert repr(Tensor([1.0], dtype="float32")) == "Tensor([1.], dtype=float32)"
    assert f"{Tensor(0.25):.1%}" == "25.0%"


def test_numpy_views_cannot_be_written_to():
    x = Tensor(X)
    for view in (x.numpy(), np.asarray(x), (x * 2).data):
        with pytest.raises(ValueError, match="read-only"):
            view[0, 0] = 5
    assert np.array(x, copy=True).flags.writeable


def test_tensor_copies_what_it_is_made_from():
    a = np.ones(3)
    x = Tensor(a)
    a[:] = 5
    assert x.tolist() == [1, 1, 1]
    assert a.flags.writeable


def test_copy_stays_connected_detach_does_not():
    x = Tensor([1.0, 2.0])
    (x.copy() * x.detach()).sum().backward()
    assert x.grad.tolist() == [1.0, 2.0]


def test_assigning_requires_grad():
    x = Tensor([1.0])
    x.requires_grad = False
    assert (x * 2).is_leaf
    with pytest.raises(GraphError, match="follows its inputs"):
        (Tensor([1.0]) * 2).requires_grad = False


def test_no_grad_belongs_to_its_thread():
    x = Tensor([1.0])
    entered, done, seen = threading.Event(), threading.Event(), []

    def other():
        with mg.no_grad():
            entered.set()
            done.wait()
            seen.append((x * 2).is_leaf)

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait()
    seen.append((x * 2).is_leaf)
    done.set()
    thread.join()
    assert seen == [False, True]


def test_create_graph_gives_tensors_that_can_be_differentiated():
    x = Tensor([1.0, 2.0])
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.sum().backward()
    assert first.tolist() == [3.0, 12.0]
    assert x.grad.tolist() == [6.0, 12.0]


@pytest.mark.parametrize("f", [
    lambda x: mg.where(x > 0, mg.log(x), 0.0),
    lambda x: mg.where(x > 0, mg.sqrt(x), 0.0),
    lambda x: mg.where(x != 0, 1 / x, 0.0),
    lambda x: mg.where(x > 0, x**-1.5, 0.0),
    lambda x: mg.norm(x * 0),
    lambda x: x.std() * 0 + mg.ones_like(x).std(),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_masks_keep_gradients_finite(f):
    x = Tensor([0.0, 1.0, 0.0])
    f(x).sum().backward()
    assert np.isfinite(x.grad).all()
    x.grad = None
    f(x).sum().backward(create_graph=True)
    assert np.isfinite(x.grad.numpy()).all()


def test_deepcopy_and_pickle_keep_graph_and_sharing():
    w = Tensor([1.0, 2.0], name="w")
    h = w * w
    loss = h.sum()
    for twin_w, twin_h, twin in (
        copy.deepcopy((w, h, loss)),
        pickle.loads(pickle.dumps((w, h, loss))),
    ):
        twin.backward()
        assert twin_w.grad.tolist() == [2.0, 4.0]
        assert twin_h.grad.tolist() == [1.0, 1.0]
        assert twin_w.name == "w"
    assert w.grad is None


def test_no_reference_cycles():
    gc.collect()
    gc.disable()
    try:
        x = Tensor(X)
        loss = (x @ x.T).softmax().sum() + x[[0, 0]].mean() + mg.stack([x, x]).std()
        loss.backward()
        loss.backward(create_graph=True)
        x.grad = None
        del x, loss
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_values_and_tensors_do_not_mix():
    with pytest.raises(TypeError, match="a Value and a Tensor do not mix"):
        Tensor([1.0]) * Value(2.0)


def test_constructors_take_numpys_and_torchs_spellings():
    assert (
        mg.zeros(2, 3).shape
        == mg.zeros((2, 3)).shape
        == mg.ones((2, 3), dtype="f4").shape
        == (2, 3)
    )
    assert mg.full((2,), 7.0).tolist() == [7.0, 7.0]
    assert mg.arange(3).tolist() == [0, 1, 2]
    assert mg.arange(0.0, 1.0, 0.5).requires_grad
    assert mg.linspace(0, 1, 3).tolist() == [0.0, 0.5, 1.0]
    assert mg.eye(2).tolist() == [[1, 0], [0, 1]]
    assert mg.zeros_like(mg.ones(3, dtype="f4")).dtype == np.float32
    assert mg.rand(2, rng=0).tolist() == mg.rand(2, rng=0).tolist()
    assert mg.randn(2, 3, requires_grad=False).requires_grad is False


def test_dot_of_values_is_one_node():
    w, x = [Value(1.0), Value(2.0)], [Value(3.0), 4.0]
    out = mg.dot(w, x)
    out.backward()
    assert out.data == 11.0
    assert [v.grad for v in w] == [3.0, 4.0]
    assert x[0].grad == 1.0


def test_clip_between_bounds_with_more_axes_than_the_tensor():
    x = Tensor([0.0, 1.0, 2.0])
    z = mg.clip(x, np.array([[0.5], [-1.0]]), np.array([[1.5], [3.0]]))
    z.sum().backward()
    assert z.tolist() == [[0.5, 1.0, 1.5], [0.0, 1.0, 2.0]]
    assert x.grad.tolist() == [1.0, 2.0, 1.0]


def test_the_cotangent_is_kept_as_it_is_and_never_reaches_a_leaf():
    x, g = Tensor([1.0, 2.0]), np.ones(2)
    y = x + 1
    z = y.reshape(2)
    z.backward(g)
    assert np.shares_memory(z.grad, g)
    assert not np.shares_memory(x.grad, g)
    with pytest.raises(ValueError, match="read-only"):
        z.grad[0] = 5
    x.backward(g)
    g[:] = 7
    assert x.grad.tolist() == [2, 2]


def test_a_large_foreign_array_that_changes_is_noticed_and_a_small_one_was_copied():
    w = Tensor(np.ones(2))
    small, large = np.ones((100, 2)), np.ones((50_000, 2))  # 2 kB and 800 kB
    for array in (small, large):
        z = (w * array).sum()
        array[7, 1] = 3.0
        if array is large:
            with pytest.raises(DataChangedError, match=r"shape \(50000, 2\) was overwritten"):
                z.backward()
            assert w.grad.tolist() == [100.0, 100.0]
            array[7, 1] = 1.0  # as it was: there is nothing to refuse
            z.backward()
            assert w.grad.tolist() == [50_100.0, 50_100.0]
        else:
            z.backward()
            assert w.grad.tolist() == [100.0, 100.0]


def test_negative_powers_of_whole_numbers_and_wrong_widths_are_explained():
    with pytest.raises(DTypeError, match=r"no negative whole powers .* Use x.astype\(float\)"):
        Tensor([1, 2]) ** -1
    with pytest.raises(ShapeError, match=r"shape \(5, 3\) has 3 features, and the weights take 2"):
        mg.nn.Linear(2, 8)(np.ones((5, 3), "f4"))
