"""The check itself: one function, one library, one point."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ShapeError, UnsupportedError
from microgradx.testing.detached import turned_into_a_float
from microgradx.testing.directions import random_direction, signed_magnitudes
from microgradx.testing.findings import Skipped, Unclear, Wrong, unlocalised, weighed
from microgradx.testing.ladder import TINY, ladder, replicated_ladder
from microgradx.testing.localisation import localisable, localised
from microgradx.testing.numerical import precision
from microgradx.testing.protocol import is_differentiable
from microgradx.testing.report import Report
from microgradx.testing.sameness import close, same, shape_story, strided_copy, underflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.testing.protocol import Adapter, Array

__all__ = ["FLOOR", "INVARIANTS", "Check"]

INVARIANTS = frozenset({"alias", "frozen", "linear", "shared", "strided", "twice"})
"""What is checked beside the number; shape and dtype of a gradient always are."""

FLOOR = 1e-10
"""Relative slack for the rounding of the analytic side: the only tolerance that is not derived."""

TRIES = 100
"""Directions looked along for elements that have a slope: enough for each of fifty."""


def _dot(a: Array, b: Array) -> tuple[float, float]:
    """``sum(a * b)`` and the sum of magnitudes; what does not move or count may be nan."""
    product = np.where((a == 0) | (b == 0), 0.0, np.asarray(a, float) * b)
    return float(product.sum()), float(np.abs(product).sum())


class Check:
    """One function, one library, one point."""

    def __init__(
        self,
        f: Callable[..., Any],
        library: Adapter,
        inputs: Sequence[Any],
        share: Sequence[int],
        report: Report,
        *,
        floor: float,
        noise: float = 0.0,
        kink: str = "interval",
        localise: bool = True,
        order: int = 1,
    ) -> None:
        self.f, self.library, self.report, self.order = f, library, report, order
        self.inputs, self.share = list(inputs), list(share)
        self.floor, self.noise, self.kink, self.localise = floor, noise, kink, localise
        # The distinct leaves: what can be moved, and what owns a gradient.
        distinct = dict.fromkeys(self.share)
        self.leaves = [i for i in distinct if is_differentiable(self.inputs[i])]
        self.rng = np.random.default_rng(report.seed)

    # ---- running ----------------------------------------------------------------------------
    def forward(self, leaves: Sequence[Array]) -> Array:
        """Value of `f` with other leaves."""
        moved = dict(zip(self.leaves, leaves, strict=True))
        arguments = [moved.get(i, self.inputs[i]) for i in self.share]
        self.report.evaluations += 1
        return self.library.forward(self.f, arguments)

    def at(self) -> list[Array]:
        """Copies of the leaves."""
        return [np.array(self.inputs[i]) for i in self.leaves]

    def gradients(self, v: Array, leaves: Sequence[Array] | None = None) -> list[Array]:
        """Gradient of each leaf for the cotangent `v`."""
        given = list(self.inputs)
        for i, x in zip(self.leaves, self.at() if leaves is None else leaves, strict=True):
            given[i] = x
        run = self.library.run(self.f, given, self.share)
        return self._own(run.pull(v))

    def _own(self, found: Sequence[Array | None]) -> list[Array]:
        first = [self.share.index(i) for i in self.leaves]
        zeros = [np.zeros_like(np.asarray(self.inputs[i])) for i in self.leaves]
        return [
            zero if found[position] is None else np.asarray(found[position])
            for position, zero in zip(first, zeros, strict=True)
        ]

    def _of_the_gradient(self, v: Array) -> Check:
        """The check of ``(inputs, v) -> gradients`` as a function of its own."""
        if len(set(self.share)) < len(self.share):
            raise UnsupportedError(
                "gradcheck", "order=2 with one array in two positions", "Pass a copy"
            )
        inputs = [*self.inputs, v]
        return Check(
            self.library.pullback(self.f), self.library, inputs, range(len(inputs)), self.report,
            floor=self.floor, noise=self.noise, kink=self.kink, localise=self.localise,
        )  # fmt: skip

    # ---- the whole check --------------------------------------------------------------------
    def run(
        self,
        cotangent: Any,
        reference: Callable[..., Any] | None,
        invariants: frozenset[str],
    ) -> Report:
        """Run all parts in order; the first that fails writes the report."""
        report = self.report
        try:
            # inf and nan are findings here, not news.
            with np.errstate(all="ignore"):
                self._run(cotangent, reference, invariants)
        except Skipped as skip:
            report.status, report.reason, report.remedy = "skipped", skip.reason, skip.remedy
            report.observations.clear()
        except Wrong as wrong:
            report.status, report.kind, report.reason = "failed", wrong.kind, wrong.reason
            report.mismatches = wrong.mismatches
        return report

    def _run(
        self, cotangent: Any, reference: Callable[..., Any] | None, invariants: frozenset[str]
    ) -> None:
        z = self.forward(self.at())
        if z.dtype.kind != "f":
            reason = f"the output is {z.dtype}, so there is nothing to differentiate"
            raise Skipped(reason, "Return floating numbers")
        if reference is not None:
            self._against_reference(z, reference)
        v = self._cotangent(cotangent, z)
        if self.order == 2:
            self._of_the_gradient(v)._run(None, None, invariants)
            return
        # Memory comes before values: what is overwritten makes every later number meaningless,
        # and it shows at points where the function has no derivative, too.
        if "frozen" in invariants:
            self._frozen(v)
        finite = np.isfinite(z)
        if not finite.all():
            if not v[finite].any():
                raise Skipped("the function is not finite here", "Move the inputs into its domain")
            # The other elements can be judged, but not the invariants: 0 * inf is nan in any rule.
            v, invariants = np.where(finite, v, 0), frozenset()
            self.report.unjudged = int(np.sum(~finite))
            self.report.observations.append(
                f"{self.report.unjudged} of {z.size} elements of the output were left out: "
                "the function is not finite there"
            )
        gradients = self._pulled(v, z, invariants)
        if "linear" in invariants:
            self._linear(v, gradients)
        if "strided" in invariants:
            self._strided(v, gradients)
        if not z.size or not any(np.size(self.inputs[i]) for i in self.leaves):
            if any(np.any(g != 0) for g in gradients):
                raise Wrong("leak", "an empty output has a gradient that is not zero")
            return
        self._compare(v, z, gradients)
        if "shared" in invariants and self.library.has_leaves:
            self._shared(v)

    def _cotangent(self, given: Any, z: Array) -> Array:
        if given is None:
            return signed_magnitudes(z.shape, self.rng).astype(z.dtype)
        v = np.asarray(given, z.dtype)
        if v.shape != z.shape:
            raise ShapeError(
                "gradcheck",
                f"cotangent of shape {v.shape} for an output of shape {z.shape}",
                "Pass one number for each element of the output",
            )
        return v

    def _against_reference(self, z: Array, reference: Callable[..., Any]) -> None:
        copies = [np.array(x) if isinstance(x, np.ndarray) else x for x in self.inputs]
        known = np.asarray(reference(*(copies[i] for i in self.share)))
        if known.shape != z.shape:
            raise Wrong("shape", f"the value has shape {z.shape}, the reference {known.shape}")
        finite = np.isfinite(known)
        if np.any(finite & ~np.isfinite(z)):
            raise Wrong("domain", "the value is not finite where the reference is")
        eps = float(np.finfo(z.dtype).eps)
        slack = max(self.floor, 8 * eps) * np.abs(known)
        slack = slack + 8 * eps * np.abs(known[finite]).max(initial=0)
        if np.any(finite & (np.abs(z - known) > slack)):
            raise Wrong("value", "the value differs from the reference")

    def _frozen(self, v: Array) -> None:
        run = self.library.run(self.f, [np.array(x) if is_differentiable(x) else x
                                        for x in self.inputs], self.share)  # fmt: skip
        try:
            with self.library.frozen(run):
                run.pull(v.copy())
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise Wrong("memory", f"a rule writes into an array it was given: {error}") from None

    def _pulled(self, v: Array, z: Array, invariants: frozenset[str]) -> list[Array]:
        """Gradients, with everything checked that needs no second run."""
        leaves, kept = self.at(), v.copy()
        given = list(self.inputs)
        for i, x in zip(self.leaves, leaves, strict=True):
            given[i] = x
        run = self.library.run(self.f, given, self.share)
        found = run.pull(v)
        gradients = self._own(found)
        self._same_headers(gradients)
        after = run.data()
        self._unchanged(after, run.output, v, kept, z)
        if "alias" in invariants and self.library.owns_gradients:
            self._unaliased(found, [v, *after])
        if "twice" in invariants:
            kept_gradients = [g.copy() for g in gradients]
            again = self._own(run.pull(v.copy()))
            if not all(same(a, b) for a, b in zip(kept_gradients, again, strict=True)):
                raise Wrong("state", "a second backward pass gives another gradient")
        return gradients

    def _same_headers(self, gradients: Sequence[Array]) -> None:
        for i, g in zip(self.leaves, gradients, strict=True):
            x = self.inputs[i]
            if g.shape != x.shape:
                raise Wrong("shape", shape_story(i, g.shape, x.shape))
            if g.dtype != x.dtype:
                raise Wrong("dtype", f"the gradient of input {i} is {g.dtype}, the input {x.dtype}")

    def _unchanged(
        self, after: Sequence[Array], output: Array, v: Array, kept: Array, z: Array
    ) -> None:
        for position, i in enumerate(self.share):
            if i in self.leaves and not same(after[position], self.inputs[i]):
                raise Wrong("memory", f"input {i} was overwritten")
        if not same(v, kept):
            raise Wrong("memory", "the cotangent was overwritten")
        if not same(np.asarray(output), z):
            raise Wrong("memory", "the output changed in the backward pass, or from run to run")

    def _unaliased(self, found: Sequence[Array | None], others: Sequence[Array]) -> None:
        own = [(i, g) for i, g in zip(self.share, found, strict=True) if g is not None and g.size]
        for place, (i, g) in enumerate(own):
            if any(np.shares_memory(g, other) for other in others):
                raise Wrong(
                    "memory",
                    f"the gradient of input {i} shares memory with the cotangent or an input",
                )
            for j, h in own[:place]:
                if i != j and np.shares_memory(g, h):
                    raise Wrong("memory", f"the gradients of inputs {j} and {i} share memory")

    def _linear(self, v: Array, gradients: Sequence[Array]) -> None:
        doubled, zeroed = self.gradients(2 * v), self.gradients(0 * v)
        for i, g, twice, zero in zip(self.leaves, gradients, doubled, zeroed, strict=True):
            # Powers of two scale exactly, so a linear rule doubles to the last bit or nearly so;
            # but for numbers so small that they have fewer bits.
            known = np.isfinite(g) & np.isfinite(twice)
            off = known & (np.abs(twice - 2 * g) > self._slack(g) * np.abs(g) + underflow(g))
            if off.any():
                raise Wrong(
                    "linear", f"not linear in the cotangent: vjp(2v) is not 2 vjp(v), input {i}"
                )
            if np.any(zero != 0) and np.isfinite(g).all():
                raise Wrong("linear", f"a cotangent of zero gives a gradient for input {i}")

    def _slack(self, x: Array) -> float:
        return max(self.floor, 16 * float(np.finfo(x.dtype).eps))

    def _strided(self, v: Array, gradients: Sequence[Array]) -> None:
        """Other memory layouts of the same numbers must give the same gradients."""
        if not any(np.ndim(self.inputs[i]) for i in self.leaves):
            return
        spread = [strided_copy(x) for x in self.at()]
        again = self.gradients(strided_copy(v), spread)
        for i, g, h in zip(self.leaves, gradients, again, strict=True):
            if g.shape != h.shape or not close(g, h, self._slack(g)):
                raise Wrong(
                    "layout", f"strided copies of the inputs change the gradient of input {i}"
                )

    def _shared(self, v: Array) -> None:
        """One leaf in two positions gets the sum of both gradients."""
        pair = self._twins()
        if pair is None:
            return
        i, j = pair
        inputs = list(self.inputs)
        inputs[j] = np.array(inputs[i])
        apart = Check(self.f, self.library, inputs, self.share, Report(""), floor=self.floor)
        share = [i if k == j else k for k in self.share]
        as_one = Check(self.f, self.library, inputs, share, Report(""), floor=self.floor)
        if not np.isfinite(apart.forward(apart.at())).all():
            return
        two, one = apart.gradients(v), as_one.gradients(v)
        expected = two[apart.leaves.index(i)] + two[apart.leaves.index(j)]
        size = np.abs(two[apart.leaves.index(i)]) + np.abs(two[apart.leaves.index(j)])
        got = one[as_one.leaves.index(i)]
        if not np.isfinite(expected).all():
            return
        # What cancels in the sum leaves rounding of the terms; a lost use is a whole term.
        slack = self._slack(got) * (size.max(initial=0) + np.abs(v).sum())
        if got.shape != expected.shape or np.any(np.abs(got - expected) > slack):
            raise Wrong(
                "accumulation",
                f"inputs {i} and {j} as one array do not get the sum of both gradients",
            )

    def _twins(self) -> tuple[int, int] | None:
        for place, j in enumerate(self.leaves):
            for i in self.leaves[:place]:
                x, y = self.inputs[i], self.inputs[j]
                if x.shape == y.shape and x.dtype == y.dtype:
                    return i, j
        return None

    # ---- the number -------------------------------------------------------------------------
    def _compare(self, v: Array, z: Array, gradients: Sequence[Array]) -> None:
        """Compare along a direction of all elements or, failing that, of those with a slope."""
        whole = bool(np.isfinite(z).all())
        moved = [np.isfinite(g) | whole for g in gradients]
        try:
            self._along_a_direction(v, z, gradients, moved)
        except Unclear as unclear:
            clear = self._with_a_slope(v, z, moved)
            total, left = sum(m.size for m in moved), sum(int(m.sum()) for m in clear)
            if not left:
                raise
            if left < total:
                self.report.unjudged += total - left
                self.report.observations.append(
                    f"{total - left} of {total} elements could not be judged: {unclear.reason}"
                )
            self._along_a_direction(v, z, gradients, clear)

    def _with_a_slope(self, v: Array, z: Array, moved: Sequence[Array]) -> list[Array]:
        """Of the elements that are `moved`, those that have a slope, found by halving."""
        flat = np.concatenate([m.reshape(-1) for m in moved])
        ends = np.cumsum([m.size for m in moved])[:-1]

        def shaped(flags: Array) -> list[Array]:
            pieces = np.split(flags, ends)
            return [p.reshape(m.shape) for p, m in zip(pieces, moved, strict=True)]

        clear = np.zeros(flat.size, bool)
        parts = deque(np.array_split(np.flatnonzero(flat), 2))
        dtype, weights = precision(*self.at(), z), v.astype(np.float64).reshape(-1)
        for _ in range(TRIES):
            part = parts.popleft() if parts else np.zeros(0, int)
            if not part.size:
                continue
            own = np.zeros(flat.size, bool)
            own[part] = True
            phi = self._along(self._directions(shaped(own), self.rng))
            try:
                weighed(weights, ladder(phi, dtype=dtype, noise=self.noise, together=True))
            except Unclear:
                parts.extend(np.array_split(part, 2) if part.size > 1 else ())
            else:
                clear[part] = True
        return shaped(clear)

    def _directions(self, moved: Sequence[Array], rng: np.random.Generator) -> list[Array]:
        """A random direction for each leaf, 0 for the elements that stay."""
        drawn = [random_direction(x, rng) for x in self.at()]
        return [np.where(m, u, 0.0) for m, u in zip(moved, drawn, strict=True)]

    def _along(self, us: Sequence[Array]) -> Callable[[float], Array]:
        """The flattened function of one number, along directions."""
        start = self.at()

        def phi(t: float) -> Array:
            moved = [
                np.asarray(x + np.asarray(t * u, x.dtype)) for x, u in zip(start, us, strict=True)
            ]
            return self.forward(moved).astype(np.float64).reshape(-1)

        return phi

    def _along_a_direction(
        self, v: Array, z: Array, gradients: Sequence[Array], moved: Sequence[Array]
    ) -> None:
        start = self.at()
        directions = self._directions(moved, self.rng)
        dtype = precision(*start, z)
        pairs = [_dot(g, u) for g, u in zip(gradients, directions, strict=True)]
        analytic, magnitude = sum(p[0] for p in pairs), sum(p[1] for p in pairs)

        phi = self._along(directions)
        length = sum(float(np.abs(u).sum()) for u in directions)
        flat = v.astype(np.float64).reshape(-1)
        here = z.astype(np.float64).reshape(-1)
        # Four mantissas the second time: one ladder's wrong claim must not become an accusation.
        for ladders in (1, 4):
            found = (
                ladder(phi, dtype=dtype, noise=self.noise, start=here, together=True)
                if ladders == 1
                else replicated_ladder(phi, ladders, dtype=dtype, noise=self.noise, together=True)
            )
            low, high, error, kink = weighed(flat, found)
            size = magnitude + abs(low) + abs(high)
            tolerance = error + max(self.floor, 32 * float(np.finfo(dtype).eps)) * size
            if low == high == 0 and error < TINY:
                # Terms that cancel to the last bit leave no trace of their size in the function,
                # but rounding in the gradient.
                tolerance += 64 * float(np.finfo(dtype).eps) * float(np.abs(v).sum()) * length
            if ladders > 1:
                cap = 16 * float(np.finfo(dtype).eps) * float(np.abs(v).max()) * length
                tolerance += min(self._rounding(v, directions, analytic), cap)
            if kink and self.kink == "reject":
                raise Skipped("the point is a kink", "Move the inputs off it")
            if kink and self.kink == "error":
                raise Wrong("kink", "the function has no derivative here")
            if np.isfinite(analytic) and low - tolerance <= analytic <= high + tolerance:
                self.report.status = "kink" if kink else "ok"
                # Where the gradient vanishes, the tolerance is seen against the value's own size.
                self.report.resolution = tolerance / (max(magnitude, _dot(v, z)[1]) or length)
                return
        if not self._regular(directions, moved, flat, dtype, kink=kink):
            reason = "one-sided derivatives here bound no gradient (a tie of a median, say)"
            raise Skipped(reason, "Move the inputs apart")
        if not self.localise:
            raise Wrong("gradient", "the gradient along a direction")
        if not localisable(start):
            total = sum(x.size for x in start)
            self.report.observations.append(f"of {total:,} entries a few were looked at")
        mismatches = localised(
            lambda *xs: self.forward(_mixed(moved, xs, start)),
            list(zip(self.leaves, start, _mixed(moved, gradients), strict=True)),
            v, z, floor=self.floor, noise=self.noise,
        )  # fmt: skip
        if not mismatches:
            mismatches = [unlocalised(analytic, low - tolerance, high + tolerance, kink=kink)]
        worst = mismatches[0]
        lost = turned_into_a_float(lambda: self.library.run(self.f, self.inputs, self.share))
        if lost:
            alone = f"the numbers alone look like {worst.kind}: {worst.suspicion}"
            self.report.observations.append(alone)
            mismatches = [replace(m, kind="detached", suspicion=lost) for m in mismatches]
            worst = mismatches[0]
        raise Wrong(worst.kind, f"{self.report.title_of(worst.input)}, {worst.kind}", mismatches)

    def _rounding(self, v: Array, directions: Sequence[Array], analytic: float) -> float:
        """How far the rules' own rounding moves the projected gradient.

        Terms that nearly cancel lose digits that no floor knows of. Scaled by factors that are no
        powers of two, the cotangent makes every rounding fall differently.
        """
        worst = 0.0
        for factor in np.arange(1.1, 1.9, 0.1).astype(v.dtype):
            again = self.gradients(v * factor)
            pairs = [_dot(g, u)[0] for g, u in zip(again, directions, strict=True)]
            moved = abs(sum(pairs) / float(factor) - analytic)
            worst = max(worst, moved) if np.isfinite(moved) else worst
        return 8 * worst

    def _regular(
        self,
        first: Sequence[Array],
        moved: Sequence[Array],
        v: Array,
        dtype: np.dtype[Any],
        *,
        kink: bool,
    ) -> bool:
        """Whether the one-sided derivatives are those of something with subgradients.

        Linear in the direction where the function is smooth, convex or concave in it at a kink. A
        median of three equal numbers is neither, though it may look smooth along a line: its
        derivatives there bound no slope that a rule could be held to.
        """
        rng = np.random.default_rng(self.report.seed + 1)
        convex = concave = np.ones(v.size, bool)
        for _ in range(12 if kink else 4):  # one pair of directions refutes by luck only
            second = self._directions(moved, rng)
            both = [u + w for u, w in zip(first, second, strict=True)]
            one, two, sum_ = (
                ladder(self._along(us), dtype=dtype, noise=self.noise)
                for us in (first, second, both)
            )
            size = self.floor * (np.abs(one.right) + np.abs(two.right))
            right = sum_.right - one.right - two.right
            left = sum_.left - one.left - two.left
            error = one.right_error + two.right_error + sum_.right_error + size
            slack = one.left_error + two.left_error + sum_.left_error + size
            convex = convex & ~((right > error) | (left < -slack))
            concave = concave & ~((right < -error) | (left > slack))
        return bool(np.all(convex | concave | (v == 0)))


def _mixed(
    moved: Sequence[Array], new: Sequence[Array], old: Sequence[Array] | None = None
) -> list[Array]:
    """The elements that are `moved` from `new`, the others from `old`, or 0."""
    rest = [np.zeros_like(x) for x in new] if old is None else old
    return [np.where(m, x, y) for m, x, y in zip(moved, new, rest, strict=True)]
