"""Which nodes belong together: by module, by source line, by place in the graph."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from microgradx.drawing.modules import HIDDEN
from microgradx.drawing.notation import plain_sign
from microgradx.drawing.watching import line_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from microgradx.drawing.modules import Path
    from microgradx.drawing.snapshot import Link, Record, Snapshot

__all__ = ["by_levels", "by_lines", "by_modules", "levels", "lines_of"]

_NAMED_LEAVES_SHOWN = 12
_MOST_RUNS = 16


def levels(snapshot: Snapshot) -> list[int]:
    """For each node, the length of the longest path that leads to it.

    A chain of one operation, such as a sum that grows term by term, counts as one step.
    """
    incoming = snapshot.incoming()
    chain = list(range(len(snapshot.nodes)))
    level = [0] * len(snapshot.nodes)
    for record in sorted(snapshot.nodes, key=lambda r: (r.op != "", r.time, r.index)):
        links = incoming[record.index]
        if not links:
            continue
        operands = [snapshot.nodes[link.producer] for link in links]
        for operand in operands:
            if operand.op == record.op in _CHAINED and operand.uses == 1 and not operand.is_root:
                chain[record.index] = chain[operand.index]
                break
        own = chain[record.index]
        before = [level[chain[o.index]] for o in operands if chain[o.index] != own]
        level[own] = max(level[own], 1 + max(before, default=0))
    return [level[own] for own in chain]


_CHAINED = frozenset({"add", "mul", "maximum", "minimum", "concat", "concatenate"})


def by_levels(snapshot: Snapshot, most: int) -> list[Path]:
    """Group like operations of one level; where that is still too many, runs of levels.

    Parameters
    ----------
    snapshot : Snapshot
        The graph.
    most : int
        How many boxes there may be.

    Returns
    -------
    list of tuple of str
        A path for each node.
    """
    level = levels(snapshot)
    kinds = {(level[r.index], r.op) for r in snapshot.nodes if r.kind == "op"}
    in_runs = len(kinds) > most
    if not in_runs:
        names = [f"{plain_sign(r.op)}{HIDDEN}{level[r.index]}" for r in snapshot.nodes]
    else:
        names = _runs_of_levels(level, max(most // 2, 1))
    paths: list[Path] = [(name,) for name in names]
    roots = set(snapshot.roots)
    named = sum(r.named for r in snapshot.nodes if r.kind != "op")
    users: dict[int, str] = {}
    for link in snapshot.links:
        users.setdefault(link.producer, names[link.consumer])
    for r in snapshot.nodes:
        if r.index in roots or (r.kind != "op" and r.named and named <= _NAMED_LEAVES_SHOWN):
            paths[r.index] = ()
        elif r.kind != "op":
            user = users.get(r.index, "")
            paths[r.index] = (user if in_runs else f"leaves{HIDDEN}{user}",)
    return _without_lonely(paths)


def _runs_of_levels(level: list[int], runs: int) -> list[str]:
    highest = max(level) + 1
    step = -(-highest // min(runs, _MOST_RUNS))
    names = []
    for at in level:
        first = (at - 1) // step * step + 1 if at else 0
        names.append(f"levels {first:,} to {min(first + step - 1, highest - 1):,}")
    return names


def by_lines(snapshot: Snapshot, lines: Mapping[int, str]) -> list[Path]:
    """Group by the source line that made each node; `lines` maps the engine's clock to lines."""
    paths: list[Path] = []
    users: dict[int, str] = {}
    for link in snapshot.links:
        users.setdefault(link.producer, lines.get(snapshot.nodes[link.consumer].time, ""))
    roots = set(snapshot.roots)
    named = sum(r.named for r in snapshot.nodes if r.kind != "op")
    for r in snapshot.nodes:
        line = lines.get(r.time, "")
        if r.index in roots:
            paths.append(())
        elif r.kind == "op":
            paths.append((line,) if line else ())
        elif (r.named and named <= _NAMED_LEAVES_SHOWN) or not users.get(r.index):
            paths.append(())
        else:
            paths.append((users[r.index],))
    return paths


def by_modules(
    snapshot: Snapshot, spans: list[tuple[int, int, Path]], owners: Mapping[int, Path]
) -> list[Path]:
    """Group by the innermost module call that made each node.

    Parameters
    ----------
    snapshot : Snapshot
        The graph.
    spans : list of (start, stop, path)
        Module calls on the engine's clock.
    owners : mapping
        Index of a parameter's node -> path of the module that holds it.

    Returns
    -------
    list of tuple of str
        A path for each node. Operations outside all calls are grouped by the gap they stand in.
    """
    paths: list[Path] = [()] * len(snapshot.nodes)
    ops = sorted((r for r in snapshot.nodes if r.kind == "op"), key=lambda r: r.time)
    if spans:
        _by_spans(paths, ops, sorted(spans, key=lambda span: (span[0], -span[1])))
    for index, path in owners.items():
        paths[index] = path
    if not spans:
        _by_parameters(paths, ops, snapshot.incoming())
    _split_gaps(paths, ops)
    users: dict[int, set[Path]] = {}
    for link in snapshot.links:
        users.setdefault(link.producer, set()).add(paths[link.consumer])
    for r in snapshot.nodes:
        if r.kind == "leaf" and r.index not in owners and not r.named and r.state != "unrequired":
            used_by = users.get(r.index, set())
            paths[r.index] = used_by.pop() if len(used_by) == 1 else ()
    for i in snapshot.roots:
        paths[i] = ()
    return paths


def _by_spans(paths: list[Path], ops: list[Record], spans: list[tuple[int, int, Path]]) -> None:
    active: list[tuple[int, int, Path]] = []
    at = 0
    for r in ops:
        while at < len(spans) and spans[at][0] < r.time:
            active.append(spans[at])
            at += 1
        while active and active[-1][1] < r.time:
            active.pop()
        inside = [span for span in active if span[1] >= r.time]
        if inside:
            paths[r.index] = inside[-1][2]


def _by_parameters(paths: list[Path], ops: list[Record], incoming: list[list[Link]]) -> None:
    """Without a record of calls: who takes a module's parameters belongs to the module."""
    for r in ops:
        operands = [link.producer for link in incoming[r.index]]
        held = {paths[i] for i in operands if paths[i] and i in _leaves(incoming, operands)}
        if held:
            paths[r.index] = _common(held)
        elif len(operands) == 1 and r.op in _ACTIVATIONS:
            paths[r.index] = paths[operands[0]]
        elif operands:
            inner = _common({paths[i] for i in operands})
            paths[r.index] = inner if len(inner) > 1 and r.op in ("add", "total") else ()


_ACTIVATIONS = frozenset({"relu", "tanh", "sigmoid", "exp", "leaky_relu", "softplus"})


def _leaves(incoming: list[list[Link]], operands: list[int]) -> set[int]:
    return {i for i in operands if not incoming[i]}


def _common(paths: set[Path]) -> Path:
    first, *others = paths
    n = len(first)
    for other in others:
        n = min(n, next((i for i, (a, b) in enumerate(zip(first, other, strict=False)) if a != b),
                        min(len(first), len(other))))  # fmt: skip
    return first[:n]


def _split_gaps(paths: list[Path], ops: list[Record]) -> None:
    """Group what stands between module calls, gap by gap; the last gap is the loss."""
    gaps: list[list[Record]] = [[]]
    for r in ops:
        if paths[r.index]:
            if gaps[-1]:
                gaps.append([])
        else:
            gaps[-1].append(r)
    gaps = [gap for gap in gaps if gap]
    for i, gap in enumerate(gaps):
        if len(gap) > _FEW:
            ends = i == len(gaps) - 1 and gap[-1] is ops[-1]
            for r in gap:
                paths[r.index] = ("loss" if ends else f"between modules{HIDDEN}{i}",)


_FEW = 3


def _without_lonely(paths: list[Path]) -> list[Path]:
    """A group of one node is no group."""
    sizes = Counter(paths)
    return [path if sizes[path] > 1 else () for path in paths]


def lines_of(snapshot: Snapshot) -> dict[int, str]:
    """The source lines recorded for a graph, by the engine's clock."""
    found: dict[int, str] = {}
    for record in snapshot.nodes:
        line = line_of(record.time) if record.kind == "op" else None
        if line is not None:
            found[record.time] = f"{line.text or line.path}{HIDDEN}{line}"
    return found
