"""The provider's webhooks: nothing unsigned is read, nothing is answered 2xx before it is committed (SM-04, law 1)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from connectors.channels.sms.callbacks import code_of, receipt_of, reply_of
from connectors.channels.sms.codes import Meaning, meaning_of
from connectors.channels.sms.options import SmsOptions
from connectors.channels.sms.signature import covers_body, is_signed
from connectors.networks import admits
from gateway.model.errors import CaregateError, ConfigError
from gateway.ports import Clock, Door, Inbox, Route, Routes
from gateway.telemetry import log

LONGEST = 64 << 10  # bytes of a body; the longest message is a tenth of it
WITHIN = 10.0  # seconds for a whole body; the provider gives up after fifteen
_MOST_FIELDS = 200
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'  # we answer by our own requests, never from here

_Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_Act = Callable[["Told", Inbox], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A call whose signature was right: its parameters, and those of its URL."""

    form: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)


class Webhooks:
    """Two paths of one channel. Everything but the inbox happens on the server's event loop."""

    def __init__(
        self,
        name: str,
        options: SmsOptions,
        clock: Clock,
        *,
        known: Callable[[int, str], None],
        stopped: Callable[[str, int], None],
    ) -> None:
        self.name = name
        self._options = options
        self._clock = clock
        self._known = known
        self._stopped = stopped
        self._inbox: Inbox | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._inside = 0
        self._told: dict[str, float] = {}

    @property
    def status_url(self) -> str:
        """Where the provider tells what becomes of a message."""
        return f"{self._options.public_url}/sms/{self.name}/status"

    def hear(self, inbox: Inbox) -> None:
        """Tell `inbox` from now on; before, callers are asked to come again."""
        self._inbox = inbox
        self._workers = self._workers or ThreadPoolExecutor(4, thread_name_prefix="sms-inbox")

    def close(self) -> None:
        """Take nothing new; what is in hand is finished."""
        self._inbox = None
        if self._workers is not None:
            self._workers.shutdown(wait=True)

    def routes(self, door: Door) -> Routes:
        """Both paths. Raises ConfigError where numbers and words of patients would travel in clear."""
        if problem := _unsafe(self._options, door):
            raise ConfigError(f"channels.{self.name}.{problem}")
        return tuple(
            Route(path=f"/sms/{self.name}/{what}", application=self._application(what, act))
            for what, act in (("status", self._status), ("inbound", self._inbound))
        )

    # -- what was told; on a thread of the inbox

    def _status(self, told: Told, inbox: Inbox) -> None:
        receipt = receipt_of(told.form, told.query, self._clock.now())
        if receipt is None:
            self._seldom("sms.status-unread")
            return
        if receipt.communication is not None and receipt.provider_id is not None:
            self._known(receipt.communication, receipt.provider_id)
        code = code_of(told.form)
        if code is not None and meaning_of(code) is Meaning.SENDER:
            self._stopped(told.form.get("MessagingServiceSid") or told.form.get("From", ""), code)
        if not inbox.receipt(receipt):
            self._seldom("sms.status-foreign")

    def _inbound(self, told: Told, inbox: Inbox) -> None:
        reply = reply_of(told.form, self._clock.now())
        if reply is None:
            self._seldom("sms.inbound-unread")
            return
        inbox.reply(reply)

    # -- the call

    def _application(self, what: str, act: _Act) -> Callable[..., Awaitable[None]]:
        url = f"{self._options.public_url}/sms/{self.name}/{what}"

        async def answer(scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
            status = await self._answered(url, act, scope, receive)
            body = _TWIML if status == 200 else b""
            headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/xml")]
            if status == 503:
                headers.append((b"retry-after", b"5"))
            if status != 200:
                headers.append((b"connection", b"close"))  # what is left of the body is not read
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        return answer

    async def _answered(self, url: str, act: _Act, scope: MutableMapping[str, Any], receive: _Receive) -> int:
        told = await self._verified(url, scope, receive)
        if told is None:
            self._seldom("sms.webhook-refused")
            return 403
        # counted from here: else whoever dawdles, unsigned, takes the provider's places
        if self._inside >= self._options.max_waiting:
            self._seldom("sms.webhooks-crowded")
            return 503
        self._inside += 1
        try:
            return await self._committed(act, told)
        finally:
            self._inside -= 1

    async def _verified(self, url: str, scope: MutableMapping[str, Any], receive: _Receive) -> Told | None:
        """What was told by whom we believe; None, and no word why, for everybody else."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        shown = [value for key, value in headers if key == b"x-twilio-signature"]
        media = [value for key, value in headers if key == b"content-type"]
        client = scope.get("client")
        welcome = admits(self._options.allow, str(client[0]) if client else "")
        if scope["method"] != "POST" or len(shown) != 1 or len(media) != 1 or not welcome:
            return None
        body = await _read(receive)
        query = scope.get("query_string", b"").decode("latin-1")
        called = f"{url}?{query}" if query else url
        if body is None:
            return None
        kind = media[0].decode("latin-1").partition(";")[0].strip().lower()
        return self._believed(kind, shown[0].decode("latin-1"), called, query, body)

    def _believed(self, kind: str, shown: str, called: str, query: str, body: bytes) -> Told | None:
        pairs = _form(body) if kind == _FORM else _json(body) if kind == _JSON else None
        if pairs is None:
            return None
        if kind == _JSON and not covers_body(called, body):
            return None
        if not is_signed(shown, self._options.signing, called, pairs if kind == _FORM else ()):
            return None
        return Told(form=dict(pairs), query=dict(parse_qsl(query, keep_blank_values=True)))

    async def _committed(self, act: _Act, told: Told) -> int:
        inbox, workers = self._inbox, self._workers
        if inbox is None or workers is None:
            return 503
        try:
            await asyncio.get_running_loop().run_in_executor(workers, act, told, inbox)
        except (CaregateError, RuntimeError) as error:  # the database is away, or we are stopping: told again later
            self._seldom("sms.webhook-not-stored", error=type(error).__name__)
            return 503
        except Exception as error:  # noqa: BLE001 - a fault of ours must not be answered with its text
            log().error("sms.webhook-crashed", channel="sms", error=type(error).__name__)
            return 500
        return 200

    def _seldom(self, event: str, **fields: object) -> None:
        """At most one line a second of each kind: a flood must not flood the log."""
        now = time.monotonic()
        if now >= self._told.get(event, now):
            self._told[event] = now + 1.0
            log().warning(event, channel="sms", name=self.name, **fields)


async def _read(receive: _Receive) -> bytes | None:
    """The whole body; None when it is too long, too slow, or its sender went away."""
    body = bytearray()
    try:
        async with asyncio.timeout(WITHIN):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if message["type"] != "http.request" or len(body) > LONGEST:
                    return None
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return None


def _form(body: bytes) -> list[tuple[str, str]] | None:
    """A form's pairs as they were sent, unknown ones and empty ones too; None for what is none."""
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )  # fmt: skip
    except ValueError:  # UnicodeDecodeError is one
        return None


def _json(body: bytes) -> list[tuple[str, str]] | None:
    """The texts of a JSON object; None for what is none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return [(name, value) for name, value in told.items() if isinstance(value, str)] if isinstance(told, dict) else None


def _unsafe(options: SmsOptions, door: Door) -> str:
    """What is wrong with serving behind this door, after the option it concerns; nothing if it is right."""
    if options.plaintext and door.tls:
        return "plaintext: the server it is mounted on has `api.tls`: remove one of the two"
    if options.plaintext and not options.allow and not door.loopback:
        return "plaintext: name the addresses of the proxy that ends TLS in `allow`"
    if not (door.loopback or door.tls or options.plaintext):
        return "plaintext: beyond loopback webhooks need `api.tls`; behind a proxy that ends TLS, yes and its address in `allow`"
    if door.certificates and not options.allow:
        return "public_url: the provider shows no certificate that `api.tls.client_ca` signed: put a proxy before it, and name it in `allow`"
    return ""
