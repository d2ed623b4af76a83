"""Questions whose answers are constants: where the extrema are, whether all or any are true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ShapeError
from microgradx.functions.arguments import Axis, TensorLike, as_tensor, axes_of, constant

if TYPE_CHECKING:
    from microgradx.tensor import Tensor

__all__ = ["all", "any", "argmax", "argmin"]


def _searched(name: str, x: TensorLike, axis: Any, keepdims: bool) -> Tensor:
    x = as_tensor(x, name)
    x._refuse_traced(name)
    if axis is not None:
        axes = axes_of(axis, x.ndim, name)
        axis = axes if isinstance(axis, tuple) or axes is None else axes[0]
    if x.size == 0 and name.startswith("arg"):
        raise ShapeError(
            name, f"shape {x.shape} has nothing to choose from", "Check for empty input first"
        )
    return constant(np.asarray(getattr(np, name)(x._data, axis=axis, keepdims=keepdims)))


def argmax(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the largest element; the first of ties. A constant.

    Parameters
    ----------
    x : Tensor or array_like
        What to search.
    axis : int, optional
        Along this axis; in the flattened array by default.
    keepdims : bool, optional
        Keep the axis with length 1.

    Returns
    -------
    Tensor
        Of integers, without a gradient.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> argmax(Tensor([[1.0, 3.0], [5.0, 4.0]]), axis=1)
    Tensor([1, 0])
    """
    return _searched("argmax", x, axis, keepdims)


def argmin(x: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Index of the smallest element; the first of ties. A constant.

    Parameters
    ----------
    x : Tensor or array_like
        What to search.
    axis : int, optional
        Along this axis; in the flattened array by default.
    keepdims : bool, optional
        Keep the axis with length 1.

    Returns
    -------
    Tensor
        Of integers, without a gradient.
    """
    return _searched("argmin", x, axis, keepdims)


def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements are true. A constant.

    Parameters
    ----------
    x : Tensor or array_like
        What to test.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of booleans, without a gradient.
    """
    return _searched("all", x, axis, keepdims)


def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element is true. A constant.

    Parameters
    ----------
    x : Tensor or array_like
        What to test.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of booleans, without a gradient.
    """
    return _searched("any", x, axis, keepdims)
