"""What is to be trained, and how: plain records that need no torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from abkit_model.data.files.tables import TableOptions
from abkit_model.encoders import DEFAULT_ENCODER
from abkit_model.errors import RequestError

AUTO = "auto"
MAX_QUERIES = 64


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes:
        queries: Queries per member of the ensemble.
        members: Query sets in the ensemble.
        components: Principal components of the tokens.
        width: Width of the transformer.
        depth: Blocks of the transformer.
        heads: Attention heads.
        hidden: Units of the layer that reads the embedding.
        dropout: Share that is left out in a step: of the embedding, of the tokens' channels, of what blocks add.
        clip: Cut-off of standardized channels, in standard deviations.
        learning_rate: Peak of AdamW's learning rate.
        weight_decay: AdamW's weight decay.
        batch: Images per step.
        epochs: Passes over the labels; the schedule is fixed, so that no image is spent on deciding when to stop.
        rank_weight: Weight of the pairwise rank loss beside EMD.
        comparison_weight: Weight of comparisons, where there are any, beside the loss on ratings.
        closed_form: Share of the closed form beside the queries, 0 to 1; None takes it by the number of images.
        loss: `emd` on distributions, or `mse` on means.
        seed: Seed of everything random.
    """

    queries: int = 4
    members: int = 5
    components: int = 64
    width: int = 32
    depth: int = 1
    heads: int = 4
    hidden: int = 64
    dropout: float = 0.5
    clip: float = 6.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    batch: int = 64
    epochs: int = 20
    rank_weight: float = 0.1
    comparison_weight: float = 0.3
    closed_form: float | None = None
    loss: str = "emd"
    seed: int = 0

    def closed_form_by(self, usual: float) -> float:
        """Return the share of the closed form where labels of this kind and number usually give it `usual`."""
        return usual if self.closed_form is None or not usual else self.closed_form


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What is to be trained, from which labels, and where it goes. It is checked when it is made.

    Attributes:
        table: Ratings (histogram, one row per vote, mean and n, AVA's layout), comparisons (two images per row), or
            outcomes (one row per image and campaign).
        images: The folder of the images that the table names.
        out: The folder to write the checkpoint to; it must be new.
        name: Name of the scorer for people; the folder's name where empty.
        encoder: Name of the frozen encoder; with a parent, the parent's is taken.
        image_column: The column that names the image; found by its usual names when None.
        group_column: Images with equal values here (one subject) are held out together.
        scale: Lowest and highest rating, in steps of 1; found in the table when None.
        correct_raters: Whether to take the raters' biases out of single votes first (ITU-T P.910).
        options: How the table is written, where the user said it; encoding and decimal sign hold for `comparisons` too.
        columns: The columns of a table of ratings or outcomes by field, where they have other names.
        comparisons: A table of comparisons to learn from beside ratings or outcomes; needs `comparison_images`.
        comparison_images: The folder of the images that `comparisons` names.
        ratings: A table of ratings to learn from beside outcomes; needs `rating_images`.
        rating_images: The folder of the images that `ratings` names.
        parent: The checkpoint whose queries are tuned instead of new ones: its folder; in a workspace also
            "active", "shipped", or the name or digest of a version.
        queries: Queries per member, 1 to 64; "auto" finds the number by nested validation; None takes the recipe's,
            or the parent's, which keeps its number.
        segment: The segment that the scorer is for; '' means all.
        seed: Seed of everything random, 0 or more. The same labels, images, seed and machine give the same weights.
        demonstration: Whether to label the weights, and all their scores, as a demonstration.
        recipe: Sizes, loss and schedule; `queries` and `seed` of the request come before its own.

    Raises:
        RequestError: Values out of their range, or options that exclude each other.

    >>> request = TrainingRequest(table=Path("ratings.csv"), images=Path("ads"), out=Path("ours"), queries=8)
    >>> request.settled_recipe().queries
    8
    """

    table: Path | str
    images: Path
    out: Path
    name: str = ""
    encoder: str = DEFAULT_ENCODER
    image_column: str | None = None
    group_column: str | None = None
    scale: tuple[float, float] | None = None
    correct_raters: bool = False
    options: TableOptions | None = None
    columns: Mapping[str, str] | None = None
    comparisons: Path | str | None = None
    comparison_images: Path | None = None
    ratings: Path | str | None = None
    rating_images: Path | None = None
    parent: str | Path | None = None
    queries: int | str | None = None
    segment: str = ""
    seed: int = 0
    demonstration: bool = False
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        known = self.queries in (None, AUTO) or isinstance(self.queries, int)
        if not known or (isinstance(self.queries, int) and not 1 <= self.queries <= MAX_QUERIES):
            raise RequestError(f"--queries {self.queries!r} is neither auto nor a number from 1 to {MAX_QUERIES}")
        if self.parent is not None and self.queries is not None:
            raise RequestError("queries that are tuned from a parent keep their number", "drop --queries or --parent")
        if self.seed < 0:
            raise RequestError(f"--seed {self.seed} is below 0", "take 0 or more")
        refuse_half_a_pair(self.comparisons, self.comparison_images)
        if (self.ratings is None) != (self.rating_images is None):
            raise RequestError("ratings need their images", "give both --ratings TABLE and --rating-images FOLDER")

    def command_line(self) -> str:
        """Return the command that asks for this, whole.

        >>> TrainingRequest(table="my votes.csv", images=Path("ads"), out=Path("ours"), seed=3).command_line()
        "abkit model train 'my votes.csv' --images ads --out ours --seed 3"
        """
        options = self.options or TableOptions()
        values = {
            "--images": self.images,
            "--out": self.out,
            "--encoder": self.encoder if self.encoder != DEFAULT_ENCODER else None,
            "--image-column": self.image_column,
            "--group-column": self.group_column,
            "--scale": self.scale and f"{self.scale[0]:g}..{self.scale[1]:g}",
            "--encoding": options.encoding,
            "--header-line": options.header_line,
            "--sheet": options.sheet,
            "--decimal": options.decimal,
            "--seed": self.seed or None,
            "--queries": self.queries,
            "--parent": self.parent,
            "--segment": self.segment or None,
            "--comparisons": self.comparisons,
            "--comparison-images": self.comparison_images,
            "--ratings": self.ratings,
            "--rating-images": self.rating_images,
        }
        said = [f"{name} {shlex.quote(str(value))}" for name, value in values.items() if value is not None]
        said += [f"--map {shlex.quote(f'{column}={field}')}" for field, column in (self.columns or {}).items()]
        flags = {"--correct-raters": self.correct_raters, "--demonstration": self.demonstration}
        return " ".join(
            ["abkit model train", shlex.quote(str(self.table)), *said, *(name for name, on in flags.items() if on)]
        )

    def settled_recipe(self) -> Recipe:
        """Return the recipe with the request's seed and, where it says one, its number of queries."""
        queries = self.queries if isinstance(self.queries, int) else self.recipe.queries
        return replace(self.recipe, seed=self.seed, queries=queries)

    def refuse_options_of_ratings(self) -> None:
        """Refuse what makes no sense where the table is one of comparisons.

        Raises:
            RequestError: An option that only ratings can follow.
        """
        options = {
            "--image-column": self.image_column,
            "--group-column": self.group_column,
            "--scale": self.scale,
            "--correct-raters": self.correct_raters,
            "--comparisons": self.comparisons,
            "--ratings": self.ratings,
            "--queries auto": self.queries == AUTO,
        }
        given = [name for name, value in options.items() if value]
        if given:
            raise RequestError(
                f"{self.table} is a table of comparisons; {', '.join(given)} can only be used with ratings",
                "drop it; or name the ratings first, and these comparisons with --comparisons",
            )

    def refuse_options_beside_outcomes(self) -> None:
        """Refuse what makes no sense where the table is one of outcomes.

        Raises:
            RequestError: An option that only ratings can follow.
        """
        options = {
            "--image-column": self.image_column,
            "--group-column": self.group_column,
            "--scale": self.scale and not self.ratings,
            "--correct-raters": self.correct_raters,
            "--queries auto": self.queries == AUTO,
        }
        given = [name for name, value in options.items() if value]
        if given:
            raise RequestError(
                f"{self.table} is a table of outcomes; {', '.join(given)} can only be used with ratings",
                "drop it; columns of outcomes are named with --map 'COLUMN=FIELD'",
            )


def refuse_half_a_pair(comparisons: Path | str | None, images: Path | None) -> None:
    """Refuse comparisons without their folder of images, and the folder without comparisons.

    Raises:
        RequestError: Only one of the two is given.
    """
    if (comparisons is None) != (images is None):
        raise RequestError(
            "comparisons need their images", "give both --comparisons TABLE and --comparison-images FOLDER"
        )
