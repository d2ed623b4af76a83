"""Pooling and windows over one or two axes, with PyTorch's signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from microgradx.errors import ShapeError
from microgradx.functions.convolution import IMAGES, SIGNALS, batched, one, pair, sides_of, slides
from microgradx.functions.shapes import expand_dims, squeeze
from microgradx.ops import conv
from microgradx.ops.conv import size_after
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

if TYPE_CHECKING:
    from microgradx.functions.arguments import TensorLike

__all__ = ["avg_pool1d", "avg_pool2d", "fold", "max_pool1d", "max_pool2d", "unfold"]


# ---- pooling -------------------------------------------------------------------------------------
def _pool_sides(
    x: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    ceil_mode: bool,
    where: str,
) -> conv.Padding:
    """The border of a pooling: what was asked for, and with `ceil_mode` what completes a window."""
    for p, k in zip(padding, kernel, strict=True):
        if 2 * p > k:
            raise ShapeError(
                where, f"padding {padding} is more than half the window {kernel}", "Pad less"
            )
    sides = []
    for n, k, s, p, d in zip(x.shape[2:], kernel, stride, padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        left = n + 2 * p - reach
        more = -left % s if ceil_mode and left >= 0 else 0
        # A window may not start beyond the input and its left border.
        more = 0 if (left + more) // s * s >= n + p else more
        sides.append((p, p + more))
    slides(
        size_after(x.shape[2:], kernel, stride, (sides[0], sides[1]), dilation), x, kernel, where
    )
    return sides[0], sides[1]


def max_pool2d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window; ties share the gradient equally.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, height, width)
        Images; the batch axis may be missing.
    kernel_size : int or pair
        The window.
    stride : int or pair, optional
        Steps between windows; the window's own size by default.
    padding : int or pair, optional
        A border of -inf, at most half the window.
    dilation : int or pair, optional
        Steps between the elements of a window.
    ceil_mode : bool, optional
        Whether windows may reach beyond the end.

    Returns
    -------
    Tensor, shape (batch, channels, new height, new width)
        Differentiable to any order.

    Examples
    --------
    >>> max_pool2d(Tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    Tensor([[[4.]]])
    """
    x, single = batched(x, IMAGES, "max_pool2d")
    z = _max_pool(x, kernel_size, stride, padding, dilation, ceil_mode, "max_pool2d")
    return squeeze(z, 0) if single else z


def _max_pool(
    x: Tensor, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, where: str
) -> Tensor:
    kernel = pair(kernel, where, "kernel_size")
    stride = kernel if stride is None else pair(stride, where, "stride")
    dilation = pair(dilation, where, "dilation")
    sides = _pool_sides(
        x, kernel, stride, pair(padding, where, "padding", 0), dilation, ceil_mode, where
    )
    return apply(
        conv.max_pool,
        (x,),
        {"kernel": kernel, "stride": stride, "padding": sides, "dilation": dilation},
    )


def max_pool1d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest element of each window of signals; see `max_pool2d`.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, length)
        Signals; the batch axis may be missing.
    kernel_size, stride, padding, dilation : int, optional
        As in `max_pool2d`.
    ceil_mode : bool, optional
        Whether windows may reach beyond the end.

    Returns
    -------
    Tensor, shape (batch, channels, new length)
        Differentiable to any order.
    """
    where = "max_pool1d"
    x, single = batched(x, SIGNALS, where)
    step = None if stride is None else (1, one(stride, where, "stride"))
    z = _max_pool(
        expand_dims(x, 2),
        (1, one(kernel_size, where, "kernel_size")),
        step,
        (0, one(padding, where, "padding", 0)),
        (1, one(dilation, where, "dilation")),
        ceil_mode,
        where,
    )
    return squeeze(z, (0, 2) if single else 2)


def avg_pool2d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, height, width)
        Images; the batch axis may be missing.
    kernel_size : int or pair
        The window.
    stride : int or pair, optional
        Steps between windows; the window's own size by default.
    padding : int or pair, optional
        A border of zeros, at most half the window.
    ceil_mode : bool, optional
        Whether windows may reach beyond the end; what lies beyond is never counted.
    count_include_pad : bool, optional
        Whether the border counts as elements.
    divisor_override : int, optional
        Divide by this instead of the number of elements.

    Returns
    -------
    Tensor, shape (batch, channels, new height, new width)
        Differentiable to any order.

    Examples
    --------
    >>> avg_pool2d(Tensor([[[1.0, 2.0], [3.0, 4.0]]]), 2)
    Tensor([[[2.5]]])
    """
    x, single = batched(x, IMAGES, "avg_pool2d")
    z = _avg_pool(
        x,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
        "avg_pool2d",
    )
    return squeeze(z, 0) if single else z


def _avg_pool(
    x: Tensor,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    include: bool,
    divisor: int | None,
    where: str,
) -> Tensor:
    kernel = pair(kernel, where, "kernel_size")
    stride = kernel if stride is None else pair(stride, where, "stride")
    asked = pair(padding, where, "padding", 0)
    sides = _pool_sides(x, kernel, stride, asked, (1, 1), ceil_mode, where)
    total = apply(conv.sum_pool, (x,), {"kernel": kernel, "stride": stride, "padding": sides})
    if divisor is not None:
        return total / divisor
    bordered = any(sum(side) for side in sides)
    symmetric = all(side == (p, p) for side, p in zip(sides, asked, strict=True))
    if not bordered or (include and symmetric):
        return cast("Tensor", total * (1 / (kernel[0] * kernel[1])))
    # The elements that count are ones, the others zeros; their sums divide.
    (top, bottom), (left, right) = sides
    counted = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if include:
        counted = np.pad(
            counted, ((0, 0), (0, 0), (asked[0],) * 2, (asked[1],) * 2), constant_values=1
        )
        sides = (0, bottom - top), (0, right - left)
    counts = conv.sum_pool.array(counted, kernel=kernel, stride=stride, padding=sides)
    return cast("Tensor", total / counts)


def avg_pool1d(
    x: TensorLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of signals; see `avg_pool2d`.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, length)
        Signals; the batch axis may be missing.
    kernel_size, stride, padding : int, optional
        As in `avg_pool2d`.
    ceil_mode, count_include_pad : bool, optional
        As in `avg_pool2d`.

    Returns
    -------
    Tensor, shape (batch, channels, new length)
        Differentiable to any order.
    """
    where = "avg_pool1d"
    x, single = batched(x, SIGNALS, where)
    step = None if stride is None else (1, one(stride, where, "stride"))
    z = _avg_pool(
        expand_dims(x, 2),
        (1, one(kernel_size, where, "kernel_size")),
        step,
        (0, one(padding, where, "padding", 0)),
        ceil_mode,
        count_include_pad,
        None,
        where,
    )
    return squeeze(z, (0, 2) if single else 2)


# ---- windows -------------------------------------------------------------------------------------
def unfold(
    x: TensorLike, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Each window as a column.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, height, width)
        Images; the batch axis may be missing.
    kernel_size, dilation, padding, stride : int or pair
        As in `conv2d`.

    Returns
    -------
    Tensor, shape (batch, channels * high * wide, windows)
        Elements that lie in several windows appear in each.

    Examples
    --------
    >>> unfold(Tensor([[[1.0, 2.0, 3.0]]]), (1, 2))
    Tensor([[1., 2.],
            [2., 3.]])
    """
    x, single = batched(x, IMAGES, "unfold")
    kernel, sides, stride, dilation = _window(kernel_size, padding, stride, dilation, "unfold")
    slides(size_after(x.shape[2:], kernel, stride, sides, dilation), x, kernel, "unfold")
    z = apply(
        conv.unfold,
        (x,),
        {"kernel": kernel, "stride": stride, "padding": sides, "dilation": dilation},
    )
    return squeeze(z, 0) if single else z


def _window(
    kernel: Any, padding: Any, stride: Any, dilation: Any, where: str
) -> tuple[Any, Any, Any, Any]:
    kernel, stride = pair(kernel, where, "kernel_size"), pair(stride, where, "stride")
    dilation = pair(dilation, where, "dilation")
    return kernel, sides_of(padding, kernel, stride, dilation, where), stride, dilation


def fold(
    x: TensorLike,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """The adjoint of `unfold`: columns added up where their windows lie.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels * high * wide, windows)
        Columns; the batch axis may be missing.
    output_size : int or pair
        Height and width of the result.
    kernel_size, dilation, padding, stride : int or pair
        Of the windows.

    Returns
    -------
    Tensor, shape (batch, channels, height, width)
        Differentiable to any order.

    Raises
    ------
    ShapeError
        If columns and windows do not match.
    """
    x, single = batched(x, SIGNALS, "fold")
    kernel, sides, stride, dilation = _window(kernel_size, padding, stride, dilation, "fold")
    size = pair(output_size, "fold", "output_size")
    high, wide = size_after(size, kernel, stride, sides, dilation)
    area = kernel[0] * kernel[1]
    if x.shape[1] % area or x.shape[2] != high * wide:
        raise ShapeError(
            "fold",
            f"columns of shape {x.shape} do not fit {high} x {wide} windows of {area} elements",
            "Use the arguments of the unfold that made them",
        )
    shape = (len(x), x.shape[1] // area, *size)
    params = {
        "shape": shape,
        "kernel": kernel,
        "stride": stride,
        "padding": sides,
        "dilation": dilation,
    }
    z = apply(conv.fold, (x,), params)
    return squeeze(z, 0) if single else z
