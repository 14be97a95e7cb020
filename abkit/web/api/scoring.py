"""Score images that a client sends, or names by their addresses: so that another system can attach scores."""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.responses import Response

from abkit.config import in_words
from abkit.errors import InvalidInput, UsageError
from abkit.store.keys import LONGEST_KEY
from abkit.web.access import audit
from abkit.web.access.guard import Served, Viewer
from abkit.web.access.people import Permission
from abkit.web.api.answers import PREFIX, answer, shows
from abkit.web.api.catalog import Model
from abkit.web.api.once import Key, once
from abkit.workflows.uploads import opened
from abkit.written_files import whole_file

if TYPE_CHECKING:
    from abkit.workflows.scoring.unlogged import ScorerAtHand, UnloggedScores

router = APIRouter(prefix=PREFIX, tags=["scoring"])

#: Addresses of one request; more of them are a job.
MOST_URLS = 50
_MOST_JSON_BYTES = 256 * 1024
_MAKING = threading.Lock()
_TOO_LARGE = "this is larger than what is read"
_UNSAFE = re.compile(r"[^\w.+-]+")


class Addresses(BaseModel):
    """Images of the public web, by their addresses."""

    model_config = ConfigDict(extra="forbid")

    urls: list[Annotated[str, Field(max_length=4000)]] = Field(
        min_length=1, max_length=MOST_URLS, description="https addresses; redirects are not followed"
    )


@dataclass(frozen=True)
class Sent:
    """What a client sent: one image with its name, or addresses."""

    content: bytes
    name: str = ""
    urls: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """What tells it from another one."""
        return hashlib.sha256(self.content).digest() + self.name.encode() + "\n".join(self.urls).encode()

    @property
    def key(self) -> str:
        """The name of what it holds, whatever it is called."""
        return hashlib.sha256(self.content + "\n".join(self.urls).encode()).hexdigest()


async def sent(request: Request, served: Served, person: Viewer) -> Sent:
    """Read the body; the person has been looked at first.

    Raises:
        HTTPException: It is too large (413), or of another type (415).
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            body = Addresses.model_validate_json(await _body(request, _MOST_JSON_BYTES))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{where or 'the request'}: {in_words(first['msg'])}") from error
        return Sent(b"", urls=tuple(body.urls))
    from abkit.workflows.scoring.image_files import max_bytes

    most = max_bytes(served.settings.scoring)
    if kind == "multipart/form-data":
        image = (await request.form()).get("image")
        if not isinstance(image, UploadFile):
            raise InvalidInput("the form has no file called image", hint="curl -F image=@ad.png …")
        content = await image.read(most + 1)
        if len(content) > most:
            raise HTTPException(413, _TOO_LARGE)
        return Sent(content, image.filename or "")
    if kind.startswith(("image/", "video/")) or kind == "application/octet-stream":
        return Sent(await _body(request, most))
    raise HTTPException(415, "send an image, a form with a file called image, or JSON with urls")


async def _body(request: Request, most: int) -> bytes:
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            raise HTTPException(413, _TOO_LARGE)
    return bytes(content)


_BINARY: dict[str, Any] = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"image": {"type": "string", "contentMediaType": "application/octet-stream"}},
    "required": ["image"],
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": Addresses.model_json_schema()},
            "image/*": _BINARY,
            "multipart/form-data": {"schema": _FORM},
        },
    }
}


@router.post("/score", name="api_score", openapi_extra=_BODY)
@shows("abkit.workflows.scoring.unlogged:UnloggedScores")
def score(
    request: Request,
    served: Served,
    person: Viewer,
    what: Annotated[Sent, Depends(sent)],
    model: Model = None,
    log: Annotated[bool, Query(description="Keep the image, and log its score as a candidate of `campaign`.")] = False,
    campaign: Annotated[str, Query(max_length=LONGEST_KEY, description="Where it is logged.")] = "default",
    name: Annotated[str, Query(max_length=200, description="Name of the image, where it is logged.")] = "",
    key: Key = None,
) -> Response:
    """Score one image, or up to 50 by their addresses. Nothing is logged unless `log` is said."""
    from abkit.workflows.scoring.unlogged import UnloggedScores

    def act() -> Response:
        if not log:
            with _noted(served.settings.workspace, what):
                return answer(request, _unlogged(request, served, what, model))
        if not person.can(Permission.OPERATE):
            raise HTTPException(403, f"{person.name} may not log scores: it needs the permission to operate")
        if what.urls:
            raise UsageError("scores of addresses are logged by a job", hint="POST /api/v1/jobs: score_addresses")
        path = _kept(served.settings.workspace, what, name)
        with _noted(served.settings.workspace, what):
            done = served.score([path], campaign=campaign, model=model)
        audit.record(served, person, "score image", f"{campaign}: {path.name}")
        made = UnloggedScores(
            files=done.files,
            model_version=done.model_version,
            model_name=done.model_name,
            demonstration=done.demonstration,
            notice=done.notice,
        )
        return answer(request, made.without_folders())

    return once(request, served, person, key, what.digest, act)


def _noted(workspace: Path, what: Sent) -> AbstractContextManager[None]:
    """Note that what was sent is open: what has ended the server three times is refused."""
    folder = workspace / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    called = "the image" if what.content else "the images of these addresses"
    return opened(folder / what.key, called)


def _unlogged(request: Request, served: Served, what: Sent, model: str | None) -> UnloggedScores:
    from abkit.intake.remote.fetch import Limits
    from abkit.workflows.scoring.image_files import fetched_images, max_bytes

    scorer = scorer_of(request)
    if what.urls:
        limits = Limits(
            file_bytes=max_bytes(served.settings.scoring), size_hint="name smaller images", all_bytes=1e9,
            file_seconds=15, seconds=60,
        )  # fmt: skip
        images = fetched_images(list(what.urls), served.settings.scoring, public=limits)
        with request.app.state.fetching, images as found:
            return scorer.score(served.store, found, model=model)
    with tempfile.TemporaryDirectory(prefix="abkit-score-") as folder:
        path = Path(folder) / _safe(what.name)
        path.write_bytes(what.content)
        made = scorer.score(served.store, [path], model=model)
    return made.without_folders()


def scorer_of(request: Request) -> ScorerAtHand:
    """Return the scorer that this server keeps loaded."""
    from abkit.workflows.scoring.unlogged import ScorerAtHand

    state = request.app.state
    with _MAKING:
        if getattr(state, "scorer", None) is None:
            state.scorer = ScorerAtHand(request.app.state.workspace.settings)
    scorer: ScorerAtHand = state.scorer
    return scorer


def _kept(workspace: Path, what: Sent, name: str) -> Path:
    """Write an image that is logged into the workspace: it is looked at again for overlays and reviews."""
    folder = workspace / "uploads" / hashlib.sha256(what.content).hexdigest()[:32]
    path = folder / _safe(name or what.name)
    with whole_file(path, what="the image", hint="free some space in the workspace", folders=True) as unfinished:
        unfinished.write_bytes(what.content)
    return path


def _safe(name: str) -> str:
    """Return a name as a file can have it, without any folder.

    >>> _safe("../../etc/passwd"), _safe("C:\\\\ads\\\\spring 1.png"), _safe("…")
    ('passwd', 'spring_1.png', 'image')
    """
    last = re.split(r"[/\\]", name)[-1]
    return _UNSAFE.sub("_", last)[-100:].strip("._-") or "image"
