"""The program that a failure prints: pasted into a fresh process, it fails in the same way."""

import os
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, Value, custom_vjp
from microgradx.primitive import PRIMITIVES
from microgradx.testing import GradientError, check_vjp, gradcheck, planted
from microgradx.testing.adapters import Tensors
from microgradx.testing.calls import Dice, draw_call
from microgradx.testing.programs import Program, Step
from microgradx.testing.reproduction import traced

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])


def program_in(text):
    """The program of a message, without its indentation."""
    lines = re.search(r"  program .*?checks\)\n(.*)  again", text, re.DOTALL)[1].splitlines()
    return "\n".join(line[6:] for line in lines)


def kind_of(source, **names):
    """How a program fails when it is run."""
    with pytest.raises(GradientError) as caught:
        exec(compile(source, "<program>", "exec"), dict(names))
    return caught.value.report.kind


def steps_of(source):
    return sum(line.startswith(("    t", "    return")) for line in source.splitlines())


# ---- functions of microgradx --------------------------------------------------------------------
def neuron(x, w, b):
    return ((x * w + b).tanh() + mg.sum([x, w, b]) + mg.dot([x, w], [w, b])) * x


SCALAR = {
    "neuron": (neuron, (0.5, -2.0, 0.75)),
    "two floats": (lambda x, y: (x * y + 1).tanh() * 3.0 + x**2 - y / 2, (0.75, -1.5)),
    "one float": (lambda x: (x * 2).tanh() * x, (0.5,)),
    "a Value": (lambda x: x.tanh() + Value(3.0) * x, (Value(0.5),)),
    "an integer beside it": (lambda x, n: x.tanh() ** n, (0.5, 3)),
    "one float in two places": (lambda x: x.tanh() * x.tanh(), (1.25,)),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", SCALAR)
def test_functions_of_values_print_a_program_over_values(name, order):
    f, inputs = SCALAR[name]
    with planted("tanh' = 1 - z"):
        report = gradcheck(f, *inputs, order=order, seed=5, raises=False)
        source = program_in(report.message())
        assert kind_of(source) == report.kind
    assert report.adapter == "microgradx.Value"
    assert steps_of(source) <= 3, source
    assert "np." not in source  # Python floats, so that it runs over Values
    assert ("order=2" in source) == (order == 2)
    exec(compile(source, "<program>", "exec"), {})  # the bug is gone with the block


@pytest.mark.parametrize("bug", ["x * x counts once", "fan-out overwrites"])
def test_bugs_of_the_walk_over_values_are_printed(bug):
    with planted(bug):
        report = gradcheck(lambda a, b: (a * b + a).exp() * a, 0.5, -2.0, raises=False)
        source = program_in(report.message())
        assert kind_of(source) == report.kind
    assert steps_of(source) <= 3, source


def network(x, w):
    hidden = (x @ w).tanh()
    return (hidden * hidden + hidden.exp()).sum(axis=0)


@pytest.mark.parametrize("bug", ["tanh' = 1 - z", "exp' = x"])
def test_second_order_failures_of_tensors_print_a_program(bug):
    with planted(bug):
        report = gradcheck(network, X, X.T / 4, order=2, seed=3, raises=False)
        source = program_in(report.message())
        assert kind_of(source) == report.kind
    assert "order=2" in source
    assert steps_of(source) <= 3, source


def test_float32_stays_float32():
    with planted("tanh' = 1 - z"):
        report = gradcheck(lambda x: x.tanh() * x, X.astype(np.float32), raises=False)
        source = program_in(report.message())
        assert kind_of(source) == report.kind
    assert "dtype=np.float32)" in source


def test_rows_of_inputs_constants_and_labels_shrink_together():
    weights, labels = np.arange(12.0).reshape(4, 3) / 8, np.array([2, 0, 1, 1])

    def loss(x):
        z = (x @ weights.T + 1.0).log_softmax(axis=1)
        return -z[np.arange(4), labels].mean()

    op = PRIMITIVES["matmul"]
    kept = op.array_vjps
    op.array_vjps = (lambda g, z, x, y: 2 * kept[0](g, z, x, y), kept[1])
    try:
        report = gradcheck(loss, np.ones((4, 3)) / 2, raises=False)
        source = program_in(report.message())
        assert kind_of(source) == report.kind
    finally:
        op.array_vjps = kept
    assert steps_of(source) == 1
    assert sum(np.prod([int(n) for n in re.findall(r"\d+", shape)])
               for shape in re.findall(r"(?:zeros|ones)\(\(([\d, ]+)\)", source)) <= 4  # fmt: skip


def test_functions_that_do_less_than_their_primitive_are_not_printed_for_it():
    op = PRIMITIVES["reshape"]
    kept = op.array_vjps
    op.array_vjps = (lambda g, z, x, *, shape: 2 * kept[0](g, z, x, shape=shape),)
    try:
        program = Program((np.ones(3),), (Step("reshape", (0,), {"shape": (3,)}),))
        report = gradcheck(program, *program.inputs, raises=False)
        source = program_in(report.message())
        assert kind_of(source) == report.kind
    finally:
        op.array_vjps = kept
    source = program.source(exact=True)
    assert "return PRIMITIVES['reshape'](x, shape=(3,))" in source
    exec(compile(source, "<program>", "exec"), {})


def test_options_of_the_check_are_printed():
    with planted("tanh' = 1 - z"):
        report = gradcheck(lambda x: x.tanh(), X, invariants={"twice"}, kink="reject", raises=False)
        source = program_in(report.message())
        assert kind_of(source) == report.kind
    assert "kink='reject', invariants=['twice'], seed=0)" in source


@pytest.mark.parametrize("name", sorted(n for n, op in PRIMITIVES.items() if op.differentiable))
def test_calls_of_every_primitive_are_written_as_python_that_computes_the_same(name):
    for number in range(12):
        call = draw_call(Dice(number), PRIMITIVES[name])
        program = traced(call, call.inputs, range(len(call.inputs)), Tensors())
        space = {}
        source, _, last = program.source().rpartition("\n")
        exec(compile(source, "<program>", "exec"), space)
        names = last.removeprefix("gradcheck(f, ").partition(", seed")[0].split(", ")
        with np.errstate(all="ignore"):
            z = space["f"](*(Tensor(space[n]) for n in names))
            expected = program(*(Tensor(x) for x in program.inputs))
        np.testing.assert_array_equal(z.data, expected.data)


# ---- functions that cannot be looked into -------------------------------------------------------
MODULE = """
import numpy as np

import microgradx as mg
from microgradx import custom_vjp, primitive

def cross_entropy(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]

def divided(g, logits, labels):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return g[:, None] * p / len(labels)

def cached(x):
    z = np.tanh(x)
    return z, z

def slope(g, z):
    return g * (1 - z)

class Wave:
    @staticmethod
    def pull(g, x):
        return -g * np.cos(x)

@custom_vjp
def clipped(x):
    return x * 1.0

clipped.defvjp(lambda x: (x * 1.0, x), lambda x, g: (g * 2.0,))

def model(x, w):
    return (clipped(x @ w)).sum()

@primitive(vjps=[lambda g, z, x: g * (1 - z)], sample=[(-4.0, 4.0)])
def squashed(x):
    return np.tanh(x)

def squashing(x, w):
    return (squashed(x @ w) * 2.0).sum(axis=0)

def learner(a, b):
    out = mg.Value(a.data * b.data, (a, b), "times")
    def pull():
        a.grad += out.grad * b.data
        b.grad += out.grad * b.data
    out._backward = pull
    return out + a
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    name = f"mine_{os.getpid()}_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    kept = dict(PRIMITIVES)
    yield __import__(name)
    sys.modules.pop(name)
    for added in set(PRIMITIVES) - set(kept):
        del PRIMITIVES[added]


def fails_alone(source, mine):
    """Run a program in a fresh process; its error message."""
    place = os.pathsep.join([str(Path(mine.__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": place},
    )  # fmt: skip
    assert done.returncode == 1, source
    return done.stderr


LOGITS = np.array([[2.0, -1.0, 0.5], [0.25, 1.5, -0.75]])


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        (lambda m: check_vjp(m.cross_entropy, m.divided, LOGITS, np.array([0, 2]), seed=7,
                             raises=False), "accumulation"),
        (lambda m: check_vjp(m.cached, m.slope, X, cache=True, raises=False), "formula"),
        (lambda m: check_vjp(np.sin, m.Wave.pull, X, reference=np.sin, raises=False), "sign"),
        (lambda m: gradcheck(m.model, X, X.T, raises=False), "count"),
        (lambda m: gradcheck(m.squashing, X, X.T / 4, raises=False), "formula"),
        (lambda m: gradcheck(m.squashing, X, X.T / 4, order=2, raises=False), "formula"),
        (lambda m: gradcheck(m.learner, 0.5, 3.0, raises=False), None),
    ],
    ids=["pair", "cache", "method", "custom_vjp", "primitive", "second order", "closure"],
)  # fmt: skip
def test_the_printed_text_fails_in_the_same_way_in_a_fresh_process(mine, check, kind):
    report = check(mine)
    assert kind is None or report.kind == kind
    source = program_in(report.message())
    assert f"from {mine.__name__} import" in source
    error = fails_alone(source, mine)
    title = "wrong second derivative" if report.order == 2 else "wrong gradient"
    assert f"{title}: " in error
    assert f"{report.kind}: " in error


def test_inputs_of_a_pair_are_reduced(mine):
    report = check_vjp(mine.cross_entropy, mine.divided, LOGITS, np.array([0, 2]), raises=False)
    source = program_in(report.message())
    assert "logits = np.zeros((2, 2))" in source  # one row or one class would be right
    assert "labels = np.array([0, 0])" in source
    assert "check_vjp(cross_entropy, divided, logits, labels, seed=0)" in source


def test_functions_without_a_home_are_named_in_a_comment():
    def forward(x, y):
        return np.sin(x) * y

    report = check_vjp(forward, lambda g, x, y: (g * np.sin(x) * y, g * np.sin(x)), X, X,
                       raises=False)  # fmt: skip
    source = program_in(report.message())
    assert "# forward and vjp: as checked; to be defined or imported here" in source
    assert source.endswith("check_vjp(forward, vjp, x, y, seed=0)")

    def vjp(g, x, y):
        return g * np.sin(x) * y, g * np.sin(x)

    assert kind_of(source, forward=forward, vjp=vjp) == report.kind


def test_a_failure_away_from_kinks_is_not_reduced_to_one_at_kinks():
    def vjp(g, x):
        return g * np.where(x == 0, 0.5, x > 0) * np.where(x > 1.9, 3, 1)

    report = check_vjp(lambda x: np.maximum(x, 0), vjp, X, raises=False)
    source = program_in(report.message())
    assert report.kind == "count"
    assert "x = np.array(2.)" in source


def test_a_given_cotangent_is_printed_where_it_matters():
    def vjp(g, x):
        return g * np.cos(x) + (1.0 if np.all(g == 2) else 0.0)

    report = check_vjp(
        np.sin, vjp, [0.5], cotangent=np.array([2.0]), invariants=set(), raises=False
    )
    source = program_in(report.message())
    assert "cotangent=np.array([2.])" in source
    assert kind_of(source, vjp=vjp) == report.kind


def test_what_does_not_fail_again_shows_its_inputs():
    factor = [2]
    report = check_vjp(np.sin, lambda g, x: g * np.cos(x) * factor[0], X, raises=False)
    factor[0] = 1
    text = report.message()
    assert "  program" not in text
    assert "x = np.array([[ 0.5 , -1.25,  2.  ]," in text


def test_the_cotangent_of_a_second_order_check_has_its_name():
    @custom_vjp
    def twice(x):
        return x * 1.0

    # Right to first order; as a function of its cotangent the rule is detached.
    twice.defvjp(lambda x: (x * 1.0, x), lambda x, g: (g.detach(),))
    report = gradcheck(lambda x: twice(x) * twice(x), X, order=2, raises=False)
    assert report.status == "failed"
    assert "x2 =" not in report.message()


def test_a_report_can_be_pickled_with_its_program():
    with planted("tanh' = 1 - z"), pytest.raises(GradientError) as caught:
        gradcheck(lambda x: x.tanh(), X)
    with planted("tanh' = 1 - z"):
        copy = pickle.loads(pickle.dumps(caught.value))
    assert "return mg.tanh(x)" in str(copy)
