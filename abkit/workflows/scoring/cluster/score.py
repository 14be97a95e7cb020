"""Score images on a cluster of Ray: list, score in workers, write in one place; what is scored is not scored again.

1. The driver lists images and puts the list, a batch at a time, into Ray's object store.
2. Each worker has a scorer of its own. It fetches, hashes and decodes a batch, leaves out known contents, and scores.
3. The driver writes what comes back, batch by batch, in one transaction each.
4. Whatever had no answer, because a worker died with it, is tried once more, image by image; an image that ends its
   worker again is rejected.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.intake.remote.address import is_address, parse_address
from abkit.store.database.engine import Store
from abkit.store.keys import clean_key
from abkit.store.runs import recorded_run
from abkit.vocabulary import Device, FileState
from abkit.workflows.active_model import ensure_active_model, find_model
from abkit.workflows.scoring.cluster.listing import Place, list_places
from abkit.workflows.scoring.cluster.results import ClusterResult, LeftOut
from abkit.workflows.scoring.cluster.worker import Job, Worker, digests
from abkit.workflows.scoring.cluster.writers import Answer, ParquetWriter, StoreWriter, Writer

Progress = Callable[[int, int], None]

_SHARD = 200_000  # images listed, and in the memory of the driver, at a time
_KEPT = 1_000  # of the images that are left out, so many are named in the result
_OBJECTS_MB = 512  # of memory for what is on the way between the processes of one machine
_TRIES = 2  # of a batch whose worker dies, before its images are tried one by one
_ENDED = "the process that read it ended each time: it may be damaged, or need more memory than a worker has"


def score_on_cluster(
    store: Store,
    settings: Settings,
    paths: Sequence[str | Path],
    *,
    campaign: str = "default",
    model: str | None = None,
    address: str | None = None,
    workers: int | None = None,
    to: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> ClusterResult:
    """Score images on a cluster of Ray, as candidates of a campaign or into Parquet files.

    Args:
        store: Where the scorer is registered, the run recorded, and scores are written unless `to` is given.
        settings: Limits and batch size.
        paths: Files, folders, patterns and addresses that every machine of the cluster can reach.
        campaign: Key of the campaign; it is made when it is new.
        model: Name or digest of a version; the active model when None.
        address: Of a running cluster, `auto` for the one of this machine; None starts one of local processes.
        workers: Processes that score; as many as the cluster has GPUs or else CPUs when None.
        to: A folder for Parquet files, instead of the store.
        progress: Called with (images settled, images listed so far).

    Raises:
        UsageError: An argument is not usable, or nothing was found.
        AbkitError: Ray is not installed or not reachable, or the scorer or the place of the scores cannot be used.
    """
    campaign = clean_key(campaign, "campaign")
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers score nothing", hint="--workers 4")
    _require_ray()
    places = list_places(paths)
    arguments = {"paths": [_shown(path) for path in paths], "campaign": campaign, "model": model, "engine": "ray"}
    with recorded_run(store, "score", arguments) as run:
        active = find_model(store, model) if model else ensure_active_model(store, run)
        checkpoint = active.checkpoint
        writer: Writer = (
            StoreWriter(store, run, active.version, campaign) if to is None else ParquetWriter(to, run, active.version)
        )
        known = digests([sha256 for part in writer.known() for sha256 in part])
        with _cluster(address, workers, gpus=settings.scoring.device is not Device.CPU) as cluster:
            started = time.monotonic()
            job = Job(settings=settings.scoring, checkpoint=checkpoint, known=known, threads=1)
            work = _Scoring(cluster=cluster, writer=writer, size=settings.scoring.batch_size, show=progress)
            while shard := list(islice(places, _SHARD)):
                work.shard(job, shard)
                job = replace(job, known=np.union1d(job.known, digests(sorted(work.made))))
                work.made.clear()
            writer.close()
            seconds = time.monotonic() - started
        if not work.counts["images"]:
            raise UsageError(
                f"there are no images in {', '.join(map(_shown, paths))}",
                hint="name files, folders or a pattern such as 'ads/*.png'",
            )
        run.outcome.update({name: n for name, n in work.counts.items() if n or name == "scored"})
    return ClusterResult(
        **work.counts,
        left_out=tuple(work.left_out),
        again=work.again,
        workers=cluster.workers,
        seconds=seconds,
        written_to=writer.place,
        model_version=active.version.digest,
        model_name=active.version.name,
        notice=active.notice,
        run_id=run.id,
    )


@dataclass(frozen=True, kw_only=True)
class _Cluster:
    """A connection to Ray: how many workers there are, and what each of them takes."""

    ray: Any
    workers: int
    gpus: float


class _OnRay(Worker):
    """A worker that takes its job from the object store, where the processes of one machine share it."""

    def __init__(self, job: Any) -> None:
        import ray

        super().__init__(ray.get(job))


def _remote_options() -> dict[str, Any]:
    return {"max_restarts": -1, "max_task_retries": _TRIES - 1}


def _answers(
    cluster: _Cluster, job: Job, questions: Iterable[dict[str, Any]], *, size: int, workers: int
) -> Iterator[list[dict[str, Any]]]:
    """Yield what the workers say about batches of places, in any order; a batch whose worker died has no answer.

    Raises:
        AbkitError: No worker can be started, or the cluster is gone.
    """
    import pyarrow as pa

    ray = cluster.ray
    blocks = [ray.put(pa.table(columns)) for columns in questions]
    if not blocks:
        return
    answered = ray.data.from_arrow_refs(blocks).map_batches(
        _OnRay,
        fn_constructor_args=(ray.put(job),),
        batch_size=size,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=2 if size > 1 else 1),
        num_cpus=1,
        num_gpus=cluster.gpus,
        ray_remote_args_fn=_remote_options,
    )
    try:
        for batch in answered.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1):
            yield batch.to_pylist()
    except ray.exceptions.RayError as error:
        raise AbkitError(
            f"the workers cannot go on: {str(error).strip().splitlines()[-1]}",
            hint="every machine of the cluster needs this version of abkit and the encoder's weights; then run the "
            "same command again: what is written is not scored again",
        ) from error


@dataclass(kw_only=True)
class _Scoring:
    """One scoring under way: counts of all shards, and what was listed and answered of the present one."""

    cluster: _Cluster
    writer: Writer
    size: int
    show: Progress
    listed: list[Place] = field(default_factory=list)
    settled: list[bool] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("images", "scored", "known", "rejected", "skipped"), 0)
    )
    left_out: list[LeftOut] = field(default_factory=list)
    again: int = 0
    made: set[str] = field(default_factory=set)
    outdated: set[str] = field(default_factory=set)

    def shard(self, job: Job, places: Sequence[Place]) -> None:
        """Score one part of the list: a batch of images to a task, then what had no answer, image by image."""
        self.listed, self.settled = list(places), [False] * len(places)
        self.counts["images"] += len(places)
        for number, place in enumerate(places):
            if place.reason:
                self._leave_out(number, FileState.SKIPPED if place.skipped else FileState.REJECTED, place.reason)
        self._score(job, self._missing(), self.size, workers=self.cluster.workers)
        if missing := self._missing():
            self.again += len(missing)
            still = np.setdiff1d(job.known, digests(sorted(self.outdated)))
            self._score(replace(job, known=still), missing, 1, workers=min(self.cluster.workers, len(missing)))
        for number in self._missing():
            self._leave_out(number, FileState.REJECTED, _ENDED)

    def _missing(self) -> list[int]:
        return [number for number, settled in enumerate(self.settled) if not settled]

    def _score(self, job: Job, numbers: Sequence[int], size: int, *, workers: int) -> None:
        batches = [numbers[start : start + size] for start in range(0, len(numbers), size)]
        questions = (
            {
                "number": list(batch),
                "place": [self.listed[number].place for number in batch],
                "elsewhere": [self.listed[number].elsewhere for number in batch],
            }
            for batch in batches
        )
        self._tell()
        for rows in _answers(self.cluster, job, questions, size=size, workers=workers):
            self._take(rows, anew=size > 1)

    def _take(self, rows: Sequence[dict[str, Any]], *, anew: bool) -> None:
        """Write the answers about a batch; known contents that have to be read anew stay unsettled."""
        fresh: list[Answer] = [row for row in rows if not self.settled[row["number"]]]
        if anew:
            known = [row["sha256"] for row in fresh if row["state"] == FileState.KNOWN]
            outdated = self.writer.outdated(known) if known else set()
            self.outdated |= outdated
            fresh = [row for row in fresh if row["state"] != FileState.KNOWN or row["sha256"] not in outdated]
        usable = [
            {**row, "shown": self.listed[row["number"]].shown}
            for row in fresh
            if row["state"] in (FileState.SCORED, FileState.KNOWN)
        ]
        self.writer.write(usable)
        for row in fresh:
            if row["state"] in (FileState.SCORED, FileState.KNOWN):
                self.settled[row["number"]] = True
                self.counts[row["state"]] += 1
                self.made.add(row["sha256"])
            else:
                self._leave_out(row["number"], FileState(row["state"]), row["reason"])
        self._tell()

    def _tell(self) -> None:
        listed = self.counts["images"]
        self.show(listed - self.settled.count(False), listed)

    def _leave_out(self, number: int, state: FileState, reason: str) -> None:
        self.settled[number] = True
        self.counts[state] += 1
        if len(self.left_out) < _KEPT:
            self.left_out.append(LeftOut(place=self.listed[number].shown, status=state, reason=reason))


def _shown(path: str | Path) -> str:
    return parse_address(path).shown if isinstance(path, str) and is_address(path) else str(path)


def _require_ray() -> None:
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise AbkitError("scoring on a cluster needs the package ray", hint="pip install 'abkit[ray]'")


@contextmanager
def _cluster(address: str | None, workers: int | None, *, gpus: bool) -> Iterator[_Cluster]:
    """Connect to a running cluster, or start one of processes of this machine, which ends with this scoring.

    Raises:
        AbkitError: The cluster is not reachable, has no worker free, or a local one cannot be started.
    """
    # Ray tells its makers about its use unless it is told not to, and writes faults that are dealt with to stderr.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about settings of Ray's own
        import ray
        import ray.data

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is None:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=_OBJECTS_MB * 2**20,
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:  # ConnectionError is an OSError
        where = "a local cluster cannot be started" if address is None else f"no cluster answers at {address}"
        raise AbkitError(
            f"{where}: {str(error).splitlines()[0]}", hint="check that Ray runs there (`ray status`), and its version"
        ) from error
    try:
        context = ray.data.DataContext.get_current()
        context.max_errored_blocks = -1  # what a batch lost is tried again, image by image
        context.enable_progress_bars = False
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cards = has.get("GPU", 0) if gpus else 0
        yield _Cluster(ray=ray, workers=workers or max(1, int(cards or has.get("CPU", 1))), gpus=1.0 if cards else 0.0)
    finally:
        ray.shutdown()
