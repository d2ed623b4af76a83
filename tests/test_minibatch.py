"""Mini-batches: every row once an epoch, rows kept together, orders from the seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microgradx.data import Batches
from microgradx.errors import DataError, ShapeError

ROWS = np.arange(20).reshape(10, 2)
LABELS = np.arange(10) * 7


@pytest.mark.quick
@given(
    rows=st.integers(1, 40),
    batch_size=st.integers(1, 50),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
)
def test_an_epoch_holds_each_row_once(rows, batch_size, shuffle, drop_last):
    x = np.arange(rows)
    loader = Batches(x, x * 2, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last, rng=0)
    epoch = list(loader)
    assert len(epoch) == len(loader)
    sizes = [len(xs) for xs, _ in epoch]
    kept = rows - rows % batch_size if drop_last else rows
    assert sum(sizes) == kept
    assert all(size == batch_size for size in sizes[: kept // batch_size])
    seen = [int(row) for xs, _ in epoch for row in xs]
    assert len(set(seen)) == kept
    assert set(seen) <= set(range(rows))
    assert all((ys == 2 * xs).all() for xs, ys in epoch)


def test_without_shuffling_rows_come_as_they_stand():
    epoch = list(Batches(ROWS, LABELS, batch_size=4))
    np.testing.assert_array_equal(np.concatenate([xs for xs, _ in epoch]), ROWS)
    assert [len(ys) for _, ys in epoch] == [4, 4, 2]


def orders(loader, epochs=3):
    return [np.concatenate([ys for _, ys in loader]).tolist() for _ in range(epochs)]


def test_the_seed_decides_every_epoch():
    first = orders(Batches(ROWS, LABELS, batch_size=3, shuffle=True, rng=5))
    again = orders(Batches(ROWS, LABELS, batch_size=3, shuffle=True, rng=np.random.default_rng(5)))
    other = orders(Batches(ROWS, LABELS, batch_size=3, shuffle=True, rng=6))
    assert first == again
    assert first != other
    assert first[0] != first[1]


def test_batches_are_read_only_copies():
    rows = ROWS.copy()
    xs, _ = next(iter(Batches(rows, LABELS, batch_size=4)))
    rows[:] = -1
    np.testing.assert_array_equal(xs, ROWS[:4])
    with pytest.raises(ValueError, match="read-only"):
        xs[0] = 0
    assert rows.flags.writeable


def test_one_array_and_three():
    assert [xs.tolist() for (xs,) in Batches([1, 2, 3], batch_size=2)] == [[1, 2], [3]]
    assert len(next(iter(Batches(ROWS, LABELS, LABELS, batch_size=2)))) == 3


@pytest.mark.parametrize(
    "arrays", [(), (3.0,), (ROWS, LABELS[:-1]), (ROWS, 1)], ids=["none", "0-d", "other", "mixed"]
)
def test_arrays_must_have_the_same_rows(arrays):
    with pytest.raises(ShapeError, match="cannot be cut into rows together"):
        Batches(*arrays, batch_size=2)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None])
def test_batch_size_is_a_positive_integer(batch_size):
    with pytest.raises(DataError, match="a batch cannot have"):
        Batches(ROWS, batch_size=batch_size)
