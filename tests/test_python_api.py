"""The public Python API: what is in it, what it costs to import, and that a workspace does what the commands do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import abkit as ab
from abkit.commands.app import main
from abkit.workflows.active_model import promote, register_checkpoint
from tests.images import save_images
from tests.kpi_files import HEADER, write
from tests.workflows.conftest import make_checkpoint

HEAVY = ("torch", "scipy", "statsmodels", "pandas", "polars", "sqlalchemy", "altair", "numpy")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ab.Workspace]:
    """A workspace with four scored creatives that have KPIs."""
    folder = tmp_path_factory.mktemp("shop")
    with ab.Workspace.create(folder) as workspace:
        made = make_checkpoint(folder / "quick", seed=0)
        promote(workspace.store, register_checkpoint(workspace.store, made).digest, why="for the tests")
        save_images(folder / "ads", 4)
        workspace.score(folder / "ads", campaign="spring")
        days = [
            f"2025-03-0{day},{number},{image.name},spring,{1000 * day},{10 * day + number},1,5.0,EUR"
            for day in (3, 4)
            for number, image in enumerate(sorted((folder / "ads").iterdir()))
        ]
        write(folder / "spring.csv", "\n".join([HEADER, *days]) + "\n")
        (imported,) = workspace.import_kpis(folder / "spring.csv")
        assert (imported.imported, imported.rejected, imported.unlinked) == (8, 0, 0)
        yield workspace


def test_importing_abkit_loads_nothing_heavy() -> None:
    code = (
        "import abkit, sys; print([name for name in sys.argv[1:] if name in sys.modules])\n"
        "import abkit.workflows.correlate; print([name for name in ('scipy.stats', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_every_public_name_is_there_documented_and_about_twenty() -> None:
    for name in ab.__all__:
        assert getattr(ab, name) is not None
        assert name == "__version__" or getattr(ab, name).__doc__
    assert len(ab.__all__) <= 20
    assert set(ab.__all__) <= set(dir(ab))


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'comapre'.*compare"):
        ab.comapre  # noqa: B018


def test_type_checkers_know_that_it_is_typed() -> None:
    assert (Path(ab.__file__).parent / "py.typed").exists()


def test_two_rates_are_compared_as_written() -> None:
    found = ab.compare(480, 10_000, 560, 10_100)
    assert found.p_value == pytest.approx(0.01726, abs=1e-5)
    assert str(found).splitlines()[0] == "newcombe, 95 %"
    assert found.to_dict()["treatment"]["successes"] == 560


def test_a_record_prints_what_its_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["calc", "compare", "--control", "480/10000", "--treatment", "560/10100"])
    assert capsys.readouterr().out.strip() == str(ab.compare(480, 10_000, 560, 10_100)).strip()


def test_one_error_family_holds_the_scorer_too() -> None:
    from abkit_model.errors import ImageRejected

    with pytest.raises(ab.AbkitError):
        ab.compare(5, 3, 1, 2)
    assert issubclass(ImageRejected, ab.AbkitError)
    with pytest.raises(ab.AbkitError):
        ab.Scorer.load("no-such-folder")


def test_a_scorer_takes_paths_images_and_arrays_without_a_store(tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    (path,) = save_images(tmp_path, 1)
    scorer = ab.Scorer.load(make_checkpoint(tmp_path / "quick", seed=0))
    image = Image.open(path)
    first, second, third = scorer.score([path, image, np.asarray(image)])
    assert first.mean == pytest.approx(second.mean, abs=1e-3) == pytest.approx(third.mean, abs=1e-3)
    assert "mean" in str(first)


def test_a_folder_that_is_no_workspace_says_how_to_create_one(tmp_path: Path) -> None:
    with pytest.raises(ab.AbkitError) as caught:
        ab.Workspace.open(tmp_path)
    assert "Workspace.create" in caught.value.hint


def test_scores_are_a_table_a_page_with_thumbnails_and_a_frame(shop: ab.Workspace) -> None:
    scored = shop.score(shop.settings.workspace / "ads", campaign="spring")
    assert [file.status for file in scored.files] == ["known"] * 4
    assert "Campaign spring" in str(scored)
    html = scored._repr_html_()
    assert html is not None
    assert html.count("<tr>") == 5
    assert html.count("data:image/webp;base64,") == 4
    frame = scored.to_polars()
    assert isinstance(frame, pl.DataFrame)
    assert frame["mean"].to_list() == [file.mean for file in scored.files]


def test_names_from_outside_are_escaped_in_a_page(shop: ab.Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    (image,) = save_images(folder, 1, first=9)
    image.rename(folder / "<img src=x onerror=alert(1)>.png")
    html = shop.score(folder, campaign="odd")._repr_html_()
    assert html is not None
    assert "<img src=x" not in html


def test_a_shortlist_keeps_what_may_be_best(shop: ab.Workspace) -> None:
    chosen = shop.shortlist("spring", keep=2)
    assert chosen.kept == 2
    assert chosen.to_polars()["kept"].to_list() == [True, True, False, False]
    assert "data:image/webp;base64," in (chosen._repr_html_() or "")


def test_a_correlation_has_its_chart_in_a_page(shop: ab.Workspace) -> None:
    from datetime import date

    found = shop.correlate("ctr", as_of=date(2025, 3, 10), min_impressions=1)
    assert found.to_polars()["n"].to_list() == [4, 4, 4, 4]
    assert "<svg" in (found._repr_html_() or "")


def test_a_drift_check_decides_and_says_what_is_missing(shop: ab.Workspace) -> None:
    from datetime import date

    found = shop.check_drift(as_of=date(2025, 3, 10))
    assert found.decision in ("insufficient_data", "stable", "watch")
    assert "Decision:" in str(found)
    assert {"layer", "test", "verdict"} <= set(found.to_polars().columns)


def test_alerts_of_a_drift_check_of_today_are_dated_now_and_of_an_earlier_day_at_its_end(
    shop: ab.Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, date, datetime

    instants: list[datetime | None] = []
    monkeypatch.setattr(
        "abkit.workflows.drift.check.check_drift", lambda *_, **options: instants.append(options["now"])
    )
    shop.check_drift()
    shop.check_drift(as_of=date(2025, 3, 10))
    assert instants[0] is not None
    assert instants[0] <= datetime.now(UTC)
    assert instants[1] is None


def test_the_report_is_written_into_the_workspace(shop: ab.Workspace) -> None:
    path = shop.report(campaign="spring")
    assert path == shop.settings.workspace / "report.html"
    assert "spring" in path.read_text()


def test_an_unknown_metric_is_refused_with_those_that_are_known(shop: ab.Workspace) -> None:
    with pytest.raises(ab.AbkitError, match=r"'clicks'; expected one of ctr, cvr"):
        shop.correlate("clicks")


def test_an_experiment_comes_from_any_frame() -> None:
    frame = pl.DataFrame({"user": list(range(40)), "arm": ["a", "b"] * 20, "spent": [float(n % 7) for n in range(40)]})
    found = ab.experiment_from_rows(frame, unit="user", variant="arm", metric="spent")
    assert json.loads(json.dumps(found.to_dict()))
    assert "b" in str(found)


def test_a_closed_workspace_opens_its_store_again(shop: ab.Workspace) -> None:
    shop.close()
    assert shop.shortlist("spring").n == 4
