"""Where the rows of a Tensor step lie: which memory each call writes, and when it may be reused.

A result goes, in this order of preference, straight to where it is wanted at last (a piece of the
flat gradient, the parameter it updates), into the memory of an operand that nobody reads again, or
into the smallest free stretch of one scratch buffer a dtype.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.program import Buffer, View
from microgradx.capture.tensor_rows import part

if TYPE_CHECKING:
    from microgradx.capture.tensor_rows import Row
    from microgradx.capture.tensor_trace import Resolved

__all__ = ["Memory", "live"]

ALIGN = 64
"""Bytes; a vector register's width, and a cache line's."""
FOREVER = 1 << 60


def live(resolved: Resolved) -> list[Row]:
    """The calls that something needs, in their order; the rest is dead code."""
    stack: list[Row] = [row for _, row in resolved.stores]
    stack += [row for _, row in resolved.grads if row is not None]
    stack += [x for x in resolved.outputs if hasattr(x, "base")]
    stack += [u.after for u in resolved.updates if u.after is not None]
    needed: set[int] = set()
    while stack:
        row = stack.pop().base
        if id(row) not in needed:
            needed.add(id(row))
            stack.extend(row.inputs())
    return [row for row in resolved.rows.calls if id(row) in needed]


class Memory:
    """Gives each row a place.

    Parameters
    ----------
    resolved : Resolved
        The step.
    calls : list of Row
        Its live calls, in order.
    """

    def __init__(self, resolved: Resolved, calls: list[Row]) -> None:
        self.resolved, self.calls = resolved, calls
        self.order = {id(row): i for i, row in enumerate(calls)}
        self.place: dict[int, tuple[str, int]] = {}  # id(base row) -> buffer, offset
        self.buffers: dict[str, Buffer] = {}
        self.initial: dict[str, Any] = {}
        self.sizes: dict[str, int] = defaultdict(int)
        self.reused = 0
        self._readers()
        self._leaves()
        self._pin_joins()
        self._pin_stores()
        self._scratch()

    # ---- facts ----
    def _readers(self) -> None:
        self.readers: dict[int, list[int]] = defaultdict(list)  # id(base) -> calls that read it
        self.last: dict[int, int] = {}
        for i, row in enumerate(self.calls):
            for x in row.inputs():
                self.readers[id(x.base)].append(i)
                self.last[id(x.base)] = i
        kept: list[Any] = [x for x in self.resolved.outputs if hasattr(x, "base")]
        kept += [row for _, row in self.resolved.grads if row is not None]
        kept += [row for _, row in self.resolved.stores]
        for row in kept:
            self.last[id(row.base)] = FOREVER

    def view(self, row: Row) -> View:
        """Where a row's numbers lie."""
        base = row.base
        if id(base) not in self.place:
            self._constant(base)
        buffer, offset = self.place[id(base)]
        return View(buffer, offset + row.offset, row.shape, row.strides)

    # ---- leaves ----
    def _new_buffer(self, wish: str, size: int, dtype: Any, role: str) -> str:
        stem = "".join(c if c.isalnum() else "_" for c in wish).strip("_") or role
        stem = f"_{stem}" if stem[0].isdigit() else stem
        name, count = stem, 1
        while name in self.buffers:
            count += 1
            name = f"{stem}_{count}"
        self.buffers[name] = Buffer(name, size, str(dtype), role)
        return name

    def _leaves(self) -> None:
        for row in self.resolved.inputs:
            self.place[id(row)] = (
                self._new_buffer(row.name or "x", row.shadow.size, row.dtype, "input"),
                0,
            )
        own = [row for (_, attribute), row in self.resolved.state.items() if attribute == "data"]
        own += [row for (_, attribute), row in self.resolved.state.items() if attribute == "grad"]
        for row in own:
            self._state(row.base, "parameters" if row.base is not row else row.name or "state")
        for update in self.resolved.updates:
            for slot, row in zip(update.slots, update.moments, strict=True):
                self._state(row, slot)
            self._state(update.numbers, "numbers")

    def _state(self, row: Row, name: str) -> None:
        if id(row) not in self.place:
            self.place[id(row)] = (self._new_buffer(name, row.shadow.size, row.dtype, "state"), 0)

    def _constant(self, row: Row) -> None:
        name = f"constants_{row.dtype.name}"
        offset = self._take(name, row.shadow.size, row.dtype, "constants")
        self.place[id(row)] = (name, offset)
        start = self.initial.setdefault(name, [])
        start.append((offset, row.value))

    def _take(self, name: str, size: int, dtype: Any, role: str) -> int:
        offset = self.sizes[name]
        self.sizes[name] = offset + _padded(size, dtype)
        self.buffers[name] = Buffer(name, self.sizes[name], str(dtype), role)
        return offset

    # ---- results with a known destination ----
    def _pin_joins(self) -> None:
        for row in self.calls:
            if row.kind != "join":
                continue
            name = self._new_buffer(
                row.name or "joined",
                row.shadow.size,
                row.dtype,
                "gradients" if row.name else "scratch",
            )
            self.place[id(row)] = (name, 0)
            if not covered(row):
                continue
            for piece, index in zip(row.args, row.value, strict=True):
                target = part(row.shadow, index)
                base = piece.base
                fits = (
                    base.kind == "call"
                    and id(base) not in self.place
                    and base.dtype == row.dtype
                    and base.shadow.size == piece.shadow.size == target.size
                    and base.shadow.flags.c_contiguous
                    and piece.shadow.flags.c_contiguous
                    and target.flags.c_contiguous
                )
                if fits:
                    start = (
                        target.__array_interface__["data"][0]
                        - row.shadow.__array_interface__["data"][0]
                    )
                    self.place[id(base)] = (name, start // row.dtype.itemsize)

    def pinned(self, piece: Row, join: Row, index: Any) -> bool:
        """Whether a piece lies in its place already."""
        target = self.view(join)
        shadow = part(join.shadow, index)
        start = (
            shadow.__array_interface__["data"][0] - join.shadow.__array_interface__["data"][0]
        ) // join.dtype.itemsize
        found = self.view(piece)
        return bool(
            found.buffer == target.buffer and found.offset == target.offset + start and shadow.size
        )

    def _pin_stores(self) -> None:
        for row in self.calls:
            if row.kind == "update":
                whole = row.args[0]
                buffer, offset = self.place[id(whole.base)]
                self.place[id(row)] = (buffer, offset + whole.offset)
        for state, new in self.resolved.stores:
            base = new.base
            if base is not new or base.kind != "call" or id(base) in self.place:
                continue
            i = self.order[id(base)]
            late = [r for r in self.readers[id(state.base)] if r >= i]
            own = [x for x in base.inputs() if x.base is state.base]
            elementwise = is_elementwise(base) and all(x is state for x in own)
            same = base.shadow.strides == state.shadow.strides
            kept = self.last.get(id(state.base), 0) == FOREVER and state.base is state
            if same and not kept and (not late or (elementwise and set(late) == {i})):
                self.place[id(base)] = self._place_of(state)

    def _place_of(self, state: Row) -> tuple[str, int]:
        view = self.view(state)
        return view.buffer, view.offset

    # ---- everything else ----
    def _scratch(self) -> None:
        free: dict[str, list[tuple[int, int]]] = defaultdict(list)
        held: dict[int, tuple[str, int, int]] = {}
        for i, row in enumerate(self.calls):
            if row.kind in {"call", "draw"} and id(row) not in self.place:
                name = f"scratch_{row.dtype.name}"
                size = _padded(row.shadow.size, row.dtype)
                donor = self._donor(row, i, held)
                if donor is not None:
                    held[id(row)] = held.pop(donor)
                    self.reused += 1
                else:
                    held[id(row)] = (name, self._fit(name, size, free[name], row.dtype), size)
                self.place[id(row)] = held[id(row)][:2]
                if id(row) not in self.last:
                    self.last[id(row)] = i
            for base in {id(x.base) for x in row.inputs()} | {id(row)}:
                if base in held and self.last[base] <= i:
                    name, offset, size = held.pop(base)
                    _release(free[name], offset, size)

    def _donor(self, row: Row, i: int, held: dict[int, Any]) -> int | None:
        """An operand whose memory the result may take over."""
        if not is_elementwise(row):
            return None
        for x in row.inputs():
            base = x.base
            takes = (
                id(base) in held
                and self.last[id(base)] == i
                and base.dtype == row.dtype
                and base.shadow.strides == row.shadow.strides
                and base.shadow.shape == row.shadow.shape
                and all(y is x for y in row.inputs() if y.base is base)
                and x is base
            )
            if takes:
                return id(base)
        return None

    def _fit(self, name: str, size: int, free: list[tuple[int, int]], dtype: Any) -> int:
        fitting = [block for block in free if block[1] >= size]
        if not fitting:
            return self._take(name, size, dtype, "scratch")
        block = min(fitting, key=lambda b: b[1])
        free.remove(block)
        if block[1] > size:
            free.append((block[0] + size, block[1] - size))
        return block[0]

    def contents(self) -> dict[str, Any]:
        """What the constant buffers start as."""
        found = {}
        for name, parts in self.initial.items():
            array = np.zeros(self.sizes[name], self.buffers[name].dtype)
            for offset, value in parts:
                array[offset : offset + value.size] = value.reshape(-1)
            found[name] = array
        return found


def _padded(size: int, dtype: Any) -> int:
    step = max(ALIGN // np.dtype(dtype).itemsize, 1)
    return int(-(-max(size, 1) // step) * step)


def _release(free: list[tuple[int, int]], offset: int, size: int) -> None:
    """Give a stretch back, merged with its neighbours."""
    free.append((offset, size))
    free.sort()
    merged: list[tuple[int, int]] = []
    for start, length in free:
        if merged and merged[-1][0] + merged[-1][1] == start:
            merged[-1] = (merged[-1][0], merged[-1][1] + length)
        else:
            merged.append((start, length))
    free[:] = merged


def covered(join: Row) -> bool:
    """Whether the pieces of a join fill it; otherwise the rest is 0."""
    return sum(piece.shadow.size for piece in join.args) == math.prod(join.shape) and all(
        not isinstance(index, np.ndarray) for index in join.value
    )


def is_elementwise(row: Row) -> bool:
    """Whether NumPy may write the result over an operand of the same layout."""
    function = getattr(np, row.function, None)
    return row.kind == "call" and isinstance(function, np.ufunc) and function.signature is None
