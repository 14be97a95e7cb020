"""Upload: images to be scored and exports to be imported, by the daemon, with progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, File, Form, Path, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from abkit.errors import InvalidInput
from abkit.intake.kpis.header.fields import FIELDS
from abkit.jobs.requests import ask_for_upload, requested, requested_jobs
from abkit.store.keys import LONGEST_KEY, clean_key
from abkit.web.access.audit import record
from abkit.web.access.guard import Operator, Served
from abkit.web.daemon import absent
from abkit.web.rendering import link, page
from abkit.workflows import uploads

if TYPE_CHECKING:
    from abkit.workflows.kpis.preview import ImportPreview
from abkit.workflows.uploads import opened

router = APIRouter()
Token = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
LATEST = 20
LOOKED_AT = 100


@router.get("/upload", name="upload")
def upload(request: Request, served: Served, person: Operator) -> Response:
    """Show both forms, and what became of the last uploads."""
    jobs, _ = requested_jobs(served.store, limit=LATEST)
    most = served.settings.web.max_upload_mb
    return page(
        request, "upload.html.j2", jobs=jobs, most=most, most_files=uploads.MOST_FILES, daemon_absent=absent(served)
    )


@router.post("/upload/images", name="upload_images")
def upload_images(
    request: Request,
    served: Served,
    person: Operator,
    files: Annotated[list[UploadFile], File()],
    campaign: Annotated[str, Form(min_length=1, max_length=LONGEST_KEY)],
) -> Response:
    """Keep images, and ask the daemon to score them."""
    campaign = clean_key(campaign, "campaign")
    kept = uploads.keep_images(served.settings, ((one.filename or "", one.file) for one in files))
    asked = ask_for_upload(served.store, "score_folder", {"folder": kept.folder, "campaign": campaign}, by=person.name)
    record(served, person, "upload images", f"{len(kept.names)} for {campaign}")
    return RedirectResponse(link(request, "requested_job", key=asked.key), 303)


@router.post("/upload/exports", name="upload_exports")
def upload_exports(
    request: Request, served: Served, person: Operator, files: Annotated[list[UploadFile], File()]
) -> Response:
    """Keep exports, and show what an import would make of them."""
    kept = uploads.keep_exports(served.settings, ((one.filename or "", one.file) for one in files))
    record(served, person, "upload exports", ", ".join(kept.names))
    return RedirectResponse(link(request, "uploaded_exports", token=kept.token), 303)


@router.get("/upload/exports/{token}", name="uploaded_exports")
def uploaded_exports(request: Request, served: Served, person: Operator, token: Token) -> Response:
    """Show how each file would be read; nothing is imported yet."""
    kept = uploads.kept_exports(served.settings, token)
    with request.app.state.heavy:
        seen = _previews(served, kept)
    _found_in(request)[token] = _columns(seen)
    return page(request, "uploaded_exports.html.j2", token=token, previews=seen, fields=FIELDS)


@router.post("/upload/exports/{token}", name="import_exports")
async def import_exports(request: Request, served: Served, person: Operator, token: Token) -> Response:
    """Ask the daemon to import the files, with the columns as the form says."""
    from starlette.concurrency import run_in_threadpool

    form = await request.form()
    chosen = {
        str(name).removeprefix("map:"): str(field)
        for name, field in form.items()
        if str(name).startswith("map:") and isinstance(field, str)
    }
    said = {name: str(form.get(name, "")).strip() for name in ("platform", "account", "time_zone")}
    return await run_in_threadpool(_ask, request, served, person, token, chosen, said)


def _ask(
    request: Request, served: Served, person: Operator, token: str, chosen: dict[str, str], said: dict[str, str]
) -> Response:
    if unknown := [field for field in chosen.values() if field and field not in FIELDS]:
        raise InvalidInput(f"there is no field {unknown[0]!r}", hint=f"fields: {', '.join(FIELDS)}")
    kept = uploads.kept_exports(served.settings, token)
    found = _found_in(request).pop(token, None)
    if found is None:  # the server was started anew since the files were looked at
        with request.app.state.heavy:
            found = _columns(_previews(served, kept))
    mapping = {column: field for column, field in chosen.items() if found.get(column, "") != field and column in found}
    arguments = {"folder": kept.folder, "mapping": mapping} | {name: value for name, value in said.items() if value}
    asked = ask_for_upload(served.store, "import_kpis", arguments, by=person.name)
    record(served, person, "import exports", ", ".join(kept.names))
    return RedirectResponse(link(request, "requested_job", key=asked.key), 303)


def _previews(served: Served, kept: uploads.Uploaded) -> list[ImportPreview]:
    """Return how each file would be read; one that has ended the server three times is refused, unopened."""
    from abkit.workflows.kpis.preview import ImportPreview

    seen: list[ImportPreview] = []
    for name in kept.names:
        path = served.settings.workspace / kept.folder / name
        try:
            with opened(path):
                # Where the server keeps it is nobody's business.
                seen += [replace(one, file=name) for one in served.import_kpis([path], dry_run=True)]
        except InvalidInput as refused:
            seen.append(ImportPreview(file=name, error=refused.message, hint=refused.hint))
    return seen


def _columns(previews: Sequence[ImportPreview]) -> dict[str, str]:
    return {column: field for one in previews for column, field in one.columns.items()}


def _found_in(request: Request) -> dict[str, dict[str, str]]:
    """Return what each of the latest uploads was read as, by its token: reading a large export twice takes minutes."""
    kept: dict[str, dict[str, str]] = request.app.state.looked_at
    while len(kept) >= LOOKED_AT:
        kept.pop(next(iter(kept)))
    return kept


@router.get("/upload/jobs/{key}", name="requested_job")
def requested_job(request: Request, served: Served, person: Operator, key: Token) -> Response:
    """Show what became of a request; the page looks again by itself until it is done."""
    job = requested(served.store, key)
    part = "hx-request" in request.headers
    return page(request, "requested_job_state.html.j2" if part else "requested_job.html.j2", job=job)
