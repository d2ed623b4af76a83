"""How a step, a number and a function are written as Python, for printed programs."""

from __future__ import annotations

import functools
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.primitive import PRIMITIVES, Primitive

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from microgradx.testing.programs import Step

__all__ = ["importable", "literal", "primitives_of", "spelled"]


def literal(x: Any) -> str:
    """Python source of an array, a number, an index or a tuple of them.

    Parameters
    ----------
    x : object
        What to write.

    Returns
    -------
    str
        It needs ``import numpy as np``.

    Examples
    --------
    >>> literal(np.array([0.5, -np.inf])), literal((slice(None), np.array([1])))
    ('np.array([ 0.5, -np.inf])', '(slice(None, None, None), np.array([1]))')
    >>> literal(np.zeros((2, 2)))
    'np.zeros((2, 2))'
    """
    if isinstance(x, np.ndarray):
        return _array(x)
    if isinstance(x, np.generic):
        return literal(x.item())
    if isinstance(x, float):
        return _finite(repr(x))
    if isinstance(x, tuple):
        return f"({', '.join(literal(item) for item in x)}{',' if len(x) == 1 else ''})"
    if isinstance(x, list):
        return f"[{', '.join(literal(item) for item in x)}]"
    if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
        return f"np.{np.dtype(x).name}"
    return repr(x)


def _array(x: Any) -> str:
    usual = x.dtype in (np.float64, np.bool_) or (x.dtype == np.int64 and x.size > 0)
    dtype = "" if usual else f", dtype=np.{x.dtype.name}"
    if x.dtype.kind == "f" and (not x.size or x.ndim > 1):
        for number, maker in ((0, "zeros"), (1, "ones")):
            if np.all(x == number):
                return f"np.{maker}({x.shape}{dtype})"
    body = np.array2string(x, separator=", ", floatmode="unique", threshold=sys.maxsize)
    return f"np.array({_finite(' '.join(body.split()))}{dtype})"


def _finite(text: str) -> str:
    return re.sub(r"\b(inf|nan)\b", r"np.\1", text)


INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "matmul": "@", "pow": "**",
         "greater": ">", "less": "<"}  # fmt: skip
PLAIN_CALLS = frozenset({
    "sum", "max", "min", "logsumexp", "softmax", "log_softmax", "reshape", "transpose",
    "broadcast_to", "leaky_relu",
})  # fmt: skip


def spelled(
    step: Step,
    texts: Sequence[str],
    *,
    prefix: str,
    numbers: bool = False,
    exact: bool = False,
) -> str:
    """One step as a person would write it.

    Parameters
    ----------
    step : Step
        The step.
    texts : sequence of str
        Names of the earlier values, or formulas.
    prefix : str
        ``"mg."`` for Python that runs; empty for formulas.
    numbers : bool, optional
        Whether it runs over Values, for which sums and products of lists are single steps.
    exact : bool, optional
        Whether to call the primitives themselves where a function of the same name may do less: a
        reshape to the shape there is, for example.

    Returns
    -------
    str
    """
    args = [texts[a] if isinstance(a, int) else literal(a.data) for a in step.args]
    shown = [*args, *(f"{k}={literal(v)}" for k, v in step.params.items())]
    if exact and step.params:
        return f"PRIMITIVES[{step.op!r}]({', '.join(shown)})"
    if step.op in INFIX and not step.params and len(args) == 2:
        return f"{_atom(args[0])} {INFIX[step.op]} {_atom(args[1])}"
    if step.op == "neg":
        return f"-{_atom(args[0])}"
    if step.op == "getitem":
        return f"{_atom(args[0])}[{literal(step.params['index'])}]"
    if step.op in {"concatenate", "stack"}:
        return f"{prefix}{step.op}([{', '.join(args)}], axis={step.params['axis']})"
    if numbers and (step.op == "total" or (step.op == "dot" and args[0] == "0.0")):
        half = len(args) // 2 + 1
        lists = [args] if step.op == "total" else [args[1:half], args[half:]]
        name = "sum" if step.op == "total" else "dot"
        shown_lists = ["[" + ", ".join(items) + "]" for items in lists]
        return f"{prefix}{name}({', '.join(shown_lists)})"
    if step.op in {"reshape", "transpose"}:
        shown = [*args, *(literal(v) for v in step.params.values())]
    if step.op in PLAIN_CALLS or (not step.params and step.op in _public()):
        return f"{prefix}{step.op}({', '.join(shown)})"
    call = f"PRIMITIVES[{step.op!r}]" if prefix and _name(step.op) is None else step.op
    return f"{call}({', '.join(shown)})"


def primitives_of(steps: Iterable[Step], text: str) -> list[str]:
    """The import statements of primitives that ``microgradx`` does not offer by name.

    Parameters
    ----------
    steps : iterable of Step
        The steps.
    text : str
        How they were written.

    Returns
    -------
    list of str
    """
    own = {step.op: _name(step.op) for step in steps}
    lines = [f"from {where[0]} import {where[1]}" for where in own.values() if where is not None]
    table = "from microgradx.primitive import PRIMITIVES"
    return [*sorted(lines), *([table] if "PRIMITIVES[" in text else [])]


def _name(name: str) -> tuple[str, str] | None:
    """The module outside this package that a primitive can be imported from by its own name."""
    op = PRIMITIVES[name]
    for rule in (*op.vjps, op.each):
        module = getattr(rule, "__module__", "microgradx.ops")
        outside = rule is not None and module.partition(".")[0] not in {"microgradx", "__main__"}
        if outside and getattr(sys.modules.get(module), name, None) is op:
            return module, name
    return None


@functools.cache
def _public() -> frozenset[str]:
    """The primitives that ``microgradx`` offers under their own names."""
    import microgradx  # noqa: PLC0415 - the package is still being imported when this module is

    return frozenset(n for n, op in PRIMITIVES.items() if getattr(microgradx, n, None) is op)


def _atom(text: str) -> str:
    """The text in parentheses, unless it is a name, a number or a call."""
    call = text.endswith(")") and text[0].isalpha() and text.count("(") == 1
    return text if text.replace(".", "").isalnum() or call else f"({text})"


def importable(f: Any) -> tuple[str, str] | None:
    """Where a fresh process finds a function, and what it is called there.

    Parameters
    ----------
    f : callable
        Any.

    Returns
    -------
    module, name : str
        The name may have dots. None for lambdas, local functions and those of a script.

    Examples
    --------
    >>> import math
    >>> importable(math.sin), importable(np.sin), importable(lambda x: x)
    (('math', 'sin'), ('numpy', 'sin'), None)
    """
    if isinstance(f, Primitive):
        return _name(f.name) or (("microgradx", f.name) if f.name in _public() else None)
    name = str(getattr(f, "__qualname__", None) or getattr(f, "__name__", ""))
    for module in (getattr(f, "__module__", None), "numpy"):
        found = sys.modules.get(module or "")
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is f and module not in {None, "__main__"}:
            return str(module), name
    return None
