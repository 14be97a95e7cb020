"""Images in a bucket that the workers of a real cluster fetch, two of which kill the process that opens them."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.images import make_image
from tests.remote_files import BUCKET, S3, Server, serving

ROOT = Path(__file__).resolve().parents[4]

# Runs in every process that Ray starts: opening a marked image ends the process, as a fault of a decoder would.
_DEADLY = """
import os, signal, sys
if any("default_worker" in part for part in sys.orig_argv):
    from PIL import Image
    honest = Image.open
    def deadly(fp, *args, **kwargs):
        data = fp.getvalue() if hasattr(fp, "getvalue") else b""
        once = os.environ["ABKIT_TEST_ONCE"]
        if data.endswith(b"ALWAYS") or (data.endswith(b"ONCE") and not os.path.exists(once)):
            open(once, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(fp, *args, **kwargs)
    Image.open = deadly
"""


def image_bytes(seed: int, mark: bytes = b"") -> bytes:
    """A PNG, with something behind its end that no decoder reads."""
    data = BytesIO()
    make_image(seed, (96, 64)).save(data, "PNG")
    return data.getvalue() + mark


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A bucket, as the environment of this process and of its children names it."""
    with serving(S3) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        yield server


@pytest.fixture
def stocked(bucket: Server) -> Server:
    """The bucket with 24 images in two folders, a copy, one that is none, a drawing and a text."""
    for seed in range(24):
        bucket.files[f"spring/{'a' if seed < 12 else 'b'}/{seed:02d}.png"] = image_bytes(seed)
    bucket.files["spring/b/copy.png"] = image_bytes(3)
    bucket.files["spring/b/broken.png"] = b"no image"
    bucket.files["spring/logo.svg"] = b"<svg/>"
    bucket.files["spring/notes.txt"] = b"notes"
    return bucket


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Makes marked images deadly to the workers: those that end with ALWAYS, and with ONCE the first time."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_DEADLY)
    monkeypatch.setenv("PYTHONPATH", f"{site}:{ROOT}:{ROOT / 'model'}")
    monkeypatch.setenv("ABKIT_TEST_ONCE", str(tmp_path / "once"))


SPRING = f"s3://{BUCKET}/spring/"
