"""Every primitive of the table keeps every law; a new one is tested by being there."""

import subprocess
import sys

import numpy as np
import pytest

import microgradx.ops  # noqa: F401 - fills the table
from microgradx.errors import PrimitiveError, UnsupportedError
from microgradx.primitive import PRIMITIVES
from microgradx.testing.calls import Dice, OpCall, draw_call
from microgradx.testing.laws import LAWS, LawBroken, check_primitive
from microgradx.testing.report import GradientError

TABLE = sorted(PRIMITIVES)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", TABLE)
def test_primitive_keeps_the_law(name, law):
    check_primitive(PRIMITIVES[name], examples=8, laws=[law])


@pytest.mark.quick
@pytest.mark.parametrize("name", ["add", "tanh", "pow", "matmul", "max", "getitem"])
def test_a_few_primitives_keep_all_laws(name):
    check_primitive(PRIMITIVES[name], examples=3, seed=100)


def test_the_table_is_not_empty():
    assert len(TABLE) >= 50
    assert sum(op.differentiable for op in PRIMITIVES.values()) >= 40


@pytest.mark.parametrize("name", [n for n in TABLE if PRIMITIVES[n].differentiable])
def test_calls_are_neither_empty_nor_all_alike(name):
    calls = [draw_call(Dice(seed), PRIMITIVES[name]) for seed in range(20)]
    shapes = {tuple(np.shape(x) for x in call.inputs) for call in calls}
    assert len(shapes) >= 5
    with np.errstate(all="ignore"):
        finite = [np.isfinite(call.reference(*call.inputs)).all() for call in calls]
    assert sum(finite) >= 17  # examples outside the domain test nothing


WIDE = [
    name
    for name in TABLE
    if PRIMITIVES[name].differentiable
    and PRIMITIVES[name].sample
    and all(low <= -5 and high >= 5 for low, high in PRIMITIVES[name].sample)
]


@pytest.mark.parametrize("name", WIDE)
def test_calls_reach_zero_and_beyond_four(name):
    # What the samples never reach, no check can find: a rule wrong beyond 4, or nan at 0.
    calls = [draw_call(Dice(seed), PRIMITIVES[name]) for seed in range(200)]
    for place in range(min(len(c.inputs) for c in calls)):
        drawn = [c.inputs[place] for c in calls if isinstance(c.inputs[place], np.ndarray)]
        numbers = np.concatenate([x.ravel() for x in drawn if x.dtype.kind == "f"] or [[0.0, 9.0]])
        assert np.any(numbers == 0)
        assert np.any(np.abs(numbers) > 4)


class Wrong:
    """A primitive of the table with one part replaced, put back afterwards."""

    def __init__(self, name, **parts):
        self.op, self.parts = PRIMITIVES[name], parts

    def __enter__(self):
        self.kept = {part: getattr(self.op, part) for part in self.parts}
        for part, value in self.parts.items():
            setattr(self.op, part, value)
        return self.op

    def __exit__(self, *exc):
        for part, value in self.kept.items():
            setattr(self.op, part, value)


def wrong_rule(g, z, x):
    return g * (1 - z)


@pytest.mark.parametrize(
    ("law", "name", "parts", "error"),
    [
        ("gradient", "tanh", {"array_vjps": (wrong_rule,)}, GradientError),
        ("readings", "tanh", {"array_vjps": (wrong_rule,)}, LawBroken),
        ("walks", "tanh", {"array_vjps": (wrong_rule,)}, LawBroken),
        ("second order", "tanh", {"vjps": (lambda g, z, x: g * (1 - z.data**2),)}, GradientError),
        ("kernels", "tanh", {"scalar": lambda x: x}, LawBroken),
        ("dtype", "tanh", {"array_vjps": (lambda g, z, x: (g * np.float64(1)).astype("d"),)}, None),
        ("names", "tanh", {"vjps": (lambda g, z, x: unknown(x),)}, LawBroken),  # noqa: F821
    ],
    ids=["gradient", "readings", "walks", "second order", "kernels", "dtype", "names"],
)
def test_a_law_can_be_broken(law, name, parts, error):
    with Wrong(name, **parts) as op:
        if error is None:  # the walk casts a cotangent to its input's dtype, whatever a rule does
            check_primitive(op, examples=5, laws=[law])
        else:
            with pytest.raises(error):
                check_primitive(op, examples=5, laws=[law])


def test_kernel_laws_can_be_broken():
    op = PRIMITIVES["tanh"]

    def in_place(x, out=None):
        return np.tanh(x, x if out is None else out)

    call = OpCall(op, (np.array([0.5, 1.0]),))
    with Wrong("tanh", array=in_place), pytest.raises(LawBroken, match="writes into its input"):
        LAWS["reads"](call, 0)
    with Wrong("tanh", array=lambda x, out=None: np.tanh(x)), pytest.raises(LawBroken, match="out"):
        LAWS["out"](call, 0)


def test_a_primitive_with_parameters_needs_a_recipe():
    class Odd:
        name, vjps, each, sample = "odd", (lambda g, z, x, *, power: g,), None, ((-1.0, 1.0),)

    with pytest.raises(PrimitiveError, match=r"no recipe draws its parameters \['power'\]"):
        draw_call(Dice(0), Odd())


OWN = """
import numpy as np
from microgradx.tensor_operations import connect as tensor_connect
from microgradx.value_operations import connect as value_connect
from microgradx.primitive import Primitive
from microgradx.testing import check_primitive

def cube(x, out=None):
    return np.multiply(np.square(x), x, out)

own = Primitive("cube", lambda x: x * x * x, cube, {rule}, tex="{{:4}}^3", sample=((-6.0, 6.0),))
value_connect(own)
tensor_connect(own)
print(check_primitive(own, examples=5))
"""


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("lambda g, z, x: g * (3 * x * x)", "55"),
        ("lambda g, z, x: g * (2 * x * x)", "GradientError: cube(x): wrong gradient: input 0"),
        ("lambda g, z, x: g * cubed(x)", "a rule calls ['cubed'], no primitives"),
    ],
    ids=["right", "wrong", "no primitive"],
)
def test_a_users_own_primitive_is_tested_by_one_line(rule, says):
    # In a process of its own: the table has no way back.
    done = subprocess.run(
        [sys.executable, "-c", OWN.format(rule=rule)], capture_output=True, text=True, check=False
    )
    assert says in done.stdout + done.stderr


SHORT = [op for op in PRIMITIVES.values() if op.plain and op.kind == "elementwise"]


@pytest.mark.parametrize("op", SHORT, ids=lambda op: op.name)
def test_the_short_path_hands_a_nan_on_to_every_input(op):
    """The walk relies on it: what a guarded rule spoils is noticed before it can get lost."""
    rng = np.random.default_rng(0)
    xs = [rng.uniform(*(r if np.isscalar(r[0]) else r[0]), 5) for r in op.sample]
    g = np.array([1.0, 1.0, np.nan, 1.0, 1.0])
    for rule in op.array_vjps:
        assert np.isnan(rule(g, op.array(*xs), *xs)[2])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: check_primitive("tanhh"), "no primitive is called 'tanhh'"),
        (lambda: check_primitive("tanh", laws=["beauty"]), "no law is called 'beauty'"),
    ],
)
def test_names_that_are_not_there_are_refused(call, words):
    with pytest.raises(UnsupportedError, match=words):
        call()


def test_a_primitive_may_be_named():
    assert check_primitive("tanh", examples=2, laws=["gradient", "values"]) == 4
