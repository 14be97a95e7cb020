"""How soon does the standing check see what really changed, and does it name the cause? Planted changes, several sizes.

    ABKIT_TESTDATA=FOLDER python benchmarks/drift_detection.py [--worlds 40] [--cache FOLDER] [--only NAME]
    ABKIT_TESTDATA=FOLDER python benchmarks/drift_detection.py --only "relation reversed" --worlds 200

Protocol, set before the runs whose figures are shown, after trials of a few worlds.
Accounts launch 12 creatives a week in campaigns of 6, images and scores drawn from
OASIS, and deliver as in `drift_false_alarms.py`: 800 impressions per creative, day and placement, the slope of log CTR
0.25 per standard deviation of the score, luck 0.25. After 24 weeks the check runs daily with the default settings and a
budget of one false alarm a year. On its 29th day something changes, for all delivery or all later creatives, and stays
changed. A world counts from then on unless an alert is open that day; it is watched for 180 days. The relation reversed
or lost is watched until 150 creatives launched after the change have had 20 clicks each.

A world ends with its first alarm, or where the relation is concerned with the first `retrain`.

Printed: the share of worlds that raised an alarm, the median and the 90th percentile of the delay in days over all
worlds (– where fewer raised one) and the share that had raised one after 7, 14, 28, 56, 91 and 180 days, the share of
first alarms that name the cause, with its 95 % interval (Clopper-Pearson), the decisions, and the share of worlds in
which `retrain` was ever decided. Blurred and darkened images are made of the first 200 of OASIS; 2 is the radius in
pixels, 0.6 the factor of brightness.
"""

import argparse
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from drift_streams import WARM_UP, Account, Monitor, Pool, Stream, ctr_levels, make_stream, pools, watch
from scipy import stats

BREAK, WATCHED = 28, 180
CURVE = (7, 14, 28, 56, 91, 180)  # days
BUDGET = "1 per year"


@dataclass(frozen=True)
class Change:
    """What is planted, what should be said, and until how many new creatives it is watched (0: 180 days)."""

    planted: dict
    cause: str
    new_creatives: int = 0


CHANGES = {
    "nothing": Change({}, ""),
    "images: web ads": Change({"images": "web_ads_rated"}, "input_shift"),
    "images: web pages": Change({"images": "webpages_rated"}, "input_shift"),
    "images: blurred, radius 2": Change({"images": "blur 2"}, "input_shift"),
    "images: blurred, radius 4": Change({"images": "blur 4"}, "input_shift"),
    "images: darkened to 0.6": Change({"images": "dark 0.6"}, "input_shift"),
    "images: darkened to 0.3": Change({"images": "dark 0.3"}, "input_shift"),
    "scores up by 0.1 sd (half the floor)": Change({"inflation": 0.1}, "input_shift"),
    "scores up by 0.5 sd": Change({"inflation": 0.5}, "input_shift"),
    "scores up by 1 sd (twice the floor)": Change({"inflation": 1.0}, "input_shift"),
    "CTR x 0.84 (half the floor)": Change({"level": -0.175}, "kpi_shift"),
    "CTR x 0.6": Change({"level": -0.5}, "kpi_shift"),
    "CTR x 0.5 (twice the floor)": Change({"level": -0.7}, "kpi_shift"),
    "CTR x 2 (twice the floor)": Change({"level": 0.7}, "kpi_shift"),
    "relation: a quarter lost": Change({"kept": 0.75}, "concept_shift"),
    "relation halved": Change({"kept": 0.5}, "concept_shift"),
    "relation gone (twice the floor)": Change({"kept": 0.0}, "concept_shift"),
    "relation reversed": Change({"kept": -1.0}, "concept_shift", 150),
    "fatigue only": Change({"more_fatigue": 1.2}, ""),
    "season only": Change({"more_season": 0.3}, ""),
    "feed stops": Change({"gone": 1.0}, "data_fault"),
    "feed loses half of the days": Change({"gone": 0.5}, "data_fault"),
    "feed brings 5 % of the volume": Change({"volume": 0.05}, "data_fault"),
}


def altered(name: str, cache: Path | None) -> Pool:
    """Return the first 200 photographs of OASIS, blurred or darkened."""
    import os

    from PIL import Image, ImageEnhance, ImageFilter

    from abkit_model.data.tokens import extract
    from abkit_model.evaluation.trained_scorer import predict
    from abkit_model.scorer import Scorer

    kept = cache / f"pool-{name.replace(' ', '-')}.npz" if cache else None
    if kept and kept.exists():
        with np.load(kept) as read:
            return Pool(name, read["embeddings"], read["scores"])
    kind, amount = name.split()[0], float(name.split()[1])
    folder = Path(os.environ["ABKIT_TESTDATA"]) / "oasis_beauty" / "images"
    with TemporaryDirectory() as made:
        paths = []
        for path in sorted(folder.glob("*.jpg"))[:200]:
            with Image.open(path) as image:
                image = image.convert("RGB")
                blurred = kind == "blur"
                image = (
                    image.filter(ImageFilter.GaussianBlur(amount))
                    if blurred
                    else ImageEnhance.Brightness(image).enhance(amount)
                )
                image.save(Path(made) / path.name, quality=92)
            paths.append(Path(made) / path.name)
        scorer = Scorer.load()
        features, _ = extract(paths, scorer.encoder)
        scores = np.asarray(predict(scorer.network, features)[0] @ scorer.card.scale.values, np.float64)
    found = Pool(name, np.asarray(features.embeddings, np.float32), scores)
    if kept:
        np.savez(kept, embeddings=found.embeddings, scores=found.scores)
    return found


def days_until(stream: Stream, wanted: int) -> int:
    """Return the day of checks on which so many creatives launched after the change have had 20 clicks each."""
    rows = stream.rows
    clicks = np.zeros(len(stream.scores))
    for day in range(WARM_UP + BREAK, int(rows[:, 3].max()) + 1):
        mine = rows[rows[:, 3] == day]
        np.add.at(clicks, mine[:, 0], mine[:, 5])
        if int(((clicks >= 20) & (stream.launch >= WARM_UP + BREAK)).sum()) >= wanted:
            return day - WARM_UP
    return int(rows[:, 3].max()) - WARM_UP


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--cache", type=Path, help="folder for tokens and scores of the images")
    parser.add_argument("--only", action="append", choices=list(CHANGES))
    options = parser.parse_args()
    levels, source = ctr_levels(), pools(["oasis_beauty"], options.cache)[0]
    clock = time.process_time()
    start = f"{'change':38} {'worlds':>6} {'alarm':>6} {'median':>7} {'90 %':>5}"
    head = f"{start}  {'by day ' + ', '.join(map(str, CURVE)):29}  {'cause named':22} retrain  first alarms"
    print(head, flush=True)
    for name in options.only or CHANGES:
        change = CHANGES[name]
        planted = dict(change.planted)
        if kind := planted.get("images"):
            planted["images"] = altered(kind, options.cache) if " " in kind else pools([kind], options.cache)[0]
        account = replace(Account(weekly=12, days=BREAK + WATCHED, breaks=BREAK), **planted)
        print(_row(name, change, account, source, levels, options), flush=True)
    print(f"{(time.process_time() - clock) / 60:.1f} processor minutes")


def _row(name: str, change: Change, account: Account, source: Pool, levels: np.ndarray, options) -> str:
    delays, right, firsts, worlds, retrain, until = [], 0, Counter(), 0, 0, 0

    def seen_enough(monitor: Monitor, day: int) -> bool:
        if day >= until:
            return True
        if change.cause == "concept_shift" or not change.cause:
            return any(at >= BREAK for at in monitor.retrain)
        return any(one.day >= BREAK for one in monitor.alarms)

    for world in range(options.worlds):
        rng = np.random.default_rng([options.seed, world])
        stream = make_stream(source, levels, account, rng)
        until = days_until(stream, change.new_creatives) if change.new_creatives else BREAK + WATCHED
        monitor = watch(stream, account, [BUDGET], holds=account.images is not None, stop=seen_enough)[0]
        before = [one for one in monitor.alarms if one.day < BREAK]
        if before and before[-1].closed > BREAK:
            continue
        worlds += 1
        after = [one for one in monitor.alarms if BREAK <= one.day <= until]
        retrain += any(day <= until for day in monitor.retrain if day >= BREAK)
        delays.append(after[0].day - BREAK if after else np.inf)
        if after:
            right += after[0].cause == change.cause
            firsts[f"{after[0].decision} {after[0].cause}"] += 1
    alarmed = sum(np.isfinite(delays))
    quantiles = np.quantile(delays, (0.5, 0.9), method="higher")
    median, most = (f"{value:.0f}" if np.isfinite(value) else "–" for value in quantiles)
    named = "–"
    if alarmed and change.cause:
        interval = stats.binomtest(right, int(alarmed)).proportion_ci()
        named = f"{right}/{alarmed} {right / alarmed:.0%} [{interval.low:.0%}, {interval.high:.0%}]"
    first = ", ".join(f"{count} {what}" for what, count in firsts.most_common(3))
    curve = " ".join(f"{np.mean(np.array(delays) <= days):4.0%}" for days in CURVE)
    start = f"{name:38} {worlds:6} {alarmed / worlds:6.0%} {median:>7} {most:>5}  {curve}"
    return f"{start}  {named:22} {retrain / worlds:7.0%}  {first}"


if __name__ == "__main__":
    main()
