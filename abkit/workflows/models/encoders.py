"""Pull the weights of an encoder once; afterwards everything works without network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import AbkitError
from abkit.records import Record, RecordList
from abkit.workflows.models.train import require_model

if TYPE_CHECKING:
    from abkit_model.encoders.catalog import Published


@dataclass(frozen=True, kw_only=True)
class PullPlan(Record):
    """What would be pulled, for a person to agree to.

    Attributes:
        name: The encoder.
        url: Where its weights come from.
        size: Their size in bytes.
        license: Their license; "" where abkit does not know it.
        source: Where that is written, or where to look.
        sha256: The digest that their owner published; "" without one.
        file: Where they go.
        here: Whether they are there already.
        damaged: Whether another file than the one that was pulled is there, or none any more; it is replaced.
    """

    name: str
    url: str
    size: int
    license: str
    source: str
    sha256: str
    file: Path
    here: bool = False
    damaged: bool = False


@dataclass(frozen=True, kw_only=True)
class PulledWeights(Record):
    """Weights that came.

    Attributes:
        name: The encoder.
        file: Where they lie.
        sha256: Their digest.
        pinned: Whether that is the digest that their owner published.
        unconfirmed: Whether nobody has agreed to a digest that nobody published: they are not used yet.
    """

    name: str
    file: Path
    sha256: str
    pinned: bool
    unconfirmed: bool


@dataclass(frozen=True, kw_only=True)
class EncoderLine(Record):
    """One encoder of this machine.

    Attributes:
        name: The encoder.
        megabytes: Size of its weights.
        license: Their license; "" where it is not known.
        sha256: Their digest.
        digest: "published", or "recorded on first use".
        pulled_on: The date; "" for a bundled one.
    """

    name: str
    megabytes: float
    license: str
    sha256: str
    digest: str
    pulled_on: str


@dataclass(frozen=True, kw_only=True)
class Encoders(RecordList):
    """The encoders whose weights are on this machine.

    Attributes:
        lines: One per encoder.
        folder: Where pulled weights lie; it can be copied to a machine without network.
    """

    lines: tuple[EncoderLine, ...]
    folder: Path

    def rows(self) -> list[dict[str, object]]:
        """Return one row per encoder."""
        return [line.to_dict() for line in self.lines]


def plan_pull(name: str) -> PullPlan:
    """Find what would be pulled, and ask its host for the size. Nothing is fetched.

    Raises:
        AbkitError: The host cannot be reached or has no such file.
        EncoderUnavailable: No such encoder is published.
    """
    require_model()
    from abkit.intake.remote.weights import size_of
    from abkit_model.encoders.catalog import published
    from abkit_model.encoders.pulled import weights_of
    from abkit_model.errors import EncoderUnavailable

    found = published(name)
    here = damaged = False
    try:
        here = weights_of(found.name) is not None
    except EncoderUnavailable:
        damaged = True
    return PullPlan(
        name=found.name,
        url=found.url,
        size=_file_of(found).stat().st_size if here else size_of(found.url),
        license=found.license,
        source=found.source,
        sha256=found.sha256,
        file=_file_of(found),
        here=here,
        damaged=damaged,
    )


def pull(plan: PullPlan, *, progress: Callable[[int, int], None]) -> PulledWeights:
    """Fetch what was planned. Weights with a published digest are ready afterwards; others wait for `confirm`.

    Raises:
        AbkitError: They cannot be fetched, or are not those that their owner published; nothing is used then.
    """
    from abkit.intake.remote.weights import fetch
    from abkit_model.encoders.libraries import file_digest

    waiting = _waiting(plan)
    if not waiting.exists():
        fetch(plan.url, waiting, plan.size, progress=progress)
    digest = file_digest(waiting)
    if plan.sha256 and digest != plan.sha256:
        waiting.unlink()
        raise AbkitError(
            f"{plan.url} is not the file that was published: its SHA-256 is {digest}, not {plan.sha256}",
            hint="nothing was kept; try again, and tell the owner if it stays so",
        )
    pinned = bool(plan.sha256)
    if pinned:
        confirm(plan, digest, pinned=True)
    return PulledWeights(name=plan.name, file=plan.file, sha256=digest, pinned=pinned, unconfirmed=not pinned)


def confirm(plan: PullPlan, sha256: str, *, pinned: bool = False) -> None:
    """Record a digest and put the weights where encoders look for them."""
    from abkit_model.encoders.pulled import Pulled, record

    _waiting(plan).replace(plan.file)
    record(
        plan.file.parent,
        Pulled(
            name=plan.name,
            file=plan.file.name,
            url=plan.url,
            sha256=sha256,
            license=plan.license,
            pinned=pinned,
            pulled_on=date.today().isoformat(),  # noqa: DTZ011  # a date for people, where they are
        ),
    )


def discard(plan: PullPlan) -> None:
    """Delete weights that were fetched and not agreed to."""
    _waiting(plan).unlink(missing_ok=True)


def list_encoders() -> Encoders:
    """Return the encoders whose weights are on this machine."""
    require_model()
    from abkit_model.encoders.bundled import VARIANTS
    from abkit_model.encoders.libraries import package_file
    from abkit_model.encoders.pulled import everything, folder, folder_of

    lines = []
    for name, variant in sorted(VARIANTS.items()):
        path = package_file(variant.package, variant.weights)
        if path is not None and path.is_file():
            size = path.stat().st_size / 1e6
            lines.append(_line(f"bundled:{name}", size, "Apache-2.0", variant.sha256, pinned=True, pulled_on=""))
    for one in everything():
        path = folder_of(one.name) / one.file
        if path.is_file():
            size = path.stat().st_size / 1e6
            lines.append(_line(one.name, size, one.license, one.sha256, pinned=one.pinned, pulled_on=one.pulled_on))
    return Encoders(lines=tuple(lines), folder=folder())


def _line(name: str, size: float, license: str, sha256: str, *, pinned: bool, pulled_on: str) -> EncoderLine:
    digest = "published" if pinned else "recorded on first use"
    return EncoderLine(name=name, megabytes=size, license=license, sha256=sha256, digest=digest, pulled_on=pulled_on)


def _file_of(found: Published) -> Path:
    from abkit_model.encoders.pulled import folder_of

    return folder_of(found.name) / found.url.rpartition("/")[2]


def _waiting(plan: PullPlan) -> Path:
    return plan.file.with_name(f"{plan.file.name}.unconfirmed")
