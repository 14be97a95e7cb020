"""Where the line of a shortlist is drawn, whether it is clear, and each picture's reason: figures in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abkit_model.selection import best_probabilities, pair_probability, smallest_set, tie_groups


@dataclass(frozen=True)
class Choice:
    """The probabilities of candidates, best first, and where the line is drawn.

    Attributes:
        means: scores.
        spread: of their errors.
        certainty: from which P(A beats B) on two candidates are told apart.
        demanded: the probability that the best candidate is to be kept with.
        p_best: of each candidate; sums to 1.
        groups: tie group of each.
        kept: how many are above the line.
    """

    means: tuple[float, ...]
    spread: float
    certainty: float
    demanded: float
    p_best: tuple[float, ...]
    groups: tuple[int, ...]
    kept: int

    @property
    def p_best_kept(self) -> float:
        """The probability that the best candidate is kept."""
        return min(1.0, sum(self.p_best[: self.kept]))

    def beats(self, one: int, other: int) -> float:
        """P(the candidate at one place is better than that at another)."""
        return float(pair_probability(self.means[one], self.means[other], self.spread))

    def tied(self, place: int) -> tuple[int, int]:
        """First and last position of those that are not told apart from this one, itself among them."""
        beats = pair_probability(self.means[place], self.means, self.spread)
        alike = ((beats < self.certainty) & (beats > 1 - self.certainty)).nonzero()[0]
        return int(alike[0]), int(alike[-1])

    def verdict(self, unscored: int, *, asked: bool) -> tuple[bool, str]:
        """Whether the shortlist is clear, and why; `asked` is whether its length was given."""
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
        if edge >= self.certainty:
            return True, f"every picture kept beats every one left out with a probability of at least {shown(edge)}"
        across = f"the last one kept beats the first one left out with a probability of {shown(edge)}: a tie"
        if chance >= self.demanded - 1e-9:
            return True, f"{best}, although {across}"
        return False, f"{best}, and {across}"


def choose(means: Sequence[float], spread: float, keep: int | None, p_best: float, certainty: float) -> Choice:
    """Draw the line: the `keep` best of some scores (best first), or the fewest that hold the best with `p_best`."""
    chances = best_probabilities(means, spread)
    return Choice(
        means=tuple(means),
        spread=spread,
        certainty=certainty,
        demanded=p_best,
        p_best=tuple(chances.tolist()),
        groups=tuple(tie_groups(means, spread, certainty)),
        kept=min(keep, len(means)) if keep is not None else smallest_set(chances, p_best),
    )


def reason(place: int, choice: Choice) -> str:
    """Why the candidate at this place is kept or left out; places are counted from 1."""
    if len(choice.means) == 1:
        return "kept: the only scored candidate; there is nothing to compare it with"
    chance = f"P(best) {shown(choice.p_best[place])}"
    if place >= choice.kept:
        by = choice.beats(choice.kept - 1, place)
        how = "a tie with" if by < choice.certainty else "behind"
        return f"left out: {chance}; {how} the last one kept, which beats it with P {shown(by)}"
    first, final = choice.tied(place)
    if first == final:
        return f"kept: {chance}; told apart from all others"
    low, high = first + 1 + (first == place), final + 1 - (final == place)
    others = f"place {low}" if low == high else f"places {low} to {high}"
    outside = final - choice.kept + 1
    left = f" ({outside} of them left out)" if outside > 0 else ""
    return f"kept: {chance}; not told apart from {others}{left}"


def shown(probability: float) -> str:
    """A probability in two digits, never as certain as 0.00 or 1.00.

    >>> shown(0.314), shown(0.001), shown(0.999)
    ('0.31', '<0.01', '>0.99')
    """
    if probability < 0.005:
        return "<0.01"
    return f"{probability:.2f}" if probability < 0.995 else ">0.99"
