"""Every kind of layer and loss, captured: training gives the bits of eager training."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import microgradx as mg
from microgradx import nn, optim
from microgradx.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable


class Words(nn.Module):
    """Rows of a table, attention or not, and a linear layer."""

    def __init__(self, *, attention: bool) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(11, 8), nn.Linear(8, 11)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True) if attention else None
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Any) -> Any:
        """Logits of the next word, at each place."""
        h = self.table(x)
        if self.attention is not None:
            q = self.norm(h)
            h = h + self.attention(q, q, q, need_weights=False)[0]
        return self.head(h).reshape(-1, 11)


class Last(nn.Module):
    """A recurrent layer, and a linear one on its last output."""

    def __init__(self, kind: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.layer, self.head = kind(6, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        """Logits."""
        return self.head(self.layer(x)[0][:, -1])


def rows(rng: np.random.Generator, *shape: int) -> Any:
    """Random float32 rows and labels of three classes."""
    return rng.standard_normal(shape).astype("f4"), rng.integers(0, 3, shape[0])


def words(rng: np.random.Generator) -> Any:
    """Random words, and the next ones."""
    return rng.integers(0, 11, (4, 6)), rng.integers(0, 11, 24)


def perceptron(*inner: nn.Module) -> nn.Module:
    """A network with something in the middle."""
    return nn.Sequential(nn.Linear(6, 16), *inner, nn.Linear(16, 3))


def convolutional() -> nn.Module:
    """Two convolutions with pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3), nn.ReLU(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[Any], Any]]] = {
    "dropout": (lambda: perceptron(nn.ReLU(), nn.Dropout(0.5)), lambda r: rows(r, 8, 6)),
    "batch norm": (lambda: perceptron(nn.BatchNorm1d(16), nn.GELU()), lambda r: rows(r, 8, 6)),
    "layer norm": (lambda: perceptron(nn.LayerNorm(16), nn.SiLU()), lambda r: rows(r, 8, 6)),
    "convolutions": (convolutional, lambda r: rows(r, 9, 1, 12, 12)),
    "embedding": (lambda: Words(attention=False), words),
    "attention": (lambda: Words(attention=True), words),
    "rnn": (lambda: Last(nn.RNN), lambda r: rows(r, 4, 5, 6)),
    "lstm": (lambda: Last(nn.LSTM), lambda r: rows(r, 4, 5, 6)),
    "gru": (lambda: Last(nn.GRU), lambda r: rows(r, 4, 5, 6)),
}


def training(model: nn.Module, *, clip: bool = False) -> Callable[..., Any]:
    """A step with Adam."""
    optimizer = optim.Adam(model.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if clip:
            nn.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        return loss

    return step


def pair(name: str) -> tuple[nn.Module, nn.Module, Callable[[Any], Any]]:
    """Two equal models, and what draws their batches."""
    make, draw = MODELS[name]
    models = []
    for _ in range(2):
        mg.manual_seed(0)
        models.append(make())
    return models[0], models[1], draw


def assert_equal(one: nn.Module, two: nn.Module) -> None:
    """Parameters and buffers (running means) have the same bits."""
    a, b = one.state_dict(), two.state_dict()
    assert a.keys() == b.keys()
    for key in a:
        assert np.array_equal(a[key].numpy(), b[key].numpy()), key


@pytest.mark.parametrize("name", MODELS)
def test_layers_train_to_the_same_bits(name: str) -> None:
    """Losses, parameters and buffers of eight steps are those of eager training."""
    one, two, draw = pair(name)
    eager, replay = training(one), mg.capture(training(two), tune=False)
    rng = np.random.default_rng(1)
    for k in range(8):
        batch = draw(rng)
        mg.manual_seed(k)
        expected = eager(*batch)
        mg.manual_seed(k)
        assert replay(*batch).item() == expected.item()
        assert_equal(one, two)
    assert len(replay.programs) == 1


@pytest.mark.parametrize("name", ["convolutions", "attention", "lstm"])
def test_source_of_layers_needs_numpy_alone(name: str) -> None:
    """The text of a step with kernels of our own has these kernels in it."""
    _, model, draw = pair(name)
    replay = mg.capture(training(model), tune=False)
    rng = np.random.default_rng(1)
    replay(*draw(rng))
    text = replay.program.source()
    assert "import microgradx" not in text
    assert "from microgradx" not in text
    scope: dict[str, Any] = {}
    exec(compile(text, "<source>", "exec"), scope)
    step = scope["build"](replay.program.initial_state())
    for _ in range(3):
        batch = draw(rng)
        assert step(*batch) == replay(*batch).numpy()


def test_gradients_are_clipped_anew_on_each_run() -> None:
    """The norm and the factor belong to each batch, not to the one that was traced."""
    one, two, draw = pair("layer norm")
    eager, replay = training(one, clip=True), mg.capture(training(two, clip=True), tune=False)
    rng = np.random.default_rng(1)
    for _ in range(8):
        batch = draw(rng)
        assert np.isclose(replay(*batch).item(), eager(*batch).item(), rtol=1e-6)
        for p, q in zip(one.parameters(), two.parameters(), strict=True):
            assert np.allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-7)


def test_eval_mode_is_another_program() -> None:
    """A model that is switched to use does not go on dropping."""
    model = perceptron(nn.Dropout(0.5))

    @mg.capture
    def predict(x: Any) -> Any:
        return model(x)

    x = np.ones((4, 6), "f4")
    predict(x)
    model.eval()
    assert np.array_equal(predict(x).numpy(), model(x).numpy())
    assert len(predict.programs) == 2


def test_models_are_copied_and_pickled_after_replays() -> None:
    """Data and gradients in a program's memory are ordinary arrays to everybody else."""
    _, model, draw = pair("layer norm")
    replay = mg.capture(training(model))
    replay(*draw(np.random.default_rng(1)))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_equal(model, twin)
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            assert p.grad is not None
            assert q.grad is None or np.array_equal(p.grad, q.grad)


def test_words_out_of_range_are_refused() -> None:
    """A row number that the table does not have is an error on every run."""
    _, model, draw = pair("embedding")
    replay = mg.capture(training(model))
    x, y = draw(np.random.default_rng(1))
    replay(x, y)
    with pytest.raises(IndexError):
        replay(np.full_like(x, 11), y)


def test_weights_keep_their_order_of_memory_and_with_it_eager_codes_bits():
    rng = np.random.default_rng(5)
    rows, labels = rng.normal(size=(64, 300)).astype("float32"), rng.integers(0, 10, 64)
    found = []
    for captured in (False, True):
        model = nn.Sequential(nn.Linear(300, 96, rng=0), nn.ReLU(), nn.Linear(96, 10, rng=1))
        optimizer = optim.Adam(model.parameters(), weight_decay=1e-3)

        def step(x, y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        call = mg.capture(step, tune=False) if captured else step
        with threadpool_limits(1):
            for _ in range(5):
                call(rows, labels)
        assert model[0].weight._data.flags.f_contiguous
        moments = [state["exp_avg"] for state in optimizer.state]
        found.append([a.tobytes() for a in (*(p.numpy() for p in model.parameters()), *moments)])
    assert found[0] == found[1]
