"""The workspace that the tests of the page read, in process and in a browser."""

from fastapi.testclient import TestClient

from abkit import Workspace
from tests.web.stocked import AUTUMN, SPRING


def test_the_stocked_workspace_has_creatives_delivery_and_a_test(stocked: Workspace) -> None:
    from abkit.workflows.creatives.campaigns import list_campaigns

    rows = {row["campaign"]: row for row in list_campaigns(stocked.store).rows()}
    assert (rows["spring"]["creatives"], rows["autumn"]["creatives"]) == (SPRING, AUTUMN)
    assert rows["spring"]["impressions"] > 1_000_000
    assert rows["spring"]["experiments"] == 1


def test_the_stocked_workspace_is_served_in_process(reader: TestClient) -> None:
    assert reader.get("/").status_code == 200
