"""Linear models find scikit-learn's coefficients on the diabetes data of Efron et al. (2004).

``golden/linear.json`` holds the data and scikit-learn's answers; ``python
tests/test_linear_models.py`` writes it anew where scikit-learn is installed.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from microgradx import errors, train

GOLDEN = Path(__file__).parent / "golden" / "linear.json"
CASES = {
    "LinearRegression": {},
    "Ridge": {"alpha": 0.5},
    "Ridge flat": {"alpha": 2.0, "fit_intercept": False},
    "Lasso": {"alpha": 0.5},
    "Lasso strong": {"alpha": 1.5},
    "ElasticNet": {"alpha": 0.01, "l1_ratio": 0.7},
    "ElasticNet strong": {"alpha": 0.05, "l1_ratio": 0.9},
}
CLASSES = {"LogisticRegression": 2, "SoftmaxRegression": 3}


def classes_of(y, count):
    """Classes of equal size, from low to high."""
    return np.searchsorted(np.quantile(y, np.arange(1, count) / count), y)


def of_scikit_learn():
    from sklearn import datasets, linear_model  # noqa: PLC0415

    x, y = datasets.load_diabetes(return_X_y=True)
    x = x.round(6)
    found = {}
    for case, options in CASES.items():
        extra = {"tol": 1e-12, "max_iter": 10**6} if case[0] in "LE" and options else {}
        model = getattr(linear_model, case.split()[0])(**options, **extra).fit(x, y)
        found[case] = [*model.coef_, model.intercept_]
    for case, count in CLASSES.items():
        model = linear_model.LogisticRegression(tol=1e-10, max_iter=10**5)
        model.fit(x * 20, classes_of(y, count))
        found[case] = np.column_stack([model.coef_, model.intercept_]).tolist()
    return {"x": x.tolist(), "y": y.tolist(), "coefficients": found}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("case", CASES)
def test_coefficients_are_scikit_learns(case, golden):
    x, y = np.array(golden["x"]), np.array(golden["y"])
    model = getattr(train, case.split()[0])(**CASES[case]).fit(x, y)
    *coefficients, intercept = golden["coefficients"][case]
    assert model.coef_ == pytest.approx(coefficients, rel=1e-3, abs=1e-3)
    assert model.intercept_ == pytest.approx(intercept, abs=1e-3)
    assert ((model.coef_ == 0) == (np.array(coefficients) == 0)).all()
    if case == "Lasso strong":
        assert (model.coef_ == 0).sum() >= 6


@pytest.mark.parametrize("case", CLASSES)
def test_classifiers_are_scikit_learns(case, golden):
    x = 20 * np.array(golden["x"])
    y = classes_of(np.array(golden["y"]), CLASSES[case])
    model = getattr(train, case)().fit(x, y)
    expected = np.array(golden["coefficients"][case])
    found = np.column_stack([np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)])
    # Adding one number to all intercepts changes nothing: both are compared with mean 0.
    if len(found) > 1:
        found, expected = found - found.mean(axis=0), expected - expected.mean(axis=0)
    assert found == pytest.approx(expected, abs=1e-3)
    assert model.predict_proba(x).sum(axis=1) == pytest.approx(np.ones(len(x)))
    assert (model.predict_proba(x).argmax(axis=1) == model.predict(x)).all()


def test_mistakes_are_answered():
    table = [
        (lambda: train.Lasso(alpha=-1), "Lasso: alpha is -1. Pass 0 or more."),
        (
            lambda: train.ElasticNet(l1_ratio=2),
            "ElasticNet: l1_ratio is 2. Pass a number from 0 to 1.",
        ),
        (
            lambda: train.Ridge().fit([1.0, 2.0], [1.0, 2.0]),
            "Ridge.fit: data of shape (2,) and targets of shape (2,). "
            "Pass x (n, features) and y (n,).",
        ),
        (
            lambda: train.Ridge().fit([[float("nan")]], [1.0]),
            "Ridge.fit: the data have numbers that are nan or infinite. Clean them.",
        ),
        (
            lambda: train.LogisticRegression().fit([[1.0], [2.0]], [0, 2]),
            "LogisticRegression.fit: the classes run from 0 to 2. Pass classes 0 and 1.",
        ),
    ]
    for call, message in table:
        with pytest.raises(errors.MicrogradxError) as caught:
            call()
        assert str(caught.value) == message


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(of_scikit_learn(), separators=(",", ":")) + "\n")


X, Y = np.arange(12.0).reshape(6, 2), np.arange(6) % 2
MISTAKES = [
    (lambda: train.Ridge().predict(X), "Ridge: it has learned from no data yet. Call fit(x, y)"),
    (
        lambda: train.Ridge().fit(X, Y).predict(X[:, :1]),
        "Ridge: data of shape (6, 1), but it learned from 2 features. Pass x (n, 2).",
    ),
    (
        lambda: train.LogisticRegression().fit(X, np.array(["a", "b"] * 3)),
        "LogisticRegression.fit: targets of dtype <U1 are no numbers. Number them.",
    ),
    (
        lambda: train.LogisticRegression().fit(X, Y * 0.5),
        "LogisticRegression.fit: some targets are no whole numbers. Pass classes.",
    ),
    (
        lambda: train.Lasso().fit([["a"], ["b"]], [1, 2]),
        "Lasso.fit: the data are no array of numbers. Pass x (n, features).",
    ),
]


@pytest.mark.parametrize(("call", "message"), MISTAKES)
def test_what_cannot_be_learned_is_answered(call, message):
    with pytest.raises(errors.MicrogradxError) as caught:
        call()
    assert message in str(caught.value)
