"""Operators of Tensor that arithmetic leaves over: remainders, rounding, and truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import DTypeError
from microgradx.functions.arguments import as_tensor, constant
from microgradx.functions.elementwise import round as rounded
from microgradx.ops import rounding
from microgradx.tensor import Tensor
from microgradx.tensor_operations import _binary, apply

if TYPE_CHECKING:
    from collections.abc import Callable

    from microgradx.primitive import Primitive

__all__ = ["install"]


def _truth(
    op: Primitive, bits: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``&`` and its like: truth for booleans, bits for integers, as in NumPy."""

    def method(x: Any, y: Any) -> Any:
        try:
            a, b = as_tensor(x, op.name), as_tensor(y, op.name)
        except DTypeError:
            return NotImplemented
        if a.dtype.kind == b.dtype.kind == "b":
            return apply(op, (a, b))
        if "f" in a.dtype.kind + b.dtype.kind:
            raise DTypeError(
                op.name, "floats have no bits here", "Compare them first: (x > 0) & (x < 1)"
            )
        a._refuse_traced(op.name)
        return constant(np.asarray(bits(a._data, b._data)))

    return method, lambda y, x: method(x, y)


def _invert(x: Tensor) -> Tensor:
    if x.dtype.kind == "b":
        return apply(rounding.logical_not, (x,))
    if x.dtype.kind == "f":
        raise DTypeError("invert", "floats have no bits here", "Compare them first: ~(x > 0)")
    x._refuse_traced("invert")
    return constant(np.invert(x._data))


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return rounding.floor_divide(x, y), rounding.mod(x, y)


def install() -> None:
    """Give Tensor the operators."""
    pairs = {
        "mod": _binary(rounding.mod),
        "floordiv": _binary(rounding.floor_divide),
        "divmod": (_divmod, lambda y, x: _divmod(x, y)),
        "and": _truth(rounding.logical_and, np.bitwise_and),
        "or": _truth(rounding.logical_or, np.bitwise_or),
        "xor": _truth(rounding.logical_xor, np.bitwise_xor),
    }
    for name, (method, reflected) in pairs.items():
        setattr(Tensor, f"__{name}__", method)
        setattr(Tensor, f"__r{name}__", reflected)
    Tensor.__invert__ = _invert  # type: ignore[method-assign]
    Tensor.__round__ = rounded  # type: ignore[method-assign, assignment]
