"""The same elements in another place: turned, rolled, repeated, padded, parted."""

from __future__ import annotations

import builtins
import itertools
from typing import Any

import numpy as np

from microgradx.errors import ShapeError, UnsupportedError
from microgradx.functions.arguments import Axis, TensorLike, as_tensor, axes_of, ints
from microgradx.functions.shapes import broadcast_to, expand_dims, reshape, transpose
from microgradx.ops import indexing, scans
from microgradx.tensor import Tensor  # noqa: TC001 - the examples name it
from microgradx.tensor_operations import apply

__all__ = [
    "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "dsplit",
    "flatten", "flip", "fliplr", "flipud", "hsplit", "matrix_transpose", "meshgrid", "moveaxis",
    "pad", "permute_dims", "ravel", "repeat", "roll", "rollaxis", "rot90", "split", "swapaxes",
    "tile", "unstack", "vsplit",
]  # fmt: skip


# ---- axes ----------------------------------------------------------------------------------------
def ravel(x: TensorLike, order: str = "C") -> Tensor:
    """All elements in one row.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    order : {"C", "F"}, optional
        Last axis fastest, or first.

    Returns
    -------
    Tensor, shape (size,)
        The elements.
    """
    x = as_tensor(x, "ravel")
    if order not in {"C", "F"}:
        raise UnsupportedError("ravel", f"order {order!r}", "Use 'C' or 'F'")
    return reshape(transpose(x) if order == "F" else x, -1 if x.size else 0)


flatten = ravel
permute_dims = transpose


def swapaxes(x: TensorLike, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    axis1, axis2 : int
        Which.

    Returns
    -------
    Tensor
        A view of the same data.
    """
    x = as_tensor(x, "swapaxes")
    (i,), (j,) = (
        axes_of(axis1, x.ndim, "swapaxes") or (0,),
        axes_of(axis2, x.ndim, "swapaxes") or (0,),
    )
    order = list(range(x.ndim))
    order[i], order[j] = j, i
    return transpose(x, order)


def matrix_transpose(x: TensorLike) -> Tensor:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


def moveaxis(x: TensorLike, source: Axis, destination: Axis) -> Tensor:
    """Axes moved to new places, the others in order.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    source, destination : int or tuple of int
        Where they stand, and where they go.

    Returns
    -------
    Tensor
        A view of the same data.

    Examples
    --------
    >>> moveaxis(Tensor(np.zeros((2, 3, 4))), 0, -1).shape
    (3, 4, 2)
    """
    x = as_tensor(x, "moveaxis")
    for places in (source, destination):
        axes_of(places, x.ndim, "moveaxis")
    old = [a % x.ndim for a in (source if isinstance(source, (tuple, list)) else [source])]
    new = [
        a % x.ndim
        for a in (destination if isinstance(destination, (tuple, list)) else [destination])
    ]
    if len(old) != len(new):
        raise ShapeError(
            "moveaxis", f"{len(old)} axes to {len(new)} places", "Name as many of both"
        )
    order = [i for i in range(x.ndim) if i not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def rollaxis(x: TensorLike, axis: int, start: int = 0) -> Tensor:
    """One axis moved before another, as in NumPy; `moveaxis` is easier to read."""
    x = as_tensor(x, "rollaxis")
    (place,) = axes_of(axis, x.ndim, "rollaxis") or (0,)
    start = start + x.ndim if start < 0 else start
    return moveaxis(x, place, start - 1 if place < start else start)


def _atleast(x: TensorLike, ndim: int) -> Tensor:
    x = as_tensor(x, f"atleast_{ndim}d")
    if x.ndim >= ndim:
        return x  # type: ignore[no-any-return]
    if ndim == 1:
        return reshape(x, 1)
    if ndim == 2:
        return reshape(x, 1, x.size)
    return reshape(x, *((1, x.size, 1) if x.ndim < 2 else (*x.shape, 1)))


def _each(args: tuple[TensorLike, ...], ndim: int) -> Any:
    found = [_atleast(x, ndim) for x in args]
    return found[0] if len(found) == 1 else tuple(found)


def atleast_1d(*args: TensorLike) -> Any:
    """Arguments with one axis or more: a Tensor, or a tuple of them."""
    return _each(args, 1)


def atleast_2d(*args: TensorLike) -> Any:
    """Arguments with two axes or more; new ones come first."""
    return _each(args, 2)


def atleast_3d(*args: TensorLike) -> Any:
    """Arguments with three axes or more: ``(1, n, 1)`` and ``(m, n, 1)``, as in NumPy."""
    return _each(args, 3)


def broadcast_arrays(*args: TensorLike) -> tuple[Tensor, ...]:
    """All arguments at their common shape, without copying."""
    tensors = [as_tensor(x, "broadcast_arrays") for x in args]
    try:
        shape = np.broadcast_shapes(*[t.shape for t in tensors])
    except ValueError:
        shapes = " and ".join(str(t.shape) for t in tensors)
        raise ShapeError(
            "broadcast_arrays", f"shapes {shapes} do not broadcast together", "Reshape one of them"
        ) from None
    return tuple([broadcast_to(t, shape) for t in tensors])


def meshgrid(
    *xi: TensorLike, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Tensor, ...]:
    """Coordinates of a grid from the coordinates of its sides.

    Parameters
    ----------
    *xi : Tensor or array_like, shape (n,)
        One for each axis of the grid.
    copy : bool, optional
        As in NumPy; results are views here.
    sparse : bool, optional
        Leave axes of length 1 unrepeated.
    indexing : {"xy", "ij"}, optional
        Whether the first side runs along the second axis.

    Returns
    -------
    tuple of Tensor
        As many as there are sides.
    """
    sides = [ravel(x) for x in xi]
    n = len(sides)
    grid = [reshape(s, *[s.size if i == k else 1 for i in range(n)]) for k, s in enumerate(sides)]
    if indexing == "xy" and n > 1:
        grid = [swapaxes(g, 0, 1) for g in grid]
    return tuple(grid) if sparse else broadcast_arrays(*grid)


# ---- order ---------------------------------------------------------------------------------------
def flip(x: TensorLike, axis: Axis = None) -> Tensor:
    """Elements in reverse order along the given axes.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    axis : int or tuple of int, optional
        Which; all by default.

    Returns
    -------
    Tensor
        A view of the same data.
    """
    x = as_tensor(x, "flip")
    axes = axes_of(axis, x.ndim, "flip")
    return apply(scans.flip, (x,), {"axis": tuple(range(x.ndim)) if axes is None else axes})


def fliplr(x: TensorLike) -> Tensor:
    """The second axis reversed."""
    return flip(x, 1)


def flipud(x: TensorLike) -> Tensor:
    """The first axis reversed."""
    return flip(x, 0)


def rot90(x: TensorLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """Turned by `k` right angles, from the first of `axes` to the second.

    Parameters
    ----------
    x : Tensor or array_like
        Input with two axes or more.
    k : int, optional
        How often.
    axes : pair of int, optional
        The plane.

    Returns
    -------
    Tensor
        A view of the same data.
    """
    i, j = axes
    k %= 4
    if k == 2:
        return flip(x, (i, j))
    if k == 0:
        return as_tensor(x, "rot90")
    return swapaxes(flip(x, j), i, j) if k == 1 else flip(swapaxes(x, i, j), j)


def roll(x: TensorLike, shift: Any, axis: Axis = None) -> Tensor:
    """Elements moved along, those beyond the end back to the beginning.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    shift : int or tuple of int
        How far, for each axis.
    axis : int or tuple of int, optional
        Which; the flattened array by default.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> roll(Tensor([1.0, 2.0, 3.0]), 1)
    Tensor([3., 1., 2.])
    """
    x = as_tensor(x, "roll")
    if axis is None:
        return roll(x, shift, 0) if x.ndim == 1 else reshape(roll(ravel(x), shift, 0), x.shape)
    places = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(places)
    for place, by in zip(places, shifts, strict=True):
        (i,) = axes_of(place, x.ndim, "roll") or (0,)
        x = apply(scans.roll, (x,), {"shift": int(by), "axis": i})
    return x  # type: ignore[no-any-return]


# ---- repetition ----------------------------------------------------------------------------------
def tile(x: TensorLike, reps: Any) -> Tensor:
    """The whole array, repeated along each axis.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    reps : int or tuple of int
        How often along the last axes; missing ones count as 1.

    Returns
    -------
    Tensor
        With each length multiplied.

    Examples
    --------
    >>> tile(Tensor([1.0, 2.0]), 2)
    Tensor([1., 2., 1., 2.])
    """
    x = as_tensor(x, "tile")
    counts = ints((reps,))
    ndim = builtins.max(len(counts), x.ndim)
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    apart = reshape(x, [n for pair in zip((1,) * ndim, shape, strict=True) for n in pair])
    wide = broadcast_to(apart, [n for pair in zip(counts, shape, strict=True) for n in pair])
    return reshape(wide, [c * n for c, n in zip(counts, shape, strict=True)])


def repeat(x: TensorLike, repeats: Any, axis: int | None = None) -> Tensor:
    """Each element, repeated in place.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    repeats : int or sequence of int
        How often; one number, or one for each element along `axis`.
    axis : int, optional
        Along which; the flattened array by default.

    Returns
    -------
    Tensor
        Longer along `axis`.

    Examples
    --------
    >>> repeat(Tensor([1.0, 2.0]), [2, 1])
    Tensor([1., 1., 2.])
    """
    x = ravel(x) if axis is None else as_tensor(x, "repeat")
    (i,) = axes_of(0 if axis is None else axis, x.ndim, "repeat") or (0,)
    if np.ndim(repeats) == 0:
        times, n = int(repeats), x.shape[i]
        wide = broadcast_to(expand_dims(x, i + 1), (*x.shape[: i + 1], times, *x.shape[i + 1 :]))
        return reshape(wide, *x.shape[:i], n * times, *x.shape[i + 1 :])
    counts = np.broadcast_to(np.asarray(repeats), (x.shape[i],))
    return x[(*[slice(None)] * i, np.repeat(np.arange(x.shape[i]), counts))]  # type: ignore[no-any-return]


def pad(x: TensorLike, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Tensor:
    """A border around the array.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    pad_width : int, pair, or sequence of pairs
        Elements before and after, for each axis.
    mode : {"constant", "edge", "reflect", "symmetric", "wrap"}, optional
        What stands there.
    constant_values : float, optional
        In mode "constant".

    Returns
    -------
    Tensor
        Larger by the border.

    Raises
    ------
    UnsupportedError
        For NumPy's other modes.

    Examples
    --------
    >>> pad(Tensor([1.0, 2.0]), (1, 2))
    Tensor([0., 1., 2., 0., 0.])
    """
    x = as_tensor(x, "pad")
    width = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    if mode == "constant":
        shape = tuple([a + n + b for n, (a, b) in zip(x.shape, width, strict=True)])
        inner = tuple([slice(a, a + n) for n, (a, _) in zip(x.shape, width, strict=True)])
        z = apply(indexing.put, (x,), {"shape": shape, "index": inner})
        if np.any(constant_values):
            border = np.pad(np.zeros(x.shape, x.dtype), width, constant_values=constant_values)
            z = z + border
        return z
    if mode not in {"edge", "reflect", "symmetric", "wrap"}:
        raise UnsupportedError(
            "pad",
            f"mode {mode!r} has no gradient here",
            "Use constant, edge, reflect, symmetric or wrap",
        )
    for i, (a, b) in enumerate(width):
        if a or b:
            source = np.pad(np.arange(x.shape[i]), (a, b), mode)  # type: ignore[call-overload]
            x = x[(*[slice(None)] * i, source)]
    return x  # type: ignore[no-any-return]


# ---- parts ---------------------------------------------------------------------------------------
def array_split(x: TensorLike, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Parts along an axis; equal ones may differ by one.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    indices_or_sections : int or sequence of int
        How many parts, or where each but the first begins.
    axis : int, optional
        Along which.

    Returns
    -------
    list of Tensor
        Views of the same data.
    """
    x = as_tensor(x, "split")
    (i,) = axes_of(axis, x.ndim, "split") or (0,)
    n = x.shape[i]
    if hasattr(indices_or_sections, "__index__"):
        parts = int(indices_or_sections)
        if parts < 1:
            raise ShapeError("split", f"{parts} parts", "Ask for at least one")
        size, more = divmod(n, parts)
        ends = np.cumsum([0] + [size + 1] * more + [size] * (parts - more)).tolist()
    else:
        ends = [0, *[int(end) for end in indices_or_sections], n]
    lead = (slice(None),) * i
    return [x[(*lead, slice(a, b))] for a, b in itertools.pairwise(ends)]


def split(x: TensorLike, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """Equal parts along an axis, or parts that begin at given places.

    Parameters
    ----------
    x : Tensor or array_like
        Input.
    indices_or_sections : int or sequence of int
        How many parts, or where each but the first begins.
    axis : int, optional
        Along which.

    Returns
    -------
    list of Tensor
        Views of the same data.

    Raises
    ------
    ShapeError
        If the axis does not divide.

    Examples
    --------
    >>> split(Tensor([1.0, 2.0, 3.0, 4.0]), 2)
    [Tensor([1., 2.]), Tensor([3., 4.])]
    """
    x = as_tensor(x, "split")
    (i,) = axes_of(axis, x.ndim, "split") or (0,)
    if hasattr(indices_or_sections, "__index__") and x.shape[i] % int(indices_or_sections):
        raise ShapeError(
            "split",
            f"axis {i} of shape {x.shape} has no {indices_or_sections} equal parts",
            "array_split allows unequal ones",
        )
    return array_split(x, indices_or_sections, i)


def hsplit(x: TensorLike, indices_or_sections: Any) -> list[Tensor]:
    """Parts along the second axis, or the only one."""
    x = as_tensor(x, "hsplit")
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


def vsplit(x: TensorLike, indices_or_sections: Any) -> list[Tensor]:
    """Parts along the first axis."""
    return split(x, indices_or_sections, 0)


def dsplit(x: TensorLike, indices_or_sections: Any) -> list[Tensor]:
    """Parts along the third axis."""
    return split(x, indices_or_sections, 2)


def unstack(x: TensorLike, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, without that axis: the inverse of `stack`."""
    x = as_tensor(x, "unstack")
    (i,) = axes_of(axis, x.ndim, "unstack") or (0,)
    return tuple([x[(*[slice(None)] * i, k)] for k in range(x.shape[i])])
