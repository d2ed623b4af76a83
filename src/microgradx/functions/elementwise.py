"""Elementwise functions whose arguments have defaults; the others are the primitives themselves."""

from __future__ import annotations

from typing import Any

from microgradx.ops import elementwise

__all__ = ["clip", "leaky_relu"]


def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """X where positive, `negative_slope` times it elsewhere.

    Parameters
    ----------
    x : Tensor, Value, array_like or float
        Input.
    negative_slope : float, Tensor or Value, optional
        The slope below 0; may be learned.

    Returns
    -------
    Tensor or Value
        Of the shape of `x`.
    """
    return elementwise.leaky_relu(x, negative_slope)


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    """Elements moved into [min, max]; the derivative is 1 inside and at both ends.

    Parameters
    ----------
    x : Tensor, Value, array_like or float
        Input.
    min, max : float or array_like, optional
        Bounds without a gradient; None means no bound.

    Returns
    -------
    Tensor or Value
        Of the shape of `x`.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> clip(Tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    return elementwise.clip(x, min, max)
