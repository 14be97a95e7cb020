"""How often retraining promotes by mistake, how often it promotes what is better, and what decides how soon.

The protocol, fixed before the first run: scores and true appeals are normal; a true correlation is that of score and
appeal inside campaigns. What is observed is appeal plus noise; reliability is the share of the true variance.

1. Years without anything to learn: 52 weekly retrains, champion and challengers with true correlation 0, in settings
   that break what is comfortable (few campaigns, unequal ones, families in several campaigns, heavy tails, weeks in
   which one campaign launches most). A year fails that promotes anything. At most 5 % may.
2. The gate alone: champion 0, challenger 0.3, 300 creatives in 30 campaigns, reliability 0.8. At least 80 % promote.
3. End to end: a challenger that learns the truth by ridge from embeddings of creatives launched before T, against a
   champion that knows nothing; beside theory (Daetwyler et al. 2008, doi 10.1371/journal.pone.0003395, and the normal
   approximation of the gate). No threshold.
4. Weeks until a first judgment, and until half and 80 % of the years have promoted, at 3, 10 and 30 new creatives a
   week.

    python benchmarks/promotion_error_rates.py 400                                       # years of each kind
    python benchmarks/promotion_error_rates.py 400 --parts years gate --settings unequal  # some of it

Shares are given with their 95 % interval (Clopper and Pearson).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from abkit.stats.promotion.launches import Launches
from abkit.stats.promotion.verdict import MIN_CREATIVES, PromotionRule, enough, judge, spent_at
from abkit.stats.tails import normal_below, quantile
from abkit.vocabulary import TrialDecision

Floats = NDArray[np.float64]
WEEKS = 52


def launched(
    rng: np.random.Generator,
    creatives: int,
    campaigns: int,
    champion: float,
    challenger: float,
    *,
    reliability: float = 0.8,
    unequal: bool = False,
    families: int = 1,
    heavy: bool = False,
) -> dict[str, NDArray[np.generic]]:
    """Return columns of launched creatives; `families` sizes of one idea run in as many campaigns."""
    ideas = max(1, creatives // families)
    truth = rng.standard_t(3, ideas) if heavy else rng.normal(size=ideas)
    scores = [r * truth + math.sqrt(1 - r * r) * rng.normal(size=ideas) for r in (champion, challenger)]
    family = np.repeat(np.arange(ideas), families)
    shares = rng.dirichlet(np.ones(campaigns)) if unequal else np.full(campaigns, 1 / campaigns)
    campaign = rng.choice(campaigns, len(family), p=shares)
    noise = (1 - reliability) / reliability * (rng.gamma(2, 0.5, len(family)) if heavy else np.ones(len(family)))
    level = rng.normal(size=campaigns)
    appeal = truth[family] + level[campaign] + np.sqrt(noise) * rng.normal(size=len(family))
    old, new = (score[family] for score in scores)
    return {
        "appeal": appeal, "variance": noise, "champion": old, "challenger": new,
        "campaign": campaign, "family": family,
    }  # fmt: skip


def weeks_of(
    rng: np.random.Generator, per_week: int, campaigns: int, champion: float, challenger: float, **kind: object
) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Return what launches in each week; campaigns and ideas of different weeks are different ones."""
    for week in range(WEEKS):
        columns = launched(rng, per_week, campaigns, champion, challenger, **kind)  # type: ignore[arg-type]
        for label in ("campaign", "family"):
            columns[label] = columns[label] + week * 10_000  # type: ignore[operator]
        yield columns


def first_promotion(weeks: Iterator[dict[str, NDArray[np.generic]]]) -> tuple[int, int]:
    """Play weekly retrains and return the week (1 …) of the first promotion, 0 for none, and the judgments made.

    Each week a challenger is held against the champion on the launches that no judgment has used yet.
    """
    waiting: list[dict[str, NDArray[np.generic]]] = []
    attempts = 0
    for week, columns in enumerate(weeks, start=1):
        waiting.append(columns)
        if sum(len(np.unique(one["family"])) for one in waiting) < MIN_CREATIVES:
            continue
        launches = Launches.of(**{name: np.concatenate([one[name] for one in waiting]) for name in columns})
        if enough(launches, PromotionRule()):
            continue
        attempts, waiting = attempts + 1, []
        if judge(launches, attempt=attempts).decision is TrialDecision.PROMOTED:
            return week, attempts
    return 0, attempts


NOTHING_TO_LEARN: dict[str, dict[str, object]] = {
    "30 a week, 3 campaigns": {"per_week": 30, "campaigns": 3},
    "100 a week, 10 campaigns: judged weekly": {"per_week": 100, "campaigns": 10},
    "100 a week, 12 unequal campaigns": {"per_week": 100, "campaigns": 12, "unequal": True},
    "120 a week, 12 campaigns, sizes of an idea in two": {"per_week": 240, "campaigns": 12, "families": 2},
    "120 a week, 12 campaigns, heavy tails": {"per_week": 120, "campaigns": 12, "heavy": True},
    "120 a week, 12 unequal, heavy tails, families": {
        "per_week": 240, "campaigns": 12, "unequal": True, "heavy": True, "families": 2,
    },
    "both know as much (0.3 and 0.3), 100 a week": {
        "per_week": 100, "campaigns": 10, "champion": 0.3, "challenger": 0.3,
    },
}  # fmt: skip


def in_percent(hits: int, count: int) -> str:
    """Return a share with its 95 % interval."""
    found = binomtest(hits, count).proportion_ci()
    return f"{hits / count:.1%} [{found.low:.1%}, {found.high:.1%}]"


def years(count: int, settings: str = "") -> None:
    """Print in how many years without anything to learn something was promoted."""
    print(f"{count:,} years of {WEEKS} weekly retrains with nothing to gain: share that promotes anything")
    for name, kind in NOTHING_TO_LEARN.items():
        if settings not in name:
            continue
        rng = np.random.default_rng(1)
        said = {"champion": 0.0, "challenger": 0.0, **kind}
        found = [first_promotion(weeks_of(rng, **said)) for _ in range(count)]  # type: ignore[arg-type]
        failed = sum(week > 0 for week, _ in found)
        per_year = sum(attempts for _, attempts in found) / count
        print(f"  {name}: {in_percent(failed, count)} ({per_year:.1f} judgments a year)", flush=True)


def gate(count: int, settings: str = "") -> None:
    """Print how often the gate alone promotes."""
    print(f"the gate alone, {count:,} times: champion 0, challenger 0.3")
    for creatives, campaigns, reliability in ((300, 30, 0.8), (300, 30, 0.9), (300, 60, 0.8), (100, 10, 0.8)):
        kinds: tuple[dict[str, bool], ...] = ({}, {"unequal": True})
        for kind in kinds:
            shape = "unequal " if kind else ""
            if settings not in f"{creatives} creatives in {campaigns} {shape}campaigns":
                continue
            rng = np.random.default_rng(2)
            passed = sum(
                judge(
                    Launches.of(**launched(rng, creatives, campaigns, 0.0, 0.3, reliability=reliability, **kind)),
                    attempt=1,
                ).decision
                is TrialDecision.PROMOTED
                for _ in range(count)
            )
            what = f"{creatives} creatives in {campaigns} {shape}campaigns, reliability {reliability}"
            print(f"  {what}: {in_percent(passed, count)}", flush=True)


def end_to_end(count: int) -> None:
    """Print how often a challenger that has to learn first is promoted, beside theory."""
    dimensions, judged, campaigns, reliability, visible = 64, 300, 30, 0.8, 0.15
    print(
        f"end to end, {count} times each: ridge on {dimensions} features that hold {visible:.0%} of the true variance, "
        f"judged on {judged} creatives in {campaigns} campaigns, reliability {reliability}"
    )
    for learned in (50, 100, 200, 400, 800, 1600, 6400):
        rng, passed, reached = np.random.default_rng(3), 0, []
        for _ in range(count):
            x = rng.normal(size=(learned + judged, dimensions))
            beta = rng.normal(size=dimensions) * math.sqrt(visible / dimensions)
            truth = x @ beta + rng.normal(size=len(x)) * math.sqrt(1 - visible)
            noise = (1 - reliability) / reliability
            seen = truth + rng.normal(size=len(x)) * math.sqrt(noise)
            penalty = dimensions * (1 - visible + noise) / visible
            train = x[:learned]
            weights = np.linalg.solve(train.T @ train + penalty * np.eye(dimensions), train.T @ seen[:learned])
            new = x[learned:]
            score = new @ weights
            reached.append(float(np.corrcoef(score, truth[learned:])[0, 1]))
            launches = Launches.of(
                appeal=seen[learned:],
                variance=np.full(judged, noise),
                champion=rng.normal(size=judged),
                challenger=score,
                campaign=np.arange(judged) % campaigns,
            )
            passed += judge(launches, attempt=1).decision is TrialDecision.PROMOTED
        share = visible / (1 + (1 - reliability) / reliability)
        theory = math.sqrt(visible) * math.sqrt(learned * share / (learned * share + dimensions))
        print(
            f"  learns from {learned}: true correlation {np.mean(reached):.2f} (theory {theory:.2f}), "
            f"promoted {passed / count:.0%} (theory {gate_power(theory, judged, campaigns, reliability):.0%})"
        )


def gate_power(correlation: float, creatives: int, campaigns: int, reliability: float) -> float:
    """Return how often the first judgment promotes, by the normal approximation."""
    gain = correlation * math.sqrt(reliability)
    error = math.sqrt((1 + (1 - gain**2) ** 2) / (creatives - campaigns))
    return 1 - normal_below(quantile(1 - spent_at(1)) - gain / error)


def waiting(count: int) -> None:
    """Print after how many weeks a challenger is judged and promoted, by new creatives a week."""
    print(
        f"weeks, {count:,} times each: until the first judgment, and until half and 80 % have promoted a challenger "
        "with true correlation 0.3 (champion 0, reliability 0.8, one campaign per 6 creatives)"
    )
    for least in (MIN_CREATIVES, 3 * MIN_CREATIVES):
        for per_week in (3, 10, 30):
            rng = np.random.default_rng(4)
            found = np.array([weeks_to_promotion(rng, per_week, least) for _ in range(count)])
            half, most = (np.quantile(found, share, method="inverted_cdf") for share in (0.5, 0.8))
            said = [f"{week:.0f}" if np.isfinite(week) else f"over {3 * WEEKS}" for week in (half, most)]
            first = -(-least // per_week)
            print(
                f"  {per_week} a week, judged by {least} at a time: judged after {first}, half after {said[0]}, "
                f"80 % after {said[1]}"
            )


def weeks_to_promotion(rng: np.random.Generator, per_week: int, least: int) -> float:
    """Return the week of the first promotion within three years, infinite for none."""
    everything = launched(rng, per_week * 3 * WEEKS, 1, 0.0, 0.3)
    everything["campaign"] = np.arange(per_week * 3 * WEEKS) // 6
    rule = PromotionRule(min_creatives=least)
    used, attempts = 0, 0
    for week in range(1, 3 * WEEKS + 1):
        fresh = slice(used, week * per_week)
        if week * per_week - used < least:
            continue
        launches = Launches.of(**{name: column[fresh] for name, column in everything.items()})
        if enough(launches, rule):
            continue
        attempts, used = attempts + 1, week * per_week
        if judge(launches, attempt=attempts, rule=rule).decision is TrialDecision.PROMOTED:
            return week
    return math.inf


PARTS = ("years", "gate", "end-to-end", "waiting")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=400)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--settings", default="", help="only settings of years and gate whose name has this in it")
    options = parser.parse_args()
    number = options.count
    if "years" in options.parts:
        years(number, options.settings)
    if "gate" in options.parts:
        gate(max(number, 1000), options.settings)
    if "end-to-end" in options.parts:
        end_to_end(max(50, number // 2))
    if "waiting" in options.parts:
        waiting(max(100, number // 2))
