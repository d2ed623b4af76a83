"""Small data sets made on the spot: two-dimensional shapes, and the notes' thermometer."""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from microgradx.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["blobs", "circles", "moons", "spirals", "thermometer", "zigzag"]


def _points(where: str, n: int, classes: int = 2) -> int:
    """`n`, if there is a point for each class."""
    if not isinstance(n, (int, np.integer)) or not 1 <= classes <= n:
        problem = f"{n} points in {classes} classes"
        raise DataError(where, problem, "Pass a point or more for each class")
    return int(n)


def _spread(where: str, noise: float) -> float:
    """`noise`, if it is a standard deviation."""
    is_number = isinstance(noise, Real)
    if not is_number or not 0 <= noise < math.inf:
        raise ArgumentError(where, f"noise is {noise!r}", "Pass a standard deviation of 0 or more")
    return noise


def _labelled(
    parts: list[NDArray[np.float64]], noise: float, rng: int | np.random.Generator | None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """One class for each part, with noise added, in random order."""
    chance = np.random.default_rng(rng)
    x = np.concatenate(parts)
    y = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = chance.permutation(len(x))
    return x[order] + noise * chance.standard_normal(x.shape), y[order]


def moons(
    n: int = 100, noise: float = 0.1, rng: int | np.random.Generator | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two half circles, one inside the bend of the other.

    Parameters
    ----------
    n : int, optional
        How many points.
    noise : float, optional
        Standard deviation of what is added to the coordinates.
    rng : int or numpy.random.Generator, optional
        Where chance comes from.

    Returns
    -------
    x : ndarray, shape (n, 2)
        Points.
    y : ndarray of int, shape (n,)
        0 for the upper moon, 1 for the lower one.

    Raises
    ------
    DataError
        If there are fewer points than classes.
    ArgumentError
        If `noise` is negative or no number.

    Examples
    --------
    >>> x, y = moons(6, rng=0)
    >>> x.shape, np.bincount(y)
    ((6, 2), array([3, 3]))
    """
    n, noise = _points("moons", n), _spread("moons", noise)
    upper, lower = np.linspace(0, math.pi, n - n // 2), np.linspace(0, math.pi, n // 2)
    first = np.column_stack([np.cos(upper), np.sin(upper)])
    second = np.column_stack([1 - np.cos(lower), 0.5 - np.sin(lower)])
    return _labelled([first, second], noise, rng)


def circles(
    n: int = 100,
    noise: float = 0.05,
    factor: float = 0.5,
    rng: int | np.random.Generator | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A circle inside another one.

    Parameters
    ----------
    n : int, optional
        How many points.
    noise : float, optional
        Standard deviation of what is added to the coordinates.
    factor : float, optional
        The inner radius; the outer one is 1.
    rng : int or numpy.random.Generator, optional
        Where chance comes from.

    Returns
    -------
    x : ndarray, shape (n, 2)
        Points.
    y : ndarray of int, shape (n,)
        0 outside, 1 inside.

    Raises
    ------
    DataError
        If there are fewer points than classes.
    ArgumentError
        If `noise` is negative or no number.
    """
    n, noise = _points("circles", n), _spread("circles", noise)
    rings = []
    for radius, count in ((1.0, n - n // 2), (factor, n // 2)):
        angle = np.linspace(0, 2 * math.pi, count, endpoint=False)
        rings.append(radius * np.column_stack([np.cos(angle), np.sin(angle)]))
    return _labelled(rings, noise, rng)


def spirals(
    n: int = 300,
    classes: int = 3,
    noise: float = 0.1,
    turns: float = 0.75,
    rng: int | np.random.Generator | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Arms that wind around each other.

    Parameters
    ----------
    n : int, optional
        How many points; a multiple of `classes`, or a little less.
    classes : int, optional
        How many arms.
    noise : float, optional
        Standard deviation of what is added to the angle, in radians times 2.
    turns : float, optional
        How far an arm winds.
    rng : int or numpy.random.Generator, optional
        Where chance comes from.

    Returns
    -------
    x : ndarray, shape (n, 2)
        Points.
    y : ndarray of int, shape (n,)
        The arm.

    Raises
    ------
    DataError
        If there are fewer points than classes.
    ArgumentError
        If `noise` is negative or no number.
    """
    chance, noise = np.random.default_rng(rng), _spread("spirals", noise)
    radius = np.linspace(0.02, 1, _points("spirals", n, classes) // classes)
    arms = []
    for k in range(classes):
        angle = 2 * math.pi * (turns * radius + k / classes)
        angle = angle + 2 * noise * chance.standard_normal(len(radius))
        arms.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    return _labelled(arms, 0.0, chance)


def blobs(
    n: int = 100,
    classes: int = 3,
    noise: float = 1.0,
    features: int = 2,
    rng: int | np.random.Generator | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Round clouds around random centres.

    Parameters
    ----------
    n : int, optional
        How many points.
    classes : int, optional
        How many clouds.
    noise : float, optional
        Standard deviation of the clouds; centres are drawn from U(-10, 10).
    features : int, optional
        Numbers in a point.
    rng : int or numpy.random.Generator, optional
        Where chance comes from.

    Returns
    -------
    x : ndarray, shape (n, features)
        Points.
    y : ndarray of int, shape (n,)
        The cloud.

    Raises
    ------
    DataError
        If there are fewer points than classes.
    ArgumentError
        If `noise` is negative or no number.
    """
    chance = np.random.default_rng(rng)
    n, noise = _points("blobs", n, classes), _spread("blobs", noise)
    sizes = [n // classes + (k < n % classes) for k in range(classes)]
    centres = chance.uniform(-10, 10, (classes, features))
    parts = [np.tile(c, (size, 1)) for c, size in zip(centres, sizes, strict=True)]
    return _labelled(parts, noise, chance)


def thermometer() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An unmarked thermometer's readings, and the true temperatures.

    Returns
    -------
    t_u : ndarray, shape (11,)
        Readings in an unknown unit (it is nearly Fahrenheit's).
    t_c : ndarray, shape (11,)
        Degrees Celsius.

    Notes
    -----
    The first example of "The Mechanics of Learning" in E. Stevens, L. Antiga, T. Viehmann, "Deep
    Learning with PyTorch", 2020.

    Examples
    --------
    >>> t_u, t_c = thermometer()
    >>> t_u[3], t_c[3]
    (np.float64(81.9), np.float64(28.0))
    """
    t_u = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
    t_c = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]
    return np.array(t_u), np.array(t_c)


def zigzag(n: int = 200) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A line with corners, from (0, 0) to (1, 0.2), for sums of sigmoids to imitate.

    Parameters
    ----------
    n : int, optional
        How many points.

    Returns
    -------
    x, y : ndarray, shape (n,)
        Points on the line, from left to right.

    Raises
    ------
    DataError
        If there are fewer points than classes.
    """
    x = np.linspace(0, 1, _points("zigzag", n, 1))
    corners = [0.0, 0.2, 0.45, 0.7, 1.0], [0.0, 1.0, 0.3, 0.9, 0.2]
    return x, np.interp(x, *corners)
