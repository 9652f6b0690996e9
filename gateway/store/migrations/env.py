"""Alembic's way in; `gateway.store.migrations.migrate` hands over an open connection."""

from alembic import context

from gateway.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
