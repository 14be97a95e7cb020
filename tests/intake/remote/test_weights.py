"""Large files: gone on with where they were cut off, but only with the file that was begun."""

import io
import urllib.request
import urllib.response
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from abkit.errors import AbkitError
from abkit.intake.remote.weights import fetch, size_of
from tests.remote_files import Server, serving

OLD, NEW = bytes(range(100)), bytes(range(100, 200))
HALF = 50


class Host(BaseHTTPRequestHandler):
    """A host of one file, which gives half of it at a time; a query in the address names its faults."""

    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, _, faults = self.path.partition("?")
        data = self.server.files[path]
        tag = {"untagged": "", "weak": 'W/"1"'}.get(faults, f'"{data[0]}"')
        dated = "" if faults == "untagged" else f"Mon, 02 Mar 2026 00:00:{data[0] % 60:02d} GMT"
        self.server.asked.append(self.headers.get("Range", ""))
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        known = self.headers.get("If-Range") in (tag, dated)
        if faults not in ("deaf", "shifted") and not known:
            start = 0
        self.send_response(206 if start else 200)
        for name, value in (("ETag", tag), ("Last-Modified", dated)):
            if value:
                self.send_header(name, value)
        if start:
            said = start - 1 if faults == "shifted" else start
            self.send_header("Content-Range", f"bytes {said}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data[start : start + HALF])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Server]:
    with serving(Host) as server:
        server.files["/w"] = OLD
        yield server


class _Stop(Exception):
    pass


def cut_off(url: str, path: Path) -> None:
    """Fetch the first half of a file, and leave it there."""

    def stop(done: int, _: int) -> None:
        if done >= HALF:
            raise _Stop

    with pytest.raises(_Stop):
        fetch(url, path, len(OLD), progress=stop)
    assert path.with_name(f"{path.name}.part").read_bytes() == OLD[:HALF]


def quiet(*_: int) -> None:
    """Show no progress."""


@pytest.mark.parametrize("faults", ["", "weak", "deaf"])
def test_a_file_goes_on_where_it_was_cut_off(host: Server, tmp_path: Path, faults: str) -> None:
    url = f"{host.url}/w?{faults}"
    cut_off(url, tmp_path / "w")
    host.asked.clear()
    fetch(url, tmp_path / "w", len(OLD), progress=quiet)
    assert (tmp_path / "w").read_bytes() == OLD
    assert host.asked == [f"bytes={HALF}-"]
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize("faults", ["", "weak", "deaf"])
def test_another_upload_is_not_spliced_onto_what_is_there(host: Server, tmp_path: Path, faults: str) -> None:
    url = f"{host.url}/w?{faults}"
    cut_off(url, tmp_path / "w")
    host.files["/w"] = NEW
    fetch(url, tmp_path / "w", len(NEW), progress=quiet)
    assert (tmp_path / "w").read_bytes() == NEW


def test_a_part_of_another_place_in_the_file_is_not_taken(host: Server, tmp_path: Path) -> None:
    with pytest.raises(AbkitError, match=r"ends after \d+ of 100 bytes"):
        fetch(f"{host.url}/w?shifted", tmp_path / "w", len(OLD), progress=quiet)
    assert not (tmp_path / "w").exists()


def test_what_nobody_can_tell_from_another_upload_begins_again(host: Server, tmp_path: Path) -> None:
    cut_off(f"{host.url}/w?untagged", tmp_path / "w")
    with pytest.raises(AbkitError, match="ends after 50 of 100 bytes") as caught:
        fetch(f"{host.url}/w?untagged", tmp_path / "w", len(OLD), progress=quiet)
    assert caught.value.hint == "try again: it begins again"
    assert not any(host.asked)


def test_a_whole_part_of_an_earlier_upload_is_not_taken_for_the_file(host: Server, tmp_path: Path) -> None:
    (tmp_path / "w.part").write_bytes(NEW)
    fetch(f"{host.url}/w", tmp_path / "w", len(OLD), progress=quiet)
    assert (tmp_path / "w").read_bytes() == OLD


def test_https_does_not_lead_to_http_even_on_this_machine(host: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def redirecting(_: object, request: urllib.request.Request) -> urllib.response.addinfourl:
        headers = Message()
        headers["Location"] = f"{host.url}/w"
        answer = urllib.response.addinfourl(io.BytesIO(), headers, request.full_url, 302)
        answer.msg = "Found"
        return answer

    monkeypatch.setattr("abkit.intake.remote.answers._Https.https_open", redirecting)
    with pytest.raises(AbkitError, match="is not fetched: only https is"):
        size_of("https://example.com/w")
    assert host.asked == []
    assert size_of(f"{host.url}/w") == len(OLD)
