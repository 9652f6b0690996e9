"""`caregate lint` and `caregate test`: the analyst's two questions, answered without a database, a feed or a secret."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from gateway.cli import site
from gateway.cli.terminal import emit, note, say
from gateway.model.errors import CommandError, ConfigError

if TYPE_CHECKING:
    from gateway.analyst.lint import Finding

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]", help="A folder with rules/ or mappings/; default: the site, else the shipped packs."
    ),
]


@dataclass(frozen=True, slots=True)
class Packs:
    """What is looked at: a rule folder, and mapping folders in the order they are read."""

    rules: Path
    mappings: tuple[Path, ...]


def _packs(folder: Path | None, config: Path | None) -> Packs:
    """The packs meant. Raises CommandError, ConfigError (also for the site's configuration and connectors)."""
    from gateway.packs import shipped

    own = shipped("mappings")
    if folder is not None:
        rules, overlay = folder / "rules", folder / "mappings"
        if not rules.is_dir() and not overlay.is_dir():
            raise CommandError(f"{folder} has neither rules/ nor mappings/")
        return _of(rules if rules.is_dir() else shipped("rules"), own, overlay)
    if site.find(config) is None:
        return Packs(shipped("rules"), (own,))
    from gateway.app.upkeep import check_connectors

    settings = site.settings(config, secrets=False)
    check_connectors(settings)
    return _of(settings.rules, own, settings.mappings)


def _of(rules: Path, own: Path, overlay: Path) -> Packs:
    same = overlay.is_dir() and overlay.resolve() == own.resolve()
    return Packs(rules, (own, overlay) if overlay.is_dir() and not same else (own,))


class Tested(Protocol):
    """What tests of rules and of mappings have in common."""

    @property
    def file(self) -> str:
        """Where it stands."""
        ...

    @property
    def line(self) -> int:
        """And on which line."""
        ...

    @property
    def name(self) -> str:
        """A sentence."""
        ...

    @property
    def failures(self) -> tuple[str, ...]:
        """Sentences; empty when it passed."""
        ...


def lint(folder: Folder = None, config: site.Config = None, json: site.Json = False) -> None:
    """Check configuration, rules, templates and mappings.

    Every problem with file, line and column. Exit code 1 when there is one.

    Examples: caregate lint · caregate lint --json
    """
    packs = _packs(folder, config)
    findings, broken = _findings(packs)
    for sentence in broken:
        if json:
            emit({"code": "CG002", "sentence": sentence})
        else:
            say(sentence)
    for finding in findings:
        if json:
            emit(finding)
        else:
            say(str(finding))
    if not json:
        count = len(findings) + len(broken)
        note(
            f"{packs.rules} and {' + '.join(map(str, packs.mappings))}: {f'{count} to mend' if count else 'nothing to mend'}"
        )
    if findings or broken:
        raise typer.Exit(1)


def _findings(packs: Packs) -> tuple[list[Finding], tuple[str, ...]]:
    """What is wrong with the rules, seen with the mappings in use; and what is wrong with those."""
    from gateway.analyst.lint import lint as lint_rules
    from gateway.mapping.pack import load_pack

    try:
        pack = load_pack(packs.mappings)
    except ConfigError as error:
        return lint_rules(packs.rules), error.problems
    codes = {
        fact: frozenset(pack.tables[source.codes].words)
        for family in pack.families.values()
        for fact, source in family.facts.items()
        if source.codes is not None
    }
    return lint_rules(packs.rules, events=pack.kinds(), codes=codes), ()


def run_tests(folder: Folder = None, config: site.Config = None, json: site.Json = False) -> None:
    """Run the tests beside rules and mappings.

    A failed expectation names the line that decided. Exit code 1 when one fails.

    Example: caregate test
    """
    from gateway.analyst import mapping_tests, rule_tests

    packs = _packs(folder, config)
    results: list[Tested] = [*rule_tests.run(packs.rules), *mapping_tests.run(packs.mappings)]
    failed = [result for result in results if result.failures]
    if json:
        for result in results:
            emit(result)
    else:
        for result in failed:
            for sentence in result.failures:
                say(f"{result.file}:{result.line}: {result.name}: {sentence}")
        say(f"{len(results)} tests, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)
