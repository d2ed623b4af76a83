"""The planner of scalar graphs: from `Columns` to a `Program` over NumPy arrays.

Read in this order: `columns` (what comes in), `scalar_graph` (groups), `scalar_memory` (where
numbers lie), `instructing` (rules as instructions), `scalar_backward`, and `plan` here.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture import instructing
from microgradx.capture.columns import CONSTANT, OPERATION
from microgradx.capture.program import Instruction, Program, View, contiguous
from microgradx.capture.scalar_backward import Backward
from microgradx.capture.scalar_floats import plan_floats, worth_floats
from microgradx.capture.scalar_graph import Group, groups, level
from microgradx.capture.scalar_memory import Memory

if TYPE_CHECKING:
    from microgradx.capture.columns import Columns

__all__ = ["Planned", "plan"]

Ids = Any
CHEAP = 0.5e-6
"""Seconds: a group that costs less to read keeps its order."""
FEWEST_IN_RUN = 64


class Planned:
    """A scalar program, and where the numbers of the step's nodes lie in it.

    Attributes
    ----------
    program : Program
        What runs.
    position : ndarray
        Position in buffer ``v`` of each node; -1 where a node was fused away. None for a program
        of floats.
    cotangents : list of ndarray
        For each call of backward, the position of each node's cotangent.
    """

    def __init__(self, program: Program, position: Ids, cotangents: list[Ids]) -> None:
        self.program, self.position, self.cotangents = program, position, cotangents


def plan(
    c: Columns,
    name: str = "step",
    *,
    chains: bool = True,
    products: bool = True,
    vectorize: bool | None = True,
) -> Planned:
    """Plan a traced step of scalars.

    Parameters
    ----------
    c : Columns
        The step.
    name : str
        The step's name, for listings.
    chains, products : bool
        Fuse chains of additions; recognise matrix products.
    vectorize : bool or None
        False writes plain Python floats instead; None chooses by the width of the groups.

    Returns
    -------
    Planned
        The program; outputs and finals are one vector each, ``"outputs"`` and ``"finals"``.
    """
    if vectorize is False:
        return Planned(plan_floats(c, name), None, [])
    levels = level(c, chains=chains)
    operations = int((c.kind == OPERATION).sum())
    if vectorize is None and worth_floats(operations, len(levels.table)):
        return Planned(plan_floats(c, name), None, [])
    return _Planner(c, groups(levels, products=products)).run(name)


class _Planner:
    def __init__(self, c: Columns, found: list[Group]) -> None:
        self.c, self.groups = c, found
        self.memory = Memory()
        self.position = np.full(c.size, -1)
        self.outputs: View | None = None
        self.finals: View | None = None
        self.target = np.full(c.size, -1)  # the state node that a node will be written to
        for state, node in c.writes.items():
            self.target[node] = state

    def run(self, name: str) -> Planned:
        c, memory = self.c, self.memory
        self._place_leaves()
        last = len(c.events)
        cotangents: list[Ids] = []
        done = 0
        for era in range(last + 1):
            memory.phase = "update" if era and era == last else "forward"
            while done < len(self.groups) and self.groups[done].epoch <= era:
                self._forward(self.groups[done])
                done += 1
            if era < last:
                memory.phase = "backward"
                event = c.events[era]
                backward = Backward(c, self.groups[:done], memory, self.position)
                cotangent = backward.run(event)
                cotangents.append(cotangent)
                for node, leaf in event.wanted.items():
                    self.position[leaf] = cotangent[node]
        self.outputs, self.finals = self._collect(c.outputs), self._collect(c.finals)
        self._write_state()
        return Planned(self._program(name), self.position, cotangents)

    # ---- leaves ----
    def _place_leaves(self) -> None:
        c, memory = self.c, self.memory
        constants = np.flatnonzero(c.kind == CONSTANT)
        self.position[constants] = memory.constants(c.value[constants]) + np.arange(len(constants))
        memory.call_it(
            contiguous("v", memory.size - len(constants), (len(constants),)), "constants"
        )
        memory.fixed = memory.size
        state = np.array(c.state, np.int64)
        self.state = contiguous("v", memory.allocate(len(state)), (len(state),))
        self.position[state] = np.arange(self.state.offset, memory.size)
        self.inputs = {}
        for label, shape, first in c.inputs:
            size = math.prod(shape)
            view = memory.call_it(memory.room(shape), label)
            self.inputs[label] = view
            self.position[first : first + size] = np.arange(view.offset, view.offset + size)

    # ---- groups ----
    def _forward(self, group: Group) -> None:
        if group.op == "matmul":
            self._forward_matmul(group)
        else:
            self._order(group)
            if group.op == "sum":
                self._forward_sum(group)
            elif group.op == "dot":
                self._forward_dot(group)
            else:
                self._forward_elementwise(group)
        self.memory.release()

    def _settle(self, group: Group, out: View) -> None:
        """Remember where a group's numbers lie."""
        nodes = group.nodes.reshape(-1)
        self.position[nodes] = np.arange(out.offset, out.offset + len(nodes))
        label = self.c.names.get(int(nodes[0])) if len(nodes) == 1 else None
        self.memory.call_it(out, label or group.op)

    def _reads(self, group: Group) -> list[Ids]:
        arrays = [
            self.position[ids] for i, ids in enumerate(group.operands)
            if ids.size and i not in group.literal
        ]  # fmt: skip
        targets = self.target[group.nodes]
        return [*arrays, self.position[targets]] if (targets >= 0).all() else arrays

    def _order(self, group: Group) -> None:
        """Order a group's nodes so that as many operands as possible are views."""
        arrays = self._reads(group)
        best, least = None, self.memory.cost(arrays)
        for array in arrays:
            if least < CHEAP:
                break
            order = np.argsort(array.reshape(-1, array.shape[-1])[0], kind="stable")
            cost = self.memory.cost([a[..., order] for a in arrays])
            if cost < least:
                best, least = order, cost
        if best is not None:
            group.nodes = group.nodes[best]
            group.operands = [ids[..., best] for ids in group.operands]

    def _forward_elementwise(self, group: Group) -> None:
        kept = [i for i in range(len(group.operands)) if i not in group.literal]
        views, shape = self.memory.together([self.position[group.operands[i]] for i in kept])
        inputs: list[Any] = [group.literal.get(i) for i in range(len(group.operands))]
        for i, view in zip(kept, views, strict=True):
            inputs[i] = instructing.Operand(self.memory, view)
        out = self.memory.room(shape)
        self._settle(group, out)
        instructing.forward(self.memory, group.op, inputs, out, group.op)

    def _forward_sum(self, group: Group) -> None:
        (rows,), shape = self.memory.together([self.position[group.operands[0]]])
        out = self.memory.room(shape)
        self._settle(group, out)
        self.memory.emit("add.reduce", rows, 0, None, out, out=out, note="sum")

    def _forward_dot(self, group: Group) -> None:
        plain, left, right = (self.position[ids] for ids in group.operands)
        arrays = [left, right, plain] if plain.size else [left, right]
        views, shape = self.memory.together(arrays)
        (many, few), out = (len(left), len(plain)), self.memory.room(shape)
        terms = self.memory.work((many + few, *shape))
        size = math.prod(shape)
        products_at, plain_at = (0, many) if group.plain_last else (few, 0)
        products = contiguous(terms.buffer, terms.offset + products_at * size, (many, *shape))
        self.memory.emit("multiply", views[0], views[1], products, out=products, note="dot")
        if few:
            rest = contiguous(terms.buffer, terms.offset + plain_at * size, (few, *shape))
            self.memory.emit("copyto", rest, views[2], out=rest)
        self._settle(group, out)
        self.memory.emit("add.reduce", terms, 0, None, out, out=out, note="dot")

    def _forward_matmul(self, group: Group) -> None:
        plain, left, right = group.operands
        batch, rows, cols = group.nodes.shape
        one = batch == 1

        def matrix(ids: Ids, *, blas: bool = False) -> View:
            positions = self.position[ids]
            return self.memory.matrix(positions[0] if one else positions, blas=blas)

        a, b = matrix(left, blas=True), matrix(right, blas=True)
        b = View(
            b.buffer, b.offset, (*b.shape[:-2], b.shape[-1], b.shape[-2]),
            (*b.strides[:-2], b.strides[-1], b.strides[-2]),
        )  # fmt: skip
        out = self.memory.room((rows, cols) if one else (batch, rows, cols))
        self._settle(group, out)
        self.memory.emit("matmul", a, b, out, out=out, note="dot, for all pairs")
        if group.bias == "cols":
            self._add(out, matrix(plain[:, None, :]))
        elif group.bias == "rows":
            self._add(out, matrix(plain[:, :, None]))
        elif group.bias == "full":
            if len(plain) == 1:
                self._add(out, matrix(plain[0]))
                return
            rows_of_terms = self.memory.matrix(self.position[plain].reshape(len(plain), -1))
            total = self.memory.work((group.nodes.size,))
            self.memory.emit(
                "add.reduce", rows_of_terms, 0, None, total, out=total, note="dot: other terms"
            )
            self._add(out, contiguous(total.buffer, total.offset, out.shape))

    def _add(self, out: View, term: View) -> None:
        self.memory.emit("add", out, term, out, out=out, note="dot: bias")

    # ---- what must be found afterwards ----
    def _collect(self, nodes: list[int]) -> View | None:
        if not nodes:
            return None
        places = self.position[np.array(nodes)]
        found = self.memory.strided(places, cheap=False)
        return found or self.memory.gather(places)

    def _write_state(self) -> None:
        c, memory = self.c, self.memory
        changed = [state for state, node in c.writes.items() if node != state]
        if not changed:
            return
        memory.phase = "update"
        states = np.array(changed)
        sources = self.position[[c.writes[state] for state in changed]]
        order = np.argsort(self.position[states])
        targets, sources = self.position[states][order], sources[order]
        # Runs that lie in one piece on both sides are written by the call that computes them.
        bounds = [0, *_cuts(sources, targets), len(targets)]
        long = [
            (a, b)
            for a, b in itertools.pairwise(bounds)
            if b - a >= FEWEST_IN_RUN or len(bounds) == 2
        ]
        rest = np.ones(len(targets), bool)
        moves = []
        for a, b in long:
            target = contiguous("v", int(targets[a]), (b - a,))
            step = int(sources[b - 1] > sources[a])
            source = View("v", int(sources[a]), (b - a,), (step,))
            moves.append((source, target))
            rest[a:b] = False
        if rest.any():
            source = memory.strided(sources[rest], cheap=False) or memory.gather(sources[rest])
            moves.append((source, targets[rest]))
        self._move(moves)

    def _move(self, moves: list[tuple[View, Any]]) -> None:
        """Copy new state over the old; what is read must not have been overwritten before."""
        memory = self.memory
        targets = [t for _, t in moves if isinstance(t, View)]
        if any(_touches(source, t) for source, _ in moves for t in targets):
            # States exchange their numbers: read all of them before any is written.
            kept = [memory.room(source.shape) for source, _ in moves]
            for (source, _), copy in zip(moves, kept, strict=True):
                memory.emit("positive", source, copy, out=copy, note="old state")
            moves = [(k, t) for k, (_, t) in zip(kept, moves, strict=True)]
        for source, target in moves:
            if not isinstance(target, View):
                found = memory.strided(target, cheap=False)
                if found is None:
                    whole = View("v", 0, (-1,), (1,))
                    memory.emit(
                        "put", whole, memory.table(target), source, out=whole, note="new state"
                    )
                    continue
                target = found  # noqa: PLW2901
            if not self._in_place(source, target):
                memory.emit("positive", source, target, out=target, note="new state")

    def _in_place(self, source: View, target: View) -> bool:
        """Let the call that computes the new state write over the old one, if nobody minds."""
        if source.strides not in ((1,), ()) or target.strides not in ((1,), ()):
            return False
        rows = self.memory.instructions
        last = next(
            (k for k in reversed(range(len(rows))) if _touches(rows[k].writes, source)), None
        )
        if last is None:
            return False
        row = rows[last]
        exact = row.writes.offset == source.offset and row.writes.size == source.size
        shaped = contiguous(target.buffer, target.offset, row.writes.shape)
        reads = [a for a in row.arguments if isinstance(a, View) and a is not row.writes]
        aligned = all(a == shaped or not _touches(a, target) for a in reads)
        later = [a for other in rows[last + 1 :] for a in _views(other)]
        if (
            not exact
            or not aligned
            or any(_touches(a, source) or _touches(a, target) for a in later)
        ):
            return False
        if any(view and _touches(view, source) for view in (self.outputs, self.finals)):
            return False
        rows[last] = row.redirected(row.writes, shaped, note=f"{row.note}, in place")
        self.memory.call_it(shaped, "parameters")
        moved = (self.position >= source.offset) & (self.position < source.offset + source.size)
        self.position[moved] += target.offset - source.offset
        return True

    def _program(self, name: str) -> Program:
        c, memory = self.c, self.memory
        start = np.zeros(memory.size)
        for first, numbers in memory.initial:
            start[first : first + len(numbers)] = numbers
        start[self.state.offset : self.state.offset + self.state.size] = c.value[c.state]
        found = {"outputs": self.outputs, "finals": self.finals}
        memory.names[self.state] = "parameters"
        whole = View("v", 0, (memory.size,), (1,))
        rows = [_complete(row, whole) for row in memory.instructions]
        memory.names[whole] = "everything"
        reassociated = sum(row.function == "matmul" for row in rows)
        notes = []
        if reassociated:
            notes.append(f"{reassociated} matrix products add in BLAS's order, not in the step's")
        return Program(
            name, rows, memory.buffers(), self.inputs,
            {"state": self.state} if self.state.size else {},
            {key: view for key, view in found.items() if view is not None},
            memory.tables, memory.names, {"v": start}, notes,
        )  # fmt: skip


def _cuts(sources: Ids, targets: Ids) -> list[int]:
    """Where to cut, so that every piece is contiguous in memory, or one number repeated."""
    step = np.diff(sources)
    broken = (np.diff(targets) != 1) | ((step != 1) & (step != 0))
    turns = np.zeros(len(broken), bool)
    turns[1:] = (step[1:] != step[:-1]) & ~broken[1:] & ~broken[:-1]
    after_break = np.flatnonzero(broken) + 1
    return sorted({*after_break.tolist(), *np.flatnonzero(turns).tolist()})


def _complete(row: Instruction, whole: View) -> Instruction:
    """Give views of the whole buffer their size, known only now."""
    arguments = tuple(
        [whole if isinstance(a, View) and a.shape == (-1,) else a for a in row.arguments]
    )
    writes = whole if row.writes.shape == (-1,) else row.writes
    return row._replace(arguments=arguments, writes=writes)


def _views(row: Instruction) -> list[View]:
    found = [a for a in row.arguments if isinstance(a, View)]
    return [*found, *[a for _, a in row.keywords if isinstance(a, View)], row.writes]


def _touches(a: View, b: View) -> bool:
    """Whether the address ranges of two views overlap."""
    if a.buffer != b.buffer:
        return False
    if (-1,) in (a.shape, b.shape):
        return True
    ends = [
        v.offset + sum((n - 1) * s for n, s in zip(v.shape, v.strides, strict=True)) for v in (a, b)
    ]
    return a.offset <= ends[1] and b.offset <= ends[0]
