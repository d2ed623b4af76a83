"""Download MNIST and Fashion-MNIST, once, into a cache directory (the extra ``data``).

pooch does the work: it streams to a temporary file, checks the sha256 before the file takes its
name, and finds the cache directory of the platform. Mirrors are tried in order.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
        "sha256": {  # of the gzipped files, as published
            "train-images-idx3-ubyte":
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte":
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte":
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte":
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    },
    "fashion-mnist": {
        "mirrors": (
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        "sha256": {
            "train-images-idx3-ubyte":
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte":
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte":
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte":
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    },
}  # fmt: skip


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
        Where to keep them; by default a directory `name` in ``microgradx`` in the user's cache
        directory, or in what the environment variable ``MICROGRADX_DATA`` names.
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
        If pooch is not installed, the directory cannot be written, no mirror answers, or what
        they send is not the data set (the sha256 of each file is known).
    """
    if name not in _SOURCES:
        raise DataError("fetch", f"{name!r} is no data set here", f"Use {' or '.join(_SOURCES)}")
    try:
        import pooch  # noqa: PLC0415 - an extra
    except ImportError:
        remedy = "Run: pip install 'microgradx[data]', or pass the directory that has the files"
        raise DataError("fetch", "pooch is not installed", remedy) from None
    source = _SOURCES[name]
    home = os.environ.get("MICROGRADX_DATA") or pooch.os_cache("microgradx")
    folder = Path(home) / name if directory is None else Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"{str(folder)!r} cannot be a directory for the files ({error.strerror})"
        raise DataError("fetch", problem, "Choose another, or set MICROGRADX_DATA") from None
    for stem, sha256 in source["sha256"].items():
        if not (folder / stem).exists():  # unpacked, put there by the user
            _download(pooch, stem, sha256, folder, progress, mirrors or source["mirrors"])
    return folder


def _download(
    pooch: Any, stem: str, sha256: str, folder: Path, progress: bool, mirrors: Sequence[str]
) -> None:
    """One gzipped file, from the first mirror that has it, unless it is there."""
    pooch.get_logger().setLevel("WARNING")
    reason = ""
    for mirror in mirrors:
        try:
            pooch.retrieve(
                f"{mirror}{stem}.gz",
                known_hash=f"sha256:{sha256}",
                fname=f"{stem}.gz",
                path=folder,
                downloader=pooch.HTTPDownloader(progressbar=progress, timeout=20),
            )
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the next mirror may do
            reason = reason or _reason(error, urlsplit(mirror).netloc)
        else:
            return
    remedy = "Check the network, or pass the directory of the files; data.digits() needs neither"
    raise DataError("fetch", f"no mirror gave {stem}.gz ({reason})", remedy)


def _reason(error: Exception, host: str) -> str:
    """What went wrong, without the long messages of the network's libraries."""
    answer = getattr(error, "response", None)
    if answer is not None:
        return f"{host} answered {answer.status_code}"
    if isinstance(error, ValueError):  # of pooch, after the hash
        return f"{host} sent something else"
    if type(error).__module__.startswith("requests"):
        return f"no connection to {host}"
    return f"{type(error).__name__}: {error}"
