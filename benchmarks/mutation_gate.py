"""Which bugs are found: every rule of the table damaged in every way, and the walk's own bugs.

    python benchmarks/mutation_gate.py [--examples 200] [--only add,tanh] [--no-others]

Each mutant is checked by `gradcheck` on the generated calls of its primitive, and beside it by a
check with the defaults of ``torch.autograd.gradcheck`` (full Jacobian, central differences with
1e-6, atol 1e-5, rtol 1e-3): once on twelve continuous random samples of the same shapes, as people
write them, and once on the first forty generated calls, where samples that the *unmutated* rule
fails are left out. Walk mutants run on random graphs, with five seeds.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict

import numpy as np

import microgradx.ops  # noqa: F401 - fills the table
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.testing.calls import Dice, OpCall, draw_call
from microgradx.testing.checking import gradcheck
from microgradx.testing.generation import draw_graph, draw_program
from microgradx.testing.mutants import EQUIVALENT, rule_mutants
from microgradx.testing.walks import WALKS

EPS, ATOL, RTOL = 1e-6, 1e-5, 1e-3  # torch.autograd.gradcheck's defaults
SAMPLES, FIRST = 12, 40


def ours(calls):
    """The number of the first call that the mutant fails; None if it survives."""
    for number, call in enumerate(calls):
        try:
            report = gradcheck(
                call, *call.inputs, adapter="microgradx", seed=number, raises=False,
                localise=False, reference=call.reference,
            )  # fmt: skip
        except Exception:  # noqa: BLE001 - a rule that raises is found
            return number
        if report.status == "failed":
            return number
    return None


def torch_style(call):
    """Whether the Jacobians agree by PyTorch's defaults."""
    floating = [
        i for i, x in enumerate(call.inputs) if isinstance(x, np.ndarray) and x.dtype == float
    ]

    def value(inputs):
        with np.errstate(all="ignore"):
            return np.asarray(call.reference(*inputs), float)

    z = value(call.inputs)
    if not np.isfinite(z).all():
        return True
    leaves = [Tensor(x) if i in floating else x for i, x in enumerate(call.inputs)]
    with np.errstate(all="ignore"):
        root = call(*leaves)
    if not root.requires_grad:
        return True
    rows = []
    for k in range(z.size):
        unit = np.zeros(z.size)
        unit[k] = 1
        for i in floating:
            leaves[i].grad = None
        try:
            root.backward(unit.reshape(z.shape))
        except Exception:  # noqa: BLE001 - as above
            return False
        grads = [leaves[i].grad for i in floating]
        if any(
            g is not None and g.shape != leaves[i].shape
            for i, g in zip(floating, grads, strict=True)
        ):
            return False
        rows.append(
            [
                np.zeros(leaves[i].shape) if g is None else g
                for i, g in zip(floating, grads, strict=True)
            ]
        )
    for place, i in enumerate(floating):
        for index in np.ndindex(call.inputs[i].shape):
            ends = []
            for sign in (1, -1):
                moved = [np.array(x) if j == i else x for j, x in enumerate(call.inputs)]
                moved[i][index] += sign * EPS
                ends.append(value(moved))
            numeric = ((ends[0] - ends[1]) / (2 * EPS)).reshape(-1)
            analytic = np.array([row[place][index] for row in rows])
            with np.errstate(all="ignore"):
                if not np.allclose(analytic, numeric, rtol=RTOL, atol=ATOL):
                    return False
    return True


def continuous(call, rng):
    """The same shapes with numbers as `randn` makes them; matrices are only nudged off the grid."""
    if call.op.scalar is None:
        inputs = [
            x + rng.uniform(-1 / 32, 1 / 32, x.shape) if is_free(x) else x for x in call.inputs
        ]
        return OpCall(call.op, tuple(inputs), call.params)
    ranges = [*call.op.sample, *[call.op.sample[-1]] * len(call.inputs)]
    inputs = []
    for x, (low, high) in zip(call.inputs, ranges, strict=False):
        inside = (max(low, -2.0), min(high, 2.0)) if low < 1 else (low, high)
        inputs.append(np.asarray(rng.uniform(*inside, x.shape)) if is_free(x) else x)
    return OpCall(call.op, tuple(inputs), call.params)


def is_free(x):
    return isinstance(x, np.ndarray) and x.dtype == float


def gate(names, examples, *, others):
    rows = defaultdict(Counter)
    survivors, firsts = [], []
    for name in names:
        op = PRIMITIVES[name]
        calls = [draw_call(Dice(number), op) for number in range(examples)]
        rng = np.random.default_rng(0)
        small = [c for c in calls if sum(np.size(x) for x in c.inputs) <= 64]
        samples = [
            c for c in (continuous(c, rng) for c in small[:SAMPLES]) if others and torch_style(c)
        ]
        drawn = [c for c in small[:FIRST] if others and torch_style(c)]
        for mutant in rule_mutants(op):
            row = rows[mutant.group]
            row["mutants"] += 1
            if mutant.name in EQUIVALENT:
                row["equivalent"] += 1
                continue
            with mutant.plant():
                first = ours(calls)
                row["samples"] += any(not torch_style(c) for c in samples)
                row["drawn"] += any(not torch_style(c) for c in drawn)
            if first is None:
                survivors.append(mutant.name)
            else:
                row["ours"] += 1
                firsts.append(first)
    return rows, survivors, firsts


def walks(examples):
    for mutant in WALKS:
        found = []
        for seed in range(5):
            calls = []
            for number in range(examples):
                draw = (
                    draw_graph
                    if mutant.group in {"graph", "memory"} and number % 2
                    else draw_program
                )
                calls.append(draw(Dice(seed * 10_000 + number)))
            with mutant.plant():
                found.append(first_program(calls))
        yield mutant.name, found


def first_program(programs):
    for number, p in enumerate(programs):
        try:
            report = gradcheck(
                p, *p.inputs, adapter="microgradx", seed=number, raises=False, localise=False
            )
        except Exception:  # noqa: BLE001 - as above
            return number + 1
        if report.status == "failed":
            return number + 1
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--only", default="", help="primitives, with commas")
    parser.add_argument("--no-others", action="store_true", help="leave PyTorch's defaults out")
    arguments = parser.parse_args()
    names = [n for n, op in PRIMITIVES.items() if op.differentiable]
    if arguments.only:
        names = arguments.only.split(",")
    start = time.perf_counter()
    rows, survivors, firsts = gate(names, arguments.examples, others=not arguments.no_others)
    print(f"{len(names)} primitives, {arguments.examples} examples each; "
          f"{time.perf_counter() - start:.0f} s")  # fmt: skip
    print(f"{'group':10} {'mutants':>8} {'equivalent':>11} {'gradcheck':>10} "
          f"{'torch-style: samples':>21} {'generated':>10}")  # fmt: skip
    total = Counter()
    for group, row in rows.items():
        total.update(row)
        print_row(group, row)
    print_row("all", total)
    counts = np.percentile(firsts, [50, 90, 99]) if firsts else []
    print("examples to the first failure, percentiles 50, 90, 99:", *counts)
    for name in survivors:
        print("survivor:", name)
    print("walk mutants, first failing example for five seeds:")
    for name, found in walks(arguments.examples):
        print(f"  {name:42} {found}")


def print_row(group, row):
    real = row["mutants"] - row["equivalent"]
    parts = [f"{row[key] / real:.1%}" if real else "-" for key in ("ours", "samples", "drawn")]
    print(f"{group:10} {row['mutants']:8} {row['equivalent']:11} {parts[0]:>10} {parts[1]:>21} "
          f"{parts[2]:>10}")  # fmt: skip


if __name__ == "__main__":
    main()
