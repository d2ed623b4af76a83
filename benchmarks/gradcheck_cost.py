"""What one gradient check costs, by the number of inputs, beside PyTorch's own.

    OPENBLAS_NUM_THREADS=1 python benchmarks/gradcheck_cost.py [--suite]

The function is softmax(tanh(x) @ w). ``--suite`` also times all primitives at 200 examples each.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np

from microgradx.primitive import PRIMITIVES
from microgradx.testing.calls import Dice, draw_call
from microgradx.testing.checking import check_vjp, gradcheck

SIZES = (8, 128, 512, 2048)


def least(function, seconds=1.0):
    """The least time of several runs, in milliseconds: the machine may be shared."""
    function()
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(x, w):
    return softmax(np.tanh(x) @ w)


def backward(g, x, w):
    t = np.tanh(x)
    z = softmax(t @ w)
    dz = z * (g - (g * z).sum(axis=1, keepdims=True))
    return (dz @ w.T) * (1 - t * t), t.T @ dz


def model(x, w):
    return (x.tanh() @ w).softmax(axis=1)


def inputs(size):
    rng = np.random.default_rng(0)
    columns = {8: 2, 128: 8, 512: 16, 2048: 32}[size]
    half = size // 2 // columns
    return rng.normal(size=(half, columns)), rng.normal(size=(columns, half))


def torch_rows():
    try:
        import torch
    except ImportError:
        print("(torch is not installed)")
        return
    torch.set_num_threads(1)

    def function(x, w):
        return torch.softmax(torch.tanh(x) @ w, dim=1)

    for fast in (True, False):
        times = []
        for size in SIZES:
            leaves = [torch.tensor(x, requires_grad=True) for x in inputs(size)]
            check = partial(torch.autograd.gradcheck, function, leaves, fast_mode=fast)
            times.append(least(check))
        yield f"torch.autograd.gradcheck, {'fast' if fast else 'slow'} mode", times


def suite():
    start, checks = time.perf_counter(), 0
    ops = [op for op in PRIMITIVES.values() if op.differentiable]
    for op in ops:
        for number in range(200):
            call = draw_call(Dice(number), op)
            gradcheck(
                call, *call.inputs, adapter="microgradx", seed=number, reference=call.reference
            )
            checks += 1
    seconds = time.perf_counter() - start
    each = seconds / checks * 1e3
    print(f"{len(ops)} primitives, {checks} checks: {seconds:.0f} s, {each:.1f} ms each")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--suite", action="store_true", help="time 200 examples of each primitive")
    arguments = parser.parse_args()
    print(f"{'milliseconds a check at so many inputs':44}", *(f"{size:>9}" for size in SIZES))
    rows = [
        ("gradcheck", [least(lambda s=s: gradcheck(model, *inputs(s))) for s in SIZES]),
        ("check_vjp", [least(lambda s=s: check_vjp(forward, backward, *inputs(s))) for s in SIZES]),
        *torch_rows(),
    ]
    for label, times in rows:
        print(f"{label:44}", *(f"{t:9.2f}" for t in times))
    if arguments.suite:
        suite()


if __name__ == "__main__":
    main()
