"""How well pictures fit a brief: the cosine of picture and text in the space that an encoder's two towers share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from abkit.config import ScoringSettings
from abkit.errors import AbkitError, UsageError
from abkit.store import scores
from abkit.store.engine import Store
from abkit.store.runs import RunRecord
from abkit.workflows.scoring.decoding import decoded, decoders

if TYPE_CHECKING:
    from abkit.workflows.models.active import Champion
    from abkit_model.encoders.frozen import FrozenEncoder

#: Said with every fit that is shown.
MEANING = (
    "fit is the cosine of picture and brief as this encoder sees them. It ranks the pictures of this campaign for this "
    "brief; it is no probability, and values of other briefs or encoders cannot be compared with it. It has no "
    "interval: the same picture, brief and encoder always give the same value, and how far it goes with what people "
    "do has not been measured"
)


@dataclass(frozen=True)
class Brief:
    """A text, and the encoder that places pictures beside it.

    Attributes:
        text: What the pictures are to show.
        encoder: The encoder, ready to look at pictures.
        vector: `(P,)`, where the text lies; of length 1.
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
        cosine: from -1 to 1.
        rank, n: place among the n creatives of the campaign that this encoder has seen; 1 fits best.
    """

    cosine: float
    rank: int
    n: int


def read_brief(text: str, champion: Champion, encoder: str | None) -> Brief:
    """Load the encoder with its text tower, and read the text.

    Args:
        text: the brief.
        champion: the scorer, whose own encoder is used when it can read.
        encoder: name of another encoder, or None.

    Raises:
        UsageError: the champion's encoder cannot read, and no other is named.
        AbkitError: the champion's encoder is not the one that it was.
        ModelError: the encoder is not at hand or cannot read, or the text is empty or too long.
    """
    name = encoder or champion.version.encoder
    if not encoder and not name.startswith("openclip:"):
        raise UsageError(
            f"the scorer {champion.version.name} looks at pictures with {name}, which cannot read a brief",
            hint="name an OpenCLIP encoder whose weights are on this machine, such as "
            "--brief-encoder openclip:ViT-B-32/PATH-OF-WEIGHTS (docs/encoders.md)",
        )
    from abkit_model.encoders.load import load_encoder
    from abkit_model.encoders.openclip_towers import checked_text

    text = checked_text(text)
    loaded = load_encoder(name, text=True)
    if name == champion.version.encoder and loaded.fingerprint != champion.version.encoder_fingerprint:
        raise AbkitError(
            f"the weights of {name} are not those that {champion.version.name} was trained on "
            f"(fingerprint {loaded.fingerprint}, not {champion.version.encoder_fingerprint})",
            hint="put the former weights back, or name another encoder with --brief-encoder",
        )
    vector = loaded.embed_text(text)
    loaded.forget_text()
    return Brief(text, loaded, vector)


def fit_pictures(
    store: Store,
    settings: ScoringSettings,
    run: RunRecord,
    campaign_id: int,
    brief: Brief,
    pictures: Mapping[int, Path],
    progress: Callable[[int, int], None],
) -> dict[int, Fit]:
    """Fits of all creatives of a campaign that the brief's encoder has seen, by creative; they are logged.

    Args:
        store: the store.
        settings: batch size and limits.
        run: whose work this is.
        campaign_id: the campaign whose creatives are ranked.
        brief: the text and its encoder.
        pictures: creative → file, of those that the encoder is to look at if it has not yet.
        progress: called with (pictures looked at, pictures to look at).
    """
    fingerprint = brief.encoder.fingerprint
    with store.read() as session:
        seen = scores.campaign_embeddings(session, campaign_id, fingerprint)
    unseen = {path: id_ for id_, path in pictures.items() if id_ not in seen}
    with decoders() as pool:
        for batch in decoded(pool, list(unseen), brief.encoder.prepare, settings, {}):
            vectors = brief.encoder.encode([item.prepared for item in batch]).embedding.numpy()
            made = {
                unseen[item.path]: vector.astype("<f2").tobytes() for item, vector in zip(batch, vectors, strict=True)
            }
            with store.write() as session:
                scores.write_embeddings(session, run, fingerprint, made)
            seen |= made
            progress(sum(id_ in seen for id_ in unseen.values()), len(unseen))
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
    return ranked(cosines)


def _cosines(embeddings: Mapping[int, bytes], brief: Brief) -> dict[int, float]:
    found = {}
    for id_, stored in embeddings.items():
        picture = np.frombuffer(stored, dtype="<f2")[: len(brief.vector)].astype(np.float64)
        length = np.linalg.norm(picture)
        if np.isfinite(length) and length > 0:  # weights that overflow half precision say nothing
            found[id_] = float(np.clip(picture @ brief.vector / length, -1, 1))
    return found


def ranked(cosines: Mapping[int, float]) -> dict[int, Fit]:
    """Ranks of cosines, the highest first; equal ones share a rank.

    >>> ranked({7: 0.21, 8: 0.3, 9: 0.21})[9]
    Fit(cosine=0.21, rank=2, n=3)
    """
    values: Sequence[float] = sorted(cosines.values(), reverse=True)
    first = {value: rank for rank, value in reversed(list(enumerate(values, start=1)))}
    return {id_: Fit(value, first[value], len(values)) for id_, value in cosines.items()}
