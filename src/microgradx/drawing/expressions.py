"""Read an expression typed by anybody into a graph, without `eval`.

Only what is listed here means anything: numbers, names, arithmetic, and the functions of the
table of primitives. There is no attribute, no index, no import to reach anything else by.
"""

from __future__ import annotations

import ast
import difflib
from typing import TYPE_CHECKING, Any

from microgradx.errors import DrawingError
from microgradx.primitive import PRIMITIVES
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FUNCTIONS", "read_expression"]

_LONGEST = 10_000
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow",
    ast.USub: "neg", ast.UAdd: "positive",
}  # fmt: skip
FUNCTIONS = (
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "exp", "expm1",
    "log", "log1p", "maximum", "minimum", "relu", "sigmoid", "sign", "sin", "sinh", "softplus",
    "sqrt", "square", "tan", "tanh",
)  # fmt: skip


def read_expression(text: str, values: Mapping[str, float]) -> Value:
    """Build the graph of an expression over named numbers.

    Parameters
    ----------
    text : str
        For example ``"tanh(a*b + c)"``; steps may be named: ``"d = a*b; tanh(d)"``.
    values : mapping of str to float
        A number for each name.

    Returns
    -------
    Value
        The result of the last step, with named leaves.

    Raises
    ------
    DrawingError
        For anything that is not arithmetic, for a name without a number, and for a number
        without a use.

    Examples
    --------
    >>> out = read_expression("d = a*b; tanh(d + 1)", {"a": 2.0, "b": -0.5})
    >>> out.data
    0.0
    """
    if len(text) > _LONGEST:
        raise DrawingError("draw", f"the expression has {len(text):,} characters", "Shorten it")
    try:
        tree = ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "it is nested too deeply"
        raise DrawingError(
            "draw", f"{text!r} is no expression: {reason}", "Write Python arithmetic"
        ) from None
    reader = _Reader(values)
    try:
        out = reader.read(tree)
    except RecursionError:
        raise DrawingError(
            "draw", "the expression is nested too deeply", "Name its steps"
        ) from None
    unused = sorted(set(values) - reader.used)
    if unused:
        raise DrawingError(
            "draw", f"{', '.join(unused)} does not stand in {text!r}", "Leave it out, or use it"
        )
    if not isinstance(out, Value):
        raise DrawingError("draw", f"{text!r} has no named number", "Write a*b and give a=2 b=3")
    return out


class _Reader:
    def __init__(self, values: Mapping[str, float]) -> None:
        self.known: dict[str, Any] = {k: Value(float(v), name=k) for k, v in values.items()}
        self.used: set[str] = set()

    def read(self, tree: ast.Module) -> Any:
        """Take the steps one after the other; the last one is the result."""
        out: Any = None
        for step in tree.body:
            if isinstance(step, ast.Expr):
                out = self.value(step.value)
            elif (
                isinstance(step, ast.Assign)
                and len(step.targets) == 1
                and isinstance(step.targets[0], ast.Name)
            ):
                out = self.value(step.value)
                name = step.targets[0].id
                if isinstance(out, Value) and out.name is None:
                    out.name = name
                self.known[name] = out
                self.used.add(name)
            else:
                self.refuse(step)
        if out is None:
            raise DrawingError("draw", "there is no expression", "Write one, such as 'a*b + c'")
        return out

    def value(self, node: ast.AST) -> Any:
        """The Value or the number that a part of the expression stands for."""
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            if isinstance(node.value, bool):
                self.refuse(node)
            return float(node.value)
        if isinstance(node, ast.Name):
            if node.id not in self.known:
                raise DrawingError(
                    "draw", f"{node.id!r} has no value", f"Give it one: {node.id}=1", name=node.id
                )
            self.used.add(node.id)
            return self.known[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return self.apply(_OPERATORS[type(node.op)], node.left, node.right)
        if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
            if isinstance(node.operand, ast.Constant):
                number = self.value(node.operand)
                return -number if isinstance(node.op, ast.USub) else number
            return self.apply(_OPERATORS[type(node.op)], node.operand)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
            name = node.func.id
            if name not in FUNCTIONS:
                near = difflib.get_close_matches(name, FUNCTIONS, 1)
                hint = f"Did you mean {near[0]}" if near else f"Use one of {', '.join(FUNCTIONS)}"
                raise DrawingError("draw", f"there is no function {name!r}", hint)
            wanted = len(PRIMITIVES[name].vjps) or 1
            if len(node.args) != wanted:
                raise DrawingError(
                    "draw", f"{name} takes {wanted} arguments, not {len(node.args)}", "Check it"
                )
            return self.apply(name, *node.args)
        return self.refuse(node)

    def apply(self, name: str, *operands: ast.AST) -> Any:
        """Apply a primitive; numbers alone give a number."""
        inputs = [self.value(operand) for operand in operands]
        try:
            return PRIMITIVES[name](*inputs)
        except (OverflowError, ZeroDivisionError) as error:
            raise DrawingError("draw", f"{name} of numbers fails: {error}", "Change them") from None

    def refuse(self, node: ast.AST) -> Any:
        """Say what is not understood."""
        part = ast.unparse(node)
        raise DrawingError(
            "draw", f"{part!r} is not understood", "Use numbers, names, + - * / ** and functions"
        )
