"""Differentiate functions: grad, value_and_grad, vjp, jvp, jacobian, hessian, hvp.

They nest to any order and in any mixture. Arguments may be numbers, arrays, Values, Tensors, and
tuples, lists and dicts of those. What comes back is of the kind that went in: numbers for
numbers, arrays for arrays, and differentiable nodes for nodes.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import engine, modes, value
from microgradx.errors import DTypeError, ShapeError, UnsupportedError
from microgradx.functions import broadcast_to, reshape, stack, zeros_like
from microgradx.graph import Node, topological_order
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.tensor_operations import apply as apply_tensor
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]


# ---- trees ---------------------------------------------------------------------------------------
def flatten(tree: Any) -> tuple[list[Any], Callable[[Sequence[Any]], Any]]:
    """The leaves of nested tuples, lists and dicts, and a function that puts new ones in place."""
    if isinstance(tree, dict):
        keys = list(tree)
        leaves, inner = flatten([tree[k] for k in keys])
        return leaves, lambda new: dict(zip(keys, inner(new), strict=True))
    if not isinstance(tree, (tuple, list)):
        return [tree], lambda new: new[0]
    parts = [flatten(branch) for branch in tree]
    sizes = [len(leaves) for leaves, _ in parts]

    def rebuild(new: Sequence[Any]) -> Any:
        built, start = [], 0
        for (_, inner), size in zip(parts, sizes, strict=True):
            built.append(inner(new[start : start + size]))
            start += size
        if hasattr(tree, "_fields"):
            return type(tree)(*built)
        return type(tree)(built)

    return [leaf for leaves, _ in parts for leaf in leaves], rebuild


def lift(leaf: Any, where: str, arrays: bool) -> Any:
    """A node that stands for one argument and for nothing else; numbers among `arrays` too.

    A node gets an alias, so that ``grad(lambda y: x * y)(x)`` tells its two xs apart while the
    result still depends on the outer one.
    """
    if leaf.__class__ is Value:
        return +leaf
    if leaf.__class__ is Tensor:
        if leaf.requires_grad:
            return apply_tensor(PRIMITIVES["reshape"], (leaf,), {"shape": leaf.shape})
        return Tensor(leaf, requires_grad=_floating(leaf.dtype, where))
    if isinstance(leaf, (np.ndarray, np.generic)) and np.ndim(leaf) + isinstance(leaf, np.ndarray):
        return Tensor(leaf, requires_grad=_floating(leaf.dtype, where))
    if value.as_number(leaf) is not NotImplemented:
        return Tensor(float(leaf)) if arrays else Value(leaf)
    raise UnsupportedError(
        where,
        f"cannot differentiate with respect to a {type(leaf).__name__}",
        "Pass numbers, arrays, Values or Tensors, or tuples, lists and dicts of them",
    )


def _floating(dtype: np.dtype[Any], where: str) -> bool:
    if dtype.kind != "f":
        raise DTypeError(
            where,
            f"{dtype} data cannot carry a cotangent",
            "Pass floats, or x.astype(float)",
            dtype=dtype,
        )
    return True


def lower(node: Any, original: Any) -> Any:
    """A result as raw data, of the kind of the argument it belongs to."""
    if node.__class__ is Tensor and not isinstance(original, (np.ndarray, np.generic)):
        return node.item()
    return node._data


def _zero(node: Any) -> Any:
    if node.__class__ is Value:
        return Value(node._data * 0)
    return zeros_like(node, requires_grad=False)


_inside: ContextVar[bool] = ContextVar("microgradx_inside_transform", default=False)


class _Run:
    """One call of a function on lifted arguments, ready to be differentiated."""

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        argnums: int | tuple[int, ...],
        where: str,
    ) -> None:
        places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for place in places:
            if not -len(args) <= place < len(args):
                problem = f"argument {place} was not passed: there are {len(args)}"
                raise UnsupportedError(where, problem, "Check argnums")
        chosen: Any = tuple([args[p] for p in places])
        if isinstance(argnums, int):
            (chosen,) = chosen
        self.where = where
        self.originals, self.rebuild = flatten(chosen)
        every = [leaf for arg in args for leaf in flatten(arg)[0]]
        arrays = any(isinstance(leaf, (Tensor, np.ndarray)) for leaf in every)
        # Raw data comes back raw, unless somebody may differentiate what comes back: a node is
        # among the arguments, or this runs inside the function of another transform.
        self.recorded = _inside.get() or any(isinstance(leaf, Node) for leaf in every)
        token = _inside.set(True)
        try:
            self._run(f, args, places, argnums, arrays)
        finally:
            _inside.reset(token)

    def _run(self, f: Any, args: Any, places: Any, argnums: Any, arrays: bool) -> None:
        with modes.enable_grad():
            self.nodes = [lift(leaf, self.where, arrays) for leaf in self.originals]
            tree = self.rebuild(self.nodes)
            filled = list(args)
            branches = [tree] if isinstance(argnums, int) else tree
            for place, branch in zip(places, branches, strict=True):
                filled[place] = branch
            self.out = f(*filled)

    def scalar(self, out: Any) -> Any:
        """The single number that `grad` differentiates."""
        if not isinstance(out, Node):
            if value.as_number(out) is not NotImplemented:
                return None
            problem = f"the function returned a {type(out).__name__}"
            raise UnsupportedError(self.where, problem, "Return one Value or a Tensor of shape ()")
        if out.__class__ is Tensor and out.size != 1:
            raise ShapeError(
                self.where,
                f"the function returned shape {out.shape}, not a single number",
                "Reduce it, for example with .sum(), or use jacobian or vjp",
                shape=out.shape,
            )
        return out

    def pull(self, roots: list[Any], seeds: list[Any]) -> list[Any]:
        """The cotangent of each argument leaf, as nodes; zeros where nothing arrives."""
        with modes.switch(record=self.recorded):
            found = engine.cotangents(roots, seeds, self.nodes) if roots else {}
            return [found[id(n)] if id(n) in found else _zero(n) for n in self.nodes]

    def lowered(self, cotangents: list[Any]) -> Any:
        """Cotangents in the structure and kind of the arguments."""
        if self.recorded:
            return self.rebuild(cotangents)
        return self.rebuild([lower(c, o) for c, o in zip(cotangents, self.originals, strict=True)])


def _as_node(out: Any) -> Any:
    """What a function returned; a raw number as a Value, a raw array as an untracked Tensor."""
    if isinstance(out, Node):
        return out
    if value.as_number(out) is not NotImplemented:
        return Value(out)
    return Tensor(out, requires_grad=False)


def _one(root: Any) -> Any:
    if root.__class__ is Value:
        return Value(root._data * 0 + 1)
    return Tensor(np.ones(root.shape, root.dtype), requires_grad=False)


# ---- reverse mode --------------------------------------------------------------------------------
def grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The gradient of a function that returns one number.

    Parameters
    ----------
    f : callable
        Returns a Value or a Tensor with one element (with `has_aux`, a pair of that and anything).
    argnums : int or tuple of int, optional
        Which arguments to differentiate with respect to.
    has_aux : bool, optional
        Pass the second part of what `f` returns through.

    Returns
    -------
    callable
        Takes what `f` takes; returns the gradient in the structure and kind of the argument (a
        tuple for a tuple of `argnums`), or ``(gradient, aux)``. Differentiable itself.

    Raises
    ------
    ShapeError
        When called, if `f` returns many elements.

    Examples
    --------
    >>> grad(lambda x: x**3)(2.0)
    12.0
    >>> grad(grad(lambda x: x**3))(2.0)
    12.0
    >>> grad(lambda p: (p["w"] * p["b"]).sum())({"w": np.ones(2), "b": np.ones(2)})
    {'w': array([1., 1.]), 'b': array([1., 1.])}
    """

    @functools.wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        (_, aux), slopes = _value_and_grad(f, argnums, has_aux, "grad", args, kwargs)
        return (slopes, aux) if has_aux else slopes

    return gradient


def value_and_grad(
    f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The value of a function and its gradient, from one run.

    Parameters
    ----------
    f : callable
        As for `grad`.
    argnums : int or tuple of int, optional
        Which arguments to differentiate with respect to.
    has_aux : bool, optional
        Pass the second part of what `f` returns through.

    Returns
    -------
    callable
        Takes what `f` takes; returns ``(value, gradient)`` or ``((value, aux), gradient)``.

    Examples
    --------
    >>> value_and_grad(lambda x: x**2)(3.0)
    (9.0, 6.0)
    """

    @functools.wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        (out, aux), slopes = _value_and_grad(f, argnums, has_aux, "value_and_grad", args, kwargs)
        return ((out, aux), slopes) if has_aux else (out, slopes)

    return both


def _value_and_grad(f: Any, argnums: Any, has_aux: bool, where: str, args: Any, kwargs: Any) -> Any:
    run = _Run(functools.partial(f, **kwargs), args, argnums, where)
    out, aux = run.out if has_aux else (run.out, None)
    root = run.scalar(out)
    slopes = run.lowered(run.pull([root], [_one(root)]) if root is not None else run.pull([], []))
    if root is not None and not run.recorded:
        out = root._data if root.__class__ is Value or root.shape else root._data[()]
    return (out, aux), slopes


def vjp(f: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Run a function; get its value and the function that pulls cotangents back.

    Parameters
    ----------
    f : callable
        Returns numbers or arrays in any structure.
    *args : tree of numbers, arrays, Values or Tensors
        Where to differentiate; all of them.

    Returns
    -------
    out
        What `f` returned (raw data for raw arguments).
    pullback : callable
        Takes a cotangent of the structure of `out`, returns a tuple with the cotangent of each
        argument. May be called many times.

    Examples
    --------
    >>> out, pullback = vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> out, pullback(1.0)
    (6.0, (3.0, 2.0))
    """
    run = _Run(f, args, tuple(range(len(args))), "vjp")
    roots, rebuild = flatten(run.out)
    roots = [_as_node(r) for r in roots]
    out = rebuild([r if run.recorded else r._data for r in roots])

    def pullback(cotangent: Any) -> Any:
        given, _ = flatten(cotangent)
        if len(given) != len(roots):
            problem = f"the cotangent has {len(given)} parts, the function returned {len(roots)}"
            raise ShapeError("vjp", problem, "Match its structure")
        seeds = [_seed(c, r, "vjp") for c, r in zip(given, roots, strict=True)]
        return run.lowered(run.pull(roots, seeds))

    return out, pullback


def _seed(given: Any, like: Any, where: str) -> Any:
    """A cotangent or tangent as a node like the one it belongs to."""
    if isinstance(given, Node) and given.__class__ is like.__class__:
        seed: Any = given
    elif like.__class__ is Value:
        return Value(given)
    else:
        seed = Tensor(np.asarray(given, like.dtype), requires_grad=False)
    if seed.__class__ is Tensor and seed.shape != like.shape:
        problem = f"a direction of shape {seed.shape} for data of shape {like.shape}"
        raise ShapeError(where, problem, "Pass one number for each element")
    return seed


def jacobian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """All first derivatives of a function, one reverse pass for each element it returns.

    Parameters
    ----------
    f : callable
        Returns a Value, a Tensor, or a tree of them.
    argnums : int or tuple of int, optional
        Which arguments to differentiate with respect to.

    Returns
    -------
    callable
        Takes what `f` takes. For an array of shape S from an argument of shape T the result has
        shape ``S + T``; trees of outputs hold trees of arguments.

    Examples
    --------
    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        run = _Run(functools.partial(f, **kwargs), args, argnums, "jacobian")
        roots, rebuild = flatten(run.out)
        return rebuild([run.lowered(_rows(run, root)) for root in roots])

    return derivatives


def _rows(run: _Run, root: Any) -> list[Any]:
    """The derivatives of every element of `root`, stacked, for each argument leaf."""
    root = _as_node(root)
    if root.__class__ is Value:
        return run.pull([root], [_one(root)])
    basis = np.eye(root.size, dtype=root.dtype).reshape(root.size, *root.shape)
    pulled = [run.pull([root], [Tensor(b, requires_grad=False)]) for b in basis]
    with modes.switch(record=run.recorded):
        return [
            reshape(stack([row[i] for row in pulled]), (*root.shape, *n.shape)) if pulled
            else zeros_like(np.zeros((*root.shape, *n.shape), n.dtype), requires_grad=False)
            for i, n in enumerate(run.nodes)
        ]  # fmt: skip


def hessian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """All second derivatives of a function that returns one number.

    Parameters
    ----------
    f : callable
        Returns a Value or a Tensor with one element.
    argnums : int or tuple of int, optional
        Which arguments to differentiate with respect to.

    Returns
    -------
    callable
        Takes what `f` takes. For an argument of shape T the result has shape ``T + T``.

    Examples
    --------
    >>> hessian(lambda x: (x * x * x).sum())(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(f, argnums), argnums)


# ---- forward mode --------------------------------------------------------------------------------
def jvp(f: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Run a function and push a direction forward through it.

    Parameters
    ----------
    f : callable
        Returns numbers or arrays in any structure.
    primals : tuple
        The arguments of `f`.
    tangents : tuple
        A direction for each, of the same structure and shapes.

    Returns
    -------
    out, out_tangent
        What `f` returned, and its directional derivative.

    Notes
    -----
    Elementwise rules are their own jvp, linear operations apply to tangents directly, and the
    rest are transposed: a rule is linear in its cotangent, and the adjoint of that map is the jvp.

    Examples
    --------
    >>> jvp(lambda x: x**2, (3.0,), (1.0,))
    (9.0, 6.0)
    """
    primals = tuple(primals) if isinstance(primals, (tuple, list)) else (primals,)
    tangents = tuple(tangents) if isinstance(tangents, (tuple, list)) else (tangents,)
    run = _Run(f, primals, tuple(range(len(primals))), "jvp")
    given, _ = flatten(tangents)
    if len(given) != len(run.nodes):
        problem = f"{len(given)} tangents for {len(run.nodes)} arguments"
        raise ShapeError("jvp", problem, "Pass one direction for each argument")
    recorded = run.recorded or any(isinstance(t, Node) for t in given)
    roots, rebuild = flatten(run.out)
    with modes.switch(record=recorded):
        seeds = {id(n): _seed(t, n, "jvp") for n, t in zip(run.nodes, given, strict=True)}
        push([r for r in roots if isinstance(r, Node)], seeds)
        out_tangents = [seeds[id(r)] if id(r) in seeds else _still(r) for r in roots]
    if not recorded:
        roots = [r._data if isinstance(r, Node) else r for r in roots]
        out_tangents = [t._data if isinstance(t, Node) else t for t in out_tangents]
    return rebuild(roots), rebuild(out_tangents)


@np.errstate(all="ignore")
def push(roots: Sequence[Any], tangents: dict[int, Any]) -> None:
    """Fill `tangents` (``id(node) -> tangent``) for every node between its nodes and `roots`."""
    for node in topological_order(*roots):
        op, parents = node.op, node.parents
        if id(node) in tangents or op is None or op.kind == "constant":
            continue
        moving = [tangents.get(id(p)) if isinstance(p, Node) else None for p in parents]
        if all(t is None for t in moving):
            continue
        node._refuse_changed()
        params = node.params or {}
        if op.kind == "linear":
            filled = [_still(p) if t is None else t for p, t in zip(parents, moving, strict=True)]
            pushed = op(*filled, **params)
        else:
            terms = [
                _term(node, op, i, t, params)
                for i, t in enumerate(moving)
                if t is not None and (op.each is not None or op.vjps[i] is not None)
            ]
            if not terms:  # an input without a derivative, such as copysign's sign
                continue
            pushed = terms[0]
            for term in terms[1:]:
                pushed = pushed + term
        if node.__class__ is Tensor and pushed.shape != node.shape:
            pushed = broadcast_to(pushed, node.shape)
        tangents[id(node)] = pushed


def _still(parent: Any) -> Any:
    """The tangent of something that does not move."""
    if isinstance(parent, Node):
        return _zero(parent)
    if parent is None:
        return None
    return np.zeros_like(parent, dtype=float) if isinstance(parent, np.ndarray) else 0.0


def _term(node: Any, op: Any, i: int, t: Any, params: dict[str, Any]) -> Any:
    """How a tangent of input `i` alone moves the output."""
    parents = node.parents
    if op.kind == "elementwise":
        term = op.vjps[i](t, node, *parents, **params)
        return term._keep_zeros(t) if op.guards else term
    if op.kind == "bilinear":
        return op(*parents[:i], t, *parents[i + 1 :], **params)
    # Transpose g -> rule(g): its adjoint takes the tangent of the input to that of the output.
    with modes.enable_grad():
        g = Value(0.0) if node.__class__ is Value else Tensor(np.zeros(node.shape, node.dtype))
        if op.each is not None:
            pulled = op.each(g, node, *parents, **params)[i]
        else:
            pulled = op.vjps[i](g, node, *parents, **params)
    return engine.cotangents([pulled], [t], [g]).get(id(g), _zero(node))


def hvp(f: Callable[..., Any], x: Any, t: Any) -> Any:
    """Hessian-vector product, without forming the Hessian.

    Parameters
    ----------
    f : callable
        Maps `x` to one number.
    x : number, array, Value or Tensor, or a tree of them
        Where to differentiate.
    t : like `x`
        Direction.

    Returns
    -------
    like `x`
        ``H(x) @ t``. Itself differentiable where `x` holds nodes.

    Notes
    -----
    Pulls back through the gradient graph: a few times the cost of ``f`` [1]_.

    References
    ----------
    .. [1] B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation
       6(1), 1994.

    Examples
    --------
    >>> hvp(lambda x: (x * x * x).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    _, pullback = vjp(grad(f), x)
    return pullback(t)[0]
