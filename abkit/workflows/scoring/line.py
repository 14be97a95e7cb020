"""Where the line of a shortlist is drawn, whether it is clear, and the reason of each candidate: figures to words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abkit.workflows.scoring.results import show_probability
from abkit_model.selection import best_probabilities, pair_probability, smallest_set, tie_groups


@dataclass(frozen=True, kw_only=True)
class Line:
    """The probabilities of candidates, best first, and where the line is drawn between kept and left out.

    Attributes:
        means: Scores, the highest first.
        spread: Standard deviation of their errors.
        min_probability: Two candidates are told apart from this P(A beats B) on.
        demanded: The probability with which the best candidate has to be kept.
        p_best: Probability of each candidate to be the best; sums to 1.
        groups: Tie group of each.
        kept: How many are above the line.
    """

    means: tuple[float, ...]
    spread: float
    min_probability: float
    demanded: float
    p_best: tuple[float, ...]
    groups: tuple[int, ...]
    kept: int

    @property
    def p_best_kept(self) -> float:
        """The probability that the best candidate is kept."""
        return min(1.0, sum(self.p_best[: self.kept]))

    def beats(self, one: int, other: int) -> float:
        """Return P(the candidate at one place is better than that at another); places are counted from 0."""
        return float(pair_probability(self.means[one], self.means[other], self.spread))

    def tied(self, place: int) -> tuple[int, int]:
        """Return the first and last place of those that are not told apart from this one, itself among them."""
        beats = pair_probability(self.means[place], self.means, self.spread)
        alike = ((beats < self.min_probability) & (beats > 1 - self.min_probability)).nonzero()[0]
        return int(alike[0]), int(alike[-1])

    def verdict(self, unscored: int, *, asked: bool) -> tuple[bool, str]:
        """Return whether the shortlist is clear, and why; `asked` is whether its length was given."""
        n, kept = len(self.means), self.kept
        if unscored:
            return False, f"{unscored} of {n + unscored} candidates have no score, and any of them may be the best"
        if n == 1:
            return True, "there is one candidate and nothing to choose"
        if kept == n and not asked:
            return False, (
                f"none of the {n} candidates can be left out: without the last one, the best would be kept with "
                f"a probability of {1 - self.p_best[-1]:.3f}, {self.demanded:g} is demanded"
            )
        if kept == n:
            return True, "nothing is left out"
        edge = self.beats(kept - 1, kept)
        chance = self.p_best_kept
        best = f"the best candidate is kept with a probability of {chance:.3f} ({self.demanded:g} is demanded)"
        if edge >= self.min_probability:
            probability = show_probability(edge)
            return True, f"every creative kept beats every one left out with a probability of at least {probability}"
        across = f"the last one kept beats the first one left out with a probability of {show_probability(edge)}: a tie"
        if chance >= self.demanded - 1e-9:
            return True, f"{best}, although {across}"
        return False, f"{best}, and {across}"

    def reason(self, place: int) -> str:
        """Return why the candidate at this place is kept or left out; in the text places are counted from 1."""
        if len(self.means) == 1:
            return "kept: the only scored candidate; there is nothing to compare it with"
        chance = f"P(best) {show_probability(self.p_best[place])}"
        if place >= self.kept:
            by = self.beats(self.kept - 1, place)
            how = "a tie with" if by < self.min_probability else "behind"
            return f"left out: {chance}; {how} the last one kept, which beats it with P {show_probability(by)}"
        first, final = self.tied(place)
        if first == final:
            return f"kept: {chance}; told apart from all others"
        low, high = first + 1 + (first == place), final + 1 - (final == place)
        others = f"place {low}" if low == high else f"places {low} to {high}"
        outside = final - self.kept + 1
        left = f" ({outside} of them left out)" if outside > 0 else ""
        return f"kept: {chance}; not told apart from {others}{left}"


def draw_line(means: Sequence[float], spread: float, keep: int | None, p_best: float, min_probability: float) -> Line:
    """Keep the `keep` best of some scores (best first), or the fewest that hold the best with `p_best`."""
    chances = best_probabilities(means, spread)
    return Line(
        means=tuple(means),
        spread=spread,
        min_probability=min_probability,
        demanded=p_best,
        p_best=tuple(chances.tolist()),
        groups=tuple(tie_groups(means, spread, min_probability)),
        kept=min(keep, len(means)) if keep is not None else smallest_set(chances, p_best),
    )
