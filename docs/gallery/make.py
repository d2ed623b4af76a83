"""Draw the gallery: every style for every subject. Run: python docs/gallery/make.py"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

import microgradx as mg
from microgradx import Tensor, Value, animate, draw, nn, optim
from microgradx.micrograd.nn import MLP

HERE = Path(__file__).parent


def lecture() -> Value:
    """L = tanh(a*b + c + a*a): one product, one square, a value that is used three times."""
    a, b, c = Value(0.5, label="a"), Value(-1.5, label="b"), Value(1.0, label="c")
    e = a * b
    q = a * a
    d = e + c
    s = d + q
    out = s.tanh()
    for node, name in ((e, "e"), (q, "q"), (d, "d"), (s, "s"), (out, "L")):
        node.name = name
    out.backward()
    return out


def neuron() -> Value:
    """The lecture's neuron, with its numbers."""
    x1, x2 = Value(2.0, label="x1"), Value(0.0, label="x2")
    w1, w2 = Value(-3.0, label="w1"), Value(1.0, label="w2")
    b = Value(6.8813735870195432, label="b")
    n = x1 * w1 + x2 * w2 + b
    n.name = "n"
    o = n.tanh()
    o.name = "o"
    o.backward()
    return o


def scalar_mlp() -> tuple[MLP, Value]:
    """A multi-layer perceptron of Values, and its squared error on one sample."""
    random.seed(1)
    model = MLP(2, [3, 1])
    x = [Value(-0.52, label="x0"), Value(0.09, label="x1")]
    loss = (model(x) - 1.0) ** 2
    loss.name = "loss"
    loss.backward()
    return model, loss


def classifier() -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Softmax cross-entropy of a two-layer network, written out."""
    rng = np.random.default_rng(0)
    pixels, labels = rng.normal(size=(32, 64)), rng.integers(0, 10, 32)
    w1, b1 = Tensor(rng.normal(size=(64, 16)) * 0.1, name="W1"), Tensor(np.zeros(16), name="b1")
    w2, b2 = Tensor(rng.normal(size=(16, 10)) * 0.1, name="W2"), Tensor(np.zeros(10), name="b2")
    hidden = (pixels @ w1 + b1).relu()
    hidden.name = "H"
    logits = hidden @ w2 + b2
    logits.name = "logits"
    loss = (logits.logsumexp(axis=1) - logits[np.arange(32), labels]).mean()
    loss.name = "loss"
    loss.backward()
    return loss, pixels, labels


def convolutional() -> tuple[nn.Module, Tensor, np.ndarray, np.ndarray]:
    """A convolutional network on sixteen digits."""
    digits = mg.data.digits()
    pixels = digits.x_train[:16, None].astype(np.float32) / 255
    labels = digits.y_train[:16]
    rng = np.random.default_rng(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, rng=rng), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, rng=rng), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 7 * 7, 10, rng=rng),
    )  # fmt: skip
    loss = nn.functional.cross_entropy(net(pixels), labels)
    loss.name = "loss"
    loss.backward()
    return net, loss, pixels, labels


def second_derivative() -> Value:
    """y = x**3 * sin(x), its recorded backward pass beside it."""
    x = Value(2.0, label="x")
    y = x**3 * x.sin()
    y.name = "y"
    y.backward(create_graph=True)
    return y


def thousand() -> Value:
    """The loss of a line fitted to 170 points: a thousand nodes that share two parameters."""
    rng = random.Random(0)  # noqa: S311 - a picture, not a secret
    w, b = Value(0.3, label="w"), Value(0.0, label="b")
    total = Value(0.0)
    for _ in range(170):
        x = rng.uniform(-1, 1)
        total = total + ((w * x + b).tanh() - (2 * x + rng.gauss(0, 0.1))) ** 2
    loss = total / 170
    loss.name = "loss"
    loss.backward()
    return loss


def captured() -> object:
    """A training step, captured: forward, backward and update as NumPy calls."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(8, 6, rng=rng), nn.ReLU(), nn.Linear(6, 3, rng=rng))
    optimizer = optim.SGD(net.parameters(), lr=0.1)

    @mg.capture
    def step(x: object, y: object) -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x, y = rng.normal(size=(4, 8)).astype(np.float32), rng.integers(0, 3, 4)
    for _ in range(4):
        step(x, y)
    return step


def main() -> None:
    """Write all pictures beside this file."""
    loss = lecture()
    pictures = {
        f"lecture-{style}": draw(loss, style=style) for style in ("circuit", "card", "lanes")
    }
    pictures["lecture-contributions"] = draw(loss, style="card", contributions=True)
    pictures["lecture-cs231n"] = draw(loss, style="circuit", theme="cs231n")
    pictures["lecture-mono"] = draw(loss, style="lanes", theme="mono")
    o = neuron()
    for style in ("circuit", "card", "lanes"):
        pictures[f"neuron-{style}"] = draw(o, style=style)
    model, error = scalar_mlp()
    named = {"model": model}
    opened = ("model", "model.layers[0]", "model.layers[0].neurons[0]")
    pictures["mlp-closed"] = draw(error, style="modules", depth=2, names=named)
    pictures["mlp-neuron-open"] = draw(error, style="modules", open=opened, names=named)
    pictures["mlp-circuit"] = draw(error, style="circuit", names=named)
    pictures["mlp-card"] = draw(error, style="card", names=named)
    pictures["mlp-lanes"] = draw(error, style="lanes", names=named)
    entropy, pixels, labels = classifier()
    arrays = {"X": pixels, "y": labels}
    for style in ("tensor", "card", "circuit", "lanes"):
        pictures[f"classifier-{style}"] = draw(entropy, style=style, names=arrays)
    net, loss, images, answers = convolutional()
    named = {"net": net, "pixels": images, "labels": answers}
    for style in ("modules", "tensor", "lanes"):
        pictures[f"cnn-{style}"] = draw(loss, style=style, names=named)
    y = second_derivative()
    for style in ("circuit", "card"):
        pictures[f"second-derivative-{style}"] = draw(y, style=style)
    many = thousand()
    pictures["thousand-modules"] = draw(many)
    pictures["thousand-focus"] = draw(many, focus=many.parents[0].parents[1], radius=4)
    pictures["captured-step"] = draw(captured())
    for name, picture in pictures.items():
        picture.save(HERE / f"{name}.svg")
    animate(lecture()).save(HERE / "lecture-stepper.html")


if __name__ == "__main__":
    main()
