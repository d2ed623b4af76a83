"""Notebooks, trusted or not, show a picture and useful text."""

from __future__ import annotations

import sys

import pytest

from microgradx import animate, draw

from .conftest import lecture_graph

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


def test_a_drawing_offers_what_untrusted_notebooks_keep(lecture):
    bundle = draw(lecture)._repr_mimebundle_()
    # Measured in JupyterLab 4.6: untrusted notebooks drop image/svg+xml, scripts and iframes.
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/html"].startswith("<img alt=")
    assert "<script" not in bundle["text/html"]
    assert bundle["text/plain"].splitlines()[1].startswith("L = tanh(s)")


def test_a_stepper_carries_a_still_picture_with_it(lecture):
    html = animate(lecture)._repr_mimebundle_()["text/html"]
    assert "<iframe" in html
    assert "<img alt=" in html.rpartition("</iframe>")[2]


def test_a_repr_never_raises(lecture, monkeypatch):
    drawing = draw(lecture, engine="/no/such/program")
    bundle = drawing._repr_mimebundle_()
    assert "no program is found" in bundle["text/plain"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_executed_notebook_holds_the_picture(tmp_path):
    source = (
        "from microgradx import Value, draw\n"
        "a = Value(2.0); b = Value(3.0)\nout = a * b\nout.backward()\ndraw(out)"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    client = nbclient.NotebookClient(
        book, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    try:
        client.create_kernel_manager()
    except Exception:  # noqa: BLE001
        pytest.skip(f"no kernel for {sys.executable}")
    client.execute()
    data = book.cells[0].outputs[0]["data"]
    assert data["text/html"].startswith("<img alt=")
    assert "out = a × b" in data["text/plain"]


def test_two_drawings_in_one_page_share_no_id():
    one = lecture_graph()
    two = lecture_graph()
    two.backward()
    first, second = draw(one, engine="built-in").svg, draw(two, engine="built-in").svg
    ids = [{part.split('"')[0] for part in svg.split('id="')[1:]} for svg in (first, second)]
    assert not ids[0] & ids[1]
