"""The backward pass of a scalar program, in pull form.

Every edge of the graph (a reader and one thing it reads) has a *slot*: the position its share of
the cotangent is written to. A node's cotangent is the sum of its edges' slots. Edges of a sum own
no slot of their own: theirs is the position of the reader's cotangent; and a node with a single
edge has its cotangent where that edge's slot is. So neither costs a call, and nothing is scattered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture import instructing
from microgradx.capture.program import View, contiguous
from microgradx.capture.scalar_memory import factors

if TYPE_CHECKING:
    from microgradx.capture.columns import Columns, Event
    from microgradx.capture.scalar_graph import Group
    from microgradx.capture.scalar_memory import Memory

__all__ = ["Backward"]

Ids = Any
FEW_CLASSES = 8
LARGE = 1500
"""Edges from which reading them family by family may beat one gather."""


class Backward:
    """Plans one backward event.

    Parameters
    ----------
    columns : Columns
        The step.
    groups : list of Group
        Its groups up to the event.
    memory : Memory
        Where instructions go.
    position : ndarray
        Position of each node's number.
    forward_views : dict
        Group index -> views of its operands, as the forward pass read them.
    """

    def __init__(
        self, columns: Columns, groups: list[Group], memory: Memory, position: Ids
    ) -> None:
        self.c, self.groups, self.memory, self.position = columns, groups, memory, position
        n = columns.size
        self.owner = np.full(n, len(groups))  # leaves belong to a group of their own
        for k, group in enumerate(groups):
            self.owner[group.nodes.reshape(-1)] = k
        self.cotangent = np.full(n, memory.zero)
        self.edges: list[list[tuple[Ids, Ids]]] = [[] for _ in range(len(groups) + 1)]
        self.active = np.zeros(n, bool)

    # ---- which nodes matter ----
    def _operand_ids(self, group: Group) -> list[Ids]:
        return [ids.reshape(-1) for ids in group.operands]

    def _activate(self, event: Event) -> None:
        """Mark the nodes between the wanted ones and the root."""
        depends = np.zeros(self.c.size, bool)
        depends[list(event.wanted)] = True
        for group in self.groups:
            flow = np.zeros(group.nodes.size, bool)
            for ids in group.operands:
                if ids.size:
                    flow |= self._gathered(group, ids, depends)
            nodes = group.nodes.reshape(-1)
            depends[nodes] |= flow & ~self.c.number[nodes]
        reached = np.zeros(self.c.size, bool)
        reached[event.root] = depends[event.root]
        for group in reversed(self.groups):
            nodes = group.nodes.reshape(-1)
            live = reached[nodes] & depends[nodes]
            if not live.any():
                continue
            for ids in group.operands:
                if ids.size:
                    self._mark(group, ids, live, reached)
        self.active = depends & reached

    @staticmethod
    def _over(group: Group, ids: Ids) -> Ids:
        """Operand ids with the group's nodes on the last axis; broadcasts where it can."""
        if group.op != "matmul":
            return ids.reshape(-1, group.nodes.size)
        batch, rows, cols = group.nodes.shape
        if ids is group.operands[0]:
            if group.bias == "cols":
                full = np.broadcast_to(ids[:, None, :], (batch, rows, cols))
            elif group.bias == "rows":
                full = np.broadcast_to(ids[:, :, None], (batch, rows, cols))
            else:
                return ids.reshape(len(ids), -1)
            return full.reshape(1, -1)
        return ids

    def _gathered(self, group: Group, ids: Ids, flag: Ids) -> Ids:
        """For each node of the group: does one of these operands have the flag?"""
        if group.op != "matmul" or ids is group.operands[0]:
            return flag[self._over(group, ids)].any(0)
        vectors = flag[ids].any(2)  # (batch, rows or cols)
        batch, rows, cols = group.nodes.shape
        spread = vectors[:, :, None] if ids is group.operands[1] else vectors[:, None, :]
        return np.broadcast_to(spread, (batch, rows, cols)).reshape(-1)

    def _mark(self, group: Group, ids: Ids, live: Ids, reached: Ids) -> None:
        if group.op != "matmul" or ids is group.operands[0]:
            reached[self._over(group, ids)[:, live]] = True
            return
        grid = live.reshape(group.nodes.shape)
        vectors = grid.any(2) if ids is group.operands[1] else grid.any(1)
        reached[ids[vectors]] = True

    # ---- the pass ----
    def run(self, event: Event) -> Ids:
        """Write the instructions; returns the position of each node's cotangent."""
        self._activate(event)
        if self.active[event.root]:
            slot = np.array([self.position[event.seed]])
            self._edge(np.array([event.root]), slot)
        for k in range(len(self.groups) - 1, -1, -1):
            group = self.groups[k]
            if self.active[group.nodes].any():
                self._pull_together(k)
                self._pull_back(group)
                self.memory.release()
        self._pull_together(len(self.groups))
        self.memory.release()
        return self.cotangent

    def _edge(self, targets: Ids, slots: Ids) -> None:
        """Hand slots to the nodes that are read; both flat."""
        useful = self.active[targets]
        if not useful.all():
            targets, slots = targets[useful], slots[useful]
        if not len(targets):
            return
        owners = self.owner[targets]
        for k in np.unique(owners).tolist():
            mine = owners == k
            self.edges[k].append((targets[mine], slots[mine]))

    # ---- a group's cotangents from its edges ----
    def _pull_together(self, k: int) -> None:
        # The largest family first: its edges then stand in one row, and often in one view.
        chunks = sorted(self.edges[k], key=lambda chunk: -len(chunk[0]))
        if not chunks:
            return
        targets = np.concatenate([chunk[0] for chunk in chunks])
        slots = np.concatenate([chunk[1] for chunk in chunks])
        degree = np.bincount(targets, minlength=self.c.size)
        if degree.max() == 1:
            self.cotangent[targets] = slots
            return
        if len(targets) >= LARGE and self._pull_by_family(chunks, degree):
            return
        nodes = np.unique(targets)
        nodes = nodes[np.argsort(self.position[nodes])]
        degrees = degree[nodes]
        slots = slots[np.argsort(self.position[targets], kind="stable")]
        most = int(degrees.max())
        name = "gradients" if k == len(self.groups) else f"d_{self.groups[k].op}"
        out = self.memory.call_it(self.memory.room((len(nodes),)), name)
        self.cotangent[nodes] = np.arange(out.offset, out.offset + len(nodes))
        if most * len(nodes) <= 2 * len(slots) + 1000:
            index = np.full((most, len(nodes)), self.memory.zero)
            ends = np.cumsum(degrees)
            rank = np.arange(len(slots)) - np.repeat(ends - degrees, degrees)
            index[rank, np.repeat(np.arange(len(nodes)), degrees)] = slots
            self._sum_rows(index, out)
            return
        flat = self.memory.matrix(slots)
        starts = self.memory.table((np.cumsum(degrees) - degrees).astype(np.intp))
        self.memory.emit("add.reduceat", flat, starts, 0, None, out, out=out, note="sum of edges")

    def _sum_rows(self, index: Ids, out: View) -> None:
        """Sum over the first axis, in the order of the rows."""
        if len(index) == 1:
            (source,), shape = self.memory.together([index[0]])
            self.memory.emit("positive", source, _shaped(out, shape), out=out, note="one edge")
            return
        if len(index) == 2:
            (x, y), shape = self.memory.together([index[0], index[1]])
            self.memory.emit("add", x, y, _shaped(out, shape), out=out, note="sum of edges")
            return
        (rows,), shape = self.memory.together([index])
        self.memory.emit(
            "add.reduce", rows, 0, None, _shaped(out, shape), out=out, note="sum of edges"
        )

    def _pull_by_family(self, chunks: list[tuple[Ids, Ids]], degree: Ids) -> bool:
        """Sum each family of edges through a strided view; tells whether it was worth it."""
        nodes = np.flatnonzero(degree)
        counts = np.stack([np.bincount(t, minlength=self.c.size)[nodes] for t, _ in chunks])
        kinds, inverse = np.unique(counts, axis=1, return_inverse=True)
        inverse = inverse.reshape(-1)
        if kinds.shape[1] > FEW_CLASSES:
            return False
        plans = []
        for kind in range(kinds.shape[1]):
            members = nodes[inverse == kind]
            parts = []
            for (targets, slots), count in zip(chunks, kinds[:, kind].tolist(), strict=True):
                if count:
                    mine = np.isin(targets, members)
                    order = np.argsort(targets[mine], kind="stable")
                    parts.append(slots[mine][order].reshape(len(members), count).T)
            parts.sort(key=len, reverse=True)
            # The widest family decides the order of the cotangents, so that its rows run on.
            order = np.argsort(parts[0][0], kind="stable")
            parts = [part[:, order] for part in parts]
            if parts[0].size >= LARGE and self._window(parts[0]) is None:
                return False
            plans.append((members[order], parts))
        for members, parts in plans:
            out = self.memory.room((len(members),))
            self.cotangent[members] = np.arange(out.offset, out.offset + len(members))
            self._sum_family(parts[0], out)
            for part in parts[1:]:
                for row in part:
                    (x,), shape = self.memory.together([row])
                    target = _shaped(out, shape)
                    self.memory.emit("add", target, x, target, out=out, note="sum of edges")
        return True

    def _window(self, index: Ids) -> tuple[View, int, tuple[int, ...]] | None:
        """A view of edge slots: axes of the degree first, then axes of the nodes."""
        rows, columns = factors(index[:, 0] - index[0, 0]), factors(index[0] - index[0, 0])
        if rows is None or columns is None:
            return None
        if not (index == index[:, :1] + index[:1] - index[0, 0]).all():
            return None
        shape = tuple([n for n, _ in (*rows, *columns)])
        strides = tuple([s for _, s in (*rows, *columns)])
        view = View("v", int(index[0, 0]), shape, strides)
        return view, len(rows), tuple([n for n, _ in columns])

    def _sum_family(self, index: Ids, out: View) -> None:
        found = self._window(index)
        if found is None or len(index) == 1:
            self._sum_rows(index, out)
            return
        view, axes, shape = found
        self.memory.views += 1
        target = _shaped(out, shape or (1,))
        if not shape:
            view = view._replace(shape=(*view.shape, 1), strides=(*view.strides, 0))
        axis: Any = 0 if axes == 1 else tuple(range(axes))
        self.memory.emit("add.reduce", view, axis, None, target, out=out, note="sum of edges")

    # ---- a group's edges from its cotangents ----
    def _pull_back(self, group: Group) -> None:
        self.memory.release()
        if group.op == "matmul":
            self._pull_matmul(group)
        elif group.op in {"sum", "dot"}:
            self._pull_sum(group)
        elif group.op in {"add", "positive"}:
            for ids in group.operands:
                self._edge(ids, self.cotangent[group.nodes])
        else:
            self._pull_elementwise(group)

    def _pull_elementwise(self, group: Group) -> None:
        rules = group.primitive.vjps
        wanted = [
            i
            for i, ids in enumerate(group.operands)
            if i < len(rules) and rules[i] and i not in group.literal and self.active[ids].any()
        ]
        if group.op == "sub" and 0 in wanted:
            self._edge(group.operands[0], self.cotangent[group.nodes])
            wanted.remove(0)
        if not wanted:
            return
        reads = group.primitive.reads
        arrays = [self.cotangent[group.nodes]]
        places: dict[int, int] = {}
        for i, ids in enumerate([group.nodes, *group.operands]):
            if i in reads and (i == 0 or i - 1 not in group.literal):
                places[i] = len(arrays)
                arrays.append(self.position[ids])
        views, shape = self.memory.together(arrays)
        operand = {i: instructing.Operand(self.memory, views[k]) for i, k in places.items()}
        g = instructing.Operand(self.memory, views[0])
        # What a rule does not read may be any array.
        inputs: list[Any] = [
            group.literal[i] if i in group.literal else operand.get(i + 1, g)
            for i in range(len(group.operands))
        ]
        twice = len(group.operands) == 2 and (group.operands[0] == group.operands[1]).all()
        if group.op == "mul" and twice:
            out = self._slots(group.operands[0], shape, group)
            double = instructing.call("multiply", g, 2.0)
            self.memory.emit(
                "multiply", double.view, inputs[0].view, out, out=out, note="mul: 2 * g * x"
            )
            return
        for i in wanted:
            out = self._slots(group.operands[i], shape, group)
            instructing.pull(self.memory, group.op, i, g, operand.get(0, g), inputs, out)

    def _slots(self, ids: Ids, shape: tuple[int, ...], group: Group) -> View:
        """Room for one edge to each of `ids`."""
        out = self.memory.room((*ids.shape[:-1], *shape))
        self._edge(ids.reshape(-1), np.arange(out.offset, out.offset + ids.size))
        return self.memory.call_it(out, f"d_{group.op}")

    def _pull_sum(self, group: Group) -> None:
        g = self.cotangent[group.nodes]
        plain = group.operands[0]
        if plain.size:
            self._edge(plain.reshape(-1), np.broadcast_to(g, plain.shape).reshape(-1))
        if group.op == "sum":
            return
        left, right = group.operands[1:]
        pull_left, pull_right = self.active[left].any(), self.active[right].any()
        if not pull_left and not pull_right:
            return
        (x, y, d), shape = self.memory.together([self.position[left], self.position[right], g])
        if (left == right).all():
            out = self._slots(left, shape, group)
            double = instructing.call("multiply", instructing.Operand(self.memory, d), 2.0)
            self.memory.emit("multiply", x, double.view, out, out=out, note="dot: 2 * g * x")
            return
        for ids, other, wanted, note in (
            (left, y, pull_left, "dot: g * x"), (right, x, pull_right, "dot: g * w")
        ):  # fmt: skip
            if wanted:
                out = self._slots(ids, shape, group)
                self.memory.emit("multiply", other, d, out, out=out, note=note)

    def _pull_matmul(self, group: Group) -> None:
        plain, left, right = group.operands
        batch = len(group.nodes)
        g = self.cotangent[group.nodes]
        if group.bias == "full":
            self._edge(plain.reshape(-1), np.broadcast_to(g, plain.shape).reshape(-1))
        grid = self._stack(g)
        if group.bias in {"cols", "rows"} and self.active[plain].any():
            self._pull_bias(group, grid)
        same = left.shape == right.shape and (left == right).all() and left.shape[1] == 1
        for ids, other, name in ((left, right, "left"), (right, left, "right")):
            if not self.active[ids].any() or (same and name == "right"):
                continue
            out = self.memory.room(ids.shape if batch > 1 else ids.shape[1:])
            self._edge(ids.reshape(-1), np.arange(out.offset, out.offset + ids.size))
            self.memory.call_it(out, f"d_{name}")
            vectors = self._stack(self.position[other])
            d = grid if name == "left" else _transposed(grid)
            if same:  # a sum of squares
                twice = instructing.call("multiply", instructing.Operand(self.memory, d), 2.0)
                self.memory.emit(
                    "multiply", vectors, twice.view, out, out=out, note="dot: 2 * g * x"
                )
            elif d.shape[-1] == 1:
                self.memory.emit("multiply", d, vectors, out, out=out, note=f"dot: g * {name}")
            else:
                self.memory.emit(
                    "matmul", d, vectors, out, out=out, note="dot: g * x, summed over readers"
                )

    def _pull_bias(self, group: Group, grid: View) -> None:
        plain = group.operands[0]
        batch, rows, cols = group.nodes.shape
        by_cols = group.bias == "cols"
        summed = rows if by_cols else cols
        if summed == 1:
            self._edge(plain.reshape(-1), self.cotangent[group.nodes].reshape(-1))
            return
        out = self.memory.room(plain.shape if batch > 1 else plain.shape[1:])
        self._edge(plain.reshape(-1), np.arange(out.offset, out.offset + plain.size))
        self.memory.call_it(out, "d_bias")
        # A product with ones is three times faster than a reduction over short rows.
        ones = self.memory.ones(summed)
        arguments = (ones, grid) if by_cols else (grid, ones)
        self.memory.emit("matmul", *arguments, out, out=out, note="bias: the sum of its readers' g")

    def _stack(self, positions: Ids) -> View:
        """A matrix, or a stack of them, that matmul can read."""
        return self.memory.matrix(positions if len(positions) > 1 else positions[0], blas=True)


def _shaped(view: View, shape: tuple[int, ...]) -> View:
    return contiguous(view.buffer, view.offset, shape)


def _transposed(view: View) -> View:
    *lead, n, m = view.shape
    *steps, row, col = view.strides
    return View(view.buffer, view.offset, (*lead, m, n), (*steps, col, row))
