"""Who must honour an opt-out too: the providers that keep a list of their own, and the FHIR servers that know the patient.

A provider is handed the address, so that an agreement must be in force; a server is told of a patient it told us of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Select, bindparam, exists, or_, select

from gateway import telemetry
from gateway.mapping.fhir.references import LOGICAL
from gateway.mapping.fhir.written import OptOut, consent, name_of
from gateway.model.consent import ANY, ChannelKind, Consent, ConsentKind
from gateway.model.errors import Busy, DeliveryError, Denied, Erased, KeyringError, Refused, ServerError
from gateway.model.party import ContactPoint, ContactSystem
from gateway.model.policy import Policy
from gateway.model.when import Millis
from gateway.pipeline import representing
from gateway.pipeline.consenting import TOLD_BY_FEED
from gateway.pipeline.directory import CONSENT_KINDED, Directory, contact_point_of
from gateway.pipeline.site import Site, SourceEntry
from gateway.policy.consents import lifted
from gateway.ports import SuppressesToo, WritesBack
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

OPEN: Final = "open"
ACKNOWLEDGED: Final = "acknowledged"
FAILED: Final = "failed"
SETTLED: Final = "settled"  # by a person, once it had failed
MOOT: Final = "moot"  # an address the target cannot write to, a patient it does not know, or its own words
_WRITES_TO: Mapping[ChannelKind, frozenset[ContactSystem]] = {
    ChannelKind.EMAIL: frozenset({ContactSystem.EMAIL}),
    ChannelKind.SMS: frozenset({ContactSystem.SMS, ContactSystem.PHONE}),
    ChannelKind.PORTAL: frozenset(),
}
_MESSAGE = re.compile(
    rf"{re.escape(TOLD_BY_FEED)}message (\d+)(?:, consent [0-9a-f]+)?"
)  # what an entry that a feed told says as its evidence
_encode = msgspec.json.Encoder().encode
_c, _r = tables.consent.c, tables.revocation.c


def _about_everything(*more: Any) -> Select[Any]:
    """What was said of everything, by one channel or by all, and a target was not told of."""
    known = exists().where(_r.consent == _c.id, _r.target == bindparam("target"))
    return (
        select(_c.id, _c.recorded)
        .where(_c.id > bindparam("after"), *(_is_about_everything(_c)), *more, ~known)
        .order_by(_c.id)
        .limit(bindparam("n"))
    )


def _is_about_everything(entry: Any) -> tuple[Any, ...]:
    kinds = [ConsentKind.MESSAGES.value, ConsentKind.TEXTS.value]
    return entry.kind.in_(kinds), entry.purpose == ANY, entry.topic == ANY


UNTOLD = Statement(
    "consent.untold",
    _about_everything(_c.permit == 0, _c.address.is_not(None), _c.channel.in_([ANY, bindparam("channel")])),
    params=("after", "channel", "target", "n"),
)
_no, _told = tables.consent.alias("refusal").c, tables.revocation.alias("told").c
# a yes is told to whoever was told the no that it may take back
_TAKES_BACK = exists().where(
    _told.target == bindparam("target"),
    _told.consent == _no.id,
    _no.id < _c.id,
    _no.permit == 0,
    _no.channel == _c.channel,
    or_(_no.patient == _c.patient, _no.address == _c.address),
)
UNTOLD_SERVER = Statement(
    "consent.untold-server",
    _about_everything(or_(_c.address.is_not(None), _c.patient.is_not(None)), or_(_c.permit == 0, _TAKES_BACK)),
    params=("after", "target", "n"),
)


class Target(Protocol):
    """Somebody who must honour opt-outs too."""

    @property
    def name(self) -> str:
        """As the configuration names it."""
        ...

    def untold(self, unit: Reader, after: int, most: int) -> list[tuple[int, Millis]]:
        """The ledger's entries above an id that it was not told of: id, when it was recorded."""
        ...

    def push(self, entry: int) -> str:
        """Tell it: ACKNOWLEDGED, OPEN (again later), FAILED (a person must), MOOT (it need not know)."""
        ...


class ProviderTarget:
    """A channel's provider, which is told the address."""

    def __init__(
        self, store: Store, site: Site, policy: Callable[[], Policy], kind: ChannelKind, channel: SuppressesToo
    ) -> None:
        self.name = channel.name
        self._store, self._site, self._policy = store, site, policy
        self._kind, self._channel = kind, channel

    def untold(self, unit: Reader, after: int, most: int) -> list[tuple[int, Millis]]:
        """As `Target`: those of an address, by this channel or all."""
        return unit.all(UNTOLD, (after, self._kind.value, self.name, most))

    def push(self, entry: int) -> str:
        """As `Target`."""
        to = self._address(entry)
        if to is None:
            return FAILED
        if to.system not in _WRITES_TO[self._kind]:
            return MOOT
        if not self._site.agreed(self._kind, self._store.clock.now()):
            return FAILED  # it may not be handed an address (45 CFR 164.308(b))
        try:
            self._channel.suppress(to)
        except Refused:
            return FAILED
        except DeliveryError as error:  # to say it twice does no harm: what is unknown is said again
            telemetry.log().info("revoking.unanswered", name=self.name, error=type(error).__name__)
            return OPEN
        return ACKNOWLEDGED

    def _address(self, entry: int) -> ContactPoint | None:
        """The address an opt-out is about; None where nobody has it any more."""
        with self._store.begin("revoking") as uow:  # nothing is written: only a unit of work opens what is sealed
            ((address,),) = uow.lookup(tables.consent, ("address",), "id", [entry])
            owners = {one for (one,) in uow.lookup(tables.contact_point, ("patient",), "address", [address])}
            return _opened(uow, Directory(uow, self._store.keyring, self._policy()), sorted(owners), address)


class ServerTarget:
    """A FHIR server, which is told of its patients (CN-01, CN-03); of an opt-out it told itself it is not."""

    def __init__(self, store: Store, source: SourceEntry, server: WritesBack, policy: Callable[[], Policy]) -> None:
        self.name = source.name
        self._store, self._source, self._server, self._policy = store, source, server, policy

    def untold(self, unit: Reader, after: int, most: int) -> list[tuple[int, Millis]]:
        """As `Target`: those of a person or an address, by whatever channel."""
        return unit.all(UNTOLD_SERVER, (after, self.name, most))

    def push(self, entry: int) -> str:
        """As `Target`. An address that several people share is one Consent for each."""
        try:
            told = [consent(one, self._source.release) for one in self._opt_outs(entry)]
        except KeyringError:
            return FAILED
        try:
            for one in told:
                self._server.write(_encode(one), identifier=name_of(one), id=None)
        except (Busy, Denied) as error:  # it is made once, however often it is asked for (W-03)
            telemetry.log().info("revoking.unanswered", name=self.name, error=type(error).__name__)
            return OPEN
        except ServerError:
            return FAILED
        return ACKNOWLEDGED if told else MOOT

    def _opt_outs(self, entry: int) -> list[OptOut]:
        with self._store.begin("revoking") as uow:  # nothing is written: only a unit of work opens what is sealed
            columns = ("patient", "address", "channel", "recorded", "evidence", "permit")
            ((patient, address, channel, recorded, evidence, yes),) = uow.lookup(tables.consent, columns, "id", [entry])
            if not yes and self._told_us(uow, evidence):
                return []
            owners = uow.lookup(tables.contact_point, ("patient",), "address", [] if address is None else [address])
            people = {one for (one,) in owners} if patient is None else {patient}
            directory = Directory(uow, self._store.keyring, self._policy())
            known = sorted(self._known(directory, people).items())
            stands = {token: _stands(uow, directory.family(token), channel) for token, _ in known}
        return [
            OptOut(person=token, patient=f"Patient/{id_}", channel=channel, recorded=recorded, stands=stands[token])
            for token, id_ in known
        ]

    def _told_us(self, uow: UnitOfWork, evidence: str) -> bool:
        """Whether it was this server's own Consent: it need not be told what it said."""
        said = _MESSAGE.fullmatch(evidence)
        rows = uow.lookup(tables.raw, ("source",), "id", [int(said[1])]) if said else []
        return rows == [(self._source.id,)]

    def _known(self, directory: Directory, people: set[int]) -> dict[int, str]:
        """By token the logical id of those whom the server knows; who was erased is nobody."""
        directory.load_tokens(people, lock=False)
        found: dict[int, str] = {}
        for root in {directory.root(token).token for token in people if token in directory.patients}:
            if directory.patients[root].data_key is not None:
                id_ = directory.logical_id(directory.patients[root], self._source.base, LOGICAL)
                found |= {} if id_ is None else {root: id_}
        return found


def _stands(uow: UnitOfWork, family: Collection[int], channel: str) -> bool:
    """Whether somebody refuses all messages by a channel still, as a person or at an address of theirs."""
    tokens = sorted(family)
    addresses = sorted({one for (one,) in uow.lookup(tables.contact_point, ("address",), "patient", tokens)})
    rows = uow.lookup(tables.consent, CONSENT_KINDED, "patient", tokens)
    rows += uow.lookup(tables.consent, CONSENT_KINDED, "address", addresses)
    said = [_said(row) for row in rows]
    said = [one for one in said if (one.purpose, one.channel, one.topic) == (ANY, channel, ANY)]
    permits = [one for one in said if one.permit]
    return any(not one.permit and not lifted(one, [yes for yes in permits if yes.kind is one.kind]) for one in said)


def _said(row: Sequence[Any]) -> Consent:
    told = dict(zip(CONSENT_KINDED, row, strict=True))
    return Consent(**(told | {"permit": bool(told["permit"]), "kind": ConsentKind(told["kind"])}))


def _opened(uow: UnitOfWork, directory: Directory, owners: list[int], address: int) -> ContactPoint | None:
    for owner in owners:
        directory.load_tokens([owner], lock=False)
        try:
            if owner in directory.patients:
                contacts = directory.contacts(directory.patients[owner])
            else:
                contacts = representing.contacts(uow, directory, owner)
        except Erased:
            continue
        for one in contacts:
            if one.address == address:
                return contact_point_of(one)
    return None
