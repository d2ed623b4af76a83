"""Graphs as plain text, Mermaid and JSON."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from microgradx.drawing.cells import ABSENT, Look, grad_text
from microgradx.drawing.metrics import clean
from microgradx.drawing.numbers import shape_text
from microgradx.errors import DrawingError

if TYPE_CHECKING:
    from microgradx.drawing.scene import Scene
    from microgradx.drawing.snapshot import Link, Record, Snapshot

__all__ = ["mermaid", "scene_table", "to_json", "tree"]

_MOST_ROWS = 400
_MERMAID_EDGES = 480
_ASCII = str.maketrans(
    {"├": "|", "└": "`", "─": "-", "│": "|", "−": "-", "×": "*", "∂": "d", "↑": "^", "—": "-"}
)


def tree(snapshot: Snapshot, look: Look, *, ascii_only: bool = False) -> str:
    """Write the graph as an indented tree with columns of numbers.

    A node that is used again is written once; later uses point back with an arrow.
    """
    incoming = snapshot.incoming()
    rows: list[tuple[str, str, str, str]] = []
    shown: set[int] = set()
    # (node, link to its consumer, the lines drawn before it, whether it is its parent's last)
    stack: list[tuple[int, Link | None, str, bool]] = [
        (i, None, "", True) for i in reversed(snapshot.roots)
    ]
    hidden = 0
    while stack:
        index, link, before, last = stack.pop()
        record = snapshot.nodes[index]
        if len(rows) >= _MOST_ROWS:
            hidden += 1
            continue
        branch = "" if link is None else before + ("└─ " if last else "├─ ")
        local = "" if link is None or link.local is None else look.number(link.local)
        if index in shown and record.kind == "op":
            rows.append((f"{branch}{record.name} ↑", "", "", local))
            continue
        again = index in shown
        shown.add(index)
        text = record.name + (f" = {record.expression}" if record.expression else "")
        rows.append(
            (
                branch + text + (" ↑" if again else ""),
                "" if again else _value_text(record, look),
                "" if again else grad_text(record, look),
                local,
            )
        )
        below = "" if link is None else before + ("   " if last else "│  ")
        operands = incoming[index]
        last_slot = len(operands) - 1
        stack.extend(
            (link.producer, link, below, i == last_slot)
            for i, link in reversed(list(enumerate(operands)))
        )
    head = ("", "value", "grad", "local ∂" if any(row[3] for row in rows) else "")
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(4)]
    lines = [
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip()
        for a, b, c, d in (head, *rows)
    ]
    if hidden:
        lines.append(f"... and {hidden:,} more lines")
    lines.append(_foot(snapshot, look))
    lines += snapshot.notes
    text = "\n".join(lines)
    return text.translate(_ASCII) if ascii_only else text


def _value_text(record: Record, look: Look) -> str:
    if record.value.number is not None and not record.is_array:
        return look.value(record.value)
    return f"{shape_text(record.value.shape)} {record.value.dtype} {look.value(record.value)}"


def _foot(snapshot: Snapshot, look: Look) -> str:
    foot = snapshot.counts()
    reused = [node for node in snapshot.nodes if node.uses > 1 and node.grad is not None]
    outgoing = snapshot.outgoing() if reused else []
    for node in reused[:3]:
        terms = [link.term for link in outgoing[node.index] if link.term is not None]
        if (
            len(terms) == node.uses
            and len(terms) > 1
            and all(term.number is not None for term in terms)
            and len(terms) <= 6
        ):
            numbers = [look.signed(term.number or 0.0) for term in terms]
            foot += f"; {node.name} is used {node.uses} times: {' + '.join(numbers)}"
    return foot


def scene_table(scene: Scene) -> str:
    """Write a collapsed drawing as text: its boxes, line by line, and what feeds them."""
    feeds: dict[str, list[str]] = {}
    for wire in scene.wires:
        times = f" ×{wire.count}" if wire.count > 1 else ""
        feeds.setdefault(wire.head, []).append(f"{_first(scene, wire.tail)}{times}")
    lines = []
    for box in scene.boxes:
        cells = (" ".join("".join(r.text for r in c.runs) for c in row) for row in box.rows)
        said = " | ".join(cells)
        sources = feeds.get(box.key, [])
        lines.append(said + (f"  <- {', '.join(sources[:8])}" if sources else ""))
    return "\n".join([*lines, scene.summary, *scene.notes])


def _first(scene: Scene, key: str) -> str:
    box = scene.by_key[key]
    return "".join(run.text for run in box.rows[0][0].runs).strip() or key


def mermaid(scene: Scene, snapshot: Snapshot, look: Look) -> str:
    """Write the graph as a Mermaid flowchart, for pages that render it.

    Raises
    ------
    DrawingError
        Above 480 edges: Mermaid refuses more than 500.
    """
    if len(snapshot.links) > _MERMAID_EDGES:
        raise DrawingError(
            "Drawing.mermaid",
            f"{len(snapshot.links)} edges are too many: Mermaid stops at 500",
            "Draw less with focus=, or use .svg",
        )
    lines = [f"flowchart {scene.direction}"]
    for record in snapshot.nodes:
        text = record.name + (f" = {record.expression}" if record.expression else "")
        grad = grad_text(record, look)
        text += f"<br/>value {_value_text(record, look)}"
        if record.kind != "constant":
            text += f"<br/><i>grad {grad if grad != ABSENT else 'not computed'}</i>"
        opened, closed = (
            ("[[", "]]") if record.is_root else ("([", "])") if not record.op else ("[", "]")
        )
        kind = "root" if record.is_root else record.kind
        lines.append(f'    {record.key}{opened}"{_entity(text)}"{closed}:::{kind}')
    for link in snapshot.links:
        label = f'|"∂ {look.number(link.local)}"|' if look.local and link.local is not None else ""
        lines.append(f"    n{link.producer} -->{label} n{link.consumer}")
    lines += [
        "    classDef root fill:#ffeeb0,stroke:#4b5563,color:#1f2933",
        "    classDef leaf fill:#dfe7f1,stroke:#4b5563,color:#1f2933",
        "    classDef param fill:#dfe7f1,stroke:#1f2933,stroke-width:2px,color:#1f2933",
        "    classDef op fill:#ffffff,stroke:#4b5563,color:#1f2933",
        "    classDef constant fill:#edf0f4,stroke:#4b5563,color:#1f2933",
    ]
    return "\n".join(lines) + "\n"


def _entity(text: str) -> str:
    """Escape what Mermaid or its Markdown would read; our own line breaks stay."""
    kept = re.split(r"(<br/>|</?i>)", clean(text))
    return "".join(
        part if i % 2 else re.sub(r"[^\w .,+()=/−×·∂°²³⁰-⁹—-]", lambda m: f"#{ord(m[0])};", part)
        for i, part in enumerate(kept)
    )


def to_json(snapshot: Snapshot) -> str:
    """Everything the picture knows, for programs: nodes and edges with full numbers."""

    def fact(thing: Any) -> Any:
        if thing is None:
            return None
        row = {
            name: fact_number(v) if isinstance(v, float) else v for name, v in asdict(thing).items()
        }
        if thing.number is None:
            del row["number"]
            return row
        return {"number": row["number"], "dtype": thing.dtype} if thing.dtype else row["number"]

    nodes = [
        {
            "id": n.key, "name": n.name, "op": n.op or None, "expression": n.expression or None,
            "kind": n.kind, "value": fact(n.value), "grad": fact(n.grad), "state": n.state,
            "root": n.is_root, "passes": n.passes, "depth": n.depth,
        }
        for n in snapshot.nodes
    ]  # fmt: skip
    edges = [
        {
            "id": e.key, "from": f"n{e.producer}", "to": f"n{e.consumer}", "slot": e.slot,
            "local": fact_number(e.local), "formula": e.formula or None, "term": fact(e.term),
        }
        for e in snapshot.links
    ]  # fmt: skip
    whole = {
        "nodes": nodes,
        "edges": edges,
        "roots": [f"n{i}" for i in snapshot.roots],
        "notes": snapshot.notes,
    }
    return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False)


def fact_number(x: float | None) -> float | str | None:
    """A number as JSON may hold it: nan and infinities as words."""
    if x is None or x - x == 0:
        return x
    return repr(x)
