"""Who we are at Snowflake: a login by key pair, everything of the session told when it begins, every error one of ours (SN-30, SN-32)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connectors.durations import Seconds
from connectors.snowflake.faults import fault_of
from connectors.snowflake.keys import der_of
from connectors.snowflake.names import Name

_HERE = frozenset({"127.0.0.1", "localhost", "::1"})
_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,255}$")]
_Called = Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,255}$")]


class Revocation(StrEnum):
    """What a certificate that may have been revoked comes to (SN-36), by lists; OCSP is not asked."""

    ENABLED = "enabled"  # what cannot be looked up is refused
    ADVISORY = "advisory"  # what is revoked is refused
    DISABLED = "disabled"


class Account(BaseModel):
    """The options of a login; a source and a sink add theirs. Times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    account: _Word  # organization-account
    user: _Called
    private_key: Annotated[SecretStr, Field(max_length=65_536)]  # PEM; file:keys/snowflake.p8
    passphrase: SecretStr | None = None
    role: _Called
    warehouse: _Called
    login_timeout: Annotated[Seconds, Field(ge=1, le=600)] = 60.0
    network_timeout: Annotated[Seconds, Field(ge=1, le=3_600)] = 300.0
    statement_timeout: Annotated[Seconds, Field(ge=1, le=86_400)] = (
        3_600.0  # its queue and a warehouse that wakes included
    )
    revocation: Revocation = Revocation.ADVISORY
    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")] | None = None  # else told by `account`
    port: int | None = Field(default=None, ge=1, le=65_535)
    protocol: Literal["https", "http"] = "https"  # http: an emulator on this machine

    @property
    def der(self) -> bytes:
        """Our private key, PKCS#8 in DER."""
        phrase = self.passphrase.get_secret_value() if self.passphrase else None
        return der_of(self.private_key.get_secret_value(), phrase)

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        try:
            _ = self.der
        except ValueError as error:
            raise ValueError(f"private_key: {error}") from None
        if self.protocol == "http" and self.host not in _HERE:
            raise ValueError("protocol: plain http is for an emulator on this machine alone")
        return self


def connected(account: Account, within: Name, tag: str) -> Any:
    """A connection, by whichever line of the connector is installed. `within`: DATABASE.SCHEMA; `tag`: no PHI. Raises ServerError."""
    with ours():
        import snowflake.connector  # here: only a process that has such a connector pays for it
        from snowflake.connector.version import VERSION

        connection = snowflake.connector.connect(**_told(account, within, tag), **_of_line(account, int(VERSION[0])))
        try:
            with connection.cursor() as cursor:
                cursor.execute("USE SECONDARY ROLES NONE")  # what `role` may is all that is used (SN-32)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def ours() -> Iterator[None]:
    """Whatever the connector raises, without a word of it: it quotes statements, and what they were about."""
    from snowflake.connector.errors import Error

    try:
        yield
    except (Error, OSError, ValueError, TypeError, KeyError) as error:
        raise fault_of(error) from None


def _told(account: Account, within: Name, tag: str) -> dict[str, Any]:
    """What both lines of the connector understand."""
    where = {"host": account.host, "port": account.port} if account.host else {}
    return {
        **{name: value for name, value in where.items() if value is not None},
        "protocol": account.protocol,
        "account": account.account,
        "user": account.user,
        "authenticator": "SNOWFLAKE_JWT",
        "private_key": account.der,
        "role": account.role,
        "warehouse": account.warehouse,
        "database": within.parts[0],
        "schema": within.parts[1],
        "paramstyle": "qmark",  # values travel beside the statement and never in it (SN-38)
        "login_timeout": math.ceil(account.login_timeout),
        "cert_revocation_check_mode": account.revocation.upper(),
        "enable_crl_file_cache": False,
        "client_prefetch_threads": 2,
        "application": "Caregate",
        "session_parameters": {
            "QUERY_TAG": tag,
            "TIMEZONE": "UTC",
            "STATEMENT_TIMEOUT_IN_SECONDS": math.ceil(account.statement_timeout),
            "ROWS_PER_RESULTSET": 0,  # an account's limit would look like a table that shrank
            "CLIENT_TELEMETRY_ENABLED": False,
        },
    }


def _of_line(account: Account, major: int) -> dict[str, Any]:
    """What 4.x and 5.x call differently (SN-31). OCSP is off in both: 5.x has none, and lists are looked at instead (SN-36)."""
    network = math.ceil(account.network_timeout)
    if major < 5:
        return {"network_timeout": network, "disable_ocsp_checks": True}
    return {
        "request_timeout": network,
        "query_timeout": math.ceil(account.statement_timeout),
        "enable_server_session_keep_alive_auto_detection": False,
    }
