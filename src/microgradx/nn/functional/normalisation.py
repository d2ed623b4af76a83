"""Normalisation: mean 0 and variance 1 over some axes, and lengths of 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.primitive import PRIMITIVES

if TYPE_CHECKING:
    from microgradx.tensor import Tensor

__all__ = [
    "batch_norm", "cosine_similarity", "group_norm", "instance_norm", "layer_norm", "normalize",
    "rms_norm",
]  # fmt: skip

_square, _sqrt, _maximum = PRIMITIVES["square"], PRIMITIVES["sqrt"], PRIMITIVES["maximum"]


def _standard(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """x with mean 0 and variance 1 over `axes`; the mean and the variance, axes kept."""
    mean = F.mean(x, axes, keepdims=True)
    deviation = x - mean
    variance = F.mean(_square(deviation), axes, keepdims=True)
    return deviation / _sqrt(variance + eps), mean, variance


def _affine(x: Tensor, weight: Any, bias: Any, shape: tuple[int, ...]) -> Tensor:
    if weight is not None:
        x = x * F.reshape(weight, shape)
    return x if bias is None else x + F.reshape(bias, shape)


def batch_norm(
    x: Any,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Give each channel mean 0 and variance 1 over the batch [1]_, then scale and shift it.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, ...)
        The input.
    running_mean, running_var : Tensor, shape (channels,), or None
        Used instead of the batch's own where `training` is false; in training they move towards
        the batch's by `momentum`.
    weight, bias : Tensor, shape (channels,), optional
        Scale and shift.
    training : bool, optional
        Whether to measure this batch.
    momentum : float, optional
        How much of a batch goes into the running numbers.
    eps : float, optional
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    ShapeError
        If a batch to be measured has only one number a channel, or there are other channels.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch Normalization", ICML 2015.
    """
    x = as_tensor(x, "batch_norm")
    if x.ndim < 2:
        problem = f"the input has shape {x.shape}"
        raise ShapeError("batch_norm", problem, "Pass (batch, channels, ...)")
    for given in (running_mean, weight, bias):
        if given is not None and given.size != x.shape[1]:
            problem = f"the input of shape {x.shape} has {x.shape[1]} channels, not {given.size}"
            raise ShapeError("batch_norm", problem, "Pass (batch, channels, ...)")
    channels = (1, -1, *(1,) * (x.ndim - 2))
    if training or running_mean is None or running_var is None:
        axes = (0, *range(2, x.ndim))
        count = x.size // max(x.shape[1], 1)
        if count < 2:
            problem = f"a batch of shape {x.shape} has one number a channel, so no variance"
            raise ShapeError("batch_norm", problem, "Pass more rows, or call model.eval() first")
        z, mean, variance = _standard(x, axes, eps)
        if running_mean is not None and running_var is not None:
            unbiased = F.reshape(variance, -1) * (count / (count - 1))
            _move(running_mean, F.reshape(mean, -1), momentum)
            _move(running_var, unbiased, momentum)
    else:
        spread = _sqrt(F.reshape(running_var, channels) + eps)
        z = (x - F.reshape(running_mean, channels)) / spread
    return _affine(z, weight, bias, channels)


def _move(buffer: Tensor, towards: Tensor, momentum: float) -> None:
    # Through `.data`, so that a captured step moves the buffer in each replay.
    buffer.data = buffer.data * (1 - momentum) + towards.data * momentum


def layer_norm(
    x: Any,
    normalized_shape: int | tuple[int, ...],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:
    """Give each row mean 0 and variance 1 over its last axes [1]_, then scale and shift it.

    Parameters
    ----------
    x : Tensor or array_like, shape ``(..., *normalized_shape)``
        The input.
    normalized_shape : int or tuple of int
        The sizes of the last axes.
    weight, bias : Tensor, shape normalized_shape, optional
        Scale and shift.
    eps : float, optional
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    ShapeError
        If the last sizes differ.

    References
    ----------
    .. [1] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016.
    """
    x, shape, axes = _last(x, normalized_shape, "layer_norm")
    z, _, _ = _standard(x, axes, eps)
    return _affine(z, weight, bias, shape)


def rms_norm(
    x: Any,
    normalized_shape: int | tuple[int, ...],
    weight: Any = None,
    eps: float | None = None,
) -> Tensor:
    """Divide each row by the root of its mean square over the last axes.

    Parameters
    ----------
    x : Tensor or array_like, shape ``(..., *normalized_shape)``
        The input.
    normalized_shape : int or tuple of int
        The sizes of the last axes.
    weight : Tensor, shape normalized_shape, optional
        Scale.
    eps : float, optional
        Added to the mean square; the dtype's own epsilon by default.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    ShapeError
        If the last sizes differ.
    """
    x, shape, axes = _last(x, normalized_shape, "rms_norm")
    eps = float(np.finfo(x.dtype).eps) if eps is None else eps
    z = x / _sqrt(F.mean(_square(x), axes, keepdims=True) + eps)
    return _affine(z, weight, None, shape)


def _last(x: Any, shape: Any, where: str) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]]:
    x = as_tensor(x, where)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if x.shape[x.ndim - len(shape) :] != shape:
        problem = f"the last axes of shape {x.shape} are not {shape}"
        raise ShapeError(where, problem, "Pass the sizes of the last axes")
    return x, shape, tuple(range(x.ndim - len(shape), x.ndim))


def group_norm(
    x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Give each group of channels of each row mean 0 and variance 1, then scale and shift.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, ...)
        The input.
    num_groups : int
        Must divide the number of channels.
    weight, bias : Tensor, shape (channels,), optional
        Scale and shift.
    eps : float, optional
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    ShapeError
        If the groups do not come out even.
    """
    x = as_tensor(x, "group_norm")
    if x.ndim < 2 or x.shape[1] % num_groups:
        problem = f"{num_groups} groups do not divide the channels of shape {x.shape}"
        raise ShapeError("group_norm", problem, "Pass a divisor of the number of channels")
    grouped = F.reshape(x, (x.shape[0], num_groups, -1))
    z, _, _ = _standard(grouped, (2,), eps)
    return _affine(F.reshape(z, x.shape), weight, bias, (1, -1, *(1,) * (x.ndim - 2)))


def instance_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Give each channel of each row mean 0 and variance 1: as many groups as channels.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, ...)
        The input.
    weight, bias : Tensor, shape (channels,), optional
        Scale and shift.
    eps : float, optional
        Added to the variance.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x = as_tensor(x, "instance_norm")
    return group_norm(x, x.shape[1], weight, bias, eps)


def normalize(x: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm along an axis, so that it is 1.

    Parameters
    ----------
    x : Tensor or array_like
        The input.
    p : float, optional
        2 is the usual length, 1 the sum of absolute values.
    dim : int, optional
        The axis.
    eps : float, optional
        The least divisor.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> normalize([[3.0, 4.0]])
    Tensor([[0.6, 0.8]])
    """
    x = as_tensor(x, "normalize")
    if p == 2:
        length = F.norm(x, dim, keepdims=True)
    else:
        length = F.sum(PRIMITIVES["abs"](x) ** p, dim, keepdims=True) ** (1 / p)
    z: Tensor = x / _maximum(length, eps)
    return z


def cosine_similarity(x: Any, y: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between two vectors, along an axis.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of broadcasting shapes.
    dim : int, optional
        The axis that holds the vectors.
    eps : float, optional
        The least length.

    Returns
    -------
    Tensor
        From -1 to 1, without axis `dim`.
    """
    x, y = as_tensor(x, "cosine_similarity"), as_tensor(y, "cosine_similarity")
    lengths = _maximum(F.norm(x, dim), eps) * _maximum(F.norm(y, dim), eps)
    return F.sum(x * y, dim) / lengths  # type: ignore[no-any-return]
