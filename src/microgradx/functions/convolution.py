"""Convolutions, with PyTorch's signatures.

Images are ``(batch, channels, height, width)``, signals ``(batch, channels, length)``, kernels
``(filters, channels / groups, height, width)``. A missing batch axis is allowed, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

from microgradx.errors import ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor
from microgradx.functions.shapes import expand_dims, reshape, squeeze
from microgradx.ops import conv
from microgradx.ops.conv import size_after
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]

IMAGES, SIGNALS = 4, 3  # axes, batch included


# ---- arguments -----------------------------------------------------------------------------------
def pair(n: Any, where: str, what: str, low: int = 1) -> tuple[int, int]:
    """An int or two of them, as a pair."""
    both = (n, n) if hasattr(n, "__index__") else tuple(n)
    if len(both) != 2 or not all(hasattr(i, "__index__") and i >= low for i in both):
        raise ShapeError(
            where,
            f"{what} {n!r} is neither a whole number of at least {low} nor two of them",
            "One number holds for both axes",
        )
    return int(both[0]), int(both[1])


def one(n: Any, where: str, what: str, low: int = 1) -> int:
    """An int, or a sequence of one."""
    if not hasattr(n, "__index__"):
        (n,) = n
    if n < low:
        raise ShapeError(where, f"{what} {n!r} is less than {low}", "Signals have one axis")
    return int(n)


def sides_of(
    padding: Any,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    where: str,
) -> conv.Padding:
    """Torch's padding (a number, a pair, "same", "valid") as ((top, bottom), (left, right))."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if stride != (1, 1):
            raise ShapeError(where, f"padding 'same' with stride {stride}", "Give numbers instead")
        high, wide = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return (high // 2, high - high // 2), (wide // 2, wide - wide // 2)
    high, wide = pair(padding, where, "padding", 0)
    return (high, high), (wide, wide)


def batched(x: TensorLike, ndim: int, where: str) -> tuple[Tensor, bool]:
    """`x` with a batch axis, and whether it came without."""
    x = as_tensor(x, where)
    if x.ndim == ndim - 1:
        return expand_dims(x, 0), True
    if x.ndim != ndim:
        axes = "channels, height, width" if ndim == IMAGES else "channels, length"
        raise ShapeError(
            where,
            f"the input has shape {x.shape}, not (batch, {axes})",
            "Reshape it first",
            shape=x.shape,
        )
    return x, False


def _fits(x: Tensor, w: Tensor, groups: int, where: str) -> None:
    """Refuse kernels that do not belong to these channels."""
    channels, filters = x.shape[1], w.shape[0]
    if (
        w.ndim != IMAGES
        or groups < 1
        or channels % groups
        or filters % groups
        or w.shape[1] * groups != channels
    ):
        wanted = f"({filters}, {channels} / {groups}, ...)" if w.ndim else "four axes"
        raise ShapeError(
            where,
            f"kernels of shape {w.shape} do not fit {channels} channels in {groups} groups",
            f"They must be {wanted}, and both counts divisible by groups",
        )


def slides(size: tuple[int, int], x: Tensor, kernel: tuple[int, int], where: str) -> None:
    """Refuse windows larger than the padded input."""
    if min(size) < 1:
        raise ShapeError(
            where,
            f"a window of {kernel} does not fit into {x.shape[2:]}",
            "Pad the input, or use a smaller window",
        )


# ---- convolution ---------------------------------------------------------------------------------
def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate images with kernels: what machine learning calls convolution.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, height, width)
        Images; the batch axis may be missing.
    weight : Tensor or array_like, shape (filters, channels / groups, high, wide)
        Kernels.
    bias : Tensor or array_like, shape (filters,), optional
        Added to each filter's output.
    stride, dilation : int or pair, optional
        Steps between windows, and between the elements of a window.
    padding : int, pair, "same" or "valid", optional
        Zeros around the images.
    groups : int, optional
        Into how many independent parts channels and filters are cut.

    Returns
    -------
    Tensor, shape (batch, filters, new height, new width)
        Differentiable to any order.

    Raises
    ------
    ShapeError
        If kernels and channels do not match, or a window is larger than the padded image.

    Notes
    -----
    The batch stands innermost in memory; see ``ops/conv.py``. Padding with zeros, as everywhere.

    Examples
    --------
    >>> image = Tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    >>> conv2d(image, [[[[1.0, -1.0]]]])
    Tensor([[[[-1., -1.],
              [-1., -1.]]]])
    """
    return _convolve(
        *batched(x, IMAGES, "conv2d"),
        as_tensor(weight, "conv2d"),
        bias,
        stride,
        padding,
        dilation,
        groups,
    )


def _convolve(
    x: Tensor,
    single: bool,
    w: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    where: str = "conv2d",
) -> Tensor:
    _fits(x, w, groups, where)
    kernel = (w.shape[2], w.shape[3])
    stride, dilation = pair(stride, where, "stride"), pair(dilation, where, "dilation")
    sides = sides_of(padding, kernel, stride, dilation, where)
    slides(size_after(x.shape[2:], kernel, stride, sides, dilation), x, kernel, where)
    z = apply(
        conv.conv2d,
        (x, w),
        {"stride": stride, "padding": sides, "dilation": dilation, "groups": groups},
    )
    return _finish(z, bias, single, where)


def _finish(z: Tensor, bias: Any, single: bool, where: str) -> Tensor:
    """Add the bias, and drop a batch axis that was not given."""
    if bias is not None:
        bias = as_tensor(bias, where)
        if bias.shape != (z.shape[1],):
            raise ShapeError(
                where,
                f"a bias of shape {bias.shape} for {z.shape[1]} filters",
                "One number for each filter",
            )
        z = z + reshape(bias, 1, -1, 1, 1)
    return squeeze(z, 0) if single else z


def conv1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate signals with kernels; see `conv2d`.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, length)
        Signals; the batch axis may be missing.
    weight : Tensor or array_like, shape (filters, channels / groups, width)
        Kernels.
    bias : Tensor or array_like, shape (filters,), optional
        Added to each filter's output.
    stride, dilation : int, optional
        Steps between windows, and between the elements of a window.
    padding : int, "same" or "valid", optional
        Zeros around the signals.
    groups : int, optional
        Into how many independent parts channels and filters are cut.

    Returns
    -------
    Tensor, shape (batch, filters, new length)
        Differentiable to any order.

    Examples
    --------
    >>> conv1d(Tensor([[1.0, 2.0, 4.0]]), [[[-1.0, 1.0]]])
    Tensor([[1., 2.]])
    """
    x, single = batched(x, SIGNALS, "conv1d")
    w = as_tensor(weight, "conv1d")
    if w.ndim != SIGNALS:
        raise ShapeError(
            "conv1d",
            f"kernels of shape {w.shape}",
            "They must be (filters, channels / groups, width)",
        )
    sides = padding if isinstance(padding, str) else (0, one(padding, "conv1d", "padding", 0))
    z = _convolve(
        expand_dims(x, 2),
        False,
        expand_dims(w, 2),
        bias,
        (1, one(stride, "conv1d", "stride")),
        sides,
        (1, one(dilation, "conv1d", "dilation")),
        groups,
        "conv1d",
    )
    return squeeze(z, (0, 2) if single else 2)


def conv_transpose2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The adjoint of `conv2d`: spread each element with a kernel, and add up.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, height, width)
        Images; the batch axis may be missing.
    weight : Tensor or array_like, shape (channels, filters / groups, high, wide)
        Kernels; the first two axes are those of the `conv2d` that this undoes.
    bias : Tensor or array_like, shape (filters,), optional
        Added to each filter's output.
    stride, dilation : int or pair, optional
        Of that `conv2d`.
    padding : int or pair, optional
        Of that `conv2d`: what is cut off at the borders.
    output_padding : int or pair, optional
        Rows and columns added at the end, where several sizes lead to one.
    groups : int, optional
        Into how many independent parts channels and filters are cut.

    Returns
    -------
    Tensor, shape (batch, filters, new height, new width)
        Differentiable to any order.

    Examples
    --------
    >>> conv_transpose2d(Tensor([[[[1.0, 2.0]]]]), [[[[1.0, 10.0]]]])
    Tensor([[[[ 1., 12., 20.]]]])
    """
    x, single = batched(x, IMAGES, "conv_transpose2d")
    return _spread(
        x,
        single,
        as_tensor(weight, "conv_transpose2d"),
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
    )


def _spread(
    x: Tensor,
    single: bool,
    w: Tensor,
    bias: Any,
    stride: Any,
    padding: Any,
    more: Any,
    groups: int,
    dilation: Any,
    where: str = "conv_transpose2d",
) -> Tensor:
    if w.ndim != IMAGES or w.shape[0] != x.shape[1] or groups < 1 or w.shape[0] % groups:
        raise ShapeError(
            where,
            f"kernels of shape {w.shape} do not fit {x.shape[1]} channels in {groups} groups",
            f"Their first axis must be {x.shape[1]}, and divisible by groups",
        )
    kernel = (w.shape[2], w.shape[3])
    stride, dilation = pair(stride, where, "stride"), pair(dilation, where, "dilation")
    sides, more = (
        sides_of(padding, kernel, stride, dilation, where),
        pair(more, where, "output_padding", 0),
    )
    high, wide = [
        (x.shape[2 + i] - 1) * stride[i]
        - sum(sides[i])
        + dilation[i] * (kernel[i] - 1)
        + more[i]
        + 1
        for i in (0, 1)
    ]
    slides((high, wide), x, kernel, where)
    for i in (0, 1):
        if more[i] >= max(stride[i], dilation[i]):
            raise ShapeError(
                where, f"output_padding {more} reaches stride {stride}", "It must be smaller"
            )
    shape = (len(x), w.shape[1] * groups, high, wide)
    params = {
        "shape": shape,
        "stride": stride,
        "padding": sides,
        "dilation": dilation,
        "groups": groups,
    }
    return _finish(apply(conv.conv2d_input, (x, w), params), bias, single, where)


def conv_transpose1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The adjoint of `conv1d`; see `conv_transpose2d`.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, length)
        Signals; the batch axis may be missing.
    weight : Tensor or array_like, shape (channels, filters / groups, width)
        Kernels.
    bias : Tensor or array_like, shape (filters,), optional
        Added to each filter's output.
    stride, padding, output_padding, groups, dilation : int, optional
        As in `conv_transpose2d`.

    Returns
    -------
    Tensor, shape (batch, filters, new length)
        Differentiable to any order.
    """
    where = "conv_transpose1d"
    x, single = batched(x, SIGNALS, where)
    z = _spread(
        expand_dims(x, 2),
        False,
        expand_dims(as_tensor(weight, where), 2),
        bias,
        (1, one(stride, where, "stride")),
        (0, one(padding, where, "padding", 0)),
        (0, one(output_padding, where, "output_padding", 0)),
        groups,
        (1, one(dilation, where, "dilation")),
        where,
    )
    return squeeze(z, (0, 2) if single else 2)
