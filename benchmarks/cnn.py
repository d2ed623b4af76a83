"""A LeNet-like training step beside PyTorch eager and JAX jit, in one process, on one thread.

    python benchmarks/cnn.py                     # whoever of torch and jax can be imported
    python benchmarks/cnn.py --rounds 60 --batch 64

conv 5x5 1->8 pad 2, relu, max pool 2, conv 5x5 8->16, relu, max pool 2, linear 400->10, softmax
cross-entropy, SGD, float32. The contenders start from the same weights and must give the same
losses to 1e-4 before any timing. They take turns within each round, so that a busy machine slows all alike;
the ratio is the median over rounds of the time beside PyTorch's in the same round.
"""

import argparse
import os
import statistics
import time

os.environ.update(
    OPENBLAS_NUM_THREADS="1",
    OMP_NUM_THREADS="1",
    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
)

import numpy as np

RATE = 0.05


def initial():
    rng = np.random.default_rng(0)
    shapes = {
        "w1": (8, 1, 5, 5),
        "b1": (8,),
        "w2": (16, 8, 5, 5),
        "b2": (16,),
        "w3": (10, 400),
        "b3": (10,),
    }
    fan = {"w1": 25, "w2": 200, "w3": 400}
    weights = {k: np.zeros(shape, "f4") for k, shape in shapes.items()}
    for k, n in fan.items():
        weights[k] = (rng.standard_normal(shapes[k]) * np.sqrt(2 / n)).astype("f4")
    return weights


def batches(n, size):
    rng = np.random.default_rng(1)
    return [
        (rng.random((size, 1, 28, 28)).astype("f4"), rng.integers(0, 10, size)) for _ in range(n)
    ]


def microgradx_step(captured):
    import microgradx as mg
    from microgradx.nn import functional as F  # noqa: N812

    p = {k: mg.Tensor(a) for k, a in initial().items()}

    def step(x, y):
        h = mg.max_pool2d(mg.relu(mg.conv2d(x, p["w1"], p["b1"], padding=2)), 2)
        h = mg.max_pool2d(mg.relu(mg.conv2d(h, p["w2"], p["b2"])), 2)
        loss = F.cross_entropy(F.linear(h.reshape(len(x), -1), p["w3"], p["b3"]), y)
        for t in p.values():
            t.grad = None
        loss.backward()
        for t in p.values():
            t.data -= RATE * t.grad
        return loss

    if captured:
        step = mg.capture(step)
    return lambda x, y: float(np.asarray(getattr(step(x, y), "data", None)))


def torch_step():
    import torch
    from torch.nn import functional as F  # noqa: N812

    torch.set_num_threads(1)
    p = {k: torch.tensor(a, requires_grad=True) for k, a in initial().items()}
    optimiser = torch.optim.SGD(p.values(), RATE)

    def step(x, y):
        x, y = torch.from_numpy(x), torch.from_numpy(y)
        h = F.max_pool2d(F.relu(F.conv2d(x, p["w1"], p["b1"], padding=2)), 2)
        h = F.max_pool2d(F.relu(F.conv2d(h, p["w2"], p["b2"])), 2)
        loss = F.cross_entropy(F.linear(h.flatten(1), p["w3"], p["b3"]), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def jax_step():
    import jax
    import jax.numpy as jnp

    def conv(x, w, pad):
        return jax.lax.conv_general_dilated(x, w, (1, 1), [(pad, pad)] * 2)

    def pool(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def loss(p, x, y):
        h = pool(jax.nn.relu(conv(x, p["w1"], 2) + p["b1"][:, None, None]))
        h = pool(jax.nn.relu(conv(h, p["w2"], 0) + p["b2"][:, None, None]))
        scores = h.reshape(len(x), -1) @ p["w3"].T + p["b3"]
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean()

    @jax.jit
    def update(p, x, y):
        value, slopes = jax.value_and_grad(loss)(p, x, y)
        return value, jax.tree.map(lambda a, g: a - RATE * g, p, slopes)

    p = {k: jnp.asarray(a) for k, a in initial().items()}

    def step(x, y):
        nonlocal p
        value, p = update(p, x, y)
        return float(value)

    return step


CONTENDERS = {
    "PyTorch eager": torch_step,
    "microgradx captured": lambda: microgradx_step(captured=True),
    "microgradx eager": lambda: microgradx_step(captured=False),
    "JAX jit": jax_step,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64)
    asked = parser.parse_args()
    data = batches(8, asked.batch)
    steps, losses = {}, {}
    for name, make in CONTENDERS.items():
        try:
            steps[name] = make()
            losses[name] = [steps[name](x, y) for x, y in data]
        except ImportError as missing:
            print(f"{name}: left out ({missing})")
    first = next(iter(losses))
    for name, found in losses.items():
        np.testing.assert_allclose(found, losses[first], rtol=1e-4, err_msg=name)
    times = {name: [] for name in steps}
    for k in range(asked.rounds):
        x, y = data[k % len(data)]
        order = list(steps) if k % 2 else list(steps)[::-1]
        for name in order:
            began = time.process_time()
            steps[name](x, y)
            times[name].append(time.process_time() - began)
    print(f"{'':22} {'median ms':>10} {'min ms':>8} {'beside ' + first:>22}")
    for name, taken in times.items():
        ratios = [a / b for a, b in zip(taken, times[first], strict=True)]
        middle, least = statistics.median(taken) * 1e3, min(taken) * 1e3
        print(f"{name:22} {middle:10.2f} {least:8.2f} {statistics.median(ratios):22.2f}")


if __name__ == "__main__":
    main()
