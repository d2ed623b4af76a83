"""Linear models: regression with and without penalties, logistic and softmax regression.

All minimise a smooth loss, whose gradient `backward` computes, plus penalties on the size of the
coefficients. L1 is not smooth at 0, so it enters by a proximal step: after each gradient step,
every coefficient moves towards 0 by a fixed amount and stays there if it arrives. That is how the
lasso gets coefficients of exactly 0. The steps are Nesterov's, as long as the curvature allows:
A. Beck, M. Teboulle, "A Fast Iterative Shrinkage-Thresholding Algorithm", SIAM Journal on Imaging
Sciences 2(1), 2009.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from microgradx import functions as F  # noqa: N812 - as everybody calls it
from microgradx.errors import ArgumentError, DataError, DTypeError, ShapeError
from microgradx.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from microgradx.tensor import Tensor
from microgradx.train.metrics import accuracy, r2_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ElasticNet", "Lasso", "LinearRegression", "LogisticRegression", "Ridge", "SoftmaxRegression",
]  # fmt: skip

Array = Any


def minimise(
    smooth: Callable[[Tensor], Tensor],
    start: Array,
    curvature: float,
    l1: float,
    tol: float,
    max_iter: int,
) -> tuple[Array, int]:
    """Minimise ``smooth(w) + l1 |w|_1`` by accelerated proximal gradient steps.

    Parameters
    ----------
    smooth : callable
        Maps a Tensor to a Tensor of shape ``()``.
    start : ndarray
        Where to begin.
    curvature : float
        The largest second derivative of `smooth` in any direction.
    l1 : float
        The strength of the penalty.
    tol : float
        Stop when the gradient step moves no coefficient by more than this part of the largest.
    max_iter : int
        At most so many steps.

    Returns
    -------
    tuple of (ndarray, int)
        The minimum, and how many steps it took.
    """
    step = 1 / curvature
    w = start
    ahead, t = w, 1.0
    for i in range(1, max_iter + 1):
        point = Tensor(ahead)
        smooth(point).backward()
        moved = ahead - step * point.grad
        new = np.sign(moved) * np.maximum(np.abs(moved) - step * l1, 0.0) if l1 else moved
        if np.abs(new - ahead).max() <= tol * max(np.abs(new).max(), 1e-12):
            return new, i
        if ((ahead - new) * (new - w)).sum() > 0:
            t = 1.0  # it overshot: let the momentum begin anew (O'Donoghue and Candes, 2015)
        following = (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead = new + (t - 1) / following * (new - w)
        w, t = new, following
    return w, max_iter


def _numbers(x: Any, where: str) -> Array:
    try:
        return np.asarray(x, np.float64)
    except (TypeError, ValueError):
        problem = "the data are no array of numbers"
        raise DTypeError(where, problem, "Pass x (n, features)") from None


class _Linear:
    """What the models share: checking data, and answers that are linear in x."""

    coef_: NDArray[np.float64]
    intercept_: Any
    n_iter_: int

    def __init__(
        self, fit_intercept: bool = True, tol: float = 1e-7, max_iter: int = 20_000
    ) -> None:
        self.fit_intercept, self.tol, self.max_iter = fit_intercept, tol, max_iter

    def _data(self, x: Any, y: Any) -> tuple[Array, Array]:
        where = f"{type(self).__name__}.fit"
        x, y = _numbers(x, where), np.asarray(y)
        if y.dtype.kind not in "biuf":
            raise DTypeError(where, f"targets of dtype {y.dtype} are no numbers", "Number them")
        if x.ndim != 2 or y.shape[:1] != x.shape[:1] or not x.size:
            problem = f"data of shape {x.shape} and targets of shape {y.shape}"
            raise ShapeError(where, problem, "Pass x (n, features) and y (n,)")
        if not np.isfinite(x).all() or not np.isfinite(y).all():
            raise DataError(where, "the data have numbers that are nan or infinite", "Clean them")
        return x, y

    def decision_function(self, x: ArrayLike) -> NDArray[np.float64]:
        """``x @ coef_ + intercept_``.

        Parameters
        ----------
        x : array_like, shape (n, features)
            The rows.

        Returns
        -------
        ndarray, shape (n,) or (n, classes)
            One number, or one for each class.

        Raises
        ------
        DataError
            If it has not been fitted.
        ShapeError
            If the rows have other features.
        """
        where = type(self).__name__
        if not hasattr(self, "coef_"):
            raise DataError(where, "it has learned from no data yet", "Call fit(x, y) first")
        rows, features = _numbers(x, where), self.coef_.shape[-1]
        if rows.ndim != 2 or rows.shape[1] != features:
            problem = f"data of shape {rows.shape}, but it learned from {features} features"
            raise ShapeError(where, problem, f"Pass x (n, {features})")
        z: NDArray[np.float64] = rows @ self.coef_.T + self.intercept_
        return z

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={v}" for name, v in vars(self).items() if name[-1] != "_")
        return f"{type(self).__name__}({options})"


class _Regression(_Linear):
    """Squared error with penalties ``l1 |w|_1 + l2 / 2 |w|^2``, both per row."""

    def _penalties(self, n: int) -> tuple[float, float]:  # noqa: ARG002 - for subclasses
        return 0.0, 0.0

    def fit(self, x: Any, y: Any) -> Self:
        """Find the coefficients.

        Parameters
        ----------
        x : array_like, shape (n, features)
            The rows.
        y : array_like, shape (n,)
            The targets.

        Returns
        -------
        object
            This model, with ``coef_`` and ``intercept_``.

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        DataError
            If some number is nan or infinite.
        """
        x, y = self._data(x, y)
        n = len(x)
        # With an intercept, the best one makes the mean of the errors 0: it can be computed last.
        centre = x.mean(axis=0) if self.fit_intercept else np.zeros(x.shape[1])
        level = float(y.mean()) if self.fit_intercept else 0.0
        x, y = x - centre, y - level
        l1, l2 = self._penalties(n)

        def smooth(w: Tensor) -> Tensor:
            error = F.matmul(x, w) - y
            total: Tensor = (error * error).sum() * (0.5 / n) + (w * w).sum() * (0.5 * l2)
            return total

        curvature = float(np.linalg.norm(x, 2)) ** 2 / n + l2
        start = np.zeros(x.shape[1])
        self.coef_, self.n_iter_ = minimise(
            smooth, start, curvature or 1.0, l1, self.tol, self.max_iter
        )
        self.intercept_ = level - float(centre @ self.coef_)
        return self

    def predict(self, x: ArrayLike) -> NDArray[np.float64]:
        """The answers for new rows; see `decision_function`."""
        return self.decision_function(x)

    def score(self, x: Any, y: Any) -> float:
        """R squared: the part of the variance of `y` that is explained."""
        return r2_score(self.predict(x), y)


class LinearRegression(_Regression):
    """Least squares: no penalty.

    Parameters
    ----------
    fit_intercept : bool, optional
        Whether to add a constant.
    tol : float, optional
        When to stop; see `minimise`.
    max_iter : int, optional
        At most so many steps.

    Examples
    --------
    >>> model = LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> model.coef_.round(4), round(model.intercept_, 4)
    (array([2.]), 1.0)
    """


class Ridge(_Regression):
    """Least squares with an L2 penalty: ``|y - Xw|^2 + alpha |w|^2``.

    Parameters
    ----------
    alpha : float, optional
        The strength of the penalty.
    fit_intercept : bool, optional
        Whether to add a constant, which is not penalised.
    tol : float, optional
        When to stop; see `minimise`.
    max_iter : int, optional
        At most so many steps.

    Raises
    ------
    ArgumentError
        If `alpha` is negative.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        tol: float = 1e-7,
        max_iter: int = 20_000,
    ) -> None:
        self.alpha = _strength(type(self).__name__, alpha)
        super().__init__(fit_intercept, tol, max_iter)

    def _penalties(self, n: int) -> tuple[float, float]:
        return 0.0, self.alpha / n


class ElasticNet(Ridge):
    """Both: ``|y - Xw|^2 / 2n + alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|^2)``.

    Parameters
    ----------
    alpha : float, optional
        The strength of the penalty.
    l1_ratio : float, optional
        1 is the lasso; 0 only shrinks.
    fit_intercept : bool, optional
        Whether to add a constant, which is not penalised.
    tol : float, optional
        When to stop; see `minimise`.
    max_iter : int, optional
        At most so many steps.

    Raises
    ------
    ArgumentError
        If `alpha` is negative or `l1_ratio` not between 0 and 1.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        tol: float = 1e-7,
        max_iter: int = 20_000,
    ) -> None:
        super().__init__(alpha, fit_intercept, tol, max_iter)
        if not 0 <= l1_ratio <= 1:
            problem = f"l1_ratio is {l1_ratio}"
            raise ArgumentError(type(self).__name__, problem, "Pass a number from 0 to 1")
        self.l1_ratio = l1_ratio

    def _penalties(self, n: int) -> tuple[float, float]:  # noqa: ARG002 - alpha is per row here
        return self.alpha * self.l1_ratio, self.alpha * (1 - self.l1_ratio)


class Lasso(ElasticNet):
    """Least squares with an L1 penalty: ``|y - Xw|^2 / 2n + alpha |w|_1``.

    Coefficients of features that do not help become exactly 0.

    Parameters
    ----------
    alpha : float, optional
        The strength of the penalty.
    fit_intercept : bool, optional
        Whether to add a constant, which is not penalised.
    tol : float, optional
        When to stop; see `minimise`.
    max_iter : int, optional
        At most so many steps.

    Raises
    ------
    ArgumentError
        If `alpha` is negative.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> Lasso(alpha=0.1).fit(x, 2 * x[:, 0]).coef_.round(1)
    array([1.9, 0. , 0. ])
    """

    def __init__(
        self,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        tol: float = 1e-7,
        max_iter: int = 20_000,
    ) -> None:
        super().__init__(alpha, 1.0, fit_intercept, tol, max_iter)


class SoftmaxRegression(_Linear):
    """Classes from linear scores: ``C sum of cross-entropies + |w|^2 / 2``.

    Parameters
    ----------
    C : float, optional
        How much the data count beside the penalty.
    fit_intercept : bool, optional
        Whether to add a constant to each score, which is not penalised.
    tol : float, optional
        When to stop; see `minimise`.
    max_iter : int, optional
        At most so many steps.

    Raises
    ------
    ArgumentError
        If `C` is not positive.

    Examples
    --------
    >>> from microgradx import data
    >>> x, y = data.blobs(90, rng=3)
    >>> SoftmaxRegression().fit(x, y).score(x, y)
    1.0
    """

    binary = False

    def __init__(
        self,
        C: float = 1.0,  # noqa: N803 - scikit-learn's name
        fit_intercept: bool = True,
        tol: float = 1e-6,
        max_iter: int = 5_000,
    ) -> None:
        if not C > 0:
            raise ArgumentError(type(self).__name__, f"C is {C}", "Pass a positive number")
        self.C = C
        super().__init__(fit_intercept, tol, max_iter)

    def fit(self, x: Any, y: Any) -> Self:
        """Find the coefficients.

        Parameters
        ----------
        x : array_like, shape (n, features)
            The rows.
        y : array_like of int, shape (n,)
            The classes, counted from 0.

        Returns
        -------
        object
            This model, with ``coef_`` and ``intercept_``.

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        DataError
            If some number is nan or infinite, or there is only one class.
        """
        x, y = self._data(x, y)
        if (y != y.astype(np.int64)).any():
            problem = "some targets are no whole numbers"
            raise DataError(f"{type(self).__name__}.fit", problem, "Pass classes")
        y = y.astype(np.int64)
        classes = int(y.max()) + 1
        if y.min() < 0 or len(np.unique(y)) < 2 or (self.binary and classes > 2):
            where = f"{type(self).__name__}.fit"
            problem = f"the classes run from {y.min()} to {y.max()}"
            raise DataError(where, problem, "Pass classes 0 and 1" + " to k" * (not self.binary))
        n, features = x.shape
        wide = np.column_stack([x, np.ones(n)]) if self.fit_intercept else x
        penalised = (np.arange(wide.shape[1]) < features).astype(float)
        strength = 1 / (self.C * n)
        targets = y.astype(float)

        def smooth(w: Tensor) -> Tensor:
            scores = F.matmul(wide, w)
            if self.binary:
                loss = binary_cross_entropy_with_logits(scores, targets)
            else:
                loss = cross_entropy(scores, y)
            small = penalised if self.binary else penalised[:, None]
            total: Tensor = loss + (w * w * small).sum() * (0.5 * strength)
            return total

        bound = 0.25 if self.binary else 0.5  # the largest curvature of the loss in its scores
        curvature = bound * float(np.linalg.norm(wide, 2)) ** 2 / n + strength
        shape = wide.shape[1:] if self.binary else (wide.shape[1], classes)
        w, self.n_iter_ = minimise(smooth, np.zeros(shape), curvature, 0.0, self.tol, self.max_iter)
        self.coef_ = w[:features].T
        self.intercept_ = w[features] if self.fit_intercept else np.zeros(shape[1:])
        return self

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """The most probable class of each row."""
        scores = self.decision_function(x)
        return (scores > 0).astype(np.int64) if self.binary else scores.argmax(axis=1)

    def predict_proba(self, x: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class.

        Parameters
        ----------
        x : array_like, shape (n, features)
            The rows.

        Returns
        -------
        ndarray, shape (n, classes)
            Rows that sum to 1.
        """
        scores = self.decision_function(x)
        if self.binary:
            scores = np.column_stack([np.zeros(len(scores)), scores])
        return F.softmax(scores, 1).numpy()

    def score(self, x: Any, y: Any) -> float:
        """The part of rows whose class is found."""
        return accuracy(self.predict(x), y)


class LogisticRegression(SoftmaxRegression):
    """Two classes from one linear score: ``C sum of log-losses + |w|^2 / 2``.

    Parameters
    ----------
    C : float, optional
        How much the data count beside the penalty.
    fit_intercept : bool, optional
        Whether to add a constant, which is not penalised.
    tol : float, optional
        When to stop; see `minimise`.
    max_iter : int, optional
        At most so many steps.

    Raises
    ------
    ArgumentError
        If `C` is not positive.
    """

    binary = True


def _strength(where: str, alpha: float) -> float:
    if not alpha >= 0:
        raise ArgumentError(where, f"alpha is {alpha}", "Pass 0 or more")
    return alpha
