"""``microgradx examples``: short programs to read, run and change."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from microgradx.errors import ArgumentError

if TYPE_CHECKING:
    import argparse

EXAMPLES = {
    "scalars": (
        "micrograd's expression, and its derivatives",
        """\
from microgradx import Value

a, b = Value(-4.0), Value(2.0)
c = a + b
d = a * b + b**3
e = (c - d).relu() + (d * 2 + b) ** 2
e.backward()
print(f"e = {e.data:g}, de/da = {a.grad:g}, de/db = {b.grad:g}")
""",
    ),
    "network": (
        "two inputs, two hidden units, two outputs, and one step of learning",
        """\
import numpy as np
import microgradx as mg
from microgradx import Tensor

x, target = np.array([2.0, 3.0]), np.array([1.0, 0.2])
W1, b1 = Tensor([[0.3, -0.4], [0.2, 0.6]]), Tensor([0.25, 0.45])
W2, b2 = Tensor([[0.7, 0.5], [-0.3, -0.1]]), Tensor([0.15, 0.35])

def forward():
    return mg.sigmoid(W2 @ mg.sigmoid(W1 @ x + b1) + b2)

print("before", forward().numpy())
((forward() - target) ** 2).sum().backward()
for p in (W1, b1, W2, b2):
    p.data -= 0.1 * p.grad
print("after ", forward().numpy(), "target", target)
""",
    ),
    "moons": (
        "two moons told apart by a small network",
        """\
from microgradx import data, nn, optim, train

x, y = data.moons(200, rng=0)
x = x.astype("float32")
model = nn.Sequential(nn.Linear(2, 16, rng=0), nn.ReLU(), nn.Linear(16, 2, rng=1))
optimizer = optim.Adam(model.parameters(), lr=0.02)
history = train.fit(model, (x, y), epochs=50, optimizer=optimizer, rng=0)
print(f"loss {history['loss'][0]:.3f} -> {history['loss'][-1]:.3f}")
print(f"{train.accuracy(train.predict(model, x), y):.1%} right")
""",
    ),
    "lasso": (
        "a penalty that finds out which features matter",
        """\
import numpy as np
from microgradx import train

chance = np.random.default_rng(0)
x = chance.normal(size=(100, 6))
y = 3 * x[:, 1] - 2 * x[:, 4] + chance.normal(size=100)
for model in (train.LinearRegression(), train.Ridge(30.0), train.Lasso(0.3)):
    print(f"{type(model).__name__:16}", model.fit(x, y).coef_.round(2) + 0.0)
""",
    ),
    "second-derivatives": (
        "Newton's method on Rosenbrock's banana",
        """\
import numpy as np
import microgradx as mg
from microgradx import Tensor

def banana(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2

p = np.array([-1.2, 1.0])
for step in range(7):
    gradient, hessian = mg.grad(banana)(Tensor(p)), mg.hessian(banana)(Tensor(p))
    p = p - np.linalg.solve(hessian.numpy(), gradient.numpy())
    print(step + 1, p, float(banana(Tensor(p))))
""",
    ),
}


def add(commands: Any) -> None:
    """Describe the sub-command and its arguments."""
    parser = commands.add_parser(
        "examples",
        help="short programs to read, run and change",
        description="Without a NAME, list the examples; with one, show it and what it prints.",
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=", ".join(EXAMPLES))
    parser.add_argument("--code", action="store_true", help="print the code alone, to save it")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, or show and run."""
    if arguments.name is None and arguments.json:
        for name, (title, _) in EXAMPLES.items():
            print(json.dumps({"name": name, "title": title}))
        return 0
    if arguments.name is None:
        width = max(map(len, EXAMPLES))
        for name, (title, _) in EXAMPLES.items():
            print(f"{name:{width}}  {title}")
        return 0
    if arguments.name not in EXAMPLES:
        problem = f"there is no example {arguments.name!r}"
        raise ArgumentError("examples", problem, f"Choose from {', '.join(EXAMPLES)}")
    title, code = EXAMPLES[arguments.name]
    if arguments.json:
        found = {"name": arguments.name, "title": title, "code": code}
        if not arguments.code:
            printed = io.StringIO()
            with redirect_stdout(printed):
                _run(arguments.name)
            found["prints"] = printed.getvalue()
        print(json.dumps(found))
        return 0
    print(code, end="")
    if not arguments.code:
        print("\n# it prints:", flush=True)
        _run(arguments.name)
    return 0


def _run(name: str) -> None:
    code = compile(EXAMPLES[name][1], f"<example {name}>", "exec")
    exec(code, {"__name__": "__main__"})  # noqa: S102 - our own text
