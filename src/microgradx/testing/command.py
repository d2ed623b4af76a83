"""``microgradx check``: the gradient of a function named on the command line."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from microgradx.errors import ShapeError, UnsupportedError
from microgradx.primitive import Primitive
from microgradx.testing.checking import check_vjp, gradcheck
from microgradx.testing.laws import check_primitive

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from microgradx.testing.report import Report

__all__ = ["Outcome", "check_target", "load"]

_OF_SHAPES = re.compile(r"shape|broadcast|dimension|ax[ei]s\b|aligned", re.IGNORECASE)

GRID = 1024  # short enough for exact steps, too fine for accidental ties


@dataclass
class Outcome:
    """What checking one function came to.

    Attributes
    ----------
    target : str
        As it was named.
    statuses : Counter
        How many checks were ok, at kinks, skipped.
    reasons : Counter
        Why some were skipped.
    resolution : float
        The coarsest pass.
    unjudged : int
        Elements that passes say nothing about: on the edge of the domain.
    failure : Report or None
        The first failure.
    library : str
        What the function ran over; empty for a primitive, which runs over all there is.
    """

    target: str
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    resolution: float = 0.0
    unjudged: int = 0
    failure: Report | None = None
    library: str = ""

    @property
    def right(self) -> bool:
        """Whether something was compared, and nothing was wrong."""
        return self.failure is None and self.statuses["ok"] + self.statuses["kink"] > 0

    def __str__(self) -> str:
        if self.failure is not None:
            again = f"the same command with --seed {self.failure.seed} --examples 1"
            return f"{self.failure.message()}\n  {'or':10} {again}"
        parts = [f"{n} {name}" for name, n in self.statuses.items()]
        over = f" ({self.library})" if self.library else ""
        text = f"{self.target}{over}: {', '.join(parts)}"
        if self.right and self.resolution == 0:
            return text
        if self.right:
            left = f"; elements that could not be judged: {self.unjudged}" if self.unjudged else ""
            return f"{text}; relative errors above {self.resolution:.1e} would have been seen{left}"
        reason = self.reasons.most_common(1)[0][0] if self.reasons else "nothing was compared"
        return f"{text}: nothing could be compared, since {reason} (try another --range)"

    def to_dict(self) -> dict[str, Any]:
        """Give the outcome as plain data.

        Returns
        -------
        dict
        """
        return {
            "target": self.target,
            "library": self.library,
            "right": self.right,
            "statuses": dict(self.statuses),
            "skipped": dict(self.reasons),
            "resolution": self.resolution,
            "unjudged": self.unjudged,
            "failure": None if self.failure is None else self.failure.to_dict(),
        }


def load(target: str) -> Any:
    """Import what ``module:name`` or ``path/to/file.py:name`` names.

    Parameters
    ----------
    target : str
        The module is searched for from the current directory.

    Returns
    -------
    object

    Raises
    ------
    UnsupportedError
        If the module or the name is not there, or the module fails to import.
    """
    where, _, name = target.rpartition(":")
    if not where or not name:
        raise UnsupportedError(
            "check", f"{target!r} names no function", "Write module:function or file.py:function"
        )
    try:
        module = _from_file(Path(where)) if where.endswith(".py") else _from_path(where)
    except Exception as error:
        raise UnsupportedError(
            "check", f"{where} cannot be imported ({type(error).__name__}: {error})", "Look there"
        ) from error
    found = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UnsupportedError("check", f"{where} has no {part!r}", "Check the spelling")
        found = getattr(found, part)
    return found


def _from_path(name: str) -> Any:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def _from_file(path: Path) -> Any:
    path = path.resolve()
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded  # a function and its vjp may live in one file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def check_target(
    target: str,
    given: Mapping[str, str] | None = None,
    *,
    vjp: str | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    shape: tuple[int, ...] | None = (2, 3),
    low: float = -2.0,
    high: float = 2.0,
    examples: int = 20,
    order: Literal[1, 2] = 1,
    adapter: str | None = None,
    seed: int = 0,
) -> Outcome:
    """Check the function that a target names, at random inputs or at given ones.

    Parameters
    ----------
    target : str
        ``module:function`` or ``file.py:function``; a primitive is checked against all laws.
    given : mapping of str to str, optional
        Parameter -> Python literal: fixed inputs, such as integer labels.
    vjp : str, optional
        Target of a hand-written vjp, which is then checked against the function.
    shapes : mapping of str to tuple of int, optional
        Shapes of single parameters.
    shape : tuple of int or None, optional
        Shape of all others; None draws Python floats, for functions of Values.
    low, high : float, optional
        Range of random inputs.
    examples, order, adapter, seed
        As elsewhere in this package.

    Returns
    -------
    Outcome

    Raises
    ------
    UnsupportedError
        If the target, a parameter or a literal makes no sense, or the function refuses the inputs.
    """
    function = load(target)
    if not callable(function):
        problem = f"{target} cannot be called: it is of type {type(function).__name__}"
        raise UnsupportedError("check", problem, "Name a function")
    outcome = Outcome(target)
    if isinstance(function, Primitive):
        outcome.statuses["ok"] = check_primitive(function, examples=examples, seed=seed)
        return outcome
    pull = None if vjp is None else load(vjp)
    fixed = {name: _literal(name, text) for name, text in (given or {}).items()}
    named = [name for name in dict.fromkeys([*fixed, *(shapes or {})]) if name]
    names = _parameters(function, target, named)
    for number in range(seed, seed + examples):
        rng = np.random.default_rng(number)
        inputs = [
            fixed[name] if name in fixed
            else _random(rng, (shapes or {}).get(name, shape), low, high)
            for name in names
        ]  # fmt: skip
        report = _checked(function, pull, inputs, target, order, adapter, number)
        outcome.library = report.adapter
        outcome.statuses[report.status] += 1
        if report.status == "failed":
            outcome.failure = report
            break
        if report.status == "skipped":
            outcome.reasons[report.reason] += 1
        outcome.resolution = max(outcome.resolution, report.resolution)
        outcome.unjudged += report.unjudged if report else 0
    return outcome


def _checked(
    function: Callable[..., Any],
    pull: Callable[..., Any] | None,
    inputs: list[Any],
    target: str,
    order: Literal[1, 2],
    adapter: str | None,
    seed: int,
) -> Report:
    try:
        if pull is not None:
            return check_vjp(function, pull, *inputs, seed=seed, raises=False, name=target)
        return gradcheck(
            function,
            *inputs,
            order=order,
            adapter=adapter,
            seed=seed,
            raises=False,
            name=target,
        )
    except UnsupportedError as error:
        raise UnsupportedError("check", f"{target}: {error.problem}", error.remedy) from error
    except Exception as error:
        shapes = ", ".join(str(np.shape(x)) for x in inputs)
        raise UnsupportedError(
            "check",
            f"{target} fails for inputs of shapes {shapes} ({type(error).__name__}: {error})",
            _remedy(error, (function, pull)),
        ) from error


def _remedy(error: Exception, functions: Collection[Any]) -> str:
    """Other shapes if those are to blame; otherwise the line that raised."""
    if isinstance(error, ShapeError | IndexError) or _OF_SHAPES.search(str(error)):
        return (
            "Give shapes with --shape NAME=2,3 or --numbers, and fixed inputs with "
            "--input NAME=LITERAL"
        )
    files = {getattr(getattr(f, "__code__", None), "co_filename", None) for f in functions}
    own = [at for at in traceback.extract_tb(error.__traceback__) if at.filename in files]
    return (
        f"See {Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line}" if own else ""
    )


def _parameters(function: Any, target: str, named: Collection[str]) -> list[str]:
    """Names of the inputs: those without a default, and those that were asked for."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return list(named) or ["x"]
    names = [
        p.name
        for p in parameters
        if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}
        and (p.default is p.empty or p.name in named)
    ]
    unknown = set(named) - set(names)
    if unknown:
        raise UnsupportedError(
            "check", f"{target} has no parameter {min(unknown)!r}", f"It has {names}"
        )
    if not names:
        raise UnsupportedError("check", f"{target} takes no inputs", "Name a function of some")
    return names


def _literal(name: str, text: str) -> Any:
    try:
        value = ast.literal_eval(text)
        return np.array(value) if isinstance(value, list) else value
    except (ValueError, SyntaxError):
        raise UnsupportedError(
            "check", f"{name}={text} is no Python literal", "Write numbers or lists of them"
        ) from None


def _random(
    rng: np.random.Generator, shape: tuple[int, ...] | None, low: float, high: float
) -> Any:
    drawn = np.round(rng.uniform(low, high, () if shape is None else shape) * GRID) / GRID
    return float(drawn) if shape is None else np.asarray(drawn)
