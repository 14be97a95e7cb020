"""Files that lie elsewhere: fetched within limits, refused one by one, and nothing secret is ever said."""

import os
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from abkit.errors import UsageError
from abkit.intake.remote import buckets, fetch
from abkit.intake.remote.address import parse_address
from abkit.intake.remote.fetch import Fetched, Limits, fetched
from tests.remote_files import BUCKET, S3, SECRET, Server, Web, serving

LIMITS = Limits(file_bytes=1e6, size_hint="split it", file_seconds=5)


@pytest.fixture(scope="module")
def web() -> Iterator[Server]:
    with serving(Web) as server:
        yield server


@pytest.fixture(scope="module")
def s3_server() -> Iterator[Server]:
    with serving(S3) as server:
        yield server


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A bucket whose place and credentials are in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    s3_server.files.clear()
    return s3_server


def fetch_all(*paths: str | Path, deep: bool = True, limits: Limits = LIMITS) -> tuple[Fetched, dict[str, bytes]]:
    """What was fetched, and the content by address."""
    with fetched(paths, wanted=lambda name: name.endswith(".csv"), deep=deep, limits=limits) as found:
        return found, {found.origins[path].shown: path.read_bytes() for path in found.paths if path in found.origins}


def test_the_body_of_a_redirect_is_not_read_for_it_may_never_end() -> None:
    sent = [0]

    class Endless(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/real.csv":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"day,ad\n")
                return
            self.send_response(302)
            self.send_header("Location", "/real.csv")
            self.end_headers()
            with suppress(OSError):
                while sent[0] < 200_000_000:
                    sent[0] += self.wfile.write(bytes(1 << 20))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        found, content = fetch_all(f"http://127.0.0.1:{server.server_port}/a.csv")
    finally:
        server.shutdown()
        server.server_close()
    assert list(content.values()) == [b"day,ad\n"]
    assert not found.refused
    assert sent[0] < 50_000_000


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (f"https://me:{SECRET}@example.com/a.csv", "holds credentials"),
        (f"https://{SECRET}@example.com/a.csv", "holds credentials"),
        (f"s3://key:{SECRET}@bucket/a.csv", "holds credentials"),
        (f"az://container/a.csv?sv=1&sig={SECRET}", "have no query"),
        (f"http://example.com/a.csv?key={SECRET}", "not encrypted"),
        (f"http://10.0.0.1/a.csv?key={SECRET}", "not encrypted"),
        (f"ftp://example.com/{SECRET}", "ftp:// are not read"),
        (f"file:///etc/passwd?{SECRET}", "file:// are not read"),
        (f"https:///{SECRET}", "not a valid https address"),
        (f"https://example.com:x/{SECRET}", "not a valid https address"),
        (f"https://example.com/{SECRET}\n", "cannot be printed"),
        (f"s3:///{SECRET}", "names no bucket"),
        (f"s3://*/{SECRET}", "names no bucket"),
    ],
)
def test_an_address_that_is_not_read_is_refused_without_repeating_it(address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        parse_address(address)
    assert SECRET not in f"{refused.value} {refused.value.hint}"


def test_a_path_that_was_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="loses a slash"):
        fetch_all(Path("s3://ads/a.csv"))


def test_paths_of_this_machine_are_only_passed_on(tmp_path: Path) -> None:
    found, _ = fetch_all("a.csv", tmp_path / "none")
    assert found == Fetched(paths=(Path("a.csv"), tmp_path / "none"), named=("a.csv", str(tmp_path / "none")))


# --- the web --------------------------------------------------------------------------------------------------------


def test_a_file_of_the_web_keeps_its_address_without_the_query_and_is_gone_afterwards(web: Server) -> None:
    web.files["/may ü.csv"] = b"day"
    found, content = fetch_all(f"{web.url}/may%20%C3%BC.csv?signature={SECRET}#x", "local.csv")
    assert content == {f"{web.url}/may%20%C3%BC.csv": b"day"}
    (origin,) = found.origins.values()
    assert origin.name == "may ü.csv"
    assert [path.name for path in found.paths] == ["may_.csv", "local.csv"]
    assert not found.paths[0].exists()
    assert web.asked[-1].endswith(f"?signature={SECRET}")


@pytest.mark.parametrize("name", ["%2e%2e", "..", "%2Fetc%2Fpasswd", "", "a%00b", ".hidden", "x" * 400])
def test_no_name_of_elsewhere_leads_out_of_the_folder(web: Server, name: str, tmp_path: Path) -> None:
    address = parse_address(f"{web.url}/{name}")
    place = fetch._Fetching(tmp_path, lambda _: True, True, LIMITS, False)._place(0, address)
    assert place.parent == tmp_path / "0"
    place.write_bytes(b"")
    assert place.resolve().parent == tmp_path / "0"


@pytest.mark.parametrize(
    ("path", "limits", "reason"),
    [
        ("/none", {}, "the host answered with status 404"),
        ("/elsewhere", {}, "it redirects to another host (http://localhost)"),
        ("/file", {}, "another host|status 302"),
        ("/circle", {}, "status 302"),
        ("/endless", {}, "it is larger than 1 MB"),
        ("/endless", {"all_bytes": 1e5}, "all files together are larger than 0.1 MB"),
        ("/slow", {"file_seconds": 0.3}, "it took too long"),
        ("/slow", {"seconds": 0.3}, "it took too long"),
        ("/silent", {"file_seconds": 0.3}, "it took too long"),
        ("/login", {}, "the answer is a web page"),
        ("/part", {}, "status 206: that is a part of the file"),
        ("/later", {}, "status 202: the file is not ready"),
        ("/cut", {}, "the answer ended too early|cannot be reached or read"),
    ],
)
def test_what_cannot_be_fetched_is_refused_and_the_others_come(
    web: Server, path: str, limits: dict[str, float], reason: str
) -> None:
    web.files["/export.csv"] = b"day"
    said = Limits(**{"file_bytes": 1e6, "size_hint": "split it", "file_seconds": 5, **limits})
    found, content = fetch_all(f"{web.url}{path}?key={SECRET}", f"{web.url}/export.csv?key={SECRET}", limits=said)
    if "seconds" not in limits:
        assert content == {f"{web.url}/export.csv": b"day"}
    refusal = next(one for one in found.refused if one.address == f"{web.url}{path}")
    assert any(part in refusal.reason for part in reason.split("|"))
    assert refusal.hint
    assert SECRET not in repr(found.refused)


def test_a_redirect_within_the_host_is_followed(web: Server) -> None:
    web.files["/export.csv"] = b"day"
    assert fetch_all(f"{web.url}/inside")[1] == {f"{web.url}/inside": b"day"}


def test_a_host_that_is_not_there_is_one_sentence() -> None:
    found, _ = fetch_all(f"http://127.0.0.1:9/a.csv?key={SECRET}")
    assert [one.reason for one in found.refused] == ["it cannot be reached or read (ConnectionRefusedError)"]


# --- buckets --------------------------------------------------------------------------------------------------------


def test_an_object_a_folder_and_a_pattern_are_fetched(s3: Server) -> None:
    s3.files.update({
        "may/a b.csv": b"a" * 3_000_000, "may/deep/c.csv": b"c", "may/": b"", "may/.hidden.csv": b"h",
        "may/notes.txt": b"n", "june/a.csv": b"june", "may/ü?.csv": b"odd",
    })  # fmt: skip
    large = Limits(file_bytes=1e7, size_hint="")

    assert fetch_all(f"s3://{BUCKET}/may/a b.csv", limits=large)[1] == {f"s3://{BUCKET}/may/a b.csv": b"a" * 3_000_000}
    found, content = fetch_all(f"s3://{BUCKET}/may", limits=large)
    assert sorted(content) == [f"s3://{BUCKET}/may/{name}" for name in ("a b.csv", "deep/c.csv", "ü?.csv")]
    assert found.left_alone == {f"s3://{BUCKET}/may": (f"s3://{BUCKET}/may/notes.txt",)}
    flat = fetch_all(f"s3://{BUCKET}/may/", deep=False, limits=large)[1]
    assert sorted(flat) == [f"s3://{BUCKET}/may/a b.csv", f"s3://{BUCKET}/may/ü?.csv"]
    assert sorted(fetch_all(f"s3://{BUCKET}/*/a*.csv", limits=large)[1]) == [
        f"s3://{BUCKET}/june/a.csv", f"s3://{BUCKET}/may/a b.csv",
    ]  # fmt: skip
    assert fetch_all(f"s3://{BUCKET}/may/ü?.csv")[1] == {f"s3://{BUCKET}/may/ü?.csv": b"odd"}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (f"s3://{BUCKET}/none.csv", "there is no such bucket, folder or object"),
        (f"s3://{BUCKET}/none/*.csv", "no file that is wanted is there"),
        ("s3://nobucket/a.csv", "there is no such bucket, folder or object"),
        (f"s3://{BUCKET}/forbidden.csv", "the credentials do not permit to read it"),
        (f"s3://{BUCKET}/changing.csv", "it changed while it was read"),
        (f"s3://{BUCKET}/large.csv", "it is larger than 1 MB"),
        (f"s3://{BUCKET}/many/", "12 files are behind it, more than 10"),
    ],
)
def test_faults_of_a_bucket_are_one_sentence_each_and_the_others_come(s3: Server, address: str, reason: str) -> None:
    s3.files.update({"forbidden.csv": b"x", "changing.csv": b"x", "large.csv": b"x" * 1_100_000, "good.csv": b"good"})
    s3.files.update({f"many/{number}.csv": b"x" for number in range(12)})
    limits = Limits(file_bytes=1e6, size_hint="split it", file_seconds=20, files=10)
    found, content = fetch_all(address, f"s3://{BUCKET}/good.csv", limits=limits)
    assert content == {f"s3://{BUCKET}/good.csv": b"good"}
    assert [(one.address, one.reason) for one in found.refused] == [(address, reason)]
    assert found.refused[0].hint
    assert SECRET not in repr(found)


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("address", [f"s3://{BUCKET}/many", f"s3://{BUCKET}/m*/*.csv"])
def test_a_listing_that_never_ends_is_given_up_and_the_next_address_is_fetched(
    s3: Server, address: str, deep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buckets, "MOST_LISTED", 15)
    s3.files.update({f"many/{number}.csv": b"x" for number in range(12)} | {"good.csv": b"good"})
    monkeypatch.setattr(s3, "always_more", True)
    found, content = fetch_all(address, f"s3://{BUCKET}/good.csv", deep=deep)
    assert content == {f"s3://{BUCKET}/good.csv": b"good"}
    assert "listing does not end" in found.refused[0].reason


def test_missing_credentials_are_said_with_the_variables_to_set(s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    s3.files["a.csv"] = b"a"
    found, _ = fetch_all(f"s3://{BUCKET}/a.csv")
    assert [one.reason for one in found.refused] == ["there are no credentials for it"]
    assert "AWS_ACCESS_KEY_ID" in found.refused[0].hint


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_a_missing_package_is_named(scheme: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "find_spec", lambda name: None if name == package else object())
    found, _ = fetch_all(f"{scheme}://bucket/a.csv")
    assert [(one.reason, one.hint) for one in found.refused] == [
        (f"{scheme}:// needs the package {package}", f"pip install {package}")
    ]
