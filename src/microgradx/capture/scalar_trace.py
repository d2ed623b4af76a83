"""From a `Trace` of Values to `Columns`: every number gets one entry and is assigned once."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.columns import (
    CONSTANT,
    COTANGENT,
    INPUT,
    OPERATION,
    STATE,
    Columns,
    Event,
)
from microgradx.capture.trace import DATA, Backward, Read, Trace, Write
from microgradx.errors import CaptureError
from microgradx.primitive import PRIMITIVES
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from microgradx.capture.arguments import Argument
    from microgradx.primitive import Primitive

__all__ = ["Resolved", "resolve"]


class Resolved:
    """Columns, and which of the user's objects its state and its finals belong to.

    Attributes
    ----------
    columns : Columns
        The step.
    state : list of (Value, str)
        The object and attribute ("data" or "grad") of each of ``columns.state``.
    finals : list of Value
        Whose gradient each of ``columns.finals`` is.
    numbers : list of bool
        For each output: whether eager gives a plain number there.
    borrowed : list of (int, bool)
        Arguments that are Values and get a gradient, in the order of the last outputs; and whether
        it is added to the one they have.
    """

    def __init__(
        self,
        columns: Columns,
        state: list[tuple[Value, str]],
        finals: list[Value],
        numbers: list[bool],
        borrowed: list[tuple[int, bool]],
    ) -> None:
        self.columns, self.state, self.finals = columns, state, finals
        self.numbers, self.borrowed = numbers, borrowed


def resolve(
    trace: Trace,
    arguments: Sequence[Argument],
    outputs: Sequence[Any],
) -> Resolved:
    """Write a traced step as columns.

    Parameters
    ----------
    trace : Trace
        After the step has returned.
    arguments : sequence of Argument
        The arguments and the nodes that stood for their numbers.
    outputs : sequence of Value or number
        What the step returned.

    Returns
    -------
    Resolved
        The columns.

    Raises
    ------
    CaptureError
        If the step uses a result that was computed before it.
    """
    return _Resolver(trace, arguments).run(outputs)


class _Resolver:
    def __init__(self, trace: Trace, arguments: Sequence[Argument]) -> None:
        self.trace = trace
        self.ops: dict[int, int] = {}  # id(primitive) -> code
        self.table: list[Primitive] = []
        self.code: list[int] = []
        self.start: list[int] = [0]
        self.parent: list[int] = []
        self.kind: list[int] = []
        self.value: list[float] = []
        self.number: list[bool] = []  # no gradient flows through it
        self.plain: list[bool] = []  # eager has a Python number here, not a Value
        self.names: dict[int, str] = {}
        # id(object) -> entry of its data now; reads of ``.data`` are entries in `alias` instead.
        self.now: dict[int, int] = {}
        self.alias: dict[int, int] = {}
        self.copied: dict[int, int] = {}
        self.stale: dict[int, int] = {}  # objects written to: entry of the new number
        self.grad: dict[int, int] = {}
        self.versions: dict[int, list[int]] = {}  # the entries an object went by in the graph
        self.constants: dict[float, int] = {}
        self.objects: dict[int, Value] = {}
        self.state: dict[tuple[int, str], int] = {}
        self.events: list[Event] = []
        self.inputs = []
        self.keep: list[Any] = []
        self.lent: list[tuple[int, Value]] = []  # Values that are arguments, and stand for theirs
        for k, argument in enumerate(arguments):
            first = len(self.code)
            plain = argument.kind != "value"
            for node in argument.nodes:
                self.now[id(node)] = self._entry(-1, (), INPUT, node._data, number=plain)
                if not plain:
                    self.lent.append((k, node))
                    self.objects[id(node)] = node
            if not argument.shape:
                self.names[first] = argument.name
            self.inputs.append((argument.name, argument.shape, first))

    # ---- entries ----
    def _entry(
        self,
        code: int,
        parents: Iterable[int],
        kind: int,
        value: float = 0.0,
        *,
        number: bool = False,
    ) -> int:
        self.plain.append(number)
        self.code.append(code)
        self.parent.extend(parents)
        self.start.append(len(self.parent))
        self.kind.append(kind)
        self.value.append(value)
        self.number.append(number)
        return len(self.code) - 1

    def _constant(self, value: Any) -> int:
        if value is None:
            return -1
        value = float(value)
        key = value if value != 0 else (0.0 if str(value)[0] != "-" else -1e-320)  # -0.0 is another
        found = self.constants.get(key)
        if found is None:
            found = self.constants[key] = self._entry(-1, (), CONSTANT, value, number=True)
        return found

    def _operation(self, name: str, *parents: int, number: bool) -> int:
        return self._entry(self._code(PRIMITIVES[name]), parents, OPERATION, number=number)

    def _code(self, op: Primitive) -> int:
        found = self.ops.get(id(op))
        if found is None:
            if op.name not in PRIMITIVES or op.scalar is None:
                raise CaptureError(
                    "capture",
                    f"the step uses {op.name!r}, an operation without a primitive",
                    "Define a Primitive for it",
                )
            found = self.ops[id(op)] = len(self.table)
            self.table.append(op)
        return found

    def _persistent(self, node: Value) -> bool:
        return bool(node.time < self.trace.born)

    # ---- what a reference means at this moment ----
    def _leaf(self, node: Value) -> int:
        """The entry of a leaf that is met for the first time."""
        key = id(node)
        self.keep.append(node)
        if key in self.trace.copies:
            found = self._entry_of_number(self.trace.copies[key][1])
            if not self.number[found]:
                found = self._operation("positive", found, number=True)
            if key in self.trace.grad_reads or self.plain[found]:
                found = self._operation("positive", found, number=key not in self.trace.grad_reads)
                self.plain[found] = False
        elif self._persistent(node):
            found = self._state(node, "data")
        else:
            found = self._entry(
                -1, (), CONSTANT, float(node._data), number=key not in self.trace.grad_reads
            )
            self.plain[found] = False
        if node.name:
            self.names[found] = node.name
        self.now[key] = found
        self.versions[key] = [found]
        return found

    def _state(self, node: Value, attribute: str) -> int:
        found = self.state.get((id(node), attribute))
        if found is None:
            self.objects[id(node)] = node
            found = self._entry(-1, (), STATE, number=attribute == "grad")
            self.state[(id(node), attribute)] = found
        return found

    def _entry_of_number(self, x: Any) -> int:
        """The entry of an operand whose gradient does not matter."""
        if x.__class__ is not Value:
            return self._constant(x)
        key = id(x)
        found = self.alias.get(key)
        if found is None:
            found = self.stale.get(key)
        if found is None:
            found = self.now.get(key)
        return self._leaf(x) if found is None else found

    def _entry_in_graph(self, x: Any) -> int:
        """The entry of an operand of a Value: reads become nodes of their own."""
        if x.__class__ is not Value:
            return self._constant(x)
        key = id(x)
        source = self.alias.get(key)
        if source is not None:
            if self.number[source]:
                return source
            found = self.copied.get(source)
            if found is None:
                found = self.copied[source] = self._operation("positive", source, number=True)
            return found
        new = self.stale.pop(key, None)
        if new is not None:
            # A leaf that was written to stands for its new number from here on.
            found = self._operation("positive", new, number=False)
            self.now[key] = found
            self.versions.setdefault(key, []).append(found)
            return found
        found = self.now.get(key)
        return self._leaf(x) if found is None else found

    # ---- the walk ----
    def run(self, outputs: Sequence[Any]) -> Resolved:
        self._nodes(self._schedule(outputs))
        found = [self._entry_of_number(x) for x in outputs]
        plain = [x.__class__ is not Value or self._is_number(x) for x in outputs]
        return self._finish(found, plain)

    def _is_number(self, x: Value) -> bool:
        return id(x) in self.alias or (id(x) in self.now and self.plain[self.now[id(x)]])

    def _schedule(self, outputs: Sequence[Any]) -> list[Any]:
        """All nodes that matter, and the events, in the order they happened."""
        roots = list(outputs)
        for event in self.trace.events:
            if isinstance(event, Backward):
                roots += [event.root, event.cotangent]
            elif isinstance(event, Write):
                roots.append(event.new)
        stack = [x for x in roots if x.__class__ is Value]
        found: dict[int, Value] = {}
        while stack:
            node = stack.pop()
            key = id(node)
            if key in found:
                continue
            found[key] = node
            if node.op is None:
                if key in self.trace.copies:
                    stack.append(self.trace.copies[key][1])
                continue
            if node.time < self.trace.born:
                raise CaptureError(
                    "capture",
                    f"the step uses a result of {node.op.name} that was computed before the step",
                    "Compute it inside the step, or pass it as an argument",
                )
            x = node._x
            stack += [
                parent
                for parent in (x if x.__class__ is tuple else (x, node._y))
                if parent.__class__ is Value and id(parent) not in found
            ]
        nodes = [node for node in found.values() if node.op is not None]
        rows: list[Any] = [*nodes, *self.trace.events]
        rows.sort(key=operator.attrgetter("time"))
        return rows

    def _nodes(self, rows: list[Any]) -> None:
        """Entries for all operations and events; the loop that capture spends its time in."""
        now, ops, number, plain = self.now, self.ops, self.number, self.plain
        add_code, add_parent, add_start = self.code.append, self.parent.append, self.start.append
        add_kind, add_value = self.kind.append, self.value.append
        find = now.get
        for row in rows:
            if row.__class__ is not Value:
                self._event(row)
                continue
            op, x, y = row.op, row._x, row._y
            code = ops.get(id(op))
            if code is None:
                if op.__class__ is Read:
                    self.alias[id(row)] = (
                        self._entry_of_number(x) if op is DATA else self._gradient(x)
                    )
                    continue
                code = self._code(op)
            # Entries that are known and not read through ``.data`` are the usual case.
            if x.__class__ is Value:
                a = find(id(x))
                if y is None:
                    if a is not None:
                        add_parent(a)
                        free, bare = number[a], plain[a]
                    else:
                        free, bare = self._operands((x,))
                else:
                    b = find(id(y)) if y.__class__ is Value else None
                    if a is not None and b is not None:
                        add_parent(a)
                        add_parent(b)
                        free, bare = number[a] and number[b], plain[a] and plain[b]
                    else:
                        free, bare = self._operands((x, y))
            else:
                free, bare = self._operands(x if x.__class__ is tuple else (x, y))
            add_code(code)
            add_start(len(self.parent))
            add_kind(OPERATION)
            add_value(0.0)
            number.append(free)
            plain.append(bare)
            now[id(row)] = len(number) - 1
            if row.name is not None:
                self.names[len(number) - 1] = row.name

    def _operands(self, parents: tuple[Any, ...]) -> tuple[bool, bool]:
        """Write down the parents of one operation; is it free of gradients, a plain number?"""
        free = plain = True
        for p in parents:
            if p.__class__ is Value and id(p) not in self.alias:
                entry = self.now.get(id(p))
                if entry is None and id(p) not in self.stale:
                    entry = self._leaf(p)
                free = free and entry is not None and self.number[entry]
                plain = plain and entry is not None and self.plain[entry]
        entry_of = self._entry_of_number if free else self._entry_in_graph
        entries = [entry_of(p) for p in parents]  # may write down other entries, so all come first
        self.parent.extend(entries)
        return free, plain

    def _event(self, event: Any) -> None:
        if isinstance(event, Backward):
            self._backward(event)
        elif not isinstance(event, Write):
            raise CaptureError(
                "capture", f"the step calls {event!r} among Values", "Update Values one by one"
            )
        elif event.attribute == "data":
            self._write(event.node, event.new)
        else:
            new = 0.0 if event.new is None else event.new
            self.grad[id(event.node)] = self._entry_of_number(new)
            self.objects[id(event.node)] = event.node

    def _write(self, node: Value, new: Any) -> None:
        if self._persistent(node):
            self.objects[id(node)] = node
        if id(node) in self.trace.inputs:
            raise CaptureError(
                "capture",
                f"the step assigns to the data of its argument {node.name!r}",
                "Let the step return the new number, or keep the Value outside of the arguments",
            )
        entry = self._entry_of_number(new)
        self.now.pop(id(node), None)
        self.stale[id(node)] = entry

    def _gradient(self, node: Value) -> int:
        """The entry of a node's gradient as it is now."""
        found = self.grad.get(id(node))
        if found is None:
            found = self._state(node, "grad") if self._persistent(node) else self._constant(0.0)
            self.grad[id(node)] = found
        return found

    def _backward(self, event: Backward) -> None:
        root = self._entry_in_graph(event.root)
        seed = self._entry_of_number(1.0 if event.cotangent is None else event.cotangent)
        reached = self._reached(root)
        planned = Event(root, seed)
        self.events.append(planned)
        objects = {key: node for key, node in self.objects.items() if node.op is None}
        objects.update(
            {key: node for key, node in self.trace.grad_reads.items() if key in self.now}
        )
        for key, node in objects.items():
            met = self.versions.get(key) or ([self.now[key]] if key in self.now else [])
            leaf = node.op is None
            total = None if not leaf else self._gradient(node)
            if total is not None and self.kind[total] == CONSTANT and self.value[total] == 0:
                total = None
            arrived = False
            for version in met:
                if reached[version]:
                    share = self._entry(-1, (), COTANGENT, number=True)
                    planned.wanted[version] = share
                    arrived = True
                    total = (
                        share
                        if total is None
                        else self._operation("add", total, share, number=True)
                    )
            if arrived and total is not None:
                self.grad[key] = total

    def _reached(self, root: int) -> bytearray:
        """Entries that the root's gradient flows to."""
        reached = bytearray(len(self.code))
        reached[root] = 1
        start, parent, number = self.start, self.parent, self.number
        for i in range(root, -1, -1):
            if reached[i] and not number[i]:
                for p in parent[start[i] : start[i + 1]]:
                    if p >= 0 and not number[p]:
                        reached[p] = 1
        return reached

    def _finish(self, outputs: list[int], plain: list[bool]) -> Resolved:
        writes: dict[int, int] = {}
        for key, new in {**self.stale_versions(), **self.stale}.items():
            if key in self.objects and self._persistent(self.objects[key]):
                writes[self._state(self.objects[key], "data")] = new
        finals: list[tuple[Value, int]] = []
        for key, entry in self.grad.items():
            node = self.objects.get(key)
            if node is None or not self._persistent(node):
                continue
            own = self.state.get((key, "grad"))
            if own is None:
                finals.append((node, entry))
            elif own != entry:
                writes[own] = entry
        finals.sort(key=lambda row: row[0].time)
        assigned = {id(event.node) for event in self.trace.events if isinstance(event, Write)}
        lent = [(k, node) for k, node in self.lent if id(node) in self.grad]
        outputs = [*outputs, *[self.grad[id(node)] for _, node in lent]]
        order = sorted(self.state, key=lambda k: (k[1], self.objects[k[0]].time))
        columns = Columns(
            list(self.table), np.array(self.code, np.int64), np.array(self.start, np.int64),
            np.array(self.parent, np.int64), np.array(self.kind, np.int8), np.array(self.value),
            np.array(self.number), self.events, self.inputs, [self.state[k] for k in order],
            outputs, writes, [entry for _, entry in finals], self.names,
        )  # fmt: skip
        state = [(self.objects[key], attribute) for key, attribute in order]
        borrowed = [(k, id(node) not in assigned) for k, node in lent]
        return Resolved(columns, state, [node for node, _ in finals], plain, borrowed)

    def stale_versions(self) -> dict[int, int]:
        """Objects written to and used again afterwards: the entry they went by last."""
        return {
            key: entries[-1]
            for key, entries in self.versions.items()
            if len(entries) > 1 or (entries and self.kind[entries[0]] == OPERATION)
        }
