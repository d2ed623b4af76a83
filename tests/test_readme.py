"""The README's Python blocks run, in order, and print what they claim."""

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks(text):
    """The source of every block of Python, with its first line's number."""
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, block.start(1)), block[1]


def run(text, filename="README.md"):
    """Run all blocks in one namespace; compare what each statement prints with its ``# -> ``."""
    namespace = {"__name__": "readme"}
    claims = 0
    for start, source in blocks(text):
        lines = source.splitlines()
        for statement in ast.parse(source).body:
            part = lines[statement.lineno - 1 : statement.end_lineno]
            expected = [claim[1] for line in part if (claim := re.search(r"# -> (.*)", line))]
            line = start + statement.lineno
            module = ast.increment_lineno(ast.Module([statement], []), start)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(module, filename, "exec"), namespace)
            assert printed.getvalue().splitlines() == expected, f"{filename}:{line}"
            claims += len(expected)
    return claims


@pytest.mark.quick
def test_the_readme_tells_the_truth(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # its pictures go there
    assert run(README.read_text(encoding="utf-8")) >= 3


def test_a_wrong_claim_is_caught():
    with pytest.raises(AssertionError, match=r"README\.md:4"):
        run("words\n```python\nx = 1\nprint(x)  # -> 2\n```\n")


def test_a_print_without_a_claim_is_caught():
    with pytest.raises(AssertionError, match=r"README\.md:2"):
        run("```python\nprint(1)\n```\n")


def test_the_readme_stays_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 120
