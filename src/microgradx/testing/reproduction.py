"""The failing check as a small program to paste and run.

A function of microgradx is traced, and its graph shrunk: what is left is a program of its own. A
function that cannot be looked into (a hand-written pair, another library's, one whose failure its
graph does not show) is called with inputs as small as they can be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.testing.adapters import Handwritten, Tensors, Values
from microgradx.testing.check import FLOOR, INVARIANTS
from microgradx.testing.programs import Program, program_of
from microgradx.testing.protocol import is_differentiable, lifted
from microgradx.testing.reduction import failure_of, reduce_inputs, reduce_program
from microgradx.testing.report import GradientError
from microgradx.testing.spelling import importable, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.testing.checking import Asked
    from microgradx.testing.report import Report

__all__ = ["reproduced", "traced"]

USUAL = {
    "order": 1, "reference": None, "kink": "interval", "invariants": INVARIANTS, "noise": 0.0,
    "floor": FLOOR, "cache": False,
}  # fmt: skip


def reproduced(asked: Asked, report: Report) -> tuple[str, int]:
    """Find a small program that fails as the report says.

    Parameters
    ----------
    asked : Asked
        What was checked.
    report : Report
        How it failed.

    Returns
    -------
    source : str
        Runnable Python; empty if the failure does not show again.
    checks : int
        Checks that it took.
    """
    source, spent = _tried(_by_graph, asked, report)
    if not source:
        source, more = _tried(_by_inputs, asked, report)
        spent += more
    return source, spent


def _tried(
    way: Callable[[Asked, Report], tuple[str, int]], asked: Asked, report: Report
) -> tuple[str, int]:
    try:
        return way(asked, report)
    except Exception:  # noqa: BLE001 - a hint that cannot be had must not hide the failure
        return "", 0


# ---- by the graph -------------------------------------------------------------------------------
def traced(
    f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int], library: Tensors | Values
) -> Program:
    """The graph of one run as a program; a `Program` is its own.

    Parameters
    ----------
    f : callable
        The function under test.
    inputs : sequence
        Arrays and constants.
    share : sequence of int
        Which positions hold one object.
    library : Tensors or Values
        What to run it over.

    Returns
    -------
    Program
    """
    if isinstance(f, Program):
        return replace(f, inputs=tuple(inputs))
    arguments = lifted(library.lift, inputs, share)
    with np.errstate(all="ignore"):
        root = f(*arguments)
    floating = {id(x): x for x, given in zip(arguments, inputs, strict=True)
                if is_differentiable(given)}  # fmt: skip
    return program_of(root, list(floating.values()))


def _by_graph(asked: Asked, report: Report) -> tuple[str, int]:
    if asked.vjp is not None or not isinstance(asked.library, Tensors | Values):
        return "", 0
    # The program has another output and other values: no cotangent, no reference of the user's.
    options = {**asked.options, "cotangent": None, "reference": None}
    numbers = isinstance(asked.library, Values)

    def fails(p: Program) -> str:
        return failure_of(p, seed=report.seed, adapter=asked.library, **options)

    program = traced(asked.f, asked.inputs, asked.share, asked.library)
    if fails(program) != report.kind:
        return "", 1
    small, checks = reduce_program(program, fails)
    text = "".join(f"{part}, " for part in _unusual(options))
    for exact in (False, True):
        source = small.source(report.seed, numbers=numbers, exact=exact, options=text)
        if _kind_of(source) == report.kind:
            return source, checks
    return "", checks


def _kind_of(source: str) -> str:
    """How a printed program fails: what is shown has been run."""
    try:
        exec(compile(source, "<program>", "exec"), {})  # noqa: S102 - written by `Program.source`
    except GradientError as error:
        return error.report.kind
    return ""


# ---- by the inputs ------------------------------------------------------------------------------
def _by_inputs(asked: Asked, report: Report) -> tuple[str, int]:
    options = {**asked.options, "cotangent": None}
    if asked.vjp is None:
        options["adapter"] = asked.library
    distinct = list(dict.fromkeys(asked.share))

    def spread(xs: Sequence[Any]) -> list[Any]:
        own = dict(zip(distinct, xs, strict=True))
        return [own[i] for i in asked.share]

    def failing(**more: Any) -> Callable[[Sequence[Any]], str]:
        return lambda xs: failure_of(
            asked.f, *spread(xs), vjp=asked.vjp, seed=report.seed, **{**options, **more}
        )

    start = [asked.inputs[i] for i in distinct]
    # Away from kinks if it can be had: two kinks at once might accuse a right function.
    for kink in dict.fromkeys(("reject", options["kink"])):
        if failing(kink=kink)(start) == report.kind:
            small, checks = reduce_inputs(start, failing(kink=kink))
            return _call(asked, report, spread(small), options), checks
    options["cotangent"] = asked.options["cotangent"]
    if options["cotangent"] is None or failing()(start) != report.kind:
        return "", 3
    return _call(asked, report, spread(start), options), 3


def _call(asked: Asked, report: Report, inputs: Sequence[Any], options: dict[str, Any]) -> str:
    """The call of the check, with what it needs to run in a fresh process."""
    check = "gradcheck" if asked.vjp is None else "check_vjp"
    usual = "f" if asked.vjp is None else "forward"
    functions = [(usual, asked.f), ("vjp", asked.vjp), ("reference", options["reference"])]
    imports = {"microgradx.testing": {check}}
    called, missing = {}, []
    for name, function in functions:
        if function is None:
            continue
        where = importable(function)
        if where is None:
            own = getattr(function, "__name__", name)
            called[name] = own if own.isidentifier() else name
            missing.append(called[name])
        elif where[0] == "numpy":
            called[name] = f"np.{where[1]}"
        else:
            called[name] = where[1]
            imports.setdefault(where[0], set()).add(where[1].partition(".")[0])
    names = [report.name_of(i) for i in asked.share]
    if set(names) & set(called.values()):  # a function whose input has the name of a function
        names = [f"x{i}" for i in asked.share]
    if isinstance(asked.library, Values):
        inputs = [float(x) if is_differentiable(x) else x for x in inputs]
    lines = [f"{n} = {literal(x)}" for n, x in dict(zip(names, inputs, strict=True)).items()]
    shown = [*(called[name] for name in (usual, "vjp") if name in called), *names]
    shown += _unusual({**options, "reference": None})
    shown += [f"reference={called['reference']}"] if "reference" in called else []
    if not isinstance(asked.library, Tensors | Values | Handwritten):
        shown.append(f"adapter={asked.library.name!r}")
    lines.append(f"{check}({', '.join(shown)}, seed={report.seed})")
    head = ["import numpy as np", ""] if "np." in "\n".join(lines) else []
    head += [
        f"from {module} import {', '.join(sorted(imports[module]))}" for module in sorted(imports)
    ]
    if asked.library.name == "jax" and any(np.asarray(x).dtype == np.float64 for x in inputs):
        head += ["import jax", "", 'jax.config.update("jax_enable_x64", True)']
    if missing:
        head += ["", f"# {' and '.join(missing)}: as checked; to be defined or imported here"]
    return "\n".join([*head, "", *lines])


def _unusual(options: dict[str, Any]) -> list[str]:
    """The options that are not what they are by default, as arguments."""
    options = dict(options)
    cotangent = options.pop("cotangent", None)
    shown = [] if cotangent is None else [f"cotangent={literal(np.asarray(cotangent))}"]
    for name, value in options.items():
        if name in USUAL and value != USUAL[name]:
            shown.append(f"{name}={literal(sorted(value) if name == 'invariants' else value)}")
    return shown
