"""Tools about creatives: rank a folder, explain one, choose the best of a campaign, say what to label."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from mcp.server.mcpserver import Image
from pydantic import Field

from abkit.errors import AbkitError, UsageError
from abkit.intake.media.images import find_images
from abkit.mcp.answers import LARGE_SIDE, MOST_IMAGES, Said, inside, json_text, small, text
from abkit.names import is_sha256
from abkit.records import decimal
from abkit.store.catalog.creatives import creative_ids
from abkit.workflows.creatives.campaigns import show_creative
from abkit.workflows.creatives.creative_files import find_images as find_content
from abkit.workflows.creatives.creative_files import image_names
from abkit.workflows.recorded.catalog import campaign_page
from abkit.workflows.scoring.unlogged import ScorerAtHand, UnloggedScores
from abkit.workspace import Workspace

if TYPE_CHECKING:
    from abkit_model.scorer import Scorer

#: Images of a folder that are ranked at once.
MOST_RANKED = 200

Campaign = Annotated[str, Field(description="Key of the campaign.", max_length=200)]


class CreativeTools:
    """Tools about creatives of one workspace.

    Args:
        workspace: Where they are.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.scorer = ScorerAtHand(workspace.settings)

    def tools(self) -> tuple[Any, ...]:
        """Return the tools."""
        return self.rank_folder, self.explain_creative, self.shortlist, self.list_campaigns, self.what_to_label

    def rank_folder(
        self,
        folder: Annotated[str, Field(description="Folder (or image) inside the workspace.", max_length=1000)],
        show: Annotated[int, Field(description="How many of the best to show as images.", ge=0, le=MOST_IMAGES)] = 3,
    ) -> Said:
        """Score the images of a folder and rank them, the best first. Nothing is logged.

        A score is the predicted mean opinion on the scale, with its predictive interval; it says how people rate an
        image, which goes with clicks only as far as `score_and_kpi` shows.
        """
        path = inside(self.workspace.settings.workspace, folder)
        found = find_images([path])
        root = self.workspace.settings.workspace.resolve()
        images = [one for one in found.files if one.resolve().is_relative_to(root)]
        if not images:
            raise UsageError(f"there are no images in {folder}", hint="name a folder with PNG, JPEG or WebP files")
        if len(images) > MOST_RANKED:
            raise UsageError(f"{len(images):,} images are more than {MOST_RANKED}", hint="use `abkit score` for them")
        scored = self.scorer.score(self.workspace.store, images)
        best = sorted((file for file in scored.files if file.mean is not None), key=lambda file: -(file.mean or 0))
        lines = [
            f"{rank}. {os.path.relpath(file.path, root)}: {decimal(file.mean)} {_interval(file.ci_low, file.ci_high)}"
            for rank, file in enumerate(best, 1)
        ]
        lines += [f"no score: {file.name}: {file.reason}" for file in scored.files if file.mean is None]
        shown = [small(_opened(Path(file.path))) for file in best[:show]]
        return ["\n".join([_about(scored), *lines]), *shown]

    def explain_creative(
        self,
        creative: Annotated[
            str, Field(description="Its name, its sha256, or a path inside the workspace.", max_length=1000)
        ],
    ) -> Said:
        """Show all that is known of a creative, and where in the image its score comes from (orange raises it)."""
        from abkit_model.explain import explain
        from abkit_model.overlays import describe, overlay, sheet

        said: list[Any] = []
        path = self._known(creative, said)
        if path is None:
            path = inside(self.workspace.settings.workspace, creative)
        image = _opened(path)

        def draw(scorer: Scorer) -> tuple[str, Any]:
            prepared = scorer.prepare(image)
            heat = explain(scorer, prepared).score
            sentence = describe(heat)
            return sentence, sheet(image, overlay(image, prepared, heat, signed=True), sentence, signed=True)

        sentence, drawn = self.scorer.use(self.workspace.store, draw)
        return [*said, sentence, small(drawn, LARGE_SIDE)]

    def shortlist(
        self,
        campaign: Campaign,
        keep: Annotated[int | None, Field(description="How many to keep.", ge=1, le=100)] = None,
        show: Annotated[int, Field(description="How many to show as images.", ge=0, le=MOST_IMAGES)] = 3,
    ) -> Said:
        """Choose which creatives of a campaign to launch, from the logged scores, with P(best) and how clear it is."""
        found = self.workspace.shortlist(campaign, keep=keep, record=False)
        kept = [one for one in found.creatives if one.kept][:show]
        return [text(found), *filter(None, (self._thumbnail(one.sha256) for one in kept))]

    def list_campaigns(self) -> Said:
        """List the campaigns, the latest first, with the number of their creatives."""
        return [json_text(campaign_page(self.workspace.store, before=None, limit=100).items)]

    def what_to_label(
        self,
        campaign: Annotated[str | None, Field(description="Only this campaign.", max_length=200)] = None,
        count: Annotated[int, Field(description="How many questions.", ge=1, le=50)] = 10,
    ) -> Said:
        """Say which pairs of creatives people should compare next: those whose answers tell most about the ranking."""
        found = self.workspace.review_next(campaign=campaign, count=count)
        first = found.questions[:1]
        names = [name for one in first for name in (one.left, one.right) if name]
        return [text(found), *(small(_opened(Path(found.folder) / name)) for name in names)]

    def _known(self, creative: str, said: list[Any]) -> Path | None:
        """Return the file of a creative of the store, and say what is known of it; None where it is not known."""
        try:
            record = show_creative(self.workspace.store, creative)
        except UsageError:
            if is_sha256(creative):
                raise
            return None
        said.append(json_text(record))
        # Only the very content that was scored is shown: what lies there now may be something else.
        with self.workspace.store.read() as session:
            ids = creative_ids(session, [record.sha256])
            names = image_names(session, list(ids.values()))
        if found := find_content(names):
            return found[ids[record.sha256]]
        raise AbkitError(
            "the image is no longer where it was scored; this is what is known of it:\n" + json_text(record)
        )

    def _thumbnail(self, sha256: str) -> Image | None:
        from abkit.workflows.creatives.thumbnails import thumbnail_file

        cache = self.workspace.settings.cache_folder / "thumbnails"
        file = thumbnail_file(self.workspace.store, cache, sha256, 240)
        return Image(data=file.read_bytes(), format="jpeg") if file else None


def _opened(path: Path) -> Any:
    from abkit_model.errors import ImageRejected
    from abkit_model.images import open_creative

    try:
        return open_creative(path).image
    except ImageRejected as error:
        raise AbkitError(f"{path.name} cannot be shown: {error.reason}") from error


def _about(scored: UnloggedScores) -> str:
    scale = next((file.scale for file in scored.files if file.scale), None)
    on = f" on a scale from {scale[0]:g} to {scale[1]:g}" if scale else ""
    return f"Scores by {scored.model_name}{on}, with predictive intervals. {scored.notice}".strip()


def _interval(low: float | None, high: float | None) -> str:
    return f"[{decimal(low)}, {decimal(high)}]" if low is not None else "(no interval: unlike the training images)"
