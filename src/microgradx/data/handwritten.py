"""Handwritten digits: a part of MNIST inside the package, and all of it from its four files."""

from __future__ import annotations

import zipfile
import zlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from microgradx.data.download import fetch
from microgradx.data.idx import read_idx
from microgradx.errors import DataError

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["Digits", "digits", "digits_source", "fashion_mnist", "mnist"]

_SIDE, _CLASSES = 28, 10


class Digits(NamedTuple):
    """Images and labels to train with, and others to test with.

    Attributes
    ----------
    x_train, x_test : ndarray of uint8, shape (n, 28, 28)
        One grey image a row: 0 is the paper, 255 the ink.
    y_train, y_test : ndarray of int64, shape (n,)
        What is written: 0 to 9.
    """

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]


def digits() -> Digits:
    """Load the digits inside the package: 10,000 to train with, 2,000 to test with.

    They are original MNIST images, 1,000 and 200 of each class, drawn at random from MNIST's own
    training and test sets, so no writer is in both. `digits_source` says which they are.

    Returns
    -------
    Digits
        ``x_train`` of shape (10000, 28, 28), ``y_train`` (10000,), ``x_test`` (2000, 28, 28) and
        ``y_test`` (2000,), new and writable at each call. Images stay the bytes they are;
        networks like them as ``x.reshape(len(x), -1).astype(np.float32) / 255``.

    Raises
    ------
    DataError
        If the file inside the package is damaged.

    Notes
    -----
    Y. LeCun and C. Cortes hold the copyright; the licence is CC BY-SA 3.0, not the one of the
    code. See ``LICENSE-MNIST`` beside the file.

    Examples
    --------
    >>> x_train, y_train, x_test, y_test = digits()
    >>> x_train.shape, x_train.dtype, y_train[:5].tolist()
    ((10000, 28, 28), dtype('uint8'), [0, 4, 1, 4, 3])
    """
    pack = _unpack("x_train", "y_train", "x_test", "y_test")
    x_train, y_train, x_test, y_test = pack
    return Digits(x_train, y_train.astype(np.int64), x_test, y_test.astype(np.int64))


def digits_source() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tell which images of MNIST `digits` holds.

    Returns
    -------
    train, test : ndarray of int64, shapes (10000,) and (2000,)
        Positions in MNIST's training set of 60,000 and in its test set of 10,000, ascending:
        ``digits().x_train[i]`` is image ``train[i]``.

    Raises
    ------
    DataError
        If the file inside the package is damaged.

    Examples
    --------
    >>> train, test = digits_source()
    >>> int(train.max()) < 60_000, int(test.max()) < 10_000
    (True, True)
    """
    train, test = _unpack("i_train", "i_test")
    return train.astype(np.int64), test.astype(np.int64)


def _unpack(*names: str) -> tuple[NDArray[np.uint8], ...]:
    """Some of the arrays in ``digits.npz``, which tools/cut_digits.py wrote."""
    try:
        with (
            resources.files(__package__).joinpath("digits.npz").open("rb") as file,
            np.load(file, allow_pickle=False) as pack,
        ):
            return tuple(pack[name] for name in names)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            "digits", f"the digits inside the package are damaged ({error})", "Install it again"
        ) from error


def fashion_mnist(
    directory: str | os.PathLike[str] | None = None, *, progress: bool = False
) -> Digits:
    """Read Fashion-MNIST: pictures of ten kinds of clothes, in the form of MNIST.

    Parameters
    ----------
    directory : str or os.PathLike, optional
        As for `mnist`; without it, the files are downloaded once and kept.
    progress : bool, optional
        Whether to show a bar while they are.

    Returns
    -------
    Digits
        As `mnist` gives them; labels are T-shirt, trousers, pullover, dress, coat, sandal, shirt,
        sneaker, bag, ankle boot.

    Raises
    ------
    DataError
        As in `mnist`.

    References
    ----------
    .. [1] H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", 2017.
    """
    return mnist(fetch("fashion-mnist", progress=progress) if directory is None else directory)


def mnist(directory: str | os.PathLike[str] | None = None, *, progress: bool = False) -> Digits:
    """Read all of MNIST, or a data set of the same form, from its four IDX files.

    Parameters
    ----------
    directory : str or os.PathLike, optional
        Where ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte``
        and ``t10k-labels-idx1-ubyte`` lie, each as it is or gzipped with ``.gz`` at its end.
        Without it, they are downloaded once and kept; see `fetch`.
    progress : bool, optional
        Whether to show a bar while they are.

    Returns
    -------
    Digits
        For MNIST itself ``x_train`` of shape (60000, 28, 28) and ``x_test`` of shape
        (10000, 28, 28), uint8, with int64 labels.

    Raises
    ------
    DataError
        If a file is missing or damaged, images are not 28 by 28 bytes, labels are not 0 to 9, or
        a set has not as many labels as images.

    Examples
    --------
    >>> mnist("no/such/place")
    Traceback (most recent call last):
    microgradx.errors.DataError: mnist: there is no directory 'no/such/place'. Name the one that \
holds the four IDX files.
    """
    folder = fetch("mnist", progress=progress) if directory is None else Path(directory)
    if not folder.is_dir():
        problem = f"there is no directory {str(directory)!r}"
        raise DataError("mnist", problem, "Name the one that holds the four IDX files")
    return Digits(*_pair(folder, "train"), *_pair(folder, "t10k"))


def _pair(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images and labels of one of the two sets."""
    images_file = _find(folder, f"{part}-images-idx3-ubyte")
    labels_file = _find(folder, f"{part}-labels-idx1-ubyte")
    images, labels = read_idx(images_file), read_idx(labels_file)
    if images.dtype != np.uint8 or images.shape[1:] != (_SIDE, _SIDE) or not len(images):
        raise DataError(
            "mnist",
            f"{str(images_file)!r} holds {images.dtype} data of shape {images.shape}, "
            "not images of 28 by 28 bytes",
        )
    if labels.dtype != np.uint8 or labels.shape != (len(images),):
        raise DataError(
            "mnist",
            f"{str(labels_file)!r} holds {labels.dtype} data of shape {labels.shape}, "
            f"not one byte for each of {len(images)} images",
        )
    if labels.max() >= _CLASSES:
        problem = f"{str(labels_file)!r} holds the label {labels.max()}, which is no digit"
        raise DataError("mnist", problem)
    return images, labels.astype(np.int64)


def _find(folder: Path, name: str) -> Path:
    """The file of that name in `folder`, gzipped or not."""
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    raise DataError(
        "mnist",
        f"{str(folder)!r} has neither {name} nor {name}.gz",
        "It needs all four IDX files of MNIST",
    )
