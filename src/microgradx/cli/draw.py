"""``microgradx draw``: the picture of an expression, values and gradients included."""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

_ASSIGNMENT = re.compile(r"([A-Za-z]\w*)=(.+)")


def add(commands: Any) -> None:
    """Describe the sub-command and its arguments."""
    parser = commands.add_parser(
        "draw",
        help="draw an expression with its gradients",
        description="Draw an expression as a graph, with values and gradients: "
        "microgradx draw 'tanh(a*b + c)' a=2 b=-3 c=10 -o graph.svg",
        allow_abbrev=False,
    )
    parser.add_argument("expression", help="Python arithmetic, such as 'd = a*b; tanh(d + c)'")
    parser.add_argument(
        "numbers", nargs="*", type=_assignment, metavar="NAME=NUMBER", help="a number for each name"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--json", action="store_true", help="print the graph as JSON")
    where.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="where the picture goes: .svg .html .png .pdf .dot .mmd .json .txt; "
        "without it, the graph is printed as text",
    )
    parser.add_argument(
        "--style",
        choices=("auto", "circuit", "card", "lanes"),
        default="auto",
        help="how it is drawn (%(default)s)",
    )
    parser.add_argument(
        "--theme",
        choices=("auto", "light", "dark", "cs231n", "mono"),
        default="auto",
        help="its colours (%(default)s follows the reader's system)",
    )
    parser.add_argument(
        "--contributions", action="store_true", help="write what each edge adds to a gradient"
    )
    parser.add_argument(
        "--steps", action="store_true", help="an HTML page that steps through the backward pass"
    )
    parser.set_defaults(run=run)


def _assignment(text: str) -> tuple[str, float]:
    found = _ASSIGNMENT.fullmatch(text)
    if found is not None:
        with suppress(ValueError):
            return found[1], float(found[2])
    raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER")


def run(arguments: argparse.Namespace) -> int:
    """Compute, differentiate, draw."""
    from microgradx import drawing  # noqa: PLC0415 - heavy, and `--help` needs none of it
    from microgradx.drawing.expressions import read_expression  # noqa: PLC0415

    out = read_expression(arguments.expression, dict(arguments.numbers))
    if out.name is None:
        out.name = "out"
    out.backward()
    if arguments.json:
        print(drawing.draw(out, names=None).json)
        return 0
    picture: Any
    if arguments.steps:
        picture = drawing.animate(out, names=None, theme=arguments.theme)
    else:
        picture = drawing.draw(
            out,
            style=arguments.style,
            names=None,
            theme=arguments.theme,
            contributions=arguments.contributions,
        )
    if arguments.out is None:
        print(picture.text)
        return 0
    path = Path(arguments.out)
    if not path.parent.is_dir():
        from microgradx.errors import DrawingError  # noqa: PLC0415

        raise DrawingError("draw", f"{path.parent} is no directory", "Make it first")
    print(f"{picture!r} written to {picture.save(path)}")
    return 0
