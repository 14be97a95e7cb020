"""What imports, links and agreement look like where no command prints them."""

import json
from pathlib import Path

import abkit
from abkit.config import Settings
from abkit.store.database.engine import Store
from abkit.workflows.kpis.linking.link import link
from abkit.workflows.ratings.agreement import study_table
from abkit.workflows.ratings.import_ratings import import_labels
from tests.images import save_images
from tests.kpi_files import rows, run_import, write

assert abkit.__all__  # importing the package names the module that shows records


def test_an_import_and_its_unlinked_ads_are_tables_with_what_to_do(sqlite_store: Store, tmp_path: Path) -> None:
    lines = ["2026-01-01,1,a.png,spring,1000,20,3,4.5,USD", "2026-01-02,2,a.png,spring,10,20,3,4.5,USD"]
    (summary,) = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines)))
    text = str(summary)
    assert "imported" in text.splitlines()[0]
    assert "1 rejected: clicks above impressions" in text
    assert f"abkit kpi rejects --import {summary.import_id}" in text
    assert "<table>" in (summary._repr_html_() or "")
    (missing,) = run_import(sqlite_store, tmp_path / "none.csv")
    assert "there is no file with this name" in str(missing)

    linked = link(sqlite_store)
    assert "0 links made; 1 ads without a creative, 100.0 % of impressions" in str(linked)
    assert linked.to_dict()["unlinked"][0]["ad"] == "1"


def test_imported_ratings_and_their_agreement_are_tables(sqlite_store: Store, tmp_path: Path) -> None:
    for number, path in enumerate(save_images(tmp_path / "images", 3)):
        path.rename(path.with_name(f"{number}.png"))
    votes = [f"rater {r},{i}.png,{i + r + 1}" for i in range(3) for r in range(2)]
    table = write(tmp_path / "votes.csv", rows(*votes, "rater 0,gone.png,1", header="rater,image,score"))
    imported = import_labels(sqlite_store, Settings(), table, tmp_path / "images", scale=(1, 7))
    text = str(imported)
    assert "line 8: gone.png: " in text
    assert "abkit ratings rejects --import 1" in text
    assert "scale 1 to 7" in text

    study = study_table(table, scale=(1, 7))
    assert "6 ratings of 3 images by 2 raters" in str(study)
    assert json.dumps(study.to_dict())
