"""caregate.yaml: what is right is read with its defaults, what is wrong is told where it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.app.extracts import guards_of
from gateway.model.errors import ConfigError
from gateway.model.when import DAY, SECOND
from gateway.pipeline.extracting import Guards
from gateway.settings import load, loads, print_config
from gateway.settings.values import duration, shown_duration


def told(site, *changes, environ=None):
    """The problems of a bent site, without the folder in front."""
    with pytest.raises(ConfigError) as caught:
        site(*changes, environ=environ)
    return [re.sub(r"^/\S*/(?=caregate\.yaml)", "", problem) for problem in caught.value.problems]


def test_a_minimal_site_has_every_default_and_absolute_paths(site, tmp_path):
    """Embedded defaults: SQLite beside the file, the in-memory broker, six years of evidence."""
    settings = site()
    assert settings.database_url == f"sqlite:///{tmp_path}/caregate.db"
    assert settings.broker_url == "memory://"
    assert (settings.keys, settings.rules) == (tmp_path / "caregate.keys", tmp_path / "rules")
    assert settings.retention.raw == 30 * DAY
    assert settings.retention.audit >= 6 * 365 * DAY
    assert not settings.production
    assert settings.allowed_recipients == {"nurse@lakeside.example"}


def test_a_source_takes_zone_and_places_from_its_surroundings(site):
    """A feed without a zone of its own speaks in its organization's; its places are those with codes."""
    source = site().sources["ehr"]
    assert source.zone == "America/Chicago"
    assert source.locations == {"MAIN": "main", "MAIN^2": "main"}
    assert source.options == {"port": "2575"}
    assert source.where.endswith("caregate.yaml:16:3")
    assert source.quarantine_ack == "AE"
    assert not source.held


def test_the_feeds_own_name_for_a_place_wins_over_the_shared_one(site):
    """Two feeds may mean different places by one code."""
    changed = ("    port: 2575", "    port: 2575\n    start: held\n    locations: {WEST: main}")
    source = site(changed).sources["ehr"]
    assert source.locations["WEST"] == "main"
    assert source.held


def test_outside_production_the_list_of_recipients_cannot_be_left_out(site):
    """Nobody is written to by accident from a test system."""
    (problem,) = told(site, ("allowed_recipients: [Nurse@lakeside.example]\n", ""))
    assert problem.startswith("caregate.yaml:1:14: outside production `allowed_recipients` must list")


def test_an_empty_list_of_recipients_is_a_list(site):
    """Nobody at all is a clear answer."""
    assert site(("[Nurse@lakeside.example]", "[]")).allowed_recipients == frozenset()


def test_in_production_a_list_of_recipients_is_an_error_not_a_surprise(site):
    """A list that would be ignored must not look as if it protected anybody."""
    (problem,) = told(site, ("environment: test", "environment: production"))
    assert "has no meaning in production" in problem


def test_production_is_production_only_by_its_name(site):
    """The list is gone, the name is there."""
    changed = ("environment: test\nallowed_recipients: [Nurse@lakeside.example]", "environment: production")
    settings = site(changed)
    assert settings.production
    assert settings.allowed_recipients is None


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("environment:", "enviroment:", "caregate.yaml:1:1: unknown key `enviroment`; did you mean `environment`?"),
        ("    zone:", "    zoone:", "caregate.yaml:6:5: unknown key `zoone`; did you mean `zone`?"),
        ("America/Chicago", "America/Chicag", "caregate.yaml:6:11: `organizations.lakeside.zone` must be an IANA time zone"),
        ("care@lakeside.example", "'care@lakeside.example\\r\\nBcc: x@y.example'", "must be one e-mail address"),
        ("organization: lakeside\n    codes", "organization: lakesid\n    codes", "did you mean `lakeside`?"),
        ("kind: mllp", "kind: mlpp", "there is no kind of source of this name; did you mean `mllp`?"),
        ("kind: email", "kind: pigeon", "there is no kind of channel of this name; known: email"),
        ("    port: 2575", "    port: 2575\n    chraset: UTF-8", "caregate.yaml:20:5: unknown key `chraset`; did you mean `charset`?"),
        ("    port: 2575", "    port: 2575\n    locations: {X: mian}", "did you mean `main`?"),
        ("    port: 2575", "    port: 2575\n    quarantine_ack: AX", "must be 'AE' or 'AA'"),
        ("channels:", "retention: {audit: 5y}\nchannels:", "`retention` must keep audit at least 6y"),
        ("channels:", "retention: {raw: soon}\nchannels:", "`retention.raw` must be a duration"),
        ("channels:", "intake: {join_within: 2d}\nchannels:", "`intake.join_within` must be at most 1d"),
        ("    port: 2575", "    port: 2575\n    watch: {silent_after: 60s}", "must be at least 15m"),
        ("channels:", "worker: {lease: 10s, time_limit: 10s}\nchannels:", "shorter than its lease"),
        ("channels:", "intake: {batch: 20, queue: 10}\nchannels:", "a queue that holds at least one batch"),
        ("channels:", "api: {port: 70000}\nchannels:", "`api.port` must be at most 65535"),
        ("channels:", "api: {public_url: 'http://m.example'}\nchannels:", "`api.public_url` must be like https://"),
        ("channels:", "api: {public_url: 'https://m.example/'}\nchannels:", "`api.public_url` must be like https://"),
        ("channels:", "api: {public_url: 'https://u:p@m.example'}\nchannels:", "`api.public_url` must be like https://"),
        ("codes: [MAIN", "codes: [''", "must be one line of text"),
        ("lakeside:\n    name", "Lake side:\n    name", "must be a name of lower-case letters"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_a_way_out(site, old, new, sentence):
    """One sentence, file, line and column; never the value."""
    assert any(sentence in problem for problem in told(site, (old, new)))


def test_all_mistakes_are_told_at_once(site):
    """Nobody mends a file one error at a time."""
    assert len(told(site, ("kind: mllp", "kind: mlpp"), ("kind: email", "kind: emial"))) == 2


def test_two_places_do_not_share_a_code(site):
    """A code that means two places means none."""
    second = "sources:\n"
    place = "  west: {name: West, organization: lakeside, codes: [MAIN]}\nsources:\n"
    (problem,) = told(site, (second, place))
    assert "`main` has this code already" in problem


def test_an_organization_is_not_its_own_ancestor(site):
    """A circle of parents would never end."""
    (problem,) = told(site, ("    zone: America/Chicago", "    zone: America/Chicago\n    parent: lakeside"))
    assert "leads back" in problem


def test_one_channel_of_a_kind(site):
    """A rule says `email`, and that must mean one way out."""
    (problem,) = told(site, ("    host: 127.0.0.1", "    host: 127.0.0.1\n  mail: {kind: email}"))
    assert "`email` is a channel of this kind already" in problem


def test_secrets_come_from_the_environment_or_a_file(site, tmp_path):
    """`env:` and `file:` in a connector's options, however deep."""
    (tmp_path / "pw").write_text("hunter2\n")
    options = "    host: 127.0.0.1\n    password: file:pw\n    tls: {pins: ['env:PIN']}"
    settings = site(("    host: 127.0.0.1", options), environ={"PIN": "abc"})
    assert settings.channels["email"].options == {"host": "127.0.0.1", "password": "hunter2", "tls": {"pins": ["abc"]}}


def test_a_secret_that_cannot_be_had_stops_the_start(site):
    """Better no start than one with an empty password."""
    options = "    host: 127.0.0.1\n    password: env:NOPE\n    token: file:nope"
    problems = told(site, ("    host: 127.0.0.1", options))
    assert "caregate.yaml:24:15: the environment variable NOPE is not set" in problems
    assert any("the file it names cannot be read: No such file" in problem for problem in problems)


def test_a_secret_written_out_is_refused_and_not_repeated(site):
    """The file lands in tickets and repositories."""
    problems = told(
        site,
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    password: hunter2"),
        ("channels:", "database: postgresql://care:hunter2@db/caregate\nchannels:"),
    )
    assert len(problems) == 2
    assert not any("hunter2" in problem for problem in problems)


def test_references_stay_when_nothing_is_run(site):
    """Lint works on a machine that holds no secrets."""
    settings = site(("channels:", "database: env:DB\nchannels:"), secrets=False)
    assert settings.database_url == "env:DB"


def test_the_environment_overrides_what_is_documented(site):
    """Containers tell database, broker and port from outside."""
    environ = {"CAREGATE_DATABASE": "postgresql://u:p@db/x", "CAREGATE_BROKER": "redis://r", "CAREGATE_API_PORT": "9"}
    settings = site(environ=environ)
    assert settings.database_url == "postgresql://u:p@db/x"
    assert settings.broker_url == "redis://r"
    assert settings.api.port == 9


def test_an_override_that_cannot_be_is_told(site):
    """A port is a number below 65,536."""
    assert told(site, environ={"CAREGATE_API_PORT": "http"}) == [
        "environment: CAREGATE_API_BIND or CAREGATE_API_PORT is not an address or a port"
    ]


def test_a_misspelt_variable_is_an_error(site):
    """CAREGATE_DATABSE would otherwise silently mean the SQLite file."""
    assert told(site, environ={"CAREGATE_DATABSE": "x", "CAREGATE_TEST_AMQP": "x"}) == [
        "environment: there is no variable CAREGATE_DATABSE: did you mean CAREGATE_DATABASE?"
    ]


def test_a_variable_the_file_names_is_known(site):
    """A site may call its own secrets CAREGATE_…, too."""
    settings = site(("    host: 127.0.0.1", "    password: env:CAREGATE_SMTP"), environ={"CAREGATE_SMTP": "x"})
    assert settings.channels["email"].options == {"password": "x"}


def test_the_printed_configuration_hides_secrets_and_reads_back(site, tmp_path):
    """`caregate run --print-config` can go into a ticket."""
    environ = {"CAREGATE_DATABASE": "postgresql://u:hunter2@db/x", "PW": "hunter3"}
    settings = site(
        ("    host: 127.0.0.1", "    host: 127.0.0.1\n    password: env:PW\n    extra: {deep: [{a: 'yes'}]}"),
        ("channels:", "broker: redis://:@r\nchannels:"),
        environ=environ,
    )
    text = print_config(settings, environ)
    assert "hunter" not in text
    assert "password: 'env:PW'" in text
    assert "database: 'env:CAREGATE_DATABASE'" in text
    again = loads(text, tmp_path / "caregate.yaml", environ=environ)
    assert again.organizations == settings.organizations
    assert again.sources["ehr"].options == settings.sources["ehr"].options
    assert again.channels["email"].options == settings.channels["email"].options
    assert again.retention == settings.retention


def test_neither_secret_nor_recipient_stands_in_a_repr(site):
    """A log of ours may hold a repr by mistake."""
    settings = site(environ={"CAREGATE_DATABASE": "postgresql://u:hunter2@db/x"})
    assert "hunter2" not in repr(settings)
    assert "nurse" not in repr(settings).lower()


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    """As every other mistake."""
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "nope.yaml", environ={})


@pytest.mark.parametrize("text", ["90s", "15m", "2h", "30d", "6y"])
def test_a_duration_is_shown_as_it_was_written(text):
    """What is printed reads back the same."""
    assert shown_duration(duration(text)) == text


def test_a_duration_is_milliseconds():
    """As every time in Caregate."""
    assert duration("90s") == 90 * SECOND


def test_a_relative_database_lies_beside_the_file_wherever_one_calls(site, tmp_path, monkeypatch):
    """The folder one stands in changes nothing."""
    monkeypatch.chdir("/")
    assert site(("channels:", "database: sqlite:///x.db\nchannels:")).database_url == f"sqlite:///{tmp_path}/x.db"
    absolute = site(("channels:", "database: sqlite:////srv/x.db\nchannels:"))
    assert Path(absolute.database_url.removeprefix("sqlite:///")) == Path("/srv/x.db")


def test_what_is_believed_of_a_table_may_be_told(site):
    """SN-03: shares are written as such; what is not told stays as it is."""
    rows = "    port: 2575\n    format: table\n    mapping: audience\n    guard: {shrink: 90%, exits: 5 %, shared: 2, grow: 3}"
    settings = site(("    port: 2575", rows))
    assert guards_of(settings.sources["ehr"].guard) == Guards(shrink=0.9, exits=0.05, shared=2, grow=3)
    assert guards_of(site().sources["ehr"].guard) == Guards()


@pytest.mark.parametrize("share", ["0.3", "0%", "130%", "half", "[1]"])
def test_a_share_that_is_none_is_refused(site, share):
    """A guard that says something else than was meant guards nothing."""
    rows = f"    port: 2575\n    format: table\n    mapping: audience\n    guard: {{exits: {share}}}"
    (problem,) = told(site, ("    port: 2575", rows))
    assert "write a share like 30%" in problem


def test_guards_are_for_sources_of_rows(site):
    """A key that would do nothing is an error."""
    (problem,) = told(site, ("    port: 2575", "    port: 2575\n    guard: {shared: 2}"))
    assert problem.endswith("is for a source of rows (`format: table`)")
