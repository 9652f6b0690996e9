"""A little internet on loopback: a DNS server with made-up zones, an HTTPS server with policies, servers for recipients' mail."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from aiosmtpd.controller import Controller
from email_parts import Authority, Post, free_port

Zone = dict[tuple[str, str], list[str]]


@contextmanager
def names(zone: Zone) -> Iterator[str]:
    """A DNS server over UDP that answers from `zone` as it is at that moment; yields "127.0.0.1#port".

    A name that is not in the zone does not exist; the value ["SERVFAIL"] is what it says.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.1)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                raw, peer = sock.recvfrom(4096)
            except TimeoutError:
                continue
            sock.sendto(_answer(zone, dns.message.from_wire(raw)).to_wire(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1#{sock.getsockname()[1]}"
    finally:
        over.set()
        thread.join(5)
        sock.close()


def _answer(zone: Zone, query: dns.message.Message) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    kind = dns.rdatatype.to_text(question.rdtype)
    told = zone.get((name, kind))
    if told == ["SERVFAIL"]:
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif told:
        answer.answer.append(dns.rrset.from_text_list(question.name, 1, "IN", kind, told))
    elif not any(known == name for known, _ in zone):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer


@dataclass
class Site:
    """What an HTTPS server says at the one path; `asked` counts."""

    body: bytes = b""
    status: int = 200
    kind: str = "text/plain"
    asked: int = 0
    headers: dict[str, str] = field(default_factory=dict)


@contextmanager
def https(site: Site, context: ssl.SSLContext) -> Iterator[int]:
    """A web server on 127.0.0.1; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked += 1
            self.send_response(site.status if self.path == "/.well-known/mta-sts.txt" else 404)
            self.send_header("Content-Type", site.kind)
            for name, value in site.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(site.body)

        def log_message(self, *args: Any) -> None:
            return

    class Server(HTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            return

        def get_request(self) -> Any:
            sock, peer = self.socket.accept()
            sock.settimeout(5)
            return context.wrap_socket(sock, server_side=True), peer

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def exchanges(servers: Mapping[str, Callable[[], dict[str, Any]]], posts: Mapping[str, Post]) -> Iterator[int]:
    """SMTP servers on loopback addresses of their own ("127.0.0.2" …), all at one port, which is yielded."""
    port = free_port()
    with ExitStack() as stack:
        for address, options in servers.items():
            controller = Controller(posts[address], hostname=address, port=port, ready_timeout=10, **options())
            controller.start()
            stack.callback(controller.stop)
        yield port


GUISES = ("no-starttls", "refusing", "old-tls", "self-signed", "wrong-name", "expired", "good")


class Refusing(Post):
    """Offers STARTTLS and then says 454."""


@contextmanager
def guise(name: str, ca: Authority, host: str, address: str, port: int, post: Post) -> Iterator[None]:
    """One of the seven SMTP servers of EM-03, calling itself `host`. Raises ssl.SSLError where OpenSSL cannot play it."""
    context: ssl.SSLContext | None = None
    match name:
        case "good" | "refusing":
            context = ca.server([host])
        case "self-signed":
            context = ca.server([host], self_signed=True)
        case "wrong-name":
            context = ca.server(["other.example"])
        case "expired":
            context = ca.server([host], days=(-10, -1))
        case "old-tls":
            context = old_tls(ca, host)
    controller = _Controller(
        post, refuses=name == "refusing", hostname=address, port=port, tls_context=context, ready_timeout=10
    )
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def old_tls(ca: Authority, host: str) -> ssl.SSLContext:
    """TLS 1.0 and nothing newer."""
    import warnings

    context = ca.server([host])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


class _Controller(Controller):
    def __init__(self, *args: Any, refuses: bool, **options: Any) -> None:
        self._refuses = refuses
        super().__init__(*args, **options)

    def factory(self) -> Any:
        made = super().factory()
        if self._refuses:

            async def refuse(arg: str) -> None:
                await made.push("454 4.7.0 TLS not available due to temporary reason")

            made.smtp_STARTTLS = refuse
            made._smtp_methods["STARTTLS"] = refuse
        return made
