"""Answers of tools: text of bounded length, small images, and errors in sentences."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, ParamSpec

from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ToolError
from PIL import Image as Pillow

from abkit.errors import AbkitError, UsageError
from abkit.records import to_json
from abkit.redaction import redacted

Said = list[Any]
Asked = ParamSpec("Asked")

_log = logging.getLogger(__name__)
#: Characters of a text, longest edges of images in pixels, and images of one answer.
MOST_TEXT = 20_000
SIDE, LARGE_SIDE = 320, 1024
MOST_IMAGES = 6


def in_sentences(tool: Callable[Asked, Said]) -> Callable[Asked, Said]:
    """Let a tool fail with a sentence and what to do; what it did not expect goes to the log alone."""

    @functools.wraps(tool)
    def told(*args: Asked.args, **kwargs: Asked.kwargs) -> Said:
        try:
            return tool(*args, **kwargs)
        except AbkitError as error:
            raise ToolError(redacted(f"{error.message}. {error.hint or ''}".strip())) from None
        except ToolError:
            raise
        except Exception as error:
            _log.exception("the tool %s failed", getattr(tool, "__name__", "?"))
            raise ToolError(f"abkit failed ({type(error).__name__}); its log has the details") from None

    return told


def text(record: Any) -> str:
    """Return a record as text: the table that a terminal shows, cut off where it is too long."""
    return cut(str(record))


def json_text(record: Any) -> str:
    """Return a record as JSON, cut off where it is too long."""
    return cut(to_json(record, indent=1))


def cut(said: str) -> str:
    """Return a text, or its beginning and how much is missing.

    >>> cut("short")
    'short'
    """
    if len(said) <= MOST_TEXT:
        return said
    return f"{said[:MOST_TEXT]}\n… and {len(said) - MOST_TEXT:,} more characters: ask for less"


def small(image: Pillow.Image, side: int = SIDE) -> Image:
    """Return an image as a JPEG with a longer edge of at most so many pixels."""
    made = image.convert("RGB")
    made.thumbnail((side, side))
    content = BytesIO()
    made.save(content, "JPEG", quality=80, optimize=True)
    return Image(data=content.getvalue(), format="jpeg")


def inside(workspace: Path, path: str) -> Path:
    """Return a path of the workspace; links are followed first.

    Args:
        workspace: Its folder.
        path: As it was asked for, absolute or from the workspace on.

    Raises:
        UsageError: It is outside the workspace, or not there.
    """
    root = workspace.resolve()
    try:
        found = (root / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError("this is not a path", hint="name a file or folder inside the workspace") from error
    # Outside, whether something is there is nobody's business either.
    if not found.is_relative_to(root):
        raise UsageError(f"{path} is outside the workspace", hint=f"only what is below {root} is read")
    if not found.exists():
        raise UsageError(f"there is no file or folder {path} in the workspace", hint=f"the workspace is {root}")
    return found
