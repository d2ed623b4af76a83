"""``microgradx check``: exit codes, sentences and JSON."""

import json
import re
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

def misspelt(x):
    return x.tanhh()

def calls(x):
    return x(3)

def scaled(x, k=2.0):
    return x * k

def logs(x):
    return x.log()

answer = 42

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
    assert "nothing could be compared, since the function is not finite here (try another" in out


def test_what_could_not_be_judged_is_counted(check):
    once = ("--examples", "1", "--input", "x=[-1.0, 0.5, 2.0]")
    code, out, _ = check("mine.py:logs", *once)
    assert code == 0
    assert "1 ok; relative errors" in out
    assert out.endswith("; elements that could not be judged: 1\n")
    assert json.loads(check("mine.py:logs", *once, "--json")[1])["unjudged"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("mine.py",), "'mine.py' names no function"),
        (("mine.py:gone",), "mine.py has no 'gone'"),
        (("absent:f",), "absent cannot be imported (ModuleNotFoundError"),
        (("mine.py:loss",), "mine.py:loss fails for inputs of shapes (2, 3), (2, 3), (2, 3)"),
        (("mine.py:nothing",), "takes no inputs"),
        (("mine.py:wave", "--input", "y=1"), "has no parameter 'y'"),
        (("mine.py:wave", "--shape", "y=9,9"), "has no parameter 'y'. It has ['x']"),
        (("mine.py:answer",), "mine.py:answer cannot be called: it is of type int"),
        (("mine.py:wave", "--input", "x=one"), "x=one is no Python literal"),
        (("mine.py:plain",), "f returned list, which carries no gradient"),
    ],
    ids=["no name", "gone", "absent", "shapes", "no inputs", "parameter", "shape",
         "not callable", "literal", "library"],
)  # fmt: skip
def test_mistakes_are_one_sentence_and_exit_with_2(check, arguments, sentence):
    code, out, err = check(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("microgradx: check: ")
    assert sentence in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("target", "what", "line"),
    [
        ("misspelt", "has no attribute 'tanhh'", "return x.tanhh()"),
        ("calls", "TypeError: 'Tensor' object is not callable", "return x(3)"),
    ],
)
def test_only_shapes_are_mended_with_shapes(check, target, what, line):
    _, _, err = check(f"mine.py:{target}")
    assert what in err
    assert "--shape" not in err
    assert re.search(rf"See mine.py, line \d+: {re.escape(line)}\.\n$", err)
    assert "--shape NAME=2,3" in check("mine.py:loss")[2]


def test_a_parameter_with_a_default_is_an_input_if_its_shape_is_given(check):
    assert check("mine.py:scaled", "--shape", "k=2,3", "--range", "1", "2")[0] == 0
    assert check("mine.py:scaled", "--shape", "k=5")[0] == 2  # (2, 3) * (5,)


@pytest.mark.parametrize("arguments", [("--shape", "x=a"), ("--input", "x"), ("--order", "3")])
def test_bad_options_exit_with_2(check, arguments):
    with pytest.raises(SystemExit) as caught:
        check("mine.py:wave", *arguments)
    assert caught.value.code == 2
