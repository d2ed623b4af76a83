"""Models: layers, activations and losses with PyTorch's names, defaults and state-dict keys.

>>> from microgradx import nn
>>> model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
>>> sum(p.size for p in model.parameters())
101770
"""

from microgradx.nn import (
    activations,
    containers,
    functional,
    gradients,
    images,
    init,
    layers,
    losses,
    normalisation,
    saving,
    sequences,
)
from microgradx.nn.activations import *  # noqa: F403
from microgradx.nn.containers import *  # noqa: F403
from microgradx.nn.gradients import *  # noqa: F403
from microgradx.nn.images import *  # noqa: F403
from microgradx.nn.layers import *  # noqa: F403
from microgradx.nn.losses import *  # noqa: F403
from microgradx.nn.module import Module, Parameter
from microgradx.nn.normalisation import *  # noqa: F403
from microgradx.nn.saving import *  # noqa: F403
from microgradx.nn.sequences import *  # noqa: F403

ROOMS = (
    activations, containers, gradients, images, layers, losses, normalisation, saving, sequences,
)  # fmt: skip
__all__ = [name for room in ROOMS for name in room.__all__]
__all__ += ["Module", "Parameter", "functional", "init"]
