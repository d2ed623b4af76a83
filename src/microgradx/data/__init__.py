"""Data sets, mini-batches and preparation: real handwritten digits, shapes, IDX files, scaling."""

from microgradx.data.download import fetch
from microgradx.data.handwritten import Digits, digits, digits_source, fashion_mnist, mnist
from microgradx.data.idx import read_idx
from microgradx.data.loader import DataLoader, TensorDataset
from microgradx.data.minibatch import Batches
from microgradx.data.shapes import blobs, circles, moons, spirals, thermometer, zigzag
from microgradx.data.transforms import Normalise, Standardise, Whiten, one_hot, split

__all__ = [
    "Batches",
    "DataLoader",
    "Digits",
    "Normalise",
    "Standardise",
    "TensorDataset",
    "Whiten",
    "blobs",
    "circles",
    "digits",
    "digits_source",
    "fashion_mnist",
    "fetch",
    "mnist",
    "moons",
    "one_hot",
    "read_idx",
    "spirals",
    "split",
    "thermometer",
    "zigzag",
]
