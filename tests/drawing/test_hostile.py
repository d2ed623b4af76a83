"""Names that attack: every file stays well-formed, and the name comes back as text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from microgradx import Value, animate, draw

from .conftest import svg_graph

NAMES = [
    "</script><script>alert(1)</script>",
    '"',
    "'",
    "]]>",
    "<!--",
    "-->",
    r"\N",
    r"\G\E\l",
    "&amp;",
    "&#x41;",
    "a\x00b",
    "line\nbreak",
    "\u202eright-to-left",
    "\ud800",
    "名前",
    "🎉🎉",
    "العربية",
    "{a|b}",
    "<b>x</b>",
    "x" * 500,
    "${7*7}",
    "%s %d",
    "\u2028",
    "]]<>&\"'\\",
    "subgraph end; graph TD",
    "\ufffe",
]


def graph_of(name):
    a = Value(0.5, name=name)
    out = (a * a).tanh()
    out.backward()
    return out


class Reader(HTMLParser):
    """Collects tags, and the text of scripts."""

    def __init__(self):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.inside = tag == "script"
        for key, value in attrs:
            assert not key.startswith("on"), (key, value)

    def handle_endtag(self, tag):  # noqa: ARG002
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts.append(data)


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("style", ["circuit", "card", "lanes", "modules"])
def test_hostile_names_leave_svg_well_formed(name, style):
    drawing = draw(graph_of(name), style=style, engine="built-in")
    svg = drawing.svg
    root = ET.fromstring(svg.encode())
    assert "script" not in {e.tag.rpartition("}")[2] for e in root.iter()}
    assert svg.encode("utf-8").decode() == svg
    if len(name) <= 26 and name.isprintable() and style != "modules":
        said = "".join(root.itertext())
        shown = drawing.graph.nodes[0].name
        assert shown in said
        if name.isascii():
            assert name in said


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_names_leave_pages_well_formed(name):
    for text in (draw(graph_of(name), engine="built-in").html, animate(graph_of(name)).html):
        reader = Reader()
        reader.feed(text)
        assert reader.tags.count("script") == 1
        assert reader.tags.count("svg") == 1
        assert len(reader.scripts) == 1
        assert "</" not in reader.scripts[0].replace("<\\/", "")
        assert "alert(1)" not in reader.scripts[0] or "\\u003c" in reader.scripts[0]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_hostile_names_leave_mermaid_and_json_readable(name):
    drawing = draw(graph_of(name), engine="built-in")
    lines = drawing.mermaid.splitlines()
    assert len([line for line in lines if "-->" in line and "|" in line]) == 3
    assert sum(line.count('"') for line in lines) == 2 * (3 + 3)
    assert len(json.loads(drawing.json)["nodes"]) == 3
    assert all(line.isprintable() for line in drawing.text.splitlines())


@pytest.mark.skipif(not shutil.which("dot"), reason="dot is not installed")
@pytest.mark.parametrize("style", ["circuit", "card", "lanes"])
def test_hostile_names_pass_through_graphviz(style):
    for name in NAMES:
        drawing = draw(graph_of(name), style=style, engine="dot")
        assert svg_graph(drawing.svg)[0] == {0, 1, 2}
        done = subprocess.run(
            ["dot", "-Tsvg"], input=drawing.dot.encode(), capture_output=True, check=True
        )
        root = ET.fromstring(done.stdout)
        said = "".join(root.itertext())
        assert "microgradx" in said
        if name.isascii() and name.isprintable() and len(name) < 20 and "\\" not in name:
            assert name in said.replace("\xa0", " ")


def test_ampersands_survive_the_decoding_of_quoted_strings():
    # Graphviz decodes entities inside quoted strings, tooltips among them.
    dot = draw(graph_of("&amp;"), style="card", engine="built-in").dot
    assert 'tooltip="&amp;amp;; value 0.5' in dot


def test_no_file_reaches_for_the_network():
    out = graph_of("x")
    drawing = draw(out, engine="built-in")
    for text in (drawing.svg, drawing.html, animate(out).html, drawing.mermaid):
        addresses = set(re.findall(r"""(?:https?:)?//[^\s"'<]*""", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}
        assert "@import" not in text
        assert "url(" not in text
    for script in re.findall(r"<script>(.*?)</script>", animate(out).html, re.DOTALL):
        assert not re.search(r"\b(eval|fetch|XMLHttpRequest|Function|import)\s*\(", script)


def test_a_long_name_is_cut_in_the_picture_and_whole_in_no_harm():
    svg = draw(graph_of("x" * 500), engine="built-in").svg
    assert "xx…xx" in svg
    assert "x" * 100 not in svg
