"""`abkit kpi import` and `abkit score` with files that lie elsewhere, under the names that they have there."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.conftest import Here
from tests.images import make_image, save_images
from tests.kpi_files import rows
from tests.remote_files import BUCKET, SECRET, Server

DAY = rows("2026-01-01,1,creative_0000,spring,100,5,1,2,EUR")


def dump(workspace: Path) -> str:
    """Everything that the store holds, as text."""
    with closing(sqlite3.connect(workspace / "abkit.db")) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        return "\n".join(connection.iterdump())


def test_an_export_of_the_web_is_imported_once_and_its_signature_is_nowhere(
    here: Here, quick_workspace: Path, web: Server
) -> None:
    web.files["/may.csv"] = DAY.encode()
    web.files["/odd.csv"] = b"day,theirs\n2026-01-01,2\n"
    signed = f"{web.url}/may.csv?X-Signature={SECRET}"
    done = here("kpi", "import", signed, f"{web.url}/none.csv?k={SECRET}", "-f", "json", cwd=quick_workspace)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert (first["file"], first["imported"], first["error"]) == (f"{web.url}/may.csv", 1, None)
    assert (second["file"], second["error"]) == (f"{web.url}/none.csv", "the host answered with status 404")
    again = here("kpi", "import", signed + "2", "-f", "json", cwd=quick_workspace)
    assert json.loads(again.stdout)[0]["unchanged"] == 1

    refused = here("kpi", "import", f"{web.url}/odd.csv?k={SECRET}", cwd=quick_workspace)
    assert refused.returncode == 1
    assert 'abkit kpi import "$ADDRESS" --map' in refused.stderr
    assert "abkit-fetch-" not in refused.stderr
    preview = here("kpi", "import", f"{web.url}/odd.csv?k={SECRET}", "--dry-run", cwd=quick_workspace)
    assert 'abkit kpi import "$ADDRESS" --map' in preview.stderr

    stored = dump(quick_workspace)
    assert f"{web.url}/may.csv" in stored
    for text in (stored, *(said.stdout + said.stderr for said in (done, again, refused, preview))):
        assert SECRET not in text
        assert "abkit-fetch-" not in text


TOKEN = "q7XkV2mPz9Lw4TnB8cRd"  # noqa: S105


@pytest.mark.parametrize(
    "place",
    [
        "/may.csv?X-Amz-Signature={}&X-Amz-Expires=60",
        "/may.csv?sv=2024&sig={}",
        "/may.csv?token={}",
        "/hook/{}",
        "/exports/{}/may.csv",
        "/may.csv;key={}",
    ],
)
def test_a_secret_of_an_address_is_in_no_record_list_note_or_error(
    here: Here, quick_workspace: Path, web: Server, place: str
) -> None:
    address = f"{web.url}{place.format(TOKEN)}"
    path = address.removeprefix(web.url).split("?")[0]
    web.files[path] = (DAY + "2026-01-01,2,b,spring,5,50,1,2,EUR\n2026-01-32,3,c,spring,5,1,1,2,EUR\n").encode()
    web.files["/hook/odd"] = b"day,theirs\n2026-01-01,2\n"
    commands = [
        ("kpi", "import", address, "--dry-run"),
        ("kpi", "import", address),
        ("kpi", "import", address, "-f", "json"),
        ("kpi", "rejects"),
        ("kpi", "rejects", "-f", "json"),
        ("kpi", "list"),
        ("kpi", "show", 1, "-f", "json"),
        ("kpi", "import", f"{web.url}/hook/odd?token={TOKEN}"),
        ("kpi", "import", f"{web.url}/hook/none/{TOKEN}?sig={TOKEN}"),
        ("kpi", "import", address.replace("http://", "http:/")),
        ("kpi", "import", address.replace("http://127.0.0.1", "example.com") + f"?a={TOKEN}"),
        ("score", f"{web.url}/hook/{TOKEN}.png?sig={TOKEN}"),
        ("kpi", "undo", 1),
    ]
    said = [here(*command, cwd=quick_workspace) for command in commands]
    assert [done.returncode for done in said] == [0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 1, 0]
    assert json.loads(said[4].stdout)[0]["file"].startswith(web.url)
    for command, done in zip(commands, said, strict=True):
        assert TOKEN not in done.stdout + done.stderr, command
    assert TOKEN not in dump(quick_workspace)


def test_a_schedule_does_not_keep_an_address_as_its_folder(here: Here, quick_workspace: Path) -> None:
    for address in (f"https://example.com/{TOKEN}/?sig={TOKEN}", f"https:/example.com/x?sig={TOKEN}"):
        for job in ("import_kpis", "score_folder"):
            said = ("schedule", "add", "nightly", "--job", job, "--cron", "0 2 * * *", "--arg", f"folder={address}")
            refused = here(*said, cwd=quick_workspace)
            assert (refused.returncode, "[[source]]" in refused.stderr) == (2, True), refused.stderr
            assert TOKEN not in refused.stderr
    assert TOKEN not in dump(quick_workspace)


def test_addresses_that_all_fail_leave_nothing_behind(here: Here, quick_workspace: Path, web: Server) -> None:
    before = dump(quick_workspace)
    done = here("kpi", "import", f"{web.url}/none.csv?k={SECRET}", cwd=quick_workspace)
    assert done.returncode == 1
    scored = here("score", f"{web.url}/none.png?k={SECRET}", "-c", "new", cwd=quick_workspace)
    assert scored.returncode == 1
    assert f"{web.url}/none.png: the host answered with status 404" in scored.stderr
    assert dump(quick_workspace) == before
    assert SECRET not in done.stderr + scored.stderr


def test_a_folder_of_exports_in_a_bucket_is_imported(here: Here, quick_workspace: Path, s3: Server) -> None:
    s3.files = {"kpi/a.csv": DAY.encode(), "kpi/b.csv": DAY.replace("-01,", "-02,").encode(), "kpi/readme.md": b"x"}
    done = here("kpi", "import", f"s3://{BUCKET}/kpi/", "-f", "json", cwd=quick_workspace)
    assert [(row["file"], row["imported"]) for row in json.loads(done.stdout)] == [
        (f"s3://{BUCKET}/kpi/a.csv", 1),
        (f"s3://{BUCKET}/kpi/b.csv", 1),
    ], done.stderr
    assert "left alone, as no table by its name: 'readme.md'" in done.stderr


def test_images_of_a_bucket_are_scored_once_under_their_names_there_and_linked(
    here: Here, quick_workspace: Path, s3: Server, web: Server, tmp_path: Path
) -> None:
    first, second = save_images(tmp_path / "made", 2)
    s3.files = {"ads/creative_0000.png": first.read_bytes(), "ads/de/creative_0001.png": second.read_bytes()}
    s3.files |= {"ads/logo.svg": b"<svg/>", "ads/notes.txt": b"x", "ads/broken.png": b"no image"}
    assert here("kpi", "import", write(tmp_path / "k.csv"), cwd=quick_workspace).returncode == 0

    done = here("score", f"s3://{BUCKET}/ads", "-c", "spring", "-f", "json", cwd=quick_workspace)
    assert done.returncode == 0, done.stderr
    found = {row["path"].removeprefix(f"s3://{BUCKET}/ads/"): row["status"] for row in json.loads(done.stdout)}
    assert found == {
        "creative_0000.png": "scored", "de/creative_0001.png": "scored", "broken.png": "rejected",
        "logo.svg": "skipped",
    }  # fmt: skip
    assert "1 files in these folders do not have the name of an image" in done.stderr
    assert json.loads(here("kpi", "link", "-f", "json", cwd=quick_workspace).stdout) == []

    # The same content behind another address is known, and the signature of that address is not kept.
    web.files["/creative_0000.png"] = first.read_bytes()
    signed = f"{web.url}/creative_0000.png?X-Signature={SECRET}"
    again = here("score", signed, "-c", "spring", "-f", "json", cwd=quick_workspace)
    assert [(row["path"], row["status"]) for row in json.loads(again.stdout)] == [(signed.split("?")[0], "known")]
    stored = dump(quick_workspace)
    assert f"'s3://{BUCKET}/ads/de/creative_0001.png'" in stored
    assert SECRET not in stored + again.stderr + done.stderr
    assert "abkit-fetch-" not in stored

    table = here("score", f"s3://{BUCKET}/ads", "-c", "spring", cwd=quick_workspace)
    assert "creative_0001.png" in table.stdout
    assert f"rejected: s3://{BUCKET}/ads/broken.png" in table.stderr


def write(path: Path) -> Path:
    path.write_text(DAY)
    return path


def test_overlays_need_the_images_on_this_machine(here: Here, quick_workspace: Path) -> None:
    done = here("score", "s3://ads/x.png", "--explain", "out", cwd=quick_workspace)
    assert done.returncode == 2
    assert "download them" in done.stderr


def test_python_takes_addresses_as_text(quick_workspace: Path, web: Server, tmp_path: Path) -> None:
    import abkit

    make_image(7).save(tmp_path / "hero.png")
    web.files |= {"/hero.png": (tmp_path / "hero.png").read_bytes(), "/day.csv": DAY.encode()}
    with abkit.Workspace.open(quick_workspace) as workspace:
        (seen,) = workspace.import_kpis(f"{web.url}/day.csv", dry_run=True)
        (done,) = workspace.import_kpis([f"{web.url}/day.csv"])
        scored = workspace.score(f"{web.url}/hero.png")
    assert (seen.file, seen.good, done.imported) == (f"{web.url}/day.csv", 1, 1)
    assert [(file.path, file.name) for file in scored.usable] == [(f"{web.url}/hero.png", "hero.png")]


def test_the_rows_of_a_query_are_imported_and_the_password_is_nowhere(here: Here, quick_workspace: Path) -> None:
    with closing(sqlite3.connect(quick_workspace / "ads.db")) as connection:
        connection.execute("CREATE TABLE ads (day, ad, creative, impressions, clicks)")
        connection.execute("INSERT INTO ads VALUES ('2026-01-01', '007', 'a', 100, 5)")
        connection.commit()
    (quick_workspace / "ads.sql").write_text("SELECT * FROM ads")
    said = ("kpi", "import", "--query", "ads.sql", "-f", "json")
    done = here(*said, "--sql", "sqlite:///ads.db", cwd=quick_workspace)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["file"], row["imported"]) == ("sqlite:///ads.db#ads.sql", 1)
    again = here(*said, "--sql-env", "URL", cwd=quick_workspace, URL="sqlite:///ads.db")
    assert json.loads(again.stdout)[0]["unchanged"] == 1

    url = f"postgresql://me:{SECRET}@127.0.0.1:9/ads"
    refused = here(*said, "--sql", url, cwd=quick_workspace)
    assert (refused.returncode, "--sql-env NAME" in refused.stderr) == (2, True)
    gone = here(*said, "--sql-env", "URL", cwd=quick_workspace, URL=url)
    assert (gone.returncode, "cannot be reached" in gone.stdout) == (1, True)
    assert here("kpi", "import", cwd=quick_workspace).returncode == 2
    assert SECRET not in dump(quick_workspace) + refused.stderr + gone.stderr + gone.stdout


def test_ratings_find_their_images_in_a_bucket(here: Here, quick_workspace: Path, s3: Server, tmp_path: Path) -> None:
    images = save_images(tmp_path, 3)
    for path in images[:2]:
        s3.files[f"rated/may/{path.name}"] = path.read_bytes()
    lines = [f"{rater},may/{path.name},{rater + place}" for rater in (1, 2) for place, path in enumerate(images)]
    table = tmp_path / "votes.csv"
    table.write_text("\n".join(["rater,image,score", *lines]))
    address = f"s3://{BUCKET}/rated/"
    done = here("ratings", "import", table, "--images", address, "--scale", "1..7", "-f", "json", cwd=quick_workspace)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert (found["imported"], found["rejected"], found["images"]) == (4, 2, 2)
    assert f"it is not in {address}" in found["reasons"][0][1]
    assert f"{address}may/{images[0].name}" in dump(quick_workspace)
    assert "abkit-fetch-" not in dump(quick_workspace)

    for place, sentence in (
        ("https://example.com/a.png", "is one file, and --images is the folder"),
        (f"s3://{BUCKET}/none/", "there is no such bucket, folder or object"),
    ):
        refused = here("ratings", "import", table, "--images", place, cwd=quick_workspace)
        assert (refused.returncode != 0, sentence in refused.stderr) == (True, True), refused.stderr


def test_a_table_of_rates_elsewhere_is_refused_with_what_to_do(here: Here, quick_workspace: Path) -> None:
    refused = here("correlate", "--rates", "https://example.com/rates.csv", cwd=quick_workspace)
    assert refused.returncode == 2
    assert "a table of rates is read from this machine" in refused.stderr
    assert "download it" in refused.stderr
