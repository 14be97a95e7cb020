"""`abkit calc compare`: rates, means, ratios and CUPED from figures in hand."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.calc.input import AlternativeOption, LevelOption, arm_of, prior_of
from abkit.commands.figures import number
from abkit.commands.idle import refuse_idle
from abkit.commands.output import Format, FormatOption, note, print_record, print_rows
from abkit.commands.table_options import DecimalOption
from abkit.vocabulary import Alternative, Correction, LiftMethod, Method

if TYPE_CHECKING:
    from abkit.stats.arms import Counts, Moments, PairMoments
    from abkit.stats.estimate import Comparison

    Arm = Counts | Moments | PairMoments


class X(StrEnum):
    """What the second of two metrics is."""

    DENOMINATOR = "denominator"
    COVARIATE = "covariate"


_KINDS = "a rate is SUCCESSES/TRIALS, a mean N,MEAN,SD, a pair N,ΣY,ΣX,ΣY²,ΣX²,ΣXY"
_DEFAULT = (None, Method.AUTO)
_OF_MEANS = (*_DEFAULT, Method.WELCH, Method.SEQUENTIAL)


def compare(
    ctx: typer.Context,
    control: Annotated[
        str,
        typer.Option(
            "--control",
            help="SUCCESSES/TRIALS; N,MEAN,SD[,SKEWNESS] for a mean; N,ΣY,ΣX,ΣY²,ΣX²,ΣXY over units for a pair (--x).",
        ),
    ],
    treatment: Annotated[list[str], typer.Option("--treatment", help="The same; repeat for several arms.")],
    method: Annotated[
        Method | None,
        typer.Option(
            "--method", help="Default: auto for rates (newcombe, or exact limits for few successes), welch for means."
        ),
    ] = None,
    level: LevelOption = 0.95,
    alternative: AlternativeOption = Alternative.TWO_SIDED,
    tuning: Annotated[
        float,
        typer.Option(
            "--planned-total",
            parser=number,
            metavar="UNITS",
            help="sequential: the planned units in both arms, fixed beforehand.",
        ),
    ] = 5000,
    prior: Annotated[
        str | None,
        typer.Option(
            "--prior", help="bayes: SUCCESSES,FAILURES of each arm (1,1); for means MEAN,SD of the difference (flat)."
        ),
    ] = None,
    practical_lift: Annotated[
        float,
        typer.Option("--practical-lift", parser=number, metavar="LIFT", help="bayes: smallest lift that matters."),
    ] = 0.0,
    lift_method: Annotated[
        LiftMethod, typer.Option("--lift-method", help="means: how the interval of the lift is made.")
    ] = LiftMethod.FIELLER,
    x: Annotated[
        X, typer.Option("--x", help="pairs: X is the denominator of a ratio, or a covariate from before (CUPED).")
    ] = X.DENOMINATOR,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            parser=number,
            metavar="SHARE",
            help="Largest acceptable loss relative to the control, such as 0.05. The control's noise counts too.",
        ),
    ] = None,
    true_lift: Annotated[
        float | None,
        typer.Option(
            "--true-lift", parser=number, metavar="LIFT", help="Show how far significance exaggerates at this lift."
        ),
    ] = None,
    correction: Annotated[Correction, typer.Option("--correction", help="For several treatments.")] = Correction.HOLM,
    decimal: DecimalOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare treatments with their control."""
    options: dict[str, Any] = {"method": method, "level": level, "alternative": alternative, "tuning": tuning}
    arms = [arm_of(text, decimal) for text in (control, *treatment)]
    _refuse_idle(ctx, arms[0], method, several=len(treatment) > 1)
    of_posterior: dict[str, Any] = {"practical_lift": practical_lift}
    if prior is not None:
        of_posterior["prior"] = prior_of(prior)
    found = [_compared(arms[0], arm, options, of_posterior, lift_method, x) for arm in arms[1:]]
    results = [result for result, _ in found]
    planned = tuning if method is Method.SEQUENTIAL else None
    extras = [more | _questions(result, margin, true_lift, planned) for result, more in found]
    if len(results) == 1:
        _print_one(results[0], extras[0], form)
    else:
        _print_several(results, extras, correction, 1 - level, form)


def _refuse_idle(ctx: typer.Context, control: Arm, method: Method | None, *, several: bool) -> None:
    """Refuse options that these arms, this method or a single treatment leave without effect."""
    from abkit.stats.arms import Counts, PairMoments

    bayes, rates = method is Method.BAYES, isinstance(control, Counts)
    refuse_idle(
        ctx,
        {
            "tuning": (method is Method.SEQUENTIAL, "--method sequential"),
            "prior": (bayes, "--method bayes"),
            "practical_lift": (bayes, "--method bayes"),
            "alternative": (not bayes, "tests, and a posterior has both sides: see its chance to win"),
            "margin": (not bayes, "tests; by bayes, --practical-lift -0.05 gives the chance of a loss below 5 %"),
            "true_lift": (not bayes, "tests: a posterior is not significant"),
            "lift_method": (not rates, "means and ratios"),
            "x": (isinstance(control, PairMoments), "pairs, N,ΣY,ΣX,ΣY²,ΣX²,ΣXY"),
            "correction": (several and not bayes, "the p-values of several treatments"),
        },
    )


def _compared(
    control: Arm, treatment: Arm, options: dict[str, Any], of_posterior: dict[str, Any], lift_method: LiftMethod, x: X
) -> tuple[Comparison, dict[str, Any]]:
    """Compare two arms by what they are; return the comparison, and what belongs beside it."""
    from abkit.errors import UsageError
    from abkit.records import to_plain
    from abkit.stats.arms import Counts, Moments, PairMoments
    from abkit.stats.means.compare import compare_means
    from abkit.stats.means.pairs import compare_ratios, compare_with_covariate
    from abkit.stats.proportions import compare as proportions

    method, both = options["method"], (control, treatment)
    of_means = options | {"lift_method": lift_method, "method": Method.WELCH if method in _DEFAULT else method}
    match both:
        case Counts() as p0, Counts() as p1:
            if method is Method.WELCH:
                raise UsageError("welch compares means, and the arms are rates", hint="give the arms as N,MEAN,SD")
            return proportions.compare(p0, p1, **options | {"method": method or Method.AUTO}, **of_posterior), {}
        case Moments() as m0, Moments() as m1 if method is Method.BAYES or method in _OF_MEANS:
            return compare_means(m0, m1, **of_means, **of_posterior), {}
        case PairMoments() as r0, PairMoments() as r1 if method in _OF_MEANS:
            if x is X.DENOMINATOR:
                return compare_ratios(r0, r1, **of_means), {}
            cuped = compare_with_covariate(r0, r1, **of_means)
            return cuped.adjusted, {name: value for name, value in to_plain(cuped).items() if name != "adjusted"}
    if type(both[0]) is not type(both[1]):
        raise UsageError("--control and --treatment are not of one kind", hint=_KINDS)
    raise UsageError(
        f"{method} compares rates, and the arms are means", hint="use welch, sequential or, for means, bayes"
    )


def _questions(
    comparison: Comparison, margin: float | None, true_lift: float | None, tuning: float | None
) -> dict[str, Any]:
    """Answer guardrail questions (is it not worse, is it the same) and the winner's curse, where they are asked."""
    if margin is None and true_lift is None:
        return {}
    from abkit.errors import InvalidInput
    from abkit.records import to_plain
    from abkit.stats.estimate import ArmRate
    from abkit.stats.sequential.always_valid import multiplier
    from abkit.stats.tails import two_sided_alpha
    from abkit.stats.verdicts.equivalence import equivalent, non_inferior, wald_parts
    from abkit.stats.verdicts.shrinkage import exaggeration

    control = comparison.control
    baseline = abs(control.rate if isinstance(control, ArmRate) else control.mean)
    more: dict[str, Any] = {}
    for name, value in (("--margin", margin), ("--true-lift", true_lift)):
        if value is not None and baseline == 0:
            raise InvalidInput(f"{name} is relative to the control, and the control is 0; expected a control above 0")
    if margin is not None:
        for name, test in (("non_inferiority", non_inferior), ("equivalence", equivalent)):
            tested = test(comparison, margin=margin, relative=True, level=comparison.level, tuning=tuning)
            more[name] = to_plain(tested)
    if true_lift is not None:
        error, alternative = wald_parts(comparison)[1], comparison.alternative
        reach = None
        if tuning is not None:
            n = comparison.control.n + comparison.treatment.n
            reach = multiplier(n, alpha=two_sided_alpha(comparison.level, alternative), tuning=tuning)
        curse = exaggeration(
            true_lift * baseline, error, alpha=1 - comparison.level, alternative=alternative, reach=reach
        )
        more["exaggeration"] = to_plain(curse)
    return more


def _print_one(comparison: Comparison, extra: dict[str, Any], form: Format) -> None:
    from abkit.records import percent, to_plain
    from abkit.reporting.tables.statistics.comparisons import comparison_rows, comparison_title

    rows = comparison_rows(comparison)
    if "variance_kept" in extra:
        rows.append({"what": "variance kept", "figure": percent(extra["variance_kept"], 1), "interval": "by CUPED"})
    for name in ("non_inferiority", "equivalence"):
        if name in extra:
            tested = extra[name]
            said = f"{'holds' if tested['holds'] else 'not shown'} within {percent(tested['margin'], 2)} of the control"
            rows.append({"what": name.replace("_", "-"), "figure": f"p {tested['p_value']:.4g}", "interval": said})
    if "exaggeration" in extra:
        curse = extra["exaggeration"]
        factor = curse["exaggeration"]
        said = f"exaggeration {factor:.2f}, wrong sign {percent(curse['type_s'], 2)}" if factor else "no true effect"
        rows.append({"what": "significance", "figure": f"power {percent(curse['power'], 1)}", "interval": said})
    print_record(to_plain(comparison) | extra, form, rows=rows, title=comparison_title(comparison))
    for sentence in (*comparison.warnings, *comparison.notes) if form is not Format.JSON else ():
        note(sentence)


def _print_several(
    results: list[Comparison], extras: list[dict[str, Any]], correction: Correction, alpha: float, form: Format
) -> None:
    from abkit.records import percent, to_plain
    from abkit.reporting.tables.show import flattened
    from abkit.reporting.tables.statistics.comparisons import comparison_rows
    from abkit.reporting.tables.table import interval
    from abkit.stats.verdicts.multiplicity import adjust

    family = f"{len(results)} treatments against one control"
    adjusted = adjust([result.p_value for result in results], correction=correction, alpha=alpha, family=family)
    rows = []
    for place, (result, p) in enumerate(zip(results, adjusted.p_values, strict=True), start=1):
        row = {
            "treatment": place,
            "difference": comparison_rows(result)[2]["figure"],
            "lift": percent(result.lift.estimate, 1, sign=True),
            "lift interval": interval(result.lift.ci_low, result.lift.ci_high, 1, sign=True),
        }
        if result.bayes is None:
            row |= {"p": f"{result.p_value:.4g}", "adjusted p": f"{p:.4g}"}
        else:
            row["chance to win"] = percent(result.bayes.chance_to_win, 1)
        rows.append(row)
    comparisons = [to_plain(result) | extra for result, extra in zip(results, extras, strict=True)]
    if form is Format.CSV:
        numbered = enumerate(zip(comparisons, adjusted.p_values, strict=True), start=1)
        print_rows([{"arm": n, **flattened(one), "adjusted_p": p} for n, (one, p) in numbered], form)
        return
    title = f"{correction}, family: {family}"
    print_record({"comparisons": comparisons, "adjusted": adjusted}, form, rows=rows, title=title)
