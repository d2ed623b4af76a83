"""Code over Values that loops over arrays is captured without a word about it."""

import numpy as np
import pytest

import microgradx as mg
from microgradx import Value
from microgradx.errors import CaptureError

pytestmark = pytest.mark.quick


def test_rows_of_an_array_become_values():
    w = [Value(0.5), Value(-0.25)]

    @mg.capture
    def step(X, y):
        loss = sum(
            (sum(wi * xi for wi, xi in zip(w, map(Value, row), strict=True)) - yi) ** 2
            for row, yi in zip(X, y, strict=True)
        )
        for p in w:
            p.grad = 0
        loss.backward()
        for p in w:
            p.data -= 0.01 * p.grad
        return loss

    X, y = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]]), np.array([1, -1, 0])
    weights = np.array([0.5, -0.25])
    for _ in range(4):
        residual = X @ weights - y
        assert step(X, y).data == pytest.approx((residual**2).sum(), rel=1e-12)
        weights = weights - 0.01 * 2 * X.T @ residual
    assert [v.data for v in w] == pytest.approx(weights.tolist(), rel=1e-12)


def test_a_step_that_neither_form_suits_reports_the_first_reason():
    w = Value(1.0)

    @mg.capture
    def step(x):
        return w * 2 if x.sum() > 0 else w

    with pytest.raises(CaptureError, match="truth"):
        step(np.ones(2))
