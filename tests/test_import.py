"""What ``import microgradx`` costs and gives."""

import subprocess
import sys

import pytest

import microgradx

ROOMS = {
    "capture",
    "cli",
    "data",
    "drawing",
    "micrograd",
    "nn",
    "optim",
    "plots",
    "testing",
    "train",
}
EXTRAS = {
    "graphviz",
    "hypothesis",
    "matplotlib",
    "mpmath",
    "numba",
    "pooch",
    "threadpoolctl",
    "tqdm",
}


@pytest.mark.quick
def test_importing_leaves_the_larger_rooms_and_the_extras_alone():
    code = "import sys, microgradx; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {f"microgradx.{room}" for room in ROOMS}
    assert not loaded & EXTRAS


@pytest.mark.parametrize("name", sorted({*dir(microgradx), *microgradx.__all__}))
def test_every_name_that_the_package_lists_is_there(name):
    assert getattr(microgradx, name) is not None or name in {"__spec__", "__loader__"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'microgradx' has no attribute 'tansor'"):
        microgradx.tansor  # noqa: B018
