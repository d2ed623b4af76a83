"""Mini-batches: the same rows of several arrays, a few at a time, in a new order every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Batches"]


class Batches:
    """Iterate over arrays in mini-batches; each iteration is one epoch.

    Parameters
    ----------
    *arrays : array_like, shape (n, ...)
        For example images and labels: as many rows in each.
    batch_size : int
        Rows in a batch. The last batch of an epoch holds what is left.
    shuffle : bool, optional
        Draw a new order for every epoch; otherwise rows come as they stand.
    drop_last : bool, optional
        Leave out the last batch if it is smaller than the others.
    rng : int or numpy.random.Generator, optional
        Where orders come from: the same seed gives the same epochs.

    Raises
    ------
    ShapeError
        If there is no array, one has no rows, or they differ in number.
    DataError
        If `batch_size` is not a positive integer.

    Notes
    -----
    A batch is a tuple with one array for each of `arrays`. It is a copy and marked read-only: what
    computes with it may keep it without copying it again, and can be sure that it stays as it is.

    Examples
    --------
    >>> x, y = np.arange(10).reshape(5, 2), np.arange(5)
    >>> for xs, ys in Batches(x, y, batch_size=2):
    ...     print(xs.tolist(), ys.tolist())
    [[0, 1], [2, 3]] [0, 1]
    [[4, 5], [6, 7]] [2, 3]
    [[8, 9]] [4]
    """

    def __init__(
        self,
        *arrays: ArrayLike,
        batch_size: int,
        shuffle: bool = False,
        drop_last: bool = False,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        self.arrays = tuple(np.asarray(array) for array in arrays)
        shapes = [array.shape for array in self.arrays]
        if not shapes or () in shapes or len({shape[0] for shape in shapes}) > 1:
            raise ShapeError(
                "Batches",
                f"arrays of shapes {shapes} cannot be cut into rows together",
                "Pass arrays with the same first size",
                shapes=shapes,
            )
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            problem = f"a batch cannot have {batch_size!r} rows"
            raise DataError("Batches", problem, "Pass a batch_size of 1 or more")
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.rng = np.random.default_rng(rng)

    def __len__(self) -> int:
        rows = len(self.arrays[0])
        return rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], ...]]:
        rows = len(self.arrays[0])
        order = self.rng.permutation(rows) if self.shuffle else np.arange(rows)
        for i in range(len(self)):
            index = order[i * self.batch_size : (i + 1) * self.batch_size]
            batch = tuple(array[index] for array in self.arrays)
            for part in batch:
                part.flags.writeable = False
            yield batch
