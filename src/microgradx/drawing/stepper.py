"""`animate`: the backward pass one contribution at a time, in one offline HTML file."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microgradx.drawing.api import draw
from microgradx.drawing.metrics import clean
from microgradx.drawing.page import stepper_page
from microgradx.errors import DrawingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from microgradx.drawing.cells import Look
    from microgradx.drawing.picture import Drawing
    from microgradx.drawing.snapshot import Link, Record, Snapshot

__all__ = ["Animation", "Step", "animate"]

_MOST_NODES = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the backward pass: what one use of `x` adds to its gradient.

    Parameters
    ----------
    x : str
        Name of the operand whose gradient grows.
    z : str
        Name of the result it was used for; empty for the seed.
    local : float or None
        The local derivative ``∂z/∂x`` (numbers only).
    amount : float or None
        What is added (numbers only).
    total : float or None
        The gradient of `x` after this step (numbers only).
    sentence : str
        ``∂L/∂a += ∂L/∂e × ∂e/∂a = 0.7864 × (−1.5) = −1.18``.
    note : str
        Where the local derivative comes from, and why contributions add.
    """

    x: str
    z: str
    local: float | None
    amount: float | None
    total: float | None
    sentence: str
    note: str


class Animation:
    """The backward pass, step by step; made by `animate`.

    Attributes
    ----------
    steps : tuple of Step
        What happens, in reverse topological order.
    drawing : Drawing
        The still picture with all gradients.
    """

    def __init__(self, drawing: Drawing, look: Look, start: str) -> None:
        self.drawing = drawing
        self._rows = _rows(drawing.graph, look)
        self.steps = tuple(step for step, _ in self._rows)
        self._start = start

    @cached_property
    def html(self) -> str:
        """The page: self-contained, works offline from a file."""
        picture = self.drawing
        title = "Backward pass of " + ", ".join(
            picture.graph.nodes[i].name for i in picture.graph.roots
        )
        data = [row for _, row in self._rows]
        start = len(data) if self._start == "end" else 0
        return stepper_page(picture.scene, picture.svg, title, data, start)

    @property
    def text(self) -> str:
        """All steps as numbered lines."""
        return "\n".join(
            f"{i:>3}  {step.sentence}" + (f"   ({step.note})" if step.note else "")
            for i, step in enumerate(self.steps, 1)
        )

    def save(self, path: str | Path) -> Path:
        """Write the page (``.html``) or the steps as text (``.txt``).

        Parameters
        ----------
        path : str or Path
            Where; the suffix decides.

        Returns
        -------
        Path

        Raises
        ------
        DrawingError
            For another suffix.
        """
        path = Path(path)
        forms = {".html": lambda: self.html, ".txt": lambda: self.text + "\n"}
        if path.suffix.lower() not in forms:
            raise DrawingError(
                "Animation.save",
                f"a stepper cannot be written as {path.suffix or path.name!r}",
                "Use .html or .txt; for a still picture, draw(...).save(...)",
            )
        path.write_text(forms[path.suffix.lower()](), encoding="utf-8")
        return path

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Animation: {len(self.steps)} steps, {self.drawing.graph.counts()}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        # Untrusted notebooks blank the iframe; the still picture below it stays. Where scripts
        # run, the iframe's own page is enough and the still picture is folded away.
        del include, exclude
        height = int(self.drawing.size[1]) + 330
        still = base64.b64encode(self.drawing.svg.encode()).decode()
        words = escape(clean(self.drawing.scene.summary), quote=True)
        return {
            "text/html": (
                f'<iframe style="width:100%;height:{height}px;border:0" '
                f'srcdoc="{escape(self.html, quote=True)}"></iframe>'
                f"<details><summary>still picture</summary>"
                f'<img alt="{words}" style="max-width:100%" '
                f'src="data:image/svg+xml;base64,{still}"/></details>'
            ),
            "text/plain": self.text,
        }


def animate(
    out: Any,
    *,
    names: Mapping[str, Any] | str | None = "auto",
    style: str = "auto",
    start: str = "start",
    fmt: str = ".4g",
    theme: str = "auto",
    engine: str = "auto",
) -> Animation:
    """Step through the backward pass of a result.

    The pass is run on the side, so ``backward()`` need not have been called, and no gradient of
    the graph is touched.

    Parameters
    ----------
    out : Value or Tensor
        Where the pass starts, with cotangent 1.
    names, fmt, theme, engine
        As for `draw`.
    style : {"auto", "card", "tensor"}
        How the still picture is drawn.
    start : {"start", "end"}
        Whether the page opens before the first or after the last step.

    Returns
    -------
    Animation
        ``.save("backward.html")`` writes one offline file; notebooks show it.

    Raises
    ------
    DrawingError
        For more than 300 nodes, which nobody steps through.

    Examples
    --------
    >>> from microgradx import Value
    >>> a = Value(3.0, name="a")
    >>> print(animate(a * a))
      1  ∂v1/∂v1 = 1   (the seed: a result changes as much as itself)
      2  ∂v1/∂a += ∂v1/∂v1 × ∂v1/∂a = 1 × 3 = 3   (v1 = a × a, local derivative a = 3)
      3  ∂v1/∂a += ∂v1/∂v1 × ∂v1/∂a = 1 × 3 = 3   (v1 = a × a, \
local derivative a = 3; a is used 2 times, so \
contributions add: 3 + 3 = 6)
    """
    if start not in ("start", "end"):
        raise DrawingError("animate", f"start is {start!r}", "Use 'start' or 'end'")
    still = draw(
        out, style="card" if style == "auto" else style, names=names, fmt=fmt, theme=theme,
        engine=engine, max_boxes=None, fresh=True,
    )  # fmt: skip
    if len(still.graph.nodes) > _MOST_NODES:
        raise DrawingError(
            "animate",
            f"{len(still.graph.nodes):,} nodes are too many to step through",
            f"Pass a result of at most {_MOST_NODES} nodes",
        )
    return Animation(still, replace(still.look, fmt=fmt), start)


def _rows(graph: Snapshot, look: Look) -> list[tuple[Step, dict[str, object]]]:
    """The steps, and what the page needs of each."""
    root = ", ".join(graph.nodes[i].name for i in graph.roots)
    incoming, outgoing = graph.incoming(), graph.outgoing()
    sums: dict[int, float] = {}
    seen: dict[int, list[float]] = {}
    rows: list[tuple[Step, dict[str, object]]] = []
    for i in graph.roots:
        record = graph.nodes[i]
        seed = record.cotangent
        text = "1" if seed is None else look.grad(seed)
        if seed is not None and seed.number is not None:
            sums[i], seen[i] = seed.number, [seed.number]
        sentence = f"∂{root}/∂{record.name} = {text}"
        note = "the seed: a result changes as much as itself"
        step = Step(record.name, "", None, None, sums.get(i), sentence, note)
        rows.append((step, {"x": record.key, "sum": text, "eq": [[sentence, 0]], "note": note}))
    for index in graph.order:
        links = incoming[index]
        consumer = graph.nodes[index]
        if len(links) == 2 and not consumer.is_array and consumer.op != "total":
            # The engine's walk over Values adds the second operand's share first.
            links = links[::-1]
        for link in links:
            if link.term is not None:
                uses = len(outgoing[link.producer])
                rows.append(_row(graph, link, look, root, sums, seen, uses))
    return rows


def _row(
    graph: Snapshot,
    link: Link,
    look: Look,
    root: str,
    sums: dict[int, float],
    seen: dict[int, list[float]],
    uses: int,
) -> tuple[Step, dict[str, object]]:
    x, z = graph.nodes[link.producer], graph.nodes[link.consumer]
    where = f"{z.name} = {z.expression}"
    number = look.number(link.local) if link.local is not None else ""
    if link.formula and link.formula != number:
        where += f", local derivative {link.formula}"
        where += f" = {number}" if number else ""
    head = f"∂{root}/∂{x.name} += "
    amount = link.term.number if link.term is not None else None
    if amount is None or link.local is None:
        return _array_row(x, z, link, look, head, where, uses)
    g = z.cotangent.number if z.cotangent is not None else None
    sums[x.index] = sums.get(x.index, 0.0) + amount
    seen.setdefault(x.index, []).append(amount)
    if len(seen[x.index]) > 1:
        shown = seen[x.index]
        parts = [look.number(shown[0]), *map(look.signed, shown[1:])]
        if len(parts) > _TERMS:
            parts = [*parts[:2], "…", parts[-1]]
        total = look.number(sums[x.index])
        where += f"; {x.name} is used {uses} times, so contributions add: "
        where += f"{' + '.join(parts)} = {total}"
    chain = f"∂{root}/∂{z.name} × ∂{z.name}/∂{x.name} = "
    product = f"{look.number(g or 0.0)} × {look.signed(link.local)} = "
    sentence = head + chain + product + look.number(amount)
    step = Step(x.name, z.name, link.local, amount, sums[x.index], sentence, where)
    row: dict[str, object] = {
        "w": link.key, "z": z.key, "x": x.key, "sum": look.number(sums[x.index]),
        "eq": [[head + chain + product, 0], [look.number(amount), 1]], "note": where,
    }  # fmt: skip
    return step, row


_TERMS = 6


def _array_row(
    x: Record, z: Record, link: Link, look: Look, head: str, where: str, uses: int
) -> tuple[Step, dict[str, object]]:
    """A step between arrays: the rule, and the size of what it adds."""
    rule = link.formula or f"the rule of {z.op}"
    added = look.grad(link.term) if link.term is not None else ""
    if link.broadcast:
        where += f"; broadcasting is undone by summing axis {', '.join(map(str, link.broadcast))}"
    if uses > 1:
        where += f"; {x.name} is used {uses} times, so contributions add"
    total = look.grad(x.cotangent) if x.cotangent is not None else added
    sentence = f"{head}{rule}: {added}"
    step = Step(x.name, z.name, None, None, None, sentence, where)
    eq = [[f"{head}{rule}: ", 0], [added, 1]]
    return step, {"w": link.key, "z": z.key, "x": x.key, "sum": total, "eq": eq, "note": where}
