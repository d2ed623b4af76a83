"""Colours by role, for light and dark grounds.

Forward is blue and backward is orange, because green and red fall together for the commonest kind
of colour blindness (CIEDE2000 2.7 apart; blue and orange stay above 45). Colour is never the only
cue: gradients are italic, stand below their values, and backward wires are dashed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from microgradx.errors import DrawingError

__all__ = ["THEMES", "Palette", "Theme", "find_theme"]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of texts, grounds and lines on one ground."""

    paper: str = "#ffffff"
    card: str = "#ffffff"
    ink: str = "#1f2933"
    mute: str = "#56606d"
    line: str = "#4b5563"
    forward: str = "#005a8f"
    forward_fill: str = "#e3f0fa"
    backward: str = "#b3470c"
    backward_fill: str = "#fdeee6"
    local: str = "#374151"
    leaf_fill: str = "#dfe7f1"
    root_fill: str = "#ffeeb0"
    module_fill: str = "#edf0f4"
    region_fill: str = "#f6f8fb"
    warn: str = "#b00020"
    warn_fill: str = "#fde7ea"

    def text_roles(self) -> dict[str, str]:
        """Colours that text is set in."""
        names = ("ink", "mute", "forward", "backward", "local", "warn")
        return {name: getattr(self, name) for name in names}

    def fills(self) -> dict[str, str]:
        """Colours that text may stand on."""
        names = ("card", "forward", "backward", "leaf", "root", "module", "region", "warn")
        return {name: getattr(self, name if name == "card" else f"{name}_fill") for name in names}


_DARK = Palette(
    paper="#15191f",
    card="#1c222a",
    ink="#e6eaf0",
    mute="#a3afbc",
    line="#8d9aaa",
    forward="#6fc3ff",
    forward_fill="#10293b",
    backward="#ff9d66",
    backward_fill="#3a2115",
    local="#cbd5e1",
    leaf_fill="#27313d",
    root_fill="#4a3d10",
    module_fill="#232b35",
    region_fill="#191f26",
    warn="#ff9a9a",
    warn_fill="#3d1a20",
)


@dataclass(frozen=True, slots=True)
class Theme:
    """A pair of palettes; `dark` is None where a theme has one ground only."""

    name: str
    light: Palette = field(default_factory=Palette)
    dark: Palette | None = None


_GREEN_RED = {"forward": "#0a6b00", "forward_fill": "#e8f5e4", "backward": "#b80000"}
_MONO = {
    "ink": "#000000", "mute": "#404040", "line": "#000000", "forward": "#000000",
    "forward_fill": "#f2f2f2", "backward": "#000000", "backward_fill": "#ffffff",
    "local": "#000000", "leaf_fill": "#e2e2e2", "root_fill": "#d0d0d0", "module_fill": "#ebebeb",
    "region_fill": "#f8f8f8", "warn": "#000000", "warn_fill": "#ffffff",
}  # fmt: skip
_MONO_DARK = {
    "paper": "#000000", "card": "#000000", "ink": "#ffffff", "mute": "#c8c8c8",
    "line": "#ffffff", "forward": "#ffffff", "forward_fill": "#1f1f1f", "backward": "#ffffff",
    "backward_fill": "#000000", "local": "#ffffff", "leaf_fill": "#333333",
    "root_fill": "#454545", "module_fill": "#262626", "region_fill": "#121212",
    "warn": "#ffffff", "warn_fill": "#000000",
}  # fmt: skip

_BLUE = Palette()
THEMES = {
    "auto": Theme("auto", _BLUE, _DARK),
    "light": Theme("light", _BLUE),
    "dark": Theme("dark", _DARK),
    "cs231n": Theme(
        "cs231n",
        Palette(**_GREEN_RED, backward_fill="#fdeaea"),
        Palette(
            **{
                name: getattr(_DARK, name)
                for name in Palette.__slots__
                if name not in ("forward", "forward_fill", "backward", "backward_fill")
            },
            forward="#7fd87a",
            forward_fill="#14301a",
            backward="#ff9090",
            backward_fill="#3b1a1a",
        ),
    ),
    "mono": Theme("mono", Palette(**_MONO), Palette(**_MONO_DARK)),
}


def find_theme(name: str) -> Theme:
    """Look a theme up by name; a wrong name lists the right ones."""
    try:
        return THEMES[name]
    except KeyError:
        raise DrawingError(
            "draw", f"no theme is called {name!r}", f"Choose one of {', '.join(THEMES)}"
        ) from None
