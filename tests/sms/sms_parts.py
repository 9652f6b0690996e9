"""A provider of our own on a real socket: it accepts, lists, opts out, calls back, and fails on request.

It keeps what it accepted, as a provider does, so that a message sent twice is seen here and nowhere else. Its
signatures are made by Twilio's own library.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from twilio.request_validator import RequestValidator

from connectors.channels.sms import SmsChannel
from gateway.model.comingback import Receipt, Reply
from gateway.model.consent import ChannelKind
from gateway.model.errors import CaregateError
from gateway.model.party import ContactPoint, ContactSystem
from gateway.ports import Envelope, Route, SetClock, content_digest

NOW = 1_772_566_200_000  # 2026-03-03T19:30Z
ACCOUNT, TOKEN = "AC0123456789abcdef0123456789abcdef", "tok-5f3a9c7b21d84e60b1a7"
OURS = "+13125550100"
MARISOL = "+13122012345"
WORDS = "Zyxxel-Quarrelmonger"  # what a provider says, and a patient writes, must never be repeated
TEXT = f"Lakeside: your visit is Tuesday, 10:00. {WORDS} Reply STOP to end."


def envelope(**changes: Any) -> Envelope:
    """A reminder to Marisol, with what the test changes; the digest is right unless told."""
    told: dict[str, Any] = {
        "communication": 7,
        "channel": ChannelKind.SMS,
        "to": to(MARISOL),
        "sender_name": "Lakeside Health",
        "sender_address": "no-reply@lakeside.example",
        "message_id": "<7.1@lakeside.example>",
        "subject": "",
        "text": TEXT,
        "language": "en-US",
        **changes,
    }
    told.setdefault("digest", content_digest(told["subject"], told["text"], None))
    return Envelope(**told)


def to(number: str) -> ContactPoint:
    """A number known to be a mobile's."""
    return ContactPoint(system=ContactSystem.SMS, value=number)


def options(port: int, **changes: Any) -> dict[str, Any]:
    """A channel's section that leads to a provider on loopback."""
    told = {
        "account": ACCOUNT,
        "auth_token": TOKEN,
        "sender": OURS,
        "base_url": f"http://127.0.0.1:{port}",
        "public_url": "https://gateway.lakeside.example",
        "timeout": 3,
        **changes,
    }
    return {key: value for key, value in told.items() if value is not None}


@contextmanager
def channel(port: int, clock: SetClock | None = None, **changes: Any) -> Iterator[SmsChannel]:
    """A channel to a provider on loopback; closed at the end."""
    made = SmsChannel("sms", options(port, **changes), clock or SetClock(NOW))
    try:
        yield made
    finally:
        made.close()


def logged(captured: Any) -> list[dict[str, Any]]:
    """Our own log lines of the test, as they left the house."""
    return [json.loads(line) for line in captured.readouterr().err.splitlines() if line.startswith("{")]


# ---------------------------------------------------------------- what the gateway does with what comes back


class Box:
    """`ports.Inbox` in memory: idempotent by event, and away when it is told to be."""

    def __init__(self) -> None:
        self.receipts: dict[str, Receipt] = {}
        self.replies: dict[str, Reply] = {}
        self.calls = 0
        self.fails: CaregateError | Exception | None = None
        self.foreign = False

    def receipt(self, receipt: Receipt) -> bool:
        """Keep one."""
        self._called()
        self.receipts.setdefault(receipt.event, receipt)
        return not self.foreign

    def reply(self, reply: Reply) -> None:
        """Keep one."""
        self._called()
        self.replies.setdefault(reply.event, reply)

    def _called(self) -> None:
        self.calls += 1
        if self.fails is not None:
            raise self.fails


# ---------------------------------------------------------------- the provider


@dataclass
class Failure:
    """What the provider does with one request instead of accepting it.

    `status`, `code`: answers so. `accepts`: takes the message nevertheless. `hangs`: seconds of silence before.
    `drops`: hangs up without a word.
    """

    status: int = 201
    code: int | None = None
    accepts: bool = False
    hangs: float = 0
    drops: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass
class Provider:
    """The provider's state.

    `stored`: the messages it took from us, oldest first; `written`: those to us; `asked`: every request's form;
    `suppressed`: which sender may write to whom no more, as its consent API was told.
    """

    now: Callable[[], int] = lambda: NOW
    stored: list[dict[str, Any]] = field(default_factory=list)
    written: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    suppressed: list[tuple[str, str]] = field(default_factory=list)
    item_code: int = 0  # what its consent API answers for an item
    failures: deque[Failure] = field(default_factory=deque)
    opted_out: set[tuple[str, str]] = field(default_factory=set)
    senders: set[str] = field(default_factory=lambda: {OURS})
    page: int = 50
    lookups: int = 0
    listed: dict[str, Any] | None = None  # what a list is, whatever is asked
    port: int = 0

    def will(self, *failures: Failure) -> None:
        """Script the next requests."""
        self.failures.extend(failures)

    def accept(self, form: dict[str, str]) -> dict[str, Any]:
        """Store a message and return it as the API shows it."""
        number = len(self.stored) + 1
        message = {
            "sid": f"SM{number:032x}",
            "account_sid": ACCOUNT,
            "to": form["To"],
            "from": form.get("From") or OURS,
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "body": form["Body"],
            "status": "queued",
            "direction": "outbound-api",
            "date_created": _date(self.now()),
            "date_sent": None,
            "error_code": None,
            "callback": form.get("StatusCallback", ""),
        }
        self.stored.append(message)
        return message

    def refusal(self, form: dict[str, str]) -> int | None:
        """The error code for a message that is not taken."""
        if not form.get("To"):
            return 21201
        sender = form.get("MessagingServiceSid") or form.get("From", "")
        if sender not in self.senders:
            return 21606
        return 21610 if (form["To"], sender) in self.opted_out else None

    # -- webhooks

    def call_back(
        self, message: dict[str, Any], status: str, *, code: int | None = None, port: int, form: Any = None
    ) -> int:
        """Tell the status of a message; `port` is where the gateway listens. Returns the answer's status."""
        message["status"] = status
        told = {
            "MessageSid": message["sid"],
            "SmsSid": message["sid"],
            "AccountSid": ACCOUNT,
            "From": message["from"],
            "To": message["to"],
            "MessageStatus": status,
            "SmsStatus": status,
            **({"ErrorCode": str(code)} if code else {}),
            **(form or {}),
        }
        return signed_post(message["callback"], told, port=port)

    def keep(self, sender: str, text: str, *, sid: str = "", to: str = OURS) -> dict[str, Any]:
        """A message to us as the API lists it; its webhook may never have come."""
        if text.strip().upper() == "STOP":
            self.opted_out.add((sender, to))
        at = _date(self.now())
        message = {
            "sid": sid or f"SM{len(self.stored) + len(self.written):030x}ff",
            "to": to,
            "from": sender,
            "body": text,
            "status": "received",
            "direction": "inbound",
            "date_created": at,
            "date_sent": at,
        }
        self.written.append(message)
        return message

    def upsert(self, form: dict[str, str]) -> dict[str, Any]:
        """Consent Management API: an opt-out for one sender."""
        item = json.loads(form["Items"])
        assert set(item) <= {"contact_id", "correlation_id", "sender_id", "status", "source", "date_of_consent"}
        assert (item["status"], len(item["correlation_id"])) == ("opt-out", 32)
        if not self.item_code:
            self.suppressed.append((item["contact_id"], item["sender_id"]))
            self.opted_out.add((item["contact_id"], item["sender_id"]))
        messages = ["INVALID_CONTACT_ID"] if self.item_code else []
        result = {"correlation_id": item["correlation_id"], "error_code": self.item_code, "error_messages": messages}
        return {"items": [result]}

    def write(self, sender: str, text: str, *, url: str, port: int, sid: str = "", **more: str) -> int:
        """A person writes to our number; STOP is kept by the provider too."""
        kept = self.keep(sender, text, sid=sid)
        if (sender, OURS) in self.opted_out and text.strip().upper() == "STOP":
            more.setdefault("OptOutType", "STOP")
        told = {
            "MessageSid": kept["sid"],
            "AccountSid": ACCOUNT,
            "From": sender,
            "To": OURS,
            "Body": text,
            "NumMedia": "0",
            **more,
        }
        return signed_post(url, told, port=port)


def sign(url: str, form: Any = None, *, token: str = TOKEN) -> str:
    """By the provider's own library."""
    return RequestValidator(token).compute_signature(url, form or {})


def signed_post(url: str, form: dict[str, str], *, port: int, token: str = TOKEN) -> int:
    """POST a form to the gateway as the provider does: signed for the public URL, carried to 127.0.0.1:`port`."""
    return post(url, urlencode(form).encode(), {"X-Twilio-Signature": sign(url, form, token=token)}, port=port)[0]


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def post(url: str, body: bytes, headers: dict[str, str], *, port: int, method: str = "POST") -> tuple[int, bytes]:
    """Status and body of the answer."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    connection = HTTPConnection("127.0.0.1", port, timeout=15)
    told = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    try:
        connection.request(method, target, body, told)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def provider(**changes: Any) -> Iterator[Provider]:
    """A provider that listens on a free loopback port."""
    state = Provider(**changes)
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _date(at: int) -> str:
    """Millis as the API shows them: RFC 2822 with +0000."""
    return formatdate(at / 1000).replace("-0000", "+0000")


def _day(message: dict[str, Any]) -> str:
    """Of a listed message, YYYY-MM-DD in GMT; what waits unsent, or tells no time, is always listed."""
    told = message.get("date_sent")
    return parsedate_to_datetime(told).strftime("%Y-%m-%d") if told else "9999"


class _Handler(BaseHTTPRequestHandler):
    state: Provider
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # half a request is none
            self.close_connection = True
            return
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        state = self.state
        state.asked.append(form)
        if not self._known():
            return
        failure = state.failures.popleft() if state.failures else None
        if failure is None and self.path == "/v1/Consents/Bulk":
            self._tell(201, state.upsert(form))
            return
        if failure is None:
            code = state.refusal(form)
            self._error(400, code) if code else self._tell(201, state.accept(form))
            return
        message = state.accept(form) if failure.accepts else {}
        time.sleep(failure.hangs)
        if failure.drops:
            self.close_connection = True
        elif failure.raw is not None:
            self._write(failure.status, failure.raw, failure.headers)
        elif failure.code or failure.status >= 300:
            self._error(failure.status, failure.code, failure.headers)
        else:
            self._tell(failure.status, message)

    def do_GET(self) -> None:
        if not self._known():
            return
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        self.state.lookups += 1
        failure = self.state.failures.popleft() if self.state.failures else None
        if failure is not None:
            time.sleep(failure.hangs)
            self._error(failure.status, failure.code)
            return
        if self.state.listed is not None:
            self._tell(200, self.state.listed)
            return
        one = next((each for each in self.state.stored if parts.path.endswith(f"/{each['sid']}.json")), None)
        if one is not None:
            self._tell(200, one)
            return
        day = query.get("DateSent>", "")
        found = [
            each
            for each in reversed(self.state.stored + self.state.written)
            if each["to"] == query.get("To", each["to"]) and _day(each) >= day
        ]
        start = int(query.get("Page", "0")) * self.state.page
        more = start + self.state.page < len(found)
        kept = {key: told for key, told in query.items() if key != "Page"}
        following = f"{parts.path}?{urlencode({**kept, 'Page': start // self.state.page + 1})}"
        self._tell(
            200,
            {
                "messages": found[start : start + self.state.page],
                "next_page_uri": following if more else None,
                "page": 0,
            },
        )

    def _known(self) -> bool:
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
        if self.headers["Authorization"] == expected:
            return True
        self._error(401, 20003)
        return False

    def _error(self, status: int, code: int | None, headers: dict[str, str] | None = None) -> None:
        told = {"code": code, "message": f"{WORDS} {MARISOL} is wrong", "status": status}
        self._tell(status, told, headers)

    def _tell(self, status: int, told: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._write(status, json.dumps(told).encode(), headers or {})

    def _write(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        try:
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # who asked has given up
            self.close_connection = True


# ---------------------------------------------------------------- the gateway's server


@contextmanager
def mounted(routes: list[Route], *, at: int = 0) -> Iterator[int]:
    """Routes on a real HTTP server of the gateway's kind; yields its port."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Route as Mounted

    class App:
        def __init__(self, application: Any) -> None:
            self.application = application

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.application(scope, receive, send)

    # a class's instance is mounted as an ASGI application, whatever the method
    app = Starlette(routes=[Mounted(one.path, App(one.application)) for one in routes])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=at, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
