"""New leaves: filled, counted, and random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.functions.arguments import TensorLike, as_tensor, ints
from microgradx.functions.shapes import broadcast_to
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "arange", "eye", "full", "full_like", "linspace", "manual_seed", "ones", "ones_like", "rand",
    "randn", "zeros", "zeros_like",
]  # fmt: skip


def zeros(
    *shape: Any,
    dtype: DTypeLike | None = None,
    requires_grad: bool | None = None,
    name: str | None = None,
) -> Tensor:
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
    wanted, kind = _shape_dtype(shape, dtype)
    return full(wanted, 0, kind, requires_grad, name)


def ones(
    *shape: Any,
    dtype: DTypeLike | None = None,
    requires_grad: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """A Tensor of ones.

    Parameters
    ----------
    *shape, dtype, requires_grad, name
        As in `zeros`.

    Returns
    -------
    Tensor
        A leaf.
    """
    wanted, kind = _shape_dtype(shape, dtype)
    return full(wanted, 1, kind, requires_grad, name)


def _shape_dtype(shape: tuple[Any, ...], dtype: Any) -> tuple[Any, Any]:
    """Split NumPy's ``(shape, dtype)`` from ``(*shape)``."""
    if len(shape) == 2 and not hasattr(shape[0], "__index__"):
        return tuple(shape[0]), shape[1]
    return (ints(shape) if shape else ()), dtype


def full(
    shape: Any,
    fill_value: Any = None,
    dtype: DTypeLike | None = None,
    requires_grad: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """A Tensor filled with one number.

    Parameters
    ----------
    shape : int or tuple of int
        The shape.
    fill_value : float, or Tensor
        The number; a Tensor gets a gradient.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.
    name : str, optional
        What drawings call it.

    Returns
    -------
    Tensor
        A leaf, unless `fill_value` is a Tensor.
    """
    if isinstance(fill_value, Tensor):
        wide = broadcast_to(fill_value, shape)
        return wide if dtype is None else wide.astype(dtype)
    return Tensor(np.full(shape, fill_value, dtype or np.float64), requires_grad, name=name)


def zeros_like(
    x: TensorLike, dtype: DTypeLike | None = None, requires_grad: bool | None = None
) -> Tensor:
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
    return Tensor(np.zeros_like(as_tensor(x, "zeros_like")._data, dtype=dtype), requires_grad)


def ones_like(
    x: TensorLike, dtype: DTypeLike | None = None, requires_grad: bool | None = None
) -> Tensor:
    """Ones of the shape and dtype of `x`.

    Parameters
    ----------
    x, dtype, requires_grad
        As in `zeros_like`.

    Returns
    -------
    Tensor
        A leaf.
    """
    return Tensor(np.ones_like(as_tensor(x, "ones_like")._data, dtype=dtype), requires_grad)


def full_like(
    x: TensorLike,
    fill_value: Any,
    dtype: DTypeLike | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """One number in the shape and dtype of `x`.

    Parameters
    ----------
    x, dtype, requires_grad
        As in `zeros_like`.
    fill_value : float, or Tensor
        The number; a Tensor gets a gradient.

    Returns
    -------
    Tensor
        A leaf, unless `fill_value` is a Tensor.
    """
    if isinstance(fill_value, Tensor):
        return full(as_tensor(x, "full_like").shape, fill_value, dtype)
    return Tensor(
        np.full_like(as_tensor(x, "full_like")._data, fill_value, dtype=dtype), requires_grad
    )


def arange(
    *bounds: float, dtype: DTypeLike | None = None, requires_grad: bool | None = None
) -> Tensor:
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
    return Tensor(np.arange(*bounds, dtype=dtype), requires_grad)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    dtype: DTypeLike | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """`num` numbers from `start` to `stop`, both included.

    Parameters
    ----------
    start, stop : float, or Tensor of shape ()
        The ends; Tensors get gradients.
    num : int, optional
        How many.
    dtype : dtype_like, optional
        float64 by default.
    requires_grad : bool, optional
        As in `Tensor`.

    Returns
    -------
    Tensor, shape (num,)
        A leaf, unless an end is a Tensor.
    """
    if isinstance(start, Tensor) or isinstance(stop, Tensor):
        steps = np.linspace(0.0, 1.0, num)
        mixed = start * (1 - steps) + stop * steps
        return mixed if dtype is None else mixed.astype(dtype)  # type: ignore[no-any-return]
    return Tensor(np.linspace(start, stop, num, dtype=dtype), requires_grad)


def eye(
    n: int, m: int | None = None, dtype: DTypeLike | None = None, requires_grad: bool | None = None
) -> Tensor:
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
    return Tensor(np.eye(n, m, dtype=dtype or np.float64), requires_grad)


def rand(
    *shape: Any,
    rng: Any = None,
    dtype: DTypeLike | None = None,
    requires_grad: bool | None = None,
    name: str | None = None,
) -> Tensor:
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
    return _drawn("random", shape, rng, dtype, requires_grad, name)


def randn(
    *shape: Any,
    rng: Any = None,
    dtype: DTypeLike | None = None,
    requires_grad: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """Standard normal random numbers.

    Parameters
    ----------
    *shape, rng, dtype, requires_grad, name
        As in `rand`.

    Returns
    -------
    Tensor
        A leaf.
    """
    return _drawn("standard_normal", shape, rng, dtype, requires_grad, name)


def _drawn(
    method: str, shape: Any, rng: Any, dtype: Any, requires_grad: bool | None, name: str | None
) -> Tensor:
    """Random numbers; a captured step draws them anew, from the same stream, on each replay."""
    source = generator(rng)
    mode = modes.current()
    tape = None if mode is None or isinstance(rng, int) else mode.tape
    if tape is not None:
        tape.drawing(source)
    numbers = np.asarray(getattr(source, method)(ints(shape) if shape else ()))
    made = Tensor(numbers.astype(dtype or np.float64), requires_grad, name=name)
    if tape is not None:
        tape.drew(made, source, method, default=rng is None)
    return made


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
