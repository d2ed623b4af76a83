"""Every notebook runs from the first cell to the last; their solutions assert what they claim."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    scope = {"__name__": "__main__"}
    try:
        for number, cell in enumerate(cells(path), 1):
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), f"{path.name}[{number}]", "exec"), scope)
    finally:
        plt.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_ends_with_three_exercises_and_their_solutions(path):
    written = cells(path)
    solutions = [cell for cell in written if "solution" in cell["metadata"].get("tags", [])]
    assert solutions == written[-3:]
    exercises = "".join(written[-4]["source"])
    assert "## Exercises" in exercises
    assert [f"\n{i}. " in exercises for i in (1, 2, 3, 4)] == [True, True, True, False]


def test_notebooks_are_stored_without_outputs():
    for path in NOTEBOOKS:
        assert all(not cell.get("outputs") for cell in cells(path)), path.name


def test_all_eleven_are_there():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{i:02d}" for i in range(1, 12)]
