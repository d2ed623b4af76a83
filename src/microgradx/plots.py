"""Pictures of learning, with matplotlib (the extra ``plot``).

Every function draws into `ax`, or a new figure, and gives back the matplotlib Axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ArgumentError, DrawingError, ShapeError
from microgradx.primitive import PRIMITIVES, Primitive
from microgradx.tensor import Tensor
from microgradx.train import History, classes_of, predict
from microgradx.train import confusion_matrix as count_confusions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from microgradx.nn import Module
    from microgradx.train import RateTest

__all__ = [
    "activation", "confusion_matrix", "decision_boundary", "derivative_accuracy", "history",
    "images", "landscape", "mistakes", "rates", "sigmoid_sum", "weights",
]  # fmt: skip

_BLUE, _RED, _GREY = "#2a6fbb", "#c8553d", "#999999"  # seen apart by colour-blind readers too


def _axes(ax: Any, size: tuple[float, float] = (5.0, 3.6)) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot as plt  # noqa: PLC0415 - heavy, and an extra
    except ImportError:
        problem = "matplotlib is not installed"
        raise DrawingError("plots", problem, "Run: pip install 'microgradx[plot]'") from None
    return plt.subplots(figsize=size, layout="constrained")[1]


def activation(
    function: Callable[[Any], Any] | str, low: float = -6.0, high: float = 6.0, ax: Any = None
) -> Any:
    """An activation and its derivative, which `backward` computes.

    Parameters
    ----------
    function : callable or str
        Maps a Tensor to a Tensor, element by element; or the name of a primitive.
    low, high : float, optional
        The range.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        With two lines: the function and its derivative.

    Raises
    ------
    ArgumentError
        If there is no such primitive of one input.
    """
    call: Any = PRIMITIVES.get(function) if isinstance(function, str) else function
    if call is None or (isinstance(call, Primitive) and len(call.sample) != 1):
        problem = f"{function!r} is no function of one number"
        remedy = "Name a primitive, such as 'tanh' or 'relu', or pass a function"
        raise ArgumentError("plots.activation", problem, remedy)
    x = Tensor(np.linspace(low, high, 601))
    y = call(x)
    if y.requires_grad:
        y.sum().backward()
    slope = np.zeros(x.shape) if x.grad is None else x.grad
    name = call.name if isinstance(call, Primitive) else getattr(call, "__name__", None)
    name = name or type(call).__name__
    ax = _axes(ax)
    ax.axhline(0, color=_GREY, linewidth=0.6)
    ax.axvline(0, color=_GREY, linewidth=0.6)
    ax.plot(x.numpy(), y.numpy(), color=_BLUE, label=name)
    ax.plot(x.numpy(), slope, color=_RED, linestyle="--", label="derivative")
    ax.set_xlabel("x")
    ax.legend(frameon=False)
    return ax


def history(
    record: History, names: str | Sequence[str] = ("loss", "val_loss"), ax: Any = None
) -> Any:
    """Measures by epoch, with the best epoch marked.

    Parameters
    ----------
    record : History
        What `fit` returned.
    names : str or sequence of str, optional
        Which measures; those that are not there are left out.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        With a line for each measure.

    Raises
    ------
    ArgumentError
        If none of the measures is there.
    """
    names = [names] if isinstance(names, str) else list(names)
    found = [name for name in names if name in record.history]
    if not found:
        problem = f"it holds {sorted(record.history)}"
        raise ArgumentError("plots.history", problem, f"Ask for one of them, not {names}")
    ax = _axes(ax)
    epochs = np.arange(1, len(record) + 1)
    marker = "o" if len(record) == 1 else None  # a line of one point is not seen
    for i, name in enumerate(found):
        color = {0: _BLUE, 1: _RED}.get(i)
        ax.plot(epochs, record[name], color=color, marker=marker, label=name)
    ax.axvline(record.best_epoch, color=_GREY, linestyle=":", linewidth=1, label="best epoch")
    ax.set_xlabel("epoch")
    ax.legend(frameon=False)
    return ax


def decision_boundary(
    model: Module, x: Any, y: Any, ax: Any = None, points: int = 200, margin: float = 0.15
) -> Any:
    """Which class a model gives to every point of the plane, and the data.

    Parameters
    ----------
    model : Module
        Takes rows of two numbers; answers with logits.
    x : array_like, shape (n, 2)
        The data.
    y : array_like of int, shape (n,)
        Their classes.
    ax : matplotlib Axes, optional
        Where to draw.
    points : int, optional
        Points of the grid on each side.
    margin : float, optional
        How much of the data's width to show around them.

    Returns
    -------
    matplotlib Axes
        With the areas and the points.

    Raises
    ------
    ShapeError
        If the data are not in the plane, or have not one class each.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or x.shape[1] != 2 or y.shape != x.shape[:1]:
        problem = f"data of shape {x.shape} with classes of shape {y.shape} are not in the plane"
        raise ShapeError("plots.decision_boundary", problem, "Pass x (n, 2) and y (n,)")
    x = x if x.dtype.kind == "f" else x.astype(float)
    low, high = x.min(axis=0), x.max(axis=0)
    room = margin * (high - low)
    sides = [np.linspace(a, b, points) for a, b in zip(low - room, high + room, strict=True)]
    columns, rows = np.meshgrid(*sides)
    grid = np.column_stack([columns.ravel(), rows.ravel()]).astype(x.dtype)
    answers = classes_of(predict(model, grid)).reshape(columns.shape)
    ax = _axes(ax)
    classes = int(max(answers.max(), y.max())) + 1
    edges = np.arange(classes + 1) - 0.5
    ax.contourf(columns, rows, answers, levels=edges, cmap="tab10", vmin=0, vmax=9, alpha=0.3)
    ax.scatter(*x.T, c=y, cmap="tab10", vmin=0, vmax=9, s=14, edgecolors="white", linewidths=0.4)
    ax.set_aspect("equal")
    return ax


def confusion_matrix(answers: Any, labels: Any, ax: Any = None) -> Any:
    """How often each class was taken for each other one, as a table.

    Parameters
    ----------
    answers : array_like
        Scores (n, classes), or classes (n,).
    labels : array_like of int, shape (n,)
        The right classes.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        Rows are right classes, columns answers.
    """
    matrix = count_confusions(answers, labels)
    ax = _axes(ax, (4.6, 4.6))
    wrong = matrix * (1 - np.eye(len(matrix)))
    ax.imshow(wrong, cmap="Reds", vmin=0, vmax=max(wrong.max(), 1))
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            ink = {
                "weight": "bold" if row == column else "normal",
                "color": "white" if wrong[row, column] > 0.6 * wrong.max() > 0 else "black",
            }
            ax.text(column, row, str(count), ha="center", va="center", fontsize=8, **ink)
    ax.set_xticks(range(len(matrix)))
    ax.set_yticks(range(len(matrix)))
    ax.set_xlabel("answer")
    ax.set_ylabel("right class")
    return ax


def images(
    pictures: Any,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    ax: Any = None,
    signed: bool = False,
) -> Any:
    """Many small pictures side by side.

    Parameters
    ----------
    pictures : array_like, shape (n, height, width)
        Grey: each is stretched from its smallest number, white, to its largest, black.
    titles : sequence of str, optional
        One below each.
    columns : int, optional
        Pictures in a row.
    ax : matplotlib Axes, optional
        Where to draw.
    signed : bool, optional
        In colour: white is 0, red positive, blue negative, each as far as its picture goes.

    Returns
    -------
    matplotlib Axes
        One picture that holds them all.

    Raises
    ------
    ShapeError
        If these are no pictures, or not one title each.
    """
    array = np.asarray(pictures, np.float64)
    if array.ndim != 3 or not array.size:
        problem = f"numbers of shape {array.shape} are no pictures"
        raise ShapeError("plots.images", problem, "Pass (n, height, width), n of 1 or more")
    n, height, width = array.shape
    if titles is not None and len(titles) != n:
        problem = f"there are {n} pictures and {len(titles)} titles"
        raise ShapeError("plots.images", problem, "Pass one title a picture")
    columns = min(columns, n)
    rows = -(-n // columns)
    ax = _axes(ax, (columns * 0.9, rows * (1.15 if titles else 0.9)))
    gap = 4 if titles is None else max(4, height // 3)
    sheet = np.zeros((rows * (height + gap), columns * (width + 2)))
    for i, picture in enumerate(array):
        row, column = divmod(i, columns)
        shown = picture if signed else picture - picture.min()
        top, left = row * (height + gap), column * (width + 2)
        sheet[top : top + height, left : left + width] = shown / (abs(shown).max() or 1.0)
        if titles is not None:
            ax.text(
                left + width / 2,
                top + height + gap / 2,
                titles[i],
                ha="center",
                va="center",
                fontsize=8,
            )
    ax.imshow(sheet, cmap="RdBu_r" if signed else "gray_r", vmin=-1 if signed else 0, vmax=1)
    ax.axis("off")
    return ax


def weights(layer: Module, shape: tuple[int, int], first: int = 40, ax: Any = None) -> Any:
    """What each unit of a linear layer looks for (red) and against (blue), as pictures.

    Parameters
    ----------
    layer : Module
        With a ``weight`` (units, pixels).
    shape : tuple of (int, int)
        Height and width of the pictures.
    first : int, optional
        How many units.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        One picture that holds them all.

    Raises
    ------
    ShapeError
        If the layer has no weights, or not as many a unit as a picture has pixels.
    """
    weight = layer.state_dict().get("weight")
    if weight is None or weight.ndim != 2 or weight.shape[1] != shape[0] * shape[1]:
        given = "no weight" if weight is None else f"weights of shape {weight.shape}"
        problem = f"{type(layer).__name__} has {given}"
        remedy = f"Pass a linear layer of {shape[0] * shape[1]} inputs, or another shape"
        raise ShapeError("plots.weights", problem, remedy)
    return images(weight.numpy()[:first].reshape(-1, *shape), ax=ax, signed=True)


def mistakes(pictures: Any, answers: Any, labels: Any, first: int = 30, ax: Any = None) -> Any:
    """The pictures that were misread: ``answer (right class)`` below each.

    Parameters
    ----------
    pictures : array_like, shape (n, height, width)
        All pictures.
    answers : array_like
        Scores (n, classes), or classes (n,).
    labels : array_like of int, shape (n,)
        The right classes.
    first : int, optional
        How many to show.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        One picture that holds them all.

    Raises
    ------
    ArgumentError
        If there is no mistake.
    """
    found, wanted = classes_of(answers), np.asarray(labels)
    wrong = np.flatnonzero(found != wanted)[:first]
    if not len(wrong):
        raise ArgumentError("plots.mistakes", "all answers are right", "Show other pictures")
    titles = [f"{found[i]} ({wanted[i]})" for i in wrong]
    ax = images(np.asarray(pictures)[wrong], titles, ax=ax)
    ax.set_title("answer (right class)", fontsize=9)
    return ax


def landscape(
    function: Callable[[Any, Any], Any],
    paths: dict[str, Any],
    low: tuple[float, float],
    high: tuple[float, float],
    ax: Any = None,
    levels: int = 30,
) -> Any:
    """A loss of two numbers as a map, with the ways that optimisers took down.

    Parameters
    ----------
    function : callable
        Maps two arrays to an array, element by element.
    paths : dict of str to array_like, shape (steps, 2)
        The points each optimiser visited.
    low, high : tuple of (float, float)
        Corners of the map.
    ax : matplotlib Axes, optional
        Where to draw.
    levels : int, optional
        How many contour lines.

    Returns
    -------
    matplotlib Axes
        With contour lines of equal distance in the logarithm, and a line for each way, from a
        small black point to a larger one.

    Raises
    ------
    ShapeError
        If a path is no list of points.
    """
    x, y = np.meshgrid(np.linspace(low[0], high[0], 201), np.linspace(low[1], high[1], 201))
    z = np.asarray(function(x, y), np.float64)
    height = np.log1p(z - z.min())
    ax = _axes(ax, (5.5, 4.2))
    ax.contour(x, y, height, levels=levels, cmap="Greys", linewidths=0.7, alpha=0.8)
    for name, path in paths.items():
        points = np.asarray(path, np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            problem = f"the path {name!r} has shape {points.shape}"
            raise ShapeError("plots.landscape", problem, "Pass points (steps, 2)")
        (line,) = ax.plot(*points.T, linewidth=1.5, label=name)
        ax.plot(*points[0], marker="o", color="black", markersize=4)
        ax.plot(*points[-1], marker="o", color=line.get_color())
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])
    ax.legend(fontsize=8, framealpha=0.9, edgecolor="none")
    return ax


def sigmoid_sum(x: Any, y: Any, fits: dict[str, Any], ax: Any = None) -> Any:
    """A curve, and the sums of sigmoids that imitate it.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        The curve.
    fits : dict of str to array_like, shape (n,)
        Imitations, by name.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        With a line for each.
    """
    ax = _axes(ax)
    ax.plot(x, y, color="black", linewidth=3, alpha=0.25, label="curve")
    for name, fitted in fits.items():
        ax.plot(x, fitted, linewidth=1.4, label=name)
    ax.legend(frameon=False, fontsize=8)
    return ax


def derivative_accuracy(
    function: Callable[[Any], Any], x: float, ax: Any = None, steps: int = 60
) -> Any:
    """The error of numeric derivatives by step size: too large, truncation; too small, rounding.

    Parameters
    ----------
    function : callable
        Works on Values as on floats, for example ``lambda v: mg.sin(v)``.
    x : float
        Where to differentiate.
    ax : matplotlib Axes, optional
        Where to draw.
    steps : int, optional
        How many step sizes, from 1e-15 to 1.

    Returns
    -------
    matplotlib Axes
        Logarithmic on both sides: forward, backward and central differences.
    """
    from microgradx.value import Value  # noqa: PLC0415 - the only use

    leaf = Value(x)
    function(leaf).backward()
    exact = float(leaf.grad)
    sizes = np.geomspace(1e-15, 1.0, steps)

    def at(point: float) -> float:
        return float(function(Value(point)))

    middle = at(x)
    errors = {
        "forward": [abs((at(x + h) - middle) / h - exact) for h in sizes],
        "backward": [abs((middle - at(x - h)) / h - exact) for h in sizes],
        "central": [abs((at(x + h) - at(x - h)) / (2 * h) - exact) for h in sizes],
    }
    ax = _axes(ax)
    for (name, numbers), style in zip(errors.items(), ("-", "--", "-"), strict=True):
        ax.loglog(sizes, np.maximum(numbers, 1e-17), style, label=name)
    ax.set_xlabel("step size")
    ax.set_ylabel("error")
    ax.legend(frameon=False)
    return ax


def rates(test: RateTest, ax: Any = None) -> Any:
    """Losses at rising learning rates, with the suggestion marked.

    Parameters
    ----------
    test : RateTest
        What `find_lr` returned.
    ax : matplotlib Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib Axes
        Logarithmic below.
    """
    ax = _axes(ax)
    ax.semilogx(test.rates, test.losses, color=_BLUE)
    label = f"suggestion: {test.suggestion:.2g}"
    ax.axvline(test.suggestion, color=_RED, linestyle="--", label=label)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("loss")
    ax.legend(frameon=False)
    return ax
