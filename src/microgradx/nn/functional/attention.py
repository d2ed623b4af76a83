"""Attention: every position looks at the others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ArgumentError
from microgradx.functions.arguments import as_tensor
from microgradx.nn.functional.weights import dropout
from microgradx.primitive import PRIMITIVES

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    *,
    rng: Any = None,
) -> Any:
    """``softmax(q k^T / sqrt(d)) v``: each query's mean of the values, weighted by its keys.

    Parameters
    ----------
    query : Tensor or array_like, shape (..., targets, d)
        What is looked for.
    key : Tensor or array_like, shape (..., sources, d)
        What is found.
    value : Tensor or array_like, shape (..., sources, e)
        What is taken.
    attn_mask : array_like, shape (..., targets, sources), optional
        Booleans: True where a target may look. Floats: added to the scores.
    dropout_p : float, optional
        The part of the weights that is dropped; pass 0 in evaluation.
    is_causal : bool, optional
        Whether targets look only at sources no later than they are.
    scale : float, optional
        ``1 / sqrt(d)`` by default.
    rng : numpy.random.Generator or int, optional
        Where dropout comes from.

    Returns
    -------
    Tensor, shape (..., targets, e)
        The weighted means.

    Raises
    ------
    ArgumentError
        If there is a mask and `is_causal`.

    References
    ----------
    .. [1] A. Vaswani et al., "Attention Is All You Need", 2017.
    """
    query, key, value = [as_tensor(x, "attention") for x in (query, key, value)]
    if is_causal:
        if attn_mask is not None:
            problem = "both attn_mask and is_causal are given"
            raise ArgumentError("scaled_dot_product_attention", problem, "Pass one of them")
        attn_mask = np.tri(query.shape[-2], key.shape[-2], dtype=bool)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = F.matmul(query * scale, PRIMITIVES["swap"](key))  # (..., targets, sources)
    if attn_mask is not None:
        mask = as_tensor(attn_mask, "attention")
        if mask.dtype.kind == "b":
            scores = PRIMITIVES["where"](mask, scores, -math.inf)
        else:
            scores = scores + mask
    weights = F.softmax(scores, -1)
    if dropout_p:
        weights = dropout(weights, dropout_p, rng=rng)
    return F.matmul(weights, value)
