"""`caregate lint` and `caregate test`: the analyst's two questions, answered without a database, a feed or a secret."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """What is looked at: a rule folder, mapping folders in the order they are read, and what the configuration gets wrong.

    `sources`: those of the configuration `config`; both None without one.
    """

    rules: Path
    mappings: tuple[Path, ...]
    problems: tuple[str, ...] = ()
    sources: frozenset[str] | None = None
    config: Path | None = None


def _packs(folder: Path | None, config: Path | None, *, secrets: bool) -> Packs:
    """The packs meant. Raises CommandError when there are none there, ConfigError when the file named is not there."""
    from gateway.packs import shipped

    own = shipped("mappings")
    if folder is not None:
        rules, overlay = folder / "rules", folder / "mappings"
        if not rules.is_dir() and not overlay.is_dir():
            raise CommandError(f"{folder} has neither rules/ nor mappings/")
        return _of(rules if rules.is_dir() else shipped("rules"), own, overlay)
    found = site.find(config)
    if found is None:
        note(f"caregate: no {site.NAME} here: these are the shipped rules and mappings")
        return Packs(shipped("rules"), (own,))
    return _of_site(found, own, secrets=secrets)


def _of_site(config: Path, own: Path, *, secrets: bool) -> Packs:
    from gateway.app.upkeep import wrong_sections
    from gateway.settings import examine

    if not config.is_file():
        raise CommandError(f"{config}: there is no such file")
    seen = examine(config, secrets=secrets)
    problems = (*seen.problems, *wrong_sections(seen.sections, seen.time_limit))
    packs = _of(seen.rules, own, seen.mappings, tuple(dict.fromkeys(problems)))
    return replace(packs, config=config, sources=frozenset(one.name for one in seen.sections if one.group == "sources"))


def _of(rules: Path, own: Path, overlay: Path, problems: tuple[str, ...] = ()) -> Packs:
    same = overlay.is_dir() and overlay.resolve() == own.resolve()
    return Packs(rules, (own, overlay) if overlay.is_dir() and not same else (own,), problems)


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


def lint(
    folder: Folder = None,
    config: site.Config = None,
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Leave env: and file: references alone: for a machine without them.")
    ] = False,
    json: site.Json = False,
) -> None:
    """Check configuration, rules, templates, mappings.

    Problems with file, line and column, a kind at a time: wrong settings and connector options, files and variables that
    are named and not there, rules that cannot do what they say. Exit code 1 when there is one.

    Examples: caregate lint · caregate lint --json · caregate lint --no-secrets
    """
    packs = _packs(folder, config, secrets=not no_secrets)
    findings = _findings(packs)
    for finding in findings:
        if json:
            emit(finding)
        else:
            say(str(finding))
    if not json:
        looked = f"{packs.rules} and {' + '.join(map(str, packs.mappings))}"
        if packs.config is not None:
            looked = f"{packs.config}, {looked}"
        note(f"{looked}: {f'{len(findings)} to mend' if findings else 'nothing to mend'}")
    if findings:
        raise typer.Exit(1)


def _findings(packs: Packs) -> list[Finding]:
    """What is wrong with the configuration, with the rules as seen with the mappings in use, and with those."""
    from gateway.analyst.lint import finding_of
    from gateway.analyst.lint import lint as lint_rules
    from gateway.analyst.lint_paths import lint_paths
    from gateway.mapping.pack import load_pack

    found = sorted(finding_of(problem, "CG003") for problem in packs.problems)
    if not packs.rules.is_dir() and packs.problems:
        return found  # that there is no such folder is told already
    try:
        pack = load_pack(packs.mappings)
    except ConfigError as error:
        broken = [finding_of(problem, "CG002") for problem in error.problems]
        return [*found, *broken, *lint_paths(packs.mappings), *lint_rules(packs.rules)]
    strange = () if packs.sources is None else pack.check_sources(packs.sources)
    found += [finding_of(problem, "CG002") for problem in strange]
    rules = lint_rules(packs.rules, events=pack.kinds(), codes=pack.words())
    return [*found, *lint_paths(packs.mappings), *rules]


def run_tests(folder: Folder = None, config: site.Config = None, json: site.Json = False) -> None:
    """Run the tests beside rules and mappings.

    A failed expectation names the line that decided. Exit code 1 when one fails.

    Example: caregate test
    """
    from gateway.analyst import mapping_tests, rule_tests

    packs = _packs(folder, config, secrets=False)
    if packs.problems:
        note(f"caregate: {site.NAME} has {len(packs.problems)} mistakes; `caregate lint` tells them")
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
