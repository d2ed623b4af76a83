"""PyTorch's elementwise functions, checked by `gradcheck` on generated inputs.

    python benchmarks/torch_functions.py [--examples 100] [--only hardsigmoid]

For each function: examples to the first failure, what it looks like, and whether PyTorch's own
gradcheck passes at that point. Needs PyTorch (dependency group ``oracle``).
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import torch

from microgradx.testing.calls import Dice, draw_array, draw_shape, draw_shapes
from microgradx.testing.checking import gradcheck

ANY, POSITIVE, NONZERO, UNIT = (-6.0, 6.0), (0.125, 6.0), (0.25, 6.0), (-0.875, 0.875)

UNARY = {
    torch: {
        ANY: "abs exp expm1 sin cos tanh sinh cosh atan asinh sigmoid square erf erfc sinc relu "
        "softmax logsumexp i0 nan_to_num sign",
        POSITIVE: "log log2 log10 log1p sqrt rsqrt reciprocal lgamma digamma",
        UNIT: "asin acos atanh erfinv",
    },
    torch.nn.functional: {
        ANY: "relu6 elu selu celu gelu silu mish hardswish hardtanh hardsigmoid leaky_relu "
        "logsigmoid softplus softsign softshrink hardshrink tanhshrink",
    },
}
BINARY = {
    (ANY, ANY): "add sub mul maximum minimum hypot logaddexp fmax fmin",
    (ANY, NONZERO): "div atan2 fmod remainder copysign",
    (POSITIVE, (-3.0, 3.0)): "pow",
    (ANY, POSITIVE): "xlogy",
}


def functions():
    """Name -> (function, ranges)."""
    for module, rows in UNARY.items():
        for domain, names in rows.items():
            for name in names.split():
                function = getattr(module, name)
                if name in {"softmax", "logsumexp"}:
                    yield name, (lambda x, f=function: f(x, -1)), (domain,)
                else:
                    yield name, function, (domain,)
    for domains, names in BINARY.items():
        for name in names.split():
            yield name, getattr(torch, name), domains


def first_failure(name, function, domains, examples):
    statuses = Counter()
    for number in range(examples):
        source = Dice(number)
        if len(domains) == 1:
            shapes = [draw_shape(source, 1)]
        else:
            shapes = draw_shapes(source, len(domains))[0]
        arrays = [draw_array(source, s, *d) for s, d in zip(shapes, domains, strict=True)]
        report = gradcheck(
            function, *map(torch.tensor, arrays), seed=number, raises=False, name=name
        )
        statuses[report.status] += 1
        if report.status == "failed":
            return number + 1, report, arrays, statuses
    return None, None, None, statuses


def torch_agrees(function, arrays):
    leaves = [torch.tensor(x, requires_grad=True) for x in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.autograd.gradcheck(function, leaves, raise_exception=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--only", default="", help="names, with commas")
    arguments = parser.parse_args()
    chosen = set(filter(None, arguments.only.split(",")))
    print(f"PyTorch {torch.__version__}, {arguments.examples} examples a function")
    clean, total, remarked = 0, Counter(), 0
    for name, function, domains in functions():
        if chosen and name not in chosen:
            continue
        number, report, arrays, statuses = first_failure(
            name, function, domains, arguments.examples
        )
        total.update(statuses)
        if number is None:
            clean += 1
            continue
        remarked += 1
        worst = report.mismatches[0] if report.mismatches else None
        if worst and len(arrays) == 1:  # only the element that is wrong, away from others' kinks
            arrays = [arrays[0][worst.index].reshape(1)]
            worst = replace(worst, index=(0,))
        own = "passes" if torch_agrees(function, arrays) else "fails"
        what = f"{worst.suspicion}; x = {point(arrays, worst)}" if worst else report.reason
        print(f"{name:14} example {number:3}: {report.kind}, {what} (torch's own gradcheck {own})")
    print(
        f"{clean} functions without remark, {remarked} with; {total.total()} checks: {dict(total)}"
    )


def point(arrays, worst):
    return float(np.asarray(arrays[worst.input])[worst.index]) if worst.input >= 0 else "several"


if __name__ == "__main__":
    main()
