"""The page of a drift check: the answer first, then why, in images of both windows; it needs nothing else."""

import re
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select, update

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.reporting.page.drift import gather_drift_page, make_drift_page, render_drift_page
from abkit.store.database.engine import Store
from abkit.store.schema import CorrelationResult, Creative, CreativeAlias, DriftResult
from abkit.workflows.drift.check import check_drift
from tests.monitoring_rows import NOW, Seed, seeded

pytestmark = pytest.mark.usefixtures("checked_charts")

START = date(2025, 3, 3)
AS_OF = START + timedelta(days=27)
HOSTILE = "<script>alert(1).png"


def world(store: Store, folder: Path, *, shift: float = 0.0) -> Seed:
    """Thirty creatives before and thirty new ones, which may look different, each with an image file."""
    seed = seeded(store)
    rng = np.random.default_rng(3)
    for name, day, moved in (("before", START, 0.0), ("after", AS_OF - timedelta(2), shift)):
        scores = [float(score) for score in rng.normal(4 + moved / 4, 0.7, 30)]
        ads = seed.creatives(name, scores, embeddings=rng.normal(moved, 1, (30, 8)), launched=[day] * 30)
        seed.kpis([{"ad_id": ad, "day": AS_OF - timedelta(1), "impressions": 1000, "clicks": 20} for ad in ads])
    with store.write() as session:
        for id_ in session.scalars(select(Creative.id)).all():
            path = folder / (HOSTILE if id_ == 31 else f"creative-{id_}.png")
            Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)).save(path)  # one color is no creative
            content = sha256(path.read_bytes()).hexdigest()
            session.execute(update(Creative).where(Creative.id == id_).values(sha256=content))
            session.add(
                CreativeAlias(
                    creative_id=id_,
                    name=str(path),
                    base_name=path.stem,
                    link_key=path.stem,
                    created_at=NOW,
                    run_id=seed.run_id,
                )
            )
    return seed


@pytest.fixture
def shifted(sqlite_store: Store, tmp_path: Path) -> Store:
    world(sqlite_store, tmp_path, shift=3.0)
    check_drift(sqlite_store, Settings(), reference="campaign:before", current="campaign:after", as_of=AS_OF)
    return sqlite_store


def test_the_decision_and_what_to_do_stand_on_top_with_how_many_layers_were_judged(shifted: Store) -> None:
    page = render_drift_page(gather_drift_page(shifted, Settings()))

    top = page[: page.index('id="why"')]
    assert "Retrain: these creatives are new to the scorer" in top
    assert re.search(r"retrain \([2-4] of 5 layers judged\)", top)
    assert top.index("What to do") < top.index("Label some of the new creatives first")
    assert page.index('id="why"') < page.index('id="windows"') < page.index('id="time"') < page.index('id="figures"')


def test_the_sheet_shows_those_that_a_test_names_beside_the_typical_of_the_reference(shifted: Store) -> None:
    with shifted.read() as session:
        naming = [row for row in session.scalars(select(DriftResult)) if row.detail.get("creatives")]
        named = next(row for row in naming if row.verdict == "major").detail["creatives"][:8]
    assert any(row.verdict != "major" for row in naming)

    moved, typical = gather_drift_page(shifted, Settings()).sheets

    assert [one.creative_id for one in moved.creatives] == named
    assert {one.creative_id for one in typical.creatives} <= set(range(1, 31))
    shown = (*moved.creatives, *typical.creatives)
    assert [one.name for one in shown if not one.thumbnail.startswith("data:image/webp")] == []


def test_without_a_test_that_names_any_it_shows_those_farthest_from_the_reference(shifted: Store) -> None:
    with shifted.write() as session:
        for row in session.scalars(select(DriftResult)):
            row.detail = {name: value for name, value in row.detail.items() if name != "creatives"}

    moved, _ = gather_drift_page(shifted, Settings()).sheets

    assert len(moved.creatives) == 8
    assert "farthest" in moved.caption
    assert {one.creative_id for one in moved.creatives} <= set(range(31, 61))


def test_it_needs_no_network_runs_no_script_and_escapes_names(shifted: Store, tmp_path: Path) -> None:
    with shifted.write() as session:
        session.execute(update(DriftResult).values(detail={"creatives": [31], "sentence": "<b>bold</b>"}))

    path = make_drift_page(shifted, Settings(), tmp_path / "page.html")

    page = path.read_text()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "&lt;b&gt;bold" in page
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert not re.findall(r"url\((?!data:|#)[^)]*\)", page)


def test_a_reference_of_the_model_and_a_store_without_scores_say_what_cannot_be_shown(sqlite_store: Store) -> None:
    with pytest.raises(UsageError, match="no drift check"):
        make_drift_page(sqlite_store, Settings())
    seeded(sqlite_store)
    check_drift(sqlite_store, Settings(), reference="model", current="creatives", as_of=AS_OF)

    page = render_drift_page(gather_drift_page(sqlite_store, Settings()))

    assert "Not enough data to judge" in page
    assert "(0 of 5 layers judged)" in page
    assert "numbers are stored and no images" in page
    assert "No creative of the windows has a score." in page


def test_the_correlation_over_time_stands_beside_its_noise_ceiling(sqlite_store: Store, tmp_path: Path) -> None:
    seed = world(sqlite_store, tmp_path)
    with sqlite_store.write() as session:
        for days, srcc, ceiling in ((9, 0.31, 0.82), (2, 0.12, 0.33), (1, 0.2, None)):
            session.add(
                CorrelationResult(
                    run_id=seed.run_id,
                    model_version_id=seed.version_id,
                    metric="ctr" if ceiling else "cvr",
                    scope="within_campaign",
                    statistic="srcc" if days != 9 else "plcc",
                    estimate=srcc,
                    ci_low=srcc - 0.1,
                    ci_high=srcc + 0.1,
                    ci_level=0.95,
                    n=60,
                    method="",
                    as_of=AS_OF - timedelta(days=days),
                    filters={"appeal": {"ceiling": ceiling}},
                )
            )
    check_drift(sqlite_store, Settings(), reference="campaign:before", current="campaign:after", as_of=AS_OF)

    page = render_drift_page(gather_drift_page(sqlite_store, Settings()))

    (table,) = re.findall(r"Scores and clicks, estimate by estimate.*?</table>", page, re.DOTALL)
    (row,) = re.findall(r"<tr><td.*?</tr>", table)
    cells = re.findall(r">([^<>]+)</td>", row)
    assert cells == ["2025-03-28", "0.12", "0.02 … 0.22", "0.33", "60"]
