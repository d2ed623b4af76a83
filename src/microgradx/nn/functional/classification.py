"""Losses of classes: cross-entropy of logits, and negative log-likelihood."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx import modes
from microgradx.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.nn.functional.losses import reduce
from microgradx.ops import reductions
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.tensor_operations import apply

__all__ = ["cross_entropy", "nll_loss"]

_where = PRIMITIVES["where"]


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

    Notes
    -----
    A captured step reads the labels of every call. Where its first call has rows to ignore, class
    weights or smoothing, a later label that is no class makes the loss nan; elsewhere, and for rows
    to ignore that come only later, it raises an IndexingError.

    Examples
    --------
    >>> cross_entropy(Tensor([[0.0, 0.0], [0.0, 0.0]]), [0, 1])
    Tensor(0.69314718)
    """
    where = "cross_entropy"
    labels = target._data if isinstance(target, Tensor) else np.asarray(target)
    x = x if hasattr(x, "ndim") else as_tensor(x, where)
    plain = weight is None and label_smoothing == 0 and x.ndim == 2 and labels.dtype.kind in "iu"
    if plain and labels.shape == x.shape[:1] and not (ignore_index >= 0 and _traced(target)):
        kept = counted(labels, x.shape[1], ignore_index, where)
        if kept is None:
            given = target if isinstance(target, Tensor) else labels
            return reduce(apply(reductions.softmax_nll, (x, given)), reduction, where)
    if not 0 <= label_smoothing <= 1:
        problem = f"label_smoothing is {label_smoothing}"
        raise ArgumentError(where, problem, "Pass a part from 0 to 1")
    x = as_tensor(x, where)
    if labels.dtype.kind == "f" and labels.shape == x.shape:
        return _soft_cross_entropy(x, target, weight, reduction, label_smoothing)
    logs = F.log_softmax(x, 0 if x.ndim == 1 else 1)
    return _nll(logs, target, weight, ignore_index, reduction, label_smoothing, where)


def _soft_cross_entropy(
    x: Tensor, target: Any, weight: Any, reduction: str, smoothing: float
) -> Tensor:
    """Cross-entropy with probabilities for the classes."""
    axis = 0 if x.ndim == 1 else 1
    target = F.astype(as_tensor(target, "cross_entropy"), x.dtype)
    if smoothing:
        target = target * (1 - smoothing) + smoothing / x.shape[axis]
    if weight is not None:
        weights = _weights(weight, x.shape[axis], x.dtype, "cross_entropy")
        target = target * weights.reshape(-1, *(1,) * (x.ndim - axis - 1))
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
    x = as_tensor(x, "nll_loss")
    return _nll(x, target, weight, ignore_index, reduction, 0.0, "nll_loss")


def _nll(
    logs: Tensor,
    target: Any,
    weight: Any,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    where: str,
) -> Tensor:
    axis = 0 if logs.ndim == 1 else 1
    classes, shape = logs.shape[axis], (*logs.shape[:axis], *logs.shape[axis + 1 :])
    labels = as_tensor(target, where)
    if labels.shape != shape:
        problem = f"logits of shape {logs.shape} do not go with labels of shape {labels.shape}"
        raise ShapeError(where, problem, f"Pass labels of shape {shape}")
    if labels.dtype.kind not in "iu":
        problem = f"labels of dtype {labels.dtype} pick no class"
        raise DTypeError(where, problem, "Pass integers, or probabilities of the logits' shape")
    weights = _weights(np.ones(classes) if weight is None else weight, classes, logs.dtype, where)
    logs = F.reshape(F.moveaxis(logs, axis, -1), (-1, classes))  # (rows, classes)
    labels = F.reshape(labels, -1)
    kept = counted(labels._data, classes, ignore_index, where)
    if _traced(labels):  # the next batch may have other rows to ignore
        kept = labels != ignore_index
    if kept is not None:
        labels = _where(kept, labels, 0)
    counts = picked(as_tensor(weights, where), labels)
    losses = -picked(logs, labels) * counts
    if smoothing:
        even = -F.sum(logs * weights, 1) / classes
        losses = losses * (1 - smoothing) + even * smoothing
    if kept is not None:
        losses, counts = _where(kept, losses, 0.0), _where(kept, counts, 0.0)
    if reduction == "mean":
        return F.sum(losses) / F.sum(counts)  # type: ignore[no-any-return]
    return reduce(F.reshape(losses, shape), reduction, where)


def _weights(weight: Any, classes: int, dtype: Any, where: str) -> Any:
    """One weight a class, or an error."""
    weights = np.asarray(weight, dtype)
    if weights.shape != (classes,):
        problem = f"there are {classes} classes and weights of shape {weights.shape}"
        raise ShapeError(where, problem, "Pass one weight a class")
    return weights


def picked(x: Tensor, labels: Tensor) -> Any:
    """``x[i, labels[i]]``, or ``x[labels]`` of a vector."""
    if not _traced(labels):
        rows = () if x.ndim == 1 else (np.arange(x.shape[0]),)
        return x[(*rows, labels._data)]
    # A captured step has other labels every time, so it compares; what is no class gives nan.
    classes = x.shape[-1]
    right = F.expand_dims(labels, 1) == np.arange(classes)
    known = F.logical_and(labels >= 0, labels < classes)
    return _where(known, F.sum(_where(right, x, 0.0), 1), np.nan)


def _traced(target: Any) -> bool:
    """Whether labels belong to a step that is being captured."""
    mode = modes.current()
    return isinstance(target, Tensor) and mode is not None and mode.tape is not None


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
