"""Who stands for a rule set: a signature counts only for the very bytes, the report and the part it names.

Pure but for the cryptography: Ed25519 (RFC 8032), one key a person, public keys in the configuration.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.model.errors import CommandError

GOOD_FOR = timedelta(days=30)
"""How long after signing rules may be put in force; what is in force, or was, stays approved."""

_CLOCKS = timedelta(days=1)  # one person's clock may be ahead of another's, across midnight


class Part(StrEnum):
    """What a person signs as."""

    AUTHOR = "author"
    APPROVER = "approver"


NEEDS = {Part.AUTHOR: "analyst", Part.APPROVER: "approver"}
"""The role in the configuration that each part asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A person of the configuration: `key` is the raw Ed25519 public key (32 bytes)."""

    name: str
    key: bytes
    roles: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One person's word: `ruleset` and `report` are digests (report "" for none), `date` ISO, `signature` base64."""

    person: str
    part: str
    ruleset: str
    report: str
    date: str
    signature: str

    def text(self) -> bytes:
        """The bytes that are signed."""
        return _text(self.person, self.part, self.ruleset, self.report, self.date)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A rule set's author and approver, both proven; `evidence` holds what proves it."""

    author: str
    approver: str
    report: str
    evidence: tuple[Signed, ...]


def new_key() -> tuple[bytes, str]:
    """(private key as PEM, public key as it stands in the configuration)."""
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, base64.b64encode(key.public_key().public_bytes_raw()).decode()


def sign(pem: bytes, *, person: str, part: Part, ruleset: str, report: str, day: date) -> Signed:
    """A signature with a private key in PEM. Raises CommandError when it is no such key, or for more than one line."""
    if not _is_one_line(person, report):
        raise CommandError("a name and a report are one line each")
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandError(
            "this is no Ed25519 private key in PEM without a passphrase: make one with `caregate rules key`"
        )
    made = key.sign(_text(person, part, ruleset, report, day.isoformat()))
    return Signed(
        person=person,
        part=part,
        ruleset=ruleset,
        report=report,
        date=day.isoformat(),
        signature=base64.b64encode(made).decode(),
    )


def dumps(signatures: Sequence[Signed]) -> str:
    """Signatures as JSON."""
    return json.dumps([asdict(one) for one in signatures], sort_keys=True)


def loads(text: str | bytes) -> tuple[Signed, ...]:
    """What `dumps` wrote. Raises CommandError."""
    try:
        told = json.loads(text)
        return tuple(Signed(**{key: str(value) for key, value in one.items()}) for one in told)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise CommandError("this is no signature that `caregate rules sign` wrote") from None


def holds(signed: Signed, people: Mapping[str, Signer]) -> bool:
    """Whether the key that the configuration lists for this person made the signature."""
    signer = people.get(signed.person)
    if signer is None or not _is_one_line(signed.person, signed.part, signed.ruleset, signed.report, signed.date):
        return False
    try:
        raw = base64.b64decode(signed.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(signer.key).verify(raw, signed.text())
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def approval(
    signatures: Iterable[Signed], people: Mapping[str, Signer], *, ruleset: str, report: str, today: date
) -> Approval:
    """The author and another person who approves, both proven. Raises CommandError with what is missing.

    The approver must have the role `approver`, the author `analyst`, and they share neither name nor key. What was
    signed more than GOOD_FOR before `today` (UTC) is asked for again.
    """
    signatures = tuple(signatures)
    for one in signatures:
        _check(one, people, ruleset, report)
        _check_date(one, today)
    found = {part: [one for one in signatures if one.part == part] for part in Part}
    for part, some in found.items():
        if not some:
            raise CommandError(f"no {part} has signed this rule set: caregate rules sign --part {part}")
    for author in found[Part.AUTHOR]:
        for approver in found[Part.APPROVER]:
            if _apart(people[author.person], people[approver.person]):
                return Approval(
                    author=author.person, approver=approver.person, report=report, evidence=(author, approver)
                )
    raise CommandError("nobody approves their own rule set: the approver must be another person, with another key")


def still_holds(signatures: Sequence[Signed], people: Mapping[str, Signer], *, ruleset: str, report: str) -> str | None:
    """Why stored evidence does not prove an approval of this rule set, or None. Roles of today do not matter."""
    parts: dict[str, set[str]] = {}
    for one in signatures:
        if one.ruleset != ruleset:
            return "a signature is for other rules"
        if one.report != report:
            return "a signature names another report"
        if not holds(one, people):
            return f"the signature of {one.person} does not hold by the keys of the configuration"
        parts.setdefault(one.part, set()).add(one.person)
    authors, approvers = parts.get(Part.AUTHOR, set()), parts.get(Part.APPROVER, set())
    if any(_apart(people[a], people[b]) for a in authors for b in approvers):
        return None
    return "it was put in force without an approval"


def _check(one: Signed, people: Mapping[str, Signer], ruleset: str, report: str) -> None:
    if one.ruleset != ruleset:
        raise CommandError(
            f"the signature of {one.person} is for other rules: they were edited since, or it is another folder"
        )
    if one.report != report:
        raise CommandError(f"the signature of {one.person} names another report than --report")
    if not holds(one, people):
        raise CommandError(f"the signature of {one.person} does not hold: `people` must list them with this key")
    if (needed := NEEDS.get(Part(one.part)) if one.part in set(Part) else None) not in people[one.person].roles:
        raise CommandError(f"{one.person} has not the role {needed} in `people`")


def _check_date(one: Signed, today: date) -> None:
    """A signature that nobody used is not a key to these rules for ever. CommandError."""
    try:
        age = today - date.fromisoformat(one.date)
    except ValueError:
        age = GOOD_FOR + _CLOCKS
    if not -_CLOCKS <= age <= GOOD_FOR:
        raise CommandError(f"the signature of {one.person} is not of the last {GOOD_FOR.days} days: sign again")


def _apart(author: Signer, approver: Signer) -> bool:
    return author.name != approver.name and author.key != approver.key


def _is_one_line(*fields: str) -> bool:
    """Lines divide what is signed: a field of two would read as two fields."""
    return not any("\n" in one for one in fields)


def _text(person: str, part: str, ruleset: str, report: str, date: str) -> bytes:
    return f"caregate ruleset\n{person}\n{part}\n{ruleset}\n{report}\n{date}\n".encode()
