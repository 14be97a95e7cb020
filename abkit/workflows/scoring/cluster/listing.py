"""List images by the million: paths of this machine, and objects of buckets folder by folder, without fetching any."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from abkit.errors import AbkitError, UsageError
from abkit.intake.media.images import find_images, names_of
from abkit.intake.remote.address import Address, is_address, local_path, parse_address
from abkit.intake.remote.buckets import open_bucket, walk_objects
from abkit.intake.remote.fetch import reason_of
from abkit_model.decoding.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, kind_of_suffix
from abkit_model.names import composed


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one image lies.

    Attributes:
        place: A path, as bytes of the file system, or a whole address, which is never shown.
        elsewhere: Whether it is an address.
        shown: What it is called in results and in the store.
        reason: Why it is left out; "" for an image to score.
        skipped: Whether it is left out for its kind, with nothing wrong with it.
    """

    place: bytes
    elsewhere: bool
    shown: str
    reason: str = ""
    skipped: bool = False


def list_places(paths: Sequence[str | Path]) -> Iterator[Place]:
    """Yield every image behind paths and addresses, in order, and whatever else people want to be told of.

    A folder stands for all below it. Objects are listed while earlier ones are scored.

    Raises:
        UsageError: An address is not of a kind that is read, or holds credentials.
    """
    given = [parse_address(str(path)) if is_address(path) else local_path(path) for path in paths]
    for one in given:
        yield from _objects(one) if isinstance(one, Address) else _files(one)


def _files(path: Path) -> Iterator[Place]:
    found = find_images([path])
    for file in found.files:
        if os.path.lexists(file):
            yield _file(file)
        else:
            yield _file(file, reason="there is no such file")
    for file, reason in found.unusable:
        yield _file(file, reason=reason)
    for file, reason in found.skipped:
        yield _file(file, reason=reason, skipped=True)


def _file(path: Path, *, reason: str = "", skipped: bool = False) -> Place:
    full = os.fsencode(path.absolute())
    return Place(place=full, elsewhere=False, shown=names_of(path)[0], reason=reason, skipped=skipped)


def _objects(address: Address) -> Iterator[Place]:
    if address.is_web:
        yield _object(address)
        return
    n = 0
    try:
        for one, named in walk_objects(open_bucket(address.scheme), address):
            kind = kind_of_suffix(Path(one.name).suffix)
            if named or Path(one.name).suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
                n += 1
                yield _object(one)
            elif kind:
                yield _object(one, reason=kind.reason, skipped=True)
    except (AbkitError, OSError, ValueError) as error:
        yield _not_listed(address, error, n)
    except Exception as error:  # what the clouds' libraries raise has no common class
        if type(error).__module__.split(".")[0] not in ("botocore", "aiobotocore", "google", "gcsfs", "azure", "adlfs"):
            raise
        yield _not_listed(address, error, n)


def _object(address: Address, *, reason: str = "", skipped: bool = False) -> Place:
    shown = composed(address.shown)
    return Place(place=address.full.encode(), elsewhere=True, shown=shown, reason=reason, skipped=skipped)


def _not_listed(address: Address, error: Exception, n: int) -> Place:
    """Say that a listing broke off: what was listed before is scored, and the rest when the command is run again."""
    if isinstance(error, UsageError):
        raise error
    reason, hint = reason_of(error, address.scheme)
    so_far = f"the list broke off after {n:,} images: " if n else ""
    return _object(address, reason=f"{so_far}{reason} ({hint})" if hint else f"{so_far}{reason}")
