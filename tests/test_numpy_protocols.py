"""What NumPy's own calls do with Tensors: a Tensor with a gradient, or an error that helps."""

import inspect

import numpy as np
import pytest

import microgradx as mg
from microgradx import Value
from microgradx.errors import UnsupportedError
from microgradx.protocols import ACCUMULATE, CONSTANT, FACTS, FUNCTIONS, REDUCE, UFUNCS

X = np.array([[0.5, -1.5, 2.1], [0.9, 0.25, -0.75]])


@pytest.mark.quick
@pytest.mark.parametrize(
    "call",
    [
        lambda a, x: a + x, lambda a, x: a - x, lambda a, x: a * x, lambda a, x: a / x, lambda a, x: a**x,
        lambda a, x: a @ x.T, lambda a, x: np.float64(2) * x, lambda a, x: np.maximum(a, x),
    ],
)  # fmt: skip
def test_an_array_with_a_tensor_is_a_tensor(call):
    a, x = np.abs(X), mg.Tensor(X)
    z = call(a, x)
    assert type(z) is mg.Tensor
    assert z.requires_grad
    np.testing.assert_allclose(z.data, call(a, X))


@pytest.mark.parametrize("call", [lambda a, x: a < x, lambda a, x: a == x, lambda a, x: a != x])
def test_comparisons_are_constant_tensors(call):
    z = call(np.zeros(3), mg.Tensor([1.0, 0.0, -1.0]))
    assert type(z) is mg.Tensor
    assert z.dtype == bool


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.add.reduce(x), lambda x: np.add.reduce(x, axis=None), lambda x: np.multiply.reduce(x, axis=1),
        lambda x: np.maximum.reduce(x, axis=1, keepdims=True), lambda x: np.logaddexp.reduce(x, axis=0),
        lambda x: np.add.accumulate(x), lambda x: np.multiply.accumulate(x, axis=1), lambda x: np.subtract.outer(x, x[0]),
        lambda x: np.sum(x, axis=1, keepdims=True), lambda x: np.sum(a=x, axis=0), lambda x: np.mean(x, 0), lambda x: np.max(x, axis=0),
        lambda x: np.std(x, axis=0, ddof=1), lambda x: np.clip(x, -1, 1), lambda x: np.clip(x, a_min=-1, a_max=None), lambda x: np.transpose(x, axes=(1, 0)),
        lambda x: np.concatenate((x, x), axis=1), lambda x: np.concatenate((x, X)), lambda x: np.stack([X, x], axis=-1), lambda x: np.where(X > 0, x, 0.0),
        lambda x: np.reshape(x, (3, 2)), lambda x: np.take(x, [0], axis=1), lambda x: np.linalg.norm(x, axis=1), lambda x: np.linalg.norm(x, "fro"),
        lambda x: np.linalg.det(x @ x.T), lambda x: np.linalg.solve(x @ x.T, X), lambda x: np.einsum("ij,kj->ik", x, X, optimize=True), lambda x: np.tensordot(x, X, axes=([1], [1])),
        lambda x: np.modf(x)[0], lambda x: np.divmod(x, 0.8)[1], lambda x: np.copy(x), lambda x: np.linspace(x[0, 0], x[1, 1], 5), lambda x: np.real(x), lambda x: np.conjugate(x), lambda x: np.square(x, dtype=np.float64),
        lambda x: np.linalg.eigh(x @ x.T)[0], lambda x: np.linalg.slogdet(x @ x.T).logabsdet, lambda x: np.linalg.svd(x, full_matrices=False).S, lambda x: np.linalg.qr(x.T)[1] ** 2, lambda x: np.linalg.matrix_power(x @ x.T, 3),
    ],
)  # fmt: skip
def test_numpys_call_keeps_the_gradient(call):
    x = mg.Tensor(X)
    z = call(x)
    assert type(z) is mg.Tensor
    np.testing.assert_allclose(z.data, call(X), rtol=1e-12, atol=1e-14)
    z.sum().backward()
    assert x.grad is not None
    step = 1e-6 * np.cos(np.arange(6.0)).reshape(2, 3)
    slope = (np.sum(call(X + step)) - np.sum(call(X - step))) / 2
    assert np.sum(x.grad * step) == pytest.approx(slope, rel=1e-5, abs=1e-14)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (np.fft.fft, "fft"), (np.unique, "unique"), (np.linalg.eig, "linalg.eig"), (np.i0, "i0"), (np.spacing, "spacing"),
        (lambda x: np.add.at(x, 0, 1.0), "add.at"), (lambda x: np.add.reduceat(x, [0]), "add.reduceat"), (lambda x: np.minimum.accumulate(x), "minimum.accumulate"),
        (lambda x: np.add(x, 1, out=np.ones((2, 3))), "numpy.add: out="), (lambda x: np.add(np.ones((2, 3)), 1, out=x), "numpy.add: out="),
        (lambda x: np.exp(x, where=X > 0), "where="), (lambda x: np.sum(x, where=X > 0), "where="), (lambda x: np.sum(x, out=np.zeros(())), "out="),
        (lambda x: np.reshape(x, (3, 2), order="F"), "order="), (lambda x: np.max(x, initial=3.0), "initial="), (lambda x: np.pad(x, 1, mode="mean"), "mode 'mean'"),
        (lambda x: np.copyto(np.zeros((2, 3)), x), "copyto"), (lambda x: np.put_along_axis(x, np.array([[0]]), 1.0, 1), "put_along_axis"),
    ],
)  # fmt: skip
def test_what_would_lose_the_gradient_is_refused_by_name(call, name):
    x = mg.Tensor(X)
    with pytest.raises(UnsupportedError, match=name):
        call(x)
    np.testing.assert_array_equal(x.data, X)


def test_in_place_on_an_array_refuses_a_tracked_tensor_and_leaves_the_array():
    a = np.ones(3)
    with pytest.raises(UnsupportedError, match="write a = a"):
        a += mg.Tensor(np.ones(3))
    np.testing.assert_array_equal(a, 1)


def test_an_untracked_tensor_is_served_by_numpy_itself():
    x = mg.Tensor([4.0, 1.0, 1.0], requires_grad=False)
    z = np.unique(x)
    assert type(z) is mg.Tensor
    assert not z.requires_grad
    np.testing.assert_array_equal(z.data, [1, 4])
    a = np.ones(3)
    a += x
    np.testing.assert_array_equal(a, [5, 2, 2])


def test_questions_about_arrays_are_answered_plainly():
    x = mg.Tensor(X)
    assert np.shape(x) == (2, 3)
    assert np.ndim(x) == 2
    assert np.size(x) == 6
    assert np.allclose(x, X)
    assert np.array_equal(x, X)
    assert np.result_type(x, np.float32) == np.float64
    assert np.zeros_like(x).shape == (2, 3)
    assert type(np.zeros_like(x)) is mg.Tensor


def test_no_call_gives_an_object_array():
    x = mg.Tensor(X)
    for name in dir(np):
        function = getattr(np, name)
        if not isinstance(function, np.ufunc):
            continue
        args = (x,) * function.nin
        try:
            with np.errstate(all="ignore"):
                z = function(*args)
        except (UnsupportedError, TypeError, ValueError):
            continue
        for part in z if isinstance(z, tuple) else (z,):
            assert type(part) is mg.Tensor, name


def test_every_ufunc_has_a_gradient_or_a_refusal():
    """A result that is not tracked comes only from functions that are constant piece by piece."""
    constant = {*CONSTANT, *(getattr(np, n) for n in (
        "logical_and", "logical_not", "logical_or", "logical_xor",
        "ceil", "equal", "floor", "floor_divide", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less",
        "less_equal", "not_equal", "rint", "sign", "trunc",
    ))}  # fmt: skip
    x = mg.Tensor(np.abs(X) / 4)
    for ufunc in {v for v in vars(np).values() if isinstance(v, np.ufunc)}:
        args = (x, x.T) if ufunc is np.matmul else (x,) * ufunc.nin
        try:
            with np.errstate(all="ignore"):
                z = ufunc(*args)
        except (UnsupportedError, TypeError, ValueError):
            continue
        tracked = any(part.requires_grad for part in (z if isinstance(z, tuple) else (z,)))
        assert tracked or ufunc in constant, ufunc


def test_tables_name_what_exists():
    assert len(UFUNCS) >= 70
    assert len(FUNCTIONS) >= 120
    assert set(REDUCE) <= set(UFUNCS) | CONSTANT
    assert set(ACCUMULATE) <= set(REDUCE)
    assert all(hasattr(np, name) for name in FACTS)


WORDS = {"axis", "axis1", "axis2", "axes", "k", "keepdims", "n", "offset", "prepend", "q", "shift"}
LACKING = {("eye", "k"), ("linspace", "axis")}


def test_signatures_use_numpys_words():
    for function, ours in FUNCTIONS.items():
        try:
            theirs = set(inspect.signature(function).parameters)
        except ValueError:
            continue
        accepted = inspect.signature(ours).parameters
        if any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
            continue
        missing = {(function.__name__, word) for word in theirs & WORDS - set(accepted)}
        assert missing <= LACKING


# ---- Values --------------------------------------------------------------------------------------
def test_numpys_functions_take_values():
    x = Value(2.0)
    z = np.float64(3.0) * np.exp(np.sin(x)) + np.array(1.0)
    z.backward()
    assert z.data == pytest.approx(3.0 * np.exp(np.sin(2.0)) + 1.0)
    assert x.grad == pytest.approx(3.0 * np.exp(np.sin(2.0)) * np.cos(2.0))
    assert (np.float64(2.0) < Value(3.0)) is True
    assert mg.grad(lambda v: np.arctan2(v, 2.0))(1.0) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda v: np.ones(3) * v, "a Value is one number and cannot meet a ndarray"),
        (lambda v: np.gcd(v, 2), "gcd: is not there for Values. Use a Tensor"),
        (lambda v: np.multiply(v, 2, dtype=float), "is not there for Values"),
    ],
)
def test_what_numpy_cannot_do_with_a_value_is_said(call, says):
    with pytest.raises(UnsupportedError, match=says):
        call(Value(2.0))
