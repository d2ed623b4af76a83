"""How numbers and arrays are written in pictures and sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Facts", "bytes_text", "dtype_text", "facts_of", "number_text", "shape_text"]

_LARGE = 1 << 22


@dataclass(frozen=True, slots=True)
class Facts:
    """What a picture says about a number or an array, copied at the time of drawing.

    `number` is set for a single number; the statistics are over the finite entries.
    """

    number: float | None
    shape: tuple[int, ...] = ()
    dtype: str = ""
    nbytes: int = 0
    mean: float = 0.0
    std: float = 0.0
    low: float = 0.0
    high: float = 0.0
    norm: float = 0.0
    zeros: float = 0.0
    broken: int = 0

    @property
    def is_finite(self) -> bool:
        """Whether no entry is nan or infinite."""
        return math.isfinite(self.number) if self.number is not None else self.broken == 0


def facts_of(data: Any) -> Facts:
    """Read a number or an array once, and keep nothing of it."""
    if isinstance(data, (int, float)):
        number = _as_float(data)
        return Facts(number, norm=abs(number), broken=not math.isfinite(number))
    if not isinstance(data, np.ndarray):
        try:
            number = float(data)
        except (TypeError, ValueError):
            number = math.nan
        return Facts(number, norm=abs(number), broken=not math.isfinite(number))
    dtype = dtype_text(data.dtype)
    if data.size == 1:
        number = float(data.reshape(-1)[0])
        return Facts(
            number, data.shape, dtype, data.nbytes, norm=abs(number),
            broken=not math.isfinite(number),
        )  # fmt: skip
    if data.size == 0 or data.dtype.kind not in "fiub":
        return Facts(None, data.shape, dtype, data.nbytes)
    whole = data.size
    with np.errstate(all="ignore"):
        mean, norm = float(data.mean(dtype=np.float64)), float(np.linalg.norm(data.reshape(-1)))
        if math.isfinite(mean) and math.isfinite(norm):
            broken, finite = 0, data
        else:
            good = np.isfinite(data)
            finite, broken = data[good], int(whole - np.count_nonzero(good))
            if finite.size == 0:
                return Facts(None, data.shape, dtype, data.nbytes, broken=broken)
            mean = float(finite.mean(dtype=np.float64))
            norm = float(np.linalg.norm(finite.reshape(-1).astype(np.float64)))
        return Facts(
            None, data.shape, dtype, data.nbytes, mean,
            float(finite.std(dtype=np.float64)), float(finite.min()), float(finite.max()),
            norm, 1 - float(np.count_nonzero(data)) / whole, broken,
        )  # fmt: skip


def _as_float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def number_text(x: float, fmt: str = ".4g") -> str:
    """Format a number as pictures show it, with a true minus sign.

    Examples
    --------
    >>> number_text(-0.39320000001)
    '−0.3932'
    """
    text = format(x, fmt)
    if text == "-0":
        text = "0"
    return text.replace("-", "−")


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape: ``(32, 784)``, or ``()`` for a single number."""
    if not shape:
        return "()"
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Short names of dtypes: ``f8``, ``i8``, ``bool``."""
    return "bool" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"


def bytes_text(n: int) -> str:
    """Write a number of bytes in the unit that suits it.

    Examples
    --------
    >>> bytes_text(200_704)
    '196 KB'
    """
    for unit in ("B", "KB", "MB"):
        if n < 1024:
            return f"{n:.3g} {unit}" if n < 100 or unit == "B" else f"{n:.0f} {unit}"
        n = n / 1024  # type: ignore[assignment]
    return f"{n:.3g} GB"
