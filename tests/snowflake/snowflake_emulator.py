"""An emulator of Snowflake as a process of its own: fakesnow, behind a door that judges the login and stands in for streams.

    python snowflake_emulator.py PORT PUBLIC_KEY.pem

fakesnow takes any key (FK-02), knows no streams, CHANGES or secondary roles (FK-03) and answers no master token. The door checks
the assertion with pyjwt as Snowflake documents it, keeps what a stream was made on as a copy and tells the difference
as DELETE and INSERT halves, and refuses what it was told to refuse (POST /test/refuse). GET /test/seen: what came.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import fakesnow.server as emulator
import jwt
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_NAME = r'"[^"]+"\."[^"]+"\."[^"]+"'
_MADE = re.compile(rf"CREATE OR REPLACE STREAM ({_NAME}) ON (?:TABLE|VIEW) ({_NAME})")
_INSTANT = r"\(TIMESTAMP => CAST\(\? AS TIMESTAMP_LTZ\)\)"
_CHANGES = re.compile(rf"({_NAME}) CHANGES\(INFORMATION => DEFAULT\) AT{_INSTANT} END{_INSTANT}")
_TOKENS = {"masterToken": "m", "validityInSeconds": 3600, "masterValidityInSeconds": 14400, "sessionId": 1}


class Door:
    """The ASGI application in front of the emulator."""

    def __init__(self, public: bytes) -> None:
        self.key = load_pem_public_key(public)
        der = self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.print = "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()
        self.refusals: list[dict[str, Any]] = []
        self.logins: list[dict[str, Any]] = []
        self.statements: list[dict[str, Any]] = []
        self.streams: dict[str, str] = {}  # stream → table

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Judge, rewrite or pass on."""
        if scope["type"] != "http":
            await emulator.app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        told = json.loads(body) if body else {}
        answer = await self._answer(scope, told)
        await answer(scope, receive, send)

    async def _answer(self, scope: Any, told: dict[str, Any]) -> Response:
        path = scope["path"]
        if path == "/test/refuse":
            self.refusals = told["refusals"]
            return JSONResponse({})
        if path == "/test/seen":
            return JSONResponse({"logins": self.logins, "statements": self.statements})
        if path == "/session/v1/login-request":
            return await self._login(scope, told)
        if path == "/queries/v1/query-request":
            return await self._query(scope, told)
        return await _passed(scope, told)

    async def _login(self, scope: Any, told: dict[str, Any]) -> Response:
        data = told["data"]
        self.logins.append({name: value for name, value in data.items() if name != "TOKEN"})
        if refusal := self._refusal("login", ""):
            return refusal
        try:
            header = jwt.get_unverified_header(data["TOKEN"])
            claims = jwt.decode(data["TOKEN"], self.key, algorithms=["RS256", "ES256", "ES384", "ES512"])
        except jwt.PyJWTError:
            return _refused("390144", "JWT token is invalid. [0000]")
        self.logins[-1]["claims"] = {**claims, "alg": header["alg"]}
        who = f"{data['ACCOUNT_NAME'].upper()}.{data['LOGIN_NAME'].upper()}"
        if claims["sub"] != who or claims["iss"] != f"{who}.{self.print}":
            return _refused("394304", "JWT token is invalid. [0000]")
        made = await _passed(scope, told)
        answer = json.loads(made.body)
        answer["data"].update(_TOKENS)
        return JSONResponse(answer)

    async def _query(self, scope: Any, told: dict[str, Any]) -> Response:
        sql = told["sqlText"]
        self.statements.append({"sql": sql, "binds": told.get("bindings"), "describe": bool(told.get("describeOnly"))})
        if refusal := self._refusal("query", sql):
            return refusal
        if sql == "USE SECONDARY ROLES NONE":
            return await _passed(scope, {**told, "sqlText": "SELECT 1"})
        if made := _MADE.fullmatch(sql):
            self.streams[made[1]] = made[2]
            return await _passed(scope, {**told, "sqlText": _copy(_base(made[1]), made[2])})
        if changes := _CHANGES.search(sql):
            found = sql.replace(changes[0], _halves(_base(changes[1]), changes[1]))
            return await _passed(scope, {**told, "sqlText": found, "bindings": None})
        for stream, table in self.streams.items():
            if f"FROM {stream}" in sql:
                return await self._consumed(scope, told, stream, table)
        return await _passed(scope, told)

    async def _consumed(self, scope: Any, told: dict[str, Any], stream: str, table: str) -> Response:
        """The statement with the difference in place of the stream; its place moves if it is DML that succeeds (SN-17)."""
        sql = told["sqlText"].replace(stream, _halves(_base(stream), table))
        answer = await _passed(scope, {**told, "sqlText": sql})
        if sql.startswith("INSERT") and json.loads(answer.body)["success"]:
            await _passed(scope, {**told, "sqlText": _copy(_base(stream), table), "bindings": None})
        return answer

    def _refusal(self, where: str, sql: str) -> Response | None:
        for one in self.refusals:
            if one["where"] == where and one.get("sql", "") in sql and one["times"] > 0:
                one["times"] -= 1
                if one.get("status"):
                    return Response(status_code=one["status"])
                return _refused(one["code"], one.get("text", "no [0000]"))
        return None


def _base(stream: str) -> str:
    return stream[:-1] + '$BASE"'


def _copy(base: str, table: str) -> str:
    return f"CREATE OR REPLACE TABLE {base} AS SELECT * FROM {table}"


def _halves(base: str, table: str) -> str:
    """What changed as a stream tells it: an update is a DELETE and an INSERT (SN-18)."""
    gone = f"(SELECT * FROM {base} EXCEPT SELECT * FROM {table})"
    new = f"(SELECT * FROM {table} EXCEPT SELECT * FROM {base})"
    return (
        f"(SELECT *, 'DELETE' AS \"METADATA$ACTION\" FROM {gone} UNION ALL "
        f"SELECT *, 'INSERT' AS \"METADATA$ACTION\" FROM {new})"
    )


def _refused(code: str, text: str) -> Response:
    return JSONResponse(
        {"success": False, "code": code, "message": text, "data": {"errorCode": code, "sqlState": "42000"}}
    )


async def _passed(scope: Any, told: dict[str, Any]) -> Response:
    """What the emulator says to it."""
    body = json.dumps(told).encode()
    headers = [one for one in scope["headers"] if one[0] not in (b"content-encoding", b"content-length")]
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await emulator.app({**scope, "headers": headers}, receive, send)
    answer = b"".join(one.get("body", b"") for one in sent[1:])
    return Response(answer, status_code=sent[0]["status"], media_type="application/json")


if __name__ == "__main__":
    door = Door(Path(sys.argv[2]).read_bytes())
    uvicorn.run(door, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
