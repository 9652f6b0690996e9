"""What a file at hand is read with: the mappings, source and facts of the site, else the shipped ones; no database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from gateway.cli import site
from gateway.cli.terminal import note
from gateway.model.errors import CommandError, Unreadable

if TYPE_CHECKING:
    from gateway.analyst.hl7v2.standard import Standard
    from gateway.er7.reader import Message
    from gateway.mapping.feed import Feed
    from gateway.mapping.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The mappings, the source and the facts in use: the site's, or the shipped ones."""

    pack: Pack
    feed: Feed
    facts: frozenset[str]
    configured: bool


def _deployment(config: Path | None, named: str | None) -> Deployment:
    """Raises ConfigError, CommandError (no such source)."""
    from gateway.mapping.feed import Feed
    from gateway.mapping.pack import load_pack
    from gateway.packs import shipped
    from gateway.ruleset import load

    if site.find(config) is None:
        note(f"caregate: no {site.NAME} here: shipped mappings and rules, times without a zone are read as UTC")
        rules, pack = load(shipped("rules")), load_pack([shipped("mappings")])
        return Deployment(pack=pack, feed=Feed(name="-", zone="UTC"), facts=rules.facts_used, configured=False)
    from gateway.app.assembly import feed_of

    settings = site.settings(config, secrets=False)
    overlay = [settings.mappings] if settings.mappings.is_dir() else []
    source = _source(sorted(settings.sources), named)
    return Deployment(
        pack=load_pack([shipped("mappings"), *overlay]).of(source),
        feed=feed_of(settings, source),
        facts=load(settings.rules).facts_used,
        configured=True,
    )


def _source(known: list[str], named: str | None) -> str:
    """The source a file is read as: the one named, else the only one."""
    if named is None and len(known) == 1:
        return known[0]
    if named is None or named not in known:
        trouble = f"there is no source {named}" if named else "the site has several sources, or none"
        raise CommandError(f"{trouble}: say --source with one of {', '.join(known) or '(none)'}")
    return named


class Bench:
    """A deployment and the standard's tables, for the length of a command."""

    def __init__(self, config: Path | None, source: str | None) -> None:
        from gateway.analyst.hl7v2.asking import Child
        from gateway.analyst.hl7v2.standard import Standard

        self.deployment = _deployment(config, source)
        self._stack = ExitStack()
        self.child = self._stack.enter_context(Child())
        self.standard: Standard = Standard(self.child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def parsed(self, body: bytes) -> Message:
        """One message as the feed's reader parses it. Raises Unreadable."""
        from gateway.er7.reader import parse

        feed = self.deployment.feed
        return parse(body, default_charset=feed.charset, fallbacks=feed.charset_fallbacks)


def messages(file: str, index: int | None) -> Iterator[tuple[int, bytes | None, str | None]]:
    """(number, body, why there is none) of the messages asked for. Raises CommandError, OSError."""
    from gateway.er7.batch import Piece, split

    found = False
    with ExitStack() as stack:
        stream: BinaryIO = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
        for part in split(stream):
            if isinstance(part, Piece) and index in (None, part.index):
                found = True
                yield part.index, part.body, part.problem
            if found and index is not None:
                return
    if not found:
        raise CommandError(f"{file} has no message {index}" if index else f"{file} has no message")


def readable(bench: Bench, body: bytes | None, problem: str | None) -> Message:
    """The parsed message; raises CommandError with what is wrong in words that quote nothing."""
    if body is None:
        raise CommandError(f"cannot be read: {problem}")
    try:
        return bench.parsed(body)
    except Unreadable as refusal:
        fault = refusal.fault
        raise CommandError(f"cannot be read: {refusal.ack} {fault.code} {fault.place or ''}: {fault.rule}") from None
