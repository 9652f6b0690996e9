"""One soak: days of messages, looks in between, then the verdict."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path
from typing import Any

from gateway import app, settings
from gateway.app import upkeep
from gateway.model.when import DAY, HOUR, Millis
from gateway.ports import SetClock
from tests.bench import proc, site
from tests.bench.known import World
from tests.soak import measuring, verdict
from tests.soak.feed import Months
from tests.soak.mailbox import Mailbox
from tests.soak.senders import Senders

EVERY = 50_000
PLATEAU = 40
"""The day from which on as many messages are forgotten as come: growth is measured from here."""
_WHERE = "  where:\n"  # the old are reminded: a sixth of all, as many as leave between two jumps of the clock
_EXPECTED = "doorbell.lost"  # a day's reminders fall due in one instant; what the queue does not hold is rung again
_LEAVES = 20.0  # seconds, at most, until what is due has left
_SETTLE = 120.0  # seconds for the last rounds to forget what is due


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


class Soak:
    """`messages` over `days` to a copy of the known world (None: to a site that knows nobody); `run` says whether all holds."""

    def __init__(self, world: World | None, folder: Path, *, messages: int, days: int, connections: int) -> None:
        self._world = world
        self._site = folder / "soak"
        self._database = self._site / "caregate.db"
        self._messages = messages
        self._days = days
        self._connections = connections
        self._mailbox = Mailbox()
        self._months = Months()
        self._codes: Counter[str] = Counter()
        self._memory: list[tuple[int, float]] = []
        self._lost = self._largest_wal = 0
        self._longest = 0.0
        self._bad = ""

    async def run(self) -> bool:
        """Play it all."""
        await self._mailbox.open()
        config = self._configured()
        begin = (time.time_ns() // 1_000_000 // DAY + 1) * DAY + 16 * HOUR  # ten in the morning where the patients live
        gateway = await self._started(config, begin)
        try:
            first = measuring.sizes(self._database, 0)
            plateau, now = await self._play(gateway, begin)
            await self._settled(now)
            last, left = measuring.sizes(self._database, sum(self._codes.values())), measuring.kept(self._database, now)
        finally:
            ended = await self._stopped(gateway)
        lines = [self._answered(), verdict.memory(self._memory), verdict.bounded(self._largest_wal)]
        lines += [*verdict.forgotten(left), self._sent(), ended, self._audited(config, now)]
        print(f"\nthe world before: {first.file / 1e6:.0f} MB; at the end {last.file / 1e6:.0f} MB")
        print("\n".join((*verdict.growth(plateau or first, last), "", *map(str, lines))), flush=True)
        return all(line.holds for line in lines)

    def _configured(self) -> Path:
        config = site.make(_made(self._site)) if self._world is None else self._world.copy(self._site)
        text = config.read_text("utf-8")
        assert "port: 9," in text
        text = text.replace("port: 9,", f"port: {self._mailbox.port}, tls: off, relay_enforces_tls: yes,")
        text = text.replace(
            "authority: LAKESIDE}", "authority: LAKESIDE, watch: {holds: no}}"
        )  # its nights last no time
        config.write_text(f"{text}retention: {{bodies: {verdict.BODIES // DAY}d}}\n", "utf-8")
        rule = self._site / "rules" / "appointment-reminder.yaml"
        rule.write_text(
            rule.read_text("utf-8").replace(_WHERE, f"{_WHERE}    patient.age: {{at_least: 80}}\n"), "utf-8"
        )
        return config

    async def _started(self, config: Path, begin: Millis) -> Process:
        command = (sys.executable, "-m", "tests.soak.served", str(config), str(begin))
        log = (self._site / "log.txt").open("w")
        running = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=log)
        log.close()
        told = await self._heard(running)
        self._port, self._pid = told["port"], told["pid"]
        return running

    async def _heard(self, running: Process) -> dict[str, Any]:
        assert running.stdout is not None
        line = await running.stdout.readline()
        if not line:
            raise RuntimeError(f"the gateway ended: {(self._site / 'log.txt').read_text()[-3000:]}")
        told: dict[str, Any] = json.loads(line)
        return told

    async def _play(self, running: Process, begin: Millis) -> tuple[measuring.Sizes | None, Millis]:
        plateau, now, told, since = None, begin, 0, time.perf_counter()
        for number in range(self._days):
            began = time.perf_counter()
            await self._day(number, now)
            count = sum(self._codes.values())
            self._look(count)
            if count // EVERY > told // EVERY or number == self._days - 1:
                self._tell(number, count, (count - told) / (time.perf_counter() - since), now)
                told, since = count, time.perf_counter()
            if number == PLATEAU:
                plateau = measuring.sizes(self._database, count)
            await self._outbox_empty(now)
            passed = int((time.perf_counter() - began) * 1000)
            now = await self._jump(running, DAY - passed)
        return plateau, now

    async def _day(self, number: int, now: Millis) -> None:
        count = self._messages * (number + 1) // self._days - self._messages * number // self._days
        day = await Senders(self._port, self._connections).send(self._months.day(number, now, count))
        self._codes.update(day.codes)
        self._lost += day.lost
        self._longest = max(self._longest, day.longest)
        self._bad = self._bad or day.first_bad

    def _look(self, count: int) -> None:
        self._memory.append((count, proc.rss_mb(self._pid)))
        self._largest_wal = max(self._largest_wal, measuring.wal(self._database))

    def _tell(self, number: int, count: int, rate: float, now: Millis) -> None:
        whole, free = measuring.file_size(self._database)
        left = measuring.kept(self._database, now)
        print(
            f"day {number + 1:>3}: {count:>9,} messages, {rate:,.0f} a second, {self._memory[-1][1]:.0f} MB resident, "
            f"database {whole / 1e6:,.0f} MB ({whole / count:,.0f} bytes a message, {free / 1e6:.0f} MB free), "
            f"WAL {measuring.wal(self._database) / 1e6:.1f} MB, raw {left.bytes / 1e6:,.0f} MB of {left.with_bytes:,} messages, "
            f"{self._mailbox.taken:,} mails",
            flush=True,
        )

    async def _outbox_empty(self, now: Millis) -> None:
        """A real day is long enough for what is due in it to leave."""
        until = time.monotonic() + _LEAVES
        while measuring.due(self._database, now) and time.monotonic() < until:  # noqa: ASYNC110 -- another process's
            await asyncio.sleep(0.25)

    async def _jump(self, running: Process, span: int) -> Millis:
        assert running.stdin is not None
        running.stdin.write(b"jump %d\n" % span)
        await running.stdin.drain()
        return int((await self._heard(running))["now"])

    async def _settled(self, now: Millis) -> None:
        """The rounds of the last day have run."""
        until = time.monotonic() + _SETTLE
        while time.monotonic() < until:
            await asyncio.sleep(6)
            if all(line.holds for line in verdict.forgotten(measuring.kept(self._database, now))):
                return

    async def _stopped(self, running: Process) -> verdict.Line:
        if running.returncode is None:
            running.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(running.wait(), 120)
        log = (self._site / "log.txt").read_text()
        told = [json.loads(line) for line in log.splitlines()]
        errors = Counter(line["event"] for line in told if "error" in line and line["event"] != _EXPECTED)
        figure = f"exit {code}, errors logged: {dict(errors) or 'none'}"
        return verdict.Line(
            what="it ends as told, without trouble", figure=figure, bound="", holds=code == 0 and not errors
        )

    # -- lines of the verdict that need what was counted here

    def _answered(self) -> verdict.Line:
        count = sum(self._codes.values())
        good = self._codes["AA"] + self._codes["AE"] == count and not self._lost
        holds = good and self._codes["AE"] == self._months.unreadable
        figure = f"{dict(self._codes)}, {self._lost} lost, slowest {self._longest * 1000:.0f} ms"
        if self._bad:
            print(f"the first odd reply:\n{self._bad}")
        bound = f"AE for the {self._months.unreadable} unreadable; {self._months.repeated} came twice"
        return verdict.Line(what="every message was answered", figure=figure, bound=bound, holds=holds)

    def _sent(self) -> verdict.Line:
        figure = f"{self._mailbox.taken:,} mails"
        return verdict.Line(
            what="reminders left all the while", figure=figure, bound="some", holds=self._mailbox.taken > 0
        )

    def _audited(self, config: Path, now: Millis) -> verdict.Line:
        gateway = app.assemble(settings.load(config), clock=SetClock(now + HOUR), activates=False)
        try:
            found = upkeep.verify_audit(gateway)
        finally:
            gateway.close()
        figure = f"{found.rows:,} rows in {found.blocks:,} blocks, {found.unsealed} not sealed"
        return verdict.Line(what="the audit chain is whole", figure=figure, bound="all of it", holds=found.ok)
