"""`gs://` and `az://`: our side of them, over a file system that answers as gcsfs and adlfs do."""

import importlib
import importlib.util
from io import BytesIO
from typing import Any

import pytest
from fsspec.spec import AbstractFileSystem

from abkit.errors import AbkitError
from abkit.intake.remote import buckets
from abkit.intake.remote.fetch import Fetched, Limits, fetched
from abkit.intake.remote.table import local_table

LIMITS = Limits(file_bytes=1e6, size_hint="split it", file_seconds=5)


class Cloud(AbstractFileSystem):
    """Objects by bucket and key, without folders; keys have neither scheme nor slash in front, as in both packages."""

    protocol = ("gs", "az")
    cachable = False
    objects: dict[str, bytes] = {}  # noqa: RUF012  # as one cloud, whoever asks

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path).strip("/")
        if path in self.objects:
            found = {path: {"name": path, "size": len(self.objects[path]), "type": "file", "etag": "1"}}
        else:
            found = {}
            for key, content in self.objects.items():
                if key.startswith(f"{path}/"):
                    rest = key.removeprefix(f"{path}/")
                    name = f"{path}/{rest.split('/')[0]}"
                    is_file = "/" not in rest
                    size, kind = (len(content), "file") if is_file else (0, "directory")
                    found[name] = {"name": name, "size": size, "type": kind}
        if path.startswith("locked"):
            raise PermissionError("the account key is SECRET")
        if not found:
            raise FileNotFoundError(path)
        return list(found.values()) if detail else list(found)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> BytesIO:  # type: ignore[override]
        return BytesIO(self.objects[self._strip_protocol(path)])


@pytest.fixture(params=["gs", "az"])
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The scheme of a cloud whose package is taken to be installed."""
    monkeypatch.setattr(buckets, "find_spec", lambda name: importlib.util.find_spec("fsspec"))
    registry = importlib.import_module("fsspec.registry")
    monkeypatch.setitem(registry._registry, request.param, Cloud)
    Cloud.objects = {
        "ads/kpi/a.csv": b"day\n1\n",
        "ads/kpi/b.csv": b"day\n2\n",
        "ads/kpi/deep/c.csv": b"day\n3\n",
        "ads/kpi/read.me": b"x",
        "ads/kpi/large.csv": b"x" * 2_000_000,
    }
    return str(request.param)


def fetch(*addresses: str, deep: bool = False) -> tuple[Fetched, dict[str, bytes]]:
    with fetched(addresses, wanted=lambda name: name.endswith(".csv"), deep=deep, limits=LIMITS) as found:
        return found, {found.origins[path].shown: path.read_bytes() for path in found.paths}


def test_objects_folders_and_patterns_of_a_cloud_are_fetched_within_the_limits(cloud: str) -> None:
    assert fetch(f"{cloud}://ads/kpi/a.csv")[1] == {f"{cloud}://ads/kpi/a.csv": b"day\n1\n"}
    found, contents = fetch(f"{cloud}://ads/kpi/")
    assert list(contents) == [f"{cloud}://ads/kpi/a.csv", f"{cloud}://ads/kpi/b.csv"]
    assert found.left_alone == {f"{cloud}://ads/kpi/": (f"{cloud}://ads/kpi/read.me",)}
    (refused,) = found.refused
    assert (refused.address, refused.reason) == (f"{cloud}://ads/kpi/large.csv", "it is larger than 1 MB")
    assert f"{cloud}://ads/kpi/deep/c.csv" in fetch(f"{cloud}://ads/kpi", deep=True)[1]
    assert list(fetch(f"{cloud}://ads/*/[ab].csv")[1]) == [f"{cloud}://ads/kpi/a.csv", f"{cloud}://ads/kpi/b.csv"]


def test_what_a_cloud_does_not_have_or_does_not_give_is_refused_by_itself(cloud: str) -> None:
    found, contents = fetch(f"{cloud}://ads/none.csv", f"{cloud}://locked/a.csv", f"{cloud}://ads/kpi/a.csv")
    assert list(contents) == [f"{cloud}://ads/kpi/a.csv"]
    assert {one.reason for one in found.refused} == {
        "there is no such bucket, folder or object",
        "the credentials do not permit to read it",
    }
    assert "SECRET" not in str(found.refused)


def test_one_table_of_a_cloud_is_read(cloud: str) -> None:
    with local_table(f"{cloud}://ads/kpi/a.csv", max_bytes=1e6) as table:
        assert (table.path.read_bytes(), table.shown) == (b"day\n1\n", f"{cloud}://ads/kpi/a.csv")


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs")])
def test_a_package_that_is_missing_is_named(scheme: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "find_spec", lambda name: None)
    with pytest.raises(AbkitError, match=f"needs the package {package}") as refused:
        buckets.open_bucket(scheme)
    assert refused.value.hint == f"pip install {package}"
