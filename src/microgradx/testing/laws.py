"""Laws that every primitive keeps, checked on generated calls of its own row.

One line tests a primitive of your own, in all its readings::

    check_primitive(my_primitive)

A primitive that takes parameters needs a recipe that draws them first; see `RECIPES`.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import MicrogradxError, UnsupportedError
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.testing.calls import RECIPES, Dice, OpCall, draw_call
from microgradx.testing.checking import gradcheck
from microgradx.testing.directions import signed_magnitudes
from microgradx.transforms import jvp, vjp
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

    from microgradx.primitive import Primitive

    Array = NDArray[Any]

__all__ = ["LAWS", "RECIPES", "LawBroken", "check_primitive"]

KERNEL_ULPS = 8  # `math` and NumPy differ by up to 2 ulp a function; a kernel composes a few
RULE_ULPS = 64
EDGES = (0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, 1e308, -745.2, 710.0)


class LawBroken(MicrogradxError, AssertionError):  # noqa: N818 - it says what happened
    """A primitive that breaks a law of the table."""


def _broken(law: str, call: OpCall, problem: str, remedy: str = "") -> LawBroken:
    shown = ", ".join(np.array2string(np.asarray(x), separator=", ") for x in call.inputs[:4])
    return LawBroken(
        f"{call.op.name}, law '{law}'", f"{problem}, at {call.__name__}: {shown}", remedy
    )


def _arrays(call: OpCall) -> list[Any]:
    return [np.array(x) if isinstance(x, np.ndarray) else x for x in call.inputs]


def _kernel(call: OpCall, inputs: list[Any], **out: Any) -> Any:
    with np.errstate(all="ignore"):
        return call.op.array(*inputs, **call.params, **out)


def _floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def _same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def names_are_primitives(call: OpCall, _: int) -> None:
    """Every global name in every rule is a primitive."""
    unknown = call.op.unknown_names()
    if unknown:
        raise _broken("names", call, f"a rule calls {sorted(unknown)}, no primitives")


def kernels_agree(call: OpCall, _: int) -> None:
    """The kernel on floats equals the kernel on arrays, at the edges of IEEE 754 as well."""
    op = call.op
    if op.scalar is None or call.params:
        return
    numbers = [x for x in call.inputs if x is not None]
    wide = np.broadcast_arrays(*numbers)
    rows = list(zip(*(w.ravel().tolist() for w in wide), strict=True))[:50]
    # Edges belong to inputs that range widely; a slope in (0, 1) is never infinite.
    ranges = [*op.sample, *[op.sample[-1]] * len(numbers)] if op.sample else []
    wide_ranging = [len(numbers) == 1 or high > 1 for _, high in ranges]
    floats = [i for i, x in enumerate(numbers) if _floating(x) and wide_ranging[i]]
    edges = itertools.islice(itertools.product(EDGES, repeat=min(len(floats), 2)), len(EDGES) ** 2)
    for edge in edges:
        changed = list(rows[0])
        for i, x in zip(floats, edge, strict=False):
            changed[i] = x
        rows.append(tuple(changed))
    for row in rows:
        if op.name == "pow" and row == (-math.inf, 0.5):
            continue  # NumPy's own ** takes the square root there, which is nan; pow says inf
        given = _with_nones(call, row)
        with np.errstate(all="ignore"):
            one = np.asarray(op.scalar(*given), float)
            many = np.asarray(
                op.array(*[np.float64(x) if isinstance(x, float) else x for x in given]), float
            )
        if not _within(one, many, KERNEL_ULPS, scale=_largest(given)):
            raise LawBroken(
                f"{op.name}, law 'kernels'", f"on floats {one!s}, on arrays {many!s} at {row}"
            )


def _largest(row: list[Any]) -> float:
    """The largest finite magnitude: a sum of terms is exact to this scale, not to its own."""
    return max((abs(x) for x in row if isinstance(x, float) and math.isfinite(x)), default=0.0)


def _with_nones(call: OpCall, row: tuple[Any, ...]) -> list[Any]:
    values = iter(row)
    return [None if x is None else next(values) for x in call.inputs]


def _within(a: Array, b: Array, ulps: float, scale: float = 0.0) -> bool:
    if _same(a, b):
        return True
    with np.errstate(all="ignore"):
        eps = np.finfo(float).eps
        # A subnormal has fewer digits than an ulp counts.
        near = np.abs(a - b) <= ulps * eps * np.maximum(np.abs(a), scale * (a.size > 1)) + 1e-307
    return bool(np.all(near | (a == b) | (np.isnan(a) & np.isnan(b))))


def readings_agree(call: OpCall, seed: int) -> None:
    """A rule means the same on floats, on arrays and on nodes."""
    op = call.op
    if not op.differentiable:
        return
    inputs = _arrays(call)
    z = np.asarray(_kernel(call, inputs))
    g = signed_magnitudes(z.shape, np.random.default_rng(seed))
    nodes = [Tensor(x, requires_grad=True) if _floating(x) else x for x in inputs]
    with np.errstate(all="ignore"):
        root = call(*nodes)
        arrays: list[Any]
        if op.each is not None and op.array_each is not None:
            arrays = list(op.array_each(g, z, *inputs, **call.params))
            by_nodes = list(op.each(Tensor(g), root, *nodes, **call.params))
        else:
            arrays = [None if r is None else r(g, z, *inputs, **call.params) for r in op.array_vjps]
            by_nodes = [
                None if r is None else r(Tensor(g), root, *nodes, **call.params) for r in op.vjps
            ]
    for i, (a, n) in enumerate(zip(arrays, by_nodes, strict=True)):
        if not _floating(inputs[i]) or a is None:
            continue
        data = n.data if isinstance(n, Tensor) else n
        if not _same(a, data):
            raise _broken("readings", call, f"input {i}: on arrays {a!s}, on nodes {data!s}")
    if op.scalar is not None and not call.params:
        _floats_agree(call, inputs, z, g, arrays)


def _floats_agree(call: OpCall, inputs: list[Any], z: Array, g: Array, arrays: list[Any]) -> None:
    op = call.op
    numbers = [x for x in inputs if x is not None]
    wide = [w.ravel().tolist() for w in np.broadcast_arrays(g, z, *numbers)]
    for place, (one_g, one_z, *row) in enumerate(zip(*wide, strict=True)):
        if place == 30:
            return
        given = _with_nones(call, tuple(row))
        try:
            if op.float_each is not None:
                found = list(op.float_each(one_g, one_z, *given))
            else:
                found = [None if r is None else r(one_g, one_z, *given) for r in op.float_vjps]
        except ZeroDivisionError:  # a singular point: the walk then asks the array rules
            continue
        for i, (c, a) in enumerate(zip(found, arrays, strict=True)):
            if c is None or not _floating(inputs[i]):
                continue
            other = np.broadcast_to(a, z.shape).ravel()[place]
            slack = RULE_ULPS * np.finfo(float).eps * (abs(c) + abs(one_g))
            if not (c == other or abs(c - other) <= slack or (c != c and other != other)):  # noqa: PLR0124
                raise _broken("readings", call, f"input {i}: on floats {c!r}, on arrays {other!r}")


def gradient_is_right(call: OpCall, seed: int) -> None:
    """The rule is the slope of the kernel, within its bound; memory, shapes and dtypes are kept."""
    if call.op.differentiable:
        gradcheck(call, *call.inputs, reference=call.reference, seed=seed, adapter="microgradx")


def second_order_is_right(call: OpCall, seed: int) -> None:
    """The gradient's gradient is the slope of the gradient."""
    if call.op.differentiable and any(_floating(x) for x in call.inputs):
        gradcheck(call, *call.inputs, order=2, seed=seed, adapter="microgradx")


def dtype_is_kept(call: OpCall, _: int) -> None:
    """float32 in, float32 out, float32 gradient; Python numbers do not widen."""
    if not call.op.differentiable or "dtype" in call.params:
        return
    leaves = [
        Tensor(x.astype(np.float32), requires_grad=True) if _floating(x) else x for x in call.inputs
    ]
    with np.errstate(all="ignore"):
        z = call(*leaves)
        if z.dtype != np.float32:
            raise _broken("dtype", call, f"float32 gives {z.dtype}")
        if not z.requires_grad:
            return
        z.backward(np.ones(z.shape, np.float32))
    for i, x in enumerate(leaves):
        if isinstance(x, Tensor) and x.grad is not None and x.grad.dtype != np.float32:
            raise _broken("dtype", call, f"the gradient of float32 input {i} is {x.grad.dtype}")


def out_gives_the_same_bits(call: OpCall, _: int) -> None:
    """``out=`` is filled with the same bits and returned; a view shares its input's memory."""
    inputs = _arrays(call)
    z = np.asarray(_kernel(call, inputs))
    if call.op.view:
        return
    out = np.full_like(z, 7)
    returned = _kernel(call, inputs, out=out)
    if returned is not out and returned is not None:
        raise _broken("out", call, "the kernel returns another array than out")
    if not _same(out, z):
        raise _broken("out", call, f"with out= the kernel gives {out!s}, without {z!s}")


def kernels_only_read(call: OpCall, _: int) -> None:
    """A kernel writes into nothing but ``out``."""
    inputs = _arrays(call)
    for x in inputs:
        if isinstance(x, np.ndarray):
            x.flags.writeable = False
    try:
        _kernel(call, inputs)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise _broken("reads", call, "the kernel writes into its input") from error


def walks_agree(call: OpCall, seed: int) -> None:
    """The fast backward pass and the differentiable one give the same bits."""
    if not call.op.differentiable:
        return
    found = []
    for create_graph in (False, True):
        leaves = [Tensor(x, requires_grad=True) if _floating(x) else x for x in call.inputs]
        with np.errstate(all="ignore"):
            z = call(*leaves)
            if not z.requires_grad:
                return
            g = signed_magnitudes(z.shape, np.random.default_rng(seed))
            z.backward(g, create_graph=create_graph)
        found.append([getattr(x, "grad", None) for x in leaves])
    for i, (fast, slow) in enumerate(zip(*found, strict=True)):
        data = slow.data if isinstance(slow, Tensor) else slow
        if (fast is None) != (slow is None) or (fast is not None and not _same(fast, data)):
            raise _broken("walks", call, f"input {i}: fast {fast!s}, differentiable {data!s}")


def values_agree(call: OpCall, _: int) -> None:
    """Over Values the backward pass gives the same as over Tensors of the same numbers."""
    op = call.op
    if not op.differentiable or op.scalar is None or call.params or Value not in op.methods:
        return
    if not all(np.size(x) for x in call.inputs):
        return
    numbers = [np.asarray(x).ravel()[0] if _floating(x) else _first(x) for x in call.inputs]
    kinds: list[Callable[[Any], Any]] = [Value, lambda x: Tensor(x, requires_grad=True)]
    found = []
    for kind in kinds:
        leaves = [kind(x) if isinstance(x, np.floating) else x for x in numbers]
        with np.errstate(all="ignore"):
            z = call(*leaves)
            z.backward()
        grads = [x.grad for x in leaves if isinstance(x, Value | Tensor)]
        found.append([0.0 if g is None else float(g) for g in grads])
    for i, (a, b) in enumerate(zip(*found, strict=True)):
        near = abs(a - b) <= RULE_ULPS * np.finfo(float).eps * (abs(a) + 1)
        if not (near or a == b or (math.isnan(a) and math.isnan(b))):
            raise _broken("values", call, f"input {i}: over Values {a!r}, over Tensors {b!r}")


def _first(x: Any) -> Any:
    return np.asarray(x).ravel()[0].item() if isinstance(x, np.ndarray) else x


def forward_mode_is_the_transpose(call: OpCall, seed: int) -> None:
    """``<v, jvp(u)>`` equals ``<vjp(v), u>``: forward and reverse mode are one Jacobian."""
    places = [i for i, x in enumerate(call.inputs) if _floating(x)]
    if not call.op.differentiable or not places:
        return

    def of_floats(*xs: Any) -> Any:
        every = list(call.inputs)
        for i, x in zip(places, xs, strict=True):
            every[i] = x
        return call(*every)

    rng = np.random.default_rng(seed)
    primals = tuple([Tensor(call.inputs[i]) for i in places])
    us = [signed_magnitudes(x.shape, rng) for x in primals]
    with np.errstate(all="ignore"):
        z, dz = jvp(of_floats, primals, tuple([Tensor(u) for u in us]))
        v = signed_magnitudes(z.shape, rng)
        pulled = vjp(of_floats, *primals)[1](Tensor(v))
    pulled = pulled if isinstance(pulled, tuple) else (pulled,)
    forward = v * np.asarray(dz.data)
    reverse = np.concatenate([(g.data * u).ravel() for g, u in zip(pulled, us, strict=True)])
    if not (np.isfinite(forward).all() and np.isfinite(reverse).all()):
        return
    size = np.abs(forward).sum() + np.abs(reverse).sum()
    # A square root of eps would hide a wrong term; rounding in sums of this length stays far below.
    if abs(forward.sum() - reverse.sum()) > 1e-11 * size + 1e-300:
        raise _broken("forward mode", call, f"forward {forward.sum()!r}, reverse {reverse.sum()!r}")


LAWS: dict[str, Callable[[OpCall, int], None]] = {
    "names": names_are_primitives,
    "kernels": kernels_agree,
    "readings": readings_agree,
    "gradient": gradient_is_right,
    "second order": second_order_is_right,
    "dtype": dtype_is_kept,
    "out": out_gives_the_same_bits,
    "reads": kernels_only_read,
    "walks": walks_agree,
    "values": values_agree,
    "forward mode": forward_mode_is_the_transpose,
}
"""Every law by name: ``law(call, seed)`` raises if the primitive breaks it."""


def check_primitive(
    op: Primitive | str, *, examples: int = 20, seed: int = 0, laws: Collection[str] | None = None
) -> int:
    """Check that a primitive keeps the laws of the table, on generated calls.

    Parameters
    ----------
    op : Primitive or str
        One of the table, or your own; or its name.
    examples : int, optional
        Calls to draw.
    seed : int, optional
        Of the first; call ``k`` is drawn from ``seed + k``.
    laws : collection of str, optional
        Names from `LAWS`; all of them by default.

    Returns
    -------
    int
        Checks made.

    Raises
    ------
    LawBroken
        With the law and the call that breaks it.
    GradientError
        If the derivative is wrong.
    PrimitiveError
        If the primitive takes parameters and no recipe draws them.
    UnsupportedError
        If there is no primitive, or no law, of that name.

    Examples
    --------
    >>> from microgradx.ops.elementwise import tanh
    >>> check_primitive(tanh, examples=5)
    55
    """
    unknown = set(laws or ()) - set(LAWS)
    if unknown:
        raise UnsupportedError(
            "check_primitive", f"no law is called {min(unknown)!r}", f"Choose from {list(LAWS)}"
        )
    chosen = LAWS if laws is None else {name: LAWS[name] for name in laws}
    if isinstance(op, str):
        if op not in PRIMITIVES:
            raise UnsupportedError(
                "check_primitive", f"no primitive is called {op!r}", "See microgradx.PRIMITIVES"
            )
        op = PRIMITIVES[op]
    count = 0
    for k in range(seed, seed + examples):
        call = draw_call(Dice(k), op)
        for law in chosen.values():
            law(call, k)
            count += 1
    return count
