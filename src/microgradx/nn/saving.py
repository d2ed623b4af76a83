"""Weights in files, which PyTorch reads and writes too: ``.npz`` and ``.safetensors``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import files
from microgradx.errors import CheckpointError

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from microgradx.nn.module import Module

__all__ = ["load_weights", "save_weights"]

_LIMIT = 2 << 30


def save_weights(model: Module, path: str | os.PathLike[str]) -> None:
    """Write parameters and buffers into a file that appears whole, or not at all.

    Parameters
    ----------
    model : Module
        Whose ``state_dict`` to write.
    path : str or os.PathLike
        Ending in ``.npz``, or in ``.safetensors`` (needs the extra ``safetensors``), which
        ``safetensors.torch.load_file`` gives to PyTorch.

    Raises
    ------
    CheckpointError
        If the ending is another, or safetensors is not installed.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from microgradx import nn
    >>> model, twin = nn.Linear(2, 1, rng=0), nn.Linear(2, 1, rng=1)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_weights(model, f"{directory}/line.npz")
    ...     _ = load_weights(twin, f"{directory}/line.npz")
    >>> bool((twin.weight == model.weight).all())
    True
    """
    arrays = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    if _kind(path) == ".npz":
        files.save_arrays(path, arrays)
        return
    content = _safetensors(path).save({k: np.asarray(a, order="C") for k, a in arrays.items()})
    with files.atomic(path) as file:
        file.write(content)


def load_weights(
    model: Module, path: str | os.PathLike[str], strict: bool = True
) -> tuple[list[str], list[str]]:
    """Read a file of weights into a model.

    Parameters
    ----------
    model : Module
        Built as it was when they were saved.
    path : str or os.PathLike
        As for `save_weights`; an ``.npz`` file may also come from ``numpy.savez(path, **arrays)``,
        with the model's keys.
    strict : bool, optional
        Whether the keys must be exactly those of the model.

    Returns
    -------
    tuple of (list of str, list of str)
        Keys that were missing, and keys that the model does not have.

    Raises
    ------
    CheckpointError
        If the file is damaged or does not fit; nothing has been changed then.
    OSError
        If the file cannot be read.
    """
    if _kind(path) == ".npz":
        return model.load_state_dict(files.load_arrays(path, foreign=True), strict)
    return model.load_state_dict(_read_safetensors(path), strict)


def _kind(path: str | os.PathLike[str]) -> str:
    ending = Path(path).suffix
    if ending not in {".npz", ".safetensors"}:
        problem = f"files that end in {ending!r} are not known"
        raise CheckpointError(str(path), problem, "Use .npz or .safetensors")
    return ending


def _safetensors(path: str | os.PathLike[str]) -> Any:
    try:
        from safetensors import numpy  # noqa: PLC0415 - an extra
    except ImportError:
        remedy = "Run: pip install 'microgradx[safetensors]', or use .npz"
        raise CheckpointError(str(path), "safetensors is not installed", remedy) from None
    return numpy


def _read_safetensors(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    numpy = _safetensors(path)
    if Path(path).stat().st_size > _LIMIT:
        raise CheckpointError(str(path), "the file is larger than 2 GB")
    try:
        arrays: dict[str, NDArray[Any]] = numpy.load(Path(path).read_bytes())
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises what it likes on bad bytes
        problem = f"this is no file of safetensors ({str(error).rstrip('.')})"
        raise CheckpointError(str(path), problem) from None
    return arrays
