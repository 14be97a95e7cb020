"""Two losses for outcomes, on clicks with a known truth: a Gaussian on appeals, and the conditional Poisson likelihood.

    python benchmarks/outcome_losses.py [--repeats 20]

Creatives have random features; their true appeal is linear in them, with a part that no feature knows. Clicks are
Poisson around expected clicks times exp(appeal), in campaigns of six. The Gaussian is what `model train` uses:
log((clicks + ½) / (expected + ½)), weighted by 1 / (τ² + 1 / expected). The likelihood given the clicks of a campaign
(a softmax of log expected + f) is fitted by Newton steps, each of which is a weighted regression of the same kind, with
τ² for what no feature knows. Both choose how far to move in the same way. What is measured is the correlation, inside
campaigns, of what was learned with the true appeals of creatives that were held out.
"""

import argparse

import numpy as np

from abkit_model.evaluation.outcome_agreement import centered, spread_within
from abkit_model.training.terms.outcome_term import PARTS, Rows, fit_term

SIZE, FEATURES, STEPS = 6, 200, 4
TRUE_SD, KNOWN = 0.3, 0.5


def clicks_of(campaigns: int, expected: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw creatives with features, true appeals, expected clicks and clicks."""
    n = campaigns * SIZE
    seen, cell = rng.normal(size=(n, FEATURES)), np.repeat(np.arange(campaigns), SIZE)
    truth = seen @ rng.normal(size=FEATURES) / FEATURES**0.5 * TRUE_SD * KNOWN**0.5
    truth += rng.normal(0, TRUE_SD * (1 - KNOWN) ** 0.5, n)
    due = expected * rng.lognormal(-0.5, 1.0, n)  # some creatives are shown far more than others
    clicks = rng.poisson(due * np.exp(truth)).astype(float)
    total, level = np.bincount(cell, due)[cell], np.bincount(cell, clicks)[cell]
    return {"seen": seen, "cell": cell, "truth": truth, "clicks": clicks, "expected": due * level / total}


def gaussian(drawn: dict[str, np.ndarray]) -> np.ndarray:
    """Fit the Gaussian on appeals and return the linear term."""
    due = drawn["expected"] + 0.5
    appeal, variance = np.log((drawn["clicks"] + 0.5) / due), 1 / due
    spread = spread_within(appeal, variance, drawn["cell"])
    return fitted(drawn, appeal, np.maximum(spread + variance, 1e-9))


def poisson(drawn: dict[str, np.ndarray]) -> np.ndarray:
    """Fit the conditional Poisson likelihood by Newton steps and return the linear term."""
    cell, clicks, due = drawn["cell"], drawn["clicks"], np.maximum(drawn["expected"], 1e-6)
    spread = spread_within(np.log((clicks + 0.5) / (due + 0.5)), 1 / (due + 0.5), cell)
    weights = np.zeros(FEATURES)
    for _ in range(STEPS):
        said = centered(drawn["seen"] @ weights, cell, np.ones(len(cell)))
        mean = due * np.exp(np.clip(said, -3, 3))
        mean *= (np.bincount(cell, clicks) / np.bincount(cell, mean))[cell]  # given the clicks of the campaign
        mean = np.maximum(mean, 1e-6)
        weights = fitted(drawn, said + (clicks - mean) / mean, spread + 1 / mean)
    return weights


def fitted(drawn: dict[str, np.ndarray], value: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Fit the linear term on values with variances; the reach is found by validation."""
    rows = Rows(image=np.arange(len(value)), cell=drawn["cell"], value=value, variance=variance)
    return fit_term(drawn["seen"], rows, drawn["cell"] % PARTS).weights.mean(axis=0)


def main(repeats: int) -> None:
    """Print what both find, by clicks per creative and number of campaigns."""
    print("clicks  campaigns  Gaussian  Poisson  Poisson - Gaussian (95 % interval)")
    for expected in (1, 3, 10, 30, 300):
        for campaigns in (30, 100):
            found = []
            for repeat in range(repeats):
                drawn = clicks_of(campaigns * 2, expected, np.random.default_rng(1000 * expected + repeat))
                inside = drawn["cell"] < campaigns
                known = {name: values[inside] for name, values in drawn.items()}
                found.append([held_out(drawn, ~inside, method(known)) for method in (gaussian, poisson)])
            one, other = np.array(found).T
            half = 1.96 * (other - one).std(ddof=1) / repeats**0.5
            gap = (other - one).mean()
            print(
                f"{expected:6}  {campaigns:9}  {one.mean():8.3f}  {other.mean():7.3f}  "
                f"{gap:+.3f} [{gap - half:+.3f}, {gap + half:+.3f}]",
                flush=True,
            )


def held_out(drawn: dict[str, np.ndarray], rows: np.ndarray, weights: np.ndarray) -> float:
    """Correlation inside campaigns of what was learned with the truth; 0 where nothing was learned."""
    ones = np.ones(rows.sum())
    said = centered(drawn["seen"][rows] @ weights, drawn["cell"][rows], ones)
    truth = centered(drawn["truth"][rows], drawn["cell"][rows], ones)
    return float(np.corrcoef(said, truth)[0, 1]) if said.any() else 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    main(parser.parse_args().repeats)
