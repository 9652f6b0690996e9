"""The question of `caregate replay`: two rule sets over the same messages, and one report whose digest is kept."""

from __future__ import annotations

import gc
import multiprocessing
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.app.assembly import _open, account, keyring_of
from gateway.app.replay.play import Played, play
from gateway.app.replay.report import Report, compare
from gateway.model.audit import Action
from gateway.model.consent import ChannelKind
from gateway.model.errors import CommandError
from gateway.model.when import Millis
from gateway.pipeline import rules
from gateway.ports import Clock, SystemClock
from gateway.ruleset.load import read_files
from gateway.settings import Settings
from gateway.settings import load as load_settings
from gateway.store import tables
from gateway.store.engine import Store

NOTES = (
    "purged: messages whose bytes are gone (retention), not replayed",
    "begun-before: occurrences known before the window and told of in it; their first message in it counts as their beginning",
    "directory, contact points and held feeds are as they are now; consents, representatives, opt-outs and what had left are as they were",
    "who is first told of within the window: the contact points and the policy's bases come anew, by each rule set's own policy",
    "not done again, within the window: merges undone by hand, requests withdrawn, held or released by hand, what was stopped, answers to messages",
    "every channel accepts, as fast as it is asked; nothing was sent or stored",
)

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A window (Millis UTC, `until` exclusive) and the folder of the draft."""

    since: Millis
    until: Millis
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """In this very process, by another clock and with other kinds of channels than the configuration's."""

    clock: Clock = field(default_factory=SystemClock)
    kinds: tuple[ChannelKind, ...] | None = None


def replay(settings: Settings, asked: Asked, *, here: Here | None = None, tell: Tell = lambda _count: None) -> Report:
    """Replay draft and active rules and compare; the report's digest is recorded, so that an activation may name it.

    In a process each, unless `here` is told. `tell` is called with how many messages each has read. Raises CommandError (nothing is in force), ConfigError, StoreError.
    """
    draft = read_files(asked.folder)
    clock = SystemClock() if here is None else here.clock
    with closing(_open(settings, keyring_of(settings), clock)) as store:
        sets = (_in_force(store), draft)
        before, after = _apart(settings, sets, asked, tell) if here is None else _here(settings, sets, asked, here)
        report = compare(before, after, asked.since, asked.until)
        _keep(store, report)
    return report


def _in_force(store: Store) -> dict[str, bytes]:
    with store.read() as unit:
        rows = rules.activations(unit, 1)
        if not rows:
            raise CommandError("no rule set is in force yet, so there is nothing to compare with")
        return rules.files_of(unit, rows[0])


def _here(
    settings: Settings,
    sets: tuple[Mapping[str, bytes], ...],
    asked: Asked,
    here: Here,
    tell: Tell = lambda _count: None,
) -> list[Played]:
    """One after the other; each in a folder of its own that only this account can read, and that is removed."""
    found = []
    for files in sets:
        with tempfile.TemporaryDirectory(prefix="caregate-replay-") as home:
            made = play(
                settings,
                files,
                Path(home),
                asked.since,
                asked.until,
                clock=here.clock,
                kinds=here.kinds,
                tell=tell,
            )
            found.append(made)
    return found


def _apart(settings: Settings, sets: tuple[Mapping[str, bytes], ...], asked: Asked, tell: Tell) -> list[Played]:
    """At the same time: two cores do it in the time of one."""
    context = multiprocessing.get_context("spawn")
    read = context.Value("q", 0)
    with ProcessPoolExecutor(len(sets), mp_context=context, initializer=_share, initargs=(read,)) as pool:
        running = [pool.submit(_one, settings.path, dict(files), asked) for files in sets]
        while wait(running, timeout=0.2).not_done:
            tell(read.value // len(sets))
        tell(read.value // len(sets))
        return [one.result() for one in running]


_shared: list[Any] = []


def _share(read: Any) -> None:
    """Begin a process that only plays: what it has loaded stays, and what it makes is hardly ever a circle."""
    _shared.append(read)
    gc.freeze()
    gc.set_threshold(50_000)


def _one(path: Path, files: Mapping[str, bytes], asked: Asked) -> Played:
    seen = 0

    def tell(count: int) -> None:
        nonlocal seen
        with _shared[0].get_lock():
            _shared[0].value += count - seen
        seen = count

    return _here(load_settings(path), (files,), asked, Here(), tell)[0]


def _keep(store: Store, report: Report) -> None:
    """Who tried which rules against which, and the report's digest; no content."""
    with store.begin(account()) as unit:
        row = (report.digest, report.draft, report.active, unit.now, unit.actor)
        unit.insert_missing(tables.rule_report, ("digest", "ruleset", "against", "at", "by"), [row])
        details = {"report": report.digest, "draft": report.draft, "active": report.active}
        unit.audit([(Action.RULESET_REPLAYED, {**details, "since": report.since, "until": report.until})])
        unit.commit()
