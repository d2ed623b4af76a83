"""Checkpoints: everything a training needs to go on as if it had never stopped.

A checkpoint is one ``.npz`` file, written atomically and with a digest (see `microgradx.files`):
parameters, buffers, optimiser state, schedule, history, the best weights so far, and the states of
all random generators. Nothing in it is code.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import files
from microgradx.errors import CheckpointError
from microgradx.functions import making

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from microgradx.nn import Module
    from microgradx.optim import Optimizer

__all__ = ["Generators", "load", "save", "snapshot"]

_VERSION = 1


def snapshot(model: Module) -> dict[str, NDArray[Any]]:
    """Copies of all parameters and buffers.

    Parameters
    ----------
    model : Module
        What to copy.

    Returns
    -------
    dict of str to ndarray
        As ``model.load_state_dict`` takes it.
    """
    return {key: tensor._data.copy() for key, tensor in model.state_dict().items()}


class Generators:
    """All random generators that a training draws from: the data's, the model's, the library's.

    Parameters
    ----------
    model : Module
        Its modules' attributes that are generators.
    others : iterable of object
        More of them; what is no generator is left out.
    """

    def __init__(self, model: Module, others: Iterable[Any]) -> None:
        found = [value for module in model.modules() for value in vars(module).values()]
        found += [*others, making.generator()]
        unique = {id(g): g for g in found if isinstance(g, np.random.Generator)}
        self.all = list(unique.values())

    def states(self) -> list[Any]:
        """Where each generator stands."""
        return [g.bit_generator.state for g in self.all]

    def restore(self, states: list[Any]) -> None:
        """Put each generator back.

        Parameters
        ----------
        states : list
            As `states` gave it.

        Raises
        ------
        CheckpointError
            If there are not as many, or of another kind. Nothing has been changed then.
        """
        before = self.states()
        try:
            for g, state in zip(self.all, states, strict=True):
                g.bit_generator.state = state
        except (KeyError, OverflowError, TypeError, ValueError):
            for g, state in zip(self.all, before, strict=True):
                g.bit_generator.state = state
            problem = f"its {len(states)} random generators are not the {len(self.all)} of this one"
            raise CheckpointError("resume", problem, "Build model and data as before") from None


def save(
    path: str | os.PathLike[str],
    model: Module,
    optimizer: Optimizer,
    progress: dict[str, Any],
    best: dict[str, NDArray[Any]] | None,
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    model : Module
        Its parameters and buffers are kept.
    optimizer : Optimizer
        Its state and options are kept.
    progress : dict
        Whatever JSON can hold.
    best : dict of str to ndarray, or None
        The best weights so far.
    """
    arrays: dict[str, Any] = {f"model/{k}": a for k, a in snapshot(model).items()}
    arrays |= {f"best/{k}": a for k, a in (best or {}).items()}
    state = optimizer.state_dict()
    numbers: dict[str, dict[str, Any]] = {}
    for i, own in state["state"].items():
        for name, value in own.items():
            if isinstance(value, np.ndarray):
                arrays[f"optimizer/{i}/{name}"] = value
            else:
                numbers.setdefault(str(i), {})[name] = value
    meta = {
        "version": _VERSION,
        "optimizer": {
            "kind": type(optimizer).__name__,
            "param_groups": state["param_groups"],
            "numbers": numbers,
        },
        "progress": progress,
    }
    arrays["meta"] = np.array(json.dumps(meta))
    files.save_arrays(path, arrays)


def load(
    path: str | os.PathLike[str], model: Module, optimizer: Optimizer
) -> tuple[dict[str, Any], dict[str, NDArray[Any]] | None]:
    """Read a checkpoint into a model and an optimiser.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    model : Module
        As it was built before.
    optimizer : Optimizer
        As it was built before.

    Returns
    -------
    tuple of (dict, dict or None)
        The progress, and the best weights.

    Raises
    ------
    CheckpointError
        If the file is damaged, or does not fit. Nothing has been changed then.
    """
    arrays = files.load_arrays(path)
    where = str(path)
    try:
        meta = json.loads(str(arrays.pop("meta")))
        version, own = meta["version"], meta["optimizer"]
        kind, progress = own["kind"], meta["progress"]
        groups = [_with_tuples(group) for group in own["param_groups"]]
        numbers = {int(i): dict(values) for i, values in own["numbers"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CheckpointError(where, "this is no checkpoint of a training") from None
    if version != _VERSION or kind != type(optimizer).__name__:
        problem = f"it is of version {version} with {kind}"
        remedy = f"Train with version {_VERSION} and {type(optimizer).__name__} from the start"
        raise CheckpointError(where, problem, remedy)
    parts: dict[str, dict[str, Any]] = {"model": {}, "best": {}, "optimizer": {}}
    for key, array in arrays.items():
        head, _, name = key.partition("/")
        if head not in parts:
            raise CheckpointError(where, f"it holds an unknown array {key!r}")
        parts[head][name] = array
    state: dict[int, dict[str, Any]] = {}
    for key, array in parts["optimizer"].items():
        i, _, name = key.partition("/")
        state.setdefault(int(i) if i.isdigit() else -1, {})[name] = array
    for number, values in numbers.items():
        state.setdefault(number, {}).update(values)
    _refuse_senseless(progress, where)
    before = snapshot(model)
    try:
        if parts["best"]:
            model.load_state_dict(parts["best"])  # whether they fit
        model.load_state_dict(parts["model"])
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except CheckpointError:
        model.load_state_dict(before)
        raise
    return progress, parts["best"] or None


def _with_tuples(group: dict[str, Any]) -> dict[str, Any]:
    """Options as they were before JSON made lists of tuples."""
    return {
        name: tuple(value) if isinstance(value, list) and name != "params" else value
        for name, value in group.items()
    }


_NUMBER = (int, float)
_PROGRESS: dict[str, tuple[type, ...]] = {
    "epoch": (int,),
    "batch": (int,),
    "batches": (int, type(None)),
    "total": _NUMBER,
    "rows": (int,),
    "first": (*_NUMBER, type(None)),
    "history": (dict,),
    "stopped": (str,),
    "schedule": (dict, type(None)),
    "epoch_states": (list, type(None)),
    "states": (list,),
}


def _refuse_senseless(progress: Any, where: str) -> None:
    """Raise unless all is there and of its kind: another program may have written it."""
    remedy = "Train from the start"
    for name, kinds in _PROGRESS.items():
        value = progress.get(name, ...) if isinstance(progress, dict) else ...
        negative = isinstance(value, int) and value < 0 and name != "first"
        if not isinstance(value, kinds) or isinstance(value, bool) or negative:
            raise CheckpointError(where, f"it says nothing sensible about {name}", remedy)
    if progress["batch"] > (progress["batches"] or progress["batch"]):
        raise CheckpointError(where, "it has done more batches than an epoch has", remedy)
