"""Assignment: ``x[i] = v``, ``x += v``, and the functional ``x.at[i].set(v)``.

A result that is assigned to becomes a new result, in the same Python object: what was computed
from it before keeps its old self (`engine.as_used`), what comes later sees the new numbers, and
gradients go to both the old elements and the new ones. A leaf that gradients belong to refuses,
outside `no_grad`. Assigning to a slice of a result writes through to it, as in NumPy; other views
refuse. A slice taken before a write that touches it keeps its old numbers, and backward refuses
if they were used after the write.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.engine import REPLACED, TRACKED
from microgradx.errors import DTypeError, GraphError, IndexingError, ShapeError
from microgradx.functions.arguments import TensorLike, as_tensor, axes_of
from microgradx.graph import ONE_OWNER, tick
from microgradx.ops import elementwise, indexing
from microgradx.ops.indexing import is_basic
from microgradx.tensor import EXPOSED, Tensor, as_array, as_index
from microgradx.tensor_operations import apply

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["At", "Place", "index_add"]

_STATE = ("_data", "_flags", "op", "parents", "inputs", "params", "guard", "time")


# ---- functional ----------------------------------------------------------------------------------
class At:
    """``x.at``: index it to name the elements that a new Tensor shall differ in.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> x.at[0].set(10.0)
    Tensor([10.,  2.,  3.])
    >>> x.at[[0, 0]].add(1.0)
    Tensor([3., 2., 3.])
    """

    __slots__ = ("_x",)

    def __init__(self, x: Tensor) -> None:
        self._x = x

    def __getitem__(self, index: Any) -> Place:
        return Place(self._x, as_index(index))


class Place:
    """Elements of a Tensor; each method returns a new Tensor and leaves the old one alone."""

    __slots__ = ("_index", "_x")

    def __init__(self, x: Tensor, index: Any) -> None:
        self._x, self._index = x, index

    def get(self) -> Tensor:
        """The elements."""
        return self._x[self._index]

    def set(self, v: TensorLike) -> Tensor:
        """`v` instead of the elements; of several numbers for one element the last stays."""
        return _set(self._x, v, self._index)

    def add(self, v: TensorLike) -> Tensor:
        """The elements plus `v`; an element named twice gets both numbers."""
        x = self._x
        v = as_tensor(v, "at.add")
        taken = _taken(x, self._index)
        if v.shape != taken:
            v = v.broadcast_to(taken)
        if v.dtype != x.dtype:
            v = v.astype(np.result_type(v.dtype, x.dtype) if v.ndim else x.dtype)
        return x + apply(indexing.put, (v,), {"shape": x.shape, "index": self._index})

    def subtract(self, v: TensorLike) -> Tensor:
        """The elements minus `v`; an element named twice loses both numbers."""
        return self.add(-as_tensor(v, "at.subtract"))

    def multiply(self, v: TensorLike) -> Tensor:
        """The elements times `v`; no element may be named twice."""
        self._once("multiply")
        return _set(self._x, self.get() * v, self._index)

    def divide(self, v: TensorLike) -> Tensor:
        """The elements divided by `v`; no element may be named twice."""
        self._once("divide")
        return _set(self._x, self.get() / v, self._index)

    def _once(self, what: str) -> None:
        counts = np.zeros(self._x.shape, np.intp)
        np.add.at(counts, self._index, 1)
        if counts.size and counts.max() > 1:
            raise IndexingError(f"at.{what}", "an element is named twice", "Name each element once")


def _taken(x: Tensor, index: Any) -> tuple[int, ...]:
    """The shape of what `index` names."""
    try:
        return np.broadcast_to(False, x.shape)[index].shape  # type: ignore[no-any-return]
    except IndexError as error:
        raise IndexingError(
            "index", f"{error} (shape {x.shape})", "Check the index against the shape"
        ) from None


def _set(x: Tensor, v: TensorLike, index: Any) -> Tensor:
    """A new Tensor with `v` at `index`; numbers are cast to the dtype of `x`."""
    taken = _taken(x, index)
    if not isinstance(v, (int, float)):
        v = as_tensor(v, "assignment")
        spare = v.ndim - len(taken)
        if spare > 0 and all(n == 1 for n in v.shape[:spare]):
            v = v.reshape(v.shape[spare:])
        if v.dtype != x.dtype:
            v = v.astype(x.dtype)
        try:
            fits = np.broadcast_shapes(v.shape, taken) == taken
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(
                "assignment",
                f"numbers of shape {v.shape} for elements of shape {taken}",
                "Sizes must be equal or 1, counted from the last axis",
            )
    return apply(indexing.set_at, (x, v), {"index": index})


def index_add(x: TensorLike, index: Any, v: TensorLike, axis: int = 0) -> Tensor:
    """`x` with `v` added at numbers along an axis; a number given twice gets both.

    Parameters
    ----------
    x : Tensor or array_like
        Where to add.
    index : array_like of int, shape (n,)
        Numbers along the axis.
    v : Tensor or array_like
        As `x`, with n elements along the axis.
    axis : int, optional
        Which.

    Returns
    -------
    Tensor
        Of the shape of `x`.

    Examples
    --------
    >>> index_add(Tensor([1.0, 2.0]), [0, 0], [1.0, 1.0])
    Tensor([3., 2.])
    """
    x = as_tensor(x, "index_add")
    (i,) = axes_of(axis, x.ndim, "index_add") or (0,)
    return Place(x, as_index((*[slice(None)] * i, np.asarray(index)))).add(v)


# ---- in place ------------------------------------------------------------------------------------
def _where(x: Tensor) -> str:
    return f"Tensor {x.name!r}" if x.name else "Tensor"


def set_item(x: Tensor, index: Any, v: Any) -> None:
    """``x[index] = v``."""
    x._refuse_traced("an assignment")
    place = as_index(index)
    if (
        isinstance(v, Tensor)
        and v.op is indexing.getitem
        and v.parents[0] is x
        and v.time > x.time
        and is_basic(place)
        and v.params["index"] == place
    ):
        return  # the second half of `x[i] += v`: the slice has written through already
    if _recorded(x, v):
        _replace(x, _set, v, place)
    else:
        _write(x, place, v)


def _recorded(x: Tensor, v: Any) -> bool:
    """Whether an assignment belongs into the graph."""
    mode = modes.current()
    if mode is not None and not mode.record:
        return False
    return bool(x._flags & TRACKED) or (isinstance(v, Tensor) and bool(v._flags & TRACKED))


def _write(x: Tensor, place: Any, v: Any) -> None:
    """Overwrite numbers that no graph records."""
    if x.op is not None:
        raise GraphError(
            _where(x),
            f"the result of {x.op.name} cannot be overwritten inside no_grad",
            "Assign to x.detach(), or record the assignment",
        )
    array = as_array(v._data if isinstance(v, Tensor) else v, "assignment")
    taken = _taken(x, place)
    try:
        np.broadcast_to(array, taken) if array.ndim <= len(taken) else array.reshape(taken)
    except ValueError:
        raise ShapeError(
            "assignment",
            f"numbers of shape {array.shape} for elements of shape {taken}",
            "Sizes must be equal or 1, counted from the last axis",
        ) from None
    data = x._data
    # A graph may still need the old numbers: they stay where they are, and x gets new memory.
    # Only an array that was handed out is written to, so that its holder sees the change.
    shared = sys.getrefcount(data) > ONE_OWNER or data.base is not None or not data.flags.writeable
    if shared and not x._flags & EXPOSED:
        x._data = data = data.copy("K")
    data[place] = array
    x.time = tick()


def _replace(x: Tensor, change: Callable[..., Tensor], *args: Any) -> None:
    """Let `x` become ``change(x, *args)``, and what was made from it keep the old one."""
    if x.op is None and x._flags & TRACKED:
        raise GraphError(
            _where(x),
            "a leaf that wants a gradient cannot be overwritten while operations are recorded",
            "Write x = x.at[i].set(v) or x = x + v, assign to x.copy(), or use no_grad() to change "
            "the leaf itself",
        )
    if x.op is not None and x.op.view and np.may_share_memory(x._data, x.inputs[0]):
        _write_through(x, change, *args)
        return
    old = _old_self(x)
    _become(x, change(old, *args), old, args[-1] if change is _set else ...)


def _old_self(x: Tensor) -> Tensor:
    """What `x` is now, in another object."""
    old = Tensor.__new__(Tensor)
    for slot in (*_STATE, "_grad", "name"):
        setattr(old, slot, getattr(x, slot))
    old.previous = getattr(x, "previous", None)
    return old


def _become(x: Tensor, new: Tensor, old: Tensor, index: Any) -> None:
    """Let `x` take the place of `new`, and remember its old self."""
    for slot in _STATE:
        setattr(x, slot, getattr(new, slot))
    x._grad, x.previous = None, old
    old._flags |= REPLACED
    old.guard = old.guard or ()  # so that a walk that meets it looks again
    old.replaced = (x.time, index)


def _write_through(x: Tensor, change: Callable[..., Tensor], *args: Any) -> None:
    """Change a slice, and with it what it is a slice of."""
    base = x.parents[0]
    if x.op is not indexing.getitem or not isinstance(base, Tensor):
        raise GraphError(
            _where(x),
            f"this is a view ({x.op.name}) of another Tensor, which NumPy would overwrite too",
            "Assign to the other Tensor, or to x.copy()",
        )
    if base.time > x.time:
        raise GraphError(
            _where(x), "what this is a slice of was overwritten since", "Take the slice again"
        )
    index = x.params["index"]
    old = _old_self(x)
    set_item(base, index, change(old, *args))
    _become(x, base[index], old, args[-1] if change is _set else ...)


# ---- x += v --------------------------------------------------------------------------------------
def _in_place(op: Any) -> Callable[[Tensor, Any], Any]:
    def method(x: Tensor, v: Any) -> Any:
        mode = modes.current()
        if mode is not None and mode.tape is not None:
            return NotImplemented  # a captured step has no aliases: x = x + v
        if _recorded(x, v):
            _replace(x, _combined, v, op)
            return x
        array = v._data if isinstance(v, Tensor) else v
        z = np.asarray(op.array(x._data, array))
        if z.shape != x._data.shape:
            raise _reshaped(op, x, z)
        if not np.can_cast(z.dtype, x._data.dtype, "same_kind"):
            raise DTypeError(
                op.name,
                f"the result has dtype {z.dtype}, the Tensor {x.dtype}",
                "Write x = x + v for a new Tensor",
            )
        _write(x, ..., z)
        return x

    return method


def _combined(x: Tensor, v: Any, op: Any) -> Tensor:
    z: Tensor = op(x, v)
    if z.shape != x.shape:
        raise _reshaped(op, x, z)
    return z if z.dtype == x.dtype else z.astype(x.dtype)


def _reshaped(op: Any, x: Tensor, z: Any) -> ShapeError:
    return ShapeError(
        op.name,
        f"the result has shape {z.shape}, the Tensor {x.shape}",
        "Write x = x + v for a new Tensor",
    )


for _name, _op in {
    "iadd": elementwise.add,
    "isub": elementwise.sub,
    "imul": elementwise.mul,
    "itruediv": elementwise.div,
    "ipow": elementwise.pow,
}.items():
    setattr(Tensor, f"__{_name}__", _in_place(_op))
Tensor.__setitem__ = set_item  # type: ignore[method-assign]
Tensor.at = property(At, doc="Name elements that a new Tensor shall differ in: ``x.at[i].set(v)``.")
