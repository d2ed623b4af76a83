"""A message is part of the interface: (call, type, whole message)."""

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, Value
from microgradx.errors import (
    AxisError,
    DataChangedError,
    DTypeError,
    GraphError,
    IndexingError,
    PrimitiveError,
    ShapeError,
    UnsupportedError,
)
from microgradx.primitive import Primitive

pytestmark = pytest.mark.quick


def t(*shape):
    return Tensor(np.ones(shape))


def changed():
    x = Value(3.0, name="x")
    y = x * x
    x.data = 10
    y.backward()


def closure_rule():
    factor = 2
    return Primitive("broken", None, np.exp, lambda g, z, x: g * factor, tex="")


def write_data():
    x = t(2)
    x.data = np.ones(3)


def write_grad():
    x = t(2)
    x.grad = np.ones(3)


def handmade():
    Value(1.0, (Value(2.0),), "magic").backward()


TABLE = [
    (lambda: t(32, 8) @ t(16, 4), ShapeError,
     "matmul: inner sizes differ in (32, 8) @ (16, 4): 8 and 16. Transpose one operand or reshape it."),
    (lambda: t(3) @ t(4), ShapeError,
     "matmul: inner sizes differ in (3,) @ (4,): 3 and 4. Transpose one operand or reshape it."),
    (lambda: t(3) @ 2.0, ShapeError,
     "matmul: (3,) @ () has an operand without axes. Use * to scale."),
    (lambda: t(2, 3) + t(4), ShapeError,
     "add: shapes (2, 3) and (4,) do not broadcast together. Sizes must be equal or 1, counted from the last axis; "
     "reshape or transpose one operand."),
    (lambda: np.ones((2, 3)) * t(4), ShapeError,
     "mul: shapes (2, 3) and (4,) do not broadcast together. Sizes must be equal or 1, counted from the last axis; "
     "reshape or transpose one operand."),
    (lambda: (t(32) * 2).backward(), GraphError,
     "backward: the root has shape (32,), so it has no gradient. Reduce it first, for example z.mean(), or pass a "
     "cotangent: z.backward(g)."),
    (lambda: t(3).sum().backward(np.ones(3)), ShapeError,
     "backward: the cotangent has shape (3,), the root (). Pass one number for each element of the root."),
    (lambda: (Tensor([1.0], requires_grad=False) * 2).backward(), GraphError,
     "backward: nothing in this result is tracked. Make some input a Tensor of floats with requires_grad=True, "
     "outside no_grad."),
    (lambda: Tensor([1, 2], requires_grad=True), DTypeError,
     "Tensor: int64 data cannot carry a cotangent. Pass floats, or x.astype(float)."),
    (lambda: Tensor([1j]), DTypeError,
     "Tensor: complex numbers cannot be differentiated here. Pass real numbers."),
    (lambda: Tensor(["a"]), DTypeError,
     "Tensor: data of dtype <U1 cannot be differentiated here. Pass real numbers."),
    (lambda: Tensor([[1.0], [2.0, 3.0]]), ShapeError,
     "Tensor: setting an array element with a sequence. The requested array has an inhomogeneous shape after 1 "
     "dimensions. The detected shape was (2,) + inhomogeneous part. Make all rows equally long."),
    (lambda: Tensor([Value(1.0)]), UnsupportedError,
     "Tensor: a list of Values or Tensors would lose their graph here. Use stack([...]) to join Tensors, or "
     "[v.data for v in values] to copy numbers."),
    (lambda: Tensor(np.ma.masked_array([1.0], [True])), DTypeError,
     "Tensor: masked arrays are not supported. Fill it first: a.filled(0)."),
    (lambda: t(2, 3).sum(axis=2), AxisError,
     "sum: axis 2 is out of bounds for an array with 2 axes. Use -2 to 1."),
    (lambda: t(2, 3).mean(axis=(0, -2)), AxisError,
     "mean: axis (0, -2) names an axis twice. Name each axis once."),
    (lambda: t(2, 3).max(axis="rows"), AxisError,
     "max: axis 'rows' is no whole number. Pass an int or a tuple of ints."),
    (lambda: t(0).max(), ShapeError,
     "max: shape (0,) has nothing to choose from. Check for empty input first."),
    (lambda: t(2, 3).reshape(4), ShapeError,
     "reshape: 6 elements of shape (2, 3) do not fill shape (4,). Make the product of the lengths equal the number "
     "of elements."),
    (lambda: t(2, 3).transpose(0, 0), AxisError,
     "transpose: axes (0, 0) are no permutation of 2 axes. Name each axis once."),
    (lambda: t(2, 3).squeeze(0), ShapeError,
     "squeeze: axis 0 of shape (2, 3) has length 2. Only axes of length 1 can go."),
    (lambda: mg.broadcast_to(t(2, 3), (2, 4)), ShapeError,
     "broadcast_to: shape (2, 3) does not broadcast to (2, 4). Sizes must be equal or 1, counted from the last axis."),
    (lambda: mg.concatenate([t(2, 3), t(2, 4)]), ShapeError,
     "concatenate: shapes (2, 3), (2, 4) differ outside axis 0. Only the lengths along the axis may differ."),
    (lambda: mg.stack([t(2), t(3)]), ShapeError,
     "stack: shapes (2,), (3,) differ. Stack needs equal shapes; concatenate joins unequal lengths."),
    (lambda: t(2, 3)[5], IndexingError,
     "index: index 5 is out of bounds for axis 0 with size 2 (shape (2, 3)). Check the index against the shape."),
    (lambda: t(2, 3)[0.5], IndexingError,
     "index: float64 numbers cannot pick elements. Use whole numbers, slices or a boolean mask."),
    (lambda: bool(t(2) > 0), ShapeError,
     "bool: a Tensor of shape (2,) is not a single number. Reduce it first, for example x.mean(), x.all() or x.any()."),
    (lambda: float(t(2)), ShapeError,
     "item: a Tensor of shape (2,) is not a single number. Reduce it first, for example x.mean(), x.all() or x.any()."),
    (lambda: len(Tensor(1.0)), ShapeError, "len: a Tensor of shape () has no length. Use x.size."),
    (lambda: iter(Tensor(1.0)), UnsupportedError,
     "iter: a Tensor of shape () has no elements to go through. Use x.item()."),
    (lambda: [1][Tensor(0.0)], DTypeError, "index: a Tensor of float64 is no whole number. Use int(x)."),
    (write_data, ShapeError,
     "Tensor.data: cannot put an array of shape (3,) into a Tensor of shape (2,). Make a new Tensor for a new shape."),
    (write_grad, ShapeError,
     "Tensor.grad: cannot be an array of shape (3,) for data of shape (2,). Sum or reshape it first."),
    (lambda: t(2).astype(complex), DTypeError, "astype: cannot differentiate complex128. Use a floating dtype."),
    (changed, DataChangedError,
     "backward: the data of Value 'x' was overwritten after mul had used it. Run the forward pass again, or overwrite "
     "it after backward."),
    (handmade, GraphError,
     "backward: a Value made by hand with _op 'magic' has no _backward. Assign a function to its _backward, or build "
     "it from operators."),
    (lambda: Value("x"), DTypeError, "Value: expected a real number, not str. Convert it with float(...) first."),
    (lambda: Value(1j), DTypeError, "Value: expected a real number, not complex. Convert it with float(...) first."),
    (lambda: Value(Value(1.0)), DTypeError, "Value: a Value cannot hold a Value. Use it as it is, or v.detach()."),
    (lambda: Value(np.ones(3)), DTypeError,
     "Value: a Value holds one number, not an array of shape (3,). Use a Tensor."),
    (lambda: Value(1.0) * [1, 2], UnsupportedError,
     "mul: a Value is one number and cannot meet a list. Use Tensors on both sides, or loop over the elements."),
    (lambda: Value(1.0)[0], UnsupportedError, "Value: a number has no elements. Use a Tensor for arrays."),
    (lambda: mg.softmax(Value(1.0)), UnsupportedError,
     "softmax: needs arrays, and a Value is one number. Use a Tensor."),
    (lambda: mg.dot([Value(1.0)], [1.0, 2.0]), ShapeError,
     "dot: lengths differ: 1 and 2. Pair each weight with an input."),
    (lambda: mg.grad(lambda x: x * 2)(np.ones(3)), ShapeError,
     "grad: the function returned shape (3,), not a single number. Reduce it, for example with .sum(), or use jacobian "
     "or vjp."),
    (lambda: mg.grad(lambda x: x.sum())(np.arange(3)), DTypeError,
     "grad: int64 data cannot carry a cotangent. Pass floats, or x.astype(float)."),
    (lambda: mg.grad(lambda x: x, argnums=1)(1.0), UnsupportedError,
     "grad: argument 1 was not passed: there are 1. Check argnums."),
    (lambda: mg.jvp(lambda x: x, (np.ones(2),), (np.ones(3),)), ShapeError,
     "jvp: a direction of shape (3,) for data of shape (2,). Pass one number for each element."),
    (closure_rule, PrimitiveError,
     "Primitive 'broken': a rule must be a plain function without a closure. Pass what it needs as an input or a "
     "keyword-only parameter."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), TABLE, ids=range(len(TABLE)))
def test_message(call, kind, message):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == message


def test_errors_are_the_builtins_people_catch():
    assert issubclass(ShapeError, ValueError)
    assert issubclass(AxisError, (ValueError, IndexError))
    assert issubclass(DTypeError, TypeError)
    assert issubclass(IndexingError, IndexError)


def test_facts_are_fields():
    with pytest.raises(ShapeError) as caught:
        t(2, 3) + t(4)
    assert caught.value.facts["shapes"] == [(2, 3), (4,)]


def test_a_failed_call_changes_nothing():
    x, w = t(3), t(3)
    (x * w).sum().backward()
    before = x.grad.copy()
    y = x * w * Tensor([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError):
        y.backward(np.ones(4))
    w._data += 1
    w.time = mg.graph.tick()
    with pytest.raises(DataChangedError):
        y.backward(np.ones(3))
    np.testing.assert_array_equal(x.grad, before)
