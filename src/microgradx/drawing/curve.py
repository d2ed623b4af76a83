"""A training curve as SVG: one or two series over the epochs, in the drawings' own colours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from microgradx.drawing.metrics import text_width
from microgradx.drawing.numbers import number_text
from microgradx.drawing.svg import FONT
from microgradx.drawing.theme import find_theme

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["curve"]

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 40, 44
_TICKS = 5


def curve(values: Sequence[float], *, title: str, label: str = "epoch", theme: str = "auto") -> str:
    """Draw numbers over 1, 2, 3, ... as a line with points.

    Parameters
    ----------
    values : sequence of float
        One number for each epoch; those that are not finite leave a gap.
    title : str
        What the numbers are.
    label : str
        What is counted along the horizontal axis.
    theme : str
        As for `draw`.

    Returns
    -------
    str
        SVG.

    Examples
    --------
    >>> curve([2.3, 0.5, 0.2], title="loss").startswith("<svg")
    True
    """
    finite = [v for v in values if math.isfinite(v)]
    steps = _ticks(min([0.0, *finite]), max([*finite, 1e-12]))
    low, high = steps[0], steps[-1]
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(i: int) -> float:
        return _LEFT + inner_width * (i / max(len(values) - 1, 1))

    def y(v: float) -> float:
        return _TOP + inner_height * (1 - (v - low) / (high - low))

    said = (
        f"{title} from {number_text(finite[0])} to {number_text(finite[-1])}" if finite else title
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="mgc" role="img" aria-label="{said}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">',
        f"<title>{said}</title><style>{_style(theme)}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>',
        f'<text x="{_LEFT}" y="24" font-weight="bold">{title}</text>',
    ]
    for v in steps:
        text = number_text(v, ".3g")
        parts.append(f'<path class="grid" d="M{_LEFT} {y(v):.1f}H{_WIDTH - _RIGHT}"/>')
        at = _LEFT - 8 - text_width(text, 12)
        parts.append(f'<text class="mute" x="{at:.1f}" y="{y(v) + 4:.1f}">{text}</text>')
    every = max(1, math.ceil(len(values) / 12))
    parts += [
        f'<text class="mute" x="{x(i):.1f}" y="{_HEIGHT - _BOTTOM + 18}" '
        f'text-anchor="middle">{i + 1}</text>'
        for i in range(0, len(values), every)
    ]
    parts.append(
        f'<text class="mute" x="{_LEFT + inner_width / 2:.0f}" y="{_HEIGHT - 8}" '
        f'text-anchor="middle">{label}</text>'
    )
    line, pen = "", "M"
    for i, v in enumerate(values):
        if not math.isfinite(v):
            pen = "M"
            continue
        line += f"{pen}{x(i):.1f} {y(v):.1f}"
        pen = "L"
    parts.append(f'<path class="line" d="{line}"/>' if line else "")
    parts += [
        f'<circle class="dot" cx="{x(i):.1f}" cy="{y(v):.1f}" r="3">'
        f"<title>{label} {i + 1}: {number_text(v)}</title></circle>"
        for i, v in enumerate(values)
        if math.isfinite(v)
    ]
    return "\n".join([*parts, "</svg>"])


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that span a range."""
    raw = (high - low) / _TICKS or 1.0
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw)
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [i * step for i in range(first, last + 1)]


def _style(name: str) -> str:
    theme = find_theme(name)
    rules = f".mgc text{{font:12px {FONT}}}.mgc .line{{fill:none;stroke-width:2}}"
    for palette, around in (
        (theme.light, "{}"),
        (theme.dark, "@media (prefers-color-scheme:dark){{{}}}"),
    ):
        if palette is not None:
            rules += around.format(
                f".mgc .paper{{fill:{palette.paper}}}.mgc text{{fill:{palette.ink}}}"
                f".mgc text.mute{{fill:{palette.mute}}}.mgc .grid{{stroke:{palette.leaf_fill}}}"
                f".mgc .line{{stroke:{palette.forward}}}.mgc .dot{{fill:{palette.forward}}}"
            )
    return rules
