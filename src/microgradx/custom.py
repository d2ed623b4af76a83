"""Operations of your own: derivatives by hand, and graphs that are computed again.

`primitive` adds a row to the table: it works on Values and Tensors, to any order, in drawings, and
under the laws (``microgradx.testing.check_primitive``). `custom_vjp` gives a Python function a
backward pass of its own. `checkpoint` trades memory for time.
"""

from __future__ import annotations

import functools
import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import engine, modes, tensor_operations, value_operations
from microgradx.engine import TRACKED
from microgradx.errors import PrimitiveError, ShapeError, UnsupportedError
from microgradx.functions.arguments import as_tensor, constant
from microgradx.functions.making import generator
from microgradx.graph import Node, tick
from microgradx.primitive import Primitive
from microgradx.tensor import Tensor
from microgradx.transforms import flatten
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["checkpoint", "custom_vjp", "primitive"]


# ---- rows of one's own ---------------------------------------------------------------------------
def primitive(
    array: Callable[..., Any] | None = None,
    *,
    vjps: Sequence[Callable[..., Any] | None] = (),
    name: str | None = None,
    scalar: Callable[..., Any] | None = None,
    tex: str | None = None,
    text: str | None = None,
    **row: Any,
) -> Any:
    """Add an operation to the table, from its kernel and its vjp rules.

    Parameters
    ----------
    array : callable
        Kernel on arrays. Without ``out=`` of its own it gets one that copies.
    vjps : sequence of callable
        One rule for each input, ``(g, z, *inputs) -> cotangent``: plain lambdas over operators and
        the bare names of primitives; see ``docs/adding-a-primitive.md``.
    name : str, optional
        How rules call it; the name of the kernel by default.
    scalar : callable, optional
        Kernel on Python numbers, for Values.
    tex, text : str, optional
        Its notation; ``name(...)`` by default.
    **row : object
        Everything else that `Primitive` takes: ``sample``, ``singular``, ``kink``, ...

    Returns
    -------
    Primitive
        Callable with Tensors, Values (given `scalar`), arrays and numbers. Without `array`, a
        decorator for the kernel.

    Raises
    ------
    PrimitiveError
        If a rule has a closure or calls what is no primitive, or the name is taken.

    Examples
    --------
    >>> from microgradx.testing import check_primitive
    >>> @primitive(vjps=[lambda g, z, x: g * (1 - z) * z * 2], sample=[(-4.0, 4.0)])
    ... def steep_sigmoid(x):
    ...     return 1 / (1 + np.exp(-2 * x))
    >>> x = Tensor([0.0])
    >>> steep_sigmoid(x).backward()
    >>> x.grad
    array([0.5])
    >>> check_primitive(steep_sigmoid, examples=2) > 10
    True
    """
    if array is None:
        return functools.partial(
            primitive, vjps=vjps, name=name, scalar=scalar, tex=tex, text=text, **row
        )
    title = name or array.__name__
    holes = ", ".join("{}" for _ in vjps)
    latex = r"\operatorname{{" + title.replace("_", r"\_") + r"}}\left(" + holes + r"\right)"
    op = Primitive(
        title,
        scalar,
        _with_out(array),
        *vjps,
        tex=tex or latex,
        text=text or f"{title}({holes})",
        **row,
    )
    unknown = op.unknown_names()
    if unknown:
        from microgradx.primitive import ARRAY, FLOAT, PRIMITIVES  # noqa: PLC0415 - only to undo

        for table in (PRIMITIVES, ARRAY, FLOAT):
            table.pop(title, None)
        raise PrimitiveError(
            f"Primitive {title!r}",
            f"a rule calls {', '.join(sorted(unknown))}, which is no primitive",
            "Use bare names from microgradx.PRIMITIVES",
        )
    from microgradx import symbol  # noqa: PLC0415 - LaTeX is not needed to import the package

    value_operations.connect(op)
    tensor_operations.connect(op)
    symbol.connect(op)
    return op


def _with_out(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel that takes ``out=``."""
    try:
        if "out" in inspect.signature(kernel).parameters:
            return kernel
    except ValueError:  # NumPy's ufuncs have no signature, and take it
        return kernel

    @functools.wraps(kernel)
    def copying(*inputs: Any, out: Any = None, **params: Any) -> Any:
        z = kernel(*inputs, **params)
        if out is None:
            return z
        np.copyto(out, z)
        return out

    return copying


class _Callable(ModuleType):
    """``mg.primitive`` is a room of the package and the function at once."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return primitive(*args, **kwargs)


sys.modules["microgradx.primitive"].__class__ = _Callable


# ---- rules that are Python functions -------------------------------------------------------------
class Rule(Primitive):
    """An operation outside the table, whose backward pass is any Python function."""

    __slots__ = ()
    pure = False

    def __init__(self, name: str, kernel: Any, arrays: Any, nodes: Any) -> None:
        for slot in Primitive.__slots__:
            setattr(self, slot, None)
        self.name = self.tex = self.text = self.symbol = name
        self.tex = r"\operatorname{{" + name.replace("_", r"\_") + r"}}\left({}\right)"
        self.text = name + "({})"
        self.array, self.array_each, self.each = kernel, arrays, nodes
        self.vjps = self.array_vjps = self.float_vjps = ()
        self.sample, self.kink, self.domain = (), "", ""
        self.binding, self.kind = 4, "other"
        self.guards = self.view = self.plain = False
        self._reads = range(1, sys.maxsize)
        self._rule_reads = []
        self.methods = {}


def filled(pulled: Any, parents: Any) -> list[Any]:
    """Cotangents as Tensors, zeros where there is none."""
    return [
        Tensor(np.zeros_like(x._data), requires_grad=False)
        if c is None and isinstance(x, Tensor)
        else c
        for c, x in zip(pulled, parents, strict=True)
    ]


class _Call:
    """One call of a function with a rule of its own: its arguments, and what it kept."""

    def __init__(self, f: Any, args: tuple[Any, ...], where: str) -> None:
        leaves, self.rebuild = flatten(args)
        if any(leaf.__class__ is Value for leaf in leaves):
            raise UnsupportedError(
                where,
                "Values have no rules of this kind",
                "Use Tensors, or microgradx.primitive with a scalar kernel",
            )
        self.f, self.leaves = f, leaves
        self.places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Tensor)]
        self.kept: Any = None
        self.out: Any = None
        self.outside: list[Tensor] = []

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The Tensors among the arguments."""
        return tuple([self.leaves[i] for i in self.places])

    def arguments(self, tensors: Sequence[Any]) -> Any:
        """The arguments, with other Tensors in their places."""
        filled = list(self.leaves)
        for i, t in zip(self.places, tensors, strict=True):
            filled[i] = t
        return self.rebuild(filled)

    def matched(self, cotangents: Any, where: str) -> list[Any]:
        """The cotangents of the Tensors, out of those of all arguments."""
        if not isinstance(cotangents, (tuple, list)):
            cotangents = (cotangents,)
        flat: list[Any] = []
        for argument, c in zip(self.rebuild(self.leaves), cotangents, strict=True):
            parts, _ = flatten(argument)
            flat.extend([None] * len(parts) if c is None else flatten(c)[0])
        found = [flat[i] for i in self.places]
        for c, t in zip(found, self.tensors, strict=True):
            if c is not None and np.shape(c if not isinstance(c, Tensor) else c._data) != t.shape:
                raise ShapeError(
                    where,
                    f"a cotangent of shape {np.shape(c)} for an argument of shape {t.shape}",
                    "Return one number for each element",
                )
        return found


class custom_vjp:  # noqa: N801 - used as a decorator
    """Give a function a backward pass of its own.

    Parameters
    ----------
    f : callable
        Takes Tensors, trees of them and anything else; returns one Tensor.

    Examples
    --------
    >>> @custom_vjp
    ... def clipped(x):
    ...     return x * 1.0
    >>> def forward(x):
    ...     return clipped.f(x), None
    >>> def backward(kept, g):
    ...     return (g.clip(-1, 1),)
    >>> clipped.defvjp(forward, backward)
    >>> x = Tensor([1.0, 2.0])
    >>> clipped(x).backward([0.5, 100.0])
    >>> x.grad
    array([0.5, 1. ])
    """

    def __init__(self, f: Callable[..., Tensor]) -> None:
        self.f = f
        self._forward: Any = None
        self._backward: Any = None
        functools.update_wrapper(self, f)
        self._op = Rule(
            str(getattr(f, "__name__", None) or getattr(f, "name", "custom")),
            self._kernel,
            self._pull_arrays,
            self._pull_nodes,
        )

    def defvjp(self, forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
        """Say how it runs forward and backward.

        Parameters
        ----------
        forward : callable
            Takes what `f` takes; returns ``(f(...), kept)``.
        backward : callable
            ``(kept, g) -> cotangents``, a tuple with one for each argument of `f`, None for none.
            Written with Tensors, both are differentiable themselves.
        """
        self._forward, self._backward = forward, backward

    def __call__(self, *args: Any) -> Tensor:
        """Apply the function; its backward pass is the one that `defvjp` was given."""
        if self._forward is None:
            raise UnsupportedError(
                self._op.name, "has no backward pass yet", "Call defvjp(forward, backward) first"
            )
        call = _Call(self.f, args, self._op.name)
        return tensor_operations.apply(self._op, call.tensors, {"call": call})

    def _kernel(self, *arrays: Any, call: _Call) -> Any:
        with modes.no_grad():
            out, call.kept = self._forward(*call.arguments([constant(a) for a in arrays]))
        return as_tensor(out, self._op.name)._data

    def _pull_arrays(self, g: Any, z: Any, *inputs: Any, call: _Call) -> Any:
        with modes.no_grad():
            pulled = call.matched(self._backward(call.kept, constant(g)), self._op.name)
        return [
            c._data if isinstance(c, Tensor) else None if c is None else np.asarray(c)
            for c in pulled
        ]

    def _pull_nodes(self, g: Any, z: Any, *parents: Any, call: _Call) -> Any:
        # The kept numbers depend on the inputs, so they are made again, as nodes.
        _, kept = self._forward(*call.arguments(parents))
        return filled(call.matched(self._backward(kept, g), self._op.name), parents)


def checkpoint(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Run `f` without keeping its graph; backward runs it again.

    Parameters
    ----------
    f : callable
        Takes Tensors, trees of them and anything else; returns one Tensor. It may use other
        Tensors from outside, such as weights. It must give the same result when run again;
        random numbers of the default stream are repeated for it.

    Returns
    -------
    callable
        As `f`, with the memory of its arguments and one more forward pass in backward.

    Examples
    --------
    >>> w = Tensor([3.0])
    >>> x = Tensor([2.0])
    >>> checkpoint(lambda x: (x * w).exp().log())(x).backward()
    >>> x.grad, w.grad
    (array([3.]), array([2.]))
    """

    @functools.wraps(f)
    def light(*args: Any) -> Tensor:
        call = _Call(f, args, "checkpoint")
        mode = modes.current()
        if mode is not None and (not mode.record or mode.tape is not None):
            return f(*args)
        state = generator().bit_generator.state
        start = tick()
        given = [_alias(t) for t in call.tensors]
        out = f(*call.arguments(given))
        if not isinstance(out, Tensor):
            raise UnsupportedError(
                "checkpoint", f"the function returned a {type(out).__name__}", "Return one Tensor"
            )
        outside = _outside(out, start, given)
        call.out, call.kept, call.outside = out._data, state, outside
        return tensor_operations.apply(CHECKPOINT, (*call.tensors, *outside), {"call": call})

    return light


def _alias(t: Tensor) -> Tensor:
    """A leaf with the same numbers and memory."""
    leaf = constant(t._data)
    leaf._flags = t._flags & TRACKED
    return leaf


def _outside(out: Tensor, start: int, given: list[Tensor]) -> list[Tensor]:
    """What a result was made from that existed before: weights, and other results."""
    inner = {id(t) for t in given}
    found: dict[int, Tensor] = {}
    stack: list[Any] = [out]
    seen = {id(out)}
    while stack:
        node = stack.pop()
        if node.time < start:
            if node._flags & TRACKED:
                found[id(node)] = node
            continue
        for parent in node.parents:
            if isinstance(parent, Tensor) and id(parent) not in seen and id(parent) not in inner:
                seen.add(id(parent))
                stack.append(parent)
    return sorted(found.values(), key=lambda node: node.time)


def _pull_again(g: Tensor, parents: Sequence[Any], call: _Call, given: list[Any]) -> list[Any]:
    """Run the function again on `given`, and pull `g` back to it and to what lies outside."""
    stream = generator().bit_generator
    now, stream.state = stream.state, call.kept
    try:
        with modes.enable_grad():
            out = call.f(*call.arguments(given))
    finally:
        stream.state = now
    wanted = [*given, *parents[len(given) :]]
    if out.op is None:
        return [None] * len(wanted)
    found = engine.cotangents([out], [g], [t for t in wanted if isinstance(t, Node)])
    return [found.get(id(t)) for t in wanted]


def _checkpoint_arrays(g: Any, z: Any, *inputs: Any, call: _Call) -> Any:
    given = [_alias(t) for t in call.tensors]
    with modes.no_grad():
        pulled = _pull_again(constant(g), [*given, *call.outside], call, given)
    return [None if c is None else c._data for c in pulled]


def _checkpoint_nodes(g: Any, z: Any, *parents: Any, call: _Call) -> Any:
    return filled(_pull_again(g, parents, call, list(parents[: len(call.places)])), parents)


CHECKPOINT = Rule(
    "checkpoint", lambda *arrays, call: call.out, _checkpoint_arrays, _checkpoint_nodes
)
