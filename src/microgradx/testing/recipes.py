"""Recipes of the larger families: convolutions, pooling, linear algebra.

`calls` imports this last, so that `RECIPES` holds all of them wherever it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.ops import conv
from microgradx.testing.calls import (
    RECIPES,
    OpCall,
    Source,
    _sampled,
    draw_array,
    draw_index,
    draw_shape,
)

if TYPE_CHECKING:
    from microgradx.primitive import Primitive

__all__: list[str] = []


# ---- convolutions -------------------------------------------------------------------------------
def _geometry(source: Source) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """Stride, padding and dilation; a kernel and a size that fit them."""

    def pair(low: int, high: int) -> tuple[int, int]:
        return source.integer(low, high), source.integer(low, high)

    kernel, dilation = pair(1, 3), pair(1, 2)
    params = {"stride": pair(1, 2), "padding": (pair(0, 1), pair(0, 1)), "dilation": dilation}
    high, wide = [d * (k - 1) + source.integer(1, 3) for k, d in zip(kernel, dilation, strict=True)]
    return params, kernel, (high, wide)


def _batch(source: Source) -> int:
    """Few images, or enough for the batch to stand innermost."""
    return source.choice([1, 2, conv.BATCH])


def _conv(source: Source, op: Primitive) -> OpCall:
    params, kernel, size = _geometry(source)
    groups = source.choice([1, 1, 2])
    n, depth, filters = _batch(source), source.integer(1, 2), groups * source.integer(1, 2)
    x, w = (n, depth * groups, *size), (filters, depth, *kernel)
    g = (n, filters, *conv.size_after(size, kernel, **params))
    shapes, shape = {
        "conv2d": ([x, w], None),
        "conv2d_input": ([g, w], x),
        "conv2d_weight": ([x, g], w),
    }[op.name]
    if shape is not None:
        params["shape"] = shape
    return OpCall(op, tuple(_sampled(source, op, shapes)), {**params, "groups": groups})


def _fold(source: Source, op: Primitive) -> OpCall:
    params, kernel, size = _geometry(source)
    params["kernel"] = kernel
    shape = (_batch(source), source.integer(1, 2), *size)
    if op.name == "unfold":
        return OpCall(op, tuple(_sampled(source, op, [shape])), params)
    shown = conv.unfold.array(np.zeros(shape), **params).shape
    return OpCall(op, tuple(_sampled(source, op, [shown])), {**params, "shape": shape})


def _pool(source: Source, op: Primitive) -> OpCall:
    params, kernel, size = _geometry(source)
    # A border of -inf wider than half the window would leave windows without an element.
    params["padding"] = tuple(
        [
            tuple([min(p, k // 2) for p in side])
            for side, k in zip(params["padding"], kernel, strict=True)
        ]
    )
    params["kernel"] = kernel
    shape = (_batch(source), source.integer(1, 2), *size)
    x = draw_array(source, shape, -6.0, 6.0)
    if op.name == "max_pool":
        return OpCall(op, (x,), params)
    # Whole numbers as x and z: they only say where the largest elements are.
    z = conv.max_pool.array(x, **params)
    moved = draw_array(source, z.shape if op.name == "unpool" else shape, -6.0, 6.0)
    return OpCall(op, (moved, (x * 8).astype(np.int64), (z * 8).astype(np.int64)), params)


def _sum_pool(source: Source, op: Primitive) -> OpCall:
    params, kernel, size = _geometry(source)
    del params["dilation"]
    size = max(size[0], kernel[0]), max(size[1], kernel[1])
    params["kernel"] = kernel
    shape = (_batch(source), source.integer(1, 2), *size)
    if op.name == "sum_pool":
        return OpCall(op, tuple(_sampled(source, op, [shape])), params)
    summed = conv.sum_pool.array(np.zeros(shape), **params).shape
    return OpCall(op, tuple(_sampled(source, op, [summed])), {**params, "shape": shape})


RECIPES.update(
    conv2d=_conv, conv2d_input=_conv, conv2d_weight=_conv, unfold=_fold, fold=_fold,
    max_pool=_pool, unpool=_pool, repool=_pool, sum_pool=_sum_pool, sum_unpool=_sum_pool,
)  # fmt: skip


# ---- elementwise with parameters ----------------------------------------------------------------
def _sinc(source: Source, op: Primitive) -> OpCall:
    x = draw_array(source, draw_shape(source), -6.0, 6.0)
    return OpCall(op, (x,), {"order": source.choice([0, 1, 2])})


RECIPES.update(sinc=_sinc)


# ---- along one axis -----------------------------------------------------------------------------
def _triangle(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source, 2)
    return OpCall(op, tuple(_sampled(source, op, [shape])), {"k": source.integer(-2, 2)})


RECIPES.update(flip=RECIPES["cumsum"], tril=_triangle, triu=_triangle)


# ---- products -----------------------------------------------------------------------------------
SUMS = (
    ("ij", "jk", "ik"), ("i", "j", "ij"), ("bij", "bjk", "bki"), ("ijk", "jk", "i"),
    ("ij", "ij", ""), ("ij", "ji", "j"), ("ij", "ij", "ij"),
)  # fmt: skip


def _einsum(source: Source, op: Primitive) -> OpCall:
    left, right, result = source.choice(SUMS)
    sizes = {c: source.integer(1, 3) for c in "ijkb"}
    shapes = [tuple([sizes[c] for c in letters]) for letters in (left, right)]
    params = {"left": left, "right": right, "result": result}
    return OpCall(op, tuple(_sampled(source, op, shapes)), params)


RECIPES.update(einsum=_einsum)


# ---- assignment ---------------------------------------------------------------------------------
def _set_at(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    index = draw_index(source, shape)
    taken = np.zeros(shape)[index].shape
    if op.name == "last_wins":
        return OpCall(op, tuple(_sampled(source, op, [taken])), {"shape": shape, "index": index})
    if taken and source.integer(0, 2) == 2:
        taken = taken[1:]  # what is assigned may be broadcast
    return OpCall(op, tuple(_sampled(source, op, [shape, taken])), {"index": index})


RECIPES.update(set_at=_set_at, last_wins=_set_at)


# ---- linear algebra -----------------------------------------------------------------------------
def _matrix(source: Source, op: Primitive) -> OpCall:
    """Well conditioned, with eigenvalues and singular values far apart."""
    lead = draw_shape(source, 0, 1)
    n = source.integer(1, 3)
    m = n + (source.integer(0, 2) if op.name in {"qr", "svd", "pinv"} else 0)
    noise = draw_array(source, (*lead, m, n), -1.0, 1.0) / 8
    x = noise + np.eye(m, n) * np.arange(2.0, 2.0 + n)
    if op.name in {"cholesky", "eigh"}:
        x = (x + np.swapaxes(x, -1, -2)) / 2
    if op.name == "svd":
        x = np.swapaxes(x, -1, -2) if source.integer(0, 1) else x
        return OpCall(op, (np.ascontiguousarray(x),), {"k": n})
    if op.name == "solve":
        return OpCall(op, (x, draw_array(source, (n, source.integer(1, 3)), -6.0, 6.0)))
    return OpCall(op, (x,))


_FACTORS = (
    "inv", "solve", "det", "cofactor", "logabsdet", "signdet", "cholesky", "eigh", "svd", "qr",
    "pinv",
)  # fmt: skip
RECIPES.update(dict.fromkeys(_FACTORS, _matrix))


# ---- moments ------------------------------------------------------------------------------------
def _moment(source: Source, op: Primitive) -> OpCall:
    call = RECIPES["sum"](source, op)
    (x,), axis = call.inputs, call.params["axis"]
    n = np.size(x) if axis is None else int(np.prod([x.shape[i] for i in axis]))
    return OpCall(
        op, (x,), {**call.params, "count": n, "divisor": max(n - source.integer(0, 1), 1)}
    )


def _roll(source: Source, op: Primitive) -> OpCall:
    call = RECIPES["cumsum"](source, op)
    return OpCall(op, call.inputs, {**call.params, "shift": source.integer(-5, 5)})


def _inner(source: Source, op: Primitive) -> OpCall:
    n, m = source.integer(1, 8), source.integer(1, 4)
    shapes = [(n,), (n,)] if op.name == "inner" else [(m, n), (n,)]
    return OpCall(op, tuple(_sampled(source, op, shapes)))


RECIPES.update(
    var=_moment, length=RECIPES["sum"], roll=_roll, cumsum_back=RECIPES["cumsum"], inner=_inner,
    matvec=_inner,
)  # fmt: skip


def _unit(source: Source, op: Primitive) -> OpCall:
    call = RECIPES["sum"](source, op)
    (x,), axis, keepdims = call.inputs, call.params["axis"], call.params["keepdims"]
    z = np.asarray(np.sqrt((x * x).sum(axis=axis, keepdims=keepdims)) + source.choice([0.25, 1.0]))
    return OpCall(op, (x, z), call.params)


RECIPES.update(unit=_unit)
