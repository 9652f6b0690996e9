"""Who we are at a Redis, and that it is the right one: proven both ways, and never a word of a secret in what is told."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.brokers.redis import RedisAddress, connected
from connectors.sources.redis_stream import RedisStreamSource
from connectors.sources.redis_stream.claims import claim
from connectors.sources.redis_stream.link import StreamLink
from connectors.sources.redis_stream.options import RedisStreamOptions
from connectors.sources.redis_stream.turn import Turn
from connectors.sources.tally import Tally
from gateway.model.errors import ConfigError, Denied, ServerError
from gateway.ports import SystemClock
from tests.mllp.mllp_certificates import Authority
from tests.queues.redis_there import STREAM, Valkey, Wire, valkey

PASSWORD = "correct-horse-7"
COMMANDS = "+client|setname +client|setinfo +ping +exists +xgroup|create +xreadgroup +xack +xdel +multi +exec +xinfo|groups +xinfo|consumers +xpending +xclaim +xrange"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """It has a user that may do what our README lists, with one stream, and nothing else."""
    with valkey(tmp_path_factory.mktemp("valkey")) as made:
        made.client.execute_command("ACL", "SETUSER", "caregate", "on", f">{PASSWORD}", f"~{STREAM}", *COMMANDS.split())
        made.client.execute_command("ACL", "SETUSER", "nobody", "on", f">{PASSWORD}", "+ping")
        yield made


def link(url: str, **told: Any) -> StreamLink:
    options = RedisStreamOptions.model_validate({"url": url, "streams": STREAM, "declare": True, "trim": True, **told})
    return StreamLink("q", options, Turn(None, SystemClock(), 15), Tally("q"))


def test_the_commands_of_our_list_are_enough(server: Valkey) -> None:
    """One user, one stream, fourteen commands."""
    one = link(server.url, user="caregate", password=PASSWORD)
    one.open()
    server.puts(b"a", b"b")
    one.settle(one.take(1, 0.0))
    waiting = one.waiting()
    assert waiting is not None
    assert waiting.messages == 1
    one.idle(0.01)
    one.close()
    server.client.xgroup_createconsumer(STREAM, "caregate", "other")
    server.client.xreadgroup("caregate", "other", {STREAM: ">"})
    again = link(server.url, user="caregate", password=PASSWORD)
    again.open()
    assert not again.take(5, 0.0)
    assert claim(again._there, STREAM, "caregate", "caregate", 0) == 1
    again.close()


@pytest.mark.parametrize("told", [{"user": "caregate", "password": "wrong-staple-8"}, {"user": "nobody", "password": PASSWORD}])  # fmt: skip
def test_who_may_not_is_told_so_without_a_word_of_the_secret(server: Valkey, told: dict[str, str]) -> None:
    """A wrong password, and a user without the rights."""
    with pytest.raises(Denied) as caught:
        link(server.url, **told).open()
    assert not any(secret in str(caught.value) for secret in told.values())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@contextmanager
def secured(server: Valkey, authority: Authority, name: str) -> Iterator[int]:
    """TLS before the server, for those who show a certificate of the authority; its port."""
    theirs = authority.issue(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.certificate, theirs.key)
    context.load_verify_locations(authority.path)
    context.verify_mode = ssl.CERT_REQUIRED
    with Wire(server.port, context) as made:
        yield made.port


def enters(port: int, **told: object) -> None:
    connected(RedisAddress.model_validate({"url": f"rediss://localhost:{port}", **told}), "t").close()


def test_over_tls_both_sides_show_a_certificate(server: Valkey, authority: Authority, tmp_path: Path) -> None:
    """And who shows none, trusts another authority or meets another name does not come in."""
    ours = authority.issue("caregate.test")
    told = {"ca": authority.path, "certificate": ours.certificate, "key": ours.key}
    with secured(server, authority, "localhost") as port:
        enters(port, **told)
        with pytest.raises(ServerError):
            enters(port, ca=authority.path)
        with pytest.raises(Denied, match="not believed"):
            enters(port, **{**told, "ca": Authority(tmp_path, "Another").path})
        with pytest.raises(Denied, match="cannot be read"):
            enters(port, **{**told, "ca": tmp_path / "nowhere.pem"})
    with secured(server, authority, "elsewhere.test") as port, pytest.raises(Denied, match="not believed"):
        enters(port, **told)


@pytest.mark.parametrize(
    "told",
    [
        {"url": "redis://broker.example"},
        {"url": "rediss://broker.example", "plaintext": True},
        {"url": "rediss://u:secret-9@broker.example"},
        {"url": "http://broker.example"},
        {"url": "rediss://broker.example/adt"},
        {"url": "rediss://broker.example", "certificate": "a.pem"},
        {"url": "redis://127.0.0.1", "ca": "a.pem"},
        {"url": "rediss://broker.example", "user": "u"},
        {"streams": [], "url": "redis://127.0.0.1"},
        {"streams": ["a", "a"], "url": "redis://127.0.0.1"},
    ],
)
def test_what_cannot_be_meant_is_refused_without_being_quoted(told: dict[str, object]) -> None:
    """Plaintext beyond loopback must be said."""
    with pytest.raises(ConfigError) as caught:
        RedisStreamSource("q", {"streams": STREAM, **told}, SystemClock())
    assert "secret-9" not in str(caught.value)


def test_plaintext_beyond_loopback_where_it_is_said() -> None:
    """The site's word that the network itself is safe."""
    RedisStreamSource("q", {"url": "redis://10.1.2.3", "streams": STREAM, "plaintext": True}, SystemClock())
