"""Tables of a warehouse: what each extract brought, row by row, the campaigns that follow from them, and who is told what of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INT = sa.Integer()
TEXT = sa.Text()
BYTES = sa.LargeBinary()


def upgrade() -> None:
    """Six new tables, and the indexes that campaigns look through."""
    op.create_table(
        "table_extract",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("baseline", INT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("again", INT, nullable=False),
        sa.Column("meaning", TEXT, nullable=False),
        sa.Column("cursor", TEXT, nullable=False),
        sa.Column("expected", BIG, nullable=True),
        sa.Column("counts", TEXT, nullable=False),
        sa.Column("started", BIG, nullable=False),
        sa.Column("ended", BIG, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("table_extract_source", "table_extract", ["source", "id"])
    going = sa.text("state IN ('open', 'stopped')")
    op.create_index(
        "table_extract_open", "table_extract", ["source"], unique=True, sqlite_where=going, postgresql_where=going
    )
    op.create_table(
        "table_row",
        sa.Column("key", BYTES, nullable=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("extract", BIG, nullable=False),
        sa.Column("state", INT, nullable=False),
        sa.Column("patient", BIG, nullable=True),
        sa.Column("occurrence", BIG, nullable=True),
        sa.PrimaryKeyConstraint("key"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("table_row_source", "table_row", ["source", "key"])
    op.create_index("table_row_patient", "table_row", ["patient"])
    op.create_table(
        "campaign",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("people", BIG, nullable=False),
        sa.Column("planned", BIG, nullable=False, server_default=sa.text("0")),
        sa.Column("sent", BIG, nullable=False, server_default=sa.text("0")),
        sa.Column("begun", BIG, nullable=True),
        sa.Column("forecast", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("decided", BIG, nullable=True),
        sa.Column("decided_by", TEXT, nullable=True),
        sa.Column("why", TEXT, nullable=True),
        sa.Column("asked", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("campaign_rule", "campaign", ["rule", "id"])
    op.create_table(
        "campaign_hour",
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("hour", BIG, nullable=False),
        sa.Column("sent", BIG, nullable=False),
        sa.Column("promised", BIG, nullable=False),
        sa.PrimaryKeyConstraint("rule", "hour", name="campaign_hour_key"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sink",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.Column("told", BIG, nullable=False, server_default=sa.text("0")),
        sa.Column("moved", BIG, nullable=False),
        sa.Column("tries", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("next_at", BIG, nullable=False, server_default=sa.text("0")),
        sa.Column("failed", TEXT, nullable=True),
        sa.Column("failing_since", BIG, nullable=True),
        sa.Column("said", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "feed_queue",
        sa.Column("source", BIG, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("lost", BIG, nullable=True),
        sa.Column("looked", BIG, nullable=False),
        sa.Column("waiting", BIG, nullable=True),
        sa.Column("oldest", BIG, nullable=True),
        sa.Column("taken", BIG, nullable=False),
        sa.Column("again", BIG, nullable=False),
        sa.Column("said", TEXT, nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("holder", "source", name="feed_queue_of"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    _some("request_of_rule", "request", ["rule", "id"], "state IN ('active', 'on-hold')")
    _some("request_held_out", "request", ["rule", "patient"], "reason = 'holdout'")
    _some("receipt_complained", "receipt", ["id"], "status = 'complained'")
    _some("consent_denied", "consent", ["id"], "permit = 0")


def _some(name: str, table: str, columns: list[str], where: str) -> None:
    """An index of the rows of which something is so."""
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
