"""Write docs/operations.md from the table of primitives.

    python tools/operations_page.py            # write the page
    python tools/operations_page.py --check    # exit with 1 if it is not current

Formulas and derivatives come from the rows themselves: a rule read with symbols at g = 1.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from microgradx import functions, linalg, ops, special
from microgradx.primitive import PRIMITIVES, Primitive
from microgradx.protocols import FUNCTIONS, UFUNCS
from microgradx.symbol import derivative, formula

if TYPE_CHECKING:
    from types import ModuleType

PAGE = Path(__file__).parents[1] / "docs" / "operations.md"
INPUTS = "xyw"
FAMILIES = (
    "elementwise", "elementary", "rounding", "special", "shaping", "scans", "indexing",
    "reductions", "moments", "linalg", "einsum", "factors", "conv",
)  # fmt: skip

HEAD = """# Operations

<!-- Written by tools/operations_page.py from the rows: change those, not this. -->

Everything microgradx computes is made of the operations below. Each is one row of a table in
`src/microgradx/ops/`: its kernels, its derivative, and what holds where there is none. In the
column of derivatives `z` is the result; operations that only arrays have are written with the
cotangent `g` that arrives at the result. A dash says that nothing flows to that input; "see the
rule" that the derivative takes more than a formula.

Unless a row says otherwise, all orders of derivatives exist, in reverse and in forward mode,
because a rule is made of operations again. Constants have no derivative: what depends on an input
only through them gets a gradient of None.

"""


def title(module: ModuleType) -> str:
    """What a module's docstring says it holds."""
    return inspect.getdoc(module).split("\n\n")[0].replace("\n", " ").split(":")[0].rstrip(".")


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("|", "\\|")


def code(text: object) -> str:
    """A formula in a table."""
    return f"`{cell(str(text))}`"


def slopes(op: Primitive) -> str:
    """The derivative in each input."""
    if op.kind == "constant":
        return "constant"
    if op.each is not None:
        return "see the rule"
    found = []
    for i, rule in enumerate(op.vjps):
        if rule is None:
            found.append("–")
            continue
        slope = derivative(op, i)
        written = slope is not None and len(str(slope)) <= 70
        found.append(code(slope) if written else "see the rule")
    if len(found) == 1 or set(found) == {"see the rule"}:
        return found[0]
    return ", ".join(f"in {name}: {slope}" for name, slope in zip(INPUTS, found, strict=False))


def families() -> str:
    """One table for each family of operations."""
    missing = set(ops.__all__) - set(FAMILIES)
    if missing:
        raise SystemExit(f"operations_page: add the families {sorted(missing)} to FAMILIES")
    parts = []
    for name in FAMILIES:
        module = getattr(ops, name)
        rows = [PRIMITIVES[n] for n in module.__annotations__ if n in PRIMITIVES]
        parts.append(f"## {title(module)}\n\n`ops/{name}.py`\n")
        parts.append("| name | formula | derivative | at kinks and edges |\n|---|---|---|---|")
        for op in rows:
            edges = "; ".join(cell(part) for part in (op.kink, op.domain) if part)
            parts.append(f"| `{op.name}` | {code(formula(op))} | {slopes(op)} | {edges} |")
        parts.append("")
    return "\n".join(parts)


def served() -> dict[int, list[str]]:
    """Under which of NumPy's names each function is reached."""
    names: dict[int, list[str]] = {}
    for theirs, ours in (*UFUNCS.items(), *FUNCTIONS.items()):
        home = "np.linalg" if "linalg" in getattr(theirs, "__module__", "") else "np"
        names.setdefault(id(ours), []).append(f"{home}.{theirs.__name__}")
    return names


def index() -> str:
    """The functions that are made of them."""
    parts = [
        "## Functions",
        "",
        "What users call, made of the operations above. NumPy's own functions in the last column",
        "give the same when they are called with Tensors.",
        "",
    ]
    reached = served()
    for prefix, module, names in (
        ("mg", functions, functions.__all__),
        ("mg.linalg", linalg, linalg.__all__),
        ("mg.special", special, special.__all__),
    ):
        parts.append(f"### `{prefix}`\n\n| function | | also as |\n|---|---|---|")
        for name in sorted(names):
            function = getattr(module, name)
            if isinstance(function, Primitive):
                summary = f"the operation `{function.name}`"
            else:
                summary = cell((inspect.getdoc(function) or "").split("\n")[0].rstrip("."))
            also = ", ".join(f"`{n}`" for n in sorted(set(reached.get(id(function), []))))
            parts.append(f"| `{prefix}.{name}` | {summary} | {also} |")
        parts.append("")
    return "\n".join(parts)


def page() -> str:
    """The whole page."""
    return HEAD + families() + "\n" + index()


def main() -> int:
    """Write the page, or check it."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if it is not current"
    )
    text = page()
    if parser.parse_args().check:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print(f"docs/operations.md is {'' if current else 'not '}current")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE}: {len(PRIMITIVES)} operations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
