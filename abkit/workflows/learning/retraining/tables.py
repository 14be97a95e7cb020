"""What is known by a day, as the tables that training reads: outcomes, and ratings and comparisons beside them."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from abkit.store.database.engine import Store
from abkit.store.ratings import read
from abkit.workflows.creatives.creative_files import common_folder, find_images, image_names, named_in
from abkit.workflows.learning.appeals.appeals import StoredAppeals, source_of
from abkit.workflows.learning.retraining.image_watch import UNWATCHED, ImageWatch, harmless
from abkit.written_files import whole_file

OUTCOME_COLUMNS = (
    "image", "campaign", "appeal", "standard_error", "expected", "events", "family", "source", "metric", "currency",
)  # fmt: skip
Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class KnownTables:
    """The tables that a training reads.

    Attributes:
        folder: The folder that all images are in.
        outcomes: One row per creative and campaign, columns as `OUTCOME_COLUMNS`.
        ratings: One row per vote: rater, image, score; [] for none.
        comparisons: One row per comparison: image_a, image_b, share, weight; [] for none.
        creatives: The creatives in these tables.
        campaigns: How many campaigns the outcomes are of.
        notes: What was left out or done, and why.
    """

    folder: Path
    outcomes: Rows
    ratings: Rows
    comparisons: Rows
    creatives: frozenset[int]
    campaigns: int
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> list[Path]:
        """Return the images that these tables name."""
        named = {row["image"] for row in (*self.outcomes, *self.ratings)}
        named |= {row[name] for row in self.comparisons for name in ("image_a", "image_b")}
        return [self.folder / name for name in sorted(named)]

    def write(self, folder: Path) -> dict[str, Path]:
        """Write the tables that have rows into a folder; return them by name."""
        folder.mkdir(parents=True, exist_ok=True)
        named = {"outcomes": self.outcomes, "ratings": self.ratings, "comparisons": self.comparisons}
        return {name: write_table(rows, folder / f"{name}.csv") for name, rows in named.items() if rows}


def write_table(rows: Rows, path: Path) -> Path:
    """Write rows as CSV, with the columns of the first one, whole or not at all.

    Raises:
        AbkitError: The file cannot be written.
    """
    with whole_file(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else OUTCOME_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def known_tables(
    store: Store,
    found: StoredAppeals,
    *,
    scale: tuple[float, float] | None,
    leave_out: Set[int] = frozenset(),
    watch: ImageWatch = UNWATCHED,
) -> KnownTables:
    """Return the tables of what was known at the end of the day of some appeals.

    Args:
        store: Where ratings, comparisons and the names of images are read.
        found: The appeals as of that day.
        scale: Ratings on this scale are learned from; none when None.
        leave_out: Creatives that must not be learned from.
        watch: Which images have ended the job too often; their creatives are left out too.
    """
    until = datetime.combine(found.as_of + timedelta(days=1), time(0), UTC)
    figures, notes = found.appeals, list(found.notes)
    entries = [
        int(i)
        for i in np.flatnonzero(figures.identified & np.isfinite(figures.appeal) & np.isfinite(figures.variance))
        if int(figures.creative[i]) not in leave_out
    ]
    with store.read() as session:
        votes = read.known_votes(session, scale, until) if scale else None
        pairs = read.known_comparisons(session, until)
        rated = {} if votes is None else {int(one) for one in votes.creative}
        compared = {one for pair in pairs for one in pair[:2]}
        wanted = {int(figures.creative[i]) for i in entries} | set(rated) | compared
        known = image_names(session, wanted - leave_out)
    paths = find_images(known)
    if lost := len(wanted - leave_out) - len(paths):
        notes.append(f"{lost:,} creatives are left out: their images are not where they were, or have changed")
    paths, deadly = harmless(watch, paths)
    notes += [deadly] if deadly else []
    folder = common_folder(paths.values()) if paths else Path()
    names = named_in(folder, paths)
    ratings: Rows = []
    if votes is not None:
        ratings, said = rating_rows(votes, names)
        notes += said
    outcomes = outcome_rows(found, entries, names)
    return KnownTables(
        folder=folder,
        outcomes=outcomes,
        ratings=ratings,
        comparisons=[
            {"image_a": names[a], "image_b": names[b], "share": share, "weight": weight}
            for a, b, share, weight in pairs
            if a in names and b in names
        ],
        creatives=frozenset(names),
        campaigns=campaigns_of(found, entries, names),
        notes=tuple(notes),
    )


def campaigns_of(found: StoredAppeals, entries: Sequence[int], there: Collection[int]) -> int:
    """Return how many campaigns entries of appeals are of; those whose creative has no image do not count."""
    figures = found.appeals
    return len({int(figures.campaign[i]) for i in entries if int(figures.creative[i]) in there})


def outcome_rows(found: StoredAppeals, entries: Sequence[int], names: Mapping[int, str]) -> Rows:
    """Return entries of appeals as rows of a table of outcomes; those whose creative has no name are left out.

    Creatives of one campaign that were never shown beside each other are rows of "KEY / 1", "KEY / 2", …: nothing
    compares them.
    """
    figures = found.appeals
    groups: dict[int, list[int]] = {}
    for i in entries:
        of_campaign = groups.setdefault(int(figures.campaign[i]), [])
        if int(figures.group[i]) not in of_campaign:
            of_campaign.append(int(figures.group[i]))
    rows = []
    for i in entries:
        creative, campaign, idea = (int(one[i]) for one in (figures.creative, figures.campaign, figures.idea))
        if creative not in names:
            continue
        key, several = found.campaigns[campaign], groups[campaign]
        rows.append(
            {
                "image": names[creative],
                "campaign": f"{key} / {several.index(int(figures.group[i])) + 1}" if len(several) > 1 else key,
                "appeal": round(float(figures.appeal[i]), 6),
                "standard_error": round(math.sqrt(float(figures.variance[i])), 6),
                "expected": round(float(figures.expected[i]), 3),
                "events": round(float(figures.events[i]), 3),
                "family": names[creative] if idea < 0 else f"idea {idea}",
                "source": source_of(bool(found.causal[i])).value,
                "metric": found.metric.value,
                "currency": found.currency,
            }
        )
    return rows


def rating_rows(votes: read.StoredVotes, names: Mapping[int, str]) -> tuple[Rows, list[str]]:
    """Return the votes on images that are there as rows, without those of raters who vote against everybody else."""
    from abkit_model.data.raters import contrary_raters

    there = np.isin(votes.creative, list(names))
    creative, rater, score = votes.creative[there], votes.rater[there], votes.score[there]
    if not len(score):
        return [], []
    who, number = np.unique(rater, return_inverse=True)
    against = contrary_raters(np.unique(creative, return_inverse=True)[1], number, score)
    kept = ~np.isin(number, against)
    rows = [
        {"rater": one, "image": names[int(image)], "score": float(value)}
        for one, image, value in zip(rater[kept], creative[kept], score[kept], strict=True)
    ]
    named = ", ".join(str(who[one]) for one in against[:5])
    said = f"raters who vote against all others count for nothing: {named} ({int((~kept).sum()):,} votes)"
    return rows, [said] if len(against) else []
