"""The working copies of stored rows that one unit of work reads, changes and writes back; never shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from gateway.model.facts import FactValue
from gateway.model.verdict import Reason
from gateway.model.when import Millis
from gateway.store.keyring import Cipher


def join_reasons(reasons: Iterable[Reason]) -> str:
    """Reasons as one sorted, comma-joined column value."""
    return ",".join(sorted(reasons))


def split_reasons(text: str) -> frozenset[Reason]:
    """Inverse of `join_reasons`."""
    return frozenset(Reason(part) for part in text.split(",")) if text else frozenset()


@dataclass(slots=True)
class PatientRow:
    """One row of `patient`; `person` is what `sealed` holds, `cipher` that of `data_key` once something was opened."""

    token: int
    key: int
    survivor: int | None
    version: Millis
    zones: str
    state: str | None
    language: str | None
    deceased: int
    hold: str
    digest: bytes
    flags_digest: bytes
    sealed: bytes
    data_key: bytes | None = field(default=None, repr=False)
    cipher: Cipher | None = field(default=None, repr=False)
    person: dict[str, str] | None = field(default=None, repr=False)
    new: bool = False
    dirty: bool = False

    COLUMNS = (
        "token",
        "key",
        "survivor",
        "version",
        "zones",
        "state",
        "language",
        "deceased",
        "hold",
        "digest",
        "flags_digest",
        "sealed",
    )

    def values(self) -> tuple[Any, ...]:
        """The row in the order of COLUMNS."""
        return _PATIENT_COLUMNS(self)

    @property
    def holds(self) -> frozenset[Reason]:
        """Reasons for which a person must look first."""
        return split_reasons(self.hold)


@dataclass(slots=True)
class OccurrenceRow:
    """One row of `occurrence`; `facts` is what `sealed_facts` holds. `retold`: only `version` and `raw` are new.

    `moved`: it is another patient's now. `adopted`: `parent` is new.
    """

    id: int
    kind: str
    key: bytes
    patient: int
    source: int
    facility: str | None
    version: Millis
    status: str
    reached_by: str
    occurred: Millis
    start_utc: Millis | None
    zone: str | None
    precision: str | None
    end_utc: Millis | None
    hold: str
    raw: int
    sealed_facts: bytes
    parent: bytes | None = None
    facts: dict[str, FactValue] | None = field(default=None, repr=False)
    requests: list[RequestRow] = field(default_factory=list)
    new: bool = False
    dirty: bool = False
    retold: bool = False
    moved: bool = False
    rekeyed: bool = False
    adopted: bool = False

    COLUMNS = (
        "id",
        "kind",
        "key",
        "patient",
        "source",
        "facility",
        "version",
        "status",
        "reached_by",
        "occurred",
        "start_utc",
        "zone",
        "precision",
        "end_utc",
        "hold",
        "raw",
        "sealed_facts",
        "parent",
    )
    CHANGEABLE = (
        "facility",
        "version",
        "status",
        "reached_by",
        "occurred",
        "start_utc",
        "zone",
        "precision",
        "end_utc",
        "hold",
        "raw",
        "sealed_facts",
    )

    def changed(self) -> tuple[Any, ...]:
        """What a later message may change, in the order of CHANGEABLE; no index holds any of it."""
        return _OCCURRENCE_CHANGEABLE(self)

    def values(self) -> tuple[Any, ...]:
        """The row in the order of COLUMNS."""
        return _OCCURRENCE_COLUMNS(self)


@dataclass(slots=True)
class RequestRow:
    """One row of `request`, as far as planning reads and changes it."""

    id: int
    kind: str
    patient: int
    occurrence: int | None
    raw: int | None
    rule: str
    ruleset: int
    step: str
    material_version: int
    material: bytes
    recipient: int
    priority: int
    due: Millis
    expires: Millis | None
    state: str
    reason: str | None
    ring_at: Millis
    attempts: int = 0
    lease_until: Millis | None = None
    fence: int = 0
    new: bool = False
    dirty: bool = False
    moved: bool = False

    COLUMNS = (
        "id",
        "kind",
        "patient",
        "occurrence",
        "raw",
        "rule",
        "ruleset",
        "step",
        "material_version",
        "material",
        "recipient",
        "priority",
        "due",
        "expires",
        "state",
        "reason",
        "ring_at",
        "attempts",
        "lease_until",
        "fence",
    )

    def values(self) -> tuple[Any, ...]:
        """The row in the order of COLUMNS."""
        return _REQUEST_COLUMNS(self)

    @property
    def waiting(self) -> bool:
        """Whether it may still be sent: active, or on hold for a person."""
        return self.state in ("active", "on-hold")

    def move(self, patient: int) -> None:
        """Make it another patient's (a merge)."""
        self.patient = self.recipient = patient
        self.moved = True

    def settle(self, state: str, reason: str | None) -> None:
        """Move to a state for a reason."""
        self.state = state
        self.reason = reason
        self.dirty = True


@dataclass(slots=True)
class ContactRow:
    """One row of `contact_point`; `value` is what `sealed` holds."""

    id: int
    patient: int
    address: int
    origin: str
    system: str
    use: str
    rank: int
    valid_from: Millis | None
    valid_until: Millis | None
    sealed: bytes
    value: str = field(default="", repr=False)

    COLUMNS = ("id", "patient", "address", "origin", "system", "use", "rank", "valid_from", "valid_until", "sealed")

    def values(self) -> tuple[Any, ...]:
        """The row in the order of COLUMNS."""
        return _CONTACT_COLUMNS(self)


# Read by name, so that a column list and its values cannot drift apart.
_Values = Callable[[Any], tuple[Any, ...]]
_PATIENT_COLUMNS: _Values = attrgetter(*PatientRow.COLUMNS)
_OCCURRENCE_COLUMNS: _Values = attrgetter(*OccurrenceRow.COLUMNS)
_OCCURRENCE_CHANGEABLE: _Values = attrgetter(*OccurrenceRow.CHANGEABLE)
_REQUEST_COLUMNS: _Values = attrgetter(*RequestRow.COLUMNS)
_CONTACT_COLUMNS: _Values = attrgetter(*ContactRow.COLUMNS)
