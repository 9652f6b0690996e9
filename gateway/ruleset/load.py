"""A rule folder becomes a RuleSet, or one error with every problem in it at its file, line and column.

The digest is taken over the very bytes that were read and understood, so it cannot name anything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.model.errors import ConfigError
from gateway.model.policy import Policy
from gateway.model.rule import Rule
from gateway.ruleset.index import RuleSet
from gateway.ruleset.policy_file import read_policy
from gateway.ruleset.rule_file import PARTS, TEMPLATES, read_rule
from gateway.yamlfile import Node, load_bytes

POLICY = "policy.yaml"
TEST_SUFFIX = ".test.yaml"


def load(folder: Path) -> RuleSet:
    """Read rules, policy and templates of `folder`. Raises ConfigError with all problems, never some."""
    problems: list[str] = []
    files = _files(folder, problems)
    templates = _templates(folder, files)
    policy = _policy(folder, files, problems)
    rules = [
        rule
        for path in rule_files(folder)
        if path in files and (rule := _rule(path, files[path], templates, problems)) is not None
    ]
    if problems or policy is None:
        raise ConfigError(*problems)
    return RuleSet.of(rules, policy, templates, digest=_digest(folder, files), folder=folder)


def rule_files(folder: Path) -> list[Path]:
    """The rule files of a folder, sorted by name: *.yaml without policy.yaml, *.test.yaml and hidden ones."""
    found = (path for path in folder.glob("*.yaml") if not path.name.startswith("."))
    return sorted(path for path in found if path.name != POLICY and not path.name.endswith(TEST_SUFFIX))


def _files(folder: Path, problems: list[str]) -> dict[Path, bytes]:
    """What decides: rules, policy, templates. Tests and README files beside them do not."""
    found = {}
    for path in [*rule_files(folder), folder / POLICY, *template_files(folder / TEMPLATES)]:
        try:
            found[path] = path.read_bytes()
        except FileNotFoundError:
            problems.append(f"{path}:1:1: there is no such file")
        except OSError as error:
            problems.append(f"{path}:1:1: cannot be read: {error.strerror}")
    return found


def template_files(folder: Path) -> list[Path]:
    """Every file below a templates folder, hidden ones left out, sorted."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _rule(path: Path, raw: bytes, templates: Mapping[str, str], problems: list[str]) -> Rule | None:
    try:
        node: Node = load_bytes(raw, path)
    except ConfigError as error:
        problems.extend(error.problems)
        return None
    return read_rule(path, node, templates, problems)


def _policy(folder: Path, files: Mapping[Path, bytes], problems: list[str]) -> Policy | None:
    path = folder / POLICY
    if path not in files:
        return None
    try:
        return read_policy(load_bytes(files[path], path))
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _templates(folder: Path, files: Mapping[Path, bytes]) -> dict[str, str]:
    """Digest by name of every template that has all its PARTS."""
    root = folder / TEMPLATES
    found: dict[str, dict[Path, bytes]] = {}
    for path, raw in files.items():
        if path.is_relative_to(root) and path.parent != root:
            found.setdefault(path.relative_to(root).parts[0], {})[path] = raw
    return {
        name: _digest(root / name, mine)
        for name, mine in sorted(found.items())
        if all(root / name / part in mine for part in PARTS)
    }


def _digest(folder: Path, files: Mapping[Path, bytes]) -> str:
    """Hex SHA-256 over names and bytes, each with its length, in the order of the names."""
    digest = hashlib.sha256()
    named: Iterable[tuple[str, bytes]] = ((path.relative_to(folder).as_posix(), raw) for path, raw in files.items())
    for name, raw in sorted(named):
        for part in (name.encode(), raw):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
