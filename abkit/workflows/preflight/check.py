"""Check files before launch: found, opened safely, looked at, and held against placements. No store, no model."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abkit.errors import UsageError
from abkit.intake.media.animation_times import playing
from abkit.intake.media.image_marks import Marks, marks_of
from abkit.intake.media.images import COPY_BITS, SAME_SHAPE, find_images, perceptual_hash
from abkit.intake.media.placements import Placement, placement_table, placements_named
from abkit.vocabulary import Mark, PreflightCheck, PreflightVerdict
from abkit.workflows.preflight.looks import Looks, look_at
from abkit.workflows.preflight.results import CheckedFile, Finding, PlacementVerdict, Preflight, gravest
from abkit.workflows.preflight.rules import Facts, hold_against
from abkit_model.decoding.formats import video_type
from abkit_model.errors import ImageRejected, KindNotRead
from abkit_model.images import open_image, read_file

# The variants of one layout are as near by their hash as copies are. Copies also have the same colors, everywhere:
# thumbnails of so many pixels per side differ by so little on average and nowhere by more (of 255 levels).
_THUMBNAIL, _MEAN_APART, _MOST_APART = 32, 4, 32
_ALWAYS = (PreflightCheck.READABLE, PreflightCheck.BLANK, PreflightCheck.DUPLICATE, PreflightCheck.MARKS)


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A file that can be read: what is reported of it, and what the rules look at."""

    checked: CheckedFile
    facts: Facts
    looks: Looks
    marks: Marks
    hash: int
    thumbnail: NDArray[np.int16]
    hidden_on_white: bool


def preflight(
    paths: Sequence[str | Path],
    placements: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Preflight:
    """Check images and films against placements.

    Each file is opened with the limits that `abkit score` has, so that a hostile one ends in a sentence. Films need
    the extra `video`. Text shares are estimates.

    Args:
        paths: Images, folders, or patterns such as "ads/*.png".
        placements: Names of placements, or several with commas between them.
        progress: Called with (files done, files in all).

    Raises:
        UsageError: There is no such placement, or nothing at these paths that can be checked.
    """
    wanted = placements_named(placements)
    found = find_images([Path(path) for path in paths])
    if not found.files and not found.unusable and not found.skipped:
        hint = "name images, folders, or patterns such as 'ads/*.png'"
        raise UsageError("there are no images at these paths", hint=hint)
    opened: list[_Opened | CheckedFile] = [_unreadable(path, reason) for path, reason in found.unusable]
    skipped = list(found.skipped)
    for number, path in enumerate(found.files, start=1):
        try:
            opened.append(_open(path))
        except KindNotRead as error:
            skipped.append((path, error.reason))
        except ImageRejected as error:
            opened.append(_unreadable(path, error.reason))
        except Exception as error:  # whatever one file does, the others go on
            opened.append(_unreadable(path, f"it cannot be read ({type(error).__name__})"))
        if progress is not None:
            progress(number, len(found.files))
    table = placement_table()
    return Preflight(
        table_version=table.version,
        table_date=table.date,
        placements=tuple(placement.name for placement in wanted),
        files=tuple(_judged(opened, wanted)),
        skipped=tuple(skipped),
        ignored=found.ignored,
    )


def _unreadable(path: Path, reason: str) -> CheckedFile:
    return CheckedFile(
        path=path,
        findings=(
            Finding(
                check=PreflightCheck.READABLE,
                verdict=PreflightVerdict.FAIL,
                reason=reason,
                advice="export it once more as JPEG, PNG or MP4",
            ),
        ),
    )


def _open(path: Path) -> _Opened:
    data = read_file(path)
    media_type = video_type(data)
    seconds: float | None = None
    notes: tuple[str, ...] = ()
    if media_type:
        from abkit_model.decoding.video import open_film

        film = open_film(data)
        image, width, height, seconds = film.frames[0], film.width, film.height, film.duration
    else:
        decoded = open_image(data)
        image, width, height = decoded.image, decoded.width, decoded.height
        media_type, notes = decoded.media_type, decoded.reading.notes
    looks = _look(image)
    moving = playing(data) if seconds is None else None
    facts = Facts(
        media_type=media_type,
        width=width,
        height=height,
        bytes=len(data),
        playing=moving,
        film_seconds=seconds,
        text_share=looks.text_share,
        text_in=looks.share_in,
    )
    checked = CheckedFile(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
        width=width,
        height=height,
        bytes=len(data),
        frames=0 if seconds is not None else moving.frames if moving else 1,
        seconds=seconds if seconds is not None else moving.seconds if moving else 0.0,
        text_share=round(looks.text_share, 3),
    )
    return _Opened(
        checked=checked,
        facts=facts,
        looks=looks,
        marks=marks_of(data),
        hash=int(perceptual_hash(image), 16),
        thumbnail=np.asarray(image.resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)).astype(np.int16),
        # what the decoder says where it could not put a transparent image on white
        hidden_on_white=any(note.startswith("transparent: ") for note in notes),
    )


def _look(image: Image.Image) -> Looks:
    small = image
    if max(image.size) > 2_000:
        small = image.copy()
        small.thumbnail((2_000, 2_000), Image.Resampling.BOX)
    return look_at(small)


def _judged(files: Sequence[_Opened | CheckedFile], placements: Sequence[Placement]) -> list[CheckedFile]:
    readable = [file for file in files if isinstance(file, _Opened)]
    copies = _near_copies(readable)
    first: dict[str, Path] = {}
    judged = []
    for file in files:
        if isinstance(file, CheckedFile):
            verdicts = tuple(
                PlacementVerdict(
                    placement=one.name, verdict=PreflightVerdict.FAIL, checked=(PreflightCheck.READABLE,), findings=()
                )
                for one in placements
            )
            judged.append(replace(file, placements=verdicts))
            continue
        alike = copies[id(file)]
        c2pa = _mark(file.marks.c2pa, [other.marks.c2pa for other in alike])
        ai = _mark(file.marks.ai, [other.marks.ai for other in alike])
        findings = [*_of_the_image(file), *_of_copies(file, alike, first), *_of_marks(c2pa, ai, alike)]
        first.setdefault(file.checked.sha256, file.checked.path)
        everywhere = gravest(finding.verdict for finding in findings)
        held = [hold_against(file.facts, placement) for placement in placements]
        judged.append(
            replace(
                file.checked,
                c2pa=c2pa,
                ai=ai,
                findings=tuple(findings),
                placements=tuple(
                    replace(one, verdict=gravest((one.verdict, everywhere)), checked=(*_ALWAYS, *one.checked))
                    for one in held
                ),
            )
        )
    return judged


def _near_copies(files: Sequence[_Opened]) -> dict[int, list[_Opened]]:
    """Return the near-copies of each file, by its identity; blank images have none."""
    copies: dict[int, list[_Opened]] = defaultdict(list)
    shown = [file for file in files if not file.looks.blank]
    for at, file in enumerate(shown):
        for other in shown[at + 1 :]:
            if _is_copy(file, other):
                copies[id(file)].append(other)
                copies[id(other)].append(file)
    return copies


def _is_copy(one: _Opened, other: _Opened) -> bool:
    if (one.hash ^ other.hash).bit_count() > COPY_BITS:
        return False
    if abs(one.facts.ratio / other.facts.ratio - 1) > SAME_SHAPE:
        return False
    apart = np.abs(one.thumbnail - other.thumbnail)
    return bool(apart.mean() <= _MEAN_APART and apart.max() <= _MOST_APART)


def _of_the_image(file: _Opened) -> list[Finding]:
    if file.looks.blank:
        return [
            Finding(
                check=PreflightCheck.BLANK,
                verdict=PreflightVerdict.FAIL,
                reason=f"nothing to see: every pixel is {file.looks.background}",
                advice="export it once more, with its layers shown",
            )
        ]
    if file.looks.faint:
        return [
            Finding(
                check=PreflightCheck.BLANK,
                verdict=PreflightVerdict.FAIL,
                reason=f"hardly anything to see: nearly every pixel is like {file.looks.background}",
                advice="give it more contrast",
            )
        ]
    if file.hidden_on_white:
        return [
            Finding(
                check=PreflightCheck.BLANK,
                verdict=PreflightVerdict.WARN,
                reason="transparent, and hardly to be seen on white",
                advice="put it on the ground on which it is meant to stand",
            )
        ]
    return []


def _of_copies(file: _Opened, alike: Sequence[_Opened], first: dict[str, Path]) -> list[Finding]:
    if (same := first.get(file.checked.sha256)) is not None:
        reason, advice = f"the same file as {same}", "leave one of them out"
    else:
        near = [
            other.checked.path
            for other in alike
            if other.checked.path in first.values()
            and (other.facts.width, other.facts.height) == (file.facts.width, file.facts.height)
        ]
        if not near:
            return []
        reason, advice = f"looks like {near[0]}, in the same size", "leave one of them out, or make them differ more"
    return [Finding(check=PreflightCheck.DUPLICATE, verdict=PreflightVerdict.WARN, reason=reason, advice=advice)]


def _of_marks(c2pa: Mark, ai: Mark, alike: Sequence[_Opened]) -> list[Finding]:
    found = []
    for mark, name, carriers in (
        (c2pa, "C2PA manifest", [one for one in alike if one.marks.c2pa]),
        (ai, "mark of a trained model (IPTC DigitalSourceType)", [one for one in alike if one.marks.ai]),
    ):
        if mark is Mark.LOST:
            found.append(
                Finding(
                    check=PreflightCheck.MARKS,
                    verdict=PreflightVerdict.WARN,
                    reason=f"the {name} is lost: {carriers[0].checked.path} looks the same and has it",
                    advice="export it with its metadata",
                )
            )
    return found


def _mark(here: bool, elsewhere: Sequence[bool]) -> Mark:
    return Mark.PRESENT if here else Mark.LOST if any(elsewhere) else Mark.ABSENT
