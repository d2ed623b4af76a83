"""Primitives that move, repeat and add up elements: adjoint pairs side by side.

All are linear. ``sum`` and ``expand`` are each other's adjoint, as are ``unbroadcast`` and
``broadcast_to``, a reshape and its inverse, a transpose and its inverse. Parameters arrive
normalised: axes are non-negative and sorted, shapes are tuples; ``functions`` sees to that.
"""

# fmt: off

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from microgradx.primitive import Primitive

Array = Any

_ones: dict[tuple[int, np.dtype[Any]], Array] = {}


def ones(n: int, dtype: np.dtype[Any]) -> Array:
    """A shared vector of ones, read only; the second time costs 60 ns."""
    vector = _ones.get((n, dtype))
    if vector is None:
        vector = np.ones(n, dtype)
        vector.flags.writeable = False
        if len(_ones) < 256:
            _ones[n, dtype] = vector
    return vector


SHORT = 64
"""Rows up to this length are added up by BLAS; pairwise summation pays in longer ones."""


def sum_array(x: Array, out: Array = None, *, axis: tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
    """Sum over `axis`. One axis of a float matrix BLAS adds up three times faster than NumPy."""
    if axis is not None and x.ndim == 2 and x.dtype.char in "fd" and (x.flags.c_contiguous or x.flags.f_contiguous):
        if axis == (0,) and not keepdims and x.shape[1] <= 4096:
            return np.dot(ones(x.shape[0], x.dtype), x, out)
        if axis in {(1,), (-1,)} and x.shape[1] <= SHORT:
            z = np.dot(x, ones(x.shape[1], x.dtype), out if out is None or not keepdims else out[:, 0])
            return z[:, None] if keepdims else z
    return np.add.reduce(x, axis, None, out, keepdims)


def unbroadcast_array(g: Array, shape: tuple[int, ...], out: Array = None) -> Array:
    """`g` summed over the axes along which an operand of `shape` was broadcast; or broadcast up."""
    if g.ndim < len(shape):
        return np.broadcast_to(g, shape)
    ahead = g.ndim - len(shape)
    if ahead == 1 and g.shape[1:] == shape:
        return sum_array(g, out, axis=(0,))
    axes = (*range(ahead), *[i + ahead for i, n in enumerate(shape) if n == 1 and g.shape[i + ahead] != 1])
    if axes:
        g = np.add.reduce(g, axes, None, None, True)
    if ahead:
        g = g.reshape(g.shape[ahead:])
    if g.shape != shape:
        g = np.broadcast_to(g, shape)
    if out is None:
        return g
    np.copyto(out, g)
    return out


def expand_array(g: Array, *, shape: tuple[int, ...], axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    """Repeat what a reduction over `axis` took away."""
    if g.ndim == 0:  # four times faster than NumPy's own way
        z = np.ndarray(shape, g.dtype, g, 0, (0,) * len(shape))
        z.flags.writeable = False
        return z
    if not keepdims and axis is not None and axis:
        g = np.reshape(g, [1 if i in axis else n for i, n in enumerate(shape)])
    return np.broadcast_to(g, shape)


_linear = partial(Primitive, kind="linear", sample=((-6.0, 6.0),))

sum: Primitive = _linear("sum", None, sum_array,
    lambda g, z, x, *, axis, keepdims: expand(g, shape=x.shape, axis=axis, keepdims=keepdims),
    tex=r"\sum {:2}", text="sum({})", binding=2)
expand: Primitive = _linear("expand", None, expand_array,
    lambda g, z, x, *, shape, axis, keepdims: sum(g, axis=axis, keepdims=keepdims),
    tex="{:5}", text="expand({})", binding=5, view=True)
unbroadcast: Primitive = _linear("unbroadcast", None, lambda g, out=None, *, shape: unbroadcast_array(g, shape, out),
    lambda g, z, x, *, shape: broadcast_to(g, shape=x.shape),
    tex=r"\sum {:2}", text="unbroadcast({})", binding=2)
broadcast_to: Primitive = _linear("broadcast_to", None, lambda x, *, shape: np.broadcast_to(x, shape),
    lambda g, z, x, *, shape: unbroadcast(g, shape=x.shape),
    tex="{:5}", text="broadcast_to({})", binding=5, view=True)
reshape: Primitive = _linear("reshape", None, lambda x, *, shape: np.reshape(x, shape),
    lambda g, z, x, *, shape: reshape(g, shape=x.shape),
    tex="{:5}", text="reshape({})", binding=5, view=True)
transpose: Primitive = _linear("transpose", None, lambda x, *, axes: np.transpose(x, axes),
    lambda g, z, x, *, axes: transpose(g, axes=tuple([axes.index(i) for i in range(len(axes))])),
    tex=r"{:5}^{{\mathsf{{T}}}}", text="transpose({})", binding=4, view=True)
swap: Primitive = _linear("swap", None, lambda x: np.swapaxes(x, -1, -2),
    lambda g, z, x: swap(g),
    tex=r"{:5}^{{\mathsf{{T}}}}", text="{:5}.T", binding=4, view=True)
astype: Primitive = _linear("astype", None, lambda x, out=None, *, dtype: np.add(x, 0, out, dtype=dtype, casting="unsafe") if out is not None else np.asarray(x).astype(dtype),
    lambda g, z, x, *, dtype: astype(g, dtype=x.dtype),
    tex="{:5}", text="astype({})", binding=5)
