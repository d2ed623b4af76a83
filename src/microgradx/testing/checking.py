"""`gradcheck`: is this gradient right? With a tolerance that is derived, not guessed.

One random direction ``u`` and one random cotangent ``v`` are drawn; the rule's ``(v J) . u`` must
lie within the bound of the numeric ``v . (J u)``, and at a kink between the one-sided derivatives.
Around it stand the invariants that no number shows: shapes, dtypes, linearity, memory. Only after
a failure is the numeric gradient taken coordinate by coordinate, to say where and what.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.testing.adapters import Handwritten, adapter_for, library_named
from microgradx.testing.check import FLOOR, INVARIANTS, Check
from microgradx.testing.protocol import is_differentiable
from microgradx.testing.report import GradientError, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from microgradx.testing.protocol import Adapter

__all__ = ["INVARIANTS", "Asked", "check_vjp", "gradcheck"]

KINKS = ("interval", "reject", "error")


def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    order: Literal[1, 2] = 1,
    cotangent: Any = None,
    reference: Callable[..., Any] | None = None,
    kink: Literal["interval", "reject", "error"] = "interval",
    invariants: Collection[str] = INVARIANTS,
    adapter: str | Adapter | None = None,
    seed: int = 0,
    noise: float = 0.0,
    floor: float = FLOOR,
    raises: bool = True,
    localise: bool = True,
    name: str | None = None,
) -> Report:
    """Check the gradient of `f` against differences with a bound.

    Parameters
    ----------
    f : callable
        Maps the inputs to one array or number of the library it is written for: microgradx,
        PyTorch, JAX, autograd or MyGrad.
    *inputs : array_like or tensors
        Where to check. Floating arrays are differentiated, all else is held fixed. Python floats
        without an array beside them are differentiated too, and run `f` over Values. The same
        array passed twice is the same leaf twice.
    order : {1, 2}, optional
        2 checks the gradient of the gradient, as a function of the inputs and the cotangent; of
        Values a random weighted sum of the gradients, since a Value is one number.
    cotangent : array_like, optional
        Of the shape of ``f(*inputs)``; by default random, of magnitude 0.5 to 1.5.
    reference : callable, optional
        The same function on plain arrays: values must agree, and be finite where its are.
    kink : {"interval", "reject", "error"}, optional
        Where the function has no derivative: accept anything between the one-sided derivatives,
        skip, or fail.
    invariants : collection of str, optional
        Which of `INVARIANTS` to check: ``alias`` (gradients own their memory), ``frozen`` (rules
        write into nothing they are given), ``linear`` (in the cotangent), ``shared`` (one leaf in
        two positions gets the sum), ``strided`` (memory layout does not matter), ``twice``
        (a second backward pass gives the same).
    adapter : str or Adapter, optional
        The library, if it cannot be recognised.
    seed : int, optional
        Of the random direction and cotangent.
    noise : float, optional
        Relative noise of `f`, if greater than rounding (a GPU's, for example).
    floor : float, optional
        Relative slack for the rounding of the analytic side.
    raises : bool, optional
        False returns a report of the failure instead of raising.
    localise : bool, optional
        Whether to look at every coordinate after a failure, and to shrink what failed to a
        program to paste; False answers sooner.
    name : str, optional
        What messages call `f`.

    Returns
    -------
    Report
        How it went, and how strong the pass was (``resolution``).

    Raises
    ------
    GradientError
        If the gradient is wrong; its text says where, how much, and what it looks like.
    UnsupportedError
        If no input can be differentiated, `f` returns nothing that carries a gradient, or `order`,
        `kink` or an invariant is none of the choices.

    Examples
    --------
    >>> from microgradx import Tensor
    >>> report = gradcheck(lambda x, y: (x * y).tanh(), [[0.5], [-2.0]], [1.0, 3.0])
    >>> report.status, bool(report.resolution < 1e-8)
    ('ok', True)
    """
    __tracebackhide__ = True  # pytest then shows the line that asked
    _refuse_unknown("gradcheck", order, kink, invariants)
    arrays, share = _prepared(inputs, "gradcheck")
    name = str(name or getattr(f, "__name__", type(f).__name__))
    if adapter is None:
        library = adapter_for(f, inputs, arrays)
    else:
        library = library_named(adapter) if isinstance(adapter, str) else adapter
    report = Report(
        name, adapter=library.name, seed=seed, order=order, names=_names(f), inputs=tuple(arrays)
    )
    check = Check(
        f, library, arrays, share, report,
        floor=floor, noise=noise, kink=kink, localise=localise, order=order,
    )  # fmt: skip
    check.run(cotangent, reference, frozenset(invariants))
    if report.status == "failed" and localise:
        options = {
            "order": order, "cotangent": cotangent, "reference": reference, "kink": kink,
            "invariants": frozenset(invariants), "noise": noise, "floor": floor,
        }  # fmt: skip
        report.program = _program(Asked(f, None, library, tuple(arrays), share, options), report)
    return _answered(report, raises=raises)


def check_vjp(
    forward: Callable[..., Any],
    vjp: Callable[..., Any],
    *inputs: Any,
    cache: bool = False,
    cotangent: Any = None,
    reference: Callable[..., Any] | None = None,
    kink: Literal["interval", "reject", "error"] = "interval",
    invariants: Collection[str] = INVARIANTS,
    seed: int = 0,
    floor: float = FLOOR,
    raises: bool = True,
    name: str | None = None,
) -> Report:
    """Check a hand-written gradient in plain NumPy: a forward function and its vjp.

    Parameters
    ----------
    forward : callable
        ``(*inputs) -> z``, or ``-> (z, cache)``.
    vjp : callable
        ``(g, *inputs) -> gradients``, or ``(g, cache) -> gradients``: one for each input, or one
        for each floating input; a single one need not be in a tuple.
    *inputs : array_like
        Where to check. Integer inputs (labels, indices) are held fixed.
    cache : bool, optional
        Whether `forward` returns a cache that `vjp` takes instead of the inputs.
    cotangent, reference, kink, invariants, seed, floor, raises, name
        As for `gradcheck`.

    Returns
    -------
    Report
        How it went.

    Raises
    ------
    GradientError
        If the vjp is wrong.
    UnsupportedError
        If no input can be differentiated, or `kink` or an invariant is none of the choices.

    Examples
    --------
    >>> check_vjp(np.sin, lambda g, x: g * np.cos(x), [0.5, 2.0]).status
    'ok'
    >>> print(check_vjp(np.sin, lambda g, x: g * np.sin(x), [0.5], raises=False).kind)
    formula
    """
    __tracebackhide__ = True
    _refuse_unknown("check_vjp", 1, kink, invariants)
    arrays, _ = _prepared(inputs, "check_vjp")
    name = str(name or getattr(vjp, "__name__", "vjp"))
    library = Handwritten(vjp, cache=cache)
    report = Report(
        name, adapter=library.name, seed=seed, names=_names(forward), inputs=tuple(arrays)
    )
    share = range(len(arrays))
    check = Check(forward, library, arrays, share, report, floor=floor, kink=kink)
    check.run(cotangent, reference, frozenset(invariants))
    if report.status == "failed":
        options = {
            "cache": cache, "cotangent": cotangent, "reference": reference, "kink": kink,
            "invariants": frozenset(invariants), "floor": floor,
        }  # fmt: skip
        report.program = _program(
            Asked(forward, vjp, library, tuple(arrays), share, options), report
        )
    return _answered(report, raises=raises)


@dataclass(frozen=True)
class Asked:
    """What was checked: all that it takes to check it again.

    Attributes
    ----------
    f, vjp : callable
        The function; its gradient by hand, or None.
    library : Adapter
        What `f` is written for.
    inputs : tuple
        Arrays and constants.
    share : sequence of int
        For each position the first one that holds the same object.
    options : dict
        Keyword arguments of the check.
    """

    f: Callable[..., Any]
    vjp: Callable[..., Any] | None
    library: Adapter
    inputs: tuple[Any, ...]
    share: Sequence[int]
    options: dict[str, Any]


def _program(asked: Asked, report: Report) -> Callable[[], tuple[str, int]]:
    """Reduce the failing check when somebody reads it, and once."""

    @functools.cache
    def program() -> tuple[str, int]:
        from microgradx.testing.reproduction import reproduced  # noqa: PLC0415 - it checks again

        return reproduced(asked, report)

    return program


def _refuse_unknown(where: str, order: int, kink: str, invariants: Collection[str]) -> None:
    """Refuse what is none of the choices, and name them."""
    unknown = sorted(set(invariants) - INVARIANTS)
    if order not in (1, 2):
        raise UnsupportedError(where, f"there is no order={order!r}", "order is 1 or 2")
    if kink not in KINKS:
        raise UnsupportedError(where, f"there is no kink={kink!r}", f"kink is one of {KINKS}")
    if unknown:
        raise UnsupportedError(
            where, f"there is no invariant {unknown[0]!r}", f"Choose from {sorted(INVARIANTS)}"
        )


def _answered(report: Report, *, raises: bool) -> Report:
    __tracebackhide__ = True
    if raises and report.status == "failed":
        raise GradientError(report)
    return report


def _prepared(inputs: Sequence[Any], where: str) -> tuple[list[Any], list[int]]:
    """Inputs as arrays and constants, and for each position the first one with the same object."""
    arrays, share = [], []
    numbers = all(isinstance(x, int | float) or not _is_floating(x) for x in inputs)
    for i, x in enumerate(inputs):
        # Beside arrays a Python float is a constant, as it is in NumPy; alone it is a Value.
        arrays.append(x if isinstance(x, float) and not numbers else _as_array(x))
        twins = [j for j in range(i) if inputs[j] is x and is_differentiable(arrays[i])]
        # Equal small numbers are one object in Python; only arrays are shared on purpose.
        share.append(twins[0] if twins and not isinstance(x, float) else i)
    if not any(is_differentiable(x) for x in arrays):
        kinds = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in arrays) or "nothing"
        raise UnsupportedError(
            where,
            f"no input can be differentiated: {kinds}",
            "Pass floats or floating arrays; of a tree pass the leaves, and build it inside f",
        )
    return arrays, share


def _names(f: Callable[..., Any]) -> tuple[str, ...]:
    """The function's own names for its inputs, up to the first that has none."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return ()
    named = itertools.takewhile(lambda p: p.kind is not p.VAR_POSITIONAL, parameters)
    return tuple([p.name for p in named])


def _is_floating(x: Any) -> bool:
    kind = getattr(np.asarray(x) if isinstance(x, list) else x, "dtype", None)
    return "float" in str(kind)


def _as_array(x: Any) -> Any:
    if isinstance(x, float | np.floating):
        return np.asarray(x)
    if isinstance(x, list):
        return np.array(x)
    if isinstance(x, bool | int | str | tuple | np.ndarray | np.integer | None | slice):
        return x
    if hasattr(x, "detach"):
        x = x.detach()
    if hasattr(x, "numpy"):
        return np.array(x.numpy())
    if hasattr(x, "data") and not callable(x.data):
        return np.asarray(x.data)
    return np.asarray(x) if hasattr(x, "__array__") else x
