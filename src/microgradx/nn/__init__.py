"""Models: layers, activations and losses with PyTorch's names, defaults and state-dict keys.

>>> from microgradx import nn
>>> model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
>>> sum(p.size for p in model.parameters())
101770
"""

from microgradx.nn import functional
from microgradx.nn.activations import ReLU
from microgradx.nn.containers import Sequential
from microgradx.nn.layers import Linear
from microgradx.nn.module import Module

__all__ = ["Linear", "Module", "ReLU", "Sequential", "functional"]
