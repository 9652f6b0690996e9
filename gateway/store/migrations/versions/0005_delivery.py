"""What consent, delivery and what comes back need: kinds of consent, representatives, replies, links, brakes, access."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INT = sa.Integer()
TEXT = sa.Text()
BYTES = sa.LargeBinary()


def upgrade() -> None:
    """New tables; new columns of address, consent, request and receipt."""
    op.add_column("address", sa.Column("suppressed_at", BIG, nullable=True))
    op.add_column("address", sa.Column("suppressed_why", TEXT, nullable=True))
    op.add_column("consent", sa.Column("kind", TEXT, nullable=False, server_default=sa.text("'messages'")))
    op.add_column("consent", sa.Column("recorded_by", TEXT, nullable=True))
    op.add_column("consent", sa.Column("text_version", TEXT, nullable=True))
    op.add_column("consent", sa.Column("language", TEXT, nullable=True))
    op.add_column("consent", sa.Column("sealed", BYTES, nullable=True))
    op.add_column("request", sa.Column("about", BIG, nullable=True))
    op.add_column("request", sa.Column("channel", TEXT, nullable=True))
    op.add_column("request", sa.Column("address", BIG, nullable=True))
    op.add_column("receipt", sa.Column("code", TEXT, nullable=True))
    op.add_column("communication", sa.Column("protection", TEXT, nullable=True))
    op.add_column("communication", sa.Column("label", TEXT, nullable=True))
    op.add_column("communication", sa.Column("silent_at", BIG, nullable=True))
    op.add_column("communication", sa.Column("read_by", BIG, nullable=True))
    for index, column, where in (
        ("communication_silent", "silent_at", "silent_at IS NOT NULL"),
        ("communication_unread", "at", "read_by IS NOT NULL"),
    ):
        op.create_index(index, "communication", [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table(
        "representative",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False, server_default=sa.text("'*'")),
        sa.Column("valid_from", BIG, nullable=False),
        sa.Column("valid_until", BIG, nullable=True),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("recorded", BIG, nullable=False),
        sa.Column("recorded_by", TEXT, nullable=False),
        sa.Column("sealed", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("representative_patient", "representative", ["patient"])
    op.create_table(
        "revocation",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("consent", BIG, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("legal_by", BIG, nullable=False),
        sa.Column("tries", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("next_at", BIG, nullable=False),
        sa.Column("acknowledged", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("consent", "target", name="revocation_once"),
        sqlite_strict=True,
    )
    op.create_index("revocation_open", "revocation", ["state", "next_at"])
    op.create_table(
        "inbound",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("provider_event", TEXT, nullable=False),
        sa.Column("address", BIG, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("received", BIG, nullable=False),
        sa.Column("feed_key", BIG, nullable=False),
        sa.Column("sealed", BYTES, nullable=True),
        sa.Column("meaning", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("patient", BIG, nullable=True),
        sa.Column("request", BIG, nullable=True),
        sa.Column("decided", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "provider_event", name="inbound_once"),
        sqlite_strict=True,
    )
    op.create_index("inbound_address", "inbound", ["address", "received"])
    op.create_index("inbound_patient", "inbound", ["patient"])
    op.create_index("inbound_open", "inbound", ["state", "received"])
    op.create_table(
        "link",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("address", BIG, nullable=True),
        sa.Column("communication", BIG, nullable=True),
        sa.Column("channel", TEXT, nullable=True),
        sa.Column("topic", TEXT, nullable=True),
        sa.Column("created", BIG, nullable=False),
        sa.Column("expires", BIG, nullable=False),
        sa.Column("ended", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="link_digest"),
        sqlite_strict=True,
    )
    op.create_index("link_communication", "link", ["communication"])
    op.create_index("link_patient", "link", ["patient"])
    op.create_index("link_expires", "link", ["expires"])
    op.create_table(
        "login",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("link", BIG, nullable=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("digest", BYTES, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("code_digest", BYTES, nullable=True),
        sa.Column("code_address", BIG, nullable=True),
        sa.Column("code_expires", BIG, nullable=True),
        sa.Column("tries", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("locked_until", BIG, nullable=True),
        sa.Column("started", BIG, nullable=False),
        sa.Column("ends", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="login_digest"),
        sqlite_strict=True,
    )
    op.create_index("login_link", "login", ["link"])
    op.create_index("login_patient", "login", ["patient"])
    op.create_table(
        "brake",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=True),
        sa.Column("day_from", BIG, nullable=True),
        sa.Column("day_until", BIG, nullable=True),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("lifted", BIG, nullable=True),
        sa.Column("lifted_by", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "pace",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("next_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "api_key",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("roles", TEXT, nullable=False),
        sa.Column("created", BIG, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("expires", BIG, nullable=True),
        sa.Column("revoked", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="api_key_digest"),
        sqlite_strict=True,
    )
    op.create_table(
        "staff_session",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("key", BIG, nullable=False),
        sa.Column("started", BIG, nullable=False),
        sa.Column("seen", BIG, nullable=False),
        sa.Column("ended", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest", name="staff_session_digest"),
        sqlite_strict=True,
    )
    op.create_index("staff_session_key", "staff_session", ["key"])
    op.create_table(
        "said_once",
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("asked", BYTES, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("status", INT, nullable=True),
        sa.Column("answer", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_strict=True,
    )
    op.create_index("said_once_at", "said_once", ["at"])
    op.create_table(
        "erasure",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.Column("hmac", BYTES, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("erasure_patient", "erasure", ["patient"])
    op.create_index(
        "request_about",
        "request",
        ["about", "kind", "step"],
        unique=True,
        sqlite_where=sa.text("about IS NOT NULL"),
        postgresql_where=sa.text("about IS NOT NULL"),
    )
    for name, table, columns, where in (
        ("request_stopped", "request", ["priority", "due", "id"], "reason = 'stopped'"),
        ("patient_held", "patient", ["token"], "hold <> ''"),
        ("communication_provider", "communication", ["provider_id"], "provider_id IS NOT NULL"),
        ("address_suppressed", "address", ["id"], "suppressed_at IS NOT NULL"),
        ("inbound_kept", "inbound", ["received"], "sealed IS NOT NULL"),
        ("brake_on", "brake", ["id"], "lifted IS NULL"),
        ("erasure_hmac", "erasure", ["hmac"], "hmac IS NOT NULL"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
