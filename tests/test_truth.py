"""Values and gradients of every primitive against mpmath at 50 digits.

The laws of the table share its definitions; these references do not. Arrays hold mpmath numbers,
and a gradient is the difference quotient of the exact function with a step of 1e-22.
"""

import mpmath
import numpy as np
import pytest

import microgradx.ops  # noqa: F401 - fills the table
from microgradx.primitive import ARRAY, PRIMITIVES
from microgradx.tensor import Tensor
from microgradx.testing.calls import Dice, draw_call

mp = mpmath
EPS = np.finfo(float).eps
DIGITS = 50
STEP = mp.mpf(10) ** -22


def each(function):
    """Lift a function of mpmath numbers to arrays of them, with broadcasting."""
    return np.frompyfunc(function, function.__code__.co_argcount, 1)


def unary(function):
    return np.frompyfunc(function, 1, 1)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def power(x, y):
    return mp.mpf(1) if y == 0 else mp.power(x, y)


def reduced(function):
    """Apply a function of a flat list over `axis`."""

    def reference(x, *, axis, keepdims=False):
        axes = tuple(range(x.ndim)) if axis is None else axis
        kept = [i for i in range(x.ndim) if i not in axes]
        rows = np.transpose(x, (*kept, *axes)).reshape(*[x.shape[i] for i in kept], -1)
        out = np.empty(rows.shape[:-1], object)
        for place in np.ndindex(out.shape):
            out[place] = function(list(rows[place]))
        if keepdims:
            out = out.reshape([1 if i in axes else n for i, n in enumerate(x.shape)])
        return out

    return reference


def logsumexp(xs):
    top = max(xs)
    return top + mp.log(mp.fsum([mp.exp(x - top) for x in xs]))


def softmax(x, *, axis):
    return unary(mp.exp)(x - reduced(logsumexp)(x, axis=axis, keepdims=True))


def expanded(x, *, shape, axis, keepdims):
    if not keepdims and axis is not None:
        x = np.asarray(x).reshape([1 if i in axis else n for i, n in enumerate(shape)])
    return np.broadcast_to(x, shape)


def summed_to(x, *, shape):
    out = np.full(shape, mp.mpf(0), object)
    offset = x.ndim - len(shape)
    for place in np.ndindex(x.shape):
        target = tuple(0 if n == 1 else i for i, n in zip(place[offset:], shape, strict=True))
        out[target] = out[target] + x[place]
    return out


def placed(x, *, shape, index):
    out = np.full(shape, mp.mpf(0), object)
    where = np.arange(out.size).reshape(shape)[index]
    flat = out.reshape(-1)
    for place in np.ndindex(where.shape):
        flat[where[place]] = flat[where[place]] + np.asarray(x, object)[place]
    return out


def product(x, y):
    x, y = np.asarray(x), np.asarray(y)
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    x = np.broadcast_to(x, (*batch, *x.shape[-2:]))
    y = np.broadcast_to(y, (*batch, *y.shape[-2:]))
    return (x[..., :, :, None] * y[..., None, :, :]).sum(axis=-2)


def dotted(b, *wx):
    half = len(wx) // 2
    return b + sum(w * x for w, x in zip(wx[:half], wx[half:], strict=True))


def negative_log_likelihood(x, labels):
    rows = [logsumexp(list(row)) - row[label] for row, label in zip(x, labels, strict=True)]
    return np.array(rows, object)


def clipped(x, low, high):
    return unary(
        lambda v: min(max(v, -mp.inf if low is None else low), mp.inf if high is None else high)
    )(x)


def matrices(function):
    """Apply a function of an mpmath matrix to each matrix of a stack."""

    def reference(x):
        stack = x.reshape(-1, *x.shape[-2:])
        answers = [function(mp.matrix(m.tolist())) for m in stack]
        if isinstance(answers[0], mp.matrix):
            answers = [np.array(a.tolist(), object) for a in answers]
            return np.array(answers, object).reshape(x.shape)
        return np.array(answers, object).reshape(x.shape[:-2])

    return reference


def convolved(x, w, *, stride, padding, dilation, groups):
    """The definition of a convolution, sum by sum."""
    (top, bottom), (left, right) = (p if isinstance(p, tuple) else (p, p) for p in padding)
    n, c, _, _ = x.shape
    f, per, kh, kw = w.shape
    padded = np.full(
        (n, c, x.shape[2] + top + bottom, x.shape[3] + left + right), mp.mpf(0), object
    )
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    height = (padded.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    width = (padded.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.full((n, f, height, width), mp.mpf(0), object)
    for b, k, i, j in np.ndindex(out.shape):
        start = k // (f // groups) * per
        patch = padded[
            b,
            start : start + per,
            i * stride[0] : i * stride[0] + dilation[0] * (kh - 1) + 1 : dilation[0],
            j * stride[1] : j * stride[1] + dilation[1] * (kw - 1) + 1 : dilation[1],
        ]
        out[b, k, i, j] = (patch * w[k]).sum()
    return out


def variance(x, *, axis, keepdims, count, divisor):
    mean = reduced(mp.fsum)(x, axis=axis, keepdims=True) / count
    off = np.asarray((x - mean) ** 2, object)
    return reduced(mp.fsum)(off, axis=axis, keepdims=keepdims) / divisor


EXACT = {
    "var": variance,
    "length": reduced(lambda xs: mp.sqrt(mp.fsum([x * x for x in xs]))),
    "odds": each(lambda x, y: sigmoid(x - y)),
    "inner": lambda x, y: np.asarray((x * y).sum(), object),
    "matvec": lambda x, y: (x * y).sum(axis=-1),
    "cumsum_back": lambda x, *, axis: np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis),
    "roll": lambda x, *, shift, axis: np.roll(x, shift, axis),
    "polar": lambda x, y: x / (x * x + y * y),
    "unit": lambda x, y, *, axis, keepdims: (
        x / expanded(y, shape=x.shape, axis=axis, keepdims=keepdims)
    ),
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "positive": lambda x: x,
    "pow": each(power),
    "power_slope": each(lambda x, y: mp.mpf(0) if y == 0 else y * power(x, y - 1)),
    "power_log": each(lambda x, y: mp.power(x, y) * mp.log(x)),
    "ratio": each(lambda x, y: x / y if y else mp.mpf(0)),
    "square": lambda x: x * x,
    "exp": unary(mp.exp),
    "expm1": unary(mp.expm1),
    "log": unary(mp.log),
    "log1p": unary(mp.log1p),
    "sqrt": unary(mp.sqrt),
    "root": unary(mp.sqrt),
    "sin": unary(mp.sin),
    "cos": unary(mp.cos),
    "tan": unary(mp.tan),
    "asin": unary(mp.asin),
    "acos": unary(mp.acos),
    "atan": unary(mp.atan),
    "sinh": unary(mp.sinh),
    "cosh": unary(mp.cosh),
    "tanh": unary(mp.tanh),
    "asinh": unary(mp.asinh),
    "acosh": unary(mp.acosh),
    "atanh": unary(mp.atanh),
    "sigmoid": unary(sigmoid),
    "softplus": unary(lambda x: mp.log1p(mp.exp(x))),
    "relu": unary(lambda x: max(x, mp.mpf(0))),
    "leaky_relu": each(lambda x, slope: x if x > 0 else slope * x),
    "abs": unary(abs),
    "maximum": np.frompyfunc(max, 2, 1),
    "minimum": np.frompyfunc(min, 2, 1),
    "clip": clipped,
    "where": each(lambda c, x, y: x if c else y),
    "exp2": unary(lambda x: mp.mpf(2) ** x),
    "log2": unary(lambda x: mp.log(x, 2)),
    "log10": unary(mp.log10),
    "cbrt": unary(lambda x: mp.sign(x) * mp.cbrt(abs(x))),
    "reciprocal": unary(lambda x: 1 / x),
    "deg2rad": unary(lambda x: x * mp.pi / 180),
    "rad2deg": unary(lambda x: x * 180 / mp.pi),
    "hypot": each(lambda x, y: mp.sqrt(x * x + y * y)),
    "atan2": each(lambda y, x: mp.atan2(y, x)),
    "logaddexp": each(lambda x, y: mp.log(mp.exp(x) + mp.exp(y))),
    "logaddexp2": each(lambda x, y: mp.log(mp.mpf(2) ** x + mp.mpf(2) ** y, 2)),
    "sinc": lambda x, *, order: unary(lambda v: mp.diff(mp.sincpi, v, order))(x),
    "mod": each(lambda x, y: x - y * mp.floor(x / y)),
    "fmod": each(lambda x, y: x - y * mp.sign(x / y) * mp.floor(abs(x / y))),
    "copysign": each(lambda x, y: abs(x) * (1 if y >= 0 else -1)),
    "flip": lambda x, *, axis: np.flip(x, axis),
    "tril": lambda x, *, k: np.where(np.tril(np.ones(x.shape, bool), k), x, mp.mpf(0)),
    "triu": lambda x, *, k: np.where(np.triu(np.ones(x.shape, bool), k), x, mp.mpf(0)),
    "inv": matrices(lambda a: a**-1),
    "det": matrices(mp.det),
    "logabsdet": matrices(lambda a: mp.log(abs(mp.det(a)))),
    "cholesky": lambda x: matrices(mp.cholesky)((x + np.swapaxes(x, -1, -2)) / 2),
    "solve": lambda a, b: product(matrices(lambda m: m**-1)(a), b),
    "conv2d": convolved,
    "fmax": np.frompyfunc(max, 2, 1),
    "fmin": np.frompyfunc(min, 2, 1),
    "erf": unary(mp.erf),
    "erfc": unary(mp.erfc),
    "total": lambda *xs: sum(xs[1:], xs[0]),
    "dot": dotted,
    "sum": reduced(mp.fsum),
    "max": reduced(max),
    "min": reduced(min),
    "prod": reduced(mp.fprod),
    "logsumexp": reduced(logsumexp),
    "softmax": softmax,
    "log_softmax": lambda x, *, axis: x - reduced(logsumexp)(x, axis=axis, keepdims=True),
    "softmax_nll": negative_log_likelihood,
    "cumsum": lambda x, *, axis: np.cumsum(x, axis=axis),
    "cumprod": lambda x, *, axis: np.cumprod(x, axis=axis),
    "expand": expanded,
    "unbroadcast": summed_to,
    "broadcast_to": lambda x, *, shape: np.broadcast_to(x, shape),
    "reshape": lambda x, *, shape: np.reshape(x, shape),
    "transpose": lambda x, *, axes: np.transpose(x, axes),
    "swap": lambda x: np.swapaxes(x, -1, -2),
    "astype": lambda x, **_: x,
    "matmul": product,
    "linear": lambda x, w, b: product(x, np.transpose(w)) + b,
    "keep_zeros": lambda c, g: np.where(np.equal(g, 0), 0, c),
    "linear_slope": lambda g, x, w: product(np.transpose(g), x),
    "getitem": lambda x, *, index: np.asarray(x, object)[index],
    "put": placed,
    "concatenate": lambda *xs, axis, **_: np.concatenate(xs, axis=axis),
    "stack": lambda *xs, axis, **_: np.stack(xs, axis=axis),
}
# Adjoints and factorisations: the laws tie them to the rows above, and their own tests to NumPy's
# answers and to the equations that define them.
ELSEWHERE = {
    "conv2d_input", "conv2d_weight", "unfold", "fold", "max_pool", "unpool", "repool", "sum_pool",
    "sum_unpool", "einsum", "cofactor", "eigh", "svd", "qr", "pinv", "set_at", "last_wins",
}  # fmt: skip
DIFFERENTIABLE = sorted(
    name for name, op in PRIMITIVES.items() if op.differentiable and name not in ELSEWHERE
)

# Where the answer is a small difference of large terms, rounding is relative to the terms.
CANCELS = {
    "add", "sub", "total", "dot", "sum", "unbroadcast", "matmul", "linear",
    "linear_slope", "put", "cumsum",
    "inner", "matvec", "cumsum_back", "log_softmax", "softmax_nll", "logsumexp", "sin", "cos", "tan", "sinc",
}  # fmt: skip


def lifted(x):
    """An array of mpmath numbers; what is no floating array as it is."""
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return x
    out = np.empty(x.shape, object)
    for place in np.ndindex(x.shape):
        out[place] = mp.mpf(float(x[place]))
    return out


def floats(x):
    return np.array([float(v) for v in np.asarray(x, object).reshape(-1)]).reshape(np.shape(x))


def exact_gradient(reference, call, inputs, i, v):
    """Gradient of ``sum(v * f)`` in input `i`, by a tiny step at 50 digits."""
    gradient = np.empty(inputs[i].shape)
    for place in np.ndindex(inputs[i].shape):
        ends = []
        for sign in (1, -1):
            moved = [x.copy() if isinstance(x, np.ndarray) else x for x in inputs]
            moved[i][place] = moved[i][place] + sign * STEP
            z = np.asarray(reference(*moved, **call.params), object)
            weighed = [a * b for a, b in zip(v.reshape(-1), z.reshape(-1), strict=True)]
            ends.append(mp.fsum(weighed))
        gradient[place] = float((ends[0] - ends[1]) / (2 * STEP))
    return gradient


def usable(call):
    """Finite, and off the kinks: where a primitive has no derivative there is no truth."""
    with np.errstate(all="ignore"):
        z = np.asarray(call.reference(*call.inputs))
        if not np.isfinite(z).all() or z.size > 64:
            return False
        singular = call.op.singular
        if singular is not None:
            arrays = [np.asarray(x) if isinstance(x, float | int) else x for x in call.inputs]
            if any(x is None for x in arrays):
                arrays = [
                    np.asarray(-np.inf if k == 1 else np.inf) if x is None else x
                    for k, x in enumerate(arrays)
                ]
                return bool(
                    np.all(np.abs(arrays[0] - arrays[1]) > 1e-9)
                    and np.all(np.abs(arrays[0] - arrays[2]) > 1e-9)
                )
            read = type(singular)(singular.__code__, {**singular.__globals__, **ARRAY})
            if np.any(np.abs(read(*arrays)) < 1e-9):
                return False
    if call.op.name == "length":
        return bool(np.all(z > 0))
    if call.op.name in {"max", "min"}:
        return np.unique(call.inputs[0]).size == call.inputs[0].size
    return True


def examples(name, count):
    found, seed = [], 0
    while len(found) < count and seed < 40 * count:
        call = draw_call(Dice(1000 + seed), PRIMITIVES[name])
        seed += 1
        if usable(call):
            found.append(call)
    assert len(found) == count, f"too few usable calls of {name}"
    return found


def test_every_differentiable_primitive_has_an_exact_reference():
    assert set(DIFFERENTIABLE) <= set(EXACT)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_values_agree_with_50_digits(name):
    with mp.workdps(DIGITS):
        for call in examples(name, 8):
            truth = floats(EXACT[name](*[lifted(x) for x in call.inputs], **call.params))
            with np.errstate(all="ignore"):
                z = np.asarray(call.reference(*call.inputs))
            assert z.shape == truth.shape
            terms = sum(
                float(np.abs(x).max(initial=0)) for x in call.inputs if isinstance(x, np.ndarray)
            )
            scale = terms * max(1.0, terms) if name in CANCELS else 0.0
            assert np.all(np.abs(z - truth) <= 8 * EPS * (np.abs(truth) + scale) + 1e-305), call


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_agree_with_50_digits(name):
    with mp.workdps(DIGITS):
        for seed, call in enumerate(examples(name, 5)):
            leaves = [
                Tensor(x, requires_grad=True)
                if isinstance(x, np.ndarray) and x.dtype.kind == "f"
                else x
                for x in call.inputs
            ]
            with np.errstate(all="ignore"):
                z = call(*leaves)
            v = np.random.default_rng(seed).integers(4, 12, z.shape) / 8
            z.backward(v)
            inputs = [lifted(x) for x in call.inputs]
            for i, x in enumerate(leaves):
                if not isinstance(x, Tensor) or (call.op.vjps and call.op.vjps[i] is None):
                    continue
                truth = exact_gradient(EXACT[name], call, inputs, i, lifted(v))
                assert x.grad.shape == truth.shape
                terms = sum(
                    np.abs(a).max(initial=0) for a in call.inputs if isinstance(a, np.ndarray)
                )
                scale = v.size * max(1.0, float(terms))
                assert np.all(np.abs(x.grad - truth) <= 64 * EPS * (np.abs(truth) + scale)), (
                    call,
                    i,
                )


def test_a_wrong_constant_in_the_eleventh_digit_is_seen():
    x = np.array([0.5, 1.25])
    with mp.workdps(DIGITS):
        truth = floats(EXACT["tanh"](lifted(x)))
    assert not np.all(np.abs(np.tanh(x) * (1 + 1e-11) - truth) <= 8 * EPS * np.abs(truth))
