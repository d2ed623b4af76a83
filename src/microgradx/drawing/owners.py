"""Which module called what, and which holds which parameter, found among a caller's variables.

Nothing here imports `nn`: whatever has ``parameters()`` counts as a module, micrograd's included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from microgradx.graph import Node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from microgradx.drawing.modules import Path
    from microgradx.drawing.snapshot import Snapshot

__all__ = ["parameters_in", "spans_of"]


def spans_of(
    variables: Mapping[str, Any], snapshot: Snapshot
) -> tuple[list[tuple[int, int, Path]], dict[int, Path]]:
    """Module calls and owners of parameters, from the modules among a caller's variables.

    Parameters
    ----------
    variables : mapping
        The caller's.
    snapshot : Snapshot
        The graph.

    Returns
    -------
    spans : list of (start, stop, path)
    owners : dict of index to path
    """
    by_time = {record.time: record.index for record in snapshot.nodes if record.time}
    first = min((r.time for r in snapshot.nodes if r.kind == "op"), default=0)
    spans: list[tuple[int, int, Path]] = []
    owners: dict[int, Path] = {}
    for name, thing in sorted(variables.items(), key=lambda item: -_size(item[1])):
        for path, module in _modules_in(name, thing):
            times = getattr(module, "__call_times__", ())
            spans += [(*call, path) for call in times if call[1] >= first]
            for parameter in _own_parameters(module):
                if parameter.time in by_time:
                    owners.setdefault(by_time[parameter.time], path)
    seen: set[tuple[int, int]] = set()
    unique = [s for s in spans if s[:2] not in seen and not seen.add(s[:2])]  # type: ignore[func-returns-value]
    return unique, owners


def is_module(thing: Any) -> bool:
    """Whether something has ``parameters()``, as modules of any library do."""
    return callable(getattr(type(thing), "parameters", None)) and hasattr(thing, "__dict__")


def _size(thing: Any) -> int:
    return sum(1 for _ in _modules_in("", thing)) if is_module(thing) else 0


def _modules_in(name: str, thing: Any) -> Iterator[tuple[Path, Any]]:
    """A module and all inside it, with paths such as ``("model", "layers[0]", "neurons[3]")``."""
    if not is_module(thing):
        return
    stack: list[tuple[Path, Any]] = [((name,), thing)]
    seen: set[int] = set()
    while stack:
        path, module = stack.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield path, module
        inner: list[tuple[Path, Any]] = []
        for attribute, held in vars(module).items():
            if is_module(held):
                inner.append(((*path, attribute), held))
            elif isinstance(held, (list, tuple)):
                inner += [
                    ((*path, f"{attribute}[{i}]"), h) for i, h in enumerate(held) if is_module(h)
                ]
            elif isinstance(held, dict):
                inner += [
                    ((*path, f"{attribute}[{k}]"), h) for k, h in held.items() if is_module(h)
                ]
        stack += reversed(inner)


def _own_parameters(module: Any) -> Iterator[Any]:
    for held in vars(module).values():
        if isinstance(held, Node):
            yield held
        elif isinstance(held, (list, tuple)):
            yield from (h for h in held if isinstance(h, Node))


def parameters_in(variables: Mapping[str, Any], reached: Mapping[int, Any]) -> dict[int, str]:
    """``id -> name`` of the nodes that are parameters of a module among the variables."""
    found: dict[int, Path] = {}
    for name, thing in sorted(variables.items(), key=lambda item: -_size(item[1])):
        for path, module in _modules_in(name, thing):
            for attribute, held in vars(module).items():
                many = isinstance(held, (list, tuple))
                for i, h in enumerate(held if many else (held,)):
                    if isinstance(h, Node) and id(h) in reached and h.op is None:
                        own = f"{attribute}[{i}]" if many else attribute
                        found.setdefault(id(h), (*path, own))
    # One model needs no name of its own before every parameter.
    single = len({path[0] for path in found.values()}) == 1
    return {
        key: _short(path[1:] if single and len(path) > _SHORT else path)
        for key, path in found.items()
    }


_SHORT = 2


def _short(path: Path) -> str:
    """``layers[0].neurons[3].w[1]`` as ``l0.n3.w[1]``: a scalar net has hundreds of them."""
    if len(path) > _SHORT and all("[" in part for part in path[:-1]):
        path = (*(f"{part[0]}{part.partition('[')[2][:-1]}" for part in path[:-1]), path[-1])
    return ".".join(path)


def kinds_of(variables: Mapping[str, Any]) -> dict[Path, str]:
    """The class of each module among the variables, by path."""
    return {
        path: type(module).__name__
        for name, thing in variables.items()
        for path, module in _modules_in(name, thing)
    }
