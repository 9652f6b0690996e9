"""Who is told and how feeds are watched, in caregate.yaml: shared relays, secrets, and mistakes at their own line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.alerts.email import EmailAlerts
from connectors.alerts.webhook import WebhookAlerts
from gateway.app.upkeep import wrong_sections
from gateway.app.watching import alerts_of
from gateway.model.errors import ConfigError
from gateway.model.when import DAY, HOUR
from gateway.ports import SystemClock
from gateway.settings import Settings, examine, load, print_config

Site = Callable[..., Settings]
ALERTS = """\
    host: 127.0.0.1
    tls: off
alerts:
  repeat: 6h
  to:
    pager: {kind: webhook, url: 'env:HOOK', secret: 'file:secret.txt'}
    desk: {kind: email, channel: email, port: 2525, to: [a@lakeside.example], sender: c@lakeside.example}
"""
_HOST = "    host: 127.0.0.1\n"
_ENVIRON = {"HOOK": "https://ops.lakeside.example/t0ken"}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """The file the webhook's secret lies in."""
    path = tmp_path / "secret.txt"
    path.write_text("correct horse battery staple\n")
    return path


def test_alerts_are_made_from_the_file_the_environment_and_the_channels_relay(site: Site, secret: Path) -> None:
    """`channel: email` shares the relay; what the section says itself goes before."""
    settings = site((_HOST, ALERTS), environ=_ENVIRON)
    assert settings.alert_repeat == 6 * HOUR
    pager, desk = alerts_of(settings, SystemClock())
    assert isinstance(pager, WebhookAlerts)
    assert isinstance(desk, EmailAlerts)
    assert (desk.name, desk._options.host, desk._options.port, desk._options.tls) == ("desk", "127.0.0.1", 2525, "off")
    assert pager._options.url.get_secret_value() == _ENVIRON["HOOK"]
    desk.close()


def test_without_alerts_only_the_log_is_told(site: Site) -> None:
    """The defaults."""
    settings = site()
    assert (settings.alerts, settings.alert_repeat) == ({}, 12 * HOUR)
    assert settings.sources["ehr"].watch.silent_after == 3 * DAY
    assert settings.sources["ehr"].watch.holds


def test_a_feed_is_watched_as_configured(site: Site) -> None:
    """A span and a switch."""
    settings = site(("    port: 2575\n", "    port: 2575\n    watch: {silent_after: 4h, holds: no}\n"))
    watch = settings.sources["ehr"].watch
    assert (watch.silent_after, watch.holds) == (4 * HOUR, False)


def test_the_shown_configuration_has_spans_as_people_write_them_and_no_secret(site: Site, secret: Path) -> None:
    """Every duration, wherever it stands."""
    told = print_config(site((_HOST, ALERTS), environ=_ENVIRON), environ={})
    assert "repeat: 6h" in told
    assert "silent_after: 3d" in told
    assert "join_within: 10m" in told
    assert "url: 'env:HOOK'" in told
    assert "t0ken" not in told
    assert "battery" not in told


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("kind: webhook", "kind: webhok"), "there is no kind of alert of this name; did you mean `webhook`?"),
        (("channel: email", "channel: mail"), "there is no channel of this name; did you mean `email`?"),
        (("pager:", "log:"), "`log` is the name of the log line"),
        (("repeat: 6h", "repeat: 6m"), "repeat"),
        (("'file:secret.txt'", "battery-staple-horse"), "`secret` is a secret and does not belong in this file"),
    ],
)
def test_a_mistake_about_alerts_is_told_at_its_line(
    site: Site, secret: Path, change: tuple[str, str], said: str
) -> None:
    """File, line, what is wrong."""
    with pytest.raises(ConfigError) as caught:
        site((_HOST, ALERTS.replace(*change)), environ=_ENVIRON)
    assert said in str(caught.value)
    assert "caregate.yaml:" in str(caught.value)


def test_lint_has_the_sinks_check_their_options(site: Site, secret: Path, tmp_path: Path) -> None:
    """All at once, each at its own line; also what is missing."""
    site((_HOST, ALERTS), environ=_ENVIRON)
    path = tmp_path / "caregate.yaml"
    wrong = (
        path.read_text()
        .replace("to: [a@lakeside.example], ", "")
        .replace("url: 'env:HOOK', ", "url: 'http://x.example', ")
    )
    path.write_text(wrong)
    seen = examine(path, environ=_ENVIRON)
    told = "\n".join(wrong_sections(seen.sections, seen.time_limit))
    assert "must be https" in told
    assert "`alerts.desk.to` is missing" in told
    assert load(path, environ=_ENVIRON).alerts
