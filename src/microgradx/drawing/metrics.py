"""How wide a text is, before any font is opened.

Widths are those of Helvetica (Arial, Liberation Sans and Arimo share them) in thousandths of the
font size. Characters outside the table get a generous estimate, and `is_estimate` tells the SVG
writer to pin the drawn length, so that a box never clips its text whatever font a reader has.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

__all__ = ["clean", "is_estimate", "shorten", "text_width"]

_REGULAR = """278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556
556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556
833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556
556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260
334 584"""
_BOLD = """278 333 474 556 556 889 722 238 333 333 389 584 278 333 278 278 556 556 556 556 556 556
556 556 556 556 333 333 584 584 584 611 975 722 722 722 722 667 611 778 722 278 556 722 611 833
722 778 667 778 722 667 611 722 667 944 667 667 611 333 278 333 584 556 333 556 611 556 611 556
333 611 611 278 278 556 278 889 611 611 611 611 389 556 333 611 556 778 556 556 500 389 280 389
584"""
_BEYOND_ASCII = {
    "\u00a0": 278,
    "−": 584, "×": 584, "·": 333, "÷": 549, "∂": 494, "Σ": 618, "√": 549, "¹": 333, "²": 333,
    "³": 333, "⁴": 495, "ⁿ": 396, "⁻": 400, "⁰": 495, "₀": 451, "₁": 414, "₂": 444, "₃": 462,
    "‖": 498, "→": 1000, "←": 1000,
    "↑": 500, "…": 1000, "—": 1000, "–": 556, "≤": 549, "≥": 549, "≠": 549, "≈": 549, "∞": 713,
    "•": 350, "′": 240, "α": 615, "β": 610, "γ": 556, "δ": 606, "ε": 475, "ζ": 460, "η": 611,
    "θ": 556, "λ": 556, "μ": 612, "ν": 556, "ξ": 448, "π": 766, "ρ": 619, "σ": 684, "τ": 446,
    "φ": 715, "χ": 576, "ψ": 753, "ω": 845, "Δ": 719, "Ω": 802, "ŷ": 556,
}  # fmt: skip
_UNKNOWN = 750
_WIDE = 1050

_TABLES = tuple(
    {chr(32 + i): int(width) for i, width in enumerate(table.split())} | _BEYOND_ASCII
    for table in (_REGULAR, _BOLD)
)

# Directional overrides would reorder the numbers that stand beside a hostile name.
_REORDERING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """Replace what XML, DOT or a reader's eye cannot bear by U+FFFD."""
    if text.isprintable() and not _REORDERING.intersection(text):
        return text
    return "".join(
        "\ufffd"
        if unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") or c in _REORDERING
        else (" " if c in "\u2028\u2029" else c)
        for c in text
    )


def shorten(text: str, limit: int = 26) -> str:
    """Cut the middle out of a text that is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"


def is_estimate(text: str) -> bool:
    """True where a character's width had to be guessed."""
    return not text.isascii() and any(c not in _TABLES[0] for c in text)


@lru_cache(maxsize=8192)
def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width in points of `text` set in Helvetica of `size` points.

    Examples
    --------
    >>> text_width("tanh", 10)
    19.46
    """
    table = _TABLES[bold]
    total = 0
    for c in text:
        width = table.get(c)
        if width is None:
            if unicodedata.combining(c):
                width = 0
            elif unicodedata.east_asian_width(c) in "WF":
                width = _WIDE
            else:
                width = _UNKNOWN
        total += width
    return round(total * size / 1000, 3)
