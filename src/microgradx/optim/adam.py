"""Adam and its relatives: a step size of its own for every number."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from microgradx.optim.moments import MomentOptimizer, decayed, mean, mean_square

if TYPE_CHECKING:
    from collections.abc import Iterable

    from microgradx.optim.optimizer import Array

__all__ = ["Adam", "AdamW", "Adamax", "NAdam", "RAdam"]


class Adam(MomentOptimizer):
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
    amsgrad : bool, optional
        Divide by the largest v so far [2]_.

    Raises
    ------
    ArgumentError
        If an option is out of range.

    Notes
    -----
    In step t, of the gradient g [1]_::

        m <- b1 m + (1 - b1) g            v <- b2 v + (1 - b2) g^2
        w <- w - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    References
    ----------
    .. [1] D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
    .. [2] S. J. Reddi, S. Kale, S. Kumar, "On the Convergence of Adam and Beyond", ICLR 2018.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> w = Tensor([1.0, 1.0])
    >>> (w * [1.0, 1000.0]).sum().backward()
    >>> Adam([w], lr=0.1).step()
    >>> w
    Tensor([0.9, 0.9])
    """

    decoupled = False
    """Whether weight decay shrinks the weights themselves, as AdamW has it."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options | {"amsgrad": amsgrad})

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The two moments; with amsgrad also the largest second one."""
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return *super().slots(group), *largest

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """Take both corrections out of the arrays: one division of the step, one of eps."""
        lr, b1, b2, eps, decay = options
        correction = math.sqrt(1 - b2**t)
        step = lr * correction / (1 - b1**t)
        return b1 / (1 - b1), 1 - b1, b2, 1 - b2, eps * correction, step, decay, 1 - lr * decay

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
        m, v, *largest = moments
        keep_m, new_m, keep_v, new_v, eps, step, decay, shrink = numbers
        if group["weight_decay"] and self.decoupled:
            np.multiply(x, shrink, x)
        elif group["weight_decay"]:
            g = decayed(np, x, g, memory, decay)
        mean(np, m, g, keep_m, new_m)
        mean_square(np, v, g, memory, keep_v, new_v)
        for top in largest:
            v = np.maximum(top, v, out=top)
        np.add(np.sqrt(v, memory), eps, memory)
        np.divide(m, memory, memory)
        np.multiply(memory, step, memory)
        np.subtract(x, memory, x)


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights themselves: ``w <- (1 - lr weight_decay) w``.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad
        As in `Adam`.
    weight_decay : float, optional
        Not mixed into the moments, unlike Adam's [1]_.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> w = Tensor([1.0])
    >>> (w * 0.0).sum().backward()
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w
    Tensor([0.95])
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


class Adamax(MomentOptimizer):
    """Adam with the largest recent gradient instead of the root mean square.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay
        As in `Adam`.

    Notes
    -----
    Section 7.1 of the paper on Adam::

        m <- b1 m + (1 - b1) g      u <- max(b2 u, |g| + eps)      w <- w - lr / (1 - b1^t) m / u
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The first moment, and the largest gradient."""
        return "exp_avg", "exp_inf"

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """The correction of the first moment goes into the step size."""
        lr, b1, b2, eps, decay = options
        return b1 / (1 - b1), 1 - b1, b2, eps, lr / (1 - b1**t), decay

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
        m, u = moments
        keep_m, new_m, keep_u, eps, step, decay = numbers
        if group["weight_decay"]:
            g = decayed(np, x, g, memory, decay)
        mean(np, m, g, keep_m, new_m)
        np.multiply(u, keep_u, u)
        np.add(np.abs(g, memory), eps, memory)
        np.maximum(u, memory, out=u)
        np.multiply(np.divide(m, u, memory), step, memory)
        np.subtract(x, memory, x)


class NAdam(MomentOptimizer):
    """Adam that looks ahead, with Nesterov's momentum.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay
        As in `Adam`.
    momentum_decay : float, optional
        psi below.

    Notes
    -----
    With Adam's m and v, ``mu_t = b1 (1 - 0.96^(t psi) / 2)`` and M_t the product of mu_1 to mu_t,
    the numerator is ``(1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m`` [1]_.

    References
    ----------
    .. [1] T. Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop 2016.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options | {"momentum_decay": momentum_decay})

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The two moments, and working memory."""
        return *super().slots(group), "_ahead"

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Those of Adam, and momentum decay."""
        return *super().options(group), group["momentum_decay"]

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """The momenta of this step and the next, and the product of all so far."""
        lr, b1, b2, eps, decay, psi = options

        def mu(i: int) -> float:
            return b1 * (1 - 0.5 * math.pow(0.96, i * psi))

        # The product is soon nothing beside 1, so there is no need to carry it along.
        product = 1.0
        for i in range(1, t + 1):
            product *= mu(i)
            if product < 1e-20:
                break
        correction = math.sqrt(1 - b2**t)
        of_g = lr * correction * (1 - mu(t)) / (1 - product)
        of_m = lr * correction * mu(t + 1) / (1 - product * mu(t + 1))
        return b1 / (1 - b1), 1 - b1, b2, 1 - b2, eps * correction, of_g, of_m, decay

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
        m, v, ahead = moments
        keep_m, new_m, keep_v, new_v, eps, of_g, of_m, decay = numbers
        if group["weight_decay"]:
            g = decayed(np, x, g, memory, decay)
        mean(np, m, g, keep_m, new_m)
        np.multiply(g, of_g, ahead)
        mean_square(np, v, g, memory, keep_v, new_v)
        np.add(np.multiply(m, of_m, memory), ahead, ahead)
        np.add(np.sqrt(v, memory), eps, memory)
        np.subtract(x, np.divide(ahead, memory, memory), x)


class RAdam(MomentOptimizer):
    """Adam that waits until its second moment is known well enough.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay
        As in `Adam`.

    Notes
    -----
    With Adam's m and v, ``R = 2 / (1 - b2) - 1`` and ``r = R - 2 t b2^t / (1 - b2^t)`` [1]_: where
    r > 5, Adam's step times ``sqrt((r-4) (r-2) R / ((R-4) (R-2) r))``; otherwise
    ``w <- w - lr m / (1 - b1^t)``.

    References
    ----------
    .. [1] L. Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", ICLR 2020.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, options)

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """The divisor is sqrt(v) + eps where v is known well enough, and 1 before."""
        lr, b1, b2, eps, decay = options
        long = 2 / (1 - b2) - 1
        r = long - 2 * t * b2**t / (1 - b2**t)
        step, of_v, rest = lr / (1 - b1**t), 0.0, 1.0
        if r > 5:
            step *= math.sqrt((r - 4) * (r - 2) * long / ((long - 4) * (long - 2) * r))
            step *= math.sqrt(1 - b2**t)
            of_v, rest = 1.0, eps
        return b1 / (1 - b1), 1 - b1, b2, 1 - b2, of_v, rest, step, decay

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
        m, v = moments
        keep_m, new_m, keep_v, new_v, of_v, rest, step, decay = numbers
        if group["weight_decay"]:
            g = decayed(np, x, g, memory, decay)
        mean(np, m, g, keep_m, new_m)
        mean_square(np, v, g, memory, keep_v, new_v)
        np.multiply(np.sqrt(v, memory), of_v, memory)
        np.add(memory, rest, memory)
        np.multiply(np.divide(m, memory, memory), step, memory)
        np.subtract(x, memory, x)
