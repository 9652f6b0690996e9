"""The sending half of MLLP release 2: a block is written again until the other side has committed it, and none beside it (M2-04)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from connectors.sources.mllp.options import MllpOptions

_COMMITTED = b"\x06"
_MOST = 64  # blocks kept for a sender that never commits one


class CommitLine:
    """Our HL7 blocks on one connection, one outstanding at a time; all on the event loop.

    A block that is not committed after `commit_retries` repetitions, each after `commit_timeout` or a 15, is given up
    and told: it is an acknowledgement, which its sender gets again when it repeats the message (D-02).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        write: Callable[[bytes], None],
        tell: Callable[[str], None],
        options: MllpOptions,
    ) -> None:
        self._loop = loop
        self._write = write
        self._tell = tell
        self._timeout = options.commit_timeout
        self._retries = options.commit_retries
        self._blocks: deque[bytes] = deque()
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def send(self, blocks: tuple[bytes, ...]) -> None:
        """Queue framed blocks; the first is written when nothing is outstanding."""
        idle = not self._blocks
        self._blocks.extend(blocks)
        if idle:
            self._start()
        elif len(self._blocks) > _MOST:
            self._give_up()

    def heard(self, byte: bytes) -> bool:
        """06: the next block may go; 15: the same again, or it is given up. False when nothing was outstanding (M2-05)."""
        if not self._blocks:
            return False
        if byte == _COMMITTED:
            self._blocks.popleft()
            self._start()
        else:
            self._again()
        return True

    def close(self) -> None:
        """The connection ends: write what never was, once; wait for nothing."""
        self._stop()
        if self._blocks:
            self._blocks.popleft()
        while self._blocks:
            self._write(self._blocks.popleft())

    def drop(self) -> None:
        """The connection is gone."""
        self._stop()
        self._blocks.clear()

    def _again(self) -> None:
        if self._left == 0:
            self._give_up()
        else:
            self._left -= 1
            self._put()

    def _give_up(self) -> None:
        self._tell("mllp.reply-uncommitted")
        self._blocks.popleft()
        self._start()

    def _start(self) -> None:
        self._stop()
        self._left = self._retries
        if self._blocks:
            self._put()

    def _put(self) -> None:
        self._stop()
        self._write(self._blocks[0])
        self._timer = self._loop.call_later(self._timeout, self._again)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
