"""Who we are at Snowflake: what the real connector sends is judged as Snowflake documents it (FK-02), and a refusal is refused once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from snowflake_there import Audience, There

from connectors.snowflake.faults import Expired, Stale, fault_of
from connectors.snowflake.keys import der_of
from connectors.sources.snowflake.session import Session
from gateway.model.errors import Busy, Denied, Missing, ServerError, Unusable


def pem_of(key: object) -> str:
    """Open, as PKCS#8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_the_assertion_names_account_user_and_fingerprint_and_lives_a_minute(snowflake: There):
    """SN-30: signed with the encrypted key of the options; nothing else of us is sent."""
    Session(snowflake.options("CDP.PUBLIC.T"), "tag").close()
    login = snowflake.seen()["logins"][-1]
    claims = login["claims"]
    assert claims["sub"] == "LAKESIDE-CDP.CAREGATE"
    assert claims["iss"].startswith("LAKESIDE-CDP.CAREGATE.SHA256:")
    assert claims["alg"] == "RS256"
    assert 0 < claims["exp"] - claims["iat"] <= 60
    assert "PASSWORD" not in login


def test_a_session_says_all_of_itself_when_it_begins(snowflake: There):
    """SN-32: tag, time zone, limits; of roles the one that is told and no other."""
    Session(snowflake.options("CDP.PUBLIC.T", statement_timeout="7m"), "caregate:cdp").close()
    told = snowflake.seen()["logins"][-1]["SESSION_PARAMETERS"]
    assert told["QUERY_TAG"] == "caregate:cdp"
    assert told["TIMEZONE"] == "UTC"
    assert told["STATEMENT_TIMEOUT_IN_SECONDS"] == 420
    assert told["ROWS_PER_RESULTSET"] == 0
    assert snowflake.statements()[-1] == "USE SECONDARY ROLES NONE"


@pytest.mark.parametrize("name", ["account", "user"])
def test_somebody_else_is_not_believed(snowflake: There, name: str):
    """SN-30, FK-02: the door compares what the assertion says with the key it knows."""
    stranger = pem_of(generate_private_key(65537, 2048))
    options = snowflake.options("CDP.PUBLIC.T", **{name: "other"})
    Session(options, "tag").close()  # the right key: any name is its own
    options = snowflake.options("CDP.PUBLIC.T", private_key=stranger, passphrase=None)
    with pytest.raises(Denied, match="public key"):
        Session(options, "tag")


@pytest.mark.parametrize(
    "code",
    ["390144", "394300", "394301", "394302", "394303", "394304", "394305", "394306", "390100", "390422", "390999"],
)
def test_a_refused_login_is_not_tried_again(snowflake: There, code: str):
    """SN-35: no lockout storm; one sentence, without Snowflake's own words."""
    before = len(snowflake.seen()["logins"])
    snowflake.refuse({"where": "login", "code": code, "text": "user SECRET is locked", "times": 9})
    with pytest.raises(Denied) as refused:
        Session(snowflake.options("CDP.PUBLIC.T"), "tag")
    assert "SECRET" not in str(refused.value)
    assert len(snowflake.seen()["logins"]) == before + 1


def test_nobody_there_is_trouble_that_passes(snowflake: There):
    """SN-35, SN-37: within the time that is told."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        options = snowflake.options(
            "CDP.PUBLIC.T", port=taken.getsockname()[1], login_timeout="2s", network_timeout="2s"
        )
        with pytest.raises(Busy):
            Session(options, "tag")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("003001", Denied),
        ("000606", Denied),
        ("002003", Missing),
        ("000904", Unusable),
        ("001003", Unusable),
        ("000630", Busy),
        ("390111", Expired),
        ("000707", Stale),
    ],
)
def test_what_snowflake_says_of_a_statement_is_told_in_our_words(
    audience: Audience, code: str, kind: type[ServerError]
):
    """SN-35: over the network, by the number."""
    session = Session(audience.there.options(audience.name), "tag")
    audience.there.refuse({"where": "query", "sql": "SELECT 42", "code": code, "text": "near 'JANE DOE'", "times": 1})
    with pytest.raises(kind) as refused:
        session.ask("SELECT 42")
    session.close()
    assert type(refused.value) is kind
    assert "DOE" not in str(refused.value)


def test_errors_of_no_known_number_stop_only_where_the_statement_was_refused():
    """SN-35: by PEP 249's classes."""
    from snowflake.connector import errors

    assert type(fault_of(errors.ProgrammingError("x", errno=2140))) is Unusable
    assert type(fault_of(errors.OperationalError("x", errno=253))) is Busy
    assert type(fault_of(errors.DatabaseError("x", errno=250_003))) is Busy
    assert type(fault_of(errors.ForbiddenError(msg="x", errno=250_001))) is Denied
    assert type(fault_of(OSError("reset"))) is Busy
    assert type(fault_of(errors.DatabaseError("250001: Failed to login: 394304 x", errno=250_001))) is Denied


def test_keys_are_what_snowflake_takes():
    """SN-30: RSA from 2048 bits, ECDSA on its three curves; encrypted ones with their passphrase."""
    for key in (generate_private_key(65537, 2048), ec_key(SECP256R1())):
        der = der_of(pem_of(key), None)
        assert load_der_private_key(der, None).public_key() == key.public_key()
    with pytest.raises(ValueError, match="not encrypted"):
        der_of(pem_of(ec_key(SECP256R1())), "x")
    for weak in (generate_private_key(65537, 1024), ec_key(SECP256K1())):
        with pytest.raises(ValueError, match="2048 bits"):
            der_of(pem_of(weak), None)
    with pytest.raises(ValueError, match="in PEM"):
        der_of("no key", None)


def test_the_other_line_of_the_connector_reads_the_same(audience: Audience, tmp_path: Path):
    """SN-31: 5.x in a Python of its own (CAREGATE_TEST_SNOWFLAKE5), this code, this emulator, over the network."""
    other = os.environ.get("CAREGATE_TEST_SNOWFLAKE5")
    if not other:
        pytest.skip(
            "CAREGATE_TEST_SNOWFLAKE5 names no Python with snowflake-connector-python 5.x and what Caregate needs"
        )
    audience.put(("a", "x", "2026-03-01 08:00:00"), ("b", "x", "2026-03-01 09:00:00"))
    (tmp_path / "key.pem").write_text(audience.there.pem)
    script = str(Path(__file__).with_name("snowflake_five.py"))
    asked = [other, script, str(audience.there.port), audience.name, str(tmp_path / "key.pem")]
    done = subprocess.run(
        asked,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)[:0] or str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["5", "2", "a b", "Denied Busy"], done.stderr
