"""Dry runs that somebody asked for over HTTP: one of a campaign at a time, in the background, its result where every process reads it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from gateway.model.errors import CaregateError, CommandError, Conflict
from gateway.pipeline.campaigns import forecasting
from gateway.pipeline.inspect import Inspectable
from gateway.telemetry import log


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a dry run is. `failed`: why it came to nothing, in our own words; `of` 0: not known yet."""

    done: int = 0
    of: int = 0
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class DryRuns:
    """Of one process. A million messages take longer than anybody waits for an answer; one that ends with its process was nothing."""

    gateway: Inspectable
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[str, Progress] = field(default_factory=dict)

    def of(self, rule: str) -> Progress | None:
        """How the dry run begun last here stands; None: there is none, or it is done and kept."""
        return self._known.get(rule)

    def begin(self, rule: str, *, account: str) -> None:
        """Begin one of a campaign. Raises CommandError while one is under way."""
        with self._lock:
            known = self._known.get(rule)
            if known is not None and known.failed is None:
                raise CommandError(f"a dry run of {rule} is under way")
            self._known[rule] = Progress()
        threading.Thread(target=self._run, args=(rule, account), name="dry-run", daemon=True).start()

    def _run(self, rule: str, account: str) -> None:
        failed = self._failed(rule, account)
        with self._lock:
            if failed is None:
                del self._known[rule]
            else:
                self._known[rule] = Progress(failed=failed)

    def _failed(self, rule: str, account: str) -> str | None:
        def told(done: int, of: int) -> None:
            self._known[rule] = Progress(done=done, of=max(done, of))

        try:
            forecasting.plan(self.gateway, rule, by=account, account=account, told=told)
        except CommandError as error:
            return str(error)
        except Conflict:
            return "other rules came into force meanwhile: begin it again"
        except CaregateError as error:
            log().warning("dry-run.failed", rule=rule, error=type(error).__name__)
            return "something it needs was not there: begin it again"
        except Exception as error:  # noqa: BLE001  # whoever waits for it is told, whatever it was
            log().error("dry-run.crashed", rule=rule, error=type(error).__name__)
            return "an error of Caregate's own"
        return None
