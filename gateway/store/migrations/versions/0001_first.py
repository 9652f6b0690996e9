"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INT = sa.Integer()
BYTES = sa.LargeBinary()
TEXT = sa.Text()


def upgrade() -> None:
    """Create every table; STRICT on SQLite, so that types are checked there too."""
    op.create_table(
        "address",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("index_key", TEXT, nullable=False),
        sa.Column("hmac", BYTES, nullable=False),
        sa.Column("sender", TEXT, nullable=False),
        sa.Column("opted_out_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hmac", "sender", "index_key", name="address_hmac"),
        sqlite_strict=True,
    )
    op.create_table(
        "audit",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("ruleset", BIG, nullable=True),
        sa.Column("request", BIG, nullable=True),
        sa.Column("entries", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        "audit_request",
        "audit",
        ["request"],
        sqlite_where=sa.text("request IS NOT NULL"),
        postgresql_where=sa.text("request IS NOT NULL"),
    )
    op.create_table(
        "audit_patient",
        sa.Column("patient", BIG, nullable=False),
        sa.Column("audit", BIG, nullable=False),
        sa.PrimaryKeyConstraint("audit", "patient", name="audit_patient_audit"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_index("audit_patient_patient", "audit_patient", ["patient", "audit"])
    op.create_table(
        "block",
        sa.Column("n", BIG, nullable=False, autoincrement=False),
        sa.Column("first", BIG, nullable=False),
        sa.Column("last", BIG, nullable=False),
        sa.Column("count", BIG, nullable=False),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("previous", BYTES, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("leaves", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sqlite_strict=True,
    )
    op.create_table(
        "checkpoint",
        sa.Column("log", TEXT, nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("hash", BYTES, nullable=False),
        sa.Column("signature", BYTES, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("log"),
        sqlite_strict=True,
    )
    op.create_table(
        "communication",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("request", BIG, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("attempt", INT, nullable=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("address", BIG, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("template", TEXT, nullable=False),
        sa.Column("template_digest", TEXT, nullable=False),
        sa.Column("body_hmac", BYTES, nullable=False),
        sa.Column("sealed_body", BYTES, nullable=True),
        sa.Column("provider_id", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("at", BIG, nullable=False),
        sa.Column("settled", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request", "channel", "attempt", name="communication_once"),
        sqlite_strict=True,
    )
    op.create_index("communication_address", "communication", ["address", "at"])
    op.create_index("communication_open", "communication", ["status", "at"])
    op.create_index("communication_patient", "communication", ["patient", "at"])
    op.create_table(
        "consent",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("patient", BIG, nullable=True),
        sa.Column("address", BIG, nullable=True),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("channel", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("permit", INT, nullable=False),
        sa.Column("valid_from", BIG, nullable=False),
        sa.Column("valid_until", BIG, nullable=True),
        sa.Column("evidence", TEXT, nullable=False),
        sa.Column("recorded", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("consent_address", "consent", ["address"])
    op.create_index("consent_patient", "consent", ["patient"])
    op.create_table(
        "contact_point",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("address", BIG, nullable=False),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("system", TEXT, nullable=False),
        sa.Column("use", TEXT, nullable=False),
        sa.Column("rank", INT, nullable=False),
        sa.Column("valid_from", BIG, nullable=True),
        sa.Column("valid_until", BIG, nullable=True),
        sa.Column("sealed", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("contact_point_address", "contact_point", ["address"])
    op.create_index("contact_point_patient", "contact_point", ["patient"])
    op.create_table(
        "data_key",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=True),
        sa.Column("kek", TEXT, nullable=False),
        sa.Column("wrapped", BYTES, nullable=True),
        sa.Column("destroyed_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("data_key_label", "data_key", ["label", "kind"], unique=True)
    op.create_table(
        "identifier",
        sa.Column("index_key", TEXT, nullable=False),
        sa.Column("hmac", BYTES, nullable=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("sealed", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("hmac", "index_key", name="identifier_hmac"),
        sqlite_with_rowid=False,
        sqlite_strict=True,
    )
    op.create_index("identifier_patient", "identifier", ["patient"])
    op.create_table(
        "lease",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("holder", TEXT, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("fence", BIG, nullable=False),
        sa.Column("floor", BIG, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
    )
    op.create_table(
        "merge",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("loser", BIG, nullable=False),
        sa.Column("survivor", BIG, nullable=False),
        sa.Column("raw", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("snapshot_sealed", BYTES, nullable=False),
        sa.Column("undone", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("merge_loser", "merge", ["loser"])
    op.create_table(
        "occurrence",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("key", BYTES, nullable=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("facility", TEXT, nullable=True),
        sa.Column("version", BIG, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reached_by", TEXT, nullable=False),
        sa.Column("occurred", BIG, nullable=False),
        sa.Column("start_utc", BIG, nullable=True),
        sa.Column("zone", TEXT, nullable=True),
        sa.Column("precision", TEXT, nullable=True),
        sa.Column("end_utc", BIG, nullable=True),
        sa.Column("hold", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("raw", BIG, nullable=False),
        sa.Column("sealed_facts", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", "kind", name="occurrence_key"),
        sqlite_strict=True,
    )
    op.create_index("occurrence_patient", "occurrence", ["patient"])
    op.create_table(
        "patient",
        sa.Column("token", BIG, nullable=False, autoincrement=False),
        sa.Column("key", BIG, nullable=False),
        sa.Column("survivor", BIG, nullable=True),
        sa.Column("version", BIG, nullable=False),
        sa.Column("zones", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=True),
        sa.Column("language", TEXT, nullable=True),
        sa.Column("deceased", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("hold", TEXT, nullable=False, server_default=sa.text("''")),
        sa.Column("digest", BYTES, nullable=False),
        sa.Column("flags_digest", BYTES, nullable=False),
        sa.Column("sealed", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("token"),
        sqlite_strict=True,
    )
    op.create_index(
        "patient_survivor",
        "patient",
        ["survivor"],
        sqlite_where=sa.text("survivor IS NOT NULL"),
        postgresql_where=sa.text("survivor IS NOT NULL"),
    )
    op.create_table(
        "quarantine",
        sa.Column("raw", BIG, nullable=False, autoincrement=False),
        sa.Column("control_hmac", BYTES, nullable=True),
        sa.Column("code", INT, nullable=False),
        sa.Column("place", TEXT, nullable=False),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("decided", BIG, nullable=True),
        sa.PrimaryKeyConstraint("raw"),
        sqlite_strict=True,
    )
    op.create_index("quarantine_control", "quarantine", ["control_hmac"])
    op.create_index("quarantine_state", "quarantine", ["state", "raw"])
    op.create_table(
        "raw",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("source", BIG, nullable=False),
        sa.Column("control_hmac", BYTES, nullable=False),
        sa.Column("body_hmac", BYTES, nullable=False),
        sa.Column("received", BIG, nullable=False),
        sa.Column("feed_key", BIG, nullable=False),
        sa.Column("sealed", BYTES, nullable=True),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("ack", TEXT, nullable=False),
        sa.Column("result", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("raw_control", "raw", ["control_hmac", "body_hmac"])
    op.create_index("raw_received", "raw", ["received"])
    op.create_table(
        "receipt",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("communication", BIG, nullable=False),
        sa.Column("provider_event", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("communication", "provider_event", name="receipt_once"),
        sqlite_strict=True,
    )
    op.create_table(
        "request",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("patient", BIG, nullable=False),
        sa.Column("occurrence", BIG, nullable=True),
        sa.Column("raw", BIG, nullable=True),
        sa.Column("rule", TEXT, nullable=False),
        sa.Column("ruleset", BIG, nullable=False),
        sa.Column("step", TEXT, nullable=False),
        sa.Column("material_version", INT, nullable=False),
        sa.Column("material", BYTES, nullable=False),
        sa.Column("recipient", BIG, nullable=False),
        sa.Column("priority", INT, nullable=False),
        sa.Column("due", BIG, nullable=False),
        sa.Column("expires", BIG, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("ring_at", BIG, nullable=False),
        sa.Column("attempts", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("lease_until", BIG, nullable=True),
        sa.Column("fence", BIG, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("occurrence", "rule", "step", "material_version", "recipient", name="request_once"),
        sqlite_strict=True,
    )
    op.create_index("request_patient", "request", ["patient"])
    op.create_index("request_ring", "request", ["state", "priority", "ring_at"])
    op.create_table(
        "ruleset",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("activated", BIG, nullable=False),
        sa.Column("by", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "source",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("held", INT, nullable=False, server_default=sa.text("0")),
        sa.Column("last_received", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_strict=True,
    )
