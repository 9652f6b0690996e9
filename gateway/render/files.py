"""The template files of a rule set as they stood when it was read: what is edited later changes nothing until activated."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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

    def variant_for(self, language: str) -> str:
        """The variant for a BCP 47 tag: its own folder, else its primary language's, else ""."""
        parts = language.replace("_", "-").lower().split("-")
        by_tag = {tag.lower(): tag for tag in self.variants}
        tags = ("-".join(parts[:end]) for end in range(len(parts), 0, -1))
        return next((by_tag[tag] for tag in tags if tag in by_tag), "")


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


def _read(folder: Path, problems: list[str]) -> TemplateFiles:
    variants: dict[str, dict[str, str]] = {"": {}}
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        relative = path.relative_to(folder)
        if path.is_dir() or any(part.startswith(".") for part in relative.parts):
            continue
        raw = _bytes(path, folder, problems)
        if raw is None:
            continue
        for part in (relative.as_posix().encode(), raw):
            digest.update(len(part).to_bytes(8, "big") + part)
        variants.setdefault(relative.parent.as_posix().strip("."), {})[path.name] = raw.decode()
    return TemplateFiles(name=folder.name, variants=variants, digest=digest.hexdigest())


def _bytes(path: Path, folder: Path, problems: list[str]) -> bytes | None:
    """The file's bytes, or None with the problem noted."""
    language = path.parent.relative_to(folder).as_posix()
    if not path.resolve().is_relative_to(folder.resolve()):
        problems.append(f"{path}: lies outside its template's folder")
    elif path.suffix not in (".txt", ".html"):
        problems.append(f"{path}: a template holds .txt and .html files only")
    elif language != "." and not _TAG(language):
        problems.append(f"{path}: {language} is not a language tag such as es or pt-BR")
    elif path.stat().st_size > LARGEST:
        problems.append(f"{path}: larger than {LARGEST} bytes")
    else:
        try:
            raw = path.read_bytes()
            raw.decode()
        except (OSError, UnicodeDecodeError):
            problems.append(f"{path}: cannot be read as UTF-8")
        else:
            return raw
    return None
