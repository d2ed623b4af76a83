"""Data overwritten between the forward pass and backward: noticed, and refused.

Every node carries the time it was made; data that is written gets a new one. A rule that would read
an input younger than its result is refused, down to the slice; views share their input's memory.
Foreign arrays have no clock: what of them a rule will read is copied, or fingerprinted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import DataChangedError
from microgradx.graph import Node
from microgradx.ops.indexing import is_basic

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

__all__ = ["fingerprint", "read_places", "refuse_moved", "refuse_stale", "title"]


def title(node: Node) -> str:
    """What to call a node in a message."""
    return f"{type(node).__name__} {node.name!r}" if node.name else f"a {type(node).__name__}"


def read_places(node: Any) -> Container[int]:
    """Which inputs (1, 2, ...) the rules that this node will really run read the numbers of."""
    op = node.op
    if op.each is not None or not op.rule_reads:
        reads: Container[int] = op.reads
        return reads
    needed: set[int] = set()
    for parent, places in zip(node.parents, op.rule_reads, strict=True):
        if isinstance(parent, Node) and parent.requires_grad:
            needed |= places
    return needed


def refuse_stale(order: Iterable[Node]) -> None:
    """Raise if a rule would read data that was written after the forward pass.

    Only reached where some input is younger than its result, which is rare; so it may be slow
    and exact. Views share their input's memory, hence the table.
    """
    order = list(order)
    _refuse_outdated(order)
    stale: dict[int, Node] = {}  # id of a view -> the leaf whose memory it shows
    for node in order:
        if node.op is None:
            continue
        places = read_places(node)
        for i, parent in enumerate(node.parents, 1):
            if not isinstance(parent, Node):
                continue
            source = stale.get(id(parent), parent)
            if source is not parent or parent.time > node.time:
                if i in places:
                    used = f"was overwritten after {node.op.name} had used it"
                    raise DataChangedError(
                        "backward",
                        f"the data of {title(source)} {used}",
                        "Run the forward pass again, or overwrite it after backward",
                    )
                if node.op.view:
                    stale[id(node)] = source


def _refuse_outdated(order: list[Node]) -> None:
    """Raise if a slice was used after its elements had been assigned to through its source.

    NumPy's slice would have shown the new numbers, this one holds the old ones.
    """
    until: dict[int, int] = {}  # id of a slice -> when its source was assigned to
    for node in order:
        for parent in node.parents:
            if isinstance(parent, Node) and until.get(id(parent), node.time) < node.time:
                raise DataChangedError(
                    "backward",
                    f"{node.op.name} used a slice whose elements had been assigned to before",
                    "Take the slice again after the assignment, or make it a copy",
                )
        if node.op is None or not node.op.view:
            continue
        source: Any = node.parents[0]
        if id(source) in until:
            until[id(node)] = until[id(source)]
        elif isinstance(source, Node) and getattr(source, "replaced", None) is not None:
            when, index = source.replaced  # type: ignore[attr-defined]
            if when > node.time and _touches(node, source, index):
                until[id(node)] = when


def _touches(view: Any, source: Any, index: Any) -> bool:
    """Whether a view of `source` shows elements at `index`."""
    whole = source._data
    if is_basic(index):
        parts = index if isinstance(index, tuple) else (index,)
        # With an ellipsis the answer is a view also where one element is named.
        parts = parts if Ellipsis in parts else (*parts, Ellipsis)
        try:
            work: Any = 10_000  # any number will do; NumPy's types know of 0 and -1 only
            return bool(np.shares_memory(view._data, whole[parts], max_work=work))
        except np.exceptions.TooHardError:
            return True
    written = np.zeros(whole.shape, bool)
    written[index] = True
    shown = view.op.array(written, **view.params)
    return bool(shown.any())


def refuse_moved(node: Any) -> None:
    """Raise if a foreign array that `node` saved, or a parent it will re-read, has changed."""
    guard = node.guard
    if guard is not None:
        for array, mark in guard:
            if fingerprint(array) != mark:
                used = f"was overwritten after {node.op.name} had used it"
                raise DataChangedError(
                    "backward",
                    f"an array of shape {array.shape} {used}",
                    "Run the forward pass again, or hand over a copy",
                )


def fingerprint(array: Any) -> int:
    """A number that changes when `array` does, at memory speed (a permutation may keep it)."""
    flat = array.reshape(-1) if array.flags.c_contiguous else array.ravel(order="K")
    words = flat.view(np.uint8)
    whole = words.size // 8 * 8
    return hash((int(words[:whole].view(np.uint64).sum(dtype=np.uint64)), bytes(words[whole:])))
