"""micrograd's own tests, its demo and the lecture's code, with only the import line changed.

The expected numbers are micrograd's and PyTorch's; the second half lists what micrograd gets
wrong in silence, and that this library does not.
"""

import math
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from microgradx.errors import DataChangedError
from microgradx.micrograd import nn
from microgradx.micrograd.engine import Value

pytestmark = pytest.mark.quick


# ---- micrograd's two tests --------------------------------------------------------------------
def test_sanity_check():
    x = Value(-4.0)
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    y = h + q + q * x
    y.backward()
    assert y.data == -20.0
    assert x.grad == 46.0


def test_more_ops():
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert g.data == pytest.approx(24.70408163265306, abs=1e-12)
    assert a.grad == pytest.approx(138.83381924198252, abs=1e-12)
    assert b.grad == pytest.approx(645.5772594752186, abs=1e-12)


# ---- the demo notebook ----------------------------------------------------------------------------
def moons(n, seed):
    """Two interleaving half circles with labels -1 and 1."""
    rng = np.random.default_rng(seed)
    t = rng.uniform(0, np.pi, n)
    label = np.arange(n) % 2
    X = np.stack(
        [np.where(label, 1 - np.cos(t), np.cos(t)), np.where(label, 0.5 - np.sin(t), np.sin(t))], 1
    )
    return X + rng.normal(scale=0.1, size=X.shape), label * 2 - 1


def demo_loss(model, X, y, alpha=1e-4):
    inputs = [list(map(Value, row)) for row in X]
    scores = list(map(model, inputs))
    losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    reg_loss = alpha * sum(p * p for p in model.parameters())
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(y, scores, strict=True)]
    return data_loss + reg_loss, sum(accuracy) / len(accuracy)


def test_the_demo_trains():
    random.seed(1337)
    X, y = moons(40, 1337)
    model = nn.MLP(2, [16, 16, 1])
    assert len(model.parameters()) == 337
    for k in range(40):
        total_loss, _ = demo_loss(model, X, y)
        model.zero_grad()
        total_loss.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad
    total_loss, accuracy = demo_loss(model, X, y)
    assert accuracy >= 0.95
    assert total_loss.data < 0.2


def test_representations_and_attributes():
    model = nn.MLP(3, [2, 1])
    assert repr(model) == (
        "MLP of [Layer of [ReLUNeuron(3), ReLUNeuron(3)], Layer of [LinearNeuron(2)]]"
    )
    neuron = model.layers[0].neurons[0]
    assert len(neuron.w) == 3
    assert (neuron.b.data, neuron.nonlin) == (0, True)
    assert nn.Module().parameters() == []
    assert isinstance(model([1.0, 2.0, 3.0]), Value)
    assert len(nn.MLP(1, [1, 2])([0.5])) == 2, "a hidden layer of width one feeds the next"


def test_a_neuron_equals_the_written_out_sum():
    random.seed(3)
    neuron = nn.Neuron(3)
    xs = [Value(0.5), Value(-1.5), Value(2.0)]
    out = neuron(xs)
    plain = sum((wi * xi for wi, xi in zip(neuron.w, xs, strict=True)), neuron.b).relu()
    out.backward()
    grads = [v.grad for v in (*neuron.w, neuron.b, *xs)]
    for v in (*neuron.w, neuron.b, *xs):
        v.grad = 0.0
    plain.backward()
    assert out.data == plain.data
    assert grads == [v.grad for v in (*neuron.w, neuron.b, *xs)]


# ---- code of the lecture --------------------------------------------------------------------------
def test_prev_and_op_are_as_course_code_reads_them():
    a, b = Value(2.0, label="a"), Value(-3.0)
    e = a * b
    assert e._prev == {a, b}
    assert [n._op for n in (a, e, a + b, a**2, a.relu(), a.tanh())] == [
        "",
        "*",
        "+",
        "**2",
        "ReLU",
        "tanh",
    ]
    nodes, edges = set(), set()

    def build(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                build(child)

    build(e * e + 1)
    assert len(nodes) == 6
    assert len(edges) == 5


def test_backward_by_hand_in_the_lectures_order():
    x1, w1, b = Value(2.0), Value(-3.0), Value(6.88)
    n = x1 * w1 + b
    o = n.tanh()
    o.grad = 1.0
    o._backward()
    n._backward()
    for parent in n._prev:
        parent._backward()
    assert x1.grad == pytest.approx(w1.data * (1 - math.tanh(0.88) ** 2))
    assert b.grad == n.grad == 1 - o.data**2


def test_an_operation_of_ones_own():
    def cube(self):
        out = Value(self.data**3, (self,), "cube")

        def _backward():
            self.grad += 3 * self.data**2 * out.grad

        out._backward = _backward
        return out

    a = Value(2.0)
    c = cube(a * 1.5) + a
    c.backward()
    assert c.data == 29.0
    assert a.grad == 3 * 9 * 1.5 + 1
    c.backward()
    assert a.grad == 2 * (3 * 9 * 1.5 + 1)


# ---- what micrograd gets wrong in silence ---------------------------------------------------------
def test_two_backward_calls_double_and_no_more():
    a = Value(2.0)
    b = a * 3
    c = b * b
    c.backward()
    c.backward()
    assert a.grad == 2 * 36


def test_a_thousand_nodes_deep_and_wide():
    a = Value(1.0)
    x = a
    for _ in range(3000):
        x = x + a
    (x + sum([a] * 1200)).backward()
    assert a.grad == 4201


def test_a_square_shows_both_edges():
    a = Value(3.0)
    assert (a * a).parents == (a, a)


def test_gradients_do_not_depend_on_addresses():
    code = (
        "import random; random.seed(0)\n"
        "from microgradx.micrograd.engine import Value\n"
        "from microgradx.micrograd.nn import MLP\n"
        "m = MLP(3, [8, 8, 1]); y = (m([.1, .2, .3]) - 1)**2 + m([.3, -.2, .5]).tanh(); y.backward()\n"
        "print([p.grad.hex() for p in m.parameters()])"
    )
    outputs = {
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": str(seed)},
                       capture_output=True, text=True, check=True).stdout
        for seed in range(3)
    }  # fmt: skip
    assert len(outputs) == 1


def test_changed_data_is_noticed():
    x = Value(2.0)
    y = x * x
    x.data = 10
    with pytest.raises(DataChangedError):
        y.backward()


@pytest.mark.parametrize(
    ("f", "x", "value", "derivative"),
    [
        (lambda x: x**0, 0.0, 1.0, 0.0),
        (lambda x: x**0.5, 0.0, 0.0, math.inf),
        (lambda x: x ** (1 / 3), -8.0, math.nan, math.nan),
        (lambda x: 1 / x, 0.0, math.inf, -math.inf),
        (lambda x: x.relu(), math.nan, math.nan, 1.0),
    ],
)
def test_edges(f, x, value, derivative):
    v = Value(x)
    out = f(v)
    out.backward()
    assert out.data == value or math.isnan(out.data) == math.isnan(value)
    assert v.grad == derivative or math.isnan(v.grad) == math.isnan(derivative)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: Value(1.0) * np.ones(2),
        lambda: np.ones(2) * Value(1.0),
        lambda: Value(Value(1.0)),
        lambda: Value("x"),
    ],
)
def test_what_is_not_a_number_is_refused(bad):
    with pytest.raises(TypeError):
        bad()


def test_types_do_not_mix():
    assert all(
        type(v) is float
        for v in (Value(3).data, Value(-1.0).relu().data, Value(1).grad, Value(True).data)
    )


def test_a_neuron_refuses_too_few_inputs():
    with pytest.raises(ValueError, match="2 inputs for 3 weights"):
        nn.Neuron(3)([1.0, 2.0])
