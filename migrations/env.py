"""Alembic's entry: run from `abkit db …`, which hands over an open connection."""

from alembic import context
from sqlalchemy.orm import Session

from abkit.store.kpis.once.counting import settle_all
from abkit.store.schema import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    transaction_per_migration=False,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
    # Only the tables of the last migration are those of the code.
    if context.get_context().get_current_revision() == context.get_head_revision():
        with Session(connection, join_transaction_mode="create_savepoint") as session, session.begin():
            settle_all(session)
