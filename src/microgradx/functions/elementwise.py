"""Elementwise functions: primitives under NumPy's names, and those that need a line more."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.functions.arguments import TensorLike, as_tensor, constant
from microgradx.ops import elementary, elementwise, rounding
from microgradx.ops.elementary import (
    cbrt,
    deg2rad,
    exp2,
    hypot,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    rad2deg,
    reciprocal,
)
from microgradx.ops.rounding import (
    ceil,
    copysign,
    floor,
    floor_divide,
    fmax,
    fmin,
    fmod,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    mod,
    rint,
    trunc,
)
from microgradx.ops.special import erf, erfc
from microgradx.tensor import Tensor
from microgradx.tensor_operations import apply

__all__ = [
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "around",
    "cbrt",
    "ceil",
    "clip",
    "copysign",
    "deg2rad",
    "degrees",
    "divide",
    "erf",
    "erfc",
    "exp2",
    "fabs",
    "fix",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "hypot",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "leaky_relu",
    "log2",
    "log10",
    "log_sigmoid",
    "logaddexp",
    "logaddexp2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "mod",
    "multiply",
    "nan_to_num",
    "negative",
    "positive",
    "power",
    "rad2deg",
    "radians",
    "reciprocal",
    "remainder",
    "rint",
    "round",
    "sinc",
    "subtract",
    "true_divide",
    "trunc",
]  # fmt: skip

# NumPy's names of what the table calls by shorter ones.
absolute = fabs = elementwise.abs
arccos, arcsin, arctan = elementwise.acos, elementwise.asin, elementwise.atan
arccosh, arcsinh, arctanh = elementwise.acosh, elementwise.asinh, elementwise.atanh
arctan2, degrees, radians = elementary.atan2, elementary.rad2deg, elementary.deg2rad
divide = true_divide = elementwise.div
fix = rounding.trunc
multiply, negative, positive = elementwise.mul, elementwise.neg, elementwise.positive
power, remainder, subtract = elementwise.pow, rounding.mod, elementwise.sub


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

    Raises
    ------
    UnsupportedError
        If a bound is tracked: its gradient would be lost.

    Examples
    --------
    >>> clip(Tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    for bound in (min, max):
        if isinstance(bound, Tensor) and bound.requires_grad:
            raise UnsupportedError(
                "clip",
                "a tracked bound would lose its gradient",
                "Write minimum(maximum(x, low), high)",
            )
    return elementwise.clip(x, min, max)


def log_sigmoid(x: Any) -> Any:
    """Logarithm of the sigmoid, exact on both sides: -softplus(-x).

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
    >>> log_sigmoid(Tensor([-1000.0]))
    Tensor([-1000.])
    """
    return -elementwise.softplus(-x if isinstance(x, (int, float)) else elementwise.neg(x))


def sinc(x: TensorLike) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0; all derivatives are accurate near 0.

    Parameters
    ----------
    x : Tensor or array_like
        Input.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> sinc(Tensor([0.0, 0.5])) * np.pi
    Tensor([3.14159265, 2.        ])
    """
    return apply(elementary.sinc, (as_tensor(x, "sinc"),), {"order": 0})


def round(x: TensorLike, decimals: int = 0) -> Tensor:
    """Elements rounded to `decimals` places, halves to even: a constant.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    decimals : int, optional
        Places after the point; may be negative.

    Returns
    -------
    Tensor
        Without a gradient.
    """
    if decimals == 0:
        return rint(x)  # type: ignore[no-any-return]
    scale = 10.0**decimals
    return rint(x * scale) / scale  # type: ignore[no-any-return]


around = round


def float_power(x: TensorLike, y: TensorLike) -> Tensor:
    """x ** y in float64.

    Parameters
    ----------
    x, y : Tensor or array_like
        Base and exponent.

    Returns
    -------
    Tensor
        Of dtype float64.
    """
    return elementwise.pow(_wide(x), _wide(y))  # type: ignore[no-any-return]


def _wide(x: TensorLike) -> Any:
    return float(x) if isinstance(x, (int, float)) else as_tensor(x, "float_power").astype(float)


def nan_to_num(
    x: TensorLike,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """Finite numbers in the place of nan and infinities, where the gradient is then 0.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    copy : bool, optional
        As in NumPy; a Tensor is always copied.
    nan, posinf, neginf : float, optional
        What to put; the largest finite numbers by default for infinities.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x = as_tensor(x, "nan_to_num")
    if x.dtype.kind != "f":
        return x  # type: ignore[no-any-return]
    largest = np.finfo(x.dtype)
    top = largest.max if posinf is None else posinf
    bottom = largest.min if neginf is None else neginf
    filled = elementwise.where(elementwise.not_equal(x, x), x.dtype.type(nan), x)
    filled = elementwise.where(elementwise.equal(x, np.inf), x.dtype.type(top), filled)
    return elementwise.where(elementwise.equal(x, -np.inf), x.dtype.type(bottom), filled)  # type: ignore[no-any-return]


def _test(name: str) -> Any:
    """One of NumPy's questions about each number."""
    kernel = getattr(np, name)

    def test(x: TensorLike) -> Tensor:
        x = as_tensor(x, name)
        x._refuse_traced(name)
        return constant(np.asarray(kernel(x._data)))

    test.__name__ = test.__qualname__ = name
    test.__doc__ = f"Element by element, as ``numpy.{name}``: a constant Tensor of booleans."
    return test


isfinite, isinf, isnan = _test("isfinite"), _test("isinf"), _test("isnan")


def isclose(
    x: TensorLike, y: TensorLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Element by element, as ``numpy.isclose``: a constant Tensor of booleans."""
    x, y = as_tensor(x, "isclose"), as_tensor(y, "isclose")
    x._refuse_traced("isclose")
    return constant(np.asarray(np.isclose(x._data, y._data, rtol, atol, equal_nan)))


assert builtins.all(name in globals() for name in __all__)  # noqa: S101 - aliases are easily misspelt
