"""Patients, their identifiers and contact points within one unit of work; the only place that opens sealed persons."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec

from gateway.model.audit import Action
from gateway.model.consent import ANY, ConsentKind
from gateway.model.errors import Erased, KeyringError
from gateway.model.event import PatientEvent
from gateway.model.facts import FactValue
from gateway.model.party import CLEARED, Cleared, ContactPoint, ContactSystem, ContactUse, Demographics, Identifier
from gateway.model.policy import Policy
from gateway.model.verdict import Reason
from gateway.model.when import Millis, age_at
from gateway.pipeline import queries
from gateway.pipeline.personal import LANGUAGE
from gateway.pipeline.rows import ContactRow, PatientRow, join_reasons
from gateway.policy.zones import plausible_zones
from gateway.store import tables
from gateway.store.keyring import Cipher, Keyring, seal, unseal
from gateway.store.uow import UnitOfWork

Entry = tuple[Any, ...]

_json = msgspec.json.Encoder().encode
_person = msgspec.json.Decoder(dict[str, str]).decode
_identifier = msgspec.json.Decoder(list[str]).decode


BY_POLICY = "basis declared by policy "
_CONTESTED = "contested"  # in what is sealed of a person: names and birth date that wait for somebody's yes
_CHANNEL_OF = {ContactSystem.EMAIL: "email", ContactSystem.SMS: "sms"}


def identifier_digests(keyring: Keyring, identifier: Identifier) -> tuple[bytes, ...]:
    """Blind-index digests of an identifier: under the current index key, then the previous (PI-01)."""
    plain = f"{identifier.system}\x1f{identifier.type}\x1f{identifier.value}"
    return keyring.sought("identifier", plain)


def identifier_of(key: bytes, sealed: bytes, token: int) -> Identifier:
    """A stored identifier of a patient, opened with their key. Raises KeyringError."""
    return Identifier(*_identifier(unseal(key, sealed, b"identifier.sealed:%d" % token)))


def address_digests(keyring: Keyring, value: str) -> tuple[bytes, ...]:
    """Blind-index digests of an address, compared without case: current index key first."""
    return keyring.sought("address", value.casefold())


def person_digests(keyring: Keyring, event: PatientEvent) -> tuple[bytes, bytes]:
    """Keyed digests of what a message says about the person, and of its flags (empty: none told).

    Equal to the stored ones they mean nothing to do (X-06), and so does an empty one: then nothing is told.
    """
    person = event.person
    flags = keyring.digest("flags", person.flags_key) if person.flags_key else b""
    return keyring.digest("demographics", person.key) if person.key else b"", flags


# A person is found, locked and opened by one look-up: identifier, patient, data key.
_KEYED = tables.patient.outerjoin(tables.data_key, tables.data_key.c.id == tables.patient.c.key)
_IDENTIFIED = tables.identifier.join(tables.patient, tables.patient.c.token == tables.identifier.c.patient).outerjoin(
    tables.data_key, tables.data_key.c.id == tables.patient.c.key
)
_OPENABLE = (*(f"patient_{name}" for name in PatientRow.COLUMNS), "data_key_kek", "data_key_wrapped")


class Directory:
    """The working set of patients of one unit of work; `flush` writes it back in a few statements."""

    def __init__(self, uow: UnitOfWork, keyring: Keyring, policy: Policy) -> None:
        self.uow = uow
        self.keyring = keyring
        self.policy = policy
        self.by_digest: dict[bytes, int] = {}
        self.patients: dict[int, PatientRow] = {}
        self._contacts: dict[int, list[ContactRow]] = {}
        self._sealed_contacts: dict[int, list[ContactRow]] = {}  # read ahead, opened when they are asked for
        self._families: dict[int, list[int]] = {}  # as stored: a merge of this very unit is written at its end
        self._addresses: dict[bytes, int] = {}
        self._new_identifiers: list[tuple[Any, ...]] = []
        self._new_keys: list[tuple[Any, ...]] = []
        self._new_addresses: list[tuple[Any, ...]] = []
        self._new_contacts: list[ContactRow] = []
        self._gone_contacts: list[int] = []
        self._retold_contacts: list[ContactRow] = []
        self.new_consents: list[tuple[Any, ...]] = []

    # -- loading

    def load(self, digests: Iterable[bytes], *, lock: bool = True) -> None:
        """Find and lock, in token order, every patient these identifier digests point to, and their survivors."""
        wanted = list(dict.fromkeys(digests))
        if not wanted:
            return
        rows = self.uow.lookup(_IDENTIFIED, (*_OPENABLE, "identifier_hmac"), "identifier_hmac", wanted, lock=lock)
        self.by_digest.update((row[-1], row[0]) for row in rows)
        self._take(row[:-1] for row in rows)
        self._load_survivors(lock=lock)

    def lock_people(self, tokens: Iterable[int]) -> None:
        """Lock patients and whom they were merged into, all of them in token order, before any is loaded.

        Where people share a number, or one was merged into another, what is loaded one after the other may be locked
        against that order, and two units could wait for each other.
        """
        people = set(tokens)
        while True:
            rows = self.uow.lookup(tables.patient, ("survivor",), "token", sorted(people))
            into = {survivor for (survivor,) in rows if survivor is not None}
            if into <= people:
                break
            people |= into
        self.uow.lock(tables.patient, "token", sorted(people))

    def load_tokens(self, tokens: Iterable[int], *, lock: bool = True) -> None:
        """Load and lock patients by token with their survivors and keys."""
        wanted = sorted(set(tokens) - self.patients.keys())
        if wanted:
            self._take(self.uow.lookup(_KEYED, _OPENABLE, "patient_token", wanted, lock=lock))
            self._load_survivors(lock=lock)

    def _load_survivors(self, *, lock: bool) -> None:
        survivors = {row.survivor for row in self.patients.values() if row.survivor is not None}
        if survivors - self.patients.keys():
            self.load_tokens(survivors, lock=lock)

    def _take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Take loaded patients into the working set. KeyringError: another key file sealed them, or a key is missing."""
        for *values, kek, wrapped in rows:
            row = PatientRow(*values)
            if row.token not in self.patients:
                self.patients[row.token] = row
                if kek is None:
                    raise KeyringError(f"data key {row.key} is missing")
                row.data_key = None if wrapped is None else self.keyring.unwrap(kek, wrapped)  # None: erased

    def read_ahead(self, tokens: Iterable[int]) -> list[int]:
        """The families and contact points of people who are loaded, in two look-ups; returns every token of them."""
        roots = sorted({self.root(one).token for one in tokens} - self._families.keys())
        self._families.update((root, [root]) for root in roots)
        for root, loser in self.uow.lookup(tables.patient, ("survivor", "token"), "survivor", roots):
            self._families[root].append(loser)
        asked = [root for root in roots if root not in self._contacts]
        self._sealed_contacts.update((root, []) for root in asked)
        for row in self.uow.lookup(tables.contact_point, ContactRow.COLUMNS, "patient", asked):
            self._sealed_contacts[row[1]].append(ContactRow(*row))
        return [token for root in roots for token in self._families[root]]

    def addresses_of(self, tokens: Iterable[int]) -> list[int]:
        """Ids of the addresses that `read_ahead` found of these people."""
        roots = {self.root(one).token for one in tokens}
        return [one.address for root in roots for one in self._sealed_contacts.get(root, ())]

    def root(self, token: int) -> PatientRow:
        """The patient a token stands for now: itself, or the survivor of its merge (AD-32)."""
        row = self.patients[token]
        return row if row.survivor is None else self.patients[row.survivor]

    def family(self, token: int) -> list[int]:
        """All tokens that were merged into the same person, the survivor first."""
        root = self.root(token).token
        found = self._families.get(root)
        if found is None:
            losers = self.uow.lookup(tables.patient, ("token",), "survivor", [root])
            found = self._families[root] = [root, *(loser for (loser,) in losers)]
        return found

    # -- who is it

    def resolve(self, digests: Sequence[tuple[bytes, ...]]) -> tuple[PatientRow | None, list[PatientRow]]:
        """The patient of the first known identifier, and any *other* patients the rest point to."""
        roots: dict[int, PatientRow] = {}
        known = self.by_digest
        for alternatives in digests:
            for digest in alternatives:
                token = known.get(digest)
                if token is not None and token not in roots:
                    row = self.root(token)
                    if row.data_key is not None:  # who was erased is nobody we know
                        roots.setdefault(row.token, row)
        found = list(roots.values())
        return (found[0], found[1:]) if found else (None, [])

    def create(self) -> PatientRow:
        """A new patient with a data key of their own and nothing known yet."""
        token, key = self.uow.new_id(), self.uow.new_id()
        plain, kek, wrapped = self.keyring.new_key()
        self._new_keys.append((key, "patient", None, kek, wrapped, None))
        row = PatientRow(token, key, None, 0, "", None, None, 0, "", b"", b"", b"", data_key=plain, person={}, new=True)
        self.patients[token] = row
        return row

    def add_identifiers(
        self, row: PatientRow, identifiers: Sequence[Identifier], digests: Sequence[tuple[bytes, ...]]
    ) -> int:
        """Point identifiers nobody has yet at this patient; returns how many were new."""
        added, known = 0, self.by_digest
        for identifier, alternatives in zip(identifiers, digests, strict=True):
            if alternatives[0] in known or (len(alternatives) > 1 and alternatives[1] in known):
                continue
            plain = _json([identifier.system, identifier.type, identifier.value])
            sealed = self._seal(row, plain, b"identifier.sealed:%d" % row.token)
            self._new_identifiers.append((self.keyring.index_key, alternatives[0], row.token, sealed))
            self.by_digest[alternatives[0]] = row.token
            added += 1
        return added

    # -- what is known of them

    def person(self, row: PatientRow) -> dict[str, str]:
        """What is sealed about the person: given, family, birth, postal; and what is contested of them."""
        if row.person is None:
            row.person = _person(self._unseal(row, row.sealed, b"patient.sealed:%d" % row.token))
        return row.person

    def facts(self, row: PatientRow, now: Millis, zone: str) -> dict[str, FactValue]:
        """Directory facts of the person for matching and revealing (patient.*)."""
        person = self.person(row)
        facts: dict[str, FactValue] = {}
        for name, key in (("patient.given_name", "given"), ("patient.family_name", "family")):
            if key in person:
                facts[name] = person[key]
        if row.language:
            facts["patient.language"] = row.language
        if row.state:
            facts["patient.state"] = row.state
        age = self.age(row, now, zone)
        if age is not None:
            facts["patient.age"] = age
        return facts

    def age(self, row: PatientRow, now: Millis, zone: str) -> int | None:
        """Completed years, or None when the whole birth date is not known (PI-14)."""
        birth = self.person(row).get("birth", "")
        return age_at(date.fromisoformat(birth), now, zone) if len(birth) == 10 else None

    def contacts(self, row: PatientRow) -> list[ContactRow]:
        """The person's contact points, opened."""
        known = self._contacts.get(row.token)
        if known is None:
            known = self._sealed(row)
            for contact in known:
                contact.value = self._unseal(row, contact.sealed, b"contact_point.sealed:%d" % contact.id).decode()
            self._contacts[row.token] = known
        return known

    def _sealed(self, row: PatientRow) -> list[ContactRow]:
        ahead = self._sealed_contacts.get(row.token)
        if ahead is not None or row.new:
            return ahead or []
        found = self.uow.lookup(tables.contact_point, ContactRow.COLUMNS, "patient", [row.token])
        return [ContactRow(*one) for one in found]

    def identifiers(self, row: PatientRow) -> list[str]:
        """The values of the person's identifiers, opened: what no text may ever show."""
        found = self.uow.lookup(tables.identifier, ("sealed",), "patient", [row.token])
        aad = b"identifier.sealed:%d" % row.token
        return [_identifier(self._unseal(row, sealed, aad))[2] for (sealed,) in found]

    def digests_of(self, row: PatientRow) -> set[bytes]:
        """The digests of the person's identifiers, those of this very unit included."""
        found = {digest for digest, token in self.by_digest.items() if token == row.token}
        return found | {bytes(one) for (one,) in self.uow.lookup(tables.identifier, ("hmac",), "patient", [row.token])}

    def logical_id(self, row: PatientRow, system: str, kind: str) -> str | None:
        """The number of this type that a system knows the person by; the survivor's of a merge goes before."""
        family = self.family(row.token)
        self.load_tokens(family, lock=False)
        for token in family:
            owner, aad = self.patients[token], b"identifier.sealed:%d" % token
            sealed = self.uow.lookup(tables.identifier, ("sealed",), "patient", [token])
            opened = [_identifier(self._unseal(owner, one, aad)) for (one,) in sealed]
            if found := sorted(value for one, type_, value in opened if (one, type_) == (system, kind)):
                return found[0]
        return None

    # -- what a message changes

    @staticmethod
    def knows(row: PatientRow, event: PatientEvent, digests: tuple[bytes, bytes]) -> bool:
        """Whether this is what was told last: then there is nothing to do, and the person is not even read."""
        told, flags = digests
        return told in (b"", row.digest) and (not flags or flags == row.flags_digest) and not event.person.passing

    def update(
        self, row: PatientRow, event: PatientEvent, digests: tuple[bytes, bytes], evidence: str, *, sure: bool = True
    ) -> list[Entry]:
        """Apply what a message says about the person, three-state (N-01); returns audit entries.

        Not `sure` whom it is about, or older than what we know (N-06): it may restrict, and nothing else.
        """
        told, flags = digests
        believed = sure and event.recorded >= row.version
        entries = [] if flags == row.flags_digest else self._flags(row, event, lifts=believed)
        if not believed:
            return entries
        if told not in (b"", row.digest):
            changed = self._identity(row, event.demographics)
            if changed is None:
                entries.append((Action.PATIENT_HELD, row.token, Reason.IDENTITY_CONFLICT))
                self.hold(row, Reason.IDENTITY_CONFLICT)
                return entries
            changed += self._place(row, event.demographics)
            recorded = len(self.new_consents)
            changed += self._telecom(row, event.demographics, evidence)
            entries += [_permitted(one) for one in self.new_consents[recorded:]]
            if changed and not row.new:
                entries.append((Action.PATIENT_CHANGED, row.token, *changed))
        if told:
            # What was read with warnings is read, and warned of, every time it is told.
            row.digest = b"" if event.person.faults else told
            row.version = event.recorded
        row.flags_digest = flags or row.flags_digest
        row.dirty = True
        return entries

    def reach(self, row: PatientRow, event: PatientEvent) -> list[Entry]:
        """Take over how a row of a table says that somebody is reached; returns audit entries.

        It is a field of its own (`origin`): no address that another feed told is changed or taken away by it, and
        nothing else of the person. No basis is declared for it: whoever gave an address elsewhere gave it there (SN-05).
        """
        changed = self._telecom(row, event.demographics, None) if event.person.key else []
        return [(Action.PATIENT_CHANGED, row.token, *changed)] if changed else []

    def hold(self, row: PatientRow, reason: Reason) -> None:
        """Let a person look before anything is sent to this patient."""
        row.hold = join_reasons({*row.holds, reason})
        row.dirty = True

    def lift(self, row: PatientRow, reason: Reason) -> None:
        """Take one hold of a patient away."""
        row.hold = join_reasons(row.holds - {reason})
        row.dirty = True

    def drop_identifiers(self, row: PatientRow, digests: Sequence[tuple[bytes, ...]]) -> int:
        """Let identifiers point at nobody any more, where they point at this patient; returns how many did."""
        dropped = 0
        for alternatives in digests:
            for digest in alternatives:
                token = self.by_digest.get(digest)
                if token is not None and self.root(token).token == row.token:
                    del self.by_digest[digest]
                    kept = [one for one in self._new_identifiers if one[1] != digest]
                    if len(kept) == len(self._new_identifiers):
                        self.uow.run(queries.FORGET_IDENTIFIER, (digest,))
                    self._new_identifiers = kept
                    dropped += 1
        return dropped

    def _flags(self, row: PatientRow, event: PatientEvent, *, lifts: bool) -> list[Entry]:
        before = row.holds
        raised = {reason for reason, told in event.flags.items() if told}
        lifted = {reason for reason, told in event.flags.items() if lifts and not told}
        after = (before | raised) - lifted
        if after == before:
            return []
        row.hold = join_reasons(after)
        row.dirty = True
        entries: list[Entry] = [(Action.PATIENT_HELD, row.token, reason) for reason in sorted(after - before)]
        entries += [(Action.PATIENT_RELEASED, row.token, reason) for reason in sorted(before - after)]
        return entries

    def _identity(self, row: PatientRow, told: Demographics) -> list[str] | None:
        """Apply names and birth date; None when both change together: that may be another person.

        Once a person has lifted the hold, the same names and birth date told again are believed.
        """
        before = self.person(row)
        after = dict(before)
        for key, value in (("given", told.given_name), ("family", told.family_name), ("birth", told.birth_date)):
            _three_state(after, key, value)
        _three_state(after, "postal", told.postal_code)
        changed = [
            key for key in ("given", "family", "birth", "postal") if _nfc(before.get(key)) != _nfc(after.get(key))
        ]
        known = {key for key in changed if key in before and key in after}
        if "birth" in known and known & {"given", "family"}:
            told_now = "\x1f".join(_nfc(after.get(key)) or "" for key in ("given", "family", "birth"))
            if before.get(_CONTESTED) != told_now or Reason.IDENTITY_CONFLICT in row.holds:
                row.person = {**before, _CONTESTED: told_now}
                return None
        after.pop(_CONTESTED, None)
        row.person = after
        return changed

    def _place(self, row: PatientRow, told: Demographics) -> list[str]:
        before = (row.state, row.language, row.zones)
        row.state = _kept(row.state, told.state)
        if LANGUAGE not in (row.person or {}):  # else the person chose one
            row.language = _kept(row.language, told.language)
        # A country that was told and that no table knows is not the United States: anywhere (fail closed).
        country = "ZZ" if told.country is CLEARED else told.country if isinstance(told.country, str) else None
        postal = (row.person or {}).get("postal")
        if told.state is not None or told.postal_code is not None or row.new:
            row.zones = ",".join(plausible_zones(row.state, postal, country))
        after = (row.state, row.language, row.zones)
        return [name for name, old, new in zip(("state", "language", "zone"), before, after, strict=True) if old != new]

    def _telecom(self, row: PatientRow, told: Demographics, evidence: str | None) -> list[str]:
        changed: list[str] = []
        for origin, points in told.telecom:
            wanted = () if points is CLEARED else points
            assert not isinstance(wanted, Cleared)
            if self._replace(row, origin, wanted, evidence):
                changed.append(origin)
        return changed

    def _replace(self, row: PatientRow, origin: str, wanted: Sequence[ContactPoint], evidence: str | None) -> bool:
        """Replace the contact points of one field as a set (N-03). `evidence`: of a basis for them; None: there is none."""
        known = self.contacts(row)
        keep = {(point.system.value, point.value): point for point in wanted}
        gone = [one for one in known if one.origin == origin and (one.system, one.value) not in keep]
        have = {(one.system, one.value) for one in known if one.origin == origin}
        fresh = [point for key, point in keep.items() if key not in have]
        for contact in gone:
            known.remove(contact)
            self._forget(contact)
        retold = [one for one in known if one.origin == origin and _retell(one, keep[one.system, one.value])]
        self._retold_contacts += [one for one in retold if one not in self._new_contacts]
        for point in fresh:
            known.append(self._add_contact(row, origin, point, evidence))
        return bool(gone or fresh or retold)

    def _forget(self, contact: ContactRow) -> None:
        if contact in self._new_contacts:
            self._new_contacts.remove(contact)
        else:
            self._gone_contacts.append(contact.id)

    def _add_contact(self, row: PatientRow, origin: str, point: ContactPoint, evidence: str | None) -> ContactRow:
        address = self.address(point.value)
        identity = self.uow.new_id()
        sealed = self._seal(row, point.value.encode(), b"contact_point.sealed:%d" % identity)
        contact = ContactRow(
            identity,
            row.token,
            address,
            origin,
            point.system.value,
            point.use.value,
            point.rank,
            point.valid_from,
            point.valid_until,
            sealed,
            point.value,
        )
        self._new_contacts.append(contact)
        if evidence is not None:
            self._basis(row, contact, evidence)
        return contact

    def address(self, value: str) -> int:
        """The id of an address row, made when nobody had the address before."""
        digests = address_digests(self.keyring, value)
        for digest in digests:
            if digest in self._addresses:
                return self._addresses[digest]
        for hmac, identity in self.uow.lookup(tables.address, ("hmac", "id"), "hmac", digests):
            self._addresses[bytes(hmac)] = identity
            return int(identity)
        identity = self.uow.new_id()
        self._new_addresses.append((identity, self.keyring.index_key, digests[0], "", None))
        self._addresses[digests[0]] = identity
        return identity

    def most_sharing(self) -> int:
        """Of the addresses that this unit gives to anybody: how many people the most shared has, told by the same field.

        Whoever has it already counts, whichever unit gave it to them.
        """
        people: dict[tuple[int, str], set[int]] = {}
        for one in self._new_contacts:
            people.setdefault((one.address, one.origin), set()).add(one.patient)
        columns = ("address", "origin", "patient", "id")
        given = sorted({address for address, _ in people})
        for address, origin, patient, identity in self.uow.lookup(tables.contact_point, columns, "address", given):
            if (address, origin) in people and identity not in self._gone_contacts:
                people[address, origin].add(patient)
        return max(map(len, people.values()), default=0)

    def _basis(self, row: PatientRow, contact: ContactRow, evidence: str) -> None:
        """Write the ledger entries that the policy's declared bases give a newly told address."""
        channel = _CHANNEL_OF.get(ContactSystem(contact.system))
        refused = set() if row.new else self._refused(row, contact.address)
        for basis in self.policy.basis:
            scope = (basis.purpose.value, basis.channel.value, basis.topic or ANY)
            for kind in basis.kinds if basis.channel.value == channel else ():
                if (*scope, kind) in refused:
                    continue  # a policy lifts no no: only the person does
                self.new_consents.append(
                    (
                        self.uow.new_id(),
                        row.token,
                        contact.address,
                        *scope,
                        1,
                        self.uow.now,
                        None,
                        f"{BY_POLICY}{self.policy.version}: {evidence}",
                        self.uow.now,
                        kind,
                    )
                )

    def _refused(self, row: PatientRow, address: int) -> set[tuple[str, ...]]:
        """(purpose, channel, topic, kind) of what the person refused of this very address before."""
        columns = ("patient", "permit", "purpose", "channel", "topic", "kind")
        found = self.uow.lookup(tables.consent, columns, "address", [address])
        family = self.family(row.token)
        return {tuple(scope) for patient, permit, *scope in found if not permit and patient in family}

    # -- writing back

    def flush(self) -> None:
        """Write everything that is new or changed, one statement a table."""
        uow = self.uow
        self._families.clear()
        new = [row for row in self.patients.values() if row.new]
        changed = [row for row in self.patients.values() if row.dirty and not row.new]
        for row in (*new, *changed):
            if row.person is not None:
                row.sealed = self._seal(row, _json(row.person), b"patient.sealed:%d" % row.token)
        if self._new_keys:
            uow.insert(tables.data_key, ("id", "kind", "label", "kek", "wrapped", "destroyed_at"), self._new_keys)
        if new:
            uow.insert(tables.patient, PatientRow.COLUMNS, [row.values() for row in new])
        if changed:
            rows = [(*row.values()[1:], row.token) for row in changed]
            uow.update(tables.patient, ("token",), PatientRow.COLUMNS[1:], rows)
        if self._new_identifiers:
            uow.insert(tables.identifier, ("index_key", "hmac", "patient", "sealed"), self._new_identifiers)
        if self._new_addresses:
            columns = ("id", "index_key", "hmac", "sender", "opted_out_at")
            uow.insert(tables.address, columns, self._new_addresses)
        if self._gone_contacts:
            for gone in self._gone_contacts:
                uow.run(queries.FORGET_CONTACT, (gone,))
        if retold := {one.id: one for one in self._retold_contacts}.values():
            rows = [(one.use, one.rank, one.valid_from, one.valid_until, one.id) for one in retold]
            uow.update(tables.contact_point, ("id",), ("use", "rank", "valid_from", "valid_until"), rows)
        if self._new_contacts:
            uow.insert(tables.contact_point, ContactRow.COLUMNS, [one.values() for one in self._new_contacts])
        if self.new_consents:
            uow.insert(tables.consent, CONSENT_KINDED, self.new_consents)

    def seal_facts(self, row: PatientRow, blob: bytes, occurrence: int) -> bytes:
        """Seal an occurrence's facts under its patient's key."""
        return self._seal(row, blob, b"occurrence.sealed_facts:%d" % occurrence)

    def open_facts(self, row: PatientRow, sealed: bytes, occurrence: int) -> bytes:
        """Inverse of `seal_facts`. Raises KeyringError, Erased."""
        return self._unseal(row, sealed, b"occurrence.sealed_facts:%d" % occurrence)

    def seal_for(self, row: PatientRow, blob: bytes, aad: bytes) -> bytes:
        """Seal other content of a patient (a message body, a merge snapshot) under their key."""
        return self._seal(row, blob, aad)

    def unseal_for(self, row: PatientRow, blob: bytes, aad: bytes) -> bytes:
        """Inverse of `seal_for`. Raises KeyringError, Erased."""
        return self._unseal(row, blob, aad)

    @staticmethod
    def _seal(row: PatientRow, plain: bytes, aad: bytes) -> bytes:
        return seal(row.cipher or _ready(row), plain, aad)

    @staticmethod
    def _unseal(row: PatientRow, sealed: bytes, aad: bytes) -> bytes:
        return unseal(row.cipher or _ready(row), bytes(sealed), aad)


def _ready(row: PatientRow) -> Cipher:
    """The patient's cipher, kept as long as the unit keeps the row. Erased: there is no key any more."""
    if row.data_key is None:
        raise Erased("the patient was erased")
    row.cipher = Cipher(row.data_key)
    return row.cipher


CONSENT_COLUMNS = (
    "id",
    "patient",
    "address",
    "purpose",
    "channel",
    "topic",
    "permit",
    "valid_from",
    "valid_until",
    "evidence",
    "recorded",
)
"""Those of an entry of kind MESSAGES; the others have one of their own."""
CONSENT_KINDED = (*CONSENT_COLUMNS, "kind")


def contact_point_of(contact: ContactRow) -> ContactPoint:
    """The revealed form of a contact row; only `deliver` calls it, with a clearance."""
    return ContactPoint(
        system=ContactSystem(contact.system),
        value=contact.value,
        use=ContactUse(contact.use),
        rank=contact.rank,
        valid_from=contact.valid_from,
        valid_until=contact.valid_until,
    )


def _permitted(row: tuple[Any, ...]) -> Entry:
    """The audit entry of a permit that a basis gave; a kind other than `messages` is named behind its scope."""
    named = () if row[-1] == ConsentKind.MESSAGES else (str(row[-1]),)
    return (Action.CONSENT_RECORDED, row[0], "permit", *row[3:6], *named)


def _retell(contact: ContactRow, told: ContactPoint) -> bool:
    """Take over what is told anew of an address we have: its use, rank and dates (PI-09); whether anything changed."""
    before = (contact.use, contact.rank, contact.valid_from, contact.valid_until)
    after = (told.use.value, told.rank, told.valid_from, told.valid_until)
    contact.use, contact.rank, contact.valid_from, contact.valid_until = after
    return before != after


def _three_state(person: dict[str, str], key: str, value: str | Cleared | None) -> None:
    if value is CLEARED:
        person.pop(key, None)
    elif isinstance(value, str):
        person[key] = value


def _nfc(name: str | None) -> str | None:
    """A name as it is compared: the same letters, however they are put together; it is kept as it came (C-08)."""
    return name and unicodedata.normalize("NFC", name)


def _kept(old: str | None, told: str | Cleared | None) -> str | None:
    if told is None:
        return old
    return None if told is CLEARED else str(told)
