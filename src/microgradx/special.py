"""Special functions under ``scipy.special``'s names, without needing SciPy."""

from __future__ import annotations

import math
from typing import Any

from microgradx.functions import log_sigmoid, log_softmax, logsumexp, softmax
from microgradx.ops.elementwise import equal, log, log1p, sigmoid, where
from microgradx.ops.special import erf, erfc

__all__ = [
    "entr", "erf", "erfc", "expit", "kl_div", "log_expit", "log_softmax", "logit", "logsumexp",
    "ndtr", "rel_entr", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

expit = sigmoid
log_expit = log_sigmoid


def ndtr(x: Any) -> Any:
    """The standard normal distribution function, accurate in both tails.

    Parameters
    ----------
    x : Tensor, Value, array_like or float
        Input.

    Returns
    -------
    Tensor or Value
        Of the shape of `x`.

    Examples
    --------
    >>> ndtr(0.0)
    0.5
    """
    return erfc(x * -math.sqrt(0.5)) * 0.5


def logit(x: Any) -> Any:
    """The inverse of `expit`: log(x / (1 - x))."""
    return log(x) - log1p(x * -1)


def xlogy(x: Any, y: Any) -> Any:
    """x log(y), and 0 where both are 0.

    Parameters
    ----------
    x, y : Tensor, Value, array_like or float
        Factors.

    Returns
    -------
    Tensor or Value
        Where both are 0, the gradients are 0.
    """
    nothing = equal(x, 0) * equal(y, 0)
    return x * log(where(nothing, 1.0, y))


def xlog1py(x: Any, y: Any) -> Any:
    """x log(1 + y), and 0 where x is 0 and y is -1."""
    nothing = equal(x, 0) * equal(y, -1)
    return x * log1p(where(nothing, 0.0, y))


def entr(x: Any) -> Any:
    """-x log(x), 0 at 0 and -inf below."""
    inside = xlogy(where(x > 0, x, 0.0), where(x > 0, x, 0.0))
    return where(x < 0, -math.inf, -inside)


def rel_entr(x: Any, y: Any) -> Any:
    """x log(x / y), 0 where x is 0."""
    return xlogy(x, where(equal(x, 0), 1.0, x)) - xlogy(x, where(equal(x, 0), 1.0, y))


def kl_div(x: Any, y: Any) -> Any:
    """x log(x / y) - x + y."""
    return rel_entr(x, y) - x + y
