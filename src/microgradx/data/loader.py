"""`DataLoader` and `TensorDataset`: mini-batches under PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.data.minibatch import Batches
from microgradx.errors import DataError

__all__ = ["DataLoader", "TensorDataset"]


class TensorDataset:
    """Arrays that are cut into rows together.

    Parameters
    ----------
    *tensors : Tensor or array_like, shape (n, ...)
        For example images and labels.

    Examples
    --------
    >>> pairs = TensorDataset(np.eye(2), [0, 1])
    >>> len(pairs), pairs[1]
    (2, (array([0., 1.]), np.int64(1)))
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(np.asarray(t) for t in tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(t[index] for t in self.tensors)


class DataLoader(Batches):
    """Iterate over a data set in mini-batches; `Batches` with PyTorch's arguments.

    Parameters
    ----------
    dataset : TensorDataset, tuple of arrays, or sequence of tuples
        Rows, or arrays of rows. A sequence of items is gone through once, at the start.
    batch_size : int, optional
        Rows in a batch.
    shuffle : bool, optional
        Draw a new order for every epoch.
    drop_last : bool, optional
        Leave out the last batch if it is smaller than the others.
    generator : int or numpy.random.Generator, optional
        Where orders come from.

    Raises
    ------
    DataError
        If there are no rows.
    ShapeError
        If rows differ in shape.

    Examples
    --------
    >>> for x, y in DataLoader([(0.5, 1), (1.5, 0), (2.5, 1)], batch_size=2):
    ...     print(x, y)
    [0.5 1.5] [1 0]
    [2.5] [1]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        *,
        drop_last: bool = False,
        generator: int | np.random.Generator | None = None,
    ) -> None:
        self.dataset = dataset
        arrays = dataset.tensors if isinstance(dataset, TensorDataset) else dataset
        if not (isinstance(arrays, tuple) and all(hasattr(a, "shape") for a in arrays)):
            items = [arrays[i] for i in range(len(arrays))]
            if not items:
                raise DataError("DataLoader", "the data set has no rows", "Pass some")
            arrays = tuple(np.array(column) for column in zip(*items, strict=True))
        super().__init__(
            *arrays, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, rng=generator
        )
