"""Files of arrays that are whole or not there: atomic writing, and ``.npz`` with a digest.

Nothing here runs code from a file, builds a path from its content, or takes much more memory than
the file is large.
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import secrets
import zipfile
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike, NDArray

__all__ = ["atomic", "check_writable", "load_arrays", "save_arrays"]

_DIGEST = 64  # characters at the end of a file: the sha256 of all that stands before them
_SUFFIX = ".npy"
_KINDS = "biufcmMSU"  # of dtypes: numbers, times and strings, but no objects and no records


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file that appears whole under its name, or not at all.

    The bytes go to a temporary file in the same directory, are forced to the disk, and only then
    take the name. Whatever goes wrong before, an interrupt included, leaves the old file as it was
    and nothing else behind.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write; its directory must exist. A symbolic link is followed.

    Yields
    ------
    file : binary file
        What to write to.

    Raises
    ------
    OSError
        If the file cannot be written, or `path` is something else than a file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     target = Path(directory, "note")
    ...     with atomic(target) as file:
    ...         _ = file.write(b"whole")
    ...     target.read_bytes()
    b'whole'
    """
    target, temporary = _places(path)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _places(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """The file that `path` stands for, and a new name beside it."""
    target = Path(path).resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not target.is_file():  # replacing a device or a socket would remove it
        raise FileExistsError(errno.EEXIST, "Not a regular file", str(path))
    if target.exists() and not os.access(target, os.W_OK):  # replacing asks the directory alone
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return target, target.with_name(f".{target.name[:80]}.{secrets.token_hex(8)}.tmp")


def _sync_directory(directory: Path) -> None:
    """Make a new name survive a loss of power, where directories can be synchronised."""
    with suppress(
        OSError
    ):  # Windows and some network drives cannot; the file is whole all the same
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Make sure that `path` can be written, before hours of work depend on it.

    Parameters
    ----------
    path : str or os.PathLike
        A file that `atomic` shall write later. It is not touched.

    Raises
    ------
    CheckpointError
        If its directory is missing or not writable, or `path` is something else than a file.

    Examples
    --------
    >>> check_writable("no/such/place/weights.npz")
    Traceback (most recent call last):
    microgradx.errors.CheckpointError: no/such/place/weights.npz: cannot be written (No such file \
or directory). Choose a file in a directory that exists and may be written.
    """
    try:
        _, temporary = _places(path)
        temporary.open("xb").close()
        temporary.unlink()
    except (OSError, RuntimeError, ValueError) as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str | os.PathLike[str], error: Exception) -> CheckpointError:
    return CheckpointError(
        str(path),
        f"cannot be written ({getattr(error, 'strerror', None) or error})",
        "Choose a file in a directory that exists and may be written",
    )


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, ArrayLike]) -> None:
    """Save named arrays as one ``.npz`` file, atomically.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write, under exactly this name; an old one is replaced.
    arrays : mapping of str to array_like
        What to save: numbers, times or strings of any shape. Order is kept.

    Raises
    ------
    CheckpointError
        If a name cannot stand in the file, an array is of another kind, or the file cannot be
        written. The old file is then as it was.

    Notes
    -----
    The members are stored, not compressed, and dated 1980: equal arrays give equal files. The
    file ends in a comment of the zip format, with a digest of every byte before it; so
    ``numpy.load`` reads the file, and `load_arrays` notices each changed bit.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_arrays(f"{directory}/w.npz", {"weight": [[1.0, 2.0]], "bias": [0.5]})
    ...     load_arrays(f"{directory}/w.npz")
    {'weight': array([[1., 2.]]), 'bias': array([0.5])}
    """
    members = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in members.items():
        if not name or not name.isprintable():
            raise CheckpointError("save_arrays", f"no array can be saved under the name {name!r}")
        if array.dtype.kind not in _KINDS:
            raise CheckpointError(
                "save_arrays",
                f"{name!r} has dtype {array.dtype}, which cannot be saved without pickle",
                "Turn it into an array of numbers or strings",
            )
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as pack:
        pack.comment = b"sha256:" + bytes(_DIGEST)
        for name, array in members.items():
            with pack.open(zipfile.ZipInfo(name + _SUFFIX), "w", force_zip64=True) as npy:
                np.lib.format.write_array(npy, array, version=(1, 0), allow_pickle=False)
    content = buffer.getvalue()[:-_DIGEST]
    try:
        with atomic(path) as file:
            file.write(content)
            file.write(_digest(content))
    except (OSError, RuntimeError, ValueError) as error:
        raise _unwritable(path, error) from error


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def load_arrays(path: str | os.PathLike[str], *, foreign: bool = False) -> dict[str, NDArray[Any]]:
    """Load what `save_arrays` saved, if every bit of it is as it was.

    Parameters
    ----------
    path : str or os.PathLike
        The file.
    foreign : bool, optional
        Whether to take files of ``numpy.savez`` too. Those have no digest: a changed bit is
        noticed by the checksums of the zip format alone.

    Returns
    -------
    dict of str to ndarray
        The arrays under their names, in the order they were saved; writable.

    Raises
    ------
    CheckpointError
        If the file cannot be read, is damaged, or was not written by `save_arrays`. No other
        exception comes out of any file, and nothing in a file is ever executed.

    Examples
    --------
    >>> load_arrays("no-such-file.npz")
    Traceback (most recent call last):
    microgradx.errors.CheckpointError: no-such-file.npz: cannot be read (No such file or directory).
    """
    where = str(path)
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(where, f"cannot be read ({reason})") from error
    plain = foreign and _without_comment(content)
    if not plain and _digest(memoryview(content)[:-_DIGEST]) != content[-_DIGEST:]:
        problem = "is damaged, or was not written by save_arrays: it does not end in its digest"
        raise CheckpointError(where, problem, "Save it again, or take another copy")
    try:
        with zipfile.ZipFile(BytesIO(content)) as pack:
            return _members(pack, len(content))
    except Exception as error:  # whatever the parsers of zip and npy stumble over is in the file
        writer = "numpy.savez" if plain else "save_arrays"
        remedy = "Save arrays of numbers with numpy.savez, not compressed" if plain else ""
        raise CheckpointError(where, f"is no file of {writer} ({error})", remedy) from error


def _without_comment(content: bytes) -> bool:
    """Whether a zip file ends without a comment: none of ours does, not even a damaged one."""
    return content[-22:-18] == b"PK\5\6" and content[-2:] == bytes(2)


def _members(pack: zipfile.ZipFile, size: int) -> dict[str, NDArray[Any]]:
    """All arrays of an open file of `size` bytes; a ValueError where it is not as we write it."""
    members = pack.infolist()
    # Stored members that together fit into the file cannot unpack to more than the file.
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("a member is compressed")
    if sum(member.file_size for member in members) > size:
        raise ValueError("its members are larger than the file")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two members have the same name")
    arrays = {}
    for member in members:
        name, suffix = member.filename[: -len(_SUFFIX)], member.filename[-len(_SUFFIX) :]
        if suffix != _SUFFIX:
            raise ValueError(f"{member.filename!r} is no array")
        arrays[name] = _array(pack.read(member))
    return arrays


def _array(content: bytes) -> NDArray[Any]:
    """The array in the bytes of an ``.npy`` file, sizes checked before any memory is taken."""
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"version {version} of the npy format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    data = content[file.tell() :]
    if dtype.kind not in _KINDS:
        raise ValueError(f"dtype {dtype}")
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"shape {shape} of {dtype} is not {len(data)} bytes")
    return np.ndarray(shape, dtype, bytearray(data), order="F" if fortran else "C")
