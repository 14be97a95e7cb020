"""Every page in a browser: without serious findings of axe-core, as wide as the window, its main task by two hands.

A person is at a desk or has a phone, and uses a mouse or nothing but the keyboard. Two of the four ways run by default,
all of them with the long tests; what they do is written once.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from abkit import Workspace
from abkit.store.schema import Campaign, Creative, CreativeAlias
from abkit.workflows.active_model import register_checkpoint
from abkit.workflows.leaderboard.refresh import refresh_leaderboard
from abkit.workflows.ratings.rater_links import make_link
from abkit.workflows.upkeep.people import add_person
from abkit_model.checkpoint import default_checkpoint, load, save
from tests.web.accessibility import overflow, serious_findings
from tests.web.conftest import NARROW, PASSWORD, WIDE, Serve
from tests.web.hands import Hands

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LOOKS = (
    ("wide", "light"),
    ("narrow", "dark"),
    pytest.param(("wide", "dark"), marks=pytest.mark.long),
    pytest.param(("narrow", "light"), marks=pytest.mark.long),
)
WAYS = (
    ("wide", "mouse"),
    ("narrow", "keyboard"),
    pytest.param(("wide", "keyboard"), marks=pytest.mark.long),
    pytest.param(("narrow", "mouse"), marks=pytest.mark.long),
)
PAGES = (
    "/", "/campaigns", "/campaigns?q=nothing", "/campaigns/1", "/campaigns/1/pair?creative=1&creative=2",
    "/campaigns/1/review", "/campaigns/1/review/{sha256}", "/creatives/{sha256}", "/creatives/{sha256}/preflight",
    "/label", "/label?way=one", "/reviews", "/experiments", "/experiment?key=headline", "/drift", "/drift/{check}",
    "/models", "/kpis", "/kpis/1", "/links", "/alerts?resolved=true", "/alerts/1", "/jobs", "/job?key=imports",
    "/upload", "/raters", "/people", "/no/such/page",
)  # fmt: skip
EMPTY = (
    "/", "/campaigns", "/label", "/reviews", "/experiments", "/drift", "/models", "/kpis", "/links", "/alerts", "/jobs",
    "/raters",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """A copy of the stocked workspace, and where it is served: to this machine, and to people who sign in."""

    workspace: Workspace
    address: str
    to_others: str


@pytest.fixture(scope="module", params=WAYS, ids=lambda one: "-".join(one))
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """How wide the window is, and what is used."""
    return request.param


@pytest.fixture(scope="module")
def place(
    way: tuple[str, str], stocked: Workspace, tmp_path_factory: pytest.TempPathFactory, servers: Serve
) -> Iterator[Place]:
    """A copy for one way of doing things, with a version that can be promoted and an import that can be undone."""
    folder = tmp_path_factory.mktemp("place")
    with (
        closing(sqlite3.connect(stocked.settings.workspace / "abkit.db")) as source,
        closing(sqlite3.connect(folder / "abkit.db")) as copy,
    ):
        source.backup(copy)
    export = folder / "week-9.csv"
    export.write_text("day,ad_id,impressions,clicks,spend\n2026-01-01,a1,1000,10,5.00\n")
    with Workspace.create(folder) as made:
        shipped = load(default_checkpoint())
        save(replace(shipped, card=replace(shipped.card, name="second")), folder / "models" / "second")
        for checkpoint in (default_checkpoint(), folder / "models" / "second"):
            register_checkpoint(made.store, checkpoint)
        made.import_kpis([export])
        yield Place(workspace=made, address=servers(made), to_others=servers(made, local=False))


@pytest.fixture(scope="module")
def hands(way: tuple[str, str], browser: "Browser", place: Place) -> Iterator[Hands]:
    """Somebody in front of that copy; what a script or the policy of the page complains about fails the test."""
    width, by = way
    page = browser.new_page(viewport=WIDE if width == "wide" else NARROW)
    page.set_default_timeout(10_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    yield Hands(page, place.address, keyboard=by == "keyboard")
    page.close()
    assert not faults


@pytest.fixture(scope="module", params=LOOKS, ids=lambda one: "-".join(one))
def look(request: pytest.FixtureRequest, browser: "Browser") -> Iterator["Page"]:
    """A page on a desk or a phone, light or dark."""
    width, scheme = request.param
    page = browser.new_page(viewport=WIDE if width == "wide" else NARROW, color_scheme=scheme)
    yield page
    page.close()


def faults_of(page: "Page", address: str, path: str) -> list[str]:
    """Return what is wrong with a page: serious findings, its width, headings out of order, no title of its own."""
    page.goto(address + path)
    found = serious_findings(page)
    if wide := overflow(page):
        found.append(f"{wide} pixels wider than the window")
    levels = page.eval_on_selector_all("main :is(h1, h2, h3, h4)", "found => found.map((one) => +one.tagName[1])")
    if levels[:1] != [1] or any(after > before + 1 for before, after in pairwise(levels)):
        found.append(f"headings {levels}")
    if page.title() in ("", "abkit"):
        found.append("no title")
    return found


def test_every_page_is_free_of_serious_findings_and_fits(look: "Page", address: str, stocked: Workspace) -> None:
    with stocked.store.read() as session:
        sha256 = session.scalars(select(Creative.sha256).order_by(Creative.id)).first()
    look.goto(address + "/drift")
    check = look.locator("td a").first.get_attribute("href") or ""
    paths = [one.format(sha256=sha256, check=check.rsplit("/", 1)[-1]) for one in PAGES]
    assert {path: found for path in paths if (found := faults_of(look, address, path))} == {}


def test_an_empty_workspace_says_on_every_page_what_to_do_next(
    look: "Page", empty_workspace: Path, tmp_path: Path, servers: Serve
) -> None:
    shutil.copytree(empty_workspace, tmp_path / "shop")
    with Workspace.open(tmp_path / "shop") as shop:
        address = servers(shop)
        assert {path: found for path in EMPTY if (found := faults_of(look, address, path))} == {}
        look.goto(address + "/")
        look.get_by_role("main").get_by_role("link", name="upload them").click()
        assert look.url == address + "/upload"


def test_names_without_a_blank_are_cut_nowhere_and_make_no_page_wider_than_a_phone(
    look: "Page", own_stocked: Workspace, servers: Serve
) -> None:
    long = "SpringSummerAutumnWinterProspectingRetargeting" * 2
    with own_stocked.store.write() as session:
        session.execute(update(Campaign).where(Campaign.id == 1).values(key=long, name=long))
        session.execute(update(CreativeAlias).where(CreativeAlias.creative_id < 3).values(name=f"{long}.png"))
    make_link(own_stocked.store, "R" * 80, campaign=long)
    add_person(own_stocked.store, "P" * 80, "reviewer", PASSWORD)
    refresh_leaderboard(own_stocked.store, own_stocked.settings, 1)
    paths = (
        "/", "/campaigns", "/campaigns/1", "/campaigns/1/review", "/campaigns/1/pair?creative=1&creative=2", "/reviews",
        "/raters", "/people", "/label?campaign=1",
    )  # fmt: skip
    address = servers(own_stocked)
    assert {path: found for path in paths if (found := faults_of(look, address, path))} == {}
    look.goto(address + "/raters")
    button = look.get_by_role("button", name="Revoke").first
    assert button.evaluate("(one) => one.scrollWidth <= one.clientWidth && one.offsetHeight < 50")


def test_a_stranger_and_a_rater_see_pages_without_serious_findings(
    look: "Page", own_stocked: Workspace, servers: Serve
) -> None:
    token = make_link(own_stocked.store, "eve", campaign="spring").token
    address = servers(own_stocked, local=False)
    look.goto(address + "/label/link/no-such-link")
    assert look.get_by_text("ask the person who sent it").is_visible()
    assert look.get_by_role("main").get_by_role("link").count() == 0  # a rater has no account to sign in with
    paths = ("/sign-in", "/label/link/no-such-link", f"/label/link/{token}", "/label", "/label?way=one", "/campaigns")
    assert {path: found for path in paths if (found := faults_of(look, address, path))} == {}
    assert look.get_by_role("heading", level=1).inner_text() == "Sign in"  # the last: a rater's link opens nothing else


# --- main tasks -----------------------------------------------------------------------------------------------------


def take_on_what_needs_a_person(hands: Hands) -> None:
    hands.open("/")
    hands.press(hands.link("Images have moved"))
    hands.press(hands.button("I am on it"))
    hands.sees("Acknowledged by local.")
    hands.write(hands.page.get_by_label("Why"), "a holiday")
    hands.press(hands.button("Silence it"))
    hands.sees("Silenced until")
    assert "a holiday" in hands.page.locator("main").inner_text()


def go_somewhere_by_the_menu(hands: Hands) -> None:
    hands.open("/campaigns/1")
    menu = hands.button("Menu")
    if menu.is_visible():
        hands.press(menu)
    hands.press(hands.page.locator("#menu").get_by_role("link", name="Jobs"))
    hands.page.wait_for_url("**/jobs")
    assert hands.page.locator("#menu [aria-current=page]").text_content() == "Jobs"


def find_a_creative_of_a_campaign(hands: Hands) -> None:
    hands.open("/campaigns")
    hands.press(hands.link("spring"))
    hands.choose(hands.page.get_by_label("Sort by"), "CTR")
    hands.write(hands.page.get_by_role("searchbox", name="Name"), "spring_05")
    hands.press(hands.button("Show"))
    hands.page.wait_for_url("**order=ctr**q=spring_05**")
    assert hands.page.locator("td.who").count() == 1
    hands.press(hands.page.locator("td.who a").first)
    hands.page.wait_for_url("**/creatives/*")
    assert hands.page.get_by_role("heading", level=1).inner_text() == "spring_05.png"


def compare_two(hands: Hands) -> None:
    hands.open("/campaigns/1?order=ctr")
    boxes = hands.page.locator("input[name=creative]")
    hands.press(boxes.nth(0), "Space")
    hands.press(boxes.nth(1), "Space")
    hands.press(hands.button("Compare the two chosen"))
    hands.page.wait_for_url("**/pair**")
    assert hands.page.get_by_role("heading", level=1).inner_text() == "Side by side"


def choose_the_better(hands: Hands) -> None:
    hands.open("/label?campaign=1")
    hands.press(hands.button("Left is better"))
    hands.sees("1 answered")
    if hands.keyboard:
        hands.page.keyboard.press("ArrowRight")
    else:
        hands.button("Right is better").click()
    hands.sees("2 answered")
    hands.press(hands.button("Undo"))
    hands.sees("1 answered")


def rate_one(hands: Hands) -> None:
    hands.open("/label?campaign=1&way=one")
    hands.press(hands.page.locator(".scale button").nth(3))
    hands.sees("1 answered")


def reject_a_variant(hands: Hands) -> None:
    hands.open("/reviews")
    hands.press(hands.link("autumn"))
    hands.page.wait_for_url("**/review")
    hands.press(hands.page.get_by_label("Select autumn_03.png"), "Space")
    hands.sees("1 selected")
    hands.press(hands.button("Reject"))
    hands.sees("write the reason first")
    hands.write(hands.page.get_by_label("Reason"), "the logo is old")
    hands.press(hands.button("Reject"))
    hands.press(hands.link("Rejected 1"))
    hands.sees("the logo is old")


def make_a_rater_a_link_and_train(hands: Hands) -> None:
    hands.open("/raters")
    hands.write(hands.page.get_by_label("Name"), "ann")
    hands.press(hands.button("Make the link"))
    assert "/label/link/" in hands.page.locator("code.secret").inner_text()
    hands.press(hands.button("Revoke the link of ann"))
    hands.sees("revoked")
    hands.press(hands.button("Train a challenger"))
    hands.sees("Asked for by local")


def decide_about_an_experiment(hands: Hands) -> None:
    hands.open("/experiments")
    hands.press(hands.link("headline"))
    hands.choose(hands.page.get_by_label("Decision"), "undecided")
    hands.write(hands.page.get_by_label("Why"), "the arms are not alike")
    hands.press(hands.button("Write it down"))
    hands.sees("the arms are not alike")


def see_what_moved(hands: Hands) -> None:
    hands.open("/drift")
    hands.press(hands.link("What moved"))
    hands.page.wait_for_url("**/drift/*")
    chart = hands.page.locator("div.chart").last
    chart.scroll_into_view_if_needed()
    chart.locator("svg").first.wait_for(state="attached")
    assert (serious_findings(hands.page), overflow(hands.page)) == ([], 0)


def promote_and_roll_back(hands: Hands) -> None:
    hands.open("/models")
    champion = hands.page.locator("section", has=hands.page.locator("#champion")).locator("b")
    for name in ("default", "second"):
        row = hands.page.locator("tr", has=hands.page.locator("details"), has_text=name)
        hands.press(row.locator("summary"))
        hands.write(row.locator("input[name=why]"), "it picks better")
        hands.press(row.get_by_role("button", name="Make it the champion"))
        hands.sees(f"{name} scores everything")
    hands.press(hands.page.locator("summary", has_text="Roll back"))
    hands.write(hands.page.locator("section details[open] input[name=why]").first, "it does not")
    hands.press(hands.button("Roll back"))
    hands.sees("default scores everything")
    assert champion.inner_text() == "default"


def undo_an_import(hands: Hands) -> None:
    hands.open("/kpis")
    hands.press(hands.link("week-9.csv"))
    hands.press(hands.button("Undo this import"))
    hands.sees("Taken back on")


def link_an_ad(hands: Hands) -> None:
    hands.open("/links")
    row = hands.page.locator("tr", has_text="unknown_a.png")
    hands.write(row.locator("input[name=creative]"), "spring_55.png")
    hands.press(row.get_by_role("button", name="Link"))
    row.wait_for(state="detached")


def run_a_job(hands: Hands) -> None:
    hands.open("/jobs")
    hands.press(hands.link("check"))
    before = hands.page.locator("dl.facts").inner_text()
    hands.press(hands.button("Run it now"))
    hands.sees_other_than(before, hands.page.locator("dl.facts"))


def add_a_person(hands: Hands) -> None:
    hands.open("/people")
    hands.write(hands.page.get_by_label("Name", exact=True), "nora")
    hands.choose(hands.page.locator("form[action$='/people'] select"), "reviewer")
    hands.write(hands.page.get_by_label("Password"), PASSWORD)
    hands.press(hands.button("Add"))
    hands.sees("nora as reviewer")


TASKS = (
    take_on_what_needs_a_person, go_somewhere_by_the_menu, find_a_creative_of_a_campaign, compare_two,
    choose_the_better, rate_one, reject_a_variant, make_a_rater_a_link_and_train, decide_about_an_experiment,
    see_what_moved, promote_and_roll_back, undo_an_import, link_an_ad, run_a_job, add_a_person,
)  # fmt: skip


@pytest.mark.parametrize("task", TASKS, ids=lambda one: one.__name__)
def test_the_main_task_of_a_page_is_done(task: Callable[[Hands], None], hands: Hands) -> None:
    task(hands)


def test_somebody_signs_in_makes_a_token_and_signs_out(hands: Hands, place: Place) -> None:
    add_person(place.workspace.store, f"vera {hands.keyboard}", "viewer", PASSWORD)
    there = Hands(hands.page, place.to_others, keyboard=hands.keyboard)
    there.open("/models")
    there.write(there.page.get_by_label("Name"), f"vera {hands.keyboard}")
    there.write(there.page.get_by_label("Password"), PASSWORD)
    there.press(there.button("Sign in"))
    there.page.wait_for_url("**/models")
    there.press(there.link("vera"))
    there.write(there.page.get_by_label("What it is for"), "search")
    there.press(there.button("Make a token"))
    there.sees("abkit_")
    assert (serious_findings(there.page), overflow(there.page)) == ([], 0)
    there.press(there.button("Sign out"))
    there.page.wait_for_url("**/sign-in*")


def test_dragging_over_the_chart_chooses_creatives(look: "Page", address: str) -> None:
    look.goto(address + "/campaigns/1")
    chart = look.locator("svg.chart").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    look.mouse.move(box["x"] + box["width"] - 2, box["y"] + 2)
    look.mouse.down()
    look.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5, steps=4)
    look.mouse.up()
    look.wait_for_url("**score_min=**")
    assert 0 < look.locator("td.who").count() < 40
    assert look.locator("#choose input[name=score_min]").input_value()


def test_an_export_is_chosen_looked_at_and_handed_to_the_daemon(hands: Hands, tmp_path: Path) -> None:
    export = tmp_path / "week.csv"
    export.write_text("day,ad_id,impressions,clicks,spend\n2026-01-02,a1,1000,10,5.00\n")
    hands.open("/upload")
    hands.page.locator("form[action$=exports] input[type=file]").set_input_files(export)
    hands.sees("1 file")
    hands.press(hands.button("Upload and look at them"))
    hands.sees("1 row: 1 would land")
    assert (serious_findings(hands.page), overflow(hands.page)) == ([], 0)
    hands.choose(hands.page.get_by_label("spend is read as"), "revenue")
    hands.press(hands.page.get_by_role("button", name="Import", exact=True))
    hands.sees("the daemon takes it within seconds")
    assert (serious_findings(hands.page), overflow(hands.page)) == ([], 0)


def test_files_that_are_too_much_at_once_are_told_before_they_are_sent(
    look: "Page", own_stocked: Workspace, servers: Serve, tmp_path: Path
) -> None:
    web = own_stocked.settings.web.model_copy(update={"max_upload_mb": 1})
    with Workspace(own_stocked.settings.model_copy(update={"web": web})) as small:
        address = servers(small)
        export = tmp_path / "month.csv"
        export.write_bytes(b"day,ad_id\n" + b"x" * 2_000_000)
        look.goto(address + "/upload")
        look.locator("form[action$=exports] input[type=file]").set_input_files(export)
        look.get_by_text("1 file, 2 MB: more than the 1 MB that can be sent at once").wait_for()
        look.get_by_role("button", name="Upload and look at them").click()
        assert look.url == address + "/upload"
        week = tmp_path / "week.csv"
        week.write_bytes(b"day,ad_id\n")
        look.locator("form[action$=exports] input[type=file]").set_input_files(week)
        look.get_by_text("1 file", exact=True).wait_for()
        assert look.locator("form[action$=exports] input[type=file]").evaluate("(one) => one.checkValidity()")


def test_a_field_that_is_dragged_onto_a_column_is_chosen_for_it(look: "Page", own_address: str, tmp_path: Path) -> None:
    export = tmp_path / "week.csv"
    export.write_text("day,ad_id,impressions,clicks,spend\n2026-01-01,a1,1000,10,5.00\n")
    look.goto(own_address + "/upload")
    look.locator("form[action$=exports] input[type=file]").set_input_files(export)
    look.get_by_role("button", name="Upload and look at them").click()
    chosen = look.get_by_label("spend is read as")
    assert chosen.input_value() == "spend"
    size = look.viewport_size
    assert size is not None
    look.set_viewport_size({"width": size["width"], "height": 3000})  # a hand cannot drag to what is not in sight
    look.locator("[data-field=revenue]").drag_to(look.locator("tr", has=chosen))
    assert chosen.input_value() == "revenue"
    assert "used" in (look.locator("[data-field=revenue]").get_attribute("class") or "")
    assert "used" not in (look.locator("[data-field=spend]").get_attribute("class") or "")
    look.set_viewport_size(size)
