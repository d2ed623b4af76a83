"""Layers for sequences: recurrent networks and attention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import functions as A  # noqa: N812 - arrays
from microgradx.errors import ArgumentError, ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.functions.making import generator
from microgradx.nn import functional as F  # noqa: N812 - as everybody calls it
from microgradx.nn.layers import Linear, parameter, positive
from microgradx.nn.module import Module
from microgradx.primitive import PRIMITIVES
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["GRU", "LSTM", "RNN", "MultiheadAttention"]

_swap = PRIMITIVES["swap"]


class _Recurrent(Module):
    """What recurrent networks share: weights of all layers and directions, and the loop."""

    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        positive(type(self).__name__, **sizes)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.has_bias, self.batch_first = bias, batch_first
        self.dropout, self.bidirectional = dropout, bidirectional
        self.rng = generator(rng)
        k = 1 / math.sqrt(hidden_size)
        rows = self.gates * hidden_size
        directions = self._directions()
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * len(directions)
            for tail in directions:
                shapes: dict[str, tuple[int, ...]]
                shapes = {"weight_ih": (rows, width), "weight_hh": (rows, hidden_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                for name, shape in shapes.items():
                    own = parameter(shape, k, self.rng, dtype)
                    setattr(self, f"{name}_l{layer}{tail}", own)

    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _weights(self, layer: int, tail: str) -> tuple[Tensor, Tensor, Any, Any]:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, u, b, c = [vars(self).get(f"{name}_l{layer}{tail}") for name in names]
        return w, u, b, c  # type: ignore[return-value]

    def _cell(self, gates: Tensor, state: Any, u: Tensor, c: Any) -> tuple[Tensor, Any]:
        """One step: from the input's part of the gates and the state, an output and a state."""
        raise NotImplementedError

    def _first(self, hx: Any, place: int, batch: int, dtype: Any) -> Any:
        """The state that a layer and direction starts from."""
        if hx is None:
            return A.zeros(batch, self.hidden_size, dtype=dtype, requires_grad=False)
        return as_tensor(hx, type(self).__name__)[place]

    def _last(self, states: list[Any]) -> Any:
        """The states of all layers and directions, stacked."""
        return A.stack(states, 0)

    def _check(self, x: Tensor) -> None:
        if x.ndim != 3 or x.shape[2] != self.input_size:
            order = "(batch, length" if self.batch_first else "(length, batch"
            raise ShapeError(
                type(self).__name__,
                f"the input has shape {x.shape}",
                f"Pass {order}, {self.input_size})",
            )

    def forward(self, x: Any, hx: Any = None) -> tuple[Tensor, Any]:
        """Read sequences.

        Parameters
        ----------
        x : Tensor or array_like, shape (length, batch, input_size)
            Or ``(batch, length, input_size)`` with `batch_first`.
        hx : Tensor, shape (num_layers * directions, batch, hidden_size), optional
            The first state, 0 by default; of an LSTM, a pair of them.

        Returns
        -------
        tuple of (Tensor, Tensor or pair of Tensors)
            The last layer's outputs at all times, and the last states.

        Raises
        ------
        ShapeError
            If `x` is not of that shape.
        """
        x = as_tensor(x, type(self).__name__)
        self._check(x)
        if self.batch_first:
            x = A.transpose(x, 1, 0, 2)
        length, batch = x.shape[:2]
        states: list[Any] = []
        for layer in range(self.num_layers):
            outputs = []
            for tail in self._directions():
                w, u, b, c = self._weights(layer, tail)
                # The input's part for all times at once: one large product instead of many.
                parts = F.linear(x, w, b)  # (length, batch, gates * hidden)
                state = self._first(hx, len(states), batch, x.dtype)
                out: list[Any] = [None] * length
                times = range(length - 1, -1, -1) if tail else range(length)
                for t in times:
                    out[t], state = self._cell(parts[t], state, u, c)
                states.append(state)
                outputs.append(A.stack(out, 0))
            x = outputs[0] if len(outputs) == 1 else A.concatenate(outputs, 2)
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training, rng=self.rng)
        return (A.transpose(x, 1, 0, 2) if self.batch_first else x), self._last(states)

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        text = f"{self.input_size}, {self.hidden_size}"
        usual = {"num_layers": 1, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        for name, value in usual.items():
            own = getattr(self, name)
            text += f", {name}={own}" if own != value else ""
        return text


class RNN(_Recurrent):
    """Elman's network: ``h <- tanh(W x + b + U h + c)``.

    Parameters
    ----------
    input_size, hidden_size : int
        Numbers in an input and in a state.
    num_layers : int, optional
        Networks on top of each other.
    nonlinearity : {"tanh", "relu"}, optional
        The activation.
    bias : bool, optional
        Whether there are b and c.
    batch_first : bool, optional
        Whether the batch comes before time.
    dropout : float, optional
        Between layers, in training.
    bidirectional : bool, optional
        Whether to read backwards too.
    rng : numpy.random.Generator or int, optional
        Where the first weights (and dropout) come from.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 : Tensor
        W, U, b and c of layer 0, and so on; drawn from U(-k, k) with k = 1/sqrt(hidden_size).

    Raises
    ------
    ArgumentError
        If a size is no positive integer or the activation is unknown.

    Examples
    --------
    >>> outputs, last = RNN(3, 5)(np.zeros((7, 2, 3), "float32"))
    >>> outputs.shape, last.shape
    ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if nonlinearity not in {"tanh", "relu"}:
            problem = f"nonlinearity is {nonlinearity!r}"
            raise ArgumentError("RNN", problem, "Pass 'tanh' or 'relu'")
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            rng=rng,
            dtype=dtype,
        )

    def _cell(self, gates: Tensor, state: Any, u: Tensor, c: Any) -> tuple[Tensor, Any]:
        h = PRIMITIVES[self.nonlinearity](gates + F.linear(state, u, c))
        return h, h


class GRU(_Recurrent):
    """Gated recurrent unit [1]_: a state that is kept or renewed, number by number.

    Parameters
    ----------
    input_size, hidden_size : int
        Numbers in an input and in a state.
    num_layers : int, optional
        Networks on top of each other.
    bias : bool, optional
        Whether there are biases.
    batch_first : bool, optional
        Whether the batch comes before time.
    dropout : float, optional
        Between layers, in training.
    bidirectional : bool, optional
        Whether to read backwards too.
    rng : numpy.random.Generator or int, optional
        Where the first weights (and dropout) come from.
    dtype : dtype_like, optional
        float32 by default.

    Raises
    ------
    ArgumentError
        If a size is no positive integer.

    Notes
    -----
    With rows in the order r, z, n: ``r, z = sigmoid(W x + b + U h + c)``,
    ``n = tanh(W x + b + r (U h + c))``, ``h <- (1 - z) n + z h``.

    References
    ----------
    .. [1] K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014.
    """

    gates = 3

    def _cell(self, gates: Tensor, state: Any, u: Tensor, c: Any) -> tuple[Tensor, Any]:
        n = self.hidden_size
        own = F.linear(state, u, c)
        both = F.sigmoid(gates[:, : 2 * n] + own[:, : 2 * n])
        reset, keep = both[:, :n], both[:, n:]
        new = F.tanh(gates[:, 2 * n :] + reset * own[:, 2 * n :])
        h = new + keep * (state - new)
        return h, h


class LSTM(_Recurrent):
    """Long short-term memory [1]_: a memory c beside the state h, with gates.

    Parameters
    ----------
    input_size, hidden_size : int
        Numbers in an input and in a state.
    num_layers : int, optional
        Networks on top of each other.
    bias : bool, optional
        Whether there are biases.
    batch_first : bool, optional
        Whether the batch comes before time.
    dropout : float, optional
        Between layers, in training.
    bidirectional : bool, optional
        Whether to read backwards too.
    rng : numpy.random.Generator or int, optional
        Where the first weights (and dropout) come from.
    dtype : dtype_like, optional
        float32 by default.

    Raises
    ------
    ArgumentError
        If a size is no positive integer.

    Notes
    -----
    With rows in the order i, f, g, o: ``i, f, o = sigmoid(W x + b + U h + b')``,
    ``g = tanh(W x + b + U h + b')``, ``c <- f c + i g``, ``h <- o tanh(c)``.

    References
    ----------
    .. [1] S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997.

    Examples
    --------
    >>> outputs, (h, c) = LSTM(3, 5)(np.zeros((7, 2, 3), "float32"))
    >>> outputs.shape, h.shape, c.shape
    ((7, 2, 5), (1, 2, 5), (1, 2, 5))
    """

    gates = 4

    def _first(self, hx: Any, place: int, batch: int, dtype: Any) -> Any:
        h, c = (None, None) if hx is None else hx
        first = super()._first
        return first(h, place, batch, dtype), first(c, place, batch, dtype)

    def _last(self, states: list[Any]) -> Any:
        return A.stack([h for h, _ in states], 0), A.stack([c for _, c in states], 0)

    def _cell(self, gates: Tensor, state: Any, u: Tensor, c: Any) -> tuple[Tensor, Any]:
        n = self.hidden_size
        h, memory = state
        gates = gates + F.linear(h, u, c)
        doors = F.sigmoid(gates[:, : 2 * n])  # i and f
        new, out = F.tanh(gates[:, 2 * n : 3 * n]), F.sigmoid(gates[:, 3 * n :])
        memory = doors[:, n:] * memory + doors[:, :n] * new
        h = out * F.tanh(memory)
        return h, (h, memory)


class MultiheadAttention(Module):
    """Several attentions side by side, each with its own view of queries, keys and values.

    Parameters
    ----------
    embed_dim : int
        Numbers in a position.
    num_heads : int
        Must divide `embed_dim`.
    dropout : float, optional
        Of attention weights, in training.
    bias : bool, optional
        Whether the linear maps have biases.
    batch_first : bool, optional
        Whether the batch comes before positions.
    rng : numpy.random.Generator or int, optional
        Where the first weights (and dropout) come from.
    dtype : dtype_like, optional
        float32 by default.

    Attributes
    ----------
    in_proj_weight : Tensor, shape (3 * embed_dim, embed_dim)
        The maps of queries, keys and values; drawn with Xavier's bound.
    in_proj_bias : Tensor, shape (3 * embed_dim,), or None
        0 at first.
    out_proj : Linear
        The last map.

    Raises
    ------
    ArgumentError
        If `num_heads` does not divide `embed_dim`.

    Examples
    --------
    >>> x = np.zeros((2, 7, 12), "float32")
    >>> outputs, weights = MultiheadAttention(12, 3, batch_first=True)(x, x, x)
    >>> outputs.shape, weights.shape
    ((2, 7, 12), (2, 7, 7))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        *,
        rng: np.random.Generator | int | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        positive("MultiheadAttention", embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            problem = f"{num_heads} heads do not divide {embed_dim} numbers"
            raise ArgumentError("MultiheadAttention", problem, "Pass a divisor of embed_dim")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.dropout, self.batch_first = dropout, batch_first
        self.rng = generator(rng)
        bound = math.sqrt(6 / (4 * embed_dim))
        self.in_proj_weight = parameter((3 * embed_dim, embed_dim), bound, self.rng, dtype)
        self.in_proj_bias = Tensor(np.zeros(3 * embed_dim, dtype)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, rng=self.rng, dtype=dtype)
        if self.out_proj.bias is not None:
            self.out_proj.bias = Tensor(np.zeros(embed_dim, dtype))

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Parameters
        ----------
        query : Tensor or array_like, shape (targets, batch, embed_dim)
            What is looked for; (batch, targets, embed_dim) with `batch_first`.
        key, value : Tensor or array_like, shape (sources, batch, embed_dim)
            What is found and taken.
        key_padding_mask : array_like of bool, shape (batch, sources), optional
            True where there is nothing to see.
        need_weights : bool, optional
            Whether to give the attention weights too.
        attn_mask : array_like, optional
            Of shape (targets, sources) or more. Booleans: True where a target may NOT look, as
            PyTorch has it here; floats are added to the scores.
        average_attn_weights : bool, optional
            Whether the weights are averaged over heads.
        is_causal : bool, optional
            Whether targets look only at sources no later than they are.

        Returns
        -------
        tuple of (Tensor, Tensor or None)
            Outputs of the shape of `query`, and weights (batch, [heads,] targets, sources).
        """
        parts = [as_tensor(x, "MultiheadAttention") for x in (query, key, value)]
        if not self.batch_first:
            parts = [A.transpose(x, 1, 0, 2) for x in parts]
        n, heads = self.embed_dim, self.num_heads
        batch, targets = parts[0].shape[:2]
        views = []
        for i, x in enumerate(parts):
            rows = slice(i * n, (i + 1) * n)
            b = None if self.in_proj_bias is None else self.in_proj_bias[rows]
            x = F.linear(x, self.in_proj_weight[rows], b)  # noqa: PLW2901
            x = A.reshape(x, (batch, -1, heads, n // heads))  # noqa: PLW2901
            views.append(A.transpose(x, 0, 2, 1, 3))  # (batch, heads, positions, n / heads)
        q, k, v = views
        scores = A.matmul(q * (1 / math.sqrt(n // heads)), _swap(k))
        scores = self._masked(scores, key_padding_mask, attn_mask, is_causal)
        weights = A.softmax(scores, -1)
        if self.dropout:
            weights = F.dropout(weights, self.dropout, self.training, rng=self.rng)
        out = A.transpose(A.matmul(weights, v), 0, 2, 1, 3)
        out = self.out_proj(A.reshape(out, (batch, targets, n)))
        out = out if self.batch_first else A.transpose(out, 1, 0, 2)
        if not need_weights:
            return out, None
        return out, A.mean(weights, 1) if average_attn_weights else weights

    def _masked(self, scores: Tensor, padding: Any, mask: Any, causal: bool) -> Tensor:
        where = PRIMITIVES["where"]
        if causal:
            hidden: Any = np.logical_not(np.tri(scores.shape[2], scores.shape[3]))
            scores = where(hidden, -math.inf, scores)
        if mask is not None:
            mask = as_tensor(mask, "MultiheadAttention")
            scores = where(mask, -math.inf, scores) if mask.dtype.kind == "b" else scores + mask
        if padding is not None:
            hidden = np.asarray(padding, bool)[:, None, None, :]
            scores = where(hidden, -math.inf, scores)
        return scores

    def extra_repr(self) -> str:
        """The constructor's arguments."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
