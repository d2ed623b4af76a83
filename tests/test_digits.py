"""The digits inside the package, and MNIST from its four files."""

import gzip
import hashlib
import importlib.util
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from microgradx.data import digits, digits_source, mnist
from microgradx.errors import DataError

ROOT = Path(__file__).parent.parent
PACK = ROOT / "src/microgradx/data/digits.npz"
MNIST = Path(os.environ.get("MICROGRADX_MNIST", "no MNIST here"))
needs_mnist = pytest.mark.skipif(
    not MNIST.is_dir(), reason="set MICROGRADX_MNIST to a directory with the four IDX files"
)


@pytest.mark.quick
def test_a_thousand_and_two_hundred_of_each_class():
    x_train, y_train, x_test, y_test = digits()
    assert (x_train.shape, x_test.shape) == ((10_000, 28, 28), (2_000, 28, 28))
    assert (x_train.dtype, y_train.dtype) == (np.uint8, np.int64)
    assert np.bincount(y_train).tolist() == [1000] * 10
    assert np.bincount(y_test).tolist() == [200] * 10
    assert x_train.max() == 255
    assert x_train.min() == 0


def test_the_source_names_every_image_once():
    train, test = digits_source()
    assert (len(np.unique(train)), len(np.unique(test))) == (10_000, 2_000)
    assert 0 <= train[0] < train[-1] < 60_000
    assert 0 <= test[0] < test[-1] < 10_000


def test_arrays_are_the_callers_own():
    x_train = digits().x_train
    x_train[:] = 0
    assert digits().x_train.any()


def test_the_pack_is_small_and_needs_only_zlib():
    assert PACK.stat().st_size <= 2_000_000
    with zipfile.ZipFile(PACK) as pack:
        assert {member.compress_type for member in pack.infolist()} <= {
            zipfile.ZIP_DEFLATED,
            zipfile.ZIP_STORED,
        }


def test_licence_and_provenance_lie_beside_the_pack():
    assert "CC BY-SA 3.0" in (PACK.parent / "LICENSE-MNIST").read_text()
    assert "default_rng(784)" in (PACK.parent / "DIGITS.md").read_text()


def test_a_damaged_pack_is_a_data_error(tmp_path, monkeypatch):
    damaged = bytearray(PACK.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "digits.npz").write_bytes(damaged)
    monkeypatch.setattr("microgradx.data.handwritten.resources.files", lambda _: tmp_path)
    with pytest.raises(DataError, match="digits inside the package are damaged"):
        digits()


@needs_mnist
def test_the_pack_is_what_mnist_says():
    full = mnist(MNIST)
    train, test = digits_source()
    small = digits()
    np.testing.assert_array_equal(small.x_train, full.x_train[train])
    np.testing.assert_array_equal(small.y_train, full.y_train[train])
    np.testing.assert_array_equal(small.x_test, full.x_test[test])
    np.testing.assert_array_equal(small.y_test, full.y_test[test])


@needs_mnist
def test_the_recorded_seed_draws_the_pack():
    spec = importlib.util.spec_from_file_location("cut_digits", ROOT / "tools/cut_digits.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    with np.load(PACK) as pack:
        for name, array in tool.cut(MNIST).items():
            np.testing.assert_array_equal(array, pack[name], strict=True)


@needs_mnist
def test_mnist_is_the_known_one():
    sums = dict(
        reversed(line.split())
        for line in (PACK.parent / "DIGITS.md").read_text().splitlines()
        if line.endswith("-ubyte")
    )
    assert len(sums) == 4
    for name, digest in sums.items():
        content = gzip.decompress((MNIST / f"{name}.gz").read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest


def images(count, side=28):
    return struct.pack(">4B3I", 0, 0, 8, 3, count, side, side) + bytes(count * side * side)


def labels(*values):
    return struct.pack(">4BI", 0, 0, 8, 1, len(values)) + bytes(values)


TINY = {
    "train-images-idx3-ubyte": images(3),
    "train-labels-idx1-ubyte": labels(0, 9, 5),
    "t10k-images-idx3-ubyte": images(2),
    "t10k-labels-idx1-ubyte": labels(1, 2),
}


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_four_files_plain_or_gzipped(tmp_path):
    write(tmp_path, TINY)
    zipped = tmp_path / "t10k-images-idx3-ubyte"
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(zipped.read_bytes()))
    zipped.unlink()
    tiny = mnist(tmp_path)
    assert tiny.x_train.shape == (3, 28, 28)
    assert tiny.x_test.shape == (2, 28, 28)
    assert tiny.y_train.tolist() == [0, 9, 5]
    assert tiny.y_train.dtype == np.int64


WRONG = {
    "no images": ({"train-images-idx3-ubyte": images(0)}, "not images of 28 by 28 bytes"),
    "other size": ({"t10k-images-idx3-ubyte": images(2, 27)}, "not images of 28 by 28 bytes"),
    "labels for images": ({"train-images-idx3-ubyte": labels(1)}, "not images of 28 by 28 bytes"),
    "images for labels": ({"train-labels-idx1-ubyte": images(3)}, "not one byte for each of 3"),
    "a label too many": ({"t10k-labels-idx1-ubyte": labels(1, 2, 3)}, "not one byte for each of 2"),
    "no digit": ({"t10k-labels-idx1-ubyte": labels(1, 10)}, "the label 10, which is no digit"),
    "damaged": ({"t10k-labels-idx1-ubyte": labels(1, 2)[:-1]}, "the file holds only 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_files_that_do_not_fit(tmp_path, name):
    files, message = WRONG[name]
    write(tmp_path, TINY | files)
    with pytest.raises(DataError) as caught:
        mnist(tmp_path)
    assert message in str(caught.value)
    assert next(iter(files)) in str(caught.value)


@pytest.mark.parametrize("name", TINY)
def test_a_missing_file_is_named(tmp_path, name):
    write(tmp_path, TINY)
    (tmp_path / name).unlink()
    with pytest.raises(DataError, match=f"has neither {name} nor {name}.gz"):
        mnist(tmp_path)
