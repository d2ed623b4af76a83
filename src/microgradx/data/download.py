"""Download MNIST and Fashion-MNIST, once, into a cache directory (the extra ``data``).

pooch does the work: it streams to a temporary file, checks the hash before the file takes its
name, and finds the cache directory of the platform. Mirrors are tried in order.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microgradx.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fetch"]

_SOURCES: dict[str, dict[str, Any]] = {
    "mnist": {
        "mirrors": (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        "md5": {  # of the gzipped files, as published
            "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        "sha256": {  # of what is in them
            "train-images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    },
    "fashion-mnist": {
        "mirrors": (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        "md5": {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        "sha256": {},
    },
}  # fmt: skip
_LARGEST = 64 << 20  # bytes in a file, unpacked; the largest of these has 47 MB


def fetch(
    name: str,
    directory: str | os.PathLike[str] | None = None,
    *,
    progress: bool = False,
    mirrors: Sequence[str] | None = None,
) -> Path:
    """Download a data set's four IDX files, unless they are there already.

    Parameters
    ----------
    name : {"mnist", "fashion-mnist"}
        Which data set.
    directory : str or os.PathLike, optional
        Where to keep them; by default ``microgradx`` in the user's cache directory, or what the
        environment variable ``MICROGRADX_DATA`` names.
    progress : bool, optional
        Whether to show a bar.
    mirrors : sequence of str, optional
        Addresses to try in order, each ending in a slash, instead of the known ones.

    Returns
    -------
    pathlib.Path
        The directory with the files, as `mnist` takes it.

    Raises
    ------
    DataError
        If pooch is not installed, no mirror answers, or what they send is not the data set.
    """
    if name not in _SOURCES:
        raise DataError("fetch", f"{name!r} is no data set here", f"Use {' or '.join(_SOURCES)}")
    try:
        import pooch  # noqa: PLC0415 - an extra
    except ImportError:
        remedy = "Run: pip install 'microgradx[data]', or pass the directory that has the files"
        raise DataError("fetch", "pooch is not installed", remedy) from None
    source = _SOURCES[name]
    home = directory or os.environ.get("MICROGRADX_DATA")
    folder = Path(home or Path(pooch.os_cache("microgradx")) / name)
    for stem, md5 in source["md5"].items():
        if (folder / stem).exists():
            continue
        path = _download(pooch, stem, md5, folder, progress, mirrors or source["mirrors"])
        _verify(path, source["sha256"].get(stem.partition("-idx")[0]))
    return folder


def _download(
    pooch: Any, stem: str, md5: str, folder: Path, progress: bool, mirrors: Sequence[str]
) -> Path:
    """One gzipped file, from the first mirror that has it."""
    pooch.get_logger().setLevel("WARNING")
    reason = ""
    for mirror in mirrors:
        try:
            found = pooch.retrieve(
                f"{mirror}{stem}.gz",
                known_hash=f"md5:{md5}",
                fname=f"{stem}.gz",
                path=folder,
                progressbar=progress,
                downloader=pooch.HTTPDownloader(progressbar=progress, timeout=20),
            )
            return Path(found)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the next mirror may do
            reason = reason or f"{type(error).__name__}: {str(error).splitlines()[0]}"[:200]
    remedy = "Check the network, or pass the directory of the files; data.digits() needs neither"
    raise DataError("fetch", f"no mirror gave {stem}.gz ({reason.rstrip('.')})", remedy)


def _verify(path: Path, sha256: str | None) -> None:
    """Refuse, and remove, a file whose content is not the published one."""
    if sha256 is None:
        return
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) as file:
            while part := file.read(1 << 20):
                digest.update(part)
                size += len(part)
                if size > _LARGEST:
                    break
    except (OSError, EOFError, zlib.error):
        size = -1
    if size < 0 or digest.hexdigest() != sha256:
        path.unlink()
        problem = f"{path.name} is not the published file"
        raise DataError("fetch", problem, "Try again, it was removed")
