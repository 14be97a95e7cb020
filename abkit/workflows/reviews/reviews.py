"""Reviews: variants of a campaign become approved, rejected or wait for changes, by name and with a reason."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.records import Record, RecordList
from abkit.store import reviews
from abkit.store.catalog.creatives import contents_of, creative_names, creatives_named, find_campaign
from abkit.store.database.engine import Store
from abkit.store.keys import clean_key
from abkit.store.people import folded_name
from abkit.store.runs import recorded_run
from abkit.store.schema import Review, ReviewFlow
from abkit.vocabulary import ReviewAct, ReviewState

MOST_APPROVALS, LONGEST_REASON, MOST_AT_ONCE = 5, 2000, 500
_NEEDS_REASON = {
    ReviewAct.REJECT: "say why it is rejected",
    ReviewAct.WANT_CHANGES: "say what has to change",
    ReviewAct.COMMENT: "say something",
}
_AFTER = {
    ReviewAct.PROPOSE: ReviewState.PROPOSED,
    ReviewAct.REJECT: ReviewState.REJECTED,
    ReviewAct.WANT_CHANGES: ReviewState.CHANGES_WANTED,
}


@dataclass(frozen=True, kw_only=True)
class Flow(Record):
    """What was agreed about reviews in a campaign.

    Attributes:
        campaign: Its key.
        approvals: How many people have to approve a variant.
        gate: Whether `abkit shortlist --gate` asks for approval.
        note: What was agreed, in words.
        agreed_by, agreed_at: Who wrote it down, and when; "" and None where nothing was agreed: one name is enough.
    """

    campaign: str
    approvals: int
    gate: bool
    note: str
    agreed_by: str
    agreed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ReviewEntry(Record):
    """One act of a review.

    Attributes:
        act: What was done.
        state: How far the variant had come after it.
        by: Who did it.
        reason: Why, or the comment.
        at: When, UTC.
    """

    act: ReviewAct
    state: ReviewState
    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class VariantReview(RecordList):
    """The review of one variant.

    Attributes:
        campaign: Key of the campaign.
        creative: Its latest name.
        sha256: Digest of its content.
        state: How far it has come.
        approved_by: Who has approved it since it was proposed last.
        approvals: How many have to.
        entries: What was done and written, the first act first.
    """

    campaign: str
    creative: str
    sha256: str
    state: ReviewState
    approved_by: tuple[str, ...]
    approvals: int
    entries: tuple[ReviewEntry, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per act."""
        return [one.to_dict() for one in self.entries]


@dataclass(frozen=True, kw_only=True)
class Reviewed(RecordList):
    """What became of an act on some variants.

    Attributes:
        campaign: Key of the campaign.
        act: What was to be done.
        done: By name of the variant, how far it has come now.
        refused: By name of the variant, why nothing was done.
    """

    campaign: str
    act: ReviewAct
    done: Mapping[str, ReviewState]
    refused: Mapping[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per variant."""
        done = [{"creative": name, "state": state.value, "refused": ""} for name, state in self.done.items()]
        return done + [{"creative": name, "state": "", "refused": why} for name, why in self.refused.items()]


@dataclass(frozen=True, kw_only=True)
class GateResult(Record):
    """Whether variants may be launched, as far as reviews go.

    Attributes:
        campaign: Key of the campaign.
        asked: Whether the campaign asks for approval.
        missing: By name of the variant, how far it has come; those that are not approved.
    """

    campaign: str
    asked: bool
    missing: Mapping[str, ReviewState]

    @property
    def passed(self) -> bool:
        """Whether nothing stands in the way."""
        return not (self.asked and self.missing)


def agree(store: Store, campaign: str, *, by: str, approvals: int = 1, gate: bool = False, note: str = "") -> Flow:
    """Write down what was agreed about reviews in a campaign; it counts for what is reviewed from now on.

    Args:
        store: A store at the current migration.
        campaign: Key of the campaign.
        by: Who writes it down.
        approvals: How many people have to approve a variant; from two on, none of them may only approve what they
            proposed themselves.
        gate: Whether `abkit shortlist --gate` asks for approval.
        note: What was agreed, in words.

    Raises:
        UsageError: There is no such campaign, or not a valid number or name.
    """
    if not 1 <= approvals <= MOST_APPROVALS:
        raise UsageError(f"{approvals} approvals cannot be asked for", hint=f"1 to {MOST_APPROVALS}")
    who, said = clean_key(by, "person"), _clean(note)
    arguments = {"campaign": campaign, "approvals": approvals, "gate": gate}
    with recorded_run(store, "campaign review-flow", arguments) as run, store.write() as session:
        row = ReviewFlow(
            campaign_id=find_campaign(session, campaign),
            approvals=approvals,
            gate=gate,
            note=said,
            agreed_by=who,
            agreed_at=datetime.now(UTC),
            run_id=run.id,
        )
        session.add(row)
        session.flush()
        return _flow(campaign, row)


def flow(store: Store, campaign: str) -> Flow:
    """Return what was agreed about reviews in a campaign.

    Raises:
        UsageError: There is no such campaign.
    """
    with store.read() as session:
        return flow_in(session, find_campaign(session, campaign), campaign)


def flow_in(session: Session, campaign: int, key: str) -> Flow:
    """Return what was agreed in the campaign with this id and key."""
    return _flow(key, reviews.flow_of(session, campaign))


def review(
    store: Store,
    campaign: str,
    creatives: Sequence[str],
    act: ReviewAct,
    *,
    by: str,
    reason: str = "",
) -> Reviewed:
    """Propose, approve or reject variants, ask for changes, or comment; each is done or refused by itself.

    1. Let one transaction at a time review the campaign.
    2. Read what was done about each variant, and what was agreed.
    3. Add the act with the state that it leads to, or refuse it with the reason.

    Args:
        store: A store at the current migration.
        campaign: Key of the campaign.
        creatives: Names, paths or digests of its variants.
        act: What is done.
        by: Who does it.
        reason: Why; needed to reject, to ask for changes, and as the text of a comment.

    Raises:
        UsageError: No such campaign or variant, or no name.
        InvalidInput: The reason is missing or too long.
    """
    who, said = clean_key(by, "person"), _clean(reason)
    if act in _NEEDS_REASON and not said:
        raise InvalidInput("the reason is missing", hint=_NEEDS_REASON[act])
    if not 1 <= len(creatives) <= MOST_AT_ONCE:
        raise UsageError(f"{len(creatives)} variants cannot be reviewed at once", hint=f"1 to {MOST_AT_ONCE}")
    done: dict[str, ReviewState] = {}
    refused: dict[str, str] = {}
    arguments = {"campaign": campaign, "act": act.value, "variants": len(creatives)}
    with recorded_run(store, "creative review", arguments) as run, store.write() as session:
        of = find_campaign(session, campaign)
        reviews.lock(session, of)
        found = _variants(session, of, campaign, creatives)
        agreed = reviews.flow_of(session, of)
        before = reviews.acts_of(session, of, found.values())
        now = datetime.now(UTC)
        for name, creative in found.items():
            try:
                state = _state_after(before[creative], act, who, agreed.approvals if agreed else 1)
            except AbkitError as error:
                refused[name] = error.message
                continue
            reviews.add_act(session, run, of, creative, act=act, state=state, reviewer=who, reason=said, at=now)
            done[name] = state
        run.outcome.update(done=len(done), refused=len(refused))
    return Reviewed(campaign=campaign, act=act, done=done, refused=refused)


def variant_review(store: Store, campaign: str, creative: str) -> VariantReview:
    """Return the review of one variant: how far it has come, and its history.

    Raises:
        UsageError: There is no such campaign or variant.
    """
    with store.read() as session:
        of = find_campaign(session, campaign)
        ((name, id_),) = _variants(session, of, campaign, [creative]).items()
        acts = reviews.acts_of(session, of, [id_])[id_]
        agreed = reviews.flow_of(session, of)
        names = creative_names(session, [id_], campaign=of).get(id_, ())
        sha256 = _sha256(session, id_)
    return VariantReview(
        campaign=campaign,
        creative=names[0][1] if names else name,
        sha256=sha256,
        state=_state(acts),
        approved_by=tuple(_approvers(acts)),
        approvals=agreed.approvals if agreed else 1,
        entries=tuple(
            ReviewEntry(
                act=ReviewAct(one.act), state=ReviewState(one.state), by=one.reviewer, reason=one.reason, at=one.at
            )
            for one in acts
        ),
    )


def gate(store: Store, campaign: str, kept: Mapping[str, str]) -> GateResult:
    """Return whether variants may be launched: all of them are approved, where the campaign asks for it.

    Args:
        store: A store at the current migration.
        campaign: Key of the campaign.
        kept: What is to be launched: by digest of its content, what each variant is called.

    Raises:
        UsageError: There is no such campaign or variant.
    """
    with store.read() as session:
        of = find_campaign(session, campaign)
        agreed = reviews.flow_of(session, of)
        found = _variants(session, of, campaign, list(kept)) if kept else {}
        states = reviews.states_of(session, of, found.values())
    missing = {
        kept[digest]: states[creative]
        for digest, creative in found.items()
        if states[creative] is not ReviewState.APPROVED
    }
    return GateResult(campaign=campaign, asked=agreed is not None and agreed.gate, missing=missing)


# --- the rules ------------------------------------------------------------------------------------------------------


def _state_after(acts: Sequence[Review], act: ReviewAct, who: str, needed: int) -> ReviewState:
    """Return the state that an act leads to.

    Raises:
        AbkitError: The act is not possible now, or not for this person.
    """
    state = _state(acts)
    if act is ReviewAct.COMMENT:
        return state
    if act is not ReviewAct.APPROVE:
        if acts and state is _AFTER[act]:
            raise AbkitError(f"it is {_words(state)} already")
        return _AFTER[act]
    if state is ReviewState.APPROVED:
        raise AbkitError("it is approved already")
    if state is not ReviewState.PROPOSED:
        raise AbkitError(f"it is {_words(state)}: it has to be proposed again first")
    given = _approvers(acts)
    names = {folded_name(one) for one in given} | {folded_name(who)}
    if len(names) == len({folded_name(one) for one in given}) and len(names) < needed:
        raise AbkitError(f"{who} has approved it already: somebody else has to approve it, too")
    if needed > 1 and len(names) >= needed and folded_name(_proposer(acts)) == folded_name(who):
        raise AbkitError(f"{who} proposed it: somebody else has to give the last approval")
    return ReviewState.APPROVED if len(names) >= needed else ReviewState.PROPOSED


def _state(acts: Sequence[Review]) -> ReviewState:
    return ReviewState(acts[-1].state) if acts else ReviewState.PROPOSED


def _approvers(acts: Sequence[Review]) -> list[str]:
    """Return who has approved since the last act that was neither an approval nor a comment."""
    names: list[str] = []
    for one in acts:
        if one.act == ReviewAct.APPROVE:
            names.append(one.reviewer)
        elif one.act != ReviewAct.COMMENT:
            names = []
    return names


def _proposer(acts: Sequence[Review]) -> str:
    return next((one.reviewer for one in reversed(acts) if one.act == ReviewAct.PROPOSE), "")


def _words(state: ReviewState) -> str:
    return "waiting for changes" if state is ReviewState.CHANGES_WANTED else state.value


def _clean(text: str) -> str:
    """Return what somebody wrote, without control characters but line breaks.

    Raises:
        InvalidInput: It is too long.
    """
    cleaned = "".join(
        one for one in text.replace("\r\n", "\n") if one == "\n" or unicodedata.category(one) not in ("Cc", "Cs")
    ).strip()
    if len(cleaned) > LONGEST_REASON:
        raise InvalidInput(f"the text has {len(cleaned):,} characters", hint=f"{LONGEST_REASON:,} at most")
    return cleaned


# --- reading --------------------------------------------------------------------------------------------------------


def _flow(campaign: str, row: ReviewFlow | None) -> Flow:
    if row is None:
        return Flow(campaign=campaign, approvals=1, gate=False, note="", agreed_by="", agreed_at=None)
    return Flow(
        campaign=campaign,
        approvals=row.approvals,
        gate=row.gate,
        note=row.note,
        agreed_by=row.agreed_by,
        agreed_at=row.agreed_at,
    )


def _variants(session: Session, campaign: int, key: str, names: Sequence[str]) -> dict[str, int]:
    """Return the creative of each name among the variants of a campaign.

    Raises:
        UsageError: A name means none of them, or several.
    """
    known = creatives_named(session, set(names))
    inside = reviews.members(session, campaign, {id_ for _, ids in known.values() for id_ in ids})
    found = {}
    for name in dict.fromkeys(names):
        ids = known.get(name, ("", set()))[1] & inside
        if not ids:
            hint = f"abkit creative list --campaign {key}"
            raise UsageError(f"{name!r} is not a variant of the campaign {key!r}", hint=hint)
        if len(ids) > 1:
            raise UsageError(f"{len(ids)} variants are called {name!r}", hint="say which by sha256")
        (found[name],) = ids
    return found


def _sha256(session: Session, creative: int) -> str:
    return contents_of(session, [creative])[creative]
