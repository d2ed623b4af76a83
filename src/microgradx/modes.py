"""What operations consult before they record: one context variable holding one `Mode`.

Usually the variable holds ``None`` and every operation takes its fast path. Anything unusual
(`no_grad`, anomaly detection, source lines, capture, ...) installs a `Mode`, and operations take
the slow path, where all of those live. A context variable belongs to its thread and its asyncio
task, so switching gradients off in one never leaks into another.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Mode",
    "changes",
    "current",
    "detect_mutation",
    "enable_grad",
    "ieee_zeros",
    "is_grad_enabled",
    "no_grad",
    "note_change",
    "switch",
]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mode:
    """How operations behave in the current context; the defaults are the usual behaviour."""

    record: bool = True  # build the graph of tracked inputs
    ieee_zeros: bool = False  # let 0 * inf be nan in the backward pass
    copy_saved: bool = False  # keep private copies of all that a rule will read
    watcher: Any = None  # called with each new node (anomaly detection, source lines)
    tape: Any = None  # a capture in progress: records untracked results too


USUAL = Mode()
_MODE: ContextVar[Mode | None] = ContextVar("microgradx_mode", default=None)

current: Callable[[], Mode | None] = _MODE.get
"""The `Mode` of this context, or None for the usual one."""


_changes = [0]


def changes() -> int:
    """How often an attribute of any model has been set; captured steps look again when it grows."""
    return _changes[0]


def note_change() -> None:
    """An attribute of a model has been set."""
    _changes[0] += 1


class switch:  # noqa: N801 - used like a function, as contextlib's managers are
    """Change some fields of the `Mode` for a block, or for a function as a decorator.

    Parameters
    ----------
    **fields : object
        Fields of `Mode` and their values inside the block.

    Examples
    --------
    >>> with switch(record=False):
    ...     current().record
    False
    >>> current() is None
    True
    """

    def __init__(self, **fields: Any) -> None:
        self._fields = fields
        self._tokens: list[Token[Mode | None]] = []

    def __enter__(self) -> None:
        mode = replace(_MODE.get() or USUAL, **self._fields)
        self._tokens.append(_MODE.set(None if mode == USUAL else mode))

    def __exit__(self, *exc: object) -> None:
        _MODE.reset(self._tokens.pop())

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """Decorate `function`: each call of it runs inside the block."""
        fields = self._fields

        @functools.wraps(function)
        def switched(*args: P.args, **kwargs: P.kwargs) -> T:
            with switch(**fields):
                return function(*args, **kwargs)

        return switched


def no_grad() -> switch:
    """Record no graph inside the block: results are constants, at NumPy's speed.

    Works as ``with no_grad():`` and as the decorator ``@no_grad()``. It belongs to the current
    thread and asyncio task only.

    Returns
    -------
    switch
        A re-usable context manager and decorator.

    Examples
    --------
    >>> from microgradx import Value
    >>> a = Value(3.0)
    >>> with no_grad():
    ...     b = a * 2
    >>> b.is_leaf
    True
    """
    return switch(record=False)


def enable_grad() -> switch:
    """Record again inside a `no_grad` block.

    Returns
    -------
    switch
        A re-usable context manager and decorator.
    """
    return switch(record=True)


def is_grad_enabled() -> bool:
    """Tell whether operations on tracked inputs are recorded just now.

    Returns
    -------
    bool
        False inside `no_grad`.

    Examples
    --------
    >>> is_grad_enabled()
    True
    """
    mode = _MODE.get()
    return mode is None or mode.record


def ieee_zeros() -> switch:
    """Let ``0 * inf`` be nan in backward passes inside the block, as IEEE 754 has it.

    Outside, a cotangent that is exactly 0 stays 0 through primitives with singularities, so that
    ``where(x > 0, log(x), 0)`` has finite gradients everywhere.

    Returns
    -------
    switch
        A re-usable context manager and decorator.
    """
    return switch(ieee_zeros=True)


def detect_mutation() -> switch:
    """Keep a private copy of everything a backward rule will read, inside the block.

    The usual guard shares arrays that nobody else can write, copies small foreign arrays and
    fingerprints large ones; a permutation of a large foreign array may escape a fingerprint.
    Under this mode nothing can.

    Returns
    -------
    switch
        A re-usable context manager and decorator.
    """
    return switch(copy_saved=True)
