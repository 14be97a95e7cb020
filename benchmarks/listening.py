"""What listening is worth, on simulated campaigns whose truth is known: coverage, and what a random score gets.

Protocol, fixed before the first run: campaigns of 8 to 20 creatives; true log appeals are normal with a standard
deviation of 0.3; the score correlates with them by RHO inside campaigns; clicks are Poisson with an expectation that
differs between creatives (log-normal, sd 0.7, mean as given) and is independent of appeal. Posterior means are those of
the normal law with the true spread. Per cell of the table, REPLICATES worlds. For each figure: its mean, the truth
(the mean over worlds of the same figure with the true appeals in place of the measured ones), how often the 95 %
interval holds the truth, and how often something is "shown" (recall above chance; intervals above 0). With RHO = 0 that
should be at most 2.5 % on the upper side.

    python benchmarks/listening.py --replicates 400
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from abkit.stats.listening.gains import gain_curve
from abkit.stats.listening.noise import noise_of
from abkit.stats.listening.pairs import pairs_right
from abkit.stats.listening.policy import policy_value
from abkit.stats.listening.sample import ListeningSample, listening_sample
from abkit.stats.listening.winners import droppable, winner_recall

SPREAD = 0.3
K = 3


@dataclass
class World:
    """One simulated world: what is measured, and the same campaigns with their truth in place of it."""

    measured: ListeningSample
    true: ListeningSample


def world(rng: np.random.Generator, *, campaigns: int, clicks: float, rho: float, sizes: int = 1) -> World:
    """Draw campaigns; with sizes above 1, each idea has so many creatives of nearly one appeal and one score."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("score", "appeal", "campaign", "idea", "expected")}
    ideas = 0
    for campaign in range(campaigns):
        n = int(rng.integers(8, 21))
        of_idea = np.repeat(rng.normal(0, SPREAD, -(-n // sizes)), sizes)[:n]
        appeal = of_idea if sizes == 1 else 0.9 * of_idea + rng.normal(0, 0.43 * SPREAD, n)
        taste = np.repeat(rng.standard_normal(-(-n // sizes)), sizes)[:n]
        columns["score"].append(rho * appeal / SPREAD + np.sqrt(1 - rho**2) * taste)
        columns["appeal"].append(appeal)
        columns["campaign"].append(np.full(n, campaign))
        columns["idea"].append(ideas + np.repeat(np.arange(-(-n // sizes)), sizes)[:n])
        columns["expected"].append(clicks * np.exp(rng.normal(-0.245, 0.7, n)))
        ideas += -(-n // sizes)
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    label, exposure = table["campaign"], table["expected"]
    events = rng.poisson(exposure * np.exp(table["appeal"])).astype(float)
    # Expected events are those of the campaign's average, which the events themselves tell.
    rate = np.bincount(label, events) / np.bincount(label, exposure)
    expected = np.maximum(exposure * rate[label], 1e-9)
    variance = 1 / expected
    log_ratio = np.log((events + 0.5) / (expected + 0.5))
    shrink = SPREAD**2 / (SPREAD**2 + variance)
    center = np.bincount(label, log_ratio) / np.bincount(label)
    shared = {"score": table["score"], "campaign": label, "idea": table["idea"], "min_expected": 0.0}
    measured = listening_sample(
        events=events,
        expected=expected,
        shrunk=shrink * (log_ratio - center[label]),
        shrunk_sd=np.sqrt(shrink * variance),
        variance=variance,
        **shared,
    )
    true = listening_sample(
        events=exposure * np.exp(table["appeal"]),
        expected=exposure,
        shrunk=table["appeal"],
        shrunk_sd=np.zeros(len(label)),
        variance=np.zeros(len(label)),
        **shared,
    )
    return World(measured, true)


def figures(one: ListeningSample) -> dict[str, tuple[float, float, float, bool]]:
    """Return estimate, both ends and whether something is shown, by figure."""
    recall, gain = winner_recall(one, K), gain_curve(one, most=K)[-1].gain
    lift, pairs = policy_value(one, K, randomized=True).lift, pairs_right(one).share
    return {
        "recall": (recall.recall.estimate, recall.recall.ci_low, recall.recall.ci_high, recall.shown),
        "best-of-3 gain": (gain.estimate, gain.ci_low, gain.ci_high, gain.ci_low > 0),
        "policy lift": (lift.estimate, lift.ci_low, lift.ci_high, lift.ci_low > 0),
        "pairs right": (pairs.estimate, pairs.ci_low, pairs.ci_high, pairs.ci_low > 0.5),
    }


def cell(seed: int, replicates: int, **world_of: float) -> None:
    rng = np.random.default_rng(seed)
    worlds = [world(rng, **world_of) for _ in range(replicates)]  # type: ignore[arg-type]
    found = [figures(one.measured) for one in worlds]
    truths = [figures(one.true) for one in worlds]
    for name in found[0]:
        estimates = np.array([row[name][:3] for row in found])
        truth = float(np.mean([row[name][0] for row in truths]))
        target = float(estimates[:, 0].mean()) if name in ("recall", "best-of-3 gain", "pairs right") else truth
        covered = np.mean((estimates[:, 1] <= target) & (target <= estimates[:, 2]))
        shown = np.mean([row[name][3] for row in found])
        said = " ".join(f"{key}={value:g}" for key, value in world_of.items())
        print(f"{said:42} {name:15} mean {estimates[:, 0].mean():6.3f} true {truth:6.3f} "
              f"covers {covered:.3f} shown {shown:.3f}")  # fmt: skip
    noise = [noise_of(one.measured) for one in worlds]
    known = [one.true for one in noise if one.true is not None]
    rho = world_of["rho"]
    if known:
        covered = np.mean([one.ci_low <= rho <= one.ci_high for one in known])
        print(f"{'':42} {'true correlation':15} mean {np.mean([one.estimate for one in known]):.3f} "
              f"covers {covered:.3f} of {len(known)} identified of {replicates}")  # fmt: skip
    dropped = [droppable(one.measured) for one in worlds[:50]]
    means = {name: np.mean([getattr(one, name) for one in dropped]) for name in ("share", "shown", "by_chance")}
    print(f"{'':42} droppable: " + ", ".join(f"{name} {value:.2f}" for name, value in means.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    for campaigns in (3, 10, 40):
        for clicks in (5.0, 30.0, 300.0):
            for rho in (0.0, 0.3, 0.5):
                cell(asked.seed, asked.replicates, campaigns=campaigns, clicks=clicks, rho=rho)
    for rho in (0.0, 0.3):
        cell(asked.seed, asked.replicates, campaigns=10, clicks=100.0, rho=rho, sizes=4)


if __name__ == "__main__":
    main()
