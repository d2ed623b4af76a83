"""What `fit` and its like take as data: arrays, or anything that gives batches again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.data.loader import TensorDataset
from microgradx.data.minibatch import Batches
from microgradx.errors import ArgumentError
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["batches_of", "in_order", "length", "pairs", "set_apart"]


def _is_arrays(data: Any) -> bool:
    """Whether data are ``(x, y)``; a list must hold arrays, for it may be a list of batches."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        return False
    return isinstance(data, tuple) or all(hasattr(part, "shape") for part in data)


def batches_of(data: Any, batch_size: int, rng: np.random.Generator | None, where: str) -> Any:
    """Batches of arrays, shuffled if there is an `rng`; what gives batches stays as it is."""
    data = data.tensors if isinstance(data, TensorDataset) else data
    if _is_arrays(data):
        parts = [a.numpy() if isinstance(a, Tensor) else a for a in data]
        return Batches(*parts, batch_size=batch_size, shuffle=rng is not None, rng=rng)
    if not hasattr(data, "__iter__") or hasattr(data, "__next__"):
        kind = type(data).__name__
        problem = f"a {kind} cannot be gone through again and again"
        raise ArgumentError(where, problem, "Pass (x, y), Batches or a DataLoader")
    return data


def pairs(batches: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """One epoch of inputs and targets."""
    for batch in batches:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            kind = type(batch).__name__
            given = f"{kind}s of {len(batch)}" if isinstance(batch, (tuple, list)) else f"{kind}s"
            problem = f"the data give {given} instead of pairs"
            raise ArgumentError(where, problem, "Pass (x, y), or batches of inputs and targets")
        yield batch[0], batch[1]


def in_order(batches: Any) -> Any:
    """The same batches without drawing random numbers, for measuring."""
    if isinstance(batches, Batches):
        return Batches(*batches.arrays, batch_size=batches.batch_size)
    return batches


def length(batches: Any) -> int | None:
    """How many there are in an epoch, if they know."""
    return len(batches) if hasattr(batches, "__len__") else None


def set_apart(data: Any, validation: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Set a part of the data apart, if `validation` is a number."""
    if not isinstance(validation, float):
        return data, validation
    data = data.tensors if isinstance(data, TensorDataset) else data
    rows = len(data[0]) if _is_arrays(data) else 0
    if rows < 2 or not 0 < validation < 1:
        problem = f"cannot set {validation:g} of {rows} rows apart"
        raise ArgumentError("fit", problem, "Pass (x, y) and a part between 0 and 1")
    parts = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in data]
    order = rng.permutation(rows)
    first = min(max(round(rows * validation), 1), rows - 1)
    return tuple(a[order[first:]] for a in parts), tuple(a[order[:first]] for a in parts)
