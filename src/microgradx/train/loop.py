"""`fit`: the training loop, with everything that goes wrong in one taken care of."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import optim
from microgradx.errors import ArgumentError
from microgradx.files import check_writable
from microgradx.nn.functional import cross_entropy
from microgradx.train.arguments import (
    check_learner,
    check_options,
    check_penalty,
    check_schedule,
    listed_callbacks,
    named_metrics,
)
from microgradx.train.checkpoint import Generators, snapshot
from microgradx.train.divergence import Watch
from microgradx.train.evaluation import evaluate
from microgradx.train.feeding import batches_of, in_order, set_apart
from microgradx.train.history import History
from microgradx.train.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from microgradx.nn import Module
    from microgradx.tensor import Tensor
    from microgradx.train.arguments import Metrics

__all__ = ["fit"]


def fit(
    model: Module,
    data: Any,
    *,
    loss: Callable[[Any, Any], Tensor] = cross_entropy,
    optimizer: optim.Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 64,
    validation: Any = None,
    metrics: Metrics | None = None,
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
    callbacks: Callable[[History], Any] | Iterable[Callable[[History], Any]] = (),
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
        ``(x, y)``, a `TensorDataset` of both, or anything that gives pairs of batches each time it
        is iterated over, such as `microgradx.data.Batches`.
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
    metrics : dict of str to callable, or iterable of callable, optional
        ``metric(answers, y)`` for each name, for example ``{"accuracy": accuracy}``; measured on
        `validation`, or else on the data. Functions alone go by their own names.
    schedule : object with ``step()``, optional
        A learning-rate schedule of `optimizer`; a `ReduceLROnPlateau` gets the monitored measure.
        Checkpoints also need its ``state_dict()`` and ``load_state_dict()``.
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
        A loss so many times the first one (or 1, if that is larger) is a divergence.
    checkpoint : str or os.PathLike, optional
        A file to write after every epoch.
    checkpoint_every : int, optional
        And after so many steps.
    resume : bool, optional
        Go on from `checkpoint` if that file exists: to the same bits as without the break.
    callbacks : callable, or iterable of callable, optional
        Called with the history after every epoch; a true answer stops the training. `CSVLog` is
        one.
    capture : bool, optional
        Replay the step as NumPy calls, see `microgradx.capture`: faster, with the same numbers up
        to rounding (not tuned with `checkpoint`, so that going on gives the same bits). After a
        divergence, the last steps are taken again without it, to find the operation.
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
        If the loss becomes nan, infinite or far too large. Model and optimiser have the state of
        the last good epoch then; the error names the learning rate and, if the loss is not finite,
        the first bad operation, and holds the history as ``error.facts["history"]``.
    CheckpointError
        If the checkpoint is damaged, does not fit or cannot be written.
    ArgumentError
        If there is nothing to train on, an argument is of another kind or out of range, or
        arguments contradict each other, as a schedule of another optimizer does.

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
    check_learner("fit", model, loss, optimizer)
    check_schedule(schedule, optimizer)
    check_penalty(penalty)
    check_options(
        schedule_by,
        {"epochs": epochs, "patience": patience, "checkpoint_every": checkpoint_every},
        {"clip_norm": clip_norm, "explosion": explosion},
    )
    measured, called = named_metrics("fit", metrics), listed_callbacks(callbacks)
    if checkpoint is not None:
        check_writable(checkpoint)
    elif resume or checkpoint_every is not None:
        raise ArgumentError("fit", "there is no checkpoint to go on from", "Pass checkpoint=FILE")
    rng = np.random.default_rng(rng)
    data, validation = set_apart(data, validation, rng)
    batches = batches_of(data, batch_size, rng, "fit")
    tests = None if validation is None else batches_of(validation, batch_size, None, "fit")
    optimizer = optimizer or optim.Adam(model.parameters())
    training = Training(
        model,
        batches,
        loss,
        optimizer,
        history=History(monitor or ("loss" if tests is None else "val_loss")),
        watch=Watch(model, optimizer, explosion),
        generators=Generators(model, [rng, getattr(batches, "rng", None)]),
        schedule=schedule,
        by_batch=schedule_by == "batch",
        penalty=penalty,
        clip_norm=clip_norm,
        path=checkpoint,
        every=checkpoint_every,
        captured=capture,
    )
    if resume and checkpoint is not None and os.path.exists(checkpoint):  # noqa: PTH110
        training.resume()
    keeps_best = tests is not None or patience is not None
    history = training.history
    with training.listening(), _bar(progress, epochs, training.epoch) as counted:
        for epoch in counted:
            if history.stopped or training.interrupted:
                break
            start = time.monotonic()
            measures = training.run_epoch(epoch)
            if not measures:
                break
            measures |= _validated(model, batches, tests, loss, measured)
            measures["seconds"] = time.monotonic() - start
            if history.monitor not in measures:
                problem = f"there is no measure {history.monitor!r} to monitor"
                raise ArgumentError("fit", problem, f"Use one of {', '.join(measures)}")
            history.add(measures)
            if hasattr(counted, "set_postfix"):
                counted.set_postfix({k: f"{v:.4g}" for k, v in measures.items() if "loss" in k})
            if history.improved() or training.best is None:
                training.best = snapshot(model)
            if schedule is not None and not training.by_batch:
                _step(schedule, history)
            training.remember()
            answers = [callback(history) for callback in called]
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
        return evaluate(model, in_order(batches), loss=None, metrics=metrics)
    return {}


def _verdict(history: History, patience: int | None, min_gradient: float, stop: bool) -> str:
    """Why the training ends after this epoch; empty if it goes on."""
    if stop:
        return "callback"
    if patience is not None and len(history) - history.best_epoch >= patience:
        return "patience"
    return "gradient" if history["grad_norm"][-1] <= min_gradient else ""


def _step(schedule: Any, history: History) -> None:
    if isinstance(schedule, optim.lr_scheduler.ReduceLROnPlateau):
        schedule.step(history[history.monitor][-1])
    else:
        schedule.step()


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
