"""A fourth arithmetic for rules: each operation writes an instruction.

`Operand` stands for an array of the program. Kernels and vjp rules are read with the names in
`KERNELS` (see `primitive.over`); what they compute becomes NumPy calls into working memory, and
the last call writes to where the result is wanted.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import CaptureError
from microgradx.primitive import PRIMITIVES, over

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.capture.program import View
    from microgradx.capture.scalar_memory import Memory

__all__ = ["KERNELS", "Operand", "forward", "pull", "rule_text"]


class Operand:
    """An array of the program, with operators that write instructions."""

    __slots__ = ("fresh", "kind", "memory", "view")

    __array_ufunc__ = None

    def __init__(
        self, memory: Memory, view: View, kind: str = "float64", *, fresh: bool = False
    ) -> None:
        self.memory, self.view, self.kind, self.fresh = memory, view, kind, fresh

    def __add__(self, y: Any) -> Any:
        return call("add", self, y)

    def __radd__(self, x: Any) -> Any:
        return call("add", x, self)

    def __sub__(self, y: Any) -> Any:
        return call("subtract", self, y)

    def __rsub__(self, x: Any) -> Any:
        return call("subtract", x, self)

    def __mul__(self, y: Any) -> Any:
        return call("multiply", self, y)

    def __rmul__(self, x: Any) -> Any:
        return call("multiply", x, self)

    def __truediv__(self, y: Any) -> Any:
        return call("divide", self, y)

    def __rtruediv__(self, x: Any) -> Any:
        return call("divide", x, self)

    def __neg__(self) -> Any:
        return call("negative", self)

    def __pow__(self, y: Any) -> Any:
        return power(self, y)

    def __rpow__(self, x: Any) -> Any:
        return call("power", x, self)


def call(function: str, *xs: Any, kind: str = "float64", **keywords: Any) -> Any:
    """Write one ufunc call into working memory."""
    first = next(x for x in xs if isinstance(x, Operand))
    memory = first.memory
    shape = np.broadcast_shapes(*[x.view.shape for x in xs if isinstance(x, Operand)])
    out = memory.work(shape, kind)
    arguments = [x.view if isinstance(x, Operand) else memory.constant(x) for x in xs]
    memory.emit(function, *arguments, out, out=out, **keywords)
    return Operand(memory, out, kind, fresh=True)


def _compare(function: str) -> Callable[..., Any]:
    return lambda x, y: call(function, x, y, kind="bool")


def _ufunc(function: str) -> Callable[..., Any]:
    return lambda *xs: call(function, *xs)


def power(x: Any, y: Any) -> Any:
    """x ** y, with cheaper calls for the exponents people write."""
    if isinstance(y, Operand) or not isinstance(x, Operand):
        return call("power", x, y)
    if y == 2:
        return call("multiply", x, x)
    if y == -1:
        return call("reciprocal", x)
    if y == 0.5:
        return call("sqrt", x)
    if y == -0.5:
        return call("reciprocal", call("sqrt", x))
    if y == 3:
        return x * (x * x)
    if y == 1:
        return call("positive", x)
    return call("power", x, y)


def _power_slope(x: Any, y: Any) -> Any:
    if isinstance(y, Operand):
        z = y * call("power", x, y - 1)
        return _overwrite(z, 0.0, call("equal", y, 0.0, kind="bool"))
    if y in (0, 1):
        return call("multiply", x, 0.0) + y if y == 0 else _full(x, 1.0)
    return power(x, y - 1) * y if y != 2 else x * 2.0


def _full(like: Any, number: float) -> Any:
    out = like.memory.work(like.view.shape)
    like.memory.emit("copyto", out, number, out=out)
    return Operand(like.memory, out, fresh=True)


def _overwrite(z: Any, number: Any, where: Any) -> Any:
    """`z` with `number` written where the mask says; z must be fresh."""
    number = number.view if isinstance(number, Operand) else number
    z.memory.emit("copyto", z.view, number, out=z.view, where=where.view)
    z.fresh = False  # more than one call writes it, so it cannot be redirected
    return z


def _power_log(x: Any, y: Any) -> Any:
    base = x if isinstance(x, Operand) else _full(y, float(x))
    z = call("power", x, y) * call("log", base)
    at_zero = call("equal", base, 0.0, kind="bool")
    whole = call("greater_equal", y, 0.0, kind="bool") if isinstance(y, Operand) else None
    mask = call("logical_and", at_zero, whole, kind="bool") if whole else at_zero
    return _overwrite(z, 0.0, mask)


def _where(c: Any, x: Any, y: Any) -> Any:
    like = next(a for a in (c, x, y) if isinstance(a, Operand))
    out = like.memory.work(
        np.broadcast_shapes(*[a.view.shape for a in (c, x, y) if isinstance(a, Operand)])
    )
    z = Operand(like.memory, out, fresh=True)
    if not isinstance(c, Operand):
        c = _full(like, float(c))
    chosen = c if c.kind == "bool" else call("not_equal", c, 0.0, kind="bool")
    like.memory.emit("copyto", out, y.view if isinstance(y, Operand) else y, out=out)
    return _overwrite(z, x, chosen)


def _ratio(x: Any, y: Any) -> Any:
    like = y if isinstance(y, Operand) else x
    shape = np.broadcast_shapes(*[a.view.shape for a in (x, y) if isinstance(a, Operand)])
    out = like.memory.work(shape)
    like.memory.emit("copyto", out, 0.0, out=out)
    mask = call("not_equal", y, 0.0, kind="bool")
    views = [a.view if isinstance(a, Operand) else a for a in (x, y)]
    like.memory.emit("divide", *views, out, out=out, where=mask.view)
    return Operand(like.memory, out)


def _share(x: Any, y: Any) -> Any:
    return call("greater", x, y, kind="bool") + call("equal", x, y, kind="bool") * 0.5


def _inside(x: Any, low: Any, high: Any) -> Any:
    above = None if low is None else call("greater_equal", x, low, kind="bool")
    below = None if high is None else call("less_equal", x, high, kind="bool")
    if above is None or below is None:
        return _full(x, 1.0) if above is below else above or below
    return call("logical_and", above, below, kind="bool")


def _clip(x: Any, low: Any, high: Any) -> Any:
    z = x if low is None else call("maximum", x, low)
    z = z if high is None else call("minimum", z, high)
    return call("positive", x) if z is x else z


def _sigmoid(x: Any) -> Any:
    # e^min(x, 0) / (1 + e^-|x|): exact to rounding on both sides.
    below = call("exp", call("negative", call("absolute", x)))
    return call("exp", call("minimum", x, 0.0)) / (below + 1.0)


def _softplus(x: Any) -> Any:
    return call("log1p", call("exp", call("negative", call("absolute", x)))) + call(
        "maximum", x, 0.0
    )


KERNELS: dict[str, Callable[..., Any]] = {
    "relu": lambda x: call("maximum", x, 0.0),
    "leaky_relu": lambda x, slope: call("minimum", x, 0.0) * slope + call("maximum", x, 0.0),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "pow": power,
    "power_slope": _power_slope,
    "power_log": _power_log,
    "where": _where,
    "ratio": _ratio,
    "share": _share,
    "inside": _inside,
    "clip": _clip,
    "square": lambda x: call("multiply", x, x),
}
"""Primitive name -> what writes its instructions; single NumPy functions are added on demand."""
for _name in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"):
    KERNELS[_name] = _compare(_name)


class _Names(dict[str, Any]):
    """`KERNELS`, with primitives that are one NumPy function looked up when first named."""

    def __missing__(self, name: str) -> Any:
        kernel = PRIMITIVES[name].array
        if isinstance(kernel, np.ufunc) and getattr(np, kernel.__name__, None) is kernel:
            self[name] = _ufunc(kernel.__name__)
        else:
            self[name] = _ufunc(f"primitives.{name}")
        return self[name]


def kernel(name: str) -> Callable[..., Any]:
    """What writes the instructions of a primitive."""
    found: Callable[..., Any] = _NAMES[name]
    return found


_NAMES = _Names(KERNELS)


@functools.cache
def _reading(rule: Callable[..., Any]) -> Callable[..., Any]:
    # A function's globals must be a plain dict, so the names it may look up are laid out first.
    for name in rule.__code__.co_names:
        if name in PRIMITIVES:
            kernel(name)
    return over(dict(_NAMES), rule)


def _finish(memory: Memory, result: Any, out: View, note: str) -> None:
    """Let the last call write to `out`; copy if there is no such call."""
    if isinstance(result, Operand):
        last = memory.instructions[-1] if memory.instructions else None
        if (
            result.fresh
            and last is not None
            and last.writes == result.view
            and result.kind == "float64"
        ):
            memory.instructions[-1] = last.redirected(last.writes, out, note=note)
            return
        memory.emit(
            "positive" if result.kind == "float64" else "copyto",
            *_copy(result, out),
            out=out,
            note=note,
        )
        return
    memory.emit("copyto", out, float(result), out=out, note=note)


def _copy(source: Operand, out: View) -> tuple[View, View]:
    return (source.view, out) if source.kind == "float64" else (out, source.view)


def forward(memory: Memory, name: str, inputs: Sequence[Any], out: View, note: str) -> None:
    """Write the instructions of a primitive's kernel."""
    _finish(memory, kernel(name)(*inputs), out, note)


def pull(
    memory: Memory, name: str, index: int, g: Any, z: Any, inputs: Sequence[Any], out: View
) -> None:
    """Write the instructions of a vjp rule: the cotangent of input `index` goes to `out`."""
    primitive = PRIMITIVES[name]
    rule = primitive.vjps[index]
    if rule is None:
        raise CaptureError(
            "capture", f"{name} has no derivative in input {index}", "Keep it a constant"
        )
    result = _reading(rule)(g, z, *inputs)
    literal = not isinstance(inputs[-1], Operand) and isinstance(inputs[-1], float)
    # 0 * inf can only come from a singularity; whole powers from 1 upwards have none.
    smooth = name == "pow" and literal and inputs[-1] >= 1 and inputs[-1] == int(inputs[-1])
    if not primitive.guards or smooth:
        _finish(memory, result, out, f"{name}: {_text(rule, index)}")
        return
    _finish(memory, result, out, f"{name}: {_text(rule, index)}")
    zero = memory.zeros_of(g.view, out.shape)
    memory.emit("copyto", out, 0.0, out=out, where=zero, note="an exact 0 stays 0")


def rule_text(primitive: Any, index: int) -> str:
    """The rule of a primitive's input `index`, as it stands in the table."""
    rule = primitive.each if primitive.each is not None else primitive.vjps[index]
    return "" if rule is None else _text(rule, index)


@functools.cache
def _text(rule: Callable[..., Any], index: int) -> str:
    """The body of a rule, as it stands in the table."""
    code = rule.__code__
    try:
        lines, _ = inspect.getsourcelines(rule)
    except (OSError, TypeError):
        return f"rule {index}"
    spans = [p for p in code.co_positions() if p[0] == p[1] == code.co_firstlineno and p[2]]
    if not spans:
        return f"rule {index}"
    start, end = min(p[2] or 0 for p in spans), max(p[3] or 0 for p in spans)
    return lines[0].encode()[start:end].decode()
