"""What listening is worth, in sentences that the person who pays can read."""

from __future__ import annotations

from abkit.metrics import METRICS
from abkit.records import decimal, percent
from abkit.stats.estimate import Estimate
from abkit.stats.listening.policy import PolicyValue
from abkit.vocabulary import ListeningVerdict
from abkit.workflows.learning.worth.worth import WorthReport

NOT_KNOWN = (
    "What it is worth in money is not known: import KPIs with spend or revenue, or say what one is worth "
    "(--value-per-event)."
)
_HEADLINES = {
    ListeningVerdict.SHOWN: "Listening to the score is shown to pay",
    ListeningVerdict.NOT_SHOWN: "It is not shown that listening to the score pays",
    ListeningVerdict.HARMFUL: "Listening to the score is shown to lose",
    ListeningVerdict.NOT_ENOUGH: "Not enough clicks to say whether listening to the score pays",
}


def headline(report: WorthReport) -> str:
    """Return the answer in a few words."""
    return _HEADLINES[report.verdict]


def worth_sentences(report: WorthReport) -> list[str]:
    """Return what was found, the answer first."""
    if not report.campaigns:
        return [f"{headline(report)}."]
    return [
        f"{headline(report)}.",
        *(policy_sentence(report, one) for one in report.policies),
        *([money_sentence(report)] if report.policies else []),
        recall_sentence(report),
        pairs_sentence(report),
        dropping_sentence(report),
        noise_sentence(report),
    ]


def policy_sentence(report: WorthReport, policy: PolicyValue) -> str:
    """Return what launching only the best k by score does to the rate."""
    basis = "experiments with random allocation" if policy.randomized else "observational"
    rests = f"{basis}; {policy.ideas} ideas in {count(policy.campaigns, 'campaign')}"
    return (
        f"Launching only the {_top(policy.k)} by score, at most half of a campaign, changes {rate_name(report)} by "
        f"{_signed(policy.lift)} against a choice at random ({rests})."
    )


def money_sentence(report: WorthReport) -> str:
    """Return what that is worth a week."""
    if report.value is None or report.per_week is None:
        return NOT_KNOWN
    value = report.value
    return (
        f"That is worth about {amount(report.per_week, value.currency)} a week, at "
        f"{value.events_per_week:,.0f} {report.events} a week and {value.each:,.4g} {value.currency}".rstrip()
        + f" each ({value.basis})."
    )


def recall_sentence(report: WorthReport) -> str:
    """Return how often the winner is kept, against chance and the ceiling."""
    found = report.recall
    if not found.campaigns:
        return "No campaign has a winner."
    kept = found.recall.estimate * found.campaigns
    interval = f"95 % interval {percent(found.recall.ci_low, 0)} to {percent(found.recall.ci_high, 0)}"
    said = (
        f"The winner is among the {_top(report.k)} by score, at most half of a campaign, in {kept:.3g} of "
        f"{count(found.campaigns, 'campaign')} ({percent(found.recall.estimate, 0)}, {interval}); by chance in "
        f"{percent(found.chance, 0)}"
    )
    return f"{said}; the noise of the {report.events} lets nobody find more than {percent(found.ceiling, 0)}."


def pairs_sentence(report: WorthReport) -> str:
    """Return how often the higher score wins."""
    found = report.pairs
    if not found.pairs:
        return "No two ideas can be compared yet."
    low, high = 10 * found.share.ci_low, 10 * found.share.ci_high
    return (
        f"The higher-scored ad wins in {10 * found.share.estimate:.1f} of 10 pairs (95 % interval {low:.1f} to "
        f"{high:.1f}); 5 of 10 is chance, {10 * found.ceiling:.1f} is the most that the noise allows."
    )


def dropping_sentence(report: WorthReport) -> str:
    """Return how many variants can be dropped before launch, and what that saves."""
    found, saved = report.droppable, report.savings
    keep = f"with the winner still there in {percent(found.keep_winner, 0)} of campaigns"
    if found.shown > found.by_chance:
        said = (
            f"{10 * found.shown:.1f} of 10 variants can be dropped before launch, {keep}, by the lower end of the "
            "interval"
        )
    elif found.share > found.by_chance:
        said = (
            f"{10 * found.share:.1f} of 10 variants could have been dropped before launch, {keep}; the interval does "
            "not show that this holds again"
        )
    else:
        by_chance = f"{10 * found.by_chance:.1f} of 10"
        return f"The score is not shown to let more variants be dropped than chance ({by_chance}), {keep}."
    said += f"; at random {10 * found.by_chance:.1f} of 10."
    parts = []
    if saved.money is not None:
        parts.append(f"{plain(saved.money)} {_currency(report)}".rstrip())
    if saved.hours is not None:
        parts.append(f"{saved.hours:,.0f} hours")
    if parts and saved.variants:
        said += f" At {saved.variants:.3g} new variants a month that saves {' and '.join(parts)} a month."
    if saved.break_even is not None and saved.dropped > 0:
        most = f"{plain(saved.break_even.ci_high)} {_currency(report)}".rstrip()
        if saved.break_even.estimate >= 0.01:
            said += f" It pays where a variant costs more than {plain(saved.break_even.estimate)}, at worst {most}."
        else:
            said += f" Nothing better was lost by it so far; at worst it pays where a variant costs more than {most}."
    return said


def share_rows(report: WorthReport) -> list[tuple[str, Estimate, float, float]]:
    """Return name, share with its interval, chance and ceiling of what is counted in shares."""
    recall, pairs = report.recall, report.pairs
    return [
        (f"Winner among the {_top(report.k)}", recall.recall, recall.chance, recall.ceiling),
        ("Higher score wins", pairs.share, 0.5, pairs.ceiling),
    ]


def noise_sentence(report: WorthReport) -> str:
    """Return the correlation as measured and without noise."""
    found = report.noise
    measured = found.measured
    if measured.estimate is None or measured.ci_low is None or measured.ci_high is None:
        return f"There is no correlation: {measured.note}."
    said = (
        f"Correlation inside campaigns {decimal(measured.estimate)} "
        f"[{decimal(measured.ci_low)}, {decimal(measured.ci_high)}] as measured"
    )
    if found.true is None or found.ceiling is None:
        return f"{said}; without noise: {found.note or 'not known'}."
    return (
        f"{said}, {decimal(found.true.estimate)} [{decimal(found.true.ci_low)}, {decimal(found.true.ci_high)}] "
        f"with the noise taken out (nothing can exceed {found.ceiling:.2f} as measured)."
    )


def rate_name(report: WorthReport) -> str:
    """Return what rises where events get more: the metric itself, or what a cost is the inverse of."""
    definition = METRICS[report.metric]
    of, per = definition.rate
    return definition.name if definition.numerator.keys() == {of} else f"{of} per {per.removesuffix('s')}"


def times_the_data(lift: Estimate, least: float) -> float | None:
    """Return how many times the present data would take the interval off `least`; None where it does not hold it.

    >>> times_the_data(Estimate(0.1, -0.1, 0.3), 0.0), times_the_data(Estimate(0.1, 0.05, 0.15), 0.0)
    (4.0, None)
    """
    if not lift.ci_low <= least <= lift.ci_high:
        return None
    half = (lift.ci_high - lift.ci_low) / 2
    return (half / max(abs(lift.estimate - least), 1e-9)) ** 2


def amount(figure: Estimate, currency: str) -> str:
    """Return money with its interval.

    >>> amount(Estimate(312.4, -50.2, 680.0), "EUR")
    '312 EUR [−50, 680]'
    """
    value, low, high = alike(figure)
    return f"{value} {currency}".rstrip() + f" [{low}, {high}]"


def alike(figure: Estimate) -> tuple[str, str, str]:
    """Return an amount and the ends of its interval with the same number of digits.

    >>> alike(Estimate(9.5, -2.25, 21.0)), alike(Estimate(89.2, 54.6, 126.0))
    (('9.50', '−2.25', '21.00'), ('89', '55', '126'))
    """
    digits = 0 if max(map(abs, (figure.estimate, figure.ci_low, figure.ci_high))) >= 100 else 2
    value, low, high = (_written(one, digits) for one in (figure.estimate, figure.ci_low, figure.ci_high))
    return value, low, high


def plain(value: float) -> str:
    """Return an amount with as many digits as it needs."""
    return _written(value, 0 if abs(value) >= 100 else 2)


def _written(value: float, digits: int) -> str:
    # No "-0".
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "−")


def count(n: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, "campaign"), count(3, "campaign")
    ('1 campaign', '3 campaigns')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _top(k: int) -> str:
    return "best" if k == 1 else f"best {k}"


def _signed(figure: Estimate) -> str:
    ends = f"{percent(figure.ci_low, 1, sign=True)} to {percent(figure.ci_high, 1, sign=True)}"
    return f"{percent(figure.estimate, 1, sign=True)} (95 % interval {ends})"


def _currency(report: WorthReport) -> str:
    return report.value.currency if report.value else ""
