"""Functions of `nn` beyond what the layers' comparison covers: chance, attention, look-ups, errors."""

import math

import numpy as np
import pytest

import microgradx as mg
from microgradx import Tensor, data, errors, nn, optim
from microgradx.nn import functional as F

Q, K, V = [np.sin(np.arange(24.0) + i).reshape(2, 3, 4) for i in range(3)]


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---- attention -----------------------------------------------------------------------------------
def test_attention_is_a_weighted_mean():
    scores = Q @ K.swapaxes(1, 2) / 2
    out = F.scaled_dot_product_attention(Q, K, V)
    assert out.numpy() == pytest.approx(softmax(scores) @ V)
    causal = np.where(np.tri(3), scores, -np.inf)
    expected = softmax(causal) @ V
    assert F.scaled_dot_product_attention(Q, K, V, is_causal=True).numpy() == pytest.approx(
        expected
    )
    mask = np.tri(3, dtype=bool)
    assert F.scaled_dot_product_attention(Q, K, V, mask).numpy() == pytest.approx(expected)
    added = np.where(mask, 0.0, -1e9)
    assert F.scaled_dot_product_attention(Q, K, V, added).numpy() == pytest.approx(expected)
    with pytest.raises(errors.ArgumentError, match="both attn_mask and is_causal"):
        F.scaled_dot_product_attention(Q, K, V, mask, is_causal=True)


def test_hidden_positions_have_no_influence():
    layer = nn.MultiheadAttention(4, 2, batch_first=True, rng=0, dtype=float)
    changed = Q.copy()
    changed[:, 2] += 5
    out, weights = layer(Q, Q, Q, is_causal=True)
    other, _ = layer(changed, changed, changed, is_causal=True)
    assert other.numpy()[:, :2] == pytest.approx(out.numpy()[:, :2])
    assert np.triu(weights.numpy()[0], 1) == pytest.approx(0)
    padding = np.array([[False, False, True]] * 2)
    out, weights = layer(Q, Q, Q, key_padding_mask=padding, average_attn_weights=False)
    assert weights.shape == (2, 2, 3, 3)
    assert weights.numpy()[..., 2] == pytest.approx(0)
    assert layer(Q, Q, Q, need_weights=False)[1] is None


# ---- chance --------------------------------------------------------------------------------------
def test_dropout_keeps_the_mean_and_drops_the_asked_part():
    x = Tensor(np.ones((200, 200), "float32"))
    z = F.dropout(x, 0.25, rng=0)
    kept = z.numpy() != 0
    assert z.dtype == np.float32
    assert kept.mean() == pytest.approx(0.75, abs=0.01)
    assert z.numpy()[kept] == pytest.approx(4 / 3)
    z.sum().backward()
    assert (x.grad == z.numpy()).all()


def test_dropout2d_drops_whole_channels():
    z = F.dropout2d(np.ones((50, 8, 3, 3)), 0.5, rng=0).numpy()
    assert set(np.unique(z.mean(axis=(2, 3)))) == {0.0, 2.0}


def test_dropout_does_nothing_in_evaluation_and_everything_at_1():
    x = Tensor([1.0, 2.0])
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 1.0).tolist() == [0.0, 0.0]
    assert nn.Sequential(nn.Dropout(0.9)).eval()(x) is x


# ---- look-ups ------------------------------------------------------------------------------------
def test_embedding_adds_up_the_gradients_of_a_row():
    table = Tensor(np.arange(8.0).reshape(4, 2))
    F.embedding([[1, 1], [3, 0]], table, padding_idx=0).sum().backward()
    assert table.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]
    layer = nn.Embedding(5, 3, padding_idx=-1, rng=0)
    assert (layer.weight.numpy()[4] == 0).all()
    assert repr(layer) == "Embedding(5, 3, padding_idx=-1)"


def test_one_hot_rows():
    assert F.one_hot([[0, 2]]).tolist() == [[[1, 0, 0], [0, 0, 1]]]
    assert F.one_hot([1], 3).tolist() == [[0, 1, 0]]


PADS = {
    "constant": [[7, 7, 7, 7], [7, 1, 2, 3], [7, 4, 5, 6]],
    "replicate": [[1, 1, 2, 3], [1, 1, 2, 3], [4, 4, 5, 6]],
    "reflect": [[5, 4, 5, 6], [2, 1, 2, 3], [5, 4, 5, 6]],
    "circular": [[6, 4, 5, 6], [3, 1, 2, 3], [6, 4, 5, 6]],
}


@pytest.mark.parametrize("mode", PADS)
def test_borders_in_pytorchs_order(mode):
    x = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert F.pad(x, (1, 0, 1, 0), mode, value=7.0).tolist() == PADS[mode]
    with pytest.raises(errors.ArgumentError, match="3 numbers for 2 axes"):
        F.pad(x, (1, 0, 1), mode)


# ---- lengths -------------------------------------------------------------------------------------
def test_normalise_and_cosine():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert F.normalize(x).tolist() == [[0.6, 0.8], [0.0, 0.0]]
    assert F.normalize(x, p=1.0).numpy()[0] == pytest.approx([3 / 7, 4 / 7])
    assert F.cosine_similarity([[1.0, 0.0]], [[1.0, 1.0]]).item() == pytest.approx(math.sqrt(0.5))
    zero = Tensor([[0.0, 0.0]])
    F.normalize(zero).sum().backward()
    assert np.isfinite(zero.grad).all()


def test_batches_that_cannot_be_normalised_are_refused():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(errors.ShapeError, match="one number a channel, so no variance"):
        layer(np.ones((1, 3), "float32"))
    assert layer.eval()(np.ones((1, 3), "float32")).shape == (1, 3)
    with pytest.raises(errors.ShapeError, match=r"of shape \(5, 4\) has 4 channels, not 3"):
        layer(np.ones((5, 4), "float32"))


# ---- losses --------------------------------------------------------------------------------------
def test_the_hinge_loss_counts_up_to_its_margin():
    x = Tensor([2.0, 0.5, -1.0])
    loss = F.hinge_loss(x, [1.0, 1.0, 1.0], reduction="none")
    assert loss.tolist() == [0.0, 0.5, 2.0]
    loss.sum().backward()
    assert x.grad.tolist() == [0.0, -1.0, -1.0]
    assert nn.HingeLoss(margin=3.0, reduction="sum")(x, [1.0, 1.0, 1.0]).item() == 7.5


def test_losses_stay_finite_at_extremes():
    x = Tensor([1e4, -1e4, 0.0])
    F.binary_cross_entropy_with_logits(x, [1.0, 0.0, 1.0]).backward()
    assert x.grad.tolist() == pytest.approx([0.0, 0.0, -1 / 6])
    logits = Tensor([[1e4, -1e4], [-np.inf, 0.0]])
    F.cross_entropy(logits, [0, 1]).backward()
    assert logits.grad.tolist() == [[0, 0], [0, 0]]


def test_float64_targets_leave_a_float32_loss_alone():
    x = Tensor([1.0, 2.0], dtype="float32")
    assert F.mse_loss(x, np.array([1.0, 3.0])).dtype == np.float32


MISTAKES = [
    (
        lambda: F.mse_loss(np.ones((3, 1)), np.ones(3)),
        "mse_loss: the answer has shape (3, 1), the target (3,). "
        "Reshape one of them: they are compared number by number.",
    ),
    (
        lambda: F.mse_loss([1.0], [1.0], reduction="avg"),
        "mse_loss: reduction 'avg' is unknown. Use 'mean', 'sum' or 'none'.",
    ),
    (
        lambda: F.binary_cross_entropy([1.5], [1.0]),
        "binary_cross_entropy: the answers run from 1.5 to 1.5. "
        "Pass probabilities, or use binary_cross_entropy_with_logits.",
    ),
    (
        lambda: F.cross_entropy([[1.0, 2.0]], [2]),
        "cross_entropy: labels run from 2 to 2, but there are 2 classes. "
        "Number the classes from 0.",
    ),
    (
        lambda: F.cross_entropy([[1.0, 2.0]], [-1]),
        "cross_entropy: labels run from -1 to -1, but there are 2 classes. "
        "Number the classes from 0.",
    ),
    (
        lambda: F.cross_entropy([[1.0, 2.0]], [0, 1]),
        "cross_entropy: logits of shape (1, 2) do not go with labels of shape (2,). "
        "Pass labels of shape (1,).",
    ),
    (
        lambda: F.cross_entropy([[1.0, 2.0]], [0.5]),
        "cross_entropy: labels of dtype float64 pick no class. "
        "Pass integers, or probabilities of the logits' shape.",
    ),
    (
        lambda: F.cross_entropy([[1.0, 2.0]], [0], label_smoothing=2.0),
        "cross_entropy: label_smoothing is 2.0. Pass a part from 0 to 1.",
    ),
    (
        lambda: F.cross_entropy([[1.0, 2.0]], [0], weight=[1.0]),
        "cross_entropy: there are 2 classes and weights of shape (1,). Pass one weight a class.",
    ),
    (
        lambda: F.embedding([5], Tensor(np.ones((3, 2)))),
        "embedding: numbers run from 5 to 5, but there are 3. Count from 0.",
    ),
    (
        lambda: F.embedding([0.5], Tensor(np.ones((3, 2)))),
        "embedding: numbers of dtype float64 pick nothing. Pass integers.",
    ),
    (lambda: nn.Dropout(1.5), "Dropout: p is 1.5. Pass a probability from 0 to 1."),
    (lambda: F.glu(np.ones((2, 3))), "glu: axis -1 has the odd size 3. Pass an even size."),
    (lambda: F.gelu([1.0], "fast"), "gelu: approximate is 'fast'. Pass 'none' or 'tanh'."),
    (
        lambda: nn.Conv2d(3, 4, 3, groups=2),
        "Conv2d: 2 groups do not divide 3 and 4 channels. Pass a common divisor.",
    ),
    (
        lambda: nn.MultiheadAttention(5, 2),
        "MultiheadAttention: 2 heads do not divide 5 numbers. Pass a divisor of embed_dim.",
    ),
    (
        lambda: nn.LSTM(3, 2)(np.ones((4, 3))),
        "LSTM: the input has shape (4, 3). Pass (length, batch, 3).",
    ),
    (
        lambda: nn.LayerNorm(3)(np.ones((2, 4))),
        "layer_norm: the last axes of shape (2, 4) are not (3,). Pass the sizes of the last axes.",
    ),
    (
        lambda: nn.GroupNorm(2, 3)(np.ones((2, 3, 4))),
        "group_norm: 2 groups do not divide the channels of shape (2, 3, 4). "
        "Pass a divisor of the number of channels.",
    ),
    (
        lambda: nn.AdaptiveAvgPool2d(3)(np.ones((1, 1, 4, 4))),
        "AdaptiveAvgPool2d: a picture of 4 x 4 does not fall into 3 x 3 windows. "
        "Pass divisors of its sizes.",
    ),
    (
        lambda: nn.Module()(1),
        "Module: the class has no forward method. Define forward(self, x).",
    ),
    (
        lambda: data.DataLoader([]),
        "DataLoader: the data set has no rows. Pass some.",
    ),
]


@pytest.mark.parametrize(("call", "message"), MISTAKES)
def test_mistakes_are_answered(call, message):
    with pytest.raises(errors.MicrogradxError) as caught:
        call()
    assert str(caught.value) == message


# ---- text ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Conv2d(1, 2, 3, padding=1), "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=1)"),
        (nn.MaxPool2d(2), "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"),
        (nn.GRU(3, 4, num_layers=2, batch_first=True), "GRU(3, 4, num_layers=2, batch_first=True)"),
        (nn.Dropout(0.3), "Dropout(p=0.3)"),
        (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
        (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True)"),
        (nn.Bilinear(1, 2, 3), "Bilinear(in1_features=1, in2_features=2, out_features=3, bias=True)"),
        (
            nn.BatchNorm2d(4),
            "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        ),
    ],
)  # fmt: skip
def test_layers_tell_their_arguments(layer, text):
    assert repr(layer) == text


# ---- loaders and schedules -----------------------------------------------------------------------
def test_a_loader_takes_pytorchs_arguments():
    pairs = data.TensorDataset(np.arange(10), -np.arange(10))
    loader = data.DataLoader(pairs, batch_size=3, shuffle=True, drop_last=True, generator=0)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert all((x == -y).all() for x, y in batches)
    assert len({int(i) for x, _ in batches for i in x}) == 9
    again = list(data.DataLoader(pairs, batch_size=3, shuffle=True, drop_last=True, generator=0))
    assert all((a[0] == b[0]).all() for a, b in zip(batches, again, strict=True))


def test_a_warm_up_and_a_schedule_of_ones_own():
    optimizer = optim.SGD([Tensor(0.0)], lr=1.0)
    schedules = optim.lr_scheduler
    up = schedules.LinearLR(optimizer, 0.5, total_iters=2)
    down = schedules.LambdaLR(optimizer, lambda t: 1 / (t + 1))
    both = schedules.SequentialLR(optimizer, [up, down], milestones=[2])
    seen = []
    for _ in range(5):
        seen.append(both.get_last_lr()[0])
        both.step()
    assert seen == pytest.approx([0.5, 0.75, 1.0, 1 / 2, 1 / 3])
    state = both.state_dict()
    both.step()
    both.load_state_dict(state)
    assert both.get_last_lr() == [0.25]
    with pytest.raises(errors.ArgumentError, match="2 schedules and 0 milestones"):
        schedules.SequentialLR(optimizer, [up, down], milestones=[])
    with pytest.raises(errors.CheckpointError, match="Build the same schedule"):
        up.load_state_dict({"best": 1.0})


def test_recurrent_networks_go_on_from_a_state():
    layer = nn.LSTM(2, 3, rng=0, dtype=float)
    x = np.sin(np.arange(12.0)).reshape(6, 1, 2)
    whole, (h, c) = layer(x)
    _, state = layer(x[:4])
    second, (h2, c2) = layer(x[4:], state)
    assert second.numpy() == pytest.approx(whole.numpy()[4:])
    assert (h2.numpy(), c2.numpy()) == (pytest.approx(h.numpy()), pytest.approx(c.numpy()))
    with pytest.raises(errors.ArgumentError, match="nonlinearity is 'sigmoid'"):
        nn.RNN(2, 3, nonlinearity="sigmoid")


def test_parameters_and_parts_can_be_registered_by_name():
    model = nn.Module()
    model.register_parameter("w", nn.Parameter(np.ones(2)))
    model.register_parameter("none", None)
    model.add_module("1st", nn.Linear(1, 1))
    assert [name for name, _ in model.named_parameters()] == ["w", "1st.weight", "1st.bias"]
    assert isinstance(model.w, nn.Parameter)


def test_models_change_their_dtype_and_freeze():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model.double()
    assert {t.dtype.name for t in model.state_dict().values()} == {"float64", "int64"}
    model.float().requires_grad_(False)
    assert {t.dtype.name for t in model.parameters()} == {"float32"}
    loss = model(Tensor(np.ones((3, 2), "float32"))).sum()
    loss.backward()
    assert all(p.grad is None for p in model.parameters())
    seen = []
    model.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["BatchNorm1d", "Linear", "Sequential"]
    assert mg.nn is nn
