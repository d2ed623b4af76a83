"""Activations. Each is one to four primitives; shapes and dtypes stay, unless said otherwise."""

from __future__ import annotations

import math
from typing import Any

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ArgumentError, ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.primitive import PRIMITIVES

__all__ = [
    "celu", "elu", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu",
    "softmax", "softplus", "softsign", "step", "tanh",
]  # fmt: skip

relu, sigmoid, tanh = PRIMITIVES["relu"], PRIMITIVES["sigmoid"], PRIMITIVES["tanh"]
_expm1, _abs, _where, _softplus = [PRIMITIVES[n] for n in ("expm1", "abs", "where", "softplus")]
_minimum = PRIMITIVES["minimum"]
leaky_relu = F.leaky_relu

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""The fixed point of Klambauer et al., "Self-Normalizing Neural Networks", 2017."""


def step(x: Any) -> Any:
    """1 where x > 0, else 0: the perceptron's activation. Its derivative is 0 everywhere.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        Of the dtype of `x`; a constant, so nothing learns through it.

    Examples
    --------
    >>> step([-1.0, 0.0, 2.0])
    Tensor([0., 0., 1.])
    """
    x = as_tensor(x, "step")
    return F.astype(x > 0, x.dtype)


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``ln(1 + e^(beta x)) / beta``: a smooth ReLU.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    beta : float, optional
        How sharp the bend is.
    threshold : float, optional
        Only for PyTorch's signature: the kernel is exact everywhere.

    Returns
    -------
    Tensor
        All positive.
    """
    del threshold
    return _softplus(x) if beta == 1 else _softplus(as_tensor(x, "softplus") * beta) / beta


def logsigmoid(x: Any) -> Any:
    """``ln(sigmoid(x))``, without overflow.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        All negative.
    """
    return -_softplus(-as_tensor(x, "logsigmoid"))


def silu(x: Any) -> Any:
    """``x sigmoid(x)``, also called swish.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> silu([0.0, 100.0])
    Tensor([  0., 100.])
    """
    x = as_tensor(x, "silu")
    return x * sigmoid(x)


def mish(x: Any) -> Any:
    """``x tanh(softplus(x))``.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x = as_tensor(x, "mish")
    return x * tanh(_softplus(x))


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function at x.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    approximate : {"none", "tanh"}, optional
        The exact one, or ``x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2``.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    ArgumentError
        If `approximate` is neither.

    References
    ----------
    .. [1] D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016.
    """
    x = as_tensor(x, "gelu")
    if approximate == "none":
        return x * (PRIMITIVES["erf"](x * math.sqrt(0.5)) + 1.0) * 0.5
    if approximate == "tanh":
        return x * (tanh((x + 0.044715 * x**3) * math.sqrt(2 / math.pi)) + 1.0) * 0.5
    raise ArgumentError("gelu", f"approximate is {approximate!r}", "Pass 'none' or 'tanh'")


def elu(x: Any, alpha: float = 1.0) -> Any:
    """X where positive, ``alpha (e^x - 1)`` elsewhere.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    alpha : float, optional
        Minus the limit on the left.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> elu([0.0, 2.0, -1000.0])
    Tensor([ 0.,  2., -1.])
    """
    x = as_tensor(x, "elu")
    # expm1 sees no positive number, so that nothing overflows on the side that is not chosen.
    return _where(x > 0, x, alpha * _expm1(_minimum(x, 0.0)))


def celu(x: Any, alpha: float = 1.0) -> Any:
    """X where positive, ``alpha (e^(x / alpha) - 1)`` elsewhere: elu without a bend.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    alpha : float, optional
        Minus the limit on the left.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x = as_tensor(x, "celu")
    return _where(x > 0, x, alpha * _expm1(_minimum(x, 0.0) / alpha))


def selu(x: Any) -> Any:
    """Elu, scaled so that mean 0 and variance 1 go from layer to layer.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


def prelu(x: Any, weight: Any) -> Any:
    """Leaky ReLU whose slope is learned.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, ...)
        The input.
    weight : Tensor, shape (1,) or (channels,)
        The slopes.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x, weight = as_tensor(x, "prelu"), as_tensor(weight, "prelu")
    if weight.size > 1:
        weight = F.reshape(weight, (-1, *(1,) * (x.ndim - 2)))
    return F.leaky_relu(x, weight)


def hardtanh(x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """x, cut off below `min_val` and above `max_val`.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    min_val, max_val : float, optional
        The limits.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    return F.clip(as_tensor(x, "hardtanh"), min_val, max_val)


def relu6(x: Any) -> Any:
    """x, cut off below 0 and above 6.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    return F.clip(as_tensor(x, "relu6"), 0.0, 6.0)


def hardsigmoid(x: Any) -> Any:
    """``relu6(x + 3) / 6``: a sigmoid of straight lines.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        From 0 to 1.
    """
    return relu6(as_tensor(x, "hardsigmoid") + 3.0) / 6.0


def hardswish(x: Any) -> Any:
    """``x hardsigmoid(x)``.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x = as_tensor(x, "hardswish")
    return x * hardsigmoid(x)


def softsign(x: Any) -> Any:
    """``x / (1 + |x|)``.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.

    Returns
    -------
    Tensor
        From -1 to 1.
    """
    x = as_tensor(x, "softsign")
    return x / (1.0 + _abs(x))


def glu(x: Any, dim: int = -1) -> Any:
    """The first half, gated by the sigmoid of the second.

    Parameters
    ----------
    x : Tensor or array_like
        Of even size along `dim`.
    dim : int, optional
        The axis to halve.

    Returns
    -------
    Tensor
        Half as long along `dim`.

    Raises
    ------
    ShapeError
        If the size is odd.
    """
    x = as_tensor(x, "glu")
    size = x.shape[dim]
    if size % 2:
        raise ShapeError("glu", f"axis {dim} has the odd size {size}", "Pass an even size")
    before = (slice(None),) * (dim % x.ndim)
    return x[(*before, slice(size // 2))] * sigmoid(x[(*before, slice(size // 2, None))])


def softmax(x: Any, dim: int = -1, *, axis: int | None = None) -> Any:
    """``e^x / sum e^x`` along an axis: numbers that sum to 1.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    dim, axis : int, optional
        The axis; two names for one thing.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> softmax([1000.0, 1000.0])
    Tensor([0.5, 0.5])
    """
    return F.softmax(x, dim if axis is None else axis)


def log_softmax(x: Any, dim: int = -1, *, axis: int | None = None) -> Any:
    """``x - ln sum e^x`` along an axis, without overflow.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    dim, axis : int, optional
        The axis; two names for one thing.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    return F.log_softmax(x, dim if axis is None else axis)
