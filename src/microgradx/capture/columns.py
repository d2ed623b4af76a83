"""`Columns`: a traced step of scalars as arrays, one entry a node, each node after its parents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CONSTANT", "COTANGENT", "INPUT", "OPERATION", "STATE", "Columns", "Event"]

OPERATION, INPUT, STATE, CONSTANT, COTANGENT = range(5)
"""What a node is: made by a primitive, or one of the kinds of leaf."""


@dataclass
class Event:
    """One call of ``backward``: the cotangents that the step reads afterwards.

    `wanted` maps a node to the leaf (of kind COTANGENT) that stands for its cotangent.
    """

    root: int
    seed: int  # the node that is the root's cotangent
    wanted: dict[int, int] = field(default_factory=dict)


@dataclass
class Columns:
    """A traced step in single-assignment form.

    Attributes
    ----------
    ops : list
        The primitives that occur; `code` indexes it.
    code : ndarray of int
        Primitive of each node; -1 for leaves.
    start, parent : ndarray of int
        Parents of node i are ``parent[start[i]:start[i + 1]]``; -1 stands for a missing bound
        (None) of a clip.
    kind : ndarray of int
        OPERATION or the kind of leaf.
    value : ndarray of float
        The numbers of constants, and those the state starts with.
    number : ndarray of bool
        No gradient flows through it: read from ``.data`` or ``.grad``, or an input.
    events : list of Event
        Calls of ``backward`` in their order.
    inputs : list of (name, shape, first node)
        Each argument's numbers are consecutive nodes.
    state : list of int
        Nodes of kind STATE, in the order of the user's objects.
    outputs : list of int
        Nodes whose numbers the step returns.
    writes : dict
        State node -> the node that it becomes.
    finals : list of int
        Nodes whose numbers must be readable after a run (new gradients).
    names : dict
        Node -> the user's name for it.
    """

    ops: list[Any]
    code: np.ndarray[Any, np.dtype[np.int64]]
    start: np.ndarray[Any, np.dtype[np.int64]]
    parent: np.ndarray[Any, np.dtype[np.int64]]
    kind: np.ndarray[Any, np.dtype[np.int8]]
    value: np.ndarray[Any, np.dtype[np.float64]]
    number: np.ndarray[Any, np.dtype[np.bool_]]
    events: list[Event]
    inputs: list[tuple[str, tuple[int, ...], int]]
    state: list[int]
    outputs: list[int]
    writes: dict[int, int]
    finals: list[int]
    names: dict[int, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many nodes."""
        return len(self.code)
