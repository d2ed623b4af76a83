"""What a step sees besides its arguments, watched so that a change captures it anew.

Names of globals and closures, also of the functions it calls: what they are bound to, and the
numbers, texts and flags one level inside dictionaries, lists, objects, classes and models. Looking
costs a fraction of a microsecond a name before every replay. Not seen are values deeper inside,
files, clocks and iterators.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import random
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.graph import Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType

__all__ = ["Surroundings"]

PLAIN = (float, int, str, bytes, bool, tuple, frozenset, type(None))
MANY = 64
"""Containers with more entries are data, not settings; only their identity counts."""
CALLABLE = (MethodType, functools.partial)
GENERATORS = (np.random.Generator, random.Random)
FOREIGN = ("microgradx", "numpy", "builtins", "random", "math", "functools", "itertools")


class Surroundings:
    """Reads everything that a step sees, as a key; see the module.

    Parameters
    ----------
    step : callable
        The step.
    """

    def __init__(self, step: Callable[..., Any]) -> None:
        self._step = step
        self._looks: dict[Any, Callable[[], Any]] = {}
        self._own: set[Any] = set()  # keys of looks at what the step itself changes
        self._models: dict[int, _Model] = {}
        self._generators: dict[int, Any] = {}
        self._seen: set[int] = set()
        self._look_around()

    def read(self) -> tuple[Any, ...]:
        """What the step would see now; equal keys mean the same."""
        return tuple([look() for look in self._looks.values()])

    def settle(self, before: tuple[Any, ...]) -> tuple[Any, ...]:
        """After a trace: the key from now on.

        What the step itself has changed since `before` says nothing, and what names have been
        bound to in the meantime is looked into.
        """
        for (key, look), old, new in zip(self._looks.items(), before, self.read(), strict=True):
            if old != new and not (isinstance(look, _Model) and look.forget_own()):
                self._own.add(key)
        self._look_around()
        return self.read()

    def dice(self) -> list[Any]:
        """Where the random generators stand that the step can reach by name."""
        return [
            g.getstate() if isinstance(g, random.Random) else str(g.bit_generator.state)
            for g in self._generators.values()
        ]

    # ---- what is reached ----
    def _look_around(self) -> None:
        self._looks, self._generators, self._seen = {}, {}, set()
        if hasattr(self._step, "__code__") or isinstance(self._step, CALLABLE):
            self._function(self._step)
        else:  # a model, or another object that can be called
            self._inside(self._step)

    def _add(self, key: Any, look: Callable[[], Any]) -> None:
        if key not in self._own:
            self._looks[key] = look

    def _function(self, function: Any) -> None:
        while isinstance(function, functools.partial):
            for x in (*function.args, *function.keywords.values()):
                self._inside(x)
            function = function.func
        owner = getattr(function, "__self__", None)
        if not isinstance(owner, ModuleType):
            self._inside(owner)
        function = inspect.unwrap(function)
        code: CodeType | None = getattr(function, "__code__", None)
        if code is None or id(function) in self._seen:
            return
        self._seen.add(id(function))
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # not assigned yet
                read = functools.partial(getattr, cell, "cell_contents")
                self._bound(id(cell), read, cell.cell_contents)
        scope = function.__globals__
        codes = [code]
        for inner in codes:
            codes.extend(c for c in inner.co_consts if isinstance(c, type(code)))
            for name in inner.co_names:
                if name in scope:
                    self._bound((id(scope), name), functools.partial(scope.get, name), scope[name])

    def _bound(self, key: Any, read: Callable[[], Any], x: Any) -> None:
        """A name, and what it is bound to now."""
        if isinstance(x, ModuleType):
            return
        self._add(key, _Binding(read))
        self._inside(x)

    def _inside(self, x: Any) -> None:
        if is_plain(x) or id(x) in self._seen or isinstance(x, (Node, np.ndarray)):
            return
        if isinstance(x, (FunctionType, *CALLABLE)):
            if not _foreign(x):
                self._function(x)
            return
        self._seen.add(id(x))
        if isinstance(x, GENERATORS):
            self._generators[id(x)] = x
        elif is_model(x):
            look = self._models.setdefault(id(x), _Model(x))  # which keeps it alive
            self._add(("model", id(x)), look)
            for model in _models(x):
                self._find_generators(vars(model).values())
                if not _foreign(type(model)):
                    self._function(type(model).forward)
        elif isinstance(x, (dict, list)) or (hasattr(x, "__dict__") and not _foreign(x)):
            self._add(("entries", _Same(x)), functools.partial(_entries, x))
            self._find_generators(held for _, held in _items(x))

    def _find_generators(self, values: Iterable[Any]) -> None:
        self._generators.update((id(x), x) for x in values if isinstance(x, GENERATORS))


class _Binding:
    """What a name is bound to: a number by its value, anything else by its identity."""

    __slots__ = ("_last", "_read")

    def __init__(self, read: Callable[[], Any]) -> None:
        self._read = read
        self._last: Any = _Same(None)

    def __call__(self) -> Any:
        try:
            x = self._read()
        except ValueError:  # a cell that was emptied
            x = None
        if x is self._last.x:
            return self._last
        if is_plain(x):
            return x.__class__, x
        self._last = _Same(x)
        return self._last


class _Same:
    """An object that equals only itself; it stays alive, so that its id is not given away."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.x is self.x

    def __hash__(self) -> int:
        return id(self.x)


class _Model:
    """The settings of a model and its parts, looked at where some model's have changed."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._at = -1
        self._own: set[tuple[int, str]] = set()
        self._found: dict[tuple[int, str], Any] = {}
        self._before: dict[tuple[int, str], Any] = {}
        self._known: dict[Any, tuple[int, Any]] = {}  # with the objects, whose ids are in the key
        self._version = 0

    def __call__(self) -> int:
        if modes.changes() != self._at:
            self._at = modes.changes()
            held: dict[tuple[int, str], Any] = {}
            for m in _models(self._model):
                held[id(m), "training"] = m.training  # a class's until somebody sets it
                held.update(((id(m), name), value) for name, value in vars(m).items())
            for key in [k for k in held if k in self._own or k[1][:1] == "_"]:
                del held[key]
            self._before = self._found
            self._found = {k: v if is_plain(v) else id(v) for k, v in held.items()}
            found = tuple(self._found.items())
            self._version, _ = self._known.setdefault(found, (len(self._known), held))
        return self._version

    def forget_own(self) -> bool:
        """Leave out what has changed between the last two looks."""
        before, now = self._before, self._found
        self._own |= {k for k in before.keys() | now.keys() if before.get(k) != now.get(k)}
        self._at = -1
        return True


def is_plain(x: Any) -> bool:
    """Whether `x` is a number, a text or the like, also inside tuples."""
    return isinstance(x, PLAIN) and (not isinstance(x, tuple) or all(is_plain(y) for y in x))


def is_model(x: Any) -> bool:
    """Whether `x` is a model, which may behave differently in training and in use."""
    return isinstance(getattr(x, "training", None), bool) and not isinstance(x, type)


def _models(x: Any) -> Iterator[Any]:
    found = getattr(x, "modules", None)
    return iter([x]) if found is None else iter(found())


def _foreign(x: Any) -> bool:
    """Whether it comes from a library, and so has no settings of the user's."""
    while isinstance(x, functools.partial):
        x = x.func
    owner = getattr(x, "__module__", None) or type(x).__module__
    return owner.split(".")[0] in FOREIGN


def _items(x: Any) -> list[tuple[Any, Any]]:
    if isinstance(x, list):
        return list(enumerate(x)) if len(x) <= MANY else []
    entries = x if isinstance(x, dict) else vars(x)
    return list(entries.items()) if len(entries) <= MANY else []


def _entries(x: Any) -> tuple[Any, ...]:
    """The plain values one level inside."""
    return tuple([(k, v) for k, v in _items(x) if is_plain(v)])
