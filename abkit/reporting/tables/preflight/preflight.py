"""How a check before launch is shown: one row per file and placement, with what is wrong and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from abkit.records import percent
from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table, printable
from abkit.vocabulary import PreflightCheck, PreflightVerdict
from abkit.workflows.preflight.results import CheckedFile, Finding, Preflight

#: Said below every result: what a pass means.
MEANING = (
    "pass means: no figure in the table rules it out. Policies, claims, rights and the platform's own review are "
    "not checked; safe zones and text shares are estimates, and marks are found, not verified"
)
# So many skipped files are named.
_LISTED = 50


@view_of.register
def _(result: Preflight) -> View:
    rows = [row for file in result.files for row in _rows(file)]
    title = f"Placements: table {result.table_version} of {result.table_date}"
    return View(
        tables=(Table(columns=("file", "placement", "verdict", "found", "what to do"), rows=tuple(rows), title=title),),
        sentences=(counted(result),),
        notes=tuple(preflight_notes(result)),
    )


def _rows(file: CheckedFile) -> list[dict[str, str]]:
    """Return one row per finding, and one for each placement that has none of its own."""
    rows = [_row(file, "any", finding.verdict, finding) for finding in file.findings]
    if not file.sha256:  # nothing more can be said about what cannot be read
        return rows
    for one in file.placements:
        rows += [_row(file, one.placement, finding.verdict, finding) for finding in one.findings]
        if not one.findings:
            rows.append(_row(file, one.placement, one.verdict))
    return rows


def _row(
    file: CheckedFile, placement: str, verdict: PreflightVerdict, finding: Finding | None = None
) -> dict[str, str]:
    elsewhere = ", ".join(f"{one.check} (above)" for one in file.findings)
    return {
        "file": printable(file.path),
        "placement": placement,
        "verdict": verdict.value,
        "found": f"{finding.check}: {printable(finding.reason)}" if finding else elsewhere,
        "what to do": finding.advice if finding else "",
    }


def counted(result: Preflight) -> str:
    """Return how many files failed, were warned about and passed, in one sentence."""
    verdicts = [file.verdict for file in result.files]
    said = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in reversed(PreflightVerdict))
    files = f"{len(verdicts)} {'file' if len(verdicts) == 1 else 'files'}"
    return f"{files} at {', '.join(result.placements)}: {said}"


def preflight_notes(result: Preflight) -> list[str]:
    """Return what was checked and what was not, and what the marks and text shares are."""
    notes = [f"skipped: {printable(path)}: {printable(reason)}" for path, reason in result.skipped[:_LISTED]]
    if len(result.skipped) > _LISTED:
        notes.append(f"skipped: {len(result.skipped) - _LISTED:,} more files; -f json lists all of them")
    if result.ignored:
        notes.append(f"{result.ignored} files in these folders do not have the name of an image and were ignored")
    notes += [_checked_at(result, at, name) for at, name in enumerate(result.placements) if result.files]
    readable = [file for file in result.files if file.sha256]
    if readable:
        texts = [file.text_share or 0.0 for file in readable]
        notes.append(f"text: about {percent(min(texts), 0)} to {percent(max(texts), 0)} of the area (an estimate)")
        marks = (("C2PA manifest", [file.c2pa for file in readable]), ("AI mark", [file.ai for file in readable]))
        notes += [f"{name}: {_marks(values)}" for name, values in marks]
    return [*notes, MEANING]


def _checked_at(result: Preflight, at: int, name: str) -> str:
    done = {check for file in result.files for check in file.placements[at].checked}
    left = [check for check in PreflightCheck if check not in done]
    said = f"{name}: checked {', '.join(check for check in PreflightCheck if check in done)}"
    return f"{said}; the table has no figure for {', '.join(left)}" if left else said


def _marks(values: Sequence[object]) -> str:
    return ", ".join(f"{number} {value}" for value, number in sorted(Counter(map(str, values)).items()))
