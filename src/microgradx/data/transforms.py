"""Data preparation: transforms that learn from the training data and apply to all.

Each has ``fit``, ``transform``, ``fit_transform`` and ``inverse_transform``. Fit on the training
data only: what the test data look like must not leak into the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from microgradx.errors import DataError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Normalise", "Standardise", "Whiten", "one_hot", "split"]


TINY = np.finfo(float).tiny
"""A spread below this has no reciprocal: the feature counts as constant."""


class _Transform:
    """A shift and a linear map of the rows, learned by `fit`."""

    shift: NDArray[Any]
    matrix: NDArray[Any]
    inverse: NDArray[Any]

    def fit(self, x: ArrayLike) -> Self:
        """Learn from training data.

        Parameters
        ----------
        x : array_like, shape (n, features)
            The rows; more axes after the first count as features.

        Returns
        -------
        object
            This transform.

        Raises
        ------
        DataError
            If there are no rows, or some number is nan or infinite.
        """
        rows = self._rows(x)
        if not len(rows) or not np.isfinite(rows).all():
            what = "no rows" if not len(rows) else "numbers that are nan or infinite"
            raise DataError(
                f"{type(self).__name__}.fit", f"the data have {what}", "Clean them first"
            )
        self._learn(rows)
        return self

    def _learn(self, rows: NDArray[Any]) -> None:
        raise NotImplementedError

    @staticmethod
    def _rows(x: ArrayLike) -> NDArray[Any]:
        array = np.asarray(x)
        array = array.astype(np.float64) if array.dtype.kind != "f" else array
        return array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)

    def transform(self, x: ArrayLike) -> NDArray[Any]:
        """Apply to any rows.

        Parameters
        ----------
        x : array_like, shape (n, features)
            The rows.

        Returns
        -------
        ndarray, of the shape of `x`
            In its dtype, if that is floating.

        Raises
        ------
        ShapeError
            If there are not as many features as in `fit`.
        """
        return self._apply(x, forward=True)

    def inverse_transform(self, x: ArrayLike) -> NDArray[Any]:
        """Undo `transform`.

        Parameters
        ----------
        x : array_like, shape (n, features)
            Transformed rows.

        Returns
        -------
        ndarray, of the shape of `x`
            As they were.
        """
        return self._apply(x, forward=False)

    def fit_transform(self, x: ArrayLike) -> NDArray[Any]:
        """`fit`, and then `transform` the same rows."""
        return self.fit(x).transform(x)

    def _apply(self, x: ArrayLike, *, forward: bool) -> NDArray[Any]:
        where = type(self).__name__
        if not hasattr(self, "shift"):
            raise DataError(where, "it has learned from no data yet", "Call fit(x_train) first")
        rows = self._rows(x)
        if rows.shape[1] != self.shift.size:
            problem = (
                f"rows of {rows.shape[1]} numbers, but it learned from rows of {self.shift.size}"
            )
            raise ShapeError(where, problem, "Pass the same features")
        if forward:
            z = _times(rows - self.shift, self.matrix)
        else:
            z = _times(rows, self.inverse) + self.shift
        return z.reshape(np.shape(x)).astype(rows.dtype, copy=False)


def _times(rows: NDArray[Any], map_: NDArray[Any]) -> NDArray[Any]:
    product: NDArray[Any] = rows * map_ if map_.ndim == 1 else rows @ map_
    return product


class Normalise(_Transform):
    """Every feature from 0 to 1: ``(x - min) / (max - min)``. Constant features become 0.

    Examples
    --------
    >>> Normalise().fit_transform([[1.0], [3.0], [2.0]]).ravel()
    array([0. , 1. , 0.5])
    """

    def _learn(self, rows: NDArray[Any]) -> None:
        self.shift = rows.min(axis=0)
        spread = rows.max(axis=0) - self.shift
        self.inverse = spread
        self.matrix = 1 / np.where(spread < TINY, 1, spread)


class Standardise(_Transform):
    """Every feature with mean 0 and standard deviation 1. Constant features become 0.

    Examples
    --------
    >>> z = Standardise().fit_transform([[1.0, 5.0], [3.0, 5.0]])
    >>> z
    array([[-1.,  0.],
           [ 1.,  0.]])
    """

    def _learn(self, rows: NDArray[Any]) -> None:
        self.shift = rows.mean(axis=0)
        spread = rows.std(axis=0)
        self.inverse = spread
        self.matrix = 1 / np.where(spread < TINY, 1, spread)


class Whiten(_Transform):
    """Features with mean 0, variance 1 and no correlation: the covariance becomes the identity.

    Parameters
    ----------
    eps : float, optional
        Added to the variances, relative to the largest one: directions without spread (corners of
        pictures, copies of features) would be blown up to noise otherwise.

    Notes
    -----
    Of the many ways to whiten, this one (ZCA) stays closest to the data: with the covariance
    ``U diag(d) U^T``, ``x -> (x - mean) U diag(d + eps)^(-1/2) U^T``.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(500, 2)) @ [[2.0, 1.0], [0.0, 0.5]]
    >>> np.cov(Whiten(eps=0).fit_transform(x).T, bias=True).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """

    def __init__(self, eps: float = 1e-6) -> None:
        self.eps = eps

    def _learn(self, rows: NDArray[Any]) -> None:
        self.shift = rows.mean(axis=0)
        centred = (rows - self.shift).astype(np.float64)
        variances, axes = np.linalg.eigh(centred.T @ centred / len(rows))
        variances = np.maximum(variances, 0)
        spread = np.sqrt(variances + self.eps * variances.max(initial=0.0))
        spread = np.where(spread == 0, 1, spread)
        self.matrix = (axes / spread) @ axes.T
        self.inverse = (axes * spread) @ axes.T


def one_hot(labels: ArrayLike, classes: int | None = None) -> NDArray[np.float64]:
    """Rows of the identity: 1 at the class's place, 0 elsewhere.

    Parameters
    ----------
    labels : array_like of int, any shape
        Classes, counted from 0.
    classes : int, optional
        One more than the largest by default.

    Returns
    -------
    ndarray, shape ``(*labels.shape, classes)``
        Zeros and ones.

    Raises
    ------
    DataError
        If a label is no class.

    Examples
    --------
    >>> one_hot([2, 0])
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise DataError("one_hot", f"labels of dtype {array.dtype} are no classes", "Pass integers")
    count = int(array.max(initial=-1)) + 1 if classes is None else classes
    if array.size and (array.min() < 0 or array.max() >= count):
        problem = f"labels run from {array.min()} to {array.max()}, but there are {count} classes"
        raise DataError("one_hot", problem, "Number the classes from 0")
    rows: NDArray[np.float64] = np.equal(array[..., None], np.arange(count)).astype(np.float64)
    return rows


def split(
    *arrays: ArrayLike, part: float = 0.2, rng: int | np.random.Generator | None = None
) -> list[NDArray[Any]]:
    """Set a random part of the rows apart, the same rows of every array.

    Parameters
    ----------
    *arrays : array_like, shape (n, ...)
        For example inputs and labels.
    part : float, optional
        How much to set apart.
    rng : int or numpy.random.Generator, optional
        Where chance comes from.

    Returns
    -------
    list of ndarray
        Two for each array: what stays, and what was set apart.

    Raises
    ------
    ShapeError
        If the arrays differ in the number of rows.
    DataError
        If `part` is not between 0 and 1.

    Examples
    --------
    >>> x_train, x_test = split(np.arange(10), part=0.3, rng=0)
    >>> len(x_train), len(x_test)
    (7, 3)
    """
    found = [np.asarray(a) for a in arrays]
    if len({len(a) for a in found}) != 1:
        problem = f"arrays of {[len(a) for a in found]} rows cannot be split together"
        raise ShapeError("split", problem, "Pass arrays with the same first size")
    if not 0 < part < 1:
        raise DataError("split", f"part is {part}", "Pass a number between 0 and 1")
    order = np.random.default_rng(rng).permutation(len(found[0]))
    first = round(len(order) * part)
    return [half for a in found for half in (a[order[first:]], a[order[:first]])]
