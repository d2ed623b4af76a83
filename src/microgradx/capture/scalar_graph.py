"""From columns to groups: what one NumPy call each will compute.

Chains of additions become n-ary sums, sums of products become dots, nodes of one level with one
primitive become a `Group`, and dots that are all pairs of some vectors become a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from microgradx.capture.columns import CONSTANT, OPERATION, Columns

__all__ = ["Group", "Levels", "groups", "level"]

Ids = Any  # ndarray of node numbers

SHORT = 8
"""Length of vectors from which BLAS is worth it for a single row or column."""
FEWEST_PRODUCTS = 2
"""A dot of one product would be a multiplication and an addition anyway."""


@dataclass
class Group:
    """Nodes computed by one call, or a few.

    Attributes
    ----------
    op : str
        A primitive's name, or ``"sum"``, ``"dot"``, ``"matmul"``.
    nodes : ndarray
        The results, in the order of their memory: ``(m,)``; for matmul ``(batch, rows, cols)``.
    operands : list of ndarray or None
        Elementwise: one ``(m,)`` array an input. sum: one ``(terms, m)``. dot: ``plain (k, m)``,
        ``left (L, m)``, ``right (L, m)``. matmul: ``plain``, ``left (batch, rows, L)``,
        ``right (batch, cols, L)``; its `plain` is ``(batch, cols)``, ``(batch, rows)`` or
        ``(k, batch, rows, cols)``, told apart by `bias`.
    epoch, level : int
        Backward events before it; its longest path from the leaves.
    """

    op: str
    nodes: Ids
    operands: list[Ids]
    epoch: int
    level: int
    bias: str = ""  # "", "cols", "rows" or "full"
    plain_last: bool = False
    primitive: Any = None
    literal: dict[int, float | None] = field(default_factory=dict)


@dataclass
class Fused:
    """The graph after fusion: which nodes are left, and what they read."""

    op: list[str]  # "" where a node was fused away, or is a leaf
    plain: dict[int, list[int]]
    pairs: dict[int, tuple[list[int], list[int]]]
    plain_last: dict[int, bool]


def epochs(c: Columns) -> Any:
    """How many backward events each node is computed after: as many as its readers allow."""
    if not c.events:
        return np.zeros(c.size, np.int64)
    last = len(c.events)
    epoch = np.full(c.size, last)
    start, parent = c.start.tolist(), c.parent.tolist()
    late = epoch.tolist()
    for k, event in reversed(list(enumerate(c.events))):
        for node in (event.root, event.seed, *event.wanted):
            late[node] = min(late[node], k)
    for i in range(c.size - 1, -1, -1):
        here = late[i]
        if here < last:
            for p in parent[start[i] : start[i + 1]]:
                late[p] = min(late[p], here)
    return np.array(late)


def _readers(c: Columns) -> Any:
    """How often each node is read, by operations and from outside."""
    uses = np.bincount(c.parent[c.parent >= 0], minlength=c.size)
    outside = [*c.outputs, *c.writes.values(), *c.finals]
    for event in c.events:
        outside += [event.root, event.seed, *event.wanted]
    np.add.at(uses, np.array(outside, np.int64), 1)
    return uses


def _roots(absorbed_by: Any) -> Any:
    """For each node the last of the chain it was absorbed into, by pointer doubling."""
    root = np.where(absorbed_by >= 0, absorbed_by, np.arange(len(absorbed_by)))
    while True:
        further = root[root]
        if (further == root).all():
            return root
        root = further


def _code(c: Columns, name: str) -> int:
    return next((k for k, op in enumerate(c.ops) if op.name == name), -2)


def fuse(c: Columns, epoch: Any, *, chains: bool = True) -> tuple[Fused, Any]:
    """Make n-ary sums and dots of chains; also tells which nodes were fused away."""
    n = c.size
    uses = _readers(c)
    add, mul = _code(c, "add"), _code(c, "mul")
    gone = np.zeros(n, bool)
    fused = Fused([], {}, {}, {})
    adds = np.flatnonzero(c.code == add)
    x, y = c.parent[c.start[adds]], c.parent[c.start[adds] + 1]
    absorbed_by = np.full(n, -1)
    if chains:
        open_ = (c.code == add) & (uses == 1)
        left = open_[x] & (epoch[x] == epoch[adds])
        right = open_[y] & (epoch[y] == epoch[adds]) & ~left
        absorbed_by[x[left]] = adds[left]
        absorbed_by[y[right]] = adds[right]
    else:
        left = right = np.zeros(len(adds), bool)
    root = _roots(absorbed_by)
    gone |= absorbed_by >= 0
    # Terms in the order a left-to-right loop adds them: chain nodes are younger the later.
    owner = np.concatenate([root[adds[~left]], root[adds[~right]]])
    when = np.concatenate([2 * adds[~left], 2 * adds[~right] + 1])
    term = np.concatenate([x[~left], y[~right]])
    # Chain sums `t + s` add t, `s + t` add t as well: one new term a link.
    order = np.lexsort((when, owner))
    owner, term = owner[order], term[order]
    # 0 + t is t: builtin `sum` starts with 0.
    zero = (c.kind[term] == CONSTANT) & (c.value[term] == 0.0)
    many = np.bincount(owner[~zero], minlength=n) >= 2
    kept = ~(zero & many[owner])
    owner, term = owner[kept], term[kept]
    single = (c.code[term] == mul) & (uses[term] == 1) & (epoch[term] == epoch[owner])
    products = np.bincount(owner[single], minlength=n)
    # Where most terms are no products, those few join the other products of their level instead.
    dots = (products >= FEWEST_PRODUCTS) & (2 * products >= np.bincount(owner, minlength=n))
    single &= dots[owner]
    gone[term[single]] = True
    _collect_chains(c, fused, owner, term, single)
    _collect_primitives(c, fused)
    names = [op.name for op in c.ops] + [""]
    fused.op = [names[k] for k in c.code.tolist()]
    for i, terms in fused.plain.items():
        pairs = fused.pairs.get(i)
        fused.op[i] = "dot" if pairs else "sum" if len(terms) != 2 else "add"
    for i in np.flatnonzero(gone).tolist():
        fused.op[i] = ""
    return fused, gone


def _collect_chains(c: Columns, fused: Fused, owner: Any, term: Any, single: Any) -> None:
    cuts = np.flatnonzero(np.diff(owner, prepend=-1, append=-1))
    terms, product = term.tolist(), single.tolist()
    firsts, seconds = (
        c.parent[c.start[term]],
        c.parent[np.minimum(c.start[term] + 1, len(c.parent) - 1)],
    )
    first, second = firsts.tolist(), seconds.tolist()
    for a, b in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        i = int(owner[a])
        here = range(a, b)
        fused.plain[i] = [terms[k] for k in here if not product[k]]
        pairs = [k for k in here if product[k]]
        if pairs:
            fused.pairs[i] = [first[k] for k in pairs], [second[k] for k in pairs]
            fused.plain_last[i] = product[a]


def _collect_primitives(c: Columns, fused: Fused) -> None:
    """The n-ary primitives `total` and `dot` are sums and dots already."""
    total, dot = _code(c, "total"), _code(c, "dot")
    zero = (c.kind == CONSTANT) & (c.value == 0.0)
    for i in np.flatnonzero((c.code == total) | (c.code == dot)).tolist():
        terms = c.parent[c.start[i] : c.start[i + 1]].tolist()
        if c.code[i] == total:
            fused.plain[i] = terms
            continue
        half = len(terms) // 2
        fused.plain[i] = [] if zero[terms[0]] and half else terms[:1]
        if half:
            fused.pairs[i] = terms[1 : half + 1], terms[half + 1 :]
            fused.plain_last[i] = False


@dataclass
class Levels:
    """The operations of a step by epoch, level and kind: each entry of `table` is a group."""

    columns: Columns
    fused: Fused
    table: dict[tuple[Any, ...], list[int]]


def groups(levels: Levels, *, products: bool = True) -> list[Group]:
    """Sort the operations of a step into groups, in an order in which they can run.

    Parameters
    ----------
    levels : Levels
        The step.
    products : bool
        Recognise matrix products.

    Returns
    -------
    list of Group
        One call each, or a few.
    """
    fused, table = levels.fused, levels.table
    found: list[Group] = []
    for key in sorted(table, key=lambda key: key[:3]):
        nodes = np.array(table[key])
        if key[2] not in {"sum", "dot"}:
            found.append(_elementwise(levels.columns, fused, key, nodes))
            continue
        whole = _summed(fused, key, nodes)
        found += matrix_products(whole) if products and key[2] == "dot" else [whole]
    return found


def level(c: Columns, *, chains: bool = True) -> Levels:
    """Find what can be computed at the same time.

    Parameters
    ----------
    c : Columns
        The step.
    chains : bool
        Fuse chains of additions.

    Returns
    -------
    Levels
        Its operations in a table.
    """
    epoch = epochs(c)
    fused, gone = fuse(c, epoch, chains=chains)
    return Levels(c, fused, _table(c, fused, gone, epoch))


def _table(c: Columns, fused: Fused, gone: Any, epoch: Any) -> dict[tuple[Any, ...], list[int]]:
    """Nodes by epoch, level, operation and whatever else must be the same in one call."""
    depth = [0] * c.size
    start, parent = c.start.tolist(), c.parent.tolist()
    eras = epoch.tolist()
    constant = (c.kind == CONSTANT).tolist()
    rows: list[tuple[int, list[int], tuple[Any, ...]]] = []
    for i in np.flatnonzero((c.kind == OPERATION) & ~gone).tolist():
        plain = fused.plain.get(i)
        key: tuple[Any, ...]
        if plain is None:
            read = parent[start[i] : start[i + 1]]
            exponent = read[1] if fused.op[i] == "pow" and constant[read[1]] else -1
            key = (c.value[exponent] if exponent >= 0 else None, tuple([p < 0 for p in read]))
        else:
            left, right = fused.pairs.get(i, ((), ()))
            read = [*plain, *left, *right]
            key = (len(plain), len(left), fused.plain_last.get(i, False))
        top = 0
        for p in read:
            if p >= 0 and depth[p] > top:
                top = depth[p]
        depth[i] = top + 1
        rows.append((i, read, (fused.op[i], *key)))
    if c.events:
        _as_late_as_possible(rows, depth, eras, len(c.events))
    table: dict[tuple[Any, ...], list[int]] = {}
    for i, _, key in rows:
        table.setdefault((eras[i], depth[i], *key), []).append(i)
    return table


def _elementwise(c: Columns, fused: Fused, key: tuple[Any, ...], nodes: Ids) -> Group:
    era, depth, op, exponent, *_ = key
    if op == "add":
        read = np.array([fused.plain[i] for i in nodes.tolist()]).T
    else:
        index = c.start[nodes] + np.arange(c.start[nodes[0] + 1] - c.start[nodes[0]])[:, None]
        read = c.parent[index]
    primitive = next(p for p in c.ops if p.name == op)
    group = Group(op, nodes, list(read), era, depth, primitive=primitive)
    if op == "pow" and exponent is not None:
        group.literal[1] = float(exponent)
    for i, ids in enumerate(read):
        if ids[0] < 0:  # a bound that is None; its place is taken by the first input
            group.literal[i], group.operands[i] = None, group.operands[0]
    return group


def _summed(fused: Fused, key: tuple[Any, ...], nodes: Ids) -> Group:
    era, depth, op, _, _, plain_last = key
    members = nodes.tolist()
    operands = [np.array([fused.plain[i] for i in members], np.int64).reshape(len(nodes), -1).T]
    if op == "dot":
        operands += [np.array([fused.pairs[i][side] for i in members]).T for side in (0, 1)]
    return Group(op, nodes, operands, era, depth, plain_last=plain_last)


def _as_late_as_possible(
    rows: list[tuple[int, list[int], tuple[Any, ...]]], level: list[int], eras: list[int], era: int
) -> None:
    """Level the update from its end: all parameters then take each step of it together.

    From the beginning, those that the loss does not depend on would run ahead of the others.
    """
    height = [0] * len(level)
    for i, read, _ in reversed(rows):
        if eras[i] == era:
            for p in read:
                if p >= 0 and height[p] <= height[i]:
                    height[p] = height[i] + 1
            level[i] = -height[i]


# ---- matrix products -----------------------------------------------------------------------------
def _label(vectors: Any) -> tuple[Any, Any]:
    """A number for each distinct row, in order of first appearance, and its first row."""
    weights = np.random.default_rng(0).integers(1, 2**63, vectors.shape[1], dtype=np.uint64)
    hashed = (vectors.astype(np.uint64) * weights).sum(1, dtype=np.uint64)
    _, first, inverse = np.unique(hashed, return_index=True, return_inverse=True)
    if not (vectors == vectors[first[inverse]]).all():  # two rows with one hash: count exactly
        _, first, inverse = np.unique(vectors, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    order = np.argsort(first)
    rank[order] = np.arange(len(first))
    return rank[inverse.reshape(-1)], first[order]


def _components(a: Any, b: Any) -> Any:
    """Connected components of the bipartite graph whose edges are the pairs ``(a, b)``."""
    label = np.arange(a.max() + 1)
    while True:
        across = np.full(b.max() + 1, len(label))
        np.minimum.at(across, b, label[a])
        back = label.copy()
        np.minimum.at(back, a, across[b])
        if (back == label).all():
            return label[a]
        label = back


def matrix_products(dots: Group) -> list[Group]:
    """Split dots into matrix products, where all pairs of some vectors occur, and the rest."""
    plain, left, right = dots.operands
    a, a_first = _label(left.T)
    b, b_first = _label(right.T)
    component = _components(a, b)
    rest = np.zeros(len(a), bool)
    shaped: dict[tuple[int, int, bool], list[tuple[Any, Any, Any]]] = {}
    order = np.argsort(component, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(component[order])) + 1):
        rows, cols = np.unique(a[members]), np.unique(b[members])
        complete = len(members) == len(rows) * len(cols)
        complete = complete and len(np.unique(a[members] * (b.max() + 1) + b[members])) == len(
            members
        )
        # A thin product of short vectors is no faster than plain multiplication, and harder to read
        # from memory; single dots belong together.
        thin = min(len(rows), len(cols)) == 1 and len(left) < SHORT
        if not complete or (len(component) > 1 and (thin or len(members) == 1)):
            rest[members] = True
            continue
        # Rows of the result are what changes slowest in the user's own order.
        swapped = len(members) > 1 and len(cols) > 1 and b[members[1]] == b[members[0]]
        swapped = swapped or (len(cols) > 1 and len(rows) == 1)
        if swapped:
            grid = members[np.lexsort((a[members], b[members]))].reshape(len(cols), len(rows))
        else:
            grid = members[np.lexsort((b[members], a[members]))].reshape(len(rows), len(cols))
        shaped.setdefault((*grid.shape, bool(swapped)), []).append((grid, rows, cols))
    found = []
    for (_, _, swapped), parts in shaped.items():
        grid = np.stack([part[0] for part in parts])
        lefts = np.stack([left.T[a_first[part[1]]] for part in parts])
        rights = np.stack([right.T[b_first[part[2]]] for part in parts])
        operands = [plain[:, grid], rights, lefts] if swapped else [plain[:, grid], lefts, rights]
        group = Group("matmul", dots.nodes[grid], operands, dots.epoch, dots.level)
        _recognise_bias(group)
        found.append(group)
    if rest.any():
        kept = np.flatnonzero(rest)
        operands = [plain[:, kept], left[:, kept], right[:, kept]]
        found.append(Group("dot", dots.nodes[kept], operands, dots.epoch, dots.level))
        found[-1].plain_last = dots.plain_last
    return found


def _recognise_bias(group: Group) -> None:
    plain = group.operands[0]  # (k, batch, rows, cols)
    if len(plain) == 0:
        return
    if len(plain) == 1 and (plain[0] == plain[0][:, :1]).all():
        group.bias, group.operands[0] = "cols", plain[0][:, 0]
    elif len(plain) == 1 and (plain[0] == plain[0][:, :, :1]).all():
        group.bias, group.operands[0] = "rows", plain[0][:, :, 0]
    else:
        group.bias = "full"
