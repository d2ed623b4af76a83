"""Training: `fit` and what surrounds it.

>>> import numpy as np
>>> from microgradx import nn, train
>>> x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
>>> model = nn.Sequential(nn.Linear(1, 8, rng=0), nn.Tanh(), nn.Linear(8, 1, rng=1))
>>> history = train.fit(model, (x, x**2), loss=nn.functional.mse_loss, epochs=3, rng=0)
>>> len(history["loss"])
3
"""

from microgradx.train.checkpoint import snapshot
from microgradx.train.evaluation import evaluate, predict
from microgradx.train.finder import RateTest, find_lr
from microgradx.train.history import History
from microgradx.train.linear import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SoftmaxRegression,
)
from microgradx.train.log import CSVLog
from microgradx.train.loop import fit
from microgradx.train.metrics import (
    accuracy,
    classes_of,
    confusion_matrix,
    precision_recall,
    r2_score,
)
from microgradx.train.units import dead_units

__all__ = [
    "CSVLog",
    "ElasticNet",
    "History",
    "Lasso",
    "LinearRegression",
    "LogisticRegression",
    "RateTest",
    "Ridge",
    "SoftmaxRegression",
    "accuracy",
    "classes_of",
    "confusion_matrix",
    "dead_units",
    "evaluate",
    "find_lr",
    "fit",
    "precision_recall",
    "predict",
    "r2_score",
    "snapshot",
]
