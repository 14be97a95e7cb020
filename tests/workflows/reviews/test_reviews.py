"""Variants of a campaign are proposed, approved and rejected by name, and nothing that was done is lost."""

import pytest
from sqlalchemy import func, select

from abkit.errors import InvalidInput, UsageError
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Review
from abkit.vocabulary import ReviewAct, ReviewState
from abkit.workflows.creatives.campaigns import delete_campaign, merge_campaigns
from abkit.workflows.reviews.reviews import Reviewed, agree, flow, gate, review, variant_review
from tests.store.rows import add_scores, add_version

A, B, C = "a.png", "b.png", "c.png"


def fill(store: Store) -> Store:
    run = begin_run(store, "test", {})
    add_scores(store, run, add_version(store, run), {"a": 5.0, "b": 4.0, "c": 3.0}, campaign="spring")
    return store


@pytest.fixture
def filled(store: Store) -> Store:
    return fill(store)


@pytest.fixture
def sqlite_filled(sqlite_store: Store) -> Store:
    return fill(sqlite_store)


def act(store: Store, name: str, what: str, by: str, reason: str = "because") -> Reviewed:
    return review(store, "spring", [name], ReviewAct(what), by=by, reason=reason)


def state(store: Store, name: str = A) -> ReviewState:
    return variant_review(store, "spring", name).state


def test_a_variant_is_proposed_until_somebody_decides(filled: Store) -> None:
    assert state(filled) is ReviewState.PROPOSED
    assert act(filled, A, "approve", "ada").done == {A: ReviewState.APPROVED}
    assert act(filled, A, "reject", "ben", "the logo is old").done == {A: ReviewState.REJECTED}
    assert act(filled, A, "approve", "ada").refused == {A: "it is rejected: it has to be proposed again first"}
    act(filled, A, "propose", "cem")
    act(filled, A, "want_changes", "ben", "larger logo")
    assert state(filled) is ReviewState.CHANGES_WANTED
    history = variant_review(filled, "spring", A).entries
    assert [(one.act.value, one.by) for one in history] == [
        ("approve", "ada"), ("reject", "ben"), ("propose", "cem"), ("want_changes", "ben"),
    ]  # fmt: skip
    assert history[1].reason == "the logo is old"


def test_a_comment_changes_nothing_and_stays(sqlite_filled: Store) -> None:
    act(sqlite_filled, A, "approve", "ada")
    act(sqlite_filled, A, "comment", "ben", "looks good to me\nin print, too")
    found = variant_review(sqlite_filled, "spring", A)
    assert (found.state, found.approved_by) == (ReviewState.APPROVED, ("ada",))
    assert found.entries[-1].reason == "looks good to me\nin print, too"


def test_two_names_have_to_differ_however_they_are_written(filled: Store) -> None:
    agree(filled, "spring", by="boss", approvals=2)
    assert act(filled, A, "approve", "Ada").done == {A: ReviewState.PROPOSED}
    for same in ("Ada", "ada", " ADA ", "Ａｄａ"):
        assert "has approved it already" in act(filled, A, "approve", same).refused[A]
    assert act(filled, A, "approve", "ben").done == {A: ReviewState.APPROVED}
    assert variant_review(filled, "spring", A).approved_by == ("Ada", "ben")


def test_who_proposed_a_variant_does_not_give_the_last_of_two_approvals(sqlite_filled: Store) -> None:
    agree(sqlite_filled, "spring", by="boss", approvals=2)
    act(sqlite_filled, A, "propose", "ada")
    act(sqlite_filled, A, "approve", "ben")
    assert "ada proposed it" in act(sqlite_filled, A, "approve", "ada").refused[A]
    assert act(sqlite_filled, A, "approve", "cem").done == {A: ReviewState.APPROVED}
    act(sqlite_filled, B, "propose", "ada")
    act(sqlite_filled, B, "approve", "ada")
    assert act(sqlite_filled, B, "approve", "ben").done == {B: ReviewState.APPROVED}


def test_a_rejection_takes_back_the_approvals_before_it(sqlite_filled: Store) -> None:
    agree(sqlite_filled, "spring", by="boss", approvals=2)
    act(sqlite_filled, A, "approve", "ada")
    act(sqlite_filled, A, "reject", "ben")
    act(sqlite_filled, A, "propose", "ada")
    assert act(sqlite_filled, A, "approve", "cem").done == {A: ReviewState.PROPOSED}
    assert variant_review(sqlite_filled, "spring", A).approved_by == ("cem",)


def test_several_variants_are_reviewed_at_once_and_one_that_is_refused_keeps_none_back(sqlite_filled: Store) -> None:
    act(sqlite_filled, A, "approve", "ada")
    done = review(sqlite_filled, "spring", [A, B, C, B], ReviewAct.APPROVE, by="ada")
    assert (done.done, done.refused) == (dict.fromkeys((B, C), ReviewState.APPROVED), {A: "it is approved already"})


@pytest.mark.parametrize("what", ["reject", "want_changes", "comment"])
def test_a_decision_against_a_variant_needs_a_reason(sqlite_filled: Store, what: str) -> None:
    for missing in ("", "  \n ", "\x00\x07"):
        with pytest.raises(InvalidInput, match="reason is missing"):
            act(sqlite_filled, A, what, "ada", missing)
    with pytest.raises(InvalidInput, match="2,001 characters"):
        act(sqlite_filled, A, what, "ada", "x" * 2001)
    with sqlite_filled.read() as session:
        assert session.scalars(select(func.count()).select_from(Review)).one() == 0


def test_a_variant_of_another_campaign_or_of_none_is_not_reviewed(sqlite_filled: Store) -> None:
    run = begin_run(sqlite_filled, "test", {})
    add_scores(sqlite_filled, run, add_version(sqlite_filled, run, "b"), {"d": 5.0}, campaign="summer")
    for campaign, name, by in (("spring", "d.png", "ada"), ("spring", "nothing.png", "ada"), ("autumn", A, "ada"),
                               ("spring", A, ""), ("spring", A, "a\nb")):  # fmt: skip
        with pytest.raises(UsageError):
            review(sqlite_filled, campaign, [A, name], ReviewAct.APPROVE, by=by)
    with sqlite_filled.read() as session:
        assert session.scalars(select(func.count()).select_from(Review)).one() == 0


def test_what_was_agreed_is_written_in_the_campaign_and_the_last_word_counts(sqlite_filled: Store) -> None:
    assert flow(sqlite_filled, "spring").agreed_at is None
    agree(sqlite_filled, "spring", by="boss", approvals=2, gate=True, note="legal reads all claims")
    agree(sqlite_filled, "spring", by="boss", approvals=1, gate=True, note="legal is done")
    found = flow(sqlite_filled, "spring")
    assert (found.approvals, found.gate, found.note, found.agreed_by) == (1, True, "legal is done", "boss")
    for wrong in (0, 6, -1):
        with pytest.raises(UsageError):
            agree(sqlite_filled, "spring", by="boss", approvals=wrong)


def test_the_gate_asks_for_approval_only_where_that_was_agreed(filled: Store) -> None:
    kept = {"a".ljust(64, "0"): A, "b".ljust(64, "0"): B}
    assert gate(filled, "spring", kept).passed
    agree(filled, "spring", by="boss", gate=True)
    act(filled, A, "approve", "ada")
    found = gate(filled, "spring", kept)
    assert (found.passed, found.missing) == (False, {B: ReviewState.PROPOSED})
    act(filled, B, "approve", "ada")
    assert gate(filled, "spring", kept).passed


def test_reviews_and_agreements_go_with_a_campaign_that_is_merged_and_end_with_one_that_is_deleted(
    filled: Store,
) -> None:
    run = begin_run(filled, "test", {})
    add_scores(filled, run, add_version(filled, run, "b"), {"d": 5.0}, campaign="summer")
    act(filled, A, "approve", "ada")
    agree(filled, "spring", by="boss", approvals=2, gate=True)
    merge_campaigns(filled, "spring", "summer")
    assert variant_review(filled, "summer", A).state is ReviewState.APPROVED
    assert flow(filled, "summer").approvals == 2
    delete_campaign(filled, "summer")
    with filled.read() as session:
        assert session.scalars(select(Review)).all() == []
