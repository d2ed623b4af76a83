"""Modules that hold modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from microgradx.errors import UnsupportedError
from microgradx.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Sequential"]


class Sequential(Module):
    """Modules one after the other: the output of each is the input of the next.

    Parameters
    ----------
    *modules : Module or dict of str to Module
        In order; a dictionary gives them names other than 0, 1, 2.

    Examples
    --------
    >>> from microgradx import nn
    >>> nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """

    def __init__(self, *modules: Any) -> None:
        named = modules[0] if len(modules) == 1 and isinstance(modules[0], dict) else None
        for name, module in named.items() if named is not None else enumerate(modules):
            self._add(str(name), module)

    def _add(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            kind = type(module).__name__
            raise UnsupportedError(
                type(self).__name__,
                f"part {name} is a {kind}, not a Module",
                "Pass layers, such as nn.ReLU()",
            )
        setattr(self, name, module)

    def _parts(self) -> dict[str, Module]:
        return {name: part for name, part in vars(self).items() if isinstance(part, Module)}

    def forward(self, x: Any) -> Any:
        """Apply the modules in order."""
        for module in self.__dict__.values():
            if isinstance(module, Module):
                x = module(x)
        return x

    def append(self, module: Module) -> Self:
        """Add a module at the end.

        Parameters
        ----------
        module : Module
            The new last one.

        Returns
        -------
        Sequential
            This module.
        """
        self._add(str(len(self)), module)
        return self

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._parts().values())

    def __getitem__(self, index: int | slice) -> Any:
        parts = self._parts()
        if isinstance(index, slice):
            return type(self)(dict(list(parts.items())[index]))
        return list(parts.values())[index]
