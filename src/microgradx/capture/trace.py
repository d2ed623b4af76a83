"""`Trace`: what a step does besides computing nodes, written down while it runs once.

The nodes themselves record the arithmetic. The trace adds reads and writes of ``.data`` and
``.grad`` and calls of ``backward``, in the order of the clock that nodes share, and refuses
whatever would tie the program to the numbers of this one run.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.errors import CaptureError
from microgradx.graph import Node, tick
from microgradx.tensor import as_array
from microgradx.value import Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Backward", "Read", "Trace", "Write", "user_line"]


class Read:
    """The `op` of a node that stands for another's ``data`` or ``grad`` at its own `time`."""

    __slots__ = ("name",)

    guards = view = False
    kind, binding, kink, domain = "constant", 4, "", ""
    each = singular = None
    vjps = sample = rule_reads = ()
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
    found: Any = None  # of a Tensor: ``id(node) -> (node, its cotangent)``; see `tensor_trace`


@dataclass(frozen=True, slots=True)
class Optimise:
    """``optimizer.step()``."""

    time: int
    optimizer: Any
    cotangent = root = node = None


def user_line() -> str:
    """File and line of the nearest caller outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        "microgradx."
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno}"


def _dice() -> tuple[Any, ...]:
    """Where the global random streams stand, which a program cannot draw from."""
    state: Any = np.random.get_state()  # noqa: NPY002 - the global one is meant
    return random.getstate(), state[0], bytes(state[1]), *state[2:]


class TracedArray(np.ndarray[Any, Any]):
    """Raw numbers of a traced Tensor: arrays computed from them outside operations are known."""

    traced = True


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

    def __init__(self, dice: Callable[[], list[Any]] = list) -> None:
        self._reachable = dice  # where the step's own random generators stand
        self.refusal: CaptureError | None = None
        self.born = tick()
        self.events: list[Write | Backward | Optimise] = []
        self.notes: dict[int, str] = {}  # id(node) -> the rule that made it in a backward pass
        self.kept: list[Any] = []
        # id(Tensor) -> (generator, method, array) of random numbers drawn in the step; the
        # generator is None for the library's default stream
        self.drawn: dict[int, tuple[Any, str, Any]] = {}
        self._streams: dict[int, tuple[Any, Any]] = {}
        self.holds: dict[int, bool] = {}  # id(Tensor) -> whether its grad is an array now
        self.inputs: dict[int, Any] = {}
        self.grad_reads: dict[int, Any] = {}
        self.copies: dict[int, Any] = {}
        self._saved: dict[int, tuple[Any, Any, Any, int]] = {}
        self._switch = modes.switch(tape=self, record=True, watcher=None)

    def __enter__(self) -> Trace:  # noqa: PYI034 - not made to be subclassed
        self.born = tick()
        self._switch.__enter__()
        self._dice = _dice(), self._reachable()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._switch.__exit__(kind, error, where)
        for node, data, grad, time in self._saved.values():
            node._data, node._grad, node.time = data, grad, time
        for generator, state in self._streams.values():
            generator.bit_generator.state = state  # the replay draws the same numbers again
        if kind is not None:
            return
        if self.refusal is not None:  # the step caught it, and went on with what it should not know
            raise self.refusal
        everybodys, _ = self._dice
        if (now := (_dice(), self._reachable())) != self._dice:
            of = (
                "Python's or NumPy's global random stream"
                if now[0] != everybodys
                else "a generator"
            )
            raise CaptureError(
                "capture",
                f"the step drew random numbers from {of}, and a replay would repeat them",
                "Draw them outside and pass them as arguments, or use mg.rand and mg.randn",
            )

    # ---- what nodes report (see `modes.Mode.tape`) ----
    def read(self, node: Any) -> Any:
        """A node that stands for the number or array itself."""
        return self._stand_in(node, node._data, DATA)

    def read_grad(self, node: Any) -> Any:
        """A node that stands for the gradient as it is now."""
        if node.__class__ is not Value and not self.holds.get(id(node), node._grad is not None):
            return None
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
            node._data = new._data
        elif node.__class__ is Value:
            node._data = float(new)
        else:
            node._data = np.asarray(new, node._data.dtype)

    def write_grad(self, node: Any, new: Any) -> None:
        """``node.grad = new``."""
        self._save(node)
        self.holds[id(node)] = new is not None
        self.events.append(Write(tick(), node, "grad", new))

    def backward(self, root: Any, cotangent: Any = None, create_graph: bool = False) -> None:
        """``root.backward(cotangent)``."""
        if create_graph:
            raise CaptureError(
                "capture",
                f"{user_line()} calls backward(create_graph=True)",
                "Use mg.grad for derivatives inside a captured step",
            )
        if root.__class__ is Value:
            self.events.append(Backward(tick(), root, cotangent))
            return
        from microgradx.capture.tensor_trace import expand  # noqa: PLC0415 - Values need none of it

        found = expand(root, cotangent, self)
        for node, _ in found.values():
            self.holds[id(node)] = True
        self.events.append(Backward(tick(), root, cotangent, found))

    def drawing(self, generator: Any) -> None:
        """Random numbers are about to be drawn."""
        self._streams.setdefault(id(generator), (generator, generator.bit_generator.state))

    def drew(self, node: Any, generator: Any, method: str, *, default: bool) -> None:
        """`node` holds the numbers just drawn, from the library's default stream or another."""
        self.kept.append(node)
        node._data = self.marked(node._data)
        self.drawn[id(node)] = None if default else generator, method, node._data

    def marked(self, array: Any) -> Any:
        """Numbers of this one run, so that raw uses of them can be told from constants."""
        return array.view(TracedArray)

    def operand(self, x: Any, op: Any) -> tuple[Any, Any]:
        """A raw operand: what the node keeps of it, and what its kernel takes."""
        if x is None or x.__class__ is float or x.__class__ is int or isinstance(x, np.generic):
            return x, x
        if isinstance(x, Value):
            return x, x._data
        array = as_array(x, op.name)
        return array, array

    def optimise(self, optimizer: Any) -> None:
        """``optimizer.step()``: the planner writes the update."""
        event = Optimise(tick(), optimizer)
        self.events.append(event)
        for group in optimizer.param_groups:
            for p in group["params"]:
                if self.holds.get(id(p), p._grad is not None):
                    self._save(p)
                    p.time = event.time

    def copy(self, node: Any, source: Any) -> None:
        """``Value(source)``: a new leaf with the number of a traced one."""
        self.copies[id(node)] = (node, source)

    def refuse(self, node: Any, what: str) -> None:
        """Somebody asks for the truth or the Python value of a traced node."""
        name = f"{type(node).__name__} {node.name!r}" if node.name else f"a {type(node).__name__}"
        asked = f"{_ASKED.get(what, f'{what} of')} {name}"
        branch = "truth" in _ASKED.get(what, "")
        self.refusal = CaptureError(
            "capture",
            f"the step asked for the {asked} ({what} at {user_line()}), "
            "which another call may answer otherwise",
            "Use mg.where(mg.greater(a, b), x, y), mg.maximum or mg.minimum, "
            "or move it out of the step"
            if branch
            else "Return it from the step, and look at it outside",
            line=user_line(),
        )
        raise self.refusal

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
    "bool": "truth of",
    "float": "Python value of",
    "int": "Python value of",
    "item": "Python value of",
    "numpy": "numbers of",
    "numpy.asarray": "numbers of",
    "tolist": "numbers of",
    "greater": "truth of a comparison of",
    "greater_equal": "truth of a comparison of",
    "less": "truth of a comparison of",
    "less_equal": "truth of a comparison of",
    "equal": "truth of a comparison of",
    "not_equal": "truth of a comparison of",
}
