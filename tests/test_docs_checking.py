"""docs/checking.md: its code runs, and prints what it says."""

import ast
import contextlib
import io
import re
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "checking.md"
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n^```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)


def trimmed(text):
    return "\n".join(line.rstrip() for line in text.rstrip().splitlines())


def matches(expected, printed):
    """Equal up to trailing blanks; ``...`` stands for the rest of a line."""
    pattern = re.escape(trimmed(expected)).replace(r"\ \.\.\.", ".*").replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, trimmed(printed)) is not None


def test_the_document_tells_the_truth():
    text = DOCUMENT.read_text(encoding="utf-8")
    namespace, claims = {}, 0
    for block in BLOCK.finditer(text):
        source, shown = block.groups()
        lines = source.splitlines()
        for statement in ast.parse(source).body:
            part = lines[statement.lineno - 1 : statement.end_lineno]
            expected = [claim[1] for line in part if (claim := re.search(r"# -> (.*)", line))]
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(ast.Module([statement], []), str(DOCUMENT), "exec"), namespace)
            if expected or not shown:
                assert printed.getvalue().splitlines() == expected, source
                claims += len(expected)
            elif printed.getvalue():
                assert matches(shown, printed.getvalue()), printed.getvalue()
                claims += 1
    assert claims >= 13
