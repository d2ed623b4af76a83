"""The mutation gate: damaged rules and damaged walks are found; the reasons why some are not."""

import numpy as np
import pytest

import microgradx.ops  # noqa: F401 - fills the table
from microgradx.primitive import PRIMITIVES
from microgradx.testing.calls import Dice, draw_call
from microgradx.testing.checking import gradcheck
from microgradx.testing.generation import draw_graph, draw_program, draw_scalar_program
from microgradx.testing.mutants import EQUIVALENT, rule_mutants
from microgradx.testing.slips import slips
from microgradx.testing.walks import WALKS

DIFFERENTIABLE = sorted(name for name, op in PRIMITIVES.items() if op.differentiable)


def fails(example, number):
    try:
        report = gradcheck(
            example, *example.inputs, adapter="microgradx", seed=number, raises=False,
            localise=False, reference=example.reference,
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - a backward pass that raises is found as well
        return True
    return report.status == "failed"


def survivors(name, examples):
    """Mutants of one primitive that no generated call finds, and how many there were."""
    op = PRIMITIVES[name]
    calls = [draw_call(Dice(number), op) for number in range(examples)]
    left, total = [], 0
    for mutant in rule_mutants(op):
        if mutant.name in EQUIVALENT:
            continue
        total += 1
        with mutant.plant():
            if not any(fails(call, number) for number, call in enumerate(calls)):
                left.append(mutant.name)
    return left, total


@pytest.mark.slow
def test_at_least_99_percent_of_all_rule_mutants_are_found_at_200_examples():
    left, total = [], 0
    for name in DIFFERENTIABLE:
        some, count = survivors(name, 200)
        left += some
        total += count
    assert total >= 500
    assert len(left) <= 0.01 * total, left


@pytest.mark.quick
@pytest.mark.parametrize("name", ["add", "tanh", "div", "sum", "getitem"])
def test_every_mutant_of_a_few_primitives_is_found(name):
    left, total = survivors(name, 200)
    assert total >= 12
    assert not left


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mutant", WALKS, ids=lambda m: m.name)
def test_every_bug_of_the_walk_is_found_within_200_programs(mutant, seed):
    def example(number):
        graph = mutant.group in {"graph", "memory"} and number % 2
        return (draw_graph if graph else draw_program)(Dice(seed * 10_000 + number))

    with mutant.plant():
        assert any(fails(example(number), number) for number in range(200))


@pytest.mark.parametrize("mutant", [m for m in WALKS if m.group == "graph"], ids=lambda m: m.name)
def test_bugs_of_the_walk_over_values_are_found_and_gone_afterwards(mutant):
    def found(number):
        program = draw_scalar_program(Dice(number))
        report = gradcheck(program, *program.inputs, adapter="value", seed=number, raises=False,
                           localise=False)  # fmt: skip
        return report.status == "failed"

    with mutant.plant():
        numbers = [number for number in range(200) if found(number)]
    assert numbers
    assert not any(found(number) for number in numbers)


def test_slips_rewrite_the_formula_itself():
    names = [name for name, _ in slips(PRIMITIVES["tanh"].vjps[0])]
    assert "g * (1 - z * z) -> g" in names
    assert "1 - z * z -> 1 + z * z" in names
    assert "1 -> 2" in names
    assert "z -> x" in names
    changed = dict(slips(PRIMITIVES["tanh"].vjps[0]))["z * z -> z"]
    assert changed(2.0, 0.5, 0.0) == 2.0 * (1 - 0.5)


def test_a_rule_without_a_source_has_no_slips():
    assert list(slips(eval("lambda g, z, x: g * z"))) == []


def test_mutants_leave_no_trace():
    op = PRIMITIVES["tanh"]
    kept = op.array_vjps, op.float_vjps, op.vjps
    for mutant in rule_mutants(op):
        with mutant.plant():
            pass
    assert (op.array_vjps, op.float_vjps, op.vjps) == kept


def test_equivalent_mutants_exist_and_have_reasons():
    names = {m.name for op in DIFFERENTIABLE for m in rule_mutants(PRIMITIVES[op])}
    assert {name for name in EQUIVALENT if name.partition(":")[0] in PRIMITIVES} <= names
    assert all(EQUIVALENT.values())


@pytest.mark.parametrize("name", ["add: input 0, identity", "relu: input 0, wrong below 0"])
def test_an_equivalent_mutant_computes_the_same(name):
    op = PRIMITIVES[name.partition(":")[0]]
    mutant = next(m for m in rule_mutants(op) if m.name == name)
    calls = [draw_call(Dice(number), op) for number in range(20)]

    def cotangent(call):
        z = np.asarray(call.reference(*call.inputs))
        inputs = [np.asarray(x) for x in call.inputs]
        return op.array_vjps[0](np.ones_like(z), z, *inputs, **call.params)

    plain = [cotangent(call) for call in calls]
    with mutant.plant():
        planted = [cotangent(call) for call in calls]
    for a, b in zip(plain, planted, strict=True):
        np.testing.assert_array_equal(a, b)
