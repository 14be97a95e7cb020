"""Tags of creatives: put on, taken off, listed, and bounded."""

from datetime import UTC, datetime

import pytest

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Creative
from abkit.workflows.creatives.campaigns import list_creatives, show_creative
from abkit.workflows.creatives.tags import list_tags, tag_creatives, untag_creatives

SHAS = [f"{n:064x}" for n in range(1, 4)]


@pytest.fixture
def shelf(store: Store) -> Store:
    """A store of either engine with three creatives."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with recorded_run(store, "score", {}) as run, store.write() as session:
        for sha256 in SHAS:
            session.add(
                Creative(
                    sha256=sha256, perceptual_hash="0" * 16, width=1, height=1, media_type="image/png", bytes=1,
                    created_at=now, run_id=run.id,
                )
            )  # fmt: skip
    return store


def test_tags_are_put_on_once_and_taken_off(shelf: Store) -> None:
    done = tag_creatives(shelf, SHAS[:2], [" sale ", "founder", "sale"])
    assert (done.creatives, done.tags, done.changed) == (2, ("sale", "founder"), 4)
    assert tag_creatives(shelf, SHAS, ["sale"]).changed == 1
    assert show_creative(shelf, SHAS[0]).tags == ("founder", "sale")
    assert [(one.tag, one.creatives) for one in list_tags(shelf).tags] == [("sale", 3), ("founder", 2)]
    assert [one.sha256 for one in list_creatives(shelf, tag="founder").creatives] == SHAS[1::-1]
    gone = untag_creatives(shelf, SHAS, ["founder", "unknown"])
    assert (gone.changed, gone.removed) == (2, True)
    assert show_creative(shelf, SHAS[0]).tags == ("sale",)


def test_letters_are_composed_so_that_a_tag_is_one_tag(shelf: Store) -> None:
    tag_creatives(shelf, SHAS[:1], ["Cafe\u0301"])
    assert tag_creatives(shelf, SHAS[:1], ["Caf\u00e9"]).changed == 0


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "x" * 51, "a\nb", "\ud800", "a\x00"])
def test_a_tag_that_is_none_is_refused_and_changes_nothing(shelf: Store, tag: str) -> None:
    with pytest.raises(UsageError):
        tag_creatives(shelf, SHAS[:1], ["good", tag])
    assert show_creative(shelf, SHAS[0]).tags == ()


def test_a_creative_has_so_many_tags_and_no_more(shelf: Store) -> None:
    tag_creatives(shelf, SHAS[:1], [f"t{n}" for n in range(30)])
    with pytest.raises(UsageError, match="more than 30"):
        tag_creatives(shelf, SHAS, ["one more"])
    assert "one more" not in {one.tag for one in list_tags(shelf).tags}
    for tags in ([], [f"u{n}" for n in range(31)]):
        with pytest.raises(InvalidInput):
            tag_creatives(shelf, SHAS[1:2], tags)


def test_a_name_that_is_not_known_changes_nothing(shelf: Store) -> None:
    with pytest.raises(AbkitError, match="no creative is called"):
        tag_creatives(shelf, [SHAS[0], "nothing.png"], ["sale"])
    assert list_tags(shelf).tags == ()
