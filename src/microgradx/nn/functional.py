"""Layers and losses as functions, under the names of ``torch.nn.functional``."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.ops import linalg, reductions
from microgradx.tensor import Tensor, apply

__all__ = ["cross_entropy", "linear"]


def linear(x: Any, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` as one node of the graph.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., in_features)
        Rows to transform.
    weight : Tensor, shape (out_features, in_features)
        PyTorch's layout.
    bias : Tensor, shape (out_features,), optional
        Added to every row.

    Returns
    -------
    Tensor, shape (..., out_features)
        In NumPy's common dtype of the operands.

    Raises
    ------
    ShapeError
        If the last size of `x` is not ``in_features``.

    Examples
    --------
    >>> linear([[1.0, 2.0]], Tensor([[3.0, 4.0]]), Tensor([0.5]))
    Tensor([[11.5]])
    """
    if not hasattr(x, "ndim"):
        x = as_tensor(x, "linear")
    if bias is None:
        return F.matmul(x, F.transpose(weight))
    if x.ndim == 2:  # noqa: PLR2004
        return apply(linalg.linear, (x, weight, bias))
    lead = x.shape[:-1]
    if not x.shape:
        raise ShapeError(
            "linear", "the input has no axes", "Pass rows of shape (batch, in_features)"
        )
    return F.reshape(
        linear(F.reshape(x, (-1, x.shape[-1])), weight, bias), (*lead, weight.shape[0])
    )


def cross_entropy(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Cross-entropy of logits and integer labels, in one stable node.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, classes)
        Logits: any numbers; no softmax before.
    target : array_like of integers, shape (batch,)
        The right class of each row.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses of the rows.

    Returns
    -------
    Tensor
        Of shape ``()``, or ``(batch,)`` with ``reduction="none"``.

    Raises
    ------
    IndexingError
        If a label is no class.
    ShapeError
        If there is not one label a row.

    Examples
    --------
    >>> cross_entropy(Tensor([[0.0, 0.0], [0.0, 0.0]]), [0, 1])
    Tensor(0.69314718)
    """
    labels = target._data if isinstance(target, Tensor) else np.asarray(target)  # noqa: SLF001
    x = x if hasattr(x, "ndim") else as_tensor(x, "cross_entropy")
    if x.ndim != 2 or labels.shape != x.shape[:1]:  # noqa: PLR2004
        raise ShapeError(
            "cross_entropy",
            f"logits of shape {x.shape} do not go with labels of shape {labels.shape}",
            "Pass logits (batch, classes) and labels (batch,)",
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            "cross_entropy", f"labels of dtype {labels.dtype} pick no class", "Pass integers"
        )
    if labels.size and (labels.min() < 0 or labels.max() >= x.shape[1]):
        raise IndexingError(
            "cross_entropy",
            f"labels run from {labels.min()} to {labels.max()}, but there are {x.shape[1]} classes",
            "Number the classes from 0",
        )
    return reduce(apply(reductions.softmax_nll, (x, labels)), reduction, "cross_entropy")


def reduce(losses: Tensor, reduction: str, where: str) -> Tensor:
    """Mean or sum of losses, or the losses as they are."""
    if reduction == "mean":
        return F.mean(losses)
    if reduction == "sum":
        return F.sum(losses)  # type: ignore[no-any-return]
    if reduction == "none":
        return losses
    raise ArgumentError(where, f"reduction {reduction!r} is unknown", "Use 'mean', 'sum' or 'none'")
