"""The two backward walks: fast on raw data, and differentiable on nodes.

Both visit the graph from the root in reverse order of creation and pull each cotangent back
through the vjp rules of its primitive. What a rule may forget is done here, once: broadcasting is
undone (`fit`), dtypes are kept, cotangents that are exactly zero stay zero through singularities,
untracked inputs cost nothing, and data overwritten since the forward pass is refused.

Nothing is changed if a walk fails: gradients are put back as they were.
"""

from __future__ import annotations

import sys
from math import isfinite
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.errors import GraphError
from microgradx.graph import ONE_OWNER, Node, as_used, topological_order
from microgradx.ops import arrays
from microgradx.ops.shaping import unbroadcast_array
from microgradx.staleness import refuse_moved, refuse_stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from microgradx.primitive import Primitive

__all__ = [
    "HOOKED", "REPLACED", "TRACKED", "backward_arrays", "backward_floats", "cotangents", "fit",
    "hooked", "pullback",
]  # fmt: skip

TRACKED = 1
"""The flag of a Tensor that wants a cotangent."""
HOOKED = 8
"""The flag of a leaf whose gradient passes through its `hooks`."""
REPLACED = 4
"""The flag of what a Tensor was before it was assigned to; its `replaced` says when and where."""


# ---- the fast walk over Values -------------------------------------------------------------------
# The two fast walks are written out in one function each: a call for every node costs a third.
def backward_floats(root: Any, seed: Any) -> None:  # noqa: C901, PLR0912, PLR0915
    """Accumulate d root / d leaf into the ``grad`` of every leaf Value; set it on the others.

    Parameters
    ----------
    root : Value
        Where to start.
    seed : float or Fraction
        The cotangent of `root`.
    """
    cls = root.__class__
    mode = modes.current()
    keep_zero = mode is None or not mode.ieee_zeros
    watcher = None if mode is None else mode.watcher
    # A zero of this call's own: a node whose `_grad` *is* it has been seen. No table is needed.
    zero = seed * 0 if seed.__class__ is not float else float("0")
    touched = [root]
    before = [root._grad]
    try:
        root._grad = zero
        suspicious = False
        stack = [root] if root.op is not None else []
        pop, push = stack.pop, stack.append
        while stack:
            node = pop()
            now = node.time
            x = node._x
            if x.__class__ is cls:
                if x._grad is not zero:
                    before.append(x._grad)
                    x._grad = zero
                    touched.append(x)
                    if x.op is not None:
                        push(x)
                if x.time > now:
                    suspicious = True
            elif x.__class__ is tuple:
                for y in x:
                    if y.__class__ is cls:
                        if y._grad is not zero:
                            before.append(y._grad)
                            y._grad = zero
                            touched.append(y)
                            if y.op is not None:
                                push(y)
                        if y.time > now:
                            suspicious = True
                continue
            x = node._y
            if x.__class__ is cls:
                if x._grad is not zero:
                    before.append(x._grad)
                    x._grad = zero
                    touched.append(x)
                    if x.op is not None:
                        push(x)
                if x.time > now:
                    suspicious = True
        order = sorted(touched, key=_time, reverse=True)
        if suspicious:
            refuse_stale(reversed(order))
        root._grad = seed
        for node in order:
            op = node.op
            if op is None:
                continue
            g = node._grad
            z = node._data
            # Exactly 0 pulls back to exactly 0 wherever the inputs are finite: most of a hinge
            # loss's graph is skipped here. `z - z` is 0 for finite z only.
            if keep_zero and g == 0 and (op.guards or z - z == 0):
                continue
            x = node._x
            try:
                if x.__class__ is cls:
                    y = node._y
                    if y is None:
                        x._grad += op.float_vjps[0](g, z, x._data)
                    elif y.__class__ is cls:
                        pull_x, pull_y = op.float_vjps
                        a = x._data
                        b = y._data
                        c = pull_x(g, z, a, b)
                        y._grad += pull_y(g, z, a, b)
                        x._grad += c
                    else:
                        x._grad += op.float_vjps[0](g, z, x._data, y)
                elif x.__class__ is tuple:
                    _pull_many(cls, op, g, z, x)
                else:
                    y = node._y
                    y._grad += op.float_vjps[1](g, z, x, y._data)
            except ZeroDivisionError:
                _pull_ieee(cls, op, node, g, z)
            if watcher is not None:
                watcher.pulled(node)
        for node, old in zip(touched, before, strict=True):
            if node.op is None and (old.__class__ is cls or old):
                node._grad = old + node._grad
    except BaseException:
        for node, old in zip(touched, before, strict=True):
            node._grad = old
        raise


_time = attrgetter("time")


def _pull_many(cls: Any, op: Any, g: Any, z: Any, xs: tuple[Any, ...]) -> None:
    """Pull `g` back through an operation whose inputs are held in a tuple."""
    if op.closure is not None:  # a user's own `_backward`
        op.closure()
        return
    inputs = [x._data if x.__class__ is cls else x for x in xs]
    if op.float_each is not None:
        for x, c in zip(xs, op.float_each(g, z, *inputs), strict=True):
            if x.__class__ is cls:
                x._grad += c
        return
    if not op.vjps:  # piecewise constant: nothing flows back
        return
    for x, rule in zip(xs, op.float_vjps, strict=True):
        if rule is not None and x.__class__ is cls:
            x._grad += rule(g, z, *inputs)


def _pull_ieee(cls: Any, op: Primitive, node: Any, g: Any, z: Any) -> None:
    """Pull `g` back where a rule divides by zero: NumPy's numbers answer inf or nan, as on arrays.

    Rules write plain ``g / x``, which on Python floats raises; a check in each would cost every
    pass, and a ``try`` costs nothing until it catches.
    """
    parents = node.parents
    data = [x._data if x.__class__ is cls else x for x in parents]
    with np.errstate(all="ignore"):
        inputs = [np.float64(x) if isinstance(x, float) else x for x in data]
        for x, rule in zip(parents, op.array_vjps, strict=True):
            if rule is not None and x.__class__ is cls:
                x._grad += float(rule(np.float64(g), np.float64(z), *inputs))


# ---- the fast walk over Tensors ------------------------------------------------------------------
def fit(c: Any, like: Any) -> Any:
    """The cotangent `c`, summed to the shape and cast to the dtype of the array `like`."""
    if c.shape != like.shape:
        c = unbroadcast_array(c, like.shape)
    if c.dtype != like.dtype:
        c = c.astype(like.dtype)
    return c


def keep_zeros(c: Any, g: Any) -> Any:
    """`c` with exact zeros wherever `g` is exactly 0: no nan out of ``0 * inf``."""
    return c if isfinite(np.vdot(c, c)) else arrays.keep_zeros(c, g)  # finite terms, finite sum


SMALL_LEAVES = 1 << 14
"""Bytes of leaves up to which their gradients are looked at instead of each guarded cotangent."""


def backward_arrays(root: Any, seed: Any) -> None:
    """Accumulate the cotangents of `root` into the ``grad`` of every tracked leaf Tensor.

    Parameters
    ----------
    root : Tensor
        Where to start.
    seed : ndarray, of root's shape and dtype
        The cotangent of `root`; it becomes root's ``grad`` and is not written to.
    """
    mode = modes.current()
    keep_zero = mode is None or not mode.ieee_zeros
    watcher = None if mode is None else mode.watcher
    mark = object()
    touched = [root]
    before = [root._grad]
    try:
        suspicious, size = _reach(root, mark, touched, before)
        order = sorted(touched, key=_time, reverse=True)
        if suspicious:
            refuse_stale(reversed(order))
        # Warnings belong to the forward pass; here inf and nan are part of the answer.
        with np.errstate(all="ignore"):
            root._grad = seed
            late = keep_zero and watcher is None and size <= SMALL_LEAVES
            if not _pull_arrays(order, mark, keep_zero, late, watcher):
                for node in order:
                    node._grad = mark
                root._grad = seed
                _pull_arrays(order, mark, True, False, None)
        for node, old in zip(touched, before, strict=True):
            if node.op is None:
                if node._flags & HOOKED and node._grad is not mark:
                    node._grad = hooked(node.hooks, node._grad)
                node._grad = _leaf_gradient(node, old, mark)
            elif node._grad is mark:
                node._grad = None
    except BaseException:
        for node, old in zip(touched, before, strict=True):
            node._grad = old
        raise


def _reach(root: Any, mark: object, touched: list[Any], before: list[Any]) -> tuple[bool, int]:
    """Collect the tracked nodes below `root`, and their gradients from before, into the lists.

    Returns whether some data may be younger than its use, and the bytes of the leaves. A node
    whose `_grad` is `mark`, which is this call's own, has been seen; no table is needed.
    """
    cls = root.__class__
    root._grad = mark
    stack = [root] if root.op is not None else []
    pop, push, see, remember = stack.pop, stack.append, touched.append, before.append
    suspicious, size = False, 0
    while stack:
        node = pop()
        now = node.time
        if node.guard is not None:
            refuse_moved(node)
            suspicious = suspicious or bool(node._flags & REPLACED)
        for x in node.parents:
            if x.__class__ is cls:
                if x.time > now:
                    if x.op is not None:  # assigned to since: `node` was made from its old self
                        as_used(node)
                        push(node)
                        break
                    suspicious = True
                if x._grad is not mark and x._flags & TRACKED:
                    remember(x._grad)
                    x._grad = mark
                    see(x)
                    if x.op is not None:
                        push(x)
                    else:
                        size += x._data.nbytes
    return suspicious, size


def _pull_arrays(  # noqa: C901, PLR0912, PLR0915 - a call for every node would cost a third
    order: list[Any], mark: object, keep_zero: bool, late: bool, watcher: Any
) -> bool:
    """Pull cotangents back through the nodes of `order`; False if it must be done again.

    Exact zeros must come out of singularities as zeros, so an inf or nan that a guarded rule
    makes has to be noticed. Looking at each cotangent costs more than a small division; so where
    `late` is true, one is only noticed where it could get lost or be seen: every operation of the
    short path hands a nan on, hence before the first other operation, and at the leaves.
    """
    cls = order[0].__class__
    vdot = np.vdot
    unsure = False
    for node in order:
        op = node.op
        g = node._grad
        if op is None or g is mark:
            continue
        if watcher is not None:
            watcher.pulled(node)
        if not op.plain:
            if not op.pure:  # somebody's function runs once, and on sure numbers
                if unsure:
                    return False
                late = False
            elif unsure and not isfinite(vdot(g, g)):
                return False
            if op.each is not None or len(node.parents) > 1:
                for x, c in pullback(node, g):
                    old = x._grad
                    x._grad = c if old is mark else old + c
                continue
        # One or two inputs are the usual case; written out, they cost half as much. And
        # `a` broadcasts to `c`, so equal bytes and axes mean equal shapes and dtypes.
        guarded = keep_zero and op.guards
        if guarded and late and op.plain:
            unsure = True
            guarded = False
        z = node._data
        parents = node.parents
        if len(parents) == 1:
            (x,) = parents
            (a,) = node.inputs
            params = node.params
            rule = op.array_vjps[0]
            c = rule(g, z, a, **params) if params else rule(g, z, a)
            if guarded:
                c = keep_zeros(c, g)
            if c.nbytes != a.nbytes or c.ndim != a.ndim:
                c = fit(c, a)
            old = x._grad
            x._grad = c if old is mark else old + c
            continue
        x, y = parents
        pull_x, pull_y = op.array_vjps
        a, b = node.inputs
        c = pull_x(g, z, a, b) if x.__class__ is cls and x._flags & 1 else None
        d = pull_y(g, z, a, b) if y.__class__ is cls and y._flags & 1 else None
        # An inf or nan in either shows in the dot product of both.
        if guarded and (c is None or d is None or not isfinite(vdot(c, d))):
            c = None if c is None else keep_zeros(c, g)
            d = None if d is None else keep_zeros(d, g)
        if c is not None:
            if c.nbytes != a.nbytes or c.ndim != a.ndim:
                c = fit(c, a)
            old = x._grad
            x._grad = c if old is mark else old + c
        if d is not None:
            if d.nbytes != b.nbytes or d.ndim != b.ndim:
                d = fit(d, b)
            old = y._grad
            y._grad = d if old is mark else old + d
    if unsure:
        for node in order:
            g = node._grad
            if node.op is None and g is not mark and not isfinite(vdot(g, g)):
                return False
    return True


def hooked(hooks: list[Any], g: Any) -> Any:
    """What is left of a gradient after its hooks: each may put another in its place."""
    for hook in tuple(hooks):
        replaced = hook(g)
        if replaced is not None:
            raw = getattr(replaced, "_data", replaced)
            g = replaced if isinstance(g, Node) else np.asarray(raw, g.dtype)
    return g


def pullback(node: Any, g: Any) -> list[tuple[Any, Any]]:
    """The cotangents that `g` at `node` sends to its tracked parents, as ``(parent, array)``."""
    cls, op, inputs = node.__class__, node.op, node.inputs
    params = node.params or {}
    mode = modes.current()
    guarded = op.guards and (mode is None or not mode.ieee_zeros)
    z = node._data
    if op.each is not None:
        pulled = op.array_each(g, z, *inputs, **params)
    else:
        pulled = [
            rule(g, z, *inputs, **params)
            if rule is not None and x.__class__ is cls and x._flags & TRACKED
            else None
            for x, rule in zip(node.parents, op.array_vjps, strict=True)
        ]
    return [
        (x, fit(keep_zeros(c, g) if guarded else c, a))
        for x, c, a in zip(node.parents, pulled, inputs, strict=True)
        if c is not None and x.__class__ is cls and x._flags & TRACKED
    ]


def _leaf_gradient(node: Any, old: Any, mark: object) -> Any:
    """What a leaf's ``grad`` becomes: its own array, added to the one from earlier calls."""
    new = node._grad
    if new is mark:
        return old
    if old is None:
        # A rule may hand the cotangent on as it is (add) or as a view (reshape); a leaf's grad
        # belongs to the leaf.
        shared = new.__class__ is not np.ndarray or sys.getrefcount(new) > ONE_OWNER
        if not shared and new.base is not None:
            base = new.base  # fine if it is all of an array that nobody holds: its transpose, say
            shared = base.__class__ is not np.ndarray or sys.getrefcount(base) > ONE_OWNER
            shared = shared or base.nbytes != new.nbytes or not new.flags.writeable
        return np.array(new) if shared else new
    if old.__class__ is node.__class__:
        return old + new
    return np.asarray(old + new)


# ---- the differentiable walk ---------------------------------------------------------------------
@np.errstate(all="ignore")
def cotangents(
    roots: Sequence[Any],
    seeds: Sequence[Any],
    wanted: Iterable[Any] | None = None,
    told: Callable[[Any, int, Any], None] | None = None,
) -> dict[int, Any]:
    """Pull `seeds` back from `roots` in node arithmetic: the result is itself a graph.

    Parameters
    ----------
    roots : sequence of Value or Tensor
        Where to start.
    seeds : sequence of Value or Tensor
        The cotangent of each root, of its shape and dtype.
    wanted : iterable of Value or Tensor, optional
        Only pull back towards these; by default towards everything tracked.
    told : callable, optional
        Called as ``told(node, i, c)`` for each cotangent `c` that `node` sends to its input `i`.

    Returns
    -------
    dict
        ``id(node) -> cotangent`` for every node that is reached.
    """
    order = topological_order(*roots)
    refuse_stale(order)
    useful = _towards(order, wanted)
    mode = modes.current()
    keep_zero = mode is None or not mode.ieee_zeros
    found: dict[int, Any] = {}
    for root, seed in zip(roots, seeds, strict=True):
        found[id(root)] = found[id(root)] + seed if id(root) in found else seed
    for node in reversed(order):
        op = node.op
        g = found.get(id(node))
        if op is None or g is None or id(node) not in useful:
            continue
        node._refuse_changed()
        parents = node.parents
        params = node.params or {}
        many = None if op.each is None else op.each(g, node, *parents, **params)
        for i, x in enumerate(parents):
            if not isinstance(x, Node) or id(x) not in useful:
                continue
            if many is None:
                rule = op.vjps[i]
                if rule is None:
                    continue
                c = rule(g, node, *parents, **params)
            else:
                c = many[i]
            if op.guards and keep_zero:
                c = c._keep_zeros(g)
            c = c._fit(x)
            if told is not None:
                told(node, i, c)
            found[id(x)] = found[id(x)] + c if id(x) in found else c
    for node in order:
        if node.op is None and getattr(node, "_flags", 0) & HOOKED and id(node) in found:
            found[id(node)] = hooked(node.hooks, found[id(node)])  # type: ignore[attr-defined]
    return found


def _towards(order: list[Node], wanted: Iterable[Any] | None) -> set[int]:
    """The nodes on a path from one of `wanted` (or from any tracked leaf) to the roots."""
    if wanted is None:
        useful = {id(n) for n in order if n.op is None and n.requires_grad}
    else:
        useful = {id(n) for n in wanted}
    for node in order:
        # Under a capture untracked results have parents too; no gradient flows through them.
        tracked = node.requires_grad and id(node) not in useful
        if tracked and any(id(p) in useful for p in node.parents):
            useful.add(id(node))
    return useful


def scalar_root(root: Any) -> None:
    """Refuse a root without a single number."""
    if root._data.size != 1:
        raise GraphError(
            "backward",
            f"the root has shape {root._data.shape}, so it has no gradient",
            "Reduce it first, for example z.mean(), or pass a cotangent: z.backward(g)",
        )


def pull_floats(node: Any) -> list[tuple[Any, Any]]:
    """The cotangents that a Value's ``grad`` sends to its parents, as ``(parent, number)``."""
    cls, op = node.__class__, node.op
    if op.each is None and not op.vjps:  # piecewise constant
        return []
    g, z, inputs = node._grad, node._data, node.inputs
    pulled = (
        op.float_each(g, z, *inputs)
        if op.float_each is not None
        else [rule(g, z, *inputs) if rule is not None else None for rule in op.float_vjps]
    )
    return [
        (x, c)
        for x, c in zip(node.parents, pulled, strict=True)
        if c is not None and x.__class__ is cls
    ]
