"""`nn.Module`: what it finds, names, saves, loads and prints."""

import copy
import pickle

import numpy as np
import pytest

from microgradx import Tensor, errors, nn


class Net(nn.Module):
    def __init__(self):
        self.scale = Tensor(2.0)
        self.layers = [nn.Linear(2, 3), nn.Linear(3, 1)]
        self.frozen = Tensor([1.0], requires_grad=False)
        self.register_buffer("seen", 0.0)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x * self.scale


@pytest.mark.quick
def test_parameters_are_found_in_lists_and_named_as_pytorch_does():
    names = [name for name, _ in Net().named_parameters()]
    assert names == [
        "scale",
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]


def test_the_state_holds_buffers_but_no_other_constants():
    assert list(Net().state_dict()) == [
        "scale", "seen", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
    ]  # fmt: skip


def test_a_frozen_parameter_stays_one():
    layer = nn.Linear(2, 2)
    layer.weight.requires_grad = False
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_a_shared_tensor_is_one_parameter_under_two_keys():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    b.weight = a.weight
    model = nn.Sequential(a, b)
    assert len(list(model.parameters())) == 3
    assert len(model.state_dict()) == 4


def test_loading_writes_into_the_models_own_arrays():
    model, twin = Net(), Net()
    twin.load_state_dict({k: v.numpy() for k, v in model.state_dict().items()})
    x = np.ones((4, 2), "float32")
    assert (model(x).numpy() == twin(x).numpy()).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("bias"),
            "load_state_dict: the keys 'bias' are missing. "
            "Build the same model, or pass strict=False.",
        ),
        (
            lambda s: s.update(c=1),
            "load_state_dict: the model has no 'c'. Build the same model, or pass strict=False.",
        ),
        (
            lambda s: s.update(bias=np.ones(9)),
            "load_state_dict: 'bias' has shape (9,), the model's (2,). "
            "Build the model with the same sizes.",
        ),
        (
            lambda s: s.update(bias=["x", "y"]),
            "load_state_dict: 'bias' holds data of dtype <U1. Pass arrays of numbers.",
        ),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    layer = nn.Linear(2, 2)
    before = layer.weight.numpy().copy()
    state = {k: v.numpy() + 1 for k, v in layer.state_dict().items()}
    change(state)
    with pytest.raises(errors.CheckpointError) as caught:
        layer.load_state_dict(state)
    assert str(caught.value) == message
    assert (layer.weight.numpy() == before).all()


def test_loading_part_of_a_state_tells_what_differed():
    layer = nn.Linear(2, 2)
    assert layer.load_state_dict({"weight": np.ones((2, 2)), "c": 1}, strict=False) == (
        ["bias"],
        ["c"],
    )
    assert (layer.weight.numpy() == 1).all()


def test_loading_between_forward_and_backward_is_noticed():
    layer = nn.Linear(2, 2)
    loss = (layer(Tensor(np.ones((1, 2), "float32"))) ** 2).sum()
    layer.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(errors.DataChangedError):
        loss.backward()


def test_train_and_eval_reach_all_parts():
    model = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    assert not any(m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())


def test_a_module_that_holds_itself_is_walked_once():
    model = Net()
    model.layers[0].owner = model
    assert len(list(model.modules())) == 3
    assert "(owner): Net(...)" in repr(model)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_whole_and_independent(clone):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.LSTM(3, 2), nn.Dropout(0.1, rng=0))
    model[0].weight.grad = np.ones((3, 2))
    twin = clone(model)
    assert list(twin.state_dict()) == list(model.state_dict())
    assert repr(twin) == repr(model)
    for own, other in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert (own.numpy() == other.numpy()).all()
        assert own is not other
    twin[0].weight.data[:] = 7
    assert (model[0].weight.numpy() != 7).all()


def test_lists_and_dictionaries_of_modules():
    parts = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    both = nn.ModuleList([parts, nn.Linear(1, 2)]).append(nn.Tanh())
    assert (list(parts.keys()), len(both), both[-1].__class__) == (["a", "b"], 3, nn.Tanh)
    names = [name for name, _ in both.named_parameters()]
    assert names == ["0.a.weight", "0.a.bias", "1.weight", "1.bias"]
    assert len(both[:2]) == 2
    with pytest.raises(errors.UnsupportedError, match="part 0 is a function, not a Module"):
        nn.Sequential(lambda x: x)


def test_repr_is_pytorchs():
    assert repr(nn.Sequential(nn.Linear(2, 3, bias=False), nn.ReLU())) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=False)\n  (1): ReLU()\n)"
    )


def test_linear_is_drawn_from_pytorchs_distribution():
    layer = nn.Linear(100, 1000, rng=0)
    w = layer.weight.numpy()
    assert w.dtype == np.float32
    assert np.abs(w).max() <= 0.1
    # Variance of U(-k, k) is k^2 / 3; 100,000 draws are within 5 standard errors, 0.3 % each.
    assert w.var() == pytest.approx(0.01 / 3, rel=0.015)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3), (0, 3)])
def test_linear_takes_any_number_of_leading_axes(shape):
    layer = nn.Linear(3, 2, rng=0, dtype="float64")
    x = Tensor(np.arange(np.prod(shape), dtype=float).reshape(shape))
    y = layer(x)
    y.sum().backward()
    w = layer.weight.numpy()
    assert y.numpy() == pytest.approx(x.numpy() @ w.T + layer.bias.numpy())
    assert x.grad == pytest.approx(np.broadcast_to(w.sum(0), shape))
    assert layer.weight.grad == pytest.approx(np.tile(x.numpy().reshape(-1, 3).sum(0), (2, 1)))


def test_a_layer_of_no_size_is_refused():
    with pytest.raises(errors.ArgumentError) as caught:
        nn.Linear(0, 2)
    assert str(caught.value) == "Linear: in_features is 0. Pass a positive integer for in_features."


def test_an_attribute_called_calls_is_the_users():
    class Counting(nn.Module):
        def __init__(self):
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    model = Counting()
    assert [float(model(Tensor(1.0))) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert model.calls == 3
