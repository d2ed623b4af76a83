"""Convolutions and pooling against loops written from their definitions."""

import itertools

import numpy as np
import pytest
from numpy import ones

import microgradx as mg
from microgradx.errors import ShapeError
from microgradx.ops import conv
from microgradx.ops.conv import BATCH
from microgradx.testing import gradcheck


def by_loops(x, w, stride, padding, dilation, groups):
    """z[n, f, i, j] = sum over c, a, b of x[n, c, i s + a d, j s + b d] w[f, c, a, b]."""
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    n, _, height, width = x.shape
    filters, depth, high, wide = w.shape
    rows = (height - dilation * (high - 1) - 1) // stride + 1
    columns = (width - dilation * (wide - 1) - 1) // stride + 1
    z = np.zeros((n, filters, rows, columns))
    for f, i, j, c, a, b in itertools.product(
        *map(range, (filters, rows, columns, depth, high, wide))
    ):
        channel = f // (filters // groups) * depth + c
        z[:, f, i, j] += (
            x[:, channel, i * stride + a * dilation, j * stride + b * dilation] * w[f, c, a, b]
        )
    return z


@pytest.mark.parametrize("n", [1, BATCH])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 1), (3, 1, 2, 2), (1, 1, 1, 4)],
)
def test_conv2d_is_its_definition(n, stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (n, 4, 7, 8)).astype(float)
    w = rng.integers(-9, 9, (4, 4 // groups, 3, 2)).astype(float)
    z = mg.conv2d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    np.testing.assert_array_equal(z.data, by_loops(x, w, stride, padding, dilation, groups))


@pytest.mark.quick
@pytest.mark.parametrize("n", [2, BATCH])
def test_transposed_convolution_is_the_adjoint(n):
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((n, 4, 9, 7)), rng.standard_normal((6, 2, 3, 3))
    z = mg.conv2d(x, w, stride=2, padding=1, groups=2)
    y = rng.standard_normal(z.shape)
    back = mg.conv_transpose2d(y, w, stride=2, padding=1, groups=2)
    assert back.shape == x.shape
    assert np.vdot(z.data, y) == pytest.approx(np.vdot(x, back.data))


def test_results_keep_the_batch_innermost_in_memory():
    x, w = mg.randn(BATCH, 2, 6, 6, rng=0), mg.randn(3, 2, 3, 3, rng=1)
    z = mg.max_pool2d(mg.relu(mg.conv2d(x, w) + 1), 2)
    assert z.data.transpose(1, 2, 3, 0).flags.c_contiguous


def test_signals_are_images_of_height_one():
    rng = np.random.default_rng(2)
    x, w, b = (
        rng.standard_normal((3, 4, 11)),
        rng.standard_normal((6, 2, 3)),
        rng.standard_normal(6),
    )
    z = mg.conv1d(x, w, b, stride=2, padding=1, dilation=2, groups=2)
    x1 = np.pad(x, ((0, 0), (0, 0), (1, 1)))[:, :, None]
    for f, i in itertools.product(range(6), range(z.shape[2])):
        taken = x1[:, f // 3 * 2 : f // 3 * 2 + 2, 0, 2 * i : 2 * i + 5 : 2]
        np.testing.assert_allclose(z.data[:, f, i], (taken * w[f]).sum((1, 2)) + b[f])


def test_a_missing_batch_axis_stays_missing():
    assert mg.conv2d(ones((2, 5, 5)), ones((3, 2, 2, 2))).shape == (3, 4, 4)
    assert mg.conv1d(ones((2, 5)), ones((3, 2, 2))).shape == (3, 4)
    assert mg.max_pool2d(ones((2, 5, 5)), 2).shape == (2, 2, 2)
    assert mg.conv_transpose1d(ones((2, 5)), ones((2, 3, 2))).shape == (3, 6)


def test_same_padding_keeps_the_size_also_for_even_kernels():
    x, w = np.arange(5.0).reshape(1, 1, 5), np.array([[[1.0, 10.0]]])
    # The missing zero stands at the end, as in PyTorch.
    np.testing.assert_array_equal(mg.conv1d(x, w, padding="same").data[0, 0], [10, 21, 32, 43, 4])


def test_max_pool_shares_ties_equally():
    x = mg.Tensor([[[3.0, 3.0], [3.0, 1.0]]])
    mg.max_pool2d(x, 2).backward([[[6.0]]])
    np.testing.assert_array_equal(x.grad, [[[2, 2], [2, 0]]])


def test_max_pool_of_overlapping_windows_adds_up():
    x = mg.Tensor([[[1.0, 5.0, 2.0]]])
    mg.max_pool1d(x[0], 2, 1).backward([[1.0, 10.0]])
    np.testing.assert_array_equal(x.grad, [[[0, 11, 0]]])


def test_average_pool_counts_what_it_is_told_to_count():
    x = np.array([[[1.0, 2.0, 3.0]]])
    np.testing.assert_allclose(mg.avg_pool1d(x, 2, 2, 1).data, [[[0.5, 2.5]]])
    counted = mg.avg_pool1d(x, 2, 2, 1, count_include_pad=False)
    np.testing.assert_allclose(counted.data, [[[1, 2.5]]])
    ceiled = mg.avg_pool1d(x, 2, 2, ceil_mode=True)
    np.testing.assert_allclose(ceiled.data, [[[1.5, 3]]])


def test_fold_of_unfold_counts_the_windows():
    x = mg.Tensor(np.arange(9.0).reshape(1, 1, 3, 3))
    counts = mg.fold(mg.unfold(mg.ones_like(x), 2), (3, 3), 2)
    np.testing.assert_array_equal(counts.data[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@pytest.mark.parametrize(
    "call",
    [
        lambda x, w: mg.conv2d(x, w, padding=1, stride=2),
        lambda x, w: mg.conv_transpose2d(
            x, mg.transpose(w, 1, 0, 2, 3), stride=2, output_padding=1
        ),
        lambda x, w: mg.avg_pool2d(mg.conv2d(x, w), 2, ceil_mode=True),
        lambda x, w: mg.max_pool2d(mg.tanh(mg.conv2d(x, w)), 2, 1),
    ],
)
def test_composites_are_right_to_second_order(call):
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((2, 2, 5, 4)), rng.standard_normal((3, 2, 2, 2))
    for order in (1, 2):
        gradcheck(lambda x, w: mg.sum(mg.square(call(x, w))), x, w, order=order)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mg.conv2d(ones((1, 3, 5, 5)), ones((2, 2, 3, 3))), "do not fit 3 channels"),
        (lambda: mg.conv2d(ones((5, 5)), ones((2, 2, 3, 3))), "not .batch, channels"),
        (lambda: mg.conv2d(ones((1, 2, 2, 2)), ones((2, 2, 3, 3))), "does not fit"),
        (lambda: mg.conv2d(ones((1, 2, 4, 4)), ones((2, 2, 3, 3)), ones(3)), "One number for each"),
        (lambda: mg.conv2d(ones((1, 2, 4, 4)), ones((2, 2, 3, 3)), stride=0), "at least 1"),
        (lambda: mg.conv1d(ones((2, 4)), ones((2, 2, 3)), stride=2, padding="same"), "with stride"),
        (lambda: mg.max_pool2d(ones((1, 2, 4, 4)), 2, padding=2), "more than half"),
        (lambda: mg.fold(ones((1, 4, 5)), 3, 2), "do not fit"),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, message):
    with pytest.raises(ShapeError, match=message):
        call()


def test_kept_columns_are_recognised_by_their_numbers():
    """The same array object with other numbers is another image."""
    params = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    x, w = np.ones((BATCH, 1, 3, 3)), np.ones((1, 1, 2, 2))
    assert (conv.conv2d.array(x, w, **params) == 4).all()
    x[-1, 0, 2, 2] = 11.0
    assert conv.conv2d.array(x, w, **params)[-1, 0, 1, 1] == 14
    assert conv.conv2d.array(x.copy(), w, **params)[-1, 0, 1, 1] == 14
    for size in (40, 80, 120):  # older columns give way to newer ones
        conv.conv2d.array(np.ones((BATCH, 4, size, size)), np.ones((1, 4, 3, 3)), **params)
    assert sum(i.nbytes + c.nbytes for i, c in conv._scratch.columns.values()) <= conv.KEPT
