from pathlib import Path

import pytest

from abkit.intake.media import folders
from abkit.intake.media.images import find_images
from tests.images import save_images


def linked_in_pairs(folder: Path, levels: int) -> None:
    """Folders that each have two links to the next one: 2 to the power of `levels` ways lead to the last."""
    for level in range(levels + 1):
        (folder / f"d{level:02}").mkdir(parents=True)
    for level in range(levels):
        for name in "ab":
            (folder / f"d{level:02}" / name).symlink_to(f"../d{level + 1:02}")
    save_images(folder / f"d{levels:02}", 1)


def test_folders_that_links_lead_to_in_too_many_ways_are_read_a_limited_number_of_times(tmp_path: Path) -> None:
    linked_in_pairs(tmp_path / "fan", 27)
    found = find_images([tmp_path / "fan"])
    assert found.files
    assert (tmp_path / "fan" / "d27" / "creative_0000.png") in found.files
    assert all("in too many ways" in reason for _, reason in found.unusable)
    assert 0 < len(found.unusable) < 100


@pytest.mark.parametrize("pattern", ["**/*.png", "d00/" + "*/" * 27 + "*.png"])
def test_so_are_those_that_a_pattern_matches(tmp_path: Path, pattern: str) -> None:
    linked_in_pairs(tmp_path / "fan", 27)
    found = find_images([tmp_path / "fan" / pattern])
    assert "in too many ways" in dict(found.unusable)[tmp_path / "fan" / pattern]


def test_a_folder_that_two_links_lead_to_is_read_under_each_of_its_names(tmp_path: Path) -> None:
    save_images(tmp_path / "ads" / "shared", 1)
    (tmp_path / "ads" / "spring").symlink_to("shared")
    found = find_images([tmp_path / "ads"])
    assert [path.parent.name for path in found.files] == ["shared", "spring"]
    assert not found.unusable


def test_folders_that_lie_too_deep_are_named_and_the_others_are_read(tmp_path: Path) -> None:
    deep = tmp_path / "ads"
    for _ in range(folders.MAX_FOLDER_LEVELS + 1):
        deep /= "d"
    save_images(deep, 1)
    save_images(tmp_path / "ads" / "near", 1)
    found = find_images([tmp_path / "ads"])
    assert [path.parent.name for path in found.files] == ["near"]
    ((where, reason),) = found.unusable
    assert where == deep
    assert "64 levels" in reason


def test_a_folder_with_too_many_files_is_refused_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_ENTRIES", 5)
    save_images(tmp_path / "many", 6)
    save_images(tmp_path / "few", 2)
    found = find_images([tmp_path / "many", tmp_path / "few"])
    assert [path.parent.name for path in found.files] == ["few", "few"]
    assert "more than 5 files" in dict(found.unusable)[tmp_path / "many"]


def test_patterns_match_files_and_folders_at_any_depth(tmp_path: Path) -> None:
    save_images(tmp_path / "a" / "b", 2)
    save_images(tmp_path / "c", 1, first=7)
    (tmp_path / ".hidden").mkdir()
    save_images(tmp_path / ".hidden", 1)

    def names(pattern: str) -> list[str]:
        return [str(path.relative_to(tmp_path)) for path in folders.matches(tmp_path / pattern)[0]]

    everything = ["a/b/creative_0000.png", "a/b/creative_0001.png", "c/creative_0007.png"]
    assert names("**/*.png") == everything
    assert names("*") == ["a", "c"]
    assert names("?/creative_000[5-9].png") == ["c/creative_0007.png"]
    assert names("*/b") == ["a/b"]
    assert names("nothing*") == []
    assert [str(path.relative_to(tmp_path)) for path in find_images([tmp_path / "*"]).files] == everything
