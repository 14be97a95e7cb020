"""Every command that reads a table: the same options for how it is written, and files that lie elsewhere."""

import json
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from abkit.commands import app as front
from abkit.commands.table_options import file_or_address
from tests.commands.conftest import Here
from tests.images import save_images
from tests.remote_files import BUCKET, SECRET, Server

READER_OPTIONS = {"--encoding", "--header-line", "--sheet", "--decimal"}
# Small tables of a configuration in one form only (CSV in UTF-8), each with a strict reader of its own.
OF_ONE_FORM = {"rates"}
# Paths of other things: folders, images, charts and pages to write, the configuration.
NO_TABLES = {
    "backup_file", "checkpoint", "chart", "comparison_images", "config", "explain", "folder",
    "images", "out", "paths", "plot",
    "rating_images", "summary", "csv", "to", "xlsx",
    *OF_ONE_FORM,
}  # fmt: skip


def _commands() -> dict[str, dict[str, tuple[Any, ...]]]:
    """Type and declaration of every parameter, by the words of its command."""
    found: dict[str, dict[str, tuple[Any, ...]]] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        if commands := getattr(command, "commands", {}):
            for name, one in commands.items():
                walk(one, (*words, name))
            return
        hints = get_type_hints(command.callback, include_extras=True)
        said = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Annotated}
        found[" ".join(words)] = said

    walk(typer.main.get_command(front.app), ())
    return found


def _reads(declared: Any) -> bool:
    return getattr(declared, "parser", None) is file_or_address


def _names(declared: Any) -> tuple[Any, ...]:
    # In `Annotated`, the first name stands where a default would.
    return (declared.default, *(declared.param_decls or ()))


def test_every_command_that_reads_a_table_takes_the_same_options_for_it() -> None:
    commands = _commands()
    readers = {words for words, its in commands.items() if any(_reads(declared) for _, declared, *_ in its.values())}
    assert readers == {
        "calc drift", "calc rank", "experiment analyze", "experiment create", "experiment simulate", "kpi import",
        "kpi link", "model compare", "model evaluate", "model train", "ratings agreement", "ratings import",
    }  # fmt: skip
    for words in readers:
        options = {name for _, declared, *_ in commands[words].values() for name in _names(declared)}
        assert options >= READER_OPTIONS, f"abkit {words} lacks {READER_OPTIONS - options}"


def test_every_other_path_of_a_command_is_known_to_be_no_table() -> None:
    commands = _commands()
    assert len(commands) > 40
    for words, its in commands.items():
        paths = {name for name, (kind, *_) in its.items() if "Path" in str(kind)}
        assert paths <= NO_TABLES, f"abkit {words}: read {paths - NO_TABLES} with file_or_address, or list it here"


# --- addresses ------------------------------------------------------------------------------------------------------


VOTES = "image,rater,score\n" + "".join(
    f"creative_{image:04}.png,r{rater},{(image + rater) % 5 + 1}\n" for image in range(4) for rater in range(3)
)


def test_calc_reads_tables_of_the_web(here: Here, web: Server) -> None:
    web.files["/arms.csv"] = b"variant;successes;trials\na;1.480;20.000\nb;1.510;20.000\n"
    ranked = here("calc", "rank", "--file", f"{web.url}/arms.csv?sig={SECRET}", "--decimal", ",", "-f", "json")
    assert ranked.returncode == 0, ranked.stderr
    web.files |= {"/old.csv": b"x\n" + b"1\n2\n3\n" * 30, "/new.csv": b"x\n" + b"7\n8\n9\n" * 30}
    said = ("calc", "drift", "--reference", f"{web.url}/old.csv", "--current", f"{web.url}/new.csv?sig={SECRET}")
    drifted = here(*said, "-f", "json")
    assert json.loads(drifted.stdout)["drifted"], drifted.stderr
    gone = here("calc", "rank", "--file", f"{web.url}/none.csv?sig={SECRET}")
    assert (gone.returncode, f"{web.url}/none.csv: the host answered with status 404" in gone.stderr) == (1, True)
    assert SECRET not in ranked.stdout + ranked.stderr + drifted.stderr + gone.stderr


def test_experiments_are_analyzed_from_a_table_in_a_bucket(here: Here, s3: Server) -> None:
    s3.files = {"tests/a.csv": b"experiment,variant,impressions,clicks\nx,a,10000,480\nx,b,10000,520\n"}
    done = here("experiment", "analyze", "--table", f"s3://{BUCKET}/tests/a.csv", "-f", "json")
    assert json.loads(done.stdout)["summary"]["tests"] == 1, done.stderr
    s3.files["tests/b.csv"] = s3.files["tests/a.csv"]
    several = here("experiment", "analyze", "--table", f"s3://{BUCKET}/tests/")
    assert (several.returncode, "stands for 2 tables" in several.stderr) == (2, True)


def test_ratings_of_an_address_are_imported_once_under_it_without_its_signature(
    here: Here, quick_workspace: Path, web: Server, tmp_path: Path
) -> None:
    from tests.commands.loop.test_remote_files import dump

    save_images(tmp_path / "images", 4)
    web.files["/study/votes.csv"] = VOTES.encode()
    said = ("ratings", "import", "--images", tmp_path / "images", "-f", "json")
    first = here(*said, f"{web.url}/study/votes.csv?sig={SECRET}", cwd=quick_workspace)
    assert first.returncode == 0, first.stderr
    (row,) = json.loads(first.stdout)
    assert (row["file"], row["source"], row["imported"]) == (f"{web.url}/study/votes.csv", "votes", 12)
    again = here(*said, f"{web.url}/study/votes.csv?sig={SECRET}2", cwd=quick_workspace)
    assert json.loads(again.stdout)[0]["unchanged"] == 12
    agreed = here("ratings", "agreement", f"{web.url}/study/votes.csv?sig={SECRET}", cwd=quick_workspace)
    assert agreed.returncode == 0, agreed.stderr
    bad = here(*said, f"{web.url}/study/none.csv?sig={SECRET}", cwd=quick_workspace)
    assert bad.returncode == 1
    stored = dump(quick_workspace)
    for text in (stored, *(one.stdout + one.stderr for one in (first, again, agreed, bad))):
        assert SECRET not in text
        assert "abkit-fetch-" not in text


def test_a_table_of_labels_that_cannot_be_read_is_named_by_its_address(
    here: Here, quick_workspace: Path, web: Server, tmp_path: Path
) -> None:
    from tests.commands.loop.test_remote_files import dump

    save_images(tmp_path / "images", 1)
    web.files["/odd.csv"] = b"one,two\n1,2\n"
    address = f"{web.url}/odd.csv?sig={SECRET}"
    trained = here("model", "train", address, "--images", tmp_path, "--out", tmp_path / "new", cwd=quick_workspace)
    measured = here("model", "evaluate", address, "--images", tmp_path, cwd=quick_workspace)
    imported = here("ratings", "import", address, "--images", tmp_path, cwd=quick_workspace)
    unnamed, unknown = "no column with the file name of the image", "none of the known layouts"
    for done, lacks in ((trained, unknown), (measured, unknown), (imported, unnamed)):
        assert done.returncode == 1
        assert f"{web.url}/odd.csv has {lacks}" in done.stderr
        assert "abkit-fetch-" not in done.stderr
        assert SECRET not in done.stderr
    stored = dump(quick_workspace)
    assert f"{web.url}/odd.csv" in stored
    assert SECRET not in stored
    assert "abkit-fetch-" not in stored


def test_links_are_taken_from_a_table_of_the_web_in_any_encoding(
    here: Here, quick_workspace: Path, web: Server, tmp_path: Path
) -> None:
    from tests.kpi_files import rows

    (tmp_path / "k.csv").write_text(rows("2026-01-01,1,unknown,spring,100,5,1,2,EUR"))
    (image,) = save_images(tmp_path / "made", 1)
    image.rename(image.with_name("héros.png"))
    assert here("kpi", "import", tmp_path / "k.csv", cwd=quick_workspace).returncode == 0
    assert here("score", tmp_path / "made", "-c", "spring", cwd=quick_workspace).returncode == 0
    web.files["/links.csv"] = "title\n\nad,creative\n1,héros.png\n".encode("cp850")
    said = ("kpi", "link", "--table", f"{web.url}/links.csv?sig={SECRET}", "--header-line", 3, "-f", "json")
    done = here(*said, "--encoding", "cp850", cwd=quick_workspace)
    assert (done.returncode, json.loads(done.stdout)) == (0, []), done.stderr


# --- decimal signs --------------------------------------------------------------------------------------------------


def test_a_decimal_sign_settles_ratings_that_could_be_two(here: Here, quick_workspace: Path, tmp_path: Path) -> None:
    save_images(tmp_path / "images", 2)
    table = tmp_path / "means.csv"
    table.write_text("image;mean;n;sd\ncreative_0000.png;3,512;1.200;1\ncreative_0001.png;2,250;1.300;1\n")
    said = ("ratings", "import", table, "--images", tmp_path / "images", "-f", "json")
    refused = here(*said, "--scale", "1..9999", cwd=quick_workspace)
    assert (refused.returncode, "--decimal" in refused.stderr) == (1, True)
    done = here(*said, "--decimal", ",", "--scale", "1..5", cwd=quick_workspace)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["imported"] == 2
    wrong = here(*said, "--decimal", ";", cwd=quick_workspace)
    assert wrong.returncode == 2
