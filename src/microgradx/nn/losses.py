"""Losses as modules; the functions are in `microgradx.nn.functional`."""

from __future__ import annotations

from typing import Any

from microgradx.nn import functional as F  # noqa: N812 - as everybody calls it
from microgradx.nn.module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HingeEmbeddingLoss", "HingeLoss",
    "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "MultiMarginLoss",
    "NLLLoss", "SmoothL1Loss", "SoftMarginLoss",
]  # fmt: skip


class _Loss(Module):
    """A loss with options; the function is called as ``function(x, target, **options)``."""

    function: Any

    def __init__(self, **options: Any) -> None:
        self.options = options

    def forward(self, *args: Any) -> Any:
        """The loss of an answer against a target."""
        return type(self).function(*args, **self.options)


class MSELoss(_Loss):
    """Mean squared error; see `functional.mse_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> MSELoss()(Tensor([1.0, 2.0]), [1.0, 4.0])
    Tensor(2.)
    """

    function = staticmethod(F.mse_loss)

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class L1Loss(_Loss):
    """Mean absolute error; see `functional.l1_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    """

    function = staticmethod(F.l1_loss)

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class HuberLoss(_Loss):
    """A parabola near, a line far away; see `functional.huber_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    delta : float, optional
        Where the parabola becomes a line.
    """

    function = staticmethod(F.huber_loss)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction, delta=delta)


class SmoothL1Loss(_Loss):
    """Huber's loss divided by beta; see `functional.smooth_l1_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    beta : float, optional
        Where the parabola becomes a line.
    """

    function = staticmethod(F.smooth_l1_loss)

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction, beta=beta)


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities; see `functional.binary_cross_entropy`.

    Parameters
    ----------
    weight : array_like, optional
        Multiplies the losses.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    """

    function = staticmethod(F.binary_cross_entropy)

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(weight=weight, reduction=reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross-entropy of logits; see `functional.binary_cross_entropy_with_logits`.

    Parameters
    ----------
    weight : array_like, optional
        Multiplies the losses.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    pos_weight : array_like, optional
        Multiplies the part of the ones.
    """

    function = staticmethod(F.binary_cross_entropy_with_logits)

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(weight=weight, reduction=reduction, pos_weight=pos_weight)


class CrossEntropyLoss(_Loss):
    """Cross-entropy of logits with labels or probabilities; see `functional.cross_entropy`.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        How much a row of each class counts.
    ignore_index : int, optional
        Rows with this label do not count.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses of the rows.
    label_smoothing : float, optional
        This part of the target is spread evenly over all classes.
    """

    function = staticmethod(F.cross_entropy)

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            weight=weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )


class NLLLoss(_Loss):
    """Negative log-likelihood of log-probabilities; see `functional.nll_loss`.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        How much a row of each class counts.
    ignore_index : int, optional
        Rows with this label do not count.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses of the rows.
    """

    function = staticmethod(F.nll_loss)

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight=weight, ignore_index=ignore_index, reduction=reduction)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence; see `functional.kl_div`.

    Parameters
    ----------
    reduction : {"mean", "batchmean", "sum", "none"}, optional
        What to do with the losses.
    log_target : bool, optional
        Whether targets are logarithms too.
    """

    function = staticmethod(F.kl_div)

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction, log_target=log_target)


class HingeLoss(_Loss):
    """The support vector machine's loss; see `functional.hinge_loss`.

    Parameters
    ----------
    margin : float, optional
        From where on a right answer costs nothing.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    """

    function = staticmethod(F.hinge_loss)

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(margin=margin, reduction=reduction)


class MultiMarginLoss(_Loss):
    """The hinge loss of many classes; see `functional.multi_margin_loss`.

    Parameters
    ----------
    p : {1, 2}, optional
        The power.
    margin : float, optional
        How far ahead the right class must be.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses of the rows.
    """

    function = staticmethod(F.multi_margin_loss)

    def __init__(self, p: int = 1, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(p=p, margin=margin, reduction=reduction)


class HingeEmbeddingLoss(_Loss):
    """Of distances between things that do or do not belong together.

    Parameters
    ----------
    margin : float, optional
        From where on a distance is large enough.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    """

    function = staticmethod(F.hinge_embedding_loss)

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(margin=margin, reduction=reduction)


class MarginRankingLoss(_Loss):
    """Of two scores, one of which should be larger; see `functional.margin_ranking_loss`.

    Parameters
    ----------
    margin : float, optional
        How much larger.
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    """

    function = staticmethod(F.margin_ranking_loss)

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(margin=margin, reduction=reduction)


class SoftMarginLoss(_Loss):
    """The logistic loss for targets 1 and -1; see `functional.soft_margin_loss`.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}, optional
        What to do with the losses.
    """

    function = staticmethod(F.soft_margin_loss)

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
