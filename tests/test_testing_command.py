"""``microgradx check``: exit codes, sentences and JSON."""

import json
import textwrap

import pytest

from microgradx.cli import main

SOURCE = """
import numpy as np

def loss(x, w, labels):
    z = (x @ w).log_softmax(axis=1)
    return -z[np.arange(len(labels)), labels].mean()

def wave(x):
    return np.sin(x)

def plain(x):
    return [1.0]

def right(g, x):
    return g * np.cos(x)

def wrong(g, x):
    return -g * np.cos(x)

def value(a, b):
    return (a * b + 1).tanh()

def nowhere(x):
    return (x * x + 1).neg().log() if hasattr(x, "neg") else (-(x * x) - 1).log()

def nothing():
    return 0

class Model:
    @staticmethod
    def run(x):
        return x.tanh()
"""


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    (tmp_path / "mine.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(["check", *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


SHAPES = ("--shape", "x=4,3", "--shape", "w=3,2", "--input", "labels=[0,1,1,0]")


@pytest.mark.parametrize(
    "arguments",
    [
        ("mine.py:loss", *SHAPES),
        ("mine.py:loss", *SHAPES, "--order", "2", "--examples", "3"),
        ("mine.py:wave", "--vjp", "mine.py:right"),
        ("mine.py:value", "--numbers", "--range", "-1", "1"),
        ("mine.py:value", "--shape", "5"),
        ("mine.py:Model.run",),
    ],
    ids=["loss", "second order", "vjp", "numbers", "arrays", "method"],
)
def test_a_right_gradient_exits_with_0(check, arguments):
    code, out, err = check(*arguments)
    assert (code, err) == (0, "")
    assert " ok" in out
    assert "would have been seen" in out


@pytest.mark.parametrize(
    ("arguments", "library"),
    [
        (("mine.py:value", "--numbers"), "microgradx.Value"),
        (("mine.py:value",), "microgradx"),
        (("mine.py:wave", "--vjp", "mine.py:right"), "handwritten"),
    ],
)
def test_the_outcome_says_what_the_function_ran_over(check, arguments, library):
    assert f"{arguments[0]} ({library}): 20 ok" in check(*arguments)[1]


def test_a_failure_prints_a_program_that_imports_the_function(check):
    _, out, _ = check("mine.py:wave", "--vjp", "mine.py:wrong")
    assert "from mine import wave, wrong" in out
    assert "check_vjp(wave, wrong, x, seed=0)" in out


def test_a_primitive_is_checked_against_all_laws(check):
    assert check("microgradx:tanh", "--examples", "2")[:2] == (0, "microgradx:tanh: 22 ok\n")


def test_a_wrong_gradient_exits_with_1_and_says_why(check):
    code, out, _ = check("mine.py:wave", "--vjp", "mine.py:wrong")
    assert code == 1
    assert out.startswith("mine.py:wave: wrong gradient: input 0 (x), sign")
    assert "exactly the negative" in out
    assert out.endswith("the same command with --seed 0 --examples 1\n")


def test_json(check):
    code, out, _ = check("mine.py:wave", "--vjp", "mine.py:wrong", "--json")
    found = json.loads(out)
    assert (code, found["right"], found["failure"]["kind"]) == (1, False, "sign")


def test_checking_nothing_is_no_success(check):
    code, out, _ = check("mine.py:nowhere", "--library", "microgradx")
    assert code == 1
    assert "nothing could be compared, since the function is not finite here" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("mine.py",), "'mine.py' names no function"),
        (("mine.py:gone",), "mine.py has no 'gone'"),
        (("absent:f",), "absent cannot be imported (ModuleNotFoundError"),
        (("mine.py:loss",), "mine.py:loss fails for inputs of shapes (2, 3), (2, 3), (2, 3)"),
        (("mine.py:nothing",), "takes no inputs"),
        (("mine.py:wave", "--input", "y=1"), "has no parameter 'y'"),
        (("mine.py:wave", "--input", "x=one"), "x=one is no Python literal"),
        (("mine.py:plain",), "f returned list, which carries no gradient"),
    ],
    ids=["no name", "gone", "absent", "shapes", "no inputs", "parameter", "literal", "library"],
)
def test_mistakes_are_one_sentence_and_exit_with_2(check, arguments, sentence):
    code, out, err = check(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("microgradx: check: ")
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("--shape", "x=a"), ("--input", "x"), ("--order", "3")])
def test_bad_options_exit_with_2(check, arguments):
    with pytest.raises(SystemExit) as caught:
        check("mine.py:wave", *arguments)
    assert caught.value.code == 2
