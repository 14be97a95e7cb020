"""Which files a person meant, and what their content is."""

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from abkit.intake.media.images import file_called, find_images, hash_file, names_of, perceptual_hash, read_content
from abkit_model.errors import ImageRejected
from tests.images import make_image, save_images

LIMIT = 2**20

LOOK = """
import sys
from pathlib import Path
from abkit.intake.media.images import file_called, find_images, hash_file
from abkit_model.errors import ImageRejected
found = find_images([Path(name) for name in sys.argv[1:]])
for path, reason in found.unusable:
    print(f"{path}: {reason}")
for path in found.files:
    try:
        hash_file(path, max_bytes=2**20)
        print(f"{path}: read")
    except ImageRejected as rejected:
        print(f"{path}: {rejected.reason}")
"""


def without_privileges(code: str, *arguments: object) -> str:
    """What a program prints that is held by file modes, as root is not."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may read everything")
    # Root without these two capabilities is held by file modes like everybody else.
    as_anybody = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*as_anybody, sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_gives_all_images_below_it_in_order(tmp_path: Path) -> None:
    save_images(tmp_path / "b", 2)
    save_images(tmp_path / "a" / "deep", 1, first=5)
    found = find_images([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found.files] == [
        "a/deep/creative_0005.png",
        "b/creative_0000.png",
        "b/creative_0001.png",
    ]


def test_a_file_given_twice_is_found_once(tmp_path: Path) -> None:
    (path,) = save_images(tmp_path, 1)
    assert find_images([path, tmp_path, tmp_path / "*.png"]).files == (path,)


def test_files_that_are_not_named_like_images_are_left_alone_and_counted(tmp_path: Path) -> None:
    save_images(tmp_path, 1)
    (tmp_path / "prices.csv").touch()
    (tmp_path / ".hidden.png").touch()
    found = find_images([tmp_path])
    assert (len(found.files), found.ignored) == (1, 1)


def test_files_of_kinds_that_are_not_read_are_named_with_what_to_do(tmp_path: Path) -> None:
    save_images(tmp_path, 1)
    for name in ("banner.svg", "layout.PSD", "shot.CR3", "film.avi", "prices.csv"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("photo.HEIC", "photo.avif", "film.mp4", "film.MOV", "film.webm"):
        (tmp_path / name).write_bytes(b"x")
    found = find_images([tmp_path])
    assert {path.name for path, _ in found.skipped} == {"banner.svg", "layout.PSD", "shot.CR3", "film.avi"}
    assert all("is not read: " in reason for _, reason in found.skipped)
    assert found.ignored == 1
    assert len(found.files) == 6


def test_a_file_that_is_named_outright_is_taken_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "upload.bin"
    make_image(1).save(path, format="PNG")
    assert find_images([path]).files == (path,)


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "ad[1].png"
    make_image(1).save(path)
    assert find_images([path]).files == (path,)


def test_a_pattern_without_a_match_is_said(tmp_path: Path) -> None:
    assert find_images([tmp_path / "*.png"]).unusable == ((tmp_path / "*.png", "no file matches this pattern"),)


def test_a_folder_linked_into_itself_is_reported_and_the_rest_is_found(tmp_path: Path) -> None:
    save_images(tmp_path / "ads", 2)
    (tmp_path / "ads" / "again").symlink_to(tmp_path, target_is_directory=True)
    found = find_images([tmp_path])
    assert len(found.files) == 2
    assert [reason for _, reason in found.unusable] == ["the link leads back to a folder above it"]


def test_a_pattern_below_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    pattern = tmp_path / "none" / "*.png"
    assert find_images([pattern]).unusable == ((pattern, "no file matches this pattern"),)


def test_a_name_that_is_too_long_for_the_disk_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300 + ".png")
    assert find_images([path]).files == (path,)
    with pytest.raises(ImageRejected, match="not readable"):
        hash_file(path, max_bytes=LIMIT)


def test_what_may_not_be_read_is_told_and_the_rest_is_found(tmp_path: Path) -> None:
    (good, unread) = save_images(tmp_path / "ads", 2)
    (listed,) = save_images(tmp_path / "ads" / "listed", 1)
    (tmp_path / "ads" / "closed").mkdir()
    unread.chmod(0)
    listed.parent.chmod(0o444)  # its names may be read, its files may not be reached
    (tmp_path / "ads" / "closed").chmod(0)
    try:
        said = without_privileges(LOOK, tmp_path / "ads", listed, tmp_path / "ads" / "closed" / "*.png")
    finally:
        listed.parent.chmod(0o755)
        (tmp_path / "ads" / "closed").chmod(0o755)
    reasons = dict(line.split(": ", 1) for line in said.splitlines())
    assert reasons == {
        str(good): "read",
        str(unread): "the file is not readable: permission denied",
        str(listed): "the file is not readable: permission denied",
        str(tmp_path / "ads" / "closed"): "the folder cannot be read: permission denied",
        str(tmp_path / "ads" / "closed" / "*.png"): "the folder cannot be read: permission denied",
    }


def test_equal_content_has_one_hash_under_two_names(tmp_path: Path) -> None:
    make_image(1).save(tmp_path / "a.png")
    make_image(1).save(tmp_path / "b.png")
    assert hash_file(tmp_path / "a.png", max_bytes=LIMIT) == hash_file(tmp_path / "b.png", max_bytes=LIMIT)


def test_a_file_over_the_configured_size_is_rejected_unread(tmp_path: Path) -> None:
    (path,) = save_images(tmp_path, 1)
    with pytest.raises(ImageRejected, match="max_file_mb"):
        hash_file(path, max_bytes=10)


def test_content_says_what_the_store_keeps(tmp_path: Path) -> None:
    (path,) = save_images(tmp_path, 1, size=(90, 60))
    content = read_content(path, max_bytes=LIMIT)
    assert (content.decoded.width, content.decoded.height, content.decoded.media_type) == (90, 60, "image/png")
    assert content.size == path.stat().st_size
    assert content.sha256 == hash_file(path, max_bytes=LIMIT)


def test_a_resized_copy_is_near_and_another_image_is_far() -> None:
    def distance(one: str, other: str) -> int:
        return (int(one, 16) ^ int(other, 16)).bit_count()

    original = perceptual_hash(make_image(1, (400, 300)))
    assert distance(original, perceptual_hash(make_image(1, (400, 300)).resize((200, 150)))) <= 4
    assert distance(original, perceptual_hash(make_image(2, (400, 300)).rotate(180))) > 8


def test_a_name_with_its_accents_apart_is_kept_composed_as_exports_write_it(tmp_path: Path) -> None:
    path = tmp_path / unicodedata.normalize("NFD", "été-größe.png")
    full, base = names_of(path)
    assert base == "été-größe.png"
    assert full == f"{tmp_path}/été-größe.png"


def test_a_file_whose_accents_are_apart_on_disk_is_found_by_its_composed_name(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "été")
    folder = tmp_path / apart
    folder.mkdir()
    not_utf8 = os.fsdecode(b"caf\xe9.png")
    for name in ("plain.png", f"{apart}.png", not_utf8):
        (folder / name).write_bytes(b"x")
        assert file_called(names_of(folder / name)[0]) == folder / name
    gone = names_of(folder / "größe.png")[0]
    assert str(file_called(gone)) == gone
    assert str(file_called("/no\\x00 such/ä\0.png")) == "/no\\x00 such/ä\0.png"
