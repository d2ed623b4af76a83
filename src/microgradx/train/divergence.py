"""Notice a training that diverges, and say where the first bad number came from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from microgradx.errors import DivergenceError
from microgradx.graph import topological_order
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from microgradx.nn import Module
    from microgradx.optim import Optimizer

__all__ = ["Watch"]


class Watch:
    """Compares every loss with the first one, or with 1 if that is larger.

    Parameters
    ----------
    model : Module
        To name parameters.
    optimizer : Optimizer
        To name the learning rate.
    explosion : float or None
        How many times the first loss is too much; None only refuses nan and infinity.
    """

    def __init__(self, model: Module, optimizer: Optimizer, explosion: float | None) -> None:
        self.model, self.optimizer, self.explosion = model, optimizer, explosion
        self.first: float | None = None

    def check(self, loss: Tensor | None, value: float, epoch: int) -> None:
        """Raise if the training has diverged.

        Parameters
        ----------
        loss : Tensor or None
            The root of the graph; None after a replay, which leaves none.
        value : float
            Its number.
        epoch : int
            Counted from 1.

        Raises
        ------
        DivergenceError
            Naming the learning rate and the first operation that gave a bad number, or the data.
        """
        if self.first is None and math.isfinite(value):
            self.first = abs(value)
        limit = math.inf if self.explosion is None else self.explosion
        # A training that begins with next to no loss, as one of a trained model does, has not
        # diverged when a batch is harder than the first one.
        if math.isfinite(value) and abs(value) <= limit * max(self.first or 0.0, 1.0):
            return
        rates = sorted({group["lr"] for group in self.optimizer.param_groups})
        lr = rates[-1]
        if math.isfinite(value):
            problem = f"the loss grew from {self.first:.5g} to {value:.5g} in epoch {epoch}"
            source = None
        else:
            source = None if loss is None else self.source(loss)
            problem = f"the loss became {value} in epoch {epoch}"
            problem += f", first in {source}" if source else ""
        remedy = f"Lower the learning rate, which is {lr:g}, or scale the inputs"
        if source == "the data":
            remedy = "Remove the rows with nan or infinity from the data, or fill the gaps"
        raise DivergenceError("fit", problem, remedy, lr=lr, epoch=epoch, loss=value, op=source)

    def source(self, loss: Tensor) -> str:
        """Where the first number that is not finite came from.

        Parameters
        ----------
        loss : Tensor
            The root of the graph.

        Returns
        -------
        str
            An operation, a parameter or "the data".
        """
        names = {id(p): name for name, p in self.model.named_parameters()}
        for node in topological_order(loss):
            assert isinstance(node, Tensor)  # noqa: S101 - the loss is one
            array = node._data
            if array.dtype.kind != "f" or np.isfinite(array).all():
                continue
            if node.op is None:
                return f"parameter {names[id(node)]!r}" if id(node) in names else "the data"
            inputs = [x for x in node.inputs if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
            if any(not np.isfinite(x).all() for x in inputs):
                return "the data"
            return f"the operation {node.op.name}"
        return "the loss"
