"""What to label next: the pairs, or the images, whose labels would tell most about how creatives rank."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.errors import AbkitError, UsageError
from abkit.records import RecordList
from abkit.stats.labeling.questions import Question, next_images, next_pairs
from abkit.stats.labeling.taste import Taste, kernel, learn_taste
from abkit.store import models, scores
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.vocabulary import Tells
from abkit.workflows.creatives.creative_files import KnownNames, common_folder, find_images, image_names, named_in
from abkit.workflows.ratings.label_pool import LabelPool, read_pool

#: Every tenth question is one that was answered before.
_REPEAT_EVERY = 10
MOST_QUESTIONS = 500


@dataclass(frozen=True, kw_only=True)
class NextLabel:
    """One question: which of two images is better, or how good one is.

    Attributes:
        rank: 1 tells most.
        left: The image, or the one shown on the left: its name inside the folder.
        right: The other one; "" where the question is about one image.
        tells: Why it is asked.
        gain: Share of what is not known yet about the ranking that the answer is expected to tell; None for repeats.
        chance_left: That the left one is preferred, as far as it is known; None for single images and repeats.
    """

    rank: int
    left: str
    right: str
    tells: Tells
    gain: float | None
    chance_left: float | None


@dataclass(frozen=True, kw_only=True)
class NextLabels(RecordList):
    """What to label next.

    Attributes:
        questions: The most telling first; every tenth is a repeat, where anything was answered before.
        folder: The folder that the names are in, for `abkit ratings import --images`.
        day: Goes into the table as the time of the labels, so that an answer to a repeat stands beside the former one.
        candidates: Creatives that could be asked about.
        comparisons, ratings: Pairs that were compared, and images that were rated: what is known already.
        unfamiliar: Candidates that the latest drift check points at; 0 where it points at none.
        model_version: Digest of the version whose scores and encoder were used.
        notes: What was left out, and how the answers come back.
    """

    questions: tuple[NextLabel, ...]
    folder: str
    day: date
    candidates: int
    comparisons: int
    ratings: int
    unfamiliar: int
    model_version: str
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return the table to fill in, which `abkit ratings import` reads: a choice or a score, and a rater, go in."""
        pairs = any(one.right for one in self.questions)
        return [
            {
                "rank": one.rank,
                **({"image_left": one.left, "image_right": one.right} if pairs else {"image": one.left}),
                "choice" if pairs else "score": "",
                "rater": "",
                "time": self.day.isoformat(),
                "tells": one.tells.value,
            }
            for one in self.questions
        ]


def next_labels(
    store: Store,
    *,
    campaign: str | None = None,
    count: int = 20,
    images: bool = False,
    day: date,
    seed: int = 0,
) -> NextLabels:
    """Rank what to label next. Nothing is written.

    1. Read the creatives that the active version scored and whose files are where they were, and what was labeled.
    2. Learn from the labels how much each is liked and how unsure that is (`abkit.stats.labeling.taste`).
    3. Choose the questions whose answers tell most; where the latest drift check found that new images look different,
       about those first. Sizes of one idea and nearly equal images are not compared, nor are campaigns.
    4. Add repeats, so that it can be seen how consistent people are.

    Args:
        store: Where creatives, scores and labels are.
        campaign: Only creatives of this campaign; None: of all, each compared inside its own.
        count: How many questions, repeats included.
        images: Ask about single images, to be rated, instead of pairs.
        day: The day that the answers will carry.
        seed: Seed of what is left to chance: sides, repeats, and whom to leave out where there are too many.

    Raises:
        UsageError: No such campaign, or not a valid number.
        AbkitError: Nothing was scored, no image is where it was, or nothing is left to ask.
    """
    if not 1 <= count <= MOST_QUESTIONS:
        raise UsageError(f"{count} is not a number of questions", hint=f"--count is 1 to {MOST_QUESTIONS}")
    with store.read() as session:
        version = models.active_model(session)
        of_campaign = creatives.find_campaign(session, campaign) if campaign is not None else None
        seen = scores.seen_creatives(session, version, of_campaign) if version is not None else []
        names = image_names(session, {one.id for one in seen})
    there = {id_ for id_, known in names.items() if any(map(os.path.isfile, known.paths))}
    if version is None or not there:
        what = "no creative has a score by the active model" if not seen else "no image is where it was scored"
        raise AbkitError(f"there is nothing to label: {what}", hint="abkit score IMAGES --campaign KEY")
    with store.read() as session:
        pool = read_pool(session, version, of_campaign, usable=there, seed=seed)
    asked = _ask(pool, count, images, seed)
    if not asked:
        what = "every image was rated" if images else "no campaign has two images that were not compared"
        raise AbkitError(
            f"nothing is left to ask: {what}",
            hint="score more creatives, or ask for " + ("pairs (--pairs)" if images else "single images (--images)"),
        )
    return _named(pool, asked, names, seen=len(seen), there=len(there), day=day, digest=version.digest, images=images)


def _ask(pool: LabelPool, count: int, images: bool, seed: int) -> list[Question]:
    """Return the questions in order, each as positions in the pool, sides as they are to be shown."""
    alike = kernel(pool.embeddings, pool.scores)
    taste = learn_taste(alike, pool.labels).of(np.arange(pool.candidates))
    rng = np.random.default_rng(seed)
    rated = [(int(one), None) for one in np.flatnonzero(pool.rated)]
    former: Sequence[tuple[int, int | None]] = rated if images else sorted(pool.pairs)
    repeats = min(count // _REPEAT_EVERY, len(former))
    found = new_questions(pool, taste, count - repeats, images=images)
    if not found:
        return []
    again = [former[k] for k in rng.choice(len(former), repeats, replace=False)] if repeats else []
    for number, (first, second) in enumerate(again, start=1):
        repeat = Question(first=first, second=second, gain=0.0, chance=None, tells=Tells.REPEAT)
        found.insert(number * _REPEAT_EVERY - 1, repeat)
    return [one.turned() if rng.random() < 0.5 else one for one in found]


def new_questions(
    pool: LabelPool,
    taste: Taste,
    count: int,
    *,
    images: bool,
    there: NDArray[np.bool_] | None = None,
    not_again: Iterable[tuple[int, int]] = (),
) -> list[Question]:
    """Return new questions: about what drift points at first, and about the others where that is not enough.

    Args:
        pool: Who may be asked about.
        taste: What is known about the candidates.
        count: How many questions at most.
        images: About single images, instead of pairs.
        there: `(candidates,)`, which have an image; None: all.
        not_again: Pairs that were asked and not answered, as positions; of a single image, twice its position.
    """
    found: list[Question] = []
    ready = np.ones(pool.candidates, dtype=bool) if there is None else there
    asked = list(not_again)
    for wanted in (pool.unfamiliar, None) if pool.unfamiliar is not None else (None,):
        left = count - len(found)
        if images:
            open_ = ~pool.rated & ready
            open_[[one.first for one in found] + [one for one, _ in asked]] = False
            found += next_images(taste, open_, pool.group, left, wanted=wanted)
            continue
        allowed = (pool.group[:, None] == pool.group[None, :]) & ~pool.alike & ready[:, None] & ready[None, :]
        for i, j in [*pool.pairs, *asked, *((one.first, one.second) for one in found if one.second is not None)]:
            allowed[i, j] = allowed[j, i] = False
        found += next_pairs(taste, allowed, pool.group, left, wanted=wanted)
    return found


def _named(
    pool: LabelPool,
    asked: Sequence[Question],
    names: dict[int, KnownNames],
    *,
    seen: int,
    there: int,
    day: date,
    digest: str,
    images: bool,
) -> NextLabels:
    """Name the images of the questions; those whose content has changed are left out with a note."""
    ids = pool.ids.tolist()
    paths = find_images({ids[k]: names[ids[k]] for one in asked for k in _positions(one)})
    usable = [one for one in asked if all(ids[k] in paths for k in _positions(one))]
    if not usable:
        raise AbkitError(
            "there is nothing to label: the images have changed since they were scored", hint="score them again"
        )
    folder = common_folder(paths.values())
    called = named_in(folder, paths)
    notes = []
    if seen > there:
        notes.append(f"{seen - there:,} creatives are left out: their images are not where they were")
    if len(asked) > len(usable):
        notes.append(f"{len(asked) - len(usable):,} questions are left out: an image has changed since it was scored")
    if pool.too_many:
        notes.append(f"{pool.too_many:,} of {there:,} creatives are left out, by chance: name a --campaign")
    if pool.unfamiliar is not None:
        notes.append(
            f"the latest drift check found that new images look different: {int(pool.unfamiliar.sum()):,} creatives "
            "are asked about first"
        )
    fill = "score and rater" if images else "choice (left, right or tie) and rater"
    notes.append(f"with -f csv it is a table to fill in: {fill}; then: abkit ratings import FILE --images {folder}")
    return NextLabels(
        questions=tuple(
            NextLabel(
                rank=rank,
                left=called[ids[one.first]],
                right="" if one.second is None else called[ids[one.second]],
                tells=one.tells,
                gain=None if one.tells is Tells.REPEAT else one.gain,
                chance_left=one.chance,
            )
            for rank, one in enumerate(usable, start=1)
        ),
        folder=str(folder),
        day=day,
        candidates=pool.candidates,
        comparisons=len(pool.pairs),
        ratings=int(pool.rated.sum()),
        unfamiliar=0 if pool.unfamiliar is None else int(pool.unfamiliar.sum()),
        model_version=digest,
        notes=tuple(notes),
    )


def _positions(one: Question) -> Iterable[int]:
    return (one.first,) if one.second is None else (one.first, one.second)
