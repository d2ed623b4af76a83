"""What one operation costs, forward and backward, beside MyGrad, HIPS autograd and PyTorch eager.

    python benchmarks/op_costs.py [--sizes 10 10000] [--rounds 15]

Each cell is the least processor time over the rounds of ``z = f(x); z.backward(g)`` on float64, in
microseconds; libraries take turns within a round. What cannot be imported is left out, a function
that a library lacks is a dash. One thread.
"""

import argparse
import os
import time

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np

OPS = {
    "x + x * 2": lambda f, x: x + x * 2,
    "x * x": lambda f, x: x * x,
    "x / (x + 3)": lambda f, x: x / (x + 3),
    "x ** 3": lambda f, x: x**3,
    "exp": lambda f, x: f.exp(x),
    "log": lambda f, x: f.log(x),
    "sqrt": lambda f, x: f.sqrt(x),
    "sin": lambda f, x: f.sin(x),
    "tanh": lambda f, x: f.tanh(x),
    "arctan2": lambda f, x: f.arctan2(x, x),
    "maximum": lambda f, x: f.maximum(x, 0.7),
    "logaddexp": lambda f, x: f.logaddexp(x, x),
    "where": lambda f, x: f.where(x > 0.7, x, 0.0),
    "sum": lambda f, x: f.sum(x),
    "mean": lambda f, x: f.mean(x),
    "max": lambda f, x: f.max(x),
    "std": lambda f, x: f.std(x),
    "prod": lambda f, x: f.prod(x),
    "cumsum": lambda f, x: f.cumsum(x, 0),
    "sort": lambda f, x: f.sort(x),
    "x[2:-2]": lambda f, x: x[2:-2],
    "x[[1, 3, 3]]": lambda f, x: x[np.array([1, 3, 3])],
    "reshape": lambda f, x: f.reshape(x, (2, -1)),
    "concatenate": lambda f, x: f.concatenate([x, x]),
    "roll": lambda f, x: f.roll(x, 2),
    "x @ x": lambda f, x: f.matmul(x, x),
    "einsum i,i->i": lambda f, x: f.einsum("i,i->i", x, x),
    "norm": lambda f, x: f.linalg.norm(x),
}
TORCH = {
    "sort": lambda t, x: t.sort(x).values,
    "std": lambda t, x: t.std(x, correction=0),
    "concatenate": lambda t, x: t.cat([x, x]),
    "x[[1, 3, 3]]": lambda t, x: x[INDEX_TORCH],
    "maximum": lambda t, x: t.maximum(x, SEVEN_TORCH),
}


def microgradx_call(op, data):
    import microgradx as mg

    x = mg.Tensor(data)
    f = OPS[op]
    g = np.ones(f(mg, x).shape)

    def call():
        z = f(mg, x)
        z.backward(g)
        x.grad = None

    return call


def mygrad_call(op, data):
    import mygrad

    x = mygrad.tensor(data)
    f = OPS[op]
    g = np.ones(f(mygrad, x).shape)

    def call():
        z = f(mygrad, x)
        z.backward(g)
        x.null_grad()

    return call


def autograd_call(op, data):
    import autograd.numpy as anp
    from autograd.core import make_vjp

    f = OPS[op]
    g = np.ones(np.shape(f(anp, data)))
    if not g.shape:
        g = 1.0

    def call():
        pull, _ = make_vjp(lambda x: f(anp, x), data)
        pull(g)

    return call


def torch_call(op, data):
    import torch

    global INDEX_TORCH, SEVEN_TORCH
    torch.set_num_threads(1)
    INDEX_TORCH, SEVEN_TORCH = torch.tensor([1, 3, 3]), torch.tensor(0.7, dtype=torch.float64)
    x = torch.tensor(data, requires_grad=True)
    f = TORCH.get(op, OPS[op])
    g = torch.ones(f(torch, x).shape, dtype=torch.float64)

    def call():
        z = f(torch, x)
        z.backward(g)
        x.grad = None

    return call


LIBRARIES = {
    "microgradx": microgradx_call,
    "MyGrad": mygrad_call,
    "autograd": autograd_call,
    "PyTorch": torch_call,
}


def timed(call, repeats):
    began = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - began) / repeats * 1e6


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 10_000])
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    for size in asked.sizes:
        data = np.random.default_rng(0).uniform(0.1, 2.0, size)
        data /= np.exp(np.log(data).mean())  # so that a product neither overflows nor vanishes
        wins = dict.fromkeys(LIBRARIES, 0)
        met = dict.fromkeys(LIBRARIES, 0)
        print(f"\n{size} elements".ljust(20) + "".join(f"{name:>12}" for name in LIBRARIES))
        for op in OPS:
            calls = {}
            for name, make in LIBRARIES.items():
                try:
                    calls[name] = make(op, data)
                    calls[name]()
                except (ImportError, AttributeError, NotImplementedError, TypeError, ValueError):
                    continue
            repeats = max(3, int(400 / max(20, timed(next(iter(calls.values())), 3)) * 20))
            best = dict.fromkeys(calls, np.inf)
            for k in range(asked.rounds):
                for name in list(calls) if k % 2 else list(calls)[::-1]:
                    best[name] = min(best[name], timed(calls[name], repeats))
            for name in best:
                met[name] += name != "microgradx"
                wins[name] += best["microgradx"] < best[name]
            cells = "".join(f"{best[n]:12.1f}" if n in best else f"{'-':>12}" for n in LIBRARIES)
            print(f"{op:20}{cells}", flush=True)
        for name in LIBRARIES:
            if met[name]:
                print(f"ahead of {name}: {wins[name]} of {met[name]}")


if __name__ == "__main__":
    main()
