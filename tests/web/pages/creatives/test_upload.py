"""Upload: what a browser sends is kept inside the workspace, looked at, and done by the daemon."""

from io import BytesIO
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from abkit import Workspace
from abkit.errors import InvalidInput, UsageError
from abkit.jobs.requests import requested_jobs
from abkit.web.app import create_app
from abkit.workflows.uploads import MAX_NAME, keep_exports, keep_images, kept_exports, safe_name
from tests.web.conftest import code_of

EXPORT = b"day,ad_id,impressions,clicks,spend\n2026-01-01,a1,1000,10,5.00\n2026-01-02,a1,1000,12,5.00\n"


def _send(browser: TestClient, path: str, files: list[tuple[str, bytes]], **fields: str):
    code = code_of(browser.get("/upload").text)
    sent = [("files", (name, content, "application/octet-stream")) for name, content in files]
    return browser.post(path, data={"csrf": code, **fields}, files=sent)


def _image() -> bytes:
    made = BytesIO()
    Image.new("RGB", (64, 48), "teal").save(made, "PNG")
    return made.getvalue()


def test_images_are_kept_and_the_daemon_is_asked_to_score_them(client: TestClient, shop: Workspace) -> None:
    answer = _send(client, "/upload/images", [("a.png", _image()), ("a.png", _image())], campaign="spring")
    assert answer.status_code == 200
    assert "the daemon takes it within seconds" in answer.text
    ((job,), _) = requested_jobs(shop.store)
    assert (job.job, job.state, job.asked_by) == ("score_folder", "waiting", "local")
    folder = shop.settings.workspace / str(job.arguments["folder"])
    assert sorted(path.name for path in folder.iterdir()) == ["a (2).png", "a.png"]
    assert job.arguments["campaign"] == "spring"


def test_an_export_is_looked_at_before_it_is_imported_and_columns_can_be_chosen(
    client: TestClient, shop: Workspace
) -> None:
    shown = _send(client, "/upload/exports", [("week.csv", EXPORT)])
    assert shown.status_code == 200
    assert "2 rows: 2 would land" in shown.text
    assert "--" not in shown.text.split("<main", 1)[1]  # options are of the command
    assert "/uploads/exports/" not in shown.text.split("<main", 1)[1].replace('action="/upload/exports/', "")
    assert not requested_jobs(shop.store)[0]
    path = shown.url.path
    code = code_of(shown.text)
    chosen = {"map:spend": "revenue", "map:no such column": "clicks", "account": "x"}
    done = client.post(path, data={"csrf": code, **chosen})
    assert done.status_code == 200
    ((job,), _) = requested_jobs(shop.store)
    assert job.job == "import_kpis"
    assert job.arguments["mapping"] == {"spend": "revenue"}
    assert job.arguments["account"] == "x"


def test_an_export_is_read_once_before_it_is_imported_and_again_only_after_a_new_start(
    client: TestClient, shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, reads = Workspace.import_kpis, []

    def counted(self: Workspace, *arguments: object, **options: object) -> object:
        reads.append(arguments)
        return honest(self, *arguments, **options)  # type: ignore[arg-type,call-overload]

    monkeypatch.setattr(Workspace, "import_kpis", counted)
    for forgotten, times in ((False, 1), (True, 2)):
        reads.clear()
        shown = _send(client, "/upload/exports", [("week.csv", EXPORT)])
        if forgotten:
            client.app.state.looked_at.clear()  # type: ignore[attr-defined]
        client.post(shown.url.path, data={"csrf": code_of(shown.text), "map:spend": "revenue"})
        assert len(reads) == times
        latest = requested_jobs(shop.store)[0][0]
        assert latest.arguments["mapping"] == {"spend": "revenue"}


def test_an_upload_that_killed_the_server_three_times_is_not_opened_again_and_named(
    client: TestClient, shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        """Stands for kill -9."""

    honest, opened = Workspace.import_kpis, []

    def reads(self: Workspace, paths: list[Path], **options: object) -> object:
        opened.append(paths[0].name)
        if paths[0].name == "poison.csv" and Path.unlink is dead:
            raise Killed
        return honest(self, paths, **options)  # type: ignore[call-overload]

    def dead(*_: object, **__: object) -> None:
        """Do nothing, as a process that is gone."""

    kept = keep_exports(shop.settings, [("a.csv", BytesIO(EXPORT)), ("poison.csv", BytesIO(EXPORT))])
    monkeypatch.setattr(Workspace, "import_kpis", reads)
    path = f"/upload/exports/{kept.token}"
    for _ in range(3):
        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", dead)
            with pytest.raises(Killed):
                client.get(path)
        # What was read whole was not to blame.
        (shop.settings.workspace / kept.folder / ".a.csv.opened").unlink()
    assert opened.count("poison.csv") == 3
    shown = client.get(path)
    assert shown.status_code == 200
    assert "reading it ended the server 3 times" in shown.text
    assert "2 rows: 2 would land" in shown.text
    assert opened.count("poison.csv") == 3
    assert kept_exports(shop.settings, kept.token).names == ("a.csv", "poison.csv")


def test_a_field_that_does_not_exist_is_refused_and_nothing_is_asked(client: TestClient, shop: Workspace) -> None:
    shown = _send(client, "/upload/exports", [("week.csv", EXPORT)])
    done = client.post(shown.url.path, data={"csrf": code_of(shown.text), "map:spend": "nonsense"})
    assert done.status_code in (400, 422)
    assert not requested_jobs(shop.store)[0]


@pytest.mark.parametrize("name", ["../../escape.csv", "..\\..\\escape.csv", "/etc/escape.csv", "C:\\escape.csv"])
def test_a_name_cannot_lead_out_of_the_upload(client: TestClient, shop: Workspace, name: str) -> None:
    _send(client, "/upload/exports", [(name, EXPORT)])
    found = list(shop.settings.workspace.parent.rglob("*escape.csv"))
    assert len(found) == 1
    assert found[0].parent.parent == shop.settings.workspace / "uploads" / "exports"


@given(st.text(max_size=300))
def test_a_kept_name_is_a_plain_name(name: str) -> None:
    kept = safe_name(name)
    assert Path(kept).name == kept
    assert kept not in ("", ".", "..")
    assert len(kept.encode()) <= MAX_NAME
    assert kept.isprintable()
    assert not kept.startswith(".")


def test_an_upload_that_is_too_large_is_refused_and_nothing_of_the_file_stays(shop: Workspace) -> None:
    tiny = shop.settings.model_copy(update={"scoring": shop.settings.scoring.model_copy(update={"max_file_mb": 0.001})})
    with pytest.raises(InvalidInput, match=r"big\.png is larger than 0\.001 MB"):
        keep_images(tiny, [("big.png", BytesIO(b"x" * 2000))])
    assert not list((shop.settings.workspace / "uploads").rglob("*.png"))
    with pytest.raises(InvalidInput, match="no file was chosen"):
        keep_exports(tiny, [])


@pytest.mark.parametrize("token", ["", "..", "../images", "0" * 31, "G" * 32, "0" * 32])
def test_an_upload_is_found_by_its_token_only(shop: Workspace, token: str) -> None:
    with pytest.raises(UsageError, match="there is no such upload"):
        kept_exports(shop.settings, token)


def test_images_that_were_uploaded_are_no_exports_and_a_token_leads_nowhere_else(shop: Workspace) -> None:
    images = keep_images(shop.settings, [("a.png", BytesIO(_image()))])
    (shop.settings.workspace / "uploads" / "exports").mkdir()
    for token in (images.token, f"../images/{images.token}", f"/{images.folder}", "../..", f"{images.token}/"):
        with pytest.raises(UsageError, match="there is no such upload"):
            kept_exports(shop.settings, token)


def test_an_upload_has_so_many_files(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abkit.workflows.uploads.MOST_FILES", 2)
    three = [(f"{number}.csv", BytesIO(EXPORT)) for number in range(3)]
    with pytest.raises(InvalidInput, match="more than 2 files"):
        keep_exports(shop.settings, three)
    assert not list((shop.settings.workspace / "uploads").rglob("*.csv"))
    assert len(keep_exports(shop.settings, three[:2]).names) == 2


def test_only_operators_upload(signed_in) -> None:
    reviewer = signed_in("ada", "reviewer")
    assert reviewer.get("/upload").status_code == 403
    code = code_of(reviewer.get("/account").text)
    answer = reviewer.post("/upload/exports", data={"csrf": code}, files=[("files", ("a.csv", EXPORT))])
    assert answer.status_code == 403


def test_an_upload_without_the_code_of_the_form_is_refused_and_nothing_is_kept(shop: Workspace) -> None:
    with TestClient(create_app(shop.settings), base_url="http://127.0.0.1") as browser:
        browser.get("/upload")
        answer = browser.post("/upload/exports", files=[("files", ("a.csv", EXPORT))])
    assert answer.status_code == 403
    assert not (shop.settings.workspace / "uploads").exists()
