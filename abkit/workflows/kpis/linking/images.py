"""Recognize the images of ads, downloaded from the platform, among the scored creatives: suggestions for a person.

Platforms resize and re-encode what is uploaded, so the bytes differ; the perceptual hash hardly does. It cannot tell a
copy from a variant of one layout, which is why nothing is linked until a person takes it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abkit.errors import UsageError
from abkit.intake.kpis.header.fields import listed
from abkit.intake.media.images import ALIKE_BITS, SAME_SHAPE, Content, find_images, names_of, read_content
from abkit.names import link_key, stem
from abkit.store.database.engine import Store
from abkit.store.kpis.linking.link_lists import (
    Advertised,
    advertised,
    campaigns_of_ads,
    names_of_ads,
    unlinked_delivery,
)
from abkit.store.kpis.linking.links import REMOVED, relink, set_links
from abkit.store.runs import recorded_run
from abkit.vocabulary import LinkedBy, LinkStatus
from abkit.workflows.kpis.linking.link import check_confidence
from abkit.workflows.kpis.linking.report import LinkReport, link_report, links_of, open_ads
from abkit_model.errors import ImageRejected

# Of an image with few edges, such as a blank one, the hash says next to nothing.
_PLAIN = 8
_MOST_SHOWN = 5


@dataclass
class _Seen:
    """What the images of one ad look like: names of files, and by creative the bits that differ (-1: same file)."""

    files: list[str] = field(default_factory=list)
    bits: dict[int, int] = field(default_factory=dict)


def link_images(store: Store, folder: Path, *, max_bytes: int, accept: float | None = None) -> LinkReport:
    """Suggest creatives for ads by images of them that are named after the ads: by id or by name.

    Args:
        store: A store at the current migration.
        folder: Images of ads; all below it count.
        max_bytes: Larger files are not read.
        accept: Take the suggestions with at least this confidence, above 0 and up to 1; None takes none.

    Raises:
        UsageError: No such confidence, or no such folder.
    """
    check_confidence(accept)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", hint="name one with images that are called as the ads are")
    with recorded_run(store, "kpi link", {"images": str(folder), "accept": accept}) as record:
        with store.read() as session:
            unlinked = unlinked_delivery(session)
            ads = _named([(row["ad_id"], row["ad"]) for row in unlinked], stem)
            names = names_of_ads(session, [row["ad_id"] for row in unlinked])
            by_name = _named([(ad, name) for ad, called in names.items() for name in called], link_key)
            creatives = advertised(session)
        seen, notes = _look(folder, ads, by_name, creatives, max_bytes)
        called = {one.creative_id: one for one in creatives}
        with store.write() as session:
            outcome = relink(session, record.id)
            rows = open_ads(session, outcome)
            asked = [ad for ad in seen if ad in rows and rows[ad]["reason"] != REMOVED.reason]
            campaigns = campaigns_of_ads(session, asked)
            pairs: dict[tuple[int, int], float | None] = {}
            for ad in asked:
                meant = _meant(seen[ad].bits, campaigns.get(ad), called)
                rows[ad] |= _described(seen[ad], meant, called)
                if len(meant) == 1 and accept is not None and confidence(seen[ad].bits[meant[0]]) >= accept:
                    pairs[ad, meant[0]] = confidence(seen[ad].bits[meant[0]])
            outcome.linked += set_links(session, pairs, LinkedBy.HASH, record.id)
            linked = [ad for ad, _ in pairs]
            rows = {ad: {"bits": None} | row for ad, row in rows.items() if ad not in set(linked)}
            links = links_of(session, linked)
        return link_report(record, outcome, rows, links=links, notes=notes)


def confidence(bits: int) -> float:
    """Return how close an image is to a creative, from the bits that differ; -1 stands for the very same file.

    >>> [confidence(bits) for bits in (-1, 0, 2, 6)]
    [1.0, 0.95, 0.85, 0.65]
    """
    return round(0.95 - 0.05 * bits, 2)


def _named(names: Sequence[tuple[int, str]], key: Callable[[str], str]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for ad, name in names:
        if name:
            found[key(name)].add(ad)
    return found


def _look(
    folder: Path,
    ids: Mapping[str, Collection[int]],
    names: Mapping[str, Collection[int]],
    creatives: Sequence[Advertised],
    max_bytes: int,
) -> tuple[dict[int, _Seen], list[str]]:
    """Return by ad what its images look like, and notes on files that say nothing."""
    seen: dict[int, _Seen] = defaultdict(_Seen)
    found = find_images([folder])
    of_nobody: list[str] = []
    notes = [f"{path.name}: {reason}" for path, reason in (*found.unusable, *found.skipped)[:_MOST_SHOWN]]
    for path in found.files:
        name = names_of(path)[1]
        ads = ids.get(stem(name)) or names.get(link_key(name)) or ()
        if not ads:
            of_nobody.append(name)
            continue
        if stem(name) in ids and len(ads) > 1:
            notes.append(f"{name}: {len(ads)} ads have this id")
            continue
        try:
            content = read_content(path, max_bytes=max_bytes)
        except ImageRejected as error:
            notes.append(f"{name}: {error}")
            continue
        near = _near(content, creatives)
        for ad in ads:
            seen[ad].files.append(name)
            for creative, bits in near.items():
                seen[ad].bits[creative] = min(bits, seen[ad].bits.get(creative, bits))
    if of_nobody:
        some = listed(of_nobody, most=3)
        notes.append(f"{len(of_nobody):,} images are not named as an ad without a creative: {some}")
    return dict(seen), notes


def _near(content: Content, creatives: Sequence[Advertised]) -> dict[int, int]:
    """Return by creative how many bits differ, up to the limit; -1 for the same file."""
    same = {one.creative_id: -1 for one in creatives if one.sha256 == content.sha256}
    mine = int(content.perceptual_hash, 16)
    if same or not _PLAIN <= mine.bit_count() <= 64 - _PLAIN:
        return same
    width, height = content.decoded.width, content.decoded.height
    # Small copies are rounded to whole pixels.
    most = SAME_SHAPE + 1 / min(width, height)
    found = {}
    for one in creatives:
        bits = (mine ^ int(one.perceptual_hash, 16)).bit_count()
        if bits <= ALIKE_BITS and abs(math.log(width / height * one.height / one.width)) <= most:
            found[one.creative_id] = bits
    return found


def _meant(bits: Mapping[int, int], campaign: int | None, creatives: Mapping[int, Advertised]) -> list[int]:
    """Return the creatives that an ad's images may show, the closest first; one alone is a suggestion.

    Those in the ad's campaign count, if there are any and none elsewhere is closer.
    """
    ranked = sorted(bits, key=lambda id_: (bits[id_], id_))
    same = [id_ for id_ in ranked if bits[id_] < 0]
    inside = [id_ for id_ in ranked if campaign in creatives[id_].campaigns]
    if same or not inside or bits[inside[0]] > bits[ranked[0]]:
        return same or ranked
    return inside


def _described(seen: _Seen, meant: Sequence[int], creatives: Mapping[int, Advertised]) -> dict[str, Any]:
    """Return the columns of an ad's row that say what its images show."""
    files = listed(seen.files, most=2)
    if not meant:
        reason = f"no scored creative looks like {files}"
        return {"status": LinkStatus.UNLINKED, "suggestion": None, "confidence": None, "bits": None, "reason": reason}
    if len(meant) > 1:
        called = ", ".join(f"{creatives[id_].name} ({seen.bits[id_]} bits)" for id_ in meant[:_MOST_SHOWN])
        reason = f"{len(meant)} creatives look like {files}: {called}{', …' if len(meant) > _MOST_SHOWN else ''}"
        return {"status": LinkStatus.AMBIGUOUS, "suggestion": None, "confidence": None, "bits": None, "reason": reason}
    bits = seen.bits[meant[0]]
    reason = f"the same file as {files}" if bits < 0 else f"{bits} of 64 bits differ from {files}"
    return {
        "status": LinkStatus.SUGGESTED,
        "suggestion": creatives[meant[0]].name,
        "confidence": confidence(bits),
        "bits": max(bits, 0),
        "reason": reason,
    }
