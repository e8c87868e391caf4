"""Alembic's entry: migrate the connection that `counts.census` has already opened, inside its transaction."""

from alembic import context

from counts.schema import Base


def run() -> None:
    """Run the migrations that Alembic was asked for."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_as_batch=True,
        compare_type=True,
    )
    context.run_migrations()


run()
