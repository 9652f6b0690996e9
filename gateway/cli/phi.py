"""`caregate phi`: what of each feed field is used, kept, shown and dropped, as the page that is signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import analyst, site
from gateway.cli.terminal import emit, note, say

if TYPE_CHECKING:
    from gateway.analyst.phi import Kept, ToldTo
    from gateway.model.agreement import Agreement


def phi(
    folder: analyst.Folder = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="Write the page there.")] = None,
    config: site.Config = None,
    json: site.Json = False,
) -> None:
    """Print the PHI budget: what every field of the feeds becomes.

    The fact it is, the rules, gates and templates that use it, the channels it can reach, and what is dropped.

    Examples: caregate phi · caregate phi --markdown PHI.md
    """
    from gateway.analyst.phi import budget
    from gateway.analyst.phi_words import page, summary
    from gateway.mapping.pack import load_pack
    from gateway.render.templates import Templates
    from gateway.ruleset import load

    packs = analyst._packs(folder, config, secrets=False)  # noqa: SLF001 - the same folders as lint and test
    rules = load(packs.rules)
    templates = Templates(packs.rules / "templates")
    told = budget(rules, load_pack(packs.mappings), templates, _kept(folder, config), _sinks(folder, config))
    if markdown is not None:
        markdown.write_text(page(told), encoding="utf-8")
        note(f"wrote {markdown}")
    if json:
        emit(told)
    elif markdown is None:
        for line in summary(told):
            say(line)


def _kept(folder: Path | None, config: Path | None) -> Kept:
    """The site's retention windows, or the defaults where there is no site."""
    from gateway.analyst.phi import Kept
    from gateway.settings.sections import RetentionSection

    here = folder is None and site.find(config) is not None
    told = site.settings(config, secrets=False).retention if here else RetentionSection()
    return Kept(raw=_days(told.raw), facts=_days(told.facts), bodies=_days(told.bodies))


def _sinks(folder: Path | None, config: Path | None) -> list[ToldTo]:
    """Whom the site tells what became of things."""
    from gateway.analyst.phi import ToldTo

    if folder is not None or site.find(config) is None:
        return []
    return [
        ToldTo(
            name=name,
            kind=one.section.kind,
            sources=one.told.sources,
            rules=one.told.rules,
            kinds=tuple(one.told.kinds),
            facts=one.told.facts,
            agreement=_agreement(one.agreement),
        )
        for name, one in site.settings(config, secrets=False).sinks.items()
    ]


def _agreement(told: Agreement | None) -> str:
    if told is None:
        return "none on file: nothing is told"
    return told.because or f"{told.party}, until {told.expires}"


def _days(millis: int) -> str:
    from gateway.model.when import DAY, HOUR

    return f"{millis // DAY}d" if millis % DAY == 0 else f"{-(-millis // HOUR)}h"
