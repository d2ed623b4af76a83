"""How .ci/run counts lines of code."""

import importlib.util
from pathlib import Path

import pytest

CI = Path(__file__).parent.parent / ".ci"
spec = importlib.util.spec_from_file_location("lines", CI / "lines.py")
lines = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lines)

SOURCE = '''"""A module
docstring."""

import math  # counts

# does not count
def f(x):
    """Nor does this."""
    text = """this
    does"""
    return math.sin(
        x,
    ), text
'''


@pytest.mark.parametrize(
    ("source", "count"), [(SOURCE, 7), ("", 0), ("x = 1\n", 1), ("class A:\n    'a'\n", 1)]
)
def test_lines_of_code_are_those_with_code(source, count):
    assert lines.code_lines(source) == count


def test_the_core_is_listed_by_names_that_exist():
    package = CI.parent / "src/microgradx"
    assert all((package / n).is_dir() or (package / f"{n}.py").is_file() for n in lines.CORE)
