"""A mailbox by hand: as much of IMAP4rev1 (RFC 3501) with UIDPLUS as a reader of bounces needs, inside TLS."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LITERAL = re.compile(rb"\{(\d+)\}$")


@dataclass
class Box:
    """Messages by UID, and the flags of each; `drops`: hang up at this command."""

    messages: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    drops: str = ""
    password: str = "sesame of the mailbox"
    fetched: list[int] = field(default_factory=list)
    logins: int = 0
    since: str = ""  # the day that was asked for last

    def put(self, raw: bytes) -> int:
        """A new message."""
        uid = max(self.flags, default=0) + 1
        self.messages[uid], self.flags[uid] = raw, set()
        return uid


@contextmanager
def imap(box: Box, context: ssl.SSLContext) -> Iterator[int]:
    """An IMAP server on loopback; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=_serve, args=(box, sock, context), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in (acceptor, *threads):
            thread.join(5)


def _serve(box: Box, sock: socket.socket, context: ssl.SSLContext) -> None:
    try:
        with context.wrap_socket(sock, server_side=True) as inside, inside.makefile("rwb") as stream:
            _say(stream, "* OK ready")
            while line := stream.readline():
                tag, _, command = line.decode().strip().partition(" ")
                if box.drops and box.drops in command.upper():
                    return
                if not _answer(box, stream, tag, command):
                    return
    except OSError:
        sock.close()


def _say(stream: object, text: str, raw: bytes = b"") -> None:
    stream.write(text.encode() + raw + b"\r\n")  # type: ignore[attr-defined]
    stream.flush()  # type: ignore[attr-defined]


def _answer(box: Box, stream: object, tag: str, command: str) -> bool:
    verb = command.upper()
    if verb.startswith("CAPABILITY"):
        _say(stream, "* CAPABILITY IMAP4rev1 UIDPLUS")
    elif verb.startswith("LOGIN"):
        box.logins += 1
        if box.password not in command:
            _say(stream, f"{tag} NO [AUTHENTICATIONFAILED] {command}")
            return True
    elif verb.startswith("SELECT"):
        if "INBOX" not in verb:
            _say(stream, f"{tag} NO no such folder")
            return True
        _say(stream, f"* {len(box.messages)} EXISTS")
    elif verb.startswith("UID SEARCH SINCE"):
        box.since = command.rsplit(maxsplit=1)[-1]
        _say(stream, "* SEARCH " + " ".join(map(str, box.messages)))
    elif verb.startswith("UID SEARCH"):
        _say(stream, "* SEARCH " + " ".join(str(uid) for uid in box.messages if r"\Seen" not in box.flags[uid]))
    elif verb.startswith("UID FETCH"):
        uid = int(command.split()[2])
        if "RFC822.SIZE" in verb:
            _say(stream, f"* 1 FETCH (UID {uid} RFC822.SIZE {len(box.messages[uid])})")
        else:
            box.fetched.append(uid)
            _say(stream, f"* 1 FETCH (UID {uid} BODY[] {{{len(box.messages[uid])}}}\r\n", box.messages[uid] + b")")
    elif verb.startswith("UID STORE"):
        box.flags[int(command.split()[2])] |= set(re.findall(r"\\\w+", command))
    elif verb.startswith("UID EXPUNGE"):
        uid = int(command.split()[2])
        if r"\Deleted" in box.flags[uid]:
            del box.messages[uid]
    elif verb.startswith("LOGOUT"):
        _say(stream, "* BYE")
        _say(stream, f"{tag} OK")
        return False
    _say(stream, f"{tag} OK done")
    return True
