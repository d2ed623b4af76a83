"""Bugs to plant: the classic mistakes of backpropagation, one switch each.

For teaching (what does a lost fan-out look like?) and as the proof of this kit: a check that
cannot find these is no check. A bug is planted for a ``with`` block and gone after it::

    with planted("fan-out overwrites"):
        gradcheck(f, x)          # raises

`CLASSICS` are the famous ones; `rule_mutants` makes hundreds mechanically from a primitive's
rules, and `slips` from their formulas.
"""

# ruff: noqa: ARG001, ARG005 - rules take (g, z, *inputs), whether they use them or not

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.ops.shaping import unbroadcast_array
from microgradx.primitive import PRIMITIVES
from microgradx.testing.slips import slips
from microgradx.testing.walks import WALKS, Mutant, replaced

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from microgradx.primitive import Primitive

    Rule = Callable[..., Any]

__all__ = ["CLASSICS", "EQUIVALENT", "Mutant", "planted", "rule_mutants"]


# ---- bugs in a rule -----------------------------------------------------------------------------
def _with_rule(op: Primitive, i: int, rule: Rule) -> AbstractContextManager[None]:
    """`op` with its rule of input `i` replaced, in the readings of both walks."""
    if op.array_each is not None:
        return replaced(op, array_each=_one_of_each(op.array_each, i, rule), each=op.each)
    return replaced(
        op,
        array_vjps=(*op.array_vjps[:i], rule, *op.array_vjps[i + 1 :]),
        float_vjps=(*op.float_vjps[:i], rule, *op.float_vjps[i + 1 :]),
    )


def _one_of_each(each: Rule, i: int, rule: Rule) -> Rule:
    def changed(g: Any, z: Any, *inputs: Any, **params: Any) -> Any:
        pulled = list(each(g, z, *inputs, **params))
        if i < len(pulled):
            pulled[i] = rule(g, z, *inputs, **params)
        return pulled

    return changed


def _rule_of(op: Primitive, i: int) -> Rule:
    if op.array_each is None:
        found = op.array_vjps[i]
        assert found is not None  # noqa: S101 - only inputs with a rule are mutated
        return found
    each = op.array_each
    return lambda g, z, *inputs, **params: list(each(g, z, *inputs, **params))[i]


def _scaled(factor: float, rule: Rule) -> Rule:
    return lambda *a, **k: factor * rule(*a, **k)


def _dropped_cotangent(rule: Rule) -> Rule:
    return lambda g, *a, **k: rule(g * 0 + 1, *a, **k)


def _squared_cotangent(rule: Rule) -> Rule:
    return lambda g, *a, **k: rule(g * abs(g), *a, **k)


def _identity(_: Rule) -> Rule:
    return lambda g, z, *inputs, **k: g


def _absolute(rule: Rule) -> Rule:
    return lambda *a, **k: abs(rule(*a, **k))


def _single_precision(rule: Rule) -> Rule:
    def changed(*a: Any, **k: Any) -> Any:
        found = np.asarray(rule(*a, **k))
        return found.astype(np.float32).astype(found.dtype)

    return changed


def _stabilised(rule: Rule) -> Rule:
    """An eps "against division by zero" in the cotangent's way."""
    return lambda g, *a, **k: rule(g, *a, **k) * (1 / (1 + 1e-8))


def _where_input(
    i: int, claim: Callable[[Any], Any], change: Callable[[Any], Any], rule: Rule
) -> Rule:
    """Change the cotangent where a claim about input `i` holds, element by element."""

    def changed(g: Any, z: Any, *inputs: Any, **k: Any) -> Any:
        found = np.asarray(rule(g, z, *inputs, **k))
        x = np.asarray(inputs[i])
        shape = np.shape(found)
        if np.broadcast_shapes(x.shape, shape) != shape:
            return found
        return np.where(np.broadcast_to(claim(x), shape), change(found), found)

    return changed


def _nan_at_zero(found: Any) -> Any:
    return found * np.nan


def _copies_not_summed(rule: Rule, i: int) -> Rule:
    """Of a broadcast input's copies only the first is counted."""

    def changed(g: Any, z: Any, *inputs: Any, **k: Any) -> Any:
        found = np.asarray(rule(g, z, *inputs, **k))
        shape = np.shape(inputs[i])
        if found.shape == shape:
            return found
        found = found[(0,) * (found.ndim - len(shape))] if found.ndim > len(shape) else found
        return found[tuple(slice(0, n) for n in shape)]

    return changed


def _copies_averaged(rule: Rule, i: int) -> Rule:
    """A broadcast input gets the mean over its copies instead of the sum."""

    def changed(g: Any, z: Any, *inputs: Any, **k: Any) -> Any:
        found = np.asarray(rule(g, z, *inputs, **k))
        shape = np.shape(inputs[i])
        if found.shape == shape or not found.size:
            return found
        return unbroadcast_array(found, shape) * (np.prod(shape, dtype=float) / found.size)

    return changed


def _reordered(rule: Rule) -> Rule:
    """Right numbers, wrong places: reversed along the last axis."""
    return lambda *a, **k: (
        np.asarray(rule(*a, **k))[..., ::-1] if np.ndim(rule(*a, **k)) else rule(*a, **k)
    )


def _swapped_inputs(rule: Rule) -> Rule:
    return lambda g, z, x, y, **k: rule(g, z, y, x, **k)


def _overwrites_cotangent(rule: Rule) -> Rule:
    def changed(g: Any, *a: Any, **k: Any) -> Any:
        found = np.array(rule(g, *a, **k))
        if isinstance(g, np.ndarray):
            g *= 2
        return found

    return changed


def _overwrites_output(rule: Rule) -> Rule:
    def changed(g: Any, z: Any, *a: Any, **k: Any) -> Any:
        found = np.array(rule(g, z, *a, **k))
        if isinstance(z, np.ndarray):
            z += 1
        return found

    return changed


def _double_at_ties(rule: Rule) -> Rule:
    """Outside every subgradient wherever two inputs tie or one is 0."""

    def changed(g: Any, z: Any, *inputs: Any, **k: Any) -> Any:
        found = np.asarray(rule(g, z, *inputs, **k))
        floats = [np.asarray(x) for x in inputs if x is not None]
        tie = floats[0] == (floats[1] if len(floats) > 1 else 0)
        if np.broadcast_shapes(np.shape(tie), np.shape(g)) != np.shape(found):
            return found
        return np.where(tie, found + 2 * g, found)

    return changed


def _first_winner_takes_double(rule: Rule) -> Rule:
    """Tied extrema each get the whole gradient."""

    def changed(g: Any, z: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
        top = x.max(axis=axis, keepdims=True) if np.any(z == x.max(axis=axis, keepdims=keepdims)) \
            else x.min(axis=axis, keepdims=True)  # fmt: skip
        tie = x == top
        return rule(g, z, x, axis=axis, keepdims=keepdims) * np.where(
            tie, tie.sum(axis=axis, keepdims=True), 1
        )

    return changed


DAMAGES: dict[str, tuple[str, Callable[[Rule, int], Rule]]] = {
    "sign": ("formula", lambda rule, i: _scaled(-1.0, rule)),
    "doubled": ("formula", lambda rule, i: _scaled(2.0, rule)),
    "halved": ("formula", lambda rule, i: _scaled(0.5, rule)),
    "zero": ("formula", lambda rule, i: _scaled(0.0, rule)),
    "cotangent dropped": ("formula", lambda rule, i: _dropped_cotangent(rule)),
    "cotangent squared": ("formula", lambda rule, i: _squared_cotangent(rule)),
    "identity": ("formula", lambda rule, i: _identity(rule)),
    "absolute value": ("formula", lambda rule, i: _absolute(rule)),
    "times 1 + 1e-7": ("precision", lambda rule, i: _scaled(1 + 1e-7, rule)),
    "stabiliser 1e-8": ("precision", lambda rule, i: _stabilised(rule)),
    "float32 inside": ("precision", lambda rule, i: _single_precision(rule)),
    "nan at 0": (
        "special", lambda rule, i: _where_input(i, lambda x: x == 0, _nan_at_zero, rule)
    ),
    "wrong beyond 4": (
        "special",
        lambda rule, i: _where_input(i, lambda x: np.abs(x) > 4, lambda c: c * 1.01, rule),
    ),
    "wrong below 0": (
        "special", lambda rule, i: _where_input(i, lambda x: x < 0, lambda c: c * 1.01, rule)
    ),
    "copies not summed": ("broadcast", _copies_not_summed),
    "copies averaged": ("broadcast", _copies_averaged),
    "reordered": ("broadcast", lambda rule, i: _reordered(rule)),
    "overwrites its cotangent": ("memory", lambda rule, i: _overwrites_cotangent(rule)),
    "overwrites the output": ("memory", lambda rule, i: _overwrites_output(rule)),
}  # fmt: skip
"""How a rule can be damaged: name -> (group, how)."""

KINKED = ("relu", "leaky_relu", "abs", "maximum", "minimum")


def rule_mutants(op: Primitive) -> list[Mutant]:
    """Damage every rule of a primitive in every way.

    Parameters
    ----------
    op : Primitive
        Any with rules.

    Returns
    -------
    list of Mutant
    """
    found = []
    count = len(op.sample) if op.each is not None else len(op.vjps)
    inputs = [i for i in range(count) if op.each is not None or op.vjps[i] is not None]
    if op.each is not None:
        inputs = inputs[:2]  # all inputs of a variadic primitive are alike

    def add(label: str, group: str, i: int, rule: Rule) -> None:
        found.append(
            Mutant(
                f"{op.name}: input {i}, {label}", group, op.name, partial(_with_rule, op, i, rule)
            )
        )

    broadcasts = count > 1 and (op.scalar is not None or op.name in {"matmul", "linear"})
    for i in inputs:
        rule = _rule_of(op, i)
        for label, (group, damage) in DAMAGES.items():
            if label.startswith("copies") and (op.each is not None or not broadcasts):
                continue
            add(label, group, i, damage(rule, i))
        if op.each is None:
            for label, slip in slips(op.vjps[i]):
                add(label, "slips", i, slip)
        if op.each is None and len(op.vjps) == 2 and all(op.vjps):
            add("inputs swapped", "formula", i, _swapped_inputs(rule))
            add("the other input's rule", "formula", i, _rule_of(op, 1 - i))
        if op.name in KINKED:
            add("outside the subgradient at the kink", "kink", i, _double_at_ties(rule))
        if op.name in {"max", "min"}:
            add("ties each get all", "kink", i, _first_winner_takes_double(rule))
    return found


_NO_DERIVATIVE, _OUTSIDE = "no finite derivative there", "outside the domain"
_LINEAR = "the rule is the cotangent itself"
_POSITIVE = ("log", "log2", "log10", "sqrt", "root", "power_log", "acosh")
EQUIVALENT: dict[str, str] = {
    **{f"{op}: input {i}, identity": _LINEAR for op in ("add", "total") for i in (0, 1)},
    **{
        f"{op}: input {i}, identity": _LINEAR
        for op, i in (
            ("sub", 0),
            ("dot", 0),
            ("linear", 2),
            ("positive", 0),
            ("astype", 0),
            ("mod", 0),
            ("fmod", 0),
        )
    },
    **{
        f"{op}: input 0, identity": "the walk sums or broadcasts a cotangent to its input's shape"
        for op in ("unbroadcast", "broadcast_to")
    },
    **{
        f"{op}: input {i}, inputs swapped": "the rule reads no input"
        for op in ("add", "sub")
        for i in (0, 1)
    },
    **{
        f"{op}: input 0, inputs swapped": "the rule reads no input"
        for op in ("mod", "fmod", "set_at")
    },
    **{f"add: input {i}, the other input's rule": "both rules are the same" for i in (0, 1)},
    **{f"{op}: input 1, nan at 0": _NO_DERIVATIVE for op in ("div", "ratio", "mod", "fmod")},
    **{
        f"{op}: input 0, nan at 0": _NO_DERIVATIVE
        for op in (*_POSITIVE, "cbrt", "reciprocal", "mod")
    },
    **{f"{op}: input 0, wrong below 0": _OUTSIDE for op in _POSITIVE},
    **{f"{op}: input 0, wrong beyond 4": _OUTSIDE for op in ("asin", "acos", "atanh")},
    "relu: input 0, wrong below 0": "the slope is 0 there",
    "prod: input 0, nan at 0": "the function prod keeps zeros from the primitive",
    "unit: input 1, nan at 0": _NO_DERIVATIVE,
    "unit: input 1, wrong below 0": "a length is not negative",
    **{f"clip: input 0, {bound} -> z": "z is inside iff x is" for bound in ("low", "high")},
    **{
        f"{op}: input {i}, {x} -> z{again}": "z differs from the loser and from nan alike"
        for op in ("fmax", "fmin")
        for i, x in enumerate("yx")
        for again in ("", " (2)", " (3)")
    },
    **{f"linear: input 1, w -> {x}": "w only says how the gradient lies in memory" for x in "zxb"},
    **{
        f"{op}: input {i}, copies {how}": "this input is never broadcast"
        for op, i in (("clip", 0), ("linear", 0), ("linear", 1))
        for how in ("not summed", "averaged")
    },
}
"""Mutants that compute the same as the rule itself wherever it is defined, and why."""


# ---- the famous ones ----------------------------------------------------------------------------
def _famous(name: str, group: str, op: str, i: int, rule: Rule) -> Mutant:
    return Mutant(name, group, op, lambda: _with_rule(PRIMITIVES[op], i, rule))


def _mean_for_sum(g: Any, z: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    shape = np.sum(x, axis=axis, keepdims=True).shape
    return np.broadcast_to(np.reshape(g, shape), x.shape) / (x.size / max(np.size(z), 1))


def _fortran(g: Any, z: Any, x: Any, *, shape: Any) -> Any:
    return np.reshape(g, x.shape, order="F")


def _uninverted(g: Any, z: Any, x: Any, *, axes: Any) -> Any:
    return np.transpose(g, axes).reshape(x.shape)


def _duplicates_lost(g: Any, z: Any, x: Any, *, index: Any) -> Any:
    found = np.zeros_like(x)
    found[index] = g
    return found


def _everyone_wins(g: Any, z: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    top = np.max(x, axis=axis, keepdims=True)
    return np.reshape(g, top.shape) * (x == top)


def _diagonal_only(g: Any, z: Any, x: Any, *, axis: Any) -> Any:
    return g * z * (1 - z)


def _untransposed(g: Any, z: Any, x: Any, y: Any) -> Any:
    return np.matmul(np.swapaxes(x, -1, -2), g) if x.shape[-2:] != y.shape[-2:] else np.matmul(x, g)


CLASSICS: dict[str, Mutant] = {
    m.name: m
    for m in (
        *WALKS,
        _famous("tanh' = 1 - z", "formula", "tanh", 0, lambda g, z, x: g * (1 - z)),
        _famous("sigmoid' = z (1 - x)", "formula", "sigmoid", 0, lambda g, z, x: g * z * (1 - x)),
        _famous("exp' = x", "formula", "exp", 0, lambda g, z, x: g * x),
        _famous("the sign of y in x - y", "formula", "sub", 1, lambda g, z, x, y: g),
        _famous("x / y forgets a square", "formula", "div", 1, lambda g, z, x, y: -g * x / y),
        _famous("softmax: diagonal only", "formula", "softmax", 0, _diagonal_only),
        _famous("log: x + 1e-5 in the denominator", "precision", "log", 0,
                lambda g, z, x: g / (x + 1e-5)),
        _famous("tanh in float32", "precision", "tanh", 0,
                lambda g, z, x: (g * (1 - np.tanh(np.float32(x)) ** 2)).astype(float)),
        _famous("relu passes below 0", "kink", "relu", 0, lambda g, z, x: g * (x > -0.2)),
        _famous("abs without its sign", "formula", "abs", 0, lambda g, z, x: g * 1.0),
        _famous("sqrt: nan at 0", "special", "square", 0, lambda g, z, x: 2 * g * z / x),
        _famous("sum: mean where the sum is meant", "broadcast", "sum", 0, _mean_for_sum),
        _famous("reshape in Fortran order", "broadcast", "reshape", 0, _fortran),
        _famous("transpose: axes not inverted", "broadcast", "transpose", 0, _uninverted),
        _famous("index: duplicates lost", "broadcast", "getitem", 0, _duplicates_lost),
        _famous("max: ties counted twice", "kink", "max", 0, _everyone_wins),
        _famous("matmul: operand not transposed", "formula", "matmul", 1, _untransposed),
        _famous("maximum: a tie gives nothing", "kink", "maximum", 0,
                lambda g, z, x, y: g * (x > y)),
    )
}  # fmt: skip
"""The famous bugs by name."""


def planted(name: str) -> AbstractContextManager[None]:
    """Plant one of the `CLASSICS` for a ``with`` block.

    Parameters
    ----------
    name : str
        Key of `CLASSICS`.

    Returns
    -------
    context manager

    Raises
    ------
    UnsupportedError
        If there is no bug of that name.

    Examples
    --------
    >>> import numpy as np
    >>> from microgradx.testing import gradcheck
    >>> with planted("x * x counts once"):
    ...     print(gradcheck(lambda x: x * x, np.array([3.0]), raises=False).kind)
    accumulation
    """
    if name not in CLASSICS:
        raise UnsupportedError(
            "planted", f"no bug is called {name!r}", f"Choose one of {sorted(CLASSICS)}"
        )
    return CLASSICS[name].plant()
