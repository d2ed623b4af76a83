"""Graphs that the drawing tests share."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from microgradx import Tensor, Value
from microgradx.graph import Node, topological_order

SVG = "{http://www.w3.org/2000/svg}"


def lecture_graph():
    """L = tanh(a*b + c + a*a), every node named."""
    a, b, c = Value(0.5, label="a"), Value(-1.5, label="b"), Value(1.0, label="c")
    e = a * b
    q = a * a
    d = e + c
    s = d + q
    out = s.tanh()
    for node, name in ((e, "e"), (q, "q"), (d, "d"), (s, "s"), (out, "L")):
        node.name = name
    return out


@pytest.fixture
def lecture():
    return lecture_graph()


@pytest.fixture
def differentiated():
    out = lecture_graph()
    out.backward()
    return out


def random_graph(seed, size=40):
    """A random program over a few leaves: shared nodes, x * x, raw constants."""
    rng = random.Random(seed)
    nodes = [Value(rng.uniform(-2, 2)) for _ in range(rng.randint(1, 4))]
    operations = [
        lambda x, y: x * y,
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, _: x * x,
        lambda x, _: x.tanh(),
        lambda x, _: x * 0.5,
        lambda x, _: 1.5 - x,
        lambda x, _: x.relu(),
        lambda x, _: x**2,
    ]
    for _ in range(rng.randint(3, size)):
        nodes.append(rng.choice(operations)(rng.choice(nodes), rng.choice(nodes)))
    return nodes[-1]


def tensor_graph():
    """A linear layer and its squared error: matmul, broadcasting, a reduction."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 5))
    w, b = Tensor(rng.normal(size=(5, 3)), name="w"), Tensor(np.zeros(3), name="b")
    loss = ((x @ w + b).relu() ** 2).sum()
    loss.name = "loss"
    return loss, x


def truth(root):
    """Nodes and edges straight from the engine: {index}, {(producer, consumer, slot)}."""
    order = topological_order(root)
    index = {id(node): i for i, node in enumerate(order)}
    edges = {
        (index[id(p)], index[id(node)], slot)
        for node in order
        for slot, p in enumerate(node.parents)
        if isinstance(p, Node)
    }
    return set(range(len(order))), edges


def ids(svg):
    """The ids of all groups in an SVG drawing, without its prefix."""
    root = ET.fromstring(svg)
    prefix = root.get("id") + "-"
    return [g.get("id").removeprefix(prefix) for g in root.iter(f"{SVG}g") if g.get("id")]


def svg_graph(svg):
    """Nodes and edges as an SVG drawing has them."""
    names = ids(svg)
    nodes = {int(m[1]) for name in names if (m := re.fullmatch(r"n(\d+)", name))}
    edges = [tuple(map(int, m.groups())) for n in names if (m := re.fullmatch(r"e(\d+)_(\d+)", n))]
    return nodes, edges


def texts(svg):
    """All visible texts of an SVG drawing."""
    root = ET.fromstring(svg)
    return ["".join(t.itertext()) for t in root.iter(f"{SVG}text")]
