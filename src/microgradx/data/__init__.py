"""Data sets and mini-batches: real handwritten digits, IDX files, batches in random order."""

from microgradx.data.handwritten import Digits, digits, digits_source, mnist
from microgradx.data.idx import read_idx
from microgradx.data.minibatch import Batches

__all__ = ["Batches", "Digits", "digits", "digits_source", "mnist", "read_idx"]
