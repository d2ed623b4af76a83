"""Optimisers that divide by the gradients' own size: AdaGrad, RMSProp, AdaDelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from microgradx.optim.moments import decayed, mean_square
from microgradx.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from microgradx.optim.optimizer import Array

__all__ = ["Adadelta", "Adagrad", "RMSprop"]


class Adagrad(Optimizer):
    """Steps that shrink with the sum of all squared gradients so far.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change, or parameter groups.
    lr : float, optional
        The learning rate.
    lr_decay : float, optional
        Divides lr by ``1 + (t - 1) lr_decay``.
    weight_decay : float, optional
        Adds ``weight_decay * w`` to g.
    initial_accumulator_value : float, optional
        What h starts from.
    eps : float, optional
        Keeps the divisor from 0.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Notes
    -----
    ``h <- h + g^2``, ``w <- w - lr g / (sqrt(h) + eps)`` [1]_.

    References
    ----------
    .. [1] J. Duchi, E. Hazan, Y. Singer, "Adaptive Subgradient Methods", JMLR 12, 2011.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> w = Tensor([1.0, 1.0])
    >>> (w * [1.0, 1000.0]).sum().backward()
    >>> Adagrad([w], lr=0.1).step()
    >>> w
    Tensor([0.9, 0.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "eps": eps,
            },
        )

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """h, and working memory."""
        return "sum", "_divisor"

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Learning rate and its decay, where h starts, eps and weight decay."""
        start = group["initial_accumulator_value"]
        return group["lr"], group["lr_decay"], start, group["eps"], group["weight_decay"]

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """What h starts from is added in the first step."""
        lr, lr_decay, start, eps, decay = options
        return lr / (1 + (t - 1) * lr_decay), start if t == 1 else 0.0, eps, decay

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
        h, divisor = moments
        step, start, eps, decay = numbers
        if group["weight_decay"]:
            g = decayed(np, x, g, memory, decay)
        if group["initial_accumulator_value"]:
            np.add(h, start, h)
        np.add(h, np.multiply(g, g, divisor), h)
        np.add(np.sqrt(h, divisor), eps, divisor)
        np.multiply(np.divide(g, divisor, divisor), step, divisor)
        np.subtract(x, divisor, x)


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    Parameters
    ----------
    params, lr, eps, weight_decay
        As in `Adagrad`.
    alpha : float, optional
        How much of the mean is kept in a step.
    momentum : float, optional
        Of the divided gradients, as in SGD.
    centered : bool, optional
        Divide by the standard deviation: subtract the squared running mean of g from h.

    Notes
    -----
    ``h <- alpha h + (1 - alpha) g^2``, ``w <- w - lr g / (sqrt(h) + eps)`` [1]_.

    References
    ----------
    .. [1] G. Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> w = Tensor([1.0, 1.0])
    >>> (w * [1.0, 1000.0]).sum().backward()
    >>> RMSprop([w], lr=0.1, alpha=0.0).step()
    >>> w
    Tensor([0.9, 0.9])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
            },
        )

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """h, working memory, and what momentum and the centre need."""
        momentum = ("momentum_buffer",) if group["momentum"] else ()
        return "square_avg", "_divisor", *momentum, *(("grad_avg",) if group["centered"] else ())

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Learning rate, alpha, eps, momentum and weight decay."""
        head = group["lr"], group["alpha"], group["eps"]
        return *head, group["momentum"], group["weight_decay"]

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:  # noqa: ARG004
        """Nothing changes from step to step."""
        lr, alpha, eps, mu, decay = options
        return lr, alpha, 1 - alpha, eps, mu, decay

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
        h, divisor, *others = moments
        lr, keep, new, eps, mu, decay = numbers
        if group["weight_decay"]:
            g = decayed(np, x, g, memory, decay)
        mean_square(np, h, g, divisor, keep, new)
        if group["centered"]:
            mean = others[-1]
            np.multiply(mean, keep, mean)
            np.add(mean, np.multiply(g, new, divisor), mean)
            np.subtract(h, np.multiply(mean, mean, divisor), divisor)
            np.sqrt(divisor, divisor)
        else:
            np.sqrt(h, divisor)
        np.divide(g, np.add(divisor, eps, divisor), divisor)
        if group["momentum"]:
            velocity = others[0]
            np.multiply(velocity, mu, velocity)
            np.add(velocity, divisor, velocity)
            np.multiply(velocity, lr, divisor)
        else:
            np.multiply(divisor, lr, divisor)
        np.subtract(x, divisor, x)


class Adadelta(Optimizer):
    """RMSProp that also measures its own steps, so that lr has no unit.

    Parameters
    ----------
    params, weight_decay
        As in `Adagrad`.
    lr : float, optional
        Multiplies the steps.
    rho : float, optional
        How much of the running means is kept in a step.
    eps : float, optional
        Added under both roots.

    Notes
    -----
    ``h <- rho h + (1 - rho) g^2``, ``d = sqrt(u + eps) / sqrt(h + eps) g``,
    ``u <- rho u + (1 - rho) d^2``, ``w <- w - lr d`` [1]_.

    References
    ----------
    .. [1] M. D. Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay})

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """h and u, and working memory."""
        return "square_avg", "acc_delta", "_step", "_divisor"

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Learning rate, rho, eps and weight decay."""
        return group["lr"], group["rho"], group["eps"], group["weight_decay"]

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:  # noqa: ARG004
        """Nothing changes from step to step."""
        lr, rho, eps, decay = options
        return lr, rho, 1 - rho, eps, decay

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
        h, u, d, divisor = moments
        lr, keep, new, eps, decay = numbers
        if group["weight_decay"]:
            g = decayed(np, x, g, memory, decay)
        mean_square(np, h, g, d, keep, new)
        np.sqrt(np.add(u, eps, d), d)
        np.sqrt(np.add(h, eps, divisor), divisor)
        np.multiply(np.divide(d, divisor, d), g, d)
        mean_square(np, u, d, divisor, keep, new)
        np.subtract(x, np.multiply(d, lr, d), x)
