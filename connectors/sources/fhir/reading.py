"""One request becomes one notice, whatever server it is from: the dialect is told by method, path, headers and body (V-01)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from connectors.sources.exchange import Request
from connectors.sources.fhir.bundles import notice_of
from connectors.sources.fhir.clouds import Dialect, granted, pushed
from connectors.sources.fhir.notices import (
    BYTE_ORDER_MARK,
    Change,
    Kind,
    Notice,
    Reference,
    instant,
    named,
    reference_of,
    subscription_of,
)
from gateway.fhirfile import deletion
from gateway.fhirjson import MOST_DEPTH, parse
from gateway.model.errors import Unreadable
from gateway.model.event import AckCode, Fault, Place
from gateway.model.when import Millis

_BLANK = b" \t\r\n"
_PROCESS = "$process-message"


class _Head(msgspec.Struct):
    resourceType: str = ""  # noqa: N815  # FHIR's own name
    id: str = ""


_head = msgspec.json.Decoder(_Head).decode


@dataclass(frozen=True, slots=True)
class Path:
    """What stands behind the source's own path. `hook`: a subscription's; `reference`: HAPI's `{Type}/{id}` (S-07).

    `messages`: it is `$process-message`, which is answered by a message (M-03).
    """

    hook: str = ""
    reference: str = ""
    messages: bool = False


_OWN = Path()


def path_of(path: str, own: str) -> Path | None:
    """`{own}`, `{own}/{hook}`, `{own}/{Type}/{id}`, `{own}/{hook}/{Type}/{id}`, `{own}/$process-message`; None for others."""
    if path == own:
        return _OWN
    parts = [one for one in path[len(own) :].split("/") if one]
    if parts == [_PROCESS]:
        return Path(messages=True)
    hook = parts.pop(0) if len(parts) in (1, 3) else ""
    reference = "/".join(parts)
    if hook and subscription_of(hook) != hook:
        return None
    return Path(hook, reference) if not reference or isinstance(reference_of(reference, ()), Reference) else None


def read(
    request: Request,
    path: Path,
    body: bytes,
    bases: Sequence[str],
    *,
    at: Millis,
    dialect: Dialect = Dialect.FHIR,
    bare: bool = False,
) -> Notice:
    """The notice. `bases`: what the server calls itself; `at`: its receipt. Raises Unreadable.

    `bare`: only the body is proven to be the server's. A deletion told by path or header is looked up then, where there
    is a server: a signature seen once must not delete whatever somebody writes beside it.
    """
    if dialect is not Dialect.FHIR:
        return _named(pushed(body) if dialect is Dialect.PUBSUB else granted(body, bases), path.hook)
    subscription = path.hook or subscription_of(_told(request, b"x-medplum-subscription"))
    if request.method == "DELETE" or request.all(b"x-medplum-deleted-resource"):
        return _deleted(request, path, subscription, at, ask=bare and bool(bases))
    body = body.removeprefix(BYTE_ORDER_MARK).strip(_BLANK)
    if not body:
        return Notice(kind=Kind.PLAIN, subscription=subscription, asks=True)
    head = _headed(body)
    if head.resourceType == "Bundle":
        return _named(notice_of(body, bases, at=instant(at)), subscription)
    return Notice(kind=Kind.PLAIN, subscription=subscription, changes=(_alone(head, path, body),))


def _alone(head: _Head, path: Path, body: bytes) -> Change:
    """The resource itself (S-07)."""
    own = named(head.resourceType, head.id)
    reference = own.literal if own is not None else ""
    if path.reference and path.reference != reference:
        raise Unreadable(Fault(code=102, rule="the path names another resource", place=Place("id")), AckCode.AE)
    if body.count(b"{") + body.count(b"[") > MOST_DEPTH:
        parse(body)  # it may be nested too deep
    return Change(reference=reference, body=msgspec.json.format(body, indent=-1))


def _deleted(request: Request, path: Path, subscription: str, at: Millis, *, ask: bool) -> Notice:
    told = path.reference or _told(request, b"x-medplum-deleted-resource")
    reference = reference_of(told, ())
    if not isinstance(reference, Reference):
        raise Unreadable(Fault(code=101, rule="what was deleted is not told"), AckCode.AE)
    body = None if ask else deletion(reference.literal, at=instant(at))
    change = Change(reference=reference.literal, body=body)
    return Notice(kind=Kind.PLAIN, subscription=subscription, changes=(change,))


def _headed(body: bytes) -> _Head:
    """Type and id, found without making anything of the rest."""
    try:
        head = _head(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        head = _Head()
    if not head.resourceType:
        parse(body)  # says what is wrong
        raise Unreadable(Fault(code=100, rule="it is no resource", place=Place("id")), AckCode.AE)
    return head


def _named(notice: Notice, subscription: str) -> Notice:
    """By the path that is a subscription's own where there is one: what it is called stays when it is made anew."""
    return replace(notice, subscription=subscription) if subscription else notice


def _told(request: Request, header: bytes) -> str:
    told = request.all(header)
    return told[0].decode("latin-1") if len(told) == 1 else ""
