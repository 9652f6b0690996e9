"""What connectors serve over HTTP is collected here: each path once, and none on a door that is not safe enough for it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from gateway.app.assembly import Gateway, portal_of
from gateway.app.sections import placed
from gateway.model.errors import ConfigError
from gateway.ports import Channel, Door, Route, Routes, Serves, Source
from gateway.settings import Section, Settings

if TYPE_CHECKING:  # a process that only listens does not load the framework
    from gateway.api.certificates import Certificates
    from gateway.app.assembly import Gateway


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


def routes_of(settings: Settings, connectors: Iterable[Source | Channel]) -> list[Route]:
    """What connectors have mounted. Raises ConfigError, with file and line, for an unsafe door or a path told twice."""
    door, found, problems = door_of(settings), dict[str, Route](), list[str]()
    for connector in connectors:
        if isinstance(connector, Serves):
            section = _section(settings, connector)
            try:
                routes = connector.routes(door)
            except ConfigError as error:
                problems += [placed(section, problem) for problem in error.problems]
                continue
            twice = [route.path for route in routes if route.path in found]
            problems += [f"{section.where}: another connector has the path {path} already" for path in twice]
            found |= {route.path: route for route in routes}
    if problems:
        raise ConfigError(*problems)
    return list(found.values())


def portal_routes_of(gateway: Gateway) -> Routes:
    """The pages patients see, where `api.public_url` says that they can reach them.

    Raises ConfigError where what they read would travel in clear beyond this machine.
    """
    url = gateway.settings.api.public_url
    if url is None:
        return ()
    door = door_of(gateway.settings)
    if not (door.loopback or door.tls):
        raise ConfigError(
            f"{gateway.settings.path}: api.public_url: beyond loopback the pages need `api.tls`; a proxy that ends TLS may"
            " stand on this machine"
        )
    from gateway.api.portal import Pages, routes_of

    return routes_of(portal_of(gateway), Pages(gateway.site), url)


def behind_of(gateway: Gateway, stack: ExitStack) -> list[Any]:
    """The API and the staff pages, behind their sign-in; none on a door that anybody can listen at. Raises ConfigError."""
    from gateway.api.behind import behind
    from gateway.api.oidc import Provider, Tokens

    told = gateway.settings.api.oidc
    tokens = None if told is None else Tokens(Provider(**told.model_dump()), gateway.clock)
    routes, close = behind(gateway, gateway.clock, door_of(gateway.settings), tokens)
    stack.callback(close)
    return routes


def _section(settings: Settings, connector: Source | Channel) -> Section:
    told = settings.channels if hasattr(connector, "send") else settings.sources
    return told[connector.name].section


def _is_loopback(bind: str) -> bool:
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"
