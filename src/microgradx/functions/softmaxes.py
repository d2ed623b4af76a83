"""Softmax, its logarithm, and the logarithm of a sum of exponentials, without overflow."""

from __future__ import annotations

from microgradx.functions.arguments import Axis, TensorLike, all_or, as_tensor, axes_of
from microgradx.ops import reductions
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

__all__ = ["log_softmax", "logsumexp", "softmax"]


def softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """Exponentials that sum to 1 along `axis`; no overflow, and -inf gives 0.

    Parameters
    ----------
    x : Tensor or array_like
        Logits.
    axis : int or tuple of int, optional
        The axis that sums to 1; the last by default.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> softmax(Tensor([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """
    x = as_tensor(x, "softmax")
    return apply(reductions.softmax, (x,), {"axis": axes_of(axis, x.ndim, "softmax")})


def log_softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """Logarithm of `softmax`, exact also where that underflows.

    Parameters
    ----------
    x : Tensor or array_like
        Logits.
    axis : int or tuple of int, optional
        The axis to normalise over; the last by default.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x = as_tensor(x, "log_softmax")
    return apply(reductions.log_softmax, (x,), {"axis": axes_of(axis, x.ndim, "log_softmax")})


def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials, without overflow.

    Parameters
    ----------
    x : Tensor or array_like
        Exponents; all -inf gives -inf with gradient 0.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> import numpy as np
    >>> bool(logsumexp(Tensor([1000.0, 1000.0])).item() == 1000 + np.log(2))
    True
    """
    x = as_tensor(x, "logsumexp")
    axes = all_or(axes_of(axis, x.ndim, "logsumexp"), x.ndim)
    return apply(reductions.logsumexp, (x,), {"axis": axes, "keepdims": bool(keepdims)})
