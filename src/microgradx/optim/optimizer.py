"""What all optimisers share: parameter groups, readable state, `step`, saving and loading."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import modes
from microgradx.errors import ArgumentError, CheckpointError, UnsupportedError
from microgradx.graph import tick
from microgradx.optim.together import Block, sorted_out
from microgradx.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Optimizer"]

Array = Any
FLUSH_EVERY = 100
"""Steps between two rounds of clearing denormal moments: ufuncs are 44 times slower on them."""
_PARTS = {"alpha", "dampening", "rho"}
_SIZES = {"lr", "eps", "weight_decay", "momentum", "lr_decay", "momentum_decay"}
_SIZES |= {"initial_accumulator_value"}


class Optimizer:
    """Base of all optimisers.

    A subclass says which arrays it carries along (`slots`), which numbers change from step to step
    (`numbers`), and writes `_update` as NumPy calls with ``out``. Nothing else is needed for it to
    be captured: `_update` is then read once with another ``np`` that writes the calls down.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        What to change; dictionaries are parameter groups with options of their own, such as
        ``[{"params": head, "lr": 1e-2}, {"params": body}]``.
    defaults : dict
        Options of groups that do not set them.

    Attributes
    ----------
    param_groups : list of dict
        Each with ``"params"`` and the options. Options are read in every step, so writing
        ``optimizer.param_groups[0]["lr"]`` changes the learning rate.
    state : list of dict
        For each parameter, in the order of the groups, the arrays and numbers it carries over.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        where = type(self).__name__
        if isinstance(params, Tensor):
            raise UnsupportedError(where, "the parameters are a single Tensor", "Pass a list: [w]")
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: list[dict[str, Any]] = []
        self._blocks: dict[int, Block] = {}  # of a group's small parameters
        try:
            groups = list(params)
        except TypeError:
            problem = f"the parameters are a {type(params).__name__}"
            raise UnsupportedError(where, problem, "Pass model.parameters()") from None
        if not groups:
            raise ArgumentError(where, "there are no parameters", "Pass model.parameters()")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("defaults", ()):
            raise ArgumentError(
                type(self).__name__,
                f"{name} is an option of its parameter groups, and is read there alone",
                f"Write optimizer.param_groups[0][{name!r}] = {value!r}",
            )
        super().__setattr__(name, value)

    def add_param_group(self, group: dict[str, Any]) -> None:
        """Add parameters with options of their own.

        Parameters
        ----------
        group : dict
            ``"params"`` (a Tensor or several) and any options.

        Raises
        ------
        ArgumentError
            For an unknown option, or a parameter that is there already.
        UnsupportedError
            If something is no leaf Tensor.
        """
        where = type(self).__name__
        if "params" not in group:
            problem = f"a group has no 'params', only {sorted(group)}"
            raise ArgumentError(where, problem, 'Pass {"params": [...], "lr": 0.1}, for example')
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        for name in group:
            if name not in self.defaults and name not in {"params", "initial_lr"}:
                raise ArgumentError(
                    where, f"it has no option {name!r}", f"Options are {', '.join(self.defaults)}"
                )
        known = {id(p) for p in self._parameters()}
        for p in params:
            if not isinstance(p, Tensor) or not p.is_leaf:
                what = (
                    f"the result of {p.op.name}"
                    if isinstance(p, Tensor)
                    else f"a {type(p).__name__}"
                )
                raise UnsupportedError(
                    where, f"a parameter is {what}", "Pass leaf Tensors, such as model.parameters()"
                )
            if id(p) in known:
                raise ArgumentError(where, "a parameter comes twice", "Pass each parameter once")
            known.add(id(p))
        full = {
            "params": params,
            **self.defaults,
            **{k: v for k, v in group.items() if k != "params"},
        }
        self._check(full)
        self.param_groups.append(full)
        self.state.extend({} for _ in params)

    def _check(self, group: dict[str, Any]) -> None:
        """Refuse options out of range."""
        where = type(self).__name__
        for name, value in group.items():
            if name in _PARTS and not (_is_number(value) and 0 <= value <= 1):
                raise ArgumentError(where, f"{name} is {value!r}", f"Pass {name} from 0 to 1")
            if name in _SIZES and not (_is_number(value) and 0 <= value < math.inf):
                raise ArgumentError(where, f"{name} is {value!r}", f"Pass {name} of 0 or more")
        betas = group.get("betas", (0.0, 0.0))
        two = isinstance(betas, (tuple, list)) and len(betas) == 2
        if not two or not all(_is_number(b) and 0 <= b < 1 for b in betas):
            raise ArgumentError(where, f"betas are {betas}", "Pass two numbers from 0 to below 1")

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters; call it before the next ``backward()``."""
        for p in self._parameters():
            p.grad = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, once.

        Parameters
        ----------
        closure : callable, optional
            Called first, to compute the loss and its gradients anew.

        Returns
        -------
        object
            What `closure` returned, or None.
        """
        loss = None if closure is None else closure()
        mode = modes.current()
        if mode is not None and mode.tape is not None:
            mode.tape.optimise(self)
            return loss
        first = 0
        for k, group in enumerate(self.param_groups):
            states = self.state[first : first + len(group["params"])]
            first += len(states)
            least = 2 if self.slots(group) else 4  # with few calls to save, three are not worth it
            shared, members = sorted_out(group["params"], states, least)
            if shared:
                self._advance_together(k, group, shared)
            for p, state in members:
                g = p._grad
                self._advance(p._data, g._data if g.__class__ is Tensor else g, state, group)
                # The array is overwritten: a graph that still needs the old numbers must notice.
                p.time = tick()
        return loss

    def _advance(self, x: Array, g: Array, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One step of one parameter."""
        slots = self.slots(group)
        t = 0
        if slots:
            t = state["step"] = state.get("step", 0) + 1
        for slot in slots:
            if slot not in state:
                state[slot] = np.zeros_like(x)
        moments = [state[slot] for slot in slots]
        self._change(x, g, moments, scratch(state, x), group, t)

    def _advance_together(
        self, k: int, group: dict[str, Any], members: list[tuple[Tensor, dict[str, Any]]]
    ) -> None:
        """One step of small parameters of group `k`, in memory that they share."""
        slots = self.slots(group)
        block = self._blocks.get(k)
        if block is None or not block.serves(members, slots):
            block = self._blocks[k] = Block(members, slots)
        block.settle(members)
        t = members[0][1].get("step", 0) + 1 if slots else 0
        self._change(block.x, block.g, block.moments, block.memory, group, t)
        for p, state in members:
            if slots:
                state["step"] = t
            p.time = tick()

    def _change(
        self,
        x: Array,
        g: Array,
        moments: list[Array],
        memory: Array,
        group: dict[str, Any],
        t: int,
    ) -> None:
        self._update(np, x, g, moments, memory, group, self.numbers(t, *self.options(group)))
        if moments and t % FLUSH_EVERY == 0:
            flush_denormals(*moments)

    def __getstate__(self) -> dict[str, Any]:
        # Copies of views would share nothing; the copy's first step finds memory of its own.
        return {**self.__dict__, "_blocks": {}}

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """Names of the arrays that every parameter of `group` carries over; they start as 0.

        Those whose names begin with an underscore are more working memory, and are not saved.
        """
        return ()

    def options(self, group: dict[str, Any]) -> tuple[float, ...]:
        """The options that `numbers` takes, in its order."""
        return (group["lr"],)

    def plain(self, group: dict[str, Any]) -> bool:  # noqa: ARG002
        """Whether the update is ``x <- x - numbers[0] g`` and nothing else."""
        return False

    @staticmethod
    def numbers(t: int, *options: float) -> tuple[float, ...]:
        """What `_update` multiplies with in step `t` (counted from 1); needs ``math`` alone."""
        raise NotImplementedError

    def _update(
        self,
        np: Any,
        x: Array,
        g: Array,
        moments: list[Array],
        memory: Array,
        group: dict[str, Any],
        numbers: tuple[Any, ...],
    ) -> None:
        """Change the array `x`, whose gradient is `g`, in place; `g` is left as it is.

        `memory` is of x's shape, for results in between. Of `group` only what is zero, true or
        false may decide anything; numbers come in `numbers`.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on later, with copies of all arrays.

        Returns
        -------
        dict
            ``"state"``: for each parameter's number, a dict of arrays and numbers;
            ``"param_groups"``: options, with numbers for parameters.
        """
        groups, first = [], 0
        for group in self.param_groups:
            numbers = list(range(first, first + len(group["params"])))
            first += len(numbers)
            groups.append({**group, "params": numbers})
        state = {
            i: {k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in _kept(own)}
            for i, own in enumerate(self.state)
            if _kept(own)
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Parameters
        ----------
        state_dict : dict
            As `state_dict` gave it.

        Raises
        ------
        CheckpointError
            If it does not fit the parameters. Nothing has been changed then.
        """
        where = f"{type(self).__name__}.load_state_dict"
        try:
            sizes = [len(group["params"]) for group in state_dict["param_groups"]]
            state_dict["state"].get(0)
        except (AttributeError, KeyError, TypeError):
            problem = "this is no state of an optimizer"
            raise CheckpointError(where, problem, "Pass what state_dict() gave") from None
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise CheckpointError(
                where,
                f"it has groups of {sizes} parameters, this optimizer {own}",
                "Build the same model",
            )
        loaded: list[dict[str, Any]] = []
        for i, p in enumerate(self._parameters()):
            saved = state_dict["state"].get(i, {})
            group = next(g for g in self.param_groups if any(p is q for q in g["params"]))
            wanted = {"step", *self.slots(group)} - {n for n in self.slots(group) if n[0] == "_"}
            if saved and set(saved) != wanted:
                problem = f"parameter {i} has {sorted(saved)}, this optimizer's {sorted(wanted)}"
                raise CheckpointError(where, problem, "Build the same optimizer")
            if not isinstance(saved.get("step", 0), Integral) or saved.get("step", 0) < 0:
                raise CheckpointError(where, f"parameter {i} has done {saved['step']!r} steps")
            for name in saved.keys() - {"step"}:
                shape = getattr(saved[name], "shape", None)
                if shape != p.shape:
                    problem = f"{name} of parameter {i} has shape {shape}, the parameter {p.shape}"
                    raise CheckpointError(where, problem, "Build the same model")
            loaded.append(
                {k: np.array(v) if isinstance(v, np.ndarray) else v for k, v in saved.items()}
            )
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            try:
                self._check({**group, **saved})
            except (ArgumentError, TypeError) as error:
                raise CheckpointError(where, f"its options are none ({error})") from None
        self.state = loaded
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({k: v for k, v in saved.items() if k != "params"})

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            options = "".join(
                f"    {name}: {value}\n"
                for name, value in sorted(group.items())
                if name != "params"
            )
            lines.append(f"Parameter Group {i}\n{options}")
        return f"{type(self).__name__} (\n" + "\n".join(lines) + ")"


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _kept(state: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a saved state holds: all but the working memory."""
    return [(name, value) for name, value in state.items() if not name.startswith("_")]


def scratch(state: dict[str, Any], like: Array) -> Array:
    """Working memory of the shape of `like`, kept between steps; what is in it means nothing."""
    memory = state.get("_scratch")
    if memory is None:
        memory = state["_scratch"] = np.empty_like(like)
    return memory


def flush_denormals(*moments: Array) -> None:
    """Set numbers too small to matter to 0 (they decay into denormals, and stay there)."""
    for moment in moments:
        least = np.finfo(moment.dtype).tiny * 1e8
        np.multiply(moment, np.abs(moment) > least, moment)
