"""A resource that only refers to a person neither compares nor changes what is known of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gateway.model.event import EventKind, PatientEvent, Person, Told
from gateway.model.party import Demographics
from gateway.model.verdict import Reason
from gateway.pipeline.directory import Directory, person_digests


class Keyring:
    """Digests that can be read."""

    def digest(self, kind: str, key: bytes) -> bytes:
        return kind.encode() + b":" + key


def digests(person: Person) -> tuple[bytes, bytes]:
    """Of an event about this person."""
    event = PatientEvent(
        kind=EventKind.PATIENT_UPDATED, identifiers=(), person=person, occurred=0, recorded=0, production=True
    )
    return person_digests(Keyring(), event)  # type: ignore[arg-type]


def knows(person: Person, *, flags: bytes = b"") -> bool:
    """Whether there is nothing to do."""
    row: Any = SimpleNamespace(digest=b"demographics:known", flags_digest=flags)
    return Directory.knows(row, SimpleNamespace(person=person), digests(person))  # type: ignore[arg-type]


def untold(flags: bytes = b"") -> Person:
    """Nobody told anything but, perhaps, a hold."""
    return Person(b"", flags, lambda: Told(Demographics(), {Reason.CONSENT_UNCLEAR: True}))


def test_nothing_told_is_nothing_to_do() -> None:
    """X-06: whatever is known."""
    assert digests(untold()) == (b"", b"")
    assert knows(untold())


def test_a_hold_told_without_the_person_is_something_to_do_once() -> None:
    """CN-05: consent that only a person can read."""
    assert not knows(untold(b"unclear"))
    assert knows(untold(b"unclear"), flags=b"flags:unclear")


def test_a_person_told_is_compared_as_ever() -> None:
    """X-06."""
    assert knows(Person(b"known", b"", lambda: Told(Demographics(), {})))
    assert not knows(Person(b"other", b"", lambda: Told(Demographics(), {})))
