"""Values and gradients beside PyTorch's, on generated numbers, to 1e-9.

Two conventions differ and are sampled away from: ties in ``max_pool2d`` (PyTorch gives all to one
element) and second derivatives of norms at 0 (PyTorch: nan). docs/numerics.md states both.
"""

import numpy as np
import pytest

import microgradx as mg

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

ANY, POSITIVE, UNIT, ABOVE_ONE = (-3.0, 3.0), (0.1, 3.0), (-0.95, 0.95), (1.05, 4.0)


def gen(*shape, low=-3.0, high=3.0):
    return shape, low, high


def pos(*shape):
    return gen(*shape, low=0.1)


SAME_NAME = {
    ANY: "abs exp exp2 expm1 sin cos tan sinh cosh tanh arctan arcsinh sigmoid relu square sinc erf erfc negative positive deg2rad rad2deg reciprocal nan_to_num",
    POSITIVE: "log log2 log10 log1p sqrt",
    UNIT: "arcsin arccos arctanh",
    ABOVE_ONE: "arccosh",
}
BINARY = "add subtract multiply divide true_divide maximum minimum fmax fmin hypot arctan2 logaddexp logaddexp2"
SPD = "x @ x.mT + 3 * {eye}"

# (microgradx, PyTorch, inputs); `f` is the library, x, y, w the inputs
TABLE = [
    *[(f"f.{n}(x)", f"f.{n}(x)", [gen(3, 4, low=r[0], high=r[1])]) for r, names in SAME_NAME.items() for n in names.split()],
    *[(f"f.{n}(x, y)", f"f.{n}(x, y)", [gen(3, 4), gen(4)]) for n in BINARY.split()],
    ("f.power(x, y)", "f.pow(x, y)", [pos(3, 4), gen(4)]), ("x ** 3", "x ** 3", [gen(5)]), ("x ** -2.0", "x ** -2.0", [pos(5)]), ("2.0 ** x", "2.0 ** x", [gen(5)]),
    ("f.float_power(x, y)", "f.float_power(x, y)", [pos(4), gen(4)]), ("f.copysign(x, y)", "f.copysign(x, y)", [gen(4), gen(4)]),
    ("f.mod(x, y)", "f.remainder(x, y)", [gen(4), pos(4)]), ("f.fmod(x, y)", "f.fmod(x, y)", [gen(4), pos(4)]),
    ("f.clip(x, -1, 1.5)", "f.clip(x, -1, 1.5)", [gen(3, 4)]), ("f.where(x > 0, x, y)", "f.where(x > 0, x, y)", [gen(3, 4), gen(4)]), ("f.leaky_relu(x, 0.2)", "F.leaky_relu(x, 0.2)", [gen(9)]),
    ("f.log_sigmoid(x)", "F.logsigmoid(x)", [gen(9)]), ("f.softplus(x)", "F.softplus(x)", [gen(9)]), ("f.cbrt(x)", "f.sign(x) * f.abs(x) ** (1 / 3)", [gen(9)]),
    ("f.special.expit(x)", "f.special.expit(x)", [gen(9)]), ("f.special.logit(x)", "f.special.logit(x)", [gen(9, low=0.05, high=0.95)]), ("f.special.ndtr(x)", "f.special.ndtr(x)", [gen(9)]),
    ("f.special.xlogy(x, y)", "f.special.xlogy(x, y)", [gen(9), pos(9)]), ("f.special.xlog1py(x, y)", "f.special.xlog1py(x, y)", [gen(9), pos(9)]), ("f.special.entr(x)", "f.special.entr(x)", [pos(9)]),
    ("f.special.rel_entr(x, y)", "x * f.log(x / y)", [pos(9), pos(9)]), ("f.special.kl_div(x, y)", "x * f.log(x / y) - x + y", [pos(9), pos(9)]),
    # reductions
    *[(f"f.{n}({{}})".format(a), f"f.{n}({b})", [gen(3, 4, 2)]) for n in ("sum", "mean") for a, b in (("x", "x"), ("x, axis=1", "x, 1"), ("x, axis=(0, 2), keepdims=True", "x, (0, 2), keepdim=True"))],
    *[(f"f.{n}({a}, ddof=1)", f"f.{n}({b})", [gen(3, 4, 2)]) for n in ("var", "std") for a, b in (("x", "x"), ("x, axis=1", "x, 1"), ("x, axis=(0, 2), keepdims=True", "x, (0, 2), keepdim=True"))],
    ("f.var(x)", "f.var(x, correction=0)", [gen(7)]), ("f.prod(x)", "f.prod(x)", [gen(5)]), ("f.prod(x, axis=1)", "f.prod(x, 1)", [gen(3, 4)]), ("f.prod(x * (x > 0), axis=0)", "f.prod(x * (x > 0), 0)", [gen(3, 4)]),
    ("f.max(x)", "f.amax(x)", [gen(3, 4)]), ("f.max(x, axis=1)", "f.amax(x, 1)", [gen(3, 4)]), ("f.min(x, axis=(0, 1))", "f.amin(x, (0, 1))", [gen(3, 4)]), ("f.ptp(x, axis=0)", "f.amax(x, 0) - f.amin(x, 0)", [gen(3, 4)]),
    ("f.median(x)", "f.median(x)", [gen(7)]), ("f.median(x, axis=1)", "f.median(x, 1).values", [gen(3, 5)]), ("f.quantile(x, 0.3)", "f.quantile(x, 0.3)", [gen(7)]),
    *[(f"f.quantile(x, 0.3, axis=1, method='{m}')", f"f.quantile(x, 0.3, 1, interpolation='{m}')", [gen(3, 6)]) for m in ("linear", "lower", "higher", "midpoint", "nearest")],
    ("f.nansum(x)", "f.nansum(x)", [gen(7)]), ("f.nanmean(x, axis=1)", "f.nanmean(x, 1)", [gen(3, 4)]), ("f.average(x, weights=y)", "(x * y).sum() / y.sum()", [gen(7), pos(7)]),
    ("f.cov(x)", "f.cov(x)", [gen(3, 6)]), ("f.corrcoef(x)", "f.corrcoef(x)", [gen(3, 6)]), ("f.logsumexp(x, axis=1)", "f.logsumexp(x, 1)", [gen(3, 4)]), ("f.softmax(x, axis=1)", "f.softmax(x, 1)", [gen(3, 4)]), ("f.log_softmax(x, axis=0)", "f.log_softmax(x, 0)", [gen(3, 4)]),
    # along an axis
    ("f.cumsum(x, 1)", "f.cumsum(x, 1)", [gen(3, 4)]), ("f.cumprod(x, 0)", "f.cumprod(x, 0)", [gen(5, 2)]), ("f.diff(x, axis=0)", "f.diff(x, dim=0)", [gen(5, 2)]), ("f.diff(x, n=2)", "f.diff(x, n=2)", [gen(5)]), ("f.trapezoid(x, y)", "f.trapezoid(x, y)", [gen(5), gen(5)]), ("f.gradient(x, 0.5)", "f.gradient(x, spacing=0.5)[0]", [gen(6)]),
    ("f.sort(x, axis=0)", "f.sort(x, 0).values", [gen(5, 3)]), ("f.sort(x, descending=True)", "f.sort(x, descending=True).values", [gen(5)]), ("f.topk(x, 2)[0]", "f.topk(x, 2).values", [gen(3, 5)]), ("f.topk(x, 2, largest=False)[0]", "f.topk(x, 2, largest=False).values", [gen(5)]),
    # shapes
    ("f.reshape(x, (4, 3))", "f.reshape(x, (4, 3))", [gen(3, 4)]), ("f.ravel(x)", "f.ravel(x)", [gen(3, 4)]), ("f.transpose(x, (1, 2, 0))", "f.permute(x, (1, 2, 0))", [gen(2, 3, 4)]), ("f.swapaxes(x, 0, 2)", "f.swapaxes(x, 0, 2)", [gen(2, 3, 4)]), ("f.moveaxis(x, 0, 2)", "f.moveaxis(x, 0, 2)", [gen(2, 3, 4)]), ("x.T", "x.T", [gen(3, 4)]), ("x.mT", "x.mT", [gen(2, 3, 4)]),
    ("f.expand_dims(x, 1)", "f.unsqueeze(x, 1)", [gen(3)]), ("f.squeeze(x, 1)", "f.squeeze(x, 1)", [gen(3, 1)]), ("f.broadcast_to(x, (2, 3))", "f.broadcast_to(x, (2, 3))", [gen(3)]), ("f.atleast_2d(x)", "f.atleast_2d(x)", [gen(3)]), ("f.atleast_3d(x)", "f.atleast_3d(x)", [gen(3)]),
    ("f.flip(x, (0, 1))", "f.flip(x, (0, 1))", [gen(3, 4)]), ("f.fliplr(x)", "f.fliplr(x)", [gen(3, 4)]), ("f.flipud(x)", "f.flipud(x)", [gen(3, 4)]), ("f.rot90(x, 1)", "f.rot90(x, 1)", [gen(3, 4)]), ("f.rot90(x, 3)", "f.rot90(x, 3)", [gen(3, 4)]), ("f.roll(x, 2)", "f.roll(x, 2)", [gen(3, 4)]), ("f.roll(x, (1, -1), (0, 1))", "f.roll(x, (1, -1), (0, 1))", [gen(3, 4)]),
    ("f.tile(x, (2, 3))", "f.tile(x, (2, 3))", [gen(3, 4)]), ("f.repeat(x, 2, axis=1)", "f.repeat_interleave(x, 2, 1)", [gen(3, 4)]), ("f.repeat(x, [1, 0, 2], axis=0)", "f.repeat_interleave(x, f.tensor([1, 0, 2]), 0)", [gen(3, 4)]), ("f.meshgrid(x, y, indexing='ij')[0]", "f.meshgrid(x, y, indexing='ij')[0]", [gen(3), gen(4)]), ("f.broadcast_arrays(x, y)[0]", "f.broadcast_tensors(x, y)[0]", [gen(3, 1), gen(4)]),
    ("f.pad(x, ((1, 2), (0, 3)), constant_values=2.5)", "F.pad(x, (0, 3, 1, 2), value=2.5)", [gen(3, 4)]), ("f.pad(x, ((0, 0), (2, 1)), mode='reflect')", "F.pad(x, (2, 1), mode='reflect')", [gen(3, 4)]), ("f.pad(x, ((0, 0), (2, 1)), mode='edge')", "F.pad(x, (2, 1), mode='replicate')", [gen(3, 4)]), ("f.pad(x, ((0, 0), (2, 1)), mode='wrap')", "F.pad(x, (2, 1), mode='circular')", [gen(3, 4)]),
    # joining, parting, picking
    ("f.concatenate([x, y], 1)", "f.cat([x, y], 1)", [gen(3, 4), gen(3, 2)]), ("f.stack([x, y], 1)", "f.stack([x, y], 1)", [gen(3, 4), gen(3, 4)]), ("f.vstack([x, y])", "f.vstack([x, y])", [gen(3, 4), gen(4)]), ("f.hstack([x, y])", "f.hstack([x, y])", [gen(3, 4), gen(3, 2)]), ("f.dstack([x, y])", "f.dstack([x, y])", [gen(3, 4), gen(3, 4)]), ("f.column_stack([x, y])", "f.column_stack([x, y])", [gen(3), gen(3, 2)]),
    ("f.split(x, 2, 1)[1]", "f.tensor_split(x, 2, 1)[1]", [gen(3, 4)]), ("f.array_split(x, 3)[0]", "f.tensor_split(x, 3)[0]", [gen(5)]), ("f.unstack(x, 1)[2]", "f.unbind(x, 1)[2]", [gen(3, 4)]), ("x[1]", "x[1]", [gen(3, 4)]), ("x[:, ::2]", "x[:, ::2]", [gen(3, 4)]), ("x[..., None, 1:]", "x[..., None, 1:]", [gen(3, 4)]), ("x[[0, 2, 0]]", "x[[0, 2, 0]]", [gen(3, 4)]), ("x[x > 0]", "x[x > 0]", [gen(3, 4)]), ("x[[0, 1], [2, 2]]", "x[[0, 1], [2, 2]]", [gen(3, 4)]),
    ("f.take(x, [5, 0, 5])", "f.take(x, f.tensor([5, 0, 5]))", [gen(3, 4)]), ("f.take(x, [1, 1], axis=1)", "f.index_select(x, 1, f.tensor([1, 1]))", [gen(3, 4)]), ("f.take_along_axis(x, f.argsort(x, 1), 1)", "f.take_along_dim(x, f.argsort(x, 1), 1)", [gen(3, 4)]),
    ("f.diag(x)", "f.diag(x)", [gen(3)]), ("f.diag(x, 1)", "f.diag(x, 1)", [gen(3, 4)]), ("f.diagonal(x, 0, 1, 2)", "f.diagonal(x, 0, 1, 2)", [gen(2, 3, 4)]), ("f.trace(x)", "f.trace(x)", [gen(3, 4)]), ("f.tril(x, -1)", "f.tril(x, -1)", [gen(3, 4)]), ("f.triu(x)", "f.triu(x)", [gen(2, 3, 4)]), ("f.diagflat(x)", "f.diagflat(x)", [gen(2, 2)]),
    ("f.index_add(x, [1, 1], y)", "f.index_add(x, 0, f.tensor([1, 1]), y)", [gen(3, 4), gen(2, 4)]), ("f.index_add(x, [3, 0], y, axis=1)", "f.index_add(x, 1, f.tensor([3, 0]), y)", [gen(3, 4), gen(3, 2)]), ("x.at[1].set(y)", "f.cat([x[:1], y[None], x[2:]])", [gen(3, 4), gen(4)]), ("x.at[:, 1].add(y)", "x + f.nn.functional.pad(y[:, None], (1, 2))", [gen(3, 4), gen(3)]),
    # products
    ("x @ y", "x @ y", [gen(3, 4), gen(4, 2)]), ("x @ y", "x @ y", [gen(2, 3, 4), gen(4, 2)]), ("x @ y", "x @ y", [gen(2, 1, 3, 4), gen(5, 4, 2)]), ("x @ y", "x @ y", [gen(3, 4), gen(4)]), ("x @ y", "x @ y", [gen(4), gen(4, 2)]), ("x @ y", "x @ y", [gen(4), gen(4)]), ("x @ y", "x @ y", [gen(4), gen(2, 4, 3)]),
    ("f.inner(x, y)", "f.inner(x, y)", [gen(3, 4), gen(2, 4)]), ("f.outer(x, y)", "f.outer(x, y)", [gen(3), gen(4)]), ("f.vdot(x, y)", "f.vdot(x, y)", [gen(4), gen(4)]), ("f.dot(x, y)", "f.mm(x, y)", [gen(3, 4), gen(4, 2)]), ("f.kron(x, y)", "f.kron(x, y)", [gen(2, 3), gen(3, 2)]), ("f.tensordot(x, y, 1)", "f.tensordot(x, y, 1)", [gen(2, 3), gen(3, 2)]), ("f.tensordot(x, y, ((0, 2), (1, 0)))", "f.tensordot(x, y, ((0, 2), (1, 0)))", [gen(2, 3, 4), gen(4, 2, 3)]), ("f.cross(x, y)", "f.linalg.cross(x, y)", [gen(5, 3), gen(5, 3)]), ("f.vecdot(x, y)", "f.linalg.vecdot(x, y)", [gen(5, 3), gen(5, 3)]),
    *[(f"f.einsum('{s}', x, y)", f"f.einsum('{s}', x, y)", [gen(3, 3), gen(3, 3)]) for s in ("ij,jk->ik", "ij,ij->", "ij,ji->i", "ii,ij->j", "ij,kl->il", "i...,i...->...", "ij,kj->ik")],
    ("f.einsum('bij,bjk,bk->i', x, y, w)", "f.einsum('bij,bjk,bk->i', x, y, w)", [gen(2, 3, 4), gen(2, 4, 3), gen(2, 3)]), ("f.einsum('ii->i', x)", "f.einsum('ii->i', x)", [gen(3, 3)]), ("f.einsum('ij->ji', x)", "f.einsum('ij->ji', x)", [gen(3, 4)]),
    # linear algebra, on well-conditioned matrices
    *[(f"f.linalg.{n}(x + 8 * {{eye}})", f"f.linalg.{n}(x + 8 * {{eye}})", [gen(2, 3, 3)]) for n in ("inv", "det", "pinv")], ("f.linalg.solve(x + 8 * {eye}, y)", "f.linalg.solve(x + 8 * {eye}, y)", [gen(2, 3, 3), gen(2, 3, 2)]), ("f.linalg.solve(x + 8 * {eye}, y)", "f.linalg.solve(x + 8 * {eye}, y)", [gen(3, 3), gen(3)]), ("f.linalg.slogdet(x + 8 * {eye})[1]", "f.linalg.slogdet(x + 8 * {eye})[1]", [gen(2, 3, 3)]),
    (f"f.linalg.cholesky({SPD})", f"f.linalg.cholesky({SPD})", [gen(2, 3, 3)]), (f"f.linalg.cholesky({SPD}, upper=True)", f"f.linalg.cholesky({SPD}, upper=True)", [gen(3, 3)]), (f"f.linalg.eigvalsh({SPD})", f"f.linalg.eigvalsh({SPD})", [gen(2, 3, 3)]), (f"f.linalg.eigh({SPD})[1] ** 2", f"f.linalg.eigh({SPD})[1] ** 2", [gen(3, 3)]), ("f.linalg.svdvals(x)", "f.linalg.svdvals(x)", [gen(2, 4, 3)]), ("f.linalg.svd(x, full_matrices=False)[0] ** 2", "f.linalg.svd(x, full_matrices=False)[0] ** 2", [gen(4, 3)]), ("f.linalg.svd(x, full_matrices=False)[2] ** 2", "f.linalg.svd(x, full_matrices=False)[2] ** 2", [gen(3, 5)]),
    ("f.linalg.qr(x)[0] ** 2", "f.linalg.qr(x)[0] ** 2", [gen(4, 3)]), ("f.linalg.qr(x)[1] ** 2", "f.linalg.qr(x)[1] ** 2", [gen(3, 5)]), ("f.linalg.pinv(x)", "f.linalg.pinv(x)", [gen(4, 2)]), ("f.linalg.matrix_power(x, 3)", "f.linalg.matrix_power(x, 3)", [gen(3, 3)]), ("f.linalg.matrix_power(x + 8 * {eye}, -2)", "f.linalg.matrix_power(x + 8 * {eye}, -2)", [gen(3, 3)]), ("f.linalg.multi_dot([x, y, w])", "f.linalg.multi_dot([x, y, w])", [gen(2, 3), gen(3, 4), gen(4, 2)]), ("f.linalg.cond(x + 8 * {eye})", "f.linalg.cond(x + 8 * {eye})", [gen(3, 3)]),
    *[(f"f.linalg.vector_norm(x, {o}, axis=1)", f"f.linalg.vector_norm(x, {o}, dim=1)", [gen(3, 4)]) for o in ("2", "1", "3", "0.5", "float('inf')", "-float('inf')")], *[(f"f.linalg.matrix_norm(x, {o})", f"f.linalg.matrix_norm(x, {o})", [gen(2, 3, 4)]) for o in ("'fro'", "'nuc'", "1", "-1", "2", "-2", "float('inf')", "-float('inf')")], ("f.linalg.norm(x)", "f.linalg.norm(x)", [gen(3, 4)]), ("f.linalg.norm(x, axis=(0, 2), keepdims=True)", "f.linalg.norm(x, dim=(0, 2), keepdim=True)", [gen(3, 4, 2)]),
    # convolutions and pooling
    *[(f"f.conv2d(x, y, stride={s}, padding={p}, dilation={d}, groups={g})", f"F.conv2d(x, y, stride={s}, padding={p}, dilation={d}, groups={g})", [gen(n, 4, 7, 8), gen(6, 4 // g, 3, 2)]) for n in (2, 9) for s, p, d, g in ((1, 0, 1, 1), (2, 1, 1, 2), (1, "'same'", 2, 1), (3, (1, 2), (1, 2), 1))],
    *[(f"f.conv_transpose2d(x, y, stride={s}, padding={p}, output_padding={o}, groups={g}, dilation={d})", f"F.conv_transpose2d(x, y, stride={s}, padding={p}, output_padding={o}, groups={g}, dilation={d})", [gen(n, 4, 4, 5), gen(4, 3, 3, 2)]) for n in (2, 9) for s, p, o, g, d in ((1, 0, 0, 1, 1), (2, 1, 1, 2, 1), (3, 1, 2, 1, 2))],
    ("f.conv1d(x, y, w, 2, 1, 2, 2)", "F.conv1d(x, y, w, 2, 1, 2, 2)", [gen(3, 4, 9), gen(6, 2, 3), gen(6)]), ("f.conv_transpose1d(x, y, w, 2, 1, 1, 2)", "F.conv_transpose1d(x, y, w, 2, 1, 1, 2)", [gen(3, 4, 9), gen(4, 3, 3), gen(6)]), ("f.max_pool1d(x, 3, 2, 1)", "F.max_pool1d(x, 3, 2, 1)", [gen(3, 4, 9)]), ("f.avg_pool1d(x, 3, 2, 1)", "F.avg_pool1d(x, 3, 2, 1)", [gen(3, 4, 9)]),
    *[(f"f.max_pool2d(x, {k}, {s}, {p}, {d}, {c})", f"F.max_pool2d(x, {k}, {s}, {p}, {d}, {c})", [gen(n, 2, 9, 10)]) for n in (2, 9) for k, s, p, d, c in ((2, None, 0, 1, False), (3, 2, 1, 1, True), ((2, 3), 1, 1, 2, False))],
    *[(f"f.avg_pool2d(x, {k}, {s}, {p}, {c}, {i})", f"F.avg_pool2d(x, {k}, {s}, {p}, {c}, {i})", [gen(2, 2, 9, 10)]) for k, s, p, c, i in ((2, None, 0, False, True), (3, 2, 1, True, True), (3, 2, 1, True, False), ((2, 3), 1, 1, False, False))], ("f.avg_pool2d(x, 2, divisor_override=3)", "F.avg_pool2d(x, 2, divisor_override=3)", [gen(2, 2, 4, 4)]),
    ("f.unfold(x, (2, 3), 1, 1, 2)", "F.unfold(x, (2, 3), 1, 1, 2)", [gen(2, 2, 6, 7)]), ("f.fold(x, (6, 7), (2, 3), 1, 1, 2)", "F.fold(x, (6, 7), (2, 3), 1, 1, 2)", [gen(2, 12, 16)]),
]  # fmt: skip

EYE = np.eye(3)


def evaluate(text, library, inputs, eye):
    names = dict(zip("xyw", inputs, strict=False))
    scope = {"f": library, "F": torch.nn.functional, "eye": eye}
    return eval(text.replace("{eye}", "eye"), scope, names)


def test_the_table_is_long_enough():
    assert len({ours for ours, _, _ in TABLE}) >= 200


@pytest.mark.parametrize(
    ("ours", "theirs", "inputs"), TABLE, ids=[f"{i}-{ours}" for i, (ours, _, _) in enumerate(TABLE)]
)
def test_values_and_gradients_equal_pytorchs(ours, theirs, inputs):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        arrays = [rng.uniform(low, high, shape) for shape, low, high in inputs]
        xs = [mg.Tensor(a) for a in arrays]
        ts = [torch.tensor(a, requires_grad=True) for a in arrays]
        z = evaluate(ours, mg, xs, EYE)
        t = evaluate(theirs, torch, ts, torch.tensor(EYE))
        assert z.shape == tuple(t.shape)
        np.testing.assert_allclose(z.data, t.detach().numpy(), rtol=1e-9, atol=1e-11)
        g = rng.standard_normal(z.shape)
        z.backward(g)
        t.backward(torch.tensor(g))
        for x, u in zip(xs, ts, strict=True):
            gradients = [
                np.zeros(x.shape) if a is None else np.asarray(a) for a in (x.grad, u.grad)
            ]
            np.testing.assert_allclose(*gradients, rtol=1e-9, atol=1e-9)
