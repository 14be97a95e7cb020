"""The queue of the label page against random choice of pairs: accuracy on held-out images by number of answers.

    python benchmarks/label_queue.py $ABKIT_TESTDATA --cache FOLDER [--seeds 5] [--noise 0.7] [--train 0] [--only SET]

The protocol, written before the figures:

1. Sets, truth, held-out images, the rater and his noise are those of `active_learning.py`, with the same seeds.
2. What is asked comes from the product's own queue: a workspace with the images of the pool, their embeddings and the
   shipped scorer's scores (formats of ads are campaigns). The rater answers what `label_state` shows by `vote`;
   `plan` is called when three questions are left, as the page does. So a batch of fifteen is planned on the answers so
   far, holds one question that comes back with its sides changed, and those count as answers like any other. The rater
   looks at both images anew when a question comes back.
3. Random choice: pairs of one campaign at random, none twice.
4. Two figures, both Spearman's correlation with the truth on held-out images (inside formats):
   - taste: the posterior mean that the queue itself learns (`abkit.stats.labeling.taste`), after every 20 answers;
   - challenger: the scorer that the button of the page trains from the answers (`train_on_labels`), in the first
     `--train` seeds, after 100 and 200 answers. Its parent is the shipped scorer.
5. The goal: what random choice reaches with 200 answers, the queue reaches with 100 or fewer.
"""

import argparse
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
from active_learning import HELD_OUT, Rater, load
from few_labels import interval, within

from abkit import Workspace
from abkit.errors import AbkitError
from abkit.intake.media.images import names_of
from abkit.stats.labeling.taste import Labels, kernel, learn_taste
from abkit.store import scores
from abkit.store.catalog import creatives
from abkit.store.ratings.publish import source_of
from abkit.store.runs import recorded_run
from abkit.store.schema import Comparison, RatingImport
from abkit.store.schema import Rater as StoredRater
from abkit.workflows.active_model import ensure_active_model
from abkit.workflows.ratings.queue import FEW_LEFT, RaterQueue, ensure_rater, label_state, plan, vote
from abkit_model.data.tokens import TokenCache

EVERY = 20


def fill(workspace, paths, embeddings, score, kinds):
    """Return the id of each image as a creative, scored by the shipped scorer."""
    store = workspace.store
    with recorded_run(store, "benchmark", {}) as run:
        version = ensure_active_model(store, run).version
        contents = []
        for k, path in enumerate(paths):
            data = path.read_bytes()
            content = {"sha256": sha256(data).hexdigest(), "perceptual_hash": sha256(data).hexdigest()[:16]}
            content |= {"width": 640, "height": 480, "media_type": "image/png", "bytes": len(data)}
            shown = {"mean": float(score[k]), "std": 1.0, "epistemic_std": None, "distribution": [1.0]}
            shown |= {"ci_low": None, "ci_high": None, "ci_level": 0.9, "query_activations": [], "novelty": None}
            contents.append(scores.ScoredContent(content, shown, embeddings[k].astype("<f2").tobytes()))
        with store.write() as session:
            scores.write_scores(session, run, version, contents)
            ids = creatives.creative_ids(session, [one.creative["sha256"] for one in contents])
            found = [ids[one.creative["sha256"]] for one in contents]
            for kind in np.unique(kinds):
                own = np.flatnonzero(kinds == kind)
                target = creatives.ensure_campaign(session, run, f"format {kind}")
                creatives.write_names(session, run, [(found[k], *names_of(paths[k])) for k in own], campaign=target)
    return found


def through_the_queue(workspace, place, rater, most, seed):
    """Return (first, second, share) of each answer, as positions, in order."""
    store = workspace.store
    queue = RaterQueue(rater=ensure_rater(store, "the rater"))
    answers, seen = [], {}
    plan(store, queue, seed=seed)
    while len(answers) < most:
        state = label_state(store, queue)
        if state.waiting <= FEW_LEFT:
            try:
                plan(store, queue, seed=seed + len(answers))
                state = label_state(store, queue)
            except AbkitError:
                if state.question is None:
                    break
        one = state.question
        i, j = place[one.left], place[one.right]
        pair = (min(i, j), max(i, j))
        seen[pair] = seen.get(pair, -1) + 1
        first = Rater(rater.truth, rater.noise, rater.seed + 100_003 * seen[pair]).chooses_first(i, j)
        vote(store, queue, one.id, "left" if first else "right")
        answers.append((i, j, first))
    return answers


def at_random(pool, kinds, rater, most, seed):
    rng = np.random.default_rng((seed, 1))
    own = kinds[pool]
    allowed = np.triu(own[:, None] == own[None, :], 1)
    pairs = np.argwhere(allowed)
    chosen = pairs[rng.choice(len(pairs), min(most, len(pairs)), replace=False)]
    return [(int(pool[a]), int(pool[b]), rater.chooses_first(int(pool[a]), int(pool[b]))) for a, b in chosen]


def land(workspace, ids, answers):
    """Write answers as comparisons, where they did not come through the queue."""
    with recorded_run(workspace.store, "benchmark", {}) as run, workspace.store.write() as session:
        source, _ = source_of(session, run, "random", None)
        rater = StoredRater(rating_source_id=source, pseudonym="r", created_at=now(), run_id=run.id)
        made = RatingImport(
            digest="random", name="random", rating_source_id=source, kind="comparisons", options={}, rows=0, imported=0,
            unchanged=0, rejected=0, imported_at=now(), run_id=run.id,
        )  # fmt: skip
        session.add_all([rater, made])
        session.flush()
        for number, (i, j, share) in enumerate(answers):
            a, b = ids[i], ids[j]
            first, second = min(a, b), max(a, b)
            session.add(
                Comparison(
                    rater_id=rater.id, first_id=first, second_id=second, compared_at=str(number),
                    share=share if a == first else 1 - share, weight=1.0, rating_import_id=made.id,
                )
            )  # fmt: skip


def now():
    return datetime.now(UTC)


def taste_curve(answers, alike, truth, kinds, held):
    found = {}
    for n in range(EVERY, len(answers) + 1, EVERY):
        i, j, share = (np.array(one) for one in zip(*answers[:n], strict=True))
        taste = learn_taste(alike, Labels.of_pairs(i.astype(np.intp), j.astype(np.intp), share.astype(float)))
        found[n] = within(taste.mean[held], truth[held], kinds[held])[0]
    return found


def challenger(paths, answers, view, truth, kinds, held):
    """Return the accuracy on held-out images of what the button of the page trains from these answers."""
    from abkit.workflows.learning.retraining.labeled import train_on_labels
    from abkit_model.evaluation.trained_scorer import predict
    from abkit_model.scorer import Scorer

    with tempfile.TemporaryDirectory() as folder, Workspace.create(Path(folder) / "shop") as own:
        own_ids = fill(own, paths, view.embeddings, np.zeros(len(paths)), kinds)
        land(own, own_ids, answers)
        trained = train_on_labels(own.store, own.settings)
        scorer = Scorer.load(Path(trained.folder))
        score = predict(scorer.network, view)[0] @ scorer.card.scale.values
        return within(score[held], truth[held], kinds[held])[0]


def main(folder, cache, seeds, noise, most, train, only=None):
    from abkit_model.data.tokens import extract
    from abkit_model.encoders.load import load_encoder

    for name, embeddings, score, truth, kinds in load(folder, cache):
        if only not in (None, name):
            continue
        paths = paths_of(folder, name)
        alike = kernel(embeddings, score)
        view = extract(paths, load_encoder(), cache=cache)[0] if train else None
        curves, trained = {"random": [], "queue": []}, {"random": [], "queue": []}
        for seed in range(seeds):
            order = np.random.default_rng(seed).permutation(len(truth))
            held = np.sort(order[: int(HELD_OUT * len(truth))])
            pool = np.sort(order[len(held) :])
            rater = Rater(truth, noise, seed)
            with tempfile.TemporaryDirectory() as place, Workspace.create(Path(place) / "shop") as workspace:
                ids = fill(workspace, [paths[k] for k in pool], embeddings[pool], score[pool], kinds[pool])
                position = {id_: int(pool[k]) for k, id_ in enumerate(ids)}
                asked = {
                    "queue": through_the_queue(workspace, position, rater, most, seed),
                    "random": at_random(pool, kinds, rater, most, seed),
                }
            for way, answers in asked.items():
                curves[way].append(taste_curve(answers, alike, truth, kinds, held))
                if seed < train:
                    found = [challenger(paths, answers[:n], view, truth, kinds, held) for n in (100, 200)]
                    trained[way].append(found)
                    print(f"  {name} seed {seed}: challenger, {way}, {found[0]:.3f} {found[1]:.3f}", flush=True)
            print(f"  {name} seed {seed} done", flush=True)
        report(name, curves, trained)


def paths_of(folder, name):
    import csv

    rows = csv.DictReader((folder / name / "table.csv").open())
    return [folder / name / "images" / row["image"] for row in rows]


def report(name, curves, trained):
    sizes = sorted(set.intersection(*(set(one) for found in curves.values() for one in found)))
    table = {way: np.array([[one[size] for size in sizes] for one in found]) for way, found in curves.items()}
    print(f"\n{name}, {len(table['queue'])} seeds: Spearman's correlation on held-out images")
    for k, size in enumerate(sizes):
        difference = interval(table["queue"][:, k] - table["random"][:, k])
        parts = [f"{way} {values[:, k].mean():.3f}" for way, values in table.items()]
        print(f"{size:5} " + ", ".join(parts) + f", queue − random {difference}")
    goal = table["random"][:, -1].mean()
    reached = [size for k, size in enumerate(sizes) if table["queue"][:, k].mean() >= goal]
    print(f"    {goal:.3f}, as random with {sizes[-1]}: the queue with {reached[0] if reached else 'more than asked'}")
    for way, found in trained.items():
        if found:
            means = np.array(found).mean(axis=0)
            print(f"    challenger, {way}, {len(found)} seeds: 100 answers {means[0]:.3f}, 200 {means[1]:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--noise", type=float, default=0.7)
    parser.add_argument("--most", type=int, default=200)
    parser.add_argument("--train", type=int, default=0, help="seeds in which challengers are trained, too")
    parser.add_argument("--only", help="one of the two sets, as webpages_rated")
    options = parser.parse_args()
    tokens = TokenCache(options.cache, 12 * 2**30) if options.cache else None
    main(options.folder, tokens, options.seeds, options.noise, options.most, options.train, options.only)
