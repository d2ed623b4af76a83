"""Schedules along cosines: down once, again and again, or up and down in one cycle."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from microgradx.errors import ArgumentError
from microgradx.optim.lr_scheduler.schedule import Schedule, count

if TYPE_CHECKING:
    from microgradx.optim.optimizer import Optimizer

__all__ = [
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "OneCycleLR",
]


class CosineAnnealingLR(Schedule):
    """Down along half a cosine, from the base rate to `eta_min`.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    T_max : int
        Steps of the way down.
    eta_min : float, optional
        The rate at the bottom.

    Notes
    -----
    ``eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2`` [1]_; it rises again after T_max.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803
        self.T_max, self.eta_min = count("CosineAnnealingLR", T_max=T_max), eta_min
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """Half a cosine."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class CosineAnnealingWarmRestarts(Schedule):
    """Down along half a cosine, again and again.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    T_0 : int
        Steps of the first way down.
    T_mult : int, optional
        Each way is this much longer than the one before.
    eta_min : float, optional
        The rate at the bottom.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,  # noqa: N803
        T_mult: int = 1,  # noqa: N803
        eta_min: float = 0.0,
    ) -> None:
        where = "CosineAnnealingWarmRestarts"
        self.T_0, self.T_mult = count(where, T_0=T_0), count(where, T_mult=T_mult)
        self.eta_min = eta_min
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """Half a cosine, from the last restart on."""
        length = self.T_0
        while t >= length:
            t, length = t - length, length * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / length)) / 2


class OneCycleLR(Schedule):
    """Up from a small rate to the largest, then far down; momentum the other way.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set; call ``step()`` after every batch.
    max_lr : float
        The largest rate.
    total_steps : int, optional
        Batches in the whole training; or give `epochs` and `steps_per_epoch`.
    epochs, steps_per_epoch : int, optional
        Their product is `total_steps`.
    pct_start : float, optional
        The part of the steps that goes up.
    anneal_strategy : {"cos", "linear"}, optional
        The shape of the ways.
    cycle_momentum : bool, optional
        Whether momentum (or the first of betas) goes from max to base and back.
    base_momentum, max_momentum : float, optional
        Its ends.
    div_factor, final_div_factor : float, optional
        The first rate is ``max_lr / div_factor``, the last that divided by `final_div_factor`.

    Raises
    ------
    ArgumentError
        If the number of steps is unknown, or an option is out of range.

    References
    ----------
    .. [1] L. N. Smith, N. Topin, "Super-Convergence", 2018.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                problem = "the number of steps is unknown"
                remedy = "Pass total_steps, or epochs and steps_per_epoch"
                raise ArgumentError("OneCycleLR", problem, remedy)
            total_steps = epochs * steps_per_epoch
        self.total_steps = count("OneCycleLR", total_steps=total_steps)
        if not 0 <= pct_start <= 1:
            raise ArgumentError(
                "OneCycleLR", f"pct_start is {pct_start}", "Pass a part from 0 to 1"
            )
        if anneal_strategy not in {"cos", "linear"}:
            problem = f"anneal_strategy is {anneal_strategy!r}"
            raise ArgumentError("OneCycleLR", problem, "Pass 'cos' or 'linear'")
        self.max_lr, self.anneal_strategy = max_lr, anneal_strategy
        self.first_lr = max_lr / div_factor
        self.final_lr = self.first_lr / final_div_factor
        self.top = pct_start * total_steps - 1
        self.cycle_momentum = cycle_momentum
        self.base_momentum, self.max_momentum = base_momentum, max_momentum
        super().__init__(optimizer)

    def _between(self, t: int, first: float, top: float, last: float) -> float:
        if t <= self.top and self.top > 0:
            start, end, done = first, top, t / self.top
        else:
            left = self.total_steps - 1 - self.top
            start, end, done = top, last, min((t - self.top) / left, 1.0) if left else 1.0
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2

    def lr(self, t: int, base: float) -> float:  # noqa: ARG002 - the cycle has its own rates
        """Up to ``max_lr``, then down."""
        if t > self.total_steps:
            problem = f"step {t} of {self.total_steps}"
            raise ArgumentError("OneCycleLR", problem, "Make the cycle as long as the training")
        return self._between(t, self.first_lr, self.max_lr, self.final_lr)

    def _write(self) -> None:
        super()._write()
        if not self.cycle_momentum:
            return
        high, low = self.max_momentum, self.base_momentum
        momentum = self._between(self.last_epoch, high, low, high)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif group.get("momentum"):
                group["momentum"] = momentum
