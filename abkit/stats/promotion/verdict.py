"""Promote or refuse: the challenger has to gain for certain, on enough launches, and must not lose in any segment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from abkit.errors import InvalidInput
from abkit.records import Record, decimal, percent
from abkit.stats.promotion.gain import PairedGain, paired_gain
from abkit.stats.promotion.launches import Launches
from abkit.vocabulary import TrialDecision

MIN_CAMPAIGNS = 10
MIN_CREATIVES = 100
#: With fewer, a segment says too little to hold it against a challenger.
SEGMENT_CAMPAIGNS = 3
SEGMENT_CREATIVES = 20
#: How often anything worthless is promoted against one champion, over all judgments there will ever be: 4 %, so that
#: it stays below 5 % where a dozen unequal campaigns make a single judgment err a little more often than it says.
TOTAL = 0.04
#: The level of the first judgment: a one-sided interval of 97.5 %.
FIRST = 0.025


@dataclass(frozen=True, kw_only=True)
class PromotionRule:
    """When a challenger is promoted.

    Attributes:
        margin: The lower end of the gain has to exceed this.
        tolerance: A gain below minus this in a segment, with an interval below 0, refuses the challenger.
        min_campaigns, min_creatives: With fewer judged, nothing is promoted.
    """

    margin: float = 0.0
    tolerance: float = 0.05
    min_campaigns: int = MIN_CAMPAIGNS
    min_creatives: int = MIN_CREATIVES


@dataclass(frozen=True, kw_only=True)
class PromotionVerdict(Record):
    """Whether a challenger is promoted, and why.

    Attributes:
        decision: promoted, refused, or not_enough.
        reason: Why, in one sentence.
        gain: The paired gain on all launches.
        segments: The paired gain by segment.
        attempt: Number of this judgment against the champion; 0 where there was too little to judge.
        spent: How often a judgment of this number may promote by mistake; 0 where there was too little to judge.
    """

    decision: TrialDecision
    reason: str
    gain: PairedGain
    segments: Mapping[str, PairedGain] = field(default_factory=dict)
    attempt: int = 0
    spent: float = 0.0


def enough(launches: Launches, rule: PromotionRule) -> str:
    """Return what is missing before a challenger can be judged; '' where nothing is.

    >>> one = [0.1, 0.2]
    >>> enough(Launches.of(appeal=one, variance=one, champion=one, challenger=one, campaign=[0, 0]), PromotionRule())
    '1 of 10 campaigns and 2 of 100 creatives'
    """
    counts = (
        (launches.campaigns, rule.min_campaigns, "campaigns"),
        (launches.creatives, rule.min_creatives, "creatives"),
    )
    return " and ".join(f"{found} of {needed} {what}" for found, needed, what in counts if found < needed)


def judge(
    launches: Launches,
    *,
    attempt: int,
    rule: PromotionRule | None = None,
    segments: Mapping[str, Launches] | None = None,
) -> PromotionVerdict:
    """Judge a challenger on launches that neither scorer had seen.

    Args:
        launches: The creatives, one or more sizes each, of all campaigns.
        attempt: Number of this judgment against the champion, from 1: later ones have to be clearer.
        rule: Margin, tolerance and minimum numbers.
        segments: By name, the same creatives with their appeals in one segment of the delivery.
    """
    rule = rule or PromotionRule()
    missing = enough(launches, rule)
    if missing:
        gain = paired_gain(launches)
        return PromotionVerdict(decision=TrialDecision.NOT_ENOUGH, reason=f"not enough: {missing}", gain=gain)
    spent = spent_at(attempt)
    gain = paired_gain(launches, level=1 - spent)
    parts = {
        name: paired_gain(one)
        for name, one in (segments or {}).items()
        if one.campaigns >= SEGMENT_CAMPAIGNS and one.creatives >= SEGMENT_CREATIVES
    }
    decision, reason = _decided(gain, parts, attempt, rule)
    return PromotionVerdict(decision=decision, reason=reason, gain=gain, segments=parts, attempt=attempt, spent=spent)


def _decided(
    gain: PairedGain, parts: Mapping[str, PairedGain], attempt: int, rule: PromotionRule
) -> tuple[TrialDecision, str]:
    if gain.gain is None or gain.low is None:
        return TrialDecision.REFUSED, f"refused: {gain.note}"
    what = (
        f"the gain in within-campaign correlation is {decimal(gain.gain, 3, sign=True)}, "
        f"at least {decimal(gain.low, 3, sign=True)} "
        f"({_level(gain.level)} one-sided, judgment {attempt} against this champion)"
    )
    if not gain.low > rule.margin:
        note = f"; {gain.note}" if gain.note else ""
        return TrialDecision.REFUSED, f"refused: {what}, which does not exceed {rule.margin:g}{note}"
    for name, part in parts.items():
        if part.gain is not None and part.ci_high is not None and part.gain < -rule.tolerance and part.ci_high < 0:
            low, high = (decimal(end, 3, sign=True) for end in (part.ci_low, part.ci_high))
            worse = f"it is worse in {name}: {decimal(part.gain, 3, sign=True)} ({low} to {high})"
            return TrialDecision.REFUSED, f"refused: {worse}, although {what}"
    return TrialDecision.PROMOTED, f"promoted: {what}"


def _level(level: float) -> str:
    """Return a confidence level with as many digits as tell it from 100 %.

    >>> _level(0.975), _level(0.9925), _level(1 - 0.015 / 380)
    ('97.5 %', '99.25 %', '99.9961 %')
    """
    return percent(level, max(1, math.ceil(-math.log10(1 - level)) - 1))


def spent_at(attempt: int) -> float:
    """Return how often judgment number `attempt` against a champion may promote a challenger that gains nothing.

    The first has 2.5 %; the k-th has 1.5 % ÷ (k(k − 1)), so that all of them together, however many follow, never have
    more than 4 % (Bonferroni's inequality, which holds however judgments depend on each other). Every champion has its
    own account; another champion begins a new one.

    Raises:
        InvalidInput: An attempt below 1.

    >>> [round(spent_at(k), 5) for k in (1, 2, 3, 10)]
    [0.025, 0.0075, 0.0025, 0.00017]
    >>> sum(spent_at(k) for k in range(1, 10_000)) < TOTAL
    True
    """
    if attempt < 1:
        raise InvalidInput(f"judgment number {attempt}; the first is number 1")
    return FIRST if attempt == 1 else (TOTAL - FIRST) / (attempt * (attempt - 1))
