"""Gradient descent, with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ArgumentError
from microgradx.optim.optimizer import Array, Optimizer, scratch

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent: ``w <- w - lr g``, and with momentum ``v <- mu v + g``, ``w <- w - lr v``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or parameter groups.
    lr : float, optional
        The learning rate.
    momentum : float, optional
        mu above; 0.9 is usual.
    dampening : float, optional
        ``v <- mu v + (1 - dampening) g``.
    weight_decay : float, optional
        Adds ``weight_decay * w`` to g: the gradient of an L2 penalty.
    nesterov : bool, optional
        Look ahead: ``w <- w - lr (g + mu v)``.

    Notes
    -----
    Called batch, mini-batch or stochastic gradient descent, as g comes from all rows, some, or
    one. Momentum is Polyak's [1]_; PyTorch's form of it, with lr outside v.

    References
    ----------
    .. [1] B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
       I. Sutskever et al., "On the importance of initialization and momentum in deep learning",
       ICML 2013.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> w = Tensor([1.0])
    >>> optimizer = SGD([w], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w
    Tensor([0.125])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        if group["momentum"] < 0:
            raise ArgumentError(
                "SGD", f"momentum is {group['momentum']}", "Pass momentum of 0 or more"
            )
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"]):
            raise ArgumentError(
                "SGD", "nesterov needs momentum and no dampening", "Pass momentum=0.9, for example"
            )

    def _update(self, x: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        memory = scratch(state, x)
        mu, decay = group["momentum"], group["weight_decay"]
        if decay:
            g = np.add(np.multiply(x, decay, memory), g, memory)
        if mu:
            v = state.get("momentum_buffer")
            if v is None:
                v = state["momentum_buffer"] = g.copy()
            else:
                np.multiply(v, mu, v)
                keep = 1 - group["dampening"]
                np.add(v, g if keep == 1 else g * keep, v)
            g = np.add(g, v * mu, memory) if group["nesterov"] else v
        np.subtract(x, np.multiply(g, group["lr"], memory), x)
