"""Pieces of the updates: decay of the weights, running means of gradients and of their squares.

Each takes the `np` that `Optimizer._update` was given, so that a capture reads it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from microgradx.optim.optimizer import Optimizer

if TYPE_CHECKING:
    from microgradx.optim.optimizer import Array

__all__ = ["MomentOptimizer", "decayed", "mean", "mean_square"]


class MomentOptimizer(Optimizer):
    """Base of Adam and its relatives: two moments, and one step size for each number."""

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The two moments."""
        return "exp_avg", "exp_avg_sq"

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """Learning rate, betas, eps and weight decay."""
        return group["lr"], *group["betas"], group["eps"], group["weight_decay"]


def decayed(np: Any, x: Array, g: Array, memory: Array, decay: float) -> Array:
    """``g + decay x``, written into `memory`: the gradient with that of an L2 penalty."""
    return np.add(np.multiply(x, decay, memory), g, memory)


def mean(np: Any, m: Array, g: Array, keep: float, new: float) -> None:
    """``m <- b m + (1 - b) g``, for ``keep = b / (1 - b)`` and ``new = 1 - b``."""
    # As (keep m + g) new, no room is needed for (1 - b) g.
    np.multiply(m, keep, m)
    np.add(m, g, m)
    np.multiply(m, new, m)


def mean_square(np: Any, v: Array, g: Array, memory: Array, keep: float, new: float) -> None:
    """``v <- keep v + new g^2``."""
    np.multiply(v, keep, v)
    np.add(v, np.multiply(np.multiply(g, g, memory), new, memory), v)
