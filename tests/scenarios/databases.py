"""A world's database, fresh from a template; backed up and restored as the site's own commands do it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from unittest.mock import patch

from gateway.app import assembly, backups
from gateway.pipeline import restoring
from gateway.ports import Clock
from gateway.settings import Settings
from gateway.store.migrations import migrate
from tests.bench.servers import Postgres
from tests.scenarios.house import furnished

if TYPE_CHECKING:
    from tests.scenarios.world import World


class Database(Protocol):
    """What a world asks of it."""

    url: str
    heads: Path

    def backs_up(self, world: World) -> None:
        """Keep what is now."""
        ...

    def restores(self, world: World) -> None:
        """Put back what was kept, stopped and reconciled; no process has it open."""
        ...

    def releases(self, world: World) -> None:
        """A person lets it send again."""
        ...

    def drop(self) -> None:
        """Forget it."""
        ...


class _Base:
    def __init__(self, settings: Settings, clock_of: Clock | None = None) -> None:
        self.settings = settings

    def _told(self, world: World, settings: Settings) -> None:
        """The restoring command reads the world's clock and asks the world's provider."""
        real = assembly.assemble

        def assemble(*told: object, **named: object) -> object:
            named.setdefault("clock", world.clock)
            return furnished(real(*told, **named), world.provider.channels())  # type: ignore[arg-type]

        with (
            patch.object(backups, "SystemClock", lambda: world.clock),
            patch.object(backups, "assemble", assemble),
        ):
            self._restore(settings)

    def _restore(self, settings: Settings) -> None:
        raise NotImplementedError

    def releases(self, world: World) -> None:
        """As `caregate restore --release`."""
        gateway = world.crew.houses[0].gateway
        restoring.release(gateway, reason="worklist done", account="os:clerk")


class Sqlite(_Base):
    """A file in a folder of its own."""

    def __init__(self, settings: Settings, folder: Path, template: Path, name: str) -> None:
        super().__init__(settings)
        self._folder = folder / name
        self._folder.mkdir()
        self.heads = folder / f"{name}.heads"
        self.path = self._folder / "caregate.db"
        shutil.copy(template, self.path)
        self.url = f"sqlite:///{self.path}"

    def backs_up(self, world: World) -> None:
        """As `caregate backup`."""
        shutil.rmtree(self._folder / "backup", ignore_errors=True)
        backups.make(world.crew.houses[0].gateway, self._folder / "backup", progress=lambda *_told: None)

    def restores(self, world: World) -> None:
        """As `caregate restore`."""
        for one in self._folder.glob("caregate.db*"):
            one.unlink()
        self._told(world, replace(self.settings, database_url=self.url, audit_heads=self.heads))

    def _restore(self, settings: Settings) -> None:
        backups.restore(settings, self._folder / "backup", keys=None, accept_loss=True)

    def drop(self) -> None:
        """With everything beside it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.heads.unlink(missing_ok=True)


class Server(_Base):
    """A database on a PostgreSQL server; its backup is a copy made by the server's own means."""

    def __init__(self, settings: Settings, server: Postgres, template: str, folder: Path, name: str) -> None:
        super().__init__(settings)
        self.heads = folder / f"{name}.heads"
        self._server, self._name = server, name
        self.url = server.database(name, like=template)

    def backs_up(self, world: World) -> None:
        """As a physical backup is: between two commits; nobody may be connected while it is copied."""
        world.crew.close()
        self._server.database(f"{self._name}_kept", like=self._name)
        world.crew.open(2)

    def restores(self, world: World) -> None:
        """As `pg_restore` and `caregate restore --database-already-restored`."""
        self._server.database(self._name, like=f"{self._name}_kept")
        self._told(world, replace(self.settings, database_url=self.url, audit_heads=self.heads))

    def _restore(self, settings: Settings) -> None:
        backups.adopt(settings, accept_loss=True)

    def drop(self) -> None:
        """With its copy."""
        self._server.drop(self._name)
        self._server.drop(f"{self._name}_kept")
        self.heads.unlink(missing_ok=True)


def template(path: Path, clock: Clock) -> Path:
    """A migrated, empty SQLite file to copy."""
    migrate(f"sqlite:///{path}", clock=clock)
    return path


def careless(server: Postgres) -> Postgres:
    """A server that would not survive a loss of power, which is none of what is tried here, and is many times as fast."""
    server._sql(*(f"ALTER SYSTEM SET {one} = off" for one in ("fsync", "full_page_writes")), "SELECT pg_reload_conf()")
    return server


def running(url: str) -> Postgres:
    """A PostgreSQL server that somebody else started and will end."""
    server = Postgres(Path())
    server.url = url
    return server
