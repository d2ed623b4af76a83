"""`Module`: a piece of a model that knows its parameters, its buffers and its parts.

There is nothing to register: a tracked leaf Tensor that is assigned to an attribute becomes a
parameter, a module becomes a part, and both may stand in lists, tuples and dictionaries. Names,
order and keys are PyTorch's.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

import numpy as np

from microgradx.errors import CheckpointError, UnsupportedError
from microgradx.graph import tick
from microgradx.modes import note_change
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Module", "Parameter"]

Parameter = Tensor
"""PyTorch's name for a Tensor that is learned: here every leaf with ``requires_grad`` is one."""


_CALLS_KEPT = 1_000
# Beside the modules, not in them: copies, pickles and state dicts are about what a module is.
_calls: WeakKeyDictionary[Module, deque[tuple[int, int]]] = WeakKeyDictionary()


class Module:
    """Base of all layers and models: write ``__init__`` and ``forward``.

    Attributes
    ----------
    training : bool
        Whether layers such as Dropout behave as in training; see `train` and `eval`.

    Notes
    -----
    A leaf Tensor with ``requires_grad`` that is assigned to an attribute becomes a parameter, and
    stays one if it is frozen later (``p.requires_grad = False``). Constants that belong to the
    state, such as running means, are buffers: see `register_buffer`.

    Examples
    --------
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.w, self.b = Tensor(2.0), Tensor(1.0)
    ...     def forward(self, x):
    ...         return self.w * x + self.b
    >>> model = Line()
    >>> model(np.array([0.0, 1.0]))
    Tensor([1., 3.])
    >>> [name for name, _ in model.named_parameters()]
    ['w', 'b']
    """

    training = True

    def __init__(self) -> None:
        """Nothing to do; calling it is allowed, as PyTorch demands."""

    def __setattr__(self, name: str, value: Any) -> None:
        table = self.__dict__
        parameters, buffers = _names(self)
        if isinstance(value, Tensor) and value.is_leaf:
            if value.requires_grad and name not in buffers:
                parameters.add(name)
        elif value is not None:
            parameters.discard(name)
            buffers.pop(name, None)
        table[name] = value
        note_change()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        parameters, buffers = _names(self)
        parameters.discard(name)
        buffers.pop(name, None)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Keep a constant that belongs to the module's state, such as a running mean.

        Parameters
        ----------
        name : str
            The attribute it becomes.
        tensor : Tensor or array_like or None
            Its numbers; stored as a Tensor without gradient.
        persistent : bool, optional
            Whether it is part of `state_dict`.
        """
        parameters, buffers = _names(self)
        parameters.discard(name)
        buffers[name] = persistent
        self.__dict__[name] = None if tensor is None else Tensor(tensor, requires_grad=False)

    def register_parameter(self, name: str, param: Tensor | None) -> None:
        """The same as assigning to the attribute.

        Parameters
        ----------
        name : str
            The attribute it becomes.
        param : Tensor or None
            A leaf with ``requires_grad``.
        """
        setattr(self, name, param)

    def add_module(self, name: str, module: Module | None) -> None:
        """The same as assigning to the attribute, for names that are no identifiers.

        Parameters
        ----------
        name : str
            The attribute it becomes.
        module : Module or None
            The part.
        """
        setattr(self, name, module)

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - subclasses choose
        """Compute the output; subclasses write this, users call the module itself."""
        raise UnsupportedError(
            type(self).__name__, "the class has no forward method", "Define forward(self, x)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output for an input."""
        start = tick()
        out = self.forward(*args, **kwargs)
        _calls.setdefault(self, deque(maxlen=_CALLS_KEPT)).append((start, tick()))
        return out

    @property
    def __call_times__(self) -> tuple[tuple[int, int], ...]:
        """When it was last called: (start, stop) on the clock of the graph's nodes.

        Drawings read from it which module made a node, so that nodes need not carry it. Its name
        is one that no model needs for an attribute of its own.
        """
        return tuple(_calls.get(self, ()))

    # ---- parts ----
    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, with their names; ``layers.0`` for those in a list.

        Yields
        ------
        tuple of (str, Module)
            In the order of assignment.
        """
        seen = set()
        for name, value in vars(self).items():
            for path, item in _inside(name, value):
                if isinstance(item, Module) and id(item) not in seen:
                    seen.add(id(item))
                    yield path, item

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """The module itself and all inside it, each once, outer before inner.

        Parameters
        ----------
        prefix : str, optional
            Put before every name.

        Yields
        ------
        tuple of (str, Module)
            The module itself is called `prefix`.
        """
        seen: set[int] = set()
        stack = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inner = [(_join(path, name), child) for name, child in module.named_children()]
            stack.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """The module itself and all inside it, each once."""
        return (module for _, module in self.named_modules())

    # ---- state ----
    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """What is learned, with names such as ``0.weight``; a shared Tensor comes once.

        Parameters
        ----------
        prefix : str, optional
            Put before every name.
        recurse : bool, optional
            Whether to go into the modules inside.

        Yields
        ------
        tuple of (str, Tensor)
            In the order of assignment, outer modules first.
        """
        return _each_once(self, _parameters_of, prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:
        """What is learned, as optimisers take it.

        Parameters
        ----------
        recurse : bool, optional
            Whether to go into the modules inside.

        Returns
        -------
        iterator of Tensor
            As in `named_parameters`.
        """
        return (tensor for _, tensor in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The constants that belong to the state, with their names.

        Parameters
        ----------
        prefix : str, optional
            Put before every name.
        recurse : bool, optional
            Whether to go into the modules inside.

        Yields
        ------
        tuple of (str, Tensor)
            As in `named_parameters`.
        """
        return _each_once(self, _buffers_of, prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The constants that belong to the state; see `named_buffers`."""
        return (tensor for _, tensor in self.named_buffers(recurse=recurse))

    def state_dict(self) -> dict[str, Tensor]:
        """All parameters and persistent buffers under PyTorch's keys.

        Returns
        -------
        dict of str to Tensor
            The model's own Tensors, not copies; ``{k: v.numpy() for ...}`` goes into a file.
        """
        found = {}
        for path, module in self.named_modules():
            kept = (item for item in _buffers_of(module) if _names(module)[1][item[0]])
            for name, tensor in chain(_parameters_of(module), kept):
                found[_join(path, name)] = tensor
        return found

    def load_state_dict(
        self, state: Mapping[str, Any], strict: bool = True
    ) -> tuple[list[str], list[str]]:
        """Overwrite parameters and buffers with the numbers of a state.

        Parameters
        ----------
        state : mapping of str to Tensor or array_like
            As `state_dict` gives it, or as it was read from a file. PyTorch's tensors will do.
        strict : bool, optional
            Whether the keys must be exactly those of this model.

        Returns
        -------
        tuple of (list of str, list of str)
            Keys that were missing, and keys that nothing here has.

        Raises
        ------
        CheckpointError
            If shapes differ, something is no array of numbers, or (with `strict`) keys differ.
            Nothing has been changed then.

        Examples
        --------
        >>> from microgradx import nn
        >>> model, twin = nn.Linear(2, 1), nn.Linear(2, 1)
        >>> twin.load_state_dict(model.state_dict())
        ([], [])
        """
        where = "load_state_dict"
        own = self.state_dict()
        missing = [key for key in own if key not in state]
        unexpected = [key for key in state if key not in own]
        if strict and (missing or unexpected):
            parts = [f"the keys {_listed(missing)} are missing"] if missing else []
            parts += [f"the model has no {_listed(unexpected)}"] if unexpected else []
            raise CheckpointError(
                where, " and ".join(parts), "Build the same model, or pass strict=False",
                missing=missing, unexpected=unexpected,
            )  # fmt: skip
        arrays = {}
        for key, tensor in own.items():
            if key not in state:
                continue
            array = np.asarray(state[key])
            if array.dtype.kind not in "fiub":
                raise CheckpointError(
                    where, f"{key!r} holds data of dtype {array.dtype}", "Pass arrays of numbers"
                )
            if array.shape != tensor.shape:
                raise CheckpointError(
                    where,
                    f"{key!r} has shape {array.shape}, the model's {tensor.shape}",
                    "Build the model with the same sizes",
                )
            arrays[key] = array
        for key, array in arrays.items():
            np.copyto(own[key]._data, array, casting="unsafe")
            own[key].time = tick()
        return missing, unexpected

    # ---- modes ----
    def train(self, mode: bool = True) -> Self:
        """Behave as in training (Dropout drops, BatchNorm measures), and so all modules inside.

        Parameters
        ----------
        mode : bool, optional
            False is `eval`.

        Returns
        -------
        Module
            This module.
        """
        for module in self.modules():
            module.__dict__["training"] = bool(mode)
        note_change()
        return self

    def eval(self) -> Self:
        """Behave as in use: the opposite of `train`."""
        return self.train(mode=False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for tensor in self.parameters():
            tensor.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze or unfreeze all parameters.

        Parameters
        ----------
        requires_grad : bool, optional
            False freezes.

        Returns
        -------
        Module
            This module.
        """
        for tensor in self.parameters():
            tensor.requires_grad = requires_grad
        return self

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call a function with every module inside and then this one, for example to initialise.

        Parameters
        ----------
        function : callable
            Takes a module.

        Returns
        -------
        Module
            This module.
        """
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def astype(self, dtype: Any) -> Self:
        """Turn floating parameters and buffers into another floating dtype, in place.

        Parameters
        ----------
        dtype : dtype_like
            ``"float32"`` or ``"float64"``.

        Returns
        -------
        Module
            This module.
        """
        for tensor in chain(self.parameters(), self.buffers()):
            if tensor.dtype.kind == "f":
                tensor._data = tensor._data.astype(dtype)
                tensor.grad = None
                tensor.time = tick()
        return self

    def double(self) -> Self:
        """``astype("float64")``, under PyTorch's name."""
        return self.astype(np.float64)

    def float(self) -> Self:
        """``astype("float32")``, under PyTorch's name."""
        return self.astype(np.float32)

    # ---- text ----
    def extra_repr(self) -> str:
        """What stands between the parentheses of this module's line in ``repr``."""
        return ""

    def __repr__(self) -> str:
        # A module may hold itself through a part; naming each module once keeps the text finite.
        return _text(self, set())


def _names(module: Module) -> tuple[set[str], dict[str, bool]]:
    """The attribute names of a module's own parameters and buffers (with: is it in the state)."""
    names: tuple[set[str], dict[str, bool]] = module.__dict__.setdefault("_names", (set(), {}))
    return names


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The value itself, or what its lists, tuples and dictionaries hold, with names."""
    if isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _inside(f"{name}.{i}" if name else str(i), item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _inside(f"{name}.{key}" if name else str(key), item)
    else:
        yield name, value


def _parameters_of(module: Module) -> Iterator[tuple[str, Tensor]]:
    parameters, buffers = _names(module)
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            if name in parameters:
                yield name, value
        elif name not in buffers and name != "_names":
            for path, item in _inside(name, value):
                if isinstance(item, Tensor) and item.is_leaf and item.requires_grad:
                    yield path, item


def _buffers_of(module: Module) -> Iterator[tuple[str, Tensor]]:
    for name in _names(module)[1]:
        value = vars(module).get(name)
        if value is not None:
            yield name, value


def _each_once(
    module: Module, own: Any, prefix: str, recurse: bool
) -> Iterator[tuple[str, Tensor]]:
    seen: set[int] = set()
    for path, part in module.named_modules(prefix) if recurse else [(prefix, module)]:
        for name, tensor in own(part):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield _join(path, name), tensor


def _listed(keys: list[str]) -> str:
    shown = ", ".join(map(repr, keys[:4]))
    return f"{shown} and {len(keys) - 4} more" if len(keys) > 4 else shown


def _text(module: Module, seen: set[int]) -> str:
    title = type(module).__name__
    if id(module) in seen:
        return f"{title}(...)"
    seen = seen | {id(module)}
    lines = []
    for name, child in module.named_children():
        lines.append(f"({name}): " + _text(child, seen).replace("\n", "\n  "))
    extra = module.extra_repr()
    if not lines:
        return f"{title}({extra})"
    return f"{title}(\n  " + "\n  ".join(([extra] if extra else []) + lines) + "\n)"
