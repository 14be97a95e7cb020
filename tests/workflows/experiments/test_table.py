"""Thousands of tests from a table: each compared with its control, errors controlled across all."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from abkit.errors import AbkitError
from abkit.stats.arms import Counts
from abkit.stats.proportions.compare import compare
from abkit.vocabulary import Allocation
from abkit.workflows.experiments.table import analyze_table

COLUMNS = {"experiment": "test", "variant": "arm", "trials": "views", "successes": "clicks"}


def table(folder: Path, rows: list[tuple[object, ...]], name: str = "tests.csv") -> Path:
    path = folder / name
    path.write_text("test,arm,views,clicks\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def test_every_test_of_a_table_is_compared_with_its_control(tmp_path: Path) -> None:
    rows = [
        ("t1", "a", 1000, 50),
        ("t2", "a", 1000, 20),
        ("t1", "b", 1010, 80),
        ("t2", "b", 990, 22),
        ("t2", "c", 1005, 60),
    ]
    report = analyze_table(table(tmp_path, rows), **COLUMNS)
    assert [(row.experiment, row.control, row.treatment) for row in report.comparisons] == [
        ("t1", "a", "b"), ("t2", "a", "b"), ("t2", "a", "c"),
    ]  # fmt: skip
    one = compare(Counts(50, 1000), Counts(80, 1010))
    assert report.comparisons[0].p_value == pytest.approx(one.p_value, rel=1e-9)
    assert report.comparisons[0].lift_low == pytest.approx(one.lift.ci_low, rel=1e-9)
    assert "3 comparisons of 2 tests" in report.summary.family
    named = analyze_table(table(tmp_path, rows), **COLUMNS, control="b")
    assert {row.control for row in named.comparisons} == {"b"}


def test_what_cannot_be_is_refused_with_the_value_and_the_others_go_on(tmp_path: Path) -> None:
    rows = [
        ("good", "a", 1000, 50), ("good", "b", 1000, 60),
        ("more", "a", 10, 11), ("more", "b", 10, 1),
        ("minus", "a", 1000, -3), ("minus", "b", 1000, 3),
        ("text", "a", 1000, "x"), ("text", "b", 1000, 3),
        ("alone", "a", 1000, 3),
        ("twice", "a", 1000, 3), ("twice", "a", 1000, 4), ("twice", "b", 1000, 4),
    ]  # fmt: skip
    report = analyze_table(table(tmp_path, rows), **COLUMNS)
    assert [row.experiment for row in report.comparisons] == ["good"]
    reasons = {refused.experiment: refused.reason for refused in report.refused}
    assert "11 successes in 10 trials" in reasons["more"]
    assert "-3 successes" in reasons["minus"]
    assert "'x' successes" in reasons["text"]
    assert "only one arm, 'a'" in reasons["alone"]
    assert "3 rows for 2 variants" in reasons["twice"]
    with pytest.raises(AbkitError, match="no test has a variant 'z'"):
        analyze_table(table(tmp_path, rows), **COLUMNS, control="z")


def test_a_split_that_does_not_fit_gets_no_significance(tmp_path: Path) -> None:
    rows = [("bad", "a", 1000, 50), ("bad", "b", 1500, 150), ("good", "a", 1000, 50), ("good", "b", 1010, 120)]
    report = analyze_table(table(tmp_path, rows), **COLUMNS)
    assert [(row.blocked, row.significant) for row in report.comparisons] == [("sample_ratio", False), ("", True)]


def test_where_the_platform_chose_who_saw_what_nothing_is_called_significant(tmp_path: Path) -> None:
    rows = [("bad", "a", 1000, 50), ("bad", "b", 1500, 150), ("good", "a", 1000, 50), ("good", "b", 1010, 120)]
    report = analyze_table(table(tmp_path, rows), **COLUMNS, allocation=Allocation.OPTIMIZED)
    assert [(row.blocked, row.significant) for row in report.comparisons] == [("not_drawn", False)] * 2
    assert report.comparisons[1].lift_low > 0
    assert (report.summary.sample_ratio_mismatch, report.summary.significant) == (None, 0)
    assert "not assigned at random" in report.summary.family


def test_a_broken_line_refuses_its_own_test_and_the_others_go_on(tmp_path: Path) -> None:
    good = "g,a,1000,50\ng,b,1010,70\n"
    path = tmp_path / "broken.csv"
    path.write_bytes(
        b"test,arm,views,clicks\n"
        + good.encode()
        + b'more,a,100,5,9,9\nmore,b,100,6\nquote,"a,100,5\nquote,b,100,6\n\n'
        + "caf\u00e9,a,100,5\n".encode("latin-1")
        + b"text,a, 1000 ,x\ntext,b,1000,3\n"
        + good.replace("g,", "h,").encode()
    )
    report = analyze_table(path, **COLUMNS)
    assert [row.experiment for row in report.comparisons] == ["g", "h"]
    reasons = " | ".join(f"{refused.experiment}: {refused.reason}" for refused in report.refused)
    assert "more: variant 'a': 6 cells where the header has 4: a delimiter too many" in reasons
    assert "quote: variant '\"a': a quote that is not closed" in reasons
    assert "caf\u00e9: only one arm, 'a'" in reasons
    assert "has 'x' successes in 1000 trials" in reasons


def test_a_bad_day_is_not_added_up_as_nothing(tmp_path: Path) -> None:
    rows = [("t", "a", 1000, 50), ("t", "a", 1000, ""), ("t", "b", 2000, 90), ("m", "a", 100, 50), ("m", "a", 100, -5)]
    rows += [("m", "b", 200, 60), ("g", "a", 100, 5), ("g", "a", 100, 6), ("g", "b", 200, 12)]
    report = analyze_table(table(tmp_path, rows), **COLUMNS, add_up=True)
    assert [(row.experiment, row.control_rate) for row in report.comparisons] == [("g", 0.055)]
    assert {refused.experiment for refused in report.refused} == {"t", "m"}


def test_winners_of_many_tests_are_shrunk_towards_what_all_are_like(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    truth = np.exp(rng.normal(0, 0.1, 600))
    clicks = rng.binomial(4000, np.column_stack((np.full(600, 0.05), 0.05 * truth)))
    rows = [(f"t{i}", arm, 4000, int(clicks[i, j])) for i in range(600) for j, arm in enumerate("ab")]
    report = analyze_table(table(tmp_path, rows), **COLUMNS)
    prior = report.summary.effect_prior
    assert prior.sd == pytest.approx(0.1, rel=0.25)
    raw, shrunken = (np.array([getattr(row, name) for row in report.comparisons]) for name in ("lift", "shrunken_lift"))
    winners = np.array([row.p_value < 0.05 and row.lift > 0 for row in report.comparisons])
    assert (raw - (truth - 1))[winners].mean() > 0.04
    assert abs((shrunken - (truth - 1))[winners].mean()) < 0.03


def test_the_false_discovery_rate_is_kept_across_tests(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    false, found = 0, 0
    for repeat in range(20):
        real = np.arange(400) < 60
        clicks = rng.binomial(5000, np.column_stack((np.full(400, 0.03), np.where(real, 0.042, 0.03))))
        frame = pl.DataFrame(
            {
                "test": np.repeat(np.arange(400), 2).astype(str),
                "arm": ["a", "b"] * 400,
                "views": 5000,
                "clicks": clicks.ravel(),
            }
        )
        path = tmp_path / f"{repeat}.parquet"
        frame.write_parquet(path)
        hits = np.array([row.significant for row in analyze_table(path, **COLUMNS).comparisons])
        false, found = false + int(hits[~real].sum()), found + int(hits.sum())
    assert false / found <= 0.06
    assert found > 20 * 40
