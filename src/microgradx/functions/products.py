"""Products of vectors and matrices."""

from __future__ import annotations

import builtins
from typing import Any

from microgradx import value
from microgradx.errors import ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor
from microgradx.functions.shapes import expand_dims, squeeze
from microgradx.ops import elementwise, linalg
from microgradx.tensor import Tensor, apply
from microgradx.value import Value

__all__ = ["dot", "matmul"]


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
    inner = y.shape[0 if column else -2]
    if x.shape[-1] != inner:
        raise ShapeError(
            "matmul",
            f"inner sizes differ in {x.shape} @ {y.shape}: {x.shape[-1]} and {inner}",
            "Transpose one operand or reshape it",
        )
    x = expand_dims(x, 0) if row else x
    y = expand_dims(y, 1) if column else y
    z = apply(linalg.matmul, (x, y))
    drop = ((-2,) if row else ()) + ((-1,) if column else ())
    return squeeze(z, drop)


def dot(xs: Any, ys: Any) -> Any:
    """Inner product of two vectors, or of two lists of Values as one node.

    Parameters
    ----------
    xs, ys : sequences of Value, or Tensor or array_like
        Equally long.

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
    xs = xs if hasattr(xs, "ndim") else list(xs)
    ys = ys if hasattr(ys, "ndim") else list(ys)
    if (
        isinstance(xs, list)
        and isinstance(ys, list)
        and builtins.any(v.__class__ is Value for v in (*xs, *ys))
    ):
        if len(xs) != len(ys):
            raise ShapeError(
                "dot", f"lengths differ: {len(xs)} and {len(ys)}", "Pair each weight with an input"
            )
        return value.apply(elementwise.dot, 0.0, *xs, *ys)
    return matmul(xs, ys)
