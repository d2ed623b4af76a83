"""`PendingArray`: a gradient that lies in a program's memory until somebody looks at it."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["PendingArray"]


class PendingArray:
    """What ``_grad`` of a Tensor holds after a replay; reading ``grad`` copies it out.

    A replay overwrites its gradients, and an array that the user keeps must not change, so each
    look gets an array of its own. Training loops that never look pay nothing.
    """

    __slots__ = ("home", "rate")

    def __init__(self, home: Any, rate: Any = None) -> None:
        self.home, self.rate = home, rate

    def settle(self) -> Any:
        """The gradient as an array of the caller's own."""
        return self.home.copy() if self.rate is None else self.home / self.rate

    def __getattr__(self, name: str) -> Any:
        # Rooms that look at ``_grad`` itself (drawings, optimisers) find an array there.
        return getattr(self.settle(), name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        found = self.settle()
        return found if dtype is None else found.astype(dtype)

    def __add__(self, other: Any) -> Any:
        return self.settle() + other

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.settle()

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (self.settle(),)
