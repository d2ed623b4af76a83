"""`draw`: from a Value or a Tensor to a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from microgradx.drawing import grouping, owners
from microgradx.drawing.captured import is_program, program_scene
from microgradx.drawing.cards import cards
from microgradx.drawing.cells import Look
from microgradx.drawing.circuit import circuit
from microgradx.drawing.formulas import local_formula
from microgradx.drawing.lanes import lanes
from microgradx.drawing.modules import HIDDEN, collapsed
from microgradx.drawing.names import caller_frame, names_in, names_of_arrays, variables_of
from microgradx.drawing.picture import Drawing
from microgradx.drawing.snapshot import Snapshot, take
from microgradx.drawing.tensors import tensors
from microgradx.drawing.theme import find_theme
from microgradx.drawing.watching import names_from_lines
from microgradx.errors import DrawingError, UnsupportedError
from microgradx.graph import Node, ancestors
from microgradx.tensor import Tensor
from microgradx.value import Value

if TYPE_CHECKING:
    from microgradx.drawing.scene import Scene

__all__ = ["draw", "draw_dot", "trace"]

STYLES = ("auto", "circuit", "card", "lanes", "tensor", "modules")
_CIRCUIT_UP_TO = 40
_MODULE_BOXES = 40
_LONGEST_ROW, _GAP = 1_500.0, 40.0


def draw(
    out: Any,
    *more: Any,
    style: str = "auto",
    part: str = "both",
    direction: str = "auto",
    names: Mapping[str, Any] | str | None = "auto",
    values: bool = True,
    grads: bool = True,
    local: bool = True,
    contributions: bool = False,
    group_by: str = "auto",
    depth: int | None = None,
    open: Sequence[str] | str = (),  # noqa: A002
    focus: Any = None,
    radius: int = 2,
    constants: str = "inline",
    max_boxes: int | None = 300,
    fmt: str = ".4g",
    theme: str = "auto",
    title: str = "",
    engine: str = "auto",
    fresh: bool = False,
) -> Drawing:
    """Draw the computation graph of a result, with its numbers.

    Parameters
    ----------
    out, *more : Value or Tensor
        Results to start from. A captured step or its `Program` is drawn as instructions in
        forward, backward and update regions; of what follows only `direction`, `theme`, `title`
        and `engine` then matter.
    style : {"auto", "circuit", "card", "lanes", "tensor", "modules"}
        ``circuit`` has the value above the wire and the gradient below; ``card`` one box per
        value; ``lanes`` the backward graph under the forward graph; ``tensor`` shapes and
        statistics; ``modules`` few boxes that count what they hide. ``auto`` takes circuit up to
        40 operations, then card; tensor for arrays; modules above `max_boxes`.
    part : {"both", "forward", "backward"}
        ``forward`` leaves gradients out; ``backward`` is the lower lane alone, or the recorded
        backward graph after ``backward(create_graph=True)``.
    direction : {"auto", "LR", "TB"}
        Left to right, or top to bottom; ``auto`` takes the second for long tensor and module
        drawings. Lanes always run from left to right.
    names : "auto", None, or dict of str to node
        What unnamed nodes are called: the caller's variables, nothing, or the dictionary's keys.
        A node's own name wins.
    values, grads, local, contributions : bool
        Whether to show values, gradients, local derivatives on the edges, and what each edge adds
        to a gradient.
    group_by : {"auto", "module", "line", "level"}
        What the modules style puts into one box.
    depth : int, optional
        How many levels of modules are open.
    open : str or sequence of str
        Modules to open, for example ``"model.layers[0]"``.
    focus : Value or Tensor, optional
        Draw only what is at most `radius` operations away from this node.
    radius : int
        See `focus`.
    constants : {"inline", "show", "hide"}
        Raw numbers: inside the expressions, as boxes, or only in the operation's sign.
    max_boxes : int or None
        Above this many nodes the drawing is collapsed, and says so; None draws every node.
    fmt : str
        Format of numbers.
    theme : {"auto", "light", "dark", "cs231n", "mono"}
        ``auto`` follows the reader's system.
    title : str
        A heading.
    engine : str
        ``auto``, ``built-in``, ``dot``, ``graphviz-pure``, or a path to a Graphviz program.
    fresh : bool
        Show the gradients of one backward pass from here with cotangent 1, run on the side,
        instead of what ``grad`` holds.

    Returns
    -------
    Drawing
        Shows itself in notebooks; ``.save("graph.svg")`` writes it.

    Raises
    ------
    UnsupportedError
        If `out` is not a Value or Tensor.
    DrawingError
        For an unknown style, part, theme or engine.

    Examples
    --------
    >>> from microgradx import Value, draw
    >>> a, b = Value(0.5), Value(-1.5)
    >>> out = (a * b).tanh()
    >>> out.backward()
    >>> draw(out)
    <Drawing: circuit, 4 nodes, 3 edges>
    """
    program = is_program(out)
    if program is not None:
        look = Look(direction="LR" if direction == "auto" else direction, title=title)
        graph, scene = program_scene(program, look)
        return Drawing(graph, scene, look, find_theme(theme), style="program", engine=engine)
    roots = _roots((out, *more))
    _choose("style", style, STYLES)
    _choose("part", part, ("both", "forward", "backward"))
    _choose("direction", direction, ("auto", "LR", "TB"))
    _choose("constants", constants, ("inline", "show", "hide"))
    _choose("group_by", group_by, ("auto", "module", "line", "level"))
    look = Look(
        values, grads and part != "forward", local and part != "forward", contributions, fmt,
        direction, title, part,
    )  # fmt: skip
    found = find_theme(theme)
    variables = variables_of(caller_frame()) if names == "auto" else {}
    if isinstance(names, Mapping):
        variables = dict(names)
    reached = ancestors(roots)
    held = owners.parameters_in(variables, reached)
    known = held | names_in(variables, reached)
    arrays = _unnamed_arrays(reached, known)
    if arrays:
        known |= names_of_arrays(variables, arrays)
    if names == "auto":
        by_age = sorted(reached.values(), key=lambda node: node.time)
        known = names_from_lines(by_age) | known
    is_large = max_boxes is not None and len(reached) > max_boxes
    needs_terms = contributions or style == "lanes" or part == "backward" or focus is not None
    snapshot = take(
        roots,
        names=known,
        parameters=frozenset(held),
        part=part,
        fmt=fmt,
        constants=constants,
        formula=None if is_large else local_formula,
        terms=needs_terms or fresh or not is_large,
        fresh=fresh,
    )
    if part == "backward" and any(node.depth for node in snapshot.nodes):
        snapshot = _behind(snapshot)
    if focus is not None:
        snapshot = _focused(snapshot, focus, radius, known)
        is_large = max_boxes is not None and len(snapshot.nodes) > max_boxes
    style = _style(style, snapshot, part, is_large)
    if style == "modules":
        scene = _modules(snapshot, look, variables, group_by, depth, open, max_boxes or 10**9)
    else:
        scene = _scene(style, snapshot, look)
    if direction == "auto":
        is_long = style in ("tensor", "modules") and _length(scene) > _LONGEST_ROW
        scene = replace(scene, direction="TB" if is_long else "LR")
    return Drawing(snapshot, scene, look, found, style=style, engine=engine)


def draw_dot(root: Any, format: str = "svg", rankdir: str = "LR") -> Drawing:  # noqa: A002, ARG001
    """Draw as the micrograd lecture's function of this name does.

    Parameters
    ----------
    root : Value
        The result.
    format : str
        Kept for the call's sake; the `Drawing` writes every format.
    rankdir : {"LR", "TB"}
        Left to right, or top to bottom.

    Returns
    -------
    Drawing
        Shows itself in a notebook; has ``render`` and ``save``.

    Examples
    --------
    >>> from microgradx import Value
    >>> draw_dot(Value(1.0) + 2)
    <Drawing: circuit, 2 nodes, 1 edge>
    """
    _choose("rankdir", rankdir, ("LR", "TB"))
    return draw(root, direction=rankdir)


def trace(root: Any) -> tuple[set[Any], set[tuple[Any, Any]]]:
    """Collect the nodes and edges of a graph, as the micrograd lecture's function does.

    Parameters
    ----------
    root : Value or Tensor
        The result.

    Returns
    -------
    nodes, edges : set of nodes, set of (parent, child)
        Both edges of ``a * a`` are one pair here; `draw` keeps them apart.

    Examples
    --------
    >>> from microgradx import Value
    >>> a = Value(2.0)
    >>> nodes, edges = trace(a * a)
    >>> len(nodes), len(edges)
    (2, 1)
    """
    nodes = set(ancestors(_roots((root,))).values())
    edges = {(p, node) for node in nodes for p in node.parents if isinstance(p, Node)}
    return nodes, edges


def _roots(given: Sequence[Any]) -> list[Any]:
    for thing in given:
        if not isinstance(thing, (Value, Tensor)):
            raise UnsupportedError(
                "draw",
                f"expected a Value or a Tensor, not {type(thing).__name__}",
                "Pass the result of a computation, for example the loss",
            )
    return list(given)


def _unnamed_arrays(reached: Mapping[int, Any], known: Mapping[int, str]) -> dict[int, Any]:
    """Constant arrays among the operands, and data that was wrapped into untracked Tensors."""
    found = {}
    for key, node in reached.items():
        for p in node.parents:
            if type(p).__name__ == "ndarray" and p.size > 1:
                found[id(p)] = p
        data = node._data
        is_data = node.op is None and node.name is None and not node.requires_grad
        if is_data and key not in known and getattr(data, "size", 0) > 1:
            found[key] = data
    return found


def _choose(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise DrawingError(
            "draw", f"no {what} is called {given!r}", f"Choose one of {', '.join(known)}"
        )


def _style(style: str, snapshot: Snapshot, part: str, is_large: bool) -> str:
    recorded = any(node.depth for node in snapshot.nodes)
    if style != "auto":
        return "card" if style == "lanes" and recorded else style
    if is_large:
        return "modules"
    if part == "backward" and not recorded:
        return "lanes"
    if snapshot.has_arrays:
        return "tensor"
    ops = sum(node.kind == "op" for node in snapshot.nodes)
    return "circuit" if ops <= _CIRCUIT_UP_TO else "card"


def _length(scene: Scene) -> float:
    """How long the scene's longest chain of boxes is, drawn from left to right."""
    after: dict[str, list[str]] = {}
    missing = dict.fromkeys(scene.by_key, 0)
    for wire in scene.wires:
        after.setdefault(wire.tail, []).append(wire.head)
        missing[wire.head] += 1
    ends = {key: scene.by_key[key].width for key in scene.by_key}
    ready = [key for key, count in missing.items() if not count]
    for key in ready:
        for head in after.get(key, ()):
            ends[head] = max(ends[head], ends[key] + _GAP + scene.by_key[head].width)
            missing[head] -= 1
            if not missing[head]:
                ready.append(head)
    return max(ends.values(), default=0.0)


def _scene(style: str, snapshot: Snapshot, look: Look) -> Scene:
    if style == "circuit":
        return circuit(snapshot, look)
    if style == "lanes":
        return lanes(snapshot, look)
    if style == "tensor":
        return tensors(snapshot, look)
    return cards(snapshot, look)


def _modules(
    snapshot: Snapshot,
    look: Look,
    variables: Mapping[str, Any],
    group_by: str,
    depth: int | None,
    opened: Sequence[str] | str,
    most: int,
) -> Scene:
    names = (opened,) if isinstance(opened, str) else tuple(opened)
    notes: tuple[str, ...] = ("see inside with open=..., depth=... or focus=...",)
    if group_by in ("auto", "module"):
        spans, held = owners.spans_of(variables, snapshot)
        if spans or held:
            paths = grouping.by_modules(snapshot, spans, held)
            depth = depth or _best_depth(paths, names)
            return collapsed(
                snapshot, paths, look, depth=depth, opened=names, notes=notes,
                kinds=owners.kinds_of(variables),
            )  # fmt: skip
    if group_by in ("auto", "line"):
        lines = grouping.lines_of(snapshot)
        if lines:
            paths = grouping.by_lines(snapshot, lines)
            if len({path for path in paths if path}) + paths.count(()) <= most:
                kinds = {path: path[-1].partition(HIDDEN)[2] for path in set(paths) if path}
                return collapsed(
                    snapshot, paths, look, depth=depth or 1, opened=names, notes=notes, kinds=kinds
                )
    paths = grouping.by_levels(snapshot, min(most, _MODULE_BOXES))
    return collapsed(snapshot, paths, look, depth=depth or 1, opened=names, notes=notes)


def _best_depth(paths: Sequence[tuple[str, ...]], opened: Sequence[str]) -> int:
    """The deepest level of modules that keeps the picture small."""
    if opened:
        return 1
    deepest = max((len(path) for path in paths), default=1)
    for depth in range(deepest, 1, -1):
        if len({path[:depth] for path in paths}) <= _MODULE_BOXES // 2:
            return depth
    return 1


def _behind(snapshot: Snapshot) -> Snapshot:
    """The recorded backward graph, with the forward values that it reads."""
    kept = {node.index for node in snapshot.nodes if node.depth}
    kept |= {link.producer for link in snapshot.links if snapshot.nodes[link.consumer].depth}
    part = snapshot.part(kept, f"the recorded backward graph: {len(kept)} nodes")
    # Edges between forward values belong to the forward graph.
    links = tuple(link for link in part.links if part.nodes[link.consumer].depth)
    return replace(part, links=links)


def _focused(snapshot: Snapshot, focus: Any, radius: int, names: Mapping[int, str]) -> Snapshot:
    """The part of a snapshot at most `radius` operations away from a node."""
    del names
    centre = next((n.index for n in snapshot.nodes if n.time == focus.time), None)
    if centre is None:
        raise DrawingError("draw", "the focus is not in this graph", "Pass one of its nodes")
    near: list[set[int]] = [set() for _ in snapshot.nodes]
    for link in snapshot.links:
        near[link.producer].add(link.consumer)
        near[link.consumer].add(link.producer)
    kept, edge = {centre}, {centre}
    for _ in range(radius):
        edge = {m for n in edge for m in near[n]} - kept
        kept |= edge
    return snapshot.part(
        kept, f"{len(kept):,} of {len(snapshot.nodes):,} nodes: those near the focus"
    )
