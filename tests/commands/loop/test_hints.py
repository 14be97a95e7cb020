"""Hints that show a command: it can be run as it stands, wherever the rows come from."""

import json
import re
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.conftest import Here
from tests.commands.loop.test_remote_files import TOKEN
from tests.commands.test_documented_commands import _problem, _root
from tests.remote_files import Server

HEADER = "day,impressions,hits,which creative"
ROWS = f"{HEADER}\n2026-01-01,100,5,a\n2026-01-02,100,6,a\n"


def commands(text: str) -> list[list[str]]:
    """The commands in what was said, as a shell takes them apart."""
    found = []
    for line in re.findall(r"abkit [a-z].*", text):
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";")
        lexer.whitespace_split = True
        words = list(lexer)
        found.append(words[: words.index(";")] if ";" in words else words)
    return found


def run_the_hint(here: Here, workspace: Path, said: str, **variables: str) -> list[dict[str, object]]:
    """Run the one command in a hint, the columns filled in where it only has a place for them."""
    (words,) = [words for words in commands(said) if words[1:3] == ["kpi", "import"]]
    assert _problem(_root(), shlex.join(words[1:])) is None
    names = {"day": "when", "impressions": "impr_shown", "clicks": "hits"}
    blank = re.compile("^THEIR COLUMN=(.*)")
    words = [blank.sub(lambda m: f"{names.get(m[1], 'which creative')}={m[1]}", word) for word in words]
    words = [variables.get(word.removeprefix("$"), word) for word in words]
    done = here(*words[1:], "-f", "json", cwd=workspace, **variables)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


@pytest.mark.parametrize("name", ["ads.csv", "it's (1).csv", "-ads.csv", "Ünïcode $HOME.csv"])
def test_the_hint_about_a_file_can_be_run(here: Here, quick_workspace: Path, name: str) -> None:
    (quick_workspace / name).write_text(ROWS)
    refused = here("kpi", "import", "--platform", "it's", "--", name, cwd=quick_workspace)
    assert refused.returncode == 1
    (row,) = run_the_hint(here, quick_workspace, refused.stderr)
    assert (row["imported"], Path(str(row["file"])).name) == (2, name)


def test_the_hint_about_a_query_can_be_run(here: Here, quick_workspace: Path) -> None:
    with closing(sqlite3.connect(quick_workspace / "my ads.db")) as connection:
        connection.execute('CREATE TABLE ads ("when", impr_shown, hits, "which creative")')
        connection.execute("INSERT INTO ads VALUES ('2026-01-01', 100, 5, 'a')")
        connection.commit()
    (quick_workspace / "ads now.sql").write_text("SELECT * FROM ads")
    url = "sqlite:///my ads.db"
    for where in (("--sql", url), ("--sql-env", "WAREHOUSE")):
        for query in ("ads now.sql", "SELECT * FROM ads WHERE hits > 1"):
            refused = here("kpi", "import", *where, "--query", query, cwd=quick_workspace, WAREHOUSE=url)
            assert refused.returncode == 1, refused.stderr
            (row,) = run_the_hint(here, quick_workspace, refused.stderr)
            assert row["rows"] == 1
            here("kpi", "undo", row["import_id"], cwd=quick_workspace)


def test_the_hint_about_an_address_can_be_run_and_does_not_repeat_a_secret(
    here: Here, quick_workspace: Path, web: Server
) -> None:
    web.files |= {"/ads.csv": ROWS.encode(), f"/hook/{TOKEN}": ROWS.replace("100", "90").encode()}
    refused = here("kpi", "import", f"{web.url}/ads.csv", cwd=quick_workspace)
    assert run_the_hint(here, quick_workspace, refused.stderr)[0]["imported"] == 2
    web.files["/ads.csv"] = ROWS.replace("100", "80").encode()
    for secret in (f"{web.url}/ads.csv?sig={TOKEN}", f"{web.url}/hook/{TOKEN}"):
        for dry in ((), ("--dry-run",)):
            refused = here("kpi", "import", secret, "--forget-mapping", *dry, cwd=quick_workspace)
            assert refused.returncode == 1
            assert TOKEN not in refused.stderr + refused.stdout
            assert 'abkit kpi import "$ADDRESS" --map' in refused.stderr
        assert run_the_hint(here, quick_workspace, refused.stderr, ADDRESS=secret)[0]["updated"] == 2


def test_standard_input_is_refused_with_what_to_do(here: Here, quick_workspace: Path) -> None:
    refused = here("kpi", "import", "-", cwd=quick_workspace)
    assert (refused.returncode, "save it as a file first" in refused.stderr) == (2, True)


def test_python_imports_the_rows_of_a_query(quick_workspace: Path) -> None:
    import abkit

    with closing(sqlite3.connect(quick_workspace / "ads.db")) as connection:
        connection.execute("CREATE TABLE ads (day, ad, creative, impressions, clicks)")
        connection.execute("INSERT INTO ads VALUES ('2026-01-01', '007', 'a', 100, 5)")
        connection.commit()
    (quick_workspace / "ads.sql").write_text("SELECT * FROM ads")
    url = f"sqlite:///{quick_workspace / 'ads.db'}"
    with abkit.Workspace.open(quick_workspace) as workspace:
        (seen,) = workspace.import_kpis(sql=url, query="SELECT * FROM ads", dry_run=True)
        (done,) = workspace.import_kpis(sql=url, query=quick_workspace / "ads.sql")
        assert (seen.good, done.imported) == (1, 1)
        assert workspace.import_kpis([]) == ()
        for said in ({}, {"sql": url}, {"query": "SELECT 1"}, {"paths": "a.csv", "sql": url, "query": "SELECT 1"}):
            with pytest.raises(abkit.AbkitError, match="name files, or a database and a query"):
                workspace.import_kpis(**said)


def test_an_undo_of_many_rows_says_that_others_wait(
    here: Here, quick_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abkit.workflows.kpis import imports

    (quick_workspace / "k.csv").write_text(ROWS.replace(HEADER, "day,impressions,clicks,creative"))
    assert here("kpi", "import", "k.csv", cwd=quick_workspace).returncode == 0
    monkeypatch.setattr(imports, "_MANY_ROWS", 2)
    done = here("kpi", "undo", 1, cwd=quick_workspace)
    assert done.returncode == 0
    assert "taking 2 rows back" in done.stderr
    assert "other imports wait" in done.stderr
