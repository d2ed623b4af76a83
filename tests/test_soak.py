"""Long runs: memory stays flat without the garbage collector; threads do not disturb each other."""

import gc
import hashlib
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import microgradx as mg
from microgradx import nn, optim, train
from microgradx.nn.functional import cross_entropy

X = np.sin(np.arange(96.0)).reshape(16, 6).astype("float32")
Y = np.arange(16) % 3


def resident():
    """Bytes of memory the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def build(seed=0):
    model = nn.Sequential(
        nn.Linear(6, 8, rng=seed), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2, rng=seed),
        nn.Linear(8, 3, rng=seed + 1),
    )  # fmt: skip
    return model, optim.Adam(model.parameters(), lr=0.01)


def step_of(model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        nn.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step


def growth(run, warm, steps):
    """How much memory so many more calls take, in bytes."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(warm):
            run()
        before = resident()
        for _ in range(steps):
            run()
        return resident() - before
    finally:
        gc.enable()


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.slow
@on_linux
def test_ten_thousand_eager_steps_take_no_memory():
    step = step_of(*build())
    assert growth(lambda: step(X, Y), 500, 10_000) <= 1 << 20


@pytest.mark.slow
@on_linux
def test_a_hundred_thousand_replayed_steps_take_no_memory():
    model = nn.Sequential(nn.Linear(6, 8, rng=0), nn.ReLU(), nn.Linear(8, 3, rng=1))
    optimizer = optim.Adam(model.parameters())

    @mg.capture
    def step(x, y):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    assert growth(lambda: step(X, Y), 500, 100_000) <= 1 << 20


def digest(model):
    joined = b"".join(t.numpy().tobytes() for t in model.state_dict().values())
    return hashlib.sha256(joined).hexdigest()


def trained(seed):
    model, optimizer = build(seed)
    train.fit(model, (X, Y), optimizer=optimizer, epochs=30, batch_size=4, rng=seed)
    return digest(model)


def test_four_threads_train_as_one_does():
    expected = [trained(seed) for seed in range(4)]
    found = [None] * 4
    barrier = threading.Barrier(4)

    def work(seed):
        barrier.wait()
        found[seed] = trained(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
