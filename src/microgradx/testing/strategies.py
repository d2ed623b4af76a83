"""Hypothesis strategies for shapes, arrays, calls and whole programs.

They draw from the same recipes as the seeded laws, and shrink: to ``()``, to 0, to the first
axis, to programs of one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from microgradx.errors import UnsupportedError
from microgradx.primitive import PRIMITIVES, Primitive
from microgradx.tensor import Tensor
from microgradx.testing.calls import (
    GRID,
    OpCall,
    draw_array,
    draw_call,
    draw_index,
    draw_shape,
    draw_shapes,
)
from microgradx.testing.generation import draw_graph, draw_program, draw_scalar_program

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ImportError:  # pragma: no cover - the message is all there is
    raise UnsupportedError(
        "microgradx.testing.strategies",
        "hypothesis is not installed",
        "pip install 'microgradx[test]'",
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from microgradx.testing.programs import Program

__all__ = [
    "arrays",
    "axes",
    "einsum_specs",
    "elements",
    "graphs",
    "indices",
    "op_calls",
    "programs",
    "shapes",
    "tensors",
    "value_programs",
]

T = TypeVar("T")


class _Drawn:
    """A `Source` whose choices hypothesis makes, and unmakes when it shrinks."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        """An integer that shrinks to `low`."""
        return low + int(self._draw(st.integers(0, high - low)))

    def choice(self, options: Sequence[T]) -> T:
        """One of `options`, shrinking to the first."""
        chosen: T = self._draw(st.sampled_from(list(options)))
        return chosen

    def grid(self, shape: tuple[int, ...], low: int, high: int) -> NDArray[Any]:
        """Integers that shrink towards 0; all equal, or whole eighths, now and then."""
        numbers = st.integers(low, high)
        if high - low >= 2 * GRID and self._draw(st.booleans()):
            numbers = st.integers(-(-low // GRID), high // GRID).map(lambda n: n * GRID)
        drawn: NDArray[Any] = self._draw(hnp.arrays(np.int64, shape, elements=numbers))
        return drawn


def elements(low: float = -6.0, high: float = 6.0, grid: int = GRID) -> st.SearchStrategy[float]:
    """Floats on a grid, where ties, zeros and exact sums are frequent.

    Parameters
    ----------
    low, high : float, optional
        The range.
    grid : int, optional
        Floats are multiples of ``1 / grid``.

    Returns
    -------
    strategy of float
        Shrinks to 0, or to the nearest there is.
    """
    first, last = int(np.ceil(low * grid)), int(np.floor(high * grid))
    return st.integers(first, last).map(lambda n: n / grid)


@st.composite
def shapes(
    draw: Callable[..., Any], n: int = 1, *, broadcast: bool = True
) -> tuple[tuple[int, ...], ...] | tuple[int, ...]:
    """Shapes of up to three axes of 1 to 4.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    n : int, optional
        How many shapes.
    broadcast : bool, optional
        Whether they broadcast together; otherwise all are equal.

    Returns
    -------
    strategy of tuple
        One shape if `n` is 1, else a tuple of shapes. Shrinks to ``()``.
    """
    source = _Drawn(draw)
    if n == 1:
        return draw_shape(source)
    if not broadcast:
        return (draw_shape(source),) * n
    return tuple(draw_shapes(source, n)[0])


@st.composite
def axes(draw: Callable[..., Any], ndim: int) -> Any:
    """Everything NumPy takes as ``axis``: None, an int of either sign, a tuple of them.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    ndim : int
        Number of axes of the array.

    Returns
    -------
    strategy of None, int or tuple of int
    """
    if ndim == 0:
        return None
    source = _Drawn(draw)
    kind = source.choice(["int", "none", "tuple"])
    if kind == "none":
        return None
    if kind == "int":
        return source.integer(-ndim, ndim - 1)
    chosen = [i for i in range(ndim) if source.integer(0, 1)] or [0]
    return tuple([i - ndim if source.integer(0, 1) else i for i in chosen])


@st.composite
def arrays(
    draw: Callable[..., Any],
    shape: Any = None,
    low: float = -6.0,
    high: float = 6.0,
    layout: str = "contiguous",
) -> NDArray[Any]:
    """Float64 arrays on a grid.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    shape : tuple of int or strategy, optional
        By default any of up to three axes.
    low, high : float, optional
        Range of the elements.
    layout : {"contiguous", "strided", "reversed", "fortran", "any"}, optional
        How the elements lie in memory.

    Returns
    -------
    strategy of ndarray
    """
    source = _Drawn(draw)
    if shape is None:
        shape = draw_shape(source)
    elif isinstance(shape, st.SearchStrategy):
        shape = draw(shape)
    array = draw_array(source, shape, low, high)
    if layout == "any":
        layout = source.choice(["contiguous", "strided", "reversed", "fortran"])
    return _laid_out(array, layout)


def _laid_out(array: NDArray[Any], layout: str) -> NDArray[Any]:
    if array.ndim == 0 or layout == "contiguous":
        return array
    if layout == "fortran":
        return np.asfortranarray(array)
    step = -1 if layout == "reversed" else 2
    wide = np.zeros((*array.shape[:-1], array.shape[-1] * abs(step)))
    view = wide[..., ::step]
    view[...] = array
    return view


def tensors(
    shape: Any = None,
    low: float = -6.0,
    high: float = 6.0,
    *,
    requires_grad: bool = True,
    layout: str = "any",
) -> st.SearchStrategy[Tensor]:
    """Leaf Tensors over arrays of any memory layout.

    Parameters
    ----------
    shape, low, high, layout
        As for `arrays`.
    requires_grad : bool, optional
        Whether they are tracked.

    Returns
    -------
    strategy of Tensor
    """
    drawn = arrays(shape, low, high, layout)
    return drawn.map(lambda x: Tensor(x, requires_grad=requires_grad))


@st.composite
def indices(draw: Callable[..., Any], shape: tuple[int, ...]) -> Any:
    """Indices of an array: integers, slices, None, Ellipsis, integer arrays, masks.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    shape : tuple of int
        Of the array.

    Returns
    -------
    strategy of index
        Integer arrays repeat elements more often than not.
    """
    return draw_index(_Drawn(draw), shape)


@st.composite
def einsum_specs(
    draw: Callable[..., Any], operands: int = 2
) -> tuple[str, tuple[NDArray[Any], ...]]:
    """Specifications for ``einsum`` with arrays that fit: sums, traces, outer products.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    operands : int, optional
        How many arrays.

    Returns
    -------
    strategy of (str, tuple of ndarray)
        Indices may repeat within an operand (a diagonal), and the output keeps any of them.
    """
    source = _Drawn(draw)
    size = {letter: source.integer(1, 3) for letter in "abcd"}
    lengths = [source.integer(0, 3) for _ in range(operands)]
    terms = ["".join(source.choice("abcd") for _ in range(n)) for n in lengths]
    letters = sorted(set("".join(terms)))
    kept = [letter for letter in letters if source.integer(0, 1)]
    output = "".join(kept.pop(source.integer(0, len(kept) - 1)) for _ in range(len(kept)))
    inputs = tuple([draw_array(source, tuple(size[c] for c in t), -3.0, 3.0) for t in terms])
    return f"{','.join(terms)}->{output}", inputs


@st.composite
def op_calls(draw: Callable[..., Any], op: Primitive | str) -> OpCall:
    """Calls of one primitive, from its own row: inputs that broadcast, parameters that fit.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    op : Primitive or str
        The primitive, or its name.

    Returns
    -------
    strategy of OpCall
    """
    primitive = PRIMITIVES[op] if isinstance(op, str) else op
    return draw_call(_Drawn(draw), primitive)


@st.composite
def programs(
    draw: Callable[..., Any],
    max_inputs: int = 3,
    max_steps: int = 6,
    ops: Collection[str] | None = None,
) -> Program:
    """Random programs over arrays, which shrink to near-minimal ones.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_inputs, max_steps : int, optional
        Their size.
    ops : collection of str, optional
        Names from `generation.VOCABULARY`.

    Returns
    -------
    strategy of Program
        Call one with Tensors; its own inputs are ``program.inputs``.
    """
    return draw_program(_Drawn(draw), max_inputs=max_inputs, max_steps=max_steps, ops=ops)


@st.composite
def graphs(draw: Callable[..., Any], max_steps: int = 8) -> Program:
    """Random graphs with much sharing, for bugs of the backward walk.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_steps : int, optional
        Steps before all loose ends are summed.

    Returns
    -------
    strategy of Program
    """
    return draw_graph(_Drawn(draw), max_steps=max_steps)


@st.composite
def value_programs(
    draw: Callable[..., Any], max_steps: int = 8, *, rational: bool = False
) -> Program:
    """Random programs over numbers, for Values and Tensors alike.

    Parameters
    ----------
    draw : callable
        Given by hypothesis.
    max_steps : int, optional
        Their size.
    rational : bool, optional
        Only operations that keep a ``fractions.Fraction`` exact.

    Returns
    -------
    strategy of Program
        Inputs have shape ``()``.
    """
    return draw_scalar_program(_Drawn(draw), max_steps=max_steps, rational=rational)
