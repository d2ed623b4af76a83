"""Find a learning rate: raise it step by step, and see where the loss falls fastest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import optim
from microgradx.errors import ArgumentError
from microgradx.nn.functional import cross_entropy
from microgradx.train.arguments import check_learner
from microgradx.train.checkpoint import Generators, snapshot
from microgradx.train.feeding import batches_of, pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from microgradx.nn import Module
    from microgradx.tensor import Tensor

__all__ = ["RateTest", "find_lr"]


@dataclass(frozen=True)
class RateTest:
    """Losses at rising learning rates.

    Attributes
    ----------
    rates, losses : ndarray, shape (n,)
        The loss, smoothed, after a step at each rate.
    suggestion : float
        A tenth of the rate at which the loss was lowest before it rose.
    """

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggestion: float


def find_lr(
    model: Module,
    data: Any,
    *,
    loss: Callable[[Any, Any], Tensor] = cross_entropy,
    optimizer: optim.Optimizer | None = None,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    batch_size: int = 64,
    rng: int | np.random.Generator | None = None,
) -> RateTest:
    """Try learning rates from small to large, one step each [1]_. Nothing is changed in the end.

    Parameters
    ----------
    model : Module
        What will be trained.
    data : tuple of arrays, or iterable of batches
        As `fit` takes them.
    loss : callable, optional
        As `fit` takes it.
    optimizer : Optimizer, optional
        ``Adam(model.parameters())`` by default.
    low, high : float, optional
        The first and the last rate.
    steps : int, optional
        How many rates, in equal ratios. It ends earlier when the loss explodes.
    batch_size : int, optional
        For data that are arrays.
    rng : int or numpy.random.Generator, optional
        Where the order of the rows comes from.

    Returns
    -------
    RateTest
        Rates, losses, and a suggestion.

    Raises
    ------
    ArgumentError
        If the rates are not positive and rising, or the first loss is not finite.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017.

    Examples
    --------
    >>> from microgradx import nn
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> model = nn.Linear(1, 1, rng=0, dtype="float64")
    >>> test = find_lr(model, (x, 3 * x), loss=nn.functional.mse_loss, rng=0,
    ...                optimizer=optim.SGD(model.parameters()))
    >>> 0.01 < test.suggestion < 1
    True
    """
    if not 0 < low < high or steps < 2:
        problem = f"{steps} rates from {low} to {high}"
        raise ArgumentError("find_lr", problem, "Pass 0 < low < high and at least 2 steps")
    check_learner("find_lr", model, loss, optimizer)
    optimizer = optimizer or optim.Adam(model.parameters())
    batches = batches_of(data, batch_size, np.random.default_rng(rng), "find_lr")
    generators = Generators(model, [getattr(batches, "rng", None)])
    weights, state, chance = snapshot(model), optimizer.state_dict(), generators.states()
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    stream = pairs(batches, "find_lr")
    try:
        with np.errstate(all="ignore"):
            for i, rate in enumerate(np.geomspace(low, high, steps)):
                batch = next(stream, None)
                if batch is None:
                    stream = pairs(batches, "find_lr")
                    batch = next(stream, None)
                if batch is None:
                    raise ArgumentError("find_lr", "the data hold no batch", "Pass some rows")
                for group in optimizer.param_groups:
                    group["lr"] = float(rate)
                optimizer.zero_grad()
                root = loss(model(batch[0]), batch[1])
                value = root.item()
                # An exponential mean, corrected for its start at 0.
                mean = 0.9 * mean + 0.1 * value
                smooth = mean / (1 - 0.9 ** (i + 1))
                if not math.isfinite(smooth) or (losses and smooth > 4 * min(losses)):
                    break
                rates.append(float(rate))
                losses.append(smooth)
                root.backward()
                optimizer.step()
    finally:
        model.load_state_dict(weights)
        optimizer.load_state_dict(state)
        optimizer.zero_grad()
        generators.restore(chance)
    if not losses:
        raise ArgumentError("find_lr", f"the first loss is {value}", "Check the data and the model")
    lowest = int(np.argmin(losses))
    return RateTest(np.array(rates), np.array(losses), rates[lowest] / 10)
