"""`abkit drift`: whether anything has moved, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.options import AsOfOption, CurrencyOption, RatesOption
from abkit.commands.output import Format, FormatOption, note, print_rows, show
from abkit.metrics import METRIC_HELP
from abkit.vocabulary import DriftDecision, Metric

app = typer.Typer(help="Drift: compare two windows in every layer and decide.", no_args_is_help=True)


@app.command()
def check(
    ctx: typer.Context,
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="model (its own sample of images), creatives, campaign:KEY or days:30."),
    ] = None,
    current: Annotated[
        str | None,
        typer.Option("--current", help="creatives (as many as it needs), creatives:60, campaign:KEY or days:7."),
    ] = None,
    as_of: AsOfOption = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Check this version (name or digest), not the active model.")
    ] = None,
    metric: Annotated[
        Metric | None, typer.Option("--metric", "-m", help=f"KPI of the layers relation and KPI. {METRIC_HELP}")
    ] = None,
    rates: RatesOption = None,
    currency: CurrencyOption = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 3 when the decision is watch, retrain or fix_data.")
    ] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Check data, input, scores, score-KPI relation and KPI level; decide: stable, watch, retrain, fix_data."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        report = workspace.check_drift(
            reference=reference,
            current=current,
            as_of=as_of.date() if as_of else None,
            model=model,
            metric=metric,
            rates=rates,
            currency=currency,
        )
    columns = ["layer", "test", "statistic", "threshold", "p_value", "n_reference", "n_current", "verdict"]
    show(report, form, columns=columns)
    if exit_code and report.decision not in (DriftDecision.STABLE, DriftDecision.INSUFFICIENT_DATA):
        raise typer.Exit(3)


@app.command()
def fatigue(
    ctx: typer.Context,
    campaign: Annotated[
        list[str] | None, typer.Option("--campaign", "-c", help="Only this campaign; may be repeated.")
    ] = None,
    as_of: AsOfOption = None,
    rates: RatesOption = None,
    currency: CurrencyOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say which running creatives are fresh, steady or tired, when each wears out, and what the tired ones cost."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        found = workspace.fatigue(
            campaigns=campaign or None, as_of=as_of.date() if as_of else None, rates=rates, currency=currency
        )
    show(found, form)


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
                "layers_judged": row.layers_judged,
                "judged_for_major_shifts_only": row.coarse,
                "check": "standing" if row.standing else "ad hoc",
                "cause": row.cause or None,
                "windows": row.scope,
                "run_id": row.run_id,
                "reasons": list(row.reasons.get("reasons", [])),
            }
            for row in last_decisions(session, limit)
        ]
    if form is Format.TABLE:
        rows = [{**row, "reasons": (row["reasons"] or ["–"])[0]} for row in rows]
        for row in rows:
            if only := row.pop("judged_for_major_shifts_only"):
                row["layers_judged"] = f"{row['layers_judged']} ({only} for major shifts only)"
    print_rows(rows, form, empty="no drift check has been made yet: abkit drift check")


CheckArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[ID]", help="Its run, as `abkit drift list` shows it, or decision:N; else the last standing check."
    ),
]


@app.command()
def explain(
    ctx: typer.Context,
    check_id: CheckArgument = None,
    test: Annotated[str | None, typer.Option("--test", help="Only this figure, such as ks or slope_loss.")] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Trace the figures of a check: method, windows, level and model, the creatives, and KPI rows by file."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        trace = workspace.explain_drift(check_id, test=test)
    show(trace, form)


@app.command()
def page(
    ctx: typer.Context,
    check_id: CheckArgument = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; drift-RUN.html in the workspace by default.")
    ] = None,
) -> None:
    """Write a check as one HTML file: the decision and what to do, why, both windows, and how it came about."""
    context: CommandContext = ctx.obj
    with context.workspace as workspace:
        path = workspace.drift_page(out, check=check_id)
    typer.echo(path)
    note("one file with the images in it: open it in a browser, or send it")
