"""`Rows`: a step of Tensors as single-assignment NumPy calls, before memory is given out.

A `Row` is one array of the step: a leaf, the result of one NumPy call, or a view of another row.
Building a row looks for an equal one first, so common subexpressions are computed once, and folds
calls of constants. Each row has a *shadow*, an array that is never filled: NumPy itself works out
shapes, dtypes and strides on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OUT", "Row", "Rows", "laid", "lies_across", "numbers", "part"]


class _Out:
    def __repr__(self) -> str:
        return "out"


OUT = _Out()
"""Stands for the array a call writes, among its arguments."""


class Row:
    """One array of a step.

    Attributes
    ----------
    kind : str
        "call", "view", "input", "state", "constant", "draw" or "join".
    function : str
        The NumPy function of a call, as in `program.Instruction`.
    args : tuple
        Rows, literals and `OUT`.
    keywords : tuple of (str, object)
        Further arguments; rows among them.
    shadow : ndarray
        Has the shape, dtype and strides of the row; its numbers mean nothing.
    base : Row
        The row whose memory this one lies in; itself unless it is a view.
    value : ndarray or None
        The numbers of a constant.
    """

    __slots__ = (
        "args", "base", "function", "keywords", "kind", "name", "note", "owner", "phase",
        "shadow", "value", "weak",
    )  # fmt: skip

    def __init__(
        self, kind: str, shadow: Any, function: str = "", args: tuple[Any, ...] = ()
    ) -> None:
        self.kind, self.shadow, self.function, self.args = kind, shadow, function, args
        self.keywords: tuple[tuple[str, Any], ...] = ()
        self.base: Row = self
        self.value: Any = None
        self.owner: Any = None  # whose data a state row is
        self.name: str | None = None
        self.note = ""
        self.phase = "forward"
        self.weak = False  # a Value's number: it takes the dtype of what it meets

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self.shadow.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self.shadow.dtype  # type: ignore[no-any-return]

    @property
    def offset(self) -> int:
        """Where a view begins in its base, in elements."""
        start = (
            self.shadow.__array_interface__["data"][0]
            - self.base.shadow.__array_interface__["data"][0]
        )
        return int(start) // self.dtype.itemsize if self.shadow.size else 0

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides in elements."""
        return tuple([s // self.dtype.itemsize for s in self.shadow.strides])

    @property
    def whole(self) -> bool:
        """Whether it is no view."""
        return self.base is self

    def inputs(self) -> list[Row]:
        """The rows it reads."""
        found = [a for a in self.args if isinstance(a, Row)]
        return found + [a for _, a in self.keywords if isinstance(a, Row)]

    def __repr__(self) -> str:
        return f"<row {self.kind} {self.function} {self.shape} {self.dtype}>"


class Rows:
    """Builds rows, each distinct one once."""

    def __init__(self) -> None:
        self.phase = "forward"
        self.found: dict[Any, Row] = {}
        self.calls: list[Row] = []

    # ---- leaves ----
    def leaf(self, kind: str, like: Any, name: str | None = None) -> Row:
        """Memory that is filled from outside."""
        row = Row(kind, np.empty(like.shape, like.dtype))
        row.name = name
        row.phase = self.phase
        return row

    def constant(self, value: Any) -> Row:
        """Numbers that never change."""
        array = np.asarray(value)
        key = ("constant", array.dtype.str, array.shape, array.tobytes())
        row = self.found.get(key)
        if row is None:
            row = self.found[key] = Row("constant", np.empty(array.shape, array.dtype))
            row.value = np.array(array)
        return row

    def state_part(self, whole: Row, start: int, shape: tuple[int, ...]) -> Row:
        """A piece of a flat row, in some shape."""
        size = int(np.prod(shape))
        return self.view(whole, whole.shadow[start : start + size].reshape(shape))

    # ---- results ----
    def call(
        self, function: str, *args: Any, shape: tuple[int, ...], dtype: Any, note: str = "",
        fold: Callable[..., Any] | None = None, like: Any = None,
        keywords: dict[str, Any] | None = None,
    ) -> Row:  # fmt: skip
        """The result of one call; `OUT` goes last unless it is among `args`.

        Memory is in C order, or in the order of the array `like`.
        """
        keywords = keywords or {}
        if not any(a is OUT for a in args) and not any(a is OUT for a in keywords.values()):
            args = (*args, OUT)
        dtype = np.dtype(dtype)
        key = ("call", function, _keys(args), _keys(tuple(keywords.items())), shape, dtype.str)
        row = self.found.get(key)
        if row is not None:
            return row
        shadow = np.empty(shape, dtype) if like is None else np.empty_like(like, dtype)
        row = Row("call", shadow, function, args)
        row.keywords = tuple(keywords.items())
        row.note, row.phase = note, self.phase
        rows = row.inputs()
        if fold is not None and rows and all(r.base.kind == "constant" for r in rows):
            return self._folded(row, fold)
        self.found[key] = row
        self.calls.append(row)
        return row

    def _folded(self, row: Row, fold: Callable[..., Any]) -> Row:
        args = [numbers(a) if isinstance(a, Row) else a for a in row.args if a is not OUT]
        keywords = {k: numbers(a) if isinstance(a, Row) else a for k, a in row.keywords}
        with np.errstate(all="ignore"):
            value = np.asarray(fold(*args, **keywords))
        return self.constant(np.broadcast_to(value.astype(row.dtype, copy=False), row.shape))

    def draw(
        self, generator: Any, method: str, shape: tuple[int, ...], keywords: dict[str, Any]
    ) -> Row:
        """Random numbers, drawn again on every run; never shared."""
        row = Row("draw", np.empty(shape, np.float64), method)
        row.value, row.keywords = generator, tuple(keywords.items())
        row.phase = self.phase
        self.calls.append(row)
        return row

    def join(
        self, pieces: list[tuple[Row, Any]], shape: tuple[int, ...], dtype: Any, note: str = ""
    ) -> Row:
        """An array put together from pieces; each goes where the paired index says."""
        row = Row("join", np.empty(shape, dtype), "copyto", tuple([piece for piece, _ in pieces]))
        row.value = [index for _, index in pieces]
        row.note, row.phase = note, self.phase
        self.calls.append(row)
        return row

    # ---- views ----
    def view(self, row: Row, shadow: Any) -> Row:
        """The part of `row` that `shadow`, made from its shadow, shows."""
        if row.base.kind == "constant":
            return self._constant_view(row, shadow)
        start = shadow.__array_interface__["data"][0]
        key = ("view", id(row.base), start if shadow.size else 0, shadow.shape, shadow.strides)
        if (
            row.base.shadow.shape == shadow.shape
            and row.base.shadow.strides == shadow.strides
            and (row.base.shadow.__array_interface__["data"][0] == start)
        ):
            return row.base
        found = self.found.get(key)
        if found is None:
            found = self.found[key] = Row("view", shadow)
            found.base, found.phase = row.base, row.phase
        return found

    def _constant_view(self, row: Row, shadow: Any) -> Row:
        found = Row("view", shadow)
        found.base = row.base
        key = ("view", id(row.base), found.offset, shadow.shape, shadow.strides)
        return self.found.setdefault(key, found)

    def look(self, row: Row, function: Callable[[Any], Any], note: str = "") -> Row:
        """What a view function makes of `row`; a copy first where no view exists."""
        shadow = function(row.shadow)
        if shadow.size == 0 or np.may_share_memory(shadow, row.base.shadow):
            return self.view(row, shadow)
        copy = self.copy(row, note)
        return self.view(copy, function(copy.shadow))

    def copy(self, row: Row, note: str = "copy") -> Row:
        """The same numbers in contiguous memory."""
        return self.call("copyto", OUT, row, shape=row.shape, dtype=row.dtype, note=note)


def part(array: Any, index: Any) -> Any:
    """``array[index]`` as a view, also where NumPy would answer with a number."""
    parts = index if isinstance(index, tuple) else (index,)
    whole = parts if any(p is Ellipsis for p in parts) else (*parts, Ellipsis)
    return array[whole]


def numbers(row: Row) -> Any:
    """The numbers of a constant, or of a view of one."""
    if row.base is row:
        return row.value
    return np.lib.stride_tricks.as_strided(
        row.base.value.reshape(-1)[row.offset :], row.shape, row.shadow.strides
    )


def _keys(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple([_key(a) for a in args])


def _key(a: Any) -> Any:
    if isinstance(a, Row):
        return "row", id(a)
    if isinstance(a, tuple):
        return _keys(a)
    return type(a).__name__, repr(a)


def lies_across(array: Any) -> bool:
    """Whether an array lies column by column in memory, as the weights of `nn.Linear` do."""
    return bool(array.flags.f_contiguous and not array.flags.c_contiguous)


def laid(flat: Any, like: Any) -> Any:
    """A flat array in the shape of `like`, and in its order of memory."""
    return flat.reshape(like.shape[::-1]).T if lies_across(like) else flat.reshape(like.shape)
