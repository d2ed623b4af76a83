"""Small parameters share memory while they are updated, and nobody can tell but by the clock."""

import copy
import pickle

import numpy as np
import pytest

from microgradx import Tensor, nn, optim
from microgradx.nn.functional import mse_loss
from microgradx.optim import optimizer as rooms
from microgradx.optim import together

KINDS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, amsgrad=True),
    "NAdam": lambda p: optim.NAdam(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.5),
}
X = np.linspace(-1, 1, 12, dtype="f4").reshape(4, 3)


def model():
    return nn.Sequential(
        nn.Linear(3, 5, rng=0), nn.Tanh(), nn.Linear(5, 4, rng=1), nn.Tanh(), nn.Linear(4, 2, rng=2)
    )


def train(net, optimizer, steps=5, frozen=()):
    for k in range(steps):
        optimizer.zero_grad()
        mse_loss(net(X), np.full((4, 2), k % 3, "f4")).backward()
        for p in frozen:
            p.grad = None
        optimizer.step()


def numbers(net, optimizer):
    found = [p.numpy().copy() for p in net.parameters()]
    states = optimizer.state_dict()["state"].values()
    return found + [state[name] for state in states for name in sorted(state)]


def apart(monkeypatch):
    monkeypatch.setattr(rooms, "sorted_out", lambda p, s, _: together.sorted_out(p, s, 10**9))


def same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_updates_have_the_same_bits_together_as_apart(kind, monkeypatch):
    net = model()
    optimizer = KINDS[kind](net.parameters())
    train(net, optimizer)
    assert optimizer._blocks
    assert all(p._data.base is not None for p in net.parameters())
    apart(monkeypatch)
    other = model()
    alone = KINDS[kind](other.parameters())
    train(other, alone)
    assert not alone._blocks
    same(numbers(net, optimizer), numbers(other, alone))


def test_a_parameter_in_somebodys_hands_keeps_its_memory():
    net = model()
    held = net[0].weight.data
    optimizer = optim.Adam(net.parameters())
    before = held.copy()
    train(net, optimizer)
    assert held is net[0].weight.data
    assert not np.array_equal(held, before)
    later = net[2].bias.data  # handed out between steps: from now on it is updated by itself
    train(net, optimizer)
    assert later is net[2].bias.data


def test_what_is_assigned_between_steps_is_taken_up(monkeypatch):
    def run():
        net = model()
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        train(net, optimizer)
        saved = optimizer.state_dict()
        net[2].weight.data = np.ones((4, 5), "f4")
        train(net, optimizer, 2, frozen=[net[4].bias])
        train(net, optimizer, 2)
        optimizer.load_state_dict(saved)
        net.load_state_dict({k: v * 0.5 for k, v in net.state_dict().items()})
        train(net, optimizer, 2)
        return numbers(net, optimizer)

    first = run()
    apart(monkeypatch)
    same(first, run())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_like_the_original(copied):
    net = model()
    optimizer = optim.Adam(net.parameters())
    train(net, optimizer)
    twin, second = copied((net, optimizer))
    train(net, optimizer)
    train(twin, second)
    same(numbers(net, optimizer), numbers(twin, second))


def test_a_graph_from_before_the_step_is_refused_not_misread():
    w = [Tensor(np.full(3, 1.0 + k)) for k in range(4)]
    optimizer = optim.SGD(w, lr=0.1)
    loss = sum((p * p).sum() for p in w)
    loss.backward()
    optimizer.step()
    with pytest.raises(Exception, match="overwritten"):
        loss.backward()


def test_large_or_lone_parameters_stay_where_they_are():
    big, lone = Tensor(np.ones(together.SMALL + 1)), Tensor(np.ones(3))
    optimizer = optim.Adam([big, lone])
    (big.sum() + lone.sum()).backward()
    memory = big._data, lone._data
    optimizer.step()
    assert big._data is memory[0]
    assert lone._data is memory[1]
