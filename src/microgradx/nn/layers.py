"""Layers that are not pictures or sequences: linear maps, tables, chance, shapes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ArgumentError
from microgradx.functions import matmul, reshape, sum  # noqa: A004 - NumPy's name
from microgradx.functions.arguments import as_tensor
from microgradx.functions.making import generator
from microgradx.nn import functional as F  # noqa: N812 - as everybody calls it
from microgradx.nn.module import Module
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "Bilinear", "Dropout", "Dropout2d", "Embedding", "Flatten", "Identity", "Linear", "Unflatten",
]  # fmt: skip


def parameter(shape: tuple[int, ...], bound: float, rng: Any, dtype: DTypeLike) -> Tensor:
    """A parameter drawn from U(-bound, bound)."""
    return Tensor(generator(rng).uniform(-bound, bound, shape), dtype=dtype)


def positive(where: str, **sizes: Any) -> None:
    """Refuse sizes that are no positive integers."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise ArgumentError(where, f"{name} is {size!r}", f"Pass a positive integer for {name}")


class Linear(Module):
    """``y = x W^T + b``: every output is a weighted sum of all inputs.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last axis of the input and of the output.
    bias : bool, optional
        Whether to add b.
    rng : numpy.random.Generator or int, optional
        Where the first weights come from; by default the stream of `microgradx.manual_seed`.
    dtype : dtype_like, optional
        float32 by default, as in PyTorch.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in_features)
        Drawn from U(-k, k) with k = 1/sqrt(in_features).
    bias : Tensor, shape (out_features,), or None
        Drawn from the same.

    Raises
    ------
    ArgumentError
        If a size is no positive integer.

    Examples
    --------
    >>> layer = Linear(3, 2, rng=0)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    >>> layer(np.zeros((5, 3), "float32")).shape
    (5, 2)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        positive("Linear", in_features=in_features, out_features=out_features)
        rng = generator(rng)
        k = 1 / math.sqrt(in_features)
        self.in_features, self.out_features = in_features, out_features
        self.weight = parameter((out_features, in_features), k, rng, dtype)
        # Column by column in memory: BLAS multiplies by the transpose a tenth faster like this.
        self.weight._data = np.asfortranarray(self.weight._data)
        self.bias = parameter((out_features,), k, rng, dtype) if bias else None

    def forward(self, x: Any) -> Tensor:  # (..., in_features)
        """``x @ weight.T + bias``."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        has = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={has}"


class Bilinear(Module):
    """``y_k = x1^T W_k x2 + b_k``.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        Sizes of the last axes.
    bias : bool, optional
        Whether to add b.
    rng : numpy.random.Generator or int, optional
        Where the first weights come from.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in1_features, in2_features)
        Drawn from U(-k, k) with k = 1/sqrt(in1_features).
    bias : Tensor, shape (out_features,), or None
        Drawn from the same.

    Raises
    ------
    ArgumentError
        If a size is no positive integer.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        sizes = (out_features, in1_features, in2_features)
        positive("Bilinear", out_features=sizes[0], in1_features=sizes[1], in2_features=sizes[2])
        rng = generator(rng)
        k = 1 / math.sqrt(in1_features)
        self.weight = parameter(sizes, k, rng, dtype)
        self.bias = parameter((out_features,), k, rng, dtype) if bias else None

    def forward(self, x1: Any, x2: Any) -> Tensor:  # (..., in1), (..., in2)
        """One number for each output and row."""
        out, in1, in2 = self.weight.shape
        x1, x2 = as_tensor(x1, "Bilinear"), as_tensor(x2, "Bilinear")
        rows = matmul(reshape(x1, (-1, in1)), reshape(self.weight.transpose(1, 0, 2), (in1, -1)))
        rows = reshape(rows, (*x1.shape[:-1], out, in2)) * reshape(x2, (*x2.shape[:-1], 1, in2))
        y: Tensor = sum(rows, -1)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        out, in1, in2 = self.weight.shape
        sizes = f"in1_features={in1}, in2_features={in2}, out_features={out}"
        return f"{sizes}, bias={self.bias is not None}"


class Embedding(Module):
    """A table of learned vectors, one for each word, item or class.

    Parameters
    ----------
    num_embeddings : int
        Rows of the table.
    embedding_dim : int
        Numbers in a row.
    padding_idx : int, optional
        A row that starts as 0 and gets no gradient.
    rng : numpy.random.Generator or int, optional
        Where the first weights come from.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight : Tensor, shape (num_embeddings, embedding_dim)
        Drawn from N(0, 1).

    Raises
    ------
    ArgumentError
        If a size is no positive integer.

    Examples
    --------
    >>> Embedding(10, 3)([[1, 2], [4, 5]]).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        sizes = {"num_embeddings": num_embeddings, "embedding_dim": embedding_dim}
        positive("Embedding", **sizes)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_idx
        table = generator(rng).standard_normal((num_embeddings, embedding_dim))
        if padding_idx is not None:
            table[padding_idx] = 0
        self.weight = Tensor(table, dtype=dtype)

    def forward(self, x: Any) -> Tensor:  # (...) -> (..., embedding_dim)
        """Look the rows up."""
        return F.embedding(x, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Dropout(Module):
    """Set each number to 0 with probability p in training; nothing in evaluation.

    Parameters
    ----------
    p : float, optional
        The part to drop; the rest is divided by ``1 - p``.
    rng : numpy.random.Generator or int, optional
        Where chance comes from; by default the stream of `microgradx.manual_seed`.

    Raises
    ------
    ArgumentError
        If p is no probability.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> Dropout().eval()(Tensor([1.0, 2.0]))
    Tensor([1., 2.])
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= p <= 1:
            problem = f"p is {p}"
            raise ArgumentError(type(self).__name__, problem, "Pass a probability from 0 to 1")
        self.p = p
        self.rng = None if rng is None else generator(rng)

    def forward(self, x: Any) -> Any:
        """Drop, in training."""
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Drop whole channels with probability p in training.

    Parameters
    ----------
    p : float, optional
        The part to drop; the rest is divided by ``1 - p``.
    rng : numpy.random.Generator or int, optional
        Where chance comes from.

    Raises
    ------
    ArgumentError
        If p is no probability.
    """

    def forward(self, x: Any) -> Any:
        """Drop, in training."""
        return F.dropout2d(x, self.p, self.training, rng=self.rng)


class Identity(Module):
    """Gives back what it gets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take any arguments, as a stand-in for another layer."""

    def forward(self, x: Any) -> Any:
        """x itself."""
        return x


class Flatten(Module):
    """Make one axis of several, by default of all but the first.

    Parameters
    ----------
    start_dim, end_dim : int, optional
        The first and the last of the axes to join.

    Examples
    --------
    >>> Flatten()(np.zeros((5, 1, 28, 28))).shape
    (5, 784)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Any:
        """Join the axes."""
        x = as_tensor(x, "Flatten")
        first, last = self.start_dim % x.ndim, self.end_dim % x.ndim
        size = math.prod(x.shape[first : last + 1])
        return reshape(x, (*x.shape[:first], size, *x.shape[last + 1 :]))

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Make several axes of one.

    Parameters
    ----------
    dim : int
        The axis to split.
    unflattened_size : tuple of int
        The sizes it becomes.
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Any) -> Any:
        """Split the axis."""
        x = as_tensor(x, "Unflatten")
        axis = self.dim % x.ndim
        return reshape(x, (*x.shape[:axis], *self.unflattened_size, *x.shape[axis + 1 :]))

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
