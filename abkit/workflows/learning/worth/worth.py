"""What listening to the score is worth: winners kept, gain, pairs, money and hours, from what the store knows."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from abkit.config import Settings
from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.intake.tables.rates import rates_of
from abkit.money import Rates
from abkit.records import RecordList
from abkit.stats.account_clusters import account_labels
from abkit.stats.estimate import Estimate
from abkit.stats.listening.averages import FEWEST_CLUSTERS
from abkit.stats.listening.gains import GainPoint, gain_curve, gain_when_dropping
from abkit.stats.listening.noise import Noise, noise_of
from abkit.stats.listening.pairs import PairsRight, pairs_right
from abkit.stats.listening.policy import PolicyValue, policy_value
from abkit.stats.listening.sample import ListeningSample, listening_sample
from abkit.stats.listening.savings import Savings, VariantCosts, savings
from abkit.stats.listening.winners import Droppable, WinnerRecall, droppable, winner_recall
from abkit.store import models, results
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.schema import ModelVersion
from abkit.vocabulary import ListeningVerdict, Metric, WinnerRule, parse_choice
from abkit.workflows.creatives.unseen_scores import LEARNED_FROM, UnseenScores, unseen_scores
from abkit.workflows.learning.appeals.appeals import StoredAppeals, find_appeals
from abkit.workflows.learning.worth.event_value import EventValue, GivenEventValue, event_value

DEFAULT_K = 3
WEEKS_A_MONTH = 365.25 / 12 / 7
LARGEST_K = 10
RECENT_LAUNCHES = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class WorthReport(RecordList):
    """What listening to a score is worth, as of a day.

    Attributes:
        metric: The KPI that says who wins.
        k: How many ideas of each campaign would be launched.
        rule: Who counts as the winner of a campaign.
        only: The only campaigns that were looked at; empty for all.
        first, as_of: First and last day of delivery that count; `first` is None for all.
        model_version, model_name: The version whose scores are judged; "" without any.
        demonstration: Whether these are the weights that ship with abkit.
        verdict: Whether listening is shown to be worth something: by the policy value.
        campaigns, ideas, creatives: What the figures rest on.
        left_out: How many creatives are not in them, by reason.
        recall: How often the winner is among the best k by score.
        droppable: How many variants can be dropped before launch without losing the winner.
        curve: Best of k by score against best of k at random.
        policies: What launching only the best k by score is worth: in experiments with random allocation, and in
            delivery that the platform chose.
        pairs: How often the higher score wins.
        noise: The noise ceiling, and the correlation without noise.
        events: What is counted: clicks, conversions.
        value: What an event is worth and how many there are in a week; None where no money is known.
        per_week: What launching only the best k by score is worth in a week, in money; None where no money is known.
        savings: What dropping variants saves in a month.
        dropped_share: The share that is dropped there.
        notes: What is missing, or has to be kept in mind.
    """

    metric: Metric
    k: int
    rule: WinnerRule
    only: tuple[str, ...]
    first: date | None
    as_of: date
    model_version: str
    model_name: str
    demonstration: bool
    verdict: ListeningVerdict
    campaigns: int
    ideas: int
    creatives: int
    left_out: dict[str, int]
    recall: WinnerRecall
    droppable: Droppable
    curve: tuple[GainPoint, ...]
    policies: tuple[PolicyValue, ...]
    pairs: PairsRight
    noise: Noise
    events: str
    value: EventValue | None
    per_week: Estimate | None
    savings: Savings
    dropped_share: float
    notes: tuple[str, ...]

    @property
    def policy(self) -> PolicyValue | None:
        """The policy value that decides: that of experiments, if there are any; None without campaigns."""
        return self.policies[0] if self.policies else None

    @property
    def per_month(self) -> Estimate | None:
        """What launching only the best k by score is worth in a month, in money."""
        return scaled(self.per_week, WEEKS_A_MONTH) if self.per_week else None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure, with its interval, chance and ceiling where it has them."""
        rows = [
            _row("winner_recall", self.recall.recall, self.recall.campaigns, k=self.k, chance=self.recall.chance,
                 ceiling=self.recall.ceiling),
            _row("pairs_right", self.pairs.share, self.pairs.campaigns, chance=0.5, ceiling=self.pairs.ceiling),
            *(
                _row("policy_lift_randomized" if one.randomized else "policy_lift_observational", one.lift,
                     one.campaigns, k=one.k, chance=0.0)
                for one in self.policies
            ),
        ]  # fmt: skip
        for point in self.curve:
            rows.append(_row("best_of_k_gain", point.gain, point.campaigns, k=point.k, chance=0.0))
            rows.append(_row("regret", point.regret, point.campaigns, k=point.k, chance=point.regret_by_chance))
        if self.noise.measured.estimate is not None:
            ends = self.noise.measured.ci_low, self.noise.measured.ci_high
            found = Estimate(self.noise.measured.estimate, *(math.nan if end is None else end for end in ends))
            rows.append(_row("correlation", found, self.campaigns, chance=0.0, ceiling=self.noise.ceiling))
        if self.noise.true is not None:
            rows.append(_row("correlation_without_noise", self.noise.true, self.campaigns, chance=0.0))
        share = Estimate(self.droppable.share, self.droppable.shown, math.nan)
        rows.append(_row("droppable_share", share, self.campaigns, chance=self.droppable.by_chance))
        for name, figure in (
            ("worth_per_week", self.per_week),
            ("worth_per_month", self.per_month),
            ("lost_by_dropping_per_month", self.savings.lost),
            ("saved_less_lost_per_month", self.savings.net),
            ("break_even_cost_per_variant", self.savings.break_even),
        ):
            if figure is not None:
                rows.append(_row(name, figure, self.campaigns, unit=self.value.currency if self.value else ""))
        currency = self.value.currency if self.value else ""
        for of, amount, unit in (("money", self.savings.money, currency), ("hours", self.savings.hours, "hours")):
            if amount is not None:
                plain = Estimate(amount, math.nan, math.nan)
                rows.append(_row(f"saved_{of}_per_month", plain, self.campaigns, unit=unit))
        return [row | {"metric": self.metric.value, "as_of": self.as_of} for row in rows]


def find_worth(
    session: Session,
    settings: Settings,
    *,
    as_of: date,
    metric: Metric | str = Metric.CTR,
    k: int = DEFAULT_K,
    rule: WinnerRule | str = WinnerRule.SHRUNK,
    campaigns: Sequence[str] | None = None,
    first: date | None = None,
    model: str | None = None,
    costs: VariantCosts | None = None,
    given: GivenEventValue | None = None,
    variants_per_month: float | None = None,
    rates: Rates | None = None,
    found: StoredAppeals | None = None,
    ads: Collection[int] | None = None,
) -> WorthReport:
    """Find what listening to the scores is worth; nothing in the store changes.

    Args:
        session: A reading session.
        settings: `[drift] min_clicks` is how many events a creative has to be expected to get; `[money]`.
        as_of: The last day of delivery that counts.
        metric: The KPI that says who wins.
        k: How many ideas of each campaign would be launched.
        rule: Who counts as the winner of a campaign.
        campaigns: Keys of the only campaigns to look at; all by default.
        first: The first day of delivery that counts. Creatives whose delivery the version learned from are left out
            in any case, where `abkit retrain` trained it.
        model: Name or digest of the version; by default that of the last drift check, else the active model.
        costs: What a variant costs until its rate is known.
        given: What an event is worth.
        variants_per_month: New variants per month; by default as many as were launched in the last 90 days.
        rates: The currency of amounts, and what others are worth in it.
        found: The appeals, where they were found already.
        ads: Ids of the only ads that tell what an event is worth; all by default.

    Raises:
        UsageError: No such campaign, version or KPI; k is below 1.
        InvalidInput: A cost or a value is not valid.
    """
    kpi = parse_choice(Metric, metric, name="metric")
    winner = parse_choice(WinnerRule, rule, name="rule")
    if k < 1:
        raise UsageError(f"k is {k}; expected how many variants of a campaign are launched, at least 1")
    if variants_per_month is not None and not (math.isfinite(variants_per_month) and variants_per_month >= 0):
        raise InvalidInput(f"there are {variants_per_month} new variants a month; expected a number of 0 or more")
    if found is None:
        found = find_appeals(session, settings, metric=kpi, as_of=as_of, first=first, campaigns=campaigns, rates=rates)
    version = judged_version(session, model, as_of)
    # Where the ads are named, the scores of all others are not read.
    compared = None if ads is None else {int(one) for one in found.appeals.creative}
    unseen = unseen_scores(session, version, compared) if version else UnseenScores(scores={})
    score = unseen.scores
    minimum = float(settings.drift.min_clicks)
    new = ~np.isin(found.appeals.creative, sorted(unseen.seen))
    sample = _sample(found, score, minimum, new)
    policies = []
    for causal in (True, False):
        part = _sample(found, score, minimum, new & (found.causal == causal))
        value = policy_value(part, k, randomized=causal)
        if value.campaigns:
            policies.append(value)
    dropping = droppable(sample, rule=winner)
    share = dropping.shown if dropping.shown > dropping.by_chance else dropping.share
    regret = gain_when_dropping(sample, share)
    notes, rates = [*found.notes, *filter(None, [unseen.note])], rates or rates_of(settings)
    if unseen.seen:
        sample.left_out[LEARNED_FROM] = len(unseen.seen)
    try:
        worth = event_value(session, kpi, as_of=as_of, campaigns=campaigns, given=given, rates=rates, ads=ads)
    except AbkitError as error:
        worth = None
        notes.append(f"what listening is worth in money is not known: {error}")
    per_week = scaled(policies[0].lift, worth.per_week) if worth and policies else None
    monthly = _new_variants(session, as_of, campaigns) if variants_per_month is None else variants_per_month
    recall = winner_recall(sample, k, rule=winner)
    return WorthReport(
        metric=kpi,
        k=k,
        rule=winner,
        only=tuple(campaigns or ()),
        first=first,
        as_of=as_of,
        model_version=version.digest if version else "",
        model_name=version.name if version else "",
        demonstration=bool(version and version.demonstration),
        verdict=_verdict(policies),
        campaigns=sample.size,
        ideas=sample.ideas,
        creatives=sample.creatives,
        left_out=sample.left_out,
        recall=recall,
        droppable=dropping,
        curve=gain_curve(sample, most=LARGEST_K),
        policies=tuple(policies),
        pairs=pairs_right(sample),
        noise=noise_of(sample),
        events=found.events,
        value=worth,
        per_week=per_week,
        savings=savings(
            variants=monthly,
            share=share,
            costs=costs or VariantCosts(),
            regret=regret.regret if regret else Estimate(0.0, 0.0, 0.0),
            worth_of_rate=worth.per_week * WEEKS_A_MONTH if worth else None,
        ),
        dropped_share=share,
        notes=(*notes, *_remarks(sample, policies, version, bool(score or unseen.seen))),
    )


def worth(store: Store, settings: Settings, **asked: Any) -> WorthReport:
    """Find what listening to the scores is worth; see `find_worth` for the arguments."""
    with store.read() as session:
        return find_worth(session, settings, **asked)


def scaled(figure: Estimate, factor: float) -> Estimate:
    """Return a figure and its interval times a factor."""
    return Estimate(figure.estimate * factor, figure.ci_low * factor, figure.ci_high * factor)


def judged_version(session: Session, model: str | None, as_of: date) -> ModelVersion | None:
    """Return the version whose scores are judged: as named, else that of the last drift check, else the active one."""
    if model is not None:
        return models.find_by_prefix(session, model)
    return results.last_version(session, as_of) or models.active_model(session)


def _sample(found: StoredAppeals, score: dict[int, float], minimum: float, wanted: np.ndarray) -> ListeningSample:
    of = found.appeals
    compared = wanted & (of.group >= 0)
    sample = listening_sample(
        score=np.array([score.get(int(one), math.nan) for one in of.creative[compared]]),
        events=of.events[compared],
        expected=of.expected[compared],
        campaign=of.campaign[compared],
        # Only creatives that were shown beside each other compete.
        group=of.group[compared],
        shrunk=of.shrunk[compared],
        shrunk_sd=of.shrunk_sd[compared],
        variance=of.counting[compared],
        idea=of.idea[compared],
        account=account_labels(of.campaign[compared], found.accounts),
        min_expected=minimum,
    )
    alone = int((wanted & (of.group < 0)).sum())
    if alone:
        why = f"creatives that were never shown beside another of their campaign with any {found.events}"
        sample.left_out[why] = alone
    return sample


def _new_variants(session: Session, as_of: date, campaigns: Sequence[str] | None) -> float:
    only = None if campaigns is None else [creatives.find_campaign(session, key) for key in campaigns]
    launched = creatives.count_launched(session, as_of - RECENT_LAUNCHES, as_of, only)
    return launched / RECENT_LAUNCHES.days * 365.25 / 12


def _verdict(policies: Sequence[PolicyValue]) -> ListeningVerdict:
    if not policies or not math.isfinite(policies[0].lift.ci_low):
        return ListeningVerdict.NOT_ENOUGH
    lift = policies[0].lift
    if lift.ci_low > 0:
        return ListeningVerdict.SHOWN
    return ListeningVerdict.HARMFUL if lift.ci_high < 0 else ListeningVerdict.NOT_SHOWN


def _remarks(
    sample: ListeningSample, policies: Sequence[PolicyValue], version: ModelVersion | None, scored: bool
) -> list[str]:
    said = []
    if version is None or not scored:
        said.append("nothing has been scored yet: `abkit score IMAGES --campaign KEY`")
    elif not sample.campaigns:
        said.append(
            "no campaign has two scored ideas that were shown beside each other with enough delivery: "
            "`abkit kpi import FILE`, then `abkit kpi link`"
        )
    clusters = int(sample.cluster.max(initial=-1)) + 1
    if 0 < clusters < FEWEST_CLUSTERS:
        said.append(
            f"{clusters} independent campaign{'s are' if clusters > 1 else ' is'} too few to tell about others: "
            f"intervals are of these only ({FEWEST_CLUSTERS} are needed)"
        )
    if accounts := sample.clusters(range(len(sample.campaigns))).accounts:
        said.append(f"intervals count {accounts} accounts, with all of their campaigns, where that is wider")
    if policies and not policies[0].randomized:
        said.append(
            "observational: the platform chose who saw what, and part of a lift may be its choice; "
            "an experiment with random allocation shows the cause"
        )
    return said


def _row(
    figure: str,
    estimate: Estimate,
    campaigns: int,
    *,
    k: int | None = None,
    chance: float | None = None,
    ceiling: float | None = None,
    unit: str = "share",
) -> dict[str, Any]:
    def known(value: float | None) -> float | None:
        return None if value is None or not math.isfinite(value) else value

    return {
        "figure": figure,
        "k": k,
        "estimate": known(estimate.estimate),
        "ci_low": known(estimate.ci_low),
        "ci_high": known(estimate.ci_high),
        "chance": known(chance),
        "ceiling": known(ceiling),
        "unit": unit,
        "campaigns": campaigns,
    }
