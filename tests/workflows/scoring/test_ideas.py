"""Ideas: sizes of one creative count once, variants do not, and what a person says stays."""

from pathlib import Path

import pytest
from PIL import Image

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.store.database.engine import Store
from abkit.vocabulary import IdeaSource
from abkit.workflows.scoring.ideas import confirm_ideas, join_creatives, list_ideas, split_creatives
from abkit.workflows.scoring.score import score_paths
from abkit.workflows.scoring.shortlist import shortlist
from tests.images import make_image
from tests.workflows.scoring.test_shortlist import campaign

SQUARE, STORY, FEED = (96, 96), (64, 112), (96, 64)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path)


def save(folder: Path, **images: tuple[int, tuple[int, int]]) -> None:
    """Save images by name: the seed of what they show, and their size."""
    for name, (seed, size) in images.items():
        path = folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_image(seed, size).save(path)


def groups(store: Store, key: str = "spring") -> set[frozenset[str]]:
    found = list_ideas(store, campaign=key).found
    return {frozenset(one.creative for one in idea.creatives) for idea in found}


def test_sizes_of_one_name_are_one_idea_and_variants_are_not(
    scoring_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save(tmp_path, hero_1x1=(1, SQUARE), hero_story=(2, STORY), hero_v2_1x1=(3, SQUARE), hero_v2_feed=(4, FEED))
    save(tmp_path, other=(5, FEED))
    result = score_paths(scoring_store, settings, [tmp_path], campaign="spring")
    assert (len(result.usable), result.ideas) == (5, 3)
    assert groups(scoring_store) == {
        frozenset({"hero_1x1.png", "hero_story.png"}),
        frozenset({"hero_v2_1x1.png", "hero_v2_feed.png"}),
    }
    report = list_ideas(scoring_store, campaign="spring")
    assert (report.n, report.ideas) == (5, 3)
    assert {one.source for idea in report.found for one in idea.creatives} == {IdeaSource.NAME}


def test_a_size_that_comes_later_joins_its_idea_and_scoring_again_changes_nothing(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save(tmp_path / "a", hero_1x1=(1, SQUARE), hero_story=(2, STORY))
    score_paths(quick_store, settings, [tmp_path / "a"], campaign="spring")
    (first,) = list_ideas(quick_store, campaign="spring").found
    save(tmp_path / "b", hero_feed=(3, FEED))
    score_paths(quick_store, settings, [tmp_path / "b"], campaign="spring")
    for _ in range(2):
        (idea,) = list_ideas(quick_store, campaign="spring").found
        assert idea.idea == first.idea
        assert {one.creative for one in idea.creatives} == {"hero_1x1.png", "hero_story.png", "hero_feed.png"}
        score_paths(quick_store, settings, [tmp_path], campaign="spring")


def test_where_a_size_comes_twice_only_files_of_one_folder_are_one_idea(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    for number, folder in enumerate(("blue", "red")):
        save(tmp_path / folder, hero_1x1=(10 + number, SQUARE), hero_story=(20 + number, STORY))
    result = score_paths(quick_store, settings, [tmp_path], campaign="spring")
    assert result.ideas == 2
    assert groups(quick_store) == {
        frozenset({f"{folder}/hero_1x1.png", f"{folder}/hero_story.png"}) for folder in ("blue", "red")
    }


def test_variants_of_one_size_are_never_put_together_but_suggested(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    base = make_image(1, (128, 128))
    base.save(tmp_path / "a.png")
    other = base.copy()
    other.paste((0, 0, 0), (60, 60, 66, 66))
    other.save(tmp_path / "b.png")
    result = score_paths(quick_store, settings, [tmp_path], campaign="spring")
    assert result.ideas == 2
    (suggested,) = list_ideas(quick_store, campaign="spring").suggested
    assert {suggested.first, suggested.second} == {"a.png", "b.png"}
    assert (suggested.why, suggested.bits <= 6) == ("nearly the same image", True)
    assert suggested.cosine is not None
    assert suggested.cosine > 0.9


def test_a_copy_in_another_resolution_is_the_same_idea_whatever_its_name(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    base = make_image(4, (320, 240))
    base.save(tmp_path / "launch.png")
    base.resize((480, 360), Image.Resampling.LANCZOS).save(tmp_path / "final-final.jpg", quality=92)
    save(tmp_path, stranger=(7, (320, 240)))
    result = score_paths(quick_store, settings, [tmp_path], campaign="spring")
    assert result.ideas == 2
    assert groups(quick_store) == {frozenset({"launch.png", "final-final.jpg"})}


def test_what_a_person_says_stays_when_everything_is_scored_again(
    scoring_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save(tmp_path, hero_1x1=(1, SQUARE), hero_story=(2, STORY), autumn=(3, FEED), winter=(4, FEED))
    score_paths(scoring_store, settings, [tmp_path], campaign="spring")
    split_creatives(scoring_store, ["hero_story.png"], campaign="spring")
    joined = join_creatives(scoring_store, ["autumn.png", "winter.png"], campaign="spring")
    assert joined.run_id is not None
    expected = {frozenset({"autumn.png", "winter.png"})}
    assert groups(scoring_store) == expected
    save(tmp_path, hero_feed=(5, FEED))
    score_paths(scoring_store, settings, [tmp_path], campaign="spring")
    assert groups(scoring_store) == expected | {frozenset({"hero_1x1.png", "hero_feed.png"})}
    suggested = list_ideas(scoring_store, campaign="spring").suggested
    assert not any("hero_story.png" in (one.first, one.second) for one in suggested)
    (confirmed,) = (idea for idea in list_ideas(scoring_store, campaign="spring").found if idea.confirmed)
    assert {one.creative for one in confirmed.creatives} == {"autumn.png", "winter.png"}


def test_a_confirmed_idea_takes_a_new_size_and_keeps_the_old_ones(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    save(tmp_path, hero_1x1=(1, SQUARE), hero_story=(2, STORY))
    score_paths(quick_store, settings, [tmp_path], campaign="spring")
    (idea,) = list_ideas(quick_store, campaign="spring").found
    confirm_ideas(quick_store, [idea.idea], campaign="spring")
    save(tmp_path, hero_feed=(3, FEED))
    score_paths(quick_store, settings, [tmp_path], campaign="spring")
    (after,) = list_ideas(quick_store, campaign="spring").found
    assert after.idea == idea.idea
    assert {one.creative: one.source for one in after.creatives} == {
        "hero_1x1.png": "hand",
        "hero_story.png": "hand",
        "hero_feed.png": "name",
    }


def test_names_that_fit_nothing_or_several_are_refused_with_those_that_there_are(
    quick_store: Store, settings: Settings, tmp_path: Path
) -> None:
    for folder in ("blue", "red"):
        save(tmp_path / folder, hero=(len(folder), SQUARE))
    score_paths(quick_store, settings, [tmp_path], campaign="spring")
    with pytest.raises(UsageError, match=r"'hero.png' fits several creatives") as refused:
        join_creatives(quick_store, ["hero.png", "blue/hero.png"], campaign="spring")
    assert "'red/hero.png'" in refused.value.hint
    with pytest.raises(UsageError, match="is no creative"):
        split_creatives(quick_store, ["nothing.png"], campaign="spring")
    with pytest.raises(UsageError, match="at least two"):
        join_creatives(quick_store, ["blue/hero.png"], campaign="spring")
    with pytest.raises(UsageError, match="no idea 7"):
        confirm_ideas(quick_store, [7], campaign="spring")
    with pytest.raises(UsageError, match="no campaign 'summer'"):
        list_ideas(quick_store, campaign="summer")


def test_a_shortlist_by_idea_keeps_distinct_ideas_and_their_sizes_go_along(store: Store) -> None:
    campaign(store, [6.0, 5.9, 5.0, 4.0])
    join_creatives(store, ["p0.png", "p1.png"], campaign="spring")
    by_creative = shortlist(store, campaign="spring", keep=2)
    assert [one.creative for one in by_creative.creatives if one.kept] == ["p0.png", "p1.png"]
    by_idea = shortlist(store, campaign="spring", keep=2, by_idea=True)
    assert (by_idea.n, by_idea.kept) == (3, 2)
    kept = {one.creative: one.size_of for one in by_idea.creatives if one.kept}
    assert kept == {"p0.png": "", "p2.png": "", "p1.png": "p0.png"}
    assert sum(one.p_best or 0 for one in by_idea.creatives) == pytest.approx(1)
    (size,) = (one for one in by_idea.creatives if one.size_of)
    assert size.reason == "kept with p0.png: another size of that idea"
    labels = {one.creative: one.idea for one in by_idea.creatives}
    assert labels["p0.png"] == labels["p1.png"] != labels["p2.png"]
