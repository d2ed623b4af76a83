"""How a `Program` reads: as a listing for the eye, and as Python text that runs on NumPy alone."""

from __future__ import annotations

import bisect
import inspect
import keyword
import math
import re
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.transcription import transcribe

if TYPE_CHECKING:
    from microgradx.capture.program import Instruction, Program, View

__all__ = ["listing", "source"]

WIDTH = 96


class Namer:
    """Gives each view, buffer and table of a program one Python identifier."""

    def __init__(self, program: Program) -> None:
        self.given = program.names
        self.taken = (
            {b.name for b in program.buffers} | set(program.tables) | {"np", "build", "state"}
        )
        self.found: dict[View, str] = {}
        self.regions: list[tuple[str, int, int, View]] = []

    def __call__(self, view: View) -> str:
        name = self.found.get(view)
        if name is None:
            name = self.found[view] = self.unique(self.given.get(view) or self._part(view))
        return name

    def _part(self, view: View) -> str:
        """A name for part of something that has one, or the same in another shape."""
        if not self.regions:
            self.regions = sorted(
                (v.buffer, v.offset, v.offset + v.size, v)
                for v in self.given
                if v.buffer not in {"w", "mask"}
            )
        key = (view.buffer, view.offset, sys.maxsize, view)
        k = bisect.bisect_right(self.regions, key) - 1
        if k < 0 or self.regions[k][0] != view.buffer or self.regions[k][2] <= view.offset:
            return "t"
        shape = "x".join([str(n) for n in view.shape])
        whole = self(self.regions[k][3])
        return f"{whole}_{shape}" if shape else whole

    def unique(self, wish: str) -> str:
        """A free identifier as close to `wish` as may be."""
        stem = re.sub(r"\W+", "_", wish).strip("_") or "t"
        if stem[0].isdigit() or keyword.iskeyword(stem):
            stem = f"_{stem}"
        name, count = stem, 1
        while name in self.taken:
            count += 1
            name = f"{stem}_{count}"
        self.taken.add(name)
        return name


def place(view: View) -> str:
    """Where a view lies: ``v[10:42]``, with shape and strides where it is not a plain slice."""
    last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True)) + 1
    if not view.shape:
        return f"{view.buffer}[{view.offset}]"
    return f"{view.buffer}[{view.offset}:{last}]"


def expression(view: View) -> str:
    """Python that makes a view."""
    size, step = view.size, 1
    plain = True
    for n, s in zip(reversed(view.shape), reversed(view.strides), strict=True):
        plain = plain and (n == 1 or s == step)
        step *= n
    if plain:
        flat = f"{view.buffer}[{view.offset}:{view.offset + size}]"
        return flat if len(view.shape) == 1 else f"{flat}.reshape({view.shape})"
    if len(view.shape) == 2 and view.strides == (1, view.shape[0]):
        whole = f"{view.buffer}[{view.offset}:{view.offset + view.size}]"
        return f"{whole}.reshape({view.shape[::-1]}).T"
    return f"window({view.buffer}, {view.offset}, {view.shape}, {view.strides})"


def call(instruction: Instruction, name: Namer, tables: dict[str, Any]) -> str:
    """Python text of one instruction."""
    from microgradx.capture.program import Table, View  # noqa: PLC0415 - program imports this module

    def text(a: Any) -> str:
        if isinstance(a, View):
            return name(a)
        if isinstance(a, Table):
            return a.name
        return f"np.{a!r}" if isinstance(a, np.dtype) else repr(a)

    arguments = [text(a) for a in instruction.arguments]
    arguments += [f"{k}={text(a)}" for k, a in instruction.keywords]
    function = instruction.function
    if function.startswith("."):
        return f"{arguments[0]}{function}({', '.join(arguments[1:])})"
    head = function.split(".")[0]
    if head in {"kernels", "primitives"}:
        function = function.partition(".")[2]
    elif head not in tables:
        function = f"np.{function}"
    return f"{function}({', '.join(arguments)})"


def listing(program: Program) -> str:
    """One line an instruction: name, shape and dtype, place, call, primitive or rule."""
    name = Namer(program)
    dtype = {b.name: b.dtype for b in program.buffers}
    total = program.memory["total"]
    lines = [
        f"Program {program.name}: {len(program.instructions)} instructions, "
        f"{len(program.buffers)} buffers, {total / 1e6:.3g} MB, "
        f"{program.flops['total'] / 1e6:.3g} MFLOP"
    ]
    if program.threads is not None:
        lines[0] += f", {program.threads} BLAS thread{'s' if program.threads > 1 else ''}"
    for title, views in (("input", program.inputs), ("state", program.state)):
        for label, view in views.items():
            lines.append(f"  {title:8} {label} {dtype[view.buffer]} {view.shape} in {place(view)}")
    rows = []
    for number, i in enumerate(program.instructions):
        out = i.writes
        kind = f"{dtype[out.buffer]} {out.shape}"
        rows.append(
            (
                f"{number}",
                i.phase,
                name(out),
                kind,
                place(out),
                call(i, name, program.tables),
                i.note,
            )
        )
    widths = [max((len(r[c]) for r in rows), default=0) for c in range(6)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:6], widths, strict=True)]
        lines.append(("  " + "  ".join(cells) + (f"  # {row[6]}" if row[6] else "")).rstrip())
    for label, view in program.outputs.items():
        lines.append(f"  output   {label} {dtype[view.buffer]} {view.shape} in {place(view)}")
    lines.extend(f"  note     {note}" for note in program.notes)
    return "\n".join(lines)


def _array(array: Any) -> str:
    """An array as Python text that gives the same bits."""
    flat = [repr(x) for x in array.reshape(-1).tolist()]
    flat = [{"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}.get(x, x) for x in flat]
    text = f"np.array([{', '.join(flat)}], {array.dtype.name!r})"
    return text if array.ndim == 1 else f"{text}.reshape({array.shape})"


def _covered(program: Program, buffer: str, size: int) -> Any:
    """Which elements of a buffer `build` need not fill: state and inputs."""
    mask = np.zeros(size, bool)
    for view in (*program.state.values(), *program.inputs.values()):
        if view.buffer == buffer:
            index = np.full(view.shape, view.offset)
            for axis, step in enumerate(view.strides):
                shape = [1] * len(view.shape)
                shape[axis] = view.shape[axis]
                index = index + step * np.arange(view.shape[axis]).reshape(shape)
            mask[index] = True
    return mask


def _constants(program: Program) -> list[str]:
    """Assignments of all that the buffers hold from the start."""
    lines = []
    for buffer in program.buffers:
        start = program.initial.get(buffer.name)
        if start is None:
            continue
        flat = start.reshape(-1)
        wanted = np.flatnonzero(
            (flat != 0) & ~_covered(program, buffer.name, buffer.size)[: flat.size]
        )
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1) if wanted.size else []
        lines += [f"{buffer.name}[{run[0]}:{run[-1] + 1}] = {_array(flat[run])}" for run in runs]
    return lines


def _wrapped(lines: list[str], indent: str) -> str:
    out = []
    for line in lines:
        if len(line) + len(indent) <= WIDTH or line.lstrip().startswith("#"):
            out.append(indent + line)
        else:
            out.extend(
                textwrap.wrap(
                    line, WIDTH, initial_indent=indent, subsequent_indent=indent + "    ",
                    break_long_words=False, break_on_hyphens=False,
                )
            )  # fmt: skip
    return "\n".join(out)


WINDOW = '''

def window(buffer, offset, shape, strides):
    """A view with any strides, in elements."""
    return as_strided(buffer[offset:], shape, [s * buffer.itemsize for s in strides])
'''


def source(program: Program) -> str:
    """The whole text: kernels that NumPy lacks, then ``build(state)``."""
    name = Namer(program)
    body: list[str] = []
    functions = {k: t for k, t in program.tables.items() if inspect.isfunction(t)}
    phase = note = ""
    parameters = [name.unique(label) for label in program.inputs]
    for parameter, view in zip(parameters, program.inputs.values(), strict=True):
        body.append(f"np.copyto({name(view)}, {parameter})")
    for instruction in program.instructions:
        if instruction.phase != phase:
            phase = instruction.phase
            body += ["", f"# ---- {phase} ----"]
        line = call(instruction, name, program.tables)
        head, _, rest = instruction.function.partition(".")
        if head in {"kernels", "primitives"}:
            functions[rest] = program.function(instruction.function)
        if instruction.note and instruction.note != note:
            body += textwrap.wrap(
                instruction.note, WIDTH - 12, initial_indent="# ", subsequent_indent="#   "
            )
        note = instruction.note
        body.append(line)
    results = [f"{name(view)}.copy()" for view in program.outputs.values()]
    body += ["", f"return {', '.join(results)}" if results else "return None"]
    memory = [f'{b.name} = np.zeros({b.size}, "{b.dtype}")  # {b.role}' for b in program.buffers]
    memory += [
        f"{key} = {_array(table)}" if isinstance(table, np.ndarray) else _generator(key, table)
        for key, table in program.tables.items()
        if not callable(table)
    ]
    state = [f"{name(view)}[...] = state[{key!r}]" for key, view in program.state.items()]
    views = [f"{label} = {expression(view)}" for view, label in name.found.items()]
    total = sum(math.prod(b.shape) for b in program.outputs.values())
    text = [
        f'"""{program.name}, written out as NumPy: {len(program.instructions)} calls.',
        "",
        f"build(state) returns the step: {', '.join(parameters) or 'no inputs'} -> "
        f"{', '.join(program.outputs) or 'nothing'} ({total} numbers).",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "import numpy as np",
    ]
    if any(" window(" in v for v in views):
        text += ["from numpy.lib.stride_tricks import as_strided", WINDOW.rstrip("\n")]
    text += transcribe(functions)
    for key, table in program.tables.items():
        if hasattr(table, "text"):
            text += ["", "", table.text.replace("def update(", f"def {key}(").rstrip()]
    text += ["", "", "def build(state):", "    # memory"]
    text.append(_wrapped(memory + _constants(program), "    "))
    text += ["", "    # views of it", _wrapped(views, "    ")]
    if state:
        text += ["", "    # what is kept between steps", _wrapped(state, "    ")]
    text += ["", f"    def step({', '.join(parameters)}):", _wrapped(body, "        ")]
    text += ["", "    return step", ""]
    return re.sub(r"[ \t]+\n", "\n", "\n".join(text))


def _generator(key: str, generator: Any) -> str:
    """A random generator, seeded as it stands."""
    kind = type(generator.bit_generator).__name__
    state = generator.bit_generator.state
    return f"{key} = np.random.Generator(np.random.{kind}()); {key}.bit_generator.state = {state!r}"
