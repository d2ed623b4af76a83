"""Array functions under NumPy's names, for Tensors, arrays and lists of Values.

Each normalises its arguments (axes, shapes) and applies primitives; the mathematics is in
``ops/``. All take Tensors, arrays or nested lists, and give a Tensor. `sum`, `max`, `min` and
`dot` also take Values.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import value
from microgradx.errors import AxisError, DTypeError, ShapeError, UnsupportedError
from microgradx.ops import elementwise, indexing, linalg, reductions, shaping
from microgradx.tensor import Tensor, _constant, apply, as_array
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, DTypeLike

__all__ = [
    "all", "any", "arange", "argmax", "argmin", "astype", "broadcast_to", "clip", "concatenate",
    "dot", "expand_dims", "eye", "full", "full_like", "leaky_relu", "linspace", "log_softmax",
    "logsumexp", "matmul", "max", "mean", "min", "norm", "ones", "ones_like", "prod", "rand",
    "randn", "reshape", "softmax", "squeeze", "stack", "std", "sum", "transpose", "var", "zeros",
    "zeros_like",
]  # fmt: skip

TensorLike = Any
Axis = int | tuple[int, ...] | None


# ---- arguments ------------------------------------------------------------------------------------
def as_tensor(x: TensorLike, where: str) -> Tensor:
    """`x` as a Tensor: itself, or a constant around an array."""
    if x.__class__ is Tensor:
        return x  # type: ignore[no-any-return]
    if isinstance(x, (list, tuple)) and builtins.any(isinstance(item, Tensor) for item in x):
        return stack(x)
    return _constant(np.array(as_array(x, where)))


def axes_of(axis: Any, ndim: int, where: str) -> tuple[int, ...] | None:
    """`axis` as a sorted tuple of non-negative ints; None stays None."""
    if axis is None:
        return None
    wanted = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = []
    for a in wanted:
        try:
            i = a.__index__()
        except (AttributeError, TypeError):
            raise AxisError(where, f"axis {a!r} is no whole number", "Pass an int or a tuple of ints") from None
        if not -ndim <= i < ndim:
            raise AxisError(
                where, f"axis {i} is out of bounds for an array with {ndim} axes",
                f"Use {-ndim} to {ndim - 1}" if ndim else "A Tensor of shape () has no axes", axis=i, ndim=ndim,
            )
        found.append(i % ndim)
    if len(set(found)) != len(found):
        raise AxisError(where, f"axis {axis} names an axis twice", "Name each axis once")
    return tuple(sorted(found))


def _full(axes: tuple[int, ...] | None, ndim: int) -> tuple[int, ...] | None:
    """None for all axes, the tuple otherwise, so that equal reductions have equal parameters."""
    return None if axes is not None and len(axes) == ndim and ndim else axes


def _values(args: tuple[Any, ...]) -> list[Any] | None:
    """The Values in ``f(a, b, ...)`` or ``f([a, b, ...])``; None if there are none."""
    items = list(args) if len(args) > 1 else args[0] if isinstance(args[0], (list, tuple)) else list(args)
    if builtins.any(x.__class__ is Value for x in items):
        return list(items)
    return None


# ---- sums -----------------------------------------------------------------------------------------
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """Sum of elements over the given axes.

    Parameters
    ----------
    x : Tensor, array_like, or iterable of Values
        Values are added in order, as one node of the graph.
    axis : int or tuple of int, optional
        Axes to sum over; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor or Value
        Of shape ``()`` without `axis`.

    Raises
    ------
    AxisError
        If `x` has no such axis.

    Examples
    --------
    >>> sum(Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4., 6.])
    >>> sum([Value(1.0), Value(2.0), 3])
    Value(data=6.0, grad=0.0)
    """
    if x.__class__ is not Tensor:
        items = list(x) if hasattr(x, "__iter__") and not hasattr(x, "dtype") else None
        if items and builtins.any(item.__class__ is Value for item in items):
            return value.apply(elementwise.total, *items)
        if x.__class__ is Value:
            return x
        x = as_tensor(items if items is not None else x, "sum")
    return apply(shaping.sum, (x,), {"axis": _full(axes_of(axis, x.ndim, "sum"), x.ndim), "keepdims": bool(keepdims)})


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean over the given axes.

    Parameters
    ----------
    x : Tensor or array_like
        Integers give float64.
    axis : int or tuple of int, optional
        Axes to average over; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> mean(Tensor([1.0, 2.0, 6.0]))
    Tensor(3.)
    """
    x = as_tensor(x, "mean")
    axes = axes_of(axis, x.ndim, "mean")
    return sum(x, axes, keepdims) / _count(x, axes)  # type: ignore[no-any-return]


def _count(x: Tensor, axes: tuple[int, ...] | None) -> int:
    n = 1
    for i in range(x.ndim) if axes is None else axes:
        n *= x.shape[i]
    return n


def var(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, correction: int | None = None) -> Tensor:
    """Variance over the given axes: the mean squared distance from the mean.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    ddof, correction : int, optional
        Subtracted from the number of elements in the divisor (two names for one thing).
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> var(Tensor([1.0, 3.0]))
    Tensor(1.)
    """
    x = as_tensor(x, "var")
    axes = axes_of(axis, x.ndim, "var")
    n = _count(x, axes) - (ddof if correction is None else correction)
    deviation = x - mean(x, axes, keepdims=True)
    squares = sum(elementwise.square(deviation), axes, keepdims)
    return squares / builtins.max(n, 0) if n > 0 else squares / float(n and 0.0)  # type: ignore[no-any-return]


def std(x: TensorLike, axis: Axis = None, ddof: int = 0, keepdims: bool = False, *, correction: int | None = None) -> Tensor:
    """Standard deviation over the given axes; its gradient is 0 where all elements are equal.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    ddof, correction : int, optional
        Subtracted from the number of elements in the divisor.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> std(Tensor([1.0, 3.0]))
    Tensor(1.)
    """
    return elementwise.root(var(x, axis, ddof, keepdims, correction=correction))  # type: ignore[no-any-return]


def norm(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Euclidean length; its gradient at 0 is 0.

    Parameters
    ----------
    x : Tensor or array_like
        Floating.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> norm(Tensor([3.0, 4.0]))
    Tensor(5.)
    """
    x = as_tensor(x, "norm")
    return elementwise.root(sum(elementwise.square(x), axis, keepdims))  # type: ignore[no-any-return]


def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Product of elements over the given axes, right also where some are 0.

    Multiplies halves pairwise, so that no rule ever divides: the gradient is exact to any order.

    Parameters
    ----------
    x : Tensor or array_like
        Any real dtype.
    axis : int or tuple of int, optional
        Axes to multiply over; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> x = Tensor([2.0, 0.0, 3.0])
    >>> prod(x).backward()
    >>> x.grad
    array([0., 6., 0.])
    """
    x = as_tensor(x, "prod")
    axes = axes_of(axis, x.ndim, "prod")
    axes = tuple(range(x.ndim)) if axes is None else axes
    kept = tuple([i for i in range(x.ndim) if i not in axes])
    shape = tuple([1 if i in axes else n for i, n in enumerate(x.shape)] if keepdims else [x.shape[i] for i in kept])
    y = reshape(transpose(x, (*kept, *axes)), (*[x.shape[i] for i in kept], _count(x, axes)))
    while y.shape[-1] > 1:
        half, odd = divmod(y.shape[-1], 2)
        z = y[..., :half] * y[..., half : 2 * half]
        y = concatenate([z, y[..., 2 * half :]], -1) if odd else z
    if y.shape[-1] == 0:
        return ones(shape, y.dtype, requires_grad=False)
    return reshape(y, shape)


# ---- extrema --------------------------------------------------------------------------------------
def _extreme(name: str, args: tuple[Any, ...], axis: Axis, keepdims: bool) -> Any:
    if not args:
        raise UnsupportedError(name, "nothing to choose from", "Pass a Tensor, or Values")
    values = _values(args)
    if values is not None:
        best = values[0]
        op = elementwise.maximum if name == "max" else elementwise.minimum
        for other in values[1:]:
            best = op(best, other)
        return best
    if len(args) > 1 and not isinstance(args[1], (int, tuple, type(None))):
        raise UnsupportedError(name, "several arrays", f"Use {name}imum(a, b) to compare them")
    x = as_tensor(args[0], name)
    if len(args) > 1:
        axis = args[1]
    axes = axes_of(axis, x.ndim, name)
    if _count(x, axes) == 0:
        raise ShapeError(name, f"shape {x.shape} has nothing to choose from", "Check for empty input first")
    op = reductions.max if name == "max" else reductions.min
    return apply(op, (x,), {"axis": _full(axes, x.ndim), "keepdims": bool(keepdims)})


def max(*x: Any, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """Largest element over the given axes, or the largest of several Values.

    Parameters
    ----------
    *x : Tensor or array_like, or Values
        ``max(tensor)``, ``max(tensor, axis)``, ``max([a, b, c])`` or ``max(a, b, c)``.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor or Value
        Ties share the gradient equally.

    Examples
    --------
    >>> x = Tensor([1.0, 1.0, 0.0])
    >>> max(x).backward()
    >>> x.grad
    array([0.5, 0.5, 0. ])
    """
    return _extreme("max", x, axis, keepdims)


def min(*x: Any, axis: Axis = None, keepdims: bool = False) -> Any:  # noqa: A001
    """Smallest element over the given axes, or the smallest of several Values.

    Parameters
    ----------
    *x : Tensor or array_like, or Values
        ``min(tensor)``, ``min(tensor, axis)``, ``min([a, b, c])`` or ``min(a, b, c)``.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor or Value
        Ties share the gradient equally.

    Examples
    --------
    >>> min(Value(2.0), Value(1.0))
    Value(data=1.0, grad=0.0)
    """
    return _extreme("min", x, axis, keepdims)


def _constant_reduction(name: str, x: TensorLike, axis: Any, keepdims: bool) -> Tensor:
    x = as_tensor(x, name)
    x._refuse_traced(name)
    if axis is not None:
        axes = axes_of(axis, x.ndim, name)
        axis = axes if isinstance(axis, tuple) or axes is None else axes[0]
    if x.size == 0 and name.startswith("arg"):
        raise ShapeError(name, f"shape {x.shape} has nothing to choose from", "Check for empty input first")
    return _constant(np.asarray(getattr(np, name)(x._data, axis=axis, keepdims=keepdims)))


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
    >>> argmax(Tensor([[1.0, 3.0], [5.0, 4.0]]), axis=1)
    Tensor([1, 0])
    """
    return _constant_reduction("argmax", x, axis, keepdims)


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
    return _constant_reduction("argmin", x, axis, keepdims)


def all(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:  # noqa: A001
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
    return _constant_reduction("all", x, axis, keepdims)


def any(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:  # noqa: A001
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
    return _constant_reduction("any", x, axis, keepdims)


# ---- softmax family -------------------------------------------------------------------------------
def softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """Exponentials that sum to 1 along `axis`; no overflow, and -inf gives 0.

    Parameters
    ----------
    x : Tensor or array_like
        Logits.
    axis : int or tuple of int, optional
        The axis that sums to 1; the last by default.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> softmax(Tensor([0.0, 0.0]))
    Tensor([0.5, 0.5])
    """
    x = as_tensor(x, "softmax")
    return apply(reductions.softmax, (x,), {"axis": axes_of(axis, x.ndim, "softmax")})


def log_softmax(x: TensorLike, axis: Axis = -1) -> Tensor:
    """Logarithm of `softmax`, exact also where that underflows.

    Parameters
    ----------
    x : Tensor or array_like
        Logits.
    axis : int or tuple of int, optional
        The axis to normalise over; the last by default.

    Returns
    -------
    Tensor
        Of the shape of `x`.
    """
    x = as_tensor(x, "log_softmax")
    return apply(reductions.log_softmax, (x,), {"axis": axes_of(axis, x.ndim, "log_softmax")})


def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials, without overflow.

    Parameters
    ----------
    x : Tensor or array_like
        Exponents; all -inf gives -inf with gradient 0.
    axis : int or tuple of int, optional
        Axes to reduce; all of them by default.
    keepdims : bool, optional
        Keep the axes with length 1.

    Returns
    -------
    Tensor
        Of shape ``()`` without `axis`.

    Examples
    --------
    >>> logsumexp(Tensor([1000.0, 1000.0])).item() == 1000 + np.log(2)
    True
    """
    x = as_tensor(x, "logsumexp")
    axes = _full(axes_of(axis, x.ndim, "logsumexp"), x.ndim)
    return apply(reductions.logsumexp, (x,), {"axis": axes, "keepdims": bool(keepdims)})


# ---- elementwise with defaults --------------------------------------------------------------------
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


def clip(x: Any, min: Any = None, max: Any = None) -> Any:  # noqa: A002 - NumPy's names
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
    >>> clip(Tensor([-2.0, 0.5, 2.0]), -1, 1)
    Tensor([-1. ,  0.5,  1. ])
    """
    return elementwise.clip(x, min, max)


# ---- shapes ---------------------------------------------------------------------------------------
def _ints(args: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` alike."""
    items = args[0] if len(args) == 1 and not hasattr(args[0], "__index__") else args
    return tuple([int(n) for n in items])


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
    wanted = _ints(shape)
    known = 1
    for n in wanted:
        known *= n if n >= 0 else 1
    free = [n for n in wanted if n < 0]
    if len(free) > 1 or (free and (known == 0 or x.size % known)) or (not free and known != x.size):
        raise ShapeError(
            "reshape", f"{x.size} elements of shape {x.shape} do not fill shape {wanted}",
            "Make the product of the lengths equal the number of elements",
        )
    target = tuple([x.size // known if n < 0 else n for n in wanted])
    return x if target == x.shape else apply(shaping.reshape, (x,), {"shape": target})


def transpose(x: TensorLike, *axes: Any) -> Tensor:
    """Axes in another order; reversed by default.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    *axes : int or tuple of int, optional
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
    order: Any = None if not axes or axes == (None,) else _ints(axes)
    if order is None:
        order = tuple(range(x.ndim))[::-1]
    else:
        for a in order:
            axes_of(a, x.ndim, "transpose")
        order = tuple([a % x.ndim for a in order])
        if sorted(order) != list(range(x.ndim)):
            raise AxisError("transpose", f"axes {order} are no permutation of {x.ndim} axes", "Name each axis once")
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
            raise ShapeError("squeeze", f"axis {i} of shape {x.shape} has length {x.shape[i]}", "Only axes of length 1 can go")
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
        raise ShapeError("broadcast_to", f"shape {x.shape} does not broadcast to {shape}", "Sizes must be equal or 1, counted from the last axis")
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


# ---- joining --------------------------------------------------------------------------------------
def concatenate(xs: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """Join along an axis that exists.

    Parameters
    ----------
    xs : sequence of Tensor or array_like
        Equal in shape but along `axis`.
    axis : int, optional
        Where to join.

    Returns
    -------
    Tensor
        With the lengths along `axis` added up.

    Raises
    ------
    ShapeError
        If the other lengths differ, or there is nothing to join.

    Examples
    --------
    >>> concatenate([Tensor([1.0]), Tensor([2.0, 3.0])])
    Tensor([1., 2., 3.])
    """
    tensors = [as_tensor(x, "concatenate") for x in xs]
    if not tensors:
        raise ShapeError("concatenate", "nothing to join", "Pass at least one Tensor")
    ndim = tensors[0].ndim
    (place,) = axes_of(axis, ndim, "concatenate") or (0,)
    rest = [t.shape[:place] + t.shape[place + 1 :] for t in tensors]
    if builtins.any(t.ndim != ndim for t in tensors) or builtins.any(r != rest[0] for r in rest):
        raise ShapeError(
            "concatenate", f"shapes {', '.join(str(t.shape) for t in tensors)} differ outside axis {place}",
            "Only the lengths along the axis may differ",
        )
    index, start = [], 0
    for t in tensors:
        stop = start + t.shape[place]
        index.append((*[slice(None)] * place, slice(start, stop)))
        start = stop
    return apply(indexing.concatenate, tuple(tensors), {"axis": place, "index": tuple(index)})


def stack(xs: Iterable[TensorLike], axis: int = 0) -> Tensor:
    """Join along a new axis.

    Parameters
    ----------
    xs : iterable of Tensor or array_like
        All of one shape.
    axis : int, optional
        Where the new axis stands in the result.

    Returns
    -------
    Tensor
        With one axis more.

    Examples
    --------
    >>> stack([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], axis=1)
    Tensor([[1., 3.],
            [2., 4.]])
    """
    tensors = [as_tensor(x, "stack") for x in xs]
    if not tensors:
        raise ShapeError("stack", "nothing to join", "Pass at least one Tensor")
    if builtins.any(t.shape != tensors[0].shape for t in tensors):
        raise ShapeError("stack", f"shapes {', '.join(str(t.shape) for t in tensors)} differ", "Stack needs equal shapes; concatenate joins unequal lengths")
    (place,) = axes_of(axis, tensors[0].ndim + 1, "stack") or (0,)
    index = tuple([(*[slice(None)] * place, i) for i in range(len(tensors))])
    return apply(indexing.stack, tuple(tensors), {"axis": place, "index": index})


# ---- products -------------------------------------------------------------------------------------
def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """Matrix product, as the operator ``@``: batched over leading axes, vectors allowed.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n, k) or (k,)
        Left factor.
    y : Tensor or array_like, shape (..., k, m) or (k,)
        Right factor.

    Returns
    -------
    Tensor
        Of shape (..., n, m); a vector's axis is dropped.

    Raises
    ------
    ShapeError
        If the inner sizes differ, or an operand has no axes.

    Examples
    --------
    >>> Tensor([[1.0, 2.0], [3.0, 4.0]]) @ [1.0, 1.0]
    Tensor([3., 7.])
    """
    # Raw arrays stay raw: they are constants, and the engine decides whether to copy them.
    x = x if hasattr(x, "ndim") else as_tensor(x, "matmul")
    y = y if hasattr(y, "ndim") else as_tensor(y, "matmul")
    if x.ndim == 0 or y.ndim == 0:
        raise ShapeError("matmul", f"{x.shape} @ {y.shape} has an operand without axes", "Use * to scale")
    row, column = x.ndim == 1, y.ndim == 1
    if not row and not column:
        return apply(linalg.matmul, (x, y))
    if x.shape[-1] != y.shape[0 if column else -2]:
        raise ShapeError(
            "matmul", f"inner sizes differ in {x.shape} @ {y.shape}: {x.shape[-1]} and {y.shape[0 if column else -2]}",
            "Transpose one operand or reshape it",
        )
    x = expand_dims(x, 0) if row else x
    y = expand_dims(y, 1) if column else y
    z = apply(linalg.matmul, (x, y))
    drop = ((-2,) if row else ()) + ((-1,) if column else ())
    return squeeze(z, drop)


def dot(xs: Any, ys: Any) -> Any:
    """Inner product of two vectors, or of two lists of Values as one node.

    Parameters
    ----------
    xs, ys : sequences of Value, or Tensor or array_like
        Equally long.

    Returns
    -------
    Value or Tensor
        The sum of products, in order.

    Raises
    ------
    ShapeError
        If the lengths differ.

    Examples
    --------
    >>> dot([Value(1.0), Value(2.0)], [3.0, 4.0])
    Value(data=11.0, grad=0.0)
    """
    xs = xs if hasattr(xs, "ndim") else list(xs)
    ys = ys if hasattr(ys, "ndim") else list(ys)
    if isinstance(xs, list) and isinstance(ys, list) and builtins.any(v.__class__ is Value for v in (*xs, *ys)):
        if len(xs) != len(ys):
            raise ShapeError("dot", f"lengths differ: {len(xs)} and {len(ys)}", "Pair each weight with an input")
        return value.apply(elementwise.dot, 0.0, *xs, *ys)
    return matmul(xs, ys)


# ---- making ---------------------------------------------------------------------------------------
def _made(array: Any, requires_grad: bool | None, name: str | None) -> Tensor:
    return Tensor(array, requires_grad, name=name)


def zeros(*shape: Any, dtype: DTypeLike = None, requires_grad: bool | None = None, name: str | None = None) -> Tensor:
    """A Tensor of zeros.

    Parameters
    ----------
    *shape : int or tuple of int
        ``zeros(2, 3)`` or ``zeros((2, 3))``; a dtype may follow the tuple, as in NumPy.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.
    name : str, optional
        What drawings call it.

    Returns
    -------
    Tensor
        A leaf.

    Examples
    --------
    >>> zeros(2, dtype="float32")
    Tensor([0., 0.], dtype=float32)
    """
    return full(*_shape_dtype(shape, dtype), requires_grad=requires_grad, name=name, fill_value=0)


def ones(*shape: Any, dtype: DTypeLike = None, requires_grad: bool | None = None, name: str | None = None) -> Tensor:
    """A Tensor of ones; arguments as in `zeros`.

    Parameters
    ----------
    *shape : int or tuple of int
        The shape.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.
    name : str, optional
        What drawings call it.

    Returns
    -------
    Tensor
        A leaf.
    """
    return full(*_shape_dtype(shape, dtype), requires_grad=requires_grad, name=name, fill_value=1)


def _shape_dtype(shape: tuple[Any, ...], dtype: Any) -> tuple[Any, Any, Any]:
    """Split NumPy's ``(shape, dtype)`` from ``(*shape)``; gives shape, a hole, dtype."""
    if len(shape) == 2 and not hasattr(shape[0], "__index__"):  # noqa: PLR2004
        return tuple(shape[0]), None, shape[1]
    return (_ints(shape) if shape else ()), None, dtype


def full(shape: Any, fill_value: Any = None, dtype: DTypeLike = None, requires_grad: bool | None = None, name: str | None = None) -> Tensor:
    """A Tensor filled with one number.

    Parameters
    ----------
    shape : int or tuple of int
        The shape.
    fill_value : float
        The number.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.
    name : str, optional
        What drawings call it.

    Returns
    -------
    Tensor
        A leaf.
    """
    return _made(np.full(shape, fill_value, dtype or np.float64), requires_grad, name)


def zeros_like(x: TensorLike, dtype: DTypeLike = None, requires_grad: bool | None = None) -> Tensor:
    """Zeros of the shape and dtype of `x`.

    Parameters
    ----------
    x : Tensor or array_like
        The model.
    dtype : dtype_like, optional
        Another dtype.
    requires_grad : bool, optional
        As in `Tensor`.

    Returns
    -------
    Tensor
        A leaf.
    """
    return _made(np.zeros_like(as_tensor(x, "zeros_like")._data, dtype=dtype), requires_grad, None)


def ones_like(x: TensorLike, dtype: DTypeLike = None, requires_grad: bool | None = None) -> Tensor:
    """Ones of the shape and dtype of `x`.

    Parameters
    ----------
    x : Tensor or array_like
        The model.
    dtype : dtype_like, optional
        Another dtype.
    requires_grad : bool, optional
        As in `Tensor`.

    Returns
    -------
    Tensor
        A leaf.
    """
    return _made(np.ones_like(as_tensor(x, "ones_like")._data, dtype=dtype), requires_grad, None)


def full_like(x: TensorLike, fill_value: Any, dtype: DTypeLike = None, requires_grad: bool | None = None) -> Tensor:
    """One number in the shape and dtype of `x`.

    Parameters
    ----------
    x : Tensor or array_like
        The model.
    fill_value : float
        The number.
    dtype : dtype_like, optional
        Another dtype.
    requires_grad : bool, optional
        As in `Tensor`.

    Returns
    -------
    Tensor
        A leaf.
    """
    return _made(np.full_like(as_tensor(x, "full_like")._data, fill_value, dtype=dtype), requires_grad, None)


def arange(*bounds: float, dtype: DTypeLike = None, requires_grad: bool | None = None) -> Tensor:
    """Numbers in equal steps: ``arange(stop)`` or ``arange(start, stop, step)``.

    Parameters
    ----------
    *bounds : float
        As for ``numpy.arange``.
    dtype : dtype_like, optional
        The bounds' own by default; integers are constants.
    requires_grad : bool, optional
        As in `Tensor`.

    Returns
    -------
    Tensor, shape (n,)
        A leaf.
    """
    return _made(np.arange(*bounds, dtype=dtype), requires_grad, None)


def linspace(start: float, stop: float, num: int = 50, dtype: DTypeLike = None, requires_grad: bool | None = None) -> Tensor:
    """`num` numbers from `start` to `stop`, both included.

    Parameters
    ----------
    start, stop : float
        The ends.
    num : int, optional
        How many.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.

    Returns
    -------
    Tensor, shape (num,)
        A leaf.
    """
    return _made(np.linspace(start, stop, num, dtype=dtype), requires_grad, None)


def eye(n: int, m: int | None = None, dtype: DTypeLike = None, requires_grad: bool | None = None) -> Tensor:
    """The identity matrix.

    Parameters
    ----------
    n, m : int
        Rows and columns; square by default.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.

    Returns
    -------
    Tensor, shape (n, m)
        A leaf.
    """
    return _made(np.eye(n, m, dtype=dtype or np.float64), requires_grad, None)


def rand(*shape: Any, rng: Any = None, dtype: DTypeLike = None, requires_grad: bool | None = None, name: str | None = None) -> Tensor:
    """Uniform random numbers in [0, 1).

    Parameters
    ----------
    *shape : int or tuple of int
        The shape.
    rng : numpy.random.Generator or int, optional
        Where they come from; by default a stream that `manual_seed` sets.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.
    name : str, optional
        What drawings call it.

    Returns
    -------
    Tensor
        A leaf.
    """
    return _made(generator(rng).random(_ints(shape) if shape else ()).astype(dtype or np.float64), requires_grad, name)


def randn(*shape: Any, rng: Any = None, dtype: DTypeLike = None, requires_grad: bool | None = None, name: str | None = None) -> Tensor:
    """Standard normal random numbers; arguments as in `rand`.

    Parameters
    ----------
    *shape : int or tuple of int
        The shape.
    rng : numpy.random.Generator or int, optional
        Where they come from; by default a stream that `manual_seed` sets.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.
    name : str, optional
        What drawings call it.

    Returns
    -------
    Tensor
        A leaf.
    """
    return _made(np.asarray(generator(rng).standard_normal(_ints(shape) if shape else ())).astype(dtype or np.float64), requires_grad, name)


_stream: list[np.random.Generator] = []


def manual_seed(seed: int) -> np.random.Generator:
    """Start the library's default random stream afresh.

    Parameters
    ----------
    seed : int
        Any whole number.

    Returns
    -------
    numpy.random.Generator
        The stream that `rand`, `randn` and the initialisers of `nn` now draw from.

    Examples
    --------
    >>> _ = manual_seed(0); a = rand(2)
    >>> _ = manual_seed(0); b = rand(2)
    >>> bool((a == b).all())
    True
    """
    _stream[:] = [np.random.default_rng(seed)]
    return _stream[0]


def generator(rng: Any = None) -> np.random.Generator:
    """`rng` as a Generator: itself, one from a seed, or the default stream."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is not None:
        return np.random.default_rng(rng)
    return _stream[0] if _stream else manual_seed(np.random.SeedSequence().entropy)  # type: ignore[arg-type]


__all__ += ["manual_seed"]


# ---- methods --------------------------------------------------------------------------------------
def _install() -> None:
    """Give Tensor the methods that are functions here."""
    scope = globals()
    for name in (
        "sum", "mean", "var", "std", "prod", "all", "any", "argmax", "argmin", "reshape",
        "transpose", "squeeze", "expand_dims", "broadcast_to", "astype", "softmax", "log_softmax",
        "logsumexp", "leaky_relu", "clip", "matmul",
    ):  # fmt: skip
        setattr(Tensor, name, scope[name])

    def tensor_max(self: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
        return _extreme("max", (self,), axis, keepdims)

    def tensor_min(self: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
        return _extreme("min", (self,), axis, keepdims)

    def tensor_where(self: Tensor, condition: Any, other: Any) -> Any:
        return elementwise.where(condition, self, other)

    def rmatmul(self: Tensor, other: Any) -> Any:
        return matmul(other, self)

    Tensor.max, Tensor.min = tensor_max, tensor_min  # type: ignore[method-assign]
    Tensor.where = tensor_where  # type: ignore[method-assign]
    Tensor.__matmul__, Tensor.__rmatmul__ = matmul, rmatmul  # type: ignore[method-assign]


_install()
