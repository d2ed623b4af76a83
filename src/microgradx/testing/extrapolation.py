"""Richardson extrapolation with a bound: what the eleven values of one window say.

The values of ``phi`` at 0 and at ``+-h, +-h/2, ... +-h/16`` feed three tableaux [1]_ [2]_: central,
forward and backward. Each entry of a tableau is an estimate; its error is taken from its distance
to its two parents plus the noise that its weights amplify, and the noise itself is measured, as the
*largest* disagreement within a column. Taking a maximum over several disagreements is what guards
against the lucky agreement of two neighbours, which makes the classical estimates (Ridders' among
them) promise far too much.

References
----------
.. [1] L. F. Richardson, "The deferred approach to the limit", Phil. Trans. A 226, 1927.
.. [2] C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering
   Software 4(2), 1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LEVELS", "Flags", "Floats", "Tableau", "Window", "extrapolate", "look", "tableau"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVELS = 5
SAFETY = 2.0
NOISE_SIGMAS = 4.0
CLAIM = 0.1  # an error above a tenth of the secant is no claim at all
CLOSING = 0.2  # of the gap that 16 times smaller steps may leave: more than a kink, not a cusp
ABOVE_NOISE = 100.0


@dataclass(frozen=True)
class Tableau:
    """Everything a Richardson tableau computes, as one matrix over its first column.

    The rows are the candidate estimates, their differences to the left and to the upper left
    neighbour, and the noise probes: differences down a column, scaled to unit noise.
    """

    matrix: Floats
    candidates: int
    gain: Floats  # noise of each candidate, in units of the noise of the function over h**power
    columns: tuple[slice, ...]  # which probes belong to one column


@cache
def tableau(base: float, power: int) -> Tableau:
    """The matrix of a tableau.

    Parameters
    ----------
    base : float
        What each column divides the error by: 4 for even errors, 2 for one-sided quotients.
    power : int
        Of the step that the first column was divided by.

    Returns
    -------
    Tableau
    """
    entry: dict[tuple[int, int], Floats] = {}
    for k in range(LEVELS):
        entry[k, 0] = np.eye(LEVELS)[k]
        for j in range(1, k + 1):
            left, upper = entry[k, j - 1], entry[k - 1, j - 1]
            entry[k, j] = left + (left - upper) / (base**j - 1)
    noise = 2.0 ** (power * np.arange(LEVELS))  # of the first column: the function's, over h**power
    chosen = [(k, j) for k in range(2, LEVELS) for j in range(1, k + 1)]
    probes: list[Floats] = []
    columns: list[slice] = []
    for j in range(1, LEVELS - 2):  # the last columns are too short to show a disagreement
        start = len(probes)
        for k in range(j + 1, LEVELS):
            step = entry[k, j] - entry[k - 1, j]
            probes.append(step / np.linalg.norm(step * noise))
        columns.append(slice(start, len(probes)))
    rows = [
        *(entry[q] for q in chosen),
        *(entry[k, j] - entry[k, j - 1] for k, j in chosen),
        *(entry[k, j] - entry[k - 1, j - 1] for k, j in chosen),
        *probes,
    ]
    gain = np.array([np.linalg.norm(entry[q] * noise) for q in chosen])
    return Tableau(np.array(rows), len(chosen), gain, tuple(columns))


def extrapolate(
    column: Floats, unit: float, table: Tableau, floor: Floats
) -> tuple[Floats, Floats, Floats]:
    """Choose the best entry of each tableau.

    Parameters
    ----------
    column : ndarray, shape (LEVELS, m)
        The first column: difference quotients, the widest step first.
    unit : float
        ``h**power`` at the widest step.
    table : Tableau
        Of the same power.
    floor : ndarray, shape (m,)
        The least noise of the function that is believed.

    Returns
    -------
    value, error, noise : ndarray, shape (m,)
        The estimate, a bound on its error, and the noise seen.
    """
    n = table.candidates
    rows = table.matrix @ column
    probes = np.abs(rows[3 * n :]) * unit
    noise = np.minimum.reduce([probes[part].max(axis=0) for part in table.columns])
    noise = np.maximum(np.where(np.isfinite(noise), noise, 0.0), floor)
    error = np.maximum(np.abs(rows[n : 2 * n]), np.abs(rows[2 * n : 3 * n]))
    error = error + NOISE_SIGMAS * noise * (table.gain / unit)[:, None]
    error[np.isnan(error)] = np.inf
    best = error.argmin(axis=0), np.arange(column.shape[1])
    return rows[:n][best], SAFETY * error[best], noise


@dataclass(frozen=True)
class Window:
    """What the eleven values say, element by element.

    Attributes
    ----------
    both : ndarray of bool
        Finite on both sides.
    constant : ndarray of bool
        Every value the same.
    secant : ndarray of float64
        Greatest change over the widest step.
    central, left, right : tuple of ndarray of float64
        Estimate and bound; an infinite bound where nothing is claimed.
    """

    both: Flags
    constant: Flags
    secant: Floats
    central: tuple[Floats, Floats]
    left: tuple[Floats, Floats]
    right: tuple[Floats, Floats]


def look(
    phi: Callable[[float], Floats], start: Floats, steps: Floats, eps: float, *, together: bool
) -> Window:
    """Evaluate `phi` at ``+-steps`` and extrapolate; call inside ``np.errstate``.

    Parameters
    ----------
    phi : callable
        Maps a float to an array of shape ``(m,)``.
    start : ndarray, shape (m,)
        ``phi(0.0)``.
    steps : ndarray, shape (LEVELS,)
        The widest first, each half of the one before.
    eps : float
        Relative noise of `phi`.
    together : bool
        As for `ladder.ladder`.

    Returns
    -------
    Window
    """
    ahead = np.array([phi(h) for h in steps.tolist()])
    behind = np.array([phi(-h) for h in steps.tolist()])
    here = np.isfinite(start)
    after = np.isfinite(ahead).all(axis=0) & here
    before = np.isfinite(behind).all(axis=0) & here
    constant = (ahead == start).all(axis=0) & (behind == start).all(axis=0)
    ahead = np.where(after, ahead, np.where(before, 2 * start - behind, 0.0))
    behind = np.where(before, behind, np.where(after, 2 * start - ahead, 0.0))
    start = np.where(here, start, 0.0)

    size = np.maximum(np.abs(ahead).max(axis=0), np.abs(behind).max(axis=0))
    floor = eps * np.maximum(size, np.abs(start)) + 1e-300
    h, widest = steps[:, None], float(steps[0])
    even = (ahead + behind - 2 * start) / (h * h)
    noise = extrapolate(even, widest**2, tableau(4.0, 2), 2 * floor)[2]
    # The even part carries the noise of three values (weights 1, 1, -2: a factor 6**0.5 = 2.4).
    floor_central = np.maximum(floor / 1.41, np.minimum(noise / 2.4, noise))
    central = extrapolate((ahead - behind) / (2 * h), widest, tableau(4.0, 1), floor_central)
    right = extrapolate((ahead - start) / h, widest, tableau(2.0, 1), 1.41 * floor)
    left = extrapolate((start - behind) / h, widest, tableau(2.0, 1), 1.41 * floor)
    moved = np.maximum(np.abs(ahead - start).max(axis=0), np.abs(start - behind).max(axis=0))
    secant = moved / widest

    # The mean of both sides must close in on the value here, at a kink as h, elsewhere as h**2. An
    # isolated value (an eigenvector that changes sign) or a cusp would else pass for smooth.
    gap = np.abs(ahead + behind - 2 * start) / 2
    isolated = (gap[-1] > CLOSING * gap[0]) & (gap[-1] > ABOVE_NOISE * floor)
    if together and isolated.any():
        isolated[:] = True

    def claimed(found: tuple[Floats, ...], finite: Flags) -> tuple[Floats, Floats]:
        value, error = found[:2]
        sound = finite & ((error <= CLAIM * secant) | constant) & np.isfinite(value) & ~isolated
        return value, np.where(sound, error, np.inf)

    return Window(
        before & after,
        constant,
        secant,
        claimed(central, before & after),
        claimed(left, before),
        claimed(right, after),
    )
