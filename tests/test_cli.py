"""The `microgradx` command: its answers to mistakes, and the digits it learns."""

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from microgradx.cli import main
from microgradx.files import load_arrays

MNIST = Path(os.environ.get("MICROGRADX_MNIST", "no MNIST here"))
SHAPES = {"0.weight": (128, 784), "0.bias": (128,), "2.weight": (10, 128), "2.bias": (10,)}


@pytest.fixture
def few_digits(tmp_path):
    """A directory with four IDX files: 200 images in which row k of the picture says k."""
    folder = tmp_path / "few"
    folder.mkdir()
    for part in ("train", "t10k"):
        labels = np.arange(200, dtype=np.uint8) % 10
        images = np.zeros((200, 28, 28), np.uint8)
        images[np.arange(200), 2 * labels + 4] = 255
        header = struct.pack(">4B3I", 0, 0, 8, 3, 200, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        header = struct.pack(">4BI", 0, 0, 8, 1, 200)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return folder


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    """Run the command in an empty directory: exit code, standard output, standard error."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code
        return code, *capsys.readouterr()

    return run


@pytest.mark.quick
def test_digits_learns_tells_and_saves(command, few_digits):
    code, out, err = command("digits", "--data", few_digits, "--epochs", 3)
    first, *epochs, last, pictures = out.splitlines()
    assert code == 0
    assert pictures == "pictures of the network and its loss: digits-network.svg, digits-loss.svg"
    assert first == "784-128-10 network, 200 digits to learn from, 200 to test on, seed 0"
    losses = []
    for number, line in enumerate(epochs, 1):
        found = re.fullmatch(r"epoch (\d)/3: loss (\d\.\d{4}), test accuracy (\d+\.\d\d)%", line)
        assert int(found[1]) == number
        losses.append(float(found[2]))
    assert len(losses) == 3
    assert losses == sorted(losses, reverse=True)
    assert re.fullmatch(
        r"test accuracy 100\.00% after 3 epochs in \d+\.\d s; weights saved to digits\.npz", last
    )
    assert "epoch 1/3" in err  # the progress bar
    weights = load_arrays("digits.npz")
    assert {name: array.shape for name, array in weights.items()} == SHAPES
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}


def test_digits_draws_its_network_and_its_loss(command, few_digits):
    command("digits", "--data", few_digits, "--epochs", 3)
    network, curve = Path("digits-network.svg").read_text(), Path("digits-loss.svg").read_text()
    assert "2 params (100,480 numbers)" in network  # 784 * 128 + 128
    assert "2 params (1,290 numbers)" in network  # 128 * 10 + 10
    assert "‖grad params‖" in network
    assert curve.count("<circle") == 3
    command("digits", "--data", few_digits, "--epochs", 1, "--no-pictures", "--out", "plain.npz")
    assert not list(Path().glob("plain*.svg"))


def test_the_saved_weights_are_the_trained_ones(command, few_digits):
    command("digits", "--data", few_digits, "--epochs", 3, "--out", "w.npz")
    w = load_arrays("w.npz")
    images = np.zeros((10, 28, 28), np.float32)
    images[np.arange(10), 2 * np.arange(10) + 4] = 1
    hidden = np.maximum(images.reshape(10, -1) @ w["0.weight"].T + w["0.bias"], 0)
    answers = (hidden @ w["2.weight"].T + w["2.bias"]).argmax(axis=1)
    assert answers.tolist() == list(range(10))


def test_the_seed_decides_every_bit(command, few_digits):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        arguments = ("--data", few_digits, "--epochs", 2, "--seed", seed, "--out", f"{name}.npz")
        assert command("digits", *arguments)[0] == 0
    files = {name: Path(f"{name}.npz").read_bytes() for name in "abc"}
    assert files["a"] == files["b"]
    assert files["a"] != files["c"]


def test_hash_seed_and_threads_change_no_bit(tmp_path, few_digits):
    files = []
    for hash_seed, threads in ((0, 1), (1, 2), (2, 4)):
        out = tmp_path / f"{hash_seed}.npz"
        subprocess.run(
            [
                *(sys.executable, "-m", "microgradx", "digits", "--quiet", "--epochs", "2"),
                *("--data", str(few_digits), "--out", str(out)),
            ],
            env={
                **os.environ,
                "PYTHONHASHSEED": str(hash_seed),
                "OPENBLAS_NUM_THREADS": str(threads),
                "OMP_NUM_THREADS": str(threads),
            },
            check=True,
            capture_output=True,
        )
        files.append(out.read_bytes())
    assert files[0] == files[1] == files[2]


def test_json_is_one_object_a_line(command, few_digits):
    code, out, err = command("digits", "--data", few_digits, "--epochs", 2, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert err == ""
    assert [row["epoch"] for row in rows] == [1, 2, 2]
    assert rows[-1]["out"] == "digits.npz"
    assert rows[-1]["accuracy"] == 1.0
    assert rows[0].keys() == {"epoch", "epochs", "loss", "accuracy"}


def test_eager_and_captured_steps_give_the_same_weights(command, few_digits, tmp_path):
    weights = []
    for option in ([], ["--eager"]):
        out = tmp_path / f"weights{len(option)}.npz"
        code, *_ = command("digits", "--data", few_digits, "--epochs", 2, "--out", out, *option)
        assert code == 0
        with np.load(out) as saved:
            weights.append({name: saved[name].tobytes() for name in saved.files})
    assert weights[0] == weights[1]


def test_quiet_says_one_line(command, few_digits):
    code, out, err = command("digits", "--data", few_digits, "--epochs", 1, "--quiet")
    assert code == 0
    assert err == ""
    assert len(out.splitlines()) == 1


MISTAKES = {
    "no command": ((), "microgradx: the following arguments are required: COMMAND."),
    "unknown command": (("digit",), "argument COMMAND: invalid choice: 'digit'"),
    "unknown option": (("digits", "--sed", "1"), "unrecognized arguments: --sed 1."),
    "no epochs": (("digits", "--epochs", "0"), "argument --epochs: '0' is not a positive integer."),
    "half a batch": (("digits", "--batch-size", "2.5"), "'2.5' is not a positive integer."),
    "seed": (("digits", "--seed", "-1"), "argument --seed: '-1' is not an integer of 0 or more."),
    "rate": (("digits", "--lr", "nan"), "argument --lr: 'nan' is not a positive number."),
    "no rate": (("digits", "--lr", "0"), "argument --lr: '0' is not a positive number."),
    "endless rate": (("digits", "--lr", "inf"), "argument --lr: 'inf' is not a positive number."),
    "directory": (
        ("digits", "--data", "nowhere"),
        "microgradx: mnist: there is no directory 'nowhere'. "
        "Name the one that holds the four IDX files.",
    ),
    "empty directory": (
        ("digits", "--data", "."),
        "microgradx: mnist: '.' has neither train-images-idx3-ubyte nor "
        "train-images-idx3-ubyte.gz. It needs all four IDX files of MNIST.",
    ),
    "output": (
        ("digits", "--out", "no/such/w.npz"),
        "microgradx: no/such/w.npz: cannot be written (No such file or directory). "
        "Choose a file in a directory that exists and may be written.",
    ),
    "output directory": (("digits", "--out", "."), "microgradx: .: cannot be written (Is a dir"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_code_2(command, name):
    arguments, message = MISTAKES[name]
    code, out, err = command(*arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"1", lambda b: b"\1" + b[1:]])
def test_damaged_data_is_one_sentence_and_code_2(command, few_digits, damage):
    path = few_digits / "t10k-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    code, out, err = command("digits", "--data", few_digits)
    assert (code, out) == (2, "")
    assert str(path) in err
    assert len(err.splitlines()) == 1
    assert list(Path().iterdir()) == []


def test_a_diverging_run_is_told_and_not_saved(command, few_digits):
    Path("w.npz").write_bytes(b"old")
    code, _, err = command("digits", "--data", few_digits, "--lr", 1e30, "--out", "w.npz")
    assert code == 2
    assert re.search(r"microgradx: digits: the loss became (nan|inf) in epoch \d+\. ", err)
    assert "Lower --lr, which is 1e+30." in err
    assert Path("w.npz").read_bytes() == b"old"


@pytest.mark.parametrize("rate", [1e6, 1e30])
@pytest.mark.parametrize("eager", [(), ("--eager",)])
def test_a_training_that_diverges_saves_nothing(rate, eager, command, few_digits):
    Path("digits.npz").write_bytes(b"of yesterday")
    code, out, err = command("digits", "--data", few_digits, "--quiet", "--lr", rate, *eager)
    assert code == 2
    assert out == ""
    assert re.fullmatch(
        r"microgradx: digits: the loss (grew from 2\.\d+ to \S+|became (nan|inf)) in epoch 1\. "
        rf"Lower --lr, which is {re.escape(format(rate, 'g'))}\.\n",
        err,
    )
    assert Path("digits.npz").read_bytes() == b"of yesterday"
    assert len(list(Path().iterdir())) == 1


def test_one_epoch_is_not_plural(command, few_digits):
    _, out, _ = command("digits", "--data", few_digits, "--epochs", 1, "--quiet", "--no-pictures")
    assert " after 1 epoch in " in out


@pytest.mark.parametrize("name", ["digits", "thermometer"])
def test_an_unknown_argument_leads_to_the_sub_commands_help(name, command):
    code, _, err = command(name, "--epoch", 3)
    assert code == 2
    assert err == (
        f"microgradx {name}: unrecognized arguments: --epoch 3. See microgradx {name} --help.\n"
    )


def test_an_interrupt_saves_nothing(command, few_digits, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("microgradx.cli.digits.cross_entropy", interrupted)
    code, _, err = command("digits", "--data", few_digits)
    assert code == 130
    assert err.endswith("microgradx: interrupted; nothing was saved.\n")
    assert list(Path().iterdir()) == []


def test_the_installed_module_is_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "microgradx", "digits", "--epochs", "none"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "microgradx digits: argument --epochs: 'none' is not a positive integer. "
        "See microgradx digits --help.\n"
    )


def test_a_reader_that_leaves_is_no_error(tmp_path, few_digits):
    done = subprocess.run(
        f"{sys.executable} -m microgradx digits --data {few_digits} --epochs 2 | true",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Error" not in done.stderr


@pytest.mark.slow
def test_the_digits_in_the_package_are_learnt(command):
    code, out, _ = command("digits", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[-1])["accuracy"] >= 0.94


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.is_dir(), reason="set MICROGRADX_MNIST to the four IDX files")
def test_all_of_mnist_is_learnt(command):
    code, out, _ = command("digits", "--json", "--epochs", 5, "--data", MNIST)
    assert code == 0
    assert json.loads(out.splitlines()[-1])["accuracy"] >= 0.975
