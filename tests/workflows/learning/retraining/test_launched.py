"""Which launches are judged, and until when a challenger may learn."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from abkit.config import RetrainSettings
from abkit.stats.appeal.appeal import Appeals
from abkit.vocabulary import Metric
from abkit.workflows.learning.appeals.appeals import StoredAppeals
from abkit.workflows.learning.retraining.launched import LaunchWindow, launch_window, launches_of

TODAY = date(2026, 6, 30)


def appeals(n: int = 240, campaigns: int = 24, **columns: Any) -> StoredAppeals:
    """`n` creatives of as many ideas; creative i is of campaign i modulo `campaigns`."""
    ids = np.arange(n)
    usual: dict[str, Any] = {
        "creative": ids, "campaign": ids % campaigns, "idea": -ids - 1, "group": ids % campaigns,
        "appeal": np.sin(ids), "variance": np.full(n, 0.01), "expected": np.full(n, 100.0), "events": np.full(n, 100.0),
        "exposure": np.full(n, 1e4), "own": np.zeros(n), "identified": np.ones(n, bool), "ci_low": np.zeros(n),
        "ci_high": np.zeros(n), "shrunk": np.zeros(n), "shrunk_sd": np.zeros(n), "steered": np.zeros(n),
    }  # fmt: skip
    return StoredAppeals(
        metric=Metric.CTR, as_of=TODAY, first=None, segment="", version=1,
        appeals=Appeals(**{**usual, **columns}, spread=0.1, spread_error=0.01, dispersion=0.0),
        causal=np.zeros(n, bool), experiments=("",) * n, reasons=("",) * n,
        campaigns={i: f"c{i}" for i in range(campaigns)}, names={},
    )  # fmt: skip


def window(found: StoredAppeals, *, every: int = 2, **options: Any) -> LaunchWindow:
    """One creative launches every `1 / every` of a day, the last ones today."""
    creatives, campaigns = found.appeals.creative.tolist(), found.appeals.campaign.tolist()
    n = len(creatives)
    launched = {
        (creative, campaign): TODAY - timedelta(days=(n - 1 - i) // every)
        for i, (creative, campaign) in enumerate(zip(creatives, campaigns, strict=True))
    }
    return launch_window(found, launched, RetrainSettings(), **options)


def test_the_latest_launches_are_judged_and_the_challenger_learns_until_the_day_before() -> None:
    chosen = window(appeals())
    assert chosen.missing == ""
    assert 100 <= chosen.ideas <= 102
    assert chosen.campaigns == 24
    assert chosen.last == TODAY - timedelta(days=7)  # younger ones are not ripe
    assert chosen.first is not None
    assert chosen.until == chosen.first - timedelta(days=1)
    assert len(chosen.creatives) == len(chosen.entries)
    assert max(chosen.creatives) == 239 - 14


def test_with_many_creatives_a_third_and_at_most_300_are_judged() -> None:
    assert 200 <= window(appeals(600, 60)).ideas <= 202
    assert 300 <= window(appeals(2000, 60), every=20).ideas <= 320


def test_with_too_few_it_says_how_many_are_missing() -> None:
    assert window(appeals(90, 20)).missing == "76 of 100 creatives"
    assert window(appeals(240, 6)).missing == "6 of 10 campaigns"
    assert window(appeals(3, 1)).missing == "0 of 10 campaigns and 0 of 100 creatives"
    assert window(appeals(0, 1)).missing == "0 of 10 campaigns and 0 of 100 creatives"


def test_what_was_used_or_learned_from_is_not_judged_with_all_sizes_of_its_idea() -> None:
    found = appeals(idea=-(np.arange(240) // 2) - 1, campaign=np.arange(240) // 2 % 24, group=np.arange(240) // 2 % 24)
    all_of_them = window(found).creatives
    assert {224, 225} <= all_of_them
    left = window(found, used=frozenset({224})).creatives
    assert not {224, 225} & left


def test_only_launches_after_the_last_one_that_was_judged_come_next() -> None:
    chosen = window(appeals(), since=TODAY - timedelta(days=30))
    assert chosen.missing == "44 of 100 creatives"  # of 46, two are alone in their campaigns
    assert chosen.first == TODAY - timedelta(days=29)


def test_an_idea_is_as_old_as_its_first_size_anywhere() -> None:
    ideas = -np.arange(240) - 1
    ideas[225] = ideas[0]  # another size of the oldest
    assert 225 not in window(appeals(idea=ideas)).creatives


def test_creatives_without_enough_events_and_campaigns_of_one_family_do_not_count() -> None:
    few = np.full(240, 100.0)
    few[:200] = 9.9
    assert window(appeals(expected=few)).missing == "2 of 10 campaigns and 4 of 100 creatives"
    alone = np.where(np.arange(240) % 24 < 15, -1 - np.arange(240) % 24, -100 - np.arange(240))
    assert "9 of 10 campaigns" in window(appeals(idea=alone)).missing


def test_a_challenger_that_is_held_is_judged_on_all_that_launched_after_it_learned() -> None:
    after = TODAY - timedelta(days=70)
    chosen = window(appeals(), after=after)
    assert chosen.until == after
    assert chosen.first == after + timedelta(days=1)
    assert chosen.ideas == 2 * 63


def test_the_launches_have_the_scores_of_both_and_only_those_that_have() -> None:
    found = appeals()
    chosen = window(found)
    old = {int(one): float(one) for one in found.appeals.creative}
    new = {one: -score for one, score in old.items() if one != 225}
    launches = launches_of(found, chosen.entries, old, new)
    assert launches.creatives == chosen.ideas - 1
    np.testing.assert_allclose(launches.champion, -launches.challenger)


def test_campaigns_of_one_account_share_a_label_and_the_others_are_their_own() -> None:
    found = appeals()
    scores = {int(one): float(one) for one in found.appeals.creative}
    entries = window(found).entries
    named = {campaign: f"meta/{max(campaign, 9)}" for campaign in range(19)}  # ten accounts
    launches = launches_of(replace(found, accounts=named), entries, scores, scores)
    assert launches.accounts == 24 - 19 + 10
    few = {campaign: f"meta/{max(campaign, 10)}" for campaign in range(19)}  # nine, which are no sample of accounts
    assert launches_of(replace(found, accounts=few), entries, scores, scores).accounts == 24
