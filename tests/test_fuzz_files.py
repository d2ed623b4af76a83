"""Corrupted files never crash, hang, or take much memory: every reader answers with our errors.

``MICROGRADX_FUZZ=200000 pytest tests/test_fuzz_files.py`` runs the long campaign; without it, each
kind of file gets 500 inputs.
"""

import copy
import gzip
import hashlib
import json
import os
import random
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from microgradx import data, errors, files, nn, optim, train

KINDS = [
    "idx", "idx.gz", "npz", "plain npz", "safetensors", "checkpoint", "signed npz",
    "signed checkpoint",
]  # fmt: skip
COUNT = max(int(os.environ.get("MICROGRADX_FUZZ", "2500")) // len(KINDS), 1)


def model():
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))


def learn(net, **options):
    x = np.arange(12.0, dtype="float32").reshape(4, 3)
    optimizer = optim.Adam(net.parameters())
    return train.fit(net, (x, [0, 1, 0, 1]), optimizer=optimizer, epochs=1, rng=0, **options)


def sample(kind, path):
    """A good file, written to `path`, and what reads it."""
    if kind.startswith("idx"):
        content = struct.pack(">HBBII", 0, 8, 2, 5, 4) + bytes(range(20))
        path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)
        return lambda: data.read_idx(path)
    if kind.endswith("checkpoint"):
        learn(model(), checkpoint=path)
        return lambda: learn(model(), checkpoint=path, resume=True)
    if kind == "plain npz":
        np.savez(path, **{key: t.numpy() for key, t in model().state_dict().items()})
    else:
        nn.save_weights(model(), path)
    return lambda: nn.load_weights(model(), path)


def corrupt(content, chance):
    """A damaged copy: bits turned, parts cut, doubled, zeroed, or numbers made huge."""
    broken = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        at = chance.randrange(len(broken) + 1)
        length = chance.choice([1, 2, 4, 8, chance.randrange(1, 64)])
        kind = chance.randrange(7)
        if kind == 0 and at < len(broken):
            broken[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del broken[at:]
        elif kind == 2:
            del broken[at : at + length]
        elif kind == 3:
            broken[at:at] = broken[max(at - length, 0) : at]
        elif kind == 4:
            broken[at : at + length] = bytes(min(length, len(broken) - at))
        elif kind == 5:
            broken[at : at + length] = b"\xff" * min(length, len(broken) - at)
        else:
            broken[at : at + length] = chance.randbytes(min(length, len(broken) - at))
        if not broken:
            break
    return bytes(broken)


DIGEST = 64  # characters at the end of an .npz of ours


def signed(content, chance):
    """A damaged copy whose digest is right, as a program with another bug would write it."""
    broken = corrupt(content[:-DIGEST], chance)
    return broken + hashlib.sha256(broken).hexdigest().encode()


def other_story(path, chance):
    """A whole checkpoint, in which what is told about the training makes no sense."""
    arrays = files.load_arrays(path)
    meta = json.loads(str(arrays["meta"]))
    for _ in range(chance.choice([1, 1, 2])):
        inside, key = meta, None
        while (
            isinstance(inside, (dict, list)) and inside and (key is None or chance.random() < 0.8)
        ):
            outside = inside
            key = chance.choice(list(outside) if isinstance(outside, dict) else range(len(outside)))
            inside = outside[key]
        if chance.random() < 0.3:
            del outside[key]
        else:
            wrong = [None, -1, 1e300, "x", [], {}, [[]], True, 10**30, float("nan")]
            outside[key] = copy.deepcopy(chance.choice(wrong))
    arrays["meta"] = np.array(json.dumps(meta))
    files.save_arrays(path, arrays)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_corrupted_files_are_answered(kind, tmp_path):
    if kind == "safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"file.{'npz' if kind.endswith(('npz', 'checkpoint')) else kind}"
    read = sample(kind, path)
    content = path.read_bytes()
    chance = random.Random(zlib.crc32(kind.encode()))
    refused = 0
    tracemalloc.start()
    try:
        for i in range(COUNT):
            if kind == "signed checkpoint":
                path.write_bytes(content)
                other_story(path, chance)
            else:
                broken = (signed if kind == "signed npz" else corrupt)(content, chance)
                path.write_bytes(broken)
            tracemalloc.reset_peak()
            try:
                read()
            except errors.MicrogradxError:
                refused += 1
            except Exception as error:
                raise AssertionError(f"input {i}: {error!r}\n{path.read_bytes().hex()}") from error
            peak = tracemalloc.get_traced_memory()[1]
            assert peak < 64 << 20, f"input {i} took {peak} bytes"
    finally:
        tracemalloc.stop()
    assert refused > 0.3 * COUNT
