"""Graphviz programs: found, used, timed, counted, and never needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from microgradx import Value, draw
from microgradx.drawing import programs
from microgradx.errors import DrawingError

from .conftest import SVG, random_graph, svg_graph, truth

PROGRAMS = [p for p in (shutil.which("dot"), shutil.which("graphviz-pure")) if p]
needs_program = pytest.mark.skipif(not PROGRAMS, reason="no Graphviz program is installed")


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("MICROGRADX_DOT", raising=False)
    monkeypatch.setattr(programs.sysconfig, "get_path", lambda _: "/nowhere")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A program that answers as a script of ours says."""

    def make(body):
        path = tmp_path / "dot"
        path.write_text(f"#!{sys.executable}\nimport sys, time, json\n{textwrap.dedent(body)}")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(programs.sysconfig, "get_path", lambda _: "/nowhere")
        return str(path)

    return make


@pytest.mark.quick
def test_a_picture_needs_no_program(differentiated, nothing_installed, tmp_path):
    for style in ("circuit", "card", "lanes", "modules"):
        drawing = draw(differentiated, style=style)
        assert svg_graph(drawing.svg)[0] or style == "modules"
        assert drawing.save(tmp_path / f"{style}.svg").stat().st_size > 1000
        assert drawing.save(tmp_path / f"{style}.html").stat().st_size > 1000
        assert "L" in str(drawing)
        assert "<img" in drawing._repr_mimebundle_()["text/html"]


def test_png_without_a_program_says_the_command_that_mends_it(differentiated, nothing_installed):
    with pytest.raises(DrawingError, match="pip install graphviz-pure") as caught:
        draw(differentiated).png()
    assert "SVG and HTML need neither" in str(caught.value)
    with pytest.raises(DrawingError, match="PDF needs a Graphviz program"):
        draw(differentiated).pdf()


def test_a_program_in_the_environments_scripts_folder_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("MICROGRADX_DOT", raising=False)
    tool = tmp_path / "graphviz-pure"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setattr(programs.sysconfig, "get_path", lambda _: str(tmp_path))
    assert programs.find_program() == str(tool)


def test_the_environment_variable_names_the_program(monkeypatch, fake):
    path = fake("sys.exit(3)")
    monkeypatch.setenv("MICROGRADX_DOT", path)
    assert programs.find_program() == path
    assert programs.find_program("built-in") is None


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("sys.stderr.write('syntax error'); sys.exit(1)", "failed (code 1): syntax error"),
        ("sys.exit(0)", "failed (code 0): no word"),
        ("print('garbage')", "an answer that cannot be read"),
        ("print(json.dumps({'bb': '0,0,9,9', 'objects': [], 'edges': []}))", "drew 0 of"),
        ("print(json.dumps({'bb': '0,0,9,9', 'objects': 7}))", "an answer that cannot be read"),
    ],
)
def test_a_faulty_program_is_caught(differentiated, fake, body, fault):
    path = fake(body)
    drawing = draw(differentiated)
    assert svg_graph(drawing.svg)[0] == set(range(8))
    assert "drawn with the built-in layout: dot failed" in drawing.notes
    with pytest.raises(DrawingError) as caught:
        draw(differentiated, engine=path).svg  # noqa: B018
    assert fault in str(caught.value)


def test_a_program_that_hangs_is_killed(differentiated, fake, monkeypatch):
    path = fake("time.sleep(60)")
    with pytest.raises(DrawingError, match=r"took longer than 0\.3 s and was stopped"):
        programs.run(path, "digraph {}", "-Tjson", limit=0.3)
    monkeypatch.setattr(programs.run, "__kwdefaults__", {"limit": 0.3})
    drawing = draw(differentiated)
    assert svg_graph(drawing.svg)[0] == set(range(8))
    assert "drawn with the built-in layout: dot failed" in drawing.notes


@needs_program
def test_a_program_that_drops_an_edge_is_caught(differentiated, fake):
    real = PROGRAMS[0]
    fake(f"""
        import subprocess
        answer = json.loads(subprocess.run([{real!r}, *sys.argv[1:]], stdin=sys.stdin,
                            capture_output=True, env={{'PATH': '/usr/bin'}}).stdout)
        answer['edges'].pop()
        print(json.dumps(answer))
    """)
    drawing = draw(differentiated)
    assert max(svg_graph(drawing.svg)[1]) == (7, 0)
    assert "drawn with the built-in layout: dot failed" in drawing.notes


@needs_program
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("style", ["circuit", "card", "lanes", "modules"])
def test_programs_draw_every_style(differentiated, program, style):
    drawing = draw(differentiated, style=style, engine=program)
    assert drawing.svg
    assert drawing._placement.engine == Path(program).name
    assert drawing.png()[:8] == b"\x89PNG\r\n\x1a\n"


@needs_program
@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_loses_a_node_or_an_edge_of_random_graphs(program):
    for seed in range(60):
        root = random_graph(seed)
        nodes, edges = truth(root)
        style = ("card", "circuit", "lanes")[seed % 3]
        drawing = draw(root, style=style, engine=program)
        assert svg_graph(drawing.svg)[0] == nodes
        assert sorted(svg_graph(drawing.svg)[1]) == sorted((c, s) for _, c, s in edges)
        if seed % 10 == 0:
            # The exported text, labels and all, draws as completely as the bare one.
            done = subprocess.run(
                [program, "-Tsvg", "-Kneato", "-n2"] if style == "lanes" else [program, "-Tsvg"],
                input=drawing.dot.encode(), capture_output=True, check=True,
            )  # fmt: skip
            svg = ET.fromstring(done.stdout)
            kinds = [g.get("class") or "" for g in svg.iter(f"{SVG}g")]
            extra = 4 if style == "lanes" else 0
            boxes, wires = len(drawing.scene.boxes), len(drawing.scene.wires)
            assert boxes <= sum("node" in kind for kind in kinds) <= boxes + extra
            assert sum("edge" in kind for kind in kinds) == wires


@needs_program
def test_pdf_is_written_by_dot_alone(differentiated):
    if shutil.which("dot"):
        assert draw(differentiated, engine="dot").pdf()[:5] == b"%PDF-"
    if shutil.which("graphviz-pure"):
        with pytest.raises(DrawingError, match="writes no PDF"):
            draw(differentiated, engine="graphviz-pure").pdf()


@needs_program
def test_a_huge_png_is_scaled_to_fit(differentiated):
    png = draw(differentiated).png(dpi=5000)
    width = int.from_bytes(png[16:20], "big")
    assert 4000 < width <= 8200


def test_dot_text_keeps_the_measured_rules(differentiated):
    text = draw(differentiated, style="card").dot
    assert "newrank=true" in text
    assert "record" not in text
    assert not [c for c in text.split('"') if c.startswith("#") and len(c) != 7]
    assert "URL" not in text
    assert "n0 -> n4" in text


def test_a_leaf_used_all_along_a_chain_is_left_to_the_built_in_layout():
    x = Value(0.5)
    y = x
    for _ in range(60):
        y = y * x
    assert programs.place(draw(y).scene).engine == "built-in"
