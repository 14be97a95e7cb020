"""Buckets of S3, Google Cloud Storage and Azure through fsspec: list what is meant, and copy single objects.

Credentials are those of the environment, as the libraries behind it read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from glob import has_magic
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from abkit.errors import AbkitError
from abkit.intake.remote.address import BUCKETS, Address

#: Objects that are looked through for one address.
MOST_LISTED = 100_000
_MOST_PAGES = 2_000
_CHUNK = 1 << 20
_BLOCK = 1 << 23
_MARKS = ("size", "ETag", "etag", "generation", "LastModified", "last_modified", "mtime")


def open_bucket(scheme: str) -> Any:
    """Return the file system of a kind of bucket, without any cache.

    Raises:
        AbkitError: The package that reads it is not installed.
    """
    package = BUCKETS[scheme]
    if find_spec("fsspec") is None or find_spec(package) is None:
        extra = "pip install 'abkit[cloud]'" if package == "s3fs" else f"pip install {package}"
        raise AbkitError(f"{scheme}:// needs the package {package}", hint=extra)
    import fsspec

    options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        # Fewer and shorter attempts than usual: a person waits.
        options["config_kwargs"] = {"connect_timeout": 15, "read_timeout": 60, "retries": {"max_attempts": 3}}
    return fsspec.filesystem(scheme, **options)


def _bound_listing(bucket: Any) -> None:
    """Have the next listing end: a server may always say that there is more, and all of it would be held in memory."""
    if not hasattr(bucket, "_call_s3"):  # another cloud: there the time alone is limited
        return
    usual = type(bucket)._call_s3.__get__(bucket)  # each page of each kind of listing comes through it
    objects = pages = 0

    async def call(method: str, *arguments: Any, **named: Any) -> Any:
        nonlocal objects, pages
        answer = await usual(method, *arguments, **named)
        if method.startswith("list_objects"):
            objects += len(answer.get("Contents", ())) + len(answer.get("CommonPrefixes", ()))
            pages += 1
            if objects > MOST_LISTED or pages > _MOST_PAGES:
                raise AbkitError(
                    f"its listing does not end: {objects:,} objects in {pages:,} pages",
                    hint=f"name a folder with fewer; at most {MOST_LISTED:,} are looked through",
                )
        return answer

    bucket._call_s3 = call


def list_objects(bucket: Any, address: Address, *, deep: bool) -> tuple[list[Address], bool]:
    """Return the objects that an address means, and whether it names a folder.

    An object stands for itself, a folder (a prefix) for what is in it, a pattern for what it matches.

    Args:
        bucket: Of `open_bucket`.
        address: The object, folder or pattern.
        deep: Whether a folder stands for all below it, or for what is directly in it.

    Raises:
        FileNotFoundError: There is nothing.
    """
    _bound_listing(bucket)
    key = address.key
    if has_magic(key) and not bucket.exists(key):
        return _objects(address, bucket.glob(key, detail=True)), False
    info = bucket.info(key.rstrip("/"))
    if info["type"] == "file" and not key.endswith("/"):
        return [address], False
    found = bucket.find(key.rstrip("/"), detail=True, **({} if deep else {"maxdepth": 1}))
    return _objects(address, found), True


def walk_objects(bucket: Any, address: Address) -> Iterator[tuple[Address, bool]]:
    """Yield the objects that an address means, and whether each was named itself, one folder in memory at a time.

    Raises:
        FileNotFoundError: There is nothing.
    """
    key = address.key
    if has_magic(key) and not bucket.exists(key):
        yield from ((one, True) for one in _objects(address, bucket.glob(key, detail=True)))
        return
    if bucket.info(key.rstrip("/"))["type"] == "file" and not key.endswith("/"):
        yield address, True
        return
    for _, _, files in bucket.walk(key.rstrip("/"), detail=True, on_error="raise"):
        yield from ((one, False) for one in _objects(address, {info["name"]: info for info in files.values()}))


def _objects(address: Address, found: dict[str, Any]) -> list[Address]:
    # Consoles of buckets make empty objects for folders.
    keys = sorted(key for key, info in found.items() if info["type"] == "file" and not key.endswith("/"))
    visible = [key for key in keys if not key.rsplit("/", 1)[-1].startswith((".", "~$"))]
    full = [f"{address.scheme}://{key}" for key in visible]
    return [Address(scheme=address.scheme, full=text, shown=text) for text in full]


def copy_object(bucket: Any, address: Address, path: Path, take: Callable[[int], None]) -> None:
    """Copy an object into a file.

    Args:
        bucket: Of `open_bucket`.
        address: The object.
        path: The file that is written.
        take: Told the number of bytes before they are written; raises to end it.

    Raises:
        AbkitError: It changed meanwhile.
        FileNotFoundError: It is gone.
    """
    before = _mark(bucket.info(address.key))
    size = 0
    with bucket.open(address.key, "rb", block_size=_BLOCK, cache_type="readahead") as source, path.open("wb") as out:
        while chunk := source.read(_CHUNK):
            take(len(chunk))
            out.write(chunk)
            size += len(chunk)
    after = _mark(bucket.info(address.key))
    if after != before or size != before["size"]:
        raise AbkitError("it changed while it was read", hint="wait until it is complete, then try again")


def _mark(info: dict[str, Any]) -> dict[str, Any]:
    return {name: info.get(name) for name in _MARKS}
