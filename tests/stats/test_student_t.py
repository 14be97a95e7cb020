"""Student's t agrees with SciPy's, and comparing two means needs no SciPy."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import stdtr, stdtrit

from abkit.stats.student_t import t_quantile, upper_tail
from abkit.stats.tails import t_tail_p
from abkit.vocabulary import Alternative

DOF = (0.6, 1.0, 1.5, 2.0, 3.3, 7.0, 30.0, 61.7, 198.0, 499.9, 500.1, 5000.0, 1e6, 9.9e9, 1e12)


@pytest.mark.parametrize("dof", DOF)
def test_tails_agree_with_scipy_as_far_as_doubles_go(dof: float) -> None:
    for t in (1e-9, 0.1, 0.9, 1.7, 1.74, 1.96, 3.0, 5.0, 10.0, 30.0, 1e4):
        assert upper_tail(t, dof) == pytest.approx(float(stdtr(dof, -t)), rel=1e-9, abs=1e-290)
    assert (upper_tail(0.0, dof), upper_tail(float("inf"), dof)) == (0.5, 0.0)


@pytest.mark.parametrize("dof", DOF)
def test_quantiles_agree_with_scipy_on_both_sides(dof: float) -> None:
    for probability in (1e-12, 1e-4, 0.025, 0.3, 0.5, 0.7, 0.95, 0.975, 0.99999):
        assert t_quantile(probability, dof) == pytest.approx(float(stdtrit(dof, probability)), rel=1e-9, abs=1e-12)


@given(st.floats(0, 12), st.floats(-40, 40))
@settings(max_examples=300, deadline=None)
def test_tails_agree_with_scipy_for_any_t_and_degrees_of_freedom(log_dof: float, t: float) -> None:
    dof = 10**log_dof
    # SciPy says 0.5 for a t under some 1e-8, where it is 0.5 + t/π with one degree of freedom.
    assume(t == 0 or abs(t) > 1e-6)
    for alternative, at in ((Alternative.LESS, t), (Alternative.GREATER, -t)):
        assert t_tail_p(t, dof, alternative) == pytest.approx(float(stdtr(dof, at)), rel=1e-11, abs=1e-300)


@given(st.floats(0, 12), st.one_of(st.floats(1e-300, 1 - 1e-16), st.floats(-300, -0.01).map(lambda x: 10**x)))
@settings(max_examples=300, deadline=None)
def test_quantiles_leave_their_tail_down_to_1e_300(log_dof: float, probability: float) -> None:
    dof = 10**log_dof
    t = t_quantile(probability, dof)
    left = upper_tail(abs(t), dof)
    assert left == pytest.approx(min(probability, 1 - probability), rel=1e-9, abs=1e-300)
    assert t == 0 or (t < 0) == (probability < 0.5)
    # Farther out SciPy's own inverse is off by a factor of two with few degrees of freedom.
    if probability > 1e-100:
        assert t == pytest.approx(float(stdtrit(dof, probability)), rel=1e-9, abs=1e-14)


def test_one_degree_of_freedom_is_the_cauchy_law_as_far_out_as_doubles_go() -> None:
    assert (upper_tail(1e-160, 1.0), upper_tail(1e-160, 1e12)) == (0.5, 0.5)
    for t in (1e3, 1e100, 1e160, 1e300):
        assert upper_tail(t, 1.0) == pytest.approx(1 / (np.pi * t), rel=1e-6, abs=0)
        assert t_quantile(1 / (np.pi * t), 1.0) == pytest.approx(-t, rel=1e-6)


def test_the_two_ways_of_computing_it_meet() -> None:
    below, above = upper_tail(2.0, 499.999999), upper_tail(2.0, 500.000001)
    assert below == pytest.approx(above, rel=1e-9)
    grid = np.linspace(0.0, 40.0, 400)
    tails = [upper_tail(float(t), 600.0) for t in grid]
    assert np.all(np.diff(tails) < 0)


@pytest.mark.parametrize("arms", [("1000,12.5,3.1", "1000,12.9,3.2"), ("100,10,60,2,500,21", "120,15,70,3,600,25")])
def test_comparing_two_means_or_ratios_imports_neither_numpy_nor_scipy(arms: tuple[str, str]) -> None:
    code = (
        "import sys; from abkit.commands.app import main\n"
        "try: main()\nfinally: print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    words = ["calc", "compare", "--control", arms[0], "--treatment", arms[1]]
    ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    loaded = set(ran.stderr.split())
    assert ran.returncode == 0, ran.stderr
    assert "abkit" in loaded
    assert not loaded & {"numpy", "scipy", "statsmodels", "pandas", "polars"}
