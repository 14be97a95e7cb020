"""The token cache: shared by processes, never larger than it may be, never a reason to fail."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from abkit_model.data.tokens import Row, TokenCache

SHA, ENCODER = "ab" * 32, "0123456789abcdef"


def row(seed: int = 0) -> Row:
    random = torch.Generator().manual_seed(seed)
    mask = torch.tensor([True] * 5 + [False])
    return torch.randn(6, 8, generator=random).half().float(), mask, torch.randn(12, generator=random), (2, 3)


def same(one: Row | None, other: Row) -> bool:
    return one is not None and all(torch.equal(a, b) for a, b in zip(one[:3], other[:3], strict=True))  # type: ignore[arg-type]


def only_file(folder: Path) -> Path:
    (path,) = (path for path in folder.rglob("*") if path.is_file())
    return path


def test_what_was_put_comes_back_and_leaves_one_file(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    assert cache.get(SHA, ENCODER) is None
    assert cache.put(SHA, ENCODER, row())
    assert same(cache.get(SHA, ENCODER), row())
    assert only_file(tmp_path).name == f"{SHA}.tokens"
    assert cache.get(SHA, "another encoder") is None


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.999], ids="{:.1%}".format)
def test_a_file_that_was_cut_off_is_dropped_and_made_again(tmp_path: Path, share: float) -> None:
    cache = TokenCache(tmp_path)
    cache.put(SHA, ENCODER, row())
    path = only_file(tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    assert cache.get(SHA, ENCODER) is None
    assert not path.exists()
    assert cache.put(SHA, ENCODER, row())
    assert same(cache.get(SHA, ENCODER), row())


def with_digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest() + data


@pytest.mark.parametrize(
    "content",
    [
        with_digest(b""),
        with_digest(b"no tensors"),
        with_digest(safetensors.torch.save({"tokens": torch.zeros(6, 8)})),
        with_digest(
            safetensors.torch.save(
                {
                    "tokens": torch.zeros(6, 8),
                    "mask": torch.ones(7, dtype=torch.bool),
                    "embedding": torch.zeros(12),
                    "grid": torch.tensor([2, 3]),
                }
            )
        ),
    ],
    ids=["empty", "no tensors", "one tensor", "shapes that contradict"],
)
def test_a_file_with_something_else_in_it_is_dropped(tmp_path: Path, content: bytes) -> None:
    cache = TokenCache(tmp_path)
    cache.put(SHA, ENCODER, row())
    path = only_file(tmp_path)
    path.write_bytes(content)
    assert cache.get(SHA, ENCODER) is None
    assert not path.exists()


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.model.data.test_tokens import ENCODER, SHA, row
from abkit_model.data.tokens import TokenCache
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # no file may grow beyond 100 bytes: writing fails midway
print(TokenCache(Path(sys.argv[1])).put(SHA, ENCODER, row(2)))
"""


def test_where_no_space_is_left_nothing_is_stored_and_the_former_file_stays_whole(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    cache.put(SHA, ENCODER, row(1))
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout == "False\n", done.stderr
    assert same(cache.get(SHA, ENCODER), row(1))
    assert only_file(tmp_path).suffix == ".tokens"


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    cache = TokenCache(tmp_path / "taken")
    assert cache.put(SHA, ENCODER, row()) is False
    assert cache.get(SHA, ENCODER) is None
    assert cache.trim() == 0


def test_the_files_used_longest_ago_go_first_and_abandoned_ones_too(tmp_path: Path) -> None:
    cache = TokenCache(tmp_path)
    names = [f"{number:02d}" * 32 for number in range(4)]
    for number, name in enumerate(names):
        cache.put(name, ENCODER, row(number))
        age = time.time() - 1000 + number
        os.utime(next(tmp_path.rglob(f"{name}.tokens")), (age, age))
    folder = next(tmp_path.rglob("*.tokens")).parents[1]
    killed, writing = folder / "killed.unfinished", folder / "writing.unfinished"
    for path in (killed, writing):
        path.write_bytes(b"half")
    os.utime(killed, (1, 1))
    assert cache.get(names[0], ENCODER) is not None  # used now
    size = next(tmp_path.rglob(f"{names[0]}.tokens")).stat().st_size
    assert TokenCache(tmp_path, max_bytes=2 * size).trim() == 2
    assert [cache.get(name, ENCODER) is not None for name in names] == [True, False, False, True]
    assert (killed.exists(), writing.exists()) == (False, True)


WORKER = """
import sys
from pathlib import Path
from tests.model.data.test_tokens import ENCODER, row, same
from abkit_model.data.tokens import TokenCache
cache = TokenCache(Path(sys.argv[1]), max_bytes=20_000)
wrong = found = 0
for turn in range(300):
    name = f"{turn % 30:02d}" * 32
    seen = cache.get(name, ENCODER)
    if seen is None:
        assert cache.put(name, ENCODER, row(turn % 30))
    else:
        found += 1
        wrong += not same(seen, row(turn % 30))
    if turn % 20 == 0:
        cache.trim()
print(found, wrong)
"""


def test_processes_that_read_write_and_trim_at_once_never_see_half_a_file_nor_fail(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
        )
        for _ in range(3)
    ]  # fmt: skip
    for worker in workers:
        out, said = worker.communicate(timeout=120)
        assert worker.returncode == 0, said
        found, wrong = map(int, out.split())
        assert found > 0
        assert wrong == 0
    TokenCache(tmp_path, max_bytes=20_000).trim()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".tokens"}
    assert sum(path.stat().st_size for path in files) <= 20_000
