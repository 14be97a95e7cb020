"""The digest of a week: what was launched and decided, who won and lost, what is tired, what needs a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from abkit.records import Record, percent
from abkit.stats.monitoring.decisions import headline, meaning
from abkit.store import results
from abkit.store.database.engine import Store
from abkit.store.schema import Decision
from abkit.vocabulary import Verdict
from abkit.workflows.creatives.fatigue import CreativeFatigue, find_fatigue
from abkit.workflows.experiments.review.standing import Standing, standings
from abkit.workflows.experiments.review.words import interval_in_words, verdict_of

_WEEK = timedelta(days=6)


@dataclass(frozen=True, kw_only=True)
class Digest(Record):
    """One week of experiments and creatives, in sentences.

    Attributes:
        first: First day of the week.
        last: Its last day.
        launched: Experiments that started in it.
        decided: Decisions that were made in it.
        winners: Variants that were found better in it.
        losers: Variants that were found worse in it.
        tired: Creatives whose CTR fell with their age.
        drift: What the standing drift check decided last, and what that means.
        needs_a_person: What waits for somebody.
    """

    first: date
    last: date
    launched: tuple[str, ...]
    decided: tuple[str, ...]
    winners: tuple[str, ...]
    losers: tuple[str, ...]
    tired: tuple[CreativeFatigue, ...]
    drift: tuple[str, ...] = ()
    needs_a_person: tuple[str, ...]

    def parts(self) -> dict[str, tuple[str, ...]]:
        """Return the sentences by heading."""
        tired = tuple(
            f"{one.creative}: CTR {percent(one.change.estimate, 1, sign=True)} {interval_in_words(one.change)} since "
            f"it started on {one.first_day}{_cost(one)} (season and budgets may have a part in it)"
            for one in self.tired
            if one.change is not None
        )
        return {
            "Launched": self.launched,
            "Decided": self.decided,
            "Winners": self.winners,
            "Losers": self.losers,
            "Tired creatives": tired,
            "Drift": self.drift,
            "Needs a person": self.needs_a_person,
        }

    def text(self) -> str:
        """Return the digest as plain text; a heading without anything says so."""
        lines = []
        for heading, sentences in self.parts().items():
            lines += [f"{heading}: {'none' if not sentences else ''}".rstrip(), *(f"- {one}" for one in sentences)]
        return "\n".join(lines)


def _cost(one: CreativeFatigue) -> str:
    return f", {one.lost_per_week.estimate:,.2f} {one.currency} a week" if one.lost_per_week else ""


def weekly_digest(store: Store, day: date) -> Digest:
    """Return the digest of the seven days up to a day; archived experiments are not in it."""
    first = day - _WEEK
    with store.read() as session:
        standing = [one for one in standings(session, day) if not one.archived]
        tired = find_fatigue(session, day).tired
        checked = results.last_decision(session, day)
    return Digest(
        first=first,
        last=day,
        launched=tuple(one.experiment for one in standing if first <= _started(one) <= day),
        decided=tuple(
            f"{one.experiment}: {one.decision.decision} by {one.decided_by}{f' ({one.reason})' if one.reason else ''}"
            for one in standing
            if one.decision and one.decided_on and first <= one.decided_on
        ),
        winners=_found(standing, Verdict.BETTER, first),
        losers=_found(standing, Verdict.WORSE, first),
        tired=tired,
        drift=(_drift(checked),) if checked else (),
        needs_a_person=tuple(_waiting(standing, day)),
    )


def _started(one: Standing) -> date:
    return one.plan.starts_on if one.plan and one.plan.starts_on else one.created_at.date()


def _found(standing: Sequence[Standing], verdict: Verdict, first: date) -> tuple[str, ...]:
    return tuple(
        f"{one.experiment}: {verdict_of(one.look, result)}"
        for one in standing
        if one.look and one.look.as_of >= first
        for result in one.look.treatments
        if result.verdict.state is verdict
    )


def _drift(made: Decision) -> str:
    return f"{headline(made.decision, made.layers_judged, made.coarse)} as of {made.as_of}. {meaning(made.decision)}"


def _waiting(standing: Sequence[Standing], day: date) -> list[str]:
    found = []
    for one in standing:
        if one.problem:
            found.append(f"{one.experiment}: {one.problem}")
        elif one.decision is not None or one.look is None:
            continue
        elif one.look.verdict is Verdict.BLOCKED:
            found.append(f"{one.experiment}: {verdict_of(one.look, one.look.treatments[0])}")
        elif one.is_over(day):
            found.append(f"{one.experiment} waits for a decision (abkit experiment decide)")
    return found
