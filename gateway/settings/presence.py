"""What caregate.yaml names must be there: key file, rule folder, overlays, signed heads' folder, watched folders, agreements; looked for by lint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.model.when import Millis
from gateway.ports import SystemClock
from gateway.settings.sections import SiteFile
from gateway.settings.settings import agreement_of
from gateway.yamlfile import Node


def absent(root: Node, file: SiteFile, base: Path) -> Iterator[str]:
    """One "file:line:column: sentence" for each file or folder that is named, or needed by default, and is not there."""
    if not (base / file.keys.file).is_file():
        yield f"{_at(root, 'keys')}: there is no key file {file.keys.file}; restore it from its backup (`caregate init` makes a new site with keys of its own)"
    if file.keys.pkcs11 is not None and not (base / file.keys.pkcs11.module).is_file():
        yield f"{_at(root, 'keys', 'pkcs11', 'module')}: there is no library {file.keys.pkcs11.module}; is the token's software installed?"
    if not (base / file.rules).is_dir():
        yield f"{_at(root, 'rules')}: there is no rule folder {file.rules}"
    if root.get("mappings") is not None and not (base / file.mappings).is_dir():
        yield f"{_at(root, 'mappings')}: there is no folder {file.mappings}; leave `mappings` out when nothing differs from the shipped ones"
    if file.audit.heads is not None and not (base / file.audit.heads).parent.is_dir():
        yield f"{_at(root, 'audit', 'heads')}: the folder of {file.audit.heads} is not there (is the other host's disk mounted?)"
    yield from _watched(root, file, base)
    yield from _agreements(root, file, SystemClock().now())
    for name, one in file.api.tls or ():
        if one is not None and not (base / one).is_file():
            yield f"{_at(root, 'api', 'tls', name)}: there is no file {one}"


def _watched(root: Node, file: SiteFile, base: Path) -> Iterator[str]:
    """The folder that a source watches: the gateway does not make it, for a file server not mounted looks the same."""
    for name, source in file.sources.items():
        told = (source.model_extra or {}).get("path")
        if source.kind in ("folder", "tables") and isinstance(told, str) and told and not (base / told).is_dir():
            yield f"{_at(root, 'sources', name, 'path')}: this folder is not there; make it, or correct `path` (is the file server mounted?)"


def _agreements(root: Node, file: SiteFile, now: Millis) -> Iterator[str]:
    """Channels that hand over nothing, or soon nothing: no agreement is on file and in force (45 CFR 164.308(b))."""
    for name, channel in file.channels.items():
        told, place = agreement_of(channel.agreement), _at(root, "channels", name, "agreement")
        if told is None and channel.kind != "portal":
            yield f"{place}: channel {name} has no `agreement`, and without one nothing leaves by it: tell party, signed and expires, or `none_needed` and why"
        elif told is not None and told.ends_within(now, 0):
            yield f"{place}: this agreement is over, and nothing leaves by channel {name}"
        elif told is not None and told.ends_within(now, 30):
            yield f"{place}: this agreement ends within 30 days; then nothing leaves by channel {name}"


def _at(root: Node, *path: str) -> str:
    return (root.get(*path) or root).place
