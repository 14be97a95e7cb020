"""Fetch what lies elsewhere into a private folder, within limits of number, size and time.

What was fetched goes through the same readers as any file of this machine. What cannot be fetched is refused by itself.
"""

from __future__ import annotations

import errno
import re
import shlex
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from abkit.errors import AbkitError, UsageError
from abkit.intake.remote.address import ADDRESS, Address, is_address, local_path, parse_address

T = TypeVar("T")
Progress = Callable[[int, int], None]

_AT_ONCE = 8
_LOOK_S = 0.05
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
# What the libraries of the clouds call it when they find no credentials, or none that are accepted.
_NO_CREDENTIALS = frozenset(
    (
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "TokenRetrievalError",
        "UnauthorizedSSOTokenError",
        "DefaultCredentialsError",
        "RefreshError",
        "ClientAuthenticationError",
    )
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is fetched at most.

    Attributes:
        file_bytes: Size of one file.
        size_hint: What to do about a file that is larger.
        files: Number of files behind one address.
        all_bytes: Size of all files.
        file_seconds: Time for one file, or for listing one folder.
        seconds: Time for everything.
    """

    file_bytes: float
    size_hint: str
    files: int = 5_000
    all_bytes: float = 20e9
    file_seconds: float = 900
    seconds: float = 7_200


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something that was not fetched.

    Attributes:
        address: Its address, as it is shown.
        reason: Why, in words.
        hint: What to do about it.
    """

    address: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """Files to read, wherever they came from.

    Attributes:
        paths: Paths of this machine, in the order of what was named.
        origins: By path of a file that was fetched, its address without query and credentials.
        refused: What could not be fetched.
        left_alone: By address of a folder, the addresses in it that nobody asked for.
        named: What was named, as it is shown.
    """

    paths: tuple[Path, ...]
    origins: Mapping[Path, Address] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    left_alone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    named: tuple[str, ...] = ()

    def in_words(self, text: str) -> str:
        """Return a text about files with the addresses in place of the paths that they were fetched to.

        A command in it names the address, or the query, so that it can be run.
        """
        for path, address in self.origins.items():
            command = f"abkit kpi import {address.in_command}"
            text = text.replace(f"abkit kpi import {shlex.quote(str(path))}", command).replace(str(path), address.shown)
            if f"${ADDRESS}" in text:
                text += f"; with the whole address in the variable {ADDRESS}, because it may hold a secret"
        return text


@contextmanager
def fetched(
    paths: Sequence[str | Path],
    *,
    wanted: Callable[[str], bool],
    deep: bool,
    limits: Limits,
    progress: Progress = lambda done, total: None,
    public: bool = False,
) -> Iterator[Fetched]:
    """Yield the files behind paths and addresses; those that were fetched are gone afterwards.

    Args:
        paths: Paths of this machine, which are only passed on, and addresses as text.
        wanted: Returns whether a file of a folder is wanted, by its name.
        deep: Whether a folder stands for all below it, or for what is directly in it.
        limits: What is fetched at most.
        progress: Called with (files fetched, files in all).
        public: Somebody else named them: only https addresses of the public web are fetched, and no paths are read.

    Raises:
        UsageError: An address is not of a kind that is read, or holds credentials.
    """
    if public and any(not is_address(path) for path in paths):
        raise UsageError("only https:// addresses are fetched", hint="name addresses that everybody can reach")
    given = [parse_address(str(path)) if is_address(path) else local_path(path) for path in paths]
    named = tuple(one.shown if isinstance(one, Address) else str(one) for one in given)
    if not any(isinstance(one, Address) for one in given):
        yield Fetched(paths=tuple(one for one in given if isinstance(one, Path)), named=named)
        return
    # Only this user can read the folder.
    with tempfile.TemporaryDirectory(prefix="abkit-fetch-", ignore_cleanup_errors=True) as folder:
        fetching = _Fetching(Path(folder), wanted, deep, limits, public)
        try:
            yield fetching.everything(given, named, progress)
        finally:
            fetching.stop.set()


class _Fetching:
    """One fetching: what it may still take, and what came of it."""

    def __init__(self, folder: Path, wanted: Callable[[str], bool], deep: bool, limits: Limits, public: bool) -> None:
        self.folder, self.wanted, self.deep, self.limits, self.public = folder, wanted, deep, limits, public
        self.stop = threading.Event()
        self.end = time.monotonic() + limits.seconds
        self.lock = threading.Lock()
        self.taken = 0
        self.buckets: dict[str, Any] = {}
        self.refused: list[Refusal] = []
        self.left_alone: dict[str, tuple[str, ...]] = {}

    def everything(self, given: Sequence[Address | Path], named: tuple[str, ...], progress: Progress) -> Fetched:
        """List all addresses, fetch all files, and return them in order."""
        listed: dict[Address | Path, None] = {}
        for one in given:
            listed.update(dict.fromkeys([one] if isinstance(one, Path) else self._listed(one)))
        places = {one: self._place(number, one) for number, one in enumerate(listed) if isinstance(one, Address)}
        progress(0, len(places))
        # Each file has its time, so that waiting for the threads ends.
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as pool:
            try:
                outcomes = pool.map(lambda item: self._attempt(item[0], partial(self._fetch, *item)), places.items())
                came: dict[Address | Path, Path] = {}
                for done, (address, ok) in enumerate(zip(places, outcomes, strict=True), 1):
                    if ok:
                        came[address] = places[address]
                    progress(done, len(places))
            except BaseException:
                self.stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        paths = [one if isinstance(one, Path) else came[one] for one in listed if isinstance(one, Path) or one in came]
        return Fetched(
            paths=tuple(paths),
            origins={path: address for address, path in came.items() if isinstance(address, Address)},
            refused=tuple(sorted(self.refused, key=lambda refusal: refusal.address)),
            left_alone=self.left_alone,
            named=named,
        )

    def _listed(self, address: Address) -> list[Address]:
        found: list[Address] = []
        if self._attempt(address, lambda: found.extend(self._objects(address))):
            return found
        return []

    def _objects(self, address: Address) -> list[Address]:
        if address.is_web or self.public:
            return [address]
        from abkit.intake.remote.buckets import list_objects, open_bucket

        if address.scheme not in self.buckets:
            self.buckets[address.scheme] = self._within(lambda: open_bucket(address.scheme))
        bucket = self.buckets[address.scheme]
        objects, is_folder = self._within(lambda: list_objects(bucket, address, deep=self.deep))
        found = [one for one in objects if not is_folder or self.wanted(one.name)]
        if is_folder and (others := tuple(one.shown for one in objects if not self.wanted(one.name))):
            self.left_alone[address.shown] = others
        if len(found) > self.limits.files:
            raise AbkitError(
                f"{len(found):,} files are behind it, more than {self.limits.files:,}",
                hint="name a folder or pattern with fewer",
            )
        if not found:
            raise AbkitError("no file that is wanted is there", hint="check the folder or the pattern")
        return found

    def _place(self, number: int, address: Address) -> Path:
        """Return the path that an object is fetched to: the name that it has elsewhere is not trusted."""
        folder = self.folder / str(number)
        folder.mkdir()
        safe = _UNSAFE.sub("_", address.name)[-100:].lstrip(".-")
        return folder / (safe or "file")

    def _fetch(self, address: Address, path: Path) -> None:
        ended = threading.Event()
        size = 0

        def take(count: int) -> None:
            nonlocal size
            if ended.is_set() or self.stop.is_set():
                raise TimeoutError
            if size + count > self.limits.file_bytes:
                raise AbkitError(
                    f"it is larger than {self.limits.file_bytes / 1e6:,.6g} MB", hint=self.limits.size_hint
                )
            with self.lock:
                fits = self.taken + count <= self.limits.all_bytes
                self.taken += count if fits else 0  # what does not fit leaves room for smaller files
            if not fits:
                raise AbkitError(
                    f"all files together are larger than {self.limits.all_bytes / 1e6:,.6g} MB",
                    hint="fetch fewer at a time",
                )
            size += count

        def copy() -> None:
            if self.public:
                from abkit.intake.remote.public import fetch_public

                fetch_public(address, path, take)
            elif address.is_web:
                from abkit.intake.remote.web import fetch_web

                fetch_web(address, path, take)
            else:
                from abkit.intake.remote.buckets import copy_object

                copy_object(self.buckets[address.scheme], address, path, take)

        try:
            self._within(copy)
        except BaseException:
            ended.set()
            path.unlink(missing_ok=True)
            with self.lock:
                self.taken -= size
            raise

    def _within(self, work: Callable[[], T]) -> T:
        """Do something in a thread of its own, which is left behind when its time is over or all is stopped.

        Raises:
            TimeoutError: It took too long.
        """
        outcome: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:
                failure.append(error)

        end = min(self.end, time.monotonic() + self.limits.file_seconds)
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(_LOOK_S)
            if thread.is_alive() and (self.stop.is_set() or time.monotonic() > end):
                raise TimeoutError
        if failure:
            raise failure[0]
        return outcome[0]

    def _attempt(self, address: Address, work: Callable[[], None]) -> bool:
        """Do something with an address; whatever happens to one, the others go on."""
        try:
            work()
        except Exception as error:
            reason, hint = reason_of(error, address.scheme)
            self.refused.append(Refusal(address=address.shown, reason=reason, hint=hint))
            return False
        return True


def reason_of(error: BaseException, scheme: str) -> tuple[str, str]:
    """Return why something could not be fetched, and what to do. The error's own text may hold the whole address.

    >>> reason_of(FileNotFoundError("s3://bucket/key"), "s3")
    ('there is no such bucket, folder or object', 'check the address')
    """
    if isinstance(error, AbkitError):
        return error.message, error.hint or ""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    kinds = {type(one).__name__ for one in chain}
    inner = getattr(error, "reason", None)
    if kinds & _NO_CREDENTIALS:
        return "there are no credentials for it", _credentials_hint(scheme)
    if isinstance(error, PermissionError):
        return "the credentials do not permit to read it", _credentials_hint(scheme)
    if "FileExpired" in kinds:
        return "it changed while it was read", "wait until it is complete, then try again"
    if isinstance(error, FileNotFoundError):
        return "there is no such bucket, folder or object", "check the address"
    if isinstance(error, TimeoutError) or isinstance(inner, TimeoutError):
        return "it took too long", "try again, or name fewer files"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk of temporary files is full", "set TMPDIR to a folder with more room"
    what = type(inner if isinstance(inner, BaseException) else error).__name__
    return f"it cannot be reached or read ({what})", "check the address and the network"


def _credentials_hint(scheme: str) -> str:
    return {
        "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; FSSPEC_S3_ANON=true for public buckets",
        "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
        "az": "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    }.get(scheme, "use an address that is presigned")
