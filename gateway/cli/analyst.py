"""`caregate lint` and `caregate test`: the analyst's two questions, answered without a database, a feed or a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from gateway.analyst.finding_formats import Shape
from gateway.cli import findings as printed
from gateway.cli import site
from gateway.cli.terminal import emit, note, say
from gateway.model.errors import CommandError, ConfigError
from gateway.model.when import to_datetime
from gateway.ports import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.analyst.findings import Finding
    from gateway.analyst.mapping_coverage import Tried
    from gateway.analyst.rule_tests import Result, Suite
    from gateway.mapping.pack import Pack

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]", help="A folder with rules/ or mappings/; default: the site, else the shipped packs."
    ),
]


@dataclass(frozen=True, slots=True)
class Packs:
    """What is looked at: a rule folder, mapping folders in the order they are read, and what the configuration gets wrong.

    `sources`: those of the configuration `config`; both None without one. `rows`: of its sources of rows, the mapping and where.
    """

    rules: Path
    mappings: tuple[Path, ...]
    problems: tuple[str, ...] = ()
    sources: frozenset[str] | None = None
    rows: Mapping[str, tuple[str, str]] = field(default_factory=dict)
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
    problems = (*seen.problems, *wrong_sections(seen.sections, seen.time_limit, seen.senders))
    packs = _of(seen.rules, own, seen.mappings, tuple(dict.fromkeys(problems)))
    sources = frozenset(one.name for one in seen.sections if one.group == "sources")
    return replace(packs, config=config, sources=sources, rows=seen.rows)


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
    shape: printed.Format = None,
) -> None:
    """Check configuration, rules, templates, mappings.

    Problems with file, line and column, a kind at a time: wrong settings and connector options, files and variables that
    are named and not there, rules that cannot do what they say. Exit code 1 when there is one.

    Examples: caregate lint · caregate lint --no-secrets · caregate lint --format github
    """
    how = printed.shape(shape, json=json)
    packs = _packs(folder, config, secrets=not no_secrets)
    findings = _findings(packs)
    printed.show(findings, how)
    if how is Shape.TEXT:
        looked = f"{packs.rules} and {' + '.join(map(str, packs.mappings))}"
        if packs.config is not None:
            looked = f"{packs.config}, {looked}"
        note(f"{looked}: {f'{len(findings)} to mend' if findings else 'nothing to mend'}")
    if findings:
        raise typer.Exit(1)


def _findings(packs: Packs) -> list[Finding]:
    """What is wrong with the configuration, with the rules as seen with the mappings in use, and with those."""
    from gateway.analyst.findings import finding_of
    from gateway.analyst.lint import lint as lint_rules
    from gateway.analyst.lint_paths import lint_paths
    from gateway.mapping.pack import load_pack

    found = sorted(finding_of(problem, "CG003") for problem in packs.problems)
    if not packs.rules.is_dir() and packs.problems:
        return found  # that there is no such folder is told already
    today = to_datetime(SystemClock().now()).date()
    try:
        pack = load_pack(packs.mappings)
    except ConfigError as error:
        broken = sorted(finding_of(problem, "CG002") for problem in error.problems)
        return [*found, *broken, *lint_paths(packs.mappings), *lint_rules(packs.rules, today=today)]
    strange = () if packs.sources is None else (*pack.check_sources(packs.sources), *pack.check_mappings(packs.rows))
    found += [finding_of(problem, "CG002") for problem in strange]
    rules = lint_rules(packs.rules, events=pack.kinds(), codes=pack.words(), triggers=_triggers(pack), today=today)
    return [*found, *lint_paths(packs.mappings), *rules]


def _triggers(pack: Pack) -> dict[str, frozenset[str]]:
    """By message type, the kinds of event it may become."""
    found: dict[str, frozenset[str]] = {}
    for family in (family for one in pack.every for family in one.families.values()):
        for type_, trigger in family.messages.items():
            every = (trigger, *trigger.when.values())
            kinds = frozenset(one.event.value for one in every if one.event is not None and one.event.fires)
            found[type_] = found.get(type_, frozenset()) | kinds
    for rows in (rows for one in pack.every for rows in one.rows.values()):
        found[rows.name] = found.get(rows.name, frozenset()) | {kind.value for kind in rows.kinds}
    for resource in (resource for one in pack.every for resource in one.resources.values()):
        kinds = frozenset(
            one.event.value for one in resource.when.values() if one.event is not None and one.event.fires
        )
        found[resource.resource] = found.get(resource.resource, frozenset()) | kinds
    return found


def run_tests(
    folder: Folder = None,
    config: site.Config = None,
    json: site.Json = False,
    coverage: printed.Coverage = False,
    require_coverage: printed.Required = None,
) -> None:
    """Run the tests beside rules and mappings.

    A failed expectation names the line that decided. Exit code 1 when one fails.

    Examples: caregate test · caregate test --coverage · caregate test --require-coverage 100
    """
    from gateway.analyst import mapping_tests, rule_tests
    from gateway.analyst.mapping_coverage import Tried
    from gateway.mapping.pack import load_pack

    packs = _packs(folder, config, secrets=False)
    if packs.problems:
        note(f"caregate: {site.NAME} has {len(packs.problems)} mistakes; `caregate lint` tells them")
    suite, tried = rule_tests.read(packs.rules, load_pack(packs.mappings).sensitivity), list[Tried]()
    of_rules = list(rule_tests.run_suite(suite))
    results: list[Tested] = [*of_rules, *mapping_tests.run(packs.mappings, tried)]
    failed = [result for result in results if result.failures]
    if json:
        for result in results:
            emit(result)
    else:
        for result in failed:
            more = f" (and {len(result.failures) - 1} more)" if len(result.failures) > 1 else ""
            say(f"{result.file}:{result.line}: {result.name}: {result.failures[0]}{more}")
        say(f"{len(results)} tests, {len(failed)} failed")
    short = False
    if coverage or require_coverage is not None:
        short = _coverage(packs, suite, of_rules, tried, listed=coverage, required=require_coverage, json=json)
    if failed or short:
        raise typer.Exit(1)


def _coverage(
    packs: Packs,
    suite: Suite,
    results: Sequence[Result],
    tried: list[Tried],
    *,
    listed: bool,
    required: int | None,
    json: bool,
) -> bool:
    """Say what no test decided; whether that is more than was allowed."""
    from gateway.analyst import condition_coverage, mapping_coverage, rule_tests

    conditions = condition_coverage.uncovered(suite.rules, rule_tests.passed(suite, results))
    percent = condition_coverage.percent(suite.rules, conditions)
    unread = mapping_coverage.unread(packs.mappings, tried)
    read = mapping_coverage.percent(packs.mappings, unread)
    if json:
        for one in (*conditions, *unread):
            emit(one)
        return required is not None and min(percent, read) < required
    return printed.coverage(conditions, unread, percent, read, listed=listed, required=required)
