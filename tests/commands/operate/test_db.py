"""`abkit init` and `abkit db`: workspaces and their stores."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, select, text

from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.schema import Run
from tests.commands.conftest import Here, Said
from tests.conftest import Abkit, MakeDatabase


def test_init_makes_a_workspace_and_repeating_it_changes_nothing(here: Here, tmp_path: Path) -> None:
    first = here("init", "shop")
    assert first.returncode == 0, first.stderr
    config = (tmp_path / "shop" / "abkit.toml").read_bytes()
    assert here("init", "shop").returncode == 0
    assert (tmp_path / "shop" / "abkit.toml").read_bytes() == config
    assert here("db", "check", cwd=tmp_path / "shop").stdout == "ok\n"


def test_init_leaves_a_run_behind(here: Here, tmp_path: Path) -> None:
    here("init")
    with sqlite3.connect(tmp_path / "abkit.db") as connection:
        assert connection.execute("SELECT what, state FROM run").fetchall() == [("init", "done")]


def test_an_upgrade_leaves_a_run_behind_and_one_that_changes_nothing_does_not(here: Here, database_url: str) -> None:
    store = Store(database_url)
    migrate.upgrade(store)
    migrate.downgrade(store, "-1")
    before = migrate.current(store)
    for _ in range(2):
        assert here("--database-url", database_url, "db", "upgrade").returncode == 0
    with store.read() as session:
        runs = session.execute(select(Run.what, Run.state, Run.outcome)).all()
    assert runs == [("db upgrade", "done", {"from": before, "to": migrate.head()})]
    store.close()


def test_a_workspace_is_found_from_the_folders_below_it(here: Here, tmp_path: Path) -> None:
    here("init")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert here("db", "current", cwd=tmp_path / "deep" / "er").stdout.strip() == migrate.head()


def test_upgrade_brings_an_empty_database_to_the_head_on_both_engines(
    here: Here, database_url: str, tmp_path: Path
) -> None:
    assert here("--database-url", database_url, "db", "current").stdout == "empty\n"
    assert here("--database-url", database_url, "db", "upgrade").returncode == 0
    assert here("--database-url", database_url, "db", "current").stdout.strip() == migrate.head()
    assert here("--database-url", database_url, "db", "check").returncode == 0


def test_check_names_a_column_that_somebody_dropped(here: Here, tmp_path: Path) -> None:
    here("init")
    with sqlite3.connect(tmp_path / "abkit.db") as connection:
        connection.execute("ALTER TABLE campaign DROP COLUMN name")
    result = here("db", "check")
    assert result.returncode == 1
    assert "differs" in result.stderr
    assert "name" in result.stderr


def test_a_wrong_setting_is_named_with_its_value(here: Here, tmp_path: Path) -> None:
    (tmp_path / "abkit.toml").write_text("[scoring]\nbatch_size = 0\n")
    result = here("db", "current")
    assert result.returncode == 2
    assert "scoring.batch_size" in result.stderr
    assert "got 0" in result.stderr
    (tmp_path / "abkit.toml").write_text("[scoring]\nbach_size = 8\n")
    assert "no setting 'scoring.bach_size'" in here("db", "current").stderr


def test_broken_toml_is_one_sentence(here: Here, tmp_path: Path) -> None:
    (tmp_path / "abkit.toml").write_text("[scoring\n")
    result = here("db", "current")
    assert (result.returncode, "not valid TOML" in result.stderr) == (2, True)


def test_a_password_in_the_url_is_never_shown(here: Here) -> None:
    for url in ("postgresql://ann:hunter2@127.0.0.1:1/none", "mysql://ann:hunter2@127.0.0.1/none", "ann:hunter2@db"):
        result = here("--database-url", url, "db", "check")
        assert result.returncode == 1
        assert "hunter2" not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr


def test_a_postgresql_that_refuses_says_why(here: Here, new_database: MakeDatabase) -> None:
    url = new_database("postgresql", migrated=True)
    name = url.split("?")[0].rsplit("/", 1)[1]
    missing = here("--database-url", url.replace(name, "nobody_made_this"), "db", "check")
    assert missing.returncode == 1
    assert 'database "nobody_made_this" does not exist' in missing.stderr
    assert "check the URL" in missing.stderr

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    engine.dispose()
    refused = here("--database-url", url, "model", "promote", "shipped")
    assert refused.returncode == 1
    assert "may not be written" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_traceback_is_there_for_who_asks(abkit: Abkit) -> None:
    assert "Traceback" in abkit("--debug", "--database-url", "mysql://h/d", "db", "check").stderr


def test_a_backup_says_what_it_does_not_hold_and_a_restore_asks_and_keeps(here: Here, quick_workspace: Path) -> None:
    def command(*words: str) -> Said:
        return here(*words, cwd=quick_workspace)

    made = command("db", "backup", "--format", "json")
    assert made.returncode == 0, made.stderr
    backup = json.loads(made.stdout)
    file = Path(backup["file"])
    assert (file.parent, backup["migration"]) == (quick_workspace / "backups", migrate.head())
    assert backup["beside"] == [str(quick_workspace / "abkit.toml"), str(quick_workspace / "checkpoint")]
    assert backup["bytes"] == file.stat().st_size

    refused = command("db", "restore", str(file))
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    shutil.rmtree(quick_workspace / "checkpoint")
    restored = command("db", "restore", str(file), "--yes")
    assert restored.returncode == 0, restored.stderr
    (kept,) = quick_workspace.glob("abkit.before-*.db")
    assert f"the former store is kept: {kept}" in restored.stderr
    assert f"a checkpoint that is not there: {quick_workspace / 'checkpoint'}" in restored.stderr
    with closing(sqlite3.connect(quick_workspace / "abkit.db")) as connection:
        (last,) = connection.execute("SELECT what, state, outcome FROM run ORDER BY id DESC LIMIT 1")
    assert last[:2] == ("db restore", "done")
    assert json.loads(last[2]) == {"kept": str(kept)}


def test_an_older_backup_is_restored_with_the_advice_to_upgrade(here: Here, tmp_path: Path) -> None:
    here("init")
    with closing(Store(f"sqlite:///{tmp_path / 'abkit.db'}")) as store:
        migrate.downgrade(store, "0025_properties")
    assert here("db", "backup", "old.db").returncode == 0
    restored = here("db", "restore", "old.db", "-y")
    assert "abkit db upgrade" in restored.stderr
    assert here("db", "upgrade").returncode == 0
    assert here("db", "check").stdout == "ok\n"


def test_on_postgresql_backup_and_restore_name_the_command_without_the_password(here: Here) -> None:
    url = "postgresql://me:secret@nowhere.invalid/ads"
    backup = here("--database-url", url, "db", "backup")
    restore = here("--database-url", url, "db", "restore", "ads.dump")
    assert (backup.returncode, restore.returncode) == (2, 2)
    assert "pg_dump --format=custom --file=abkit.dump --dbname=postgresql://me@nowhere.invalid/ads" in backup.stderr
    assert "pg_restore --clean" in restore.stderr
    assert restore.stderr.rstrip().endswith("ads.dump")
    assert "secret" not in backup.stderr + restore.stderr
