"""A training under way: its steps, what goes wrong in them, breaks, and how it goes on."""

from __future__ import annotations

import math
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture import capture
from microgradx.errors import ArgumentError, CheckpointError, DivergenceError, MicrogradxError
from microgradx.nn.gradients import clip_grad_norm_, grad_norm
from microgradx.tensor import Tensor
from microgradx.train import checkpoint as checkpoints
from microgradx.train.feeding import length, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from microgradx.nn import Module
    from microgradx.optim import Optimizer
    from microgradx.train.divergence import Watch
    from microgradx.train.history import History

__all__ = ["Training"]

_STRIDE = 100
"""Captured steps between two copies of the whole state; one before every step would cost a tenth
of it."""


class Standing:
    """Where a training stands: everything that the next step reads, copied."""

    def __init__(self, training: Training) -> None:
        kept = getattr(training.schedule, "state_dict", None)
        self.batch = training.batch
        self.weights = checkpoints.snapshot(training.model)
        self.optimizer = training.optimizer.state_dict()
        self.schedule = kept and kept()
        self.chance = training.generators.states()

    def restore(self, training: Training) -> None:
        """Put weights, moments and schedule back."""
        training.model.load_state_dict(self.weights)
        training.optimizer.load_state_dict(self.optimizer)
        if self.schedule is not None:
            training.schedule.load_state_dict(self.schedule)


@dataclass
class Training:
    """What a checkpoint holds, and how to take a step. The arguments are those of `fit`."""

    model: Module
    batches: Any
    loss: Callable[[Any, Any], Tensor]
    optimizer: Optimizer
    history: History
    watch: Watch
    generators: checkpoints.Generators
    schedule: Any
    by_batch: bool
    penalty: Callable[[], Tensor] | None
    clip_norm: float | None
    path: Any
    every: int | None
    captured: bool
    epoch: int = 0
    batch: int = 0
    total: float = 0.0
    rows: int = 0
    interrupted: bool = False
    best: dict[str, NDArray[Any]] | None = None
    epoch_states: list[Any] | None = None
    batch_states: list[Any] | None = None

    def __post_init__(self) -> None:
        # A tuned program may round differently in the next process, which must go on to the same
        # bits from a checkpoint.
        tune = self.path is None
        self.replay: Any = capture(self.compute, tune=tune) if self.captured else None
        self.remember()

    def remember(self) -> None:
        """Keep the state as the last good one."""
        self.last_good = Standing(self)

    # ---- steps ----
    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Go through all batches (those that are left, after a break); empty if interrupted."""
        done = self.batch
        if done == 0:
            self.total, self.rows = 0.0, 0
            self.epoch_states = self.generators.states()
        self.model.train()
        steps = pairs(self.batches, "fit")
        for _ in range(done):
            next(steps)
        if self.batch_states is not None:
            self.generators.restore(self.batch_states)
            self.batch_states = None
        norm = ratio = math.nan
        count = length(self.batches)
        for x, y in steps:
            last = count is None or self.batch + 1 == count
            if self.replay is not None and (self.batch == done or self.batch % _STRIDE == 0):
                self.anchor = Standing(self)
            norm, ratio = self.step(x, y, epoch=epoch, measured=last)
            self.batch += 1
            if self.interrupted and self.batch != count:
                return {}
            if self.every is not None and self.batch % self.every == 0 and not last:
                self.save()
        if self.batch == 0:
            raise ArgumentError("fit", "the data hold no batch", "Pass arrays with rows")
        rate = max(group["lr"] for group in self.optimizer.param_groups)
        mean = self.total / max(self.rows, 1)
        return {"loss": mean, "lr": rate, "grad_norm": norm, "update_ratio": ratio}

    def step(self, x: Any, y: Any, *, epoch: int, measured: bool) -> tuple[float, float]:
        """One step; in the last of an epoch, the norm of the gradient and of the update."""
        parameters = self.optimizer._parameters()
        before = [p._data.copy() for p in parameters] if measured else []
        if self.replay is None:
            loss = self.forward(x, y)
            value = loss.item()
            self.check(loss, value, epoch)
            norm = self.backward(loss)
            self.optimizer.step()
        else:
            loss, norm = self.replay(x, y)
            value = loss.item()
            self.check(None if math.isfinite(value) else self.graph_again(), value, epoch)
        if self.batch == 0 and all(p._grad is None for p in parameters):
            problem = "the loss depends on no parameter of the optimizer"
            remedy = "Make the optimizer of this model's parameters(), and use its answers"
            raise ArgumentError("fit", problem, remedy)
        self.count(value, len(y))
        if not measured:
            return math.nan, math.nan
        norm = grad_norm(parameters) if norm is None else float(norm)
        return norm, _ratio(parameters, before)

    def forward(self, x: Any, y: Any) -> Tensor:
        """The loss of a batch, gradients forgotten."""
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        if self.penalty is not None:
            loss = loss + self.penalty()
        if not isinstance(loss, Tensor) or loss.size != 1:
            kind = f"a {type(loss).__name__}"
            given = f"of shape {loss.shape}" if isinstance(loss, Tensor) else kind
            raise ArgumentError("fit", f"the loss is {given}", "Let it be a Tensor of one number")
        return loss

    def backward(self, loss: Tensor) -> Any:
        """The gradients; their norm, if they are to be clipped."""
        loss.backward()
        if self.clip_norm is None:
            return None
        return clip_grad_norm_(self.optimizer._parameters(), self.clip_norm)

    def compute(self, x: Any, y: Any) -> tuple[Tensor, Any]:
        """A whole step, to be captured."""
        loss = self.forward(x, y)
        norm = self.backward(loss)
        self.optimizer.step()
        return loss, norm

    def graph_again(self) -> Tensor | None:
        """The graph of a loss that is not finite: a replay has none, so steps are taken again."""
        start, now = self.anchor, self.generators.states()
        start.restore(self)
        self.generators.restore(self.epoch_states or now)
        try:
            with np.errstate(all="ignore"):
                for i, (x, y) in enumerate(pairs(self.batches, "fit")):
                    if i < start.batch:
                        continue
                    if i == start.batch:
                        self.generators.restore(start.chance)
                    loss = self.forward(x, y)
                    if not math.isfinite(loss.item()):
                        return loss
                    self.backward(loss)
                    self.optimizer.step()
                    if self.by_batch:
                        self.schedule.step()
        finally:
            self.generators.restore(now)
        return None

    def check(self, loss: Tensor | None, value: float, epoch: int) -> None:
        """Put the last good state back if the training has diverged."""
        try:
            self.watch.check(loss, value, epoch + 1)
        except DivergenceError as error:
            self.last_good.restore(self)
            self.optimizer.zero_grad()
            error.facts["history"] = self.history
            raise

    def count(self, value: float, rows: int) -> None:
        """Note a step that was taken."""
        if self.schedule is not None and self.by_batch:
            self.schedule.step()
        self.total += value * rows
        self.rows += rows

    # ---- breaks ----
    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let Ctrl-C end the training after the step that runs; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(_number: int, _frame: Any) -> None:
            if self.interrupted:
                raise KeyboardInterrupt
            self.interrupted = True

        try:
            before = signal.signal(signal.SIGINT, note)
        except ValueError:  # not in the main interpreter
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def save(self) -> None:
        """Write the checkpoint, if one is wanted."""
        if self.path is None:
            return
        progress = {
            "epoch": self.epoch,
            "batch": self.batch,
            "batches": length(self.batches),
            "total": self.total,
            "rows": self.rows,
            "first": self.watch.first,
            "history": self.history.state_dict(),
            "stopped": self.history.stopped,
            "schedule": None if self.schedule is None else self.schedule.state_dict(),
            "epoch_states": self.epoch_states,
            "states": self.generators.states(),
        }
        checkpoints.save(self.path, self.model, self.optimizer, progress, self.best)

    def resume(self) -> None:
        """Go on from the checkpoint; if that fails, nothing has been changed."""
        before, states = Standing(self), self.generators.states()
        try:
            self._resume()
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            before.restore(self)
            self.generators.restore(states)
            if isinstance(error, MicrogradxError):
                raise
            problem = f"what it says about the training makes no sense ({error})"
            raise CheckpointError(str(self.path), problem, "Train from the start") from None

    def _resume(self) -> None:
        saved, self.best = checkpoints.load(self.path, self.model, self.optimizer)
        if saved["batches"] != length(self.batches):
            problem = f"its epochs have {saved['batches']} batches, these {length(self.batches)}"
            raise ArgumentError("resume", problem, "Pass the same data and batch_size")
        if self.schedule is not None and saved["schedule"] is not None:
            self.schedule.load_state_dict(saved["schedule"])
        self.history.load_state_dict(saved["history"])
        self.history.stopped = "" if saved["stopped"] == "interrupted" else saved["stopped"]
        self.generators.restore(saved["states"])
        self.epoch, self.batch = saved["epoch"], saved["batch"]
        self.total, self.rows = saved["total"], saved["rows"]
        self.watch.first = saved["first"]
        self.epoch_states = saved["epoch_states"]
        self.remember()
        if self.batch:
            # The order of this epoch is drawn again, and then the generators go on from the break.
            self.generators.restore(saved["epoch_states"])
            self.batch_states = saved["states"]


def _ratio(parameters: list[Tensor], before: list[Any]) -> float:
    """How large the last update was beside the parameters; about 1e-3 is usual."""
    moved = sum(float(((p._data - b) ** 2).sum()) for p, b in zip(parameters, before, strict=True))
    size = sum(float((b**2).sum()) for b in before)
    return math.sqrt(moved / size) if size else math.inf
