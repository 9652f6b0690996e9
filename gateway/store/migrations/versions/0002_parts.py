"""Cursors of feeds; parts of messages; appointments that are parts of others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INT = sa.Integer()
BYTES = sa.LargeBinary()
TEXT = sa.Text()


def upgrade() -> None:
    """Two tables, and a column with its index."""
    op.create_table(
        "cursor",
        sa.Column("source", BIG, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("source", "name", name="cursor_of"),
        sqlite_strict=True,
    )
    op.create_table(
        "fragment",
        sa.Column("raw", BIG, nullable=False, autoincrement=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("continues_hmac", BYTES, nullable=True),
        sa.Column("continued_hmac", BYTES, nullable=True),
        sa.Column("size", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("place", INT, nullable=True),
        sa.Column("ended", BIG, nullable=True),
        sa.PrimaryKeyConstraint("raw"),
        sqlite_strict=True,
    )
    _index_where("fragment_continues", "fragment", "continues_hmac", "continues_hmac IS NOT NULL")
    _index_where("fragment_continued", "fragment", "continued_hmac", "continued_hmac IS NOT NULL")
    _index_where("fragment_ended", "fragment", "ended", "ended IS NOT NULL")
    _index_where("fragment_waiting", "fragment", "at", "ended IS NULL")
    op.add_column("occurrence", sa.Column("parent", BYTES, nullable=True))
    _index_where("occurrence_parent", "occurrence", "parent", "parent IS NOT NULL")


def _index_where(name: str, table: str, column: str, condition: str) -> None:
    op.create_index(name, table, [column], sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
