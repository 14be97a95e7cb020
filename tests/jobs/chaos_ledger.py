"""What must hold after daemons were broken in every way: each sentence returned is a promise that was not kept.

Written down while the daemons run: the files that were put into the folders. Everything else is read from the store and
the folders afterwards.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select, text

from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Alert, Kpi, KpiRevision, Run, Schedule
from tests.jobs.fleet import rows

Row = tuple[str, int, int]


@dataclass
class Ledger:
    """What was asked of the daemons.

    Attributes:
        first: First tick of each schedule whose ticks have an effect, by its key.
        every: Seconds from one tick to the next.
        until: The tick from which on no more came; that for which the schedule waits, if it is not said.
        given: Rows of each file that was put into a watched folder (ad, impressions, clicks), by folder and name.
        refused: Files that no import can read, by folder.
    """

    first: dict[str, datetime] = field(default_factory=dict)
    every: int = 1
    until: dict[str, datetime] = field(default_factory=dict)
    given: dict[tuple[Path, str], list[Row]] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)

    def broken(self, store: Store, told: Iterable[str]) -> list[str]:
        """Return what was lost, doubled or not told; empty if all is well.

        Args:
            store: The store, with nothing running any more.
            told: Texts that the channel received.
        """
        return [*self._ticks(store), *self._files(), *self._rows(store), *self._alerts(store, list(told))]

    def _ticks(self, store: Store) -> Iterable[str]:
        """Each tick that was due has one effect and one run, and no attempt started twice."""
        effects = Counter(rows(store, "effect"))
        with store.read() as session:
            runs = session.scalars(select(Run).where(Run.schedule.in_(self.first))).all()
            until = {row.key: row.next_run_at for row in session.scalars(select(Schedule))} | self.until
            started = session.execute(text("SELECT schedule, tick, attempt FROM execution")).all()
        due = {
            (key, (first + timedelta(seconds=second)).isoformat())
            for key, first in self.first.items()
            for second in range(0, int((until[key] - first).total_seconds()), self.every)
        }
        yield from (f"tick lost: {tick}" for tick in sorted(due - set(effects)))
        yield from (f"tick that was never due: {tick}" for tick in sorted(set(effects) - due))
        yield from (f"{number} effects of one tick: {tick}" for tick, number in sorted(effects.items()) if number > 1)
        ended = {(run.schedule, run.tick.isoformat()): run.state for run in runs}
        undone = [tick for tick in sorted(due) if ended.get(tick) != "done"]
        yield from (f"run {ended.get(tick)!r} instead of done: {tick}" for tick in undone)
        again = Counter(tuple(one) for one in started)
        yield from (f"attempt started {number} times: {one}" for one, number in sorted(again.items()) if number > 1)

    def _files(self) -> Iterable[str]:
        """Each file is in one archive of its folder, once."""
        for (folder, name), _ in sorted(self.given.items()):
            stem, suffix = name.split(".")
            found = [path for path in folder.rglob(f"{stem}*.{suffix}") if path.is_file()]
            places = [str(path.relative_to(folder)) for path in found]
            wanted = f"failed/{name}" if self.refused.get(folder) == name else f"done/{name}"
            if places != [wanted]:
                yield f"file {folder.name}/{name} is at {places or 'no place'}, not once at {wanted}"
            elif wanted.startswith("failed/") and not (folder / f"{wanted}.reason.txt").is_file():
                yield f"file {folder.name}/{wanted} has no reason beside it"

    def _rows(self, store: Store) -> Iterable[str]:
        """Each row of a file that can be read is in the store once, with its figures, and was never restated."""
        readable = [given for (folder, name), given in self.given.items() if self.refused.get(folder) != name]
        wanted = Counter(row for given in readable for row in given)
        with store.read() as session:
            kpis = select(Ad.external_id, Kpi.impressions, Kpi.clicks).join(Ad, Ad.id == Kpi.ad_id)
            there = Counter((ad, int(shown), int(clicks)) for ad, shown, clicks in session.execute(kpis))
            restated = session.scalar(select(KpiRevision.id).limit(1))
        yield from (f"row lost: {row}" for row in sorted(wanted - there))
        yield from (f"row doubled, or of no file: {row}" for row in sorted(there - wanted))
        if restated is not None:
            yield "a row was restated, and no file does so"

    def _alerts(self, store: Store, told: list[str]) -> Iterable[str]:
        """Each refused file opened one alert that names it, and somebody was told."""
        with store.read() as session:
            titles = Counter(session.scalars(select(Alert.title).where(Alert.rule == "data_fault")))
        for name in self.refused.values():
            number = sum(count for title, count in titles.items() if name in title)
            if number != 1:
                yield f"{number} alerts about the refused file {name}, of {sorted(titles)}"
            if not any(name in message for message in told):
                yield f"nobody was told about the refused file {name}"
