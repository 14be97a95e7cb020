"""The paired gain: how much better a challenger's scores go with appeal inside campaigns than the champion's do."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from abkit.records import Record
from abkit.stats.account_clusters import clustered_error, effective_number, many_accounts
from abkit.stats.promotion.launches import Floats, Ints, Launches
from abkit.stats.student_t import t_quantile
from abkit.stats.tails import check_level
from abkit.stats.within_groups import pooled_spearman

METHOD = (
    "within-campaign correlation of normal scores with appeal, weighted by 1 / (true spread + sampling variance); "
    "paired difference, variance clustered by campaign, family and, from ten accounts on, account (the largest of "
    "these, the two-way one and that of single creatives), Student's t on the effective number of clusters less one"
)
_ROWS = 512  # rows of pairs looked at together


@dataclass(frozen=True, kw_only=True)
class ScorerFigures(Record):
    """How one scorer's scores went with appeal, inside campaigns.

    Attributes:
        correlation: Of normal scores with appeal, weighted by certainty; the gain is made of it. 0 for equal scores.
        rank_correlation: Spearman's, campaigns weighted by n(n − 1)/(n + 1); 0 for equal scores.
        concordance: Share of pairs of one campaign in which the higher-scored creative had the higher appeal, weighted
            by certainty; equal scores count half.
        slope: Log appeal per standard deviation of the score inside campaigns.
        pick: Mean log appeal, against its campaign, of the creative that the scorer puts first.
    """

    correlation: float
    rank_correlation: float
    concordance: float
    slope: float
    pick: float


@dataclass(frozen=True, kw_only=True)
class PairedGain(Record):
    """What a challenger gains over the champion on the same launches.

    Attributes:
        gain: Correlation of the challenger less that of the champion; None where nothing can be compared.
        low: One-sided lower end of the gain at `level`; None as above.
        ci_low, ci_high: Two-sided 95 % interval.
        level: Confidence level of `low`.
        standard_error: Of the gain.
        clusters: Effective number of campaigns, families or accounts, whichever are fewest; their number where all are
            as large.
        concordance_gain, concordance_low, concordance_high: Difference of the concordances, with its 95 % interval.
        champion, challenger: Figures of each; None as above.
        creatives, campaigns: How many were judged; sizes of one idea count once.
        left_out: Creatives that could not be judged.
        method: How it was computed.
        note: Why there is no gain, or what limits it; "" otherwise.
    """

    gain: float | None = None
    low: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    level: float
    standard_error: float | None = None
    clusters: float = 0.0
    concordance_gain: float | None = None
    concordance_low: float | None = None
    concordance_high: float | None = None
    champion: ScorerFigures | None = None
    challenger: ScorerFigures | None = None
    creatives: int
    campaigns: int
    left_out: int = 0
    method: str = METHOD
    note: str = ""


def paired_gain(launches: Launches, *, level: float = 0.975) -> PairedGain:
    """Return what a challenger gains over the champion: the same creatives, each against others of its campaign.

    Scores are ranked over all campaigns after the campaign's mean was taken out, and turned into normal scores: the two
    scorers may have different scales, and one extreme score decides nothing. Appeals stay as they are, so their noise
    makes both correlations smaller and neither is favored.

    The variance comes from the influence of whole clusters: campaigns (what befell one befell all of its creatives),
    families that ran in several campaigns, both at once (Cameron, Gelbach & Miller 2011, doi 10.1198/jbes.2010.07136),
    and accounts with all of their campaigns, where there are ten or more. The largest of these and of that of single
    creatives is taken, and the degrees of freedom are those of the effective number of clusters: a few large campaigns
    among many small ones count as few.

    Args:
        launches: The creatives, launched after both had learned.
        level: Confidence level of the one-sided lower end, above 0.5.

    >>> rng = np.random.default_rng(0)
    >>> truth, luck = rng.normal(size=200), rng.normal(size=(2, 200))
    >>> found = paired_gain(Launches.of(appeal=truth, variance=np.full(200, 0.1), champion=luck[0],
    ...     challenger=truth + luck[1], campaign=np.arange(200) % 20))
    >>> f"{found.champion.correlation:.2f}, {found.challenger.correlation:.2f}, at least {found.low:+.2f}"
    '-0.10, 0.71, at least +0.65'
    """
    check_level(level)
    nothing = PairedGain(
        level=level,
        creatives=launches.creatives,
        campaigns=launches.campaigns,
        left_out=launches.left_out,
        note=_why_not(launches),
    )
    if nothing.note:
        return nothing
    w, appeal = launches.weight, launches.centered(launches.appeal)
    unit = appeal / math.sqrt(float(w @ appeal**2))
    old, new = (_normal_scores(launches, one) for one in (launches.champion, launches.challenger))
    r_old, r_new = float(w @ (unit * old)), float(w @ (unit * new))
    influence = w * (unit * (new - old) - r_new * (unit**2 + new**2) / 2 + r_old * (unit**2 + old**2) / 2)
    # a scorer without any differences has correlation 0 whatever is left out
    clusters = _effective_clusters(launches)
    dof = max(clusters - 1, 1.0)
    error = _standard_error(influence, launches)
    both = t_quantile(0.975, dof) * error
    concordances, pairs = _concordances(launches)
    gained = (concordances[1] - concordances[0]) / pairs.sum()
    spread = float(gained.sum())
    reach = t_quantile(0.975, dof) * clustered_error(gained - spread * pairs / pairs.sum())
    gain = r_new - r_old
    equal = [who for who, z in (("champion", old), ("challenger", new)) if not z.any()]
    return replace(
        nothing,
        gain=gain,
        low=gain - t_quantile(level, dof) * error,
        ci_low=gain - both,
        ci_high=gain + both,
        standard_error=error,
        clusters=clusters,
        concordance_gain=spread,
        concordance_low=spread - reach,
        concordance_high=spread + reach,
        champion=_figures(launches, launches.champion, appeal, r_old, concordances[0].sum() / pairs.sum()),
        challenger=_figures(launches, launches.challenger, appeal, r_new, concordances[1].sum() / pairs.sum()),
        note=f"all scores of the {' and the '.join(equal)} are equal inside campaigns" if equal else "",
    )


def _why_not(launches: Launches) -> str:
    if not len(launches.appeal):
        return "no campaign has two creatives of different ideas with clicks and both scores"
    if launches.campaigns < 2:
        return "a single campaign cannot say how gains vary between campaigns"
    if not np.any(launches.centered(launches.appeal)):
        return "all creatives of a campaign did equally well"
    return ""


def _normal_scores(launches: Launches, score: Floats) -> Floats:
    """Return scores as normal scores of their ranks, centered in campaigns, with weighted squares that sum to 1."""
    around = launches.centered(score)
    if not around.any():
        return np.zeros(len(score))
    z = launches.centered(special.ndtri(stats.rankdata(around) / (len(around) + 1)))
    return np.asarray(z / math.sqrt(float(launches.weight @ z**2)))


def _effective_clusters(launches: Launches) -> float:
    """Return how many clusters of equal size there would be: of campaigns, families or accounts."""
    size = np.bincount(launches.group)
    inside = launches.weight * ((size - 1) / size)[launches.group]
    masses = (np.bincount(labels, inside) for labels in _clusterings(launches))
    return min(effective_number(mass) for mass in masses)


def _standard_error(influence: Floats, launches: Launches) -> float:
    by_campaign, by_family, *by_account = (
        clustered_error(np.bincount(labels, influence)) ** 2 for labels in _clusterings(launches)
    )
    single = clustered_error(influence) ** 2
    return math.sqrt(max(by_campaign, by_campaign + by_family - single, single, *by_account))


def _clusterings(launches: Launches) -> list[Ints]:
    """Return the labels of what creatives are clustered by: campaigns, families and, where there are many, accounts."""
    accounts = many_accounts(launches.account)
    return [launches.campaign, launches.family, *([accounts[0]] if accounts else [])]


def _figures(
    launches: Launches, score: Floats, appeal: Floats, correlation: float, concordance: float
) -> ScorerFigures:
    w, around = launches.weight, launches.centered(score)
    squares = float(w @ around**2)
    sd = math.sqrt(squares / float(w.sum()))
    rank = pooled_spearman(score, launches.appeal, launches.group).estimate
    return ScorerFigures(
        correlation=correlation,
        rank_correlation=rank if math.isfinite(rank) else 0.0,
        concordance=float(concordance),
        slope=float(w @ (around * appeal)) / squares * sd if sd else 0.0,
        pick=_pick(launches.group, score, appeal),
    )


def _pick(group: Ints, score: Floats, appeal: Floats) -> float:
    """Return the mean appeal of the first of each group by score; where several are first, of all of them."""
    best = np.full(int(group.max()) + 1, -np.inf)
    np.maximum.at(best, group, score)
    first = score == best[group]
    return float((np.bincount(group[first], appeal[first]) / np.bincount(group[first])).mean())


def _concordances(launches: Launches) -> tuple[Floats, Floats]:
    """Return the weight of concordant pairs by scorer and campaign, (2, campaigns), and of all pairs, (campaigns,)."""
    count = launches.campaigns
    right, pairs = np.zeros((2, count)), np.zeros(count)
    noise = launches.spread + launches.variance
    for group in range(int(launches.group.max()) + 1):
        inside = np.flatnonzero(launches.group == group)
        campaign = launches.campaign[inside[0]]
        appeal = launches.appeal[inside]
        for start in range(0, len(inside), _ROWS):
            some = np.arange(start, min(start + _ROWS, len(inside)))
            later = some[:, None] < np.arange(len(inside))
            weight = np.where(later, 1 / (noise[inside[some]][:, None] + noise[inside]), 0.0)
            better = np.sign(appeal[some][:, None] - appeal)
            pairs[campaign] += weight.sum()
            for row, score in enumerate((launches.champion[inside], launches.challenger[inside])):
                agrees = np.sign(score[some][:, None] - score) * better
                right[row, campaign] += float((weight * (1 + agrees) / 2).sum())
    return right, pairs
