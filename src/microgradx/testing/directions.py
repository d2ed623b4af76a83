"""Random directions and cotangents that leave no room for luck, and none for rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.testing.numerical import power_of_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["random_direction", "signed_magnitudes"]


def random_direction(x: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a direction of the size of `x`, of few binary digits, so that ``x + h*u`` is exact."""
    scale = power_of_two(x)
    typical = float(power_of_two(np.mean(np.abs(x)))) if x.size else 1.0
    scale = np.where(scale == 0, typical or 1.0, scale)
    digits = 256 if x.dtype == np.float64 else 16
    return np.asarray(scale * signed_magnitudes(x.shape, rng, digits))


def signed_magnitudes(
    shape: tuple[int, ...], rng: np.random.Generator, digits: int = 0
) -> NDArray[np.float64]:
    """Draw signed numbers of magnitude in [0.5, 1.5): signs alone would hide pairs of errors.

    Parameters
    ----------
    shape : tuple of int
        Of the result.
    rng : Generator
        Where they come from.
    digits : int, optional
        They are multiples of ``1 / digits``. By default they have all their digits, so that a
        rule which loses some in float32 is seen to.

    Returns
    -------
    ndarray of float64
    """
    if digits:
        magnitude = rng.integers(digits // 2, digits * 3 // 2, shape) / digits
    else:
        magnitude = rng.uniform(0.5, 1.5, shape)
    return np.asarray(np.where(rng.random(shape) < 0.5, -magnitude, magnitude))
