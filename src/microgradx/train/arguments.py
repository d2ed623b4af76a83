"""What `fit` and its like refuse before they begin, and the short ways of writing they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from microgradx.errors import ArgumentError
from microgradx.nn import Module
from microgradx.optim import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Metric: TypeAlias = Callable[[Any, Any], float]
    Metrics: TypeAlias = Mapping[str, Metric] | Iterable[Metric] | Metric

__all__ = [
    "check_learner",
    "check_options",
    "check_penalty",
    "check_schedule",
    "listed_callbacks",
    "named_metrics",
]


def _kind(thing: Any) -> str:
    """A thing in a sentence: the class itself, a plain value as it is written, or its type."""
    if isinstance(thing, type):
        return f"the class {thing.__name__}"
    plain = thing is None or isinstance(thing, (str, int, float))
    return repr(thing) if plain else f"a {type(thing).__name__}"


def check_learner(where: str, model: Any, loss: Any, optimizer: Any) -> None:
    """Refuse what is no model, no loss or no optimizer (None is one that is made later)."""
    if not isinstance(model, Module):
        remedy = "Pass an object of nn.Module, such as nn.Sequential(...)"
        raise ArgumentError(where, f"the model is {_kind(model)}", remedy)
    if not callable(loss) or isinstance(loss, type):
        given = f"{loss.__name__}()" if isinstance(loss, type) else "nn.functional.mse_loss"
        remedy = f"Pass a function of answers and targets, such as {given}"
        raise ArgumentError(where, f"the loss is {_kind(loss)}", remedy)
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        name = optimizer.__name__ if isinstance(optimizer, type) else "Adam"
        remedy = f"Pass an object, such as optim.{name}(model.parameters())"
        raise ArgumentError(where, f"the optimizer is {_kind(optimizer)}", remedy)


def check_schedule(schedule: Any, optimizer: Optimizer | None) -> None:
    """Refuse what is no schedule, or one of another optimizer, whose rates nobody reads."""
    if schedule is None:
        return
    if isinstance(schedule, type) or not callable(getattr(schedule, "step", None)):
        name = schedule.__name__ if isinstance(schedule, type) else "CosineAnnealingLR"
        remedy = f"Pass an object, such as optim.lr_scheduler.{name}(optimizer, ...)"
        raise ArgumentError("fit", f"the schedule is {_kind(schedule)}", remedy)
    if getattr(schedule, "optimizer", optimizer) is not optimizer:
        problem = "the schedule sets the rates of another optimizer than the one that is used"
        remedy = "Pass optimizer=... with the optimizer that the schedule was made of"
        raise ArgumentError("fit", problem, remedy)


def check_penalty(penalty: Any) -> None:
    """Refuse what cannot be called, such as the strength alone."""
    if penalty is not None and (not callable(penalty) or isinstance(penalty, type)):
        strength = penalty if isinstance(penalty, Real) else 1e-4
        remedy = f"Pass a function, such as lambda: {strength} * nn.l2_penalty(model.parameters())"
        raise ArgumentError("fit", f"the penalty is {_kind(penalty)}", remedy)


def check_options(schedule_by: Any, wholes: Mapping[str, Any], numbers: Mapping[str, Any]) -> None:
    """Refuse options out of range; but for the epochs, None is one that is not wanted."""
    if schedule_by not in {"epoch", "batch"}:
        problem = f"schedule_by is {schedule_by!r}"
        raise ArgumentError("fit", problem, "Pass 'epoch' or 'batch'")
    for options, kind, what in ((wholes, Integral, "whole number"), (numbers, Real, "number")):
        for name, number in options.items():
            least = 1 if name in {"patience", "checkpoint_every"} else 0
            is_one = isinstance(number, kind)
            left_out = number is None and name != "epochs"
            if not left_out and not (is_one and number >= least):
                problem = f"{name} is {number!r}"
                raise ArgumentError("fit", problem, f"Pass a {what} of {least} or more")


def named_metrics(where: str, metrics: Any) -> dict[str, Metric]:
    """Metrics by name; functions alone go by the names they were defined with."""
    if metrics is None:
        return {}
    remedy = 'Pass {"accuracy": train.accuracy}, for example'
    named = isinstance(metrics, Mapping)
    functions = _several(metrics.values() if named else metrics)
    for function in functions:
        if not callable(function):
            raise ArgumentError(where, f"a metric is {_kind(function)}", remedy)
    names = list(metrics) if named else [getattr(f, "__name__", _kind(f)) for f in functions]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ArgumentError(where, f"two metrics have the name {twice[0]!r}", remedy)
    return dict(zip(names, functions, strict=True))


def listed_callbacks(callbacks: Any) -> list[Callable[[Any], Any]]:
    """Callbacks as a list; one may stand alone."""
    found = [] if callbacks is None else _several(callbacks)
    for callback in found:
        if not callable(callback):
            raise ArgumentError(
                "fit", f"a callback is {_kind(callback)}", "Pass functions of the history"
            )
    return found


def _several(things: Any) -> list[Any]:
    """The members, or the thing itself if it stands alone."""
    alone = callable(things) or isinstance(things, str) or not isinstance(things, Iterable)
    return [things] if alone else list(things)
