"""The seams: what the pipeline needs of the outside world, and what a source or channel must offer."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gateway.model.alert import Alert
from gateway.model.audit import NodeFailure
from gateway.model.comingback import Receipt, Reply
from gateway.model.consent import ChannelKind
from gateway.model.errors import ClearanceError
from gateway.model.event import Outcome, RawMessage, Reading
from gateway.model.outcome import SinkRow
from gateway.model.party import ContactPoint
from gateway.model.request import Protection
from gateway.model.when import Millis


class Clock(Protocol):
    """The only way time enters; read once per unit of work (law 4)."""

    def now(self) -> Millis:
        """Milliseconds since 1970-01-01T00:00Z."""
        ...


class SystemClock:
    """The host's clock."""

    def now(self) -> Millis:
        """Milliseconds since 1970-01-01T00:00Z."""
        return time.time_ns() // 1_000_000


class SetClock:
    """A clock that stands where it is put: demo, tests and replay."""

    def __init__(self, now: Millis) -> None:
        self._now = now

    def now(self) -> Millis:
        """Milliseconds since 1970-01-01T00:00Z."""
        return self._now

    def set(self, now: Millis) -> None:
        """Put the clock at an instant."""
        self._now = now


Reader = Callable[[RawMessage], Reading]
"""Reads and maps one raw message; pure, never raises on foreign input."""


class ReplyTo(Protocol):
    """Where outcomes go after the commit; called on the intake thread, once per batch and source."""

    def answered(self, outcomes: Sequence[tuple[object, Outcome]]) -> None:
        """Hand back each ticket with its outcome, in the order the messages were offered."""
        ...


NOTIFIED, BASELINE = "notified", "baseline"
"""Why a resource is wanted: somebody told of it; or it was there before us, and plans nothing when it comes (K-16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A FHIR resource that must be read from its server: told by id only, or a patient nobody here knows (law 1).

    `reference`: "Appointment/12". `version`: meta.versionId where it was told. `why`: notified, patient-unknown, baseline.
    `tries`: how often it was tried before this time. `fence`: of the lease.
    """

    id: int
    reference: str = field(repr=False)
    version: str | None = field(default=None, repr=False)
    why: str = ""
    tries: int = 0
    fence: int = 0


class Fetches(Protocol):
    """What one source must still fetch, on disk. Calls block, and raise StoreError; call them off the event loop."""

    def want(self, references: Sequence[tuple[str, str | None]], why: str) -> None:
        """Committed and audited when it returns: (reference, version) each; what is wanted already stays one."""
        ...

    def take(self, most: int, lease: Millis) -> Sequence[Wanted]:
        """At most `most` of those that are due, oldest first, leased for `lease` Millis; a patient before what waits for it."""
        ...

    def done(self, wanted: Wanted, fate: str) -> None:
        """It was read and received, or never will be; `fate`: received, gone (404, 410), refused (401, 403), unreadable."""
        ...

    def later(self, wanted: Wanted, at: Millis) -> None:
        """Not now: it is due again at `at`."""
        ...


class Notes(Protocol):
    """What one source remembers: watermarks, subscriptions, an export under way. Never PHI. Calls block."""

    def get(self, name: str) -> str | None:
        """The text last put under a name."""
        ...

    def noted(self) -> Sequence[str]:
        """Every name that something was put under; the empty text is nothing."""
        ...

    def put(self, name: str, value: str) -> None:
        """Committed when it returns."""
        ...

    def hold(self, name: str, until: Millis) -> bool:
        """Take or renew a named lease of this source until then: of several processes one polls; False: another has it."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A source that keeps something between its starts."""

    def remember(self, notes: Notes, fetches: Fetches) -> None:
        """Take them; called once, before `start`."""
        ...


@runtime_checkable
class AsksAgain(Protocol):
    """A source whose server can be searched for what it told before, when the database lost it."""

    def ask_again(self, since: Millis) -> bool:
        """Once started, search for everything that changed since then; on disk when it returns. StoreError.

        Called after `remember`. False: nothing says what to search for, and nothing will be.
        """
        ...


ElementsOf = Callable[[str], Sequence[str]]
"""By FHIR type the elements that the active mappings read; none: all of them are needed, or nobody knows."""


@runtime_checkable
class Sparing(Protocol):
    """A source that reads no more of a resource than is needed (45 CFR 164.502(b))."""

    def only(self, elements: ElementsOf) -> None:
        """Read these; called once, before `start`. It is asked again for every resource: rules may change."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """One subscription at a source's server, never with its secret.

    `status`: requested, active, error, off, gone (the server has it no longer), none (nobody subscribed). `end`: when
    the server ends it by itself, Millis. `lost`: since when something may have been missed, Millis; it is searched for.
    """

    name: str
    about: str
    endpoint: str
    content: str
    status: str
    id: str | None = None
    end: Millis | None = None
    lost: Millis | None = None


class Subscriptions(Protocol):
    """Those of one source, as caregate.yaml names them. Calls block, and raise ServerError and StoreError."""

    def list(self, names: Sequence[str] = ()) -> Sequence[Subscribed]:
        """As they were seen last (`names`: these alone). Raises CommandError for a name that is not there."""
        ...

    def subscribe(self, name: str) -> Subscribed:
        """Ask the server for it, anew where it has it already."""
        ...

    def look(self, name: str) -> Subscribed:
        """As the server says now; nothing is changed."""
        ...

    def unsubscribe(self, name: str) -> bool:
        """Take it back; whether there was one."""
        ...


@runtime_checkable
class Subscribes(Protocol):
    """A source that can ask its server for notifications."""

    def subscriptions(self) -> Subscriptions:
        """What can be asked for, once `remember` was called. Raises CommandError where there is no server to ask."""
        ...


@runtime_checkable
class WritesBack(Protocol):
    """A source whose server can be told what became of its patients' messages (W-01, W-03)."""

    name: str

    def write(self, resource: bytes, *, identifier: str, id: str | None) -> str:  # noqa: A002 -- FHIR's own name
        """Have the server keep this version of a resource, as JSON without an id; returns the id it has there. Blocks.

        `identifier`: "system|value", its own; without an `id` it is made only where no other has it already, so that to
        say it twice does no harm. Raises ServerError.
        """
        ...


class Intake(Protocol):
    """What a source feeds: offers are batched, committed, then answered (law 1)."""

    def offer(self, message: RawMessage, ticket: object, reply_to: ReplyTo) -> bool:
        """Queue one message; False when saturated or closing, and then nothing was taken."""
        ...

    def witness(self, source: str, failure: NodeFailure, host: str) -> None:
        """Have it audited that somebody at `host` (an IP address) was turned away; never blocks, never raises (TL-04)."""
        ...

    def heard(self, source: str) -> None:
        """Its other end lives and had nothing to tell (S-17): it is not silent; never blocks, never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """What a mapping declares of its table, for the source that reads it; columns it does not name are never read.

    `columns`: name → type (`gateway.rowcells.ColumnType`), in the order of the file. `key`: the columns that tell rows
    apart. `at`: the column with the time of a row's version, for watermarks. `gone`: a column and the values by which
    a row says of itself that it is deleted. `contact`: whether a row may change how its person is reached.
    """

    mapping: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    at: str | None = None
    gone: tuple[str, frozenset[str]] | None = None
    contact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table. `key`: its own key, the declared key columns as `gateway.rowjson.key_of` joins them (PHI perhaps).

    `body`: its declared columns as canonical JSON (`gateway.rowjson.row`); empty: the source says that it is gone. `at`:
    the source's own time of this version, None where it has none: then the time it is read.
    """

    key: str = field(repr=False)
    body: bytes = field(repr=False)
    at: Millis | None = None


class ExtractMode(StrEnum):
    """How much of a table an extract reads, hence what a row means that it does not bring."""

    SNAPSHOT = "snapshot"  # all of it: a row that is missing has left (SN-03)
    CHANGES = "changes"  # what is new or gone since the cursor: what is missing says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractState:
    """One extract of a source, as far as it has come; `counts` by what became of its rows, never a value of theirs.

    `cursor`: what the source itself put beside the last rows that were committed (JSON, never PHI), to go on from.
    """

    id: int
    mode: ExtractMode
    baseline: bool
    cursor: str
    counts: Mapping[str, int]


class Rows(Protocol):
    """Where a source of rows puts them: a chunk, what it came to and the cursor beside it are one transaction (law 1, SN-11).

    All calls block, and raise StoreError when the database is away: what was not answered is told again, without harm.
    `keeps`: False of a dry run, which writes nothing and for which nothing may be consumed.
    """

    @property
    def keeps(self) -> bool:
        """See above."""
        ...

    def cursor(self) -> str | None:
        """The cursor of the last extract that was finished; None before the first, which is the baseline (SN-21)."""
        ...

    def open(self) -> ExtractState | None:
        """The extract that was begun and is not over: it goes on where it stopped."""
        ...

    def begin(
        self, mode: ExtractMode, *, cursor: str = "", expected: int | None = None, baseline: bool | None = None
    ) -> ExtractState:
        """Begin one; ends one that is open as given up. `expected`: how many rows the source says there are.

        `cursor`: where it begins, by which its source knows it again. `baseline`: state alone, nothing planned; None: as
        the first one is. Raises GuardError (over-broad: SN-03) when `expected` is out of proportion to what there was:
        the extract waits for a person before its first row.
        """
        ...

    def take(self, extract: ExtractState, chunk: Sequence[Row], cursor: str) -> ExtractState:
        """Commit one chunk with what it came to and the cursor. Rows that cannot be read are kept apart with their reason.

        Raises GuardError when what the rows say of many people at once cannot be true: the extract is stopped.
        """
        ...

    def finish(self, extract: ExtractState, *, rows: int | None = None) -> ExtractState:
        """End it: of a snapshot, whoever was missing leaves, chunk by chunk. `rows`: how many the source says it gave.

        Raises GuardError when that would be a mass exit or entry (SN-03): nobody leaves, the extract waits for a person.
        """
        ...

    def give_up(self, extract: ExtractState, reason: str) -> None:
        """End it unfinished; the next one begins where the last finished one ended. `reason`: words of ours, no PHI."""
        ...


@runtime_checkable
class Extracts(Protocol):
    """A source of rows: it gets the place to put them before `start`."""

    def extract_into(self, rows: Rows, shape: TableShape) -> None:
        """Where its rows go, and what they are; asked once, before `start`, or before `caregate tables pull` has it read once."""
        ...

    def pull(self, progress: Callable[[ExtractState], None], *, baseline: bool | None = None) -> ExtractState:
        """Read once to the end, or go on with what was begun; blocks. Raises ServerError, GuardError and StoreError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitRow:
    """A row of a file that is none, and lies in quarantine with its text. `problem`: words of ours, never a value."""

    file: str = field(repr=False)
    line: int
    column: str | None
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Poured:
    """What one file, or the files of one run, came to. `state`: of its extract; None: nothing was begun, `problems` say why.

    `unfit`: the first of them; `counts` of `state` are of all rows. `finished`: it was taken as the whole that it is meant
    to be; else nobody has left because of it.
    """

    name: str = field(repr=False)
    rows: int
    unfit: Sequence[UnfitRow]
    unfit_rows: int
    problems: Sequence[str]
    state: ExtractState | None
    finished: bool


@runtime_checkable
class PoursFiles(Protocol):
    """A source of rows that also takes files which a person names; it has got the place to put them (`Extracts`)."""

    def pour(
        self,
        path: Path,
        progress: Callable[[ExtractState, int], None],
        *,
        baseline: bool | None = None,
        dry_run: bool = False,
    ) -> Poured:
        """Take in one file, or a folder as one run; begun before, it goes on. Nothing is moved.

        `dry_run`: the place it got keeps nothing, so that it may be read beside a gateway that runs.

        `progress`: told of every chunk, and how many bytes of how many there are were read. Raises OSError, ServerError
        (what cannot be used), GuardError and StoreError.
        """
        ...


@runtime_checkable
class TakesRows(Protocol):
    """A source whose messages may be rows of a table, one by one: it is told what they are before `start`."""

    def rows_are(self, shape: TableShape) -> None:
        """What a row is; called only where the source is one of rows. Raises ConfigError where such rows cannot come this way."""
        ...


@runtime_checkable
class Lags(Protocol):
    """A source whose messages wait elsewhere until we take them."""

    @property
    def queue(self) -> QueueState:
        """As it was seen last; never blocks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What a source knows of its queue. `waiting`: messages not settled, `since`: the oldest of them (Millis), None: not told.

    `taken` and `again`: messages since the start, and those the broker had given out before. `at`: when it was seen,
    Millis; 0 before the first time. `connected`: whether there is a connection now. `said`: why the last one failed or was
    lost, in words of ours; "" while there is one.
    """

    at: Millis = 0
    connected: bool = False
    waiting: int | None = None
    since: Millis | None = None
    taken: int = 0
    again: int = 0
    said: str = ""


class Source(Protocol):
    """A connector that receives a feed. The core is synchronous; sources may be async."""

    name: str

    async def start(self, intake: Intake) -> None:
        """Begin to receive; returns once ready. Raises CommandError when it cannot (busy port)."""
        ...

    async def stop(self) -> None:
        """Take nothing new, answer what is in hand, close (F-16)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStep:
    """How far an export is. `stage`: asked, waiting, reading. `percent`: as the server says; of files the rest."""

    stage: str
    percent: int | None = None
    type: str | None = None
    files: int = 0
    of: int = 0
    lines: int = 0
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What would be asked for. `since`: None for all there is. `under_way`: it was asked for already, and goes on."""

    path: str
    types: tuple[str, ...]
    since: str | None
    baseline: bool
    under_way: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export came to. `at`: the server's time of it. `counts`: resources by result, and lines `unread`.

    `issues`: by severity what its error files tell. `advanced`: the next one asks from `at`; not after errors (K-07), nor where something lies between the last one and `since`.
    """

    at: str
    since: str | None
    baseline: bool
    files: int
    counts: Mapping[str, int]
    issues: Mapping[str, int]
    mismatches: int
    advanced: bool


class Exporting(Protocol):
    """The exports of one source. Both raise ServerError and StoreError."""

    def plan(self, *, since: str | None = None, whole: bool = False, baseline: bool | None = None) -> ExportPlan:
        """What `once` would do; nothing is asked."""
        ...

    def once(self, *, since: str | None = None, whole: bool = False, baseline: bool | None = None) -> Exported:
        """Export and take in, or go on with what was begun; blocks to the end of it."""
        ...


@runtime_checkable
class Exports(Protocol):
    """A source whose server can be asked for all it has at once (Bulk Data)."""

    def exporting(self, intake: Intake, step: Callable[[ExportStep], None]) -> AbstractContextManager[Exporting]:
        """Asked after `remember`, of a source that is not started. Raises CommandError where it has no server."""
        ...


Asgi = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]
"""An ASGI application: what a connector serves over HTTP, whatever it is built with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One path of a connector ("/hl7/lab"; Starlette's "{name}" may stand in it) and what answers there, any method."""

    path: str
    application: Asgi


Routes = Sequence[Route]
"""What a connector has mounted on the API's server. Called on that server's own event loop, in its own thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How the HTTP server can be reached that routes are mounted on.

    `loopback`: from this machine only. `certificates`: every caller has shown one that we trust.
    """

    loopback: bool
    tls: bool = False
    certificates: bool = False


@runtime_checkable
class Serves(Protocol):
    """A source or channel that also answers HTTP."""

    def routes(self, door: Door) -> Routes:
        """What to mount; asked before `start`. Raises ConfigError when this door is not safe enough for it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message to one address, minted by `pipeline.deliver` from a clearance and nothing else.

    `communication` makes the Message-ID stable. `digest` is SHA-256 over `content_digest()` as recorded
    with the attempt: a channel calls `verify()` first and refuses any other bytes (law 3).
    """

    communication: int
    channel: ChannelKind
    to: ContactPoint
    sender_name: str
    sender_address: str
    message_id: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str | None = field(repr=False, default=None)
    language: str = "en"
    digest: bytes = field(repr=False, default=b"")
    open_allowed: bool = False  # the person chose unencrypted mail after the warning, for this address (PH-01)
    unsubscribe: str | None = field(repr=False, default=None)  # https URL for RFC 8058 one-click, opaque
    at: Millis | None = None  # dates the message: the same at every try of a request, so that a retry is the same bytes
    until: Millis | None = (
        None  # after that it must reach nobody any more: quiet hours begin, or what it is about is over (SM-17)
    )

    def verify(self) -> None:
        """Raises ClearanceError unless the content is what was cleared and recorded."""
        if self.digest != content_digest(self.subject, self.text, self.html):
            raise ClearanceError("the content is not what was cleared")


def content_digest(subject: str, text: str, html: str | None) -> bytes:
    """SHA-256 (32 bytes) over the parts of a message, each with its length, so that none can shift."""
    import hashlib

    digest = hashlib.sha256()
    for part in (subject, text, html or ""):
        raw = part.encode()
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """The other side took the message over. `provider_id`: its own id of it, if it told one; never PHI.

    `protection`: what guarded it on the way; None: the channel does not know.
    """

    provider_id: str | None = None
    protection: Protection | None = None


class Channel(Protocol):
    """A connector that hands messages over. `timeout` (seconds) bounds `send` as a whole."""

    name: str
    kind: ChannelKind
    timeout: float

    def send(self, envelope: Envelope) -> Handover:
        """Hand over exactly `envelope`. Raises Refused, Unavailable or Unknown; nothing else."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class Inbox(Protocol):
    """Where a channel tells what came back. Both calls block until it is committed: only then answer 2xx (law 1).

    Raise StoreError when the database is away: the other side must tell it again.
    """

    def receipt(self, receipt: Receipt) -> bool:
        """Record one receipt; False when it belongs to no message of ours (backscatter, EM-25). Idempotent."""
        ...

    def reply(self, reply: Reply) -> None:
        """Record and act on what a person wrote. Idempotent by its `event`."""
        ...


@runtime_checkable
class Hears(Protocol):
    """A channel that is told what becomes of its messages."""

    def hear(self, inbox: Inbox) -> None:
        """Take the inbox; called once, before `routes` are mounted and before anything is sent."""
        ...


@runtime_checkable
class Vouches(Protocol):
    """A channel that can tell beforehand for which senders it is not fit to send."""

    def vouch(self, senders: Sequence[str]) -> None:
        """Look at the e-mail addresses that messages will come from; called at start. Raises ConfigError."""
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A channel that can ask its provider what became of an attempt whose outcome is unknown (SM-07)."""

    def look_up(self, communication: int, since: Millis) -> Handover | None:
        """The hand-over, if the provider has the message; None when it provably never came. Raises Unavailable."""
        ...


@runtime_checkable
class Recognises(Protocol):
    """A channel whose provider knows no tag of ours: it can be asked by what was sent, also after a restart (SM-07)."""

    def recognise(self, envelope: Envelope, since: Millis) -> Handover | None:
        """As `look_up`, for what was offered as `envelope` at `since`. Raises Unavailable, perhaps for ever."""
        ...


@runtime_checkable
class Retells(Protocol):
    """A channel whose provider keeps what came back: a restored database may lack the newest of it, opt-outs among it."""

    def retell(self, since: Millis, inbox: Inbox) -> int:
        """Tell all of it since then, oldest first, at least; more does no harm. How much. Raises Unavailable, StoreError."""
        ...


@runtime_checkable
class SuppressesToo(Protocol):
    """A channel whose provider keeps a list of those who opted out, which can be told (47 CFR 64.1200(a)(10))."""

    @property
    def name(self) -> str:
        """As the configuration names it: the target."""
        ...

    @property
    def suppresses(self) -> bool:
        """Whether this site has it told."""
        ...

    def suppress(self, to: ContactPoint) -> None:
        """Have the provider write there no more; to say it again does nothing. Raises Refused, Unavailable or Unknown."""
        ...


class AlertSink(Protocol):
    """A connector that tells staff, never patients: an alert holds closed words, a feed's name, times and counts.

    Made as `X(name, options, clock)`, found by entry point (`gateway.alerts`). It does not retry: the ledger does.
    """

    name: str

    def tell(self, alert: Alert) -> None:
        """Hand over one alert, bounded in time as a whole. Raises DeliveryError, in words of its own; nothing else."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


class Sink(Protocol):
    """A connector that tells another system what became of things, in batches; found by entry point (`gateway.sinks`).

    Made as `X(name, options, clock)`. It does not retry: what was not taken is told again, and so is what was taken when
    nobody noted it, so that the same id twice must do no harm.
    """

    name: str

    def write(self, batch: Sequence[SinkRow]) -> None:
        """Have all of it kept there, bounded in time as a whole. Raises Refused (a person must look) or Unavailable."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...


@runtime_checkable
class Lays(Protocol):
    """A sink whose other end must be made by whoever owns it."""

    def ddl(self) -> str:
        """The statements that make it, with what our role may do there; no connection is opened."""
        ...


Options = Mapping[str, object]
"""A connector's own section of the configuration, validated by the connector."""
