"""What happened in a training: one list of numbers for each thing measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from microgradx.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["History"]


class History:
    """Measures by epoch, and why the training ended.

    Attributes
    ----------
    history : dict of str to list of float
        ``"loss"``, ``"val_loss"``, ``"lr"``, ``"grad_norm"``, ``"update_ratio"``, ``"seconds"``
        and the metrics, one number an epoch.
    monitor : str
        The measure that decides which epoch was the best.
    stopped : str
        ``"epochs"`` (all done), ``"patience"``, ``"gradient"``, ``"interrupted"`` or
        ``"callback"``.

    Examples
    --------
    >>> record = History("loss")
    >>> for loss in (3.0, 1.0, 2.0):
    ...     record.add({"loss": loss})
    >>> record["loss"], record.best_epoch
    ([3.0, 1.0, 2.0], 2)
    """

    def __init__(self, monitor: str = "loss") -> None:
        self.history: dict[str, list[float]] = {}
        self.monitor = monitor
        self.stopped = ""

    def add(self, measures: dict[str, float]) -> None:
        """Write one epoch down.

        Parameters
        ----------
        measures : dict of str to float
            What was not measured in an epoch is nan there.
        """
        before = len(self)
        for name in measures:
            self.history.setdefault(name, [math.nan] * before)
        for name, numbers in self.history.items():
            numbers.append(float(measures.get(name, math.nan)))

    def __getitem__(self, name: str) -> list[float]:
        return self.history[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.history)

    def __len__(self) -> int:
        return len(next(iter(self.history.values()), []))

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, whose `monitor` was the lowest (highest for accuracy)."""
        numbers = [_rank(self.monitor, x) for x in self.history.get(self.monitor, [])]
        return numbers.index(min(numbers)) + 1 if numbers else 0

    def improved(self) -> bool:
        """Whether the last epoch is the best so far."""
        return len(self) > 0 and self.best_epoch == len(self)

    def last(self) -> dict[str, float]:
        """The measures of the last epoch."""
        return {name: numbers[-1] for name, numbers in self.history.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"history": self.history, "monitor": self.monitor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        history = {name: [float(x) for x in numbers] for name, numbers in state["history"].items()}
        if len({len(numbers) for numbers in history.values()}) > 1:
            problem = "measures of different numbers of epochs"
            raise CheckpointError("History.load_state_dict", problem)
        self.history = history

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.last().items())
        return f"History({len(self)} epochs, best {self.best_epoch}: {last})"


def _rank(name: str, value: float) -> float:
    if math.isnan(value):
        return math.inf
    return -value if name.endswith(("accuracy", "r2", "f1")) else value
