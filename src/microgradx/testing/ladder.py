"""The derivative of a function of one number, with a bound on its error.

A *ladder* looks through several windows, from wide steps to narrow ones (see `extrapolation`), and
keeps the surest estimate: central, left and right. Left and right derivatives that differ by more
than both bounds are a kink.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import DTypeError
from microgradx.testing.extrapolation import LEVELS, Flags, Floats, extrapolate, look, tableau

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Derivative", "Status", "curvature", "ladder", "machine_epsilon", "replicated_ladder"]

SURE = 1e-2  # an estimate with a smaller relative error may contradict a later one
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
            found = look(phi, start, steps, eps, together=together)
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
            value, error, _ = extrapolate(
                even, float(steps[0]) ** 2, tableau(4.0, 2), 2 * eps * size + 1e-300
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
