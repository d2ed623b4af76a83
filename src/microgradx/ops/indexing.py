"""Primitives that pick, place, join and part elements: adjoint pairs side by side."""

# fmt: off

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.primitive import Primitive

Array = Any


def is_basic(index: Any) -> bool:
    """Whether NumPy answers with a view: only integers, slices, None and Ellipsis."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or (isinstance(part, (slice, int, np.integer)) and part.__class__ is not bool) for part in parts)


def _getitem(x: Array, out: Array = None, *, index: Any) -> Array:
    z = x[index]
    if out is None:
        return z
    np.copyto(out, z)
    return out


def _put(g: Array, out: Array = None, *, shape: tuple[int, ...], index: Any) -> Array:
    """Zeros of `shape` with `g` added at `index`; an element indexed twice gets both."""
    if out is None:
        out = np.zeros(shape, g.dtype)
    else:
        out[...] = 0
    parts = index if isinstance(index, tuple) else (index,)
    repeats = any(isinstance(part, (np.ndarray, list)) and np.asarray(part).dtype != bool for part in parts)
    if repeats:
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


def _concatenate(*xs: Array, out: Array = None, axis: int, index: Any) -> Array:
    return np.concatenate(xs, axis, out)


def _stack(*xs: Array, out: Array = None, axis: int, index: Any) -> Array:
    return np.stack(xs, axis, out)


getitem: Primitive = Primitive("getitem", None, _getitem,
    lambda g, z, x, *, index: put(g, shape=x.shape, index=index),
    tex="{:5}_{{i}}", text="{:5}[...]", binding=5, kind="linear", sample=((-6.0, 6.0),), view=True)
put: Primitive = Primitive("put", None, _put,
    lambda g, z, x, *, shape, index: getitem(g, index=index),
    tex=r"\operatorname{{put}}\left({}\right)", text="put({})", kind="linear", sample=((-6.0, 6.0),))
concatenate: Primitive = Primitive("concatenate", None, _concatenate,
    each=lambda g, z, *xs, axis, index: [getitem(g, index=i) for i in index],
    tex=r"\operatorname{{concatenate}}\left({}\right)", text="concatenate({})", kind="linear", sample=((-6.0, 6.0),) * 3)
stack: Primitive = Primitive("stack", None, _stack,
    each=lambda g, z, *xs, axis, index: [getitem(g, index=i) for i in index],
    tex=r"\operatorname{{stack}}\left({}\right)", text="stack({})", kind="linear", sample=((-6.0, 6.0),) * 3)


# ---- assignment ----------------------------------------------------------------------------------
def _set_at(x: Array, v: Array, out: Array = None, *, index: Any) -> Array:
    """A copy of `x` with `v` at `index`; of several numbers for one element the last stays."""
    z = np.array(x, np.result_type(x, v)) if out is None else out
    if out is not None:
        np.copyto(z, x)
    z[index] = v
    return z


def _last_wins(g: Array, out: Array = None, *, shape: tuple[int, ...], index: Any) -> Array:
    """`g` where its number is the one that stays after assigning to `index`, else 0."""
    order = np.arange(g.size).reshape(g.shape)
    owner = np.empty(shape, np.intp)
    owner[index] = order
    return np.multiply(g, owner[index] == order, out, dtype=g.dtype)


set_at: Primitive = Primitive("set_at", None, _set_at,
    lambda g, z, x, v, *, index: set_at(g, 0.0, index=index),
    lambda g, z, x, v, *, index: last_wins(getitem(g, index=index), shape=x.shape, index=index),
    tex=r"{:5}\left[i \leftarrow {}\right]", text="{:5}[... = {}]", kind="linear", sample=((-6.0, 6.0), (-6.0, 6.0)))
last_wins: Primitive = Primitive("last_wins", None, _last_wins,
    lambda g, z, x, *, shape, index: last_wins(g, shape=shape, index=index),
    tex="{:5}", text="last_wins({})", kind="linear", sample=((-6.0, 6.0),))
