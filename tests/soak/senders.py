"""The sending systems: connections that send, wait for the acknowledgement and send again, a day's messages at a time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

END = b"\x1c\r"


@dataclass(slots=True)
class Day:
    """What came of one day's messages: acknowledgements by code, and the longest wait for one in seconds."""

    codes: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    longest: float = 0.0
    first_bad: str = ""


class Senders:
    """Opens its connections anew for every day, as links do that are restarted at night."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._connections = connections

    async def send(self, bodies: Iterable[bytes]) -> Day:
        """Send all of them; returns when each was answered."""
        day, left = Day(), deque(bodies)
        await asyncio.gather(*(self._one(left, day) for _ in range(self._connections)))
        return day

    async def _one(self, left: deque[bytes], day: Day) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while left:
                body, began = left.popleft(), time.perf_counter()
                writer.write(b"\x0b%b\x1c\r" % body)
                reply = await reader.readuntil(END)
                day.longest = max(day.longest, time.perf_counter() - began)
                self._note(body, reply, day)
        except (asyncio.IncompleteReadError, ConnectionError):
            day.lost += 1
        finally:
            writer.close()

    @staticmethod
    def _note(body: bytes, reply: bytes, day: Day) -> None:
        at = reply.find(b"\rMSA|")
        code, _, rest = reply[at + 5 :].partition(b"|")
        control = body.split(b"|", 10)[9] if body.startswith(b"MSH") else b""
        word = code.decode() if rest.split(b"\r", 1)[0].split(b"|", 1)[0] == control else "for another message"
        day.codes[word] = day.codes.get(word, 0) + 1
        if word not in ("AA", "AE") and not day.first_bad:
            day.first_bad = reply.decode("latin-1").replace("\r", "\n")
