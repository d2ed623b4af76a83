"""Whether two gradients are the same, and how their shapes differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from microgradx.testing.protocol import Array

__all__ = ["close", "same", "shape_story", "strided_copy", "underflow"]


def same(a: Array, b: Array) -> bool:
    """Whether all numbers are the same; nan is nan."""
    return np.array_equal(a, b, equal_nan=True)


def close(a: Array, b: Array, slack: float) -> bool:
    """Whether all numbers differ by rounding only."""
    near = np.abs(a - b) <= slack * (np.abs(a) + np.abs(b).max(initial=0)) + underflow(a)
    return bool(np.all(near | (a == b) | (np.isnan(a) & np.isnan(b))))


def underflow(x: Array) -> float:
    """What a result may lack that was computed from subnormal numbers."""
    known = np.finfo(x.dtype)
    return float(known.tiny) / float(known.eps)


def strided_copy(x: Array) -> Array:
    """The same numbers, reversed in memory and two apart."""
    if x.ndim == 0:
        return x.copy()
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    view = wide[..., ::2][..., ::-1]
    view[...] = x
    return view


def shape_story(i: int, got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What may have happened to a gradient of another shape than its input."""
    story = f"the gradient of input {i} has shape {got}, the input {wanted}"
    if len(got) == len(wanted) and sorted(got) == sorted(wanted):
        return f"{story}: the axes are in another order"
    if np.prod(got, dtype=int) == np.prod(wanted, dtype=int):
        return f"{story}: an axis of length 1 was lost or added"
    if len(got) >= len(wanted):
        return f"{story}: a broadcast was not summed away"
    return story
