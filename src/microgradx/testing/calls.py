"""Generated calls of one primitive: inputs and parameters, drawn from any source of choices.

A recipe draws through a `Source`. Random numbers are one source (`Dice`: the laws use it), and
hypothesis is another (`strategies`), so that both draw from the same space. The first choice is
always the simplest: that is what makes examples shrink.
"""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from microgradx.errors import PrimitiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from microgradx.primitive import Primitive

    Array = NDArray[Any]

__all__ = ["RECIPES", "Dice", "OpCall", "Source", "draw_array", "draw_call", "draw_shapes"]

T = TypeVar("T")
Shape = tuple[int, ...]

GRID = 8  # elements are multiples of 1/8: ties, zeros and exact sums are then frequent
MAX_SIDE = 4
FEW = 4  # so many of ten arrays hold whole numbers only


class Source(Protocol):
    """Where choices come from."""

    def integer(self, low: int, high: int) -> int:
        """An integer in ``[low, high]``; `low` is the simplest."""

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`; the first is the simplest."""

    def grid(self, shape: Shape, low: int, high: int) -> Array:
        """Integers in ``[low, high]``; the nearest to zero are the simplest."""


class Dice:
    """Choices by a seeded random generator.

    Parameters
    ----------
    seed : int
        The same seed makes the same choices.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def integer(self, low: int, high: int) -> int:
        """An integer in ``[low, high]``."""
        return int(self._rng.integers(low, high + 1))

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`."""
        return options[self.integer(0, len(options) - 1)]

    def grid(self, shape: Shape, low: int, high: int) -> Array:
        """Integers in ``[low, high]``: all of them, few of them (zeros and ties), or only one."""
        kind = self.integer(0, 9)
        if kind == 0:
            return np.full(shape, self.integer(low, high))
        if kind <= FEW and high - low >= 2 * GRID:
            return GRID * self._rng.integers(-(-low // GRID), high // GRID + 1, shape)
        return self._rng.integers(low, high + 1, shape)


@dataclass(frozen=True)
class OpCall:
    """One call of a primitive.

    Attributes
    ----------
    op : Primitive
        What is called.
    inputs : tuple
        Floating arrays are differentiated; Python numbers and other arrays are constants.
    params : dict
        Keyword parameters.
    """

    op: Primitive
    inputs: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def __call__(self, *inputs: Any) -> Any:
        """Call the primitive on other inputs: nodes, arrays or numbers."""
        return self.op(*inputs, **self.params)

    @property
    def __name__(self) -> str:
        names = ["xyw"[i : i + 1] or "." for i in range(len(self.inputs))]
        names += [f"{key}={value!r}" for key, value in self.params.items()]
        return f"{self.op.name}({', '.join(names)})"

    def reference(self, *inputs: Any) -> Any:
        """The array kernel alone, without the engine."""
        return self.op.array(
            *(np.asarray(x) if isinstance(x, float) else x for x in inputs), **self.params
        )


# ---- shapes and elements ------------------------------------------------------------------------
def draw_shape(source: Source, low: int = 0, high: int = 3) -> Shape:
    """Draw the shape of one array with `low` to `high` axes."""
    ndim = source.choice([n for n in (low, 1, 2, 0, 3) if low <= n <= high])
    return tuple([source.integer(1, MAX_SIDE) for _ in range(ndim)])


def draw_shapes(source: Source, count: int) -> tuple[list[Shape], Shape]:
    """Draw `count` shapes that broadcast together, and the shape of the result."""
    result = draw_shape(source)
    shapes = []
    for _ in range(count):
        kept = result[source.choice([0, 0, *range(len(result) + 1)]) :]
        shapes.append(tuple([1 if source.integer(0, 3) == 3 else n for n in kept]))
    return shapes, np.broadcast_shapes(*shapes)


def draw_array(source: Source, shape: Shape, low: float, high: float) -> Array:
    """Draw float64 elements on a grid of 1/8 within the range; 0 is among them if it may be."""
    first, last = math.ceil(low * GRID), math.floor(high * GRID)
    if first > last:
        return np.full(shape, (low + high) / 2)
    return np.asarray(source.grid(shape, first, last) / GRID)


SCALES = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0**-12, 2.0**-4, 2.0**5, 2.0**9)


def _sampled(source: Source, op: Primitive, shapes: Sequence[Shape]) -> list[Array]:
    """Arrays from the ranges of the primitive's own row; a variadic one repeats its last."""
    ranges = list(op.sample) or [(-6.0, 6.0)]
    ranges += [ranges[-1]] * (len(shapes) - len(ranges))
    drawn = []
    for shape, (low, high) in zip(shapes, ranges, strict=False):
        scale = source.choice(SCALES)
        array = draw_array(source, shape, low, high)
        around_zero = low < 0 < high
        if (scale < 1 and low < 0.1 < high) or (around_zero and op.kind in {"linear", "bilinear"}):
            array = array * scale
        drawn.append(np.asarray(array))
    return drawn


# ---- recipes ------------------------------------------------------------------------------------
def _axis(source: Source, ndim: int) -> tuple[int, ...] | None:
    """Normalised, as the table's rows receive them: sorted and not negative."""
    if ndim == 0:
        return source.choice([None, ()])
    kind = source.choice(["one", "all", "some"])
    if kind == "all":
        return None
    if kind == "one":
        return (source.integer(0, ndim - 1),)
    return tuple([i for i in range(ndim) if source.integer(0, 1)]) or (0,)


def _reduced(shape: Shape, axis: tuple[int, ...] | None, *, keepdims: bool) -> Shape:
    axes = range(len(shape)) if axis is None else axis
    if keepdims:
        return tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return tuple([n for i, n in enumerate(shape) if i not in axes])


def _elementwise(source: Source, op: Primitive) -> OpCall:
    count = len(op.sample)
    shapes, _ = draw_shapes(source, count)
    inputs: list[Any] = list(_sampled(source, op, shapes))
    if count == 2 and source.integer(0, 4) == 4:
        # A Python number is a constant with kernels of its own.
        place = source.integer(0, 1)
        inputs[place] = inputs[place].flat[0].item()
    return OpCall(op, tuple(inputs))


def _power(source: Source, op: Primitive) -> OpCall:
    if source.integer(0, 1) and op.name != "power_log":  # whose bases are positive
        exponent = source.choice([2, 1, 3, 0, -1, 0.5, 2.0, -2.0, 4])
        whole = float(exponent).is_integer()
        high = source.choice([6.0, 1.0])  # the narrow range holds 0 often, where powers go wrong
        low = -high if whole and exponent >= 0 else 0.25
        return OpCall(op, (draw_array(source, draw_shape(source), low, high), exponent))
    if source.integer(0, 1):
        return _elementwise(source, op)
    # Steep powers, of moderate bases.
    shapes, _ = draw_shapes(source, 2)
    return OpCall(
        op, (draw_array(source, shapes[0], 0.25, 3.0), draw_array(source, shapes[1], -6.0, 6.0))
    )


def _reduction(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    params: dict[str, Any] = {"axis": _axis(source, len(shape))}
    if "keepdims" in _parameters(op):
        params["keepdims"] = bool(source.integer(0, 1))
    return OpCall(op, tuple(_sampled(source, op, [shape])), params)


def _scan(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source, 1)
    params = {"axis": source.integer(0, len(shape) - 1)}
    return OpCall(op, tuple(_sampled(source, op, [shape])), params)


def _expand(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    axis, keepdims = _axis(source, len(shape)), bool(source.integer(0, 1))
    reduced = _reduced(shape, axis, keepdims=keepdims)
    params = {"shape": shape, "axis": axis, "keepdims": keepdims}
    return OpCall(op, tuple(_sampled(source, op, [reduced])), params)


def _unbroadcast(source: Source, op: Primitive) -> OpCall:
    (small,), _ = draw_shapes(source, 1)
    wide = tuple([source.integer(1, 3) if n == 1 else n for n in small])
    wide = tuple([source.integer(1, 3) for _ in range(source.integer(0, 1))]) + wide
    given, shape = (wide, small) if op.name == "unbroadcast" else (small, wide)
    return OpCall(op, tuple(_sampled(source, op, [given])), {"shape": shape})


def _reshape(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    size = math.prod(shape)
    options = [(size,), (1, size), (size, 1), shape[::-1]]
    options += [(d, size // d) for d in range(2, size) if size % d == 0]
    return OpCall(op, tuple(_sampled(source, op, [shape])), {"shape": source.choice(options)})


def _transpose(source: Source, op: Primitive) -> OpCall:
    # Three axes and more: a 3-cycle is not its own inverse, as every swap is.
    shape = tuple([source.integer(1, 3) for _ in range(source.choice([2, 3, 1, 4, 0]))])
    left = list(range(len(shape)))
    axes = tuple([left.pop(source.integer(0, len(left) - 1)) for _ in shape])
    return OpCall(op, tuple(_sampled(source, op, [shape])), {"axes": axes})


def _matrices(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source, 2)
    return OpCall(op, tuple(_sampled(source, op, [shape])))


def _matmul(source: Source, op: Primitive) -> OpCall:
    m, k, n = (source.integer(1, 3) for _ in range(3))
    left: Shape = (m, k)
    right: Shape = (k, n)
    if source.integer(0, 1):
        batch, _ = draw_shapes(source, 2)
        left, right = batch[0] + left, batch[1] + right
    return OpCall(op, tuple(_sampled(source, op, [left, right])))


def _linear(source: Source, op: Primitive) -> OpCall:
    rows, size, out = (source.integer(1, 3) for _ in range(3))
    return OpCall(op, tuple(_sampled(source, op, [(rows, size), (out, size), (out,)])))


def _linear_slope(source: Source, op: Primitive) -> OpCall:
    rows, size, out = (source.integer(1, 3) for _ in range(3))
    g, x, w = _sampled(source, op, [(rows, out), (rows, size), (out, size)])
    return OpCall(op, (g, x, source.choice([w, np.asfortranarray(w)])))


def draw_index(source: Source, shape: Shape) -> Any:
    """Draw an index: integers, slices, None, Ellipsis; integer arrays with repeats; masks."""
    kind = source.choice(["basic", "integers", "mask"])
    if kind == "mask":
        return source.grid(shape, 0, 1).astype(bool)
    if kind == "integers" and shape:
        count = source.integer(1, 3)
        lead = [slice(None)] * source.integer(0, len(shape) - 1)
        n = shape[len(lead)]
        return (*lead, source.grid((count,), -n, n - 1).astype(np.intp))
    parts: list[Any] = []
    for n in shape:
        part = source.choice(["all", "one", "slice", "reversed"])
        if part == "one":
            parts.append(source.integer(-n, n - 1))
        elif part == "slice":
            parts.append(slice(source.integer(0, n), None, source.choice([None, 2])))
        else:
            parts.append(slice(None, None, -1 if part == "reversed" else None))
    extra = source.choice(["nothing", "new axis", "ellipsis"])
    if extra == "new axis":
        parts.insert(source.integer(0, len(parts)), None)
    elif extra == "ellipsis":
        parts.append(Ellipsis)
    return tuple(parts)


def _getitem(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    index = draw_index(source, shape)
    return OpCall(op, tuple(_sampled(source, op, [shape])), {"index": index})


def _put(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    index = draw_index(source, shape)
    taken = np.zeros(shape)[index].shape
    params = {"shape": shape, "index": index}
    return OpCall(op, tuple(_sampled(source, op, [taken])), params)


def _concatenate(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source, 1)
    axis = source.integer(0, len(shape) - 1)
    sizes = [source.integer(1, 3) for _ in range(source.integer(1, 3))]
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in sizes]
    ends = np.cumsum(sizes).tolist()
    index = [
        (*[slice(None)] * axis, slice(end - n, end)) for n, end in zip(sizes, ends, strict=True)
    ]
    return OpCall(op, tuple(_sampled(source, op, shapes)), {"axis": axis, "index": tuple(index)})


def _stack(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    axis, count = source.integer(0, len(shape)), source.integer(1, 3)
    index = tuple([(*[slice(None)] * axis, i) for i in range(count)])
    return OpCall(op, tuple(_sampled(source, op, [shape] * count)), {"axis": axis, "index": index})


def _where(source: Source, op: Primitive) -> OpCall:
    shapes, _ = draw_shapes(source, 3)
    _, x, y = _sampled(source, op, shapes)
    condition = source.grid(shapes[0], 0, 1).astype(bool)
    return OpCall(op, (condition, x, y))


def _clip(source: Source, op: Primitive) -> OpCall:
    x = draw_array(source, draw_shape(source), -6.0, 6.0)
    low = source.choice([-2.0, None, 0.0])
    high = source.choice([2.0, None, 3.5])
    return OpCall(op, (x, low, high))


def _classes(source: Source, op: Primitive) -> OpCall:
    rows, classes = source.integer(1, 4), source.integer(1, 4)
    labels = source.grid((rows,), 0, classes - 1).astype(np.intp)
    return OpCall(op, (draw_array(source, (rows, classes), -6.0, 6.0), labels))


def _modulus(source: Source, op: Primitive) -> OpCall:
    shapes, _ = draw_shapes(source, 2)
    x, y = draw_array(source, shapes[0], -6.0, 6.0), draw_array(source, shapes[1], 0.5, 6.0)
    return OpCall(op, (x, np.asarray(y * source.choice([1.0, -1.0]))))


def _product(source: Source, op: Primitive) -> OpCall:
    shape = draw_shape(source)
    x = draw_array(source, shape, 0.25, 6.0) * (1 - 2 * source.grid(shape, 0, 1))
    params = {"axis": _axis(source, len(shape)), "keepdims": bool(source.integer(0, 1))}
    return OpCall(op, (np.asarray(x, float),), params)


def _polar(source: Source, op: Primitive) -> OpCall:
    shapes, _ = draw_shapes(source, 2)
    place = source.integer(0, 1)  # one of the two may be 0, and both of any sign
    drawn = [draw_array(source, shape, -6.0, 6.0) for shape in shapes]
    sign = 1 - 2 * source.grid(shapes[place], 0, 1)
    drawn[place] = np.asarray(draw_array(source, shapes[place], 0.25, 6.0) * sign, float)
    return OpCall(op, tuple(drawn))


def _one_hot(source: Source, op: Primitive) -> OpCall:
    call = _classes(source, op)
    scores, labels = call.inputs
    return OpCall(op, (labels,), {"like": scores.dtype, "classes": scores.shape[1]})


def _winners(source: Source, op: Primitive) -> OpCall:
    x = draw_array(source, draw_shape(source), -1.0, 1.0)
    axis, keepdims = _axis(source, x.ndim), bool(source.integer(0, 1))
    top = np.asarray(x.max(axis=axis, keepdims=keepdims))
    return OpCall(op, (x, top), {"axis": axis, "keepdims": keepdims})


def _leaky(source: Source, op: Primitive) -> OpCall:
    shapes, _ = draw_shapes(source, 2)
    x, slope = _sampled(source, op, shapes)
    wide = draw_array(source, shapes[1], -6.0, 6.0)
    return OpCall(op, (x, source.choice([0.01, slope, wide])))


def _dot(source: Source, op: Primitive) -> OpCall:
    count = 1 + 2 * source.integer(1, 3)
    shapes: list[Shape] = [()] * count if source.integer(0, 1) else [draw_shape(source)] * count
    return OpCall(op, tuple(_sampled(source, op, shapes)))


def _total(source: Source, op: Primitive) -> OpCall:
    # Its one rule hands `g` to everyone, so inputs have one shape (a sum of nodes, not broadcast).
    shape, count = draw_shape(source), source.integer(1, 4)
    return OpCall(op, tuple(_sampled(source, op, [shape] * count)))


def _astype(source: Source, op: Primitive) -> OpCall:
    return OpCall(
        op, tuple(_sampled(source, op, [draw_shape(source)])), {"dtype": np.dtype(np.float64)}
    )


RECIPES: dict[str, Callable[[Source, Primitive], OpCall]] = {
    "pow": _power,
    "power_slope": _power,
    "power_log": _power,
    "sum": _reduction,
    "max": _reduction,
    "min": _reduction,
    "prod": _product,
    "polar": _polar,
    "softmax": _reduction,
    "log_softmax": _reduction,
    "logsumexp": _reduction,
    "cumsum": _scan,
    "cumprod": _scan,
    "expand": _expand,
    "unbroadcast": _unbroadcast,
    "broadcast_to": _unbroadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "swap": _matrices,
    "matmul": _matmul,
    "linear": _linear,
    "linear_slope": _linear_slope,
    "getitem": _getitem,
    "put": _put,
    "concatenate": _concatenate,
    "stack": _stack,
    "where": _where,
    "clip": _clip,
    "inside": _clip,
    "leaky_relu": _leaky,
    "mod": _modulus,
    "fmod": _modulus,
    "one_hot": _one_hot,
    "winners": _winners,
    "softmax_nll": _classes,
    "total": _total,
    "dot": _dot,
    "astype": _astype,
}
"""How to draw a call of a primitive that takes parameters or wants special inputs, by name.

Primitives without an entry are drawn elementwise from their own ``sample``. Add an entry for a
primitive of your own: ``RECIPES["mine"] = recipe``.
"""


def _parameters(op: Primitive) -> set[str]:
    """The keyword-only parameters of a primitive's rules."""
    found: set[str] = set()
    for rule in (*op.vjps, op.each):
        if rule is not None:
            kinds = inspect.signature(rule).parameters.values()
            found |= {p.name for p in kinds if p.kind is p.KEYWORD_ONLY}
    return found


def draw_call(source: Source, op: Primitive) -> OpCall:
    """Draw one call of `op`.

    Parameters
    ----------
    source : Source
        Where choices come from, such as ``Dice(seed)``.
    op : Primitive
        What to call.

    Returns
    -------
    OpCall

    Raises
    ------
    PrimitiveError
        If the primitive takes parameters and `RECIPES` has no entry for it.
    """
    recipe = RECIPES.get(op.name)
    if recipe is not None:
        return recipe(source, op)
    if _parameters(op) or not op.sample:
        raise PrimitiveError(
            f"Primitive {op.name!r}",
            f"no recipe draws its parameters {sorted(_parameters(op))} or inputs",
            f'Add one: microgradx.testing.RECIPES["{op.name}"] = lambda source, op: OpCall(...)',
        )
    return _elementwise(source, op)


from microgradx.testing import recipes as _recipes  # noqa: E402, F401 - it fills RECIPES, from above
