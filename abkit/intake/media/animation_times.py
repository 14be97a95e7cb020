"""How long an animation plays, from the delays that its file names for its frames."""

from __future__ import annotations

from dataclasses import dataclass

from abkit.intake.media.containers import parts

# Browsers show a frame whose delay is so short, or 0, for a tenth of a second.
_SHORTEST, _SHOWN = 0.011, 0.1


@dataclass(frozen=True, kw_only=True)
class Playing:
    """How an animation plays.

    Attributes:
        frames: Number of frames.
        seconds: Length of one pass.
        plays: How often it is played; 0 for ever.
    """

    frames: int
    seconds: float
    plays: int

    @property
    def total(self) -> float:
        """Seconds until it stops; infinity where it never does."""
        return self.seconds * self.plays if self.plays else float("inf")


def playing(data: bytes) -> Playing | None:
    """Return how a GIF, an animated PNG or an animated WebP plays; None for a still image, and for other formats."""
    delays: list[float] = []
    images, plays = 0, 1
    for name, content in parts(data):
        if name == "control" and len(content) >= 3:
            delays.append(int.from_bytes(content[1:3], "little") / 100)
        elif name == "image":
            images += 1
        elif name == "application" and content[:11] in (b"NETSCAPE2.0", b"ANIMEXTS1.0") and len(content) >= 14:
            repeats = int.from_bytes(content[12:14], "little")
            plays = repeats + 1 if repeats else 0  # a GIF counts how often it starts again
        elif name == "acTL" and len(content) >= 8:
            plays = int.from_bytes(content[4:8], "big")
        elif name == "fcTL" and len(content) >= 24:
            over = int.from_bytes(content[22:24], "big") or 100
            delays.append(int.from_bytes(content[20:22], "big") / over)
            images += 1
        elif name == "ANIM" and len(content) >= 6:
            plays = int.from_bytes(content[4:6], "little")
        elif name == "ANMF" and len(content) >= 16:
            delays.append(int.from_bytes(content[12:15], "little") / 1000)
            images += 1
    if images < 2:
        return None
    shown = [_SHOWN if delay < _SHORTEST else delay for delay in delays[:images]]
    return Playing(frames=images, seconds=round(sum(shown) + _SHOWN * (images - len(shown)), 3), plays=plays)
