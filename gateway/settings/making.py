"""One configuration file on its way to Settings: sections for the connectors, URLs and paths made absolute, problems gathered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from gateway.model.errors import ConfigError
from gateway.model.event import Format, Release
from gateway.model.party import Location, Organization
from gateway.settings import environment
from gateway.settings.references import ROWS, broken
from gateway.settings.secrets import Secrets, is_reference
from gateway.settings.sections import (
    TOLD_TWICE,
    AlertSection,
    ApiSection,
    ChannelSection,
    KmsSection,
    Pkcs11Section,
    SinkSection,
    SiteFile,
    SourceSection,
    WriteBackSection,
)
from gateway.settings.settings import ChannelSettings, Section, Settings, SinkSettings, SourceSettings, agreement_of
from gateway.settings.urls import wrong_broker, wrong_database
from gateway.yamlfile import Node

_LISTED = {"alerts": ("alerts", "to")}


_FORMATS = {"fhir": Format.FHIR, **dict.fromkeys(ROWS, Format.TABLE)}
"""What a kind of source tells unless its section says otherwise; the others tell HL7 v2."""


class Making:
    """One file, its shape checked already. `environ` may override what `environment` documents."""

    def __init__(self, root: Node, file: SiteFile, path: Path, environ: Mapping[str, str], secrets: Secrets) -> None:
        self._root = root
        self._file = file
        self._path = path
        self._environ = environ
        self._secrets = secrets
        self._database, self._database_at = self._url("database", file.database, environment.DATABASE)
        self._broker, self._broker_at = self._url("broker", file.broker, environment.BROKER)
        pin = root.get("keys", "pkcs11", "pin")
        self._pin = None if pin is None else secrets.secret(pin)

    def sections(self) -> dict[tuple[str, str], Section]:
        """The connectors' parts by ("sources", "channels", "sinks" or "alerts", name)."""
        ours = {
            "sources": frozenset(SourceSection.model_fields) - TOLD_TWICE,
            "channels": frozenset(ChannelSection.model_fields),
            "sinks": frozenset(SinkSection.model_fields),
            "alerts": frozenset(AlertSection.model_fields),
        }
        found = {
            (group, name): self._section(group, name, node, keys)
            for group, keys in ours.items()
            for name, node in self._nodes(group).items()
        }
        for name, told in self._file.alerts.to.items():
            if told.channel is not None and ("channels", told.channel) in found:
                found["alerts", name] = _sharing(found["alerts", name], found["channels", told.channel])
        return found

    def _section(self, group: str, name: str, node: Node, keys: frozenset[str]) -> Section:
        file = self._file
        listed: dict[str, Mapping[str, SourceSection | ChannelSection | SinkSection | AlertSection]]
        listed = {"sources": file.sources, "channels": file.channels, "sinks": file.sinks, "alerts": file.alerts.to}
        options = self._secrets.options(node, keys)
        where = self._where(group, name)
        kind = listed[group][name].kind
        return Section(group=group, name=name, kind=kind, where=where, options=options, folder=self._path.parent)

    def _group(self, group: str) -> Node | None:
        """Where the connectors of a group are listed."""
        return self._root.get(*_LISTED.get(group, (group,)))

    def _nodes(self, group: str) -> Mapping[str, Node]:
        node = self._group(group)
        return node.value if node is not None and isinstance(node.value, Mapping) else {}

    def _url(self, key: str, default: str, variable: str) -> tuple[str, str]:
        """A URL from the environment, else from the file; and where it stands."""
        node = self._root.get(key)
        if self._environ.get(variable):
            return self._environ[variable], f"environment: {variable}"
        return (default, self._root.place) if node is None else (self._secrets.url(node), node.place)

    def problems(self) -> list[str]:
        """What is wrong between sections, with references, and with the environment; after `sections()`."""
        found = [*broken(self._root, self._file), *self._secrets.problems, *self._wrong_urls()]
        return [*found, *environment.unknown_variables(self._environ, self._secrets.named)]

    def _wrong_urls(self) -> Iterator[str]:
        """What is wrong with the two URLs, unless they are references that were not looked up."""
        if not is_reference(self._database):
            yield from wrong_database(self._database, self._database_at)
        if not is_reference(self._broker):
            yield from wrong_broker(self._broker, self._broker_at)

    def settings(self, sections: Mapping[tuple[str, str], Section]) -> Settings:
        """The whole, once nothing is wrong with it."""
        file, base = self._file, self._path.parent
        listed = file.allowed_recipients
        return Settings(
            path=self._path,
            environment=file.environment,
            allowed_recipients=None if listed is None else frozenset(address.lower() for address in listed),
            organizations={name: self._organization(name) for name in file.organizations},
            locations={name: self._location(name) for name in file.locations},
            sources={name: self._source(name, sections["sources", name]) for name in file.sources},
            channels={name: self._channel(name, sections["channels", name]) for name in file.channels},
            sinks={name: self._sink(name, sections["sinks", name]) for name in file.sinks},
            database_url=_absolute(self._database, base),
            broker_url=self._broker,
            keys=base / file.keys.file,
            keys_root=self._keys_root(),
            rules=base / file.rules,
            mappings=base / file.mappings,
            audit_heads=base / file.audit.heads if file.audit.heads else None,
            retention=file.retention,
            intake=file.intake,
            worker=file.worker,
            api=self._api(),
            alerts={name: sections["alerts", name] for name in file.alerts.to},
            alert_repeat=file.alerts.repeat,
            file=file,
        )

    def _keys_root(self) -> Pkcs11Section | KmsSection | None:
        """What guards the key file, with its PIN; a relative path of a library starts beside the configuration."""
        told = self._file.keys
        if told.pkcs11 is None:
            return told.kms
        found = {"module": self._path.parent / told.pkcs11.module, "pin": self._pin}
        return told.pkcs11.model_copy(update=found)

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

    def _source(self, name: str, section: Section) -> SourceSettings:
        told = self._file.sources[name]
        codes = {code: place for place, location in self._file.locations.items() for code in location.codes}
        return SourceSettings(
            name=name,
            kind=told.kind,
            where=section.where,
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
            watch=told.watch,
            format=told.format or _FORMATS.get(told.kind, Format.HL7V2),
            release=told.release or Release.R4,
            base=told.base or "",
            also=tuple(one.rstrip("/") for one in told.also or ()),
            systems=told.systems,
            mapping=told.mapping or "",
            guard=told.guard,
            write_back=told.write_back or WriteBackSection(),
            options=_plain(section),
            section=section,
        )

    def _channel(self, name: str, section: Section) -> ChannelSettings:
        return ChannelSettings(
            name=name,
            kind=section.kind,
            where=section.where,
            pace=self._file.channels[name].pace,
            options=_plain(section),
            section=section,
            agreement=agreement_of(self._file.channels[name].agreement),
        )

    def _sink(self, name: str, section: Section) -> SinkSettings:
        told = self._file.sinks[name]
        return SinkSettings(name=name, told=told, section=section, agreement=agreement_of(told.agreement))

    def _where(self, group: str, name: str) -> str:
        node = self._group(group)
        return node.key_place(name) if node is not None else self._root.place

    def _api(self) -> ApiSection:
        told = self._file.api.model_dump()
        for key, variable in (("bind", environment.API_BIND), ("port", environment.API_PORT)):
            told[key] = self._environ.get(variable) or told[key]
        if told["tls"] is not None:
            told["tls"] = {name: file and self._path.parent / file for name, file in told["tls"].items()}
        try:
            return ApiSection.model_validate(told)
        except ValidationError:
            names = f"{environment.API_BIND} or {environment.API_PORT}"
            raise ConfigError(f"environment: {names} is not an address or a port") from None


def _sharing(section: Section, channel: Section) -> Section:
    """A way to tell staff with the options of a channel, its own going before."""
    shared, own = channel.options.value, section.options.value
    assert isinstance(shared, Mapping)
    assert isinstance(own, Mapping)
    return replace(section, options=replace(section.options, value={**shared, **own}))


def _plain(section: Section) -> Mapping[str, object]:
    found = section.options.plain()
    assert isinstance(found, dict)
    return found


def _absolute(url: str, base: Path) -> str:
    """SQLite's file, when relative, lies beside the configuration, wherever the command was called."""
    scheme, found, name = url.partition(":///")
    if scheme != "sqlite" or not found or not name or name.startswith("/"):
        return url
    return f"sqlite:///{base / name}"
