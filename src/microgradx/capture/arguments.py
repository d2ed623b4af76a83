"""What varies from call to call: arguments taken apart, and results put together again."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import CaptureError
from microgradx.graph import tick
from microgradx.tensor import Tensor
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from microgradx.capture.trace import Trace

__all__ = ["Argument", "Signature", "flatten", "stand_ins", "structure_of"]

Signature = tuple[Any, ...]
NUMBERS = (float, int, np.floating, np.integer)


@dataclass
class Argument:
    """One input of a captured step.

    Attributes
    ----------
    name : str
        The parameter's name, with indices and keys behind it.
    kind : str
        "number" (a float or int), "numbers" (a rectangular list of them), "value" (a Value),
        "array" (an ndarray) or "tensor" (a Tensor).
    shape : tuple of int
        Its shape; () for numbers and Values.
    dtype : str
        Its dtype; empty for numbers and Values.
    nodes : list
        What stands for it during the trace: one Value a number, or one Tensor.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    dtype: str
    nodes: list[Any] = field(default_factory=list)


def flatten(names: list[str], values: Sequence[Any]) -> tuple[Signature, list[Any]]:
    """Take arguments apart.

    Parameters
    ----------
    names : list of str
        The parameters' names.
    values : sequence
        Their arguments.

    Returns
    -------
    tuple
        The signature: equal for calls that one program can serve.
    list
        The leaves that vary: numbers, arrays, Values, Tensors.
    """
    leaves: list[Any] = []
    return tuple([_take_apart(n, v, leaves) for n, v in zip(names, values, strict=True)]), leaves


def _take_apart(name: str, x: Any, leaves: list[Any]) -> Signature:
    cls = x.__class__
    varies = _leaf(name, x)
    if varies is not None:
        leaves.append(x._data if cls is Tensor else x)
        return varies
    if cls is list or cls is tuple:
        numbers = _rectangle(x)
        if numbers is not None:
            leaves.append(numbers)
            return ("numbers", name, numbers.shape, cls.__name__)
        return (cls.__name__, *[_take_apart(f"{name}_{i}", y, leaves) for i, y in enumerate(x)])
    if cls is dict:
        return ("dict", tuple(x), *[_take_apart(f"{name}_{k}", y, leaves) for k, y in x.items()])
    if isinstance(x, (str, bytes, bool, type(None))):
        return ("static", name, type(x), x)
    return ("static", name, id(x), _Same(x))


def _leaf(name: str, x: Any) -> Signature | None:
    """What must stay the same of something that varies; None for anything else."""
    cls = x.__class__
    if cls is np.ndarray and x.dtype.kind in "biuf":
        return ("array", name, x.shape, x.dtype.str)
    if cls is float or (isinstance(x, NUMBERS) and cls is not bool):
        return ("number", name, (), "")
    if cls is Tensor:
        return ("tensor", name, x._data.shape, x._data.dtype.str, x.requires_grad)
    return ("value", name, (), "") if cls is Value else None


class _Same:
    """Any other object: the same only if it is the same object."""

    __slots__ = ("object",)

    def __init__(self, x: Any) -> None:
        self.object = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.object is self.object

    def __hash__(self) -> int:
        return id(self.object)


def _rectangle(x: Any) -> Any:
    """A list of numbers, or of lists of them, as an array; None for anything else."""
    first = x
    while first.__class__ in (list, tuple) and first:
        first = first[0]
    if not isinstance(first, NUMBERS) or first.__class__ is bool:
        return None
    try:
        numbers = np.array(x)
    except (ValueError, TypeError):  # rows of different lengths
        return None
    return numbers if numbers.dtype.kind in "iuf" and numbers.size else None


# ---- while tracing -------------------------------------------------------------------------------
def stand_ins(
    signature: Signature, leaves: list[Any], trace: Trace, *, values: bool
) -> tuple[list[Any], list[Argument]]:
    """Nodes to call the step with, in the arguments' own structure.

    Parameters
    ----------
    signature : tuple
        From `flatten`.
    leaves : list
        From `flatten`.
    trace : Trace
        Told which nodes stand for inputs.
    values : bool
        Whether arrays arrive as nested lists of Values instead of Tensors.

    Returns
    -------
    list
        One argument each.
    list of Argument
        The inputs, in the order of `leaves`.
    """
    found: list[Argument] = []
    remaining = iter(leaves)
    built = [_build(part, remaining, trace, found, values) for part in signature]
    return built, found


def _build(
    part: Signature,
    leaves: Iterator[Any],
    trace: Trace,
    found: list[Argument],
    values: bool,
) -> Any:
    kind = part[0]
    if kind == "static":
        same = part[3]
        return same.object if isinstance(same, _Same) else same
    if kind in {"list", "tuple"}:
        parts = [_build(p, leaves, trace, found, values) for p in part[1:]]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict":
        return {
            k: _build(p, leaves, trace, found, values)
            for k, p in zip(part[1], part[2:], strict=True)
        }
    leaf = next(leaves)
    name, shape = part[1], part[2]
    dtype = part[3] if kind in {"array", "tensor"} else ""
    argument = Argument(name, kind, shape, dtype)
    found.append(argument)
    if kind == "tensor" or (kind == "array" and not values):
        requires = part[4] if kind == "tensor" else False
        node: Any = Tensor(leaf, requires_grad=requires, name=name)
        node._data = trace.marked(node._data)
        argument.nodes.append(node)
        trace.inputs[id(node)] = node
        return node
    numbers = np.asarray(leaf._data if leaf.__class__ is Value else leaf, float)
    for k, number in enumerate(numbers.reshape(-1).tolist()):
        value = Value(number, name=name if not shape else f"{name}[{k}]")
        value.time = tick()
        trace.inputs[id(value)] = value
        argument.nodes.append(value)
    nested = np.empty(math.prod(shape), object)
    nested[:] = argument.nodes
    lists = nested.reshape(shape).tolist() if shape else argument.nodes[0]
    return tuple(lists) if part[-1] == "tuple" else lists


# ---- what a step returns -------------------------------------------------------------------------
def structure_of(result: Any) -> tuple[list[Any], Callable[[Iterator[Any]], Any]]:
    """Take a result apart; also how to put new leaves together in the same way.

    Parameters
    ----------
    result : object
        Nodes, numbers and anything else in lists, tuples and dicts.

    Returns
    -------
    list
        The nodes in it.
    callable
        Given an iterator over new leaves, builds the structure.
    """
    leaves: list[Any] = []
    return leaves, _rebuild(result, leaves)


def _rebuild(x: Any, leaves: list[Any]) -> Callable[[Iterator[Any]], Any]:
    if isinstance(x, (Value, Tensor)):
        leaves.append(x)
        return next
    if isinstance(x, np.ndarray) and (x.dtype == object or getattr(x, "traced", False)):
        raise CaptureError(
            "capture",
            f"the step returns a NumPy array of shape {x.shape} made from this one run's numbers",
            "Return Tensors or Values, in lists where there are several",
        )
    if isinstance(x, dict):
        parts = {k: _rebuild(y, leaves) for k, y in x.items()}
        return lambda new: {k: part(new) for k, part in parts.items()}
    if x.__class__ in (list, tuple):
        rows = [_rebuild(y, leaves) for y in x]
        if x.__class__ is list:
            return lambda new: [row(new) for row in rows]
        return lambda new: tuple([row(new) for row in rows])
    if isinstance(x, tuple) and hasattr(x, "_fields"):  # a named tuple
        rows = [_rebuild(y, leaves) for y in x]
        return lambda new: type(x)(*[row(new) for row in rows])
    return lambda _: x
