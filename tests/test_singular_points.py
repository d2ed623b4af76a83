"""A Value's backward pass at singular points follows IEEE 754, as a Tensor's does."""

import math

import pytest

from microgradx.transforms import grad
from microgradx.value import Value


@pytest.mark.parametrize(
    ("function", "x", "slope"),
    [
        (lambda x: 1 / x, 0.0, -math.inf),
        (lambda x: x.log(), 0.0, math.inf),
        (lambda x: x.sqrt(), 0.0, math.inf),
        (lambda x: x.acos(), 1.0, -math.inf),
        (lambda x: x.atanh(), 1.0, math.inf),
        (lambda x: x / (x * 0), 1.0, math.nan),
    ],
    ids=["1/x", "log", "sqrt", "acos", "atanh", "x/0"],
)
def test_a_singular_point_gives_inf_or_nan_instead_of_raising(function, x, slope):
    x = Value(x)
    function(x).backward()
    assert x.grad == slope or (math.isnan(slope) and math.isnan(x.grad))


def test_both_operands_of_a_division_by_zero_get_their_cotangent_once():
    x, y = Value(3.0), Value(0.0)
    (x / y).backward()
    assert (x.grad, y.grad) == (math.inf, -math.inf)


@pytest.mark.parametrize("x", [-math.inf, -1.0, 0.0, 2.0, math.inf])
def test_relu_of_an_infinite_value(x):
    assert Value(x).relu().data == max(x, 0.0)


@pytest.mark.parametrize("power", [0, 1, 2])
def test_second_derivatives_of_small_whole_powers_at_zero(power):
    second = grad(grad(lambda x: x**power))
    assert second(Value(0.0)).data == (2.0 if power == 2 else 0.0)
