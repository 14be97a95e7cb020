"""Charts of scores alone: how they spread, and the creatives in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from abkit.reporting.charts.theme import INK, MUTED, campaign_color, empty_chart, readable, themed
from abkit.stats.estimate import Estimate
from abkit.vocabulary import CreativeAction


@dataclass(frozen=True, kw_only=True)
class RankedCreative:
    """A scored creative with what it delivered.

    Attributes:
        rank: Rank in its campaign; 1 is the best.
        ci_low, ci_high: Predictive interval of the mean opinion; None for a scorer that is not calibrated, and for a
            creative that is unlike the training.
        far: Whether it is unlike the training.
        percentile: Place in its campaign, 0 to 100; 100 is the best.
        thumbnail: Data URI, or "" where the file is gone or has changed since it was scored.
        impressions, clicks: Delivery up to the report's date.
        ctr_low, ctr_high: 95 % Wilson interval of CTR; None without impressions.
        elsewhere: Whether the delivery is that of other campaigns, because it ran only there.
        of: Scored creatives of its campaign.
        action: What the report advises to do with it.
        lift: Its rate over the average of its campaign, less 1, with its interval; None where not known.
        per_week: What it brings in a week beyond an average creative, in money; None where not known.
        creative_id: Its id in the store.
    """

    rank: int
    name: str
    sha256: str
    campaign: str
    score: float
    ci_low: float | None
    ci_high: float | None
    ci_level: float
    percentile: float
    thumbnail: str = ""
    impressions: int = 0
    clicks: int = 0
    ctr_low: float | None = None
    ctr_high: float | None = None
    elsewhere: bool = False
    of: int = 0
    action: CreativeAction = CreativeAction.UNTESTED
    lift: Estimate | None = None
    per_week: Estimate | None = None
    creative_id: int = 0
    far: bool = False

    @property
    def ctr(self) -> float | None:
        """Clicks per impression."""
        return self.clicks / self.impressions if self.impressions else None


def score_distribution(scores: Sequence[tuple[str, float]], scale: tuple[float, float], width: int = 620) -> Any:
    """Draw how the scores spread, by campaign, in 24 bins between the lowest and the highest.

    Args:
        scores: Campaign and score of each creative.
        scale: Ends of the model's scale, for the axis title.
        width: Width of the plot in pixels.
    """
    title = "Spread of the scores"
    named = [(readable(campaign), score) for campaign, score in scores]
    values = np.array([score for _, score in named], dtype=float)
    if not len(values):
        return empty_chart(title, "Nothing has been scored yet: abkit score IMAGES --campaign KEY")
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1e-6, 25)
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, 23)
    counted = Counter((campaign, int(bin_)) for (campaign, _), bin_ in zip(named, bins, strict=True))
    rows = [
        {"campaign": campaign, "from": float(edges[bin_]), "to": float(edges[bin_ + 1]), "n": n}
        for (campaign, bin_), n in sorted(counted.items())
    ]
    campaigns = sorted({campaign for campaign, _ in named})
    middle = f"median {np.median(values):.2f}, n = {len(values):,}"
    return themed(
        alt.Chart(alt.Data(values=rows))
        .mark_bar(stroke="white", strokeWidth=0.6)
        .encode(
            x=alt.X(
                "from:Q", bin="binned", title=f"Score (scale {scale[0]:g} to {scale[1]:g})", scale=alt.Scale(zero=False)
            ),
            x2="to:Q",
            y=alt.Y("n:Q", title="Creatives", stack="zero", axis=alt.Axis(tickMinStep=1, format="d")),
            color=campaign_color(campaigns),
        )
        .properties(width=width, height=170, title=alt.TitleParams(title, subtitle=middle))
    )


def ranked_strip(
    creatives: Sequence[RankedCreative], title: str = "Ranked", subtitle: str = "", tile: int = 118
) -> Any:
    """Draw creatives in the order of their scores, eight per row, each with its rank, score and interval.

    Args:
        creatives: The creatives with their thumbnails, best first.
        title: Line above the strip.
        subtitle: Line under the title.
        tile: Side of a tile in pixels.
    """
    if not creatives:
        return empty_chart(title, "Nothing has been scored yet.")
    across = min(8, len(creatives))
    down = -(-len(creatives) // across)
    rows = [
        {
            "x": (index % across) + 0.5,
            "y": (index // across) + 0.42,
            "below": (index // across) + 0.885,
            "lower": (index // across) + 0.975,
            "image": creative.thumbnail,
            "says": f"#{creative.rank}\u2002{creative.score:.2f}",
            "interval": ""
            if creative.ci_low is None or creative.ci_high is None
            else f"{creative.ci_low:.1f} to {creative.ci_high:.1f}",
        }
        for index, creative in enumerate(creatives)
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, across], nice=False))
    )
    high = alt.Scale(domain=[down, 0], nice=False)
    side = round(0.92 * tile)
    chart = alt.layer(
        base.mark_image(width=side, height=side).encode(y=alt.Y("y:Q", axis=None, scale=high), url="image:N"),
        base.mark_text(fontSize=13, fontWeight="bold", color=INK).encode(y=alt.Y("below:Q", scale=high), text="says:N"),
        base.mark_text(fontSize=10.5, color=MUTED).encode(y=alt.Y("lower:Q", scale=high), text="interval:N"),
    )
    head = alt.TitleParams(title, subtitle=subtitle) if subtitle else title
    return themed(chart.properties(width=tile * across, height=round(1.2 * tile) * down, title=head))
