"""`abkit drift`: has anything moved, and what follows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_json, print_rows

if TYPE_CHECKING:
    from abkit.workflows.drift.results import DriftReport, LayerResult

app = typer.Typer(help="Drift: compare two windows in every layer and decide.", no_args_is_help=True)


@app.command()
def check(
    ctx: typer.Context,
    reference: Annotated[
        str,
        typer.Option(
            "--reference",
            help="model (pictures: the model's own sample; delivery: what came before), campaign:KEY or days:30.",
        ),
    ] = "model",
    current: Annotated[str, typer.Option("--current", help="campaign:KEY or days:7.")] = "days:7",
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="As it was on this day; today by default.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="This version (name or digest) instead of the active model.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 3 when something needs doing: watch, retrain or fix_data.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Check data, input, scores, score-KPI relation and KPI level; decide: stable, watch, retrain, fix_data."""
    from abkit.workflows.drift.check import check_drift

    context: CommandContext = ctx.obj
    now = datetime.now(UTC)
    with context.store() as store:
        report = check_drift(
            store,
            context.settings,
            reference=reference,
            current=current,
            as_of=as_of.date() if as_of else now.date(),
            model=model,
            now=None if as_of and as_of.date() < now.date() else now,
        )
    _print(report, form)
    if exit_code and report.decision not in ("stable", "insufficient_data"):
        raise typer.Exit(3)


@app.command("list")
def list_decisions(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, newest first.")] = 20,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the decisions of past checks, newest first."""
    from abkit.store.results import last_decisions

    context: CommandContext = ctx.obj
    with context.store() as store, store.read() as session:
        rows: list[dict[str, Any]] = [
            {
                "as_of": row.as_of,
                "decision": row.decision,
                "cause": row.cause or None,
                "windows": row.scope,
                "run_id": row.run_id,
                "reasons": list(row.reasons.get("reasons", [])),
            }
            for row in last_decisions(session, limit)
        ]
    if form is Format.TABLE:
        rows = [{**row, "reasons": (row["reasons"] or ["–"])[0]} for row in rows]
    print_rows(rows, form, empty="no drift check has been made yet: abkit drift check")


def _print(report: DriftReport, form: Format) -> None:
    rows = [_row(row) for row in report.results]
    if form is Format.JSON:
        print_json(
            {
                "decision": report.decision,
                "cause": report.cause or None,
                "reasons": list(report.reasons),
                "results": rows,
                "reference": report.reference,
                "current": report.current,
                "as_of": report.as_of,
                "model_version": report.model_version,
                "run_id": report.run_id,
            }
        )
        return
    columns = ["layer", "test", "statistic", "threshold", "p_value", "n_reference", "n_current", "verdict"]
    title = f"{report.current} against {report.reference}, as of {report.as_of}"
    print_rows(rows, form, columns=columns, title=title)
    if form is Format.TABLE:
        typer.echo("")
        typer.echo(f"Decision: {report.decision}{f' ({report.cause})' if report.cause else ''}")
        for reason in report.reasons:
            typer.echo(f"  {reason}")
    note(f"run {report.run_id}, model version {(report.model_version or 'none')[:12]}")


def _row(row: LayerResult) -> dict[str, Any]:
    return {
        "layer": row.layer,
        "test": row.test,
        "segment": "",
        "statistic": row.statistic,
        "ci_low": row.ci_low,
        "ci_high": row.ci_high,
        "p_value": row.p_value,
        "n_reference": row.n_reference,
        "n_current": row.n_current,
        "threshold": row.threshold,
        "verdict": row.verdict,
        "sentence": row.sentence,
        "detail": row.detail,
    }
