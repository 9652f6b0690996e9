"""A connector's section: checked by its own model at its own lines, its paths absolute, its own words put in their place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from gateway.app import sections
from gateway.app.upkeep import wrong_sections
from gateway.model.errors import ConfigError
from gateway.model.when import SECOND
from gateway.ports import SetClock


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: Path
    several: Annotated[tuple[Path, ...], Field()] = ()
    name: str = ""


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")
    host: str
    port: int = 25
    tls: Inner | None = None
    folder: Path | None = None
    timeout: float = 1.0


class Post:
    """A channel somebody else ships."""

    section = Shape

    def __init__(self, name, options, clock):
        self.name, self.options = name, options
        self.timeout = float(options.get("timeout", 1))
        if options.get("port") == "13":
            raise ConfigError(
                f"channel {name}: port: is unlucky", f"channels.{name}.tls.key: is not a key", "all wrong"
            )

    def close(self):
        """Nothing is open."""


@pytest.fixture
def of(site, monkeypatch):
    """The channel's section with these lines as its options, under that connector (or one without a model)."""

    def section(*lines, connector=Post, **more):
        point = SimpleNamespace(name="email", load=lambda: connector)
        monkeypatch.setattr(sections, "offered", lambda group: [point])
        text = "".join(f"\n    {line}" for line in lines)
        return site(("    host: 127.0.0.1", f"    host: 127.0.0.1{text}"), **more).channels["email"].section

    return section


def problems(section):
    with pytest.raises(ConfigError) as caught:
        sections.made(section, SetClock(0))
    return [one.partition("caregate.yaml:")[2] for one in caught.value.problems]


def test_a_path_starts_beside_the_configuration_however_deep_it_stands(of, tmp_path):
    """TL-05: and what is no path, or is absolute, stays as written."""
    made = sections.made(
        of("folder: in", "tls: {key: k.pem, several: [a.pem, /b.pem], name: c.pem}", "port: 26"), SetClock(0)
    )
    assert made.options == {
        "host": "127.0.0.1", "port": "26", "folder": f"{tmp_path}/in",
        "tls": {"key": f"{tmp_path}/k.pem", "several": [f"{tmp_path}/a.pem", "/b.pem"], "name": "c.pem"},
    }  # fmt: skip


def test_every_wrong_option_is_told_at_once_with_what_is_allowed(of):
    """At its own line and column, never its value."""
    assert problems(of("prot: 1", "port: hunter2", "tls: {kye: x}")) == [
        "24:5: unknown key `prot` of `channels.email`; did you mean `port`?",
        "25:11: `channels.email.port` must be a whole number",
        "26:11: unknown key `kye` of `channels.email`; did you mean `key`?",
    ]
    assert problems(of("colour: red")) == [
        "24:5: unknown key `colour` of `channels.email`; known here: folder, host, port, timeout, tls"
    ]


def test_a_connectors_own_words_are_put_where_they_belong(of):
    """At the option they name, else at the section."""
    assert problems(of("port: 13", "tls: {key: k.pem}")) == [
        "24:11: channel email: port: is unlucky",
        "25:16: channels.email.tls.key: is not a key",
        "21:3: all wrong",
    ]


def test_a_connector_without_a_model_judges_for_itself(of):
    """It gets what stands there, as text."""

    class Plain(Post):
        section = None

    assert sections.made(of("folder: in", connector=Plain), SetClock(0)).options["folder"] == "in"


def test_what_depends_on_a_secret_that_is_not_here_is_not_judged(of):
    """To lint without secrets; the rest is."""
    section = of("port: env:NOT_HERE", "prot: 1", secrets=False)
    assert len(wrong_sections([section], 90 * SECOND)) == 1
    assert wrong_sections([of("port: env:NOT_HERE", secrets=False)], 90 * SECOND) == []


def test_a_channel_that_may_take_longer_than_its_worker_is_refused(of):
    """Law 4: an attempt never outlives what guards it."""
    (problem,) = wrong_sections([of("timeout: 90")], 90 * SECOND)
    assert problem.endswith(
        "caregate.yaml:24:14: channel email: its timeout must be shorter than the worker's time_limit, "
        "so that an attempt never outlives what guards it"
    )
    assert wrong_sections([of("timeout: 89")], 90 * SECOND) == []


def test_a_channel_that_is_not_fit_for_a_sender_says_so_at_its_option(of):
    """EM-20: before anything is sent; a channel that vouches for nobody is asked nothing."""

    class Vouching(Post):
        def send(self, envelope):
            raise AssertionError

        def vouch(self, senders):
            raise ConfigError(*(f"channels.email.host: not for {one}" for one in senders if "river" in one))

    section = of("port: 25")
    told = sections.unfit(section, Vouching("email", {}, None), ["a@lakeside.example", "a@river.example"])
    assert [problem.rpartition("caregate.yaml:")[2] for problem in told] == [
        "23:11: channels.email.host: not for a@river.example"
    ]
    assert sections.unfit(section, Vouching("email", {}, None), ["a@lakeside.example"]) == ()
    assert sections.unfit(section, Post("email", {}, None), ["a@river.example"]) == ()


def test_a_kind_that_nothing_installed_offers_is_told(of, monkeypatch):
    """With those that are."""
    section = of()
    monkeypatch.setattr(sections, "offered", lambda group: [])
    with pytest.raises(ConfigError, match="there is no connector `email`; installed: none"):
        sections.connector(section)
