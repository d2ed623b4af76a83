"""``microgradx check``: is the gradient of a function right?"""

from __future__ import annotations

import argparse
import json
import re
from typing import Any

from microgradx.cli.arguments import count, number, seed
from microgradx.errors import ArgumentError

_NAMED = re.compile(r"([A-Za-z_]\w*)=(.+)", re.DOTALL)


def add(commands: Any) -> None:
    """Describe the sub-command and its arguments."""
    parser = commands.add_parser(
        "check",
        help="check the gradient of a function",
        description="Check the gradient of a function, at random inputs, with tolerances that are "
        "derived: microgradx check mymodule:loss --shape x=4,3 --shape w=3,2 "
        "--input 'labels=[0,1,1,0]'. "
        "Functions of microgradx, PyTorch, JAX, autograd and MyGrad are recognised; --vjp checks "
        "a hand-written gradient in plain NumPy. Exit code 1 means that the gradient is wrong.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "target",
        help="module:function, file.py:function, or a primitive such as tanh, which is tried on "
        "its own ranges",
    )
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        type=_named,
        metavar="NAME=LITERAL",
        help="an input that is the same in every example; integers are held fixed",
    )
    parser.add_argument(
        "--vjp", metavar="TARGET", help="a hand-written vjp: (g, *inputs) -> gradients"
    )
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        type=_shape,
        metavar="[NAME=]N,N",
        help="shape of an input, or of all without a name (2,3)",
    )
    parser.add_argument(
        "--numbers", action="store_true", help="inputs are Python floats: f runs over Values"
    )
    parser.add_argument(
        "--range",
        nargs=2,
        type=number,
        default=(-2.0, 2.0),
        metavar=("LOW", "HIGH"),
        help="range of random inputs (-2 2)",
    )
    parser.add_argument(
        "--examples", type=count, default=20, metavar="N", help="random inputs to try (%(default)s)"
    )
    parser.add_argument(
        "--order", type=int, choices=(1, 2), default=1, help="2 checks the second derivative"
    )
    parser.add_argument("--library", help="the library, where it cannot be recognised")
    parser.add_argument("--seed", type=seed, default=0, help="of the first input (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.set_defaults(run=run)


def _named(text: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=LITERAL")
    return found[1], found[2]


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, equals, sizes = text.rpartition("=")
    parts = [n for n in sizes.replace(" ", "").split(",") if n]
    if not all(n.isdecimal() for n in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not N,N or NAME=N,N")
    return (name if equals else ""), tuple([int(n) for n in parts])


def run(arguments: argparse.Namespace) -> int:
    """Check, and print what it came to; 1 if the gradient is wrong or nothing was compared."""
    from microgradx.primitive import PRIMITIVES  # noqa: PLC0415 - keeps --help quick
    from microgradx.testing.command import check_target  # noqa: PLC0415

    low, high = arguments.range
    if not low < high:
        problem = f"there are no numbers from {low:g} to {high:g}"
        raise ArgumentError("check", problem, "Pass --range LOW HIGH, the smaller one first")
    shapes, target = dict(arguments.shape), arguments.target
    if ":" not in target and target in PRIMITIVES:
        target = f"microgradx:{target}"
    outcome = check_target(
        target,
        dict(arguments.input),
        vjp=arguments.vjp,
        shapes=shapes,
        shape=None if arguments.numbers else shapes.get("", (2, 3)),
        low=low,
        high=high,
        examples=arguments.examples,
        order=arguments.order,
        adapter=arguments.library,
        seed=arguments.seed,
    )
    print(json.dumps(outcome.to_dict(), indent=2) if arguments.json else outcome)
    return 0 if outcome.right else 1
