"""Plain scalar Python, captured: speed against micrograd and against the eager engine.

    python benchmarks/scalar_capture.py            # everything, about three minutes
    python benchmarks/scalar_capture.py moons      # one of: moons, sums, recurrence, springs, gpt

Each contender of the moons race runs in its own process, and the processes take turns. Times are
processor time, which a busy machine falsifies least; BLAS has one thread. Before any timing,
results are compared.
"""

import argparse
import functools
import gc
import json
import math
import os
import random
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

STEPS_TO_COMPARE = 100


# ---- micrograd's demo: 100 points, MLP(2, [16, 16, 1]), hinge loss, L2 ---------------------------
def make_moons(n=100, noise=0.1, seed=1337):
    """Two interleaving half circles, as scikit-learn makes them; labels -1 and 1."""
    draw = random.Random(seed)
    half = n // 2
    outer = [
        (math.cos(math.pi * i / (half - 1)), math.sin(math.pi * i / (half - 1)))
        for i in range(half)
    ]
    inner = [(1 - x, 0.5 - y) for x, y in outer]
    rows = [([x + draw.gauss(0, noise), y + draw.gauss(0, noise)], -1) for x, y in outer]
    rows += [([x + draw.gauss(0, noise), y + draw.gauss(0, noise)], 1) for x, y in inner]
    draw.shuffle(rows)
    return [x for x, _ in rows], [y for _, y in rows]


def moons_step(value, model, rate, xs, ys):
    """The training step of micrograd's demo, for any Value class, without the accuracy."""
    inputs = [list(map(value, x)) for x in xs]
    scores = list(map(model, inputs))
    losses = [(1 + -y * score).relu() for y, score in zip(ys, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    total = data_loss + 1e-4 * sum(p * p for p in model.parameters())
    model.zero_grad()
    total.backward()
    for p in model.parameters():
        p.data -= rate * p.grad
    return total


def moons_contender(name):
    """A function that runs one step, and one that tells the gradients."""
    random.seed(1337)
    if name.startswith("micrograd,"):
        from micrograd.engine import Value
        from micrograd.nn import MLP
    else:
        from microgradx.micrograd.engine import Value
        from microgradx.micrograd.nn import MLP
    model = MLP(2, [16, 16, 1])
    xs, ys = make_moons()
    step = functools.partial(moons_step, Value, model, xs=xs, ys=ys)
    if "capture" in name:
        import microgradx as mg

        began = time.process_time()
        if "arguments" in name:
            captured = mg.capture(functools.partial(moons_step, Value, model))
            step = functools.partial(captured, xs=xs, ys=ys)
        else:
            step = captured = mg.capture(step, products="general" not in name)
        step(0.0)
        seconds = time.process_time() - began
        return step, model, seconds, len(captured.program.instructions)
    return step, model, 0.0, 0


def serve(name):
    """One contender's process: answers ``grad`` and ``time n`` on its standard input."""
    if name.endswith("no gc"):
        gc.disable()
    step, model, seconds, calls = moons_contender(name)
    print(json.dumps([seconds, calls]), flush=True)
    for line in sys.stdin:
        order, count = line.split()
        if order == "train":
            found = []
            for k in range(int(count)):
                loss = step(1.0 - 0.9 * k / 100)
                found.append([loss.data, *[p.grad for p in model.parameters()]])
            print(json.dumps(found), flush=True)
        else:
            times = []
            for _ in range(3):
                began = time.process_time()
                for _ in range(int(count)):
                    step(0.01)
                times.append((time.process_time() - began) / int(count))
                if name.endswith("no gc"):
                    gc.collect()  # outside the clock; without it micrograd's cycles fill the memory
            print(json.dumps(times), flush=True)


CONTENDERS = {  # and steps to time in one go
    "micrograd, no gc": 1,
    "micrograd, default gc": 1,
    "microgradx eager": 2,
    "capture, general path": 300,
    "capture, data as arguments": 500,
    "capture": 500,
}


def moons(rounds=12):
    """The table of the moons race."""
    workers, facts = {}, {}
    for name in CONTENDERS:
        workers[name] = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        facts[name] = json.loads(workers[name].stdout.readline())

    def ask(name, order):
        worker = workers[name]
        worker.stdin.write(order + "\n")
        worker.stdin.flush()
        return json.loads(worker.stdout.readline())

    truth = ask("micrograd, no gc", f"train {STEPS_TO_COMPARE}")
    print(
        "moons: largest difference of loss and gradients to micrograd "
        f"over {STEPS_TO_COMPARE} training steps"
    )
    for name in CONTENDERS:
        if name.startswith("micrograd,"):
            continue
        found = ask(name, f"train {STEPS_TO_COMPARE}")
        worst = max(
            abs(a - b) for x, y in zip(truth, found, strict=True) for a, b in zip(x, y, strict=True)
        )
        print(f"  {name:24} {worst:.1e}")
        assert worst < 1e-12, name
    times = {name: [] for name in CONTENDERS}
    for k in range(rounds):
        for name in list(CONTENDERS)[:: 1 if k % 2 else -1]:
            measured = sorted(ask(name, f"time {CONTENDERS[name]}"))
            times[name].append(measured[len(measured) // 2])
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    usual = {name: sorted(t)[len(t) // 2] for name, t in times.items()}
    best = {name: min(t) for name, t in times.items()}
    print("\n  Medians of all rounds, and (in brackets) the quietest round of each contender.")
    print(f"  {'':28} {'µs a step':>22} {'× no gc':>17} {'× default gc':>19}  capture s  calls")
    for name in CONTENDERS:
        cells = [f"{usual[name] * 1e6:11,.1f} [{best[name] * 1e6:,.1f}]"]
        cells += [
            f"{usual[rival] / usual[name]:8,.0f} [{best[rival] / best[name]:,.0f}]"
            for rival in ("micrograd, no gc", "micrograd, default gc")
        ]
        seconds, calls = facts[name]
        extra = f"{seconds:9.2f} {calls:6}" if calls else ""
        print(f"  {name:28} {cells[0]:>22} {cells[1]:>17} {cells[2]:>19}  {extra}")


# ---- graphs that are not networks ----------------------------------------------------------------
def sums(_value, parameters, xs):
    """A thousand random expressions of the parameters and the inputs, added up."""
    draw = random.Random(5)
    terms = []
    for _ in range(1000):
        z = draw.choice(parameters)
        for _ in range(draw.randrange(3, 9)):
            other = draw.choice(draw.choice([parameters, xs]))
            kind = draw.randrange(6)
            if kind == 0:
                z = z + other
            elif kind == 1:
                z = z * other
            elif kind == 2:
                z = (z - other).tanh()
            elif kind == 3:
                z = (z * 0.5).exp() / (1 + other * other)
            elif kind == 4:
                z = z.relu() + 0.1 * other
            else:
                z = (z * z + 1.0) ** -0.5
        terms.append(z)
    return sum(terms)


def recurrence(_value, parameters, xs):
    """h <- tanh(a h + b x), a thousand times: every operation waits for the one before."""
    a, b, h = parameters[0], parameters[1], parameters[2]
    for k in range(1000):
        h = (a * h + b * xs[k % len(xs)]).tanh()
    return h


def springs(value, parameters, xs):
    """Twenty masses on springs, fifty steps of symplectic Euler; the stiffness is learned."""
    n = 20
    place, speed = [value(float(k)) + 0.0 for k in range(n)], [x * 1.0 for x in xs[:n]]
    for _ in range(50):
        stretch = [place[k + 1] - place[k] - 1.0 for k in range(n - 1)]
        pull = [parameters[k] * s + 0.1 * s * s * s for k, s in enumerate(stretch)]
        for k in range(n):
            force = (pull[k] if k < n - 1 else 0.0) - (pull[k - 1] if k else 0.0)
            speed[k] = speed[k] + 0.02 * (force - 0.05 * speed[k])
        place = [p + 0.02 * s for p, s in zip(place, speed, strict=True)]
    return sum(p * p for p in place) * (1.0 / n)


def descend(build, value, parameters, xs):
    loss = build(value, parameters, xs)
    for p in parameters:
        p.grad = 0.0
    loss.backward()
    for p in parameters:
        p.data -= 1e-4 * p.grad
    return loss


def graphs(names):
    """Speed-up of capture over eager Values."""
    import microgradx as mg
    from microgradx import Value

    heads = ("eager ms", "captured µs", "×", "operations", "calls", "capture s", "difference")
    print("\n  " + " " * 12 + "".join(f"{head:>12}" for head in heads))
    for name in names:
        build = globals()[name]
        draw = random.Random(0)
        start = [draw.uniform(0.5, 1.0) for _ in range(50)]
        xs = [draw.uniform(-1, 1) for _ in range(50)]
        eager, captured = [Value(x) for x in start], [Value(x) for x in start]

        def step(xs, build=build, captured=captured):
            return descend(build, Value, captured, xs)

        replay = mg.capture(step)
        began = time.process_time()
        replay(xs)
        seconds = time.process_time() - began
        descend(build, Value, eager, xs)
        worst = 0.0
        for _ in range(5):
            a, b = descend(build, Value, eager, xs), replay(xs)
            pairs = [
                (a.data, b.data),
                *[(p.grad, q.grad) for p, q in zip(eager, captured, strict=True)],
            ]
            worst = max(worst, *[abs(x - y) / max(1.0, abs(x)) for x, y in pairs])
        assert worst < 1e-10, (name, worst)
        slow, fast = [], []
        for _ in range(7):
            slow.append(min(once(descend, build, Value, eager, xs) for _ in range(3)))
            fast.append(min(once(replay, xs) for _ in range(20)))
        count = operations(build(Value, eager, [Value(x) for x in xs]))
        e, c = sorted(slow)[3], sorted(fast)[3]
        calls = len(replay.program.instructions) or "floats"
        print(
            f"  {name:12}{e * 1e3:12.2f}{c * 1e6:12.0f}{e / c:12.0f}{count:12,}{calls:>12}"
            f"{seconds:12.2f}{worst:12.0e}"
        )


def operations(root):
    from microgradx.graph import topological_order

    return sum(node.op is not None for node in topological_order(root))


def once(f, *args):
    began = time.process_time()
    f(*args)
    return time.process_time() - began


def gpt(words=8):
    """The GPT of gpt.py: losses first, then the time of a training step by length of word."""
    sys.path.insert(0, str(Path(__file__).parent))
    import gpt as model

    import microgradx as mg

    eager, captured = model.GPT(), model.GPT()
    step = mg.capture(captured.step)
    draw = random.Random(3)
    picked = draw.sample(model.ELEMENTS, words)
    worst, seconds = 0.0, 0.0
    slow, fast = [], []
    for word in picked * 2:
        began = time.process_time()
        a = eager.step(model.indices(word), 0.01)
        slow.append((len(word), time.process_time() - began))
        known = len(step.programs)
        began = time.process_time()
        b = step(model.one_hot(word), 0.01)
        took = time.process_time() - began
        worst = max(worst, abs(a - b))
        if len(step.programs) > known:
            seconds = max(seconds, took)
        else:
            fast.append((len(word), took))
    assert worst < 1e-9, worst
    print(
        f"\n  GPT of {len(eager.parameters)} Values: losses differ by at most {worst:.0e}; "
        f"one capture takes at most {seconds:.2f} s"
    )
    total_slow = total_fast = 0.0
    for length in sorted({n for n, _ in fast}):
        e = min(t for n, t in slow if n == length)
        rows = model.one_hot(next(w for w in model.ELEMENTS if len(w) == length))
        step(rows, 0.01)
        c = sorted(once(step, rows, 0.01) for _ in range(50))[25]
        total_slow, total_fast = total_slow + e, total_fast + c
        print(
            f"  words of {length:2} letters: eager {e * 1e3:7.1f} ms, "
            f"captured {c * 1e3:6.3f} ms, {e / c:5.0f} ×"
        )
    print(f"  together: {total_slow / total_fast:.0f} ×")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="*", default=["moons", "sums", "recurrence", "springs", "gpt"]
    )
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if "moons" in options.what:
        moons()
    named = [name for name in ("sums", "recurrence", "springs") if name in options.what]
    if named:
        graphs(named)
    if "gpt" in options.what:
        gpt()


if __name__ == "__main__":
    main()
