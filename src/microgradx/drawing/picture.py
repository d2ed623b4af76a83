"""`Drawing`: one immutable picture in every format, made when it is asked for."""

from __future__ import annotations

import base64
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microgradx.drawing import programs, prose
from microgradx.drawing.dot import digraph
from microgradx.drawing.lanes import place_lanes
from microgradx.drawing.metrics import clean
from microgradx.drawing.page import page
from microgradx.drawing.svg import page_size, svg
from microgradx.errors import DrawingError

if TYPE_CHECKING:
    import graphviz

    from microgradx.drawing.cells import Look
    from microgradx.drawing.scene import Placement, Scene
    from microgradx.drawing.snapshot import Snapshot
    from microgradx.drawing.theme import Theme

__all__ = ["Drawing"]

_MOST_PIXELS = 8_000


class Drawing:
    """A picture of a computation graph: a copy of its numbers, in every format.

    Made by `draw`; later calls of ``backward()`` do not change it. In a notebook it shows itself,
    in untrusted ones too.

    Attributes
    ----------
    graph : Snapshot
        All traced nodes and edges with their numbers: the truth behind the picture.
    scene : Scene
        The boxes and wires of this picture.
    style : str
        The style that was chosen.
    notes : tuple of str
        What was collapsed, accumulated or given up; also written in the picture.

    Examples
    --------
    >>> from microgradx import Value, draw
    >>> a = Value(2.0, label="a")
    >>> L = a * a
    >>> L.name = "L"
    >>> L.backward()
    >>> print(draw(L))
                value  grad  local ∂
    L = a × a       4     1
    ├─ a            2     4           2
    └─ a ↑                            2
    2 nodes, 2 edges; a is used 2 times: 2 + 2
    """

    def __init__(
        self,
        graph: Snapshot,
        scene: Scene,
        look: Look,
        theme: Theme,
        *,
        style: str,
        engine: str = "auto",
    ) -> None:
        self.graph = graph
        self.style = style
        self.scene, self.look = scene, look
        self._theme, self._engine = theme, engine

    @property
    def notes(self) -> tuple[str, ...]:
        """What was collapsed, accumulated or given up."""
        return (*self.scene.notes, *self._placement.notes)

    @cached_property
    def _placement(self) -> Placement:
        def lay_out(scene: Scene) -> Placement:
            return programs.place(scene, self._engine)

        return place_lanes(self.scene, lay_out) if self.style == "lanes" else lay_out(self.scene)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the whole picture, in points."""
        return page_size(self.scene, self._placement)

    @cached_property
    def svg(self) -> str:
        """The picture as one SVG document; the same bytes in every process."""
        return svg(self.scene, self._placement, self._theme)

    @cached_property
    def dot(self) -> str:
        """DOT text that Graphviz lays out; the lanes style pins every position."""
        pinned = self._placement if self.style == "lanes" else None
        return str(digraph(self.scene, self._theme, placement=pinned).source)

    @property
    def html(self) -> str:
        """A page of its own: the picture with a legend, details and highlighting on hover."""
        return page(self.scene, self.svg, self.scene.title or "Computation graph")

    @property
    def mermaid(self) -> str:
        """A Mermaid flowchart of all nodes and edges (at most 480 edges)."""
        return prose.mermaid(self.scene, self.graph, self.look)

    @property
    def text(self) -> str:
        """The graph as an indented tree, or a collapsed drawing as a table."""
        if self.style in ("modules", "program"):
            return prose.scene_table(self.scene)
        return prose.tree(self.graph, self.look)

    @property
    def json(self) -> str:
        """All nodes and edges with their numbers."""
        return prose.to_json(self.graph)

    def png(self, dpi: float = 96) -> bytes:
        """Render with a Graphviz program.

        Parameters
        ----------
        dpi : float
            Dots per inch; 72 makes one pixel of one point. Reduced, and said so in `notes`,
            where a side would exceed 8,000 pixels.

        Returns
        -------
        bytes

        Raises
        ------
        DrawingError
            If no Graphviz program is found; the message has the one command that mends it.
        """
        program = programs.need_program(self._engine, "PNG")
        longest = max(self.size)
        dpi = min(dpi, _MOST_PIXELS * 72 / longest)
        return programs.run(
            program, self._pinned(), "-Kneato", "-n2", "-Tpng", f"-Gdpi={dpi:.1f}", "-q"
        )

    def pdf(self) -> bytes:
        """Render with Graphviz's ``dot`` (graphviz-pure writes no PDF).

        Returns
        -------
        bytes

        Raises
        ------
        DrawingError
            If ``dot`` is not found or cannot write PDF.
        """
        program = programs.find_pdf_program(self._engine)
        return programs.run(program, self._pinned(), "-Kneato", "-n2", "-Tpdf", "-q")

    def _pinned(self) -> str:
        return str(digraph(self.scene, self._theme, placement=self._placement).source)

    def to_graphviz(self) -> graphviz.Digraph:
        """The drawing as an object of the ``graphviz`` package."""
        pinned = self._placement if self.style == "lanes" else None
        return digraph(self.scene, self._theme, placement=pinned)

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file; the suffix decides the format.

        Parameters
        ----------
        path : str or Path
            Ends in ``.svg .html .png .pdf .dot .gv .mmd .txt`` or ``.json``.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        DrawingError
            If the suffix is not known, or a program that it needs is missing.
        """
        path = Path(path)
        forms: dict[str, Any] = {
            ".svg": lambda: self.svg, ".html": lambda: self.html, ".png": self.png,
            ".pdf": self.pdf, ".dot": lambda: self.dot, ".gv": lambda: self.dot,
            ".mmd": lambda: self.mermaid, ".txt": lambda: self.text + "\n",
            ".json": lambda: self.json,
        }  # fmt: skip
        if path.suffix.lower() not in forms:
            raise DrawingError(
                "Drawing.save", f"no format is called {path.suffix or path.name!r}",
                f"Use one of {' '.join(forms)}",
            )  # fmt: skip
        content = forms[path.suffix.lower()]()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def render(self, filename: str = "graph", format: str = "svg", **_: Any) -> str:  # noqa: A002
        """Write ``filename.format`` and return its name, as ``graphviz.Digraph.render`` does."""
        return str(self.save(f"{filename}.{format}"))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Drawing: {self.style}, {self.graph.counts()}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        del include, exclude
        # An <img> with a data address is what untrusted notebooks still show: they drop
        # image/svg+xml and empty iframes.
        try:
            picture = base64.b64encode(self.svg.encode()).decode()
            words = escape(clean(self.scene.summary), quote=True)
            source = f"data:image/svg+xml;base64,{picture}"
            html = f'<img alt="{words}" style="max-width:100%" src="{source}"/>'
        except DrawingError as error:
            return {"text/plain": f"{self.text}\n{error}"}
        return {"text/html": html, "text/plain": self.text}
