"""Adam: a step size of its own for every number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from microgradx.errors import ArgumentError
from microgradx.optim.optimizer import Array, Optimizer

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

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The two moments."""
        return "exp_avg", "exp_avg_sq"

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Learning rate, betas, eps and weight decay."""
        return group["lr"], *group["betas"], group["eps"], group["weight_decay"]

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """Take both corrections out of the arrays: one division of the step, one of eps."""
        lr, b1, b2, eps, decay = options
        correction = math.sqrt(1 - b2**t)
        step = lr * correction / (1 - b1**t)
        return b1 / (1 - b1), 1 - b1, b2, 1 - b2, eps * correction, step, decay

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
        (m, v), (keep_m, new_m, keep_v, new_v, eps, step, decay) = moments, numbers
        if group["weight_decay"]:
            g = np.add(np.multiply(x, decay, memory), g, memory)
        # As (b1 / (1 - b1) m + g) (1 - b1), the first moment needs no room for (1 - b1) g.
        np.multiply(m, keep_m, m)
        np.add(m, g, m)
        np.multiply(m, new_m, m)
        np.multiply(v, keep_v, v)
        np.multiply(np.multiply(g, g, memory), new_v, memory)
        np.add(v, memory, v)
        np.add(np.sqrt(v, memory), eps, memory)
        np.divide(m, memory, memory)
        np.multiply(memory, step, memory)
        np.subtract(x, memory, x)
