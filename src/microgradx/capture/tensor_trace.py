"""From a `Trace` of Tensors to `Rows`: every array gets one row and is assigned once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import engine
from microgradx.capture.instructing import rule_text
from microgradx.capture.tensor_lowering import Lowering
from microgradx.capture.tensor_rows import OUT, Row, Rows, laid, lies_across
from microgradx.capture.trace import DATA, Backward, Optimise, Read, Trace
from microgradx.errors import CaptureError, GraphError
from microgradx.graph import Node, topological_order
from microgradx.tensor import Tensor, _constant, _seed
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Resolved", "Update", "expand", "resolve"]


def expand(root: Any, cotangent: Any, trace: Trace) -> dict[int, tuple[Any, Any]]:
    """Pull a cotangent back in node arithmetic, while the step is traced.

    Parameters
    ----------
    root : Tensor
        Where ``backward`` was called.
    cotangent : array_like, Tensor or None
        What with.
    trace : Trace
        Its `notes` get ``id(node) -> rule`` of every node made.

    Returns
    -------
    dict
        ``id(node) -> (node, cotangent)`` of everything tracked that was reached.
    """
    if not root.requires_grad:
        raise GraphError(
            "backward",
            "nothing in this result is tracked",
            "Make some input a Tensor of floats with requires_grad=True, outside no_grad",
        )
    if cotangent is None:
        engine.scalar_root(root)
        seed: Any = _constant(np.ones(root._data.shape, root._data.dtype))
    else:
        seed = (
            cotangent if isinstance(cotangent, Tensor) else _constant(_seed(cotangent, root._data))
        )
    notes = trace.notes

    def told(node: Any, i: int, made: Any) -> None:
        text = f"{node.op.name}: {rule_text(node.op, i)}"
        stack = [made]
        while stack:
            new = stack.pop()
            if isinstance(new, Node) and id(new) not in notes and new.time > started:
                trace.kept.append(new)  # so that no other node gets its identity
                notes[id(new)] = text
                stack.extend(new.parents)

    started = seed.time
    order = topological_order(root)
    found = engine.cotangents([root], [seed], told=told)
    return {id(n): (n, found[id(n)]) for n in order if id(n) in found and n.requires_grad}


@dataclass
class Update:
    """One call of ``optimizer.step()`` on the parameters of one group and dtype.

    `numbered` has the parameters' places in ``optimizer.state``; `whole` is the flat row of all
    parameters, `moments` a flat row for each of the optimiser's slots, `gradient` the joined
    gradient; `numbers` is the row of what changes from step to step.
    """

    optimizer: Any
    group: dict[str, Any]
    params: list[Any]
    numbered: list[int]
    slots: tuple[str, ...]
    whole: Row
    gradient: Row
    moments: list[Row]
    numbers: Row
    after: Row | None = None
    factor: float | None = (
        None  # what the backward pass multiplies the rate with; see `tensor_fold`
    )


@dataclass
class Resolved:
    """A step as rows.

    Attributes
    ----------
    rows : Rows
        All of them.
    inputs : list of Row
        The arguments.
    state : dict
        ``(id(node), "data" or "grad") -> row`` of what outlives the step.
    objects : dict
        ``id(node) -> node`` of their owners.
    stores : list of (Row, Row)
        State row, and the row whose numbers it takes at the end.
    grads : list of (Tensor, Row or None)
        What the step leaves in ``grad`` of Tensors that outlive it.
    outputs : list of Row
        What the step returns.
    updates : list of Update
        Calls of ``optimizer.step()``.
    guards : list of ndarray
        The user's own arrays that the program took as constants.
    held : list of (Tensor, bool)
        Tensors whose gradient from before the step matters, and whether they had one.
    truth : dict
        ``id(row) -> array`` with what eager code computed for a row while the step was traced.
    """

    rows: Rows
    inputs: list[Row] = field(default_factory=list)
    state: dict[tuple[int, str], Row] = field(default_factory=dict)
    objects: dict[int, Any] = field(default_factory=dict)
    stores: list[tuple[Row, Row]] = field(default_factory=list)
    grads: list[tuple[Any, Row | None]] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    guards: list[Any] = field(default_factory=list)
    held: list[tuple[Any, bool]] = field(default_factory=list)
    truth: dict[int, Any] = field(default_factory=dict)


def resolve(trace: Trace, arguments: Sequence[Any], outputs: Sequence[Any]) -> Resolved:
    """Write a traced step as rows.

    Parameters
    ----------
    trace : Trace
        After the step has returned.
    arguments : sequence of Argument
        What varies from call to call.
    outputs : sequence
        What the step returned.

    Returns
    -------
    Resolved
        The rows.
    """
    return _Resolver(trace, arguments).run(outputs)


class _Resolver:
    def __init__(self, trace: Trace, arguments: Sequence[Any]) -> None:
        self.trace = trace
        self.rows = Rows()
        self.lowering = Lowering(self.rows, self._row)
        self.out = Resolved(self.rows)
        self.now: dict[int, Row] = {}  # id(node) -> the row with its numbers at this moment
        self.grad: dict[int, Row | None] = {}
        self.keep: list[Any] = []
        self.arrays: dict[int, Any] = {}  # id(array) -> the traced node whose numbers it is
        self.flat: dict[int, tuple[Row, int]] = {}
        self._flatten_parameters()
        for a in arguments:
            for node in a.nodes:
                row = self.rows.leaf("input", _array_of(node), node.name)
                row.owner, row.weak = a, node.__class__ is Value
                self.now[id(node)] = row
                self.arrays[id(node._data)] = node
                self.out.inputs.append(row)

    # ---- leaves ----
    def _flatten_parameters(self) -> None:
        """Parameters that one optimiser group updates lie next to each other."""
        for event in self.trace.events:
            if not isinstance(event, Optimise):
                continue
            for group in event.optimizer.param_groups:
                for params in _by_dtype(group["params"]):
                    if any(id(p) in self.now for p in params):
                        continue
                    size = sum(p._data.size for p in params)
                    whole = self.rows.leaf(
                        "state", np.empty(size, params[0]._data.dtype), "parameters"
                    )
                    start = 0
                    for p in params:
                        part = whole.shadow[start : start + p._data.size]
                        row = self.rows.view(whole, laid(part, p._data))
                        row.name = p.name
                        self.flat[id(p)] = (whole, start)
                        self._own(p, "data", row)
                        self.now[id(p)] = row
                        start += p._data.size

    def _own(self, node: Any, attribute: str, row: Row) -> Row:
        self.out.state[(id(node), attribute)] = row
        self.out.objects[id(node)] = node
        return row

    def _leaf(self, node: Any) -> Row:
        self.keep.append(node)
        if node.__class__ is Tensor and node.time < self.trace.born:
            row = self._own(node, "data", self.rows.leaf("state", node._data, node.name))
        elif node.time < self.trace.born:
            raise CaptureError(
                "capture",
                "the step mixes Tensors with a Value made before it",
                "Make it a Tensor, or pass it as an argument",
            )
        elif id(node) in self.trace.drawn:
            row = self._drawn(*self.trace.drawn[id(node)])
        else:
            row = self.rows.constant(_array_of(node))
        self.now[id(node)] = row
        return row

    def _drawn(self, generator: Any, method: str, like: Any) -> Row:
        row = self.rows.draw(generator, method, like.shape, {})
        if like.dtype != row.dtype:
            row = self.rows.call(
                "copyto",
                OUT,
                row,
                shape=like.shape,
                dtype=like.dtype,
                keywords={"casting": "unsafe"},
            )
        return row

    def _row(self, x: Any) -> Any:
        """What an operand of an operation is now: a row, or a number."""
        if isinstance(x, Node):
            found = self.now.get(id(x))
            if found is not None:
                return found
            if x.op is None:
                return self._leaf(x)
            raise CaptureError(
                "capture",
                f"the step uses the result of {x.op.name}, which was computed before the step",
                "Compute it inside the step, or pass it as an argument",
            )
        if isinstance(x, (np.ndarray, np.generic)):
            if getattr(x, "traced", False):
                return self._raw(x)
            if isinstance(x, np.ndarray) and x.flags.writeable:
                self.out.guards.append(x)
            return self.rows.constant(x)
        return x

    def _raw(self, array: Any) -> Row:
        """The row of a traced node whose raw numbers were used."""
        node = self.arrays.get(id(array))
        if node is None:
            raise CaptureError(
                "capture",
                f"an array of shape {array.shape} was computed from the step's numbers outside its "
                "operations, so a replay could not compute it again",
                "Use microgradx functions on Tensors, or compute it before the step and pass it",
            )
        found: Row = self._row(node)
        return found

    def _gradient(self, node: Any) -> Row | None:
        """The row of a node's gradient at this moment; None where it has none."""
        key = id(node)
        if key not in self.grad:
            old = node._grad
            held = node.time < self.trace.born and old is not None
            if node.time < self.trace.born:
                self.out.held.append((node, held))
            self.grad[key] = (
                self._own(node, "grad", self.rows.leaf("state", node._data, node.name))
                if held
                else None
            )
        return self.grad[key]

    # ---- the walk ----
    def run(self, outputs: Sequence[Any]) -> Resolved:
        for when in self._schedule(outputs):
            if isinstance(when, Node):
                self._node(when)
            elif isinstance(when, Backward):
                self._backward(when)
            elif isinstance(when, Optimise):
                self._optimise(when)
            elif when.attribute == "data":
                self._write(when.node, when.new)
            else:
                new = None if when.new is None else self._numbers(when.new, when.node)
                self.grad[id(when.node)] = new
                self.out.objects[id(when.node)] = when.node
        self.rows.phase = "forward"
        self.out.outputs = [
            self._own_memory(self._row(x)) if isinstance(x, Node) else x for x in outputs
        ]
        self._finish()
        return self.out

    def _own_memory(self, row: Any) -> Any:
        """What is read after a run must not lie where the caller's arrays or parameters do."""
        return (
            self.rows.copy(row) if row is not None and row.base.kind in {"input", "state"} else row
        )

    def _schedule(self, outputs: Sequence[Any]) -> list[Any]:
        roots = list(outputs)
        for event in self.trace.events:
            if isinstance(event, Backward):
                roots += [event.root, event.cotangent]
                roots += [c for _, c in event.found.values()]
            elif not isinstance(event, Optimise):
                roots.append(event.new)
        stack = [x for x in roots if isinstance(x, Node)]
        found: dict[int, Any] = {}
        while stack:
            node = stack.pop()
            if id(node) in found or node.op is None or id(node) in self.now:
                continue
            found[id(node)] = node
            if node.time > self.trace.born:
                stack.extend(p for p in node.parents if isinstance(p, Node))
        rows: list[Any] = [
            *(n for n in found.values() if n.time > self.trace.born),
            *self.trace.events,
        ]
        rows.sort(key=lambda row: row.time)
        for node in (*found.values(), *self.trace.kept):
            self.arrays.setdefault(id(node._data), node)
        return rows

    def _node(self, node: Any) -> None:
        op = node.op
        if isinstance(op, Read):
            source = node.parents[0]
            row = self._row(source) if op is DATA else self._gradient(source)
            self.now[id(node)] = (
                row if row is not None else self.rows.constant(np.zeros_like(_array_of(node)))
            )
            return
        note = self.trace.notes.get(id(node), "")
        self.rows.phase = "backward" if note else "forward" if _tracked(node) else self.after
        args = tuple([self._row(p) for p in node.parents])
        row = self.lowering.lower(node, args, note)
        if node.name and row.name is None:
            row.name = node.name
        self.out.truth.setdefault(id(row), node._data)
        self.now[id(node)] = row

    after = "forward"

    def _numbers(self, new: Any, node: Any) -> Row:
        """What is assigned to data or a gradient, in its shape and dtype."""
        data = _array_of(node)
        row = self._row(new)
        if not isinstance(row, Row):
            row = self.rows.constant(np.broadcast_to(np.asarray(row, data.dtype), data.shape))
        if row.dtype != data.dtype:
            row = self.rows.call(
                "copyto",
                OUT,
                row,
                shape=row.shape,
                dtype=data.dtype,
                keywords={"casting": "unsafe"},
            )
        return row

    def _write(self, node: Any, new: Any) -> None:
        if node.time < self.trace.born and (id(node), "data") not in self.out.state:
            self._row(node)
        self.rows.phase = "update"
        self.now[id(node)] = self._numbers(new, node)

    def _backward(self, event: Backward) -> None:
        self.rows.phase = "backward"
        self.after = "update"
        for node, cotangent in event.found.values():
            new = self._row(cotangent)
            old = self._gradient(node) if node.op is None else None
            if old is not None:
                self.lowering.note = "gradients add up over calls of backward"
                new = self.lowering.ufunc("add", old, new)
            self.grad[id(node)] = new
            self.out.objects.setdefault(id(node), node)

    def _optimise(self, event: Optimise) -> None:
        self.rows.phase = "update"
        optimizer = event.optimizer
        number = itertools.count()
        for group in optimizer.param_groups:
            own = {id(p): next(number) for p in group["params"]}
            for params in _by_dtype(group["params"]):
                self._optimise_part(optimizer, group, params, own)

    def _optimise_part(
        self, optimizer: Any, group: dict[str, Any], params: list[Any], own: dict[int, int]
    ) -> None:
        rows = self.rows
        # Runs of neighbours among the flat parameters that all have a gradient.
        runs: list[list[Any]] = [[]]
        for p in params:
            if self._gradient(p) is None:
                runs.append([])
            else:
                runs[-1].append(p)
        for run in runs:
            if not run:
                continue
            whole, start = self.flat[id(run[0])]
            size = sum(p._data.size for p in run)
            kind = run[0]._data.dtype
            old = [self.now[id(p)] for p in run]
            flat = rows.state_part(whole, start, (size,))
            if any(
                row is not self.out.state[(id(p), "data")] for row, p in zip(old, run, strict=True)
            ):
                flat = self._joined(run, old, size, kind, "parameters")
            pieces = [self._gradient(p) for p in run]
            gradient = self._joined(run, pieces, size, kind, "gradients")
            slots = optimizer.slots(group)
            moments = [rows.leaf("state", np.empty(size, kind), slot) for slot in slots]
            count = len(optimizer.numbers(1, *optimizer.options(group)))
            numbers = rows.leaf("state", np.empty(count, kind), "numbers")
            update = Update(
                optimizer,
                group,
                run,
                [own[id(p)] for p in run],
                slots,
                flat,
                gradient,
                moments,
                numbers,
            )
            self.out.updates.append(update)
            update.after = self._after(update)
            begin = 0
            for p in run:
                self.now[id(p)] = rows.view(
                    update.after,
                    laid(update.after.shadow[begin : begin + p._data.size], p._data),
                )
                begin += p._data.size

    def _joined(self, params: list[Any], pieces: list[Any], size: int, kind: Any, name: str) -> Row:
        indices, start = [], 0
        flat = []
        for p, piece in zip(params, pieces, strict=True):
            n = p._data.size
            if lies_across(p._data):
                piece = self.rows.look(piece, np.transpose)  # noqa: PLW2901
            flat.append(self.lowering.reshape(piece, (n,)))
            indices.append(slice(start, start + n))
            start += n
        row = self.rows.join(list(zip(flat, indices, strict=True)), (size,), kind, name)
        row.name = name
        return row

    def _after(self, update: Update) -> Row:
        """The row that the update writes; the planner expands it into calls."""
        row = Row("update", np.empty(update.whole.shape, update.whole.dtype), "update")
        row.args = (update.whole, update.gradient, *update.moments, update.numbers)
        row.value, row.phase, row.name = update, "update", "parameters"
        self.rows.calls.append(row)
        return row

    def _finish(self) -> None:
        for (key, attribute), row in list(self.out.state.items()):
            new: Any = self.now.get(key) if attribute == "data" else None
            if new is not None and new is not row:
                self.out.stores.append(
                    (row, new if new.base.kind == "update" else self._own_memory(new))
                )
        for key, node in self.out.objects.items():
            if node.time < self.trace.born and key in self.grad:
                self.out.grads.append((node, self._own_memory(self.grad[key])))


def _by_dtype(params: list[Any]) -> list[list[Any]]:
    found: dict[Any, list[Any]] = {}
    for p in params:
        found.setdefault(p._data.dtype, []).append(p)
    return list(found.values())


def _array_of(node: Any) -> Any:
    return np.asarray(node._data)


def _tracked(node: Any) -> bool:
    return node.__class__ is Value or bool(node.requires_grad)
