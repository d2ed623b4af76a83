"""`fit`: the training loop, with everything that goes wrong in one taken care of."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes, optim
from microgradx.capture import capture as replayed
from microgradx.data.minibatch import Batches
from microgradx.errors import ArgumentError, DivergenceError
from microgradx.nn.functional import cross_entropy
from microgradx.nn.gradients import clip_grad_norm_, grad_norm
from microgradx.tensor import Tensor
from microgradx.train import checkpoint as checkpoints
from microgradx.train.divergence import Watch
from microgradx.train.history import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from microgradx.nn import Module

__all__ = ["evaluate", "fit", "predict"]


def fit(
    model: Module,
    data: Any,
    *,
    loss: Callable[[Any, Any], Tensor] = cross_entropy,
    optimizer: optim.Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    validation: Any = None,
    metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
    schedule: Any = None,
    schedule_by: str = "epoch",
    penalty: Callable[[], Tensor] | None = None,
    clip_norm: float | None = None,
    patience: int | None = None,
    monitor: str | None = None,
    min_gradient: float = 0.0,
    explosion: float | None = 1e3,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    callbacks: Iterable[Callable[[History], Any]] = (),
    capture: bool = False,
    progress: Any = False,
    rng: int | np.random.Generator | None = None,
) -> History:
    """Train a model.

    Parameters
    ----------
    model : Module
        What to train, in place.
    data : tuple of arrays, or iterable of batches
        ``(x, y)``, or anything that gives pairs of batches each time it is iterated over, such as
        `microgradx.data.Batches`.
    loss : callable, optional
        ``loss(model(x), y)`` is a Tensor with one number; cross-entropy by default.
    optimizer : Optimizer, optional
        ``Adam(model.parameters())`` by default.
    epochs : int, optional
        How often to go through the data.
    batch_size : int, optional
        For data that are arrays.
    validation : tuple of arrays, iterable of batches, or float, optional
        Measured after each epoch, never trained on. A number is the part of the data to set apart.
    metrics : dict of str to callable, optional
        ``metric(answers, y)`` for each name, for example ``{"accuracy": accuracy}``; measured on
        `validation`, or else on the data.
    schedule : object with ``step()``, optional
        A learning-rate schedule; a `ReduceLROnPlateau` gets the monitored measure.
    schedule_by : {"epoch", "batch"}, optional
        When the schedule takes its step.
    penalty : callable, optional
        Its value is added to the loss, for example ``lambda: 1e-4 * nn.l2_penalty(weights)``.
    clip_norm : float, optional
        Scale gradients down to at most this norm.
    patience : int, optional
        Stop after so many epochs without improvement.
    monitor : str, optional
        The measure that counts: ``"val_loss"`` if there is a validation, else ``"loss"``.
    min_gradient : float, optional
        Stop when the norm of the gradient at the end of an epoch is at most this.
    explosion : float, optional
        A loss so many times the first one is a divergence.
    checkpoint : str or os.PathLike, optional
        A file to write after every epoch.
    checkpoint_every : int, optional
        And after so many steps.
    resume : bool, optional
        Go on from `checkpoint` if that file exists: to the same bits as without the break.
    callbacks : iterable of callable, optional
        Called with the history after every epoch; a true answer stops the training.
    capture : bool, optional
        Replay the step as NumPy calls, see `microgradx.capture`: faster, with the same numbers up
        to rounding. A divergence is then noticed after the update, and names no operation.
    progress : bool or callable, optional
        True for a bar of tqdm, or any function that wraps an iterable, such as ``tqdm``.
    rng : int or numpy.random.Generator, optional
        Where the order of the rows comes from.

    Returns
    -------
    History
        Measures by epoch, and why it ended. With `patience`, a `validation` or after Ctrl-C, the
        model has the weights of the best epoch.

    Raises
    ------
    DivergenceError
        If the loss becomes nan, infinite or far too large. The model has the weights of the last
        good epoch then; the error names the learning rate and the first bad operation, and holds
        the history as ``error.facts["history"]``.
    CheckpointError
        If the checkpoint is damaged or does not fit.
    ArgumentError
        If there is nothing to train on.

    Examples
    --------
    >>> from microgradx import nn, optim
    >>> x = np.linspace(-1, 1, 50, dtype="float32")[:, None]
    >>> model = nn.Linear(1, 1, rng=0)
    >>> history = fit(model, (x, 3 * x), loss=nn.functional.mse_loss, epochs=50,
    ...               optimizer=optim.SGD(model.parameters(), lr=0.5), rng=0)
    >>> round(model.weight.item(), 3), history.stopped
    (3.0, 'epochs')
    """
    rng = np.random.default_rng(rng)
    data, validation = _split(data, validation, rng)
    batches = _batches(data, batch_size, rng, "fit")
    tests = None if validation is None else _batches(validation, batch_size, None, "fit")
    training = _Training(model, batches, loss, optimizer or optim.Adam(model.parameters()))
    training.history = History(monitor or ("loss" if tests is None else "val_loss"))
    training.schedule, training.by_batch = schedule, schedule_by == "batch"
    training.penalty, training.clip_norm = penalty, clip_norm
    training.watch = Watch(model, training.optimizer, explosion)
    training.path, training.every = checkpoint, checkpoint_every
    training.replay = replayed(training.compute) if capture else None
    training.generators = checkpoints.Generators(model, [rng, getattr(batches, "rng", None)])
    if resume and checkpoint is not None and os.path.exists(checkpoint):  # noqa: PTH110
        training.resume()
    keeps_best = tests is not None or patience is not None
    history = training.history
    with training.listening(), _bar(progress, epochs, training.epoch) as counted:
        for epoch in counted:
            if history.stopped:
                break
            start = time.monotonic()
            measures = training.run_epoch(epoch)
            if training.interrupted:
                break
            measures |= _validated(model, batches, tests, loss, dict(metrics or {}))
            measures["seconds"] = time.monotonic() - start
            if history.monitor not in measures:
                problem = f"there is no measure {history.monitor!r} to monitor"
                raise ArgumentError("fit", problem, f"Use one of {', '.join(measures)}")
            history.add(measures)
            if hasattr(counted, "set_postfix"):
                counted.set_postfix({k: f"{v:.4g}" for k, v in measures.items() if "loss" in k})
            if history.improved() or training.best is None:
                training.best = checkpoints.snapshot(model)
            training.last_good = checkpoints.snapshot(model)
            if schedule is not None and not training.by_batch:
                _step(schedule, history)
            answers = [callback(history) for callback in callbacks]
            history.stopped = _verdict(history, patience, min_gradient, any(answers))
            training.epoch, training.batch = epoch + 1, 0
            training.save()
    if training.interrupted:
        history.stopped = "interrupted"
        training.save()
    history.stopped = history.stopped or "epochs"
    if (keeps_best or training.interrupted) and training.best is not None:
        model.load_state_dict(training.best)
    return history


def _validated(
    model: Module, batches: Any, tests: Any, loss: Any, metrics: dict[str, Any]
) -> dict[str, float]:
    """What is measured after an epoch."""
    if tests is not None:
        found = evaluate(model, tests, loss=loss, metrics=metrics)
        return {f"val_{name}": value for name, value in found.items()}
    if metrics:
        return evaluate(model, _in_order(batches), loss=None, metrics=metrics)
    return {}


def _verdict(history: History, patience: int | None, min_gradient: float, stop: bool) -> str:
    """Why the training ends after this epoch; empty if it goes on."""
    if stop:
        return "callback"
    if patience is not None and len(history) - history.best_epoch >= patience:
        return "patience"
    return "gradient" if history["grad_norm"][-1] <= min_gradient else ""


class _Training:
    """A training under way: what a checkpoint holds, and how to take a step."""

    history: History
    watch: Watch
    generators: checkpoints.Generators
    schedule: Any
    by_batch: bool
    penalty: Callable[[], Tensor] | None
    clip_norm: float | None
    path: Any
    every: int | None
    replay: Callable[[Any, Any], Any] | None

    def __init__(
        self,
        model: Module,
        batches: Any,
        loss: Callable[[Any, Any], Tensor],
        optimizer: optim.Optimizer,
    ) -> None:
        self.model, self.batches, self.loss, self.optimizer = model, batches, loss, optimizer
        self.epoch = self.batch = 0
        self.total, self.rows = 0.0, 0
        self.best: dict[str, NDArray[Any]] | None = None
        self.last_good = checkpoints.snapshot(model)
        self.interrupted = False
        self.epoch_states: list[Any] | None = None
        self.batch_states: list[Any] | None = None

    def run_epoch(self, epoch: int) -> dict[str, float]:
        """Go through all batches (those that are left, after a break)."""
        done = self.batch
        if done == 0:
            self.total, self.rows = 0.0, 0
            self.epoch_states = self.generators.states()
        self.model.train()
        steps = iter(self.batches)
        for _ in range(done):
            next(steps)
        if self.batch_states is not None:
            self.generators.restore(self.batch_states)
            self.batch_states = None
        norm = ratio = math.nan
        length = _length(self.batches)
        for x, y in steps:
            last = length is None or self.batch + 1 == length
            norm, ratio = self.step(x, y, epoch=epoch, measured=last)
            self.batch += 1
            if self.interrupted:
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
        if self.replay is not None and not measured:
            value = float(self.replay(x, y))
            self.check(None, value, epoch)
            self.count(value, len(y))
            return math.nan, math.nan
        loss = self.forward(x, y)
        value = loss.item()
        self.check(loss, value, epoch)
        loss.backward()
        parameters = self.optimizer._parameters()
        norm = math.nan
        if self.clip_norm is not None:
            norm = clip_grad_norm_(parameters, self.clip_norm)
        elif measured:
            norm = grad_norm(parameters)
        before = [p._data.copy() for p in parameters] if measured else []
        self.optimizer.step()
        self.count(value, len(y))
        return norm, _ratio(parameters, before) if measured else math.nan

    def forward(self, x: Any, y: Any) -> Tensor:
        """The loss of a batch, gradients forgotten."""
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        return loss if self.penalty is None else loss + self.penalty()

    def compute(self, x: Any, y: Any) -> Tensor:
        """A whole step, to be captured."""
        loss = self.forward(x, y)
        loss.backward()
        if self.clip_norm is not None:
            clip_grad_norm_(self.optimizer._parameters(), self.clip_norm)
        self.optimizer.step()
        return loss

    def check(self, loss: Tensor | None, value: float, epoch: int) -> None:
        """Put the last good weights back if the training has diverged."""
        try:
            self.watch.check(loss, value, epoch + 1)
        except DivergenceError as error:
            self.model.load_state_dict(self.last_good)
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
            "batches": _length(self.batches),
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
        """Go on from the checkpoint."""
        saved, self.best = checkpoints.load(self.path, self.model, self.optimizer)
        if saved["batches"] != _length(self.batches):
            problem = f"its epochs have {saved['batches']} batches, these {_length(self.batches)}"
            raise ArgumentError("resume", problem, "Pass the same data and batch_size")
        self.epoch, self.batch = saved["epoch"], saved["batch"]
        self.total, self.rows = saved["total"], saved["rows"]
        self.watch.first = saved["first"]
        self.history.load_state_dict(saved["history"])
        self.history.stopped = "" if saved["stopped"] == "interrupted" else saved["stopped"]
        if self.schedule is not None and saved["schedule"] is not None:
            self.schedule.load_state_dict(saved["schedule"])
        self.epoch_states = saved["epoch_states"]
        self.last_good = checkpoints.snapshot(self.model)
        if self.batch:
            # The order of this epoch is drawn again, and then the generators go on from the break.
            self.generators.restore(saved["epoch_states"])
            self.batch_states = saved["states"]
        else:
            self.generators.restore(saved["states"])


def _ratio(parameters: list[Tensor], before: list[Any]) -> float:
    """How large the last update was beside the parameters; about 1e-3 is usual."""
    moved = sum(float(((p._data - b) ** 2).sum()) for p, b in zip(parameters, before, strict=True))
    size = sum(float((b**2).sum()) for b in before)
    return math.sqrt(moved / size) if size else math.inf


def _step(schedule: Any, history: History) -> None:
    if isinstance(schedule, optim.lr_scheduler.ReduceLROnPlateau):
        schedule.step(history[history.monitor][-1])
    else:
        schedule.step()


# ---- data ------------------------------------------------------------------------------------
def _is_arrays(data: Any) -> bool:
    """Whether data are ``(x, y)``; a list must hold arrays, for it may be a list of batches."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        return False
    return isinstance(data, tuple) or all(hasattr(part, "shape") for part in data)


def _batches(data: Any, batch_size: int, rng: np.random.Generator | None, where: str) -> Any:
    if _is_arrays(data):
        parts = [a.numpy() if isinstance(a, Tensor) else a for a in data]
        return Batches(*parts, batch_size=batch_size, shuffle=rng is not None, rng=rng)
    if not hasattr(data, "__iter__") or hasattr(data, "__next__"):
        kind = type(data).__name__
        problem = f"a {kind} cannot be gone through again and again"
        raise ArgumentError(where, problem, "Pass (x, y), or Batches")
    return data


def _in_order(batches: Any) -> Any:
    """The same batches without drawing random numbers, for measuring."""
    if isinstance(batches, Batches):
        return Batches(*batches.arrays, batch_size=batches.batch_size)
    return batches


def _length(batches: Any) -> int | None:
    return len(batches) if hasattr(batches, "__len__") else None


def _split(data: Any, validation: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Set a part of the data apart, if `validation` is a number."""
    if not isinstance(validation, float):
        return data, validation
    if not _is_arrays(data) or not 0 < validation < 1:
        problem = f"cannot set {validation:g} of {type(data).__name__} apart"
        raise ArgumentError("fit", problem, "Pass (x, y) and a part between 0 and 1")
    parts = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in data]
    order = rng.permutation(len(parts[0]))
    first = round(len(order) * validation)
    return tuple(a[order[first:]] for a in parts), tuple(a[order[:first]] for a in parts)


@contextmanager
def _bar(progress: Any, epochs: int, done: int) -> Iterator[Any]:
    """Epoch numbers, in a progress bar if one is wanted."""
    numbers = range(done, epochs)
    if progress is True:
        from tqdm import tqdm  # noqa: PLC0415 - only when somebody looks

        with tqdm(numbers, unit="epoch", initial=done, total=epochs) as bar:
            yield bar
    else:
        yield progress(numbers) if callable(progress) else numbers


# ---- using a model ---------------------------------------------------------------------------
def predict(model: Module, x: Any, batch_size: int = 1024) -> NDArray[Any]:
    """The answers of a model in evaluation mode, without a graph.

    Parameters
    ----------
    model : Module
        Its mode is put back afterwards.
    x : Tensor or array_like, shape (n, ...)
        The inputs.
    batch_size : int, optional
        How many at a time.

    Returns
    -------
    ndarray, shape (n, ...)
        One answer for each input.
    """
    array = x.numpy() if isinstance(x, Tensor) else np.asarray(x)
    with _evaluation(model):
        parts = [
            model(array[i : i + batch_size]).numpy()
            for i in range(0, max(len(array), 1), batch_size)
        ]
    return np.concatenate(parts)


def evaluate(
    model: Module,
    data: Any,
    *,
    loss: Callable[[Any, Any], Tensor] | None = cross_entropy,
    metrics: Mapping[str, Callable[[Any, Any], float]] | None = None,
    batch_size: int = 1024,
) -> dict[str, float]:
    """Measure a model in evaluation mode, without a graph.

    Parameters
    ----------
    model : Module
        Its mode is put back afterwards.
    data : tuple of arrays, or iterable of batches
        As `fit` takes them.
    loss : callable, optional
        Its mean over all rows is measured; None for none.
    metrics : dict of str to callable, optional
        ``metric(answers, y)``, of all rows together.
    batch_size : int, optional
        How many rows at a time, for data that are arrays.

    Returns
    -------
    dict of str to float
        ``"loss"`` and the metrics.
    """
    answers, labels = [], []
    total, rows = 0.0, 0
    with _evaluation(model):
        for x, y in _batches(data, batch_size, None, "evaluate"):
            out = model(x)
            if loss is not None:
                total += loss(out, y).item() * len(y)
            rows += len(y)
            if metrics:
                answers.append(out.numpy())
                labels.append(np.asarray(y))
    found = {} if loss is None else {"loss": total / max(rows, 1)}
    if metrics:
        all_answers, all_labels = np.concatenate(answers), np.concatenate(labels)
        found |= {name: float(f(all_answers, all_labels)) for name, f in metrics.items()}
    return found


@contextmanager
def _evaluation(model: Module) -> Iterator[None]:
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with modes.no_grad():
            yield
    finally:
        for module, training in before:
            module.__dict__["training"] = training
