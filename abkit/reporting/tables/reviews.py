"""Show reviews of variants, and what was agreed about them."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.reviews import Flow, GateResult, Reviewed, VariantReview


@view_of.register
def _(record: Flow) -> View:
    people = "one person has" if record.approvals == 1 else f"{record.approvals} people have"
    gate = "asks" if record.gate else "does not ask"
    said = f"{people} to approve a variant of {record.campaign!r}; `abkit shortlist --gate` {gate} for it"
    by = f"agreed by {record.agreed_by}, {record.agreed_at:%Y-%m-%d}" if record.agreed_at else "nothing was agreed yet"
    return View(sentences=tuple(filter(None, (said, record.note, by))))


@view_of.register
def _(record: Reviewed) -> View:
    rows = [
        {"creative": row["creative"], "state": str(row["state"]).replace("_", " "), "refused": row["refused"]}
        for row in record.rows()
    ]
    return View(tables=(Table.of(rows, names="creative"),))


@view_of.register
def _(record: VariantReview) -> View:
    rows = [
        {
            "at": one.at,
            "by": one.by,
            "act": one.act.value.replace("_", " "),
            "state": one.state.value.replace("_", " "),
            "reason": one.reason,
        }
        for one in record.entries
    ]
    title = f"{record.creative} in {record.campaign}: {record.state.value.replace('_', ' ')}"
    missing = record.approvals - len(record.approved_by)
    waits = f"approved by {', '.join(record.approved_by)}" if record.approved_by else ""
    if record.state.value == "proposed" and record.approved_by and missing > 0:
        waits += f"; {missing} more {'has' if missing == 1 else 'have'} to"
    said = tuple(filter(None, (title, waits)))
    return View(tables=(Table.of(rows),) if rows else (), sentences=said)


@view_of.register
def _(record: GateResult) -> View:
    if record.passed:
        return View(sentences=(f"reviews of {record.campaign!r} stand in the way of nothing",))
    listed = ", ".join(f"{name} ({state.value.replace('_', ' ')})" for name, state in record.missing.items())
    return View(sentences=(f"not approved, which {record.campaign!r} asks for: {listed}",))
