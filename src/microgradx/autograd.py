"""Gradients of a graph under ``torch.autograd``'s names."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx import engine, modes
from microgradx.errors import GraphError, ShapeError, UnsupportedError
from microgradx.graph import Node
from microgradx.tensor import Tensor
from microgradx.transforms import _seed
from microgradx.value import Value

__all__ = ["backward", "grad"]


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,  # noqa: ARG001 - PyTorch's signature; graphs stay while held
    create_graph: bool = False,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`; nobody's ``grad`` is touched.

    Parameters
    ----------
    outputs : Tensor, Value or sequence of them
        Results.
    inputs : Tensor, Value or sequence of them
        Leaves, or results on the way.
    grad_outputs : array_like or sequence of array_like, optional
        A cotangent for each output; may be left out, or None, for single numbers.
    retain_graph : bool, optional
        As in PyTorch; a graph here stays as long as somebody holds it.
    create_graph : bool, optional
        Build the gradients as a graph, to differentiate them again.
    allow_unused : bool, optional
        Answer None for inputs that no output depends on, instead of refusing.
    materialize_grads : bool, optional
        Answer zeros for those.

    Returns
    -------
    tuple of Tensor or Value
        One for each input.

    Raises
    ------
    GraphError
        If an output has many elements and no cotangent, or does not depend on an input.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0])
    >>> (g,) = grad((x**3).sum(), x, create_graph=True)
    >>> grad(g.sum(), x)
    (Tensor([ 6., 12.]),)
    """
    roots = _listed(outputs, "outputs")
    wanted = _listed(inputs, "inputs")
    given = [None] * len(roots) if grad_outputs is None else _cotangents(grad_outputs, len(roots))
    seeds = []
    for root, c in zip(roots, given, strict=True):
        if not root.requires_grad:
            raise GraphError(
                "autograd.grad",
                "an output has nothing tracked in it",
                "Make some input a Tensor of floats, outside no_grad",
            )
        if c is None:
            if root.__class__ is Tensor:
                engine.scalar_root(root)
            c = 1.0 if root.__class__ is Value else np.ones(root.shape, root.dtype)  # noqa: PLW2901
        seeds.append(_seed(c, root, "autograd.grad"))
    with modes.switch(record=create_graph):
        found = engine.cotangents(roots, seeds, wanted)
    answers: list[Any] = []
    for place, node in enumerate(wanted):
        answer = found.get(id(node))
        if answer is None and materialize_grads:
            answer = (
                Value(0.0)
                if node.__class__ is Value
                else Tensor(np.zeros(node.shape, node.dtype), requires_grad=False)
            )
        if answer is None and not allow_unused:
            raise GraphError(
                "autograd.grad",
                f"no output depends on input {place}",
                "Pass allow_unused=True to get None for it",
            )
        answers.append(answer)
    return tuple(answers)


def _listed(nodes: Any, what: str) -> list[Any]:
    """One node or several, as a list."""
    listed = [nodes] if isinstance(nodes, Node) else list(nodes)
    if not all(isinstance(node, Node) for node in listed):
        raise UnsupportedError(
            "autograd.grad",
            f"{what} hold something that is no Tensor or Value",
            "Raw arrays have no graph",
        )
    return listed


def _cotangents(given: Any, count: int) -> list[Any]:
    """One cotangent for each output."""
    listed = list(given) if isinstance(given, (list, tuple)) and count != 1 else [given]
    if count == 1 and isinstance(given, (list, tuple)) and len(given) == 1:
        listed = list(given)
    if len(listed) != count:
        raise ShapeError(
            "autograd.grad", f"{len(listed)} cotangents for {count} outputs", "Pass one for each"
        )
    return listed


def backward(tensors: Any, grad_tensors: Any = None, create_graph: bool = False) -> None:
    """``backward`` of several results; gradients add up.

    Parameters
    ----------
    tensors : Tensor, Value or sequence of them
        Results.
    grad_tensors : array_like or sequence of array_like, optional
        A cotangent for each.
    create_graph : bool, optional
        Build the gradients as graphs.
    """
    roots = _listed(tensors, "tensors")
    given = [None] * len(roots) if grad_tensors is None else _cotangents(grad_tensors, len(roots))
    for root, c in zip(roots, given, strict=True):
        root.backward(c, create_graph=create_graph)
