"""What training and evaluating print: figures with their intervals, and what follows from them in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from abkit.commands.output import Format, note, print_rows

if TYPE_CHECKING:
    from abkit.workflows.models.comparison_agreement import Agreement
    from abkit.workflows.models.evaluate import Measured
    from abkit.workflows.models.segment import Shortage
    from abkit.workflows.models.train import Outcome
    from abkit_model.evaluation.comparison_agreement import ComparisonFigures
    from abkit_model.evaluation.metrics import Evaluation
    from abkit_model.training.release import TrainedScorer

Rows = list[dict[str, object]]


def print_figures(
    figures: Evaluation, form: Format, *, digest: str, coverage: float | None, more: Rows | None = None
) -> None:
    """Print SRCC, PLCC and the rest, one row a figure; `more` rows follow."""
    named = {
        "srcc": figures.srcc,
        "plcc": figures.plcc,
        "accuracy": figures.accuracy,
        "emd": figures.emd,
        "spread_srcc": figures.spread_srcc,
    }
    rows = [_row(name, value.value, value.low, value.high, figures.n) for name, value in named.items()]
    rows.append(_row("coverage", coverage, None, None, figures.n))
    rows += more or []
    title = f"On {figures.n} pictures of {figures.subjects} subjects; 95% intervals, whole subjects resampled"
    print_rows([{**row, "model_version": digest} for row in rows], form, columns=list(rows[0]), title=title)


def report_agreement(result: Agreement, form: Format) -> None:
    """Print how a scorer agrees with choices."""
    _print_agreement(result.figures, form, digest=result.digest)
    note(f"{result.name} {result.digest[:12]}; a coin picks the winner in half of the pairs")
    note_limits(result)


def _print_agreement(figures: ComparisonFigures, form: Format, *, digest: str, more: Rows | None = None) -> None:
    rows = [
        _row(name, value.value, value.low, value.high, figures.n)
        for name, value in (("picks_winner", figures.picks_winner), ("choice_correlation", figures.correlation))
    ]
    rows += more or []
    title = f"On {figures.n} pairs; 95% intervals, pictures resampled"
    print_rows([{**row, "model_version": digest} for row in rows], form, columns=list(rows[0]), title=title)


def note_limits(result: Agreement | Measured) -> None:
    """What could not be used, and what was no test because the scorer had learned from it."""
    if result.rejected or result.missing:
        note(f"{result.rejected} rows and {result.missing} pictures could not be used")
    if result.seen_in_training:
        note(
            f"Note: this scorer was trained on {result.seen_in_training} of these pictures, so that the figures are "
            "too good; its card has those of pictures held out"
        )


def report_training(outcome: Outcome, form: Format, *, segment: str) -> None:
    """Print what came of a training: figures of the new scorer, or what is missing."""
    trained = outcome.trained
    if trained is None:
        if outcome.shortage is not None:
            _report_shortage(outcome.shortage, form, segment, outcome.run_id)
        return
    card, figures = trained.card, trained.evaluation
    n = figures.n if figures else trained.agreement.n if trained.agreement else 0
    more: Rows = [_row("queries", card.network["queries"], None, None, n)]
    more.append(_row("query_diversity", card.metrics.get("query_diversity"), None, None, n))
    curve = card.metrics.get("srcc_by_queries", {})
    more += [_row(f"srcc_of_{k}_queries", v["value"], v["low"], v["high"], n) for k, v in curve.items()]
    against = {
        what: found
        for what, key in (("srcc", "against_parent"), ("picks_winner", "picks_against_parent"))
        # a figure is not defined of constant scores for one
        if (found := card.metrics.get(key)) and None not in found.values()
    }
    more += [_row(f"{what}_against_parent", v["value"], v["low"], v["high"], n) for what, v in against.items()]
    if trained.agreement is not None:
        _print_agreement(trained.agreement, form, digest=card.digest, more=more)
    elif figures is None:
        print_rows([{**row, "model_version": card.digest} for row in more], form, columns=list(more[0]))
    else:
        print_figures(figures, form, digest=card.digest, coverage=card.interval.coverage, more=more)
    note(f"{trained.folder}: {card.name} {card.digest[:12]}")
    if curve:
        note(
            f"--queries auto took {card.network['queries']}: the smallest number whose SRCC is within one standard "
            "error of the best (one member, nested folds; these intervals are over the folds)"
        )
    if card.network["queries"] == 1:
        note("a single query has no diversity")
    for what, found in against.items():
        note(in_words(found, segment, what))
    if card.data.get("layout") == "choices":
        note(_about_choices(trained))
    if trained.seen_by_parent:
        note(_about_seen(trained))
    for what, rejects in (("row", trained.rejected), ("picture", trained.missing)):
        if rejects:
            several = "" if len(rejects) == 1 else "s"
            note(f"{len(rejects)} {what}{several} could not be used, the first: {rejects[0][0]}: {rejects[0][1]}")
    if outcome.version is None:
        note("not registered: there is no workspace here (`abkit model register FOLDER` in one does it)")
    else:
        option = f" --segment {segment}" if segment else ""
        digest = outcome.version.digest[:12]
        note(f"registered; the active model stays as it is until `abkit model promote {digest}{option}`")


def _about_seen(trained: TrainedScorer) -> str:
    said = f"Note: the parent was trained on {trained.seen_by_parent} of these pictures"
    if trained.evaluation is not None or trained.agreement is not None:
        return f"{said}; no figure counts them, for nothing held them out"
    do = "choose between" if trained.card.data.get("layout") == "choices" else "rate"
    return (
        f"{said}, and the others are too few to judge by: nothing says how good the tuned queries are, their scores "
        f"get no interval, and they cannot be compared with the parent; {do} other pictures, or tune a parent that was "
        "trained without these"
    )


def _about_choices(trained: TrainedScorer) -> str:
    card = trained.card
    what = (
        "scores stay on the parent's scale"
        if card.parent
        else "scores are chances, from 0 to 1, that a picture is preferred over the average one of these"
    )
    if trained.agreement is None:
        what += "; too few pairs have both pictures held out together, so nothing says how good they are"
    return f"learned from choices alone: {what}; there is no interval, for no choice says how well one picture is liked"


def in_words(against: Mapping[str, Any], segment: str, what: str = "srcc") -> str:
    """What the comparison with the parent says.

    >>> in_words({"value": 0.08, "low": 0.02, "high": 0.15}, "games")
    "the queries of segment games are surely better here: SRCC +0.080 [+0.020, +0.150] against the parent's"
    >>> in_words({"value": 0.01, "low": -0.02, "high": 0.05}, "")
    "the tuned queries are not surely better here: SRCC +0.010 [-0.020, +0.050] against the parent's; keep the parent's"
    """
    whose = f"the queries of segment {segment}" if segment else "the tuned queries"
    name = "SRCC" if what == "srcc" else "pairs picked right"
    figure = f"{name} {against['value']:+.3f} [{against['low']:+.3f}, {against['high']:+.3f}] against the parent's"
    if against["low"] > 0:
        return f"{whose} are surely better here: {figure}"
    keep = "keep the global ones" if segment else "keep the parent's"
    if against["high"] < 0:
        return f"{whose} are surely worse here: {figure}; {keep}"
    return f"{whose} are not surely better here: {figure}; {keep}"


def _report_shortage(shortage: Shortage, form: Format, segment: str, run_id: int | None) -> None:
    rows: Rows = [
        {"figure": "pictures", "found": shortage.pictures, "needed": shortage.needed_pictures},
        {"figure": "subjects", "found": shortage.subjects, "needed": shortage.needed_subjects},
    ]
    said = [{**row, "decision": "insufficient_data", "run_id": run_id} for row in rows]
    print_rows(said, form, columns=["figure", "found", "needed", "decision"])
    whose = f" for segment {segment}" if segment else ""
    note(
        f"not enough data{whose}: {shortage.pictures} rated pictures of {shortage.subjects} subjects, "
        f"{shortage.needed_pictures} of {shortage.needed_subjects} are needed to tell whether tuned queries are "
        "better; nothing was trained, the global queries stay"
    )


def _row(name: str, estimate: object, low: object, high: object, n: int) -> dict[str, object]:
    return {"figure": name, "estimate": estimate, "ci_low": low, "ci_high": high, "n": n}
