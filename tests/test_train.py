"""`train.fit` and what surrounds it: breaks, divergence, early stopping, measures."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from microgradx import Tensor, data, errors, files, manual_seed, nn, optim, train
from microgradx.nn.functional import mse_loss
from microgradx.train.training import Training

X = np.sin(np.arange(120.0)).reshape(40, 3).astype("float32")
Y = (X.sum(axis=1) > 0).astype(np.int64)


def build(name="Adam", schedule=None):
    """A small network with chance in it, and its optimiser."""
    manual_seed(7)
    model = nn.Sequential(
        nn.Linear(3, 8, rng=1),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, 2, rng=2),
    )
    options = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(optim, name)(model.parameters(), lr=0.02, **options)
    made = None if schedule is None else schedule(optimizer)
    return model, optimizer, made


def digest(model):
    joined = b"".join(t.numpy().tobytes() for t in model.state_dict().values())
    return hashlib.sha256(joined).hexdigest()


def run(name="Adam", schedule=None, by="epoch", **options):
    model, optimizer, made = build(name, schedule)
    history = train.fit(
        model,
        (X, Y),
        optimizer=optimizer,
        schedule=made,
        schedule_by=by,
        epochs=3,
        batch_size=8,
        rng=0,
        **options,
    )
    return model, history


class Break(Exception):  # noqa: N818
    """Stands for the power going off."""


def cut_after(monkeypatch, steps):
    """Let the training die in the step after so many."""
    taken = [0]
    count = Training.count

    def counted(self, value, rows):
        if taken[0] == steps:
            raise Break
        taken[0] += 1
        return count(self, value, rows)

    monkeypatch.setattr(Training, "count", counted)


# ---- going on after a break --------------------------------------------------------------------
SCHEDULES = {
    "none": (None, "epoch"),
    "step": (lambda o: optim.lr_scheduler.StepLR(o, 1, 0.5), "epoch"),
    "cycle": (lambda o: optim.lr_scheduler.OneCycleLR(o, 0.05, total_steps=16), "batch"),
    "plateau": (lambda o: optim.lr_scheduler.ReduceLROnPlateau(o, patience=0), "epoch"),
}


PAIRS = [("SGD", "step"), ("Adam", "none"), ("Adam", "cycle"), ("RMSprop", "plateau")]


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
@pytest.mark.parametrize("capture", [False, True])
def test_a_training_goes_on_to_the_same_bits_from_any_batch(
    name, schedule, capture, tmp_path, monkeypatch
):
    made, by = SCHEDULES[schedule]
    whole, history = run(name, made, by, clip_norm=1.0)
    for cut in (0, 1, 4, 5, 7, 14):  # 3 epochs of 5 batches
        options = {"checkpoint": tmp_path / f"{cut}.npz", "checkpoint_every": 1}
        options |= {"capture": capture, "clip_norm": 1.0}
        with monkeypatch.context() as patch:
            cut_after(patch, cut)
            with pytest.raises(Break):
                run(name, made, by, **options)
        again, resumed = run(name, made, by, **options, resume=True)
        assert digest(again) == digest(whole), f"cut after step {cut}"
        assert resumed["loss"] == history["loss"]


def test_a_checkpoint_of_another_training_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    run("SGD", checkpoint=path)
    model, optimizer, _ = build("Adam")
    before = digest(model)
    with pytest.raises(errors.CheckpointError, match="SGD"):
        train.fit(model, (X, Y), optimizer=optimizer, checkpoint=path, resume=True)
    assert digest(model) == before


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "run.npz"
    run(checkpoint=path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(errors.CheckpointError):
        run(checkpoint=path, resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch", 99), ("states", [{}]), ("history", {"history": {"loss": ["x"]}}), ("epoch", "1")],
)
def test_a_checkpoint_that_makes_no_sense_changes_nothing(name, value, tmp_path):
    path = tmp_path / "run.npz"
    run(checkpoint=path)
    arrays = files.load_arrays(path)
    meta = json.loads(str(arrays["meta"]))
    meta["progress"][name] = value
    arrays["meta"] = np.array(json.dumps(meta))
    files.save_arrays(path, arrays)
    model, optimizer, _ = build()
    before, state = digest(model), optimizer.state_dict()
    rng = np.random.default_rng(0)
    place = rng.bit_generator.state
    with pytest.raises(errors.CheckpointError):
        train.fit(
            model, (X, Y), optimizer=optimizer, batch_size=8, rng=rng, checkpoint=path, resume=True
        )
    assert digest(model) == before
    assert optimizer.state_dict() == state
    assert rng.bit_generator.state == place


SCRIPT = """
import sys, hashlib, numpy as np
from microgradx import nn, optim, train
x = np.random.default_rng(0).normal(size=(2000, 20)).astype("float32")
y = (x[:, 0] > 0).astype(int)
model = nn.Sequential(nn.Linear(20, 16, rng=1), nn.ReLU(), nn.Linear(16, 2, rng=2))
print("ready", flush=True)
train.fit(model, (x, y), optimizer=optim.Adam(model.parameters()), epochs=4, batch_size=20, rng=0,
          checkpoint=sys.argv[1], checkpoint_every=1, resume=True)
print(hashlib.sha256(b"".join(p.numpy().tobytes() for p in model.parameters())).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_9_at_random_points_never_loses_a_training(tmp_path):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OPENBLAS_NUM_THREADS": "1",
    }

    def start(path):
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    whole = start(tmp_path / "whole.npz")
    expected = whole.communicate(timeout=120)[0].split()[-1]
    chance = random.Random(5)
    path = tmp_path / "killed.npz"
    for _ in range(20):
        process = start(path)
        assert process.stdout.readline() == "ready\n"
        try:
            process.wait(chance.uniform(0.0, 0.25))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
    final = start(path)
    assert final.communicate(timeout=120)[0].split()[-1] == expected


def test_ctrl_c_ends_after_a_whole_step_and_keeps_what_was_best(tmp_path):
    path = tmp_path / "run.npz"
    model, optimizer, _ = build()
    taken = []

    def interrupt(answers, labels):
        taken.append(1)
        if len(taken) == 13:
            signal.raise_signal(signal.SIGINT)
        return nn.functional.cross_entropy(answers, labels)

    history = train.fit(
        model,
        (X, Y),
        loss=interrupt,
        optimizer=optimizer,
        epochs=3,
        batch_size=8,
        rng=0,
        checkpoint=path,
    )
    assert history.stopped == "interrupted"
    assert len(history) == 2
    again, _ = run(checkpoint=path, resume=True)
    assert digest(again) == digest(run()[0])


def test_the_log_holds_every_epoch_once_whenever_the_training_dies(tmp_path, monkeypatch):
    path, log = tmp_path / "run.npz", tmp_path / "run.csv"
    options = {"checkpoint": path, "callbacks": [train.CSVLog(log)]}
    with monkeypatch.context() as patch:  # the log has two epochs then, the checkpoint one
        saves = iter([None, Break()])
        save = Training.save

        def dying(self):
            if next(saves) is not None:
                raise Break
            save(self)

        patch.setattr(Training, "save", dying)
        with pytest.raises(Break):
            run(**options)
    assert len(log.read_text().splitlines()) == 1 + 2
    _, history = run(**options, resume=True)
    found = np.genfromtxt(log, delimiter=",", names=True)
    assert found.dtype.names == ("epoch", *history)
    assert found["epoch"].tolist() == [1, 2, 3]
    for name in history:
        assert found[name].tolist() == history[name]
    run(callbacks=[train.CSVLog(log)])  # afresh
    assert len(log.read_text().splitlines()) == 1 + 3


def test_a_measure_that_comes_later_is_nan_before(tmp_path):
    path, log = tmp_path / "run.npz", tmp_path / "run.csv"
    model, optimizer, _ = build()
    options = {"optimizer": optimizer, "checkpoint": path, "callbacks": [train.CSVLog(log)]}
    train.fit(model, (X, Y), epochs=1, rng=0, **options)
    metrics = {"accuracy": train.accuracy}
    history = train.fit(model, (X, Y), epochs=2, rng=0, resume=True, metrics=metrics, **options)
    assert np.isnan(history["accuracy"]).tolist() == [True, False]
    assert np.isnan(np.genfromtxt(log, delimiter=",", names=True)["accuracy"][0])


def test_a_log_that_cannot_be_written_is_answered_at_once(tmp_path):
    with pytest.raises(errors.CheckpointError, match="cannot be written"):
        train.CSVLog(tmp_path / "no" / "run.csv")


# ---- divergence --------------------------------------------------------------------------------
def thermometer(lr, **options):
    t_u = np.array([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4], "float32")
    t_c = np.array([0.5, 14, 15, 28, 11, 8, 3, -4, 6, 13, 21], "float32")
    model = nn.Linear(1, 1)
    model.load_state_dict({"weight": [[1.0]], "bias": [0.0]})
    optimizer = optim.SGD(model.parameters(), lr=lr)
    train.fit(
        model,
        (t_u[:, None], t_c[:, None]),
        loss=mse_loss,
        optimizer=optimizer,
        batch_size=11,
        epochs=50,
        **options,
    )
    return model


def test_an_explosion_names_the_rate_and_puts_the_weights_back():
    model = nn.Linear(1, 1)
    with pytest.raises(errors.DivergenceError) as caught:
        model = thermometer(1e-2)
    assert str(caught.value) == (
        "fit: the loss grew from 1763.9 to 5.8025e+06 in epoch 2. "
        "Lower the learning rate, which is 0.01, or scale the inputs."
    )
    assert caught.value.facts["history"]["loss"] == pytest.approx([1763.8845])
    assert all(np.isfinite(p.numpy()).all() for p in model.parameters())


def test_an_infinite_loss_names_the_first_operation():
    expected = pytest.raises(
        errors.DivergenceError, match="epoch 11, first in the operation square"
    )
    with np.errstate(over="ignore"), expected:
        thermometer(1e-2, explosion=None)


@pytest.mark.parametrize("capture", [False, True])
def test_bad_data_are_named_as_such(capture):
    x = X.copy()
    x[3, 1] = np.nan
    model = nn.Linear(3, 2)
    before = digest(model)
    with pytest.raises(errors.DivergenceError) as caught:
        train.fit(
            model,
            (x, Y),
            optimizer=optim.SGD(model.parameters()),
            batch_size=40,
            capture=capture,
        )
    assert str(caught.value) == (
        "fit: the loss became nan in epoch 1, first in the data. "
        "Remove the rows with nan or infinity from the data, or fill the gaps."
    )
    assert digest(model) == before


def test_bad_targets_are_data_too():
    y = X.sum(axis=1, keepdims=True)
    y[5] = np.inf
    with pytest.raises(errors.DivergenceError, match=r"first in the data\. Remove the rows"):
        train.fit(nn.Linear(3, 1), (X, y), loss=mse_loss, batch_size=40)


def test_contradictions_are_answered_before_the_first_step(tmp_path):
    model, optimizer, schedule = build(schedule=SCHEDULES["step"][0])
    before = digest(model)
    table = [
        ({"resume": True}, "fit: there is no checkpoint to go on from. Pass checkpoint=FILE."),
        ({"checkpoint_every": 5}, "fit: there is no checkpoint to go on from. Pass checkpoint="),
        (
            {"schedule": schedule, "schedule_by": "step"},
            "fit: schedule_by is 'step'. Pass 'epoch' or 'batch'.",
        ),
        ({"checkpoint": tmp_path / "no" / "run.npz"}, "cannot be written (No such file"),
        ({"validation": 1.5}, "fit: cannot set 1.5 of 40 rows apart. Pass (x, y) and a part"),
        ({"epochs": -1}, "fit: epochs is -1. Pass a whole number of 0 or more."),
        ({"epochs": 2.5}, "fit: epochs is 2.5. Pass a whole number of 0 or more."),
        ({"patience": 0}, "fit: patience is 0. Pass a whole number of 1 or more."),
    ]
    for options, message in table:
        with pytest.raises(errors.MicrogradxError) as caught:
            train.fit(model, (X, Y), optimizer=optimizer, **options)
        assert message in str(caught.value)
    assert digest(model) == before


def test_arguments_of_other_kinds_are_answered_before_the_first_step():
    model, optimizer, schedule = build(schedule=SCHEDULES["step"][0])
    _, other, _ = build()
    before = digest(model)
    made = "Pass an object, such as optim.Adam(model.parameters())."
    named = 'Pass {"accuracy": train.accuracy}, for example.'
    table = [
        ({"optimizer": "adam"}, f"fit: the optimizer is 'adam'. {made}"),
        ({"optimizer": optim.Adam}, f"fit: the optimizer is the class Adam. {made}"),
        (
            {"loss": "mse"},
            "fit: the loss is 'mse'. "
            "Pass a function of answers and targets, such as nn.functional.mse_loss.",
        ),
        (
            {"loss": nn.MSELoss},
            "fit: the loss is the class MSELoss. "
            "Pass a function of answers and targets, such as MSELoss().",
        ),
        ({"metrics": ["accuracy"]}, f"fit: a metric is 'accuracy'. {named}"),
        ({"metrics": {"best": 1.0}}, f"fit: a metric is 1.0. {named}"),
        ({"metrics": 3}, f"fit: a metric is 3. {named}"),
        (
            {"metrics": [train.accuracy, train.accuracy]},
            f"fit: two metrics have the name 'accuracy'. {named}",
        ),
        ({"callbacks": 5}, "fit: a callback is 5. Pass functions of the history."),
        ({"callbacks": ["log"]}, "fit: a callback is 'log'. Pass functions of the history."),
        (
            {"penalty": 1e-4},
            "fit: the penalty is 0.0001. "
            "Pass a function, such as lambda: 0.0001 * nn.l2_penalty(model.parameters()).",
        ),
        (
            {"schedule": 0.5},
            "fit: the schedule is 0.5. "
            "Pass an object, such as optim.lr_scheduler.CosineAnnealingLR(optimizer, ...).",
        ),
        (
            {"schedule": optim.lr_scheduler.StepLR},
            "fit: the schedule is the class StepLR. "
            "Pass an object, such as optim.lr_scheduler.StepLR(optimizer, ...).",
        ),
        ({"clip_norm": "a"}, "fit: clip_norm is 'a'. Pass a number of 0 or more."),
        ({"clip_norm": -1.0}, "fit: clip_norm is -1.0. Pass a number of 0 or more."),
        ({"explosion": "a"}, "fit: explosion is 'a'. Pass a number of 0 or more."),
        ({"epochs": None}, "fit: epochs is None. Pass a whole number of 0 or more."),
    ]
    for options, message in table:
        with pytest.raises(errors.ArgumentError) as caught:
            train.fit(model, (X, Y), **options)
        assert str(caught.value) == message
    for used in ({}, {"optimizer": other}):
        with pytest.raises(errors.ArgumentError) as caught:
            train.fit(model, (X, Y), schedule=schedule, **used)
        assert str(caught.value) == (
            "fit: the schedule sets the rates of another optimizer than the one that is used. "
            "Pass optimizer=... with the optimizer that the schedule was made of."
        )
    with pytest.raises(errors.ArgumentError, match="the model is a function"):
        train.fit(lambda x: x, (X, Y), optimizer=optimizer)
    with pytest.raises(errors.ArgumentError, match="find_lr: the optimizer is 'adam'"):
        train.find_lr(model, (X, Y), optimizer="adam")
    assert digest(model) == before


def test_metrics_and_callbacks_may_be_written_shortly():
    def error_rate(answers, labels):
        return 1 - train.accuracy(answers, labels)

    lengths = []
    _, history = run(
        metrics=[train.accuracy, error_rate], callbacks=lambda past: lengths.append(len(past))
    )
    assert lengths == [1, 2, 3]
    assert np.add(history["accuracy"], history["error_rate"]).tolist() == [1.0, 1.0, 1.0]
    _, alone = run(metrics=train.accuracy)
    assert alone["accuracy"] == history["accuracy"]
    found = train.evaluate(build()[0], (X, Y), metrics=[train.accuracy])
    assert set(found) == {"loss", "accuracy"}


def test_a_loss_is_a_tensor_of_one_number():
    table = [
        (lambda x, y: nn.functional.cross_entropy(x, y, reduction="none"), "of shape (40,)"),
        (lambda *_: 3.0, "a float"),
    ]
    for loss, given in table:
        with pytest.raises(errors.ArgumentError) as caught:
            train.fit(nn.Linear(3, 2), (X, Y), loss=loss)
        message = f"fit: the loss is {given}. Let it be a Tensor of one number."
        assert str(caught.value) == message


def test_a_data_set_is_data_too():
    pairs = data.TensorDataset(X, Y)
    twins = [nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=0)]
    for model, given in zip(twins, (pairs, (X, Y)), strict=True):
        train.fit(model, given, validation=0.25, epochs=2, rng=0)
    assert digest(twins[0]) == digest(twins[1])
    assert train.evaluate(twins[0], pairs) == train.evaluate(twins[1], (X, Y))


def test_data_that_are_no_pairs_are_answered():
    for given, message in (
        (X, "the data give ndarrays instead of pairs"),
        ((X, Y, Y), "the data give ndarrays instead of pairs"),
        ([(X, Y, Y)], "the data give tuples of 3 instead of pairs"),
    ):
        for call in (train.fit, train.evaluate, train.find_lr):
            with pytest.raises(errors.ArgumentError, match=message):
                call(nn.Linear(3, 2), given)


@pytest.mark.parametrize("capture", [False, True])
def test_an_optimizer_of_another_model_is_noticed(capture):
    model, _, _ = build()
    _, optimizer, _ = build()
    with pytest.raises(errors.ArgumentError) as caught:
        train.fit(model, (X, Y), optimizer=optimizer, capture=capture)
    assert str(caught.value) == (
        "fit: the loss depends on no parameter of the optimizer. Make the optimizer of this "
        "model's parameters(), and use its answers."
    )


def test_a_schedule_may_have_nothing_but_a_step():
    class Halved:
        def __init__(self, optimizer):
            self.optimizer = optimizer

        def step(self):
            self.optimizer.param_groups[0]["lr"] /= 2

    assert run(schedule=Halved)[1]["lr"] == [0.02, 0.01, 0.005]


def test_ctrl_c_in_the_last_batch_of_an_epoch_keeps_its_measures(tmp_path):
    path, taken = tmp_path / "run.npz", []

    def interrupt(answers, labels):
        taken.append(1)
        if len(taken) == 5:  # of 5
            signal.raise_signal(signal.SIGINT)
        return nn.functional.cross_entropy(answers, labels)

    model, optimizer, _ = build()
    options = {"optimizer": optimizer, "epochs": 3, "batch_size": 8, "rng": 0}
    history = train.fit(model, (X, Y), loss=interrupt, checkpoint=path, **options)
    assert (history.stopped, len(history)) == ("interrupted", 1)
    again, resumed = run(checkpoint=path, resume=True)
    whole, expected = run()
    assert digest(again) == digest(whole)
    assert resumed["grad_norm"] == expected["grad_norm"]


def test_a_small_part_set_apart_is_at_least_one_row():
    history = run(validation=0.001)[1]
    assert min(history["val_loss"]) > 0
    with pytest.raises(errors.ArgumentError, match="the data hold no rows"):
        train.evaluate(nn.Linear(3, 2), (X[:0], Y[:0]))


# ---- stopping ----------------------------------------------------------------------------------
def test_patience_stops_and_gives_the_best_epochs_weights():
    model = nn.Linear(1, 1, rng=0)
    losses = iter([3.0, 2.0, 5.0, 6.0, 7.0])
    weights = []

    def remember(history):
        weights.append(model.weight.item())

    x = np.ones((4, 1), "float32")
    history = train.fit(
        model,
        (x, x),
        loss=mse_loss,
        optimizer=optim.SGD(model.parameters(), lr=0.1),
        epochs=9,
        patience=3,
        metrics={"wanted": lambda *_: next(losses)},
        monitor="wanted",
        callbacks=[remember],
    )
    assert (history.stopped, len(history), history.best_epoch) == ("patience", 5, 2)
    assert model.weight.item() == weights[1] != weights[-1]


def test_a_vanished_gradient_stops():
    x = np.ones((4, 1))
    model = nn.Linear(1, 1, dtype="float64")
    optimizer = optim.SGD(model.parameters(), lr=0.25)
    history = train.fit(
        model, (x, x), loss=mse_loss, optimizer=optimizer, epochs=999, min_gradient=1e-9
    )
    assert history.stopped == "gradient"
    assert len(history) < 99


def test_a_callback_stops():
    assert run(callbacks=[lambda h: len(h) == 2])[1].stopped == "callback"


def test_a_part_of_the_data_is_set_apart_and_never_trained_on():
    model, optimizer, _ = build()
    seen = set()

    def loss(answers, labels):
        return nn.functional.cross_entropy(answers, labels)

    forward = model.forward

    def watch(x):
        if model.training:
            seen.update(row.tobytes() for row in np.asarray(x))
        return forward(x)

    model.__dict__["forward"] = watch
    history = train.fit(
        model,
        (X, Y),
        loss=loss,
        optimizer=optimizer,
        validation=0.25,
        epochs=2,
        batch_size=8,
        rng=0,
        metrics={"accuracy": train.accuracy},
    )
    assert len(seen) == 30
    assert set(history) >= {"loss", "val_loss", "val_accuracy", "lr", "grad_norm", "update_ratio"}


def test_a_progress_wrapper_sees_every_epoch():
    seen = []

    def wrapper(numbers):
        for n in numbers:
            seen.append(n)
            yield n

    run(progress=wrapper)
    assert seen == [0, 1, 2]


def test_clipping_bounds_the_update():
    model = nn.Linear(1, 1)
    before = model.weight.item()
    x = np.full((4, 1), 100.0, "float32")
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    train.fit(model, (x, -x), loss=mse_loss, optimizer=optimizer, epochs=1, clip_norm=0.5)
    assert abs(model.weight.item() - before) <= 0.5


def test_a_penalty_shrinks_weights():
    def norm(strength):
        model, optimizer, _ = build()
        train.fit(
            model,
            (X, Y),
            optimizer=optimizer,
            epochs=20,
            rng=0,
            penalty=lambda: strength * nn.l2_penalty([model[0].weight]),
        )
        return float((model[0].weight.numpy() ** 2).sum())

    assert norm(1.0) < 0.5 * norm(0.0)


def test_lists_are_data_too():
    model, twin = nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=0)
    train.fit(model, (X.tolist(), Y.tolist()), epochs=1, rng=0)
    train.fit(twin, (X, Y), epochs=1, rng=0)
    assert model.weight.numpy() == pytest.approx(twin.weight.numpy(), abs=1e-6)
    assert len(train.fit(model, [(X[:5], Y[:5]), (X[5:], Y[5:])], epochs=2)) == 2


def test_an_unknown_measure_cannot_be_monitored():
    with pytest.raises(errors.ArgumentError) as caught:
        run(monitor="val_loss")
    expected = "fit: there is no measure 'val_loss' to monitor. Use one of loss, lr, "
    assert str(caught.value).startswith(expected)


def test_nothing_to_train_on_is_an_error():
    model = nn.Linear(3, 2)
    with pytest.raises(errors.ArgumentError, match="cannot be gone through again"):
        train.fit(model, iter([]))
    with pytest.raises(errors.ArgumentError, match="hold no batch"):
        train.fit(model, [])


@pytest.mark.parametrize("schedule", ["none", "cycle"])
def test_replayed_training_gives_the_same_numbers(schedule):
    made, by = SCHEDULES[schedule]
    eager, history = run("Adam", made, by, clip_norm=1.0)
    replayed, again = run("Adam", made, by, clip_norm=1.0, capture=True)
    assert again["loss"] == pytest.approx(history["loss"], rel=1e-5)
    for a, b in zip(eager.state_dict().values(), replayed.state_dict().values(), strict=True):
        assert b.numpy() == pytest.approx(a.numpy(), rel=1e-3, abs=1e-5)


def test_a_replayed_training_that_diverges_puts_the_weights_back():
    x = np.array([[1e3], [2e3], [3e3], [4e3]], "float32")
    model = nn.Linear(1, 1)
    before = digest(model)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(errors.DivergenceError, match="Lower the learning rate, which is 1"):
        train.fit(model, (x, x), loss=mse_loss, optimizer=optimizer, batch_size=1, capture=True)
    assert digest(model) == before


BLOWS = {  # a model, a learning rate and what its eager training names
    "weights": (
        lambda: nn.Sequential(nn.Linear(3, 8, rng=1), nn.ReLU(), nn.Linear(8, 1, rng=2)),
        9.0,
    ),
    "chance": (
        lambda: nn.Sequential(
            nn.Linear(3, 8, rng=1), nn.Dropout(0.5, rng=3), nn.Linear(8, 1, rng=2)
        ),
        3.0,
    ),
    "running means": (
        lambda: nn.Sequential(nn.Linear(3, 8, rng=1), nn.BatchNorm1d(8), nn.Linear(8, 1, rng=2)),
        50.0,
    ),
}


@pytest.mark.parametrize("name", BLOWS)
@pytest.mark.parametrize("by", ["epoch", "batch"])
def test_a_replayed_training_names_the_same_operation_as_an_eager_one(name, by):
    make, lr = BLOWS[name]
    found = []
    for capture in (False, True):
        model = make()
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
        schedule = optim.lr_scheduler.ExponentialLR(optimizer, 1.01)
        with np.errstate(all="ignore"), pytest.raises(errors.DivergenceError) as caught:
            train.fit(
                model,
                (X, X[:, :1]),
                loss=mse_loss,
                optimizer=optimizer,
                schedule=schedule,
                schedule_by=by,
                batch_size=2,
                epochs=99,
                explosion=None,
                capture=capture,
                rng=0,
            )
        facts = caught.value.facts
        found.append((facts["op"], facts["epoch"]))
    assert found[0] == found[1]
    assert found[1][0] is not None


def test_after_a_divergence_the_optimizer_is_as_good_as_the_weights():
    model = nn.Linear(1, 1, rng=0)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    x = np.linspace(-1, 1, 8, dtype="float32")[:, None]
    train.fit(model, (x, x), loss=mse_loss, optimizer=optimizer, epochs=2, rng=0)
    moments = optimizer.state_dict()["state"][0]
    bad = x.copy()
    bad[-1] = np.nan
    with pytest.raises(errors.DivergenceError):
        train.fit(model, (x, bad), loss=mse_loss, optimizer=optimizer, batch_size=1)
    assert optimizer.state_dict()["state"][0]["exp_avg_sq"] == moments["exp_avg_sq"]
    train.fit(model, (x, x), loss=mse_loss, optimizer=optimizer, epochs=1)
    assert np.isfinite(model.weight.numpy()).all()


def test_a_hard_batch_after_an_easy_one_is_no_divergence():
    model = nn.Linear(1, 1)
    model.load_state_dict({"weight": [[1.0]], "bias": [0.0]})
    x = np.ones((4, 1), "float32")
    y = np.array([1.0001, 1, 1, 2], "float32")[:, None]  # losses of 1e-8, then 1
    train.fit(
        model, [(x[:3], y[:3]), (x[3:], y[3:])], loss=mse_loss, epochs=1,
        optimizer=optim.SGD(model.parameters(), lr=1e-3),
    )  # fmt: skip


# ---- finding a rate ----------------------------------------------------------------------------
def test_the_rate_test_changes_nothing_and_finds_a_rate_that_works():
    model, optimizer, _ = build()
    before = digest(model)
    found = train.find_lr(model, (X, Y), optimizer=optimizer, rng=0)
    assert digest(model) == before
    assert optimizer.param_groups[0]["lr"] == 0.02
    assert 1e-4 < found.suggestion < 1
    assert (np.diff(found.rates) > 0).all()


def test_the_rate_test_stops_where_training_diverges():
    x = np.linspace(-1, 1, 64)[:, None]
    model = nn.Linear(1, 1, dtype="float64")
    optimizer = optim.SGD(model.parameters())
    found = train.find_lr(
        model, (x, x), loss=mse_loss, optimizer=optimizer, high=1e6, batch_size=64
    )
    assert found.rates[-1] < 1e3


# ---- measures ----------------------------------------------------------------------------------
def test_measures_agree_with_counting_by_hand():
    answers, labels = [2, 0, 2, 2, 0, 1], [2, 0, 0, 2, 0, 2]
    assert train.accuracy(answers, labels) == pytest.approx(4 / 6)
    assert train.confusion_matrix(answers, labels).tolist() == [[2, 0, 1], [0, 0, 0], [0, 1, 2]]
    precision, recall, f1 = train.precision_recall(answers, labels)
    assert precision == pytest.approx([1, 0, 2 / 3])
    assert recall == pytest.approx([2 / 3, 0, 2 / 3])
    assert f1 == pytest.approx([0.8, 0, 2 / 3])
    assert train.r2_score([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]) == pytest.approx(0.5)


def test_what_cannot_be_measured_is_answered():
    model, _, _ = build()
    table = [
        (
            lambda: train.evaluate(model, (X, Y), metrics={"a": lambda x, _: x}),
            "evaluate: the metric 'a' gives an array of shape (40, 2). Let it give one number.",
        ),
        (
            lambda: train.confusion_matrix([0, 1], [0, 5], classes=3),
            "confusion_matrix: classes run from 0 to 5, but there are 3. Number the classes from 0",
        ),
        (
            lambda: train.confusion_matrix([0, 1], [0, -1]),
            "classes run from -1 to 1, but there are",
        ),
    ]
    for call, message in table:
        with pytest.raises(errors.MicrogradxError) as caught:
            call()
        assert message in str(caught.value)


def test_predict_and_evaluate_leave_the_mode_and_the_running_means_alone():
    model, _, _ = build()
    before = digest(model)
    answers = train.predict(model, X, batch_size=7)
    found = train.evaluate(model, (X, Y), metrics={"accuracy": train.accuracy}, batch_size=7)
    assert answers.shape == (40, 2)
    assert found["accuracy"] == train.accuracy(answers, Y)
    assert model.training
    assert digest(model) == before
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.quick
def test_digits_are_learned():
    digits = data.digits()
    pictures = (digits.x_train, digits.x_test)
    x, x_test = [a[::5].reshape(-1, 784).astype("float32") / 255 for a in pictures]
    model = nn.Sequential(nn.Linear(784, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=1))
    history = train.fit(
        model,
        (x, digits.y_train[::5]),
        optimizer=optim.Adam(model.parameters(), lr=3e-3),
        epochs=8,
        validation=(x_test, digits.y_test[::5]),
        metrics={"accuracy": train.accuracy},
        rng=0,
    )
    assert max(history["val_accuracy"]) > 0.88


def test_tensors_are_data_too():
    model = nn.Linear(3, 2, rng=0)
    twin = nn.Linear(3, 2, rng=0)
    train.fit(model, (Tensor(X), Y), epochs=1, rng=0)
    train.fit(twin, (X, Y), epochs=1, rng=0)
    assert digest(model) == digest(twin)
