"""`Primitive`: an operation defined once, as a row a person can read as mathematics.

A row holds what computes the operation on floats and on arrays (its *kernels*) and how its
derivative is written (its *vjp rules*). A rule is a plain lambda over operators and the names of
other primitives, and what differs between its readers is only what those names mean:

======================  ========================  ==============================================
arithmetic              ``cos`` means             gives
======================  ========================  ==============================================
`FLOAT`                 ``math.cos``              the fast backward pass of Value
`ARRAY`                 ``numpy.cos``             the fast backward pass of Tensor
the module's own names  the primitive ``cos``     a backward pass that is a graph: higher orders,
                                                  drawings, capture, and symbols (LaTeX, text)
======================  ========================  ==============================================

Start reading in ``ops/elementwise.py``; ``docs/adding-a-primitive.md`` is the guide.
"""

from __future__ import annotations

import builtins
import dis
import sys
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from microgradx.errors import PrimitiveError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

__all__ = ["ARRAY", "FLOAT", "PRIMITIVES", "Primitive"]

FLOAT: dict[str, Any] = {}
"""Primitive name -> what computes it on Python numbers."""
ARRAY: dict[str, Any] = {}
"""Primitive name -> what computes it on arrays."""
PRIMITIVES: dict[str, Primitive] = {}
"""Primitive name -> the primitive: the table of all operations."""

# Reading these does not read the numbers, so data may change and the rule still be right.
_HEADER = frozenset({"shape", "ndim", "dtype", "size"})
_LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE", "LOAD_CLASSDEREF")
_FIXED = 2  # a rule's first two arguments are g and z; inputs follow


def over(arithmetic: dict[str, Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    """Re-read a rule: the same code, with the names it calls looked up in `arithmetic`."""
    assert isinstance(rule, FunctionType)  # noqa: S101 - checked by Primitive
    read = FunctionType(rule.__code__, arithmetic, rule.__name__, rule.__defaults__)
    read.__kwdefaults__ = rule.__kwdefaults__
    return read


def _codes(code: CodeType) -> list[CodeType]:
    """A code object and those nested in it (comprehensions, inner lambdas)."""
    found = [code]
    for inner in found:
        found.extend(const for const in inner.co_consts if isinstance(const, CodeType))
    return found


def _globals_of(rule: Callable[..., Any]) -> set[str]:
    """The global names a rule looks up."""
    names = set()
    for code in _codes(rule.__code__):
        for instruction in dis.get_instructions(code):
            if instruction.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
                names.add(instruction.argval)
    return names


def _reads(rule: Callable[..., Any]) -> set[int]:
    """Which of ``z, *inputs`` a rule reads the numbers of: 0 for z, 1 for the first input, ..."""
    code = rule.__code__
    positional = code.co_varnames[: code.co_argcount]
    place = {name: i - 1 for i, name in enumerate(positional) if i > 0}
    found: set[int] = set()
    for inner in _codes(code):
        instructions = list(dis.get_instructions(inner))
        for here, following in zip(instructions, [*instructions[1:], None], strict=True):
            if not here.opname.startswith(_LOADS):
                continue
            names = here.argval if isinstance(here.argval, tuple) else (here.argval,)
            for position, name in enumerate(names):
                last = position == len(names) - 1
                header = last and following is not None and following.opname == "LOAD_ATTR"
                if header and following is not None and following.argval in _HEADER:
                    continue
                if name in place:
                    found.add(place[name])
    return found


class Primitive:
    r"""An operation with its kernels, its derivative, its notation and its domain.

    Parameters
    ----------
    name : str
        How rules call it; also the key in `PRIMITIVES`.
    scalar : callable or None
        Kernel on Python numbers; None for operations that only arrays have.
    array : callable
        Kernel on arrays. Takes ``out=`` after the inputs, unless `view` is true.
    *vjps : callable
        One vjp rule per input: ``(g, z, *inputs, **params) -> cotangent of that input``, where
        `g` is the cotangent of the output `z`. None for an input without a derivative; no rules at
        all for a piecewise constant operation. A rule calls only operators and primitives, and
        never mentions broadcasting.
    each : callable, optional
        For operations with any number of inputs, instead of `vjps`: one rule
        ``(g, z, *inputs, **params) -> sequence of cotangents``.
    tex, text : str
        Templates of its notation. ``{:2}`` puts an argument in parentheses unless it binds at
        least as strongly as 2; ``{}`` never does.
    binding : int
        How strongly the notation binds: 1 sum, 2 product, 3 power, 4 function call, 5 atom.
    sample : tuple of (low, high), optional
        For each input, the range that property tests draw from.
    singular : callable, optional
        ``(*inputs) -> number`` that is 0 where the derivative does not exist; tests keep away.
    guards : bool, optional
        Whether the rule can meet ``0 * inf``: the walk then keeps cotangents that are exactly 0
        at 0. True by default where `singular` is given.
    kind : {"elementwise", "linear", "other"}
        Forward mode: an elementwise rule is its own jvp, an operation that is linear in each
        input applies to tangents directly, all else is transposed.
    view : bool
        Whether the array kernel returns a view of its first input.
    kink : str
        The convention where the derivative does not exist, for the documentation.
    domain : str
        Where it is defined, for the documentation; empty means everywhere.
    symbol : str, optional
        What micrograd calls it (``_op``), where that differs from `name`.

    Raises
    ------
    PrimitiveError
        If the row breaks a rule of the table: a closure, an unknown name, a wrong count.
    """

    __slots__ = (
        "_reads",
        "_rule_reads",
        "array",
        "array_each",
        "array_vjps",
        "binding",
        "domain",
        "each",
        "float_each",
        "float_vjps",
        "guards",
        "kind",
        "kink",
        "methods",
        "name",
        "plain",
        "sample",
        "scalar",
        "singular",
        "symbol",
        "tex",
        "text",
        "view",
        "vjps",
    )

    closure = None  # only course code's own operations have one; see `micrograd`
    pure = True  # the rules are formulas; a `Rule` runs somebody's Python function instead

    def __init__(
        self,
        name: str,
        scalar: Callable[..., Any] | None,
        array: Callable[..., Any],
        *vjps: Callable[..., Any] | None,
        each: Callable[..., Any] | None = None,
        tex: str,
        text: str = "",
        binding: int = 4,
        sample: Sequence[tuple[float, float]] = (),
        singular: Callable[..., Any] | None = None,
        guards: bool | None = None,
        kind: str = "elementwise",
        view: bool = False,
        kink: str = "",
        domain: str = "",
        symbol: str | None = None,
    ) -> None:
        for rule in (*vjps, each):
            if rule is not None and (not isinstance(rule, FunctionType) or rule.__closure__):
                raise PrimitiveError(
                    f"Primitive {name!r}",
                    "a rule must be a plain function without a closure",
                    "Pass what it needs as an input or a keyword-only parameter",
                )
        if name in PRIMITIVES:
            raise PrimitiveError(f"Primitive {name!r}", "the name is taken", "Choose another one")
        self.name, self.scalar, self.array, self.vjps, self.each = name, scalar, array, vjps, each
        self.tex, self.text, self.binding = tex, text or tex, binding
        self.sample, self.singular, self.kind, self.view = tuple(sample), singular, kind, view
        self.guards = singular is not None if guards is None else guards
        self.kink, self.domain, self.symbol = kink, domain, name if symbol is None else symbol
        self.float_vjps = tuple([rule and over(FLOAT, rule) for rule in vjps])
        self.array_vjps = tuple([rule and over(ARRAY, rule) for rule in vjps])
        self.float_each = each and over(FLOAT, each)
        self.array_each = each and over(ARRAY, each)
        rules = [rule for rule in (*vjps, each) if rule is not None]
        # One or two differentiable inputs, no parameters, and a nan in `g` comes out of every rule:
        # the walks' short path.
        self.plain = each is None and 1 <= len(rules) == len(vjps) <= 2 and kind != "other"
        self.plain = self.plain and not any(rule.__code__.co_kwonlyargcount for rule in rules)
        self._rule_reads: list[set[int]] | None = None
        self._reads: Container[int] | None = None
        self.methods: dict[type, Callable[..., Any]] = {}
        PRIMITIVES[name] = self
        ARRAY[name] = array
        if scalar is not None:
            FLOAT[name] = scalar

    def __call__(self, *args: Any, **params: Any) -> Any:
        """Apply to nodes, raw arrays or numbers; numbers alone give a number."""
        for arg in args:
            method = self.methods.get(arg.__class__)
            if method is not None:
                return method(*args, **params)
        return self.on_constants(args, params)

    def on_constants(self, args: tuple[Any, ...], params: dict[str, Any]) -> Any:  # noqa: ARG002
        """Apply where no argument is a node; `tensor` replaces this by lifting arrays."""
        if self.scalar is not None and all(isinstance(arg, (int, float)) for arg in args):
            return self.scalar(*args)
        kinds = ", ".join(type(arg).__name__ for arg in args)
        raise UnsupportedError(
            self.name, f"expected a Value, a Tensor or numbers, not {kinds}", "Wrap the data first"
        )

    @property
    def rule_reads(self) -> list[set[int]]:
        """For each vjp rule the places it reads the numbers of: 0 for z, 1 for the first input."""
        if self._rule_reads is None:  # reading bytecode is slow: not while importing
            linear = self.kind == "linear"
            self._rule_reads = [_reads(r) if r and not linear else set() for r in self.vjps]
        return self._rule_reads

    @property
    def reads(self) -> Container[int]:
        """The places that any of the rules reads the numbers of."""
        if self._reads is None:
            if self.each is not None and self.kind != "linear":
                self._reads = range(self.each.__code__.co_argcount - _FIXED + 1, sys.maxsize)
            else:
                self._reads = set().union(*self.rule_reads)
        return self._reads

    @property
    def differentiable(self) -> bool:
        """Whether some input has a rule."""
        return self.each is not None or any(rule is not None for rule in self.vjps)

    def unknown_names(self) -> set[str]:
        """Global names in the rules that are neither primitives nor builtins."""
        rules = [rule for rule in (*self.vjps, self.each) if rule is not None]
        used = set().union(*[_globals_of(rule) for rule in rules]) if rules else set()
        return {n for n in used if n not in PRIMITIVES and not hasattr(builtins, n)}

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _find, (self.name,)

    def __copy__(self) -> Primitive:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Primitive:
        return self


def _find(name: str) -> Primitive:
    """Look a pickled primitive up in this process's table."""
    try:
        return PRIMITIVES[name]
    except KeyError:
        raise PrimitiveError(
            f"Primitive {name!r}", "this process has no such primitive", "Define it before loading"
        ) from None
