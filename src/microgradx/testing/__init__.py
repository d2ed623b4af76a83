"""Property-test any gradient: tolerances that are derived, failures that explain.

`gradcheck` and `check_vjp` check one function at one point; `numerical_derivative` and its
relatives give derivatives with bounds; `check_primitive` tests a primitive against the laws of
the table. All of these need NumPy only. `strategies` and the pytest plugin need hypothesis
(``pip install microgradx[test]``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from microgradx.testing.calls import RECIPES, Dice, OpCall, draw_call
    from microgradx.testing.checking import INVARIANTS, check_vjp, gradcheck
    from microgradx.testing.ladder import Derivative, Status
    from microgradx.testing.laws import LAWS, LawBroken, check_primitive
    from microgradx.testing.mutants import CLASSICS, planted
    from microgradx.testing.numerical import (
        numerical_derivative,
        numerical_hvp,
        numerical_jacobian,
        numerical_jvp,
        numerical_vjp,
    )
    from microgradx.testing.programs import Program, Step
    from microgradx.testing.reduction import reduce_program
    from microgradx.testing.report import GradientError, Mismatch, Report
    from microgradx.testing.twins import TwinError, check_twins

__all__ = [
    "CLASSICS",
    "INVARIANTS",
    "LAWS",
    "RECIPES",
    "Derivative",
    "Dice",
    "GradientError",
    "LawBroken",
    "Mismatch",
    "OpCall",
    "Program",
    "Report",
    "Status",
    "Step",
    "TwinError",
    "check_primitive",
    "check_twins",
    "check_vjp",
    "draw_call",
    "gradcheck",
    "numerical_derivative",
    "numerical_hvp",
    "numerical_jacobian",
    "numerical_jvp",
    "numerical_vjp",
    "planted",
    "reduce_program",
]

_HOME = {
    "calls": ("RECIPES", "Dice", "OpCall", "draw_call"),
    "checking": ("INVARIANTS", "check_vjp", "gradcheck"),
    "ladder": ("Derivative", "Status"),
    "laws": ("LAWS", "LawBroken", "check_primitive"),
    "mutants": ("CLASSICS", "planted"),
    "numerical": (
        "numerical_derivative",
        "numerical_hvp",
        "numerical_jacobian",
        "numerical_jvp",
        "numerical_vjp",
    ),
    "programs": ("Program", "Step"),
    "reduction": ("reduce_program",),
    "report": ("GradientError", "Mismatch", "Report"),
    "twins": ("TwinError", "check_twins"),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    # Imported when first asked for: the pytest plugin is loaded in every test run of anyone.
    if name in _WHERE:
        found = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
        globals()[name] = found  # else the submodule `gradcheck` would shadow the function
        return found
    if name in {"mutants", "plugin", "programs", "strategies"}:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
