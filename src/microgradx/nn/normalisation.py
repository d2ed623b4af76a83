"""Normalisation layers; the functions are in `microgradx.nn.functional`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.nn import functional as F  # noqa: N812 - as everybody calls it
from microgradx.nn.layers import positive
from microgradx.nn.module import Module
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "LayerNorm", "RMSNorm"]


def _ones(shape: Any, dtype: DTypeLike) -> Tensor:
    return Tensor(np.ones(shape, dtype))


def _zeros(shape: Any, dtype: DTypeLike) -> Tensor:
    return Tensor(np.zeros(shape, dtype))


def _shape(sizes: int | tuple[int, ...]) -> tuple[int, ...]:
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)


class BatchNorm1d(Module):
    """Give each channel mean 0 and variance 1 over the batch, then scale and shift it.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float, optional
        Added to the variance.
    momentum : float, optional
        How much of a batch goes into the running numbers.
    affine : bool, optional
        Whether to learn a scale and a shift.
    track_running_stats : bool, optional
        Whether evaluation uses means over the training instead of the batch's own.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_features,)
        Scale and shift; 1 and 0 at first.
    running_mean, running_var : Tensor, shape (num_features,)
        Buffers; 0 and 1 at first.
    num_batches_tracked : Tensor, shape ()
        A buffer that counts.

    Raises
    ------
    ArgumentError
        If `num_features` is no positive integer.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        positive(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = _ones(num_features, dtype) if affine else None
        self.bias = _zeros(num_features, dtype) if affine else None
        tracked = track_running_stats
        self.register_buffer("running_mean", np.zeros(num_features, dtype) if tracked else None)
        self.register_buffer("running_var", np.ones(num_features, dtype) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def forward(self, x: Any) -> Tensor:  # (batch, channels, ...)
        """Normalise."""
        if self.training and self.track_running_stats:
            self.num_batches_tracked.data = self.num_batches_tracked.data + 1
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training,
            self.momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        head = f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"
        return f"{head}, affine={self.affine}, track_running_stats={self.track_running_stats}"


class BatchNorm2d(BatchNorm1d):
    """`BatchNorm1d` for pictures: over the batch and all positions.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float, optional
        Added to the variance.
    momentum : float, optional
        How much of a batch goes into the running numbers.
    affine : bool, optional
        Whether to learn a scale and a shift.
    track_running_stats : bool, optional
        Whether evaluation uses means over the training instead of the batch's own.
    dtype : dtype_like, optional
        float32 by default.

    Raises
    ------
    ArgumentError
        If `num_features` is no positive integer.
    """


class LayerNorm(Module):
    """Give each row mean 0 and variance 1 over its last axes, then scale and shift it.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The sizes of the last axes.
    eps : float, optional
        Added to the variance.
    elementwise_affine : bool, optional
        Whether to learn a scale and a shift for each element.
    bias : bool, optional
        Whether there is a shift.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight, bias : Tensor, shape normalized_shape, or None
        Scale and shift; 1 and 0 at first.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = _ones(self.normalized_shape, dtype) if elementwise_affine else None
        self.bias = _zeros(self.normalized_shape, dtype) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:  # (..., *normalized_shape)
        """Normalise."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        affine = self.elementwise_affine
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class RMSNorm(Module):
    """Divide each row by the root of its mean square over the last axes, then scale it.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The sizes of the last axes.
    eps : float, optional
        Added to the mean square; the dtype's own epsilon by default.
    elementwise_affine : bool, optional
        Whether to learn a scale for each element.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight : Tensor, shape normalized_shape, or None
        Scale; 1 at first.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = _ones(self.normalized_shape, dtype) if elementwise_affine else None

    def forward(self, x: Any) -> Tensor:  # (..., *normalized_shape)
        """Normalise."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        affine = self.elementwise_affine
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class GroupNorm(Module):
    """Give each group of channels of each row mean 0 and variance 1, then scale and shift.

    Parameters
    ----------
    num_groups : int
        Must divide `num_channels`.
    num_channels : int
        Channels.
    eps : float, optional
        Added to the variance.
    affine : bool, optional
        Whether to learn a scale and a shift for each channel.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_channels,), or None
        Scale and shift; 1 and 0 at first.

    Raises
    ------
    ArgumentError
        If a size is no positive integer.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        positive("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self.weight = _ones(num_channels, dtype) if affine else None
        self.bias = _zeros(num_channels, dtype) if affine else None

    def forward(self, x: Any) -> Tensor:  # (batch, channels, ...)
        """Normalise."""
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class InstanceNorm2d(Module):
    """Give each channel of each picture mean 0 and variance 1.

    Parameters
    ----------
    num_features : int
        Channels.
    eps : float, optional
        Added to the variance.
    affine : bool, optional
        Whether to learn a scale and a shift for each channel.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_features,), or None
        Scale and shift; 1 and 0 at first.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        affine: bool = False,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.num_features, self.eps, self.affine = num_features, eps, affine
        self.weight = _ones(num_features, dtype) if affine else None
        self.bias = _zeros(num_features, dtype) if affine else None

    def forward(self, x: Any) -> Tensor:  # (batch, channels, height, width)
        """Normalise."""
        return F.instance_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"{self.num_features}, eps={self.eps}, affine={self.affine}"
