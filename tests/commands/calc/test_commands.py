"""`abkit calc`: figures in, JSON out, without a store."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tea_tasting
from click.testing import Result
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, power_proportions_2indep, proportions_ztest
from statsmodels.stats.proportion import test_proportions_2indep as proportions_test
from tea_tasting.aggr import Aggregates
from typer.testing import CliRunner

from abkit.commands.app import main
from abkit.commands.calc.commands import app

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
    low, _ = confint_proportions_2indep(560, 10100, 480, 10000, method="newcomb", alpha=found["p_value"])
    assert low == pytest.approx(0, abs=1e-12)
    assert found["method"] == "newcombe"
    pooled = calc("compare", *ARMS, "--method", "z")["p_value"]
    assert pooled == pytest.approx(proportions_ztest([560, 480], [10100, 10000])[1])


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


@pytest.mark.parametrize(
    "arms",
    [
        (*ARMS, "--treatment", "500/10050"),
        (*ARMS, "--treatment", "500/10050", "--method", "bayes"),
        ("--control", "1000,10,3", "--treatment", "1000,10.3,3", "--treatment", "900,9.1,2.5", "--margin", "0.1"),
    ],
)
def test_the_csv_of_several_treatments_has_the_figures_of_the_json_and_no_dressed_up_texts(
    calc: Calc, arms: tuple[str, ...]
) -> None:
    printed = CliRunner().invoke(app, ["compare", *arms, "-f", "csv"], catch_exceptions=False).stdout
    found = calc("compare", *arms)
    for number, row in enumerate(csv.DictReader(io.StringIO(printed))):
        one, adjusted = found["comparisons"][number], found["adjusted"]["p_values"][number]
        assert row["arm"] == str(number + 1)
        assert (float(row["adjusted_p"]) if row["adjusted_p"] else None) == adjusted
        for part in ("difference", "lift"):
            for figure in ("estimate", "ci_low", "ci_high"):
                assert float(row[f"{part}.{figure}"]) == one[part][figure]
    assert number == 1
    assert "%" not in printed.replace("95 %", "")
    assert ",'" not in printed


def test_by_bayes_a_control_without_clicks_has_a_finite_lift_and_the_note_says_on_what_it_rests(calc: Calc) -> None:
    found = calc("compare", "--method", "bayes", "--control", "0/500", "--treatment", "3/500")
    assert found["lift"]["estimate"] > 0
    assert found["notes"] == [
        "the control has 0 of 500 successes: its rate, and with it the lift, rests on the prior, Beta(1, 1) in each arm"
    ]


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


def test_ratios_and_cuped_are_compared_from_six_sums_over_units(calc: Calc) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    arms, pairs = [], []
    for n, mean in ((400, 2.0), (420, 2.3)):
        x = rng.normal(10, 2, n)
        y = mean + 0.3 * (x - 10) + rng.normal(0, 1, n)
        pairs.append((y, x))
        arms.append(",".join(repr(float(v)) for v in (n, y.sum(), x.sum(), y @ y, x @ x, y @ x)))
    both = ("compare", "--control", arms[0], "--treatment", arms[1], "--lift-method", "log-delta")
    ratio, cuped = calc(*both), calc(*both, "--x", "covariate")
    tea = []
    for y, x in pairs:
        cov = np.cov(y, x)
        tea.append(
            Aggregates(
                len(y), {"y": y.mean(), "x": x.mean()}, {"y": cov[0, 0], "x": cov[1, 1]}, {("x", "y"): cov[0, 1]}
            )
        )
    theirs = tea_tasting.RatioOfMeans("y", "x").analyze_aggregates(*tea)
    assert (ratio["p_value"], ratio["lift"]["ci_low"]) == pytest.approx(
        (theirs.pvalue, theirs.rel_effect_size_ci_lower), rel=1e-6
    )
    theirs = tea_tasting.Mean("y", "x").analyze_aggregates(*tea)
    assert cuped["p_value"] == pytest.approx(theirs.pvalue, rel=1e-6)
    assert cuped["raw"]["p_value"] == pytest.approx(stats.ttest_ind(*(y for y, _ in pairs), equal_var=False).pvalue)
    assert cuped["variance_kept"] < 1
    size = calc("sample-size", "--pilot", arms[0], "--lift", "0.1")
    spread = ratio["control"]["standard_error"] * np.sqrt(400) / ratio["control"]["mean"]
    theirs = TTestIndPower().solve_power(0.1 / spread, alpha=0.05, power=0.8)
    assert size["per_variant"] == np.ceil(theirs)


def test_a_margin_asks_whether_it_is_not_worse_and_a_true_lift_how_far_significance_exaggerates(calc: Calc) -> None:
    found = calc("compare", *ARMS, "--margin", "0.05", "--true-lift", "0.02")
    score = proportions_test(560, 10100, 480, 10000, value=0.95, compare="ratio", method="score", alternative="larger")
    assert found["non_inferiority"]["p_value"] == pytest.approx(score.pvalue, rel=0.1)
    assert found["non_inferiority"]["holds"] is True
    assert found["equivalence"]["holds"] is False
    assert found["exaggeration"]["exaggeration"] > 5


def test_means_have_a_normal_posterior_with_the_prior_stated(calc: Calc) -> None:
    arms = ("compare", "--control", "1000,10,3", "--treatment", "1000,10.3,3", "--method", "bayes")
    flat, prior = calc(*arms), calc(*arms, "--prior", "0,0.1")
    se = (2 * 9 / 1000) ** 0.5
    assert flat["bayes"]["chance_to_win"] == pytest.approx(stats.norm.cdf(0.3 / se), rel=1e-9)
    assert prior["difference"]["estimate"] == pytest.approx(0.3 * 0.01 / (0.01 + se**2), rel=1e-9)
    assert "Normal(0, sd 0.1)" in prior["bayes"]["prior"]


def test_the_size_and_the_lift_together_give_the_power(calc: Calc) -> None:
    rate = calc("sample-size", "--baseline", "0.02", "--lift", "0.1", "--per-variant", "40000")
    power = power_proportions_2indep(0.002, 0.02, 40000, return_results=False)
    assert rate["power"] == pytest.approx(power, rel=1e-6)
    assert (rate["per_variant"], rate["total"]) == (40000, 80000)
    mean = calc("sample-size", "--baseline", "10", "--sd", "5", "--lift", "0.05", "--per-variant", "800")
    assert mean["power"] == pytest.approx(TTestIndPower().power(0.1, 800, 0.05), rel=1e-6)
    smallest = calc("sample-size", "--baseline", "10", "--sd", "5", "--per-variant", "1571")
    assert smallest["lift"] == pytest.approx(0.05, rel=1e-3)
    looks = calc("sample-size", "--baseline", "0.02", "--lift", "0.1", "--monitoring", "group", "--looks", "3")
    assert len(looks["plan"]["boundaries"]) == 3


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
    found = calc("rank", "a=48/1000", "b=56/1000", "c=50/1000")["arms"]
    assert [row["variant"] for row in found] == ["b", "c", "a"]
    assert sum(row["chance_to_be_best"] for row in found) == pytest.approx(1)


@pytest.mark.parametrize("text", ["1,480/20,000", "1.480/20.000", "1'480/20'000", "1,480/20000"])
def test_thousands_in_arms_are_read_when_the_decimal_sign_is_said(calc: Calc, text: str) -> None:
    found = calc("compare", "--control", text, "--treatment", "9/90", "--decimal", "," if "." in text else ".")
    assert found["control"]["rate"] == 1480 / 20000


@pytest.mark.parametrize("text", ["1000,12.5,3.25", "1000;12,5;3,25", "1.000;12,5;3,25", "1_000, 12.50, 3.250"])
def test_a_mean_is_written_with_commas_or_semicolons(calc: Calc, text: str) -> None:
    found = calc("compare", "--control", text, "--treatment", "1000,12.5,3")["control"]
    assert (found["n"], found["mean"]) == (1000, 12.5)
    assert calc("srm", "--observed", "500, 530, 520")["dof"] == 2


def test_drift_reads_every_value_or_refuses_the_column_with_both_readings(
    calc: Calc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [900 + 7 * number % 200 for number in range(100)] + [2000 + 3 * number for number in range(60)]
    write = {"plain.csv": str, "commas.csv": lambda number: f'"{number:,}"'}
    for name, written in write.items():
        (tmp_path / name).write_text("impressions\n" + "\n".join(map(written, values)) + "\n")
    files = ("drift", "--reference", str(tmp_path / "plain.csv"), "--current", str(tmp_path / "commas.csv"))
    with pytest.raises(SystemExit):
        main(["calc", *files])
    assert "'1,005' is 1005 or 1.005 (and 102 more like it)" in (said := capsys.readouterr().err)
    assert "--decimal" in said
    found = calc(*files, "--decimal", ".")
    assert (found["ks"]["n_reference"], found["ks"]["n_current"], found["ks"]["statistic"]) == (160, 160, 0)


def test_drift_refuses_cells_that_are_no_numbers_with_their_count_and_says_how_many_are_blank(
    calc: Calc, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = "day,ctr\n" + "".join(f"2026-01-{day:02},{day / 10}%\n" for day in range(1, 29))
    (tmp_path / "good.csv").write_text(good)
    (tmp_path / "some.csv").write_text(good.replace(",0.7%", ",").replace("0.8%", "--"))
    (tmp_path / "bad.csv").write_text(good.replace("0.7%", "about 1").replace("0.8%", "1.2.3"))
    read = ("drift", "--reference", str(tmp_path / "good.csv"), "--current")
    with pytest.raises(SystemExit):
        main(["calc", *read, str(tmp_path / "some.csv"), "-f", "json"])
    assert '"n_current": 26' in (said := capsys.readouterr()).out
    assert "some.csv: 2 cells without a figure are left out" in said.err
    with pytest.raises(SystemExit):
        main(["calc", *read, str(tmp_path / "bad.csv"), "--column", "ctr"])
    assert "2 of 28 cells of column 'ctr' are not numbers" in (error := capsys.readouterr().err)
    assert "'about 1' on line 8" in error


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
        (("compare", "--control", "10,1e308,1", "--treatment", "9,1,1"), "mean of an arm is 1e+308"),
        (("compare", "--control", "10,1,1e308", "--treatment", "9,1,1"), "variance of an arm is inf"),
        (("compare", *ARMS, "--level", "1e-300"), "level is 1e-300"),
        (("compare", *ARMS, "--level", "0.4", "--alternative", "less"), "level is 0.4; a one-sided bound"),
        (("compare", *ARMS, "--method", "bayes", "--prior", "inf,1"), "prior is inf, 1"),
        (("compare", *ARMS, "--method", "bayes", "--practical-lift", "nan"), "practical lift is nan"),
        (
            ("compare", "--control", "0/9", "--treatment", "1/9", "--margin", "0.1"),
            "--margin is relative to the control",
        ),
        (("compare", "--control", "9,1,1,1,1", "--treatment", "9,1,1"), "neither a mean nor a pair"),
        (("compare", "--control", "9,1,1,1,1,1", "--treatment", "9,1,1"), "not of one kind"),
        (("srm", "--observed", "5000"), "takes at least 2 arms; got 1"),
        (("srm", "--observed", "5,5", "--alpha", "2"), "alpha is 2.0"),
        (("srm", "--observed", "5000,x"), "'5000,x'; expected numbers"),
        (("srm", "--observed", "5,5", "--expected", "0.5,0.4"), "sums to 0.9"),
        (("sample-size", "--baseline", "0", "--lift", "0.1"), "baseline is 0.0"),
        (("sample-size", "--baseline", "0.1"), "either --lift or --per-variant"),
        (("sample-size", "--lift", "0.1"), "give --baseline"),
        (("sample-size", "--baseline", "0.1", "--per-variant", "nan"), "nan units per variant"),
        (("sample-size", "--baseline", "5", "--sd", "inf", "--lift", "0.1"), "standard deviation is inf"),
        (("sample-size", "--baseline", "nan", "--sd", "1", "--lift", "0.1"), "baseline is nan"),
        (("sample-size", "--baseline", "5", "--sd", "1e-12", "--lift", "0.1"), "5e+11 standard deviations"),
        (("sample-size", "--baseline", "0.1", "--lift", "0.1", "--monitoring", "group", "--looks", "999"), "999 looks"),
        (("sample-size", "--pilot", "9,1,1", "--lift", "0.1"), "expected six sums"),
        (("rank", "a=1/10"), "takes at least 2 arms; got 1"),
        (("rank", "a=1/10", "a=2/10"), "not a new variant"),
        (("rank", "--file", "nothing.csv"), "there is no file with this name"),
        (("compare", "--control", "1.000/20.000", "--treatment", "9/90"), "'1.000' is 1 or 1000, and no other number"),
        (("compare", "--control", "1,000/20,000", "--treatment", "9/90"), "'1,000' is 1000 or 1"),
        (("rank", "a=1.000/20.000", "b=9/90"), "'1.000' is 1 or 1000"),
        (
            ("compare", "--control", "10,000,12.5", "--treatment", "9,1,1"),
            "read in two ways: 3 numbers (10, 000, 12.5) or 2 (10000, 12.5)",
        ),
        (("compare", "--control", "1,200,5,300,2,400", "--treatment", "9,1,1"), "2, 400) or 3 (1200, 5300, 2400)"),
        (("compare", "--control", "1000,12.345,1.234", "--treatment", "9,1,1"), "'12.345' is 12.345 or 12345"),
        (("srm", "--observed", "10,000,10,200"), "4 numbers (10, 000, 10, 200) or 2 (10000, 10200)"),
        (("srm", "--observed", "10,100,10,200"), "4 numbers (10, 100, 10, 200) or 2 (10100, 10200)"),
        (("sample-size", "--baseline", "0.1", "--per-variant", "20.000"), "'20.000' is 20 or 20000"),
        (("compare", *ARMS, "--planned-total", "5.000"), "'5.000' is 5 or 5000"),
        (("compare", *ARMS, "--decimal", "x"), "the decimal sign cannot be 'x'"),
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
