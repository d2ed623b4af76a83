"""The same elements in another shape, order or dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import AxisError, DTypeError, ShapeError
from microgradx.functions.arguments import Axis, TensorLike, as_tensor, axes_of, ints
from microgradx.ops import shaping
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


__all__ = ["astype", "broadcast_to", "expand_dims", "reshape", "squeeze", "transpose"]


def reshape(x: TensorLike, *shape: Any) -> Tensor:
    """The same elements in another shape.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    *shape : int or tuple of int
        New lengths; one may be -1 and is then worked out.

    Returns
    -------
    Tensor
        Of the new shape.

    Raises
    ------
    ShapeError
        If the number of elements differs.

    Examples
    --------
    >>> reshape(Tensor([1.0, 2.0, 3.0, 4.0]), 2, -1)
    Tensor([[1., 2.],
            [3., 4.]])
    """
    x = as_tensor(x, "reshape")
    wanted = ints(shape)
    known = 1
    for n in wanted:
        known *= n if n >= 0 else 1
    free = [n for n in wanted if n < 0]
    if len(free) > 1 or (free and (known == 0 or x.size % known)) or (not free and known != x.size):
        raise ShapeError(
            "reshape",
            f"{x.size} elements of shape {x.shape} do not fill shape {wanted}",
            "Make the product of the lengths equal the number of elements",
        )
    target = tuple([x.size // known if n < 0 else n for n in wanted])
    return x if target == x.shape else apply(shaping.reshape, (x,), {"shape": target})


def transpose(x: TensorLike, *order: Any, axes: Any = None) -> Tensor:
    """Axes in another order; reversed by default.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    *order, axes : int or tuple of int, optional
        A permutation of the axes.

    Returns
    -------
    Tensor
        A view of the same data.

    Examples
    --------
    >>> transpose(Tensor([[1.0, 2.0, 3.0]])).shape
    (3, 1)
    """
    x = as_tensor(x, "transpose")
    given = order if axes is None else (axes,)
    if not given or given == (None,):
        order = tuple(range(x.ndim))[::-1]
    else:
        for a in ints(given):
            axes_of(a, x.ndim, "transpose")
        order = tuple([a % x.ndim for a in ints(given)])
        if sorted(order) != list(range(x.ndim)):
            raise AxisError(
                "transpose",
                f"axes {order} are no permutation of {x.ndim} axes",
                "Name each axis once",
            )
    return apply(shaping.transpose, (x,), {"axes": order})


def squeeze(x: TensorLike, axis: Axis = None) -> Tensor:
    """Drop axes of length 1.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    axis : int or tuple of int, optional
        Which; all of length 1 by default.

    Returns
    -------
    Tensor
        With fewer axes.

    Raises
    ------
    ShapeError
        If a named axis is longer than 1.
    """
    x = as_tensor(x, "squeeze")
    axes = axes_of(axis, x.ndim, "squeeze")
    drop = [i for i, n in enumerate(x.shape) if n == 1] if axes is None else axes
    for i in drop:
        if x.shape[i] != 1:
            raise ShapeError(
                "squeeze",
                f"axis {i} of shape {x.shape} has length {x.shape[i]}",
                "Only axes of length 1 can go",
            )
    return reshape(x, [n for i, n in enumerate(x.shape) if i not in drop])


def expand_dims(x: TensorLike, axis: Any) -> Tensor:
    """Insert axes of length 1.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    axis : int or tuple of int
        Where they stand in the result.

    Returns
    -------
    Tensor
        With more axes.

    Examples
    --------
    >>> expand_dims(Tensor([1.0, 2.0]), 0).shape
    (1, 2)
    """
    x = as_tensor(x, "expand_dims")
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    axes = axes_of(axis, x.ndim + count, "expand_dims") or ()
    lengths = iter(x.shape)
    return reshape(x, [1 if i in axes else next(lengths) for i in range(x.ndim + count)])


def broadcast_to(x: TensorLike, shape: Any) -> Tensor:
    """Repeat along axes of length 1, and along new leading axes, without copying.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    shape : tuple of int
        The shape to reach.

    Returns
    -------
    Tensor
        A view of the same data.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    """
    x = as_tensor(x, "broadcast_to")
    shape = (int(shape),) if hasattr(shape, "__index__") else tuple([int(n) for n in shape])
    try:
        fits = np.broadcast_shapes(x.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            "broadcast_to",
            f"shape {x.shape} does not broadcast to {shape}",
            "Sizes must be equal or 1, counted from the last axis",
        )
    return x if shape == x.shape else apply(shaping.broadcast_to, (x,), {"shape": shape})


def astype(x: TensorLike, dtype: DTypeLike) -> Tensor:
    """Cast to another dtype; gradients are cast back.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    dtype : dtype_like
        A real dtype.

    Returns
    -------
    Tensor
        Tracked only if floating.
    """
    x = as_tensor(x, "astype")
    kind = np.dtype(dtype)
    if kind.kind not in "fiub":
        raise DTypeError("astype", f"cannot differentiate {kind}", "Use a floating dtype")
    return x if kind == x.dtype else apply(shaping.astype, (x,), {"dtype": kind})
