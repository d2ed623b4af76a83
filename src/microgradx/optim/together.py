"""Small parameters changed together: one pass over a flat array instead of one for each of them.

A call of NumPy costs as much as the arithmetic on some thousand numbers, and a network has many
small parameters (biases, norms, heads). Those of a group move into one piece of memory, and so do
their moments; each stays a view of its own there. A parameter whose array was handed out is left
alone, so that its holder goes on seeing every change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.tensor import EXPOSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from microgradx.optim.optimizer import Array
    from microgradx.tensor import Tensor

__all__ = ["SMALL", "Block", "sorted_out"]

SMALL = 1 << 13
"""Elements up to which a copy of the gradient costs less than calls of its own."""

Member = tuple["Tensor", dict[str, Any]]


def sorted_out(
    params: Sequence[Tensor], states: Sequence[dict[str, Any]], least: int
) -> tuple[list[Member], list[Member]]:
    """The parameters with a gradient: those that may share memory, and the others.

    The former are small, in nobody's hands, of one dtype and equally often changed; they are
    `least` at least, or none.
    """
    few: list[Member] = []
    rest: list[Member] = []
    for p, state in zip(params, states, strict=True):
        g = p._grad
        if g is None:
            continue
        small = p._data.size <= SMALL and not p._flags & EXPOSED and g.__class__ is np.ndarray
        (few if small else rest).append((p, state))
    if len(few) < least or len({(p._data.dtype, state.get("step")) for p, state in few}) > 1:
        return [], few + rest
    return few, rest


class Block:
    """The memory that some parameters share.

    Parameters
    ----------
    members : sequence of (Tensor, dict)
        Parameters and their states, as `sorted_out` picks them.
    slots : tuple of str
        The arrays that an optimiser carries along for each.

    Attributes
    ----------
    x, g, memory : ndarray, shape (n,)
        Parameters, gradients, working memory.
    moments : list of ndarray, shape (n,)
        One for each slot.
    """

    def __init__(self, members: Sequence[Member], slots: tuple[str, ...]) -> None:
        self.slots = slots
        self.key = [id(p) for p, _ in members]
        first = members[0][0]._data
        size = sum(p._data.size for p, _ in members)
        self.x, self.g, self.memory = (np.empty(size, first.dtype) for _ in range(3))
        self.moments = [np.zeros(size, first.dtype) for _ in slots]
        self.homes: list[tuple[Array, Array, list[Array]]] = []
        start = 0
        for p, _ in members:
            stop = start + p._data.size
            flats = [self.x, self.g, *self.moments]
            x, g, *moments = [_shaped(flat[start:stop], p._data) for flat in flats]
            self.homes.append((x, g, moments))
            start = stop

    def serves(self, members: Sequence[Member], slots: tuple[str, ...]) -> bool:
        """Whether it was made for these."""
        return self.slots == slots and self.key == [id(p) for p, _ in members]

    def settle(self, members: Sequence[Member]) -> None:
        """Copy in gradients, and whatever was assigned from outside since the last step."""
        for (p, state), (x, g, moments) in zip(members, self.homes, strict=True):
            if p._data is not x:
                np.copyto(x, p._data)
                p._data = x
            np.copyto(g, p._grad)
            for slot, moment in zip(self.slots, moments, strict=True):
                if state.get(slot) is not moment:
                    np.copyto(moment, state.get(slot, 0))
                    state[slot] = moment


def _shaped(piece: Array, like: Array) -> Array:
    """A flat piece of memory in the shape and the order of `like`."""
    if like.flags.f_contiguous and not like.flags.c_contiguous:
        return piece.reshape(like.shape[::-1]).T
    return piece.reshape(like.shape)
