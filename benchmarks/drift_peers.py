"""What Evidently and NannyML say of the same streams: alarms of quiet years, and how soon they see what is planted.

    ABKIT_TESTDATA=FOLDER python benchmarks/drift_peers.py --evidently ENV/bin/python --nannyml ENV/bin/python
        [--years 5] [--worlds 10] [--cache FOLDER]

Evidently 0.7.23 needs pandas below 3; NannyML 0.13.1 needs statsmodels beside it.

The protocol, written before the figures:

1. Quiet years are the first of `drift_false_alarms.py`, same accounts, streams and seed. Planted changes are three of
   `drift_detection.py`, same streams and seed: scores up by one standard deviation, later images are web pages, CTR
   halved. A delay is counted from the change to the first alarm that opens after it, and a world in which an alert is
   open on that day does not count, as there.
2. A peer gets two tables each day, from the windows that abkit takes by default. Of creatives: the score and the first
   four principal components of the embeddings (of the model's sample, whose axes they are); the newest 60 against the
   sample. Of delivery: log CTR of each creative with 20 clicks or more; the last four whole weeks against the twelve
   before. A table is given anew when its window has changed, delivery at the end of each week.
3. Evidently: `DataDriftPreset` as it is; a column drifts by its own test and threshold. NannyML:
   `UnivariateDriftCalculator` as it is (Jensen-Shannon, three standard deviations of the reference's chunks), the
   window as one chunk. Neither has a default that asks whether the score still goes with the CTR, so the relation is
   not compared.
4. An alarm is a day on which a column drifts after one on which none did. Of Evidently, which also judges a data set
   (half of its columns), the same is counted for that.
5. At equal rate: the threshold of all columns of a peer is moved until its quiet years have no more than one alarm a
   year, as abkit's budget is; the delays are those at that threshold. It is chosen on the very years that it is
   counted on, which flatters the peer.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from drift_detection import BREAK, CHANGES, WATCHED
from drift_false_alarms import account_of
from drift_streams import WARM_UP, Account, Pool, Stream, ctr_levels, make_stream, pools, watch
from numpy.typing import NDArray

NEWEST, COMPONENTS, LEAST_CLICKS, WEEKS, WEEKS_BEFORE = 60, 4, 20, 4, 12
BUDGET = "1 per year"
PLANTED = ("scores up by 1 sd (twice the floor)", "images: web pages", "CTR x 0.5 (twice the floor)")

# Reads pairs of tables, one a line, and answers with [column, what is compared, its threshold, higher is drift].
_PEER = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import pandas as pd
%s
for line in sys.stdin:
    before, now = (pd.DataFrame(one) for one in json.loads(line))
    print("answer", json.dumps(judge(before, now)), flush=True)
"""
_PEERS = {
    "evidently": """
from evidently import Report
from evidently.presets import DataDriftPreset
def judge(before, now):
    found = []
    for metric in Report([DataDriftPreset()]).run(now, before).dict()["metrics"]:
        config = metric["config"]
        if config["type"].endswith(":ValueDrift"):
            p_value = "p_value" in config["method"]
            found.append([config["column"], float(metric["value"]), float(config["threshold"]), not p_value])
    return found
""",
    "nannyml": """
import nannyml
def judge(before, now):
    calculator = nannyml.UnivariateDriftCalculator(column_names=list(before), chunk_size=len(now))
    rows = calculator.fit(before).calculate(now).filter(period="analysis").to_df()
    found = []
    for column in before:
        one = rows[column]["jensen_shannon"]
        found.append([column, float(one["value"].iloc[0]), float(one["upper_threshold"].iloc[0]), True])
    return found
""",
}

Table = dict[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a peer says on each day of a stream: (days, columns).

    Attributes:
        drift: What is compared, turned so that more is more drift, in units of the peer's own threshold: 1 is on it.
    """

    drift: NDArray[np.float64]


class Peer:
    """A peer in an environment of its own, asked table by table."""

    def __init__(self, name: str, python: Path) -> None:
        environment = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
        command = [str(python), "-c", _PEER % _PEERS[name]]
        self.name = name
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment,
        )  # fmt: skip
        self.questions, self.answers = process.stdin, process.stdout

    def judge(self, before: Table, now: Table) -> list[float]:
        """Return how far each column drifts: 1 is on the threshold of the peer."""
        self.questions.write(json.dumps([before, now]) + "\n")
        self.questions.flush()
        while line := self.answers.readline():
            if line.startswith("answer "):
                break
        else:
            raise SystemExit(f"{self.name} ended: run its Python by hand on a small table")
        found = {column: (value, bound, higher) for column, value, bound, higher in json.loads(line[7:])}
        if set(found) != set(before):
            raise SystemExit(f"{self.name} judged {sorted(found)} of {sorted(before)}")
        return [_beyond(*found[column]) for column in before]


def _beyond(value: float, bound: float, higher: bool) -> float:
    # Of p-values the exponents are compared: 0.05 against 0.05 is 1, 0.0025 is 2.
    if not bound:
        return np.inf if value > 0 else 0.0
    return value / bound if higher else float(np.log(max(value, 1e-300)) / np.log(bound))


def tables_of(stream: Stream, days: int) -> Callable[[int], tuple[tuple[Table, Table], tuple[Table, Table]]]:
    """Return a function of the day that gives the tables of creatives and of delivery: before, now."""
    reference = stream.reference.embeddings.astype(np.float64)
    centre = reference.mean(axis=0)
    axes = np.linalg.svd(reference - centre, full_matrices=False)[2][:COMPONENTS].T
    clicks, shown = (_by_week(stream, column, (WARM_UP + days) // 7 + 1) for column in (5, 4))

    def creatives(scores: NDArray[np.float64], embeddings: NDArray[np.float32]) -> Table:
        spots = (embeddings - centre) @ axes
        return {"score": scores.tolist()} | {f"component {k + 1}": spots[:, k].tolist() for k in range(COMPONENTS)}

    def delivered(first: int, last: int) -> Table:
        ours, seen = clicks[first:last].sum(axis=0), shown[first:last].sum(axis=0)
        kept = ours >= LEAST_CLICKS
        return {"log CTR": np.log(ours[kept] / seen[kept]).tolist()}

    sample = creatives(stream.reference.scores, stream.reference.embeddings)

    def of_day(day: int) -> tuple[tuple[Table, Table], tuple[Table, Table]]:
        until = int((stream.launch <= day).sum())
        newest = slice(max(until - NEWEST, 0), until)
        week = (day + 1) // 7
        before = delivered(max(week - WEEKS - WEEKS_BEFORE, 0), week - WEEKS)
        return (
            (sample, creatives(stream.scores[newest], stream.embeddings[newest])),
            (before, delivered(week - WEEKS, week)),
        )

    return of_day


def _by_week(stream: Stream, column: int, weeks: int) -> NDArray[np.float64]:
    place = (stream.rows[:, 3] // 7) * len(stream.scores) + stream.rows[:, 0]
    return np.bincount(place, stream.rows[:, column], weeks * len(stream.scores)).reshape(weeks, -1)


def ask(peer: Peer, stream: Stream, days: int) -> Said:
    """Return what a peer says of each day."""
    of_day, kept, said = tables_of(stream, days), {}, []
    for index in range(days):
        found: list[float] = []
        for number, (before, now) in enumerate(of_day(WARM_UP + index)):
            if kept.get(number, (None, None))[0] != now:
                kept[number] = now, peer.judge(before, now)
            found += kept[number][1]
        said.append(found)
    return Said(drift=np.array(said))


def opened(found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the days on which an alarm opens: found on this day and not on the one before."""
    return np.flatnonzero(found & ~np.concatenate([[False], found[:-1]]))


def alarms(said: Sequence[Said], threshold: float) -> int:
    """Count alarms: any column beyond a threshold."""
    return sum(len(opened((one.drift >= threshold).any(axis=1))) for one in said)


def at_one_a_year(said: Sequence[Said]) -> float:
    """Return the lowest threshold, in units of the peer's, above which no quiet year has more than one on average."""
    tried = np.unique(np.concatenate([one.drift.max(axis=1) for one in said]))
    good = [threshold for threshold in (*tried, tried[-1] * 1.001) if alarms(said, threshold) <= len(said)]
    # A threshold below all that was ever seen is one long alarm: what is wanted is the quiet side.
    last_bad = max((t for t in tried if alarms(said, t) > len(said)), default=0.0)
    return min(t for t in good if t > last_bad)


def delays(said: Sequence[Said], threshold: float) -> list[float]:
    """Return the days from the change to the first alarm; worlds in which one is open on that day are left out."""
    found = []
    for one in said:
        beyond = (one.drift >= threshold).any(axis=1)
        if beyond[BREAK]:
            continue
        days = opened(beyond)
        later = days[days > BREAK]
        found.append(float(later[0] - BREAK) if len(later) else np.inf)
    return found


def own_delays(streams: Sequence[tuple[Account, Stream]]) -> list[float]:
    """Return abkit's delays on the same streams at its budget of one alarm a year."""
    found = []
    for account, stream in streams:
        monitor = watch(
            stream, account, [BUDGET], holds=False, stop=lambda seen, _: any(one.day >= BREAK for one in seen.alarms)
        )[0]
        before = [one for one in monitor.alarms if one.day < BREAK]
        if not (before and before[-1].closed > BREAK):
            after = [one.day - BREAK for one in monitor.alarms if one.day >= BREAK]
            found.append(float(after[0]) if after else np.inf)
    return found


def told(found: list[float], worlds: int) -> str:
    """Return the delays of a row."""
    if not found:
        return f"an alert was open at the change in all {worlds}"
    median = float(np.quantile(found, 0.5, method="higher"))
    middle = f"{median:.0f} days" if np.isfinite(median) else "–"
    return f"found in {int(np.isfinite(found).sum())} of {len(found)}, median {middle}"


def worlds_of(name: str, levels: NDArray[np.float64], source: Pool, options) -> list[tuple[Account, Stream]]:
    """Return the worlds of a planted change, as `drift_detection.py` makes them."""
    planted = dict(CHANGES[name].planted)
    if kind := planted.get("images"):
        planted["images"] = pools([kind], options.cache)[0]
    account = replace(Account(weekly=12, days=BREAK + WATCHED, breaks=BREAK), **planted)
    return [
        (account, make_stream(source, levels, account, np.random.default_rng([7, world])))
        for world in range(options.worlds)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--cache", type=Path, help="folder for tokens and scores of the images")
    parser.add_argument("--evidently", type=Path, help="Python of an environment with Evidently")
    parser.add_argument("--nannyml", type=Path, help="Python of an environment with NannyML")
    options = parser.parse_args()
    clock = time.process_time()
    levels, sources = ctr_levels(), pools(["oasis_beauty", "youtube_trending"], options.cache)
    quiet = []
    for index in range(options.years):
        rng = np.random.default_rng([5, index])
        account = account_of(rng, index)
        quiet.append((account, make_stream(sources[index % 2], levels, account, rng)))
    changed = {name: worlds_of(name, levels, sources[0], options) for name in PLANTED}
    ours = sum(len(watch(stream, account, [BUDGET], holds=False)[0].alarms) for account, stream in quiet)
    print(f"{options.years} quiet years; abkit at {BUDGET}: {ours} alarms", flush=True)
    for name, worlds in changed.items():
        print(f"  {name}: {told(own_delays(worlds), options.worlds)}", flush=True)
    for name in _PEERS:
        if not (python := getattr(options, name)):
            continue
        peer = Peer(name, python)
        said = [ask(peer, stream, account.days) for account, stream in quiet]
        half = sum(len(opened((one.drift >= 1).mean(axis=1) >= 0.5)) for one in said)
        calm = at_one_a_year(said)
        days = np.mean([(one.drift >= 1).any(axis=1).mean() for one in said])
        print(
            f"{name}: {alarms(said, 1.0)} alarms at its defaults, on {days:.0%} of the days a column drifts;", end=" "
        )
        print(f"half of the columns: {half} alarms; one a year at {calm:.2f} of its threshold", flush=True)
        for change, worlds in changed.items():
            found = [ask(peer, stream, account.days) for account, stream in worlds]
            at_default, at_equal = delays(found, 1.0), delays(found, calm)
            print(f"  {change}: by default {told(at_default, options.worlds)}; at one a year", end=" ")
            print(told(at_equal, options.worlds), flush=True)
    print(f"{(time.process_time() - clock) / 60:.1f} processor minutes of this process")


if __name__ == "__main__":
    main()
