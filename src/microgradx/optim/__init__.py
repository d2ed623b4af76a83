"""Optimisers with PyTorch's names and defaults; they write into the parameters' own arrays.

>>> from microgradx import Tensor, optim
>>> w = Tensor([1.0, 2.0])
>>> optimizer = optim.SGD([w], lr=0.1)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w
Tensor([0.8, 1.6])
"""

from microgradx.optim import lr_scheduler
from microgradx.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from microgradx.optim.adaptive import Adadelta, Adagrad, RMSprop
from microgradx.optim.optimizer import Optimizer
from microgradx.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "lr_scheduler",
]
