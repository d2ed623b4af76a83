"""Optimisers and schedules take PyTorch's trajectories, and hold their state as promised.

The numbers in ``golden/optim.json`` come from PyTorch; ``python tests/test_optim.py`` writes them
anew where PyTorch is installed, and ``pytest -m torch`` compares with it live.
"""

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden" / "optim.json"
STEPS = 100
KEPT = (1, 10, 100)

CASES = {
    "SGD": {"lr": 0.1},
    "SGD momentum": {"lr": 0.05, "momentum": 0.9},
    "SGD dampening": {"lr": 0.05, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.01},
    "SGD nesterov": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adam": {"lr": 0.02},
    "Adam decay": {"lr": 0.02, "betas": (0.8, 0.99), "eps": 1e-4, "weight_decay": 0.1},
    "Adam amsgrad": {"lr": 0.02, "amsgrad": True},
    "AdamW": {"lr": 0.02, "weight_decay": 0.1},
    "AdamW amsgrad": {"lr": 0.02, "amsgrad": True},
    "Adamax": {"lr": 0.02, "weight_decay": 0.01},
    "NAdam": {"lr": 0.02, "weight_decay": 0.01},
    "RAdam": {"lr": 0.02, "weight_decay": 0.01},
    "Adagrad": {
        "lr": 0.1,
        "lr_decay": 0.01,
        "weight_decay": 0.01,
        "initial_accumulator_value": 0.1,
    },
    "RMSprop": {"lr": 0.02, "weight_decay": 0.01},
    "RMSprop centered": {"lr": 0.01, "momentum": 0.5, "centered": True},
    "Adadelta": {"lr": 1.0, "weight_decay": 0.01},
}
SCHEDULES = {
    "StepLR": {"step_size": 7},
    "MultiStepLR": {"milestones": [3, 20, 30], "gamma": 0.5},
    "ConstantLR": {},
    "LinearLR": {"total_iters": 8},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"total_iters": 30, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 40, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 5, "T_mult": 2},
    "OneCycleLR": {"max_lr": 1.0, "total_steps": 41},
    "OneCycleLR linear": {
        "max_lr": 1.0, "epochs": 1, "steps_per_epoch": 41, "anneal_strategy": "linear",
    },
}  # fmt: skip
PLATEAU = [3.0, 2.0, 2.5, 2.4, 2.3, 2.2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
DEFAULTS = (
    "SGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adagrad", "RMSprop", "Adadelta",
)  # fmt: skip
SCHEDULE_DEFAULTS = (
    "ConstantLR", "LinearLR", "PolynomialLR", "StepLR", "MultiStepLR", "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts", "OneCycleLR", "ReduceLROnPlateau",
)  # fmt: skip


def start():
    i = np.arange(12.0)
    return [np.cos(i).reshape(4, 3), np.sin(i[:3]), np.cos(2 * i[:3])]


def loss(w, b, v):
    """A small network on a small problem; v is scarcely used, so that sizes differ widely."""
    i = np.arange(20.0)
    x, y = np.sin(i).reshape(5, 4), np.cos(i[:15]).reshape(5, 3)
    h = (w.__rmatmul__(x) if hasattr(w, "_data") else w.new_tensor(x) @ w) + b
    target = y if hasattr(w, "_data") else w.new_tensor(y)
    d = h.tanh() * (1 + v * 1e-3) - target
    return (d * d).mean()


def trajectory(library, optimizer_class, options, make):
    params = [make(a) for a in start()]
    optimizer = optimizer_class(params, **options)
    kept = {}
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss(*params).backward()
        optimizer.step()
        if step in KEPT:
            arrays = [p.detach().numpy() for p in params]
            kept[str(step)] = [a.ravel().tolist() for a in arrays]
    return kept


def rates(schedule_class, options, optimizer):
    schedule = schedule_class(optimizer, **options)
    found = []
    for _ in range(40):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


def plateau(schedule_class, optimizer):
    schedule = schedule_class(optimizer, patience=2, factor=0.5, cooldown=1, min_lr=0.05)
    found = []
    for metric in PLATEAU:
        schedule.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def defaults_of(cls):
    return {
        name: list(p.default) if isinstance(p.default, tuple) else p.default
        for name, p in inspect.signature(cls).parameters.items()
        if p.default is not inspect.Parameter.empty
    }


def of_pytorch():
    import torch  # noqa: PLC0415

    def make(a):
        return torch.tensor(a, requires_grad=True)

    def sgd():
        return torch.optim.SGD([make(np.zeros(1))], lr=0.5, momentum=0.9)

    schedules = torch.optim.lr_scheduler
    return {
        "trajectories": {
            case: trajectory(torch, getattr(torch.optim, case.split()[0]), options, make)
            for case, options in CASES.items()
        },
        "rates": {
            case: rates(getattr(schedules, case.split()[0]), options, sgd())
            for case, options in SCHEDULES.items()
        },
        "plateau": plateau(schedules.ReduceLROnPlateau, sgd()),
        "defaults": {name: defaults_of(getattr(torch.optim, name)) for name in DEFAULTS}
        | {name: defaults_of(getattr(schedules, name)) for name in SCHEDULE_DEFAULTS},
    }


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


def compare_trajectory(case, expected):
    from microgradx import Tensor, optim  # noqa: PLC0415

    found = trajectory(optim, getattr(optim, case.split()[0]), CASES[case], Tensor)
    # PyTorch carries NAdam's product of momenta in single precision.
    tolerance = 1e-7 if case == "NAdam" else 1e-10
    for step in found:
        for mine, theirs in zip(found[step], expected[step], strict=True):
            assert mine == pytest.approx(theirs, rel=tolerance, abs=tolerance), step


@pytest.mark.parametrize("case", CASES)
def test_a_hundred_steps_end_where_pytorchs_end(case, golden):
    compare_trajectory(case, golden["trajectories"][case])


@pytest.mark.parametrize("case", SCHEDULES)
def test_a_schedule_gives_pytorchs_rates(case, golden):
    from microgradx import Tensor, optim  # noqa: PLC0415

    optimizer = optim.SGD([Tensor([0.0])], lr=0.5, momentum=0.9)
    cls = getattr(optim.lr_scheduler, case.split()[0])
    assert rates(cls, SCHEDULES[case], optimizer) == pytest.approx(
        golden["rates"][case], rel=1e-12, abs=1e-15
    )


def test_a_plateau_lowers_the_rate_when_pytorch_does(golden):
    from microgradx import Tensor, optim  # noqa: PLC0415

    optimizer = optim.SGD([Tensor([0.0])], lr=0.5, momentum=0.9)
    assert plateau(optim.lr_scheduler.ReduceLROnPlateau, optimizer) == golden["plateau"]


@pytest.mark.parametrize("name", [*DEFAULTS, *SCHEDULE_DEFAULTS])
def test_defaults_are_pytorchs(name, golden):
    from microgradx import optim  # noqa: PLC0415

    cls = getattr(optim, name, None) or getattr(optim.lr_scheduler, name)
    for option, default in defaults_of(cls).items():
        assert golden["defaults"][name][option] == pytest.approx(default), option


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_the_recorded_trajectories_are_this_pytorchs(case, golden):
    torch = pytest.importorskip("torch")
    cls = getattr(torch.optim, case.split()[0])
    live = trajectory(torch, cls, CASES[case], lambda a: torch.tensor(a, requires_grad=True))
    compare_trajectory(case, live)


# ---- what a step does besides --------------------------------------------------------------------
def step_once(optimizer, p):
    optimizer.zero_grad()
    (p * p).sum().backward()
    optimizer.step()


@pytest.mark.parametrize("case", CASES)
def test_a_saved_optimiser_goes_on_bit_for_bit(case):
    from microgradx import Tensor, optim  # noqa: PLC0415

    cls = getattr(optim, case.split()[0])
    p = Tensor([1.0, -2.0, 3.0], dtype="float32")
    optimizer = cls([p], **CASES[case])
    for _ in range(3):
        step_once(optimizer, p)
    q = Tensor(p.numpy())
    again = cls([q], **CASES[case])
    again.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        step_once(optimizer, p)
        step_once(again, q)
    assert p.numpy().tobytes() == q.numpy().tobytes()


@pytest.mark.quick
@pytest.mark.parametrize("name", DEFAULTS)
def test_a_step_writes_into_the_parameters_own_array(name):
    from microgradx import Tensor, optim  # noqa: PLC0415

    p = Tensor([1.0, 2.0])
    alias = p.data
    step_once(getattr(optim, name)([p]), p)
    assert alias is p.data
    assert (alias != [1.0, 2.0]).all()
    assert p.grad.tolist() == [2.0, 4.0]


def test_a_step_between_forward_and_backward_is_noticed():
    from microgradx import Tensor, errors, optim  # noqa: PLC0415

    p = Tensor([1.0])
    optimizer = optim.SGD([p])
    late = (p * p).sum()
    step_once(optimizer, p)
    with pytest.raises(errors.DataChangedError):
        late.backward()


def test_groups_have_rates_of_their_own():
    from microgradx import Tensor, optim  # noqa: PLC0415

    p, q = Tensor(1.0), Tensor(1.0)
    optimizer = optim.SGD([{"params": p, "lr": 0.5}, {"params": [q]}], lr=0.25)
    (p + q).backward()
    optimizer.step()
    assert (p.item(), q.item()) == (0.5, 0.75)


def test_parameters_without_a_gradient_stay():
    from microgradx import Tensor, optim  # noqa: PLC0415

    p, q = Tensor(1.0), Tensor(1.0)
    optimizer = optim.Adam([p, q], weight_decay=0.1)
    p.backward()
    optimizer.step()
    assert q.item() == 1.0


def test_moments_never_decay_into_denormals():
    from microgradx import Tensor, optim  # noqa: PLC0415

    p = Tensor([1.0], dtype="float32")
    optimizer = optim.Adam([p])
    p.grad = [1.0]
    optimizer.step()
    p.grad = [0.0]
    for _ in range(999):
        optimizer.step()
    assert optimizer.state[0]["exp_avg"].tolist() == [0.0]  # 0.9^1000 = 1.7e-46, a denormal


@pytest.mark.parametrize(("part", "top"), [(0.0, 0), (0.1, 0), (0.5, 4), (1.0, 9)])
def test_a_cycle_has_its_top_where_it_is_asked_for(part, top):
    from microgradx import Tensor, optim  # noqa: PLC0415

    optimizer = optim.SGD([Tensor([1.0])], lr=0.1)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=10, pct_start=part)
    found = []
    for _ in range(10):
        found += schedule.get_last_lr()
        schedule.step()
    assert found.index(max(found)) == top
    assert max(found) == pytest.approx(1.0, abs=0.03)


def test_mistakes_are_answered():
    from microgradx import Tensor, errors, nn, optim  # noqa: PLC0415

    p = Tensor([1.0])
    table = [
        (lambda: optim.SGD(p), "SGD: the parameters are a single Tensor. Pass a list: [w]."),
        (lambda: optim.SGD([]), "SGD: there are no parameters. Pass model.parameters()."),
        (lambda: optim.SGD([p, p]), "SGD: a parameter comes twice. Pass each parameter once."),
        (lambda: optim.Adam([p], lr=-1), "Adam: lr is -1. Pass lr of 0 or more."),
        (lambda: optim.Adam([p], lr=float("nan")), "Adam: lr is nan. Pass lr of 0 or more."),
        (
            lambda: optim.Adam([p], betas=(1.0, 0.9)),
            "Adam: betas are (1.0, 0.9). Pass two numbers from 0 to below 1.",
        ),
        (
            lambda: optim.Adam([p], betas=(0.9,)),
            "Adam: betas are (0.9,). Pass two numbers from 0 to below 1.",
        ),
        (
            lambda: optim.Adam([p], betas=0.9),
            "Adam: betas are 0.9. Pass two numbers from 0 to below 1.",
        ),
        (
            lambda: optim.SGD(nn.Linear(2, 2)),
            "SGD: the parameters are a Linear. Pass model.parameters().",
        ),
        (
            lambda: optim.SGD([{"lr": 0.1}]),
            "SGD: a group has no 'params', only ['lr']. "
            'Pass {"params": [...], "lr": 0.1}, for example.',
        ),
        (
            lambda: optim.lr_scheduler.CosineAnnealingLR(0.1, 10),
            "CosineAnnealingLR: its first argument is a float instead of an optimizer. "
            "Pass the optimizer whose rates to set.",
        ),
        (
            lambda: optim.lr_scheduler.ReduceLROnPlateau([p]),
            "ReduceLROnPlateau: its first argument is a list instead of an optimizer. "
            "Pass the optimizer whose rates to set.",
        ),
        (
            lambda: optim.lr_scheduler.StepLR(optim.SGD([p]), "3"),
            "StepLR: step_size is '3'. Pass a positive integer for step_size.",
        ),
        (
            lambda: optim.lr_scheduler.SequentialLR(
                optim.SGD([p]), [optim.lr_scheduler.StepLR(optim.SGD([p]), 3)], []
            ),
            "SequentialLR: a schedule is of another optimizer. Make all of the same optimizer.",
        ),
        (lambda: optim.SGD([p], lr="0.1"), "SGD: lr is '0.1'. Pass lr of 0 or more."),
        (lambda: optim.RMSprop([p], alpha=1.5), "RMSprop: alpha is 1.5. Pass alpha from 0 to 1."),
        (lambda: optim.Adadelta([p], rho=-0.1), "Adadelta: rho is -0.1. Pass rho from 0 to 1."),
        (
            lambda: optim.Adagrad([p], lr_decay=-1.0),
            "Adagrad: lr_decay is -1.0. Pass lr_decay of 0 or more.",
        ),
        (
            lambda: optim.RAdam([{"params": [p], "amsgrad": True}]),
            "RAdam: it has no option 'amsgrad'. Options are lr, betas, eps, weight_decay.",
        ),
        (
            lambda: optim.SGD([p * 2]),
            "SGD: a parameter is the result of mul. Pass leaf Tensors, such as model.parameters().",
        ),
        (
            lambda: optim.SGD([p], nesterov=True),
            "SGD: nesterov needs momentum and no dampening. Pass momentum=0.9, for example.",
        ),
        (
            lambda: optim.SGD([p]).load_state_dict({}),
            "SGD.load_state_dict: this is no state of an optimizer. Pass what state_dict() gave.",
        ),
    ]
    for call, message in table:
        with pytest.raises(errors.MicrogradxError) as caught:
            call()
        assert str(caught.value) == message


def test_an_option_is_not_written_where_nobody_reads_it():
    from microgradx import Tensor, errors, optim  # noqa: PLC0415

    w = Tensor([1.0])
    optimizer = optim.SGD([w], lr=0.5)
    with pytest.raises(errors.ArgumentError) as caught:
        optimizer.lr = 5
    assert str(caught.value) == (
        "SGD: lr is an option of its parameter groups, and is read there alone. "
        "Write optimizer.param_groups[0]['lr'] = 5."
    )
    optimizer.note = "of the user"
    w.sum().backward()
    optimizer.step()
    assert w.item() == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["state"][0].update(step="x"), "parameter 0 has done 'x' steps"),
        (lambda s: s["state"][0].update(exp_avg=0.0), "exp_avg of parameter 0 has shape None"),
        (lambda s: s["state"][0].pop("exp_avg"), "parameter 0 has ['exp_avg_sq', 'step']"),
        (lambda s: s["param_groups"][0].update(lr="x"), "its options are none (Adam: lr is 'x'."),
        (lambda s: s["param_groups"][0].update(betas=None), "its options are none ("),
        (lambda s: s.pop("state"), "this is no state of an optimizer"),
    ],
)
def test_a_state_that_makes_no_sense_changes_nothing(change, message):
    from microgradx import Tensor, errors, optim  # noqa: PLC0415

    w = Tensor([1.0, 2.0])
    optimizer = optim.Adam([w])
    (w * w).sum().backward()
    optimizer.step()
    state, before = optimizer.state_dict(), optimizer.state_dict()
    change(state)
    with pytest.raises(errors.CheckpointError) as caught:
        optimizer.load_state_dict(state)
    assert message in str(caught.value)
    assert str(optimizer.state_dict()) == str(before)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(of_pytorch(), separators=(",", ":")) + "\n")
