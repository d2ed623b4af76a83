"""Reductions that are not linear: extrema, and the softmax family in stable form."""

# fmt: off

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from microgradx.ops.elementwise import exp
from microgradx.ops.shaping import expand, reshape, sum, sum_array
from microgradx.primitive import Primitive

Array = Any
Axis = tuple[int, ...] | None


def _max(x: Array, out: Array = None, *, axis: Axis, keepdims: bool) -> Array:
    return np.maximum.reduce(x, axis, None, out, keepdims)


def _min(x: Array, out: Array = None, *, axis: Axis, keepdims: bool) -> Array:
    return np.minimum.reduce(x, axis, None, out, keepdims)


def _winners(x: Array, z: Array, out: Array = None, *, axis: Axis, keepdims: bool) -> Array:
    """Each extreme element's share of the gradient: 1 / (number of ties), 0 elsewhere."""
    if axis and not keepdims:
        z = np.expand_dims(z, axis)
    tie = np.equal(x, z)
    # Without an axis NumPy counts eight times faster.
    count = np.count_nonzero(tie) if axis is None else np.count_nonzero(tie, axis, keepdims=True)
    share = tie.astype(x.dtype)
    if np.all(np.equal(count, 1)):
        return np.positive(share, out)
    return np.divide(share, count, out, dtype=x.dtype)


def _softmax(x: Array, out: Array = None, *, axis: Axis) -> Array:
    """e^x / sum e^x; a row of -inf only gives zeros."""
    if x.ndim == 2 and axis in {(1,), (-1,)}:
        # The maximum of each row through a transposed copy: three times faster than max(axis=1).
        top = np.maximum.reduce(np.ascontiguousarray(x.T), 0)[:, None]
    else:
        top = np.maximum.reduce(x, axis, None, None, True)
    finite = isfinite(np.vdot(top, top))  # BLAS warns of no overflow
    if not finite:
        top = np.where(np.isneginf(top), 0, top)
    z = np.exp(np.subtract(x, top), out)
    if z.ndim == 0:
        z = np.asarray(z)  # without axes NumPy answers with a number, which nothing divides in place
    total = sum_array(z, axis=axis, keepdims=True)
    if not finite:  # else the largest of each row gave 1
        total = np.where(total == 0, 1, total)
    return np.divide(z, total, z)


def _logsumexp(x: Array, out: Array = None, *, axis: Axis, keepdims: bool) -> Array:
    """ln sum e^x without overflow."""
    top = np.maximum.reduce(x, axis, None, None, True)
    if not np.isfinite(top).all():
        top = np.where(np.isfinite(top), top, 0)
    total = np.add.reduce(np.exp(np.subtract(x, top)), axis, None, None, keepdims)
    with np.errstate(divide="ignore"):  # a row of -inf only: the answer is -inf
        z = np.log(total, out)
    return np.add(z, top if keepdims else np.reshape(top, np.shape(total)), out)


def _log_softmax(x: Array, out: Array = None, *, axis: Axis) -> Array:
    return np.subtract(x, _logsumexp(x, axis=axis, keepdims=True), out)


def _one_hot(labels: Array, out: Array = None, *, like: np.dtype[Any], classes: int) -> Array:
    """Rows of the identity; a label outside 0..classes-1 gives a row of zeros."""
    picked = np.equal(labels[..., None], np.arange(classes))
    if out is None:
        return picked
    np.copyto(out, picked)
    return out


def _nll(x: Array, labels: Array, out: Array = None) -> Array:
    """-log_softmax(x)[label], row by row: the cross-entropy of logits with integer labels."""
    # The maximum of each row through a transposed copy: three times faster than max(axis=1).
    top = np.maximum.reduce(np.ascontiguousarray(x.T), 0)
    shifted = np.subtract(x, top[:, None])
    picked = shifted[np.arange(len(x)), labels]
    total = sum_array(np.exp(shifted, shifted), axis=(1,))
    return np.subtract(np.log(total, total), picked, out)


max: Primitive = Primitive("max", None, _max,
    lambda g, z, x, *, axis, keepdims: winners(x, z, axis=axis, keepdims=keepdims) * expand(g, shape=x.shape, axis=axis, keepdims=keepdims),
    tex=r"\max\left({}\right)", text="max({})", kind="other", sample=((-6.0, 6.0),), kink="ties are shared equally")
min: Primitive = Primitive("min", None, _min,
    lambda g, z, x, *, axis, keepdims: winners(x, z, axis=axis, keepdims=keepdims) * expand(g, shape=x.shape, axis=axis, keepdims=keepdims),
    tex=r"\min\left({}\right)", text="min({})", kind="other", sample=((-6.0, 6.0),), kink="ties are shared equally")
winners: Primitive = Primitive("winners", None, _winners,
    tex=r"\left[{:1} = {:1}\right]", text="[{:1} == {:1}]", binding=5, kind="constant")
softmax: Primitive = Primitive("softmax", None, _softmax,
    lambda g, z, x, *, axis: z * (g - sum(g * z, axis=axis, keepdims=True)),
    tex=r"\operatorname{{softmax}}\left({}\right)", text="softmax({})", kind="other", sample=((-6.0, 6.0),))
logsumexp: Primitive = Primitive("logsumexp", None, _logsumexp,
    lambda g, z, x, *, axis, keepdims: softmax(x, axis=axis) * expand(g, shape=x.shape, axis=axis, keepdims=keepdims),
    tex=r"\ln \sum e^{{{}}}", text="logsumexp({})", binding=2, kind="other", sample=((-6.0, 6.0),))
log_softmax: Primitive = Primitive("log_softmax", None, _log_softmax,
    lambda g, z, x, *, axis: g - exp(z) * sum(g, axis=axis, keepdims=True),
    tex=r"\ln \operatorname{{softmax}}\left({}\right)", text="log_softmax({})", kind="other", sample=((-6.0, 6.0),))
one_hot: Primitive = Primitive("one_hot", None, _one_hot,
    tex=r"\operatorname{{onehot}}\left({}\right)", text="one_hot({})", kind="constant")
softmax_nll: Primitive = Primitive("softmax_nll", None, _nll,
    lambda g, z, x, labels: (softmax(x, axis=(1,)) - one_hot(labels, like=x.dtype, classes=x.shape[1])) * reshape(g, shape=(x.shape[0], 1)),
    None,
    tex=r"-\ln \operatorname{{softmax}}\left({}\right)_{{{}}}", text="softmax_nll({}, {})", kind="other", sample=((-6.0, 6.0), (0.0, 1.0)))
