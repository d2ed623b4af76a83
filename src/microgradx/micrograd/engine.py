"""Where micrograd keeps its Value."""

from microgradx.value import Value

__all__ = ["Value"]
