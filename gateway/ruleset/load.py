"""A rule folder becomes a RuleSet, or one error with every problem in it at its file, line and column.

The digest is taken over the very bytes that were read and understood, so it cannot name anything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from gateway.model.errors import ConfigError
from gateway.model.policy import Policy
from gateway.model.rule import Rule
from gateway.ruleset.index import RuleSet
from gateway.ruleset.list_file import Lists, read_lists
from gateway.ruleset.policy_file import read_policy
from gateway.ruleset.rule_file import PARTS, TEMPLATES, read_rule
from gateway.yamlfile import Node, load_bytes

POLICY = "policy.yaml"
LISTS = "lists.yaml"
TEST_SUFFIX = ".test.yaml"


def load(folder: Path) -> RuleSet:
    """Read rules, policy and templates of `folder`. Raises ConfigError with all problems, never some."""
    problems: list[str] = []
    return _understood(folder, _files(folder, problems), problems)


def read_files(folder: Path) -> dict[str, bytes]:
    """The bytes that decide, by name relative to `folder` (with /): what `load_files` takes. Raises ConfigError."""
    problems: list[str] = []
    files = _files(folder, problems)
    if problems:
        raise ConfigError(*problems)
    return {path.relative_to(folder).as_posix(): raw for path, raw in files.items()}


def load_files(folder: Path, files: Mapping[str, bytes]) -> RuleSet:
    """As `load`, of bytes already read; `folder` is where they would lie, for messages. Raises ConfigError."""
    return _understood(folder, {folder / name: files[name] for name in sorted(files)}, [])


def sound(folder: Path) -> tuple[RuleSet | None, tuple[str, ...]]:
    """The rules whose files are whole, and every problem of the others: for the lint, never to be put in force.

    None where more than rules is wrong (policy, lists): what the others mean would then be a guess.
    """
    problems: list[str] = []
    return _sound(folder, _files(folder, problems), problems), tuple(problems)


def _understood(folder: Path, files: Mapping[Path, bytes], problems: list[str]) -> RuleSet:
    found = _sound(folder, files, problems)
    if problems or found is None:
        raise ConfigError(*problems)
    return found


def _sound(folder: Path, files: Mapping[Path, bytes], problems: list[str]) -> RuleSet | None:
    templates = _templates(folder, files)
    lists = _lists(folder, files, problems)
    policy = _policy(folder, files, lists, problems)
    certain = not problems
    rules = [
        rule
        for path in sorted(files)
        if _is_rule(folder, path) and (rule := _rule(path, files[path], templates, lists, problems)) is not None
    ]
    if policy is None or not certain:
        return None
    return RuleSet.of(rules, policy, templates, digest=_digest(folder, files), folder=folder, lists=lists)


def rule_files(folder: Path) -> list[Path]:
    """The rule files of a folder, sorted by name: *.yaml without policy, lists, *.test.yaml and hidden ones."""
    return sorted(path for path in folder.glob("*.yaml") if _is_rule(folder, path))


def _is_rule(folder: Path, path: Path) -> bool:
    name = path.name
    if path.parent != folder or path.suffix != ".yaml" or name.startswith("."):
        return False
    return name not in (POLICY, LISTS) and not name.endswith(TEST_SUFFIX)


def _files(folder: Path, problems: list[str]) -> dict[Path, bytes]:
    """What decides: rules, lists, policy, templates. Tests and README files beside them do not."""
    found = {}
    lists = [path for path in (folder / LISTS,) if path.exists()]
    for path in [*rule_files(folder), *lists, folder / POLICY, *template_files(folder / TEMPLATES)]:
        if path.is_symlink() and path.parent != folder and not path.resolve().is_relative_to(folder.resolve()):
            problems.append(f"{path}:1:1: leads out of the rule folder: what it shows would be sent to patients")
            continue
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


def _rule(path: Path, raw: bytes, templates: Mapping[str, str], lists: Lists, problems: list[str]) -> Rule | None:
    try:
        node: Node = load_bytes(raw, path)
    except ConfigError as error:
        problems.extend(error.problems)
        return None
    return read_rule(path, node, templates, lists, problems)


def _lists(folder: Path, files: Mapping[Path, bytes], problems: list[str]) -> Lists:
    """Named lists; none when there is no such file, or after adding what is wrong with it."""
    path = folder / LISTS
    if path not in files:
        return {}
    node: Node | None = None
    try:
        node = load_bytes(files[path], path)
        return read_lists(node)
    except ConfigError as error:
        problems.extend(error.problems)
        told = None if node is None else node.get("lists")
        return dict.fromkeys(told.keys if told is not None else (), frozenset())  # so that not every use complains too


def _policy(folder: Path, files: Mapping[Path, bytes], lists: Lists, problems: list[str]) -> Policy | None:
    path = folder / POLICY
    if path not in files:
        return None
    try:
        return read_policy(load_bytes(files[path], path), lists)
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
    return digest_of({path.relative_to(folder).as_posix(): raw for path, raw in files.items()})


def digest_of(files: Mapping[str, bytes]) -> str:
    """Hex SHA-256 over names and bytes, each with its length, in the order of the names."""
    digest = hashlib.sha256()
    for name, raw in sorted(files.items()):
        for part in (name.encode(), raw):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
