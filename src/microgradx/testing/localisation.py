"""Where a gradient is wrong: coordinate by coordinate, only after a failure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.testing.diagnosis import Evidence, suspect
from microgradx.testing.directions import random_direction
from microgradx.testing.ladder import TINY, Derivative, Status
from microgradx.testing.numerical import numerical_jvp, numerical_vjp
from microgradx.testing.report import Mismatch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.testing.protocol import Array

__all__ = ["localisable", "localised"]

MOST = 600  # a coordinate costs some twenty evaluations
BLOCK = 16  # of a large input so many are looked at ...
FEW = 3  # ... and of so many large inputs


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
    """Compare the slopes along coordinates with the analytic gradient.

    Every coordinate is looked at if there are few. Otherwise each input is moved alone; one whose
    slope is wrong is halved until few of its coordinates are left, and three such inputs will do.

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
    found = []
    if localisable(points):
        slopes = numerical_vjp(forward, points, v.astype(float), replicates=2, noise=noise)
        for (i, x, g), d in zip(leaves, slopes, strict=True):
            found.append(_compared(i, x, g, d, v, z, _slack(floor, x)))
    else:
        for place, (i, x, g) in enumerate(leaves):
            if len(found) == FEW:
                break
            alone = _Alone(forward, points, place)
            block = _wrong_block(alone, x, g, v, _slack(floor, x), noise)
            if block is None:
                continue
            few, own = x.reshape(-1)[block], g.reshape(-1)[block]
            (d,) = numerical_vjp(
                partial(alone.moved, block), [few], v.astype(float), replicates=2, noise=noise
            )
            worst = _compared(i, few, own, d, v, z, _slack(floor, x))
            if worst is not None:
                flat = block[worst[1].index[0]]
                index = tuple(int(k) for k in np.unravel_index(flat, x.shape))
                found.append((worst[0], replace(worst[1], index=index, shape=x.shape)))
    known = [pair for pair in found if pair is not None]
    known.sort(key=lambda pair: -pair[0])
    return [mismatch for _, mismatch in known]


def _slack(floor: float, x: Array) -> float:
    return max(floor, 32 * float(np.finfo(x.dtype).eps))


@dataclass(frozen=True)
class _Alone:
    """The function of one input, the others held fixed."""

    forward: Callable[..., Any]
    points: Sequence[Array]
    place: int

    def __call__(self, x: Array) -> Any:
        return self.forward(*self.points[: self.place], x, *self.points[self.place + 1 :])

    def moved(self, block: Array, few: Array) -> Any:
        """The function of some coordinates."""
        x = self.points[self.place].copy()
        x.reshape(-1)[block] = few
        return self(x)


def _wrong_block(
    alone: _Alone, x: Array, g: Array, v: Array, slack: float, noise: float
) -> Array | None:
    """At most `BLOCK` coordinates along which the slope is wrong; None if it is right."""
    direction = random_direction(x, np.random.default_rng(0)).reshape(-1)

    def wrong(part: Array) -> bool:
        u = np.zeros(x.size)
        u[part] = direction[part]
        d = numerical_jvp(alone, [x], [u.reshape(x.shape)], noise=noise) * v
        with np.errstate(all="ignore"):
            low, high = (end[v != 0].sum() for end in d.interval())
            terms = g.reshape(-1)[part] * u[part]
            allowed = slack * (np.abs(terms).sum() + abs(low) + abs(high))
            inside = low - allowed <= terms.sum() <= high + allowed
        return bool(np.isfinite(low + high)) and not inside

    part = np.arange(x.size)
    if not wrong(part):
        return None
    while part.size > BLOCK:
        halves = np.array_split(part, 2)
        half = next((h for h in halves if wrong(h)), None)
        if half is None:
            return None
        part = half
    return part


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
