"""Activations as layers; the functions are in `microgradx.nn.functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.nn import functional as F  # noqa: N812 - as everybody calls it
from microgradx.nn.module import Module
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "Arctan", "Hardsigmoid", "Hardswish", "Hardtanh",
    "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid",
    "Softmax", "Softplus", "Softsign", "Step", "Tanh",
]  # fmt: skip


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
        return F.relu(x)


class Sigmoid(Module):
    """``1 / (1 + e^-x)``, the logistic function: from 0 to 1."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent: from -1 to 1."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.tanh(x)


class Arctan(Module):
    """The inverse tangent: from -pi/2 to pi/2, and slow to get there."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return PRIMITIVES["atan"](x)


class Step(Module):
    """1 where x > 0, else 0: the perceptron's activation; nothing learns through it."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.step(x)


class LogSigmoid(Module):
    """``ln(sigmoid(x))``, without overflow."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.logsigmoid(x)


class SiLU(Module):
    """``x sigmoid(x)``, also called swish."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.silu(x)


class Mish(Module):
    """``x tanh(softplus(x))``."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.mish(x)


class ReLU6(Module):
    """x, cut off below 0 and above 6."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.relu6(x)


class SELU(Module):
    """Elu, scaled so that mean 0 and variance 1 go from layer to layer."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.selu(x)


class Hardsigmoid(Module):
    """``relu6(x + 3) / 6``: a sigmoid of straight lines."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.hardsigmoid(x)


class Hardswish(Module):
    """``x hardsigmoid(x)``."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.hardswish(x)


class Softsign(Module):
    """``x / (1 + |x|)``: from -1 to 1."""

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.softsign(x)


class LeakyReLU(Module):
    """x where positive, ``negative_slope x`` elsewhere: no unit dies.

    Parameters
    ----------
    negative_slope : float, optional
        Called alpha in many books.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where positive, ``alpha (e^x - 1)`` elsewhere.

    Parameters
    ----------
    alpha : float, optional
        Minus the limit on the left.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"alpha={self.alpha}"


class CELU(ELU):
    """x where positive, ``alpha (e^(x / alpha) - 1)`` elsewhere.

    Parameters
    ----------
    alpha : float, optional
        Minus the limit on the left.
    """

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.celu(x, self.alpha)


class GELU(Module):
    """x times the normal distribution function at x.

    Parameters
    ----------
    approximate : {"none", "tanh"}, optional
        The exact one, or the one of tanh.
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """``ln(1 + e^(beta x)) / beta``: a smooth ReLU.

    Parameters
    ----------
    beta : float, optional
        How sharp the bend is.
    threshold : float, optional
        Only for PyTorch's signature: the kernel is exact everywhere.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta, self.threshold = beta, threshold

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.softplus(x, self.beta)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """x, cut off below `min_val` and above `max_val`.

    Parameters
    ----------
    min_val, max_val : float, optional
        The limits.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = min_val, max_val

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"min_val={self.min_val}, max_val={self.max_val}"


class PReLU(Module):
    """Leaky ReLU whose slope is learned.

    Parameters
    ----------
    num_parameters : int, optional
        1, or one for each channel.
    init : float, optional
        The first slope.

    Attributes
    ----------
    weight : Tensor, shape (num_parameters,)
        The slopes.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = num_parameters
        self.weight = Tensor(np.full(num_parameters, init, np.float32))

    def forward(self, x: Any) -> Any:
        """Apply it to every element."""
        return F.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"num_parameters={self.num_parameters}"


class GLU(Module):
    """The first half along an axis, gated by the sigmoid of the second.

    Parameters
    ----------
    dim : int, optional
        The axis to halve.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """Halve and gate."""
        return F.glu(x, self.dim)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"dim={self.dim}"


class Softmax(Module):
    """``e^x / sum e^x`` along an axis: numbers that sum to 1.

    Parameters
    ----------
    dim : int, optional
        The axis; the last by default.
    """

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """Apply it along the axis."""
        return F.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """``x - ln sum e^x`` along an axis, without overflow.

    Parameters
    ----------
    dim : int, optional
        The axis; the last by default.
    """

    def forward(self, x: Any) -> Any:
        """Apply it along the axis."""
        return F.log_softmax(x, self.dim)
