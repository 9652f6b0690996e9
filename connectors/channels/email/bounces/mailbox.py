"""Fetches what came back from a mailbox, over verified TLS; a message leaves it only after the inbox has committed (law 1)."""

from __future__ import annotations

import imaplib
import re
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

from connectors.channels.email.bounces.options import MailboxOptions
from connectors.channels.email.bounces.reading import Reading, Taken
from gateway.model.errors import ConfigError, StoreError, Unavailable
from gateway.model.when import DAY, Millis
from gateway.telemetry import log

_AT_ONCE = 200  # messages of one look
_SIZE = re.compile(rb"RFC822\.SIZE (\d{1,12})")


class Mailbox:
    """Looks every `interval` seconds from `start` to `stop`. Raises ConfigError when `ca_file` cannot be read."""

    def __init__(self, place: str, options: MailboxOptions, reading: Reading) -> None:
        self._options = options
        self._reading = reading
        self._context = _context(place, options)
        self._enough = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="bounces", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the message in hand; never raises."""
        self._enough.set()
        if self._thread is not None:
            self._thread.join(timeout=self._options.timeout)

    def look(self) -> int:
        """Take what is new; how many messages were read. Raises Unavailable, in words of its own, and StoreError."""
        return self._inside(self._looked)

    def look_again(self, since: Millis) -> int:
        """Tell again what is still there since then, seen or not, and leave it as it is; how many were ours. As `look`."""
        return self._inside(lambda box: self._looked_again(box, since))

    def _inside(self, act: Callable[[imaplib.IMAP4], int]) -> int:
        try:
            box = imaplib.IMAP4_SSL(
                self._options.host, self._options.port, ssl_context=self._context, timeout=self._options.timeout
            )
        except (OSError, imaplib.IMAP4.error):
            raise Unavailable("bounces: the mailbox cannot be reached inside verified TLS") from None
        try:
            box.login(self._options.username, self._options.password.get_secret_value())
            if box.select(f'"{self._options.folder}"')[0] != "OK":
                raise Unavailable("bounces: the mailbox has no such folder")
            return act(box)
        except (OSError, imaplib.IMAP4.error, ValueError, IndexError):  # imaplib's texts quote the server
            raise Unavailable("bounces: the mailbox did not let us in or broke off") from None
        finally:
            with suppress(OSError, imaplib.IMAP4.error):
                box.logout()
            with suppress(OSError, imaplib.IMAP4.error):
                box.shutdown()  # which a failed logout leaves out

    def _looked(self, box: imaplib.IMAP4) -> int:
        _, found = box.uid("SEARCH", "UNSEEN")
        waiting = (found[0] or b"").split()[:_AT_ONCE]
        for uid in waiting:
            if self._enough.is_set():
                break
            self._take(box, uid.decode("ascii"))
        return len(waiting)

    def _looked_again(self, box: imaplib.IMAP4, since: Millis) -> int:
        # RFC 3501 §6.4.4: SINCE knows days only, and disregards zones
        day = imaplib.Time2Internaldate((since - DAY) / 1000)[1:12].strip()
        _, found = box.uid("SEARCH", "SINCE", day)
        told = 0
        for uid in (found[0] or b"").split():
            raw = self._fetched(box, uid.decode("ascii"))
            told += raw is not None and self._reading.take(raw, (), most=self._options.max_size) is Taken.TOLD
        return told

    def _take(self, box: imaplib.IMAP4, uid: str) -> None:
        """One message: what is told is removed; what is none of ours stays, seen, for whoever looks after the mailbox."""
        raw = self._fetched(box, uid)
        taken = Taken.NO_REPORT if raw is None else self._reading.take(raw, (), most=self._options.max_size)
        box.uid("STORE", uid, "+FLAGS.SILENT", r"(\Seen)")
        if taken is Taken.TOLD and not self._options.keep:
            box.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
            if "UIDPLUS" in box.capabilities:  # else what others have marked would go with it (RFC 4315)
                box.uid("EXPUNGE", uid)

    def _fetched(self, box: imaplib.IMAP4, uid: str) -> bytes | None:
        """The bytes, unless there are too many of them."""
        _, told = box.uid("FETCH", uid, "(RFC822.SIZE)")
        size = _SIZE.search(b" ".join(part if isinstance(part, bytes) else b" ".join(part) for part in told if part))
        if size is None or int(size[1]) > self._options.max_size:
            return None
        _, told = box.uid("FETCH", uid, "(BODY.PEEK[])")
        return next((bytes(part[1]) for part in told if isinstance(part, tuple)), None)

    def _run(self) -> None:
        reached = True
        while not self._enough.is_set():
            try:
                self.look()
                if not reached:
                    log().info("bounces.mailbox-reached")
                reached = True
            except (Unavailable, StoreError) as error:
                if reached:
                    log().warning("bounces.mailbox-unreachable", error=type(error).__name__)
                reached = False
            except Exception as error:  # noqa: BLE001  # the thread must outlive what nobody thought of
                log().error("bounces.crashed", error=type(error).__name__, exc_info=True)
            self._enough.wait(self._options.interval)


def _context(place: str, options: MailboxOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
    except (OSError, ssl.SSLError):
        raise ConfigError(f"{place}.ca_file: is not a file of PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
