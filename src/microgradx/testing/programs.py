"""`Program`: a small straight-line computation as data, to generate, to shrink and to print.

A program has inputs and steps; a step applies one primitive to earlier values. It runs on Tensors
like any function, and ``source()`` prints it as Python that a person can paste and run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.graph import Node, topological_order
from microgradx.primitive import PRIMITIVES
from microgradx.testing.spelling import literal, primitives_of, spelled

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
            texts.append(spelled(step, texts, prefix=""))
        return texts[-1]

    def _names(self) -> list[str]:
        short = "xyw"
        many = len(self.inputs) > len(short)
        return [f"x{i}" if many else short[i] for i in range(len(self.inputs))]

    def source(
        self, seed: int = 0, *, numbers: bool = False, exact: bool = False, options: str = ""
    ) -> str:
        """Print as runnable Python that checks this very program.

        Parameters
        ----------
        seed : int, optional
            Of the direction and the cotangent.
        numbers : bool, optional
            Whether the inputs are Python floats, so that it runs over Values.
        exact : bool, optional
            Whether to call primitives with parameters themselves, not the functions that do.
        options : str, optional
            More arguments for `gradcheck`, such as ``"order=2, "``.

        Returns
        -------
        str
            Imports, the function, its inputs and the call of `gradcheck`.
        """
        names = self._names()
        body = [f"def f({', '.join(names)}):"]
        texts = list(names)
        for number, step in enumerate(self.steps):
            text = spelled(step, texts, prefix="mg.", numbers=numbers, exact=exact)
            if number == len(self.steps) - 1:
                body.append(f"    return {text}")
            else:
                texts.append(f"t{number}")
                body.append(f"    t{number} = {text}")
        body += ["", ""]
        inputs = [float(x) for x in self.inputs] if numbers else self.inputs
        body += [f"{n} = {literal(x)}" for n, x in zip(names, inputs, strict=True)]
        body.append(f"gradcheck(f, {', '.join(names)}, {options}seed={seed})")
        text = "\n".join(body)
        needed = ["import numpy as np", ""] if "np." in text else []
        needed += ["import microgradx as mg"] if "mg." in text else []
        needed += primitives_of(self.steps, text)
        needed.append("from microgradx.testing import gradcheck")
        return "\n".join([*needed, "", "", text])

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


def program_of(root: Any, inputs: Sequence[Any]) -> Program:
    """Read the graph of a result back as a program.

    Parameters
    ----------
    root : Tensor or Value
        The result.
    inputs : sequence of Tensor or Value
        The leaves that become inputs; all other leaves become constants.

    Returns
    -------
    Program

    Raises
    ------
    UnsupportedError
        If the result depends on no input, or on an operation outside the table.
    """
    place = {id(x): i for i, x in enumerate(inputs)}
    steps: list[Step] = []
    constants: dict[int, Any] = {}
    for node in topological_order(root) if isinstance(root, Node) else ():
        if id(node) in place:
            continue
        op = node.op
        if op is None:
            data = node.data  # type: ignore[attr-defined]
            constants[id(node)] = np.array(data) if isinstance(data, np.ndarray) else data
            continue
        if PRIMITIVES.get(op.name) != op:
            raise UnsupportedError("program_of", f"{op.name} is not in the table of primitives")
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
        steps.append(Step(op.name, tuple(args), dict(node.params or {})))
    if not steps:
        raise UnsupportedError("program_of", "the result was not computed from the inputs")
    return Program(tuple([np.array(x.data) for x in inputs]), tuple(steps)).pruned()
