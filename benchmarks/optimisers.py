"""Every optimiser's eager step alone, beside PyTorch's, in one process and interleaved.

    OPENBLAS_NUM_THREADS=1 python benchmarks/optimisers.py [--only Adam] [--rounds 20]

Parameters are those of two networks in float32, gradients are given. First the parameters after 100
steps with other gradients in each are compared; then rounds of steps are timed, each library in its
turn, and the least and the median time of a step in microseconds are shown. PyTorch (dependency
group ``oracle``) runs as it comes, with ``foreach=True``, and with ``fused=True`` where it has that;
one thread each.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time

import numpy as np
import torch

from microgradx import Tensor, optim

NETS = {"784-128-10": (784, 128, 10), "784-512-256-10": (784, 512, 256, 10)}
CASES = {
    "SGD": ("SGD", {"lr": 1e-2}),
    "SGD momentum": ("SGD", {"lr": 1e-2, "momentum": 0.9}),
    "SGD nesterov, decay": (
        "SGD",
        {"lr": 1e-2, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
    ),
    "Adagrad": ("Adagrad", {"lr": 1e-2}),
    "RMSprop": ("RMSprop", {"lr": 1e-3}),
    "RMSprop centered": ("RMSprop", {"lr": 1e-3, "momentum": 0.9, "centered": True}),
    "Adadelta": ("Adadelta", {"lr": 1.0}),
    "Adam": ("Adam", {"lr": 1e-3}),
    "Adam amsgrad": ("Adam", {"lr": 1e-3, "amsgrad": True}),
    "AdamW": ("AdamW", {"lr": 1e-3}),
    "Adamax": ("Adamax", {"lr": 2e-3}),
    "NAdam": ("NAdam", {"lr": 2e-3}),
    "RAdam": ("RAdam", {"lr": 1e-3}),
}
FUSED = {"SGD", "Adagrad", "Adam", "AdamW"}


def shapes(sizes):
    for wide, narrow in itertools.pairwise(sizes):
        yield from ((narrow, wide), (narrow,))


def made(sizes, kind, options, library):
    """An optimiser over the network's parameters, and these."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(0, 0.05, shape).astype("float32") for shape in shapes(sizes)]
    if library == "microgradx":
        params = [Tensor(a) for a in arrays]
        return getattr(optim, kind)(params, **options), params
    params = [torch.tensor(a, requires_grad=True) for a in arrays]
    extra = {} if library == "torch" else {library.removeprefix("torch "): True}
    return getattr(torch.optim, kind)(params, **options, **extra), params


def give(params, rng):
    """The next gradients: of sizes that differ a thousandfold from layer to layer."""
    for i, p in enumerate(params):
        g = (rng.normal(size=tuple(p.shape)) * 10.0 ** -(i % 4)).astype("float32")
        p.grad = torch.from_numpy(g) if isinstance(p, torch.Tensor) else g


def arrays_of(params):
    return [p.detach().numpy() for p in params]


def difference(sizes, kind, options, library, steps=100):
    """The largest difference from our parameters after so many steps, beside their movement."""
    found = []
    for who in ("microgradx", library):
        optimizer, params = made(sizes, kind, options, who)
        start, rng = [a.copy() for a in arrays_of(params)], np.random.default_rng(1)
        for _ in range(steps):
            give(params, rng)
            optimizer.step()
        found.append(arrays_of(params))
    moved = max(abs(a - s).max() for a, s in zip(found[0], start, strict=True))
    return max(abs(a - b).max() for a, b in zip(*found, strict=True)) / moved


def measure(sizes, kind, options, libraries, rounds, steps):
    """Microseconds a step in every round, for each library."""
    prepared = {}
    for library in libraries:
        optimizer, params = made(sizes, kind, options, library)
        give(params, np.random.default_rng(1))
        for _ in range(3):
            optimizer.step()
        prepared[library] = optimizer.step
    times = {library: [] for library in libraries}
    for _ in range(rounds):
        for library, step in prepared.items():
            start = time.perf_counter()
            for _ in range(steps):
                step()
            times[library].append((time.perf_counter() - start) / steps * 1e6)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="cases that begin so")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20, help="in a round")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for net, sizes in NETS.items():
        count = sum(int(np.prod(shape)) for shape in shapes(sizes))
        print(f"\n{net}: {count:,} parameters; microseconds a step, least (median)\n")
        print(f"{'':20} {'microgradx':>16} {'torch':>16} {'foreach':>16} {'fused':>16}  difference")
        for case, (kind, options) in CASES.items():
            if arguments.only and not case.startswith(arguments.only):
                continue
            others = ["torch", "torch foreach", *(["torch fused"] if kind in FUSED else [])]
            apart = max(difference(sizes, kind, options, library) for library in others)
            libraries = ["microgradx", *others]
            times = measure(sizes, kind, options, libraries, arguments.rounds, arguments.steps)
            cells = [f"{min(t):7.0f} ({statistics.median(t):6.0f})" for t in times.values()]
            row = " ".join(f"{cell:>16}" for cell in [*cells, *[""] * (4 - len(cells))])
            print(f"{case:20} {row}  {apart:.1e}", flush=True)
            if apart > 1e-4:
                raise SystemExit(f"{case}: the parameters differ")


if __name__ == "__main__":
    main()
