"""x[i] = v, x += v and x.at[i]: NumPy's numbers, exact gradients, and no silent wrong one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import microgradx as mg
from microgradx.errors import DataChangedError, DTypeError, GraphError, IndexingError, ShapeError

INDICES = [
    0, -1, slice(1, 3), slice(None, None, -2), Ellipsis, None, (slice(None), 1), (1, 2), (Ellipsis, 0),
    [0, 2], np.array([[0, 1]]), (np.array([0, 2]), np.array([1, 3])), np.arange(12).reshape(3, 4) % 3 == 0,
    np.array([True, False, True]), (slice(None), [3, 1]), (None, 1), (np.array([[0], [2]]), np.array([1, 3])),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_assignment_gives_numpys_numbers_and_both_gradients(index):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 4))
    v = rng.standard_normal(a[index].shape)
    g = rng.standard_normal(a.shape)
    x, w = mg.Tensor(a), mg.Tensor(v)
    y = x * 2
    y[index] = w * 3
    expected = a * 2
    expected[index] = v * 3
    np.testing.assert_array_equal(y.data, expected)
    y.backward(g)
    kept = np.ones_like(a)
    kept[index] = 0
    np.testing.assert_allclose(x.grad, 2 * g * kept)
    np.testing.assert_allclose(w.grad, 3 * g[index])


@pytest.mark.parametrize("index", [*INDICES, np.array([[0, 1], [2, 0]])], ids=str)
def test_at_gives_numpys_numbers_and_leaves_the_old_tensor_alone(index):
    rng = np.random.default_rng(1)
    a = rng.standard_normal((3, 4))
    v = rng.standard_normal(a[index].shape)
    x = mg.Tensor(a)
    for name, ufunc in (("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply)):
        expected = a.copy()
        ufunc.at(expected, index, v)
        if name == "multiply" and isinstance(index, np.ndarray) and index.shape == (2, 2):
            with pytest.raises(IndexingError, match="named twice"):
                x.at[index].multiply(v)
            continue
        np.testing.assert_allclose(getattr(x.at[index], name)(v).data, expected)
    np.testing.assert_array_equal(x.data, a)


def test_of_two_numbers_for_one_element_the_last_stays_and_alone_gets_the_gradient():
    v = mg.Tensor([1.0, 2.0, 3.0])
    z = mg.zeros(2, requires_grad=False).at[[0, 1, 0]].set(v)
    np.testing.assert_array_equal(z.data, [3, 2])
    z.backward([10.0, 100.0])
    np.testing.assert_array_equal(v.grad, [0, 100, 10])


def test_index_add_adds_twice_where_named_twice():
    x, v = mg.Tensor(np.zeros((2, 3))), mg.Tensor(np.ones((2, 3)))
    z = mg.index_add(x, [1, 1], v, axis=0)
    np.testing.assert_array_equal(z.data, [[0, 0, 0], [2, 2, 2]])
    z.backward(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(v.grad, [[3, 4, 5], [3, 4, 5]])
    assert mg.index_add(x, [2], mg.ones(2, 1), axis=1).data[0, 2] == 1


@pytest.mark.quick
def test_what_was_computed_before_keeps_the_old_elements():
    x = mg.Tensor([1.0, 2.0, 3.0])
    y = x * 2
    before = (y * y).sum()  # reads y's old numbers in backward
    y[0] = x[2] * 10
    after = (y * y).sum()
    (before + after).backward()
    # before: 8 x; after: 8 x for elements 1 and 2, and 200 x[2] through the new first element.
    np.testing.assert_array_equal(x.grad, [8, 16 + 16, 24 + 24 + 600])


def test_repeated_assignment_in_a_loop():
    k, u = mg.Tensor(0.5), mg.zeros(5, requires_grad=False)
    u[0] = 1.0
    for t in range(4):
        u[t + 1] = u[t] * k
    np.testing.assert_array_equal(u.data, 0.5 ** np.arange(5))
    u.sum().backward()
    assert k.grad == sum(n * 0.5 ** (n - 1) for n in range(1, 5))


def test_relaxation_in_place_uses_slices_before_each_write():
    """A heat equation written the NumPy way; each step is linear, so the gradient is exact."""

    def run(start):
        u = start * 1.0
        for _ in range(3):
            u[1:-1] = u[1:-1] + 0.25 * (u[2:] - 2 * u[1:-1] + u[:-2])
        return u

    a = np.array([0.0, 1.0, 4.0, 2.0, 0.0])
    x = mg.Tensor(a)
    z = run(x)
    np.testing.assert_allclose(z.data, run(a))
    g = np.arange(5.0)
    z.backward(g)
    matrix = np.stack([run(row) for row in np.eye(5)])
    np.testing.assert_allclose(x.grad, matrix @ g)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["set", "iadd", "imul", "slice", "use"])),
        max_size=8,
    )
)
def test_random_programs_with_assignments_equal_numpys(steps):
    """The same statements on arrays and on Tensors; slopes against complex steps."""

    def run(x):
        y, total = x * 1.0, 0.0
        for i, what in steps:
            if what == "set":
                y[i] = y[(i + 1) % 4] * y[(i + 2) % 4]
            elif what == "iadd":
                y += y[i] * 0.5
            elif what == "imul":
                y[i:] *= 0.5
            elif what == "slice":
                y[i:][:2] = y[:1] * 2.0
            else:
                total = total + (y * y)[i]
        return total + y.sum()

    a = np.array([0.5, -1.0, 2.0, 1.5])
    x = mg.Tensor(a)
    z = run(x)
    np.testing.assert_allclose(z.data, run(a))
    z.backward()
    slopes = [run(a + 1e-30j * e).imag / 1e-30 for e in np.eye(4)]
    np.testing.assert_allclose(x.grad, slopes, rtol=1e-12, atol=1e-12)


def test_second_order_through_an_assignment():
    def f(x):
        y = x * x
        y[0] = x[1] ** 3
        return (y * y).sum()

    a = np.array([1.0, 2.0])
    # f = x1^6 + x1^4
    np.testing.assert_allclose(mg.grad(f)(a), [0, 6 * 32 + 4 * 8])
    np.testing.assert_allclose(mg.hessian(f)(a), [[0, 0], [0, 30 * 16 + 12 * 4]])


def test_in_place_operators_keep_the_object_its_shape_and_its_dtype():
    x = mg.Tensor(np.ones(3, np.float32))
    y = alias = x * 2
    y += np.arange(3.0)
    y *= 2
    y -= 1
    y /= 2
    y **= 2
    assert y is alias
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.data, [2.25, 6.25, 12.25])
    with pytest.raises(ShapeError, match="Write x = x"):
        y += np.ones((2, 3))


def test_writing_to_a_slice_writes_through_as_in_numpy():
    x = mg.Tensor(np.arange(4.0))
    y = x * 1
    part = y[1:3]
    part[0] = 10.0
    part += 1
    np.testing.assert_array_equal(y.data, [0, 11, 3, 3])
    np.testing.assert_array_equal(part.data, [11, 3])
    (y.sum() + part.sum()).backward()
    np.testing.assert_array_equal(x.grad, [1, 0, 2, 1])


def test_a_slice_used_after_its_source_was_written_is_refused():
    x = mg.Tensor(np.arange(4.0))
    y = x * 1
    part, apart = y[1:3], y[3:]
    used_before = part * 2
    y[1] = 5.0
    (used_before.sum() + apart.sum() + y.sum()).backward()  # none of these is stale
    with pytest.raises(DataChangedError, match="Take the slice again"):
        (part * part).sum().backward()
    (y[1:3] * part.data).sum().backward()


def test_other_views_refuse_to_be_written_to():
    y = mg.Tensor(np.arange(4.0)) * 1
    square = y.reshape(2, 2)
    with pytest.raises(GraphError, match="NumPy would overwrite too"):
        square[0] = 1.0
    np.testing.assert_array_equal(y.data, np.arange(4.0))
    copied = square.copy()
    copied[0] = 1.0
    np.testing.assert_array_equal(y.data, np.arange(4.0))


@pytest.mark.parametrize(
    "write",
    [lambda w: w.__setitem__(0, 1.0), lambda w: w.__iadd__(1.0), lambda w: w[0:1].__iadd__(1.0)],
)
def test_a_leaf_refuses_while_recording(write):
    w = mg.Tensor([1.0, 2.0], name="w")
    with pytest.raises(GraphError, match=r"(no_grad|copy)"):
        write(w)
    np.testing.assert_array_equal(w.data, [1, 2])


def test_a_leaf_is_updated_in_place_without_recording():
    w = mg.Tensor([1.0, 2.0])
    (w * w).sum().backward()
    with mg.no_grad():
        w -= 0.5 * w.grad
        w[1] = 7.0
    assert w.is_leaf
    assert w.requires_grad
    np.testing.assert_array_equal(w.data, [0, 7])


def test_a_leaf_written_before_backward_is_noticed():
    w = mg.Tensor([1.0, 2.0])
    loss = (w * w).sum()
    with mg.no_grad():
        w[0] = 5.0
    with pytest.raises(DataChangedError):
        loss.backward()


def test_a_holder_of_the_array_sees_an_assignment():
    x = mg.Tensor([1, 2, 3])
    array = x.data
    x[0] = 9
    assert array[0] == 9
    array[1] = 8
    np.testing.assert_array_equal(x.data, [9, 8, 3])


def test_a_slice_of_a_constant_keeps_its_numbers_whoever_is_written_to():
    x = mg.Tensor([1, 2, 3])
    part = x[1:]
    x[1] = 9
    np.testing.assert_array_equal(part.data, [2, 3])
    part[0] = 7
    np.testing.assert_array_equal(x.data, [1, 9, 3])
    again = x[:2]
    x.data[0] = 5
    np.testing.assert_array_equal(again.data, [1, 9])
    a = np.array([1, 2, 3])
    taken = mg.reshape(a, 3, 1)
    a[0] = 4
    assert taken.data[0, 0] == 1


def test_recording_changes_no_bit():
    rng = np.random.default_rng(0)
    x = mg.Tensor(rng.standard_normal((12, 3)))
    recorded = (x.T @ x).data
    with mg.no_grad():
        np.testing.assert_array_equal((x.T @ x).data, recorded)


def test_a_graph_keeps_the_numbers_of_a_constant_that_is_overwritten():
    w, c = mg.Tensor([3.0, 4.0]), mg.Tensor([1.0, 2.0], requires_grad=False)
    z = (w * c).sum()
    c[0] = 100.0
    with pytest.raises(DataChangedError):
        z.backward()
    assert c.data[0] == 100


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda y: y.__setitem__(5, 1.0), IndexError, "out of bounds"),
        (lambda y: y.__setitem__(0, [1.0, 2.0]), ShapeError, "for elements of shape"),
        (lambda y: y.at[9].set(1.0), IndexError, "out of bounds"),
        (lambda y: y.at[0].set([1.0, 2.0]), ShapeError, "for elements of shape"),
    ],
)
def test_mistakes_are_named_and_change_nothing(write, error, message):
    y = mg.Tensor(np.arange(3.0)) * 1
    with pytest.raises(error, match=message):
        write(y)
    np.testing.assert_array_equal(y.data, np.arange(3.0))


def test_integers_refuse_what_numpy_refuses():
    x = mg.Tensor([1, 2])
    with pytest.raises(DTypeError, match="float64"):
        x += 0.5
    x += 1
    np.testing.assert_array_equal(x.data, [2, 3])
