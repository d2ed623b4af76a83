"""Kinds of numbers that sub-commands take, with a sentence for everything else."""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any

__all__ = ["count", "number", "rate", "seed"]


def _read(text: str, kind: type[int | float], least: float, what: str) -> Any:
    try:
        read = kind(text)
    except ValueError:
        read = math.nan
    if not least <= read < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return read


def count(text: str) -> Any:
    """How many: 1 or more."""
    return _read(text, int, 1, "a positive integer")


def seed(text: str) -> Any:
    """Where random numbers begin: 0 or more."""
    return _read(text, int, 0, "an integer of 0 or more")


def rate(text: str) -> Any:
    """A number above 0."""
    return _read(text, float, sys.float_info.min, "a positive number")


def number(text: str) -> Any:
    """Any number but nan and the infinities."""
    return _read(text, float, -sys.float_info.max, "a finite number")
