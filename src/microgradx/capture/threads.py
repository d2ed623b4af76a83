"""How many threads BLAS uses: asked and told through the library that NumPy itself ships.

Two threads make small products slower, and on a busy machine by 30 to 100 times: they wait for
each other by yielding. So a captured step uses one, unless its products are large.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Threads", "blas"]


class Threads:
    """The two calls of a BLAS library that matter here."""

    def __init__(self, get: Callable[[], int], put: Callable[[int], None], name: str) -> None:
        self.get, self.set, self.name = get, put, name


@functools.cache
def blas() -> Threads | None:
    """NumPy's own OpenBLAS, or None where NumPy was built with something else."""
    root = Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs", root / ".libs"):
        for path in sorted(folder.glob("*openblas*")) if folder.is_dir() else []:
            found = _open(path)
            if found is not None:
                return found
    return None


def _open(path: Path) -> Threads | None:
    try:
        library: Any = ctypes.CDLL(str(path))
    except OSError:
        return None
    for prefix in ("scipy_", ""):
        for suffix in ("64_", ""):
            get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
            put = getattr(library, f"{prefix}openblas_set_num_threads{suffix}", None)
            if get is not None and put is not None:
                get.restype, get.argtypes = ctypes.c_int, []
                put.restype, put.argtypes = None, [ctypes.c_int]
                return Threads(get, put, path.name)
    return None
