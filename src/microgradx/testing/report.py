"""What a check found: `Report`, and the error whose text is written from it when read."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import GradcheckError
from microgradx.testing.spelling import literal

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WEAK", "GradientError", "Mismatch", "Report"]

SHOWN = 3  # of so many wrong inputs a message tells all
WEAK = 1e-4  # a pass whose tolerance is above this part of the gradient says little


@dataclass(frozen=True)
class Mismatch:
    """One input whose gradient is wrong.

    Attributes
    ----------
    input : int
        Position of the argument; -1 if no single input can be blamed.
    shape : tuple of int
        Its shape.
    index : tuple of int
        The element with the worst error, in units of its bound.
    analytic, numeric, error : float
        What the rule says there, what differences say, and their bound.
    wrong, size : int
        How many of how many elements disagree; of a large input few are looked at.
    kind, suspicion : str
        The suspected class of bug, as a word and as a sentence.
    """

    input: int
    shape: tuple[int, ...]
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    wrong: int
    size: int
    kind: str
    suspicion: str


@dataclass
class Report:
    """The outcome of a check; true in a condition if the check `passed`.

    Attributes
    ----------
    name : str
        What was checked.
    status : {"ok", "kink", "skipped", "failed"}
        ``kink``: passed, between the one-sided derivatives. ``skipped``: nothing could be
        compared, for the `reason` given.
    reason : str
        Why it was skipped, or what failed, in one sentence.
    remedy : str
        What to do if it was skipped.
    kind : str
        The class of the failure in one word; empty if there is none.
    resolution : float
        Tolerance over magnitude: the smallest relative error of the projected gradient that would
        have been seen. How strong the pass was.
    evaluations : int
        Calls of the function.
    unjudged : int
        Elements, of inputs on the edge of the domain or of the output where it is not finite, that
        the outcome says nothing about.
    mismatches : list of Mismatch
        Filled on failure.
    observations : list of str
        What else was seen.
    adapter : str
        The library.
    seed : int
        Of directions and cotangent; the same seed repeats the check.
    order : int
        1 for the gradient, 2 for the gradient of the gradient.
    """

    name: str
    status: str = "ok"
    reason: str = ""
    remedy: str = ""
    kind: str = ""
    resolution: float = 0.0
    evaluations: int = 0
    unjudged: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    observations: list[str] = field(default_factory=list)
    adapter: str = ""
    seed: int = 0
    order: int = 1
    program: Callable[[], tuple[str, int]] | None = field(default=None, repr=False)
    inputs: tuple[Any, ...] = field(default=(), repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # Written now: another process has neither the function nor, perhaps, the bug.
        program = None if self.program is None else functools.partial(tuple, self.program())
        return {**self.__dict__, "program": program}

    @property
    def passed(self) -> bool:
        """Whether the gradient was compared and agreed."""
        return self.status in {"ok", "kink"}

    def __bool__(self) -> bool:
        """`passed`, so that ``assert gradcheck(...)`` asserts what it says."""
        return self.passed

    @property
    def weak(self) -> bool:
        """Whether it agreed, but a large error would have passed as well."""
        return self.passed and self.resolution > WEAK

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain data, for machines.

        Returns
        -------
        dict
            Strings, numbers, lists; the reduced program under ``"program"`` on failure.
        """
        plain = {
            key: getattr(self, key)
            for key in (
                "name", "status", "reason", "remedy", "kind", "resolution", "evaluations",
                "unjudged", "adapter", "seed", "order", "weak", "observations",
            )
        }  # fmt: skip
        plain["mismatches"] = [vars(m) | {"index": list(m.index)} for m in self.mismatches]
        if self.status == "failed" and self.program is not None:
            plain["program"] = self.program()[0]
        return plain

    def message(self) -> str:
        """Write the whole failure: where, how wrong, suspicion, program, how to run it again.

        Returns
        -------
        str
            One line if the check passed.
        """
        if self.status != "failed":
            if not self.passed:
                since = f"nothing was compared, since {self.reason}. {self.remedy}"
                return f"{self.name}: {self.status}: {since}"
            strength = f"resolution {self.resolution:.1e}"
            return f"{self.name}: {self.status} ({'; '.join([strength, *self.observations])})"
        title = "wrong second derivative" if self.order > 1 else "wrong gradient"
        title = "wrong value" if self.kind == "value" else title
        lines = [f"{self.name}: {title}: {self.reason}"]
        for m in self.mismatches[:SHOWN]:
            lines += _described(m, self.title_of(m.input))
        others = [self.title_of(m.input) for m in self.mismatches[SHOWN:]]
        if others:
            lines.append(f"  {'wrong too':10} {', '.join(others)}")
        if self.observations:
            lines.append(f"  {'also':10} {'; '.join(self.observations)}")
        lines += self._program_lines()
        call = "check_vjp(forward, vjp" if self.adapter == "handwritten" else "gradcheck(f"
        order = f", order={self.order}" if self.order > 1 else ""
        lines.append(f"  {'again':10} {call}, *inputs{order}, seed={self.seed})")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.message()

    def _program_lines(self) -> list[str]:
        if self.program is not None:
            source, checks = self.program()
            if source:
                title = f"  {'program':10} (reduced in {checks} checks)"
                return [title, *(f"      {line}".rstrip() for line in source.splitlines())]
        if not self.inputs:
            return []
        return [
            "  inputs",
            *(_assigned(self.name_of(i), x) for i, x in enumerate(self.inputs)),
        ]

    def name_of(self, i: int) -> str:
        """What the function calls an input.

        Parameters
        ----------
        i : int
            The position.

        Returns
        -------
        str
            ``x0``, ``x1``, ... where it has no name.
        """
        return self.names[i] if i < len(self.names) else f"x{i}"

    def title_of(self, i: int) -> str:
        """An input by its position and, where the function names it, its name.

        Parameters
        ----------
        i : int
            The position; -1 for several inputs at once.

        Returns
        -------
        str
        """
        if i < 0:
            return "several inputs at once"
        if self.order > 1 and i == len(self.inputs):
            return "the cotangent"
        return f"input {i} ({self.names[i]})" if i < len(self.names) else f"input {i}"


def _assigned(name: str, x: Any) -> str:
    """``name = value``, with the rows of an array below one another, if they are few."""
    start = f"      {name} = "
    if not isinstance(x, np.ndarray) or x.ndim < 2:
        return start + literal(x)
    body = np.array2string(x, separator=", ", floatmode="unique", threshold=64)
    body = body.replace("\n", "\n" + " " * len(f"{start}np.array("))
    dtype = "" if x.dtype in (np.float64, np.int64, np.bool_) else f", dtype=np.{x.dtype.name}"
    return f"{start}np.array({body}{dtype})"


def _described(m: Mismatch, name: str) -> list[str]:
    place = f"index {m.index}: " if m.shape else ""
    # A bound can be exactly 0; 1e-300 keeps the quotient readable.
    excess = abs(m.analytic - m.numeric) / max(m.error, 1e-300)
    error = f"   error / bound = {excess:.1e}" if np.isfinite(excess) else ""
    who = name if m.input < 0 else f"{name}, shape {m.shape}"
    numeric = f"{m.numeric!r} ± {m.error:.1e}"
    if m.kind == "kink":
        numeric, error = f"between {m.numeric - m.error!r} and {m.numeric + m.error!r}", ""
    lines = [
        f"  {'where':10} {who}: {place}analytic {m.analytic!r}  numeric {numeric}{error}",
        f"  {'suspected':10} {m.kind}: {m.suspicion}",
    ]
    if m.size > 1:
        seen = "" if m.size == math.prod(m.shape) else " that were looked at"
        lines.append(f"  {'':10} {m.wrong} of {m.size} entries{seen} wrong")
    return lines


class GradientError(GradcheckError):
    """A gradient that disagrees with the function it belongs to.

    The text is written, and the failing program reduced, only when somebody reads it: a property
    test that shrinks fails hundreds of times and shows one failure.

    Attributes
    ----------
    report : Report
        Everything that was found, as data.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(report.name, report.reason)
        self.report = report

    def __str__(self) -> str:
        return self.report.message()

    def __reduce__(self) -> tuple[Any, ...]:
        return GradientError, (self.report,)
