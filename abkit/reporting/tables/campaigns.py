"""Show campaigns and creatives, reviews of variants, and what was agreed about them."""

from __future__ import annotations

from abkit.reporting.tables.show import View, view_of
from abkit.reporting.tables.table import Table
from abkit.workflows.creatives.campaigns import CampaignChange, CampaignList, CreativeList, CreativeRecord
from abkit.workflows.creatives.tags import TagChange, TagList
from abkit.workflows.reviews.reviews import Flow, GateResult, Reviewed, VariantReview


@view_of.register
def _(record: CampaignList) -> View:
    return View(tables=(Table.of(record.rows(), names="campaign"),))


@view_of.register
def _(record: CampaignChange) -> View:
    counted = {"creatives": record.creatives, "ads": record.ads, "experiments": record.experiments}
    took = ", ".join(f"{number:,} {name}" for name, number in counted.items() if number)
    word = "as" if record.what == "renamed" else "into"
    where = f" {word} {record.became!r}" if record.became else ""
    named = ", ".join(record.schedules)
    changed = ", ".join(record.changed_schedules)
    notes = [f"these schedules name {record.became!r} now: {changed}"] if changed else []
    notes += [f"these schedules still name {record.campaign!r}: {named}; change their arguments"] if named else []
    sentence = f"campaign {record.campaign!r} is {record.what}{where}{': ' + took if took else ''}"
    return View(sentences=(sentence,), notes=tuple(notes))


@view_of.register
def _(record: TagChange) -> View:
    names = ", ".join(map(repr, record.tags))
    done = f"taken off {record.creatives:,}" if record.removed else f"put on {record.creatives:,}"
    plural = "" if record.creatives == 1 else "s"
    return View(sentences=(f"{names} {done} creative{plural}: {record.changed:,} changed",))


@view_of.register
def _(record: TagList) -> View:
    return View(tables=(Table.of(record.rows(), names="tag"),))


@view_of.register
def _(record: CreativeList) -> View:
    rows = [
        {
            "creative": one.creative,
            "sha256": one.sha256[:12],
            "pixels": f"{one.width}×{one.height}",
            "campaigns": ", ".join(one.campaigns),
            "tags": ", ".join(one.tags),
            "score": [None, *one.scores.values()][-1],
            "ads": one.ads,
            "impressions": one.impressions,
            "clicks": one.clicks,
            "last_day": one.last_day,
        }
        for one in record.creatives
    ]
    return View(tables=(Table.of(rows, names="creative"),), notes=_shared(*record.creatives))


def _shared(*creatives: CreativeRecord) -> tuple[str, ...]:
    """Say which impressions are of ads that show several creatives; nothing where none are."""
    several = [one for one in creatives if one.shared_impressions]
    if not several:
        return ()
    most = max(several, key=lambda one: one.shared_impressions)
    return (
        f"{most.shared_impressions:,} impressions of {most.creative} are by ads that show other creatives, too"
        f"{f' (and so with {len(several) - 1} more)' if len(several) > 1 else ''}: they count with each, and "
        "`abkit correlate` leaves them out",
    )


@view_of.register
def _(record: CreativeRecord) -> View:
    figures: dict[str, object] = {
        "sha256": record.sha256,
        "pixels": f"{record.width} × {record.height}",
        "media type": record.media_type,
        "bytes": record.size,
        "added at": record.added_at,
    }
    figures |= {f"name {number}": name for number, name in enumerate(record.names, start=1)}
    figures |= {"tags": ", ".join(record.tags)} if record.tags else {}
    for key, day in record.campaigns.items():
        figures[f"campaign {key}"] = f"launched {day}" if day else "not launched"
    figures |= {f"score by {version}": mean for version, mean in record.scores.items()}
    figures |= {name: getattr(record, name) for name in ("ads", "impressions", "clicks", "conversions")}
    figures |= {"first day": record.first_day, "last day": record.last_day}
    rows = tuple({"figure": name, "value": value} for name, value in figures.items())
    table = Table(columns=("figure", "value"), rows=rows, title=record.creative)
    return View(tables=(table,), notes=_shared(record))


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
