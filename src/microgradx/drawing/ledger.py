"""`explain`: every contribution to a gradient, in a ledger that adds up exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.drawing.contributions import pull_slots, retrace, slots_in_order
from microgradx.drawing.formulas import local_formula, local_tex
from microgradx.drawing.metrics import clean
from microgradx.drawing.names import caller_frame, names_in, variables_of
from microgradx.drawing.notation import expression
from microgradx.drawing.numbers import facts_of, number_text, shape_text
from microgradx.drawing.snapshot import gradient_of
from microgradx.drawing.watching import Line, line_of
from microgradx.errors import GraphError, UnsupportedError
from microgradx.graph import Node, ancestors, topological_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Entry", "Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One contribution: what one use of the node adds to its gradient.

    Parameters
    ----------
    consumer : str
        Name of the result that uses it.
    expression : str
        How the result is made.
    slot : int
        Which operand it is there.
    formula, tex : str
        The local derivative in symbols (with the incoming ``g`` for arrays).
    local : float or None
        The local derivative (numbers only).
    cotangent : float or None
        The gradient of the consumer; its norm for arrays.
    amount : float
        What is added; its norm for arrays.
    summed : tuple of int
        Axes that broadcasting made and the backward pass sums.
    line : Line or None
        Where it was written, if lines were traced.
    """

    consumer: str
    expression: str
    slot: int
    formula: str
    tex: str
    local: float | None
    cotangent: float | None
    amount: float
    summed: tuple[int, ...] = ()
    line: Line | None = None


class Explanation:
    """Where a gradient comes from; made by `explain`.

    Attributes
    ----------
    name : str
        What the node is called.
    root : str
        What the result is called.
    total : float
        The gradient (its norm for arrays).
    entries : tuple of Entry
        The contributions, in the order in which the engine adds them.
    earlier : float
        What earlier backward passes left in ``grad`` (numbers only).
    """

    def __init__(
        self,
        name: str,
        root: str,
        total: float,
        entries: tuple[Entry, ...],
        earlier: float,
        shape: tuple[int, ...] | None,
    ) -> None:
        self.name, self.root, self.total = name, root, total
        self.entries, self.earlier, self.shape = entries, earlier, shape

    @property
    def text(self) -> str:
        """The ledger as aligned lines."""
        d = f"∂{self.root}/∂{self.name}"
        if self.shape is not None:
            return self._array_text(d)
        if not self.entries and not self.earlier:
            return f"{d} = {number_text(self.total)} (the seed: nothing here uses {self.name})"
        rows = []
        for e in self.entries:
            local = "?" if e.local is None else number_text(e.local)
            g = "?" if e.cotangent is None else number_text(e.cotangent)
            formula = f"{e.formula} = " if e.formula and e.formula != local else ""
            rows.append(
                (
                    f"{e.consumer} = {e.expression}",
                    f"∂{self.root}/∂{e.consumer} × ∂{e.consumer}/∂{self.name}",
                    f"{g} × ({formula}{local})"
                    if formula or local[:1] == "−"
                    else f"{g} × {local}",
                    number_text(e.amount),
                    f"  at {e.line}" if e.line else "",
                )
            )
        if self.earlier:
            rows.append(("", "earlier backward passes", "", number_text(self.earlier), ""))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [f"{d} = {number_text(self.total)}"]
        for made, chain, product, amount, line in rows:
            lines.append(
                f"  {amount:>{widths[3]}}  =  {product:<{widths[2]}}   "
                f"{chain:<{widths[1]}}   {made}{line}".rstrip()
            )
        if len(rows) > 1:
            lines.append(f"  {number_text(self.total):>{widths[3]}}  in all: contributions add")
        return "\n".join(lines)

    def _array_text(self, d: str) -> str:
        lines = [f"{d}: shape {shape_text(self.shape or ())}, norm {number_text(self.total)}"]
        for e in self.entries:
            rule = e.formula or "its rule"
            note = (
                f"; broadcast, so summed over axis {', '.join(map(str, e.summed))}"
                if e.summed
                else ""
            )
            where = f"  at {e.line}" if e.line else ""
            g = "" if e.cotangent is None else f", ‖g‖ {number_text(e.cotangent)}"
            lines.append(
                f"  norm {number_text(e.amount)}  from {e.consumer} = {e.expression}: "
                f"{rule}{g}{note}{where}"
            )
        if len(self.entries) > 1:
            lines.append(
                f"  the sum of {len(self.entries)} arrays has norm {number_text(self.total)}"
            )
        return "\n".join(lines)

    @property
    def tex(self) -> str:
        """The sum in LaTeX."""
        terms = [
            rf"\frac{{\partial {_tex(self.root)}}}{{\partial {_tex(e.consumer)}}}"
            rf"\,{e.tex if _is_short(e.tex) else rf'({e.tex})'}"
            for e in self.entries
            if e.tex
        ]
        d = rf"\frac{{\partial {_tex(self.root)}}}{{\partial {_tex(self.name)}}}"
        numbers = " + ".join(
            number_text(e.amount).replace("−", "-") if e.amount >= 0 else rf"({e.amount:.4g})"
            for e in self.entries
        )
        total = number_text(self.total).replace("−", "-")
        if self.shape is not None or not terms:
            return f"{d} = {' + '.join(terms)}" if terms else f"{d} = {total}"
        middle = f" = {numbers}" if len(self.entries) > 1 else ""
        return f"{d} = {' + '.join(terms)}{middle} = {total}"

    def as_dict(self) -> dict[str, Any]:
        """The ledger as plain data.

        Returns
        -------
        dict
            ``name``, ``root``, ``total``, ``earlier`` and ``entries`` (a list of dicts).
        """
        rows = [
            {
                "consumer": e.consumer, "expression": e.expression, "slot": e.slot,
                "formula": e.formula, "local": e.local, "cotangent": e.cotangent,
                "amount": e.amount, "summed": list(e.summed),
                "line": str(e.line) if e.line else None,
            }
            for e in self.entries
        ]  # fmt: skip
        return {
            "name": self.name, "root": self.root, "total": self.total, "earlier": self.earlier,
            "entries": rows,
        }  # fmt: skip

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.tex}$"


def explain(
    x: Any, out: Any = None, *, names: Mapping[str, Any] | str | None = "auto"
) -> Explanation:
    """List the contributions to a gradient: local derivative × incoming cotangent = amount.

    Parameters
    ----------
    x : Value or Tensor
        Whose gradient.
    out : Value or Tensor, optional
        The result that ``backward()`` was called on. By default the one among the caller's
        variables; if backward has not run, its numbers are worked out on the side.
    names : "auto", None, or dict of str to node
        As for `draw`.

    Returns
    -------
    Explanation
        Prints as a ledger; ``.entries``, ``.as_dict()``, ``.tex``. The amounts, added in order,
        give the gradient exactly.

    Raises
    ------
    GraphError
        If no result that uses `x` is found.

    Examples
    --------
    >>> from microgradx import Value
    >>> a, b = Value(0.5), Value(-1.5)
    >>> L = a * b + a * a
    >>> L.backward()
    >>> print(explain(a, L))
    ∂L/∂a = −0.5
       0.5  =  1 × (a = 0.5)    ∂L/∂v2 × ∂v2/∂a   v2 = a × a
       0.5  =  1 × (a = 0.5)    ∂L/∂v2 × ∂v2/∂a   v2 = a × a
      −1.5  =  1 × (b = −1.5)   ∂L/∂v1 × ∂v1/∂a   v1 = a × b
      −0.5  in all: contributions add
    """
    variables = variables_of(caller_frame()) if names == "auto" else dict(names or {})  # type: ignore[arg-type]
    root = find_root("explain", x, out, variables)
    order = topological_order(root)
    called = call_names(order, names_in(variables, {id(node) for node in order}))
    grads = {id(node): gradient_of(node) for node in order}
    ran = grads[id(root)] is not None and bool(np.any(np.not_equal(grads[id(root)], 0)))
    seed = grads[id(root)] if ran else _one(root)
    passes = retrace([root], order, [seed])
    entries = []
    for node in passes.order:
        g = passes.cotangents[id(node)]
        entries += [
            _entry(node, slot, g, passes.terms[id(node), slot], called)
            for slot in slots_in_order(node)
            if node.parents[slot] is x and (id(node), slot) in passes.terms
        ]
    cotangent = passes.cotangents.get(id(x))
    array = isinstance(x._data, np.ndarray) and x._data.size > 1
    held = grads[id(x)] if ran else cotangent
    total, earlier = _total(held, cotangent, array)
    shape = x._data.shape if array else None
    return Explanation(called[id(x)], called[id(root)], total, tuple(entries), earlier, shape)


def _total(held: Any, cotangent: Any, array: bool) -> tuple[float, float]:
    if held is None:
        held = cotangent
    if held is None:
        return 0.0, 0.0
    if array:
        return float(np.linalg.norm(np.ravel(held))), 0.0
    now = 0.0 if cotangent is None else float(np.ravel(cotangent)[0])
    total = float(np.ravel(held)[0])
    return total, 0.0 if total == now or math.isnan(total - now) else total - now


def _entry(node: Any, slot: int, g: Any, term: Any, called: Mapping[int, str]) -> Entry:
    operands = operand_names(node, called)
    arrays = isinstance(node._data, np.ndarray)
    slope = None if arrays else pull_slots(node, 1.0, ieee=True)[slot]
    own = called[id(node)]
    facts, incoming = facts_of(term), facts_of(g)
    small = np.shape(node.parents[slot]._data)
    large = np.shape(node._data)
    summed: tuple[int, ...] = ()
    if (
        arrays
        and node.op.kind in ("elementwise", "linear")
        and not node.params
        and not node.op.view
    ):
        lead = len(large) - len(small)
        summed = tuple(
            i for i, n in enumerate(large) if i < lead or (n != 1 and small[i - lead] == 1)
        )
    return Entry(
        own,
        expression(node.op, operands, node.params),
        slot,
        local_formula(node, slot, operands, own),
        local_tex(node, slot, operands, own),
        None if slope is None else float(slope),
        incoming.number if incoming.number is not None else incoming.norm,
        facts.number if facts.number is not None else facts.norm,
        summed,
        line_of(node.time),
    )


def operand_names(node: Any, called: Mapping[int, str]) -> list[str]:
    """What the operands of a node are called; numbers by their digits."""
    names = []
    for p in node.parents:
        if isinstance(p, Node):
            names.append(called.get(id(p), "?"))
        elif isinstance(p, np.ndarray) and p.size != 1:
            names.append("const")
        else:
            number = facts_of(p).number
            names.append(str(p) if number is None else number_text(number))
    return names


def call_names(order: Sequence[Any], given: Mapping[int, str]) -> dict[int, str]:
    """A name for every node: its own, the caller's, or ``v1``, ``v2``, ..."""
    called: dict[int, str] = {}
    count = 0
    for node in order:
        name = node.name or given.get(id(node))
        if not name:
            count += 1
            name = f"v{count}"
        called[id(node)] = clean(str(name))
    return called


def find_root(where: str, x: Any, out: Any, variables: Mapping[str, Any]) -> Any:
    """The result to explain `x` by: the one given, or the caller's largest that uses it."""
    for thing in (x, out):
        if thing is not None and not isinstance(thing, Node):
            raise UnsupportedError(
                where, f"expected a Value or a Tensor, not {type(thing).__name__}", "Pass a node"
            )
    if out is not None:
        if id(x) not in ancestors([out]):
            raise GraphError(where, "that result is not made from it", "Pass the right result")
        return out
    best, size = None, 0
    for thing in variables.values():
        if isinstance(thing, Node) and thing.op is not None:
            reached = ancestors([thing])
            if id(x) in reached and (
                len(reached), _is_seed(thing)) > (size, _is_seed(best)):  # fmt: skip
                best, size = thing, len(reached)
    if best is None:
        raise GraphError(
            where, "no result that uses it is among your variables", f"Pass it: {where}(x, loss)"
        )
    return best


def _is_seed(node: Any) -> bool:
    grad = None if node is None else gradient_of(node)
    return grad is not None and np.size(grad) == 1 and float(np.ravel(grad)[0]) == 1.0


def _one(root: Any) -> Any:
    data = root._data
    return np.ones_like(data) if isinstance(data, np.ndarray) else 1.0


def _is_short(tex: str) -> bool:
    return " " not in tex and not tex.startswith("-")


def _tex(name: str) -> str:
    escaped = name.replace("\\", "").replace("_", r"\_").replace("#", r"\#").replace("%", r"\%")
    return escaped if len(escaped) == 1 else rf"\mathrm{{{escaped}}}"
