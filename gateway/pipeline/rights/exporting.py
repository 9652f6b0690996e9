"""A copy of everything held about a person, in words they can read and in a form programs can (45 CFR 164.524, 170.315(g)(6) idea).

What cannot be opened any more says so; messages as they came in are listed, not copied: they may tell of other people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.model.audit import Action
from gateway.model.errors import CommandError, KeyringError
from gateway.model.facts import VOCABULARY, FactValue
from gateway.model.when import Millis, When, to_datetime
from gateway.pipeline import representing
from gateway.pipeline.directory import Directory
from gateway.pipeline.inspect.parts import Inspectable
from gateway.pipeline.inspect.words import state_word
from gateway.pipeline.packing import unpack
from gateway.pipeline.rights.persons import Who, family
from gateway.pipeline.rows import PatientRow
from gateway.store import tables
from gateway.store.datakeys import open_keys
from gateway.store.keyring import unseal
from gateway.store.uow import UnitOfWork

Section = list[dict[str, Any]]
Export = dict[str, Any]
"""`about`: who made it, when, why; then a `Section` for each kind of thing that is held, each oldest first."""

_WORDS = {"given": "given name", "family": "family name", "birth": "birth date", "postal": "postal code"}
_KEPT_NO_MORE = "not kept any more"


def export(gateway: Inspectable, who: Who, *, reason: str, account: str) -> Export:
    """Everything held about a person and everybody merged into them, opened; audited before it is returned.

    CommandError: nobody has the identifier, or they were erased. KeyringError: something cannot be opened that should.
    """
    with gateway.store.begin(account) as uow:
        tokens = family(uow, gateway, who)
        made = _Copy(uow, gateway, tokens).made(reason)
        uow.audit([(Action.PATIENT_EXPORTED, tokens[0], reason)], patients=tokens)
        uow.commit()
    return made


class _Copy:
    """One copy under way; the only reader here of what is sealed."""

    def __init__(self, uow: UnitOfWork, gateway: Inspectable, tokens: Sequence[int]) -> None:
        self._uow = uow
        self._gateway = gateway
        self._tokens = list(tokens)
        self._directory = Directory(uow, gateway.store.keyring, gateway.rules.current().ruleset.policy)
        self._directory.load_tokens(tokens)
        self._people = [row for token in tokens if (row := self._directory.patients[token]).data_key is not None]
        if not self._people:
            raise CommandError("this person was erased: nothing is held; `caregate patient accounting` tells what left")

    def made(self, reason: str) -> Export:
        return {
            "about": {
                "made": _instant(self._uow.now),
                "by": self._uow.actor,
                "reason": reason,
                "under": "45 CFR 164.524",
                "persons merged into one": len(self._tokens),
            },
            "person": [self._person(row) for row in self._people],
            "identifiers": [one for row in self._people for one in self._identifiers(row)],
            "contact points": [one for row in self._people for one in self._contacts(row)],
            "merges": self._merges(),
            "representatives": self._representatives(),
            "consents": self._consents(),
            "visits, results and the like": self._occurrences(),
            "planned messages": self._requests(),
            "messages sent": self._communications(),
            "replies": self._replies(),
            "links to the portal": self._links(),
            "stored feed messages": self._messages(),
        }

    def _person(self, row: PatientRow) -> dict[str, Any]:
        known = {_WORDS.get(key, key): value for key, value in self._directory.person(row).items() if key in _WORDS}
        more = {
            "state of residence": row.state,
            "language": row.language,
            "time zones assumed": row.zones or None,
            "died": "yes" if row.deceased else None,
            "held for a look": row.hold or None,
        }
        return {"patient": str(row.token), **known, **{key: value for key, value in more.items() if value}}

    def _identifiers(self, row: PatientRow) -> Section:
        rows = self._uow.lookup(tables.identifier, ("sealed",), "patient", [row.token])
        opened = [
            json.loads(self._directory.unseal_for(row, sealed, b"identifier.sealed:%d" % row.token))
            for (sealed,) in rows
        ]
        return [{"assigned by": system, "type": kind, "value": value} for system, kind, value in sorted(opened)]

    def _contacts(self, row: PatientRow) -> Section:
        stopped = self._stopped([one.address for one in self._directory.contacts(row)])
        return [
            {
                "kind": one.system,
                "value": one.value,
                "use": one.use,
                "told in": one.origin,
                "valid from": _instant(one.valid_from),
                "valid until": _instant(one.valid_until),
                **stopped.get(one.address, {}),
            }
            for one in self._directory.contacts(row)
        ]

    def _stopped(self, addresses: Sequence[int]) -> dict[int, dict[str, Any]]:
        columns = ("id", "opted_out_at", "suppressed_at", "suppressed_why")
        return {
            identity: {"opted out": _instant(out), "not written to since": _instant(since), "because": why}
            for identity, out, since, why in self._uow.lookup(tables.address, columns, "id", list(addresses))
        }

    def _merges(self) -> Section:
        rows = sorted(self._uow.lookup(tables.merge, ("at", "loser", "survivor", "undone"), "loser", self._tokens))
        return [
            {"at": _instant(at), "merged away": str(loser), "into": str(survivor), "undone": _instant(undone)}
            for at, loser, survivor, undone in rows
        ]

    def _representatives(self) -> Section:
        columns = ("id", "patient", "role", "scope", "valid_from", "valid_until", "evidence", "sealed")
        rows = sorted(self._uow.lookup(tables.representative, columns, "patient", self._tokens))
        return [
            {
                "role": role,
                "for": scope,
                "valid from": _instant(since),
                "valid until": _instant(until),
                "evidence": evidence,
                "told": self._text(patient, sealed, b"representative.sealed:%d" % identity),
            }
            for identity, patient, role, scope, since, until, evidence, sealed in rows
        ]

    def _consents(self) -> Section:
        columns = (
            "recorded", "id", "patient", "kind", "permit", "purpose", "channel", "topic", "valid_from", "valid_until",
            "evidence", "recorded_by", "text_version", "language", "sealed",
        )  # fmt: skip
        made = []
        rows = self._uow.lookup(tables.consent, columns, "patient", self._tokens)
        # STOP belongs to a number: what is known of theirs, whoever said it
        rows += [
            row
            for row in self._uow.lookup(tables.consent, columns, "address", sorted(self._addresses()))
            if row[2] is None
        ]
        for row in sorted(rows, key=lambda row: row[:2]):
            told = dict(zip(columns, row, strict=True))
            identity, patient, sealed = told.pop("id"), told.pop("patient"), told.pop("sealed")
            told |= {name: _instant(told[name]) for name in ("recorded", "valid_from", "valid_until")}
            told["permit"] = "yes" if told["permit"] else "no"
            told["elements"] = self._text(patient, sealed, b"consent.sealed:%d" % identity)
            made.append({name.replace("_", " "): value for name, value in told.items()})
        return made

    def _occurrences(self) -> Section:
        columns = ("id", "kind", "patient", "facility", "status", "start_utc", "zone", "occurred", "sealed_facts")
        rows = sorted(self._uow.lookup(tables.occurrence, columns, "patient", self._tokens))
        return [
            {
                "kind": kind,
                "status": status,
                "place": facility,
                "begins": _instant(start, zone or "UTC"),
                "heard of": _instant(occurred),
                **self._facts(patient, sealed, identity),
            }
            for identity, kind, patient, facility, status, start, zone, occurred, sealed in rows
        ]

    def _facts(self, patient: int, sealed: bytes, occurrence: int) -> dict[str, Any]:
        row = self._directory.patients[patient]
        if row.data_key is None or not sealed:
            return {"facts": _KEPT_NO_MORE}
        facts = unpack(self._directory.open_facts(row, sealed, occurrence))
        return {VOCABULARY[name].meaning: _shown(value) for name, value in sorted(facts.items())}

    def _requests(self) -> Section:
        columns = ("due", "id", "rule", "step", "state", "reason", "kind")
        rows = sorted(self._uow.lookup(tables.request, columns, "patient", self._tokens))
        return [
            {
                "request": str(identity),
                "by rule": rule or kind,
                "step": step,
                "due": _instant(due),
                "state": state_word(state),
                "because": reason,
            }
            for due, identity, rule, step, state, reason, kind in rows
        ]

    def _communications(self) -> Section:
        columns = (
            "at", "id", "request", "channel", "patient", "address", "topic", "purpose", "template", "template_digest",
            "sealed_body", "status", "reason", "settled", "protection", "label",
        )  # fmt: skip
        rows = sorted(self._uow.lookup(tables.communication, columns, "patient", self._tokens), key=lambda row: row[:2])
        told = self._receipts([row[1] for row in rows])
        addresses = self._addresses()
        made = []
        for at, identity, _, channel, patient, address, topic, purpose, template, digest, body, *rest in rows:
            status, reason, settled, protection, label = rest
            made.append(
                {
                    "communication": str(identity),
                    "at": _instant(at),
                    "channel": channel,
                    "to": addresses.get(address, "an address that is not theirs any more"),
                    "purpose": purpose,
                    "topic": topic,
                    "template": f"{template} {digest[:12]}",
                    "outcome": status,
                    "because": reason,
                    "ended": _instant(settled),
                    "guarded by": protection,
                    "label": label,
                    "receipts": told.get(identity, []),
                    **self._body(patient, body, identity),
                }
            )
        return made

    def _body(self, patient: int, sealed: bytes | None, identity: int) -> dict[str, Any]:
        row = self._directory.patients[patient]
        if sealed is None or row.data_key is None:
            return {"text": _KEPT_NO_MORE}
        subject, text, *_ = json.loads(
            self._directory.unseal_for(row, sealed, b"communication.sealed_body:%d" % identity)
        )
        return {"subject": subject, "text": text}

    def _addresses(self) -> dict[int, str]:
        """By address row what stands there: their own, and those of whoever represents or represented them."""
        theirs = [one for row in self._people for one in self._directory.contacts(row)]
        stand_ins = representing.known(self._uow, self._tokens)
        theirs += [one for rep in stand_ins for one in representing.contacts(self._uow, self._directory, rep.id)]
        return {one.address: one.value for one in theirs}

    def _receipts(self, communications: Sequence[int]) -> Mapping[int, list[str]]:
        found: dict[int, list[str]] = {}
        columns = ("at", "communication", "status", "code")
        for at, communication, status, code in sorted(
            self._uow.lookup(tables.receipt, columns, "communication", list(communications)),
            key=lambda row: row[:3],
        ):
            found.setdefault(communication, []).append(" ".join(filter(None, (_instant(at), status, code))))
        return found

    def _replies(self) -> Section:
        columns = ("received", "id", "channel", "meaning", "state", "feed_key", "sealed")
        rows = sorted(self._uow.lookup(tables.inbound, columns, "patient", self._tokens), key=lambda row: row[:2])
        keys = open_keys(self._uow, sorted({row[5] for row in rows if row[6] is not None}))
        return [
            {
                "received": _instant(received),
                "channel": channel,
                "taken for": meaning,
                "state": state,
                "text": _opened(keys.get(key), sealed, b"inbound.sealed:%d" % identity),
            }
            for received, identity, channel, meaning, state, key, sealed in rows
        ]

    def _messages(self) -> Section:
        links = {one for (one,) in self._uow.lookup(tables.audit_patient, ("audit",), "patient", self._tokens)}
        columns = ("received", "id", "type", "source", "sealed")
        names = {entry.id: name for name, entry in self._gateway.site.sources.items()}
        rows = sorted(self._uow.lookup(tables.raw, columns, "id", sorted(links)), key=lambda row: row[:2])
        return [
            {
                "message": str(identity),
                "received": _instant(received),
                "type": kind,
                "from": names.get(source, "a feed that is not configured any more"),
                "bytes": "kept until the replay window closes" if sealed is not None else _KEPT_NO_MORE,
            }
            for received, identity, kind, source, sealed in rows
        ]

    def _links(self) -> Section:
        columns = ("created", "id", "kind", "expires", "ended")
        rows = sorted(self._uow.lookup(tables.link, columns, "patient", self._tokens), key=lambda row: row[:2])
        return [
            {"made": _instant(made), "for": kind, "expires": _instant(expires), "ended": _instant(ended)}
            for made, _, kind, expires, ended in rows
        ]

    def _text(self, patient: int | None, sealed: bytes | None, aad: bytes) -> str | None:
        if not sealed:
            return None
        return _opened(None if patient is None else self._directory.patients[patient].data_key, sealed, aad)


def _opened(key: bytes | None, sealed: bytes | None, aad: bytes) -> str:
    """Sealed text; what has no key any more, or was sealed otherwise, is said to be closed rather than left out."""
    if key is None or sealed is None:
        return _KEPT_NO_MORE
    try:
        return unseal(key, bytes(sealed), aad).decode("utf-8", "replace")
    except KeyringError:
        return "cannot be opened"


def _shown(value: FactValue) -> str:
    if isinstance(value, When):
        return _instant(value.utc, value.zone) or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _instant(at: Millis | None, zone: str = "UTC") -> str | None:
    """ISO 8601 to the second with its offset (45 CFR 164.524(c)(2): readable, and readable by programs)."""
    return None if at is None else to_datetime(at, zone).isoformat(timespec="seconds")
