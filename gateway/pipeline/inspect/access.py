"""Keys to the API and the staff pages, and their sessions: the database holds digests only, so that reading it opens nothing."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from gateway.model.access import Caller, Refusal, Role, roles_of
from gateway.model.audit import Action
from gateway.model.errors import CommandError
from gateway.model.when import HOUR, MINUTE, SECOND, Millis
from gateway.store import tables
from gateway.store.engine import Store
from gateway.store.statement import Statement
from gateway.store.uow import Reader, UnitOfWork

PREFIX = "cgk_"
IDLE: Millis = 15 * MINUTE
"""45 CFR 164.312(a)(2)(iii): a session nobody uses ends by itself."""
LONGEST: Millis = 12 * HOUR
_GRAIN: Millis = 30 * SECOND  # a session's last use is written this often at most; it ends so much earlier, never later
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COLUMNS = ("id", "name", "digest", "roles", "created", "by", "expires", "revoked")
_SESSION = ("id", "digest", "key", "started", "seen", "ended")
_k, _s = tables.api_key.c, tables.staff_session.c
_ALL = Statement("api_key.all", select(*(_k[name] for name in _COLUMNS)).order_by(_k.id))
_REVOKE = Statement(
    "api_key.revoke",
    update(tables.api_key).where(_k.id == bindparam("which"), _k.revoked.is_(None)).values(revoked=bindparam("now")),
    params=("now", "which"),
)
_END = Statement(
    "staff_session.end",
    update(tables.staff_session).where(_s.id == bindparam("which"), _s.ended.is_(None)).values(ended=bindparam("now")),
    params=("now", "which"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A key as people see it; what opens is shown once and never again. Times are Millis UTC."""

    id: int
    name: str
    roles: tuple[str, ...]
    created: Millis
    by: str
    expires: Millis | None
    revoked: Millis | None

    @property
    def account(self) -> str:
        """As the audit log names who used it."""
        return f"key:{self.name}#{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser's session that is still good. `caller`: who began it, with the roles their key has now."""

    id: int
    caller: Caller
    seen: Millis


def access_add(
    store: Store, *, name: str, roles: Sequence[str], lasts: Millis | None, account: str
) -> tuple[AccessKey, str]:
    """Make a key; returns it and its secret (32 random bytes, URL-safe), which only its SHA-256 is kept of. CommandError."""
    _check(name, roles)
    secret = PREFIX + secrets.token_urlsafe(32)
    with store.begin(account) as uow:
        if any(one.name == name and one.revoked is None for one in _keys(uow)):
            raise CommandError(f"there is a key `{name}` already: revoke it first, or choose another name")
        expires = None if lasts is None else uow.now + lasts
        row = (uow.new_id(), name, digest_of(secret), ",".join(sorted(set(roles))), uow.now, account, expires, None)
        uow.insert(tables.api_key, _COLUMNS, [row])
        uow.audit([(Action.ACCESS_GRANTED, "key", row[0], name, row[3], expires)])
        uow.commit()
    return _key(row), secret


def _check(name: str, roles: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise CommandError("a key's name is a word of a-z, 0-9, `.`, `_` and `-`, up to 64 long")
    if not roles or set(roles) - frozenset(Role):
        raise CommandError(f"say one or more of the roles {', '.join(Role)}")


def access_list(store: Store) -> list[AccessKey]:
    """Every key there ever was, oldest first."""
    with store.read() as unit:
        return _keys(unit)


def access_revoke(store: Store, name: str, *, reason: str, account: str) -> AccessKey:
    """End a key by its name; its sessions end with it at once. Raises CommandError."""
    with store.begin(account) as uow:
        found = next((one for one in _keys(uow) if one.name == name and one.revoked is None), None)
        if found is None or not uow.run(_REVOKE, (uow.now, found.id)):
            raise CommandError(f"there is no key `{name}` that still opens; `caregate access list` shows them")
        uow.audit([(Action.ACCESS_REVOKED, "key", found.id, found.name, reason)])
        uow.commit()
    return found


def access_find(store: Store, secret: str) -> Caller | Refusal:
    """Who has this secret. One look-up by the digest of 32 random bytes: its time tells nothing of any other key."""
    with store.read() as unit:
        rows = unit.lookup(tables.api_key, _COLUMNS, "digest", [digest_of(secret)])
        return _caller(_key(rows[0]), unit.now) if rows else Refusal.KEY_UNKNOWN


def _caller(key: AccessKey, now: Millis) -> Caller | Refusal:
    if key.revoked is not None:
        return Refusal.KEY_REVOKED
    if key.expires is not None and key.expires <= now:
        return Refusal.KEY_EXPIRED
    return Caller(account=key.account, roles=roles_of(key.roles), key=key.id, until=key.expires)


def digest_of(secret: str) -> bytes:
    """SHA-256 (32 bytes): of a long random secret that is enough, nobody guesses it (NIST SP 800-63B 5.1.1.2 is about passwords)."""
    return hashlib.sha256(secret.encode()).digest()


# -- sessions of a browser


def session_begin(store: Store, caller: Caller) -> str:
    """Begin one for who just showed a key; returns the cookie's token. Raises StoreError."""
    assert caller.key is not None, "a session is begun with a key"
    token = secrets.token_urlsafe(32)
    with store.begin(caller.account) as uow:
        row = (uow.new_id(), digest_of(token), caller.key, uow.now, uow.now, None)
        uow.insert(tables.staff_session, _SESSION, [row])
        uow.audit([(Action.ACCESS_GRANTED, "session", row[0], caller.key)])
        uow.commit()
    return token


def session_find(store: Store, token: str) -> Session | None:
    """The session of a cookie, its last use noted; None when it ended, was idle for 15 minutes, or its key is gone."""
    with store.read() as unit:
        rows = unit.lookup(tables.staff_session, _SESSION, "digest", [digest_of(token)])
        if not rows:
            return None
        identity, _, key, started, seen, ended = rows[0]
        keys = unit.lookup(tables.api_key, _COLUMNS, "id", [key])
        caller = _caller(_key(keys[0]), unit.now) if keys else Refusal.KEY_UNKNOWN
        now = unit.now
    over = now - seen >= IDLE or now - started >= LONGEST
    if ended is not None or over or isinstance(caller, Refusal):
        if ended is None:
            _end(store, identity, "idle" if over else str(caller), "api")
        return None
    if now - seen >= _GRAIN:
        with store.begin("api") as uow:
            uow.update(tables.staff_session, ("id",), ("seen",), [(uow.now, identity)])
            uow.commit()
    return Session(id=identity, caller=caller, seen=seen)


def session_end(store: Store, session: Session) -> None:
    """Signed out: the cookie opens nothing any more, wherever it was copied to."""
    _end(store, session.id, "signed-out", session.caller.account)


def _end(store: Store, identity: int, why: str, account: str) -> None:
    with store.begin(account) as uow:
        if uow.run(_END, (uow.now, identity)):
            uow.audit([(Action.ACCESS_REVOKED, "session", identity, why)])
            uow.commit()


def form_token(token: str) -> str:
    """What every form of a session carries (CSRF): made from the cookie's token, which no other site knows."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"form:" + token.encode()).digest()).decode().rstrip("=")


# -- rows


def _keys(unit: Reader | UnitOfWork) -> list[AccessKey]:
    return [_key(row) for row in unit.all(_ALL)]


def _key(row: Sequence[Any]) -> AccessKey:
    identity, name, _, roles, created, by, expires, revoked = row
    return AccessKey(
        id=identity,
        name=name,
        roles=tuple(roles.split(",")),
        created=created,
        by=by,
        expires=expires,
        revoked=revoked,
    )
