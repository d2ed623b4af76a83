"""``capture(step, check=True)``: a replay beside the step's own arithmetic, number by number.

The step is traced again, and the trace is computed here one node at a time with the kernels and
rules of `Value`: no groups, no levels, no NumPy calls. So it shows a step that has come to build
another graph, and a mistake of the planner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.columns import CONSTANT, COTANGENT, INPUT, OPERATION
from microgradx.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from microgradx.capture.columns import Columns
    from microgradx.capture.program import Program
    from microgradx.capture.scalar import Planned

__all__ = ["check", "evaluate"]

SLACK = 1e-9
"""Relative difference that re-associated sums may reach in a long program."""


def evaluate(
    c: Columns, inputs: Sequence[Any], state: Any
) -> tuple[list[float], list[list[float]]]:
    """Compute a step node by node.

    Parameters
    ----------
    c : Columns
        The step.
    inputs : sequence of ndarray
        Its arguments.
    state : ndarray
        The numbers of ``c.state``.

    Returns
    -------
    list of float
        The number of each node.
    list of list of float
        For each call of backward, the cotangent of each node.
    """
    z = c.value.tolist()
    for node, number in zip(c.state, state.tolist(), strict=True):
        z[node] = number
    for (_, shape, first), x in zip(c.inputs, inputs, strict=True):
        size = int(np.prod(shape))
        z[first : first + size] = x.reshape(-1).tolist()
    events = {leaf: k for k, event in enumerate(c.events) for leaf in event.wanted.values()}
    share = {leaf: node for event in c.events for node, leaf in event.wanted.items()}
    pulled: list[list[float]] = []
    for i, kind in enumerate(c.kind.tolist()):
        if kind == COTANGENT:
            while len(pulled) <= events[i]:
                pulled.append(_pull(c, z, len(pulled)))
            z[i] = pulled[events[i]][share[i]]
        elif kind == OPERATION:
            z[i] = float(c.ops[c.code[i]].scalar(*_inputs(c, z, i)))
    while len(pulled) < len(c.events):
        pulled.append(_pull(c, z, len(pulled)))
    return z, pulled


def _inputs(c: Columns, z: list[float], i: int) -> list[float | None]:
    return [z[p] if p >= 0 else None for p in c.parent[c.start[i] : c.start[i + 1]].tolist()]


def _pull(c: Columns, z: list[float], k: int) -> list[float]:
    """The cotangents of one backward call, as `engine.backward_floats` computes them."""
    event = c.events[k]
    g = [0.0] * c.size
    g[event.root] = z[event.seed]
    for i in range(event.root, -1, -1):
        if c.kind[i] != OPERATION or c.number[i]:
            continue
        op = c.ops[c.code[i]]
        if g[i] == 0 and (op.guards or z[i] - z[i] == 0):
            continue
        parents = c.parent[c.start[i] : c.start[i + 1]].tolist()
        inputs = _inputs(c, z, i)
        if op.float_each is not None:
            shares = op.float_each(g[i], z[i], *inputs)
        else:
            shares = [rule and rule(g[i], z[i], *inputs) for rule in op.float_vjps]
        for p, found in zip(parents, shares, strict=False):
            if found is not None and p >= 0 and not c.number[p]:
                g[p] += found
    return g


def check(planned: Planned, c: Columns, now: Columns, inputs: Sequence[Any], state: Any) -> None:
    """Compare a run that has just ended with the step computed node by node.

    Parameters
    ----------
    planned : Planned
        The program, its memory as the run left it.
    c, now : Columns
        The step as it was captured, and as it is now.
    inputs : sequence of ndarray
        The arguments of the run.
    state : ndarray
        The state before the run.

    Raises
    ------
    CaptureError
        Naming the first node or instruction that differs.
    """
    name = planned.program.name
    _same_graph(name, c, now)
    z, pulled = evaluate(c, inputs, state)
    v = planned.program.arrays["v"]
    if planned.position is None:
        _check_results(planned.program, c, z)
        return
    fresh = np.isin(c.kind, (OPERATION, INPUT)) & (planned.position >= 0)
    truth = [(np.array(z)[fresh], planned.position[fresh])]
    for g, places in zip(pulled, planned.cotangents, strict=True):
        known = places > 0  # position 0 stands for no cotangent at all
        truth.append((np.array(g)[known], places[known]))
    wrong: list[tuple[int, float, float]] = []
    for expected, places in truth:
        found = v[places]
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=1.0)
        apart = ~np.isclose(found, expected, rtol=SLACK, atol=SLACK * scale, equal_nan=True)
        wrong += zip(
            places[apart].tolist(), found[apart].tolist(), expected[apart].tolist(), strict=True
        )
    if wrong:
        _report(planned, wrong)


def _check_results(program: Program, c: Columns, z: list[float]) -> None:
    """Compare what a program of floats leaves behind."""
    wanted = {
        "state": [c.writes.get(node, node) for node in c.state],
        "outputs": c.outputs,
        "finals": c.finals,
    }
    for key, view in {**program.state, **program.outputs}.items():
        expected = np.array([z[node] for node in wanted[key]])
        found = program.array(view)
        if not np.allclose(found, expected, rtol=SLACK, atol=SLACK, equal_nan=True):
            k = int(np.argmax(np.abs(found - expected)))
            raise CaptureError(
                program.name,
                f"number {k} of its {key} differs from eager: "
                f"{found[k]!r} instead of {expected[k]!r}",
                "Report this as a bug, with the step",
            )


def _same_graph(name: str, c: Columns, now: Columns) -> None:
    shorter = min(c.size, now.size)
    constant = c.kind[:shorter] == CONSTANT
    codes = c.code[:shorter] != now.code[:shorter]
    numbers = constant & (c.value[:shorter].view(np.int64) != now.value[:shorter].view(np.int64))
    if [op.name for op in c.ops] == [op.name for op in now.ops] and not codes.any():
        if numbers.any():
            i = int(np.flatnonzero(numbers)[0])
            raise CaptureError(
                name,
                f"a constant was {c.value[i]:g} at capture and is {now.value[i]:g} now",
                "Pass it as an argument, or keep it in a Value",
            )
        if c.size == now.size and (c.parent == now.parent).all():
            return
    operations = [int((columns.kind == OPERATION).sum()) for columns in (c, now)]
    raise CaptureError(
        name,
        f"the step now builds another graph: {operations[1]} operations instead of {operations[0]}",
        "Pass what it depends on as an argument, so that it is captured anew",
    )


def _report(planned: Planned, wrong: list[tuple[int, float, float]]) -> None:
    """Raise about the first instruction that wrote one of the wrong numbers."""
    for k, row in enumerate(planned.program.instructions):
        view = row.writes
        for place, found, expected in wrong:
            if view.buffer == "v" and view.offset <= place < view.offset + view.size:
                raise CaptureError(
                    planned.program.name,
                    f"instruction {k} ({row.function}: {row.note}) differs from eager: "
                    f"{found!r} instead of {expected!r}",
                    "Report this as a bug, with the step",
                )
    place, found, expected = wrong[0]
    raise CaptureError(
        planned.program.name,
        f"the number at v[{place}] differs from eager: {found!r} instead of {expected!r}",
        "Report this as a bug, with the step",
    )
