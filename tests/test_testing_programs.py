"""Programs, strategies, the reducer and the twins; and the bugs they must find."""

import os
import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, seed, settings
from hypothesis import strategies as st

from microgradx import Tensor
from microgradx.errors import UnsupportedError
from microgradx.primitive import PRIMITIVES
from microgradx.testing import CLASSICS, GradientError, gradcheck, planted, strategies
from microgradx.testing.calls import Dice
from microgradx.testing.generation import (
    VOCABULARY,
    draw_graph,
    draw_program,
    draw_scalar_program,
)
from microgradx.testing.programs import Constant, Program, Step, program_of
from microgradx.testing.reduction import failure_of, reduce_program
from microgradx.testing.twins import TwinError, check_twins

QUIET = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def check(program, seed=0):
    return gradcheck(
        program, *program.inputs, adapter="microgradx", seed=seed, reference=program.reference
    )


# ---- programs -----------------------------------------------------------------------------------
def test_a_program_runs_on_tensors_and_on_kernels():
    p = Program((np.array([2.0, 3.0]),), (Step("mul", (0, 0)), Step("sub", (1, Constant(1.0)))))
    assert p(Tensor([2.0, 3.0])).data.tolist() == [3.0, 8.0]
    assert p.reference(np.array([2.0])).tolist() == [3.0]
    assert p.expression() == "(x * x) - 1.0"


def test_a_graph_is_read_back_as_a_program():
    x, w = Tensor([[1.0, 2.0]]), Tensor([[0.5], [0.25]])
    z = ((x @ w).tanh() + 3.0).sum()
    p = program_of(z, [x, w])
    assert [step.op for step in p.steps] == ["matmul", "tanh", "add", "sum"]
    assert p(x, w).data == z.data


def test_what_the_result_does_not_need_is_pruned():
    steps = (Step("exp", (0,)), Step("neg", (1,)), Step("tanh", (0,)))
    p = Program((np.ones(2), np.ones(3)), steps).pruned()
    assert (len(p.inputs), p.expression()) == (1, "tanh(x)")


def test_printed_programs_run_and_say_the_same():
    for number in range(60):
        p = draw_program(Dice(number))
        space = {}
        exec(compile(p.source(seed=number), "<program>", "exec"), space)
        tensors = [Tensor(x) for x in p.inputs]
        np.testing.assert_array_equal(space["f"](*tensors).data, p(*tensors).data)


# ---- strategies ---------------------------------------------------------------------------------
@pytest.mark.quick
@seed(1)
@QUIET
@given(strategies.programs(), st.integers(0, 2**16))
def test_programs_of_the_engine_have_right_gradients(program, number):
    check(program, number)


@seed(2)
@QUIET
@given(strategies.graphs(), st.integers(0, 2**16))
def test_graphs_of_the_engine_have_right_gradients(program, number):
    check(program, number)


TABLE = [op for op in PRIMITIVES.values() if op.differentiable]  # before an example adds its own


@seed(3)
@QUIET
@given(st.data())
def test_calls_broadcast_and_run(data):
    op = data.draw(st.sampled_from(TABLE))
    call = data.draw(strategies.op_calls(op))
    with np.errstate(all="ignore"):
        assert isinstance(call.reference(*call.inputs), np.ndarray | np.generic)


@seed(4)
@QUIET
@given(st.data())
def test_small_strategies_keep_their_promises(data):
    one, two = data.draw(strategies.shapes(2))
    np.broadcast_shapes(one, two)
    assert len(set(data.draw(strategies.shapes(2, broadcast=False)))) == 1
    x = data.draw(strategies.arrays(one, -2.0, 2.0, layout="any"))
    assert x.shape == one
    assert np.all(np.abs(x) <= 2)
    assert np.all(x * 8 == np.round(x * 8))
    np.sum(x, axis=data.draw(strategies.axes(x.ndim)))
    x[data.draw(strategies.indices(x.shape))]
    spec, operands = data.draw(strategies.einsum_specs())
    np.einsum(spec, *operands)
    assert data.draw(strategies.tensors(one)).requires_grad
    assert -1 <= data.draw(strategies.elements(-1.0, 1.0)) <= 1


def smallest(strategy, condition):
    return find(strategy, condition, settings=settings(QUIET, max_examples=3000), random=Random(0))


def test_strategies_shrink_to_the_simplest():
    assert smallest(strategies.shapes(), lambda _: True) == ()
    assert smallest(strategies.arrays(), lambda _: True) == 0.0
    p = smallest(strategies.programs(), lambda p: any(s.op == "tanh" for s in p.steps))
    assert p.expression() == "tanh(x)"
    assert p.inputs[0].size == 1
    p = smallest(strategies.programs(), lambda p: len(p.steps) >= 2)
    assert len(p.steps) == 2


# Those that 3,000 examples find soon; the reducer, below, is tried on all.
SOON = (
    "visits breadth first", "visits depth first", "fan-out overwrites",
    "fan-out overwrites inside the graph", "x * x counts once", "accumulates into shared buffers",
    "inner gradients survive the call", "broadcast not summed", "broadcast averaged",
    "exp' = x", "the sign of y in x - y", "x / y forgets a square", "sqrt: nan at 0",
    "maximum: a tie gives nothing",
)  # fmt: skip


@pytest.mark.parametrize("name", SOON)
def test_hypothesis_shrinks_a_planted_bug_to_a_near_minimal_program(name):
    strategy = strategies.graphs() if CLASSICS[name].group == "graph" else strategies.programs()
    with planted(name):
        p = smallest(strategy, lambda p: bool(failure_of(p)))
    assert len(p.steps) <= 3, p
    assert elements(p) <= 4, p


# ---- planted bugs -------------------------------------------------------------------------------
def first_failure(name, limit=3000):
    """The first drawn program that the bug fails, and its seed."""
    for number in range(limit):
        graph = CLASSICS[name].group in {"graph", "memory"}
        p = draw_graph(Dice(number)) if graph else draw_program(Dice(number))
        report = gradcheck(
            p, *p.inputs, adapter="microgradx", seed=number, reference=p.reference,
            raises=False, localise=False,
        )  # fmt: skip
        if report.status == "failed":
            return p, number
    raise AssertionError(f"{name}: not found in {limit} examples")


def elements(program):
    """Numbers that one has to look at: inputs, and constants that are not all zeros or ones."""
    constants = [a.data for s in program.steps for a in s.args if isinstance(a, Constant)]
    odd = [np.size(c) for c in constants if len(np.unique(c)) > 1 or np.ravel(c)[0] not in (0, 1)]
    return sum(x.size for x in program.inputs) + sum(odd)


@pytest.mark.parametrize("name", sorted(CLASSICS))
def test_a_planted_bug_shrinks_and_its_printed_program_fails_the_same_way(name):
    with planted(name):
        program, number = first_failure(name)
        kind = failure_of(program, seed=number)
        small, _ = reduce_program(program, lambda p: failure_of(p, seed=number))
        with pytest.raises(GradientError) as caught:
            exec(compile(small.source(number), "<program>", "exec"), {})
    assert caught.value.report.kind == kind
    assert len(small.steps) <= 3, small
    assert elements(small) <= 4, small
    assert not failure_of(small, seed=number)  # the bug is gone with the block


def test_there_are_more_than_thirteen_bugs():
    assert len(CLASSICS) >= 13


def test_a_printed_program_fails_in_a_fresh_interpreter():
    with planted("softmax: diagonal only"):
        program, number = first_failure("softmax: diagonal only")
        small, _ = reduce_program(program, lambda p: failure_of(p, seed=number))
    code = (
        "from microgradx.testing import planted\n"
        "bug = planted('softmax: diagonal only')\nbug.__enter__()\n" + small.source(number)
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 1
    assert "wrong gradient: input 0" in done.stderr


def test_a_right_program_is_left_alone():
    p = draw_program(Dice(3))
    assert reduce_program(p) == (p, 1)


def test_an_unknown_bug_is_refused():
    with pytest.raises(UnsupportedError, match="no bug is called 'gremlin'"):
        planted("gremlin")


# ---- false alarms -------------------------------------------------------------------------------
def test_no_false_alarm_and_hardly_a_skip_over_random_programs():
    skipped = weak = 0
    for number in range(250):
        for draw in (draw_program, draw_graph, draw_scalar_program):
            report = check(draw(Dice(10_000 + number)), number)
            skipped += report.status == "skipped"
            weak += report.weak
    assert skipped <= 7  # one in a hundred
    assert weak <= 7


def test_programs_use_the_whole_vocabulary():
    used = {step.op for n in range(800) for step in draw_program(Dice(n)).steps}
    assert used == set(VOCABULARY)


# ---- twins --------------------------------------------------------------------------------------
def test_values_tensors_and_fractions_agree():
    ways = []
    for number in range(150):
        ways += check_twins(draw_scalar_program(Dice(number)))
        ways += check_twins(draw_scalar_program(Dice(number), rational=True))
    assert ways.count("Value") >= 280
    assert ways.count("Fraction") >= 150


def test_captured_programs_agree_with_eager_ones():
    for number in range(40):
        for draw in (draw_program, draw_graph):
            assert "capture" in check_twins(draw(Dice(number)), captured=True)


def test_twins_of_a_function():
    assert check_twins(lambda x, y: (x - y) / (x * x + 1), 0.5, 2.0) == ["Value", "Fraction"]
    assert check_twins(lambda x, y: (x * y).exp(), 0.5, -1.25, captured=True) == [
        "Value", "capture",
    ]  # fmt: skip
    assert check_twins(lambda x: x.reshape(2).sum(), np.ones((1, 2)), captured=True) == ["capture"]
    with pytest.raises(TwinError, match="the value is"):
        check_twins(lambda x: x * 2 if isinstance(x, Tensor) else x * 3, 1.0)


def test_twins_that_differ_are_told_apart():
    p = Program((np.array(0.5),), (Step("tanh", (0,)),))
    with planted("tanh' = 1 - z"):
        check_twins(p)  # both have the bug, so they agree
    op = PRIMITIVES["tanh"]
    kept = op.float_vjps
    op.float_vjps = (lambda g, *_: g,)
    try:
        with pytest.raises(TwinError, match="gradient of input 0"):
            check_twins(p)
    finally:
        op.float_vjps = kept
