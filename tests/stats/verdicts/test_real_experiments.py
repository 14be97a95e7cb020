"""Error rates on real experiments: Upworthy's headline tests and ASOS's time series."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.special import ndtr

from abkit.stats.arms import Moments
from abkit.stats.means.compare import compare_means
from abkit.stats.proportions.bulk import compare_many, split_p
from abkit.stats.proportions.intervals import newcombe_z
from abkit.stats.sequential.always_valid import (
    DEFAULT_TUNING,
    ConfidenceSequence,
    confidence_sequence,
    mixture_precision,
    verdict_of,
)
from abkit.stats.verdicts.sample_ratio import ALPHA

pytestmark = pytest.mark.realdata

LOOKS = 60


@pytest.fixture(scope="module")
def upworthy(testdata: Path) -> pl.DataFrame:
    return pl.read_parquet(testdata / "upworthy" / "packages.parquet")


@pytest.fixture(scope="module")
def halves(upworthy: pl.DataFrame) -> tuple[np.ndarray, ...]:
    """A/A tests: every arm split in two at random, twice. Clicks and impressions without a click of both halves."""
    rng = np.random.default_rng(20261123)
    clicks = np.tile(upworthy["clicks"].to_numpy(), 2)
    others = np.tile(upworthy["impressions"].to_numpy(), 2) - clicks
    first, first_others = rng.binomial(clicks, 0.5), rng.binomial(others, 0.5)
    return first, first_others, clicks - first, others - first_others


def test_on_a_a_tests_the_fixed_test_rejects_little_less_than_five_percent(halves: tuple[np.ndarray, ...]) -> None:
    x0, o0, x1, o1 = halves
    assert len(x0) >= 20_000
    rejected = (compare_many(x0, x0 + o0, x1, x1 + o1).p_value < 0.05).mean()
    # The p-value is that of Newcombe's interval, a little wider than it has to be for the few clicks of a half.
    assert 0.0425 <= rejected <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(x0))


def test_with_sixty_looks_the_any_time_analysis_holds_and_peeking_does_not(halves: tuple[np.ndarray, ...]) -> None:
    rng = np.random.default_rng(1)
    even = np.full(LOOKS, 1 / LOOKS)
    # Every third test: about seven thousand, whose rejection rates have standard errors of half a point at most.
    parts = [rng.multinomial(counts[::3], even) for counts in halves]
    sums = [np.zeros(len(part)) for part in parts]
    anytime, naive = np.zeros((2, len(parts[0])), dtype=bool)
    for look in range(LOOKS):
        for total, part in zip(sums, parts, strict=True):
            total += part[:, look]
        x0, o0, x1, o1 = sums
        n0, n1 = np.maximum(x0 + o0, 1), np.maximum(x1 + o1, 1)
        z = newcombe_z(x0, n0, x1, n1)
        scaled = (n0 + n1) * mixture_precision(0.05, DEFAULT_TUNING)
        anytime |= 0.5 * np.log1p(scaled) - 0.5 * z**2 * scaled / (1 + scaled) < np.log(0.05)
        pooled = (x0 + x1) / (n0 + n1)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.nan_to_num((x1 / n1 - x0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1)))
        naive |= 2 * ndtr(-np.abs(score)) < 0.05
    assert anytime.mean() <= 0.05
    assert naive.mean() > 0.15


def test_the_faulty_weeks_are_flagged_by_the_sample_ratio_guard_more_often(upworthy: pl.DataFrame) -> None:
    keys, test = np.unique(upworthy["clickability_test_id"].to_numpy(), return_inverse=True)
    week = np.zeros(len(keys), dtype=int)
    week[test] = upworthy["test_week"].to_numpy()
    _, p = split_p(upworthy["impressions"].to_numpy().astype(float), test, len(keys))
    # 25 June 2013 – 10 January 2014 in weeks that begin on Monday, the first one of a year being number 1.
    faulty = (week >= 201325) & (week <= 201401)
    inside, outside = (p[faulty] < ALPHA).mean(), (p[~faulty] < ALPHA).mean()
    assert inside > 0.5
    assert outside < 0.02


@pytest.fixture(scope="module")
def sequences(testdata: Path) -> list[tuple[ConfidenceSequence, np.ndarray]]:
    """Every experiment, variant and metric of ASOS: its confidence sequence and the day of each look."""
    return list(read_sequences(testdata / "asos_experiments" / "asos.parquet"))


def read_sequences(path: Path, *, planned: bool = False) -> Iterator[tuple[ConfidenceSequence, np.ndarray]]:
    table = pl.read_parquet(path).drop_nulls().filter(
        (pl.col("variance_c") > 0) & (pl.col("variance_t") > 0) & (pl.min_horizontal("count_c", "count_t") > 1)
    )  # fmt: skip
    series = table.sort("time_since_start").group_by("experiment_id", "variant_id", "metric_id", maintain_order=True)
    for _, looks in series:
        # A few checkpoints have fewer users than an earlier one: faulty exports, not looks.
        seen = looks["count_c"] + looks["count_t"]
        looks = looks.filter(seen >= seen.cum_max())
        arms = [
            (
                Moments(row["count_c"], row["mean_c"], row["variance_c"]),
                Moments(row["count_t"], row["mean_t"], row["variance_t"]),
            )
            for row in looks.iter_rows(named=True)
        ]
        tuning = float((looks["count_c"] + looks["count_t"])[-1]) if planned else DEFAULT_TUNING
        any_time = [compare_means(*pair, method="sequential", tuning=tuning) for pair in arms]
        yield (
            confidence_sequence(any_time, [compare_means(*pair) for pair in arms], tuning=tuning),
            looks["time_since_start"].to_numpy(),
        )


def test_verdicts_never_reverse(sequences: list[tuple[ConfidenceSequence, np.ndarray]]) -> None:
    for sequence, _ in sequences:
        said = [verdict_of(sequence.looks[:upto]) for upto in range(1, len(sequence.looks) + 1)]
        assert not {"better", "worse"} <= set(said)
        assert sequence.verdict == said[-1]
    # A series whose intervals lie on both sides of zero gets no verdict: its data jump at one checkpoint.
    assert sum(sequence.verdict == "contradicted" for sequence, _ in sequences) <= 2


def test_a_sequence_that_is_tuned_to_the_planned_total_finds_more_than_one_tuned_to_5000_users(
    testdata: Path, sequences: list[tuple[ConfidenceSequence, np.ndarray]]
) -> None:
    planned = [one for one, _ in read_sequences(testdata / "asos_experiments" / "asos.parquet", planned=True)]
    found, usual = (sum(one.stopped_at is not None for one in of) for of in (planned, [one for one, _ in sequences]))
    assert found > 1.3 * usual


def test_significant_experiments_could_have_stopped_early_and_peeking_stops_for_nothing(
    sequences: list[tuple[ConfidenceSequence, np.ndarray]],
) -> None:
    shares = [days[s.stopped_at - 1] / days[-1] for s, days in sequences if s.stopped_at is not None]
    stopped = [s for s, _ in sequences if s.naive_stop is not None]
    for_nothing = sum(not s.looks[-1].fixed.excludes(0) for s in stopped)
    assert 0 < np.median(shares) < 0.5
    assert for_nothing > len(stopped) / 4
