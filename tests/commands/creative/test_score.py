"""`abkit score` as a person meets it: real folders, real faults; real processes where they are the point."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from abkit.store.database.engine import Store
from tests.commands.conftest import Here
from tests.conftest import Abkit
from tests.films import save_film
from tests.images import broken_files, make_image, save_images
from tests.profiles import DISPLAY_P3, in_space, rgb_profile

FIELDS = {
    "path", "sha256", "creative_id", "status", "reason", "mean", "std", "distribution",
    "ci_low", "ci_high", "ci_level", "scale", "rank", "model_version", "novelty",
}  # fmt: skip


def run(*arguments: object, cwd: Path, **options: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "abkit", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, **options
    )


def test_the_json_has_one_entry_per_file_with_all_fields(here: Here, quick_workspace: Path) -> None:
    save_images(quick_workspace / "ads", 3)
    broken_files(quick_workspace / "ads")
    result = here("score", "ads", "--campaign", "spring", "-f", "json", cwd=quick_workspace)

    assert result.returncode == 0, result.stderr
    entries = json.loads(result.stdout)
    assert len(entries) == 11
    assert all(entry.keys() >= FIELDS for entry in entries)
    scored = [entry for entry in entries if entry["status"] == "scored"]
    assert sorted(entry["rank"] for entry in scored) == [1, 2, 3]
    assert all(entry["scale"] == [1, 7] and entry["ci_level"] == 0.9 for entry in scored)
    assert all(entry["reason"] and entry["mean"] is None for entry in entries if entry["status"] == "rejected")

    again = json.loads(here("score", "ads", "--campaign", "spring", "-f", "json", cwd=quick_workspace).stdout)
    assert {entry["status"] for entry in again} == {"known", "rejected"}


def test_the_table_is_on_stdout_and_everything_else_on_stderr(here: Here, quick_workspace: Path) -> None:
    save_images(quick_workspace / "ads", 2)
    result = here("score", "ads", "-c", "spring", cwd=quick_workspace)
    assert "creative_0000.png" in result.stdout
    assert "demonstration" in result.stdout
    assert "█" in result.stdout
    assert "2 scored, 0 known, 0 rejected" in result.stderr


@pytest.mark.parametrize("folder", ["taken", "taken/overlays"])
def test_overlays_that_have_no_folder_to_go_to_are_wrong_usage_before_anything_is_scored(
    here: Here, quick_workspace: Path, folder: str
) -> None:
    save_images(quick_workspace / "ads", 1)
    (quick_workspace / "taken").write_text("a file")
    result = here("score", "ads", "--explain", folder, cwd=quick_workspace)
    assert result.returncode == 2
    assert "taken is not a folder" in result.stderr
    assert result.stderr.count("Error:") == 1
    assert whole_rows(quick_workspace / "abkit.db") == 0


def test_it_fails_when_nothing_could_be_scored(here: Here, quick_workspace: Path) -> None:
    broken_files(quick_workspace / "ads")
    result = here("score", "ads", cwd=quick_workspace)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr


def test_a_file_that_does_not_exist_is_rejected_and_the_others_are_scored(here: Here, quick_workspace: Path) -> None:
    save_images(quick_workspace / "ads", 1)
    result = here("score", "ads", "missing.png", "-f", "json", cwd=quick_workspace)
    assert result.returncode == 0
    assert {entry["path"]: entry["status"] for entry in json.loads(result.stdout)} == {
        "ads/creative_0000.png": "scored",
        "missing.png": "rejected",
    }


@pytest.mark.parametrize(
    ("break_it", "said", "hint"),
    [
        ("UPDATE alembic_version SET version_num = '0001_scoring'", "needs", "abkit db upgrade"),
        ("UPDATE alembic_version SET version_num = '9999_later'", "newer abkit", "upgrade abkit"),
        ("DROP TABLE alembic_version", "not an abkit store", "abkit init"),
    ],
)
def test_a_store_of_another_version_is_one_sentence(
    here: Here, quick_workspace: Path, break_it: str, said: str, hint: str
) -> None:
    save_images(quick_workspace / "ads", 1)
    with sqlite3.connect(quick_workspace / "abkit.db") as connection:
        connection.execute(break_it)
    result = here("score", "ads", cwd=quick_workspace)
    assert result.returncode == 1
    error, advice = result.stderr.strip().splitlines()
    assert said in error
    assert hint in advice


def test_no_workspace_is_one_sentence(here: Here, tmp_path: Path) -> None:
    result = here("score", ".", cwd=tmp_path)
    assert result.returncode == 2
    assert "abkit init" in result.stderr


def test_a_damaged_checkpoint_is_one_sentence(here: Here, quick_workspace: Path) -> None:
    save_images(quick_workspace / "ads", 1)
    weights = quick_workspace / "checkpoint" / "queries.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    result = here("score", "ads", cwd=quick_workspace)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.count("Error:") == 1


def test_a_disk_that_is_full_is_one_sentence_and_the_next_run_completes(here: Here, quick_workspace: Path) -> None:
    save_images(quick_workspace / "ads", 40)
    database = quick_workspace / "abkit.db"
    limit = 64 * 1024  # what a full disk does to every write, without one

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = run("score", "ads", cwd=quick_workspace, preexec_fn=no_room)
    assert result.returncode == 1
    assert "no file of this process may grow beyond" in result.stderr
    assert "Traceback" not in result.stderr

    complete = here("score", "ads", "-f", "json", cwd=quick_workspace)
    assert len([entry for entry in json.loads(complete.stdout) if entry["mean"] is not None]) == 40
    assert whole_rows(database) == 40


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everywhere")
@pytest.mark.parametrize("arguments", [("score", "ads"), ("model", "list"), ("init", ".")], ids=lambda given: given[0])
def test_a_read_only_folder_is_one_sentence(quick_workspace: Path, arguments: tuple[str, ...]) -> None:
    save_images(quick_workspace / "ads", 1)
    (quick_workspace / "abkit.db").chmod(0o444)
    quick_workspace.chmod(0o555)
    # Root without these two capabilities is held by file modes like everybody else.
    as_anybody = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    command = [*as_anybody, sys.executable, "-m", "abkit", *arguments]
    try:
        result = subprocess.run(command, cwd=quick_workspace, capture_output=True, text=True)
    finally:
        quick_workspace.chmod(0o755)
    assert result.returncode == 1, result.stderr
    error, hint = result.stderr.strip().splitlines()
    assert "may not be written" in error
    assert "permission" in hint


def whole_rows(database: Path) -> int:
    """How many creatives are complete; fails when one is there in part."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN")  # one snapshot: somebody may be writing
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        creatives, scores, embeddings, named, candidates = (
            connection.execute(f"SELECT count(DISTINCT {column}) FROM {table}").fetchone()[0]
            for column, table in (
                ("id", "creative"),
                ("creative_id", "score"),
                ("creative_id", "embedding"),
                ("creative_id", "creative_alias"),
                ("creative_id", "campaign_creative"),
            )
        )
    assert creatives == scores == embeddings == named == candidates
    return int(creatives)


@pytest.mark.parametrize(
    "how",
    [pytest.param(signal.SIGKILL, id="kill"), pytest.param(signal.SIGINT, id="ctrl-c", marks=pytest.mark.long)],
)
def test_a_stop_at_any_moment_leaves_whole_rows_and_the_next_run_completes(
    here: Here, quick_workspace: Path, how: signal.Signals
) -> None:
    count = 120
    save_images(quick_workspace / "ads", count)
    (quick_workspace / "abkit.toml").write_text("[scoring]\nbatch_size = 4\n")
    database = quick_workspace / "abkit.db"
    moments = random.Random(5)
    stopped_midway = 0
    for _ in range(3):
        before = whole_rows(database)
        process = subprocess.Popen(
            [sys.executable, "-m", "abkit", "score", "ads"],
            cwd=quick_workspace, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline and whole_rows(database) == before:
            time.sleep(0.05)
        time.sleep(moments.random() * 0.5)
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
        assert "Traceback" not in said
        stopped_midway += before < whole_rows(database) < count
    assert stopped_midway, "no stop fell into the work"

    complete = here("score", "ads", "-f", "json", cwd=quick_workspace)
    assert complete.returncode == 0, complete.stderr
    assert whole_rows(database) == count


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_a_stop_in_order_is_recorded_as_an_interrupted_run(quick_workspace: Path, how: signal.Signals) -> None:
    save_images(quick_workspace / "ads", 200)
    process = subprocess.Popen(
        [sys.executable, "-m", "abkit", "score", "ads"], cwd=quick_workspace, stderr=subprocess.PIPE, text=True
    )
    store = Store(f"sqlite:///{quick_workspace / 'abkit.db'}")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with store.read() as session:
            if session.execute(text("SELECT 1 FROM run WHERE what = 'score' AND state = 'running'")).first():
                break
        time.sleep(0.02)
    # A first Ctrl-C may be swallowed by a library that is just being imported; then one presses again.
    for _ in range(5):
        process.send_signal(how)
        try:
            process.communicate(timeout=15)
            break
        except subprocess.TimeoutExpired:
            continue
    assert process.returncode == 128 + how
    with store.read() as session:
        assert session.execute(text("SELECT state FROM run WHERE what = 'score'")).scalars().all() == ["interrupted"]
    store.close()


def test_ctrl_c_while_it_starts_leaves_no_traceback(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from abkit.commands import app\n"
        "app.import_module = lambda name: os.kill(os.getpid(), signal.SIGINT)\n"
        "app.main(['score', 'ads'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (128 + signal.SIGINT, "")


def test_scoring_known_images_again_loads_no_model_library(here: Here, quick_workspace: Path) -> None:
    save_images(quick_workspace / "ads", 3)
    assert here("score", "ads", cwd=quick_workspace).returncode == 0
    code = (
        "import sys; from abkit.commands.app import main\n"
        "try: main(['score', 'ads', '-f', 'json'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'timm', 'open_clip', 'scipy', 'alembic'} & set(sys.modules), sorted(sys.modules)"
    )
    again = subprocess.run([sys.executable, "-c", code], cwd=quick_workspace, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert {entry["status"] for entry in json.loads(again.stdout)} == {"known"}


def test_help_is_quick_to_import_and_needs_no_heavy_library(abkit: Abkit, tmp_path: Path) -> None:
    code = (
        "import sys; from abkit.commands.app import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "names = 'torch scipy pandas statsmodels sqlalchemy pydantic polars numpy'.split()\n"
        "heavy = set(names) & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def entries_of(here: Here, workspace: Path, *arguments: str) -> dict[str, dict[str, object]]:
    result = here("score", "ads", "-c", "spring", "-f", "json", *arguments, cwd=workspace)
    return {Path(entry["path"]).name: entry for entry in json.loads(result.stdout)}


def test_a_folder_as_phones_and_designers_leave_it_is_scored_and_the_rest_is_named(
    here: Here, quick_workspace: Path
) -> None:
    ads = quick_workspace / "ads"
    save_images(ads, 1)
    make_image(2, (320, 240)).save(ads / "phone.jpg", "MPO", save_all=True, append_images=[make_image(3)])
    make_image(4).save(ads / "photo.avif", quality=90)
    (ads / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    for name in ("banner.svg", "layout.psd", "terms.pdf"):
        (ads / name).write_bytes(b"x")
    (ads / "prices.csv").touch()
    result = here("score", "ads", "-c", "spring", cwd=quick_workspace)
    assert result.returncode == 0, result.stderr
    assert "3 scored, 0 known, 1 rejected, 3 skipped" in result.stderr
    for name in ("IMG_1.HEIC: the HEIC image is damaged", "banner.svg: an SVG drawing", "layout.psd: a Photoshop file"):
        assert name in result.stderr
    assert "1 files in these folders do not have the name of an image" in result.stderr
    entries = entries_of(here, quick_workspace)
    assert entries["terms.pdf"]["status"] == "skipped"
    assert entries["terms.pdf"]["reason"] == "a PDF is not read: export its pages as PNG or JPEG"
    assert entries["phone.jpg"]["status"] == "known"


def test_where_nothing_is_scored_the_skipped_files_are_named_and_the_command_fails(
    here: Here, quick_workspace: Path
) -> None:
    (quick_workspace / "ads").mkdir()
    for number in range(60):
        (quick_workspace / "ads" / f"{number:02}.svg").write_text("<svg/>")
    result = here("score", "ads", "-c", "spring", cwd=quick_workspace)
    assert result.returncode == 1
    assert result.stderr.count("an SVG drawing is not read") == 50
    assert "10 more files" in result.stderr
    assert len(entries_of(here, quick_workspace)) == 60


def test_how_pixels_came_about_is_told_now_and_the_next_time(here: Here, quick_workspace: Path) -> None:
    ads = quick_workspace / "ads"
    save_images(ads, 1)
    pixels = in_space(np.asarray(make_image(5)), DISPLAY_P3)
    Image.fromarray(pixels).save(ads / "p3.png", icc_profile=rgb_profile("Display P3", DISPLAY_P3))
    Image.new("RGB", (64, 64), "white").save(ads / "blank.png")
    white = Image.new("RGB", (80, 60), "white")
    white.save(ads / "fading.gif", save_all=True, append_images=[make_image(6, (80, 60))])
    result = here("score", "ads", "-c", "spring", cwd=quick_workspace)
    assert "converted from the color profile “Display P3” to sRGB: p3.png" in result.stderr
    assert "nothing to see: every pixel is #ffffff: blank.png" in result.stderr
    assert "an animation: frame 2 of 2 was scored: fading.gif" in result.stderr
    entries = entries_of(here, quick_workspace)
    assert {entry["status"] for entry in entries.values()} == {"known"}
    assert (entries["fading.gif"]["frame"], entries["fading.gif"]["frames"]) == (2, 2)
    assert entries["p3.png"]["notes"] == ["converted from the color profile “Display P3” to sRGB"]
    assert entries["creative_0000.png"]["notes"] == []


def test_a_video_is_one_creative_whose_score_is_the_mean_of_its_frames(here: Here, quick_workspace: Path) -> None:
    pytest.importorskip("cv2")
    from abkit_model.images import open_creative
    from abkit_model.scorer import Scorer

    (quick_workspace / "ads").mkdir()
    scenes = [make_image(seed, (160, 120)) for seed in range(4) for _ in range(5)]
    film = save_film(quick_workspace / "ads" / "film.mp4", scenes)
    save_images(quick_workspace / "ads", 1)
    result = here("score", "ads", "-c", "spring", cwd=quick_workspace)
    assert "video, frames only" in result.stderr
    entry = entries_of(here, quick_workspace)["film.mp4"]
    decoded = open_creative(film)
    scorer = Scorer.load(quick_workspace / "checkpoint")
    means = [scorer.score(frame).mean for frame in (decoded.image, *decoded.more)]
    assert len(means) == 4
    assert entry["mean"] == pytest.approx(np.mean(means), abs=1e-4)
    assert entry["seconds"] == [0, 0.5, 1, 1.5]
    with closing(sqlite3.connect(quick_workspace / "abkit.db")) as connection:
        rows = connection.execute("SELECT media_type, width, height FROM creative ORDER BY media_type").fetchall()
    assert rows == [("image/png", 96, 64), ("video/mp4", 160, 120)]


def test_scores_of_an_earlier_release_are_made_anew_where_the_pixels_are_others(
    here: Here, quick_workspace: Path
) -> None:
    save_images(quick_workspace / "ads", 1)
    pixels = in_space(np.asarray(make_image(5)), DISPLAY_P3)
    profile = rgb_profile("Display P3", DISPLAY_P3)
    Image.fromarray(pixels).save(quick_workspace / "ads" / "p3.png", icc_profile=profile)
    before = entries_of(here, quick_workspace)
    with closing(sqlite3.connect(quick_workspace / "abkit.db")) as connection:
        connection.execute("UPDATE creative SET reading = NULL")
        connection.execute("UPDATE score SET mean = 1.5, run_id = 1")
        connection.commit()
    result = here("score", "ads", "-c", "spring", cwd=quick_workspace)
    assert "scored anew" in result.stderr
    assert "p3.png" in result.stderr.partition("scored anew")[2]
    after = entries_of(here, quick_workspace)
    assert after["p3.png"]["mean"] == pytest.approx(before["p3.png"]["mean"], rel=1e-5)  # beside others or alone
    assert after["creative_0000.png"]["mean"] == 1.5  # its pixels are the same: what was logged stays
    assert "scored anew" not in here("score", "ads", "-c", "spring", cwd=quick_workspace).stderr


def test_the_device_is_said_and_a_gpu_that_is_not_there_is_an_error_in_one_sentence(
    here: Here, quick_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    save_images(quick_workspace / "ads", 1)
    refused = here("score", "ads", "--device", "cuda", cwd=quick_workspace)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: cuda was asked for, and there is none here: ")
    assert "--device cpu" in refused.stderr
    by_setting = here("score", "ads", cwd=quick_workspace, ABKIT_SCORING__DEVICE="cuda")
    assert "cuda was asked for" in by_setting.stderr
    by_flag = here("score", "ads", "--device", "cpu", cwd=quick_workspace)
    assert by_flag.returncode == 0, by_flag.stderr
    assert "the encoder computed on cpu, " in by_flag.stderr
    assert "the encoder" not in here("score", "ads", cwd=quick_workspace, ABKIT_SCORING__DEVICE="auto").stderr
