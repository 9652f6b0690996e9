"""Facts as sealed bytes and back; what goes in comes out equal, typed by the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from gateway.model.facts import UNMAPPED, VOCABULARY, FactType, FactValue
from gateway.model.when import When

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(dict[str, str | int | bool]).decode


def _packed(value: FactValue) -> str | int | bool:
    if isinstance(value, When):
        return value.pack()
    if isinstance(value, date):
        return value.isoformat()
    return value


def pack(facts: Mapping[str, FactValue]) -> bytes:
    """Facts as deterministic JSON bytes: equal facts give equal bytes."""
    return _encode({name: _packed(value) for name, value in facts.items()})


def unpack(blob: bytes) -> dict[str, FactValue]:
    """Inverse of `pack`; a fact that left the vocabulary is dropped."""
    facts: dict[str, FactValue] = {}
    for name, value in _decode(blob).items():
        fact = VOCABULARY.get(name)
        if fact is None:
            continue
        if fact.type is FactType.DATETIME and value != UNMAPPED:
            facts[name] = When.unpack(str(value))
        elif fact.type is FactType.DATE and value != UNMAPPED:
            facts[name] = date.fromisoformat(str(value))
        else:
            facts[name] = value
    return facts


def material(facts: Mapping[str, FactValue], names: Iterable[str]) -> bytes:
    """The bytes whose keyed digest tells whether a send would say or time something new.

    Facts of the person (patient.*) are left out: a corrected spelling is no reason to remind twice.
    """
    return pack({name: facts[name] for name in names if name in facts and not name.startswith("patient.")})
