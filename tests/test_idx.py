"""The IDX reader: right arrays from good files, one kind of error from everything else."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradx.data import read_idx
from microgradx.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def header(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def idx(array):
    code = CODES[array.dtype.str[1:]]
    return header(code, *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
GOOD = idx(IMAGES)


@pytest.mark.quick
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("dtype", CODES)
def test_every_type_is_read_in_native_byte_order(tmp_path, dtype, pack):
    expected = np.array([[1, 2, 3], [100, 0, 7]], dtype)
    path = tmp_path / "some-file"
    path.write_bytes(pack(idx(expected)))
    array = read_idx(path)
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    assert array.flags.writeable
    assert array.flags.owndata or array.base is not None


def test_the_bytes_of_the_definition(tmp_path):
    path = tmp_path / "ints"
    path.write_bytes(bytes.fromhex("00000c02 00000001 00000002 00000100 ffffffff"))
    assert read_idx(path).tolist() == [[256, -1]]


def test_an_empty_array_is_an_array(tmp_path):
    path = tmp_path / "none"
    path.write_bytes(header(8, 0, 28, 28))
    assert read_idx(path).shape == (0, 28, 28)


gz = gzip.compress(GOOD, mtime=0)
flipped_crc = gz[:-8] + bytes([gz[-8] ^ 1]) + gz[-7:]
DAMAGED = {
    "empty": (b"", "no IDX magic number"),
    "magic cut": (GOOD[:3], "no IDX magic number"),
    "magic not zero": (b"\1" + GOOD[1:], "no IDX magic number"),
    "unknown type": (header(0x0A, 1) + b"1", "no IDX magic number"),
    "no dimension": (header(8) + b"1", "announces 0 dimensions"),
    "255 dimensions": (header(8, *[1] * 255) + b"1", "announces 255 dimensions"),
    "header cut": (GOOD[:9], "ends within its header"),
    "truncated": (GOOD[:-1], "announces 24 bytes of data, the file holds only 23"),
    "trailing": (GOOD + b"\0", "announces 24 bytes of data, the file holds more"),
    "too large": (header(8, 2**32 - 1, 2**32 - 1), "over 1073741824 bytes"),
    "zero times huge": (header(8, 0, 2**32 - 1, 2**32 - 1), "over 1073741824 bytes"),
    "wraps to nothing": (header(0x0E, *[2**16] * 4), "over 1073741824 bytes"),
    "web page": (b"<!DOCTYPE html><html>No such file</html>", "this is a web page"),
    "web page, gzipped": (gzip.compress(b"\n<html></html>"), "this is a web page"),
    "pickle": (b"\x80\x04K\x01.", "no IDX magic number"),
    "gzip cut": (gz[:-9], "gzip stream is damaged"),
    "gzip without its end": (gz[:-8], "gzip stream is damaged"),
    "gzip header only": (gz[:5], "gzip stream is damaged"),
    "gzip check sum": (flipped_crc, "gzip stream is damaged"),
    "gzip body": (gz[:12] + b"\xff\xff" + gz[14:], "gzip stream is damaged"),
    "gzip of truncated": (gzip.compress(GOOD[:-3]), "holds only 21"),
    "gzip of trailing": (gzip.compress(GOOD + b"123"), "holds more"),
    "gzip, then rubbish": (gz + b"rubbish", "gzip stream is damaged"),
    "gzip twice": (gzip.compress(gz), "no IDX magic number"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named(tmp_path, name):
    content, message = DAMAGED[name]
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\)"):
        read_idx(tmp_path / "missing")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        read_idx(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read_idx("nul\0byte")


def peak_memory(path):
    tracemalloc.start()
    try:
        with pytest.raises(DataError):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_header_alone_takes_no_memory(tmp_path):
    path = tmp_path / "claims"
    path.write_bytes(header(8, 2**29) + b"few")
    assert peak_memory(path) < 8 << 20


def test_a_compressed_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(64 << 20)))
    assert peak_memory(path) < 8 << 20


def test_max_bytes_is_a_choice(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(GOOD)
    with pytest.raises(DataError, match="over 23 bytes"):
        read_idx(path, max_bytes=23)
    np.testing.assert_array_equal(read_idx(path, max_bytes=24), IMAGES)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "file"


def only_data_errors(path, content):
    path.write_bytes(content)
    try:
        return read_idx(path)
    except DataError:
        return None


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(fuzzed, content):
    only_data_errors(fuzzed, content)


@given(
    st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E]),
    st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), max_size=6),
    st.binary(max_size=64),
    st.booleans(),
)
def test_any_header_agrees_with_its_data_or_is_refused(fuzzed, code, shape, data, zipped):
    content = header(code, *shape) + data
    array = only_data_errors(fuzzed, gzip.compress(content) if zipped else content)
    if array is not None:
        assert array.shape == tuple(shape)
        assert array.nbytes == len(data)


@given(st.integers(0, len(gz) - 1), st.integers(1, 255))
def test_a_changed_byte_of_a_gzipped_file_never_changes_the_array(fuzzed, position, flip):
    content = bytearray(gz)
    content[position] ^= flip
    array = only_data_errors(fuzzed, bytes(content))
    if array is not None:  # the byte was the time stamp or the like
        np.testing.assert_array_equal(array, IMAGES)
