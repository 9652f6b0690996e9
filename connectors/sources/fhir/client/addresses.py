"""Which URLs may be asked: those of the configured server, whatever a bundle, link or reference says (S-33, Q-03)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import parse_qsl, quote, urlencode

import httpx

from connectors.sources.fhir.notices import Reference, reference_of
from gateway.model.errors import Unusable

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DOTS = frozenset({".", ".."})
_PORTS = {"https": 443, "http": 80}

Parameters = Sequence[tuple[str, str]]


def safe_url(told: str) -> httpx.URL:
    """A URL that a secret may be sent to: https, or http on this machine; nobody's name in it. Raises ValueError."""
    try:
        url = httpx.URL(told)
    except (httpx.InvalidURL, TypeError):
        raise ValueError("must be a URL like https://fhir.lakeside.example/r4") from None
    if url.scheme not in _PORTS or not url.host or url.userinfo or url.fragment:
        raise ValueError("must be a URL like https://fhir.lakeside.example/r4")
    if url.scheme == "http" and url.host not in _LOOPBACK:
        raise ValueError("must be https; http is only for this machine")
    return url


def told_parameters(search: str) -> list[tuple[str, str]]:
    """The parameters of a search as a site writes it: a plus is one, as in a time with its offset, and no blank (Q-10)."""
    return parse_qsl(plus_kept(search), keep_blank_values=True)


def plus_kept(search: str) -> str:
    """A search in which a server reads no plus as a blank (Q-10)."""
    return search.replace("+", "%2B")


class Base:
    """A FHIR server's base URL, and what is below it."""

    def __init__(self, base: str) -> None:
        self.url = safe_url(base.rstrip("/"))
        self.text = base.rstrip("/")

    def at(self, path: str, parameters: Parameters = ()) -> httpx.URL:
        """`path` ("Patient/12", "" for the base itself) with parameters, every one of them encoded whole (Q-10).

        Unusable for `..`, which FHIR allows as an id: `Subscription/..` is another place than any subscription's.
        """
        if _DOTS.intersection(path.split("/")):
            raise Unusable("an id made of dots leads to another place; it is not asked for")
        query = urlencode(list(parameters), quote_via=quote, safe=",")
        return httpx.URL("/".join(part for part in (self.text, path) if part) + (f"?{query}" if query else ""))

    def link(self, told: str) -> httpx.URL:
        """A link the server told, opaque; Unusable when it leads to another host, port or scheme."""
        try:
            url = httpx.URL(f"{self.text}/").join(told)
        except (httpx.InvalidURL, TypeError, ValueError):
            raise Unusable("a link of the server is no URL") from None
        if _origin(url) != _origin(self.url) or url.userinfo:
            raise Unusable("a link of the server leads to another host; it is not followed")
        return url.copy_with(fragment=None)

    def elsewhere(self, told: object) -> httpx.URL:
        """A URL the server told that may lie at another host, and gets no token; Unusable when it cannot be trusted so far.

        A server elsewhere must not lead us to what listens on this machine, or on its link alone.
        """
        try:
            url = safe_url(told if isinstance(told, str) else "")
        except ValueError:
            raise Unusable("the server told an address that is not https") from None
        if _is_here(url.host) and not _is_here(self.url.host):
            raise Unusable("the server told an address on this machine; it is not asked")
        return url

    def reference(self, told: object) -> Reference | None:
        """What a relative reference names, or an absolute one of this server; None for any other."""
        found = reference_of(told, (self.text,))
        return found if isinstance(found, Reference) else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or _PORTS.get(url.scheme)


def _is_here(host: str) -> bool:
    """Whether only this machine, or its link, is reached by it; a number that is no address is taken for one that is."""
    try:
        address = ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        return host in _LOOPBACK or last in ("localhost", "") or last[0].isdigit()
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified
