"""What goes wrong, in one form: ``where: what is wrong. How to mend it.``

Every exception keeps its facts as fields and builds its text only when somebody reads it, so that
code that catches one pays nothing for the sentence. Each class is also the builtin that NumPy or
PyTorch users already catch (``ValueError``, ``TypeError``, ...).
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "AxisError",
    "CaptureError",
    "CheckpointError",
    "DTypeError",
    "DataChangedError",
    "DataError",
    "DivergenceError",
    "DrawingError",
    "GradcheckError",
    "GraphError",
    "IndexingError",
    "MicrogradxError",
    "NonFiniteError",
    "PrimitiveError",
    "ShapeError",
    "UnsupportedError",
]


class MicrogradxError(Exception):
    """Base of all errors that microgradx raises on purpose.

    Parameters
    ----------
    where : str
        The call the user wrote: an operation, a function or a file.
    problem : str
        What is wrong, with shapes, dtypes and names; no final full stop.
    remedy : str, optional
        How to mend it: a whole sentence without its final full stop.
    **facts : object
        Whatever a program may want to read (shapes, axes, line numbers).

    Examples
    --------
    >>> print(ShapeError("matmul", "inner sizes differ: 8 and 16", "Transpose one operand"))
    matmul: inner sizes differ: 8 and 16. Transpose one operand.
    """

    def __init__(self, where: str, problem: str, remedy: str = "", **facts: object) -> None:
        super().__init__(where, problem, remedy)
        self.where = where
        self.problem = problem
        self.remedy = remedy
        self.facts = facts

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}."
        return f"{text} {self.remedy}." if self.remedy else text


class ShapeError(MicrogradxError, ValueError):
    """Shapes that do not fit together."""


class ArgumentError(MicrogradxError, ValueError):
    """An argument outside its range, or of no known choice."""


class AxisError(MicrogradxError, ValueError, IndexError):
    """An axis that the array does not have, or that is named twice."""


class IndexingError(MicrogradxError, IndexError):
    """An index that the array does not have."""


class DTypeError(MicrogradxError, TypeError):
    """Data of a kind that cannot do what is asked of it."""


class UnsupportedError(MicrogradxError, TypeError):
    """A call that has no meaning here, or no gradient."""


class PrimitiveError(MicrogradxError, ValueError):
    """A primitive whose definition breaks a rule of the table."""


class GraphError(MicrogradxError, RuntimeError):
    """A computation graph that cannot be walked as asked."""


class DataChangedError(GraphError):
    """Data that was overwritten between the forward and the backward pass."""


class NonFiniteError(MicrogradxError, FloatingPointError):
    """The first nan or infinity, found by anomaly detection."""


class CaptureError(MicrogradxError, RuntimeError):
    """A step that cannot be captured and replayed faithfully."""


class DrawingError(MicrogradxError, RuntimeError):
    """A picture that cannot be made in the form asked for."""


class GradcheckError(MicrogradxError, AssertionError):
    """A gradient that disagrees with the function it belongs to."""


class DataError(MicrogradxError, ValueError):
    """A data file or data set that is missing, damaged or not what it claims to be."""


class CheckpointError(MicrogradxError, ValueError):
    """A file of weights that cannot be read or does not fit the model."""


class DivergenceError(MicrogradxError, ArithmeticError):
    """A training run whose loss exploded or became nan."""
