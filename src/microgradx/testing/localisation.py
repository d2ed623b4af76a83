"""Where a gradient is wrong: coordinate by coordinate, only after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.testing.diagnosis import Evidence, suspect
from microgradx.testing.ladder import TINY, Derivative, Status
from microgradx.testing.numerical import numerical_vjp
from microgradx.testing.report import Mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.testing.protocol import Array

__all__ = ["localisable", "localised"]

MOST = 600  # a coordinate costs some twenty evaluations


def localisable(leaves: Sequence[Array]) -> bool:
    """Whether there are few enough coordinates to look at each.

    Parameters
    ----------
    leaves : sequence of ndarray
        The differentiated inputs.

    Returns
    -------
    bool
    """
    return sum(x.size for x in leaves) <= MOST


def localised(
    forward: Callable[..., Any],
    leaves: Sequence[tuple[int, Array, Array]],
    v: Array,
    z: Array,
    *,
    floor: float,
    noise: float,
) -> list[Mismatch]:
    """Compare every coordinate's slope with its analytic gradient.

    Parameters
    ----------
    forward : callable
        Maps the leaves to the output.
    leaves : sequence of (position, input, gradient)
        What to compare.
    v, z : ndarray
        Cotangent and output.
    floor, noise : float
        As for `gradcheck`.

    Returns
    -------
    list of Mismatch
        One for each wrong input, the worst first; empty if no coordinate disagrees.
    """
    points = [x for _, x, _ in leaves]
    if not localisable(points):
        return []
    slopes = numerical_vjp(forward, points, v.astype(float), replicates=2, noise=noise)
    found = []
    for (i, x, g), d in zip(leaves, slopes, strict=True):
        worst = _compared(i, x, g, d, v, z, max(floor, 32 * float(np.finfo(x.dtype).eps)))
        if worst is not None:
            found.append(worst)
    found.sort(key=lambda pair: -pair[0])
    return [mismatch for _, mismatch in found]


def _compared(
    i: int, x: Array, g: Array, d: Derivative, v: Array, z: Array, slack: float
) -> tuple[float, Mismatch] | None:
    low, high = d.interval()
    with np.errstate(all="ignore"):
        middle = np.where(np.isfinite(d.value), d.value, (low + high) / 2)
        allowed = slack * (np.abs(g) + np.abs(middle))
        cancelled = (middle == 0) & (d.error < TINY)  # see `Check`: no trace of the terms' size
        allowed = np.where(cancelled, 64 * np.finfo(x.dtype).eps * np.abs(v).sum(), allowed)
        known = (d.status != Status.UNKNOWN) & ~np.isnan(low + high)
        wrong = known & ~((g >= low - allowed) & (g <= high + allowed))
        excess = np.abs(g - middle) / (d.error + allowed + 1e-300)
    if not wrong.any():
        return None
    kink = d.status == Status.KINK
    error = np.where(kink, (high - low) / 2, d.error)
    kind, sentence = suspect(
        Evidence(
            analytic=np.asarray(g, float),
            numeric=middle,
            error=error,
            wrong=wrong,
            kink=kink,
            x=np.asarray(x, float),
            z=np.asarray(z, float),
            v=np.asarray(v, float),
        )
    )
    excess = np.where(wrong, np.where(np.isnan(excess), np.inf, excess), -1.0)
    index = tuple(int(k) for k in np.unravel_index(int(excess.argmax()), x.shape))
    return float(excess.max()), Mismatch(
        input=i,
        shape=x.shape,
        index=index,
        analytic=float(g[index]),
        numeric=float(middle[index]),
        error=float(error[index]),
        wrong=int(wrong.sum()),
        size=wrong.size,
        kind=kind,
        suspicion=sentence,
    )
