"""Gradient descent, with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from microgradx.errors import ArgumentError
from microgradx.optim.optimizer import Array, Optimizer

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

    Raises
    ------
    ArgumentError
        If an option is out of range, or nesterov has no momentum to look ahead with.

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
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"]):
            raise ArgumentError(
                "SGD", "nesterov needs momentum and no dampening", "Pass momentum=0.9, for example"
            )

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The velocity, if there is momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Learning rate, momentum, dampening and weight decay."""
        return group["lr"], group["momentum"], group["dampening"], group["weight_decay"]

    def plain(self, group: dict[str, Any]) -> bool:
        """Without momentum and decay it is."""
        return not group["momentum"] and not group["weight_decay"]

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """The first velocity is the whole gradient, as in PyTorch."""
        lr, mu, dampening, decay = options
        return lr, mu, 1 / mu if mu else 0.0, 1 - dampening if t > 1 else 1.0, decay

    def _update(
        self,
        np: Any,
        x: Array,
        g: Array,
        moments: list[Array],
        memory: Array,
        group: dict[str, Any],
        numbers: tuple[Any, ...],
    ) -> None:
        lr, mu, unit, keep, decay = numbers
        if group["weight_decay"]:
            g = np.add(np.multiply(x, decay, memory), g, memory)
        if group["momentum"]:
            (v,) = moments
            np.multiply(v, mu, v)
            np.add(v, np.multiply(g, keep, memory) if group["dampening"] else g, v)
            if group["nesterov"]:
                # g + mu v as (g / mu + v) mu: g may lie in `memory` already.
                np.add(np.multiply(g, unit, memory), v, memory)
                g = np.multiply(memory, mu, memory)
            else:
                g = v
        np.subtract(x, np.multiply(g, lr, memory), x)
