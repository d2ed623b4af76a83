"""Shrink a failing program to a small one that fails in the same way: delta debugging [1]_.

Every round tries simplifications, largest first: cut the tail, skip a step, start from an
intermediate value, merge inputs, drop axes and rows, drop parameters, round numbers. The first
that still fails in the same way is kept and the rounds start over.

References
----------
.. [1] A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE
   Transactions on Software Engineering 28(2), 2002.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ShapeError
from microgradx.testing.checking import gradcheck
from microgradx.testing.programs import Constant, Program, Step, at_kink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["failure_of", "reduce_program"]

GRID = 8


def failure_of(program: Program, seed: int = 0) -> str:
    """The class of a program's gradient failure.

    Parameters
    ----------
    program : Program
        What to check.
    seed : int, optional
        Of direction and cotangent.

    Returns
    -------
    str
        The report's ``kind``; empty if the gradient is right.
    """
    try:
        report = gradcheck(
            program, *program.inputs, adapter="microgradx", seed=seed, raises=False,
            reference=program.reference,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - a backward pass that raises is wrong as well
        return type(error).__name__
    return report.kind if report.status == "failed" else ""


def reduce_program(
    program: Program, fails: Callable[[Program], str] | None = None, *, most: int = 1500
) -> tuple[Program, int]:
    """Shrink a failing program, keeping the way it fails.

    Parameters
    ----------
    program : Program
        A program for which `fails` says something.
    fails : callable, optional
        Maps a program to its class of failure, or to an empty string; by default `failure_of`.
    most : int, optional
        Calls of `fails` to spend.

    Returns
    -------
    program : Program
        The smallest found.
    checks : int
        Calls of `fails` spent.

    Examples
    --------
    >>> steps = (Step("exp", (0,)), Step("tanh", (1,)), Step("neg", (2,)))
    >>> long = Program((np.ones((2, 3)),), steps)
    >>> short, _ = reduce_program(long, lambda p: "tanh" if "tanh" in repr(p) else "")
    >>> short.expression(), short.inputs[0].shape
    ('tanh(x)', ())
    """
    fails = fails or failure_of
    program = program.pruned()
    kind, checks = fails(program), 1
    if not kind:
        return program, checks
    smaller = True
    while smaller and checks < most:
        smaller = False
        for candidate in _simplifications(program):
            repaired = _repaired(candidate)
            if repaired is None or _size(repaired) >= _size(program):
                continue
            checks += 1
            if fails(repaired) == kind:
                program, smaller = repaired, True
                break
            if checks >= most:
                break
    return program, checks


def _size(program: Program) -> tuple[float, ...]:
    """What "smaller" means: steps, inputs, elements, parameters, numbers that are easy to say."""
    inputs = program.inputs
    return (
        len(program.steps),
        len(inputs),
        sum(x.size for x in inputs),
        sum(x.ndim for x in inputs),
        sum(_weight(step) for step in program.steps),
        sum(len(repr(v)) for x in inputs for v in x.ravel().tolist()),
        sum(abs(v) for x in inputs for v in x.ravel().tolist()),
    )


def _weight(step: Step) -> int:
    sizes = [np.size(a.data) for a in step.args if isinstance(a, Constant)]
    plain = sum(v not in (None, False, ()) for v in step.params.values() if np.ndim(v) == 0)
    return sum(sizes) + plain + len(repr(step.params))


def _repaired(program: Program) -> Program | None:
    """Make parameters fit the shapes again; None if the program cannot run to finite numbers."""
    inputs = tuple([np.asarray(x) for x in program.inputs])
    values: list[Any] = list(inputs)
    steps = []
    try:
        for step in program.steps:
            fitted = _fitted(step, values)
            steps.append(fitted)
            values.append(fitted.evaluate(values))
    except Exception:  # noqa: BLE001 - a candidate that cannot run is no candidate
        return None
    if sum(at_kink(step, values) for step in steps) > 1:
        return None  # right programs, too, fail there
    if not steps or not np.size(values[-1]) or not all(np.isfinite(v).all() for v in values):
        return None
    return Program(inputs, tuple(steps)).pruned()


def _fitted(step: Step, values: list[Any]) -> Step:
    arrays = [np.asarray(a) for a in step.chosen(values)]
    params = dict(step.params)
    shape = arrays[0].shape
    if step.op == "matmul" and min(a.ndim for a in arrays) < 2:
        raise ShapeError("matmul", "the primitive multiplies matrices", "Use two axes at least")
    if step.op == "reshape" and np.prod(params["shape"], dtype=int) != arrays[0].size:
        params["shape"] = (arrays[0].size,)
    elif step.op == "transpose" and len(params["axes"]) != len(shape):
        params["axes"] = tuple(reversed(range(len(shape))))
    elif step.op == "broadcast_to" and len(params["shape"]) < len(shape):
        params["shape"] = shape
    elif isinstance(params.get("axis"), tuple):
        params["axis"] = tuple([a for a in params["axis"] if a < len(shape)])
    elif step.op == "getitem":
        params["index"] = _index_within(params["index"], shape)
    step = replace(step, params=params)
    if step.op == "where" and isinstance(step.args[0], Constant):
        around = np.broadcast_shapes(arrays[1].shape, arrays[2].shape)
        mask = np.asarray(step.args[0].data)
        if mask.ndim > len(around):
            mask = mask[(0,) * (mask.ndim - len(around))]
        mask = mask[tuple(slice(0, n) for n in around[len(around) - mask.ndim :])]
        step = replace(step, args=(Constant(mask), *step.args[1:]))
    return step


def _index_within(index: Any, shape: tuple[int, ...]) -> Any:
    """Clip integer arrays to the axis they index; leave the rest to NumPy."""
    parts = list(index) if isinstance(index, tuple) else [index]
    while len([p for p in parts if p is not None and p is not Ellipsis]) > len(shape):
        parts.pop(0)
    fitted: list[Any] = []
    for place, part in enumerate(parts):
        if isinstance(part, np.ndarray) and part.dtype.kind == "i" and place < len(shape):
            fitted.append(np.clip(part, -shape[place], shape[place] - 1))
        elif isinstance(part, int) and place < len(shape):
            fitted.append(max(-shape[place], min(part, shape[place] - 1)))
        else:
            fitted.append(part)
    return tuple(fitted)


def _simplifications(p: Program) -> Iterator[Program]:
    yield from _shorter(p)
    yield from _merged(p)
    yield from _narrower(p)
    yield from _plainer_steps(p)
    yield from _plainer_numbers(p)


def _redirected(steps: tuple[Step, ...], old: int, new: int) -> tuple[Step, ...]:
    """The steps with every use of value `old` replaced by value `new`."""
    return tuple([replace(s, args=tuple([new if a == old else a for a in s.args])) for s in steps])


def _shorter(p: Program) -> Iterator[Program]:
    first, last = len(p.inputs), len(p.steps) - 1
    for k in range(last):
        yield Program(p.inputs, p.steps[: k + 1])
    for k, step in enumerate(p.steps):
        earlier = [a for a in step.args if not isinstance(a, Constant)]
        if k == last:
            # Skipping the last step makes one of its arguments the result.
            for a in earlier:
                if a >= first:
                    yield Program(p.inputs, p.steps[: a - first + 1])
            continue
        for a in (*earlier, *range(first + k)):
            yield Program(p.inputs, _redirected(p.steps, first + k, a))
    values = p.values()
    for k in range(last):
        # Start from an intermediate value instead of computing it.
        fresh = np.round(values[first + k] * GRID) / GRID
        steps = []
        for step in (*p.steps[:k], *p.steps[k + 1 :]):
            args = [
                a if isinstance(a, Constant) or a < first
                else first if a == first + k
                else a + (1 if a < first + k else 0)
                for a in step.args
            ]  # fmt: skip
            steps.append(replace(step, args=tuple(args)))
        yield Program((*p.inputs, fresh), tuple(steps))


def _merged(p: Program) -> Iterator[Program]:
    for i, x in enumerate(p.inputs):
        for j, y in enumerate(p.inputs):
            if i != j and x.shape == y.shape:
                yield Program(p.inputs, _redirected(p.steps, i, j))


def _narrower(p: Program) -> Iterator[Program]:
    deepest = max((x.ndim for x in p.inputs), default=0)
    if deepest:
        # Drop the leading axis everywhere it is the leading one, and the trailing one likewise.
        yield replace(p, inputs=tuple([x[0] if x.ndim == deepest else x for x in p.inputs]))
        yield replace(p, inputs=tuple([x[..., 0] if x.ndim else x for x in p.inputs]))
    lengths = sorted({n for x in p.inputs for n in x.shape if n > 1}, reverse=True)
    for n in lengths:
        for fewer in dict.fromkeys((1, n // 2, n - 1)):
            if 0 < fewer < n:
                yield replace(p, inputs=tuple([_cut(x, n, fewer) for x in p.inputs]))
    for i, x in enumerate(p.inputs):
        for axis, n in enumerate(x.shape):
            yield _with_input(p, i, np.take(x, 0, axis=axis))
            if n > 1:
                yield _with_input(p, i, np.take(x, range(n - 1), axis=axis))


def _cut(x: Array, length: int, fewer: int) -> Array:
    return x[tuple(slice(0, fewer) if n == length else slice(None) for n in x.shape)]


def _with_input(p: Program, i: int, x: Array) -> Program:
    return replace(p, inputs=(*p.inputs[:i], np.asarray(x), *p.inputs[i + 1 :]))


def _plainer_steps(p: Program) -> Iterator[Program]:
    for k, step in enumerate(p.steps):
        for changed in _plainer(step):
            yield Program(p.inputs, (*p.steps[:k], changed, *p.steps[k + 1 :]))


def _plainer(step: Step) -> Iterator[Step]:
    for key, value in step.params.items():
        plain: list[Any] = []
        if key == "axis" and isinstance(value, tuple):
            plain = [None, *[(a,) for a in value], (0,)]
        elif key == "keepdims":
            plain = [False]
        elif key == "index":
            plain = list(_plainer_indices(value))
        elif key == "shape" and step.op == "reshape":
            plain = [(int(np.prod(value, dtype=int)),)]
        for new in plain:
            yield replace(step, params={**step.params, key: new})
    for place, a in enumerate(step.args):
        if isinstance(a, Constant) and np.ndim(a.data):
            corner = np.asarray(a.data)[0]
            yield replace(
                step, args=(*step.args[:place], Constant(corner), *step.args[place + 1 :])
            )


def _plainer_indices(index: Any) -> Iterator[Any]:
    parts = index if isinstance(index, tuple) else (index,)
    for place, part in enumerate(parts):
        yield (*parts[:place], *parts[place + 1 :])
        if isinstance(part, np.ndarray) and part.size > 1:
            yield (*parts[:place], part[1:], *parts[place + 1 :])
            yield (*parts[:place], part[:-1], *parts[place + 1 :])
        if isinstance(part, np.ndarray) and part.dtype.kind == "i" and part.any():
            yield (*parts[:place], np.zeros_like(part), *parts[place + 1 :])


def _plainer_numbers(p: Program) -> Iterator[Program]:
    for i, x in enumerate(p.inputs):
        counted = (np.arange(x.size) + 1.0).reshape(x.shape)
        for new in (np.zeros_like(x), np.ones_like(x), 2 * np.ones_like(x), counted, np.round(x)):
            if not np.array_equal(new, x):
                yield _with_input(p, i, new)
    for i, x in enumerate(p.inputs):
        for place in np.ndindex(x.shape):
            for number in (0.0, 1.0, float(np.round(x[place]))):
                if x[place] != number:
                    changed = x.copy()
                    changed[place] = number
                    yield _with_input(p, i, changed)
