"""`abkit calc compare`: rates, means, ratios and CUPED from figures in hand."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.calc.input import Alternative, AlternativeOption, Correction, LevelOption, arm_of, prior_of
from abkit.commands.figures import comparison_rows, interval, percent, print_record
from abkit.commands.output import Format, FormatOption, note

if TYPE_CHECKING:
    from abkit.stats.estimate import Comparison


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


class X(StrEnum):
    """What the second of two metrics is."""

    DENOMINATOR = "denominator"
    COVARIATE = "covariate"


_OF_MEANS = (None, Method.AUTO, Method.WELCH, Method.SEQUENTIAL)


def compare(
    control: Annotated[
        str,
        typer.Option(
            "--control", help="SUCCESSES/TRIALS; N,MEAN,SD for a mean; N,ΣY,ΣX,ΣY²,ΣX²,ΣXY over units for a pair (--x)."
        ),
    ],
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
    prior: Annotated[
        str | None,
        typer.Option(
            "--prior", help="bayes: SUCCESSES,FAILURES of each arm (1,1); for means MEAN,SD of the difference (flat)."
        ),
    ] = None,
    practical_lift: Annotated[float, typer.Option("--practical-lift", help="bayes: the lift that matters.")] = 0.0,
    lift_method: Annotated[
        str, typer.Option("--lift-method", help="means: fieller, log-delta, delta or plug-in.")
    ] = "fieller",
    x: Annotated[
        X, typer.Option("--x", help="pairs: X is the denominator of a ratio, or a covariate from before (CUPED).")
    ] = X.DENOMINATOR,
    margin: Annotated[
        float | None, typer.Option("--margin", help="Largest acceptable loss such as 0.05: non-inferior, equivalent?")
    ] = None,
    true_lift: Annotated[
        float | None, typer.Option("--true-lift", help="How far significance would exaggerate if this were the lift.")
    ] = None,
    correction: Annotated[Correction, typer.Option("--correction", help="For several treatments.")] = Correction.HOLM,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare a treatment with its control."""
    options: dict[str, Any] = {
        "method": method,
        "level": level,
        "alternative": alternative.value,
        "tuning": tuning,
        "prior": prior,
        "practical_lift": practical_lift,
        "lift_method": lift_method,
        "x": x,
    }
    found = [_compared(control, text, **options) for text in treatment]
    results = [result for result, _ in found]
    extras = [more | _questions(result, margin, true_lift) for result, more in found]
    if len(results) == 1:
        _print_one(results[0], extras[0], form)
    else:
        _print_several(results, extras, correction, 1 - level, form)


def _compared(
    control: str,
    treatment: str,
    *,
    method: Method | None,
    prior: str | None,
    practical_lift: float,
    lift_method: str,
    x: X,
    **options: Any,
) -> tuple[Comparison, dict[str, Any]]:
    """The comparison by what the arms are, and what belongs beside it."""
    from abkit.errors import UsageError
    from abkit.stats.counts import Counts
    from abkit.stats.estimate import as_dict
    from abkit.stats.means.compare import MeanMethod, compare_means
    from abkit.stats.means.cuped import compare_with_covariate
    from abkit.stats.means.normal_model import compare_means_by_bayes
    from abkit.stats.means.ratio import compare_ratios
    from abkit.stats.moments import Moments, PairMoments
    from abkit.stats.proportions.compare import compare_proportions

    base, other = arm_of(control), arm_of(treatment)
    if isinstance(base, Counts) and isinstance(other, Counts):
        if method is Method.WELCH:
            raise UsageError("welch compares means, and the arms are rates", hint="give the arms as N,MEAN,SD")
        return compare_proportions(
            base,
            other,
            method=(method or Method.AUTO).value,  # type: ignore[arg-type]
            prior=prior_of(prior or "1,1"),
            practical_lift=practical_lift,
            **options,
        ), {}
    one_kind = type(base) is type(other)
    if one_kind and method not in _OF_MEANS and not (isinstance(base, Moments) and method is Method.BAYES):
        raise UsageError(
            f"{method} compares rates, and the arms are means", hint="use welch, sequential or, for means, bayes"
        )
    over_time: MeanMethod = "sequential" if method is Method.SEQUENTIAL else "welch"
    how: dict[str, Any] = {"method": over_time, "lift_method": lift_method}
    if isinstance(base, Moments) and isinstance(other, Moments):
        if method is Method.BAYES:
            mean, sd = prior_of(prior or "0,inf")
            return compare_means_by_bayes(
                base, other, level=options["level"], prior_mean=mean, prior_sd=sd, practical_lift=practical_lift
            ), {}
        return compare_means(base, other, **how, **options), {}
    if isinstance(base, PairMoments) and isinstance(other, PairMoments):
        if x is X.DENOMINATOR:
            return compare_ratios(base, other, **how, **options), {}
        cuped = compare_with_covariate(base, other, **how, **options)
        beside = {"raw": cuped.raw, "coefficient": cuped.coefficient, "variance_kept": cuped.variance_kept}
        return cuped.adjusted, {name: as_dict(value) for name, value in beside.items()}
    raise UsageError(f"--control {control} and --treatment {treatment} are not of one kind")


def _questions(comparison: Comparison, margin: float | None, true_lift: float | None) -> dict[str, Any]:
    """Guardrail questions (is it not worse, is it the same) and the winner's curse, where they are asked."""
    from abkit.errors import InvalidInput
    from abkit.stats.estimate import ArmRate, as_dict
    from abkit.stats.verdicts.equivalence import equivalent, non_inferior, wald_parts
    from abkit.stats.verdicts.shrinkage import exaggeration

    control = comparison.control
    baseline = abs(control.rate if isinstance(control, ArmRate) else control.mean)
    more: dict[str, Any] = {}
    for name, value in (("--margin", margin), ("--true-lift", true_lift)):
        if value is not None and baseline == 0:
            raise InvalidInput(f"{name} is relative to the control, and the control is 0; expected a control above 0")
    if margin is not None:
        more["non_inferiority"] = as_dict(non_inferior(comparison, margin=margin * baseline, level=comparison.level))
        more["equivalence"] = as_dict(equivalent(comparison, margin=margin * baseline, level=comparison.level))
    if true_lift is not None:
        error = wald_parts(comparison)[1]
        more["exaggeration"] = as_dict(exaggeration(true_lift * baseline, error, alpha=1 - comparison.level))
    return more


def _print_one(comparison: Comparison, extra: dict[str, Any], form: Format) -> None:
    from abkit.stats.estimate import as_dict

    rows = comparison_rows(comparison)
    if "variance_kept" in extra:
        kept = {"what": "variance kept", "figure": percent(extra["variance_kept"], 1), "interval": "by CUPED"}
        rows.append(kept)
    for name in ("non_inferiority", "equivalence"):
        if name in extra:
            tested = extra[name]
            said = (
                f"holds within {tested['margin']:.4g}"
                if tested["holds"]
                else f"not shown within {tested['margin']:.4g}"
            )
            rows.append({"what": name.replace("_", "-"), "figure": f"p {tested['p_value']:.4g}", "interval": said})
    if "exaggeration" in extra:
        curse = extra["exaggeration"]
        factor = curse["exaggeration"]
        said = f"exaggeration {factor:.2f}, wrong sign {percent(curse['type_s'], 2)}" if factor else "no true effect"
        rows.append({"what": "significance", "figure": f"power {percent(curse['power'], 1)}", "interval": said})
    record = {**as_dict(comparison), **extra}
    print_record(record, form, rows=rows, title=f"{comparison.method}, {100 * comparison.level:.4g} %")
    for sentence in comparison.notes if form is not Format.JSON else ():
        note(sentence)


def _print_several(
    results: list[Comparison], extras: list[dict[str, Any]], correction: Correction, alpha: float, form: Format
) -> None:
    from abkit.stats.estimate import as_dict
    from abkit.stats.verdicts.multiplicity import adjust

    family = f"{len(results)} treatments against one control"
    adjusted = adjust([result.p_value for result in results], correction=correction.value, alpha=alpha, family=family)
    rows = []
    for number, (result, p) in enumerate(zip(results, adjusted.p_values, strict=True), start=1):
        row = {
            "treatment": number,
            "difference": comparison_rows(result)[2]["figure"],
            "lift": percent(result.lift.estimate, 1, sign=True),
            "lift interval": interval(result.lift.ci_low, result.lift.ci_high, 1, sign=True),
        }
        if result.bayes is None:
            row |= {"p": f"{result.p_value:.4g}", "adjusted p": f"{p:.4g}"}
        else:
            row["chance to win"] = percent(result.bayes.chance_to_win, 1)
        rows.append(row)
    comparisons = [{**as_dict(result), **extra} for result, extra in zip(results, extras, strict=True)]
    if form is Format.CSV:
        from abkit.commands.output import print_rows

        print_rows(rows, form)
        return
    title = f"{correction.value}, family: {family}"
    print_record({"comparisons": comparisons, "adjusted": adjusted}, form, rows=rows, title=title)
