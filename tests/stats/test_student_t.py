"""Student's t agrees with SciPy's, and comparing two means needs no SciPy."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from abkit.stats.student_t import t_quantile, upper_tail

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
