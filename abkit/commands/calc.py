"""`abkit calc`: the statistics as a calculator. Figures or files in, JSON out; no store, no configuration."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.figures import comparison_rows, interval, percent, print_record
from abkit.commands.output import Format, FormatOption, note

if TYPE_CHECKING:
    from abkit.stats.counts import Counts
    from abkit.stats.moments import Moments

app = typer.Typer(
    help="The statistics as a calculator: figures or files in, JSON out; no store needed.", no_args_is_help=True
)


class Method(StrEnum):
    """How two arms are compared."""

    AUTO = "auto"
    NEWCOMBE = "newcombe"
    Z = "z"
    SCORE = "score"
    EXACT = "exact"
    SEQUENTIAL = "sequential"
    BAYES = "bayes"
    WELCH = "welch"


class Alternative(StrEnum):
    """Which difference counts."""

    TWO_SIDED = "two-sided"
    GREATER = "greater"
    LESS = "less"


class Correction(StrEnum):
    """How p-values are adjusted for their number."""

    HOLM = "holm"
    HOCHBERG = "hochberg"
    BH = "bh"
    BY = "by"
    NONE = "none"


class Monitoring(StrEnum):
    """How often the test is looked at."""

    FIXED = "fixed"
    ANYTIME = "anytime"
    GROUP = "group"


class Spending(StrEnum):
    """How planned looks spend the error."""

    OBRIEN_FLEMING = "obrien-fleming"
    POCOCK = "pocock"


LevelOption = Annotated[float, typer.Option("--level", help="Of the intervals.")]
AlternativeOption = Annotated[Alternative, typer.Option("--alternative", help="Of the treatment against the control.")]


@app.command("compare")
def compare(
    control: Annotated[str, typer.Option("--control", help="SUCCESSES/TRIALS, or N,MEAN,SD for a mean.")],
    treatment: Annotated[list[str], typer.Option("--treatment", help="The same; repeat it for several arms.")],
    method: Annotated[
        Method | None,
        typer.Option(
            "--method", help="Default: auto for rates (newcombe, or exact limits for few successes), welch for means."
        ),
    ] = None,
    level: LevelOption = 0.95,
    alternative: AlternativeOption = Alternative.TWO_SIDED,
    tuning: Annotated[
        float, typer.Option("--planned-total", help="sequential: the planned units in both arms; fix it beforehand.")
    ] = 5000,
    prior: Annotated[str, typer.Option("--prior", help="bayes: Beta prior SUCCESSES,FAILURES of each arm.")] = "1,1",
    practical_lift: Annotated[float, typer.Option("--practical-lift", help="bayes: the lift that matters.")] = 0.0,
    lift_method: Annotated[
        str, typer.Option("--lift-method", help="means: fieller, log-delta, delta or plug-in.")
    ] = "fieller",
    correction: Annotated[Correction, typer.Option("--correction", help="For several treatments.")] = Correction.HOLM,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare a treatment with its control."""
    from abkit.errors import UsageError
    from abkit.stats.counts import Counts
    from abkit.stats.means import compare_means
    from abkit.stats.proportions import compare_proportions

    base, others = _arm(control), [_arm(text) for text in treatment]
    options: dict[str, Any] = {"level": level, "alternative": alternative.value, "tuning": tuning}
    results = []
    for other in others:
        if isinstance(base, Counts) and isinstance(other, Counts):
            if method is Method.WELCH:
                raise UsageError("welch compares means, and the arms are rates", hint="give the arms as N,MEAN,SD")
            results.append(
                compare_proportions(
                    base,
                    other,
                    method=(method or Method.AUTO).value,  # type: ignore[arg-type]
                    prior=_pair(prior),
                    practical_lift=practical_lift,
                    **options,
                )
            )
        elif isinstance(base, Counts) or isinstance(other, Counts):
            raise UsageError(f"--control {control} and --treatment {treatment[len(results)]} are not of one kind")
        else:
            if method not in (None, Method.AUTO, Method.WELCH, Method.SEQUENTIAL):
                raise UsageError(f"{method} compares rates, and the arms are means", hint="use welch or sequential")
            results.append(
                compare_means(
                    base,
                    other,
                    method="sequential" if method is Method.SEQUENTIAL else "welch",
                    lift_method=lift_method,
                    **options,
                )
            )
    if len(results) == 1:
        print_record(results[0], form, rows=comparison_rows(results[0]), title=f"{results[0].method}, {level:.0%}")
        for sentence in results[0].notes if form is not Format.JSON else ():
            note(sentence)
        return
    _print_several(results, correction, 1 - level, form)


def _print_several(results: list[Any], correction: Correction, alpha: float, form: Format) -> None:
    from abkit.stats.multiplicity import adjust

    family = f"{len(results)} treatments against one control"
    adjusted = adjust([result.p_value for result in results], correction=correction.value, alpha=alpha, family=family)
    rows = [
        {
            "treatment": number,
            "difference": comparison_rows(result)[2]["figure"],
            "lift": percent(result.lift.estimate, 1, sign=True),
            "lift interval": interval(result.lift.ci_low, result.lift.ci_high, 1, sign=True),
            "p": f"{result.p_value:.4g}",
            "adjusted p": f"{p:.4g}",
        }
        for number, (result, p) in enumerate(zip(results, adjusted.p_values, strict=True), start=1)
    ]
    print_record(
        {"comparisons": results, "adjusted": adjusted}, form, rows=rows, title=f"{correction.value}, family: {family}"
    )


@app.command("sample-size")
def sample_size(
    baseline: Annotated[float, typer.Option("--baseline", help="The control's rate such as 0.02; or its mean.")],
    lift: Annotated[float | None, typer.Option("--lift", help="The relative effect to find, such as 0.10.")] = None,
    per_variant: Annotated[
        float | None, typer.Option("--per-variant", help="Instead of --lift: units a variant; says the smallest lift.")
    ] = None,
    sd: Annotated[
        float | None, typer.Option("--sd", help="Standard deviation: the metric is a mean, not a rate.")
    ] = None,
    power: Annotated[float, typer.Option("--power", help="Chance to find the effect.")] = 0.8,
    alpha: Annotated[float, typer.Option("--alpha", help="Error rate of the whole test.")] = 0.05,
    arms: Annotated[int, typer.Option("--arms", help="Control and treatments.")] = 2,
    ratio: Annotated[float, typer.Option("--ratio", help="Units of a treatment ÷ units of the control.")] = 1.0,
    alternative: AlternativeOption = Alternative.TWO_SIDED,
    monitoring: Annotated[
        Monitoring, typer.Option("--monitoring", help="One look, any look, or planned looks.")
    ] = Monitoring.FIXED,
    looks: Annotated[int, typer.Option("--looks", help="group: how many planned looks.")] = 5,
    spending: Annotated[Spending, typer.Option("--spending", help="group: how the error is spent.")] = (
        Spending.OBRIEN_FLEMING
    ),
    daily_traffic: Annotated[
        float | None, typer.Option("--daily-traffic", help="Units a day over all arms: gives the days.")
    ] = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say how many units a test takes, or which lift a test of a given size can find."""
    from abkit.errors import UsageError
    from abkit.stats.power import Design, sample_size_for_means, sample_size_for_rates, smallest_lift_for_rates

    design = Design(
        power, alpha, arms, ratio, alternative.value, monitoring.value, looks, spending.value, daily_traffic
    )  # fmt: skip
    if (lift is None) == (per_variant is None):
        raise UsageError("give either --lift or --per-variant")
    if per_variant is not None:
        if sd is not None:
            raise UsageError("--per-variant is for rates", hint="give --lift with --sd")
        lift = smallest_lift_for_rates(baseline, per_variant=per_variant, design=design)
    assert lift is not None  # noqa: S101 - one of the two is given
    if sd is None:
        size = sample_size_for_rates(baseline, lift=lift, design=design)
    else:
        size = sample_size_for_means(baseline, sd, lift=lift, design=design)
    rows = [
        {"figure": "units in each treatment", "value": f"{size.per_variant:,}"},
        {"figure": "units in the control", "value": f"{size.control:,}"},
        {"figure": "units in all", "value": f"{size.total:,}"},
        {"figure": "lift", "value": percent(size.lift, 2, sign=True)},
        {"figure": "power", "value": percent(size.power, 0)},
        {"figure": "alpha a comparison", "value": f"{size.alpha_per_comparison:.4g}"},
        {"figure": "test", "value": size.method},
    ]
    if size.days is not None:
        rows.append({"figure": "days", "value": f"{size.days:,}"})
    print_record(size, form, rows=rows)


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
    from abkit.stats.srm import check_sample_ratio

    tested = check_sample_ratio(
        _numbers(observed, "--observed"),
        None if expected is None else _numbers(expected, "--expected"),
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
    from abkit.stats.bayes import rank_posteriors
    from abkit.stats.counts import Counts
    from abkit.stats.estimate import as_dict

    arms: dict[str, Counts] = {}
    if file is not None:
        from abkit.intake.experiment_tables import read_arms

        arms |= read_arms(file)
    for text in variant or ():
        name, _, figures = text.rpartition("=")
        if not name or name in arms:
            raise InvalidInput(f"{text!r} is not a new variant; expected NAME=SUCCESSES/TRIALS, each name once")
        arms[name] = Counts.parse(figures)
    posteriors = rank_posteriors(list(arms.values()), level=level, prior=_pair(prior))
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
    from abkit.commands.output import print_rows

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
    seed: Annotated[int, typer.Option("--seed", help="Of the permutations.")] = 0,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 when the values drifted.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare two samples of one figure: KS, PSI and Wasserstein, and whether it is sure and large enough to matter."""
    from abkit.intake.experiment_tables import read_numbers
    from abkit.stats.distribution_shift import score_shift
    from abkit.stats.estimate import as_dict

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


def _arm(text: str) -> Counts | Moments:
    from abkit.errors import InvalidInput
    from abkit.stats.counts import Counts
    from abkit.stats.moments import Moments

    if "," not in text:
        return Counts.parse(text)
    values = _numbers(text, "an arm")
    if len(values) != 3 or values[2] < 0:
        raise InvalidInput(f"{text!r} is not a mean; expected N,MEAN,SD such as 1000,12.5,3.1")
    return Moments(values[0], values[1], values[2] ** 2)


def _numbers(text: str, what: str) -> list[float]:
    from abkit.errors import InvalidInput

    try:
        return [float(part.strip().replace("_", "")) for part in text.split(",")]
    except ValueError:
        raise InvalidInput(
            f"{what} is {text!r}; expected numbers with commas between them, such as 5000,5300"
        ) from None


def _pair(text: str) -> tuple[float, float]:
    from abkit.errors import InvalidInput

    values = _numbers(text, "--prior")
    if len(values) != 2 or not min(values) > 0:
        raise InvalidInput(f"--prior is {text!r}; expected two numbers above 0, such as 1,1")
    return values[0], values[1]
