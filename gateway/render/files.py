"""The template files of a rule set as they stood when it was read: what is edited later changes nothing until activated."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from gateway.model.errors import ConfigError

LARGEST = 64 * 1024  # bytes of one file
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}").fullmatch
_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateFiles:
    """One template: `variants` by language ("" is the folder itself), each file name → source; `digest` over all."""

    name: str
    variants: Mapping[str, Mapping[str, str]]
    digest: str

    def variants_for(self, language: str) -> tuple[str, ...]:
        """The variants for a BCP 47 tag, nearest first: its own folder, its primary language's, and "" at last."""
        parts = language.replace("_", "-").lower().split("-")
        by_tag = {tag.lower(): tag for tag in self.variants}
        tags = ("-".join(parts[:end]) for end in range(len(parts), 0, -1))
        return (*(by_tag[tag] for tag in tags if tag in by_tag), "")


def read_templates(folder: Path) -> dict[str, TemplateFiles]:
    """Every template under `folder`; none if there is no such folder.

    Raises ConfigError with every file that is too large, not UTF-8, not .txt or .html, or outside the folder.
    """
    problems: list[str] = []
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith(".") or not path.is_dir():
            continue
        if not _NAME(path.name):
            problems.append(f"{path}: a template's name is lower-case letters, digits, - and _")
            continue
        found[path.name] = _read(path, problems)
    if problems:
        raise ConfigError(*problems)
    return found


def templates_of(files: Mapping[str, bytes]) -> dict[str, TemplateFiles]:
    """As `read_templates`, of bytes already read: by name relative to the templates folder (with /).

    Raises ConfigError for what is too large, not UTF-8, or no template's.
    """
    problems: list[str] = []
    found: dict[str, list[tuple[str, bytes]]] = {}
    for name in sorted(files):
        template, _, file = name.partition("/")
        if not file:
            continue  # beside the templates, a README say
        if not _NAME(template):
            problems.append(f"{template}: a template's name is lower-case letters, digits, - and _")
        elif (wrong := _wrong(PurePosixPath(file), len(files[name]))) or not _is_text(files[name]):
            problems.append(f"{name}: {wrong or 'cannot be read as UTF-8'}")
        else:
            found.setdefault(template, []).append((file, files[name]))
    if problems:
        raise ConfigError(*problems)
    return {name: _made(name, told) for name, told in found.items()}


def _made(name: str, files: Iterable[tuple[str, bytes]]) -> TemplateFiles:
    """One template of its files, in the order of their names."""
    variants: dict[str, dict[str, str]] = {"": {}}
    digest = hashlib.sha256()
    for relative, raw in files:
        for part in (relative.encode(), raw):
            digest.update(len(part).to_bytes(8, "big") + part)
        path = PurePosixPath(relative)
        variants.setdefault(path.parent.as_posix().strip("."), {})[path.name] = raw.decode()
    return TemplateFiles(name=name, variants=variants, digest=digest.hexdigest())


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _wrong(relative: PurePath, size: int) -> str | None:
    """What is wrong with a file of a template by its name and size."""
    language = relative.parent.as_posix()
    if relative.suffix not in (".txt", ".html"):
        return "a template holds .txt and .html files only"
    if language != "." and not _TAG(language):
        return f"{language} is not a language tag such as es or pt-BR"
    return f"larger than {LARGEST} bytes" if size > LARGEST else None


def _read(folder: Path, problems: list[str]) -> TemplateFiles:
    found = []
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        relative = path.relative_to(folder)
        if path.is_dir() or any(part.startswith(".") for part in relative.parts):
            continue
        raw = _bytes(path, folder, problems)
        if raw is None:
            continue
        found.append((relative.as_posix(), raw))
    return _made(folder.name, found)


def _bytes(path: Path, folder: Path, problems: list[str]) -> bytes | None:
    """The file's bytes, or None with the problem noted."""
    if not path.resolve().is_relative_to(folder.resolve()):
        problems.append(f"{path}: lies outside its template's folder")
    elif wrong := _wrong(path.relative_to(folder), path.stat().st_size):
        problems.append(f"{path}: {wrong}")
    else:
        try:
            raw = path.read_bytes()
            raw.decode()
        except (OSError, UnicodeDecodeError):
            problems.append(f"{path}: cannot be read as UTF-8")
        else:
            return raw
    return None
