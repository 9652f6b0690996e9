"""What restricts a Bundle restricts everything in it: its security labels become those of its entries (PV-01).

R4 security-labels.html: the labels of a Bundle are a high-water mark. Those that restrict nothing are not handed down:
an entry that tells no label of its own must not lift what holds its patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.fhirjson import read_object
from gateway.model.errors import Unreadable

Resource = Mapping[str, Any]
_OPEN = frozenset({"U", "L", "M", "N"})  # v3-Confidentiality: unrestricted, low, moderate, normal
_encode = msgspec.json.Encoder(decimal_format="number").encode


def labels_of(meta: object) -> list[Any]:
    """The labels of a Bundle (its `meta`) that its entries have as well; one that is no list is a label."""
    told = meta.get("security") if isinstance(meta, Mapping) else None
    every = told if isinstance(told, list) else [] if told is None else [told]
    return [one for one in every if not (isinstance(one, Mapping) and one.get("code") in _OPEN)]


def labelled(resource: Resource, labels: Sequence[Any]) -> Resource:
    """A resource with these labels beside its own; one whose meta is none is refused as it is."""
    meta = resource.get("meta", {})
    own = meta.get("security", []) if isinstance(meta, Mapping) else None
    if not labels or not isinstance(own, list):
        return resource
    return {**resource, "meta": {**meta, "security": [*own, *(one for one in labels if one not in own)]}}


def labelled_body(body: bytes, labels: Sequence[Any]) -> bytes:
    """The same of its bytes, written compactly; what two readers would read differently stays as it is, and is refused."""
    if not labels:
        return body
    try:
        return _encode(labelled(read_object(body), labels))
    except Unreadable:
        return body
