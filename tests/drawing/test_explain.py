"""Gradients explained in words: ledgers that add up, verdicts that name the culprit."""

from __future__ import annotations

import numpy as np
import pytest

from microgradx import Tensor, Value, explain, no_grad, trace_lines, why
from microgradx.errors import GraphError, UnsupportedError
from microgradx.graph import topological_order

from .conftest import random_graph


@pytest.mark.parametrize("seed", range(25))
def test_the_rows_of_a_ledger_sum_exactly_to_the_gradient(seed):
    root = random_graph(seed)
    root.backward()
    for node in topological_order(root)[:-1]:
        found = explain(node, root, names=None)
        total = 0.0
        for entry in found.entries:
            total += entry.amount
            assert entry.amount == pytest.approx(entry.cotangent * entry.local, rel=1e-14)
        assert total == node.grad
        assert found.total == node.grad
        assert found.earlier == 0.0


def test_a_ledger_reads_as_text_dict_and_latex(differentiated):
    a = topological_order(differentiated)[0]
    found = explain(a, differentiated)
    lines = str(found).splitlines()
    assert lines[0] == "∂L/∂a = −0.3932"
    assert "−1.18  =  0.7864 × (b = −1.5)   ∂L/∂e × ∂e/∂a   e = a × b" in lines[3]
    assert lines[-1].split() == ["−0.3932", "in", "all:", "contributions", "add"]
    rows = found.as_dict()["entries"]
    assert [row["consumer"] for row in rows] == ["q", "q", "e"]
    assert sum(row["amount"] for row in rows) == a.grad
    assert r"\frac{\partial L}{\partial e}\,b" in found.tex
    assert found._repr_latex_().startswith("$")


def test_earlier_passes_are_a_row_of_their_own():
    x = Value(3.0, name="x")
    y = x * x
    y.backward()
    y.backward()
    found = explain(x, y)
    assert (found.total, found.earlier) == (12.0, 6.0)
    assert "earlier backward passes" in str(found)


def test_the_result_is_found_among_the_callers_variables():
    a = Value(2.0)
    half = a * 0.5
    loss = half * half
    loss.backward()
    assert str(explain(a)).startswith("∂loss/∂a = 1")


def test_before_backward_the_ledger_looks_ahead_and_touches_nothing():
    a = Value(3.0, name="a")
    out = a * a
    assert explain(a, out).total == 6.0
    assert a.grad == 0.0


def test_tensor_ledgers_give_norms_and_summed_axes():
    x = np.arange(6.0).reshape(2, 3)
    b = Tensor([1.0, 2.0, 3.0], name="b")
    out = (x * b + b).sum()
    out.backward()
    found = explain(b, out)
    assert found.total == pytest.approx(np.linalg.norm(b.grad))
    assert {entry.summed for entry in found.entries} == {(0,)}
    assert "summed over axis 0" in str(found)
    amounts = sorted(entry.amount for entry in found.entries)
    assert amounts == pytest.approx(sorted([np.linalg.norm(x.sum(0)), np.sqrt(12)]))


def test_a_ledger_without_a_result_is_refused():
    alone = Value(1.0)
    with pytest.raises(GraphError, match="not made from it"):
        explain(alone, Value(2.0) * 3)
    with pytest.raises(GraphError, match=r"Pass it: explain\(x, loss\)"):
        explain(alone, names={})
    with pytest.raises(UnsupportedError, match="expected a Value or a Tensor, not int"):
        explain(3)


def test_why_names_the_relu_that_masks():
    w, x = Value(-2.0), Value(3.0)
    hidden = w * x
    out = hidden.relu() * 5
    out.backward()
    found = why(w)
    assert found.verdict == "zero"
    assert "relu(hidden) passes nothing back: hidden = −6" in found.reasons[0]


def test_why_names_the_zero_factor():
    x, zero = Value(4.0), Value(0.0)
    out = (x * zero).tanh()
    out.backward()
    found = why(x)
    assert found.verdict == "zero"
    assert "multiplies it by zero = 0" in found.reasons[0]


def test_why_sees_contributions_cancel():
    x = Value(4.0)
    out = x - x
    out.backward()
    assert why(x).reasons == ("2 contributions that are not zero cancel exactly",)


def test_why_names_the_first_value_that_is_not_finite():
    x = Value(-1.0)
    bad = x.log()
    out = bad * bad
    out.backward()
    found = why(x)
    assert found.verdict == "not finite"
    assert "bad = log(x) = nan, from x = −1" in found.reasons[0]


def test_why_tells_of_a_broken_result_beside_a_sound_gradient():
    x = Value(-1.0)
    out = x.log() * 2
    out.backward()
    assert x.grad == -2.0
    assert why(x).verdict == "usual"
    assert "but the forward pass made it: v1 = log(x) = nan" in why(x).reasons[1]


def test_why_names_the_rule_that_is_not_finite():
    x = Value(0.0)
    out = x.sqrt() * 3
    out.backward()
    assert "the rule of v1 = sqrt(x) for operand 1 gives inf at x = 0" in why(x).reasons[0]


def test_why_lists_the_largest_factors_of_a_huge_gradient():
    tiny = Value(1e-9)
    out = 2 / tiny
    out.backward()
    found = why(tiny)
    assert found.verdict == "huge"
    assert "×2e+18 by out = 2 / tiny" in found.reasons[1]


def test_why_says_that_nothing_is_connected():
    x, y = Value(1.0), Value(2.0)
    out = y * 2
    out.backward()
    assert why(x).verdict == "not connected"


def test_why_names_the_line_that_detached():
    with trace_lines():
        x = Value(2.0)
        frozen = (x * 3).detach()
        out = frozen * frozen
    out.backward()
    found = why(x)
    assert found.verdict == "detached"
    assert "cut by detach() at test_explain.py:" in found.reasons[0]
    assert "frozen = (x * 3).detach()" in found.reasons[0]


def test_why_names_the_no_grad_block():
    with trace_lines():
        w = Tensor([1.0, 2.0])
        with no_grad():
            hidden = w * 2
        out = (hidden * Tensor([1.0, 1.0])).sum()
    out.backward()
    assert "cut by mul under no_grad() at test_explain.py:" in why(w).reasons[0]


def test_why_names_lines_if_they_were_traced():
    with trace_lines():
        w = Value(-2.0)
        masked = w.relu()
        out = masked + 1
    out.backward()
    assert "masked = w.relu()" in why(w).reasons[0]


def test_why_knows_that_backward_has_not_run_and_what_is_usual():
    x = Value(3.0)
    out = x * x
    assert why(x).verdict == "no backward"
    out.backward()
    assert why(x).verdict == "usual"


def test_why_says_that_a_constant_takes_no_gradient():
    x = Tensor([1.0], requires_grad=False, name="x")
    found = why(x)
    assert (found.verdict, found.name) == ("not required", "x")
