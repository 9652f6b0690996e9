"""`caregate preview`: what patients would read, as files to look at; nothing is sent, and no database or key is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import site
from gateway.cli.terminal import note, say
from gateway.model.errors import CommandError

if TYPE_CHECKING:
    from gateway.analyst.preview import Preview
    from gateway.render.templates import Templates
    from gateway.ruleset import RuleSet
    from gateway.settings import Settings

OUT = Path("preview")
_MARK = ".caregate-preview"  # the folder is ours to write anew


def preview(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="One rule; default: all.")] = None,
    language: Annotated[str | None, typer.Option(metavar="TAG", help="Only for who reads this: es, pt-BR.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every rule in every language of the rule set, by every channel.")
    ] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the pages go.")] = OUT,
    rules: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A rule folder; default: the site's, else the shipped one.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    config: site.Config = None,
) -> None:
    """Show what patients would read, as pages to look at.

    Every message for made-up patients: e-mail as in an inbox, text messages on a telephone with their segments counted. Nothing is sent.

    Examples: caregate preview · caregate preview appointment-reminder --language es --open · caregate preview --all
    """
    if everything and (rule is not None or language is not None):
        raise CommandError("--all is every rule in every language: leave out the rule and --language")
    from gateway.analyst.preview_pages import INDEX, pages
    from gateway.ruleset import load

    settings = site.settings(config, secrets=False) if site.find(config) is not None else None
    ruleset = load(_folder(rules, settings))
    chosen = _chosen(ruleset, rule)
    how = _how(ruleset, settings, language, everything=everything)
    every = [one for name in chosen for one in how.of(ruleset.rules[name])]
    _write(out, dict(pages(every)))
    for one in every:
        for problem in one.problems:
            note(f"{out / one.page}: nothing would be sent: {problem}")
    say(f"{len(every)} messages of {len(chosen)} rules: open {out / INDEX}")
    if show:
        import webbrowser

        webbrowser.open((out / INDEX).resolve().as_uri())


def _folder(told: Path | None, settings: Settings | None) -> Path:
    from gateway.packs import shipped

    if told is not None:
        return told
    return settings.rules if settings is not None else shipped("rules")


def _chosen(ruleset: RuleSet, rule: str | None) -> list[str]:
    if rule is None:
        return list(ruleset.rules)
    if rule not in ruleset.rules:
        raise CommandError(f"there is no rule {rule} in {ruleset.folder}; there are: {', '.join(ruleset.rules)}")
    return [rule]


def _how(ruleset: RuleSet, settings: Settings | None, language: str | None, *, everything: bool) -> Preview:
    """With the site's own name and first place where there is a site, else with made-up ones."""
    from gateway.analyst.preview import Preview
    from gateway.analyst.specimen import LOCATION, ORGANIZATION
    from gateway.render.formats import locale_of
    from gateway.render.templates import Templates
    from gateway.ruleset.rule_file import TEMPLATES

    if language is not None and locale_of(language) is None:
        raise CommandError("--language takes a language tag such as es or pt-BR")
    organization = next(iter(settings.organizations.values())) if settings is not None else ORGANIZATION
    places = settings.locations.values() if settings is not None else ()
    own = (place for place in places if place.organization == organization.id and not place.sensitive)
    default = ruleset.policy.language
    templates = Templates(ruleset.folder / TEMPLATES, default_language=default)
    languages = None if language is None else [language]
    return Preview(
        templates=templates,
        default_language=default,
        languages=_spoken(ruleset, templates) if everything else languages,
        apart=everything,
        organization=organization,
        location=next(own, LOCATION),
    )


def _spoken(ruleset: RuleSet, templates: Templates) -> list[str]:
    """The languages the policy asks for, and every other that some template is there in."""
    there = sorted({language for name in templates.names for language in templates.files(name) if language})
    return list(dict.fromkeys([*ruleset.policy.languages, *there]))


def _write(out: Path, pages: dict[str, str]) -> None:
    """Write the pages, over an earlier preview's and nothing else's (CommandError)."""
    mark = out / _MARK
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not mark.exists())):
        raise CommandError(f"{out} is no preview: name a folder that is absent or empty with --out")
    out.mkdir(parents=True, exist_ok=True)
    mark.touch()
    for old in out.glob("*.html"):
        old.unlink()
    for name, text in pages.items():
        (out / name).write_text(text, encoding="utf-8")
