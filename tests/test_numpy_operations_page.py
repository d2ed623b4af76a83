"""docs/operations.md is what the table of primitives says."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from microgradx.primitive import PRIMITIVES

TOOL = Path(__file__).parents[1] / "tools" / "operations_page.py"
if not TOOL.exists():
    pytest.skip("the tools are not installed", allow_module_level=True)


def test_the_page_is_current():
    """In a process of its own, where no test has added rows."""
    ran = subprocess.run(
        [sys.executable, TOOL, "--check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_page_is_written_from_the_rows(monkeypatch):
    spec = importlib.util.spec_from_file_location("operations_page", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert "| `tanh` | `tanh(x)` | `1 - z * z` |  |" in tool.page()
    monkeypatch.setattr(PRIMITIVES["tanh"], "kink", "none at all")
    assert "| `tanh` | `tanh(x)` | `1 - z * z` | none at all |" in tool.page()
