"""What staff are told when something needs them: closed words, a source's name, a time and a count; never a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.when import Millis, to_datetime


class AlertKind(StrEnum):
    """What may need somebody; kebab-case, never renamed once shipped."""

    FEED_SILENT = "feed-silent"  # against the feed's own habit
    QUARANTINE_GROWING = "quarantine-growing"
    CERTIFICATE_EXPIRING = "certificate-expiring"  # TL-05
    SEQUENCE_GAP = "sequence-gap"  # D-11
    JOIN_TIMED_OUT = "join-timed-out"  # B-07
    FETCHING_STUCK = "fetching-stuck"  # what a FHIR server should be asked for is not read
    EXTRACT_STOPPED = "extract-stopped"  # what a table says of many people at once cannot be true (SN-03)
    CAMPAIGN_STOPPED = "campaign-stopped"  # by itself: what it sent comes back, is refused or complained of
    QUEUE_BEHIND = "queue-behind"  # what waits at a broker is not taken
    SINK_BEHIND = "sink-behind"  # another system is not told what became of things
    SEALING_FAILED = "sealing-failed"
    BROKER_DOWN = "broker-down"
    DISK_NEARLY_FULL = "disk-nearly-full"


class AlertWord(StrEnum):
    """Where an alert stands when it is told."""

    RAISED = "raised"
    LASTING = "lasting"
    RESOLVED = "resolved"


SAID = {
    AlertKind.FEED_SILENT: "the feed is silent against its own habit; what depends on it is held until it speaks again",
    AlertKind.QUARANTINE_GROWING: "messages that cannot be read are piling up in quarantine",
    AlertKind.CERTIFICATE_EXPIRING: "a certificate of the link ends soon, or has ended",
    AlertKind.SEQUENCE_GAP: "messages came with unexpected sequence numbers and were refused",
    AlertKind.JOIN_TIMED_OUT: "fragments of a continued message never became whole",
    AlertKind.FETCHING_STUCK: "what must be read from the source's server is not read; what it would tell is not known here"
    " (`caregate fetches list`; why: `fhir.fetch-later` in the log)",
    AlertKind.EXTRACT_STOPPED: "what the table says of many people at once was not believed; nothing of it is taken until a person says so",
    AlertKind.CAMPAIGN_STOPPED: "the campaign stopped itself: too much of it came back, was refused, or was complained of",
    AlertKind.QUEUE_BEHIND: "what waits for us at the feed's broker is not taken in time, or the broker cannot be reached"
    " (`caregate feeds list`; why: `queue.lost`, `queue.denied`, `queue.waits-for-us` in the log)",
    AlertKind.SINK_BEHIND: "another system is not told what became of messages, opt-outs among it (`caregate sinks status`)",
    AlertKind.SEALING_FAILED: "the audit log has not been sealed for a while",
    AlertKind.BROKER_DOWN: "the broker cannot be reached; what is due leaves late or not at all",
    AlertKind.DISK_NEARLY_FULL: "the disk of the database is nearly full",
}
"""Each in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is wrong now. `source`: the feed's configured name, or the campaign's rule; "" for the gateway as a whole.

    `since`: Millis UTC. `count`: how many, where there is something to count, else 0. `host`: the machine's name,
    where only that machine can see it (its disk, its certificates), else "".
    """

    kind: AlertKind
    source: str
    since: Millis
    count: int = 0
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One message to staff about a condition. `environment`: the site's, so that a test system wakes nobody up.

    `at` is the telling, `since` the condition's beginning, both Millis UTC.
    """

    kind: AlertKind
    word: AlertWord
    source: str
    environment: str
    since: Millis
    at: Millis
    count: int
    host: str

    @property
    def id(self) -> str:
        """The same for every telling of one condition, so that the other side can put them together."""
        return ":".join(part for part in (self.kind.value, self.source, self.host, str(self.since)) if part)

    @property
    def subject(self) -> str:
        """One line: "production: feed-silent ehr: raised"."""
        about = f"{self.kind.value} {self.source}".rstrip()
        return f"{self.environment}: {about}: {self.word.value}"

    @property
    def text(self) -> str:
        """One sentence in closed words, with its time and, where there is one, its count."""
        where = f"{self.source} on {self.host}" if self.source and self.host else self.source or self.host
        who = f"{where}: " if where else ""
        many = f" ({self.count})" if self.count else ""
        over = "no longer so: " if self.word is AlertWord.RESOLVED else ""
        return f"{who}{over}{SAID[self.kind]}{many}, since {to_datetime(self.since):%Y-%m-%d %H:%M} UTC"
