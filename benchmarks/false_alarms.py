"""False alarms: correct functions that the checks accuse, and examples that they skip.

    python benchmarks/false_alarms.py [--examples 20000] [--seed 0]

Half of the examples are calls of every primitive in turn, half random programs, graphs and scalar
programs. A million examples take some forty minutes: ``--examples 1000000``; after Ctrl-C it says
what those that were done came to.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from tqdm import trange

import microgradx.ops  # noqa: F401 - fills the table
from microgradx.primitive import PRIMITIVES
from microgradx.testing.calls import Dice, draw_call
from microgradx.testing.checking import gradcheck
from microgradx.testing.generation import draw_graph, draw_program, draw_scalar_program
from microgradx.testing.report import GradientError


def examples(count, seed):
    ops = [op for op in PRIMITIVES.values() if op.differentiable]
    programs = (draw_program, draw_graph, draw_scalar_program)
    for number in trange(count, unit="example", disable=None):
        source = Dice(seed * 10**9 + number)
        if number % 2:
            yield number, programs[number // 2 % 3](source)
        else:
            yield number, draw_call(source, ops[number // 2 % len(ops)])


def judged(count, seed):
    """Each example with its report, or the error that accuses it; until somebody interrupts."""
    try:
        for number, example in examples(count, seed):
            try:
                yield number, example, gradcheck(
                    example, *example.inputs, adapter="microgradx", seed=number,
                    reference=example.reference,
                )  # fmt: skip
            except GradientError as error:
                yield number, example, error
    except KeyboardInterrupt:
        print("interrupted")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    statuses, reasons, skipped_in, weak, alarms = Counter(), Counter(), Counter(), 0, []
    total = 0
    for number, example, found in judged(arguments.examples, arguments.seed):
        total += 1
        if isinstance(found, GradientError):
            alarms.append((number, str(found)))
            statuses["failed"] += 1
            continue
        statuses[found.status] += 1
        weak += found.weak
        if found.status == "skipped":
            reasons[found.reason] += 1
            skipped_in[example.__name__.partition("(")[0]] += 1
    for number, text in alarms:
        print(f"example {number}: {text}\n")
    print(f"{total} examples in {time.perf_counter() - start:.0f} s: {dict(statuses)}")
    print(f"false alarms {len(alarms)}, skipped {statuses['skipped'] / total:.2%}, "
          f"weak {weak / total:.2%}")  # fmt: skip
    print("skipped:", dict(reasons))
    print("most often in:", skipped_in.most_common(12))


if __name__ == "__main__":
    main()
