"""The pytest plugin of microgradx: a `gradcheck` fixture, profiles, and a summary.

It stands outside the package because pytest imports every installed plugin in every run:
importing this costs a millisecond, and microgradx is imported when a test first asks for it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from microgradx.testing import Report

__all__ = ["PROFILES", "Recorder"]

PROFILES = {"fast": 50, "ci": 200, "nightly": 2000}
"""Profile -> examples of each hypothesis test."""

MOST_SKIPPED = 0.05  # a test that skips more of its examples says less than it seems to
FEW = 20  # examples below which one skip is no pattern


@dataclass
class Recorder:
    """What the gradient checks of one session, or of one test, came to."""

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    weak: int = 0
    coarsest: tuple[float, str] = (0.0, "")
    slowest: tuple[float, str] = (0.0, "")

    @property
    def checks(self) -> int:
        """How many there were."""
        return self.statuses.total()

    def record(self, report: Report, seconds: float, where: str) -> None:
        """Count one report.

        Parameters
        ----------
        report : Report
            What the check found.
        seconds : float
            What it took.
        where : str
            The test.
        """
        self.statuses[report.status] += 1
        self.slowest = max(self.slowest, (seconds, where))
        if report.status == "skipped":
            self.reasons[report.reason] += 1
        if report.passed:
            self.weak += report.weak
            self.coarsest = max(self.coarsest, (report.resolution, where))


SESSION = pytest.StashKey[Recorder]()
TEST = pytest.StashKey[Recorder]()
RUNNING = pytest.StashKey[pytest.Item]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("microgradx", "gradient checks")
    group.addoption(
        "--grad-profile",
        choices=sorted(PROFILES),
        help=f"hypothesis examples a test: {', '.join(f'{k} {n}' for k, n in PROFILES.items())}",
    )
    group.addoption("--grad-seed", type=int, default=0, help="other directions and cotangents")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker; load the hypothesis profile that was asked for."""
    config.addinivalue_line(
        "markers",
        "gradient(examples=None, kink='interval', most_skipped=0.05): a test of gradients; "
        "examples sets hypothesis's, kink is passed to gradcheck",
    )
    config.stash[SESSION] = Recorder()
    profile = config.getoption("--grad-profile")
    if profile is not None:
        from hypothesis import settings  # noqa: PLC0415 - only when asked for

        settings.register_profile(
            f"gradient-{profile}",
            max_examples=PROFILES[profile],
            deadline=None,
            derandomize=profile == "ci",
        )
        settings.load_profile(f"gradient-{profile}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give hypothesis tests the number of examples that their marker names."""
    for item in items:
        marker = item.get_closest_marker("gradient")
        function = getattr(item, "obj", None)
        if marker is None or "examples" not in marker.kwargs:
            continue
        if getattr(function, "is_hypothesis_test", False):
            from hypothesis import errors, settings  # noqa: PLC0415

            try:
                settings(max_examples=marker.kwargs["examples"], deadline=None)(function)
            except errors.InvalidArgument:
                continue  # the test's own settings come first


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember which test runs: its fixtures may check gradients, too."""
    item.config.stash[RUNNING] = item


@pytest.fixture(scope="session")
def gradcheck(pytestconfig: pytest.Config) -> Callable[..., Report]:
    """`microgradx.testing.gradcheck`, seeded by the test's name and counted in the summary.

    It belongs to the session, and looks the running test up, so that hypothesis may call a test
    many times with one and the same.

    Parameters
    ----------
    pytestconfig : Config
        Given by pytest.

    Returns
    -------
    callable
        Takes what `microgradx.testing.gradcheck` takes; ``vjp=`` makes it `check_vjp`.
    """
    from microgradx.testing import GradientError, check_vjp  # noqa: PLC0415 - when first asked for
    from microgradx.testing import gradcheck as check  # noqa: PLC0415

    def checked(f: Callable[..., Any], *inputs: Any, vjp: Any = None, **options: Any) -> Report:
        __tracebackhide__ = True
        node = pytestconfig.stash[RUNNING]
        seed = zlib.crc32(node.nodeid.encode()) + pytestconfig.getoption("--grad-seed")
        marker = node.get_closest_marker("gradient")
        kink = {"kink": marker.kwargs["kink"]} if marker and "kink" in marker.kwargs else {}
        options = {"seed": seed % 2**32, **kink, **options}
        raises = options.pop("raises", True)
        start = perf_counter()
        if vjp is None:
            report = check(f, *inputs, raises=False, **options)
        else:
            report = check_vjp(f, vjp, *inputs, raises=False, **options)
        here = node.stash.setdefault(TEST, Recorder())
        for recorder in (here, pytestconfig.stash[SESSION]):
            recorder.record(report, perf_counter() - start, node.nodeid)
        if raises and report.status == "failed":
            raise GradientError(report)
        return report

    return checked


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Fail a test that passed because it skipped: a silent test is a failing test."""
    result = yield
    recorder = pyfuncitem.stash.get(TEST, None)
    if recorder is None or recorder.checks < FEW:
        return result
    marker = pyfuncitem.get_closest_marker("gradient")
    most = marker.kwargs.get("most_skipped", MOST_SKIPPED) if marker else MOST_SKIPPED
    skipped = recorder.statuses["skipped"]
    if skipped > most * recorder.checks:
        reason, count = recorder.reasons.most_common(1)[0]
        pytest.fail(
            f"{skipped} of {recorder.checks} gradient checks were skipped, more than {most:.0%}: "
            f"{count} because {reason}. Draw inputs inside the domain, or raise most_skipped in "
            f"@pytest.mark.gradient.",
            pytrace=False,
        )
    return result


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what the checks came to, if there were any."""
    recorder = config.stash.get(SESSION, None)
    if recorder is None or not recorder.checks:
        return
    count = recorder.statuses
    terminalreporter.section("gradient checks")
    terminalreporter.write_line(
        f"{recorder.checks} checks: {count['ok']} ok, {count['kink']} at kinks, "
        f"{count['skipped']} skipped, {count['failed']} failed, {recorder.weak} weak"
    )
    for reason, times in recorder.reasons.most_common(5):
        terminalreporter.write_line(f"skipped {times}: {reason}")
    terminalreporter.write_line(
        f"coarsest pass {recorder.coarsest[0]:.1e} in {recorder.coarsest[1]}; "
        f"slowest check {recorder.slowest[0] * 1e3:.1f} ms in {recorder.slowest[1]}"
    )
