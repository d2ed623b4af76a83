"""Numerical derivatives of functions of arrays, each with a bound on its error.

Everything here needs NumPy only and knows nothing of graphs: `f` maps arrays to an array. The
directions are scaled so that ``x + h*u`` is exactly representable; rounding of the argument, which
spoils the usual quotient, does not occur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microgradx.errors import DTypeError, ShapeError
from microgradx.testing.ladder import (
    Derivative,
    Status,
    curvature,
    machine_epsilon,
    replicated_ladder,
)

__all__ = [
    "numerical_derivative",
    "numerical_hvp",
    "numerical_jacobian",
    "numerical_jvp",
    "numerical_vjp",
    "power_of_two",
    "precision",
]

Array = NDArray[Any]
Function = Callable[..., Any]


def power_of_two(x: ArrayLike) -> Array:
    """Round magnitudes down to powers of two; zeros stay zero.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> power_of_two([0.0, 3.0, -0.3])
    array([0.  , 2.  , 0.25])
    """
    x = np.asarray(x, float)
    return np.where(x == 0, 0.0, np.ldexp(1.0, np.frexp(x)[1] - 1))


def precision(*arrays: Array) -> np.dtype[Any]:
    """Find the coarsest floating dtype among `arrays`: the one that limits a difference quotient.

    Parameters
    ----------
    *arrays : ndarray
        Integer and boolean arrays do not count.

    Returns
    -------
    dtype
    """
    floating = [a.dtype for a in arrays if a.dtype.kind == "f"]
    return max(floating, key=lambda d: np.finfo(d).eps, default=np.dtype(float))


def _float_array(where: str, x: ArrayLike) -> Array:
    array = np.asarray(x)
    if array.dtype.kind in "biu":
        array = array.astype(float)
    if array.dtype.kind != "f":
        raise DTypeError(where, f"{array.dtype} is not a real number", "Pass floats")
    machine_epsilon(array.dtype)
    return array


def _flat(value: Any) -> NDArray[np.float64]:
    return np.asarray(value, dtype=np.float64).reshape(-1)


def numerical_derivative(
    f: Function, x: ArrayLike, *, replicates: int = 1, noise: float = 0.0
) -> Derivative:
    """Differentiate a function of one number, with a bound on the error.

    Parameters
    ----------
    f : callable
        Maps a number to a number or an array. If `x` is an array, `f` works element by element
        and its result has the shape of `x`.
    x : array_like of float32 or float64
        Where to differentiate. float32 is judged by its own precision.
    replicates : int, optional
        Independent ladders, from 1 to 5; three of them make the bound practically certain.
    noise : float, optional
        Relative noise of `f`, if it is greater than rounding.

    Returns
    -------
    Derivative
        Value, bound, one-sided derivatives and status, each of the shape of ``f(x)``.

    Raises
    ------
    ShapeError
        If `x` is an array and ``f(x)`` has another shape.
    DTypeError
        If `x` is not float32 or float64 (integers are taken as float64).

    Examples
    --------
    >>> d = numerical_derivative(np.sin, 1.0)
    >>> bool(abs(d.value - np.cos(1.0)) <= d.error), bool(d.error < 1e-10)
    (True, True)
    >>> kink = numerical_derivative(abs, 0.0)
    >>> Status(int(kink.status)).name, float(kink.left), float(kink.right)
    ('KINK', -1.0, 1.0)
    """
    point = _float_array("numerical_derivative", x)
    scale = power_of_two(point)
    scale = np.where(scale == 0, 1.0, scale)
    shape = np.shape(f(point[()]))
    if point.ndim and shape != point.shape:
        raise ShapeError(
            "numerical_derivative",
            f"f maps shape {point.shape} to shape {shape}",
            "Use numerical_jvp or numerical_jacobian for a function that mixes elements",
        )
    step = scale.astype(point.dtype)

    def phi(t: float) -> NDArray[np.float64]:
        return _flat(f((point + point.dtype.type(t) * step)[()]))

    found = replicated_ladder(phi, replicates, dtype=point.dtype, noise=noise).reshape(shape)
    return found * (1 / scale)


def numerical_jvp(
    f: Function,
    inputs: Sequence[ArrayLike],
    tangents: Sequence[ArrayLike],
    *,
    replicates: int = 1,
    noise: float = 0.0,
) -> Derivative:
    """Jacobian-vector product ``J @ u`` by differences along one line.

    Parameters
    ----------
    f : callable
        Maps arrays to one array.
    inputs : sequence of array_like
        Where to differentiate; integer arrays are held fixed.
    tangents : sequence of array_like
        One direction for each input, of its shape. The bound is tightest if its entries are
        of the size of the inputs and have few binary digits.
    replicates, noise
        As for `numerical_derivative`.

    Returns
    -------
    Derivative
        Of the shape of ``f(*inputs)``; its cost does not depend on the number of inputs.

    Raises
    ------
    ShapeError
        If a tangent does not have the shape of its input.

    Examples
    --------
    >>> d = numerical_jvp(np.multiply, [[1.0, 2.0], [3.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]])
    >>> d.value.round(12)
    array([3., 2.])
    """
    points = [np.asarray(x) for x in inputs]
    moving = [np.asarray(u) for u in tangents]
    if [p.shape for p in points] != [u.shape for u in moving]:
        raise ShapeError(
            "numerical_jvp",
            f"tangents of shapes {[u.shape for u in moving]} for inputs of shapes "
            f"{[p.shape for p in points]}",
            "Pass one tangent of the same shape for each input",
        )
    dtype = precision(*points)
    shape = np.shape(f(*points))

    def phi(t: float) -> NDArray[np.float64]:
        return _flat(
            f(
                *(
                    (p + p.dtype.type(t) * u.astype(p.dtype)) if p.dtype.kind == "f" else p
                    for p, u in zip(points, moving, strict=True)
                )
            )
        )

    return replicated_ladder(phi, replicates, dtype=dtype, noise=noise).reshape(shape)


def numerical_jacobian(
    f: Function, *inputs: ArrayLike, replicates: int = 1, noise: float = 0.0
) -> tuple[Derivative, ...]:
    """Jacobians with respect to every input, one column at a time.

    Parameters
    ----------
    f : callable
        Maps arrays to one array.
    *inputs : array_like of float32 or float64
        Where to differentiate.
    replicates, noise
        As for `numerical_derivative`.

    Returns
    -------
    tuple of Derivative
        For each input, arrays of shape ``f(*inputs).shape + input.shape``.

    Examples
    --------
    >>> (j,) = numerical_jacobian(lambda x: x * x, [1.0, 3.0])
    >>> j.value.round(9)
    array([[2., 0.],
           [0., 6.]])
    """
    points = [_float_array("numerical_jacobian", x) for x in inputs]
    dtype = precision(*points)
    shape = np.shape(f(*points))
    jacobians = []
    for i, x in enumerate(points):
        scale = power_of_two(x)
        typical = float(power_of_two(np.mean(np.abs(x)))) if x.size else 0.0
        scale = np.where(scale == 0, typical or 1.0, scale)
        columns = []
        for index in np.ndindex(x.shape):
            step = x.dtype.type(scale[index])

            def phi(t: float, i: int = i, x: Array = x, at: Any = index, step: Any = step) -> Any:
                moved = x.copy()
                moved[at] += moved.dtype.type(t) * step
                return _flat(f(*points[:i], moved, *points[i + 1 :]))

            found = replicated_ladder(phi, replicates, dtype=dtype, noise=noise, together=True)
            columns.append(found * float(1 / scale[index]))
        jacobians.append(_stacked(columns, (*shape, *x.shape)))
    return tuple(jacobians)


def _stacked(columns: list[Derivative], shape: tuple[int, ...]) -> Derivative:
    def stack(parts: list[Array]) -> Array:
        return np.stack(parts, axis=-1).reshape(shape) if parts else np.zeros(shape)

    return Derivative(
        stack([c.value for c in columns]),
        stack([c.error for c in columns]),
        stack([c.left for c in columns]),
        stack([c.right for c in columns]),
        stack([c.left_error for c in columns]),
        stack([c.right_error for c in columns]),
        stack([c.status for c in columns]).astype(np.intp),
        sum(c.evaluations for c in columns),
    )


def numerical_vjp(
    f: Function,
    inputs: Sequence[ArrayLike],
    cotangent: ArrayLike,
    *,
    replicates: int = 1,
    noise: float = 0.0,
) -> tuple[Derivative, ...]:
    """Vector-Jacobian products ``v @ J`` for every input, coordinate by coordinate.

    Parameters
    ----------
    f : callable
        Maps arrays to one array.
    inputs : sequence of array_like
        Where to differentiate.
    cotangent : array_like
        Of the shape of ``f(*inputs)``.
    replicates, noise
        As for `numerical_derivative`.

    Returns
    -------
    tuple of Derivative
        For each input, arrays of its shape: the gradient of ``sum(v * f)``.

    Raises
    ------
    ShapeError
        If the cotangent does not have the shape of ``f(*inputs)``.

    Notes
    -----
    The quotient is taken of each element of ``f`` before it is weighed with ``v``, so that large
    elements do not drown small ones; the bound is the sum of theirs.

    Examples
    --------
    >>> (g,) = numerical_vjp(np.tanh, [[0.0, 1.0]], [1.0, 1.0])
    >>> g.value.round(6)
    array([1.      , 0.419974])
    """
    v = np.asarray(cotangent, float)
    points = [np.asarray(x) for x in inputs]
    shape = np.shape(f(*points))
    if v.shape != shape:
        raise ShapeError(
            "numerical_vjp",
            f"cotangent of shape {v.shape} for an output of shape {shape}",
            "Pass one number for each element of the output",
        )
    products = []
    for j, x in zip(
        numerical_jacobian(f, *points, replicates=replicates, noise=noise), points, strict=True
    ):
        weighed = j * v.reshape(v.shape + (1,) * x.ndim)
        axes = tuple(range(v.ndim))
        silent = v.reshape(v.shape + (1,) * x.ndim) == 0

        def total(a: Array, axes: tuple[int, ...] = axes, silent: Array = silent) -> Array:
            return np.asarray(np.where(silent, 0.0, a).sum(axis=axes))

        # An element weighed with 0 says nothing, whatever its status.
        status = np.where(silent, Status.SMOOTH, weighed.status).max(axis=axes, initial=0)
        products.append(
            Derivative(
                total(weighed.value),
                total(weighed.error),
                total(weighed.left),
                total(weighed.right),
                total(weighed.left_error),
                total(weighed.right_error),
                np.asarray(status),
                weighed.evaluations,
            )
        )
    return tuple(products)


def numerical_hvp(
    f: Function,
    x: ArrayLike,
    tangent: ArrayLike,
    *,
    gradient: Function | None = None,
    noise: float = 0.0,
) -> Derivative:
    """Hessian-vector product ``H @ u`` of a scalar function, with a bound.

    Parameters
    ----------
    f : callable
        Maps an array to a number.
    x : array_like of float64
        Where to differentiate.
    tangent : array_like
        The direction ``u``, of the shape of `x`.
    gradient : callable, optional
        The gradient of `f`, if it is known and trusted: then one line of gradients is enough and
        the bound is far tighter.
    noise : float, optional
        As for `numerical_derivative`.

    Returns
    -------
    Derivative
        Of the shape of `x`.

    Raises
    ------
    ShapeError
        If ``f(x)`` is not a number or the tangent does not have the shape of `x`.

    Notes
    -----
    Without a gradient: each entry is a quarter of the difference of two second derivatives, along
    ``u + e`` and ``u - e`` (polarisation), each from a ladder on the even part of ``f``.

    Examples
    --------
    >>> h = numerical_hvp(lambda x: (x**3).sum(), [1.0, 2.0], [1.0, 0.0])
    >>> h.value.round(6)
    array([6., 0.])
    """
    point = _float_array("numerical_hvp", x).astype(float)
    u = np.asarray(tangent, float)
    if u.shape != point.shape:
        raise ShapeError(
            "numerical_hvp",
            f"tangent of shape {u.shape} for x of shape {point.shape}",
            "Pass a direction of the shape of x",
        )
    if gradient is not None:
        return numerical_jvp(gradient, [point], [u], noise=noise)
    if np.size(f(point)) != 1:
        raise ShapeError(
            "numerical_hvp", f"f(x) has shape {np.shape(f(point))}", "Reduce it to one number"
        )
    length = float(power_of_two(np.max(np.abs(u), initial=0.0))) or 1.0
    typical = float(power_of_two(np.max(np.abs(point), initial=0.0))) or 1.0
    reach = typical / length  # t = 1 moves x by about its own size
    calls, value, error = 0, np.zeros(point.shape), np.zeros(point.shape)
    status = np.zeros(point.shape, np.intp)
    for index in np.ndindex(point.shape):
        ends = []
        for sign in (1.0, -1.0):
            direction = u * reach
            direction[index] += sign * typical

            def phi(t: float, direction: Array = direction) -> Any:
                return _flat(f(point + t * direction))

            ends.append(curvature(phi, noise=noise))
        plus, minus = ends
        unit = 4 * reach * typical
        value[index] = (plus.value[0] - minus.value[0]) / unit
        error[index] = (plus.error[0] + minus.error[0]) / unit
        status[index] = max(plus.status[0], minus.status[0])
        calls += plus.evaluations + minus.evaluations
    return Derivative(value, error, value, value, error, error, status, calls)
