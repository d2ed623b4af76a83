"""Which nodes belong together: by module, by source line, by place in the graph."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from microgradx.drawing.modules import Path
    from microgradx.drawing.snapshot import Snapshot

__all__ = ["by_levels", "by_lines", "by_modules", "levels"]

_NAMED_LEAVES_SHOWN = 24


def levels(snapshot: Snapshot) -> list[int]:
    """For each node, the length of the longest path that leads to it."""
    level = [0] * len(snapshot.nodes)
    incoming = snapshot.incoming()
    for record in sorted(snapshot.nodes, key=lambda r: (r.op != "", r.time, r.index)):
        links = incoming[record.index]
        if links:
            level[record.index] = 1 + max(level[link.producer] for link in links)
    return level


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
    kinds = {(level[r.index], r.sign) for r in snapshot.nodes if r.kind == "op"}
    if len(kinds) <= most:
        names = [f"{r.sign}#{level[r.index]}" for r in snapshot.nodes]
    else:
        highest = max(level) + 1
        runs = max(most // 2, 1)
        step = -(-highest // min(runs, 24))
        names = [f"{r.sign}" for r in snapshot.nodes]
        for r in snapshot.nodes:
            first = (level[r.index] - 1) // step * step + 1 if level[r.index] else 0
            last = min(first + step - 1, highest - 1)
            names[r.index] = f"levels {first:,} to {last:,}"
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
            paths[r.index] = (f"leaves#{users.get(r.index, '')}",)
    return _without_lonely(paths)


def by_lines(snapshot: Snapshot, lines: Mapping[int, str]) -> list[Path]:
    """Group by the source line that made each node; `lines` maps the engine's clock to lines."""
    paths: list[Path] = []
    users: dict[int, str] = {}
    for link in snapshot.links:
        users.setdefault(link.producer, lines.get(snapshot.nodes[link.consumer].time, ""))
    roots = set(snapshot.roots)
    for r in snapshot.nodes:
        line = lines.get(r.time, "")
        if r.index in roots:
            paths.append(())
        elif r.kind == "op":
            paths.append((line,) if line else ())
        elif r.named or not users.get(r.index):
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
        Module calls on the engine's clock, `start` exclusive and `stop` inclusive.
    owners : mapping
        Index of a parameter's node -> path of the module that holds it.

    Returns
    -------
    list of tuple of str
        A path for each node; operations between calls are grouped by gap.
    """
    starts = sorted(spans, key=lambda span: (span[0], -span[1]))
    order = sorted((r for r in snapshot.nodes if r.kind == "op"), key=lambda r: r.time)
    paths: list[Path] = [()] * len(snapshot.nodes)
    active: list[tuple[int, int, Path]] = []
    at, gap = 0, 0
    between: Counter[str] = Counter()
    for r in order:
        while at < len(starts) and starts[at][0] < r.time:
            active.append(starts[at])
            at += 1
            gap += 1
        while active and active[-1][1] < r.time:
            active.pop()
        inside = [span for span in active if span[1] >= r.time]
        if inside:
            paths[r.index] = inside[-1][2]
        else:
            paths[r.index] = (f"between modules#{gap}",)
            between[f"between modules#{gap}"] += 1
    for index, path in owners.items():
        paths[index] = path
    last = f"between modules#{gap}"
    for r in order:
        if paths[r.index] == (last,) and between[last] > _FEW:
            paths[r.index] = ("loss#" + str(gap),)
        elif paths[r.index] and paths[r.index][0] in between and between[paths[r.index][0]] <= _FEW:
            paths[r.index] = ()
    consumers: dict[int, Path] = {}
    for link in snapshot.links:
        consumers.setdefault(link.producer, paths[link.consumer])
    for r in snapshot.nodes:
        if r.kind != "op" and r.index not in owners and not r.named:
            paths[r.index] = consumers.get(r.index, ())
    for i in snapshot.roots:
        paths[i] = ()
    return paths


_FEW = 3


def _without_lonely(paths: list[Path]) -> list[Path]:
    """A group of one node is no group."""
    sizes = Counter(paths)
    return [path if sizes[path] > 1 else () for path in paths]


def spans_of(
    variables: Mapping[str, Any], snapshot: Snapshot
) -> tuple[list[tuple[int, int, Path]], dict[int, Path]]:
    """Module calls and owners of parameters, from the modules among a caller's variables."""
    del variables, snapshot
    return [], {}


def parameters_of(variables: Mapping[str, Any], reached: Mapping[int, Any]) -> frozenset[int]:
    """Identities of the nodes that are parameters of a module."""
    del variables, reached
    return frozenset()


def lines_of(snapshot: Snapshot) -> dict[int, str]:
    """The source lines recorded for a graph, by the engine's clock."""
    del snapshot
    return {}
