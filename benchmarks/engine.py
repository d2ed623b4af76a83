"""What the engine costs, beside micrograd and beside NumPy called by hand.

    python benchmarks/engine.py [moons] [memory] [overhead] [step] [chains] [imports]

All of them without arguments, in two minutes. Every peer runs in fresh processes of its own, the
peers in turn, with one BLAS thread. Other work on the machine only adds, so of several rounds the
fastest counts; for `moons` that of the processes' medians, which hold what the garbage
collector costs. `moons` needs micrograd (``pip install micrograd``).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pickle
import statistics
import subprocess
import sys
import time
import tracemalloc

PROCESSES = 5


# ---- Value: the training step of micrograd's demo ------------------------------------------------
def moons(peer, collect, steps):
    """Seconds of a training step: 100 points, MLP(2, [16, 16, 1]), hinge loss and L2."""
    import math
    import random

    if peer == "micrograd":
        from micrograd.engine import Value
        from micrograd.nn import MLP, Neuron
    else:
        from microgradx.micrograd.engine import Value
        from microgradx.micrograd.nn import MLP, Neuron
    if peer == "written out":  # micrograd's own formula, a product and a sum for each input

        def call(self, x):
            act = sum((w * a for w, a in zip(self.w, x, strict=True)), self.b)
            return act.relu() if self.nonlin else act

        Neuron.__call__ = call

    random.seed(1337)
    angles = [math.pi * i / 49 for i in range(50)]
    points = [(math.cos(a), math.sin(a), 1) for a in angles]
    points += [(1 - math.cos(a), 0.5 - math.sin(a), -1) for a in angles]
    points = [(x + random.gauss(0, 0.1), y + random.gauss(0, 0.1), t) for x, y, t in points]
    model = MLP(2, [16, 16, 1])
    losses = []

    def step():
        scores = [model([Value(x), Value(y)]) for x, y, _ in points]
        hinge = [(1 + -t * score).relu() for (_, _, t), score in zip(points, scores, strict=True)]
        loss = sum(hinge) * (1.0 / len(hinge)) + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
        losses.append(loss.data)

    step()
    gc.collect()
    (gc.enable if collect else gc.disable)()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {"step": statistics.median(times), "loss": losses[3]}


def run_moons():
    print("A training step of micrograd's demo (100 points, MLP(2, [16, 16, 1])), ms:")
    print(f"  {'':28} {'gc on':>8} {'':>6} {'gc off':>8}")
    found = {}
    for _ in range(PROCESSES):
        for peer, steps in (("micrograd", 6), ("microgradx", 12), ("written out", 12)):
            for collect in (True, False):
                found.setdefault((peer, collect), []).append(
                    child("moons", peer=peer, collect=collect, steps=steps)
                )
    base = {}
    for peer, label in (
        ("micrograd", "micrograd"),
        ("microgradx", "microgradx, its import lines"),
        ("written out", "microgradx, sums written out"),
    ):
        cells = []
        for collect in (True, False):
            seconds = min(one["step"] for one in found[peer, collect])
            base.setdefault(collect, seconds)
            cells.append(f"{seconds * 1e3:8.1f} {base[collect] / seconds:5.1f}x")
        print(f"  {label:28} {' '.join(cells)}")
    losses = {peer: found[peer, True][0]["loss"] for peer, _ in found}
    apart = max(abs(loss - losses["micrograd"]) for loss in losses.values())
    print(f"  losses after four steps differ by {apart:.1e}")


# ---- Value: memory -------------------------------------------------------------------------------
def memory(kind):
    """Bytes of a result beyond those of its inputs."""
    from microgradx import Value

    count = 100_000
    a, b = Value(0.5), Value(1.5)
    build = {"a + b": lambda: a + b, "a * 2.0": lambda: a * 2.0, "a.tanh()": a.tanh}[kind]
    gc.disable()
    kept = [None] * count
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for i in range(count):
        kept[i] = build()
    after = tracemalloc.get_traced_memory()[0]
    return {"bytes": (after - before) / count}


def run_memory():
    data = sys.getsizeof(0.5)
    print(f"Bytes of a result beyond its data (a float of {data}):")
    for kind in ("a + b", "a * 2.0", "a.tanh()"):
        print(f"  {kind:28} {child('memory', kind=kind)['bytes'] - data:8.1f}")


# ---- Tensor: overhead over bare NumPy ------------------------------------------------------------
def overhead(name, length=50, rounds=400):
    """Seconds that forward and backward of one operation cost, with NumPy and with Tensor."""
    import numpy as np

    from microgradx import Tensor

    rng = np.random.default_rng(0)
    start, other = rng.uniform(0.5, 0.9, 16), rng.uniform(0.9, 1.1, 16)
    ones = np.ones(16)
    # By hand: the operation `length` times in a row, then the chain rule, for both inputs.
    forward = {
        "add": lambda x: x + other, "mul": lambda x: x * other, "div": lambda x: x / other,
        "tanh": np.tanh, "exp": lambda x: np.exp(x * 0.1), "relu": lambda x: np.maximum(x, 0),
        "sqrt": np.sqrt, "log": lambda x: np.log(x + 1.5), "cube": lambda x: x**3,
        "pow": lambda x: x**other,
    }[name]  # fmt: skip
    pull = {
        "add": lambda g, z, x, gy: (g, gy + g),
        "mul": lambda g, z, x, gy: (g * other, gy + g * x),
        "div": lambda g, z, x, gy: (g / other, gy + -g * z / other),
        "tanh": lambda g, z, x, gy: (g * (1 - z * z), gy),
        "exp": lambda g, z, x, gy: (g * z * 0.1, gy),
        "relu": lambda g, z, x, gy: (g * (z != 0), gy),
        "sqrt": lambda g, z, x, gy: (g / (2 * z), gy),
        "log": lambda g, z, x, gy: (g / (x + 1.5), gy),
        "cube": lambda g, z, x, gy: (g * (3 * x**2), gy),
        "pow": lambda g, z, x, gy: (g * (other * x ** (other - 1)), gy + g * z * np.log(x)),
    }[name]
    y = Tensor(other)
    apply = {
        "add": lambda x: x + y, "mul": lambda x: x * y, "div": lambda x: x / y,
        "tanh": lambda x: x.tanh(), "exp": lambda x: (x * 0.1).exp(), "relu": lambda x: x.relu(),
        "sqrt": lambda x: x.sqrt(), "log": lambda x: (x + 1.5).log(), "cube": lambda x: x**3,
        "pow": lambda x: x**y,
    }[name]  # fmt: skip

    def by_hand():
        xs = [start]
        for _ in range(length):
            xs.append(forward(xs[-1]))
        g, gy = ones, np.zeros(16)
        for i in range(length, 0, -1):
            g, gy = pull(g, xs[i], xs[i - 1], gy)
        return g, gy

    def with_tensors():
        x = z = Tensor(start)
        y.grad = None
        for _ in range(length):
            z = apply(z)
        z.backward(ones)
        return x.grad, y.grad

    gx, gy = by_hand()
    x, other_grad = with_tensors()
    assert np.allclose(x, gx, rtol=1e-12)
    assert other_grad is None or np.allclose(other_grad, gy, rtol=1e-12)
    gc.disable()
    least = {}
    for _ in range(rounds):
        for run in (by_hand, with_tensors):
            begin = time.perf_counter()
            run()
            least[run] = min(least.get(run, 1.0), time.perf_counter() - begin)
    pairs = length * (2 if name in {"exp", "log"} else 1)  # the second keeps the first's domain
    return {"numpy": least[by_hand] / pairs, "tensor": least[with_tensors] / pairs}


def run_overhead():
    print("Forward and backward of one operation on 16 float64 numbers, us:")
    print(f"  {'':28} {'NumPy':>8} {'Tensor':>8} {'more':>8}")
    for name in ("add", "mul", "div", "tanh", "exp", "relu", "sqrt", "log", "cube", "pow"):
        rounds = [child("overhead", name=name) for _ in range(3)]
        numpy, tensor = (min(one[k] for one in rounds) * 1e6 for k in ("numpy", "tensor"))
        print(f"  {name:28} {numpy:8.2f} {tensor:8.2f} {tensor - numpy:8.2f}")


# ---- Tensor: a training step of a small network --------------------------------------------------
def step(blocks=10):
    """The least seconds of a step of 784-128-10, batch 128, float32, SGD: eager, and by hand.

    By hand twice: as the formulas stand in a book, and with all that can be done in place so done.
    """
    import numpy as np

    from microgradx import Tensor, nn, optim
    from microgradx.nn.functional import cross_entropy

    rng = np.random.default_rng(0)
    x = rng.random((128, 784), dtype=np.float32)
    labels = rng.integers(0, 10, 128)
    images = Tensor(x, requires_grad=False)
    model = nn.Sequential(nn.Linear(784, 128, rng=0), nn.ReLU(), nn.Linear(128, 10, rng=1))
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    first = [np.array(p.data) for p in model.parameters()]
    rows, lr = np.arange(128), np.float32(0.01)

    def eager(given=images):
        loss = cross_entropy(model(given), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def guarded():
        return eager(x)  # an array that somebody could write to: fingerprinted twice

    w1, b1, w2, b2 = (w.copy() for w in first)

    def by_hand():
        z1 = x @ w1.T + b1
        h = np.maximum(z1, 0)
        z = h @ w2.T + b2
        z = z - z.max(axis=1, keepdims=True)
        p = np.exp(z)
        p = p / p.sum(axis=1, keepdims=True)
        loss = -np.log(p[rows, labels]).mean()
        g = p.copy()
        g[rows, labels] -= 1
        g = g / np.float32(128)
        gw2, gb2 = g.T @ h, g.sum(axis=0)
        gh = (g @ w2) * (z1 > 0)
        gw1, gb1 = gh.T @ x, gh.sum(axis=0)
        for w, gw in ((w1, gw1), (b1, gb1), (w2, gw2), (b2, gb2)):
            w -= lr * gw
        return loss

    v1, c1, v2, c2 = (w.copy() for w in first)

    def in_place():
        h = x @ v1.T
        h += c1
        np.maximum(h, 0, out=h)
        z = h @ v2.T
        z += c2
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        total = p.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - z[rows, labels])
        p /= total
        p[rows, labels] -= 1
        p *= np.float32(1 / 128)
        gw2, gb2 = p.T @ h, p.sum(axis=0)
        gh = p @ v2
        gh *= h > 0
        gw1, gb1 = gh.T @ x, gh.sum(axis=0)
        for w, g in ((v1, gw1), (c1, gb1), (v2, gw2), (c2, gb2)):
            g *= lr
            w -= g
        return loss

    runs = (eager, guarded, by_hand, in_place)
    times = {run: [] for run in runs}
    for run in (eager, by_hand, in_place):
        run()
    pairs = zip(model.parameters(), (w1, b1, w2, b2), (v1, c1, v2, c2), strict=True)
    apart = max(float(np.abs(p.data - w).max()) for p, *ws in pairs for w in ws)
    for _ in range(blocks):
        for run in runs:
            run()  # fills the caches, as the steps of a training run do for each other
            for _ in range(20):
                begin = time.perf_counter()
                run()
                times[run].append(time.perf_counter() - begin)
    return {
        **{run.__name__: min(times[run]) for run in runs},
        "apart": apart,
    }


def run_step():
    print("A training step of 784-128-10, batch 128, float32, SGD, us:")
    found = [child("step") for _ in range(PROCESSES)]
    for name, label in (
        ("by_hand", "NumPy by hand"),
        ("in_place", "NumPy by hand, in place"),
        ("eager", "microgradx, eager"),
        ("guarded", "the same, writable array"),
    ):
        seconds = min(one[name] for one in found)
        ratio = min(one["eager"] for one in found) / seconds
        compared = f"{1 / ratio - 1:+8.1%}" if name == "guarded" else f"{ratio:8.2f}x"
        print(f"  {label:28} {seconds * 1e6:8.0f}", "" if name == "eager" else compared)
    print(f"  weights after a step differ by {max(one['apart'] for one in found):.1e}")


# ---- chains of a million -------------------------------------------------------------------------
def chains(kind, length=1_000_000):
    """Seconds for what people do with a graph a million nodes deep."""
    import copy

    import numpy as np

    from microgradx import Tensor, Value

    x = Value(1.0) if kind == "Value" else Tensor(np.ones(1))
    times, begin = {}, time.perf_counter()

    def lap(name):
        nonlocal begin
        now = time.perf_counter()
        times[name] = now - begin
        begin = time.perf_counter()

    z = x
    for _ in range(length):
        z = z * 1.0
    lap("forward")
    z.backward()
    lap("backward")
    twin = copy.deepcopy(z)
    lap("deepcopy")
    del twin
    lap("delete")
    packed = pickle.dumps(z)
    lap("dumps")
    pickle.loads(packed)
    lap("loads")
    return times


def run_chains():
    print("A chain of 1,000,000 operations, s:")
    names = ("forward", "backward", "deepcopy", "delete", "dumps", "loads")
    print(f"  {'':12}", *[f"{name:>8}" for name in names])
    for kind in ("Value", "Tensor"):
        times = child("chains", kind=kind)
        print(f"  {kind:12}", *[f"{times[name]:8.2f}" for name in names])


# ---- import --------------------------------------------------------------------------------------
def run_imports():
    def seconds(code):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment())
        return time.perf_counter() - begin

    found = {"pass": [], "import numpy": [], "import microgradx": []}
    for code in found:
        seconds(code)  # fills the caches
    for _ in range(21):
        for code, times in found.items():
            times.append(seconds(code))
    print("A process that only imports, ms:")
    for code, times in found.items():
        print(f"  {code:28} {statistics.median(times) * 1e3:8.1f}")
    pairs = zip(found["import microgradx"], found["import numpy"], strict=True)
    print(f"  microgradx / NumPy           {statistics.median(a / b for a, b in pairs):8.2f}x")


# ---- processes -----------------------------------------------------------------------------------
def environment():
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    cached = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**cached, **one_thread}


def child(function, **arguments):
    """Run one of the functions above in a fresh process, and get what it returns."""
    command = [sys.executable, __file__, "--child", json.dumps([function, arguments])]
    done = subprocess.run(command, check=True, env=environment(), stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def main():
    runs = {
        "moons": run_moons, "memory": run_memory, "overhead": run_overhead, "step": run_step,
        "chains": run_chains, "imports": run_imports,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(runs)}")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        function, given = json.loads(arguments.child)
        print(json.dumps(globals()[function](**given)))
        return
    unknown = set(arguments.names) - set(runs)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(runs)}")
    for name in arguments.names or runs:
        runs[name]()


if __name__ == "__main__":
    main()
