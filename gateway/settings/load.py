"""Reads caregate.yaml: every problem is found in one go and told as file:line:column; a setting is never guessed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from gateway.model.errors import ConfigError
from gateway.model.party import Location, Organization
from gateway.settings import environment
from gateway.settings.references import broken
from gateway.settings.secrets import Secrets
from gateway.settings.sections import ApiSection, ChannelSection, SiteFile, SourceSection
from gateway.settings.settings import ChannelSettings, Settings, SourceSettings
from gateway.yamlfile import Node, load_text, validate_node
from gateway.yamlfile import load as load_file


def load(path: Path, *, environ: Mapping[str, str] | None = None, secrets: bool = True) -> Settings:
    """Read and check a configuration file; raises ConfigError with all problems.

    `environ` (default: the process's) may override what `gateway.settings.environment` documents.
    `secrets=False` leaves env: and file: references as they are: to lint or show, never to run.
    """
    return _checked(load_file(path), path.absolute(), os.environ if environ is None else environ, secrets=secrets)


def loads(text: str, path: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """As `load`, from text; `path` is where the file would be (relative paths start in its folder)."""
    return _checked(load_text(text, path), path.absolute(), environ or {}, secrets=True)


def _checked(root: Node, path: Path, environ: Mapping[str, str], *, secrets: bool) -> Settings:
    file = validate_node(SiteFile, root)
    site = _Site(root, file, path, environ, Secrets(path.parent, environ, resolve=secrets))
    options = site.options()
    urls = (
        site.url("database", file.database, environment.DATABASE),
        site.url("broker", file.broker, environment.BROKER),
    )
    problems = [*broken(root, file), *site.secrets.problems]
    problems += environment.unknown_variables(environ, site.secrets.named)
    if problems:
        raise ConfigError(*problems)
    return site.settings(options, *urls)


class _Site:
    """One file on its way to Settings."""

    def __init__(self, root: Node, file: SiteFile, path: Path, environ: Mapping[str, str], secrets: Secrets) -> None:
        self._root = root
        self._file = file
        self._path = path
        self._environ = environ
        self.secrets = secrets

    def options(self) -> dict[tuple[str, str], dict[str, object]]:
        """The connectors' own keys by ("sources" or "channels", name)."""
        ours = {"sources": frozenset(SourceSection.model_fields), "channels": frozenset(ChannelSection.model_fields)}
        return {
            (group, name): self.secrets.options(section, keys)
            for group, keys in ours.items()
            for name, section in self._sections(group).items()
        }

    def _sections(self, group: str) -> Mapping[str, Node]:
        node = self._root.get(group)
        return node.value if node is not None and isinstance(node.value, Mapping) else {}

    def url(self, key: str, default: str, variable: str) -> str:
        """A URL from the environment, else from the file."""
        node = self._root.get(key)
        if self._environ.get(variable):
            return self._environ[variable]
        return default if node is None else self.secrets.url(node)

    def settings(self, options: Mapping[tuple[str, str], Mapping[str, object]], database: str, broker: str) -> Settings:
        """The whole, once nothing is wrong with it."""
        file, base = self._file, self._path.parent
        listed = file.allowed_recipients
        return Settings(
            path=self._path,
            environment=file.environment,
            allowed_recipients=None if listed is None else frozenset(address.lower() for address in listed),
            organizations={name: self._organization(name) for name in file.organizations},
            locations={name: self._location(name) for name in file.locations},
            sources={name: self._source(name, options["sources", name]) for name in file.sources},
            channels={name: self._channel(name, options["channels", name]) for name in file.channels},
            database_url=_absolute(database, base),
            broker_url=broker,
            keys=base / file.keys,
            rules=base / file.rules,
            mappings=base / file.mappings,
            audit_heads=base / file.audit.heads if file.audit.heads else None,
            retention=file.retention,
            intake=file.intake,
            worker=file.worker,
            api=self._api(),
            file=file,
        )

    def _organization(self, name: str) -> Organization:
        told = self._file.organizations[name].model_dump()
        return Organization(id=name, **{**told, "postal_address": told["postal_address"] or ""})

    def _location(self, name: str) -> Location:
        told = self._file.locations[name]
        return Location(
            id=name,
            name=told.name,
            organization=told.organization,
            zone=told.zone or self._file.organizations[told.organization].zone,
            callback=told.callback,
            sensitive=told.sensitive,
        )

    def _source(self, name: str, options: Mapping[str, object]) -> SourceSettings:
        told = self._file.sources[name]
        codes = {code: place for place, location in self._file.locations.items() for code in location.codes}
        return SourceSettings(
            name=name,
            kind=told.kind,
            where=self._where("sources", name),
            organization=told.organization,
            zone=told.zone or self._file.organizations[told.organization].zone,
            charset=told.charset,
            charset_fallbacks=told.charset_fallbacks,
            authority=told.authority,
            region=told.region,
            locations={**codes, **told.locations},
            test_identifiers=frozenset(told.test_identifiers),
            not_vip=frozenset(told.not_vip),
            quarantine_ack=told.quarantine_ack,
            held=told.start == "held",
            strict=told.strict,
            options=options,
        )

    def _channel(self, name: str, options: Mapping[str, object]) -> ChannelSettings:
        kind = self._file.channels[name].kind
        return ChannelSettings(name=name, kind=kind, where=self._where("channels", name), options=options)

    def _where(self, group: str, name: str) -> str:
        node = self._root.get(group)
        return node.key_place(name) if node is not None else self._root.place

    def _api(self) -> ApiSection:
        told = self._file.api.model_dump()
        for key, variable in (("bind", environment.API_BIND), ("port", environment.API_PORT)):
            told[key] = self._environ.get(variable) or told[key]
        try:
            return ApiSection.model_validate(told)
        except ValidationError:
            names = f"{environment.API_BIND} or {environment.API_PORT}"
            raise ConfigError(f"environment: {names} is not an address or a port") from None


def _absolute(url: str, base: Path) -> str:
    """SQLite's file, when relative, lies beside the configuration, wherever the command was called."""
    scheme, found, name = url.partition(":///")
    if scheme != "sqlite" or not found or not name or name.startswith("/"):
        return url
    return f"sqlite:///{base / name}"
