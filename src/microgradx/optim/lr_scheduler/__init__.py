"""Schedules: learning rates that change from step to step, with PyTorch's names and numbers.

A schedule is a function of the number of steps so far. `Schedule.step` writes the rate into the
optimiser's groups; call it after each epoch (or each batch, for `OneCycleLR`).
"""

from microgradx.optim.lr_scheduler.cycles import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    OneCycleLR,
)
from microgradx.optim.lr_scheduler.plateau import ReduceLROnPlateau
from microgradx.optim.lr_scheduler.schedule import (
    ConstantLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    PolynomialLR,
    Schedule,
    SequentialLR,
    StepLR,
)

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Schedule",
    "SequentialLR",
    "StepLR",
]
