"""Scores for images that a client sends, or names by their addresses."""

from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from abkit import Workspace
from abkit.intake.remote import public
from abkit.intake.remote.address import Address
from abkit.store.schema import Creative, Run, Score
from abkit.workflows.upkeep.people import add_person, create_token
from abkit.workflows.uploads import opened
from tests.images import make_image

SCORE = "/api/v1/score"
URL, PNG = "https://example.com/a.png", {"Content-Type": "image/png"}


def png(seed: int) -> bytes:
    made = BytesIO()
    make_image(seed).save(made, "PNG")
    return made.getvalue()


def rows(workspace: Workspace) -> tuple[int, ...]:
    with workspace.store.read() as session:
        return tuple(session.scalar(select(func.count(table.id))) or 0 for table in (Creative, Score, Run))


def test_an_image_is_scored_and_not_logged(scoring: TestClient, studio: Workspace) -> None:
    before = rows(studio)
    answer = scoring.post(SCORE, content=png(1), headers={"Content-Type": "image/png"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    (file,) = found["files"]
    assert file["status"] == "scored"
    assert found["notice"] == "untrained"
    assert 1 <= file["ci_low"] <= file["mean"] <= file["ci_high"] <= 7
    assert sum(file["distribution"]) == pytest.approx(1)
    assert file["path"] == "image"
    assert rows(studio) == before


@pytest.mark.parametrize("sent", [{"content": b"an image", "headers": PNG}, {"json": {"urls": [URL]}}])
def test_what_killed_the_server_three_times_is_not_opened_again(
    scoring: TestClient, studio: Workspace, monkeypatch: pytest.MonkeyPatch, sent: dict[str, Any]
) -> None:
    class Killed(Exception):
        """Stands for kill -9."""

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: None)  # as of a process that is gone
        patched.setattr("abkit.web.api.scoring._unlogged", dies)
        for _ in range(3):
            with pytest.raises(Killed):
                scoring.post(SCORE, **sent)
    refused = scoring.post(SCORE, **sent)
    assert refused.status_code == 422
    assert "reading it ended the server 3 times" in refused.json()["title"]
    assert scoring.post(SCORE, content=png(4), headers=PNG).status_code == 200


def test_one_image_in_many_requests_at_once_is_no_death(tmp_path: Path) -> None:
    with ExitStack() as many:
        for _ in range(5):
            many.enter_context(opened(tmp_path / "a.png"))
        assert [path.name for path in tmp_path.iterdir()] == [".a.png.opened"]
    assert list(tmp_path.iterdir()) == []


def test_a_form_and_a_bare_body_give_the_same_score(scoring: TestClient) -> None:
    bare = scoring.post(SCORE, content=png(2), headers={"Content-Type": "application/octet-stream"}).json()["files"][0]
    form = scoring.post(SCORE, files={"image": ("../../spring 1.png", png(2))}).json()["files"][0]
    assert form["path"] == "spring_1.png"
    assert form | {"path": ""} == bare | {"path": ""}


def test_a_score_that_is_asked_to_be_logged_is_a_candidate_of_its_campaign(
    scoring: TestClient, studio: Workspace
) -> None:
    params: dict[str, Any] = {"log": True, "campaign": "summer", "name": "beach.png"}
    headers = {"Content-Type": "image/png", "Idempotency-Key": "beach"}
    first = scoring.post(SCORE, params=params, content=png(3), headers=headers)
    assert first.json()["files"][0]["rank"] == 1
    assert first.json()["files"][0]["path"] == "beach.png"
    assert str(studio.settings.workspace) not in first.text
    after = rows(studio)
    again = scoring.post(SCORE, params=params, content=png(3), headers=headers)
    assert again.json() == first.json()
    assert rows(studio) == after
    listed = scoring.get("/api/v1/creatives?campaign=summer").json()["items"]
    assert [one["creative"] for one in listed] == ["beach.png"]
    known = scoring.post(SCORE, content=png(3), headers={"Content-Type": "image/png"}).json()["files"][0]
    assert known["status"] == "known"
    assert known["mean"] == pytest.approx(first.json()["files"][0]["mean"])
    other = scoring.post(SCORE, params=params, content=png(4), headers=headers)
    assert other.status_code == 409


def test_logging_needs_more_than_looking(scoring: TestClient, studio: Workspace) -> None:
    add_person(studio.store, "vi", "viewer", None)
    for scopes in (["view"], ["view", "operate"]):
        secret = create_token(studio.store, "vi", label="x", scopes=scopes).secret
        headers = {"Authorization": f"Bearer {secret}"}
        image: dict[str, Any] = {"content": png(5), "headers": {"Content-Type": "image/png"} | headers}
        assert scoring.post(SCORE, **image).status_code == 200
        before = rows(studio)
        refused = scoring.post(f"{SCORE}?log=true", **image)
        assert refused.status_code == 403
        assert "operate" in refused.json()["title"]
        assert scoring.post("/api/v1/jobs", json={"job": "correlate"}, headers=headers).status_code == 403
        assert rows(studio) == before


@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        ("text/html", b"<p>", 415),
        ("", b"x", 415),
        ("application/json", b"{", 422),
        ("application/json", b"[]", 422),
        ("application/json", b'{"urls": []}', 422),
        ("application/json", b'{"urls": [%s]}' % b",".join([b'"https://127.0.0.1/a.png"'] * 51), 422),
        ("application/json", b'{"urls": [1]}', 422),
        ("application/json", b'{"urls": ["x"], "more": 1}', 422),
        ("application/json", b'{"urls": ["/etc/passwd"]}', 400),
        ("application/json", b'{"urls": ["file:///etc/passwd"]}', 400),
        ("application/json", b"[" * 100_000, 422),
        ("application/json", b" " * 300_000, 413),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--', 422),
    ],
)
def test_what_is_no_image_is_a_problem_in_words(scoring: TestClient, kind: str, content: bytes, status: int) -> None:
    answer = scoring.post(SCORE, content=content, headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_no_image_has_a_reason_instead_of_a_score(scoring: TestClient) -> None:
    (file,) = scoring.post(SCORE, content=b"no image", headers={"Content-Type": "image/png"}).json()["files"]
    assert file["status"] in ("rejected", "skipped")
    assert file["reason"]
    assert file["mean"] is None


def test_an_image_that_is_too_large_is_refused(scoring: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abkit.workflows.scoring.image_files.max_bytes", lambda _: 1000)
    for sent in ({"content": bytes(1001), "headers": {"Content-Type": "image/png"}}, {"files": {"image": bytes(1001)}}):
        assert scoring.post(SCORE, **sent).status_code == 413  # type: ignore[arg-type]


def test_addresses_are_scored_each_by_itself(scoring: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(address: Address, path: Path, take: Any) -> None:
        if "internal" in address.full:
            public.public_addresses("127.0.0.1")
        content = png(6)
        take(len(content))
        path.write_bytes(content)

    monkeypatch.setattr(public, "fetch_public", fetch)
    urls = ["https://cdn.example.com/a.png?signature=secret", "https://internal.example.com/b.png", "s3://bucket/c.png"]
    answer = scoring.post(SCORE, json={"urls": urls})
    files = {file["path"]: file for file in answer.json()["files"]}
    assert files["https://cdn.example.com/a.png"]["status"] == "scored"
    assert files["https://internal.example.com/b.png"]["status"] == "rejected"
    assert "not on the public web" in files["https://internal.example.com/b.png"]["reason"]
    assert "secret" not in answer.text


def test_addresses_are_not_logged_by_a_request(scoring: TestClient) -> None:
    answer = scoring.post(f"{SCORE}?log=true", json={"urls": ["https://example.com/a.png"]})
    assert answer.status_code == 400
    assert "job" in answer.json()["title"]
