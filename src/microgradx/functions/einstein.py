"""Einstein sums over any number of arrays."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx.errors import ShapeError
from microgradx.functions.arguments import as_tensor
from microgradx.functions.reductions import sum as add_up
from microgradx.functions.shapes import broadcast_to, transpose
from microgradx.ops import einsum as sums
from microgradx.tensor_operations import apply

if TYPE_CHECKING:
    from microgradx.tensor import Tensor

__all__ = ["einsum"]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(subscripts: Any, *operands: Any) -> Tensor:
    """Sum of products, with axes named by letters.

    Parameters
    ----------
    subscripts : str
        Such as ``"ij,jk->ik"``: letters that the result leaves out are summed over, a letter
        twice in one array takes its diagonal, ``...`` stands for any further axes. Or NumPy's
        other form: array, list of ints, array, list of ints, list of the result.
    *operands : Tensor or array_like
        One for each term; a length of 1 is repeated where another array has more.

    Returns
    -------
    Tensor
        Differentiable to any order: every slope is an Einstein sum again.

    Raises
    ------
    ShapeError
        If the letters do not fit the shapes.

    Notes
    -----
    Two arrays become one batched matrix product. More are taken pair by pair in the order that
    ``numpy.einsum_path`` finds, once for each combination of shapes.

    Examples
    --------
    >>> a, b = np.arange(4.0).reshape(2, 2), np.array([1.0, 2.0])
    >>> einsum("ij,j->i", a, b)
    Tensor([2., 8.])
    >>> einsum("ii", a)
    Tensor(3.)
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _from_lists(subscripts, operands)
    tensors = [as_tensor(x, "einsum") for x in operands]
    terms, result = _letters(subscripts.replace(" ", ""), tuple([t.ndim for t in tensors]))
    tensors = _sized(terms, tensors)
    parts = [_plain(t, term, terms, result) for t, term in zip(tensors, terms, strict=True)]
    path = _path(tuple([term for _, term in parts]), result, tuple([t.shape for t, _ in parts]))
    for i, j in path:
        (x, left), (y, right) = parts[i], parts[j]
        parts = [part for k, part in enumerate(parts) if k not in {i, j}]
        wanted = {*result, *[c for _, term in parts for c in term]}
        made = "".join(c for c in dict.fromkeys(left + right) if c in wanted) if parts else result
        z = apply(sums.einsum, (x, y), {"left": left, "right": right, "result": made})
        parts.append((z, made))
    ((z, term),) = parts
    order = [term.index(c) for c in result]
    return z if order == sorted(order) else transpose(z, order)


def _from_lists(first: Any, rest: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """NumPy's form without letters, with them."""
    every = [first, *rest]
    result = every.pop() if len(every) % 2 else None

    def spelt(numbers: Any) -> str:
        return "".join("..." if n is Ellipsis else LETTERS[n] for n in numbers)

    text = ",".join(spelt(numbers) for numbers in every[1::2])
    return (text if result is None else f"{text}->{spelt(result)}"), tuple(every[::2])


@functools.lru_cache(maxsize=1024)
def _letters(subscripts: str, ndims: tuple[int, ...]) -> tuple[tuple[str, ...], str]:
    """Subscripts with a letter for every axis, and the letters of the result."""
    inputs, arrow, result = subscripts.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(ndims):
        raise ShapeError(
            "einsum",
            f"{len(terms)} terms in {subscripts!r} for {len(ndims)} arrays",
            "Name the axes of each",
        )
    free = [c for c in LETTERS if c not in subscripts]
    longest = max(
        [n - len(t) + 3 for t, n in zip(terms, ndims, strict=True) if "..." in t], default=0
    )
    extra = "".join(free[:longest])
    spelt = []
    for term, n in zip(terms, ndims, strict=True):
        more = n - len(term) + 3
        full = term.replace("...", extra[len(extra) - more :] if more > 0 else "")
        if not full.isalpha() and full:
            raise ShapeError(
                "einsum",
                f"{term!r} in {subscripts!r} is not made of letters",
                "Use letters and '...'",
            )
        if len(full) != n:
            raise ShapeError(
                "einsum",
                f"{term!r} names {len(full)} axes of an array with {n}",
                "One letter for each axis",
            )
        spelt.append(full)
    if arrow:
        wanted = result.replace("...", extra)
    else:
        once = [c for c in sorted(inputs) if c.isalpha() and inputs.count(c) == 1]
        wanted = extra + "".join(once)
    unknown = [c for c in wanted if not any(c in term for term in spelt)]
    if unknown or len(set(wanted)) != len(wanted):
        raise ShapeError(
            "einsum",
            f"the result of {subscripts!r} has a letter twice, or one that no array has",
            "Each letter of the result once",
        )
    return tuple(spelt), wanted


def _sized(terms: tuple[str, ...], tensors: list[Tensor]) -> list[Tensor]:
    """Arrays in which each letter has one length; lengths of 1 are repeated."""
    found: dict[str, int] = {}
    for term, t in zip(terms, tensors, strict=True):
        for c, n in zip(term, t.shape, strict=True):
            if found.setdefault(c, n) == 1:
                found[c] = n
            elif n not in {1, found[c]}:
                raise ShapeError(
                    "einsum",
                    f"letter {c!r} stands for lengths {found[c]} and {n}",
                    "Lengths must be equal or 1",
                )
    return [
        broadcast_to(t, [found[c] for c in term]) for term, t in zip(terms, tensors, strict=True)
    ]


def _plain(x: Tensor, term: str, terms: tuple[str, ...], result: str) -> tuple[Tensor, str]:
    """An array whose letters are all different, and all needed elsewhere."""
    for c in dict.fromkeys(term):
        places = [i for i, d in enumerate(term) if d == c]
        if len(places) > 1:
            rest = [i for i in range(x.ndim) if i not in places]
            x = transpose(x, (*places, *rest))[(np.arange(x.shape[places[0]]),) * len(places)]
            term = c + "".join(term[i] for i in rest)
    lone = tuple(
        [i for i, c in enumerate(term) if c not in result and sum(c in t for t in terms) == 1]
    )
    if lone:
        x, term = add_up(x, lone), "".join(c for i, c in enumerate(term) if i not in lone)
    return x, term


@functools.lru_cache(maxsize=1024)
def _path(terms: tuple[str, ...], result: str, shapes: tuple[Any, ...]) -> list[tuple[int, int]]:
    """In which order to take pairs."""
    n = len(terms)
    if n < 3:
        return [(0, 1)] * (n - 1)
    arrays = [np.broadcast_to(0.0, shape) for shape in shapes]
    found, _ = np.einsum_path(
        f"{','.join(terms)}->{result}", *arrays, optimize="optimal" if n < 6 else "greedy"
    )
    pairs: list[tuple[int, int]] = []
    for step in found[1:]:
        left = list(step)  # NumPy may take several at once: pairs one after another
        while len(left) > 1:
            i, j = left.pop(), left.pop()
            pairs.append((i, j))
            left = [k - (i < k) - (j < k) for k in left]
            n -= 1
            left.append(n - 1)
    return pairs
