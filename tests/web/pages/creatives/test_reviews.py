"""The page of reviews: decisions by name, one or many at once, by mouse and keyboard; and attacks on it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from abkit import Workspace
from abkit.store.catalog.creatives import contents_of
from abkit.store.schema import Campaign, CampaignCreative, Review
from abkit.vocabulary import ReviewAct
from abkit.web.app import create_app
from abkit.workflows.reviews.reviews import agree, flow, review, variant_review
from abkit.workflows.upkeep.people import add_person
from tests.web.accessibility import overflow, serious_findings
from tests.web.conftest import PASSWORD, code_of, submit
from tests.web.stocked import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Page

EVIL = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"


def variants(shop: Workspace, key: str = "spring") -> tuple[int, list[str]]:
    """The id of a campaign, and the digests of its variants, the latest first."""
    with shop.store.read() as session:
        campaign = session.scalars(select(Campaign.id).where(Campaign.key == key)).one()
        own = select(CampaignCreative.creative_id).where(CampaignCreative.campaign_id == campaign)
        ids = session.scalars(own.order_by(CampaignCreative.creative_id.desc())).all()
        contents = contents_of(session, ids)
    return campaign, [contents[one] for one in ids]


def states(shop: Workspace, digests: list[str]) -> list[str]:
    return [variant_review(shop.store, "spring", one).state.value for one in digests]


@pytest.fixture
def as_person(own_stocked: Workspace) -> Callable[[str, str], TestClient]:
    """Sign somebody in, in a browser of another machine."""
    app = create_app(own_stocked.settings, local=False)

    def sign_in(name: str, role: str) -> TestClient:
        add_person(own_stocked.store, name, role, PASSWORD)
        browser = TestClient(app, base_url="https://ads.example", follow_redirects=False)
        assert submit(browser, "/sign-in", name=name, password=PASSWORD).status_code == 303
        return browser

    return sign_in


def test_many_variants_are_decided_about_at_once_under_the_name_of_who_has_signed_in(
    own_stocked: Workspace, as_person: Callable[[str, str], TestClient]
) -> None:
    campaign, digests = variants(own_stocked)
    path = f"/campaigns/{campaign}/review"
    ada = as_person("ada", "reviewer")
    assert submit(ada, path, creative=digests[:3], act="approve", by="ben", reviewer="ben").status_code == 303
    assert submit(ada, path, creative=digests[3], act="reject", reason="the logo is old").status_code == 303
    assert states(own_stocked, digests[:5]) == ["approved"] * 3 + ["rejected", "proposed"]
    with own_stocked.store.read() as session:
        assert set(session.scalars(select(Review.reviewer))) == {"ada"}
    assert ada.get(f"{path}?state=approved").text.count('name="creative"') == 3
    refused = submit(ada, path, creative=digests[:4], act="approve")
    assert "4 refused" in refused.text


def test_four_eyes_are_of_two_people_who_have_signed_in(
    own_stocked: Workspace, as_person: Callable[[str, str], TestClient]
) -> None:
    campaign, digests = variants(own_stocked)
    path = f"/campaigns/{campaign}/review"
    agree(own_stocked.store, "spring", by="boss", approvals=2)
    ada, ben = as_person("ada", "reviewer"), as_person("ben", "reviewer")
    submit(ada, path, creative=digests[0], act="approve")
    again = submit(ada, path, creative=digests[0], act="approve")
    assert "somebody else has to approve it" in again.text
    assert states(own_stocked, digests[:1]) == ["proposed"]
    submit(ben, path, creative=digests[0], act="approve")
    assert states(own_stocked, digests[:1]) == ["approved"]


def test_who_may_look_cannot_decide_and_a_reviewer_cannot_change_what_was_agreed(
    own_stocked: Workspace, as_person: Callable[[str, str], TestClient]
) -> None:
    campaign, digests = variants(own_stocked)
    path = f"/campaigns/{campaign}/review"
    for role in ("viewer", "rater"):
        eve = as_person(f"eve the {role}", role)
        assert 'name="act"' not in eve.get(path).text
        assert submit(eve, path, creative=digests[0], act="approve").status_code == 403
    ada = as_person("ada", "reviewer")
    assert submit(ada, f"{path}-flow", on=path, approvals="1").status_code == 403
    boss = as_person("boss", "admin")
    assert submit(boss, f"{path}-flow", on=path, approvals="2", gate="yes", note=EVIL).status_code == 303
    agreed = flow(own_stocked.store, "spring")
    assert (agreed.approvals, agreed.gate, agreed.agreed_by, agreed.note) == (2, True, "boss", EVIL)
    assert states(own_stocked, digests[:1]) == ["proposed"]


def test_what_people_write_is_text_and_nothing_else(own_stocked: Workspace, editor: TestClient) -> None:
    campaign, digests = variants(own_stocked)
    for act in (ReviewAct.COMMENT, ReviewAct.REJECT):
        review(own_stocked.store, "spring", [digests[-2]], act, by=EVIL[:100], reason=EVIL)
    agree(own_stocked.store, "spring", by=EVIL[:100], note=EVIL)
    for path in ("/reviews", f"/campaigns/{campaign}/review?page=2", f"/campaigns/{campaign}/review/{digests[-2]}"):
        page = editor.get(path)
        assert page.status_code == 200
        assert "<img src=x" not in page.text
        assert "<script>" not in page.text
    assert HOSTILE not in editor.get(f"/campaigns/{campaign}/review?page=2").text


def test_a_decision_that_is_not_valid_is_refused_in_a_sentence(own_stocked: Workspace, editor: TestClient) -> None:
    campaign, digests = variants(own_stocked)
    path = f"/campaigns/{campaign}/review"
    code = code_of(editor.get(path).text)
    wrong: tuple[tuple[dict[str, str | list[str]], int], ...] = (
        ({"act": "delete"}, 422), ({"act": "reject"}, 422), ({"act": "comment", "reason": "  "}, 422),
        ({"creative": "0" * 64}, 400), ({"creative": "../../etc/passwd"}, 400), ({"creative": []}, 400),
        ({"creative": ["x"] * 51}, 422), ({"act": "reject", "reason": "x" * 3000}, 422), ({"reason": "x" * 5000}, 422),
    )  # fmt: skip
    for fields, status in wrong:
        sent = {"csrf": code, "creative": digests[0], "act": "approve"} | fields
        answer = editor.post(path, data=sent, headers={"origin": "http://127.0.0.1"})
        assert answer.status_code == status, fields
    with own_stocked.store.read() as session:
        assert session.scalars(select(Review)).all() == []


def test_a_variant_of_another_campaign_is_not_decided_about(own_stocked: Workspace, editor: TestClient) -> None:
    campaign, _ = variants(own_stocked)
    _, autumn = variants(own_stocked, "autumn")
    assert submit(editor, f"/campaigns/{campaign}/review", creative=autumn[0], act="approve").status_code == 400
    for path in (f"/campaigns/{campaign}/review/{autumn[0]}", f"/campaigns/{campaign}/review/x", "/campaigns/9/review",
                 f"/campaigns/{10**30}/review", "/campaigns/0/review"):  # fmt: skip
        assert editor.get(path).status_code in (400, 404, 422), path


def test_a_page_of_reviews_is_bounded(reader: TestClient, stocked: Workspace) -> None:
    campaign, _ = variants(stocked)
    page = reader.get(f"/campaigns/{campaign}/review")
    assert page.text.count('name="creative"') == 50
    assert len(page.content) < 200_000
    assert reader.get(f"/campaigns/{campaign}/review?page=2").text.count('name="creative"') == 10
    assert reader.get("/reviews").text.count("<tr>") == 3


# --- in a browser ---------------------------------------------------------------------------------------------------


def test_variants_are_decided_about_by_keyboard(own_stocked: Workspace, own_address: str, browser_page: "Page") -> None:
    campaign, digests = variants(own_stocked)
    browser_page.goto(f"{own_address}/campaigns/{campaign}/review")
    for key in ("j", "x", "j", "x"):
        browser_page.keyboard.press(key)
    browser_page.get_by_text("2 selected").wait_for()
    with browser_page.expect_navigation():
        browser_page.keyboard.press("a")
    assert states(own_stocked, digests[:3]) == ["approved", "approved", "proposed"]
    for key in ("j", "j", "j", "r"):
        browser_page.keyboard.press(key)
    browser_page.get_by_text("write the reason first").wait_for()
    browser_page.keyboard.type("the logo is old")
    with browser_page.expect_navigation():
        browser_page.get_by_role("button", name="Reject").click()
    assert states(own_stocked, digests[2:3]) == ["rejected"]


def test_a_variant_is_commented_on_by_mouse(own_stocked: Workspace, own_address: str, browser_page: "Page") -> None:
    campaign, digests = variants(own_stocked)
    review(own_stocked.store, "spring", [digests[0]], ReviewAct.APPROVE, by="ada")
    for path in ("/reviews", f"/campaigns/{campaign}/review", f"/campaigns/{campaign}/review/{digests[0]}"):
        browser_page.goto(own_address + path)
        assert serious_findings(browser_page) == []
        assert overflow(browser_page) <= 0
    browser_page.get_by_label("Reason or comment").fill(EVIL)
    browser_page.get_by_role("button", name="Comment").click()
    browser_page.get_by_text("onerror=alert(1)").wait_for()
    assert "owned" not in browser_page.title()
