"""Which bug a wrong gradient looks like: ratio rules over analytic and numeric numbers.

The rules are heuristics and say "suspected". They are ordered from what can hardly be mistaken
(shape, nan, sign) to what is left when nothing else fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Evidence", "suspect"]

FLOAT32_LEVEL = 2e-7
ROUNDED_LEVEL = 1e-2
SAME = 1e-6  # ratios that agree to this are the same ratio
MAX_COUNT = 64


@dataclass(frozen=True)
class Evidence:
    """All that is known about the wrong gradient of one input.

    Attributes
    ----------
    analytic, numeric, error : ndarray
        What the rule says; what differences say; the bound of the latter.
    wrong : ndarray of bool
        Where the two disagree.
    kink : ndarray of bool
        Where the function is not differentiable.
    x, z, v : ndarray
        The input, the output and the cotangent.
    """

    analytic: Array
    numeric: Array
    error: Array
    wrong: Array
    kink: Array
    x: Array
    z: Array
    v: Array


def suspect(e: Evidence) -> tuple[str, str]:
    """Name the class of bug that the numbers look like.

    Parameters
    ----------
    e : Evidence
        One input's gradient, with at least one wrong element.

    Returns
    -------
    kind : str
        One word: domain, kink, leak, missing, sign, precision, accumulation, count, layout or
        formula.
    sentence : str
        The same for a person.
    """
    for rule in (_not_finite, _at_a_kink, _leak, _all_zero, _constant_ratio, _small_ratio):
        found = rule(e)
        if found is not None:
            return found
    return _layout(e) or _known_factor(e) or _signs(e) or _formula(e)


def _ratio(e: Evidence) -> Array:
    """Analytic / numeric where they disagree and the latter is not lost in its own bound."""
    usable = e.wrong & (np.abs(e.numeric) > 2 * e.error)
    with np.errstate(all="ignore"):
        ratio = (e.analytic / e.numeric)[usable]
    return np.asarray(ratio[np.isfinite(ratio)])


def _not_finite(e: Evidence) -> tuple[str, str] | None:
    bad = e.wrong & ~np.isfinite(e.analytic)
    if not bad.any():
        return None
    where = f" at x = {e.x[bad].ravel()[0]!s}" if e.x.shape == bad.shape else ""
    return "domain", f"{e.analytic[bad].ravel()[0]!s}{where}, where the slope is finite"


def _at_a_kink(e: Evidence) -> tuple[str, str] | None:
    if e.kink[e.wrong].all():
        return "kink", "only at points without a derivative: outside the one-sided derivatives"
    return None


def _leak(e: Evidence) -> tuple[str, str] | None:
    if np.all(np.abs(e.numeric[e.wrong]) <= e.error[e.wrong]):
        return "leak", "a gradient where the output does not depend on the input (mask, index?)"
    return None


def _all_zero(e: Evidence) -> tuple[str, str] | None:
    if np.all(e.analytic[e.wrong] == 0):
        return "missing", "zero where it must not be (overwritten, detached, duplicates, mask?)"
    return None


def _constant_ratio(e: Evidence) -> tuple[str, str] | None:
    ratio = _ratio(e)
    if not ratio.size or np.ptp(ratio) > SAME * np.abs(ratio).max():
        return None
    q = float(ratio.mean())
    if abs(q + 1) < SAME:
        return "sign", "exactly the negative"
    if abs(q - 1) < ROUNDED_LEVEL:
        return _small_ratio(e)
    if abs(q - 0.5) < SAME:
        return (
            "accumulation",
            (
                "exactly half: one of two uses lost (x*x, fan-out, overwrite), "
                "or a mean or divisor over 2"
            ),
        )
    for k in range(2, MAX_COUNT + 1):
        if abs(q - k) < SAME * k:
            return "count", f"{k} times too large: ties, uses or broadcast copies counted {k} times"
        if abs(q - 1 / k) < SAME / k:
            return "count", f"{k} times too small: a mean where a sum is meant, or a wrong divisor"
    return "formula", f"a constant wrong factor {q:.6g}"


def _small_ratio(e: Evidence) -> tuple[str, str] | None:
    off = np.abs(_ratio(e) - 1)
    if not off.size or off.max() >= ROUNDED_LEVEL:
        return None
    if off.max() < FLOAT32_LEVEL:
        return "precision", f"relative error {off.max():.1e}: a float32 constant or intermediate?"
    return "precision", f"relative error {off.max():.1e}: a rounded constant or eps stabiliser?"


def _layout(e: Evidence) -> tuple[str, str] | None:
    ours, theirs = np.sort(e.analytic, axis=None), np.sort(e.numeric, axis=None)
    slack = 2 * np.sort(e.error, axis=None)[-1] + SAME * np.abs(theirs)
    if ours.size > 1 and np.ptp(theirs) > 0 and np.all(np.abs(ours - theirs) <= slack):
        return "layout", "the right numbers in another order (axis, transpose, reshape, index?)"
    return None


def _known_factor(e: Evidence) -> tuple[str, str] | None:
    usable = e.wrong & (np.abs(e.numeric) > 2 * e.error)
    if usable.sum() < 2:
        return None
    with np.errstate(all="ignore"):
        ratio = (e.analytic / e.numeric)[usable]
        for name, factor in _factors(e):
            known = factor[usable]
            if np.all(np.abs(ratio - known) <= SAME * np.abs(known)) and np.ptp(known) > 0:
                return "formula", f"a wrong factor of {name}"
    return None


def _factors(e: Evidence) -> Iterator[tuple[str, Array]]:
    yield "the input", e.x
    yield "1 / the input", 1 / e.x
    if e.z.shape == e.x.shape:
        yield "the output", e.z
        yield "1 / the output", 1 / e.z
        yield "the cotangent", e.v
        yield "1 / the cotangent", 1 / e.v


def _signs(e: Evidence) -> tuple[str, str] | None:
    ratio = _ratio(e)
    if ratio.size and np.all(np.abs(np.abs(ratio) - 1) < SAME):
        return "sign", "some entries have the wrong sign"
    return None


def _formula(e: Evidence) -> tuple[str, str]:
    ratio = _ratio(e).ravel()[:4]
    shown = ", ".join(f"{q:.4g}" for q in ratio)
    return "formula", f"analytic / numeric = {shown}" if shown else "no pattern"
