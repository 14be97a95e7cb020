"""A check before launch as Markdown, with small images: what a job of continuous integration shows."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from abkit.reporting.page.thumbnails import thumbnail
from abkit.reporting.tables.preflight.preflight import counted, preflight_notes
from abkit.reporting.tables.table import printable
from abkit.vocabulary import PreflightVerdict
from abkit.workflows.preflight.results import CheckedFile, Finding, PlacementVerdict, Preflight

#: GitHub takes 1 MiB per job summary.
MOST_BYTES = 1 << 20
_SIDE = 96
_SIGNS = {PreflightVerdict.PASS: "✅ pass", PreflightVerdict.WARN: "⚠️ warn", PreflightVerdict.FAIL: "❌ fail"}
_SHOWN_BY_BROWSERS = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "|": "&#124;", "`": "&#96;"} | {
    letter: f"&#{ord(letter)};" for letter in "*_[]()#!~\\@:"
}


def summary(result: Preflight, *, images_at: str = "", most_bytes: int = MOST_BYTES) -> str:
    """Return a result as Markdown of a limited size: what fails comes first, and what has no room is counted.

    Args:
        result: The files, held against placements.
        images_at: Address of the folder from which the paths count, such as a repository's raw files at a commit.
            Images are shown from there; GitHub shows no embedded ones. "" embeds small images.
        most_bytes: No longer than this, encoded as UTF-8.
    """
    order = sorted(result.files, key=lambda file: -list(PreflightVerdict).index(file.verdict))
    head = [
        f"## abkit preflight: {_SIGNS[result.verdict]}",
        "",
        _text(counted(result)),
        "",
        "| | file | placement | verdict | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    foot = ["", *(f"- {_text(note)}" for note in _shortened(preflight_notes(result)))]
    foot += ["", f"Placements: table {result.table_version} of {result.table_date}.", ""]
    room = most_bytes - _size(head) - _size(foot) - 200
    rows: list[str] = []
    for at, file in enumerate(order):
        lines = _rows(file, images_at)
        if _size(lines) > room:
            lines = _rows(file, images_at, with_image=False)
        if _size(lines) > room:
            left = f"{len(order) - at} more files have no room here"
            rows += ["", f"{left}: `abkit preflight --format csv` lists them all."]
            break
        room -= _size(lines)
        rows += lines
    return "\n".join([*head, *rows, *foot])


def _rows(file: CheckedFile, images_at: str, *, with_image: bool = True) -> list[str]:
    image = _image(file, images_at) if with_image else ""
    name = _text(str(printable(file.path)))
    facts = f"<br>{file.width}×{file.height}, {file.bytes:,} bytes" if file.width else ""
    return [
        f"| {image if number == 0 else ''} | {name + facts if number == 0 else ''} | {_text(one.placement)} "
        f"| {_SIGNS[one.verdict]} | {_what_to_do(file, one)} |"
        for number, one in enumerate(file.placements)
    ]


def _what_to_do(file: CheckedFile, one: PlacementVerdict) -> str:
    return "<br>".join(_finding(finding) for finding in (*file.findings, *one.findings))


def _finding(finding: Finding) -> str:
    said = _text(f"{finding.reason}: {finding.advice}")
    if finding.source.startswith(("https://", "http://")):
        return f'{said} (<a href="{quote(finding.source, safe=":/?=&#-_.~%")}">source</a>)'
    return said


def _image(file: CheckedFile, images_at: str) -> str:
    if not file.sha256:
        return ""
    if images_at:
        if file.media_type not in _SHOWN_BY_BROWSERS or file.path.is_absolute() or ".." in file.path.parts:
            return ""
        address = images_at.rstrip("/") + "/" + quote(file.path.as_posix())
        return f'<img src="{quote(address, safe=":/?=&#-_.~%")}" width="{_SIDE}" alt="">'
    small = thumbnail(file.path, file.sha256, _SIDE)
    return f'<img src="{small}" alt="">' if small else ""


def _text(text: str) -> str:
    """Return text that Markdown and HTML show as it is: names of files are somebody else's."""
    return "".join(_ESCAPED.get(letter, letter) for letter in " ".join(text.split()))


def _shortened(notes: Sequence[str]) -> list[str]:
    return [note if len(note) <= 500 else note[:499] + "…" for note in notes]


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
