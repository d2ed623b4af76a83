"""Slips of the pen: a rule's own formula with one factor, sign, operand or constant wrong.

Unlike the damages of `mutants`, which wrap a rule, these rewrite its source: ``g * (1 - z * z)``
becomes ``g * (1 - z)``, ``g * (1 + z * z)``, ``g * (2 - z * z)``, and so on.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microgradx.primitive import ARRAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["slips"]

SIBLINGS = {
    "sin": "cos", "cos": "sin", "sinh": "cosh", "cosh": "sinh", "maximum": "minimum",
    "minimum": "maximum", "sqrt": "exp", "sigmoid": "tanh", "power_slope": "pow",
}  # fmt: skip
LOOKS = frozenset({"shape", "ndim", "dtype", "size"})


@cache
def _lambdas(filename: str) -> list[ast.Lambda]:
    tree = ast.parse(Path(filename).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]


def _source_of(rule: Callable[..., Any]) -> ast.Lambda | None:
    """The syntax tree of a rule that is a lambda in a file."""
    code = rule.__code__
    places = [(line, column) for line, _, column, _ in code.co_positions() if line and column]
    if not places or not Path(code.co_filename).is_file():
        return None
    for node in _lambdas(code.co_filename):
        body = node.body
        end = (body.end_lineno or 0, body.end_col_offset or 0)
        if (body.lineno, body.col_offset) <= min(places) and max(places) <= end:
            inner = [n for n in ast.walk(body) if isinstance(n, ast.Lambda)]
            if not inner and node.args.args and node.args.args[0].arg == "g":
                return node
    return None


def slips(rule: Callable[..., Any] | None) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Rewrite a rule with one slip at a time.

    Parameters
    ----------
    rule : callable
        A vjp rule, as its row in the table has it.

    Yields
    ------
    name : str
        What was changed into what.
    rule : callable
        The changed rule, over arrays.
    """
    node = None if rule is None else _source_of(rule)
    if node is None:
        return
    inputs = [a.arg for a in node.args.args[1:]]
    seen: Counter[str] = Counter()
    for path, part in _paths(node.body):
        for new in _changes(part, inputs):
            changed = copy.deepcopy(node)
            _put(changed, path, new)
            code = ast.fix_missing_locations(ast.Expression(changed))
            name = f"{ast.unparse(part)} -> {ast.unparse(new)}"
            seen[name] += 1
            name += f" ({seen[name]})" if seen[name] > 1 else ""
            yield name, eval(compile(code, "<slip>", "eval"), ARRAY)  # noqa: S307 - our own source


Way = tuple[tuple[str, int | None], ...]


def _paths(node: ast.AST, path: Way = ()) -> Iterator[tuple[Way, ast.expr]]:
    """All expressions whose numbers count, with the way to them; not what only gives a shape."""
    if isinstance(node, ast.Attribute) and node.attr in LOOKS:
        return
    if isinstance(node, ast.expr):
        yield path, node
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _paths(item, (*path, (name, i)))
        elif isinstance(value, ast.AST) and not (isinstance(node, ast.Call) and name == "func"):
            yield from _paths(value, (*path, (name, None)))


def _put(root: ast.Lambda, path: Way, new: ast.expr) -> None:
    if not path:
        root.body = new
        return
    here: Any = root.body
    for name, i in path[:-1]:
        here = getattr(here, name) if i is None else getattr(here, name)[i]
    name, i = path[-1]
    if i is None:
        setattr(here, name, new)
    else:
        getattr(here, name)[i] = new


def _changes(node: ast.expr, inputs: list[str]) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp):
        yield node.left
        if isinstance(node.op, ast.Mult):
            yield node.right
        for old, new in ((ast.Add, ast.Sub()), (ast.Sub, ast.Add()), (ast.Div, ast.Mult())):
            if isinstance(node.op, old):
                yield ast.BinOp(node.left, new, node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield ast.Constant(node.value + 1)
    elif isinstance(node, ast.Name) and node.id in inputs:
        for other in inputs:
            if other != node.id:
                yield ast.Name(other, ast.Load())
    elif (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SIBLINGS
    ):
        name = ast.Name(SIBLINGS[node.func.id], ast.Load())
        yield ast.Call(name, node.args, node.keywords)
