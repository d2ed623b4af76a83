"""Array functions under NumPy's names, for Tensors, arrays and lists of Values.

Each normalises its arguments (axes, shapes) and applies primitives; the mathematics is in
``ops/``. All take Tensors, arrays or nested lists, and give a Tensor. `sum`, `max`, `min` and
`dot` also take Values. One room for each family; `METHODS` are those Tensor has as methods.
"""

from __future__ import annotations

from typing import Any

from microgradx.functions import (
    arranging,
    convolution,
    einstein,
    elementwise,
    joining,
    making,
    operators,
    picking,
    pooling,
    products,
    reductions,
    scanning,
    searching,
    shapes,
    softmaxes,
    statistics,
)
from microgradx.functions.arguments import Axis, as_tensor, axes_of  # noqa: F401, TC001
from microgradx.functions.arranging import *  # noqa: F403
from microgradx.functions.convolution import *  # noqa: F403
from microgradx.functions.einstein import *  # noqa: F403
from microgradx.functions.elementwise import *  # noqa: F403
from microgradx.functions.joining import *  # noqa: F403
from microgradx.functions.making import *  # noqa: F403
from microgradx.functions.making import generator  # noqa: F401
from microgradx.functions.picking import *  # noqa: F403
from microgradx.functions.pooling import *  # noqa: F403
from microgradx.functions.products import *  # noqa: F403
from microgradx.functions.products import matmul
from microgradx.functions.reductions import *  # noqa: F403
from microgradx.functions.reductions import extreme
from microgradx.functions.scanning import *  # noqa: F403
from microgradx.functions.searching import *  # noqa: F403
from microgradx.functions.shapes import *  # noqa: F403
from microgradx.functions.softmaxes import *  # noqa: F403
from microgradx.functions.statistics import *  # noqa: F403
from microgradx.ops.elementwise import where
from microgradx.tensor import Tensor

ROOMS = (
    arranging, convolution, einstein, elementwise, joining, making, picking, pooling, products,
    reductions, scanning, searching, shapes, softmaxes, statistics,
)  # fmt: skip
__all__ = [name for room in ROOMS for name in room.__all__]

METHODS = (
    "all", "any", "argmax", "argmin", "argsort", "astype", "broadcast_to", "choose", "clip",
    "cumprod", "cumsum", "diagonal", "dot", "expand_dims", "flatten", "flip", "leaky_relu",
    "log_softmax", "logsumexp", "matmul", "mean", "nonzero", "prod", "ptp", "ravel", "repeat",
    "reshape", "round", "searchsorted", "softmax", "sort", "squeeze", "std", "sum", "swapaxes",
    "take", "topk", "trace", "transpose", "var",
)  # fmt: skip


def _install() -> None:
    """Give Tensor the methods that are functions here."""
    operators.install()
    for name in METHODS:
        setattr(Tensor, name, globals()[name])

    def tensor_max(self: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
        return extreme("max", (self,), axis, keepdims)

    def tensor_min(self: Tensor, axis: Axis = None, keepdims: bool = False) -> Any:
        return extreme("min", (self,), axis, keepdims)

    def tensor_where(self: Tensor, condition: Any, other: Any) -> Any:
        return where(condition, self, other)

    def rmatmul(self: Tensor, other: Any) -> Any:
        return matmul(other, self)

    Tensor.max, Tensor.min = tensor_max, tensor_min  # type: ignore[method-assign]
    Tensor.where = tensor_where  # type: ignore[method-assign]
    Tensor.__matmul__, Tensor.__rmatmul__ = matmul, rmatmul  # type: ignore[method-assign]


_install()
