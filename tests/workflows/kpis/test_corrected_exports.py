"""A later export that corrects the days of an earlier one, and says something else in another way or not at all."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from abkit.config import Settings
from abkit.reporting.page.gather import gather
from abkit.store import experiments
from abkit.store.database.engine import Store
from abkit.store.kpis import other_values
from abkit.store.kpis.delivery import delivery_rows
from abkit.store.kpis.once.publishers import agree_on_platform
from abkit.store.kpis.spellings import value_key
from abkit.store.schema import Ad, Kpi, KpiRevision, Segment
from abkit.workflows.correlate import correlate
from abkit.workflows.drift.check import check_drift
from abkit.workflows.kpis.imports import undo_import
from tests.kpi_files import add_creatives, run_import, write

DAYS = [f"2026-03-{number:02d}" for number in range(1, 7)]
# Day, ad, impressions, clicks, conversions, spend.
Row = tuple[str, str, int, int, int, float]
ROWS: list[Row] = [
    (day, f"12021{ad:08d}", 1500 + 211 * at + 97 * ad, 30 + 7 * at + ad, 3 + at % 3, 12.5 + at)
    for at, day in enumerate(DAYS)
    for ad in range(1, 4)
]
HEADER = "Day,Ad ID,Campaign name,Impressions,Clicks,Conversions,Spend,Currency,event"


def corrected(rows: list[Row], more: int) -> list[Row]:
    return [(day, ad, shown + more, *rest) for day, ad, shown, *rest in rows]  # type: ignore[misc]


def export(rows: list[Row], campaign: str = "spring", leave: tuple[str, ...] = ()) -> str:
    cells = [
        dict(zip(HEADER.split(","), (d, a, campaign, i, c, v, s, "EUR", "purchase"), strict=True))
        for d, a, i, c, v, s in rows
    ]
    kept = [name for name in HEADER.split(",") if name not in leave]
    return "\n".join([",".join(kept), *(",".join(str(row[name]) for name in kept) for row in cells)]) + "\n"


def split(rows: list[Row], column: str, values: tuple[str, str], more: int = 0) -> str:
    lines = [f"Day,Ad ID,Campaign name,{column},Impressions,Clicks,Conversions,Spend,Currency"]
    for d, a, i, c, v, s in rows:
        lines.append(f"{d},{a},spring,{values[0]},{i // 3 + more},{c // 3},{v},{s},EUR")
        lines.append(f"{d},{a},spring,{values[1]},{i - i // 3},{c - c // 3},0,0,EUR")
    return "\n".join(lines) + "\n"


def sums(rows: list[Row]) -> tuple[int, int, float, float]:
    return sum(r[2] for r in rows), sum(r[3] for r in rows), float(sum(r[4] for r in rows)), sum(r[5] for r in rows)


def counted(store: Store) -> tuple[int, int, float, float]:
    names = ("impressions", "clicks", "conversions", "spend")
    with store.read() as session:
        figures = (func.coalesce(func.sum(getattr(Kpi, name)), 0) for name in names)
        shown, clicks, conversions, spend = session.execute(select(*figures).where(Kpi.left_out == "")).one()
    return int(shown), int(clicks), float(conversions), float(spend)


def take(store: Store, folder: Path, name: str, content: str, **options: object) -> list[str]:
    (summary,) = run_import(store, write(folder / name, content), **options)
    assert summary.error is None
    assert not summary.rejected
    return list(summary.notes)


@pytest.mark.parametrize("overlap", [1, 2, 6])
def test_a_campaign_that_was_renamed_between_two_nights_counts_its_corrected_days_once(
    store: Store, tmp_path: Path, overlap: int
) -> None:
    first, second = DAYS[:3], DAYS[3 - overlap if overlap < 3 else 0 :]
    now = corrected([row for row in ROWS if row[0] in second], 4)
    take(store, tmp_path, "1.csv", export([row for row in ROWS if row[0] in first]))
    take(store, tmp_path, "2.csv", export(now, "spring sale"))
    assert counted(store) == sums([row for row in ROWS if row[0] not in second] + now)
    undo_import(store, 2)
    assert counted(store) == sums([row for row in ROWS if row[0] in first])


def test_two_campaigns_of_one_ad_in_two_files_add_up(store: Store, tmp_path: Path) -> None:
    other = [(day, ad, shown // 3, clicks // 2, *rest) for day, ad, shown, clicks, *rest in ROWS]
    take(store, tmp_path, "1.csv", export(ROWS))
    take(store, tmp_path, "2.csv", export(other, "summer"))  # type: ignore[arg-type]
    assert counted(store)[:2] == (sums(ROWS)[0] + sum(r[2] for r in other), sums(ROWS)[1] + sum(r[3] for r in other))


def test_two_campaigns_of_one_ad_with_like_figures_in_one_file_add_up(store: Store, tmp_path: Path) -> None:
    both = export(ROWS) + export(corrected(ROWS, 4), "summer").split("\n", 1)[1]
    take(store, tmp_path, "1.csv", both)
    assert counted(store)[0] == sums(ROWS)[0] + sums(corrected(ROWS, 4))[0]


@pytest.mark.parametrize("more", [9, -9])
def test_a_corrected_export_without_conversions_keeps_those_that_are_known(
    store: Store, tmp_path: Path, more: int
) -> None:
    now = corrected(ROWS, more)
    take(store, tmp_path, "1.csv", export(ROWS))
    take(store, tmp_path, "2.csv", export(now, leave=("Conversions", "event")))
    assert counted(store) == sums(now)
    undo_import(store, 2)
    assert counted(store) == sums(ROWS)


def test_undo_of_an_export_without_conversions_takes_its_spend_and_its_revisions_out_of_the_rows_of_the_event(
    store: Store, tmp_path: Path
) -> None:
    take(store, tmp_path, "1.csv", export(ROWS, leave=("Spend", "Currency")))
    take(store, tmp_path, "2.csv", export(corrected(ROWS, 9), leave=("Conversions", "event")))
    assert counted(store)[3] == sums(ROWS)[3]
    undo_import(store, 2)
    assert counted(store) == (*sums(ROWS)[:3], 0.0)
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(KpiRevision)) == 0


def test_undo_of_the_export_that_had_the_conversions_leaves_what_the_other_one_says(
    store: Store, tmp_path: Path
) -> None:
    now = corrected(ROWS, 9)
    take(store, tmp_path, "1.csv", export(ROWS))
    take(store, tmp_path, "2.csv", export(now, leave=("Conversions", "event")))
    undo_import(store, 1)
    shown, clicks, _, spend = sums(now)
    assert counted(store) == (shown, clicks, 0.0, spend)
    undo_import(store, 2)
    assert counted(store) == (0, 0, 0.0, 0.0)


def test_conversions_that_come_after_an_export_without_them_count_though_it_was_corrected_downwards(
    store: Store, tmp_path: Path
) -> None:
    now = corrected(ROWS, -9)
    take(store, tmp_path, "1.csv", export(ROWS, leave=("Conversions", "event")))
    take(store, tmp_path, "2.csv", export(now))
    assert counted(store)[2:] == sums(now)[2:]


def test_an_export_of_the_same_ids_without_platform_and_spend_takes_no_spend_away(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "1.csv", export(ROWS), platform="meta")
    take(store, tmp_path, "2.csv", export(corrected(ROWS, 9), leave=("Spend", "Currency")))
    assert counted(store)[1:] == sums(ROWS)[1:]


def test_a_value_in_another_spelling_is_restated_and_the_note_says_so(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "1.csv", split(ROWS, "Placement", ("feed", "story")))
    notes = take(store, tmp_path, "2.csv", split(ROWS, "Placement", ("Feed", "STORY"), more=5))
    assert counted(store)[0] == sums(ROWS)[0] + 5 * len(ROWS)
    assert "written as in an earlier file: placement 'Feed' as 'feed', placement 'STORY' as 'story'" in notes
    undo_import(store, 1)
    assert counted(store)[0] == sums(ROWS)[0] + 5 * len(ROWS)
    undo_import(store, 2)
    assert counted(store)[0] == 0


def test_two_spellings_in_one_file_stay_as_they_are(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "1.csv", split(ROWS, "Placement", ("feed", "story")))
    take(store, tmp_path, "2.csv", split(ROWS, "Placement", ("Feed", "feed")))
    with store.read() as session:
        assert {"feed", "Feed", "story"} == set(session.scalars(select(Segment.placement)))


@pytest.mark.parametrize("more", [0, 5])
def test_values_in_another_language_are_said_to_count_twice(store: Store, tmp_path: Path, more: int) -> None:
    take(store, tmp_path, "1.csv", split(ROWS, "Country", ("DE", "AT")))
    notes = take(store, tmp_path, "2.csv", split(ROWS, "Country", ("Germany", "Austria"), more=more))
    assert any("count twice; then take one of them back" in note for note in notes)


@pytest.mark.parametrize(("one", "other"), [("65+", "65-plus"), ("65+", "65 or more"), ("55-64", "AGE_55_64")])
@pytest.mark.parametrize("more", [5, 400])
def test_an_age_in_another_spelling_beside_one_that_is_alike_is_restated(
    store: Store, tmp_path: Path, one: str, other: str, more: int
) -> None:
    take(store, tmp_path, "1.csv", split(ROWS, "Age", (one, "18-24")))
    notes = take(store, tmp_path, "2.csv", split(ROWS, "Age", (other, "18-24"), more=more))
    assert counted(store)[0] == sums(ROWS)[0] + more * len(ROWS)
    assert f"written as in an earlier file: age {other!r} as {one!r}" in notes


@pytest.mark.parametrize(("values", "more"), [(("Germany", "AT"), 5), (("Germany", "AT"), 0), (("AT", "Germany"), 0)])
def test_a_value_in_another_language_beside_one_that_is_alike_is_said(
    store: Store, tmp_path: Path, values: tuple[str, str], more: int
) -> None:
    take(store, tmp_path, "1.csv", split(ROWS, "Country", tuple("DE" if one == "Germany" else one for one in values)))
    notes = take(store, tmp_path, "2.csv", split(ROWS, "Country", values, more=more))
    (said,) = [note for note in notes if "count twice" in note]
    assert "country 'Germany' has those of 'DE'" in said
    assert "abkit kpi undo 2" in said
    undo_import(store, 2)
    assert counted(store)[0] == sums(ROWS)[0]


def test_of_many_ads_some_rule_out_which_values_are_others(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(5)
    figures = {
        (ad, country): (dice.randint(1000, 9000), dice.randint(10, 99))
        for ad in range(300)
        for country in ("DE", "AT", "CH", "PL")
    }

    def content(called: dict[str, str]) -> str:
        lines = [
            f"2026-03-01,12021{ad:08d},spring,{called[country]},{shown},{clicks}"
            for (ad, country), (shown, clicks) in figures.items()
            if country in called
        ]
        return "\n".join(["Day,Ad ID,Campaign name,Country,Impressions,Clicks", *lines]) + "\n"

    asked = []
    alike = other_values._alike
    monkeypatch.setattr(other_values, "_alike", lambda *given: asked.append(given[2]) or alike(*given))
    take(store, tmp_path, "1.csv", content({name: name for name in ("DE", "AT", "CH", "PL")}))
    for ad in range(0, 300, 7):  # corrected, some of them by far
        shown, clicks = figures[ad, "DE"]
        figures[ad, "DE"] = (shown + (900 if ad % 50 == 0 else 5), clicks)
    notes = take(store, tmp_path, "2.csv", content({"DE": "Germany", "AT": "AT"}))
    (said,) = [note for note in notes if "count twice" in note]
    assert "or nearly so: country 'Germany' has those of 'DE'; if they mean the same" in said
    assert asked == [[("Germany", "DE")]]


def test_another_country_with_figures_of_its_own_is_not_doubted(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "1.csv", split(ROWS, "Country", ("DE", "AT")))
    notes = take(store, tmp_path, "2.csv", split(ROWS, "Country", ("CH", "AT"), more=90))
    assert not [note for note in notes if "count twice" in note]


def test_the_places_of_a_platform_are_parts_of_it_also_where_it_was_corrected(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "1.csv", split(ROWS, "Platform", ("facebook", "instagram")))
    take(store, tmp_path, "2.csv", export(corrected(ROWS, 60), leave=("Spend", "Currency", "event")), platform="meta")
    assert counted(store)[0] == sums(corrected(ROWS, 60))[0]
    undo_import(store, 2)
    assert counted(store)[0] == sums(ROWS)[0]


def test_correlate_drift_report_and_experiments_read_the_corrected_figures_once(store: Store, tmp_path: Path) -> None:
    add_creatives(store, *(f"hero{number}.png" for number in range(1, 4)))
    named = {row[1]: f"hero{int(row[1][-1])}.png" for row in ROWS}
    first = export(ROWS).replace("Day,", "Creative name,Day,", 1).split("\n")
    lines = [first[0], *(f"{named[line.split(',')[1]]},{line}" for line in first[1:] if line)]
    now = corrected(ROWS, 7)
    late = [row for row in now if row[0] >= DAYS[3]]
    # The days of a file, the same days corrected by platform, and the last of them after a renaming, without events.
    take(store, tmp_path, "1.csv", "\n".join(lines) + "\n", platform="meta")
    take(store, tmp_path, "2.csv", split(now, "Platform", ("facebook", "instagram")))
    take(store, tmp_path, "3.csv", export(late, "spring sale", leave=("Conversions", "event")), platform="meta")
    shown, clicks, conversions, spend = sums(now)
    assert counted(store)[:3] == (shown, clicks, conversions)
    last = date.fromisoformat(DAYS[-1])
    report = correlate(store, Settings(), metric="ctr", as_of=last)
    assert report.impressions == shown
    assert check_drift(store, Settings(), current="days:2", as_of=last).set_aside == report.set_aside
    page = gather(store, as_of=last)
    assert (page.coverage.impressions, page.coverage.set_aside) == (shown, report.set_aside)
    with store.read() as session:
        found = experiments.delivery(session, session.scalars(select(Ad.id)).all(), None, last + timedelta(1))
        rows = delivery_rows(session, None, last)
    figures = found.by_day.values()
    assert (sum(one.impressions for one in figures), sum(one.clicks for one in figures)) == (shown, clicks)
    assert sum(one.conversions for one in figures) == conversions
    assert sum(row.impressions for row in rows) == shown
    for number in (3, 2):
        undo_import(store, number)
    assert counted(store) == sums(ROWS)
    assert correlate(store, Settings(), metric="ctr", as_of=last).impressions == sums(ROWS)[0]
    assert spend == sums(ROWS)[3]


@pytest.mark.parametrize(
    ("first", "second"),
    [("acme", "ACME"), ("act_1203004005", "1203004005"), ("123-456-7890", "Acme GmbH"), ("Acme", "Acme Europe")],
)
def test_an_account_that_is_written_otherwise_has_its_corrected_days_once(
    store: Store, tmp_path: Path, first: str, second: str
) -> None:
    take(store, tmp_path, "1.csv", export(ROWS), account=first)
    take(store, tmp_path, "2.csv", export(corrected(ROWS, 4)), account=second)
    assert counted(store) == sums(corrected(ROWS, 4))


@pytest.mark.parametrize("ad", ["{}", "12021{:08d}"])
def test_two_accounts_by_their_ids_stay_two(store: Store, tmp_path: Path, ad: str) -> None:
    other = [(day, id_, shown // 2, clicks // 2, *rest) for day, id_, shown, clicks, *rest in ROWS]
    for account, rows in (("111", ROWS), ("222", other)):
        own = [(d, ad.format(int(a[5:])), *rest) for d, a, *rest in rows]
        take(store, tmp_path, f"{account}.csv", export(own), account=account)  # type: ignore[arg-type]
    assert counted(store)[0] == sums(ROWS)[0] + sum(row[2] for row in other)


def in_one_way(way: str, rows: list[Row], number: int) -> tuple[str, dict[str, str]]:
    """One of the ways in which people export the same ads, of the number-th night; the campaign is renamed between."""
    campaign = "spring" if number < 2 else "spring sale"
    if way in ("Age", "Platform", "Device"):
        values = {"Age": ("18-24", "25-34"), "Platform": ("facebook", "instagram"), "Device": ("mobile_app", "web")}[
            way
        ]
        spelled = values if number % 2 else (values[0].title().replace("_", " "), values[1].upper())
        return split(rows, way, spelled).replace(",spring,", f",{campaign},"), {
            "platform": "meta"
        } if way == "Age" else {}
    leave = ("Campaign name",) if way == "no campaign" else ()
    account = {"id": "act_99887766", "name": "Acme"}.get(way, "")
    return export(rows, campaign, leave), {"platform": "meta", "account": account}


@pytest.mark.parametrize("seed", range(8))
def test_three_corrected_exports_of_any_kind_count_once_and_come_out_in_any_order(
    sqlite_store: Store, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    ways = dice.choices(["plain", "id", "name", "no campaign", "Age", "Platform", "Device"], k=3)
    latest: dict[tuple[str, str], Row] = {}
    for number, way in enumerate(ways):
        first, last = (0, 3) if number == 0 else (dice.randint(0, 3), 5)
        rows = [row for row in corrected(ROWS, 2 * number) if DAYS[first] <= row[0] <= DAYS[last]]
        latest |= {row[:2]: row for row in rows}
        content, options = in_one_way(way, rows, number)
        take(sqlite_store, tmp_path, f"{number}.csv", content, **options)
    assert counted(sqlite_store) == pytest.approx(sums(list(latest.values())), rel=0.01), ways
    for number in dice.sample([1, 2, 3], 3):
        undo_import(sqlite_store, number)
    assert counted(sqlite_store) == (0, 0, 0.0, 0.0)


def test_zeros_in_a_file_that_is_broken_down_by_no_field_take_no_figures_back(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "1.csv", export(ROWS, leave=("event",)))
    lines = [f"{d},{a},spring,0,0,{v if d != DAYS[0] else 0},{x}" for d, a, _, _, v, _ in ROWS for x in ("buy", "lead")]
    content = "\n".join(["Day,Ad ID,Campaign name,Impressions,Clicks,Conversions,Kind", *lines]) + "\n"
    (summary,) = run_import(store, write(tmp_path / "2.csv", content))
    assert summary.rejected
    assert counted(store) == sums(ROWS)


def test_platforms_that_may_be_one() -> None:
    assert agree_on_platform("meta", "Instagram")
    assert agree_on_platform("", "tiktok")
    assert not agree_on_platform("facebook", "instagram")
    assert not agree_on_platform("meta", "tiktok")


def test_a_sign_that_tells_values_apart_is_kept() -> None:
    assert value_key("65+") != value_key("65")
    assert value_key("13-17") != value_key("1317")


MONEY = "day,ad,impressions,clicks,spend,revenue,currency"


@pytest.mark.parametrize(
    ("later", "spend", "revenue", "currency"),
    [
        ("1000,20,,,USD", 2.0, 9.0, "EUR"),  # no amount: its currency says nothing about those that are known
        ("1000,20,3,,USD", 3.0, None, "USD"),  # amounts of one row are in one currency
        ("1000,20,,8,USD", None, 8.0, "USD"),
        ("1000,20,3,,EUR", 3.0, 9.0, "EUR"),
        ("1000,20,3,,", 3.0, 9.0, "EUR"),
    ],
)
def test_a_later_currency_never_relabels_amounts_that_are_known(
    store: Store, tmp_path: Path, later: str, spend: float | None, revenue: float | None, currency: str
) -> None:
    take(store, tmp_path, "1.csv", f"{MONEY}\n2026-03-01,1,1000,20,2,9,EUR\n")
    take(store, tmp_path, "2.csv", f"{MONEY}\n2026-03-01,1,{later}\n")
    statement = select(Kpi.spend, Kpi.revenue, Kpi.currency)
    with store.read() as session:
        assert session.execute(statement).one() == (spend, revenue, currency)
    undo_import(store, 2)
    with store.read() as session:
        assert session.execute(statement).one() == (2.0, 9.0, "EUR")


def test_a_currency_that_comes_before_any_amount_is_that_of_the_amounts(store: Store, tmp_path: Path) -> None:
    take(store, tmp_path, "1.csv", f"{MONEY}\n2026-03-01,1,1000,20,,,EUR\n")
    take(store, tmp_path, "2.csv", f"{MONEY}\n2026-03-01,1,1000,20,3,,USD\n")
    with store.read() as session:
        assert session.execute(select(Kpi.spend, Kpi.currency)).one() == (3.0, "USD")


def test_a_file_that_was_corrected_since_says_so_when_it_comes_again(sqlite_store: Store, tmp_path: Path) -> None:
    first = write(tmp_path / "first.csv", export(ROWS))
    later = write(tmp_path / "later.csv", export(corrected(ROWS[:4], 50) + ROWS[4:]))
    run_import(sqlite_store, first, later)
    (again,) = run_import(sqlite_store, first)
    assert (again.unchanged, again.updated) == (len(ROWS), 0)
    assert len(again.notes) == 1
    assert "4 of its rows have other figures since, from later imports" in again.notes[0]
    assert "abkit kpi undo 2" in again.notes[0]
    undo_import(sqlite_store, 2)
    (again,) = run_import(sqlite_store, first)
    assert again.notes == ()
