"""``microgradx digits``: train a network on real handwritten digits, and save its weights."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from microgradx import data, files, modes, nn, optim
from microgradx.capture import capture
from microgradx.cli.arguments import count, rate, seed
from microgradx.errors import DivergenceError
from microgradx.nn.functional import cross_entropy
from microgradx.train.divergence import Watch

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from numpy.typing import NDArray

_PIXELS, _HIDDEN, _CLASSES = 784, 128, 10


def add(commands: Any) -> None:
    """Describe the sub-command and its arguments."""
    parser = commands.add_parser(
        "digits",
        help="train a network on real handwritten digits",
        description="Train a 784-128-10 network on real handwritten digits and save its weights.",
        epilog="Examples: 'microgradx digits' learns the 10,000 digits inside the package; "
        "'microgradx digits --download' all 60,000 of MNIST, fetched once (11 MB) and kept; "
        "'microgradx digits --data DIR' those in your files.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        help="directory with the four IDX files of MNIST; without it, the digits in the package",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="fetch those files first, unless they are there: to DIR, or to the user's cache "
        "(needs the extra 'data')",
    )
    parser.add_argument(
        "--epochs",
        type=count,
        default=10,
        metavar="N",
        help="passes over all digits (%(default)s)",
    )
    parser.add_argument(
        "--batch-size", type=count, default=64, metavar="N", help="digits in a step (%(default)s)"
    )
    parser.add_argument(
        "--lr",
        type=rate,
        default=4e-3,
        metavar="RATE",
        help="learning rate of Adam at first; it falls to 0 by equal steps (%(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="equal seeds give equal bits (%(default)s)",
    )
    parser.add_argument(
        "--out", default="digits.npz", metavar="FILE", help="where the weights go (%(default)s)"
    )
    parser.add_argument(
        "--no-pictures",
        action="store_true",
        help="do not draw the network and the loss beside the weights",
    )
    parser.add_argument(
        "--eager",
        action="store_true",
        help="run every step in Python instead of replaying the first one as NumPy calls",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, no bar")
    parser.add_argument("--quiet", action="store_true", help="print the last line alone, no bar")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, tell, save."""
    files.check_writable(arguments.out)
    silent = arguments.quiet or arguments.json
    folder = arguments.data
    if arguments.download:
        folder = data.fetch("mnist", folder, progress=not silent)
    pictures = data.digits() if folder is None else data.mnist(folder)
    rng = np.random.default_rng(arguments.seed)
    model = nn.Sequential(
        nn.Linear(_PIXELS, _HIDDEN, rng=rng), nn.ReLU(), nn.Linear(_HIDDEN, _CLASSES, rng=rng)
    )
    batches = data.Batches(
        _rows(pictures.x_train),
        pictures.y_train,
        batch_size=arguments.batch_size,
        shuffle=True,
        rng=rng,
    )
    if not silent:
        print(
            f"{_PIXELS}-{_HIDDEN}-{_CLASSES} network, {len(pictures.x_train):,} digits to learn "
            f"from, {len(pictures.x_test):,} to test on, seed {arguments.seed}",
            flush=True,
        )
    bar = tqdm(
        total=arguments.epochs * len(batches),
        unit="step",
        disable=silent,
        leave=False,
        nrows=20,  # a terminal that does not know its height would hide the bar
        mininterval=0.1 if sys.stderr.isatty() else 2.0,  # a log needs no ten lines a second
    )
    started = time.monotonic()
    # How a BLAS splits its sums depends on its threads: one gives the same bits on any number of
    # cores, and is the fastest for matrices as small as these. Overflow ends in a DivergenceError.
    with bar, threadpool_limits(1), np.errstate(all="ignore"):
        losses = []
        for report in _train(model, batches, pictures, arguments, bar):
            losses.append(report["loss"])
            if arguments.json:
                print(json.dumps(report), flush=True)
            elif not arguments.quiet:
                bar.write(
                    "epoch {epoch:>{width}}/{epochs}: loss {loss:.4f}, test accuracy "
                    "{accuracy:.2%}".format(width=len(str(arguments.epochs)), **report)
                )
    files.save_arrays(arguments.out, {k: v.numpy() for k, v in model.state_dict().items()})
    seconds = time.monotonic() - started
    drawn = [] if arguments.no_pictures else _draw(model, pictures, losses, Path(arguments.out))
    if arguments.json:
        files_made = {"out": arguments.out, "pictures": drawn}
        print(json.dumps({**report, "seconds": round(seconds, 3), **files_made}))
    else:
        epochs = "1 epoch" if arguments.epochs == 1 else f"{arguments.epochs} epochs"
        print(
            f"test accuracy {report['accuracy']:.2%} after {epochs} in "
            f"{seconds:.1f} s; weights saved to {arguments.out}"
        )
        if drawn and not arguments.quiet:
            print(f"pictures of the network and its loss: {', '.join(drawn)}")
    return 0


def _draw(model: nn.Module, pictures: data.Digits, losses: list[float], weights: Path) -> list[str]:
    """Draw the network with the gradients of one batch, and the loss; return the files' names."""
    from microgradx.drawing import draw  # noqa: PLC0415 - a large room, entered once
    from microgradx.drawing.curve import curve  # noqa: PLC0415

    network = weights.with_name(f"{weights.stem}-network.svg")
    loss_curve = weights.with_name(f"{weights.stem}-loss.svg")
    model.zero_grad()
    pixels, labels = _rows(pictures.x_train[:64]), pictures.y_train[:64]
    loss = cross_entropy(model(pixels), labels)
    loss.backward()
    drawing = draw(
        loss,
        style="modules",
        names={"model": model, "pixels": pixels, "labels": labels, "loss": loss},
        title="The network and the gradients of 64 digits",
    )
    model.zero_grad()
    drawing.save(network)
    loss_curve.write_text(curve(losses, title="mean loss on the training digits"), encoding="utf-8")
    return [str(network), str(loss_curve)]


def _rows(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images as the network takes them: one a row, 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def _train(
    model: nn.Module,
    batches: data.Batches,
    pictures: data.Digits,
    arguments: argparse.Namespace,
    bar: Any,
) -> Iterator[dict[str, Any]]:
    """Train, and report after each epoch."""
    optimizer = optim.Adam(model.parameters(), lr=arguments.lr)
    watch = Watch(model, optimizer, explosion=1e3)  # as `fit` has it
    x_test = _rows(pictures.x_test)
    steps, done = arguments.epochs * len(batches), 0

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    # Not tuned: the fastest way to cut a product may be another one in the next run, and with it
    # the last bits, but equal seeds give equal bits.
    learn = step if arguments.eager else capture(step, tune=False)
    for epoch in range(1, arguments.epochs + 1):
        bar.set_description(f"epoch {epoch}/{arguments.epochs}", refresh=False)
        total = 0.0
        for x, y in batches:
            for group in optimizer.param_groups:
                group["lr"] = arguments.lr * (1 - done / steps)
            loss = learn(x, y).item()
            try:
                watch.check(None, loss, epoch)
            except DivergenceError as error:
                remedy = f"Lower --lr, which is {arguments.lr:g}"
                raise DivergenceError("digits", error.problem, remedy, **error.facts) from None
            total += loss * len(y)
            done += 1
            bar.update()
        total /= len(pictures.x_train)
        with modes.no_grad():
            answers = model(x_test).numpy().argmax(axis=1)
        accuracy = float((answers == pictures.y_test).mean())
        yield {"epoch": epoch, "epochs": arguments.epochs, "loss": total, "accuracy": accuracy}
