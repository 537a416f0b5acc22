"""Stencils are exact, and the step law is the best there is under its own model."""

from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfd import Stencil
from fastfd.stencils import named_stencil
from fastfd.steps import relative_step, stencil_table

#: Weights of Fornberg (1988), tables 1 and 3.
KNOWN = [
    (("central", 1, 2), "-1/2 1/2"),
    (("central", 1, 4), "1/12 -2/3 2/3 -1/12"),
    (("central", 1, 6), "-1/60 3/20 -3/4 3/4 -3/20 1/60"),
    (("central", 1, 8), "1/280 -4/105 1/5 -4/5 4/5 -1/5 4/105 -1/280"),
    (("central", 2, 2), "1 -2 1"),
    (("central", 2, 4), "-1/12 4/3 -5/2 4/3 -1/12"),
    (("central", 2, 6), "1/90 -3/20 3/2 -49/18 3/2 -3/20 1/90"),
    (("central", 3, 2), "-1/2 1 -1 1/2"),
    (("central", 3, 4), "1/8 -1 13/8 -13/8 1 -1/8"),
    (("central", 4, 2), "1 -4 6 -4 1"),
    (("central", 4, 4), "-1/6 2 -13/2 28/3 -13/2 2 -1/6"),
    (("forward", 1, 1), "-1 1"),
    (("forward", 1, 2), "-3/2 2 -1/2"),
    (("forward", 1, 3), "-11/6 3 -3/2 1/3"),
    (("forward", 1, 4), "-25/12 4 -3 4/3 -1/4"),
    (("forward", 2, 1), "1 -2 1"),
    (("forward", 2, 2), "2 -5 4 -1"),
    (("forward", 3, 1), "-1 3 -3 1"),
    (("forward", 4, 2), "3 -14 26 -24 11 -2"),
    (("backward", 1, 1), "1 -1"),
    (("backward", 1, 2), "3/2 -2 1/2"),
    (("backward", 2, 2), "2 -5 4 -1"),
]
NAMED = [(m, d, p) for m in ("forward", "backward", "central") for d in range(1, 5) for p in (1, 2, 3, 4, 6)
         if m != "central" or p % 2 == 0]  # fmt: skip

offsets = st.lists(st.fractions(-5, 5, max_denominator=12), min_size=2, max_size=8, unique=True)


def factorial(n: int) -> int:
    return int(np.prod(range(1, n + 1), initial=1))


def moment(stencil: Stencil, k: int) -> F:
    """The stencil applied to xᵏ at 0 with h = 1, exactly."""
    return sum((w * F(o) ** k for w, o in zip(stencil.weights, stencil.offsets, strict=True)), F(0))


def check_exactness(stencil: Stencil) -> None:
    """Σ wᵢ oᵢᵏ = d! where k = d, 0 for every other k up to d + p - 1; and the first that fails is d + p."""
    d, p = stencil.order, stencil.accuracy
    for k in range(d + p):
        assert moment(stencil, k) == (factorial(d) if k == d else 0)
    error = moment(stencil, d + p)
    assert error != 0 and stencil.truncation == float(abs(error) / factorial(d + p))
    assert stencil.rounding == float(sum(map(abs, stencil.weights)))


@pytest.mark.parametrize(("name", "weights"), KNOWN)
def test_known_tables(name, weights):
    assert list(named_stencil(*name).weights) == [F(w) for w in weights.split()]


@pytest.mark.parametrize(("method", "order", "accuracy"), NAMED)
def test_named_stencils_are_exact(method, order, accuracy):
    stencil = named_stencil(method, order, accuracy)
    assert stencil.accuracy == accuracy and stencil.order == order
    check_exactness(stencil)


@given(offsets, st.integers(1, 4))
def test_random_stencils_are_exact(nodes, order):
    if len(nodes) > order:
        check_exactness(Stencil(nodes, order))


@given(offsets)
def test_the_order_of_the_nodes_is_no_matter(nodes):
    a, b = Stencil(nodes), Stencil(nodes[::-1])
    assert a.weights == b.weights[::-1] and a.accuracy == b.accuracy


@given(offsets, st.fractions(F(1, 7), 7))
def test_scaled_nodes_scale_the_weights(nodes, s):
    assert Stencil([s * o for o in nodes]).weights == tuple(w / s for w in Stencil(nodes).weights)


def test_offsets_that_are_floats_are_taken_as_they_are():
    check_exactness(Stencil((-0.1, 0.3, float(np.float32(0.7)))))
    assert Stencil((0, np.float32(0.5))).weights == (F(-2), F(2))
    assert Stencil((-0.5, 0.5)).weights == (F(-1), F(1))


def test_a_stencil_is_a_value():
    a, b = Stencil((-1, 1)), Stencil([-1, 1])
    assert a == b and hash(a) == hash(b) and a != Stencil((-1, 0, 1)) and a != Stencil((-1, 0, 1), 2)
    with pytest.raises(AttributeError):
        a.order = 2
    assert repr(a) == "Stencil(offsets=(-1, 1), order=1)"


@pytest.mark.parametrize(("arguments", "message"), [
    (((0, 1, 1),), "offsets must all differ"),
    (((0, 1, 1.0),), "offsets must all differ"),
    (((0, np.nan),), "offsets must be finite real numbers"),
    (((0, np.inf),), "offsets must be finite real numbers"),
    (((0, 1j),), "offsets must be finite real numbers"),
    (((0, "a"),), "offsets must be finite real numbers"),
    (((0, 1), 2), "offsets must be more than order = 2 of them, got 2"),
    (((0, 1), 0), "order must be an integer of at least 1"),
    (((0, 1), 1.0), "order must be an integer of at least 1"),
    (((0, 1), True), "order must be an integer of at least 1"),
])  # fmt: skip
def test_guards(arguments, message):
    with pytest.raises(ValueError, match=message):
        Stencil(*arguments)


@pytest.mark.parametrize(("method", "order", "accuracy"), NAMED)
@pytest.mark.parametrize("roundoff", [2.0**-53, 2.0**-24])
def test_the_step_law_has_the_least_modelled_error(method, order, accuracy, roundoff):
    """C₁ hᵖ + C₂·2u/hᵈ, at the step of the law and at 2000 others."""
    stencil = named_stencil(method, order, accuracy)

    def modelled(h):
        return stencil.truncation * h**stencil.accuracy + 2 * roundoff * stencil.rounding / h**order

    best = relative_step(stencil, roundoff)
    others = best * np.geomspace(1e-3, 1e3, 2000)
    assert modelled(best) <= modelled(others).min() * (1 + 1e-12)
    assert modelled(best) < min(modelled(best * 1.1), modelled(best / 1.1))


def test_the_law_gives_the_steps_of_the_textbooks():
    u = 2.0**-53
    assert relative_step(named_stencil("forward"), u) == pytest.approx(np.sqrt(8 * u))  # Moré-Wild: 8^¼ √(ε_f …)
    assert relative_step(named_stencil("central"), u) == pytest.approx((6 * u) ** (1 / 3))


def test_the_table_holds_the_stencils():
    stencils = [named_stencil("central", 2, 4), Stencil((-0.5, 1, 2), 2)]
    table = stencil_table(tuple(stencils))
    width = (table.shape[1] - 4) // 2
    for row, stencil in zip(table, stencils, strict=True):
        size = int(row[0])
        weights = row[4 + width : 4 + width + size] * row[1]
        assert np.allclose(weights, [float(w) for w in stencil.weights if w], rtol=1e-15, atol=0)
        assert row[2] == -min(stencil.offsets) and row[3] == max(stencil.offsets)
