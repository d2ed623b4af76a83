"""``capture(step, check=True)``: eager code beside a replay, instruction by instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.arguments import stand_ins, structure_of
from microgradx.capture.tensor_memory import live
from microgradx.capture.tensor_trace import resolve
from microgradx.capture.trace import Trace
from microgradx.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.capture.tensor import TensorReplay

__all__ = ["check"]

CLOSE = 64
"""Units in the last place, of the largest element, that a re-associated sum may differ by."""


def check(
    replay: TensorReplay,
    step: Callable[..., Any],
    signature: Any,
    leaves: Sequence[Any],
    kwargs: dict[str, Any],
    positional: int,
) -> None:
    """Compare a program with the step it came from, on the numbers it is about to run on.

    A trace runs the step in eager arithmetic, so it has the number of every row; the program is
    then run one instruction at a time, and its memory put back.

    Parameters
    ----------
    replay : TensorReplay
        The program and its links.
    step : callable
        The user's function.
    signature, leaves : tuple, list
        The arguments, from `arguments.flatten`.
    kwargs : dict
        The keyword arguments.
    positional : int
        How many arguments are positional.

    Raises
    ------
    CaptureError
        Naming the first instruction whose numbers differ, or if the step builds another graph.
    """
    trace = Trace()
    with trace:
        built, arguments = stand_ins(signature, list(leaves), trace, values=False)
        result = step(*built[:positional], **dict(zip(kwargs, built[positional:], strict=True)))
        outputs, _ = structure_of(result)
    resolved = resolve(trace, arguments, outputs)
    calls = live(resolved)
    program, name = replay.program, replay.program.name
    found = [row.function for row in calls]
    expected = replay.calls
    if found != expected:
        raise CaptureError(
            name,
            f"the step now builds another graph: {len(found)} calls instead of {len(expected)}",
            "Pass what it depends on as an argument, so that it is captured anew",
        )
    replay.settle()
    before = {b.name: program.arrays[b.name].copy() for b in program.buffers}
    streams = [t for t in program.tables.values() if isinstance(t, np.random.Generator)]
    states = [t.bit_generator.state for t in streams]
    try:
        for view, x in zip(program.inputs.values(), leaves, strict=True):
            np.copyto(program.array(view), np.asarray(x), casting="same_kind")
        with np.errstate(all="ignore"):
            _compare(replay, [resolved.truth.get(id(row)) for row in calls])
    finally:
        for key, array in before.items():
            program.arrays[key][...] = array
        for stream, state in zip(streams, states, strict=True):
            stream.bit_generator.state = state


def _compare(replay: TensorReplay, truths: list[Any]) -> None:
    program, origins = replay.program, replay.origins
    for i, instruction in enumerate(program.instructions):
        function, arguments, keywords = program._resolve(instruction)
        function(*arguments, **keywords)
        last = i >= len(origins) or i + 1 == len(origins) or origins[i + 1] != origins[i]
        truth = truths[origins[i]] if i < len(origins) and last else None
        if truth is None:
            continue
        got = program.array(instruction.writes).reshape(-1)
        want = np.asarray(truth)
        pieces = instruction.writes.shape != want.shape and instruction.writes.size == want.size
        want = _in_pieces(want, instruction.writes.shape) if pieces else want.reshape(-1)
        if got.shape == want.shape and not _close(got, want):
            raise CaptureError(
                program.name,
                f"instruction {i} ({instruction.function}: {instruction.note}) differs from eager "
                f"code by {np.max(np.abs(got.astype(float) - want.astype(float))):.3g}",
                "Report this as a bug, with the step",
            )


def _in_pieces(want: Any, shape: tuple[int, ...]) -> Any:
    """A product's numbers in the order of the pieces it was computed in."""
    if len(shape) == 4 and want.ndim == 2:
        p, q, m, n = shape
        return want.reshape(p, m, q, n).transpose(0, 2, 1, 3).reshape(-1)
    return want.reshape(-1)


def _close(got: Any, want: Any) -> bool:
    if got.dtype.kind != "f":
        return bool(np.array_equal(got, want))
    finite = want[np.isfinite(want)]
    slack = CLOSE * np.finfo(got.dtype).eps * (np.abs(finite).max() if finite.size else 0)
    return bool(np.allclose(got, want, rtol=0, atol=slack, equal_nan=True))
