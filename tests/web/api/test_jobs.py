"""Jobs over the API: asked for, looked at, done by a daemon."""

from datetime import UTC, datetime

from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.daemon.endings import Ending
from abkit.jobs.schedules import CATALOG
from abkit.vocabulary import RunState

JOBS = "/api/v1/jobs"


def test_a_job_is_accepted_and_its_result_is_where_the_answer_says(client: TestClient, shop: Workspace) -> None:
    body = {"job": "worth", "arguments": {"k": 2}}
    asked = client.post(JOBS, json=body, headers={"Idempotency-Key": "w"})
    assert asked.status_code == 202
    where = asked.headers["location"]
    assert client.get(where).json()["state"] == "waiting"
    again = client.post(JOBS, json=body, headers={"Idempotency-Key": "w"})
    assert (again.status_code, again.headers["location"]) == (202, where)
    assert len(client.get(JOBS).json()["items"]) == 1

    claims = Claims(shop.store, shop.settings, CATALOG.keys(), "daemon")
    (claimed,) = claims.next(datetime.now(UTC), 1)
    claims.finish(claimed.lease, Ending(RunState.DONE, {"winners": 3}), datetime.now(UTC))
    done = client.get(where).json()
    assert (done["state"], done["result"]) == ("done", {"winners": 3})


def test_a_job_that_cannot_be_asked_for_is_a_problem(client: TestClient) -> None:
    assert client.post(JOBS, json={"job": "prune"}).status_code == 422
    wrong = client.post(JOBS, json={"job": "correlate", "arguments": {"metric": "x"}})
    assert wrong.status_code == 400
    assert "metric" in wrong.json()["title"]
    assert client.get(f"{JOBS}/{'0' * 32}").status_code == 404
    assert client.get(JOBS).json()["items"] == []
