"""The rule set itself in the database, who approved it, and the replays that were looked at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT = sa.Text()


def upgrade() -> None:
    """Columns of `ruleset`; tables of bundles and reports."""
    for name in ("how", "replaced", "author", "approver", "report", "evidence"):
        op.add_column("ruleset", sa.Column(name, TEXT, nullable=True))
    op.create_table(
        "rule_bundle",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_strict=True,
    )
    op.create_table(
        "rule_report",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("ruleset", TEXT, nullable=False),
        sa.Column("against", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_strict=True,
    )
