"""Convolutions and pooling over two axes: adjoint families side by side.

``<g, conv2d(x, w)>`` is linear in each of its three arguments, and the three primitives are its
three slopes, so each one's rules are the other two. Images are ``(batch, channels, height,
width)`` to every caller; in memory the batch stands innermost (`_planes`), and results keep that
order through elementwise operations, because NumPy's do. Copies, pooling and the columns below
then run over long contiguous stretches, and one matrix product writes the result in place: 2 to 3
times faster than the order of the axes.

Parameters arrive normalised: ``stride`` and ``dilation`` are pairs, ``padding`` is
``((top, bottom), (left, right))``.
"""

# fmt: off

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from microgradx.primitive import Primitive

Array = Any
Pair = tuple[int, int]
Padding = tuple[Pair, Pair]

BATCH = 8
"""From this many images on, the batch stands innermost; a few images keep their own order."""
PIECE = 1_000_000
"""Multiplications in one piece of a long, thin matrix product: BLAS is up to 4 times faster on them."""
KEPT = 1 << 25
"""Bytes of scratch memory that a thread keeps; fresh pages cost more than the copy into them."""

_scratch = threading.local()


def _borrow(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Memory that is free again when the kernel returns."""
    size = math.prod(shape) * dtype.itemsize
    if size > KEPT:
        return np.empty(shape, dtype)
    buffer = getattr(_scratch, "buffer", None)
    if buffer is None or buffer.size < size:
        buffer = _scratch.buffer = np.empty(size, np.uint8)
    return buffer[:size].view(dtype).reshape(shape)


# ---- planes and windows --------------------------------------------------------------------------
def _order(n: int) -> tuple[int, int, int, int]:
    """Where the axes of images go: channels first, the batch last or second."""
    return (1, 2, 3, 0) if n >= BATCH else (1, 0, 2, 3)


def _back(n: int) -> tuple[int, int, int, int]:
    """The inverse of `_order`."""
    return (3, 0, 1, 2) if n >= BATCH else (1, 0, 2, 3)


def _planes(x: Array, padding: Padding, fill: float = 0) -> Array:
    """Images in memory order, with a border: (channels, height, width, batch) for many."""
    planes = x.transpose(_order(len(x)))
    if not any(sum(side) for side in padding):
        return np.ascontiguousarray(planes)
    (top, bottom), (left, right) = padding
    h = 1 if len(x) >= BATCH else 2
    shape = list(planes.shape)
    shape[h] += top + bottom
    shape[h + 1] += left + right
    wide = np.full(shape, fill, x.dtype) if fill else np.zeros(shape, x.dtype)
    inner = (*[slice(None)] * h, slice(top, shape[h] - bottom), slice(left, shape[h + 1] - right))
    wide[inner] = planes
    return wide


def size_after(size: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Pair:
    """Height and width of what windows slide to; not positive where they do not fit."""
    high, wide = [
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    return high, wide


def _windows(planes: Array, n: int, kernel: Pair, stride: Pair, dilation: Pair) -> Array:
    """A view of planes as (channels, kernel height, kernel width, *positions)."""
    h = 1 if n >= BATCH else 2
    high, wide = size_after(planes.shape[h : h + 2], kernel, stride, ((0, 0), (0, 0)), dilation)
    shape, strides = list(planes.shape), list(planes.strides)
    steps = strides[h] * dilation[0], strides[h + 1] * dilation[1]
    shape[h : h + 2] = high, wide
    strides[h : h + 2] = strides[h] * stride[0], strides[h + 1] * stride[1]
    return as_strided(planes, (shape[0], *kernel, *shape[1:]), (strides[0], *steps, *strides[1:]), writeable=False)


def _columns(x: Array, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """The windows, copied so that a matrix product reads them: see `_windows` for the axes.

    The backward pass wants those of the forward pass again. They are kept, with a copy of the
    images to recognise them by: comparing all numbers takes a tenth of the time of copying.
    """
    kept = getattr(_scratch, "columns", None)
    if kept is None:
        kept = _scratch.columns = {}
    key = (x.shape, x.dtype.char, kernel, stride, padding, dilation)
    images, columns = kept.pop(key, (None, None))
    if images is None or not (np.array_equal(images[:1], x[:1]) and np.array_equal(images, x)):
        view = _windows(_planes(x, padding), len(x), kernel, stride, dilation)
        columns = np.empty(view.shape, view.dtype) if columns is None else columns
        np.copyto(columns, view)
        images = x.copy("K")
    kept[key] = images, columns
    while sum(c.nbytes + i.nbytes for i, c in kept.values()) > KEPT:
        del kept[next(iter(kept))]  # the one not used for longest
    return columns


def _gather(columns: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """The adjoint of `_columns`: every window's elements added up where they came from."""
    n, channels, height, width = shape
    (top, bottom), (left, right) = padding
    h = 1 if n >= BATCH else 2
    full = [channels, 0, 0, n] if h == 1 else [channels, n, 0, 0]
    full[h : h + 2] = height + top + bottom, width + left + right
    planes = np.zeros(full, columns.dtype)
    high, wide = columns.shape[h + 2 : h + 4]
    lead = (slice(None),) * h
    for i in range(kernel[0]):
        rows = slice(i * dilation[0], i * dilation[0] + stride[0] * (high - 1) + 1, stride[0])
        for j in range(kernel[1]):
            across = slice(j * dilation[1], j * dilation[1] + stride[1] * (wide - 1) + 1, stride[1])
            target = planes[(*lead, rows, across)]
            np.add(target, columns[:, i, j], target)
    inner = planes[(*lead, slice(top, top + height), slice(left, left + width))]
    return inner.transpose(_back(n))


def _pieces(work: int, length: int) -> int:
    """Into how many equal pieces to cut a product of `work` multiplications along its long side."""
    wanted = work // PIECE + 1
    for pieces in range(wanted, min(4 * wanted, length) + 1):
        if length % pieces == 0:
            return pieces
    return 1


def _product(a: Array, b: Array, z: Array) -> None:
    """``z = a @ b`` for (groups, m, k) @ (groups, k, long), in pieces."""
    groups, m, k = a.shape
    length = b.shape[2]
    p = _pieces(m * k * length, length)
    b = b.reshape(groups, k, p, length // p).swapaxes(1, 2)
    np.matmul(a[:, None], b, out=z.reshape(groups, m, p, length // p).swapaxes(1, 2))


def _contiguous(g: Array) -> Array:
    """Cotangents of images, in memory order."""
    return np.ascontiguousarray(g.transpose(_order(len(g))))


def _given(z: Array, out: Array) -> Array:
    if out is None:
        return z
    np.copyto(out, z)
    return out


# ---- convolution ---------------------------------------------------------------------------------
def _conv2d(x: Array, w: Array, out: Array = None, *, stride: Pair, padding: Padding, dilation: Pair, groups: int) -> Array:
    """Correlate images with kernels, as all of machine learning means by convolution."""
    n, (filters, depth, *kernel) = len(x), w.shape
    kind = np.result_type(x, w)
    columns = _columns(x if x.dtype == kind else x.astype(kind), tuple(kernel), stride, padding, dilation)
    direct = out is not None and out.dtype == kind and out.transpose(_order(n)).flags.c_contiguous
    planes = out.transpose(_order(n)) if direct else np.empty((filters, *columns.shape[3:]), kind)
    _product(
        w.astype(kind, copy=False).reshape(groups, filters // groups, depth * math.prod(kernel)),
        columns.reshape(groups, depth * math.prod(kernel), -1),
        planes.reshape(groups, filters // groups, -1),
    )
    return out if direct else _given(planes.transpose(_back(n)), out)


def _conv2d_input(g: Array, w: Array, out: Array = None, *, shape: tuple[int, ...], stride: Pair, padding: Padding, dilation: Pair, groups: int) -> Array:
    """What the cotangent of a convolution sends to the images."""
    filters, depth, *kernel = w.shape
    kind = np.result_type(g, w)
    g, w = _contiguous(g.astype(kind, copy=False)), w.astype(kind, copy=False)
    if stride == (1, 1) and shape[0] >= BATCH and kernel[1] > 1:
        return _given(_spread_rows(g, w, shape, padding, dilation, groups), out)
    columns = _borrow((groups * depth, *kernel, *g.shape[1:]), kind)
    turned = w.reshape(groups, filters // groups, depth * math.prod(kernel)).swapaxes(1, 2)
    _product(
        np.ascontiguousarray(turned),
        g.reshape(groups, filters // groups, -1),
        columns.reshape(groups, depth * math.prod(kernel), -1),
    )
    return _given(_gather(columns, shape, (kernel[0], kernel[1]), stride, padding, dilation), out)


def _spread_rows(g: Array, w: Array, shape: tuple[int, ...], padding: Padding, dilation: Pair, groups: int) -> Array:
    """`_conv2d_input` for stride 1: columns along one axis, and one addition for each kernel row.

    The product does the work of the other axis, with more multiplications than the general way
    and far fewer passes over memory: 0.8 of its time for 5 by 5 kernels.
    """
    n, channels, height, width = shape
    filters, depth, kernel_height, kernel_width = w.shape
    high, wide = g.shape[1:3]
    reach = dilation[1] * (kernel_width - 1)
    (top, bottom), (left, right) = padding
    full = width + left + right
    bordered = np.zeros((filters, high, wide + 2 * reach, n), g.dtype)
    bordered[:, :, reach : reach + wide] = g
    a, b, c, d = bordered.strides
    view = as_strided(bordered[:, :, reach:], (filters, kernel_width, high, wide + reach, n), (a, -c * dilation[1], b, c, d), writeable=False)
    columns = _borrow(view.shape, view.dtype)
    np.copyto(columns, view)
    rows = np.empty((groups, kernel_height * depth, high * (wide + reach) * n), g.dtype)
    turned = w.reshape(groups, filters // groups, depth, kernel_height, kernel_width).transpose(0, 3, 2, 1, 4)
    _product(
        np.ascontiguousarray(turned).reshape(groups, kernel_height * depth, -1),
        columns.reshape(groups, filters // groups * kernel_width, -1),
        rows,
    )
    rows = rows.reshape(groups, kernel_height, depth, high, wide + reach, n)
    planes = np.zeros((groups, depth, height + top + bottom, full, n), g.dtype)
    for i in range(kernel_height):
        target = planes[:, :, i * dilation[0] : i * dilation[0] + high, : wide + reach]
        np.add(target, rows[:, i], target)
    inner = planes.reshape(channels, -1, full, n)[:, top : top + height, left : left + width]
    return inner.transpose(_back(n))


def _conv2d_weight(x: Array, g: Array, out: Array = None, *, shape: tuple[int, ...], stride: Pair, padding: Padding, dilation: Pair, groups: int) -> Array:
    """What the cotangent of a convolution sends to the kernels."""
    filters, depth, *kernel = shape
    kind = np.result_type(x, g)
    columns = _columns(x.astype(kind, copy=False), (kernel[0], kernel[1]), stride, padding, dilation)
    m, k = filters // groups, depth * math.prod(kernel)
    columns = columns.reshape(groups, k, -1)
    length = columns.shape[2]
    p = _pieces(m * k * length, length)
    columns = columns.reshape(groups, k, p, length // p).swapaxes(1, 2)
    g = _contiguous(g.astype(kind, copy=False)).reshape(groups, m, p, length // p).transpose(0, 2, 3, 1)
    # The long side of the result first: BLAS does (200, n) @ (n, 16) in half the time of its transpose.
    z = np.add.reduce(np.matmul(columns, g), 1).swapaxes(1, 2).reshape(shape)
    return _given(z, out)


_windowed: dict[str, Any] = {"kind": "bilinear", "sample": ((-6.0, 6.0), (-6.0, 6.0)), "binding": 2}

conv2d: Primitive = Primitive("conv2d", None, _conv2d,
    lambda g, z, x, w, *, stride, padding, dilation, groups: conv2d_input(g, w, shape=x.shape, stride=stride, padding=padding, dilation=dilation, groups=groups),
    lambda g, z, x, w, *, stride, padding, dilation, groups: conv2d_weight(x, g, shape=w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups),
    tex=r"{:2} \star {:2}", text="conv2d({}, {})", **_windowed)
conv2d_input: Primitive = Primitive("conv2d_input", None, _conv2d_input,
    lambda g, z, x, w, *, shape, stride, padding, dilation, groups: conv2d(g, w, stride=stride, padding=padding, dilation=dilation, groups=groups),
    lambda g, z, x, w, *, shape, stride, padding, dilation, groups: conv2d_weight(g, x, shape=w.shape, stride=stride, padding=padding, dilation=dilation, groups=groups),
    tex=r"{:2} \star^{{\mathsf{{T}}}} {:2}", text="conv2d_input({}, {})", **_windowed)
conv2d_weight: Primitive = Primitive("conv2d_weight", None, _conv2d_weight,
    lambda g, z, x, y, *, shape, stride, padding, dilation, groups: conv2d_input(y, g, shape=x.shape, stride=stride, padding=padding, dilation=dilation, groups=groups),
    lambda g, z, x, y, *, shape, stride, padding, dilation, groups: conv2d(x, g, stride=stride, padding=padding, dilation=dilation, groups=groups),
    tex=r"{:2} \star_w {:2}", text="conv2d_weight({}, {})", **_windowed)


# ---- windows as columns --------------------------------------------------------------------------
def _unfold(x: Array, out: Array = None, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """Windows as (batch, channels * kernel, positions)."""
    n = len(x)
    view = _windows(_planes(x, padding), n, kernel, stride, dilation)
    batch = 5 if n >= BATCH else 3
    z = np.moveaxis(view, batch, 0)
    z = z.reshape(n, math.prod(z.shape[1:4]), z.shape[4] * z.shape[5])
    return _given(z, out)


def _fold(c: Array, out: Array = None, *, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """The adjoint of `_unfold`: columns added up where they came from."""
    n, channels, height, width = shape
    positions = size_after((height, width), kernel, stride, padding, dilation)
    columns = c.reshape(n, channels, *kernel, *positions)
    columns = np.ascontiguousarray(np.moveaxis(columns, 0, 5 if n >= BATCH else 3))
    return _given(_gather(columns, shape, kernel, stride, padding, dilation), out)


_linear: dict[str, Any] = {"kind": "linear", "sample": ((-6.0, 6.0),)}

unfold: Primitive = Primitive("unfold", None, _unfold,
    lambda g, z, x, *, kernel, stride, padding, dilation: fold(g, shape=x.shape, kernel=kernel, stride=stride, padding=padding, dilation=dilation),
    tex=r"\operatorname{{unfold}}\left({}\right)", text="unfold({})", **_linear)
fold: Primitive = Primitive("fold", None, _fold,
    lambda g, z, x, *, shape, kernel, stride, padding, dilation: unfold(g, kernel=kernel, stride=stride, padding=padding, dilation=dilation),
    tex=r"\operatorname{{fold}}\left({}\right)", text="fold({})", **_linear)


# ---- pooling -------------------------------------------------------------------------------------
def _bordered(x: Array, padding: Padding, fill: float) -> Array:
    """Images with a border, in the memory order they had."""
    if not any(sum(side) for side in padding):
        return x
    (top, bottom), (left, right) = padding
    n, c, h, w = x.shape
    z = np.full_like(x, fill, shape=(n, c, h + top + bottom, w + left + right))
    z[:, :, top : top + h, left : left + w] = x
    return z


def _lowest(dtype: np.dtype[Any]) -> float:
    """What is never the largest element of a window."""
    return -math.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _slices(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> list[Any]:
    """For each place in the window, the index of its elements in the bordered images."""
    return [
        (..., slice(i * dilation[0], i * dilation[0] + stride[0] * (size[0] - 1) + 1, stride[0]),
         slice(j * dilation[1], j * dilation[1] + stride[1] * (size[1] - 1) + 1, stride[1]))
        for i in range(kernel[0]) for j in range(kernel[1])
    ]


def _max_pool(x: Array, out: Array = None, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """The largest element of each window."""
    size = size_after(x.shape[2:], kernel, stride, padding, dilation)
    x = _bordered(x, padding, _lowest(x.dtype))
    first, *rest = _slices(size, kernel, stride, dilation)
    if not rest:
        return np.positive(x[first], out)
    z = np.maximum(x[first], x[rest[0]], out=out)
    for place in rest[1:]:
        np.maximum(z, x[place], out=z)
    return z


def _unpool(g: Array, x: Array, z: Array, out: Array = None, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """Give `g` to the largest elements of each window, in equal shares."""
    (top, _), (left, _) = padding
    height, width = x.shape[2:]
    wide = _bordered(x, padding, _lowest(x.dtype))
    places = _slices(z.shape[2:], kernel, stride, dilation)
    ties = [np.equal(wide[place], z) for place in places]
    share = _shared(g, ties)
    apart = stride[0] >= dilation[0] * (kernel[0] - 1) + 1 and stride[1] >= dilation[1] * (kernel[1] - 1) + 1
    covered = apart and kernel == stride and wide.shape[2] == kernel[0] * z.shape[2] and wide.shape[3] == kernel[1] * z.shape[3]
    spread = np.empty_like(wide, g.dtype) if covered else np.zeros_like(wide, g.dtype)
    mask = np.empty_like(z, g.dtype)  # of numbers: a product with booleans takes twice as long
    for place in places:
        target = spread[place]
        np.equal(wide[place], z, out=mask, casting="unsafe")
        if apart:  # each element belongs to one window, so nothing has to be added up
            np.multiply(share, mask, target)
        else:
            np.multiply(share, mask, mask)
            np.add(target, mask, target)
    return _given(spread[:, :, top : top + height, left : left + width], out)


def _shared(g: Array, ties: list[Array]) -> Array:
    """`g` divided by the number of elements that share it."""
    kind = np.uint8 if len(ties) < 256 else np.intp
    count = ties[0].astype(kind)
    for tie in ties[1:]:
        np.add(count, tie.view(np.uint8), count)
    if count.size == 0 or count.max() <= 1:
        return g
    return g / np.maximum(count, 1).astype(g.dtype)


def _repool(c: Array, x: Array, z: Array, out: Array = None, *, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair) -> Array:
    """The adjoint of `_unpool`: the mean of `c` over the largest elements of each window."""
    wide = _bordered(x, padding, _lowest(x.dtype))
    moved = _bordered(c, padding, 0)
    places = _slices(z.shape[2:], kernel, stride, dilation)
    ties = [np.equal(wide[place], z) for place in places]
    total = np.zeros_like(z, c.dtype)
    for place, tie in zip(places, ties, strict=True):
        np.add(total, moved[place] * tie, total)
    return _given(_shared(total, ties), out)


def _sum_pool(x: Array, out: Array = None, *, kernel: Pair, stride: Pair, padding: Padding) -> Array:
    """The sum of each window."""
    size = size_after(x.shape[2:], kernel, stride, padding, (1, 1))
    x = _bordered(x, padding, 0)
    first, *rest = _slices(size, kernel, stride, (1, 1))
    if not rest:
        return np.positive(x[first], out)
    z = np.add(x[first], x[rest[0]], out)
    for place in rest[1:]:
        np.add(z, x[place], z)
    return z


def _sum_unpool(g: Array, out: Array = None, *, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding) -> Array:
    """The adjoint of `_sum_pool`: `g` to every element of its window."""
    n, channels, height, width = shape
    (top, bottom), (left, right) = padding
    spread = np.zeros_like(g, shape=(n, channels, height + top + bottom, width + left + right))
    for place in _slices(g.shape[2:], kernel, stride, (1, 1)):
        target = spread[place]
        np.add(target, g, target)
    return _given(spread[:, :, top : top + height, left : left + width], out)


max_pool: Primitive = Primitive("max_pool", None, _max_pool,
    lambda g, z, x, *, kernel, stride, padding, dilation: unpool(g, x, z, kernel=kernel, stride=stride, padding=padding, dilation=dilation),
    tex=r"\operatorname{{maxpool}}\left({}\right)", text="max_pool({})", kind="other", sample=((-6.0, 6.0),), kink="ties are shared equally")
unpool: Primitive = Primitive("unpool", None, _unpool,
    lambda g, z, c, x, y, *, kernel, stride, padding, dilation: repool(g, x, y, kernel=kernel, stride=stride, padding=padding, dilation=dilation),
    None, None,
    tex=r"\operatorname{{unpool}}\left({}\right)", text="unpool({})", kind="other", sample=((-6.0, 6.0),) * 3)
repool: Primitive = Primitive("repool", None, _repool,
    lambda g, z, c, x, y, *, kernel, stride, padding, dilation: unpool(g, x, y, kernel=kernel, stride=stride, padding=padding, dilation=dilation),
    None, None,
    tex=r"\operatorname{{repool}}\left({}\right)", text="repool({})", kind="other", sample=((-6.0, 6.0),) * 3)
sum_pool: Primitive = Primitive("sum_pool", None, _sum_pool,
    lambda g, z, x, *, kernel, stride, padding: sum_unpool(g, shape=x.shape, kernel=kernel, stride=stride, padding=padding),
    tex=r"\operatorname{{sumpool}}\left({}\right)", text="sum_pool({})", **_linear)
sum_unpool: Primitive = Primitive("sum_unpool", None, _sum_unpool,
    lambda g, z, x, *, shape, kernel, stride, padding: sum_pool(g, kernel=kernel, stride=stride, padding=padding),
    tex=r"\operatorname{{sumpool}}^{{\mathsf{{T}}}}\left({}\right)", text="sum_unpool({})", **_linear)
