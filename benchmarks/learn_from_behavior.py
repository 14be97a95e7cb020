"""What outcomes teach: a challenger tuned on real behavior, beside the shipped scorer and a plain ridge.

    ABKIT_TESTDATA=FOLDER python benchmarks/learn_from_behavior.py [--cache FOLDER] [--seeds 5]

The protocol. It was written before the figures of this benchmark, but the method (a closed form on the embedding,
beside the parent) was chosen with ridge and query figures of these same sets and splits in view: the figures are
optimistic to that degree.

1. Thumbnails (`youtube_trending`): the outcome is log(likes / views), the campaign is the category, the family is the
   channel. Videos published before a day are learned from, later ones of channels that were not among them are judged.
   "later classes": learned until October 2021, judged on the class of likes per view of November to January.
   "quarter by quarter": learned until the end of a quarter, judged on the next three months, four times, together.
2. Pages (`webpages_rated`): the outcome is the mean rating, all in one group. Web ads (`web_ads_rated`): the mean
   rating, and the share of "good design" minus that of "bad design", within the format. Five folds of images, as often
   as there are seeds.
3. The challenger is what `abkit model train outcomes.csv --parent shipped` trains. The ridge is one on the same pooled
   features of both views, centered within groups, with its penalty by SRCC inside the training data. The challenger
   and the ridge learn from the same images.
4. Figures: Spearman's rank correlation within groups (and folds), averaged by size less one. 95 % intervals: whole
   channels, pages or sites are resampled; differences are paired, on the mean over seeds.
"""

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np

from abkit_model.checkpoint import default_checkpoint
from abkit_model.data.dataset import Outcomes
from abkit_model.data.tokens import Features, TokenCache, extract
from abkit_model.evaluation.metrics import clustered_bootstrap, grouped_folds
from abkit_model.evaluation.outcome_agreement import Judged, figures_within, within_srcc
from abkit_model.evaluation.trained_scorer import predict
from abkit_model.scorer import Scorer
from abkit_model.training.loop import fit
from abkit_model.training.outcomes import OutcomeLabels
from abkit_model.training.request import Recipe

CUTS = (("2021-02", "2021-05"), ("2021-05", "2021-08"), ("2021-08", "2021-11"), ("2021-11", "2022-02"))
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
FOLDS = 5


class Study:
    """Images with an outcome, a group and a family each, as all three scorers see them."""

    def __init__(self, scorer: Scorer, views: list[Features], value: np.ndarray, group: list[str], family: list[str]):
        self.scorer, self.views, self.value = scorer, views, value
        self.group = np.unique(group, return_inverse=True)[1]
        self.family = np.array(family)
        self.default = predict(scorer.network, views[0])[0] @ scorer.card.scale.values

    def answers(self, train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """What each scorer says of some images, after learning from others."""
        found = {"challenger": self.challenger(train, test, seed), "default": self.default[test]}
        return found | {"ridge": self.ridge(train, test, seed)}

    def challenger(self, train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        """Scores of the shipped queries, tuned on the outcomes of the training images."""
        n, unknown = len(train), np.full(len(train), np.nan)
        outcomes = Outcomes(
            views=[view.subset(train) for view in self.views],
            image=np.arange(n),
            cell=self.group[train],
            randomized=np.zeros(n, dtype=bool),
            appeal=self.value[train],
            variance=np.zeros(n),
            events=unknown,
            expected=unknown,
            family=self.family[train].tolist(),
        ).subset(np.ones(n, dtype=bool))
        scale = self.scorer.card.scale
        labels = OutcomeLabels(outcomes=outcomes, scale=scale)
        tuned = fit(labels, Recipe(seed=seed), start=self.scorer.network)
        return predict(tuned, self.views[0].subset(test))[0] @ scale.values

    def ridge(self, train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        """Predictions of a ridge on the pooled features of the plain and the mirrored image."""
        both = np.concatenate([view.embeddings[train] for view in self.views]).astype(np.float64)
        middle, scale = both.mean(axis=0), both.std(axis=0) + 1e-9
        seen = np.clip((both - middle) / scale, -6, 6)
        plain = np.clip((self.views[0].embeddings - middle) / scale, -6, 6)
        group = np.concatenate([self.group[train], self.group[train] + self.group.max() + 1])
        value, part = np.tile(self.value[train], 2), np.tile(grouped_folds(self.family[train], seed=seed + 7), 2)
        gram = seen @ seen.T / seen.shape[1]

        def dual(keep: np.ndarray, penalty: float) -> np.ndarray:
            level = np.eye(group.max() + 1)[group[keep]]
            level = level[:, level.any(axis=0)]
            hat = np.eye(len(keep)) - level @ np.linalg.pinv(level)
            inner = hat @ gram[np.ix_(keep, keep)] @ hat + 2 * penalty * np.eye(len(keep))
            return hat @ np.linalg.solve(inner, hat @ value[keep])

        best, chosen = -np.inf, PENALTIES[0]
        first = np.arange(len(value)) < len(train)
        inner_group = self.group[train] * FOLDS + part[: len(train)]
        for penalty in PENALTIES:
            guess = np.zeros(len(value))
            for k in range(FOLDS):
                keep = np.flatnonzero(part != k)
                guess[part == k] = gram[np.ix_(part == k, keep)] @ dual(keep, penalty)
            found = within_srcc(guess[first], value[first], inner_group)
            best, chosen = max((best, chosen), (found, penalty))
        return plain[test] @ seen.T @ dual(np.arange(len(value)), chosen) / seen.shape[1]


def report(what: str, repeats: list[tuple[dict[str, np.ndarray], Judged]]) -> None:
    """Print the figure of each scorer, and the challenger's minus each other's."""
    names = list(repeats[0][0])
    measured = [[figures_within(said[name], judged) for name in names] for said, judged in repeats]

    def figures(rows: np.ndarray) -> np.ndarray:
        own = np.mean([[one(rows)[0] for one in each] for each in measured], axis=0)
        return np.concatenate([own, own[0] - own[1:]])

    found = clustered_bootstrap(figures, repeats[0][1].family, resamples=300)
    print(f"{what}: {len(repeats[0][1].appeal)} images, {len(set(repeats[0][1].family))} clusters")
    for name, one in zip([*names, *(f"challenger - {name}" for name in names[1:])], found, strict=True):
        print(f"  {name:22} {one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]", flush=True)


def judged_of(value: np.ndarray, group: np.ndarray, family: np.ndarray) -> Judged:
    """Outcomes that all count the same."""
    return Judged(appeal=value, weight=np.ones(len(value)), group=group, family=family.tolist())


def thumbnails(study: Study, rows: list[dict[str, str]]) -> None:
    """Learn until a month, judge later videos of channels that were not learned from."""
    month = np.array([row["published"][:7] for row in rows])
    counts = np.array([row["part"] == "counts" for row in rows])

    def later(begin: str, end: str, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        train = np.flatnonzero(counts & (month < begin))
        new = ~np.isin(study.family, study.family[train])
        return train, np.flatnonzero(part & (month >= begin) & (month < end) & new)

    train, test = later("2021-11", "2022-02", ~counts)
    answers = study.answers(train, test, 0)
    judged = judged_of(study.value[test], study.group[test], study.family[test])
    report("thumbnails, later classes", [(answers, judged)])
    quarters = [(cut, *later(*cut, counts)) for cut in CUTS]
    said = [study.answers(train, test, 0) for _, train, test in quarters]
    test = np.concatenate([one[2] for one in quarters])
    quarter = np.repeat(np.arange(len(CUTS)), [len(one[2]) for one in quarters])
    judged = judged_of(study.value[test], study.group[test] * len(CUTS) + quarter, study.family[test])
    together = {name: np.concatenate([standard(one[name]) for one in said]) for name in said[0]}
    report("thumbnails, quarter by quarter", [(together, judged)])


def standard(scores: np.ndarray) -> np.ndarray:
    """Scores of one model, comparable with those of another."""
    return (scores - scores.mean()) / max(float(scores.std()), 1e-9)


def rated(what: str, study: Study, seeds: int) -> None:
    """Five folds of images, as often as there are seeds."""
    repeats, everyone = [], np.arange(len(study.value))
    for seed in range(seeds):
        fold = grouped_folds([str(i) for i in everyone], seed=seed)
        said: dict[str, np.ndarray] = {}
        for k in range(FOLDS):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            for name, scores in study.answers(train, test, seed).items():
                said.setdefault(name, np.zeros(len(everyone)))[test] = scores
        repeats.append((said, judged_of(study.value, study.group * FOLDS + fold, study.family)))
    report(what, repeats)


def main(data: Path, cache: TokenCache | None, seeds: int, only: str) -> None:
    """Run all parts and print their figures."""
    scorer = Scorer.load(default_checkpoint())

    def load(folder: str) -> tuple[list[dict[str, str]], list[Features]]:
        with (data / folder / "table.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if folder == "youtube_trending":
            rows = [row for row in rows if row["ratings_disabled"] != "True" and row["likes"] != "0"]
        paths = [data / folder / "images" / row["image"] for row in rows]
        return rows, [extract(paths, scorer.encoder, cache=cache, mirrored=flip)[0] for flip in (False, True)]

    begin = time.process_time()
    if only in ("", "thumbnails"):
        rows, views = load("youtube_trending")
        value = np.array(
            [
                np.log(float(row["likes"]) / float(row["views"]))
                if row["part"] == "counts"
                else float(row["like_ratio_class"])
                for row in rows
            ]
        )
        category, channel = [row["category"] for row in rows], [row["channel"] for row in rows]
        thumbnails(Study(scorer, views, value, category, channel), rows)
    if only in ("", "pages"):
        rows, views = load("webpages_rated")
        value = np.array([float(row["mean"]) for row in rows])
        names = [row["image"] for row in rows]
        rated("pages, mean rating", Study(scorer, views, value, [""] * len(rows), names), seeds)
    if only in ("", "ads"):
        rows, views = load("web_ads_rated")
        formats, sites = [row["format"] for row in rows], [row["site"] for row in rows]
        design = np.array([float(row["share_good_design"]) - float(row["share_bad_design"]) for row in rows])
        rating = np.array([float(row["mean"]) for row in rows])
        rated("web ads, mean rating", Study(scorer, views, rating, formats, sites), seeds)
        rated("web ads, good minus bad design", Study(scorer, views, design, formats, sites), seeds)
    print(f"{time.process_time() - begin:.0f} s of processor time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ABKIT_TESTDATA", ".")))
    parser.add_argument("--cache", type=Path, help="folder of encoded images")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="", choices=["", "thumbnails", "pages", "ads"])
    options = parser.parse_args()
    tokens = TokenCache(options.cache, 12 * 2**30) if options.cache else None
    main(options.data, tokens, options.seeds, options.only)
