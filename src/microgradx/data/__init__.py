"""Data sets and mini-batches: real handwritten digits, IDX files, batches in random order."""

from microgradx.data.idx import read_idx

__all__ = ["read_idx"]
