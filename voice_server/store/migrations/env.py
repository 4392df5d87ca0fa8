"""Called by Alembic with the connection of `voice_server.store.schema`."""

from alembic import context

from voice_server.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by making another
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
