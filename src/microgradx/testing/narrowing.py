"""Smaller inputs: fewer axes, shorter ones, and numbers that are easier to say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Array", "Change", "Inputs", "extent", "narrower", "narrowings", "plainer_numbers"]

FEW = 64  # nobody reads the numbers of larger arrays one by one

Array = NDArray[Any]
Inputs = tuple[Any, ...]
Change = Callable[[Any], Any]


def extent(inputs: Sequence[Any]) -> tuple[float, ...]:
    """What "smaller" means: elements and axes of all arrays, and how long their numbers are.

    Parameters
    ----------
    inputs : sequence
        Arrays, and constants that do not count.

    Returns
    -------
    tuple of float
        To be compared.
    """
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    numbers = [v for x in arrays for v in x.ravel().tolist()]
    return (
        sum(x.size for x in arrays),
        sum(x.ndim for x in arrays),
        sum(len(repr(v)) for v in numbers),
        sum(abs(v) for v in numbers),
    )


def narrowings(arrays: Sequence[Array]) -> Iterator[Change]:
    """Ways to drop an axis, or to shorten it, wherever it occurs.

    Parameters
    ----------
    arrays : sequence of ndarray
        Everything that belongs together.

    Yields
    ------
    callable
        Maps an array to a smaller one, and all else to itself.
    """
    deepest = max((x.ndim for x in arrays), default=0)
    if deepest:
        yield lambda x: x[0] if _ndim(x) == deepest and x.size else x
        yield lambda x: x[..., 0] if _ndim(x) and x.size else x
    for n in sorted({n for x in arrays for n in x.shape if n > 1}, reverse=True):
        for fewer in dict.fromkeys((1, n // 2, n - 1)):
            if 0 < fewer < n:
                yield partial(_cut, length=n, fewer=fewer)


def _ndim(x: Any) -> int:
    return x.ndim if isinstance(x, np.ndarray) else 0


def _cut(x: Any, length: int, fewer: int) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    return x[tuple(slice(0, fewer) if n == length else slice(None) for n in x.shape)]


def narrower(inputs: Inputs) -> Iterator[Inputs]:
    """Inputs of fewer elements: all of them narrowed in the same way, then one at a time.

    Parameters
    ----------
    inputs : tuple
        Arrays and constants.

    Yields
    ------
    tuple
        The same with smaller arrays.
    """
    for change in narrowings([x for x in inputs if isinstance(x, np.ndarray)]):
        yield tuple([np.asarray(change(x)) if _ndim(x) else x for x in inputs])
    for i, x in enumerate(inputs):
        for axis in range(_ndim(x)):
            n = x.shape[axis]
            if n:
                yield _with_input(inputs, i, np.take(x, 0, axis=axis))
            if n > 1:
                yield _with_input(inputs, i, np.take(x, range(n - 1), axis=axis))
                yield _with_input(inputs, i, np.take(x, range(1, n), axis=axis))


def _with_input(inputs: Inputs, i: int, x: Any) -> Inputs:
    return (*inputs[:i], np.asarray(x), *inputs[i + 1 :])


def plainer_numbers(inputs: Inputs) -> Iterator[Inputs]:
    """The same shapes, with numbers that are easier to say.

    Parameters
    ----------
    inputs : tuple
        Arrays and constants.

    Yields
    ------
    tuple
        The same with zeros, ones, twos, or rounded.
    """
    arrays = [(i, x) for i, x in enumerate(inputs) if isinstance(x, np.ndarray)]
    for i, x in arrays:
        counted = (np.arange(x.size) + 1).reshape(x.shape).astype(x.dtype)
        for new in (np.zeros_like(x), np.ones_like(x), 2 * np.ones_like(x), counted, np.round(x)):
            if not np.array_equal(new, x):
                yield _with_input(inputs, i, new)
    for i, x in arrays:
        for place in np.ndindex(x.shape) if x.size <= FEW else ():
            for number in (0, 1, np.round(x[place])):
                if x[place] != number:
                    changed = x.copy()
                    changed[place] = number
                    yield _with_input(inputs, i, changed)
