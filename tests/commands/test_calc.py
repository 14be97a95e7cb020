"""`abkit calc`: figures in, JSON out, without a store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest
from typer.testing import CliRunner

from abkit.commands.app import main
from abkit.commands.calc import app

Calc = Callable[..., Any]


@pytest.fixture
def calc() -> Calc:
    """Run `abkit calc …` in this process and read its JSON."""

    def run(*arguments: str) -> Any:
        result: Result = CliRunner().invoke(app, [*arguments, "-f", "json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


ARMS = ("--control", "480/10000", "--treatment", "560/10100")


def test_compare_gives_rates_difference_lift_and_p_value(calc: Calc) -> None:
    found = calc("compare", *ARMS)
    assert found["control"]["rate"] == 0.048
    assert found["treatment"]["rate"] == pytest.approx(560 / 10100)
    low, high = confint_proportions_2indep(560, 10100, 480, 10000, method="newcomb")
    assert found["difference"] == pytest.approx({"estimate": 560 / 10100 - 0.048, "ci_low": low, "ci_high": high})
    assert set(found["lift"]) == {"estimate", "ci_low", "ci_high"}
    assert found["p_value"] == pytest.approx(proportions_ztest([560, 480], [10100, 10000])[1])
    assert found["method"] == "newcombe"


@pytest.mark.parametrize("method", ["z", "score", "newcombe", "exact", "sequential", "bayes"])
def test_every_method_answers_with_the_same_fields(calc: Calc, method: str) -> None:
    found = calc("compare", *ARMS, "--method", method)
    assert found["method"] == method
    assert found["difference"]["ci_low"] < found["difference"]["estimate"] < found["difference"]["ci_high"]
    assert found["lift"]["ci_low"] < found["lift"]["estimate"] < found["lift"]["ci_high"]
    assert (found["p_value"] is None) == (method == "bayes")
    assert set(found["conventions"]) == {"p_value", "difference", "lift"}


def test_several_treatments_are_corrected_and_the_family_is_named(calc: Calc) -> None:
    found = calc("compare", *ARMS, "--treatment", "500/10000", "--correction", "holm")
    assert len(found["comparisons"]) == 2
    assert found["adjusted"]["p_values"][0] == pytest.approx(2 * found["comparisons"][0]["p_value"])
    assert found["adjusted"]["family"] == "2 treatments against one control"


def test_means_are_compared_from_n_mean_and_sd(calc: Calc) -> None:
    found = calc("compare", "--control", "1000,10,3", "--treatment", "1000,10.3,3")
    assert found["method"] == "welch"
    assert found["control"]["mean"] == 10


def test_a_control_without_clicks_has_no_lift_and_that_is_said(calc: Calc) -> None:
    found = calc("compare", "--control", "0/1000", "--treatment", "9/1000")
    assert found["lift"]["estimate"] is None
    assert "0 of 1,000 successes" in found["notes"][-1]


def test_sample_size_gives_units_a_variant_and_in_all(calc: Calc) -> None:
    found = calc("sample-size", "--baseline", "0.02", "--lift", "0.10", "--power", "0.8", "--alpha", "0.05")
    assert (found["per_variant"], found["total"]) == (80682, 161364)
    back = calc("sample-size", "--baseline", "0.02", "--per-variant", "80682")
    assert back["lift"] == pytest.approx(0.1, rel=1e-3)
    assert calc("sample-size", "--baseline", "10", "--sd", "5", "--lift", "0.05")["per_variant"] == 1571
    assert calc("sample-size", "--baseline", "0.02", "--lift", "0.1", "--daily-traffic", "10000")["days"] == 17


def test_srm_gives_chi_square_and_whether_it_is_a_mismatch(calc: Calc) -> None:
    found = calc("srm", "--observed", "5000,5300", "--expected", "1,1")
    assert (found["dof"], found["mismatch"]) == (1, False)
    assert found["chi2"] == pytest.approx(8.737864)
    assert found["p_value"] == pytest.approx(0.00311669, rel=1e-5)
    assert calc("srm", "--observed", "5000,5500")["mismatch"] is True


def test_a_mismatch_is_exit_code_three_when_asked_for() -> None:
    arguments = ["srm", "--observed", "5000,5500", "--exit-code"]
    assert CliRunner().invoke(app, arguments).exit_code == 3
    assert CliRunner().invoke(app, arguments[:-1]).exit_code == 0


def test_rank_reads_figures_and_files(calc: Calc, tmp_path: Path) -> None:
    table = tmp_path / "arms.csv"
    table.write_text("variant,successes,trials\na,48,1000\nb,56,1000\n")
    assert calc("rank", "--file", str(table)) == calc("rank", "a=48/1000", "b=56/1000")
    found = calc("rank", "a=48/1000", "b=56/1000", "c=50/1000")
    assert [row["variant"] for row in found] == ["b", "c", "a"]
    assert sum(row["chance_to_be_best"] for row in found) == pytest.approx(1)


def test_drift_needs_both_certainty_and_size(calc: Calc, tmp_path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    for name, shift in (("reference", 0.0), ("same", 0.0), ("moved", 0.8), ("few", 0.8)):
        values = rng.normal(shift, 1, 4 if name == "few" else 800)
        (tmp_path / f"{name}.csv").write_text("score\n" + "\n".join(map(str, values)))

    def drift(name: str) -> Any:
        return calc("drift", "--reference", str(tmp_path / "reference.csv"), "--current", str(tmp_path / f"{name}.csv"))

    assert drift("moved")["drifted"] is True
    assert drift("same")["drifted"] is False
    assert drift("moved")["ks"]["n_current"] == 800


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("compare", "--control", "480/100", "--treatment", "1/10"), "480 successes out of 100 trials"),
        (("compare", "--control", "480", "--treatment", "1/10"), "'480' is not an arm; expected SUCCESSES/TRIALS"),
        (("compare", "--control", "-1/10", "--treatment", "1/10"), "-1 successes"),
        (("compare", "--control", "nan/10", "--treatment", "1/10"), "nan successes"),
        (("compare", "--control", "1/10", "--treatment", "9,1,1"), "not of one kind"),
        (("compare", "--control", "9,1,0", "--treatment", "9,1,0"), "neither arm varies"),
        (("srm", "--observed", "5000"), "1 arm is given"),
        (("srm", "--observed", "5000,x"), "'5000,x'; expected numbers"),
        (("srm", "--observed", "5,5", "--expected", "0.5,0.4"), "sums to 0.9"),
        (("sample-size", "--baseline", "0", "--lift", "0.1"), "baseline is 0.0"),
        (("sample-size", "--baseline", "0.1"), "either --lift or --per-variant"),
        (("rank", "a=1/10"), "1 arm is given"),
        (("rank", "a=1/10", "a=2/10"), "not a new variant"),
        (("rank", "--file", "nothing.csv"), "no such file"),
    ],
)
def test_bad_input_is_one_sentence_with_the_value(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["calc", *arguments])
    assert stopped.value.code in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_it_needs_no_workspace_and_leaves_none(abkit: Callable[..., Any], tmp_path: Path) -> None:
    done = abkit("calc", "compare", *ARMS, "-f", "json", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["method"] == "newcombe"
    assert list(tmp_path.iterdir()) == []
