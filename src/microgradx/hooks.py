"""Gradients blocked, and gradients watched on their way."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from microgradx import engine
from microgradx.custom import Rule, filled
from microgradx.engine import HOOKED, TRACKED
from microgradx.errors import GraphError
from microgradx.primitive import Primitive
from microgradx.tensor import Tensor
from microgradx.transforms import flatten
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Handle", "register_hook", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The same numbers, through which no gradient flows.

    Parameters
    ----------
    x : Tensor, Value, array_like, or a tree of them
        Input.

    Returns
    -------
    like `x`
        Constants.

    Examples
    --------
    >>> x = Tensor([2.0])
    >>> (x * stop_gradient(x)).backward()
    >>> x.grad
    array([2.])
    """
    leaves, rebuild = flatten(x)
    return rebuild([_stopped(leaf) for leaf in leaves])


def _stopped(leaf: Any) -> Any:
    if leaf.__class__ is Value:
        return Value(leaf.data)
    return leaf.detach() if isinstance(leaf, Tensor) else leaf


class Handle:
    """What `register_hook` returns; ``remove()`` takes the hook away again."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Call the hook no more."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)


class Hooked(Rule):
    """An operation whose cotangent passes through hooks before its rules see it."""

    __slots__ = ("hooks",)

    def __init__(self, op: Primitive, hooks: list[Any]) -> None:
        for slot in Primitive.__slots__:
            setattr(self, slot, getattr(op, slot))
        self.hooks, self.plain = hooks, False
        self.each = functools.partial(self._pull, op.each, op.vjps, nodes=True)
        self.array_each = functools.partial(self._pull, op.array_each, op.array_vjps, nodes=False)
        self._reads = op.reads

    def _pull(
        self, each: Any, rules: Any, g: Any, z: Any, *inputs: Any, nodes: bool, **params: Any
    ) -> Any:
        g = engine.hooked(self.hooks, g)
        pulled = (
            each(g, z, *inputs, **params)
            if each
            else [rule and rule(g, z, *inputs, **params) for rule in rules]
        )
        return filled(pulled, inputs) if nodes else pulled


def register_hook(x: Tensor, hook: Callable[[Any], Any]) -> Handle:
    """Call `hook` with the gradient of a Tensor in every backward pass, before it goes on.

    Parameters
    ----------
    x : Tensor
        Tracked.
    hook : callable
        Takes the gradient (an array; a Tensor under ``create_graph=True``); what it returns, if
        not None, takes the gradient's place.

    Returns
    -------
    Handle
        With a method ``remove``.

    Raises
    ------
    GraphError
        If `x` is a constant.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0])
    >>> y = x * 3
    >>> handle = register_hook(y, lambda g: g * 10)
    >>> y.sum().backward()
    >>> x.grad
    array([30., 30.])
    """
    if not x._flags & TRACKED:
        raise GraphError(
            "register_hook",
            "this Tensor is a constant, so it never has a gradient",
            "Pass a tracked Tensor",
        )
    hooks: list[Any]
    if x.op is None:
        if not x._flags & HOOKED:
            x.hooks = []
            x._flags |= HOOKED
        hooks = x.hooks
    else:
        if not isinstance(x.op, Hooked):
            x.op = Hooked(x.op, [])
        hooks = x.op.hooks
    hooks.append(hook)
    return Handle(hooks, hook)


Tensor.register_hook = register_hook
