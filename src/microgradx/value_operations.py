"""Primitives on Values: the operators, the methods, and the general path of every operation."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from microgradx import modes
from microgradx.errors import UnsupportedError
from microgradx.graph import Node, tick
from microgradx.ops.elementwise import BINARY, COMPARISONS, METHODS, UNARY
from microgradx.primitive import PRIMITIVES, Primitive
from microgradx.value import Value, as_number

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["apply", "connect"]

_new = object.__new__
_mode = modes.current


def _refuse(op: Any, other: Any) -> Any:
    """Explain why `other` cannot stand beside a Value; NotImplemented for unknown types."""
    mode = _mode()
    if mode is not None and mode.tape is not None and isinstance(other, Node):
        return NotImplemented  # a captured step's number meets a Tensor, which knows what to do
    if hasattr(other, "__array__") or isinstance(other, (list, tuple)):
        raise UnsupportedError(
            op.name,
            f"a Value is one number and cannot meet a {type(other).__name__}",
            "Use Tensors on both sides, or loop over the elements",
        )
    return NotImplemented


def _record(op: Any, z: Any, x: Any, y: Any, mode: modes.Mode) -> Value:
    """The slow path: make the result of an operation under an unusual `Mode`."""
    v = _new(Value)
    v._data = z if z.__class__ is float or z.__class__ is Fraction else float(z)
    v._grad = 0.0
    v.name = None
    v.time = tick()
    v.op = v._x = v._y = None
    if mode.record or mode.tape is not None:
        v.op, v._x, v._y = op, x, y
    if mode.watcher is not None:
        mode.watcher.made(v, op, (x, y))
    return v


def _binary(op: Primitive) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The method and the reflected method of an operation with two inputs."""
    kernel: Callable[..., Any] = op.scalar  # type: ignore[assignment]

    def method(x: Any, y: Any, new: Any = _new, tick: Any = tick, mode: Any = _mode) -> Any:
        cls = y.__class__
        if cls is Value:
            z = kernel(x._data, y._data)
        else:
            if cls is not float and cls is not int:
                y = as_number(raw := y)
                if y is NotImplemented:
                    return _refuse(op, raw)
            z = kernel(x._data, y)
        m = mode()
        if m is not None:
            return _record(op, z, x, y, m)
        v = new(Value)
        v._data = z
        v._grad = 0.0
        v.op = op
        v._x = x
        v._y = y
        v.name = None
        v.time = tick()
        return v

    def reflected(y: Any, x: Any) -> Any:
        x = as_number(raw := x)
        if x is NotImplemented:
            return _refuse(op, raw)
        z = kernel(x, y._data)
        m = _mode()
        if m is not None:
            return _record(op, z, x, y, m)
        v = _new(Value)
        v._data = z
        v._grad = 0.0
        v.op = op
        v._x = x
        v._y = y
        v.name = None
        v.time = tick()
        return v

    return method, reflected


def _unary(op: Primitive) -> Callable[..., Any]:
    """The method of an operation with one input."""
    kernel: Callable[..., Any] = op.scalar  # type: ignore[assignment]

    def method(x: Any, new: Any = _new, tick: Any = tick, mode: Any = _mode) -> Any:
        z = kernel(x._data)
        m = mode()
        if m is not None:
            return _record(op, z, x, None, m)
        v = new(Value)
        v._data = z
        v._grad = 0.0
        v.op = op
        v._x = x
        v._y = None
        v.name = None
        v.time = tick()
        return v

    return method


def apply(op: Primitive, *args: Any) -> Any:
    """Apply any primitive to Values and numbers, in any places.

    Parameters
    ----------
    op : Primitive
        One with a scalar kernel.
    *args : Value or number
        Its inputs.

    Returns
    -------
    Value
        The result, recorded with its parents.
    """
    if op.scalar is None:
        raise UnsupportedError(op.name, "needs arrays, and a Value is one number", "Use a Tensor")
    xs, numbers = [], []
    for arg in args:
        x = arg if arg.__class__ is Value or arg is None else as_number(arg)
        if x is NotImplemented and _refuse(op, arg) is NotImplemented:
            problem = f"expected Values and numbers, not {type(arg).__name__}"
            raise UnsupportedError(op.name, problem, "Wrap it first")
        xs.append(x)
        numbers.append(x._data if x.__class__ is Value else x)
    z = op.scalar(*numbers)
    if z.__class__ is not float and z.__class__ is not Fraction:
        z = float(z)
    # The walk's short paths know one or two inputs with a rule for each; all others go in a tuple.
    many = op.each is not None or len(xs) > 2 or not op.vjps or None in op.vjps
    x, y = (tuple(xs), None) if many else (*xs, None)[:2]
    return _record(op, z, x, y, _mode() or modes.USUAL)


def _comparison(op: Primitive) -> Callable[..., Any]:
    """A comparison of numbers: a plain bool."""
    kernel: Callable[..., Any] = op.scalar  # type: ignore[assignment]

    def method(x: Any, y: Any) -> Any:
        b = y._data if y.__class__ is Value else as_number(y)
        if b is NotImplemented:
            return NotImplemented
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.refuse(x, op.name)
        return kernel(x._data, b)

    return method


def _install() -> None:
    """Give Value a method for each primitive that works on numbers."""
    for dunder, name in {**BINARY, "mod": "mod"}.items():
        method, reflected = _binary(PRIMITIVES[name])
        setattr(Value, f"__{dunder}__", method)
        setattr(Value, f"__r{dunder}__", reflected)
    for dunder, name in UNARY.items():
        setattr(Value, f"__{dunder}__", _unary(PRIMITIVES[name]))
    for dunder, name in COMPARISONS.items():
        setattr(Value, f"__{dunder}__", _comparison(PRIMITIVES[name]))
    for op in PRIMITIVES.values():
        connect(op)
    for name in METHODS:
        op = PRIMITIVES[name]
        setattr(Value, name, _unary(op) if len(op.vjps) == 1 else _binary(op)[0])
        getattr(Value, name).__doc__ = f"As `microgradx.{name}`."
    Value.max, Value.min = Value.maximum, Value.minimum  # type: ignore[assignment]


def connect(op: Primitive) -> None:
    """Let `op` be called with Values."""
    fast = None
    if op.scalar is not None and len(op.vjps) == 1 and op.each is None:
        fast = _unary(op)
    op.methods[Value] = fast or (lambda *args, **params: apply(op, *args, **params))


_install()
