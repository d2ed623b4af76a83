"""``microgradx thermometer`` and ``microgradx examples``, as users run them."""

import json

import pytest

from microgradx.cli import examples, main


def test_the_thermometer_ends_where_the_book_does(capsys):
    assert main(["thermometer"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-2].split() == ["5000", "2.9276", "-0.0001", "0.0006", "5.3671", "-17.3012"]
    assert out[-1] == (
        "degrees Celsius = 0.5367 * reading - 17.3012 (Fahrenheit's is 0.5556 * reading - 17.7778)"
    )
    assert main(["thermometer", "--epochs", "1"]) == 0
    assert "degrees Celsius = 0.1776 * reading + 0.1064 (" in capsys.readouterr().out


def test_the_thermometer_in_json(capsys):
    assert main(["thermometer", "--json", "--scale", "1", "--lr", "1e-4", "--epochs", "100"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0]["loss"] == pytest.approx(1763.8845, abs=1e-3)
    assert rows[0]["gradient"] == pytest.approx([4517.2964, 82.6], abs=1e-3)
    last = [rows[-1][name] for name in ("epoch", "loss", "w", "b")]
    assert last == pytest.approx([100, 29.0227, 0.2327, -0.0438], abs=1e-4)


def test_a_rate_that_is_too_large_is_told_in_one_sentence(capsys):
    assert main(["thermometer", "--scale", "1"]) == 2
    error = capsys.readouterr().err
    assert "the loss grew from 1763.9 to" in error
    assert error.endswith("Lower --lr, which is 0.01, or --scale.\n")


def test_examples_are_listed(capsys):
    assert main(["examples"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(examples.EXAMPLES)


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_an_example_runs(name, capsys):
    assert main(["examples", name]) == 0
    code, _, printed = capsys.readouterr().out.partition("# it prints:\n")
    assert code.rstrip() == examples.EXAMPLES[name][1].rstrip()
    assert printed.strip()


def test_examples_in_json(capsys):
    assert main(["examples", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == list(examples.EXAMPLES)
    assert main(["examples", "scalars", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["prints"] == "e = 4, de/da = 16, de/db = 68\n"
    assert found["code"] == examples.EXAMPLES["scalars"][1]


def test_an_expression_in_json(capsys):
    assert main(["draw", "a * b", "a=2", "b=3", "--json"]) == 0
    nodes = json.loads(capsys.readouterr().out)["nodes"]
    assert {(node["name"], node["grad"]) for node in nodes} >= {("a", 3.0), ("b", 2.0)}


def test_an_overflow_is_told_in_one_sentence_in_columns(capsys):
    assert main(["thermometer", "--lr", "1e300"]) == 2
    out, err = capsys.readouterr()
    assert len({len(line) for line in out.splitlines()}) == 1
    assert len(err.splitlines()) == 1


def test_a_primitive_is_checked_by_its_name(capsys):
    assert main(["check", "tanh"]) == 0
    assert capsys.readouterr().out.startswith("microgradx:tanh: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--examples", "0"], "argument --examples: '0' is not a positive integer."),
        (["--seed", "-1"], "argument --seed: '-1' is not an integer of 0 or more."),
        (["--shape", "-1"], "argument --shape: '-1' is not N,N or NAME=N,N."),
        (["--range", "nan", "1"], "argument --range: 'nan' is not a finite number."),
        (["--range", "2", "-2"], "there are no numbers from 2 to -2. Pass --range LOW HIGH"),
    ],
)
def test_numbers_that_check_cannot_use_are_answered(arguments, message, capsys):
    try:
        code = main(["check", "tanh", *arguments])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_unknown_example_is_answered(capsys):
    assert main(["examples", "nonsense"]) == 2
    assert "there is no example 'nonsense'. Choose from scalars, " in capsys.readouterr().err
