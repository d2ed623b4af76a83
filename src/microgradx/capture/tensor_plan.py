"""The planner of Tensor steps: from `Resolved` rows to a `Program`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture import gemm
from microgradx.capture.loops import loop_of
from microgradx.capture.program import Instruction, Program, Table, View, contiguous
from microgradx.capture.tensor_fold import fold_rate
from microgradx.capture.tensor_memory import Memory, covered, live
from microgradx.capture.tensor_rows import OUT, Row, part
from microgradx.errors import CaptureError
from microgradx.functions.making import generator as default_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from microgradx.capture.tensor_trace import Resolved, Update

__all__ = ["Planned", "plan"]

UNIT = object()
"""A rate that has been multiplied in already."""
CHUNK = 1 << 16
"""Numbers that one pass of an update takes at a time, where there are many."""
MANY = 200_000


class Planned:
    """A program, and where the step's rows lie in it.

    Attributes
    ----------
    program : Program
        What runs.
    memory : Memory
        Row -> view.
    counters : list of (View, View)
        For each update, where its step number and its options lie.
    streams : list of str
        The tables that are the library's default random stream.
    origins : list of int
        For each instruction, the number of the live call that it belongs to.
    """

    def __init__(
        self,
        program: Program,
        memory: Memory,
        counters: list[tuple[View, View]],
        streams: list[str],
        origins: list[int],
    ) -> None:
        self.program, self.memory, self.counters, self.streams = program, memory, counters, streams
        self.origins = origins


def plan(
    resolved: Resolved,
    name: str = "step",
    titles: dict[int, str] | None = None,
    *,
    tune: bool = True,
    fast: bool = False,
) -> Planned:
    """Plan a traced step of Tensors.

    Parameters
    ----------
    resolved : Resolved
        The step.
    name : str
        The step's name, for listings.
    titles : dict, optional
        ``id(parameter) -> what the user calls it``.
    tune : bool
        Whether to time ways of cutting matrix products, and to fold the learning rate.
    fast : bool
        Whether to compile updates with numba.

    Returns
    -------
    Planned
        The program and its layout.
    """
    folded = tune and fold_rate(resolved)
    planned = _Planner(resolved, name, titles or {}, fast=fast).run(tune=tune)
    if folded:
        planned.program.notes.append(
            "the learning rate is multiplied in where the backward pass begins: last bits differ"
        )
    return planned


class _Planner:
    def __init__(
        self, resolved: Resolved, name: str, titles: dict[int, str], *, fast: bool
    ) -> None:
        self.resolved, self.name, self.titles, self.fast = resolved, name, titles, fast
        self.calls = live(resolved)
        self.memory = Memory(resolved, self.calls)
        self.instructions: list[Instruction] = []
        self.tables: dict[str, Any] = {}
        self.notes: list[str] = []
        self.counters: list[tuple[View, View]] = []
        self.streams: list[str] = []  # tables that are the library's default random stream
        self.state: dict[str, View] = {}
        self.outputs: dict[str, View] = {}

    def run(self, *, tune: bool) -> Planned:
        memory, resolved = self.memory, self.resolved
        origins: list[int] = []  # instruction -> the call it belongs to
        for k, row in enumerate(self.calls):
            emit: Callable[[Row], None] = getattr(self, f"_{row.kind}")
            emit(row)
            origins += [k] * (len(self.instructions) - len(origins))
        self._store()
        inputs = {memory.place[id(row)][0]: memory.view(row) for row in resolved.inputs}
        self._state()
        for k, row in enumerate(resolved.outputs):
            if isinstance(row, Row):
                self.outputs[
                    row.name or f"output{k}"
                    if (row.name or "") not in self.outputs
                    else f"output{k}"
                ] = memory.view(row)
        program = Program(
            name=self.name,
            instructions=self.instructions,
            buffers=list(memory.buffers.values()),
            inputs=inputs,
            state=self.state,
            outputs=self.outputs,
            tables=self.tables,
            names=self._names(),
            initial=memory.contents(),
            borrowed=tuple(inputs),
        )
        if tune:
            self._tune(program)
        program.notes.extend(self.notes)
        return Planned(program, memory, self.counters, self.streams, origins)

    # ---- rows as instructions ----
    def _value(self, a: Any, out: View) -> Any:
        return out if a is OUT else self.memory.view(a) if isinstance(a, Row) else a

    def _call(self, row: Row) -> None:
        out = self.memory.view(row)
        arguments = tuple([self._value(a, out) for a in row.args])
        keywords = tuple([(k, self._value(a, out)) for k, a in row.keywords])
        name = row.function
        if (
            isinstance(getattr(np, name, None), np.ufunc)
            and name in {"maximum", "minimum"}
            and arguments[-1] is out
        ):
            # NumPy deprecates a third position here.
            arguments, keywords = arguments[:-1], (*keywords, ("out", out))
        self._emit(name, arguments, out, row, keywords)

    def _emit(
        self,
        function: str,
        arguments: tuple[Any, ...],
        out: View,
        row: Row,
        keywords: tuple[Any, ...] = (),
        note: str = "",
    ) -> None:
        self.instructions.append(
            Instruction(function, arguments, out, row.phase, note or row.note, keywords)
        )

    def _draw(self, row: Row) -> None:
        out = self.memory.view(row)
        generator = default_stream() if row.value is None else row.value
        key = next((k for k, t in self.tables.items() if t is generator), None)
        if key is None:
            key = f"rng{sum(k.startswith('rng') for k in self.tables)}"
            self.tables[key] = generator
            if row.value is None:
                self.streams.append(key)
        keywords = (*row.keywords, ("out", out))
        self._emit(f"{key}.{row.function}", (), out, row, keywords, "drawn anew on each run")

    def _join(self, row: Row) -> None:
        out = self.memory.view(row)
        if not covered(row):
            self._emit(".fill", (out, 0), out, row)
        flat = contiguous(out.buffer, out.offset, (out.size,))
        for piece, index in zip(row.args, row.value, strict=True):
            source = self.memory.view(piece)
            if isinstance(index, np.ndarray):
                key = f"places{sum(k.startswith('places') for k in self.tables)}"
                self.tables[key] = np.ascontiguousarray(index)
                repeated = len(np.unique(index)) < index.size
                if repeated:
                    self._emit("add.at", (flat, Table(key), source), out, row)
                else:
                    self._emit("put", (flat, Table(key), source), out, row)
            elif not self.memory.pinned(piece, row, index):
                shadow = part(row.shadow, index)
                start = (
                    shadow.__array_interface__["data"][0]
                    - row.shadow.__array_interface__["data"][0]
                )
                item = row.dtype.itemsize
                strides = tuple([s // item for s in shadow.strides])
                target = View(out.buffer, out.offset + start // item, shadow.shape, strides)
                self._emit("copyto", (target, source), target, row)

    def _update(self, row: Row) -> None:
        update: Update = row.value
        folded = update.factor is not None
        memory, k = self.memory, len(self.counters)
        options = update.optimizer.options(update.group)
        size = update.whole.shadow.size
        chunk = CHUNK if size > MANY and not self.fast else size
        count = self._buffer(f"steps{k or ''}", 1, "float64", "state")
        given = self._buffer(f"options{k or ''}", len(options), "float64", "state")
        work = self._buffer(f"update{k or ''}", chunk, str(row.dtype), "scratch")
        self.counters.append((count, given))
        table = f"{type(update.optimizer).__name__.lower()}_numbers{k or ''}"
        if update.moments:
            self.tables[table] = type(update.optimizer).numbers
        numbers = memory.view(update.numbers)
        if update.moments:  # without them the numbers change only with the options
            self._emit(
                "kernels.numbers_of_step", (Table(table), count, given, numbers), numbers, row,
                note="count the steps; what the update multiplies with in this one",
            )  # fmt: skip
        scalars: tuple[Any, ...] = tuple(
            [View(numbers.buffer, numbers.offset + i, (), ()) for i in range(numbers.size)]
        )
        if folded:
            scalars = (UNIT, *scalars[1:-1])
        whole = [memory.view(x) for x in (update.whole, update.gradient, *update.moments)]
        who = type(update.optimizer).__name__
        for start in range(0, size, chunk):
            n = min(chunk, size - start)
            x, g, *moments = [View(v.buffer, v.offset + start, (n,), (1,)) for v in whole]
            w = View(work.buffer, 0, (n,), (1,))
            calls: list[Instruction] = []
            update.optimizer._update(_Writer(calls, who), x, g, moments, w, update.group, scalars)
            self.instructions += self._looped(calls, x, work.buffer) if self.fast else calls
        if update.moments:
            self._emit(
                "kernels.flush_denormals", (count, *whole[2:]), whole[2], row,
                note="every 100 steps: numbers too small to matter become 0",
            )  # fmt: skip

    def _looped(self, calls: list[Instruction], x: View, scratch: str) -> list[Instruction]:
        """The calls of an update as one compiled loop, where it can be one."""
        found = loop_of(calls, scratch)
        if found is None:
            return calls
        loop, views = found
        key = f"loop{sum(k.startswith('loop') for k in self.tables)}"
        self.tables[key] = loop
        return [Instruction(key, tuple(views), x, "update", "the update as one compiled loop")]

    def _buffer(self, name: str, size: int, dtype: str, role: str) -> View:
        name = self.memory._new_buffer(name, size, dtype, role)
        return contiguous(name, 0, (size,))

    def _store(self) -> None:
        """Copy to parameters what could not be written there at once."""
        memory = self.memory
        for state, new in self.resolved.stores:
            target, source = memory.view(state), memory.view(new)
            if target != source:
                self.instructions.append(
                    Instruction("copyto", (target, source), target, "update", "keep")
                )

    # ---- what the program is made of ----
    def _state(self) -> None:
        memory = self.memory
        for name, buffer in memory.buffers.items():
            if buffer.role == "state":
                self.state[name] = contiguous(name, 0, (buffer.size,))

    def _names(self) -> dict[View, str]:
        found: dict[View, str] = {}
        for row in (
            *self.resolved.rows.calls,
            *self.resolved.state.values(),
            *self.resolved.inputs,
        ):
            if row.name and id(row.base) in self.memory.place:
                found.setdefault(self.memory.view(row), row.name)
        for (key, attribute), row in self.resolved.state.items():
            name = self._title(self.resolved.objects[key])
            found.setdefault(self.memory.view(row), name if attribute == "data" else f"{name}_grad")
        for node, grad in self.resolved.grads:
            if grad is not None and id(grad.base) in self.memory.place:
                found.setdefault(self.memory.view(grad), f"{self._title(node)}_grad")
        return found

    def _title(self, node: Any) -> str:
        """What the user calls a parameter."""
        return str(node.name or self.titles.get(id(node), "parameter"))

    def _tune(self, program: Program) -> None:
        saved = {
            b.name: program.arrays[b.name].copy() for b in program.buffers if b.role == "state"
        }
        rng = np.random.default_rng(0)
        for b in program.buffers:
            if np.dtype(b.dtype).kind == "f" and b.role != "constants":
                program.arrays[b.name][...] = rng.standard_normal(1)
        for i, instruction in enumerate(program.instructions):
            if instruction.function == "matmul":
                program.instructions[i], chosen = gemm.tuned(instruction, program.array)
                if chosen:
                    self.notes.append(
                        f"matmul {i} runs in {chosen}: last bits may differ from one call"
                    )
        for b in program.buffers:
            if b.role not in {"constants", "state"} and np.dtype(b.dtype).kind == "f":
                program.arrays[b.name][...] = 0
        for name, array in saved.items():
            program.arrays[name][...] = array


class _Writer:
    """Stands for NumPy while an optimiser's update is read: each call becomes an instruction."""

    def __init__(self, instructions: list[Instruction], who: str) -> None:
        self._instructions, self._who = instructions, who

    def __getattr__(self, name: str) -> Callable[..., View]:
        function = getattr(np, name, None)
        if not isinstance(function, np.ufunc):
            raise CaptureError(
                f"{self._who}._update",
                f"np.{name} cannot be captured",
                "Write it with ufuncs and out",
            )

        def call(*args: Any, out: Any = None) -> View:
            if name == "multiply" and args[1] is UNIT:
                factor: View = args[0]
                return factor
            views = (*args, out) if out is not None else args
            if len(views) != function.nin + 1:
                raise CaptureError(
                    f"{self._who}._update",
                    f"np.{name} is called without out",
                    "Name the array it writes",
                )
            target: View = views[-1]
            self._instructions.append(_instruction(name, views, target))
            return target

        return call


def _instruction(name: str, views: tuple[Any, ...], target: View) -> Instruction:
    if name in {"maximum", "minimum"}:
        return Instruction(name, views[:-1], target, "update", "", (("out", target),))
    return Instruction(name, views, target, "update")
