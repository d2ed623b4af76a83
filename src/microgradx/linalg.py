"""Linear algebra under ``numpy.linalg``'s names, for stacks of matrices, to any order.

Symmetric problems (`eigh`, `cholesky`) use the symmetric part of their input. Eigenvectors and
singular vectors have a sign (or a rotation, where values are equal) that nothing determines, so
only functions that do not depend on it have a meaningful gradient.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from microgradx.errors import ShapeError, UnsupportedError
from microgradx.functions import (
    count_nonzero,
    cross,
    diagonal,
    einsum,
    expand_dims,
    matmul,
    matrix_transpose,
    outer,
    reshape,
    squeeze,
    tensordot,
    trace,
    transpose,
    vecdot,
)
from microgradx.functions import max as largest
from microgradx.functions import min as smallest
from microgradx.functions import norm as length
from microgradx.functions import sum as add_up
from microgradx.functions.arguments import TensorLike, as_tensor, axes_of, constant
from microgradx.ops import factors
from microgradx.ops.elementwise import abs as magnitude
from microgradx.ops.elementwise import equal, where
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

__all__ = [
    "cholesky", "cond", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer",
    "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace", "vecdot",
    "vector_norm",
]  # fmt: skip


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def _matrix(x: TensorLike, where_from: str, *, square_only: bool = True) -> Tensor:
    x = as_tensor(x, f"linalg.{where_from}")
    if x.ndim < 2 or (square_only and x.shape[-1] != x.shape[-2]):
        what = "square matrices" if square_only else "matrices"
        raise ShapeError(
            f"linalg.{where_from}",
            f"shape {x.shape} is no stack of {what}",
            "The last two axes are rows and columns",
        )
    return x if x.dtype.kind == "f" else x.astype(float)  # type: ignore[no-any-return]


# ---- inverses and determinants -------------------------------------------------------------------
def inv(x: TensorLike) -> Tensor:
    """Inverse of square matrices.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, n)
        Regular matrices.

    Returns
    -------
    Tensor, shape (..., n, n)
        ``inv(x) @ x`` is the identity. `solve` is faster and more accurate for systems.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is singular.

    Examples
    --------
    >>> inv(Tensor([[2.0, 0.0], [0.0, 4.0]]))
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    return apply(factors.inv, (_matrix(x, "inv"),))


def solve(x: TensorLike, y: TensorLike) -> Tensor:
    """The solution z of ``x @ z = y``.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, n)
        Regular matrices.
    y : Tensor or array_like, shape (n,) or (..., n, k)
        Right-hand sides.

    Returns
    -------
    Tensor
        Of the shape of `y`, with broadcast leading axes.

    Raises
    ------
    ShapeError
        If rows and right-hand sides differ in number.
    numpy.linalg.LinAlgError
        If a matrix is singular.

    Examples
    --------
    >>> solve(Tensor([[2.0, 0.0], [0.0, 4.0]]), [2.0, 2.0])
    Tensor([1. , 0.5])
    """
    a, b = _matrix(x, "solve"), as_tensor(y, "linalg.solve")
    column = b.ndim == 1
    b = expand_dims(b, 1) if column else b
    if b.ndim < 2 or b.shape[-2] != a.shape[-1]:
        raise ShapeError(
            "linalg.solve",
            f"right-hand sides of shape {as_tensor(y, 'solve').shape} for {a.shape}",
            "One number for each row",
        )
    z = apply(factors.solve, (a, b))
    return squeeze(z, -1) if column else z


def det(x: TensorLike) -> Tensor:
    """Determinant; its first derivative is right for singular matrices too.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, n)
        Square matrices.

    Returns
    -------
    Tensor, shape (...)
        One number for each matrix.

    Examples
    --------
    >>> x = Tensor([[1.0, 2.0], [2.0, 4.0]])
    >>> det(x).backward()
    >>> x.grad.round(9)
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return apply(factors.det, (_matrix(x, "det"),))


def slogdet(x: TensorLike) -> SlogdetResult:
    """Sign and logarithm of the absolute value of the determinant, without overflow.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, n)
        Square matrices.

    Returns
    -------
    sign, logabsdet : Tensor, shape (...)
        The sign is a constant.
    """
    x = _matrix(x, "slogdet")
    return SlogdetResult(apply(factors.signdet, (x,)), apply(factors.logabsdet, (x,)))


def pinv(x: TensorLike) -> Tensor:
    """Moore-Penrose pseudoinverse; differentiable where the rank does not change.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., m, n)
        Any matrices.

    Returns
    -------
    Tensor, shape (..., n, m)
        ``pinv(x) @ y`` is the least-squares solution.
    """
    return apply(factors.pinv, (_matrix(x, "pinv", square_only=False),))


def matrix_power(x: TensorLike, n: int) -> Tensor:
    """A square matrix multiplied with itself `n` times; the inverse for negative `n`."""
    x = _matrix(x, "matrix_power")
    if n < 0:
        return matrix_power(inv(x), -n)
    if n == 0:
        return constant(np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape).copy())
    half = matrix_power(x, n // 2) if n > 1 else None
    if half is None:
        return x  # type: ignore[no-any-return]
    return matmul(matmul(half, half), x) if n % 2 else matmul(half, half)


def multi_dot(arrays: Any) -> Tensor:
    """Product of several matrices, multiplied in the cheapest order; the ends may be vectors."""
    tensors = [as_tensor(x, "linalg.multi_dot") for x in arrays]
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    terms = [letters[i : i + 2] for i in range(len(tensors))]
    if tensors[0].ndim == 1:
        terms[0] = terms[0][1:]
    if tensors[-1].ndim == 1:
        terms[-1] = terms[-1][:1]
    ends = [terms[0][0], terms[-1][-1]]
    result = "".join(c for c in ends if sum(c in term for term in terms) == 1)
    return einsum(f"{','.join(terms)}->{result}", *tensors)


# ---- factorisations ------------------------------------------------------------------------------
def cholesky(x: TensorLike, *, upper: bool = False) -> Tensor:
    """The lower triangle L with ``L @ L.T = x``.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, n)
        Symmetric positive definite matrices.
    upper : bool, optional
        Return ``L.T`` instead.

    Returns
    -------
    Tensor, shape (..., n, n)
        Gradients are symmetric.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a matrix is not positive definite.
    """
    z = apply(factors.cholesky, (_matrix(x, "cholesky"),))
    return matrix_transpose(z) if upper else z


def eigh(x: TensorLike) -> EighResult:
    """Eigenvalues, rising, and eigenvectors of symmetric matrices.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, n)
        Symmetric matrices.

    Returns
    -------
    eigenvalues : Tensor, shape (..., n)
        Their gradient is exact also where some are equal.
    eigenvectors : Tensor, shape (..., n, n)
        In columns. Where eigenvalues are equal, their vectors count as if they did not turn.

    Examples
    --------
    >>> eigh(Tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    Tensor([1., 2.])
    """
    z = apply(factors.eigh, (_matrix(x, "eigh"),))
    return EighResult(z[..., 0, :], z[..., 1:, :])


def eigvalsh(x: TensorLike) -> Tensor:
    """Eigenvalues of symmetric matrices, rising."""
    return eigh(x).eigenvalues


def svd(x: TensorLike, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """Singular value decomposition ``x = U @ diag(S) @ Vh``.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., m, n)
        Any matrices.
    full_matrices : bool, optional
        Only False has a gradient, and is the default here.
    compute_uv : bool, optional
        Whether to return the vectors too.

    Returns
    -------
    U, S, Vh : Tensor
        Of shapes (..., m, k), (..., k) and (..., k, n), k the smaller of m and n; or S alone.

    Raises
    ------
    UnsupportedError
        For full matrices of different sizes.
    """
    x = _matrix(x, "svd", square_only=False)
    m, n = x.shape[-2:]
    if full_matrices and m != n and compute_uv:
        raise UnsupportedError(
            "linalg.svd",
            "the surplus vectors of full_matrices=True have no gradient",
            "Pass full_matrices=False",
        )
    k, lead = min(m, n), x.shape[:-2]
    z = apply(factors.svd, (x,), {"k": k})
    s = z[..., m * k : m * k + k]
    if not compute_uv:
        return s
    return SVDResult(
        reshape(z[..., : m * k], (*lead, m, k)), s, reshape(z[..., m * k + k :], (*lead, k, n))
    )


def svdvals(x: TensorLike) -> Tensor:
    """Singular values, falling."""
    return svd(x, compute_uv=False)  # type: ignore[no-any-return]


def qr(x: TensorLike, mode: str = "reduced") -> Any:
    """Orthogonal times upper triangular: ``x = Q @ R``.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., m, n)
        Of full rank.
    mode : {"reduced", "r"}, optional
        Whether to return Q.

    Returns
    -------
    Q, R : Tensor
        Of shapes (..., m, k) and (..., k, n), k the smaller of m and n; or R alone.
    """
    x = _matrix(x, "qr", square_only=False)
    if mode not in {"reduced", "r"}:
        raise UnsupportedError(
            "linalg.qr", f"mode {mode!r} has no gradient here", "Use 'reduced' or 'r'"
        )
    m, n = x.shape[-2:]
    z = apply(factors.qr, (x[..., :m] if n > m else x,))
    q, r = z[..., :m, :], z[..., m:, :]
    if n > m:
        r = matmul(matrix_transpose(q), x)
    return r if mode == "r" else QRResult(q, r)


# ---- norms ---------------------------------------------------------------------------------------
def vector_norm(x: TensorLike, ord: Any = 2, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Norm of vectors: 2, 1, inf, -inf, 0 or any power; its gradient at 0 is 0.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    ord : float, optional
        Which: ``sum(|x|**ord) ** (1 / ord)``, extremes for infinities, the count of non-zeros
        (a constant) for 0.
    axis : int or tuple of int, optional
        Axes of the vectors; all by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        One number for each vector.

    Examples
    --------
    >>> vector_norm(Tensor([3.0, -4.0]))
    Tensor(5.)
    """
    x = as_tensor(x, "linalg.vector_norm")
    x = x if x.dtype.kind == "f" else x.astype(float)
    axes = axes_of(axis, x.ndim, "linalg.vector_norm")
    if ord == 0:
        return count_nonzero(x, axes, keepdims=keepdims).astype(x.dtype)
    if ord == 2:
        return length(x, axes, keepdims)
    size = magnitude(x)
    if ord in {np.inf, -np.inf}:
        return (largest if ord > 0 else smallest)(size, axis=axes, keepdims=keepdims)  # type: ignore[no-any-return]
    if ord == 1:
        return add_up(size, axes, keepdims)  # type: ignore[no-any-return]
    total = add_up(size**ord, axes, keepdims)
    zero = equal(total, 0)
    return where(zero, 0.0, where(zero, 1.0, total) ** (1 / ord)).astype(x.dtype)  # type: ignore[no-any-return]


def matrix_norm(x: TensorLike, ord: Any = "fro", keepdims: bool = False) -> Tensor:
    """Norm of matrices in the last two axes: "fro", "nuc", 1, -1, 2, -2, inf, -inf.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., m, n)
        Floating.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}, optional
        Which, as in ``numpy.linalg.norm``.
    keepdims : bool, optional
        Keep the two axes with length 1.

    Returns
    -------
    Tensor
        One number for each matrix.
    """
    x = _matrix(x, "matrix_norm", square_only=False)
    both = (x.ndim - 2, x.ndim - 1)
    if ord in {"fro", "f", None}:
        return vector_norm(x, 2, both, keepdims)
    if ord in {"nuc", 2, -2}:
        s = svdvals(x)
        z = add_up(s, -1) if ord == "nuc" else s[..., 0] if ord == 2 else s[..., -1]
        return expand_dims(z, (-2, -1)) if keepdims else z
    if ord not in {1, -1, np.inf, -np.inf}:
        raise UnsupportedError(
            "linalg.norm",
            f"matrices have no norm {ord!r}",
            "Use 'fro', 'nuc', 1, -1, 2, -2, inf or -inf",
        )
    summed, left = both if abs(ord) == 1 else both[::-1]
    totals = add_up(magnitude(x), summed, keepdims=True)
    z = (largest if ord > 0 else smallest)(totals, axis=left, keepdims=True)
    return z if keepdims else squeeze(z, both)


def norm(x: TensorLike, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Norm of vectors or matrices, as ``numpy.linalg.norm``; its gradient at 0 is 0.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    ord : optional
        As in `vector_norm` for one axis and in `matrix_norm` for two; without it the square root
        of the sum of squares over all given axes.
    axis : int or pair of int, optional
        Axes of the vectors or matrices.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        One number for each vector or matrix.

    Examples
    --------
    >>> norm(Tensor([[3.0, 0.0], [0.0, -4.0]]), "nuc")
    Tensor(7.)
    """
    if ord is None and axis is None:
        return length(x, None, keepdims)
    x = as_tensor(x, "linalg.norm")
    places = axis if isinstance(axis, (tuple, list)) else None if axis is None else (axis,)
    axes_of(axis, x.ndim, "linalg.norm")
    n = x.ndim if places is None else len(places)
    if ord is None and (places is None or n < 3):
        return vector_norm(x, 2, axis, keepdims)
    if n == 1:
        return vector_norm(x, ord, axis, keepdims)
    if n != 2:
        raise ShapeError(
            "linalg.norm", f"a norm over {n} axes", "Name one axis for vectors, two for matrices"
        )
    rows, columns = (0, 1) if places is None else [i % x.ndim for i in places]
    rest = [i for i in range(x.ndim) if i not in {rows, columns}]
    z = matrix_norm(transpose(x, (*rest, rows, columns)), ord)
    return expand_dims(z, tuple(sorted((rows, columns)))) if keepdims else z


def cond(x: TensorLike, p: Any = None) -> Tensor:
    """Condition number: the largest singular value over the smallest, or ``norm * norm of inv``."""
    if p in {None, 2}:
        s = svdvals(x)
        return s[..., 0] / s[..., -1]
    return matrix_norm(x, p) * matrix_norm(inv(x), p)


def matrix_rank(x: TensorLike) -> Tensor:
    """The number of singular values that are not 0 to rounding: a constant."""
    x = as_tensor(x, "linalg.matrix_rank")
    x._refuse_traced("linalg.matrix_rank")
    return constant(np.asarray(np.linalg.matrix_rank(x._data)))
