"""What ends a check: something wrong, or nothing to judge by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from microgradx.testing.ladder import Derivative, Status
from microgradx.testing.report import Mismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from microgradx.testing.protocol import Array

__all__ = ["Skipped", "Unclear", "Wrong", "unlocalised", "weighed"]


class Wrong(Exception):  # noqa: N818 - not an error but a finding, on its way to the report
    """Something is wrong, of some kind and for some reason."""

    def __init__(self, kind: str, reason: str, mismatches: Sequence[Mismatch] = ()) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.mismatches = kind, reason, list(mismatches)


class Skipped(Exception):  # noqa: N818 - as above
    """Nothing can be compared, for a reason; and what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


class Unclear(Skipped):
    """No slope along a direction: a few elements may be to blame for all."""


def weighed(v: Array, d: Derivative) -> tuple[float, float, float, bool]:
    """``v . D`` as an interval, the bound of its ends, and whether a kink takes part.

    Raises
    ------
    Unclear
        If an element that counts has no claim.
    """
    kink = d.status == Status.KINK
    counts = v != 0
    ends = v * d.left, v * d.right
    low = np.where(kink, np.minimum(*ends), v * d.value)
    high = np.where(kink, np.maximum(*ends), v * d.value)
    error = np.abs(v) * np.where(kink, np.maximum(d.left_error, d.right_error), d.error)
    if np.any(counts & (d.status == Status.EDGE)):
        raise Unclear("the point is on the edge of the domain", "Move the inputs inside it")
    if not np.isfinite(error[counts]).all():
        raise Unclear("no step tells the slope from noise here", "Try other inputs")
    return (
        float(low[counts].sum()),
        float(high[counts].sum()),
        float(error[counts].sum()),
        bool(np.any(kink & counts)),
    )


def unlocalised(analytic: float, low: float, high: float, *, kink: bool) -> Mismatch:
    """A mismatch that shows along the direction but in no single coordinate."""
    kind = "kink" if kink else "formula"
    story = "no single coordinate shows it, only moving several at once"
    middle, error = (low + high) / 2, (high - low) / 2
    return Mismatch(-1, (), (), analytic, middle, error, 1, 1, kind, story)
