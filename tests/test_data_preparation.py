"""Made data sets and transforms: shapes, classes, and the properties each transform promises."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from microgradx import data, errors

ROWS = arrays(
    np.float64, st.tuples(st.integers(2, 20), st.integers(1, 4)), elements=st.floats(-1e3, 1e3)
)


@pytest.mark.parametrize("make", [data.moons, data.circles, data.blobs, data.spirals])
def test_a_seed_gives_the_same_points(make):
    x, y = make(60, rng=3)
    again, labels = make(60, rng=3)
    assert (x == again).all()
    assert (y == labels).all()
    assert x.shape == (60, 2)
    assert np.ptp(np.bincount(y)) == 0


def test_moons_and_circles_lie_on_their_curves():
    x, y = data.moons(200, noise=0, rng=0)
    upper, lower = x[y == 0], x[y == 1]
    assert np.hypot(*upper.T) == pytest.approx(1)
    assert np.hypot(*(lower - [1, 0.5]).T) == pytest.approx(1)
    x, y = data.circles(200, noise=0, factor=0.3, rng=0)
    assert np.hypot(*x.T) == pytest.approx(np.where(y, 0.3, 1))


@given(ROWS)
@example(np.array([[2.2e-313], [0.0]]))
def test_normalised_data_run_from_0_to_1(x):
    z = data.Normalise().fit_transform(x)
    assert z.min() >= 0
    assert z.max() <= 1 + 1e-12


@given(ROWS)
def test_every_transform_can_be_undone(x):
    for transform in (data.Normalise(), data.Standardise(), data.Whiten(eps=1e-3)):
        back = transform.inverse_transform(transform.fit_transform(x))
        assert back == pytest.approx(x, abs=1e-6 * max(1, np.abs(x).max()))


def test_standardised_data_have_mean_0_and_deviation_1():
    x = np.random.default_rng(0).normal(5, 3, (50, 4)).astype("float32")
    z = data.Standardise().fit_transform(x)
    assert z.dtype == np.float32
    assert z.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-5)
    assert z.std(axis=0) == pytest.approx(np.ones(4), rel=1e-5)


def test_whitened_data_have_the_identity_as_covariance():
    mixed = np.random.default_rng(0).normal(size=(300, 3)) @ [[3, 1, 0], [0, 1, 2], [0, 0, 0.5]]
    z = data.Whiten(eps=0).fit_transform(mixed)
    assert z.T @ z / len(z) == pytest.approx(np.eye(3), abs=1e-9)


def test_constant_features_become_0():
    x = np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]])
    for transform in (data.Normalise(), data.Standardise(), data.Whiten()):
        assert transform.fit_transform(x)[:, 1] == pytest.approx([0, 0, 0])


def test_a_split_keeps_rows_together_and_loses_none():
    x = np.arange(20)
    a, b, c, d = data.split(x, -x, part=0.25, rng=0)
    assert (len(a), len(b)) == (15, 5)
    assert sorted([*a, *b]) == x.tolist()
    assert (a == -c).all()
    assert (b == -d).all()


def test_mistakes_are_answered():
    table = [
        (
            lambda: data.Standardise().transform([[1.0]]),
            "Standardise: it has learned from no data yet. Call fit(x_train) first.",
        ),
        (
            lambda: data.Whiten().fit([[float("nan")]]),
            "Whiten.fit: the data have numbers that are nan or infinite. Clean them first.",
        ),
        (
            lambda: data.Normalise().fit([[1.0, 2.0]]).transform([[1.0]]),
            "Normalise: rows of 1 numbers, but it learned from rows of 2. Pass the same features.",
        ),
        (
            lambda: data.one_hot([3], classes=3),
            "one_hot: labels run from 3 to 3, but there are 3 classes. Number the classes from 0.",
        ),
        (
            lambda: data.split([1], [1, 2]),
            "split: arrays of [1, 2] rows cannot be split together. "
            "Pass arrays with the same first size.",
        ),
    ]
    for call, message in table:
        with pytest.raises(errors.MicrogradxError) as caught:
            call()
        assert str(caught.value) == message


@pytest.mark.parametrize("make", [data.moons, data.circles, data.spirals, data.blobs, data.zigzag])
@pytest.mark.parametrize("n", [-1, 0, 2.5])
def test_shapes_of_no_points_are_answered(make, n):
    with pytest.raises(errors.DataError, match="Pass a point or more for each class"):
        make(n)


@pytest.mark.parametrize("make", [data.moons, data.circles, data.spirals, data.blobs])
@pytest.mark.parametrize("noise", [-1, float("nan"), float("inf"), "a", None])
def test_noise_is_a_standard_deviation(make, noise):
    with pytest.raises(errors.ArgumentError) as caught:
        make(10, noise=noise)
    assert str(caught.value) == (
        f"{make.__name__}: noise is {noise!r}. Pass a standard deviation of 0 or more."
    )
