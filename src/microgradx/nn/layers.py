"""Layers of weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ArgumentError
from microgradx.functions.making import generator
from microgradx.nn import functional as F  # noqa: N812 - as everybody calls it
from microgradx.nn.module import Module
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Linear"]


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
        self.bias = parameter((out_features,), k, rng, dtype) if bias else None

    def forward(self, x: Any) -> Tensor:  # (..., in_features)
        """``x @ weight.T + bias``."""
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        has = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={has}"
