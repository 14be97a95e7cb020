"""Counts once: whatever the order of files, every reader sums each impression once and says what it set aside."""

import random
from datetime import date, timedelta
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.config import Settings
from abkit.reporting.page.gather import gather
from abkit.reporting.tables.show import view
from abkit.store import experiments
from abkit.store.database.engine import Store
from abkit.store.kpis.delivery import Deliveries, Filters, daily_impressions, deliveries, delivery_rows
from abkit.store.kpis.linking.link_lists import unlinked_delivery
from abkit.store.schema import Ad, Kpi
from abkit.vocabulary import Dimension
from abkit.workflows.correlate import correlate
from abkit.workflows.drift.check import check_drift
from abkit.workflows.kpis.imports import list_imports, undo_import
from tests.conftest import MakeDatabase
from tests.kpi_files import add_creatives, run_import, write

START = date(2026, 1, 1)
DAYS, ADS = 10, 2
Row = tuple[int, int, int, int, int]  # day, ad, impressions, clicks, conversions


def _delivered() -> list[Row]:
    dice = random.Random(7)
    rows = []
    for number in range(DAYS):
        for ad in range(ADS):
            clicks = dice.randint(10, 60)
            rows.append((number, ad, dice.randint(800, 3000), clicks, dice.randint(1, clicks)))
    return rows


ROWS = _delivered()
TOTAL = sum(row[2] for row in ROWS), sum(row[3] for row in ROWS)


def day(number: int) -> str:
    return (START + timedelta(number)).isoformat()


def table(header: str, lines: list[str]) -> str:
    return "\n".join([header, *lines]) + "\n"


def halves(header: str, cells: tuple[str, str], *, total: str = "") -> str:
    """Each row in two parts, and where asked the sum beside them."""
    lines = []
    for number, ad, shown, clicks, conversions in ROWS:
        parts = [(cells[0], shown // 3, clicks // 3, conversions // 3)]
        parts.append((cells[1], shown - shown // 3, clicks - clicks // 3, conversions - conversions // 3))
        if total:
            parts.insert(1, (total, shown, clicks, conversions))
        lines += [f"{day(number)},120{ad},{cell},{i},{c},{v}" for cell, i, c, v in parts]
    return table(f"Day,Ad ID,{header},Impressions,Clicks,Conversions", lines)


def plain(ad: str = "120{}", header: str = "Ad ID", rows: list[Row] = ROWS) -> str:
    lines = [f"{day(n)},{ad.format(a)},{i},{c},{v}" for n, a, i, c, v in rows]
    return table(f"Day,{header},Impressions,Clicks,Conversions", lines)


def periods(*spans: tuple[int, int], more: int = 0, ad: str = "120{}", header: str = "Ad ID") -> str:
    lines = []
    for first, last in spans:
        for number in range(ADS):
            inside = [row for row in ROWS if row[1] == number and first <= row[0] <= last]
            shown, clicks, conversions = (sum(row[place] for row in inside) for place in (2, 3, 4))
            lines.append(f"{day(first)},{day(last)},{ad.format(number)},{shown + more},{clicks},{conversions}")
    return table(f"Reporting starts,Reporting ends,{header},Impressions,Clicks,Conversions", lines)


def events(*names: str) -> str:
    """Every event has all impressions and clicks, and the first one the conversions."""
    lines = [
        f"{day(n)},120{a},{i},{c},{v if name == names[0] else 1},{name}" for n, a, i, c, v in ROWS for name in names
    ]
    return table("Day,Ad ID,Impressions,Clicks,Conversions,event", lines)


def windows() -> str:
    return events("7d click", "1d view").replace(",event\n", ",attribution_window\n")


def actions() -> str:
    """Conversion actions without impressions, as some platforms list them beside the delivery."""
    lines = [
        f"{day(n)},120{a},0,0,{v if name == 'sale' else 1},{name}" for n, a, _, _, v in ROWS for name in ("sale", "x")
    ]
    return table("Day,Ad ID,Impressions,Clicks,Conversions,event", lines)


def without_conversions() -> str:
    return table("Day,Ad ID,Impressions,Clicks", [f"{day(n)},120{a},{i},{c}" for n, a, i, c, _ in ROWS])


NO_CONVERSIONS = [(n, a, i, c, 0) for n, a, i, c, _ in ROWS]
KINDS: dict[str, list[str]] = {
    "a total beside its days": [plain(), periods((0, DAYS - 1))],
    "weeks beside their days and a total": [plain(), periods((0, 6), (7, DAYS - 1)), periods((0, DAYS - 1))],
    "weeks that overlap": [periods((0, 4), (5, DAYS - 1)), periods((2, 6))],
    "one span exported twice": [periods((0, DAYS - 1)), periods((0, DAYS - 2))],
    "All among the ages": [halves("Age", ("18-24", "25-34"), total="All")],
    "Gesamt among the devices": [halves("Device", ("Handy", "Desktop"), total="Gesamt")],
    "all placements in Chinese": [halves("placement", ("feed", "story"), total="全部")],
    "no breakdown beside one": [plain(), halves("Age", ("18-24", "25-34"))],
    "two breakdowns": [halves("Age", ("18-24", "25-34")), halves("placement", ("feed", "story"))],
    "breakdowns and a total of days": [halves("Age", ("18-24", "25-34"), total="Total"), periods((0, DAYS - 1))],
    "platforms beside their sum": [plain(), halves("platform", ("facebook", "instagram"))],
    "a platform beside its places": [
        plain("meta,120{}", "platform,Ad ID"),
        halves("platform", ("facebook", "Audience Network")),
    ],
    "ages of a platform beside its places": [
        halves("Age", ("18-24", "25-34")).replace("Ad ID", "platform,Ad ID").replace(",120", ",meta,120"),
        halves("platform", ("facebook", "instagram")),
    ],
    "a platform as others call it": [
        plain("google-ads,120{}", "platform,Ad ID"),
        plain("Google Ads,120{}", "platform,Ad ID"),
    ],
    "values in another spelling": [
        halves("placement", ("feed", "audience_network")),
        halves("placement", ("Feed", "Audience Network")),
    ],
    "ages with other dashes": [halves("Age", ("18-24", "25-34")), halves("Age", ("18–24", "25 – 34"))],
    "platforms in another spelling": [
        halves("platform", ("facebook", "instagram")),
        halves("platform", ("Facebook", "Instagram")),
    ],
    "an event beside no conversions": [events("sale"), without_conversions()],
    "all platforms among them": [halves("platform", ("facebook", "instagram"), total="All")],
    "ids, then names": [plain(), plain("hero{}.png", "Creative name")],
    "without an account, then with": [plain(), plain("act_1,120{}", "Account ID,Ad ID")],
    "three mappings": [plain(), plain("hero{}.png", "Creative name"), plain("act_1,120{}", "Account ID,Ad ID")],
    "a total under ids beside days under names": [plain("hero{}.png", "Creative name"), periods((0, DAYS - 1))],
    "days under ids beside weeks under names": [
        plain(),
        periods((0, 6), (7, DAYS - 1), ad="hero{}.png", header="Creative name"),
    ],
    "a total without an account beside ages with one": [
        halves("Age", ("18-24", "25-34")).replace("Ad ID", "Account ID,Ad ID").replace(",120", ",act_1,120"),
        periods((0, DAYS - 1)),
    ],
    "two conversion events": [events("sale", "signup")],
    "two attribution windows": [windows()],
    "conversion actions beside delivery": [plain(rows=NO_CONVERSIONS), actions()],
}


def read(store: Store, **filters: object) -> Deliveries:
    with store.read() as session:
        return deliveries(session, Filters(**filters))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_each_impression_counts_once_in_any_order_of_files(
    kind: str, new_database: MakeDatabase, tmp_path: Path
) -> None:
    files = KINDS[kind]
    for place, order in enumerate(list(permutations(range(len(files))))[::-1][:3]):
        store = Store(new_database("sqlite", migrated=True))
        for number in order:
            run_import(store, write(tmp_path / f"{place}-{number}.csv", files[number]))
        _every_reader_counts_once(store)
        store.close()


ON_POSTGRESQL = (
    "a total beside its days",
    "a total under ids beside days under names",
    "All among the ages",
    "three mappings",
    "a platform beside its places",
    "values in another spelling",
    "an event beside no conversions",
)


@pytest.mark.parametrize("kind", ON_POSTGRESQL)
def test_postgresql_counts_the_same(kind: str, new_database: MakeDatabase, tmp_path: Path) -> None:
    store = Store(new_database("postgresql", migrated=True))
    for number, content in enumerate(KINDS[kind]):
        run_import(store, write(tmp_path / f"{number}.csv", content))
    _every_reader_counts_once(store)
    store.close()


def _every_reader_counts_once(store: Store) -> None:
    found = read(store)
    assert found.impressions == TOTAL[0]
    with store.read() as session:
        counted = experiments.delivery(session, session.scalars(select(Ad.id)).all(), None, START + timedelta(DAYS))
        stored = session.execute(select(Kpi.impressions, Kpi.left_out)).all()
        unlinked = unlinked_delivery(session)
    figures = list(counted.by_day.values())
    assert sum(one.impressions for one in figures) == TOTAL[0]
    assert sum(one.clicks for one in figures) == TOTAL[1]
    assert sum(one.conversions for one in figures) == sum(row[4] for row in ROWS)
    assert sum(row["impressions"] for row in unlinked) == TOTAL[0]
    assert sum(row["share_of_impressions"] for row in unlinked) == pytest.approx(1)
    # What is set aside is told with its share, and nothing is in neither.
    aside = [row for row in stored if row.left_out]
    assert sum(one.rows for one in found.set_aside) == len(aside)
    assert sum(one.impressions for one in found.set_aside) == sum(row.impressions for row in aside)
    everything = sum(row.impressions for row in stored)
    assert sum(one.share for one in found.set_aside) == pytest.approx(1 - TOTAL[0] / everything)
    assert counted.set_aside == found.set_aside


def _linked(store: Store, path: Path) -> None:
    """Three creatives, shown by the ads that the files name."""
    names = [f"hero{ad}.png" for ad in range(ADS)]
    add_creatives(store, *names)
    content = table(
        "Day,Ad ID,Creative name,Campaign,Impressions,Clicks",
        [f"{day(n)},120{a},hero{a}.png,spring,{i},{c}" for n, a, i, c, _ in ROWS],
    )
    run_import(store, write(path / "linked.csv", content))


def test_correlate_drift_and_report_read_the_same_rows_and_say_what_they_set_aside(
    store: Store, tmp_path: Path
) -> None:
    _linked(store, tmp_path)
    run_import(store, write(tmp_path / "ages.csv", halves("Age", ("18-24", "25-34"), total="All")))
    run_import(store, write(tmp_path / "month.csv", periods((0, DAYS - 1))))
    last = START + timedelta(DAYS - 1)
    report = correlate(store, Settings(), metric="ctr", as_of=last)
    assert report.impressions == TOTAL[0]
    assert {one.reason.value: one.impressions for one in report.set_aside} == {
        "breakdown": 2 * TOTAL[0],
        "period": TOTAL[0],
    }
    assert report.to_dict()["set_aside"][0]["share"] == pytest.approx(0.5)
    drift = check_drift(store, Settings(), current="days:3", as_of=last)
    assert drift.set_aside == report.set_aside
    page = gather(store, as_of=last)
    assert (page.coverage.impressions, page.coverage.set_aside) == (TOTAL[0], report.set_aside)
    with store.read() as session:
        rows = delivery_rows(session, None, last)
        daily = daily_impressions(session, START, last)
    assert sum(row.impressions for row in rows) == sum(daily.values()) == TOTAL[0]


def test_a_dimension_that_is_asked_for_is_answered_by_its_own_export(store: Store, tmp_path: Path) -> None:
    for name, cells in (("Age", ("18-24", "25-34")), ("placement", ("feed", "story"))):
        run_import(store, write(tmp_path / f"{name}.csv", halves(name, cells)))
    for wanted in ({"age": "18-24"}, {"placement": "feed"}):
        assert read(store, segment=wanted).impressions == sum(row[2] // 3 for row in ROWS)
    with store.read() as session:
        ads = session.scalars(select(Ad.id)).all()
        for by, values in ((Dimension.AGE, {"18-24", "25-34"}), (Dimension.PLACEMENT, {"feed", "story"})):
            found = experiments.delivery(session, ads, None, START + timedelta(DAYS), by)
            place = list(Dimension).index(by)
            assert {segment[place] for segment in found.by_segment} == values
            assert sum(one.impressions for one in found.by_segment.values()) == TOTAL[0]


def test_days_count_in_a_window_that_cuts_a_longer_total(store: Store, tmp_path: Path) -> None:
    few = [row for row in ROWS if row[0] < 5]
    run_import(store, write(tmp_path / "days.csv", plain(rows=few)))
    run_import(store, write(tmp_path / "month.csv", periods((0, DAYS - 1))))
    assert read(store).impressions == TOTAL[0]  # the days hold half of the total
    found = read(store, end=START + timedelta(6))
    assert (found.impressions, found.set_aside) == (sum(row[2] for row in few), ())
    found = read(store, start=START + timedelta(1))
    assert found.impressions == sum(row[2] for row in few if row[0] >= 1)


def test_a_later_finer_file_a_restatement_and_the_same_file_again_end_alike(store: Store, tmp_path: Path) -> None:
    month = write(tmp_path / "month.csv", periods((0, DAYS - 1)))
    run_import(store, month)
    assert read(store).impressions == TOTAL[0]
    restated = [(n, a, i + 50, c, v) for n, a, i, c, v in ROWS]
    for content in (plain(rows=[row for row in ROWS if row[0] < 4]), plain(), plain(rows=restated)):
        run_import(store, write(tmp_path / "days.csv", content))
    wanted = TOTAL[0] + 50 * len(ROWS)
    assert read(store).impressions == wanted
    run_import(store, month)
    run_import(store, write(tmp_path / "month2.csv", periods((0, DAYS - 1), more=1)))
    found = read(store)
    assert (found.impressions, [(one.reason.value, one.rows) for one in found.set_aside]) == (wanted, [("period", ADS)])


def test_the_figures_of_ads_that_are_one_belong_to_the_creative_of_either(store: Store, tmp_path: Path) -> None:
    run_import(store, write(tmp_path / "ids.csv", plain()))
    names = [f"hero{ad}.png" for ad in range(ADS)]
    add_creatives(store, *names)
    more = [(n + 5, a, i, c, v) for n, a, i, c, v in ROWS if n >= 5]  # five days that the ids do not have
    older = [row for row in ROWS if row[0] >= 5]
    run_import(store, write(tmp_path / "names.csv", plain("hero{}.png", "Creative name", [*older, *more])))
    found = read(store)
    assert found.impressions == TOTAL[0] + sum(row[2] for row in more)
    assert sum(row.impressions for row in found.rows) == found.impressions  # none is without its creative
    with store.read() as session:
        for name in ("1201", "hero1.png"):
            ads = experiments.ads_named(session, name)
            figures = experiments.delivery(session, ads, None, START + timedelta(30)).by_day.values()
            wanted = sum(row[2] for row in [*ROWS, *more] if row[1] == 1)
            assert sum(one.impressions for one in figures) == wanted


def test_what_an_undone_import_leaves_counts_once(store: Store, tmp_path: Path) -> None:
    files = KINDS["three mappings"]
    numbers = [run_import(store, write(tmp_path / f"{n}.csv", text))[0].import_id for n, text in enumerate(files)]
    for number, aside in ((numbers[0], 1), (numbers[2], 0)):
        undo_import(store, number or 0)
        found = read(store)
        assert found.impressions == TOTAL[0]
        assert sum(one.impressions for one in found.set_aside) == aside * TOTAL[0]


def test_few_days_of_all_ads_prove_together_that_they_came_twice(store: Store, tmp_path: Path) -> None:
    few = [row for row in ROWS if row[0] < 2]
    run_import(store, write(tmp_path / "ids.csv", plain(rows=few)))
    run_import(store, write(tmp_path / "names.csv", plain("hero{}.png", "Creative name", few)))
    assert read(store).impressions == sum(row[2] for row in few)
    # One of them alone proves nothing.
    alone = [(n + 50, a, i, c, v) for n, a, i, c, v in few if a == 0]
    run_import(store, write(tmp_path / "ids2.csv", plain("77{}", rows=alone)))
    run_import(store, write(tmp_path / "names2.csv", plain("seven{}.png", "Creative name", alone)))
    assert read(store).impressions == sum(row[2] for row in [*few, *alone, *alone])


def test_ads_that_only_look_alike_stay_two(store: Store, tmp_path: Path) -> None:
    other = [(n, a, i + 1, c, v) for n, a, i, c, v in ROWS]
    run_import(store, write(tmp_path / "one.csv", plain()))
    run_import(store, write(tmp_path / "two.csv", plain("hero{}.png", "Creative name", other)))
    run_import(store, write(tmp_path / "three.csv", plain("x,130{}", "Account ID,Ad ID")))
    run_import(store, write(tmp_path / "four.csv", plain("y,140{}", "Account ID,Ad ID", other)))
    same = [(n, 7, 1000, 20, 1) for n in range(DAYS)]  # figures that many ads have
    run_import(store, write(tmp_path / "five.csv", plain("15{}", rows=same)))
    run_import(store, write(tmp_path / "six.csv", plain("16{}", rows=same)))
    # Account x has no other account's name: its equal figures are those of the ads without one.
    wanted = 2 * TOTAL[0] + len(ROWS) + 2 * 1000 * DAYS
    assert read(store).impressions == wanted


def test_days_that_came_one_by_one_count_once_beside_their_total_under_other_names(
    store: Store, tmp_path: Path
) -> None:
    run_import(store, write(tmp_path / "month.csv", periods((0, DAYS - 1))))
    for number in range(DAYS):
        rows = [row for row in ROWS if row[0] == number]
        run_import(store, write(tmp_path / f"{number}.csv", plain("hero{}.png", "Creative name", rows)))
    found = read(store)
    assert (found.impressions, [one.rows for one in found.set_aside]) == (TOTAL[0], [ADS])


@pytest.mark.parametrize("place", [2, 3, 4])  # impressions, clicks, conversions
def test_a_total_that_is_one_off_the_days_of_another_ad_stays_beside_them(
    store: Store, tmp_path: Path, place: int
) -> None:
    rows = [(*row[:place], row[place] + (row[0] == 3), *row[place + 1 :]) for row in ROWS]
    run_import(store, write(tmp_path / "days.csv", plain("hero{}.png", "Creative name", rows)))  # type: ignore[arg-type]
    run_import(store, write(tmp_path / "month.csv", periods((0, DAYS - 1))))
    assert read(store).impressions == TOTAL[0] + sum(row[2] for row in rows)
    same = [(n, a, 1000, 20, 1) for n, a, *_ in ROWS]  # days that all are alike prove nothing
    run_import(store, write(tmp_path / "alike.csv", plain("alike{}.png", "Creative name", same)))
    lines = [f"{day(0)},{day(DAYS - 1)},99,{1000 * DAYS},{20 * DAYS},{DAYS}"]
    header = "Reporting starts,Reporting ends,Ad ID,Impressions,Clicks,Conversions"
    run_import(store, write(tmp_path / "alike-month.csv", table(header, lines)))
    assert read(store).impressions == TOTAL[0] + sum(row[2] for row in rows) + 1000 * (len(same) + DAYS)


def test_figures_of_a_store_without_overlaps_are_those_that_it_holds(store: Store, tmp_path: Path) -> None:
    run_import(store, write(tmp_path / "one.csv", plain()))
    run_import(store, write(tmp_path / "later.csv", periods((20, 27), (28, 30), more=500)))
    found = read(store)
    assert (found.impressions, found.set_aside) == (TOTAL[0] + 2 * ADS * 500, ())


LONG_ID = "120208000000000011"


def one_ad(*, correction: int = 0, days: int = DAYS, header: str = "day,ad,impressions,clicks") -> str:
    return table(header, [f"{day(number)},{LONG_ID},{1000 + 7 * number + correction},10" for number in range(days)])


MONTH = table(
    "period_start,period_end,ad,impressions,clicks",
    [f"{day(0)},{day(DAYS - 1)},{LONG_ID},{sum(1000 + 7 * number for number in range(DAYS))},{10 * DAYS}"],
)
SUM = sum(1000 + 7 * number for number in range(DAYS))


@pytest.mark.parametrize(
    ("texts", "options", "counted"),
    [
        # Corrected figures, and the account or the platform that the first export did not name.
        ((one_ad(), one_ad(correction=1)), ({}, {"account": "act_1"}), SUM + DAYS),
        ((one_ad(), one_ad(correction=1)), ({}, {"platform": "meta"}), SUM + DAYS),
        # A month of which only some days are there.
        ((one_ad(days=4), MONTH), ({}, {"platform": "meta"}), SUM),
        # Two accounts that are named are two.
        ((one_ad(), one_ad(correction=1)), ({"account": "act_2"}, {"account": "act_1"}), 2 * SUM + DAYS),
    ],
)
def test_one_long_id_is_one_ad_whatever_its_figures(
    store: Store, tmp_path: Path, texts: tuple[str, str], options: tuple[dict[str, str], dict[str, str]], counted: int
) -> None:
    files = [write(tmp_path / f"{number}.csv", text) for number, text in enumerate(texts)]
    for order in (0, 1), (1, 0):
        for place in order:
            (summary,) = run_import(store, files[place], **options[place])
        with store.read() as session:
            assert sum(session.scalars(select(Kpi.impressions).where(Kpi.left_out == ""))) == counted
        # What is set aside is said, under whichever name.
        assert bool(summary.not_counted) == (counted <= SUM + DAYS)
        for listed in list_imports(store).imports:
            if listed.undone_at is None:
                undo_import(store, listed.import_id)


def short_ids(*, factor: float = 1.0, account: str = "", name: str = "hero", days: int = 1, campaign: str = "") -> str:
    """Three ads with short ids; the figures of each day times a factor."""
    said = {"Account ID": account, "Ad name": name, "Campaign name": campaign}
    columns = [column for column, value in said.items() if value]
    cells = "".join(f",{said[column]}" for column in columns)
    lines = [
        f"{day(n)},{17 + ad}{cells.replace('hero', f'hero {ad}')},{round((900 + 111 * ad + 7 * n) * factor)},{10 + ad}"
        for n in range(days)
        for ad in range(3)
    ]
    return table("Day,Ad ID" + "".join(f",{column}" for column in columns) + ",Impressions,Clicks", lines)


def shown(text: str) -> int:
    return sum(int(line.split(",")[-2]) for line in text.splitlines()[1:])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (short_ids(), short_ids(factor=1.06, account="act_1")),  # one day each, under one name
        (short_ids(name="", campaign="Spring"), short_ids(factor=0.95, account="act_1", campaign="Spring")),
        (short_ids(name="", days=4), short_ids(factor=1.01, account="act_1", name="", days=4)),  # nothing but ids
        (short_ids(days=9), short_ids(factor=1.06, account="act_1", days=4)),  # a part of the days
    ],
)
def test_a_short_id_with_nearly_the_same_figures_is_one_ad_when_the_account_comes_later(
    first: str, second: str, store: Store, tmp_path: Path
) -> None:
    paths = [write(tmp_path / f"{number}.csv", text) for number, text in enumerate((first, second))]
    corrected_days = {line.split(",")[0] for line in second.splitlines()}
    rest = [line for line in first.splitlines()[1:] if line.split(",")[0] not in corrected_days]
    wanted = {max(shown(first), shown(second)), shown(second) + shown("\n".join(["", *rest]))}
    for order in (0, 1), (1, 0):
        for place in order:
            (summary,) = run_import(store, paths[place])
        assert read(store).impressions in wanted
        assert [one.reason.value for one in summary.not_counted][:1] != []
        listed = list_imports(store)
        assert listed.maybe_twice is None
        for one in listed.imports:
            if one.undone_at is None:
                undo_import(store, one.import_id)


@pytest.mark.parametrize(
    "others",
    [
        [short_ids(factor=1.5, account="act_1")],  # other figures under one name
        [short_ids(factor=1.05, account="act_1", name="", days=4)],  # no name, and figures that are not as near
        [short_ids(account="act_1", factor=1.02), short_ids(account="act_2", factor=1.03)],  # two that fit
    ],
)
def test_a_short_id_without_proof_stays_two_ads_and_is_said(others: list[str], store: Store, tmp_path: Path) -> None:
    first = short_ids(name="" if "hero" not in others[0] else "hero", days=4 if day(3) in others[0] else 1)
    said = []
    for number, text in enumerate([*others, first]):
        (summary,) = run_import(store, write(tmp_path / f"{number}.csv", text))
        said = [note for note in summary.notes if "count twice" in note]
    assert read(store).impressions == sum(map(shown, [first, *others]))
    (note,) = said
    assert note.startswith("3 ads have an id that an ad of account")
    assert f"up to {shown(first):,} impressions" in note
    listed = list_imports(store)
    assert (str(listed.maybe_twice), listed.imports[0].notes[-1]) == (note, note)
    assert any("count twice" in one for one in view(listed).notes)
    undo_import(store, listed.imports[0].import_id)
    assert list_imports(store).maybe_twice is None


def test_a_second_account_with_the_same_ids_stays_beside_an_account_that_was_named_late(
    store: Store, tmp_path: Path
) -> None:
    first, late, second = short_ids(), short_ids(account="act_1"), short_ids(factor=1.01, account="act_2")
    for number, text in enumerate((first, late, second)):
        run_import(store, write(tmp_path / f"{number}.csv", text))
    assert read(store).impressions == shown(late) + shown(second)
    assert list_imports(store).maybe_twice is None


CORRECTED = [(n, a, i + 11 + a, c + 1, v) for n, a, i, c, v in ROWS]
MAPPINGS = {
    "ids, then names": ("Ad ID,Ad name", "12{0},hero{0}.png", "Ad name", "hero{0}.png"),
    "names, then their campaign": ("Ad name", "hero{0}.png", "Campaign name,Ad name", "C,hero{0}.png"),
    "a campaign, then its ad set": (
        "Campaign name,Ad name", "C,hero{0}.png", "Campaign name,Ad set name,Ad name", "C,S,hero{0}.png",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_corrected_export_under_another_mapping_counts_once(mapping: str, store: Store, tmp_path: Path) -> None:
    header, ad, later_header, later_ad = MAPPINGS[mapping]
    run_import(store, write(tmp_path / "first.csv", plain(ad, header)))
    (summary,) = run_import(store, write(tmp_path / "later.csv", plain(later_ad, later_header, CORRECTED)))
    assert read(store).impressions == sum(row[2] for row in CORRECTED)
    assert [one.impressions for one in summary.not_counted] == [TOTAL[0]]


@pytest.mark.parametrize(
    "others",
    [
        [(n, a, round(i * 1.07), c, v) for n, a, i, c, v in ROWS],  # another ad with that image
        [(n, a, i + 1, c + 20, v) for n, a, i, c, v in ROWS],  # the same impressions, other clicks
        [(n, a, i + 1, c, v) for n, a, i, c, v in ROWS if n < 2],  # too few days to tell
    ],
)
def test_one_name_without_near_figures_stays_two_ads(others: list[Row], store: Store, tmp_path: Path) -> None:
    run_import(store, write(tmp_path / "ids.csv", plain("12{0},hero{0}.png", "Ad ID,Ad name")))
    run_import(store, write(tmp_path / "names.csv", plain("hero{}.png", "Ad name", others)))
    assert read(store).impressions == TOTAL[0] + sum(row[2] for row in others)


def test_the_largest_of_several_platforms_is_not_taken_for_their_sum(store: Store, tmp_path: Path) -> None:
    lines = [f"{day(0)},17,{platform},{n},9" for platform, n in (("facebook", 950), ("instagram", 90))]
    run_import(store, write(tmp_path / "parts.csv", table("Day,Ad ID,Platform,Impressions,Clicks", lines)))
    run_import(store, write(tmp_path / "sum.csv", table("Day,Ad ID,Impressions,Clicks", [f"{day(0)},17,1000,18"])))
    assert read(store).impressions in (1000, 1040, 2040)
