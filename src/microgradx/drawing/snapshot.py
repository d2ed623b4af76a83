"""A copy of what a graph says at one moment: the truth that every picture is drawn from.

`take` walks the graph once, without recursion, and copies names, numbers and terms; nothing here
holds on to the user's nodes, and later calls of ``backward()`` change no picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.drawing.contributions import Backward, is_tracked, pull_slots, retrace
from microgradx.drawing.metrics import clean, shorten
from microgradx.drawing.notation import expression, params_text, sign
from microgradx.drawing.numbers import Facts, facts_of, number_text
from microgradx.graph import Node, topological_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["Link", "Record", "Snapshot", "take"]

_INLINE_CONSTANT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """One node of the graph, in words and numbers.

    Parameters
    ----------
    index : int
        Place in topological order; the node is called ``n<index>`` in every file.
    name : str
        The user's name for it, or ``v<index>``.
    named : bool
        Whether the name is the user's.
    op, sign, expression, params : str
        The primitive's name (empty for a leaf), its short sign, the operation over the names of
        its operands, its static parameters.
    kind : str
        ``op``, ``leaf``, ``param`` or ``constant``.
    value : Facts
    grad : Facts or None
        None unless `state` is ``computed``.
    state : str
        ``computed``; ``absent`` (no backward pass yet); ``unrequired`` (takes no gradient).
    cotangent : Facts or None
        What a backward pass from the roots gives, whether or not one has run.
    passes : int
        How many backward passes a leaf's gradient has accumulated; 0 if it holds something else.
    depth : int
        0 in the forward graph, 1 in its recorded backward graph.
    time : int
        The engine's clock when it was made.
    """

    index: int
    name: str
    named: bool
    op: str
    sign: str
    expression: str
    params: str
    kind: str
    value: Facts
    grad: Facts | None
    state: str
    cotangent: Facts | None
    is_root: bool
    is_array: bool
    passes: int = 1
    depth: int = 0
    time: int = 0
    uses: int = 0

    @property
    def key(self) -> str:
        """What it is called in files."""
        return f"n{self.index}"


@dataclass(frozen=True, slots=True)
class Link:
    """One use of a node as an operand.

    `local` is the derivative of the consumer by this operand (numbers only), `formula` the same in
    symbols, `term` what this use adds to the operand's gradient, `broadcast` the axes over which
    the backward pass sums.
    """

    producer: int
    consumer: int
    slot: int
    local: float | None = None
    formula: str = ""
    term: Facts | None = None
    broadcast: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """What it is called in files."""
        return f"e{self.consumer}_{self.slot}"


@dataclass(frozen=True)
class Snapshot:
    """All records and links of a graph, parents first."""

    nodes: tuple[Record, ...]
    links: tuple[Link, ...]
    roots: tuple[int, ...]
    has_backward: bool
    order: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_arrays(self) -> bool:
        """Whether some node holds an array."""
        return any(node.is_array for node in self.nodes)

    def incoming(self) -> list[list[Link]]:
        """Per node, the links to its operands, by slot."""
        table: list[list[Link]] = [[] for _ in self.nodes]
        for link in self.links:
            table[link.consumer].append(link)
        return table

    def outgoing(self) -> list[list[Link]]:
        """Per node, the links to what uses it, in the order of use."""
        table: list[list[Link]] = [[] for _ in self.nodes]
        for link in self.links:
            table[link.producer].append(link)
        return table

    def part(self, kept: Collection[int], note: str) -> Snapshot:
        """The records of `kept` and the links between them, numbered afresh."""
        new = {old: i for i, old in enumerate(sorted(kept))}
        nodes = tuple(replace(self.nodes[old], index=i) for old, i in new.items())
        links = tuple(
            replace(link, producer=new[link.producer], consumer=new[link.consumer])
            for link in self.links
            if link.producer in new and link.consumer in new
        )
        roots = tuple(new[i] for i in self.roots if i in new)
        order = tuple(new[i] for i in self.order if i in new)
        return Snapshot(nodes, links, roots, self.has_backward, order, (*self.notes, note))

    def counts(self) -> str:
        """``8 nodes, 9 edges``."""
        n, e = len(self.nodes), len(self.links)
        return f"{n:,} node{'s' * (n != 1)}, {e:,} edge{'s' * (e != 1)}"


def take(
    roots: Sequence[Node],
    *,
    names: Mapping[int, str] | None = None,
    parameters: frozenset[int] = frozenset(),
    part: str = "both",
    fmt: str = ".4g",
    constants: str = "inline",
    formula: Callable[[Any, int, Sequence[str], str], str] | None = None,
    terms: bool = True,
    fresh: bool = False,
) -> Snapshot:
    """Copy what the graph of `roots` says.

    Parameters
    ----------
    roots : sequence of Value or Tensor
        The results to start from.
    names : mapping, optional
        ``id(node or array) -> name``; a node's own name wins.
    parameters : frozenset of int
        Identities of nodes to mark as parameters.
    part : {"forward", "both", "backward"}
        Unless ``forward``, a backward graph recorded by ``create_graph=True`` is included.
    fmt : str
        Format of numbers in expressions.
    constants : {"inline", "show", "hide"}
        Whether raw numbers stand in the expressions or get boxes of their own.
    formula : callable, optional
        ``(node, slot, names, own) -> str``: the local derivative in symbols.
    terms : bool
        Whether to recompute what each edge adds (the cost of a backward pass).
    fresh : bool
        Take the gradients from that recomputation, seeded with 1, not from the nodes.

    Returns
    -------
    Snapshot
    """
    names = names or {}
    forward = topological_order(*roots)
    recorded = [] if part == "forward" else _recorded_backward(forward)
    order = topological_order(*roots, *recorded) if recorded else forward
    depths = _depths(order, forward) if recorded else {}
    grads = {id(node): gradient_of(node) for node in order}
    ran = any(_is_nonzero(grads[id(root)]) for root in roots) or any(
        _is_nonzero(g) for g in grads.values()
    )
    seeds = [_seed(root, grads[id(root)], ran and not fresh) for root in roots]
    passes = retrace(roots, forward, seeds) if terms else Backward()
    if fresh:
        grads = {id(node): passes.cotangents.get(id(node)) for node in order}
        ran = True
    if recorded:
        names = _recorded_names(forward, order, roots, names) | dict(names)
        grads |= _unreached(order, depths, grads)
    builder = _Builder(names, parameters, fmt, constants, formula, terms)
    for node in order:
        builder.add(node, grads, passes.cotangents, ran, depths, {id(root) for root in roots})
    if ran and terms:
        # The terms that add up to the gradients on display, whatever root they came from.
        for node in forward:
            g = grads[id(node)]
            if node.op is not None and g is not None and id(node) in passes.cotangents:
                for slot, term in enumerate(pull_slots(node, g)):
                    if term is not None:
                        passes.terms[id(node), slot] = term
    for node in order:
        builder.link(node, passes.terms)
    return builder.finished(roots, ran, passes.order)


def gradient_of(node: Any) -> Any:
    """The number or array in a node's ``grad``, or None."""
    grad = node._grad
    return grad._data if isinstance(grad, Node) else grad


def _recorded_backward(forward: Sequence[Node]) -> list[Node]:
    inside = {id(node) for node in forward}
    found = {id(n._grad): n._grad for n in forward if isinstance(n._grad, Node)}
    return [g for key, g in found.items() if key not in inside]


def _depths(order: Sequence[Node], forward: Sequence[Node]) -> dict[int, int]:
    inside = {id(node) for node in forward}
    return {id(node): 1 for node in order if id(node) not in inside}


def _recorded_names(
    forward: Sequence[Node],
    order: Sequence[Node],
    roots: Sequence[Node],
    given: Mapping[int, str],
) -> dict[int, str]:
    """Call a recorded cotangent ``∂L/∂x`` after the node whose gradient it is."""
    root = (roots[0].name or given.get(id(roots[0]), "out")) if len(roots) == 1 else "out"
    found: dict[int, str] = {}
    for node in forward:
        name = node.name or given.get(id(node))
        if isinstance(node._grad, Node) and name:
            # One node may be the cotangent of several (a sum hands it on): the first name stays.
            found.setdefault(id(node._grad), f"∂{root}/∂{name}")
    inside = {id(node) for node in forward}
    seeds = [n for n in order if n.op is None and id(n) not in inside and not n.name]
    if len(seeds) == 1:
        found.setdefault(id(seeds[0]), f"∂{root}/∂{root}")
    return found


def _unreached(
    order: Sequence[Node], depths: Mapping[int, int], grads: Mapping[int, Any]
) -> dict[int, Any]:
    """No gradient for recorded nodes that no further backward pass has reached."""
    behind = [node for node in order if depths.get(id(node))]
    if any(_is_nonzero(grads[id(node)]) for node in behind):
        return {}
    return {id(node): None for node in behind}


def _is_nonzero(g: Any) -> bool:
    if g is None:
        return False
    return bool(np.any(np.not_equal(g, 0))) if isinstance(g, np.ndarray) else g != 0


def _seed(root: Any, grad: Any, ran: bool) -> Any:
    if ran and grad is not None and _is_nonzero(grad):
        return grad
    data = root._data
    return np.ones_like(data) if isinstance(data, np.ndarray) else 1.0


class _Builder:
    """Collects records and links; gives every node its index and its name."""

    def __init__(
        self,
        names: Mapping[int, str],
        parameters: frozenset[int],
        fmt: str,
        constants: str,
        formula: Callable[[Any, int, Sequence[str], str], str] | None,
        slopes: bool,
    ) -> None:
        self.slopes = slopes
        self.given, self.parameters, self.fmt = names, parameters, fmt
        self.constants, self.formula = constants, formula
        self.index: dict[int, int] = {}
        self.records: list[dict[str, Any]] = []
        self.links: list[Link] = []
        self.operands: dict[int, list[str]] = {}
        self.boxed: dict[tuple[int, int], int] = {}
        self.clashes: dict[str, int] = {}
        self.unnamed = 0

    def add(
        self,
        node: Any,
        grads: Mapping[int, Any],
        cotangents: Mapping[int, Any],
        ran: bool,
        depths: Mapping[int, int],
        roots: set[int],
    ) -> None:
        """Record a node whose parents are recorded."""
        inline: dict[int, str] = {}
        operands = []
        for slot, parent in enumerate(node.parents):
            if isinstance(parent, Node):
                operands.append(self.records[self.index[id(parent)]]["name"])
                continue
            text = self._constant_text(parent)
            if text and self.constants != "show":
                inline[slot] = text
                operands.append(text)
            else:
                at = self._box_constant(parent)
                self.boxed[id(node), slot] = at
                operands.append(self.records[at]["name"])
        self.operands[id(node)] = operands
        cotangent = cotangents.get(id(node))
        tracked = is_tracked(node)
        state = "unrequired" if not tracked else "computed" if ran else "absent"
        grad = grads[id(node)] if state == "computed" else None
        if grad is None and state == "computed":
            state = "absent"
        op = node.op
        name, named = self._name(node)
        self.index[id(node)] = len(self.records)
        self.records.append(
            {
                "name": name,
                "named": named,
                "op": "" if op is None else op.name,
                "sign": "" if op is None else sign(op, inline, len(operands)),
                "expression": "" if op is None else expression(op, operands, node.params),
                "params": params_text(node.params) if op is not None else "",
                "kind": "op"
                if op is not None
                else "param"
                if id(node) in self.parameters
                else "leaf",
                "value": facts_of(node._data),
                "grad": None if grad is None else facts_of(grad),
                "state": state,
                "cotangent": None if cotangent is None or not tracked else facts_of(cotangent),
                "is_root": id(node) in roots,
                "is_array": isinstance(node._data, np.ndarray),
                "passes": 1 if op is not None else _passes(grad, cotangent),
                "depth": depths.get(id(node), 0),
                "time": node.time,
            }
        )

    def _name(self, node: Any) -> tuple[str, bool]:
        own = node.name or self.given.get(id(node))
        if own is None:
            self.unnamed += 1
            return f"v{self.unnamed}", False
        text = clean(shorten(str(own)))
        # Two nodes of one name would make every sentence about them ambiguous.
        self.clashes[text] = self.clashes.get(text, 0) + 1
        return (text if self.clashes[text] == 1 else f"{text}′{self.clashes[text]}"), True

    def _constant_text(self, constant: Any) -> str:
        if isinstance(constant, np.ndarray):
            if constant.size != 1:
                return ""
            constant = constant.reshape(-1)[0].item()
        if isinstance(constant, bool) or constant is None:
            return str(constant)
        try:
            return number_text(float(constant), self.fmt)
        except (TypeError, ValueError, OverflowError):
            return clean(shorten(str(constant), 12))

    def _box_constant(self, constant: Any) -> int:
        key = id(constant)
        if isinstance(constant, np.ndarray) and key in self.index:
            return self.index[key]
        name = self.given.get(key)
        named = name is not None
        if name is None:
            is_number = not isinstance(constant, np.ndarray) or constant.size == 1
            name = self._constant_text(constant) if is_number else "const"
        at = len(self.records)
        if isinstance(constant, np.ndarray):
            self.index[key] = at
        self.records.append(
            {
                "name": clean(shorten(name)), "named": named, "op": "", "sign": "",
                "expression": "", "params": "", "kind": "constant", "value": facts_of(constant),
                "grad": None, "state": "unrequired", "cotangent": None, "is_root": False,
                "is_array": isinstance(constant, np.ndarray),
            }
        )  # fmt: skip
        return at

    def link(self, node: Any, terms: Mapping[tuple[int, int], Any]) -> None:
        """Record the links from the operands of a node."""
        if node.op is None:
            return
        consumer = self.index[id(node)]
        arrays = isinstance(node._data, np.ndarray)
        wanted = self.slopes and not arrays
        local = pull_slots(node, 1.0, ieee=True) if wanted else [None] * len(node.parents)
        for slot, parent in enumerate(node.parents):
            if isinstance(parent, Node):
                producer = self.index[id(parent)]
            elif (id(node), slot) in self.boxed:
                producer = self.boxed[id(node), slot]
            else:
                continue
            term = terms.get((id(node), slot))
            slope = local[slot]
            self.records[producer]["uses"] = self.records[producer].get("uses", 0) + 1
            self.links.append(
                Link(
                    producer,
                    consumer,
                    slot,
                    None if slope is None else float(slope),
                    ""
                    if self.formula is None or not is_tracked(parent)
                    else self.formula(
                        node, slot, self.operands[id(node)], self.records[consumer]["name"]
                    ),
                    None if term is None else facts_of(term),
                    _summed_axes(self.records[producer], node) if arrays else (),
                )
            )

    def finished(self, roots: Sequence[Node], ran: bool, order: Sequence[Node]) -> Snapshot:
        nodes = tuple(Record(index=i, **record) for i, record in enumerate(self.records))
        notes = []
        if any(node.kind in ("leaf", "param") and node.passes > 1 for node in nodes):
            times = max(node.passes for node in nodes)
            notes.append(f"leaf gradients are the sum of {times} backward passes")
        if any(node.passes == 0 for node in nodes):
            notes.append("some leaf gradients hold more than this picture's backward pass")
        return Snapshot(
            nodes,
            tuple(self.links),
            tuple(self.index[id(root)] for root in roots),
            ran,
            tuple(self.index[id(node)] for node in order),
            tuple(notes),
        )


def _summed_axes(producer: Mapping[str, Any], node: Any) -> tuple[int, ...]:
    """The axes of the result over which an elementwise operand was broadcast."""
    if node.op.kind not in ("elementwise", "linear") or node.op.view or node.params:
        return ()
    small, large = producer["value"].shape, np.shape(node._data)
    if small == large or len(small) > len(large):
        return ()
    lead = len(large) - len(small)
    return tuple(i for i, n in enumerate(large) if i < lead or (small[i - lead] == 1 and n != 1))


def _passes(grad: Any, cotangent: Any) -> int:
    """How many equal backward passes a leaf's gradient is the sum of; 0 if it is something else."""
    if grad is None or cotangent is None:
        return 1
    grad, cotangent = np.asarray(grad, float), np.asarray(cotangent, float)
    total, one = float(np.abs(grad).sum()), float(np.abs(cotangent).sum())
    if not math.isfinite(total) or not math.isfinite(one) or one == 0:
        return 1
    times = round(total / one)
    if times >= 1 and np.allclose(grad, times * cotangent, rtol=1e-4, atol=1e-12):
        return times
    return 0
