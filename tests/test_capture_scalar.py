"""Captured steps of Values: the same numbers as eager, as NumPy calls over slices."""

import itertools
import math
import pickle
import random
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import microgradx as mg
from microgradx import Value
from microgradx.capture.scalar_memory import factors
from microgradx.capture.threads import blas
from microgradx.errors import CaptureError, DataChangedError
from microgradx.micrograd.nn import MLP
from microgradx.primitive import PRIMITIVES

UNARY = [
    "neg",
    "exp",
    "tanh",
    "sin",
    "cos",
    "relu",
    "sigmoid",
    "softplus",
    "abs",
    "atan",
    "square",
    "log1p",
    "sqrt",
]
BINARY = ["add", "sub", "mul", "div", "pow", "maximum", "minimum"]


class Program:
    """A random program over Values: the same calls in eager and captured runs."""

    def __init__(self, seed, size, parameters=5, inputs=3):
        choose = random.Random(seed)
        self.start = [choose.uniform(-1, 1) for _ in range(parameters)]
        self.inputs = inputs
        self.rows = []
        for k in range(size):
            reach = parameters + inputs + k
            kind = choose.random()
            x, y, z = (choose.randrange(max(0, reach - 30), reach) for _ in range(3))
            if kind < 0.35:
                self.rows.append(("unary", choose.choice(UNARY), x))
            elif kind < 0.85:
                self.rows.append(("binary", choose.choice(BINARY), x, y))
            elif kind < 0.9:
                self.rows.append(
                    (
                        "constant",
                        choose.choice(["add", "mul", "sub", "pow"]),
                        x,
                        choose.choice([2, 3, -1, 0.5, 0, 1]),
                    )
                )
            elif kind < 0.95:
                width = choose.randrange(2, 6)
                picked = [choose.randrange(reach) for _ in range(2 * width)]
                self.rows.append(("chain", picked[:width], picked[width:]))
            else:
                self.rows.append(("where", x, y, z))

    def __call__(self, parameters, xs):
        values = [*parameters, *xs]
        for kind, *row in self.rows:
            if kind == "unary":
                x = values[row[1]]
                x = (
                    x * x + 0.5
                    if row[0] in ("log1p", "sqrt")
                    else x.tanh()
                    if row[0] == "exp"
                    else x
                )
                z = PRIMITIVES[row[0]](x)
            elif kind == "binary":
                x, y = values[row[1]], values[row[2]]
                if row[0] in ("div", "pow"):
                    x, y = x.abs() + 0.5, y.tanh() + 1.5
                z = PRIMITIVES[row[0]](x, y)
            elif kind == "constant":
                x = values[row[1]]
                x = x * x + 0.5 if row[0] == "pow" else x
                z = {"add": x + row[2], "mul": row[2] * x, "sub": row[2] - x, "pow": x ** row[2]}[
                    row[0]
                ]
            elif kind == "chain":
                z = sum(
                    (values[i] * values[j] for i, j in zip(*row, strict=True)), values[row[0][0]]
                )
            else:
                z = mg.where(mg.greater(values[row[0]], 0.1), values[row[1]], values[row[2]])
            # Keep the numbers tame, so that rounding does not grow without bound.
            values.append(z if kind == "unary" else z.tanh() if abs_limit(row) else z)
        return sum(v for v in values[-4:])

    def parameters(self):
        return [Value(x, name=f"p{i}") for i, x in enumerate(self.start)]


def abs_limit(row):
    return len(str(row)) % 2 == 0


def train(program, parameters, xs):
    loss = program(parameters, xs).tanh()
    for p in parameters:
        p.grad = 0.0
    loss.backward()
    for p in parameters:
        p.data -= 0.01 * p.grad
    return loss, [x * 1.0 for x in parameters]


def close(a, b, bound=1e-11):
    return (
        a == b
        or (math.isnan(a) and math.isnan(b))
        or abs(a - b) <= bound * max(1.0, abs(a), abs(b))
    )


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 60), vectorize=st.booleans())
def test_replay_equals_eager_on_random_programs(seed, size, vectorize):
    program = Program(seed, size)
    eager, captured = program.parameters(), program.parameters()
    step = mg.capture(
        lambda xs: train(program, captured, [Value(x) for x in xs]), vectorize=vectorize
    )
    draw = random.Random(seed + 1)
    for _ in range(3):
        xs = [draw.uniform(-1, 1) for _ in range(program.inputs)]
        expected = train(program, eager, [Value(x) for x in xs])
        found = step(xs)
        assert close(expected[0].data, found[0].data)
        for a, b in zip(eager, captured, strict=True):
            assert close(a.data, b.data)
            assert close(a.grad, b.grad)
        for a, b in zip(expected[1], found[1], strict=True):
            assert close(a.data, b.data)


class Net:
    """micrograd's MLP, in its own order of operations."""

    def __init__(self, sizes, seed=1337):
        draw = random.Random(seed)
        self.layers = [
            [([Value(draw.uniform(-1, 1)) for _ in range(n)], Value(0.0)) for _ in range(m)]
            for n, m in itertools.pairwise(sizes)
        ]

    def parameters(self):
        return [p for layer in self.layers for w, b in layer for p in [*w, b]]

    def __call__(self, x):
        for k, layer in enumerate(self.layers):
            x = [sum((wi * xi for wi, xi in zip(w, x, strict=True)), b) for w, b in layer]
            x = x if k == len(self.layers) - 1 else [z.relu() for z in x]
        return x[0]


def blobs(n, seed=0):
    draw = random.Random(seed)
    y = [1 if draw.random() < 0.5 else -1 for _ in range(n)]
    return [[draw.gauss(label, 1.0), draw.gauss(0, 1.0)] for label in y], y


def hinge(net, xs, ys):
    scores = [net([Value(a) for a in x]) for x in xs]
    losses = [(1 + -y * s).relu() for y, s in zip(ys, scores, strict=True)]
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in net.parameters())


def descend(net, xs, ys, rate):
    loss = hinge(net, xs, ys)
    for p in net.parameters():
        p.grad = 0
    loss.backward()
    for p in net.parameters():
        p.data -= rate * p.grad
    return loss


@pytest.mark.parametrize("products", [True, False])
def test_training_a_network_gives_the_same_gradients_for_100_steps(products):
    xs, ys = blobs(20)
    eager, captured = Net([2, 8, 8, 1]), Net([2, 8, 8, 1])
    step = mg.capture(lambda x, y, rate: descend(captured, x, y, rate), products=products)
    for k in range(100):
        rate = 1.0 - 0.9 * k / 100
        expected = descend(eager, xs, ys, rate)
        found = step(xs, ys, rate)
        assert abs(expected.data - found.data) < 1e-12
    worst = max(
        abs(a.grad - b.grad) for a, b in zip(eager.parameters(), captured.parameters(), strict=True)
    )
    assert worst < 1e-12
    assert len(step.programs) == 1


@pytest.mark.quick
def test_a_network_of_values_runs_as_matrix_products():
    xs, ys = blobs(20)
    net = Net([2, 8, 8, 1])
    step = mg.capture(lambda x, y: descend(net, x, y, 0.1))
    step(xs, ys)
    calls = [i.function for i in step.program.instructions]
    assert calls.count("matmul") >= 8  # three layers, forward and backward
    assert len(calls) < 50
    assert ".take" not in [i.function for i in step.program.instructions if i.phase == "forward"]


def test_inputs_vary_from_call_to_call():
    w = Value(3.0)
    step = mg.capture(lambda x, y: (w * x["a"] + y[0][1], [y[1][0]]))
    for a in (1.0, 2.5):
        first, (second,) = step({"a": a}, ([1, a], [7, 8]))
        assert first.data == 3.0 * a + a
        assert second == 7.0
    assert len(step.programs) == 1


def test_results_keep_structure_and_kind():
    w = Value(3.0)

    @mg.capture
    def step(x):
        z = w * x
        return {"value": z, "number": z.data, "pair": (x, None, "text")}

    step(1.0)
    found = step(2.0)
    assert isinstance(found["value"], Value)
    assert found["value"].data == 6.0
    assert found["number"] == 6.0
    assert type(found["number"]) is float
    assert found["pair"] == (2.0, None, "text")


def test_a_new_structure_is_captured_anew_and_the_cache_is_bounded():
    w = Value(2.0)
    step = mg.capture(lambda xs: sum((w * x for x in xs), Value(0.0)), cache=2)
    assert [step([1.0] * n).data for n in (1, 2, 3, 2, 1)] == [2.0, 4.0, 6.0, 4.0, 2.0]
    assert len(step.programs) == 2


def test_programs_of_several_signatures_share_parameters():
    w = Value(1.0)

    @mg.capture
    def step(xs):
        loss = sum(w * x for x in xs)
        w.grad = 0.0
        loss.backward()
        w.data -= 0.1 * w.grad
        return loss.data

    eager = 1.0
    for xs in ([1.0, 2.0], [1.0, 2.0, 3.0], [4.0, 5.0], [1.0, 1.0, 1.0], [2.0, 2.0]):
        assert step(xs) == pytest.approx(eager * sum(xs), rel=1e-14)
        eager -= 0.1 * sum(xs)
    assert w.data == pytest.approx(eager, rel=1e-14)
    assert len(step.programs) == 2


def test_assignments_between_calls_are_seen():
    w = Value(1.0)

    @mg.capture
    def step(x):
        w.data = w.data + x
        return w.data * 1.0

    step(1.0)
    assert step(1.0) == 3.0
    w.data = 10.0
    assert step(1.0) == 11.0
    assert w.data == 11.0
    w.data += 5
    assert step(1.0) == 17.0


def test_eager_code_sees_the_new_parameters():
    w = Value(2.0)

    @mg.capture
    def step(x):
        loss = w * x
        w.grad = 0.0
        loss.backward()
        w.data -= w.grad
        return loss

    step(0.5)
    step(0.5)
    assert (w * 3).data == 3.0
    assert w.grad == 0.5
    assert type(w.data) is float
    assert f"{w.data:.1f}" == "1.0"
    assert repr(w) == "Value(data=1.0, grad=0.5)"
    loss = w * w
    loss.backward()
    assert w.grad == 2.5  # accumulated on the replayed gradient


def test_a_number_that_was_looked_at_stays_what_it_was():
    w = Value(2.0)

    @mg.capture
    def step():
        w.data = w.data + 1
        return w.data * 1.0

    step()
    kept = w.relu()
    step()
    assert kept.data == 3.0
    assert w.data == 4.0


def test_a_graph_built_before_a_replay_is_not_pulled_back_on_new_data():
    w = Value(2.0)
    step = mg.capture(lambda x: [setattr(w, "data", w.data + x), w.data * 1.0][1])
    step(1.0)
    square = w * w
    step(1.0)
    with pytest.raises(DataChangedError):
        square.backward()


def test_gradients_accumulate_where_the_step_does_not_clear_them():
    w = Value(3.0)

    @mg.capture
    def step(x):
        (w * x).backward()
        return w.grad * 1.0

    assert [step(2.0), step(2.0), step(1.0)] == [2.0, 4.0, 5.0]
    w.grad = 0.0
    assert step(1.0) == 1.0


def test_two_updates_in_one_step():
    def two(w, x):
        found = []
        for _ in range(2):
            loss = (w * w * x - 1) ** 2
            w.grad = 0.0
            loss.backward()
            w.data -= 0.1 * w.grad
            found.append(loss.data)
        return found

    eager, captured = Value(0.5), Value(0.5)
    step = mg.capture(lambda x: two(captured, x))
    for x in (1.0, 1.5, 2.0):
        assert two(eager, x) == pytest.approx(step(x), rel=1e-14)
        assert captured.data == pytest.approx(eager.data, rel=1e-14)
        assert captured.grad == pytest.approx(eager.grad, rel=1e-14)


def test_reading_data_stops_the_gradient():
    w = Value(3.0)

    @mg.capture
    def step(x):
        loss = w.data * w * x
        w.grad = 0.0
        loss.backward()
        return w.grad * 1.0

    assert step(2.0) == 6.0


def test_gradients_of_results_inside_the_step_can_be_read():
    w = Value(3.0)

    @mg.capture
    def step(x):
        h = w * x
        z = h * h
        z.backward()
        return h.grad * 1.0, z.grad * 1.0

    assert step(2.0) == (12.0, 1.0)


def test_state_swapped_in_one_step():
    a, b = Value(1.0), Value(2.0)

    @mg.capture
    def step():
        a.data, b.data = b.data, a.data + b.data
        return a.data * 1.0

    assert [step() for _ in range(6)] == [2, 3, 5, 8, 13, 21]


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda v: 1.0 if v > 0 else 2.0, "truth of a comparison"),
        (lambda v: 1.0 if v else 2.0, "truth"),
        (float, "Python value"),
        (lambda v: [1, 2, 3][int(v)], "Python value"),
        (lambda v: max(v, v * 2), "truth of a comparison"),
    ],
)
def test_asking_for_the_python_value_names_the_line(ask, what):
    w = Value(1.0)

    def step(x):
        w.data -= 0.5
        return ask(w * x)

    with pytest.raises(CaptureError) as caught:
        mg.capture(step)(1.0)
    assert what in str(caught.value)
    assert "test_capture_scalar.py:" in str(caught.value)
    assert w.data == 1.0  # as before the call


def test_an_error_in_the_step_leaves_parameters_as_they_were():
    w = Value(1.0)
    w.grad = 7.0

    def step(x):
        w.grad = 0.0
        (w * x).backward()
        w.data -= w.grad
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        mg.capture(step)(1.0)
    assert (w.data, w.grad) == (1.0, 7.0)


def test_a_result_from_outside_the_step_is_refused():
    w = Value(2.0)
    square = w * w
    with pytest.raises(CaptureError, match="computed before"):
        mg.capture(lambda x: square * x)(1.0)


RATE = 0.5


def test_a_changed_global_is_noticed(monkeypatch):
    step = mg.capture(lambda x: x * RATE)
    assert step(2.0) == 1.0
    monkeypatch.setitem(globals(), "RATE", 0.25)
    assert step(2.0) == 0.5


def test_equal_numbers_of_other_kinds_are_told_apart():
    step = mg.capture(lambda x, flag: x if flag is True else x * 2)
    assert step(3.0, True) == 3.0
    assert step(3.0, 1) == 6.0


def test_edges_of_ieee_arithmetic_follow_eager():
    def safe_log(x):
        return mg.where(mg.greater(x, 0), mg.log(mg.maximum(x, 0.0)), 0.0)

    def slope(x):
        v = Value(x)
        z = safe_log(v) + v**0 + mg.relu(v)
        z.backward()
        return z.data, v.grad * 1.0

    step = mg.capture(slope)
    for x in (2.0, 0.0, -1.0):
        expected, found = slope(x), step(x)
        assert all(close(a, b) for a, b in zip(expected, found, strict=True))


def test_a_program_survives_pickling_with_its_state():
    xs, ys = blobs(10)
    net = Net([2, 4, 1])
    step = mg.capture(lambda x, y: descend(net, x, y, 0.1))
    step(xs, ys)
    copy = pickle.loads(pickle.dumps(step.program))
    for _ in range(3):
        assert copy.run(xs, ys)[0][0] == step(xs, ys).data
    assert repr(copy) == repr(step.program)


def test_the_source_trains_to_the_same_numbers_with_numpy_alone(tmp_path):
    xs, ys = blobs(10)
    net = Net([2, 4, 1])
    step = mg.capture(lambda x, y: descend(net, x, y, 0.1))
    step(xs, ys)
    state = step.program.initial_state()["state"].tolist()
    losses = [step(xs, ys).data for _ in range(5)]
    (tmp_path / "written.py").write_text(step.program.source())
    (tmp_path / "run.py").write_text(
        textwrap.dedent(f"""
        import sys
        sys.modules["microgradx"] = None
        import numpy as np, written
        step = written.build({{"state": np.array({state})}})
        print([step({xs}, {ys})[0][0].item() for _ in range(5)])
        """)
    )
    out = subprocess.run(
        [sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True, env={}
    )
    assert eval(out.stdout) == losses


def test_the_listing_names_rules_and_memory():
    w = Value(2.0, name="w")
    step = mg.capture(lambda x: [z := (w * x).tanh(), z.backward()][0], vectorize=True)
    step(1.0)
    text = repr(step.program)
    assert "tanh: g * (1 - z * z)" in text
    assert "np.tanh(" in text
    assert step.program.memory["total"] > 0
    assert step.program.flops["total"] == sum(i.flops for i in step.program.instructions)


def test_replay_allocates_nothing():
    xs, ys = blobs(10)
    net = Net([2, 4, 1])
    step = mg.capture(lambda x, y: descend(net, x, y, 0.1))
    step(xs, ys)
    replay = step.program.replay
    with np.errstate(all="ignore"):
        for _ in range(100):
            replay()
        tracemalloc.start()
        replay()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(10_000):
            replay()
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert after - before < 1000
    assert peak - before < 20_000


def test_factors_of_nested_loops():
    index = np.arange(4)[:, None, None] * 100 + np.arange(3)[None, :, None] * 7 + np.arange(5)
    assert factors(index.reshape(-1)) == [(4, 100), (3, 7), (5, 1)]
    assert factors(np.array([0, 1, 3, 7])) is None
    assert factors(np.array([0, 0, 0])) == [(3, 0)]


def test_a_deep_recurrence_is_captured_without_recursion():
    w = Value(0.9)

    def recur(w, x):
        h = w * 0.0
        for _ in range(2000):
            h = (w * h + x).tanh()
        w.grad = 0.0
        h.backward()
        return h.data, w.grad * 1.0

    step = mg.capture(lambda x: recur(w, x))
    eager = Value(0.9)
    for x in (0.1, 0.2):
        assert recur(eager, x) == pytest.approx(step(x), rel=1e-12)


def test_arguments_that_are_values_get_their_gradients():
    def step(xs, w):
        loss = sum(w * x * x for x in xs)
        loss.backward()
        return loss

    captured = mg.capture(step)
    for start in (1.0, 2.0, 3.0):
        eager = [Value(start), Value(start + 1)], Value(0.5)
        replayed = [Value(start), Value(start + 1)], Value(0.5)
        for _ in range(2):  # gradients of leaves accumulate
            assert step(*eager).data == captured(*replayed).data
        assert [x.grad for x in eager[0]] == [x.grad for x in replayed[0]]
        assert eager[1].grad == replayed[1].grad
    assert len(captured.programs) == 1


def test_assigning_to_an_argument_is_refused():
    def step(x):
        x.data = x.data * 2

    with pytest.raises(CaptureError, match="assigns to the data of its argument 'x'"):
        mg.capture(step)(Value(1.0))


@pytest.mark.parametrize("vectorize", [True, False])
@pytest.mark.parametrize("seed", range(8))
def test_check_finds_nothing_wrong_with_random_programs(seed, vectorize):
    program = Program(seed, 40)
    parameters = program.parameters()
    step = mg.capture(
        lambda xs: train(program, parameters, [Value(x) for x in xs]),
        check=True,
        vectorize=vectorize,
    )
    for k in range(3):
        step([0.1 * k, 0.5, -0.3])


def test_check_names_the_first_instruction_that_differs():
    w = Value(2.0)

    def step(x):
        loss = ((w * x).tanh() - x) ** 2
        w.grad = 0.0
        loss.backward()
        return loss

    captured = mg.capture(step, check=True, vectorize=True)
    captured(0.5)
    program = captured.program
    k = next(k for k, i in enumerate(program.instructions) if i.function == "tanh")
    program.instructions[k] = program.instructions[k]._replace(function="sinh")
    program._run = None
    with pytest.raises(CaptureError, match=rf"instruction {k} \(sinh: tanh\) differs from eager"):
        captured(0.5)


def test_check_notices_a_constant_that_moved():
    box = [[0.5]]  # deeper than what is watched
    captured = mg.capture(lambda x: x * box[0][0], check=True)
    captured(1.0)
    box[0][0] = 0.25
    with pytest.raises(CaptureError, match=r"a constant was 0\.5 at capture and is 0\.25 now"):
        captured(1.0)


def test_check_notices_another_graph():
    box = [[2]]
    captured = mg.capture(lambda x: sum(x * k for k in range(box[0][0])), check=True)
    captured(1.0)
    box[0][0] = 3
    with pytest.raises(CaptureError, match="another graph: 6 operations instead of 4"):
        captured(1.0)


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_random_numbers_that_would_be_frozen_are_refused(draw):
    with pytest.raises(CaptureError, match="global random stream"):
        mg.capture(lambda x: x * float(draw()))(1.0)


# ---- programs of plain floats --------------------------------------------------------------------
def test_narrow_steps_become_plain_python():
    w = Value(0.5, name="w")

    @mg.capture
    def step(x):
        loss = (w * x).tanh() ** 2
        loss.name = "loss"
        w.grad = 0.0
        loss.backward()
        w.data -= 0.1 * w.grad
        return loss

    step(2.0)
    text = repr(step.program)
    assert "loss = " in text
    assert "# tanh: g * (1 - z * z)" in text
    assert "d_w " in text
    assert step.program.instructions == []


def test_wide_steps_become_numpy_calls():
    ws = [Value(0.1 * k) for k in range(50)]
    step = mg.capture(lambda xs: sum((w * x).tanh() for w, x in zip(ws, xs, strict=True)))
    step([1.0] * 50)
    assert {i.function for i in step.program.instructions} == {"multiply", "tanh", "add.reduce"}


@pytest.mark.parametrize("vectorize", [True, False])
def test_infinities_and_nans_where_python_would_raise(vectorize):
    def formulas(x, y):
        v = Value(x)
        z = [v / y, mg.log(v), mg.exp(v * 1000.0), mg.sqrt(v), v**-1.0, v / y * 0.0]
        return [a.data for a in z]

    step = mg.capture(formulas, vectorize=vectorize)
    for x, y in ((1.0, 2.0), (0.0, 0.0), (-1.0, 0.0), (2.0, 0.0), (1.0, 2.0)):
        assert all(close(a, b) for a, b in zip(formulas(x, y), step(x, y), strict=True)), (x, y)


def test_a_run_that_raises_midway_is_run_again_from_the_same_state():
    w = Value(1.0)

    def step(x):
        loss = w / x
        w.grad = 0.0
        loss.backward()
        w.data = w.data + x
        return loss.data

    captured = mg.capture(step, vectorize=False)
    captured(1.0)
    assert captured(0.0) == math.inf
    assert captured(2.0) == 1.0
    assert w.data == 4.0
    assert w.grad == 0.5


def test_a_program_of_floats_survives_pickling():
    w = Value(0.5)

    @mg.capture
    def step(x):
        w.data = (w.data * x + 1.0) / 2
        return w.data * 1.0

    step(2.0)
    copy = pickle.loads(pickle.dumps(step.program))
    for x in (1.0, 3.0, 0.0):
        assert copy.run(x)[0][0] == step(x)


@pytest.mark.parametrize("vectorize", [True, False])
def test_both_forms_write_sources_that_run(vectorize):
    a, b = Value(0.7, name="a"), Value(-1.2, name="b")

    def train(xs, y):
        z = mg.relu(a * xs[0] + b) + mg.sigmoid(xs[1] / a) * mg.maximum(a, b) + xs[2] ** a
        loss = (z - y) ** 2
        a.grad = b.grad = 0.0
        loss.backward()
        for p in (a, b):
            p.data -= 0.01 * p.grad
        return loss

    step = mg.capture(train, vectorize=vectorize)
    step([1.0, 2.0, 3.0], 0.5)
    namespace = {}
    exec(step.program.source(), namespace)
    written = namespace["build"](step.program.initial_state())
    for k in range(4):
        xs = [1.0 + k, 2.0 - k, 3.0]
        assert written(xs, 0.5)[0][0] == step(xs, 0.5).data


def test_blas_threads_are_restored_after_a_run():
    library = blas()
    if library is None:
        pytest.skip("NumPy was built with another BLAS")
    xs, ys = blobs(10)
    net = Net([2, 4, 1])
    step = mg.capture(lambda x, y: descend(net, x, y, 0.1), vectorize=True)
    before = library.get()
    try:
        library.set(2)
        step(xs, ys)
        assert library.get() == 2
        assert "1 BLAS thread" in repr(step.program)
    finally:
        library.set(before)


@pytest.mark.parametrize("vectorize", [True, False])
def test_sums_dots_and_extremes_as_single_nodes(vectorize):
    def build(ws, xs):
        z = mg.max([w * x for w, x in zip(ws, xs, strict=True)]) + mg.sum([w * w for w in ws])
        z = z + mg.dot(ws, xs) * mg.min(ws)
        for w in ws:
            w.grad = 0.0
        z.backward()
        return z

    eager, captured = ([Value(0.3 * k - 1) for k in range(12)] for _ in range(2))
    step = mg.capture(lambda xs: build(captured, xs), vectorize=vectorize)
    for scale in (1.0, -2.0, 0.5):
        xs = [scale * (k % 5 - 2) for k in range(12)]
        assert close(build(eager, [Value(x) for x in xs]).data, step(xs).data)
        assert all(close(a.grad, b.grad) for a, b in zip(eager, captured, strict=True))


def test_the_networks_of_the_micrograd_package_are_captured():
    xs, ys = blobs(6)

    def train(model, xs, ys):
        loss = sum((model(x) - y) ** 2 for x, y in zip(xs, ys, strict=True))
        model.zero_grad()
        loss.backward()
        for p in model.parameters():
            p.data -= 0.01 * p.grad
        return loss

    random.seed(1)
    eager = MLP(2, [4, 1])
    random.seed(1)
    captured = MLP(2, [4, 1])
    step = mg.capture(lambda x, y: train(captured, x, y))
    for _ in range(5):
        expected = train(eager, [[Value(a) for a in x] for x in xs], ys)
        assert close(expected.data, step(xs, ys).data)


def test_tuples_that_cannot_be_compared_are_left_alone():
    box = ([0.5], {"rate": 2.0})
    step = mg.capture(lambda x: x * box[0][0] * box[1]["rate"])
    assert step(3.0) == 3.0


def test_arrays_arrive_as_values_where_the_step_loops_over_them():
    xs, ys = blobs(20)
    eager, captured = Net([2, 8, 1]), Net([2, 8, 1])
    step = mg.capture(lambda x, y: descend(captured, x, y, 0.1))
    for _ in range(3):
        expected = descend(eager, xs, ys, 0.1)
        assert close(expected.data, step(np.array(xs), np.array(ys)).data)


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_over_many_samples(seed):
    program = Program(seed, 6 * seed + 3)
    eager, captured = program.parameters(), program.parameters()

    def over_samples(parameters, xs):
        loss = sum(program(parameters, [Value(a) for a in x]).tanh() for x in xs)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        return loss

    step = mg.capture(lambda xs: over_samples(captured, xs), products=seed % 2 == 0)
    draw = random.Random(seed)
    for _ in range(2):
        xs = [[draw.uniform(-1, 1) for _ in range(3)] for _ in range(40)]
        assert close(over_samples(eager, xs).data, step(xs).data)
        assert all(close(a.grad, b.grad, 1e-10) for a, b in zip(eager, captured, strict=True))
    assert step.program.instructions  # wide enough for NumPy calls


def test_wide_layers_without_matrix_products_sum_edges_through_views():
    xs, ys = blobs(64)
    eager, captured = Net([2, 16, 16, 1]), Net([2, 16, 16, 1])
    step = mg.capture(lambda x, y: descend(captured, x, y, 0.1), products=False)
    for _ in range(2):
        assert close(descend(eager, xs, ys, 0.1).data, step(xs, ys).data)
    assert all(
        close(a.grad, b.grad)
        for a, b in zip(eager.parameters(), captured.parameters(), strict=True)
    )
    functions = [i.function for i in step.program.instructions]
    assert "matmul" not in functions
    assert functions.count(".take") <= 4
