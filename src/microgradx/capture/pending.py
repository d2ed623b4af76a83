"""Numbers that still lie in a program's memory.

After a replay, hundreds of parameters have new data and gradients; writing each into its Value
would cost more than the replay. So the Values hold a `Pending` instead, which fetches its number
(and those of all its companions, once) as soon as anything looks at it.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.graph import tick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from microgradx.capture.program import Program, View
    from microgradx.value import Value

__all__ = ["Link", "Pending", "Share"]


class Pending:
    """A number that is fetched when it is first looked at; then it never changes."""

    __slots__ = ("number", "owner")

    def __init__(self, owner: Link) -> None:
        self.owner: Link | None = owner
        self.number = 0.0

    def settle(self) -> float:
        """The number."""
        if self.owner is not None:
            self.owner.settle()
        return self.number

    __float__ = settle

    def __bool__(self) -> bool:
        return bool(self.settle())

    def __int__(self) -> int:
        return int(self.settle())

    def __hash__(self) -> int:
        return hash(self.settle())

    def __repr__(self) -> str:
        return repr(self.settle())

    def __format__(self, spec: str) -> str:
        return format(self.settle(), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return float, (self.settle(),)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.settle(), name)

    # Python looks operators up on the type, so `__getattr__` does not answer for them.
    if not TYPE_CHECKING:
        for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
            _function = getattr(operator, _name)
            locals()[f"__{_name}__"] = lambda self, y, f=_function: f(self.settle(), y)
            locals()[f"__r{_name}__"] = lambda self, x, f=_function: f(x, self.settle())
        for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
            _function = getattr(operator, _name)
            locals()[f"__{_name}__"] = lambda self, y, f=_function: f(self.settle(), y)
        for _name in ("neg", "pos", "abs"):
            _function = getattr(operator, _name)
            locals()[f"__{_name}__"] = lambda self, f=_function: f(self.settle())
        __trunc__ = __int__
        del _name, _function


Slot = tuple[int, str]


class Share:
    """What one program has in common with the user's Values.

    Parameters
    ----------
    program : Program
        Whose memory it is.
    state : list of (Value, str)
        What the program reads, in the order of its state vector.
    written : list of bool
        Which of those it writes as well.
    finals : list of Value
        Whose gradient each number of the program's ``"finals"`` is.
    """

    def __init__(
        self,
        program: Program,
        state: Sequence[tuple[Value, str]],
        written: Sequence[bool],
        finals: Sequence[Value],
    ) -> None:
        self.program = program
        self.reads = list(state)
        self.writes = [row for row, changed in zip(state, written, strict=True) if changed]
        self.writes += [(value, "grad") for value in finals]
        self.fixed = [k for k, changed in enumerate(written) if not changed]
        self.changed = np.flatnonzero(np.array(written, bool))
        self.state = self._array(program.state.get("state"))
        self.finals = self._array(program.outputs.get("finals"))
        self.generation = -1
        self.read_index = self.write_index = np.zeros(0, np.int64)

    def _array(self, view: View | None) -> Any:
        return np.zeros(0) if view is None else self.program.array(view)

    def result(self) -> Any:
        """What the last run wrote, in the order of `writes`."""
        return np.concatenate([self.state[self.changed], self.finals])


class Link:
    """Keeps Values and the memories of all programs of one captured function the same.

    The newest numbers lie in the program that ran last; `numbers` is where programs meet.
    """

    def __init__(self) -> None:
        self.slots: dict[Slot, int] = {}
        self.owners: list[tuple[Value, str]] = []
        self.pending: list[Pending | None] = []
        self.numbers = np.zeros(0)
        self.current: Share | None = None
        self.generation = 0

    def join(self, share: Share) -> None:
        """Give a new program's Values their places."""
        for value, attribute in (*share.reads, *share.writes):
            if (id(value), attribute) not in self.slots:
                self.slots[(id(value), attribute)] = len(self.owners)
                self.owners.append((value, attribute))
                self.pending.append(None)
        places = [[self.slots[(id(v), a)] for v, a in rows] for rows in (share.reads, share.writes)]
        share.read_index, share.write_index = (np.array(p, np.int64) for p in places)
        numbers = np.zeros(len(self.owners))
        numbers[: len(self.numbers)] = self.numbers
        self.numbers = numbers

    def before(self, share: Share) -> None:
        """Bring the program's state up to date."""
        if share.generation != self.generation:
            # Something was looked at or assigned since: take everything from the Values again.
            self._flush()
            self.current = None
            for place in share.read_index.tolist():
                if self.pending[place] is None:
                    value, attribute = self.owners[place]
                    self.numbers[place] = (
                        value._data if attribute == "data" else _float(value._grad)
                    )
            share.state[:] = self.numbers[share.read_index]
        elif self.current is not share:
            self._flush()
            share.state[:] = self.numbers[share.read_index]
        for k in share.fixed:
            if self.pending[share.read_index[k]] is not None:
                continue  # another program of this function wrote it; `numbers` has it
            value, attribute = share.reads[k]
            share.state[k] = value._data if attribute == "data" else _float(value._grad)

    def after(self, share: Share) -> None:
        """Let the Values know that the program has new numbers for them."""
        self.current = share
        if share.generation == self.generation:
            return
        for place in share.write_index.tolist():
            if self.pending[place] is None:
                number = self.pending[place] = Pending(self)
                value, attribute = self.owners[place]
                if attribute == "data":
                    value._data = number
                    value.time = tick()  # graphs built on the old number must not be pulled back
                else:
                    value._grad = number
        share.generation = self.generation

    def _flush(self) -> None:
        if self.current is not None:
            self.numbers[self.current.write_index] = self.current.result()

    def settle(self) -> None:
        """Hand every pending number to its Value."""
        self._flush()
        self.current = None
        self.generation += 1
        for place, number in enumerate(self.numbers.tolist()):
            pending = self.pending[place]
            if pending is None:
                continue
            pending.number, pending.owner = number, None
            self.pending[place] = None
            value, attribute = self.owners[place]
            if attribute == "data":
                if value._data is pending:
                    value._data = number
            elif value._grad is pending:
                value._grad = number


def _float(grad: Any) -> float:
    """A gradient as a number, whatever an earlier backward left there."""
    number: Any = getattr(grad, "_data", grad)
    return float(number)
