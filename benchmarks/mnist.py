"""Full MNIST: accuracy and wall time of an MLP and of a LeNet-like network, beside PyTorch.

    python benchmarks/mnist.py DIR [--net mlp|cnn] [--torch PYTHON]

DIR holds the four IDX files. With ``--torch`` the same training also runs in the Python named
there, which must have PyTorch. One BLAS thread each, the same batches, rates and first weights'
distribution; times are of the training loop alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

NETS = {"mlp": {"epochs": 10, "lr": 2e-3}, "cnn": {"epochs": 5, "lr": 2e-3}}
BATCH = 128


def build(nn, net):
    if net == "mlp":
        return nn.Sequential(
            nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 128), nn.ReLU(),
            nn.Linear(128, 10),
        )  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(8, 16, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip


def rate(step, steps, top):
    """Up for a tenth of the steps, then down to 0 in a straight line."""
    return top * min(step / (0.1 * steps), (steps - step) / (0.9 * steps))


def load(directory, net):
    import gzip
    from pathlib import Path

    import numpy as np

    found = []
    for stem in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        path = next(Path(directory).glob(f"{stem}*"))
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        found.append(np.frombuffer(content, np.uint8, offset=16 if "images" in stem else 8))
    x, y, x_test, y_test = found
    shape = (-1, 784) if net == "mlp" else (-1, 1, 28, 28)
    # Mean and deviation of the training images.
    scale = [((a.reshape(shape).astype(np.float32) / 255) - 0.1307) / 0.3081 for a in (x, x_test)]
    return scale[0].astype(np.float32), y.astype(np.int64), scale[1].astype(np.float32), y_test


def run(library, directory, net, seed):
    import numpy as np

    x, y, x_test, y_test = load(directory, net)
    rng = np.random.default_rng(seed)
    options = NETS[net]
    if library == "torch":
        import torch
        from torch import nn
        from torch.nn.functional import cross_entropy

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        optim, wrap = torch.optim, torch.from_numpy
        x, y, x_test = wrap(x), wrap(y), wrap(x_test)
    else:
        import microgradx as torch
        from microgradx import nn, optim
        from microgradx.nn.functional import cross_entropy

        torch.manual_seed(seed)
    model = build(nn, net)
    optimizer = optim.Adam(model.parameters(), lr=options["lr"])
    steps = options["epochs"] * (len(x) // BATCH)
    accuracies, done, spent = [], 0, 0.0
    for _ in range(options["epochs"]):
        start = time.perf_counter()
        model.train()
        order = rng.permutation(len(x))
        for i in range(len(x) // BATCH):
            rows = order[i * BATCH : (i + 1) * BATCH]
            optimizer.param_groups[0]["lr"] = rate(done, steps, options["lr"])
            optimizer.zero_grad()
            loss = cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            done += 1
        spent += time.perf_counter() - start
        model.eval()
        with torch.no_grad():
            parts = [model(x_test[i : i + 1000]).numpy() for i in range(0, len(x_test), 1000)]
        accuracies.append(float((np.concatenate(parts).argmax(1) == y_test).mean()))
    return {"accuracy": accuracies, "seconds": spent}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("--net", choices=NETS, action="append")
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", choices=["microgradx", "torch"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        found = run(arguments.child, arguments.directory, arguments.net[0], arguments.seed)
        print(json.dumps(found))
        return
    for net in arguments.net or NETS:
        peers = {"microgradx": sys.executable}
        peers |= {"torch": arguments.torch} if arguments.torch else {}
        for peer, python in peers.items():
            command = [
                python, __file__, arguments.directory, "--net", net, "--child", peer,
                "--seed", str(arguments.seed),
            ]  # fmt: skip
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            out = subprocess.run(
                command, env=environment, capture_output=True, text=True, check=True
            )
            found = json.loads(out.stdout.splitlines()[-1])
            epochs = " ".join(f"{a:.2%}" for a in found["accuracy"])
            print(f"{net} {peer:11} {found['seconds']:6.1f} s  {epochs}", flush=True)


if __name__ == "__main__":
    main()
