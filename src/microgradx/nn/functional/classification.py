"""Losses of classes: cross-entropy of logits, and negative log-likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.nn.functional.losses import reduce
from microgradx.ops import reductions
from microgradx.tensor import Tensor, apply

__all__ = ["cross_entropy", "nll_loss"]


def cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits and the right classes: ``-ln softmax(x)[t]``.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, classes, ...) or (classes,)
        Logits: any numbers; no softmax before.
    target : array_like
        Integers of shape (batch, ...): the right class of each row. Or floats of the shape of
        `x`: probabilities of the classes, for example one-hot.
    weight : array_like, shape (classes,), optional
        How much a row of each class counts. The mean is divided by the sum of weights.
    ignore_index : int, optional
        Rows with this label do not count.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses of the rows.
    label_smoothing : float, optional
        This part of the target is spread evenly over all classes.

    Returns
    -------
    Tensor
        Of shape ``()``, or ``(batch, ...)`` with ``reduction="none"``.

    Raises
    ------
    IndexingError
        If a label is no class.
    ShapeError
        If there is not one label a row.
    ArgumentError
        If `label_smoothing` is not between 0 and 1.

    Examples
    --------
    >>> cross_entropy(Tensor([[0.0, 0.0], [0.0, 0.0]]), [0, 1])
    Tensor(0.69314718)
    """
    where = "cross_entropy"
    labels = _array(target)
    x = x if hasattr(x, "ndim") else as_tensor(x, where)
    plain = weight is None and label_smoothing == 0 and x.ndim == 2 and labels.dtype.kind in "iu"
    if plain and labels.shape == x.shape[:1]:
        kept = counted(labels, x.shape[1], ignore_index, where)
        if kept is None:
            given = target if isinstance(target, Tensor) else labels
            return reduce(apply(reductions.softmax_nll, (x, given)), reduction, where)
    if not 0 <= label_smoothing <= 1:
        problem = f"label_smoothing is {label_smoothing}"
        raise ArgumentError(where, problem, "Pass a part from 0 to 1")
    x = as_tensor(x, where)
    _refuse_traced(target)
    if labels.dtype.kind == "f" and labels.shape == x.shape:
        return _soft_cross_entropy(x, labels, weight, reduction, label_smoothing)
    logs = F.log_softmax(x, 0 if x.ndim == 1 else 1)
    return _nll(logs, labels, weight, ignore_index, reduction, label_smoothing, where)


def _soft_cross_entropy(
    x: Tensor, target: Any, weight: Any, reduction: str, smoothing: float
) -> Tensor:
    """Cross-entropy with probabilities for the classes."""
    axis = 0 if x.ndim == 1 else 1
    target = (target * (1 - smoothing) + smoothing / x.shape[axis]).astype(x.dtype)
    if weight is not None:
        target = target * _by_class(weight, x, axis, "cross_entropy")
    losses = -F.sum(F.log_softmax(x, axis) * target, axis)
    return reduce(losses, reduction, "cross_entropy")


def nll_loss(
    x: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """``-x[t]``: the negative log-likelihood, of log-probabilities.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, classes, ...) or (classes,)
        Log-probabilities, for example of `log_softmax`.
    target : array_like of integers, shape (batch, ...)
        The right class of each row.
    weight : array_like, shape (classes,), optional
        How much a row of each class counts.
    ignore_index : int, optional
        Rows with this label do not count.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses of the rows.

    Returns
    -------
    Tensor
        Of shape ``()``, or ``(batch, ...)`` with ``reduction="none"``.

    Raises
    ------
    IndexingError
        If a label is no class.
    ShapeError
        If there is not one label a row.
    """
    labels = _array(target)
    x = as_tensor(x, "nll_loss")
    _refuse_traced(target)
    return _nll(x, labels, weight, ignore_index, reduction, 0.0, "nll_loss")


def _nll(
    logs: Tensor,
    labels: Any,
    weight: Any,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    where: str,
) -> Tensor:
    single = logs.ndim == 1
    if single:
        logs, labels = F.expand_dims(logs, 0), labels[None]
    classes = logs.shape[1]
    expected = (logs.shape[0], *logs.shape[2:])
    if labels.shape != expected:
        problem = f"logits of shape {logs.shape} do not go with labels of shape {labels.shape}"
        raise ShapeError(where, problem, f"Pass labels of shape {expected}")
    if labels.dtype.kind not in "iu":
        problem = f"labels of dtype {labels.dtype} pick no class"
        raise DTypeError(where, problem, "Pass integers, or probabilities of the logits' shape")
    kept = counted(labels, classes, ignore_index, where)
    safe = labels if kept is None else np.where(kept, labels, 0)
    weights = np.ones(classes) if weight is None else np.asarray(weight)
    if weights.shape != (classes,):
        problem = f"there are {classes} classes and weights of shape {weights.shape}"
        raise ShapeError(where, problem, "Pass one weight a class")
    counts = weights.astype(logs.dtype)[safe]
    if kept is not None:
        counts = counts * kept
    first, *rest = np.ix_(*map(np.arange, expected))
    losses = -logs[(first, safe, *rest)] * counts
    if smoothing:
        even = -F.sum(logs * _by_class(weights, logs, 1, where), 1) / classes
        losses = losses * (1 - smoothing) + (even if kept is None else even * kept) * smoothing
    if reduction == "mean":
        return F.sum(losses) / float(counts.sum())  # type: ignore[no-any-return]
    losses = reduce(losses, reduction, where)
    return losses[0] if single and reduction == "none" else losses


def _by_class(weight: Any, x: Tensor, axis: int, where: str) -> Any:
    """Weights of the classes, shaped to multiply `x`."""
    weights = np.asarray(weight, x.dtype)
    if weights.shape != (x.shape[axis],):
        problem = f"there are {x.shape[axis]} classes and weights of shape {weights.shape}"
        raise ShapeError(where, problem, "Pass one weight a class")
    return weights.reshape(-1, *(1,) * (x.ndim - axis - 1))


def counted(labels: Any, classes: int, ignore_index: int, where: str) -> Any:
    """Which rows count, or None for all; an error if some label is no class."""
    if not labels.size:
        return None
    low, high = labels.min(), labels.max()
    if low >= 0 and high < classes and not 0 <= ignore_index < classes:
        return None
    kept = labels != ignore_index
    wrong = kept & ((labels < 0) | (labels >= classes))
    if wrong.any():
        problem = f"labels run from {low} to {high}, but there are {classes} classes"
        raise IndexingError(where, problem, "Number the classes from 0")
    return kept


def _array(target: Any) -> Any:
    return target._data if isinstance(target, Tensor) else np.asarray(target)


def _refuse_traced(target: Any) -> None:
    """Labels that pick elements would be frozen into a captured step."""
    if isinstance(target, Tensor):
        target._refuse_traced("labels")
