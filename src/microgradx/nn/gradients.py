"""Norms of gradients, clipping them, and penalties on the size of parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx import modes
from microgradx.errors import ArgumentError, NonFiniteError
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "elastic_net", "grad_norm", "l1_penalty", "l2_penalty",
]  # fmt: skip


def _gradients(parameters: Iterable[Tensor] | Tensor) -> list[Any]:
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    found = [t.grad for t in tensors if t._grad is not None]
    return [g._data if isinstance(g, Tensor) else g for g in found]


def _traced() -> bool:
    """Whether a captured step is being traced: its gradients are then nodes, not numbers."""
    mode = modes.current()
    return mode is not None and mode.tape is not None


def _norm_traced(gradients: list[Any], p: float) -> Any:
    """The norm as a node, so that a replay measures it anew."""
    if p == 2:
        return PRIMITIVES["sqrt"](_total(F.sum(PRIMITIVES["square"](g)) for g in gradients))
    sizes = [PRIMITIVES["abs"](g) for g in gradients]
    if math.isinf(p):
        return F.max(F.stack([F.max(size) for size in sizes]))
    return _total(F.sum(size**p) for size in sizes) ** (1 / p)


def _clip_traced(tensors: list[Tensor], max_norm: float, norm_type: float) -> Any:
    """`clip_grad_norm_` in node arithmetic."""
    reached = [(t, t.grad) for t in tensors]
    reached = [(t, g) for t, g in reached if g is not None]
    norm = _norm_traced([F.astype(g, np.float64) for _, g in reached], norm_type)
    scale = PRIMITIVES["minimum"](max_norm / (norm + 1e-6), 1.0)
    for t, g in reached:
        t.grad = g * F.astype(scale, g.dtype)
    return norm


def grad_norm(parameters: Iterable[Tensor] | Tensor, norm_type: float = 2.0) -> float:
    """The length of all gradients together, as one long vector.

    Parameters
    ----------
    parameters : iterable of Tensor, or Tensor
        Those without a gradient do not count.
    norm_type : float, optional
        2 is the usual length, 1 the sum and ``inf`` the largest of absolute values.

    Returns
    -------
    float
        The norm, computed in double precision; a Tensor inside a captured step.

    Examples
    --------
    >>> w = Tensor([0.0, 0.0])
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> grad_norm(w), grad_norm(w, 1)
    (5.0, 7.0)
    """
    if _traced():
        held = [parameters] if isinstance(parameters, Tensor) else list(parameters)
        read = [t.grad for t in held]
        nodes = [F.astype(g, np.float64) for g in read if g is not None]
        return _norm_traced(nodes, norm_type)  # type: ignore[no-any-return]
    norms = [
        float(np.linalg.norm(g.ravel().astype(np.float64), norm_type))
        for g in _gradients(parameters)
    ]
    return float(np.linalg.norm(norms, norm_type)) if norms else 0.0


def clip_grad_norm_(
    parameters: Iterable[Tensor] | Tensor,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> float:
    """Scale all gradients down together, so that their norm is at most `max_norm`.

    Parameters
    ----------
    parameters : iterable of Tensor, or Tensor
        Whose gradients to scale, in place.
    max_norm : float
        The largest norm that is left alone.
    norm_type : float, optional
        As in `grad_norm`.
    error_if_nonfinite : bool, optional
        Whether to refuse a norm that is nan or infinite.

    Returns
    -------
    float
        The norm before.

    Raises
    ------
    ArgumentError
        If `max_norm` is negative.
    NonFiniteError
        If asked for, and the norm is nan or infinite; nothing has been scaled then.

    Examples
    --------
    >>> w = Tensor([0.0, 0.0])
    >>> (w * [3.0, 4.0]).sum().backward()
    >>> clip_grad_norm_(w, 1.0)
    5.0
    >>> w.grad.round(3)
    array([0.6, 0.8])
    """
    if not max_norm >= 0:
        raise ArgumentError("clip_grad_norm_", f"max_norm is {max_norm}", "Pass 0 or more")
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if _traced():
        return _clip_traced(tensors, max_norm, norm_type)  # type: ignore[no-any-return]
    norm = grad_norm(tensors, norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        problem = f"the norm of the gradients is {norm}"
        raise NonFiniteError("clip_grad_norm_", problem, "Lower the learning rate")
    scale = max_norm / (norm + 1e-6)
    if scale < 1:
        for g in _gradients(tensors):
            np.multiply(g, scale, g)
    return norm


def clip_grad_value_(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Cut every number of the gradients off at ``-clip_value`` and `clip_value`.

    Parameters
    ----------
    parameters : iterable of Tensor, or Tensor
        Whose gradients to cut, in place.
    clip_value : float
        The limit.
    """
    if _traced():
        for t in [parameters] if isinstance(parameters, Tensor) else parameters:
            if t.grad is not None:
                t.grad = F.clip(t.grad, -clip_value, clip_value)
        return
    for g in _gradients(parameters):
        np.clip(g, -clip_value, clip_value, out=g)


def l1_penalty(parameters: Iterable[Tensor]) -> Tensor:
    """The sum of absolute values: drives numbers to exactly 0, as in the lasso.

    Parameters
    ----------
    parameters : iterable of Tensor
        What to keep small.

    Returns
    -------
    Tensor
        Of shape ``()``; add a multiple of it to the loss.

    Examples
    --------
    >>> l1_penalty([Tensor([1.0, -2.0])])
    Tensor(3.)
    """
    return _total(F.sum(PRIMITIVES["abs"](p)) for p in parameters)


def l2_penalty(parameters: Iterable[Tensor]) -> Tensor:
    """The sum of squares: keeps all numbers small, as in ridge regression.

    Parameters
    ----------
    parameters : iterable of Tensor
        What to keep small.

    Returns
    -------
    Tensor
        Of shape ``()``; add a multiple of it to the loss.

    Examples
    --------
    >>> l2_penalty([Tensor([1.0, -2.0])])
    Tensor(5.)
    """
    return _total(F.sum(PRIMITIVES["square"](p)) for p in parameters)


def _total(terms: Iterable[Tensor]) -> Tensor:
    first, *others = terms
    for term in others:
        first = first + term
    return first


def elastic_net(parameters: Iterable[Tensor], l1_ratio: float = 0.5) -> Tensor:
    """``l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|_2^2``, as scikit-learn has it.

    Parameters
    ----------
    parameters : iterable of Tensor
        What to keep small.
    l1_ratio : float, optional
        1 is the lasso, 0 ridge regression.

    Returns
    -------
    Tensor
        Of shape ``()``; add a multiple of it to the loss.
    """
    tensors = list(parameters)
    return l1_penalty(tensors) * l1_ratio + l2_penalty(tensors) * ((1 - l1_ratio) / 2)
