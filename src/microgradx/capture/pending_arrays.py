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

    __slots__ = ("home",)

    def __init__(self, home: Any) -> None:
        self.home = home

    def settle(self) -> Any:
        """The gradient as an array of the caller's own."""
        return self.home.copy()

    def __getattr__(self, name: str) -> Any:
        # Rooms that look at ``_grad`` itself (drawings, optimisers) find an array there.
        return getattr(self.home, name)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.home.astype(dtype) if dtype is not None else self.home.copy()

    def __add__(self, other: Any) -> Any:
        return self.home + other

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return self.home.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (self.home.copy(),)
