"""Jobs that people ask for: score what lies on the web, say what listening to the scores is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.intake.remote.address import parse_address
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work.openings import Openings, WatchedImages
from abkit.records import to_plain
from abkit.store.database.engine import Store
from abkit.store.keys import LONGEST_KEY
from abkit.vocabulary import Metric

MOST_ADDRESSES = 1000


class ScoreAddresses(Arguments):
    """Arguments of `score_addresses`."""

    addresses: tuple[str, ...] = Field(
        min_length=1, max_length=MOST_ADDRESSES, description="https addresses of the public web"
    )
    campaign: str = Field(min_length=1, max_length=LONGEST_KEY, description="the campaign that they are candidates of")

    @field_validator("addresses")
    @classmethod
    def _hold_no_secret(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if len(address) > 2000 or not address.isprintable() or not address.lower().startswith("https://"):
                raise ValueError("addresses begin with https:// and have 2,000 characters at most")
            try:
                parts = urlsplit(address)
            except ValueError as error:
                raise ValueError("one is not a valid address") from error
            if parts.query or parts.fragment or "@" in parts.netloc:
                # The request is kept, and a query may be a signature.
                raise ValueError("an address with a query or credentials may hold a secret, and is not kept")
        return addresses


def score_addresses(store: Store, settings: Settings, tick: Tick, arguments: ScoreAddresses) -> Mapping[str, Any]:
    """Fetch images from the public web and score them as candidates of a campaign; known contents keep their scores.

    Their addresses are noted before the images are opened. After a death they are opened one by one, and one that has
    ended the job too often is not fetched again.
    """
    from abkit.intake.remote.fetch import Limits
    from abkit.workflows.scoring.image_files import fetched_images, max_bytes
    from abkit.workflows.scoring.score import TOGETHER, score_paths

    images = WatchedImages(settings, Openings.of(store, tick))
    wanted = [address for address in arguments.addresses if not images.kills(_shown(address))]
    if not wanted:
        address, why = next(iter(images.left_out.items()))
        raise AbkitError(f"{address}: {why}", hint="ask for other images, or give jobs more memory")
    limits = Limits(
        file_bytes=max_bytes(settings.scoring), size_hint="name smaller images", file_seconds=60, seconds=1800
    )
    with fetched_images(wanted, settings.scoring, public=limits) as found:

        def note(paths: Sequence[Path]) -> None:
            images.note([found.origins[path].shown if path in found.origins else path for path in paths])

        suspected = any(images.is_suspect(_shown(address)) for address in wanted)
        together = 1 if suspected else TOGETHER
        result = score_paths(
            store, settings, found, campaign=arguments.campaign, run=tick.run, opening=note, together=together
        )
    shown = ("path", "status", "reason", "sha256", "mean", "ci_low", "ci_high", "rank", "n")
    return {
        **tick.run.outcome,
        **images.outcome(),
        "campaign": result.campaign,
        "model_version": result.model_version,
        "notice": result.notice,
        "files": [{name: to_plain(getattr(file, name)) for name in shown} for file in result.files],
    }


def _shown(address: str) -> str:
    """Return an address as what was fetched from it is called."""
    try:
        return parse_address(address).shown
    except UsageError:
        return address  # fetching it says what is wrong


class Worth(Arguments):
    """Arguments of `worth`, as for `abkit worth`."""

    metric: Metric = Field(default=Metric.CTR, description="the KPI that says who wins")
    k: int = Field(default=3, ge=1, le=1000, description="how many variants of each campaign would be launched")
    campaigns: tuple[str, ...] | None = Field(default=None, description="only these campaigns")


def worth(store: Store, settings: Settings, tick: Tick, arguments: Worth) -> Mapping[str, Any]:
    """Say what listening to the scores is worth, as of the day of the tick."""
    from abkit.workspace import Workspace

    with Workspace(settings) as workspace:
        report = workspace.worth(arguments.metric, k=arguments.k, campaigns=arguments.campaigns, as_of=tick.at.date())
    return report.to_dict()
