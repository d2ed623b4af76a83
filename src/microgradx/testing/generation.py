"""Random programs, drawn so that nearly all of them are worth checking.

Each step is evaluated as soon as it is drawn, so its arguments can be chosen to fit: shapes that
broadcast, values inside domains, results that are finite. Whether there is one more step is drawn
step by step; a number of steps drawn first would not shrink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.primitive import PRIMITIVES
from microgradx.testing.calls import draw_array, draw_index
from microgradx.testing.programs import Constant, Program, Step, at_kink

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from microgradx.testing.calls import Source

__all__ = ["VOCABULARY", "draw_graph", "draw_program", "draw_scalar_program"]

BINARY = ("add", "mul", "sub", "maximum", "minimum", "div")
UNARY = ("neg", "tanh", "relu", "abs", "square", "exp", "sigmoid", "sin", "softplus", "log", "sqrt")
REDUCTIONS = ("sum", "max", "logsumexp")
LARGEST = 1e3


def _fits(x: Any, y: Any) -> bool:
    try:
        np.broadcast_shapes(np.shape(x), np.shape(y))
    except ValueError:
        return False
    return True


def _binary(source: Source, name: str, values: Sequence[Any], i: int) -> Step | None:
    partners = [j for j in range(len(values) - 1, -1, -1) if _fits(values[i], values[j])]
    j = source.choice(partners)
    if name == "div" and np.min(np.abs(values[j])) < 0.1:
        return None
    return Step(name, (i, j))


def _unary(_: Source, name: str, values: Sequence[Any], i: int) -> Step | None:
    if name in {"log", "sqrt"} and np.min(values[i]) < 0.05:
        return None
    return Step(name, (i,))


def _reduction(source: Source, name: str, values: Sequence[Any], i: int) -> Step:
    ndim = values[i].ndim
    axis = None
    if ndim and source.integer(0, 1):
        axis = tuple([k for k in range(ndim) if source.integer(0, 1)]) or (ndim - 1,)
    return Step(name, (i,), {"axis": axis, "keepdims": bool(source.integer(0, 1))})


def _where(source: Source, name: str, values: Sequence[Any], i: int) -> Step:
    partners = [j for j in range(len(values) - 1, -1, -1) if _fits(values[i], values[j])]
    j = source.choice(partners)
    shape = np.broadcast_shapes(values[i].shape, values[j].shape)
    return Step(name, (Constant(source.grid(shape, 0, 1).astype(bool)), i, j))


def _softmax(source: Source, name: str, values: Sequence[Any], i: int) -> Step | None:
    if not values[i].ndim:
        return None
    return Step(name, (i,), {"axis": (source.integer(0, values[i].ndim - 1),)})


def _reshape(source: Source, name: str, values: Sequence[Any], i: int) -> Step:
    size = values[i].size
    return Step(name, (i,), {"shape": source.choice([(size,), (1, size), values[i].shape[::-1]])})


def _transpose(source: Source, name: str, values: Sequence[Any], i: int) -> Step:
    left = list(range(values[i].ndim))
    axes = tuple([left.pop(source.integer(0, len(left) - 1)) for _ in range(values[i].ndim)])
    return Step(name, (i,), {"axes": axes})


def _getitem(source: Source, name: str, values: Sequence[Any], i: int) -> Step:
    return Step(name, (i,), {"index": draw_index(source, values[i].shape)})


def _concatenate(source: Source, name: str, values: Sequence[Any], i: int) -> Step | None:
    x = values[i]
    if not x.ndim:
        return None
    axis = source.integer(0, x.ndim - 1)

    def rest(y: Any) -> tuple[int, ...]:
        return (y.ndim, *y.shape[:axis], *y.shape[axis + 1 :])

    j = source.choice([j for j in range(len(values) - 1, -1, -1) if rest(values[j]) == rest(x)])
    n, total = x.shape[axis], x.shape[axis] + values[j].shape[axis]
    lead = (slice(None),) * axis
    index = ((*lead, slice(0, n)), (*lead, slice(n, total)))
    return Step(name, (i, j), {"axis": axis, "index": index})


def _matmul(source: Source, name: str, values: Sequence[Any], i: int) -> Step | None:
    x = values[i]
    if x.ndim != 2:
        return None
    partners = [
        j for j in range(len(values) - 1, -1, -1)
        if values[j].ndim == 2 and values[j].shape[0] == x.shape[1]
    ]  # fmt: skip
    return Step(name, (i, source.choice(partners))) if partners else None


def _power(source: Source, name: str, _: Sequence[Any], i: int) -> Step:
    return Step(name, (i, Constant(source.choice([2, 3]))))


VOCABULARY: dict[str, Callable[[Source, str, Sequence[Any], int], Step | None]] = {
    **dict.fromkeys(BINARY, _binary),
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(REDUCTIONS, _reduction),
    "where": _where,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "reshape": _reshape,
    "transpose": _transpose,
    "getitem": _getitem,
    "concatenate": _concatenate,
    "matmul": _matmul,
    "pow": _power,
}
"""Primitive name -> how a program draws a step of it, or finds that none fits here."""


def draw_program(
    source: Source,
    *,
    max_inputs: int = 3,
    max_steps: int = 6,
    ops: Collection[str] | None = None,
) -> Program:
    """Draw a program over arrays.

    Parameters
    ----------
    source : Source
        Where choices come from, such as ``Dice(seed)``.
    max_inputs, max_steps : int, optional
        Its size.
    ops : collection of str, optional
        Names from `VOCABULARY`; all of them by default.

    Returns
    -------
    Program
        With at least one step, whose values are finite and below 1000.
    """
    names = [name for name in VOCABULARY if ops is None or name in ops]
    shapes = _input_shapes(source, source.integer(1, max_inputs))
    inputs = [draw_array(source, shape, -3.0, 3.0) for shape in shapes]
    values: list[Any] = list(inputs)
    steps: list[Step] = []
    for attempt in range(max_steps):
        if attempt and not source.integer(0, 3):
            break
        i = _recent(source, values)
        name = source.choice(names)
        _extend(VOCABULARY[name](source, name, values, i), values, steps)
    if not steps:
        steps.append(Step("neg", (len(values) - 1,)))
    return Program(tuple(inputs), tuple(steps)).pruned()


def _input_shapes(source: Source, count: int) -> list[tuple[int, ...]]:
    """Shapes that broadcast together, most of them equal, with two axes more often than none."""
    whole = tuple([source.integer(1, 3) for _ in range(source.choice([2, 1, 0, 3, 2]))])
    shapes = []
    for _ in range(count):
        kept = whole[source.choice([0, 0, 0, *range(len(whole) + 1)]) :]
        # None, some or all axes of length 1: a sum over one axis is not a sum over two.
        ones = source.choice(["none", "some", "all", "none"])
        shapes.append(
            tuple(
                [
                    1 if ones == "all" or (ones == "some" and source.integer(0, 1)) else n
                    for n in kept
                ]
            )
        )
    return shapes


def _recent(source: Source, values: Sequence[Any]) -> int:
    """Mostly the newest value, or else most of a program would be pruned away."""
    last = len(values) - 1
    back: int = source.choice([0, 0, *range(len(values))])
    return last - back


def _extend(step: Step | None, values: list[Any], steps: list[Step]) -> None:
    if step is None:
        return
    if at_kink(step, values) and any(
        at_kink(s, values) for s in steps
    ):  # two kinks at once have no slope that a composition of rules could be held to
        return
    z = step.evaluate(values)
    if z.size and np.isfinite(z).all() and np.abs(z).max() <= LARGEST:
        values.append(z)
        steps.append(step)


def draw_graph(source: Source, *, max_steps: int = 8) -> Program:
    """Draw a graph rather than a chain: cheap steps, much sharing, every loose end summed.

    Orders of visit, fan-out and accumulation go wrong here first.

    Parameters
    ----------
    source : Source
        Where choices come from.
    max_steps : int, optional
        Steps before the summation.

    Returns
    -------
    Program
    """
    shape = source.choice([(), (2,), (1, 2)])
    count = source.integer(1, 2)
    inputs = [draw_array(source, shape, -2.0, 2.0) for _ in range(count)]
    values: list[Any] = list(inputs)
    steps: list[Step] = []
    for attempt in range(max_steps):
        if attempt > 1 and not source.integer(0, 4):
            break
        name = source.choice(["add", "mul", "sub", "tanh", "neg", "square"])
        i, j = (len(values) - 1 - source.integer(0, len(values) - 1) for _ in range(2))
        args = (i, j) if name in {"add", "mul", "sub"} else (i,)
        _extend(Step(name, args), values, steps)
    used = {a for step in steps for a in step.args}
    loose = [k for k in range(len(values)) if k not in used and k >= len(inputs)]
    total = loose[0] if loose else len(values) - 1
    for k in loose[1:]:
        _extend(Step("add", (total, k)), values, steps)
        total = len(values) - 1
    return Program(tuple(inputs), tuple(steps)).pruned()


RATIONAL = ("add", "mul", "sub", "neg", "square", "div", "maximum")
SCALAR = (*RATIONAL, "tanh", "relu", "abs", "exp", "sigmoid", "sin", "log", "sqrt", "softplus")


def draw_scalar_program(source: Source, *, max_steps: int = 8, rational: bool = False) -> Program:
    """Draw a program over numbers, which runs on Values as well as on Tensors.

    Parameters
    ----------
    source : Source
        Where choices come from.
    max_steps : int, optional
        Its size.
    rational : bool, optional
        Only operations that keep fractions exact.

    Returns
    -------
    Program
        Its inputs have shape ``()``.
    """
    names = [n for n in (RATIONAL if rational else SCALAR) if n in PRIMITIVES]
    inputs = [draw_array(source, (), -3.0, 3.0) for _ in range(source.integer(1, 3))]
    values: list[Any] = list(inputs)
    steps: list[Step] = []
    for attempt in range(max_steps):
        if attempt and not source.integer(0, 4):
            break
        i = _recent(source, values)
        name = source.choice(names)
        _extend(VOCABULARY[name](source, name, values, i), values, steps)
    if not steps:
        steps.append(Step("neg", (len(values) - 1,)))
    return Program(tuple(inputs), tuple(steps)).pruned()
