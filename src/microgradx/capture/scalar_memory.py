"""Where the numbers of a scalar program lie, and how a call gets at them.

All numbers live in one array ``v``, each at its *position*. Positions that form a regular pattern
are read through a strided view; any others are gathered first.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.program import Buffer, Instruction, Table, View, contiguous

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Memory", "canonical", "factors"]

Positions = Any  # ndarray of int

MOST_FACTORS = 3
NAMED_OUT = frozenset({"maximum", "minimum"})
"""NumPy 2.4 deprecates a third positional argument for these."""
STEP = 12e-9
"""Seconds NumPy spends on one step of an outer loop: strided views with short rows pay it."""
GATHER = 1.3e-9
"""Seconds to gather one element."""
CALL = 0.9e-6
"""Seconds to call ``take``."""


def factors(profile: Positions) -> list[tuple[int, int]] | None:
    """Write positions as nested loops, outermost first: ``[(count, step), ...]``, or None.

    >>> factors(np.array([0, 1, 2, 10, 11, 12]))
    [(2, 10), (3, 1)]
    """
    found: list[tuple[int, int]] = []
    rest = profile
    while len(rest) > 1:
        steps = np.diff(rest)
        step = int(steps[0])
        breaks = np.flatnonzero(steps != step)
        inner = int(breaks[0]) + 1 if len(breaks) else len(rest)
        if len(rest) % inner or len(found) == MOST_FACTORS:
            return None
        rows = rest.reshape(-1, inner)
        if len(breaks) and not (rows - rows[:, :1] == step * np.arange(inner)).all():
            return None
        found.append((inner, step))
        rest = rows[:, 0]
    return found[::-1]


def _separate(positions: Positions) -> list[Positions] | None:
    """One profile an axis, if the positions are their sum; None otherwise."""
    origin = positions.reshape(-1)[0]
    profiles = []
    total = np.full((1,) * positions.ndim, origin)
    for axis in range(positions.ndim):
        index = tuple([slice(None) if a == axis else 0 for a in range(positions.ndim)])
        profile = positions[index] - origin
        profiles.append(profile)
        total = total + profile.reshape([-1 if a == axis else 1 for a in range(positions.ndim)])
    return profiles if (total == positions).all() else None


class Memory:
    """Hands out positions and writes instructions."""

    def __init__(self) -> None:
        self.size = 0
        self.instructions: list[Instruction] = []
        self.tables: dict[str, Any] = {}
        self.names: dict[View, str] = {}
        self.phase = "forward"
        self.gathered = 0  # size of the buffer that gathers fill
        self.working = {"float64": 0, "bool": 0}  # high-water marks of short-lived results
        self.used = {"float64": 0, "bool": 0}
        self.views = self.gathers = 0
        self.initial: list[tuple[int, Any]] = []  # constants: first position, numbers
        self.fixed = 0  # positions below hold constants
        self._ones: dict[int, View] = {}
        self._mask: tuple[tuple[View, tuple[int, ...]], View] | None = None
        self._constants: dict[bytes, View] = {}
        self._gathers: dict[tuple[bytes, tuple[int, ...]], View] = {}
        self._fresh = itertools.count(1)
        self.zero = self.allocate(1)  # a position that always holds 0

    # ---- room ----
    def allocate(self, count: int) -> int:
        """The first of `count` new consecutive positions."""
        first = self.size
        self.size += count
        return first

    def room(self, shape: tuple[int, ...]) -> View:
        """New contiguous memory for results that stay until the step ends."""
        return contiguous("v", self.allocate(math.prod(shape)), shape)

    def constants(self, numbers: Any) -> int:
        """The first position of numbers that never change."""
        first = self.allocate(len(numbers))
        self.initial.append((first, np.asarray(numbers, float)))
        return first

    def constant(self, number: float) -> View:
        """An array without axes: 0.3 us a call cheaper than a Python number."""
        key = np.float64(number).tobytes()
        if key not in self._constants:
            view = contiguous("v", self.constants(np.array([number])), ())
            self._constants[key] = self.call_it(view, f"number_{number:g}")
        return self._constants[key]

    def ones(self, count: int) -> View:
        """A vector of ones."""
        if count not in self._ones:
            first = self.constants(np.ones(count))
            self._ones[count] = self.call_it(contiguous("v", first, (count,)), "ones")
        return self._ones[count]

    def work(self, shape: tuple[int, ...], dtype: str = "float64") -> View:
        """Memory that the next group may overwrite."""
        first = self.used[dtype]
        self.used[dtype] = first + math.prod(shape)
        self.working[dtype] = max(self.working[dtype], self.used[dtype])
        return contiguous("w" if dtype == "float64" else "mask", first, shape)

    def zeros_of(self, g: View, shape: tuple[int, ...]) -> View:
        """A mask of the exact zeros of a cotangent, for as long as its group is pulled back."""
        if self._mask is None or self._mask[0] != (g, shape):
            mask = self.work(shape, "bool")
            self.emit("equal", g, self.constant(0.0), mask, out=mask)
            self._mask = (g, shape), mask
        return self._mask[1]

    def release(self) -> None:
        """Short-lived results are over."""
        self.used = dict.fromkeys(self.used, 0)
        self._mask = None

    def buffers(self) -> list[Buffer]:
        """All memory handed out."""
        found = [Buffer("v", self.size, "float64", "values and gradients")]
        if self.gathered:
            found.append(Buffer("gathered", self.gathered, "float64", "scratch"))
        if self.working["float64"]:
            found.append(Buffer("w", self.working["float64"], "float64", "scratch"))
        if self.working["bool"]:
            found.append(Buffer("mask", self.working["bool"], "bool", "scratch"))
        return found

    # ---- instructions ----
    def emit(
        self, function: str, *arguments: Any, out: View, note: str = "", **keywords: Any
    ) -> View:
        """Append one call."""
        named = tuple(keywords.items())
        if function in NAMED_OUT:
            arguments, named = arguments[:-1], (*named, ("out", out))
        self.instructions.append(Instruction(function, arguments, out, self.phase, note, named))
        return out

    def table(self, array: Any) -> Table:
        """Keep a constant array."""
        name = f"index{next(self._fresh)}"
        self.tables[name] = np.ascontiguousarray(array)
        return Table(name)

    def call_it(self, view: View, name: str) -> View:
        """Name a view in listings, unless it has a name."""
        self.names.setdefault(view, name)
        return view

    # ---- reading ----
    def strided(self, positions: Positions, *, cheap: bool = True) -> View | None:
        """A view whose axes are exactly those of `positions`, or None."""
        profiles = _separate(positions)
        if profiles is None:
            return None
        strides = []
        for profile in profiles:
            nest = factors(profile)
            if nest is None or len(nest) > 1:
                return None
            strides.append(nest[0][1] if nest else 0)
        if cheap and not self._cheap(positions.shape, positions.size):
            return None
        return canonical(View("v", int(positions.reshape(-1)[0]), positions.shape, tuple(strides)))

    @staticmethod
    def _cheap(shape: tuple[int, ...], size: int) -> bool:
        return _looping(shape, size) <= CALL + size * GATHER

    def gather(self, positions: Positions) -> View:
        """Copy scattered numbers into a contiguous array; once a step, constants only once."""
        key = positions.tobytes(), positions.shape
        found = self._gathers.get(key)
        if found is None and positions.max() < self.fixed:
            values = np.zeros(self.size)
            for first, numbers in self.initial:
                values[first : first + len(numbers)] = numbers
            first = self.constants(values[positions].reshape(-1))
            found = self.call_it(contiguous("v", first, positions.shape), "constants")
            self._gathers[key] = found
        if found is None:
            found = contiguous("gathered", self.gathered, positions.shape)
            self.gathered += positions.size
            self.gathers += 1
            whole = View("v", 0, (-1,), (1,))
            index = self.table(positions.astype(np.intp))
            # mode="clip" spares the buffered copy that bounds checking makes of `out`.
            self.emit(".take", whole, index, None, found, "clip", out=found, note="gather")
            self._gathers[key] = found
        return found

    def _gather_all(self, arrays: list[Positions]) -> None:
        """Gather several arrays in one call; `gather` then finds each of them."""
        keys: dict[tuple[bytes, tuple[int, ...]], Positions] = {}
        for array in arrays:
            key = array.tobytes(), array.shape
            if key not in self._gathers and array.max() >= self.fixed:
                keys[key] = array
        if len(keys) < 2:
            return
        flat = np.concatenate([array.reshape(-1) for array in keys.values()])
        whole = self.gather(flat)
        first = whole.offset
        for key, array in keys.items():
            self._gathers[key] = contiguous(whole.buffer, first, array.shape)
            first += array.size

    def matrix(self, positions: Positions, *, blas: bool = False) -> View:
        """Read with the axes kept; with `blas`, one axis must be contiguous."""
        view = self.strided(positions)
        if view is not None and blas and not _fits_blas(view):
            view = None
        if view is None:
            return self.gather(positions)
        self.views += 1
        return view

    def together(self, arrays: Sequence[Positions]) -> tuple[list[View], tuple[int, ...]]:
        """Read several position arrays whose last axis runs over one group.

        The last axis may come out as several axes, the same for all, so that more of the arrays
        can be views.

        Parameters
        ----------
        arrays : sequence of ndarray, shapes (..., m)
            Positions.

        Returns
        -------
        list of View
            One an array; its last axes are the returned shape.
        tuple of int
            The shape of the group.
        """
        plans, shape = self._plan(arrays)
        self._gather_all([a for a, plan in zip(arrays, plans, strict=True) if plan is None])
        views = []
        for positions, profiles in zip(arrays, plans, strict=True):
            if profiles is None:
                flat = self.gather(positions)
                views.append(contiguous(flat.buffer, flat.offset, (*positions.shape[:-1], *shape)))
                continue
            self.views += 1
            strides = [int(p[1]) if len(p) > 1 else 0 for p in profiles[:-1]]
            profile = profiles[-1].reshape(shape)
            for axis, n in enumerate(shape):
                index = tuple([1 if a == axis else 0 for a in range(len(shape))])
                strides.append(int(profile[index] - profile.reshape(-1)[0]) if n > 1 else 0)
            first = int(positions.reshape(-1)[0])
            views.append(
                canonical(View("v", first, (*positions.shape[:-1], *shape), tuple(strides)))
            )
        return views, shape

    def cost(self, arrays: Sequence[Positions]) -> float:
        """Seconds that reading these arrays `together` costs beyond plain slices."""
        plans, shape = self._plan(arrays)
        seconds = 0.0
        for array, plan in zip(arrays, plans, strict=True):
            fixed = plan is None and array.max() < self.fixed
            if plan is None and not fixed:
                seconds += CALL + array.size * GATHER
        return seconds + _looping(shape, max(array.size for array in arrays))

    def _plan(
        self, arrays: Sequence[Positions]
    ) -> tuple[list[list[Positions] | None], tuple[int, ...]]:
        m = arrays[0].shape[-1]
        cuts: set[int] = set()
        plans: list[list[Positions] | None] = []
        for positions in arrays:
            profiles = _separate(positions)
            cut = None if profiles is None else self._cuts(profiles, cuts, m)
            plans.append(None if cut is None else profiles)
            cuts = cuts if cut is None else cut
        return plans, _shape(cuts, m)

    def _cuts(self, profiles: list[Positions], cuts: set[int], m: int) -> set[int] | None:
        """Where the group's axis must be cut for this operand too; None if it cannot be."""
        for profile in profiles[:-1]:
            nest = factors(profile)
            if nest is None or len(nest) > 1:
                return None
        nest = factors(profiles[-1])
        if nest is None:
            return None
        wanted, inner = set(cuts), 1
        for count, _ in reversed(nest[1:]):
            inner *= count
            wanted.add(inner)
        ladder = sorted(wanted)
        if any(b % a for a, b in itertools.pairwise(ladder)):
            return None
        outer = math.prod(len(p) for p in profiles[:-1])
        return wanted if self._cheap((outer, *_shape(wanted, m)), outer * m) else None


def canonical(view: View) -> View:
    """The same view, its axes of one element with the strides of C order: one view, one name."""
    strides, step = [], 1
    for n, s in zip(reversed(view.shape), reversed(view.strides), strict=True):
        strides.append(step if n == 1 else s)
        step = strides[-1] * n
    return view._replace(strides=tuple(reversed(strides)))


def _looping(shape: tuple[int, ...], size: int) -> float:
    """Seconds a call spends between its inner loops, which run over the last axis."""
    inner = next((n for n in reversed(shape) if n > 1), 1)
    return size / inner * STEP


def _shape(cuts: set[int], m: int) -> tuple[int, ...]:
    sizes, previous = [], 1
    for cut in sorted(cuts):
        sizes.append(cut // previous)
        previous = cut
    return (m // previous, *reversed(sizes))


def _fits_blas(view: View) -> bool:
    """Whether BLAS can read the last two axes without a copy."""
    (n, m), (row, col) = view.shape[-2:], view.strides[-2:]
    return (n == 1 or m == 1) or (col == 1 and row >= m) or (row == 1 and col >= n)
