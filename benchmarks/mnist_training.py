"""One whole training of 784-128-10 on MNIST, as a process: read, train, test, print one JSON line.

    python benchmarks/mnist_training.py ours|torch|jax DIR EPOCHS

EPOCHS is a number of passes over the 60,000 digits; the learning rate falls from 0.002 to 0 by
equal steps, for everybody. ``97`` stands for the shortest schedule that reaches 97 % (for ``ours``:
two passes, from 0.008 after a short rise). The seconds printed cover training with shuffling, JAX's
compilation and our capture included, and the test; ``cpu`` is all processor time of the process.
"""

import gzip
import json
import math
import sys
import time
from pathlib import Path

import numpy as np

BATCH = 128


def idx(folder, name):
    """One of MNIST's files, as it was downloaded or unpacked."""
    path = Path(folder) / name
    raw = (
        path.read_bytes()
        if path.exists()
        else gzip.decompress(path.with_name(name + ".gz").read_bytes())
    )
    sizes = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def read(folder, raw):
    """Rows from 0 to 1 (or bytes) and labels, to train on and to test on."""
    found = []
    for part in ("train", "t10k"):
        images = idx(folder, f"{part}-images-idx3-ubyte")
        rows = images.reshape(len(images), -1)
        found.append(rows if raw else rows.astype("f4") / np.float32(255))
        found.append(idx(folder, f"{part}-labels-idx1-ubyte").astype(np.int64))
    return found


def rates(steps, start):
    """The learning rate of each step."""
    return [start * (1 - k / steps) for k in range(steps)]


def batches(rows, labels, rng):
    """One pass in random order; the last batch is smaller."""
    order = rng.permutation(len(rows))
    for k in range(0, len(rows), BATCH):
        chosen = order[k : k + BATCH]
        yield rows[chosen], labels[chosen]


def ours(rows, labels, x_test, y_test, epochs):
    """Microgradx, captured; the bytes become numbers from 0 to 1 in the step itself."""
    import microgradx as mg
    from microgradx import nn, optim
    from microgradx.nn.functional import cross_entropy

    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(784, 128, rng=rng), nn.ReLU(), nn.Linear(128, 10, rng=rng))
    falling = epochs == 97
    epochs = 2 if falling else epochs
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    @mg.capture
    def step(x, y):
        optimizer.zero_grad()
        loss = cross_entropy(model(x.astype("f4") * np.float32(1 / 255)), y)
        loss.backward()
        optimizer.step()

    steps = epochs * math.ceil(len(rows) / BATCH)
    planned = iter(rates(steps, 8e-3 if falling else 2e-3))
    rise = steps // 10 if falling else 0
    for epoch in range(epochs):
        for k, (x, y) in enumerate(batches(rows, labels, rng)):
            rate = next(planned)
            if epoch == 0 and k < rise:
                rate *= (k + 1) / rise
            optimizer.param_groups[0]["lr"] = rate
            step(x, y)
    with mg.no_grad():
        answers = model(x_test.astype("f4") * np.float32(1 / 255)).numpy().argmax(1)
    return float((answers == y_test).mean())


def torch(rows, labels, x_test, y_test, epochs):
    """PyTorch, tensors sliced by hand."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    rows, labels = torch.from_numpy(rows), torch.from_numpy(labels)
    planned = iter(rates(epochs * math.ceil(len(rows) / BATCH), 2e-3))
    for _ in range(epochs):
        order = torch.randperm(len(rows))
        for k in range(0, len(rows), BATCH):
            optimizer.param_groups[0]["lr"] = next(planned)
            chosen = order[k : k + BATCH]
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(rows[chosen]), labels[chosen])
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return float((model(torch.from_numpy(x_test)).argmax(1).numpy() == y_test).mean())


def jax(rows, labels, x_test, y_test, epochs):
    """JAX: one jitted step; the last, smaller batch of a pass is left out."""
    import functools

    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    tree = jax.tree_util.tree_map
    shapes = ((784, 128), (128, 10))
    params = [
        tuple(jnp.array(rng.uniform(-1, 1, s).astype("f4") / math.sqrt(i)) for s in ((i, o), (o,)))
        for i, o in shapes
    ]

    def loss_of(params, x, y):
        h = jax.nn.relu(x @ params[0][0] + params[0][1])
        logs = jax.nn.log_softmax(h @ params[1][0] + params[1][1])
        return -jnp.take_along_axis(logs, y[:, None], 1).mean()

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, x, y, rate):
        params, m, v, t = state
        _, grads = jax.value_and_grad(loss_of)(params, x, y)
        t = t + 1
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        c, d = 1 - 0.9**t, 1 - 0.999**t
        params = tree(lambda p, m, v: p - rate * (m / c) / (jnp.sqrt(v / d) + 1e-8), params, m, v)
        return params, m, v, t

    state = (params, tree(jnp.zeros_like, params), tree(jnp.zeros_like, params), jnp.float32(0))
    labels = labels.astype("i4")
    planned = iter(rates(epochs * math.ceil(len(rows) / BATCH), 2e-3))
    for _ in range(epochs):
        for x, y in batches(rows, labels, rng):
            rate = next(planned)
            if len(x) == BATCH:
                state = step(state, x, y, rate)
    (w, b), (u, c) = [tuple(map(np.asarray, pair)) for pair in state[0]]
    return float(((np.maximum(x_test @ w + b, 0) @ u + c).argmax(1) == y_test).mean())


def main():
    """Train one of them."""
    who, folder, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = read(folder, who == "ours")
    start = time.perf_counter()
    accuracy = {"ours": ours, "torch": torch, "jax": jax}[who](*data, epochs)
    seconds = time.perf_counter() - start
    row = {"who": who, "seconds": round(seconds, 3), "cpu": round(time.process_time(), 3)}
    print(json.dumps({**row, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
