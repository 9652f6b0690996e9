"""A resource of ours is made at the server at most once, by its identifier, and brought to what is so now (W-03)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import httpx
import msgspec

from gateway.model.errors import Unusable

_LOCATED = re.compile(r"(?:.*/)?(?P<type>[A-Z][A-Za-z]{0,63})/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")  # R4 datatypes.html#id
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Reply(Protocol):
    """An answer of 2xx; `headers` in lower case."""

    @property
    def status(self) -> int:
        """Of HTTP."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """As they came."""
        ...

    @property
    def resource(self) -> Mapping[str, Any] | None:
        """What its body holds."""
        ...


class Base(Protocol):
    """The server's URL."""

    def at(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> httpx.URL:
        """What is below it."""
        ...


class Asks(Protocol):
    """What is needed of `client.FhirServer`; every call blocks, and raises ServerError."""

    @property
    def base(self) -> Base:
        """Its URL."""
        ...

    def ask(
        self,
        method: str,
        url: httpx.URL,
        *,
        resource: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One exchange."""
        ...


class Writing:
    """`ports.WritesBack.write` at one server; thread-safe as its client is."""

    def __init__(self, server: Asks) -> None:
        self._server = server

    def write(self, resource: bytes, *, identifier: str, id: str | None) -> str:  # noqa: A002 -- FHIR's own name
        """As the port says (R4 http.html#ccreate, http.html#update). Raises ServerError."""
        told = _decode(resource)
        if id is not None:
            return self._update(told, id)
        made = self._server.ask(
            "POST",
            self._server.base.at(told["resourceType"]),
            resource=told,
            headers={"If-None-Exist": f"identifier={identifier}", "Prefer": "return=representation"},
        )
        found = _id_in(made, told["resourceType"]) or self._searched(told["resourceType"], identifier)
        return found if made.status == 201 else self._update(told, found)

    def _update(self, told: Mapping[str, Any], id_: str) -> str:
        self._server.ask("PUT", self._server.base.at(f"{told['resourceType']}/{id_}"), resource={**told, "id": id_})
        return id_

    def _searched(self, type_: str, identifier: str) -> str:
        """Of a server that does not say which one it has."""
        reply = self._server.ask("GET", self._server.base.at(type_, (("identifier", identifier),)))
        entries = (reply.resource or {}).get("entry")
        found = [one.get("resource") for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
        ids = [one["id"] for one in found if isinstance(one, dict) and one.get("resourceType") == type_ and _is_id(one)]
        if len(ids) != 1:
            raise Unusable("the server does not say which resource it made", reply.status)
        return str(ids[0])


def _id_in(reply: Reply, type_: str) -> str | None:
    """The id that an answer tells: in the resource, else in its address (R4 http.html#create)."""
    told = reply.resource or {}
    if told.get("resourceType") == type_ and _is_id(told):
        return str(told["id"])
    for header in ("location", "content-location"):
        match = _LOCATED.fullmatch(reply.headers.get(header, ""))
        if match is not None and match["type"] == type_:
            return match["id"]
    return None


def _is_id(told: Mapping[str, Any]) -> bool:
    id_ = told.get("id")
    return isinstance(id_, str) and _ID.fullmatch(id_) is not None
