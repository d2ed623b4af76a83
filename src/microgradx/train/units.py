"""Units that do nothing: dead ReLUs, which give 0 whatever they get."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.nn import ReLU
from microgradx.train.evaluation import predict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from microgradx.nn import Module

__all__ = ["dead_units"]


def dead_units(model: Module, x: Any) -> dict[str, NDArray[np.bool_]]:
    """Which units of each ReLU layer are 0 for every row: they get no gradient, and stay so.

    Parameters
    ----------
    model : Module
        With ReLU layers in it.
    x : array_like, shape (n, ...)
        Inputs, for example the training data.

    Returns
    -------
    dict of str to ndarray of bool, shape (units,)
        For each ReLU layer, by its name in the model.

    Examples
    --------
    >>> from microgradx import nn
    >>> model = nn.Sequential(nn.Linear(1, 2, rng=0), nn.ReLU())
    >>> _ = model[0].load_state_dict({"weight": [[1.0], [1.0]], "bias": [0.0, -9.0]})
    >>> dead_units(model, np.ones((4, 1), "float32"))
    {'1': array([False,  True])}
    """
    dead: dict[str, NDArray[np.bool_]] = {}

    def watched(name: str, layer: Module) -> Any:
        forward = layer.forward

        def run(inputs: Any) -> Any:
            out = forward(inputs)
            silent = np.all(out.numpy() == 0, axis=0)
            dead[name] = dead[name] & silent if name in dead else silent
            return out

        return run

    with ExitStack() as after:
        for name, layer in model.named_modules():
            if isinstance(layer, ReLU):
                layer.__dict__["forward"] = watched(name, layer)
                after.callback(layer.__dict__.pop, "forward")
        predict(model, x)
    return dead
