"""The computation graph: nodes, their order, and copies of whole graphs.

A `Node` knows its `op` and its parents, and nothing of arithmetic; `value.Value` and
`tensor.Tensor` are the nodes people hold. Every node carries the `time` at which its data was
last written. A result is younger than its inputs, so sorting by `time` is a topological order,
the same in every run, and an input that is *younger* than a result made from it was overwritten.

No function here recurses: graphs a million nodes deep are walked, copied, pickled and freed.
"""

from __future__ import annotations

import itertools
import operator
import sys
import weakref
from array import array
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Node", "ancestors", "as_used", "leaves", "tick", "topological_order"]

tick: Callable[[], int] = itertools.count(1).__next__
"""The next moment of the clock that all nodes share; atomic under CPython's threads."""

N = TypeVar("N", bound="Node")


class Node:
    """What Value, Tensor and Symbol have in common: a place in a graph.

    Attributes
    ----------
    op : Primitive or None
        What made this node; None for a leaf.
    parents : tuple
        The inputs of `op`: nodes, with raw constants (numbers, arrays) between them.
    time : int
        When the data was last written.
    name : str or None
        What drawings and messages call it.
    """

    __slots__ = ()

    op: Any
    time: int
    name: str | None
    parents: Any
    params: Any
    requires_grad: Any
    _data: Any
    _grad: Any

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this node."""
        return self.op is None

    def _state(self, memo: dict[int, Any] | None = None) -> tuple[Any, ...]:
        """Everything but parents and gradient; with a `memo`, deep copies of it."""
        raise NotImplementedError

    @classmethod
    def _restore(cls, state: Iterable[Any], parents: tuple[Any, ...]) -> Self:
        """Build a node from `_state` and parents; without a gradient."""
        raise NotImplementedError

    def _refuse_changed(self) -> None:
        """Raise if what the forward pass used is no longer there; most nodes need not look."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # The default would recurse through the parents, and dies at depth 1000.
        order = topological_order(self)
        new = [node for node in order if id(node) not in memo]
        for node in new:
            parents = tuple([_copied(p, memo) for p in node.parents])
            memo[id(node)] = type(node)._restore(node._state(memo), parents)
        # Gradients last: one that is a graph holds the leaf it belongs to.
        for node in new:
            grad = node._grad
            if isinstance(grad, Node):
                grad = grad.__deepcopy__(memo)
            elif hasattr(grad, "copy"):
                grad = grad.copy()
            memo[id(node)]._grad = grad
        _rewrite([memo[id(node)] for node in _overwritten(order)])
        return memo[id(self)]

    def __copy__(self) -> Any:
        twin = type(self)._restore(self._state(), self.parents)
        twin._grad = self._grad
        return twin

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if self.op is None:
            # A gradient that is a graph holds the leaf itself: it follows once the leaf is there.
            return _restore, (type(self), self._state()), self._grad
        graph = next((g for g in _packed if id(self) in g.places), None) or _Packed(self)
        return operator.getitem, (graph, graph.places[id(self)])

    def __setstate__(self, grad: Any) -> None:
        self._grad = grad


def _copied(parent: Any, memo: dict[int, Any]) -> Any:
    """A parent's copy: a node's from the memo, an array's own; numbers are immutable."""
    if isinstance(parent, Node):
        return memo[id(parent)]
    return parent.copy() if hasattr(parent, "copy") else parent


class _Packed:
    """Stands for the results in a graph while they are pickled; unpickles as the list of them.

    Nodes lie in it oldest first, and name their parents by place, so the pickler never recurses.
    All nodes of one pickle find it in a weak set (the pickler's memo keeps it alive), so that two
    results of one graph still share their nodes after the round trip. Leaves pickle on their own.
    """

    __slots__ = ("__weakref__", "nodes", "overwritten", "places")

    def __init__(self, root: Node) -> None:
        order = topological_order(root)
        packed = [graph.places for graph in _packed]
        self.nodes: list[Node] = [
            node
            for node in order
            if node.op is not None and not any(id(node) in places for places in packed)
        ]
        self.places: dict[int, int] = {id(node): place for place, node in enumerate(self.nodes)}
        self.overwritten = _overwritten(order)
        _packed.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        places, counts, others = array("q"), array("q"), []
        for node in self.nodes:
            parents = node.parents
            counts.append(len(parents))
            for parent in parents:
                place = self.places.get(id(parent), -1)
                places.append(place)
                if place < 0:
                    others.append(parent)
        kinds = [type(node) for node in self.nodes]
        states = list(zip(*[node._state() for node in self.nodes], strict=True))  # by field
        grads = [node._grad for node in self.nodes]
        columns = (kinds, states, counts, places, others, self.overwritten)
        return _unpack, columns, grads, None, None, _set_grads


_packed: weakref.WeakSet[_Packed] = weakref.WeakSet()


def _unpack(
    kinds: list[type[Node]],
    states: list[Any],
    counts: array[int],
    places: array[int],
    others: list[Any],
    overwritten: list[Node],
) -> list[Node]:
    nodes: list[Node] = []
    place, other = iter(places), iter(others)
    for kind, count, *state in zip(kinds, counts, *states, strict=True):
        parents = [nodes[i] if i >= 0 else next(other) for i in itertools.islice(place, count)]
        nodes.append(kind._restore(state, tuple(parents)))
    _rewrite(overwritten)
    return nodes


def _set_grads(nodes: Iterable[Node], grads: Iterable[Any]) -> None:
    for node, grad in zip(nodes, grads, strict=True):
        node._grad = grad


def _restore(cls: type[Node], state: tuple[Any, ...]) -> Node:
    return cls._restore(state, ())


def _overwritten(order: list[Node]) -> list[Node]:
    """The leaves that were written to after they had been used."""
    found = {
        id(p): p
        for node in order
        for p in node.parents
        if isinstance(p, Node) and p.op is None and p.time > node.time
    }
    return list(found.values())


def _rewrite(leaves: Iterable[Any]) -> None:
    """Mark copies as overwritten too, so that a backward pass through them refuses as before."""
    for leaf in leaves:
        leaf.time = tick()


def ancestors(roots: Iterable[Node]) -> dict[int, Node]:
    """All nodes that `roots` are made from, the roots included, by identity.

    Parameters
    ----------
    roots : iterable of Node
        Where to start.

    Returns
    -------
    dict
        ``id(node) -> node``, in no particular order.
    """
    found = {id(root): root for root in roots}
    stack = list(found.values())
    while stack:
        node = stack.pop()
        now = node.time
        for parent in node.parents:
            if isinstance(parent, Node):
                if parent.time > now and parent.op is not None:
                    as_used(node)
                    stack.append(node)
                    break
                if id(parent) not in found:
                    found[id(parent)] = parent
                    stack.append(parent)
    return found


def as_used(node: Node) -> None:
    """Give `node` the parents it was made from, where some have been assigned to since.

    ``x[i] = v`` makes the object `x` a new result; its old self is kept in ``x.previous``, and
    what was made from it is younger than that and older than the new one.

    Parameters
    ----------
    node : Node
        A result; its ``parents`` are replaced.
    """
    parents: list[Any] = []
    for parent in node.parents:
        used = parent
        while isinstance(used, Node) and used.time > node.time and used.op is not None:
            used = used.previous  # type: ignore[attr-defined]
        parents.append(used)
    node.parents = tuple(parents)


def topological_order(*roots: Node) -> list[Node]:
    """All ancestors of `roots` and the roots, each node after its parents.

    The order is that of creation (leaves first among equals), so it is the same in every run.

    Parameters
    ----------
    *roots : Node
        The results to start from.

    Returns
    -------
    list of Node
        Parents before children.

    Examples
    --------
    >>> from microgradx import Value
    >>> a = Value(2.0, name="a"); b = a * a; c = b + a
    >>> [node.data for node in topological_order(c)]
    [2.0, 4.0, 6.0]
    """
    # A leaf written after it was used is younger than its children, hence the first key.
    return sorted(ancestors(roots).values(), key=lambda node: (node.op is not None, node.time))


def leaves(*roots: Node) -> list[Node]:
    """The nodes that no operation made, oldest first.

    Parameters
    ----------
    *roots : Node
        The results to start from.

    Returns
    -------
    list of Node
        Parameters, inputs and named constants.
    """
    return [node for node in topological_order(*roots) if node.op is None]


class _Slot:
    __slots__ = ("held",)


def _count_of_one_owner() -> int:
    node = _Slot()
    node.held = object()  # type: ignore[attr-defined]
    held = node.held  # type: ignore[attr-defined]
    return sys.getrefcount(held)


ONE_OWNER = _count_of_one_owner()
"""What ``sys.getrefcount(x)`` says after ``x = node.slot`` if nobody else holds it.

3 in Python 3.11 to 3.13: the slot, the name, the argument. Later interpreters may lend the
argument without counting it, so it is measured."""


def free_iteratively(cls: type[Node], links: tuple[str, ...]) -> None:
    """Make `cls` drop its parents one by one when it dies, instead of recursively.

    CPython's trashcan already does this for slots and tuples. WebAssembly builds have too little
    stack for it (they die at some 3,000 links), so `unlink_where_needed` installs this there.

    Parameters
    ----------
    cls : type
        A node class.
    links : tuple of str
        Its slots that hold parents.
    """

    def __del__(self: Node) -> None:  # noqa: N807 - becomes the class's own
        doomed = [self]
        while doomed:
            node = doomed.pop()
            released: list[Any] = []
            for link in links:
                held = getattr(node, link, None)
                setattr(node, link, None)
                released.extend(held if isinstance(held, tuple) else (held,))
            del held
            while released:
                parent = released.pop()
                # It is in no slot any more. Whoever else holds it keeps it alive.
                if isinstance(parent, Node) and sys.getrefcount(parent) < ONE_OWNER:
                    doomed.append(parent)

    cls.__del__ = __del__  # type: ignore[attr-defined]


def unlink_where_needed(cls: type[Node], links: tuple[str, ...]) -> None:
    """Call `free_iteratively` on platforms with a small stack."""
    if sys.platform == "emscripten":
        free_iteratively(cls, links)
