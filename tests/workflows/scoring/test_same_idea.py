"""Whole ideas join, two files of one size never do, and what a person said is kept whatever comes later."""

from collections.abc import Mapping

import numpy as np
import pytest

from abkit.errors import UsageError
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run
from abkit.store.schema import Embedding
from abkit.vocabulary import IdeaSource
from abkit.workflows.scoring.ideas import CampaignIdea, confirm_ideas, join_creatives, list_ideas, split_creatives
from abkit.workflows.scoring.same_idea import find_ideas
from tests.store.rows import content

SMALL, BIG, STORY, FEED = (100, 100), (200, 200), (90, 160), (120, 100)
ALIKE = "0f0f0f0f0f0f0f0f"
Images = Mapping[str, tuple[str, tuple[int, int]]]


def found(store: Store, images: Images, *, key: str = "spring") -> dict[str, str]:
    """Put images into a campaign (by name: hash and size; one name is one content) and find its ideas.

    Returns the first of its idea by name, for all that are in one.
    """
    with recorded_run(store, "test", {}) as run, store.write() as session:
        number = creatives.ensure_campaign(session, run, key)
        rows = [
            content(name.partition("=")[0].replace("/", "-"), perceptual_hash=bits, width=size[0], height=size[1])
            for name, (bits, size) in images.items()
        ]
        creatives.write_creatives(session, run, rows)
        ids = creatives.creative_ids(session, [row["sha256"] for row in rows])
        full = [(f"/ads/{name.rpartition('=')[2]}.png", row) for name, row in zip(images, rows, strict=True)]
        called = [(ids[row["sha256"]], name, name.rpartition("/")[2]) for name, row in full]
        creatives.write_names(session, run, called, campaign=number)
        same = np.ones(4, "<f2").tobytes()
        for id_ in ids.values():
            if not session.query(Embedding).filter_by(creative_id=id_).count():
                session.add(Embedding(creative_id=id_, encoder_fingerprint="f", vector=same, run_id=run.id))
        session.flush()
        find_ideas(session, run, number, "f", set(ids.values()))
    return groups(store, key)


def groups(store: Store, key: str = "spring") -> dict[str, str]:
    shown: dict[str, str] = {}
    for idea in list_ideas(store, campaign=key).found:
        names = sorted(one.creative.removesuffix(".png") for one in idea.creatives)
        shown |= dict.fromkeys(names, names[0])
    return shown


def sources(idea: CampaignIdea) -> dict[str, IdeaSource]:
    return {one.creative.removesuffix(".png"): one.source for one in idea.creatives}


def other(bits: str, flipped: int) -> str:
    """A hash that differs in so many bits."""
    return f"{int(bits, 16) ^ (2**flipped - 1):016x}"


def test_variants_of_one_layout_in_two_resolutions_stay_two_ideas(store: Store) -> None:
    near = other(ALIKE, 1)
    assert found(store, {"a": (ALIKE, SMALL), "b": (near, SMALL), "c": (ALIKE, BIG), "d": (near, BIG)}) == {
        "a": "a", "c": "a", "b": "b", "d": "b",
    }  # fmt: skip


def test_ideas_join_as_a_whole_when_a_copy_of_one_size_is_a_size_of_the_other(store: Store) -> None:
    images = {"x_1x1": (ALIKE, SMALL), "x_story": ("00ff" * 4, STORY)}
    assert found(store, {**images, "y_200x200": ("0ff0" * 4, BIG), "y_feed": ("3c3c" * 4, FEED)}) == {
        "x_1x1": "x_1x1", "x_story": "x_1x1",
    } | dict.fromkeys(("y_200x200", "y_feed"), "y_200x200")  # fmt: skip
    # a copy of x that is called y
    assert found(store, {"y_150x150": (ALIKE, (150, 150))}) == dict.fromkeys(
        ("x_1x1", "x_story", "y_200x200", "y_feed", "y_150x150"), "x_1x1"
    )


def test_a_size_that_comes_twice_in_a_folder_waits_for_a_person(store: Store) -> None:
    assert found(store, {"hero_1x1": ("00ff" * 4, SMALL), "hero_square": ("0ff0" * 4, SMALL)}) == {}
    assert found(store, {"hero_story": ("3c3c" * 4, STORY)}) == {}
    assert {one.why for one in list_ideas(store, campaign="spring").suggested} == {"the same name but for the size"}


@pytest.mark.parametrize("blank", ["0" * 16, "0" * 13 + "80f", "f" * 16], ids=["blank", "a line", "a gradient"])
def test_images_with_hardly_a_step_in_brightness_are_no_copies_of_each_other(store: Store, blank: str) -> None:
    assert found(store, {"white": (blank, SMALL), "black": (blank, BIG)}) == {}


def test_a_copy_of_a_confirmed_creative_does_not_take_it_out_of_its_idea(store: Store) -> None:
    images = {"hero_1x1": ("00ff" * 4, SMALL), "hero_story": ("0ff0" * 4, STORY)}
    found(store, {**images, "autumn": (ALIKE, SMALL), "winter": ("3c3c" * 4, FEED)})
    join_creatives(store, ["autumn.png", "winter.png"], campaign="spring")
    # by name a size of the idea that is older, by hash a copy of what a person has judged
    found(store, {"hero_big": (ALIKE, BIG)})
    (judged,) = (
        idea for idea in list_ideas(store, campaign="spring").found if IdeaSource.HAND in sources(idea).values()
    )
    assert {name for name, source in sources(judged).items() if source is IdeaSource.HAND} == {"autumn", "winter"}


def test_joining_two_creatives_by_hand_joins_their_ideas_with_all_sizes(store: Store) -> None:
    hashes = iter(("00ff", "0ff0", "3c3c", "5a5a"))
    found(store, {name: (next(hashes) * 4, size) for name, size in
                  {"x_1x1": SMALL, "x_story": STORY, "y_1x1": SMALL, "y_story": STORY}.items()})  # fmt: skip
    join_creatives(store, ["x_story.png", "y_story.png"], campaign="spring")
    (idea,) = list_ideas(store, campaign="spring").found
    assert sources(idea) == {
        "x_1x1": IdeaSource.NAME, "x_story": IdeaSource.HAND, "y_1x1": IdeaSource.NAME, "y_story": IdeaSource.HAND,
    }  # fmt: skip


def test_what_was_split_off_can_be_joined_again_and_then_stays(store: Store) -> None:
    images = {"hero_1x1": ("00ff" * 4, SMALL), "hero_story": ("0ff0" * 4, STORY)}
    found(store, images)
    for _ in range(2):  # a single one, too
        split_creatives(store, ["hero_story.png"], campaign="spring")
        assert found(store, images) == {}
    join_creatives(store, ["hero_1x1.png", "hero_story.png"], campaign="spring")
    assert found(store, images) == dict.fromkeys(images, "hero_1x1")
    assert list_ideas(store, campaign="spring").found[0].confirmed


def test_an_idea_of_one_creative_is_not_listed_and_cannot_be_confirmed(store: Store) -> None:
    images = {"hero_1x1": ("00ff" * 4, SMALL), "hero_story": ("0ff0" * 4, STORY)}
    found(store, images)
    (idea,) = list_ideas(store, campaign="spring").found
    assert found(store, {"hero_1x1": images["hero_1x1"]}, key="summer") == {}  # its other size is not in summer
    with pytest.raises(UsageError, match="has no idea"):
        confirm_ideas(store, [idea.idea], campaign="summer")
    split_creatives(store, ["hero_story.png"], campaign="spring")
    with pytest.raises(UsageError, match="has no idea"):
        confirm_ideas(store, [idea.idea, idea.idea + 1], campaign="spring")
    assert found(store, images) == {}


def test_one_creative_under_two_of_its_names_is_not_joined_to_itself(store: Store) -> None:
    found(store, {"caf\u00e9": ("00ff" * 4, SMALL)})
    with pytest.raises(UsageError, match="these are all names of 'caf\u00e9"):
        join_creatives(store, ["caf\u00e9.png", "cafe\u0301.png"], campaign="spring")
    assert list_ideas(store, campaign="spring").found == ()
