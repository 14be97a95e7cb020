"""`abkit calc`: the statistics as a calculator. Figures or files in, JSON out; no store, no configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from abkit.commands.calc.compare import compare
from abkit.commands.calc.input import LevelOption, numbers, prior_of
from abkit.commands.calc.sample_size import sample_size
from abkit.commands.figures import interval, percent, print_record
from abkit.commands.output import Format, FormatOption, print_rows

app = typer.Typer(
    help="The statistics as a calculator: figures or files in, JSON out; no store needed.", no_args_is_help=True
)


app.command("compare")(compare)
app.command("sample-size")(sample_size)


@app.command("srm")
def srm(
    observed: Annotated[str, typer.Option("--observed", help="Units in each arm: 5000,5300.")],
    expected: Annotated[str | None, typer.Option("--expected", help="Weights: 1,1 or 0.5,0.5. Default: equal.")] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="False-alarm rate.")] = 0.001,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="A p-value that is valid for one who looks every day.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when there is a mismatch.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Check whether the arms got the traffic that they were to get."""
    from abkit.stats.verdicts.sample_ratio import check_sample_ratio

    tested = check_sample_ratio(
        numbers(observed, "--observed"),
        None if expected is None else numbers(expected, "--expected"),
        alpha=alpha,
        sequential=sequential,
    )
    print_record(tested, form)
    if exit_code and tested.mismatch:
        raise typer.Exit(3)


@app.command("rank")
def rank(
    variant: Annotated[
        list[str] | None, typer.Argument(help="NAME=SUCCESSES/TRIALS, one a variant.", metavar="VARIANT…")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="CSV or Parquet with columns variant, successes, trials.")
    ] = None,
    level: LevelOption = 0.95,
    prior: Annotated[str, typer.Option("--prior", help="Beta prior SUCCESSES,FAILURES of each variant.")] = "1,1",
    form: FormatOption = Format.TABLE,
) -> None:
    """Rank variants: the chance to be the best, and what shipping each would lose."""
    from abkit.errors import InvalidInput
    from abkit.stats.counts import Counts
    from abkit.stats.estimate import as_dict
    from abkit.stats.proportions.bayes import rank_posteriors

    arms: dict[str, Counts] = {}
    if file is not None:
        from abkit.intake.experiment_tables import read_arms

        arms |= read_arms(file)
    for text in variant or ():
        name, _, figures = text.rpartition("=")
        if not name or name in arms:
            raise InvalidInput(f"{text!r} is not a new variant; expected NAME=SUCCESSES/TRIALS, each name once")
        arms[name] = Counts.parse(figures)
    posteriors = rank_posteriors(list(arms.values()), level=level, prior=prior_of(prior))
    ranked = sorted(zip(arms.items(), posteriors, strict=True), key=lambda pair: -pair[1].chance_to_be_best)
    record = [
        {"variant": name, "successes": counts.successes, "trials": counts.trials, **as_dict(posterior)}
        for (name, counts), posterior in ranked
    ]
    if form is Format.TABLE:
        record = [
            {
                "variant": row["variant"],
                "rate": percent(row["rate"], 3),
                "interval": interval(row["ci_low"], row["ci_high"], 3),
                "chance to be best": percent(row["chance_to_be_best"], 1),
                "expected loss": percent(row["expected_loss"], 4),
            }
            for row in record
        ]
    print_rows(record, form)


@app.command("drift")
def drift(
    reference: Annotated[Path, typer.Option("--reference", help="CSV or Parquet with the reference values.")],
    current: Annotated[Path, typer.Option("--current", help="CSV or Parquet with the current values.")],
    column: Annotated[
        str | None, typer.Option("--column", help="Which column; the only numeric one by default.")
    ] = None,
    bins: Annotated[int, typer.Option("--bins", min=2, help="PSI: quantile bins of the reference.")] = 10,
    alpha: Annotated[float, typer.Option("--alpha", help="Error rate of the check.")] = 0.01,
    floor: Annotated[
        float, typer.Option("--floor", help="Largest KS distance that does not matter, however sure it is.")
    ] = 0.1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the permutations.")] = 0,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when the values drifted.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare two samples of one figure: KS, PSI and Wasserstein, and whether it is sure and large enough to matter."""
    from abkit.errors import InvalidInput
    from abkit.intake.experiment_tables import read_numbers
    from abkit.stats.estimate import as_dict
    from abkit.stats.monitoring.distribution_shift import score_shift

    for name, value in (("alpha", alpha), ("floor", floor)):
        if not 0 < value < 1:
            raise InvalidInput(f"--{name} is {value}; it has to lie between 0 and 1")
    before, after = read_numbers(reference, column), read_numbers(current, column)
    shift = score_shift(before, after, bins=bins, seed=seed)
    ks = shift.ks
    enough = ks.p_value is not None and ks.effect is not None
    drifted = bool(enough and ks.p_value < alpha and ks.effect > floor)  # type: ignore[operator]
    record = {**as_dict(shift), "alpha": alpha, "floor": floor, "enough_data": enough, "drifted": drifted}
    rows = [
        {"test": one.test, "effect": one.effect, "p": one.p_value, "n reference": one.n_reference,
         "n current": one.n_current, "note": one.note}
        for one in (shift.ks, shift.psi, shift.wasserstein)
    ]  # fmt: skip
    verdict = "drifted" if drifted else "no drift that is sure and matters" if enough else "not enough data"
    print_record(record, form, rows=rows, title=verdict)
    if exit_code and drifted:
        raise typer.Exit(3)
