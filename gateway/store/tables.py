"""The tables. Times are Millis UTC; digests are keyed; nothing readable about a person stands outside a sealed column."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

BIG = BigInteger().with_variant(Integer, "sqlite")
INT = Integer()
BYTES = LargeBinary()
TEXT = Text()


def _id(name: str = "id") -> Column[int]:
    return Column(name, BIG, primary_key=True, autoincrement=False)


def _col(name: str, kind: object, *, null: bool = False, default: str | None = None) -> Column[object]:
    return Column(name, kind, nullable=null, server_default=None if default is None else text(default))  # type: ignore[arg-type]


def _some_index(name: str, column: str) -> Index:
    """An index of the few rows that have a value: most are null and would only cost a page each."""
    told = text(f"{column} IS NOT NULL")
    return Index(name, column, sqlite_where=told, postgresql_where=told)


_SILENT = "reason = 'feed-silent'"
_STOPPED = "reason = 'stopped'"
_AHEAD = "state IN ('active', 'on-hold')"
_HELD_OUT = "reason = 'holdout'"
_COMPLAINED = "status = 'complained'"
_DENIED = "permit = 0"
_UNREAD = "read_by IS NOT NULL"


# -- leases, cursors, sources (exempt from law 2 by name: leases and cursors)
lease = Table(
    "lease",
    metadata,
    Column("name", TEXT, primary_key=True),
    _col("holder", TEXT),
    _col("until", BIG),
    _col("fence", BIG),
    _col("floor", BIG, default="0"),  # writers: no open id of this writer is below it
)
source = Table(
    "source",
    metadata,
    _id(),
    Column("name", TEXT, nullable=False, unique=True),
    _col("held", INT, default="0"),
    _col("last_received", BIG, null=True),
    _col("first_received", BIG, null=True),
    _col("watched", BIG, null=True),  # when its silence was judged last
    _col("resumed", BIG, null=True),  # when we began to watch again after a pause of our own
    _col("silent_since", BIG, null=True),  # while it is silent against its own habit
    _col("excused_until", BIG, null=True),  # a person expects silence until then
)

# -- feed counters (exempt from law 2 by name)
feed_slot = Table(
    "feed_slot",
    metadata,
    _col("source", BIG),
    _col("slot", BIG),  # quarter hours since 1970, UTC
    _col("messages", BIG),
    PrimaryKeyConstraint("source", "slot", name="feed_slot_of"),
    sqlite_with_rowid=False,
)
feed_count = Table(
    "feed_count",
    metadata,
    _col("source", BIG),
    _col("day", INT),  # in the feed's zone, days since 0001-01-01
    _col("type", TEXT),
    _col("result", TEXT),
    _col("reason", TEXT),
    _col("messages", BIG),
    PrimaryKeyConstraint("source", "day", "type", "result", "reason", name="feed_count_of"),
    sqlite_with_rowid=False,
)
feed_mark = Table(
    "feed_mark",
    metadata,
    Column("name", TEXT, primary_key=True),  # counted: messages up to this id are in the counters
    _col("value", BIG),
)
feed_queue = Table(  # what each process sees of the queues that it reads
    "feed_queue",
    metadata,
    _col("source", BIG),
    _col("holder", TEXT),
    _col("at", BIG),
    _col("lost", BIG, null=True),  # since when it is not connected
    _col("looked", BIG),  # when what waits was seen
    _col("waiting", BIG, null=True),
    _col("oldest", BIG, null=True),
    _col("taken", BIG),  # within an hour
    _col("again", BIG),
    _col("said", TEXT, default="''"),  # why it is not connected
    PrimaryKeyConstraint("holder", "source", name="feed_queue_of"),
    sqlite_with_rowid=False,
)

# -- what staff are told
alert = Table(
    "alert",
    metadata,
    _col("kind", TEXT),
    _col("source", TEXT),  # the feed's name; empty: the gateway as a whole
    _col("host", TEXT),  # where only one machine can see it
    _col("since", BIG),
    _col("count", BIG),
    _col("resolved", BIG, null=True),
    PrimaryKeyConstraint("kind", "source", "host", name="alert_of"),
)
alert_told = Table(
    "alert_told",
    metadata,
    _col("kind", TEXT),
    _col("source", TEXT),
    _col("host", TEXT),
    _col("sink", TEXT),
    _col("since", BIG),  # of the condition that was told last
    _col("word", TEXT),
    _col("at", BIG),
    _col("tries", INT, default="0"),  # in vain, since then
    _col("tried", BIG, null=True),
    PrimaryKeyConstraint("kind", "source", "host", "sink", name="alert_told_of"),
)

cursor = Table(
    "cursor",
    metadata,
    Column("source", BIG, nullable=False),
    Column("name", TEXT, nullable=False),  # sequence: the last number taken (D-07) · join: nobody else joins parts now
    _col("value", TEXT),
    PrimaryKeyConstraint("source", "name", name="cursor_of"),
)

# -- keys
data_key = Table(
    "data_key",
    metadata,
    _id(),
    _col("kind", TEXT),  # patient | raw | raw-purged | check (recognises a wrong key file)
    _col("label", TEXT, null=True),  # raw: "<source id>:<day number>"; check: "check"
    _col("kek", TEXT),
    _col("wrapped", BYTES, null=True),  # null once destroyed
    _col("destroyed_at", BIG, null=True),
    Index("data_key_label", "label", "kind", unique=True),
)

# -- what came in
raw = Table(
    "raw",
    metadata,
    _id(),  # the audit row of its receipt has the same id
    _col("source", BIG),
    _col("control_hmac", BYTES),
    _col("body_hmac", BYTES),
    _col("received", BIG),
    _col("feed_key", BIG),
    _col("sealed", BYTES, null=True),  # null once purged
    _col("type", TEXT),
    _col("ack", TEXT),
    _col("result", TEXT),
    Index("raw_control", "control_hmac", "body_hmac"),
    Index("raw_received", "received"),
)
fragment = Table(  # a part of a message; it waits until `ended` is set (B-07)
    "fragment",
    metadata,
    Column("raw", BIG, primary_key=True, autoincrement=False),
    _col("source", BIG),
    _col("continues_hmac", BYTES, null=True),  # MSH-14, DSC-1: forgotten when it waits no more
    _col("continued_hmac", BYTES, null=True),
    _col("size", BIG),
    _col("at", BIG),  # when a part of this message came last
    _col("place", INT, null=True),  # of a joined message, from 0
    _col("ended", BIG, null=True),  # the audit row that says how: the message it is a part of, or its quarantine
    _some_index("fragment_continues", "continues_hmac"),
    _some_index("fragment_continued", "continued_hmac"),
    _some_index("fragment_ended", "ended"),
    Index("fragment_waiting", "at", sqlite_where=text("ended IS NULL"), postgresql_where=text("ended IS NULL")),
)
quarantine = Table(
    "quarantine",
    metadata,
    Column("raw", BIG, primary_key=True, autoincrement=False),
    _col("control_hmac", BYTES, null=True),
    _col("code", INT),  # table 0357
    _col("place", TEXT),
    _col("rule", TEXT),
    _col("state", TEXT),  # open | resolved | discarded
    _col("at", BIG),
    _col("decided", BIG, null=True),
    Index("quarantine_state", "state", "raw"),
    Index("quarantine_control", "control_hmac"),
)

# -- the directory
patient = Table(
    "patient",
    metadata,
    _id("token"),
    _col("key", BIG),
    _col("survivor", BIG, null=True),
    _col("version", BIG),  # recorded time of the newest update applied (N-06)
    _col("zones", TEXT),  # plausible IANA zones, comma-joined; empty: unknown
    _col("state", TEXT, null=True),
    _col("language", TEXT, null=True),
    _col("deceased", INT, default="0"),
    _col("hold", TEXT, default="''"),  # reasons, comma-joined
    _col("digest", BYTES),  # keyed digest of the last demographics seen: equal means nothing to do
    _col("flags_digest", BYTES),  # the same of the last flags told
    _col("sealed", BYTES),
    _some_index("patient_survivor", "survivor"),
    # the few that wait for a person
    Index("patient_held", "token", sqlite_where=text("hold <> ''"), postgresql_where=text("hold <> ''")),
)
identifier = Table(
    "identifier",
    metadata,
    Column("index_key", TEXT, nullable=False),
    Column("hmac", BYTES, nullable=False),
    _col("patient", BIG),
    _col("sealed", BYTES),
    # the primary key, so that SQLite keeps one b-tree for row and blind index
    PrimaryKeyConstraint("hmac", "index_key", name="identifier_hmac"),
    Index("identifier_patient", "patient"),
    sqlite_with_rowid=False,
)
address = Table(
    "address",
    metadata,
    _id(),
    _col("index_key", TEXT),
    _col("hmac", BYTES),
    _col("sender", TEXT),
    _col("opted_out_at", BIG, null=True),
    _col("suppressed_at", BIG, null=True),  # it bounced for good, or its owner complained
    _col("suppressed_why", TEXT, null=True),
    UniqueConstraint("hmac", "sender", "index_key", name="address_hmac"),
    Index(
        "address_suppressed",
        "id",
        sqlite_where=text("suppressed_at IS NOT NULL"),
        postgresql_where=text("suppressed_at IS NOT NULL"),
    ),
)
contact_point = Table(
    "contact_point",
    metadata,
    _id(),
    _col("patient", BIG),
    _col("address", BIG),
    _col("origin", TEXT),  # the field it came from: replaced as a set (N-03)
    _col("system", TEXT),
    _col("use", TEXT),
    _col("rank", INT),
    _col("valid_from", BIG, null=True),
    _col("valid_until", BIG, null=True),
    _col("sealed", BYTES),
    Index("contact_point_patient", "patient"),
    Index("contact_point_address", "address"),
)
merge = Table(
    "merge",
    metadata,
    _id(),
    _col("loser", BIG),
    _col("survivor", BIG),
    _col("raw", BIG),
    _col("at", BIG),
    _col("snapshot_sealed", BYTES),
    _col("undone", BIG, null=True),
    Index("merge_loser", "loser"),
)
consent = Table(
    "consent",
    metadata,
    _id(),
    _col("patient", BIG, null=True),
    _col("address", BIG, null=True),
    _col("purpose", TEXT),
    _col("channel", TEXT),
    _col("topic", TEXT),
    _col("permit", INT),
    _col("valid_from", BIG),
    _col("valid_until", BIG, null=True),
    _col("evidence", TEXT),
    _col("recorded", BIG),
    _col("kind", TEXT, default="'messages'"),  # ConsentKind
    _col("recorded_by", TEXT, null=True),
    _col("text_version", TEXT, null=True),  # of the words the person agreed to
    _col("language", TEXT, null=True),
    _col("sealed", BYTES, null=True),  # the elements of an authorization, a signature or call reference
    Index("consent_patient", "patient"),
    Index("consent_address", "address"),
    Index("consent_denied", "id", sqlite_where=text(_DENIED), postgresql_where=text(_DENIED)),  # campaigns count them
)
representative = Table(  # who receives in a patient's stead (45 CFR 164.502(g))
    "representative",
    metadata,
    _id(),
    _col("patient", BIG),
    _col("role", TEXT),  # table 0063, or guardian, agent
    _col("scope", TEXT, default="'*'"),  # topics, comma-joined
    _col("valid_from", BIG),
    _col("valid_until", BIG, null=True),
    _col("evidence", TEXT),
    _col("recorded", BIG),
    _col("recorded_by", TEXT),
    _col("sealed", BYTES),  # name and relation as told, under the patient's key
    _col("told", BYTES, null=True),  # keyed, of the RelatedPerson that told them; nothing of one recorded by hand
    Index("representative_patient", "patient"),
    _some_index("representative_told", "told"),
)
revocation = Table(  # an opt-out on its way to others who must honour it too
    "revocation",
    metadata,
    _id(),
    _col("consent", BIG),
    _col("target", TEXT),
    _col("state", TEXT),  # open | acknowledged | failed | moot | settled (by a person)
    _col("legal_by", BIG),  # when the law wants it honoured
    _col("tries", INT, default="0"),
    _col("next_at", BIG),
    _col("acknowledged", BIG, null=True),
    UniqueConstraint("consent", "target", name="revocation_once"),
    Index("revocation_open", "state", "next_at"),
)

# -- FHIR: what must be fetched, what must be told (law 1: the committed decision is the pending fetch)
_OPEN, _FAILED = text("state = 'open'"), text("state IN ('refused', 'unreadable')")
fetch = Table(
    "fetch",
    metadata,
    _id(),
    _col("source", BIG),
    _col("digest", BYTES),  # keyed, of "Appointment/12": a resource's id may be a person's number
    _col("key", BIG),  # of the feed's day
    _col("sealed", BYTES, null=True),  # reference and version; nothing any more once it was received or is gone
    _col("why", TEXT),  # notified | patient-unknown | related | baseline
    _col("state", TEXT),  # open | received | gone | refused | unreadable | dropped
    _col("after", BIG, null=True),  # a fetch that must have ended before
    _col("tries", INT, default="0"),
    _col("next_at", BIG),
    _col("lease_until", BIG, null=True),
    _col("fence", BIG, default="0"),
    _col("created", BIG),
    _col("settled", BIG, null=True),
    Index("fetch_open", "source", "digest", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("fetch_due", "source", "next_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("fetch_of", "digest"),
    Index("fetch_settled", "settled"),
    Index("fetch_failed", "source", sqlite_where=_FAILED, postgresql_where=_FAILED),
)
resource = Table(  # what a FHIR resource came to, where nothing else finds it by: its delete tells type and id alone
    "resource",
    metadata,
    _id(),
    _col("key", BYTES),  # keyed, of source and "Consent/12"
    _col("patient", BIG),
    _col("occurrence", BIG),  # 0: it is about the patient alone
    _col("version", BIG),  # recorded time of the newest version applied
    UniqueConstraint("key", "patient", "occurrence", name="resource_once"),
    Index("resource_patient", "patient"),
)
_UNTOLD = text("state IN ('refused', 'given-up')")
writeback = Table(  # a message whose fate an EHR is told, as a Communication
    "writeback",
    metadata,
    _id(),
    _col("source", BIG),
    _col("about", BIG),  # the first attempt of its request by its channel
    _col("state", TEXT),  # open | told | moot | refused | given-up | dropped
    _col("told", TEXT, null=True),  # status, reason and times as told last: what changed since is told again
    _col("server_id", TEXT, null=True),  # logical id the server gave
    _col("tries", INT, default="0"),  # in vain, since the last that was not
    _col("next_at", BIG),
    _col("created", BIG),
    _col("settled", BIG, null=True),
    UniqueConstraint("source", "about", name="writeback_once"),
    Index("writeback_of", "about"),
    Index("writeback_due", "source", "next_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("writeback_failed", "source", sqlite_where=_UNTOLD, postgresql_where=_UNTOLD),
    Index("writeback_settled", "settled"),
)

# -- what happened
occurrence = Table(
    "occurrence",
    metadata,
    _id(),
    _col("kind", TEXT),
    _col("key", BYTES),  # keyed digest
    _col("patient", BIG),
    _col("source", BIG),  # owning source
    _col("facility", TEXT, null=True),
    _col("version", BIG),  # recorded time of the newest event applied
    _col("status", TEXT),
    _col("reached_by", TEXT),  # event kind that led to the status
    _col("occurred", BIG),  # when that event happened
    _col("start_utc", BIG, null=True),
    _col("zone", TEXT, null=True),
    _col("precision", TEXT, null=True),
    _col("end_utc", BIG, null=True),
    _col("hold", TEXT, default="''"),
    _col("raw", BIG),  # the message that last changed it
    _col("sealed_facts", BYTES),
    _col("parent", BYTES, null=True),  # keyed digest of the appointment it is a part of (SI-22)
    UniqueConstraint("key", "kind", name="occurrence_key"),
    # by nothing that a later message changes: the index of a row that is updated stays as it is
    Index("occurrence_patient", "patient"),
    _some_index("occurrence_parent", "parent"),
)

# -- what is planned and was tried
ruleset = Table(
    "ruleset",
    metadata,
    _id(),
    _col("digest", TEXT),
    _col("activated", BIG),
    _col("by", TEXT),
    _col("how", TEXT, null=True),  # folder, activated or restored
    _col("replaced", TEXT, null=True),  # the digest that was in force before
    _col("author", TEXT, null=True),
    _col("approver", TEXT, null=True),
    _col("report", TEXT, null=True),  # digest of the replay that was looked at
    _col("evidence", TEXT, null=True),  # JSON: the signatures
)
rule_bundle = Table(
    "rule_bundle",
    metadata,
    Column("digest", TEXT, primary_key=True),
    _col("files", BYTES),  # what every process loads, so that all have the same
)
rule_report = Table(
    "rule_report",
    metadata,
    Column("digest", TEXT, primary_key=True),
    _col("ruleset", TEXT),
    _col("against", TEXT),
    _col("at", BIG),
    _col("by", TEXT),
)
request = Table(
    "request",
    metadata,
    _id(),
    _col("kind", TEXT),
    _col("patient", BIG),
    _col("occurrence", BIG, null=True),
    _col("raw", BIG, null=True),  # the message that planned it
    _col("rule", TEXT),
    _col("ruleset", BIG),
    _col("step", TEXT),
    _col("material_version", INT),
    _col("material", BYTES),  # keyed digest of the revealed and scheduling facts
    _col("recipient", BIG),  # the patient; who receives in their stead is chosen, and audited, when it is cleared
    _col("priority", INT),
    _col("due", BIG),
    _col("expires", BIG, null=True),
    _col("state", TEXT),
    _col("reason", TEXT, null=True),
    _col("ring_at", BIG),  # when to ring next: the due time, then a while after each ring
    _col("attempts", INT, default="0"),
    _col("lease_until", BIG, null=True),
    _col("fence", BIG, default="0"),
    _col("about", BIG, null=True),  # of a built-in kind: the communication, reply, consent or login it is about
    _col("channel", TEXT, null=True),  # of a built-in kind: the only one it may leave by
    _col("address", BIG, null=True),  # of a built-in kind: the only address it may go to
    UniqueConstraint("occurrence", "rule", "step", "material_version", "recipient", name="request_once"),
    Index(
        "request_about",
        "about",
        "kind",
        "step",
        unique=True,
        sqlite_where=text("about IS NOT NULL"),
        postgresql_where=text("about IS NOT NULL"),
    ),
    Index("request_ring", "state", "priority", "ring_at"),
    Index("request_patient", "patient"),
    # the few that wait for a feed to speak again: looked for every half minute
    Index("request_feed_silent", "id", sqlite_where=text(_SILENT), postgresql_where=text(_SILENT)),
    # what fell due while it was stopped: let go in the order of lane and due
    Index("request_stopped", "priority", "due", "id", sqlite_where=text(_STOPPED), postgresql_where=text(_STOPPED)),
    # what a campaign has still to do: its dry run walks it, and an approval has it asked again
    Index("request_of_rule", "rule", "id", sqlite_where=text(_AHEAD), postgresql_where=text(_AHEAD)),
    Index("request_held_out", "rule", "patient", sqlite_where=text(_HELD_OUT), postgresql_where=text(_HELD_OUT)),
)
communication = Table(
    "communication",
    metadata,
    _id(),
    _col("request", BIG),
    _col("channel", TEXT),
    _col("attempt", INT),
    _col("patient", BIG),
    _col("address", BIG),
    _col("topic", TEXT),
    _col("purpose", TEXT),
    _col("template", TEXT),
    _col("template_digest", TEXT),
    _col("body_hmac", BYTES),
    _col("sealed_body", BYTES, null=True),
    _col("provider_id", TEXT, null=True),
    _col("status", TEXT),
    _col("reason", TEXT, null=True),
    _col("at", BIG),
    _col("settled", BIG, null=True),
    _col("protection", TEXT, null=True),  # Protection it left under; null: not known
    _col("label", TEXT, null=True),  # part-2: its disclosures are told apart (42 CFR 2.25, 2.32)
    _col("silent_at", BIG, null=True),  # without word of its arrival by then, the next channel may
    _col("read_by", BIG, null=True),  # in the portal: not picked up by then, it is shown to staff
    UniqueConstraint("request", "channel", "attempt", name="communication_once"),
    Index("communication_patient", "patient", "at"),
    Index("communication_address", "address", "at"),
    Index("communication_open", "status", "at"),
    _some_index("communication_provider", "provider_id"),
    _some_index("communication_silent", "silent_at"),
    # by its age: what can be picked up no more is passed over
    Index("communication_unread", "at", sqlite_where=text(_UNREAD), postgresql_where=text(_UNREAD)),
)
receipt = Table(
    "receipt",
    metadata,
    _id(),
    _col("communication", BIG),
    _col("provider_event", TEXT),
    _col("status", TEXT),
    _col("at", BIG),
    _col("code", TEXT, null=True),  # the other side's error code, a word or number
    UniqueConstraint("communication", "provider_event", name="receipt_once"),
    # the few that campaigns count every half minute
    Index("receipt_complained", "id", sqlite_where=text(_COMPLAINED), postgresql_where=text(_COMPLAINED)),
)
inbound = Table(  # what a person wrote back
    "inbound",
    metadata,
    _id(),
    _col("channel", TEXT),
    _col("provider_event", TEXT),
    _col("address", BIG),  # whom it came from
    _col("sender", TEXT),  # our number or mailbox it came to
    _col("received", BIG),
    _col("feed_key", BIG),
    _col("sealed", BYTES, null=True),  # null once purged
    _col("meaning", TEXT),  # ReplyMeaning
    _col("state", TEXT),  # open: waits for a person | done
    _col("patient", BIG, null=True),
    _col("request", BIG, null=True),  # what it answers
    _col("decided", BIG, null=True),
    UniqueConstraint("channel", "provider_event", name="inbound_once"),
    Index("inbound_address", "address", "received"),
    Index("inbound_patient", "patient"),
    Index("inbound_open", "state", "received"),
    Index(
        "inbound_kept",
        "received",
        sqlite_where=text("sealed IS NOT NULL"),
        postgresql_where=text("sealed IS NOT NULL"),
    ),
)

# -- links, and who came in by them
link = Table(
    "link",
    metadata,
    _id(),
    _col("digest", BYTES),  # SHA-256 of the token: what the database holds opens nothing
    _col("kind", TEXT),  # pick-up | preferences | unsubscribe
    _col("patient", BIG),
    _col("address", BIG, null=True),  # it was sent to
    _col("communication", BIG, null=True),  # what is picked up, or what carried it
    _col("channel", TEXT, null=True),  # of an unsubscribe link
    _col("topic", TEXT, null=True),
    _col("created", BIG),
    _col("expires", BIG),
    _col("ended", BIG, null=True),
    UniqueConstraint("digest", name="link_digest"),
    Index("link_communication", "communication"),
    Index("link_patient", "patient"),
    Index("link_expires", "expires"),
)
login = Table(  # one reader's way from a link to what it leads to
    "login",
    metadata,
    _id(),
    _col("link", BIG),
    _col("patient", BIG),
    _col("digest", BYTES, null=True),  # SHA-256 of the session's token, once they proved who they are
    _col("state", TEXT),  # started | code-sent | open | locked | ended
    _col("code_digest", BYTES, null=True),
    _col("code_address", BIG, null=True),
    _col("code_expires", BIG, null=True),
    _col("tries", INT, default="0"),
    _col("locked_until", BIG, null=True),
    _col("started", BIG),
    _col("ends", BIG),
    UniqueConstraint("digest", name="login_digest"),
    Index("login_link", "link"),
    Index("login_patient", "patient"),
)

# -- the hand on the tap
brake = Table(  # what may not leave until a person says so
    "brake",
    metadata,
    _id(),
    _col("scope", TEXT),  # everything | channel | rule | facility
    _col("value", TEXT, null=True),
    _col("day_from", BIG, null=True),  # of the visit it is about, Millis UTC
    _col("day_until", BIG, null=True),
    _col("why", TEXT),
    _col("by", TEXT),
    _col("at", BIG),
    _col("lifted", BIG, null=True),
    _col("lifted_by", TEXT, null=True),
    Index("brake_on", "id", sqlite_where=text("lifted IS NULL"), postgresql_where=text("lifted IS NULL")),
)
pace = Table(  # how fast each provider takes messages (exempt from law 2 by name)
    "pace",
    metadata,
    Column("name", TEXT, primary_key=True),
    _col("next_at", BIG),  # microseconds UTC: a fast provider has several places in a millisecond
)

# -- tables of a warehouse, and the campaigns they lead to
table_extract = Table(
    "table_extract",
    metadata,
    _id(),
    _col("source", BIG),
    _col("mode", TEXT),  # snapshot | changes
    _col("baseline", INT),
    _col("state", TEXT),  # open | finished | stopped (by a guard) | given-up
    _col("again", INT),  # whether rows that say nothing new are taken too, for their mapping means something new
    _col("meaning", TEXT),  # digest of the mapping, as of which every row of the source was taken at least
    _col("cursor", TEXT),  # the source's own place, beside the last rows that were committed
    _col("expected", BIG, null=True),
    _col("counts", TEXT),  # JSON: rows by what became of them
    _col("started", BIG),
    _col("ended", BIG, null=True),
    _col("reason", TEXT, null=True),
    Index("table_extract_source", "source", "id"),
    Index(
        "table_extract_open",
        "source",
        unique=True,
        sqlite_where=text("state IN ('open', 'stopped')"),
        postgresql_where=text("state IN ('open', 'stopped')"),
    ),
)
table_row = Table(  # what is known of every row of a source: enough to tell what is new, changed or gone (SN-03, SN-11)
    "table_row",
    metadata,
    Column("key", BYTES, primary_key=True),  # keyed digest of source and key, 16 bytes
    _col("source", BIG),
    _col("digest", BYTES),  # keyed digest of its columns, 16 bytes
    _col("extract", BIG),  # the last snapshot that brought it; no index: it changes with every one
    _col("state", INT),  # see pipeline/extracting/known.py
    _col(
        "patient", BIG, null=True
    ),  # whom it is about: forgotten with them, so that it is news when they are known again
    _col("occurrence", BIG, null=True),  # what it came to
    Index("table_row_source", "source", "key"),
    Index("table_row_patient", "patient"),
    sqlite_with_rowid=False,
)
campaign = Table(  # one dry run of a rule with a `campaign`, and what a person said to it
    "campaign",
    metadata,
    _id(),
    _col("rule", TEXT),
    _col("digest", BYTES),  # SHA-256 of the rule, its lists and templates, as they were
    _col("state", TEXT),  # forecast | approved | stopped | over | replaced
    _col("people", BIG),
    _col("planned", BIG, default="0"),  # people it was planned for since
    _col("sent", BIG, default="0"),  # messages that were cleared since it was approved, or resumed last
    _col("begun", BIG, null=True),  # when its first message was cleared: the ramp counts from that day
    _col("forecast", TEXT),  # JSON: counts by channel and by reason
    _col("at", BIG),
    _col("by", TEXT),
    _col("decided", BIG, null=True),
    _col("decided_by", TEXT, null=True),
    _col("why", TEXT, null=True),
    _col("asked", BIG, null=True),  # the last request asked again since it was decided; null: all of them were
    Index("campaign_rule", "rule", "id"),
)
campaign_hour = (
    Table(  # sends of a campaign in one hour, counted in the unit that clears them (exempt from law 2 by name)
        "campaign_hour",
        metadata,
        _col("rule", TEXT),
        _col("hour", BIG),  # Millis of its begin, UTC
        _col("sent", BIG),
        _col("promised", BIG),  # told to come again then
        PrimaryKeyConstraint("rule", "hour", name="campaign_hour_key"),
        sqlite_with_rowid=False,
    )
)

# -- what others are told of what we did: a cursor over the audit log for each of them
sink = Table(
    "sink",
    metadata,
    Column("name", TEXT, primary_key=True),  # as the configuration has it
    _col("position", BIG),  # everything in audit rows up to this one was told
    _col("told", BIG, default="0"),  # rows, ever
    _col("moved", BIG),
    _col("tries", INT, default="0"),  # in vain, since the last that was not
    _col("next_at", BIG, default="0"),
    _col("failed", TEXT, null=True),  # refused | unavailable | no-agreement
    _col("failing_since", BIG, null=True),
    _col("said", TEXT, default="''"),  # why, in words of the connector
)

# -- who may ask, and what was taken away for good
api_key = Table(
    "api_key",
    metadata,
    _id(),
    _col("name", TEXT),
    _col("digest", BYTES),
    _col("roles", TEXT),
    _col("created", BIG),
    _col("by", TEXT),
    _col("expires", BIG, null=True),
    _col("revoked", BIG, null=True),
    UniqueConstraint("digest", name="api_key_digest"),
)
staff_session = Table(  # a browser's, begun with an API key
    "staff_session",
    metadata,
    _id(),
    _col("digest", BYTES),  # SHA-256 of the cookie's token
    _col("key", BIG),  # api_key
    _col("started", BIG),
    _col("seen", BIG),  # exempt from law 2 by name
    _col("ended", BIG, null=True),
    UniqueConstraint("digest", name="staff_session_digest"),
    Index("staff_session_key", "key"),
)
said_once = Table(  # writes that name an Idempotency-Key, and what was answered (exempt from law 2 by name)
    "said_once",
    metadata,
    Column("digest", BYTES, primary_key=True),  # keyed, of caller and key
    _col("asked", BYTES),  # keyed digest of what was asked
    _col("at", BIG),
    _col("status", INT, null=True),  # null: begun, and not known to be over
    _col("answer", TEXT, null=True),
    Index("said_once_at", "at"),
)
erasure = Table(
    "erasure",
    metadata,
    _id(),
    _col("patient", BIG),
    _col("at", BIG),
    _col("by", TEXT),
    _col("why", TEXT),
    _col("hmac", BYTES, null=True),  # an identifier they had: who asks by it is told what left, and nothing more
    Index("erasure_patient", "patient"),
    _some_index("erasure_hmac", "hmac"),
)

# -- the audit store: append-only
audit = Table(
    "audit",
    metadata,
    _id(),
    _col("at", BIG),
    _col("actor", TEXT),
    _col("ruleset", BIG, null=True),
    _col("request", BIG, null=True),
    _col("entries", TEXT),
    _some_index("audit_request", "request"),
)
audit_patient = Table(
    "audit_patient",
    metadata,
    _col("patient", BIG),
    _col("audit", BIG),
    # audit first: rows are appended in order, and the sealer reads a block's links as one range
    PrimaryKeyConstraint("audit", "patient", name="audit_patient_audit"),
    Index("audit_patient_patient", "patient", "audit"),
    sqlite_with_rowid=False,
)
block = Table(
    "block",
    metadata,
    _id("n"),
    _col("first", BIG),
    _col("last", BIG),
    _col("count", BIG),
    _col("digest", BYTES),
    _col("previous", BYTES),
    _col("at", BIG),
    _col("leaves", BYTES),  # per row its id and the start of its digest: names the bad row
)
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("log", TEXT, primary_key=True),
    _col("size", BIG),
    _col("hash", BYTES),
    _col("signature", BYTES),
    _col("key", TEXT),
    _col("at", BIG),
)

for _table in metadata.tables.values():
    # SQLite checks types only when asked to: a text in an integer column is an error, not a surprise
    _table.dialect_options["sqlite"]["strict"] = True
