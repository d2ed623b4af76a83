"""Numerical derivatives side by side: what each library claims, and what part of it is true.

    python benchmarks/derivatives.py [--seed N]

Needs mpmath; scipy and numdifftools are compared where they are installed. For each method: the
part of the points whose truth (mpmath at 60 digits) lies within the claimed bound, the median bound
and median true error (relative), the points that are wrong by more than 1e-6, and evaluations.
"""

from __future__ import annotations

import argparse
import math
import runpy
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from microgradx.testing.ladder import replicated_ladder

TESTS = Path(__file__).parent.parent / "tests" / "test_testing_derivatives.py"
SUITE = runpy.run_path(str(TESTS))  # the table and the truth are the test's own


def ours(replicates, function, x, count):
    truth = SUITE["power_of_two"](x)
    found = replicated_ladder(SUITE["along"](count(function), x), replicates)
    low, high = found.interval()
    middle = found.value[0] if found.status[0] != 1 else (low[0] + high[0]) / 2
    error = found.error[0] if found.status[0] != 1 else (high[0] - low[0]) / 2
    return middle / truth, error / truth


def central(step, function, x, count):
    f = count(function)
    return (f(x + step) - f(x - step)) / (2 * step), math.nan


def scipy_derivative(width, function, x, count):
    from scipy.differentiate import derivative  # optional

    f = count(function)
    step = width * (abs(x) or 1.0) if width < 0.5 else width
    found = derivative(np.vectorize(f, otypes=[float]), x, initial_step=step)
    return float(found.df), float(found.error)


def numdifftools_derivative(function, x, count):
    import numdifftools  # optional

    found = numdifftools.Derivative(count(function), full_output=True)(x)
    return np.asarray(found[0]).item(), np.asarray(found[1]).item()


def methods():
    yield "central, h = 1e-6", partial(central, 1e-6)
    yield "central, h = 1e-4", partial(central, 1e-4)
    for module, label, method in (
        ("scipy", "scipy, h = 0.5", partial(scipy_derivative, 0.5)),
        ("scipy", "scipy, h = 0.05 |x|", partial(scipy_derivative, 0.05)),
        ("numdifftools", "numdifftools", numdifftools_derivative),
    ):
        try:
            __import__(module)
        except ImportError:
            print(f"({module} is not installed)")
        else:
            yield label, method
    yield "microgradx, one ladder", partial(ours, 1)
    yield "microgradx, three", partial(ours, 3)


def judge(method, points):
    covered = claims = wrong = calls = 0
    bounds, errors = [], []
    start = time.perf_counter()
    for function, x, truth in points:
        spent = 0

        def count(f):
            def counted(*args):
                nonlocal spent
                spent += 1
                return f(*args)

            return counted

        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                value, error = method(function, x, count)
        except Exception:  # noqa: BLE001  # a library that fails here claims nothing
            value, error = math.nan, math.inf
        calls += spent
        size = abs(truth) or 1.0
        miss = abs(value - truth)
        if math.isfinite(error):
            claims += 1
            bounds.append(error / size)
        covered += not (miss > error or (math.isnan(value) and math.isfinite(error)))
        wrong += bool(miss > 1e-6 * size or math.isnan(value)) and error != math.inf
        errors.append(miss / size if math.isfinite(miss) else math.inf)
    seconds = time.perf_counter() - start
    n = len(points)
    bounded = bool(bounds)
    return (
        f"{covered / n:9.2%}" if bounded else "        –",
        f"{claims / n:8.1%}" if bounded else "       –",
        f"{np.median(bounds):9.1e}" if bounded else "        –",
        f"{np.median(errors):9.1e}",
        f"{wrong / n:7.1%}",
        f"{calls / n:6.1f}",
        f"{seconds / n * 1e6:7.0f}",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    points = [
        (row.function, x, SUITE["true_derivative"](row.exact, x))
        for row in SUITE["table"](seed)
        for x in row.points.tolist()
    ]
    print(f"{len(SUITE['table'](seed))} functions, {len(points)} points, seed {seed}")
    print(
        f"{'method':24} {'covered':>9} {'claimed':>8} {'bound':>9} {'error':>9} {'>1e-6':>7} "
        f"{'calls':>6} {'us':>7}"
    )
    for label, method in methods():
        print(f"{label:24}", *judge(method, points), flush=True)


if __name__ == "__main__":
    main()
