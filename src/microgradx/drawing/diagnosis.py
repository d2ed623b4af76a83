"""`why`: the reason for a gradient that is missing, zero, not finite or huge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.drawing.contributions import Backward, is_tracked, pull_slots, retrace
from microgradx.drawing.ledger import call_names, find_root, operand_names
from microgradx.drawing.names import caller_frame, names_in, variables_of
from microgradx.drawing.notation import expression
from microgradx.drawing.numbers import facts_of, number_text
from microgradx.drawing.snapshot import gradient_of
from microgradx.drawing.watching import cut_of, line_of
from microgradx.errors import GraphError, UnsupportedError
from microgradx.graph import Node, ancestors, topological_order

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Diagnosis", "why"]

_HUGE = 1e6
_MOST_REASONS = 5
_MASKS = {"relu", "leaky_relu", "clip", "maximum", "minimum", "where", "abs", "max", "min"}


@dataclass(frozen=True)
class Diagnosis:
    """What is the matter with a gradient; made by `why`.

    Parameters
    ----------
    name : str
        The node.
    verdict : str
        ``not connected``, ``detached``, ``not required``, ``no backward``, ``zero``,
        ``not finite``, ``huge`` or ``usual``.
    reasons : tuple of str
        Why, with names, numbers and, if lines were traced, places in the source.
    """

    name: str
    verdict: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}\n" + "\n".join(f"  {r}" for r in self.reasons)

    def __repr__(self) -> str:
        return str(self)


def why(x: Any, out: Any = None, *, names: Mapping[str, Any] | str | None = "auto") -> Diagnosis:
    """Say why a gradient is None, 0, nan or huge.

    Parameters
    ----------
    x : Value or Tensor
        Whose gradient.
    out : Value or Tensor, optional
        The result that ``backward()`` was called on; by default the one among the caller's
        variables.
    names : "auto", None, or dict of str to node
        As for `draw`.

    Returns
    -------
    Diagnosis
        Prints as a verdict and its reasons. Under `trace_lines` they name lines of source.

    Examples
    --------
    >>> from microgradx import Value
    >>> w, x = Value(-2.0), Value(3.0)
    >>> loss = (w * x).relu() + 1
    >>> loss.backward()
    >>> print(why(w, loss))
    w: zero
      v2 = relu(v1) passes nothing back: v1 = −6
    """
    if not isinstance(x, Node):
        raise UnsupportedError("why", f"expected a node, not {type(x).__name__}", "Pass a node")
    variables = variables_of(caller_frame()) if names == "auto" else dict(names or {})  # type: ignore[arg-type]
    own = _own_name(x, variables)
    if not is_tracked(x):
        kind = "its dtype cannot carry a gradient" if not _is_floating(x) else "it was made so"
        cut = cut_of(x.time)
        if cut is not None:
            where = f" at {cut.line}: {cut.line.text}" if cut.line else ""
            kind = f"it was made by {cut.how}{where}"
        return Diagnosis(own, "not required", (f"{own} takes no gradient: {kind}",))
    try:
        root = find_root("why", x, out, variables)
    except GraphError:
        return _unconnected(x, out, own, variables)
    order = topological_order(root)
    called = call_names(order, names_in(variables, {id(node) for node in order}))
    own = called[id(x)]
    grad = gradient_of(root)
    ran = grad is not None and bool(np.any(np.not_equal(grad, 0)))
    data = root._data
    seed = grad if ran else np.ones_like(data) if isinstance(data, np.ndarray) else 1.0
    passes = retrace([root], order, [seed])
    broken = _first_broken(order, called)
    held = gradient_of(x) if ran else passes.cotangents.get(id(x))
    if held is None and id(x) not in passes.cotangents:
        reason = f"no rule carries a gradient from {called[id(root)]} to {own}"
        stops = [n for n in order if n.op is not None and _stops(n, x)]
        lines = tuple(_made(n, called) + " has no derivative" for n in stops[:_MOST_REASONS])
        return Diagnosis(own, "not connected", (reason, *lines))
    if held is None or not ran:
        note = f"backward() has not run; it will give {_shown(passes.cotangents.get(id(x)))}"
        return Diagnosis(own, "no backward", (note,))
    size = _largest(held)
    if not math.isfinite(size):
        reasons = broken or _first_broken_term(passes, called)
        return Diagnosis(own, "not finite", tuple(reasons[:_MOST_REASONS]))
    if size == 0:
        found = _blockers(x, order, passes, called)
        return Diagnosis(own, "zero", tuple(found[:_MOST_REASONS]))
    if size > _HUGE:
        return Diagnosis(own, "huge", tuple(_growth(x, order, passes, called)))
    text = f"its gradient is {_shown(held)}: finite, not zero and not huge"
    return Diagnosis(own, "usual", (text, *(f"but {reason}" for reason in broken)))


def _own_name(x: Any, variables: Mapping[str, Any]) -> str:
    return str(x.name or names_in(variables, {id(x)}).get(id(x), "it"))


def _is_floating(x: Any) -> bool:
    data = x._data
    return not isinstance(data, np.ndarray) or data.dtype.kind == "f"


def _unconnected(x: Any, out: Any, own: str, variables: Mapping[str, Any]) -> Diagnosis:
    """Look for a detached result between `x` and what the caller computes with."""
    roots = [out] if out is not None else [t for t in variables.values() if isinstance(t, Node)]
    for root in roots:
        found = _through_cuts(root, x.time)
        if found:
            return Diagnosis(own, "detached", tuple(found))
    reason = f"nothing that is differentiated here was made from {own}"
    hint = "run the forward pass inside `with trace_lines():` to see where it was left out"
    return Diagnosis(own, "not connected", (reason, hint))


def _through_cuts(root: Any, wanted: int) -> list[str]:
    """Where a way from `root` back to the node of the moment `wanted` was cut, if it was."""
    stack = [node.time for node in ancestors([root]).values()]
    seen = set(stack)
    while stack:
        cut = cut_of(stack.pop())
        if cut is None:
            continue
        if wanted in cut.lost:
            where = f" at {cut.line}: {cut.line.text}" if cut.line else ""
            return [f"the way to it is cut by {cut.how}{where}"]
        stack += cut.lost - seen
        seen |= cut.lost
    return []


def _made(node: Any, called: Mapping[int, str]) -> str:
    line = line_of(node.time)
    text = f"{called[id(node)]} = {expression(node.op, operand_names(node, called), node.params)}"
    return text + (f" (at {line}: {line.text})" if line else "")


def _shown(data: Any) -> str:
    if data is None:
        return "nothing"
    facts = facts_of(data)
    return (
        number_text(facts.number) if facts.number is not None else f"norm {number_text(facts.norm)}"
    )


def _largest(data: Any) -> float:
    array = np.abs(np.asarray(data, dtype=float))
    return float(array.max()) if array.size else 0.0


def _operands(node: Any, called: Mapping[int, str]) -> str:
    said = []
    for p, name in zip(node.parents, operand_names(node, called), strict=True):
        if isinstance(p, Node):
            facts = facts_of(p._data)
            if facts.number is not None:
                said.append(f"{name} = {number_text(facts.number)}")
            else:
                said.append(f"{name} in [{number_text(facts.low)}, {number_text(facts.high)}]")
    return ", ".join(said)


def _stops(node: Any, x: Any) -> bool:
    return any(p is x for p in node.parents) and all(
        term is None for term in pull_slots(node, _ones(node))
    )


def _ones(node: Any) -> Any:
    data = node._data
    return np.ones_like(data) if isinstance(data, np.ndarray) else 1.0


def _first_broken(order: list[Any], called: Mapping[int, str]) -> list[str]:
    for node in order:
        if math.isfinite(_largest(node._data)):
            continue
        if node.op is None:
            return [f"the leaf {called[id(node)]} itself holds {_shown_bad(node._data)}"]
        return [
            f"the forward pass made it: {_made(node, called)} = {_shown_bad(node._data)}, from "
            f"{_operands(node, called)}"
        ]
    return []


def _first_broken_term(passes: Backward, called: Mapping[int, str]) -> list[str]:
    for node in passes.order:
        g = passes.cotangents[id(node)]
        for slot in range(len(node.parents)):
            term = passes.terms.get((id(node), slot))
            if (
                term is not None
                and not math.isfinite(_largest(term))
                and math.isfinite(_largest(g))
            ):
                return [
                    f"the backward pass made it: the rule of {_made(node, called)} for operand "
                    f"{slot + 1} gives {_shown_bad(term)} at {_operands(node, called)}"
                ]
    return ["the seed of the backward pass was not finite"]


def _shown_bad(data: Any) -> str:
    facts = facts_of(data)
    return number_text(facts.number) if facts.number is not None else f"{facts.broken:,} nan or inf"


def _blockers(x: Any, order: list[Any], passes: Backward, called: Mapping[int, str]) -> list[str]:
    """Follow `x` towards the root and name the operations that let nothing through."""
    users: dict[int, list[tuple[Any, int]]] = {}
    for node in order:
        for slot, p in enumerate(node.parents):
            if isinstance(p, Node):
                users.setdefault(id(p), []).append((node, slot))
    found: list[str] = []
    stack, seen = [x], {id(x)}
    nonzero: list[float] = []
    while stack:
        node = stack.pop()
        for user, slot in users.get(id(node), []):
            g = passes.cotangents.get(id(user))
            term = passes.terms.get((id(user), slot))
            if g is None:
                found.append(f"{_made(user, called)} gets no gradient itself")
            elif term is None:
                found.append(f"{_made(user, called)} has no derivative for operand {slot + 1}")
            elif _largest(g) == 0:
                if id(user) not in seen:
                    seen.add(id(user))
                    stack.append(user)
            elif _largest(term) == 0:
                found.append(_blocked(user, slot, called))
            elif node is x:
                nonzero.append(_largest(term))
    if len(nonzero) > 1:
        found.append(f"{len(nonzero)} contributions that are not zero cancel exactly")
    return list(dict.fromkeys(found)) or ["its contributions are zero from the seed on"]


def _blocked(node: Any, slot: int, called: Mapping[int, str]) -> str:
    made = _made(node, called)
    if node.op.name in _MASKS:
        return f"{made} passes nothing back: {_operands(node, called)}"
    names = operand_names(node, called)
    if node.op.name in {"mul", "dot", "matmul"}:
        zeros = [
            name
            for i, (p, name) in enumerate(zip(node.parents, names, strict=True))
            if i != slot and _largest(p._data if isinstance(p, Node) else p) == 0
        ]
        if zeros:
            return f"{made} multiplies it by {' and '.join(zeros)} = 0"
    return f"the local derivative of {made} is 0 at {_operands(node, called)}"


def _growth(x: Any, order: list[Any], passes: Backward, called: Mapping[int, str]) -> list[str]:
    """The operations that grow the gradient most on its way to `x`."""
    inside = _towards(x, order)
    grown = []
    for node in passes.order:
        g = _largest(passes.cotangents[id(node)])
        for slot, p in enumerate(node.parents):
            term = passes.terms.get((id(node), slot))
            if term is not None and id(p) in inside and g > 0:
                grown.append((_largest(term) / g, node))
    grown.sort(key=lambda pair: -pair[0])
    total = _shown(passes.cotangents.get(id(x)))
    lines = [f"its gradient is {total}; the largest factors on the way:"]
    for factor, node in grown[:3]:
        lines.append(f"×{number_text(factor)} by {_made(node, called)}, {_operands(node, called)}")
    return lines


def _towards(x: Any, order: list[Any]) -> set[int]:
    inside = {id(x)}
    for node in order:
        if any(id(p) in inside for p in node.parents if isinstance(p, Node)):
            inside.add(id(node))
    return inside
