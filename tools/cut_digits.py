"""Cut the digits inside the package out of the full MNIST, and say what was taken.

    python tools/cut_digits.py DIRECTORY_WITH_THE_FOUR_IDX_FILES

writes src/microgradx/data/digits.npz again, bit for bit where NumPy and zlib are the same.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from microgradx.data import mnist

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 784
PER_CLASS_TRAIN, PER_CLASS_TEST = 1000, 200
PACK = Path(__file__).parent.parent / "src/microgradx/data/digits.npz"


def choose(
    labels: NDArray[np.int64], per_class: int, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Positions of `per_class` images of each digit, ascending.

    Not the first ones: the halves of MNIST's test set were written by different people, and the
    first 2,000 images are harder than the rest.
    """
    chosen = [
        rng.choice(np.flatnonzero(labels == digit), per_class, replace=False) for digit in range(10)
    ]
    return np.sort(np.concatenate(chosen)).astype(np.uint16)


def cut(directory: str) -> dict[str, NDArray[np.uint8] | NDArray[np.uint16]]:
    """The six arrays of the pack."""
    x_train, y_train, x_test, y_test = mnist(directory)
    rng = np.random.default_rng(SEED)
    i_train = choose(y_train, PER_CLASS_TRAIN, rng)
    i_test = choose(y_test, PER_CLASS_TEST, rng)
    return {
        "x_train": x_train[i_train],
        "y_train": y_train[i_train].astype(np.uint8),
        "i_train": i_train,
        "x_test": x_test[i_test],
        "y_test": y_test[i_test].astype(np.uint8),
        "i_test": i_test,
    }


def main() -> None:
    """Write the pack."""
    # By hand, as np.savez_compressed takes zlib's level 6: 2.01 MB instead of 1.97 MB.
    with zipfile.ZipFile(PACK, "w") as pack:
        for name, array in cut(sys.argv[1]).items():
            npy = io.BytesIO()
            np.lib.format.write_array(npy, array, allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: the same bytes on every day
            pack.writestr(member, npy.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    print(f"{PACK}: {PACK.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
