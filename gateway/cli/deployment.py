"""What a file at hand is read with: the mappings, source and facts of the site, else the shipped ones; no database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli import site
from gateway.cli.terminal import note
from gateway.model.errors import CommandError
from gateway.model.event import Format

if TYPE_CHECKING:
    from gateway.mapping.feed import Feed
    from gateway.mapping.pack import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The mappings, the source and the facts in use: the site's, or the shipped ones."""

    pack: Pack
    feed: Feed
    facts: frozenset[str]
    configured: bool


def deployment(config: Path | None, named: str | None, of: Format) -> Deployment:
    """`of`: what the source must speak. Raises ConfigError, CommandError (no such source)."""
    from gateway.mapping.feed import Feed
    from gateway.mapping.pack import load_pack
    from gateway.packs import shipped
    from gateway.ruleset import load

    if site.find(config) is None:
        note(f"caregate: no {site.NAME} here: shipped mappings and rules, times without a zone are read as UTC")
        rules, pack = load(shipped("rules")), load_pack([shipped("mappings")])
        return Deployment(
            pack=pack, feed=Feed(name="-", zone="UTC", format=of), facts=rules.facts_used, configured=False
        )
    from gateway.app.assembly import feed_of

    settings = site.settings(config, secrets=False)
    overlay = [settings.mappings] if settings.mappings.is_dir() else []
    source = _source(sorted(name for name, one in settings.sources.items() if one.format is of), named, of)
    return Deployment(
        pack=load_pack([shipped("mappings"), *overlay]).of(source),
        feed=feed_of(settings, source),
        facts=load(settings.rules).facts_used,
        configured=True,
    )


def _source(known: list[str], named: str | None, of: Format) -> str:
    """The source a file is read as: the one named, else the only one that speaks so."""
    if named is None and len(known) == 1:
        return known[0]
    if named is None or named not in known:
        trouble = f"there is no source {named} of {of}" if named else f"the site has several sources of {of}, or none"
        raise CommandError(f"{trouble}: say --source with one of {', '.join(known) or '(none)'}")
    return named
