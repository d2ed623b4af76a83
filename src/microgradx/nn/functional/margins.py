"""Losses with a margin: right is not enough, it must be right by some distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.nn.functional.classification import counted, picked
from microgradx.nn.functional.losses import alike, reduce
from microgradx.primitive import PRIMITIVES

if TYPE_CHECKING:
    from microgradx.tensor import Tensor

__all__ = [
    "hinge_embedding_loss", "hinge_loss", "margin_ranking_loss", "multi_margin_loss",
    "soft_margin_loss",
]  # fmt: skip

_relu, _where, _softplus = [PRIMITIVES[n] for n in ("relu", "where", "softplus")]


def hinge_loss(x: Any, target: Any, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    """``max(0, margin - t x)``: the support vector machine's loss.

    Parameters
    ----------
    x : Tensor or array_like
        Scores: positive for one class, negative for the other.
    target : array_like
        1 or -1; of the shape of `x`.
    margin : float, optional
        From where on a right answer costs nothing.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.

    Returns
    -------
    Tensor
        Of shape ``()``, or of `x` with ``reduction="none"``.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> hinge_loss(Tensor([2.0, 0.5]), [1.0, -1.0])
    Tensor(0.75)
    """
    x, target = alike(x, target, "hinge_loss")
    return reduce(_relu(margin - target * x), reduction, "hinge_loss")


def multi_margin_loss(
    x: Any, target: Any, p: int = 1, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """``sum over other classes j of max(0, margin - x[t] + x[j])^p / classes``.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, classes)
        Scores.
    target : array_like of integers, shape (batch,)
        The right class of each row.
    p : {1, 2}, optional
        The power.
    margin : float, optional
        How far ahead the right class must be.
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
    """
    where = "multi_margin_loss"
    x = as_tensor(x, where)
    labels = as_tensor(target, where)
    if x.ndim != 2 or labels.shape != x.shape[:1]:
        problem = f"scores of shape {x.shape} do not go with labels of shape {labels.shape}"
        raise ShapeError(where, problem, "Pass scores (batch, classes) and labels (batch,)")
    counted(labels._data, x.shape[1], -100, where)
    others = F.expand_dims(labels, 1) != np.arange(x.shape[1])
    ahead = _relu(margin - F.expand_dims(picked(x, labels), 1) + x) ** p
    return reduce(F.sum(_where(others, ahead, 0.0), 1) / x.shape[1], reduction, where)


def hinge_embedding_loss(
    x: Any, target: Any, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """x where the target is 1, ``max(0, margin - x)`` where it is -1.

    Parameters
    ----------
    x : Tensor or array_like
        Distances.
    target : array_like
        1 for what belongs together, -1 for what does not.
    margin : float, optional
        From where on a distance is large enough.
    reduction
        As in `hinge_loss`.

    Returns
    -------
    Tensor
        As in `hinge_loss`.
    """
    x, target = alike(x, target, "hinge_embedding_loss")
    losses = _where(target == 1, x, _relu(margin - x))
    return reduce(losses, reduction, "hinge_embedding_loss")


def margin_ranking_loss(
    x: Any, y: Any, target: Any, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """``max(0, margin - t (x - y))``: x should be larger where t is 1, smaller where it is -1.

    Parameters
    ----------
    x, y, target : Tensor or array_like
        Of equal shapes.
    margin : float, optional
        How much larger.
    reduction
        As in `hinge_loss`.

    Returns
    -------
    Tensor
        As in `hinge_loss`.
    """
    x, target = alike(x, target, "margin_ranking_loss")
    x, y = alike(x, y, "margin_ranking_loss")
    return reduce(_relu(margin - target * (x - y)), reduction, "margin_ranking_loss")


def soft_margin_loss(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """``ln(1 + e^(-t x))``: the logistic loss for targets 1 and -1.

    Parameters
    ----------
    x, target, reduction
        As in `hinge_loss`.

    Returns
    -------
    Tensor
        As in `hinge_loss`.
    """
    x, target = alike(x, target, "soft_margin_loss")
    return reduce(_softplus(-target * x), reduction, "soft_margin_loss")
