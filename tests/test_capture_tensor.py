"""Captured steps of Tensors: a replay does what the eager step does, bit for bit."""

from __future__ import annotations

import copy
import itertools
import pickle
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

import microgradx as mg
from microgradx import nn, optim
from microgradx.capture import gemm
from microgradx.capture.program import Instruction, View
from microgradx.capture.threads import blas
from microgradx.errors import CaptureError, IndexingError
from microgradx.nn.functional import cross_entropy

if TYPE_CHECKING:
    from collections.abc import Callable


def equal(a: Any, b: Any) -> bool:
    """Same shape, dtype and numbers; nan equals nan."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)


def network(sizes: tuple[int, ...] = (6, 5, 3), seed: int = 0) -> nn.Module:
    """A small network with float32 parameters."""
    rng = np.random.default_rng(seed)
    layers: list[nn.Module] = []
    for n, m in itertools.pairwise(sizes):
        layers += [nn.Linear(n, m, rng=rng), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def batches(count: int, rows: int = 8, width: int = 6, classes: int = 3) -> list[tuple[Any, Any]]:
    """Random rows and labels."""
    rng = np.random.default_rng(1)
    return [
        (rng.standard_normal((rows, width)).astype("f4"), rng.integers(0, classes, rows))
        for _ in range(count)
    ]


def training(model: nn.Module, optimizer: optim.Optimizer) -> Callable[..., Any]:
    """A step as people write it."""

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


# ---- whole training steps ------------------------------------------------------------------------
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": lambda p: optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "adam with decay": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.01),
}


@pytest.mark.quick
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_equals_eager(name: str) -> None:
    """Losses, parameters, gradients and the optimiser's state stay the same bits for 120 steps."""
    eager, other = network(), network()
    eager_optimizer, other_optimizer = (OPTIMIZERS[name](m.parameters()) for m in (eager, other))
    step = training(eager, eager_optimizer)
    replay = mg.capture(training(other, other_optimizer), tune=False)
    for x, y in batches(120):
        assert equal(step(x, y), replay(x, y))
        for p, q in zip(eager.parameters(), other.parameters(), strict=True):
            assert equal(p, q)
            assert equal(p.grad, q.grad)
    a, b = eager_optimizer.state_dict()["state"], other_optimizer.state_dict()["state"]
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].keys() == b[key].keys()
        assert all(equal(a[key][k], b[key][k]) for k in a[key])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compiled_updates_give_the_same_bits(name: str) -> None:
    """numba's one loop does what NumPy's dozen calls do (extra ``fast``)."""
    pytest.importorskip("numba")
    one, two = network(), network()
    steps = [training(m, OPTIMIZERS[name](m.parameters())) for m in (one, two)]
    plain, fast = mg.capture(steps[0], tune=False), mg.capture(steps[1], tune=False, fast=True)
    for x, y in batches(10):
        assert equal(plain(x, y), fast(x, y))
    assert all(equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True))
    assert any(row.function.startswith("loop") for row in fast.program.instructions)
    pickle.loads(pickle.dumps(fast.program))


def test_without_numba_fast_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the extra."""
    monkeypatch.setitem(sys.modules, "numba", None)
    model = network()
    step = mg.capture(training(model, optim.Adam(model.parameters())), fast=True)
    with pytest.raises(CaptureError, match=r"microgradx\[fast\]"):
        step(*batches(1)[0])


def test_a_folded_learning_rate() -> None:
    """Plain descent multiplies the rate in early; gradients are still gradients to who looks."""
    one, two = network(), network()
    first, second = (optim.SGD(m.parameters(), lr=0.5) for m in (one, two))
    eager, replay = training(one, first), mg.capture(training(two, second))
    for k, (x, y) in enumerate(batches(12)):
        for optimizer in (first, second):
            optimizer.param_groups[0]["lr"] = 0.0 if k == 8 else 0.5 / (k + 1)
        assert np.allclose(eager(x, y).numpy(), replay(x, y).numpy(), rtol=1e-5)
        for p, q in zip(one.parameters(), two.parameters(), strict=True):
            assert np.allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-6)
            assert np.allclose(p.grad, q.grad, rtol=1e-4, atol=1e-6)
        twin = copy.deepcopy(two)
        assert all(equal(p, q) for p, q in zip(two.parameters(), twin.parameters(), strict=True))
    assert any("rate" in note for note in replay.programs[0].notes)
    updates = [row for row in replay.programs[0].instructions if row.phase == "update"]
    assert [row.function for row in updates] == ["subtract"]


def test_a_rate_is_not_folded_into_what_others_see() -> None:
    """A returned gradient, or one that adds up over runs, keeps its own numbers."""
    one, two = network(), network()

    def step_of(model: nn.Module) -> Callable[..., Any]:
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            optimizer.step()
            return [p.grad for p in model.parameters()]

        return step

    eager, replay = step_of(one), mg.capture(step_of(two))
    for x, y in batches(4):
        for a, b in zip(eager(x, y), replay(x, y), strict=True):
            assert np.allclose(a, b.numpy(), rtol=1e-6, atol=1e-7)


def test_learning_rate_may_change() -> None:
    """Options are read on every run, as eager optimisers do."""
    eager, other = network(), network()
    optimizers = [optim.Adam(m.parameters(), lr=0.01) for m in (eager, other)]
    step, replay = training(eager, optimizers[0]), mg.capture(training(other, optimizers[1]))
    for k, (x, y) in enumerate(batches(20)):
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.01 / (k + 1)
        assert equal(step(x, y), replay(x, y))
    assert all(equal(p, q) for p, q in zip(eager.parameters(), other.parameters(), strict=True))


def test_eager_and_captured_steps_take_turns() -> None:
    """A captured step trains the user's own model: eager calls see and change the same numbers."""
    one, two = network(), network()
    first, second = (optim.Adam(m.parameters(), lr=0.01) for m in (one, two))
    eager, mixed = training(one, first), training(two, second)
    replay = mg.capture(mixed)
    for k, (x, y) in enumerate(batches(30)):
        assert equal(eager(x, y), mixed(x, y) if k % 3 == 2 else replay(x, y))
        assert equal(one(x), two(x))
        if k == 10:
            for p, q in zip(one.parameters(), two.parameters(), strict=True):
                p.data = p.data * 0.5
                q.data[...] = q.data * 0.5
        if k == 20:
            state = copy.deepcopy(first.state_dict())
            first.load_state_dict(state)
            second.load_state_dict(state)
    assert all(equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True))


def test_updates_written_by_hand() -> None:
    """Micrograd's own loop, ``p.data -= lr * p.grad``, on Tensors."""
    one, two = network(), network()

    def step_of(model: nn.Module) -> Callable[..., Any]:
        def step(x: Any, y: Any, lr: float) -> Any:
            loss = cross_entropy(model(x), y)
            model.zero_grad()
            loss.backward()
            for p in model.parameters():
                p.data -= lr * p.grad
            return loss

        return step

    eager, replay = step_of(one), mg.capture(step_of(two))
    for k, (x, y) in enumerate(batches(20)):
        assert equal(eager(x, y, 0.1 / (k + 1)), replay(x, y, 0.1 / (k + 1)))
        for p, q in zip(one.parameters(), two.parameters(), strict=True):
            assert equal(p, q)
            assert equal(p.grad, q.grad)


def test_gradients_accumulate_without_zero_grad() -> None:
    """Leaves accumulate over replays as they do over eager calls."""
    one, two = network(), network()

    def step_of(model: nn.Module) -> Callable[..., Any]:
        def step(x: Any, y: Any) -> None:
            cross_entropy(model(x), y).backward()

        return step

    eager, replay = step_of(one), mg.capture(step_of(two))
    for x, y in batches(5):
        eager(x, y)
        replay(x, y)
        for p, q in zip(one.parameters(), two.parameters(), strict=True):
            assert equal(p.grad, q.grad)


def test_a_gradient_that_was_kept_does_not_change() -> None:
    """A replay overwrites its own memory, never an array the user holds."""
    model = network()
    replay = mg.capture(training(model, optim.SGD(model.parameters(), lr=0.1)))
    (x, y), (u, v) = batches(2)
    replay(x, y)
    held = next(model.parameters()).grad
    before = held.copy()
    replay(u, v)
    assert equal(held, before)
    assert not equal(next(model.parameters()).grad, before)


def test_a_new_shape_is_captured_anew() -> None:
    """The last batch of an epoch is smaller; both programs train the same model."""
    one, two = network(), network()
    first, second = (optim.Adam(m.parameters(), lr=0.01) for m in (one, two))
    eager, replay = training(one, first), mg.capture(training(two, second))
    for x, y in batches(10):
        for rows in (8, 8, 3):
            assert equal(eager(x[:rows], y[:rows]), replay(x[:rows], y[:rows]))
    assert len(replay.programs) == 2
    assert all(equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True))


def test_arguments_in_any_memory() -> None:
    """Strided, transposed, read-only and other-endian arguments give the same numbers."""
    w = mg.Tensor(np.arange(12.0).reshape(4, 3))

    @mg.capture
    def step(x: Any) -> Any:
        return mg.tanh(x @ w * 0.01)

    x = np.arange(32.0).reshape(8, 4)
    expected = np.tanh(x @ w.numpy() * 0.01)
    step(x)
    frozen = x.copy()
    frozen.flags.writeable = False
    for form in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], frozen, mg.Tensor(x)):
        assert np.allclose(step(form), expected, rtol=1e-15, atol=0)
    assert np.array_equal(x, np.arange(32.0).reshape(8, 4))


# ---- random numbers ------------------------------------------------------------------------------
def test_random_numbers_are_drawn_from_the_same_stream() -> None:
    """Dropout in a captured step drops what it drops eagerly, and moves the stream as far."""

    def run(*, captured: bool) -> list[Any]:
        mg.manual_seed(3)
        generator = np.random.default_rng(5)

        def step(x: Any) -> Any:
            kept = mg.rand(*x.shape, dtype="f4") < 0.7
            noise = mg.randn(*x.shape, rng=generator)
            return mg.where(kept, x, 0.0) + noise

        function: Any = mg.capture(step) if captured else step
        x = np.ones((4, 5), "f4")
        found = [function(x).numpy() for _ in range(4)]
        mg.manual_seed(9)
        found += [function(x).numpy() for _ in range(2)]
        return [*found, mg.rand(2).numpy(), generator.random(2)]

    for a, b in zip(run(captured=False), run(captured=True), strict=True):
        assert equal(a, b)


# ---- refusals ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "step",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x.sum()),
        lambda x: x * x.sum().item(),
        lambda x: x * np.asarray(x),
        lambda x: x * x.numpy(),
        lambda x: x[x > 0],
        lambda x: mg.Tensor(x.tolist()),
    ],
)
def test_numbers_of_one_run_are_refused(step: Callable[..., Any]) -> None:
    """What another call could answer otherwise is an error, never a constant."""
    with pytest.raises(CaptureError):
        mg.capture(step)(np.array([1.0, 2.0]))


def test_a_refusal_names_the_line() -> None:
    """The message tells where, and what to use instead."""

    def step(x: Any) -> Any:
        return x if x.sum() > 0 else -x

    with pytest.raises(CaptureError, match=r"test_capture_tensor\.py:\d+"):
        mg.capture(step)(np.array([1.0, 2.0]))


def test_a_constant_that_changes_is_noticed() -> None:
    """An array of the user's that the step closed over must stay as it was."""
    table = np.ones(5)

    @mg.capture
    def step(x: Any) -> Any:
        return x * table

    assert step(np.ones(5)).numpy().sum() == 5
    table[2] = 7.0
    with pytest.raises(CaptureError, match="has changed"):
        step(np.ones(5))


def test_a_wrong_label_leaves_parameters_alone() -> None:
    """A replay that fails changes nothing."""
    model = network()
    optimizer = optim.Adam(model.parameters())
    replay = mg.capture(training(model, optimizer))
    (x, y), *_ = batches(1)
    replay(x, y)
    before = [p.numpy().copy() for p in model.parameters()]
    for wrong in (3, -1):
        with pytest.raises(IndexingError, match="3 classes"):
            replay(x, np.full_like(y, wrong))
    assert all(equal(a, p) for a, p in zip(before, model.parameters(), strict=True))
    assert optimizer.state[0]["step"] == 1


def test_a_graph_made_before_a_replay_is_stale() -> None:
    """The replay overwrote what an older graph needs; its backward pass must refuse."""
    model = network()
    replay = mg.capture(training(model, optim.SGD(model.parameters(), lr=0.1)))
    (x, y), *_ = batches(1)
    replay(x, y)
    loss = cross_entropy(model(x), y)
    replay(x, y)
    with pytest.raises(mg.errors.DataChangedError):
        loss.backward()


# ---- the program ---------------------------------------------------------------------------------
def test_a_replay_allocates_nothing() -> None:
    """Memory stays flat over 10,000 replays."""
    model = network()
    replay = mg.capture(training(model, optim.Adam(model.parameters())))
    (x, y), *_ = batches(1)
    for _ in range(300):
        replay(x, y)
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    for _ in range(10_000):
        replay(x, y)
    grown = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    assert grown < 4096


def test_source_trains_to_the_same_numbers() -> None:
    """The program's text needs NumPy alone and does what the replay does."""
    model = network()
    replay = mg.capture(training(model, optim.Adam(model.parameters(), lr=0.01)))
    rows = batches(6)
    replay(*rows[0])
    program = replay.program
    scope: dict[str, Any] = {}
    text = program.source()
    assert "microgradx" not in text.replace('"""', "").split("import", 1)[1]
    exec(compile(text, "<source>", "exec"), scope)
    step = scope["build"](program.initial_state())
    for x, y in rows[1:]:
        assert equal(step(x, y), replay(x, y))


def test_programs_pickle() -> None:
    """A program goes on from its state in another process."""
    model = network()
    replay = mg.capture(training(model, optim.Adam(model.parameters(), lr=0.01)))
    rows = batches(6)
    replay(*rows[0])
    program = pickle.loads(pickle.dumps(replay.program))
    for x, y in rows[1:]:
        assert equal(program.run(x, y)[0], replay(x, y))


def test_programs_describe_themselves() -> None:
    """The listing has a line a call; memory and work are counted by role and phase."""
    model = network()
    replay = mg.capture(training(model, optim.Adam(model.parameters())))
    replay(*batches(1)[0])
    program = replay.program
    assert repr(program).count("\n") > len(program.instructions)
    assert program.flops["total"] == sum(
        program.flops[k] for k in ("forward", "backward", "update")
    )
    assert program.memory["total"] >= 4 * 4 * sum(p.size for p in model.parameters())


def test_check_compares_with_eager() -> None:
    """``check=True`` runs the step eagerly beside every replay."""
    model = network()
    replay = mg.capture(training(model, optim.Adam(model.parameters())), check=True)
    for x, y in batches(5):
        replay(x, y)
    broken = replay.program
    first = next(i for i, row in enumerate(broken.instructions) if row.function == "add")
    broken.instructions[first] = broken.instructions[first]._replace(function="subtract")
    broken.forget()
    with pytest.raises(CaptureError, match="differs"):
        replay(*batches(1)[0])


def test_dead_code_and_common_subexpressions() -> None:
    """What nothing needs is not computed, and what is needed twice is computed once."""

    @mg.capture
    def step(x: Any) -> Any:
        mg.cos(x)
        return mg.exp(x) * 2 + mg.exp(x)

    step(np.ones(3))
    called = [row.function for row in step.program.instructions]
    assert called.count("exp") == 1
    assert "cos" not in called


def test_constants_are_folded() -> None:
    """Arithmetic on constants happens once, when the step is captured."""
    table = mg.Tensor(np.arange(4.0), requires_grad=False)

    @mg.capture
    def step(x: Any) -> Any:
        return x * (mg.exp(mg.arange(4, dtype="f8")) + 1) + table

    x = np.ones(4)
    assert equal(step(x), x * (np.exp(np.arange(4.0)) + 1) + np.arange(4.0))
    assert len(step.program.instructions) == 2


# ---- random programs -----------------------------------------------------------------------------
UNARY: list[Callable[[Any], Any]] = [
    mg.tanh, mg.exp, mg.sin, mg.relu, mg.sigmoid, mg.softplus, mg.abs, mg.square,
    lambda x: x.sum(axis=-1, keepdims=True), lambda x: x.mean(axis=0),
    lambda x: x.max(axis=-1), lambda x: x.T, lambda x: x[..., ::2], lambda x: x[:1],
    lambda x: x.reshape(-1), mg.softmax, lambda x: mg.log_softmax(x, axis=0),
    lambda x: mg.logsumexp(x, axis=-1), lambda x: mg.concatenate([x, x * 2], axis=0),
    lambda x: mg.stack([x, -x]), lambda x: x[np.array([0, 0])], lambda x: mg.sqrt(mg.abs(x)),
    lambda x: mg.expand_dims(x, 0), lambda x: mg.clip(x, -0.5, 0.5), lambda x: x**3,
    lambda x: x**2, lambda x: 1 - x,
    lambda x: mg.where(x > 0, x, x * 0.1), lambda x: x.var(axis=-1), lambda x: x / 3,
    lambda x: mg.log(mg.abs(x)), lambda x: mg.min(x, axis=0),
]  # fmt: skip
BINARY: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / (y * y + 1),
    mg.maximum, mg.minimum,
]  # fmt: skip
PRODUCTS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x @ y, lambda x, y: x @ y.T, lambda x, y: mg.norm(x * y, axis=-1),
    lambda x, y: mg.norm(x - y),
]  # fmt: skip


def random_program(choices: list[tuple[int, int, int]], a: Any, b: Any, table: Any) -> list[Any]:
    """Apply the chosen operations to results so far; those that do not fit are left out."""
    pool = [a, b]
    for which, i, j in choices:
        x, y = pool[i % len(pool)], pool[j % len(pool)]
        k = which % len(table)
        try:
            z = table[k](x) if k < len(UNARY) else table[k](x, y)
        except (mg.errors.MicrogradxError, ValueError):
            continue
        if z.size <= 400:
            pool.append(z)
    return pool[2:]


RANDOM = {
    "choices": st.lists(st.tuples(*[st.integers(0, 999)] * 3), min_size=1, max_size=12),
    "shapes": st.sampled_from(
        [((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (3, 1)), ((1,), (2, 3)), ((), (3, 3))]
    ),
    "kinds": st.sampled_from([("f8", "f8"), ("f4", "f4"), ("f4", "f8")]),
    "seed": st.integers(0, 2**16),
}


def compare_random_program(
    choices: Any, shapes: Any, kinds: Any, seed: int, table: Any, same: Callable[[Any, Any], bool]
) -> None:
    """Three runs with gradients and updates, eager and captured, from the same numbers."""
    rng = np.random.default_rng(seed)
    starts = [rng.standard_normal(s).astype(k) for s, k in zip(shapes, kinds, strict=True)]
    inputs = [rng.standard_normal(shapes[0]).astype(kinds[0]) for _ in range(3)]

    def step_of(w: mg.Tensor, v: mg.Tensor) -> Callable[..., Any]:
        def step(x: Any) -> Any:
            results = random_program(choices, w * x, v, table)
            loss = sum((r.mean() for r in results), (w * 0).sum())
            w.grad = v.grad = None
            loss.backward()
            for p in (w, v):
                if p.grad is not None:
                    p.data -= 0.01 * p.grad
            return [loss, *results]

        return step

    eager_leaves, leaves = ([mg.Tensor(s) for s in starts] for _ in range(2))
    eager, replay = step_of(*eager_leaves), mg.capture(step_of(*leaves))
    with np.errstate(all="ignore"):
        for x in inputs:
            expected, got = eager(x), replay(x)
            assert all(same(a, b) for a, b in zip(expected, got, strict=True))
            for p, q in zip(eager_leaves, leaves, strict=True):
                assert same(p, q)
                assert (p.grad is None) == (q.grad is None)
                assert p.grad is None or same(p.grad, q.grad)


@settings(deadline=None, max_examples=150)
@given(**RANDOM)
def test_random_programs_replay_bit_for_bit(
    choices: Any, shapes: Any, kinds: Any, seed: int
) -> None:
    """Sharing, broadcasting, indexing, reductions: outputs, gradients, updates are the same bits."""
    compare_random_program(choices, shapes, kinds, seed, (*UNARY, *BINARY), equal)


@settings(deadline=None, max_examples=60)
@given(**RANDOM)
def test_random_programs_with_products_replay(
    choices: Any, shapes: Any, kinds: Any, seed: int
) -> None:
    """Products and norms are BLAS calls, whose last bits depend on where the operands lie."""

    def close(a: Any, b: Any) -> bool:
        a, b = np.asarray(a), np.asarray(b)
        slack = 1e-12 if a.dtype == np.float64 else 1e-4
        largest = np.abs(a[np.isfinite(a)]).max(initial=0)
        return a.dtype == b.dtype and np.allclose(
            a, b, rtol=slack, atol=slack * largest, equal_nan=True
        )

    del kinds
    table = (*UNARY, *PRODUCTS, *PRODUCTS, *PRODUCTS)
    compare_random_program(choices, shapes, ("f8", "f8"), seed, table, close)


# ---- what a step may contain ---------------------------------------------------------------------
def test_no_gradient_flows_through_no_grad() -> None:
    """What a step computes inside ``no_grad`` is a constant to its backward pass."""

    def step_of(w: mg.Tensor) -> Callable[..., Any]:
        def step(x: Any) -> Any:
            with mg.no_grad():
                scale = (w * x).sum()
            w.grad = None
            (w * scale).sum().backward()
            return w.grad

        return step

    eager = step_of(mg.Tensor([1.0, 2.0]))
    replay = mg.capture(step_of(mg.Tensor([1.0, 2.0])))
    for x in ([3.0, 4.0], [5.0, 4.0]):
        assert equal(eager(mg.Tensor(x)), replay(np.array(x)))


def test_several_updates_in_one_step() -> None:
    """An inner loop of three descents is one program."""

    def step_of(w: mg.Tensor) -> Callable[..., Any]:
        def step(x: Any) -> Any:
            for _ in range(3):
                loss = ((w * x) ** 2).sum()
                w.grad = None
                loss.backward()
                w.data -= 0.1 * w.grad
            return loss

        return step

    one, two = mg.Tensor([1.0, 2.0]), mg.Tensor([1.0, 2.0])
    eager, replay = step_of(one), mg.capture(step_of(two))
    for x in ([1.0, 0.5], [0.3, 2.0]):
        assert equal(eager(mg.Tensor(x)), replay(np.array(x)))
        assert equal(one, two)


def test_derivatives_inside_a_step() -> None:
    """``mg.grad`` of a function of the arguments is captured with the rest."""
    w = mg.Tensor([1.0, 2.0])

    def step(x: Any) -> Any:
        return mg.grad(lambda p: ((p * x) ** 3).sum())(w)

    replay = mg.capture(step)
    for x in ([1.0, 3.0], [2.0, 3.0]):
        assert equal(step(mg.Tensor(x)), replay(np.array(x)))


def test_arguments_and_results_keep_their_structure() -> None:
    """Dictionaries and tuples go in and come out; numbers are traced, flags are not."""
    w = mg.Tensor([1.0, 2.0])

    @mg.capture
    def step(pair: dict[str, Any], k: float) -> Any:
        return {"a": pair["x"] * w, "b": (pair["y"] + k, 3)}

    for k in (1.5, 2.5):
        found = step({"x": np.ones(2) * k, "y": 2.0}, k)
        assert np.array_equal(found["a"].numpy(), k * np.array([1.0, 2.0]))
        assert float(found["b"][0]) == 2.0 + k
        assert found["b"][1] == 3
    assert len(step.programs) == 1


# ---- BLAS threads --------------------------------------------------------------------------------
@pytest.mark.skipif(blas() is None, reason="NumPy's BLAS is not OpenBLAS")
def test_blas_threads_are_put_back() -> None:
    """A replay uses one thread, or as many as asked for, and leaves the number as it was."""
    library = blas()
    assert library is not None
    before = library.get()
    seen: list[int] = []
    try:
        library.set(2)
        for wanted in (None, 2):
            step = mg.capture(lambda x: x @ x, threads=wanted)
            step(np.ones((4, 4)))
            program = step.program
            program.tables["look"] = lambda: seen.append(library.get())
            view = next(iter(program.outputs.values()))
            program.instructions.append(Instruction("look", (), view))
            program.forget()
            step(np.ones((4, 4)))
            assert program.threads == (wanted or 1)
            assert f"{wanted or 1} BLAS thread" in repr(program)
            assert library.get() == 2
        assert seen == [1, 2]
    finally:
        library.set(before)


def test_detached_results_are_computed_anew_in_every_replay():
    p = mg.Tensor([1.0, 2.0, 3.0])

    def step(x):
        p.grad = None
        loss = ((p * x).detach() * p + mg.stop_gradient(p) * x).sum()
        loss.backward()
        return loss

    captured = mg.capture(step)
    for scale in (1.0, 2.0, 3.0):
        x = np.array([1.0, 2.0, 3.0]) * scale
        assert captured(x).item() == pytest.approx((p.numpy() ** 2 * x + p.numpy() * x).sum())
        assert p.grad == pytest.approx(p.numpy() * x)
        p.data -= 0.1


def test_a_step_may_differentiate_past_an_updated_parameters_old_numbers():
    p = mg.Tensor([1.0, 2.0, 3.0])

    @mg.capture
    def step(x):
        p.grad = None
        loss = ((p * x).data * p).sum()
        loss.backward()
        p.data -= 0.1 * p.grad
        return loss

    for scale in (1.0, 2.0):
        x, before = np.array([1.0, 2.0, 3.0]) * scale, p.numpy().copy()
        assert step(x).item() == pytest.approx((before**2 * x).sum())
        assert p.numpy() == pytest.approx(before - 0.1 * before * x)


# ---- products in pieces ---------------------------------------------------------------------------
@pytest.mark.parametrize(("p", "q"), [(2, 1), (1, 4), (2, 4), (4, 2)])
def test_a_product_in_pieces_is_the_product(p, q):
    rng = np.random.default_rng(0)
    memory = {name: rng.standard_normal(200) for name in "abc"}

    def array(view):
        return as_strided(
            memory[view.buffer][view.offset :], view.shape, np.multiply(view.strides, 8)
        )

    a, b = View("a", 8, (8, 3), (3, 1)), View("b", 0, (3, 16), (1, 3))
    c = View("c", 16, (8, 16), (16, 1))
    x, y, z = map(array, (gemm.grid(a, p, 1), gemm.grid(b, 1, q), gemm.grid(c, p, q)))
    np.matmul(x, y, z)
    np.testing.assert_allclose(array(c), array(a) @ array(b), rtol=1e-12)


def test_check_knows_products_in_pieces(monkeypatch):
    """Numbers are compared in the order of the pieces, whichever cut was chosen."""
    monkeypatch.setattr(gemm, "SMALL", 0)
    monkeypatch.setattr(gemm, "FITS", (0, 10**9))
    for cut in ("4 pieces of rows", "2 pieces of columns", "2 x 2 pieces"):
        monkeypatch.setattr(gemm, "_race", lambda plans, cut=cut: cut if cut in plans else "")
        model = nn.Linear(6, 8, bias=False, rng=0)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (model(x) ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        captured = mg.capture(step, check=True)
        captured(np.arange(96.0, dtype="f4").reshape(16, 6) / 96)
        assert cut in str(captured.program)


def test_a_captured_second_derivative_passes_cotangents_that_are_zero():
    """At 1 the slope of sqrt(x) log(x) has the cotangent log(1) = 0, whose derivative is not 0."""

    def second(x):
        first = mg.grad(lambda x: (mg.sqrt(x) * mg.log(x)).sum())
        return mg.vjp(first, x)[1](mg.Tensor([1.0, 1.0], requires_grad=False))[0]

    x = np.array([1.0, 2.0])
    want = -np.log(x) / (4 * x**1.5)
    assert mg.capture(second)(x).numpy() == pytest.approx(want, abs=1e-15)
