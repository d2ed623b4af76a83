"""Read IDX files, the format of MNIST: a header of big-endian sizes, then the numbers.

The reader is strict: training on a damaged file does not fail, it quietly learns nothing.
"""

from __future__ import annotations

import gzip
import math
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from microgradx.errors import DataError

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["read_idx"]

# Third byte of the magic number -> type of the numbers, as they stand in the file.
_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_MAX_NDIM = 32  # of every NumPy that is supported; IDX itself would allow 255


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 1 << 30) -> NDArray[Any]:
    """Read one IDX file, gzipped or plain.

    Parameters
    ----------
    path : str or os.PathLike
        The file. Whether it is gzipped is told by its content, not by its name.
    max_bytes : int, optional
        Refuse a file whose header announces more bytes of data than this (1 GiB). Memory grows
        with what the file really holds, so neither a false header nor a compressed bomb can take
        more.

    Returns
    -------
    ndarray
        The numbers in the shape of the header and in native byte order: uint8, int8, int16, int32,
        float32 or float64. Writable, and nobody else's.

    Raises
    ------
    DataError
        If the file cannot be opened, is no IDX file, is shorter or longer than its header says, is
        larger than `max_bytes`, or fails the check sum of gzip.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits",
       section "File formats".

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = pathlib.Path(directory, "labels")
    ...     _ = path.write_bytes(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    where = f"read_idx({str(path)!r})"
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # also takes file descriptors' paths as they are
            magic = file.read(2)
            file.seek(0)
            if magic != _GZIP:
                return _parse(file, where, max_bytes)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _parse(unpacked, where, max_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            where, f"the gzip stream is damaged ({error})", "Fetch the file again"
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise DataError(where, f"cannot be read ({reason})", "Check the path") from error


def _parse(stream: BinaryIO | gzip.GzipFile, where: str, max_bytes: int) -> NDArray[Any]:
    """The array in an open stream that must end where the array does."""
    magic = stream.read(4)
    if magic.lstrip()[:1] == b"<":
        raise DataError(
            where,
            "this is a web page, not an IDX file",
            "The download was answered by a notice of the server; fetch the file again",
        )
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise DataError(
            where,
            f"starts with {magic!r}, which is no IDX magic number",
            "An IDX file starts with two zero bytes, a type code and the number of dimensions",
        )
    dtype, ndim = np.dtype(_DTYPES[magic[2]]), magic[3]
    if not 1 <= ndim <= _MAX_NDIM:
        raise DataError(where, f"the header announces {ndim} dimensions, not 1 to {_MAX_NDIM}")
    header = stream.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise DataError(where, "the file ends within its header", "Fetch the file again")
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    # NumPy multiplies the sizes that are not zero even where the product is zero, and so do we:
    # (0, 2**32 - 1, 2**32 - 1) holds nothing, yet cannot be an array.
    if math.prod(max(size, 1) for size in shape) * dtype.itemsize > max_bytes:
        raise DataError(
            where,
            f"the header announces {dtype.name} data of shape {shape}: over {max_bytes} bytes",
            "If that is true, pass a larger max_bytes",
            shape=shape,
        )
    size = math.prod(shape) * dtype.itemsize
    data = bytearray()
    while len(data) <= size:  # one byte more than announced, for an end of file or a check sum
        chunk = stream.read(min(_CHUNK, size + 1 - len(data)))
        if not chunk:
            break
        data += chunk
    if len(data) != size:
        held = f"only {len(data)}" if len(data) < size else "more"
        raise DataError(
            where,
            f"the header announces {size} bytes of data, the file holds {held}",
            "Fetch the file again",
            shape=shape,
        )
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
