"""Small worlds with a known truth: campaigns whose scores go with appeal as much as is asked."""

from __future__ import annotations

import numpy as np

from abkit.stats.listening.sample import ListeningSample, listening_sample

SPREAD = 0.4


def world(
    seed: int, *, rho: float, campaigns: int = 12, size: int = 10, clicks: float = 200.0, sizes: int = 1
) -> ListeningSample:
    """Draw one world; with `sizes` above 1 each idea is there in so many sizes, with one score and one appeal."""
    rng = np.random.default_rng(seed)
    n = campaigns * size
    campaign = np.repeat(np.arange(campaigns), size)
    appeal = rng.normal(0, SPREAD, n)
    score = rho * appeal / SPREAD + np.sqrt(1 - rho**2) * rng.standard_normal(n)
    campaign, appeal, score, idea = (np.repeat(one, sizes) for one in (campaign, appeal, score, np.arange(n)))
    events = rng.poisson(clicks * np.exp(appeal)).astype(float)
    expected = (np.bincount(campaign, events) / np.bincount(campaign))[campaign]
    shrink = SPREAD**2 / (SPREAD**2 + 1 / expected)
    return listening_sample(
        score=score,
        events=events,
        expected=expected,
        campaign=campaign,
        idea=idea,
        shrunk=shrink * np.log((events + 0.5) / expected),
        shrunk_sd=np.sqrt(shrink / expected),
    )
