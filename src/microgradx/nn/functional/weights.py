"""Linear maps, look-up tables, and numbers dropped at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.ops import linalg
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.tensor_operations import apply

__all__ = ["dropout", "dropout2d", "embedding", "linear", "one_hot", "pad"]


def linear(x: Any, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` as one node of the graph.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., in_features)
        Rows to transform.
    weight : Tensor, shape (out_features, in_features)
        PyTorch's layout.
    bias : Tensor, shape (out_features,), optional
        Added to every row.

    Returns
    -------
    Tensor, shape (..., out_features)
        In NumPy's common dtype of the operands.

    Raises
    ------
    ShapeError
        If the last size of `x` is not ``in_features``.

    Examples
    --------
    >>> linear([[1.0, 2.0]], Tensor([[3.0, 4.0]]), Tensor([0.5]))
    Tensor([[11.5]])
    """
    if not hasattr(x, "ndim"):
        x = as_tensor(x, "linear")
    if bias is None:
        return F.matmul(x, F.transpose(weight))
    if x.ndim == 2:
        return apply(linalg.linear, (x, weight, bias))
    lead = x.shape[:-1]
    if not x.shape:
        raise ShapeError(
            "linear", "the input has no axes", "Pass rows of shape (batch, in_features)"
        )
    return F.reshape(
        linear(F.reshape(x, (-1, x.shape[-1])), weight, bias), (*lead, weight.shape[0])
    )


def whole_numbers(x: Any, classes: int, where: str) -> Any:
    """An array of integers from 0 to below `classes`, or an error."""
    numbers = x._data if isinstance(x, Tensor) else np.asarray(x)
    if numbers.dtype.kind not in "iu":
        raise DTypeError(where, f"numbers of dtype {numbers.dtype} pick nothing", "Pass integers")
    if numbers.size and (numbers.min() < 0 or numbers.max() >= classes):
        problem = f"numbers run from {numbers.min()} to {numbers.max()}, but there are {classes}"
        raise IndexingError(where, problem, "Count from 0")
    return numbers


def embedding(x: Any, weight: Tensor, padding_idx: int | None = None) -> Tensor:
    """Look rows up in a table.

    Parameters
    ----------
    x : array_like of integers, any shape
        Row numbers.
    weight : Tensor, shape (rows, d)
        The table.
    padding_idx : int, optional
        A row that gets no gradient.

    Returns
    -------
    Tensor, shape ``(*x.shape, d)``
        The rows; a row's gradient is the sum over all its uses.

    Raises
    ------
    IndexingError
        If there is no such row.

    Examples
    --------
    >>> embedding([1, 1, 0], Tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([[3., 4.],
            [3., 4.],
            [1., 2.]])
    """
    numbers = whole_numbers(x, weight.shape[0], "embedding")
    rows = weight[numbers]
    if padding_idx is None:
        return rows
    padding = F.expand_dims(as_tensor(x, "embedding") == padding_idx % weight.shape[0], -1)
    return PRIMITIVES["where"](padding, rows.detach(), rows)  # type: ignore[no-any-return]


def one_hot(x: Any, num_classes: int = -1) -> Tensor:
    """Rows of the identity matrix: 1 at the class's place, 0 elsewhere.

    Parameters
    ----------
    x : array_like of integers, any shape
        Classes, counted from 0.
    num_classes : int, optional
        One more than the largest by default.

    Returns
    -------
    Tensor of int64, shape ``(*x.shape, num_classes)``
        A constant.

    Raises
    ------
    IndexingError
        If a number is no class.

    Examples
    --------
    >>> one_hot([2, 0]).tolist()
    [[0, 0, 1], [1, 0, 0]]
    """
    numbers = np.asarray(x._data if isinstance(x, Tensor) else x)
    if num_classes < 0:
        num_classes = int(numbers.max()) + 1 if numbers.size else 0
    numbers = whole_numbers(numbers, num_classes, "one_hot")
    return Tensor(numbers[..., None] == np.arange(num_classes), dtype=np.int64)


def dropout(x: Any, p: float = 0.5, training: bool = True, *, rng: Any = None) -> Any:
    """Set each number to 0 with probability p, and divide the others by ``1 - p`` [1]_.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    p : float, optional
        The part to drop.
    training : bool, optional
        If false, `x` is returned as it is.
    rng : numpy.random.Generator or int, optional
        Where chance comes from; by default the stream of `microgradx.manual_seed`.

    Returns
    -------
    Tensor
        Of the shape of `x`; its expected value is `x`.

    Raises
    ------
    ArgumentError
        If p is no probability.

    References
    ----------
    .. [1] N. Srivastava et al., "Dropout", JMLR 15, 2014.
    """
    return _dropped(x, None, p, training, rng, "dropout")


def dropout2d(x: Any, p: float = 0.5, training: bool = True, *, rng: Any = None) -> Any:
    """Drop whole channels: all of ``x[i, j]`` or none.

    Parameters
    ----------
    x : Tensor or array_like, shape (batch, channels, ...)
        For example pictures.
    p : float, optional
        The part to drop.
    training : bool, optional
        If false, `x` is returned as it is.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Raises
    ------
    ArgumentError
        If p is no probability.
    """
    return _dropped(x, 2, p, training, rng, "dropout2d")


def _dropped(x: Any, axes: int | None, p: float, training: bool, rng: Any, where: str) -> Any:
    if not 0 <= p <= 1:
        raise ArgumentError(where, f"p is {p}", "Pass a probability from 0 to 1")
    if not training or p == 0:
        return x
    x = as_tensor(x, where)
    if p == 1:
        return x * 0.0
    shape = x.shape if axes is None else x.shape[:axes] + (1,) * (x.ndim - axes)
    chance = F.rand(*shape, rng=rng, dtype=x.dtype, requires_grad=False)
    return x * (F.astype(chance >= p, x.dtype) * (1 / (1 - p)))


def pad(x: Any, pad: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Any:
    """A border around the last axes, in PyTorch's order: the last axis first.

    Parameters
    ----------
    x : Tensor or array_like
        Any shape.
    pad : tuple of int
        ``(left, right, top, bottom, ...)``: before and after, for the last axis, the one before it,
        and so on.
    mode : {"constant", "reflect", "replicate", "circular"}, optional
        What stands there.
    value : float, optional
        In mode "constant".

    Returns
    -------
    Tensor
        Larger by the border.

    Raises
    ------
    ArgumentError
        If `pad` does not come in pairs, or `mode` is unknown.

    Examples
    --------
    >>> pad([[1.0, 2.0]], (1, 0, 0, 1)).tolist()
    [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]
    """
    modes = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    x = as_tensor(x, "pad")
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        problem = f"{len(pad)} numbers for {x.ndim} axes"
        raise ArgumentError("pad", problem, "Pass two for each axis, the last axis first")
    if mode not in modes:
        raise ArgumentError("pad", f"mode is {mode!r}", f"Use one of {', '.join(modes)}")
    pairs = list(zip(pad[::2], pad[1::2], strict=True))[::-1]
    width = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    if mode == "constant":
        return F.pad(x, width, constant_values=value)
    return F.pad(x, width, mode=modes[mode])
