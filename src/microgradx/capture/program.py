"""`Program`: a captured step as a flat list of instructions over preallocated buffers.

An `Instruction` is one NumPy call. Its operands are `View`s (a rectangle of one buffer), tables
of indices and numbers, all plain data: so a program prints, pickles and is compiled from the same
list. The planners (`scalar`, `tensor`) write instructions; nothing here knows where they came from.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from microgradx.capture.listing import listing, source
from microgradx.errors import CaptureError, ShapeError
from microgradx.primitive import PRIMITIVES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Buffer", "Instruction", "Program", "Table", "View", "contiguous"]

LINE = 64
"""Bytes in a cache line."""
LONGEST_LINE = 2000
"""Programs with more instructions run from a list: compiling them would cost more than it saves."""


class View(NamedTuple):
    """A rectangle of a buffer: what an instruction reads or writes."""

    buffer: str
    offset: int  # in elements, as are the strides
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many elements it shows."""
        return math.prod(self.shape)


def contiguous(buffer: str, offset: int, shape: tuple[int, ...]) -> View:
    """A view in C order."""
    strides = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return View(buffer, offset, shape, tuple(reversed(strides)))


class Table(NamedTuple):
    """A constant array of the program, by name: indices of a gather, a saved constant."""

    name: str


class Buffer(NamedTuple):
    """Memory that views look at."""

    name: str
    size: int
    dtype: str
    role: str  # "values", "gradients", "scratch", "parameters", ...


class Instruction(NamedTuple):
    """One NumPy call.

    `function` is the name of a NumPy function (``"add.reduce"``), of a method of the first
    operand (``".take"``), of a generator in the program's tables (``"rng0.random"``), or of a
    kernel of this package (``"kernels.where"``).
    """

    function: str
    arguments: tuple[Any, ...]  # View, Table, numbers, strings, None; in the call's order
    writes: View
    phase: str = "forward"  # "forward", "backward" or "update"
    note: str = ""  # the primitive, and at backward lines the rule
    keywords: tuple[tuple[str, Any], ...] = ()

    def redirected(self, old: View, new: View, **changes: Any) -> Instruction:
        """The same call with `new` in the place of `old`, the result included."""
        arguments = tuple([new if a is old else a for a in self.arguments])
        keywords = tuple([(k, new if a is old else a) for k, a in self.keywords])
        return self._replace(arguments=arguments, keywords=keywords, writes=new, **changes)

    @property
    def flops(self) -> int:
        """Floating-point operations; copies and gathers count none."""
        name = self.function
        shapes = [a.shape for a in self.arguments if isinstance(a, View)]
        if name in {"copyto", ".take", "take", ".fill", "putmask"}:
            return 0
        if name in {"matmul", "dot"} and len(shapes) > 1:
            inner = shapes[0][-1] if shapes[0] else 1
            return 2 * inner * self.writes.size
        if name.endswith(("reduce", "reduceat")):
            return math.prod(shapes[0])
        return self.writes.size


@dataclass
class Program:
    """A captured step: instructions over buffers.

    Calling `run` replays the instructions on the program's own memory and allocates nothing.
    Programs are made by `capture`, not by hand.

    Attributes
    ----------
    name : str
        The captured function's.
    instructions : list of Instruction
        In the order they run.
    buffers : list of Buffer
        All memory.
    inputs, state, outputs : dict
        Name -> `View` of what is copied in, kept between runs, and read afterwards.
    tables : dict
        Name -> constant array (indices) or random generator.
    names : dict
        View -> the name that listings call it.
    initial : dict
        Buffer name -> array that the buffer starts as (parameters, constants); others start at 0.
    notes : list of str
        What is not bit for bit what eager computes, and why.
    threads : int or None
        BLAS threads during a run; None leaves them alone.
    borrowed : tuple of str
        Buffers of inputs that a run reads where the caller has them, without a copy.
    """

    name: str
    instructions: list[Instruction]
    buffers: list[Buffer]
    inputs: dict[str, View]
    state: dict[str, View]
    outputs: dict[str, View]
    tables: dict[str, Any] = field(default_factory=dict)
    names: dict[View, str] = field(default_factory=dict)
    initial: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    threads: int | None = None
    borrowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._allocate()

    # ---- memory ----------------------------------------------------------------------------------
    def _allocate(self) -> None:
        self.arrays: dict[str, Any] = {}
        for buffer in self.buffers:
            start = self.initial.get(buffer.name)
            array = aligned(buffer.size, buffer.dtype)
            if start is not None:
                array[: start.size] = start.reshape(-1)
            self.arrays[buffer.name] = array
        self._bound: dict[View, Any] = {}
        self._run: Callable[..., None] | None = None

    def array(self, view: View) -> Any:
        """The live array that `view` shows; writing to it writes the program's memory."""
        bound = self._bound.get(view)
        if bound is None:
            base = self.arrays[view.buffer]
            size = base.itemsize
            bound = as_strided(
                base[view.offset :], view.shape, [step * size for step in view.strides]
            )
            self._bound[view] = bound
        return bound

    def forget(self) -> None:
        """Compile anew before the next run: instructions or tables have changed."""
        self._run = None

    def _resolve(
        self, instruction: Instruction, borrowed: tuple[str, ...] = ()
    ) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
        def value(a: Any) -> Any:
            if isinstance(a, View):
                return a if a.buffer in borrowed else self.array(a)
            return self.tables[a.name] if isinstance(a, Table) else a

        arguments: list[Any] = [value(a) for a in instruction.arguments]
        keywords = {k: value(a) for k, a in instruction.keywords}
        name = instruction.function
        if name.startswith("."):
            owner = arguments.pop(0)
            function = (
                _Method(owner, name[1:]) if isinstance(owner, View) else getattr(owner, name[1:])
            )
        else:
            function = self.function(name)
        return function, tuple(arguments), keywords

    def function(self, name: str) -> Any:
        """What an instruction calls: a NumPy function, a kernel, or a table's own."""
        head, *rest = name.split(".")
        function = self.tables[head] if head in self.tables else _module(head)
        for part in rest:
            function = getattr(function, part)
        return function

    # ---- running ---------------------------------------------------------------------------------
    @property
    def replay(self) -> Callable[..., None]:
        """Run all instructions once, on the inputs and the state that lie in the buffers.

        Takes one array for each of `borrowed`: contiguous, of the buffer's dtype.
        """
        if self._run is None:
            if len(self.instructions) > LONGEST_LINE:
                looped = _looped([self._resolve(i) for i in self.instructions])
                own = [self.arrays[name] for name in self.borrowed]
                self._run = _copying(looped, own) if own else looped
            else:
                calls = [self._resolve(i, self.borrowed) for i in self.instructions]
                self._run = _straight(calls, self.borrowed, {b.name: b.dtype for b in self.buffers})
        return self._run

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """Copy `inputs` in, replay once, and copy the outputs out.

        Parameters
        ----------
        *inputs : array_like
            One for each of `self.inputs`, of its shape.

        Returns
        -------
        tuple of ndarray
            One for each of `self.outputs`.

        Raises
        ------
        ShapeError
            If an input is missing or has another shape.
        """
        if len(inputs) != len(self.inputs):
            raise ShapeError(
                f"{self.name}.run",
                f"the program takes {len(self.inputs)} inputs ({', '.join(self.inputs)}), "
                f"not {len(inputs)}",
                "Pass one array for each",
            )
        arrays = [np.asarray(x) for x in inputs]
        for (name, view), x in zip(self.inputs.items(), arrays, strict=True):
            if x.shape != view.shape:
                raise ShapeError(
                    f"{self.name}.run",
                    f"input {name!r} has shape {x.shape}, and the program was captured for "
                    f"{view.shape}",
                    "Capture the step again for this shape",
                )
        lent = []
        for view, x in zip(self.inputs.values(), arrays, strict=True):
            if view.buffer in self.borrowed:
                lent.append(self.lend(view, x))
            else:
                np.copyto(self.array(view), x, casting="same_kind")
        with np.errstate(all="ignore"):
            self.replay(*lent)
        return tuple([self.array(view).copy() for view in self.outputs.values()])

    def lend(self, view: View, x: Any) -> Any:
        """`x` as a run may read it: itself if its memory is in order, otherwise our copy."""
        own = self.arrays[view.buffer]
        if x.dtype == own.dtype and x.flags.c_contiguous and x.flags.aligned:
            return x
        array = self.array(view)
        np.copyto(array, x, casting="same_kind")
        return array

    # ---- facts -----------------------------------------------------------------------------------
    @property
    def memory(self) -> dict[str, int]:
        """Bytes by role, and their ``"total"``."""
        found: Counter[str] = Counter()
        for buffer in self.buffers:
            found[buffer.role] += self.arrays[buffer.name].nbytes
        found["tables"] += sum(t.nbytes for t in self.tables.values() if isinstance(t, np.ndarray))
        return {**found, "total": sum(found.values())}

    @property
    def flops(self) -> dict[str, int]:
        """Floating-point operations of one run by phase, and their ``"total"``."""
        found: Counter[str] = Counter()
        for instruction in self.instructions:
            found[instruction.phase] += instruction.flops
        return {**found, "total": sum(found.values())}

    def source(self) -> str:
        """The program as Python text that needs only NumPy.

        Returns
        -------
        str
            Defines ``build(state)``, which allocates the buffers and returns the step, a
            straight-line function of the inputs. ``state`` is a dict as `initial_state` gives it.
        """
        return source(self)

    def initial_state(self) -> dict[str, Any]:
        """Copies of the arrays that are kept between runs, as they are now: for ``build``."""
        return {name: self.array(view).copy() for name, view in self.state.items()}

    def __repr__(self) -> str:
        return listing(self)

    # ---- pickling --------------------------------------------------------------------------------
    def __getstate__(self) -> dict[str, Any]:
        kept = {k: v for k, v in self.__dict__.items() if k not in {"arrays", "_bound", "_run"}}
        # Everything that survives a run lies in the buffers `initial` names or in the state.
        kept["contents"] = {
            b.name: self.arrays[b.name] for b in self.buffers if b.role != "scratch"
        }
        return kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        contents = state.pop("contents")
        self.__dict__.update(state)
        self._allocate()
        for name, array in contents.items():
            self.arrays[name][...] = array


def _module(name: str) -> Any:
    if name == "kernels":
        from microgradx.capture import kernels  # noqa: PLC0415 - only programs with such kernels need it

        return kernels
    if name == "primitives":
        return _Primitives()
    found = getattr(np, name, None)
    if found is None:
        raise CaptureError("Program", f"NumPy has no function {name!r}", "Report this as a bug")
    return found


class _Primitives:
    """The array kernels of the table, by name."""

    def __getattr__(self, name: str) -> Any:
        return PRIMITIVES[name].array


def _looped(calls: Sequence[tuple[Any, tuple[Any, ...], Mapping[str, Any]]]) -> Callable[[], None]:
    def replay() -> None:
        for function, arguments, keywords in calls:
            function(*arguments, **keywords)

    return replay


def _copying(replay: Callable[[], None], own: Sequence[Any]) -> Callable[..., None]:
    def copying(*lent: Any) -> None:
        for array, x in zip(own, lent, strict=True):
            np.copyto(array, x.reshape(-1))
        replay()

    return copying


class _Method(NamedTuple):
    """A method of a borrowed array, which is known only at the call."""

    view: View
    name: str


def _straight(
    calls: Sequence[tuple[Any, tuple[Any, ...], dict[str, Any]]],
    borrowed: Sequence[str] = (),
    dtypes: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """One function with every object a local: 10-15 % faster than a loop on small arrays."""
    names: dict[Any, str] = {}
    values: dict[str, Any] = {}
    lines: list[str] = []
    fresh = itertools.count()

    def local(value: Any) -> str:
        if isinstance(value, _Method):
            return f"{local(value.view)}.{value.name}"
        key: Any = value if isinstance(value, View) else id(value)
        if key not in names:
            names[key] = f"v{next(fresh)}"
            if isinstance(value, View):
                lines.append(
                    f"  {names[key]} = {_lent(value, borrowed, (dtypes or {})[value.buffer])}"
                )
            else:
                values[names[key]] = value
        return names[key]

    # Bound methods are made anew by each getattr, so `calls` keeps all of them alive meanwhile.
    for function, arguments, keywords in calls:
        given = [local(a) for a in arguments] + [f"{k}={local(a)}" for k, a in keywords.items()]
        lines.append(f"  {local(function)}({', '.join(given)})")
    parameters = [f"lent{k}" for k in range(len(borrowed))]
    parameters += [f"{name}={name}" for name in ("ndarray", *values)]
    text = f"def replay({', '.join(parameters)}):\n" + ("\n".join(lines) or "  pass")
    namespace = {"ndarray": np.ndarray, **values}
    exec(text, namespace)  # noqa: S102 - our own text
    return namespace["replay"]  # type: ignore[no-any-return]


def _lent(view: View, borrowed: Sequence[str], dtype: str) -> str:
    """Text that makes a view of a borrowed array."""
    name = f"lent{list(borrowed).index(view.buffer)}"
    item = np.dtype(dtype).itemsize
    strides = tuple([s * item for s in view.strides])
    return f"ndarray({view.shape}, {dtype!r}, {name}, {view.offset * item}, {strides})"


def aligned(size: int, dtype: Any) -> Any:
    """Zeros that begin at a cache line: vector instructions never straddle two."""
    item = np.dtype(dtype).itemsize
    raw = np.zeros(size * item + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size * item].view(dtype)
