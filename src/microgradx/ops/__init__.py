"""The table of primitives, by family.

Importing this package fills `microgradx.primitive.PRIMITIVES`. A rule may name primitives of its
own module and of those imported there; the fast readings look names up in the whole table.
"""

from microgradx.ops import (
    conv,
    elementary,
    elementwise,
    indexing,
    linalg,
    reductions,
    rounding,
    shaping,
    special,
)

__all__ = [
    "conv", "elementary", "elementwise", "indexing", "linalg", "reductions", "rounding", "shaping",
    "special",
]  # fmt: skip
