"""`abkit calc`: the statistics as a calculator. Figures or files in, results out; no store, no configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from abkit.commands.calc.compare import compare
from abkit.commands.calc.input import (
    AlternativeOption,
    LevelOption,
    arm_of,
    prior_of,
    rate_of,
)
from abkit.commands.figures import number, numbers
from abkit.commands.idle import refuse_idle
from abkit.commands.output import Format, FormatOption, note, show
from abkit.commands.table_options import (
    DecimalOption,
    EncodingOption,
    HeaderLineOption,
    SheetOption,
    file_or_address,
    table_options,
)
from abkit.vocabulary import Alternative, Monitoring, Spending

app = typer.Typer(
    help="The statistics as a calculator: figures or files in, results out; no store needed.", no_args_is_help=True
)


app.command("compare")(compare)


@app.command("sample-size")
def sample_size(
    ctx: typer.Context,
    baseline: Annotated[
        float | None,
        typer.Option(
            "--baseline", parser=number, metavar="NUMBER", help="The control's rate such as 0.02; a mean with --sd."
        ),
    ] = None,
    lift: Annotated[
        float | None,
        typer.Option("--lift", parser=number, metavar="LIFT", help="The relative effect to find, such as 0.10."),
    ] = None,
    per_variant: Annotated[
        float | None,
        typer.Option(
            "--per-variant",
            parser=number,
            metavar="UNITS",
            help="Units in each treatment. Without --lift: show the smallest lift; with it: the power.",
        ),
    ] = None,
    sd: Annotated[
        float | None,
        typer.Option(
            "--sd", parser=number, metavar="NUMBER", help="Standard deviation of a unit: the metric is a mean."
        ),
    ] = None,
    pilot: Annotated[
        str | None,
        typer.Option("--pilot", help="N,ΣY,ΣX,ΣY²,ΣX²,ΣXY of units seen before: the metric is the ratio ΣY/ΣX."),
    ] = None,
    power: Annotated[
        float, typer.Option("--power", parser=number, metavar="NUMBER", help="Wanted chance to find the effect.")
    ] = 0.8,
    alpha: Annotated[
        float, typer.Option("--alpha", parser=number, metavar="NUMBER", help="Error rate of the whole test.")
    ] = 0.05,
    arms: Annotated[int, typer.Option("--arms", help="Number of arms, the control included.")] = 2,
    ratio: Annotated[
        float,
        typer.Option("--ratio", parser=number, metavar="NUMBER", help="Units of a treatment ÷ units of the control."),
    ] = 1.0,
    alternative: AlternativeOption = Alternative.TWO_SIDED,
    monitoring: Annotated[
        Monitoring, typer.Option("--monitoring", help="One look, any look, or planned looks.")
    ] = Monitoring.FIXED,
    looks: Annotated[int, typer.Option("--looks", help="group: number of planned looks.")] = 5,
    spending: Annotated[Spending, typer.Option("--spending", help="group: how the error is spent.")] = (
        Spending.OBRIEN_FLEMING
    ),
    daily_traffic: Annotated[
        float | None,
        typer.Option(
            "--daily-traffic", parser=number, metavar="UNITS", help="Units per day over all arms: shows the days."
        ),
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the units, the smallest lift or the power of a test."""
    from abkit.errors import InvalidInput, UsageError
    from abkit.stats.arms import PairMoments
    from abkit.stats.design import sample_size as design

    group = (monitoring is Monitoring.GROUP, "--monitoring group")
    wanted = (lift is None or per_variant is None, "sizes and lifts; with both given the power is the answer")
    refuse_idle(ctx, {"looks": group, "spending": group, "power": wanted})
    if lift is None and per_variant is None:
        raise UsageError("give either --lift or --per-variant, or both to know the power")
    if pilot is not None and (baseline is not None or sd is not None):
        raise UsageError("--pilot includes the baseline and the standard deviation: leave out --baseline and --sd")
    start = baseline if pilot is None else arm_of(pilot)
    if start is None:
        raise UsageError("give --baseline, or --pilot for a ratio")
    if not isinstance(start, float | PairMoments):
        raise InvalidInput(f"--pilot is {pilot!r}; expected six sums over units: N,ΣY,ΣX,ΣY²,ΣX²,ΣXY")
    size = design.sample_size(
        start,
        lift,
        standard_deviation=sd,
        per_variant=per_variant,
        power=power,
        alpha=alpha,
        arms=arms,
        ratio=ratio,
        alternative=alternative,
        monitoring=monitoring,
        looks=looks,
        spending=spending,
        daily_traffic=daily_traffic,
    )
    show(size, form)


@app.command("srm")
def srm(
    observed: Annotated[str, typer.Option("--observed", help="Units in each arm: 5000,5300.")],
    expected: Annotated[str | None, typer.Option("--expected", help="Weights: 1,1 or 0.5,0.5. Default: equal.")] = None,
    alpha: Annotated[float, typer.Option("--alpha", parser=number, metavar="NUMBER", help="False-alarm rate.")] = 0.001,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Make the p-value valid for a test that is checked every day.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when there is a mismatch.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Check whether the traffic was split as planned."""
    from abkit.stats.verdicts.sample_ratio import sample_ratio

    tested = sample_ratio(
        numbers(observed, "--observed"),
        None if expected is None else numbers(expected, "--expected"),
        alpha=alpha,
        sequential=sequential,
    )
    show(tested, form)
    if exit_code and tested.mismatch:
        raise typer.Exit(3)


@app.command("rank")
def rank(
    ctx: typer.Context,
    variant: Annotated[
        list[str] | None, typer.Argument(help="NAME=SUCCESSES/TRIALS, one per variant.", metavar="VARIANT…")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            parser=file_or_address,
            metavar="FILE",
            help="CSV, XLSX or Parquet with columns variant, successes, trials.",
        ),
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    level: LevelOption = 0.95,
    prior: Annotated[str, typer.Option("--prior", help="Beta prior SUCCESSES,FAILURES of each variant.")] = "1,1",
    decimal: DecimalOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Rank variants by their chance to be best."""
    from abkit.errors import InvalidInput
    from abkit.intake.cells.columns import MOST_BYTES
    from abkit.intake.remote.table import local_table
    from abkit.intake.tables.experiments import read_arms
    from abkit.stats.arms import Counts
    from abkit.stats.proportions import bayes

    refuse_idle(ctx, dict.fromkeys(("encoding", "header_line", "sheet"), (file is not None, "--file")))
    options = table_options(encoding, header_line, sheet, decimal)
    arms: dict[str, Counts | tuple[float, float]] = {}
    if file is not None:
        with local_table(file, max_bytes=MOST_BYTES) as found:
            arms |= read_arms(found.path, options, note=note)
    for text in variant or ():
        name, _, figures = text.rpartition("=")
        if not name or name in arms:
            raise InvalidInput(f"{text!r} is not a new variant; expected NAME=SUCCESSES/TRIALS, each name once")
        arms[name] = rate_of(figures, decimal)
    ranking = bayes.rank(arms, level=level, prior=prior_of(prior))
    show(ranking, form)


@app.command("drift")
def drift(
    reference: Annotated[
        str,
        typer.Option(
            "--reference",
            parser=file_or_address,
            metavar="FILE",
            help="CSV, XLSX or Parquet with the reference values.",
        ),
    ],
    current: Annotated[
        str,
        typer.Option(
            "--current",
            parser=file_or_address,
            metavar="FILE",
            help="The same with the current values.",
        ),
    ],
    column: Annotated[
        str | None, typer.Option("--column", help="Column to read; the only numeric one by default.")
    ] = None,
    encoding: EncodingOption = None,
    header_line: HeaderLineOption = None,
    sheet: SheetOption = None,
    bins: Annotated[int, typer.Option("--bins", min=2, help="PSI and JS: quantile bins of the reference.")] = 10,
    alpha: Annotated[
        float, typer.Option("--alpha", parser=number, metavar="NUMBER", help="Error rate of the check.")
    ] = 0.01,
    floor: Annotated[
        float,
        typer.Option("--floor", parser=number, metavar="NUMBER", help="Largest KS distance that never matters."),
    ] = 0.1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the permutations.")] = 0,
    decimal: DecimalOption = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when the values drifted.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare two samples of one figure for drift."""
    from abkit.intake.cells.columns import MOST_BYTES
    from abkit.intake.remote.table import local_table
    from abkit.intake.tables.samples import read_numbers, require_one_unit
    from abkit.stats.monitoring.shifts import distribution_shift

    options = table_options(encoding, header_line, sheet, decimal)
    read = []
    for table in (reference, current):
        with local_table(table, max_bytes=MOST_BYTES) as local:
            one = read_numbers(local.path, column, options)
        if one.missing:
            note(f"{local.name}: {one.missing:,} cells without a figure are left out")
        if one.totals:
            note(f"{local.name}: {one.totals:,} rows are left out: they are called a total or a mean of the others")
        read.append(one)
    require_one_unit(*read)
    found = distribution_shift.drift(read[0].values, read[1].values, alpha=alpha, floor=floor, bins=bins, seed=seed)
    show(found, form)
    if exit_code and found.drifted:
        raise typer.Exit(3)
