"""Modules that hold modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from microgradx.errors import UnsupportedError
from microgradx.nn.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


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
            setattr(self, str(name), _checked(type(self).__name__, name, module))

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
        setattr(self, str(len(self)), _checked(type(self).__name__, len(self), module))
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


class ModuleList(Module):
    """A list of modules. A plain list in an attribute is found too; this one has a ``repr``.

    Parameters
    ----------
    modules : iterable of Module, optional
        The first ones.

    Examples
    --------
    >>> from microgradx import nn
    >>> parts = ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> [name for name, _ in parts.named_parameters()][:2]
    ['0.weight', '0.bias']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        return self.extend([module])

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end."""
        for module in modules:
            setattr(self, str(len(self)), _checked(type(self).__name__, len(self), module))
        return self

    def _parts(self) -> list[Module]:
        return [part for part in vars(self).values() if isinstance(part, Module)]

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._parts())

    def __getitem__(self, index: int | slice) -> Any:
        part = self._parts()[index]
        return ModuleList(part) if isinstance(part, list) else part


class ModuleDict(Module):
    """Modules under names.

    Parameters
    ----------
    modules : mapping of str to Module, optional
        The first ones.
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        for name, module in (modules or {}).items():
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        setattr(self, name, _checked(type(self).__name__, name, module))

    def __getitem__(self, name: str) -> Module:
        return self._parts()[name]

    def _parts(self) -> dict[str, Module]:
        return {name: part for name, part in vars(self).items() if isinstance(part, Module)}

    def __len__(self) -> int:
        return len(self._parts())

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts())

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._parts().keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._parts().values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names with their modules."""
        return self._parts().items()


def _checked(where: str, name: Any, module: Any) -> Module:
    if isinstance(module, Module):
        return module
    kind = type(module).__name__
    problem = f"part {name} is a {kind}, not a Module"
    raise UnsupportedError(where, problem, "Pass layers, such as nn.ReLU()")
