"""Whose address may come is written alike in the options of every connector, and asked in one way; errors never quote a value."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import BeforeValidator

Network = IPv4Network | IPv6Network


def networks(value: object) -> tuple[Network, ...]:
    """Networks of one or several addresses ("10.1.2.3", "10.1.0.0/16"); ValueError for anything else."""
    texts = value if isinstance(value, (list, tuple)) else [value]
    try:
        return tuple(ip_network(str(text).strip(), strict=False) for text in texts)
    except ValueError:
        raise ValueError("write addresses as 10.1.2.3, 10.1.0.0/16 or fd00::/8") from None


Networks = Annotated[tuple[Network, ...], BeforeValidator(networks)]


def admits(allowed: tuple[Network, ...], host: str) -> bool:
    """Whether an address is in one of the networks; an empty list admits all, and what is no address is not admitted."""
    if not allowed:
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in allowed)
