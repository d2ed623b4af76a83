"""An optimiser's update as one loop over the parameters, compiled by numba (extra ``fast``).

NumPy goes through memory once for each of an update's dozen calls. Here the same calls become the
lines of one loop, in the same order and the same arithmetic, so that the bits stay the same and
every number is read and written once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from microgradx.capture.program import Instruction, View

__all__ = ["Loop", "loop_of"]

LINES = {
    "multiply": "{} * {}",
    "add": "{} + {}",
    "subtract": "{} - {}",
    "divide": "{} / {}",
    "sqrt": "np.sqrt({})",
    "square": "{0} * {0}",
    "absolute": "abs({})",
    "negative": "-{}",
    "maximum": "max({}, {})",
    "positive": "{}",
}


class Loop:
    """A function of arrays that numba compiles when it is first called.

    Parameters
    ----------
    text : str
        Its definition, under the name ``update``.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._compiled: Any = None

    def __call__(self, *arrays: Any) -> None:
        """Run the loop."""
        if self._compiled is None:
            scope: dict[str, Any] = {"np": np}
            exec(self.text, scope)  # noqa: S102 - our own text
            self._compiled = _numba().njit(error_model="numpy")(scope["update"])
        self._compiled(*arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        return Loop, (self.text,)


def _numba() -> Any:
    try:
        import numba  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        raise CaptureError(
            "capture", "fast=True needs numba", "Install microgradx[fast], or leave fast away"
        ) from None
    return numba


def loop_of(instructions: Sequence[Instruction], scratch: str) -> tuple[Loop, list[View]] | None:
    """One loop that does what elementwise calls on equally long vectors do.

    Parameters
    ----------
    instructions : sequence of Instruction
        The calls.
    scratch : str
        The buffer of results that nobody needs afterwards.

    Returns
    -------
    tuple of (Loop, list of View), or None
        The loop and its arguments; None if some call has no line in `LINES`.
    """
    _numba()
    names: dict[View, str] = {}
    lines = []

    def operand(view: View) -> str:
        if view.buffer == scratch:
            return "t"
        name = names.setdefault(view, f"{'s' if not view.shape else 'a'}{len(names)}")
        return f"{name}[i]" if view.shape else name

    for instruction in instructions:
        pattern = LINES.get(instruction.function)
        if pattern is None:
            return None
        needed = getattr(np, instruction.function).nin
        values = [operand(v) for v in instruction.arguments[:needed]]
        lines.append(f"        {operand(instruction.writes)} = {pattern.format(*values)}")
    arrays = [name for view, name in names.items() if view.shape]
    scalars = [name for view, name in names.items() if not view.shape]
    text = [f"def update({', '.join(names.values())}):"]
    text += [f"    {name} = {name}[()]" for name in scalars]
    text += [f"    for i in range({arrays[0]}.size):", *lines]
    return Loop("\n".join(text) + "\n"), list(names)
