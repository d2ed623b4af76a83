"""Measures of how good answers are. All take Tensors or arrays and give plain numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import IndexingError, ShapeError
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["accuracy", "classes_of", "confusion_matrix", "precision_recall", "r2_score"]


def _array(x: Any) -> NDArray[Any]:
    return x.numpy() if isinstance(x, Tensor) else np.asarray(x)


def classes_of(answers: Any) -> NDArray[Any]:
    """The classes that answers stand for.

    Parameters
    ----------
    answers : Tensor or array_like
        Scores of shape (n, classes): the largest wins. Floats of shape (n,) or (n, 1) are logits
        of class 1 against class 0. Integers are classes already.

    Returns
    -------
    ndarray of int, shape (n,)
        Class numbers.

    Examples
    --------
    >>> classes_of([[0.1, 0.9], [2.0, -1.0]])
    array([1, 0])
    """
    array = _array(answers)
    if array.ndim == 2 and array.shape[1] > 1:
        winners: NDArray[Any] = np.argmax(array, axis=1)
        return winners
    array = array.reshape(-1)
    return (array > 0).astype(np.int64) if array.dtype.kind == "f" else array


def _pair(answers: Any, labels: Any, where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    found, wanted = classes_of(answers), _array(labels).reshape(-1).astype(np.int64)
    if found.shape != wanted.shape:
        problem = f"{found.size} answers do not go with {wanted.size} labels"
        raise ShapeError(where, problem, "Pass one label for each answer")
    return found, wanted


def accuracy(answers: Any, labels: Any) -> float:
    """The part of answers that are right.

    Parameters
    ----------
    answers : Tensor or array_like
        As `classes_of` takes them.
    labels : array_like of int, shape (n,)
        The right classes.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ShapeError
        If there are not as many labels as answers.

    Examples
    --------
    >>> accuracy([[0.1, 0.9], [2.0, -1.0]], [1, 1])
    0.5
    """
    found, wanted = _pair(answers, labels, "accuracy")
    return float((found == wanted).mean()) if found.size else float("nan")


def confusion_matrix(answers: Any, labels: Any, classes: int | None = None) -> NDArray[np.int64]:
    """How often each class was taken for each other one.

    Parameters
    ----------
    answers : Tensor or array_like
        As `classes_of` takes them.
    labels : array_like of int, shape (n,)
        The right classes.
    classes : int, optional
        How many there are; one more than the largest seen by default.

    Returns
    -------
    ndarray of int, shape (classes, classes)
        Row: the right class; column: the answer. The diagonal is what was right.

    Raises
    ------
    ShapeError
        If there are not as many labels as answers.
    IndexingError
        If some number is no class.

    Examples
    --------
    >>> confusion_matrix([0, 1, 1, 1], [0, 0, 1, 1])
    array([[1, 1],
           [0, 2]])
    """
    found, wanted = _pair(answers, labels, "confusion_matrix")
    low = int(min(found.min(initial=0), wanted.min(initial=0)))
    high = int(max(found.max(initial=0), wanted.max(initial=0)))
    classes = high + 1 if classes is None else classes
    if low < 0 or high >= classes:
        problem = f"classes run from {low} to {high}, but there are {classes}"
        raise IndexingError("confusion_matrix", problem, "Number the classes from 0")
    pairs = np.bincount(wanted * classes + found, minlength=classes * classes)
    return pairs.reshape(classes, classes)


def precision_recall(answers: Any, labels: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Precision, recall and F1 of each class.

    Parameters
    ----------
    answers : Tensor or array_like
        As `classes_of` takes them.
    labels : array_like of int, shape (n,)
        The right classes.

    Returns
    -------
    tuple of three ndarrays, each of shape (classes,)
        Of all that was called k, the part that is k; of all that is k, the part that was called
        so; and their harmonic mean. 0 where there is nothing to divide by.

    Examples
    --------
    >>> precision, recall, f1 = precision_recall([0, 1, 1, 1], [0, 0, 1, 1])
    >>> recall
    array([0.5, 1. ])
    """
    matrix = confusion_matrix(answers, labels)
    right = matrix.diagonal().astype(float)
    precision = right / np.maximum(matrix.sum(axis=0), 1)
    recall = right / np.maximum(matrix.sum(axis=1), 1)
    both = precision + recall
    return precision, recall, 2 * precision * recall / np.where(both == 0, 1, both)


def r2_score(answers: Any, targets: Any) -> float:
    """The part of the targets' variance that the answers explain.

    Parameters
    ----------
    answers, targets : Tensor or array_like
        Of as many numbers.

    Returns
    -------
    float
        1 is perfect, 0 no better than the mean.

    Raises
    ------
    ShapeError
        If the numbers of numbers differ.

    Examples
    --------
    >>> r2_score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    1.0
    """
    x, y = _array(answers).reshape(-1), _array(targets).reshape(-1)
    if x.shape != y.shape:
        problem = f"{x.size} answers do not go with {y.size} targets"
        raise ShapeError("r2_score", problem, "Pass one target for each answer")
    spread = ((y - y.mean()) ** 2).sum()
    return float(1 - ((y - x) ** 2).sum() / spread) if spread else float(np.array_equal(x, y))
