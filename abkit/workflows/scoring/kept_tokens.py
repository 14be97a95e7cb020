"""What the encoder saw is kept, so that another scorer with the same encoder need not run it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from abkit.config import Settings

if TYPE_CHECKING:
    from abkit_model.data.tokens import TokenCache
    from abkit_model.encoders.frozen import Encoded


def token_cache(settings: Settings | None) -> TokenCache | None:
    """Return a workspace's token cache, as large as its settings allow; None without a workspace or at 0 MB."""
    from abkit_model.data.tokens import TokenCache

    most = settings.scoring.token_cache_mb * 2**20 if settings else 0
    return TokenCache(settings.cache_folder / "tokens", most) if settings and most else None


@dataclass
class KeptTokens:
    """The token cache of a workspace, as scoring uses it.

    Attributes:
        settings: Where the cache is, and how large it may be; 0 MB keeps nothing.
        fingerprint: The encoder whose tokens are meant.
        used: How many contents were scored from tokens of the cache.
        failed: Writing failed; nothing more is written, and scoring goes on.
    """

    settings: Settings
    fingerprint: str
    used: int = 0
    failed: bool = False

    @cached_property
    def _cache(self) -> TokenCache | None:
        return token_cache(self.settings)

    def batches(self, sha256s: Sequence[str]) -> Iterator[tuple[list[str], Encoded]]:
        """Yield the contents whose tokens are kept, with their tokens, batch by batch."""
        if self._cache is None:
            return
        from abkit_model.encoders.frozen import collate

        found = ((sha256, self._cache.get(sha256, self.fingerprint)) for sha256 in sha256s)
        kept = ((sha256, row) for sha256, row in found if row is not None)
        while batch := list(islice(kept, self.settings.scoring.batch_size)):
            digests, rows = [sha256 for sha256, _ in batch], [row for _, row in batch]
            self.used += len(rows)
            yield digests, collate(rows)

    def keep(self, positions: Mapping[str, int], encoded: Encoded) -> None:
        """Store the tokens of contents, each at its position in a batch."""
        from abkit_model.data.tokens import split

        if self._cache is None:
            return
        for sha256, position in positions.items():
            if self.failed:
                return
            self.failed = not self._cache.put(sha256, self.fingerprint, split(encoded, position))

    def trim(self) -> None:
        """Delete the oldest tokens beyond the size that the settings allow."""
        if self._cache is not None:
            self._cache.trim()

    @property
    def note(self) -> str:
        """What the reader of the scores has to be told, if anything."""
        if not self.failed:
            return ""
        return (
            f"the output of the encoder could not be kept in {self.settings.cache_folder} (is the disk full?): the "
            "scores are complete, but another scorer will have to encode these images again"
        )
