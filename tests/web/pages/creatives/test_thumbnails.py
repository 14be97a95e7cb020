"""Thumbnails: only of content that was scored, within limits, kept on disk and by the browser."""

import io
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select

from abkit import Workspace
from abkit.store.schema import Creative, CreativeAlias
from abkit.workflows.creatives.thumbnails import prune
from tests.images import make_image


def _digest(shop: Workspace, name: str) -> str:
    with shop.store.read() as session:
        found = select(Creative.sha256).join(CreativeAlias).where(CreativeAlias.base_name == name)
        return session.scalars(found).one()


def test_a_thumbnail_is_a_small_jpeg_that_is_kept(stocked: Workspace, reader: TestClient) -> None:
    digest = _digest(stocked, "spring_04.png")
    answer = reader.get(f"/images/{digest}/96.jpg")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "private, max-age=604800"
    assert max(Image.open(io.BytesIO(answer.content)).size) <= 96
    kept = stocked.settings.cache_folder / "thumbnails" / digest[:2] / f"{digest}-96.jpg"
    assert kept.read_bytes() == answer.content
    again = reader.get(f"/images/{digest}/96.jpg", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = reader.get(
        f"/images/{digest}/96.jpg", headers={"If-None-Match": answer.headers["etag"].replace("-96", "-240")}
    )
    assert other.content == answer.content


def test_a_file_whose_content_changed_is_not_shown(own_stocked: Workspace, editor: TestClient, tmp_path: Path) -> None:
    digest = _digest(own_stocked, "spring_02.png")
    path = tmp_path / "other.png"
    make_image(99).save(path)
    with own_stocked.store.write() as session:
        alias = session.scalars(select(CreativeAlias).where(CreativeAlias.base_name == "spring_02.png")).one()
        alias.name = str(path)
    answer = editor.get(f"/images/{digest}/240.jpg")
    assert answer.status_code == 404
    assert b"no file" in answer.content


def test_a_creative_without_a_file_has_no_thumbnail(stocked: Workspace, reader: TestClient) -> None:
    assert reader.get(f"/images/{_digest(stocked, 'spring_30.png')}/96.jpg").status_code == 404


def test_only_known_sizes_and_digests_are_answered(stocked: Workspace, reader: TestClient) -> None:
    digest = _digest(stocked, "spring_04.png")
    paths = (f"{digest}/97", f"{digest}/99999", "../../etc/passwd/96", "%2e%2f/96", f"{'0' * 64}/96", f"{digest}x/96")
    for address in (f"/images/{path}.jpg" for path in paths):
        assert reader.get(address).status_code in (404, 422), address


@pytest.mark.parametrize("name", ["%2e%2e", "...", "..\\secret", "%2e%2e%5csecret", "a" * 63, "g" * 64, "%00"])
def test_what_is_no_digest_never_reaches_a_file(reader: TestClient, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked: list[object] = []
    monkeypatch.setattr("abkit.web.pages.creatives.images.thumbnail_file", lambda *said: asked.append(said))
    monkeypatch.setattr("abkit.web.pages.creatives.creatives.kept_overlay", lambda *said: asked.append(said))
    monkeypatch.setattr("abkit.web.pages.creatives.creatives.make_overlay", lambda *said: asked.append(said))
    own = f"/creatives/{name}"
    for path in (f"/images/{name}/96.jpg", f"{own}/overlay.jpg", own, f"{own}/preflight"):
        assert reader.get(path).status_code == 404, path
    assert reader.post(f"{own}/overlay").status_code in (403, 404, 405)
    assert asked == []


def test_the_oldest_thumbnails_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    import os

    for number in range(4):
        path = tmp_path / "ab" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 10)
        os.utime(path, (number, number))
    assert prune(tmp_path, most=25) == 2
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["2.jpg", "3.jpg"]
