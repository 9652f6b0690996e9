"""What must hold of any bytes that are taken for a FHIR resource: refused by place and rule, or read by any path without harm."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal
from functools import cache

from gateway.fhirjson import MOST_DEPTH, parse
from gateway.mapping.fhir.paths import FhirPath, compile_path
from gateway.mapping.fhir.validation import validate
from gateway.model.errors import Unreadable
from gateway.model.event import Fault, Release
from tests.fuzz import claims

RELEASES = tuple(Release)
_PLACE = re.compile(r"[A-Z][A-Za-z0-9]*(?:\._?[A-Za-z0-9]+|\[\d+\])*", re.ASCII)
_README = claims.ROOT / "mappings" / "fhir" / "README.md"


def any_resource(data: bytes) -> None:
    """The first byte chooses the release, the rest is the body."""
    if not data:
        return
    try:
        told = parse(data[1:])
    except Unreadable as refused:
        _is_told_safely(refused.fault)
        return
    _is_exact(told, 0)
    for fault in validate(told, RELEASES[data[0] % len(RELEASES)]):
        _is_told_safely(fault)
    for path in paths():
        assert all(value is not None and not isinstance(value, list) for value in path(told))


@cache
def paths() -> tuple[FhirPath, ...]:
    """Every construct that is documented, and some as mappings have them."""
    documented = re.findall(r"^\| `(.+?)` \| `.*?` \|", _README.read_text("utf-8"), re.MULTILINE)
    return tuple(compile_path(path.replace("\\|", "|")) for path in (*documented, *_MORE))


_MORE = (
    "identifier | name | telecom", "name.where(period.end > period.start).family", "participant.actor.resolve()", "name & telecom",
    "value > 5", "identifier.value < birthDate", "entry.resource.where(id in %resource.entry.fullUrl)", "name.given.join(id)",
)  # fmt: skip


def _is_told_safely(fault: Fault) -> None:
    assert fault.code in (100, 101, 102, 200)
    assert all(claims.is_ours(part) for part in re.split(r"\d+", fault.rule)), "a rule is ours, never text of a body"
    assert fault.place is None or _PLACE.fullmatch(str(fault.place)) or str(fault.place) == "resourceType"


def _is_exact(told: object, depth: int) -> None:
    """No float, no key or text that cannot be written again, no more levels than promised."""
    assert depth <= MOST_DEPTH
    if isinstance(told, dict | list):
        for one in told if isinstance(told, list) else (*told, *told.values()):
            _is_exact(one, depth + 1)
    elif isinstance(told, str):
        assert "\0" not in told
        told.encode()
    else:
        assert told is None or isinstance(told, bool | int | Decimal)


@cache
def seeds() -> tuple[bytes, ...]:
    """The README's patient, others of odd shape, and bodies that are nearly refused."""
    patient = json.loads(re.search(r"```json\n(.*?)```", _README.read_text("utf-8"), re.DOTALL)[1])  # type: ignore[index]
    made = (patient, *_MADE)
    return tuple(bytes((release,)) + json.dumps(one).encode() for release in range(4) for one in made)


_MADE = (
    {"resourceType": "Observation", "status": "final", "code": {"coding": [{"system": "urn:x", "code": "a b"}]},
     "valueQuantity": {"value": 1.5e3}, "effectivePeriod": {"start": "2016-12-31T23:59:60Z"}, "_status": {"extension": []}},
    {"resourceType": "Bundle", "type": "history", "entry": [{"request": {"method": "DELETE", "url": "Patient/1"},
     "resource": {"resourceType": "Encounter", "class": [{"code": "AMB"}]}}, {"fullUrl": "urn:uuid:1"}]},
    {"resourceType": "Appointment", "participant": [{"actor": {"reference": "#x"}, "modifierExtension": [{"url": "u"}]}]},
    {"resourceType": "QuestionnaireResponse", "item": [{"item": [{"item": [{"answer": [{"valueBoolean": True}]}]}]}]},
    {"resourceType": "\u00e9\ud83d\ude00", "name": {"given": [None, [None]]}, "contained": [{"resourceType": "Resource"}]},
)  # fmt: skip


def mutated(data: bytes, rng: random.Random, most: int) -> bytes:
    """Pieces of JSON moved, doubled, cut and replaced by words; keys and values are what the claims go by."""
    for _ in range(rng.randint(1, 4)):
        cuts = [found.start() for found in _JOINT.finditer(data)] or [0]
        one, other = sorted((rng.choice(cuts), rng.choice(cuts)))
        match rng.randrange(5):
            case 0:
                data = data[:one] + data[other:]
            case 1:
                data = data[:other] + data[one:]
            case 2:
                data = data[:one] + rng.choice(_WORDS) + data[other if other - one < 30 else one :]
            case 3:
                data = data[:one] + bytes((rng.randrange(256),)) + data[one + 1 :]
            case _:
                data = bytes((rng.randrange(4),)) + data[1:]
    return data[:most]


_JOINT = re.compile(rb'[{}\[\],:"]')
_WORDS = (
    b"null", b"true", b"-0", b"1e308", b"1E+400", b"9" * 40, b"0.1", b'""', b"[]", b"{}", b"[" * 60, b'{"a":' * 60, b"NaN", b"\\ud800",
    b"\\u0000", b'"\\ud83d\\ude00"', b'"2026-02-30"', b'"2026-02-28T08:00:00+14:00"', b'"0000"', b'"id":"1",', b'"id":"1","id":"1",',
    b'"resourceType":"Patient",', b'"extension":[{"url":"http://example.org/spoken"}],', b'"_birthDate":{"extension":{}},', b"\xff",
    b'"modifierExtension":[{}],', b'"name":[{"period":{"end":"2020"}}],', b'"reference":"#"', b'"contained":[{"id":"o1"},5,[[]]],',
)  # fmt: skip
