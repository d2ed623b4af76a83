"""Matrix products."""

# fmt: off

from __future__ import annotations

from typing import Any

import numpy as np

from microgradx.ops.shaping import swap
from microgradx.primitive import Primitive

Array = Any


def _linear(x: Array, w: Array, b: Array, out: Array = None) -> Array:
    """X @ w.T + b, with the bias added in place."""
    z = np.matmul(x, w.T, out) if out is not None else np.matmul(x, w.T)
    return np.add(z, b, z) if b.dtype == z.dtype else z + b


def _linear_slope(g: Array, x: Array, w: Array, out: Array = None) -> Array:
    """G.T @ x in w's order of memory: an update reads both in the order in which they lie."""
    across = w.flags.f_contiguous and not w.flags.c_contiguous
    if out is not None:
        np.matmul(x.T, g, out.T) if across else np.matmul(g.T, x, out)
        return out
    return np.matmul(x.T, g).T if across else np.matmul(g.T, x)


matmul: Primitive = Primitive("matmul", None, np.matmul,
    lambda g, z, x, y: matmul(g, swap(y)),
    lambda g, z, x, y: matmul(swap(x), g),
    tex="{:2} {:2}", text="{:2} @ {:2}", binding=2, kind="bilinear", sample=((-6.0, 6.0), (-6.0, 6.0)), symbol="@")
linear: Primitive = Primitive("linear", None, _linear,
    lambda g, z, x, w, b: matmul(g, w),
    lambda g, z, x, w, b: linear_slope(g, x, w),
    lambda g, z, x, w, b: g,
    tex=r"{:2} {:5}^{{\mathsf{{T}}}} + {:1}", text="{:2} @ {:5}.T + {:1}", binding=1, kind="other", sample=((-6.0, 6.0),) * 3)
linear_slope: Primitive = Primitive("linear_slope", None, _linear_slope,
    lambda g, z, h, x, w: matmul(x, swap(g)),
    lambda g, z, h, x, w: matmul(h, g),
    None,
    tex=r"{:5}^{{\mathsf{{T}}}} {:2}", text="{:5}.T @ {:2}", binding=2, kind="bilinear", sample=((-6.0, 6.0),) * 3)
inner: Primitive = Primitive("inner", None, lambda x, y, out=None: np.dot(x, y) if out is None else np.copyto(out, np.dot(x, y)),
    lambda g, z, x, y: g * y,
    lambda g, z, x, y: g * x,
    tex=r"{:2} \cdot {:2}", text="{:2} @ {:2}", binding=2, kind="bilinear", sample=((-6.0, 6.0), (-6.0, 6.0)), symbol="@")
matvec: Primitive = Primitive("matvec", None, np.matmul,
    lambda g, z, x, y: g[:, None] * y,
    lambda g, z, x, y: matvec(swap(x), g),
    tex="{:2} {:2}", text="{:2} @ {:2}", binding=2, kind="bilinear", sample=((-6.0, 6.0), (-6.0, 6.0)), symbol="@")
