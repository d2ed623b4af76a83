"""The twin check: one program, several ways to run it, one answer.

The same program runs over Values, over Tensors, as a captured step, and (where it is rational)
over exact fractions. Values and gradients must agree: bit for bit with the fractions where those
are dyadic, and to a few units in the last place otherwise.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import MicrogradxError
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.testing.adapters import Tensors
from microgradx.testing.programs import Constant, Program
from microgradx.testing.reproduction import traced
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["TwinError", "check_twins"]

ULPS = 64  # `math` and NumPy differ by up to 2 ulp a step, and a step may amplify them


class TwinError(MicrogradxError, AssertionError):
    """Two ways to run one program that do not agree."""


Outcome = tuple[Any, list[Any]]


def _over_values(f: Callable[..., Any], inputs: Sequence[Any]) -> Outcome:
    leaves = [Value(float(x)) for x in inputs]
    z = f(*leaves)
    if isinstance(z, Value):
        z.backward()
    return getattr(z, "data", z), [x.grad for x in leaves]


def _over_fractions(f: Callable[..., Any], inputs: Sequence[Any]) -> Outcome:
    leaves = [Value(Fraction(float(x))) for x in inputs]
    z = f(*leaves)
    z.backward()
    return z.data, [x.grad for x in leaves]


def _over_tensors(f: Callable[..., Any], inputs: Sequence[Any]) -> Outcome:
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    with np.errstate(all="ignore"):
        z = f(*leaves)
        z.backward(np.ones(z.shape))
    return z.data, [np.zeros(x.shape) if x.grad is None else x.grad for x in leaves]


def _captured(f: Callable[..., Any], inputs: Sequence[Any]) -> Outcome:
    from microgradx import capture  # noqa: PLC0415 - only this twin needs it

    def step(*xs: Any) -> Any:
        z = f(*xs)
        z.backward(np.ones(z.shape))
        return (z, *[x.grad for x in xs])

    found = capture(step)(*[Tensor(x, requires_grad=True) for x in inputs])
    z, *gradients = [np.asarray(getattr(x, "data", x)) for x in found]
    return z, gradients


def _scalar(program: Program) -> bool:
    """Whether every step has a kernel on numbers, and numbers are all it is given."""
    constants = [a.data for s in program.steps for a in s.args if isinstance(a, Constant)]
    steps = all(PRIMITIVES[s.op].scalar is not None and not s.params for s in program.steps)
    return steps and all(np.ndim(x) == 0 for x in (*program.inputs, *constants))


RATIONAL = frozenset({"add", "mul", "sub", "neg", "square", "div", "maximum", "minimum", "relu"})


def _rational(program: Program) -> bool:
    constants = [a.data for s in program.steps for a in s.args if isinstance(a, Constant)]
    exact = all(isinstance(c, int | Fraction) for c in constants)
    return _scalar(program) and exact and all(s.op in RATIONAL for s in program.steps)


def check_twins(f: Callable[..., Any], *inputs: Any, captured: bool = False) -> list[str]:
    """Run a program in every way it can be run; all must agree in value and gradient.

    Parameters
    ----------
    f : callable
        A `Program`, or any function of microgradx.
    *inputs : array_like
        Where to run it; by default a program's own inputs. With numbers it runs over Values, too,
        if all that it does has a meaning there, and over fractions if that is rational.
    captured : bool, optional
        Whether to capture and replay it as well.

    Returns
    -------
    list of str
        The ways that were compared with Tensors.

    Raises
    ------
    TwinError
        With the program and both answers.

    Examples
    --------
    >>> check_twins(lambda x, y: (x * y + 1) / x, 0.5, 2.0)
    ['Value', 'Fraction']
    >>> check_twins(lambda x: x.tanh().sum(), [0.5, 2.0], captured=True)
    ['capture']
    """
    if isinstance(f, Program):
        inputs = inputs or f.inputs
    arrays = [np.asarray(x, float) for x in inputs]
    program = traced(f, arrays, range(len(arrays)), Tensors())
    ways: dict[str, Callable[[Callable[..., Any], Sequence[Any]], Outcome]] = {}
    if _scalar(program):
        ways["Value"] = _over_values
    if _rational(program):
        ways["Fraction"] = _over_fractions
    if captured:
        ways["capture"] = _captured
    z, gradients = _over_tensors(f, arrays)
    size = _amplification(program)
    for way, run in ways.items():
        other, others = run(f, arrays)
        _agree(program, way, "value", z, other, size)
        for i, (g, h) in enumerate(zip(gradients, others, strict=True)):
            _agree(program, way, f"gradient of input {i}", g, h, size)
    return list(ways)


def _amplification(program: Program) -> float:
    """The largest number on the way: rounding is relative to it, not to a small result."""
    return max(1.0, *(float(np.abs(v).max(initial=0)) for v in program.values()))


def _agree(program: Program, way: str, what: str, ours: Any, theirs: Any, size: float) -> None:
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(a), size**2) * len(program.steps)
        near = np.abs(a - b) <= ULPS * np.finfo(float).eps * scale
    if a.shape != b.shape or not np.all(near | (a == b) | (np.isnan(a) & np.isnan(b))):
        raise TwinError(
            "check_twins", f"the {what} is {a!s} over Tensors and {b!s} over {way} in {program!r}"
        )
