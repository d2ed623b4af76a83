"""Files of arrays: whole or not there, and never a wrong number out of a damaged one."""

import errno
import hashlib
import io
import os
import resource
import stat
import subprocess
import sys
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from microgradx.errors import CheckpointError
from microgradx.files import atomic, check_writable, load_arrays, save_arrays

WEIGHTS = {
    "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "0.bias": np.array([-0.0, np.nan]),
    "step": np.array(7),
    "note": np.array("ähnlich"),
    "none": np.empty((0, 3), np.int8),
}


def listing(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_same(loaded, expected):
    assert list(loaded) == list(expected)
    for name, array in expected.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


@pytest.mark.quick
def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "weights.npz"
    save_arrays(path, WEIGHTS)
    loaded = load_arrays(path)
    assert_same(loaded, WEIGHTS)
    assert all(array.flags.writeable for array in loaded.values())
    assert listing(tmp_path) == ["weights.npz"]


kinds = hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes()
some_arrays = hnp.arrays(kinds, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
names = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.isprintable)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("scratch") / "file.npz"


@given(st.dictionaries(names, some_arrays, max_size=3), st.booleans())
def test_any_dictionary_of_arrays_comes_back(scratch, arrays, fortran):
    if fortran:
        arrays = {name: np.asarray(array, order="F") for name, array in arrays.items()}
    save_arrays(scratch, arrays)
    assert_same(load_arrays(scratch), arrays)


def test_numpy_reads_the_file_and_equal_arrays_give_equal_files(tmp_path):
    save_arrays(tmp_path / "a.npz", WEIGHTS)
    save_arrays(tmp_path / "b", WEIGHTS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as pack:
        np.testing.assert_array_equal(pack["0.weight"], WEIGHTS["0.weight"])


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb"])
def test_names_that_cannot_be_saved(tmp_path, name):
    with pytest.raises(CheckpointError, match="no array can be saved under the name"):
        save_arrays(tmp_path / "w.npz", {name: np.zeros(1)})


@pytest.mark.parametrize("array", [np.array([{}]), np.zeros(2, "i4,f4")], ids=["object", "record"])
def test_kinds_that_cannot_be_saved(tmp_path, array):
    with pytest.raises(CheckpointError, match="cannot be saved without pickle"):
        save_arrays(tmp_path / "w.npz", {"w": array})
    assert listing(tmp_path) == []


def sealed(content):
    """The bytes with their digest: what a forger would write, too."""
    content += b"sha256:"
    return content + hashlib.sha256(content).hexdigest().encode()


def written(files):
    """The bytes of a zip file made by other hands than ours."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as pack:
        pack.comment = bytes(71)
        for name, content in files:
            pack.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()[:-71]


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def npy_claiming(header):
    """An npy file with this header and eight bytes of data."""
    text = header.ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode() + bytes(8)


def saved(tmp_path):
    save_arrays(tmp_path / "good.npz", WEIGHTS)
    return (tmp_path / "good.npz").read_bytes()


ONE = npy(np.ones(2))
HOSTILE = {
    "empty": (b"", "no file of save_arrays"),
    "text": (b"not a zip file", "no file of save_arrays"),
    "pickle": (b"\x80\x04cos\nsystem\n", "no file of save_arrays"),
    "no array": (written([("w.txt", b"hello")]), "is no array"),
    "short name": (written([("w", ONE)]), "is no array"),
    "objects": (written([("w.npy", npy(np.array([{}]), allow_pickle=True))]), "dtype object"),
    "version 3": (written([("w.npy", npy(np.ones(1), version=(3, 0)))]), "version"),
    "cut npy": (written([("w.npy", ONE[:-1])]), "is not 15 bytes"),
    "7 TiB": (
        written(
            [("w.npy", npy_claiming("{'descr':'<f8','fortran_order':False,'shape':(2**40,)}"))]
        ),
        "no file of save_arrays",
    ),
    "huge": (
        written(
            [("w.npy", npy_claiming("{'descr':'<f8','fortran_order':False,'shape':(10**12,)}"))]
        ),
        "no file of save_arrays",
    ),
    "huge, in digits": (
        written(
            [("w.npy", npy_claiming("{'descr':'<f8','fortran_order':False,'shape':(9999999999,)}"))]
        ),
        "is not 8 bytes",
    ),
    "negative": (
        written([("w.npy", npy_claiming("{'descr':'<f8','fortran_order':False,'shape':(-1,-1)}"))]),
        "no file of save_arrays",
    ),
    "code in the header": (
        written([("w.npy", npy_claiming("{'descr':__import__('os').abort()}"))]),
        "no file of save_arrays",
    ),
    "deep header": (
        written([("w.npy", npy_claiming("(" * 100 + ")" * 10))]),
        "no file of save_arrays",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    content, message = HOSTILE[name]
    path = tmp_path / "hostile.npz"
    path.write_bytes(sealed(content))
    with pytest.raises(CheckpointError) as caught:
        load_arrays(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_a_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.comment = bytes(71)
        pack.writestr("w.npy", npy(np.zeros(1 << 22)))
    path.write_bytes(sealed(buffer.getvalue()[:-71]))
    with pytest.raises(CheckpointError, match="a member is compressed"):
        load_arrays(path)


def test_a_member_that_claims_more_than_the_file_holds(tmp_path):
    content = bytearray(written([("w.npy", ONE)]))
    size = content.index(b"PK\1\2") + 24  # of the member, in the directory of the zip file
    assert content[size : size + 4] == len(ONE).to_bytes(4, "little")
    content[size : size + 4] = (2**31).to_bytes(4, "little")
    path = tmp_path / "claims.npz"
    path.write_bytes(sealed(bytes(content)))
    with pytest.raises(CheckpointError, match="members are larger than the file"):
        load_arrays(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name(tmp_path):
    path = tmp_path / "twice.npz"
    path.write_bytes(sealed(written([("w.npy", ONE), ("w.npy", ONE)])))
    with pytest.raises(CheckpointError, match="two members have the same name"):
        load_arrays(path)


def test_files_of_others_are_refused(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, w=np.ones(2))
    with pytest.raises(CheckpointError, match="it does not end in its digest"):
        load_arrays(path)


def test_every_flipped_bit_is_noticed(tmp_path):
    content = saved(tmp_path)
    path = tmp_path / "flipped.npz"
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match="it does not end in its digest"):
            load_arrays(path)


@given(st.data())
def test_cut_files_are_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    content = saved(folder)
    path = folder / "cut.npz"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(CheckpointError):
        load_arrays(path)


@given(st.binary(max_size=300), st.integers(0, 1500))
def test_spliced_files_raise_nothing_else(tmp_path_factory, rubbish, position):
    folder = tmp_path_factory.mktemp("splice")
    content = saved(folder)[:-71]
    path = folder / "spliced.npz"
    path.write_bytes(sealed(content[:position] + rubbish + content[position + len(rubbish) :]))
    with suppress(CheckpointError):
        load_arrays(path)


def test_loading_executes_nothing(tmp_path):
    seen = set()
    watching = [True]
    sys.addaudithook(lambda event, _: seen.add(event) if watching else None)
    for content, _ in HOSTILE.values():
        (tmp_path / "w.npz").write_bytes(sealed(content))
        with pytest.raises(CheckpointError):
            load_arrays(tmp_path / "w.npz")
    watching.clear()
    assert "open" in seen  # the hook was awake
    assert not seen & {"exec", "os.system", "subprocess.Popen", "pickle.find_class", "os.mkdir"}


def failing(code):
    def fail(*_args, **_keywords):
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["pathlib.Path.open", "os.fsync", "pathlib.Path.replace"])
def test_the_old_file_survives_a_failing_disk(tmp_path, monkeypatch, call, code):
    path = tmp_path / "w.npz"
    save_arrays(path, WEIGHTS)
    with monkeypatch.context() as patch:
        patch.setattr(call, failing(code))
        with pytest.raises(CheckpointError, match=os.strerror(code)):
            save_arrays(path, {"other": np.zeros(3)})
    assert_same(load_arrays(path), WEIGHTS)
    assert listing(tmp_path) == ["w.npz"]


def test_the_old_file_survives_a_write_cut_short(tmp_path):
    path = tmp_path / "w.npz"
    save_arrays(path, WEIGHTS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(CheckpointError, match="File too large"):
            save_arrays(path, {"w": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_same(load_arrays(path), WEIGHTS)
    assert listing(tmp_path) == ["w.npz"]


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "w.npz"
    program = (
        "import sys, itertools, numpy as np; from microgradx.files import save_arrays\n"
        "for n in itertools.count():\n"
        "    save_arrays(sys.argv[1], {'n': np.full(200_000, n)}); print(n, flush=True)\n"
    )
    for saves in range(1, 21):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            done = [int(writer.stdout.readline()) for _ in range(saves)][-1]
            writer.kill()  # in the middle of the next save
        numbers = load_arrays(path)["n"]
        assert (numbers == numbers[0]).all()
        assert numbers[0] >= done


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_an_interrupted_writer_leaves_nothing(tmp_path, error):
    path = tmp_path / "note"
    path.write_bytes(b"old")

    def interrupted():
        with atomic(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["note"]


def test_a_failing_directory_sync_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr("os.open", failing(errno.EACCES))
    save_arrays(tmp_path / "w.npz", WEIGHTS)
    monkeypatch.undo()
    assert_same(load_arrays(tmp_path / "w.npz"), WEIGHTS)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "real" / "w.npz")
    save_arrays(tmp_path / "link.npz", WEIGHTS)
    assert (tmp_path / "link.npz").is_symlink()
    assert_same(load_arrays(tmp_path / "real" / "w.npz"), WEIGHTS)


def test_permissions_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        save_arrays(tmp_path / "w.npz", WEIGHTS)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "w.npz").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/w.npz", "No such file or directory"),
        (".", "Is a directory"),
        ("", "Is a directory"),
        ("file/w.npz", "Not a directory"),
        ("pipe", "Not a regular file"),
    ],
)
def test_paths_that_cannot_be_written(tmp_path, monkeypatch, path, reason):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for attempt in (lambda: check_writable(path), lambda: save_arrays(path, WEIGHTS)):
        with pytest.raises(CheckpointError) as caught:
            attempt()
        assert str(caught.value) == (
            f"{path}: cannot be written ({reason}). "
            "Choose a file in a directory that exists and may be written."
        )
    assert listing(tmp_path) == ["file", "pipe"]


def test_a_path_that_no_system_knows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for attempt in (check_writable, load_arrays, lambda path: save_arrays(path, WEIGHTS)):
        with pytest.raises(CheckpointError, match="embedded null"):
            attempt("nul\0.npz")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_directory_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CheckpointError, match="Permission denied"):
            check_writable(tmp_path / "w.npz")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_marked_read_only_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "w.npz").write_bytes(b"precious")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write what others may not
    with pytest.raises(CheckpointError, match="Permission denied"):
        save_arrays(tmp_path / "w.npz", WEIGHTS)
    assert (tmp_path / "w.npz").read_bytes() == b"precious"


def test_checking_touches_nothing(tmp_path):
    path = tmp_path / "w.npz"
    check_writable(path)
    assert listing(tmp_path) == []
    path.write_bytes(b"old")
    check_writable(path)
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["w.npz"]
