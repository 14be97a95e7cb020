"""The ideas of a campaign, as a person sees and corrects them: list, join, split, confirm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.records import Record, RecordList
from abkit.store import models
from abkit.store.catalog import creatives, ideas
from abkit.store.catalog.campaigns import outdate_leaderboards
from abkit.store.catalog.ideas import Member
from abkit.store.database.engine import Store
from abkit.store.database.statements import wait_for_turn
from abkit.store.runs import RunRecord, recorded_run
from abkit.vocabulary import IdeaSource
from abkit.workflows.scoring.results import distinct_names
from abkit.workflows.scoring.same_idea import IDEA_LOCK, Suggestion, idea_names, suggestions
from abkit_model.names import composed


@dataclass(frozen=True, kw_only=True)
class IdeaMember(Record):
    """A creative of an idea: its name in the campaign, its size in pixels, and how it came to the idea."""

    creative_id: int
    creative: str
    width: int
    height: int
    source: IdeaSource


@dataclass(frozen=True, kw_only=True)
class CampaignIdea(Record):
    """An idea of a campaign.

    Attributes:
        idea: Its number, by which it is confirmed.
        name: What its files are called, without the sizes.
        creatives: Its sizes in this campaign.
        confirmed: Whether a person has said that it is right.
    """

    idea: int
    name: str
    creatives: tuple[IdeaMember, ...]

    @property
    def confirmed(self) -> bool:
        """Whether a person has said about every creative that it belongs here."""
        return all(one.source is IdeaSource.HAND for one in self.creatives)


@dataclass(frozen=True, kw_only=True)
class IdeaReport(RecordList):
    """The ideas of a campaign, and what may be one more.

    Attributes:
        campaign: Its key.
        n: Its creatives.
        ideas: How many ideas these are; a creative that is in none of `found` is one of its own.
        found: The ideas of two creatives and more.
        suggested: Pairs for a person to join (`abkit idea join`) or to leave apart.
        run_id: The run that changed them; None where they were only listed.
    """

    campaign: str
    n: int
    ideas: int
    found: tuple[CampaignIdea, ...]
    suggested: tuple[Suggestion, ...]
    run_id: int | None

    def rows(self) -> list[dict[str, object]]:
        """Return one row per creative of an idea."""
        return [
            {"campaign": self.campaign, "idea": idea.idea, "name": idea.name, "confirmed": idea.confirmed}
            | member.to_dict()
            for idea in self.found
            for member in idea.creatives
        ]


def list_ideas(store: Store, *, campaign: str, most: int = 20) -> IdeaReport:
    """Return the ideas of a campaign and, likeliest first, at most so many pairs that may be one idea.

    Raises:
        UsageError: There is no such campaign.
    """
    with store.read() as session:
        number = creatives.find_campaign(session, campaign)
        version = models.active_model(session)
        everyone = ideas.members(session, number, version.encoder_fingerprint if version else "")
        named = _shown_names(session, number, everyone)
        found = _found(session, number, everyone, named)
        suggested = suggestions(everyone, named, idea_names(session, number, everyone))
    return IdeaReport(
        campaign=campaign,
        n=len(everyone),
        ideas=len({one.idea or -one.creative_id for one in everyone}),
        found=found,
        suggested=tuple(suggested[:most]),
        run_id=None,
    )


def join_creatives(store: Store, names: Sequence[str], *, campaign: str) -> IdeaReport:
    """Make creatives of a campaign one idea, by hand, with the other sizes of each; `split_creatives` undoes it.

    Args:
        store: Store with the campaign.
        names: Their file names, with as many folders as make them unique in the campaign.
        campaign: Its key.

    Raises:
        UsageError: No such campaign, a name that fits none or several creatives, or fewer than two of them.
    """
    if len(set(names)) < 2:
        raise UsageError("joining takes at least two creatives", hint="abkit idea join a.png b.png --campaign KEY")

    def join(session: Session, run: RunRecord, named: Mapping[int, str]) -> None:
        wanted = [_find(name, named) for name in names]
        if len(set(wanted)) < 2:
            raise UsageError(f"these are all names of {named[wanted[0]]!r}", hint="name another creative to join it to")
        ideas.put_together(session, run, wanted, name=min((named[id_] for id_ in wanted), key=len))

    return _changed(store, campaign, "join", join)


def split_creatives(store: Store, names: Sequence[str], *, campaign: str) -> IdeaReport:
    """Make each of these creatives an idea of its own, by hand; arguments and errors as for `join_creatives`."""

    def split(session: Session, run: RunRecord, named: Mapping[int, str]) -> None:
        wanted = [_find(name, named) for name in names]
        ideas.set_apart(session, run, wanted, named)

    return _changed(store, campaign, "split", split)


def confirm_ideas(store: Store, numbers: Sequence[int], *, campaign: str) -> IdeaReport:
    """Say by hand that ideas of a campaign are right: the next scoring changes nothing about them.

    Raises:
        UsageError: No such campaign, or an idea that has no two creatives in it.
    """

    def confirm(session: Session, run: RunRecord, named: Mapping[int, str]) -> None:
        shown = {idea.id: idea for idea in _shown(session, creatives.find_campaign(session, campaign), named)}
        for number in numbers:
            if number not in shown:
                raise UsageError(
                    f"campaign {campaign!r} has no idea {number}", hint=f"abkit idea list --campaign {campaign}"
                )
            ideas.confirm(session, run, [id_ for id_, _ in shown[number].creatives])

    return _changed(store, campaign, "confirm", confirm)


def _changed(
    store: Store, campaign: str, what: str, change: Callable[[Session, RunRecord, Mapping[int, str]], None]
) -> IdeaReport:
    """Make a change by hand, and return the ideas of the campaign as they are then."""
    with recorded_run(store, f"idea {what}", {"campaign": campaign}) as run:
        with store.write() as session:
            wait_for_turn(session, IDEA_LOCK)
            number = creatives.find_campaign(session, campaign)
            change(session, run, _shown_names(session, number, ideas.members(session, number, "")))
            outdate_leaderboards(session)
        report = list_ideas(store, campaign=campaign)
        run.outcome.update(creatives=report.n, ideas=report.ideas)
    return replace(report, run_id=run.id)


def _shown_names(session: Session, campaign: int, everyone: Sequence[Member]) -> dict[int, str]:
    called = creatives.creative_names(session, [one.creative_id for one in everyone], campaign=campaign)
    full = [called[one.creative_id][0][0] if one.creative_id in called else one.sha256[:12] for one in everyone]
    return {one.creative_id: name for one, name in zip(everyone, distinct_names(full), strict=True)}


def _find(name: str, named: Mapping[int, str]) -> int:
    wanted = composed(name)
    found = [id_ for id_, shown in named.items() if shown == wanted]
    found = found or [id_ for id_, shown in named.items() if shown.endswith(f"/{wanted}")]
    if len(found) != 1:
        how = "fits several creatives" if found else "is no creative"
        hint = ", ".join(repr(named[id_]) for id_ in (found or list(named))[:5])
        raise UsageError(f"{name!r} {how} of the campaign", hint=f"there are {hint}")
    return found[0]


def _found(
    session: Session, campaign: int, everyone: Sequence[Member], named: Mapping[int, str]
) -> tuple[CampaignIdea, ...]:
    by_id = {one.creative_id: one for one in everyone}
    return tuple(
        CampaignIdea(
            idea=idea.id,
            name=idea.name,
            creatives=tuple(
                IdeaMember(
                    creative_id=id_,
                    creative=named[id_],
                    width=by_id[id_].width,
                    height=by_id[id_].height,
                    source=source,
                )
                for id_, source in idea.creatives
            ),
        )
        for idea in _shown(session, campaign, named)
    )


def _shown(session: Session, campaign: int, named: Mapping[int, str]) -> list[ideas.StoredIdea]:
    """Return the ideas with at least two creatives in the campaign, with these creatives only."""
    inside = (
        replace(idea, creatives=tuple(one for one in idea.creatives if one[0] in named))
        for idea in ideas.stored_ideas(session, campaign)
    )
    return [idea for idea in inside if len(idea.creatives) > 1]
