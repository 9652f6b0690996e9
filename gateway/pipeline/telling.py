"""Staff are told of a condition once, again every so often while it lasts, and when it is over; a restart repeats nothing.

Who was told what stands in the database; telling is audited, whether it got there or not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from gateway import telemetry
from gateway.model.alert import Alert, AlertWord
from gateway.model.audit import Action
from gateway.model.errors import DeliveryError, StoreError
from gateway.model.when import HOUR, MINUTE, Millis
from gateway.pipeline.alerting import Standing, standing
from gateway.ports import AlertSink
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

REPEAT: Millis = 12 * HOUR
SETTLE: Millis = HOUR
"""What comes back sooner than this after it was told is told no sooner: a condition that flaps is one alarm."""
LOG = "log"
"""The sink that is always there."""
TRIES = 8
PATIENCE = 60.0
"""Seconds that a round may tell; well below the lease of whoever tells."""
_PAUSE: Millis = MINUTE  # before the second try; doubled each time
_ACTOR = "alerts"
_TOLD = ("kind", "source", "host", "sink", "since", "word", "at", "tries", "tried")
_t = tables.alert_told.c

WHO = Statement("alert_told.all", select(*(_t[name] for name in _TOLD)))
_TELL = Statement(
    "alert_told.set",
    update(tables.alert_told)
    .where(
        _t.kind == bindparam("of_kind"),
        _t.source == bindparam("of_source"),
        _t.host == bindparam("of_host"),
        _t.sink == bindparam("of_sink"),
    )
    .values(
        since=bindparam("began"),
        word=bindparam("said"),
        at=bindparam("then"),
        tries=bindparam("vain"),
        tried=bindparam("latest"),
    ),
    params=("began", "said", "then", "vain", "latest", "of_kind", "of_source", "of_host", "of_sink"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What one sink was told last: at `at`, of the condition that began at `since`; and how often it failed since."""

    since: Millis
    word: AlertWord
    at: Millis
    tries: int = 0
    tried: Millis | None = None


NOTHING = Told(0, AlertWord.RESOLVED, 0)
"""Of a sink that was told nothing yet."""


def owed(alert: Standing, told: Told, now: Millis, repeat: Millis) -> AlertWord | None:
    """What a sink is to be told of an alert now; None: nothing. `repeat`: Millis between two tellings while it lasts."""
    open_ = told.word is not AlertWord.RESOLVED
    if alert.resolved is not None:
        return AlertWord.RESOLVED if open_ else None
    if open_ and told.since == alert.since:
        return AlertWord.LASTING if now - told.at >= repeat else None
    return AlertWord.RAISED if now - told.at >= SETTLE else None


def may_try(told: Told, now: Millis, repeat: Millis) -> bool:
    """Whether a sink that failed may be tried again: later and later, and after TRIES in vain every `repeat`."""
    if told.tried is None:
        return True
    pause = _PAUSE * 2 ** (told.tries - 1) if told.tries < TRIES else repeat
    return now - told.tried >= pause


class Teller:
    """Tells each sink what it is owed. One process does it at a time: its caller holds the lease."""

    def __init__(self, store: Store, sinks: Sequence[AlertSink], *, environment: str, repeat: Millis = REPEAT) -> None:
        self._store = store
        self._sinks: Mapping[str, AlertSink | None] = {LOG: None, **{sink.name: sink for sink in sinks}}
        self._environment = environment
        self._repeat = repeat
        self._unkept: dict[tuple[str, ...], tuple[Told, tuple[object, ...]]] = {}  # told, but not in the ledger yet

    def once(self, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """One round; the network is never inside a transaction. Raises StoreError.

        Not longer than PATIENCE and one telling more: what is left over is told in the next round. While the ledger
        cannot be written (a full disk), what was told is remembered, so that nobody is told again and again.
        """
        until = time.monotonic() + PATIENCE
        with self._store.read() as unit:
            alerts, told, now = standing(unit), _told(unit), unit.now
        for one in alerts.values():
            for name in self._sinks:
                if stopping() or time.monotonic() > until:
                    return
                key = (*one.key, name)
                last = self._unkept[key][0] if key in self._unkept else told.get(key, NOTHING)
                word = owed(one, last, now, self._repeat)
                if word is not None and may_try(last, now, self._repeat):
                    self._tell(one, word, name, last)
        self._write()

    def _tell(self, one: Standing, word: AlertWord, name: str, last: Told) -> None:
        now, sink = self._store.clock.now(), self._sinks[name]
        alert = Alert(
            kind=one.kind,
            word=word,
            source=one.source,
            environment=self._environment,
            since=one.since,
            at=now,
            count=one.count,
            host=one.host,
        )
        done = _say(alert) if sink is None else _hand_over(alert, sink)
        kept = Told(one.since, word, now) if done else Told(last.since, last.word, last.at, last.tries + 1, now)
        entry = (Action.ALERT_TOLD, *one.key, name, word, "told" if done else "in vain")
        self._unkept[*one.key, name] = (kept, entry)
        with suppress(StoreError):  # tried again at the end of the round, and then it is an error
            self._write()

    def _write(self) -> None:
        """Put into the ledger what is not there yet."""
        if not self._unkept:
            return
        with self._store.begin(_ACTOR) as uow:
            for key, (kept, _) in self._unkept.items():
                _keep(uow, key, kept)
            uow.audit([entry for _, entry in self._unkept.values()])
            uow.commit()
        self._unkept.clear()


def _say(alert: Alert) -> bool:
    """The log line, which is told always."""
    write = telemetry.log().info if alert.word is AlertWord.RESOLVED else telemetry.log().warning
    source = {"source": alert.source} if alert.source else {}
    write("alert.told", alert=alert.kind, word=alert.word, count=alert.count, **source)
    return True


def _hand_over(alert: Alert, sink: AlertSink) -> bool:
    done = False
    try:
        sink.tell(alert)
        done = True
    except DeliveryError as error:
        telemetry.log().warning("alert.not-told", name=sink.name, alert=alert.kind, error=type(error).__name__)
    except Exception as error:  # noqa: BLE001 - one sink's bug must not silence the others
        telemetry.log().error("alert.sink-crashed", name=sink.name, error=type(error).__name__, exc_info=True)
    telemetry.count_told(alert.kind, alert.word, ok=done)
    return done


def _told(unit: Reader) -> dict[tuple[str, ...], Told]:
    return {
        (kind, source, host, sink): Told(since, AlertWord(word), at, tries, tried)
        for kind, source, host, sink, since, word, at, tries, tried in unit.all(WHO)
    }


def _keep(uow: UnitOfWork, key: tuple[str, ...], kept: Told) -> None:
    values = (kept.since, kept.word, kept.at, kept.tries, kept.tried)
    if not uow.run(_TELL, (*values, *key)):
        uow.insert(tables.alert_told, _TOLD, [(*key, *values)])
