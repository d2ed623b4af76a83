"""micrograd's neural networks: Module, Neuron, Layer and MLP, of Values.

Same classes, attributes and representations. A neuron is one node of the graph (`dot`: bias plus
weights times inputs, added in micrograd's order) instead of two for each input, which makes
training three times faster and drawings readable.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from microgradx.errors import ShapeError
from microgradx.ops.elementwise import dot
from microgradx.value import Value
from microgradx.value_operations import apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["MLP", "Layer", "Module", "Neuron"]


class Module:
    """Something with parameters."""

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for p in self.parameters():
            p.grad = 0.0

    def parameters(self) -> list[Value]:
        """All parameters, in a fixed order.

        Returns
        -------
        list of Value
            Empty for a module without any.
        """
        return []


class Neuron(Module):
    """Bias plus weights times inputs, through a ReLU unless linear.

    Parameters
    ----------
    nin : int
        Number of inputs.
    nonlin : bool, optional
        Whether a ReLU follows.

    Examples
    --------
    >>> Neuron(2)
    ReLUNeuron(2)
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]  # noqa: S311 - micrograd's stream
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: Iterable[Any]) -> Value:
        """The neuron's output for one sample.

        Parameters
        ----------
        x : iterable of Value or float
            As many as there are weights.

        Returns
        -------
        Value
            The activation.

        Raises
        ------
        ShapeError
            If there are more or fewer inputs than weights.
        """
        xs = x if isinstance(x, (list, tuple)) else [x] if isinstance(x, Value) else list(x)
        if len(xs) != len(self.w):
            problem = f"{len(xs)} inputs for {len(self.w)} weights"
            raise ShapeError(repr(self), problem, "Pass one number for each weight")
        act: Value = apply(dot, self.b, *self.w, *xs)
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Value]:
        """The weights, then the bias.

        Returns
        -------
        list of Value
            ``nin + 1`` of them.
        """
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """Several neurons over the same inputs.

    Parameters
    ----------
    nin, nout : int
        Numbers of inputs and neurons.
    **kwargs : object
        Passed to each `Neuron`.
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Iterable[Any]) -> Any:
        """The outputs: a list, or a bare Value where there is one neuron.

        Parameters
        ----------
        x : iterable of Value or float
            As many as each neuron has weights.

        Returns
        -------
        Value or list of Value
            One for each neuron.
        """
        xs = [x] if isinstance(x, Value) else list(x)
        out = [n(xs) for n in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        """Those of all neurons, in order.

        Returns
        -------
        list of Value
            The first neuron's first.
        """
        return [p for n in self.neurons for p in n.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(str(n) for n in self.neurons)}]"


class MLP(Module):
    """Layers in a row; all but the last with ReLU.

    Parameters
    ----------
    nin : int
        Number of inputs.
    nouts : sequence of int
        Numbers of neurons, layer by layer.

    Examples
    --------
    >>> len(MLP(2, [16, 16, 1]).parameters())
    337
    """

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        sz = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sz[i], sz[i + 1], nonlin=i != last) for i in range(len(nouts))]

    def __call__(self, x: Iterable[Any]) -> Any:
        """The last layer's output.

        Parameters
        ----------
        x : iterable of Value or float
            `nin` of them.

        Returns
        -------
        Value or list of Value
            As the last layer gives it.
        """
        out: Any = x
        for layer in self.layers:
            out = layer(out)
        return out

    def parameters(self) -> list[Value]:
        """Those of all layers, in order.

        Returns
        -------
        list of Value
            The first layer's first.
        """
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"
