"""A patient's message goes to the patient's own mail server, in TLS that proves whose server it is, or not at all."""

# ruff: noqa: SIM117 - one world within another: nesting tells the order
from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from email_parts import NOW, Authority, Post, envelope, free_port, to
from mx_parts import GUISES, Site, Zone, guise, https, names

from connectors.channels.email import EmailChannel
from connectors.channels.email import policies as policies_module
from connectors.channels.email.connection import Deadline
from connectors.channels.email.mtasts import fetch, matches, parse_policy, policy_id
from connectors.channels.email.names import Names
from connectors.channels.email.policies import Policies
from gateway.model.errors import ConfigError, Insecure, Refused, Unavailable
from gateway.ports import SetClock

DOMAIN = "patients.example"
MX = "mx.patients.example"


def zone(*hosts: tuple[int, str, str], domain: str = DOMAIN) -> Zone:
    """MX and A records of (preference, host, address)."""
    found: Zone = {(domain, "MX"): [f"{preference} {host}." for preference, host, _ in hosts]}
    found |= {(host, "A"): [address] for _, host, address in hosts}
    return found


@dataclass
class Net:
    """The ports and what was taken where."""

    channel: EmailChannel
    posts: dict[str, Post]

    def taken(self) -> int:
        """Messages that any server has."""
        return sum(len(post.taken) for post in self.posts.values())

    def talked(self) -> int:
        """Servers that got as far as MAIL."""
        return sum(bool(post.peers) for post in self.posts.values())


@contextmanager
def net(ca: Authority, records: Zone, servers: dict[str, tuple[str, str]], **options: Any) -> Iterator[Net]:
    """A channel that delivers directly in a world of `records` and `servers` (address → guise, host)."""
    port, posts = free_port(), {address: Post() for address in servers}
    with ExitStack() as stack:
        for address, (kind, host) in servers.items():
            stack.enter_context(guise(kind, ca, host, address, port, posts[address]))
        told = {
            "delivery": "direct",
            "port": port,
            "ca_file": str(ca.file),
            "nameservers": [stack.enter_context(names(records))],
            "timeout": 6,
            "private_servers": True,  # on this machine
            **options,
        }
        made = EmailChannel("email", told, SetClock(NOW))
        stack.callback(made.close)
        yield Net(made, posts)


@pytest.mark.parametrize("kind", GUISES)
def test_only_the_good_server_sees_a_message_that_needs_tls(ca: Authority, kind: str) -> None:
    """EM-01, EM-02, EM-03: seven guises; to all but one not a byte goes after EHLO, and the send is Insecure at once."""
    try:
        with net(ca, zone((10, MX, "127.0.0.2")), {"127.0.0.2": (kind, MX)}) as world:
            if kind == "good":
                world.channel.send(envelope())
            else:
                with pytest.raises(Insecure) as refused:
                    world.channel.send(envelope())
                assert DOMAIN not in str(refused.value)
            assert world.taken() == (kind == "good")
            assert world.talked() == (kind == "good")
    except ssl.SSLError as error:
        pytest.skip(f"this OpenSSL cannot play the guise {kind}: {error.reason}")


@pytest.mark.parametrize("kind", GUISES)
def test_who_chose_open_mail_gets_it_from_any_server(ca: Authority, kind: str) -> None:
    """EM-01 (a): the recorded choice alone makes it opportunistic; TLS where it can be had."""
    try:
        with net(ca, zone((10, MX, "127.0.0.2")), {"127.0.0.2": (kind, MX)}) as world:
            world.channel.send(envelope(open_allowed=True))
            assert world.taken() == 1
    except ssl.SSLError as error:
        pytest.skip(f"this OpenSSL cannot play the guise {kind}: {error.reason}")


def test_a_conversation_in_clear_is_not_lent_to_a_message_that_needs_tls(ca: Authority) -> None:
    """EM-08: what was decided for one message says nothing of the next; each kind of conversation is kept apart."""
    with net(ca, zone((10, MX, "127.0.0.2")), {"127.0.0.2": ("no-starttls", MX)}) as world:
        world.channel.send(envelope(open_allowed=True))
        world.channel.send(envelope(open_allowed=True))
        assert len(world.posts["127.0.0.2"].peers) == 1
        with pytest.raises(Insecure):
            world.channel.send(envelope())
        assert world.taken() == 2


def test_a_server_that_lost_its_certificate_since_gets_nothing(ca: Authority) -> None:
    """EM-08: rechecked at each connection, whatever was seen before."""
    records, port, post = zone((10, MX, "127.0.0.2")), free_port(), Post()
    with names(records) as servers:
        told = {
            "delivery": "direct",
            "port": port,
            "ca_file": str(ca.file),
            "nameservers": [servers],
            "timeout": 5,
            "private_servers": True,
        }
        mail = EmailChannel("email", {**told, "messages_per_connection": 1}, SetClock(NOW))
        with guise("good", ca, MX, "127.0.0.2", port, post):
            mail.send(envelope())
        with guise("expired", ca, MX, "127.0.0.2", port, post), pytest.raises(Insecure):
            mail.send(envelope())
        mail.close()
    assert len(post.taken) == 1


@pytest.mark.parametrize("address", ["127.0.0.2", "10.1.2.3", "169.254.169.254"])
def test_a_domain_cannot_have_us_talk_to_servers_behind_our_walls(ca: Authority, address: str) -> None:
    """Who owns a domain writes its records: loopback, private and link-local addresses are not connected to."""
    with net(ca, zone((10, MX, address)), {"127.0.0.2": ("good", MX)}, private_servers=False) as world:
        with pytest.raises(Unavailable, match="no public address"):
            world.channel.send(envelope(open_allowed=True))
        assert world.talked() == 0


# -- whose server it is


def test_dns_alone_vouches_for_no_server(ca: Authority) -> None:
    """EM-04: a forged MX with a valid certificate of its own is nobody we know."""
    with net(ca, zone((10, "mx.evil.example", "127.0.0.2")), {"127.0.0.2": ("good", "mx.evil.example")}) as world:
        with pytest.raises(Insecure, match="not known to be the domain's"):
            world.channel.send(envelope())
        world.channel.send(envelope(open_allowed=True))
        assert world.taken() == 1


def test_a_partner_s_servers_are_those_that_were_agreed(ca: Authority) -> None:
    """EM-04: the configured names, and no others, also not one deeper."""
    mx = "a.mail.hoster.example"
    for listed, arrives in (("*.mail.hoster.example", True), (mx, True), ("*.hoster.example", False), (MX, False)):
        with net(ca, zone((10, mx, "127.0.0.2")), {"127.0.0.2": ("good", mx)}, partners={DOMAIN: [listed]}) as world:
            if arrives:
                world.channel.send(envelope())
            else:
                with pytest.raises(Insecure):
                    world.channel.send(envelope())
            assert world.taken() == arrives


@contextmanager
def sts(
    ca: Authority, records: Zone, body: str, monkeypatch: pytest.MonkeyPatch, domain: str = DOMAIN
) -> Iterator[Site]:
    """The domain has this policy, at a port of ours instead of 443."""
    site = Site(body=body.replace("\n", "\r\n").encode())
    host = f"mta-sts.{domain}"
    with https(site, ca.server([host])) as port:
        records[f"_mta-sts.{domain}", "TXT"] = ['"v=STSv1; id=20260301;"']
        records[host, "A"] = ["127.0.0.1"]
        monkeypatch.setattr(
            Policies.__init__, "__kwdefaults__", {**(Policies.__init__.__kwdefaults__ or {}), "port": port}
        )
        yield site


ENFORCE = "version: STSv1\nmode: enforce\nmx: *.hoster.example\nmax_age: 86400\n"


def test_a_policy_names_the_servers_of_a_domain(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """EM-05: enforce; one that matches and proves its name gets the message, asked once for many messages."""
    records = zone((10, "mx.hoster.example", "127.0.0.2"))
    with sts(ca, records, ENFORCE, monkeypatch) as site:
        with net(ca, records, {"127.0.0.2": ("good", "mx.hoster.example")}) as world:
            for _ in range(3):
                world.channel.send(envelope())
            assert world.taken() == 3
            assert site.asked == 1


@pytest.mark.parametrize(
    ("kind", "host"),
    [("good", "mx.evil.example"), ("expired", "mx.hoster.example"), ("no-starttls", "mx.hoster.example")],
)
def test_an_enforced_policy_holds_for_open_mail_too(
    ca: Authority, monkeypatch: pytest.MonkeyPatch, kind: str, host: str
) -> None:
    """EM-05: no match or no certificate: a temporary failure, never plain text; what needs TLS is Insecure."""
    records = zone((10, host, "127.0.0.2"))
    with sts(ca, records, ENFORCE, monkeypatch), net(ca, records, {"127.0.0.2": (kind, host)}) as world:
        with pytest.raises(Unavailable):
            world.channel.send(envelope(open_allowed=True))
        with pytest.raises(Insecure):
            world.channel.send(envelope())
        assert world.taken() == world.talked() == 0


def test_another_server_of_an_enforced_policy_is_tried(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """EM-05: the preferred one fails, the next one is good."""
    records = zone((10, "a.hoster.example", "127.0.0.2"), (20, "b.hoster.example", "127.0.0.3"))
    servers = {"127.0.0.2": ("self-signed", "a.hoster.example"), "127.0.0.3": ("good", "b.hoster.example")}
    with sts(ca, records, ENFORCE, monkeypatch), net(ca, records, servers) as world:
        world.channel.send(envelope())
        world.channel.send(envelope(open_allowed=True))
        assert len(world.posts["127.0.0.3"].taken) == 2
        assert not world.posts["127.0.0.2"].peers


def test_a_policy_in_testing_hinders_no_open_mail(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """EM-05: testing delivers, `none` is as if there were no policy; what needs TLS is verified all the same."""
    records = zone((10, "mx.hoster.example", "127.0.0.2"))
    for mode in ("testing", "none"):
        body = ENFORCE.replace("enforce", mode)
        with (
            sts(ca, records, body, monkeypatch),
            net(ca, records, {"127.0.0.2": ("expired", "mx.hoster.example")}) as world,
        ):
            world.channel.send(envelope(open_allowed=True))
            with pytest.raises(Insecure):
                world.channel.send(envelope())
            assert world.taken() == 1


def test_a_good_server_that_waits_is_worth_a_wait(ca: Authority) -> None:
    """Greylisting at the good one is no reason for another channel, a second one without TLS or not."""
    records = zone((10, MX, "127.0.0.2"), (20, f"b.{DOMAIN}", "127.0.0.3"))
    with net(ca, records, {"127.0.0.2": ("good", MX), "127.0.0.3": ("no-starttls", f"b.{DOMAIN}")}) as world:
        world.posts["127.0.0.2"].rcpt = "451 4.7.1 greylisted"
        with pytest.raises(Unavailable, match="RCPT: answered 451"):
            world.channel.send(envelope())
        world.posts["127.0.0.2"].rcpt = "550 5.1.1 no"
        with pytest.raises(Refused, match="550"):
            world.channel.send(envelope())
        assert world.taken() == 0


# -- policies and names


@pytest.mark.parametrize(
    "body",
    [
        "", "version: STSv1\nmode: enforce\nmax_age: 1\n", "version: STSv2\nmode: enforce\nmx: a.example\nmax_age: 1\n",
        "version: STSv1\nmode: maybe\nmx: a.example\nmax_age: 1\n", "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.*.example\nmax_age: 1\n", "version: STSv1\nmode: enforce\nmx: a\nmax_age: x\n",
        "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n" + "x" * 70_000,
    ],
)  # fmt: skip
def test_half_a_policy_is_none(body: str) -> None:
    """EM-05: RFC 8461 §3.2."""
    assert parse_policy(body.encode()) is None


def test_a_policy_s_words() -> None:
    """EM-05: the record's id, the patterns' one label, the year that max_age has at most."""
    assert policy_id(["v=STSv1; id=a1;"]) == "a1"
    assert policy_id(["v=STSv1; id=a1", "v=STSv1; id=b2"]) is None
    assert policy_id(["v=spf1 -all", "v=STSv1;id=c3"]) == "c3"
    assert policy_id(["v=STSv1; id=;"]) is None
    assert matches(["*.a.example"], "b.a.example")
    assert not matches(["*.a.example"], "c.b.a.example")
    assert not matches(["*.a.example"], "a.example")
    policy = parse_policy(
        b"version: STSv1\nmode: enforce\nmx: A.example\nmx: *.b.example\nmax_age: 9999999999\nother: x\n"
    )
    assert policy is not None
    assert policy.patterns == ("a.example", "*.b.example")
    assert policy.max_age == 31_557_600
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 1\n") is not None


def test_a_policy_is_kept_as_long_as_it_says(ca: Authority) -> None:
    """EM-05, EM-08: losing the TXT record or the server loses no policy; a new id is fetched at once; a day's old one again."""
    records: Zone = {}
    now = [0.0]
    site = Site(body=ENFORCE.replace("86400", "200000").encode())
    context = ssl.create_default_context(cafile=str(ca.file))
    with https(site, ca.server([f"mta-sts.{DOMAIN}"])) as port, names(records) as servers:
        record = (f"_mta-sts.{DOMAIN}", "TXT")
        records[record], records[f"mta-sts.{DOMAIN}", "A"] = ['"v=STSv1; id=1;"'], ["127.0.0.1"]

        def look() -> bool:
            asked = Names(
                [servers], private=True
            )  # nothing cached: the record's time to live is not what is tried here
            known._names = asked
            return known.of(DOMAIN, Deadline(5)) is not None

        known = Policies(Names([servers], private=True), context, port=port, clock=lambda: now[0])
        assert look()
        assert look()
        assert site.asked == 1
        records[record] = ['"v=STSv1; id=2;"']
        assert look()
        assert site.asked == 2
        now[0] += policies_module.FRESH + 1
        site.status = 500
        assert look()  # asked again, in vain: the old one stands
        assert look()  # and is not asked for at every message
        assert site.asked == 3
        del records[record]
        records["x", "A"] = ["127.0.0.1"]
        assert look()
        now[0] += 200_000
        assert not look()


@pytest.mark.parametrize("change", ["redirect", "html", "long", "name", "gone"])
def test_a_policy_must_come_straight_from_its_host(ca: Authority, change: str) -> None:
    """EM-05: no redirect, text, 64 KiB, a certificate for its own name (RFC 8461 §3.3)."""
    site = Site(body=ENFORCE.encode())
    host = "mta-sts.other.example" if change == "name" else f"mta-sts.{DOMAIN}"
    with https(site, ca.server([host])) as port:
        if change == "redirect":
            site.status, site.headers = 301, {"Location": f"https://127.0.0.1:{port}/.well-known/mta-sts.txt"}
        elif change == "html":
            site.kind = "text/html"
        elif change == "long":
            site.body = b"x" * 100_000
        context = ssl.create_default_context(cafile=str(ca.file))
        at = free_port() if change == "gone" else port
        assert fetch(f"mta-sts.{DOMAIN}", ["127.0.0.1"], at, context, Deadline(3)) is None


def test_what_dns_says_decides_between_never_and_later(ca: Authority) -> None:
    """RFC 5321 §5.1, RFC 7505: no such domain and null MX are for good, silence is for now; no MX is the domain itself."""
    records: Zone = {
        ("null.example", "MX"): ["0 ."],
        ("sick.example", "MX"): ["SERVFAIL"],
        (DOMAIN, "A"): ["127.0.0.2"],
    }
    with net(ca, records, {"127.0.0.2": ("good", DOMAIN)}) as world:
        for domain, outcome in (("gone.example", Refused), ("null.example", Refused), ("sick.example", Unavailable)):
            with pytest.raises(outcome) as failed:
                world.channel.send(envelope(to=to(f"marisol@{domain}")))
            assert domain not in str(failed.value)
        world.channel.send(envelope())
        assert world.taken() == 1


def test_a_server_that_is_down_is_passed_over(ca: Authority) -> None:
    """RFC 5321 §5.1: the next one has the message, within the one time limit."""
    records = zone((10, f"a.{DOMAIN}", "127.0.0.9"), (20, MX, "127.0.0.2"))
    with net(ca, records, {"127.0.0.2": ("good", MX)}) as world:
        world.channel.send(envelope())
        assert world.taken() == 1
    with net(ca, zone((10, MX, "127.0.0.9")), {}) as world, pytest.raises(Unavailable):
        world.channel.send(envelope())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delivery": "direct", "host": "relay.example"}, "delivery: relay"),
        ({"delivery": "direct", "tls": "implicit"}, "channels.email.tls"),
        ({"delivery": "direct", "nameservers": ["ns.example"]}, "channels.email.nameservers"),
        ({"delivery": "direct", "partners": {"a b": ["mx.example"]}}, "channels.email.partners"),
        ({"delivery": "direct", "partners": {"a.example": []}}, "channels.email.partners"),
        ({"host": "localhost", "partners": {"a.example": ["mx.a.example"]}}, "delivery: direct"),
        ({"host": "localhost", "tls": "off", "requiretls": True}, "channels.email.requiretls"),
        ({"delivery": "pigeon"}, "channels.email.delivery"),
    ],
)
def test_ways_that_contradict_themselves_stop_the_start(options: dict[str, object], said: str) -> None:
    """Each option belongs to one way."""
    with pytest.raises(ConfigError, match=said):
        EmailChannel("email", options, SetClock(NOW))
