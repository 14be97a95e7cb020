"""Which files a person meant, and what their content is."""

import os
from pathlib import Path

import pytest

from abkit.intake.creatives import find_pictures, hash_file, perceptual_hash, read_content
from abkit_model.errors import ImageRejected
from tests.pictures import picture, save_pictures

LIMIT = 2**20


def test_a_folder_gives_all_pictures_below_it_in_order(tmp_path: Path) -> None:
    save_pictures(tmp_path / "b", 2)
    save_pictures(tmp_path / "a" / "deep", 1, first=5)
    found = find_pictures([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found.files] == [
        "a/deep/creative_0005.png",
        "b/creative_0000.png",
        "b/creative_0001.png",
    ]


def test_a_file_given_twice_is_found_once(tmp_path: Path) -> None:
    (path,) = save_pictures(tmp_path, 1)
    assert find_pictures([path, tmp_path, tmp_path / "*.png"]).files == (path,)


def test_files_that_are_not_named_like_pictures_are_left_alone_and_counted(tmp_path: Path) -> None:
    save_pictures(tmp_path, 1)
    (tmp_path / "prices.csv").touch()
    (tmp_path / ".hidden.png").touch()
    found = find_pictures([tmp_path])
    assert (len(found.files), found.ignored) == (1, 1)


def test_a_file_that_is_named_outright_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "upload.bin"
    picture(1).save(path, format="PNG")
    assert find_pictures([path]).files == (path,)


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "ad[1].png"
    picture(1).save(path)
    assert find_pictures([path]).files == (path,)


def test_a_pattern_without_a_match_is_said(tmp_path: Path) -> None:
    assert find_pictures([tmp_path / "*.png"]).unusable == ((tmp_path / "*.png", "no file matches this pattern"),)


def test_a_folder_linked_into_itself_is_reported_and_the_rest_is_found(tmp_path: Path) -> None:
    save_pictures(tmp_path / "ads", 2)
    (tmp_path / "ads" / "again").symlink_to(tmp_path, target_is_directory=True)
    found = find_pictures([tmp_path])
    assert len(found.files) == 2
    assert [reason for _, reason in found.unusable] == ["the link leads back to a folder above it"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert "permission denied" in find_pictures([tmp_path]).unusable[0][1]


def test_equal_content_has_one_hash_under_two_names(tmp_path: Path) -> None:
    picture(1).save(tmp_path / "a.png")
    picture(1).save(tmp_path / "b.png")
    assert hash_file(tmp_path / "a.png", max_bytes=LIMIT) == hash_file(tmp_path / "b.png", max_bytes=LIMIT)


def test_a_file_over_the_configured_size_is_rejected_unread(tmp_path: Path) -> None:
    (path,) = save_pictures(tmp_path, 1)
    with pytest.raises(ImageRejected, match="max_file_mb"):
        hash_file(path, max_bytes=10)


def test_content_says_what_the_store_keeps(tmp_path: Path) -> None:
    (path,) = save_pictures(tmp_path, 1, size=(90, 60))
    content = read_content(path, max_bytes=LIMIT)
    assert (content.decoded.width, content.decoded.height, content.decoded.media_type) == (90, 60, "image/png")
    assert content.size == path.stat().st_size
    assert content.sha256 == hash_file(path, max_bytes=LIMIT)


def test_a_resized_copy_is_near_and_another_picture_is_far() -> None:
    def distance(one: str, other: str) -> int:
        return (int(one, 16) ^ int(other, 16)).bit_count()

    original = perceptual_hash(picture(1, (400, 300)))
    assert distance(original, perceptual_hash(picture(1, (400, 300)).resize((200, 150)))) <= 4
    assert distance(original, perceptual_hash(picture(2, (400, 300)).rotate(180))) > 8
