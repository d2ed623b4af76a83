"""Which library a function is written for, and how to run and differentiate it there.

Nothing is imported for the sake of looking: a library is recognised by the module of the type that
the function takes or returns, and only a library that is loaded already can be recognised.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext, suppress
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.functions import concatenate, dot
from microgradx.graph import Node, topological_order
from microgradx.modes import no_grad
from microgradx.tensor import Tensor
from microgradx.testing.directions import signed_magnitudes
from microgradx.testing.libraries import Autograd, Jax, MyGrad, Torch
from microgradx.testing.protocol import Ran, is_differentiable, lifted
from microgradx.transforms import grad, vjp
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from microgradx.testing.protocol import Adapter, Array, Gradients, Pulled

__all__ = ["Handwritten", "Tensors", "Values", "adapter_for", "library_named"]


class Tensors:
    """microgradx over arrays."""

    name = "microgradx"
    owns_gradients = True
    has_leaves = True

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """Run `f` on constants: no graph is recorded."""
        with no_grad():
            z = f(*(Tensor(x) if is_differentiable(x) else x for x in inputs))
        return np.asarray(_data(z))

    def lift(self, x: Any) -> Any:
        """A fresh leaf."""
        return Tensor(x, requires_grad=True)

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """Run `f` on fresh leaves."""
        arguments = lifted(self.lift, inputs, share)
        z = f(*arguments)

        def pull(cotangent: Array) -> Gradients:
            for x in arguments:
                if isinstance(x, Tensor):
                    x.grad = None
            if isinstance(z, Tensor) and z.requires_grad:
                z.backward(cotangent)
            return [x.grad if isinstance(x, Tensor) else None for x in arguments]

        run = Ran(_data(z), pull, lambda: [np.asarray(_data(x)) for x in arguments])
        run.root = z
        return run

    @contextmanager
    def frozen(self, run: Pulled) -> Iterator[None]:
        """Hand read-only views to every rule of the graph."""
        root = run.root  # type: ignore[attr-defined]
        nodes = topological_order(root) if isinstance(root, Node) else []
        ops = {id(node.op): node.op for node in nodes if node.op is not None}
        kept = [(op, op.array_vjps, op.array_each) for op in ops.values()]
        for op, vjps, each in kept:
            op.array_vjps = tuple([rule and _reading(rule) for rule in vjps])
            op.array_each = each and _reading(each)
        try:
            yield
        finally:
            for op, vjps, each in kept:
                op.array_vjps, op.array_each = vjps, each

    def pullback(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """The gradients as a graph of their own."""

        def gradients(*arguments: Any) -> Any:
            *xs, v = arguments
            floating = [i for i, x in enumerate(xs) if isinstance(x, Tensor)]

            def of_floats(*own: Any) -> Any:
                every = list(xs)
                for i, x in zip(floating, own, strict=True):
                    every[i] = x
                return f(*every)

            found = vjp(of_floats, *(xs[i] for i in floating))[1](v)
            found = found if isinstance(found, tuple) else (found,)
            return concatenate([g.reshape(-1) for g in found])

        return gradients


def _reading(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The same rule, given read-only views of all arrays."""

    def reading(*args: Any, **params: Any) -> Any:
        return rule(*(_read_only(a) for a in args), **params)

    return reading


def _read_only(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    view = x.view()
    view.flags.writeable = False
    return view


def _data(z: Any) -> Any:
    """The array or number inside a node; anything else as it is."""
    return z.data if type(z).__module__.startswith("microgradx.") else z


class Values:
    """microgradx over numbers: every input is one float."""

    name = "microgradx.Value"
    owns_gradients = True
    has_leaves = True

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """Run `f` on fresh Values."""
        z = f(*(Value(float(x)) if is_differentiable(x) else x for x in inputs))
        return np.asarray(float(_data(z)))

    def lift(self, x: Any) -> Any:
        """A fresh leaf."""
        return Value(float(x))

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """Run `f` on fresh leaves."""
        arguments = lifted(self.lift, inputs, share)
        z = f(*arguments)

        def pull(cotangent: Array) -> Gradients:
            # backward() of a Value starts at 1, so the cotangent is a factor of the root.
            for x in arguments:
                if isinstance(x, Value):
                    x.grad = 0.0
            if isinstance(z, Value):
                (z * float(cotangent)).backward()
            return [np.asarray(x.grad) if isinstance(x, Value) else None for x in arguments]

        return Ran(float(_data(z)), pull, lambda: [np.asarray(_data(x)) for x in arguments])

    def frozen(self, _: Pulled) -> AbstractContextManager[None]:
        """Floats cannot be overwritten."""
        return nullcontext()

    def pullback(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """The gradients as a graph of their own; a Value is one number, so in one random sum."""

        def gradients(*arguments: Any) -> Any:
            *xs, v = arguments
            places = tuple([i for i, x in enumerate(xs) if isinstance(x, Value)])
            weights = signed_magnitudes((len(places),), np.random.default_rng(0)).tolist()
            return dot(weights, grad(f, places)(*xs)) * v

        return gradients


class Handwritten:
    """A forward function and its vjp in plain NumPy, or anything that speaks arrays."""

    name = "handwritten"
    owns_gradients = True
    has_leaves = False

    def __init__(self, pull: Callable[..., Any], *, cache: bool = False) -> None:
        self._pull = pull
        self._cache = cache
        self._freeze = False

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """Run the forward function on copies."""
        z = f(*(x.copy() if isinstance(x, np.ndarray) else x for x in inputs))
        return np.asarray(z[0] if self._cache else z)

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """Run the forward function; its vjp is called when a cotangent comes."""
        arguments = [inputs[i] for i in share]
        output = f(*arguments)
        output, cache = output if self._cache else (output, None)
        floating = [is_differentiable(x) for x in arguments]

        def pull(cotangent: Array) -> Gradients:
            given = (cache,) if self._cache else arguments
            if self._freeze:
                given = tuple([_frozen_tree(x) for x in given])
                cotangent = _read_only(cotangent)
            return self._arranged(self._pull(cotangent, *given), floating)

        return Ran(output, pull, lambda: [np.asarray(x) for x in arguments])

    @staticmethod
    def _arranged(found: Any, floating: list[bool]) -> Gradients:
        """Gradients by position, whether one was returned per input or per floating input."""
        many = tuple(found) if isinstance(found, tuple | list) else (found,)
        if len(many) == sum(floating) != len(floating):
            rest = iter(many)
            many = tuple([next(rest) if own else None for own in floating])
        if len(many) != len(floating):
            raise UnsupportedError(
                "check_vjp",
                f"vjp returned {len(many)} gradients for {len(floating)} inputs",
                "Return one for each input, or one for each floating input",
            )
        return [
            None if g is None or not own else np.asarray(g)
            for g, own in zip(many, floating, strict=True)
        ]

    @contextmanager
    def frozen(self, _: Pulled) -> Iterator[None]:
        """Hand read-only arrays to the vjp."""
        self._freeze = True
        try:
            yield
        finally:
            self._freeze = False

    def pullback(self, _: Callable[..., Any]) -> Callable[..., Any]:
        """The vjp is no function of a library, so it cannot be differentiated."""
        raise UnsupportedError(
            "check_vjp", "a hand-written vjp has no second derivative", "Use order=1"
        )


def _frozen_tree(x: Any) -> Any:
    """Read-only views of all arrays in a cache made of tuples, lists and dicts."""
    if isinstance(x, tuple | list):
        return type(x)([_frozen_tree(item) for item in x])
    if isinstance(x, dict):
        return {key: _frozen_tree(item) for key, item in x.items()}
    return _read_only(x)


_BY_MODULE: dict[str, type[Any]] = {
    "microgradx": Tensors,
    "torch": Torch,
    "jax": Jax,
    "jaxlib": Jax,
    "autograd": Autograd,
    "mygrad": MyGrad,
}
_FOREIGN = frozenset({"torch", "jax", "jaxlib", "autograd", "mygrad"})
_BY_NAME: dict[str, type[Any]] = {**_BY_MODULE, "microgradx.Value": Values, "value": Values}


def library_named(name: str) -> Adapter:
    """Find an adapter by the name of its library.

    Parameters
    ----------
    name : {"microgradx", "value", "torch", "jax", "autograd", "mygrad"}
        The library.

    Returns
    -------
    Adapter

    Raises
    ------
    UnsupportedError
        If there is none of that name.
    """
    if name not in _BY_NAME:
        raise UnsupportedError(
            "gradcheck", f"no adapter is called {name!r}", f"Choose one of {sorted(set(_BY_NAME))}"
        )
    found: Adapter = _BY_NAME[name]()
    return found


def _recognised(value: Any) -> Adapter | None:
    for base in type(value).__mro__:
        package = base.__module__.partition(".")[0]
        if package == "microgradx" and base.__name__ == "Value":
            return Values()
        if package in _BY_MODULE:
            return library_named(package)
    return None


def adapter_for(f: Callable[..., Any], inputs: Sequence[Any], arrays: Sequence[Any]) -> Adapter:
    """Recognise the library that `f` is written for.

    Parameters
    ----------
    f : callable
        The function under test.
    inputs : sequence
        As the user passed them: a tensor of some library decides.
    arrays : sequence
        The same as arrays: otherwise the type of what `f` makes of them decides.

    Returns
    -------
    Adapter

    Raises
    ------
    UnsupportedError
        If `f` returns nothing known.
    """
    for x in inputs:
        found = _recognised(x)
        if found is not None:
            return found
    scalars = [x for x in inputs if isinstance(x, float)]
    if scalars and not any(isinstance(x, np.ndarray) for x in inputs):
        return Values()
    named = _library_it_names(f)
    if named is not None:
        return named
    returned: list[str] = []
    refusals: list[Exception] = []
    for candidate in _candidates(f):
        try:
            with np.errstate(all="ignore"):
                result = candidate(arrays)
        except Exception as error:  # noqa: BLE001 - any refusal may mean "not this library"
            refusals.append(error)
            continue
        found = _recognised(result)
        if found is not None:
            return found
        returned.append(type(result).__name__)
    if not returned:
        raise refusals[0]
    raise UnsupportedError(
        "gradcheck",
        f"f returned {' or '.join(dict.fromkeys(returned))}, which carries no gradient",
        "Return one Tensor, or use check_vjp(forward, vjp, ...) for functions of plain arrays",
    )


def _candidates(f: Callable[..., Any]) -> Iterator[Callable[[Sequence[Any]], Any]]:
    def over_tensors(arrays: Sequence[Any]) -> Any:
        return f(*(Tensor(x) if is_differentiable(x) else x for x in arrays))

    yield over_tensors
    yield lambda arrays: f(*arrays)
    if "torch" in sys.modules:
        yield lambda arrays: f(*(sys.modules["torch"].tensor(x) for x in arrays))
    if "mygrad" in sys.modules:
        yield lambda arrays: f(*(sys.modules["mygrad"].tensor(np.array(x)) for x in arrays))


def _library_it_names(f: Callable[..., Any]) -> Adapter | None:
    """The foreign library that `f` belongs to, derives from or mentions, or whatever it calls does.

    Asked before anything is run: a foreign function takes a Tensor for an array and returns one,
    so that running `f` over Tensors would find a gradient, and lose half of it.
    """
    loaded = _FOREIGN & set(sys.modules)
    seen: set[int] = set()
    stack: list[Any] = [f] if loaded else []
    while stack:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        home = x.__name__ if isinstance(x, ModuleType) else getattr(x, "__module__", "")
        packages = {str(home).partition(".")[0]}
        packages |= {base.__module__.partition(".")[0] for base in getattr(x, "__mro__", ())}
        for package in packages & loaded:
            return library_named(package)
        if not packages & _SETTLED:
            stack += [type(x), *_mentioned(x)]
    return None


_SETTLED = frozenset({"microgradx", "numpy", "scipy", "math"})  # no need to look into these


def _mentioned(x: Any) -> Iterator[Any]:
    """What a function uses by name, what it is bound to, and what it wraps."""
    if isinstance(x, FunctionType):
        codes = [x.__code__]
        for code in codes:
            codes += [const for const in code.co_consts if isinstance(const, CodeType)]
            yield from (x.__globals__[n] for n in code.co_names if n in x.__globals__)
        for cell in x.__closure__ or ():
            with suppress(ValueError):  # a cell that is not filled yet
                yield cell.cell_contents
    for name in ("__self__", "__wrapped__", "func", "forward", "__call__"):
        inner = getattr(x, name, None)
        if isinstance(inner, FunctionType | MethodType) or name in {"__self__", "func"}:
            yield inner
