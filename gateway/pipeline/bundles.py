"""The bytes of a rule set as the database keeps them: what comes out is what went in, or nothing is loaded."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.model.errors import ConfigError, StoreError
from gateway.render.templates import Templates
from gateway.ruleset.index import RuleSet
from gateway.ruleset.load import digest_of, load_files
from gateway.ruleset.rule_file import TEMPLATES

LARGEST = 64 * 1024 * 1024
"""Bytes of all files together; five hundred rules and their templates are a thirtieth of it."""

_PREFIX = f"{TEMPLATES}/"
_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode


def pack(files: Mapping[str, bytes]) -> bytes:
    """Files by name as one blob; the same files give the same blob. ConfigError: they are too large to be rules."""
    told = msgspec.msgpack.encode({name: files[name] for name in sorted(files)})
    if len(told) > LARGEST:
        raise ConfigError(f"the rule folder holds more than {LARGEST} bytes")
    return zlib.compress(told)


def unpack(blob: bytes, digest: str) -> dict[str, bytes]:
    """The files of a blob, by names that stay within a folder. StoreError: damaged, or not what its digest says."""
    try:
        inflate = zlib.decompressobj()
        told = inflate.decompress(blob, LARGEST)
        files = _decode(told) if inflate.eof else {}
    except (zlib.error, msgspec.DecodeError):
        files = {}
    if not files or not all(map(_stays, files)):
        raise StoreError("a stored rule set is damaged")
    if digest_of(files) != digest:
        raise StoreError(f"the stored rule set {digest[:12]} is not what its digest says")
    return files


def _stays(name: str) -> bool:
    """Whether a name leads to one place below a folder, and to no other as it is written."""
    return not any(part in ("", ".", "..") for part in name.split("/")) and "\0" not in name


def compiled(files: Mapping[str, bytes], folder: Path) -> tuple[RuleSet, Templates]:
    """Rules and templates of these bytes; `folder` is named in messages only. Raises ConfigError."""
    ruleset = load_files(folder, files)
    mine = {name.removeprefix(_PREFIX): raw for name, raw in files.items() if name.startswith(_PREFIX)}
    return ruleset, Templates(mine, default_language=ruleset.policy.language)


def opened(blob: bytes, digest: str, folder: Path) -> tuple[RuleSet, Templates]:
    """A stored rule set, checked against its digest. StoreError: damaged, or this version cannot read it."""
    files = unpack(blob, digest)
    try:
        return compiled(files, folder)
    except ConfigError:
        raise StoreError(f"the rule set {digest[:12]} in force cannot be read by this version of caregate") from None
