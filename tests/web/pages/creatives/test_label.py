"""The page that people label on: by keyboard and touch, and by a link that opens nothing else."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select, update

from abkit import Workspace
from abkit.store.ratings.links import SOURCE
from abkit.store.schema import Campaign, Comparison, Creative, LabelQuestion, Rater, RaterLink, Rating, RatingSource
from abkit.web.access.guard import SIGN_INS_PER_MINUTE
from abkit.web.app import create_app
from abkit.workflows.ratings.queue import ensure_rater
from abkit.workflows.ratings.rater_links import make_link, revoke_links
from tests.web.accessibility import serious_findings
from tests.web.conftest import code_of, submit

if TYPE_CHECKING:
    from playwright.sync_api import Page

ORIGIN = {"origin": "http://127.0.0.1"}


def votes(shop: Workspace) -> list[Comparison]:
    """Comparisons that were made on the page."""
    with shop.store.read() as session:
        own = select(Comparison).join(Rater, Rater.id == Comparison.rater_id)
        own = own.join(RatingSource, RatingSource.id == Rater.rating_source_id).where(RatingSource.key == SOURCE)
        return list(session.scalars(own.order_by(Comparison.id)))


def question_on(page: str) -> str:
    found = re.search(r'name="question" value="(\d+)"', page)
    assert found, page
    return found.group(1)


def asked_about(shop: Workspace, question: str) -> LabelQuestion:
    with shop.store.read() as session:
        return session.get_one(LabelQuestion, int(question))


def campaign_of(shop: Workspace, key: str) -> int:
    with shop.store.read() as session:
        return session.scalars(select(Campaign.id).where(Campaign.key == key)).one()


@pytest.fixture
def rated_by_link(own_stocked: Workspace) -> Callable[..., TestClient]:
    """Open a rater's link in a new browser of another machine."""
    app = create_app(own_stocked.settings, local=False)

    def open_link(token: str) -> TestClient:
        browser = TestClient(app, base_url="https://ads.example", follow_redirects=False)
        answer = browser.get(f"/label/link/{token}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/label")
        return browser

    return open_link


def test_a_vote_by_plain_form_lands_and_leads_to_the_next_question(own_stocked: Workspace, editor: TestClient) -> None:
    first = editor.get("/label")
    assert first.status_code == 200
    number = question_on(first.text)
    answer = submit(editor, "/label/vote", on="/label", question=number, answer="left")
    assert question_on(answer.text) != number
    assert "1 answered" in answer.text
    (vote,) = votes(own_stocked)
    asked = asked_about(own_stocked, number)
    assert (vote.share == 1.0) == (asked.left_id < (asked.right_id or 0))
    again = submit(editor, "/label/vote", on="/label", question=number, answer="right")
    assert again.status_code == 200
    assert len(votes(own_stocked)) == 1
    back = submit(editor, "/label/undo", on="/label")
    assert question_on(back.text) == number
    assert votes(own_stocked) == []


def test_a_vote_of_a_script_is_answered_with_the_next_question_alone(editor: TestClient) -> None:
    page = editor.get("/label").text
    fields = {"csrf": code_of(page), "question": question_on(page), "answer": "tie"}
    answer = editor.post("/label/vote", data=fields, headers=ORIGIN | {"hx-request": "true"})
    assert answer.text.lstrip().startswith('<div id="label"')
    assert "<html" not in answer.text


def test_a_vote_that_is_not_valid_is_refused_in_a_sentence(own_stocked: Workspace, editor: TestClient) -> None:
    page = editor.get("/label").text
    wrong = (
        ({"answer": "both"}, 422), ({"answer": "7"}, 422), ({"answer": ""}, 422), ({"question": "999999"}, 400),
        ({"question": "x"}, 422), ({"question": "9" * 30}, 422), ({"campaign": "999999"}, 400),
        ({"campaign": "9" * 30}, 422), ({"answer": "x" * 99}, 422),
    )  # fmt: skip
    for fields, status in wrong:
        sent = {"csrf": code_of(page), "question": question_on(page), "answer": "left"} | fields
        assert editor.post("/label/vote", data=sent, headers=ORIGIN).status_code == status, fields
    assert votes(own_stocked) == []


def test_one_creative_is_rated_by_a_scale(own_stocked: Workspace, editor: TestClient) -> None:
    page = editor.get("/label?way=one").text
    assert [int(one) for one in re.findall(r'name="answer" value="(\d)"', page)] == list(range(1, 8))
    submit(editor, "/label/vote", on="/label?way=one", question=question_on(page), answer="6", way="one")
    with own_stocked.store.read() as session:
        assert session.scalars(select(Rating.score)).all() == [6.0]


def test_a_link_opens_labeling_and_nothing_else(
    own_stocked: Workspace, rated_by_link: Callable[..., TestClient]
) -> None:
    made = make_link(own_stocked.store, "<img src=x onerror=alert(1)>", campaign="spring")
    browser = rated_by_link(made.token)
    page = browser.get("/label")
    assert page.status_code == 200
    assert "<img src=x" not in page.text
    assert made.token not in page.text
    assert "autumn" not in page.text, "a rater learns which campaigns there are"
    places = set(re.findall(r'(?:href|action|hx-get|hx-post|src)="([^"?#]*)', page.text)) - {"", "data:,"}
    assert all(one.startswith(("/label", "/static/")) for one in places), places
    voted = submit(browser, "/label/vote", on="/label", question=question_on(page.text), answer="left")
    assert voted.status_code == 303
    assert len(votes(own_stocked)) == 1
    for path in ("/", "/account", "/people", "/raters", "/reviews", "/campaigns/1", "/api/v1/campaigns"):
        assert browser.get(path).status_code in (303, 401, 403, 404), path
    sha = browser.get(f"/images/{'0' * 64}/240.jpg", headers={"cookie": f"abkit_rater={made.token}"})
    assert sha.status_code in (303, 401, 403)
    for path in ("/raters", "/raters/train", "/label/../people"):
        cookie = {"cookie": f"abkit_rater={made.token}"}
        assert browser.post(path, data={"name": "x"}, headers=cookie).status_code in (303, 401, 403, 404, 405), path


def test_a_link_takes_votes_on_its_page_alone(own_stocked: Workspace, rated_by_link: Callable[..., TestClient]) -> None:
    """A program may send judgments about anything: a link is not the key to that."""
    made = make_link(own_stocked.store, "ann", campaign="spring")
    browser = rated_by_link(made.token)
    said = code_of(browser.get("/label").text)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    assert made.token in cookies
    headers = {"cookie": cookies, "origin": "https://ads.example", "x-csrf-token": said}
    own = select(Creative.sha256).order_by(Creative.id).limit(2)
    with own_stocked.store.read() as session:
        first, second = session.scalars(own)
    bodies: dict[str, Any] = {
        "ratings": {"scale": [1, 7], "ratings": [{"sha256": first, "score": 7}]},
        "comparisons": {"comparisons": [{"first": first, "second": second, "choice": "first"}]},
    }
    for path, body in bodies.items():
        assert browser.get(f"/api/v1/{path}", headers=headers).status_code == 401
        assert browser.post(f"/api/v1/{path}", json=body, headers=headers).status_code == 401
    assert browser.get("/labels", headers=headers).status_code == 404
    assert votes(own_stocked) == []


def test_the_cookie_of_a_link_is_sent_to_the_pages_of_labeling_alone(own_stocked: Workspace) -> None:
    web = own_stocked.settings.web.model_copy(update={"prefix": "/abkit"})
    token = make_link(own_stocked.store, "ann").token
    for settings, prefix in (
        (own_stocked.settings, ""),
        (own_stocked.settings.model_copy(update={"web": web}), "/abkit"),
    ):
        app = create_app(settings, local=False)
        browser = TestClient(app, base_url="https://ads.example", follow_redirects=False)
        opened = browser.get(f"{prefix}/label/link/{token}")
        parts = {one.strip().lower() for one in opened.headers["set-cookie"].split(";")[1:]}
        assert parts >= {"httponly", "secure", "samesite=lax", f"path={prefix}/label"}
        assert browser.get(f"{prefix}/label").status_code == 200
        left = submit(browser, f"{prefix}/label/leave", on=f"{prefix}/label")
        assert left.status_code == 200
        assert "abkit_rater" not in browser.cookies


def test_links_cannot_be_guessed_without_end(own_stocked: Workspace) -> None:
    """And one that was made still opens, for those who have guessed nothing."""
    app = create_app(own_stocked.settings, local=False)
    guesser = TestClient(app, base_url="https://ads.example", follow_redirects=False, client=("203.0.113.5", 1))
    statuses = [guesser.get(f"/label/link/{number:043}").status_code for number in range(SIGN_INS_PER_MINUTE + 2)]
    assert (statuses[0], statuses[-1]) == (404, 429)
    made = make_link(own_stocked.store, "ann")
    other = TestClient(app, base_url="https://ads.example", follow_redirects=False, client=("203.0.113.6", 1))
    assert other.get(f"/label/link/{made.token}").status_code == 303


def test_a_link_shows_creatives_of_its_campaign_only(
    own_stocked: Workspace, rated_by_link: Callable[..., TestClient]
) -> None:
    browser = rated_by_link(make_link(own_stocked.store, "ann", campaign="spring").token)
    autumn, spring = (campaign_of(own_stocked, key) for key in ("autumn", "spring"))
    page = browser.get(f"/label?campaign={autumn}")
    asked = asked_about(own_stocked, question_on(page.text))
    assert asked.campaign_id == spring, "the address chose another campaign"
    assert browser.get(f"/label/images/{asked.id}/left.jpg").headers["content-type"] == "image/jpeg"

    # The same rater has questions of other campaigns as well, and another rater has some of this one: put into
    # their queues by hand, because which ones a queue would choose, and whether any is left, is left to chance.
    raters = {name: ensure_rater(own_stocked.store, name) for name in ("ann", "ben")}
    with own_stocked.store.write() as session:
        others = [
            LabelQuestion(
                rater_id=raters[rater], campaign_id=about, run_id=asked.run_id, number=1_000,
                left_id=asked.left_id, tells=asked.tells, asked_at=asked.asked_at,
            )
            for rater, about in (("ann", None), ("ben", spring))
        ]  # fmt: skip
        session.add_all(others)
        session.flush()
        theirs, of_ben = (one.id for one in others)
    for question in (theirs, of_ben, 999_999):
        assert browser.get(f"/label/images/{question}/left.jpg").status_code == 404
        refused = submit(browser, "/label/vote", on="/label", question=str(question), answer="left")
        assert refused.status_code == 400
    assert votes(own_stocked) == []


def test_unknown_expired_and_revoked_links_get_the_same_answer(own_stocked: Workspace) -> None:
    expired, revoked = (make_link(own_stocked.store, name) for name in ("ann", "ben"))
    with own_stocked.store.write() as session:
        past = datetime.now(UTC) - timedelta(minutes=1)
        session.execute(update(RaterLink).where(RaterLink.id == expired.number).values(expires_at=past))
    revoke_links(own_stocked.store, number=revoked.number)
    app = create_app(own_stocked.settings, local=False)
    answers = []
    for token in (expired.token, revoked.token, "x" * 43, "a", "%00", "x" * 3000):
        browser = TestClient(app, base_url="https://ads.example", follow_redirects=False)
        answer = browser.get(f"/label/link/{token}")
        assert "abkit_rater" not in answer.headers.get("set-cookie", "")
        answers.append((answer.status_code, re.sub(r"[0-9a-f]{64}", "", answer.text)))
        browser.cookies.set("abkit_rater", token if token.isalnum() or "-" in token or "_" in token else "x")
        assert browser.get("/label").status_code in (303, 401)
    assert len(set(answers)) == 1
    assert answers[0][0] == 404


def test_a_link_that_is_revoked_while_somebody_labels_takes_no_further_vote(
    own_stocked: Workspace, rated_by_link: Callable[..., TestClient]
) -> None:
    browser = rated_by_link(make_link(own_stocked.store, "ann").token)
    page = browser.get("/label").text
    revoke_links(own_stocked.store, name="ann")
    fields = {"csrf": code_of(page), "question": question_on(page), "answer": "left"}
    assert browser.post("/label/vote", data=fields, headers={"origin": "https://ads.example"}).status_code in (303, 401)
    assert votes(own_stocked) == []


def test_a_vote_from_a_form_of_another_page_is_refused(
    own_stocked: Workspace, rated_by_link: Callable[..., TestClient]
) -> None:
    browser = rated_by_link(make_link(own_stocked.store, "ann").token)
    page = browser.get("/label").text
    fields = {"question": question_on(page), "answer": "left"}
    for extra, headers in (
        ({"csrf": "0" * 64}, {"origin": "https://ads.example"}),
        ({}, {"origin": "https://ads.example"}),
        ({"csrf": code_of(page)}, {"origin": "https://evil.example"}),
    ):
        assert browser.post("/label/vote", data=fields | extra, headers=headers).status_code == 403
    assert votes(own_stocked) == []


def test_a_vote_asks_the_store_little_and_plans_seldom(own_stocked: Workspace, editor: TestClient) -> None:
    page = editor.get("/label").text
    code = code_of(page)
    asked: list[int] = []
    engine = editor.app.state.workspace.store.engine  # type: ignore[attr-defined]

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked[-1] += not statement.startswith(("PRAGMA", "BEGIN"))

    event.listen(engine, "before_cursor_execute", count)
    try:
        for _ in range(20):
            asked.append(0)
            fields = {"csrf": code, "question": question_on(page), "answer": "left"}
            page = editor.post("/label/vote", data=fields, headers=ORIGIN | {"hx-request": "true"}).text
    finally:
        event.remove(engine, "before_cursor_execute", count)
    # A plan of fifteen questions reads the pool; the votes between two plans do not.
    assert sorted(asked)[len(asked) // 2] <= 20
    assert sum(one > 25 for one in asked) <= 4, " ".join(map(str, asked))
    with own_stocked.store.read() as session:
        repeats = select(func.count()).where(LabelQuestion.repeats_id.is_not(None))
        assert session.scalars(repeats).one() >= 1


# --- in a browser ---------------------------------------------------------------------------------------------------


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_people_label_by_keyboard_and_take_an_answer_back(
    own_stocked: Workspace, own_address: str, browser_page: "Page"
) -> None:
    browser_page.goto(f"{own_address}/label")
    shown = browser_page.locator("input[name=question]")
    asked = []
    for key, count in (("ArrowLeft", 1), ("ArrowRight", 2), ("ArrowDown", 3), (" ", 4)):
        asked.append(shown.input_value())
        browser_page.keyboard.press(key)
        browser_page.get_by_text(f"{count} answered").wait_for()
    chosen = [asked_about(own_stocked, one).answer for one in asked]
    assert chosen == ["left", "right", "tie", "tie"]
    browser_page.keyboard.press("u")
    browser_page.get_by_text("3 answered").wait_for()
    assert shown.input_value() == asked[-1]
    assert len(votes(own_stocked)) == 3
    browser_page.get_by_text("By chance alone").wait_for()
    assert browser_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_people_label_by_touching_the_better_image(
    own_stocked: Workspace, own_address: str, browser_page: "Page"
) -> None:
    browser_page.goto(f"{own_address}/label")
    assert serious_findings(browser_page) == []
    right = browser_page.get_by_role("button", name="Right is better")
    box = right.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 150
    for target in browser_page.locator("#label button").all():
        size = target.bounding_box()
        assert size is not None
        assert size["height"] >= 44
    right.click()
    browser_page.get_by_text("1 answered").wait_for()
    wait_for(lambda: len(votes(own_stocked)) == 1)
    browser_page.goto(f"{own_address}/label?way=one")
    assert serious_findings(browser_page) == []
    browser_page.keyboard.press("5")
    browser_page.get_by_text("1 answered").wait_for()
