"""Shrink what fails to something small that fails in the same way: delta debugging [1]_.

Every round tries simplifications of a program, largest first: cut the tail, skip a step, start from
an intermediate value, merge inputs or hold them fixed, drop axes and rows, drop parameters, round
numbers. The first that still fails in the same way is kept and the rounds start over. Of functions
that cannot be looked into, the inputs alone are made smaller.

References
----------
.. [1] A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE
   Transactions on Software Engineering 28(2), 2002.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from microgradx.errors import ShapeError
from microgradx.testing.checking import check_vjp, gradcheck
from microgradx.testing.narrowing import extent, narrower, narrowings, plainer_numbers
from microgradx.testing.programs import Constant, Program, Step, at_kink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from microgradx.testing.narrowing import Array, Change, Inputs

__all__ = ["failure_of", "reduce_inputs", "reduce_program"]

GRID = 8
PATIENCE = 20.0  # seconds: somebody waits for the message that this is part of


def failure_of(
    f: Callable[..., Any],
    *inputs: Any,
    seed: int = 0,
    vjp: Callable[..., Any] | None = None,
    **options: Any,
) -> str:
    """The class of a gradient failure.

    Parameters
    ----------
    f : callable
        What to check; a `Program` alone is checked at its own inputs, as a function of arrays.
    *inputs : array_like
        Where to check.
    seed : int, optional
        Of direction and cotangent.
    vjp : callable, optional
        Checks the pair with `check_vjp`.
    **options : object
        For the check.

    Returns
    -------
    str
        The report's ``kind``; empty if the gradient is right.
    """
    if isinstance(f, Program):
        inputs = inputs or f.inputs
        options = {"adapter": "microgradx", "reference": f.reference, **options}
    try:
        if vjp is not None:
            report = check_vjp(f, vjp, *inputs, seed=seed, raises=False, **options)
        else:
            report = gradcheck(f, *inputs, seed=seed, raises=False, **options)
    except Exception as error:  # noqa: BLE001 - a backward pass that raises is wrong as well
        return type(error).__name__
    return report.kind if report.status == "failed" else ""


T = TypeVar("T")


def _shrunk(
    start: T,
    kind: str,
    smaller: Callable[[T], Iterator[T]],
    fails: Callable[[T], str],
    most: int,
) -> tuple[T, int]:
    """Take the first smaller one that fails in the same way, as long as there is one."""
    checks, found, end = 1, True, monotonic() + PATIENCE
    while found:
        found = False
        for candidate in smaller(start):
            if checks >= most or monotonic() > end:
                return start, checks
            checks += 1
            if fails(candidate) == kind:
                start, found = candidate, True
                break
    return start, checks


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
    kind = fails(program)
    if not kind:
        return program, 1

    def smaller(p: Program) -> Iterator[Program]:
        size = _size(p)
        for candidate in _simplifications(p):
            repaired = _repaired(candidate)
            if repaired is not None and _size(repaired) < size:
                yield repaired

    return _shrunk(program, kind, smaller, fails, most)


def reduce_inputs(
    inputs: Sequence[Any], fails: Callable[[Inputs], str], *, most: int = 300
) -> tuple[Inputs, int]:
    """Shrink the inputs of a failing function that cannot be looked into.

    Parameters
    ----------
    inputs : sequence
        Arrays and constants for which `fails` says something; only arrays are changed.
    fails : callable
        Maps a tuple of inputs to its class of failure, or to an empty string.
    most : int, optional
        Calls of `fails` to spend.

    Returns
    -------
    inputs : tuple
        The smallest found.
    checks : int
        Calls of `fails` spent.

    Examples
    --------
    >>> wrong = lambda inputs: "sign" if inputs[0].min() < 0 else ""
    >>> reduce_inputs([np.array([[1.5, -2.25], [0.0, 3.0]])], wrong)[0]
    (array(-2.),)
    """
    start = tuple(inputs)
    kind = fails(start)
    if not kind:
        return start, 1

    def smaller(xs: Inputs) -> Iterator[Inputs]:
        size = extent(xs)
        for candidate in itertools.chain(narrower(xs), plainer_numbers(xs)):
            if extent(candidate) < size:
                yield candidate

    return _shrunk(start, kind, smaller, fails, most)


def _size(program: Program) -> tuple[float, ...]:
    """What "smaller" means: steps, inputs, elements, parameters, numbers that are easy to say."""
    elements, axes, *numbers = extent(program.inputs)
    weight = sum(_weight(step) for step in program.steps)
    return (len(program.steps), len(program.inputs), elements, axes, weight, *numbers)


def _weight(step: Step) -> int:
    data = [a.data for a in step.args if isinstance(a, Constant)]
    numbers = sum(np.size(x) + (len(repr(x)) if np.ndim(x) == 0 else 0) for x in data)
    plain = sum(isinstance(v, bool | int | float) and bool(v) for v in step.params.values())
    return len(step.args) + numbers + plain + len(repr(step.params))


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
    elif step.op == "concatenate":
        ends = np.cumsum([a.shape[params["axis"]] for a in arrays]).tolist()
        lead = (slice(None),) * params["axis"]
        params["index"] = tuple([(*lead, slice(a, b)) for a, b in itertools.pairwise([0, *ends])])
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
    for shorter in _shorter(p):
        yield from _varied(shorter)
    yield from _merged(p)
    yield from _held(p)
    for change in narrowings(_arrays(p)):
        yield replace(p, inputs=tuple([change(x) for x in p.inputs]))
        yield _everywhere(p, change)
    for inputs in narrower(p.inputs):
        yield replace(p, inputs=inputs)
    yield from _plainer_steps(p)
    for inputs in plainer_numbers(p.inputs):
        yield replace(p, inputs=inputs)


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


def _varied(p: Program) -> Iterator[Program]:
    """One step of two operands changed: for bugs of the walk, which a shorter program may hide.

    Which of two uses comes first decides whether a wrong order of visits shows; and what was a
    strange factor may be a whole number without the steps that were left out, and so another
    class of failure, unless something else than a sum is left.
    """
    for k, step in enumerate(p.steps):
        if len(step.args) != 2 or step.params:
            continue
        a, b = step.args
        changed = [Step("exp", (a,))] if a == b else [replace(step, args=(b, a))]
        if a != b and step.op in {"add", "sub"}:
            changed.append(replace(step, op="mul"))
        for other in changed:
            yield Program(p.inputs, (*p.steps[:k], other, *p.steps[k + 1 :]))


def _held(p: Program) -> Iterator[Program]:
    """Hold an input fixed instead of differentiating it: as a number where that fits."""
    for i, x in enumerate(p.inputs if len(p.inputs) > 1 else ()):
        for number in (0.0, 1.0):
            fixed = Constant(np.full_like(x, number) if x.ndim else number)
            steps = [
                replace(s, args=tuple([fixed if a == i else a for a in s.args])) for s in p.steps
            ]
            yield Program(p.inputs, tuple(steps))


def _merged(p: Program) -> Iterator[Program]:
    for i, x in enumerate(p.inputs):
        for j, y in enumerate(p.inputs):
            if i != j and x.shape == y.shape:
                yield Program(p.inputs, _redirected(p.steps, i, j))


def _arrays(p: Program) -> list[Array]:
    """The inputs, and the arrays among constants and indices."""
    inside: list[Any] = [a.data for s in p.steps for a in s.args if isinstance(a, Constant)]
    for step in p.steps:
        index = step.params.get("index")
        inside += index if isinstance(index, tuple) else [index]
    return [*p.inputs, *(x for x in inside if isinstance(x, np.ndarray))]


def _everywhere(p: Program, change: Change) -> Program:
    """The same change of all those arrays: rows of inputs, constants and labels go together."""

    def changed(step: Step) -> Step:
        args = [Constant(change(a.data)) if isinstance(a, Constant) else a for a in step.args]
        params = dict(step.params)
        if step.op == "getitem" and isinstance(params["index"], tuple):
            params["index"] = tuple([change(part) for part in params["index"]])
        return replace(step, args=tuple(args), params=params)

    return Program(tuple([change(x) for x in p.inputs]), tuple([changed(s) for s in p.steps]))


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
    if step.op == "total" and len(step.args) > 2:
        for place in range(len(step.args)):
            yield replace(step, args=(*step.args[:place], *step.args[place + 1 :]))
    if step.op == "dot" and len(step.args) > 3:
        bias, pairs = step.args[0], len(step.args) // 2
        for place in range(pairs):
            kept = [k for k in range(pairs) if k != place]
            ws, xs = [step.args[1 + k] for k in kept], [step.args[1 + pairs + k] for k in kept]
            yield replace(step, args=(bias, *ws, *xs))
    for place, a in enumerate(step.args):
        for new in _plainer_constants(a.data) if isinstance(a, Constant) else ():
            yield replace(step, args=(*step.args[:place], Constant(new), *step.args[place + 1 :]))


def _plainer_constants(x: Any) -> Iterator[Any]:
    if isinstance(x, np.ndarray) and x.ndim:
        yield x[0]
    elif isinstance(x, float):
        yield from (1.0, 2.0, float(np.round(x)))
    elif isinstance(x, np.ndarray) and x.dtype.kind == "f":
        yield float(x)


def _plainer_indices(index: Any) -> Iterator[Any]:
    parts = index if isinstance(index, tuple) else (index,)
    for place, part in enumerate(parts):
        yield (*parts[:place], *parts[place + 1 :])
        if isinstance(part, np.ndarray) and part.size > 1:
            yield (*parts[:place], part[1:], *parts[place + 1 :])
            yield (*parts[:place], part[:-1], *parts[place + 1 :])
        if isinstance(part, np.ndarray) and part.dtype.kind == "i" and part.any():
            yield (*parts[:place], np.zeros_like(part), *parts[place + 1 :])
