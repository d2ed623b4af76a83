"""Primitives along one axis: reversed order, running sums; and halves of matrices.

All are linear. A running sum's adjoint is the running sum from the other end; a mask is its own.
"""

# fmt: off

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from microgradx.primitive import Primitive

Array = Any


def _tril(x: Array, out: Array = None, *, k: int) -> Array:
    z = np.tril(x, k)
    return z if out is None else np.positive(z, out)


def _triu(x: Array, out: Array = None, *, k: int) -> Array:
    z = np.triu(x, k)
    return z if out is None else np.positive(z, out)


def _cumsum_back(x: Array, out: Array = None, *, axis: int) -> Array:
    """Running sums from the other end."""
    z = np.empty_like(x) if out is None else out
    np.add.accumulate(np.flip(x, axis), axis, None, np.flip(z, axis))
    return z


def _roll(x: Array, out: Array = None, *, shift: int, axis: int) -> Array:
    """Elements moved along one axis; NumPy's own is four times slower on small arrays."""
    cut = -shift % x.shape[axis] if x.shape[axis] else 0
    lead = (slice(None),) * axis
    return np.concatenate((x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]), axis, out)


_linear = partial(Primitive, kind="linear", sample=((-6.0, 6.0),))

flip: Primitive = _linear("flip", None, lambda x, *, axis: np.flip(x, axis),
    lambda g, z, x, *, axis: flip(g, axis=axis),
    tex=r"\operatorname{{flip}}\left({}\right)", text="flip({})", view=True)
cumsum: Primitive = _linear("cumsum", None, lambda x, out=None, *, axis: np.add.accumulate(x, axis, None, out),
    lambda g, z, x, *, axis: cumsum_back(g, axis=axis),
    tex=r"\operatorname{{cumsum}}\left({}\right)", text="cumsum({})")
cumsum_back: Primitive = _linear("cumsum_back", None, _cumsum_back,
    lambda g, z, x, *, axis: cumsum(g, axis=axis),
    tex=r"\operatorname{{cumsum}}^{{\mathsf{{T}}}}\left({}\right)", text="cumsum_back({})")
roll: Primitive = _linear("roll", None, _roll,
    lambda g, z, x, *, shift, axis: roll(g, shift=-shift, axis=axis),
    tex=r"\operatorname{{roll}}\left({}\right)", text="roll({})")
tril: Primitive = _linear("tril", None, _tril,
    lambda g, z, x, *, k: tril(g, k=k),
    tex=r"\operatorname{{tril}}\left({}\right)", text="tril({})")
triu: Primitive = _linear("triu", None, _triu,
    lambda g, z, x, *, k: triu(g, k=k),
    tex=r"\operatorname{{triu}}\left({}\right)", text="triu({})")
