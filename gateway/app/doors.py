"""What connectors serve over HTTP is collected here: each path once, and none on a door that is not safe enough for it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from gateway.app.sections import placed
from gateway.model.errors import ConfigError
from gateway.ports import Door, Route, Serves, Source
from gateway.settings import Settings

if TYPE_CHECKING:  # a process that only listens does not load the framework
    from gateway.api.certificates import Certificates


def door_of(settings: Settings) -> Door:
    """How the API's server can be reached."""
    api = settings.api
    certificates = api.tls is not None and api.tls.client_ca is not None
    return Door(loopback=_is_loopback(api.bind), tls=api.tls is not None, certificates=certificates)


def certificates_of(settings: Settings) -> Certificates | None:
    """Its TLS, if it has any. Raises ConfigError when the files cannot be used."""
    from gateway.api.certificates import Certificates

    tls = settings.api.tls
    return None if tls is None else Certificates(tls.certificate, tls.key, tls.client_ca)


def routes_of(settings: Settings, sources: Iterable[Source]) -> list[Route]:
    """What the sources have mounted. Raises ConfigError, with file and line, for an unsafe door or a path told twice."""
    door, found, problems = door_of(settings), dict[str, Route](), list[str]()
    for source in sources:
        if isinstance(source, Serves):
            section = settings.sources[source.name].section
            try:
                routes = source.routes(door)
            except ConfigError as error:
                problems += [placed(section, problem) for problem in error.problems]
                continue
            twice = [route.path for route in routes if route.path in found]
            problems += [f"{section.where}: another source has the path {path} already" for path in twice]
            found |= {route.path: route for route in routes}
    if problems:
        raise ConfigError(*problems)
    return list(found.values())


def _is_loopback(bind: str) -> bool:
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"
