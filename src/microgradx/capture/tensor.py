"""`TensorReplay`: a planned step of Tensors, ready to be called.

The program's memory and the user's objects are one: a parameter's data *is* a view of the
program's buffer after the first call, and so are an optimiser's moments, so a replay leaves the
model, the optimiser's ``state_dict`` and later eager calls with the same numbers at no cost. What
was assigned from outside since is copied in before the next run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import staleness
from microgradx.capture.pending_arrays import PendingArray
from microgradx.capture.program import View
from microgradx.capture.tensor_memory import live
from microgradx.capture.tensor_plan import plan
from microgradx.capture.tensor_rows import Row, laid
from microgradx.capture.tensor_trace import resolve
from microgradx.capture.threads import blas
from microgradx.engine import TRACKED
from microgradx.errors import CaptureError, IndexingError
from microgradx.functions.making import generator as default_stream
from microgradx.graph import tick
from microgradx.tensor import EXPOSED, _constant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from microgradx.capture.arguments import Argument
    from microgradx.capture.program import Program
    from microgradx.capture.tensor_trace import Update
    from microgradx.capture.trace import Trace

__all__ = ["TensorReplay"]


class TensorReplay:
    """Lends inputs to a Tensor program, runs it, and hands out what it returns.

    Parameters
    ----------
    trace : Trace
        The step, traced.
    arguments : sequence of Argument
        What varies from call to call.
    outputs : sequence
        What the step returned.
    name : str
        The step's name.
    threads : int, optional
        BLAS threads during a run; 1 by default.
    tune : bool
        Whether to time ways of cutting matrix products.
    fast : bool
        Whether to compile updates with numba.
    titles : dict, optional
        ``id(parameter) -> what the user calls it``.
    """

    def __init__(
        self,
        trace: Trace,
        arguments: Sequence[Argument],
        outputs: Sequence[Any],
        name: str,
        threads: int | None = None,
        *,
        tune: bool = True,
        fast: bool = False,
        titles: dict[int, str] | None = None,
    ) -> None:
        resolved = resolve(trace, arguments, outputs)
        library = blas()
        self._blas = library
        self.threads = threads or 1
        before = library.get() if library is not None else 0
        try:
            if library is not None:
                library.set(self.threads)
            planned = plan(resolved, name, titles, tune=tune, fast=fast)
        finally:
            if library is not None:
                library.set(before)
        self.program: Program = planned.program
        self.program.threads = self.threads if library is not None else None
        memory, array = planned.memory, self.program.array
        # Of the rows themselves nothing is kept: they hold the numbers of the traced run.
        self.calls = [row.function for row in live(resolved)]
        # ---- whose numbers lie where ----
        self._data: list[tuple[Any, Any]] = []
        self._grads_in: list[tuple[Any, Any]] = []
        for (key, attribute), row in resolved.state.items():
            home = array(memory.view(row))
            node = resolved.objects[key]
            (self._data if attribute == "data" else self._grads_in).append((node, home))
        written = {id(u) for u, _ in resolved.stores} | {id(r) for r, _ in resolved.stores}
        self._written = [
            resolved.objects[key]
            for (key, attribute), row in resolved.state.items()
            if attribute == "data" and id(row) in written
        ]
        self._optimised = [
            _Optimised(update, counts, self.program, memory)
            for update, counts in zip(resolved.updates, planned.counters, strict=True)
        ]
        self._grads: list[tuple[Any, Any]] = []
        for node, grad in resolved.grads:
            if grad is None:
                self._grads.append((node, None))
                continue
            home = (
                array(memory.view(grad)) if grad.base.kind != "constant" else np.array(_value(grad))
            )
            self._grads.append((node, PendingArray(home, self._rate(node))))
        self._results: list[tuple[Any, Any]] = []  # the program's array, or what never changes
        for x in resolved.outputs:
            if not isinstance(x, Row):
                self._results.append((None, x))
            else:
                moving = x.base.kind != "constant"
                self._results.append((array(memory.view(x)) if moving else _value(x), None))
        views = [memory.view(row) for row in resolved.inputs]
        self._lent = [(view, array(view).dtype) for view in views]
        self._held = [*resolved.held]
        self._tracked = [(node, node._flags & TRACKED) for node, _ in self._data if node.op is None]
        self._guards = [(a, staleness.fingerprint(a)) for a in resolved.guards]
        self._streams = planned.streams
        self.origins = planned.origins

    def _rate(self, node: Any) -> Any:
        """What a gradient was multiplied by, where the learning rate was folded into it."""
        for optimised in self._optimised:
            if optimised.factor is not None and id(node) in optimised.moves:
                return optimised.numbers[:1]
        return None

    def fits(self) -> bool:
        """Whether the step, run now, would still build this program."""
        # Plain loops: this runs before every replay.
        for node, held in self._held:
            if (node._grad is not None) != held:
                return False
        for node, flag in self._tracked:
            if node._flags & TRACKED != flag:
                return False
        for optimised in self._optimised:  # noqa: SIM110 - a generator costs 1 µs
            if not optimised.fits():
                return False
        return True

    def check(
        self,
        step: Any,
        signature: Any,
        leaves: Sequence[Any],
        kwargs: dict[str, Any],
        positional: int,
    ) -> None:
        """Compare every instruction with what eager code computes from the same numbers."""
        from microgradx.capture.tensor_check import check  # noqa: PLC0415 - only when asked for

        check(self, step, signature, leaves, kwargs, positional)

    def __call__(self, leaves: Sequence[Any]) -> list[Any]:
        """Run once on `leaves`, one array or number for each argument."""
        program = self.program
        if self._guards:
            self._refuse_changed()
        lent = [
            x
            if x.__class__ is np.ndarray and x.dtype is kind and x.flags.carray
            else program.lend(view, np.asarray(x))
            for (view, kind), x in zip(self._lent, leaves, strict=True)
        ]
        self.settle()
        if self._streams and program.tables[self._streams[0]] is not default_stream():
            for name in self._streams:  # the user called manual_seed
                program.tables[name] = default_stream()
            program.forget()
        library, threads = self._blas, self.threads
        with np.errstate(all="ignore"):
            before = library.get() if library is not None else threads
            try:
                if before != threads:
                    library.set(threads)  # type: ignore[union-attr]
                program.replay(*lent)
            except IndexError as error:
                raise IndexingError(program.name, str(error), "Count from 0") from None
            finally:
                if before != threads:
                    library.set(before)  # type: ignore[union-attr]
        for optimised in self._optimised:
            optimised.after()
        for node in self._written:
            node.time = tick()
        for node, grad in self._grads:
            node._grad = grad
        return [_constant(np.array(x)) if x is not None else other for x, other in self._results]

    def settle(self) -> None:
        """Bring the program's memory up to date with what was assigned from outside."""
        for node, home in self._data:
            if node._data is not home:
                _adopt(node, home)
        for node, home in self._grads_in:
            np.copyto(home, np.asarray(node._grad))
        for optimised in self._optimised:
            optimised.before()

    def _refuse_changed(self) -> None:
        for array, mark in self._guards:
            if staleness.fingerprint(array) != mark:
                raise CaptureError(
                    self.program.name,
                    f"an array of shape {array.shape} that the step took as a constant has changed",
                    "Pass it as an argument",
                )


class _Optimised:
    """The link between an optimiser's state and the program's memory."""

    def __init__(
        self, update: Update, counts: tuple[View, View], program: Program, memory: Any
    ) -> None:
        self.optimizer, self.group = update.optimizer, update.group
        self.numbered, self.factor = update.numbered, update.factor
        self.moves = {id(p) for p in update.params}
        self.count, self.options = (program.array(view) for view in counts)
        self.given: tuple[float, ...] = ()
        self.now = update.optimizer.options(update.group)
        self.numbers = program.array(memory.view(update.numbers))
        self.first = update.numbered[0]
        self.shape = _shape_of(update.group)
        self.homes: list[tuple[int, str, Any]] = []
        for slot, row in zip(update.slots, update.moments, strict=True):
            whole = memory.view(row)
            start = 0
            for p, number in zip(update.params, update.numbered, strict=True):
                data = p._data
                lies = laid(np.empty(data.size, data.dtype), data)
                strides = tuple([s // data.itemsize for s in lies.strides])
                home = program.array(View(whole.buffer, whole.offset + start, data.shape, strides))
                self.homes.append((number, slot, home))
                start += data.size
        self.steps = 0

    def fits(self) -> bool:
        """Whether the options still choose the same calls."""
        self.now = self.optimizer.options(self.group)
        return self.now == self.given or (
            _shape_of(self.group) == self.shape and (self.factor is None or bool(self.group["lr"]))
        )

    def before(self) -> None:
        """Bring options and moments up to date."""
        if self.now != self.given:
            self.given = self.now
            self.options[...] = self.now
            if not self.homes:
                found = self.optimizer.numbers(0, *self.now)
                if self.factor is not None:
                    found = (*found, found[0] * self.factor)
                self.numbers[...] = found
        if not self.homes:
            return
        states = self.optimizer.state
        for number, slot, home in self.homes:
            state = states[number]
            if state.get(slot) is not home:
                np.copyto(home, state.get(slot, 0))
                state[slot] = home
        steps = states[self.first].get("step", 0)
        if steps != self.steps or not steps:
            self.steps = steps
            self.count[0] = steps

    def after(self) -> None:
        """Count the step where eager code looks for it."""
        if self.homes:
            self.steps = steps = self.steps + 1
            states = self.optimizer.state
            for number in self.numbered:
                states[number]["step"] = steps


def _shape_of(group: dict[str, Any]) -> tuple[Any, ...]:
    """What of a group's options decides which calls an update makes: what is zero or false."""
    return tuple([(k, bool(v)) for k, v in group.items() if k not in {"params", "lr"}])


def _adopt(node: Any, home: Any) -> None:
    """Let a Tensor's data live in the program's memory, with the numbers it has now."""
    np.copyto(home, node._data)
    node._data = home
    node._flags &= ~EXPOSED


def _value(row: Row) -> Any:
    from microgradx.capture.tensor_rows import numbers  # noqa: PLC0415

    return numbers(row)
