"""What FHIR sources must still fetch, and what must be written back to them: both wait on disk, each with a lease of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INT = sa.Integer()
TEXT = sa.Text()
BYTES = sa.LargeBinary()


def upgrade() -> None:
    """Three new tables; who represents somebody may be told by a feed."""
    op.add_column("representative", sa.Column("told", BYTES, nullable=True))
    told = sa.text("told IS NOT NULL")
    op.create_index("representative_told", "representative", ["told"], sqlite_where=told, postgresql_where=told)
    op.create_table(
        "fetch",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("key", BIG, nullable=False),
        sa.Column("sealed", BYTES, nullable=True),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("after", BIG, nullable=True),
        sa.Column("tries", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("next_at", BIG, nullable=False),
        sa.Column("lease_until", BIG, nullable=True),
        sa.Column("fence", BIG, nullable=False, server_default=sa.text("0")),
        sa.Column("created", BIG, nullable=False),
        sa.Column("settled", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    is_open = sa.text("state = 'open'")
    op.create_index(
        "fetch_open", "fetch", ["source", "digest"], unique=True, sqlite_where=is_open, postgresql_where=is_open
    )
    op.create_index("fetch_due", "fetch", ["source", "next_at"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_index("fetch_of", "fetch", ["digest"])
    op.create_index("fetch_settled", "fetch", ["settled"])
    failed = sa.text("state IN ('refused', 'unreadable')")
    op.create_index("fetch_failed", "fetch", ["source"], sqlite_where=failed, postgresql_where=failed)
    op.create_table(
        "resource",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("key", BYTES, nullable=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("occurrence", BIG, nullable=False),
        sa.Column("version", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", "patient", "occurrence", name="resource_once"),
        sqlite_strict=True,
    )
    op.create_index("resource_patient", "resource", ["patient"])
    op.create_table(
        "writeback",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("about", BIG, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("told", TEXT, nullable=True),
        sa.Column("server_id", TEXT, nullable=True),
        sa.Column("tries", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("next_at", BIG, nullable=False),
        sa.Column("created", BIG, nullable=False),
        sa.Column("settled", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "about", name="writeback_once"),
        sqlite_strict=True,
    )
    op.create_index("writeback_of", "writeback", ["about"])
    op.create_index("writeback_due", "writeback", ["source", "next_at"], sqlite_where=is_open, postgresql_where=is_open)
    untold = sa.text("state IN ('refused', 'given-up')")
    op.create_index("writeback_failed", "writeback", ["source"], sqlite_where=untold, postgresql_where=untold)
    op.create_index("writeback_settled", "writeback", ["settled"])
