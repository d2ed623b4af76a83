"""The modules style: many nodes in few boxes, and every hidden one counted.

A path is given for each node (module, source line, or place in the graph); nodes whose path starts
with a closed prefix share one box. Boxes of an opened prefix stand in an outlined region.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from microgradx.drawing import cells
from microgradx.drawing.cards import card
from microgradx.drawing.cells import Look
from microgradx.drawing.metrics import clean, shorten
from microgradx.drawing.notation import plain_sign
from microgradx.drawing.numbers import bytes_text, number_text, shape_text
from microgradx.drawing.scene import SMALL, Box, Cell, Region, Scene, Text, Wire

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from microgradx.drawing.snapshot import Record, Snapshot

__all__ = ["HIDDEN", "Path", "collapsed"]

Path = tuple[str, ...]
HIDDEN = "\x1f"
"""What follows it in a part of a path tells groups of one title apart, and is not shown."""
_KINDS_SHOWN = 3
_OUTPUTS_SHOWN = 3


@dataclass
class _Group:
    """What a closed box hides."""

    path: Path
    members: list[Record] = field(default_factory=list)
    outputs: list[Record] = field(default_factory=list)


def collapsed(
    snapshot: Snapshot,
    paths: Sequence[Path],
    look: Look,
    *,
    depth: int = 1,
    opened: Collection[str] = (),
    notes: tuple[str, ...] = (),
    kinds: Mapping[Path, str] | None = None,
) -> Scene:
    """Draw groups of nodes as one box each.

    Parameters
    ----------
    snapshot : Snapshot
        The graph.
    paths : sequence of tuple of str
        For each node, where it belongs; the empty path stays a node of its own.
    look : Look
        What to show.
    depth : int
        Prefixes shorter than this are open.
    opened : collection of str
        Further prefixes to open, written with dots.
    notes : tuple of str
        What to state under the picture.
    kinds : mapping, optional
        The class of the module of each path, for its heading.

    Returns
    -------
    Scene
    """
    wanted = {prefix.replace("[", ".").replace("]", "") for prefix in opened}

    def is_open(prefix: Path) -> bool:
        return len(prefix) < depth or ".".join(prefix).replace("[", ".").replace("]", "") in wanted

    groups: dict[Path, _Group] = {}
    key_of: list[str] = []
    group_key: dict[Path, str] = {}
    alone: list[int] = []
    for record, path in zip(snapshot.nodes, paths, strict=True):
        closed = next((path[:n] for n in range(1, len(path) + 1) if not is_open(path[:n])), None)
        if closed is None:
            key_of.append(record.key)
            alone.append(record.index)
            continue
        if closed not in groups:
            groups[closed] = _Group(closed)
            group_key[closed] = f"g{len(groups) - 1}"
        groups[closed].members.append(record)
        key_of.append(group_key[closed])
    by_key = {group_key[path]: group for path, group in groups.items()}
    wires = _merged_wires(snapshot, key_of, by_key)
    for i in snapshot.roots:
        group = by_key.get(key_of[i])
        if group is not None and snapshot.nodes[i] not in group.outputs:
            group.outputs.append(snapshot.nodes[i])
    boxes = [_closed_box(key, group, look, kinds or {}) for key, group in by_key.items()]
    for i in alone:
        record = snapshot.nodes[i]
        if paths[i] and record.kind == "param":
            # The outline already says which module it belongs to.
            record = replace(record, name=record.name.rpartition(".")[2])
        boxes.append(card(record, look, compact=not snapshot.has_arrays))
    regions = _regions(snapshot, paths, key_of, groups, group_key)
    hidden = len(snapshot.nodes) - len(alone)
    stated = f"{snapshot.counts()} in {len(boxes)} boxes; "
    stated += f"{hidden:,} nodes are inside {len(groups)} of them"
    return Scene(
        tuple(boxes),
        tuple(wires),
        regions,
        look.direction,
        look.title,
        f"{cells.summary(snapshot)}; {stated}",
        (*snapshot.notes, stated, *notes),
        cells.legend(
            snapshot, Look(local=False, values=look.values, grads=look.grads), place="table"
        ),
    )


def _merged_wires(snapshot: Snapshot, key_of: list[str], by_key: dict[str, _Group]) -> list[Wire]:
    counts: Counter[tuple[str, str]] = Counter()
    single: dict[tuple[str, str], str] = {}
    seen_out: set[int] = set()
    backward: set[tuple[str, str]] = set()
    for link in snapshot.links:
        tail, head = key_of[link.producer], key_of[link.consumer]
        if tail == head:
            continue
        counts[tail, head] += 1
        single.setdefault((tail, head), link.key)
        if snapshot.nodes[link.consumer].depth:
            backward.add((tail, head))
        if tail in by_key and link.producer not in seen_out:
            seen_out.add(link.producer)
            by_key[tail].outputs.append(snapshot.nodes[link.producer])
    wires = []
    for (tail, head), count in counts.items():
        label = ((Text(f"×{count:,}", "local", SMALL),),) if count > 1 else ()
        role = "backward" if (tail, head) in backward else "plain"
        words = f"{count:,} edges" if count > 1 else "one edge"
        wires.append(Wire(single[tail, head], tail, head, 0, label, role, count=count, title=words))
    return wires


def _closed_box(key: str, group: _Group, look: Look, kinds: Mapping[Path, str]) -> Box:
    ops = [record for record in group.members if record.kind == "op"]
    leaves = [record for record in group.members if record.kind in ("leaf", "param")]
    constants = len(group.members) - len(ops) - len(leaves)
    name = clean(shorten(group.path[-1].partition(HIDDEN)[0] or "ops", 40))
    counted = []
    if ops:
        signs = Counter(plain_sign(record.op) for record in ops).most_common()
        counted.append(f"{len(ops):,} op{'s' * (len(ops) != 1)}")
        shown = ", ".join(f"{n:,} {sign}" for sign, n in signs[:_KINDS_SHOWN])
        if len(signs) > _KINDS_SHOWN:
            shown += f", {len(signs) - _KINDS_SHOWN} kinds more"
    if leaves:
        numbers = sum(math.prod(record.value.shape) for record in leaves)
        word = "param" if all(record.kind == "param" for record in leaves) else "leaf"
        plural = {"param": "params", "leaf": "leaves"}[word] if len(leaves) != 1 else word
        text = f"{len(leaves):,} {plural}"
        counted.append(text + (f" ({numbers:,} numbers)" if numbers != len(leaves) else ""))
    if constants:
        counted.append(f"{constants:,} constant{'s' * (constants != 1)}")
    heading: tuple[Text, ...] = (Text(name, bold=True),)
    if group.path in kinds:
        heading += (Text(f" {kinds[group.path]}", "mute", 11),)
    rows: list[tuple[Cell, ...]] = [
        (Cell(heading, "module", span=2),),
        (Cell((Text(" · ".join(counted), "mute", SMALL),), span=2),),
    ]
    if len(ops) > 1 and shown != name:
        rows.append((Cell((Text(shorten(shown, 44), "mute", SMALL),), span=2),))
    broken = sum(not record.value.is_finite for record in group.members)
    if look.values and group.outputs:
        text = _outputs_text(group.outputs, look)
        word = "out" if ops else "value"
        rows.append(
            (
                Cell((Text(word, "mute", SMALL),), align="start"),
                Cell((Text(text, "forward"),), "forward", "end"),
            )
        )
    grads = [record.grad for record in leaves or group.outputs if record.grad is not None]
    if look.grads and grads:
        norm = math.sqrt(sum(grad.norm**2 for grad in grads))
        word = "‖grad params‖" if leaves else "‖grad out‖"
        rows.append(
            (
                Cell((Text(word, "mute", SMALL),), align="start"),
                Cell((Text(look.number(norm), "backward", italic=True),), "backward", "end"),
            )
        )
        broken += sum(not grad.is_finite for grad in grads)
    if broken:
        rows.append(
            (Cell((Text(f"{broken:,} with nan or inf", "warn", SMALL, True),), "warn", span=2),)
        )
    nbytes = sum(record.value.nbytes for record in group.members)
    title = f"{'.'.join(group.path)}: {', '.join(counted)}"
    title += f", {bytes_text(nbytes)}" if nbytes else ""
    return Box(key, tuple(rows), "table", "module", title, warn=broken > 0)


def _outputs_text(outputs: list[Record], look: Look) -> str:
    numbers = [record.value.number for record in outputs]
    arrays = [record for record in outputs if record.value.number is None]
    if arrays:
        shapes = Counter(shape_text(record.value.shape) for record in arrays).most_common()
        text = ", ".join(s if n == 1 else f"{n} × {s}" for s, n in shapes[:2])
        return text + (f", {len(shapes) - 2} more" if len(shapes) > 2 else "")
    real = [x for x in numbers if x is not None]
    if len(real) <= _OUTPUTS_SHOWN:
        return "  ".join(look.number(x) for x in real)
    mean = math.fsum(real) / len(real)
    return f"{len(real):,} values, mean {number_text(mean, '.3g')}"


def _regions(
    snapshot: Snapshot,
    paths: Sequence[Path],
    key_of: list[str],
    groups: dict[Path, _Group],
    group_key: dict[Path, str],
) -> tuple[Region, ...]:
    """Outlines for the open prefixes, nested as the paths are."""
    tree: dict[Path, list[str]] = {}
    for record, path in zip(snapshot.nodes, paths, strict=True):
        if key_of[record.index] == record.key and path:
            tree.setdefault(path, []).append(record.key)
    for path in groups:
        if len(path) > 1:
            tree.setdefault(path[:-1], []).append(group_key[path])
    for path in sorted(tree, key=len, reverse=True):
        for n in range(1, len(path)):
            tree.setdefault(path[:n], [])

    def build(path: Path) -> Region:
        inner = tuple(build(p) for p in tree if len(p) == len(path) + 1 and p[: len(path)] == path)
        title = ".".join(part.partition(HIDDEN)[0] for part in path)
        return Region("r" + "_".join(map(_slug, path)), clean(title), tuple(tree[path]), inner)

    return tuple(build(path) for path in tree if len(path) == 1)


def _slug(part: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in part)
