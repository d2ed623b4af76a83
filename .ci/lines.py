"""Print the lines of code of each layer: `python .ci/lines.py [package directory]`.

A line of code is one that carries a token other than a comment or a docstring. The core is watched:
its growth is something to justify.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

CORE = [
    "errors",
    "graph",
    "modes",
    "primitive",
    "ops",
    "engine",
    "value",
    "tensor",
    "symbol",
    "functions",
    "transforms",
]
SILENT = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def code_lines(source: str) -> int:
    """Count the lines that carry code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            first, last = node.body[0].lineno, node.body[0].end_lineno or 0
            lines.difference_update(range(first, last + 1))
    return len(lines)


def main() -> None:
    """Print the table."""
    package = Path(sys.argv[1] if len(sys.argv) > 1 else "src/microgradx")
    layers: dict[str, tuple[int, int]] = {}
    for path in sorted(package.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        layer = path.relative_to(package).parts[0].removesuffix(".py")
        code, all_lines = layers.get(layer, (0, 0))
        layers[layer] = code + code_lines(source), all_lines + len(source.splitlines())

    def show(title: str, names: list[str]) -> None:
        rows = [(name, *layers[name]) for name in names]
        print(f"{title:<16}{'code':>8}{'all':>8}")
        for name, code, all_lines in rows:
            print(f"  {name:<14}{code:>8,}{all_lines:>8,}")
        print(f"  {'= ' + title:<14}{sum(r[1] for r in rows):>8,}{sum(r[2] for r in rows):>8,}")

    show("core", [name for name in CORE if name in layers])
    show("above", [name for name in layers if name not in CORE])
    print(f"{'everything':<16}{sum(c for c, _ in layers.values()):>8,}"
          f"{sum(a for _, a in layers.values()):>8,}")  # fmt: skip


if __name__ == "__main__":
    main()
