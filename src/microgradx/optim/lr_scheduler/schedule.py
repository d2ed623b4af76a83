"""What schedules share, the plain ones, and how to put one after another."""

from __future__ import annotations

import math
from bisect import bisect_right
from numbers import Real
from typing import TYPE_CHECKING, Any

from microgradx.errors import ArgumentError, CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from microgradx.optim.optimizer import Optimizer

__all__ = [
    "ConstantLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "Schedule",
    "SequentialLR",
    "StepLR",
    "count",
    "owned",
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
        self.optimizer = owned(type(self).__name__, optimizer)
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
        self.step_size, self.gamma = count("StepLR", step_size=step_size), gamma
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
        self.total_iters = count("LinearLR", total_iters=total_iters)
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
        self.total_iters, self.power = count("PolynomialLR", total_iters=total_iters), power
        super().__init__(optimizer)

    def lr(self, t: int, base: float) -> float:
        """``base * (1 - t / total_iters) ** power``."""
        return base * float((1 - min(t, self.total_iters) / self.total_iters) ** self.power)


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
        owned("SequentialLR", optimizer)
        if any(getattr(s, "optimizer", None) is not optimizer for s in schedulers):
            problem = "a schedule is of another optimizer"
            raise ArgumentError("SequentialLR", problem, "Make all of the same optimizer")
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


def count(where: str, **number: Any) -> int:
    """A positive whole number, or an ArgumentError."""
    ((name, n),) = number.items()
    is_number = isinstance(n, Real)
    if not is_number or not 1 <= n < math.inf or n != int(n):
        raise ArgumentError(where, f"{name} is {n!r}", f"Pass a positive integer for {name}")
    return int(n)


def owned(where: str, optimizer: Optimizer) -> Optimizer:
    """The optimizer, if it has rates to set."""
    if not isinstance(getattr(optimizer, "param_groups", None), list):
        kind = type(optimizer).__name__
        problem = f"its first argument is a {kind} instead of an optimizer"
        raise ArgumentError(where, problem, "Pass the optimizer whose rates to set")
    return optimizer
