"""Captured programs as pictures: instructions in forward, backward and update regions.

A program reuses memory, so its data flow is not written in it; it is read off the order of the
instructions: what an instruction reads was made by the latest ones that wrote there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from microgradx.drawing.metrics import clean, shorten
from microgradx.drawing.numbers import Facts, bytes_text, shape_text
from microgradx.drawing.scene import SMALL, Box, Cell, Region, Scene, Text, Wire
from microgradx.drawing.snapshot import Link, Record, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from microgradx.drawing.cells import Look

__all__ = ["is_program", "program_scene"]

_MOST_UNITS = 60
_CALLS_SHOWN = 3


def is_program(thing: Any) -> Any:
    """The Program in a captured step or a Program itself; None for anything else."""
    if hasattr(thing, "instructions") and hasattr(thing, "buffers"):
        return thing
    inner = getattr(thing, "program", None)
    return inner if hasattr(inner, "instructions") else None


@dataclass
class _Unit:
    """One box: instructions that follow each other, or something that is there beforehand."""

    title: str
    phase: str
    calls: list[Any] = field(default_factory=list)
    role: str = "op"
    view: Any = None


def program_scene(program: Any, look: Look) -> tuple[Snapshot, Scene]:
    """Draw a program.

    Parameters
    ----------
    program : Program
        What `capture` made.
    look : Look
        Its `direction` and `title`.

    Returns
    -------
    Snapshot
        Every instruction and what it reads.
    Scene
        Instructions one by one, by primitive, or by phase, whichever first fits sixty boxes.
    """
    given = [
        *(_Unit(name, "", role="leaf", view=view) for name, view in program.inputs.items()),
        *(_Unit(name, "", role="param", view=view) for name, view in program.state.items()),
    ]
    calls = list(program.instructions)
    reads = list(_flow(calls, given))
    outputs = _last_writers(calls, program.outputs.values())
    graph = _snapshot(program, calls, given, reads, outputs)
    units, unit_of = _units(calls, given)
    boxes = [_box(f"n{i}", unit, outputs) for i, unit in enumerate(units)]
    counts: Counter[tuple[int, int]] = Counter()
    for consumer, producers in enumerate(reads):
        head = unit_of[len(given) + consumer]
        for producer in producers:
            if unit_of[producer] != head:
                counts[unit_of[producer], head] += 1
    wires = [
        Wire(
            f"e{head}_{i}",
            f"n{tail}",
            f"n{head}",
            i,
            ((Text(f"×{count}", "local", SMALL),),) if count > 1 else (),
            "backward" if units[head].phase == "backward" else "plain",
            count=count,
        )
        for i, ((tail, head), count) in enumerate(counts.items())
    ]
    used = {key for wire in wires for key in (wire.tail, wire.head)}
    boxes = [box for box, unit in zip(boxes, units, strict=True) if unit.calls or box.key in used]
    shown = {box.key for box in boxes}
    regions = tuple(
        Region(
            phase,
            phase,
            tuple(f"n{i}" for i, u in enumerate(units) if u.phase == phase and f"n{i}" in shown),
        )
        for phase in dict.fromkeys(unit.phase for unit in units if unit.phase)
    )
    note = f"{len(calls):,} instructions in {sum(bool(u.calls) for u in units):,} boxes, "
    note += f"{bytes_text(program.memory['total'])}, {program.flops['total']:,} operations a run"
    scene = Scene(
        tuple(boxes),
        tuple(wires),
        regions,
        look.direction,
        look.title or f"program {program.name}",
        f"Captured program {program.name}: {note}",
        (note,),
    )
    return graph, scene


def _last_writers(calls: list[Any], outputs: Iterable[Any]) -> set[int]:
    """The instructions that leave the results, by identity."""
    last: dict[tuple[Any, ...], int] = {}
    for call in calls:
        last[call.writes.buffer, call.writes.offset, call.writes.shape] = id(call)
    found = (last.get((view.buffer, view.offset, view.shape)) for view in outputs)
    return {writer for writer in found if writer is not None}


def _flow(calls: list[Any], given: list[_Unit]) -> Iterator[list[int]]:
    """For each instruction, the units and instructions whose results it reads.

    Numbers below ``len(given)`` are what is there beforehand; instruction i is
    ``len(given) + i``.
    """
    written: dict[str, list[tuple[int, int, int]]] = {}
    for i, unit in enumerate(given):
        written.setdefault(unit.view.buffer, []).append((*_extent(unit.view), i))
    for i, call in enumerate(calls):
        found: dict[int, None] = {}
        for view in _reads(call):
            start, stop = _extent(view)
            for first, last, writer in reversed(written.get(view.buffer, [])):
                if first < stop and start < last:
                    found[writer] = None
                    if first <= start and stop <= last:
                        break
        yield list(found)
        log = written.setdefault(call.writes.buffer, [])
        start, stop = _extent(call.writes)
        # What is overwritten as a whole will never be read again.
        log[:] = [w for w in log if not (start <= w[0] and w[1] <= stop)]
        log.append((start, stop, len(given) + i))


_OVERWRITING = {"copyto", ".fill"}


def _reads(call: Any) -> Iterator[Any]:
    """The views that an instruction takes numbers from, its own target only if it must."""
    views = [a for a in call.arguments if hasattr(a, "buffer")]
    views += [a for _, a in call.keywords if hasattr(a, "buffer")]
    if call.function in _OVERWRITING:
        views = views[1:]
    elif call.function != "putmask":
        # `out=` stands last: it is the target, not an operand.
        for i in range(len(views) - 1, -1, -1):
            if views[i] == call.writes:
                del views[i]
                break
    yield from views


def _extent(view: Any) -> tuple[int, int]:
    steps = [(n - 1) * step for n, step in zip(view.shape, view.strides, strict=True) if n]
    low = sum(step for step in steps if step < 0)
    high = sum(step for step in steps if step > 0)
    return view.offset + low, view.offset + high + 1


def _primitive(call: Any) -> str:
    return str(call.note).partition(":")[0] or str(call.function)


def _units(calls: list[Any], given: list[_Unit]) -> tuple[list[_Unit], list[int]]:
    """The boxes, and for each thing the box that it is in."""
    for key in (
        lambda i, call: (call.phase, i),
        lambda _, call: (call.phase, _primitive(call)),
        lambda _, call: (call.phase,),
    ):
        units = list(given)
        unit_of = list(range(len(given)))
        before: Any = None
        for i, call in enumerate(calls):
            now = key(i, call)
            if now != before:
                title = _primitive(call) if len(now) > 1 else call.phase
                units.append(_Unit(title, call.phase))
                before = now
            units[-1].calls.append(call)
            unit_of.append(len(units) - 1)
        if len(units) - len(given) <= _MOST_UNITS:
            break
    return units, unit_of


def _box(key: str, unit: _Unit, outputs: set[int]) -> Box:
    if not unit.calls:
        fill = "leaf"
        said = (
            f"{shape_text(unit.view.shape)} {'kept between runs' if unit.role == 'param' else ''}"
        )
        rows = [
            (Cell((Text(unit.title, bold=True),), fill),),
            (Cell((Text(said, "mute", SMALL),)),),
        ]
        return Box(key, tuple(rows), "table", unit.role, f"{unit.title}: {said}")
    last = unit.calls[-1].writes
    is_output = any(id(call) in outputs for call in unit.calls)
    names = [call.function.removeprefix(".") for call in unit.calls]
    counted = [f"{n} × {name}" if n > 1 else name for name, n in Counter(names).items()]
    text = ", ".join(counted[:_CALLS_SHOWN])
    if len(counted) > _CALLS_SHOWN:
        text += f", {len(counted) - _CALLS_SHOWN} kinds more"
    fill = "root" if is_output else "backward" if unit.phase == "backward" else "module"
    shape = shape_text(last.shape)
    rows = [
        (Cell((Text(clean(shorten(unit.title, 32)), bold=True),), fill),),
        (Cell((Text(shorten(text, 40), "mute", SMALL),)),),
        (Cell((Text(shape, size=11),)),),
    ]
    notes = dict.fromkeys(call.note for call in unit.calls if call.note)
    role = "backward" if unit.phase == "backward" else "op"
    return Box(key, tuple(rows), "table", role, "; ".join(notes))


def _snapshot(
    program: Any, calls: list[Any], given: list[_Unit], reads: list[list[int]], outputs: set[int]
) -> Snapshot:
    dtypes = {buffer.name: buffer.dtype for buffer in program.buffers}
    nodes = [
        _record(i, unit.title, "", "", unit.role, unit.view, dtypes) for i, unit in enumerate(given)
    ]
    for i, call in enumerate(calls):
        nodes.append(
            _record(
                len(given) + i, f"i{i}", call.function, call.note, "op", call.writes, dtypes,
                is_root=id(call) in outputs,
            )
        )  # fmt: skip
    links = tuple(
        Link(producer, len(given) + i, slot)
        for i, producers in enumerate(reads)
        for slot, producer in enumerate(producers)
    )
    roots = tuple(node.index for node in nodes if node.is_root)
    return Snapshot(tuple(nodes), links, roots, False, ())


def _record(
    index: int,
    name: str,
    op: str,
    note: str,
    kind: str,
    view: Any,
    dtypes: dict[str, str],
    *,
    is_root: bool = False,
) -> Record:
    facts = Facts(None, view.shape, dtypes.get(view.buffer, ""))
    return Record(
        index, name, True, op, op, clean(note), "", kind, facts, None, "unrequired", None, is_root,
        True,
    )  # fmt: skip
