"""The pytest plugin, in pytest sessions of its own."""

import subprocess
import sys
from pathlib import Path

import hypothesis.strategies
import numpy as np
import pytest

import pytest_microgradx
from microgradx.testing import check_vjp, gradcheck

# Sessions in this process forget what they import, and NumPy cannot be imported twice.
LOADED = (np, hypothesis.strategies, check_vjp, gradcheck)

pytest_plugins = ["pytester"]

ARGUMENTS = ("-p", "pytest_microgradx", "-p", "no:cacheprovider")


def run(pytester, source, *arguments):
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess(*ARGUMENTS, *arguments)


def test_the_fixture_checks_and_the_summary_counts(pytester):
    result = run(
        pytester,
        """
        import numpy as np

        def test_right(gradcheck):
            assert gradcheck(lambda x: x.tanh(), np.ones((2, 3))).passed
            assert gradcheck(lambda x: x.relu(), np.array([0.0, 1.0])).status == "kink"
            assert gradcheck(lambda x: x.log(), np.array([-1.0])).status == "skipped"

        def test_plain_numpy(gradcheck):
            assert gradcheck(np.sin, np.ones(3), vjp=lambda g, x: g * np.cos(x)).passed
        """,
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*gradient checks*",
            "4 checks: 2 ok, 1 at kinks, 1 skipped, 0 failed, 0 weak",
            "skipped 1: the function is not finite here",
            "coarsest pass * slowest check * ms in *",
        ]
    )


def test_a_wrong_gradient_fails_with_the_whole_message(pytester):
    result = run(
        pytester,
        """
        import numpy as np

        def test_wrong(gradcheck):
            gradcheck(np.sin, np.ones(3), vjp=lambda g, x: -g * np.cos(x), name="wave")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*wave: wrong gradient: input 0 (x), sign*", "*exactly the negative*"]
    )


SKIPPING = """
import numpy as np
import pytest

{mark}
def test_mostly_outside_the_domain(gradcheck):
    for k in range(40):
        gradcheck(lambda x: x.log(), np.array([1.0 if k % 4 else -1.0]))
"""


def test_a_test_that_skips_a_quarter_fails(pytester):
    result = run(pytester, SKIPPING.format(mark=""))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*10 of 40 gradient checks were skipped, more than 5%: 10 because*"]
    )


def test_a_marker_may_allow_it(pytester):
    result = run(pytester, SKIPPING.format(mark="@pytest.mark.gradient(most_skipped=0.5)"))
    result.assert_outcomes(passed=1)


def test_the_marker_sets_examples_and_kinks(pytester):
    result = run(
        pytester,
        """
        import numpy as np
        import pytest
        from hypothesis import given, strategies as st, settings

        seen = []

        @pytest.mark.gradient(examples=7)
        @given(st.integers())
        def test_seven(n):
            seen.append(n)

        def test_there_were_seven():
            assert len(seen) <= 7

        @pytest.mark.gradient(kink="reject")
        def test_kink(gradcheck):
            assert gradcheck(lambda x: x.abs(), np.zeros(1)).status == "skipped"
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=3)


def test_hypothesis_may_call_a_test_with_the_fixture_many_times(pytester):
    result = run(
        pytester,
        """
        import numpy as np
        import pytest
        from hypothesis import given
        from microgradx.testing import strategies

        @pytest.mark.gradient(examples=12)
        @given(strategies.programs())
        def test_programs(gradcheck, program):
            gradcheck(program, *program.inputs)
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["* checks: * ok*"])


def test_a_failure_points_at_the_line_that_asked(pytester):
    result = run(
        pytester,
        """
        import numpy as np
        from microgradx.testing import check_vjp

        def test_fixture(gradcheck):
            gradcheck(np.sin, np.ones(3), vjp=lambda g, x: -g)

        def test_direct():
            check_vjp(np.sin, lambda g, x: -g, np.ones(3))
        """,
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["test_*.py:5: GradientError", "test_*.py:8: GradientError"], consecutive=False
    )


def test_a_profile_sets_the_examples_of_hypothesis(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(pytest_microgradx.__file__).parent.parent.resolve()))
    pytester.makepyfile(
        """
        from hypothesis import given, settings, strategies as st

        @given(st.integers())
        def test_some(n):
            assert settings().max_examples == 50
        """
    )
    # A process of its own: a hypothesis profile would stay for the tests after this one.
    result = pytester.runpytest_subprocess(*ARGUMENTS, "--grad-profile=fast")
    result.assert_outcomes(passed=1)


def test_seeds_differ_from_test_to_test_and_repeat(pytester):
    result = run(
        pytester,
        """
        import numpy as np
        seeds = set()

        def test_one(gradcheck):
            first = gradcheck(lambda x: x.exp(), np.ones(2)).seed
            assert gradcheck(lambda x: x.exp(), np.ones(2)).seed == first
            seeds.add(first)

        def test_two(gradcheck):
            assert gradcheck(lambda x: x.exp(), np.ones(2)).seed not in seeds
        """,
    )
    result.assert_outcomes(passed=2)


@pytest.mark.quick
def test_the_plugin_alone_imports_neither_microgradx_nor_numpy():
    code = (
        "import sys, pytest_microgradx\n"
        "print([m for m in ('microgradx', 'numpy', 'hypothesis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
