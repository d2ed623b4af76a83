"""What an adapter is: how one library runs a function and pulls a cotangent back through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Adapter", "Array", "Gradients", "Pulled", "Ran", "is_differentiable", "lifted"]

Array = NDArray[Any]
Gradients = list[Array | None]


class Pulled(Protocol):
    """A function run once at one point, ready to pull cotangents back."""

    output: Array

    def pull(self, cotangent: Array) -> Gradients:
        """Gradient for each input; None where the library has none."""

    def data(self) -> list[Array]:
        """The inputs as the library holds them now."""


class Adapter(Protocol):
    """How one library runs and differentiates a function."""

    name: str
    owns_gradients: bool  # each gradient has memory of its own
    has_leaves: bool  # one object in two positions gets one gradient: the sum

    def forward(self, f: Callable[..., Any], inputs: Sequence[Any]) -> Array:
        """``f(*inputs)`` as an array; `inputs` are arrays and constants."""

    def run(self, f: Callable[..., Any], inputs: Sequence[Any], share: Sequence[int]) -> Pulled:
        """Run `f` and keep what its gradient needs; equal numbers in `share` are one object."""

    def frozen(self, run: Pulled) -> Any:
        """Context in which whatever the gradient rules are handed is read-only."""

    def pullback(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """``(*inputs, v) -> gradients``, flattened into one, as a function of the library."""


def is_differentiable(x: Any) -> bool:
    """Whether a prepared input is differentiated: a floating array.

    Parameters
    ----------
    x : object
        An input of the function under test.

    Returns
    -------
    bool
        False for everything else: that is held fixed.
    """
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def lifted(lift: Callable[[Any], Any], inputs: Sequence[Any], share: Sequence[int]) -> list[Any]:
    """Lift each distinct floating input once; equal numbers in `share` get the same object."""
    objects = {i: lift(inputs[i]) if is_differentiable(inputs[i]) else inputs[i] for i in share}
    return [objects[i] for i in share]


class Ran:
    """Output and a closure over the library's own state."""

    def __init__(
        self, output: Any, pull: Callable[[Array], Gradients], data: Callable[[], list[Array]]
    ) -> None:
        self.output = np.asarray(output)
        self.pull = pull
        self.data = data
        self.root: Any = None
