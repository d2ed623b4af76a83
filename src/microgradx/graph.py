"""The computation graph: nodes, their order, and copies of whole graphs.

A `Node` knows its `op` and its parents, and nothing of arithmetic; `value.Value` and
`tensor.Tensor` are the nodes people hold. Every node carries the `time` at which its data was
last written. A result is younger than its inputs, so sorting by `time` is a topological order,
the same in every run, and an input that is *younger* than a result made from it was overwritten.

No function here recurses: graphs a million nodes deep are walked, copied, pickled and freed.
"""

from __future__ import annotations

import itertools
import sys
import weakref
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
        """Everything but the parents; with a `memo`, deep copies of it."""
        raise NotImplementedError

    @classmethod
    def _restore(cls, state: tuple[Any, ...], parents: tuple[Any, ...]) -> Self:
        """Build a node from `_state` and parents."""
        raise NotImplementedError

    def _refuse_changed(self) -> None:
        """Raise if what the forward pass used is no longer there; most nodes need not look."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # The default would recurse through the parents, and dies at depth 1000.
        order = topological_order(self)
        for node in order:
            if id(node) not in memo:
                parents = tuple([_copied(p, memo) for p in node.parents])
                memo[id(node)] = type(node)._restore(node._state(memo), parents)
        _rewrite([memo[id(node)] for node in _overwritten(order)])
        return memo[id(self)]

    def __copy__(self) -> Any:
        return type(self)._restore(self._state(), self.parents)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        order = topological_order(self)
        rows = [_row(node) for node in order]
        return _last, (rows, [_row(node) for node in _overwritten(order)])


def _copied(parent: Any, memo: dict[int, Any]) -> Any:
    """A parent's copy: a node's from the memo, an array's own; numbers are immutable."""
    if isinstance(parent, Node):
        return memo[id(parent)]
    return parent.copy() if hasattr(parent, "copy") else parent


class _Row:
    """Stands for one node while a graph is pickled; unpickles as the node itself.

    A node pickles as the list of its ancestors' rows, oldest first, so that the pickler meets
    each parent before its children and never recurses. A row is shared by all nodes of one
    pickle through a weak table (the pickler's memo keeps it alive), so that two results of one
    graph, or a loss and its parameters, still share their nodes after the round trip.
    """

    __slots__ = ("__weakref__", "node")

    def __init__(self, node: Node) -> None:
        self.node = node

    def __reduce__(self) -> tuple[Any, ...]:
        node = self.node
        parents = tuple([_row(p) if isinstance(p, Node) else p for p in node.parents])
        return _restore, (type(node), node._state(), parents)


_rows: weakref.WeakValueDictionary[int, _Row] = weakref.WeakValueDictionary()


def _row(node: Node) -> _Row:
    row = _rows.get(id(node))
    if row is None:
        row = _rows[id(node)] = _Row(node)
    return row


def _restore(cls: type[Node], state: tuple[Any, ...], parents: tuple[Any, ...]) -> Node:
    return cls._restore(state, parents)


def _last(nodes: list[Node], overwritten: list[Node]) -> Node:
    _rewrite(overwritten)
    return nodes[-1]


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
                # 2: this name and the call's argument. Whoever else holds it keeps it alive.
                if isinstance(parent, Node) and sys.getrefcount(parent) <= 2:
                    doomed.append(parent)

    cls.__del__ = __del__  # type: ignore[attr-defined]


def unlink_where_needed(cls: type[Node], links: tuple[str, ...]) -> None:
    """Call `free_iteratively` on platforms with a small stack."""
    if sys.platform == "emscripten":
        free_iteratively(cls, links)
