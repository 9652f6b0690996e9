"""JSON of a server becomes plain values and back without a digit lost (S-37): decimals stay as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from gateway.fhirjson import read_object
from gateway.model.errors import Unreadable, Unusable

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")

_SUBSETTED = "SUBSETTED"  # R4 search.html#elements

# any escape, so that what follows one of a backslash is none; pairs before halves (RFC 8259 §7)
_ESCAPED = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

Resource = Mapping[str, Any]


def loaded(body: bytes) -> dict[str, Any]:
    """The resource of a body, to look at. Raises Unusable for what is none; msgspec itself bounds its depth.

    Half a character (some servers cut a text in the middle of one) is taken for a lost one: else a single resource would
    keep back a whole page, and so all that follow it. What is made into a message from it must have one meaning as well.
    """
    try:
        found = _decoded(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, ArithmeticError):
        raise Unusable("the server's answer is no JSON") from None
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise Unusable("the server's answer is no FHIR resource")
    return found


def has_one_meaning(body: bytes) -> bool:
    """Whether every reader reads a body alike: written again, a key told twice would look as if it were told once (S-37)."""
    for told in (body, _ESCAPED.sub(_whole_or_lost, body)):
        try:
            read_object(told)
        except Unreadable:
            continue
        return True
    return False


def _decoded(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError:
        mended = _ESCAPED.sub(_whole_or_lost, body)
        if mended == body:
            raise
        return _DECODER.decode(mended)


def _whole_or_lost(found: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if found["half"] else found[0]


def dumped(resource: Resource) -> bytes:
    """Compact JSON, keys in the order received."""
    return _ENCODER.encode(resource)


def text_of(resource: Resource, *path: str) -> str | None:
    """The text at a path of members; None where there is none."""
    found: Any = resource
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None


def members(resource: Resource, name: str) -> Iterator[Resource]:
    """The objects of a list member; what is none of them is passed over."""
    told = resource.get(name)
    for one in told if isinstance(told, list) else ():
        if isinstance(one, Mapping):
            yield one


def link_of(bundle: Resource, relation: str) -> str | None:
    """The URL of a Bundle's link (R4 bundle.html#Bundle.link)."""
    for one in members(bundle, "link"):
        if one.get("relation") == relation:
            return text_of(one, "url")
    return None


def subsetted(resource: Resource) -> bool:
    """Whether the server says that parts are left out (K-10)."""
    meta = resource.get("meta")
    tags = members(meta, "tag") if isinstance(meta, Mapping) else ()
    return any(one.get("code") == _SUBSETTED for one in tags)


def whole(resource: Resource) -> Resource:
    """A resource of which everything was asked for that anybody here reads: what is not in it is not there any more.

    Its mark would have every element that was removed taken for one that was only not told.
    """
    if not subsetted(resource):
        return resource
    meta = dict(resource["meta"])
    meta["tag"] = [one for one in meta["tag"] if not (isinstance(one, Mapping) and one.get("code") == _SUBSETTED)]
    return {**resource, "meta": {name: value for name, value in meta.items() if name != "tag" or value}}
