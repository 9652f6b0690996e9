"""Every error Caregate raises; each message names places and ids, never values, so it is safe to log.

CaregateError
├── ConfigError          a file the operator or analyst wrote is wrong; carries file:line:column
├── Unreadable           a raw message cannot be read; carries the fault and the refusal it asks for
├── StoreError           the database cannot do what was asked
│   ├── StoreUnavailable     transient: lost connection, full disk, locked, read-only; retry
│   │   └── Conflict             somebody else wrote the same key first; retry and look again
│   ├── SchemaError          the schema is older or newer than this version
│   └── UnauditedError       a unit of work changed something and audited nothing (law 2)
├── KeyringError         key file missing, unreadable, too open, or not the one that sealed this
│   └── Erased               the key was destroyed: the content is gone for good
├── ClearanceError       something tried to leave without, or beside, its clearance (law 3)
├── RenderError          a template failed or used what the rule does not reveal
├── CommandError         a command cannot do what was asked; one sentence, exit code 2
├── GuardError           what a table says cannot be true of so many people at once; the extract stops (SN-03)
├── ServerError          a FHIR server or a warehouse did not give what it was asked for
│   ├── Busy                 not now: no connection, too much, trouble that passes; ask again later
│   ├── Denied               401, 403: it may not be asked for this, or not by us
│   ├── Missing              404, 410: it is not there, or no longer
│   └── Unusable             its answer cannot be used; asking again would give the same
└── DeliveryError        a channel did not hand the message over
    ├── Refused              permanent: the other side said no
    │   └── Insecure             nothing left: the encryption the message needs cannot be had
    ├── Unavailable          provably not accepted; the only one that is retried
    └── Unknown              it may have been accepted; never resent blindly
"""

from __future__ import annotations

from gateway.model.event import AckCode, Fault


class CaregateError(Exception):
    """Root of the tree. The text is one sentence, safe to log and to show."""


class ConfigError(CaregateError):
    """A configuration, rule, mapping or template file is wrong.

    `problems` holds every finding as "file:line:column: sentence"; the text joins them by newline.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Unreadable(CaregateError):
    """A raw message cannot be read: `fault` names place and rule (never a value), `ack` the refusal to send.

    `ack` AR: type, event, version or processing id not acceptable; AE: anything else (HL7 C2 §2.9.2).
    """

    def __init__(self, fault: Fault, ack: AckCode) -> None:
        super().__init__(fault.rule)
        self.fault = fault
        self.ack = ack


class StoreError(CaregateError):
    """The database cannot do what was asked."""


class StoreUnavailable(StoreError):
    """Transient trouble of the database: nothing was committed, the same call may be tried again."""


class Conflict(StoreUnavailable):
    """A unique key was taken by somebody else meanwhile: nothing was committed, a retry will see their row."""


class SchemaError(StoreError):
    """The database's schema does not fit this version of Caregate."""


class UnauditedError(StoreError):
    """A unit of work touched audited tables without an audit row and refused to commit (law 2)."""


class KeyringError(CaregateError):
    """The key file is missing, unreadable, too open, or not the one that sealed this."""


class Erased(KeyringError):
    """The key was destroyed; what it sealed is gone for good."""


class ClearanceError(CaregateError):
    """Something tried to leave without, or beside, its clearance (law 3)."""


class RenderError(CaregateError):
    """A template failed, or named something its rule does not reveal."""


class CommandError(CaregateError):
    """A command cannot do what was asked; the text says what to do next."""


class DeliveryError(CaregateError):
    """A channel did not hand the message over. The text never quotes the other side's words."""


class Refused(DeliveryError):
    """Permanent refusal: sending the same again would be refused again."""


class Insecure(Refused):
    """Not a byte of the message left, because the encryption it needs cannot be had (EM-01, EM-03)."""


class Unavailable(DeliveryError):
    """Provably not accepted by the other side: safe to try again."""


class Unknown(DeliveryError):
    """May or may not have been accepted: never resent blindly."""


class GuardError(CaregateError):
    """A table suddenly says much of many people: half loaded, or one value for everyone. Counts, never values.

    `guard`: which one, a closed word. Until a person says that it is right nothing of it is believed.
    """

    def __init__(self, guard: str, text: str) -> None:
        super().__init__(text)
        self.guard = guard


class ServerError(CaregateError):
    """A FHIR server, a warehouse or a broker did not give what it was asked for.

    The text never quotes it, nor what it was asked for, but by names that `caregate.yaml` has. `status`: of its HTTP answer, None where there was none that could be read.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class Busy(ServerError):
    """Not now. `after`: how many seconds to wait, where it was told (Retry-After, RFC 9110 §10.2.3)."""

    def __init__(self, text: str, after: float | None = None, status: int | None = None) -> None:
        super().__init__(text, status)
        self.after = after


class Denied(ServerError):
    """We may not: 401, where nothing we can show is believed; 403, where it is and does not suffice (`known`)."""

    @property
    def known(self) -> bool:
        """Whether the server believes who we are."""
        return self.status == 403


class Missing(ServerError):
    """404: never there, or not for us. 410: it was deleted."""


class Unusable(ServerError):
    """The answer cannot be used, or what was asked for cannot be asked."""
