"""Data changed between forward and backward is never used in silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import microgradx as mg
from microgradx import Tensor
from microgradx.errors import DataChangedError

pytestmark = pytest.mark.quick


def test_a_write_through_an_alias_taken_before_the_forward_pass_does_no_harm():
    w = Tensor([1.0, 2.0])
    alias = w.data[:]  # a view, which an engine that locks arrays misses
    y = (w * w).sum()
    alias[:] = 5
    y.backward()
    assert w.grad.tolist() == [2.0, 4.0]
    assert w.tolist() == [5.0, 5.0]


def test_a_write_through_an_alias_taken_after_the_forward_pass_does_no_harm():
    w = Tensor([1.0, 2.0])
    y = (w * w).sum()
    w.data[:] = 5
    y.backward()
    assert w.grad.tolist() == [2.0, 4.0]
    assert w.tolist() == [5.0, 5.0]


def test_a_view_in_the_graph_keeps_the_old_numbers_too():
    w = Tensor([[1.0, 2.0], [3.0, 4.0]])
    y = (w.T @ np.ones(2) * w[0]).sum()
    expected = Tensor([[1.0, 2.0], [3.0, 4.0]])
    (expected.T @ np.ones(2) * expected[0]).sum().backward()
    w.data[...] = 100
    y.backward()
    np.testing.assert_array_equal(w.grad, expected.grad)


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_foreign_array_that_changes_is_harmless_or_refused(size):
    x, w = np.ones(size), Tensor(np.full(size, 2.0))
    y = (w * x).sum()
    x[:] = 7
    try:
        y.backward()
    except DataChangedError as error:
        assert "was overwritten after mul had used it" in str(error)  # noqa: PT017
        assert w.grad is None
    else:
        assert set(w.grad.tolist()) == {1.0}
    assert x.flags.writeable


def test_the_exact_mode_copies_everything():
    x, w = np.arange(100_000.0), Tensor(np.full(100_000, 2.0))
    with mg.detect_mutation():
        y = (w * x).sum()
    x[:] = x[::-1].copy()  # a permutation
    y.backward()
    np.testing.assert_array_equal(w.grad, np.arange(100_000.0))


def test_an_optimiser_step_between_forward_and_backward_is_refused():
    w = Tensor([1.0, 2.0], name="w")
    y = (w.T * w).sum()
    w._data -= 1.0  # what an optimiser does, in place ...
    w.time = mg.graph.tick()  # ... and says so
    with pytest.raises(DataChangedError, match="Tensor 'w' was overwritten after mul had used it"):
        y.backward()
    with pytest.raises(DataChangedError):
        y.backward(create_graph=True)


def test_a_stale_view_is_noticed_through_the_operation_that_made_it():
    w = Tensor([[1.0, 2.0], [3.0, 4.0]])
    y = (w.reshape(4) * np.ones(4)).sum()
    z = (w.reshape(4) * w.reshape(4)).sum()
    w._data += 1
    w.time = mg.graph.tick()
    y.backward()
    with pytest.raises(DataChangedError):
        z.backward()


def test_reassigned_data_leaves_old_graphs_right():
    w = Tensor([1.0, 2.0])
    y = (w + w).sum()
    w.data = [5.0, 6.0]
    y.backward()
    assert w.grad.tolist() == [2.0, 2.0]


def test_micrograds_update_loop_is_legal():
    w = Tensor([1.0, 2.0])
    for _ in range(3):
        loss = (w * w).sum()
        w.zero_grad()
        loss.backward()
        w.data -= 0.1 * w.grad
    np.testing.assert_allclose(w.data, np.array([1.0, 2.0]) * 0.8**3)


def test_create_graph_refuses_parents_whose_numbers_moved():
    w = Tensor([1.0, 2.0])
    y = (w * w * w).sum()
    w.data[:] = 5
    with pytest.raises(DataChangedError):
        y.backward(create_graph=True)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_write_at_any_time_gives_the_right_gradient_or_an_error(data):
    """Random programs with random writes: an error, or the gradient of what was computed."""
    numbers = st.integers(-3, 3).map(float)
    leaves = [Tensor([data.draw(numbers), data.draw(numbers)]) for _ in range(2)]
    foreign = np.array([data.draw(numbers), data.draw(numbers)])
    aliases = [t.data for t in leaves if data.draw(st.booleans())]

    def write():
        match data.draw(st.integers(0, 3)):
            case 0 if aliases:
                data.draw(st.sampled_from(aliases))[0] += 1
            case 1:
                foreign[1] += 1
            case 2:
                data.draw(st.sampled_from(leaves)).data[1] -= 2
            case 3:
                leaf = data.draw(st.sampled_from(leaves))
                leaf.data = leaf.numpy() * 2

    # The same operations in dual numbers over plain copies, taken at the moment of each use.
    def start(i):
        return [(float(v), {(i, k): 1.0}) for k, v in enumerate(leaves[i].numpy())]

    def multiply(a, b):
        return [
            (x * y, {key: dx.get(key, 0) * y + x * dy.get(key, 0) for key in {*dx, *dy}})
            for (x, dx), (y, dy) in zip(a, b, strict=True)
        ]

    node, truth = leaves[0], start(0)
    fresh = True
    for _ in range(data.draw(st.integers(1, 4))):
        if data.draw(st.booleans()) and not fresh:
            write()
        choice = data.draw(st.integers(0, 2))
        if fresh:
            truth = start(0)
        other, dual = (
            (foreign, [(float(v), {}) for v in foreign])
            if choice == 2
            else (leaves[choice], start(choice))
        )
        node, truth, fresh = node * other, multiply(truth, dual), False
    write()
    try:
        node.sum().backward()
    except DataChangedError:
        return
    for i, leaf in enumerate(leaves):
        expected = [sum(d.get((i, k), 0.0) for _, d in truth) for k in range(2)]
        got = [0.0, 0.0] if leaf.grad is None else leaf.grad.tolist()
        assert got == pytest.approx(expected)
