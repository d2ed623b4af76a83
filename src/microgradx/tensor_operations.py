"""Primitives on Tensors: the operators, the methods, and the general path of every operation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes, staleness
from microgradx.engine import TRACKED
from microgradx.errors import DTypeError, ShapeError, UnsupportedError
from microgradx.graph import ONE_OWNER, Node, tick
from microgradx.ops.elementwise import BINARY, COMPARISONS, METHODS, UNARY
from microgradx.primitive import PRIMITIVES, Primitive
from microgradx.tensor import EXPOSED, Tensor, _constant, as_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["apply", "connect"]

KNOWN = (Node, np.ndarray, np.generic, float, int, list, tuple)
"""Operands that an operator accepts; others may know better what to do with a Tensor."""
SMALL = 1 << 19
"""Foreign arrays up to this many bytes are copied, larger ones fingerprinted twice.

A copy is the cheaper one as long as it stays in the cache for those who read it."""

_new = object.__new__
_mode = modes.current
_ndarray = np.ndarray


def _foreign(arg: Any, op: Primitive, place: int, guard: list[Any], copy: bool) -> Any:
    """A raw operand, safe to keep until the backward pass."""
    if arg is None or arg.__class__ is float or arg.__class__ is int:
        return arg
    if isinstance(arg, Node):
        problem = f"a {type(arg).__name__} and a Tensor do not mix"
        remedy = "Turn one into the other: Tensor(float(v)), or x.item()"
        raise UnsupportedError(op.name, problem, remedy)
    array = as_array(arg, op.name)
    if isinstance(arg, np.generic):
        return arg  # NumPy's scalars are immutable and keep their dtype
    if array is not arg or place not in op.reads or not _writable(array):
        return array
    if copy or array.nbytes <= SMALL:
        return array.copy("K")
    guard.append((array, staleness.fingerprint(array)))
    return array


def _writable(array: Any) -> bool:
    """Whether anybody could still write to the array's memory."""
    while isinstance(array, _ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return array is not None


def apply(op: Primitive, args: tuple[Any, ...], params: dict[str, Any] | None = None) -> Tensor:
    """Apply any primitive to Tensors, arrays and numbers: the general path of every operation.

    Parameters
    ----------
    op : Primitive
        What to apply.
    args : tuple
        Its inputs.
    params : dict, optional
        Its static parameters.

    Returns
    -------
    Tensor
        The result; recorded with its parents if one of them is tracked.
    """
    mode = _mode()
    if mode is None and len(args) == 1 and op.kind != "constant":
        x = args[0]
        if x.__class__ is Tensor and x._flags == TRACKED:
            return _apply_to_one(op, x, args, params)
    mode = mode or modes.USUAL
    flags = 0
    arrays = []
    kept: list[Any] = []
    guard: list[Any] = []
    for place, arg in enumerate(args, 1):
        if arg.__class__ is Tensor:
            array = arg._data
            if arg._flags & EXPOSED:
                # Someone may hold the array. If nobody does, share it again; else the graph gets a
                # copy, so that their writes cannot reach it.
                if sys.getrefcount(array) > ONE_OWNER:
                    array = array.copy("K")
                else:
                    arg._flags &= ~EXPOSED
            elif mode.copy_saved and place in op.reads:
                array = array.copy("K")
            flags |= arg._flags & TRACKED
        elif mode.tape is not None:
            arg, array = mode.tape.operand(arg, op)  # noqa: PLW2901
        else:
            arg = array = _foreign(arg, op, place, guard, mode.copy_saved)  # noqa: PLW2901
        arrays.append(array)
        kept.append(arg)
    try:
        z = op.array(*arrays, **params) if params else op.array(*arrays)
    except ValueError as error:
        raise _shape_error(op, arrays, error) from None
    if z.__class__ is not _ndarray:
        z = np.asarray(z)
    t = _constant(z if mode.tape is None else mode.tape.marked(z))
    if (flags and mode.record and op.kind != "constant") or mode.tape is not None:
        t.op, t.parents, t.inputs, t.params = op, tuple(kept), tuple(arrays), params
        t._flags = flags if mode.record and z.dtype.kind == "f" and op.kind != "constant" else 0
        t.guard = guard or None
    elif op.view and z.base is not None and args[0].__class__ is not Tensor:
        # A constant must not change when a foreign array does. A Tensor's array never changes
        # under a view: whoever writes to it copies first.
        t._data = z.copy("K")
    if mode.watcher is not None:
        mode.watcher.made(t, op, tuple(kept))
    return t


def _apply_to_one(op: Primitive, x: Any, args: Any, params: Any) -> Tensor:
    """`apply` in its usual case, which costs half as much written out."""
    array = x._data
    try:
        z = op.array(array, **params) if params else op.array(array)
    except ValueError as error:
        raise _shape_error(op, [array], error) from None
    t = _constant(z if z.__class__ is _ndarray else np.asarray(z))
    if t._data.dtype.kind == "f":
        t.op, t.parents, t.inputs, t.params = op, args, (array,), params
        t._flags = TRACKED
    return t


def _shape_error(op: Primitive, arrays: Sequence[Any], error: ValueError) -> Exception:
    """NumPy's complaint about shapes, in our form."""
    shapes = [np.shape(a) for a in arrays]
    if op.name in {"matmul", "linear"} and len(shapes) >= 2:
        x, y = shapes[0], shapes[1][::-1] if op.name == "linear" else shapes[1]
        if x and y and x[-1] != (y[-2] if len(y) > 1 else y[0]):
            if op.name == "linear":
                takes = y[0]
                problem = (
                    f"the input of shape {x} has {x[-1]} features, and the weights take {takes}"
                )
                remedy = f"Pass rows of {takes} numbers: shape (batch, {takes})"
                return ShapeError(op.name, problem, remedy, shapes=shapes)
            inner = y[-2] if len(y) > 1 else y[0]
            problem = f"inner sizes differ in {x} @ {y}: {x[-1]} and {inner}"
            return ShapeError(
                op.name, problem, "Transpose one operand or reshape it", shapes=shapes
            )
    if len(shapes) > 1 and "integer powers" in str(error):
        problem = "whole numbers have no negative whole powers among themselves"
        return DTypeError(op.name, problem, "Use x.astype(float), or a power such as -1.0")
    if len(shapes) > 1:
        problem = f"shapes {' and '.join(map(str, shapes))} do not broadcast together"
        remedy = (
            "Sizes must be equal or 1, counted from the last axis; reshape or transpose one operand"
        )
        return ShapeError(op.name, problem, remedy, shapes=shapes)
    problem = f"{str(error).rstrip('.')} (shape {shapes[0]})"
    return ShapeError(op.name, problem, "Check the shapes and axes", shapes=shapes)


def _binary(op: Primitive) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The method and the reflected method of an operation with two inputs."""
    kernel = op.array

    # Defaults are the fastest names there are.
    def method(
        x: Any,
        y: Any,
        new: Any = _new,
        tick: Any = tick,
        mode: Any = _mode,
        ndarray: Any = _ndarray,
    ) -> Any:
        cls = y.__class__
        if cls is Tensor:
            b = y._data
            flags = x._flags | y._flags
        elif cls is float or cls is int:
            b = y
            flags = x._flags
        else:
            return _general(op, x, y)
        if flags != 1 or mode() is not None:
            return apply(op, (x, y))
        a = x._data
        try:
            z = kernel(a, b)
        except ValueError as error:
            raise _shape_error(op, (a, b), error) from None
        if z.__class__ is not ndarray:
            z = np.asarray(z)
        t = new(Tensor)
        t._data = z
        t._grad = None
        t._flags = 1
        t.op = op
        t.parents = (x, y)
        t.inputs = (a, b)
        t.params = None
        t.guard = None
        t.name = None
        t.time = tick()
        return t

    def reflected(y: Any, x: Any) -> Any:
        return _general(op, x, y)

    return method, reflected


def _general(op: Primitive, x: Any, y: Any) -> Any:
    """An operation with an operand that is neither Tensor nor number, or NotImplemented."""
    for arg in (x, y):
        if not isinstance(arg, KNOWN) and not hasattr(arg, "__array__"):
            return NotImplemented
    return apply(op, (x, y))


def _unary(op: Primitive) -> Callable[..., Any]:
    """The method of an operation with one input."""
    kernel = op.array

    def method(
        x: Any, new: Any = _new, tick: Any = tick, mode: Any = _mode, ndarray: Any = _ndarray
    ) -> Any:
        if x._flags != 1 or mode() is not None:
            return apply(op, (x,))
        a = x._data
        z = kernel(a)
        if z.__class__ is not ndarray:
            z = np.asarray(z)
        t = new(Tensor)
        t._data = z
        t._grad = None
        t._flags = 1
        t.op = op
        t.parents = (x,)
        t.inputs = (a,)
        t.params = None
        t.guard = None
        t.name = None
        t.time = tick()
        return t

    return method


def _comparison(op: Primitive) -> Callable[..., Any]:
    """A comparison, element by element: a constant Tensor of booleans."""

    def method(x: Any, y: Any) -> Any:
        return _general(op, x, y)

    return method


def _pair(op: Primitive) -> Callable[..., Any]:
    """The function of an operation with two inputs, either of which may be the Tensor."""
    method, _ = _binary(op)

    def function(x: Any, y: Any) -> Any:
        cls = y.__class__
        if x.__class__ is Tensor and (cls is Tensor or cls is float or cls is int):
            return method(x, y)
        return apply(op, (x, y))

    return function


def connect(op: Primitive) -> None:
    """Let `op` be called with Tensors."""
    if len(op.vjps) == 1 and op.kind == "elementwise":
        op.methods[Tensor] = _unary(op)
    elif len(op.vjps) == 2 and op.plain and op.kind in {"elementwise", "linear"}:
        op.methods[Tensor] = _pair(op)
    else:
        op.methods[Tensor] = lambda *args, **params: apply(op, args, params or None)


def _lift(op: Primitive, args: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """Apply where no argument is a node: numbers give a number, arrays a constant Tensor."""
    numbers = all(x is None or isinstance(x, (int, float)) for x in args)
    if numbers and op.scalar is not None and not params:
        return op.scalar(*args)
    return apply(op, args, params or None)


def _install() -> None:
    """Give Tensor a method for each elementwise primitive."""
    for dunder, name in BINARY.items():
        method, reflected = _binary(PRIMITIVES[name])
        setattr(Tensor, f"__{dunder}__", method)
        setattr(Tensor, f"__r{dunder}__", reflected)
    for dunder, name in UNARY.items():
        setattr(Tensor, f"__{dunder}__", _unary(PRIMITIVES[name]))
    for dunder, name in COMPARISONS.items():
        setattr(Tensor, f"__{dunder}__", _comparison(PRIMITIVES[name]))
    for op in PRIMITIVES.values():
        connect(op)
    for name in (*METHODS, "sign"):
        op = PRIMITIVES[name]
        setattr(Tensor, name, op.methods[Tensor] if len(op.vjps) < 2 else _binary(op)[0])
    Primitive.on_constants = _lift  # type: ignore[assignment, method-assign]


_install()
