"""Activations as layers."""

from __future__ import annotations

from typing import Any

from microgradx.nn.module import Module
from microgradx.primitive import PRIMITIVES

__all__ = ["ReLU"]


class ReLU(Module):
    """``max(x, 0)``: the usual activation between layers.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> ReLU()(Tensor([-1.0, 2.0]))
    Tensor([0., 2.])
    """

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return PRIMITIVES["relu"](x)
