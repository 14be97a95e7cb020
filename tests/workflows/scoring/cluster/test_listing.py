"""The list of a bucket: folder by folder, whatever is not an image named or left alone, a break said."""

from pathlib import Path

import pytest

from abkit.errors import UsageError
from abkit.intake.remote import buckets
from abkit.workflows.scoring.cluster.listing import list_places
from tests.images import save_images
from tests.remote_files import Server
from tests.workflows.scoring.cluster.conftest import SPRING


def test_a_bucket_is_listed_with_all_below_and_kinds_that_are_not_read_are_named(stocked: Server) -> None:
    places = list(list_places([SPRING]))

    images = [place.shown for place in places if not place.reason]
    assert len(images) == 26
    assert {"s3://ads/spring/a/00.png", "s3://ads/spring/b/copy.png"} <= set(images)
    assert [(place.shown, place.skipped) for place in places if place.reason] == [("s3://ads/spring/logo.svg", True)]


def test_an_object_that_is_named_is_listed_whatever_its_ending(stocked: Server) -> None:
    assert [(place.shown, place.reason) for place in list_places(["s3://ads/spring/notes.txt"])] == [
        ("s3://ads/spring/notes.txt", "")
    ]


def test_files_of_this_machine_are_listed_with_what_cannot_be_read(tmp_path: Path) -> None:
    save_images(tmp_path / "ads", 3)
    places = list(list_places([tmp_path / "ads", tmp_path / "nowhere.png"]))

    assert [(Path(place.shown).name, place.reason) for place in places] == [
        ("creative_0000.png", ""),
        ("creative_0001.png", ""),
        ("creative_0002.png", ""),
        ("nowhere.png", "there is no such file"),
    ]


def test_a_listing_that_breaks_off_keeps_what_it_had_and_says_after_how_many(
    stocked: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = buckets.walk_objects

    def vanishing(bucket: object, address: object) -> object:
        for n, one in enumerate(honest(bucket, address)):  # type: ignore[arg-type]
            if n == 10:
                raise PermissionError("the token has expired")
            yield one

    monkeypatch.setattr("abkit.workflows.scoring.cluster.listing.walk_objects", vanishing)
    places = list(list_places([SPRING]))

    assert "the list broke off after" in places[-1].reason
    assert 0 < sum(not place.reason for place in places) <= 10


def test_an_address_with_credentials_is_refused_before_anything_is_listed() -> None:
    with pytest.raises(UsageError, match="credentials"):
        list(list_places(["s3://key:secret@ads/spring/"]))
