"""Use a model as it is: `predict` gives its answers, `evaluate` measures them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.errors import ArgumentError
from microgradx.nn.functional import cross_entropy
from microgradx.tensor import Tensor
from microgradx.train.arguments import named_metrics
from microgradx.train.feeding import batches_of, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from microgradx.nn import Module
    from microgradx.train.arguments import Metrics

__all__ = ["evaluate", "predict"]


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
    metrics: Metrics | None = None,
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
    metrics : dict of str to callable, or iterable of callable, optional
        ``metric(answers, y)``, of all rows together. Functions alone go by their own names.
    batch_size : int, optional
        How many rows at a time, for data that are arrays.

    Returns
    -------
    dict of str to float
        ``"loss"`` and the metrics.

    Raises
    ------
    ArgumentError
        If there is nothing to measure, or a metric gives something else than a number.
    """
    named = named_metrics("evaluate", metrics)
    answers, labels = [], []
    total, rows = 0.0, 0
    with _evaluation(model):
        for x, y in pairs(batches_of(data, batch_size, None, "evaluate"), "evaluate"):
            out = model(x)
            if loss is not None:
                total += loss(out, y).item() * len(y)
            rows += len(y)
            if named:
                answers.append(out.numpy())
                labels.append(np.asarray(y))
    if not rows:
        raise ArgumentError("evaluate", "the data hold no rows", "Pass at least one")
    found = {} if loss is None else {"loss": total / rows}
    if named:
        all_answers, all_labels = np.concatenate(answers), np.concatenate(labels)
        found |= {name: _number(name, f(all_answers, all_labels)) for name, f in named.items()}
    return found


def _number(name: str, value: Any) -> float:
    if np.size(value) != 1:
        problem = f"the metric {name!r} gives an array of shape {np.shape(value)}"
        raise ArgumentError("evaluate", problem, "Let it give one number")
    return float(np.reshape(value, ())[()])


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
