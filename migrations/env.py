"""Alembic's entry: run from `abkit db …`, which hands over an open connection."""

from alembic import context
from sqlalchemy.orm import Session

from abkit.store.kpis.once.counting import settle_all
from abkit.store.schema import Base
from abkit.store.views import drop_views, make_views

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    transaction_per_migration=False,
    render_as_batch=True,
)
with context.begin_transaction():
    # Neither engine changes a table that a view reads.
    readers = drop_views(connection)
    context.run_migrations()
    # Only the tables of the last migration are those of the code.
    if context.get_context().get_current_revision() == context.get_head_revision():
        make_views(connection, readers)
        with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
            settle_all(session)
