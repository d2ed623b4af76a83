"""NumPy's protocols: ``np.f(tensor)`` and ``array + tensor`` give Tensors, or a clear refusal.

NumPy hands its own calls over (NEP 13 for ufuncs, NEP 18 for functions) as soon as an argument is
a Tensor. Each is looked up under its name among this library's functions. What is not there is
refused if something tracked would lose its gradient, and computed on plain arrays otherwise; no
call gives an object array, and none cuts a gradient off in silence.
"""

from __future__ import annotations

import functools
import inspect
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import functions, linalg, special
from microgradx.errors import UnsupportedError
from microgradx.functions.arguments import as_tensor, constant
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["FUNCTIONS", "UFUNCS"]

# ---- ufuncs --------------------------------------------------------------------------------------
_COMPARISONS = ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")
_PRIMITIVES = (
    "add", "cos", "cosh", "exp", "expm1", "log", "log1p", "maximum", "minimum", "sign", "sin",
    "sinh", "sqrt", "square", "tan", "tanh", *_COMPARISONS,
)  # fmt: skip


def _ufuncs() -> dict[np.ufunc, Callable[..., Any]]:
    """NumPy's ufuncs and what stands for each here."""
    table: dict[np.ufunc, Callable[..., Any]] = {}
    for name in functions.__all__:
        ufunc = getattr(np, name, None)
        if isinstance(ufunc, np.ufunc):
            table[ufunc] = getattr(functions, name)
    table.update({getattr(np, name): PRIMITIVES[name] for name in _PRIMITIVES})
    table[np.conjugate] = PRIMITIVES["positive"]
    table[np.divmod] = _divmod
    table[np.modf] = _modf
    return table


def _divmod(x: Any, y: Any) -> tuple[Any, Any]:
    return PRIMITIVES["floor_divide"](x, y), PRIMITIVES["mod"](x, y)


def _modf(x: Any) -> tuple[Any, Any]:
    whole = PRIMITIVES["trunc"](x)
    return x - whole, whole


UFUNCS: dict[np.ufunc, Callable[..., Any]] = _ufuncs()
"""NumPy ufunc -> the function that stands for it."""
REDUCE: dict[np.ufunc, Callable[..., Any]] = {
    np.add: functions.sum, np.multiply: functions.prod, np.maximum: functions.max,
    np.minimum: functions.min, np.logaddexp: functions.logsumexp, np.logical_and: functions.all,
    np.logical_or: functions.any,
}  # fmt: skip
ACCUMULATE: dict[np.ufunc, Callable[..., Any]] = {
    np.add: functions.cumsum,
    np.multiply: functions.cumprod,
}
CONSTANT = {np.heaviside, np.signbit}
"""Ufuncs whose results never have a gradient."""


def _refuse(name: str, problem: str, remedy: str) -> UnsupportedError:
    return UnsupportedError(f"numpy.{name}", problem, remedy)


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """NEP 13: what ``np.f(tensor)`` and ``array + tensor`` do."""
    name = ufunc.__name__
    if any(x.__class__ is Value for x in inputs):
        raise _refuse(name, "a Value and a Tensor do not mix", "Turn one into the other")
    out = options.pop("out", None)
    tracked = any(_tracked(x) for x in inputs)
    if out is not None and (tracked or any(isinstance(z, Tensor) for z in out)):
        raise _refuse(
            name,
            "out= would write over data that a gradient may need",
            "Leave out= away, and for a += b write a = a + b",
        )
    if options.pop("where", True) is not True and tracked:
        raise _refuse(name, "where= leaves elements without a value", "Use where(mask, f(x), y)")
    if options.get("casting", "same_kind") in {"same_kind", "unsafe"}:
        options.pop("casting", None)
    if options.get("order", "K") == "K":
        options.pop("order", None)
    options.pop("subok", None)
    if out is not None:
        return _on_arrays(getattr(ufunc, method), (*inputs,), {**options, "out": out})
    if method == "__call__":
        return _call(ufunc, inputs, options, tracked=tracked)
    if method == "outer" and ufunc in UFUNCS and len(inputs) == 2 and not options:
        x, y = (as_tensor(v, name) for v in inputs)
        return UFUNCS[ufunc](functions.reshape(x, (*x.shape, *(1,) * y.ndim)), y)
    table = {"reduce": REDUCE, "accumulate": ACCUMULATE}.get(method, {})
    if ufunc in table:
        options.setdefault("axis", 0)
        return _translated(f"{name}.{method}", table[ufunc], inputs, options)
    if tracked:
        raise _refuse(
            f"{name}.{method}",
            "has no gradient here",
            "Use x.at[i].add(v) to add at places"
            if method == "at"
            else "Write it with the functions of microgradx, or use x.data for a constant",
        )
    return _on_arrays(getattr(ufunc, method), inputs, options)


OPERATORS: dict[np.ufunc, Callable[[Any, Any], Any]] = {
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul,
    np.divide: operator.truediv, np.power: operator.pow, np.less: operator.lt,
    np.less_equal: operator.le, np.greater: operator.gt, np.greater_equal: operator.ge,
    np.equal: operator.eq, np.not_equal: operator.ne,
}  # fmt: skip


def value_ufunc(self: Value, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """What ``np.f(value)`` and ``np.float64(2) * value`` do."""
    name = ufunc.__name__
    for x in inputs:
        if not isinstance(x, Value) and np.ndim(x):
            problem = f"a Value is one number and cannot meet a {type(x).__name__}"
            raise _refuse(name, problem, "Use Tensors on both sides, or loop over the elements")
    ours = OPERATORS.get(ufunc) or UFUNCS.get(ufunc)
    if ours is None or method != "__call__" or options:
        raise _refuse(name, "is not there for Values", "Use a Tensor, or float(value)")
    return ours(*[x.item() if isinstance(x, (np.generic, np.ndarray)) else x for x in inputs])


def _call(
    ufunc: np.ufunc, inputs: tuple[Any, ...], options: dict[str, Any], *, tracked: bool
) -> Any:
    ours = UFUNCS.get(ufunc)
    if ours is None and not hasattr(np, ufunc.__name__):  # such as scipy.special's
        ours = getattr(special, ufunc.__name__, None)
    dtype = options.pop("dtype", None)
    if ours is not None and not options:
        if dtype is not None:
            inputs = tuple([functions.astype(x, dtype) for x in inputs])
        return ours(*inputs)
    if tracked and ufunc not in CONSTANT:
        what = (
            f"takes no {', '.join(options)}= here" if ours is not None else "has no gradient here"
        )
        raise _refuse(
            ufunc.__name__,
            what,
            "Write it with the functions of microgradx, or use x.data for a constant",
        )
    return _on_arrays(ufunc, inputs, options if dtype is None else {**options, "dtype": dtype})


# ---- functions -----------------------------------------------------------------------------------
def _functions() -> dict[Any, Callable[..., Any]]:
    """NumPy's functions and what stands for each here."""
    table: dict[Any, Callable[..., Any]] = {}
    for home, names, ours in (
        (np, functions.__all__, functions),
        (np.linalg, linalg.__all__, linalg),
    ):
        for name in names:
            found = getattr(home, name, None)
            if callable(found) and not isinstance(found, (np.ufunc, type)):
                table[found] = getattr(ours, name)
    table[np.where] = _where
    table[np.copy] = PRIMITIVES["positive"]
    table[np.real] = PRIMITIVES["positive"]
    # NumPy code makes arrays to fill them, and a leaf that wants a gradient cannot be filled.
    for name in ("zeros_like", "ones_like", "full_like"):
        table[getattr(np, name)] = _untracked(getattr(functions, name))
    table[np.empty_like] = table[np.zeros_like]
    return table


def _untracked(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function that makes a constant of the shape of its first argument."""

    @functools.wraps(make)
    def constant_like(x: Any, *args: Any, dtype: Any = None) -> Tensor:
        return make(x, *args, dtype=dtype, requires_grad=False)

    return constant_like


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return functions.nonzero(condition)
    return PRIMITIVES["where"](condition, x, y)


FUNCTIONS: dict[Any, Callable[..., Any]] = _functions()
"""NumPy function -> the function that stands for it."""
FACTS = frozenset({
    "allclose", "array2string", "array_equal", "array_equiv", "array_repr", "array_str",
    "can_cast", "common_type", "iscomplexobj", "isrealobj", "may_share_memory", "min_scalar_type",
    "ndim", "result_type", "save", "savetxt", "savez", "savez_compressed", "shape",
    "shares_memory", "size",
})  # fmt: skip
"""Functions that ask about arrays, and have no gradient to lose."""


def array_function(self: Tensor, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """NEP 18: what ``np.f(tensor)`` does for functions that are no ufuncs."""
    if not all(issubclass(t, (Tensor, np.ndarray, np.generic)) for t in types):
        return NotImplemented
    ours = FUNCTIONS.get(function)
    name = function.__name__
    full_name = f"{function.__module__}.{name}".removeprefix("numpy.")
    if ours is not None:
        if len(args) == 1 and not kwargs:
            return ours(args[0])
        return _translated(full_name, ours, *_bound(function, args, kwargs))
    if name in FACTS:
        return function(*_plain(args), **_plain(kwargs))
    if any(_tracked(x) for x in _tensors((args, kwargs))):
        raise _refuse(
            full_name,
            "has no gradient here",
            "Write it with the functions of microgradx, or use x.data for a constant",
        )
    return _on_arrays(function, args, kwargs)


_IGNORED = {"subok", "overwrite_input", "optimize", "kind"}  # they change no number
_RENAMED = {"a_min": "min", "a_max": "max"}


@functools.cache
def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:  # some are written in C without one
        return None


def _bound(function: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """NumPy's arguments, the required ones by position and the others by NumPy's names."""
    signature = _signature(function)
    if signature is None:
        return args, kwargs
    given = signature.bind(*args, **kwargs).arguments
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, x in given.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(x)
        elif parameter.kind is parameter.VAR_KEYWORD:
            named.update(x)
        elif parameter.default is parameter.empty or parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(x)
        elif x is not parameter.default:
            named[_RENAMED.get(name, name)] = x
    return tuple(positional), named


def _translated(name: str, ours: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `ours`, with a dtype turned into a cast; refuse arguments that it lacks."""
    accepted = _signature(ours)
    names = set() if accepted is None else set(accepted.parameters)
    dtype = None if "dtype" in names else kwargs.pop("dtype", None)
    for key in [k for k in kwargs if k not in names]:
        x = kwargs.pop(key)
        neutral = x is None or x is np._NoValue or x is True or key in _IGNORED
        if not neutral and not (key == "order" and x in {"C", "K"}):
            raise _refuse(
                name, f"takes no {key}= with Tensors", "Leave it away, or use x.data for a constant"
            )
    if dtype is not None:
        args = (functions.astype(args[0], dtype), *args[1:])
    return ours(*args, **kwargs)


# ---- plain arrays --------------------------------------------------------------------------------
def _tracked(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _tensors(tree: Any) -> Iterator[Any]:
    """The Tensors anywhere in the arguments."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, (list, tuple)):
        for branch in tree:
            yield from _tensors(branch)
    elif isinstance(tree, dict):
        yield from _tensors(list(tree.values()))


def _plain(tree: Any) -> Any:
    """Arguments with raw arrays in the place of Tensors."""
    if isinstance(tree, Tensor):
        return tree.numpy()
    if isinstance(tree, (list, tuple)):
        return type(tree)([_plain(branch) for branch in tree])
    if isinstance(tree, dict):
        return {key: _plain(branch) for key, branch in tree.items()}
    return tree


def _on_arrays(function: Any, args: Any, kwargs: Any) -> Any:
    """Call NumPy on raw data; arrays come back as constant Tensors."""
    z = function(*_plain(args), **_plain(kwargs))
    return z if kwargs.get("out") is not None else _wrapped(z)


def _wrapped(z: Any) -> Any:
    if isinstance(z, (tuple, list)):
        return type(z)([_wrapped(part) for part in z]) if type(z) in {tuple, list} else z
    if isinstance(z, (np.ndarray, np.generic)) and z.dtype.kind in "fiub":
        return constant(np.array(z))
    return z


Tensor.__array_ufunc__ = array_ufunc  # type: ignore[attr-defined]
Value.__array_ufunc__ = value_ufunc
Tensor.__array_function__ = array_function  # type: ignore[attr-defined]
