"""Einstein sums of two arrays: one primitive, because its slopes are Einstein sums again."""

# fmt: off

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from microgradx.primitive import Primitive

Array = Any


@functools.lru_cache(maxsize=1024)
def _plan(left: str, right: str, result: str) -> tuple[Any, ...]:
    """How the sum becomes one batched matrix product: three orders of axes, three counts."""
    batch = [c for c in result if c in left and c in right]
    rows = [c for c in result if c in left and c not in right]
    columns = [c for c in result if c in right and c not in left]
    inner = [c for c in left if c in right and c not in result]
    made = [*batch, *rows, *columns]
    return (
        tuple([left.index(c) for c in (*batch, *rows, *inner)]),
        tuple([right.index(c) for c in (*batch, *inner, *columns)]),
        tuple([made.index(c) for c in result]),
        len(batch), len(rows), len(inner),
    )


def _einsum(x: Array, y: Array, out: Array = None, *, left: str, right: str, result: str) -> Array:
    """Sum over the letters that `result` leaves out.

    A letter occurs once in an array and has one length, and one that only one array has is in
    the result; ``functions.einsum`` brings any sum into this form.
    """
    order_x, order_y, order, batch, rows, inner = _plan(left, right, result)
    # Repeated elements (stride 0) would miss BLAS, and round differently from call to call.
    a = np.ascontiguousarray(x.transpose(order_x)) if 0 in x.strides else x.transpose(order_x)
    b = np.ascontiguousarray(y.transpose(order_y)) if 0 in y.strides else y.transpose(order_y)
    if batch == a.ndim == b.ndim:
        return np.multiply(a.transpose(order), b.transpose(order), out)
    lead, high, wide = a.shape[:batch], a.shape[batch : batch + rows], b.shape[batch + inner :]
    k = math.prod(a.shape[batch + rows :])
    a = a.reshape((*lead, math.prod(high), k))
    b = b.reshape((*lead, k, math.prod(wide)))
    # One inner element is a product of a column and a row, which BLAS does slowly.
    z = a * b if k == 1 else np.matmul(a, b)
    z = z.reshape((*lead, *high, *wide)).transpose(order)
    if out is None:
        return z
    np.copyto(out, z)
    return out


einsum: Primitive = Primitive("einsum", None, _einsum,
    lambda g, z, x, y, *, left, right, result: einsum(g, y, left=result, right=right, result=left),
    lambda g, z, x, y, *, left, right, result: einsum(x, g, left=left, right=result, result=right),
    tex=r"\sum {:2} \cdot {:2}", text="einsum({}, {})", binding=2, kind="bilinear", sample=((-6.0, 6.0), (-6.0, 6.0)))
