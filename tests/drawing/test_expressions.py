"""Expressions typed by anybody: arithmetic, and nothing else."""

from __future__ import annotations

import math

import pytest

from microgradx.cli import main
from microgradx.drawing.expressions import FUNCTIONS, read_expression
from microgradx.errors import DrawingError


def test_an_expression_becomes_a_graph_with_named_leaves():
    out = read_expression("tanh(a*b + c) ** 2 / -a", {"a": 2.0, "b": -3.0, "c": 6.5})
    assert out.data == pytest.approx(math.tanh(0.5) ** 2 / -2)


def test_steps_can_be_named():
    out = read_expression("d = a*b; e = d + d; exp(e)", {"a": 2.0, "b": 0.5})
    assert out.data == pytest.approx(math.exp(2))
    assert out.parents[0].name == "e"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_known(name):
    arguments = "(a, b)" if name in ("maximum", "minimum") else "(a) * b"
    assert (
        math.isfinite(read_expression(name + arguments, {"a": 0.5, "b": 1.0}).data)
        or name == "acosh"
    )


@pytest.mark.parametrize(
    "attack",
    [
        "__import__('os').system('true') + a",
        "a.__class__",
        "a[0]",
        "(lambda: a)()",
        "[a for a in (1,)]",
        "open('x') + a",
        "eval('1') + a",
        "f'{a}'",
        "a if a else a",
        "a and a",
        "a == a",
        "a := 3",
        "import os",
        "del a",
        "print(a)",
        "'a' * 3 + a",
        "tanh(*a)",
        "tanh(x=a)",
        "a @ a",
        "a // 2",
        "~a",
        "True + a",
        "1j * a",
        "x.y = a",
        "a, a = a, a",
        "def f(): pass",
        "a" * 20_000,
        "(" * 500 + "a" + ")" * 500,
        "-" * 3000 + "a",
        "a\x00",
        "",
        "1 + 2",
    ],
    ids=range(32),
)
def test_anything_else_is_refused_with_a_sentence(attack):
    with pytest.raises(DrawingError) as caught:
        read_expression(attack, {"a": 1.0})
    assert str(caught.value).startswith("draw: ")


def test_names_without_numbers_and_numbers_without_use_are_refused():
    with pytest.raises(DrawingError, match=r"'b' has no value\. Give it one: b=1"):
        read_expression("a*b", {"a": 1.0})
    with pytest.raises(DrawingError, match="z does not stand in"):
        read_expression("a*2", {"a": 1.0, "z": 2.0})


def test_a_power_tower_ends_at_once():
    assert read_expression("9**9**9**9**9 * a", {"a": 1.0}).data == math.inf


def test_the_command_writes_the_picture(tmp_path, capsys):
    path = tmp_path / "graph.svg"
    assert main(["draw", "tanh(a*b + c)", "a=2", "b=-3", "c=10", "-o", str(path)]) == 0
    assert "tanh" in path.read_text()
    assert capsys.readouterr().out == f"<Drawing: circuit, 6 nodes, 5 edges> written to {path}\n"


def test_the_command_without_a_file_prints_the_tree(capsys):
    assert main(["draw", "a*b", "a=2", "b=-3"]) == 0
    assert "out = a × b" in capsys.readouterr().out


def test_the_command_writes_a_stepper(tmp_path):
    path = tmp_path / "steps.html"
    assert main(["draw", "a*a", "a=3", "--steps", "-o", str(path)]) == 0
    assert "∂out/∂a += " in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a*b", "a=1"], "'b' has no value"),
        (["tahn(a)", "a=1"], "Did you mean tan"),
        (["a", "a=1", "-o", "/nonexistent/x.svg"], "/nonexistent is no directory"),
        (["a", "a=1", "-o", "x.bmp"], "no format is called '.bmp'"),
    ],
)
def test_mistakes_are_answered_with_one_sentence(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["draw", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
