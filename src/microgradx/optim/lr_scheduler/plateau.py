"""A schedule that watches a measure instead of counting steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from microgradx.errors import ArgumentError
from microgradx.optim.lr_scheduler.schedule import owned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from microgradx.optim.optimizer import Optimizer

__all__ = ["ReduceLROnPlateau"]


class ReduceLROnPlateau:
    """Multiply by a factor when a measure has not improved for a while.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    mode : {"min", "max"}, optional
        Which way is better.
    factor : float, optional
        What to multiply by.
    patience : int, optional
        Steps without improvement that are borne.
    threshold : float, optional
        Smaller improvements do not count.
    threshold_mode : {"rel", "abs"}, optional
        Whether `threshold` is a part of the best measure or a number of its own.
    cooldown : int, optional
        Steps after a change in which nothing is counted.
    min_lr : float, optional
        Never below.
    eps : float, optional
        Changes smaller than this are not made.

    Examples
    --------
    >>> from microgradx import Tensor, optim
    >>> optimizer = optim.SGD([Tensor(0.0)], lr=1.0)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in {"min", "max"} or threshold_mode not in {"rel", "abs"} or factor >= 1:
            problem = f"mode {mode!r}, threshold_mode {threshold_mode!r}, factor {factor}"
            remedy = "Use 'min' or 'max', 'rel' or 'abs', and a factor below 1"
            raise ArgumentError("ReduceLROnPlateau", problem, remedy)
        self.optimizer = owned("ReduceLROnPlateau", optimizer)
        self.factor, self.patience = factor, patience
        self.sign = 1 if mode == "min" else -1
        self.threshold, self.relative = threshold, threshold_mode == "rel"
        self.cooldown, self.min_lr, self.eps = cooldown, min_lr, eps
        self.best, self.num_bad_epochs, self.cooldown_counter = math.inf, 0, 0

    def step(self, metrics: Any) -> None:
        """Count one more measure, and lower the rates if it is time.

        Parameters
        ----------
        metrics : float or Tensor
            The loss, or whatever is watched.
        """
        current = self.sign * float(metrics)
        margin = abs(self.best) * self.threshold if self.relative else self.threshold
        if current < (self.best - margin if math.isfinite(self.best) else self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group in self.optimizer.param_groups:
                lower = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def get_last_lr(self) -> list[float]:
        """The rate of each group, as set by the last step."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later."""
        names = ("best", "num_bad_epochs", "cooldown_counter")
        return {name: getattr(self, name) for name in names} | {"lrs": self.get_last_lr()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        own = dict(state)
        for group, lr in zip(self.optimizer.param_groups, own.pop("lrs"), strict=True):
            group["lr"] = lr
        vars(self).update(own)
