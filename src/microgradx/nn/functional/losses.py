"""Losses of numbers and probabilities: how wrong an answer is, 0 where it is right.

Every loss takes ``reduction``: ``"mean"`` (of all elements, or rows), ``"sum"`` or ``"none"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ArgumentError, ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.ops import shaping
from microgradx.primitive import PRIMITIVES
from microgradx.tensor_operations import apply

if TYPE_CHECKING:
    from microgradx.tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "huber_loss", "kl_div", "l1_loss",
    "mse_loss", "smooth_l1_loss",
]  # fmt: skip

_abs, _where, _log = [PRIMITIVES[n] for n in ("abs", "where", "log")]
_softplus, _square, _minimum = [PRIMITIVES[n] for n in ("softplus", "square", "minimum")]


def reduce(losses: Any, reduction: str, where: str) -> Tensor:
    """Mean or sum of losses, or the losses as they are."""
    if reduction == "mean":
        # F.mean of all elements, without its reading of axes: 5 µs less in every step.
        total = apply(shaping.sum, (losses,), {"axis": None, "keepdims": False})
        return total / losses.size  # type: ignore[no-any-return]
    if reduction == "sum":
        return F.sum(losses)  # type: ignore[no-any-return]
    if reduction == "none":
        return losses  # type: ignore[no-any-return]
    raise ArgumentError(where, f"reduction {reduction!r} is unknown", "Use 'mean', 'sum' or 'none'")


def alike(x: Any, target: Any, where: str) -> tuple[Tensor, Tensor]:
    """Answer and target as Tensors of one shape: (n,) against (n, 1) would be n^2 differences."""
    x, target = as_tensor(x, where), as_tensor(target, where)
    if x.shape != target.shape:
        problem = f"the answer has shape {x.shape}, the target {target.shape}"
        raise ShapeError(where, problem, "Reshape one of them: they are compared number by number")
    if target.dtype != x.dtype and target.is_leaf and not target.requires_grad:
        # A float64 target must not turn a float32 model's loss into float64.
        target = F.astype(target, x.dtype)
    return x, target


# ---- of numbers ---------------------------------------------------------------------------------
def mse_loss(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean squared error: ``(x - t)^2``.

    Parameters
    ----------
    x, target : Tensor or array_like
        Of equal shapes.
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
    >>> mse_loss(Tensor([1.0, 2.0]), [1.0, 4.0])
    Tensor(2.)
    """
    x, target = alike(x, target, "mse_loss")
    return reduce(_square(x - target), reduction, "mse_loss")


def l1_loss(x: Any, target: Any, reduction: str = "mean") -> Tensor:
    """Mean absolute error: ``|x - t|``.

    Parameters
    ----------
    x, target, reduction
        As in `mse_loss`.

    Returns
    -------
    Tensor
        As in `mse_loss`.
    """
    x, target = alike(x, target, "l1_loss")
    return reduce(_abs(x - target), reduction, "l1_loss")


def huber_loss(x: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """``d^2 / 2`` for differences up to delta, ``delta (|d| - delta / 2)`` beyond.

    Parameters
    ----------
    x, target, reduction
        As in `mse_loss`.
    delta : float, optional
        Where the parabola becomes a line.

    Returns
    -------
    Tensor
        As in `mse_loss`.
    """
    x, target = alike(x, target, "huber_loss")
    d = _abs(x - target)
    near = _minimum(d, delta)
    return reduce(near * (d - near * 0.5), reduction, "huber_loss")


def smooth_l1_loss(x: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Huber's loss divided by beta: slopes of 1 far away.

    Parameters
    ----------
    x, target, reduction
        As in `mse_loss`.
    beta : float, optional
        Where the parabola becomes a line.

    Returns
    -------
    Tensor
        As in `mse_loss`.
    """
    if beta == 0:
        return l1_loss(x, target, reduction)
    return huber_loss(x, target, reduction, beta) / beta


# ---- of probabilities ---------------------------------------------------------------------------
def binary_cross_entropy(
    x: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Tensor:
    """``-t ln x - (1 - t) ln(1 - x)`` of probabilities x.

    Parameters
    ----------
    x : Tensor or array_like
        Probabilities, from 0 to 1, for example of a sigmoid.
    target : Tensor or array_like
        0 or 1, or anything between; of the shape of `x`.
    weight : array_like, optional
        Multiplies the losses.
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
    ArgumentError
        If `x` is no probability.

    Notes
    -----
    Logarithms are cut off at -100, as PyTorch has it. From logits,
    `binary_cross_entropy_with_logits` is exact.
    """
    where = "binary_cross_entropy"
    x, target = alike(x, target, where)
    data = x._data
    if data.size and not (data.min() >= 0 and data.max() <= 1):
        problem = f"the answers run from {data.min():.4g} to {data.max():.4g}"
        remedy = "Pass probabilities, or use binary_cross_entropy_with_logits"
        raise ArgumentError(where, problem, remedy)
    with np.errstate(divide="ignore"):
        of_one, of_zero = F.clip(_log(x), -100.0), F.clip(_log(1 - x), -100.0)
    losses = -(target * of_one + (1 - target) * of_zero)
    return reduce(losses if weight is None else losses * weight, reduction, where)


def binary_cross_entropy_with_logits(
    x: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """Binary cross-entropy of ``sigmoid(x)``, without overflow for any x.

    Parameters
    ----------
    x : Tensor or array_like
        Logits: any numbers.
    target, weight, reduction
        As in `binary_cross_entropy`.
    pos_weight : array_like, optional
        Multiplies the part of the ones.

    Returns
    -------
    Tensor
        As in `binary_cross_entropy`.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> binary_cross_entropy_with_logits(Tensor([1e4, -1e4]), [1.0, 0.0])
    Tensor(0.)
    """
    where = "binary_cross_entropy_with_logits"
    x, target = alike(x, target, where)
    # -ln sigmoid(x) = softplus(-x) and -ln(1 - sigmoid(x)) = softplus(-x) + x.
    of_one = _softplus(-x)
    if pos_weight is None:
        losses = of_one + (1 - target) * x
    else:
        losses = (1 + (as_tensor(pos_weight, where) - 1) * target) * of_one + (1 - target) * x
    return reduce(losses if weight is None else losses * weight, reduction, where)


def kl_div(x: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback-Leibler divergence ``t (ln t - x)`` of log-probabilities x from t.

    Parameters
    ----------
    x : Tensor or array_like
        Log-probabilities, for example of `log_softmax`.
    target : Tensor or array_like
        Probabilities, of the shape of `x`.
    reduction : {"mean", "batchmean", "sum", "none"}, optional
        ``"batchmean"``, the sum divided by the rows, is what mathematics calls the divergence.
    log_target : bool, optional
        Whether `target` is logarithms too.

    Returns
    -------
    Tensor
        Of shape ``()``, or of `x` with ``reduction="none"``.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    x, target = alike(x, target, "kl_div")
    if log_target:
        losses = PRIMITIVES["exp"](target) * (target - x)
    else:
        some = target > 0
        losses = target * (_where(some, _log(_where(some, target, 1.0)), 0.0) - x)
    if reduction == "batchmean":
        return F.sum(losses) / x.shape[0]  # type: ignore[no-any-return]
    return reduce(losses, reduction, "kl_div")
