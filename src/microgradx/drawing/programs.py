"""Run Graphviz as a program, and believe nothing it says without counting.

`dot` is looked for on the PATH and in the environment's scripts folder, then `graphviz-pure`, which
``pip install graphviz-pure`` puts there. Each run has a time limit and its output is checked: a
graph with a lost edge is no drawing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from microgradx.drawing.dot import digraph
from microgradx.drawing.layered import layered
from microgradx.drawing.routes import outlines
from microgradx.drawing.scene import Placement, Route, Scene, lines_size
from microgradx.drawing.theme import THEMES
from microgradx.errors import DrawingError

__all__ = ["TIME_LIMIT", "find_program", "place", "run"]

TIME_LIMIT = 20.0
_MOST_FOR_GRAPHVIZ = 700
# A wire over n ranks is n boxes to Graphviz: a leaf used all along a chain of 75 took it 3 s.
_LONGEST_FOR_GRAPHVIZ = 500
_PROGRAMS = ("dot", "graphviz-pure")
_REMEDY = (
    "Run: pip install graphviz-pure   (PNG), or install Graphviz from your system (PNG and PDF). "
    "SVG and HTML need neither"
)


def find_program(engine: str = "auto") -> str | None:
    """Path of the Graphviz program to use, or None where there is none.

    Parameters
    ----------
    engine : str
        ``auto``, ``dot``, ``graphviz-pure``, a path, or ``built-in``. The environment variable
        ``MICROGRADX_DOT`` (a path) overrides ``auto``.

    Raises
    ------
    DrawingError
        If a program is named that cannot be found.
    """
    if engine == "built-in":
        return None
    if engine == "auto":
        engine = os.environ.get("MICROGRADX_DOT", "auto")
    wanted = _PROGRAMS if engine == "auto" else (engine,)
    for name in wanted:
        # An environment that was not activated has its scripts folder off the PATH.
        for folder in (None, sysconfig.get_path("scripts")):
            found = shutil.which(name, path=folder)
            if found:
                return found
    if engine == "auto":
        return None
    raise DrawingError("draw", f"no program is found at {engine!r}", _REMEDY)


def need_program(engine: str, form: str) -> str:
    """The program, or an error that says what to install."""
    program = find_program(engine)
    if program is None:
        raise DrawingError("draw", f"{form} needs a Graphviz program and none is found", _REMEDY)
    return program


def find_pdf_program(engine: str) -> str:
    """A program that writes PDF: Graphviz's own dot, never graphviz-pure."""
    if engine == "auto":
        program = find_program("auto")
        if program is None or "graphviz-pure" not in Path(program).name:
            return need_program(engine, "PDF")
    program = need_program(engine, "PDF")
    if "graphviz-pure" in Path(program).name:
        raise DrawingError(
            "draw", "graphviz-pure writes no PDF", "Install Graphviz from your system, or save SVG"
        )
    return program


def run(program: str, source: str, *arguments: str, limit: float = TIME_LIMIT) -> bytes:
    """Feed DOT text to a Graphviz program.

    Parameters
    ----------
    program : str
        Path of the program.
    source : str
        DOT text.
    *arguments : str
        For example ``-Tpng``.
    limit : float
        Seconds after which it is killed.

    Returns
    -------
    bytes
        What it wrote.

    Raises
    ------
    DrawingError
        If it fails, writes nothing, or takes longer than `limit`.
    """
    try:
        done = subprocess.run(  # noqa: S603
            [program, *arguments], input=source.encode(), capture_output=True, timeout=limit,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise DrawingError(
            "draw", f"{program} took longer than {limit:g} s and was stopped",
            "Draw less (focus, max_boxes), or use engine='built-in'",
        ) from None  # fmt: skip
    except OSError as error:
        raise DrawingError("draw", f"{program} does not start: {error}", _REMEDY) from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DrawingError(
            "draw", f"{program} failed (code {done.returncode}): {said[-1] if said else 'no word'}",
            "Use engine='built-in' for SVG and HTML", returncode=done.returncode,
        )  # fmt: skip
    return done.stdout


def place(scene: Scene, engine: str = "auto") -> Placement:
    """Lay a scene out with Graphviz, or with the built-in layout where that is the better choice.

    Parameters
    ----------
    scene : Scene
        What to place.
    engine : str
        As for `find_program`; with ``auto``, scenes of more than 700 boxes and labels, or whose
        wires cross more than 500 ranks in all, use the built-in layout, which is ten times faster
        there.

    Returns
    -------
    Placement
        ``.engine`` names what was used; ``.notes`` says if a program had to be given up.
    """
    program = find_program(engine)
    burden = len(scene.boxes) + sum(bool(wire.label) for wire in scene.wires) / 2
    if program is None:
        return layered(scene)
    if engine == "auto" and (
        burden > _MOST_FOR_GRAPHVIZ or _ranks_crossed(scene) > _LONGEST_FOR_GRAPHVIZ
    ):
        return layered(scene)
    problem = ""
    for straight in (False, True):
        source = digraph(scene, THEMES["light"], bare=True, straight=straight).source
        try:
            answer = json.loads(run(program, source, "-Kdot", "-Tjson", "-q"))
            return _read(scene, answer, Path(program).name)
        except DrawingError as error:
            problem = error.problem
            if "took longer" in problem:
                break
        except (ValueError, KeyError, TypeError, IndexError) as error:
            problem = f"{program} gave an answer that cannot be read ({type(error).__name__})"
    if engine != "auto" and "MICROGRADX_DOT" not in os.environ:
        raise DrawingError("draw", problem, "Use engine='built-in'")
    placed = layered(scene)
    notes = (*placed.notes, f"drawn with the built-in layout: {Path(program).name} failed")
    return Placement(**{**placed.__dict__, "notes": notes})


def _ranks_crossed(scene: Scene) -> int:
    """How many ranks the wires of a scene pass over, between those of their ends."""
    ahead: dict[str, list[str]] = {box.key: [] for box in scene.boxes}
    waiting = dict.fromkeys(ahead, 0)
    for wire in scene.wires:
        ahead[wire.tail].append(wire.head)
        waiting[wire.head] += 1
    rank = dict.fromkeys(ahead, 0)
    ready = [key for key, count in waiting.items() if not count]
    for key in ready:
        for target in ahead[key]:
            rank[target] = max(rank[target], rank[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return sum(max(rank[w.head] - rank[w.tail] - 1, 0) for w in scene.wires)


def _read(scene: Scene, answer: dict[str, Any], program: str) -> Placement:
    """Turn Graphviz's JSON into a placement; raise unless every box and wire is in it."""
    left, bottom, right, top = map(float, answer["bb"].split(","))
    objects = answer.get("objects", [])
    positions: dict[str, tuple[float, float]] = {}
    frames: dict[str, tuple[float, float, float, float]] = {}
    margin = 12.0

    def at(x: str | float, y: str | float) -> tuple[float, float]:
        return round(float(x) - left + margin, 2), round(top - float(y) + margin, 2)

    for thing in objects:
        if "bb" in thing:
            x0, y0, x1, y1 = thing["bb"].split(",")
            frames[thing["id"]] = (*at(x0, y1), *at(x1, y0))
        elif "pos" in thing:
            box = scene.by_key[thing["id"]]
            x, y = at(*thing["pos"].split(","))
            positions[box.key] = (round(x - box.width / 2, 2), round(y - box.height / 2, 2))
    routes: dict[str, Route] = {}
    by_key = {wire.key: wire for wire in scene.wires}
    for edge in answer.get("edges", []):
        wire = by_key[edge["id"]]
        routes[wire.key] = _course(edge, wire.label, at)
    if len(positions) != len(scene.boxes) or len(routes) != len(scene.wires):
        raise DrawingError(
            "draw",
            f"{program} drew {len(positions)} of {len(scene.boxes)} boxes and {len(routes)} of "
            f"{len(scene.wires)} wires",
            "Use engine='built-in'",
        )
    width, height = right - left + 2 * margin, top - bottom + 2 * margin
    placement = Placement(
        positions, routes, round(width, 2), round(height, 2), frames, engine=program
    )
    return placement if frames or not scene.regions else outlines(scene, placement)


def _course(edge: dict[str, Any], label: Any, at: Any) -> Route:
    tip = None
    points = []
    for word in edge["pos"].split():
        if word.startswith("e,"):
            tip = at(*word.split(",")[1:])
        elif word.startswith("s,"):
            points.append(at(*word.split(",")[1:]))
        else:
            points.append(at(*word.split(",")))
    if len(points) % 3 != 1:
        raise ValueError(edge["pos"])
    place_of_label = None
    if label:
        x, y = at(*edge["lp"].split(","))
        width, height = lines_size(label)
        place_of_label = (round(x - width / 2, 2), round(y - height / 2, 2))
    return Route(tuple(points), tip, place_of_label)
