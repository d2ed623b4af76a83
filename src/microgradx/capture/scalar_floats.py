"""Scalar programs as plain Python: for graphs too narrow to be worth NumPy calls.

A NumPy call costs as much as a dozen operations on Python floats. Where the levels of a step hold
only a few numbers each (a recurrence, one small formula), the step is written out as one
straight-line function of floats, backward pass and update included.
"""

from __future__ import annotations

import inspect
import keyword
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from microgradx.capture.columns import COTANGENT, OPERATION, Columns
from microgradx.capture.instructing import rule_text
from microgradx.capture.program import Buffer, Program, View, contiguous
from microgradx.capture.scalar_text import Text, is_variable, kernel_text, number, rule_as_text
from microgradx.ops import floats
from microgradx.primitive import FLOAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FloatProgram", "plan_floats", "worth_floats"]

NARROW = 8
"""Numbers in a group from which one NumPy call beats as many operations on floats."""
WIDEST = 6
"""Terms in a line."""
LONGEST = 100_000
"""Operations beyond which compiling the text would take too long."""


def worth_floats(operations: int, groups: int) -> bool:
    """Whether a step of so many operations in so many groups is better off as plain Python."""
    return operations < NARROW * groups and operations <= LONGEST


# ---- writing a step ------------------------------------------------------------------------------
class Line(NamedTuple):
    """One assignment."""

    target: str
    expression: str
    phase: str
    note: str


class _Writer:
    def __init__(self, c: Columns) -> None:
        self.c = c
        self.start, self.parent = c.start.tolist(), c.parent.tolist()
        self.kind, self.code = c.kind.tolist(), c.code.tolist()
        self.number = c.number.tolist()
        self.lines: list[Line] = []
        self.phase = "forward"
        self.name: dict[int, Any] = {}
        self.taken: set[str] = {*FLOAT, *_EXACT, "step", "build", "state", "div", "np", "math"}
        self.labels: dict[int, str] = {}
        self.cotangent: dict[int, tuple[int, int]] = {}
        self.pulled: dict[int, dict[int, Any]] = {}
        for k, event in enumerate(c.events):
            for node, leaf in event.wanted.items():
                self.cotangent[leaf] = k, node

    def label(self, node: int, usual: str) -> str:
        """A variable's name: the user's where there is one."""
        found = self.labels.get(node)
        if found is None:
            wish = self.c.names.get(node, usual)
            wish = wish if wish.isidentifier() and not keyword.iskeyword(wish) else usual
            found = wish if wish not in self.taken else usual
            self.taken.add(found)
            self.labels[node] = found
        return found

    def read(self, node: int) -> Any:
        """What stands for a node: its variable, or its number."""
        found = self.name.get(node)
        if found is None:
            value = self.c.value[node]
            found = self.name[node] = Text(number(value)) if node >= 0 else None
        return found

    def inputs(self, i: int) -> list[Any]:
        """What stands for a node's parents; exponents stay numbers, so that rules can see them."""
        parents = self.parent[self.start[i] : self.start[i + 1]]
        found = [None if p < 0 else self.read(p) for p in parents]
        if self.c.ops[self.code[i]].name == "pow" and self.kind[parents[1]] not in {0, 1, 2, 4}:
            found[1] = float(self.c.value[parents[1]])
        return found

    def assign(self, target: str, expression: Any, note: str) -> Text:
        """Write one line."""
        text = number(expression)
        if text.startswith("(") and _closes_last(text):
            text = text[1:-1]
        self.lines.append(Line(target, text, self.phase, note))
        return Text(target)

    def assign_sum(self, target: str, terms: Sequence[tuple[Any, str]]) -> Text:
        """Write a sum, a few terms a line: Python cannot read thousands in one."""
        for k in range(0, len(terms), WIDEST):
            few = terms[k : k + WIDEST]
            before = [target] if k else []
            text = " + ".join([*before, *[number(term) for term, _ in few]])
            note = ", ".join(dict.fromkeys([note for _, note in few if note]))
            self.assign(target, Text(text), note)
        return Text(target)

    def operation(self, i: int) -> None:
        """Write a node's kernel."""
        op = self.c.ops[self.code[i]]
        inputs, target = self.inputs(i), self.label(i, f"z{i}")
        if op.name in {"total", "dot"}:
            terms = inputs
            if op.name == "dot":
                half = (len(inputs) + 1) // 2
                pairs = zip(inputs[1:half], inputs[half:], strict=True)
                terms = [inputs[0], *[w * x for w, x in pairs]]
            self.name[i] = self.assign_sum(target, [(term, op.name) for term in terms])
            return
        self.name[i] = self.assign(target, kernel_text(op.name)(*inputs), op.name)

    def leaf(self, i: int) -> None:
        """A cotangent that is read: write its event's backward pass first."""
        k, node = self.cotangent[i]
        if k not in self.pulled:
            before, self.phase = self.phase, "backward"
            self.pulled[k] = self.backward(k)
            self.phase = "update" if k == len(self.c.events) - 1 else before
        self.name[i] = self.pulled[k].get(node, Text("0.0"))

    def backward(self, k: int) -> dict[int, Any]:
        """Write one backward pass; returns what stands for each node's cotangent."""
        event = self.c.events[k]
        active = self._active(k)
        terms: dict[int, list[tuple[Any, str]]] = {}
        found: dict[int, Any] = {}
        if event.root in active:
            terms[event.root] = [(self.read(event.seed), "seed")]
        for i in sorted(active, reverse=True):
            shares = terms.get(i)
            if not shares:
                continue
            g = shares[0][0]
            if len(shares) > 1 or not (is_variable(g) or g.text == "1.0"):
                label = f"d_{self.label(i, f'z{i}')}" + (f"_{k + 1}" if k else "")
                g = self.assign_sum(label, shares)
            found[i] = g
            if self.kind[i] == OPERATION:
                self._pull(i, g, active, terms)
        return found

    def _pull(
        self, i: int, g: Any, active: set[int], terms: dict[int, list[tuple[Any, str]]]
    ) -> None:
        op = self.c.ops[self.code[i]]
        parents = self.parent[self.start[i] : self.start[i + 1]]
        inputs = self.inputs(i)
        z = self.name[i]
        if op.each is not None:
            shares = rule_as_text(op.each)(g, z, *inputs)
        else:
            shares = [
                rule_as_text(rule)(g, z, *inputs) if rule is not None and p in active else None
                for p, rule in zip(parents, op.vjps, strict=False)
            ]
        for k, (p, share) in enumerate(zip(parents, shares, strict=False)):
            if share is None or p not in active:
                continue
            kept = Text(f"({share} if {g} else 0.0)") if op.guards and is_variable(g) else share
            note = f"{op.name}: {rule_text(op, k)}" if op.each is None else op.name
            terms.setdefault(p, []).append((kept, note))

    def _active(self, k: int) -> set[int]:
        """Nodes between the wanted ones and the root."""
        event = self.c.events[k]
        depends = bytearray(self.c.size)
        for node in event.wanted:
            depends[node] = 1
        for i in range(event.root + 1):
            if self.kind[i] == OPERATION and not self.number[i] and not depends[i]:
                depends[i] = any(
                    p >= 0 and depends[p] for p in self.parent[self.start[i] : self.start[i + 1]]
                )
        reached = {event.root} if depends[event.root] else set()
        for i in range(event.root, -1, -1):
            if i in reached and self.kind[i] == OPERATION:
                reached.update(
                    p
                    for p in self.parent[self.start[i] : self.start[i + 1]]
                    if p >= 0 and depends[p]
                )
        return reached


def _closes_last(text: str) -> bool:
    """Whether the bracket that opens a text closes at its very end."""
    depth = 0
    for k, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return k == len(text) - 1
    return False


def plan_floats(c: Columns, name: str) -> FloatProgram:
    """Write a step of scalars as plain Python.

    Parameters
    ----------
    c : Columns
        The step.
    name : str
        Its name, for listings.

    Returns
    -------
    FloatProgram
        With the same inputs, state and outputs as `scalar.plan` gives.
    """
    writer = _Writer(c)
    state = len(c.state)
    view = contiguous("v", 0, (state,))
    places = {node: k for k, node in enumerate(c.state)}
    size = state
    inputs: dict[str, View] = {}
    for label, shape, first in c.inputs:
        inputs[label] = contiguous("v", size, shape)
        count = math.prod(shape)
        places.update({first + k: size + k for k in range(count)})
        size += count
    for node, place in places.items():
        writer.name[node] = Text(writer.label(node, f"x{place}"))
    for i, kind in enumerate(writer.kind):
        if kind == OPERATION:
            writer.operation(i)
        elif kind == COTANGENT:
            writer.leaf(i)
    results = [writer.read(c.writes.get(node, node)) for node in c.state]
    results += [writer.read(node) for node in (*c.outputs, *c.finals)]
    outputs = {}
    for label, nodes in (("outputs", c.outputs), ("finals", c.finals)):
        if nodes:
            outputs[label] = contiguous("v", size, (len(nodes),))
            size += len(nodes)
    start = np.zeros(size)
    start[:state] = c.value[c.state]
    return FloatProgram(
        name, [], [Buffer("v", size, "float64", "state, inputs and outputs")], inputs,
        {"state": view} if state else {}, outputs, initial={"v": start},
        lines=writer.lines, results=[number(r) for r in results],
        variables=[number(writer.name[node]) for node in places], kept=state,
    )  # fmt: skip


# ---- the program ---------------------------------------------------------------------------------
class FloatProgram(Program):
    """A captured step as one straight-line function of Python floats.

    Attributes
    ----------
    lines : list of Line
        Its assignments, in the order they run.
    """

    def __init__(
        self,
        *args: Any,
        lines: list[Line],
        results: list[str],
        variables: list[str],
        kept: int,
        **kwargs: Any,
    ) -> None:
        self.lines, self.results, self.variables, self.kept = lines, results, variables, kept
        super().__init__(*args, **kwargs)

    @property
    def replay(self) -> Callable[[], None]:
        """Run all lines once, on the inputs and the state that lie in the buffers."""
        if self._run is None:
            self._run = self._compiled()
        return self._run

    def _compiled(self) -> Callable[[], None]:
        fast: Any = None
        exact: Any = None
        v = self.arrays["v"]
        taken, rest = v[: len(self.variables)], v[len(self.variables) :]
        state = v[: self.kept]
        kept = self.kept

        def replay() -> None:
            nonlocal fast, exact
            numbers = taken.tolist()
            try:
                if fast is None:
                    fast = _compile(self.text(), _FAST)
                found = fast(*numbers)
            except (ArithmeticError, ValueError):
                # Python raises where IEEE arithmetic has infinities and nans.
                if exact is None:
                    exact = _compile(self.text(exact=True), {**FLOAT, **_EXACT})
                found = exact(*numbers)
            if kept:
                state[:] = found[:kept]
            rest[:] = found[kept:]

        return replay

    def text(self, *, exact: bool = False) -> str:
        """Python text of the step: from state and inputs to new state, outputs and finals."""
        names = ", ".join(self.variables)
        lines = [f"    {line.target} = {line.expression}" for line in self.lines]
        results = ", ".join(self.results)
        text = [f"def step({names}):", *lines, f"    return ({results}{',' if results else ''})"]
        whole = "\n".join(text)
        return whole if exact else _plain_division(whole)

    @property
    def flops(self) -> dict[str, int]:
        """Assignments of one run by phase, and their ``"total"``."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.phase] = found.get(line.phase, 0) + 1
        return {**found, "total": sum(found.values())}

    def __repr__(self) -> str:
        head = f"Program {self.name}: {len(self.lines)} lines of plain Python floats"
        names = [
            f"  {title:8} {label} float64 {view.shape} in "
            f"{', '.join(_few(self.variables[view.offset : view.offset + view.size]))}"
            for title, views in (("input", self.inputs), ("state", self.state))
            for label, view in views.items()
        ]
        width = max((len(line.target) for line in self.lines), default=0)
        rows = [
            f"  {k:4} {line.phase:8} {line.target:{width}} = {_plain_division(line.expression)}"
            f"  # {line.note}"
            for k, line in enumerate(self.lines)
        ]
        return "\n".join([head, *names, *rows, f"  results  {', '.join(self.results)}"])

    def source(self) -> str:
        """The program as Python text that needs only NumPy, and that for its arrays alone.

        Returns
        -------
        str
            Defines ``build(state)``, which returns the step, a function of the inputs.
        """
        lines, phase = [], ""
        for line in self.lines:
            if line.phase != phase:
                phase = line.phase
                lines.append(f"        # ---- {phase} ----")
            lines.append(f"        {line.target} = {line.expression}  # {line.note}")
        names = list(self.inputs)
        state, given = self.variables[: self.kept], self.variables[self.kept :]
        arguments = [name if name not in self.variables else f"{name}_in" for name in names]
        flat = ", ".join(f"np.ravel({name}).tolist()" for name in arguments)
        body = [
            f"        nonlocal {', '.join(state)}" if state else "",
            f"        ({', '.join(given)},) = sum([{flat}], [])" if given else "",
            *lines,
            f"        {', '.join(state)}, = ({', '.join(self.results[: self.kept])},)"
            if state
            else "",
        ]
        offset, results = self.kept, []
        for view in self.outputs.values():
            results.append(f"np.array([{', '.join(self.results[offset : offset + view.size])}])")
            offset += view.size
        body.append(f"        return {', '.join(results) or None}")
        head = [
            f'"""{self.name}, written out as Python floats: {len(self.lines)} lines.',
            "",
            f"build(state) returns the step: {', '.join(names) or 'no inputs'} -> "
            f"{', '.join(self.outputs) or 'nothing'}.",
            '"""',
            "",
            "import math",
            "from fractions import Fraction",
            "from math import *",
            "",
            "import numpy as np",
            "",
            "INF, NAN = math.inf, math.nan",
            *_definitions("\n".join(line.expression for line in self.lines)),
            "",
            "",
            "def build(state):",
            f"    {', '.join(state)}, = state['state'].tolist()" if state else "",
            "",
            f"    def step({', '.join(arguments)}):",
        ]
        text = [line for line in body if line]
        return "\n".join([*head, *text, "", "    return step", ""])


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= 8 else [*names[:3], "...", *names[-2:]]


_EXACT: dict[str, Any] = {"power": floats.power, "INF": math.inf, "NAN": math.nan}
_FAST: dict[str, Any] = {
    **FLOAT,
    # Without the guards of `ops/floats.py`: a run that needs one raises, and is run again.
    **{name: getattr(math, name) for name in FLOAT if hasattr(math, name) and name != "pow"},
    **_EXACT,
    "power": math.pow,
}


def _compile(text: str, names: dict[str, Any]) -> Callable[..., tuple[float, ...]]:
    namespace = dict(names)
    exec(text, namespace)  # noqa: S102 - our own text
    return namespace["step"]  # type: ignore[no-any-return]


def _plain_division(text: str) -> str:
    """``div(a, b)`` as ``(a / b)``, which is faster and raises where b is 0."""
    if "\n" in text:
        return "\n".join([_plain_division(line) for line in text.split("\n")])
    if "div(" not in text:
        return text
    found, k = [], 0
    closing: list[str] = []
    while k < len(text):
        if text.startswith("div(", k) and (
            k == 0 or not (text[k - 1].isalnum() or text[k - 1] == "_")
        ):
            found.append("(")
            closing.append("/")
            k += 4
            continue
        letter = text[k]
        if letter == "(":
            closing.append("")
        elif letter == ")":
            closing.pop()
        elif letter == "," and closing and closing[-1] == "/":
            found.append(" /")
            closing[-1] = ""
            k += 1
            continue
        found.append(letter)
        k += 1
    return "".join(found)


def _definitions(text: str) -> list[str]:
    """The text of the kernels that Python's math does not have."""
    lines: list[str] = []
    for name in floats.__all__:
        if f"{name}(" in text and name != "ieee":
            lines += [
                "",
                "",
                inspect.getsource(getattr(floats, name)).rstrip().replace(": Any", ""),
            ]
    return [line.replace(" -> Any", "") for line in lines]
