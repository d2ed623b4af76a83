"""Adapters for other libraries: PyTorch, JAX, autograd and MyGrad.

Each imports its library only when it is used, and it is used only after something of that
library was seen.
"""

from __future__ import annotations

from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.testing.protocol import Ran, is_differentiable, lifted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from microgradx.testing.protocol import Array, Gradients, Pulled

__all__ = ["Autograd", "Jax", "MyGrad", "Torch"]


def _writable_rules(_: Pulled) -> AbstractContextManager[None]:
    """No way into the rules of a foreign library."""
    return nullcontext()


class Torch:
    """PyTorch."""

    name = "torch"
    owns_gradients = False  # `x + y` may hand both inputs the same memory; PyTorch allows it
    has_leaves = True

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """Run `f` without recording."""
        torch = import_module("torch")

        with torch.no_grad():
            z = f(*(torch.tensor(x) if is_differentiable(x) else _torch(x) for x in inputs))
        return np.asarray(z.detach().numpy())

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """Run `f` on leaves that require a gradient."""
        torch = import_module("torch")

        def lift(x: Any) -> Any:
            return torch.tensor(
                np.array(x, order="C")
            ).requires_grad_()  # no negative strides there

        arguments = lifted(lift, [_torch(x) for x in inputs], share)
        z = f(*arguments)
        floating = [isinstance(x, torch.Tensor) and x.requires_grad for x in arguments]

        def pull(cotangent: Array) -> Gradients:
            if not z.requires_grad:
                return [None] * len(arguments)
            wanted = [x for x, own in zip(arguments, floating, strict=True) if own]
            found = iter(
                torch.autograd.grad(
                    z,
                    wanted,
                    torch.tensor(np.array(cotangent, order="C")),
                    retain_graph=True,
                    allow_unused=True,
                )
            )
            pulled = [next(found) if own else None for own in floating]
            return [None if g is None else g.detach().numpy() for g in pulled]

        def data() -> list[Array]:
            return [
                x.detach().numpy() if own else x for x, own in zip(arguments, floating, strict=True)
            ]

        return Ran(z.detach().numpy(), pull, data)

    frozen = staticmethod(_writable_rules)  # its rules run in C++

    def pullback(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """``torch.autograd.grad`` with its graph."""
        torch = import_module("torch")

        def gradients(*arguments: Any) -> Any:
            *xs, v = arguments
            # A no-op that makes each input part of the graph, whatever the caller's mode.
            with torch.enable_grad():
                live = [x.detach().requires_grad_() if _needs_leaf(x) else x for x in xs]
                wanted = [x for x in live if isinstance(x, torch.Tensor) and x.requires_grad]
                z = f(*live)
                found = torch.autograd.grad(
                    z, wanted, v, create_graph=True, allow_unused=True, materialize_grads=True
                )
                return torch.cat([g.reshape(-1) for g in found])

        return gradients


def _needs_leaf(x: Any) -> bool:
    return hasattr(x, "requires_grad") and not x.requires_grad and x.is_floating_point()


def _torch(x: Any) -> Any:
    """Integer arrays become tensors: PyTorch's functions take no others."""
    torch = import_module("torch")

    return torch.tensor(x) if isinstance(x, np.ndarray) and x.dtype.kind in "biu" else x


class Jax:
    """JAX."""

    name = "jax"
    owns_gradients = False  # arrays are immutable there
    has_leaves = True

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """Run `f` on JAX arrays."""
        jnp = import_module("jax.numpy")

        return np.asarray(f(*(self._array(jnp, x) if is_differentiable(x) else x for x in inputs)))

    @staticmethod
    def _array(jnp: Any, x: Any) -> Any:
        array = jnp.asarray(x)
        if array.dtype != np.asarray(x).dtype:
            raise UnsupportedError(
                "gradcheck",
                f"JAX turned {np.asarray(x).dtype} into {array.dtype}",
                'Call jax.config.update("jax_enable_x64", True) first, or set JAX_ENABLE_X64=1, '
                "or pass float32 inputs",
            )
        return array

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """``jax.vjp`` at the distinct floating inputs."""
        jax = import_module("jax")
        jnp = import_module("jax.numpy")

        distinct = [i for i in dict.fromkeys(share) if is_differentiable(inputs[i])]

        def of_distinct(*xs: Any) -> Any:
            own = dict(zip(distinct, xs, strict=True))
            return f(*(own.get(i, inputs[i]) for i in share))

        lifted = [self._array(jnp, inputs[i]) for i in distinct]
        z, vjp = jax.vjp(of_distinct, *lifted)

        def pull(cotangent: Array) -> Gradients:
            found = dict(zip(distinct, vjp(jnp.asarray(cotangent)), strict=True))
            return [np.asarray(found[i]) if i in found else None for i in share]

        return Ran(np.asarray(z), pull, lambda: [np.asarray(inputs[i]) for i in share])

    frozen = staticmethod(_writable_rules)

    def pullback(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """``jax.vjp`` as a function."""
        jax = import_module("jax")
        jnp = import_module("jax.numpy")

        def gradients(*arguments: Any) -> Any:
            *xs, v = arguments
            floating = [
                i for i, x in enumerate(xs) if jnp.issubdtype(jnp.result_type(x), jnp.floating)
            ]

            def of_floats(*own: Any) -> Any:
                every = list(xs)
                for i, x in zip(floating, own, strict=True):
                    every[i] = x
                return f(*every)

            found = jax.vjp(of_floats, *(xs[i] for i in floating))[1](v)
            return jnp.concatenate([g.reshape(-1) for g in found])

        return gradients


class Autograd:
    """HIPS autograd: NumPy functions from ``autograd.numpy``."""

    name = "autograd"
    owns_gradients = False
    has_leaves = True

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """Run `f` on plain arrays."""
        return np.asarray(f(*inputs))

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """``autograd.make_vjp`` at the distinct floating inputs."""
        make_vjp = import_module("autograd").make_vjp

        distinct = [i for i in dict.fromkeys(share) if is_differentiable(inputs[i])]

        def of_distinct(xs: Any) -> Any:
            own = dict(zip(distinct, xs, strict=True))
            return f(*(own.get(i, inputs[i]) for i in share))

        vjp, z = make_vjp(of_distinct)(tuple(inputs[i] for i in distinct))

        def pull(cotangent: Array) -> Gradients:
            found = dict(zip(distinct, vjp(cotangent[()]), strict=True))
            return [np.asarray(found[i]) if i in found else None for i in share]

        return Ran(z, pull, lambda: [np.asarray(inputs[i]) for i in share])

    frozen = staticmethod(_writable_rules)

    def pullback(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """``make_vjp`` on boxes differentiates again."""
        anp = import_module("autograd.numpy")
        make_vjp = import_module("autograd").make_vjp

        def gradients(*arguments: Any) -> Any:
            *xs, v = arguments
            found = make_vjp(lambda own: f(*own))(tuple(xs))[0](v)
            return anp.concatenate([anp.reshape(g, -1) for g in found])

        return gradients


class MyGrad:
    """MyGrad."""

    name = "mygrad"
    owns_gradients = False
    has_leaves = True

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """Run `f` without recording."""
        mygrad = import_module("mygrad")

        with mygrad.no_autodiff:
            z = f(*(mygrad.tensor(np.array(x)) if is_differentiable(x) else x for x in inputs))
        return np.array(z.data if hasattr(z, "data") else z)

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """Run `f` on tensors; it is run again for every cotangent, as MyGrad clears its graph."""
        mygrad = import_module("mygrad")

        def once() -> tuple[list[Any], Any]:
            arguments = lifted(lambda x: mygrad.tensor(np.array(x)), inputs, share)
            return arguments, f(*arguments)

        first = once()
        kept = [np.array(x.data) if hasattr(x, "grad") else np.asarray(x) for x in first[0]]

        def pull(cotangent: Array) -> Gradients:
            arguments, z = once()
            z.backward(cotangent)
            own = [getattr(x, "grad", None) for x in arguments]
            return [None if g is None else np.array(g) for g in own]

        return Ran(np.array(first[1].data), pull, lambda: kept)

    frozen = staticmethod(_writable_rules)

    def pullback(self, *_: Any) -> Callable[..., Any]:
        """MyGrad has no second derivative."""
        raise UnsupportedError("gradcheck", "MyGrad has no second derivative", "Use order=1")
