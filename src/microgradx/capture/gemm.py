"""Matrix products cut into pieces that OpenBLAS multiplies without packing, where that is faster.

For pieces with at most a million multiplications some of OpenBLAS's kernels skip the copy of both
operands into blocks, which for the products of a small network is a third of the time. Whether it
pays depends on shapes, layouts and the processor, and a wrong cut loses up to eightfold, so each
product is timed once, on the program's own memory, when the step is captured.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.capture.program import Instruction, View

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["tuned"]

PIECES = (2, 4, 7, 8, 14, 16, 28, 32)
SMALL = 4e5
"""Products with fewer multiplications are left alone."""
FITS = (3e5, 1.1e6)
"""Multiplications in a piece that the small kernels take, and that are worth a call."""
WORTH = 0.95
"""A cut must save at least 5 %."""
ROUNDS = 7
SURE = 2
HOPELESS = 1.3
"""After `SURE` rounds, plans this much slower than the best are dropped."""


def tuned(instruction: Instruction, array: Callable[[View], Any]) -> tuple[Instruction, str]:
    """The fastest way to compute one product.

    Parameters
    ----------
    instruction : Instruction
        A call of ``matmul`` on matrices.
    array : callable
        View -> live array to time it on; what lies there is overwritten.

    Returns
    -------
    Instruction
        The same call on the same memory, perhaps in pieces.
    str
        What was chosen; "" for the plain call.
    """
    a, b, c = instruction.arguments
    if len(a.shape) != 2 or len(b.shape) != 2:
        return instruction, ""
    (m, k), n = a.shape, b.shape[1]
    work = m * k * n
    if work < SMALL:
        # The same call of BLAS, 0.4 us sooner.
        direct = all(map(_dense, (a, b))) and c.strides == (n, 1) and min(m, k, n) > 1
        return instruction._replace(function="dot") if direct else instruction, ""
    plans = {"": (a, b, c)}
    least, most = FITS
    for p, q in itertools.product((1, *PIECES), repeat=2):
        if least <= work / (p * q) <= most and _cuts(m, p) and _cuts(n, q):
            plans[_title(p, q)] = (grid(a, p, 1), grid(b, 1, q), grid(c, p, q))
    best = _race({key: [array(v) for v in views] for key, views in plans.items()})
    x, y, z = plans[best]
    note = f"{instruction.note}, in {best}" if best else instruction.note
    return instruction._replace(arguments=(x, y, z), writes=z, note=note), best


def _dense(view: View) -> bool:
    """Whether BLAS takes the matrix as it lies."""
    (m, n), (s, t) = view.shape, view.strides
    return (t == 1 and s >= n) or (s == 1 and t >= m)


def _cuts(size: int, pieces: int) -> bool:
    return pieces == 1 or (size % pieces == 0 and size // pieces >= 4)


def _title(p: int, q: int) -> str:
    if q == 1:
        return f"{p} pieces of rows"
    return f"{q} pieces of columns" if p == 1 else f"{p} x {q} pieces"


def grid(view: View, p: int, q: int) -> View:
    """A matrix as p x q matrices, each of some of its rows and columns."""
    (m, n), (s, t) = view.shape, view.strides
    return View(view.buffer, view.offset, (p, q, m // p, n // q), (m // p * s, n // q * t, s, t))


def _race(plans: dict[str, list[Any]]) -> str:
    """The key of the fastest product; the plain one unless another is clearly faster."""
    # Processor time of this thread: waiting for a processor must not decide.
    clock, matmul = time.thread_time, np.matmul
    best = dict.fromkeys(plans, 9e9)

    def run(key: str) -> None:
        a, b, c = plans[key]
        start = clock()
        matmul(a, b, c)
        best[key] = min(best[key], clock() - start)

    for operands in plans.values():
        matmul(*operands)
    for done in range(ROUNDS):
        for key in plans:
            if done < SURE or not key or best[key] < HOPELESS * min(best.values()):
                run(key)
    found = min(best, key=lambda key: best[key])
    for _ in range(ROUNDS if found else 0):  # once more, these two alone
        run("")
        run(found)
    return found if best[found] < WORTH * best[""] else ""
