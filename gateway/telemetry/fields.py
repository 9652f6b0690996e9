"""The allow-list: a log line carries nothing but these keys, each in its own shape (law 4: no PHI in a log)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from enum import Enum
from pathlib import Path

from gateway.model.alert import AlertKind, AlertWord
from gateway.model.audit import Action
from gateway.model.consent import ChannelKind, Purpose
from gateway.model.errors import CaregateError
from gateway.model.event import AckCode, EventKind, Result
from gateway.model.request import CommunicationStatus, Priority, RequestStatus
from gateway.model.verdict import Reason
from gateway.telemetry.failures import failure

Shape = Callable[[object], object]
DROP = object()


def _number(value: object) -> object:
    return value if isinstance(value, int | float) else DROP  # bool is an int


def _words(*sets: type[Enum], also: Sequence[str] = ()) -> Shape:
    known = {str(member.value) for words in sets for member in words} | set(also)

    def shape(value: object) -> object:
        text = str(value.value) if isinstance(value, Enum) else value
        return text if isinstance(text, str) and text in known else DROP

    return shape


def _text(pattern: str) -> Shape:
    matches = re.compile(pattern).fullmatch

    def shape(value: object) -> object:
        return value if isinstance(value, str) and matches(value) else DROP

    return shape


def _class_name(value: object) -> object:
    if isinstance(value, BaseException):
        return type(value).__name__
    return value if isinstance(value, str) and (value in _errors or _is_error(value)) else DROP


def _own_words(value: object) -> object:
    """The words of an error of our own tree, which quote nobody by contract; of no other one, and no text."""
    return str(value)[:500] if isinstance(value, CaregateError) else DROP


def _is_error(name: str) -> bool:
    """Whether an exception class of this name is loaded; looks again on a miss, for those loaded since."""
    if len(_misses) >= _MOST_MISSES or name in _misses:
        return False
    waiting: list[type] = [BaseException]
    while waiting:
        kind = waiting.pop()
        if kind.__name__ not in _errors:
            _errors.add(kind.__name__)
        waiting.extend(type.__subclasses__(kind))
    if name not in _errors:
        _misses.add(name)
    return name in _errors


def _config_path(value: object) -> object:
    text = str(value) if isinstance(value, Path) else value
    return text if isinstance(text, str) and _PATH(text) else DROP


_errors: set[str] = set()
_misses: set[str] = set()
_MOST_MISSES = 100
# Only files the operator or analyst wrote: a feed's file may be named after a patient.
_PATH = re.compile(r"[\w./~-]{1,240}\.(?:ya?ml|keys?|db|sqlite3?|pem|crt)(?::\d+){0,2}").fullmatch
_EVENT = re.compile(r"[a-z][a-z-]{0,30}(?:\.[a-z][a-z-]{0,30}){0,2}").fullmatch
NAME = _text(r"[a-z][a-z0-9_-]{0,63}")  # what the configuration and the rules call things
_HOST = _text(r"[a-z0-9][a-z0-9.-]{0,252}|[0-9a-f:.]{2,45}")
PARTS = ("database", "broker", "intake")  # what a process may need to be ready
_STATES = _words(RequestStatus, CommunicationStatus, also=("starting", "ready", "draining", "stopped", "held", "open"))

RESOURCES = (
    "Patient", "Appointment", "Encounter", "Observation", "DiagnosticReport", "MedicationRequest", "MedicationDispense",
    "Immunization", "ServiceRequest", "CarePlan", "Condition", "Coverage", "DeviceRequest", "QuestionnaireResponse",
    "Consent", "RelatedPerson", "Communication",
)  # fmt: skip
"""FHIR types by name and not by shape: a family's name has the same."""

FIELDS: Mapping[str, Shape] = {
    **dict.fromkeys(
        ("message", "request", "communication", "ruleset", "block", "count", "size", "seconds", "port", "line"), _number
    ),
    **dict.fromkeys(("attempt", "threads", "connections", "pid", "fence", "until", "lost", "queued", "code"), _number),
    **dict.fromkeys(("source", "rule", "template", "gate", "name", "library"), NAME),
    "reason": _words(Reason),
    "channel": _words(ChannelKind),
    "purpose": _words(Purpose),
    "priority": _words(Priority),
    "result": _words(Result, also=("ok", "failed", "done", "lost", "rung")),
    "ack": _words(AckCode),
    "state": _STATES,
    "status": _STATES,
    "kind": _words(EventKind),
    "alert": _words(AlertKind),
    "word": _words(AlertWord),
    "part": _words(also=PARTS),
    "resource": _words(also=RESOURCES),
    "action": _words(Action),
    "role": _words(also=("listen", "api", "work")),
    "database": _words(also=("sqlite", "postgresql")),
    "broker": _words(also=("memory", "redis", "amqp")),
    "environment": _words(also=("production", "staging", "test", "development", "demo")),
    "error": _class_name,
    "cause": _class_name,
    "said": _own_words,
    "version": _text(r"\d[0-9A-Za-z.+-]{0,31}"),
    "digest": _text(r"[0-9a-f]{16,64}"),
    "path": _config_path,
    "host": _HOST,
}
"""Every key a log line may have, and the shape its value must have; all else is dropped and only counted."""


def keep_allowed(_logger: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Structlog processor: a new event dict with nothing in it but allowed keys of allowed shapes.

    An event that is not a dotted name becomes "unnamed"; `dropped` counts what was left out.
    """
    exc_info = event.pop("exc_info", None)
    name = event.pop("event", "")
    kept: dict[str, object] = {"event": name if isinstance(name, str) and _EVENT(name) else "unnamed"}
    for key, value in event.items():
        shape = FIELDS.get(key)
        shaped = shape(value) if shape else DROP
        if shaped is not DROP:
            kept[key] = shaped
    if len(kept) <= len(event):
        kept["dropped"] = len(event) + 1 - len(kept)
    kept.update(failure(exc_info))
    return kept
