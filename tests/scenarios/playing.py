"""Plays worlds one after another in one process, and makes a failing one smaller."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway import telemetry
from gateway.ports import SetClock
from gateway.store.keyring import Keyring
from gateway.store.migrations import migrate
from tests import compiled
from tests.bench.servers import Postgres
from tests.scenarios.databases import Database, Server, Sqlite, running, template
from tests.scenarios.plans import BEGINS, Plan
from tests.scenarios.site import write_site
from tests.scenarios.world import World


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of worlds; adds up. `wrong`: what did not hold, each with its world; `odd`: seeds of those worlds."""

    scenarios: int = 0
    worlds: int = 0
    left: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    lives: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    odd: list[int] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take another's counts in."""
        self.scenarios += other.scenarios
        self.worlds += other.worlds
        for name in ("left", "injected", "ended", "told", "lives"):
            getattr(self, name).update(getattr(other, name))
        self.wrong += other.wrong
        self.odd += other.odd

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


class Playground:
    """Where worlds are played: a folder, a site, keys, and databases on one kind of store."""

    def __init__(self, store: str = "sqlite", *, server: str | None = None, name: str = "p") -> None:
        self._store, self._given, self._name = store, server, name
        self._stack = ExitStack()
        self._made = 0

    def __enter__(self) -> Self:
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(prefix="caregate-scenarios-", dir=memory if memory.is_dir() else None))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        telemetry.configure(json=True, level="CRITICAL", hooks=False)
        self._stack.callback(telemetry.reset)
        self._stack.enter_context(compiled.once())
        self.settings = write_site(self.folder)
        self.keyring = Keyring.create(self.folder / "keys.json")
        self._fresh = self._postgres() if self._store == "postgresql" else self._sqlite()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _sqlite(self) -> Callable[[str], Database]:
        empty = template(self.folder / "template.db", SetClock(min(BEGINS)))
        return lambda name: Sqlite(self.settings, self.folder, empty, name)

    def _postgres(self) -> Callable[[str], Database]:
        server = running(self._given) if self._given else self._stack.enter_context(Postgres(self.folder))
        empty = f"{self._name}_template"
        migrate(server.database(empty), clock=SetClock(min(BEGINS)))
        self._stack.callback(server.drop, empty)
        return lambda name: Server(self.settings, server, empty, self.folder, f"{self._name}_{name}")

    def world(self, plan: Plan) -> tuple[World, Database]:
        """A world that was not played yet; its database is the caller's to drop."""
        self._made += 1
        database = self._fresh(f"w{self._made}")
        return World(plan, self.settings, self.keyring, database), database

    def play(self, plan: Plan) -> Tally:
        """One world, judged; whatever breaks in it is a finding too."""
        world, database = self.world(plan)
        tally = Tally(scenarios=plan.patients, worlds=1)
        try:
            world.run()
        except Exception as error:
            tally.wrong.append(f"world {plan.seed}: broke: {type(error).__name__}: {error}")
        finally:
            database.drop()
        judge = world.judge
        tally.wrong += [f"world {plan.seed}: {one}" for one in judge.wrong]
        tally.left, tally.ended, tally.told = judge.left, judge.ended, judge.outcomes
        tally.injected = world.fates.counts
        tally.lives = Counter(kind for life in world.lives for kind in life.kinds)
        tally.odd = [plan.seed] if tally.wrong else []
        return tally

    def smaller(self, plan: Plan) -> Plan | None:
        """The same seed with fewer lives that goes wrong still; None when it does not go wrong again."""
        found, patients = None, plan.patients
        while patients >= 1:
            one = replace(plan, patients=patients)
            if not self.play(one).wrong:
                break
            found, patients = one, patients // 2
        return found


Share = tuple[str, str | None, int, int, list[int]]
"""Store, server, number of the process, patients a world, seeds of worlds."""


def played(share: Share) -> Tally:
    """A process's share of worlds, on a playground of its own."""
    store, server, number, patients, seeds = share
    total = Tally()
    with Playground(store, server=server, name=f"p{number}_{seeds[0]}") as ground:
        for seed in seeds:
            total.add(ground.play(Plan.drawn(seed, patients)))
    return total
