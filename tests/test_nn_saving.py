"""Weights in files: whole or not there, refused if damaged, and understood by PyTorch."""

import random

import numpy as np
import pytest

from microgradx import errors, manual_seed, nn

ENDINGS = [".npz", ".safetensors"]


def build(library, **options):
    """A model with parameters of many kinds, and buffers; the same in both libraries."""
    return library.Sequential(
        library.Conv2d(1, 2, 3, **options), library.BatchNorm2d(2, **options), library.ReLU(),
        library.Flatten(), library.Linear(2 * 36, 4, **options), library.LayerNorm(4, **options),
    )  # fmt: skip


X = np.sin(np.arange(128.0)).reshape(2, 1, 8, 8).astype("float32")


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path):
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"weights{request.param}"


def test_weights_come_back(path):
    manual_seed(0)
    model, twin = build(nn), build(nn)
    model(X)  # moves the running means
    nn.save_weights(model, path)
    assert nn.load_weights(twin, path) == ([], [])
    assert (model.eval()(X).numpy() == twin.eval()(X).numpy()).all()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_damaged_file_is_refused_and_changes_nothing(path):
    model = build(nn)
    nn.save_weights(model, path)
    content = path.read_bytes()
    before = [p.numpy().copy() for p in model.parameters()]
    chance = random.Random(0)
    for _ in range(200):
        broken = bytearray(content)
        if chance.random() < 0.5:
            broken = broken[: chance.randrange(len(broken))]
        else:
            for _ in range(chance.randrange(1, 9)):
                broken[chance.randrange(min(len(broken), 400))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        try:
            nn.load_weights(model, path)
        except errors.CheckpointError:
            for p, old in zip(model.parameters(), before, strict=True):
                assert (p.numpy() == old).all()
        else:
            # Safetensors have no checksum: a changed number of a header-less byte may pass.
            assert path.suffix == ".safetensors"
            for p, old in zip(model.parameters(), before, strict=True):
                p.data = old


def test_other_endings_and_other_models_are_refused(path):
    with pytest.raises(errors.CheckpointError) as caught:
        nn.save_weights(nn.ReLU(), "weights.pkl")
    assert "Use .npz or .safetensors" in str(caught.value)
    nn.save_weights(nn.Linear(2, 2), path)
    with pytest.raises(errors.CheckpointError, match="has shape"):
        nn.load_weights(nn.Linear(2, 3), path)
    assert nn.load_weights(nn.Linear(2, 2, bias=False), path, strict=False) == ([], ["bias"])


def test_a_plain_file_of_numpy_is_read(tmp_path):
    path = tmp_path / "weights.npz"
    weight, bias = np.array([[1.0, 2.0]]), np.array([3.0])
    model = nn.Linear(2, 1, rng=0)
    before = model.weight.numpy().copy()
    table = [
        ({"weight": weight}, "load_state_dict: the keys 'bias' are missing. Build the same model"),
        ({"arr_0": weight}, "'weight', 'bias' are missing and the model has no 'arr_0'. Build"),
        ({"weight": weight.T, "bias": bias}, "'weight' has shape (2, 1), the model's (1, 2)."),
        (
            {"weight": weight, "bias": np.array([3.0], object)},
            "is no file of numpy.savez (dtype object). Save arrays of numbers with numpy.savez",
        ),
    ]
    for arrays, message in table:
        np.savez(path, **arrays)
        with pytest.raises(errors.CheckpointError) as caught:
            nn.load_weights(model, path)
        assert message in str(caught.value)
    np.savez_compressed(path, weight=weight, bias=bias)
    with pytest.raises(errors.CheckpointError, match="a member is compressed"):
        nn.load_weights(model, path)
    assert (model.weight.numpy() == before).all()
    np.savez(path, weight=weight, bias=bias)
    assert nn.load_weights(model, path) == ([], [])
    assert model([[10.0, 100.0]]).item() == 213.0


@pytest.mark.torch
def test_weights_go_to_pytorch_and_come_back(path):
    torch = pytest.importorskip("torch")
    manual_seed(0)
    mine, theirs = build(nn), build(torch.nn)
    mine(X)
    nn.save_weights(mine, path)
    if path.suffix == ".npz":
        with np.load(path) as file:
            state = {k: torch.tensor(file[k]) for k in file.files}
    else:
        from safetensors.torch import load_file, save_file  # noqa: PLC0415

        state = load_file(path)
    theirs.load_state_dict(state)
    with torch.no_grad():
        expected = theirs.eval()(torch.tensor(X)).numpy()
        assert mine.eval()(X).numpy() == pytest.approx(expected, rel=1e-5, abs=1e-6)
        for p in theirs.parameters():
            p.mul_(0.5)
        expected = theirs(torch.tensor(X)).numpy()
    if path.suffix == ".npz":
        np.savez(path, **{k: v.numpy() for k, v in theirs.state_dict().items()})
    else:
        save_file(theirs.state_dict(), path)
    nn.load_weights(mine, path)
    assert mine(X).numpy() == pytest.approx(expected, rel=1e-5, abs=1e-6)
