"""microgradx: see, trust and run fast what automatic differentiation does.

Write micrograd-style Python over `Value` (a number) or NumPy-style Python over `Tensor` (an
array); ``backward()`` runs the chain rule. The same record is drawn, checked, differentiated
again, printed as NumPy, and replayed at full speed.

>>> from microgradx import Value
>>> a, b = Value(2.0), Value(3.0)
>>> (a * b).backward()
>>> a.grad, b.grad
(3.0, 2.0)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from microgradx import (
    assignment,  # noqa: F401 - gives Tensors `x[i] = v`, `x += v` and `x.at[i]`
    errors,
    functions,
    linalg,
    modes,
    ops,
    primitive,
    protocols,  # noqa: F401 - lets NumPy's functions take Tensors
    special,
)
from microgradx.assignment import index_add
from microgradx.custom import checkpoint, custom_vjp
from microgradx.forward import jacfwd, jacrev, linearize
from microgradx.functions import *  # noqa: F403
from microgradx.hooks import register_hook, stop_gradient
from microgradx.modes import detect_mutation, enable_grad, ieee_zeros, is_grad_enabled, no_grad
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor, tensor
from microgradx.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from microgradx.value import Value

if TYPE_CHECKING:
    from microgradx import autograd, data, drawing, micrograd, nn, optim, testing, train  # noqa: F401
    from microgradx.capture import capture as capture  # exported: the room answers calls
    from microgradx.drawing import (  # noqa: F401
        animate,
        detect_anomaly,
        draw,
        draw_dot,
        explain,
        trace_lines,
        why,
    )

__version__ = "0.1.0"

_ELEMENTWISE = (
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atanh", "cos", "cosh", "equal", "exp",
    "expm1", "greater", "greater_equal", "less", "less_equal", "log", "log1p", "maximum", "minimum",
    "mul", "neg", "not_equal", "pow", "relu", "sigmoid", "sign", "sin", "sinh", "softplus", "sqrt",
    "square", "sub", "tan", "tanh", "where",
)  # fmt: skip
globals().update({name: PRIMITIVES[name] for name in _ELEMENTWISE})

_LAZY_MODULES = (
    "autograd", "capture", "data", "drawing", "micrograd", "nn", "optim", "plots", "symbol",
    "testing", "train",
)  # fmt: skip
_DRAWING = ("animate", "detect_anomaly", "draw", "draw_dot", "explain", "trace_lines", "why")
_LAZY_NAMES: dict[str, str] = dict.fromkeys(_DRAWING, "microgradx.drawing")

__all__ = [  # noqa: PLE0604 - the lists of names that it unpacks hold strings
    "Tensor", "Value", "capture", "checkpoint", "custom_vjp", "detect_mutation", "enable_grad",
    "errors", "grad", "hessian", "hvp", "ieee_zeros", "index_add", "is_grad_enabled", "jacfwd",
    "jacobian", "jacrev", "jvp", "linalg", "linearize", "modes", "nn", "no_grad", "ops", "optim",
    "primitive", "register_hook", "special", "stop_gradient", "tensor", "value_and_grad", "vjp",
    *_DRAWING,
    *_ELEMENTWISE, *functions.__all__,
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the larger rooms when somebody first enters them, so that ``import`` stays light."""
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(_LAZY_NAMES[name]), name)
    if name in _LAZY_MODULES:
        return importlib.import_module(f"microgradx.{name}")
    raise AttributeError(f"module 'microgradx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY_MODULES, *_LAZY_NAMES})
