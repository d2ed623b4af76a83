"""``microgradx thermometer``: gradient descent on two numbers, with all its numbers shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from microgradx.cli.arguments import count, rate
from microgradx.errors import DivergenceError

if TYPE_CHECKING:
    import argparse

_EXPLOSION = 1e6


def add(commands: Any) -> None:
    """Describe the sub-command and its arguments."""
    parser = commands.add_parser(
        "thermometer",
        help="learn two numbers, and watch how a learning rate helps or ruins it",
        description=(
            "Fit w * reading + b to temperatures by gradient descent on the mean squared error, "
            "from w = 1 and b = 0. Try --scale 1 with --lr 1e-2 (it diverges) and --lr 1e-4 (b "
            "hardly moves), then the defaults."
        ),
        allow_abbrev=False,
    )
    parser.add_argument(
        "--lr", type=rate, default=1e-2, metavar="RATE", help="learning rate (%(default)s)"
    )
    parser.add_argument(
        "--epochs", type=count, default=5000, metavar="N", help="steps (%(default)s)"
    )
    parser.add_argument(
        "--scale",
        type=rate,
        default=0.1,
        metavar="FACTOR",
        help="what readings are multiplied by first (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Descend, and tell on the way."""
    import numpy as np  # noqa: PLC0415 - keeps --help quick

    from microgradx import data, optim  # noqa: PLC0415
    from microgradx.tensor import Tensor  # noqa: PLC0415

    readings, degrees = data.thermometer()
    readings = readings * arguments.scale
    w, b = Tensor(1.0, name="w"), Tensor(0.0, name="b")
    optimizer = optim.SGD([w, b], lr=arguments.lr)
    told = {1, 2, 3, 10, 100, 1000, arguments.epochs}
    if not arguments.json:
        print(f"{'epoch':>7} {'loss':>12} {'dloss/dw':>12} {'dloss/db':>12} {'w':>9} {'b':>9}")
    first = 0.0
    for epoch in range(1, arguments.epochs + 1):
        optimizer.zero_grad()
        with np.errstate(all="ignore"):  # overflow ends in a DivergenceError
            loss = ((w * readings + b - degrees) ** 2).mean()
            loss.backward()
        value = loss.item()
        first = first or value
        if not value <= _EXPLOSION * first:
            problem = f"the loss grew from {first:.5g} to {value:.5g} in epoch {epoch}"
            remedy = f"Lower --lr, which is {arguments.lr:g}, or --scale"
            raise DivergenceError("thermometer", problem, remedy, lr=arguments.lr, epoch=epoch)
        slopes = float(w.grad), float(b.grad)
        optimizer.step()
        if epoch in told:
            found = {
                "epoch": epoch,
                "loss": value,
                "gradient": slopes,
                "w": w.item(),
                "b": b.item(),
            }
            if arguments.json:
                print(json.dumps(found), flush=True)
            else:
                numbers = [_fitted(x, 12) for x in (value, *slopes)]
                numbers += [_fitted(x, 9) for x in (w.item(), b.item())]
                print(f"{epoch:7}", *numbers, flush=True)
    if not arguments.json:
        sign = "-" if b.item() < 0 else "+"
        line = f"{w.item() * arguments.scale:.4f} * reading {sign} {abs(b.item()):.4f}"
        print(f"degrees Celsius = {line} (Fahrenheit's is 0.5556 * reading - 17.7778)")
    return 0


def _fitted(number: float, width: int) -> str:
    """Four decimals, or as many digits as there is room for."""
    text = f"{number:{width}.4f}"
    return text if len(text) == width else f"{number:{width}.2e}"
