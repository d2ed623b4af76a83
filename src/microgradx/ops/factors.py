"""Inverses, determinants and factorisations of stacks of square and tall matrices.

A factorisation has several results and a primitive one, so the results stand side by side in one
array, and ``linalg`` takes them apart. Equal eigenvalues or singular values have no slope of their
vectors; there the rules answer as if that part did not turn (`ratio` is 0 where it divides by 0).

Sources: Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008 (inverse, solve, determinant, eigh, svd); Murray, arXiv:1602.07527
(Cholesky); Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973 (pseudoinverse).
"""

# fmt: off

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.ops.elementwise import ratio, square
from microgradx.ops.linalg import matmul
from microgradx.ops.scans import tril, triu
from microgradx.ops.shaping import reshape, sum, swap
from microgradx.primitive import Primitive

Array = Any


def _given(z: Array, out: Array) -> Array:
    if out is None:
        return z
    np.copyto(out, z)
    return out


def _symmetric(x: Array) -> Array:
    """LAPACK would read one triangle only; the slope needs both to count."""
    return (x + np.swapaxes(x, -1, -2)) / 2


def _cofactor(x: Array, out: Array = None) -> Array:
    """det(x) times the transposed inverse, for singular matrices too."""
    u, s, vh = np.linalg.svd(x)
    n = s.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1).astype(s.dtype)
    turn = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    return _given(turn * ((u * others[..., None, :]) @ vh), out)


def _eigh(x: Array, out: Array = None) -> Array:
    """Eigenvalues in the first row, eigenvectors in the columns below."""
    w, v = np.linalg.eigh(_symmetric(x))
    return np.concatenate([w[..., None, :], v], -2, out)


def _svd(x: Array, out: Array = None, *, k: int) -> Array:
    """The elements of U, then the singular values, then the elements of Vh."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([u.reshape((*s.shape[:-1], -1)), s, vh.reshape((*s.shape[:-1], -1))], -1, out)


def _qr(x: Array, out: Array = None) -> Array:
    """Q, and R below it."""
    q, r = np.linalg.qr(x)
    return np.concatenate([q, r], -2, out)


def _cholesky_rule(g: Any, z: Any, x: Any) -> Any:
    inner = matmul(swap(z), g)
    inner = (tril(inner, k=0) + tril(inner, k=-1)) * 0.5
    half = swap(solve(swap(z), swap(solve(swap(z), inner))))
    return (half + swap(half)) * 0.5


def _eigh_rule(g: Any, z: Any, x: Any) -> Any:
    w, v = z[..., 0, :], z[..., 1:, :]
    gap = w[..., None, :] - w[..., :, None]
    turned = matmul(v, ratio(matmul(swap(v), g[..., 1:, :]), gap)) + v * g[..., 0, None, :]
    half = matmul(turned, swap(v))
    return (half + swap(half)) * 0.5


def _svd_rule(g: Any, z: Any, x: Any, *, k: int) -> Any:
    m, n = x.shape[-2:]
    a, lead = m * k, x.shape[:-2]
    u, s, vh = reshape(z[..., :a], shape=(*lead, m, k)), z[..., a : a + k], reshape(z[..., a + k :], shape=(*lead, k, n))
    gu, gs, gvh = reshape(g[..., :a], shape=(*lead, m, k)), g[..., a : a + k], reshape(g[..., a + k :], shape=(*lead, k, n))
    gap = square(s[..., None, :]) - square(s[..., :, None])
    of_u, of_v = matmul(swap(u), gu), matmul(vh, swap(gvh))
    inner = ratio(of_u - swap(of_u), gap) * s[..., None, :] + ratio(of_v - swap(of_v), gap) * s[..., :, None]
    c = matmul(matmul(u, inner) + u * gs[..., None, :], vh)
    if m > k:
        c = c + matmul((gu - matmul(u, of_u)) / s[..., None, :], vh)
    if n > k:
        c = c + matmul(u, (gvh - matmul(swap(of_v), vh)) / s[..., :, None])
    return c


def _qr_rule(g: Any, z: Any, x: Any) -> Any:
    m = x.shape[-2]
    q, r, gq = z[..., :m, :], z[..., m:, :], g[..., :m, :]
    inner = matmul(r, swap(triu(g[..., m:, :], k=0))) - matmul(swap(gq), q)
    inner = tril(inner, k=0) + swap(tril(inner, k=-1))
    return swap(solve(r, swap(gq + matmul(q, inner))))


def _pinv_rule(g: Any, z: Any, x: Any) -> Any:
    zt, gt = swap(z), swap(g)
    back = matmul(matmul(gt, z), zt)  # g' P P'
    front = matmul(matmul(zt, z), gt)  # P' P g'
    return back - matmul(x, matmul(z, back)) + front - matmul(matmul(front, z), x) - matmul(matmul(zt, g), zt)


_one: dict[str, Any] = {"kind": "other", "sample": ((-6.0, 6.0),)}


def _call(name: str) -> dict[str, Any]:
    return {"tex": rf"\operatorname{{{{{name}}}}}\left({{}}\right)", "text": name + "({})"}


inv: Primitive = Primitive("inv", None, lambda x, out=None: _given(np.linalg.inv(x), out),
    lambda g, z, x: -matmul(matmul(swap(z), g), swap(z)),
    tex="{:4}^{{-1}}", text="inv({})", **_one)
solve: Primitive = Primitive("solve", None, lambda x, y, out=None: _given(np.linalg.solve(x, y), out),
    lambda g, z, x, y: -matmul(solve(swap(x), g), swap(z)),
    lambda g, z, x, y: solve(swap(x), g),
    tex="{:4}^{{-1}} {:2}", text="solve({}, {})", kind="other", sample=((-6.0, 6.0), (-6.0, 6.0)))
det: Primitive = Primitive("det", None, lambda x, out=None: _given(np.linalg.det(x), out),
    lambda g, z, x: g[..., None, None] * cofactor(x),
    tex=r"\det {:4}", text="det({})", **_one)
cofactor: Primitive = Primitive("cofactor", None, _cofactor,
    lambda g, z, x: swap(inv(x)) * sum(g * z, axis=(x.ndim - 2, x.ndim - 1), keepdims=True) - matmul(matmul(z, swap(g)), swap(inv(x))),
    **_call("cof"), **_one)
logabsdet: Primitive = Primitive("logabsdet", None, lambda x, out=None: _given(np.linalg.slogdet(x)[1], out),
    lambda g, z, x: g[..., None, None] * swap(inv(x)),
    tex=r"\ln \left|\det {:4}\right|", text="logabsdet({})", **_one)
signdet: Primitive = Primitive("signdet", None, lambda x, out=None: _given(np.linalg.slogdet(x)[0], out),
    tex=r"\operatorname{{sign}} \det {:4}", text="signdet({})", kind="constant", sample=((-6.0, 6.0),))
cholesky: Primitive = Primitive("cholesky", None, lambda x, out=None: _given(np.linalg.cholesky(_symmetric(x)), out),
    _cholesky_rule, **_call("cholesky"), **_one)
eigh: Primitive = Primitive("eigh", None, _eigh, _eigh_rule, kink="equal eigenvalues: their vectors do not turn", **_call("eigh"), **_one)
svd: Primitive = Primitive("svd", None, _svd, _svd_rule, kink="equal singular values: their vectors do not turn", **_call("svd"), **_one)
qr: Primitive = Primitive("qr", None, _qr, _qr_rule, **_call("qr"), **_one)
pinv: Primitive = Primitive("pinv", None, lambda x, out=None: _given(np.linalg.pinv(x), out),
    _pinv_rule, domain="where the rank does not change", tex="{:4}^{{+}}", text="pinv({})", **_one)
