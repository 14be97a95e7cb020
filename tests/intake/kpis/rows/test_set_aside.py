"""Total lines and rows of nothing are no faults: they are set aside with a count of their own, and eat no real ad."""

from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.store import imports
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Campaign, KpiImport, KpiRevision
from tests.kpi_files import figures, rows, run_import, write

WITH_IDS = "day,campaign,ad,creative,impressions,clicks,conversions,spend"
WITH_NAMES = "day,campaign,creative,impressions,clicks,conversions,spend"
A = "2026-01-01,spring,1,a.png,1000,20,3,4.50"
B = "2026-01-01,spring,2,b.png,500,5,0,1.50"
NAMED_A, NAMED_B = A.replace(",1,a", ",a"), B.replace(",2,b", ",b")


def kinds(store: Store) -> list[tuple[str, int]]:
    with store.read() as session:
        return [(row["kind"], row["line"]) for row in imports.kpi_rejects(session, None, 100)]


@pytest.mark.parametrize(
    "name",
    [
        "Total", "Totals", "Grand Total", "Subtotal", "Total: Account", "Total: Ads", "Total – Search", "Total (7)",
        "Total of 12 results", "Results from 20 ads", "Gesamt", "Gesamt: Konto", "Gesamtsumme", "Gesamtergebnis",
        "Summe", "Insgesamt", "Total général", "Total : compte", "Sous-total", "Résultats de 20 publicités",
        "Total general",
        "Totales", "Resultados de 20 anuncios", "Total geral", "Totais", "Totale", "Totale: account",
        "Risultati di 20 inserzioni", "Totaal", "Eindtotaal", "Totaal: account", "Suma", "Łącznie", "Razem: konto",
        "Ogółem", "合計", "総計", "合計: アカウント", "小計",
        "합계", "총계", "전체 합계", "总计", "合计", "總計", "总计：账户",
        "Celkem", "Összesen", "Toplam", "Totalt", "Yhteensä", "I alt: konto", "Σύνολο", "المجموع", "รวม", "Tổng",
        "Jumlah", "Ukupno", "Всього", "סך הכל", "कुल",
        "Итого", "Итого: аккаунт", "Всего", "Результаты: 20 объявлений",
    ],
)  # fmt: skip
def test_a_total_line_is_known_in_the_languages_of_the_platforms(
    sqlite_store: Store, tmp_path: Path, name: str
) -> None:
    lines = [
        f'"{name}",--,--,--,9000,90,3,6.00',  # in the first cell, as Google and TikTok write it
        f'2026-01-01,"{name}",,,9001,90,3,6.00',  # in the campaign, without an ad
        f'2026-01-01,spring,-,"{name}",9002,90,3,6.00',  # in the name of the ad, without its id
    ]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(A, B, *lines, header=WITH_IDS)))[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (2, 0, 3), summary
    assert summary.aside == {"looks like a row of totals": 3}

    lines = [
        f'"{name}",,,1500,25,3,6.00',
        f'2026-01-01,,"{name}",1500,25,3,6.00',
        f'2026-01-01,spring,"{name}",1500,25,3,6.00',  # the sum of its campaign
    ]
    path = write(tmp_path / "names.csv", rows(NAMED_A, NAMED_B, *lines, header=WITH_NAMES))
    summary = run_import(sqlite_store, path)[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (2, 0, 3), summary


@pytest.mark.parametrize(
    "name",
    [
        "Total Care serum.png", "Totally new.png", "total-care.png", "TotalEnergies.jpg", "Total.png",
        "Total: care.png",
        "Gesamtpaket.png", "Summer.png", "Summen.png", "Итоговая распродажа.png", "計画.png", "合計金額.png",
        "Razem.png",
        "All ads are equal.png", "Sumatra.png", "Totem.png", "Resultados.png", "Results from yoga.png",
    ],
)  # fmt: skip
def test_a_real_ad_with_such_a_name_is_imported(sqlite_store: Store, tmp_path: Path, name: str) -> None:
    line = f'2026-01-01,{{}}"{name}",700,7,1,2.00'
    with_ids = rows(A, B, line.format("spring,3,"), header=WITH_IDS)
    with_names = rows(NAMED_A, NAMED_B, line.format("spring,"), header=WITH_NAMES)
    campaigns = rows(A, B, f'2026-01-01,"{name[:-4]}",3,c.png,700,7,1,2.00', header=WITH_IDS)
    for n, content in enumerate((with_ids, with_names, campaigns)):
        summary = run_import(sqlite_store, write(tmp_path / f"{n}.csv", content), account=str(n))[0]
        assert (summary.imported + summary.updated, summary.rejected, summary.set_aside) == (3, 0, 0), content


def test_a_line_without_a_name_is_a_total_where_it_has_the_sum(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [
        "2026-01-01,summer,3,c.png,40,2,3,4.50",
        "2026-01-02,summer,3,c.png,20,4,3,4.50",
        ",,,,1560,40,6,9.00",  # all rows; clicks of a total may be counted otherwise
        "2026-01-01,,,,1540,27,3,6.00",  # a day
        "2026-01-01,spring,,,1500,25,3,6.00",  # a campaign
        ",summer,3,c.png,60,6,3,4.50",  # an ad, without a date
        "2026-01-01,,,,1499,25,3,6.00",
        ",spring,1,a.png,1000,20,3,4.50",  # the figures of one row: not its sum, but without a date
    ]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(A, B, *lines, header=WITH_IDS)))[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (4, 2, 4)
    assert kinds(sqlite_store) == [("rejected", 10), ("rejected", 11), *(("set_aside", line) for line in range(6, 10))]


def _days(whole: str, days: int, *, per_campaign: bool = False, more: int = 0) -> str:
    """Three ads of two campaigns by day, and below them what they have together, under a name."""
    lines = []
    for day in range(1, days + 1):
        ads = [(1013 + 31 * day, 21 + day), (2027 + 17 * day, 43 + day), (911 + 7 * day, 19 + day)]
        parts = [("spring", ads[:2]), ("summer", ads[2:])] if per_campaign else [("", ads)]
        for number, (shown, clicks) in enumerate(ads):
            lines.append(f"2026-01-{day:02d},{'summer' if number > 1 else 'spring'},{number}.png,{shown},{clicks},1,2")
        for campaign, part in parts:
            shown, clicks = (sum(one[at] for one in part) for at in (0, 1))
            lines.append(f"2026-01-{day:02d},{campaign},{whole},{shown + more},{clicks},3,6")
    return rows(*lines, header=WITH_NAMES)


@pytest.mark.parametrize("per_campaign", [False, True])
@pytest.mark.parametrize("whole", ["Kokku", "Skupaj", "Media plan", "Iš viso"])
def test_an_ad_that_is_in_each_day_the_sum_of_all_others_is_a_total_whatever_it_is_called(
    sqlite_store: Store, tmp_path: Path, whole: str, per_campaign: bool
) -> None:
    content = _days(whole, 5, per_campaign=per_campaign)
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", content))[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (15, 0, 10 if per_campaign else 5)
    assert any(repr(whole) in note and "the sum of all others" in note for note in summary.notes)


def test_an_ad_that_is_nearly_the_sum_of_others_or_has_an_id_or_proves_nothing_is_imported(
    sqlite_store: Store, tmp_path: Path
) -> None:
    round_ones = rows("2026-01-01,a,1000,10", "2026-01-01,b,2000,30", "2026-01-01,c,3000,40", header=_NAMES)
    single = rows("2026-01-01,a,1013,17", "2026-01-01,b,1013,17", "2026-01-02,a,1711,19", header=_NAMES)
    with_ids = _days("9", 5).replace("creative", "ad", 1)
    for content in (_days("Kokku", 5, more=1), round_ones, single, with_ids):
        summary = run_import(sqlite_store, write(tmp_path / "k.csv", content))[0]
        assert (summary.imported + summary.updated, summary.set_aside) == (summary.rows, 0), content


_NAMES = "day,creative,impressions,clicks"


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-02,summer,9,z.png,0,0,0,0",
        "2026-01-02,summer,9,z.png,0,0,0,0.00",
        "2026-01-02,summer,9,z.png,0,,,",
        "2026-01-02,summer,9,z.png,,,,",
        "2026-01-02,summer,9,z.png,-,-,-,-",
        "--,summer,9,z.png,0,0,0,0",
        "2026-01-02,--,--,--,0,0,0,0",
    ],
)
def test_a_row_in_which_nothing_happened_is_set_aside_and_makes_nothing(
    store: Store, tmp_path: Path, line: str
) -> None:
    summary = run_import(store, write(tmp_path / "k.csv", rows(A, line, header=WITH_IDS)))[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (1, 0, 1), summary.reasons
    assert summary.unlinked == 1
    assert kinds(store) == [("set_aside", 3)]
    with store.read() as session:
        assert session.scalars(select(Ad.external_id)).all() == ["1"]
        assert session.scalars(select(Campaign.key)).all() == ["spring"]
        assert session.scalars(select(KpiImport.set_aside)).one() == 1


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-02,spring,1,a.png,0,1,0,0",
        "2026-01-02,spring,1,a.png,0,0,0.5,0",
        "2026-01-02,spring,1,a.png,0,0,0,0.01",
        "2026-01-02,spring,1,a.png,1,0,0,0",
    ],
)
def test_a_row_in_which_anything_happened_is_imported(sqlite_store: Store, tmp_path: Path, line: str) -> None:
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(A, line, header=WITH_IDS)))[0]
    assert (summary.imported, summary.set_aside) == (2, 0)


def test_an_unreadable_figure_is_a_fault_also_beside_zeros(sqlite_store: Store, tmp_path: Path) -> None:
    lines = ["2026-01-02,spring,1,a.png,0,x,0,0", "2026-01-02,spring,2,a.png,0,0,0,-1", ",,,,,,,"]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(A, *lines, header=WITH_IDS)))[0]
    assert (summary.imported, summary.rejected, summary.set_aside) == (1, 3, 0)


def test_a_row_of_nothing_takes_back_what_an_earlier_file_said(store: Store, tmp_path: Path) -> None:
    run_import(store, write(tmp_path / "first.csv", rows(A, B, header=WITH_IDS)))
    nothing = ["2026-01-01,spring,1,a.png,0,0,0,0", "2026-01-02,spring,1,a.png,0,0,0,0"]
    second = run_import(store, write(tmp_path / "second.csv", rows(*nothing, header=WITH_IDS)))[0]
    assert (second.updated, second.imported, second.set_aside) == (1, 0, 1)
    assert [row[1:] for row in figures(store)] == [(0, 0, 0), (500, 5, 0)]
    with store.read() as session:
        assert session.scalars(select(KpiRevision.impressions)).all() == [1000]
    again = run_import(store, tmp_path / "second.csv")[0]
    assert (again.unchanged, again.set_aside) == (1, 1)
