"""`Program`: a small straight-line computation as data, to generate, to shrink and to print.

A program has inputs and steps; a step applies one primitive to earlier values. It runs on Tensors
like any function, and ``source()`` prints it as Python that a person can paste and run.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.graph import Node, topological_order
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

__all__ = ["Constant", "Program", "Step", "at_kink", "program_of"]


@dataclass(frozen=True)
class Constant:
    """An argument that is a number or an array, not an earlier value."""

    data: Any


@dataclass(frozen=True)
class Step:
    """One primitive applied to earlier values.

    Attributes
    ----------
    op : str
        Name of the primitive.
    args : tuple of int or Constant
        Indices of earlier values (inputs first), and constants.
    params : dict
        Keyword parameters.
    """

    op: str
    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)

    def run(self, values: Sequence[Any]) -> Any:
        """Apply the primitive to nodes."""
        return PRIMITIVES[self.op](*self.chosen(values), **self.params)

    def evaluate(self, values: Sequence[Any]) -> Any:
        """Apply the array kernel."""
        with np.errstate(all="ignore"):
            return np.asarray(PRIMITIVES[self.op].array(*self.chosen(values), **self.params))

    def chosen(self, values: Sequence[Any]) -> list[Any]:
        """The arguments themselves."""
        return [a.data if isinstance(a, Constant) else values[a] for a in self.args]


@dataclass(frozen=True)
class Program:
    """Inputs, steps, and the last value as the result.

    Attributes
    ----------
    inputs : tuple of ndarray
        Where the program was found to fail, or was drawn.
    steps : tuple of Step
        In order of execution.

    Examples
    --------
    >>> import numpy as np
    >>> p = Program((np.array([2.0]),), (Step("mul", (0, 0)), Step("tanh", (1,))))
    >>> print(p.expression())
    tanh(x * x)
    """

    inputs: tuple[Array, ...]
    steps: tuple[Step, ...]

    __name__ = "program"

    def __call__(self, *tensors: Any) -> Any:
        """Run on Tensors; the result is the last value."""
        values = list(tensors)
        values.extend(self._results(values, "run"))
        return values[-1]

    def reference(self, *arrays: Any) -> Any:
        """Run the array kernels alone, without the engine."""
        return self.values(arrays)[-1]

    def values(self, inputs: Sequence[Any] | None = None) -> list[Any]:
        """All values in order, as arrays."""
        values = list(self.inputs if inputs is None else inputs)
        values.extend(self._results(values, "evaluate"))
        return values

    def _results(self, values: list[Any], how: str) -> list[Any]:
        found = list(values)
        for step in self.steps:
            found.append(getattr(step, how)(found))
        return found[len(values) :]

    def pruned(self) -> Program:
        """Leave out the inputs and steps that the result does not depend on."""
        first = len(self.inputs)
        live = {first + len(self.steps) - 1}
        for place in range(first + len(self.steps) - 1, first - 1, -1):
            if place in live:
                live |= {a for a in self.steps[place - first].args if not isinstance(a, Constant)}
        kept = sorted(live)
        new = {old: place for place, old in enumerate(kept)}
        steps = [
            replace(step, args=tuple([a if isinstance(a, Constant) else new[a] for a in step.args]))
            for place, step in enumerate(self.steps, first)
            if place in live
        ]
        return Program(tuple([self.inputs[i] for i in kept if i < first]), tuple(steps))

    def expression(self) -> str:
        """The result as one formula over ``x``, ``y``, ``w``; for short names."""
        texts = self._names()
        for step in self.steps:
            texts.append(_spelled(step, texts, prefix=""))
        return texts[-1]

    def _names(self) -> list[str]:
        short = "xyw"
        many = len(self.inputs) > len(short)
        return [f"x{i}" if many else short[i] for i in range(len(self.inputs))]

    def source(self, seed: int = 0) -> str:
        """Print as runnable Python that checks this very program.

        Parameters
        ----------
        seed : int, optional
            Of the direction and the cotangent.

        Returns
        -------
        str
            Imports, the function, its inputs and the call of `gradcheck`.
        """
        names = self._names()
        lines = ["import numpy as np", "", "import microgradx as mg",
                 "from microgradx.testing import gradcheck", "", ""]  # fmt: skip
        lines.append(f"def f({', '.join(names)}):")
        texts = list(names)
        for number, step in enumerate(self.steps):
            spelled = _spelled(step, texts, prefix="mg.")
            if number == len(self.steps) - 1:
                lines.append(f"    return {spelled}")
            else:
                texts.append(f"t{number}")
                lines.append(f"    t{number} = {spelled}")
        if not self.steps:
            lines.append(f"    return {texts[-1]}")
        lines += ["", ""]
        lines += [f"{n} = {literal(x)}" for n, x in zip(names, self.inputs, strict=True)]
        lines.append(f"gradcheck(f, {', '.join(names)}, seed={seed})")
        return "\n".join(lines)

    def __repr__(self) -> str:
        shapes = ", ".join(
            f"{n}: {x.tolist()}" for n, x in zip(self._names(), self.inputs, strict=True)
        )
        return f"<program {self.expression()} at {shapes}>"


def at_kink(step: Step, values: Sequence[Any]) -> bool:
    """Whether a step is evaluated where its primitive has no derivative.

    One such step is fine: the rule gives a slope between the one-sided ones. Two of them composed
    need not: ``maximum(minimum(x, y), x)`` is x, yet at a tie the shares multiply to 3/4.

    Parameters
    ----------
    step : Step
        The step.
    values : sequence of ndarray
        The earlier values.

    Returns
    -------
    bool
    """
    args = step.chosen(values)
    if step.op in {"relu", "leaky_relu", "abs", "sign"}:
        return bool(np.any(args[0] == 0))
    if step.op in {"maximum", "minimum"}:
        return step.args[0] != step.args[1] and bool(np.any(np.equal(*args)))
    if step.op in {"max", "min"}:
        axis = step.params.get("axis")
        top = PRIMITIVES[step.op].array(args[0], axis=axis, keepdims=True)
        return bool(np.any(np.sum(args[0] == top, axis=axis) > 1))
    return False


def literal(x: Any) -> str:
    """Python source of an array, a number, an index or a tuple of them."""
    if isinstance(x, np.ndarray):
        body = np.array2string(x, separator=", ", floatmode="unique", threshold=10**9)
        body = " ".join(body.split())
        if x.dtype in (np.float64, np.bool_):
            return f"np.array({body})"
        return f"np.array({body}, dtype=np.{x.dtype.name})"
    if isinstance(x, np.generic):
        return repr(x.item())
    if isinstance(x, tuple):
        return f"({', '.join(literal(item) for item in x)}{',' if len(x) == 1 else ''})"
    if isinstance(x, np.dtype):
        return f"np.{x.name}"
    return repr(x)


INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "pow": "**",
         "greater": ">", "less": "<"}  # fmt: skip
PLAIN_CALLS = frozenset({
    "sum", "max", "min", "logsumexp", "softmax", "log_softmax", "reshape", "transpose",
    "broadcast_to", "leaky_relu",
})  # fmt: skip


def _spelled(step: Step, texts: Sequence[str], *, prefix: str) -> str:
    """One step as a person would write it."""
    args = [literal(a.data) if isinstance(a, Constant) else texts[a] for a in step.args]
    if step.op in INFIX and not step.params and len(args) == 2:
        return f"{_atom(args[0])} {INFIX[step.op]} {_atom(args[1])}"
    if step.op == "neg":
        return f"-{_atom(args[0])}"
    if step.op == "getitem":
        return f"{_atom(args[0])}[{literal(step.params['index'])}]"
    if step.op in {"concatenate", "stack"}:
        return f"{prefix}{step.op}([{', '.join(args)}], axis={step.params['axis']})"
    shown = [*args, *(f"{k}={literal(v)}" for k, v in step.params.items())]
    if step.op in {"reshape", "transpose"}:
        shown = [*args, *(literal(v) for v in step.params.values())]
    if step.op in PLAIN_CALLS or (not step.params and step.op in _public()):
        return f"{prefix}{step.op}({', '.join(shown)})"
    call = f"PRIMITIVES[{step.op!r}]" if prefix else step.op
    return f"{prefix}{call}({', '.join(shown)})"


@functools.cache
def _public() -> frozenset[str]:
    """The primitives that ``microgradx`` offers under their own names."""
    import microgradx  # noqa: PLC0415 - the package is still being imported when this module is

    return frozenset(n for n, op in PRIMITIVES.items() if getattr(microgradx, n, None) is op)


def _atom(text: str) -> str:
    """The text in parentheses, unless it is a name, a number or a call."""
    call = text.endswith(")") and text[0].isalpha() and text.count("(") == 1
    return text if text.replace(".", "").isalnum() or call else f"({text})"


def program_of(root: Any, inputs: Sequence[Any]) -> Program:
    """Read the graph of a result back as a program.

    Parameters
    ----------
    root : Tensor
        The result.
    inputs : sequence of Tensor
        The leaves that become inputs; all other leaves become constants.

    Returns
    -------
    Program

    Raises
    ------
    UnsupportedError
        If the result depends on no input.
    """
    place = {id(x): i for i, x in enumerate(inputs)}
    steps: list[Step] = []
    constants: dict[int, Any] = {}
    for node in topological_order(root):
        if id(node) in place:
            continue
        if node.op is None:
            constants[id(node)] = np.array(node.data)  # type: ignore[attr-defined]
            continue
        args: list[Any] = []
        for parent in node.parents:
            if id(parent) in place:
                args.append(place[id(parent)])
            elif isinstance(parent, Node):
                args.append(Constant(constants[id(parent)]))
            else:
                args.append(
                    Constant(np.array(parent) if isinstance(parent, np.ndarray) else parent)
                )
        place[id(node)] = len(inputs) + len(steps)
        steps.append(Step(node.op.name, tuple(args), dict(node.params or {})))
    if not steps:
        raise UnsupportedError("program_of", "the result was not computed from the inputs")
    arrays = [np.array(x.data) for x in inputs if isinstance(x, Tensor)]
    return Program(tuple(arrays), tuple(steps)).pruned()
