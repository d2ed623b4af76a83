r"""DOT text for Graphviz, by the rules that make its engines draw every edge.

Measured on Graphviz 2.43 and graphviz-pure 0.2.2: record shapes in clusters lose edges, so boxes
are HTML tables or plain shapes; ``newrank=true`` avoids "trouble in init_rank"; three-digit
colours come out black; Arial is the one name that both measure as we do; raw ``&``
in a quoted string makes invalid XML, and ``\N`` is expanded even in HTML labels.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from microgradx.drawing.metrics import clean
from microgradx.drawing.scene import Box, Cell, Placement, Region, Scene, Text, Wire, lines_size

if TYPE_CHECKING:
    import graphviz

    from microgradx.drawing.theme import Palette, Theme

__all__ = ["digraph"]

_POINTS_PER_INCH = 72


def digraph(
    scene: Scene,
    theme: Theme,
    *,
    placement: Placement | None = None,
    bare: bool = False,
    straight: bool = False,
) -> graphviz.Digraph:
    """Write a scene as a DOT graph.

    Parameters
    ----------
    scene : Scene
        What to draw.
    theme : Theme
        Its light palette is used: DOT knows no dark mode.
    placement : Placement, optional
        Pin every box and wire where it stands (for ``neato -n2``).
    bare : bool
        Only the sizes of boxes and labels: what the layout needs, and a third of the time.
    straight : bool
        Ask for straight edges, which no version has been seen to lose.

    Returns
    -------
    graphviz.Digraph
        ``.source`` is the text.
    """
    import graphviz  # noqa: PLC0415

    palette = theme.light
    graph = graphviz.Digraph("microgradx")
    graph.attr(
        rankdir=scene.direction, newrank="true", bgcolor=palette.paper, fontname="Arial",
        nodesep="0.22", ranksep="0.32", margin="0", pad="0.14", outputorder="edgesfirst",
        charset="UTF-8",
    )  # fmt: skip
    if straight:
        graph.attr(splines="line")
    if placement is not None:
        graph.attr(layout="neato", notranslate="true", inputscale="72", splines="true")
    graph.attr("node", fontname="Arial", margin="0", color=palette.line, fontcolor=palette.ink)
    graph.attr("edge", fontname="Arial", fontsize="10", arrowsize="0.7", color=palette.line)
    inside = _regions(graph, scene, theme, placement, bare) if placement is None else set()
    for box in scene.boxes:
        if box.key not in inside:
            _node(graph, box, palette, placement, bare)
    for wire in scene.wires:
        _edge(graph, wire, scene, palette, placement, bare)
    if placement is not None:
        _extras(graph, scene, placement, palette)
    elif scene.title and not bare:
        graph.attr(label=_quoted(scene.title), labelloc="t", fontcolor=palette.ink)
    return graph


def _regions(
    graph: graphviz.Digraph, scene: Scene, theme: Theme, placement: Placement | None, bare: bool
) -> set[str]:
    inside: set[str] = set()

    def write(parent: graphviz.Digraph, region: Region) -> None:
        with parent.subgraph(name=f"cluster_{region.key}") as cluster:
            cluster.attr(
                label=_quoted(region.title), labeljust="l", fontsize="11", fontname="Arial",
                style="rounded,filled", margin="12", color=theme.light.mute,
                fillcolor=theme.light.region_fill, fontcolor=theme.light.mute, id=region.key,
            )  # fmt: skip
            for key in region.boxes:
                _node(cluster, scene.by_key[key], theme.light, placement, bare)
                inside.add(key)
            for inner in region.inner:
                write(cluster, inner)

    for region in scene.regions:
        write(graph, region)
    return inside


def _node(
    graph: graphviz.Digraph, box: Box, palette: Palette, placement: Placement | None, bare: bool
) -> None:
    attributes = {"id": box.key, "class": f"box {box.role}"}
    width, height = box.width / _POINTS_PER_INCH, box.height / _POINTS_PER_INCH
    if placement is not None:
        x, y = placement.boxes[box.key]
        x, y = x + box.width / 2, placement.height - y - box.height / 2
        attributes["pos"] = f"{x:.2f},{y:.2f}"
    fixed = {"width": f"{width:.4f}", "height": f"{height:.4f}", "fixedsize": "true"}
    if box.shape == "circle":
        text = box.rows[0][0].runs[0]
        attributes |= fixed | {"shape": "circle", "style": "filled", "fillcolor": palette.card}
        if box.role == "backward":
            attributes["color"] = palette.backward
        attributes["fontsize"] = f"{text.size:g}"
        label = "" if bare else _quoted(text.text)
    elif bare:
        attributes |= fixed | {"shape": "box"}
        label = ""
    else:
        attributes |= {"shape": "plain", "tooltip": _quoted(box.title or box.key)}
        label = _table(box, palette)
    graph.node(box.key, label, **attributes)


def _table(box: Box, palette: Palette) -> str:
    """An HTML label of exactly the size that the layout reckons with."""
    frame, fills = box.frame, palette.fills()
    line = {"backward": palette.backward, "forward": palette.forward}.get(box.role, palette.line)
    if box.warn:
        line = palette.warn
    border = 0 if box.shape == "wire" else 3 if box.warn or box.role == "module" else 1
    ground = "" if box.shape == "wire" else f' BGCOLOR="{palette.card}"'
    style = ' STYLE="ROUNDED"' if box.shape == "pill" else ""
    rows = []
    for i, row in enumerate(box.rows):
        if i and box.shape == "wire":
            rows.append("<HR/>")
        height = frame.rows[i + 1] - frame.rows[i]
        column, written = 0, []
        for cell in row:
            last = cell is row[-1]
            end = len(frame.columns) - 1 if last else column + cell.span
            span = end - column
            width = frame.columns[end] - frame.columns[column]
            fill = f' BGCOLOR="{fills[cell.fill]}"' if cell.fill else ""
            spans = f' COLSPAN="{span}"' if span > 1 else ""
            written.append(
                f'<TD{spans} ALIGN="{_ALIGN[cell.align]}" FIXEDSIZE="TRUE" '
                f'WIDTH="{width:.0f}" HEIGHT="{height:.0f}"{fill}>{_runs(cell, palette)}</TD>'
            )
            column = end
        rows.append(f"<TR>{''.join(written)}</TR>")
    return (
        f'<<TABLE BORDER="{border}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" '
        f'COLOR="{line}"{ground}{style}>{"".join(rows)}</TABLE>>'
    )


_ALIGN = {"start": "LEFT", "middle": "CENTER", "end": "RIGHT"}


def _runs(cell: Cell, palette: Palette) -> str:
    if not cell.runs:
        return " "
    written = "".join(_run(run, palette) for run in cell.runs)
    # Cells of a fixed size have no padding: a space keeps the text off the border.
    return f"&#160;{written}&#160;" if cell.align != "middle" else written


def _run(run: Text, palette: Palette) -> str:
    text = _html(run.text)
    if run.bold:
        text = f"<B>{text}</B>"
    if run.italic:
        text = f"<I>{text}</I>"
    colour = palette.text_roles()[run.role]
    return f'<FONT COLOR="{colour}" POINT-SIZE="{run.size:g}">{text}</FONT>'


def _edge(
    graph: graphviz.Digraph,
    wire: Wire,
    scene: Scene,
    palette: Palette,
    placement: Placement | None,
    bare: bool,
) -> None:
    attributes = {"id": wire.key, "class": f"wire {wire.role}"}
    tail, head = wire.tail, wire.head
    if scene.by_key[tail].shape == "wire":
        tail += ":e" if scene.direction == "LR" else ":s"
    if scene.by_key[head].shape == "wire":
        head += ":w" if scene.direction == "LR" else ":n"
    if not wire.arrow:
        attributes["dir"] = "none"
    if not bare:
        if wire.role in ("forward", "backward"):
            attributes["color"] = getattr(palette, wire.role)
        if wire.role == "backward":
            attributes["style"] = "dashed"
        if wire.count > 1:
            attributes["penwidth"] = "2.5"
        if wire.title:
            attributes["tooltip"] = _quoted(wire.title)
    if wire.label:
        if bare:
            width, height = lines_size(wire.label)
            attributes["label"] = (
                f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0">'
                f'<TR><TD FIXEDSIZE="TRUE" WIDTH="{width + 8:.0f}" HEIGHT="{height:.0f}"> </TD>'
                f"</TR></TABLE>>"
            )
        else:
            lines = ("".join(_run(run, palette) for run in line) for line in wire.label)
            attributes["label"] = f"<{'<BR/>'.join(lines)}>"
    if placement is not None and wire.key in placement.wires:
        attributes |= _pinned(wire, placement)
    graph.edge(tail, head, **attributes)


def _pinned(wire: Wire, placement: Placement) -> dict[str, str]:
    route = placement.wires[wire.key]

    def at(point: tuple[float, float]) -> str:
        return f"{point[0]:.2f},{placement.height - point[1]:.2f}"

    tip = f"e,{at(route.tip)} " if route.tip else ""
    pinned = {"pos": tip + " ".join(map(at, route.points))}
    if route.label is not None:
        width, height = lines_size(wire.label)
        pinned["lp"] = at((route.label[0] + width / 2, route.label[1] + height / 2))
    return pinned


def _extras(graph: graphviz.Digraph, scene: Scene, placement: Placement, palette: Palette) -> None:
    """Title, legend, notes and outlines, which a pinned drawing must carry as nodes."""
    titles = {}
    stack = list(scene.regions)
    while stack:
        region = stack.pop()
        titles[region.key] = region.title
        stack += region.inner
    for key, (x0, y0, x1, y1) in placement.regions.items():
        graph.node(
            key, "", shape="box", style="rounded", fixedsize="true", color=palette.mute,
            width=f"{(x1 - x0) / _POINTS_PER_INCH:.4f}",
            height=f"{(y1 - y0) / _POINTS_PER_INCH:.4f}",
            pos=f"{(x0 + x1) / 2:.2f},{placement.height - (y0 + y1) / 2:.2f}", id=key,
        )  # fmt: skip
        _words(
            graph, f"{key}t", (Text(titles[key], "mute", 11),), x0 + 9, y0 + 12, placement, palette
        )
    for i, (x, y, text) in enumerate(placement.captions):
        _words(graph, f"caption{i}", (text,), x, y - 4, placement, palette)
    if scene.title:
        _words(graph, "title", (Text(scene.title, bold=True),), 14, -10, placement, palette)
    y = placement.height
    if scene.legend:
        y += 14
        _words(graph, "legend", scene.legend, 14, y, placement, palette)
    for i, note in enumerate((*scene.notes, *placement.notes)):
        y += 16
        _words(graph, f"note{i}", (Text(note, "mute", 11),), 14, y, placement, palette)


def _words(
    graph: graphviz.Digraph,
    key: str,
    runs: tuple[Text, ...],
    x: float,
    y: float,
    placement: Placement,
    palette: Palette,
) -> None:
    """Text that starts at x."""
    width = sum(run.width for run in runs)
    graph.node(
        key, f"<{''.join(_run(run, palette) for run in runs)}>", shape="plain",
        pos=f"{x + width / 2:.2f},{placement.height - y:.2f}",
    )  # fmt: skip


def _html(text: str) -> str:
    # A backslash before a letter is an escape even here; U+2216 looks the same and is none.
    return escape(clean(text).replace("\\", "∖"), quote=True)


def _quoted(text: str) -> str:
    import graphviz  # noqa: PLC0415

    # Entities are decoded inside quoted strings, so a literal ampersand must be one itself.
    plain = clean(text).replace("\\", "∖").replace("&", "&amp;")
    plain = plain.replace("<", "&lt;").replace(">", "&gt;")
    return str(graphviz.escape(plain))
