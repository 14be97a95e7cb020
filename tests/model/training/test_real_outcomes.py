"""Training on what real people did: likes per view of thumbnails, inside their category, channels as clusters."""

import csv
import math
from pathlib import Path

import pytest
from PIL import Image

from abkit.stats.promotion.gain import paired_gain
from abkit.stats.promotion.launches import Launches
from abkit.stats.promotion.verdict import judge
from abkit.vocabulary import TrialDecision
from abkit_model.checkpoint import default_checkpoint
from abkit_model.scorer import Scorer
from abkit_model.training.pipeline import train_scorer
from abkit_model.training.request import TrainingRequest

CATEGORIES = ("music", "gaming", "entertainment", "sports")
LEARNED, JUDGED = 5, 4  # in each category


@pytest.mark.realdata
def test_outcomes_of_thumbnails_are_learned_and_the_gain_on_later_channels_has_an_interval(
    testdata: Path, tmp_path: Path
) -> None:
    folder = testdata / "youtube_trending"
    if not (folder / "table.csv").is_file():
        pytest.skip("there is no youtube_trending in the folder of real data sets")
    with (folder / "table.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "counts" and row["ratings_disabled"] == "False"]
    rows.sort(key=lambda row: row["published"])
    own = {name: [row for row in rows if row["category"] == name] for name in CATEGORIES}
    early = [row for some in own.values() for row in some[:LEARNED]]
    channels = {row["channel"] for row in early}
    late = [row for some in own.values() for row in [one for one in some if one["channel"] not in channels][-JUDGED:]]
    assert max(row["published"] for row in early) < min(row["published"] for row in late)

    lines = [f"{r['image']},{r['category']},{r['likes']},{r['views']},{r['channel']}" for r in early]
    table = tmp_path / "outcomes.csv"
    table.write_text("\n".join(["image,campaign,clicks,impressions,family", *lines]))
    request = TrainingRequest(
        table=table, images=folder / "images", out=tmp_path / "tuned", parent=str(default_checkpoint())
    )
    trained = train_scorer(request, from_outcomes=True)
    assert trained.card.data["campaigns"] == len(CATEGORIES)
    assert 0 <= trained.card.metrics["outcome_fit"]["own_share"] <= 1

    champion, challenger = Scorer.load(default_checkpoint()), Scorer.load(trained.folder)
    shown = [Image.open(folder / "images" / row["image"]).convert("RGB") for row in late]
    encoded = champion.encode([champion.prepare(image) for image in shown])
    old, new = ([score.mean for score in scorer.score_tokens(encoded)] for scorer in (champion, challenger))
    launches = Launches.of(
        appeal=[math.log((float(row["likes"]) + 0.5) / (float(row["views"]) + 1)) for row in late],
        variance=[1 / (float(row["likes"]) + 0.5) for row in late],
        champion=old,
        challenger=new,
        campaign=[row["category"] for row in late],
        family=[row["channel"] for row in late],
    )
    verdict = judge(launches, attempt=1)
    assert verdict.decision is TrialDecision.NOT_ENOUGH  # fewer than a promotion takes
    gain = paired_gain(launches)
    assert gain.ci_low <= gain.gain <= gain.ci_high
    # A difference of two correlations lies between −2 and 2: sixteen thumbnails narrow it.
    assert gain.ci_low > -2
    assert gain.ci_high < 2
    assert gain.creatives == len({row["channel"] for row in late})
