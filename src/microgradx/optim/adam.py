"""Adam: a step size of its own for every number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ArgumentError
from microgradx.optim.optimizer import FLUSH_EVERY, Array, Optimizer, flush_denormals, scratch

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Adam"]


class Adam(Optimizer):
    """Adaptive moments: every number moves by about lr, whatever the size of its gradient.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or parameter groups.
    lr : float, optional
        The learning rate.
    betas : tuple of (float, float), optional
        How much of the two moments is kept in a step.
    eps : float, optional
        Keeps the divisor from 0.
    weight_decay : float, optional
        Adds ``weight_decay * w`` to g.

    Notes
    -----
    In step t, of the gradient g [1]_::

        m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g^2
        w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> w = Tensor([1.0, 1.0])
    >>> (w * [1.0, 1000.0]).sum().backward()
    >>> Adam([w], lr=0.1).step()
    >>> w
    Tensor([0.9, 0.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        if not all(0 <= beta < 1 for beta in group["betas"]):
            raise ArgumentError(
                type(self).__name__,
                f"betas are {group['betas']}",
                "Pass two numbers from 0 to below 1",
            )

    def _update(self, x: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        memory = scratch(state, x)
        b1, b2 = group["betas"]
        if group["weight_decay"]:
            g = g + np.multiply(x, group["weight_decay"], memory)
        if "step" not in state:
            state.update(step=0, exp_avg=np.zeros_like(x), exp_avg_sq=np.zeros_like(x))
        m, v = state["exp_avg"], state["exp_avg_sq"]
        t = state["step"] = state["step"] + 1
        np.multiply(m, b1, m)
        np.add(m, np.multiply(g, 1 - b1, memory), m)
        np.multiply(v, b2, v)
        np.multiply(memory, g, memory)
        np.add(v, np.multiply(memory, (1 - b2) / (1 - b1), memory), v)
        # The two corrections are taken out of the arrays: one division of the step, one of eps.
        correction = math.sqrt(1 - b2**t)
        np.add(np.sqrt(v, memory), group["eps"] * correction, memory)
        np.divide(m, memory, memory)
        np.multiply(memory, group["lr"] * correction / (1 - b1**t), memory)
        np.subtract(x, memory, x)
        if t % FLUSH_EVERY == 0:
            flush_denormals(m, v)
