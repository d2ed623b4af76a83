"""Forward mode beyond `jvp`: one run, many directions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.errors import ShapeError
from microgradx.functions import moveaxis, reshape, stack
from microgradx.graph import Node
from microgradx.tensor import Tensor
from microgradx.transforms import _Run, _seed, _still, flatten, jacobian, push
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["jacfwd", "jacrev", "linearize"]

jacrev = jacobian


def _pushed(run: _Run, roots: list[Any], given: list[Any], where: str) -> list[Any]:
    """The directional derivative of each root."""
    recorded = run.recorded or any(isinstance(t, Node) for t in given)
    with modes.switch(record=recorded):
        seeds = {id(n): _seed(t, n, where) for n, t in zip(run.nodes, given, strict=True)}
        push([r for r in roots if isinstance(r, Node)], seeds)
        return [seeds[id(r)] if id(r) in seeds else _still(r) for r in roots]


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Run a function once; get its value and its derivative as a linear function.

    Parameters
    ----------
    f : callable
        Returns numbers or arrays in any structure.
    *primals : tree of numbers, arrays, Values or Tensors
        Where to linearise.

    Returns
    -------
    out
        What `f` returned (raw data for raw arguments).
    f_jvp : callable
        Takes one direction for each argument; returns the directional derivative of `out`. Each
        call costs about one forward pass, without running `f` again.

    Raises
    ------
    ShapeError
        When called, if directions and arguments do not match.

    Examples
    --------
    >>> out, f_jvp = linearize(lambda x: x**2, 3.0)
    >>> out, f_jvp(1.0), f_jvp(10.0)
    (9.0, 6.0, 60.0)
    """
    run = _Run(f, primals, tuple(range(len(primals))), "linearize")
    roots, rebuild = flatten(run.out)
    raw = not run.recorded

    def f_jvp(*tangents: Any) -> Any:
        given, _ = flatten(tangents)
        if len(given) != len(run.nodes):
            problem = f"{len(given)} directions for {len(run.nodes)} arguments"
            raise ShapeError("linearize", problem, "Pass one direction for each argument")
        moved = _pushed(run, roots, given, "linearize")
        lower = raw and not any(isinstance(t, Node) for t in given)
        return rebuild([m._data if lower and isinstance(m, Node) else m for m in moved])

    return rebuild([r._data if raw and isinstance(r, Node) else r for r in roots]), f_jvp


def jacfwd(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """All first derivatives, one forward push for each element of the arguments.

    Parameters
    ----------
    f : callable
        Returns a Value, a Tensor, or a tree of them.
    argnums : int or tuple of int, optional
        Which arguments to differentiate with respect to.

    Returns
    -------
    callable
        As `jacobian` gives it; cheaper where there are fewer inputs than outputs.

    Examples
    --------
    >>> jacfwd(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        run = _Run(functools.partial(f, **kwargs), args, argnums, "jacfwd")
        roots, rebuild = flatten(run.out)
        columns = [_columns(run, roots, k) for k in range(len(run.nodes))]
        return rebuild(
            [run.lowered([by_leaf[r] for by_leaf in columns]) for r in range(len(roots))]
        )

    return derivatives


def _columns(run: _Run, roots: list[Any], k: int) -> list[Any]:
    """For each root its derivatives by every element of leaf `k`, of shape root + leaf."""
    nodes = run.nodes
    at_rest = [0.0 if n.__class__ is Value else np.zeros(n.shape, n.dtype) for n in nodes]
    if nodes[k].__class__ is Value:
        at_rest[k] = 1.0
        return _pushed(run, roots, at_rest, "jacfwd")
    shape, size = nodes[k].shape, nodes[k].size
    moved = []
    for row in np.eye(size, dtype=nodes[k].dtype):
        at_rest[k] = row.reshape(shape)
        moved.append(_pushed(run, roots, at_rest, "jacfwd"))
    with modes.switch(record=run.recorded):
        if not moved:
            empty = [(*np.shape(_data(r)), *shape) for r in roots]
            return [Tensor(np.zeros(s, nodes[k].dtype), requires_grad=False) for s in empty]
        joined = [stack([_node(row[r]) for row in moved]) for r in range(len(roots))]
        return [reshape(moveaxis(z, 0, -1), (*z.shape[1:], *shape)) for z in joined]


def _data(x: Any) -> Any:
    return x._data if isinstance(x, Node) else x


def _node(x: Any) -> Any:
    return x if isinstance(x, Tensor) else Tensor(np.asarray(_data(x), float), requires_grad=False)
