"""What surrounds every page."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import anyio.to_thread
import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import synchronize


def test_the_overview_is_a_page(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert "<main" in answer.text


def test_a_page_that_is_not_there_says_so_and_offers_the_way_back(client: TestClient) -> None:
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert "To the overview" in answer.text
    assert "Sign in" not in answer.text


def test_an_address_of_the_api_that_is_not_there_is_answered_as_a_problem(client: TestClient) -> None:
    answer = client.get("/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "there is no such page"


def test_static_files_are_known_by_name_only(client: TestClient) -> None:
    assert client.get("/static/abkit.css").headers["cache-control"].endswith("immutable")
    for name in ("nothing.css", "..%2fapp.py", "%2e%2e/app.py"):
        assert client.get(f"/static/{name}").status_code == 404


def test_it_is_put_together_without_what_only_some_pages_need() -> None:
    code = (
        "import sys; import abkit.web.app as app; from abkit.config import Settings; app.create_app(Settings()); "
        "print(*sorted({'altair', 'torch', 'statsmodels', 'pandas', 'apprise'} & set(sys.modules)))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert made.stdout.strip() == ""


def test_health_says_that_no_daemon_runs_or_no_store_answers(client: TestClient, shop: Workspace) -> None:
    assert client.get("/healthz").json() == {"status": "ok", "daemon": "ok"}
    synchronize(shop.store, shop.settings.schedules, wall_clock() - timedelta(hours=1))
    absent = client.get("/healthz")
    assert (absent.status_code, absent.json()) == (200, {"status": "ok", "daemon": "absent"})
    shop.close()
    client.app.state.workspace.close()  # type: ignore[attr-defined]
    (shop.settings.workspace / "abkit.db").unlink()
    gone = client.get("/healthz")
    assert (gone.status_code, gone.json()) == (503, {"status": "the store does not answer"})


def test_the_page_starts_without_what_only_some_of_its_pages_need() -> None:
    code = (
        "import sys; from abkit.config import Settings; from abkit.web.app import create_app; create_app(Settings());"
        "print(sorted({'scipy', 'polars', 'statsmodels', 'torch', 'pandas', 'altair', 'alembic', 'apprise',"
        " 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_an_answer_that_quotes_a_name_leaves_its_credentials_out(client: TestClient) -> None:
    name = "https://me:S3cr-et9xQ@h.example/spring"
    said = client.get("/api/v1/scores", params={"model": name})
    assert said.status_code in (400, 404, 422)
    assert "S3cr-et9xQ" not in said.text
    job = client.post(
        "/api/v1/jobs", json={"job": "score_addresses", "arguments": {"addresses": [name], "campaign": "c"}}
    )
    assert job.status_code in (400, 422)
    assert "S3cr-et9xQ" not in job.text


def test_a_request_of_this_machine_takes_one_thread(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[object] = []
    run_sync = anyio.to_thread.run_sync

    async def counted(work: Any, *arguments: Any, **options: Any) -> Any:
        taken.append(work)
        return await run_sync(work, *arguments, **options)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    assert client.get("/campaigns").status_code == 200
    assert len(taken) == 1
