"""`capture`: a step that is traced at its first call and replayed from then on."""

from __future__ import annotations

import contextlib
import functools
import gc
import inspect
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from microgradx import modes
from microgradx.capture.arguments import Argument, flatten, stand_ins, structure_of
from microgradx.capture.pending import Link
from microgradx.capture.scalar_replay import ScalarReplay
from microgradx.capture.surroundings import Surroundings, is_model
from microgradx.capture.trace import Backward, Trace
from microgradx.errors import CaptureError, UnsupportedError
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from microgradx.capture.program import Program

__all__ = ["Captured", "capture"]

P = ParamSpec("P")
T = TypeVar("T")


class Captured(Generic[P, T]):
    """A step that replays; see `capture`.

    Attributes
    ----------
    programs : list of Program
        One for each signature in the cache, the latest last.
    """

    def __init__(
        self,
        step: Callable[P, T],
        *,
        values: bool | None = None,
        check: bool = False,
        cache: int = 16,
        threads: int | None = None,
        tune: bool = True,
        fast: bool = False,
        products: bool = True,
        vectorize: bool | None = None,
    ) -> None:
        functools.update_wrapper(self, step)
        self._step = step
        self._values, self._check, self._threads, self._products = values, check, threads, products
        self._tune, self._fast = tune, fast
        self._vectorize = vectorize
        self._cache = cache
        self._plans: OrderedDict[Any, tuple[Any, Callable[[Iterator[Any]], Any]]] = OrderedDict()
        self._names: dict[tuple[Any, ...], list[str]] = {}
        self._link = Link()
        self._surroundings = Surroundings(step)
        try:
            self._parameters: list[str] | None = list(inspect.signature(step).parameters)
        except (TypeError, ValueError):
            self._parameters = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Replay the step, capturing it first where no program fits the arguments."""
        mode = modes.current()
        if mode is not None and mode.tape is not None:
            return self._step(*args, **kwargs)  # a captured step inside another is part of it
        names = self._names.get((len(args), *kwargs)) or self._name(len(args), kwargs)
        signature, leaves = flatten(names, [*args, *kwargs.values()] if kwargs else args)
        seen = self._surroundings.read()
        key: Any = (signature, tuple(kwargs), seen)
        found = self._plans.get(key)
        while found is not None and not found[0].fits():
            key = (key, "another")
            found = self._plans.get(key)
        if found is None:
            found = self._capture(seen, signature, leaves, len(args), kwargs)
        replay, rebuild = found
        if self._check:
            replay.check(self._step, signature, leaves, kwargs, len(args))
        results: list[Any] = replay(leaves)
        return rebuild(iter(results))  # type: ignore[no-any-return]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _name(self, positional: int, kwargs: dict[str, Any]) -> list[str]:
        """The parameters' names for calls of this form."""
        known = self._parameters or []
        given = [known[i] if i < len(known) else f"input{i}" for i in range(positional)]
        names = self._names[(positional, *kwargs)] = [*given, *kwargs]
        return names

    def _capture(
        self, seen: Any, signature: Any, leaves: list[Any], positional: int, kwargs: dict[str, Any]
    ) -> tuple[Any, Callable[[Iterator[Any]], Any]]:
        # A trace is a great many live objects at once, and no garbage: looking for some among
        # them would double the time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            if self._values is not None or not any(isinstance(x, np.ndarray) for x in leaves):
                return self._capture_now(seen, signature, leaves, positional, kwargs)
            try:
                return self._capture_now(seen, signature, leaves, positional, kwargs)
            except (CaptureError, UnsupportedError) as refused:
                # Loops over the elements of an array are how code over Values begins.
                self._values = True
                try:
                    return self._capture_now(seen, signature, leaves, positional, kwargs)
                except Exception:  # noqa: BLE001 - the first refusal tells more
                    self._values = None
                    raise refused from None
        finally:
            if collecting:
                gc.enable()

    def _capture_now(
        self, seen: Any, signature: Any, leaves: list[Any], positional: int, kwargs: dict[str, Any]
    ) -> tuple[Any, Callable[[Iterator[Any]], Any]]:
        trace = Trace(self._surroundings.dice)
        with trace:
            built, arguments = stand_ins(signature, leaves, trace, values=bool(self._values))
            named = dict(zip(kwargs, built[positional:], strict=True))
            result = self._step(*built[:positional], **named)
            outputs, rebuild = structure_of(result)
        plan = self._plan(trace, arguments, outputs)
        key: Any = (signature, tuple(kwargs), self._surroundings.settle(seen))
        while key in self._plans:
            key = (key, "another")
        self._plans[key] = plan, rebuild
        while len(self._plans) > self._cache:
            self._plans.popitem(last=False)
        return self._plans[key]

    def _plan(self, trace: Trace, arguments: list[Argument], outputs: list[Any]) -> Any:
        name = getattr(self._step, "__name__", "step")
        nodes = [n for a in arguments for n in a.nodes] + outputs
        nodes += [e.root if isinstance(e, Backward) else e.node for e in trace.events]
        if not nodes:
            raise CaptureError(
                "capture",
                f"{name} neither takes nor returns nor updates a Value or a Tensor",
                "Return what it computes",
            )
        if any(isinstance(node, Tensor) for node in nodes):
            from microgradx.capture.tensor import TensorReplay  # noqa: PLC0415 - scalars need none of it

            return TensorReplay(
                trace, arguments, outputs, name,
                threads=self._threads, tune=self._tune, fast=self._fast, titles=_titles(self._step),
            )  # fmt: skip
        return ScalarReplay(
            trace, arguments, outputs, name, self._link,
            products=self._products, vectorize=self._vectorize, threads=self._threads,
        )  # fmt: skip

    @property
    def programs(self) -> list[Program]:
        """The programs in the cache, the latest last."""
        return [plan.program for plan, _ in self._plans.values()]

    @property
    def program(self) -> Program:
        """The latest program.

        Raises
        ------
        CaptureError
            Before the first call.
        """
        if not self._plans:
            raise CaptureError(
                "capture", "nothing has been captured yet", "Call the step once first"
            )
        return self.programs[-1]


def _titles(step: Callable[..., Any]) -> dict[int, str]:
    """What the models that a step uses call their parameters, and it its own Tensors."""
    function = inspect.unwrap(step)
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    named = {n: function.__globals__.get(n) for n in code.co_names}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not assigned yet
            named[name] = cell.cell_contents
    found: dict[int, str] = {}
    for name, x in named.items():
        if isinstance(x, Tensor):
            found[id(x)] = name
        elif is_model(x) and hasattr(x, "named_parameters"):
            found.update({id(p): f"{name}_{own}" for own, p in x.named_parameters()})
    return found


@overload
def capture(step: Callable[P, T], /) -> Captured[P, T]: ...
@overload
def capture(
    step: Callable[P, T],
    /,
    *,
    values: bool | None = ...,
    check: bool = ...,
    cache: int = ...,
    threads: int | None = ...,
    tune: bool = ...,
    fast: bool = ...,
    products: bool = ...,
    vectorize: bool | None = ...,
) -> Captured[P, T]: ...
@overload
def capture(
    *,
    values: bool | None = ...,
    check: bool = ...,
    cache: int = ...,
    threads: int | None = ...,
    tune: bool = ...,
    fast: bool = ...,
    products: bool = ...,
    vectorize: bool | None = ...,
) -> Callable[[Callable[P, T]], Captured[P, T]]: ...


def capture(step: Any = None, /, **options: Any) -> Any:
    """Run a step once, and replay it as NumPy calls from then on.

    Parameters
    ----------
    step : callable
        A Python function of Values, Tensors, numbers and arrays: the forward pass, ``backward()``
        and the update of parameters, all or any of them.
    **options : object
        Those that follow, by name.
    values : bool, optional
        Whether array arguments arrive as nested lists of Values instead of Tensors; by default
        as Tensors, unless the step turns out to be one over Values.
    check : bool, optional
        Run the step eagerly beside every replay, and raise at the first instruction that differs.
    cache : int, optional
        How many signatures (structure, shapes, dtypes, flags of the arguments) to keep programs
        for.
    threads : int, optional
        BLAS threads during a replay; by default 1 for small steps.
    tune : bool, optional
        Time ways of cutting matrix products of Tensors when the step is captured, and keep the
        fastest. Which one wins may differ from run to run, and with it the last bits of the
        products; False gives the bits of eager code.
    fast : bool, optional
        Compile an optimiser's update to one loop with numba (extra ``fast``), which takes about a
        second when the step is captured.
    products : bool, optional
        Recognise matrix products among Values; False keeps the step's own order of summation.
    vectorize : bool, optional
        Gather Values into NumPy calls (True), or write the step as plain Python floats (False),
        which is faster where few numbers can be computed at the same time; by default whichever
        suits the step.

    Returns
    -------
    Captured
        Called like `step`. Its ``program`` is the latest `Program`.

    Raises
    ------
    CaptureError
        If the step asks for the truth or the Python value of something that varies, or uses a
        result computed before it.

    Examples
    --------
    >>> import microgradx as mg
    >>> w = mg.Value(0.0)
    >>> @mg.capture
    ... def step(x, y):
    ...     loss = (w * x - y) ** 2
    ...     w.grad = 0.0
    ...     loss.backward()
    ...     w.data -= 0.1 * w.grad
    ...     return loss.data
    >>> [round(step(1.0, 2.0), 3) for _ in range(3)]
    [4.0, 2.56, 1.638]
    >>> round(w.data, 3)
    0.976
    """
    if step is None:
        return lambda function: Captured(function, **options)
    return Captured(step, **options)
