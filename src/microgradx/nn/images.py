"""Layers for signals and pictures: convolution and pooling, channels before positions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ArgumentError
from microgradx.functions.making import generator
from microgradx.nn import functional as F  # noqa: N812 - as everybody calls it
from microgradx.nn.layers import parameter, positive
from microgradx.nn.module import Module

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from microgradx.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d", "Conv1d", "Conv2d", "ConvTranspose2d",
    "MaxPool1d", "MaxPool2d",
]  # fmt: skip


def _sizes(n: Any, axes: int) -> tuple[int, ...]:
    return (int(n),) * axes if isinstance(n, (int, np.integer)) else tuple(n)


class _Conv(Module):
    """What all convolutions have: a weight of small windows, and a bias for each channel."""

    axes = 2
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        windows: tuple[Any, Any, Any, Any],
        groups: int,
        bias: bool,
        rng: np.random.Generator | int | None,
        dtype: DTypeLike,
    ) -> None:
        where = type(self).__name__
        positive(where, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            problem = f"{groups} groups do not divide {in_channels} and {out_channels} channels"
            raise ArgumentError(where, problem, "Pass a common divisor")
        self.in_channels, self.out_channels = in_channels, out_channels
        kernel_size, self.stride, self.padding, self.dilation = windows
        self.kernel_size = _sizes(kernel_size, self.axes)
        self.groups = groups
        lead = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (lead[0], lead[1] // groups, *self.kernel_size)
        k = 1 / math.sqrt(math.prod(shape[1:]))
        rng = generator(rng)
        self.weight = parameter(shape, k, rng, dtype)
        self.bias = parameter((out_channels,), k, rng, dtype) if bias else None

    def extra_repr(self) -> str:
        """The constructor's arguments, as far as they are not the usual ones."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        text += f", stride={_sizes(self.stride, self.axes)}"
        if self.padding != 0:
            text += f", padding={self.padding}"
        if self.dilation != 1:
            text += f", dilation={_sizes(self.dilation, self.axes)}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")


class Conv2d(_Conv):
    """Slide small windows of weights over pictures: the same features everywhere.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the pictures, before and after.
    kernel_size : int or tuple of int
        Height and width of the windows.
    stride : int or tuple of int, optional
        How far a window moves.
    padding : int or tuple of int, or {"same", "valid"}, optional
        Zeros around the picture.
    dilation : int or tuple of int, optional
        Distance between the elements of a window.
    groups : int, optional
        Channels are split into as many independent groups.
    bias : bool, optional
        Whether to add a number to each channel.
    rng : numpy.random.Generator or int, optional
        Where the first weights come from.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight : Tensor, shape ``(out_channels, in_channels // groups, *kernel_size)``
        Drawn from U(-k, k) with ``k = 1 / sqrt(in_channels / groups * prod(kernel_size))``.
    bias : Tensor, shape (out_channels,), or None
        Drawn from the same.

    Raises
    ------
    ArgumentError
        If a size is no positive integer, or the groups do not come out even.

    Examples
    --------
    >>> Conv2d(1, 8, 5, padding=2)(np.zeros((3, 1, 28, 28), "float32")).shape
    (3, 8, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        windows = (kernel_size, stride, padding, dilation)
        super().__init__(in_channels, out_channels, windows, groups, bias, rng, dtype)

    def forward(self, x: Any) -> Tensor:  # (batch, in_channels, height, width)
        """Slide the windows."""
        options = (self.stride, self.padding, self.dilation, self.groups)
        return F.conv2d(x, self.weight, self.bias, *options)


class Conv1d(_Conv):
    """Slide small windows of weights over signals.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the signals, before and after.
    kernel_size : int
        Length of the windows.
    stride, padding, dilation, groups : int, optional
        As in `Conv2d`.
    bias : bool, optional
        Whether to add a number to each channel.
    rng : numpy.random.Generator or int, optional
        Where the first weights come from.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight : Tensor, shape (out_channels, in_channels // groups, kernel_size)
        Drawn as in `Conv2d`.
    bias : Tensor, shape (out_channels,), or None
        Drawn from the same.

    Raises
    ------
    ArgumentError
        If a size is no positive integer, or the groups do not come out even.
    """

    axes = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        windows = (kernel_size, stride, padding, dilation)
        super().__init__(in_channels, out_channels, windows, groups, bias, rng, dtype)

    def forward(self, x: Any) -> Tensor:  # (batch, in_channels, length)
        """Slide the windows."""
        options = (self.stride, self.padding, self.dilation, self.groups)
        return F.conv1d(x, self.weight, self.bias, *options)


class ConvTranspose2d(_Conv):
    """Paint small windows of weights into larger pictures: the adjoint of `Conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the pictures, before and after.
    kernel_size : int or tuple of int
        Height and width of the windows.
    stride : int or tuple of int, optional
        How far apart windows are painted.
    padding : int or tuple of int, optional
        What is cut off around the result.
    output_padding : int or tuple of int, optional
        What is added at its lower right.
    groups : int, optional
        Channels are split into as many independent groups.
    bias : bool, optional
        Whether to add a number to each channel.
    dilation : int or tuple of int, optional
        Distance between the elements of a window.
    rng : numpy.random.Generator or int, optional
        Where the first weights come from.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight : Tensor, shape ``(in_channels, out_channels // groups, *kernel_size)``
        Drawn as in `Conv2d`.
    bias : Tensor, shape (out_channels,), or None
        Drawn from the same.

    Raises
    ------
    ArgumentError
        If a size is no positive integer, or the groups do not come out even.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        windows = (kernel_size, stride, padding, dilation)
        super().__init__(in_channels, out_channels, windows, groups, bias, rng, dtype)
        self.output_padding = output_padding

    def forward(self, x: Any) -> Tensor:  # (batch, in_channels, height, width)
        """Paint the windows."""
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return F.conv_transpose2d(x, self.weight, self.bias, *options)


class _Pool(Module):
    """What all pooling layers have: the size, step and border of their windows."""

    function: Any

    def __init__(self, kernel_size: Any, stride: Any, padding: Any, **options: Any) -> None:
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.options = options

    def forward(self, x: Any) -> Any:
        """Pool every window."""
        windows = (self.kernel_size, self.stride, self.padding)
        return type(self).function(x, *windows, **self.options)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        windows = f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
        return windows + "".join(f", {name}={value}" for name, value in self.options.items())


class MaxPool2d(_Pool):
    """The largest number of each window; ties share the gradient equally.

    Parameters
    ----------
    kernel_size : int or tuple of int
        Height and width of the windows.
    stride : int or tuple of int, optional
        How far a window moves; its own size by default.
    padding : int or tuple of int, optional
        Border that never wins.
    dilation : int or tuple of int, optional
        Distance between the elements of a window.
    ceil_mode : bool, optional
        Whether windows may reach over the edge.

    Examples
    --------
    >>> MaxPool2d(2)(np.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    function = staticmethod(F.max_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation=dilation, ceil_mode=ceil_mode)


class MaxPool1d(MaxPool2d):
    """The largest number of each window of a signal.

    Parameters
    ----------
    kernel_size : int
        Length of the windows.
    stride : int, optional
        How far a window moves; its own size by default.
    padding, dilation : int, optional
        As in `MaxPool2d`.
    ceil_mode : bool, optional
        Whether windows may reach over the end.
    """

    function = staticmethod(F.max_pool1d)


class AvgPool2d(_Pool):
    """The mean of each window.

    Parameters
    ----------
    kernel_size : int or tuple of int
        Height and width of the windows.
    stride : int or tuple of int, optional
        How far a window moves; its own size by default.
    padding : int or tuple of int, optional
        Zeros around the picture.
    ceil_mode : bool, optional
        Whether windows may reach over the edge.
    count_include_pad : bool, optional
        Whether the zeros count in the mean.
    """

    function: Any = staticmethod(F.avg_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        options = {"ceil_mode": ceil_mode, "count_include_pad": count_include_pad}
        super().__init__(kernel_size, stride, padding, **options)


class AvgPool1d(AvgPool2d):
    """The mean of each window of a signal.

    Parameters
    ----------
    kernel_size : int
        Length of the windows.
    stride : int, optional
        How far a window moves; its own size by default.
    padding : int, optional
        Zeros at both ends.
    ceil_mode : bool, optional
        Whether windows may reach over the end.
    count_include_pad : bool, optional
        Whether the zeros count in the mean.
    """

    function = staticmethod(F.avg_pool1d)


class AdaptiveAvgPool2d(Module):
    """Means over as many equal windows as are asked for; 1 means the whole picture.

    Parameters
    ----------
    output_size : int or tuple of int
        Height and width of the result; must divide those of the picture.
    """

    def __init__(self, output_size: Any) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:  # (batch, channels, height, width)
        """Pool every window."""
        rows, columns = _sizes(self.output_size, 2)
        height, width = x.shape[-2:]
        if height % rows or width % columns:
            problem = (
                f"a picture of {height} x {width} does not fall into {rows} x {columns} windows"
            )
            raise ArgumentError("AdaptiveAvgPool2d", problem, "Pass divisors of its sizes")
        return F.avg_pool2d(x, (height // rows, width // columns))

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"output_size={self.output_size}"
