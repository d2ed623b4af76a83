"""The pieces that every style is made of: cells of numbers, labels of wires, titles, legends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from microgradx.drawing.metrics import shorten
from microgradx.drawing.numbers import Facts, bytes_text, number_text, shape_text
from microgradx.drawing.scene import SMALL, Cell, Label, Text

if TYPE_CHECKING:
    from microgradx.drawing.snapshot import Link, Record, Snapshot

__all__ = ["Look", "box_title", "contribution_text", "grad_cell", "link_label", "value_cell"]

ABSENT = "—"
UNREQUIRED = "not required"


@dataclass(frozen=True, slots=True)
class Look:
    """What to show, the same for all styles."""

    values: bool = True
    grads: bool = True
    local: bool = True
    contributions: bool = False
    fmt: str = ".4g"
    direction: str = "LR"
    title: str = ""
    part: str = "both"

    def number(self, x: float) -> str:
        """Format a number."""
        return number_text(x, self.fmt)

    def signed(self, x: float) -> str:
        """Format a number that follows an operator: negative ones in parentheses."""
        text = number_text(x, self.fmt)
        return f"({text})" if text.startswith("−") else text

    def value(self, facts: Facts) -> str:
        """A number, or the statistics of an array."""
        if facts.number is not None:
            return self.number(facts.number)
        if facts.broken:
            return f"{facts.broken:,} nan or inf"
        if 0 in facts.shape:
            return "empty"
        if facts.zeros == 1:
            return "all zeros"
        if facts.zeros > 0.2:
            return f"{facts.zeros:.0%} zeros, max {number_text(facts.high, '.3g')}"
        return f"mean {number_text(facts.mean, '.2g')} std {number_text(facts.std, '.2g')}"

    def grad(self, facts: Facts) -> str:
        """A gradient, or its norm and largest entry."""
        if facts.number is not None:
            return self.number(facts.number)
        if facts.broken:
            return f"{facts.broken:,} nan or inf"
        if facts.norm == 0:
            return "empty" if 0 in facts.shape else "all zeros"
        largest = max(abs(facts.low), abs(facts.high))
        return f"‖g‖ {number_text(facts.norm, '.3g')} max {number_text(largest, '.2g')}"


def grad_text(record: Record, look: Look) -> str:
    """The gradient as it is just now; a missing one never looks like 0."""
    if record.state == "unrequired":
        return UNREQUIRED
    if record.grad is None:
        return ABSENT
    return look.grad(record.grad)


def value_cell(record: Record, look: Look, align: str = "end") -> Cell:
    """The value on the forward ground."""
    if not record.value.is_finite:
        return Cell(
            (Text(look.value(record.value), "warn", bold=True),), "warn", align, key="value"
        )
    return Cell((Text(look.value(record.value), "forward"),), "forward", align, key="value")


def grad_cell(record: Record, look: Look, align: str = "end") -> Cell:
    """The gradient on the backward ground, in italics."""
    text = grad_text(record, look)
    if record.state == "unrequired":
        return Cell((Text(text, "mute", SMALL),), "", align, key="grad")
    if record.grad is not None and not record.grad.is_finite:
        run = Text(text, "warn", bold=True, italic=True)
        return Cell((run,), "warn", align, key="grad")
    return Cell((Text(text, "backward", italic=True),), "backward", align, key="grad")


def contribution_text(link: Link, consumer: Record, look: Look) -> str:
    """``0.7864·(−1.5) = −1.18``: the consumer's gradient times the local derivative."""
    g = consumer.grad or consumer.cotangent
    if link.term is None or g is None:
        return ""
    if link.term.number is None or link.local is None or g.number is None:
        return look.grad(link.term)
    return f"{look.signed(g.number)}·{look.signed(link.local)} = {look.number(link.term.number)}"


def link_label(link: Link, consumer: Record, look: Look) -> Label:
    """What stands on a forward wire: the local derivative, and what flows back."""
    lines = []
    if look.local and link.local is not None:
        lines.append((Text(f"∂ {look.number(link.local)}", "local", SMALL),))
    if look.contributions and consumer.grad is not None:
        text = contribution_text(link, consumer, look)
        if text:
            lines.append((Text(text, "backward", SMALL, italic=True),))
    return tuple(lines)


def link_title(link: Link, snapshot: Snapshot, look: Look) -> str:
    """What the pointer reads on a wire."""
    x, z = snapshot.nodes[link.producer], snapshot.nodes[link.consumer]
    text = f"{x.name} → {z.name}"
    if link.local is not None:
        text = f"∂{z.name}/∂{x.name} = {link.formula or look.number(link.local)}"
        if link.formula and link.formula != look.number(link.local):
            text += f" = {look.number(link.local)}"
    elif link.formula:
        text += f": sends back {link.formula}"
    if link.broadcast:
        text += f"; backward sums axis {', '.join(map(str, link.broadcast))}"
    return text


def box_title(record: Record, look: Look) -> str:
    """What the pointer reads on a box."""
    text = record.name
    if record.expression:
        text += f" = {record.expression}"
    if record.is_array:
        text += f"; {shape_text(record.value.shape)} {record.value.dtype}"
        text += f", {bytes_text(record.value.nbytes)}"
    text += f"; value {look.value(record.value)}"
    grad = grad_text(record, look)
    text += f"; gradient {'not computed' if grad == ABSENT else grad}"
    if record.uses > 1:
        text += f"; used {record.uses} times"
    if record.passes > 1:
        text += f"; sum of {record.passes} backward passes"
    return text


def heading(record: Record, *, bold_only: bool = False) -> tuple[Text, ...]:
    """``q = a × a``, the name in bold; only the expression where nobody named it."""
    name = Text(record.name, bold=record.named or record.kind != "op")
    if not record.expression or bold_only:
        return (name,)
    what = shorten(record.expression, 30)
    return (name, Text(f" = {what}"))


def fill_of(record: Record) -> str:
    """The ground of a box's heading."""
    if record.is_root:
        return "root"
    return "leaf" if record.kind in ("leaf", "param") else ""


def role_of(record: Record) -> str:
    """How a box is outlined."""
    if record.depth:
        return "backward"
    if record.is_root:
        return "root"
    return record.kind


def is_broken(record: Record) -> bool:
    """Whether nan or infinity is in it."""
    return not record.value.is_finite or (record.grad is not None and not record.grad.is_finite)


def legend(snapshot: Snapshot, look: Look, *, place: str) -> tuple[Text, ...]:
    """One line that explains colours and places; `place` is ``table``, ``circuit`` or ``lanes``."""
    above = {"circuit": "value above the wire"}.get(place, "value: forward")
    below = {"circuit": "gradient below"}.get(place, "grad: backward")
    runs = [Text(above, "forward", 11)] if look.values else []
    if look.grads and snapshot.nodes:
        runs.append(Text(("\u00a0\u00a0 " if runs else "") + below, "backward", 11, italic=True))
        if not snapshot.has_backward:
            runs.append(Text("\u00a0\u00a0 —: no backward pass yet", "mute", 11))
    if look.local and not snapshot.has_arrays:
        runs.append(Text("\u00a0\u00a0 ∂: local derivative", "local", 11))
    return tuple(runs)


def summary(snapshot: Snapshot) -> str:
    """One sentence for those who do not see the picture."""
    roots = ", ".join(snapshot.nodes[i].name for i in snapshot.roots)
    inputs = sum(node.kind in ("leaf", "param") for node in snapshot.nodes)
    text = f"Computation graph of {roots}: {snapshot.counts()}, {inputs} leaves"
    return text + (
        ", forward values and gradients" if snapshot.has_backward else ", forward values"
    )
