"""Tables of ratings and comparisons into the store, on both engines."""

import csv
import json
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from abkit.config import Settings
from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.store.catalog import creatives
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.imports import rating_rejects
from abkit.store.runs import begin_run
from abkit.store.schema import (
    Base,
    Comparison,
    Creative,
    Rater,
    Rating,
    RatingImport,
    RatingSource,
    RatingSummary,
)
from abkit.workflows.ratings.agreement import study_store, study_table
from abkit.workflows.ratings.import_ratings import import_labels
from tests.images import save_images


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rated")
    for number, path in enumerate(save_images(folder, 8)):
        path.rename(folder / f"{number}.png")
    (folder / "copy of 0.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "broken.png").write_text("not an image")
    return folder


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return path


VOTES = [f"rater {r},{i}.png,{(i + r) % 7 + 1}" for i in range(8) for r in range(3)]


def votes(folder: Path, rows: list[str] | None = None, name: str = "votes.csv") -> Path:
    return write(folder / name, "rater,image,score", VOTES if rows is None else rows)


def count(store: Store, table: type[Base]) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_votes_land_with_their_creatives_and_the_same_table_again_changes_nothing(
    store: Store, images: Path, tmp_path: Path
) -> None:
    first = import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7))
    assert (first.rows, first.imported, first.rejected, first.images) == (24, 24, 0, 8)
    assert (count(store, Rating), count(store, Rater), count(store, Creative)) == (24, 3, 8)

    again = import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7))
    assert again.again
    assert (again.imported, again.unchanged, again.import_id) == (0, 24, first.import_id)
    assert (count(store, Rating), count(store, RatingImport)) == (24, 1)


def test_a_longer_table_brings_only_what_is_new(store: Store, images: Path, tmp_path: Path) -> None:
    import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7))
    longer = votes(tmp_path, [*VOTES, "rater 9,0.png,4"])
    result = import_labels(store, Settings(), longer, images, scale=(1, 7))
    assert (result.imported, result.unchanged) == (1, 24)


@pytest.mark.parametrize("first", ["Ada de la Cruz", "John.Smith@example.com", "Ada von Großmann"])
def test_a_rater_whom_the_first_table_writes_with_some_capitals_is_the_same_person_without_them(
    sqlite_store: Store, images: Path, tmp_path: Path, first: str
) -> None:
    said = {"images": images, "scale": (1, 7), "source": "panel"}
    for number, name in enumerate((first, first.lower(), first.title())):
        rows = votes(tmp_path, [f"{name},{number}.png,3", f"someone else,{number}.png,4"])
        result = import_labels(sqlite_store, Settings(), rows, **said)
        assert result.other_spellings == min(number, 1)
    assert count(sqlite_store, Rater) == 2


@pytest.mark.parametrize("name", ["anna lee", "ANNA LEE", "Anna  Lee", " anna   lee "])
def test_a_rater_whom_a_later_table_writes_otherwise_is_the_same_person_and_is_said(
    store: Store, images: Path, tmp_path: Path, name: str
) -> None:
    said = {"images": images, "scale": (1, 7), "source": "panel"}
    import_labels(store, Settings(), votes(tmp_path, ["Anna Lee,0.png,3", "bob,0.png,4"]), **said)
    later = votes(tmp_path, [f"{name},0.png,5", f"{name},1.png,6", "Bob,1.png,2", "Annalee,1.png,1"])
    result = import_labels(store, Settings(), later, **said)
    assert (result.imported, result.rejected, result.other_spellings) == (3, 1, 2)
    assert count(store, Rater) == 3
    # What was written exactly so before stays a person of its own.
    assert import_labels(store, Settings(), votes(tmp_path, ["bob,2.png,4"]), **said).other_spellings == 0


def test_raters_are_kept_under_pseudonyms_that_differ_between_sources(
    store: Store, images: Path, tmp_path: Path
) -> None:
    for source in ("spring", "autumn"):
        import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7), source=source)
    with store.read() as session:
        names = list(session.scalars(select(Rater.pseudonym)))
        assert len(set(names)) == 6
        assert not any("rater" in name for name in names)

    with store.write() as session:
        session.scalars(select(RatingSource).where(RatingSource.key == "spring")).one().salt = b""
    result = import_labels(
        store,
        Settings(),
        votes(tmp_path, ["rater 0,0.png,2", "rater 0,1.png,3"]),
        images,
        scale=(1, 7),
        source="spring",
    )
    assert result.imported == 2, "without the salt nobody can be recognized again"


def test_bad_rows_are_kept_with_line_and_reason_and_the_others_land(store: Store, images: Path, tmp_path: Path) -> None:
    bad = {
        "rater 0,0.png,3": "the same rater voted on 0.png before, on line 2",
        "rater 9,0.png,8": "the score 8 is outside 1 to 7",
        "rater 9,gone.png,3": "gone.png: ",
        "rater 9,broken.png,3": "broken.png: not an image",
        "rater 9,../votes.csv,3": "outside the folder of images",
        "rater 0,copy of 0.png,3": "the same content was rated under another name on line 2",
    }
    result = import_labels(store, Settings(), votes(tmp_path, [*VOTES, *bad]), images, scale=(1, 7))
    assert (result.imported, result.rejected, result.rows) == (24, 6, 30)
    with store.read() as session:
        kept = rating_rejects(session, result.import_id, 100)
    assert [row["line"] for row in kept] == list(range(26, 32))
    for row, reason in zip(kept, bad.values(), strict=True):
        assert reason in row["reason"]


def test_images_that_come_later_bring_their_rows(store: Store, images: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for number in range(4):
        (few / f"{number}.png").write_bytes((images / f"{number}.png").read_bytes())
    first = import_labels(store, Settings(), votes(tmp_path), few, scale=(1, 7))
    assert (first.imported, first.rejected) == (12, 12)
    second = import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7))
    assert (second.imported, second.unchanged, second.rejected) == (12, 12, 0)


def test_what_somebody_said_is_never_overwritten(store: Store, images: Path, tmp_path: Path) -> None:
    import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7))
    changed = votes(tmp_path, ["rater 0,0.png,7", *VOTES[1:]])
    result = import_labels(store, Settings(), changed, images, scale=(1, 7))
    assert (result.imported, result.unchanged, result.rejected) == (0, 23, 1)
    assert "earlier import of this source has another value" in result.reasons[0][1]
    with store.read() as session:
        assert session.scalars(select(Rating.score).order_by(Rating.id)).first() == 1


def test_histograms_and_means_are_kept_as_what_they_are(store: Store, images: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "hist.csv", "image,n1,n2,n3", [f"{i}.png,{i},2,1" for i in range(8)])
    result = import_labels(store, Settings(), table, images)
    assert (result.kind, result.imported, result.scale) == ("summaries", 8, (1, 3))
    means = write(tmp_path / "means.csv", "image,mean,n", [f"{i}.png,3.5,20" for i in range(8)])
    import_labels(store, Settings(), means, images)
    assert import_labels(store, Settings(), means, images).again
    with store.read() as session:
        first, *_, last = session.scalars(select(RatingSummary).order_by(RatingSummary.id))
        assert (first.n, first.counts, round(first.mean, 3)) == (3, [0, 2, 1], 2.333)
        assert (last.n, last.counts, last.sd) == (20, None, None)
    assert count(store, Rating) == 0
    assert count(store, Rater) == 0


def test_comparisons_are_kept_once_per_pair_and_rater_either_way_round(
    store: Store, images: Path, tmp_path: Path
) -> None:
    rows = ["ann,1.png,0.png,left", "ann,0.png,1.png,left", "bob,0.png,1.png,left", "bob,0.png,copy of 0.png,left"]
    table = write(tmp_path / "choices.csv", "rater,image_left,image_right,choice", rows)
    result = import_labels(store, Settings(), table, images)
    assert (result.kind, result.imported, result.rejected, result.scale) == ("comparisons", 2, 2, None)
    with store.read() as session:
        assert sorted(session.scalars(select(Comparison.share))) == [0, 1]
        assert all(pair.first_id < pair.second_id for pair in session.scalars(select(Comparison)))


def test_comparisons_that_an_earlier_release_imported_are_found_again_after_the_upgrade(
    sqlite_store: Store, images: Path, tmp_path: Path
) -> None:
    table = write(tmp_path / "pairs.csv", "rater,image_left,image_right,choice", ["ann,1.png,0.png,left"])
    first = import_labels(sqlite_store, Settings(), table, images)
    migrate.downgrade(sqlite_store, "0009_optimized")
    contents = sorted((name, sha256((images / name).read_bytes()).hexdigest()) for name in ("0.png", "1.png"))
    said = [sha256(table.read_bytes()).hexdigest(), "choices", None, "pairs", None, contents]
    with sqlite_store.write() as session:
        assert session.scalars(select(RatingImport.kind)).all() == ["choices"]
        session.execute(update(RatingImport).values(digest=sha256(json.dumps(said).encode()).hexdigest()))
    migrate.upgrade(sqlite_store)

    again = import_labels(sqlite_store, Settings(), table, images)
    assert (again.again, again.import_id, again.imported, again.unchanged) == (True, first.import_id, 0, 1)
    assert count(sqlite_store, RatingImport) == 1


def test_outcomes_of_ab_tests_keep_their_test_and_uncounted_rows_are_counted(
    store: Store, images: Path, tmp_path: Path
) -> None:
    named = write(tmp_path / "tests.csv", "experiment,image_a,image_b,share,weight", ["spring 3,0.png,1.png,0.97,12"])
    import_labels(store, Settings(), named, images)
    rows = ["0.png,1.png,3,1", "1.png,0.png,4,0"]
    counted = write(tmp_path / "counted.csv", "image_a,image_b,wins_a,wins_b", rows)
    import_labels(store, Settings(), counted, images)
    with store.read() as session:
        found = session.execute(
            select(Rater.pseudonym, Comparison.share, Comparison.weight)
            .join(Comparison, Comparison.rater_id == Rater.id)
            .order_by(Comparison.id)
        ).all()
    assert [tuple(row) for row in found] == [("test:spring 3", 0.97, 12), ("", 3 / 8, 8)]


def test_a_table_that_cannot_be_used_leaves_nothing_behind(sqlite_store: Store, images: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="none of the 8 images"):
        import_labels(sqlite_store, Settings(), votes(tmp_path), tmp_path, scale=(1, 7))
    with pytest.raises(InvalidInput, match="no usable row; line 2: the score 9 is outside"):
        import_labels(sqlite_store, Settings(), votes(tmp_path, ["a,0.png,9"]), images, scale=(1, 7))
    assert count(sqlite_store, RatingImport) == 0
    import_labels(sqlite_store, Settings(), votes(tmp_path), images, scale=(1, 7))
    with pytest.raises(UsageError, match="are on 1 to 7, this table is on 1 to 10"):
        import_labels(sqlite_store, Settings(), votes(tmp_path), images, scale=(1, 10))


def test_agreement_in_the_store_is_that_of_the_table(store: Store, images: Path, tmp_path: Path) -> None:
    import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7))
    stored, table = study_store(store), study_table(votes(tmp_path), scale=(1, 7))
    assert stored.agreement == table.agreement
    assert sorted(stored.model.bias) == pytest.approx(sorted(table.model.bias))
    assert stored.figures()[0]["run_id"] is not None
    import_labels(store, Settings(), votes(tmp_path, name="again.csv"), images, scale=(1, 7))
    with pytest.raises(UsageError, match="2 sources"):
        study_store(store)
    assert study_store(store, source="again").agreement == table.agreement
    with pytest.raises(AbkitError, match="no ratings of the creatives of campaign 'spring'"):
        study_store(store, source="again", campaign="spring")


def test_agreement_of_a_campaign_takes_only_its_creatives(store: Store, images: Path, tmp_path: Path) -> None:
    import_labels(store, Settings(), votes(tmp_path), images, scale=(1, 7))
    run = begin_run(store, "test", {})
    with store.write() as session:
        ids = session.scalars(select(Creative.id).order_by(Creative.id).limit(3)).all()
        spring = creatives.ensure_campaign(session, run, "spring")
        creatives.write_names(session, run, [(i, f"/{i}", str(i)) for i in ids], campaign=spring)
    study = study_store(store, campaign="spring")
    assert (study.agreement.items, study.agreement.ratings) == (3, 9)
    assert study_store(store).agreement.items == 8


@pytest.mark.realdata
def test_all_votes_on_photographs_are_imported(sqlite_store: Store, testdata: Path, tmp_path: Path) -> None:
    import gzip

    with (testdata / "oasis_beauty" / "ratings_per_image.csv").open(newline="") as file:
        names = {row["item"]: row["file"] for row in csv.DictReader(file)}
    with gzip.open(testdata / "oasis_beauty" / "ratings_long.csv.gz", "rt") as file:
        rows = [f"{row['rater']},{names[row['item']]},{row['beauty']}" for row in csv.DictReader(file)]
    table = votes(tmp_path, rows)
    result = import_labels(sqlite_store, Settings(), table, testdata / "oasis_beauty" / "images", scale=(1, 7))
    assert (result.imported, result.images, result.rejected) == (117_390, 616, 0)


def test_a_link_that_leads_back_to_itself_is_a_row_that_is_refused_and_the_others_land(
    sqlite_store: Store, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "pixels").mkdir()
    (tmp_path / "pixels" / "0.png").write_bytes((images / "0.png").read_bytes())
    (tmp_path / "pixels" / "loop.png").symlink_to("loop.png")
    (tmp_path / "elsewhere.png").symlink_to("elsewhere.png")
    (tmp_path / "pixels" / "away.png").symlink_to(tmp_path / "elsewhere.png")
    table = votes(tmp_path, ["ann,0.png,3", "ann,loop.png,4", "ann,away.png,5"])
    result = import_labels(sqlite_store, Settings(), table, tmp_path / "pixels", scale=(1, 7))
    assert (result.imported, result.rejected) == (1, 2)
    loop, away = result.reasons
    assert loop == (3, "loop.png: the link is part of a loop of links")
    assert away == (4, "away.png: outside the folder of images")
