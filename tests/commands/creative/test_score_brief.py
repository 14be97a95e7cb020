"""`abkit score --brief` as a person meets it."""

import json
from pathlib import Path

import pytest

from abkit.commands.app import main
from abkit.workflows.scoring.brief import MEANING, meaning_of
from tests.commands.conftest import Here
from tests.images import save_images
from tests.workflows.conftest import make_reader


def test_the_fit_stands_beside_the_score_with_what_it_means(
    quick_workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = make_reader(tmp_path)
    save_images(quick_workspace / "ads", 3)
    monkeypatch.chdir(quick_workspace)

    def run(*arguments: str) -> tuple[str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["score", "ads", "--brief", "a red square", "--brief-encoder", reader, *arguments])
        out = capsys.readouterr()
        assert not ended.value.code, out.err
        return out.out, out.err

    table, said = run()
    assert "fit rank" in table
    assert "1 of 3" in table
    assert "“a red square”" in said
    assert "not a probability" in said
    assert "no interval" in said
    rows = json.loads(run("-f", "json")[0])
    assert sorted(row["fit_rank"] for row in rows) == [1, 2, 3]
    assert all(-1 <= row["fit"] <= 1 and row["fit_n"] == 3 for row in rows)
    assert run("-f", "csv")[0].splitlines()[0].endswith("fit,fit_rank,fit_n")


def test_a_fit_by_names_of_classes_says_that_it_is_one() -> None:
    assert "no text tower read the brief" in meaning_of("classes:efficientnet-lite2")
    assert "fails on people" in meaning_of("classes:efficientnet-lite2")
    assert meaning_of("openclip:ViT-B-32/openai") == MEANING


def test_without_a_text_tower_it_says_which_encoder_is_needed_and_scores_nothing(
    here: Here, quick_workspace: Path
) -> None:
    save_images(quick_workspace / "ads", 1)
    result = here("score", "ads", "--brief", "a red square", cwd=quick_workspace)
    assert result.returncode == 2
    assert "cannot read a brief" in result.stderr
    assert "--brief-encoder openclip:ViT-B-32/" in result.stderr
    assert "--brief-encoder classes:efficientnet-lite2" in result.stderr
    assert result.stdout == ""

    result = here("score", "ads", "--brief-encoder", "openclip:ViT-B-32/openai", cwd=quick_workspace)
    assert result.returncode == 2
    assert "without --brief" in result.stderr

    result = here("score", "ads", "--brief", "x", "--brief-encoder", "openclip:ViT-B-32/openai", cwd=quick_workspace)
    assert result.returncode == 1
    assert "are missing: looked for in" in result.stderr
    assert "Traceback" not in result.stderr


def test_explain_writes_overlays_of_each_content_once_whatever_the_names(here: Here, quick_workspace: Path) -> None:
    (first,) = save_images(quick_workspace / "ads", 1)
    (other,) = save_images(quick_workspace / "more", 1, first=7)
    other.rename(quick_workspace / "more" / first.name)  # another image of the same name
    (quick_workspace / "more" / "copy.png").write_bytes(first.read_bytes())
    (quick_workspace / "more" / "broken.png").write_text("no image")
    result = here("score", "ads", "more", "--explain", "overlays", cwd=quick_workspace)
    assert result.returncode == 0, result.stderr
    stem = first.stem
    assert sorted(path.name for path in (quick_workspace / "overlays").iterdir()) == sorted(
        f"{name}-{what}.png" for name in (stem, f"{stem}-2") for what in ("score", "query-1", "query-2")
    )
    assert "6 overlays in overlays" in result.stderr
    assert "untrained" in result.stderr
