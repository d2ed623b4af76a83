"""Initialisers: fill a Tensor in place, with PyTorch's names and formulas.

>>> from microgradx import Tensor, nn
>>> w = Tensor([[0.0, 0.0], [0.0, 0.0]])
>>> nn.init.eye_(w)
Tensor([[1., 0.],
        [0., 1.]])
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ArgumentError, ShapeError
from microgradx.functions.making import generator

if TYPE_CHECKING:
    from microgradx.tensor import Tensor

__all__ = [
    "calculate_gain", "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "ones_", "orthogonal_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_",
    "zeros_",
]  # fmt: skip


def _fill(tensor: Tensor, array: Any) -> Tensor:
    tensor.data = np.broadcast_to(array, tensor.shape)
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number.

    Parameters
    ----------
    tensor : Tensor
        What to fill, in place.
    val : float
        The number.

    Returns
    -------
    Tensor
        The same.
    """
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _fill(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _fill(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity."""
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, rng: Any = None) -> Tensor:
    """Draw from U(a, b).

    Parameters
    ----------
    tensor : Tensor
        What to fill, in place.
    a, b : float, optional
        The ends.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.
    """
    return _fill(tensor, generator(rng).uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, rng: Any = None) -> Tensor:
    """Draw from N(mean, std^2).

    Parameters
    ----------
    tensor : Tensor
        What to fill, in place.
    mean, std : float, optional
        Mean and standard deviation.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.
    """
    return _fill(tensor, generator(rng).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    rng: Any = None,
) -> Tensor:
    """Draw from N(mean, std^2), again and again until all numbers are in [a, b].

    Parameters
    ----------
    tensor : Tensor
        What to fill, in place.
    mean, std : float, optional
        Mean and standard deviation before the cut.
    a, b : float, optional
        The limits.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.

    Raises
    ------
    ArgumentError
        If the limits are more than 3 standard deviations on one side of the mean, so that drawing
        could take for ever.
    """
    if not (a < b and a < mean + 3 * std and b > mean - 3 * std):
        problem = f"hardly anything of N({mean}, {std}^2) is in [{a}, {b}]"
        raise ArgumentError("trunc_normal_", problem, "Move the limits to the mean")
    rng = generator(rng)
    array = rng.normal(mean, std, tensor.shape)
    while (outside := (array < a) | (array > b)).any():
        array[outside] = rng.normal(mean, std, int(outside.sum()))
    return _fill(tensor, array)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """How much larger weights must be before an activation, to keep the variance.

    Parameters
    ----------
    nonlinearity : str
        "linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu" or "conv2d".
    param : float, optional
        The slope of leaky_relu, 0.01 by default.

    Returns
    -------
    float
        The factor.

    Raises
    ------
    ArgumentError
        If the name is unknown.
    """
    slope = 0.01 if param is None else param
    gains = {
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)),
        "selu": 3 / 4,
    } | dict.fromkeys(("linear", "sigmoid", "conv1d", "conv2d"), 1.0)
    if nonlinearity not in gains:
        problem = f"no gain is known for {nonlinearity!r}"
        raise ArgumentError("calculate_gain", problem, f"Use one of {', '.join(gains)}")
    return gains[nonlinearity]


def _fans(tensor: Tensor, where: str) -> tuple[int, int]:
    """Inputs and outputs of one unit."""
    if tensor.ndim < 2:
        problem = f"a Tensor of shape {tensor.shape} has no inputs and outputs"
        raise ShapeError(where, problem, "Pass a weight (out, in, ...)")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, rng: Any = None) -> Tensor:
    """Draw from U(-k, k), ``k = gain sqrt(6 / (inputs + outputs))`` [1]_.

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        What to fill, in place.
    gain : float, optional
        See `calculate_gain`.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.

    References
    ----------
    .. [1] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
       networks", AISTATS 2010.
    """
    k = gain * math.sqrt(6 / sum(_fans(tensor, "xavier_uniform_")))
    return uniform_(tensor, -k, k, rng)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, rng: Any = None) -> Tensor:
    """Draw from N(0, s^2), ``s = gain sqrt(2 / (inputs + outputs))``.

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        What to fill, in place.
    gain : float, optional
        See `calculate_gain`.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.
    """
    std = gain * math.sqrt(2 / sum(_fans(tensor, "xavier_normal_")))
    return normal_(tensor, 0.0, std, rng)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Any = None,
) -> Tensor:
    """Draw from U(-k, k), ``k = gain sqrt(3 / inputs)``: He's initialisation [1]_.

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        What to fill, in place.
    a : float, optional
        The slope of leaky_relu.
    mode : {"fan_in", "fan_out"}, optional
        Whether to count inputs or outputs.
    nonlinearity : str, optional
        See `calculate_gain`.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.

    References
    ----------
    .. [1] K. He et al., "Delving Deep into Rectifiers", ICCV 2015.
    """
    k = math.sqrt(3) * _kaiming(tensor, a, mode, nonlinearity, "kaiming_uniform_")
    return uniform_(tensor, -k, k, rng)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    rng: Any = None,
) -> Tensor:
    """Draw from N(0, s^2), ``s = gain / sqrt(inputs)``: He's initialisation.

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        What to fill, in place.
    a : float, optional
        The slope of leaky_relu.
    mode : {"fan_in", "fan_out"}, optional
        Whether to count inputs or outputs.
    nonlinearity : str, optional
        See `calculate_gain`.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.
    """
    std = _kaiming(tensor, a, mode, nonlinearity, "kaiming_normal_")
    return normal_(tensor, 0.0, std, rng)


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str, where: str) -> float:
    if mode not in {"fan_in", "fan_out"}:
        raise ArgumentError(where, f"mode is {mode!r}", "Pass 'fan_in' or 'fan_out'")
    fan = _fans(tensor, where)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def orthogonal_(tensor: Tensor, gain: float = 1.0, rng: Any = None) -> Tensor:
    """Rows (or columns, if fewer) that are orthogonal and of length `gain` [1]_.

    Parameters
    ----------
    tensor : Tensor, shape (out, in, ...)
        What to fill, in place; the axes after the first count as one.
    gain : float, optional
        The length.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        The same.

    References
    ----------
    .. [1] A. M. Saxe, J. L. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of
       learning in deep linear neural networks", 2014.
    """
    _fans(tensor, "orthogonal_")
    rows = tensor.shape[0]
    columns = tensor.size // rows
    a = generator(rng).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(a)
    q = q * np.sign(np.diag(r))  # makes the distribution uniform
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))
