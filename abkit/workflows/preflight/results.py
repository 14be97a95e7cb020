"""What a check before launch returns: findings per file, and per file and placement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abkit.records import Record, RecordList
from abkit.vocabulary import Mark, PreflightCheck, PreflightVerdict


@dataclass(frozen=True, kw_only=True)
class Finding(Record):
    """Something that should be changed or looked at.

    Attributes:
        check: What was looked at.
        verdict: warn or fail.
        reason: What was found, and what is asked.
        advice: What to do.
        source: Address of the page that asks for it; "" for what holds everywhere.
    """

    check: PreflightCheck
    verdict: PreflightVerdict
    reason: str
    advice: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class PlacementVerdict(Record):
    """One file at one placement.

    Attributes:
        placement: Its name in the table.
        verdict: The gravest of the file's findings and of those here.
        checked: What was checked; other checks have no figure in the table, or nothing to look at in this file.
        findings: What this placement asks and the file does not have.
    """

    placement: str
    verdict: PreflightVerdict
    checked: tuple[PreflightCheck, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class CheckedFile(Record):
    """One file.

    Attributes:
        path: As it was found.
        sha256: Digest of its bytes, 64 hex digits; "" where it cannot be read.
        media_type: By content, such as `image/png`; "" where it cannot be read.
        width: Pixels, upright; 0 where it cannot be read.
        height: Likewise.
        bytes: Size of the file.
        frames: Frames of an animation; 1 for a still image, 0 for a film.
        seconds: Length of one pass of an animation, or of a film; 0 for a still image.
        text_share: Estimated share of the area with text, 0 to 1.
        c2pa: Whether it has a C2PA manifest, which is not verified.
        ai: Whether it says that a model made it (IPTC DigitalSourceType).
        findings: What holds wherever the file runs.
        placements: One verdict per placement, in the order in which they were named.
    """

    path: Path
    sha256: str = ""
    media_type: str = ""
    width: int = 0
    height: int = 0
    bytes: int = 0
    frames: int = 0
    seconds: float = 0.0
    text_share: float | None = None
    c2pa: Mark | None = None
    ai: Mark | None = None
    findings: tuple[Finding, ...] = ()
    placements: tuple[PlacementVerdict, ...] = ()

    @property
    def verdict(self) -> PreflightVerdict:
        """The gravest at any placement."""
        return gravest(one.verdict for one in self.placements)


@dataclass(frozen=True, kw_only=True)
class Preflight(RecordList):
    """Files held against placements. It says what was checked, and nothing about what was not.

    Attributes:
        table_version: Version of the table of placements.
        table_date: Day of that version.
        placements: Names of the placements, as they were asked for.
        files: In the order in which they were found.
        skipped: Path and reason of files of a kind that is not read; they were not checked.
        ignored: Number of other files in folders.
    """

    table_version: int
    table_date: str
    placements: tuple[str, ...]
    files: tuple[CheckedFile, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    ignored: int = 0

    @property
    def verdict(self) -> PreflightVerdict:
        """The gravest of all files."""
        return gravest(file.verdict for file in self.files)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per file and placement, with all reasons in one text."""
        return [
            {
                "file": str(file.path),
                "placement": one.placement,
                "verdict": one.verdict,
                "reasons": "; ".join(finding.reason for finding in (*file.findings, *one.findings)),
                "advice": "; ".join(finding.advice for finding in (*file.findings, *one.findings)),
                "checked": " ".join(one.checked),
                "media_type": file.media_type,
                "width": file.width,
                "height": file.height,
                "bytes": file.bytes,
                "frames": file.frames,
                "seconds": file.seconds,
                "text_share": file.text_share,
                "c2pa": file.c2pa,
                "ai": file.ai,
                "sha256": file.sha256,
            }
            for file in self.files
            for one in file.placements
        ]


def gravest(verdicts: Iterable[PreflightVerdict]) -> PreflightVerdict:
    """Return the gravest verdict; pass where there is none.

    >>> str(gravest([PreflightVerdict.WARN, PreflightVerdict.PASS]))
    'warn'
    """
    return max(verdicts, key=list(PreflightVerdict).index, default=PreflightVerdict.PASS)
