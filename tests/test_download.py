"""`data.fetch` against a server on this machine that cuts, stalls, lies and refuses."""

import gzip
import hashlib
import http.server
import struct
import sys
import threading

import numpy as np
import pytest

from microgradx import data, errors
from microgradx.cli import main
from microgradx.data import download

pytest.importorskip("pooch")


def idx(array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


IMAGES = np.arange(5 * 784, dtype=np.uint8).reshape(5, 28, 28)
LABELS = np.arange(5, dtype=np.uint8)
FILES = {
    f"{part}-{kind}-ubyte": idx(array)
    for part in ("train", "t10k")
    for kind, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS))
}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        _, behaviour, name = self.path.split("/")
        content = FILES[name.removesuffix(".gz")]
        if behaviour == "absent":
            self.send_error(503)
            return
        if behaviour == "portal":
            content = b"<html>Please log in</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.server.served.append(name)
        self.wfile.write(content[: len(content) // 2] if behaviour == "cut" else content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    found = {
        "mirrors": (),
        "sha256": {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
    }
    monkeypatch.setitem(download._SOURCES, "mnist", found)
    monkeypatch.setitem(download._SOURCES, "fashion-mnist", found)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.served = []
        running.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_files_are_downloaded_once(server, tmp_path):
    mirror = f"{server.address}/good/"
    folder = data.fetch("mnist", tmp_path, mirrors=[mirror])
    assert (data.mnist(folder).x_test == IMAGES).all()
    data.fetch("mnist", tmp_path, mirrors=[mirror])
    assert len(server.served) == 4


@pytest.mark.parametrize("behaviour", ["absent", "portal", "cut"])
def test_the_next_mirror_helps(server, tmp_path, behaviour):
    mirrors = [f"{server.address}/{behaviour}/", f"{server.address}/good/"]
    folder = data.fetch("mnist", tmp_path, mirrors=mirrors)
    assert (data.mnist(folder).y_train == LABELS).all()


REFUSALS = {
    "absent": "{host} answered 503",
    "portal": "{host} sent something else",
    "cut": "no connection to {host}",
}


@pytest.mark.parametrize("behaviour", REFUSALS)
def test_a_refusal_is_one_sentence_and_leaves_nothing(server, tmp_path, behaviour):
    with pytest.raises(errors.DataError) as caught:
        data.fetch("mnist", tmp_path, mirrors=[f"{server.address}/{behaviour}/"])
    reason = REFUSALS[behaviour].format(host=f"127.0.0.1:{server.server_port}")
    assert str(caught.value) == (
        f"fetch: no mirror gave train-images-idx3-ubyte.gz ({reason}). Check the network, or pass "
        "the directory of the files; data.digits() needs neither."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path):
    mirrors = [f"{server.address}/good/"]
    data.fetch("mnist", tmp_path, mirrors=mirrors)
    damaged = tmp_path / "t10k-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    folder = data.fetch("mnist", tmp_path, mirrors=mirrors)
    assert (data.mnist(folder).y_test == LABELS).all()
    assert len(server.served) == 5


def test_two_data_sets_share_a_cache_but_no_directory(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MICROGRADX_DATA", str(tmp_path))
    for name in ("mnist", "fashion-mnist"):
        folder = data.fetch(name, mirrors=[f"{server.address}/good/"])
        assert folder == tmp_path / name
    assert len(server.served) == 8


def test_a_directory_that_cannot_be_is_answered(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.DataError, match="cannot be a directory for the files"):
        data.fetch("mnist", tmp_path / "file" / "under")


def test_the_command_downloads_shows_it_and_learns(server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(download._SOURCES["mnist"], "mirrors", [f"{server.address}/good/"])
    arguments = ["digits", "--download", "--data", "here", "--epochs", "1", "--no-pictures"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "5 digits to learn from, 5 to test on" in out
    assert "100%" in err  # pooch's bar
    assert main([*arguments, "--json"]) == 0
    assert capsys.readouterr().err == ""
    assert len(server.served) == 4


def test_the_command_answers_a_refusal_in_one_sentence(server, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MICROGRADX_DATA", str(tmp_path / "cache"))
    monkeypatch.setitem(download._SOURCES["mnist"], "mirrors", [f"{server.address}/absent/"])
    assert main(["digits", "--download"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("microgradx: fetch: no mirror gave train-images-idx3-ubyte.gz (127.0.0.1")
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.glob("*.npz"))


def test_without_pooch_the_answer_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["digits", "--download"]) == 2
    assert "Run: pip install 'microgradx[data]'" in capsys.readouterr().err


def test_an_unknown_name_is_answered():
    with pytest.raises(errors.DataError) as caught:
        data.fetch("cifar")
    assert str(caught.value) == "fetch: 'cifar' is no data set here. Use mnist or fashion-mnist."
