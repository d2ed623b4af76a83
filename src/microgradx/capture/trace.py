"""`Trace`: what a step does besides computing nodes, written down while it runs once.

The nodes themselves record the arithmetic. The trace adds reads and writes of ``.data`` and
``.grad`` and calls of ``backward``, in the order of the clock that nodes share, and refuses
whatever would tie the program to the numbers of this one run.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.errors import CaptureError
from microgradx.graph import Node, tick
from microgradx.value import Value

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Backward", "Read", "Trace", "Write", "user_line"]


class Read:
    """The `op` of a node that stands for another's ``data`` or ``grad`` at its own `time`."""

    __slots__ = ("name",)

    guards = view = False
    kind, binding, kink, domain = "constant", 4, "", ""
    each = singular = None
    vjps = sample = ()
    reads = frozenset[int]()

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<read {self.name}>"


DATA, GRAD = Read("data"), Read("grad")


@dataclass(frozen=True, slots=True)
class Write:
    """``node.data = new`` or ``node.grad = new``."""

    time: int
    node: Any
    attribute: str
    new: Any


@dataclass(frozen=True, slots=True)
class Backward:
    """``root.backward(cotangent)``."""

    time: int
    root: Any
    cotangent: Any


def user_line() -> str:
    """File and line of the nearest caller outside this package."""
    frame = sys._getframe(1)  # noqa: SLF001 - the traceback module would read source files
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("microgradx."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno}"


class Trace:
    """Records one run of a step; a context manager.

    Attributes
    ----------
    born : int
        The clock when it began: older nodes outlive the step.
    events : list
        Reads, writes and backward calls happen at their ``time``; writes and backward calls are
        listed here in order, reads are nodes whose `op` is a `Read`.
    inputs : dict
        ``id(node) -> node`` of the nodes that stand for arguments.
    """

    def __init__(self) -> None:
        self.born = tick()
        self.events: list[Write | Backward] = []
        self.inputs: dict[int, Any] = {}
        self.grad_reads: dict[int, Any] = {}
        self.copies: dict[int, Any] = {}
        self._saved: dict[int, tuple[Any, Any, Any, int]] = {}
        self._switch = modes.switch(tape=self, record=True, watcher=None)

    def __enter__(self) -> Trace:  # noqa: PYI034 - not made to be subclassed
        self.born = tick()
        self._switch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._switch.__exit__(kind, error, where)
        for node, data, grad, time in self._saved.values():
            node._data, node._grad, node.time = data, grad, time

    # ---- what nodes report (see `modes.Mode.tape`) ----
    def read(self, node: Any) -> Any:
        """A node that stands for the number or array itself."""
        return self._stand_in(node, node._data, DATA)

    def read_grad(self, node: Any) -> Any:
        """A node that stands for the gradient as it is now."""
        self.grad_reads[id(node)] = node
        return self._stand_in(node, node._data * 0, GRAD)

    def write(self, node: Any, new: Any) -> None:
        """``node.data = new``."""
        if node.op is not None:
            raise CaptureError(
                "capture",
                f"{user_line()} assigns to the data of a result",
                "Assign to a leaf, or make a new leaf with Value(number)",
            )
        self._save(node)
        self.events.append(Write(tick(), node, "data", new))
        if isinstance(new, Node):
            node._data = new._data  # type: ignore[attr-defined]
        elif node.__class__ is Value:
            node._data = float(new)
        else:
            node._data = np.asarray(new, node._data.dtype)

    def write_grad(self, node: Any, new: Any) -> None:
        """``node.grad = new``."""
        self._save(node)
        self.events.append(Write(tick(), node, "grad", new))

    def backward(self, root: Any, cotangent: Any = None, create_graph: bool = False) -> None:  # noqa: FBT001, FBT002 - as the method it stands for
        """``root.backward(cotangent)``."""
        if create_graph:
            raise CaptureError(
                "capture",
                f"{user_line()} calls backward(create_graph=True)",
                "Use mg.grad for derivatives inside a captured step",
            )
        self.events.append(Backward(tick(), root, cotangent))

    def copy(self, node: Any, source: Any) -> None:
        """``Value(source)``: a new leaf with the number of a traced one."""
        self.copies[id(node)] = (node, source)

    def refuse(self, node: Any, what: str) -> None:
        """Somebody asks for the truth or the Python value of a traced node."""
        name = f"{type(node).__name__} {node.name!r}" if node.name else f"a {type(node).__name__}"
        raise CaptureError(
            "capture",
            f"the step asked for the {_ASKED.get(what, what)} of {name} ({what} at {user_line()}), "
            "which another call may answer otherwise",
            "Use mg.where, mg.maximum or mg.minimum, or move it out of the step",
            line=user_line(),
        )

    # ---- bookkeeping ----
    def _save(self, node: Any) -> None:
        if id(node) not in self._saved:
            self._saved[id(node)] = (node, node._data, node._grad, node.time)

    def _stand_in(self, node: Any, data: Any, op: Read) -> Any:
        cls = node.__class__
        made = object.__new__(cls)
        made._data, made._grad, made.op, made.name = data, None, op, node.name
        made.time = tick()
        if cls is Value:
            made._grad, made._x, made._y = 0.0, node, None
        else:
            made._flags, made.guard, made.params = 0, None, None
            made.parents, made.inputs = (node,), (data,)
        return made


_ASKED = {
    "bool": "truth",
    "float": "Python value",
    "int": "Python value",
    "item": "Python value",
    "greater": "truth of a comparison",
    "greater_equal": "truth of a comparison",
    "less": "truth of a comparison",
    "less_equal": "truth of a comparison",
    "equal": "truth of a comparison",
    "not_equal": "truth of a comparison",
}
