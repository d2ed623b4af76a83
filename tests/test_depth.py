"""Graphs a million nodes deep, with next to no stack: nothing in the engine recurses.

Each case runs in a process of its own with a recursion limit of 100, in a thread with a stack of
256 kB, where the recursive way would end in an error or a crash.
"""

import copy
import gc
import pickle
import subprocess
import sys
import textwrap

import pytest

from microgradx import Tensor, Value, graph

SHALLOW = """
import copy, gc, pickle, sys, threading
from microgradx import Tensor, Value
from microgradx.graph import leaves, topological_order

def number(z):
    return float(z.data) if isinstance(z, Value) else z.data.item()

def job():
{job}
    done.append(True)

done = []
threading.stack_size(256 * 1024)
thread = threading.Thread(target=job)
sys.setrecursionlimit(100)
thread.start()
thread.join()
sys.exit(0 if done else 1)
"""


def run_shallow(job, **names):
    lines = textwrap.dedent(job).strip().format(**names)
    code = SHALLOW.format(job=textwrap.indent(lines, "    "))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


LEAF = {"Value": "Value(1.0)", "Tensor": "Tensor(1.0)"}
kinds = pytest.mark.parametrize("kind", LEAF)


@pytest.mark.slow
@kinds
def test_a_chain_of_a_million(kind):
    # Each step adds a constant and multiplies by 1: z = 1 + n / 2^20 exactly, and dz/dx = 1.
    run_shallow(
        """
        gc.disable()
        x = z = {leaf}
        for _ in range(500_000):
            z = (z + 2.0**-20) * 1.0
        assert number(z) == 1 + 500_000 / 2**20
        z.backward()
        assert float(x.grad) == 1.0
        z.backward()
        assert float(x.grad) == 2.0
        assert len(repr(z)) < 100
        assert leaves(z) == [x]
        gc.collect()  # NumPy leaves a cycle when it prints
        del z
        assert gc.collect() == 0  # the graph had none
        """,
        leaf=LEAF[kind],
    )


@pytest.mark.slow
@kinds
def test_deepcopy_of_a_chain_of_a_million(kind):
    run_shallow(
        """
        gc.disable()  # a million tuples at once make its rounds slow, and nothing here is a cycle
        x = z = {leaf}
        for _ in range(1_000_000):
            z = z * 1.0
        twin = copy.deepcopy(z)
        del x, z
        (leaf,) = leaves(twin)
        twin.backward()
        assert float(leaf.grad) == 1.0
        """,
        leaf=LEAF[kind],
    )


@pytest.mark.slow
@kinds
def test_pickle_of_a_chain_of_a_million(kind):
    run_shallow(
        """
        gc.disable()
        x = z = {leaf}
        for _ in range(1_000_000):
            z = z * 1.0
        packed = pickle.dumps(z)
        del x, z
        twin = pickle.loads(packed)
        (leaf,) = leaves(twin)
        twin.backward()
        assert float(leaf.grad) == 1.0
        assert number(twin) == 1.0
        """,
        leaf=LEAF[kind],
    )


@pytest.mark.slow
@kinds
def test_a_second_derivative_a_hundred_thousand_deep(kind):
    # z = x^2 * 1 * 1 * ...: the backward pass is itself a graph as deep, walked again.
    run_shallow(
        """
        x = {leaf}
        z = x * x
        for _ in range(100_000):
            z = z * 1.0
        z.backward(create_graph=True)
        slope, x.grad = x.grad, None
        assert number(slope) == 2.0
        slope.backward()
        assert float(x.grad) == 2.0
        """,
        leaf=LEAF[kind],
    )


@pytest.mark.slow
@kinds
def test_a_hundred_thousand_wide(kind):
    run_shallow(
        """
        gc.disable()
        x = {leaf}
        parts = [x * float(i % 3) for i in range(100_000)]
        z = sum(parts)
        assert number(z) == 99_999
        z.backward()
        assert float(x.grad) == 99_999
        twin = pickle.loads(pickle.dumps(z))
        assert number(twin) == 99_999
        """,
        leaf=LEAF[kind],
    )


@pytest.mark.parametrize("leaf", [Value(1.0), Tensor(1.0)], ids=["Value", "Tensor"])
def test_sixty_diamonds_have_two_to_the_sixty_paths_and_sixty_nodes(leaf):
    y = leaf
    for _ in range(60):
        y = y + y
    y.backward()
    assert float(leaf.grad) == 2.0**60
    assert len(graph.topological_order(y)) == 61
    for twin in (copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        (root,) = graph.leaves(twin)
        root.zero_grad()
        twin.backward()
        assert float(root.grad) == 2.0**60


# ---- freeing without the interpreter's help ------------------------------------------------------
@pytest.fixture
def freed_iteratively():
    """`graph.free_iteratively` installed for Values and Tensors, as on WebAssembly."""
    classes = ((Value, ("_x", "_y")), (Tensor, ("parents",)))
    for cls, links in classes:
        assert not hasattr(cls, "__del__")
        graph.free_iteratively(cls, links)
    yield
    for cls, _ in classes:
        del cls.__del__


@pytest.mark.parametrize("make", [lambda: Value(1.0), lambda: Tensor(1.0)], ids=list(LEAF))
def test_iterative_freeing_drains_a_chain_and_spares_what_is_held(freed_iteratively, make):
    def alive():
        return sum(isinstance(o, Value | Tensor) for o in gc.get_objects())

    gc.collect()
    before = alive()
    x = z = make()
    for i in range(100_000):
        z = z * 1.0
        if i == 50_000:
            middle = z
    assert alive() == before + 100_001
    del z
    assert alive() == before + 50_002  # x, and what `middle` was made from
    middle.backward()
    assert float(x.grad) == 1.0
    del middle
    assert alive() == before + 1


def test_iterative_freeing_spares_shared_parts(freed_iteratively):
    x = Value(3.0)
    shared = x * x
    first, second = shared + 1, shared * 2
    del first, shared
    second.backward()
    assert x.grad == 12.0
