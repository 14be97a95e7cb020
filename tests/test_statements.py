"""What was made of a statement is used by the next store of its kind, and by none of the other."""

from sqlalchemy import event, select

from abkit.store.database.engine import Store
from abkit.store.schema import Run
from tests.conftest import MakeDatabase


def _made(url: str) -> object:
    """Return what a new store executes for one statement."""
    store, found = Store(url), []

    def note(*arguments: object) -> None:
        found.append(arguments[4].compiled)  # type: ignore[attr-defined]

    event.listen(store.engine, "before_cursor_execute", note)
    with store.read() as session:
        assert session.scalars(select(Run.what, Run.schedule).where(Run.id < 7)).all() == []
    store.close()
    return found[-1]


def test_stores_of_one_kind_share_what_is_made_of_a_statement(new_database: MakeDatabase) -> None:
    sqlite, postgresql = (
        [_made(new_database(engine, migrated=True)) for _ in range(2)] for engine in ("sqlite", "postgresql")
    )
    assert sqlite[0] is sqlite[1]
    assert postgresql[0] is postgresql[1]
    assert (sqlite[0].dialect.name, postgresql[0].dialect.name) == ("sqlite", "postgresql")
