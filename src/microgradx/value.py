"""`Value`: a number that remembers how it was made.

Follows micrograd's `Value` in name and feel. Arithmetic is IEEE 754 throughout, so that a Value
and a Tensor of the same numbers agree; a Value that holds a `fractions.Fraction` stays exact
through rational operations, gradients included.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, SupportsIndex

from microgradx import engine, modes
from microgradx.errors import DTypeError, GraphError, UnsupportedError
from microgradx.graph import Node, tick, topological_order, unlink_where_needed
from microgradx.ops import elementwise as ops

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Number", "Value"]

Number = float | int | Fraction

_new = object.__new__
_mode = modes.current


def as_number(x: Any) -> Any:
    """`x` as a float or Fraction (an int stays an int), or NotImplemented."""
    cls = x.__class__
    if cls is float or cls is int or cls is Fraction:
        return x
    if isinstance(x, (bool, int)):
        return int(x)
    if isinstance(x, float):  # np.float64 among them
        return float(x)
    if getattr(x, "shape", None) == () and getattr(getattr(x, "dtype", None), "kind", "") in set(
        "biuf"
    ):
        return x.item()  # NumPy scalars and arrays without axes
    return NotImplemented


class Closure:
    """An operation that course code made itself: ``Value(data, (a, b), 'op')`` and `_backward`."""

    __slots__ = ("closure", "name")

    array = scalar = float_each = array_each = each = singular = None
    float_vjps = array_vjps = vjps = sample = rule_reads = ()
    reads = frozenset[int]()
    guards = view = False
    kind, binding, kink, domain = "closure", 4, "", ""

    def __init__(self, name: str, closure: Callable[[], None] | None = None) -> None:
        self.name, self.closure = name, closure or self._missing

    def _missing(self) -> None:
        raise GraphError(
            "backward",
            f"a Value made by hand with _op {self.name!r} has no _backward",
            "Assign a function to its _backward, or build it from operators",
        )

    @property
    def symbol(self) -> str:
        """What micrograd calls it."""
        return self.name

    @property
    def text(self) -> str:
        """Notation for drawings."""
        return self.name + "({})"

    tex = text

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Value(Node):
    """A number in a computation graph, with its gradient.

    Parameters
    ----------
    data : float, int, Fraction or NumPy scalar
        The number. Ints become floats, Fractions stay exact.
    _children : iterable of Value, optional
        Parents, for code written against micrograd that builds nodes by hand.
    _op : str, optional
        Name of the operation, for the same code.
    label, name : str, optional
        What drawings and messages call it; two names for one thing.

    Attributes
    ----------
    data : float or Fraction
        The number. May be assigned on leaves (``p.data -= lr * p.grad``).
    grad : float, Fraction or Value
        Its gradient, 0.0 before any backward pass; a Value after
        ``backward(create_graph=True)``.

    Raises
    ------
    DTypeError
        If `data` is not a real number.

    Examples
    --------
    >>> a = Value(2.0, label="a")
    >>> b = Value(-3.0, label="b")
    >>> loss = (a * b + 10).tanh() + a**2
    >>> loss.backward()
    >>> loss
    Value(data=4.999329299739067, grad=1.0)
    >>> round(a.grad, 6)
    3.995977
    """

    __slots__ = ("_data", "_grad", "_x", "_y", "name", "op", "time")

    __array_ufunc__: Any = None  # `protocols` lets NumPy's functions take Values
    params = None
    requires_grad = True

    def __init__(
        self,
        data: Any,
        _children: Iterable[Value] = (),
        _op: str = "",
        label: str | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self._data = data if data.__class__ is float else _as_data(data, self)
        self._grad: Any = 0.0
        self.op: Any = None
        self._x: Any = None
        self._y: Any = None
        self.name = name if label is None or label == "" else label
        self.time = tick()
        children = tuple(_children)
        if children:
            self._x = children
            self.op = Closure(_op)

    # ---- the graph ----
    @property
    def parents(self) -> tuple[Any, ...]:
        """The inputs of the operation that made this Value; raw numbers among them."""
        x = self._x
        if x.__class__ is tuple:
            return x
        return () if self.op is None else (x,) if self._y is None else (x, self._y)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The numbers that `op` was applied to."""
        return tuple([p._data if p.__class__ is Value else p for p in self.parents])

    @property
    def data(self) -> Any:
        """The number itself."""
        mode = _mode()
        if mode is not None and mode.tape is not None:
            return mode.tape.read(self)
        data = self._data
        return data if data.__class__ is float else _settled(data)

    @data.setter
    def data(self, data: Any) -> None:
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.write(self, data)
            return
        if self.op is not None:
            raise GraphError(
                "Value.data",
                f"this Value is the result of {self.op.name}, so its data follows from its inputs",
                "Assign to a leaf and compute again, or make a new leaf with Value(number)",
            )
        _settled(self._data)
        self._data = _as_data(data)
        self.time = tick()

    @property
    def grad(self) -> Any:
        """The gradient of the last backward passes: d root / d self."""
        mode = _mode()
        if mode is not None and mode.tape is not None:
            return mode.tape.read_grad(self)
        grad = self._grad
        return grad if grad.__class__ is float else _settled(grad)

    @grad.setter
    def grad(self, grad: Any) -> None:
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.write_grad(self, grad)
            return
        _settled(self._grad)
        self._grad = 0.0 if grad is None else grad if grad.__class__ is Value else _as_data(grad)

    @property
    def label(self) -> str:
        """Micrograd's word for `name`; '' where there is none."""
        return self.name or ""

    @label.setter
    def label(self, label: str | None) -> None:
        self.name = label or None

    def backward(self, cotangent: Any = None, create_graph: bool = False) -> None:
        """Set ``grad`` of everything this Value was made from to d self / d that.

        Leaves accumulate over calls, as in micrograd and PyTorch; results in between are
        computed afresh.

        Parameters
        ----------
        cotangent : float, optional
            Where to start; 1 by default.
        create_graph : bool, optional
            Build the backward pass as a graph: gradients are then Values that can be drawn and
            differentiated again.

        Raises
        ------
        DataChangedError
            If a number that a rule needs was overwritten since the forward pass.

        Examples
        --------
        >>> x = Value(3.0)
        >>> y = x**3
        >>> y.backward(create_graph=True)
        >>> x.grad.data
        27.0
        >>> slope, x.grad = x.grad, 0.0
        >>> slope.backward()
        >>> x.grad
        18.0
        """
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.backward(self, cotangent)
            return
        if cotangent is None:
            seed: Any = Fraction(1) if self._data.__class__ is Fraction else 1.0
        else:
            graph = create_graph and isinstance(cotangent, Value)
            seed = cotangent if graph else _as_data(cotangent)
        if not create_graph:
            engine.backward_floats(self, seed)
            return
        seed = seed if isinstance(seed, Value) else Value(seed)
        found = engine.cotangents([self], [seed])
        nodes = topological_order(self)
        for node in nodes:
            c = found.get(id(node))
            if node.op is not None:
                # As numbers: a result that held the graph of its own gradient would be a cycle.
                node._grad = 0.0 if c is None else c._data
            elif c is not None:
                old = node._grad
                node._grad = c + old if old.__class__ is Value or old else c

    def zero_grad(self) -> None:
        """Set ``grad`` back to 0.0."""
        self.grad = 0.0

    def detach(self) -> Value:
        """A new leaf with the same number: no gradient flows through it.

        Returns
        -------
        Value
            Not connected to this one.
        """
        mode = _mode()
        if mode is not None and mode.tape is not None:
            return Value(self, name=self.name)
        leaf = Value(self.data, name=self.name)
        if mode is not None and mode.watcher is not None:
            mode.watcher.detached(leaf, self)
        return leaf

    def item(self) -> Any:
        """The number as a plain Python float (or Fraction)."""
        return self._guarded("item")

    # ---- micrograd's own attributes ----
    @property
    def _prev(self) -> set[Value]:
        """Micrograd's set of parents; raw constants stand in it as Values."""
        return {p if p.__class__ is Value else Value(p) for p in self.parents}

    @property
    def _op(self) -> str:
        """Micrograd's name of the operation: '+', '*', '**2', 'ReLU', ..."""
        if self.op is None:
            return ""
        symbol = str(self.op.symbol)
        if symbol == "**" and self._y.__class__ is not Value:
            return f"**{self._y}"
        return symbol

    @property
    def _backward(self) -> Callable[[], None]:
        """Add this node's share to its parents' ``grad``, from its own; as in micrograd."""
        return self._pull_once

    @_backward.setter
    def _backward(self, closure: Callable[[], None]) -> None:
        if self.op is None:
            if closure is not None:
                self.op, self._x = Closure("", closure), ()
        else:
            self._x, self._y = self.parents, None
            self.op = Closure(self._op, closure)

    def _pull_once(self) -> None:
        if self.op is None:
            return
        if self.op.closure is not None:
            self.op.closure()
            return
        for parent, c in engine.pull_floats(self):
            parent._grad += c

    # ---- numbers ----
    def _guarded(self, what: str) -> Any:
        """The number, unless a capture is in progress, which cannot follow it out of the graph."""
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.refuse(self, what)
        return _settled(self._data)

    def __float__(self) -> float:
        return float(self._guarded("float"))

    def __int__(self) -> int:
        return int(self._guarded("int"))

    def __bool__(self) -> bool:
        return bool(self._guarded("bool"))

    def __round__(self, ndigits: SupportsIndex | None = None) -> Any:
        return round(self._guarded("round"), ndigits)

    def __trunc__(self) -> int:
        whole: int = math.trunc(self._guarded("trunc"))
        return whole

    def __floor__(self) -> int:
        whole: int = math.floor(self._guarded("floor"))
        return whole

    def __ceil__(self) -> int:
        whole: int = math.ceil(self._guarded("ceil"))
        return whole

    def __hash__(self) -> int:
        return id(self) >> 4

    def __repr__(self) -> str:
        grad = self._grad._data if self._grad.__class__ is Value else self._grad
        return f"Value(data={self._data}, grad={grad})"

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if spec else repr(self)

    def __getitem__(self, index: Any) -> Any:
        raise UnsupportedError("Value", "a number has no elements", "Use a Tensor for arrays")

    __iter__ = None  # so that iterating says "not iterable" instead of calling __getitem__

    # ---- engine hooks ----
    def _state(self, memo: dict[int, Any] | None = None) -> tuple[Any, ...]:  # noqa: ARG002 - numbers need no copy
        return self._data, self.op, self.name, self._x.__class__ is tuple

    @classmethod
    def _restore(cls, state: Iterable[Any], parents: tuple[Any, ...]) -> Value:
        v = _new(cls)
        v._data, v.op, v.name, many = state
        v._grad = 0.0
        v._x, v._y = (parents, None) if many else (*parents, None, None)[:2]
        v.time = tick()
        return v

    def _fit(self, like: Any) -> Value:  # noqa: ARG002 - a number fits everywhere
        return self

    def _keep_zeros(self, g: Value) -> Value:
        return self if g._data != 0 or self._data - self._data == 0 else Value(0.0)

    if TYPE_CHECKING:
        # Installed below from the table, one closure an operation; declared for type checkers.
        def __add__(self, other: Value | Number) -> Value: ...
        def __radd__(self, other: Number) -> Value: ...
        def __sub__(self, other: Value | Number) -> Value: ...
        def __rsub__(self, other: Number) -> Value: ...
        def __mul__(self, other: Value | Number) -> Value: ...
        def __rmul__(self, other: Number) -> Value: ...
        def __truediv__(self, other: Value | Number) -> Value: ...
        def __rtruediv__(self, other: Number) -> Value: ...
        def __pow__(self, other: Value | Number) -> Value: ...
        def __rpow__(self, other: Number) -> Value: ...
        def __neg__(self) -> Value: ...
        def __pos__(self) -> Value: ...
        def __abs__(self) -> Value: ...
        def __lt__(self, other: Value | Number) -> bool: ...
        def __le__(self, other: Value | Number) -> bool: ...
        def __gt__(self, other: Value | Number) -> bool: ...
        def __ge__(self, other: Value | Number) -> bool: ...
        def exp(self) -> Value: ...
        def expm1(self) -> Value: ...
        def log(self) -> Value: ...
        def log1p(self) -> Value: ...
        def sqrt(self) -> Value: ...
        def square(self) -> Value: ...
        def sin(self) -> Value: ...
        def cos(self) -> Value: ...
        def tan(self) -> Value: ...
        def asin(self) -> Value: ...
        def acos(self) -> Value: ...
        def atan(self) -> Value: ...
        def sinh(self) -> Value: ...
        def cosh(self) -> Value: ...
        def tanh(self) -> Value: ...
        def asinh(self) -> Value: ...
        def acosh(self) -> Value: ...
        def atanh(self) -> Value: ...
        def sigmoid(self) -> Value: ...
        def softplus(self) -> Value: ...
        def relu(self) -> Value: ...
        def abs(self) -> Value: ...
        def maximum(self, other: Value | Number) -> Value: ...
        def minimum(self, other: Value | Number) -> Value: ...
        def pow(self, other: Value | Number) -> Value: ...

    def leaky_relu(self, negative_slope: Value | Number = 0.01) -> Value:
        """Self where positive, `negative_slope` times it elsewhere."""
        result: Value = ops.leaky_relu(self, negative_slope)
        return result

    def clip(self, low: Number | None = None, high: Number | None = None) -> Value:
        """Self moved into [low, high]; the derivative is 1 at both ends."""
        result: Value = ops.clip(self, low, high)
        return result

    max, min = None, None  # replaced below


def _settled(data: Any) -> Any:
    """The number itself, where a replayed program has not handed it over yet."""
    settle = getattr(data, "settle", None)
    return data if settle is None else settle()


def _as_data(data: Any, owner: Value | None = None) -> Any:
    """A number fit to be a Value's data, or an error that says what to do."""
    number = as_number(data)
    if number is NotImplemented:
        if isinstance(data, Value):
            mode = _mode()
            if mode is not None and mode.tape is not None and owner is not None:
                # Inside a captured step an input's number is traced: ``Value(x)`` copies it.
                mode.tape.copy(owner, data)
                return data._data
            remedy = "Use it as it is, or v.detach()"
            raise DTypeError("Value", "a Value cannot hold a Value", remedy)
        if getattr(data, "shape", None):
            problem = f"a Value holds one number, not an array of shape {data.shape}"
            raise DTypeError("Value", problem, "Use a Tensor")
        problem = f"expected a real number, not {type(data).__name__}"
        raise DTypeError("Value", problem, "Convert it with float(...) first")
    return float(number) if number.__class__ is int else number


unlink_where_needed(Value, ("_x", "_y"))
