"""Every function under NumPy's name, against NumPy's own on the same numbers, to second order."""

import numpy as np
import pytest

import microgradx as mg
from microgradx.testing import gradcheck

RNG = np.random.default_rng(0)
A = RNG.standard_normal((3, 4))
B = RNG.standard_normal((4, 3))
S = RNG.standard_normal((3, 3))
V = RNG.standard_normal(4)
W = RNG.standard_normal(4)
P = np.abs(A) + 0.5
T = RNG.standard_normal((2, 3, 4))
N = np.where(RNG.random((3, 4)) < 0.3, np.nan, A)
I = np.array([[0, 2], [1, 0]])  # noqa: E741
C = A > 0


def case(text, *arrays):
    return pytest.param(text, arrays, id=text)


# `f` stands for the module, x, y, w for the arrays.
SMOOTH = [
    *[case(f"f.{name}(x)", A) for name in (
        "exp", "exp2", "expm1", "sin", "cos", "tan", "arctan", "sinh", "cosh", "tanh", "arcsinh", "square",
        "cbrt", "reciprocal", "negative", "positive", "absolute", "fabs", "sinc", "deg2rad", "rad2deg",
        "degrees", "radians", "nan_to_num",
    )],
    *[case(f"f.{name}(x)", P) for name in ("log", "log2", "log10", "log1p", "sqrt")],
    *[case(f"f.{name}(x)", np.tanh(A)) for name in ("arcsin", "arccos", "arctanh")],
    case("f.arccosh(x)", P + 1),
    *[case(f"f.{name}(x, y)", A, V) for name in (
        "add", "subtract", "multiply", "divide", "true_divide", "maximum", "minimum", "fmax", "fmin", "hypot",
        "arctan2", "logaddexp", "logaddexp2", "copysign",
    )],
    *[case(f"f.{name}(x, y)", A, np.abs(V) + 1) for name in ("mod", "remainder", "fmod")],
    *[case(f"f.{name}(x, y)", P, V) for name in ("power", "float_power")],
    case("f.clip(x, -0.5, 0.5)", A), case("f.clip(x, None, 0.5)", A),
    case("f.where(x > 0, x, y)", A, V),
    # reductions
    *[case(f"f.{name}(x)", A) for name in ("sum", "mean", "var", "std", "prod", "max", "min", "amax", "amin", "ptp")],
    *[case(f"f.{name}(x, axis=1)", T) for name in ("sum", "mean", "var", "std", "prod", "max", "min", "ptp")],
    *[case(f"f.{name}(x, axis=(0, -1), keepdims=True)", T) for name in ("sum", "mean", "var", "std", "max", "median")],
    case("f.var(x, ddof=1)", A), case("f.std(x, axis=0, ddof=1)", A),
    case("f.average(x)", A), case("f.average(x, axis=0, weights=y)", A, np.array([1.0, 2.0, 3.0])),
    case("f.average(x, weights=y)", A, P),
    case("f.median(x)", A), case("f.median(x, axis=1)", A), case("f.median(x, axis=0)", T[0]),
    *[case(f"f.quantile(x, 0.3, method='{m}')", A) for m in ("linear", "lower", "higher", "midpoint", "nearest")],
    case("f.quantile(x, [0.1, 0.9], axis=1)", T), case("f.percentile(x, 25, axis=0)", A),
    *[case(f"f.{name}(x)", N) for name in ("nansum", "nanmean", "nanmax", "nanmin", "nanprod", "nanvar", "nanstd")],
    *[case(f"f.{name}(x, axis=1)", N) for name in ("nansum", "nanmean", "nanmax", "nanmin", "nanprod", "nanvar", "nanstd")],
    *[case(f"f.{name}(x, axis=1)", N) for name in ("nancumsum", "nancumprod")],
    case("f.cov(x)", A), case("f.cov(x, rowvar=False, bias=True)", A), case("f.corrcoef(x)", A),
    # along an axis
    *[case(f"f.{name}(x)", A) for name in ("cumsum", "cumprod", "diff", "ediff1d", "sort")],
    *[case(f"f.{name}(x, axis=0)", T) for name in ("cumsum", "cumprod", "diff", "sort")],
    case("f.cumprod(x)", np.array([2.0, 0.0, 3.0, 0.0, 1.0])),
    case("f.diff(x, n=2, axis=1, prepend=0.0)", T), case("f.sort(x, axis=None)", A),
    case("f.gradient(x, 0.5)[1]", A), case("f.gradient(x, axis=0)", A),
    case("f.trapezoid(x, dx=0.5)", A), case("f.trapezoid(x, y)", A, np.cumsum(P[0])), case("f.trapezoid(x, axis=0)", A),
    # shapes
    case("f.reshape(x, (4, 3))", A), case("f.reshape(x, -1)", A), case("f.ravel(x)", A), case("f.ravel(x, order='F')", A),
    case("f.transpose(x)", T), case("f.transpose(x, (1, 2, 0))", T), case("f.permute_dims(x, (1, 2, 0))", T),
    case("f.swapaxes(x, 0, 2)", T), case("f.moveaxis(x, 0, -1)", T), case("f.moveaxis(x, (0, 1), (2, 0))", T),
    case("f.rollaxis(x, 2)", T), case("f.rollaxis(x, 0, 2)", T), case("f.matrix_transpose(x)", T),
    case("f.expand_dims(x, 1)", A), case("f.expand_dims(x, (0, 2))", A), case("f.squeeze(x)", A[:, :1]),
    case("f.atleast_1d(x)", np.array(0.5)), case("f.atleast_2d(x)", V), case("f.atleast_3d(x)", V), case("f.atleast_3d(x)", A),
    case("f.broadcast_to(x, (2, 3, 4))", V), case("f.broadcast_arrays(x, y)[1]", A, V),
    case("f.meshgrid(x, y)[0]", V, W[:3]), case("f.meshgrid(x, y, indexing='ij')[1]", V, W[:3]),
    case("f.meshgrid(x, y, sparse=True)[1]", V, W[:3]),
    case("f.flip(x)", A), case("f.flip(x, 1)", A), case("f.fliplr(x)", A), case("f.flipud(x)", A),
    *[case(f"f.rot90(x, {k})", A) for k in range(4)], case("f.rot90(x, 1, (1, 2))", T),
    case("f.roll(x, 2)", A), case("f.roll(x, -1, 1)", A), case("f.roll(x, (1, 2), (0, 1))", A),
    case("f.tile(x, 2)", A), case("f.tile(x, (2, 1, 3))", A), case("f.repeat(x, 2)", A),
    case("f.repeat(x, 3, axis=1)", A), case("f.repeat(x, [1, 0, 2], axis=0)", A),
    case("f.pad(x, 1)", A), case("f.pad(x, ((1, 0), (0, 2)), constant_values=5)", A),
    *[case(f"f.pad(x, ((2, 1), (0, 3)), mode='{m}')", A) for m in ("edge", "reflect", "symmetric", "wrap")],
    # joining and parting
    case("f.concatenate([x, y], axis=0)", A, T[0]), case("f.concatenate([x, y], axis=None)", A, V), case("f.concat([x, y], axis=1)", A, T[0]),
    case("f.stack([x, y], axis=1)", V, W), case("f.vstack([x, y])", A, V), case("f.hstack([x, y])", A, T[0]),
    case("f.hstack([x, y])", V, W), case("f.dstack([x, y])", V, W), case("f.dstack([x, y])", A, T[0]),
    case("f.column_stack([x, y])", V, W), case("f.append(x, y)", A, V), case("f.append(x, y, axis=0)", A, T[0]),
    case("f.block([[x, y], [y, x]])", S, S.T), case("f.split(x, 2, axis=1)[1]", A), case("f.split(x, [1, 3], axis=1)[1]", A),
    case("f.array_split(x, 3)[0]", V), case("f.hsplit(x, 2)[0]", A), case("f.vsplit(x, 3)[2]", A), case("f.dsplit(x, 2)[1]", T),
    case("f.unstack(x, axis=1)[2]", T),
    # picking
    case("f.take(x, i)", A), case("f.take(x, i, axis=1)", A), case("f.take(x, [5, -1], axis=1, mode='wrap')", A),
    case("f.take_along_axis(x, f.argsort(x, axis=0), axis=0)", A), case("f.choose(i, [x, y, y])", S[:2, :2], A[1:, :2]),
    case("f.diag(x)", V), case("f.diag(x, k=-2)", V), case("f.diag(x, k=1)", A), case("f.diagflat(x, 1)", S),
    case("f.diagonal(x, 1)", A), case("f.diagonal(x, 0, 1, 2)", T), case("f.trace(x)", A), case("f.trace(x, 0, 2, 1)", T),
    case("f.tril(x)", T), case("f.triu(x, 1)", A), case("f.tril(x)", V),
    case("f.select([x > 0.5, x > 0], [x * x, -x], 7.0)", A), case("f.compress([True, False, True], x, axis=1)", A),
    case("f.extract(x > 0, x)", A),
    # products
    case("f.matmul(x, y)", A, B), case("f.matmul(x, y)", T, B), case("f.matmul(x, y)", V, B), case("f.matmul(x, y)", A, V),
    case("f.dot(x, y)", A, B), case("f.dot(x, y)", V, W), case("f.dot(x, y)", T, RNG.standard_normal((2, 4, 3))),
    case("f.dot(x, 2.0)", A), case("f.inner(x, y)", A, T), case("f.outer(x, y)", A, V), case("f.vdot(x, y)", A, T[1]),
    case("f.vecdot(x, y)", A, V), case("f.matvec(x, y)", T, V), case("f.vecmat(x, y)", A, T.transpose(0, 2, 1)[0]), case("f.kron(x, y)", A, S), case("f.kron(x, y)", V, S),
    case("f.tensordot(x, y)", A, RNG.standard_normal((3, 4, 2))), case("f.tensordot(x, y, 1)", A, B), case("f.tensordot(x, y, 0)", V, W),
    case("f.tensordot(x, y, ((0, 2), (1, 0)))", T, RNG.standard_normal((4, 2, 3))), case("f.cross(x, y)", S, S.T), case("f.cross(x, y, axis=0)", S, S.T),
    # Einstein sums
    *[case(f"f.einsum('{s}', x)", S) for s in ("ij", "ji", "ii", "ii->i", "ij->", "ij->j", "ij->ji", "...i->i...", "i...")],
    *[case(f"f.einsum('{s}', x, y)", S, S.T) for s in ("ij,jk", "ij,jk->ik", "ij,ij->i", "ij,ji", "ii,jj->ij", "ii,ij->j", "ij,kl->il", "ij , jk", "...i,...i->...", "ik,jk->ij")],
    case("f.einsum('bij,bjk->bik', x, y)", T, T.transpose(0, 2, 1)), case("f.einsum('...ij,jk', x, y)", T, B),
    case("f.einsum('...ij,...jk->...ik', x, y)", T, B), case("f.einsum('ij,ij->ij', x, y)", A, A[:, :1]), case("f.einsum('ij,j->i', x, y)", A, V[:1]),
    case("f.einsum('ij,jk,kl->il', x, y, x)", A, B), case("f.einsum('i,j,k,l->il', x, y, x, y)", V, W),
    case("f.einsum('ijk,ilk,jl->il', x, y, w)", T, T[:, :2], A[:, :2]), case("f.einsum(x, [0, 1], y, [1, 2], [0, 2])", A, B), case("f.einsum(x, [0, ..., 1], [0, 1, ...])", T),
    case("f.einsum(',ij->ij', x, y)", np.array(0.5), A),
]  # fmt: skip

# Constants: NumPy's numbers, and no gradient.
CONSTANT = [
    *[case(f"f.{name}(x)", A) for name in (
        "argmax", "argmin", "argsort", "sign", "floor", "ceil", "trunc", "rint", "round", "around", "fix",
        "isnan", "isinf", "isfinite", "all", "any", "count_nonzero", "flatnonzero",
    )],
    case("f.argmax(x, axis=1)", A), case("f.argsort(x, axis=None)", A), case("f.round(x, 2)", A), case("f.round(x, -1)", A * 100),
    case("f.searchsorted(f.sort(x), y)", V, W), case("f.digitize(x, y)", V, np.array([-1.0, 0.0, 1.0])),
    case("f.nonzero(x)[1]", A), case("f.floor_divide(x, y)", A, V), case("f.isclose(x, y)", A, V), case("f.argpartition(x, 2)[2]", V),
]  # fmt: skip


def evaluate(text, module, arrays):
    names = dict(zip("xyw", arrays, strict=False))
    return eval(text, {"f": module, "i": I}, names)


@pytest.mark.parametrize(("text", "arrays"), SMOOTH)
def test_smooth_function_gives_numpys_numbers(text, arrays):
    z = evaluate(text, mg, [mg.Tensor(a) for a in arrays])
    expected = np.asarray(evaluate(text, np, arrays))
    assert isinstance(z, mg.Tensor)
    assert z.requires_grad
    assert z.shape == expected.shape
    assert z.dtype == expected.dtype
    np.testing.assert_allclose(z.data, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("text", "arrays"), SMOOTH)
def test_smooth_function_is_differentiable_twice(text, arrays):
    finite = [np.nan_to_num(a, nan=0.3) if "nan" in text else a for a in arrays]
    for order in (1, 2):
        gradcheck(lambda *xs: evaluate(text, mg, xs), *finite, order=order)


@pytest.mark.parametrize(("text", "arrays"), SMOOTH)
def test_numpys_own_function_gives_the_same_tensor(text, arrays):
    tensors = [mg.Tensor(a) for a in arrays]
    z = evaluate(text, np, tensors)
    assert type(z) is mg.Tensor
    assert z.requires_grad
    np.testing.assert_array_equal(z.data, evaluate(text, mg, tensors).data)


@pytest.mark.parametrize("module", [mg, np])
@pytest.mark.parametrize(("text", "arrays"), CONSTANT)
def test_constant_function_gives_numpys_numbers_without_a_gradient(module, text, arrays):
    z = evaluate(text, module, [mg.Tensor(a) for a in arrays])
    expected = np.asarray(evaluate(text, np, arrays))
    assert isinstance(z, mg.Tensor)
    assert not z.requires_grad
    np.testing.assert_array_equal(z.data, expected)
    assert z.dtype == expected.dtype


X, K = np.array([5.5, -7.0, 2.0]), np.array([6, 3, 5])


@pytest.mark.parametrize(
    ("call", "array"),
    [
        (lambda x: x % 3, X), (lambda x: 3 % x, X), (lambda x: x // 2, X), (lambda x: 7 // x, X), (lambda x: divmod(x, 2)[0], X), (lambda x: divmod(9, x)[1], X),
        (lambda x: (x > 0) & (x < 3), X), (lambda x: (x > 0) | (x < -8), X), (lambda x: (x > 0) ^ (x > 3), X), (lambda x: ~(x > 0), X), (lambda x: (X > 0) & (x < 3), X),
        (lambda x: x & 3, K), (lambda x: 8 | x, K), (lambda x: x ^ 1, K), (lambda x: ~x, K), (lambda x: x % 4, K), (lambda x: x // 4, K),
        (lambda x: np.logical_and(x, K), K), (lambda x: np.logical_not(x), K),
    ],
)  # fmt: skip
def test_operators_are_numpys(call, array):
    z, expected = call(mg.Tensor(array)), call(array)
    assert isinstance(z, mg.Tensor)
    np.testing.assert_array_equal(z.data, expected)
    assert z.dtype == expected.dtype


def test_remainders_have_gradients_and_floats_no_bits():
    x = mg.Tensor(X)
    (x % 3).sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 1, 1])
    np.testing.assert_array_equal(round(x * 1.26, 1).data, np.round(X * 1.26, 1))
    with pytest.raises(TypeError, match="Compare them first"):
        x & 1
