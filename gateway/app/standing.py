"""Looks at a site from outside its running gateway: what cannot be reached is part of the answer, not an error."""

from __future__ import annotations

from dataclasses import dataclass

from gateway import worker
from gateway.app.assembly import assemble
from gateway.model.errors import StoreUnavailable
from gateway.pipeline import inspect
from gateway.pipeline.inspect import StatusReport
from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether database and broker answer, and the report, None while the database does not.

    `attention`: what needs a person; `broken`: what does not work; both in closed words.
    """

    database: bool
    broker: bool
    report: StatusReport | None

    @property
    def attention(self) -> tuple[str, ...]:
        """What needs a person."""
        return self.report.attention if self.report is not None else ()

    @property
    def broken(self) -> tuple[str, ...]:
        """What does not work."""
        away = (word for word, there in (("database", self.database), ("broker", self.broker)) if not there)
        return (*away, *(self.report.broken if self.report is not None else ()))


def look(settings: Settings) -> Standing:
    """How the site stands now. Raises ConfigError, KeyringError, and StoreError for what waiting does not mend."""
    broker = worker.broker_for(settings.broker_url)
    try:
        reached = worker.reachable(broker)
    finally:
        worker.close(broker)
    try:
        gateway = assemble(settings, activates=False)
    except StoreUnavailable:
        return Standing(database=False, broker=reached, report=None)
    try:
        return Standing(database=True, broker=reached, report=inspect.status(gateway))
    except StoreUnavailable:
        return Standing(database=False, broker=reached, report=None)
    finally:
        gateway.close()
