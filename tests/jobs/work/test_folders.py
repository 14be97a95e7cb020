"""Watched folders: what arrives is dealt with once, and put away."""

import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.jobs.job import Tick
from abkit.jobs.schedules import CATALOG
from abkit.jobs.work.folders import stable_files
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Alert, Kpi, KpiReject, RetrainTrial, Score
from abkit.workflows.active_model import promote, register_checkpoint
from abkit.workspace import Workspace
from tests.alerts.conftest import both_engines
from tests.images import broken_files, make_image, save_images
from tests.store.rows import add_version
from tests.workflows.conftest import quick_checkpoint

__all__ = ["quick_checkpoint"]

TICK = datetime(2026, 3, 1, 6, tzinfo=UTC)
HEADER = "date,ad id,impressions,clicks,conversions\n"
RunJob = Callable[..., Mapping[str, Any]]


@pytest.fixture
def run_job(store: Store, tmp_path: Path) -> RunJob:
    """Run a job of the catalog as its process would, for a tick."""
    settings = Settings(workspace=tmp_path)

    def run(name: str, at: datetime = TICK, **arguments: Any) -> Mapping[str, Any]:
        job = CATALOG[name]
        record = begin_run(store, name, {})
        tick = Tick(schedule="feed", at=at, started_at=datetime.now(UTC), attempt=1, run=record)
        return {**record.outcome, **job.run(store, settings, tick, job.arguments.model_validate(arguments))}

    return run


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def _kpis(store: Store) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(Kpi)) or 0


def _row(ad: str, clicks: int = 3, day: str = "2026-02-01") -> str:
    return f"{day},{ad},100,{clicks},0\n"


@both_engines
def test_good_files_go_to_done_and_bad_ones_to_failed_with_the_reason(
    run_job: RunJob, inbox: Path, store: Store
) -> None:
    (inbox / "good.csv").write_text(HEADER + _row("a") + _row("b"))
    (inbox / "bad.csv").write_text("nothing,of,use\n1,2,3\n")
    outcome = run_job("import_kpis", folder="inbox", stable_seconds=0)

    assert (outcome["files"], outcome["imported"]) == (2, 2)
    assert sorted(path.name for path in (inbox / "done").iterdir()) == ["good.csv"]
    assert sorted(path.name for path in (inbox / "failed").iterdir()) == ["bad.csv", "bad.csv.reason.txt"]
    assert len((inbox / "failed" / "bad.csv.reason.txt").read_text()) > 20
    assert [path.name for path in inbox.iterdir() if path.is_file()] == []
    assert _kpis(store) == 2
    with store.read() as session:
        (alert,) = session.scalars(select(Alert)).all()
    assert (alert.rule, alert.severity) == ("data_fault", "critical")
    assert "bad.csv" in alert.title


def test_a_file_whose_import_was_done_but_not_the_move_does_no_harm(run_job: RunJob, inbox: Path, store: Store) -> None:
    (inbox / "good.csv").write_text(HEADER + _row("a"))
    run_job("import_kpis", folder="inbox", stable_seconds=0)
    (inbox / "done" / "good.csv").rename(inbox / "good.csv")
    run_job("import_kpis", folder="inbox", stable_seconds=0)
    assert _kpis(store) == 1
    assert (inbox / "done" / "good.csv").exists()


def test_a_name_that_comes_again_overwrites_nothing_in_done(run_job: RunJob, inbox: Path) -> None:
    for clicks in (1, 2, 3):
        (inbox / "daily.csv").write_text(HEADER + _row("a", clicks))
        run_job("import_kpis", folder="inbox", stable_seconds=0)
    assert sorted(path.name for path in (inbox / "done").iterdir()) == ["daily-1.csv", "daily-2.csv", "daily.csv"]


def test_too_many_rejects_open_an_alert_and_a_good_file_calms_it(run_job: RunJob, inbox: Path, store: Store) -> None:
    (inbox / "a.csv").write_text(HEADER + "".join(_row(f"ad{n}") for n in range(8)) + _row("x", 101) + _row("y", 500))
    run_job("import_kpis", folder="inbox", stable_seconds=0)
    with store.read() as session:
        (alert,) = session.scalars(select(Alert)).all()
        assert session.scalar(select(func.count()).select_from(KpiReject)) == 2
    assert alert.rule == "import_rejects"
    assert "2 of 10 rows rejected (20.0 %)" in alert.title

    (inbox / "b.csv").write_text(HEADER + _row("a", day="2026-02-02"))
    run_job("import_kpis", TICK + timedelta(hours=1), folder="inbox", stable_seconds=0)
    with store.read() as session:
        assert session.scalars(select(Alert)).one().clear_since == TICK + timedelta(hours=1)


def test_a_file_still_being_written_waits_for_the_next_tick(run_job: RunJob, inbox: Path, store: Store) -> None:
    growing = inbox / "growing.csv"
    growing.write_text(HEADER)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.02):
            with growing.open("a") as file:
                file.write(_row(f"ad{number}"))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    (inbox / "upload.csv.part").write_text("half a li")
    try:
        outcome = run_job("import_kpis", folder="inbox", stable_seconds=0.3)
    finally:
        stop.set()
        writer.join()
    assert (outcome["files"], outcome["still_written"]) == (0, 1)
    assert growing.exists()
    assert _kpis(store) == 0
    outcome = run_job("import_kpis", folder="inbox", stable_seconds=0.3)
    assert outcome["files"] == 1
    assert (inbox / "upload.csv.part").exists()


def test_hundreds_of_files_at_once_are_imported_in_one_tick(run_job: RunJob, inbox: Path, store: Store) -> None:
    """Most are copies of one another: what each further content costs does not depend on how many there are."""
    for number in range(300):
        (inbox / f"{number}.csv").write_text(HEADER + _row(f"ad{number % 30}"))
    outcome = run_job("import_kpis", folder="inbox")
    assert (outcome["files"], outcome["imported"], outcome["still_written"]) == (300, 30, 0)
    assert len(list((inbox / "done").iterdir())) == 300
    assert _kpis(store) == 30


def test_the_youngest_file_has_the_last_word_whatever_its_name(run_job: RunJob, inbox: Path, store: Store) -> None:
    for age, name in enumerate("dacb"):
        path = inbox / f"{name}.csv"
        path.write_text(HEADER + _row("ad", clicks=age))
        os.utime(path, (TICK.timestamp() + age, TICK.timestamp() + age))
    assert run_job("import_kpis", folder="inbox")["updated"] == 3
    with store.read() as session:
        assert session.scalars(select(Kpi.clicks)).all() == [3]


def test_a_file_that_goes_away_meanwhile_is_nobodys_business(inbox: Path) -> None:
    stays, goes = inbox / "stays.csv", inbox / "goes.csv"
    for path in (stays, goes):
        path.write_text(HEADER)
    timer = threading.Timer(0.2, goes.unlink)
    timer.start()
    assert stable_files([goes, inbox / "was-never-there.csv", stays], datetime.now(UTC), 0.5) == ([stays], 0)
    timer.join()


@pytest.mark.parametrize("job", ["score_folder", "import_kpis"])
def test_a_folder_that_vanished_is_one_sentence(run_job: RunJob, job: str) -> None:
    with pytest.raises(AbkitError, match="does not exist") as failed:
        run_job(job, folder="gone")
    assert failed.value.hint


def test_files_outside_the_workspace_are_not_moved(run_job: RunJob, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "a.csv").write_text(HEADER + _row("a"))
    with pytest.raises(AbkitError, match="outside the workspace"):
        run_job("import_kpis", folder=str(elsewhere), stable_seconds=0)
    assert (elsewhere / "a.csv").exists()


def test_an_empty_folder_is_no_failure(run_job: RunJob, inbox: Path) -> None:
    assert inbox.is_dir()
    assert run_job("score_folder", folder="inbox")["files"] == 0
    assert run_job("import_kpis", folder="inbox")["files"] == 0


def test_nothing_in_a_folder_of_images_ends_it_and_each_file_left_out_is_named_once(
    run_job: RunJob, inbox: Path, store: Store, quick_checkpoint: Path
) -> None:
    version = register_checkpoint(store, quick_checkpoint)
    promote(store, version.digest, why="for the test")
    wanted = broken_files(inbox / "broken")
    save_images(inbox, 3)
    make_image(5, (96, 64)).save(inbox / "phone.jpg", "MPO", save_all=True, append_images=[make_image(6)])
    make_image(7).save(inbox / "two\nlines.png")
    (inbox / "round").symlink_to(inbox)
    kinds = {"logo.svg": "SVG", "flyer.pdf": "PDF", "layers.psd": "Photoshop"}
    for name in kinds:
        (inbox / name).write_bytes(b"x")
    (inbox / "notes.txt").write_text("x")
    for _ in range(2):  # the next tick says the same, and scores nothing twice
        outcome = run_job("score_folder", folder="inbox", stable_seconds=0)
        expected = {f"broken/{name}": word for name, word in wanted.items()} | kinds | {"round": "folder above"}
        assert set(outcome["not_read"]) == set(expected)
        for name, word in expected.items():
            assert word in outcome["not_read"][name] or "link" in outcome["not_read"][name], name
    assert (outcome["known"], outcome["ignored"]) == (5, 1)
    with store.read() as session:
        assert session.scalar(select(func.count()).select_from(Score)) == 5
        assert session.scalar(select(func.count()).select_from(Alert)) == 0


def test_a_held_challenger_whose_folder_is_gone_takes_no_scores_away_and_is_noted(
    run_job: RunJob, inbox: Path, tmp_path: Path, store: Store, quick_checkpoint: Path
) -> None:
    champion = register_checkpoint(store, quick_checkpoint)
    promote(store, champion.digest, why="for the test")
    run = begin_run(store, "retrain", {})
    challenger = add_version(store, run, "challenger")
    day = TICK.date()
    trial = RetrainTrial(
        champion_id=champion.id, challenger_id=challenger.id, segment="", metric="ctr", learned_until=day, as_of=day,
        campaigns=0, creatives=0, attempt=0, spent=0.0, figures={}, decision="candidate", reason="held",
        created_at=TICK, run_id=run.id,
    )  # fmt: skip
    with store.write() as session:
        session.add(trial)
    save_images(inbox, 2)
    outcome = run_job("score_folder", folder="inbox", stable_seconds=0)
    assert outcome["scored"] == 2
    assert outcome["note"].startswith(f"the challenger {challenger.digest[:12]} that is held did not score: ")

    save_images(tmp_path / "more", 3)
    shop = Workspace(Settings(workspace=tmp_path))
    shop.__dict__["store"] = store
    result = shop.score(tmp_path / "more")
    assert all(file.mean is not None for file in result.files)
    assert any("that is held did not score" in note for note in result.notes)


class _Died(BaseException):
    """Stands for kill -9: nothing catches it."""


def _alerts(store: Store) -> dict[str, Alert]:
    with store.read() as session:
        return {alert.rule: alert for alert in session.scalars(select(Alert))}


@both_engines
@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("bad.csv", "nothing,of,use\n1,2,3\n", "data_fault"),
        ("half.csv", HEADER + _row("a") + _row("x", 101), "import_rejects"),
    ],
)
@pytest.mark.parametrize("when", ["before the move", "after the move"])
def test_a_job_that_dies_around_the_move_of_a_file_has_told_about_it(
    run_job: RunJob,
    inbox: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: str,
    rule: str,
    when: str,
) -> None:
    (inbox / name).write_text(content)
    move = Path.rename

    def dies(path: Path, target: Path) -> Path:
        if when == "after the move":
            move(path, target)
        raise _Died

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dies)
        with pytest.raises(_Died):
            run_job("import_kpis", folder="inbox", stable_seconds=0)
    alert = _alerts(store)[rule]
    assert name in alert.title + alert.message

    # The next attempt of the tick, and the next tick, find only a good file: the alert stays until it was calm.
    (inbox / "good.csv").write_text(HEADER + _row("b"))
    run_job("import_kpis", folder="inbox", stable_seconds=0)
    assert _alerts(store)[rule].resolved_at is None
    assert list(inbox.glob("*.csv")) == []


def test_files_refused_by_two_attempts_of_one_tick_are_all_named(run_job: RunJob, inbox: Path, store: Store) -> None:
    for names in (["a.csv", "b.csv"], ["c.csv"]):
        for name in names:
            (inbox / name).write_text("nothing,of,use\n1,2,3\n")
        run_job("import_kpis", folder="inbox", stable_seconds=0)
    alert = _alerts(store)["data_fault"]
    assert set(alert.evidence["failed"]) == {"a.csv", "b.csv", "c.csv"}
    assert "a.csv and 2 more" in alert.title
    assert alert.times_seen == 1


def test_a_refusal_in_a_tick_older_than_the_last_word_is_told_all_the_same(
    run_job: RunJob, inbox: Path, store: Store
) -> None:
    for tick, name in [(TICK + timedelta(hours=1), "by-hand.csv"), (TICK, "late.csv")]:
        (inbox / name).write_text("nothing,of,use\n1,2,3\n")
        run_job("import_kpis", tick, folder="inbox", stable_seconds=0)
    assert "late.csv" in str(_alerts(store)["data_fault"].evidence)
