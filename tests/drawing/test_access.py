"""Readable by everybody: contrast, colour blindness, second cues, words."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from microgradx import draw
from microgradx.drawing.theme import THEMES

from .conftest import SVG

PALETTES = [
    pytest.param(palette, id=f"{theme.name}-{mode}")
    for theme in THEMES.values()
    for mode, palette in (("light", theme.light), ("dark", theme.dark))
    if palette is not None
]

# Which text stands on which ground in some style.
PAIRS = [
    *itertools.product(("ink", "mute"), ("card", "leaf", "root", "module", "region", "paper")),
    *itertools.product(("forward", "backward", "local", "mute"), ("paper", "card")),
    ("forward", "forward"),
    ("backward", "backward"),
    ("warn", "warn"),
    ("warn", "card"),
    ("warn", "paper"),
    ("local", "region"),
]


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one, two):
    """WCAG 2.1's contrast ratio."""
    lights = sorted(linear(c) @ [0.2126, 0.7152, 0.0722] for c in (one, two))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def test_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", PALETTES)
def test_every_text_has_a_contrast_of_at_least_four_and_a_half(palette):
    grounds = palette.fills() | {"paper": palette.paper}
    inks = palette.text_roles()
    for ink, ground in PAIRS:
        ratio = contrast(inks[ink], grounds[ground])
        assert ratio >= 4.5, f"{ink} on {ground}: {ratio:.2f}"


# Machado, Oliveira, Fernandes 2009, severity 1.0.
BLINDNESS = {
    "normal": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip


def lab(colour, matrix):
    rgb = np.clip(matrix @ linear(colour), 0, 1)
    xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
         [0.0193339, 0.1191920, 0.9503041]]
    ) @ rgb / [0.95047, 1.0, 1.08883]  # fmt: skip
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def ciede2000(one, two):
    """Sharma, Wu, Dalal 2005."""
    (l1, a1, b1), (l2, a2, b2) = one, two
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    c1, c2 = np.hypot(a1 * (1 + g), b1), np.hypot(a2 * (1 + g), b2)
    h1 = np.degrees(np.arctan2(b1, a1 * (1 + g))) % 360
    h2 = np.degrees(np.arctan2(b2, a2 * (1 + g))) % 360
    dh = h2 - h1
    dh = dh - 360 if dh > 180 else dh + 360 if dh < -180 else dh
    big_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh / 2))
    lm, cm = (l1 + l2) / 2, (c1 + c2) / 2
    hm = (h1 + h2) / 2 if abs(h1 - h2) <= 180 else (h1 + h2 + 360) / 2
    t = (1 - 0.17 * np.cos(np.radians(hm - 30)) + 0.24 * np.cos(np.radians(2 * hm))
         + 0.32 * np.cos(np.radians(3 * hm + 6)) - 0.20 * np.cos(np.radians(4 * hm - 63)))  # fmt: skip
    sl = 1 + 0.015 * (lm - 50) ** 2 / np.sqrt(20 + (lm - 50) ** 2)
    sc, sh = 1 + 0.045 * cm, 1 + 0.015 * cm * t
    turn = 30 * np.exp(-(((hm - 275) / 25) ** 2))
    rt = -2 * np.sqrt(cm**7 / (cm**7 + 25.0**7)) * np.sin(np.radians(2 * turn))
    x, y, z = (l2 - l1) / sl, (c2 - c1) / sc, big_h / sh
    return float(np.sqrt(x * x + y * y + z * z + rt * y * z))


def test_the_colour_difference_is_that_of_the_papers_table():
    # Sharma, Wu, Dalal 2005, table 1, pairs 1 and 25.
    assert ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)) == pytest.approx(
        1.2644, abs=1e-4
    )


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("name", ["auto", "dark"])
def test_forward_and_backward_differ_for_every_kind_of_sight(name, kind):
    for palette in (THEMES[name].light, THEMES[name].dark):
        if palette is not None:
            matrix = BLINDNESS[kind]
            one, two = lab(palette.forward, matrix), lab(palette.backward, matrix)
            assert ciede2000(one, two) >= 30


@pytest.mark.parametrize("style", ["circuit", "card", "lanes", "tensor"])
def test_gradients_are_italic_and_below_their_values(differentiated, style):
    root = ET.fromstring(draw(differentiated, style=style, engine="built-in").svg)
    for text in root.iter(f"{SVG}text"):
        if "bt" in (text.get("class") or "").split() and text.get("data-k") == "grad":
            assert "i" in text.get("class").split()
    for box in root.iter(f"{SVG}g"):
        rows = {}
        for t in box.findall(f"{SVG}text"):
            for part in (t, *t):
                names = (part.get("class") or "").split()
                rows |= {name: float(t.get("y")) for name in names}
        if "ft" in rows and "bt" in rows:
            assert rows["bt"] > rows["ft"]


def test_backward_wires_are_dashed(differentiated):
    svg = draw(differentiated, style="lanes", engine="built-in").svg
    assert ".wire.backward path{stroke-dasharray:6 3}" in svg


def test_svg_tells_a_screen_reader_what_it_shows(differentiated):
    root = ET.fromstring(draw(differentiated, engine="built-in").svg)
    assert root.get("role") == "img"
    named = root.get("aria-labelledby").split()
    assert [root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")] == named
    assert "8 nodes, 9 edges" in root.find(f"{SVG}desc").text
    titles = [t.text for t in root.iter(f"{SVG}title")]
    assert any(t.startswith("e = a × b; value −0.75; gradient 0.7864") for t in titles)


def test_the_auto_theme_follows_the_reader_and_others_do_not(differentiated):
    assert "prefers-color-scheme:dark" in draw(differentiated, engine="built-in").svg
    assert "prefers-color-scheme" not in draw(differentiated, theme="light", engine="built-in").svg
