"""Products of vectors and matrices."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from microgradx import value_operations
from microgradx.errors import ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor, axes_of
from microgradx.functions.shapes import expand_dims, reshape, squeeze, transpose
from microgradx.ops import einsum as sums
from microgradx.ops import elementwise, linalg
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply
from microgradx.value import Value

__all__ = [
    "cross",
    "dot",
    "inner",
    "kron",
    "matmul",
    "matvec",
    "outer",
    "tensordot",
    "vdot",
    "vecdot",
    "vecmat",
]


def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """Matrix product, as the operator ``@``: batched over leading axes, vectors allowed.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, k) or (k,)
        Left factor.
    y : Tensor or array_like, shape (..., k, m) or (k,)
        Right factor.

    Returns
    -------
    Tensor
        Of shape (..., n, m); a vector's axis is dropped.

    Raises
    ------
    ShapeError
        If the inner sizes differ, or an operand has no axes.

    Examples
    --------
    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]) @ [1.0, 1.0]
    Tensor([3., 7.])
    """
    # Raw arrays stay raw: they are constants, and the engine decides whether to copy them.
    x = x if hasattr(x, "ndim") else as_tensor(x, "matmul")
    y = y if hasattr(y, "ndim") else as_tensor(y, "matmul")
    if x.ndim == 0 or y.ndim == 0:
        raise ShapeError(
            "matmul", f"{x.shape} @ {y.shape} has an operand without axes", "Use * to scale"
        )
    row, column = x.ndim == 1, y.ndim == 1
    if not row and not column:
        return apply(linalg.matmul, (x, y))
    rows = y.shape[0 if column else -2]
    if x.shape[-1] != rows:
        raise ShapeError(
            "matmul",
            f"inner sizes differ in {x.shape} @ {y.shape}: {x.shape[-1]} and {rows}",
            "Transpose one operand or reshape it",
        )
    if row and column:
        return apply(linalg.inner, (x, y))
    if x.ndim + y.ndim == 3:  # one matrix, one vector
        return apply(linalg.matvec, (x, y) if column else (transpose(y), x))
    x = expand_dims(x, 0) if row else x
    y = expand_dims(y, 1) if column else y
    z = apply(linalg.matmul, (x, y))
    drop = ((-2,) if row else ()) + ((-1,) if column else ())
    return squeeze(z, drop)


def dot(xs: Any, ys: Any) -> Any:
    """Inner product of two vectors, or of two lists of Values as one node; NumPy's for arrays.

    Parameters
    ----------
    xs, ys : sequences of Value, or Tensor or array_like
        Values: equally long. Arrays: the last axis of one meets the last but one of the other.

    Returns
    -------
    Value or Tensor
        The sum of products, in order.

    Raises
    ------
    ShapeError
        If the lengths differ.

    Examples
    --------
    >>> dot([Value(1.0), Value(2.0)], [3.0, 4.0])
    Value(data=11.0, grad=0.0)
    """
    xs = list(xs) if hasattr(xs, "__iter__") and not hasattr(xs, "ndim") else xs
    ys = list(ys) if hasattr(ys, "__iter__") and not hasattr(ys, "ndim") else ys
    if (
        isinstance(xs, list)
        and isinstance(ys, list)
        and builtins.any(v.__class__ is Value for v in (*xs, *ys))
    ):
        if len(xs) != len(ys):
            raise ShapeError(
                "dot", f"lengths differ: {len(xs)} and {len(ys)}", "Pair each weight with an input"
            )
        return value_operations.apply(elementwise.dot, 0.0, *xs, *ys)
    x, y = as_tensor(xs, "dot"), as_tensor(ys, "dot")
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return (
        matmul(x, y)
        if y.ndim < 3 and x.ndim < 3
        else tensordot(x, y, ((-1,), (-2 if y.ndim > 1 else -1,)))
    )


def tensordot(x: TensorLike, y: TensorLike, axes: Any = 2) -> Tensor:
    """Sum of products over pairs of axes.

    Parameters
    ----------
    x, y : Tensor or array_like
        Factors.
    axes : int or pair of sequences of int, optional
        How many of the last axes of `x` meet the first of `y`; or which meet which.

    Returns
    -------
    Tensor
        The axes left over, those of `x` first.

    Raises
    ------
    ShapeError
        If paired axes differ in length.
    """
    x, y = as_tensor(x, "tensordot"), as_tensor(y, "tensordot")
    if hasattr(axes, "__index__"):
        mine, theirs = tuple(range(x.ndim - axes, x.ndim)), tuple(range(axes))
    else:
        first, second = axes
        mine = tuple(first) if isinstance(first, (tuple, list)) else (first,)
        theirs = tuple(second) if isinstance(second, (tuple, list)) else (second,)
    axes_of(mine, x.ndim, "tensordot")
    axes_of(theirs, y.ndim, "tensordot")
    mine, theirs = tuple([i % x.ndim for i in mine]), tuple([i % y.ndim for i in theirs])
    if [x.shape[i] for i in mine] != [y.shape[i] for i in theirs]:
        raise ShapeError(
            "tensordot",
            f"axes {mine} of {x.shape} and {theirs} of {y.shape} differ in length",
            "Pair axes of one length",
        )
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    left = [next(letters) for _ in range(x.ndim)]
    right = [next(letters) for _ in range(y.ndim)]
    for i, j in zip(mine, theirs, strict=True):
        right[j] = left[i]
    result = [c for c in left if c not in right] + [c for c in right if c not in left]
    return apply(
        sums.einsum,
        (x, y),
        {"left": "".join(left), "right": "".join(right), "result": "".join(result)},
    )


def inner(x: TensorLike, y: TensorLike) -> Tensor:
    """Sum of products over the last axes."""
    x, y = as_tensor(x, "inner"), as_tensor(y, "inner")
    return tensordot(x, y, ((-1,), (-1,))) if x.ndim and y.ndim else x * y


def outer(x: TensorLike, y: TensorLike) -> Tensor:
    """All products of two flattened arrays: shape ``(x.size, y.size)``."""
    x, y = as_tensor(x, "outer"), as_tensor(y, "outer")
    return reshape(x, x.size, 1) * reshape(y, 1, y.size)


def vdot(x: TensorLike, y: TensorLike) -> Tensor:
    """Inner product of two flattened arrays."""
    x, y = as_tensor(x, "vdot"), as_tensor(y, "vdot")
    return matmul(reshape(x, x.size), reshape(y, y.size))


def vecdot(x: TensorLike, y: TensorLike, axis: int = -1) -> Tensor:
    """Inner products along an axis, with broadcasting over the others."""
    x, y = as_tensor(x, "vecdot"), as_tensor(y, "vecdot")
    return (x * y).sum(axis)  # type: ignore[no-any-return]


def matvec(x: TensorLike, y: TensorLike) -> Tensor:
    """Matrices times vectors, with broadcasting over leading axes."""
    return squeeze(matmul(x, expand_dims(y, -1)), -1)


def vecmat(x: TensorLike, y: TensorLike) -> Tensor:
    """Vectors times matrices, with broadcasting over leading axes."""
    return squeeze(matmul(expand_dims(x, -2), y), -2)


def kron(x: TensorLike, y: TensorLike) -> Tensor:
    """Kronecker product: every element of `x` times the whole of `y`."""
    x, y = as_tensor(x, "kron"), as_tensor(y, "kron")
    ndim = builtins.max(x.ndim, y.ndim)
    a, b = (1,) * (ndim - x.ndim) + x.shape, (1,) * (ndim - y.ndim) + y.shape
    wide = reshape(x, [n for m in a for n in (m, 1)]) * reshape(y, [n for m in b for n in (1, m)])
    return reshape(wide, [m * n for m, n in zip(a, b, strict=True)])


def cross(x: TensorLike, y: TensorLike, axis: int = -1) -> Tensor:
    """Cross product of vectors with three elements along an axis.

    Parameters
    ----------
    x, y : Tensor or array_like
        Broadcast together.
    axis : int, optional
        Where the three elements lie.

    Returns
    -------
    Tensor
        At right angles to both.
    """
    x, y = as_tensor(x, "cross"), as_tensor(y, "cross")
    for t in (x, y):
        if not t.ndim or t.shape[axis] != 3:
            raise ShapeError(
                "cross",
                f"shape {t.shape} has no three elements along axis {axis}",
                "Append a 0 to plane vectors",
            )
    i = axis % builtins.max(x.ndim, y.ndim) - builtins.max(x.ndim, y.ndim)
    after, before = np.array([1, 2, 0]), np.array([2, 0, 1])
    rest = (slice(None),) * (-i - 1)
    at_after, at_before = (..., after, *rest), (..., before, *rest)
    return x[at_after] * y[at_before] - x[at_before] * y[at_after]  # type: ignore[no-any-return]
