"""What programs call beside NumPy: the array kernels of the table, and a few of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.ops.arrays import *  # noqa: F403 - programs call them by name

__all__ = ["flush_denormals", "labels", "numbers_of_step", "scatter"]

Array = Any


def labels(x: Array, classes: int, out: Array = None) -> Array:
    """Whole numbers that must be classes, as indices."""
    # As unsigned numbers, negative labels are too large: one search instead of two.
    if x.size and np.maximum.reduce(x.view(f"u{x.itemsize}"), None) >= classes:
        raise IndexError(f"labels run from {x.min()} to {x.max()}, but there are {classes} classes")
    np.copyto(out, x, casting="unsafe")
    return out


def scatter(g: Array, index: Array, out: Array = None) -> Array:
    """Zeros with the rows of g added at index; a row picked twice gets both."""
    out[...] = 0
    np.add.at(out, index, g)
    return out


def numbers_of_step(numbers: Any, count: Array, options: Array, out: Array = None) -> Array:
    """Count a step, and work out what an optimiser multiplies with in it."""
    count += 1
    out[...] = numbers(int(count[0]), *options.tolist())
    return out


def flush_denormals(count: Array, *moments: Array) -> None:
    """Every 100 steps, set numbers too small to matter to 0: NumPy is 44 times slower on them."""
    if count[0] % 100 == 0:
        for moment in moments:
            np.multiply(moment, np.abs(moment) > 1e-30, moment)
