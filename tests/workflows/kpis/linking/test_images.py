"""Recognizing images of ads: re-encoded copies are suggested with their distance, and nothing is linked by itself."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from abkit.errors import UsageError
from abkit.intake.media.images import read_content
from abkit.store.database.engine import Store
from abkit.store.schema import Creative
from abkit.workflows.kpis.linking.images import confidence, link_images
from abkit.workflows.kpis.linking.link import link, undo_links
from tests.kpi_files import add_creatives, rows, run_import, write
from tests.workflows.kpis.linking.test_link import HEADER, links

MAX_BYTES = 2**24


def layout(seed: int) -> Image.Image:
    """An image with edges everywhere, unlike that of any other seed."""
    blocks = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((640, 480), Image.Resampling.BICUBIC)


def scored(store: Store, folder: Path, *seeds: int, campaign: str = "spring") -> dict[int, str]:
    """Creatives whose rows have the hashes of real files; by seed, the sha256."""
    folder.mkdir(exist_ok=True)
    found = {}
    for seed in seeds:
        path = folder / f"scored_{seed}.png"
        layout(seed).save(path)
        (placeholder,) = add_creatives(store, str(path), campaign=campaign)
        columns = read_content(path, max_bytes=MAX_BYTES).columns()
        with store.write() as session:
            session.execute(update(Creative).where(Creative.sha256 == placeholder).values(**columns))
        found[seed] = columns["sha256"]
    return found


def copy(path: Path, seed: int, size: tuple[int, int] = (320, 240)) -> Path:
    """What a platform makes of an image: smaller, and a JPEG."""
    path.parent.mkdir(exist_ok=True)
    layout(seed).resize(size, Image.Resampling.LANCZOS).save(path, quality=70)
    return path


def ads(store: Store, folder: Path, *named: tuple[str, str, str]) -> None:
    lines = [f"2026-01-05,{ad},{name},{campaign},10,1" for ad, name, campaign in named]
    run_import(store, write(folder / "k.csv", rows(*lines, header=HEADER)))


def test_copies_are_suggested_with_their_distance_and_linked_when_a_person_takes_them(
    store: Store, tmp_path: Path
) -> None:
    known = scored(store, tmp_path / "ads", 1, 2, 3)
    named = [("120208", "x", ""), ("120209", "Summer Sale", ""), ("120210", "z", ""), ("120211", "q", "")]
    ads(store, tmp_path, *named)
    folder = tmp_path / "downloaded"
    copy(folder / "120208.jpg", 1)
    copy(folder / "summer_sale.jpeg", 2)
    copy(folder / "120210.jpg", 99)  # of no creative
    copy(folder / "999.jpg", 3)  # of no ad
    (folder / "120211.png").write_bytes(b"not an image")
    report = link_images(store, folder, max_bytes=MAX_BYTES)

    assert links(store) == {}
    found = {row["ad"]: row for row in report.unlinked}
    for ad, name in (("120208", "scored_1.png"), ("120209", "scored_2.png")):
        assert (found[ad]["status"], found[ad]["suggestion"]) == ("suggested", name)
        assert found[ad]["bits"] <= 4
        assert found[ad]["confidence"] == confidence(found[ad]["bits"])
        assert "of 64 bits differ from" in found[ad]["reason"]
    assert found["120210"]["reason"] == "no scored creative looks like '120210.jpg'"
    assert found["120211"]["bits"] is None
    assert any("120211.png: not an image" in note for note in report.notes), report.notes
    assert any("1 images are not named as an ad" in note for note in report.notes)

    assert link_images(store, folder, max_bytes=MAX_BYTES, accept=1).linked == 0
    taken = link_images(store, folder, max_bytes=MAX_BYTES, accept=0.7)
    assert links(store) == {"120208": (known[1], "hash"), "120209": (known[2], "hash")}
    assert {row["confidence"] for row in taken.links} == {found[ad]["confidence"] for ad in ("120208", "120209")}
    assert link(store).withdrawn == 0
    assert (undo_links(store, "hash").withdrawn, links(store)) == (2, {})


def test_of_two_that_look_alike_none_is_taken_but_the_very_same_file_is(store: Store, tmp_path: Path) -> None:
    known = scored(store, tmp_path / "ads", 1, 2)
    with store.write() as session:
        bits = int(read_content(tmp_path / "ads/scored_1.png", max_bytes=MAX_BYTES).perceptual_hash, 16) ^ 0b11
        session.execute(update(Creative).where(Creative.sha256 == known[2]).values(perceptual_hash=f"{bits:016x}"))
    ads(store, tmp_path, ("120208", "x", ""), ("120209", "y", ""))
    folder = tmp_path / "downloaded"
    copy(folder / "120208.jpg", 1)
    shutil.copy(tmp_path / "ads/scored_1.png", folder / "120209.png")
    report = link_images(store, folder, max_bytes=MAX_BYTES, accept=0.1)
    assert links(store) == {"120209": (known[1], "hash")}
    (row,) = report.unlinked
    assert row["status"] == "ambiguous"
    assert "scored_1.png (" in row["reason"]
    assert "scored_2.png (" in row["reason"]


def test_the_ads_campaign_decides_between_copies_unless_another_is_closer(sqlite_store: Store, tmp_path: Path) -> None:
    known = scored(sqlite_store, tmp_path / "ads", 1)
    other = scored(sqlite_store, tmp_path / "ads", 2, campaign="summer")
    file = read_content(copy(tmp_path / "downloaded/120208.jpg", 1), max_bytes=MAX_BYTES)
    copy(tmp_path / "downloaded/120209.jpg", 1)
    for sha256, change in ((known[1], 0b1), (other[2], 0b111)):
        bits = int(file.perceptual_hash, 16) ^ change
        with sqlite_store.write() as session:
            session.execute(update(Creative).where(Creative.sha256 == sha256).values(perceptual_hash=f"{bits:016x}"))
    ads(sqlite_store, tmp_path, ("120208", "x", "spring"), ("120209", "y", "summer"))
    link_images(sqlite_store, tmp_path / "downloaded", max_bytes=MAX_BYTES, accept=0.1)
    assert links(sqlite_store) == {"120208": (known[1], "hash")}


def test_blank_images_and_other_shapes_are_not_recognized(sqlite_store: Store, tmp_path: Path) -> None:
    scored(sqlite_store, tmp_path / "ads", 1)
    with sqlite_store.write() as session:
        blank = Creative(
            sha256="0" * 64, perceptual_hash="0" * 16, width=320, height=240, media_type="image/png", bytes=1,
            created_at=session.get_one(Creative, 1).created_at, run_id=1,
        )  # fmt: skip
        session.add(blank)
    ads(sqlite_store, tmp_path, ("120208", "x", ""), ("120209", "y", ""))
    folder = tmp_path / "downloaded"
    copy(folder / "120208.jpg", 1, size=(240, 240))
    Image.new("RGB", (320, 240), "white").save(folder / "120209.png")
    report = link_images(sqlite_store, folder, max_bytes=MAX_BYTES, accept=0.1)
    assert {row["status"] for row in report.unlinked} == {"unlinked"}


def test_an_id_that_two_ads_have_and_a_missing_folder_are_said(sqlite_store: Store, tmp_path: Path) -> None:
    scored(sqlite_store, tmp_path / "ads", 1)
    lines = rows("2026-01-05,7,a,x,10,1", "2026-01-05,7,b,y,10,1", header="day,ad,creative,account,impressions,clicks")
    run_import(sqlite_store, write(tmp_path / "k.csv", lines))
    copy(tmp_path / "downloaded/7.jpg", 1)
    report = link_images(sqlite_store, tmp_path / "downloaded", max_bytes=MAX_BYTES, accept=0.1)
    assert report.linked == 0
    assert "7.jpg: 2 ads have this id" in report.notes
    with pytest.raises(UsageError, match="there is no folder"):
        link_images(sqlite_store, tmp_path / "nowhere", max_bytes=MAX_BYTES)


def test_confidence_falls_with_every_bit() -> None:
    values = [confidence(bits) for bits in range(-1, 7)]
    assert values == sorted(set(values), reverse=True)
    assert 0 < values[-1] < values[0] == 1
