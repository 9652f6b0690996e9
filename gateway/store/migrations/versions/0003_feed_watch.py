"""Feed counters, a feed's silence, and what staff were told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INT = sa.Integer()
TEXT = sa.Text()


def upgrade() -> None:
    """Tables of counters and alerts; columns of `source`; an index of the few requests that wait for a feed."""
    for name in ("first_received", "watched", "resumed", "silent_since", "excused_until"):
        op.add_column("source", sa.Column(name, BIG, nullable=True))
    op.create_table(
        "feed_slot",
        sa.Column("source", BIG, nullable=False),
        sa.Column("slot", BIG, nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.PrimaryKeyConstraint("source", "slot", name="feed_slot_of"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "feed_count",
        sa.Column("source", BIG, nullable=False),
        sa.Column("day", INT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("result", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("messages", BIG, nullable=False),
        sa.PrimaryKeyConstraint("source", "day", "type", "result", "reason", name="feed_count_of"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_table(
        "feed_mark",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "alert",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("resolved", BIG, nullable=True),
        sa.PrimaryKeyConstraint("kind", "source", "host", name="alert_of"),
        sqlite_strict=True,
    )
    op.create_table(
        "alert_told",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("word", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("tries", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("tried", BIG, nullable=True),
        sa.PrimaryKeyConstraint("kind", "source", "host", "sink", name="alert_told_of"),
        sqlite_strict=True,
    )
    op.create_index(
        "request_feed_silent",
        "request",
        ["id"],
        sqlite_where=sa.text("reason = 'feed-silent'"),
        postgresql_where=sa.text("reason = 'feed-silent'"),
    )
