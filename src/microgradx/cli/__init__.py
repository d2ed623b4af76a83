"""The `microgradx` command: one module of this package for each sub-command.

A sub-command's module has `add(commands)`, which describes its arguments, and `run(arguments)`,
which returns the exit code. It imports what is heavy inside `run`, so that ``--help`` stays quick.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from microgradx import __version__
from microgradx.cli import check, digits, draw, examples, thermometer
from microgradx.errors import MicrogradxError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMMANDS = (digits, draw, check, thermometer, examples)
_MISTAKE, _INTERRUPTED = 2, 130


class _Parser(argparse.ArgumentParser):
    """A parser that answers a mistake with one sentence."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # A sub-command would hand what it does not know to the whole command, whose help is of
        # no use then.
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        self.exit(_MISTAKE, f"{self.prog}: {message}. See {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; by default what the user typed.

    Returns
    -------
    int
        The exit code: 0, 1 where `check` finds a wrong gradient, 2 after a mistake that the user
        can mend, 130 after an interrupt. Each
        but the first comes with one sentence on standard error.
    """
    parser = _Parser(
        prog="microgradx",
        description="See, trust and run fast what automatic differentiation does.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"microgradx {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in _COMMANDS:
        command.add(commands)
    namespace = parser.parse_args(arguments)
    try:
        code = int(namespace.run(namespace))
        sys.stdout.flush()
    except MicrogradxError as error:
        print(f"microgradx: {error}", file=sys.stderr)
        return _MISTAKE
    except KeyboardInterrupt:
        print("microgradx: interrupted; nothing was saved.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
