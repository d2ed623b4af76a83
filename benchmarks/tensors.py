"""Training steps of networks: microgradx, captured and eager, beside hand-written NumPy and peers.

    python benchmarks/tensors.py                        # everything on the digits in the package
    python benchmarks/tensors.py --data DIR             # on MNIST's files (or MICROGRADX_MNIST)
    python benchmarks/tensors.py steps --only adam --batch 128
    python benchmarks/tensors.py --torch-python PY --jax-python PY

Every contender runs in a process of its own, all on one core with one BLAS thread (a second table,
``threads``, gives each the better of one thread and all cores), and the
processes take turns in the order A B C C B A, so that a busy machine slows all alike. A chunk in
which the process waited for a processor is set aside; if too few are left, processor time counts.
Before any timing, 20 steps from the same weights on the same batches must give the same losses.
PyTorch and JAX may live in interpreters of their own; what cannot be imported is left out and said.
"""

import argparse
import contextlib
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RATE = {"sgd": 0.1, "adam": 1e-3}
BATCHES = 16
THREADS = int(os.environ.get("OPENBLAS_NUM_THREADS", "1"))
"""Of a worker, which gets this variable from the process that started it."""


# ---- the same step, eight ways: each returns run(n) -> last loss ---------------------------------
def initial(sizes):
    """The same weights for everybody: (in, out) matrices and biases."""
    rng = np.random.default_rng(0)
    pairs = list(itertools.pairwise(sizes))
    weights = [(rng.standard_normal((i, o)) * math.sqrt(2 / i)).astype("f4") for i, o in pairs]
    return weights, [np.zeros(o, "f4") for _, o in pairs]


def hand_written(sizes, xs, ys, opt, **_):
    """What a competent person writes with NumPy: allocates as it goes."""
    weights, biases = initial(sizes)
    params = [p for pair in zip(weights, biases, strict=True) for p in pair]
    layers, rate = len(weights), RATE[opt]
    rows = np.arange(len(ys[0]))
    m, v, t, k = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params], 0, 0

    def step(x, y):
        nonlocal t
        acts = [x]
        for i in range(layers):
            h = acts[-1] @ params[2 * i] + params[2 * i + 1]
            acts.append(np.maximum(h, 0) if i < layers - 1 else h)
        z = acts[-1] - acts[-1].max(1, keepdims=True)
        e = np.exp(z)
        s = e.sum(1, keepdims=True)
        loss = -(z[rows, y] - np.log(s[:, 0])).mean()
        d = e / s
        d[rows, y] -= 1
        d /= len(y)
        grads = [None] * (2 * layers)
        for i in reversed(range(layers)):
            grads[2 * i], grads[2 * i + 1] = acts[i].T @ d, d.sum(0)
            if i:
                d = (d @ params[2 * i].T) * (acts[i] > 0)
        if opt == "sgd":
            for p, g in zip(params, grads, strict=True):
                p -= rate * g
            return loss
        t += 1
        for i, g in enumerate(grads):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * (g * g)
            hat = np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8
            params[i] -= rate * (m[i] / (1 - 0.9**t)) / hat
        return loss

    def run(n):
        nonlocal k
        for _ in range(n):
            loss = step(xs[k % len(xs)], ys[k % len(xs)])
            k += 1
        return float(loss)

    return run


def ours(sizes, xs, ys, opt, captured=True, numba=False, **_):
    """Microgradx: a model, an optimiser and the loop of every tutorial."""
    import microgradx as mg
    from microgradx import nn, optim
    from microgradx.nn.functional import cross_entropy

    layers = []
    for w, b in zip(*initial(sizes), strict=True):
        layer = nn.Linear(*w.shape)
        layer.weight.data, layer.bias.data = w.T, b
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    kind = optim.SGD if opt == "sgd" else optim.Adam
    optimizer = kind(model.parameters(), lr=RATE[opt])

    def step(x, y):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    if captured:
        more = {"threads": THREADS} if THREADS > 1 else {}
        step = mg.capture(step, fast=True, **more) if numba else mg.capture(step, **more)
    k = 0

    def run(n):
        nonlocal k
        for _ in range(n):
            loss = step(xs[k % len(xs)], ys[k % len(xs)])
            k += 1
        return loss.item()

    run.program = lambda: step.program
    return run


def torch_eager(sizes, xs, ys, opt, fused=False, **_):
    """PyTorch, with its default optimiser or the fused one."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(THREADS)
    xs, ys = [torch.from_numpy(x) for x in xs], [torch.from_numpy(y) for y in ys]
    layers = []
    for w, b in zip(*initial(sizes), strict=True):
        layer = torch.nn.Linear(*w.shape)
        layer.weight.data = torch.from_numpy(w.T.copy())
        layer.bias.data = torch.from_numpy(b.copy())
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    more = {"fused": True} if fused else {}
    kind = torch.optim.SGD if opt == "sgd" else torch.optim.Adam
    optimizer = kind(model.parameters(), lr=RATE[opt], **more)
    k = 0

    def run(n):
        nonlocal k
        for _ in range(n):
            optimizer.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(model(xs[k % len(xs)]), ys[k % len(xs)])
            loss.backward()
            optimizer.step()
            k += 1
        return loss.item()

    return run


def jax_jit(sizes, xs, ys, opt, **_):
    """JAX: one jitted step with donated state."""
    import functools

    import jax
    import jax.numpy as jnp

    xs, ys = [jax.device_put(x) for x in xs], [jax.device_put(y.astype("i4")) for y in ys]
    params = [(jnp.array(w), jnp.array(b)) for w, b in zip(*initial(sizes), strict=True)]
    tree, rate = jax.tree_util.tree_map, RATE[opt]

    def loss_of(params, x, y):
        for i, (w, b) in enumerate(params):
            x = x @ w + b
            if i < len(params) - 1:
                x = jax.nn.relu(x)
        return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()

    @functools.partial(jax.jit, donate_argnums=0)
    def sgd(state, x, y):
        loss, grads = jax.value_and_grad(loss_of)(state, x, y)
        return tree(lambda p, g: p - rate * g, state, grads), loss

    @functools.partial(jax.jit, donate_argnums=0)
    def adam(state, x, y):
        params, m, v, t = state
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        t = t + 1
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        c, d = 1 - 0.9**t, 1 - 0.999**t
        params = tree(lambda p, m, v: p - rate * (m / c) / (jnp.sqrt(v / d) + 1e-8), params, m, v)
        return (params, m, v, t), loss

    zeros = tree(jnp.zeros_like, params)
    state = (
        params if opt == "sgd" else (params, zeros, tree(jnp.zeros_like, params), jnp.float32(0))
    )
    step, k = (sgd if opt == "sgd" else adam), 0

    def run(n):
        nonlocal k, state
        for _ in range(n):
            state, loss = step(state, xs[k % len(xs)], ys[k % len(xs)])
            k += 1
        return float(loss.block_until_ready())

    return run


CONTENDERS = {
    "hand-written NumPy": (hand_written, {}, "own"),
    "microgradx captured": (ours, {}, "own"),
    "captured, with numba": (ours, {"numba": True}, "fast"),
    "microgradx eager": (ours, {"captured": False}, "own"),
    "PyTorch eager": (torch_eager, {}, "torch"),
    "PyTorch eager, fused": (torch_eager, {"fused": True}, "torch"),
    "JAX jit": (jax_jit, {}, "jax"),
}


# ---- one process a contender ---------------------------------------------------------------------
def worker(name, folder):
    """Answer commands on standard input: ``setup KEY`` and ``run N``."""
    factory, options, _ = CONTENDERS[name]
    run = None
    for line in sys.stdin:
        command, argument = line.split()
        try:
            if command == "setup":
                case = json.loads((Path(folder) / f"{argument}.json").read_text())
                with np.load(Path(folder) / f"{argument}.npz") as stored:
                    xs, ys = list(stored["x"]), list(stored["y"])
                run = factory(tuple(case["sizes"]), xs, ys, case["opt"], **options)
                answer = {"losses": [run(1) for _ in range(20)]}
            else:
                cpu, wall = time.process_time(), time.perf_counter()
                run(int(argument))
                wall = time.perf_counter() - wall
                answer = {"wall": wall, "cpu": time.process_time() - cpu}
        except (ImportError, RuntimeError) as error:
            if not isinstance(error, ImportError) and "needs numba" not in str(error):
                raise
            answer = {"missing": str(error)}
        print("@" + json.dumps(answer), flush=True)


class Contender:
    """A worker process, spoken to over pipes."""

    def __init__(self, name, pythons, folder, core, threads=1):
        self.name = name if threads == 1 else f"{name}, {threads} threads"
        python = pythons[CONTENDERS[name][2]]
        keys = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        env = {**os.environ, **dict.fromkeys(keys, str(threads)), "JAX_PLATFORMS": "cpu"}
        source = str(Path(__file__).parents[1] / "src")  # the other interpreters need no install
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [source, env.get("PYTHONPATH")]))
        if threads == 1:
            env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        command = [python, __file__, "--worker", name, str(folder)]
        pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
            preexec_fn=pin,  # noqa: PLW1509 - there are no threads here
        )  # fmt: skip

    def ask(self, command):
        """Send a command; return the answer, or {"missing": ...} if the process died."""
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"missing": "the process ended"}
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        return {"missing": "the process ended"}

    def close(self):
        """Let the process end."""
        with contextlib.suppress(BrokenPipeError, OSError):
            self.process.stdin.close()
        self.process.wait(timeout=30)


def race(contenders, key, seconds, rounds, parallel=False):
    """Microseconds a step of each contender: (median, best, clean chunks); and of which clock.

    Of contenders with several threads only the wall clock says anything.
    """
    losses, counts = {}, {}
    for c in contenders:
        answer = c.ask(f"setup {key}")
        if "missing" in answer:
            print(f"  left out: {c.name} ({answer['missing']})", file=sys.stderr)
            continue
        losses[c] = answer["losses"]
    reference = np.array(losses[contenders[0]])
    for c, found in losses.items():
        gap = np.max(np.abs(np.array(found) - reference) / np.abs(reference))
        if gap > 2e-3:
            message = f"{c.name} computes other losses: {found[:3]} against {reference[:3]}"
            raise SystemExit(message)
    running = list(losses)
    for c in running:
        first = c.ask("run 10")["wall"] / 10
        counts[c] = max(5, round(seconds / first))
    chunks = {c: [] for c in running}
    for k in range(rounds):
        for c in running if k % 2 == 0 else reversed(running):
            answer = c.ask(f"run {counts[c]}")
            chunks[c].append((answer["wall"] / counts[c] * 1e6, answer["cpu"] / counts[c] * 1e6))
    # Where the machine was too busy for three clean chunks of each, processor time is compared.
    clean = {c: [wall for wall, cpu in found if cpu > 0.97 * wall] for c, found in chunks.items()}
    if parallel:
        clean = {c: [wall for wall, _ in found] for c, found in chunks.items()}
    quiet = all(len(found) >= 3 for found in clean.values())
    table = {}
    for c, found in chunks.items():
        times = clean[c] if quiet else [cpu for _, cpu in found]
        table[c.name] = (statistics.median(times), min(times), len(clean[c]))
    return table, quiet


def show(title, table, quiet):
    """Print one race."""
    base, least = table["hand-written NumPy"][:2]
    print(f"\n{title}{'' if quiet else ' (a busy machine: processor time)'}")
    print(f"  {'':32}{'µs/step':>9}{'best':>8}{'ratio':>8}{'by best':>9}  clean chunks")
    for name, (median, best, clean) in table.items():
        print(
            f"  {name:32}{median:9.0f}{best:8.0f}{median / base:8.2f}{best / least:9.2f}  {clean}"
        )


def steps(options, pythons):
    """Race training steps of several sizes."""
    cases = [((784, 128, 10), b, opt) for opt in ("sgd", "adam") for b in (32, 64, 128, 512)]
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    with tempfile.TemporaryDirectory() as folder:
        contenders = [Contender(name, pythons, folder, core) for name in CONTENDERS]
        with contextlib.ExitStack() as stack:
            for c in contenders:
                stack.callback(c.close)
            for title, key in prepared(options, folder, [*cases, WIDE]):
                table, quiet = race(contenders, key, options.seconds, options.rounds)
                show(f"{title}, one thread", table, quiet)


WIDE = ((784, 512, 256, 10), 128, "adam")


def prepared(options, folder, cases):
    """Write down the batches of each case that was asked for; its title and its key."""
    images, labels = pictures(options.data)
    for k, (sizes, batch, opt) in enumerate(cases):
        if options.batch not in {None, batch} or options.only not in {None, opt}:
            continue
        chosen = np.random.default_rng(batch).integers(0, len(images), (BATCHES, batch))
        np.savez(Path(folder) / f"case{k}.npz", x=images[chosen], y=labels[chosen])
        (Path(folder) / f"case{k}.json").write_text(json.dumps({"sizes": sizes, "opt": opt}))
        yield f"{'-'.join(map(str, sizes))}, batch {batch}, {opt}", f"case{k}"


def threads(options, pythons):
    """Race again, each contender with one thread and with all cores; the better one counts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cases = [((784, 128, 10), b, opt) for opt in ("sgd", "adam") for b in (128, 512)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        contenders = []
        for count in (1, cores):
            for name in CONTENDERS:
                contenders.append(Contender(name, pythons, folder, None, count))
                stack.callback(contenders[-1].close)
        for title, key in prepared(options, folder, [*cases, WIDE]):
            table, _ = race(contenders, key, options.seconds, options.rounds, parallel=True)
            best = {}
            for name, row in table.items():
                plain = name.removesuffix(f", {cores} threads")
                if plain not in best or row < best[plain][1]:
                    best[plain] = (name, row)
            base = best["hand-written NumPy"][1]
            found = {"hand-written NumPy": base}
            found.update((name, row) for name, row in best.values() if row is not base)
            show(f"{title}, the better of 1 and {cores} threads", found, quiet=True)


def pictures(folder):
    """Training images in rows, 0 to 1, and their labels."""
    from microgradx import data

    found = data.digits() if folder is None else data.mnist(folder)
    rows = found.x_train.reshape(len(found.x_train), -1)
    return rows.astype("f4") / np.float32(255), found.y_train.astype(np.int64)


# ---- a tiny network: what a call costs -----------------------------------------------------------
def overhead(_options, _pythons):
    """What a replay costs for each NumPy call, where the arrays are tiny."""
    rng = np.random.default_rng(0)
    xs = list(rng.standard_normal((BATCHES, 8, 16)).astype("f4"))
    ys = list(rng.integers(0, 10, (BATCHES, 8)))
    run = ours((16, 16, 10), xs, ys, "sgd")
    run(100)
    program = run.program()
    calls = len(program.instructions)

    def replays(n):
        for _ in range(n):
            program.replay(xs[0], ys[0])

    print(f"\n16-16-10, batch 8, sgd: {calls} calls")
    for what, function in (("replay alone", replays), ("captured step", run)):
        times = []
        for _ in range(200):
            start = time.perf_counter()
            function(20)
            times.append((time.perf_counter() - start) / 20 * 1e6)
        print(f"  {what:16}{min(times):6.1f} µs, {min(times) / calls:.2f} µs a call")


# ---- whole trainings -----------------------------------------------------------------------------
def epochs(options, pythons):
    """Five epochs of MNIST with shuffling, then the test; and whole processes beside an import."""
    if options.data is None:
        print("\nwhole trainings need MNIST: pass --data DIR", file=sys.stderr)
        return
    script = str(Path(__file__).with_name("mnist_training.py"))
    rows = [
        ("microgradx captured", [pythons["own"], script, "ours", options.data, "5"]),
        ("PyTorch eager", [pythons["torch"], script, "torch", options.data, "5"]),
        ("JAX jit", [pythons["jax"], script, "jax", options.data, "5"]),
    ]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    found = {name: [] for name, _ in rows}
    for k in range(options.trainings):
        for name, command in rows if k % 2 == 0 else reversed(rows):
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            if done.returncode:
                print(
                    f"  left out: {name} ({done.stderr.strip().splitlines()[-1]})", file=sys.stderr
                )
                continue
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    print("\n784-128-10, Adam, batch 128, five epochs of 60,000 with shuffling, one thread")
    print(f"  {'':24}{'seconds':>9}{'best':>8}{'ratio':>8}  test accuracy")
    present = {name: runs for name, runs in found.items() if runs}
    if not present:
        return
    reference = present.get("PyTorch eager") or next(iter(present.values()))
    base = statistics.median(r["seconds"] for r in reference)
    for name, runs in present.items():
        seconds = [r["seconds"] for r in runs]
        middle = statistics.median(seconds)
        accuracy = statistics.median(r["accuracy"] for r in runs)
        print(f"  {name:24}{middle:9.2f}{min(seconds):8.2f}{middle / base:8.2f}  {accuracy:.2%}")
    commands = {
        "microgradx: read, train, test": [pythons["own"], script, "ours", options.data, "97"],
        'python -c "import torch"': [pythons["torch"], "-c", "import torch"],
    }
    times = {name: [] for name in commands}
    accuracies = []
    for k in range(2 * options.trainings):
        for name, command in commands.items() if k % 2 == 0 else reversed(commands.items()):
            start, before = time.perf_counter(), os.times()
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            after, wall = os.times(), time.perf_counter() - start
            if done.returncode == 0:
                cpu = after.children_user - before.children_user
                cpu += after.children_system - before.children_system
                times[name].append((wall, cpu))
                if done.stdout:
                    accuracies.append(json.loads(done.stdout.splitlines()[-1])["accuracy"])
    print("\nwhole processes, from start to end: seconds and, in brackets, seconds of processor")
    for name, found in times.items():
        if found:
            wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
            least = min(wall for wall, _ in found)
            print(f"  {name:32}{wall:6.2f} [{cpu:.2f}], best {least:.2f}")
    print(f"  accuracy on the test set: {min(accuracies):.2%} to {max(accuracies):.2%}")


SECTIONS = {"steps": steps, "threads": threads, "overhead": overhead, "epochs": epochs}


def main():
    """Read the command line."""
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", nargs="?", choices=SECTIONS)
    parser.add_argument("--data", default=os.environ.get("MICROGRADX_MNIST"), metavar="DIR")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PY")
    parser.add_argument("--jax-python", default=sys.executable, metavar="PY")
    parser.add_argument("--fast-python", default=sys.executable, metavar="PY", help="has numba")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--only", choices=RATE)
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=0.12, help="of each chunk (%(default)s)")
    parser.add_argument("--trainings", type=int, default=3)
    options = parser.parse_args()
    pythons = {
        "own": sys.executable,
        "fast": options.fast_python,
        "torch": options.torch_python,
        "jax": options.jax_python,
    }
    for name, section in SECTIONS.items():
        if options.section in (None, name):
            section(options, pythons)


if __name__ == "__main__":
    main()
