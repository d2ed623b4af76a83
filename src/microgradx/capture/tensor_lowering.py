"""From primitives to NumPy calls: one entry each in `LOWERED`, the rest by their own kernels.

An entry takes the builder, the node that the step made, and its inputs as rows or numbers, and
returns the row with the node's numbers. It makes the calls that the primitive's array kernel makes,
in the same order, so that a replay has the same bits as eager code; where it does not, it says so
in `Lowering.notes`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.tensor_rows import OUT, Row, Rows, lies_across, numbers, part
from microgradx.errors import CaptureError
from microgradx.ops import arrays
from microgradx.ops.indexing import is_basic
from microgradx.ops.shaping import SHORT
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LOWERED", "Lowering"]

FEW = 64
"""Rows up to this length are searched for their maximum through a transposed copy."""
COMPARISONS = {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"}


class Lowering:
    """Writes rows for the nodes of a step."""

    def __init__(self, rows: Rows, row_of: Callable[[Any], Row]) -> None:
        self.rows, self.row_of = rows, row_of
        self.note = ""
        self.checked: dict[tuple[int, int], Row] = {}  # labels known to be classes

    def lower(self, node: Any, args: tuple[Any, ...], note: str) -> Row:
        """The row that holds the numbers of `node`."""
        op = node.op
        self.note = note or op.name
        if node.__class__ is Value:
            row = self.lower(_Number(node), args, note)
            row.weak = True
            return row
        entry = LOWERED.get(op.name)
        if entry is not None:
            return entry(self, node, args)
        if isinstance(op.array, np.ufunc):
            name = op.array.__name__
            if op.array.signature is None:
                return self.ufunc(name, *args, like=node._data)
            data = node._data  # a product of vectors or matrices
            return self.rows.call(
                name, *args, shape=data.shape, dtype=data.dtype, note=self.note, fold=op.array
            )
        return self.kernel(op.name, node, args)

    def kernel(self, name: str, node: Any, args: tuple[Any, ...]) -> Row:
        """One call of the primitive's own array kernel."""
        from microgradx.primitive import PRIMITIVES  # noqa: PLC0415 - a table, not a layer

        data = node._data
        function = PRIMITIVES[name].array
        if PRIMITIVES[name].view:
            (x,) = args
            return self.rows.look(x, lambda s: function(s, **(node.params or {})), self.note)
        return self.rows.call(
            f"primitives.{name}", *args, shape=data.shape, dtype=data.dtype, note=self.note,
            like=data, fold=_without_out(function), keywords={"out": OUT, **(node.params or {})},
        )  # fmt: skip

    # ---- single functions ----
    def ufunc(self, name: str, *args: Any, like: Any = None, dtype: Any = None) -> Row:
        """One elementwise call."""
        function = getattr(np, name)
        found = [a for a in args if isinstance(a, Row)]
        shadows = [a.shadow for a in found]
        shape = np.broadcast_shapes(*[s.shape for s in shadows]) if shadows else ()
        moving = [a.shape for a in found if a.base.kind != "constant"]
        wide = bool(moving) and np.broadcast_shapes(*moving) == shape
        args = tuple([self._operand(a, shadows, wide=wide) for a in args])
        if dtype is None:
            dtype = like.dtype if like is not None else _kind(name, args)
        like = like if like is not None and like.shape == shape else _densest(shadows, shape)
        return self.rows.call(
            name, *args, shape=shape, dtype=dtype, note=self.note, fold=function, like=like
        )

    def _operand(self, a: Any, shadows: list[Any], *, wide: bool) -> Any:
        """Numbers as arrays without axes: NumPy takes those 0.3 µs faster.

        So are constant arrays of one number, where the others give the result its shape (`wide`).
        """
        if isinstance(a, Row):
            if a.weak and any(s.dtype.kind == "f" and s.ndim for s in shadows):
                kind = np.result_type(*[s.dtype for s in shadows if s.ndim])
                return (
                    a
                    if kind == a.dtype
                    else self.rows.call(
                        "copyto", OUT, a, shape=(), dtype=kind, keywords={"casting": "unsafe"}
                    )
                )
            if a.base.kind == "constant" and a.shadow.size > 1 and wide:
                flat = np.ascontiguousarray(numbers(a)).reshape(-1)
                if (flat.view(np.uint8).reshape(flat.size, -1) == flat[:1].view(np.uint8)).all():
                    return self.rows.constant(flat[0])
            return a
        kinds = {s.dtype for s in shadows}
        if len(kinds) == 1 and isinstance(a, (int, float)) and not isinstance(a, bool):
            (kind,) = kinds
            if kind.kind == "f" and abs(a) <= np.finfo(kind).max:
                return self.rows.constant(np.asarray(a, kind))
        return a

    def reduce(self, name: str, x: Row, axis: Any, *, keepdims: bool, dtype: Any = None) -> Row:
        """A ufunc's reduction."""
        function = getattr(np, name).reduce
        given = None if dtype is None else np.dtype(dtype)
        shape = _reduced(x.shape, axis, keepdims=keepdims)
        found = given or function(np.ones((1,), x.dtype)).dtype
        return self.rows.call(
            f"{name}.reduce", x, axis, dtype and str(given), OUT, keepdims,
            shape=shape, dtype=found, note=self.note,
            fold=lambda a, ax, dt, kd: function(a, ax, dt, None, kd),
        )  # fmt: skip

    def ones(self, n: int, dtype: Any) -> Row:
        """A vector of ones."""
        return self.rows.constant(np.ones(n, dtype))

    def reshape(self, x: Row, shape: tuple[int, ...]) -> Row:
        """A view where there is one."""
        return self.rows.look(x, lambda s: s.reshape(shape), "reshape")

    def sum(self, x: Row, axis: Any, *, keepdims: bool) -> Row:
        """As `ops.shaping.sum_array`: one axis of a matrix by BLAS."""
        flags = x.shadow.flags
        if (
            len(x.shape) == 2
            and x.dtype.char in "fd"
            and (flags.c_contiguous or flags.f_contiguous)
        ):
            if axis == (0,) and not keepdims and x.shape[1] <= 4096:
                return self.dot(self.ones(x.shape[0], x.dtype), x, x.shape[1:])
            if axis in {(1,), (-1,)} and x.shape[1] <= SHORT:
                total = self.dot(x, self.ones(x.shape[1], x.dtype), x.shape[:1])
                return self.rows.look(total, lambda s: s[:, None]) if keepdims else total
        return self.reduce("add", x, axis, keepdims=keepdims)

    def dot(self, x: Row, y: Row, shape: tuple[int, ...]) -> Row:
        """A product with a vector."""
        return self.rows.call("dot", x, y, shape=shape, dtype=x.dtype, note=self.note, fold=np.dot)

    def greatest(self, x: Row, axis: Any) -> Row:
        """The maximum over `axis`, which is kept; never below the least finite number."""
        if axis == (1,) and len(x.shape) == 2 and x.shape[1] <= FEW:
            turned = self.rows.look(x, np.transpose)
            top = self.reduce(
                "maximum", self.rows.copy(turned, "rows to columns"), 0, keepdims=False
            )
            top = self.reshape(top, (x.shape[0], 1))
        else:
            top = self.reduce("maximum", x, axis, keepdims=True)
        return self.ufunc("maximum", top, float(np.finfo(x.dtype).min))

    def exponentials(self, x: Row, axis: Any) -> tuple[Row, Row, Row]:
        """x less its maximum, e to that, and the sum of these over `axis`, which is kept."""
        shifted = self.ufunc("subtract", x, self.greatest(x, axis))
        e = self.ufunc("exp", shifted)
        return shifted, e, self.sum(e, axis, keepdims=True)


class _Number:
    """A Value as the entries see it: an array without axes."""

    params = None

    def __init__(self, value: Value) -> None:
        self.op, self._data = value.op, np.asarray(value._data)


def _without_out(function: Callable[..., Any]) -> Callable[..., Any]:
    def fold(*args: Any, out: Any = None, **keywords: Any) -> Any:  # noqa: ARG001
        return function(*args, **keywords)

    return fold


def _kind(name: str, args: tuple[Any, ...]) -> Any:
    """The dtype that NumPy gives to the result."""
    if name in COMPARISONS or name.startswith(("logical", "is")):
        return np.dtype(bool)
    return np.result_type(*[a.dtype if isinstance(a, Row) else a for a in args])


def _densest(shadows: list[Any], shape: tuple[int, ...]) -> Any:
    """An operand whose order of axes the result takes, as NumPy's do."""
    for s in shadows:
        if s.shape == shape and not s.flags.c_contiguous and 0 not in s.strides:
            return s
    return None


def _reduced(shape: tuple[int, ...], axis: Any, *, keepdims: bool) -> tuple[int, ...]:
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    if keepdims:
        return tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axes])


# ---- elementwise --------------------------------------------------------------------------------
def _positive(b: Lowering, node: Any, args: Any) -> Row:
    return args[0] if isinstance(args[0], Row) else b.ufunc("positive", *args, like=node._data)


def power(b: Lowering, x: Any, y: Any) -> Row:
    """As `ops.arrays.power`."""
    if isinstance(x, Row) and y.__class__ in (int, float):
        if y == 2:
            return b.ufunc("square", x)
        if y == 1:
            return x
        if y == -1 and x.dtype.kind == "f":
            return b.ufunc("reciprocal", x)
        if y == 3 and x.shape:
            return b.ufunc("multiply", b.ufunc("square", x), x)
        if y == 0.5:
            return b.ufunc("sqrt", x)
    return b.ufunc("power", x, y)


def _power_slope(b: Lowering, node: Any, args: Any) -> Row:
    x, y = args
    if y.__class__ not in (int, float) or y == 0:
        return b.kernel("power_slope", node, args)
    if y == 1:
        return b.rows.constant(np.ones(node._data.shape, node._data.dtype))
    return b.ufunc("multiply", x, 2) if y == 2 else b.ufunc("multiply", power(b, x, y - 1), y)


def _relu(b: Lowering, node: Any, args: Any) -> Row:
    return b.ufunc("maximum", args[0], 0, like=node._data)


def _leaky_relu(b: Lowering, node: Any, args: Any) -> Row:
    x, slope = args
    below = b.ufunc("multiply", b.ufunc("minimum", x, 0), slope)
    return b.ufunc("add", below, b.ufunc("maximum", x, 0), like=node._data)


def _decay(b: Lowering, x: Any) -> Row:
    return b.ufunc("exp", b.ufunc("negative", b.ufunc("absolute", x)))


def _sigmoid(b: Lowering, node: Any, args: Any) -> Row:
    top = b.ufunc("exp", b.ufunc("minimum", args[0], 0))
    return b.ufunc("divide", top, b.ufunc("add", _decay(b, args[0]), 1), like=node._data)


def _softplus(b: Lowering, node: Any, args: Any) -> Row:
    (x,) = args
    return b.ufunc("add", b.ufunc("log1p", _decay(b, x)), b.ufunc("maximum", x, 0), like=node._data)


def _keep_zeros(b: Lowering, node: Any, args: Any) -> Row:
    c, g = [_as_row(b, a) for a in args]
    return b.rows.call(
        "kernels.keep_zeros", c, g,
        shape=node._data.shape, dtype=c.dtype, note="an exact 0 stays 0", like=c.shadow,
        fold=arrays.keep_zeros,
    )  # fmt: skip


def _where(b: Lowering, node: Any, args: Any) -> Row:
    c, x, y = args
    data = node._data
    return b.rows.call(
        "kernels.where",
        c,
        x,
        y,
        shape=data.shape,
        dtype=data.dtype,
        note=b.note,
        fold=np.where,
        like=data,
    )


# ---- shape --------------------------------------------------------------------------------------
def _unbroadcast(b: Lowering, node: Any, args: Any) -> Row:
    (g,), shape = args, node.params["shape"]
    if len(g.shape) < len(shape):
        return b.rows.look(g, lambda s: np.broadcast_to(s, shape))
    ahead = len(g.shape) - len(shape)
    if ahead == 1 and g.shape[1:] == shape:
        return b.sum(g, (0,), keepdims=False)
    axes = (
        *range(ahead),
        *[i + ahead for i, n in enumerate(shape) if n == 1 and g.shape[i + ahead] != 1],
    )
    if axes:
        g = b.reduce("add", g, axes, keepdims=True)
    if ahead:
        g = b.reshape(g, g.shape[ahead:])
    return g if g.shape == shape else b.rows.look(g, lambda s: np.broadcast_to(s, shape))


def _sum(b: Lowering, node: Any, args: Any) -> Row:
    return b.sum(args[0], node.params["axis"], keepdims=node.params["keepdims"])


def _astype(b: Lowering, node: Any, args: Any) -> Row:
    (x,), kind = args, node.params["dtype"]
    return b.rows.call(
        "copyto", OUT, x, shape=x.shape, dtype=kind, note=b.note, keywords={"casting": "unsafe"},
        fold=lambda a, casting: a.astype(kind, casting=casting),
        like=x.shadow if 0 not in x.shadow.strides else None,
    )  # fmt: skip


def _reshape(b: Lowering, node: Any, args: Any) -> Row:
    return b.reshape(args[0], node.params["shape"])


def _positions(index: Any, shape: tuple[int, ...]) -> Any:
    return np.arange(math.prod(shape)).reshape(shape)[index]


def _traced_index(b: Lowering, index: Any, length: int) -> Row | None:
    """The row of an index that is an input, or computed from one."""
    parts = index if isinstance(index, tuple) else (index,)
    if not any(getattr(part, "traced", False) for part in parts):
        return None
    if len(parts) > 1 or parts[0].dtype.kind not in "iu":
        raise CaptureError(
            "capture",
            "the step picks elements by an index that varies from call to call",
            "Pick along the first axis with whole numbers, x[i]; or use mg.where",
        )
    row = b.row_of(parts[0])
    return b.rows.call(
        "kernels.labels", row, length, shape=row.shape, dtype=np.intp, note="whole numbers in range"
    )


def _getitem(b: Lowering, node: Any, args: Any) -> Row:
    (x,), index = args, node.params["index"]
    picked = _traced_index(b, index, x.shape[0] if x.shape else 1)
    if picked is not None:
        return b.rows.call(
            ".take", x, picked, 0, OUT, "clip", shape=node._data.shape, dtype=x.dtype, note=b.note
        )
    if is_basic(index):
        return b.rows.look(x, lambda s: part(s, index))
    places = b.rows.constant(_positions(index, x.shape))
    flat = b.reshape(x, (math.prod(x.shape),))
    return b.rows.call(
        ".take", flat, places, None, OUT, "clip", shape=places.shape, dtype=x.dtype, note=b.note,
        fold=lambda a, i, ax, mode: a.take(i, ax, None, mode),
    )  # fmt: skip


def _put(b: Lowering, node: Any, args: Any) -> Row:
    (g,), shape, index = args, node.params["shape"], node.params["index"]
    picked = _traced_index(b, index, shape[0] if shape else 1)
    if picked is not None:
        return b.rows.call("kernels.scatter", g, picked, shape=shape, dtype=g.dtype, note=b.note)
    if is_basic(index):
        return b.rows.join([(g, index)], shape, g.dtype, b.note)
    return b.rows.join([(g, _positions(index, shape))], shape, g.dtype, b.note)


def _concatenate(b: Lowering, node: Any, args: Any) -> Row:
    pieces = [(a, i) for a, i in zip(args, node.params["index"], strict=True)]
    pieces = [(_as_row(b, a), i) for a, i in pieces]
    return b.rows.join(pieces, node._data.shape, node._data.dtype, b.note)


def _as_row(b: Lowering, a: Any) -> Row:
    return a if isinstance(a, Row) else b.rows.constant(a)


# ---- products -----------------------------------------------------------------------------------
def product(b: Lowering, x: Row, y: Row, shape: tuple[int, ...], dtype: Any) -> Row:
    """A matrix product."""
    return b.rows.call("matmul", x, y, shape=shape, dtype=dtype, note=b.note, fold=np.matmul)


def _matmul(b: Lowering, node: Any, args: Any) -> Row:
    x, y = [_as_row(b, a) for a in args]
    return product(b, x, y, node._data.shape, node._data.dtype)


def _linear(b: Lowering, node: Any, args: Any) -> Row:
    x, w, bias = [_as_row(b, a) for a in args]
    z = product(
        b, x, b.rows.look(w, np.transpose), node._data.shape, np.result_type(x.dtype, w.dtype)
    )
    return b.ufunc("add", z, bias)


def _linear_slope(b: Lowering, node: Any, args: Any) -> Row:
    g, x, w = [_as_row(b, a) for a in args]
    shape, dtype = node._data.shape, node._data.dtype
    if lies_across(w.shadow):  # the slope lies as the weight does
        across = product(b, b.rows.look(x, np.transpose), g, shape[::-1], dtype)
        return b.rows.look(across, np.transpose)
    return product(b, b.rows.look(g, np.transpose), x, shape, dtype)


# ---- extrema and the softmax family --------------------------------------------------------------
def _extreme(name: str) -> Callable[..., Row]:
    def entry(b: Lowering, node: Any, args: Any) -> Row:
        return b.reduce(name, args[0], node.params["axis"], keepdims=node.params["keepdims"])

    return entry


def _winners(b: Lowering, node: Any, args: Any) -> Row:
    (x, z), axis = args, node.params["axis"]
    if axis and not node.params["keepdims"]:
        z = b.rows.look(z, lambda s: np.expand_dims(s, axis))
    tie = b.ufunc("equal", x, z)
    count = b.reduce("add", tie, axis, keepdims=True, dtype=x.dtype)
    # The tie as a number first: NumPy would divide whole numbers as float64.
    tie = b.rows.call("copyto", OUT, tie, shape=tie.shape, dtype=x.dtype, note=b.note)
    return b.ufunc("divide", tie, count)


def _softmax(b: Lowering, node: Any, args: Any) -> Row:
    axis = node.params["axis"]
    _, e, total = b.exponentials(args[0], axis)
    return b.ufunc("divide", e, b.ufunc("maximum", total, float(np.finfo(e.dtype).tiny)))


def _logsumexp_of(b: Lowering, x: Row, axis: Any) -> Row:
    top = b.greatest(x, axis)
    top = b.ufunc("minimum", top, float(np.finfo(x.dtype).max))
    total = b.reduce("add", b.ufunc("exp", b.ufunc("subtract", x, top)), axis, keepdims=True)
    return b.ufunc("add", b.ufunc("log", total), top)


def _logsumexp(b: Lowering, node: Any, args: Any) -> Row:
    z = _logsumexp_of(b, args[0], node.params["axis"])
    return z if z.shape == node._data.shape else b.reshape(z, node._data.shape)


def _log_softmax(b: Lowering, node: Any, args: Any) -> Row:
    return b.ufunc("subtract", args[0], _logsumexp_of(b, args[0], node.params["axis"]))


def _one_hot(b: Lowering, node: Any, args: Any) -> Row:
    labels, classes, kind = args[0], node.params["classes"], node.params["like"]
    labels = b.checked.get((id(labels), classes))
    if labels is None:
        column = b.rows.look(args[0], lambda s: np.expand_dims(s, -1))
        return b.ufunc("equal", column, b.rows.constant(np.arange(classes)))
    return b.rows.call(
        ".take", b.rows.constant(np.eye(classes, dtype=kind)), labels, 0, OUT, "clip",
        shape=(*labels.shape, classes), dtype=kind, note=b.note,
    )  # fmt: skip


def _softmax_nll(b: Lowering, node: Any, args: Any) -> Row:  # noqa: ARG001
    x, labels = args
    n, classes = x.shape
    shifted, _, total = b.exponentials(x, (1,))
    labels = _as_row(b, labels)
    checked = b.rows.call(
        "kernels.labels",
        labels,
        classes,
        shape=labels.shape,
        dtype=np.intp,
        note="labels are classes",
    )
    b.checked[(id(labels), classes)] = checked
    places = b.ufunc("add", checked, b.rows.constant(np.arange(0, n * classes, classes)))
    picked = b.rows.call(
        ".take", b.reshape(shifted, (n * classes,)), places, None, OUT, "clip",
        shape=(n,), dtype=x.dtype, note="the right class of each row",
    )  # fmt: skip
    logarithm = b.ufunc("log", b.reshape(total, (n,)))
    return b.ufunc("subtract", logarithm, picked)


LOWERED: dict[str, Callable[[Lowering, Any, Any], Row]] = {
    "positive": _positive,
    "pow": lambda b, _, args: power(b, *args),
    "power_slope": _power_slope,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "where": _where,
    "unbroadcast": _unbroadcast,
    "sum": _sum,
    "astype": _astype,
    "reshape": _reshape,
    "getitem": _getitem,
    "put": _put,
    "concatenate": _concatenate,
    "stack": _concatenate,
    "matmul": _matmul,
    "keep_zeros": _keep_zeros,
    "linear": _linear,
    "linear_slope": _linear_slope,
    "max": _extreme("maximum"),
    "min": _extreme("minimum"),
    "winners": _winners,
    "softmax": _softmax,
    "logsumexp": _logsumexp,
    "log_softmax": _log_softmax,
    "one_hot": _one_hot,
    "softmax_nll": _softmax_nll,
}
