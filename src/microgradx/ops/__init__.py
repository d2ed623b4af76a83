"""The table of primitives, by family.

Importing this package fills `microgradx.primitive.PRIMITIVES`. A rule may name primitives of its
own module and of those imported there; the fast readings look names up in the whole table.
"""

from microgradx.ops import (
    conv,
    einsum,
    elementary,
    elementwise,
    factors,
    indexing,
    linalg,
    moments,
    reductions,
    rounding,
    scans,
    shaping,
    special,
)

__all__ = [
    "conv", "einsum", "elementary", "elementwise", "factors", "indexing", "linalg", "moments",
    "reductions", "rounding", "scans", "shaping", "special",
]  # fmt: skip
