"""`data.fetch` against a server on this machine that cuts, stalls, lies and refuses."""

import gzip
import hashlib
import http.server
import struct
import threading

import numpy as np
import pytest

from microgradx import data, errors
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
        "md5": {n: hashlib.md5(c, usedforsecurity=False).hexdigest() for n, c in FILES.items()},
        "sha256": {
            name.partition("-idx")[0]: hashlib.sha256(gzip.decompress(content)).hexdigest()
            for name, content in FILES.items()
        },
    }
    monkeypatch.setitem(download._SOURCES, "mnist", found)
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


@pytest.mark.parametrize("behaviour", ["absent", "portal", "cut"])
def test_a_refusal_is_one_sentence_and_leaves_nothing(server, tmp_path, behaviour):
    with pytest.raises(errors.DataError) as caught:
        data.fetch("mnist", tmp_path, mirrors=[f"{server.address}/{behaviour}/"])
    assert str(caught.value).startswith("fetch: no mirror gave train-images-idx3-ubyte.gz (")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_other_content_is_removed(server, tmp_path, monkeypatch):
    wrong = {"train-images": "0" * 64}
    monkeypatch.setitem(download._SOURCES["mnist"], "sha256", wrong)
    with pytest.raises(errors.DataError, match="is not the published file"):
        data.fetch("mnist", tmp_path, mirrors=[f"{server.address}/good/"])
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_is_answered():
    with pytest.raises(errors.DataError) as caught:
        data.fetch("cifar")
    assert str(caught.value) == "fetch: 'cifar' is no data set here. Use mnist or fashion-mnist."
