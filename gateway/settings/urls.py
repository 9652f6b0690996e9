"""Database and broker URLs: a scheme nobody speaks is told where it stands, before anything is opened, and never the URL."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches

_DATABASES = ("sqlite", "postgresql")
_BROKERS = ("memory", "redis", "rediss", "unix", "amqp", "amqps")


def wrong_database(url: str, place: str) -> Iterator[str]:
    """What is wrong with a database URL, as "place: sentence"."""
    scheme, _, rest = url.partition("://")
    backend = scheme.partition("+")[0]
    if backend not in _DATABASES or "://" not in url:
        wanted = "must be sqlite:///path or postgresql://host/name"
        yield f"{place}: `database` {wanted}{_hint(backend, _DATABASES)}"
    elif backend == "sqlite" and (not rest.startswith("/") or rest in ("/", "/:memory:")):
        # two slashes name a host, and what is in memory cannot keep an acknowledged message
        yield f"{place}: `database` needs a file: sqlite:///path, or sqlite:////path from the root"


def wrong_broker(url: str, place: str) -> Iterator[str]:
    """What is wrong with a broker URL, as "place: sentence"."""
    scheme = url.partition("://")[0]
    if scheme not in _BROKERS or "://" not in url:
        yield f"{place}: `broker` must be memory://, redis://host or amqp://host{_hint(scheme, _BROKERS)}"


def _hint(word: str, known: Collection[str]) -> str:
    """A near miss; a word that is none of ours is not repeated, it may be half of a password."""
    close = [] if word in known else get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}://?" if close else ""
