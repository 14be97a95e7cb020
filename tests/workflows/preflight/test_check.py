"""Files held against placements: readable ones, hostile ones, copies, marks that are lost, films."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from abkit.errors import UsageError
from abkit.vocabulary import Mark, PreflightVerdict
from abkit.workflows.preflight.check import preflight
from abkit.workflows.preflight.results import CheckedFile, Preflight
from tests.images import bomb, make_image
from tests.workflows.preflight.files import JUMBF, animated, encoded, jpeg_with, png_with, png_with_text, with_text


def only(result: Preflight) -> CheckedFile:
    (file,) = result.files
    return file


def findings(file: CheckedFile) -> list[str]:
    at_placements = [finding for one in file.placements for finding in one.findings]
    return [finding.check.value for finding in (*file.findings, *at_placements)]


def test_a_good_file_passes_and_says_what_was_looked_at(tmp_path: Path) -> None:
    make_image(1, (1080, 1080)).save(tmp_path / "a.png")
    result = preflight([tmp_path], ["meta-feed"])
    file = only(result)
    assert result.verdict is PreflightVerdict.PASS
    assert (file.width, file.height, file.media_type, file.frames) == (1080, 1080, "image/png", 1)
    assert file.bytes == (tmp_path / "a.png").stat().st_size
    assert (file.c2pa, file.ai) == (Mark.ABSENT, Mark.ABSENT)
    assert {"readable", "blank", "duplicate", "marks", "size", "ratio", "weight"} <= set(file.placements[0].checked)
    assert "zones" not in file.placements[0].checked
    assert result.to_dict()["files"][0]["placements"][0]["verdict"] == "pass"
    assert [row["placement"] for row in result.rows()] == ["meta-feed"]


def test_hostile_files_end_in_a_sentence_and_the_others_go_on(tmp_path: Path) -> None:
    make_image(1, (1080, 1080)).save(tmp_path / "good.png")
    bomb(tmp_path / "bomb.png")
    (tmp_path / "cut.jpg").write_bytes(encoded(make_image(2, (600, 600)), "JPEG")[:2_000])
    (tmp_path / "empty.gif").write_bytes(b"")
    (tmp_path / "text.webp").write_text("not an image")
    (tmp_path / "logo.svg").write_text("<svg/>")
    (tmp_path / "notes.txt").write_text("x")
    result = preflight([tmp_path], ["meta-feed"])
    said = {file.path.name: (file.verdict, findings(file)) for file in result.files}
    assert said.pop("good.png") == (PreflightVerdict.PASS, [])
    assert set(said) == {"bomb.png", "cut.jpg", "empty.gif", "text.webp"}
    assert set(map(str, said.values())) == {str((PreflightVerdict.FAIL, ["readable"]))}
    assert [path.name for path, _ in result.skipped] == ["logo.svg"]
    assert result.ignored == 1
    assert result.verdict is PreflightVerdict.FAIL


def test_nothing_to_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no images"):
        preflight([tmp_path], ["meta-feed"])
    missing = preflight([tmp_path / "gone.png"], ["meta-feed"])
    assert missing.verdict is PreflightVerdict.FAIL


def test_blank_faint_and_hidden_images_are_found(tmp_path: Path) -> None:
    Image.new("RGB", (1080, 1080), "white").save(tmp_path / "blank.png")
    pale = Image.new("RGB", (1080, 1080), "white")
    ImageDraw.Draw(pale).rectangle((200, 200, 700, 700), fill="#f0f0f0")
    pale.save(tmp_path / "faint.png")
    hidden = Image.new("RGBA", (1080, 1080), (255, 255, 255, 0))
    ImageDraw.Draw(hidden).ellipse((200, 200, 700, 700), fill=(255, 255, 255, 255))
    hidden.save(tmp_path / "hidden.png")
    dark = Image.new("RGBA", (1080, 1080), (255, 255, 255, 0))
    ImageDraw.Draw(dark).ellipse((200, 200, 700, 700), fill=(0, 0, 0, 255))
    dark.save(tmp_path / "dark.png")
    result = preflight([tmp_path], ["meta-feed"])
    said = {file.path.stem: (str(file.verdict), findings(file)) for file in result.files}
    assert said["blank"] == ("fail", ["blank"])
    assert said["faint"] == ("fail", ["blank"])
    assert said["hidden"][0] == "warn"
    assert "blank" in said["hidden"][1]
    assert "blank" not in said["dark"][1]


def test_the_same_bytes_and_near_copies_are_found_once_each(tmp_path: Path) -> None:
    image = make_image(1, (1080, 1080))
    image.save(tmp_path / "a.jpg", quality=95)
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    image.save(tmp_path / "c.jpg", quality=60)
    image.resize((600, 600)).save(tmp_path / "d.jpg")
    make_image(7, (1080, 1080)).save(tmp_path / "e.jpg")
    result = preflight([tmp_path], ["meta-feed"])
    said = {file.path.stem: [finding.reason for finding in file.findings] for file in result.files}
    assert said["a"] == said["d"] == said["e"] == []  # another size is another creative
    assert said["b"] == [f"the same file as {tmp_path / 'a.jpg'}"]
    assert said["c"] == [f"looks like {tmp_path / 'a.jpg'}, in the same size"]


def test_variants_of_one_layout_are_no_copies(tmp_path: Path) -> None:
    for name, line in (("a", "Shop now and save"), ("b", "Only this week")):
        with_text((1080, 1080), [line], (100, 500), 90).save(tmp_path / f"{name}.png")
    assert [file.findings for file in preflight([tmp_path], ["meta-feed"]).files] == [(), ()]


def test_a_mark_that_a_copy_lacks_is_lost(tmp_path: Path) -> None:
    image, other = make_image(1, (1080, 1080)), make_image(7, (1080, 1080))
    (tmp_path / "marked.png").write_bytes(png_with(image, b"caBX", JUMBF))
    image.resize((600, 600)).save(tmp_path / "copy.jpg")
    (tmp_path / "ai.png").write_bytes(png_with_text(other, packed=True))
    other.save(tmp_path / "ai_copy.webp")
    (tmp_path / "jpeg.jpg").write_bytes(jpeg_with(make_image(9, (1080, 1080)), 0xEB, b"JP\0\1" + JUMBF))
    make_image(11, (1080, 1080)).save(tmp_path / "plain.png")
    result = preflight([tmp_path], ["meta-feed"])
    marks = {file.path.stem: (str(file.c2pa), str(file.ai)) for file in result.files}
    assert marks == {
        "marked": ("present", "absent"),
        "copy": ("lost", "absent"),
        "ai": ("absent", "present"),
        "ai_copy": ("absent", "lost"),
        "jpeg": ("present", "absent"),
        "plain": ("absent", "absent"),
    }
    lost = {file.path.stem: str(file.verdict) for file in result.files if "marks" in findings(file)}
    assert lost == {"copy": "warn", "ai_copy": "fail"}  # WebP is not taken in that feed, whatever its marks


def test_text_where_the_interface_lies_is_warned_about_and_text_elsewhere_is_not(tmp_path: Path) -> None:
    line = ["Shop now and save 40 %"]
    with_text((1080, 1920), line, (100, 1700), 70).save(tmp_path / "covered.png")
    with_text((1080, 1920), line, (100, 800), 70).save(tmp_path / "free.png")
    result = preflight([tmp_path], ["meta-story"])
    said = {file.path.stem: findings(file) for file in result.files}
    assert "zones" in said["covered"]
    assert "zones" not in said["free"]


def test_a_moving_gif_is_timed(tmp_path: Path) -> None:
    animated(tmp_path / "forever.gif", 500, loop=0)
    animated(tmp_path / "ends.gif", 500, loop=2, first=4)
    result = preflight([tmp_path], ["google-300x250"])
    said = {file.path.stem: (file.frames, file.seconds, findings(file)) for file in result.files}
    assert said == {"forever": (4, 2.0, ["animation"]), "ends": (4, 2.0, [])}


def test_a_film_is_measured_with_the_extra(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    from tests.films import save_film

    save_film(tmp_path / "spot.mp4", [make_image(seed, (544, 960)) for seed in range(12)], rate=6)
    file = only(preflight([tmp_path], ["tiktok-feed", "meta-feed"]))
    assert (file.width, file.height, file.seconds, file.media_type) == (544, 960, 2.0, "video/mp4")
    assert [str(one.verdict) for one in file.placements] == ["pass", "warn"]


def test_a_film_without_the_extra_is_skipped_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    from abkit_model.decoding import video
    from tests.films import save_film

    save_film(tmp_path / "spot.mp4", [make_image(seed, (96, 160)) for seed in range(4)])
    monkeypatch.setattr(video.importlib.util, "find_spec", lambda name: None)
    result = preflight([tmp_path], ["tiktok-feed"])
    assert result.files == ()
    assert "abkit[video]" in result.skipped[0][1]
