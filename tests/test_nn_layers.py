"""Layers and losses compute what PyTorch's compute, forward and backward, under the same keys.

The numbers in ``golden/nn.json`` come from PyTorch; ``python tests/test_nn_layers.py`` writes them
anew where PyTorch is installed, and ``pytest -m torch`` compares with it live.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import microgradx as mg
from microgradx import nn

GOLDEN = Path(__file__).parent / "golden" / "nn.json"


def numbers(*shape, start=0.0):
    """Numbers that look random, the same everywhere."""
    size = int(np.prod(shape))
    return (np.sin(np.arange(size) * 12.9898 + start) * 43758.5453 % 2 - 1).reshape(shape)


IMAGES, ROWS, SEQUENCES = numbers(3, 4, 6, 6), numbers(5, 4), numbers(5, 2, 4)
LAYERS = {
    "Linear": (lambda nn: nn.Linear(4, 3), [ROWS]),
    "Linear no bias": (lambda nn: nn.Linear(4, 3, bias=False), [numbers(2, 3, 4)]),
    "Bilinear": (lambda nn: nn.Bilinear(4, 3, 2), [ROWS, numbers(5, 3, start=1)]),
    "Conv1d": (lambda nn: nn.Conv1d(4, 3, 3, stride=2, padding=1), [numbers(2, 4, 7)]),
    "Conv2d": (lambda nn: nn.Conv2d(4, 2, 3), [IMAGES]),
    "Conv2d groups": (
        lambda nn: nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, dilation=(1, 2), groups=2),
        [IMAGES],
    ),
    "ConvTranspose2d": (
        lambda nn: nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1),
        [IMAGES],
    ),
    "MaxPool1d": (lambda nn: nn.MaxPool1d(2), [numbers(2, 3, 7)]),
    "MaxPool2d": (lambda nn: nn.MaxPool2d(3, stride=2, padding=1), [IMAGES]),
    "AvgPool1d": (lambda nn: nn.AvgPool1d(2), [numbers(2, 3, 7)]),
    "AvgPool2d": (lambda nn: nn.AvgPool2d(2, padding=1, count_include_pad=False), [IMAGES]),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d((2, 3)), [IMAGES]),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(4), [ROWS]),
    "BatchNorm1d eval": (lambda nn: nn.BatchNorm1d(4).eval(), [ROWS]),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(4), [IMAGES]),
    "BatchNorm2d untracked": (lambda nn: nn.BatchNorm2d(4, track_running_stats=False), [IMAGES]),
    "LayerNorm": (lambda nn: nn.LayerNorm((6, 6)), [IMAGES]),
    "LayerNorm no bias": (lambda nn: nn.LayerNorm(4, bias=False), [ROWS]),
    "RMSNorm": (lambda nn: nn.RMSNorm(4), [ROWS]),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 4), [IMAGES]),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(4, affine=True), [IMAGES]),
    "RNN": (lambda nn: nn.RNN(4, 3, num_layers=2), [SEQUENCES]),
    "RNN relu": (lambda nn: nn.RNN(4, 3, nonlinearity="relu", batch_first=True), [SEQUENCES]),
    "GRU": (lambda nn: nn.GRU(4, 3, bidirectional=True), [SEQUENCES]),
    "LSTM": (lambda nn: nn.LSTM(4, 3, num_layers=2, bidirectional=True), [SEQUENCES]),
    "MultiheadAttention": (lambda nn: nn.MultiheadAttention(4, 2), [SEQUENCES] * 3),
    "Flatten": (lambda nn: nn.Flatten(), [IMAGES]),
    "Unflatten": (lambda nn: nn.Unflatten(1, (2, 2)), [ROWS]),
    "PReLU": (lambda nn: nn.PReLU(4), [IMAGES]),
    "ReLU": (lambda nn: nn.ReLU(), [3 * ROWS]),
    "LeakyReLU": (lambda nn: nn.LeakyReLU(0.2), [3 * ROWS]),
    "ELU": (lambda nn: nn.ELU(0.7), [3 * ROWS]),
    "CELU": (lambda nn: nn.CELU(0.7), [3 * ROWS]),
    "SELU": (lambda nn: nn.SELU(), [3 * ROWS]),
    "GELU": (lambda nn: nn.GELU(), [3 * ROWS]),
    "GELU tanh": (lambda nn: nn.GELU("tanh"), [3 * ROWS]),
    "SiLU": (lambda nn: nn.SiLU(), [3 * ROWS]),
    "Mish": (lambda nn: nn.Mish(), [3 * ROWS]),
    "Sigmoid": (lambda nn: nn.Sigmoid(), [3 * ROWS]),
    "LogSigmoid": (lambda nn: nn.LogSigmoid(), [3 * ROWS]),
    "Tanh": (lambda nn: nn.Tanh(), [3 * ROWS]),
    "Softplus": (lambda nn: nn.Softplus(2.0), [3 * ROWS]),
    "Softsign": (lambda nn: nn.Softsign(), [3 * ROWS]),
    "Hardtanh": (lambda nn: nn.Hardtanh(), [3 * ROWS]),
    "Hardsigmoid": (lambda nn: nn.Hardsigmoid(), [6 * ROWS]),
    "Hardswish": (lambda nn: nn.Hardswish(), [6 * ROWS]),
    "ReLU6": (lambda nn: nn.ReLU6(), [9 * ROWS]),
    "GLU": (lambda nn: nn.GLU(), [ROWS]),
    "Softmax": (lambda nn: nn.Softmax(1), [ROWS]),
    "LogSoftmax": (lambda nn: nn.LogSoftmax(1), [IMAGES]),
}
T = numbers(5, 4, start=2)
P = 0.05 + 0.9 * abs(numbers(5, 4))
LABELS = np.array([0, 3, 1, 1, 2])
MAPS = np.arange(3 * 36).reshape(3, 6, 6) * 7 % 4
SOFT = P / P.sum(1, keepdims=True)
WEIGHT = np.array([1.0, 2.0, 0.5, 3.0])
SIGNS = np.sign(T)
LOSSES = {
    "MSELoss": ({}, [ROWS, T]),
    "MSELoss sum": ({"reduction": "sum"}, [ROWS, T]),
    "L1Loss": ({}, [ROWS, T]),
    "HuberLoss": ({"delta": 0.5}, [ROWS, T]),
    "SmoothL1Loss": ({"beta": 0.5}, [ROWS, T]),
    "BCELoss": ({}, [P, abs(T)]),
    "BCELoss weight": ({"weight": WEIGHT}, [P, abs(T)]),
    "BCEWithLogitsLoss": ({}, [9 * ROWS, abs(T)]),
    "BCEWithLogitsLoss pos": ({"pos_weight": WEIGHT, "reduction": "none"}, [ROWS, abs(T)]),
    "CrossEntropyLoss": ({}, [ROWS, LABELS]),
    "CrossEntropyLoss none": ({"reduction": "none"}, [ROWS, LABELS]),
    "CrossEntropyLoss weight": ({"weight": WEIGHT}, [ROWS, LABELS]),
    "CrossEntropyLoss ignore": ({"ignore_index": 1}, [ROWS, LABELS]),
    "CrossEntropyLoss smooth": (
        {"label_smoothing": 0.1, "weight": WEIGHT, "ignore_index": 1},
        [ROWS, LABELS],
    ),
    "CrossEntropyLoss maps": ({"label_smoothing": 0.2}, [IMAGES, MAPS]),
    "CrossEntropyLoss soft": ({"label_smoothing": 0.1, "weight": WEIGHT}, [ROWS, SOFT]),
    "CrossEntropyLoss one": ({}, [ROWS[0], LABELS[0]]),
    "NLLLoss": ({"weight": WEIGHT}, [ROWS, LABELS]),
    "NLLLoss maps": ({"reduction": "sum"}, [IMAGES, MAPS]),
    "KLDivLoss": ({"reduction": "batchmean"}, [ROWS, SOFT]),
    "KLDivLoss log": ({"log_target": True}, [ROWS, np.log(SOFT)]),
    "HingeEmbeddingLoss": ({}, [2 * ROWS, SIGNS]),
    "MarginRankingLoss": ({"margin": 0.3}, [ROWS, T, SIGNS]),
    "MultiMarginLoss": ({"p": 2}, [ROWS, LABELS]),
    "SoftMarginLoss": ({}, [3 * ROWS, SIGNS]),
}


def first(out):
    return out[0] if isinstance(out, tuple) else out


def flat(out):
    """All arrays in an output, as one list."""
    if isinstance(out, tuple):
        return [x for part in out for x in flat(part)]
    return np.asarray(out.detach().numpy()).ravel().tolist()


def run_layer(nn, build, inputs, make):
    """Output, gradients and state of a layer whose parameters are set by a rule."""
    layer = build(nn).double()
    state = {}
    for i, (key, tensor) in enumerate(layer.state_dict().items()):
        fill = numbers(*tensor.shape, start=i) if tensor.shape else np.zeros((), np.int64)
        state[key] = abs(fill) + 0.5 if key == "running_var" else fill
    from_arrays = layer.load_state_dict
    from_arrays({k: make(v, track=False) for k, v in state.items()})
    args = [make(x, track=True) for x in inputs]
    out = layer(*args)
    weights = numbers(*first(out).shape, start=3)
    (first(out) * make(weights, track=False)).sum().backward()
    return {
        "out": flat(out),
        "input": [np.asarray(x.grad).ravel().tolist() for x in args],
        "parameters": {k: np.asarray(p.grad).ravel().tolist() for k, p in layer.named_parameters()},
        "state": {k: np.asarray(v.detach().numpy()).ravel().tolist() for k, v in layer.state_dict().items()},
    }  # fmt: skip


def run_loss(nn, case, make):
    options, inputs = LOSSES[case]
    options = {
        k: make(v, track=False) if isinstance(v, np.ndarray) else v for k, v in options.items()
    }
    x = make(inputs[0], track=True)
    rest = [make(a, track=False) for a in inputs[1:]]
    out = getattr(nn, case.split()[0])(**options)(x, *rest)
    out.sum().backward()
    return {"out": flat(out), "input": np.asarray(x.grad).ravel().tolist()}


def make_torch(a, track):
    import torch  # noqa: PLC0415

    return torch.tensor(a, requires_grad=track)


def make_mine(a, track):
    from microgradx import Tensor  # noqa: PLC0415

    return Tensor(a, requires_grad=track)


def rounded(x):
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, list) else float(f"{x:.10g}")


def of_pytorch():
    from torch import nn  # noqa: PLC0415

    layers = {case: run_layer(nn, *LAYERS[case], make_torch) for case in LAYERS}
    losses = {case: run_loss(nn, case, make_torch) for case in LOSSES}
    return {"layers": layers, "losses": losses}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


# PyTorch keeps constants such as 1/6 of these in single precision.
SINGLE = {"CELU", "Hardsigmoid", "Hardswish"}


def same(mine, theirs, where="", tolerance=1e-8):
    if isinstance(theirs, dict):
        assert list(mine) == list(theirs)
        for key, value in theirs.items():
            same(mine[key], value, f"{where} {key}", tolerance)
    elif theirs and isinstance(theirs[0], list):
        for a, b in zip(mine, theirs, strict=True):
            same(a, b, where, tolerance)
    else:
        assert mine == pytest.approx(theirs, rel=tolerance, abs=tolerance / 10), where


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_gives_pytorchs_numbers(case, golden):
    from microgradx import nn  # noqa: PLC0415

    tolerance = 1e-7 if case in SINGLE else 1e-8
    same(run_layer(nn, *LAYERS[case], make_mine), golden["layers"][case], case, tolerance)


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_gives_pytorchs_numbers(case, golden):
    from microgradx import nn  # noqa: PLC0415

    same(run_loss(nn, case, make_mine), golden["losses"][case])


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")  # PyTorch's advice on kl_div
@pytest.mark.parametrize("case", [*LAYERS, *LOSSES])
def test_the_recorded_numbers_are_this_pytorchs(case, golden):
    torch = pytest.importorskip("torch")
    if case in LAYERS:
        same(run_layer(torch.nn, *LAYERS[case], make_torch), golden["layers"][case])
    else:
        same(run_loss(torch.nn, case, make_torch), golden["losses"][case])


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(rounded(of_pytorch()), separators=(",", ":")) + "\n")


# ---- memory: an update reads weight and gradient in the order in which they lie -------------------
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gradient_of_a_weight_lies_in_memory_as_the_weight_does(order):
    layer = nn.Linear(3, 2, rng=0)
    layer.weight.data = np.array(layer.weight.data, order=order)
    x = np.arange(12.0, dtype="f4").reshape(4, 3)
    layer(x).backward(np.ones((4, 2), "f4"))
    assert layer.weight.grad.flags[f"{order}_CONTIGUOUS"]
    np.testing.assert_array_equal(layer.weight.grad, np.ones((2, 4), "f4") @ x)


def test_new_weights_lie_column_by_column_and_stay_so():
    layer = nn.Linear(3, 2, rng=0)
    optimizer = mg.optim.Adam(layer.parameters())
    layer.load_state_dict(nn.Linear(3, 2, rng=1).state_dict())
    layer(np.ones((1, 3), "f4")).sum().backward()
    optimizer.step()
    moment = optimizer.state[0]["exp_avg"]
    for array in (layer.weight.data, layer.weight.grad, moment):
        assert array.flags.f_contiguous
        assert not array.flags.c_contiguous


def test_a_gradient_belongs_to_its_leaf_alone():
    x = mg.Tensor(np.ones((2, 3)))
    y = x.T
    z = y * 2
    z.backward(np.arange(6.0).reshape(3, 2))
    assert not np.shares_memory(x.grad, y.grad)
    assert x.grad.tolist() == [[0.0, 4.0, 8.0], [2.0, 6.0, 10.0]]
