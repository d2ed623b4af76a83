"""The derivative of a function of one number, with a bound on its error.

A *ladder* is eleven values of ``phi`` at 0 and at ``+-h, +-h/2, ... +-h/16``. They feed three
Richardson tableaux [1]_ [2]_: central, forward and backward. Each entry of a tableau is an
estimate; its error is taken from its distance to its two parents plus the noise that its weights
amplify, and the noise itself is measured, as the *largest* disagreement within a column. Taking a
maximum over several disagreements is what guards against the lucky agreement of two neighbours,
which makes the classical estimates (Ridders' among them) promise far too much.

Left and right derivatives that differ by more than both bounds are a kink.

References
----------
.. [1] L. F. Richardson, "The deferred approach to the limit", Phil. Trans. A 226, 1927.
.. [2] C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering
   Software 4(2), 1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from microgradx.errors import DTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Derivative", "Status", "curvature", "ladder", "machine_epsilon", "replicated_ladder"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVELS = 5
SAFETY = 2.0
NOISE_SIGMAS = 4.0
CLAIM = 0.1  # an error above a tenth of the secant is no claim at all
SURE = 1e-2  # an estimate with a smaller relative error may contradict a later one
CLOSING = 0.2  # of the gap that 16 times smaller steps may leave: more than a kink, not a cusp
ABOVE_NOISE = 100.0
TINY = 1e-280  # below this a bound is as good as zero
PARTIAL = 13  # from this window on, a kink that stands out tenfold needs no closer look

# Where to look (h = 2**-window) and when to stop, by the precision of the function. Short mantissas
# keep x + h*u exact: windows are bounded by the digits that x leaves free.
DOUBLE: np.dtype[Any] = np.dtype(np.float64)
SINGLE: np.dtype[Any] = np.dtype(np.float32)
WINDOWS = {DOUBLE: (6, 13, 20, 1), SINGLE: (3, 8, 1)}
GOAL = {DOUBLE: 1e-8, SINGLE: 1e-4}
MANTISSAS = (1.0, 1.3125, 1.6875, 1.1875, 1.4375)


class Status(IntEnum):
    """What a ladder found at one point."""

    SMOOTH = 0  #: one derivative, with a finite bound
    KINK = 1  #: left and right derivatives differ by more than their bounds
    EDGE = 2  #: the function is not finite here, or on one side of here
    UNKNOWN = 3  #: no step tells signal from noise


@dataclass(frozen=True)
class Derivative:
    """A numerical derivative and how far it can be trusted.

    Attributes
    ----------
    value : ndarray of float64
        The central estimate.
    error : ndarray of float64
        Bound on ``abs(value - truth)``; ``inf`` where nothing is claimed.
    left, right : ndarray of float64
        One-sided derivatives.
    left_error, right_error : ndarray of float64
        Their bounds.
    status : ndarray of int
        A `Status` for each element.
    evaluations : int
        Calls of the function.
    """

    value: Floats
    error: Floats
    left: Floats
    right: Floats
    left_error: Floats
    right_error: Floats
    status: NDArray[np.intp]
    evaluations: int

    @property
    def smooth(self) -> bool:
        """Whether every element has one derivative with a finite bound."""
        return bool(np.all(self.status == Status.SMOOTH))

    def interval(self) -> tuple[Floats, Floats]:
        """Least and greatest value that a subgradient may have, element by element.

        Where the function is smooth this is ``value -+ error``; at a kink it reaches from one
        one-sided derivative to the other.

        Returns
        -------
        low, high : ndarray of float64
        """
        kink = self.status == Status.KINK
        sides = np.minimum(self.left - self.left_error, self.right - self.right_error)
        low = np.where(kink, sides, self.value - self.error)
        sides = np.maximum(self.left + self.left_error, self.right + self.right_error)
        return low, np.where(kink, sides, self.value + self.error)

    def __mul__(self, factor: Floats | float) -> Derivative:
        """Weigh the function by `factor`; or stretch its argument, if `factor` is positive."""
        size = np.abs(factor)
        with np.errstate(invalid="ignore"):  # an infinite bound weighed with 0 becomes nan
            return Derivative(
                self.value * factor,
                self.error * size,
                self.left * factor,
                self.right * factor,
                self.left_error * size,
                self.right_error * size,
                self.status,
                self.evaluations,
            )

    def reshape(self, shape: tuple[int, ...]) -> Derivative:
        """Give the same derivatives in another shape.

        Parameters
        ----------
        shape : tuple of int
            The new shape.

        Returns
        -------
        Derivative
        """
        return Derivative(
            self.value.reshape(shape),
            self.error.reshape(shape),
            self.left.reshape(shape),
            self.right.reshape(shape),
            self.left_error.reshape(shape),
            self.right_error.reshape(shape),
            self.status.reshape(shape),
            self.evaluations,
        )


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
def _tableau(base: float, power: int) -> Tableau:
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


def _extrapolate(
    column: Floats, unit: float, table: Tableau, floor: Floats
) -> tuple[Floats, Floats, Floats]:
    """Best entry of each tableau, a bound on its error, and the noise seen.

    `column` has shape (LEVELS, m); `unit` is h**power at the widest step; `floor` is the least
    noise of the function that is believed.
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


@dataclass
class _Side:
    """The best estimate so far of one kind of derivative (central, left or right)."""

    value: Floats
    error: Floats

    @classmethod
    def unknown(cls, size: int) -> _Side:
        return cls(np.full(size, np.nan), np.full(size, np.inf))

    def improve(self, value: Floats, error: Floats, where: Flags) -> None:
        better = where & (error < self.error)
        self.value = np.where(better, value, self.value)
        self.error = np.where(better, error, self.error)


@dataclass(frozen=True)
class _Window:
    """What the eleven values of one ladder say."""

    both: Flags  # finite on both sides
    constant: Flags  # every value the same
    secant: Floats  # greatest change over the widest step
    central: tuple[Floats, Floats]
    left: tuple[Floats, Floats]
    right: tuple[Floats, Floats]


def _look(
    phi: Callable[[float], Floats], start: Floats, steps: Floats, eps: float, *, together: bool
) -> _Window:
    """Evaluate `phi` at ``+-steps`` and extrapolate; call inside ``np.errstate``."""
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
    noise = _extrapolate(even, widest**2, _tableau(4.0, 2), 2 * floor)[2]
    # The even part carries the noise of three values (weights 1, 1, -2: a factor 6**0.5 = 2.4).
    floor_central = np.maximum(floor / 1.41, np.minimum(noise / 2.4, noise))
    central = _extrapolate((ahead - behind) / (2 * h), widest, _tableau(4.0, 1), floor_central)
    right = _extrapolate((ahead - start) / h, widest, _tableau(2.0, 1), 1.41 * floor)
    left = _extrapolate((start - behind) / h, widest, _tableau(2.0, 1), 1.41 * floor)
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

    return _Window(
        before & after,
        constant,
        secant,
        claimed(central, before & after),
        claimed(left, before),
        claimed(right, after),
    )


def machine_epsilon(dtype: np.dtype[Any]) -> float:
    """Spacing of the numbers of `dtype` at 1, if a ladder can be built with them.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.

    Returns
    -------
    float

    Raises
    ------
    DTypeError
        If the dtype has no ladder.
    """
    if dtype not in WINDOWS:
        raise DTypeError(
            "numerical_derivative",
            f"{dtype} is not float32 or float64",
            "Cast the inputs: fewer digits leave no room between rounding and curvature",
        )
    return float(np.finfo(dtype).eps)


def ladder(
    phi: Callable[[float], Floats],
    *,
    dtype: np.dtype[Any] = DOUBLE,
    noise: float = 0.0,
    mantissa: float = 1.0,
    start: Floats | None = None,
    together: bool = False,
) -> Derivative:
    """Differentiate ``phi`` at 0, element by element, with a bound.

    Parameters
    ----------
    phi : callable
        Maps a float to an array of shape ``(m,)``. Steps are at most half: scale the argument so
        that 1 is its natural length.
    dtype : dtype
        The precision in which `phi` computes.
    noise : float
        Relative noise of `phi`, if greater than the rounding of `dtype`.
    mantissa : float
        Factor of all steps, a number of few binary digits.
    start : ndarray, shape (m,), optional
        ``phi(0.0)``, if it is known already.
    together : bool
        Whether the elements are one result, so that one that jumps discredits the others: an
        eigenvector that changes sign does so in its zeros, too, where no jump shows.

    Returns
    -------
    Derivative
        Arrays of shape ``(m,)``.
    """
    eps = max(machine_epsilon(dtype), noise)
    goal, windows = GOAL[dtype], WINDOWS[dtype]
    calls = 0
    with np.errstate(all="ignore"):
        if start is None:
            start = phi(0.0)
            calls += 1
        size = start.size
        here = np.isfinite(start)
        central, left, right = _Side.unknown(size), _Side.unknown(size), _Side.unknown(size)
        open_, two_sided, varied = here.copy(), np.zeros(size, bool), np.zeros(size, bool)
        kink = np.zeros(size, bool)
        doubt = np.zeros(size)
        seen: list[tuple[Floats, Floats]] = []
        for window in windows:
            if not open_.any():
                break
            steps = mantissa * 2.0 ** -(window + np.arange(LEVELS, dtype=float))
            found = _look(phi, start, steps, eps, together=together)
            calls += 2 * LEVELS
            two_sided |= found.both
            # Below a step at which the function moved, a plateau is rounding, not information.
            plateau = found.constant & varied
            varied |= ~found.constant
            for side, (value, error) in (
                (central, found.central),
                (left, found.left),
                (right, found.right),
            ):
                side.improve(value, np.where(plateau, np.inf, error), open_)
            seen.append(found.central)
            gap = np.abs(right.value - left.value)
            jump = left.error + right.error
            kink = np.where(open_, np.isfinite(gap) & (gap > jump), kink)
            # A confident window that the better one contradicts: one of them is wrong, so the gap
            # between them joins the bound.
            doubt = np.where(open_, _contradiction(seen, central), doubt)
            total = np.where(doubt > central.error, central.error + doubt, central.error)
            moved = np.where(np.isfinite(found.secant), found.secant, 0.0)
            size_of = np.maximum(np.abs(central.value), 1e-4 * np.maximum(np.abs(start), moved))
            reached = ((total <= goal * size_of) | (total <= TINY)) & ~kink
            plain_kink = kink & (gap > 10 * jump) & (window >= min(PARTIAL, windows[-2]))
            open_ &= ~(reached | plain_kink)
    total = np.where(doubt > central.error, central.error + doubt, central.error)
    status = np.where(np.isfinite(total), Status.SMOOTH, Status.UNKNOWN)
    status = np.where(two_sided, status, Status.EDGE)
    status = np.where(kink, Status.KINK, status)
    status = np.where(here, status, Status.EDGE)
    return Derivative(
        central.value,
        total,
        left.value,
        right.value,
        left.error,
        right.error,
        status.astype(np.intp),
        calls,
    )


def _contradiction(seen: list[tuple[Floats, Floats]], best: _Side) -> Floats:
    doubt = np.zeros(best.value.size)
    for value, error in seen:
        excess = np.where(error <= SURE * np.abs(value), np.abs(value - best.value) - error, 0.0)
        doubt = np.maximum(doubt, np.where(np.isfinite(excess), excess, 0.0))
    return doubt


def replicated_ladder(
    phi: Callable[[float], Floats],
    replicates: int = 3,
    *,
    dtype: np.dtype[Any] = DOUBLE,
    noise: float = 0.0,
    together: bool = False,
) -> Derivative:
    """Climb several ladders with different steps; their spread joins the bound.

    Steps that are powers of two can alias with rounding (as in ``(1 - cos(x)) / x**2`` at a tiny
    ``x``); other mantissas break the pattern.

    Parameters
    ----------
    phi : callable
        As for `ladder`.
    replicates : int
        How many, from 1 to 5.
    dtype : dtype
        The precision in which `phi` computes.
    noise : float
        Relative noise of `phi`, if greater than rounding.
    together : bool
        As for `ladder`.

    Returns
    -------
    Derivative
        Arrays of shape ``(m,)``.
    """
    climb = partial(ladder, phi, dtype=dtype, noise=noise, together=together)
    first = climb()
    if replicates == 1:
        return first
    start = phi(0.0)
    others = MANTISSAS[1:replicates]
    runs = [
        first,
        *(climb(mantissa=m, start=start) for m in others),
    ]
    status = np.array([run.status for run in runs])
    value, error = _agreed([run.value for run in runs], [run.error for run in runs])
    left, left_error = _agreed([run.left for run in runs], [run.left_error for run in runs])
    right, right_error = _agreed([run.right for run in runs], [run.right_error for run in runs])
    joint = np.where((status == Status.EDGE).all(axis=0), Status.EDGE, Status.SMOOTH)
    joint = np.where((joint != Status.EDGE) & ~np.isfinite(error), Status.UNKNOWN, joint)
    # A kink that one mantissa alone reports was an alias, unless the others saw nothing at all.
    is_kink = (status == Status.KINK).sum(axis=0) * 2 > len(runs)
    joint = np.where(is_kink, Status.KINK, joint)
    calls = 1 + sum(run.evaluations for run in runs)
    return Derivative(
        value, error, left, right, left_error, right_error, joint.astype(np.intp), calls
    )


def _agreed(values: list[Floats], errors: list[Floats]) -> tuple[Floats, Floats]:
    """Take the surest value; widen its bound by what the others' own bounds cannot explain."""
    value, error = np.array(values), np.array(errors)
    best = error.argmin(axis=0), np.arange(value.shape[1])
    chosen = value[best]
    with np.errstate(invalid="ignore"):
        excess = np.where(np.isfinite(error), np.abs(value - chosen) - error, 0.0)
    excess = np.maximum(np.where(np.isnan(excess), 0.0, excess), 0.0).max(axis=0)
    return chosen, np.median(error, axis=0) + 2 * excess


def curvature(phi: Callable[[float], Floats], *, noise: float = 0.0) -> Derivative:
    """Second derivative of ``phi`` at 0, with a bound.

    Parameters
    ----------
    phi : callable
        Maps a float to a float64 array of shape ``(m,)``.
    noise : float
        Relative noise of `phi`, if greater than rounding.

    Returns
    -------
    Derivative
        Its one-sided parts are those of the first derivative, which tell a kink.
    """
    eps = max(machine_epsilon(DOUBLE), noise)
    first = ladder(phi, noise=noise)
    start = phi(0.0)
    best = _Side.unknown(start.size)
    calls = first.evaluations + 1
    with np.errstate(all="ignore"):
        # Dividing by h**2 amplifies noise: wider steps than for the first derivative.
        for window in (1, 4, 8):
            steps = 2.0 ** -(window + np.arange(LEVELS, dtype=float))
            ahead = np.array([phi(h) for h in steps.tolist()])
            behind = np.array([phi(-h) for h in steps.tolist()])
            calls += 2 * LEVELS
            finite = np.isfinite(ahead).all(axis=0) & np.isfinite(behind).all(axis=0)
            finite &= np.isfinite(start)
            ahead, behind = np.where(finite, ahead, 0.0), np.where(finite, behind, 0.0)
            size = np.maximum(np.abs(ahead).max(axis=0), np.abs(behind).max(axis=0))
            h = steps[:, None]
            even = (ahead + behind - 2 * np.where(finite, start, 0.0)) / (h * h)
            value, error, _ = _extrapolate(
                even, float(steps[0]) ** 2, _tableau(4.0, 2), 2 * eps * size + 1e-300
            )
            best.improve(value, np.where(finite, error, np.inf), finite)
    status = np.where(np.isfinite(best.error), first.status, np.maximum(first.status, Status.EDGE))
    return Derivative(
        best.value,
        best.error,
        first.left,
        first.right,
        first.left_error,
        first.right_error,
        status,
        calls,
    )
