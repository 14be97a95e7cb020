"""A file that kills its job ends in failed/ with a reason, and those after it are imported."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select

from abkit.config import DaemonSettings, ScoringSettings, Settings, SourceSettings
from abkit.errors import AbkitError
from abkit.intake.remote.address import parse_address
from abkit.intake.remote.fetch import Fetched
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.daemon.endings import Ending, by_error
from abkit.jobs.job import Tick
from abkit.jobs.requests import ask_for, ask_for_upload, requested
from abkit.jobs.schedules import CATALOG
from abkit.store.database.engine import Store
from abkit.store.jobs import openings
from abkit.store.jobs.schedules import Lease
from abkit.store.runs import RunRecord
from abkit.store.schema import Alert, Run
from abkit.vocabulary import RunState
from abkit.workflows.kpis import import_kpis
from abkit.workflows.learning.retraining import image_watch, shadow
from abkit.workflows.learning.retraining import retrain as retraining
from abkit.workflows.learning.retraining import scores as learned_scores
from abkit.workflows.scoring import score
from tests.alerts.conftest import both_engines
from tests.jobs.fleet import add_schedule

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
ROWS = "date,ad id,impressions,clicks,conversions\n2026-02-01,a,100,3,0\n"
DIED = {how: Ending(RunState.FAILED, {"how": how, "error": "it died"}) for how in ("killed", "out_of_memory")}
DIED["timed_out"] = Ending(RunState.TIMED_OUT, {"how": "timed_out", "error": "it took longer than 60 s"})


class _Died(BaseException):
    """Stands for kill -9: nothing catches it."""


class Feed:
    """The schedule of a folder, whose ticks the test runs one by one."""

    def __init__(
        self, store: Store, workspace: Path, job: str = "import_kpis", arguments: Mapping[str, Any] | None = None
    ) -> None:
        self.job = CATALOG[job]
        self.store, self.folder, self.now = store, workspace / "inbox", NOW
        self.settings = Settings(workspace=workspace, daemon=DaemonSettings(backoff_seconds=1, backoff_limit_seconds=1))
        self.claims = Claims(store, self.settings, CATALOG.keys(), "daemon")
        if arguments is None:
            arguments = {"folder": "inbox", "stable_seconds": 0}
        add_schedule(store, "feed", first=NOW, cron="* * * * *", job=job, arguments=arguments)
        self.folder.mkdir()
        for name in ("a-poison.csv", "b-good.csv"):
            (self.folder / name).write_text(ROWS)

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.folder / folder).glob("*"))

    def claim(self) -> Lease:
        """Claim the next tick, or take over what was left."""
        self.now += timedelta(minutes=5)
        (claimed,) = self.claims.next(self.now, 1)
        return claimed.lease

    def work(self, lease: Lease) -> Mapping[str, Any] | None:
        """Run the job as its process would; None if it died."""
        run = RunRecord(self.store, lease.run_id, attempt=lease.attempt)
        tick = Tick(schedule="feed", at=lease.tick, started_at=self.now, attempt=lease.attempt, run=run)
        arguments = self.job.arguments.model_validate(dict(lease.arguments))
        try:
            return {**run.outcome, **self.job.run(self.store, self.settings, tick, arguments)}
        except _Died:
            return None

    def alerts(self) -> dict[str, Alert]:
        with self.store.read() as session:
            return {alert.rule: alert for alert in session.scalars(select(Alert))}


@pytest.fixture
def feed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Feed:
    monkeypatch.setattr(import_kpis, "import_files", _killed_by_poison(import_kpis.import_files))
    return Feed(store, tmp_path)


def _killed_by_poison(read: Callable[..., Any]) -> Callable[..., Any]:
    def reads(store: Store, paths: list[Path], *args: Any, **kwargs: Any) -> Any:
        if "poison" in paths[0].name:
            raise _Died
        return read(store, paths, *args, **kwargs)

    return reads


@both_engines
def test_a_file_that_killed_its_job_three_times_goes_to_failed_and_the_feed_goes_on(feed: Feed) -> None:
    for ending in DIED.values():
        lease = feed.claim()
        assert feed.work(lease) is None
        feed.claims.finish(lease, ending, feed.now)
        assert "It was reading a-poison.csv" in feed.alerts()["job_failed"].message
        assert feed.names("failed") == []
    outcome = feed.work(feed.claim())
    assert outcome is not None
    assert (outcome["files"], outcome["refused_files"], outcome["imported"]) == (2, 1, 1)
    assert feed.names("failed") == ["a-poison.csv", "a-poison.csv.reason.txt"]
    assert feed.names("done") == ["b-good.csv"]
    alert = feed.alerts()["data_fault"]
    assert "a-poison.csv" in alert.title
    assert "ran out of memory" in alert.message


def test_a_death_of_the_daemon_counts_half_and_a_run_that_is_given_back_not_at_all(feed: Feed) -> None:
    for _ in range(4):
        lease = feed.claim()
        assert feed.work(lease) is None
    assert lease.attempt == 4, "each took over from a daemon that died"
    with feed.store.write() as session:
        openings.nothing_open(session, lease.run_id)
    for _ in range(2):
        assert feed.work(feed.claim()) is None
        assert feed.names("failed") == []
        with feed.store.write() as session:
            # The limit of attempts is not what is tested.
            for run in session.scalars(select(Run)):
                run.attempt = 1
                run.lease_until = feed.now
    for _ in range(2):
        feed.work(feed.claim())
    assert feed.names("failed") == ["a-poison.csv", "a-poison.csv.reason.txt"]


def test_a_file_that_was_replaced_starts_anew_and_an_error_of_the_job_is_no_death(feed: Feed) -> None:
    for how in ("killed", "raised", "killed", "raised", "raised"):
        lease = feed.claim()
        feed.work(lease)
        feed.claims.finish(lease, Ending(RunState.FAILED, {"how": how, "error": "no disk"}), feed.now)
    assert feed.names("failed") == []
    (feed.folder / "a-poison.csv").write_text(ROWS * 2)
    for _ in range(2):
        lease = feed.claim()
        assert feed.work(lease) is None
        feed.claims.finish(lease, DIED["killed"], feed.now)
    assert feed.names("failed") == []


def test_an_attempt_that_was_overtaken_opens_no_further_file(feed: Feed) -> None:
    first = feed.claim()
    second = feed.claim()
    assert (first.run_id, second.attempt) == (second.run_id, 2)
    with pytest.raises(Exception, match="another daemon has taken this run over"):
        feed.work(first)
    assert feed.names("done") == []


@both_engines
def test_an_attempt_that_was_overtaken_while_it_read_a_file_says_nothing_about_it(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept; the other attempt has imported the file and moved it, and this one finds it gone."""
    (feed.folder / "a-poison.csv").unlink()
    reading = import_kpis.import_files
    first = feed.claim()

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(import_kpis, "import_files", reading)
        outcome = feed.work(feed.claim())
        assert outcome is not None
        assert outcome["imported"] == 1
        return reading(*args, **kwargs)

    monkeypatch.setattr(import_kpis, "import_files", overtaken)
    with pytest.raises(AbkitError, match="another daemon has taken this run over"):
        feed.work(first)
    assert "data_fault" not in feed.alerts()
    assert (feed.names("done"), feed.names("failed")) == (["b-good.csv"], [])


def test_what_an_overtaken_attempt_imported_is_what_the_run_imported(feed: Feed) -> None:
    (feed.folder / "a-poison.csv").unlink()
    first, second = feed.claim(), feed.claim()
    (feed.folder / "c-good.csv").write_text(ROWS.replace("a,100", "c,100"))
    imported = import_kpis.import_files(
        feed.store,
        [feed.folder / "b-good.csv"],
        import_kpis.options_of(feed.settings),
        run=RunRecord(feed.store, first.run_id),
    )
    assert imported[0].imported == 1
    outcome = feed.work(second)
    assert outcome is not None
    assert (outcome["files"], outcome["rows"], outcome["imported"], outcome["unchanged"]) == (2, 2, 2, 0)


# --- images -----------------------------------------------------------------------------------------------------------


@dataclass
class Scorer:
    """Stands for the scorer: it announces what it opens, and dies over an image."""

    deadly: str
    scored: list[str] = field(default_factory=list)

    def __call__(
        self,
        _store: Store,
        _settings: Settings,
        paths: Sequence[Path],
        *,
        run: RunRecord,
        opening: Callable[[Sequence[Path]], None],
        together: int,
        **_: Any,
    ) -> Any:
        for start in range(0, len(paths), together):
            opening(paths[start : start + together])
            if any(path.name == self.deadly for path in paths[start : start + together]):
                raise _Died
            self.scored += [path.name for path in paths[start : start + together]]
        run.outcome.update(scored=len(paths), rejected=0)
        return SimpleNamespace(files=())


@pytest.fixture
def scorer(monkeypatch: pytest.MonkeyPatch) -> Scorer:
    made = Scorer("c.png")
    monkeypatch.setattr(score, "score_paths", made)
    monkeypatch.setattr(score, "TOGETHER", 3)
    monkeypatch.setattr(shadow, "score_beside", lambda *_: "")
    return made


@both_engines
def test_an_image_that_killed_its_job_three_times_is_left_out_and_named_and_the_others_are_scored(
    store: Store, tmp_path: Path, scorer: Scorer
) -> None:
    feed = Feed(store, tmp_path, "score_folder")
    for number, name in enumerate("abcdef"):
        (feed.folder / f"{name}.png").write_bytes(b"image")
        os.utime(feed.folder / f"{name}.png", (number, number))
    for named in ("a.png and 2 more", "c.png", "c.png"):
        lease = feed.claim()
        assert feed.work(lease) is None
        feed.claims.finish(lease, DIED["out_of_memory"], feed.now)
        assert f"It was reading {named}." in feed.alerts()["job_failed"].message
    assert scorer.scored == ["d.png", "e.png", "f.png", "a.png", "b.png", "d.png", "e.png", "f.png", "a.png", "b.png"]
    for _ in range(2):
        lease = feed.claim()
        outcome = feed.work(lease)
        assert outcome is not None
        assert outcome["scored"] == 5
        assert "c.png" in outcome["not_read"]
        feed.claims.finish(lease, Ending(RunState.DONE, dict(outcome)), feed.now)
    alert = feed.alerts()["data_fault"]
    assert "c.png" in alert.title
    assert "stays where it is" in alert.message
    (feed.folder / "c.png").unlink()
    outcome = feed.work(feed.claim())
    assert outcome is not None
    assert "deaths" not in outcome
    assert feed.alerts()["data_fault"].clear_since is not None


OPENED = dict.fromkeys(("a.png", "b.png", "c.png", "d.png"), 0)


def _dies_over_c(paths: Sequence[Path], *_: Any, **__: Any) -> Any:
    for path in paths:
        OPENED[path.name] += 1
        if path.name == "c.png":
            raise _Died
    return [SimpleNamespace(mean=0.0) for _ in paths]


def _by_scoring(store: Store, settings: Settings, images: Mapping[int, Path], run: RunRecord, watch: Any) -> None:
    scorer = SimpleNamespace(score=_dies_over_c)
    version: Any = SimpleNamespace(scorer=scorer, version=SimpleNamespace(encoder_fingerprint="e"))
    run.outcome["scored"] = len(learned_scores.scores_of(store, settings, run, version, list(images), watch))


def _by_training(store: Store, settings: Settings, images: Mapping[int, Path], run: RunRecord, watch: Any) -> None:
    kept, _ = image_watch.harmless(watch, images)
    image_watch.encode_ahead(watch, settings, cast("Any", None), list(kept.values()))
    run.outcome["scored"] = len(kept)


@both_engines
@pytest.mark.parametrize(
    ("opens", "tokens_mb", "named"),
    [
        (_by_scoring, 0, ["c.png"] * 3),
        (_by_training, 100, ["a.png and 2 more", "c.png", "c.png"]),
        (_by_training, 0, ["a.png and 2 more", "c.png", "c.png"]),
    ],
    ids=["scored", "encoded", "decoded"],
)
def test_an_image_that_killed_a_retraining_three_times_is_left_out_and_named(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opens: Callable[..., None],
    tokens_mb: int,
    named: list[str],
) -> None:
    feed = Feed(store, tmp_path, "retrain", {})
    feed.settings = feed.settings.model_copy(update={"scoring": ScoringSettings(token_cache_mb=tokens_mb)})
    images = {number: tmp_path / name for number, name in enumerate(OPENED)}
    for path in images.values():
        path.write_bytes(b"image")
    OPENED.update(dict.fromkeys(OPENED, 0))

    def work(store: Store, settings: Settings, *, run: RunRecord, watch: Any, **_: Any) -> None:
        opens(store, settings, images, run, watch)

    monkeypatch.setattr(retraining, "retrain", work)
    monkeypatch.setattr(learned_scores, "image_names", lambda *_: {})
    monkeypatch.setattr(learned_scores, "find_images", lambda _: images)
    monkeypatch.setattr(image_watch, "TOGETHER", 3)
    monkeypatch.setattr("abkit_model.data.tokens.extract", _dies_over_c)
    monkeypatch.setattr("abkit_model.images.open_image", lambda path: _dies_over_c([path]))
    for name in named:
        lease = feed.claim()
        assert feed.work(lease) is None
        feed.claims.finish(lease, DIED["killed"], feed.now)
        assert f"It was reading {name}." in feed.alerts()["job_failed"].message
    for _ in range(2):  # the next tick knows it too
        lease = feed.claim()
        outcome = feed.work(lease)
        assert outcome is not None
        assert (outcome["scored"], list(outcome["not_read"])) == (3, ["c.png"])
        feed.claims.finish(lease, Ending(RunState.DONE, dict(outcome)), feed.now)
    assert OPENED["c.png"] == 3
    alert = feed.alerts()["data_fault"]
    assert alert.title == "Job feed: c.png left out"
    assert "ran out of memory" in alert.message
    images[2].write_bytes(b"another image")
    images[2] = images[2].rename(tmp_path / "mended.png")
    OPENED["mended.png"] = 0
    assert feed.work(feed.claim()) is not None
    assert feed.alerts()["data_fault"].clear_since is not None
    del OPENED["mended.png"]


def test_what_a_source_gives_and_kills_its_job_is_refused_until_something_else_comes(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = tmp_path / "export.csv"
    export.write_text(ROWS)
    source = SourceSettings(key="shop", command=("cat", str(export)))
    settings = Settings(
        workspace=tmp_path, source=(source,), daemon=DaemonSettings(backoff_seconds=1, backoff_limit_seconds=1)
    )
    made = Claims(store, settings, CATALOG.keys(), "daemon")
    job, now, opened = CATALOG["import_source"], NOW, 0
    add_schedule(store, "feed", first=NOW, cron="* * * * *", job="import_source", arguments={"source": "shop"})
    usual = import_kpis.import_files

    def dies(*_: Any, **__: Any) -> Any:
        nonlocal opened
        opened += 1
        raise _Died

    def tick() -> Ending:
        nonlocal now
        now += timedelta(minutes=5)
        (claimed,) = made.next(now, 1)
        lease = claimed.lease
        run = RunRecord(store, lease.run_id, attempt=lease.attempt)
        at = Tick(schedule="feed", at=lease.tick, started_at=now, attempt=lease.attempt, run=run)
        try:
            ending = Ending(RunState.DONE, dict(job.run(store, settings, at, job.arguments(source="shop"))))
        except _Died:
            ending = DIED["killed"]
        except AbkitError as error:
            ending = by_error(error)
        made.finish(lease, ending, now)
        return ending

    monkeypatch.setattr(import_kpis, "import_files", dies)
    endings = [tick() for _ in range(6)]
    assert [ending.outcome["how"] for ending in endings] == ["killed"] * 3 + ["raised"] * 3
    assert opened == 3
    assert endings[-1].outcome["error"].startswith("source shop: reading it ended the process again and again")
    with store.read() as session:
        (alert,) = session.scalars(select(Alert).where(Alert.rule == "job_failed"))
    assert "source shop: reading it ended the process" in alert.message
    export.write_text(ROWS.replace(",100,", ",200,"))
    monkeypatch.setattr(import_kpis, "import_files", usual)
    assert tick().outcome["imported"] == 1


def test_a_request_that_died_over_a_file_names_it(store: Store) -> None:
    asked = ask_for_upload(store, "import_kpis", {"folder": "uploads/a", "stable_seconds": 0}, by="ada")
    made = Claims(store, Settings(), CATALOG.keys(), "daemon")
    (claimed,) = made.next(NOW, 1)
    with store.write() as session:
        openings.note(session, claimed.lease.run_id, 1, {"file": "poison.parquet", "opening": ["poison.parquet 9 1"]})
    made.finish(claimed.lease, DIED["out_of_memory"], NOW)
    found = requested(store, asked.key)
    assert (found.state, found.error) == ("failed", "it died. It was reading poison.parquet")


@both_engines
def test_a_request_that_killed_its_job_three_times_raises_an_alert_and_leaves_the_image_out(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Sequence[Any]] = []
    addresses = ["https://example.com/a.png", "https://example.com/deadly.png"]

    @contextmanager
    def fetched(named: Sequence[str], *_: Any, **__: Any) -> Iterator[Fetched]:
        paths = {Path(f"fetched-{len(opened)}-{place}"): parse_address(one) for place, one in enumerate(named)}
        yield Fetched(paths=tuple(paths), origins=paths)

    def scores(_: Store, __: Settings, found: Fetched, *, opening: Any, together: int, **___: Any) -> Any:
        for start in range(0, len(found.paths), together):
            opening(found.paths[start : start + together])
            opened.append(found.paths[start : start + together])
            if any("deadly" in found.origins[path].shown for path in opened[-1]):
                raise _Died
        return SimpleNamespace(campaign="c", model_version="m", notice="", files=())

    monkeypatch.setattr("abkit.workflows.scoring.image_files.fetched_images", fetched)
    monkeypatch.setattr(score, "score_paths", scores)
    made, job, now = Claims(store, Settings(), CATALOG.keys(), "daemon"), CATALOG["score_addresses"], NOW

    def ask() -> Ending:
        nonlocal now
        now += timedelta(minutes=5)
        asked = ask_for(store, "score_addresses", {"addresses": addresses, "campaign": "c"}, by="ada")
        (claimed,) = made.next(now, 1)
        lease = claimed.lease
        run = RunRecord(store, lease.run_id, attempt=lease.attempt)
        tick = Tick(schedule=lease.schedule, at=lease.tick, started_at=now, attempt=lease.attempt, run=run)
        arguments = job.arguments.model_validate(dict(lease.arguments))
        try:
            ending = Ending(RunState.DONE, dict(job.run(store, Settings(), tick, arguments)))
        except _Died:
            ending = DIED["killed"]
        made.finish(lease, ending, now)
        assert requested(store, asked.key).state == ending.state
        return ending

    def alerts(rule: str) -> list[Alert]:
        with store.read() as session:
            return list(session.scalars(select(Alert).where(Alert.rule == rule, Alert.clear_since.is_(None))))

    for died in (1, 2, 3):
        assert ask().state == RunState.FAILED
        assert len(alerts("request_died")) == (died == 3)
    (alert,) = alerts("request_died")
    assert "died 3 times: https://example.com/deadly.png" in alert.title
    ended = ask()
    assert ended.state == RunState.DONE
    assert list(ended.outcome["not_read"]) == addresses[1:]
    assert not alerts("request_died")
    assert alerts("data_fault")[0].title.endswith("https://example.com/deadly.png left out")
    assert [len(paths) for paths in opened] == [2, 1, 1, 1, 1, 1]
