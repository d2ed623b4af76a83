"""Schedules: learning rates that change from step to step, with PyTorch's names and numbers.

A schedule is a function of the number of steps so far. `Schedule.step` writes the rate into the
optimiser's groups; call it after each epoch (or each batch, for `OneCycleLR`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from microgradx.errors import ArgumentError, CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from microgradx.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
]


class Schedule:
    """Base of the schedules that are a function of the step number.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set. The rates its groups have now are the base.

    Attributes
    ----------
    last_epoch : int
        How many times `step` was called.
    base_lrs : list of float
        The base rate of each group.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lrs = [
            group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups
        ]
        self.last_epoch = 0
        self._write()

    def lr(self, t: int, base: float) -> float:
        """The rate after `t` steps.

        Parameters
        ----------
        t : int
            Steps so far.
        base : float
            The rate the group began with.

        Returns
        -------
        float
            The learning rate.
        """
        raise NotImplementedError

    def step(self) -> None:
        """Go on by one step and set the rates."""
        self.last_epoch += 1
        self._write()

    def _write(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.lr(self.last_epoch, base)

    def get_last_lr(self) -> list[float]:
        """The rate of each group, as set by the last step."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later.

        Returns
        -------
        dict
            Numbers only.
        """
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Parameters
        ----------
        state : dict
            As `state_dict` gave it.

        Raises
        ------
        CheckpointError
            If it is of another schedule.
        """
        if set(state) != set(self.state_dict()):
            where = f"{type(self).__name__}.load_state_dict"
            raise CheckpointError(where, f"it has {sorted(state)}", "Build the same schedule")
        vars(self).update(state)
        self._write()


class LambdaLR(Schedule):
    """``base * f(t)`` for any function.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    lr_lambda : callable
        Maps the number of steps to a factor.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """``base * lr_lambda(t)``."""
        return base * self.lr_lambda(t)


class StepLR(Schedule):
    """Multiply by gamma every `step_size` steps.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    step_size : int
        Steps between two changes.
    gamma : float, optional
        The factor.

    Examples
    --------
    >>> from microgradx import Tensor, optim
    >>> optimizer = optim.SGD([Tensor(0.0)], lr=1.0)
    >>> schedule = StepLR(optimizer, step_size=2)
    >>> for _ in range(3):
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.1]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = _count("StepLR", step_size=step_size), gamma
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """``base * gamma ** (t // step_size)``."""
        return base * self.gamma ** (t // self.step_size)


class MultiStepLR(Schedule):
    """Multiply by gamma at each milestone.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    milestones : iterable of int
        Step numbers.
    gamma : float, optional
        The factor.
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """``base * gamma ** (milestones passed)``."""
        return base * self.gamma ** bisect_right(self.milestones, t)


class ConstantLR(Schedule):
    """Multiply by a factor for the first `total_iters` steps only.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    factor : float, optional
        The factor.
    total_iters : int, optional
        For how long.
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """``factor * base`` at first, then `base`."""
        return base * (self.factor if t < self.total_iters else 1)


class LinearLR(Schedule):
    """From one factor to another in a straight line: the usual warm-up.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    start_factor, end_factor : float, optional
        Of the base rate, at first and in the end.
    total_iters : int, optional
        Steps from one to the other.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
    ) -> None:
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = _count("LinearLR", total_iters=total_iters)
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """A line from ``start_factor * base`` to ``end_factor * base``."""
        done = min(t, self.total_iters) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * done)


class ExponentialLR(Schedule):
    """Multiply by gamma in every step.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    gamma : float
        The factor.
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """``base * gamma ** t``."""
        return base * self.gamma**t


class PolynomialLR(Schedule):
    """Down to 0 like a power of the steps that are left.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    total_iters : int, optional
        Steps until 0.
    power : float, optional
        1 is a straight line.
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        self.total_iters, self.power = _count("PolynomialLR", total_iters=total_iters), power
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """``base * (1 - t / total_iters) ** power``."""
        return base * float((1 - min(t, self.total_iters) / self.total_iters) ** self.power)


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
        self.T_max, self.eta_min = _count("CosineAnnealingLR", T_max=T_max), eta_min
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
        self.T_0, self.T_mult = _count(where, T_0=T_0), _count(where, T_mult=T_mult)
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
        self.total_steps = _count("OneCycleLR", total_steps=total_steps)
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
        if t <= self.top:
            start, end, done = first, top, t / self.top
        else:
            left = self.total_steps - 1 - self.top
            start, end, done = top, last, min((t - self.top) / left, 1.0)
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


class SequentialLR:
    """One schedule after another, for example a warm-up and then a cosine.

    Parameters
    ----------
    optimizer : Optimizer
        Whose rates to set.
    schedulers : sequence of Schedule
        In order.
    milestones : sequence of int
        At which step each but the first begins.

    Raises
    ------
    ArgumentError
        If there is not one milestone less than schedules.

    Examples
    --------
    >>> from microgradx import Tensor, optim
    >>> optimizer = optim.SGD([Tensor(0.0)], lr=1.0)
    >>> up = LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> down = StepLR(optimizer, step_size=1, gamma=0.5)
    >>> schedule = SequentialLR(optimizer, [up, down], milestones=[3])
    >>> for _ in range(6):
    ...     print(schedule.get_last_lr()[0], end=" ")
    ...     schedule.step()
    0.25 0.5 0.75 1.0 0.5 0.25
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[Schedule], milestones: Sequence[int]
    ) -> None:
        if len(milestones) != len(schedulers) - 1:
            problem = f"{len(schedulers)} schedules and {len(milestones)} milestones"
            raise ArgumentError("SequentialLR", problem, "Pass one milestone less than schedules")
        self.optimizer, self.schedulers = optimizer, list(schedulers)
        self.milestones = list(milestones)
        self.last_epoch = 0
        self._write()

    def _write(self) -> None:
        i = bisect_right(self.milestones, self.last_epoch)
        schedule = self.schedulers[i]
        schedule.last_epoch = self.last_epoch - (self.milestones[i - 1] if i else 0)
        schedule._write()

    def step(self) -> None:
        """Go on by one step and set the rates."""
        self.last_epoch += 1
        self._write()

    def get_last_lr(self) -> list[float]:
        """The rate of each group, as set by the last step."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on later."""
        return {"last_epoch": self.last_epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.last_epoch = state["last_epoch"]
        self._write()


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
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
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


def _count(where: str, **number: Any) -> int:
    """A positive whole number, or an ArgumentError."""
    ((name, n),) = number.items()
    if n != int(n) or n < 1:
        raise ArgumentError(where, f"{name} is {n!r}", f"Pass a positive integer for {name}")
    return int(n)
